//! The menu below the chat: buttons as the platform names them, and the calls that show, make and
//! delete menus. Which menus the platform would refuse is in [`limits`].

pub mod limits;

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::client::Client;
use super::errcode::NO_MENU;
use super::error::ApiError;
use super::json;

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
    /// Pushes an event to us, or lets the user do something and pushes that: the types of
    /// [`KEY_TYPES`].
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
        /// The page that clients open which know no mini programs.
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
    /// A type that only the console makes (`text`, `img`, `voice`, `video`, `news`, …), or one that
    /// is not known here. It can be shown and not be sent.
    Other {
        /// The type; empty for a button without one.
        kind: String,
        /// All other fields, as they came.
        fields: Map<String, Value>,
    },
}

/// The types that carry a `key`.
pub const KEY_TYPES: [&str; 7] = [
    "click",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
];

/// The types that carry a `media_id`.
pub const MEDIA_TYPES: [&str; 2] = ["media_id", "view_limited"];

/// The types that carry an `article_id`.
pub const ARTICLE_TYPES: [&str; 2] = ["article_id", "article_view_limited"];

impl Button {
    /// Reads a button as the platform writes it: `sub_button` as a list or as an object with
    /// `list`; an empty one, which leaves carry, counts as none.
    fn from_fields(mut fields: Map<String, Value>) -> Button {
        let name = fields
            .remove("name")
            .as_ref()
            .and_then(json::as_text)
            .unwrap_or_default();
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
        let kind = fields
            .remove("type")
            .as_ref()
            .and_then(json::as_text)
            .unwrap_or_default();
        let text = |field: &str| {
            fields
                .get(field)
                .and_then(json::as_text)
                .unwrap_or_default()
        };
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
    /// Those who carry this tag. `menu/get` calls it `group_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_id: Option<String>,
    /// Those on this platform: `1` iOS, `2` Android, `3` others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_platform_type: Option<String>,
    /// Further conditions of a menu that was made long ago (`sex`, `country`, `province`, `city`, `language`), which the
    /// platform no longer takes.
    #[serde(flatten)]
    pub retired: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for MatchRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MatchRule, D::Error> {
        let fields = Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
        let mut fields: BTreeMap<String, String> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), json::as_text(value)?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // The one is the older name of the other, and both may come.
        let group_id = fields.remove("group_id");
        let tag_id = fields.remove("tag_id").or(group_id);
        let client_platform_type = fields.remove("client_platform_type");
        // No condition is fulfilled by a 0: it stands for none.
        fields.retain(|_, value| value != "0");
        Ok(MatchRule {
            tag_id,
            client_platform_type,
            retired: fields,
        })
    }
}

/// A menu for some.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct ConditionalMenu {
    /// Its buttons.
    pub button: Vec<Button>,
    /// Who sees it.
    #[serde(default)]
    pub matchrule: MatchRule,
    /// Its number.
    #[serde(deserialize_with = "json::id")]
    pub menuid: String,
}

/// The menus made through the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Menus {
    /// The buttons that everybody sees who matches no conditional menu.
    pub button: Vec<Button>,
    /// The conditional menus, as the platform lists them.
    pub conditional: Vec<ConditionalMenu>,
}

/// The menu in force, whether made through the API or in the console.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfMenu {
    /// Whether users see it.
    pub is_menu_open: bool,
    /// Its buttons; those that only the console makes are [`Tap::Other`].
    pub button: Vec<Button>,
}

#[derive(Default, serde::Deserialize)]
struct Buttons {
    #[serde(default)]
    button: Vec<Button>,
}

impl Client {
    /// The menus made through the API (`menu/get`); `None` if none was.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn menu_get(&self) -> Result<Option<Menus>, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            menu: Option<Buttons>,
            #[serde(default)]
            conditionalmenu: Vec<ConditionalMenu>,
        }
        let call = Call::read("/cgi-bin/menu/get").accepting(&[NO_MENU]);
        let answer: Answer = self.call(&call)?;
        let conditional = answer.conditionalmenu;
        Ok(answer.menu.map(|menu| Menus {
            button: menu.button,
            conditional,
        }))
    }

    /// Puts this menu in the place of the default menu (`menu/create`). Phones show it when the
    /// account is opened five minutes or more after the last time, at the latest after 24 hours.
    ///
    /// # Errors
    /// 40015 to 40028 for a menu that [`limits`] would have refused; any [`ApiError`].
    pub fn menu_create(&self, button: &[Button]) -> Result<(), ApiError> {
        self.done(
            &Call::change("/cgi-bin/menu/create", "`wechatd menu diff` shows it")
                .json(&json!({"button": button}))?,
        )
    }

    /// Deletes the default menu and all conditional menus (`menu/delete`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn menu_delete(&self) -> Result<(), ApiError> {
        self.done(&Call::change(
            "/cgi-bin/menu/delete",
            "`wechatd menu pull` shows it",
        ))
    }

    /// Adds a conditional menu (`menu/addconditional`) and returns its number. Of those that match
    /// a user the newest is shown.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a rule with conditions that the platform has retired: without them more people would
    /// see the menu. 65303 without a default menu, 65304 without a condition; any [`ApiError`].
    pub fn menu_addconditional(
        &self,
        button: &[Button],
        matchrule: &MatchRule,
    ) -> Result<String, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "json::id")]
            menuid: String,
        }
        let call = Call::change(
            "/cgi-bin/menu/addconditional",
            "`wechatd menu diff` shows it",
        );
        if !matchrule.retired.is_empty() {
            let names: Vec<&str> = matchrule.retired.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(call.refused(format!("matchrule: {names}: the platform has retired it")));
        }
        let call = call.json(&json!({"button": button, "matchrule": matchrule}))?;
        Ok(self.call::<Answer>(&call)?.menuid)
    }

    /// Deletes a conditional menu (`menu/delconditional`).
    ///
    /// # Errors
    /// 65301 for an unknown one; any [`ApiError`].
    pub fn menu_delconditional(&self, menuid: &str) -> Result<(), ApiError> {
        self.done(
            &Call::change(
                "/cgi-bin/menu/delconditional",
                "`wechatd menu diff` shows it",
            )
            .json(&json!({"menuid": menuid}))?,
        )
    }

    /// The menu that a follower sees, given by openid or WeChat id (`menu/trymatch`); empty where there is none.
    ///
    /// # Errors
    /// 65302 for somebody who does not follow; any [`ApiError`].
    pub fn menu_trymatch(&self, user_id: &str) -> Result<Vec<Button>, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            button: Option<Vec<Button>>,
        }
        let call = Call::read("/cgi-bin/menu/trymatch").accepting(&[NO_MENU]);
        let answer: Answer = self.call(&call.json(&json!({"user_id": user_id}))?)?;
        Ok(answer.button.unwrap_or_default())
    }

    /// The menu in force, also one made in the console (`get_current_selfmenu_info`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_current_selfmenu_info(&self) -> Result<SelfMenu, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "json::int")]
            is_menu_open: Option<i64>,
            selfmenu_info: Option<Buttons>,
        }
        let answer: Answer = self.call(&Call::read("/cgi-bin/get_current_selfmenu_info"))?;
        Ok(SelfMenu {
            is_menu_open: answer.is_menu_open == Some(1),
            button: answer.selfmenu_info.unwrap_or_default().button,
        })
    }
}
