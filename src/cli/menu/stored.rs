//! The menus in the store, so that `wechatd menu rollback` can put one back even after a failed change.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CurrentMenu;
use crate::cli::terminal::Failure;
use crate::store::{MENU_BEFORE, Store};

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To another menu, or to none.
    Forward,
    /// Back to the stored menu.
    Back,
}

/// The stored menus, in one row so that they change together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct StoredMenus {
    /// The menu before the last complete change.
    before: Option<CurrentMenu>,
    /// A change that is not complete: it failed halfway, or the program was killed.
    unfinished: Option<Unfinished>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    /// The menu before the change, or before the first attempt if there were several.
    menu: CurrentMenu,
    /// Whether it is a rollback to `before`.
    back: bool,
}

impl StoredMenus {
    /// Loads the stored menus; `current` is the platform's menu.
    pub(super) fn load(store: &Store, current: &CurrentMenu) -> Result<StoredMenus, Failure> {
        let Some(text) = store.setting(MENU_BEFORE)? else {
            return Ok(StoredMenus::default());
        };
        let mut stored = StoredMenus::read(&text).ok_or_else(|| {
            Failure::Failed("menu: the previous menu in the store cannot be read".to_owned())
        })?;
        // If the platform refused the change at its first step, there is nothing to undo.
        stored
            .unfinished
            .take_if(|change| change.menu.is_equivalent(current));
        Ok(stored)
    }

    fn read(text: &str) -> Option<StoredMenus> {
        let value: Value = serde_json::from_str(text).ok()?;
        match value.get("menu").and_then(Value::as_str) {
            // The form of version 0.1.0: the previous menu, as a text.
            Some(menu) => Some(StoredMenus {
                before: Some(serde_json::from_str(menu).ok()?),
                unfinished: None,
            }),
            None => serde_json::from_value(value).ok(),
        }
    }

    /// The menu that a rollback puts back: the one before an unfinished change, unless that change is itself a rollback,
    /// which then continues.
    pub(super) fn rollback_target(&self) -> Option<&CurrentMenu> {
        match &self.unfinished {
            Some(Unfinished { menu, back: false }) => Some(menu),
            Some(Unfinished { back: true, .. }) | None => self.before.as_ref(),
        }
    }

    /// Call this before the first step of a change. If there is an unfinished change, the menu before that one is kept.
    pub(super) fn begin(
        &mut self,
        store: &Store,
        current: &CurrentMenu,
        direction: Direction,
    ) -> Result<(), Failure> {
        let (menu, back) = match self.unfinished.take() {
            Some(change) => (change.menu, change.back),
            None => (current.clone(), true),
        };
        let back = back && direction == Direction::Back;
        self.unfinished = Some(Unfinished { menu, back });
        self.write(store)
    }

    /// Call this after the last step of a change. Rolling back an unfinished change leaves no trace of it.
    pub(super) fn end(&mut self, store: &Store, direction: Direction) -> Result<(), Failure> {
        match self.unfinished.take() {
            None => return Ok(()),
            Some(Unfinished { back: false, .. }) if direction == Direction::Back => {}
            Some(change) => self.before = Some(change.menu),
        }
        self.write(store)
    }

    fn write(&self, store: &Store) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| {
            Failure::Failed(format!("menu: the current one cannot be saved: {error}"))
        })?;
        Ok(store.keep_setting(MENU_BEFORE, &text)?)
    }
}
