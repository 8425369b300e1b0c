//! The `login` commands: the authorization URL, the exchange of a code, and what can go wrong with it.

use crate::support::account::{APP_ID, APP_SECRET};
use crate::support::*;
use serde_json::json;

const EXCHANGE: &str = "/sns/oauth2/access_token";
const PAGE: &str = "https://www.example.com/cb";

fn account(platform: &Platform) -> Account {
    Setup::new()
        .platform(platform)
        .env("RUST_LOG", "trace")
        .stopped()
}

#[test]
fn url_prints_the_authorization_url() {
    let platform = Platform::start();
    let account = account(&platform);
    let url = |scope: &str| {
        format!(
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid={APP_ID}\
             &redirect_uri=https%3A%2F%2Fwww.example.com%2Fcb&response_type=code&scope={scope}&state=s1#wechat_redirect\n"
        )
    };
    let ran = account.command(&["login", "url", PAGE, "--state", "s1"]);
    assert_eq!(ran.ok().stdout, url("snsapi_base"));
    let ran = account.command(&["login", "url", PAGE, "--state", "s1", "--scope", "userinfo"]);
    assert_eq!(ran.ok().stdout, url("snsapi_userinfo"));
    let states = [(); 2].map(|()| {
        let json = account.command(&["login", "url", PAGE, "--json"]).json();
        let state = json["state"].as_str().unwrap().to_owned();
        assert!(
            json["url"]
                .as_str()
                .unwrap()
                .contains(&format!("&state={state}#"))
        );
        state
    });
    assert_eq!(states[0].len(), 32);
    let ran = account.command(&["login", "url", PAGE]);
    let lines: Vec<&str> = ran.ok().stdout.lines().collect();
    let [url, state] = lines[..] else {
        panic!("{lines:?}")
    };
    let state = state.strip_prefix("state  ").unwrap();
    assert!(url.ends_with(&format!("&state={state}#wechat_redirect")));
    assert_ne!(states[0], states[1]);
    for (arguments, why) in [
        (&["www.example.com/cb"][..], "https:// address"),
        (&[PAGE, "--state", "a b"], "letters and digits"),
        (&[PAGE, "--scope", "all"], "base or userinfo"),
    ] {
        account
            .command(&[&["login", "url"], arguments].concat())
            .refused()
            .complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn without_an_app_id_there_is_no_url() {
    let account = Setup::new().stopped();
    account
        .command(&["login", "url", PAGE])
        .refused()
        .complains("account.app_id is not set");
}

#[test]
fn a_code_is_exchanged_once_for_a_person_and_their_tokens() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["login", "code", "SYNCODE1"]);
    ran.ok()
        .says("openid         oSyn1aAQe7rT0uXk3mPzLc9WvBh4")
        .says("access_token   SYN_USER_TOKEN_1")
        .says("refresh_token  SYN_REFRESH_amy");
    let json = account
        .command(&["login", "code", "SYNCODE2", "--json"])
        .json();
    assert_eq!(json["expires_in"], 7200);
    assert_eq!(json["is_snapshot"], false);
    let json = account
        .command(&["login", "refresh", "SYN_REFRESH_amy", "--json"])
        .json();
    assert_eq!(json["access_token"], "SYN_USER_TOKEN_2");
    let amy = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
    account
        .command(&["login", "user", amy, "SYN_USER_TOKEN_2"])
        .ok()
        .says("nickname  Amy 😀");
    account
        .command(&["login", "check", amy, "SYN_USER_TOKEN_1"])
        .ok()
        .says("works");
    assert_eq!(
        platform.token_calls(),
        0,
        "the account's access token is not needed"
    );
}

#[test]
fn a_refused_code_or_token_is_explained_and_not_retried() {
    let platform = Platform::start();
    let account = account(&platform);
    account.command(&["login", "code", "SYNCODE1"]).ok();
    for (arguments, why) in [
        (
            &["code", "SYNCODE1"][..],
            "the code was used before: let the user open the page again",
        ),
        (&["code", "nonsense"], "40029"),
        (&["refresh", "nonsense"], "40030"),
        (&["user", "oX", "SYN_old"], "wechatd login refresh"),
    ] {
        account
            .command(&[&["login"], arguments].concat())
            .failed()
            .complains(why);
    }
    account
        .command(&["login", "check", "oX", "SYN_old"])
        .failed()
        .complains("not of this openid");
    let before = platform.count(EXCHANGE);
    for fault in [
        Fault::Errcode(-1, "system error"),
        Fault::Closed,
        Fault::BadGateway,
    ] {
        platform.fault(EXCHANGE, fault);
        account
            .command(&["login", "code", "SYNCODE9"])
            .may_be_done();
    }
    assert_eq!(
        platform.count(EXCHANGE),
        before + 3,
        "not retried, because a code is valid once"
    );
    let snapshot =
        json!({"access_token": "SYN", "expires_in": 7200, "openid": "oX", "is_snapshotuser": 1});
    platform.fault(EXCHANGE, Fault::Body(snapshot.to_string()));
    account
        .command(&["login", "code", "SYNCODE9"])
        .ok()
        .complains("snapshot");
}

#[test]
fn a_token_may_come_from_standard_input() {
    let platform = Platform::start();
    let account = account(&platform);
    account.command(&["login", "code", "SYNCODE1"]).ok();
    let amy = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
    let run = |arguments: &[&str], input: &str| {
        Ran::of(account.program(&[&["login"], arguments].concat()), input)
    };
    run(&["check", amy, "-"], "SYN_USER_TOKEN_1\n").ok();
    run(&["user", amy, "-"], "\u{feff} SYN_USER_TOKEN_1 \r\n")
        .ok()
        .says("Amy");
    run(&["refresh", "-", "--json"], "SYN_REFRESH_amy").ok();
    run(&["code", "-"], "SYNCODE2").ok();
    let empty = run(&["check", amy, "-"], "\n");
    empty.refused().complains("standard input: it is empty");
}

#[test]
fn tokens_are_printed_and_never_logged() {
    let platform = Platform::start();
    let account = account(&platform);
    let mut logged = String::new();
    for arguments in [
        &["code", "SYNCODE1"][..],
        &["code", "SYNCODE1"],
        &["refresh", "SYN_REFRESH_amy"],
        &["refresh", "SYN_REFRESH_wrong"],
        &["user", "oX", "SYN_USER_TOKEN_1"],
        &["check", "oX", "SYN_USER_TOKEN_1"],
    ] {
        logged += &account.command(&[&["login"], arguments].concat()).stderr;
    }
    platform.fault(
        EXCHANGE,
        Fault::Errcode(40029, "invalid code SYNCODE7 of 0123"),
    );
    logged += &account.command(&["login", "code", "SYNCODE7"]).stderr;
    assert!(logged.contains("sns/oauth2/access_token"), "{logged}");
    for secret in ["SYN_USER_TOKEN", "SYN_REFRESH", "SYNCODE", APP_SECRET] {
        assert!(!logged.contains(secret), "{secret}: {logged}");
    }
}
