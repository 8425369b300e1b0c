//! Short keys: the platform stores a text for a while and returns 15 characters that stand for it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The longest text that a key stands for, in bytes.
pub const MAX_LONG_DATA: usize = 4096;

/// The longest life of a key, in seconds: 30 days.
pub const MAX_EXPIRE_SECONDS: u64 = 2_592_000;

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongData {
    /// The text.
    pub long_data: String,
    /// When the key was created, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub create_time: Option<i64>,
    /// How long it still works, in seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub expire_seconds: Option<i64>,
}

impl Client {
    /// Creates a key for a text (`shorten/gen`) that works for `expire_seconds`.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a text over [`MAX_LONG_DATA`] or a life over [`MAX_EXPIRE_SECONDS`];
    /// any [`ApiError`].
    pub fn shorten_gen(&self, long_data: &str, expire_seconds: u64) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            short_key: String,
        }
        let call = Call::change(
            "/cgi-bin/shorten/gen",
            "no command lists the keys; repeating it makes another one, and one that nobody knows ends by itself",
        );
        if long_data.is_empty() || long_data.len() > MAX_LONG_DATA {
            return Err(call.refused(format!("the text has 1 to {MAX_LONG_DATA} bytes")));
        }
        if !(1..=MAX_EXPIRE_SECONDS).contains(&expire_seconds) {
            return Err(call.refused(format!("a key works for 1 to {MAX_EXPIRE_SECONDS} seconds")));
        }
        let body = json!({"long_data": long_data, "expire_seconds": expire_seconds});
        Ok(self.call::<Answer>(&call.json(&body)?)?.short_key)
    }

    /// What a key stands for (`shorten/fetch`).
    ///
    /// # Errors
    /// 9410010 to 9410012 for a key that is unknown or has expired; any [`ApiError`].
    pub fn shorten_fetch(&self, short_key: &str) -> Result<LongData, ApiError> {
        let call = Call::read("/cgi-bin/shorten/fetch");
        self.call(&call.json(&json!({"short_key": short_key}))?)
    }
}
