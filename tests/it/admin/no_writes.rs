//! The page while the store takes no writes: everything can be read, and an action is done whole or not at all, and says
//! why.

use crate::support::account::RULES;
use crate::support::disk::{fill_up, make_room, small};
use crate::support::operator::{Operator, PAGE, link};
use crate::support::*;
use serde_json::Value;

const SEND: &str = "/cgi-bin/message/custom/send";
const REMARK: &str = "/cgi-bin/user/info/updateremark";

/// What no refused action may change: whether somebody is signed in, what is to do, who follows, and what was said.
fn state(operator: &Operator) -> (Value, Value, usize) {
    let health = operator.get("/health.json").is_status(200).body();
    let health: Value = serde_json::from_str(&health).unwrap();
    let talk = operator.get(&format!("/people/{FAN}"));
    let bubbles = talk.is_status(200).body().matches("class=\"bubble").count();
    (health["todo"].clone(), health["followers"].clone(), bubbles)
}

/// What stands in a field of a form.
fn field<'a>(body: &'a str, name: &str) -> &'a str {
    let (_, value) = body
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("{name} in {body}"));
    value.split('"').next().unwrap()
}

#[test]
fn on_a_full_disk_every_page_is_shown_and_nothing_is_done_by_half() {
    let platform = Platform::start();
    let mut account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("store.path", "\"data/wechat.db\"")
        .rules(&RULES.replace("prefix", "todo = true\nprefix"))
        .platform(&platform)
        .stopped();
    std::fs::create_dir(account.folder().join("data")).unwrap();
    account.begin();
    account.post(&subscribe()).is_status(200);
    account.post(&text("is there parking?")).is_status(200);
    account.post(&text("@ when is tea time?")).is_status(200);
    let keys = [link(&account), link(&account)];
    account.stop();
    let Some(account) = small(account) else {
        return;
    };
    let operator = Operator::by(&account, &keys[0]);
    fill_up(&account);
    let talk = format!("/people/{FAN}");
    for path in [
        "/",
        "/inbox",
        "/inbox?tab=todo",
        "/inbox?tab=unanswered&q=tea",
        "/inbox?tab=events",
        &talk,
        "/followers",
        "/rules?text=tea",
        "/unanswered",
        "/health",
        "/health.json",
        "/news?after=0",
        "/login",
    ] {
        operator.get(path).is_status(200);
    }
    let health = operator.get("/health");
    let why = "the disk is full: make room";
    health.expect(health.body().contains(why), why);
    let before = state(&operator);
    let asked = platform.calls().len();
    let todo = operator.get("/inbox?tab=todo").body();
    let unanswered = operator.get("/unanswered").body();
    let send = format!("{talk}/send");
    let answer = || {
        let body = operator.get(&talk).body();
        format!(
            "once={}&content=At+five&done={}",
            field(&body, "once"),
            field(&todo, "ids")
        )
    };
    for (path, fields) in [
        ("/inbox/done", format!("ids={}", field(&todo, "ids"))),
        (
            "/unanswered/done",
            format!("id={}", field(&unanswered, "id")),
        ),
        (&send, answer()),
        (
            &format!("{talk}/forget"),
            format!("last={}", &FAN[FAN.len() - 6..]),
        ),
        ("/health/sign-out", String::new()),
        ("/logout", String::new()),
        (&keys[1], String::new()),
    ] {
        let refused = operator.post(path, &fields);
        refused.is_status(503);
        refused.expect(refused.body().contains(why), why);
        assert_eq!(state(&operator), before, "{path}");
        if path == send {
            refused.expect(refused.body().contains("Not sent."), "not sent");
            let draft = ">At five</textarea>";
            refused.expect(refused.body().contains(draft), "what was typed");
        }
    }
    assert_eq!(platform.calls().len(), asked, "nobody asked the platform");

    make_room(&account);
    operator.post(&send, &answer()).is_status(303);
    assert_eq!(platform.bodies(SEND).len(), 1);
    let talk = operator.get(&talk).body();
    assert!(talk.contains("<bdi>At five</bdi>"), "{talk}");
    assert_eq!(state(&operator).0, 0);
    Operator::by(&account, &keys[1]);
}

#[test]
fn while_another_program_holds_the_store_an_answer_is_not_sent_and_stays_in_the_box() {
    let platform = Platform::start();
    let account = Setup::new().set(PAGE.0, PAGE.1).platform(&platform).start();
    account.post(&subscribe()).is_status(200);
    account.post(&text("when is tea time?")).is_status(200);
    let operator = Operator::of(&account);
    // A token is there then: fetching one needs the store.
    eventually("the profile", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_at IS NOT NULL")
            == 1
    });
    let lock = rusqlite::Connection::open(account.store_path()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let talk = format!("/people/{FAN}");
    let body = operator.get(&talk).is_status(200).body();
    let form = format!("once={}&content=At+five", field(&body, "once"));
    let refused = operator.post(&format!("{talk}/send"), &form);
    refused.is_status(503);
    for part in [
        "Not sent.",
        "another program holds the store",
        ">At five</textarea>",
    ] {
        refused.expect(refused.body().contains(part), part);
    }
    for path in ["/", "/inbox?tab=messages&q=tea", &talk, "/health"] {
        operator.get(path).is_status(200);
    }
    // WeChat has it, the store has not: both are said.
    let remarked = operator.post(&format!("{talk}/remark"), "remark=Ann");
    remarked.is_status(503);
    for part in [
        "WeChat has done it, but it could not be noted here",
        "another program holds the store",
    ] {
        remarked.expect(remarked.body().contains(part), part);
    }
    assert_eq!(platform.count(REMARK), 1);
    lock.execute_batch("ROLLBACK").unwrap();
    let form = format!("once={}&content=At+five", field(&refused.body(), "once"));
    operator.post(&format!("{talk}/send"), &form).is_status(303);
    assert_eq!(platform.bodies(SEND).len(), 1);
}
