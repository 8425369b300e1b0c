//! What `check` names as still to be done until the account is live.

use crate::support::*;

/// The steps that `check` shows.
#[track_caller]
fn steps(account: &Account) -> Vec<String> {
    let checked = account.command(&["check", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    let steps = value["to_do"].as_array().unwrap().iter();
    steps
        .map(|step| step.as_str().unwrap().to_owned())
        .collect()
}

/// The position of the step that has this text in it.
#[track_caller]
fn place(steps: &[String], part: &str) -> usize {
    let found = steps.iter().position(|step| step.contains(part));
    found.unwrap_or_else(|| panic!("no step {part}: {steps:#?}"))
}

#[test]
fn the_steps_to_a_live_account_come_in_their_order() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let open = steps(&account);
    let order = [
        "simulate verify --url https://YOUR-DOMAIN/wechat",
        "IP白名单",
        "`wechatd rules pull` and `wechatd menu pull`",
        "服务器配置",
        "安全模式",
    ];
    let places: Vec<usize> = order.iter().map(|part| place(&open, part)).collect();
    assert!(places.is_sorted(), "{open:#?}");
    let shown = account.command(&["check"]);
    shown.says("Still to do:\n1. ");
}

#[test]
fn once_wechat_has_given_a_token_the_address_is_entered() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let shown = account.command(&["check", "--online"]);
    shown.says("Still to do:").says_nothing_of("IP白名单");
    assert!(!steps(&account).iter().any(|step| step.contains("IP白名单")));
}

#[test]
fn without_an_account_its_appid_comes_first() {
    let account = Setup::new().stopped();
    let open = steps(&account);
    assert_eq!(place(&open, "account.app_id"), 0, "{open:#?}");
    assert!(!open.iter().any(|step| step.contains("IP白名单")));
}

#[test]
fn once_pushes_of_real_people_arrive_the_console_is_done() {
    let account = Account::start();
    account.simulate(&["subscribe"]).ok();
    account.simulate(&["text", "hello"]).ok();
    place(&steps(&account), "服务器配置");
    account.post(&text("hello"));
    let open = steps(&account);
    assert!(
        !open.iter().any(|step| step.contains("服务器配置")),
        "{open:#?}"
    );
}
