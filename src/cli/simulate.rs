//! `wechatd simulate`: plays the platform against the running server.

mod delivery;
mod http;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Serialize;

use super::input::Suggested;
use super::terminal::{Failure, Json, Output, complain, readable};
use crate::app::Networks;
use crate::byte_order_mark;
use crate::config::{AllowIps, Config, MESSAGE_TYPES};
use crate::secret::Secret;
use crate::simulated::{Implausible, SimulatedPush};
use crate::store::Reader;
use crate::wechat::{EVENTS, Envelope, PRODUCT_EVENTS, known_events};
use delivery::{Delivery, Sender, Waiting};
use http::Answer;
pub(super) use http::Target;

/// The help: everything that can be simulated, from the tables of the protocol, and examples.
pub(super) fn help() -> String {
    let events: Vec<&str> = EVENTS.iter().map(|(name, ..)| *name).collect();
    format!(
        "KIND is `verify`, a MsgType or an Event name:
  verify, the check that the console makes when the URL is saved

  messages:
{}

  events of users and results, in upper or lower case:
{}

  events of cards, shops and others:
{}

Any other name is sent as an event, too.

Examples:
  wechatd simulate verify
  wechatd simulate verify --url https://www.example.com/wechat
  wechatd simulate subscribe
  wechatd simulate subscribe --scene poster-7
  wechatd simulate text hello
  wechatd simulate text '@more tea' --from oSomebodyElse
  wechatd simulate CLICK --key MENU_HOURS
  wechatd simulate scancode_waitmsg --key CHECK --scan A7
  wechatd simulate user_authorization_cancellation --from oSomebodyElse
  wechatd simulate TEMPLATESENDJOBFINISH 'failed:user block' \\
      --msg-id 4250000000000000001
  wechatd simulate text --xml push.xml
  wechatd simulate text 'a long question' --patient",
        listed(MESSAGE_TYPES),
        listed(&events),
        listed(PRODUCT_EVENTS),
    )
}

/// The completions for KIND.
fn kinds() -> Suggested {
    let messages = MESSAGE_TYPES.iter().copied();
    Suggested(
        ["verify"]
            .into_iter()
            .chain(messages)
            .chain(known_events())
            .collect(),
    )
}

/// Names in wrapped lines of a help text.
fn listed(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for (n, name) in names.iter().enumerate() {
        let comma = if n + 1 == names.len() { "" } else { "," };
        let line = lines.last_mut().filter(|line| line.len() + name.len() < 76);
        match line {
            Some(line) => line.push_str(&format!(" {name}{comma}")),
            None => lines.push(format!(" {name}{comma}")),
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("   {line}")).collect();
    lines.join("\n")
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// `verify`, a MsgType or an Event name
    #[arg(value_parser = kinds(), hide_possible_values = true)]
    kind: String,
    /// The text of the message; for the result of a sending its Status
    text: Option<String>,
    /// The follower's openid
    #[arg(long, value_name = "OPENID")]
    from: Option<String>,
    /// The EventKey: a menu button's key or URL
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The scene of a QR code, with subscribe or SCAN
    #[arg(long, value_name = "SCENE")]
    scene: Option<String>,
    /// What was scanned from the menu, with scancode_waitmsg or scancode_push
    #[arg(long, value_name = "TEXT")]
    scan: Option<String>,
    /// Send to this address instead of the configuration's, such as https://HOST/PATH
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Send the body in this file instead of a generated one
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
    /// The MsgId; repeat one to deliver the same message again. For a result: which sending
    #[arg(long, value_name = "ID")]
    msg_id: Option<String>,
    /// Wait as WeChat does: deliver again after 5 s without an answer, up to three times
    #[arg(long)]
    patient: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Simulated {
    status: u16,
    milliseconds: f64,
    /// As it arrived: encrypted in the modes that encrypt.
    body: String,
    /// The plain reply, if there is one.
    reply: Option<String>,
    /// Whether the echostr came back; only for `verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    /// Those until the answer came; only with --patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<Delivery>>,
}

/// Refuses a push that is hardly meant so, and warns of one that the platform may not send.
pub(super) fn check(push: &SimulatedPush) -> Result<(), Failure> {
    if let Some(warning) = push.check()? {
        complain(&warning);
    }
    Ok(())
}

impl From<Implausible> for Failure {
    fn from(Implausible { why, instead }: Implausible) -> Failure {
        match instead {
            Some(instead) => Failure::wrong(why, instead),
            None => Failure::Wrong(why),
        }
    }
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let verifies = arguments.kind.eq_ignore_ascii_case("verify");
    let simulated_push = SimulatedPush {
        kind: &arguments.kind,
        text: arguments.text.as_deref(),
        from: arguments.from.as_deref(),
        key: arguments.key.as_deref(),
        scene: arguments.scene.as_deref(),
        scan: arguments.scan.as_deref(),
        msg_id: arguments.msg_id.as_deref(),
    };
    let made = match (verifies, &arguments.xml) {
        (false, None) => {
            check(&simulated_push)?;
            None
        }
        (true, None) => Some("verify sends no push"),
        (true, Some(_)) => {
            return Err(Failure::Wrong(
                "verify sends no push: leave --xml out".to_owned(),
            ));
        }
        (false, Some(_)) => Some("the push comes from --xml"),
    };
    if verifies && arguments.patient {
        return Err(Failure::Wrong(
            "verify sends no push: leave --patient out".to_owned(),
        ));
    }
    if let Some(why) = made
        && !simulated_push.is_bare()
    {
        return Err(Failure::Wrong(format!(
            "{why}: leave TEXT, --from, --key, --scene, --scan and --msg-id out"
        )));
    }
    let (target, path) = match &arguments.url {
        None => (
            Target::of(&config.server.listen),
            config.server.path.clone(),
        ),
        Some(url) => Target::of_url(url).ok_or_else(|| {
            Failure::Wrong(format!(
                "--url {url}: expected http://HOST:PORT/PATH or https://HOST/PATH"
            ))
        })?,
    };
    let sender = Sender {
        target,
        // The URL in the console may already have a query.
        path: format!("{path}{}", if path.contains('?') { '&' } else { '?' }),
        token: token(config)?,
        mode: &config.account.mode,
        client: allowed_address(config)?,
    };
    let mut out = Output::for_reading();
    let (answer, deliveries, verified) = if verifies {
        let (answer, delivery, echoed) = sender.verify()?;
        (answer, vec![delivery], Some(echoed))
    } else {
        let body = body(&simulated_push, arguments.xml.as_deref())?;
        let waiting = match arguments.patient {
            true => Waiting::LIKE_THE_PLATFORM,
            false => Waiting::LIKE_A_PERSON,
        };
        let (answer, deliveries) = sender.deliver(&body, waiting, |said| {
            if arguments.json.wanted {
                return Ok(());
            }
            out.line(said)?;
            out.flush()
        })?;
        (answer, deliveries, None)
    };
    let simulated = Simulated {
        status: answer.status,
        milliseconds: deliveries.last().map_or(0.0, |last| last.milliseconds),
        reply: reply(config, &answer),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
        verified,
        deliveries: arguments.patient.then_some(deliveries),
    };
    let fine = simulated.verified.unwrap_or(answer.status == 200);
    if arguments.json.wanted {
        out.json(&simulated)?;
    } else {
        out.line(&format!(
            "{} {} in {:.1} ms",
            answer.status, answer.reason, simulated.milliseconds
        ))?;
        for line in described(&simulated, arguments.url.as_ref().map(|_| &sender.target)) {
            out.line(&line)?;
        }
        out.done()?;
    }
    if fine { Ok(()) } else { Err(Failure::Shown) }
}

/// The lines about the answer, for people. `target` is that of --url.
fn described(simulated: &Simulated, target: Option<&Target>) -> Vec<String> {
    match (simulated.status, simulated.verified) {
        (200, Some(true)) => vec![match target {
            Some(Target::Tls { host }) => format!("the echostr came back from {host} by TLS: the console can take this URL"),
            target => match target.and_then(Target::elsewhere) {
                None => "the echostr came back: this server answers as the console wants; the domain, TLS and the proxy were not tried".to_owned(),
                Some(host) => format!("the echostr came back from {host}: it answers as the console wants; TLS was not tried"),
            },
        }],
        (200, Some(false)) => vec!["what came back is not the echostr: the console will refuse this URL".to_owned()],
        (200, None) => match &simulated.reply {
            Some(xml) => readable(xml),
            None if simulated.body == "success" => vec!["success: nothing is shown to the follower".to_owned()],
            None => vec![simulated.body.clone()],
        },
        (403, _) => vec![
            simulated.body.clone(),
            "the server has another Token, AppID, AES key, mode or server.allow_ips than this configuration, or the clocks differ; its log says which".to_owned(),
        ],
        (404, _) => vec![
            simulated.body.clone(),
            "nothing answers at this path: the server's is server.path, and a proxy has to pass it on".to_owned(),
        ],
        (502 | 504, _) => vec![
            simulated.body.clone(),
            "the proxy does not reach the server: `wechatd status` shows whether it runs, and where".to_owned(),
        ],
        _ => vec![simulated.body.clone()],
    }
}

/// The body of the push: made, or from this file.
fn body(simulated_push: &SimulatedPush, xml: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = xml else {
        return Ok(simulated_push.xml().into_bytes());
    };
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    Ok(byte_order_mark::skip_bytes(&bytes).to_vec())
}

/// The reply in the answer, decrypted if necessary; `None` for `success` and anything else that is not a reply.
fn reply(config: &Config, answer: &Answer) -> Option<String> {
    if answer.status != 200 {
        return None;
    }
    let plain = match Envelope::parse(&answer.body) {
        Err(_) => return None,
        Ok(None) => answer.body.clone(),
        Ok(Some(envelope)) => {
            let (opened, _) = config.account.mode.keys()?.open(&envelope.encrypt).ok()?;
            opened
        }
    };
    String::from_utf8(plain).ok()
}

/// An address that `server.allow_ips` lets in, if that is set. The request can claim to come from it, as this machine
/// is a trusted proxy by default.
fn allowed_address(config: &Config) -> Result<Option<IpAddr>, Failure> {
    Ok(match &config.server.allow_ips {
        AllowIps::Any => None,
        AllowIps::Listed(networks) => networks.first().map(IpNet::addr),
        AllowIps::Platform => {
            let kept = Reader::open(&config.store)?.callback_ips()?;
            let list = kept.as_ref().and_then(Networks::read);
            list.and_then(|list| list.networks.first().map(IpNet::addr))
        }
    })
}

/// The server's Token: that of the configuration, or the one that the server made.
pub(super) fn token(config: &Config) -> Result<Secret, Failure> {
    if let Some(token) = &config.account.token {
        return Ok(token.clone());
    }
    Reader::open(&config.store)?.made_token()?.ok_or_else(|| {
        Failure::failed(
            "there is no Token yet",
            "start the server once, it makes one",
        )
    })
}
