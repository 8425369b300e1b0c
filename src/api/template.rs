//! Template messages: a form that the platform approved, filled in for one user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// A template of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name in messages.
    pub template_id: String,
    /// Title.
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// The form, with placeholders like `{{thing1.DATA}}`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    /// The form filled in, as an example.
    #[serde(default, deserialize_with = "lenient::text")]
    pub example: Option<String>,
    /// The main industry.
    #[serde(default, deserialize_with = "lenient::text")]
    pub primary_industry: Option<String>,
    /// The second industry.
    #[serde(default, deserialize_with = "lenient::text")]
    pub deputy_industry: Option<String>,
}

/// A filled-in template for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateMessage {
    /// The user.
    pub touser: String,
    /// The template.
    pub template_id: String,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where a tap leads on clients that can open mini programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<Miniprogram>,
    /// The platform sends the same value once within 10 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
    /// Values by the template's keys, like `thing1`.
    pub data: BTreeMap<String, TemplateValue>,
}

/// A value of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateValue {
    /// The text.
    pub value: String,
}

/// A page of a mini program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miniprogram {
    /// The mini program's AppID.
    pub appid: String,
    /// The page.
    pub pagepath: String,
}

/// The account's line of business; it decides which templates are offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Industry {
    /// The group, such as IT科技.
    #[serde(default, deserialize_with = "lenient::text")]
    pub first_class: Option<String>,
    /// The industry in the group.
    #[serde(default, deserialize_with = "lenient::text")]
    pub second_class: Option<String>,
}

/// The industries of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Industries {
    /// The main one.
    pub primary_industry: Option<Industry>,
    /// The second one.
    pub secondary_industry: Option<Industry>,
}

/// A message to a user who agreed, on the platform's own page, to one message for this scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnceMessage {
    /// The user.
    pub touser: String,
    /// The template.
    pub template_id: String,
    /// Where a tap leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where a tap leads on clients that can open mini programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram: Option<Miniprogram>,
    /// What the user agreed to, 0 to 10000 as text.
    pub scene: String,
    /// At most [`MAX_ONCE_TITLE`] characters.
    pub title: String,
    /// The text.
    pub data: OnceData,
}

/// The values of a [`OnceMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnceData {
    /// The only value.
    pub content: OnceContent,
}

/// The text of a [`OnceMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnceContent {
    /// At most [`MAX_ONCE_TEXT`] characters.
    pub value: String,
    /// Such as `#173177`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// The longest title of a [`OnceMessage`], in characters.
pub const MAX_ONCE_TITLE: usize = 15;

/// The longest text of a [`OnceMessage`], in characters.
pub const MAX_ONCE_TEXT: usize = 200;

/// The largest scene of a [`OnceMessage`].
pub const MAX_ONCE_SCENE: u16 = 10_000;

impl Template {
    /// The keys of the form, in their order: `thing1` of `{{thing1.DATA}}`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        keys(self.content.as_deref().unwrap_or_default())
    }
}

/// The keys of a form.
pub(super) fn keys(content: &str) -> impl Iterator<Item = &str> {
    let parts = content.split("{{").skip(1);
    parts.filter_map(|part| part.split_once(".DATA}}").map(|(key, _)| key.trim()))
}

impl Client {
    /// All templates of the account (`template/get_all_private_template`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_all_private_template(&self) -> Result<Vec<Template>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            template_list: Vec<Template>,
        }
        let call = Call::read("/cgi-bin/template/get_all_private_template");
        Ok(self.call::<Answer>(&call)?.template_list)
    }

    /// Sends a template message (`message/template/send`), once, and returns its msgid. The result
    /// comes with the event `TEMPLATESENDJOBFINISH`, with the same number as `MsgID`.
    ///
    /// # Errors
    /// 43004 for somebody who does not follow, 40037 for an unknown template, 47003 for a value
    /// that breaks the template's rules; any [`ApiError`].
    pub fn template_send(&self, message: &TemplateMessage) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            msgid: String,
        }
        let call = Call::change("/cgi-bin/message/template/send", "the message may have arrived; `wechatd template status` shows what WeChat reports of it").json(message)?;
        Ok(self.call::<Answer>(&call)?.msgid)
    }

    /// The account's industries (`template/get_industry`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_industry(&self) -> Result<Industries, ApiError> {
        self.call(&Call::read("/cgi-bin/template/get_industry"))
    }

    /// Sets the account's industries (`template/api_set_industry`), by the numbers of the platform's list; once a month.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn api_set_industry(&self, main: u32, second: u32) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/template/api_set_industry",
            "`wechatd template industry` shows it",
        );
        // Here the platform documents the numbers as strings.
        let body = json!({"industry_id1": main.to_string(), "industry_id2": second.to_string()});
        self.done(&call.json(&body)?)
    }

    /// Adds a template from the platform's library (`template/api_add_template`), with these of its keywords in this
    /// order, and returns its template_id. An account can have 25.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn api_add_template(
        &self,
        template_id_short: &str,
        keyword_name_list: &[impl AsRef<str>],
    ) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::id")]
            template_id: String,
        }
        let names: Vec<&str> = keyword_name_list.iter().map(AsRef::as_ref).collect();
        let body = json!({"template_id_short": template_id_short, "keyword_name_list": names});
        let call = Call::change(
            "/cgi-bin/template/api_add_template",
            "`wechatd template list` shows it",
        );
        Ok(self.call::<Answer>(&call.json(&body)?)?.template_id)
    }

    /// Removes a template from the account (`template/del_private_template`).
    ///
    /// # Errors
    /// 40037 for an unknown template; any [`ApiError`].
    pub fn del_private_template(&self, template_id: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/template/del_private_template",
            "`wechatd template list` shows it",
        );
        self.done(&call.json(&json!({"template_id": template_id}))?)
    }

    /// Sends a message that the user agreed to once (`message/template/subscribe`), once.
    ///
    /// # Errors
    /// 40037 for an unknown template; any [`ApiError`].
    pub fn template_subscribe(&self, message: &OnceMessage) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/message/template/subscribe",
            "the message may have arrived, which no command shows; the user agreed to one only",
        );
        self.done(&call.json(message)?)
    }
}
