//! Any call by its path: how it is sent, which answers are shown, and that no token gets out.

use crate::support::*;
use serde_json::json;

const MENU: &str = "/cgi-bin/menu/get";
const CARD: &str = "/card/get";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

/// The last call of `path`.
#[track_caller]
fn last(platform: &Platform, path: &str) -> Call {
    let calls = platform.calls();
    let of_path = calls.into_iter().rfind(|call| call.path == path);
    of_path.unwrap_or_else(|| panic!("{path} was not called"))
}

/// The query of a call without its access_token, in order.
fn query(call: &Call) -> Vec<String> {
    let own = call
        .query
        .iter()
        .filter(|(name, _)| *name != "access_token");
    let mut pairs: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    pairs
}

#[test]
fn a_path_alone_is_a_get_and_json_a_post_of_the_same_bytes() {
    let platform = Platform::start();
    let account = account(&platform);
    let tags = account.command(&["api", "/cgi-bin/tags/get"]).json();
    assert_eq!(tags["tags"][1]["name"], "regulars");
    assert_eq!(last(&platform, "/cgi-bin/tags/get").method, "GET");

    let body = r#"{"tag" : {"name": "老朋友"}}"#;
    let made = account.command(&["api", "cgi-bin/tags/create", body]);
    assert_eq!(made.json()["tag"]["id"], 129);
    let call = last(&platform, "/cgi-bin/tags/create");
    assert_eq!((call.method.as_str(), call.body.as_str()), ("POST", body));

    let piped = account.program(&["api", "/cgi-bin/tags/create", "-"]);
    let piped = Ran::of(piped, "\u{feff}{\"tag\":{\"name\":\"new\"}}\n");
    assert_eq!(piped.json()["tag"]["id"], 130);
}

#[test]
fn a_path_is_taken_as_people_copy_it_and_its_token_is_dropped() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.always(CARD, Fault::Body("{}".to_owned()));
    let whole = format!("{}{CARD}?access_token=STALE&id=p%201", platform.url());
    for path in [
        "/card/get?id=p%201",
        "card/get?id=p%201&access_token=ACCESS_TOKEN",
        "https://api.weixin.qq.com/card/get?access_token=ACCESS_TOKEN&id=p%201",
        &whole,
    ] {
        account.command(&["api", path, "--query", "n=1=2"]).ok();
        let call = last(&platform, CARD);
        assert_eq!(query(&call), ["id=p 1", "n=1=2"], "{path}");
        assert_eq!(call.query["access_token"], platform.token(), "{path}");
    }
    account
        .command(&["api", CARD, r#"{"id": "p", "n": 2}"#, "--get"])
        .ok();
    let call = last(&platform, CARD);
    assert_eq!(call.method, "GET");
    assert_eq!(query(&call), ["id=p", "n=2"]);
}

#[test]
fn what_cannot_be_a_call_is_refused_before_anything_is_sent() {
    let platform = Platform::start();
    let account = account(&platform);
    for (arguments, why) in [
        (
            &["https://evil.example/cgi-bin/menu/get"][..],
            "another host",
        ),
        (&["//evil.example/cgi-bin/menu/get"], "another host"),
        (&["/cgi-bin/menu get"], "no path"),
        (&["/cgi-bin/token"], "`wechatd token`"),
        (&["/cgi-bin/stable_token", "{}"], "`wechatd token`"),
        (&["/sns/userinfo"], "`wechatd login`"),
        (&[MENU, "--query", "access_token=x"], "added by itself"),
        (&[MENU, "--query", "x"], "NAME=VALUE"),
        (&[MENU, "{id: 1}"], "no JSON"),
        (&[MENU, ""], "ends too early"),
        (&[MENU, r#"{"a": []}"#, "--get"], "object of texts"),
        (&["/cgi-bin/media/upload", "--file", "none.jpg"], "none.jpg"),
    ] {
        let arguments = [&["api"], arguments].concat();
        account.command(&arguments).refused().complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn a_refused_token_is_replaced_once_and_never_shown() {
    let platform = Platform::start();
    let account = account(&platform);
    account.command(&["api", "/cgi-bin/tags/get"]).ok();
    let old = platform.token();
    platform.retire_token();
    let create = ["api", "/cgi-bin/tags/create", r#"{"tag":{"name":"a"}}"#];
    account.command(&create).ok();
    assert_eq!(platform.count("/cgi-bin/tags/create"), 2);
    let new = platform.token();
    assert_ne!(old, new);

    let stale = Fault::Errcode(40001, "invalid credential");
    platform.always("/cgi-bin/tags/create", stale);
    account.command(&create).failed().complains("40001");
    assert_eq!(platform.count("/cgi-bin/tags/create"), 4);

    let echo = json!({"errcode": 0, "url": [format!("?access_token={}&a=1", platform.token())]});
    platform.fault(CARD, Fault::Body(echo.to_string()));
    let shown = account.command(&["api", CARD]).json();
    assert_eq!(shown["url"][0], "?access_token=***&a=1");
    let errmsg = format!("bad {} rid: 66f0a1b2-1c2d3e4f-5a6b7c8d", platform.token());
    let echo = json!({"errcode": 40035, "errmsg": errmsg, "list": [1]});
    for body in [echo.clone(), json!({"errcode": 40035, "errmsg": errmsg})] {
        platform.fault(CARD, Fault::Body(body.to_string()));
        let ran = account.command(&["api", CARD, "{}"]);
        ran.failed().complains("bad ***").says_nothing_of(&new);
        let shown = !ran.stderr.contains("SYN_ACCESS") && !ran.stdout.contains("SYN_ACCESS");
        ran.expect(shown, "no token");
    }
}

#[test]
fn an_errcode_is_explained_and_what_stands_beside_it_is_shown() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.fault(CARD, Fault::Errcode(48001, "api unauthorized"));
    let ran = account.command(&["api", CARD, "{}", "--json"]);
    ran.failed().says_nothing_of("errcode");
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["call"], "card/get");
    assert_eq!(error["error"]["errcode"], 48001);
    assert_eq!(error["error"]["may_be_done"], false);

    let people = crowd(0..2);
    platform.people(|all| all.untaggable = vec![people[0].clone()]);
    let body = json!({"tagid": 128, "openid_list": people}).to_string();
    let path = "/cgi-bin/tags/members/batchtagging";
    let ran = account.command(&["api", path, &body]);
    ran.failed().complains("45171").says(&people[0]);
}

#[test]
fn a_post_without_an_answer_may_have_been_done_and_is_not_repeated() {
    let platform = Platform::start();
    let account = account(&platform);
    let create = ["api", "/cgi-bin/tags/create", r#"{"tag":{"name":"a"}}"#];
    platform.fault("/cgi-bin/tags/create", Fault::Lost);
    account
        .command(&create)
        .may_be_done()
        .complains("before you repeat it");
    platform.fault("/cgi-bin/tags/create", Fault::Errcode(-1, "system error"));
    account.command(&create).may_be_done();
    assert_eq!(platform.count("/cgi-bin/tags/create"), 2);

    platform.fault("/cgi-bin/tags/get", Fault::Closed);
    account
        .command(&["api", "/cgi-bin/tags/get"])
        .ok()
        .says("\"a\"");
}

#[test]
fn a_file_is_sent_and_one_that_comes_is_written_where_it_belongs() {
    let platform = Platform::start();
    let account = account(&platform);
    let file = |name: &str| account.folder().join(name);
    std::fs::write(file("封面.jpg"), b"\xff\xd8\xff\xe0").unwrap();
    let upload = [
        "api",
        "/cgi-bin/media/upload?type=image",
        "--file",
        "封面.jpg",
    ];
    let media_id = account.command(&upload).json()["media_id"].clone();
    let call = last(&platform, "/cgi-bin/media/upload");
    let part = "name=\"media\"; filename=\"__.jpg\"";
    assert!(call.body.contains(part), "{}", call.body);
    let description = r#"{"title": "T"}"#;
    let add = [
        "api",
        "/cgi-bin/material/add_material?type=video",
        description,
    ];
    account.command(&[&add[..], &["--file", "封面.jpg"]].concat());
    let call = last(&platform, "/cgi-bin/material/add_material");
    let part = format!("name=\"description\"\r\n\r\n{description}\r\n");
    assert!(call.body.contains(&part), "{}", call.body);

    let get = format!("/cgi-bin/media/get?media_id={}", media_id.as_str().unwrap());
    platform.always("/cgi-bin/media/get", Fault::Body("GIF89a".to_owned()));
    account
        .command(&["api", &get, "--out", "a.gif"])
        .ok()
        .complains("a.gif: 6 bytes");
    assert_eq!(std::fs::read(file("a.gif")).unwrap(), b"GIF89a");
    assert_eq!(account.command(&["api", &get]).ok().stdout, "GIF89a");
    account
        .on_a_terminal(&["api", &get])
        .is_code(2)
        .says("--out FILE");

    platform.always(
        "/cgi-bin/media/get",
        Fault::Body(r#"{"video_url":"http://v"}"#.to_owned()),
    );
    account
        .command(&["api", &get, "--out", "b.mp4"])
        .failed()
        .says("http://v")
        .complains("b.mp4: not written");
    assert!(!file("b.mp4").exists());
}
