//! The owner's own programs: one call ([`backend`], [`call`], [`answer`]), the calls that wait ([`queue`]), and when
//! none is made ([`circuit`]).

mod answer;
mod backend;
mod call;
mod circuit;
mod question;
mod queue;

use std::sync::Arc;

pub use backend::{Backend, Failure};
pub use circuit::{Change, Circuit};
pub use question::Question;
pub use queue::{Place, Queue};

use call::Signer;

use crate::config::{Service, ServiceFormat};
use crate::outbound::{Outbound, TrustError};
use crate::random::NoRandomNumbers;
use crate::secret::Secret;
use crate::store::{Store, StoreError};
use crate::webhook::SigningSecret;

/// The services of a configuration, ready to be called.
#[derive(Debug, Default)]
pub struct Services(Vec<Arc<Backend>>);

/// Why services cannot be made ready.
#[derive(Debug)]
pub enum ServicesError {
    /// The store, which keeps the secrets that were made.
    Store(StoreError),
    /// The system gave no random numbers.
    Random(NoRandomNumbers),
    /// The trusted roots cannot be read.
    Trust(TrustError),
}

impl Services {
    /// Makes missing secrets. `account_token` is the account's Token. Without services it does nothing.
    ///
    /// # Errors
    /// When the store cannot write, or the trusted roots cannot be used.
    pub fn new(
        services: &[Service],
        account_token: &Secret,
        store: &Store,
    ) -> Result<Services, ServicesError> {
        let ready = |service: &Service| {
            let signer = match &service.format {
                ServiceFormat::WeChat { token } => {
                    Signer::WeChat(token.as_ref().unwrap_or(account_token).clone())
                }
                ServiceFormat::Json { secret } => {
                    Signer::Json(made(&service.name, secret.as_ref(), store)?)
                }
            };
            // A pool for each, so that none closes the connections of another.
            let outbound = Outbound::with_idle(service.concurrency);
            let outbound = outbound.map_err(ServicesError::Trust)?;
            Ok(Arc::new(Backend::new(service.clone(), signer, outbound)))
        };
        let services: Result<Vec<_>, _> = services.iter().map(ready).collect();
        services.map(Services)
    }

    /// The service of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Backend>> {
        self.iter().find(|backend| backend.service.name == name)
    }

    /// All, in the order of the configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Backend>> {
        self.0.iter()
    }

    /// Whether one of them has its late answers kept for the follower's next message.
    #[must_use]
    pub fn keep_answers(&self) -> bool {
        self.iter().any(|backend| backend.service.slow.next)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The secret that signs the calls to a `json` service; `None`: it is of another format.
///
/// # Errors
/// When a secret is to be made and the store cannot write.
pub fn secret(service: &Service, store: &Store) -> Result<Option<SigningSecret>, ServicesError> {
    match &service.format {
        ServiceFormat::Json { secret } => made(&service.name, secret.as_ref(), store).map(Some),
        ServiceFormat::WeChat { .. } => Ok(None),
    }
}

/// The secret of the configuration, or one that is made once.
fn made(
    service: &str,
    configured: Option<&SigningSecret>,
    store: &Store,
) -> Result<SigningSecret, ServicesError> {
    if let Some(secret) = configured {
        return Ok(secret.clone());
    }
    let fresh = SigningSecret::random().map_err(ServicesError::Random)?;
    let made = store.made_service_secret(service, fresh.written());
    let made = made.map_err(ServicesError::Store)?;
    // An owner may have mistyped it in the store; nothing could be signed with that.
    Ok(SigningSecret::parse(made.expose()).unwrap_or(fresh))
}

impl std::fmt::Display for ServicesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServicesError::Store(error) => error.fmt(f),
            ServicesError::Random(error) => error.fmt(f),
            ServicesError::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServicesError {}
