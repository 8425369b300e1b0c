//! Customer-service agents (kf): listing, creating, inviting and removing them. Their conversations with users are in
//! [`session`](super::session).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::errcode::REQUIRE_POST;
use super::error::ApiError;
use crate::wechat::lenient;

/// An agent, or a person invited to be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The account name, `prefix@WeChat id of the account`.
    pub kf_account: String,
    /// The number the platform gave.
    #[serde(default, deserialize_with = "lenient::text")]
    pub kf_id: Option<String>,
    /// The nickname that users see.
    #[serde(default, deserialize_with = "lenient::text")]
    pub kf_nick: Option<String>,
    /// The URL of the picture.
    #[serde(default, deserialize_with = "lenient::text")]
    pub kf_headimgurl: Option<String>,
    /// The WeChat id of the person, once bound.
    #[serde(default, deserialize_with = "lenient::text")]
    pub kf_wx: Option<String>,
    /// The WeChat id of the person invited.
    #[serde(default, deserialize_with = "lenient::text")]
    pub invite_wx: Option<String>,
    /// When the invitation expires, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub invite_expire_time: Option<i64>,
    /// `waiting`, `rejected` or `expired`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub invite_status: Option<String>,
}

/// An agent at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineAgent {
    /// The account name.
    pub kf_account: String,
    /// The number the platform gave.
    #[serde(default, deserialize_with = "lenient::text")]
    pub kf_id: Option<String>,
    /// 1: at work in a browser.
    #[serde(default, deserialize_with = "lenient::int")]
    pub status: Option<i64>,
    /// The agent's current conversations.
    #[serde(default, deserialize_with = "lenient::int")]
    pub accepted_case: Option<i64>,
}

impl Client {
    /// All agents (`customservice/getkflist`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn getkflist(&self) -> Result<Vec<Agent>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            kf_list: Vec<Agent>,
        }
        Ok(self
            .call::<Answer>(&Call::read("/cgi-bin/customservice/getkflist"))?
            .kf_list)
    }

    /// The agents at work (`customservice/getonlinekflist`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn getonlinekflist(&self) -> Result<Vec<OnlineAgent>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            kf_online_list: Vec<OnlineAgent>,
        }
        let call = Call::read("/cgi-bin/customservice/getonlinekflist");
        Ok(self.call::<Answer>(&call)?.kf_online_list)
    }

    /// Creates an agent (`kfaccount/add`); no person is bound to it before [`Client::kfaccount_inviteworker`].
    /// `kf_account` is `prefix@WeChat id of the account`, the prefix at most 10 letters, digits and
    /// underscores; the nickname has 1 to 16 characters.
    ///
    /// # Errors
    /// 65403 for an invalid nickname, 65404 for an invalid account name, 65405 when 100 agents exist,
    /// 65406 for a name that is taken; any [`ApiError`].
    pub fn kfaccount_add(&self, kf_account: &str, nickname: &str) -> Result<(), ApiError> {
        let call = Call::change("/customservice/kfaccount/add", "`wechatd kf list` shows it");
        self.done(&call.json(&json!({"kf_account": kf_account, "nickname": nickname}))?)
    }

    /// Changes an agent's nickname (`kfaccount/update`).
    ///
    /// # Errors
    /// 65401 for an unknown agent, 65403 for an invalid nickname; any [`ApiError`].
    pub fn kfaccount_update(&self, kf_account: &str, nickname: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/customservice/kfaccount/update",
            "`wechatd kf list` shows it",
        );
        self.done(&call.json(&json!({"kf_account": kf_account, "nickname": nickname}))?)
    }

    /// Asks a person, by their WeChat id, to be this agent (`kfaccount/inviteworker`). They answer in WeChat.
    ///
    /// # Errors
    /// 65407 to 65412 for a person or an agent that cannot be invited now; any [`ApiError`].
    pub fn kfaccount_inviteworker(
        &self,
        kf_account: &str,
        invite_wx: &str,
    ) -> Result<(), ApiError> {
        let call = Call::change(
            "/customservice/kfaccount/inviteworker",
            "`wechatd kf list` shows it",
        );
        self.done(&call.json(&json!({"kf_account": kf_account, "invite_wx": invite_wx}))?)
    }

    /// Removes an agent (`kfaccount/del`, a GET although it changes something; one of the platform's pages has a POST,
    /// which is tried if the GET is refused).
    ///
    /// # Errors
    /// 65401 for an unknown agent; any [`ApiError`].
    pub fn kfaccount_del(&self, kf_account: &str) -> Result<(), ApiError> {
        let call = || {
            Call::change("/customservice/kfaccount/del", "`wechatd kf list` shows it")
                .query("kf_account", kf_account)
        };
        match self.done(&call()) {
            Err(error) if error.errcode() == Some(REQUIRE_POST) => {
                self.done(&call().json(&json!({"kf_account": kf_account}))?)
            }
            result => result,
        }
    }
}
