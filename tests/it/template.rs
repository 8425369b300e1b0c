//! Template messages: the templates, sending, and results.

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
fn status_shows_the_result_of_a_message() {
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
fn forgetting_a_person_removes_their_template_messages() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
        .ok();
    account
        .command(&["followers", "forget", FAN, "--yes"])
        .ok()
        .says("1 template message sent");
    assert_eq!(account.store().count("jobs"), 0);
}

#[test]
fn a_refusal_leaves_no_row_but_an_unknown_outcome_does() {
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
    assert_eq!(account.store().count("jobs"), 0);
    for fault in [Fault::Closed, Fault::Errcode(-1, "system error")] {
        platform.fault(SEND, fault);
        account
            .command(&["template", "send", FAN, TEMPLATE, "--data", "{}"])
            .may_be_done()
            .complains("may have arrived");
    }
    assert_eq!(platform.count(SEND), 3, "never retried");
    account.store().is(
        "SELECT openid, msg_id FROM jobs",
        &[format!("{FAN}|NULL").as_str(); 2],
    );
    account
        .command(&["template", "status"])
        .ok()
        .says("unknown: WeChat did not say");
}

#[test]
fn templates_are_added_and_deleted() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let added = account.command(&["template", "add", "TM00015", "商品名称", "金额", "--json"]);
    let id = added.json()["template_id"].as_str().unwrap().to_owned();
    let sample: Value =
        serde_json::from_str(&sample("api/template_api_add_template.json")).unwrap();
    let asked = platform.bodies("/cgi-bin/template/api_add_template");
    assert_eq!(asked, [sample["request"].clone()]);
    account.command(&["template", "list"]).ok().says(&id);
    account
        .command(&["template", "delete", &id])
        .refused()
        .complains("--yes");
    account.command(&["template", "delete", &id, "--yes"]).ok();
    account
        .command(&["template", "list"])
        .ok()
        .says_nothing_of(&id);
    account
        .command(&["template", "delete", &id, "--yes"])
        .failed()
        .complains("wechatd template list");
}

#[test]
fn industries_are_shown_and_set_after_confirmation() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    account
        .command(&["template", "industry"])
        .ok()
        .says("IT科技, 互联网|电子商务")
        .says("IT科技, 电子技术");
    let json = account.command(&["template", "industry", "--json"]).json();
    assert_eq!(json["secondary_industry"]["second_class"], "电子技术");
    let set = ["template", "industry", "set", "10", "12"];
    account.command(&set).refused().complains("in a month");
    account.command(&[&set[..], &["--yes"]].concat()).ok();
    let industries = platform.forms(|forms| forms.industries.clone());
    assert_eq!(industries, ("10".to_owned(), "12".to_owned()));
    platform.fault(
        "/cgi-bin/template/get_industry",
        Fault::Body(r#"{"primary_industry":{"first_class":"","second_class":""}}"#.to_owned()),
    );
    account
        .command(&["template", "industry"])
        .ok()
        .says("not set");
}

#[test]
fn a_one_time_message_is_sent_as_in_its_sample() {
    const ONCE: &str = "/cgi-bin/message/template/subscribe";
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let sample: Value = serde_json::from_str(&sample("api/template_subscribe_once.json")).unwrap();
    let once = |text: &str, scene: &str, title: &str| {
        account.command(&[
            "template",
            "once",
            FAN,
            TEMPLATE,
            text,
            "--scene",
            scene,
            "--title",
            title,
            "--url",
            "https://www.example.com",
            "--color",
            "#173177",
        ])
    };
    once("class starts at 9", "1000", "Reminder")
        .ok()
        .says("sent");
    assert_eq!(platform.bodies(ONCE), [sample["request"].clone()]);
    once(&"字".repeat(201), "1000", "Reminder")
        .refused()
        .complains("1 to 200 characters");
    once("class", "1000", "sixteen letters!")
        .refused()
        .complains("1 to 15 characters");
    once("class", "10001", "Reminder").refused();
    platform.fault(ONCE, Fault::Closed);
    once("class", "0", "Reminder")
        .may_be_done()
        .complains("may have arrived");
    assert_eq!(platform.count(ONCE), 2);
}
