//! The blacklist: users whose messages the platform does not push, and to whom none can be sent.

use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::user::{OpenidPage, check_size};

/// The most openids that one call blocks or unblocks.
pub const MAX_BATCHBLACKLIST: usize = 20;

impl Client {
    /// A page of blocked users (`tags/members/getblacklist`); the first one for an empty
    /// `begin_openid`.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn getblacklist(&self, begin_openid: &str) -> Result<OpenidPage, ApiError> {
        let call = Call::read("/cgi-bin/tags/members/getblacklist");
        self.call(&call.json(&json!({"begin_openid": begin_openid}))?)
    }

    /// Blocks up to [`MAX_BATCHBLACKLIST`] users (`tags/members/batchblacklist`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for an empty or too long list; any [`ApiError`].
    pub fn batchblacklist(&self, openids: &[impl AsRef<str>]) -> Result<(), ApiError> {
        self.change_blacklist(
            Call::change(
                "/cgi-bin/tags/members/batchblacklist",
                "`wechatd blacklist list` shows it; repeating it does no harm",
            ),
            openids,
        )
    }

    /// Unblocks up to [`MAX_BATCHBLACKLIST`] users (`tags/members/batchunblacklist`).
    ///
    /// # Errors
    /// As [`Client::batchblacklist`].
    pub fn batchunblacklist(&self, openids: &[impl AsRef<str>]) -> Result<(), ApiError> {
        self.change_blacklist(
            Call::change(
                "/cgi-bin/tags/members/batchunblacklist",
                "`wechatd blacklist list` shows it; repeating it does no harm",
            ),
            openids,
        )
    }

    fn change_blacklist(&self, call: Call, openids: &[impl AsRef<str>]) -> Result<(), ApiError> {
        check_size(&call, openids.len(), MAX_BATCHBLACKLIST)?;
        let openids: Vec<&str> = openids.iter().map(AsRef::as_ref).collect();
        self.done(&call.json(&json!({"openid_list": openids}))?)
    }
}
