//! `/rules`: the rules in force with how often they answer, and what they would answer to a text.

use std::collections::HashMap;

use maud::{Markup, html};

use super::bubble;
use super::frame::{Frame, Place};
use super::person;
use super::texts::Text;
use crate::config::{About, Action, Kinds, Rule, Template, Test, Values};
use crate::dispatch::{Advice, Outcome, Step, Verdict};
use crate::local_time;
use crate::percent;
use crate::store::RuleHits;

/// Patterns of a test that are shown.
const PATTERNS: usize = 8;

/// Rules that did not answer, as far as they are shown.
const STEPS: usize = 50;

/// What is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// What somebody writes.
    pub text: String,
    /// An event instead.
    pub event: String,
    /// Its key, or the scene of a QR code.
    pub key: String,
}

/// What the rules answer to it.
#[derive(Debug)]
pub struct Explained {
    /// The rules that were asked.
    pub steps: Vec<Step>,
    /// What is shown to the person.
    pub outcome: Outcome,
}

/// What the page shows.
#[derive(Debug)]
pub struct Rules<'a> {
    /// Those of this page, in order.
    pub rules: Vec<&'a Rule>,
    /// Where the rules before and after these begin.
    pub others: [Option<usize>; 2],
    /// By the names of rules.
    pub hits: HashMap<String, RuleHits>,
    /// What is questionable about the rules of this page.
    pub advice: Vec<&'a Advice>,
    /// What was tried.
    pub tried: Tried,
    /// What becomes of it; `None`: nothing was tried, or no push can be made of it.
    pub explained: Option<Explained>,
    /// The events that there are.
    pub events: Vec<&'static str>,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, rules: &Rules<'_>) -> Markup {
    let content = html! {
        h2 { (frame.say(Text::TryAText)) }
        (form(frame, rules))
        @if let Some(explained) = &rules.explained { (shown(frame, &rules.tried, explained)) }
        h2 { (frame.say(Text::RulesInForce)) }
        @if rules.rules.is_empty() {
            p .soft { (frame.say(Text::NoRules)) }
        } @else {
            p .soft { (frame.say(Text::FirstRuleAnswers)) }
            ol .lines {
                @for rule in &rules.rules { (line(frame, rule, rules)) }
            }
        }
        div .row {
            @for (from, text) in rules.others.into_iter().zip([Text::Before, Text::Further]) {
                @if let Some(from) = from { a href=(frame.to(&format!("/rules?from={from}"))) { (frame.say(text)) } }
            }
        }
    };
    frame.page(Text::Rules, Some(Place::Rules), &content)
}

fn form(frame: &Frame<'_>, rules: &Rules<'_>) -> Markup {
    let Tried { text, event, key } = &rules.tried;
    html! {
        form .search method="get" action=(frame.to("/rules")) {
            div .row {
                input type="search" name="text" value=(text) aria-label=(frame.say(Text::WhatSomebodyWrites)) placeholder=(frame.say(Text::WhatSomebodyWrites));
                button { (frame.say(Text::Try)) }
            }
            details open[!event.is_empty()] {
                summary { (frame.say(Text::OrAnEvent)) }
                div .row {
                    label { (frame.say(Text::Event))
                        select name="event" {
                            option value="" { "–" }
                            @for known in &rules.events { option value=(known) selected[known == event] { (known) } }
                        }
                    }
                    label { (frame.say(Text::KeyOrScene)) input type="text" name="key" value=(key) autocomplete="off"; }
                }
            }
        }
    }
}

/// What a person would see.
fn shown(frame: &Frame<'_>, tried: &Tried, explained: &Explained) -> Markup {
    let Explained { steps, outcome } = explained;
    let answers = steps.iter().find(|step| step.verdict == Verdict::Answers);
    let others: Vec<&Step> = steps
        .iter()
        .filter(|step| step.verdict != Verdict::Answers)
        .collect();
    let skipped = others.len().saturating_sub(STEPS);
    html! {
        section aria-label=(frame.say(Text::Answer)) {
            ol .talk {
                li .came {
                    div .bubble {
                        @if tried.event.is_empty() { (bubble::lines(&tried.text)) } @else { (person::text(&tried.event)) " " (person::text(&tried.key)) }
                    }
                }
                @match outcome {
                    Outcome::Reply(reply) => li .went { (bubble::reply(frame, reply)) },
                    Outcome::NoRule => li .thin { (frame.say(Text::NoRuleAnswered)) },
                    Outcome::Silent => li .thin { (frame.say(Text::RuleIsSilent)) },
                    Outcome::Withheld(why) => li .thin { (frame.say(Text::NothingIsShown)) " " (person::text(why)) },
                    Outcome::Forward { service, otherwise } => {
                        li .thin { (frame.say(Text::ServiceIsAsked)) " " (person::text(service)) }
                        @if let Some(reply) = otherwise {
                            li .thin { (frame.say(Text::WhenItFails)) }
                            li .went { (bubble::reply(frame, reply)) }
                        }
                    }
                }
            }
            @if let Some(step) = answers {
                p { (frame.say(Text::Rule)) " " b { (person::text(&step.rule)) } " " span .soft { (frame.with(Text::Line, &[("n", &step.line)])) } }
            }
            @if !others.is_empty() {
                details {
                    summary { (frame.with(Text::OtherRulesAsked, &[("n", &others.len())])) }
                    ul {
                        @for step in others.iter().skip(skipped) { li { (person::text(&step.rule)) ": " (person::text(&step.why)) } }
                    }
                }
            }
        }
    }
}

fn line(frame: &Frame<'_>, rule: &Rule, rules: &Rules<'_>) -> Markup {
    let hits = rules.hits.get(&rule.name);
    let [week, month] = hits.map_or([0, 0], |hits| [hits.days_7, hits.days_30]);
    let tab = match rule.about {
        About::Messages(_) => "messages",
        About::Events(_) => "events",
    };
    html! {
        li .line {
            div .head {
                b { (person::text(&rule.name)) }
                span .soft { (frame.with(Text::Line, &[("n", &rule.line)])) }
                @if rule.todo { span .soft { (frame.say(Text::ToDo)) } }
            }
            p .said { (condition(frame, rule)) " → " (action(frame, &rule.action)) }
            @for advice in rules.advice.iter().filter(|advice| advice.line == rule.line && advice.rule == rule.name) {
                p .warn { (person::text(&advice.what)) }
            }
            div .under {
                a href=(frame.to(&format!("/inbox?tab={tab}&rule={}", percent::encode(&rule.name)))) {
                    (frame.with(Text::HitsOf7And30Days, &[("week", &week), ("month", &month)]))
                }
                @match hits {
                    Some(hits) => span .soft { (frame.with(Text::LastHit, &[("time", &local_time::format(hits.last))])) },
                    None => span .soft { (frame.say(Text::NeverHit)) },
                }
            }
        }
    }
}

/// What a rule answers.
fn condition(frame: &Frame<'_>, rule: &Rule) -> Markup {
    let (what, names): (_, &[String]) = match &rule.about {
        About::Messages(Kinds::Any) => (Text::AnyMessage, &[]),
        About::Messages(Kinds::Listed(names)) => (Text::AboutMessages, names),
        About::Events(Kinds::Any) => (Text::AnyEvent, &[]),
        About::Events(Kinds::Listed(names)) => (Text::AboutEvents, names),
    };
    html! {
        (frame.say(what)) " " (names.join(", "))
        @for test in &rule.tests {
            @let (verb, patterns) = test_of(test);
            " · " (frame.say(verb)) " "
            @for (n, pattern) in patterns.iter().take(PATTERNS).enumerate() {
                @if n > 0 { ", " }
                code { (person::text(pattern)) }
            }
            @if patterns.len() > PATTERNS { " …" }
        }
    }
}

fn test_of(test: &Test) -> (Text, Vec<&str>) {
    match test {
        Test::Equals(patterns) => (Text::TestEquals, all(patterns)),
        Test::Prefix(patterns) => (Text::TestPrefix, all(patterns)),
        Test::Contains(patterns) => (Text::TestContains, all(patterns)),
        Test::Regex(patterns) => {
            let patterns = patterns.iter().map(|pattern| pattern.written.as_str());
            (Text::TestRegex, patterns.collect())
        }
    }
}

fn all(patterns: &[String]) -> Vec<&str> {
    patterns.iter().map(String::as_str).collect()
}

fn action(frame: &Frame<'_>, action: &Action) -> Markup {
    let said = |text| html! { (frame.say(text)) };
    match action {
        Action::Silent => said(Text::RuleIsSilent),
        Action::Text(text) => person::text(&shape(text)),
        Action::Image(_) => said(Text::KindImage),
        Action::Voice(_) => said(Text::KindVoice),
        Action::Video { .. } => said(Text::KindVideo),
        Action::Music { .. } => said(Text::KindMusic),
        Action::News(items) => html! {
            @for (n, item) in items.iter().enumerate() {
                @if n > 0 { ", " }
                (person::text(&shape(&item.title)))
            }
        },
        Action::Transfer(_) => said(Text::HandsOver),
        Action::Forward { service, .. } => {
            html! { (frame.say(Text::ServiceIsAsked)) " " (person::text(service)) }
        }
    }
}

/// A text with dots for what is put in.
fn shape(template: &Template) -> String {
    let dots = "…";
    template.fill(&Values {
        content: dots,
        openid: dots,
        key: dots,
        scan: dots,
        scan_type: dots,
        latitude: dots,
        longitude: dots,
        groups: &[dots; 10],
    })
}
