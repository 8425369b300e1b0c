//! The follower sync: who came or left unnoticed comes in or goes out, whatever happens meanwhile.

use crate::support::account::WELCOME;
use crate::support::*;
use std::collections::HashSet;
use std::process::{Child, Stdio};

const LIST: &str = "/cgi-bin/user/get";
const BATCH: &str = "/cgi-bin/user/info/batchget";

/// Fast, so that the pace is not what takes the time.
fn quick(platform: &Platform) -> Setup {
    Setup::new().platform(platform).set("api.rate", "1000")
}

#[track_caller]
fn followers(account: &Account) -> i64 {
    account.store().count("followers")
}

/// The program in the background, its output kept.
fn spawn(account: &Account, arguments: &[&str]) -> Child {
    let mut command = account.program(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Puts a value into the stopped account's store.
fn change(account: &Account, sql: &str) {
    let connection = rusqlite::Connection::open(account.store_path()).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// The most memory that a process has used so far, in MiB.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[test]
fn twenty_five_thousand_come_in_and_thirty_seven_go_out_and_memory_stays_flat() {
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
fn a_kill_while_the_list_is_read_is_resumed_at_that_page() {
    let platform = Platform::start();
    let people = crowd(0..2_000);
    platform.people(|all| (all.followers, all.page) = (people.clone(), 500));
    let account = quick(&platform).stopped();
    account.command(&["token"]).ok();
    // The third page hangs.
    let right = |from: usize| {
        let page = &people[from..from + 500];
        serde_json::json!({"total": 2000, "count": 500, "data": {"openid": page}, "next_openid": page[499]})
            .to_string()
    };
    platform.fault(LIST, Fault::Body(right(0)));
    platform.fault(LIST, Fault::Body(right(500)));
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
        .map(|call| call.query["next_openid"].clone())
        .collect();
    assert_eq!(asked[3], people[999], "{asked:?}");
    assert_eq!(followers(&account), 2_000);
}

/// The first so many batches of profiles are answered, further ones hang.
fn hang_after(platform: &Platform, batches: usize) {
    for _ in 0..batches {
        platform.fault(BATCH, Fault::None);
    }
    platform.always(BATCH, Fault::Hang);
}

#[test]
fn a_kill_while_profiles_are_fetched_is_resumed_without_asking_again() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..4_000));
    let account = quick(&platform).set("api.timeout", "\"300s\"").stopped();
    hang_after(&platform, 12);
    let mut child = spawn(&account, &["followers", "sync"]);
    // Eight at a time: when all of them hang, the others are done.
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
    // Those that were under way when it was killed are asked for again.
    assert_eq!(platform.count(BATCH), 40 + 8);
    assert_eq!(platform.count(LIST), 2);
    account.store().is(
        "SELECT count(*), count(DISTINCT openid) FROM follow_log",
        &["4000|4000"],
    );
}

#[test]
fn pushes_that_arrive_meanwhile_win() {
    let platform = Platform::start();
    let people = crowd(0..10);
    platform.people(|all| all.followers = people.clone());
    let account = quick(&platform).start();
    account.command(&["followers", "sync"]).ok();
    let before = platform.count(LIST);
    platform.fault(LIST, Fault::Hang);
    let child = spawn(&account, &["followers", "sync"]);
    eventually("the list", account.log(), || platform.count(LIST) > before);
    // The list that comes next knows nothing of these two.
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
fn somebody_who_was_forgotten_meanwhile_is_not_brought_back() {
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
fn a_list_that_holds_fewer_than_the_total_takes_nobody_out_and_says_why() {
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
        .says("nobody was taken out, because the platform counts 310 followers and its list holds only 110");
    assert_eq!(followers(&account), 310);
    let json = account.command(&["followers", "sync", "--json"]).json();
    assert!(json["nobody_left_because"].is_string(), "{json}");
}

#[test]
fn somebody_whose_profile_says_that_they_left_goes_out() {
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
fn a_quota_that_ends_in_the_middle_is_explained_and_the_next_one_goes_on() {
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
fn a_platform_in_trouble_is_asked_again() {
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
fn a_list_that_goes_round_in_a_circle_ends() {
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

/// An account in step with the platform, of whose two followers the second has withdrawn the right to the profile.
fn with_somebody_who_withdrew(platform: &Platform) -> (Account, String) {
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
fn who_withdrew_the_right_to_the_profile_keeps_it_withdrawn() {
    let platform = Platform::start();
    let (account, who) = with_somebody_who_withdrew(&platform);
    account.command(&["followers", "sync"]).ok();
    account.store().is(
        &format!("SELECT unionid, remark, profile_error FROM followers WHERE openid = '{who}'"),
        &["NULL|VIP|authorisation revoked"],
    );
}

#[test]
fn a_platform_that_tells_nothing_of_somebody_gives_no_right_back() {
    let platform = Platform::start();
    let (account, who) = with_somebody_who_withdrew(&platform);
    let refused = "{\"errcode\":40003,\"errmsg\":\"invalid openid\"}";
    platform.profile(&who, refused);
    account.command(&["followers", "sync"]).ok();
    account.store().is(
        &format!("SELECT unionid, remark, profile_error FROM followers WHERE openid = '{who}'"),
        &["NULL|old|authorisation revoked"],
    );
}

#[test]
fn who_follows_again_after_a_sync_took_them_out_is_in_whatever_the_clocks_say() {
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
fn the_server_syncs_by_itself_when_the_api_is_new_and_makes_up_for_a_missed_night() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..120));
    let mut account = quick(&platform).set("api.sync", &far_from_now()).start();
    let synced = |account: &Account, what: &str| {
        eventually(what, account.log(), || account.log().has(what));
    };
    synced(&account, "120 followers: 120 came, 0 left");
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
    synced(&account, "115 followers: 5 came, 10 left");
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
}

#[test]
fn the_server_goes_on_with_a_sync_that_a_kill_cut_short() {
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
fn the_server_leaves_it_when_it_is_off() {
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
    // One for the time before it, and one for its end.
    assert!(moments.len() > 5, "answered after {moments:?} batches");
}

#[test]
fn on_a_terminal_a_line_shows_how_far_it_is() {
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
