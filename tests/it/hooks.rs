//! Hooks: events are delivered to the owner's programs and group robots at least once, whatever they answer, and no push
//! waits for that.

use crate::support::account::{RULES, WELCOME};
use crate::support::receiver::{answer, hang, is_signed, robot, sent_text, trickle};
use crate::support::service::FORWARD_ALL;
use crate::support::store::change;
use crate::support::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const DAY: i64 = 86_400;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A hook named `crm` with this URL and these further keys.
fn hook(url: &str, keys: &str) -> String {
    format!("[[hook]]\nname = \"crm\"\nurl = \"{url}\"\n{keys}\n")
}

/// The default account with hooks.
fn with(hooks: &str) -> Setup {
    Setup::new().rules(&format!("{RULES}\n{hooks}"))
}

/// An account with one hook that a receiver hears everything by.
fn hooked(receiver: &Receiver, keys: &str) -> Account {
    with(&hook(&receiver.url("hear"), keys)).start()
}

#[track_caller]
fn calls(account: &Account, receiver: &Receiver, count: usize) -> Vec<Call> {
    eventually(&format!("{count} calls"), account.log(), || {
        receiver.calls().len() >= count
    });
    receiver.calls()
}

/// Waits until this many events are in this state.
#[track_caller]
fn state(account: &Account, state: &str, count: i64) {
    let rows = format!("hook_events WHERE state = '{state}'");
    eventually(&format!("{count} {state}"), account.log(), || {
        account.store().count(&rows) == count
    });
}

/// Lets all that waits be due now, as if the time had passed.
fn due(account: &Account) {
    change(
        &account.store_path(),
        "UPDATE hook_events SET next_at = 0 WHERE state = 'waiting'",
    );
}

fn job_finished() -> Push {
    event("MASSSENDJOBFINISH")
        .element("MsgID", "1000001")
        .element("Status", "send success")
        .element("TotalCount", "100")
        .element("FilterCount", "80")
        .element("SentCount", "75")
        .element("ErrorCount", "5")
}

fn closed(person: &str) -> Push {
    event("user_authorization_cancellation")
        .from("oSyn1cPlatformHelper00000001")
        .element("OpenID", person)
        .element("AppID", "wx00aa11bb22cc33dd")
        .element("RevokeInfo", "205")
}

#[test]
fn every_type_of_event_is_delivered_in_order_and_signed() {
    let receiver = Receiver::start();
    let account = hooked(&receiver, "");
    let fan = another_fan();
    account
        .post(&subscribe_by("poster-7").from(&fan))
        .is_text(WELCOME);
    let wrote = text("more \"tea\" 🍵").from(&fan).id("77001");
    account.post(&wrote);
    account.post(&click("HOURS").from(&fan));
    account.post(&unsubscribe().from(&fan));
    account.post(&job_finished());
    account.post(&closed(&another_fan()));
    // Delivered again, it happened once.
    account.post(&wrote);
    let calls = calls(&account, &receiver, 6);
    assert_eq!(
        receiver.types(),
        ["follow", "message", "event", "leave", "job", "closed"]
    );
    let secret = account.command(&["hooks", "secret", "crm"]);
    let secret = secret.ok().stdout.trim().to_owned();
    let ids: BTreeSet<&String> = calls
        .iter()
        .map(|call| &call.headers["webhook-id"])
        .collect();
    let listed = account.store().rows("SELECT id FROM hooks_v ORDER BY id");
    assert_eq!(ids.len(), 6);
    assert!(ids.into_iter().eq(&listed), "{listed:?}");
    for call in &calls {
        assert!(is_signed(call, &secret), "{call:?}");
        assert!(!is_signed(call, OTHER_SECRET));
        assert_eq!(call.method, "POST");
        let time: i64 = call.headers["webhook-timestamp"].parse().unwrap();
        assert!((now() - time).abs() < 600, "{time}");
    }
    let data: Vec<Value> = calls
        .iter()
        .map(|call| call.json()["data"].clone())
        .collect();
    assert_eq!(data[0]["openid"], fan.as_str());
    assert_eq!(data[0]["scene"], "poster-7");
    assert_eq!(data[0]["source"], "push");
    assert_eq!(data[1]["content"], "more \"tea\" 🍵");
    assert_eq!(data[1]["msg_id"], "77001");
    assert_eq!(data[1]["created_at"], wrote.created());
    assert_eq!(data[2]["kind"], "CLICK");
    assert_eq!(data[2]["key"], "HOURS");
    assert_eq!(data[4]["sent"], 75);
    state(&account, "delivered", 6);
    account
        .store()
        .is("SELECT waiting, failures, dropped FROM hooks", &["0|0|0"]);
    assert_eq!(receiver.calls().len(), 6);
}

#[test]
fn a_hook_gets_the_events_it_asks_for_and_without_hooks_nothing_is_written() {
    let (all, some) = (Receiver::start(), Receiver::start());
    let hooks = format!(
        "{}\n[[hook]]\nname = \"other\"\nurl = \"{}\"\nevents = [\"leave\"]\n",
        hook(&all.url(""), "events = [\"follow\", \"leave\"]"),
        some.url("")
    );
    let account = with(&hooks).start();
    let fan = another_fan();
    account.post(&subscribe().from(&fan));
    account.post(&text("hello").from(&fan));
    account.post(&unsubscribe().from(&fan));
    let heard = calls(&account, &all, 2);
    assert_eq!(all.types(), ["follow", "leave"]);
    let others = calls(&account, &some, 1);
    assert_eq!(some.types(), ["leave"]);
    let id = |call: &Call| call.headers["webhook-id"].clone();
    assert_ne!(id(&heard[1]), id(&others[0]));
    account
        .store()
        .is("SELECT count(*) FROM hook_events", &["3"]);

    let account = Account::start();
    account.post(&subscribe());
    account.post(&text("hello"));
    account
        .store()
        .is("SELECT count(*) FROM hook_events", &["0"]);
    account.store().is("SELECT count(*) FROM hooks", &["0"]);
}

#[test]
fn a_forwarded_push_is_reported_once_like_any_other() {
    let receiver = Receiver::start();
    let service = Service::wechat();
    let rules = format!("{FORWARD_ALL}\n{}", hook(&receiver.url(""), ""));
    let account = Setup::new().rules(&rules).service(&service, "").start();
    let push = text("hello");
    account.post(&push);
    account.post(&push);
    state(&account, "delivered", 1);
    account.post(&text("bye"));
    state(&account, "delivered", 2);
    assert_eq!(receiver.types(), ["message", "message"]);
    assert_eq!(service.times(&push), 1);
}

#[test]
fn a_failing_event_lets_later_ones_pass_and_is_retried_with_a_new_signature() {
    let receiver = Receiver::start();
    receiver.answers(|call| match call.body.contains("broken") {
        true => answer("500 Internal Server Error", "", "oh"),
        false => answer("200 OK", "", "fine"),
    });
    let account = hooked(&receiver, "events = [\"message\"]");
    account.post(&text("broken"));
    account.post(&text("whole"));
    state(&account, "delivered", 1);
    account.log().says("HTTP 500; it is tried again later");
    account.store().is(
        "SELECT attempts >= 1, last_status FROM hook_events WHERE state = 'waiting'",
        &["1|500"],
    );
    let first = calls(&account, &receiver, 2)[0].clone();
    receiver.accepts();
    // The first pause is 5 s, give or take a fifth.
    state(&account, "delivered", 2);
    let again = receiver.calls().last().unwrap().clone();
    assert_eq!(again.body, first.body);
    assert_eq!(again.headers["webhook-id"], first.headers["webhook-id"]);
    for name in ["webhook-timestamp", "webhook-signature"] {
        assert_ne!(again.headers[name], first.headers[name], "{name}");
    }
}

#[test]
fn a_receiver_may_ask_for_a_longer_pause() {
    let receiver = Receiver::start();
    receiver.answers(|_| answer("503 Service Unavailable", "Retry-After: 3600\r\n", ""));
    let account = hooked(&receiver, "");
    account.post(&text("hello"));
    let later = "hook_events WHERE next_at BETWEEN unixepoch() + 3000 AND unixepoch() + 3600";
    eventually("the pause", account.log(), || {
        account.store().count(later) == 1
    });
}

#[test]
fn a_hook_that_is_gone_is_paused_until_it_is_resumed() {
    let receiver = Receiver::start();
    receiver.answers(|_| answer("410 Gone", "", ""));
    let account = hooked(&receiver, "");
    account.post(&text("one"));
    account.log().says("`wechatd hooks resume crm`");
    account.post(&text("two"));
    account.command(&["check"]).ok().says("paused: HTTP 410");
    let listed = account.command(&["hooks", "list", "--json"]).json();
    assert_eq!(listed[0]["paused"], "HTTP 410");
    assert_eq!(listed[0]["waiting"], 2);
    assert_eq!(receiver.calls().len(), 1);
    receiver.accepts();
    account
        .command(&["hooks", "resume", "crm"])
        .ok()
        .says("crm goes on");
    due(&account);
    state(&account, "delivered", 2);
    account
        .command(&["hooks", "resume", "crm"])
        .ok()
        .says("was not paused");
}

#[test]
fn an_outage_costs_one_call_a_minute_and_no_event() {
    let receiver = Receiver::start();
    receiver.answers(|_| answer("502 Bad Gateway", "", ""));
    let account = hooked(&receiver, "");
    for n in 0..30 {
        account.post(&text(&format!("message {n}")));
    }
    account.log().says("10 failures in a row");
    account
        .command(&["check"])
        .ok()
        .says("10 in a row, one event a minute is tried");
    // What waits is due, and is left alone all the same.
    due(&account);
    let another = text("one more");
    account.post(&another);
    account.store().is(
        "SELECT sum(attempts), max(attempts) <= 2, count(*) FROM hook_events WHERE state = 'waiting'",
        &["10|1|31"],
    );
    assert_eq!(receiver.calls().len(), 10);
    receiver.accepts();
    let id: String = account.store().one("SELECT min(id) FROM hooks_v");
    account
        .command(&["hooks", "resend", &id])
        .ok()
        .says("1 event");
    state(&account, "delivered", 31);
    account.log().says("hook crm: delivers again");
    assert_eq!(account.log().count("failures in a row; one event"), 1);
}

#[test]
fn after_its_last_attempt_an_event_is_dead_until_it_is_sent_again() {
    let receiver = Receiver::start();
    receiver.answers(|_| answer("404 Not Found", "", ""));
    let account = hooked(&receiver, "");
    account.post(&text("one"));
    account.post(&text("two"));
    calls(&account, &receiver, 2);
    let failed = "hook_events WHERE attempts = 1";
    eventually("the first attempts", account.log(), || {
        account.store().count(failed) == 2
    });
    change(
        &account.store_path(),
        "UPDATE hook_events SET attempts = 9, next_at = 0",
    );
    state(&account, "dead", 2);
    account.log().says("given up after the last attempt");
    let dead = account
        .command(&["hooks", "failed", "crm", "--json"])
        .json();
    assert_eq!(dead.as_array().unwrap().len(), 2);
    assert_eq!(dead[0]["last_error"], "HTTP 404");
    account
        .command(&["hooks", "failed", "crm"])
        .ok()
        .says("HTTP 404")
        .says("`wechatd hooks resend --failed crm`");
    account
        .command(&["check"])
        .ok()
        .says("2 given up (`wechatd hooks failed crm`)");
    receiver.accepts();
    account
        .command(&["hooks", "resend", "--failed", "crm"])
        .ok()
        .says("2 events");
    state(&account, "delivered", 2);
    account
        .command(&["hooks", "resend", "evt_unknown"])
        .failed()
        .complains("there is no event evt_unknown");
}

#[test]
fn beyond_a_hundred_thousand_waiting_events_new_ones_are_dropped_and_counted() {
    let receiver = Receiver::start();
    let account = hooked(&receiver, "");
    account.post(&text("before"));
    state(&account, "delivered", 1);
    change(
        &account.store_path(),
        "UPDATE hooks SET paused = 'for this test', waiting = 99999;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         INSERT INTO hook_events (digest, hook, type, body, created_at, next_at)
         SELECT 0, 'crm', 'message', '{}', 0, 9999999999 FROM n;",
    );
    account.post(&text("the last that may wait"));
    account.post(&text("too many")).is_status(200);
    account.post(&text("still too many")).is_status(200);
    account
        .store()
        .is("SELECT waiting, dropped FROM hooks", &["100000|2"]);
    change(
        &account.store_path(),
        "DELETE FROM hook_events WHERE digest = 0; UPDATE hooks SET paused = NULL;",
    );
    state(&account, "delivered", 2);
    account.post(&text("after"));
    state(&account, "delivered", 3);
    let dropped: Vec<Value> = receiver
        .calls()
        .iter()
        .map(|call| call.json()["dropped"].clone())
        .collect();
    assert_eq!(dropped, [Value::Null, 2.into(), Value::Null]);
    account
        .store()
        .is("SELECT waiting, dropped FROM hooks", &["0|0"]);
}

#[test]
fn while_a_secret_changes_both_sign() {
    let receiver = Receiver::start();
    let keys = format!("secret = \"{SECRET}\"\nprevious_secret = \"{OTHER_SECRET}\"");
    let account = hooked(&receiver, &keys);
    account.post(&text("hello"));
    let call = calls(&account, &receiver, 1)[0].clone();
    assert!(is_signed(&call, SECRET) && is_signed(&call, OTHER_SECRET));
    account
        .command(&["hooks", "secret", "crm"])
        .ok()
        .says(SECRET);
}

#[test]
fn a_secret_that_was_made_stays_over_a_restart() {
    let receiver = Receiver::start();
    let mut account = hooked(&receiver, "");
    let secret = account
        .command(&["hooks", "secret", "crm"])
        .ok()
        .stdout
        .clone();
    assert!(secret.starts_with("whsec_"), "{secret}");
    account.restart();
    let again = account
        .command(&["hooks", "secret", "crm"])
        .ok()
        .stdout
        .clone();
    assert_eq!(again, secret);
}

#[test]
fn a_body_of_the_owners_stays_json_with_quotes_and_emoji() {
    let receiver = Receiver::start();
    let body = r#"body = '{"text":"{summary}","raw":["{content}","{type}","{openid}"]}'"#;
    let account = hooked(&receiver, body);
    let fan = another_fan();
    let content = "a \"quoted\" \\ 🐟\nline";
    account.post(&text(content).from(&fan));
    let call = calls(&account, &receiver, 1)[0].clone();
    let sent = call.json();
    assert_eq!(sent["raw"][0], content);
    assert_eq!(sent["raw"][1], "message");
    assert_eq!(sent["raw"][2], fan.as_str());
    let summary = sent["text"].as_str().unwrap();
    assert!(
        summary.contains("发来消息") && !summary.contains(&fan),
        "{summary}"
    );
    let secret = account.command(&["hooks", "secret", "crm"]);
    assert!(is_signed(&call, secret.ok().stdout.trim()));
}

#[test]
fn wecom_gets_its_own_format_and_its_json_decides_about_success() {
    is_served("wecom", "cgi-bin/webhook/send?key=K", "");
}

#[test]
fn dingtalk_gets_its_own_format_and_signature_and_its_json_decides_about_success() {
    let secret = format!("SECsyn{}", "0".repeat(58));
    is_served("dingtalk", "robot/send?access_token=A", &secret);
}

#[test]
fn feishu_gets_its_own_format_and_signature_and_its_json_decides_about_success() {
    is_served(
        "feishu",
        "open-apis/bot/v2/hook/U",
        "synFeishuSecret0000001",
    );
}

#[test]
fn ntfy_gets_its_own_format_and_its_status_decides_about_success() {
    is_served("ntfy", "shop", "");
}

#[test]
fn bark_gets_its_own_format_and_its_json_decides_about_success() {
    is_served("bark", "KEY", "");
}

/// A robot with this path and signing secret, if any: it receives, fails, and receives again.
#[track_caller]
fn is_served(format: &'static str, path: &str, secret: &str) {
    let receiver = Receiver::start();
    let expected = secret.to_owned();
    receiver.answers(move |call| robot(format, &expected, call));
    let mut keys = format!("format = \"{format}\"");
    if !secret.is_empty() {
        keys += &format!("\nsecret = \"{secret}\"");
    }
    let account = with(&hook(&receiver.url(path), &keys)).start();
    let fan = another_fan();
    account.post(&subscribe().from(&fan));
    state(&account, "delivered", 1);
    let said = sent_text(&receiver.calls()[0]);
    assert!(said.contains(&fan[fan.len() - 6..]), "{said}");
    assert!(
        !said.contains(&fan) && said.contains("关注了公众号"),
        "{said}"
    );
    account.command(&["hooks", "test", "crm"]).ok();
    // Failure inside HTTP 200; of ntfy it is the status that says so.
    receiver.answers(|_| {
        let body =
            r#"{"errcode":45009,"code":11232,"errmsg":"busy","msg":"busy","message":"busy"}"#;
        answer("200 OK", "", body)
    });
    if format == "ntfy" {
        receiver.answers(|_| answer("429 Too Many Requests", "", ""));
    }
    account.post(&unsubscribe().from(&fan));
    account.log().says("it is tried again later");
    account
        .command(&["hooks", "test", "crm"])
        .failed()
        .complains("did not receive it");
    let failed = "hook_events WHERE state = 'waiting' AND attempts = 1";
    eventually("a failure", account.log(), || {
        account.store().count(failed) == 1
    });
    let expected = secret.to_owned();
    receiver.answers(move |call| robot(format, &expected, call));
    due(&account);
    state(&account, "delivered", 2);
}

#[test]
fn many_events_become_few_messages_of_a_robot() {
    let receiver = Receiver::start();
    receiver.answers(|call| robot("wecom", "", call));
    let url = receiver.url("cgi-bin/webhook/send?key=K");
    let account = with(&hook(&url, "format = \"wecom\"")).start();
    for n in 0..60 {
        account.post(&text(&format!(
            "message number {n} <at user_id=\"all\"> @all"
        )));
    }
    state(&account, "delivered", 60);
    let calls = receiver.calls();
    assert!(calls.len() <= 8, "{} messages", calls.len());
    for call in &calls {
        let text = sent_text(call);
        assert!(text.len() <= 2_048, "{}", text.len());
        assert!(!text.contains('<') && !text.contains("@all"), "{text}");
    }
}

#[test]
fn a_test_says_what_the_hook_answers() {
    let receiver = Receiver::start();
    let account = with(&hook(&receiver.url("hear"), "")).stopped();
    account
        .command(&["hooks", "test", "crm"])
        .ok()
        .says("crm received it: HTTP 204");
    assert_eq!(receiver.types(), ["test"]);
    receiver.answers(|_| answer("401 Unauthorized", "", ""));
    account
        .command(&["hooks", "test", "crm"])
        .failed()
        .complains("HTTP 401");
    account
        .command(&["hooks", "test", "crn"])
        .refused()
        .complains("did you mean crm?");
    let listed = account.command(&["hooks", "list", "--json"]).json();
    assert_eq!(listed[0]["waiting"], 0);
}

#[test]
fn redirects_floods_and_garbage_are_failures_and_cost_no_memory() {
    let elsewhere = Receiver::start();
    let target = elsewhere.url("metadata");
    let receiver = Receiver::start();
    let account = hooked(&receiver, "");
    receiver.answers(move |_| answer("302 Found", &format!("Location: {target}\r\n"), ""));
    account.post(&text("one"));
    account.log().says("redirects are not followed");
    receiver.answers(|_| trickle("HTTP/1.1 500 Oops\r\n\r\n", &vec![b'x'; 1 << 20]));
    account.post(&text("two"));
    let failed = "hook_events WHERE last_status = 500";
    eventually("a failure", account.log(), || {
        account.store().count(failed) >= 1
    });
    assert!(Vitals::of(account.pid()).rss < 200 << 10);
    receiver.answers(|_| trickle("no HTTP at all\r\n\r\n", b""));
    account.post(&text("three"));
    let failed = "hook_events WHERE last_error LIKE '%no HTTP%'";
    eventually("a failure", account.log(), || {
        account.store().count(failed) >= 1
    });
    assert!(elsewhere.calls().is_empty());
}

#[test]
fn neither_pushes_nor_other_hooks_nor_a_stop_wait_for_a_slow_receiver() {
    let (slow, quick) = (Receiver::start(), Receiver::start());
    slow.answers(|_| hang());
    let hooks = format!(
        "{}\n[[hook]]\nname = \"other\"\nurl = \"{}\"\n",
        hook(&slow.url(""), ""),
        quick.url("")
    );
    let mut account = with(&hooks).start();
    account.post(&text("hello"));
    calls(&account, &slow, 1);
    let begun = Instant::now();
    for _ in 0..20 {
        account.post(&text("hello")).is_status(200);
    }
    calls(&account, &quick, 21);
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    let ended = account.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn hooks_come_and_go_with_a_reload() {
    let (one, two) = (Receiver::start(), Receiver::start());
    let account = hooked(&one, "");
    account.post(&text("hello"));
    calls(&account, &one, 1);
    let (before, after) = (one.url("hear"), two.url("hear"));
    account.rewrite_config(|config| config.replace(&before, &after));
    account.reload();
    account.post(&text("hello"));
    calls(&account, &two, 1);
    account.rewrite_config(|config| config.replace("name = \"crm\"", "name = \"shop\""));
    account.reload();
    account.post(&text("hello"));
    calls(&account, &two, 2);
    account.rewrite_config(|config| config[..config.find("[[hook]]").unwrap()].to_owned());
    account.reload();
    account.post(&text("hello"));
    account
        .store()
        .is("SELECT count(*) FROM hook_events", &["3"]);
    assert_eq!(one.calls().len(), 1);
}

#[test]
fn no_secret_of_a_hook_is_in_the_log_or_shown() {
    let receiver = Receiver::start();
    let address = receiver.url("");
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    receiver.answers(|_| answer("500 Internal Server Error", "", ""));
    let url =
        format!("http://syntheticUser:syntheticWord@{address}/syntheticPath?key=syntheticKey");
    let keys = format!("secret = \"{SECRET}\"");
    let robots = r#"[[hook]]
name = "group"
format = "dingtalk"
url = "http://127.0.0.1:1/send?access_token=syntheticToken"
secret = "SECsynthetic"
"#;
    let setup = with(&format!("{}{robots}", hook(&url, &keys))).env("RUST_LOG", "trace");
    let account = setup.start();
    account.post(&text("hello"));
    account.log().says("hook crm: http://127.0.0.1");
    account
        .log()
        .says("hook group: http://127.0.0.1:1: connection refused");
    let mut said = account.log().to_string();
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["hooks", "list"],
        &["hooks", "list", "--json"],
        &["hooks", "test", "crm"],
        &["hooks", "test", "group"],
    ] {
        let ran = account.command(arguments);
        said += &format!("$ {}\n{}{}\n", ran.line, ran.stdout, ran.stderr);
    }
    let call = receiver.calls()[0].clone();
    let signature = call.headers["webhook-signature"].clone();
    assert!(call.headers.contains_key("authorization"), "{call:?}");
    for secret in [
        "syntheticUser",
        "syntheticWord",
        "syntheticPath",
        "syntheticKey",
        "syntheticToken",
        "SECsynthetic",
        SECRET,
        &signature,
    ] {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is shown: {line:?}");
    }
}

#[test]
fn forgetting_a_person_is_reported_for_a_day_and_then_erased() {
    let receiver = Receiver::start();
    let mut account = hooked(&receiver, "");
    let (fan, other) = (another_fan(), another_fan());
    account.post(&subscribe().from(&fan));
    account.post(&text("hello").from(&fan));
    account.post(&text(&format!("a friend of {fan}")).from(&other));
    state(&account, "delivered", 3);
    account
        .command(&["followers", "forget", &fan, "--yes"])
        .ok()
        .says("the server reports this to the hooks: crm");
    state(&account, "delivered", 1);
    account.store().is(
        "SELECT type, openid FROM hook_events",
        &[&format!("closed|{fan}")],
    );
    assert_eq!(receiver.types().last().unwrap(), "closed");
    // A day later.
    account.stop();
    change(
        &account.store_path(),
        &format!("UPDATE hook_events SET created_at = created_at - {DAY} - 60"),
    );
    account.begin();
    account.post(&text("the time"));
    eventually("no trace", account.log(), || {
        account.files_with(&fan).is_empty()
    });
}

#[test]
fn a_closed_account_is_reported_and_other_events_of_the_person_are_erased() {
    let receiver = Receiver::start();
    let account = hooked(&receiver, "");
    let fan = another_fan();
    account.post(&subscribe().from(&fan));
    state(&account, "delivered", 1);
    account.post(&closed(&fan));
    calls(&account, &receiver, 2);
    assert_eq!(receiver.types(), ["follow", "closed"]);
    assert_eq!(receiver.calls()[1].json()["data"]["openid"], fan.as_str());
    eventually("one row", account.log(), || {
        account.store().rows("SELECT type FROM hook_events") == ["closed"]
    });
}

#[test]
fn people_found_by_a_sync_are_reported_except_by_the_first_one() {
    let platform = Platform::start();
    let receiver = Receiver::start();
    let people = crowd(0..30);
    platform.people(|all| all.followers = people[..20].to_vec());
    let account = with(&hook(&receiver.url(""), ""))
        .platform(&platform)
        .set("api.rate", "1000")
        .start();
    account.command(&["followers", "sync"]).ok();
    account
        .store()
        .is("SELECT count(*) FROM hook_events", &["0"]);
    platform.people(|all| all.followers = people[1..22].to_vec());
    account.command(&["followers", "sync", "--yes"]).ok();
    let heard = calls(&account, &receiver, 3);
    let mut types = receiver.types();
    types.sort();
    assert_eq!(types, ["follow", "follow", "leave"]);
    for call in heard {
        assert_eq!(call.json()["data"]["source"], "sync");
    }
}

#[test]
fn finished_events_are_removed_after_their_time() {
    let receiver = Receiver::start();
    let mut account = hooked(&receiver, "");
    for _ in 0..4 {
        account.post(&text("hello"));
    }
    state(&account, "delivered", 4);
    account.stop();
    let old = |number: i64, state: &str, days: i64| {
        format!(
            "UPDATE hook_events SET state = '{state}', next_at = unixepoch() - {days} * {DAY} WHERE rowid = {number};"
        )
    };
    change(
        &account.store_path(),
        &[
            old(1, "delivered", 8),
            old(2, "delivered", 6),
            old(3, "dead", 31),
            old(4, "dead", 29),
        ]
        .concat(),
    );
    account.begin();
    account.post(&subscribe());
    eventually("two rows less", account.log(), || {
        let rows = "SELECT rowid FROM hook_events WHERE rowid <= 4 ORDER BY 1";
        account.store().rows(rows) == ["2", "4"]
    });
}

#[test]
fn a_backup_has_the_events_that_wait_and_a_restore_delivers_them() {
    let receiver = Receiver::start();
    receiver.down();
    let mut account = hooked(&receiver, "");
    account.post(&subscribe());
    account.post(&text("hello"));
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    account.stop();
    change(&account.store_path(), "DELETE FROM hook_events");
    account.command(&["restore", &copy, "--yes"]).ok();
    receiver.up();
    due(&account);
    account.begin();
    state(&account, "delivered", 2);
    assert_eq!(receiver.types(), ["follow", "message"]);
}

#[test]
fn nothing_is_lost_by_kills_and_a_receiver_that_often_fails() {
    let receiver = Receiver::start();
    let failing = std::sync::atomic::AtomicUsize::new(0);
    receiver.answers(move |_| {
        let n = failing.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match n % 10 {
            2 | 5 | 7 => answer("500 Internal Server Error", "", ""),
            _ => answer("200 OK", "", ""),
        }
    });
    let mut account = hooked(&receiver, "events = [\"message\"]");
    let mut sent = BTreeSet::new();
    for round in 0..5 {
        for n in 0..40 {
            let content = format!("push {round} {n}");
            account.post(&text(&content)).is_status(200);
            sent.insert(content);
        }
        account.kill();
        account.begin();
    }
    eventually("everything delivered", account.log(), || {
        due(&account);
        account
            .store()
            .count("hook_events WHERE state = 'delivered'")
            == 200
    });
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in receiver.calls() {
        let content = call.json()["data"]["content"].as_str().unwrap().to_owned();
        let id = call.headers["webhook-id"].clone();
        ids.entry(content).or_default().insert(id);
    }
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), sent);
    assert!(ids.values().all(|ids| ids.len() == 1));
}

#[test]
fn mistakes_of_hooks_are_reported_together_with_their_lines() {
    let hooks = r#"
[[hook]]
name = "a b"
url = "crm.example.com"
events = ["folow"]

[[hook]]
name = "group"
format = "wecm"
url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=synthetic"

[[hook]]
name = "body"
url = "https://crm.example.com/?key=synthetic"
body = '{"text":{summary}}'
secret = "whsec_short"
colour = "red"

[[hook]]
name = "robot"
format = "wecom"
url = "https://qyapi.weixin.qq.com/"
body = "{}"
secret = "x"

[[hook]]
name = "robot"
"#;
    let account = Setup::new().rules(hooks).stopped();
    let ran = account.command(&["check"]);
    ran.refused();
    for said in [
        ":5: hook #1: name: ",
        ":6: hook #1: url: is no URL",
        ":7: hook #1: events: \"folow\" is not a type of event; did you mean \"follow\"?",
        ":11: hook #2: format: \"wecm\" is not a format; did you mean \"wecom\"?",
        ":17: hook #3: body: is no JSON",
        ":18: hook #3: secret: is no secret of Standard Webhooks",
        ":19: hook #3: colour: unknown key",
        ":25: hook #4: body: is for format \"standard\" only",
        ":26: hook #4: secret: ",
        "hook #5: needs a url",
    ] {
        ran.complains(said);
    }
    ran.expect(!ran.stderr.contains("synthetic"), "no secret");
}
