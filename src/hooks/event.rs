//! Events for the hooks: one JSON text for all of them, and a row for each.

use std::sync::Arc;

use serde::Serialize;

use crate::config::{EventType, Hook};
use crate::local_time;
use crate::store::{Announce, Change, NewHookEvent};
use crate::trouble::{Kind, Notice, Told};
use crate::wechat::{Body, Effect, JobResult, Push, short_digest};

/// The hooks and the types of events that each receives.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(Arc<[(Arc<str>, Vec<EventType>)]>);

/// Something that happened.
struct Event<'a> {
    kind: EventType,
    openid: Option<&'a str>,
    /// Unix seconds.
    at: i64,
    data: Data<'a>,
}

/// What is told of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Follow {
        openid: &'a str,
        scene: Option<&'a str>,
        source: &'static str,
    },
    Leave {
        openid: &'a str,
        source: &'static str,
    },
    Message {
        openid: &'a str,
        kind: String,
        content: Option<&'a str>,
        msg_id: Option<&'a str>,
        media_id: Option<&'a str>,
        created_at: i64,
    },
    Event {
        openid: &'a str,
        kind: &'a str,
        key: Option<&'a str>,
        content: Option<&'a str>,
        created_at: i64,
    },
    Closed {
        openid: &'a str,
    },
    Job {
        kind: &'static str,
        msg_id: &'a str,
        status: &'a str,
        openid: Option<&'a str>,
        total: Option<i64>,
        sent: Option<i64>,
        failed: Option<i64>,
        article_id: Option<&'a str>,
    },
    Trouble {
        kind: &'static str,
        name: Option<&'a str>,
        text: &'a str,
        since: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
    Todo {
        waiting: i64,
    },
}

impl Subscribers {
    /// Those of a configuration.
    #[must_use]
    pub fn of(hooks: &[Hook]) -> Subscribers {
        let subscribers = hooks
            .iter()
            .map(|hook| (hook.name.as_str().into(), hook.events.clone()));
        Subscribers(subscribers.collect())
    }

    /// The hooks that receive events of this type.
    pub fn names_for(&self, kind: EventType) -> impl Iterator<Item = &Arc<str>> {
        let subscribers = self.0.iter();
        subscribers.filter_map(move |(name, events)| events.contains(&kind).then_some(name))
    }

    /// The events for a push; `digest` is the `short_digest` of its dedup key. `received_at` in Unix seconds.
    #[must_use]
    pub fn push(
        &self,
        push: &Push,
        effect: &Effect,
        digest: i64,
        received_at: i64,
    ) -> Vec<NewHookEvent> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let kind = match effect {
            Effect::Follow { .. } => EventType::Follow,
            Effect::Leave => EventType::Leave,
            Effect::AccountClosed { .. } => EventType::Closed,
            Effect::JobFinished(_) => EventType::Job,
            Effect::None | Effect::ProfileChanged { .. } | Effect::ProfileRevoked { .. } => {
                match push.body {
                    Body::Message(_) => EventType::Message,
                    Body::Event(_) => EventType::Event,
                }
            }
        };
        if self.names_for(kind).next().is_none() {
            return Vec::new();
        }
        let sender = push.from_user.as_str();
        let (openid, data) = match effect {
            Effect::Follow { scene } => (Some(sender), follow(sender, scene.as_deref(), "push")),
            Effect::Leave => (Some(sender), leave(sender, "push")),
            Effect::AccountClosed { openid } => (Some(openid.as_str()), Data::Closed { openid }),
            Effect::JobFinished(result) => job(result, sender),
            Effect::ProfileChanged { openid } | Effect::ProfileRevoked { openid } => {
                (Some(openid.as_str()), event(push, openid))
            }
            Effect::None => match push.body {
                Body::Message(_) => (Some(sender), message(push)),
                Body::Event(_) => (Some(sender), event(push, sender)),
            },
        };
        let event = Event {
            kind,
            openid,
            at: push.create_time,
            data,
        };
        self.rows(&event, digest, received_at)
    }

    /// The events for a person whose data the owner erases now, Unix seconds.
    #[must_use]
    pub fn closed(&self, openid: &str, now: i64) -> Vec<NewHookEvent> {
        let event = Event {
            kind: EventType::Closed,
            openid: Some(openid),
            at: now,
            data: Data::Closed { openid },
        };
        let key = format!("closed|{openid}|{now}");
        self.rows(&event, short_digest(key.as_bytes()), now)
    }

    /// The events for trouble that has begun or is over. A hook does not hear of its own. `now` in Unix seconds.
    #[must_use]
    pub fn trouble(&self, notice: &Notice, now: i64) -> Vec<NewHookEvent> {
        let Notice { told, trouble } = notice;
        let kind = match told {
            Told::Began => EventType::Trouble,
            Told::Over => EventType::Recovered,
        };
        let until = trouble.until;
        let name = trouble.subject.name.as_deref();
        let event = Event {
            kind,
            openid: None,
            at: until.unwrap_or(trouble.since),
            data: Data::Trouble {
                kind: trouble.subject.kind.name(),
                name,
                text: &trouble.text,
                since: local_time::utc(trouble.since),
                until: until.map(local_time::utc),
            },
        };
        let key = format!("{}|{}|{}", kind.name(), trouble.subject, event.at);
        let mut rows = self.rows(&event, short_digest(key.as_bytes()), now);
        if trouble.subject.kind == Kind::Hook {
            rows.retain(|row| name != Some(&row.hook));
        }
        rows
    }

    /// The events for messages that were put into the to-do list, in which this many wait. `now` in Unix seconds.
    #[must_use]
    pub fn todo(&self, waiting: i64, now: i64) -> Vec<NewHookEvent> {
        let event = Event {
            kind: EventType::Todo,
            openid: None,
            at: now,
            data: Data::Todo { waiting },
        };
        self.rows(&event, short_digest(format!("todo|{now}").as_bytes()), now)
    }

    /// Makes the events for people that a follower sync adds and removes; `None` if no hook receives these.
    #[must_use]
    pub fn announce(&self) -> Option<Announce> {
        let is_wanted = |kind| self.names_for(kind).next().is_some();
        if !is_wanted(EventType::Follow) && !is_wanted(EventType::Leave) {
            return None;
        }
        let subscribers = self.clone();
        Some(Announce(Arc::new(move |change| subscribers.change(change))))
    }

    fn change(&self, change: &Change) -> Vec<NewHookEvent> {
        let (kind, data) = match change.follows {
            true => (
                EventType::Follow,
                follow(change.openid, change.scene, "sync"),
            ),
            false => (EventType::Leave, leave(change.openid, "sync")),
        };
        let event = Event {
            kind,
            openid: Some(change.openid),
            at: change.at,
            data,
        };
        let key = format!("{}|{}|{}", kind.name(), change.openid, change.at);
        let digest = short_digest(key.as_bytes());
        self.rows(&event, digest, crate::clock::unix_seconds())
    }

    fn rows(&self, event: &Event, digest: i64, now: i64) -> Vec<NewHookEvent> {
        let body: Arc<str> = body(event.kind.name(), event.at, &event.data).into();
        let row = |hook: &Arc<str>| NewHookEvent {
            digest,
            hook: Arc::clone(hook),
            kind: event.kind.name(),
            openid: event.openid.map(str::to_owned),
            body: Arc::clone(&body),
            created_at: now,
        };
        self.names_for(event.kind).map(row).collect()
    }
}

/// The body of an event in the standard form. `at` in Unix seconds.
pub(super) fn body(kind: &str, at: i64, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Body<'a, D> {
        r#type: &'a str,
        timestamp: String,
        data: D,
    }
    let body = Body {
        r#type: kind,
        timestamp: local_time::utc(at),
        data,
    };
    // Texts and numbers can always be written.
    serde_json::to_string(&body).unwrap_or_default()
}

fn follow<'a>(openid: &'a str, scene: Option<&'a str>, source: &'static str) -> Data<'a> {
    Data::Follow {
        openid,
        scene,
        source,
    }
}

fn leave<'a>(openid: &'a str, source: &'static str) -> Data<'a> {
    Data::Leave { openid, source }
}

fn message(push: &Push) -> Data<'_> {
    Data::Message {
        openid: &push.from_user,
        kind: push.msg_type().to_lowercase(),
        content: some(push.subject()),
        msg_id: push.msg_id(),
        media_id: push.media_id(),
        created_at: push.create_time,
    }
}

fn event<'a>(push: &'a Push, openid: &'a str) -> Data<'a> {
    Data::Event {
        openid,
        kind: push.event().unwrap_or_default(),
        key: push.event_key(),
        content: some(push.subject()),
        created_at: push.create_time,
    }
}

fn job<'a>(result: &'a JobResult, sender: &'a str) -> (Option<&'a str>, Data<'a>) {
    use crate::wechat::JobKind;
    let openid = match result.kind {
        JobKind::Template => Some(sender),
        JobKind::Mass | JobKind::Publish => None,
    };
    let data = Data::Job {
        kind: result.kind.name(),
        msg_id: &result.msg_id,
        status: &result.status,
        openid,
        total: result.counts.total,
        sent: result.counts.sent,
        failed: result.counts.failed,
        article_id: result.articles.article_id.as_deref(),
    };
    (openid, data)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
