//! What a push means for the people it is about: who comes, who leaves, whose data must go.

use super::event::EventKind;
use super::push::{Body, Push};

/// What has to change, beside recording the push.
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
}

impl Push {
    /// What the push means for the people it is about. An authorisation event that names nobody
    /// means nothing.
    pub fn effect(&self) -> Effect {
        let Body::Event(event) = &self.body else {
            return Effect::None;
        };
        let openid = || self.authorization_openid().map(str::to_owned);
        let effect = match &event.content {
            EventKind::Subscribe(_) => Some(Effect::Follow {
                scene: self.scene().map(str::to_owned),
            }),
            EventKind::Unsubscribe(_) => Some(Effect::Leave),
            EventKind::UserInfoModified(_) => {
                openid().map(|openid| Effect::ProfileChanged { openid })
            }
            EventKind::UserAuthorizationRevoke(_) => {
                openid().map(|openid| Effect::ProfileRevoked { openid })
            }
            EventKind::UserAuthorizationCancellation(_) => {
                openid().map(|openid| Effect::AccountClosed { openid })
            }
            _ => None,
        };
        effect.unwrap_or(Effect::None)
    }
}
