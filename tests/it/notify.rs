//! Subscription notifications: their templates, and sending to people who agreed.

use crate::support::*;
use serde_json::{Value, json};

const SEND: &str = "/cgi-bin/message/subscribe/bizsend";
const TEMPLATE: &str = "SYNtpl_VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

#[test]
fn templates_are_listed_added_and_deleted() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["notify", "list"])
        .ok()
        .says(TEMPLATE)
        .says("Order paid")
        .says("once")
        .says("thing1");
    let added = account.command(&[
        "notify", "add", "401", "1", "2", "--scene", "order", "--json",
    ]);
    let id = added.json()["priTmplId"].as_str().unwrap().to_owned();
    assert_eq!(
        platform.bodies("/wxaapi/newtmpl/addtemplate"),
        [json!({"tid": "401", "kidList": [1, 2], "sceneDesc": "order"})]
    );
    let list = account.command(&["notify", "list", "--json"]).json();
    assert_eq!(list[1]["priTmplId"], id.as_str());
    account
        .command(&["notify", "delete", &id])
        .refused()
        .complains("--yes");
    account.command(&["notify", "delete", &id, "--yes"]).ok();
    account
        .command(&["notify", "delete", &id, "--yes"])
        .failed()
        .complains("wechatd notify list");
    for wrong in [
        &["notify", "add", "401", "--scene", "order"][..],
        &["notify", "add", "401", "1"],
    ] {
        account.command(wrong).refused();
    }
}

#[test]
fn the_library_shows_the_numbers_that_add_takes() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.forms(|forms| {
        let more = |tid: u32| json!({"tid": tid, "title": format!("通知{tid}"), "type": 2, "categoryId": "616"});
        forms.library.extend((1000..1040).map(more));
    });
    account
        .command(&["notify", "library"])
        .ok()
        .says("TID")
        .says("99")
        .says("付款成功通知")
        .says("for good")
        .says("612")
        .says("类目616")
        .says("通知1039");
    let asked: Vec<String> = platform
        .calls()
        .iter()
        .filter(|call| call.path.ends_with("getpubtemplatetitles"))
        .map(|call| format!("{} {}", call.query["ids"], call.query["start"]))
        .collect();
    assert_eq!(asked, ["616,612 0", "616,612 30"]);
    account
        .command(&["notify", "library", "--category", "612"])
        .ok()
        .says("预约成功提醒")
        .says_nothing_of("付款成功通知");
    account
        .command(&["notify", "library", "--limit", "1"])
        .ok()
        .complains("1 of 42 are shown");
    let list = account.command(&["notify", "library", "--json"]).json();
    assert_eq!(
        (&list[0]["tid"], &list[1]["categoryId"]),
        (&json!(99), &json!(612))
    );

    account
        .command(&["notify", "library", "99"])
        .ok()
        .says("KEYWORD")
        .says("2        付款金额  amount")
        .says("100元");
    let keywords = account
        .command(&["notify", "library", "99", "--json"])
        .json();
    assert_eq!(keywords[2]["kid"], 3);
}

#[test]
fn what_the_library_refuses_is_explained() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["notify", "library", "7"])
        .failed()
        .complains("the library has no template with this number")
        .complains("wechatd notify library");
    account
        .command(&["notify", "library", "--category", "7"])
        .failed()
        .complains("this category is not one of the account's");
    account
        .command(&["notify", "library", "99", "--category", "616"])
        .refused();
    platform.forms(|forms| forms.categories.clear());
    account
        .command(&["notify", "library"])
        .failed()
        .complains("the account has no category")
        .complains("订阅通知");
    platform.fault(
        "/wxaapi/newtmpl/getcategory",
        Fault::Errcode(48001, "api unauthorized"),
    );
    account
        .command(&["notify", "library"])
        .failed()
        .complains("a service account switches them on in the console");
}

#[test]
fn a_notification_is_sent_as_in_its_sample_and_uses_up_the_subscription() {
    let platform = Platform::start();
    let account = account(&platform);
    let sample: Value = serde_json::from_str(&sample("api/subscribe_bizsend.json")).unwrap();
    let wanted = &sample["request"];
    platform.forms(|forms| forms.agreed = vec![FAN.into()]);
    let miniprogram = wanted["miniprogram"].to_string();
    let send = || {
        account.command(&[
            "notify",
            "send",
            FAN,
            TEMPLATE,
            "--data",
            r#"{"thing1": "Blue mug", "time3": "2026-01-01 12:00"}"#,
            "--page",
            "https://www.example.com/o/1",
            "--miniprogram",
            &miniprogram,
        ])
    };
    send().ok().says("sent");
    assert_eq!(platform.bodies(SEND), std::slice::from_ref(wanted));
    send()
        .failed()
        .complains("the user has no accepted subscription left");
}

#[test]
fn a_failed_notification_is_explained_and_never_retried() {
    let platform = Platform::start();
    let account = account(&platform);
    let send = |data: &str| account.command(&["notify", "send", FAN, TEMPLATE, "--data", data]);
    send("[1]").refused().complains("--data");
    assert_eq!(platform.count(SEND), 0);
    let empty = Fault::Errcode(47003, "argument invalid! data.thing1.value is empty");
    platform.fault(SEND, empty);
    send("{}").failed().complains("data.thing1.value is empty");
    for fault in [
        Fault::Closed,
        Fault::BadGateway,
        Fault::Errcode(-1, "system error"),
    ] {
        platform.fault(SEND, fault);
        send("{}").may_be_done().complains("may have arrived");
    }
    assert_eq!(platform.count(SEND), 4);
}
