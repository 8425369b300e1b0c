//! Many followers and a slow service: each is served in order, few calls are made at a time, and no threads grow.

use super::*;
use std::collections::HashMap;

const FANS: usize = 30;
const CONCURRENCY: usize = 8;

/// The threads that make calls to services.
fn threads(account: &Account) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", account.pid())).unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    let calls = names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "service"));
    calls.count()
}

#[test]
fn each_follower_is_served_in_order_by_few_calls_at_a_time_and_few_threads() {
    let service = Service::wechat();
    let account = forwarding(&service, "").start();
    service.always(Act::text("warm"));
    account.post(&text("hello")).is_text("warm");
    service.always(Act::text("served").after(millis(20)));
    let fans: Vec<String> = (0..FANS).map(|_| another_fan()).collect();
    let mut most_threads = 0;
    let mut wires = Vec::new();
    for n in 0..3 {
        // The next message of everybody, while the last one waits or is served.
        let contents = fans
            .iter()
            .map(|fan| text(&format!("message {n}")).from(fan));
        wires.extend(contents.map(|push| sent(&account, &push)));
        let rows = FANS as i64 * (n + 1) + 1;
        eventually("their rows", account.log(), || {
            account.store().count("forwards") == rows
        });
        most_threads = most_threads.max(threads(&account));
    }
    for wire in &mut wires {
        assert_eq!(wire.response().unwrap().status, 200, "{}", account.log());
    }
    most_threads = most_threads.max(threads(&account));
    assert!((1..=CONCURRENCY).contains(&most_threads), "{most_threads}");
    let most = service.most_at_once();
    assert!((2..=CONCURRENCY).contains(&most), "{most} at a time");
    let mut heard: HashMap<String, Vec<Asked>> = HashMap::new();
    for asked in service.asked().into_iter().skip(1) {
        let fan = asked.call.query["openid"].clone();
        heard.entry(fan).or_default().push(asked);
    }
    assert_eq!(heard.len(), FANS);
    for asked in heard.values() {
        let numbers = asked.iter().map(|asked| {
            let at = asked.call.body.find("message ").unwrap();
            asked.call.body[at + 8..].chars().next().unwrap()
        });
        assert_eq!(numbers.collect::<String>(), "012");
        for pair in asked.windows(2) {
            assert!(pair[1].at - pair[0].at >= millis(20), "two at a time");
        }
    }
    assert_eq!(
        account.store().count("forwards WHERE state = 'answered'"),
        91
    );
}

#[test]
fn a_slow_service_delays_no_other_push() {
    let service = Service::wechat();
    service.always(Act::hang());
    let rules = format!("[[rule]]\nmessage = \"image\"\ntext = \"A picture.\"\n{FORWARD_ALL}");
    let account = Setup::new().rules(&rules).service(&service, "").start();
    let wires: Vec<Wire> = (0..100)
        .map(|_| sent(&account, &text("hello").from(&another_fan())))
        .collect();
    eventually("100 that wait", account.log(), || {
        account.store().count("forwards WHERE state = 'asked'") == 100
    });
    let others = (0..15).map(|_| account.post(&image()).is_text("A picture.").took);
    let mut took: Vec<Duration> = others.collect();
    took.sort();
    // The median, because a busy machine may be slow now and then.
    assert!(took[7] < millis(250), "{took:?}");
    drop(wires);
}
