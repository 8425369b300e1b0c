//! What the page of rules shows: the rules in force, their hits, and what they answer to a text.

use std::collections::HashMap;

use super::Answer;
use super::asked::Asked;
use super::visit::Visit;
use crate::dispatch::{decide, explain};
use crate::page::rules::{self, Explained, Rules, Tried};
use crate::simulated::SimulatedPush;
use crate::store::RuleHits;
use crate::wechat::{EVENTS, Push};

/// Rules on a page.
const PAGE: usize = 200;

/// `GET /rules`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let live = asked.live;
    let hits = asked
        .admin
        .app
        .store
        .read(|reader| reader.rule_hits(visit.now))?;
    let from: usize = asked.query("from").parse().unwrap_or(0);
    let shown: Vec<_> = live.rules.iter().skip(from).take(PAGE).collect();
    let next = from.saturating_add(PAGE);
    let others = [
        (from > 0).then(|| from.saturating_sub(PAGE)),
        (next < live.rules.iter().len()).then_some(next),
    ];
    let is_shown = |line: usize| shown.iter().any(|rule| rule.line == line);
    let advice = live.advice().iter();
    let tried = Tried {
        text: asked.query("text"),
        event: asked.query("event"),
        key: asked.query("key"),
    };
    let page = Rules {
        advice: advice.filter(|advice| is_shown(advice.line)).collect(),
        hits: by_name(hits),
        others,
        explained: explained(&asked, &tried),
        tried,
        events: EVENTS.iter().map(|(name, ..)| *name).collect(),
        rules: shown,
    };
    visit.html(rules::page(&visit.frame(), &page))
}

fn by_name(hits: Vec<RuleHits>) -> HashMap<String, RuleHits> {
    hits.into_iter()
        .map(|hits| (hits.rule.clone(), hits))
        .collect()
}

/// What becomes of such a push, as `wechatd explain` says.
fn explained(asked: &Asked<'_>, tried: &Tried) -> Option<Explained> {
    let Tried { text, event, key } = tried;
    if text.is_empty() && event.is_empty() {
        return None;
    }
    let key = (!key.is_empty()).then_some(key.as_str());
    let of_qr_code = ["subscribe", "SCAN"];
    let is_of_qr_code = of_qr_code
        .iter()
        .any(|name| name.eq_ignore_ascii_case(event));
    let push = match event.is_empty() {
        true => SimulatedPush {
            kind: "text",
            text: Some(text),
            ..SimulatedPush::default()
        },
        false => SimulatedPush {
            kind: event,
            key: key.filter(|_| !is_of_qr_code),
            scene: key.filter(|_| is_of_qr_code),
            ..SimulatedPush::default()
        },
    };
    let push = Push::parse(push.xml().as_bytes()).ok()?;
    let rules = &asked.live.rules;
    Some(Explained {
        steps: explain(rules, &push),
        outcome: decide(rules, &push).outcome,
    })
}
