//! What a service is asked.

use serde_json::Value;

/// A push that a service is asked about.
#[derive(Debug, Clone)]
pub struct Question {
    /// [`crate::wechat::Push::dedup_key`].
    pub dedup_key: String,
    /// The body as received, decrypted: XML or JSON.
    pub received: Vec<u8>,
    /// What is known about the sender, as `json` shows it.
    pub follower: Option<Value>,
}
