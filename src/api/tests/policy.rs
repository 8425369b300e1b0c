//! What is repeated, what is not, and how one token serves all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::platform::{APP_SECRET, Platform, Reply, Shelf, client_of, http, ok};
use crate::api::media::MediaType;
use crate::api::qrcode::{Life, Scene};
use crate::api::{Action, ApiError, NetworkCause, TokenShelf};

const PROFILE: &str = r#"{"subscribe":1,"openid":"o1"}"#;
const BUSY: &str = r#"{"errcode":-1,"errmsg":"system error rid: 66f0a1b2-1c2d3e4f-5a6b7c8d"}"#;
const REFUSED: &str =
    r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}"#;

#[test]
fn a_profile_comes_with_one_token_for_all_calls() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    let client = platform.client();
    assert_eq!(client.user_info("o1").unwrap().subscribe, Some(1));
    client.user_info("o2").unwrap();
    assert_eq!(platform.paths(), ["stable_token", "user/info", "user/info"]);
    let asked = platform.asked();
    assert_eq!(asked[1].query["access_token"], "TOKEN");
    assert_eq!(asked[2].query["openid"], "o2");
    assert_eq!(asked[0].json()["force_refresh"], false);
    assert!(asked[0].query.is_empty());
    assert!(asked[0].headers["user-agent"].starts_with("wechatd/"));
}

#[test]
fn control_characters_and_numbers_as_text_are_read() {
    let platform = Platform::scripted(vec![ok(
        "{\"subscribe\":\"1\",\"openid\":\"o1\",\"nickname\":\"a\x02b\n\",\"sex\":\"\",\"groupid\":null,\
          \"subscribe_time\":\"1767000000\",\"tagid_list\":[\"128\",2],\"qr_scene_str\":7,\"new\":[1]}",
    )]);
    let profile = platform.client().user_info("o1").unwrap();
    assert_eq!(profile.nickname.as_deref(), Some("a b "));
    assert_eq!(profile.subscribe, Some(1));
    assert_eq!(profile.sex, None);
    assert_eq!(profile.subscribe_time, Some(1_767_000_000));
    assert_eq!(profile.tagid_list, Some(vec![128, 2]));
    assert_eq!(profile.qr_scene_str.as_deref(), Some("7"));
}

#[test]
fn a_read_is_repeated_while_the_platform_is_in_trouble() {
    let platform = Platform::scripted(vec![
        ok(BUSY),
        http(
            "502 Bad Gateway",
            "Content-Type: text/html\r\n",
            "<html>bad gateway",
        ),
        Reply::Close,
        ok(PROFILE),
    ]);
    platform.client().user_info("o1").unwrap();
    assert_eq!(platform.paths().len(), 5);
}

#[test]
fn a_read_is_given_up_after_three_repetitions() {
    let platform = Platform::scripted(vec![ok(BUSY)]);
    let error = platform.client().user_info("o1").unwrap_err();
    assert_eq!((error.errcode(), error.action()), (Some(-1), Action::Retry));
    assert_eq!(platform.paths().len(), 1 + 4);
}

#[test]
fn the_client_for_queues_repeats_nothing() {
    let platform = Platform::scripted(vec![ok(BUSY)]);
    platform.client().once().user_info("o1").unwrap_err();
    assert_eq!(platform.paths(), ["stable_token", "user/info"]);
}

#[test]
fn other_errors_are_not_repeated() {
    for errcode in [40003, 45009, 48001, 99999] {
        let answer = format!(r#"{{"errcode":"{errcode}","errmsg":"x"}}"#);
        let platform = Platform::scripted(vec![ok(&answer)]);
        let error = platform.client().user_info("o1").unwrap_err();
        assert_eq!(error.errcode(), Some(errcode));
        assert_eq!(platform.paths().len(), 2);
    }
}

#[test]
fn html_truncated_json_and_redirects_are_told_apart() {
    let cases = [
        (
            http("502 Bad Gateway", "", "<html>"),
            502,
            "an HTML or XML page",
            4,
        ),
        (
            http("200 OK", "", r#"{"subscribe":1,"openid":"o"#),
            200,
            "JSON that breaks off after 26 bytes",
            4,
        ),
        (
            http("404 Not Found", "", "no such page"),
            404,
            "no JSON from byte 2 on",
            1,
        ),
        (
            http("403 Forbidden", "", r#"{"message":"no"}"#),
            403,
            "JSON without an errcode",
            1,
        ),
        (
            http("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
            302,
            "an empty body, a redirect that is not followed",
            1,
        ),
    ];
    for (reply, status, cause, calls) in cases {
        let platform = Platform::scripted(vec![reply]);
        let error = platform.client().user_info("o1").unwrap_err();
        let cause = cause.to_owned();
        assert_eq!(
            error,
            ApiError::NotJson {
                call: "user/info",
                status,
                cause
            }
        );
        assert_eq!(platform.paths().len(), 1 + calls, "{error}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"subscribe\":1".to_vec();
    let platform = Platform::scripted(vec![Reply::Raw(head), ok(PROFILE)]);
    platform.client().user_info("o1").unwrap();
    assert_eq!(platform.paths().len(), 3);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let platform = Platform::scripted(vec![Reply::Endless]);
    let error = platform.client().user_info("o1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "api: user/info: the answer cannot be used: it is longer than 8 MiB"
    );
    assert_eq!(platform.paths().len(), 2);
}

#[test]
fn a_hanging_call_ends_at_its_time_out_and_is_not_repeated() {
    let platform = Platform::scripted(vec![Reply::Hang(Duration::from_secs(20))]);
    let client = platform.client_in(Shelf::with("TOKEN", 7200), Duration::from_millis(300));
    let begun = Instant::now();
    let error = client.user_info("o1").unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(
        error,
        ApiError::Network {
            call: "user/info",
            cause: NetworkCause::Timeout(300)
        }
    );
    assert_eq!(platform.paths(), ["user/info"]);
}

#[test]
fn nobody_listening_is_said_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client_of(
        &base_url,
        Shelf::with("TOKEN", 7200),
        Duration::from_secs(5),
    );
    let error = client.user_info("o1").unwrap_err();
    assert_eq!(
        error,
        ApiError::Network {
            call: "user/info",
            cause: NetworkCause::Refused
        }
    );
}

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
    let shelf = Shelf::with("OLD", 7200);
    platform
        .client_with(Arc::clone(&shelf))
        .user_info("o1")
        .unwrap();
    assert_eq!(platform.paths(), ["user/info", "stable_token", "user/info"]);
    assert_eq!(shelf.value("access_token").as_deref(), Some("NEW0"));
}

#[test]
fn a_token_that_stays_refused_ends_the_call() {
    let platform = Platform::scripted(vec![ok(REFUSED)]);
    let error = platform
        .client_with(Shelf::with("OLD", 7200))
        .user_info("o1")
        .unwrap_err();
    assert_eq!(error.action(), Action::Token);
    assert_eq!(platform.paths(), ["user/info", "stable_token", "user/info"]);
}

#[test]
fn a_token_that_another_process_has_replaced_is_taken_without_a_fetch() {
    let shelf = Shelf::with("OLD", 7200);
    let changed = Arc::clone(&shelf);
    let platform = Platform::new(move |asked| {
        if asked.query["access_token"] == "OLD" {
            let new = crate::api::KeptToken {
                value: "THEIRS".to_owned(),
                expires_at: i64::MAX,
            };
            changed.save("access_token", &new).unwrap();
            return ok(REFUSED);
        }
        ok(PROFILE)
    });
    platform.client_with(shelf).user_info("o1").unwrap();
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
fn token_is_asked_where_stable_token_is_refused() {
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
        let asked = &platform.asked()[1];
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
            .client_with(Shelf::with("KEPT", 310))
            .token()
            .unwrap(),
        "KEPT"
    );
    assert_eq!(
        platform
            .client_with(Shelf::with("KEPT", 290))
            .token()
            .unwrap(),
        "TOKEN"
    );
    assert_eq!(platform.paths(), ["stable_token"]);
}

#[test]
fn a_token_that_cannot_be_replaced_early_serves_until_it_ends() {
    let platform =
        Platform::new(|_| ok(r#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#));
    let client = platform.client_with(Shelf::with("KEPT", 290));
    assert_eq!(client.token().unwrap(), "KEPT");
    assert_eq!(client.token().unwrap(), "KEPT");
    assert_eq!(platform.paths(), ["stable_token"]);
    let client = platform.client_with(Shelf::with("KEPT", -1));
    assert_eq!(client.token().unwrap_err().errcode(), Some(45009));
}

#[test]
fn a_token_that_comes_with_a_short_life_is_not_fetched_with_every_call() {
    let platform = Platform::new(|_| ok(r#"{"access_token":"SHORT","expires_in":200}"#));
    let client = platform.client();
    client.token().unwrap();
    client.token().unwrap();
    assert_eq!(platform.paths().len(), 1);
}

/// Asks for a token from many threads of two processes that share a shelf.
fn all_at_once(platform: &Platform, shelf: &Arc<Shelf>) -> Vec<Result<String, ApiError>> {
    let clients = [
        platform.client_with(Arc::clone(shelf)),
        platform.client_with(Arc::clone(shelf)),
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
fn a_lease_that_nobody_gives_back_ends() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    let shelf: Arc<Shelf> = Arc::default();
    assert!(
        shelf
            .lease("access_token", Duration::from_millis(200))
            .unwrap()
    );
    assert_eq!(platform.client_with(shelf).token().unwrap(), "TOKEN");
}

#[test]
fn a_token_is_forced_only_while_the_platform_gives_out_the_refused_one() {
    let platform = Platform::new(|asked| match asked.json()["force_refresh"].as_bool() {
        Some(true) => ok(r#"{"access_token":"FORCED","expires_in":7200}"#),
        _ => ok(r#"{"access_token":"STABLE","expires_in":7000}"#),
    });
    let shelf = Shelf::with("KEPT", 7200);
    let client = platform.client_with(Arc::clone(&shelf));
    // Not the current one: what is kept is newer.
    assert_eq!(client.refused("OLDER").unwrap(), "KEPT");
    assert_eq!(platform.paths().len(), 0);
    // The current one: the platform has a newer one.
    assert_eq!(client.refused("KEPT").unwrap(), "STABLE");
    assert_eq!(platform.paths().len(), 1);
    // The platform insists on it.
    assert_eq!(client.refused("STABLE").unwrap(), "FORCED");
    assert_eq!(platform.paths().len(), 3);
    assert_eq!(shelf.value("access_token").as_deref(), Some("FORCED"));
}

#[test]
fn a_shelf_that_cannot_be_written_does_not_stop_the_process() {
    let platform = Platform::scripted(vec![ok(PROFILE)]);
    let shelf: Arc<Shelf> = Arc::default();
    *shelf.broken.lock().unwrap() = Some("save");
    let client = platform.client_with(Arc::clone(&shelf));
    client.user_info("o1").unwrap();
    client.user_info("o1").unwrap();
    assert_eq!(platform.paths(), ["stable_token", "user/info", "user/info"]);
    *shelf.broken.lock().unwrap() = Some("load");
    client.user_info("o1").unwrap();
    let error = platform.client_with(shelf).token().unwrap_err();
    assert_eq!(error.to_string(), "api: the kept token: disk full");
}

#[test]
fn the_ticket_is_kept_like_the_token() {
    let platform = Platform::scripted(vec![ok(
        r#"{"errcode":0,"errmsg":"ok","ticket":"TICKET","expires_in":7200}"#,
    )]);
    let shelf: Arc<Shelf> = Arc::default();
    let client = platform.client_with(Arc::clone(&shelf));
    assert_eq!(client.ticket().unwrap(), "TICKET");
    assert_eq!(platform.client_with(shelf).ticket().unwrap(), "TICKET");
    assert_eq!(platform.paths(), ["stable_token", "ticket/getticket"]);
    assert_eq!(platform.asked()[1].query["type"], "jsapi");
}

#[test]
fn no_text_shows_a_secret() {
    let echo =
        format!(r#"{{"errcode":40125,"errmsg":"invalid appsecret {APP_SECRET} of SECRETTOKEN"}}"#);
    let replies = [
        ok(&echo),
        Reply::Close,
        Reply::Endless,
        http("200 OK", "", "SECRETTOKEN"),
        http(
            "302 Found",
            "Location: http://h/?access_token=SECRETTOKEN\r\n",
            "",
        ),
        Reply::Raw(b"SECRETTOKEN\r\n\r\n".to_vec()),
    ];
    for reply in replies {
        let platform = Platform::scripted(vec![reply]);
        let client = platform.client_with(Shelf::with("SECRETTOKEN", 7200));
        let error = client.user_info("SECRETOPENID").unwrap_err();
        let text = format!("{error} {error:?} {client:?}");
        assert!(
            !text.contains("SECRET") && !text.contains(APP_SECRET),
            "{text}"
        );
    }
    let token = crate::api::KeptToken {
        value: "SECRET".to_owned(),
        expires_at: 0,
    };
    assert!(!format!("{token:?}").contains("SECRET"));
}

#[test]
fn batches_are_bounded_by_the_caller() {
    let platform = Platform::scripted(vec![ok(
        r#"{"user_info_list":[{"subscribe":0,"openid":"o1"}]}"#,
    )]);
    let client = platform.client();
    assert_eq!(
        client.user_info_batch(&["o1"]).unwrap()[0]
            .openid
            .as_deref(),
        Some("o1")
    );
    for openids in [vec![], vec!["o1"; 101]] {
        let error = client.user_info_batch(&openids).unwrap_err();
        assert_eq!(
            error.to_string(),
            "api: user/info/batchget: not sent: it takes 1 to 100 openids"
        );
    }
    assert_eq!(platform.paths().len(), 2);
}

#[test]
fn what_changes_something_is_sent_once() {
    let broken = [
        ok(BUSY),
        http("502 Bad Gateway", "", "<html>"),
        http("200 OK", "", r#"{"errcode":0,"#),
        Reply::Close,
        Reply::Hang(Duration::from_secs(20)),
    ];
    for reply in broken {
        let platform = Platform::scripted(vec![reply, ok("{}")]);
        let client = platform.client_in(Shelf::with("TOKEN", 7200), Duration::from_millis(500));
        client.updateremark("o1", "amy").unwrap_err();
        assert_eq!(platform.paths(), ["user/info/updateremark"]);
    }
}

#[test]
fn what_changes_something_goes_out_again_after_a_refused_token() {
    let platform = Platform::scripted(vec![ok(REFUSED), ok("{}")]);
    let client = platform.client_with(Shelf::with("OLD", 7200));
    client.updateremark("o1", "amy").unwrap();
    let again = [
        "user/info/updateremark",
        "stable_token",
        "user/info/updateremark",
    ];
    assert_eq!(platform.paths(), again);
}

#[test]
fn those_who_could_not_be_tagged_are_named() {
    let answer = r#"{"errcode":45171,"errmsg":"x","fail_openid_list":["o2"]}"#;
    let platform = Platform::scripted(vec![ok(answer)]);
    assert_eq!(
        platform.client().batchtagging(134, &["o1", "o2"]).unwrap(),
        ["o2"]
    );
}

#[test]
fn a_page_ends_where_nobody_is_left() {
    let pages = [
        (
            r#"{"total":3,"count":2,"data":{"openid":["o1","o2"]},"next_openid":"o2"}"#,
            Some("o2"),
        ),
        (
            r#"{"total":3,"count":1,"data":{"openid":["o3"]},"next_openid":""}"#,
            None,
        ),
        (r#"{"total":3,"count":0,"next_openid":"o3"}"#, None),
        (r#"{"total":3,"count":0,"data":{"openid":[]}}"#, None),
    ];
    for (page, next_openid) in pages {
        let platform = Platform::scripted(vec![ok(page)]);
        let page = platform.client().user_get("").unwrap();
        assert_eq!(
            (page.total, page.next_openid.as_deref()),
            (Some(3), next_openid)
        );
    }
}

#[test]
fn requests_that_cannot_be_right_are_not_sent() {
    let platform = Platform::scripted(vec![ok("{}")]);
    let client = platform.client();
    let text = |text: &str| Scene::Text(text.to_owned());
    for (scene, life) in [
        (Scene::Id(0), Life::Temporary(60)),
        (Scene::Id(100_001), Life::Permanent),
        (text(""), Life::Permanent),
        (text(&"x".repeat(65)), Life::Temporary(60)),
        (text("x"), Life::Temporary(0)),
        (text("x"), Life::Temporary(2_592_001)),
    ] {
        let error = client.qrcode_create(&scene, life).unwrap_err();
        assert!(matches!(error, ApiError::Request { .. }), "{error}");
    }
    client
        .media_upload(MediaType::Thumb, "a.jpg", &[0; 65 * 1024])
        .unwrap_err();
    client.batchblacklist(&["o1"; 21]).unwrap_err();
    client.batchtagging(1, &["o1"; 51]).unwrap_err();
    client.mass_delete("x", 0).unwrap_err();
    assert!(platform.paths().is_empty());
}

#[test]
fn a_download_that_is_no_file_is_an_error() {
    let cases = [
        (
            http("200 OK", "Content-Type: text/html\r\n", "<html>"),
            "HTTP 200",
        ),
        (
            http("502 Bad Gateway", "Content-Type: image/jpeg\r\n", "x"),
            "HTTP 502",
        ),
        (
            http("200 OK", "Content-Type: text/plain\r\n", "{}"),
            "neither a file nor a video_url",
        ),
        (
            Reply::Raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nab"
                    .to_vec(),
            ),
            "the connection ended",
        ),
    ];
    for (reply, part) in cases {
        let platform = Platform::scripted(vec![reply]);
        let error = platform
            .client()
            .media_get("m", &mut Vec::new())
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn an_endless_download_is_cut_off() {
    let platform = Platform::scripted(vec![Reply::EndlessFile]);
    let error = platform
        .client()
        .media_get("m", &mut std::io::sink())
        .unwrap_err();
    assert!(
        error.to_string().ends_with("it is longer than 64 MiB"),
        "{error}"
    );
}

#[test]
fn the_log_cannot_hold_what_the_crates_below_write_at_trace() {
    // There, and only there, they write URLs with their queries.
    assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Debug);
}
