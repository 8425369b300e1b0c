//! A service that is dead, hangs, floods or answers nonsense: the follower soon sees what the rule says for that case,
//! other pushes notice nothing, and the owner reads why.

use super::*;
use crate::support::service::{SERVICE_SECRET, SERVICE_TOKEN};
use std::time::Instant;

/// A failure is answered by then.
const SOON: Duration = millis(4_500);

const DOCTYPE: &str = r#"<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<xml><ToUserName>x</ToUserName><FromUserName>y</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>&b;</Content></xml>"#;

#[track_caller]
fn fails(account: &Account, push: &Push) {
    let answer = account.post(push);
    answer.is_text(OUT);
    answer.expect(answer.took < SOON, "an answer in time");
}

pub fn whatever_a_service_says_wrong_the_follower_soon_sees_otherwise() {
    let (service, other) = (Service::wechat(), Service::wechat());
    let account = forwarding(&service, "timeout = \"2s\"").start();
    let slow = forwarding(&other, "timeout = \"2s\"").start();
    let wrong = [
        (Act::http("500 Oops", "text/plain", "x"), "HTTP 500"),
        (Act::http("404 Not Found", "text/plain", "x"), "HTTP 404"),
        (Act::redirect("http://169.254.169.254/latest"), "redirect"),
        (Act::http("200 OK", "text/html", "<p>Hello</p>"), ""),
        (Act::http("200 OK", "text/xml", DOCTYPE), ""),
        (Act::http("200 OK", "text/xml", "<xml><MsgType>text"), ""),
        (
            Act::close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
            "",
        ),
        (Act::huge(), "256 KiB"),
    ];
    let before = Vitals::of(account.pid());
    std::thread::scope(|scope| {
        // These take their whole time, each for one follower.
        scope.spawn(|| {
            other.script([Act::hang(), Act::trickle()]);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| fails(&slow, &text("hello").from(&another_fan())));
                }
            });
            other.down();
            fails(&slow, &text("hello"));
        });
        for (act, why) in &wrong {
            service.script([act.clone(), Act::nothing()]);
            fails(&account, &text("hello"));
            let error = "SELECT error FROM forwards ORDER BY id DESC LIMIT 1";
            let error: String = account.store().one(error);
            assert!(!error.is_empty() && error.contains(why), "{error}");
            // An answer between them keeps the circuit closed.
            account.post(&text("fine")).is_success();
        }
    });
    let after = Vitals::of(account.pid());
    assert!(after.rss < before.rss + 20_000, "{before} and then {after}");
    account.store().is(
        "SELECT count(*) FROM forwards WHERE state = 'failed'",
        &["8"],
    );
    let errors = "SELECT DISTINCT state, error FROM forwards ORDER BY 2";
    slow.store().is(
        errors,
        &[
            "failed|connection refused",
            "failed|no whole answer within 2 s",
        ],
    );
    account
        .log()
        .says("service bot: 1 answer not shown (HTTP 500)");
    assert_eq!(account.log().count("not shown"), 1, "once an hour");
    assert!(!account.log().has("circuit"), "{}", account.log());
}

pub fn after_five_failures_nothing_is_called_for_ten_seconds() {
    let service = Service::wechat();
    let rules = format!("[[rule]]\nmessage = \"image\"\ntext = \"A picture.\"\n{FORWARD_ALL}");
    let account = Setup::new().rules(&rules).service(&service, "").start();
    service.always(Act::http("502 Bad Gateway", "text/plain", ""));
    for _ in 0..5 {
        fails(&account, &text("hello"));
    }
    let opened = Instant::now();
    account.log().says("service bot: circuit open: HTTP 502");
    let mut took: Vec<Duration> = (0..9)
        .map(|_| account.post(&text("hello")).is_text(OUT).took)
        .collect();
    took.sort();
    // The median, because a busy machine may be slow now and then.
    assert!(took[4] < millis(250), "{took:?}");
    account.post(&image()).is_text("A picture.");
    account.post(&unsubscribe()).is_success();
    assert_eq!(service.asked().len(), 5);
    account.store().is(
        "SELECT state, error, count(*) FROM forwards GROUP BY 1, 2 ORDER BY 3",
        &["failed|HTTP 502|5", "failed|its circuit is open|10"],
    );
    service.always(Act::text("back"));
    while account.post(&text("hello")).reply().content != "back" {
        assert!(opened.elapsed() < 2 * IN_TIME, "{}", account.log());
        std::thread::sleep(millis(200));
    }
    assert!(opened.elapsed() > millis(9_000), "{:?}", opened.elapsed());
    account.post(&text("hello")).is_text("back");
    account.log().says("service bot: circuit closed");
    for said in ["circuit open", "circuit closed"] {
        assert_eq!(account.log().count(said), 1, "{}", account.log());
    }
    assert_eq!(service.asked().len(), 7);
}

#[test]
fn at_most_256_pushes_wait_for_a_service() {
    let service = Service::wechat();
    service.always(Act::hang());
    let setup = forwarding(&service, "concurrency = 1").set("server.max_waiting", "500");
    let account = setup.start();
    let push = || text("hello").from(&another_fan());
    let mut wires = vec![sent(&account, &push())];
    asked(&service, &account, 1);
    wires.extend((0..256).map(|_| sent(&account, &push())));
    eventually("257 that wait", account.log(), || {
        account.store().count("forwards WHERE state = 'asked'") == 257
    });
    fails(&account, &push());
    account.store().is(
        "SELECT state, error FROM forwards ORDER BY id DESC LIMIT 1",
        &["failed|too many pushes wait for it"],
    );
    assert_eq!(service.asked().len(), 1);
}

pub fn where_no_more_requests_may_wait_a_push_gets_otherwise_at_once() {
    let service = Service::wechat();
    service.always(Act::text("at last").after(millis(1_500)));
    let setup = forwarding(&service, "").set("server.max_waiting", "1");
    let account = setup.start();
    let mut first = sent(&account, &text("hello"));
    asked(&service, &account, 1);
    fails(&account, &text("hello").from(&another_fan()));
    // Nobody waits for the answer to this one.
    account
        .post(&unsubscribe().from(&another_fan()))
        .is_success();
    assert_eq!(first.response().unwrap().status, 200);
    become_(&account, &["answered", "failed", "answered"]);
    account.store().is(
        "SELECT error FROM forwards WHERE state = 'failed'",
        &["too many requests wait already (server.max_waiting)"],
    );
    assert_eq!(service.asked().len(), 2);
}

pub fn no_secret_of_a_service_and_no_text_is_in_the_log() {
    for (service, secret) in [
        (Service::wechat(), SERVICE_TOKEN),
        (Service::json(), SERVICE_SECRET),
    ] {
        let secret_url = service
            .url()
            .replace("http://", "http://syntheticUser:syntheticWord@")
            .replace("wechat", "syntheticPath?key=syntheticKey");
        let entry = service.entry("timeout = \"1s\"");
        let entry = entry.replace(&service.url(), &secret_url);
        let setup = Setup::new().rules(&format!("{FORWARD_ALL}{entry}"));
        let account = setup.env("RUST_LOG", "trace").start();
        service.script([
            Act::text("syntheticAnswer"),
            Act::http("500 Oops", "text/plain", "syntheticBody"),
            Act::redirect("http://127.0.0.1:1/syntheticPlace"),
            Act::http("200 OK", "text/xml", "<syntheticXml>"),
            Act::hang(),
        ]);
        account
            .post(&text("syntheticQuestion"))
            .is_text("syntheticAnswer");
        for _ in 0..4 {
            fails(&account, &text("syntheticQuestion"));
        }
        service.down();
        fails(&account, &text("syntheticQuestion"));
        account.log().says("circuit open: connection refused");
        let calls = service.asked();
        let of_call = |name: &str| {
            let call = &calls[0].call;
            call.query.get(name).or(call.headers.get(name)).cloned()
        };
        let signatures = ["signature", "webhook-signature"].map(of_call);
        let signatures = signatures.iter().flatten().map(String::as_str);
        let mut hidden: Vec<&str> = signatures.collect();
        assert!(!hidden.is_empty());
        hidden.extend([
            "syntheticUser",
            "syntheticWord",
            "syntheticPath",
            "syntheticKey",
            "syntheticBody",
            "syntheticPlace",
            "syntheticXml",
            "syntheticAnswer",
            secret,
        ]);
        for line in account.log().lines() {
            let found = hidden.iter().find(|hidden| line.contains(**hidden));
            assert!(found.is_none(), "{found:?} is shown: {line}");
            let is_detail = line.contains("DEBUG]") || line.contains("TRACE]");
            assert!(is_detail || !line.contains("syntheticQuestion"), "{line}");
        }
    }
}

#[test]
fn an_event_that_takes_no_answer_gets_none_also_while_the_circuit_is_open() {
    let service = Service::wechat();
    service.always(Act::http("500 Internal Server Error", "text/plain", ""));
    let account = forwarding(&service, "").start();
    for _ in 0..5 {
        account.post(&text("hello")).is_text(OUT);
    }
    account.log().says("service bot: circuit open");
    account.post(&text("hello")).is_text(OUT);
    account.post(&unsubscribe()).is_success();
    account.store().is(
        "SELECT error, reply IS NULL FROM forwards JOIN messages ON messages.id = message_id WHERE forwards.id > 5",
        &["its circuit is open|0", "its circuit is open|1"],
    );
    assert_eq!(service.asked().len(), 5);
    // The first is said at once, the others within the hour.
    account
        .log()
        .says("service bot: 1 answer not shown (HTTP 500)");
}

#[test]
fn the_log_says_why_a_service_was_not_asked() {
    let service = Service::wechat();
    service.always(Act::hang());
    let account = forwarding(&service, "")
        .set("server.max_waiting", "1")
        .start();
    let mut wire = Wire::connect(account.address()).unwrap();
    let first = text("hello").from(&another_fan());
    wire.send(&first.request("/wechat", &account.token).bytes())
        .unwrap();
    eventually("a call", account.log(), || service.asked().len() == 1);
    account.post(&text("hello")).is_text(OUT);
    account.log().says(
        "service bot: 1 answer not shown (too many requests wait already (server.max_waiting))",
    );
}

#[test]
fn everybody_who_waits_for_a_service_that_is_down_is_shown_otherwise_in_time() {
    let service = Service::wechat();
    let account = forwarding(&service, "concurrency = 1").start();
    service.down();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = account.post(&text("hello").from(&another_fan()));
                answer.is_text(OUT);
                answer.expect(answer.took < SOON, "otherwise in time");
            });
        }
    });
}
