//! Conversations with agents of customer service. No longer on the platform's pages, still sent.

use serde::{Deserialize, Serialize};

/// `kf_create_session` and `kf_close_session`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KfSession {
    /// The agent, as `prefix@account`.
    pub kf_account: String,
}

/// `kf_switch_session`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KfSwitchSession {
    /// The agent who had the conversation, as `prefix@account`.
    pub from_kf_account: String,
    /// The agent who has it now, as `prefix@account`.
    pub to_kf_account: String,
}
