//! `wechatd gate test`: who would pass, and why not.

use crate::support::store::change;
use crate::support::*;
use serde_json::{Value, json};

const GATES: &str = "
[login]
session = \"2d\"

[[gate]]
name = \"followers\"
who = \"followers\"

[[gate]]
name = \"vip\"
who = \"tag:VIP\"
max_age = \"12h\"

[[gate]]
name = \"staff\"
who = [\"oOne\"]
methods = [\"scan\"]

[[gate]]
name = \"open\"
who = \"anyone\"
";

/// A stopped account with the followers `oVip`, who has a tag, and `oFan`.
fn account() -> Account {
    let mut account = Setup::new().rules(GATES).start();
    account.stop();
    change(
        &account.store_path(),
        "INSERT INTO tags (id, name) VALUES (100, 'VIP'), (101, 'Other');
         INSERT INTO followers (openid, subscribe_time, tagid_list) VALUES ('oVip', 1, '[101,100]'), ('oFan', 1, '[101]')",
    );
    account
}

#[test]
fn gate_test_says_who_passes_and_why_not() {
    let account = account();
    for (arguments, passes, says) in [
        ("followers oFan", true, "oFan passes followers: followers"),
        (
            "followers oOne",
            false,
            "oOne is refused at followers: does not follow the account",
        ),
        (
            "vip oVip",
            true,
            "oVip passes vip: followers with the tag VIP",
        ),
        (
            "vip oFan",
            false,
            "oFan is refused at vip: has not the tag VIP",
        ),
        ("vip oOne", false, "does not follow the account"),
        ("vip oVip --age 12h", true, "passes"),
        (
            "vip oVip --age 13h",
            false,
            "oVip has to log in again at vip: the log-in was 13h ago, and max_age is 12h",
        ),
        (
            "open oNobody",
            true,
            "oNobody passes open: any user of WeChat",
        ),
        ("open oNobody --age 47h", true, "passes"),
        (
            "open oNobody --age 2d",
            false,
            "has to log in again at open: a session ends after 2d (login.session)",
        ),
        ("staff oOne", true, "oOne passes staff: 1 listed openid"),
        ("staff oOne --method scan", true, "passes"),
        (
            "staff oOne --method oauth",
            false,
            "has to log in again at staff: a log-in by oauth does not count here",
        ),
        (
            "staff oVip",
            false,
            "oVip is refused at staff: is not in the list",
        ),
    ] {
        let arguments: Vec<&str> = ["gate", "test"]
            .into_iter()
            .chain(arguments.split(' '))
            .collect();
        let ran = account.command(&arguments);
        ran.is_code(if passes { 0 } else { 1 }).says(says);
    }
}

#[test]
fn gate_test_answers_programs_too() {
    let account = account();
    let ran = account.command(&["gate", "test", "vip", "oFan", "--json"]);
    let answer: Value = serde_json::from_str(&ran.is_code(1).stdout).unwrap();
    assert_eq!(
        answer,
        json!({
            "gate": "vip", "openid": "oFan", "method": "oauth", "passage": "refused",
            "why": "has not the tag VIP", "subscribed": true, "tags": ["Other"],
        })
    );
    let passes = account
        .command(&["gate", "test", "vip", "oVip", "--json"])
        .json();
    assert_eq!(passes["passage"], "pass");
    assert_eq!(passes["why"], Value::Null);
}

#[test]
fn gate_test_names_the_gates_that_there_are() {
    account()
        .command(&["gate", "test", "folowers", "oFan"])
        .is_code(2)
        .complains("there is no gate \"folowers\"; did you mean followers?");
    account()
        .command(&["gate", "test", "vip", "oFan", "--age", "long"])
        .is_code(2)
        .complains("is not a duration");
    let without = Setup::new().stopped();
    without
        .command(&["gate", "test", "members", "oFan"])
        .is_code(2)
        .complains("it can be default");
}
