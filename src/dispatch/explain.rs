//! Says why: which rule answers a push and why each earlier one does not, by the matching of the server itself.

use serde::Serialize;

use super::rules::{Meeting, Rules, meet};
use super::subject::Subjects;
use crate::config::{About, Aim, Answer, Kinds, Rule, Test, fold, nearest, without_end_marks};
use crate::visible::Visible;
use crate::wechat::{EventKind, Push, event_may_be_answered, known_events};

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
    let subjects = Subjects::of(push);
    let mut steps = Vec::new();
    for rule in rules.iter() {
        let (verdict, why) = match meet(rule, push, &subjects) {
            Meeting::Elsewhere => (
                Verdict::OtherKind,
                format!("is about {}", about(&rule.about)),
            ),
            Meeting::Fails(test) => (Verdict::NoMatch, fails(test, subjects.text(rule.aim))),
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
    let list: Vec<Folded> = rules.iter().map(Folded::of).collect();
    let mut advice = Vec::new();
    let mut say = |rule: &Rule, what: String| {
        advice.push(Advice {
            rule: rule.name.clone(),
            line: rule.line,
            what,
        });
    };
    for (n, folded) in list.iter().enumerate() {
        let rule = folded.rule;
        if let Some(above) = takers(&list[..n], folded) {
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
            if rule.aim == Aim::Scan && EventKind::of(name) != EventKind::ScanCode {
                say(
                    rule,
                    format!(
                        "nothing is scanned in {name} events: subject = \"scan\" is empty there"
                    ),
                );
            }
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

/// Whether some rule answers this push, or would answer it for some scanned text.
#[must_use]
pub fn may_answer(rules: &Rules, push: &Push) -> bool {
    let subjects = Subjects::of(push);
    rules.iter().any(|rule| match meet(rule, push, &subjects) {
        Meeting::Elsewhere => false,
        Meeting::Fails(_) => rule.aim == Aim::Scan && push.scan().is_some(),
        Meeting::Matches(_) => true,
    })
}

/// A rule with its tests as they are compared.
struct Folded<'r> {
    rule: &'r Rule,
    /// Where somebody wrote the subject.
    written: Vec<Test>,
    /// Where it is recognised speech.
    spoken: Vec<Test>,
}

impl<'r> Folded<'r> {
    fn of(rule: &'r Rule) -> Folded<'r> {
        let tests = |is_spoken| {
            let tests = rule.tests.iter();
            tests.map(|test| folded(test, rule, is_spoken)).collect()
        };
        Folded {
            rule,
            written: tests(false),
            spoken: tests(true),
        }
    }
}

/// The names of rules `above` that together let nothing through to `rule`.
fn takers<'r>(above: &[Folded<'r>], rule: &Folded) -> Option<Vec<&'r str>> {
    let taker_of = |name: Option<&str>| {
        above
            .iter()
            .find(|earlier| {
                includes(&earlier.rule.about, &rule.rule.about, name)
                    && lets_none_by(earlier, rule, name)
            })
            .map(|earlier| earlier.rule.name.as_str())
    };
    let (About::Messages(kinds) | About::Events(kinds)) = &rule.rule.about;
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

/// Whether every subject that `rule` would take satisfies `earlier`, of pushes of the kind `name` or, with `None`, of
/// any.
fn lets_none_by(earlier: &Folded, rule: &Folded, name: Option<&str>) -> bool {
    let (outer, own) = (earlier.rule, rule.rule);
    let (written, spoken) = match (&own.about, name) {
        (About::Messages(_), Some("voice")) => (false, true),
        (About::Messages(_), None) => (true, true),
        (About::Events(_), _) | (About::Messages(_), Some(_)) => (true, false),
    };
    let implied = |test: &Test, own_tests: &[Test]| own_tests.iter().any(|own| implies(own, test));
    outer.tests.iter().enumerate().all(|(n, test)| {
        holds_always(test)
            || outer.aim == own.aim
                && match (outer.case, own.case) {
                    (true, true) => implied(test, &own.tests),
                    // What is equal exactly is equal folded, too; not the other way round.
                    (false, _) => {
                        (!written || implied(&earlier.written[n], &rule.written))
                            && (!spoken || implied(&earlier.spoken[n], &rule.spoken))
                    }
                    (true, false) => false,
                }
    })
}

/// The test of `rule` as it is compared without `case`: of a text that `equals` recognised speech, the marks at its end
/// do not count. An exact regex cannot be folded, and nothing follows from it.
fn folded(test: &Test, rule: &Rule, is_spoken: bool) -> Test {
    let all = |patterns: &[String], read: &dyn Fn(&str) -> String| {
        let folded = patterns.iter().map(|pattern| fold(pattern, rule.folding()));
        folded.map(|pattern| read(&pattern)).collect()
    };
    let same = |pattern: &str| pattern.to_owned();
    match test {
        Test::Equals(patterns) if is_spoken => {
            Test::Equals(all(patterns, &|p| without_end_marks(p).to_owned()))
        }
        Test::Equals(patterns) => Test::Equals(all(patterns, &same)),
        Test::Prefix(patterns) => Test::Prefix(all(patterns, &same)),
        Test::Contains(patterns) => Test::Contains(all(patterns, &same)),
        Test::Regex(_) if rule.case => Test::Contains(vec![String::new()]),
        Test::Regex(patterns) => Test::Regex(patterns.clone()),
    }
}

fn holds_always(test: &Test) -> bool {
    match test {
        Test::Prefix(patterns) | Test::Contains(patterns) => patterns.iter().any(String::is_empty),
        Test::Regex(patterns) => patterns.iter().any(|regex| {
            matches!(
                regex.written.as_str(),
                "" | ".*" | "^" | "^.*" | "$" | ".*$"
            )
        }),
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
        (Test::Regex(own), Test::Regex(outer)) => own.iter().all(|r| {
            outer
                .iter()
                .any(|o| o.written.as_str() == r.written.as_str())
        }),
        (Test::Equals(own), Test::Regex(outer)) => each(own, &|pattern| {
            outer.iter().any(|o| o.for_folded().is_match(pattern))
        }),
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
            patterns
                .iter()
                .map(|pattern| pattern.written.as_str())
                .collect(),
        ),
    };
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("\"{}\"", Visible(pattern)))
        .collect();
    format!("\"{}\" {verb} {}", Visible(subject), patterns.join(" or "))
}
