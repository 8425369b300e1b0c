//! `wechatd menu …`: shows the configured menu, compares it with the platform's, and puts it in force.

mod drawing;
mod stored;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Openid, Yes, confirm};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain};
use crate::api::Client;
use crate::api::menu::ConditionalMenu;
use crate::config::{Conditional, Config, Menu};
use crate::store::Store;
use crate::wechat::menu::Button;
use drawing::Change;
use stored::{Direction, StoredMenus};

/// The sentence on when users see a change.
const WHEN: &str =
    "Phones show it after up to 24 hours; at once after following the account again.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Draw the menu of the configuration
    #[command(after_help = "Examples:
  wechatd menu show
  wechatd menu show --json | jq .button")]
    Show(Json),
    /// Print WeChat's current menu as configuration, including one made in the console
    #[command(after_help = "Example:
  wechatd menu pull >> wechat.conf

What only the console can make is printed as comments.")]
    Pull(Json),
    /// Compare WeChat's menu with the configuration; exit code 1 if they differ
    #[command(after_help = "Example:
  wechatd menu diff && echo the same

Lines with - are WeChat's only, lines with + are the configuration's only. If WeChat cannot be asked the exit code is 2, and a line on stderr says why.")]
    Diff(Json),
    /// Make the configuration's menu the current one
    #[command(after_help = "Examples:
  wechatd menu apply
  wechatd menu apply --yes          # where nobody can be asked

The previous menu is kept: `wechatd menu rollback` restores it. Phones show the new menu after up to 24 hours; unfollow and follow again to see it at once.")]
    Apply(ChangeArguments),
    /// Restore the menu from before the last apply, rollback or delete
    #[command(after_help = "Example:
  wechatd menu rollback

After an apply that failed it undoes that one; otherwise a second rollback undoes the first.")]
    Rollback(ChangeArguments),
    /// Delete the menu and all conditional menus
    #[command(after_help = "Example:
  wechatd menu delete --yes")]
    Delete(ChangeArguments),
    /// Draw the menu that one follower sees
    #[command(after_help = "Example:
  wechatd menu trymatch oSyn1aAQe7rT0uXk3mPzLc9WvBh4")]
    Trymatch {
        /// The follower's openid or WeChat id
        openid: Openid,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct ChangeArguments {
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Show(json) => show(&config.menu, json),
        Commands::Pull(json) => pull(&connect(config)?.1, json),
        Commands::Diff(json) => diff(config, json),
        Commands::Apply(arguments) => apply(config, arguments),
        Commands::Rollback(arguments) => rollback(config, arguments),
        Commands::Delete(arguments) => delete(config, arguments),
        Commands::Trymatch { openid, json } => trymatch(&connect(config)?.1, &openid, json),
    }
}

/// How the platform's menu was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// There is no menu, or it is switched off.
    None,
    /// In the console.
    Console,
    /// Through the API.
    Api,
}

/// The platform's menu, in the form that is also stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CurrentMenu {
    origin: Origin,
    button: Vec<Button>,
    /// Buttons that the console has, but does not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    switched_off: Vec<Button>,
    /// Oldest first; users see the newest one that matches.
    conditional: Vec<CurrentConditional>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CurrentConditional {
    menuid: String,
    #[serde(flatten)]
    menu: ConditionalButtons,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ConditionalButtons {
    matchrule: crate::wechat::menu::MatchRule,
    button: Vec<Button>,
}

impl CurrentMenu {
    /// Asks the platform.
    fn ask(api: &Client) -> Result<CurrentMenu, Failure> {
        if let Some(menus) = api.menu_get()? {
            let mut conditional = menus.conditional;
            // Each new menu gets a higher number; the order of the list is not documented.
            conditional.sort_by_key(|menu| menu.menuid.parse::<u64>().unwrap_or(u64::MAX));
            return Ok(CurrentMenu {
                origin: Origin::Api,
                button: menus.button,
                switched_off: Vec::new(),
                conditional: conditional
                    .into_iter()
                    .map(CurrentConditional::from)
                    .collect(),
            });
        }
        let console = api.get_current_selfmenu_info()?;
        let (button, switched_off) = match console.is_menu_open {
            true => (console.button, Vec::new()),
            false => (Vec::new(), console.button),
        };
        Ok(CurrentMenu {
            origin: match button.is_empty() {
                true => Origin::None,
                false => Origin::Console,
            },
            button,
            switched_off,
            conditional: Vec::new(),
        })
    }

    /// Whether users see the same menu, made the same way.
    fn is_equivalent(&self, other: &CurrentMenu) -> bool {
        self.origin == other.origin && self.menu() == other.menu()
    }

    /// The menu as the configuration would describe it.
    fn menu(&self) -> Menu {
        Menu {
            button: self.button.clone(),
            conditional: self
                .conditional
                .iter()
                .map(|CurrentConditional { menu, .. }| Conditional {
                    button: menu.button.clone(),
                    matchrule: menu.matchrule.clone(),
                })
                .collect(),
        }
    }
}

impl From<ConditionalMenu> for CurrentConditional {
    fn from(menu: ConditionalMenu) -> CurrentConditional {
        CurrentConditional {
            menuid: menu.menuid,
            menu: ConditionalButtons {
                matchrule: menu.matchrule,
                button: menu.button,
            },
        }
    }
}

fn show(menu: &Menu, json: Json) -> Result<(), Failure> {
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(menu);
    }
    if menu.is_empty() {
        out.line("The configuration has no menu; `wechatd menu pull` prints WeChat's.")?;
    }
    for line in drawing::tree(menu) {
        out.line(&line)?;
    }
    out.done()
}

fn pull(api: &Client, json: Json) -> Result<(), Failure> {
    let current = CurrentMenu::ask(api)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&current);
    }
    let off = !current.switched_off.is_empty();
    out.line(match current.origin {
        Origin::None if off => {
            "# The menu of the console. It is switched off: nobody sees it until `wechatd menu apply`."
        }
        Origin::None => "# WeChat has no menu.",
        Origin::Console => "# WeChat's menu, made in the console.",
        Origin::Api => "# WeChat's menu, made through the API.",
    })?;
    out.line("")?;
    let mut menu = current.menu();
    menu.button.extend(current.switched_off);
    out.bytes(menu.to_text().as_bytes())?;
    for (conditional, n) in current.conditional.iter().zip(1..) {
        let retired: Vec<&str> = conditional
            .menu
            .matchrule
            .retired
            .keys()
            .map(String::as_str)
            .collect();
        if !retired.is_empty() {
            complain(&format!(
                "warning: conditional menu #{n}: WeChat no longer takes {} in a matchrule; it is printed as a comment",
                retired.join(", ")
            ));
        }
    }
    Ok(())
}

fn diff(config: &Config, json: Json) -> Result<(), Failure> {
    let current = connect(config).and_then(|(_, api)| CurrentMenu::ask(&api));
    let current = current.map_err(Failure::instead_of_an_answer)?;
    let changes = drawing::changes(&current.menu(), &config.menu);
    let same = changes.iter().all(Change::is_same);
    let mut out = Output::for_reading();
    let shown = if json.wanted {
        let lines = lines(&changes);
        out.json(&json!({
            "same": same, "wechat": current, "configuration": config.menu, "lines": lines,
        }))
    } else {
        print(&mut out, &changes).and_then(|()| out.done())
    };
    match shown {
        Ok(()) | Err(Failure::OutputClosed) if same => Ok(()),
        // The exit code is the answer, even if nobody reads the output.
        Ok(()) | Err(Failure::OutputClosed) => Err(Failure::Shown),
        Err(failure) => Err(failure.instead_of_an_answer()),
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn print(out: &mut Output, changes: &[Change]) -> Result<(), Failure> {
    if changes.iter().all(Change::is_same) {
        return out.line("WeChat has this menu.");
    }
    changes
        .iter()
        .try_for_each(|change| out.line(&change.to_string()))
}

fn apply(config: &Config, arguments: ChangeArguments) -> Result<(), Failure> {
    if config.menu.is_empty() {
        return Err(Failure::wrong(
            "the configuration has no [[menu.button]]",
            "`wechatd menu delete` deletes WeChat's menu",
        ));
    }
    MenuChange::prepare(config, Direction::Forward)?.put(
        &config.menu,
        "Apply this menu?",
        arguments,
    )
}

/// A change of the platform's menu, in steps that lose no menu even if one of them fails.
struct MenuChange {
    store: Arc<Store>,
    api: Client,
    current: CurrentMenu,
    stored: StoredMenus,
    direction: Direction,
}

impl MenuChange {
    /// Fetches the current menu. Changes nothing.
    fn prepare(config: &Config, direction: Direction) -> Result<MenuChange, Failure> {
        let (store, api) = connect(config)?;
        let current = CurrentMenu::ask(&api)?;
        let stored = StoredMenus::load(&store, &current)?;
        Ok(MenuChange {
            store,
            api,
            current,
            stored,
            direction,
        })
    }

    /// Shows what will change, asks, stores the current menu and puts `wanted` in force.
    fn put(
        mut self,
        wanted: &Menu,
        question: &str,
        arguments: ChangeArguments,
    ) -> Result<(), Failure> {
        let changes = drawing::changes(&self.current.menu(), wanted);
        let mut out = Output::for_change();
        self.show(&mut out, &changes, arguments.json)?;
        if changes.iter().all(Change::is_same) {
            return self.end(out, &[], arguments.json, None);
        }
        self.warn_of_losses();
        confirm::ask(question, arguments.yes)?;
        self.stored
            .begin(&self.store, &self.current, self.direction)?;
        put_in_force(&self.api, &self.current, wanted, self.direction)?;
        let line = format!("The menu is active. {WHEN}");
        self.end(out, &changes, arguments.json, Some(&line))
    }

    /// Shows the current menu, asks, stores it and deletes it.
    fn remove(mut self, question: &str, arguments: ChangeArguments) -> Result<(), Failure> {
        let mut out = Output::for_change();
        if self.current.origin != Origin::Api {
            if !arguments.json.wanted {
                out.line("WeChat has no menu that was made through the API.")?;
            }
            return self.end(out, &[], arguments.json, None);
        }
        let changes = drawing::changes(&self.current.menu(), &Menu::default());
        self.show(&mut out, &changes, arguments.json)?;
        self.warn_of_losses();
        confirm::ask(question, arguments.yes)?;
        self.stored
            .begin(&self.store, &self.current, self.direction)?;
        self.api.menu_delete()?;
        let line = "The menu is deleted. Phones show that after up to 24 hours; at once after following the account again.";
        self.end(out, &changes, arguments.json, Some(line))
    }

    /// Shows people what will change, before they are asked.
    fn show(&self, out: &mut Output, changes: &[Change], json: Json) -> Result<(), Failure> {
        match json.wanted {
            true => Ok(()),
            false => print(out, changes).and_then(|()| out.flush()),
        }
    }

    /// Call this after the last step: records that the change is complete, and says what was done, if anything.
    fn end(
        mut self,
        mut out: Output,
        changes: &[Change],
        json: Json,
        line: Option<&str>,
    ) -> Result<(), Failure> {
        out.warn_on_error(
            self.stored.end(&self.store, self.direction),
            "the store could not note that the change has come to its end",
        );
        if json.wanted {
            return out.json(&json!({ "changed": line.is_some(), "lines": lines(changes) }));
        }
        if let Some(line) = line {
            out.line("")?;
            out.line(line)?;
            self.say_what_rollback_does(&mut out)?;
        }
        out.done()
    }

    /// Warns of the parts of the menu that cannot be made through the API and are lost once they are replaced.
    fn warn_of_losses(&self) {
        for what in self.current.menu().sendable().1 {
            complain(&format!(
                "warning: once it is replaced, {what} cannot be restored through the API; `wechatd menu pull` prints it"
            ));
        }
    }

    /// Says what a rollback would do from here.
    fn say_what_rollback_does(&self, out: &mut Output) -> Result<(), Failure> {
        let Some(before) = self.stored.rollback_target() else {
            return Ok(());
        };
        let (menu, left_out) = before.menu().sendable();
        match (menu.button.is_empty(), left_out.is_empty()) {
            (_, true) => out.line("`wechatd menu rollback` restores the previous one."),
            (false, false) => out.line(
                "`wechatd menu rollback` restores the previous one, without what cannot be restored.",
            ),
            (true, false) => {
                out.line("Nothing of the previous one can be restored.")
            }
        }
    }
}

/// Makes the calls that turn one menu into the other, and no others.
fn put_in_force(
    api: &Client,
    current: &CurrentMenu,
    wanted: &Menu,
    direction: Direction,
) -> Result<(), Failure> {
    let again = match direction {
        Direction::Forward => {
            "repeat `wechatd menu apply`, or go back with `wechatd menu rollback`"
        }
        Direction::Back => "repeat `wechatd menu rollback`",
    };
    let halfway = |n: usize, failure: Failure| {
        failure.and(&format!(
            "the default menu is active, conditional menu #{n} and those after it are not: {again}"
        ))
    };
    let mut conditional = current.conditional.clone();
    if current.origin != Origin::Api || current.button != wanted.button {
        api.menu_create(&wanted.button)?;
        if !conditional.is_empty() {
            // It is not documented whether a new default menu keeps the conditional ones.
            conditional = CurrentMenu::ask(api)
                .map_err(|error| halfway(1, error))?
                .conditional;
        }
    }
    let same = conditional
        .iter()
        .zip(&wanted.conditional)
        .take_while(|(has, wants)| {
            has.menu.button == wants.button && has.menu.matchrule == wants.matchrule
        })
        .count();
    for (gone, n) in conditional[same..].iter().zip(same + 1..) {
        api.menu_delconditional(&gone.menuid)
            .map_err(|error| halfway(n, error.into()))?;
    }
    for (menu, n) in wanted.conditional[same..].iter().zip(same + 1..) {
        api.menu_addconditional(&menu.button, &menu.matchrule)
            .map_err(|error| halfway(n, error.into()))?;
    }
    Ok(())
}

fn rollback(config: &Config, arguments: ChangeArguments) -> Result<(), Failure> {
    let rollback = MenuChange::prepare(config, Direction::Back)?;
    let before = rollback.stored.rollback_target().ok_or_else(|| {
        Failure::failed(
            "menu: the store has no previous menu",
            "`wechatd menu apply` and `delete` keep one",
        )
    })?;
    let (wanted, left_out) = before.menu().sendable();
    for what in &left_out {
        complain(&format!(
            "warning: {what} cannot be restored through the API"
        ));
    }
    if !wanted.button.is_empty() {
        return rollback.put(&wanted, "Restore the previous menu?", arguments);
    }
    if !left_out.is_empty() {
        return Err(Failure::failed(
            "menu: nothing of the previous menu can be restored through the API",
            "make it in the console",
        ));
    }
    rollback.remove("There was no menu before. Delete this one?", arguments)
}

fn delete(config: &Config, arguments: ChangeArguments) -> Result<(), Failure> {
    MenuChange::prepare(config, Direction::Forward)?.remove("Delete this menu?", arguments)
}

fn trymatch(api: &Client, openid: &str, json: Json) -> Result<(), Failure> {
    let button = api.menu_trymatch(openid)?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&json!({ "button": button }));
    }
    let menu = Menu {
        button,
        conditional: Vec::new(),
    };
    if menu.is_empty() {
        out.line("WeChat shows this follower no menu.")?;
    }
    for line in drawing::tree(&menu) {
        out.line(&line)?;
    }
    out.done()
}
