//! Sessions: which agent talks with which user, and which users wait for an agent. What was said is in
//! [`record`](super::record).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The session of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent who has it.
    pub kf_account: String,
    /// When it started, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub createtime: Option<i64>,
}

/// One of an agent's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSession {
    /// The user.
    pub openid: String,
    /// When it started, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub createtime: Option<i64>,
}

/// A user whom no agent has taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitCase {
    /// The user.
    pub openid: String,
    /// When they wrote last, in Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub latest_time: Option<i64>,
}

/// The users who wait for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitCases {
    /// Their number.
    #[serde(default, deserialize_with = "lenient::int")]
    pub count: Option<i64>,
    /// At most 100 of them.
    #[serde(default, deserialize_with = "lenient::list")]
    pub waitcaselist: Vec<WaitCase>,
}

impl Client {
    /// Opens a session between a user and an agent at work (`kfsession/create`).
    ///
    /// # Errors
    /// 65414 when another agent has the user, 65415 when this one is not at work; any [`ApiError`].
    pub fn kfsession_create(&self, kf_account: &str, openid: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/customservice/kfsession/create",
            "`wechatd kf session show OPENID` shows it",
        );
        self.done(&call.json(&json!({"kf_account": kf_account, "openid": openid}))?)
    }

    /// Ends the session between a user and an agent (`kfsession/close`).
    ///
    /// # Errors
    /// 65413 when there is none; any [`ApiError`].
    pub fn kfsession_close(&self, kf_account: &str, openid: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/customservice/kfsession/close",
            "`wechatd kf session show OPENID` shows it",
        );
        self.done(&call.json(&json!({"kf_account": kf_account, "openid": openid}))?)
    }

    /// The session of a user (`kfsession/getsession`), if any.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn kfsession_getsession(&self, openid: &str) -> Result<Option<Session>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::filled")]
            kf_account: Option<String>,
            #[serde(default, deserialize_with = "lenient::int")]
            createtime: Option<i64>,
        }
        let call = Call::read("/customservice/kfsession/getsession").query("openid", openid);
        let answer: Answer = self.call(&call)?;
        Ok(answer.kf_account.map(|kf_account| Session {
            kf_account,
            createtime: answer.createtime,
        }))
    }

    /// The sessions of an agent (`kfsession/getsessionlist`).
    ///
    /// # Errors
    /// 65401 for an unknown agent; any [`ApiError`].
    pub fn kfsession_getsessionlist(
        &self,
        kf_account: &str,
    ) -> Result<Vec<AgentSession>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            sessionlist: Vec<AgentSession>,
        }
        let call = Call::read("/customservice/kfsession/getsessionlist");
        let call = call.query("kf_account", kf_account);
        Ok(self.call::<Answer>(&call)?.sessionlist)
    }

    /// The users who wait for an agent (`kfsession/getwaitcase`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn kfsession_getwaitcase(&self) -> Result<WaitCases, ApiError> {
        self.call(&Call::read("/customservice/kfsession/getwaitcase"))
    }
}
