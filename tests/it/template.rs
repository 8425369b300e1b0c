//! Template messages: listed, sent, and what became of them.

use crate::support::*;
use serde_json::{Value, json};

const SEND: &str = "/cgi-bin/message/template/send";
const TEMPLATE: &str = "SYNtpl_VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3";

fn finished(msg_id: &str, status: &str) -> Push {
    event("TEMPLATESENDJOBFINISH")
        .element("MsgID", msg_id)
        .element("Status", status)
}

#[test]
fn list_shows_the_keys_that_each_template_asks_for() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let ran = account.command(&["template", "list"]);
    ran.ok()
        .says(TEMPLATE)
        .says("Order paid")
        .says("thing1, amount2");
    let json = account.command(&["template", "list", "--json"]).json();
    assert_eq!(json[0]["example"], "Blue mug\n39.80");
}

#[test]
fn a_template_message_is_sent_as_in_its_sample() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let sample: Value = serde_json::from_str(&sample("api/template_send.json")).unwrap();
    let wanted = &sample["request"];
    let short =
        r#"{"thing1": "Blue mug", "amount2": "39.80", "time3": {"value": "2026-01-01 12:00"}}"#;
    let miniprogram = wanted["miniprogram"].to_string();
    for data in [short, &wanted["data"].to_string()] {
        let ran = account.command(&[
            "template",
            "send",
            FAN,
            TEMPLATE,
            "--data",
            data,
            "--url",
            "https://www.example.com/o/1",
            "--miniprogram",
            &miniprogram,
            "--id",
            "order-1-paid",
        ]);
        ran.ok().says("4250000000000000");
        assert_eq!(platform.bodies(SEND).last(), Some(wanted));
    }
    let json = account.command(&["template", "send", FAN, TEMPLATE, "--data", "{}", "--json"]);
    assert_eq!(json.json(), json!({"msg_id": "4250000000000000003"}));
    for data in [
        "{",
        "[]",
        r#"{"thing1": null}"#,
        r#"{"thing1": {"color": "red"}}"#,
    ] {
        account
            .command(&["template", "send", FAN, TEMPLATE, "--data", data])
            .refused()
            .complains("--data");
    }
    assert_eq!(platform.count(SEND), 3);
}

#[test]
fn status_shows_what_became_of_it() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    for _ in 0..2 {
        let data = r#"{"thing1": "Blue mug"}"#;
        account
            .command(&["template", "send", FAN, TEMPLATE, "--data", data])
            .ok();
    }
    let (first, second) = ("4250000000000000001", "4250000000000000002");
    account
        .command(&["template", "status"])
        .ok()
        .says("no result yet");
    account
        .post(&finished(first, "failed:user block"))
        .is_success();
    let stranger = another_fan();
    account
        .post(&finished("77", "success").from(&stranger))
        .is_success();
    account.store().is(
        "SELECT msg_id, openid, status, sent_at IS NULL FROM jobs WHERE status IS NOT NULL ORDER BY id",
        &[&format!("{first}|{FAN}|failed:user block|0"), &format!("77|{stranger}|success|1")],
    );
    let jobs = account.command(&["template", "status", "--json"]).json();
    let of = |msg_id: &str| {
        jobs.as_array()
            .unwrap()
            .iter()
            .find(|job| job["msg_id"] == msg_id)
            .unwrap()
    };
    assert_eq!(of(first)["status"], "failed:user block");
    assert_eq!(of(first)["content"], TEMPLATE);
    assert_eq!(of(second)["status"], Value::Null);
    account
        .command(&["template", "status", second])
        .ok()
        .says("no result yet")
        .says_nothing_of(first);
}

#[test]
fn a_result_that_comes_before_the_answer_is_not_lost() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .post(&finished("4250000000000000001", "success"))
        .is_success();
    account
        .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
        .ok();
    account.store().is(
        "SELECT status, content, sent_at > 0 FROM jobs",
        &[&format!("success|{TEMPLATE}|1")],
    );
}

#[test]
fn a_person_who_is_forgotten_leaves_no_sending_behind() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
        .ok();
    account
        .command(&["followers", "forget", FAN])
        .ok()
        .says("1 template messages");
    assert_eq!(account.store().count("jobs"), 0);
}

#[test]
fn a_refusal_is_explained_and_leaves_no_row() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    platform.fault(
        SEND,
        Fault::Errcode(47003, "argument invalid! data.thing1.value is empty"),
    );
    account
        .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
        .failed()
        .complains("data.thing1.value is empty");
    platform.fault(SEND, Fault::Closed);
    account
        .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
        .failed()
        .complains("may have arrived");
    assert_eq!(platform.count(SEND), 2, "never repeated");
    assert_eq!(account.store().count("jobs"), 0);
}
