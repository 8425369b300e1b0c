//! Pushes that several servers forward: one of them asks the service, the follower is shown the answer once, whichever
//! server the deliveries come to, and what a server leaves behind another one goes on with.

use crate::support::account::send_signal;
use crate::support::cluster::Cluster;
use crate::support::service::{Act, FORWARD_ALL};
use crate::support::*;
use std::time::Duration;

const SEND: &str = "/cgi-bin/message/custom/send";

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server before it starts that forwards everything to this service, with these keys of `[[service]]`.
fn forwarding(cluster: &Cluster, service: &Service, keys: &str) -> Setup {
    cluster.setup().rules(FORWARD_ALL).service(service, keys)
}

/// Sends a push, whose answer is not read yet.
fn sent(account: &Account, push: &Push) -> Wire {
    let mut wire = Wire::connect(account.address()).unwrap();
    let request = push.request("/wechat", &account.token);
    wire.send(&request.bytes()).unwrap();
    wire
}

/// Waits until the service was called this often.
#[track_caller]
fn asked(service: &Service, account: &Account, count: usize) {
    eventually(&format!("{count} calls"), account.log(), || {
        service.asked().len() >= count
    });
}

/// Waits until the forwarded pushes are in these states.
#[track_caller]
fn become_(cluster: &Cluster, account: &Account, expected: &str) {
    eventually(expected, account.log(), || states(cluster) == expected);
}

fn states(cluster: &Cluster) -> String {
    cluster
        .sql("SELECT state FROM forwards ORDER BY id")
        .replace('\n', " ")
}

/// Whoever asks services has given no sign of life for more than a minute.
fn age_those_who_ask(cluster: &Cluster) {
    cluster.sql(
        "UPDATE nodes SET seen_at = seen_at - 61 WHERE id IN (SELECT node FROM forwards WHERE state IN ('asked', 'sending'))",
    );
}

/// Cases that do little but wait, all at the same time.
#[test]
fn cases_of_several_servers_that_take_seconds_in_real_time() {
    type Case = (&'static str, fn(&Cluster));
    let cases: [Case; 6] = [
        (
            "redelivered",
            what_one_server_asks_the_next_delivery_at_another_gets_once,
        ),
        (
            "waited",
            the_third_delivery_is_answered_by_the_server_that_has_it,
        ),
        (
            "kept",
            an_answer_that_one_server_keeps_the_next_message_at_another_shows,
        ),
        ("killed", what_a_killed_server_asked_another_asks_again),
        (
            "stopped",
            what_a_stopped_server_asked_another_asks_again_at_once,
        ),
        (
            "frozen",
            what_a_frozen_server_was_sending_nobody_sends_again,
        ),
    ];
    std::thread::scope(|scope| {
        for (name, case) in cases {
            let Some(cluster) = Cluster::new() else {
                return;
            };
            // A failure says the name of its thread.
            let thread = std::thread::Builder::new().name(name.into());
            thread.spawn_scoped(scope, move || case(&cluster)).unwrap();
        }
    });
}

fn what_one_server_asks_the_next_delivery_at_another_gets_once(cluster: &Cluster) {
    let service = Service::wechat();
    let node = || forwarding(cluster, &service, "").start();
    let [one, other] = [node(), node()];
    service.always(Act::text("well considered").after(millis(1_500)));
    let push = text("hello");
    let first = sent(&one, &push);
    asked(&service, &one, 1);
    // The platform hangs up, and delivers it to the other one.
    drop(first);
    other.post(&push).is_text("well considered");
    assert_eq!(service.times(&push), 1);
    // The other one's delivery is known to the first, and shown is shown: also when it would go on to the next rung.
    let row = "SELECT state, deliveries, taken FROM forwards";
    assert_eq!(cluster.sql(row), "answered\t2\t1");
    std::thread::sleep(millis(15_000));
    assert_eq!(cluster.sql(row), "answered\t2\t1");
    for node in [&other, &one] {
        node.post(&push).is_text("well considered");
    }
    assert_eq!(service.times(&push), 1);
}

fn the_third_delivery_is_answered_by_the_server_that_has_it(cluster: &Cluster) {
    let service = Service::wechat();
    let keys = "slow = [\"wait\", \"next\"]\nwait_text = \"A moment.\"";
    let node = || forwarding(cluster, &service, keys).start();
    let [one, other] = [node(), node()];
    service.always(Act::text("well considered").after(millis(9_000)));
    let push = text("hello").from("oPatient");
    for node in [&one, &other] {
        drop(sent(node, &push));
        asked(&service, &one, 1);
    }
    eventually("two deliveries", other.log(), || {
        cluster.sql("SELECT deliveries FROM forwards") == "2"
    });
    // It is the last one that may wait.
    other.post(&push).is_text("A moment.");
    become_(cluster, &one, "kept");
    service.always(Act::nothing());
    let next = text("and?").from("oPatient");
    other.post(&next).is_text("well considered");
    assert_eq!(service.times(&push), 1);
}

fn an_answer_that_one_server_keeps_the_next_message_at_another_shows(cluster: &Cluster) {
    let service = Service::wechat();
    let node = || forwarding(cluster, &service, "slow = [\"next\"]").start();
    let [one, other] = [node(), node()];
    service.always(Act::text("well considered").after(millis(5_000)));
    one.post(&text("hello").from("oLater")).is_success();
    become_(cluster, &one, "kept");
    service.always(Act::nothing());
    let next = text("and?").from("oLater");
    other.post(&next).is_text("well considered");
    for node in [&one, &other] {
        node.post(&next).is_text("well considered");
        node.post(&text("and?").from("oLater")).is_success();
    }
}

fn what_a_killed_server_asked_another_asks_again(cluster: &Cluster) {
    let service = Service::wechat();
    let node = || forwarding(cluster, &service, "").start();
    // The first one does what is done for all.
    let (other, mut one) = (node(), node());
    service.always(Act::hang());
    let push = text("hello");
    let first = sent(&one, &push);
    asked(&service, &one, 1);
    one.kill();
    drop(first);
    // It waits here before this server asks, too.
    let mut second = sent(&other, &push);
    service.always(Act::text("after the kill"));
    age_those_who_ask(cluster);
    asked(&service, &other, 2);
    let answer = second.response().unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("after the kill"), "{body}\n{}", other.log());
    other.post(&push).is_text("after the kill");
    assert_eq!(service.times(&push), 2);
    become_(cluster, &other, "answered");
}

fn what_a_stopped_server_asked_another_asks_again_at_once(cluster: &Cluster) {
    let service = Service::wechat();
    let node = || forwarding(cluster, &service, "").start();
    let (other, mut one) = (node(), node());
    service.always(Act::hang());
    let push = text("hello");
    let _first = sent(&one, &push);
    asked(&service, &one, 1);
    service.always(Act::text("after the stop"));
    assert_eq!(one.stop().code, Some(0), "{}", one.log());
    asked(&service, &other, 2);
    other.post(&push).is_text("after the stop");
    assert_eq!(service.times(&push), 2);
}

fn what_a_frozen_server_was_sending_nobody_sends_again(cluster: &Cluster) {
    let (service, platform) = (Service::wechat(), Platform::start());
    let node = || {
        let setup = forwarding(cluster, &service, "slow = [\"message\"]");
        setup.platform(&platform).start()
    };
    let (other, one) = (node(), node());
    service.always(Act::text("well considered").after(millis(5_000)));
    platform.always(SEND, Fault::Hang);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let one = &one;
            scope.spawn(move || {
                one.post(&text("hello").from(&another_fan())).is_success();
            });
        }
    });
    // Two are on their way, and one waits for that.
    become_(cluster, &one, "sending sending sending");
    eventually("two messages", one.log(), || platform.count(SEND) == 2);
    // Who starts leaves alone what others are doing.
    let third = node();
    assert_eq!(states(cluster), "sending sending sending");
    drop(third);
    send_signal(one.pid(), "STOP");
    age_those_who_ask(cluster);
    become_(cluster, &other, "unknown unknown unknown");
    platform.heal();
    platform.release();
    send_signal(one.pid(), "CONT");
    // What it does next comes after what it did not do.
    one.post(&text("hello").from(&another_fan())).is_success();
    become_(cluster, &one, "unknown unknown unknown sent");
    assert_eq!(platform.count(SEND), 3);
    assert_eq!(
        cluster.sql("SELECT state, count(*) FROM sent GROUP BY state ORDER BY state"),
        "sent\t1\nunknown\t3"
    );
}
