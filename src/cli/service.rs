//! `wechatd service …`: lists and checks services, and prints their secrets.

use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use super::input::{find_named, none_configured};
use super::simulate;
use super::terminal::{Failure, Json, Output, readable, text, whole};
use crate::clock;
use crate::config::{Config, Service, ServiceFormat};
use crate::secret::Secret;
use crate::service::{self, Question, Services};
use crate::simulated::SimulatedPush;
use crate::store::{Reader, ServiceCounts, Store};
use crate::wechat::Push;

pub(super) const HELP: &str = "Examples:
  wechatd service check bot
  wechatd service list

A service is a [[service]] of wechat.conf, which explains its keys. A rule with `forward` sends it messages and events. `wechatd hooks` is for programs that only want to be notified.

Format \"wechat\": WeChat's own XML, freshly signed and always in plain mode, for bots written with WeRoBot, wechatpy, EasyWeChat, WxJava or node's wechat. The program answers with success, nothing, or reply XML, which is checked.

Format \"json\": a POST signed as Standard Webhooks say. Its webhook-id stays the same for one message.

  webhook-id: msg_0f5c1a…
  webhook-timestamp: 1795864148
  webhook-signature: v1,YvkFVAYO+HHdXmx…

  {\"type\":\"message.text\",\"timestamp\":\"2026-11-28T11:09:08Z\",
   \"data\":{\"openid\":\"oSyn1aAQe7rT0uXk3mPzLc9WvBh4\",\"kind\":\"text\",
    \"content\":\"hello\",\"key\":null,\"msg_id\":\"24531\",
    \"created_at\":1795864148,\"follower\":null,\"xml\":\"<xml>…\"}}

The program answers with 204 for nothing, with text/plain, or with JSON that has one answer key of the rules: {\"text\":\"Hello\"}, {\"news\":[…]}, {\"transfer\":true}.

A whole program in Python, for url = \"http://127.0.0.1:9000\":

  import http.server, json

  class Bot(http.server.BaseHTTPRequestHandler):
      def do_POST(self):
          length = int(self.headers[\"Content-Length\"])
          call = json.loads(self.rfile.read(length))
          answer = {\"text\": \"You wrote: \" + call[\"data\"][\"content\"]}
          self.send_response(200)
          self.send_header(\"Content-Type\", \"application/json\")
          self.end_headers()
          self.wfile.write(json.dumps(answer).encode())

  http.server.HTTPServer((\"127.0.0.1\", 9000), Bot).serve_forever()

WeChat waits 5 s and delivers a message up to three times. An answer is shown once, in the first way that works:

  up to 4.5 s   as the reply
  up to 14 s    \"wait\": as the reply to the second or third delivery
  later         \"message\": as a customer-service message, if the account may
                send them, which is found out by trying
  else          \"next\": above the answer to what the follower sends next

The program is called once per message, however often WeChat delivers it; messages of one follower are sent to it one after another. A failure shows `otherwise` at once: an answer other than 2xx, a refused connection, more than 256 KiB. After 5 failures in a row no call is made for 10 s, then one tries. Redirects and proxies are not used; addresses are logged without user, path and query. There can be 16 services, and 256 messages can wait for each.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the services and how each is doing
    #[command(after_help = "Examples:
  wechatd service list
  wechatd service list --json | jq '.[] | select(.failed > 0)'

A service is a [[service]] of the configuration: a program that answers what rules forward to it. The numbers are of all forwarded messages that the store has; `wechatd forwards list` shows each.")]
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Ask a service now, as a follower would, and show its answer
    #[command(after_help = "Examples:
  wechatd service check bot
  wechatd service check bot --json | jq -r .reply

A program of the format \"wechat\" must first prove that it knows the Token, as the console asks of a server (GET with an echostr). Then the text \"hello\" of a simulated follower is sent to it: the program may act on that. It needs no running server, and nobody is shown anything.")]
    Check {
        /// The service
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Print the secret that signs the calls to a service of the format "json"
    #[command(after_help = "Example:
  wechatd service secret bot

The program checks the signature with it, for example by a library of standardwebhooks.com. It is made once, unless the configuration has one.")]
    Secret {
        /// The service
        name: String,
        #[command(flatten)]
        json: Json,
    },
}

/// What the sample push of `service check` says.
const SAMPLE: &str = "hello";

/// How a service is doing, for `service list` and `check`.
#[derive(Debug, Serialize)]
pub(super) struct ShownService {
    name: String,
    line: usize,
    format: &'static str,
    /// Without what may be secret.
    url: String,
    /// What becomes of late answers.
    slow: Vec<&'static str>,
    state: String,
    waiting: i64,
    kept: i64,
    answered: i64,
    expired: i64,
    failed: i64,
    /// Why it failed last, if it has not answered since.
    error: Option<String>,
    #[serde(skip)]
    kind: String,
}

impl ShownService {
    /// `reader` is the store, if there is one yet.
    pub(super) fn of(service: &Service, reader: Option<&Reader>) -> Result<ShownService, Failure> {
        let counts = match reader {
            Some(reader) => reader.service_counts(&service.name)?,
            None => ServiceCounts::default(),
        };
        Ok(ShownService {
            name: service.name.clone(),
            line: service.line,
            format: service.format.name(),
            url: service.url.to_string(),
            slow: service.slow.rungs(),
            state: state(&counts),
            waiting: counts.waiting,
            kept: counts.kept,
            answered: counts.answered,
            expired: counts.expired,
            failed: counts.failed,
            error: counts.error,
            kind: shown_kind(service),
        })
    }

    /// One line, for `check`.
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "{} (line {}): {} ({}): {}",
            self.name, self.line, self.url, self.kind, self.state
        );
        for (count, what) in [(self.waiting, "waiting"), (self.kept, "kept")] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        if self.error.is_some() {
            line += &format!("; `wechatd service check {}` tries it", self.name);
        }
        line
    }
}

/// The format, and what becomes of late answers.
pub(super) fn shown_kind(service: &Service) -> String {
    format!("{}, {}", service.format.name(), service.slow)
}

fn state(counts: &ServiceCounts) -> String {
    match (
        counts.failed_in_a_row,
        counts.answered + counts.kept + counts.expired,
    ) {
        (0, 0) => "no answer yet".to_owned(),
        (0, _) => "works".to_owned(),
        (failed, _) => {
            let times = match failed {
                1 => String::new(),
                times => format!(" {times} times in a row"),
            };
            let why = counts.error.as_deref().unwrap_or("the reason is not known");
            format!("failed{times}: {why}")
        }
    }
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List { json } => list(config, json),
        Commands::Check { name, json } => check(config, &name, json),
        Commands::Secret { name, json } => secret(config, &name, json),
    }
}

fn list(config: &Config, json: Json) -> Result<(), Failure> {
    let reader = Reader::open_if_any(&config.store)?;
    let shown = config
        .services
        .iter()
        .map(|service| ShownService::of(service, reader.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&shown);
    }
    let line = |service: &ShownService| {
        [
            service.name.clone(),
            service.kind.clone(),
            service.url.clone(),
            service.waiting.to_string(),
            service.kept.to_string(),
            service.answered.to_string(),
            service.expired.to_string(),
            service.failed.to_string(),
            service.state.clone(),
        ]
    };
    let lines: Vec<[String; 9]> = shown.iter().map(line).collect();
    out.table(
        [
            whole("service"),
            text("format"),
            text("to"),
            whole("waiting"),
            whole("kept"),
            whole("answered"),
            whole("expired"),
            whole("failed"),
            text("state"),
        ],
        &lines,
        &none_configured::<Service>(),
    )?;
    out.done()
}

fn check(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    let service = find_named(&config.services, name)?;
    let (token, signed_with) = match &service.format {
        ServiceFormat::WeChat { token: Some(token) } => (token.clone(), "the service's `token`"),
        ServiceFormat::WeChat { token: None } => (simulate::token(config)?, "the account's Token"),
        // It signs with its secret.
        ServiceFormat::Json { .. } => (Secret::new(""), "the service's secret"),
    };
    let store = Store::open(&config.store)?;
    let services = Services::new(std::slice::from_ref(service), &token, &store)?;
    let Some(backend) = services.get(name) else {
        return Err(Failure::Failed("there is nothing to check".to_owned()));
    };
    let mut out = Output::for_reading();
    let mut say = |line: String| -> Result<(), Failure> {
        if !json.wanted {
            out.line(&line)?;
            out.flush()?;
        }
        Ok(())
    };
    let url = &service.url;
    let has_handshake = matches!(service.format, ServiceFormat::WeChat { .. });
    if has_handshake {
        backend.handshake().map_err(|failure| {
            Failure::failed(
                format!("{name}: {url} did not prove that it knows the Token: {failure}"),
                format!(
                    "the program has to answer the GET with its echostr; it was signed with {signed_with}, and no push was made"
                ),
            )
        })?;
        say(format!("GET {url}: the program knows {signed_with}"))?;
    }
    let sample = SimulatedPush {
        kind: "text",
        text: Some(SAMPLE),
        ..SimulatedPush::default()
    };
    let xml = sample.xml();
    let push = Push::parse(xml.as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
    let question = Question {
        dedup_key: push.dedup_key(),
        received: xml.into_bytes(),
        follower: None,
    };
    let follower = &push.from_user;
    say(format!(
        "POST {url}: the text {SAMPLE:?} of {follower}, signed with {signed_with}; the program may act on it"
    ))?;
    let begun = Instant::now();
    let reply = backend.ask(&question, &|| true).map_err(|failure| {
        Failure::failed(
            format!("{name}: {url} gave no usable answer to a sample push: {failure}"),
            what_to_do(service, signed_with),
        )
    })?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1_000.0;
    let reply =
        reply.and_then(|reply| reply.to_xml(follower, &push.to_user, clock::unix_seconds()));
    if json.wanted {
        return out.json(&json!({
            "service": name,
            "handshake": has_handshake,
            "sample": SAMPLE,
            "milliseconds": milliseconds,
            "reply": reply,
        }));
    }
    let answered = format!("answered in {milliseconds:.1} ms");
    match &reply {
        Some(xml) => {
            out.line(&format!("{answered}:"))?;
            for line in readable(xml) {
                out.line(&line)?;
            }
        }
        None => out.line(&format!("{answered} that nothing is to be shown"))?,
    }
    out.done()
}

fn what_to_do(service: &Service, signed_with: &str) -> String {
    match service.format {
        ServiceFormat::WeChat { .. } => format!(
            "look at the program's log, it may have acted on the push; it has to be in plain mode, without EncodingAESKey, and to know {signed_with}"
        ),
        ServiceFormat::Json { .. } => format!(
            "look at the program's log, it may have acted on the push; `wechatd service secret {}` prints what the push was signed with",
            service.name
        ),
    }
}

fn secret(config: &Config, name: &str, json: Json) -> Result<(), Failure> {
    let service = find_named(&config.services, name)?;
    let store = Store::open(&config.store)?;
    let Some(secret) = service::secret(service, &store)? else {
        return Err(Failure::failed(
            format!("{name} has no secret"),
            "calls of the format \"wechat\" are signed with `token`, or without it with account.token",
        ));
    };
    let secret = secret.written().expose();
    let out = Output::for_reading();
    out.answer(json, &json!({ "service": name, "secret": secret }), secret)
}
