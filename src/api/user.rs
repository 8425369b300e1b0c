//! Followers as the platform knows them: who they are, their profiles and remarks.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// The most openids that `user/info/batchget` takes.
pub const MAX_BATCHGET: u32 = 100;

/// A user's profile. Nickname, sex, city, province, country and headimgurl have been absent or
/// empty since December 2021. For people who do not follow, only `subscribe` and `openid` are present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// 1: follows now, 0: does not.
    #[serde(deserialize_with = "lenient::int")]
    pub subscribe: Option<i64>,
    /// The user, as this account sees them.
    #[serde(deserialize_with = "lenient::text")]
    pub openid: Option<String>,
    /// Nickname, see above.
    #[serde(deserialize_with = "lenient::text")]
    pub nickname: Option<String>,
    /// 0 unknown, 1 male, 2 female, see above.
    #[serde(deserialize_with = "lenient::int")]
    pub sex: Option<i64>,
    /// The client's language, like `zh_CN`; no longer maintained.
    #[serde(deserialize_with = "lenient::text")]
    pub language: Option<String>,
    /// City, see above.
    #[serde(deserialize_with = "lenient::text")]
    pub city: Option<String>,
    /// Province, see above.
    #[serde(deserialize_with = "lenient::text")]
    pub province: Option<String>,
    /// Country, see above.
    #[serde(deserialize_with = "lenient::text")]
    pub country: Option<String>,
    /// The URL of the avatar, see above.
    #[serde(deserialize_with = "lenient::text")]
    pub headimgurl: Option<String>,
    /// When the user followed last, in Unix seconds.
    #[serde(deserialize_with = "lenient::int")]
    pub subscribe_time: Option<i64>,
    /// The user across the accounts of one Open Platform account, if this one belongs to any.
    #[serde(deserialize_with = "lenient::text")]
    pub unionid: Option<String>,
    /// The account's remark about the user.
    #[serde(deserialize_with = "lenient::text")]
    pub remark: Option<String>,
    /// The former group, the same number as a tag.
    #[serde(deserialize_with = "lenient::int")]
    pub groupid: Option<i64>,
    /// The user's tags.
    #[serde(deserialize_with = "lenient::ints")]
    pub tagid_list: Option<Vec<i64>>,
    /// How the user came to follow, like `ADD_SCENE_QR_CODE`; new words appear.
    #[serde(deserialize_with = "lenient::text")]
    pub subscribe_scene: Option<String>,
    /// The number scene of the QR code by which the user followed, or 0.
    #[serde(deserialize_with = "lenient::int")]
    pub qr_scene: Option<i64>,
    /// The text scene of that QR code, or empty.
    #[serde(deserialize_with = "lenient::text")]
    pub qr_scene_str: Option<String>,
}

/// One page of openids. Pages of followers hold up to 10 000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenidPage {
    /// The total, if the call reports it.
    pub total: Option<i64>,
    /// The openids of this page; may be empty.
    pub openids: Vec<String>,
    /// Where the next page starts; `None` after the last.
    pub next_openid: Option<String>,
}

impl<'de> Deserialize<'de> for OpenidPage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OpenidPage, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Data {
            openid: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::int")]
            total: Option<i64>,
            // Absent when there are none.
            data: Option<Data>,
            #[serde(default, deserialize_with = "lenient::text")]
            next_openid: Option<String>,
        }
        let answer = Answer::deserialize(deserializer)?;
        let mut openids = answer.data.unwrap_or_default().openid;
        openids.retain(|openid| !openid.is_empty());
        // The last page with openids may still name a next one, which is empty.
        let next_openid = answer
            .next_openid
            .filter(|next| !next.is_empty() && !openids.is_empty());
        Ok(OpenidPage {
            total: answer.total,
            openids,
            next_openid,
        })
    }
}

/// Refuses a list of openids that a call would not accept.
pub(super) fn check_size(call: &Call, openids: usize, most: usize) -> Result<(), ApiError> {
    if openids == 0 || openids > most {
        return Err(call.refused(format!("it takes 1 to {most} openids")));
    }
    Ok(())
}

impl Client {
    /// A page of followers (`user/get`); the first one for an empty `next_openid`.
    ///
    /// # Errors
    /// 40003 for an unknown `next_openid`; any [`ApiError`].
    pub fn user_get(&self, next_openid: &str) -> Result<OpenidPage, ApiError> {
        let call = Call::read("/cgi-bin/user/get");
        self.call(&match next_openid {
            "" => call,
            next_openid => call.query("next_openid", next_openid),
        })
    }

    /// Sets the remark about a user (`user/info/updateremark`): fewer than 30 characters, empty to
    /// clear it.
    ///
    /// # Errors
    /// 43004 for somebody who does not follow, 40092 for a bad remark; any [`ApiError`].
    pub fn updateremark(&self, openid: &str, remark: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/user/info/updateremark",
            "`wechatd followers sync` fetches the remark; repeating it does no harm",
        );
        self.done(&call.json(&json!({"openid": openid, "remark": remark}))?)
    }

    /// The profile of one user (`user/info`).
    ///
    /// # Errors
    /// 40003 for an openid of another account; any [`ApiError`].
    pub fn user_info(&self, openid: &str) -> Result<Profile, ApiError> {
        self.call(
            &Call::read("/cgi-bin/user/info")
                .query("openid", openid)
                .query("lang", "zh_CN"),
        )
    }

    /// The profiles of up to [`MAX_BATCHGET`] users, in the order of the openids (`user/info/batchget`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for an empty or too long list; any [`ApiError`].
    pub fn user_info_batch(&self, openids: &[impl AsRef<str>]) -> Result<Vec<Profile>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            user_info_list: Vec<Profile>,
        }
        let call = Call::read("/cgi-bin/user/info/batchget");
        check_size(&call, openids.len(), MAX_BATCHGET as usize)?;
        let users: Vec<_> = openids
            .iter()
            .map(|openid| json!({"openid": openid.as_ref(), "lang": "zh_CN"}))
            .collect();
        let answer: Answer = self.call(&call.json(&json!({"user_list": users}))?)?;
        Ok(answer.user_info_list)
    }
}
