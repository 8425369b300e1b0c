//! Subscription notifications: forms like template messages, for users who agreed to receive this one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::template::{self, Miniprogram, TemplateValue};
use crate::wechat::lenient;

/// A template of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateTemplate {
    /// Its name in notifications, their `template_id`.
    #[serde(rename = "priTmplId")]
    pub pri_tmpl_id: String,
    /// Title.
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// The form, with placeholders like `{{thing1.DATA}}`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    /// The form filled in, as an example.
    #[serde(default, deserialize_with = "lenient::text")]
    pub example: Option<String>,
    /// 2: the user agrees to one notification, 3: for good.
    #[serde(default, rename = "type", deserialize_with = "lenient::int")]
    pub kind: Option<i64>,
}

/// The most templates of the library that one call lists.
pub const LIBRARY_PAGE: u32 = 30;

/// A category that the account has chosen in the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its number.
    #[serde(deserialize_with = "lenient::number")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
}

/// A template of the platform's library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryTemplate {
    /// Its number, by which it is taken.
    #[serde(deserialize_with = "lenient::number")]
    pub tid: i64,
    /// Title.
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// 2: the user agrees to one notification, 3: for good.
    #[serde(default, rename = "type", deserialize_with = "lenient::int")]
    pub kind: Option<i64>,
    /// The category's number.
    #[serde(default, rename = "categoryId", deserialize_with = "lenient::int")]
    pub category_id: Option<i64>,
}

/// Some templates of the library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LibraryPage {
    /// How many there are in all.
    #[serde(default, deserialize_with = "lenient::int")]
    pub count: Option<i64>,
    /// Those of this page.
    #[serde(default, rename = "data", deserialize_with = "lenient::list")]
    pub templates: Vec<LibraryTemplate>,
}

/// A keyword of a template of the library: one line of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryKeyword {
    /// Its number, by which it is chosen.
    #[serde(deserialize_with = "lenient::number")]
    pub kid: i64,
    /// Its name, as users see it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// A value, as an example.
    #[serde(default, deserialize_with = "lenient::text")]
    pub example: Option<String>,
    /// What its value may be: `thing`, `amount`, `time` and so on.
    #[serde(default, deserialize_with = "lenient::text")]
    pub rule: Option<String>,
}

/// A filled-in template for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// The user.
    pub touser: String,
    /// The template.
    pub template_id: String,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Where a tap leads on clients that can open mini programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<Miniprogram>,
    /// Values by the template's keys, like `thing1`.
    pub data: BTreeMap<String, TemplateValue>,
}

impl PrivateTemplate {
    /// The keys of the form, in their order: `thing1` of `{{thing1.DATA}}`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        template::keys(self.content.as_deref().unwrap_or_default())
    }
}

impl Client {
    /// Sends a notification (`message/subscribe/bizsend`), once. The result comes with the event
    /// `subscribe_msg_sent_event`.
    ///
    /// # Errors
    /// 43101 when the user has not agreed or the agreement is used up, 40037 for an unknown template,
    /// 41030 for a page that is not allowed, 47003 for a value that breaks its key's rules; any
    /// [`ApiError`].
    pub fn subscribe_bizsend(&self, notification: &Notification) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/message/subscribe/bizsend",
            "the message may have arrived; `wechatd messages list` shows what WeChat reports of it",
        );
        self.done(&call.json(notification)?)
    }

    /// All templates of the account (`newtmpl/gettemplate`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn newtmpl_gettemplate(&self) -> Result<Vec<PrivateTemplate>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<PrivateTemplate>,
        }
        let call = Call::read("/wxaapi/newtmpl/gettemplate");
        Ok(self.call::<Answer>(&call)?.data)
    }

    /// The categories of the account, by which it finds templates (`newtmpl/getcategory`). They are chosen in the
    /// console.
    ///
    /// # Errors
    /// 48001 for an account without subscription notifications; any [`ApiError`].
    pub fn newtmpl_getcategory(&self) -> Result<Vec<Category>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            data: Vec<Category>,
        }
        let call = Call::read("/wxaapi/newtmpl/getcategory");
        Ok(self.call::<Answer>(&call)?.data)
    }

    /// Lists up to `limit` templates of the library in these categories, from `start` on, which counts from 0
    /// (`newtmpl/getpubtemplatetitles`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for no category and for a limit that is not 1 to [`LIBRARY_PAGE`]; 200019 for a category
    /// that is not the account's; as [`Client::newtmpl_getcategory`].
    pub fn newtmpl_getpubtemplatetitles(
        &self,
        categories: &[i64],
        start: u32,
        limit: u32,
    ) -> Result<LibraryPage, ApiError> {
        let call = Call::read("/wxaapi/newtmpl/getpubtemplatetitles");
        if categories.is_empty() || !(1..=LIBRARY_PAGE).contains(&limit) {
            return Err(call.refused(format!("it lists 1 to {LIBRARY_PAGE} of some category")));
        }
        // Without the quotation marks of the documentation, which real accounts are refused with.
        let ids: Vec<String> = categories.iter().map(ToString::to_string).collect();
        let call = call
            .query("ids", ids.join(","))
            .query("start", start.to_string())
            .query("limit", limit.to_string());
        self.call(&call)
    }

    /// The keywords of a template of the library (`newtmpl/getpubtemplatekeywords`).
    ///
    /// # Errors
    /// 200014 for an unknown tid; as [`Client::newtmpl_getcategory`].
    pub fn newtmpl_getpubtemplatekeywords(
        &self,
        tid: u64,
    ) -> Result<Vec<LibraryKeyword>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::list")]
            data: Vec<LibraryKeyword>,
        }
        let call = Call::read("/wxaapi/newtmpl/getpubtemplatekeywords");
        let call = call.query("tid", tid.to_string());
        Ok(self.call::<Answer>(&call)?.data)
    }

    /// Adds a template from the platform's library, with these of its keywords in this order
    /// (`newtmpl/addtemplate`), and returns its `priTmplId`.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn newtmpl_addtemplate(
        &self,
        tid: &str,
        kid_list: &[u32],
        scene_desc: &str,
    ) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "priTmplId", deserialize_with = "lenient::id")]
            pri_tmpl_id: String,
        }
        let call = Call::change(
            "/wxaapi/newtmpl/addtemplate",
            "`wechatd notify list` shows it",
        );
        let body = json!({"tid": tid, "kidList": kid_list, "sceneDesc": scene_desc});
        Ok(self.call::<Answer>(&call.json(&body)?)?.pri_tmpl_id)
    }

    /// Removes a template from the account (`newtmpl/deltemplate`).
    ///
    /// # Errors
    /// 40037 for an unknown template; any [`ApiError`].
    pub fn newtmpl_deltemplate(&self, pri_tmpl_id: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/wxaapi/newtmpl/deltemplate",
            "`wechatd notify list` shows it",
        );
        self.done(&call.json(&json!({"priTmplId": pri_tmpl_id}))?)
    }
}
