//! The tokens of the API client, kept in the store: commands and servers use the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::api::{self, TokenStore};
use crate::store::{KeptToken, Lease, Store};

/// The tokens of the API client, kept in the store.
pub(super) struct StoredTokens {
    store: Arc<Store>,
    /// The leases under which tokens are being fetched, by the token's name.
    leases: Mutex<HashMap<String, Lease>>,
}

impl StoredTokens {
    pub(super) fn new(store: &Arc<Store>) -> StoredTokens {
        StoredTokens {
            store: Arc::clone(store),
            leases: Mutex::default(),
        }
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for StoredTokens {
    fn load(&self, name: &str) -> Result<Option<api::KeptToken>, String> {
        let kept = self
            .store
            .kept_token(name)
            .map_err(|error| error.to_string())?;
        Ok(kept.map(|token| api::KeptToken {
            value: token.value,
            expires_at: token.expires_at,
        }))
    }

    fn save(&self, name: &str, token: &api::KeptToken) -> Result<(), String> {
        let token = KeptToken {
            value: token.value.clone(),
            expires_at: token.expires_at,
        };
        // Whoever was suspended during the call must not replace the token of the one who took over.
        let lease = self.leases().get(name).cloned();
        let kept = match lease {
            Some(lease) => self.store.under(&lease).keep_token(name, &token),
            None => self.store.keep_token(name, &token),
        };
        kept.map_err(|error| error.to_string())
    }

    fn lease(&self, name: &str, for_: Duration) -> Result<bool, String> {
        let taken = self
            .store
            .take_lease(name, for_)
            .map_err(|error| error.to_string())?;
        let is_taken = taken.is_some();
        if let Some(lease) = taken {
            self.leases().insert(name.to_owned(), lease);
        }
        Ok(is_taken)
    }

    fn release(&self, name: &str) -> Result<(), String> {
        let lease = self.leases().remove(name);
        match lease {
            Some(lease) => self
                .store
                .end_lease(&lease)
                .map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}
