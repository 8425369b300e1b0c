//! What a list is believed, and a panic in the middle of a sync.

use super::*;
use crate::api::{KeptToken, Settings, TokenStore};
use crate::secret::Secret;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

fn state(total: Option<i64>, listed: i64) -> SyncState {
    SyncState {
        step: SyncStep::List,
        started_at: 0,
        next_openid: String::new(),
        total,
        listed,
        came: 0,
        gone: 0,
        fetched: 0,
        refused: 0,
        nobody_leaves: None,
        believed: false,
        unfollowed: 0,
    }
}

#[test]
fn a_list_clearly_shorter_than_the_platforms_count_is_not_believed() {
    let (fine, doubtful, broken) = ("fine", "doubtful", "broken");
    for (total, listed, allowed, expected) in [
        (Some(0), 0, 0, fine),
        (Some(10), 10, 0, fine),
        (Some(10), 9, 0, doubtful),
        (Some(10), 9, 1, fine),
        (Some(9), 10, 0, fine),
        (Some(10), 300, 0, broken),
        (Some(25_000), 24_975, 0, fine),
        (Some(25_000), 24_974, 0, doubtful),
        (Some(25_000), 24_974, 1, fine),
        (Some(25_000), 22_499, 0, broken),
        (Some(25_000), 10_000, 300, broken),
        (Some(15), 0, 0, doubtful),
        (None, 10, 0, broken),
        (Some(i64::MAX), 10, i64::MAX, fine),
        (Some(i64::MAX), -1, 0, broken),
        (Some(i64::MIN), 5, 0, broken),
        (Some(i64::MIN), i64::MAX, 0, broken),
    ] {
        let doubt = doubt(&state(total, listed), allowed);
        let got = match &doubt {
            None => fine,
            Some(Listed::Doubtful(_)) => doubtful,
            Some(Listed::Broken(_)) => broken,
        };
        assert_eq!(got, expected, "{total:?} {listed} {allowed}: {doubt:?}");
    }
}

/// A client of a platform that is never called.
fn no_platform() -> Client {
    struct NoTokens;
    impl TokenStore for NoTokens {
        fn load(&self, _: &str) -> Result<Option<KeptToken>, String> {
            Err("no store".to_owned())
        }
        fn save(&self, _: &str, _: &KeptToken) -> Result<(), String> {
            Err("no store".to_owned())
        }
        fn lease(&self, _: &str, _: Duration) -> Result<bool, String> {
            Err("no store".to_owned())
        }
        fn release(&self, _: &str) -> Result<(), String> {
            Err("no store".to_owned())
        }
    }
    let settings = Settings {
        base_url: "http://127.0.0.1:9".to_owned(),
        timeout: Duration::from_secs(1),
        app_id: "wx0123456789abcdef".to_owned(),
        app_secret: Secret::new("0123456789abcdef0123456789abcdef"),
    };
    Client::new(settings, Arc::new(NoTokens)).expect("a client")
}

#[test]
fn a_panic_of_a_fetching_thread_reaches_the_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("wechat.db").as_path().into()).expect("a store");
    store.sync_begin(clock::unix_seconds()).expect("a write");
    store.sync_go_on(SyncStep::Profiles, None).expect("a write");
    let api = no_platform();
    let sync = FollowerSync {
        store: &store,
        api: &api,
        rate: 1_000,
        announce: None,
    };
    // The fetching threads are the first to call `stop`.
    let stop = || panic!("which is what this test is about");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        sync.run(&|_| {}, &stop, &|_| Belief::No)
    }));
    assert!(ended.is_err(), "{ended:?}");
    // The lease was given back.
    let ended = sync.run(&|_| {}, &|| false, &|_| Belief::No);
    assert!(ended.is_ok(), "{ended:?}");
}
