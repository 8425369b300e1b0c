//! The networks that the platform sends from: the list in force, read from the platform or the store.

use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;

use crate::config::read_network;
use crate::store::KeptAddresses;

/// The platform's list. Until the first one is fetched, nobody is refused.
#[derive(Debug, Default)]
pub struct CallbackIps {
    list: RwLock<Option<Arc<Networks>>>,
}

/// One list from the platform.
#[derive(Debug)]
pub struct Networks {
    /// Never empty.
    pub networks: Vec<IpNet>,
    /// Entries that are neither an address nor a network.
    pub unreadable: Vec<String>,
    /// When it was fetched, Unix seconds.
    pub fetched_at: i64,
}

impl CallbackIps {
    /// The list in force; `None` if none has ever been fetched.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Networks>> {
        self.list
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a list in force.
    pub fn replace(&self, networks: Networks) {
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(networks));
    }
}

impl Networks {
    /// Parses a list from the platform or the store. `None`: no entry can be read.
    #[must_use]
    pub fn read(kept: &KeptAddresses) -> Option<Networks> {
        let mut networks = Vec::new();
        let mut unreadable = Vec::new();
        for entry in &kept.addresses {
            match read_network(entry) {
                Ok(network) => networks.push(network),
                Err(_) => unreadable.push(entry.clone()),
            }
        }
        (!networks.is_empty()).then_some(Networks {
            networks,
            unreadable,
            fetched_at: kept.fetched_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(addresses: &[&str]) -> KeptAddresses {
        KeptAddresses {
            addresses: addresses.iter().map(|&entry| entry.to_owned()).collect(),
            fetched_at: 1,
        }
    }

    #[test]
    fn addresses_and_networks_are_read_and_what_is_neither_is_named() {
        let list = Networks::read(&kept(&["203.0.113.9", "198.51.100.77/25", "10.0.0.*"]));
        let list = list.expect("a list");
        assert_eq!(list.unreadable, ["10.0.0.*"]);
        let networks: Vec<String> = list.networks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["203.0.113.9/32", "198.51.100.77/25"]);
    }

    #[test]
    fn a_list_in_which_nothing_can_be_read_is_none() {
        assert!(Networks::read(&kept(&[])).is_none());
        assert!(Networks::read(&kept(&["everywhere"])).is_none());
    }
}
