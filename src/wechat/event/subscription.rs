//! Subscription notifications (订阅通知): what users allow and what became of notifications.

use serde::{Deserialize, Serialize};

use crate::wechat::fields::{self, Elements};

/// Which element holds the `List` of which event. In JSON pushes it is missing and `List` stands
/// alone.
const WRAPPERS: [(&str, &str); 3] = [
    ("subscribe_msg_popup_event", "SubscribeMsgPopupEvent"),
    ("subscribe_msg_change_event", "SubscribeMsgChangeEvent"),
    ("subscribe_msg_sent_event", "SubscribeMsgSentEvent"),
];

/// Gives a `List` that stands alone the element around it that XML pushes have.
pub(super) fn wrap_list(event: &str, elements: &mut Elements) {
    let wrapper = WRAPPERS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(event));
    if let Some(&(_, wrapper)) = wrapper {
        let list = elements.take_all("List");
        elements.push_elements(wrapper.to_owned(), list);
    }
}

/// `subscribe_msg_popup_event`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscribeMsgPopup {
    /// The answers.
    #[serde(rename = "SubscribeMsgPopupEvent")]
    pub event: SubscribeMsgPopupList,
}

/// `SubscribeMsgPopupEvent`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SubscribeMsgPopupList {
    /// One for each template.
    pub list: Vec<SubscribeMsgAnswer>,
}

/// `subscribe_msg_change_event`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscribeMsgChange {
    /// The changes.
    #[serde(rename = "SubscribeMsgChangeEvent")]
    pub event: SubscribeMsgChangeList,
}

/// `SubscribeMsgChangeEvent`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SubscribeMsgChangeList {
    /// One for each template; only refusals are pushed.
    pub list: Vec<SubscribeMsgAnswer>,
}

/// `List` of `SubscribeMsgPopupEvent` and `SubscribeMsgChangeEvent`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SubscribeMsgAnswer {
    /// For which template.
    pub template_id: String,
    /// `accept` or `reject`.
    pub subscribe_status_string: String,
    /// Where the dialogue was shown: 1 web page, 2 article. Only in `SubscribeMsgPopupEvent`.
    #[serde(deserialize_with = "fields::integer")]
    pub popup_scene: Option<i64>,
}

/// `subscribe_msg_sent_event`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscribeMsgSent {
    /// The results.
    #[serde(rename = "SubscribeMsgSentEvent")]
    pub event: SubscribeMsgSentList,
}

/// `SubscribeMsgSentEvent`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SubscribeMsgSentList {
    /// One for each notification.
    pub list: Vec<SubscribeMsgResult>,
}

/// `List` of `SubscribeMsgSentEvent`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SubscribeMsgResult {
    /// Of which template.
    pub template_id: String,
    /// `MsgID`: which notification.
    #[serde(rename = "MsgID")]
    pub msg_id: String,
    /// 0: delivered.
    #[serde(deserialize_with = "fields::integer")]
    pub error_code: Option<i64>,
    /// `success`, or why not.
    pub error_status: String,
}
