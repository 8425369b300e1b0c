//! `rules test`: what the rules are expected to answer, in a file of examples.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::simulate;
use super::super::terminal::{Failure, Json, Output};
use crate::config::Config;
use crate::counted::counted;
use crate::dispatch::{Outcome, Rules, decide};
use crate::simulated::SimulatedPush;
use crate::wechat::{Push, Reply};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    test: Vec<Spanned<Example>>,
}

/// What comes in, and what is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    text: Option<String>,
    message: Option<String>,
    event: Option<String>,
    key: Option<String>,
    scene: Option<String>,
    scan: Option<String>,
    rule: Option<String>,
    answer: Option<String>,
}

#[derive(Debug, Serialize)]
struct Tested {
    passed: usize,
    failed: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    /// Of the example in its file, counted from 1.
    line: usize,
    input: String,
    /// `rule` or `answer`.
    what: &'static str,
    expected: String,
    got: String,
}

pub(super) fn test(config: Config, file: &Path, json: Json) -> Result<(), Failure> {
    let wrong = |line: usize, what: &str| {
        let line = if line == 0 {
            String::new()
        } else {
            format!(":{line}")
        };
        Failure::Wrong(format!("{}{line}: {what}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(0, &error.to_string()))?;
    let line_of = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let examples: Examples = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(span.start));
        wrong(line, error.message())
    })?;
    let rules = Rules::new(config.rules);
    let total = examples.test.len();
    let mut failed = Vec::new();
    for example in examples.test {
        let line = line_of(example.span().start);
        let example = example.into_inner();
        let push = example.push().map_err(|what| wrong(line, &what))?;
        let differences = example.differences(&rules, &push);
        failed.extend(differences.map(|(what, expected, got)| Difference {
            line,
            input: example.input(),
            what,
            expected,
            got,
        }));
    }
    let mut lines: Vec<usize> = failed.iter().map(|failed| failed.line).collect();
    lines.dedup();
    let tested = Tested {
        passed: total - lines.len(),
        failed,
    };
    show(&tested, total, file, json)?;
    match tested.failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Shown),
    }
}

fn show(tested: &Tested, total: usize, file: &Path, json: Json) -> Result<(), Failure> {
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(tested);
    }
    for failed in &tested.failed {
        out.line(&format!(
            "{}:{}: {}: expected {} {:?}, got {:?}",
            file.display(),
            failed.line,
            failed.input,
            failed.what,
            failed.expected,
            failed.got
        ))?;
    }
    out.line(&format!(
        "{} of {} as expected",
        tested.passed,
        counted(total, "example")
    ))?;
    out.done()
}

impl Example {
    fn push(&self) -> Result<Push, String> {
        let kind = match (&self.text, &self.message, &self.event) {
            (Some(_), None, None) => "text",
            (None, Some(kind), None) | (None, None, Some(kind)) => kind,
            (None, None, None) if self.scan.is_some() => "scancode_waitmsg",
            _ => return Err("name one of text, message and event".to_owned()),
        };
        if self.rule.is_none() && self.answer.is_none() {
            return Err("name the rule or the answer that is expected".to_owned());
        }
        let simulated = SimulatedPush {
            kind,
            text: self.text.as_deref(),
            from: None,
            key: self.key.as_deref(),
            scene: self.scene.as_deref(),
            scan: self.scan.as_deref(),
            msg_id: None,
        };
        simulate::check(&simulated).map_err(|failure| failure.to_string())?;
        Push::parse(simulated.xml().as_bytes())
            .map_err(|error| format!("no push can be made of this: {error}"))
    }

    /// For people.
    fn input(&self) -> String {
        let named = [
            ("text", &self.text),
            ("message", &self.message),
            ("event", &self.event),
            ("key", &self.key),
            ("scene", &self.scene),
            ("scan", &self.scan),
        ];
        let given = named
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {:?}", value.as_deref()?)));
        given.collect::<Vec<_>>().join(", ")
    }

    /// What is not as expected: what that is, what was expected, and what is.
    fn differences(
        &self,
        rules: &Rules,
        push: &Push,
    ) -> impl Iterator<Item = (&'static str, String, String)> + use<> {
        let decision = decide(rules, push);
        let rule = decision.rule.map_or("", |rule| rule.name.as_str());
        let answer = shown(&decision.outcome);
        let pairs = [
            ("rule", self.rule.clone(), rule.to_owned()),
            ("answer", self.answer.clone(), answer),
        ];
        pairs.into_iter().filter_map(|(what, expected, got)| {
            let expected = expected?;
            (expected != got).then_some((what, expected, got))
        })
    }
}

/// The answer as an example names it.
fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NoRule | Outcome::Silent => String::new(),
        Outcome::Withheld(why) => format!("(nothing: {why})"),
        Outcome::Forward { service, .. } => format!("(what the service {service} says)"),
        Outcome::Reply(reply) => match reply {
            Reply::Text(text) => text.clone(),
            Reply::Image { media_id } | Reply::Voice { media_id } => media_id.clone(),
            Reply::Video { media_id, .. } => media_id.clone(),
            Reply::Music { url, .. } => url.clone().unwrap_or_default(),
            Reply::News(articles) => {
                let titles: Vec<&str> = articles
                    .iter()
                    .map(|article| article.title.as_str())
                    .collect();
                titles.join("\n")
            }
            Reply::TransferAi => "(WeChat's assistant)".to_owned(),
            Reply::Transfer { kf_account } => kf_account
                .clone()
                .unwrap_or_else(|| "(customer service)".to_owned()),
        },
    }
}
