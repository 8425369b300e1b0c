//! The effect of a push on the store: who follows, who unfollows, whose data must be deleted, the result of a job.

use super::event::EventKind;
use super::job::{JobKind, JobResult};
use super::push::{Body, Push};

/// What must change, besides recording the push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The sender has followed.
    Follow {
        /// The scene of the QR code, if any.
        scene: Option<String>,
    },
    /// The sender has unfollowed.
    Leave,
    /// This person's profile has changed.
    ProfileChanged {
        /// Not the sender, which is an account of the platform.
        openid: String,
    },
    /// This person has revoked access to the profile: it must be deleted.
    ProfileRevoked {
        /// Not the sender, which is an account of the platform.
        openid: String,
    },
    /// This person has closed their WeChat account: everything about them must be deleted.
    AccountClosed {
        /// Not the sender, which is an account of the platform.
        openid: String,
    },
    /// A mass message, template message or publication has finished.
    JobFinished(JobResult),
}

impl Push {
    /// The effect of the push; none for an authorization event or result without an id.
    pub fn effect(&self) -> Effect {
        let Body::Event(event) = &self.body else {
            return Effect::None;
        };
        let openid = || self.authorization_openid().map(str::to_owned);
        let result = |kind| JobResult::read(kind, event).map(Effect::JobFinished);
        let effect = match event.kind {
            EventKind::Subscribe => Some(Effect::Follow {
                scene: self.scene().map(str::to_owned),
            }),
            EventKind::Unsubscribe => Some(Effect::Leave),
            EventKind::ProfileChanged => openid().map(|openid| Effect::ProfileChanged { openid }),
            EventKind::ProfileRevoked => openid().map(|openid| Effect::ProfileRevoked { openid }),
            EventKind::AccountClosed => openid().map(|openid| Effect::AccountClosed { openid }),
            EventKind::TemplateResult => result(JobKind::Template),
            EventKind::MassResult => result(JobKind::Mass),
            EventKind::PublishResult => result(JobKind::Publish),
            EventKind::Scan
            | EventKind::Location
            | EventKind::ScanCode
            | EventKind::LocationSelect
            | EventKind::Other => None,
        };
        effect.unwrap_or(Effect::None)
    }
}
