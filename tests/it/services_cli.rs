//! What an owner sees of services: in `check`, `explain`, `service …` and `forwards …`.

use crate::support::service::{Act, FORWARD_ALL, SERVICE_SECRET, SERVICE_TOKEN};
use crate::support::store::change;
use crate::support::*;
use serde_json::json;

const FAN: &str = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";

/// Every state with the service, how long ago it was asked, the seconds until the answer, and the error.
const FORWARDS: [(&str, &str, &str, &str, &str); 10] = [
    ("answered", "bot", "3 * 86400", "2", "NULL"),
    ("failed", "bot", "2 * 86400", "NULL", "'HTTP 500'"),
    ("sent", "bot", "7200", "9", "NULL"),
    ("unknown", "bot", "7000", "8", "'no answer of the platform'"),
    ("shown", "bot", "6000", "20", "NULL"),
    ("expired", "bot", "5000", "40", "'errcode 48001'"),
    ("kept", "bot", "4000", "55", "NULL"),
    ("sending", "bot", "3", "11", "NULL"),
    ("asked", "bot", "2", "NULL", "NULL"),
    ("failed", "crm", "1", "NULL", "'connection refused'"),
];

/// Two services, a rule that forwards to the first one, and [`FORWARDS`] in the store.
fn forwarded() -> Account {
    let services = r#"
[[service]]
name = "bot"
url = "http://user:word@127.0.0.1:9000/secret?key=synthetic"

[[service]]
name = "crm"
url = "http://127.0.0.1:9001/"
format = "json"
slow = ["wait"]

[[rule]]
message = "text"
forward = "bot"

[[rule]]
message = "any"
forward = "crm"
"#;
    let mut account = Setup::new().rules(services).start();
    account.stop();
    let rows = (1..).zip(FORWARDS).map(|(id, (state, service, ago, seconds, error))| {
        format!(
            "INSERT INTO messages (id, dedup_key, openid, msg_type, received_at) VALUES ({id}, 'k{id}', '{FAN}', 'text', unixepoch() - {ago});
             INSERT INTO forwards (id, message_id, service, openid, state, deliveries, answer, error, asked_at, answered_at)
             VALUES ({id}, {id}, '{service}', '{FAN}', '{state}', 3, 'answer {id}', {error}, unixepoch() - {ago}, unixepoch() - {ago} + {seconds});\n"
        )
    });
    change(&account.store_path(), &rows.collect::<String>());
    account
}

#[test]
fn check_and_service_list_show_how_each_service_is_doing() {
    let account = forwarded();
    let ran = account.command(&["check"]);
    ran.ok()
        .says(": text → forward to bot\n")
        .says(": any message → forward to crm\n")
        .says("services       2\n")
        .says("bot (line 4): http://127.0.0.1:9000 (wechat, wait → message → next): works, 1 waiting, 2 kept\n")
        .says("crm (line 8): http://127.0.0.1:9001 (json, wait): failed: connection refused; `wechatd service check crm` tries it\n")
        .says_nothing_of("synthetic")
        .says_nothing_of("word");
    let checked = account.command(&["check", "--json"]).json();
    let listed = account.command(&["service", "list", "--json"]).json();
    assert_eq!(checked["services"], listed);
    assert_eq!(checked["rules"][1]["service"], "crm");
    assert_eq!(
        listed[0],
        json!({
            "name": "bot", "line": 4, "format": "wechat", "url": "http://127.0.0.1:9000",
            "slow": ["wait", "message", "next"], "state": "works", "waiting": 1, "kept": 2, "answered": 4,
            "expired": 1, "failed": 1, "error": null,
        })
    );
    assert_eq!(listed[1]["error"], "connection refused");
    let ran = account.command(&["service", "list"]);
    ran.ok().says("SERVICE  FORMAT");
    let rows: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[1][8..],
        ["1", "2", "4", "1", "1", "works"],
        "{}",
        ran.stdout
    );
}

#[test]
fn service_list_needs_no_store_and_no_service() {
    let none = Setup::new().stopped();
    none.command(&["service", "list"])
        .ok()
        .says("the configuration has no [[service]]");
    let entry = "[[service]]\nname = \"bot\"\nurl = \"http://127.0.0.1:9000\"\n";
    let account = Setup::new().rules(entry).stopped();
    account
        .command(&["service", "list"])
        .ok()
        .says("no answer yet");
    assert!(!account.store_path().exists());
}

#[test]
fn forwards_list_shows_every_state_newest_first() {
    let account = forwarded();
    let ran = account.command(&["forwards", "list"]);
    let lines: Vec<&str> = ran.ok().stdout.lines().collect();
    assert_eq!(lines.len(), 11, "{}", ran.stdout);
    let headings: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        headings,
        [
            "ID",
            "ASKED",
            "SERVICE",
            "OPENID",
            "STATE",
            "DELIVERIES",
            "SECONDS",
            "ERROR"
        ]
    );
    for (n, (line, (state, service, _, seconds, error))) in
        (0..10).zip(lines[1..].iter().rev().zip(FORWARDS))
    {
        let seconds = seconds.replace("NULL", "");
        let error = error.replace("NULL", "");
        ran.expect(line.starts_with(&format!("{}  ", n + 1)), "its id");
        for part in [state, service, FAN, &seconds, error.trim_matches('\'')] {
            ran.expect(line.contains(part), part);
        }
    }
    for (state, ..) in FORWARDS {
        let of_state = FORWARDS.iter().filter(|(other, ..)| *other == state);
        let rows = account.command(&["forwards", "list", "--state", state, "--json"]);
        let rows = rows.json();
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), of_state.count(), "{state}");
        assert!(rows.iter().all(|row| row["state"] == state), "{rows:?}");
    }
    let expired = account.command(&["forwards", "list", "--state", "expired", "--json"]);
    let expired = expired.json();
    assert_eq!(expired[0]["answer"], "answer 6");
    assert_eq!(expired[0]["message_id"], 6);
    let since = account.command(&["forwards", "list", "--since", "1d", "--json"]);
    assert_eq!(since.json().as_array().map(Vec::len), Some(8));
    account
        .command(&["forwards", "list", "--limit", "1"])
        .ok()
        .says("crm")
        .says_nothing_of("bot")
        .complains("the view forwards_v has all");
    account
        .command(&["forwards", "list", "--state", "lost"])
        .refused()
        .complains("answered");
}

#[test]
fn an_empty_list_of_forwards_says_what_was_searched_for() {
    let account = Account::start();
    for (arguments, text) in [
        (&[][..], "nothing was forwarded"),
        (
            &["--state", "kept", "--since", "2027-01-01"],
            "nothing is kept since 2027-01-01",
        ),
    ] {
        let ran = account.command(&[&["forwards", "list"], arguments].concat());
        assert_eq!(ran.ok().stdout, format!("{text}\n"));
    }
}

#[test]
fn check_warns_about_services_that_are_never_asked_and_settings_without_effect() {
    let service = |keys: &str| {
        format!("[[service]]\nname = \"bot\"\nurl = \"http://127.0.0.1:9000\"\n{keys}\n")
    };
    let rule = "[[rule]]\nmessage = \"text\"\nforward = \"bot\"\n";
    let never_sent = "service bot: \"message\" of `slow` is skipped";
    let never_asked = "service bot: no rule forwards to it";
    let never_shown = "service bot: wait_text is never shown";
    for (rules, has_api, expected) in [
        (service("") + rule, true, &[][..]),
        (service("") + rule, false, &[never_sent]),
        (service("slow = [\"wait\"]") + rule, false, &[]),
        (service(""), true, &[never_asked]),
        (service("wait_text = \"One moment\"") + rule, true, &[]),
        (
            service("wait_text = \"One moment\"\nslow = [\"wait\", \"message\"]") + rule,
            false,
            &[never_sent, never_shown],
        ),
    ] {
        let mut setup = Setup::new().rules(&rules);
        for key in ["account.app_id", "account.app_secret"] {
            setup = setup.unset(key);
        }
        if has_api {
            setup = setup
                .set("account.app_id", "\"wx0123456789abcdef\"")
                .set("account.app_secret", "\"0123456789abcdef0123456789abcdef\"");
        }
        let ran = setup.stopped().command(&["check"]);
        let warnings = ran.ok().stdout.lines();
        let warnings: Vec<&str> = warnings
            .filter_map(|line| line.strip_prefix("warning: "))
            .filter(|line| line.starts_with("service "))
            .collect();
        ran.expect(warnings.len() == expected.len(), &format!("{expected:?}"));
        for (warning, begin) in warnings.iter().zip(expected) {
            ran.expect(warning.starts_with(begin), begin);
        }
    }
}

#[test]
fn explain_shows_the_service_and_what_is_shown_when_it_fails() {
    let rules = r#"
[[service]]
name = "bot"
url = "http://127.0.0.1:9000"

[[rule]]
message = "text"
regex = '^ask (.+)$'
forward = "bot"
otherwise = "Not now: {1}"

[[rule]]
message = "any"
forward = "bot"

[[rule]]
event = "any"
forward = "bot"
otherwise = "Not now"
"#;
    let account = Setup::new().rules(rules).stopped();
    let ran = account.command(&["explain", "ask why"]);
    ran.ok()
        .says("yes  rule #1 (line 8): answers with forward\nforward → bot (wechat, wait → message → next)\nwhen it fails:\ntext:\n  Not now: why\n");
    let shown = account.command(&["explain", "ask why", "--json"]).json();
    assert_eq!(shown["answer"], "forward");
    assert_eq!(shown["why"], json!(null));
    assert_eq!(shown["reply"], json!(null));
    let forward = &shown["forward"];
    assert_eq!(forward["service"], "bot");
    assert_eq!(forward["format"], "wechat");
    assert_eq!(forward["slow"], json!(["wait", "message", "next"]));
    let otherwise = forward["otherwise"].as_str().unwrap();
    assert!(otherwise.contains("Not now: why"), "{otherwise}");
    account
        .command(&["explain", "hello"])
        .ok()
        .says("forward → bot (wechat, wait → message → next)\nnothing is shown when it fails\n");
    let ran = account.command(&["explain", "--event", "unsubscribe"]);
    ran.ok()
        .says("forward → bot")
        .says("nothing is shown, whatever it says: WeChat takes no reply to this event")
        .says_nothing_of("Not now");
    let shown = account.command(&["explain", "--message", "image", "--json"]);
    assert_eq!(shown.json()["forward"]["otherwise"], json!(null));
}

/// A stopped account with this service as `bot`, a rule that forwards to it, and these further keys of it.
fn with(service: &Service, keys: &str) -> Account {
    Setup::new()
        .rules(FORWARD_ALL)
        .service(service, keys)
        .stopped()
}

#[test]
fn service_check_makes_the_handshake_and_a_sample_push_and_shows_the_answer() {
    let service = Service::wechat();
    service.script([Act::text("You said hello"), Act::nothing()]);
    let account = with(&service, "");
    let url = service.url().replace("/wechat", "");
    let ran = account.command(&["service", "check", "bot"]);
    ran.ok()
        .says(&format!(
            "GET {url}: the program knows the service's `token`\n"
        ))
        .says(&format!(
            "POST {url}: the text \"hello\" of oSimulatedFollower0000000001"
        ))
        .says("the program may act on it\n")
        .says("text:\n  You said hello\n")
        .says_nothing_of(SERVICE_TOKEN);
    let calls: Vec<String> = service
        .asked()
        .iter()
        .map(|asked| asked.call.method.clone())
        .collect();
    assert_eq!(calls, ["GET", "POST"]);
    account
        .command(&["service", "check", "bot"])
        .ok()
        .says("that nothing is to be shown");
    // Each sample is a new message: a library answers a repeated one with nothing.
    assert_eq!(service.per_push().len(), 2, "{:?}", service.per_push());
}

#[test]
fn service_check_of_a_json_service_makes_a_sample_push_only() {
    let service = Service::json();
    service.always(Act::text("You said hello"));
    let account = with(&service, "");
    let shown = account.command(&["service", "check", "bot", "--json"]);
    shown.ok().says_nothing_of(SERVICE_SECRET);
    let shown = shown.json();
    assert_eq!(shown["service"], "bot");
    assert_eq!(shown["handshake"], false);
    assert_eq!(shown["sample"], "hello");
    let reply = shown["reply"].as_str().unwrap();
    assert!(reply.contains("You said hello"), "{reply}");
    let asked = service.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].call.json()["data"]["content"], "hello");
}

#[test]
fn service_check_fails_without_a_sample_push_where_the_program_does_not_know_the_token() {
    let service = Service::wechat_with("anotherToken");
    let account = with(&service, "");
    account.rewrite_config(|config| config.replace("anotherToken", SERVICE_TOKEN));
    account
        .command(&["service", "check", "bot"])
        .failed()
        .complains("did not prove that it knows the Token: HTTP 403")
        .complains("no push was made")
        .says_nothing_of(SERVICE_TOKEN);
    let calls = service.asked().into_iter().map(|asked| asked.call.method);
    assert_eq!(calls.collect::<Vec<_>>(), ["GET"]);
    assert_eq!(service.mistakes().len(), 1);
}

#[test]
fn service_check_says_what_went_wrong_with_the_sample_push() {
    let service = Service::json();
    let account = with(&service, "timeout = \"1s\"");
    for (act, why) in [
        (
            Act::http("500 Internal Server Error", "", "oops"),
            "HTTP 500",
        ),
        (
            Act::redirect("http://127.0.0.1:1/"),
            "redirects are not followed",
        ),
        (Act::hang(), "within 1 s"),
    ] {
        service.always(act);
        let ran = account.command(&["service", "check", "bot"]);
        ran.failed()
            .complains("gave no usable answer to a sample push")
            .complains(why)
            .complains("it may have acted on the push")
            .says_nothing_of(SERVICE_SECRET);
    }
    service.down();
    account
        .command(&["service", "check", "bot", "--json"])
        .failed()
        .complains("\"what_to_do\"");
    for (name, advice) in [("bott", "did you mean bot?"), ("crm", "it can be bot")] {
        account
            .command(&["service", "check", name])
            .refused()
            .complains(&format!("there is no service {name:?}; {advice}"));
    }
}

#[test]
fn a_service_without_a_token_of_its_own_knows_that_of_the_account() {
    let service = Service::wechat_with(TOKEN);
    let own = format!("token = \"{TOKEN}\"\n\n");
    let account = with(&service, "");
    // The account's stands in the first lines, the service's at the end.
    account.rewrite_config(|config| config.replace(&own, ""));
    account
        .command(&["service", "check", "bot"])
        .ok()
        .says("the program knows the account's Token");
}

#[test]
fn service_secret_prints_that_of_the_configuration_or_one_that_is_made_once() {
    let service = Service::json();
    let account = with(&service, "");
    let secret = |account: &Account| {
        let ran = account.command(&["service", "secret", "bot"]);
        ran.ok().stdout.trim().to_owned()
    };
    assert_eq!(secret(&account), SERVICE_SECRET);
    let own = format!("secret = \"{SERVICE_SECRET}\"\n");
    account.rewrite_config(|config| config.replace(&own, ""));
    let made = secret(&account);
    assert!(made.starts_with("whsec_"), "{made}");
    assert_ne!(made, SERVICE_SECRET);
    assert_eq!(secret(&account), made);
    let shown = account
        .command(&["service", "secret", "bot", "--json"])
        .json();
    assert_eq!(shown, json!({ "service": "bot", "secret": made }));
    account.rewrite_config(|config| config.replace("\"json\"", "\"wechat\""));
    account
        .command(&["service", "secret", "bot"])
        .failed()
        .complains("bot has no secret; calls of the format \"wechat\" are signed with `token`");
}

#[test]
fn what_a_service_answered_and_where_it_failed_is_listed() {
    let service = Service::wechat();
    let account = Setup::new()
        .rules(FORWARD_ALL)
        .service(&service, "")
        .start();
    service.always(Act::text("You said hello"));
    account.post(&text("hello")).is_text("You said hello");
    service.always(Act::http("500 Internal Server Error", "", ""));
    account.post(&text("again")).is_text("The bot is out.");
    let rows = account.command(&["forwards", "list", "--json"]).json();
    let facts = |row: &serde_json::Value| (row["state"].clone(), row["error"].clone());
    assert_eq!(
        facts(&rows[0]),
        (json!("failed"), json!("HTTP 500")),
        "{rows}"
    );
    assert_eq!(facts(&rows[1]), (json!("answered"), json!(null)), "{rows}");
    account
        .command(&["check"])
        .ok()
        .says("failed: HTTP 500; `wechatd service check bot` tries it\n");
    service.always(Act::nothing());
    account.post(&text("once more")).is_success();
    let listed = account.command(&["service", "list", "--json"]).json();
    assert_eq!(listed[0]["state"], "works", "{listed}");
    assert_eq!(listed[0]["answered"], 2, "{listed}");
}
