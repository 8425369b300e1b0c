//! From the rule that matched to the reply.

use super::rules::{Found, Rules, Subject};
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
    let subject = Subject::of(push);
    match rules.first(push, &subject) {
        None => Decision {
            rule: None,
            outcome: Outcome::NoRule,
        },
        Some(found) => Decision {
            rule: Some(found.rule),
            outcome: outcome(push, &found),
        },
    }
}

fn outcome(push: &Push, found: &Found) -> Outcome {
    if !push.may_be_answered() && !matches!(found.rule.answer, Answer::Silent) {
        return Outcome::Withheld("the platform takes no reply to this event");
    }
    let values = Values {
        content: push.subject(),
        openid: &push.from_user,
        key: match push.event() {
            Some(_) => push.subject(),
            None => "",
        },
        groups: found.groups.as_ref(),
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
                pic_url: item.pic_url.clone(),
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
