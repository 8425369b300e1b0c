//! Customer-service messages: every kind, what the platform receives, and what can go wrong.

use crate::support::*;
use serde_json::{Value, json};

const SEND: &str = "/cgi-bin/message/custom/send";
const UPLOAD: &str = "/cgi-bin/media/upload";

/// An account with a picture, a recording, a video and a small JPEG in its folder.
fn account(platform: &Platform) -> Account {
    let account = Setup::new()
        .platform(platform)
        .set("api.timeout", "\"2s\"")
        .stopped();
    for (name, bytes) in [
        ("photo.gif", &b"GIF89a of the house"[..]),
        ("voice.amr", b"#!AMR\nhello"),
        ("tour.mp4", b"\0\0\0\x18ftypmp42 tour"),
        ("cover.jpg", b"\xff\xd8\xff\xe0 cover"),
        ("notes.txt", b"notes"),
    ] {
        std::fs::write(account.folder().join(name), bytes).unwrap();
    }
    account
}

fn send(account: &Account, arguments: &[&str]) -> Ran {
    account.command(&[&["send", FAN], arguments].concat())
}

/// The request of an example in the sample of this call.
fn example(name: &str) -> Value {
    let sample: Value = serde_json::from_str(&sample("api/custom_send.json")).unwrap();
    let examples = sample["examples"].as_array().unwrap();
    let example = examples.iter().find(|one| one["name"] == name);
    example.unwrap()["request"].clone()
}

#[test]
fn a_text_is_sent_as_in_its_sample() {
    let platform = Platform::start();
    let account = account(&platform);
    send(&account, &["hello 您好"]).ok().says("sent");
    let sample: Value = serde_json::from_str(&sample("api/custom_send.json")).unwrap();
    assert_eq!(platform.bodies(SEND), [sample["request"].clone()]);
    let calls = platform.calls();
    let call = calls.iter().find(|call| call.path == SEND).unwrap();
    assert!(
        call.body.contains("您好"),
        "raw UTF-8, no escapes: {}",
        call.body
    );
    send(&account, &["--as", "amy@shop_demo", "Amy here"]).ok();
    assert_eq!(platform.bodies(SEND).last(), Some(&example("as_agent")));
}

#[test]
fn every_other_kind_is_sent_as_in_its_sample() {
    let platform = Platform::start();
    let account = account(&platform);
    for (option, kind) in [
        ("--music", "music"),
        ("--menu", "msgmenu"),
        ("--miniprogram", "miniprogrampage"),
    ] {
        let wanted = example(kind);
        let json = wanted[kind].to_string();
        send(&account, &[option, &json]).ok();
        assert_eq!(platform.bodies(SEND).last(), Some(&wanted), "{kind}");
    }
    let news = example("news");
    for json in [
        &news["news"],
        &news["news"]["articles"],
        &news["news"]["articles"][0],
    ] {
        send(&account, &["--news", &json.to_string()]).ok();
        assert_eq!(platform.bodies(SEND).last(), Some(&news));
    }
    send(&account, &["--article", "SYN_ARTICLE_1"]).ok();
    assert_eq!(
        platform.bodies(SEND).last(),
        Some(&example("mpnewsarticle"))
    );
    for (option, kind) in [("--image", "image"), ("--voice", "voice")] {
        let wanted = example(kind);
        send(
            &account,
            &[option, wanted[kind]["media_id"].as_str().unwrap()],
        )
        .ok();
        assert_eq!(platform.bodies(SEND).last(), Some(&wanted));
    }
    let video = example("video");
    let of = |field: &str| video["video"][field].as_str().unwrap().to_owned();
    let (id, thumb) = (of("media_id"), of("thumb_media_id"));
    send(
        &account,
        &[
            "--video",
            &id,
            "--thumb",
            &thumb,
            "--title",
            "Tour",
            "--description",
            "90 s",
        ],
    )
    .ok();
    assert_eq!(platform.bodies(SEND).last(), Some(&video));
    assert_eq!(platform.count(UPLOAD), 0, "a media_id is not uploaded");
}

#[test]
fn a_local_file_is_uploaded_once() {
    let platform = Platform::start();
    let account = account(&platform);
    send(&account, &["--image", "photo.gif"]).ok();
    let upload = platform
        .calls()
        .into_iter()
        .find(|call| call.path == UPLOAD)
        .unwrap();
    assert_eq!(upload.query.get("type").map(String::as_str), Some("image"));
    for part in [
        "name=\"media\"; filename=\"photo.gif\"",
        "Content-Type: image/gif",
        "GIF89a of the house",
    ] {
        assert!(upload.body.contains(part), "{part}: {}", upload.body);
    }
    std::fs::copy(
        account.folder().join("photo.gif"),
        account.folder().join("copy.gif"),
    )
    .unwrap();
    send(&account, &["--image", "copy.gif"]).ok();
    let sent = platform.bodies(SEND);
    assert_eq!(sent.len(), 2);
    for message in &sent {
        assert_eq!(message["image"], json!({"media_id": "SYN_image_1"}));
    }
    assert_eq!(
        platform.count(UPLOAD),
        1,
        "the same content is not uploaded again"
    );
    std::fs::write(account.folder().join("photo.gif"), "GIF89a of the garden").unwrap();
    send(&account, &["--image", "photo.gif"]).ok();
    assert_eq!(platform.count(UPLOAD), 2, "changed content is");
    account.store().is(
        "SELECT count(*) FROM media WHERE expires_at > unixepoch() + 250000",
        &["2"],
    );
    send(&account, &["--voice", "voice.amr"]).ok();
    send(&account, &["--video", "tour.mp4", "--thumb", "cover.jpg"]).ok();
    let video = platform.bodies(SEND).pop().unwrap();
    assert_eq!(video["video"]["media_id"], "SYN_video_4");
    assert_eq!(video["video"]["thumb_media_id"], "SYN_thumb_5");
}

#[test]
fn a_kept_media_id_that_the_platform_refuses_is_replaced() {
    let platform = Platform::start();
    let account = account(&platform);
    send(&account, &["--image", "photo.gif"]).ok();
    platform.fault(SEND, Fault::Errcode(40007, "invalid media_id"));
    send(&account, &["--image", "photo.gif"]).ok();
    assert_eq!(platform.count(UPLOAD), 2);
    let last = platform.bodies(SEND).pop().unwrap();
    assert_eq!(last["image"]["media_id"], "SYN_image_2");
    platform.fault(SEND, Fault::Errcode(40007, "invalid media_id"));
    let before = platform.count(SEND);
    send(&account, &["--image", "SYN_gone"])
        .failed()
        .complains("upload the file again");
    assert_eq!(
        platform.count(SEND),
        before + 1,
        "there is nothing to upload"
    );
}

#[test]
fn a_long_text_is_sent_in_pieces() {
    let platform = Platform::start();
    let account = account(&platform);
    let text = "一二三四五六七八九十".repeat(150);
    send(&account, &[&text]).ok().says("3 messages");
    let pieces: Vec<String> = platform
        .bodies(SEND)
        .iter()
        .map(|body| body["text"]["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pieces.concat(), text);
    assert!(pieces.iter().all(|piece| piece.len() <= 2048));
    platform.fault(SEND, Fault::Body(r#"{"errcode":0,"errmsg":"ok"}"#.into()));
    platform.fault(SEND, Fault::Errcode(45047, "out of response count limit"));
    send(&account, &[&text])
        .failed()
        .complains("1 of 3 messages were sent")
        .complains("until the user writes again");
}

#[test]
fn a_refusal_outside_the_time_window_is_explained() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.fault(
        SEND,
        Fault::Errcode(
            45015,
            "response out of time limit or subscription is canceled",
        ),
    );
    send(&account, &["hello"])
        .failed()
        .complains("45015")
        .complains("48 hours");
    platform.fault(SEND, Fault::Errcode(45047, "out of response count limit"));
    send(&account, &["hello"])
        .failed()
        .complains("45047")
        .complains("until the user writes again");
}

#[test]
fn a_message_without_an_answer_is_not_retried_and_may_have_arrived() {
    for fault in [
        Fault::Hang,
        Fault::Closed,
        Fault::BadGateway,
        Fault::Truncated,
        Fault::Errcode(-1, "system error"),
    ] {
        let platform = Platform::start();
        let account = account(&platform);
        platform.fault(SEND, fault.clone());
        send(&account, &["hello"])
            .may_be_done()
            .complains("may have arrived");
        assert_eq!(platform.count(SEND), 1, "{fault:?}");
    }
    let platform = Platform::start();
    let account = account(&platform);
    // With a token at hand, only the message itself is sent.
    account.command(&["token"]).ok();
    platform.down();
    let ran = send(&account, &["hello"]);
    ran.failed().expect(
        !ran.stderr.contains("may have arrived"),
        "nothing was asked for",
    );
}

#[test]
fn invalid_messages_are_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    let long = format!(
        "<a href=\"https://www.example.com/{}\">x</a>",
        "y".repeat(2048)
    );
    for (arguments, why) in [
        (&[][..], "required"),
        (&["hello", "--image", "photo.gif"], "cannot be used"),
        (&[" "], "empty"),
        (&[&long], "link"),
        (&["--image", "notes.txt"], "none of PNG"),
        (&["--image", "voice.amr"], "is AMR"),
        (&["--image", "no/such.gif"], "no such file"),
        (&["--image", "."], "is no file"),
        (&["--video", "tour.mp4", "--thumb", "photo.gif"], "is JPEG"),
        (&["--thumb", "cover.jpg", "hello"], "--video"),
        (&["--video", "tour.mp4"], "--thumb F"),
        (&["--video", "SYN_tour", "--title", "Tour"], "--thumb F"),
        (&["--music", "{"], "--music"),
        (&["--music", r#"{"music_url": "x"}"#], "musicurl"),
        (&["--news", "[]"], "exactly 1"),
        (
            &[
                "--news",
                r#"[{"title":"a","url":"b"},{"title":"a","url":"b"}]"#,
            ],
            "exactly 1",
        ),
    ] {
        send(&account, arguments).refused().complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn typing_can_be_started_and_stopped() {
    const TYPING: &str = "/cgi-bin/message/custom/typing";
    let platform = Platform::start();
    let account = account(&platform);
    send(&account, &["--typing"]).ok().says("somebody writes");
    let json = send(&account, &["--typing-stop", "--json"]).json();
    assert_eq!(json, json!({"openid": FAN, "typing": false}));
    assert_eq!(
        platform.bodies(TYPING),
        ["Typing", "CancelTyping"].map(|command| json!({"touser": FAN, "command": command}))
    );
    platform.fault(TYPING, Fault::Errcode(45081, "you are already typing"));
    send(&account, &["--typing"]).ok();
    platform.fault(
        TYPING,
        Fault::Errcode(45080, "need sending message to user"),
    );
    send(&account, &["--typing"])
        .ok()
        .says("does not see it")
        .says("in the last 30 seconds");
    platform.fault(
        TYPING,
        Fault::Errcode(45080, "need sending message to user"),
    );
    let json = send(&account, &["--typing", "--json"]).json();
    assert_eq!(json, json!({"openid": FAN, "typing": false}));
    platform.fault(TYPING, Fault::Errcode(45072, "invalid command"));
    send(&account, &["--typing"]).failed().complains("45072");
    for wrong in [
        &["--typing", "--typing-stop"][..],
        &["--typing", "hello"],
        &["--typing", "--as", "amy@shop"],
        &["--typing", "--title", "x"],
    ] {
        send(&account, wrong).refused();
    }
    assert_eq!(platform.count(SEND), 0);
}
