//! Says why: which rule answers a push and why each earlier one does not, by the matching of the server itself.

use serde::Serialize;

use super::rules::{Meeting, Rules, Subject, meet};
use crate::config::{About, Answer, Kinds, Rule, Test, fold, nearest};
use crate::wechat::{Push, event_may_be_answered, known_events};

/// One rule on the way to the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Name of the rule.
    pub rule: String,
    /// Line of the rule in the configuration, counted from 1.
    pub line: usize,
    /// How it fared.
    pub verdict: Verdict,
    /// Why, for people.
    pub why: String,
}

/// How a rule and a push meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is about something else.
    OtherKind,
    /// The subject does not fit.
    NoMatch,
    /// It answers.
    Answers,
}

/// The rules in their order up to the one that answers.
#[must_use]
pub fn explain(rules: &Rules, push: &Push) -> Vec<Step> {
    let subject = Subject::of(push);
    let mut steps = Vec::new();
    for rule in rules.iter() {
        let (verdict, why) = match meet(rule, push, &subject) {
            Meeting::Elsewhere => (
                Verdict::OtherKind,
                format!("is about {}", about(&rule.about)),
            ),
            Meeting::Fails(test) => (Verdict::NoMatch, fails(test, push.subject())),
            Meeting::Matches(_) => (
                Verdict::Answers,
                format!("answers with {}", rule.answer.key()),
            ),
        };
        steps.push(Step {
            rule: rule.name.clone(),
            line: rule.line,
            verdict,
            why,
        });
        if verdict == Verdict::Answers {
            break;
        }
    }
    steps
}

/// Something about the rules that is no mistake but not what an owner wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Name of the rule.
    pub rule: String,
    /// Line of the rule in the configuration, counted from 1.
    pub line: usize,
    /// What to know.
    pub what: String,
}

/// Looks through the rules for those that can never answer.
#[must_use]
pub fn advise(rules: &Rules) -> Vec<Advice> {
    let list: Vec<&Rule> = rules.iter().collect();
    let mut advice = Vec::new();
    let mut say = |rule: &Rule, what: String| {
        advice.push(Advice {
            rule: rule.name.clone(),
            line: rule.line,
            what,
        });
    };
    for (n, rule) in list.iter().enumerate() {
        if let Some(above) = takers(&list[..n], rule) {
            let take = if above.len() == 1 { "takes" } else { "take" };
            say(
                rule,
                format!(
                    "never answers: {} above it {take} everything that it is about",
                    above.join(" and ")
                ),
            );
            continue;
        }
        let About::Events(Kinds::Listed(names)) = &rule.about else {
            continue;
        };
        for name in names {
            match event_may_be_answered(name) {
                Some(true) => {}
                Some(false) if matches!(rule.answer, Answer::Silent) => {}
                Some(false) => say(
                    rule,
                    format!(
                        "the platform takes no reply to {name} events; they are answered success"
                    ),
                ),
                None => {
                    if let Some(near) = nearest(name, known_events()) {
                        say(
                            rule,
                            format!(
                                "{name:?} is not an event that the platform documents; did you mean {near:?}?"
                            ),
                        );
                    }
                }
            }
        }
    }
    advice
}

/// The names of rules `above` that together let nothing through to `rule`.
fn takers<'r>(above: &[&'r Rule], rule: &Rule) -> Option<Vec<&'r str>> {
    let taker_of = |name: Option<&str>| {
        above
            .iter()
            .find(|earlier| {
                includes(&earlier.about, &rule.about, name) && lets_none_by(earlier, rule)
            })
            .map(|earlier| earlier.name.as_str())
    };
    let (About::Messages(kinds) | About::Events(kinds)) = &rule.about;
    let names: Vec<Option<&str>> = match kinds {
        Kinds::Any => vec![None],
        Kinds::Listed(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let mut takers = Vec::new();
    for name in names {
        let taker = taker_of(name)?;
        if !takers.contains(&taker) {
            takers.push(taker);
        }
    }
    Some(takers)
}

/// Whether `outer` is about the kind `name` of `inner`; with `None` about every kind.
fn includes(outer: &About, inner: &About, name: Option<&str>) -> bool {
    match (outer, inner) {
        (About::Messages(outer), About::Messages(_)) | (About::Events(outer), About::Events(_)) => {
            match name {
                Some(name) => outer.include(name),
                None => *outer == Kinds::Any,
            }
        }
        (About::Messages(_), About::Events(_)) | (About::Events(_), About::Messages(_)) => false,
    }
}

/// Whether every subject that `rule` would take satisfies `earlier`.
fn lets_none_by(earlier: &Rule, rule: &Rule) -> bool {
    earlier.tests.iter().all(|test| {
        holds_always(test)
            || match (earlier.case, rule.case) {
                (true, true) | (false, false) => rule.tests.iter().any(|own| implies(own, test)),
                // What is equal exactly is equal folded, too; not the other way round.
                (false, true) => rule
                    .tests
                    .iter()
                    .filter_map(folded)
                    .any(|own| implies(&own, test)),
                (true, false) => false,
            }
    })
}

/// The test with folded patterns, as a rule without `case` has them. A regex cannot be folded.
fn folded(test: &Test) -> Option<Test> {
    let all = |patterns: &[String]| patterns.iter().map(|pattern| fold(pattern)).collect();
    match test {
        Test::Equals(patterns) => Some(Test::Equals(all(patterns))),
        Test::Prefix(patterns) => Some(Test::Prefix(all(patterns))),
        Test::Contains(patterns) => Some(Test::Contains(all(patterns))),
        Test::Regex(_) => None,
    }
}

fn holds_always(test: &Test) -> bool {
    match test {
        Test::Prefix(patterns) | Test::Contains(patterns) => patterns.iter().any(String::is_empty),
        Test::Regex(patterns) => patterns
            .iter()
            .any(|regex| matches!(regex.as_str(), "" | ".*" | "^" | "^.*" | "$" | ".*$")),
        Test::Equals(_) => false,
    }
}

/// Whether every subject that satisfies `own` satisfies `outer` too.
fn implies(own: &Test, outer: &Test) -> bool {
    let each =
        |own: &[String], fits: &dyn Fn(&str) -> bool| own.iter().all(|pattern| fits(pattern));
    match (own, outer) {
        (Test::Equals(own), Test::Equals(outer)) => {
            each(own, &|pattern| outer.iter().any(|o| o == pattern))
        }
        (Test::Equals(own) | Test::Prefix(own), Test::Prefix(outer)) => each(own, &|pattern| {
            outer.iter().any(|o| pattern.starts_with(o.as_str()))
        }),
        (Test::Equals(own) | Test::Prefix(own) | Test::Contains(own), Test::Contains(outer)) => {
            each(own, &|pattern| {
                outer.iter().any(|o| pattern.contains(o.as_str()))
            })
        }
        (Test::Regex(own), Test::Regex(outer)) => own
            .iter()
            .all(|r| outer.iter().any(|o| o.as_str() == r.as_str())),
        (Test::Equals(own), Test::Regex(outer)) => {
            each(own, &|pattern| outer.iter().any(|o| o.is_match(pattern)))
        }
        (Test::Regex(_) | Test::Prefix(_) | Test::Contains(_), Test::Equals(_))
        | (Test::Regex(_) | Test::Contains(_), Test::Prefix(_))
        | (Test::Regex(_), Test::Contains(_))
        | (Test::Prefix(_) | Test::Contains(_), Test::Regex(_)) => false,
    }
}

fn about(about: &About) -> String {
    let (what, kinds) = match about {
        About::Messages(kinds) => ("messages", kinds),
        About::Events(kinds) => ("events", kinds),
    };
    match kinds {
        Kinds::Any => format!("any {what}"),
        Kinds::Listed(names) => format!("{what} of kind {}", names.join(", ")),
    }
}

fn fails(test: &Test, subject: &str) -> String {
    let (verb, patterns): (_, Vec<&str>) = match test {
        Test::Equals(patterns) => ("is not", patterns.iter().map(String::as_str).collect()),
        Test::Prefix(patterns) => (
            "does not begin with",
            patterns.iter().map(String::as_str).collect(),
        ),
        Test::Contains(patterns) => (
            "does not contain",
            patterns.iter().map(String::as_str).collect(),
        ),
        Test::Regex(patterns) => (
            "does not match",
            patterns.iter().map(regex::Regex::as_str).collect(),
        ),
    };
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("{pattern:?}"))
        .collect();
    format!("{subject:?} {verb} {}", patterns.join(" or "))
}
