//! Profiles of new followers: fetched after the answer, whatever goes wrong on the platform.

use crate::support::account::{APP_SECRET, HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;
use std::time::{Duration, Instant};

const TOKENS: &str = "/cgi-bin/stable_token";
const INFO: &str = "/cgi-bin/user/info";
const BATCH: &str = "/cgi-bin/user/info/batchget";

#[track_caller]
fn start(platform: &Platform) -> Account {
    Setup::new().platform(platform).start()
}

/// Lets a new person subscribe.
#[track_caller]
fn follow(account: &Account) -> String {
    let fan = another_fan();
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    fan
}

/// Waits for this follower's profile.
#[track_caller]
fn profile_arrives(account: &Account, fan: &str) {
    let sql = format!(
        "followers WHERE openid = '{fan}' AND profile_at IS NOT NULL AND profile_error IS NULL"
    );
    let what = format!("the profile of {fan}");
    eventually(&what, account.log(), || account.store().count(&sql) == 1);
}

#[test]
fn a_new_follower_gets_a_profile() {
    let platform = Platform::start();
    let account = start(&platform);
    let before = now();
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    let store = account.store();
    store.is(
        &format!("SELECT unionid, nickname, language, remark, groupid, tagid_list, subscribe_scene, qr_scene FROM followers WHERE openid = '{fan}'")
            .replace("nickname", "coalesce(nickname, '')"),
        &[&format!("u{fan}||zh_CN|VIP|0|[128,2]|ADD_SCENE_QR_CODE|98765")],
    );
    let fetched: i64 = store.one("SELECT profile_at FROM followers");
    assert!((before..=now()).contains(&fetched), "profile_at {fetched}");
    let call = platform
        .calls()
        .into_iter()
        .find(|call| call.path == INFO)
        .unwrap();
    assert_eq!(call.method, "GET");
    assert_eq!(call.query["openid"], fan);
    assert_eq!(call.query["lang"], "zh_CN");
    assert!(platform.unknown().is_empty(), "{:?}", platform.unknown());
}

#[test]
fn every_field_of_a_profile_is_stored() {
    let platform = Platform::start();
    let account = start(&platform);
    let fan = another_fan();
    platform.profile(
        &fan,
        &format!(
            r#"{{"subscribe":1,"openid":"{fan}","nickname":"小明 🐱","sex":1,"language":"zh_CN","city":"广州","province":"广东","country":"中国","headimgurl":"https://thirdwx.qlogo.cn/x/132","subscribe_time":1767000000,"remark":"","groupid":"0","tagid_list":[],"subscribe_scene":"ADD_SCENE_OF_THE_FUTURE","qr_scene":0,"qr_scene_str":"door-7","news":{{"a":[1]}}}}"#
        ),
    );
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    profile_arrives(&account, &fan);
    account.store().is(
        "SELECT nickname, sex, city, province, country, headimgurl, tagid_list, subscribe_scene, qr_scene_str FROM followers",
        &["小明 🐱|1|广州|广东|中国|https://thirdwx.qlogo.cn/x/132|[]|ADD_SCENE_OF_THE_FUTURE|door-7"],
    );
}

#[test]
fn the_answer_does_not_wait_for_the_platform() {
    let platform = Platform::start();
    platform.fault(TOKENS, Fault::Hang);
    // Longer than any answer may take here, so that every answer comes while the call hangs.
    let patient = Setup::new().platform(&platform);
    let account = patient.set("api.timeout", "\"300s\"").start();
    let fan = another_fan();
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    eventually("the hanging call", account.log(), || {
        platform.token_calls() > 0
    });
    for _ in 0..20 {
        account.post(&text("hello")).is_text(HELP);
    }
    assert_eq!(platform.token_calls(), 1, "it hangs\n{}", account.log());
    platform.release();
    profile_arrives(&account, &fan);
}

#[test]
fn one_token_serves_all_calls_even_after_a_restart() {
    let platform = Platform::start();
    let mut account = start(&platform);
    let before = now();
    for _ in 0..3 {
        let fan = follow(&account);
        profile_arrives(&account, &fan);
    }
    let store = account.store();
    store.is(
        "SELECT name, value FROM tokens",
        &[&format!("access_token|{}", platform.token())],
    );
    let expires: i64 = store.one("SELECT expires_at FROM tokens");
    assert!(
        (before + 7190..=now() + 7200).contains(&expires),
        "expires_at {expires}"
    );
    drop(store);
    account.restart();
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    assert_eq!(platform.token_calls(), 1, "{}", account.log());
}

#[test]
fn concurrent_requests_for_a_token_make_one_call() {
    let platform = Platform::start();
    platform.fault(TOKENS, Fault::Hang);
    let account = start(&platform);
    let fans: Vec<String> = std::thread::scope(|scope| {
        let joining: Vec<_> = (0..10).map(|_| scope.spawn(|| follow(&account))).collect();
        joining.into_iter().map(|fan| fan.join().unwrap()).collect()
    });
    eventually("the hanging call", account.log(), || {
        platform.token_calls() > 0
    });
    platform.release();
    for fan in &fans {
        profile_arrives(&account, fan);
    }
    assert_eq!(platform.token_calls(), 1, "{}", account.log());
}

#[test]
fn a_token_is_renewed_five_minutes_before_it_expires() {
    let platform = Platform::start();
    let mut account = start(&platform);
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    assert_eq!(platform.token_calls(), 1);
    for (left, calls) in [(400, 1), (290, 2), (7200, 2), (-5, 3)] {
        account.stop();
        let store = rusqlite::Connection::open(account.store_path()).unwrap();
        let ends = now() + left;
        store
            .execute("UPDATE tokens SET expires_at = ?1", [ends])
            .unwrap();
        drop(store);
        account.begin();
        let fan = follow(&account);
        profile_arrives(&account, &fan);
        let got = platform.token_calls();
        assert_eq!(got, calls, "with {left} s left\n{}", account.log());
    }
}

#[test]
fn a_token_that_is_always_about_to_expire_is_not_fetched_for_every_call() {
    let platform = Platform::start();
    platform.tokens_live(290);
    let account = start(&platform);
    for _ in 0..10 {
        let fan = follow(&account);
        profile_arrives(&account, &fan);
    }
    assert!(platform.token_calls() <= 2, "{}", account.log());
}

#[test]
fn a_refused_token_is_fetched_again_once() {
    let platform = Platform::start();
    let account = start(&platform);
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    platform.retire_token();
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    assert_eq!(platform.token_calls(), 2, "{}", account.log());
    assert_eq!(platform.profile_calls_for(&fan), 2, "{}", account.log());
    account
        .store()
        .is("SELECT value FROM tokens", &[&platform.token()]);
}

#[test]
fn a_token_that_stays_refused_is_not_fetched_in_a_loop() {
    let platform = Platform::start();
    for code in [40001, 42001] {
        platform.always(INFO, Fault::Errcode(code, "invalid credential"));
        platform.always(BATCH, Fault::Errcode(code, "invalid credential"));
        let mut account = start(&platform);
        let before = platform.token_calls();
        let begun = Instant::now();
        let fan = follow(&account);
        account.log().says(&code.to_string());
        let (tokens, calls) = (
            platform.token_calls() - before,
            platform.profile_calls_for(&fan),
        );
        // One try, and perhaps more after pauses of 1, 2, 4, … s.
        let tries = 1 + (begun.elapsed().as_secs() + 1).ilog2() as usize;
        assert!(
            (2..=2 * tries).contains(&calls),
            "{calls} calls in {tries} tries of two calls each\n{}",
            account.log()
        );
        assert!(
            tokens <= calls,
            "{tokens} tokens for {calls} calls\n{}",
            account.log()
        );
        platform.heal();
        account.restart();
        profile_arrives(&account, &fan);
    }
}

#[test]
fn a_profile_arrives_after_the_platform_was_down() {
    let platform = Platform::start();
    platform.down();
    let account = start(&platform);
    let fans = [follow(&account), follow(&account)];
    eventually("a warning", account.log(), || {
        account.log().has("WARN") || account.log().has("ERROR")
    });
    account.post(&text("hello")).is_text(HELP);
    platform.up();
    for fan in &fans {
        profile_arrives(&account, fan);
    }
}

#[test]
fn a_profile_arrives_after_a_restart() {
    let platform = Platform::start();
    platform.down();
    let mut account = start(&platform);
    let kept = follow(&account);
    let left = follow(&account);
    account.post(&unsubscribe().from(&left)).is_success();
    account.stop();
    platform.up();
    account.begin();
    profile_arrives(&account, &kept);
    assert_eq!(
        platform.profile_calls_for(&left),
        0,
        "the profile of somebody who left was fetched"
    );
    account.store().is("SELECT openid FROM followers", &[&kept]);
}

#[test]
fn a_stop_during_a_token_fetch_does_not_delay_the_next_start() {
    let platform = Platform::start();
    platform.always(TOKENS, Fault::Hang);
    // Waiting for the interrupted call or its timeout would take minutes.
    let patient = Setup::new().platform(&platform);
    let mut account = patient.set("api.timeout", "\"300s\"").start();
    let fan = follow(&account);
    for round in 1..=2 {
        eventually("the hanging call", account.log(), || {
            platform.token_calls() >= round
        });
        match round {
            1 => account.kill(),
            _ => {
                account.stop();
            }
        }
        if round == 2 {
            platform.heal();
        }
        account.begin();
        eventually("the next call", account.log(), || {
            platform.token_calls() > round
        });
    }
    profile_arrives(&account, &fan);
}

#[test]
fn a_profile_arrives_after_any_temporary_fault() {
    let faults = [
        ("502", Fault::BadGateway),
        ("busy", Fault::Errcode(-1, "system error")),
        ("truncated", Fault::Truncated),
        ("empty", Fault::Body(String::new())),
        (
            "HTML with status 200",
            Fault::Body("<html>login</html>".into()),
        ),
        ("closed", Fault::Closed),
    ];
    // Concurrently, because each waits for its back-off.
    std::thread::scope(|scope| {
        for (what, fault) in &faults {
            scope.spawn(move || {
                let platform = Platform::start();
                for path in [TOKENS, INFO] {
                    platform.fault(path, fault.clone());
                }
                let account = start(&platform);
                let fan = follow(&account);
                profile_arrives(&account, &fan);
                assert!(platform.count(TOKENS) >= 2, "{what}: {}", account.log());
            });
        }
    });
}

#[test]
fn an_address_missing_from_the_whitelist_is_explained_once() {
    let platform = Platform::start();
    let refusal = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist";
    platform.always(TOKENS, Fault::Errcode(40164, refusal));
    let mut account = start(&platform);
    let first = follow(&account);
    account.log().says("203.0.113.9");
    account.log().says("40164");
    let mut fans = vec![first];
    for _ in 0..5 {
        fans.push(follow(&account));
    }
    account.stop();
    // The watch for trouble may say it, too, once.
    let said = account.log().count("profiles: api: stable_token");
    assert_eq!(said, 1, "{}", account.log());
    let said = account.log().count("203.0.113.9");
    assert!(said <= 2, "{}", account.log());
    platform.heal();
    account.begin();
    for fan in &fans {
        profile_arrives(&account, fan);
    }
}

#[test]
fn a_wrong_secret_is_explained_and_everything_else_works() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("account.app_secret", "\"fedcba9876543210fedcba9876543210\"")
        .start();
    let fan = follow(&account);
    account.log().says("40125");
    account.post(&text("hello")).is_text(HELP);
    assert!(!account.log().has("fedcba98"), "{}", account.log());
    account.store().is(
        "SELECT openid, profile_at FROM followers",
        &[&format!("{fan}|NULL")],
    );
    assert!(
        platform.token_calls() <= 2,
        "a wrong secret is not tried in a loop"
    );
}

#[test]
fn a_follower_unknown_to_the_platform_is_kept_with_the_error() {
    let platform = Platform::start();
    let account = start(&platform);
    let stranger = another_fan();
    platform.profile(
        &stranger,
        r#"{"errcode":40003,"errmsg":"invalid openid rid: 1-2-3"}"#,
    );
    account.post(&subscribe().from(&stranger)).is_text(WELCOME);
    eventually("profile_error", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_error LIKE '%40003%'")
            == 1
    });
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    assert_eq!(
        platform.profile_calls_for(&stranger),
        1,
        "{}",
        account.log()
    );
    account.store().is("SELECT count(*) FROM followers", &["2"]);
}

#[test]
fn the_profile_of_somebody_who_left_meanwhile_is_fetched_only_once() {
    let platform = Platform::start();
    let account = start(&platform);
    let gone = another_fan();
    platform.profile(&gone, &format!(r#"{{"subscribe":0,"openid":"{gone}"}}"#));
    account.post(&subscribe().from(&gone)).is_text(WELCOME);
    eventually("the call", account.log(), || {
        platform.profile_calls_for(&gone) > 0
    });
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    assert_eq!(platform.profile_calls_for(&gone), 1, "{}", account.log());
}

#[test]
fn raw_control_characters_in_a_nickname_do_no_harm() {
    let platform = Platform::start();
    let account = start(&platform);
    let fan = another_fan();
    let nickname = "odd\u{1}\u{1f}\u{8}na\nme\t\u{7f}";
    platform.profile(
        &fan,
        &format!(r#"{{"subscribe":1,"openid":"{fan}","nickname":"{nickname}","remark":"kept","subscribe_time":1767000000}}"#),
    );
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    profile_arrives(&account, &fan);
    account
        .store()
        .is("SELECT remark FROM followers", &["kept"]);
    let stored: String = account.store().one("SELECT nickname FROM followers");
    let visible: String = stored.chars().filter(char::is_ascii_alphabetic).collect();
    assert_eq!(visible, "oddname");
    account.command(&["followers", "list", "--json"]).json();
}

#[test]
fn many_missing_profiles_are_fetched_in_batches() {
    let platform = Platform::start();
    platform.down();
    let mut account = start(&platform);
    let mut fans = Vec::new();
    for _ in 0..130 {
        fans.push(follow(&account));
    }
    platform.up();
    // A restart ends the current back-off, which may have become long.
    account.restart();
    eventually("all profiles", account.log(), || {
        account.store().count("followers WHERE profile_at IS NULL") == 0
    });
    assert!(platform.count(BATCH) >= 1, "{:?}", platform.unknown());
    let calls = platform.profile_calls();
    assert!(calls <= 20, "{calls} calls for {} followers", fans.len());
    for call in platform.calls() {
        if call.path == BATCH {
            let people = call.body.matches("\"openid\"").count();
            assert!(people <= 100, "{people} people in one call");
            assert!(!call.body.contains("\\u"), "raw UTF-8, no escapes");
        }
    }
}

#[test]
fn one_unknown_follower_does_not_spoil_the_batch() {
    let platform = Platform::start();
    platform.down();
    let account = start(&platform);
    let fans: Vec<String> = (0..12).map(|_| follow(&account)).collect();
    // Because of an OpenID of another account, the platform refuses the whole batch.
    account
        .post(&subscribe().from("xForeignAccountsOpenID000001"))
        .is_text(WELCOME);
    platform.up();
    for fan in &fans {
        profile_arrives(&account, fan);
    }
    eventually("profile_error", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_error LIKE '%40003%'")
            == 1
    });
}

#[test]
fn without_an_app_id_everything_else_works_and_the_log_says_so_once() {
    let account = Account::start();
    for _ in 0..3 {
        follow(&account);
    }
    account.post(&text("hello")).is_text(HELP);
    account.store().is(
        "SELECT count(*), count(profile_at) FROM followers",
        &["3|0"],
    );
    account.log().says("app_id");
    assert_eq!(account.log().count("app_id"), 1, "{}", account.log());
}

#[test]
fn profiles_missing_from_before_the_app_id_was_set_are_fetched() {
    let platform = Platform::start();
    let mut account = Account::start();
    let fan = follow(&account);
    account.stop();
    let credentials = format!(
        "account.app_id = \"{}\"\naccount.app_secret = \"{APP_SECRET}\"\napi.base_url = \"{}\"\napi.sync = \"off\"\n",
        account::APP_ID,
        platform.url()
    );
    account.rewrite_config(|config| credentials + &config);
    account.begin();
    profile_arrives(&account, &fan);
}

#[test]
fn the_secret_may_come_from_a_file_or_the_environment() {
    let platform = Platform::start();
    let setup = Setup::new().platform(&platform).unset("account.app_secret");
    let file = setup.folder().join("secret");
    std::fs::write(&file, format!("{APP_SECRET}\n")).unwrap();
    let named = format!("\"{}\"", file.display());
    let account = setup.set("account.app_secret_file", &named).start();
    let fan = follow(&account);
    profile_arrives(&account, &fan);

    let account = Setup::new()
        .platform(&platform)
        .set("account.app_secret", "\"fedcba9876543210fedcba9876543210\"")
        .env("WECHATD_APP_SECRET", APP_SECRET)
        .start();
    let fan = follow(&account);
    profile_arrives(&account, &fan);
}

#[test]
fn a_profile_without_a_scene_keeps_the_scene_of_the_push() {
    let platform = Platform::start();
    platform.down();
    let account = start(&platform);
    let fans = [another_fan(), another_fan()];
    account
        .post(&subscribe_by("poster").from(&fans[0]))
        .is_text(WELCOME);
    account
        .post(&subscribe_by("7").from(&fans[1]))
        .is_text(WELCOME);
    for fan in &fans {
        platform.profile(
            fan,
            &format!("{{\"subscribe\":1,\"openid\":\"{fan}\",\"subscribe_scene\":\"\",\"qr_scene\":0,\"qr_scene_str\":\"\"}}"),
        );
    }
    platform.up();
    for fan in &fans {
        profile_arrives(&account, fan);
    }
    account.store().is(
        "SELECT subscribe_scene, qr_scene, qr_scene_str FROM followers ORDER BY subscribe_time, qr_scene",
        &["ADD_SCENE_QR_CODE|NULL|poster", "ADD_SCENE_QR_CODE|7|7"],
    );
}

#[test]
fn a_revoked_profile_is_not_fetched_repeatedly() {
    let platform = Platform::start();
    let account = start(&platform);
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    let before = platform.profile_calls_for(&fan);
    // As by an owner who wants all profiles fetched again.
    change(
        &account.store_path(),
        "UPDATE followers SET profile_at = NULL, nickname = NULL, profile_error = 'authorisation revoked'",
    );
    let other = follow(&account);
    profile_arrives(&account, &other);
    let done = "followers WHERE profile_at IS NOT NULL AND profile_error = 'authorisation revoked'";
    eventually("the mark", account.log(), || {
        account.store().count(done) == 1
    });
    assert_eq!(platform.profile_calls_for(&fan), before + 1);
}

#[test]
fn a_queue_that_does_not_shrink_is_retried_with_pauses() {
    let platform = Platform::start();
    let account = start(&platform);
    change(
        &account.store_path(),
        "CREATE TRIGGER stays AFTER UPDATE OF profile_at ON followers WHEN new.openid = 'oSynStays'
         BEGIN UPDATE followers SET profile_at = NULL WHERE openid = 'oSynStays'; END;
         INSERT INTO followers (openid, subscribe_time) VALUES ('oSynStays', 1)",
    );
    let fan = follow(&account);
    profile_arrives(&account, &fan);
    account.log().says("nobody leaves the queue");
    let (before, begun) = (platform.profile_calls(), Instant::now());
    // Long enough for hundreds of calls if there were no pauses, which start at one second.
    std::thread::sleep(Duration::from_secs(2));
    let calls = platform.profile_calls() - before;
    let most = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(calls <= most, "{calls} calls, {most} expected at most");
    // Logged again only if the queue had shrunk in between, which it may have when the new follower's profile came.
    let said = account.log().count("nobody leaves the queue");
    assert!(said <= 2, "said {said} times\n{}", account.log());
    // Others do not have to wait for it.
    let fan = follow(&account);
    profile_arrives(&account, &fan);
}

#[test]
fn show_online_fetches_the_profile_of_one_person_and_keeps_that_of_a_follower() {
    let platform = Platform::start();
    let mut account = Setup::new().platform(&platform).start();
    account.post(&subscribe().from(FAN)).is_text(WELCOME);
    eventually("the profile", account.log(), || {
        account.store().count("followers WHERE profile_at > 0") == 1
    });
    account.stop();
    let said = format!(
        r#"{{"subscribe":1,"openid":"{FAN}","remark":"met at the fair","tagid_list":[7],"subscribe_time":1700000000}}"#
    );
    platform.profile(FAN, &said);
    platform.people(|all| drop(all.tags.insert(7, "regulars".into())));
    account.command(&["tags", "list"]).ok();
    let ran = account.command(&["followers", "show", FAN, "--online"]);
    ran.ok().says("follows     yes").says("met at the fair");
    assert_eq!(ran.stdout.matches("regulars").count(), 2, "{}", ran.stdout);
    account.store().is(
        "SELECT remark, tagid_list FROM followers",
        &["met at the fair|[7]"],
    );
    let json = account.command(&["followers", "show", FAN, "--online", "--json"]);
    let json = json.json();
    assert_eq!(json["wechat"]["subscribe"], 1);
    assert_eq!(json["follower"]["remark"], "met at the fair");
    // Somebody who is not in the store.
    let stranger = another_fan();
    account
        .command(&["followers", "show", &stranger])
        .failed()
        .complains("knows nobody");
    account
        .command(&["followers", "show", &stranger, "--online"])
        .ok()
        .says("follows     yes")
        .says("not among its followers");
    assert_eq!(account.store().count("followers"), 1);
    // A follower who left according to the platform stays until the next sync.
    platform.profile(FAN, &format!(r#"{{"subscribe":0,"openid":"{FAN}"}}"#));
    account
        .command(&["followers", "show", FAN, "--online"])
        .ok()
        .says("follows  no")
        .says("no longer follows");
    assert_eq!(account.store().count("followers"), 1);
    account
        .command(&["followers", "show", "xOfAnotherAccount", "--online"])
        .failed()
        .complains("40003");
}
