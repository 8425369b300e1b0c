//! Buttons of the menu below the chat and who sees them, as the platform names them. The platform's limits are in
//! [`limits`].

pub mod limits;

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::lenient;

/// A button.
#[derive(Debug, Clone, PartialEq)]
pub struct Button {
    /// What the user sees.
    pub name: String,
    /// What a tap does.
    pub tap: Tap,
}

/// What a tap does, by the button's `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum Tap {
    /// Opens further buttons (`sub_button`); such a button has no `type`.
    SubButton(Vec<Button>),
    /// Pushes an event to us, in some types after the user has done something: the types of [`KEY_TYPES`].
    Key {
        /// One of [`KEY_TYPES`].
        kind: &'static str,
        /// `EventKey` of the event.
        key: String,
    },
    /// `view`: opens a page.
    View {
        /// Its URL.
        url: String,
    },
    /// `miniprogram`: opens a mini program that is linked to the account.
    Miniprogram {
        /// The page for clients that do not support mini programs.
        url: String,
        /// The mini program's AppID.
        appid: String,
        /// The page in it.
        pagepath: String,
    },
    /// `media_id` or `view_limited`: shows permanent material.
    Media {
        /// One of [`MEDIA_TYPES`].
        kind: &'static str,
        /// The material.
        media_id: String,
    },
    /// `article_id` or `article_view_limited`: shows a published article.
    Article {
        /// One of [`ARTICLE_TYPES`].
        kind: &'static str,
        /// The article.
        article_id: String,
    },
    /// A type that only the console can create (`text`, `img`, `voice`, `video`, `news`, …), or an unknown one. It can be
    /// shown but not sent.
    Other {
        /// The type; empty for a button without one.
        kind: String,
        /// All other fields, as received.
        fields: Map<String, Value>,
    },
}

/// The types with a `key`.
pub const KEY_TYPES: [&str; 7] = [
    "click",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
];

/// The types with a `media_id`.
pub const MEDIA_TYPES: [&str; 2] = ["media_id", "view_limited"];

/// The types with an `article_id`.
pub const ARTICLE_TYPES: [&str; 2] = ["article_id", "article_view_limited"];

impl Button {
    /// Parses a button as the platform writes it: `sub_button` is a list or an object with `list`; buttons without a
    /// submenu may have an empty one.
    fn from_fields(mut fields: Map<String, Value>) -> Button {
        let text_of = |value: Option<&Value>| value.and_then(lenient::as_text).unwrap_or_default();
        let name = text_of(fields.remove("name").as_ref());
        let sub_button = match fields.remove("sub_button") {
            Some(Value::Array(list)) => list,
            Some(Value::Object(mut object)) => match object.remove("list") {
                Some(Value::Array(list)) => list,
                Some(_) | None => Vec::new(),
            },
            Some(_) | None => Vec::new(),
        };
        if !sub_button.is_empty() {
            let buttons = sub_button.into_iter().filter_map(|button| match button {
                Value::Object(fields) => Some(Button::from_fields(fields)),
                _ => None,
            });
            return Button {
                name,
                tap: Tap::SubButton(buttons.collect()),
            };
        }
        let kind = text_of(fields.remove("type").as_ref());
        let text = |field: &str| text_of(fields.get(field));
        let known = |types: &[&'static str]| types.iter().find(|known| **known == kind).copied();
        let tap = if let Some(kind) = known(&KEY_TYPES) {
            Tap::Key {
                kind,
                key: text("key"),
            }
        } else if let Some(kind) = known(&MEDIA_TYPES) {
            Tap::Media {
                kind,
                media_id: text("media_id"),
            }
        } else if let Some(kind) = known(&ARTICLE_TYPES) {
            Tap::Article {
                kind,
                article_id: text("article_id"),
            }
        } else if kind == "view" {
            Tap::View { url: text("url") }
        } else if kind == "miniprogram" {
            Tap::Miniprogram {
                url: text("url"),
                appid: text("appid"),
                pagepath: text("pagepath"),
            }
        } else {
            Tap::Other { kind, fields }
        };
        Button { name, tap }
    }
}

impl<'de> Deserialize<'de> for Button {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Button, D::Error> {
        Map::deserialize(deserializer).map(Button::from_fields)
    }
}

impl Serialize for Button {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.tap {
            Tap::SubButton(_) => {}
            Tap::Key { kind, .. } | Tap::Media { kind, .. } | Tap::Article { kind, .. } => {
                map.serialize_entry("type", kind)?;
            }
            Tap::View { .. } => map.serialize_entry("type", "view")?,
            Tap::Miniprogram { .. } => map.serialize_entry("type", "miniprogram")?,
            Tap::Other { kind, .. } => map.serialize_entry("type", kind)?,
        }
        map.serialize_entry("name", &self.name)?;
        match &self.tap {
            Tap::SubButton(buttons) => map.serialize_entry("sub_button", buttons)?,
            Tap::Key { key, .. } => map.serialize_entry("key", key)?,
            Tap::View { url } => map.serialize_entry("url", url)?,
            Tap::Miniprogram {
                url,
                appid,
                pagepath,
            } => {
                map.serialize_entry("url", url)?;
                map.serialize_entry("appid", appid)?;
                map.serialize_entry("pagepath", pagepath)?;
            }
            Tap::Media { media_id, .. } => map.serialize_entry("media_id", media_id)?,
            Tap::Article { article_id, .. } => map.serialize_entry("article_id", article_id)?,
            Tap::Other { fields, .. } => {
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        map.end()
    }
}

/// Who sees a conditional menu.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct MatchRule {
    /// Users with this tag. `menu/get` calls it `group_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_id: Option<String>,
    /// Users on this platform: `1` iOS, `2` Android, `3` others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_platform_type: Option<String>,
    /// Further conditions of an old menu (`sex`, `country`, `province`, `city`, `language`), which the platform no longer
    /// accepts.
    #[serde(flatten)]
    pub retired: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for MatchRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MatchRule, D::Error> {
        let fields = Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
        let mut fields: BTreeMap<String, String> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), lenient::as_text(value)?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // `group_id` is the older name of `tag_id`; both may be present.
        let group_id = fields.remove("group_id");
        let tag_id = fields.remove("tag_id").or(group_id);
        let client_platform_type = fields.remove("client_platform_type");
        // A 0 means no condition.
        fields.retain(|_, value| value != "0");
        Ok(MatchRule {
            tag_id,
            client_platform_type,
            retired: fields,
        })
    }
}
