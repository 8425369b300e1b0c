//! What the platform says about the account: `check --online`, `quota` and `rid`.

use crate::support::*;
use serde_json::{Value, json};

const TOKENS: &str = "/cgi-bin/stable_token";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

/// The line of `check --online` that begins with `what`, with single spaces.
#[track_caller]
fn line(ran: &Ran, what: &str) -> String {
    let mut lines = ran.stdout.lines().skip_while(|line| *line != "WeChat:");
    let found = lines.find(|line| line.starts_with(&format!("{what} ")));
    ran.expect(found.is_some(), &format!("a line about {what}"));
    found
        .unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_line_is_ok_when_nothing_is_wrong() {
    let platform = Platform::start();
    let menu = r#"{"menu":{"button":[{"type":"click","name":"Hi","key":"HI"}]}}"#;
    platform.always("/cgi-bin/menu/get", Fault::Body(menu.to_owned()));
    let account = account(&platform);
    let ran = account.command(&["check", "--online"]);
    ran.ok().says("callback");
    for (what, says) in [
        ("access_token", "access_token ok WeChat takes"),
        ("address", "address ok WeChat sees 203.0.113.77"),
        ("clock", "clock ok"),
        ("user/get", "user/get ok allowed, for followers sync"),
        ("tags/get", "tags/get ok"),
        ("getblacklist", "getblacklist ok"),
        ("menu/get", "menu/get ok"),
        ("getkflist", "getkflist ok"),
        ("get_all_private_template", "get_all_private_template ok"),
        ("menu", "menu ok 1 button,"),
    ] {
        let line = line(&ran, what);
        assert!(line.starts_with(says), "{line}");
    }
    ran.says("203.0.113.10, reached in 23.079ms");
    let json = account.command(&["check", "--online", "--json"]).json();
    let lines = json["online"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["verdict"] == "ok"), "{json}");
    assert!(lines.len() >= 11, "{json}");
    assert!(platform.unknown().is_empty(), "{:?}", platform.unknown());
    let without = account.command(&["check", "--json"]).json();
    assert_eq!(without["online"], Value::Null);
}

#[test]
fn a_cached_token_does_not_hide_that_this_address_is_no_longer_whitelisted() {
    let platform = Platform::start();
    let account = account(&platform);
    account.command(&["token"]).ok();
    let refusal = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist";
    platform.always(TOKENS, Fault::Errcode(40164, refusal));
    let ran = account.command(&["check", "--online"]);
    ran.is_code(1);
    let line = line(&ran, "address");
    assert!(
        line.starts_with("address wrong 203.0.113.9 is not in the IP whitelist: enter it"),
        "{line}"
    );
    ran.says("not tried");
}

#[test]
fn a_wrong_secret_is_explained() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("account.app_secret", "\"fedcba9876543210fedcba9876543210\"")
        .stopped();
    let ran = account.command(&["check", "--online"]);
    ran.is_code(1).says("40125").says("account.app_secret");
    ran.says_nothing_of("fedcba98");
}

#[test]
fn a_platform_that_does_not_answer_is_reported() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.down();
    let ran = account.command(&["check", "--online"]);
    ran.is_code(1).says("connection refused");
    assert!(line(&ran, "clock").starts_with("clock unknown"));
}

#[test]
fn a_wrong_clock_is_reported_with_the_difference() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.desk(|desk| desk.clock = Some(900));
    let ran = account.command(&["check", "--online"]);
    ran.is_code(1).says("all pushes are refused").says("NTP");
    let text = line(&ran, "clock");
    assert!(
        text.contains("wrong 900 s behind") || text.contains("wrong 899 s behind"),
        "{text}"
    );
    platform.desk(|desk| desk.clock = Some(-120));
    let ran = account.command(&["check", "--online"]);
    ran.is_code(1).says("s ahead of WeChat's");
    platform.desk(|desk| desk.clock = None);
    let ran = account.command(&["check", "--online"]);
    assert!(line(&ran.ok().clone(), "clock").starts_with("clock unknown"));
}

#[test]
fn an_unreachable_callback_is_reported() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.desk(|desk| desk.callback = None);
    account
        .command(&["check", "--online"])
        .is_code(1)
        .says("40201")
        .says("enter the URL in the console");
    platform.desk(|desk| desk.callback = Some(Vec::new()));
    account
        .command(&["check", "--online"])
        .is_code(1)
        .says("check its DNS record");
    platform.desk(|desk| (desk.callback, desk.loss) = (Some(vec!["203.0.113.10"]), "100%"));
    account
        .command(&["check", "--online"])
        .ok()
        .says("pings are not answered");
}

#[test]
fn a_call_that_the_account_may_not_use_is_no_error() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.always(
        "/cgi-bin/user/get",
        Fault::Errcode(48001, "api unauthorized"),
    );
    let ran = account.command(&["check", "--online"]);
    let line = line(ran.ok(), "user/get");
    assert!(
        line.starts_with("user/get no") && line.contains("verified"),
        "{line}"
    );
    platform.always(
        "/cgi-bin/user/get",
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
    account
        .command(&["check", "--online"])
        .is_code(1)
        .says("wrong");
}

#[test]
fn the_menu_is_reported_whether_made_by_the_api_or_the_console() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["check", "--online"]);
    assert!(line(ran.ok(), "menu").starts_with("menu no there is none"));
    platform.outgoing(|outgoing| {
        let button = json!([{"type": "view", "name": "Shop", "url": "https://example.com"}]);
        outgoing.set_console_menu(json!({ "button": button }));
    });
    let ran = account.command(&["check", "--online"]);
    ran.ok().says("1 button, made in the console");
}

#[test]
fn online_needs_an_app_id() {
    let account = Setup::new().stopped();
    account
        .command(&["check", "--online"])
        .refused()
        .says("off: account.app_id and account.app_secret are not set")
        .says("In the console of the account")
        .complains("account.app_secret");
}

#[test]
fn quota_shows_one_call_or_the_usual_ones() {
    let platform = Platform::start();
    let account = account(&platform);
    for path in ["message/custom/send", "/cgi-bin/message/custom/send"] {
        let ran = account.command(&["quota", path]);
        ran.ok().says("499988").says("5000 in 60 s");
        let json = account.command(&["quota", path, "--json"]).json();
        assert_eq!(json["remain"], 499_988, "{json}");
    }
    let all = account.command(&["quota", "--json"]).json();
    assert_eq!(all.as_array().map_or(0, Vec::len), 2, "{all}");
    account.command(&["quota"]).ok().says("/cgi-bin/user/get");
    account
        .command(&["quota", "no/such"])
        .failed()
        .complains("76021");
}

#[test]
fn counters_can_be_cleared_without_a_token() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["quota", "clear", "--yes"])
        .ok()
        .says("zero");
    let used: i64 = platform.desk(|desk| desk.used.values().sum());
    assert_eq!(used, 0);
    platform.retire_token();
    platform.always(
        TOKENS,
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
    account.rewrite_config(|config| format!("store.path = \"other.db\"\n{config}"));
    account.command(&["quota", "clear", "--yes"]).ok();
    assert_eq!(platform.count("/cgi-bin/clear_quota/v2"), 1);
    platform.heal();
    platform.desk(|desk| desk.clearings = 0);
    account
        .command(&["quota", "clear", "--yes"])
        .failed()
        .complains("wait until next month");
    assert_eq!(platform.count("/cgi-bin/clear_quota/v2"), 1);
}

#[test]
fn one_counter_is_cleared_by_its_path() {
    let platform = Platform::start();
    let account = account(&platform);
    for path in ["message/custom/send", "/cgi-bin/message/custom/send"] {
        platform.desk(|desk| desk.used.insert("/cgi-bin/message/custom/send", 12));
        account
            .command(&["quota", "clear", path, "--yes"])
            .ok()
            .says("/cgi-bin/message/custom/send is at zero");
        let used = |path| platform.desk(|desk| desk.used[path]);
        assert_eq!(used("/cgi-bin/message/custom/send"), 0);
        assert_eq!(used("/cgi-bin/user/get"), 3, "the others stay");
    }
    account
        .command(&["quota", "clear", "no/such", "--yes"])
        .failed()
        .complains("76021");
    assert_eq!(platform.count("/cgi-bin/clear_quota"), 0);
}

#[test]
fn a_request_is_looked_up_by_its_rid() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["rid", "66f0a1b2-1c2d3e4f-5a6b7c8d"]);
    ran.ok().says("203.0.113.77").says("40003").says("30 ms");
    ran.says_nothing_of(account::APP_SECRET);
    let json = account
        .command(&["rid", "66f0a1b2-1c2d3e4f-5a6b7c8d", "--json"])
        .json();
    assert_eq!(json["client_ip"], "203.0.113.77");
    account
        .command(&["rid", "1-2-3"])
        .failed()
        .complains("older than 7 days");
}

#[test]
fn tokens_and_secrets_of_a_looked_up_request_are_masked() {
    let platform = Platform::start();
    let request = json!({
        "request_url": "access_token=SYN_TOKEN_1-x&secret=SYN_SECRET&lang=zh_CN",
        "response_body": r#"{"access_token":"SYN_TOKEN_2"}"#,
    });
    let answer = json!({"errcode": 0, "request": request}).to_string();
    platform.always("/cgi-bin/openapi/rid/get", Fault::Body(answer));
    let account = account(&platform);
    for arguments in [&["rid", "1-2-3"][..], &["rid", "1-2-3", "--json"]] {
        let ran = account.command(arguments);
        ran.ok()
            .says("access_token=***&secret=***&lang=zh_CN")
            .says_nothing_of("SYN_");
    }
}
