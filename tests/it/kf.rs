//! The `kf` commands: customer-service agents, their sessions, and the records of what was said.

use crate::support::*;
use serde_json::{Value, json};

const RECORDS: &str = "/customservice/msgrecord/getmsglist";
/// 2026-01-01 00:00 UTC.
const DAY: i64 = 1_767_225_600;

/// An account whose local time is UTC.
fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).env("TZ", "UTC").stopped()
}

#[test]
fn list_and_online_show_the_agents() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["kf", "list"])
        .ok()
        .says("amy@shop")
        .says("bob_wx (waiting)");
    let json = account.command(&["kf", "list", "--json"]).json();
    assert_eq!(json[1]["kf_id"], "1002", "{json}");
    account.command(&["kf", "online"]).ok().says("amy@shop");
    let json = account.command(&["kf", "online", "--json"]).json();
    assert_eq!(json[0]["accepted_case"], 2, "{json}");
    platform.always(
        "/cgi-bin/customservice/getkflist",
        Fault::Errcode(65400, "please enable new custom service"),
    );
    account
        .command(&["kf", "list"])
        .failed()
        .complains("switch it on");
}

#[test]
fn an_agent_is_added_renamed_invited_and_removed() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["kf", "add", "carl@shop", "Carl"])
        .ok()
        .says("wechatd kf invite carl@shop");
    account
        .command(&["kf", "rename", "carl@shop", "Carl 先生"])
        .ok();
    account
        .command(&["kf", "invite", "carl@shop", "carl_wx"])
        .ok()
        .says("they answer in WeChat");
    let carl = |account: &Account| {
        let list = account.command(&["kf", "list", "--json"]).json();
        let agents = list.as_array().unwrap().iter().cloned();
        agents
            .into_iter()
            .find(|agent| agent["kf_account"] == "carl@shop")
    };
    let added = carl(&account).unwrap();
    assert_eq!(added["kf_nick"], "Carl 先生");
    assert_eq!(added["invite_status"], "waiting");
    account
        .command(&["kf", "remove", "carl@shop"])
        .refused()
        .complains("--yes");
    let asked = at_a_terminal(account.program(&["kf", "remove", "carl@shop"]), "n\n");
    asked.failed().complains("nothing was done");
    assert!(carl(&account).is_some());
    let asked = at_a_terminal(account.program(&["kf", "remove", "carl@shop"]), "y\n");
    asked
        .ok()
        .complains("Remove the agent carl@shop? [y/N]")
        .says("carl@shop is removed");
    assert!(carl(&account).is_none());
    account
        .command(&["kf", "remove", "carl@shop", "--yes"])
        .failed()
        .complains("there is no such agent: see `wechatd kf list`");
}

#[test]
fn an_invalid_agent_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    for name in ["amy", "@shop", "amy@", "amy-w@shop", "elevenchars@shop"] {
        account
            .command(&["kf", "add", name, "Amy"])
            .refused()
            .complains("such as amy@shop");
    }
    for nickname in ["", "seventeen letters"] {
        account
            .command(&["kf", "rename", "amy@shop", nickname])
            .refused()
            .complains("1 to 16 characters");
    }
    assert!(platform.calls().is_empty());
    account
        .command(&["kf", "add", "amy@shop", "Amy"])
        .failed()
        .complains("choose another prefix");
    account
        .command(&["kf", "invite", "amy@shop", "amy_wx"])
        .failed()
        .complains("make another agent");
}

#[test]
fn a_change_without_an_answer_is_not_retried_but_a_read_is() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.fault("/customservice/kfaccount/add", Fault::Closed);
    account
        .command(&["kf", "add", "dora@shop", "Dora"])
        .may_be_done()
        .complains("the connection ended");
    assert_eq!(platform.count("/customservice/kfaccount/add"), 1);
    platform.fault("/customservice/kfsession/getwaitcase", Fault::Closed);
    account.command(&["kf", "waiting"]).ok();
    assert_eq!(platform.count("/customservice/kfsession/getwaitcase"), 2);
}

#[test]
fn a_session_is_opened_shown_and_closed() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.agents(|agents| agents.waiting = vec![FAN.into(), another_fan()]);
    account
        .command(&["kf", "waiting"])
        .ok()
        .says(FAN)
        .says("01-01 02:21");
    let waiting = account.command(&["kf", "waiting", "--json"]).json();
    assert_eq!(waiting["count"], 2);
    assert_eq!(waiting["waitcaselist"][0]["openid"], FAN);
    account
        .command(&["kf", "session", "show", FAN])
        .ok()
        .says("no agent has this user");
    let session = account.command(&["kf", "session", "show", FAN, "--json"]);
    assert_eq!(session.json(), Value::Null);
    account
        .command(&["kf", "session", "open", FAN, "bob@shop"])
        .failed()
        .complains("the agent is not at work: see `wechatd kf online`");
    account
        .command(&["kf", "session", "open", FAN, "amy@shop"])
        .ok()
        .says("amy@shop has");
    account
        .command(&["kf", "session", "show", FAN])
        .ok()
        .says("amy@shop")
        .says("01-01 02:21");
    let list = account.command(&["kf", "session", "list", "amy@shop", "--json"]);
    assert_eq!(
        list.json(),
        json!([{"openid": FAN, "createtime": 1_767_234_100}])
    );
    account
        .command(&["kf", "session", "list", "amy@shop"])
        .ok()
        .says(FAN);
    account
        .command(&["kf", "session", "close", FAN, "amy@shop"])
        .ok();
    account
        .command(&["kf", "session", "close", FAN, "amy@shop"])
        .failed()
        .complains("in no session with this agent");
    account
        .command(&["kf", "waiting"])
        .ok()
        .says_nothing_of(FAN);
}

#[test]
fn waiting_says_when_the_platform_does_not_show_everybody() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.agents(|agents| agents.waiting = (0..130).map(|_| another_fan()).collect());
    account
        .command(&["kf", "waiting"])
        .ok()
        .says("130 wait; WeChat shows 100 of them");
}

fn said(at: i64, opercode: i64, text: &str) -> Value {
    json!({"openid": FAN, "opercode": opercode, "text": text, "time": at, "worker": "amy@shop"})
}

#[test]
fn records_of_several_days_and_pages_are_complete_and_not_doubled() {
    let platform = Platform::start();
    let account = account(&platform);
    // Three days, with two lines in the second at which the first day ends.
    let mut records: Vec<Value> = (0..2_500)
        .map(|n| said(DAY + n, 2003, &format!("line {n}")))
        .collect();
    records.push(said(DAY + 86_400, 2003, "at midnight"));
    records.push(said(DAY + 86_400, 2002, "also at midnight"));
    records.push(said(DAY + 86_401, 2002, "later"));
    records.push(said(DAY + 3 * 86_400 - 1, 2003, "last"));
    platform.agents(|agents| agents.records = records.clone());
    let period = ["--since", "2026-01-01", "--until", "2026-01-04"];
    for ends_are_within in [true, false] {
        platform.agents(|agents| agents.ends_are_within = ends_are_within);
        let before = platform.count(RECORDS);
        let arguments = [&["kf", "records", "--json"], &period[..]].concat();
        let got = account.command(&arguments).json();
        assert_eq!(got, Value::from(records.clone()), "{ends_are_within}");
        assert_eq!(platform.count(RECORDS) - before, 5, "three pages, and two");
    }
    for asked in platform.bodies(RECORDS) {
        let second = |name: &str| asked[name].as_i64().unwrap();
        assert!(second("endtime") - second("starttime") <= 86_400, "{asked}");
    }
}

#[test]
fn records_show_who_wrote_what_and_when() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.agents(|agents| {
        agents.records = vec![
            said(DAY, 2003, "is it\u{1b}[2J open?"),
            said(DAY + 5, 2002, "yes"),
            said(DAY + 9, 1004, ""),
        ];
    });
    let ran = account.command(&[
        "kf",
        "records",
        "--since",
        "2026-01-01",
        "--until",
        "2026-01-01 12:00",
    ]);
    ran.ok()
        .says("01-01 00:00")
        .says("agent")
        .says("opercode 1004")
        .says_nothing_of("\u{1b}");
    let line = ran.stdout.lines().find(|line| line.contains("yes"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[2..], [FAN, "amy@shop", "agent", "yes"]);
    // Without a span, the last day.
    account.command(&["kf", "records"]).ok();
    let asked = platform.bodies(RECORDS).pop().unwrap();
    let span = asked["endtime"].as_i64().unwrap() - asked["starttime"].as_i64().unwrap();
    assert!((86_398..=86_400).contains(&span) || span <= 2, "{asked}");
    for (arguments, complaint) in [
        (["--since", "yesterday"], "--since: "),
        (["--until", "1999-01-01"], "--since is not before --until"),
    ] {
        let arguments = [&["kf", "records"], &arguments[..]].concat();
        account.command(&arguments).refused().complains(complaint);
    }
}

#[test]
fn a_full_page_without_a_next_one_is_an_error() {
    let platform = Platform::start();
    let account = account(&platform);
    let page: Vec<Value> = (0..1_000).map(|n| said(DAY + n, 2003, "x")).collect();
    for answer in [
        json!({"recordlist": page, "number": 1000}),
        json!({"recordlist": page, "number": 1000, "msgid": 1}),
    ] {
        platform.fault(RECORDS, Fault::Body(answer.to_string()));
        account
            .command(&["kf", "records"])
            .failed()
            .complains("does not say where the next one starts");
    }
}
