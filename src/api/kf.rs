//! Customer-service agents (kf): who they are and who is at work.

use serde::Deserialize;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::json;

/// An agent, or somebody invited to be one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Agent {
    /// The account name, `prefix@WeChat id of the account`.
    pub kf_account: String,
    /// The number the platform gave.
    #[serde(default, deserialize_with = "json::text")]
    pub kf_id: Option<String>,
    /// The nickname that users see.
    #[serde(default, deserialize_with = "json::text")]
    pub kf_nick: Option<String>,
    /// The URL of the picture.
    #[serde(default, deserialize_with = "json::text")]
    pub kf_headimgurl: Option<String>,
    /// The WeChat id of the person, once bound.
    #[serde(default, deserialize_with = "json::text")]
    pub kf_wx: Option<String>,
    /// The WeChat id of the person invited.
    #[serde(default, deserialize_with = "json::text")]
    pub invite_wx: Option<String>,
    /// When the invitation ends, in Unix seconds.
    #[serde(default, deserialize_with = "json::int")]
    pub invite_expire_time: Option<i64>,
    /// `waiting`, `rejected` or `expired`.
    #[serde(default, deserialize_with = "json::text")]
    pub invite_status: Option<String>,
}

/// An agent at work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OnlineAgent {
    /// The account name.
    pub kf_account: String,
    /// The number the platform gave.
    #[serde(default, deserialize_with = "json::text")]
    pub kf_id: Option<String>,
    /// 1: at work in a browser.
    #[serde(default, deserialize_with = "json::int")]
    pub status: Option<i64>,
    /// How many conversations the agent has now.
    #[serde(default, deserialize_with = "json::int")]
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
            kf_online_list: Vec<OnlineAgent>,
        }
        let call = Call::read("/cgi-bin/customservice/getonlinekflist");
        Ok(self.call::<Answer>(&call)?.kf_online_list)
    }
}
