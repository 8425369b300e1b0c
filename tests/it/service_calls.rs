//! Calls to the owner's own program, made by the library without a server: what is sent, which answers count, and what a
//! failure says.

use crate::support::platform::connection::{Reply as Written, Then, serve};
use crate::support::service::{Act, SERVICE_SECRET, SERVICE_TOKEN};
use crate::support::*;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use wechatd::config::{self, SecretUrl, ServiceFormat, Slow};
use wechatd::secret::Secret;
use wechatd::service::{Backend, Failure, Question, Services};
use wechatd::store;
use wechatd::webhook::SigningSecret;
use wechatd::wechat::Reply;

const LONG: Duration = Duration::from_secs(60);

fn wechat(url: &str) -> config::Service {
    let token = Some(Secret::new(SERVICE_TOKEN));
    service(url, ServiceFormat::WeChat { token })
}

fn json_format(url: &str) -> config::Service {
    let secret = SigningSecret::parse(SERVICE_SECRET);
    service(url, ServiceFormat::Json { secret })
}

fn service(url: &str, format: ServiceFormat) -> config::Service {
    config::Service {
        name: "bot".to_owned(),
        line: 1,
        url: SecretUrl::parse(url).unwrap(),
        format,
        timeout: LONG,
        concurrency: 8,
        slow: Slow::default(),
        wait_text: None,
        keep: LONG,
    }
}

fn within(timeout: Duration, service: config::Service) -> config::Service {
    config::Service { timeout, ..service }
}

/// The service, ready, with a store of its own.
fn ready(service: config::Service) -> Arc<Backend> {
    let folder = tempfile::tempdir().unwrap();
    let services = services(&[service], &folder.path().join("store"));
    services.get("bot").unwrap().clone()
}

fn services(services: &[config::Service], store: &Path) -> Services {
    let store = store::Store::open(&store.into()).unwrap();
    Services::new(services, &Secret::new(TOKEN), &store).unwrap()
}

fn question(push: &Push) -> Question {
    Question {
        dedup_key: push.key_in_store(),
        received: push.body(),
        follower: None,
    }
}

fn ask(backend: &Backend, push: &Push) -> Result<Option<Reply>, Failure> {
    backend.ask(&question(push), &|| true)
}

/// Why there was no answer.
#[track_caller]
fn why(answer: Result<Option<Reply>, Failure>) -> String {
    answer.unwrap_err().to_string()
}

fn shows(text: &str) -> Result<Option<Reply>, Failure> {
    Ok(Some(Reply::Text(text.to_owned())))
}

#[test]
fn a_wechat_service_is_called_as_the_platform_calls() {
    let fake = Service::wechat();
    fake.always(Act::text("hi"));
    let backend = ready(wechat(&format!("{}?shop=7&name=%E5%BA%97", fake.url())));
    let push = text("a ]]> b");
    for _ in 0..2 {
        assert_eq!(ask(&backend, &push), shows("hi"));
    }
    let asked = fake.asked();
    assert_eq!(fake.times(&push), 2);
    for asked in &asked {
        assert_eq!(asked.call.body.as_bytes(), push.body());
        assert_eq!(asked.call.headers["content-type"], "text/xml");
        let (query, path) = (&asked.call.query, &asked.call.path);
        assert_eq!((&*query["shop"], &*query["name"]), ("7", "店"));
        assert_eq!(path, "/wechat");
    }
    let signature = |at: usize| &asked[at].call.query["signature"];
    assert_ne!(signature(0), signature(1));
}

#[test]
fn without_a_token_of_its_own_a_service_is_called_with_the_accounts() {
    let fake = Service::wechat_with(TOKEN);
    fake.always(Act::text("hi"));
    let backend = ready(service(&fake.url(), ServiceFormat::WeChat { token: None }));
    assert_eq!(ask(&backend, &text("hello")), shows("hi"));
}

#[test]
fn a_json_push_reaches_a_wechat_service_as_xml() {
    let fake = Service::wechat();
    fake.always(Act::text("hi"));
    let push = json!({ "ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 7, "MsgType": "text", "MsgId": 42,
        "Content": "a ]]> b" });
    let asked = Question {
        dedup_key: "42|oA".to_owned(),
        received: push.to_string().into_bytes(),
        follower: None,
    };
    let backend = ready(wechat(&fake.url()));
    assert_eq!(backend.ask(&asked, &|| true), shows("hi"));
    let call = &fake.asked()[0].call;
    assert!(call.body.starts_with("<xml>"), "{}", call.body);
    let read = wechatd::wechat::Push::parse(call.body.as_bytes()).unwrap();
    assert_eq!((read.subject(), read.msg_id()), ("a ]]> b", Some("42")));
}

#[test]
fn a_json_service_is_told_everything_and_the_same_id_with_every_attempt() {
    let fake = Service::json();
    fake.always(Act::text("hi"));
    let backend = ready(json_format(&fake.url()));
    let (message, tap) = (text("opening hours"), click("HOURS"));
    let follower = json!({ "nickname": "Amy", "tags": ["vip"] });
    let known = Question {
        follower: Some(follower.clone()),
        ..question(&message)
    };
    assert_eq!(backend.ask(&known, &|| true), shows("hi"));
    assert_eq!(ask(&backend, &message), shows("hi"));
    assert_eq!(ask(&backend, &tap), shows("hi"));
    let calls: Vec<Call> = fake.asked().into_iter().map(|asked| asked.call).collect();
    let expected = json!({
        "openid": message.sender(), "kind": "text", "content": "opening hours", "key": null,
        "msg_id": message.msg_id(), "created_at": message.created(), "follower": follower,
        "xml": String::from_utf8(message.body()).unwrap(),
    });
    assert_eq!(calls[0].json()["type"], "message.text");
    assert_eq!(calls[0].json()["data"], expected);
    let time = calls[0].json()["timestamp"].as_str().unwrap().to_owned();
    assert!(time.ends_with('Z'), "{time}");
    assert_eq!(calls[1].json()["data"]["follower"], Value::Null);
    let event = calls[2].json();
    assert_eq!(event["type"], "event.click");
    assert_eq!(
        (&event["data"]["kind"], &event["data"]["key"]),
        (&json!("CLICK"), &json!("HOURS"))
    );
    let ids: Vec<&str> = calls
        .iter()
        .map(|call| &*call.headers["webhook-id"])
        .collect();
    assert!(ids[0].starts_with("msg_"), "{ids:?}");
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn the_secret_of_a_json_service_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let other = config::Service {
        name: "other".to_owned(),
        ..service("http://127.0.0.1:9", ServiceFormat::Json { secret: None })
    };
    let bot = service("http://127.0.0.1:9", ServiceFormat::Json { secret: None });
    let secret = |service: &config::Service| {
        let store = store::Store::open(&path.as_path().into()).unwrap();
        let secret = wechatd::service::secret(service, &store).unwrap().unwrap();
        secret.written().expose().to_owned()
    };
    let first = secret(&bot);
    assert_eq!(secret(&bot), first);
    assert_ne!(secret(&other), first);
    let fake = Service::json_with(&first);
    fake.always(Act::text("hi"));
    let bot = service(&fake.url(), ServiceFormat::Json { secret: None });
    let services = services(&[other, bot], &path);
    assert_eq!(services.iter().count(), 2);
    assert!(services.get("nobody").is_none());
    let backend = services.get("bot").unwrap();
    assert_eq!(ask(backend, &text("hello")), shows("hi"));
}

#[test]
fn an_answer_that_poisons_is_written_anew_or_refused() {
    let fake = Service::wechat();
    let backend = ready(wechat(&fake.url()));
    let xml = |xml: &str| Act::http("200 OK", "text/xml", xml);
    let message = |content: &str| {
        format!(
            "<xml><ToUserName>oVictim</ToUserName><FromUserName>gh_other</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>{content}</Content></xml>"
        )
    };
    let breaking = "x]]></Content></xml><evil/>";
    fake.always(xml(&message(
        &breaking.replace('<', "&lt;").replace('>', "&gt;"),
    )));
    let reply = ask(&backend, &text("hello")).unwrap().unwrap();
    assert_eq!(reply, Reply::Text(breaking.to_owned()));
    let sent = reply.to_xml("oAmy", "gh_1", 7).unwrap();
    assert!(
        !sent.contains("oVictim") && !sent.contains("gh_other"),
        "{sent}"
    );
    assert_eq!(Reply::parse(&sent), Ok(reply));
    for (answer, error) in [
        (
            xml(&format!(
                "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>{}",
                message("&a;")
            )),
            "a document type declaration",
        ),
        (xml(&message("a < b & c")), "xml: "),
        (xml("<xml><MsgType>text</MsgType>"), "not well-formed"),
        (xml("<html>welcome</html>"), "the root element is not xml"),
        (
            xml("<xml><Encrypt>x</Encrypt></xml>"),
            "give the program no EncodingAESKey",
        ),
        (Act::redirect("http://169.254.169.254/"), "HTTP 302"),
        (Act::http("404 Not Found", "text/html", "x"), "HTTP 404"),
        (Act::http("503 Busy", "text/html", "x"), "HTTP 503"),
        (Act::close(""), "the connection ended"),
        (
            Act::close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<xml>"),
            "the connection ended",
        ),
        (Act::close("garbage\r\n\r\n"), "it is no HTTP/1.1"),
    ] {
        let before = fake.asked().len();
        fake.always(answer);
        let failure = why(ask(&backend, &text("hello")));
        assert!(failure.contains(error), "{failure}");
        assert_eq!(fake.asked().len(), before + 1, "{failure}");
    }
}

#[test]
fn an_answer_of_100_mb_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let written = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 104857600\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let (piece, mut written) = (vec![b'x'; 1 << 16], 0);
        while written < 104_857_600 && stream.write_all(&piece).is_ok() {
            written += piece.len();
        }
        written
    });
    let failure = why(ask(&ready(json_format(&url)), &text("hello")));
    assert_eq!(failure, "the answer is longer than 256 KiB");
    // What the buffers of the system take.
    let written = written.join().unwrap();
    assert!(written < 32 << 20, "{written}");
}

#[test]
fn an_answer_has_256_kib() {
    let fake = Service::json();
    let backend = ready(json_format(&fake.url()));
    let most = "x".repeat(256 << 10);
    fake.always(Act::text(&most));
    assert_eq!(ask(&backend, &text("hello")), shows(&most));
    fake.always(Act::text(&format!("{most}x")));
    assert_eq!(
        why(ask(&backend, &text("hello"))),
        "the answer is longer than 256 KiB"
    );
}

#[test]
fn an_answer_that_hangs_or_trickles_ends_with_the_time_limit() {
    let fake = Service::wechat();
    let short = Duration::from_millis(300);
    let backend = ready(within(short, wechat(&fake.url())));
    for act in [Act::hang(), Act::trickle()] {
        fake.always(act);
        let begun = Instant::now();
        let failure = why(ask(&backend, &text("hello")));
        assert_eq!(failure, "no whole answer within 300 ms");
        let took = begun.elapsed();
        assert!((short..IN_TIME).contains(&took), "{took:?}");
    }
}

#[test]
fn a_refused_connection_is_tried_again_until_the_service_is_up() {
    let fake = Service::wechat();
    let backend = ready(wechat(&fake.url()));
    fake.always(Act::text("hi"));
    fake.down();
    let refused = Cell::new(0);
    let comes_back = || {
        refused.set(refused.get() + 1);
        if refused.get() == 3 {
            fake.up();
        }
        true
    };
    let push = text("hello");
    assert_eq!(backend.ask(&question(&push), &comes_back), shows("hi"));
    assert_eq!((refused.get(), fake.times(&push)), (3, 1));
    fake.down();
    let begun = Instant::now();
    assert_eq!(why(ask(&backend, &push)), "connection refused");
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(1)..IN_TIME).contains(&took),
        "{took:?}"
    );
    let not_wanted = backend.ask(&question(&push), &|| false);
    assert_eq!(why(not_wanted), "connection refused");
}

#[test]
fn http_503_is_tried_again_with_json_only() {
    let busy = || Act::http("503 Service Unavailable", "text/plain", "busy");
    let fake = Service::json();
    fake.script([busy(), busy(), Act::text("hi")]);
    let push = text("hello");
    assert_eq!(ask(&ready(json_format(&fake.url())), &push), shows("hi"));
    assert_eq!(fake.times(&push), 3);
    let asked = fake.asked();
    let ids: BTreeSet<&str> = asked
        .iter()
        .map(|asked| &*asked.call.headers["webhook-id"])
        .collect();
    assert_eq!(ids.len(), 1);
    fake.always(busy());
    let short = within(Duration::from_millis(300), json_format(&fake.url()));
    assert_eq!(why(ask(&ready(short), &push)), "HTTP 503");

    let fake = Service::wechat();
    fake.script([busy(), Act::text("hi")]);
    assert_eq!(why(ask(&ready(wechat(&fake.url())), &push)), "HTTP 503");
}

#[test]
fn answers_in_json_are_those_of_the_rules() {
    let fake = Service::json();
    let backend = ready(json_format(&fake.url()));
    fake.always(Act::http(
        "200 OK",
        "application/json",
        r#"{"silent":true}"#,
    ));
    assert_eq!(ask(&backend, &text("hello")), Ok(None));
    fake.always(Act::nothing());
    assert_eq!(ask(&backend, &text("hello")), Ok(None));
    fake.always(Act::http(
        "202 Accepted",
        "Application/JSON; charset=utf-8",
        r#"{"transfer":"amy@shop"}"#,
    ));
    let amy = Reply::Transfer {
        kf_account: Some("amy@shop".to_owned()),
    };
    assert_eq!(ask(&backend, &text("hello")), Ok(Some(amy)));
    assert_eq!(
        why(ask(&backend, &click("HELP"))),
        "the answer hands an event to customer service; only messages can be"
    );
}

#[test]
fn the_handshake_shows_whether_the_program_knows_the_token() {
    let fake = Service::wechat();
    assert_eq!(ready(wechat(&fake.url())).handshake(), Ok(()));
    assert_eq!(fake.asked()[0].call.method, "GET");
    let other = Some(Secret::new("anotherToken2026"));
    let stranger = ready(service(&fake.url(), ServiceFormat::WeChat { token: other }));
    let refused = stranger.handshake().unwrap_err();
    assert_eq!(refused.error, "HTTP 403");
    assert_eq!(fake.mistakes().len(), 1);
    let receiver = Receiver::start();
    let deaf = ready(wechat(&receiver.url("")));
    let refused = deaf.handshake().unwrap_err();
    assert!(refused.error.contains("is not the echostr"), "{refused}");
}

#[test]
fn no_failure_shows_what_may_be_secret() {
    let fake = Service::wechat();
    let url = fake.url().replace("http://", "http://user:word@") + "/hidden-path?key=hidden-key";
    let backend = ready(within(Duration::from_millis(300), wechat(&url)));
    let push = text("hidden-text");
    let mut failures = vec![format!("{backend:?}")];
    for act in [
        Act::hang(),
        Act::huge(),
        Act::close("hidden-answer\r\n\r\n"),
        Act::redirect("http://127.0.0.1:9/hidden-place"),
        Act::http("500 hidden-reason", "text/plain", "hidden-body"),
        Act::http("200 OK", "text/plain", "hidden-body"),
        Act::http(
            "200 OK",
            "text/xml",
            "<xml><MsgType>hidden-type</MsgType></xml>",
        ),
    ] {
        fake.always(act);
        failures.push(why(ask(&backend, &push)));
    }
    fake.down();
    failures.push(why(ask(&backend, &push)));
    for failure in failures {
        for secret in ["hidden", "user", "word", SERVICE_TOKEN, push.sender()] {
            assert!(!failure.contains(secret), "{secret}: {failure}");
        }
    }
}

#[test]
fn every_connection_is_kept_for_the_next_calls() {
    let at_once = 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (connections, together) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Barrier::new(at_once)),
    );
    let counted = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let together = together.clone();
            std::thread::spawn(move || {
                serve(stream.unwrap(), |_| {
                    together.wait();
                    Written::http("200 OK", "", "success", Then::NextCall)
                });
            });
        }
    });
    let backend = ready(config::Service {
        concurrency: at_once,
        ..wechat(&url)
    });
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| assert_eq!(ask(&backend, &text("hello")), Ok(None)));
            }
        });
    }
    assert_eq!(connections.load(Ordering::SeqCst), at_once);
}
