//! `wechatd token`: one token for the server, the commands and the owner's other programs.

use crate::support::store::change;
use crate::support::*;

const TOKENS: &str = "/cgi-bin/stable_token";

#[test]
fn a_token_is_fetched_once_and_then_shared() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let ran = account.command(&["token"]);
    ran.ok();
    assert_eq!(ran.stdout, format!("{}\n", platform.token()));
    let json = account.command(&["token", "--json"]).json();
    assert_eq!(json["access_token"], platform.token());
    let left = json["expires_at"].as_i64().unwrap() - now();
    assert!((7000..=7200).contains(&left), "{left} seconds left");
    assert_eq!(platform.token_calls(), 1);
}

#[test]
fn two_processes_that_need_a_token_at_the_same_moment_make_one_call() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    // Both find the same store, made beforehand so that they race for the token alone.
    account.command(&["token"]).ok();
    platform.retire_token();
    let old = account.command(&["token"]).stdout.trim().to_owned();
    platform.fault(TOKENS, Fault::Hang);
    let before = platform.token_calls();
    std::thread::scope(|scope| {
        let run = || account.command(&["token", "--refused", &old]);
        let both = [scope.spawn(run), scope.spawn(run)];
        eventually("the call", account.log(), || {
            platform.token_calls() > before
        });
        // Time for the other one to ask as well, were it to.
        std::thread::sleep(std::time::Duration::from_millis(500));
        platform.release();
        for one in both {
            let ran = one.join().unwrap();
            ran.ok();
            assert_eq!(ran.stdout.trim(), platform.token());
        }
    });
    assert_eq!(platform.token_calls(), before + 1);
}

#[test]
fn a_refused_token_is_replaced_and_one_that_was_replaced_already_is_not_fetched_again() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout.trim().to_owned();
    platform.retire_token();
    for _ in 0..2 {
        let ran = account.command(&["token", "--refused", &first]);
        ran.ok();
        assert_eq!(ran.stdout.trim(), platform.token());
        assert_ne!(ran.stdout.trim(), first);
    }
    assert_eq!(platform.token_calls(), 2);
}

#[test]
fn a_refused_token_comes_from_standard_input_where_nobody_sees_it() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout;
    platform.retire_token();
    let ran = Ran::of(account.program(&["token", "--refused", "-"]), &first);
    ran.ok();
    assert_eq!(ran.stdout.trim(), platform.token());
    assert_ne!(ran.stdout, first);
}

#[test]
fn a_refused_token_that_the_platform_still_gives_out_is_forced_anew() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token"]).stdout.trim().to_owned();
    let second = account
        .command(&["token", "--refused", &first])
        .stdout
        .trim()
        .to_owned();
    assert_ne!(first, second);
    assert_eq!(second, platform.token());
    let forced = platform.calls().last().unwrap().body.clone();
    assert!(forced.contains("\"force_refresh\":true"), "one forced call");
}

#[test]
fn the_ticket_of_the_js_sdk_is_kept_and_shared_too() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let first = account.command(&["token", "--jsapi-ticket"]);
    first.ok().says("SYN_JSAPI_TICKET");
    let json = account
        .command(&["token", "--jsapi-ticket", "--json"])
        .json();
    assert_eq!(json["jsapi_ticket"], first.stdout.trim());
    assert_eq!(platform.count("/cgi-bin/ticket/getticket"), 1);
}

#[test]
fn without_an_app_id_the_command_says_what_is_missing() {
    let account = Setup::new().stopped();
    account
        .command(&["token"])
        .refused()
        .complains("account.app_secret");
}

#[test]
fn what_the_platform_refuses_is_told_with_what_to_do_and_without_the_secret() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let refusal = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist";
    for (fault, text) in [
        (Fault::Errcode(40164, refusal), "enter 203.0.113.9"),
        (Fault::Errcode(40125, "invalid appsecret"), "AppSecret"),
        (Fault::Errcode(50007, "account frozen"), "mp.weixin.qq.com"),
    ] {
        platform.fault(TOKENS, fault);
        let ran = account.command(&["token"]);
        ran.failed().complains(text);
        ran.expect(
            !ran.stderr.contains(account::APP_SECRET),
            "no secret on stderr",
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_kept_token_that_is_none_or_ends_too_late_is_fetched_anew() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    account.command(&["token"]).ok();
    for wrong in [
        "value = 'SYN_DEAD', expires_at = 2100000000",
        "value = NULL",
        "value = ''",
        "expires_at = NULL",
    ] {
        let before = platform.token_calls();
        change(&account.store_path(), &format!("UPDATE tokens SET {wrong}"));
        let json = account.command(&["token", "--json"]).json();
        assert_eq!(json["access_token"], platform.token(), "{wrong}");
        let left = json["expires_at"].as_i64().unwrap() - now();
        assert!(
            (7000..=7200).contains(&left),
            "{wrong}: {left} seconds left"
        );
        assert_eq!(platform.token_calls(), before + 1, "{wrong}");
    }
}
