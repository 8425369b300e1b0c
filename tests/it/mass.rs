//! Mass messages: shown before they are sent, sent once, and tracked to their result.

use crate::support::*;
use serde_json::{Value, json};

const ALL: &str = "/cgi-bin/message/mass/sendall";
const SOME: &str = "/cgi-bin/message/mass/send";
const TAGS: &str = "/cgi-bin/tags/get";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

/// The body without its clientmsgid, which is a random text of 32 bytes.
fn without_client_id(mut body: Value) -> Value {
    let id = body.as_object_mut().unwrap().remove("clientmsgid").unwrap();
    assert_eq!(id.as_str().map(str::len), Some(32));
    body
}

/// Gives the account two tags.
fn tags(platform: &Platform) {
    let tags = json!({"tags": [{"id": 134, "name": "VIP", "count": 10}, {"id": 2, "name": "star", "count": 0}]});
    platform.always(TAGS, Fault::Body(tags.to_string()));
}

fn finished(msg_id: &str, status: &str) -> Push {
    event("MASSSENDJOBFINISH")
        .from("oSyn1cPlatformHelper00000001")
        .element("MsgID", msg_id)
        .element("Status", status)
        .element("TotalCount", "1200")
        .element("FilterCount", "1180")
        .element("SentCount", "1175")
        .element("ErrorCount", "5")
}

#[test]
fn a_dry_run_shows_recipients_and_content_and_sends_nothing() {
    let platform = Platform::start();
    tags(&platform);
    let account = account(&platform);
    let ran = account.command(&["mass", "send", "We are closed", "--all", "--dry-run"]);
    ran.ok()
        .says("all followers (0 in the store)")
        .says("text: We are closed")
        .says("Nothing was sent");
    std::fs::write(account.folder().join("a.gif"), "GIF89a").unwrap();
    let ran = account.command(&[
        "mass",
        "send",
        "--image",
        "a.gif",
        "--tag",
        "VIP",
        "--dry-run",
    ]);
    ran.ok()
        .says("tag 134 (VIP, 10 followers)")
        .says("image: a.gif");
    let json = account
        .command(&[
            "mass",
            "send",
            "hi",
            "--to",
            "o1",
            "o2",
            "--dry-run",
            "--json",
        ])
        .json();
    assert_eq!(json["to"], "2 openids");
    assert_eq!(json["dry_run"], true);
    for path in [ALL, SOME, "/cgi-bin/media/upload"] {
        assert_eq!(platform.count(path), 0, "{path}");
    }
    assert_eq!(account.store().count("jobs"), 0);
}

#[test]
fn a_message_is_sent_to_all_to_a_tag_or_to_openids() {
    let platform = Platform::start();
    tags(&platform);
    let account = account(&platform);
    account
        .command(&["mass", "send", "hello all", "--all", "--yes"])
        .ok()
        .says("1000002301");
    account
        .command(&[
            "mass",
            "send",
            "--article",
            "SYN_news",
            "--tag",
            "134",
            "--yes",
        ])
        .ok();
    account
        .command(&[
            "mass",
            "send",
            "--image",
            "SYN_a",
            "SYN_b",
            "--recommend",
            "nice",
            "--tag",
            "VIP",
            "--yes",
        ])
        .ok();
    account
        .command(&["mass", "send", "--video", "SYN_v", "--all", "--yes"])
        .ok();
    let bodies: Vec<Value> = platform
        .bodies(ALL)
        .into_iter()
        .map(without_client_id)
        .collect();
    assert_eq!(
        bodies,
        [
            json!({"filter": {"is_to_all": true}, "text": {"content": "hello all"}, "msgtype": "text"}),
            json!({"filter": {"is_to_all": false, "tag_id": 134}, "mpnews": {"media_id": "SYN_news"}, "msgtype": "mpnews", "send_ignore_reprint": 0}),
            json!({"filter": {"is_to_all": false, "tag_id": 134}, "images": {"media_ids": ["SYN_a", "SYN_b"], "recommend": "nice",
                "need_open_comment": 0, "only_fans_can_comment": 0}, "msgtype": "image"}),
            json!({"filter": {"is_to_all": true}, "mpvideo": {"media_id": "SYN_v"}, "msgtype": "mpvideo"}),
        ]
    );
    let program = account.program(&["mass", "send", "hi", "--to", "o1", "-", "--yes"]);
    Ran::of(program, "o2\n\n o3 \no1\n").ok();
    let body = without_client_id(platform.bodies(SOME).remove(0));
    assert_eq!(
        body,
        json!({"touser": ["o1", "o2", "o3"], "text": {"content": "hi"}, "msgtype": "text"})
    );
}

#[test]
fn an_image_file_is_uploaded_first() {
    let platform = Platform::start();
    let account = account(&platform);
    std::fs::write(account.folder().join("a.gif"), "GIF89a").unwrap();
    account
        .command(&["mass", "send", "--image", "a.gif", "--all", "--yes"])
        .ok();
    let body = platform.bodies(ALL).remove(0);
    assert_eq!(body["images"]["media_ids"], json!(["SYN_image_1"]));
}

#[test]
fn a_video_file_becomes_permanent_material_once() {
    const ADD: &str = "/cgi-bin/material/add_material";
    let platform = Platform::start();
    let account = account(&platform);
    std::fs::write(account.folder().join("tour.mp4"), "\0\0\0\u{18}ftypmp42").unwrap();
    let send = |options: &[&str]| {
        account.command(&[&["mass", "send", "--video", "tour.mp4", "--all"], options].concat())
    };
    send(&["--dry-run"])
        .ok()
        .says("tour.mp4 (is added to the permanent material as \"tour\")");
    assert_eq!(platform.count(ADD), 0);
    platform.fault(ADD, Fault::Truncated);
    send(&["--yes"]).may_be_done().complains("material list");
    assert_eq!((platform.count(ADD), platform.count(ALL)), (1, 0));
    assert_eq!(account.store().count("jobs"), 0, "nothing was sent");
    send(&["--yes"]).ok().says("1000002301");
    send(&["--yes"]).ok().says("sent before, as 1000002301");
    send(&["--yes", "--title", "The house", "--introduction", "90 s"])
        .ok()
        .says("1000002302");
    let added: Vec<Call> = platform.calls();
    let added: Vec<&Call> = added.iter().filter(|call| call.path == ADD).collect();
    assert_eq!(
        added.len(),
        3,
        "the file is added again for another title only"
    );
    assert!(
        added[1]
            .body
            .contains(r#"{"title":"tour","introduction":""}"#)
    );
    assert!(
        added[2]
            .body
            .contains(r#"{"title":"The house","introduction":"90 s"}"#)
    );
    let ids: Vec<Value> = platform
        .bodies(ALL)
        .into_iter()
        .map(|body| body["mpvideo"]["media_id"].clone())
        .collect();
    assert_eq!(
        ids,
        [
            "SYN_permanent_video_1",
            "SYN_permanent_video_1",
            "SYN_permanent_video_2"
        ]
    );
    // Deleted from the platform, it is added again.
    account
        .command(&["material", "delete", "SYN_permanent_video_1", "--yes"])
        .ok();
    account
        .command(&["mass", "preview", "--video", "tour.mp4", "--to", FAN])
        .ok();
    assert_eq!(platform.count(ADD), 4);
}

#[test]
fn the_same_command_twice_sends_once() {
    let platform = Platform::start();
    let account = account(&platform);
    let send = |text: &str| account.command(&["mass", "send", text, "--all", "--yes"]);
    send("closed").ok().says("1000002301");
    send("closed")
        .ok()
        .says("sent before, as 1000002301")
        .says("nothing was sent now");
    let json = account
        .command(&["mass", "send", "closed", "--all", "--yes", "--json"])
        .json();
    assert_eq!(
        (&json["repeated"], &json["msg_id"]),
        (&json!(true), &json!("1000002301"))
    );
    let ids: Vec<Value> = platform
        .bodies(ALL)
        .iter()
        .map(|body| body["clientmsgid"].clone())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    send("closed on Monday").ok().says("1000002302");
    assert_eq!(account.store().count("jobs"), 2);
    let openids = |list: [&str; 2]| {
        account.command(&["mass", "send", "closed", "--to", list[0], list[1], "--yes"])
    };
    openids(["o1", "o2"]).ok().says("1000002303");
    openids(["o2", "o1"])
        .ok()
        .says("sent before, as 1000002303");
    openids(["o2", "o3"]).ok().says("1000002304");
}

#[test]
fn repeating_after_a_lost_answer_says_whether_the_message_arrived() {
    let platform = Platform::start();
    let account = account(&platform);
    let send = || account.command(&["mass", "send", "closed", "--all", "--yes"]);
    platform.fault(ALL, Fault::Truncated);
    send()
        .may_be_done()
        .complains("may have arrived")
        .complains("cannot send twice");
    assert_eq!(platform.count(ALL), 1, "never retried automatically");
    account
        .command(&["mass", "status"])
        .ok()
        .says("unknown: WeChat did not say");
    platform.fault(
        ALL,
        Fault::Errcode(45066, "same clientmsgid retry too fast"),
    );
    send().may_be_done().complains("45066");
    platform.fault(
        ALL,
        Fault::Body(r#"{"errcode":45065,"errmsg":"clientmsgid exist","msg_id":99}"#.into()),
    );
    send().ok().says("sent before, as 99");
    let ids: Vec<Value> = platform
        .bodies(ALL)
        .iter()
        .map(|body| body["clientmsgid"].clone())
        .collect();
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    account
        .store()
        .is("SELECT msg_id, content FROM jobs", &["99|closed"]);
}

/// Every clientmsgid that was sent, in order.
fn client_ids(platform: &Platform) -> Vec<Value> {
    let bodies = platform.bodies(ALL);
    bodies
        .iter()
        .map(|body| body["clientmsgid"].clone())
        .collect()
}

#[test]
fn repeating_after_a_busy_platform_sends_the_same_client_id() {
    for busy in [-1, 61450, 268_487_001] {
        let platform = Platform::start();
        let account = account(&platform);
        let send = || account.command(&["mass", "send", "closed", "--all", "--yes"]);
        platform.fault(ALL, Fault::Errcode(busy, "system error"));
        send()
            .may_be_done()
            .complains("may have arrived")
            .complains("cannot send twice");
        assert_eq!(platform.count(ALL), 1, "never retried automatically");
        account.store().is("SELECT msg_id FROM jobs", &["NULL"]);
        platform.fault(
            ALL,
            Fault::Body(r#"{"errcode":45065,"errmsg":"clientmsgid exist","msg_id":"99"}"#.into()),
        );
        send().ok().says("sent before, as 99");
        let ids = client_ids(&platform);
        assert_eq!(ids.len(), 2, "{busy}");
        assert_eq!(ids[0], ids[1], "{busy}");
        account.store().is("SELECT msg_id FROM jobs", &["99"]);
    }
}

#[test]
fn a_refused_repetition_keeps_the_client_id_of_the_first_attempt() {
    let platform = Platform::start();
    let account = account(&platform);
    let send = || account.command(&["mass", "send", "closed", "--all", "--yes"]);
    platform.fault(ALL, Fault::Errcode(-1, "system error"));
    send().may_be_done();
    platform.down();
    send().failed().complains("nobody listens");
    platform.up();
    platform.fault(ALL, Fault::Errcode(45028, "has no masssend quota"));
    send().failed().complains("no mass message is left");
    send().ok();
    let ids = client_ids(&platform);
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
}

#[test]
fn without_an_access_token_nothing_was_sent() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.always("/cgi-bin/stable_token", Fault::Errcode(-1, "system error"));
    platform.always("/cgi-bin/token", Fault::Errcode(-1, "system error"));
    let ran = account.command(&["mass", "send", "closed", "--all", "--yes"]);
    ran.failed().complains("errcode -1").expect(
        !ran.stderr.contains("may have arrived"),
        "only a token was asked for",
    );
    assert_eq!(platform.count(ALL), 0);
    assert_eq!(account.store().count("jobs"), 0);
}

#[test]
fn a_refusal_is_explained_and_leaves_no_row() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.fault(ALL, Fault::Errcode(45028, "has no masssend quota"));
    account
        .command(&["mass", "send", "closed", "--all", "--yes"])
        .failed()
        .complains("no mass message is left");
    assert_eq!(account.store().count("jobs"), 0);
}

#[test]
fn status_shows_the_result_that_was_pushed() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .command(&["mass", "send", "closed", "--all", "--yes"])
        .ok();
    account
        .command(&["mass", "send", "open", "--all", "--yes"])
        .ok();
    account
        .command(&["mass", "status"])
        .ok()
        .says("no result yet");
    account
        .post(&finished("1000002301", "send success"))
        .is_success();
    account
        .post(&finished("1000002302", "err(10001)"))
        .is_success();
    account.store().is(
        "SELECT msg_id, openid, status, total, filtered, sent, failed FROM jobs ORDER BY id",
        &[
            "1000002301|NULL|send success|1200|1180|1175|5",
            "1000002302|NULL|err(10001)|1200|1180|1175|5",
        ],
    );
    let ran = account.command(&["mass", "status"]);
    ran.ok()
        .says("send success")
        .says("1175")
        .says("err(10001): advertising");
    let ran = account.command(&["mass", "status", "1000002301"]);
    ran.ok()
        .says("WeChat says now: SENDING")
        .says_nothing_of("advertising");
    assert_eq!(
        platform.bodies("/cgi-bin/message/mass/get"),
        [json!({"msg_id": "1000002301"})]
    );
    let json = account.command(&["mass", "status", "--json"]).json();
    assert_eq!(json[0]["status"], "err(10001)");
}

#[test]
fn a_result_that_comes_before_the_answer_is_not_lost() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .post(&finished("1000002301", "send success"))
        .is_success();
    account
        .command(&["mass", "send", "closed", "--all", "--yes"])
        .ok();
    account.store().is(
        "SELECT msg_id, content, status, sent FROM jobs",
        &["1000002301|closed|send success|1175"],
    );
}

#[test]
fn nothing_is_sent_or_deleted_without_confirmation() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["mass", "send", "closed", "--all"])
        .refused()
        .says("all followers")
        .complains("--yes");
    at_a_terminal(account.program(&["mass", "send", "closed", "--all"]), "n\n").failed();
    assert_eq!(platform.count(ALL), 0);
    at_a_terminal(account.program(&["mass", "send", "closed", "--all"]), "y\n")
        .ok()
        .complains("Send this to all followers");
    assert_eq!(platform.count(ALL), 1);
    account
        .command(&["mass", "delete", "1000002301"])
        .refused()
        .complains("--yes");
    assert_eq!(platform.count("/cgi-bin/message/mass/delete"), 0);
}

#[test]
fn preview_sends_the_message_to_one_person() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["mass", "preview", "preview", "--to", FAN])
        .ok();
    account
        .command(&["mass", "preview", "preview", "--wechat-id", "syn_wechat_id"])
        .ok();
    let sample: Value = serde_json::from_str(&sample("api/mass_preview.json")).unwrap();
    assert_eq!(
        platform.bodies("/cgi-bin/message/mass/preview"),
        [
            sample["request"].clone(),
            sample["examples"][0]["request"].clone()
        ]
    );
    account.command(&["mass", "preview", "preview"]).refused();
}

#[test]
fn delete_takes_back_a_message_or_one_of_its_articles() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["mass", "delete", "1000002301", "--yes"])
        .ok()
        .says("taken back");
    account
        .command(&["mass", "delete", "1000002301", "--article", "2", "--yes"])
        .ok();
    assert_eq!(
        platform.bodies("/cgi-bin/message/mass/delete"),
        [
            json!({"msg_id": 1_000_002_301, "article_idx": 0}),
            json!({"msg_id": 1_000_002_301, "article_idx": 2})
        ]
    );
    account
        .command(&["mass", "delete", "closed", "--yes"])
        .refused();
}

#[test]
fn arguments_that_cannot_be_sent_are_refused() {
    let platform = Platform::start();
    tags(&platform);
    let account = account(&platform);
    for (arguments, why) in [
        (&["closed"][..], "required"),
        (&["--all"], "required"),
        (&["closed", "--all", "--tag", "VIP"], "cannot be used"),
        (&["closed", "--to", "o1"], "2 to 10000"),
        (&["closed", "--to", "o1", "o1"], "2 to 10000"),
        (&["closed", "--to", "o1", "o 2"], "no openid"),
        (&[" ", "--all"], "empty"),
        (&["--video", "tour.mp4", "--all"], "no such file"),
        (
            &["--video", "SYN_v", "--title", "x", "--all"],
            "a file only",
        ),
        (&["closed", "--title", "x", "--all"], "--video only"),
        (&["closed", "--recommend", "x", "--all"], "--image"),
    ] {
        let all = [&["mass", "send"], arguments, &["--yes"]].concat();
        account.command(&all).refused().complains(why);
    }
    account
        .command(&["mass", "send", "closed", "--tag", "nobody", "--yes"])
        .failed()
        .complains("no tag \"nobody\"");
    assert_eq!(platform.count(ALL) + platform.count(SOME), 0);
}

#[test]
fn the_id_of_a_tag_wins_over_the_name_of_another() {
    let platform = Platform::start();
    let tags = json!({"tags": [{"id": 130, "name": "129", "count": 1}, {"id": 129, "name": "VIP", "count": 10}]});
    platform.always(TAGS, Fault::Body(tags.to_string()));
    account(&platform)
        .command(&["mass", "send", "hello", "--tag", "129", "--yes"])
        .ok();
    assert_eq!(platform.bodies(ALL)[0]["filter"]["tag_id"], 129);
}

#[test]
fn the_speed_is_shown_and_set() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["mass", "speed"])
        .ok()
        .says("300000 a minute")
        .says("150000 a minute");
    let json = account.command(&["mass", "speed", "--json"]).json();
    assert_eq!(json, json!({"speed": 3, "realspeed": 15}));
    account
        .command(&["mass", "speed", "4"])
        .ok()
        .says("100000 a minute at most");
    assert_eq!(platform.forms(|forms| forms.speed), 4);
    account.command(&["mass", "speed", "5"]).refused();
    platform.fault(
        "/cgi-bin/message/mass/speed/set",
        Fault::Errcode(48001, "api unauthorized"),
    );
    account
        .command(&["mass", "speed", "0"])
        .failed()
        .complains("interface permissions");
    assert_eq!(platform.forms(|forms| forms.speed), 4);
}

#[test]
fn the_msg_data_id_is_shown_and_kept() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    let answer =
        json!({"errcode": 0, "errmsg": "ok", "msg_id": 1_000_002_301, "msg_data_id": 206_227_730});
    platform.fault(ALL, Fault::Body(answer.to_string()));
    account
        .command(&["mass", "send", "--article", "SYN_news", "--all", "--yes"])
        .ok()
        .says("206227730");
    let row = "SELECT msg_id, msg_data_id FROM jobs";
    account.store().is(row, &["1000002301|206227730"]);
    let list = account.command(&["mass", "status", "--json"]).json();
    assert_eq!(list[0]["msg_data_id"], "206227730");
    // Some pushes spell the element MsgId instead of MsgID.
    let urls = "<ArticleUrlResult><Count>1</Count><ResultList><item><ArticleIdx>1</ArticleIdx><ArticleUrl>https://a/1</ArticleUrl></item>\
                </ResultList></ArticleUrlResult></xml>";
    let body = finished("1000002301", "send success").body();
    let body = String::from_utf8(body)
        .unwrap()
        .replace("MsgID>", "MsgId>")
        .replace("</xml>", urls);
    account.post(&raw(body)).is_success();
    account.store().is(
        "SELECT status, sent, article_urls FROM jobs",
        &["send success|1175|https://a/1"],
    );
    account
        .command(&["mass", "status", "1000002301"])
        .ok()
        .says("msg_data_id  206227730")
        .says("https://a/1");
}
