//! Template messages: a form that the platform approved, filled in for one user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::json;

/// A template of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// What messages name it by.
    pub template_id: String,
    /// Title.
    #[serde(default, deserialize_with = "json::text")]
    pub title: Option<String>,
    /// The form, with places like `{{thing1.DATA}}`.
    #[serde(default, deserialize_with = "json::text")]
    pub content: Option<String>,
    /// The form filled in, as an example.
    #[serde(default, deserialize_with = "json::text")]
    pub example: Option<String>,
    /// The main industry.
    #[serde(default, deserialize_with = "json::text")]
    pub primary_industry: Option<String>,
    /// The second industry.
    #[serde(default, deserialize_with = "json::text")]
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

impl Template {
    /// The keys that the form asks for, in their order: `thing1` of `{{thing1.DATA}}`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let parts = self
            .content
            .as_deref()
            .unwrap_or_default()
            .split("{{")
            .skip(1);
        parts.filter_map(|part| part.split_once(".DATA}}").map(|(key, _)| key.trim()))
    }
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

    /// Sends a template message (`message/template/send`), once, and returns its msgid. What became
    /// of it comes as the event `TEMPLATESENDJOBFINISH` with the same number as `MsgID`.
    ///
    /// # Errors
    /// 43004 for somebody who does not follow, 40037 for an unknown template, 47003 for a value
    /// that breaks the template's rules; any [`ApiError`].
    pub fn template_send(&self, message: &TemplateMessage) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "json::id")]
            msgid: String,
        }
        let call = Call::write("/cgi-bin/message/template/send").json(message)?;
        Ok(self.call::<Answer>(&call)?.msgid)
    }
}
