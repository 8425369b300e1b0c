//! What is repeated and what is not, which answers are accepted, and what no text may show.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::platform::{APP_SECRET, MemoryStore, Platform, client_of, endless, hang, http, ok, raw};
use crate::api::media::MediaType;
use crate::api::qrcode::{Life, Scene};
use crate::api::{Action, ApiError};
use crate::outbound::NetworkCause;

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
    let asked = platform.calls();
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
fn a_read_is_repeated_while_the_platform_fails() {
    let platform = Platform::scripted(vec![
        ok(BUSY),
        http(
            "502 Bad Gateway",
            "Content-Type: text/html\r\n",
            "<html>bad gateway",
        ),
        raw(""),
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
fn html_truncated_json_and_redirects_are_distinguished() {
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
                call: "user/info".into(),
                status,
                cause
            }
        );
        assert_eq!(platform.paths().len(), 1 + calls, "{error}");
    }
}

#[test]
fn a_truncated_answer_is_no_answer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"subscribe\":1";
    let platform = Platform::scripted(vec![raw(head), ok(PROFILE)]);
    platform.client().user_info("o1").unwrap();
    assert_eq!(platform.paths().len(), 3);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let platform = Platform::scripted(vec![endless("application/json", "{\"a\":\"")]);
    let error = platform.client().user_info("o1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "api: user/info: the answer cannot be used: it is longer than 8 MiB"
    );
    assert_eq!(platform.paths().len(), 2);
}

#[test]
fn a_hanging_call_times_out_and_is_not_repeated() {
    let platform = Platform::scripted(vec![hang()]);
    let client = platform.client_in(MemoryStore::with("TOKEN", 7200), Duration::from_millis(300));
    let error = client.user_info("o1").unwrap_err();
    assert_eq!(
        error,
        ApiError::Network {
            call: "user/info".into(),
            cause: NetworkCause::Timeout(300)
        }
    );
    assert_eq!(platform.heard(), ["user/info"]);
}

#[test]
fn a_refused_connection_is_reported() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let base_url = format!("http://{address}");
    let client = client_of(
        &base_url,
        MemoryStore::with("TOKEN", 7200),
        Duration::from_secs(60),
    );
    let error = client.user_info("o1").unwrap_err();
    assert_eq!(
        error,
        ApiError::Network {
            call: "user/info".into(),
            cause: NetworkCause::Refused
        }
    );
}

#[test]
fn a_change_is_not_made_without_a_connection() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let closing = std::thread::spawn(move || {
        for stream in socket.incoming().take(2) {
            let mut stream = stream.unwrap();
            std::io::Read::read(&mut stream, &mut [0; 8]).unwrap();
        }
    });
    let change = |scheme: &str| {
        let base_url = format!("{scheme}://{address}");
        let tokens = MemoryStore::with("TOKEN", 7200);
        let client = client_of(&base_url, tokens, Duration::from_secs(60));
        client.tags_create("friends").unwrap_err()
    };
    let error = change("https");
    assert!(!error.may_be_done(), "{error}");
    assert!(error.to_string().contains("no connection"), "{error}");
    let error = change("http");
    assert!(error.may_be_done(), "{error}");
    closing.join().unwrap();
}

#[test]
fn no_text_shows_a_secret() {
    let echo =
        format!(r#"{{"errcode":40125,"errmsg":"invalid appsecret {APP_SECRET} of SECRETTOKEN"}}"#);
    let replies = [
        ok(&echo),
        raw(""),
        endless("application/json", "{\"a\":\""),
        http("200 OK", "", "SECRETTOKEN"),
        http(
            "302 Found",
            "Location: http://h/?access_token=SECRETTOKEN\r\n",
            "",
        ),
        raw("SECRETTOKEN\r\n\r\n"),
    ];
    for reply in replies {
        let platform = Platform::scripted(vec![reply]);
        let client = platform.client_with(MemoryStore::with("SECRETTOKEN", 7200));
        let error = client.user_info("SECRETOPENID").unwrap_err();
        let text = format!("{error} {error:?} {client:?}");
        assert!(
            !text.contains("SECRET") && !text.contains(APP_SECRET),
            "{text}"
        );
    }
    let token = crate::api::KeptToken {
        value: crate::secret::Secret::new("SECRET"),
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
        raw(""),
        hang(),
    ];
    for reply in broken {
        let platform = Platform::scripted(vec![reply, ok("{}")]);
        let client =
            platform.client_in(MemoryStore::with("TOKEN", 7200), Duration::from_millis(500));
        client.updateremark("o1", "amy").unwrap_err();
        assert_eq!(platform.heard(), ["user/info/updateremark"]);
    }
}

#[test]
fn what_changes_something_is_sent_again_after_a_refused_token() {
    let platform = Platform::scripted(vec![ok(REFUSED), ok("{}")]);
    let client = platform.client_with(MemoryStore::with("OLD", 7200));
    client.updateremark("o1", "amy").unwrap();
    let again = [
        "user/info/updateremark",
        "stable_token",
        "user/info/updateremark",
    ];
    assert_eq!(platform.paths(), again);
}

#[test]
fn users_who_could_not_be_tagged_are_named() {
    let answer = r#"{"errcode":45171,"errmsg":"x","fail_openid_list":["o2"]}"#;
    let platform = Platform::scripted(vec![ok(answer)]);
    assert_eq!(
        platform.client().batchtagging(134, &["o1", "o2"]).unwrap(),
        ["o2"]
    );
}

#[test]
fn an_empty_page_is_the_last() {
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
fn a_download_that_is_not_a_file_is_an_error() {
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
            raw("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nab"),
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
    let platform = Platform::scripted(vec![endless("image/png", "x")]);
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
fn the_log_cannot_contain_what_the_crates_log_at_trace() {
    // Only at this level they log URLs with their queries.
    assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Debug);
}
