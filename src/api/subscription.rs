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
            "the message may have arrived; `wechatd messages list` shows what the platform reports of it",
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
