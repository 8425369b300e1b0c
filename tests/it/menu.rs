//! The menu commands: show, pull, diff, apply, rollback, delete and trymatch.

use crate::support::*;
use serde_json::{Value, json};

const MENU: &str = r#"
[[menu.button]]
name = "今天"
type = "click"
key = "TODAY"

[[menu.button]]
name = "Tools"

[[menu.button.sub_button]]
name = "Shop"
type = "view"
url = "https://www.example.com/shop"

[[menu.button.sub_button]]
name = "App"
type = "miniprogram"
url = "https://www.example.com/fallback"
appid = "wx00aa11bb22cc33dd"
pagepath = "pages/index/index"

[[menu.conditional]]
matchrule = { tag_id = "134", client_platform_type = "2" }

[[menu.conditional.button]]
name = "VIP"
type = "view"
url = "https://www.example.com/vip"
"#;

const CREATE: &str = "/cgi-bin/menu/create";
/// How long WeChat may show the old menu, as the commands say it.
const DELAY: &str = "24 hours";

fn account(platform: &Platform, menu: &str) -> Account {
    Setup::new().platform(platform).rules(menu).stopped()
}

fn buttons() -> Value {
    json!([
        {"type": "click", "name": "今天", "key": "TODAY"},
        {"name": "Tools", "sub_button": [
            {"type": "view", "name": "Shop", "url": "https://www.example.com/shop"},
            {"type": "miniprogram", "name": "App", "url": "https://www.example.com/fallback",
             "appid": "wx00aa11bb22cc33dd", "pagepath": "pages/index/index"}]},
    ])
}

fn vip() -> (Value, Value) {
    (
        json!([{"type": "view", "name": "VIP", "url": "https://www.example.com/vip"}]),
        json!({"tag_id": "134", "client_platform_type": "2"}),
    )
}

/// The sample menu made in the console: a button that only the console can make, and a submenu with another such
/// button and one that the API can make too.
fn console_menu() -> Value {
    let sample: Value =
        serde_json::from_str(&sample("api/get_current_selfmenu_info.json")).unwrap();
    sample["response"]["selfmenu_info"].clone()
}

#[test]
fn show_draws_the_tree() {
    let account = Setup::new().rules(MENU).stopped();
    let ran = account.command(&["menu", "show"]);
    ran.ok().expect(
        ran.stdout
            == "\
今天     click TODAY
Tools
├─ Shop  view https://www.example.com/shop
└─ App   miniprogram wx00aa11bb22cc33dd pages/index/index (else https://www.example.com/fallback)
for tag 134 on Android:
VIP      view https://www.example.com/vip
",
        "the tree",
    );
    let json = account.command(&["menu", "show", "--json"]).json();
    assert_eq!(json["button"], buttons());
    assert_eq!(json["conditional"][0]["matchrule"], vip().1);
    Setup::new()
        .stopped()
        .command(&["menu", "show"])
        .ok()
        .says("has no menu");
}

#[test]
fn a_wrong_menu_is_refused_with_all_mistakes_before_any_call() {
    let platform = Platform::start();
    let wrong = MENU
        .replace("name = \"Tools\"", "name = \"Tools and more tools\"")
        .replace("type = \"view\"", "type = \"veiw\"");
    let account = account(&platform, &wrong);
    let ran = account.command(&["menu", "apply", "--yes"]);
    ran.refused()
        .complains("3 mistakes")
        .complains("menu.button #2: name: it has 20 bytes")
        .complains("menu.button #2: sub_button #1: type")
        .complains("did you mean \"view\"?");
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn apply_shows_the_changes_and_makes_default_and_conditional_menus() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account
        .command(&["menu", "diff"])
        .is_code(1)
        .says("+ 今天  click TODAY");
    let ran = account.command(&["menu", "apply", "--yes"]);
    ran.ok().says("+   Shop  view").says(DELAY).says("rollback");
    assert_eq!(platform.bodies(CREATE), [json!({"button": buttons()})]);
    let added = platform.bodies("/cgi-bin/menu/addconditional");
    assert_eq!(added, [json!({"button": vip().0, "matchrule": vip().1})]);
    let created = platform.calls().into_iter().find(|c| c.path == CREATE);
    assert!(
        created.unwrap().body.contains("今天"),
        "raw UTF-8, no escapes"
    );
    account
        .command(&["menu", "diff"])
        .ok()
        .says("has this menu");
    let diff = account.command(&["menu", "diff", "--json"]).json();
    assert_eq!(diff["same"], true);
    account
        .command(&["menu", "apply"])
        .ok()
        .says("has this menu");
    assert_eq!(platform.count(CREATE), 1, "nothing to do the second time");
}

#[test]
fn apply_sends_only_what_differs() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account.command(&["menu", "apply", "--yes"]).ok();
    let ios = r#"
[[menu.conditional]]
matchrule = { client_platform_type = "1" }
[[menu.conditional.button]]
name = "iOS"
type = "click"
key = "IOS"
"#;
    account.rewrite_config(|config| config + ios);
    let ran = account.command(&["menu", "apply", "--yes"]);
    ran.ok()
        .says("+ for iOS:")
        .says("  VIP")
        .says("+ iOS  click IOS");
    assert_eq!(platform.count(CREATE), 1);
    assert_eq!(platform.count("/cgi-bin/menu/addconditional"), 2);
    assert_eq!(platform.count("/cgi-bin/menu/delconditional"), 0);
    account.rewrite_config(|config| config.replace("tag_id = \"134\"", "tag_id = \"135\""));
    account.command(&["menu", "apply", "--yes"]).ok();
    assert_eq!(
        platform.count("/cgi-bin/menu/delconditional"),
        2,
        "the order counts"
    );
    account.command(&["menu", "diff"]).ok();
    account.rewrite_config(|config| config.replace("TODAY", "TOMORROW"));
    account.command(&["menu", "apply", "--yes"]).ok();
    assert_eq!(platform.count(CREATE), 2);
    assert_eq!(platform.count("/cgi-bin/menu/addconditional"), 4);
    account.command(&["menu", "diff"]).ok();
}

#[test]
fn a_pulled_menu_equals_the_one_in_force() {
    let platform = Platform::start();
    account(&platform, MENU)
        .command(&["menu", "apply", "--yes"])
        .ok();
    let other = account(&platform, "");
    let pulled = other.command(&["menu", "pull"]);
    pulled.ok().says("made through the API");
    other.rewrite_config(|config| config + &pulled.stdout);
    other.command(&["menu", "diff"]).ok();
    let shown = other.command(&["menu", "show", "--json"]).json();
    assert_eq!(shown["button"], buttons());
    let json = other.command(&["menu", "pull", "--json"]).json();
    assert_eq!(json["origin"], "api");
    assert_eq!(json["button"], buttons());
    assert_eq!(json["conditional"][0]["matchrule"], vip().1);
}

#[test]
fn a_console_made_menu_is_pulled_changed_compared_applied_and_rolled_back() {
    let platform = Platform::start();
    platform.outgoing(|state| state.set_console_menu(console_menu()));
    let account = account(&platform, "");
    let pulled = account.command(&["menu", "pull"]);
    pulled
        .ok()
        .says("made in the console")
        .says("# text = \"hello\"")
        .says("# The button \"News\"")
        .says("[[menu.button.sub_button]]\nname = \"Shop\"");
    account.rewrite_config(|config| {
        config + &pulled.stdout.replace("name = \"Shop\"", "name = \"商店\"")
    });
    let diff = account.command(&["menu", "diff"]);
    diff.is_code(1)
        .says("- Hi  text hello (console only)")
        .says("-   Shop  view https://www.example.com/shop")
        .says("+   商店  view https://www.example.com/shop")
        .says("  More");
    account.command(&["menu", "apply", "--yes"]).ok();
    let more = |name: &str| {
        json!([{"name": "More", "sub_button": [
            {"type": "view", "name": name, "url": "https://www.example.com/shop"}]}])
    };
    assert_eq!(
        platform.outgoing(|state| state.menu()).unwrap().0,
        more("商店")
    );
    let back = account.command(&["menu", "rollback", "--yes"]);
    back.ok()
        .complains("\"Hi\"")
        .complains("\"News\"")
        .says("+   Shop  view");
    assert_eq!(
        platform.outgoing(|state| state.menu()).unwrap().0,
        more("Shop")
    );
    account.command(&["menu", "rollback", "--yes"]).ok();
    account.command(&["menu", "diff"]).ok();
}

/// Old conditional menus: for a tag and men, for a country, and for Android.
fn old_menus() -> String {
    let menu = |name: &str, matchrule: Value, menuid: u64| {
        let button = json!([{"type": "click", "name": name, "key": name, "sub_button": []}]);
        json!({"button": button, "matchrule": matchrule, "menuid": menuid})
    };
    json!({
        "menu": {"button": [{"type": "click", "name": "All", "key": "ALL", "sub_button": []}], "menuid": 1},
        "conditionalmenu": [
            menu("Men", json!({"group_id": 134, "tag_id": "134", "sex": 1, "city": ""}), 2),
            menu("China", json!({"country": "中国\n", "language": "zh_CN"}), 3),
            menu("Android", json!({"client_platform_type": 2}), 4),
        ],
    })
    .to_string()
}

#[test]
fn a_menu_switched_off_in_the_console_is_pulled_and_can_be_applied() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let off = json!({"is_menu_open": 0, "selfmenu_info": {"button": [
        {"name": "Shop", "type": "view", "url": "https://www.example.com/shop"},
    ]}});
    let path = "/cgi-bin/get_current_selfmenu_info";
    platform.always(path, Fault::Body(off.to_string()));
    let pulled = account.command(&["menu", "pull"]);
    pulled
        .ok()
        .says("# The menu of the console. It is switched off")
        .says("name = \"Shop\"");
    let json = account.command(&["menu", "pull", "--json"]).json();
    assert_eq!(json["switched_off"][0]["name"], "Shop");
    assert_eq!(json["button"], json!([]), "users see none");
    // The pulled text is a configuration, and applying it shows users the menu again.
    account.rewrite_config(|config| config + &pulled.stdout);
    let diff = account.command(&["menu", "diff"]);
    diff.says("+ Shop  view https://www.example.com/shop");
    account.command(&["menu", "apply", "--yes"]).ok();
}

#[test]
fn a_retired_condition_is_pulled_as_a_comment() {
    let platform = Platform::start();
    platform.always("/cgi-bin/menu/get", Fault::Body(old_menus()));
    let account = account(&platform, "");
    let pulled = account.command(&["menu", "pull"]);
    pulled
        .ok()
        .says("# sex = \"1\"")
        .says("matchrule = { tag_id = \"134\" }")
        .says("# country = ")
        .says("# language = \"zh_CN\"")
        .says("# name = \"China\"")
        .says("matchrule = { client_platform_type = \"2\" }")
        .says_nothing_of("{  }")
        .complains("conditional menu #1: WeChat no longer takes sex")
        .complains("conditional menu #2: WeChat no longer takes country, language");
    account
        .command(&["menu", "diff"])
        .is_code(1)
        .says("- for tag 134, sex 1:")
        .says("language zh_CN:");
    account.rewrite_config(|config| config + &pulled.stdout);
    account.command(&["check"]).ok();
    let shown = account.command(&["menu", "show", "--json"]).json();
    let rules: Vec<&Value> = (shown["conditional"].as_array().unwrap().iter())
        .map(|menu| &menu["matchrule"])
        .collect();
    assert_eq!(
        rules,
        [
            &json!({"tag_id": "134"}),
            &json!({"client_platform_type": "2"})
        ]
    );
}

#[test]
fn a_menu_with_a_retired_condition_is_not_put_back() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    platform.fault("/cgi-bin/menu/get", Fault::Body(old_menus()));
    account.command(&["menu", "delete", "--yes"]).ok();
    account
        .command(&["menu", "rollback", "--yes"])
        .ok()
        .complains("sex")
        .complains("country");
    let added = platform.bodies("/cgi-bin/menu/addconditional");
    let rules: Vec<&Value> = added.iter().map(|menu| &menu["matchrule"]).collect();
    assert_eq!(rules, [&json!({"client_platform_type": "2"})]);
}

#[test]
fn rollback_restores_the_previous_menu_with_its_conditional_menus() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account
        .command(&["menu", "rollback", "--yes"])
        .failed()
        .complains("has no previous menu");
    account.command(&["menu", "apply", "--yes"]).ok();
    let before = platform.outgoing(|state| state.menu());
    account.rewrite_config(|config| {
        let end = config.find("[[menu.conditional]]").unwrap();
        config[..end].replace("Tools", "Things")
    });
    account
        .command(&["menu", "apply", "--yes"])
        .ok()
        .says("- for tag 134");
    assert_eq!(platform.outgoing(|state| state.menu()).unwrap().1, []);
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(platform.outgoing(|state| state.menu()), before);
}

#[test]
fn rollback_to_no_menu_deletes_it() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account.command(&["menu", "apply", "--yes"]).ok();
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(platform.outgoing(|state| state.menu()), None);
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert!(platform.outgoing(|state| state.menu()).is_some());
}

#[test]
fn a_deleted_menu_can_be_rolled_back() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account
        .command(&["menu", "delete", "--yes"])
        .ok()
        .says("no menu");
    assert_eq!(platform.count("/cgi-bin/menu/delete"), 0);
    account.command(&["menu", "apply", "--yes"]).ok();
    account
        .command(&["menu", "delete", "--yes"])
        .ok()
        .says("- VIP")
        .says(DELAY);
    assert_eq!(platform.outgoing(|state| state.menu()), None);
    account.command(&["menu", "rollback", "--yes"]).ok();
    account.command(&["menu", "diff"]).ok();
}

#[test]
fn without_a_terminal_a_change_needs_yes() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account
        .command(&["menu", "apply"])
        .refused()
        .says("+ 今天")
        .complains("--yes");
    assert_eq!(platform.outgoing(|state| state.menu()), None);
    account.command(&["menu", "apply", "--yes"]).ok();
    for command in ["rollback", "delete"] {
        account
            .command(&["menu", command])
            .refused()
            .complains("--yes");
    }
    assert!(platform.outgoing(|state| state.menu()).is_some());
}

#[test]
fn on_a_terminal_a_change_needs_an_explicit_yes() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    for typed in ["\n", "n\n", "maybe\n", "\u{4}"] {
        let ran = at_a_terminal(account.program(&["menu", "apply"]), typed);
        ran.failed().says("+ 今天").complains("[y/N]");
        assert_eq!(platform.outgoing(|state| state.menu()), None, "{typed:?}");
    }
    at_a_terminal(account.program(&["menu", "apply"]), "y\n")
        .ok()
        .says("active");
    at_a_terminal(account.program(&["menu", "delete"]), "Yes\n").ok();
    assert_eq!(platform.outgoing(|state| state.menu()), None);
}

#[test]
fn a_half_applied_menu_says_how_to_go_on() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    let too_many = Fault::Errcode(65305, "too many conditional menus");
    platform.fault("/cgi-bin/menu/addconditional", too_many);
    account
        .command(&["menu", "apply", "--yes"])
        .failed()
        .complains("65305")
        .complains("conditional menu #1")
        .complains("rollback");
    account.command(&["menu", "apply", "--yes"]).ok();
    account.command(&["menu", "diff"]).ok();
}

#[test]
fn trymatch_shows_the_menu_of_one_follower() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account.command(&["menu", "apply", "--yes"]).ok();
    let ran = account.command(&["menu", "trymatch", FAN]);
    ran.ok().says("VIP  view https://www.example.com/vip");
    let body = platform.bodies("/cgi-bin/menu/trymatch");
    assert_eq!(body, [json!({"user_id": FAN})]);
    let json = account.command(&["menu", "trymatch", FAN, "--json"]).json();
    assert_eq!(json["button"], vip().0);
    account
        .command(&["menu", "trymatch", "nobody"])
        .failed()
        .complains("65302");
}

#[test]
fn pull_says_when_the_platform_has_no_menu() {
    let platform = Platform::start();
    let account = account(&platform, "");
    account.command(&["menu", "pull"]).ok().says("has no menu");
    account.command(&["menu", "diff"]).ok();
    account
        .command(&["menu", "apply", "--yes"])
        .refused()
        .complains("[[menu.button]]");
    Setup::new()
        .rules(MENU)
        .stopped()
        .command(&["menu", "pull"])
        .refused()
        .complains("account.app_id");
}

/// A menu of one button, as in the configuration and as on the platform.
fn single(key: &str) -> (String, Value) {
    let text = format!("\n[[menu.button]]\nname = \"{key}\"\ntype = \"click\"\nkey = \"{key}\"\n");
    let button = json!([{"type": "click", "name": key, "key": key}]);
    (text, button)
}

/// `menu` followed by a conditional menu.
fn with_vip(menu: &str) -> String {
    let start = MENU.find("[[menu.conditional]]").unwrap();
    format!("{menu}\n{}", &MENU[start..])
}

/// Replaces the menu in the configuration.
fn configure(account: &Account, menu: &str) {
    account.rewrite_config(|config| {
        let end = config.find("\n[[menu.button]]").unwrap_or(config.len());
        format!("{}{menu}", &config[..end])
    });
}

/// An account with the menu A in force.
fn with_a_in_force(platform: &Platform) -> Account {
    let account = account(platform, &single("A").0);
    account.command(&["menu", "apply", "--yes"]).ok();
    account
}

fn in_force(platform: &Platform) -> Value {
    let menu = platform.outgoing(|state| state.menu());
    menu.map_or(Value::Null, |(button, _)| button)
}

const ADD: &str = "/cgi-bin/menu/addconditional";
const TOO_MANY: Fault = Fault::Errcode(65305, "too many conditional menus");

#[test]
fn rollback_after_a_failed_and_repeated_apply_restores_the_menu_before_both() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    configure(&account, &with_vip(&single("B").0));
    for _ in 0..2 {
        platform.fault(ADD, TOO_MANY);
        account.command(&["menu", "apply", "--yes"]).failed();
        assert_eq!(in_force(&platform), single("B").1, "half applied");
    }
    account.command(&["menu", "apply", "--yes"]).ok();
    let complete = platform.outgoing(|state| state.menu());
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("A").1);
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(platform.outgoing(|state| state.menu()), complete);
}

#[test]
fn rollback_right_after_a_failed_apply_undoes_it_completely() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    configure(&account, &single("B").0);
    account.command(&["menu", "apply", "--yes"]).ok();
    configure(&account, &with_vip(&single("C").0));
    platform.fault(ADD, TOO_MANY);
    account.command(&["menu", "apply", "--yes"]).failed();
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("B").1);
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("A").1);
}

#[test]
fn an_apply_that_changed_nothing_does_not_replace_the_menu_to_roll_back_to() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    configure(&account, &single("B").0);
    account.command(&["menu", "apply", "--yes"]).ok();
    configure(&account, &single("X").0);
    for (fault, code) in [
        (Fault::Errcode(40018, "invalid button name size"), 1),
        (Fault::Closed, 3),
    ] {
        platform.fault(CREATE, fault);
        account.command(&["menu", "apply", "--yes"]).is_code(code);
        assert_eq!(in_force(&platform), single("B").1);
    }
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("A").1);
}

#[test]
fn a_half_done_rollback_can_be_repeated() {
    let platform = Platform::start();
    let account = account(&platform, &with_vip(&single("A").0));
    account.command(&["menu", "apply", "--yes"]).ok();
    let a = platform.outgoing(|state| state.menu());
    configure(&account, &single("B").0);
    account.command(&["menu", "apply", "--yes"]).ok();
    platform.fault(ADD, TOO_MANY);
    account
        .command(&["menu", "rollback", "--yes"])
        .failed()
        .complains("repeat `wechatd menu rollback`");
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(platform.outgoing(|state| state.menu()), a);
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("B").1);
}

#[test]
fn an_apply_killed_halfway_loses_no_menu() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    configure(&account, &with_vip(&single("B").0));
    platform.fault(ADD, Fault::Hang);
    let mut child = account
        .program(&["menu", "apply", "--yes"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("the call that hangs", account.log(), || {
        platform.count(ADD) == 1
    });
    child.kill().unwrap();
    child.wait().unwrap();
    platform.heal();
    assert_eq!(in_force(&platform), single("B").1);
    account.command(&["menu", "apply", "--yes"]).ok();
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("A").1);
}

#[test]
fn a_deletion_that_failed_can_be_repeated_and_rolled_back() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    configure(&account, &single("B").0);
    account.command(&["menu", "apply", "--yes"]).ok();
    platform.fault("/cgi-bin/menu/delete", Fault::Closed);
    account.command(&["menu", "delete", "--yes"]).may_be_done();
    account.command(&["menu", "delete", "--yes"]).ok();
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("B").1);
}

#[test]
fn a_menu_kept_by_an_older_version_can_still_be_rolled_back_to() {
    let platform = Platform::start();
    let account = with_a_in_force(&platform);
    let before = json!({"origin": "api", "button": single("OLD").1, "conditional": [
        {"menuid": "430012345", "matchrule": vip().1, "button": vip().0}]});
    let kept = json!({"at": "1767225600", "menu": before.to_string()}).to_string();
    let store = rusqlite::Connection::open(account.store_path()).unwrap();
    let sql = "UPDATE settings SET value = ?1 WHERE name = 'menu before'";
    assert_eq!(store.execute(sql, [&kept]).unwrap(), 1);
    drop(store);
    account.command(&["menu", "rollback", "--yes"]).ok();
    let menu = platform.outgoing(|state| state.menu());
    assert_eq!(menu, Some((single("OLD").1, vec![vip()])));
    account.command(&["menu", "rollback", "--yes"]).ok();
    assert_eq!(in_force(&platform), single("A").1);
}

#[test]
fn buttons_that_cannot_be_restored_are_named_before_the_question() {
    let platform = Platform::start();
    platform.outgoing(|state| state.set_console_menu(console_menu()));
    let account = account(&platform, MENU);
    account
        .command(&["menu", "apply"])
        .refused()
        .complains("\"Hi\"")
        .complains("\"News\"")
        .complains("cannot be restored");
    account
        .command(&["menu", "apply", "--yes"])
        .ok()
        .complains("cannot be restored")
        .says("restores the previous one, without what cannot be restored");

    let platform = Platform::start();
    let only = json!({"button": [{"type": "text", "name": "Hi", "value": "hello"}]});
    platform.outgoing(|state| state.set_console_menu(only));
    let ran = self::account(&platform, MENU).command(&["menu", "apply", "--yes"]);
    ran.ok().complains("\"Hi\"").says_nothing_of("rollback");
}

#[test]
fn diff_exits_with_1_while_the_menus_differ() {
    let platform = Platform::start();
    let account = account(&platform, MENU);
    account.command(&["menu", "diff"]).is_code(1);
    account.command(&["menu", "diff", "--json"]).is_code(1);
    account.command(&["menu", "apply", "--yes"]).ok();
    account.command(&["menu", "diff"]).ok();
}

#[test]
fn check_warns_about_buttons_with_the_same_name_on_one_level() {
    let platform = Platform::start();
    account(&platform, &single("A").0)
        .command(&["menu", "apply", "--yes"])
        .ok();
    let account = account(&platform, "");
    for warned in [false, true] {
        let pulled = account.command(&["menu", "pull"]);
        account.rewrite_config(|config| config + &pulled.ok().stdout);
        let ran = account.command(&["check"]);
        let says = ran
            .ok()
            .stdout
            .contains("menu.button: #1 and #2 have the same name \"A\"");
        ran.expect(says == warned, &format!("warned: {warned}"));
    }
    let below = MENU.replace("name = \"App\"", "name = \"Shop\"");
    self::account(&platform, &below)
        .command(&["check"])
        .ok()
        .says("warning: menu.button #2: sub_button: #1 and #2 have the same name \"Shop\"");
}
