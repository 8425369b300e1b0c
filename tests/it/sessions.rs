//! Who is logged in on web pages, in the store: sessions end with the push that takes the right away, expire, are listed
//! and ended by commands, and go with a backup.

use crate::support::account::{HELP, WELCOME};
use crate::support::http::Answer;
use crate::support::store::change;
use crate::support::*;

/// The platform's account that sends authorization events.
const HELPER: &str = "oSyn1cPlatformHelper00000001";

/// Logs this person in with two browsers, as the pages do.
fn log_in(account: &Account, person: &str) {
    let (since, until) = (now() - 60, now() + 3_600);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO sessions (token_hash, openid, unionid, method, created_at, expires_at, address, agent) VALUES
             (randomblob(32), '{person}', 'uSynOne', 'oauth', {since}, {until}, '192.0.2.7', 'Phone of {person}'),
             (randomblob(32), '{person}', NULL, 'scan', {since}, {until}, '192.0.2.8', 'Desk of {person}')"
        ),
    );
}

/// An account with these people logged in.
fn with_sessions(people: &[&str]) -> Account {
    let account = Account::start();
    for person in people {
        log_in(&account, person);
    }
    account
}

/// Whose sessions there are.
fn logged_in(account: &Account) -> Vec<String> {
    account
        .store()
        .rows("SELECT DISTINCT openid FROM sessions ORDER BY min(id) OVER (PARTITION BY openid)")
}

#[test]
fn a_person_who_leaves_or_revokes_or_closes_the_account_is_logged_out_in_the_same_commit() {
    let people = [another_fan(), another_fan(), another_fan(), another_fan()];
    let [leaves, revokes, closes, stays] = people.each_ref().map(String::as_str);
    let account = with_sessions(&[leaves, revokes, closes, stays]);
    for person in &people {
        account.post(&subscribe().from(person)).is_text(WELCOME);
    }
    assert_eq!(logged_in(&account), people, "who follows stays logged in");
    account.post(&text("hello").from(leaves)).is_text(HELP);

    account.post(&unsubscribe().from(leaves)).is_success();
    assert_eq!(logged_in(&account), [revokes, closes, stays]);
    for (name, person, left) in [
        ("user_info_modified", revokes, vec![revokes, closes, stays]),
        ("user_authorization_revoke", revokes, vec![closes, stays]),
        ("user_authorization_cancellation", closes, vec![stays]),
    ] {
        let event = event(name).from(HELPER).element("OpenID", person);
        account.post(&event).is_success();
        assert_eq!(logged_in(&account), left, "after {name}");
    }
    let follows = format!("followers WHERE openid = '{revokes}'");
    assert_eq!(account.store().count(&follows), 1, "who revokes follows");
}

#[test]
fn a_person_who_is_forgotten_leaves_no_trace_of_a_session() {
    let (gone, stays) = (another_fan(), another_fan());
    let mut account = with_sessions(&[&gone, &stays]);
    // Rows before and behind, so that SQLite rebuilds pages.
    for _ in 0..40 {
        log_in(&account, &another_fan());
    }
    account
        .command(&["followers", "forget", &gone, "--yes"])
        .ok()
        .says("also 2 sessions on web pages");
    account.stop();
    assert_eq!(
        account
            .store()
            .count(&format!("sessions WHERE openid = '{stays}'")),
        2
    );
    for trace in [
        gone.clone(),
        format!("Phone of {gone}"),
        format!("Desk of {gone}"),
    ] {
        assert_eq!(account.files_with(&trace), [""; 0], "{trace}");
    }
    account
        .command(&["followers", "forget", &gone, "--yes"])
        .failed();
}

#[test]
fn a_sync_that_takes_somebody_out_logs_them_out() {
    let platform = Platform::start();
    let people = crowd(0..3);
    platform.people(|all| all.followers = people.clone());
    let account = Setup::new().platform(&platform).stopped();
    account.command(&["followers", "sync"]).ok();
    people.iter().for_each(|person| log_in(&account, person));
    platform.people(|all| all.followers = people[1..].to_vec());
    account.command(&["followers", "sync", "--yes"]).ok();
    assert_eq!(account.store().count("followers"), 2);
    assert_eq!(logged_in(&account), people[1..]);
}

#[test]
fn sessions_that_have_expired_are_removed_at_the_start_and_nothing_else() {
    let mut account = with_sessions(&["oSynOld1", "oSynNew1"]);
    account.stop();
    let before = now() - 1;
    change(
        &account.store_path(),
        &format!("UPDATE sessions SET expires_at = {before} WHERE openid = 'oSynOld1'"),
    );
    account.begin();
    // A signed push tells the time.
    account.post(&subscribe()).is_text(WELCOME);
    eventually("the expired sessions are removed", account.log(), || {
        account.store().count("sessions") == 2
    });
    assert_eq!(logged_in(&account), ["oSynNew1"]);
}

/// An account with web pages.
fn with_pages() -> Account {
    Setup::new()
        .set("web.url", "\"http://127.0.0.1:8080\"")
        .start()
}

/// The cookie of a browser in which this person is logged in.
fn cookie(account: &Account, person: &str) -> String {
    let token = format!("{person:A<43.43}");
    let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (since, until) = (now() - 60, now() + 3_600);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO sessions (token_hash, openid, method, created_at, expires_at)
             VALUES (x'{hash}', '{person}', 'oauth', {since}, {until})"
        ),
    );
    format!("wechatd={token}")
}

/// What a proxy is told about a request with this cookie.
fn auth(account: &Account, cookie: &str) -> Answer {
    account.send(&Request::new("GET", "/wx/auth").header("Cookie", cookie))
}

#[test]
fn after_the_push_the_very_next_request_is_not_let_in() {
    let account = with_pages();
    let authorization = |name: &str, person: &str| {
        let event = event(name).from(HELPER).element("OpenID", person);
        account.post(&event).is_success();
    };
    let unsubscribes = |person: &str| {
        account.post(&unsubscribe().from(person)).is_success();
    };
    let is_forgotten = |person: &str| {
        let forget = ["followers", "forget", person, "--yes"];
        account.command(&forget).ok();
    };
    let revokes = |person: &str| authorization("user_authorization_revoke", person);
    let closes = |person: &str| authorization("user_authorization_cancellation", person);
    let ways: [&dyn Fn(&str); 4] = [&unsubscribes, &revokes, &closes, &is_forgotten];
    for loses_it in ways {
        let person = another_fan();
        account.post(&subscribe().from(&person)).is_text(WELCOME);
        let cookie = cookie(&account, &person);
        auth(&account, &cookie)
            .is_status(200)
            .has_header("x-wechat-openid", &person);
        loses_it(&person);
        auth(&account, &cookie).is_status(401);
        account.post(&subscribe().from(&person));
        auth(&account, &cookie).is_status(401);
    }
}

#[test]
fn when_a_session_was_used_last_is_written_by_the_chores() {
    let account = with_pages();
    let person = another_fan();
    account.post(&subscribe().from(&person)).is_text(WELCOME);
    let used = cookie(&account, &person);
    cookie(&account, &another_fan());
    auth(&account, &used).is_status(200);
    // It starts a round of the chores.
    account.reload();
    let seen = format!("sessions WHERE openid = '{person}' AND seen_at >= created_at + 60");
    eventually("it is written", account.log(), || {
        account.store().count(&seen) == 1
    });
    assert_eq!(account.store().count("sessions WHERE seen_at IS NULL"), 1);
}

#[test]
fn sessions_are_listed_newest_first_without_what_a_cookie_could_be_made_of() {
    let account = with_sessions(&["oSynOne1", "oSynTwo2"]);
    let all = account.command(&["sessions", "list", "--json"]).ok().json();
    let rows = all.as_array().unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [4, 3, 2, 1]);
    let last = rows[3].as_object().unwrap();
    let columns = [
        "address",
        "agent",
        "created_at",
        "expires",
        "expires_at",
        "id",
        "method",
        "openid",
        "seen",
        "seen_at",
        "since",
        "unionid",
    ];
    assert_eq!(last.keys().collect::<Vec<_>>(), columns);
    assert_eq!(
        (&last["openid"], &last["method"]),
        (&"oSynOne1".into(), &"oauth".into())
    );
    account
        .command(&["sessions", "list", "--openid", "oSynTwo2"])
        .ok()
        .says("Desk of oSynTwo2")
        .says_nothing_of("oSynOne1");
    account
        .command(&["sessions", "list", "--limit", "1"])
        .ok()
        .complains("the view sessions_v has all");
    account
        .command(&["sessions", "list", "--openid", "oSynNobody"])
        .ok()
        .says("oSynNobody is not logged in");
    let view = account
        .store()
        .rows("SELECT openid, method, address FROM sessions_v");
    assert_eq!(view[0], "oSynTwo2|scan|192.0.2.8");
}

#[test]
fn sessions_are_ended_one_by_one_by_person_and_all() {
    let account = with_sessions(&["oSynOne1", "oSynTwo2", "oSynThree3"]);
    let left = || account.store().rows("SELECT id FROM sessions ORDER BY id");
    account
        .command(&["sessions", "end", "3"])
        .ok()
        .says("1 session ended");
    assert_eq!(left(), ["1", "2", "4", "5", "6"]);
    account
        .command(&["sessions", "end", "3"])
        .failed()
        .complains("there is no session 3");
    let ended = account
        .command(&["sessions", "end", "--openid", "oSynOne1", "--json"])
        .ok()
        .json();
    assert_eq!(ended["ended"], 2);
    assert_eq!(left(), ["4", "5", "6"]);
    account
        .command(&["sessions", "end", "--openid", "oSynOne1"])
        .failed()
        .complains("oSynOne1 is not logged in");
    account
        .command(&["sessions", "end", "--all"])
        .refused()
        .complains("--yes");
    assert_eq!(left(), ["4", "5", "6"]);
    account
        .command(&["sessions", "end", "--all", "--yes"])
        .ok()
        .says("3 sessions ended");
    account
        .command(&["sessions", "end", "--all", "--yes"])
        .ok()
        .says("0 sessions ended");
    account
        .command(&["sessions", "list"])
        .ok()
        .says("nobody is logged in");
    for words in [
        &["sessions", "end"][..],
        &["sessions", "end", "3", "--all"],
        &["sessions", "end", "--openid", "oSynOne1", "--all"],
        &["sessions", "end", "three"],
    ] {
        account.command(words).refused();
    }
}

#[test]
fn a_backup_has_the_sessions_and_a_restore_brings_them_back() {
    let mut account = with_sessions(&["oSynOne1"]);
    let hashes = "SELECT hex(token_hash), openid FROM sessions ORDER BY id";
    let before = account.store().rows(hashes);
    let copy = account.folder().join("copy.db");
    let copy = copy.to_str().unwrap();
    account.command(&["backup", copy]).ok();
    account.command(&["sessions", "end", "--all", "--yes"]).ok();
    account.stop();
    account.command(&["restore", copy, "--yes"]).ok();
    assert_eq!(account.store().rows(hashes), before);
    assert_eq!(before.len(), 2);
}
