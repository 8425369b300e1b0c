//! The menus that the store keeps, so that `wechatd menu rollback` has one to put back whatever became of a change.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Present;
use crate::cli::terminal::Failure;
use crate::store::{MENU_BEFORE, Store};

/// Where a change leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To another menu, or to none.
    On,
    /// To the kept one.
    Back,
}

/// What is kept, in one row of the store, so that it changes together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The menu before the last change that came to its end.
    before: Option<Present>,
    /// The change that has begun and not come to its end: it failed on the way, or the program was killed.
    unfinished: Option<Unfinished>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    /// The menu when it began, by the first attempt if there were several.
    menu: Present,
    /// Whether it leads back to `before`.
    back: bool,
}

impl Kept {
    /// What is kept, now that the platform has `present`.
    pub(super) fn load(store: &Store, present: &Present) -> Result<Kept, Failure> {
        let Some(text) = store.setting(MENU_BEFORE)? else {
            return Ok(Kept::default());
        };
        let mut kept = Kept::read(&text).ok_or_else(|| {
            Failure::Failed(
                "menu: what the store keeps of the menu before cannot be read".to_owned(),
            )
        })?;
        // A change that was refused whole has changed nothing, and there is nothing to undo.
        kept.unfinished
            .take_if(|change| change.menu.is_like(present));
        Ok(kept)
    }

    fn read(text: &str) -> Option<Kept> {
        let value: Value = serde_json::from_str(text).ok()?;
        match value.get("menu").and_then(Value::as_str) {
            // As version 0.1.0 kept it: the menu before, as a text.
            Some(menu) => Some(Kept {
                before: Some(serde_json::from_str(menu).ok()?),
                unfinished: None,
            }),
            None => serde_json::from_value(value).ok(),
        }
    }

    /// The menu that a rollback puts back: that before an unfinished change, unless the change is a rollback itself,
    /// which then goes on.
    pub(super) fn to_put_back(&self) -> Option<&Present> {
        match &self.unfinished {
            Some(Unfinished { menu, back: false }) => Some(menu),
            Some(Unfinished { back: true, .. }) | None => self.before.as_ref(),
        }
    }

    /// Before the first call of a change. The menu before an unfinished one stays.
    pub(super) fn begin(
        &mut self,
        store: &Store,
        present: &Present,
        way: Way,
    ) -> Result<(), Failure> {
        let (menu, back) = match self.unfinished.take() {
            Some(change) => (change.menu, change.back),
            None => (present.clone(), true),
        };
        let back = back && way == Way::Back;
        self.unfinished = Some(Unfinished { menu, back });
        self.write(store)
    }

    /// After the last call of a change. A rollback of an unfinished change leaves things as if it had never begun.
    pub(super) fn end(&mut self, store: &Store, way: Way) -> Result<(), Failure> {
        match self.unfinished.take() {
            None => return Ok(()),
            Some(Unfinished { back: false, .. }) if way == Way::Back => {}
            Some(change) => self.before = Some(change.menu),
        }
        self.write(store)
    }

    fn write(&self, store: &Store) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| {
            Failure::Failed(format!("menu: the present one cannot be kept: {error}"))
        })?;
        Ok(store.keep_setting(MENU_BEFORE, &text)?)
    }
}
