//! What may happen to the store, the configuration or the person while a push waits or its answer is kept.

use super::*;
use crate::support::service::FORWARD_ALL;
use crate::support::store::change;
use std::process::Command;

/// The platform's account that sends authorization events.
const HELPER: &str = "oSyn1cPlatformHelper00000001";

pub fn a_store_that_cannot_write_while_a_push_waits_costs_no_answer() {
    let service = Service::wechat();
    service.always(Act::text("not lost").after(millis(600)));
    let account = forwarding(&service, "").start();
    let push = text("hello");
    let mut waits = sent(&account, &push);
    asked(&service, &account, 1);
    let locked = rusqlite::Connection::open(account.store_path()).unwrap();
    locked.busy_timeout(IN_TIME).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(waits.response().unwrap().status, 503, "{}", account.log());
    account.post(&push).is_status(503);
    locked.execute_batch("ROLLBACK").unwrap();
    account.post(&push).is_text("not lost");
    assert_eq!(service.asked().len(), 1);
    account
        .store()
        .is("SELECT state FROM forwards", &["answered"]);
}

#[test]
fn a_full_disk_costs_no_answer() {
    let service = Service::wechat();
    service.always(Act::text("not lost").after(millis(600)));
    let setup = forwarding(&service, "").stopped();
    let mut account = setup.wrapped_in("trap '' XFSZ; exec \"$@\"");
    account.begin();
    let limit = |most: &str| {
        let pid = account.pid().to_string();
        let mut limit = Command::new("prlimit");
        limit.args([&format!("--fsize={most}:"), "--pid", &pid]);
        limit.status().is_ok_and(|status| status.success())
    };
    let push = text("hello");
    let mut waits = sent(&account, &push);
    asked(&service, &account, 1);
    if !limit("0") {
        eprintln!("no prlimit here, skipped");
        return;
    }
    assert_eq!(waits.response().unwrap().status, 503, "{}", account.log());
    assert!(limit("unlimited"));
    let mut answer = account.post(&push);
    while answer.response.status == 503 {
        answer = account.post(&push);
    }
    answer.is_text("not lost");
    assert_eq!(service.asked().len(), 1);
}

pub fn a_reload_takes_no_answer_from_a_push_that_waits() {
    let (service, other) = (Service::wechat(), Service::wechat());
    let account = forwarding(&service, "").start();
    let with = |rules: &str| {
        account.rewrite_config(|config| {
            let head = config.split("\n[[rule]]").next().unwrap();
            format!("{head}\n{rules}")
        });
        account.reload();
    };
    let text_rule = "[[rule]]\nmessage = \"text\"\ntext = \"By rule.\"\n";
    // Without the rule, without the service, and with another program at its name.
    for (before, rules) in [
        format!("{text_rule}{}", service.entry("")),
        text_rule.to_owned(),
        format!("{FORWARD_ALL}{}", other.entry("")),
    ]
    .into_iter()
    .enumerate()
    {
        with(&format!("{FORWARD_ALL}{}", service.entry("")));
        service.always(Act::text("as asked").after(millis(800)));
        let push = text("hello");
        let mut waits = sent(&account, &push);
        asked(&service, &account, before + 1);
        with(&rules);
        account.post(&push).is_text("as asked");
        assert_eq!(waits.response().unwrap().status, 200, "{}", account.log());
        assert_eq!(service.times(&push), 1);
    }
    other.always(Act::text("the other"));
    account.post(&text("hello")).is_text("the other");
    assert_eq!(states(&account).len(), 4);
}

#[test]
fn another_concurrency_counts_from_the_next_push_on() {
    let service = Service::wechat();
    let account = forwarding(&service, "concurrency = 1").start();
    let served = || {
        service.always(Act::nothing().after(millis(150)));
        let mut wires: Vec<Wire> = (0..6)
            .map(|_| sent(&account, &text("hello").from(&another_fan())))
            .collect();
        for wire in &mut wires {
            assert_eq!(wire.response().unwrap().status, 200, "{}", account.log());
        }
    };
    served();
    assert_eq!(service.most_at_once(), 1);
    account.rewrite_config(|config| config.replace("concurrency = 1", "concurrency = 3"));
    account.reload();
    served();
    assert_eq!(service.most_at_once(), 3);
}

#[test]
fn what_was_forwarded_goes_with_the_person_and_with_old_messages() {
    let service = Service::wechat();
    service.always(Act::text("a secret answer"));
    let mut account = forwarding(&service, "").start();
    let [forgotten, closed, old, stays] = [(); 4].map(|()| another_fan());
    for fan in [&forgotten, &closed, &old, &stays] {
        account
            .post(&text("hello").from(fan))
            .is_text("a secret answer");
    }
    account.stop();
    change(
        &account.store_path(),
        &format!(
            "UPDATE forwards SET state = 'kept';
             UPDATE messages SET reply = NULL, received_at = received_at - 200 * 86400, created_at = created_at - 200 * 86400
             WHERE openid = '{old}'"
        ),
    );
    account.begin();
    let left = |account: &Account| {
        account
            .store()
            .rows("SELECT openid FROM forwards ORDER BY id")
    };
    account
        .command(&["followers", "forget", &forgotten, "--yes"])
        .ok();
    let event = event("user_authorization_cancellation").from(HELPER);
    service.always(Act::nothing());
    account.post(&event.element("OpenID", &closed)).is_success();
    eventually("the rows of those who stay", account.log(), || {
        left(&account) == [stays.as_str()]
    });
    // What is erased in the background must not be what they write now.
    account.await_rest_of("chores");
    // Nothing is shown to them any more.
    for fan in [&forgotten, &closed, &old] {
        account.post(&text("and?").from(fan)).is_success();
    }
    account
        .post(&text("and?").from(&stays))
        .is_text("a secret answer");
}

#[test]
fn nobody_is_asked_about_a_person_who_was_erased_while_the_push_waited_for_its_turn() {
    let service = Service::wechat();
    let account = forwarding(&service, "concurrency = 1").start();
    service.script([Act::text("first").after(millis(1_500)), Act::text("last")]);
    let pushes = [(); 3].map(|()| text("hello").from(&another_fan()));
    let mut waits = pushes.each_ref().map(|push| sent(&account, push));
    asked(&service, &account, 1);
    eventually("three that wait", account.log(), || {
        account.store().count("forwards WHERE state = 'asked'") == 3
    });
    // The first that came has its turn.
    let order = account
        .store()
        .rows("SELECT openid FROM forwards ORDER BY id");
    let of = |fan: &str| pushes.iter().position(|push| push.sender() == fan).unwrap();
    let [first, erased, last] = [0, 1, 2].map(|n| of(&order[n]));
    let forget = ["followers", "forget", pushes[erased].sender(), "--yes"];
    account.command(&forget).ok();
    for (at, said) in [(first, "first"), (last, "last")] {
        let answer = waits[at].response().unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains(said), "{body}");
    }
    let times = pushes.each_ref().map(|push| service.times(push));
    assert_eq!(times[erased], 0, "{}", account.log());
    assert_eq!(service.asked().len(), 2);
    account.post(&pushes[erased]).is_success();
    assert_eq!(states(&account), ["answered|1|NULL"; 2]);
}

#[test]
fn a_backup_has_what_was_forwarded_and_a_restore_goes_on_with_it() {
    let service = Service::wechat();
    service.always(Act::text("kept for later"));
    let mut account = forwarding(&service, "").start();
    let fans = [another_fan(), another_fan()];
    for fan in &fans {
        account
            .post(&text("hello").from(fan))
            .is_text("kept for later");
    }
    change(
        &account.store_path(),
        &format!(
            "UPDATE forwards SET state = 'kept' WHERE openid = '{}'",
            fans[0]
        ),
    );
    let copy = account.folder().join("copy.db").display().to_string();
    account.command(&["backup", &copy]).ok();
    let all = "SELECT * FROM forwards ORDER BY id";
    let before = account.store().rows(all);
    assert_eq!(Store::open(copy.as_ref(), account.log()).rows(all), before);
    account.stop();
    change(&account.store_path(), "DELETE FROM messages");
    assert_eq!(account.store().count("forwards"), 0);
    account.command(&["restore", &copy, "--yes"]).ok();
    account.begin();
    assert_eq!(account.store().rows(all), before);
    service.always(Act::nothing());
    account
        .post(&text("and?").from(&fans[0]))
        .is_text("kept for later");
    account.post(&text("and?").from(&fans[1])).is_success();
}
