//! `wechatd explain`: which rule answers, and why each earlier one does not.

use std::sync::Arc;

use serde::Serialize;

use super::input::Suggested;
use super::service::shown_kind;
use super::simulate;
use super::terminal::{Failure, Json, Output, readable};
use crate::app::uploaded;
use crate::clock;
use crate::config::{Config, Method};
use crate::dispatch::{Outcome, Rules, Step, Uploads, Verdict, decide, explain};
use crate::login::scan::Said;
use crate::simulated::SimulatedPush;
use crate::store::Reader;
use crate::wechat::{Push, Reply, known_events};

pub(super) const EXAMPLES: &str = "Examples:
  wechatd explain 'opening hours'
  wechatd explain --event CLICK --key MENU_HOURS
  wechatd explain --event subscribe --scene poster-7
  wechatd explain --scan 'EAN_13,6901234567892' --key CHECK
  wechatd explain --message image";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What a follower writes
    text: Option<String>,
    /// An event instead of a message
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["message", "text"],
        value_parser = Suggested(known_events().collect()), hide_possible_values = true)]
    event: Option<String>,
    /// A MsgType other than text
    #[arg(long, value_name = "TYPE", value_parser = clap::builder::PossibleValuesParser::new(crate::config::MESSAGE_TYPES))]
    message: Option<String>,
    /// The EventKey: a menu button's key or URL
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The scene of a QR code, with --event subscribe or SCAN
    #[arg(long, value_name = "SCENE")]
    scene: Option<String>,
    /// What was scanned from the menu; the event is scancode_waitmsg unless --event says another
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["message", "text"])]
    scan: Option<String>,
    /// The follower's openid
    #[arg(long, value_name = "OPENID")]
    from: Option<String>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Explained {
    /// When a log-in on the web pages takes it before the rules.
    log_in: Option<&'static str>,
    steps: Vec<Step>,
    rule: Option<String>,
    /// `reply`, `forward` or `success`
    answer: &'static str,
    /// Why it is `success`, or why that is all that is shown.
    why: Option<String>,
    /// The service that is asked.
    forward: Option<ShownForward>,
    /// The reply as it is sent to the platform.
    reply: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownForward {
    service: String,
    format: &'static str,
    /// What becomes of late answers.
    slow: Vec<&'static str>,
    /// The reply when it fails.
    otherwise: Option<String>,
    #[serde(skip)]
    kind: String,
}

impl ShownForward {
    /// `why` says why nothing can be shown.
    fn print(&self, out: &mut Output, why: Option<&str>) -> Result<(), Failure> {
        out.line(&format!("forward → {} ({})", self.service, self.kind))?;
        match (why, &self.otherwise) {
            (Some(why), _) => out.line(&format!("nothing is shown, whatever it says: {why}")),
            (None, None) => out.line("nothing is shown when it fails"),
            (None, Some(xml)) => {
                out.line("when it fails:")?;
                readable(xml).iter().try_for_each(|line| out.line(line))
            }
        }
    }
}

/// When a log-in takes this push before the rules, as far as that can be known: those under way are in the server's memory.
fn taken_by_log_in(config: &Config, push: &Push) -> Option<&'static str> {
    let mut gates = config.gates.iter().filter_map(|gate| gate.methods);
    let is_offered = config.login.methods.include(Method::Scan)
        || gates.any(|methods| methods.include(Method::Scan));
    if config.web.url.is_none() || !is_offered {
        return None;
    }
    match Said::of(push, &config.login.word)? {
        Said::Scene(_) => Some(
            "taken by a log-in under way, if the server has one with this scene (rule login); else by the rules:",
        ),
        Said::Code(_) => Some(
            "taken by a log-in under way, if the server has one with this code (rule login); else by the rules:",
        ),
        Said::Number(_) => Some(
            "taken by a log-in under way, if the server has just offered this number to the follower (rule login); else by the rules:",
        ),
        Said::Left(_) => None,
    }
}

pub(super) fn run(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let kind = match (&arguments.event, &arguments.message) {
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) if arguments.scan.is_some() => "scancode_waitmsg",
        (None, None) if arguments.text.is_some() => "text",
        (None, None) => {
            return Err(Failure::Wrong(
                "explain: say what: a text, --event EVENT, --message TYPE or --scan TEXT"
                    .to_owned(),
            ));
        }
    };
    let simulated_push = SimulatedPush {
        kind,
        text: arguments.text.as_deref(),
        from: arguments.from.as_deref(),
        key: arguments.key.as_deref(),
        scene: arguments.scene.as_deref(),
        scan: arguments.scan.as_deref(),
        msg_id: None,
    };
    simulate::check(&simulated_push)?;
    let push = Push::parse(simulated_push.xml().as_bytes()).map_err(|error| {
        Failure::Wrong(format!("explain: no push can be made of this: {error}"))
    })?;
    let log_in = taken_by_log_in(&config, &push);
    let to_xml =
        |reply: &Reply| reply.to_xml(&push.from_user, &push.to_user, clock::unix_seconds());
    let uploads = Arc::new(Uploads::default());
    // Without a store nothing is uploaded yet.
    if let Ok(known) = uploaded(&config, || Reader::open(&config.store)) {
        uploads.replace(known);
    }
    let rules = Rules::new(config.rules).with_uploads(&uploads);
    let decision = decide(&rules, &push);
    let mut explained = Explained {
        log_in,
        steps: explain(&rules, &push),
        rule: decision.rule.map(|rule| rule.name.clone()),
        answer: "success",
        why: None,
        forward: None,
        reply: None,
    };
    match &decision.outcome {
        Outcome::NoRule => explained.why = Some("no rule matches".to_owned()),
        Outcome::Silent => explained.why = Some("the rule is silent".to_owned()),
        Outcome::Forward { service, otherwise } => {
            explained.answer = "forward";
            if !push.may_be_answered() {
                explained.why = Some("WeChat takes no reply to this event".to_owned());
            }
            let known = config.services.iter().find(|known| known.name == *service);
            explained.forward = known.map(|service| ShownForward {
                service: service.name.clone(),
                format: service.format.name(),
                slow: service.slow.rungs(),
                otherwise: otherwise.as_ref().and_then(to_xml),
                kind: shown_kind(service),
            });
        }
        Outcome::Withheld(why) => explained.why = Some((*why).to_owned()),
        Outcome::Reply(reply) => {
            explained.answer = "reply";
            explained.reply = to_xml(reply);
        }
    }
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&explained);
    }
    if let Some(when) = explained.log_in {
        out.line(&format!("?    {when}"))?;
    }
    for step in &explained.steps {
        let mark = match step.verdict {
            Verdict::OtherKind | Verdict::NoMatch => "no ",
            Verdict::Answers => "yes",
        };
        out.line(&format!(
            "{mark}  {} (line {}): {}",
            step.rule, step.line, step.why
        ))?;
    }
    if let Some(forward) = &explained.forward {
        forward.print(&mut out, explained.why.as_deref())?;
        return out.done();
    }
    match (&explained.reply, &explained.why) {
        (Some(xml), _) => {
            out.line("")?;
            for line in readable(xml) {
                out.line(&line)?;
            }
        }
        (None, Some(why)) => out.line(&format!("answered success, nothing is shown: {why}"))?,
        (None, None) => {}
    }
    out.done()
}
