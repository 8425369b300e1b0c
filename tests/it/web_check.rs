//! What `wechatd check` says of the web part, and what it finds at the public address.

use crate::support::account::APP_ID;
use crate::support::receiver::{answer, hang};
use crate::support::store::change;
use crate::support::*;
use serde_json::json;

const URL: &str = "[web]\nurl = \"https://example.com\"\n";

const GATES: &str = "
[[gate]]
name = \"members\"
who = \"tag:VIP\"

[[gate]]
name = \"staff\"
who = [\"oOne\", \"oTwo\"]
methods = [\"scan\"]
max_age = \"12h\"
";

const VERIFY: &str = "MP_verify_aBcD1234.txt";

/// A stopped account with this configuration and a verify file beside it.
fn account(setup: Setup, config: &str) -> Account {
    std::fs::write(setup.folder().join(VERIFY), "aBcD1234").unwrap();
    setup.rules(config).stopped()
}

#[test]
fn check_shows_routes_gates_and_what_the_console_must_be_told() {
    let config = format!("{URL}verify_files = [{VERIFY:?}]\n{GATES}");
    let account = account(Setup::new(), &config);
    let ran = account.command(&["check"]);
    ran.ok()
        .says("web            https://example.com, log-in by oauth or scan, for 7d\n")
        .says("/wx/login/GATE?to=…, /wx/back, /wx/scan: log-in\n")
        .says("/wx/auth/GATE, /wx/gate/GATE: who may pass, for a proxy; `wechatd proxy nginx`")
        .says("/MP_verify_aBcD1234.txt: for the console\n")
        .says("gates          2\n")
        .says("members (line ")
        .says("): followers with the tag VIP, logged in by oauth or scan: https://example.com/wx/login/members\n")
        .says("): 2 listed openids, logged in by scan, at most 12h ago: https://example.com/wx/login/staff\n")
        .says("  URL    https://example.com/wechat\n")
        .says("网页授权域名  example.com  (")
        .says("JS接口安全域名  example.com  (")
        .says("  file  https://example.com/MP_verify_aBcD1234.txt\n");
    let json = account.command(&["check", "--json"]).json();
    let web = &json["web"];
    assert_eq!(web["url"], "https://example.com");
    assert_eq!(web["verify_files"], json!(["/MP_verify_aBcD1234.txt"]));
    assert_eq!(web["gates"][1]["methods"], json!(["scan"]));
    assert_eq!(web["gates"][1]["max_age"], "12h");
    assert_eq!(web["console"][0]["host"], "example.com");
    assert!(json.get("public").is_none(), "{json}");
}

#[test]
fn check_shows_nothing_of_a_web_part_that_is_off() {
    let ran = account(Setup::new(), "").command(&["check"]);
    ran.ok()
        .says("https://YOUR-DOMAIN/wechat")
        .says_nothing_of("gates")
        .says_nothing_of("web ")
        .says_nothing_of("/wx")
        .says_nothing_of("域名");
}

#[test]
fn without_a_gate_in_the_file_check_shows_the_one_for_followers() {
    let config =
        "[web]\nurl = \"http://localhost:8080\"\npath = \"/w\"\n[login]\nmethods = [\"scan\"]\n";
    let ran = account(Setup::new(), config).command(&["check"]);
    ran.ok()
        .says("default (without any [[gate]]): followers, logged in by scan: http://localhost:8080/w/login/default\n")
        .says("/w/login/GATE")
        // No console takes this host, and people log in without it.
        .says("JS接口安全域名  none: it takes only a name")
        .says_nothing_of("网页授权域名")
        .says("https://YOUR-DOMAIN/wechat")
        .says("MP_verify_….txt: put it next to the configuration and name it in web.verify_files");
}

#[test]
fn check_warns_of_what_has_no_effect_or_lets_nobody_pass() {
    let platform = Platform::start();
    for (config, with_api, warning) in [
        (
            GATES.to_owned(),
            true,
            "[[gate]] has no effect: without web.url",
        ),
        (
            format!("[web]\nverify_files = [{VERIFY:?}]\n"),
            true,
            "web.verify_files has no effect: without web.url",
        ),
        (
            URL.to_owned(),
            false,
            "\"oauth\" does not work without account.app_id and account.app_secret; enter both",
        ),
        (
            format!("{URL}[login]\nmethods = [\"oauth\"]\n"),
            false,
            "account.app_secret, so that nobody can log in; enter both",
        ),
        (
            format!("{URL}[login]\nsession = \"12h\"\n{GATES}"),
            true,
            "gate staff: max_age has no effect: a session ends after login.session, 12h",
        ),
    ] {
        let setup = match with_api {
            true => Setup::new().platform(&platform),
            false => Setup::new(),
        };
        let ran = account(setup, &config).command(&["check"]);
        ran.ok();
        let mut lines = ran.stdout.lines();
        let found = lines.any(|line| line.starts_with("warning: ") && line.contains(warning));
        ran.expect(found, &format!("a warning: {warning}"));
    }
    let setup = Setup::new().set("server.trusted_proxies", "[]");
    account(setup, URL)
        .command(&["check"])
        .ok()
        .says("warning: server.trusted_proxies is empty");
    let fine = account(Setup::new().platform(&platform), URL);
    fine.command(&["check"]).ok().says_nothing_of("warning: ");
    let scan = format!("{URL}[login]\nmethods = [\"scan\"]\n");
    account(Setup::new(), &scan)
        .command(&["check"])
        .ok()
        .says_nothing_of("oauth");
}

#[test]
fn check_warns_of_a_tag_that_nobody_can_have() {
    let config = format!("{URL}{GATES}");
    let mut account = Setup::new().rules(&config).start();
    account.stop();
    let warning = "warning: gate members: nobody passes: no tag VIP is known; `wechatd tags list`";
    account.command(&["check"]).ok().says(warning);
    change(
        &account.store_path(),
        "INSERT INTO tags (id, name) VALUES (100, 'VIP')",
    );
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("gate members: nobody");
}

/// A stopped account whose public address is this receiver, and the arguments of the command.
fn public(receiver: &Receiver) -> (Account, [&'static str; 2]) {
    let url = receiver.url("").trim_end_matches('/').to_owned();
    let config = format!("[web]\nurl = {url:?}\nverify_files = [{VERIFY:?}]\n");
    let account = account(Setup::new(), &config);
    (account, ["check", "--online"])
}

#[test]
fn check_online_finds_routes_and_verify_files_at_the_public_address() {
    let receiver = Receiver::start();
    let login = receiver.url("wx/login?to=/");
    receiver.answers(move |call| match call.path.as_str() {
        "/wx/me" => answer(
            "401 Unauthorized",
            "Content-Type: application/json\r\n",
            &json!({"error": "not_logged_in", "login": login}).to_string(),
        ),
        "/MP_verify_aBcD1234.txt" => answer("200 OK", "", "aBcD1234"),
        _ => answer("404 Not Found", "", ""),
    });
    let (account, check) = public(&receiver);
    let url = receiver.url("");
    let url = url.trim_end_matches('/');
    let ran = account.command(&check);
    ran.ok()
        .says("The public address:\n")
        .says(&format!(
            "/wx/me                   ok       {url} leads to a server with this web.url\n"
        ))
        .says("/MP_verify_aBcD1234.txt  ok       its text is answered\n");
    let json = account.command(&["check", "--online", "--json"]);
    assert_eq!(json.json()["public"][1]["verdict"], "ok");
    let asked: Vec<String> = receiver
        .calls()
        .iter()
        .map(|call| call.path.clone())
        .collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[test]
fn check_online_says_whether_a_page_is_signed_for_the_js_sdk() {
    let (platform, receiver) = (Platform::start(), Receiver::start());
    let url = receiver.url("").trim_end_matches('/').to_owned();
    let config = format!("[web]\nurl = {url:?}\n");
    let account = account(Setup::new().platform(&platform), &config);
    let signed = |app_id: &str| json!({"appId": app_id, "signature": "0f9d"}).to_string();
    for (status, body, line) in [
        ("200 OK", signed(APP_ID), "ok       a page is signed"),
        ("200 OK", signed("wx1"), "wrong    something else answers"),
        (
            "503 Service Unavailable",
            String::new(),
            "no       no page is signed",
        ),
        ("404 Not Found", String::new(), "wrong    404 Not Found"),
    ] {
        receiver.answers(move |_| answer(status, "", &body));
        let ran = account.command(&["check", "--online"]);
        ran.says(&format!("/wx/jsapi  {line}"));
    }
    let asked = receiver.calls().pop().unwrap();
    assert_eq!(asked.query["url"], format!("{url}/"));
}

#[test]
fn check_online_says_why_the_console_would_not_find_a_file() {
    let receiver = Receiver::start();
    for (behaviour, verdict, what) in [
        (
            ("404 Not Found", "", ""),
            "wrong",
            "404 Not Found: let the proxy hand this path to wechatd",
        ),
        (
            ("302 Found", "Location: https://example.com/sign-in\r\n", ""),
            "wrong",
            "leads to https://example.com/sign-in; let the proxy",
        ),
        (("200 OK", "", "<html>"), "wrong", "something else answers"),
        (
            ("200 OK", "", "aBcD1234 and more"),
            "wrong",
            "something else answers",
        ),
        (
            ("502 Bad Gateway", "", ""),
            "wrong",
            "answered 502 Bad Gateway: is wechatd running?",
        ),
    ] {
        let (status, headers, body) = behaviour;
        receiver.answers(move |_| answer(status, headers, body));
        let (account, check) = public(&receiver);
        let ran = account.command(&check);
        ran.is_code(1);
        for path in ["/wx/me", "/MP_verify_aBcD1234.txt"] {
            let line = ran.stdout.lines().rfind(|line| line.starts_with(path));
            let line = line.unwrap_or_default();
            ran.expect(
                line.contains(verdict) && line.contains(what),
                &format!("{verdict}: {what}: {line}"),
            );
        }
    }
    receiver.down();
    let (account, check) = public(&receiver);
    account
        .command(&check)
        .is_code(1)
        .says("wrong    connection refused");
}

#[test]
fn a_public_address_that_is_not_reached_from_here_is_no_mistake() {
    let receiver = Receiver::start();
    receiver.answers(|_| hang());
    let url = receiver.url("").trim_end_matches('/').to_owned();
    let config = format!("[web]\nurl = {url:?}\n");
    let setup = Setup::new().set("api.timeout", "\"1s\"");
    let ran = account(setup, &config).command(&["check", "--online"]);
    ran.says(
        "/wx/me  unknown  no whole answer within 1 s; some networks do not let a machine reach",
    );
}
