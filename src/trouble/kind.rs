//! The kinds of trouble, a closed list, and what each can be about.

use std::fmt;

/// A kind of trouble. What begins and ends it stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A commit failed, until one works.
    Store,
    /// Less room beside the store than `watch.disk`.
    Disk,
    /// The platform refuses a fresh access_token, the AppSecret or this machine's address, until a call is done.
    Token,
    /// Calls to the platform have failed for 5 minutes, until it answers one.
    Api,
    /// The follower whose profile has waited longest has waited for over an hour.
    Profiles,
    /// The last good follower sync is over 36 hours old, or would have taken out too many.
    Sync,
    /// No push for far longer than usual, until one comes.
    Silent,
    /// Many requests in a short time were signed wrongly, and none rightly.
    Refused,
    /// A reload was refused, until one succeeds.
    Config,
    /// The circuit of a service is open.
    Service,
    /// A hook is paused.
    Hook,
}

impl Kind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Kind; 11] = [
        Kind::Store,
        Kind::Disk,
        Kind::Token,
        Kind::Api,
        Kind::Profiles,
        Kind::Sync,
        Kind::Silent,
        Kind::Refused,
        Kind::Config,
        Kind::Service,
        Kind::Hook,
    ];

    /// Its name in logs, in the store and in what is sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Store => "store",
            Kind::Disk => "disk",
            Kind::Token => "token",
            Kind::Api => "api",
            Kind::Profiles => "profiles",
            Kind::Sync => "sync",
            Kind::Silent => "silent",
            Kind::Refused => "refused",
            Kind::Config => "config",
            Kind::Service => "service",
            Kind::Hook => "hook",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Trouble of this kind with the service or hook of this name.
    #[must_use]
    pub fn of(self, name: &str) -> Subject {
        Subject {
            kind: self,
            name: Some(name.to_owned()),
        }
    }

    /// Whether it can go on when another process takes over. The others are over with the process that had them.
    #[must_use]
    pub(super) const fn outlasts_the_process(self) -> bool {
        match self {
            Kind::Disk
            | Kind::Token
            | Kind::Api
            | Kind::Profiles
            | Kind::Sync
            | Kind::Silent
            | Kind::Hook => true,
            Kind::Store | Kind::Refused | Kind::Config | Kind::Service => false,
        }
    }

    /// Its bit in a set of kinds.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What has trouble. Of one subject there is one trouble at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The kind of trouble.
    pub kind: Kind,
    /// The name of the service or hook.
    pub name: Option<String>,
}

impl From<Kind> for Subject {
    fn from(kind: Kind) -> Subject {
        Subject { kind, name: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.name {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}
