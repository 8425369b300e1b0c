//! The services of the configuration: the owner's own programs, to which rules forward pushes.

use std::fmt;
use std::time::Duration;

use super::secret_url::SecretUrl;
use crate::secret::Secret;
use crate::webhook::SigningSecret;

/// One service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Line of its first key in the file, counted from 1.
    pub line: usize,
    /// Where it listens.
    pub url: SecretUrl,
    /// The format of the calls.
    pub format: ServiceFormat,
    /// The time limit for one answer.
    pub timeout: Duration,
    /// The most calls at a time.
    pub concurrency: usize,
    /// What becomes of answers that come late.
    pub slow: Slow,
    /// Shown when the answer comes with the next message.
    pub wait_text: Option<String>,
    /// How long an answer waits for the next message.
    pub keep: Duration,
}

/// The format of the calls to a service.
#[derive(Debug, Clone)]
pub enum ServiceFormat {
    /// The platform's XML, with a fresh signature.
    WeChat {
        /// Signs; `None`: the account's Token does.
        token: Option<Secret>,
    },
    /// JSON, signed by Standard Webhooks.
    Json {
        /// Signs; `None`: one is made once and kept in the store.
        secret: Option<SigningSecret>,
    },
}

impl ServiceFormat {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            ServiceFormat::WeChat { .. } => "wechat",
            ServiceFormat::Json { .. } => "json",
        }
    }
}

/// What becomes of an answer that comes late, always tried in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slow {
    /// The platform delivers the push again, and that delivery is answered.
    pub wait: bool,
    /// It is sent as a customer-service message.
    pub message: bool,
    /// It is kept and shown with the follower's next message.
    pub next: bool,
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rungs = [
            (self.wait, "wait"),
            (self.message, "message"),
            (self.next, "next"),
        ];
        let names: Vec<&str> = rungs
            .iter()
            .filter_map(|(is_in, name)| is_in.then_some(*name))
            .collect();
        match names.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&names.join(" → ")),
        }
    }
}
