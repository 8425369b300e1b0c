//! One token for all: when it is fetched, replaced, forced and shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::platform::{APP_SECRET, MemoryStore, Platform, http, ok};
use crate::api::{Action, ApiError, TokenStore};
use crate::secret::Secret;

const PROFILE: &str = r#"{"subscribe":1,"openid":"o1"}"#;
const REFUSED: &str =
    r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}"#;

#[test]
fn a_refused_token_is_replaced_once_and_the_call_repeated_once() {
    let fetched = AtomicUsize::new(0);
    let platform = Platform::new(move |asked| match asked.path.as_str() {
        "/cgi-bin/stable_token" => {
            let number = fetched.fetch_add(1, Ordering::SeqCst);
            ok(&format!(
                r#"{{"access_token":"NEW{number}","expires_in":7200}}"#
            ))
        }
        _ if asked.query["access_token"] == "NEW0" => ok(PROFILE),
        _ => ok(REFUSED),
    });
    let store = MemoryStore::with("OLD", 7200);
    platform
        .client_with(Arc::clone(&store))
        .user_info("o1")
        .unwrap();
    assert_eq!(platform.paths(), ["user/info", "stable_token", "user/info"]);
    assert_eq!(store.value("access_token").as_deref(), Some("NEW0"));
}

#[test]
fn a_token_that_stays_refused_ends_the_call() {
    let platform = Platform::scripted(vec![ok(REFUSED)]);
    let error = platform
        .client_with(MemoryStore::with("OLD", 7200))
        .user_info("o1")
        .unwrap_err();
    assert_eq!(error.action(), Action::Token);
    assert_eq!(platform.paths(), ["user/info", "stable_token", "user/info"]);
}

#[test]
fn a_token_that_another_process_has_replaced_is_used_without_a_fetch() {
    let store = MemoryStore::with("OLD", 7200);
    let changed = Arc::clone(&store);
    let platform = Platform::new(move |asked| {
        if asked.query["access_token"] == "OLD" {
            let new = crate::api::KeptToken {
                value: Secret::new("THEIRS"),
                expires_at: crate::clock::unix_seconds() + 7200,
            };
            changed.save("access_token", &new).unwrap();
            return ok(REFUSED);
        }
        ok(PROFILE)
    });
    platform.client_with(store).user_info("o1").unwrap();
    assert_eq!(platform.paths(), ["user/info", "user/info"]);
}

#[test]
fn a_wrong_secret_ends_at_once_and_is_remembered() {
    let platform = Platform::new(|_| ok(REFUSED));
    let client = platform.client();
    let error = client.user_info("o1").unwrap_err();
    assert_eq!(error.action(), Action::Fix);
    assert!(error.to_string().contains("account.app_secret"), "{error}");
    assert_eq!(client.token().unwrap_err(), error);
    assert_eq!(platform.paths(), ["stable_token"]);
}

#[test]
fn token_is_called_if_stable_token_is_refused() {
    let refusals = [
        ok(r#"{"errcode":48001,"errmsg":"api unauthorized"}"#),
        ok(r#"{"errcode":40066,"errmsg":"invalid url"}"#),
        http("404 Not Found", "", "<html>"),
    ];
    for refusal in refusals {
        let platform = Platform::new(move |asked| match asked.path.as_str() {
            "/cgi-bin/token" => ok(r#"{"access_token":"OLD STYLE","expires_in":"7200"}"#),
            _ => refusal.clone(),
        });
        assert_eq!(platform.client().token().unwrap(), "OLD STYLE");
        assert_eq!(platform.paths(), ["stable_token", "token"]);
        let asked = &platform.calls()[1];
        assert_eq!(asked.method, "GET");
        assert_eq!(asked.query["secret"], APP_SECRET);
        assert!(!asked.query.contains_key("access_token"));
    }
}

#[test]
fn a_token_is_replaced_five_minutes_early() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    assert_eq!(
        platform
            .client_with(MemoryStore::with("KEPT", 310))
            .token()
            .unwrap(),
        "KEPT"
    );
    assert_eq!(
        platform
            .client_with(MemoryStore::with("KEPT", 290))
            .token()
            .unwrap(),
        "TOKEN"
    );
    assert_eq!(platform.paths(), ["stable_token"]);
}

#[test]
fn a_token_stored_under_a_clock_that_was_ahead_is_not_believed() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    for ends_in in [8_000, 400_000_000] {
        let client = platform.client_with(MemoryStore::with("AHEAD", ends_in));
        assert_eq!(client.token().unwrap(), "TOKEN");
    }
    // With a clock that was set back a little, it is.
    let client = platform.client_with(MemoryStore::with("KEPT", 7_260));
    assert_eq!(client.token().unwrap(), "KEPT");
    assert_eq!(platform.paths().len(), 2);
}

#[test]
fn a_token_that_cannot_be_replaced_early_is_used_until_it_expires() {
    let platform =
        Platform::new(|_| ok(r#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#));
    let client = platform.client_with(MemoryStore::with("KEPT", 290));
    assert_eq!(client.token().unwrap(), "KEPT");
    assert_eq!(client.token().unwrap(), "KEPT");
    assert_eq!(platform.paths(), ["stable_token"]);
    let client = platform.client_with(MemoryStore::with("KEPT", -1));
    assert_eq!(client.token().unwrap_err().errcode(), Some(45009));
}

#[test]
fn a_token_with_a_short_lifetime_is_not_fetched_with_every_call() {
    let platform = Platform::new(|_| ok(r#"{"access_token":"SHORT","expires_in":200}"#));
    let client = platform.client();
    client.token().unwrap();
    client.token().unwrap();
    assert_eq!(platform.paths().len(), 1);
}

/// Gets a token from many threads of two processes that share a store.
fn all_at_once(platform: &Platform, store: &Arc<MemoryStore>) -> Vec<Result<String, ApiError>> {
    let clients = [
        platform.client_with(Arc::clone(store)),
        platform.client_with(Arc::clone(store)),
    ];
    let threads: Vec<_> = (0..16)
        .map(|i| {
            let client = clients[i % 2].clone();
            thread::spawn(move || client.token())
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

#[test]
fn parallel_demand_of_two_processes_makes_one_fetch() {
    let platform = Platform::new(|_| {
        thread::sleep(Duration::from_millis(200));
        ok(r#"{"access_token":"TOKEN","expires_in":7200}"#)
    });
    let tokens = all_at_once(&platform, &Arc::default());
    assert!(
        tokens.iter().all(|token| token.as_deref() == Ok("TOKEN")),
        "{tokens:?}"
    );
    assert_eq!(platform.paths(), ["stable_token"]);
}

#[test]
fn parallel_demand_after_a_failure_makes_one_fetch_per_process() {
    let platform = Platform::new(|_| {
        ok(r#"{"errcode":40164,"errmsg":"invalid ip 203.0.113.9, not in whitelist"}"#)
    });
    let tokens = all_at_once(&platform, &Arc::default());
    for token in &tokens {
        assert_eq!(
            token.as_ref().unwrap_err().unlisted_address(),
            Some("203.0.113.9")
        );
    }
    assert_eq!(platform.paths(), ["stable_token", "stable_token"]);
}

#[test]
fn a_lease_that_is_not_given_back_expires() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    let store: Arc<MemoryStore> = Arc::default();
    assert!(
        store
            .lease("access_token", Duration::from_millis(200))
            .unwrap()
    );
    assert_eq!(platform.client_with(store).token().unwrap(), "TOKEN");
}

#[test]
fn a_token_is_forced_only_while_the_platform_gives_out_the_refused_one() {
    let platform = Platform::new(|asked| match asked.json()["force_refresh"].as_bool() {
        Some(true) => ok(r#"{"access_token":"FORCED","expires_in":7200}"#),
        _ => ok(r#"{"access_token":"STABLE","expires_in":7000}"#),
    });
    let store = MemoryStore::with("KEPT", 7200);
    let client = platform.client_with(Arc::clone(&store));
    // Not the current one: the stored one is newer.
    assert_eq!(client.refused("OLDER").unwrap(), "KEPT");
    assert_eq!(platform.paths().len(), 0);
    // The current one: the platform has a newer one.
    assert_eq!(client.refused("KEPT").unwrap(), "STABLE");
    assert_eq!(platform.paths().len(), 1);
    // The platform insists on it.
    assert_eq!(client.refused("STABLE").unwrap(), "FORCED");
    assert_eq!(platform.paths().len(), 3);
    assert_eq!(store.value("access_token").as_deref(), Some("FORCED"));
}

#[test]
fn a_store_that_cannot_be_written_does_not_stop_the_process() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    let store: Arc<MemoryStore> = Arc::default();
    *store.broken.lock().unwrap() = Some("save");
    let client = platform.client_with(Arc::clone(&store));
    client.user_info("o1").unwrap();
    client.user_info("o1").unwrap();
    assert_eq!(platform.paths(), ["stable_token", "user/info", "user/info"]);
    *store.broken.lock().unwrap() = Some("load");
    client.user_info("o1").unwrap();
    let error = platform.client_with(store).token().unwrap_err();
    assert_eq!(error.to_string(), "api: the kept token: disk full");
}

#[test]
fn the_ticket_is_stored_like_the_token() {
    let platform = Platform::scripted(vec![ok(
        r#"{"errcode":0,"errmsg":"ok","ticket":"TICKET","expires_in":7200}"#,
    )]);
    let store: Arc<MemoryStore> = Arc::default();
    let client = platform.client_with(Arc::clone(&store));
    assert_eq!(client.ticket().unwrap(), "TICKET");
    assert_eq!(platform.client_with(store).ticket().unwrap(), "TICKET");
    assert_eq!(platform.paths(), ["stable_token", "ticket/getticket"]);
    assert_eq!(platform.calls()[1].query["type"], "jsapi");
}
