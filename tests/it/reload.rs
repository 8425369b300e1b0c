//! Reloading with SIGHUP: all of the new configuration or nothing takes effect, and no push is lost or delayed.

use crate::support::account::{APP_ID, HELP, WELCOME};
use crate::support::console::{AES_KEY, OTHER_AES_KEY};
use crate::support::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sets one key in the file, without a reload.
fn set(account: &Account, key: &str, value: &str) {
    let start = format!("{key} = ");
    account.rewrite_config(|config| {
        let others: Vec<&str> = config
            .lines()
            .filter(|line| !line.starts_with(&start))
            .collect();
        format!("{start}{value}\n{}\n", others.join("\n"))
    });
}

/// Removes one key from the file, without a reload.
fn unset(account: &Account, key: &str) {
    let start = format!("{key} = ");
    account.rewrite_config(|config| {
        let others: Vec<&str> = config
            .lines()
            .filter(|line| !line.starts_with(&start))
            .collect();
        others.join("\n") + "\n"
    });
}

/// A rule that answers any text.
fn rule(says: &str) -> String {
    format!("[[rule]]\nmessage = \"text\"\ntext = \"{says}\"\n")
}

/// Replaces the rules in the file, without a reload.
fn set_rules(account: &Account, rules: &str) {
    account.rewrite_config(|config| {
        let head = config.split("[[rule]]").next().unwrap();
        format!("{head}{rules}")
    });
}

#[test]
fn rules_change_at_once() {
    let account = Account::with_rules(&rule("one"));
    account.post(&text("hello")).is_text("one");
    set_rules(&account, &rule("two"));
    account.post(&text("hello")).is_text("one");
    account.reload();
    account.post(&text("hello")).is_text("two");
    set_rules(&account, "");
    account.reload();
    account.post(&text("hello")).is_success();
    account
        .command(&["explain", "hello"])
        .ok()
        .says("no rule matches");
}

#[test]
fn limits_change_at_once() {
    let patient = Setup::new().set("server.request_timeout", "\"60s\"");
    let account = patient.start();
    let large = format!("@{}", "x".repeat(10_000));
    account.post(&text(&large)).is_status(200);
    set(&account, "server.max_body", "\"4KiB\"");
    account.reload();
    account.post(&text(&large)).is_status(413);
    account.post(&text("hello")).is_text(HELP);
    set(&account, "server.max_body", "\"1MiB\"");
    set(&account, "server.request_timeout", "\"1s\"");
    account.reload();
    account.post(&text(&large)).is_status(200);
    let mut slow = Wire::connect(account.address()).unwrap();
    slow.send(b"POST /wechat HTTP/1.1\r\n").unwrap();
    // Long before the old timeout.
    let closed =
        slow.response().map(|response| response.status) == Ok(408) || slow.is_closed_by_server();
    assert!(closed, "{}", account.log());
    let stale = || text("hello").stamped(now() - 120);
    account.post(&stale()).is_text(HELP);
    set(&account, "server.max_clock_skew", "\"1m\"");
    account.reload();
    account.post(&stale()).is_refused();
    set(&account, "server.max_clock_skew", "\"0s\"");
    account.reload();
    account.post(&stale()).is_text(HELP);
}

#[test]
fn the_path_changes_at_once() {
    let account = Account::start();
    set(&account, "server.path", "\"/callback/new\"");
    account.reload();
    account.post(&text("hello")).is_status(404);
    let moved = text("hello").request("/callback/new", TOKEN);
    account.send(&moved).is_text(HELP);
    account.get("/healthz").is(200, "ok");
    account.command(&["check"]).ok().says("/callback/new");
}

#[test]
fn the_encryption_settings_change_at_once() {
    let account = Account::start();
    let first = Console::new(Mode::Secure);
    let second = Console::new(Mode::Secure).key(OTHER_AES_KEY);
    set(&account, "account.mode", "\"secure\"");
    set(&account, "account.aes_key", &format!("\"{AES_KEY}\""));
    set(&account, "account.app_id", &format!("\"{APP_ID}\""));
    account.reload();
    first.push(&account, &text("hello")).is_text(HELP);
    account.post(&text("hello")).is_refused();
    account
        .send(&second.deliver(&text("hello")).request())
        .is_refused();

    set(&account, "account.aes_key", &format!("\"{OTHER_AES_KEY}\""));
    set(
        &account,
        "account.previous_aes_key",
        &format!("\"{AES_KEY}\""),
    );
    account.reload();
    first.push(&account, &text("hello")).is_text(HELP);
    second.push(&account, &text("hello")).is_text(HELP);

    unset(&account, "account.previous_aes_key");
    account.reload();
    account
        .send(&first.deliver(&text("hello")).request())
        .is_refused();
    second.push(&account, &text("hello")).is_text(HELP);
}

#[test]
fn the_token_can_be_changed_without_refusing_a_push() {
    let account = Account::start();
    let new = "theNextToken2027";
    set(&account, "account.token", &format!("\"{new}\""));
    set(&account, "account.previous_token", &format!("\"{TOKEN}\""));
    account.reload();
    account.post(&text("old")).is_text(HELP);
    account.post(&text("new").signed_with(new)).is_text(HELP);
    account.simulate(&["verify"]).ok();
    unset(&account, "account.previous_token");
    account.reload();
    account.post(&text("old")).is_refused();
    account.post(&text("new").signed_with(new)).is_text(HELP);
    account.simulate(&["text", "hello"]).ok().says(HELP);
}

#[test]
fn removing_the_token_from_the_file_uses_the_generated_one() {
    let account = Account::start();
    unset(&account, "account.token");
    account.reload();
    account.post(&text("hello")).is_refused();
    let generated = account.command(&["check", "--json"]).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    account
        .post(&text("hello").signed_with(&generated))
        .is_text(HELP);
    assert_eq!(generated.len(), 32);
    assert!(!account.log().has(&generated), "the Token is in the log");
}

#[test]
fn a_configuration_with_mistakes_changes_nothing_and_each_is_reported_with_its_line() {
    let account = Account::start();
    let good = std::fs::read_to_string(account.config_path()).unwrap();
    let twelve_lines = "# comment\n".repeat(12);
    let mistakes = [
        (
            "a misspelt key",
            format!("server.pth = \"/x\"\n{good}"),
            "server.path",
        ),
        (
            "an unknown section",
            format!("{good}\n[sever]\nworkers = 2\n"),
            "sever",
        ),
        ("no TOML", format!("{good}\n[[rule\n"), ""),
        ("half a file", good[..good.len() / 2].into(), ""),
        (
            "a bad regex",
            format!("{good}\n[[rule]]\nmessage = \"text\"\nregex = \"(\"\ntext = \"x\"\n"),
            "regex",
        ),
        (
            "a rule without an answer",
            format!("{good}\n[[rule]]\nmessage = \"text\"\n"),
            "answer",
        ),
        (
            "a bad duration",
            format!("server.request_timeout = \"soon\"\n{good}"),
            "request_timeout",
        ),
        (
            "a bad mode",
            format!("account.mode = \"safe\"\n{good}"),
            "account.mode",
        ),
        (
            "a mode without its key",
            format!("account.mode = \"secure\"\n{good}"),
            "account.aes_key",
        ),
        (
            "a bad EncodingAESKey",
            format!("account.aes_key = \"short\"\n{good}"),
            "account.aes_key",
        ),
        ("a short Token", good.replace(TOKEN, "ab"), "account.token"),
        (
            "a secret file that is not there",
            format!("account.app_secret_file = \"nowhere\"\n{good}"),
            "app_secret",
        ),
    ];
    for (what, broken, named) in mistakes {
        // A valid change in the same file must not take effect either.
        let broken = format!("{twelve_lines}server.max_body = \"1KiB\"\n{broken}")
            .replace(HELP, "another help");
        std::fs::write(account.config_path(), broken).unwrap();
        let before = account.log().lines().len();
        account.reload();
        let said = account.log().lines()[before..].join("\n");
        assert!(said.contains("the old one stays"), "{what}:\n{said}");
        assert!(
            said.contains(named),
            "{what} does not name {named:?}:\n{said}"
        );
        let place = account.config_path().display().to_string();
        let line = said.split(&format!("{place}:")).nth(1).unwrap_or_default();
        assert!(
            line.starts_with(|c: char| c.is_ascii_digit()),
            "{what} has no line:\n{said}"
        );
        account.post(&text("hello")).is_text(HELP);
        account.post(&text(&"@".repeat(2_000))).is_status(200);
    }
    let both = format!("[server]\npth = 1\nworkers = \"many\"\n{}", rule("x"));
    std::fs::write(account.config_path(), both).unwrap();
    let before = account.log().lines().len();
    account.reload();
    let said = account.log().lines()[before..].join("\n");
    for part in [
        ":2: ",
        ":3: ",
        "server.pth",
        "server.path",
        "server.workers",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    std::fs::write(account.config_path(), good.replace(HELP, "mended")).unwrap();
    account.reload();
    account.post(&text("hello")).is_text("mended");
}

#[test]
fn a_missing_or_unreadable_configuration_changes_nothing() {
    let account = Account::start();
    let good = std::fs::read(account.config_path()).unwrap();
    std::fs::remove_file(account.config_path()).unwrap();
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    std::fs::create_dir(account.config_path()).unwrap();
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    std::fs::remove_dir(account.config_path()).unwrap();
    std::fs::write(account.config_path(), b"# \xff\xfe\n").unwrap();
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    let good = String::from_utf8(good).unwrap().replace(HELP, "back again");
    std::fs::write(account.config_path(), good).unwrap();
    account.reload();
    account.post(&text("hello")).is_text("back again");
}

/// Every key that needs a restart, changed to another value. (Another AppID makes the whole reload fail, because the
/// store belongs to this one.)
#[test]
fn a_reload_names_keys_that_need_a_restart_and_keeps_their_values() {
    use wechatd::config::{Change, KEYS};
    let values = [
        ("account.app_secret", "\"ffffffffffffffffffffffffffffffff\""),
        ("account.app_secret_file", "\"secret\""),
        ("server.listen", "\"127.0.0.1:1\""),
        ("server.workers", "7"),
        ("server.max_head", "\"64KiB\""),
        ("store.path", "\"another.db\""),
        ("api.base_url", "\"http://127.0.0.1:2\""),
        ("api.timeout", "\"3s\""),
    ];
    let console = Console::new(Mode::Secure);
    let account = console
        .setup()
        .set("account.app_secret", "\"0123456789abcdef0123456789abcdef\"")
        .set("api.base_url", "\"http://127.0.0.1:3\"")
        .start();
    std::fs::write(
        account.folder().join("secret"),
        "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    )
    .unwrap();
    let good = std::fs::read_to_string(account.config_path()).unwrap();
    for key in KEYS
        .iter()
        .filter(|key| matches!(key.change, Change::Restart(_)))
    {
        let value = values.iter().find(|(name, _)| *name == key.name);
        let Some((name, value)) = value else {
            // Covered by tests of its own.
            continue;
        };
        std::fs::write(account.config_path(), &good).unwrap();
        account.reload();
        set(&account, name, value);
        if *name == "account.app_secret_file" {
            unset(&account, "account.app_secret");
        }
        let before = account.log().lines().len();
        account.reload();
        let logged = || account.log().lines()[before..].join("\n");
        eventually(&format!("{name} is named"), account.log(), || {
            logged().contains("only after a restart")
        });
        let said = logged();
        let line = said
            .lines()
            .find(|line| line.contains("only after a restart"))
            .unwrap();
        assert!(line.contains(name), "{name} is not named:\n{said}");
        for (other, _) in values.iter().filter(|(other, _)| other != name) {
            let is_related = name.starts_with(other) || other.starts_with(name);
            assert!(
                is_related || !line.contains(other),
                "{other} is named, too:\n{said}"
            );
        }
        assert!(
            !said.contains("ffffffff") && !said.contains("eeeeeeee"),
            "{said}"
        );
    }
    std::fs::write(account.config_path(), &good).unwrap();
    account.reload();
    console.push(&account, &text("hello")).is_text(HELP);
    assert!(!account.folder().join("another.db").exists());
}

#[test]
fn a_reload_without_changes_names_no_key() {
    let account = Account::start();
    account.reload();
    account.post(&text("hello")).is_text(HELP);
    assert!(
        !account.log().has("only after a restart"),
        "{}",
        account.log()
    );
}

#[test]
fn twenty_reloads_under_load_lose_and_delay_no_push() {
    let account = Account::with_rules(&rule("round 0"));
    let done = AtomicBool::new(false);
    let (posted, slowest) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let fan = another_fan();
                    let mut posted = 0;
                    let mut slowest = Duration::ZERO;
                    while !done.load(Ordering::Relaxed) {
                        let answer = account.post(&text("hello").from(&fan));
                        let said = answer.reply().content;
                        answer.expect(said.starts_with("round "), "an answer of some round");
                        slowest = slowest.max(answer.took);
                        posted += 1;
                    }
                    (posted, slowest)
                })
            })
            .collect();
        for round in 1..=20 {
            match round % 4 {
                // Some of the files are broken, which must not matter either.
                3 => set(&account, "server.nonsense", "1"),
                _ => {
                    unset(&account, "server.nonsense");
                    set_rules(&account, &rule(&format!("round {round}")));
                }
            }
            account.reload();
        }
        done.store(true, Ordering::Relaxed);
        let ends: Vec<(i64, Duration)> = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect();
        let posted: i64 = ends.iter().map(|(posted, _)| posted).sum();
        (
            posted,
            ends.iter().map(|(_, slowest)| *slowest).max().unwrap(),
        )
    });
    assert_eq!(account.store().count("messages"), posted);
    assert_eq!(account.store().count("messages WHERE reply IS NULL"), 0);
    assert!(slowest < IN_TIME, "a push took {slowest:?}");
    account.post(&text("hello")).is_text("round 20");
}

#[test]
fn two_hundred_signals_at_once_do_no_harm() {
    let account = Account::start();
    for _ in 0..200 {
        account.hang_up();
    }
    account.post(&subscribe()).is_text(WELCOME);
    set_rules(&account, &rule("after the storm"));
    account.reload();
    eventually("the new rules", account.log(), || {
        account.post(&text("hello")).reply().content == "after the storm"
    });
}

#[test]
fn a_push_that_arrives_during_a_reload_is_answered() {
    // The configuration changes when the head and part of the body have arrived.
    let account = Account::with_rules(&rule("before"));
    let bytes = text("hello").request("/wechat", TOKEN).bytes();
    let (first, rest) = bytes.split_at(bytes.len() - 20);
    let mut wire = Wire::connect(account.address()).unwrap();
    wire.send(first).unwrap();
    set_rules(&account, &rule("after"));
    account.reload();
    wire.send(rest).unwrap();
    let response = wire.response().unwrap();
    assert_eq!(response.status, 200, "{}", account.log());
    let said = String::from_utf8(response.body).unwrap();
    assert!(said.contains("after") || said.contains("before"), "{said}");
}
