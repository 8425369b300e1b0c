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
        .map(|call| call.query.get("next_openid").cloned().unwrap_or_default())
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

const NOBODY: &str = r#"{"total":0,"count":0,"next_openid":""}"#;

/// An account in step with a platform of 300 followers.
fn three_hundred(platform: &Platform) -> Account {
    platform.people(|all| all.followers = crowd(0..300));
    let account = quick(platform).stopped();
    account.command(&["followers", "sync"]).ok();
    account
}

/// Nobody has left, as far as the store knows.
#[track_caller]
fn nobody_left(account: &Account) {
    assert_eq!(followers(account), 300);
    let leaves = "follow_log WHERE action = 'unsubscribe'";
    assert_eq!(account.store().count(leaves), 0);
}

#[test]
fn a_list_without_most_of_the_followers_is_asked_about() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    platform.people(|all| all.followers = crowd(0..269));
    let ran = account.command(&["followers", "sync"]);
    ran.refused()
        .complains("31 of 300 followers would go out")
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
    let believed = account.command(&["followers", "sync", "--yes"]);
    believed.ok().says("269 left");
    assert_eq!(followers(&account), 0);
}

#[test]
fn up_to_twenty_or_a_tenth_go_out_unasked() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    platform.people(|all| all.followers = crowd(30..300));
    account.command(&["followers", "sync"]).ok().says("30 left");
    let few = quick(&platform).stopped();
    platform.people(|all| all.followers = crowd(0..20));
    few.command(&["followers", "sync"]).ok();
    platform.fault(LIST, Fault::Body(NOBODY.into()));
    few.command(&["followers", "sync"]).ok().says("20 left");
}

#[test]
fn a_list_that_is_short_by_a_little_every_night_is_asked_about_in_the_end() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    platform.people(|all| all.followers = crowd(20..300));
    account.command(&["followers", "sync"]).ok().says("20 left");
    platform.people(|all| all.followers = crowd(40..300));
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("20 of 300 followers would go out")
        .complains("after 20 in the last 7 days");
    let believed = account.command(&["followers", "sync", "--yes"]);
    believed.ok().says("20 left");
    // What was believed once does not count again.
    platform.people(|all| all.followers = crowd(60..300));
    account.command(&["followers", "sync"]).ok().says("20 left");
}

#[test]
fn a_total_that_is_always_a_little_higher_than_the_list_can_be_believed_for_good() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    platform.people(|all| (all.followers, all.total) = (crowd(0..295), Some(300)));
    account
        .command(&["followers", "sync"])
        .ok()
        .says("0 left")
        .says("the platform counts 300 followers and its list holds only 295")
        .says("followers sync --yes");
    nobody_left(&account);
    account
        .command(&["check"])
        .ok()
        .says("warning: the last follower sync took nobody out");
    let believed = account.command(&["followers", "sync", "--yes"]);
    believed.ok().says("5 left").says_nothing_of("because");
    platform.people(|all| (all.followers, all.total) = (crowd(0..292), Some(297)));
    let next = account.command(&["followers", "sync"]);
    next.ok().says("3 left").says_nothing_of("because");
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("took nobody out");
}

#[test]
fn the_server_takes_nobody_out_by_an_empty_list_and_says_so_once() {
    let platform = Platform::start();
    platform.people(|all| all.followers = crowd(0..300));
    let mut account = quick(&platform).set("api.sync", &far_from_now()).start();
    account.log().says("300 followers: 300 came");
    platform.always(LIST, Fault::Body(NOBODY.into()));
    let due = "UPDATE settings SET value = unixepoch() - 90000 WHERE name = 'synced_at'";
    let once_more = |account: &mut Account| {
        account.stop();
        change(account, due);
        let before = account.log().count(" came, ");
        account.begin();
        eventually("another sync", account.log(), || {
            account.log().count(" came, ") > before
        });
    };
    once_more(&mut account);
    once_more(&mut account);
    nobody_left(&account);
    let errors = account.log().lines().into_iter();
    let errors: Vec<String> = errors.filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{}", account.log());
    assert!(errors[0].contains("300 of 300 followers would go out"));
    account
        .command(&["check"])
        .ok()
        .says("300 of 300 followers would go out");
    platform.heal();
    once_more(&mut account);
    account
        .command(&["check"])
        .ok()
        .says_nothing_of("would go out");
}

#[test]
fn lists_that_cannot_be_right_take_nobody_out() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
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
            "an end without a word",
            vec![page(300, &people[..100], &people[99]), "{}".into()],
        ),
        ("people twice", vec![page(300, &twice, "")]),
        (
            "a total that shrinks",
            vec![page(300, &people[..100], &people[99]), page(100, &[], "")],
        ),
        ("a total below the list", vec![page(10, &people[..200], "")]),
        (
            "openids that are none",
            vec![page(300, &vec![String::new(); 300], "")],
        ),
    ];
    for (what, pages) in cases {
        for page in pages {
            platform.fault(LIST, Fault::Body(page));
        }
        let ran = account.command(&["followers", "sync"]);
        ran.ok().says("0 came, 0 left").says("nobody was taken out");
        // Not even the owner can believe it.
        assert_eq!(followers(&account), 300, "{what}");
    }
    nobody_left(&account);
}

#[test]
fn profiles_that_say_of_everybody_that_they_left_take_nobody_out() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    for openid in crowd(0..300) {
        platform.profile(
            &openid,
            &format!(r#"{{"subscribe":0,"openid":"{openid}"}}"#),
        );
    }
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("300 of 300 followers would go out");
    nobody_left(&account);
    let believed = account.command(&["followers", "sync", "--yes"]);
    believed.ok().says("300 left");
    assert_eq!(followers(&account), 0);
}

#[test]
fn a_sync_that_was_killed_before_it_took_anybody_out_is_asked_about_all_the_same() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
    // As an older version left it: the list has been read, and the step that takes people out has begun.
    change(
        &account,
        "INSERT INTO sync_state (id, step, started_at, log_mark, total, listed)
         VALUES (1, 'leave', unixepoch() - 10, 300, 0, 0)",
    );
    account
        .command(&["followers", "sync"])
        .refused()
        .complains("300 of 300 followers would go out");
    nobody_left(&account);
    // The next one reads the list again.
    account.command(&["followers", "sync"]).ok();
    nobody_left(&account);
}

#[test]
fn nobody_comes_in_by_a_list_in_doubt_whose_profile_the_platform_does_not_give() {
    let platform = Platform::start();
    let account = three_hundred(&platform);
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

/// A follower whom a sync has found without a profile, so that the time of the follow is not known.
fn of_unknown_time(platform: &Platform) -> (Account, String) {
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

/// What the platform says of a follower who came at this time.
fn came_at(openid: &str, time: i64) -> String {
    format!(r#"{{"subscribe":1,"openid":"{openid}","subscribe_time":{time}}}"#)
}

#[test]
fn the_platforms_time_takes_the_place_of_a_syncs_as_soon_as_it_is_known() {
    let platform = Platform::start();
    let (account, who) = of_unknown_time(&platform);
    let days = "SELECT day, subscribed FROM daily_v ORDER BY day";
    assert_eq!(account.store().rows(days).len(), 2);
    platform.profile(&who, &came_at(&who, 1_700_000_000));
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
    // Once it is known, an older answer of the platform changes nothing of a later push.
    platform.profile(&who, &came_at(&who, 1_600_000_000));
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
fn a_profile_that_the_server_fetches_later_brings_the_platforms_time_too() {
    let platform = Platform::start();
    let (mut account, who) = of_unknown_time(&platform);
    platform.profile(&who, &came_at(&who, 1_700_000_000));
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
fn in_a_narrow_terminal_the_line_of_progress_fits_and_is_one_line() {
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
fn ctrl_c_says_that_the_next_sync_goes_on() {
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
