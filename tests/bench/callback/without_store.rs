//! The reference for the price of durability: the server's own guard, lanes, protocol and rules; workers answer, and
//! nothing is recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wechatd::config::Config;
use wechatd::dispatch::{Outcome, Rules, decide};
use wechatd::wechat::{Push, verify};

use super::callback::query::Query;
use super::guard::{Guard, Limits, Listener, Refusal, Reports};
use super::http::lanes::Lanes;
use super::http::outbox::Deferred;
use super::http::peer::Peer;
use super::http::request::Request;
use super::http::response::Response;
use super::http::workers::Workers;

/// Nothing that the guard reports is expected.
struct Unexpected;

impl Reports for Unexpected {
    fn fatal(&mut self, reason: String) {
        panic!("{reason}");
    }

    fn refused(&mut self, _: Peer, _: Refusal, _: bool) {}

    fn late(&mut self) {}
}

/// Serves until killed.
pub fn serve(config: &Path) {
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .format_target(false)
        .init();
    let config = Config::load(config).unwrap();
    let listener = Listener::bind(&config.server.listen).unwrap();
    let (lanes, requests) = Lanes::start(config.server.workers, Path::new(".")).unwrap();
    let rules = Rules::new(config.rules.clone());
    let limits = Limits::of(&config.server);
    let guard = Guard::start(listener, lanes, limits, Arc::default(), Unexpected).unwrap();
    log::info!("listening on http://{}/wechat", guard.local_addr());
    let workers = config.server.workers;
    let handle = move |request, deferred| answer(&config, &rules, request, deferred);
    let _workers = Workers::start(workers, requests, guard.outbox(), handle).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// What the product does with a push, up to the point where it would hand it to the store.
fn answer(config: &Config, rules: &Rules, request: Request, deferred: Deferred) {
    let query = Query::parse(request.path_and_query().1).unwrap();
    let token = config.account.token.as_ref().unwrap();
    let part =
        |value: &Option<std::borrow::Cow<str>>| value.as_deref().unwrap_or_default().to_owned();
    let (timestamp, nonce) = (part(&query.timestamp), part(&query.nonce));
    if !verify(
        &[token.expose(), &timestamp, &nonce],
        &part(&query.signature),
    ) {
        deferred.answer(Response::text(403, "Bad Token!"));
        return;
    }
    let push = Push::parse(&request.body).unwrap();
    let decision = decide(rules, &push);
    let now = wechatd::clock::unix_seconds();
    let reply = match &decision.outcome {
        Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, now),
        Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } | Outcome::Withheld(_) => None,
    };
    let kind = push.event().unwrap_or(push.msg_type());
    let rule = decision.rule.map_or("no rule", |rule| &rule.name);
    deferred.answer(match reply {
        Some(xml) => Response::of_type("text/xml; charset=utf-8", 200, xml),
        None => Response::text(200, "success"),
    });
    log::info!(
        "{kind} from {}: {rule}: 200 in {} ms",
        push.from_user,
        request.since.elapsed().as_millis()
    );
}
