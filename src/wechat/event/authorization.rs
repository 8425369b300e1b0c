//! Changes of what users allow the account to know. They come with a legal duty to act, and from an
//! account of the platform's: the user is the `OpenID` inside.

use serde::{Deserialize, Serialize};

/// `user_info_modified`, `user_authorization_revoke` and `user_authorization_cancellation`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Authorization {
    /// `OpenID`; read it with [`Authorization::openid`].
    #[serde(rename = "OpenID")]
    pub open_id: Option<String>,
    /// The same in the lower-case spelling that was seen in `user_info_modified`.
    #[serde(rename = "openid")]
    pub open_id_lower_case: Option<String>,
    /// `UnionID`: the same user across the accounts of one owner.
    #[serde(rename = "UnionID")]
    pub union_id: Option<String>,
    /// `AppID` of the account or mini program that the user means.
    #[serde(rename = "AppID")]
    pub app_id: Option<String>,
    /// The same in the lower-case spelling.
    #[serde(rename = "appid")]
    pub app_id_lower_case: Option<String>,
    /// What was taken back, opaque: 201 address, 202 invoice, 203 card, 204 microphone, 205
    /// nickname and avatar, 206 location, 207 selected media, and others.
    #[serde(rename = "RevokeInfo")]
    pub revoke_info: Option<String>,
}

impl Authorization {
    /// The user to act on.
    pub fn openid(&self) -> Option<&str> {
        self.open_id
            .as_deref()
            .or(self.open_id_lower_case.as_deref())
    }
}
