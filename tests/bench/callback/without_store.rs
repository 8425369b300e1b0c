//! The reference for the price of durability: the server's own guard, lanes, protocol and rules; workers answer, and
//! nothing is recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wechatd::config::Config;
use wechatd::dispatch::{Outcome, Rules, decide};
use wechatd::wechat::{Push, verify};

use super::callback::query::Query;
use super::guard::listener::Listener;
use super::guard::{Guard, Limits};
use super::http::exchange::{Exchange, Reply};
use super::http::lanes::Lanes;

/// Serves until killed.
pub fn serve(config: &Path) {
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .format_target(false)
        .init();
    let config = Config::load(config).unwrap();
    let listener = Listener::bind(&config.server.listen).unwrap();
    let (lanes, requests) = Lanes::start(config.server.workers, Path::new(".")).unwrap();
    let rules = Arc::new(Rules::new(config.rules.clone()));
    let config = Arc::new(config);
    for requests in requests {
        let (rules, config) = (Arc::clone(&rules), Arc::clone(&config));
        std::thread::spawn(move || {
            while let Some(exchange) = requests.recv() {
                answer(&config, &rules, exchange);
            }
        });
    }
    let limits = Limits::of(&config.server);
    let guard = Guard::start(listener, lanes, limits, |reason| panic!("{reason}")).unwrap();
    log::info!("listening on http://{}/wechat", guard.local_addr());
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// What the server does with a push, except for the store.
fn answer(config: &Config, rules: &Rules, mut exchange: Exchange) {
    let started = Instant::now();
    let request = exchange.request_mut();
    let url = request.url().to_owned();
    let (_, query) = url.split_once('?').unwrap_or((&url, ""));
    let query = Query::parse(query).unwrap();
    let token = config.account.token.as_ref().unwrap();
    let part =
        |value: &Option<std::borrow::Cow<str>>| value.as_deref().unwrap_or_default().to_owned();
    let (timestamp, nonce) = (part(&query.timestamp), part(&query.nonce));
    if !verify(
        &[token.expose(), &timestamp, &nonce],
        &part(&query.signature),
    ) {
        return exchange.answer(&Reply::text(403, "Bad Token!"));
    }
    let mut body = Vec::with_capacity(request.body_length().unwrap_or(0));
    request.as_reader().read_to_end(&mut body).unwrap();
    let push = Push::parse(&body).unwrap();
    let decision = decide(rules, &push);
    let now = wechatd::clock::unix_seconds();
    let reply = match &decision.outcome {
        Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, now),
        Outcome::NoRule | Outcome::Silent | Outcome::Withheld(_) => None,
    };
    let kind = push.event().unwrap_or(push.msg_type());
    let rule = decision.rule.map_or("no rule", |rule| &rule.name);
    match reply {
        Some(xml) => exchange.answer(&Reply {
            content_type: "text/xml; charset=utf-8",
            ..Reply::text(200, &xml)
        }),
        None => exchange.answer(&Reply::text(200, "success")),
    }
    log::info!(
        "{kind} from {}: {rule}: 200 in {} ms",
        push.from_user,
        started.elapsed().as_millis()
    );
}
