//! `wechatd menu …`: the account's menu as configuration, compared with the platform's and put in force.

mod drawing;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Failure;
use super::arguments::{Json, Openid, Yes};
use super::confirm;
use super::output::Output;
use super::platform::connect;
use crate::api::Client;
use crate::api::menu::{Button, ConditionalMenu};
use crate::clock;
use crate::config::{Conditional, Config, Menu};
use crate::store::{MENU_BEFORE, Store};
use drawing::Change;

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

Lines with - are on the platform only, lines with + in the configuration only.")]
    Diff(Json),
    /// Put the menu of the configuration in force
    #[command(after_help = "Examples:
  wechatd menu apply
  wechatd menu apply --yes          where nobody can be asked

The menu before is kept: `wechatd menu rollback` puts it back. Phones show the new menu after up to 24 hours; at once after following the account again.")]
    Apply(Yes),
    /// Put back the menu that was in force before the last apply, rollback or delete
    #[command(after_help = "Example:
  wechatd menu rollback

A second rollback takes the first one back.")]
    Rollback(Yes),
    /// Delete the menu and all conditional menus
    #[command(after_help = "Example:
  wechatd menu delete --yes")]
    Delete(Yes),
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

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Show(json) => show(&config.menu, json),
        Commands::Pull(json) => pull(&connect(config)?.1, json),
        Commands::Diff(json) => diff(config, json),
        Commands::Apply(yes) => apply(config, yes),
        Commands::Rollback(yes) => rollback(config, yes),
        Commands::Delete(yes) => delete(config, yes),
        Commands::Trymatch { openid, json } => trymatch(&connect(config)?.1, &openid, json),
    }
}

/// What a change needs.
struct Connected {
    store: Arc<Store>,
    api: Client,
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

/// The platform's menu. This is also what the store keeps of the menu before.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Present {
    origin: Origin,
    button: Vec<Button>,
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
                conditional: conditional
                    .into_iter()
                    .map(PresentConditional::from)
                    .collect(),
            });
        }
        let console = api.get_current_selfmenu_info()?;
        let shown = console.is_menu_open && !console.button.is_empty();
        Ok(Present {
            origin: if shown { Origin::Console } else { Origin::None },
            button: if shown { console.button } else { Vec::new() },
            conditional: Vec::new(),
        })
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
    out.line(match present.origin {
        Origin::None => "# The platform has no menu, or it is switched off.",
        Origin::Console => "# The platform's menu, made in the console.",
        Origin::Api => "# The platform's menu, made through the API.",
    })?;
    out.line("")?;
    out.bytes(present.menu().to_text().as_bytes())?;
    for (conditional, n) in present.conditional.iter().zip(1..) {
        let retired: Vec<&str> = conditional
            .menu
            .matchrule
            .retired
            .keys()
            .map(String::as_str)
            .collect();
        if !retired.is_empty() {
            super::failure::complain(&format!(
                "warning: conditional menu #{n}: the platform no longer takes {} in a matchrule; it is printed as a comment",
                retired.join(", ")
            ));
        }
    }
    Ok(())
}

fn diff(config: &Config, json: Json) -> Result<(), Failure> {
    let present = Present::ask(&connect(config)?.1)?;
    let changes = drawing::changes(&present.menu(), &config.menu);
    let same = changes.iter().all(Change::is_same);
    let mut out = Output::text();
    if json.wanted {
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        out.json(&json!({
            "same": same, "platform": present, "configuration": config.menu, "lines": lines,
        }))?;
    } else {
        print(&mut out, &changes)?;
        out.done()?;
    }
    match same {
        true => Ok(()),
        false => Err(Failure::No),
    }
}

fn print(out: &mut Output, changes: &[Change]) -> Result<(), Failure> {
    if changes.iter().all(Change::is_same) {
        return out.line("The platform has this menu.");
    }
    changes
        .iter()
        .try_for_each(|change| out.line(&change.to_string()))
}

fn apply(config: &Config, yes: Yes) -> Result<(), Failure> {
    if config.menu.is_empty() {
        return Err(Failure::Wrong(
            "the configuration has no [[menu.button]]; `wechatd menu delete` takes the platform's menu away"
                .to_owned(),
        ));
    }
    let (store, api) = connect(config)?;
    let connected = Connected { store, api };
    let present = Present::ask(&connected.api)?;
    put(
        &connected,
        &present,
        &config.menu,
        "Put this menu in force?",
        yes,
    )
}

/// Shows what changes, asks, keeps the present menu and puts `wanted` in force.
fn put(
    connected: &Connected,
    present: &Present,
    wanted: &Menu,
    question: &str,
    yes: Yes,
) -> Result<(), Failure> {
    let changes = drawing::changes(&present.menu(), wanted);
    let mut out = Output::text();
    print(&mut out, &changes)?;
    out.flush()?;
    if changes.iter().all(Change::is_same) {
        return out.done();
    }
    confirm::ask(question, yes)?;
    keep(connected, present)?;
    enforce(&connected.api, present, wanted)?;
    out.line("")?;
    out.line(&format!("The menu is in force. {WHEN}"))?;
    out.line("`wechatd menu rollback` puts back the one before.")?;
    out.done()
}

fn keep(connected: &Connected, present: &Present) -> Result<(), Failure> {
    let kept = serde_json::to_string(present).map_err(|error| {
        Failure::Failed(format!("menu: the present one can not be kept: {error}"))
    })?;
    let at = clock::unix_seconds().to_string();
    Ok(connected
        .store
        .keep_setting(MENU_BEFORE, &json!({"at": at, "menu": kept}).to_string())?)
}

/// Makes the calls that lead from one menu to the other, and no more.
fn enforce(api: &Client, present: &Present, wanted: &Menu) -> Result<(), Failure> {
    let mut conditional = present.conditional.clone();
    if present.origin != Origin::Api || present.button != wanted.button {
        api.menu_create(&wanted.button)?;
        if !conditional.is_empty() {
            // Whether a new default menu leaves the conditional ones alone is not documented.
            conditional = Present::ask(api)?.conditional;
        }
    }
    let same = conditional
        .iter()
        .zip(&wanted.conditional)
        .take_while(|(has, wants)| {
            has.menu.button == wants.button && has.menu.matchrule == wants.matchrule
        })
        .count();
    let halfway = |n: usize, error: crate::api::ApiError| {
        Failure::Failed(format!(
            "{error}; the default menu is in force, conditional menu #{n} and those behind it are not: repeat `wechatd menu apply`, or go back with `wechatd menu rollback`"
        ))
    };
    for (gone, n) in conditional[same..].iter().zip(same + 1..) {
        api.menu_delconditional(&gone.menuid)
            .map_err(|error| halfway(n, error))?;
    }
    for (menu, n) in wanted.conditional[same..].iter().zip(same + 1..) {
        api.menu_addconditional(&menu.button, &menu.matchrule)
            .map_err(|error| halfway(n, error))?;
    }
    Ok(())
}

fn rollback(config: &Config, yes: Yes) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let connected = Connected { store, api };
    let nothing = || {
        Failure::Failed(
            "menu: the store keeps no menu from before; `wechatd menu apply` and `delete` keep one"
                .to_owned(),
        )
    };
    let kept = connected.store.setting(MENU_BEFORE)?.ok_or_else(nothing)?;
    let before = read_kept(&kept).ok_or_else(|| {
        Failure::Failed("menu: what the store keeps of the menu before can not be read".to_owned())
    })?;
    let present = Present::ask(&connected.api)?;
    let (wanted, left_out) = before.menu().sendable();
    for what in &left_out {
        super::failure::complain(&format!(
            "warning: {what} can not be put back through the API"
        ));
    }
    if !wanted.button.is_empty() {
        let question = "Put back the menu from before?";
        return put(&connected, &present, &wanted, question, yes);
    }
    if !left_out.is_empty() {
        return Err(Failure::Failed(
            "menu: nothing of the menu before can be put back through the API; make it in the console"
                .to_owned(),
        ));
    }
    take_away(
        &connected,
        &present,
        "There was no menu before. Delete this one?",
        yes,
    )
}

fn read_kept(kept: &str) -> Option<Present> {
    let kept: serde_json::Value = serde_json::from_str(kept).ok()?;
    serde_json::from_str(kept.get("menu")?.as_str()?).ok()
}

fn delete(config: &Config, yes: Yes) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let connected = Connected { store, api };
    let present = Present::ask(&connected.api)?;
    take_away(&connected, &present, "Delete this menu?", yes)
}

fn take_away(
    connected: &Connected,
    present: &Present,
    question: &str,
    yes: Yes,
) -> Result<(), Failure> {
    let mut out = Output::text();
    if present.origin != Origin::Api {
        out.line("The platform has no menu that was made through the API.")?;
        return out.done();
    }
    print(
        &mut out,
        &drawing::changes(&present.menu(), &Menu::default()),
    )?;
    out.flush()?;
    confirm::ask(question, yes)?;
    keep(connected, present)?;
    connected.api.menu_delete()?;
    out.line("")?;
    out.line("The menu is deleted. Phones show that after up to 24 hours; at once after following the account again.")?;
    out.line("`wechatd menu rollback` puts it back.")?;
    out.done()
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
    for line in drawing::tree(&menu) {
        out.line(&line)?;
    }
    out.done()
}
