//! Explains which rule answers a push and why the earlier ones do not, with the server's own matching.

use serde::Serialize;

use super::rules::{MatchResult, Rules, match_rule};
use super::subject::Subjects;
use crate::config::{About, Action, Aim, Kinds, Rule, Test, fold, nearest, without_end_marks};
use crate::visible::Visible;
use crate::wechat::{EventKind, Push, event_may_be_answered, known_events};

/// One rule that was tried for a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Name of the rule.
    pub rule: String,
    /// Line of the rule in the configuration, counted from 1.
    pub line: usize,
    /// The result.
    pub verdict: Verdict,
    /// Why, for people.
    pub why: String,
}

/// Whether a rule answers a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is about other kinds of pushes.
    OtherKind,
    /// The subject does not match.
    NoMatch,
    /// It answers.
    Answers,
}

/// The rules in order, up to the one that answers.
#[must_use]
pub fn explain(rules: &Rules, push: &Push) -> Vec<Step> {
    let subjects = Subjects::of(push);
    let mut steps = Vec::new();
    for rule in rules.iter() {
        let (verdict, why) = match match_rule(rule, push, &subjects) {
            MatchResult::OtherKind => (
                Verdict::OtherKind,
                format!("is about {}", about(&rule.about)),
            ),
            MatchResult::Fails(test) => (Verdict::NoMatch, fails(test, subjects.text(rule.aim))),
            MatchResult::Matches(_) => (
                Verdict::Answers,
                format!("answers with {}", rule.action.key()),
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

/// Something about the rules that is not an error but probably not intended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Name of the rule.
    pub rule: String,
    /// Line of the rule in the configuration, counted from 1.
    pub line: usize,
    /// The advice.
    pub what: String,
}

/// Finds rules that can never answer.
#[must_use]
pub fn advise(rules: &Rules) -> Vec<Advice> {
    let list: Vec<Folded> = rules.iter().map(Folded::of).collect();
    let mut advice = Vec::new();
    for (n, folded) in list.iter().enumerate() {
        let rule = folded.rule;
        let mut say = |what: String| {
            advice.push(Advice {
                rule: rule.name.clone(),
                line: rule.line,
                what,
            });
        };
        if let Some(above) = takers(&list[..n], folded) {
            let take = if above.len() == 1 { "takes" } else { "take" };
            say(format!(
                "never answers: {} above it {take} everything that it is about",
                above.join(" and ")
            ));
            continue;
        }
        let About::Events(Kinds::Listed(names)) = &rule.about else {
            continue;
        };
        if let Action::Forward { service, .. } = &rule.action
            && names
                .iter()
                .all(|name| event_may_be_answered(name) == Some(false))
        {
            say(format!(
                "WeChat takes no reply to {} events, so no answer of {service} is shown; a [[hook]] is the thing for those",
                names.join(" and ")
            ));
        }
        for name in names {
            if rule.aim == Aim::Scan && EventKind::of(name) != EventKind::ScanCode {
                say(format!(
                    "nothing is scanned in {name} events: subject = \"scan\" is empty there"
                ));
            }
            match event_may_be_answered(name) {
                Some(true) => {}
                Some(false) if matches!(rule.action, Action::Silent | Action::Forward { .. }) => {}
                Some(false) => say(format!(
                    "WeChat takes no reply to {name} events; they are answered success"
                )),
                None => {
                    if let Some(near) = nearest(name, known_events()) {
                        say(format!(
                            "{name:?} is not an event that WeChat documents; did you mean {near:?}?"
                        ));
                    }
                }
            }
        }
    }
    advice
}

/// Whether any rule answers this push, or would answer it for some scanned text.
#[must_use]
pub fn may_answer(rules: &Rules, push: &Push) -> bool {
    let subjects = Subjects::of(push);
    rules
        .iter()
        .any(|rule| match match_rule(rule, push, &subjects) {
            MatchResult::OtherKind => false,
            MatchResult::Fails(_) => rule.aim == Aim::Scan && push.scan().is_some(),
            MatchResult::Matches(_) => true,
        })
}

/// A rule with its tests folded for comparison.
struct Folded<'r> {
    rule: &'r Rule,
    /// For subjects that were written.
    written: Vec<Test>,
    /// For subjects that are recognised speech.
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

/// The names of rules `above` that together leave nothing for `rule`.
fn takers<'r>(above: &[Folded<'r>], rule: &Folded) -> Option<Vec<&'r str>> {
    let taker_of = |name: Option<&str>| {
        above
            .iter()
            .find(|earlier| {
                includes(&earlier.rule.about, &rule.rule.about, name)
                    && takes_all(earlier, rule, name)
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

/// Whether `outer` covers the kind `name` of `inner`; with `None`, every kind.
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

/// Whether every subject that `rule` would match also matches `earlier`, in pushes of the kind `name` or, with `None`,
/// of any kind.
fn takes_all(earlier: &Folded, rule: &Folded, name: Option<&str>) -> bool {
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
                    // Texts that are equal are also equal folded, but not the other way round.
                    (false, _) => {
                        (!written || implied(&earlier.written[n], &rule.written))
                            && (!spoken || implied(&earlier.spoken[n], &rule.spoken))
                    }
                    (true, false) => false,
                }
    })
}

/// The test of `rule` as compared without `case`. In `equals`, end marks do not count for recognised speech. An exact
/// regex cannot be folded, so nothing follows from it.
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

/// Whether every subject that satisfies `own` also satisfies `outer`.
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
    let quoted = |pattern: &str| format!("\"{}\"", Visible(pattern));
    let texts = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect();
    let (verb, patterns): (_, Vec<String>) = match test {
        Test::Equals(patterns) => ("is not", texts(patterns)),
        Test::Prefix(patterns) => ("does not begin with", texts(patterns)),
        Test::Contains(patterns) => ("does not contain", texts(patterns)),
        Test::Regex(patterns) => {
            let patterns = patterns
                .iter()
                .map(|pattern| quoted(pattern.written.as_str()));
            ("does not match", patterns.collect())
        }
    };
    format!("\"{}\" {verb} {}", Visible(subject), patterns.join(" or "))
}
