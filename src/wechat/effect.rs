//! What a push means for what is kept: who comes, who leaves, whose data must go, what became of a sending.

use super::event::EventKind;
use super::job::{JobKind, JobResult};
use super::push::{Body, Push};

/// What has to change, besides recording the push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The sender follows now.
    Follow {
        /// By this scene of a QR code.
        scene: Option<String>,
    },
    /// The sender follows no more.
    Leave,
    /// This person's profile has changed.
    ProfileChanged {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// This person has taken back the right to the profile: it must be deleted.
    ProfileRevoked {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// This person has closed the WeChat account: everything about the person must be deleted.
    AccountClosed {
        /// Whose; the sender is an account of the platform's.
        openid: String,
    },
    /// A mass or template message, or a publication, has come to its end.
    JobFinished(JobResult),
}

impl Push {
    /// What the push means for the people it is about. An authorisation event that names nobody
    /// means nothing.
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
