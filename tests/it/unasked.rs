//! Forwarded pushes whose service is not asked, or is down.

use crate::support::service::{Act, FORWARD_ALL};
use crate::support::*;
use std::time::Duration;

/// What is shown by [`FORWARD_ALL`] when the service fails.
const OUT: &str = "The bot is out.";

#[test]
fn an_event_that_takes_no_answer_gets_none_also_while_the_circuit_is_open() {
    let service = Service::wechat();
    service.always(Act::http("500 Internal Server Error", "text/plain", ""));
    let account = Setup::new()
        .rules(FORWARD_ALL)
        .service(&service, "")
        .start();
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
    let account = Setup::new()
        .rules(FORWARD_ALL)
        .service(&service, "")
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
    let account = Setup::new()
        .rules(FORWARD_ALL)
        .service(&service, "concurrency = 1")
        .start();
    service.down();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = account.post(&text("hello").from(&another_fan()));
                answer.is_text(OUT);
                answer.expect(
                    answer.took < Duration::from_millis(4_500),
                    "otherwise in time",
                );
            });
        }
    });
}
