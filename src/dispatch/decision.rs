//! The decision: from the rule that matched to the reply.

use super::rules::{Found, Rules};
use super::subject::Subjects;
use crate::config::{Action, Rule, Template, Values};
use crate::wechat::{Article, Push, Reply};

/// The answer to a push, and the rule it comes from.
#[derive(Debug)]
pub struct Decision<'r> {
    /// The rule that matched.
    pub rule: Option<&'r Rule>,
    /// The answer.
    pub outcome: Outcome,
}

/// The answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No rule matched: `success`.
    NoRule,
    /// The rule is silent on purpose: `success`.
    Silent,
    /// This reply.
    Reply(Reply),
    /// The answer is what this service says.
    Forward {
        /// The name of the service.
        service: String,
        /// Shown when the service fails; `None`: nothing.
        otherwise: Option<Reply>,
    },
    /// A rule matched, but the platform would not accept its reply: `success`. The text says why.
    Withheld(&'static str),
}

/// Decides the answer to a push.
#[must_use]
pub fn decide<'r>(rules: &'r Rules, push: &Push) -> Decision<'r> {
    let subjects = Subjects::of(push);
    match rules.first(push, &subjects) {
        None => Decision {
            rule: None,
            outcome: Outcome::NoRule,
        },
        Some(found) => Decision {
            rule: Some(found.rule),
            outcome: outcome(rules, push, subjects.text(found.rule.aim), &found),
        },
    }
}

/// The rule that matches a push, without its answer.
#[must_use]
pub fn matching<'r>(rules: &'r Rules, push: &Push) -> Option<&'r Rule> {
    let found = rules.first(push, &Subjects::of(push))?;
    Some(found.rule)
}

/// `subject` is the text that the rule tests.
fn outcome(rules: &Rules, push: &Push, subject: &str, found: &Found) -> Outcome {
    let shows = !matches!(found.rule.action, Action::Silent | Action::Forward { .. });
    if shows && !push.may_be_answered() {
        return Outcome::Withheld("WeChat takes no reply to this event");
    }
    let (scan_type, scan) = push.scan().unwrap_or_default();
    let (latitude, longitude) = push.coordinates().unwrap_or_default();
    let values = Values {
        content: subject,
        openid: &push.from_user,
        key: match push.event() {
            Some(_) => push.subject(),
            None => "",
        },
        scan,
        scan_type,
        latitude,
        longitude,
        groups: &found.groups,
    };
    let fill = |template: &Template| template.fill(&values);
    let fill_if = |template: &Option<Template>| template.as_ref().map(fill);
    let media = found.rule.action.media();
    let media_id = match media.map(|media| rules.media_id(media)) {
        Some(None) => return Outcome::Withheld("its file is not uploaded yet"),
        Some(Some(media_id)) => media_id,
        None => String::new(),
    };
    let reply = match &found.rule.action {
        Action::Silent => return Outcome::Silent,
        Action::Forward { service, otherwise } => {
            let otherwise = fill_if(otherwise).map(Reply::Text);
            return Outcome::Forward {
                service: service.clone(),
                otherwise: otherwise.filter(|reply| !reply.is_empty()),
            };
        }
        Action::Text(text) => Reply::Text(fill(text)),
        Action::Image(_) => Reply::Image { media_id },
        Action::Voice(_) => Reply::Voice { media_id },
        Action::Video {
            title, description, ..
        } => Reply::Video {
            media_id,
            title: fill_if(title),
            description: fill_if(description),
        },
        Action::Music {
            title,
            description,
            url,
            hq_url,
            ..
        } => Reply::Music {
            title: fill_if(title),
            description: fill_if(description),
            url: fill_if(url),
            hq_url: fill_if(hq_url),
            thumb_media_id: media_id,
        },
        Action::News(items) => {
            let article = |item: &crate::config::NewsItem| Article {
                title: fill(&item.title),
                description: fill(&item.description),
                pic_url: fill(&item.pic_url),
                url: fill(&item.url),
            };
            Reply::News(items.iter().map(article).collect())
        }
        Action::Transfer(_) if !push.may_be_transferred() => {
            return Outcome::Withheld("only messages can be handed to customer service");
        }
        Action::Transfer(kf_account) => Reply::Transfer {
            kf_account: kf_account.clone(),
        },
    };
    match reply.is_empty() {
        true => Outcome::Withheld("the text is empty for this push"),
        false => Outcome::Reply(reply),
    }
}
