//! Hooks, services and gates of the configuration that a command names.

use crate::cli::terminal::Failure;
use crate::config::{Gate, Hook, Service, nearest};

/// An entry of the configuration with a name.
pub trait Named {
    /// What the configuration calls its list.
    const LIST: &'static str;

    fn name(&self) -> &str;
}

impl Named for Hook {
    const LIST: &'static str = "hook";

    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Service {
    const LIST: &'static str = "service";

    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Gate {
    const LIST: &'static str = "gate";

    fn name(&self) -> &str {
        &self.name
    }
}

/// The entry with this name.
pub fn find_named<'c, T: Named>(entries: &'c [T], name: &str) -> Result<&'c T, Failure> {
    let known = entries.iter().find(|entry| entry.name() == name);
    known.ok_or_else(|| {
        let names = || entries.iter().map(Named::name);
        let advice = match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None if entries.is_empty() => none_configured::<T>(),
            None => format!("it can be {}", names().collect::<Vec<_>>().join(", ")),
        };
        Failure::wrong(format!("there is no {} {name:?}", T::LIST), advice)
    })
}

/// What to say where the list is empty.
pub fn none_configured<T: Named>() -> String {
    format!(
        "the configuration has no [[{}]]; wechat.conf shows one",
        T::LIST
    )
}
