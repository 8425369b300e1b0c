//! Tags: labels that the account puts on its followers.
//! At most 100 tags, 20 on one user; 0, 1 and 2 belong to the platform.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::errcode;
use super::error::ApiError;
use super::user::{OpenidPage, check_size};
use crate::wechat::lenient;

/// The most openids that one call tags or untags.
pub const MAX_BATCHTAGGING: usize = 50;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its number, given by the platform.
    #[serde(deserialize_with = "lenient::number")]
    pub id: i64,
    /// Its name, at most 30 bytes.
    pub name: String,
    /// The number of users with it, if the call reports it.
    #[serde(default, deserialize_with = "lenient::int")]
    pub count: Option<i64>,
}

impl Client {
    /// All tags (`tags/get`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn tags_get(&self) -> Result<Vec<Tag>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            tags: Vec<Tag>,
        }
        Ok(self.call::<Answer>(&Call::read("/cgi-bin/tags/get"))?.tags)
    }

    /// Creates a tag (`tags/create`).
    ///
    /// # Errors
    /// 45157 for a name that is taken, 45158 for one too long, 45056 at 100 tags; any [`ApiError`].
    pub fn tags_create(&self, name: &str) -> Result<Tag, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            tag: Tag,
        }
        let call = Call::change("/cgi-bin/tags/create", "`wechatd tags list` shows it")
            .json(&json!({"tag": {"name": name}}))?;
        Ok(self.call::<Answer>(&call)?.tag)
    }

    /// Renames a tag (`tags/update`).
    ///
    /// # Errors
    /// As [`Client::tags_create`], and 45058 for a tag of the platform.
    pub fn tags_update(&self, id: i64, name: &str) -> Result<(), ApiError> {
        let call = Call::change("/cgi-bin/tags/update", "`wechatd tags list` shows it");
        self.done(&call.json(&json!({"tag": {"id": id, "name": name}}))?)
    }

    /// Deletes a tag and removes it from all users (`tags/delete`).
    ///
    /// # Errors
    /// 45057 when more than 100 000 users carry it, 45058 for a tag of the platform.
    pub fn tags_delete(&self, id: i64) -> Result<(), ApiError> {
        self.done(
            &Call::change("/cgi-bin/tags/delete", "`wechatd tags list` shows it")
                .json(&json!({"tag": {"id": id}}))?,
        )
    }

    /// A page of the users with a tag (`user/tag/get`); the first one for an empty
    /// `next_openid`.
    ///
    /// # Errors
    /// 45159 for an unknown tag; any [`ApiError`].
    pub fn user_tag_get(&self, id: i64, next_openid: &str) -> Result<OpenidPage, ApiError> {
        let call = Call::read("/cgi-bin/user/tag/get");
        self.call(&call.json(&json!({"tagid": id, "next_openid": next_openid}))?)
    }

    /// Puts a tag on up to [`MAX_BATCHTAGGING`] users (`tags/members/batchtagging`). Returns those
    /// on whom it could not be put.
    ///
    /// # Errors
    /// [`ApiError::Request`] for an empty or too long list; 45159 for an unknown tag, 45059 for a
    /// user with 20 tags, 40003 or 49003 for an openid of another account; any [`ApiError`].
    pub fn batchtagging(
        &self,
        id: i64,
        openids: &[impl AsRef<str>],
    ) -> Result<Vec<String>, ApiError> {
        self.change_tag(
            Call::change(
                "/cgi-bin/tags/members/batchtagging",
                "`wechatd tags list` counts who has the tag; repeating it does no harm",
            ),
            id,
            openids,
        )
    }

    /// Removes a tag from up to [`MAX_BATCHTAGGING`] users (`tags/members/batchuntagging`). Returns
    /// those from whom it could not be removed.
    ///
    /// # Errors
    /// As [`Client::batchtagging`].
    pub fn batchuntagging(
        &self,
        id: i64,
        openids: &[impl AsRef<str>],
    ) -> Result<Vec<String>, ApiError> {
        self.change_tag(
            Call::change(
                "/cgi-bin/tags/members/batchuntagging",
                "`wechatd tags list` counts who has the tag; repeating it does no harm",
            ),
            id,
            openids,
        )
    }

    fn change_tag(
        &self,
        call: Call,
        id: i64,
        openids: &[impl AsRef<str>],
    ) -> Result<Vec<String>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            fail_openid_list: Vec<String>,
        }
        check_size(&call, openids.len(), MAX_BATCHTAGGING)?;
        let openids: Vec<&str> = openids.iter().map(AsRef::as_ref).collect();
        let call = call.accepting(&[errcode::SOME_NOT_TAGGED]);
        let answer: Answer =
            self.call(&call.json(&json!({"openid_list": openids, "tagid": id}))?)?;
        Ok(answer.fail_openid_list)
    }

    /// The tags of one user (`tags/getidlist`).
    ///
    /// # Errors
    /// 40003 for an unknown openid; any [`ApiError`].
    pub fn tags_getidlist(&self, openid: &str) -> Result<Vec<i64>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::ints")]
            tagid_list: Option<Vec<i64>>,
        }
        let call = Call::read("/cgi-bin/tags/getidlist").json(&json!({"openid": openid}))?;
        Ok(self.call::<Answer>(&call)?.tagid_list.unwrap_or_default())
    }
}
