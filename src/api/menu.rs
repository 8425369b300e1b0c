//! The menu below the chat: the calls that show, create and delete menus.

use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::errcode::NO_MENU;
use super::error::ApiError;
use crate::wechat::lenient;
use crate::wechat::menu::{Button, MatchRule};

/// A conditional menu, for some users.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct ConditionalMenu {
    /// Its buttons.
    pub button: Vec<Button>,
    /// Who sees it.
    #[serde(default)]
    pub matchrule: MatchRule,
    /// Its number.
    #[serde(deserialize_with = "lenient::id")]
    pub menuid: String,
}

/// The menus created through the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Menus {
    /// The buttons for users who match no conditional menu.
    pub button: Vec<Button>,
    /// The conditional menus, as the platform lists them.
    pub conditional: Vec<ConditionalMenu>,
}

/// The menu in force, created through the API or in the console.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfMenu {
    /// Whether users see it.
    pub is_menu_open: bool,
    /// Its buttons; those that only the console can create are [`Tap::Other`](crate::wechat::menu::Tap::Other).
    pub button: Vec<Button>,
}

#[derive(Default, serde::Deserialize)]
struct Buttons {
    #[serde(default)]
    button: Vec<Button>,
}

impl Client {
    /// The menus created through the API (`menu/get`), if any.
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

    /// Replaces the default menu (`menu/create`). A phone shows it when the account is opened five minutes or more
    /// after the last time, at the latest after 24 hours.
    ///
    /// # Errors
    /// 40015 to 40028 for a menu that [`limits`](crate::wechat::menu::limits) would have refused; any [`ApiError`].
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

    /// Adds a conditional menu (`menu/addconditional`) and returns its number. A user
    /// sees the newest one that matches.
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
            #[serde(deserialize_with = "lenient::id")]
            menuid: String,
        }
        let call = Call::change(
            "/cgi-bin/menu/addconditional",
            "`wechatd menu diff` shows it",
        );
        if !matchrule.retired.is_empty() {
            let names: Vec<&str> = matchrule.retired.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(call.refused(format!("matchrule: {names}: WeChat has retired it")));
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

    /// The menu that a follower sees, by openid or WeChat id (`menu/trymatch`); empty if there is none.
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

    /// The menu in force, even one created in the console (`get_current_selfmenu_info`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_current_selfmenu_info(&self) -> Result<SelfMenu, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "lenient::int")]
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
