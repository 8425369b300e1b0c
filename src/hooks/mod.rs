//! Hooks: events are written in the commit of what they report ([`event`]), and delivered later ([`courier`]) with
//! retries ([`schedule`]), to each hook in its format ([`message`], [`summary`], [`verdict`]).

mod courier;
mod event;
mod message;
mod schedule;
mod summary;
mod verdict;

use std::sync::Arc;

pub use courier::{Courier, Pause, Round};
pub use event::Subscribers;
pub use schedule::{Failure, PROBING};

use crate::config::{Hook, HookFormat};
use crate::outbound::{Outbound, TrustError};
use crate::random::NoRandomNumbers;
use crate::store::{Store, StoreError};
use crate::webhook::SigningSecret;

/// The hooks of a configuration, ready for delivery.
#[derive(Debug)]
pub struct Hooks {
    /// Which hook receives what.
    pub subscribers: Subscribers,
    /// One for each hook.
    pub couriers: Vec<Arc<Courier>>,
}

/// Why hooks cannot be made ready.
#[derive(Debug)]
pub enum HooksError {
    /// The store, which keeps the secrets that were made.
    Store(StoreError),
    /// The system gave no random numbers.
    Random(NoRandomNumbers),
    /// The trusted roots cannot be read.
    Trust(TrustError),
}

impl Hooks {
    /// Generates missing secrets. Without hooks it does nothing.
    ///
    /// # Errors
    /// When the store cannot write, or the trusted roots cannot be used.
    pub fn new(hooks: &[Hook], store: &Store) -> Result<Hooks, HooksError> {
        let mut couriers = Vec::new();
        if !hooks.is_empty() {
            let outbound = Arc::new(Outbound::new().map_err(HooksError::Trust)?);
            for hook in hooks {
                let secrets = secrets(hook, store)?;
                couriers.push(Arc::new(Courier::new(
                    hook.clone(),
                    secrets,
                    Arc::clone(&outbound),
                )));
            }
        }
        Ok(Hooks {
            subscribers: Subscribers::of(hooks),
            couriers,
        })
    }
}

/// Whether the trusted roots can be used.
///
/// # Errors
/// When they cannot.
pub fn look_at_roots() -> Result<(), HooksError> {
    Outbound::new().map(drop).map_err(HooksError::Trust)
}

/// The secrets that sign the calls of a hook, the current one first; empty for robots.
///
/// # Errors
/// When a secret is to be made and the store cannot write.
pub fn secrets(hook: &Hook, store: &Store) -> Result<Vec<SigningSecret>, HooksError> {
    let HookFormat::Standard {
        secret, previous, ..
    } = &hook.format
    else {
        return Ok(Vec::new());
    };
    let current = match secret {
        Some(secret) => secret.clone(),
        None => {
            let fresh = SigningSecret::random().map_err(HooksError::Random)?;
            let made = store.made_hook_secret(&hook.name, fresh.written());
            let made = made.map_err(HooksError::Store)?;
            // An owner may have mistyped it in the store; nothing could be signed with that.
            SigningSecret::parse(made.expose()).unwrap_or(fresh)
        }
    };
    Ok(std::iter::once(current).chain(previous.clone()).collect())
}

impl std::fmt::Display for HooksError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HooksError::Store(error) => error.fmt(f),
            HooksError::Random(error) => error.fmt(f),
            HooksError::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HooksError {}
