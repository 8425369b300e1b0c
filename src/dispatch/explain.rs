//! Says why: which rule answers a push and why each earlier one does not, by the matching of the server itself.

use serde::Serialize;

use super::rules::{Meeting, Rules, Subject, meet};
use crate::config::{About, Answer, Kinds, Rule, Test, nearest};
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
        if let Some(earlier) = list[..n].iter().find(|earlier| takes_all_of(earlier, rule)) {
            say(
                rule,
                format!(
                    "never answers: {} above it takes everything that it is about",
                    earlier.name
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

/// Whether nothing can reach `rule` past `earlier`.
fn takes_all_of(earlier: &Rule, rule: &Rule) -> bool {
    let kinds = |outer: &Kinds, inner: &Kinds| match (outer, inner) {
        (Kinds::Any, _) => true,
        (Kinds::Listed(_), Kinds::Any) => false,
        (Kinds::Listed(outer), Kinds::Listed(inner)) => {
            inner.iter().all(|name| outer.contains(name))
        }
    };
    let same_kind = match (&earlier.about, &rule.about) {
        (About::Messages(outer), About::Messages(inner))
        | (About::Events(outer), About::Events(inner)) => kinds(outer, inner),
        (About::Messages(_), About::Events(_)) | (About::Events(_), About::Messages(_)) => false,
    };
    same_kind
        && earlier.tests.iter().all(|test| {
            holds_always(test)
                || (earlier.case == rule.case && rule.tests.iter().any(|own| implies(own, test)))
        })
}

fn holds_always(test: &Test) -> bool {
    match test {
        Test::Prefix(patterns) | Test::Contains(patterns) => patterns.iter().any(String::is_empty),
        Test::Regex(patterns) => patterns
            .iter()
            .any(|regex| matches!(regex.as_str(), "" | ".*" | "^")),
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
