//! `wechatd menu …`: the account's menu as configuration, compared with the platform's and put in force.

mod drawing;
mod kept;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Openid, Yes, confirm};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain};
use crate::api::Client;
use crate::api::menu::{Button, ConditionalMenu};
use crate::config::{Conditional, Config, Menu};
use crate::store::Store;
use drawing::Change;
use kept::{Kept, Way};

/// When users see a change.
const WHEN: &str =
    "Phones show it after up to 24 hours; at once after following the account again.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Draw the menu of the configuration
    #[command(after_help = "Examples:
  wechatd menu show
  wechatd menu show --json | jq .button")]
    Show(Json),
    /// Print the platform's present menu as configuration text, also one made in the console
    #[command(after_help = "Example:
  wechatd menu pull >> wechat.conf

What only the console can make is printed as comments.")]
    Pull(Json),
    /// Compare the platform's menu with the configuration; exit code 1 where they differ
    #[command(after_help = "Example:
  wechatd menu diff && echo the same

Lines with - are on the platform only, lines with + in the configuration only. Where the platform cannot be asked the exit code is 2, and a line on stderr says why.")]
    Diff(Json),
    /// Put the menu of the configuration in force
    #[command(after_help = "Examples:
  wechatd menu apply
  wechatd menu apply --yes          # where nobody can be asked

The menu before is kept: `wechatd menu rollback` puts it back. Phones show the new menu after up to 24 hours; at once after following the account again.")]
    Apply(Assent),
    /// Put back the menu that was in force before the last apply, rollback or delete
    #[command(after_help = "Example:
  wechatd menu rollback

After an apply that failed it undoes that one; else a second rollback takes the first one back.")]
    Rollback(Assent),
    /// Delete the menu and all conditional menus
    #[command(after_help = "Example:
  wechatd menu delete --yes")]
    Delete(Assent),
    /// Draw the menu that one follower sees
    #[command(after_help = "Example:
  wechatd menu trymatch oSyn1aAQe7rT0uXk3mPzLc9WvBh4")]
    Trymatch {
        /// Whose: an openid, or a WeChat id
        openid: Openid,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Assent {
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
        Commands::Apply(assent) => apply(config, assent),
        Commands::Rollback(assent) => rollback(config, assent),
        Commands::Delete(assent) => delete(config, assent),
        Commands::Trymatch { openid, json } => trymatch(&connect(config)?.1, &openid, json),
    }
}

/// Where a menu of the platform comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// There is none, or nobody sees it.
    None,
    /// The console.
    Console,
    /// The API.
    Api,
}

/// The platform's menu. This is also how the store keeps one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Present {
    origin: Origin,
    button: Vec<Button>,
    /// Buttons that the console has and does not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    switched_off: Vec<Button>,
    /// The oldest first; the newest that matches is shown.
    conditional: Vec<PresentConditional>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PresentConditional {
    menuid: String,
    #[serde(flatten)]
    menu: ConditionalButtons,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ConditionalButtons {
    matchrule: crate::api::menu::MatchRule,
    button: Vec<Button>,
}

impl Present {
    /// Asks the platform.
    fn ask(api: &Client) -> Result<Present, Failure> {
        if let Some(menus) = api.menu_get()? {
            let mut conditional = menus.conditional;
            // The numbers grow with every menu that is made; the order of the list is not documented.
            conditional.sort_by_key(|menu| menu.menuid.parse::<u64>().unwrap_or(u64::MAX));
            return Ok(Present {
                origin: Origin::Api,
                button: menus.button,
                switched_off: Vec::new(),
                conditional: conditional
                    .into_iter()
                    .map(PresentConditional::from)
                    .collect(),
            });
        }
        let console = api.get_current_selfmenu_info()?;
        let (button, switched_off) = match console.is_menu_open {
            true => (console.button, Vec::new()),
            false => (Vec::new(), console.button),
        };
        Ok(Present {
            origin: match button.is_empty() {
                true => Origin::None,
                false => Origin::Console,
            },
            button,
            switched_off,
            conditional: Vec::new(),
        })
    }

    /// Whether users see the same, made the same way.
    fn is_like(&self, other: &Present) -> bool {
        self.origin == other.origin && self.menu() == other.menu()
    }

    /// As the configuration would have it.
    fn menu(&self) -> Menu {
        Menu {
            button: self.button.clone(),
            conditional: self
                .conditional
                .iter()
                .map(|PresentConditional { menu, .. }| Conditional {
                    button: menu.button.clone(),
                    matchrule: menu.matchrule.clone(),
                })
                .collect(),
        }
    }
}

impl From<ConditionalMenu> for PresentConditional {
    fn from(menu: ConditionalMenu) -> PresentConditional {
        PresentConditional {
            menuid: menu.menuid,
            menu: ConditionalButtons {
                matchrule: menu.matchrule,
                button: menu.button,
            },
        }
    }
}

fn show(menu: &Menu, json: Json) -> Result<(), Failure> {
    let mut out = Output::text();
    if json.wanted {
        return out.json(menu);
    }
    if menu.is_empty() {
        out.line("The configuration has no menu; `wechatd menu pull` prints the platform's.")?;
    }
    for line in drawing::tree(menu) {
        out.line(&line)?;
    }
    out.done()
}

fn pull(api: &Client, json: Json) -> Result<(), Failure> {
    let present = Present::ask(api)?;
    let mut out = Output::text();
    if json.wanted {
        return out.json(&present);
    }
    let off = !present.switched_off.is_empty();
    out.line(match present.origin {
        Origin::None if off => {
            "# The menu of the console. It is switched off: nobody sees it until `wechatd menu apply`."
        }
        Origin::None => "# The platform has no menu.",
        Origin::Console => "# The platform's menu, made in the console.",
        Origin::Api => "# The platform's menu, made through the API.",
    })?;
    out.line("")?;
    let mut menu = present.menu();
    menu.button.extend(present.switched_off);
    out.bytes(menu.to_text().as_bytes())?;
    for (conditional, n) in present.conditional.iter().zip(1..) {
        let retired: Vec<&str> = conditional
            .menu
            .matchrule
            .retired
            .keys()
            .map(String::as_str)
            .collect();
        if !retired.is_empty() {
            complain(&format!(
                "warning: conditional menu #{n}: the platform no longer takes {} in a matchrule; it is printed as a comment",
                retired.join(", ")
            ));
        }
    }
    Ok(())
}

fn diff(config: &Config, json: Json) -> Result<(), Failure> {
    let present = connect(config).and_then(|(_, api)| Present::ask(&api));
    let present = present.map_err(Failure::instead_of_an_answer)?;
    let changes = drawing::changes(&present.menu(), &config.menu);
    let same = changes.iter().all(Change::is_same);
    let mut out = Output::text();
    let shown = if json.wanted {
        let lines = lines(&changes);
        out.json(&json!({
            "same": same, "platform": present, "configuration": config.menu, "lines": lines,
        }))
    } else {
        print(&mut out, &changes).and_then(|()| out.done())
    };
    match shown {
        Ok(()) | Err(Failure::OutputClosed) if same => Ok(()),
        // The exit code is the answer, also where nobody reads the rest.
        Ok(()) | Err(Failure::OutputClosed) => Err(Failure::Shown),
        Err(failure) => Err(failure.instead_of_an_answer()),
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn print(out: &mut Output, changes: &[Change]) -> Result<(), Failure> {
    if changes.iter().all(Change::is_same) {
        return out.line("The platform has this menu.");
    }
    changes
        .iter()
        .try_for_each(|change| out.line(&change.to_string()))
}

fn apply(config: &Config, assent: Assent) -> Result<(), Failure> {
    if config.menu.is_empty() {
        return Err(Failure::wrong(
            "the configuration has no [[menu.button]]",
            "`wechatd menu delete` takes the platform's menu away",
        ));
    }
    Alteration::prepare(config, Way::On)?.put(&config.menu, "Put this menu in force?", assent)
}

/// A change of the platform's menu, by steps that lose no menu wherever they end.
struct Alteration {
    store: Arc<Store>,
    api: Client,
    present: Present,
    kept: Kept,
    way: Way,
}

impl Alteration {
    /// Asks for all that is there; changes nothing.
    fn prepare(config: &Config, way: Way) -> Result<Alteration, Failure> {
        let (store, api) = connect(config)?;
        let present = Present::ask(&api)?;
        let kept = Kept::load(&store, &present)?;
        Ok(Alteration {
            store,
            api,
            present,
            kept,
            way,
        })
    }

    /// Shows what changes, asks, keeps the present menu and puts `wanted` in force.
    fn put(mut self, wanted: &Menu, question: &str, assent: Assent) -> Result<(), Failure> {
        let changes = drawing::changes(&self.present.menu(), wanted);
        let mut out = Output::of_change();
        self.show(&mut out, &changes, assent.json)?;
        if changes.iter().all(Change::is_same) {
            return self.end(out, &[], assent.json, None);
        }
        self.warn_of_losses();
        confirm::ask(question, assent.yes)?;
        self.kept.begin(&self.store, &self.present, self.way)?;
        enforce(&self.api, &self.present, wanted, self.way)?;
        let line = format!("The menu is in force. {WHEN}");
        self.end(out, &changes, assent.json, Some(&line))
    }

    /// Shows the menu, asks, keeps it and deletes it.
    fn take_away(mut self, question: &str, assent: Assent) -> Result<(), Failure> {
        let mut out = Output::of_change();
        if self.present.origin != Origin::Api {
            if !assent.json.wanted {
                out.line("The platform has no menu that was made through the API.")?;
            }
            return self.end(out, &[], assent.json, None);
        }
        let changes = drawing::changes(&self.present.menu(), &Menu::default());
        self.show(&mut out, &changes, assent.json)?;
        self.warn_of_losses();
        confirm::ask(question, assent.yes)?;
        self.kept.begin(&self.store, &self.present, self.way)?;
        self.api.menu_delete()?;
        let line = "The menu is deleted. Phones show that after up to 24 hours; at once after following the account again.";
        self.end(out, &changes, assent.json, Some(line))
    }

    /// What will change, for people, before they are asked.
    fn show(&self, out: &mut Output, changes: &[Change], json: Json) -> Result<(), Failure> {
        match json.wanted {
            true => Ok(()),
            false => print(out, changes).and_then(|()| out.flush()),
        }
    }

    /// After the last call: notes that the change has come to its end, and says what was done, if anything.
    fn end(
        mut self,
        mut out: Output,
        changes: &[Change],
        json: Json,
        line: Option<&str>,
    ) -> Result<(), Failure> {
        out.afterwards(
            self.kept.end(&self.store, self.way),
            "the store could not note that the change has come to its end",
        );
        if json.wanted {
            return out.json(&json!({ "changed": line.is_some(), "lines": lines(changes) }));
        }
        if let Some(line) = line {
            out.line("")?;
            out.line(line)?;
            self.tell_of_rollback(&mut out)?;
        }
        out.done()
    }

    /// What the API cannot make is gone once it is replaced: the owner has to know before.
    fn warn_of_losses(&self) {
        for what in self.present.menu().sendable().1 {
            complain(&format!(
                "warning: once it is replaced, {what} cannot be put back through the API; `wechatd menu pull` prints it"
            ));
        }
    }

    /// What a rollback would do from here.
    fn tell_of_rollback(&self, out: &mut Output) -> Result<(), Failure> {
        let Some(before) = self.kept.to_put_back() else {
            return Ok(());
        };
        let (menu, left_out) = before.menu().sendable();
        match (menu.button.is_empty(), left_out.is_empty()) {
            (_, true) => out.line("`wechatd menu rollback` puts back the one before."),
            (false, false) => out.line(
                "`wechatd menu rollback` puts back the one before, without what cannot be put back.",
            ),
            (true, false) => {
                out.line("Nothing of the one before can be put back.")
            }
        }
    }
}

/// Makes the calls that lead from one menu to the other, and no more.
fn enforce(api: &Client, present: &Present, wanted: &Menu, way: Way) -> Result<(), Failure> {
    let again = match way {
        Way::On => "repeat `wechatd menu apply`, or go back with `wechatd menu rollback`",
        Way::Back => "repeat `wechatd menu rollback`",
    };
    let halfway = |n: usize, failure: Failure| {
        failure.and(&format!(
            "the default menu is in force, conditional menu #{n} and those behind it are not: {again}"
        ))
    };
    let mut conditional = present.conditional.clone();
    if present.origin != Origin::Api || present.button != wanted.button {
        api.menu_create(&wanted.button)?;
        if !conditional.is_empty() {
            // Whether a new default menu leaves the conditional ones alone is not documented.
            conditional = Present::ask(api)
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

fn rollback(config: &Config, assent: Assent) -> Result<(), Failure> {
    let rollback = Alteration::prepare(config, Way::Back)?;
    let before = rollback.kept.to_put_back().ok_or_else(|| {
        Failure::failed(
            "menu: the store keeps no menu from before",
            "`wechatd menu apply` and `delete` keep one",
        )
    })?;
    let (wanted, left_out) = before.menu().sendable();
    for what in &left_out {
        complain(&format!(
            "warning: {what} cannot be put back through the API"
        ));
    }
    if !wanted.button.is_empty() {
        return rollback.put(&wanted, "Put back the menu from before?", assent);
    }
    if !left_out.is_empty() {
        return Err(Failure::failed(
            "menu: nothing of the menu before can be put back through the API",
            "make it in the console",
        ));
    }
    rollback.take_away("There was no menu before. Delete this one?", assent)
}

fn delete(config: &Config, assent: Assent) -> Result<(), Failure> {
    Alteration::prepare(config, Way::On)?.take_away("Delete this menu?", assent)
}

fn trymatch(api: &Client, openid: &str, json: Json) -> Result<(), Failure> {
    let button = api.menu_trymatch(openid)?;
    let mut out = Output::text();
    if json.wanted {
        return out.json(&json!({ "button": button }));
    }
    let menu = Menu {
        button,
        conditional: Vec::new(),
    };
    if menu.is_empty() {
        out.line("The platform shows this person no menu.")?;
    }
    for line in drawing::tree(&menu) {
        out.line(&line)?;
    }
    out.done()
}
