//! The ladder in real time, with the platform that delivers again, and clients that do not wait for their answer. Its times
//! are tested as a grid, too, in a time of its own.

use super::*;
use crate::support::phone::{Came, Patience};
use std::time::Instant;

/// The platform in a hurry.
fn patience(deliveries: usize, drop_after: u64) -> Patience {
    Patience {
        deliveries,
        drop_after: millis(drop_after),
    }
}

const AT_4_600: Duration = millis(4_600);

pub fn the_second_delivery_gets_what_came_after_the_first() {
    let service = Service::wechat();
    service.always(Act::text("at last").after(AT_4_600));
    let account = forwarding(&service, "").start();
    let push = text("hello");
    let begun = Instant::now();
    let phone = account.deliver(&push, Patience::default());
    assert_eq!(phone.0[0].came, Came::Dropped, "{}", account.log());
    assert_eq!(phone.shown(), ["at last"], "{}", account.log());
    assert!(begun.elapsed() < 2 * IN_TIME);
    assert_eq!(service.asked().len(), 1);
    let deliveries = phone.0.len();
    assert_eq!(states(&account), [format!("answered|{deliveries}|NULL")]);
    account.log().says("rule #1: bot: no answer yet after ");
}

pub fn the_second_delivery_gets_otherwise_when_the_service_fails_after_the_first() {
    let service = Service::wechat();
    service.always(Act::http("500 Oops", "text/plain", "").after(AT_4_600));
    let account = forwarding(&service, "").start();
    let phone = account.deliver(&text("hello"), Patience::default());
    assert_eq!(phone.0[0].came, Came::Dropped, "{}", account.log());
    assert_eq!(phone.shown(), [OUT], "{}", account.log());
    assert_eq!(service.asked().len(), 1);
}

pub fn without_any_rung_there_is_success_before_the_platform_hangs_up() {
    let service = Service::wechat();
    service.always(Act::text("too late").after(AT_4_600));
    let keys = "slow = []\nwait_text = \"not shown without next\"";
    let account = forwarding(&service, keys).start();
    let phone = account.deliver(&text("hello"), Patience::default());
    assert_eq!(phone.came().last(), Some(&&Came::Success), "{phone:?}");
    assert!(phone.0[0].took >= millis(4_400), "{phone:?}");
    become_(&account, &["expired"]);
    account
        .log()
        .says("service bot: 1 answer not shown (it came too late)");
    let listed = account.command(&["forwards", "list", "--state", "expired"]);
    listed.ok().says("bot");
}

pub fn without_wait_a_message_brings_what_comes_late() {
    let (service, platform) = (Service::wechat(), Platform::start());
    service.always(Act::text("as a message").after(AT_4_600));
    let keys = "slow = [\"message\", \"next\"]\nwait_text = \"not shown\"";
    let account = forwarding(&service, keys).platform(&platform).start();
    let push = text("hello");
    let phone = account.deliver(&push, Patience::default());
    assert_eq!(phone.came().last(), Some(&&Came::Success), "{phone:?}");
    become_(&account, &["sent"]);
    assert_eq!(messages(&platform), ["as a message"]);
    assert_eq!(platform.bodies(SEND)[0]["touser"], FAN);
    // Delivered once more, it is still answered.
    account.post(&push).is_success();
    assert_eq!(service.asked().len(), 1);
}

pub fn without_wait_the_next_message_shows_what_comes_late() {
    let service = Service::wechat();
    service.script([
        Act::text("one").after(AT_4_600),
        Act::text("two"),
        Act::nothing(),
    ]);
    let keys = "slow = [\"next\"]\nwait_text = \"One moment.\"";
    let account = forwarding(&service, keys).start();
    let push = text("hello");
    let phone = account.deliver(&push, Patience::default());
    assert_eq!(phone.shown(), ["One moment."], "{}", account.log());
    account.post(&push).is_text("One moment.");
    become_(&account, &["kept"]);
    // It is called all the same, and what it says goes the same way.
    account.post(&text("and?")).is_text("one");
    become_(&account, &["shown", "kept"]);
    account.post(&click("MENU")).is_text("two");
    become_(&account, &["shown", "shown", "answered"]);
    account.post(&text("and now?")).is_success();
}

pub fn what_the_platform_does_not_fetch_any_more_goes_on() {
    let service = Service::wechat();
    service.always(Act::text("not lost").after(millis(4_000)));
    // A further delivery finds no place while the first one waits, and is not answered.
    let setup = forwarding(&service, "").set("server.max_waiting", "1");
    let account = setup.start();
    let push = text("hello");
    let first = sent(&account, &push);
    asked(&service, &account, 1);
    let phone = account.deliver(&push, patience(1, 1_500));
    assert_eq!(phone.came(), [&Came::Closed], "{}", account.log());
    drop(first);
    become_(&account, &["kept"]);
    service.always(Act::nothing());
    account.post(&text("anything")).is_text("not lost");
    account.post(&push).is_success();
}

pub fn the_next_delivery_gets_what_came_when_the_client_had_hung_up() {
    let service = Service::wechat();
    service.always(Act::text("for the next").after(millis(900)));
    let account = forwarding(&service, "").start();
    let push = text("hello");
    let phone = account.deliver(&push, patience(4, 600));
    assert_eq!(phone.0[0].came, Came::Dropped, "{}", account.log());
    assert_eq!(phone.shown(), ["for the next"], "{}", account.log());
    // Also when the answer came between two deliveries.
    let push = text("hello again");
    drop(sent(&account, &push));
    become_(&account, &["answered", "answered"]);
    account.post(&push).is_text("for the next");
    assert_eq!(service.asked().len(), 2);
}
