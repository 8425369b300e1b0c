//! From the rule that matched to the reply.

use super::rules::{Found, Rules};
use super::subject::Subjects;
use crate::config::{Answer, Rule, Template, Values};
use crate::wechat::{Article, Push, Reply};

/// What a push is answered, and by which rule.
#[derive(Debug)]
pub struct Decision<'r> {
    /// The rule that matched.
    pub rule: Option<&'r Rule>,
    /// What it comes to.
    pub outcome: Outcome,
}

/// What a push is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No rule matched: `success`.
    NoRule,
    /// The rule says nothing, on purpose: `success`.
    Silent,
    /// This.
    Reply(Reply),
    /// A rule matched, but the platform would not take its answer: `success`. The text says why.
    Withheld(&'static str),
}

/// Decides what a push is answered.
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
            outcome: outcome(push, subjects.text(found.rule.aim), &found),
        },
    }
}

/// `subject` is what the rule looks at.
fn outcome(push: &Push, subject: &str, found: &Found) -> Outcome {
    if !push.may_be_answered() && !matches!(found.rule.answer, Answer::Silent) {
        return Outcome::Withheld("the platform takes no reply to this event");
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
    let reply = match &found.rule.answer {
        Answer::Silent => return Outcome::Silent,
        Answer::Text(text) => Reply::Text(fill(text)),
        Answer::Image(media_id) => Reply::Image {
            media_id: media_id.clone(),
        },
        Answer::Voice(media_id) => Reply::Voice {
            media_id: media_id.clone(),
        },
        Answer::Video {
            media_id,
            title,
            description,
        } => Reply::Video {
            media_id: media_id.clone(),
            title: fill_if(title),
            description: fill_if(description),
        },
        Answer::Music {
            title,
            description,
            url,
            hq_url,
            thumb_media_id,
        } => Reply::Music {
            title: fill_if(title),
            description: fill_if(description),
            url: fill_if(url),
            hq_url: fill_if(hq_url),
            thumb_media_id: thumb_media_id.clone(),
        },
        Answer::News(items) => {
            let article = |item: &crate::config::NewsItem| Article {
                title: fill(&item.title),
                description: fill(&item.description),
                pic_url: fill(&item.pic_url),
                url: fill(&item.url),
            };
            Reply::News(items.iter().map(article).collect())
        }
        Answer::Transfer(_) if !push.may_be_transferred() => {
            return Outcome::Withheld("only messages can be handed to customer service");
        }
        Answer::Transfer(kf_account) => Reply::Transfer {
            kf_account: kf_account.clone(),
        },
    };
    match reply.is_empty() {
        true => Outcome::Withheld("the text is empty for this push"),
        false => Outcome::Reply(reply),
    }
}
