//! The follower sync: followers missed by the store are added, those who left are removed, and a doubtful list removes
//! nobody.

use crate::support::account::WELCOME;
use crate::support::*;
use std::collections::HashSet;
use std::process::{Child, Stdio};

const LIST: &str = "/cgi-bin/user/get";
const BATCH: &str = "/cgi-bin/user/info/batchget";

/// With a high rate of calls, so that pacing takes no time.
fn quick(platform: &Platform) -> Setup {
    Setup::new().platform(platform).set("api.rate", "1000")
}

#[track_caller]
fn followers(account: &Account) -> i64 {
    account.store().count("followers")
}

/// Starts a command in the background with its output piped.
fn spawn(account: &Account, arguments: &[&str]) -> Child {
    let mut command = account.program(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Changes the store with SQL.
fn change(account: &Account, sql: &str) {
    let connection = rusqlite::Connection::open(account.store_path()).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// The peak resident memory of a process, in MiB.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[test]
fn a_sync_adds_25_000_followers_and_removes_37_with_little_memory() {
    let platform = Platform::start();
    let people = crowd(0..25_000);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).stopped();
    let mut child = spawn(&account, &["followers", "sync", "--json"]);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak_memory(child.id()).unwrap_or(0).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let out = child.wait_with_output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    for (name, value) in [
        ("total", 25_000),
        ("listed", 25_000),
        ("came", 25_000),
        ("gone", 0),
        ("profiles", 25_000),
        ("refused", 0),
    ] {
        assert_eq!(summary[name], value, "{name} in {summary}");
    }
    assert!(peak < 64, "{peak} MiB");
    assert!(platform.count(LIST) <= 4, "{} pages", platform.count(LIST));
    assert_eq!(platform.count(BATCH), 250);
    let store = account.store();
    store.is(
        "SELECT count(*), count(profile_at), count(DISTINCT unionid), min(subscribe_time), min(tagid_list) FROM followers",
        &["25000|25000|25000|1767000000|[128,2]"],
    );
    store.is(
        "SELECT action, source, count(*), min(at), min(scene) FROM follow_log GROUP BY 1, 2",
        &["subscribe|sync|25000|1767000000|98765"],
    );
    store.is("SELECT count(*) FROM sync_people", &["0"]);
    store.is("SELECT count(*) FROM sync_state", &["0"]);

    platform.people(|all| all.followers = people[37..].to_vec());
    let ran = account.command(&["followers", "sync"]);
    ran.ok()
        .says("24963 followers: 0 came, 37 left, 24963 profiles fetched");
    ran.expect(
        ran.stderr.is_empty(),
        "nothing on stderr without a terminal",
    );
    assert_eq!(followers(&account), 24_963);
    account.store().is(
        "SELECT count(*), min(openid), max(openid) FROM follow_log WHERE action = 'unsubscribe' AND source = 'sync'",
        &[&format!("37|{}|{}", people[0], people[36])],
    );
}

#[test]
fn a_sync_killed_while_reading_the_list_resumes_at_that_page() {
    let platform = Platform::start();
    let people = crowd(0..2_000);
    platform.people(|all| (all.followers, all.page) = (people.clone(), 500));
    let account = quick(&platform).stopped();
    account.command(&["token"]).ok();
    // The third page hangs.
    let page = |from: usize| {
        let part = &people[from..from + 500];
        serde_json::json!({"total": 2000, "count": 500, "data": {"openid": part}, "next_openid": part[499]})
            .to_string()
    };
    platform.fault(LIST, Fault::Body(page(0)));
    platform.fault(LIST, Fault::Body(page(500)));
    platform.fault(LIST, Fault::Hang);
    let mut child = spawn(&account, &["followers", "sync"]);
    eventually("the third page", account.log(), || {
        platform.count(LIST) == 3
    });
    child.kill().unwrap();
    child.wait().unwrap();
    account.store().is(
        "SELECT step, listed, next_openid FROM sync_state",
        &[&format!("list|1000|{}", people[999])],
    );
    account
        .command(&["followers", "sync"])
        .ok()
        .says("2000 followers: 2000 came, 0 left");
    let asked: Vec<String> = platform
        .calls()
        .into_iter()
        .filter(|call| call.path == LIST)
        .map(|call| call.query.get("next_openid").cloned().unwrap_or_default())
        .collect();
    assert_eq!(asked[3], people[999], "{asked:?}");
    assert_eq!(followers(&account), 2_000);
}

/// Answers this many batches of profiles; all further ones hang.
fn hang_after(platform: &Platform, batches: usize) {
    for _ in 0..batches {
        platform.fault(BATCH, Fault::None);
    }
    platform.always(BATCH, Fault::Hang);
}

#[test]
fn a_sync_killed_while_fetching_profiles_does_not_fetch_them_again() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..4_000));
    let account = quick(&platform).set("api.timeout", "\"300s\"").stopped();
    hang_after(&platform, 12);
    let mut child = spawn(&account, &["followers", "sync"]);
    // Eight calls run at a time: when eight hang, the others are done.
    eventually("some profiles", account.log(), || {
        platform.count(BATCH) == 12 + 8
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let fetched = "followers WHERE profile_at IS NOT NULL";
    assert_eq!(account.store().count(fetched), 1_200);
    platform.heal();
    account
        .command(&["followers", "sync"])
        .ok()
        .says("4000 followers: 4000 came, 0 left, 4000 profiles fetched");
    // Only those that were pending when it was killed are fetched again.
    assert_eq!(platform.count(BATCH), 40 + 8);
    assert_eq!(platform.count(LIST), 2);
    account.store().is(
        "SELECT count(*), count(DISTINCT openid) FROM follow_log",
        &["4000|4000"],
    );
}

#[test]
fn pushes_that_arrive_during_a_sync_win() {
    let platform = Platform::start();
    let people = crowd(0..10);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).start();
    account.command(&["followers", "sync"]).ok();
    let before = platform.count(LIST);
    platform.fault(LIST, Fault::Hang);
    let child = spawn(&account, &["followers", "sync"]);
    eventually("the list", account.log(), || platform.count(LIST) > before);
    // The list was made before these two events.
    let newcomer = another_fan();
    account.post(&subscribe().from(&newcomer)).is_text(WELCOME);
    account.post(&unsubscribe().from(&people[3])).is_success();
    platform.release();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("10 followers: 0 came, 0 left"), "{said}");
    let store = account.store();
    store.is(
        &format!(
            "SELECT openid IN ('{newcomer}') FROM followers WHERE openid IN ('{newcomer}', '{}')",
            people[3]
        ),
        &["1"],
    );
    store.is(
        &format!("SELECT action, source FROM follow_log WHERE openid IN ('{newcomer}', '{}') AND id > 10 ORDER BY id", people[3]),
        &["subscribe|push", "unsubscribe|push"],
    );
}

#[test]
fn a_person_forgotten_during_a_sync_is_not_brought_back() {
    let platform = Platform::start();
    let people = crowd(0..3);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).stopped();
    account.command(&["followers", "sync"]).ok();
    platform.fault(BATCH, Fault::Hang);
    let before = platform.count(BATCH);
    let mut child = spawn(&account, &["followers", "sync"]);
    eventually("profiles", account.log(), || platform.count(BATCH) > before);
    account
        .command(&["followers", "forget", &people[1], "--yes"])
        .ok();
    platform.release();
    assert!(child.wait().unwrap().success());
    let dump = account.store().dump();
    assert!(!dump.contains(&people[1]), "{dump}");
    assert_eq!(followers(&account), 2);
}

#[test]
fn a_list_shorter_than_its_total_removes_nobody_and_the_output_says_why() {
    let platform = Platform::start();
    let people = crowd(0..300);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).stopped();
    account.command(&["followers", "sync"]).ok();
    platform.people(|all| {
        all.followers = crowd(200..310);
        all.total = Some(310);
    });
    account
        .command(&["followers", "sync"])
        .ok()
        .says("110 followers: 10 came, 0 left")
        .says(
            "nobody was removed, because WeChat counts 310 followers and its list holds only 110",
        );
    assert_eq!(followers(&account), 310);
    let json = account.command(&["followers", "sync", "--json"]).json();
    assert!(json["nobody_left_because"].is_string(), "{json}");
}

#[test]
fn a_follower_whose_profile_says_unsubscribed_is_removed() {
    let platform = Platform::start();
    let people = crowd(0..3);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).stopped();
    account.command(&["followers", "sync"]).ok();
    let gone = &people[2];
    platform.profile(gone, &format!(r#"{{"subscribe":0,"openid":"{gone}"}}"#));
    account.command(&["followers", "sync"]).ok().says("1 left");
    assert_eq!(followers(&account), 2);
}

#[test]
fn one_unknown_person_in_the_list_does_not_spoil_the_batch() {
    let platform = Platform::start();
    let mut people = crowd(0..30);
    people.insert(7, "xForeignAccountsOpenID000001".into());
    platform.people(|all| all.followers = people);
    let account = quick(&platform).stopped();
    account
        .command(&["followers", "sync"])
        .ok()
        .says("31 followers: 31 came, 0 left, 30 profiles fetched (1 not given)");
    account.store().is(
        "SELECT openid FROM followers WHERE profile_error LIKE '%40003%'",
        &["xForeignAccountsOpenID000001"],
    );
}

#[test]
fn only_one_sync_runs_at_a_time() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..3));
    let account = quick(&platform).set("api.timeout", "\"60s\"").stopped();
    account.command(&["token"]).ok();
    platform.fault(LIST, Fault::Hang);
    let mut first = spawn(&account, &["followers", "sync"]);
    eventually("the list", account.log(), || platform.count(LIST) == 1);
    account
        .command(&["followers", "sync"])
        .failed()
        .complains("another one is under way");
    platform.release();
    assert!(first.wait().unwrap().success());
    account.command(&["followers", "sync"]).ok();
}

#[test]
fn a_sync_stopped_by_the_quota_is_explained_and_the_next_one_resumes() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..1_500));
    let account = quick(&platform).stopped();
    platform.fault(
        BATCH,
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
    let ran = account.command(&["followers", "sync"]);
    ran.failed()
        .complains("45009")
        .complains("wechatd quota clear")
        .complains("goes on from here");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    account
        .command(&["followers", "sync"])
        .ok()
        .says("1500 followers: 1500 came");
    assert_eq!(platform.count(LIST), 2);
}

#[test]
fn a_sync_retries_after_temporary_faults() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..150));
    let account = quick(&platform).stopped();
    for fault in [Fault::Errcode(-1, "system error"), Fault::BadGateway] {
        platform.fault(LIST, fault);
    }
    platform.fault(BATCH, Fault::Closed);
    account.command(&["followers", "sync"]).ok();
    platform.retire_token();
    account.command(&["followers", "sync"]).ok();
    assert_eq!(platform.token_calls(), 2);
}

#[test]
fn a_list_that_repeats_itself_is_an_error() {
    let platform = Platform::start();
    let people = crowd(0..2);
    let account = quick(&platform).stopped();
    let body = serde_json::json!({"total": 2, "count": 2, "data": {"openid": people}, "next_openid": people[1]});
    platform.always(LIST, Fault::Body(body.to_string()));
    account
        .command(&["followers", "sync"])
        .failed()
        .complains("repeats itself");
}

/// A synced account with two followers, the second of whom has revoked the authorization for the profile.
fn with_a_revoked_profile(platform: &Platform) -> (Account, String) {
    let people = crowd(0..2);
    platform.people(|all| all.followers = people.clone());
    let account = quick(platform).stopped();
    account.command(&["followers", "sync"]).ok();
    let who = people[1].clone();
    change(
        &account,
        &format!(
            "UPDATE followers SET unionid = NULL, remark = 'old', profile_error = 'authorisation revoked' WHERE openid = '{who}'"
        ),
    );
    (account, who)
}

#[test]
fn a_sync_keeps_a_revoked_profile_revoked() {
    let platform = Platform::start();
    let (account, who) = with_a_revoked_profile(&platform);
    account.command(&["followers", "sync"]).ok();
    account.store().is(
        &format!("SELECT unionid, remark, profile_error FROM followers WHERE openid = '{who}'"),
        &["NULL|VIP|authorisation revoked"],
    );
}

#[test]
fn a_refused_profile_does_not_end_the_revocation() {
    let platform = Platform::start();
    let (account, who) = with_a_revoked_profile(&platform);
    let refused = "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}";
    platform.profile(&who, refused);
    account.command(&["followers", "sync"]).ok();
    account.store().is(
        &format!("SELECT unionid, remark, profile_error FROM followers WHERE openid = '{who}'"),
        &["NULL|old|authorisation revoked"],
    );
}

#[test]
fn a_follower_removed_by_a_sync_can_subscribe_again_even_if_clocks_differ() {
    let platform = Platform::start();
    let people = crowd(0..100);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).start();
    account.command(&["followers", "sync"]).ok();
    platform.people(|all| all.followers.retain(|openid| *openid != people[3]));
    account.command(&["followers", "sync"]).ok();
    assert_eq!(followers(&account), 99);
    // The platform's clock is a minute behind this machine's.
    let again = subscribe().from(&people[3]).at(now() - 60);
    account.post(&again).is_text(WELCOME);
    assert_eq!(followers(&account), 100);
}

#[test]
fn the_server_syncs_at_the_first_start_and_after_a_missed_night() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..120));
    let mut account = quick(&platform).set("api.sync", &far_from_now()).start();
    account.log().says("120 followers: 120 came, 0 left");
    account.restart();
    account.post(&text("hello")).is_status(200);
    account.stop();
    assert_eq!(platform.count(LIST), 2, "{}", account.log());
    change(
        &account,
        "UPDATE settings SET value = unixepoch() - 90000 WHERE name = 'synced_at'",
    );
    platform.people(|all| all.followers = crowd(10..125));
    account.begin();
    account.log().says("115 followers: 5 came, 10 left");
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
}

#[test]
fn the_server_resumes_a_sync_after_a_kill() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..2_000));
    hang_after(&platform, 5);
    let mut account = quick(&platform)
        .set("api.sync", &far_from_now())
        .set("api.timeout", "\"300s\"")
        .start();
    eventually("some profiles", account.log(), || {
        platform.count(BATCH) == 5 + 8
    });
    account.kill();
    platform.heal();
    account.begin();
    account.log().says("2000 followers: 2000 came");
    assert_eq!(platform.count(LIST), 2, "{}", account.log());
}

#[test]
fn the_server_does_not_sync_when_sync_is_off() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..5));
    let mut account = quick(&platform).start();
    account.post(&subscribe()).is_text(WELCOME);
    eventually("the profile", account.log(), || {
        platform.profile_calls() > 0
    });
    account.stop();
    assert_eq!(platform.count(LIST), 0, "{}", account.log());
}

#[test]
fn pushes_are_answered_while_the_server_syncs() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..10_000));
    let account = quick(&platform).set("api.sync", &far_from_now()).start();
    let mut moments = HashSet::new();
    eventually("the sync", account.log(), || {
        let answer = account.post(&text("hello"));
        answer.is_status(200);
        answer.expect(answer.took < IN_TIME, "an answer in time");
        moments.insert(platform.count(BATCH));
        account.log().has("10000 followers: 10000 came")
    });
    // More than those before and after the sync.
    assert!(moments.len() > 5, "answered after {moments:?} batches");
}

#[test]
fn a_terminal_shows_the_progress_of_a_sync() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..300));
    let account = quick(&platform).stopped();
    let ran = account.on_a_terminal(&["followers", "sync"]);
    ran.ok()
        .says("\u{1b}[K")
        .says("fetching profiles  [")
        .says("300 of 300")
        .says("300 followers: 300 came");
}

const NOBODY: &str = r#"{"total":0,"count":0,"next_openid":""}"#;

/// A synced account with 300 followers.
fn with_300_followers(platform: &Platform) -> Account {
    platform.people(|all| all.followers = crowd(0..300));
    let account = quick(platform).stopped();
    account.command(&["followers", "sync"]).ok();
    account
}

/// The store still has all 300 followers, and no unsubscribe.
#[track_caller]
fn nobody_left(account: &Account) {
    assert_eq!(followers(account), 300);
    let leaves = "follow_log WHERE action = 'unsubscribe'";
    assert_eq!(account.store().count(leaves), 0);
}

#[test]
fn removing_more_than_a_tenth_needs_confirmation() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    platform.people(|all| all.followers = crowd(0..269));
    let ran = account.command(&["followers", "sync"]);
    ran.refused()
        .complains("31 of 300 followers would be removed")
        .complains("--yes");
    nobody_left(&account);
    assert_eq!(account.store().count("sync_state"), 0);
    let no = at_a_terminal(account.program(&["followers", "sync"]), "n\n");
    no.failed().complains("31 of 300").complains("[y/N]");
    nobody_left(&account);
    let yes = at_a_terminal(account.program(&["followers", "sync"]), "y\n");
    yes.ok().says("0 came, 31 left");
    assert_eq!(followers(&account), 269);
    platform.people(|all| all.followers.clear());
    account.command(&["followers", "sync"]).refused();
    let confirmed = account.command(&["followers", "sync", "--yes"]);
    confirmed.ok().says("269 left");
    assert_eq!(followers(&account), 0);
}

#[test]
fn up_to_twenty_or_a_tenth_are_removed_without_confirmation() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    platform.people(|all| all.followers = crowd(30..300));
    account.command(&["followers", "sync"]).ok().says("30 left");
    let few = quick(&platform).stopped();
    platform.people(|all| all.followers = crowd(0..20));
    few.command(&["followers", "sync"]).ok();
    platform.fault(LIST, Fault::Body(NOBODY.into()));
    few.command(&["followers", "sync"]).ok().says("20 left");
}

#[test]
fn small_removals_every_night_need_confirmation_in_the_end() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    platform.people(|all| all.followers = crowd(20..300));
    account.command(&["followers", "sync"]).ok().says("20 left");
    platform.people(|all| all.followers = crowd(40..300));
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("20 of 300 followers would be removed")
        .complains("after 20 in the last 7 days");
    let confirmed = account.command(&["followers", "sync", "--yes"]);
    confirmed.ok().says("20 left");
    // Confirmed removals no longer count.
    platform.people(|all| all.followers = crowd(60..300));
    account.command(&["followers", "sync"]).ok().says("20 left");
}

#[test]
fn a_total_that_is_always_slightly_too_high_can_be_confirmed_for_good() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    platform.people(|all| (all.followers, all.total) = (crowd(0..295), Some(300)));
    account
        .command(&["followers", "sync"])
        .ok()
        .says("0 left")
        .says("WeChat counts 300 followers and its list holds only 295")
        .says("followers sync --yes");
    nobody_left(&account);
    account
        .command(&["check"])
        .ok()
        .says("warning: the last follower sync removed nobody");
    let confirmed = account.command(&["followers", "sync", "--yes"]);
    confirmed.ok().says("5 left").says_nothing_of("because");
    platform.people(|all| (all.followers, all.total) = (crowd(0..292), Some(297)));
    let next = account.command(&["followers", "sync"]);
    next.ok().says("3 left").says_nothing_of("because");
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("removed nobody");
}

#[test]
fn an_empty_list_removes_nobody_from_the_server_and_is_reported_once() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..300));
    let mut account = quick(&platform).set("api.sync", &far_from_now()).start();
    account.log().says("300 followers: 300 came");
    platform.always(LIST, Fault::Body(NOBODY.into()));
    let due = "UPDATE settings SET value = unixepoch() - 90000 WHERE name = 'synced_at'";
    let sync_again = |account: &mut Account| {
        account.stop();
        change(account, due);
        let before = account.log().count(" came, ");
        account.begin();
        eventually("another sync", account.log(), || {
            account.log().count(" came, ") > before
        });
    };
    sync_again(&mut account);
    sync_again(&mut account);
    nobody_left(&account);
    let errors = account.log().lines().into_iter();
    let errors: Vec<String> = errors.filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{}", account.log());
    assert!(errors[0].contains("300 of 300 followers would be removed"));
    account
        .command(&["check"])
        .ok()
        .says("300 of 300 followers would be removed");
    platform.heal();
    sync_again(&mut account);
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("would be removed");
}

#[test]
fn implausible_lists_remove_nobody() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    let people = crowd(0..300);
    let page = |total: i64, people: &[String], next: &str| {
        serde_json::json!({"total": total, "count": people.len(), "data": {"openid": people}, "next_openid": next})
            .to_string()
    };
    let twice: Vec<String> = [&people[..150], &people[..150]].concat();
    let cases: [(&str, Vec<String>); 8] = [
        (
            "nothing but errcode 0",
            vec![r#"{"errcode":0,"errmsg":"ok"}"#.into()],
        ),
        ("no data", vec![r#"{"total":300,"count":300}"#.into()]),
        ("an early end", vec![page(300, &people[..100], "")]),
        (
            "an empty last page",
            vec![page(300, &people[..100], &people[99]), "{}".into()],
        ),
        ("people twice", vec![page(300, &twice, "")]),
        (
            "a total that shrinks",
            vec![page(300, &people[..100], &people[99]), page(100, &[], "")],
        ),
        ("a total below the list", vec![page(10, &people[..200], "")]),
        (
            "empty openids",
            vec![page(300, &vec![String::new(); 300], "")],
        ),
    ];
    for (what, pages) in cases {
        for page in pages {
            platform.fault(LIST, Fault::Body(page));
        }
        let ran = account.command(&["followers", "sync"]);
        ran.ok().says("0 came, 0 left").says("nobody was removed");
        assert_eq!(followers(&account), 300, "{what}");
    }
    nobody_left(&account);
}

#[test]
fn if_all_profiles_say_unsubscribed_nobody_is_removed_without_confirmation() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    for openid in crowd(0..300) {
        platform.profile(
            &openid,
            &format!(r#"{{"subscribe":0,"openid":"{openid}"}}"#),
        );
    }
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("300 of 300 followers would be removed");
    nobody_left(&account);
    let confirmed = account.command(&["followers", "sync", "--yes"]);
    confirmed.ok().says("300 left");
    assert_eq!(followers(&account), 0);
}

#[test]
fn a_resumed_sync_of_an_older_version_needs_confirmation_too() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    // As an older version left it: the list was read, and removing people had begun.
    change(
        &account,
        "INSERT INTO sync_state (id, step, started_at, log_mark, total, listed)
         VALUES (1, 'leave', unixepoch() - 10, 300, 0, 0)",
    );
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("300 of 300 followers would be removed");
    nobody_left(&account);
    // The next one reads the list again.
    account.command(&["followers", "sync"]).ok();
    nobody_left(&account);
}

#[test]
fn a_doubtful_list_adds_nobody_without_a_profile() {
    let platform = Platform::start();
    let account = with_300_followers(&platform);
    let strangers = [
        "xForeignAccountsOpenID000001",
        "oCrowd00000300aQe7rT0uXk3mPz",
    ];
    let body = serde_json::json!({"total": 300, "count": 2, "data": {"openid": strangers}});
    platform.fault(LIST, Fault::Body(body.to_string()));
    account
        .command(&["followers", "sync"])
        .ok()
        .says("1 came, 0 left");
    let store = account.store();
    store.is(
        "SELECT count(*) FROM followers WHERE openid LIKE 'x%'",
        &["0"],
    );
    store.is(
        "SELECT count(*) FROM follow_log WHERE openid LIKE 'x%'",
        &["0"],
    );
}

/// A follower added by a sync without a profile, so that the real time of the subscription is not known.
fn with_an_unknown_time(platform: &Platform) -> (Account, String) {
    let people = crowd(0..3);
    platform.people(|all| all.followers = people.clone());
    let account = quick(platform).stopped();
    let who = people[1].clone();
    let refused = r#"{"errcode":40003,"errmsg":"invalid openid"}"#;
    platform.profile(&who, refused);
    account.command(&["followers", "sync"]).ok();
    let time: i64 = account.store().one(&format!(
        "SELECT subscribe_time FROM followers WHERE openid = '{who}'"
    ));
    assert!((now() - time).abs() < 600, "{time}");
    (account, who)
}

/// The profile of a follower who subscribed at this time.
fn subscribed_at(openid: &str, time: i64) -> String {
    format!(r#"{{"subscribe":1,"openid":"{openid}","subscribe_time":{time}}}"#)
}

#[test]
fn a_later_sync_replaces_the_time_of_a_sync_by_the_platforms() {
    let platform = Platform::start();
    let (account, who) = with_an_unknown_time(&platform);
    let days = "SELECT day, subscribed FROM daily_v ORDER BY day";
    assert_eq!(account.store().rows(days).len(), 2);
    platform.profile(&who, &subscribed_at(&who, 1_700_000_000));
    account.command(&["followers", "sync"]).ok();
    let store = account.store();
    let times = format!(
        "SELECT f.subscribe_time, l.at, l.source FROM followers f JOIN follow_log l USING (openid) WHERE openid = '{who}'"
    );
    store.is(&times, &["1700000000|1700000000|sync"]);
    let expected: Vec<String> = store.rows(
        "SELECT date(1700000000, 'unixepoch', 'localtime'), 1
         UNION ALL SELECT date(1767000000, 'unixepoch', 'localtime'), 2",
    );
    assert_eq!(store.rows(days), expected);
    // An older time of the platform does not replace that of a later push.
    platform.profile(&who, &subscribed_at(&who, 1_600_000_000));
    let mut account = account;
    account.begin();
    account
        .post(&subscribe().from(&who).at(now()))
        .is_text(WELCOME);
    let before: i64 = store.one(&format!(
        "SELECT subscribe_time FROM followers WHERE openid = '{who}'"
    ));
    account.command(&["followers", "sync"]).ok();
    let after: i64 = store.one(&format!(
        "SELECT subscribe_time FROM followers WHERE openid = '{who}'"
    ));
    assert_eq!(after, before);
    assert!(now() - after < 600, "{after}");
}

#[test]
fn a_profile_fetched_later_replaces_the_time_of_a_sync_too() {
    let platform = Platform::start();
    let (mut account, who) = with_an_unknown_time(&platform);
    platform.profile(&who, &subscribed_at(&who, 1_700_000_000));
    change(&account, "UPDATE followers SET profile_at = NULL");
    account.begin();
    let times = format!(
        "followers JOIN follow_log USING (openid) WHERE openid = '{who}' AND subscribe_time = 1700000000 AND at = 1700000000"
    );
    eventually("the platform's time", account.log(), || {
        account.store().count(&times) == 1
    });
}

#[test]
fn progress_fits_on_one_line_of_a_narrow_terminal() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..3_000));
    let account = quick(&platform).stopped();
    let program = account.program(&["followers", "sync"]);
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut script = std::process::Command::new("script");
    let line = format!("stty rows 24 cols 44; {}", words.join(" "));
    script
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm");
    let ran = Ran::of(script, "");
    ran.ok().says("3000 of 3000");
    let painted: Vec<&str> = ran.stdout.split("\r\u{1b}[K").skip(1).collect();
    assert!(painted.len() > 2, "{painted:?}");
    let (last, progress) = painted.split_last().unwrap();
    for line in progress {
        assert!(
            line.chars().count() < 44 && !line.contains('\n'),
            "{line:?}"
        );
    }
    assert!(last.starts_with("3000 followers"), "{last:?}");
}

#[test]
fn ctrl_c_says_that_the_next_sync_resumes() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..2_000));
    let account = quick(&platform).set("api.timeout", "\"300s\"").stopped();
    hang_after(&platform, 5);
    let child = spawn(&account, &["followers", "sync"]);
    eventually("some profiles", account.log(), || {
        platform.count(BATCH) == 5 + 8
    });
    account::send_signal(child.id(), "INT");
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130));
    assert_eq!(
        String::from_utf8_lossy(&out.stderr),
        "wechatd: sync: stopped; the next one goes on from here\n"
    );
    platform.heal();
    let next = account.command(&["followers", "sync"]);
    next.ok().says("2000 followers: 2000 came");
    assert_eq!(platform.count(LIST), 2);
}
