//! Forgetting a person, by the platform's authorization events or `followers forget`, down to the bytes in the files.

use crate::support::account::{HELP, WELCOME};
use crate::support::store::{change, hold_a_snapshot};
use crate::support::*;
use std::time::{Duration, Instant};

/// The platform's account that sends authorization events.
const HELPER: &str = "oSyn1cPlatformHelper00000001";

/// An authorization event about this person, with one of the spellings seen in practice.
fn authorization(event_name: &str, person: &str, spelling: &str) -> Push {
    event(event_name)
        .from(HELPER)
        .element(spelling, person)
        .element("AppID", "wx00aa11bb22cc33dd")
        .element("RevokeInfo", "205")
}

/// Waits until no file of the store contains these bytes any more.
#[track_caller]
fn vanishes(account: &Account, needle: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let files = account.files_with(needle);
        if files.is_empty() {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{needle} is still in {files:?}\n{}",
            account.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let dump = account.store().dump();
    assert!(!dump.contains(needle), "{needle} in\n{dump}");
}

/// Leaves every kind of row that can name a person: their own pushes, and pushes of others.
fn leave_traces(account: &Account, person: &str) {
    account
        .post(&subscribe_by("poster-7").from(person))
        .is_text(WELCOME);
    account.post(&unsubscribe().from(person)).is_success();
    account.post(&subscribe().from(person)).is_text(WELCOME);
    account.post(&text("hello").from(person)).is_text(HELP);
    account
        .post(&text(&"long ".repeat(3_000)).from(person))
        .is_text(HELP);
    account.post(&click("MENU").from(person)).is_success();
    account
        .post(&authorization("user_info_modified", person, "OpenID"))
        .is_success();
    let gift = event("user_get_card")
        .from(&another_fan())
        .element("CardId", "p1")
        .element("FriendUserName", person);
    account.post(&gift).is_success();
    let scene = subscribe_by(&format!("invited_by_{person}")).from(&another_fan());
    account.post(&scene).is_text(WELCOME);
    let mention = text(&format!("my friend is {person}")).from(&another_fan());
    account.post(&mention).is_text(HELP);
}

#[test]
fn a_changed_profile_is_fetched_again() {
    for spelling in ["OpenID", "openid"] {
        let platform = Platform::start();
        let account = Setup::new().platform(&platform).start();
        let (changed, other) = (another_fan(), another_fan());
        for fan in [&changed, &other] {
            account.post(&subscribe().from(fan)).is_text(WELCOME);
        }
        let fetched = "followers WHERE profile_at IS NOT NULL";
        eventually("two profiles", account.log(), || {
            account.store().count(fetched) == 2
        });
        let before = platform.profile_calls_for(&other);
        platform.profile(
            &changed,
            &format!("{{\"subscribe\":1,\"openid\":\"{changed}\",\"nickname\":\"new name\"}}"),
        );
        account
            .post(&authorization("user_info_modified", &changed, spelling))
            .is_success();
        let renamed = format!("followers WHERE openid = '{changed}' AND nickname = 'new name'");
        eventually("the new name", account.log(), || {
            account.store().count(&renamed) == 1
        });
        assert_eq!(
            platform.profile_calls_for(&other),
            before,
            "only the changed profile is fetched"
        );
    }
}

#[test]
fn a_revoked_authorization_clears_the_profile_and_nothing_else() {
    let account = Account::start();
    let (one, two, other) = (another_fan(), another_fan(), another_fan());
    for fan in [&one, &two, &other] {
        account
            .post(&subscribe_by("door").from(fan))
            .is_text(WELCOME);
    }
    change(
        &account.store_path(),
        "UPDATE followers SET unionid = 'union', nickname = 'nick', sex = 1, language = 'zh', city = 'c',
         province = 'p', country = 'n', headimgurl = 'h', remark = 'mine', tagid_list = '[2]', profile_at = 7",
    );
    account
        .post(&authorization("user_authorization_revoke", &one, "OpenID"))
        .is_success();
    account
        .post(&authorization("user_authorization_revoke", &two, "openid"))
        .is_success();
    account
        .post(&authorization(
            "user_authorization_revoke",
            &another_fan(),
            "OpenID",
        ))
        .is_success();
    let profile = "SELECT unionid, nickname, sex, language, city, province, country, headimgurl FROM followers WHERE openid =";
    for fan in [&one, &two] {
        account
            .store()
            .is(
                &format!("{profile} '{fan}'"),
                &["NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"],
            )
            .is(
                &format!(
                    "SELECT remark, tagid_list, qr_scene_str FROM followers WHERE openid = '{fan}'"
                ),
                &["mine|[2]|door"],
            );
    }
    account.store().is(
        &format!("{profile} '{other}'"),
        &["union|nick|1|zh|c|p|n|h"],
    );
}

#[test]
fn a_closed_account_is_erased_to_the_last_byte_while_the_server_runs() {
    for spelling in ["OpenID", "openid"] {
        let account = Account::start();
        let (gone, stays) = (another_fan(), another_fan());
        leave_traces(&account, &gone);
        leave_traces(&account, &stays);
        assert!(!account.files_with(&gone).is_empty());
        let push = authorization("user_authorization_cancellation", &gone, spelling);
        account.post(&push).is_success();
        vanishes(&account, &gone);
        let store = account.store();
        store.is(
            &format!("SELECT openid FROM followers WHERE openid = '{stays}'"),
            &[&stays],
        );
        assert_eq!(
            store.count(&format!("messages WHERE openid = '{stays}'")),
            6
        );
        assert_eq!(store.count("settings WHERE name LIKE 'forget%'"), 0);
        // The event is recorded without the person, and only once even if delivered again.
        let events = "messages WHERE event = 'user_authorization_cancellation'";
        assert_eq!(store.count(events), 1);
        account.post(&push).is_success();
        assert_eq!(account.store().count(events), 1);
        vanishes(&account, &gone);
    }
}

#[test]
fn two_accounts_closed_in_the_same_second_are_both_forgotten() {
    let account = Account::start();
    let people = [another_fan(), another_fan()];
    for person in &people {
        leave_traces(&account, person);
    }
    let at = now();
    for person in &people {
        let push = authorization("user_authorization_cancellation", person, "OpenID").at(at);
        account.post(&push).is_success();
    }
    for person in &people {
        vanishes(&account, person);
    }
}

#[test]
fn an_authorization_event_about_nobody_or_a_stranger_harms_nobody() {
    let account = Account::start();
    account.post(&subscribe()).is_text(WELCOME);
    for name in [
        "user_info_modified",
        "user_authorization_revoke",
        "user_authorization_cancellation",
    ] {
        account.post(&event(name).from(HELPER)).is_success();
        account
            .post(&authorization(name, "", "OpenID"))
            .is_success();
        account
            .post(&authorization(name, "%", "OpenID"))
            .is_success();
        account
            .post(&authorization(name, "oNobody", "OpenID"))
            .is_success();
    }
    account.store().is("SELECT openid FROM followers", &[FAN]);
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn a_closed_account_is_forgotten_in_every_mode() {
    for mode in [Mode::Compatible, Mode::Secure] {
        let console = Console::new(mode);
        let account = console.setup().start();
        let gone = another_fan();
        console
            .push(&account, &subscribe().from(&gone))
            .is_text(WELCOME);
        console
            .push(&account, &text("hello").from(&gone))
            .is_text(HELP);
        console
            .push(
                &account,
                &authorization("user_authorization_cancellation", &gone, "OpenID"),
            )
            .is_success();
        vanishes(&account, &gone);
    }
}

#[test]
fn forgetting_is_completed_after_a_kill() {
    let mut account = Account::start();
    for _ in 0..3 {
        let gone = another_fan();
        leave_traces(&account, &gone);
        account
            .post(&authorization(
                "user_authorization_cancellation",
                &gone,
                "OpenID",
            ))
            .is_success();
        account.kill();
        account.begin();
        vanishes(&account, &gone);
    }
    // Killed exactly between the commit and the erasing that follows.
    let gone = another_fan();
    leave_traces(&account, &gone);
    account.kill();
    change(
        &account.store_path(),
        &format!("INSERT INTO settings (name) VALUES ('forget {gone}')"),
    );
    account.begin();
    vanishes(&account, &gone);
}

#[test]
fn a_person_whom_a_late_answer_to_somebody_else_names_is_forgotten() {
    let account = Account::start();
    let gone = another_fan();
    account.post(&text("hello").from(&gone)).is_text(HELP);
    account.post(&text("hello")).is_text(HELP);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO forwards (message_id, service, openid, state, answer, asked_at)
             SELECT id, 'bot', openid, 'sent', '<xml>{gone} is first</xml>', 1 FROM messages WHERE openid = '{FAN}'"
        ),
    );
    account
        .command(&["followers", "forget", &gone, "--yes"])
        .ok();
    vanishes(&account, &gone);
}

#[test]
fn a_person_is_forgotten_with_what_was_sent_to_them_and_what_was_written_of_them() {
    let account = Account::start();
    let gone = another_fan();
    account.post(&text("hello").from(&gone)).is_text(HELP);
    account.post(&text("hello")).is_text(HELP);
    let send = |openid: &str, content: &str| {
        format!(
            "INSERT INTO sent (openid, at, msg_type, content, by, state)
             VALUES ('{openid}', unixepoch(), 'text', '{content}', 'cli', 'sent');"
        )
    };
    let rows = [
        send(&gone, "only for you"),
        send(FAN, &format!("{gone} comes, too")),
        send(FAN, "hello"),
        format!("UPDATE messages SET todo = 1 WHERE openid = '{gone}';"),
    ];
    change(&account.store_path(), &rows.concat());
    let ran = account.command(&["followers", "forget", &gone, "--yes"]);
    ran.ok().says("also 1 customer-service message sent");
    vanishes(&account, &gone);
    vanishes(&account, "only for you");
    // What others were sent goes on to count in their window.
    account.store().is(
        "SELECT openid, content FROM sent ORDER BY id",
        &[&format!("{FAN}|NULL"), &format!("{FAN}|hello")],
    );
    assert_eq!(account.store().count("messages WHERE todo = 1"), 0);
    // Whose account is closed, too.
    change(&account.store_path(), &send(&gone, "only for you"));
    let push = authorization("user_authorization_cancellation", &gone, "OpenID");
    account.post(&push).is_success();
    vanishes(&account, &gone);
}

#[test]
fn a_person_is_erased_to_the_last_byte_among_thousands_of_rows() {
    // Growing tables move rows between pages, and may leave copies in a page's free space.
    let account = Setup::new().set("server.max_connections", "64").start();
    let people: Vec<String> = (0..40).map(|_| another_fan()).collect();
    for round in 0..25 {
        std::thread::scope(|scope| {
            for part in people.chunks(10) {
                let account = &account;
                scope.spawn(move || {
                    for person in part {
                        account.post(&subscribe().from(person));
                        let content = format!("{} {person}", "x".repeat(37 * (round % 9)));
                        account.post(&text(&content).from(person));
                        account.post(&unsubscribe().from(person));
                    }
                });
            }
        });
    }
    for (at, person) in people.iter().enumerate().step_by(4) {
        if at % 8 == 0 {
            account
                .command(&["followers", "forget", person, "--yes"])
                .ok();
        } else {
            let push = authorization("user_authorization_cancellation", person, "OpenID");
            account.post(&push).is_success();
        }
    }
    for person in people.iter().step_by(4) {
        vanishes(&account, person);
    }
    assert_eq!(
        account
            .store()
            .count(&format!("messages WHERE openid = '{}'", people[1])),
        75
    );
    account.store().is("PRAGMA integrity_check", &["ok"]);
}

#[test]
fn forget_erases_the_last_byte_while_the_server_answers() {
    let account = Account::start();
    let gone = another_fan();
    leave_traces(&account, &gone);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // A push would be refused if the store were blocked for 3.5 s.
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                account.post(&text("busy")).is_text(HELP);
            }
        });
        let ran = account.command(&["followers", "forget", &gone, "--yes", "--json"]);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let erased = ran.json();
        assert_eq!(erased["followers"], 1, "{erased}");
        assert_eq!(erased["follow_log"], 3, "{erased}");
        // Six of their own, and four of others that name them.
        assert_eq!(erased["messages"], 10, "{erased}");
        writer.join().unwrap();
    });
    assert_eq!(account.files_with(&gone), [""; 0]);
    assert!(!account.store().dump().contains(&gone));
    account
        .command(&["followers", "forget", &gone, "--yes"])
        .failed();
}

#[test]
fn an_endless_reader_delays_erasing_but_no_push() {
    let mut account = Account::start();
    let gone = another_fan();
    // They empty the log at the start, and a reader that comes just then needs none of it.
    account.await_rest_of("chores");
    leave_traces(&account, &gone);
    let snapshot = hold_a_snapshot(&account.store_path());
    let done = std::sync::atomic::AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let pushes = scope.spawn(|| {
            let mut answers = 0;
            // A push would be refused if the store were blocked for 3.5 s.
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                account.post(&text("busy")).is_text(HELP);
                answers += 1;
            }
            answers
        });
        let ran = account.command(&["followers", "forget", &gone, "--yes"]);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        ran.failed()
            .complains("the rows are gone")
            .complains("wechat.db-wal");
        pushes.join().unwrap()
    });
    assert!(answers > 5, "only {answers} pushes while it tried");
    let rows = format!("messages WHERE openid = '{gone}'");
    assert_eq!(account.store().count(&rows), 0);
    drop(snapshot);
    account.restart();
    vanishes(&account, &gone);
}

#[test]
fn a_person_whose_openid_contains_the_other_is_not_forgotten() {
    let account = Account::start();
    let people = ["oUser1", "oUser10", "oUser12", "oBob"];
    for person in people {
        account.post(&text("hello").from(person)).is_text(HELP);
    }
    let friend = text("my friends are oUser1 and oUser12").from("oBob");
    account.post(&friend).is_text(HELP);
    let erased = account
        .command(&["followers", "forget", "oUser1", "--yes", "--json"])
        .json();
    assert_eq!(erased["messages"], 2, "their own and their friend's");
    let openids = "SELECT openid FROM messages ORDER BY id";
    account.store().is(openids, &people[1..]);
}

#[test]
fn an_event_about_an_openid_that_is_a_common_word_erases_nobody_else() {
    let account = Account::start();
    account.post(&text("hello").from("oBob")).is_text(HELP);
    let account_name: String = account
        .store()
        .one("SELECT substr(xml, instr(xml, 'gh_'), 6) FROM messages");
    for word in ["o", "xml", "text", "CreateTime", &account_name] {
        account
            .post(&authorization(
                "user_authorization_cancellation",
                word,
                "OpenID",
            ))
            .is_success();
    }
    eventually("the chores", account.log(), || {
        account.store().count("settings WHERE name LIKE 'forget%'") == 0
    });
    assert_eq!(account.store().count("messages WHERE openid = 'oBob'"), 1);
}

/// What can name a person, of each table.
const TABLES: [&str; 5] = [
    "messages",
    "followers",
    "follow_log",
    "jobs",
    "settings WHERE name LIKE 'forget %'",
];

/// Three deliveries of a push, each with its own signature: two in XML, one in JSON.
fn deliveries(console: &Console, push: &Push) -> Vec<Delivery> {
    let mut json = serde_json::Map::new();
    let body = xmltree::Element::parse(push.body().as_slice()).unwrap();
    for element in body.children.iter().filter_map(|node| node.as_element()) {
        let text = element.get_text().unwrap_or_default().into_owned();
        json.insert(element.name.clone(), text.into());
    }
    let json = raw(serde_json::Value::Object(json).to_string());
    vec![
        console.deliver(push),
        console.deliver(push),
        console.deliver(&json),
    ]
}

#[test]
fn a_repeated_push_of_a_forgotten_person_does_not_bring_them_back() {
    for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
        for closes in [true, false] {
            let console = Console::new(mode);
            let mut account = console.setup().start();
            let (gone, other) = (another_fan(), another_fan());
            let pushes = [
                subscribe_by("poster-7").from(&gone),
                text("hello").from(&gone),
                click("MENU").from(&gone),
                unsubscribe().from(&gone),
                subscribe().from(&gone),
                text(&format!("my friend is {gone}")).from(&other),
            ];
            let mut seen = Vec::new();
            for push in &pushes {
                let deliveries = deliveries(&console, push);
                account.send(&deliveries[0].request()).is_status(200);
                seen.extend(deliveries);
            }
            if closes {
                let push = authorization("user_authorization_cancellation", &gone, "OpenID");
                console.push(&account, &push).is_success();
            } else {
                account
                    .command(&["followers", "forget", &gone, "--yes"])
                    .ok();
            }
            vanishes(&account, &gone);
            let rows = |account: &Account| TABLES.map(|table| account.store().count(table));
            let before = rows(&account);
            for restarts in [false, true] {
                if restarts {
                    account.restart();
                }
                for delivery in &seen {
                    account.send(&delivery.request()).is_success();
                }
                assert_eq!(
                    rows(&account),
                    before,
                    "{mode:?}\n{}",
                    account.store().dump()
                );
            }
            vanishes(&account, &gone);
            // A person who writes again is recorded again.
            console
                .push(&account, &text("hello").from(&gone))
                .is_text(HELP);
            console
                .push(&account, &subscribe().from(&gone))
                .is_text(WELCOME);
            let theirs = |table: &str| {
                account
                    .store()
                    .count(&format!("{table} WHERE openid = '{gone}'"))
            };
            assert_eq!(
                TABLES[..3]
                    .iter()
                    .map(|table| theirs(table))
                    .collect::<Vec<_>>(),
                [2, 1, 1]
            );
        }
    }
}

#[test]
fn a_push_delivered_during_forgetting_does_not_bring_anybody_back() {
    let account = Account::start();
    for _ in 0..5 {
        let gone = another_fan();
        let push = subscribe().from(&gone).request("/wechat", TOKEN);
        account.send(&push).is_text(WELCOME);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        account.send(&push).is_status(200);
                    }
                });
            }
            account
                .command(&["followers", "forget", &gone, "--yes"])
                .ok();
        });
        vanishes(&account, &gone);
    }
}
