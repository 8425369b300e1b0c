//! Permanent material: listed, uploaded, fetched and deleted.

use crate::support::*;
use serde_json::{Value, json};

const ADD: &str = "/cgi-bin/material/add_material";
const LIST: &str = "/cgi-bin/material/batchget_material";
const DELETE: &str = "/cgi-bin/material/del_material";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

fn put(account: &Account, name: &str, bytes: &[u8]) {
    std::fs::write(account.folder().join(name), bytes).unwrap();
}

/// Gives the platform this many pictures, and an article.
fn fill(platform: &Platform, pictures: usize) {
    let piece = |kind: &str, number: usize, name: String| Piece {
        kind: kind.to_owned(),
        media_id: format!("SYN_{kind}_{number}"),
        name,
    };
    platform.content(|content| {
        let pictures = (0..pictures).map(|number| piece("image", number, format!("{number}.png")));
        content.material = pictures.collect();
        content
            .material
            .push(piece("news", 1, "Open day".to_owned()));
    });
}

#[test]
fn list_reads_all_pages_and_says_what_it_leaves_out() {
    let platform = Platform::start();
    fill(&platform, 45);
    let account = account(&platform);
    let list = account.command(&["material", "list", "--json"]).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 46);
    assert_eq!(
        (&list[0]["media_id"], &list[0]["name"]),
        (&json!("SYN_image_44"), &json!("44.png"))
    );
    assert_eq!(list[45]["titles"], json!(["Open day"]));
    let of_images: Vec<Value> = platform
        .bodies(LIST)
        .into_iter()
        .filter(|body| body["type"] == "image")
        .collect();
    let page = |offset| json!({"type": "image", "offset": offset, "count": 20});
    assert_eq!(of_images, [page(0), page(20), page(40)]);
    account
        .command(&["material", "list", "--type", "image", "--limit", "3"])
        .ok()
        .says("MEDIA_ID")
        .says("SYN_image_42")
        .says_nothing_of("SYN_image_41")
        .says_nothing_of("Open day")
        .complains("3 of 45 image are shown; --limit shows more");
    account
        .command(&["material", "count"])
        .ok()
        .says("image  45")
        .says("news   1");
    let count = account.command(&["material", "count", "--json"]).json();
    assert_eq!(count["video_count"], 0);
    account
        .command(&["material", "list", "--type", "thumb"])
        .refused()
        .complains("image, voice, video, news");
}

#[test]
fn list_retries_while_the_platform_is_busy() {
    let platform = Platform::start();
    fill(&platform, 1);
    let account = account(&platform);
    platform.fault(LIST, Fault::Errcode(-1, "system error"));
    account
        .command(&["material", "list", "--type", "image"])
        .ok()
        .says("SYN_image_0");
    assert_eq!(platform.count(LIST), 2);
}

#[test]
fn upload_prints_the_media_id() {
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "cover.gif", b"GIF89a cover");
    put(&account, "tour.mp4", b"\0\0\0\x18ftypmp42 tour");
    let ran = account.command(&["material", "upload", "cover.gif"]);
    assert_eq!(ran.ok().stdout, "SYN_permanent_image_1\n");
    let json = account
        .command(&["material", "upload", "cover.gif", "--json"])
        .json();
    assert_eq!(
        json,
        json!({"type": "image", "media_id": "SYN_permanent_image_2", "url": "http://mmbiz.qpic.cn/SYN/0"})
    );
    account
        .command(&[
            "material",
            "upload",
            "tour.mp4",
            "--title",
            "The house \"1\"",
            "--introduction",
            "90 s",
        ])
        .ok()
        .says("SYN_permanent_video_3");
    let call = platform.calls().pop().unwrap();
    let description = "name=\"description\"\r\n\r\n{\"title\":\"The house \\\"1\\\"\",\"introduction\":\"90 s\"}\r\n";
    assert!(call.body.contains(description), "{}", call.body);
}

#[test]
fn permanent_material_allows_more_formats_than_messages() {
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "old.bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0");
    put(&account, "hello.wav", b"RIFF\x24\0\0\0WAVEfmt ");
    put(
        &account,
        "hello.wma",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
    );
    for (name, media_id, content_type) in [
        ("old.bmp", "SYN_permanent_image_1\n", "image/bmp"),
        ("hello.wav", "SYN_permanent_voice_2\n", "audio/wav"),
        ("hello.wma", "SYN_permanent_voice_3\n", "audio/x-ms-wma"),
    ] {
        let ran = account.command(&["material", "upload", name]);
        assert_eq!(ran.ok().stdout, media_id);
        let call = platform.calls().pop().unwrap();
        for part in [format!("filename=\"{name}\""), content_type.to_owned()] {
            assert!(call.body.contains(&part), "{part}: {}", call.body);
        }
    }
    for (arguments, why) in [
        (&["media", "upload", "old.bmp"][..], "is BMP"),
        (&["media", "upload", "hello.wav"], "AMR or MP3"),
        (&["media", "image", "old.bmp"], "PNG or JPEG"),
        (&["send", FAN, "--voice", "hello.wma"], "is WMA"),
        (
            &["material", "upload", "old.bmp", "--type", "thumb"],
            "is JPEG",
        ),
        (
            &["material", "upload", "old.bmp", "--type", "voice"],
            "AMR, MP3, WMA or WAV",
        ),
    ] {
        account.command(arguments).refused().complains(why);
    }
    assert_eq!(platform.count(ADD), 3);
    assert_eq!(platform.count("/cgi-bin/media/upload"), 0);
}

#[test]
fn an_invalid_upload_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "cover.gif", b"GIF89a cover");
    put(&account, "tour.mp4", b"\0\0\0\x18ftypmp42 tour");
    let mut large = b"#!AMR\n".to_vec();
    large.resize(3 << 20, 0);
    put(&account, "long.amr", &large);
    for (arguments, why) in [
        (&["none.gif"][..], "none.gif"),
        (&["tour.mp4"], "--title"),
        (&["tour.mp4", "--title", " "], "--title"),
        (&["cover.gif", "--title", "Cover"], "a video only"),
        (&["cover.gif", "--type", "thumb"], "is JPEG"),
        (
            &["cover.gif", "--type", "news"],
            "image, voice, video, thumb",
        ),
        (&["long.amr"], "takes 2 MiB"),
    ] {
        account
            .command(&[&["material", "upload"], arguments].concat())
            .refused()
            .complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn an_upload_is_never_retried_and_says_how_to_find_out_whether_it_was_made() {
    for fault in [Fault::Truncated, Fault::Closed, Fault::BadGateway] {
        let platform = Platform::start();
        let account = account(&platform);
        put(&account, "cover.gif", b"GIF89a cover");
        platform.fault(ADD, fault.clone());
        account
            .command(&["material", "upload", "cover.gif"])
            .may_be_done()
            .complains("wechatd material list");
        assert_eq!(platform.count(ADD), 1, "{fault:?}");
    }
    let platform = Platform::start();
    let account = account(&platform);
    put(&account, "cover.gif", b"GIF89a cover");
    platform.fault(ADD, Fault::Errcode(45001, "media size out of limit"));
    let ran = account.command(&["material", "upload", "cover.gif"]);
    ran.failed().complains("make it smaller").expect(
        !ran.stderr.contains("material list"),
        "a refusal is certain",
    );
}

#[test]
fn get_writes_files_and_articles_and_prints_the_url_of_videos() {
    let platform = Platform::start();
    fill(&platform, 1);
    platform.content(|content| {
        content.material.push(Piece {
            kind: "video".to_owned(),
            media_id: "SYN_tour".to_owned(),
            name: "Tour".to_owned(),
        });
    });
    let account = account(&platform);
    let read = |name: &str| std::fs::read_to_string(account.folder().join(name)).unwrap();
    let ran = account.command(&["material", "get", "SYN_image_0", "--out", "0.png"]);
    ran.ok().complains("0.png: 15 bytes");
    assert_eq!(read("0.png"), "GIF89a of 0.png");
    let url = "http://video.example.com/SYN.mp4\n";
    assert_eq!(
        account
            .command(&["material", "get", "SYN_tour"])
            .ok()
            .stdout,
        url
    );
    let ran = account.command(&["material", "get", "SYN_tour", "--out", "tour.mp4"]);
    assert_eq!(ran.failed().stdout, url);
    let article = account.command(&["material", "get", "SYN_news_1"]).json();
    assert_eq!(article["articles"][0]["title"], "Open day");
    account
        .command(&["material", "get", "SYN_news_1", "--out", "day.json"])
        .ok();
    assert_eq!(
        serde_json::from_str::<Value>(&read("day.json")).unwrap(),
        article
    );
    // A fetched article can be used as a draft.
    account
        .command(&["article", "draft", "day.json"])
        .ok()
        .says("SYN_draft_1");
    account
        .command(&["material", "get", "gone", "--out", "0.png"])
        .failed()
        .complains("40007");
    assert_eq!(read("0.png"), "GIF89a of 0.png");
    for name in ["0.png.part", "tour.mp4.part", "tour.mp4", "day.json.part"] {
        assert!(!account.folder().join(name).exists(), "{name}");
    }
}

#[test]
fn delete_asks_first_and_explains_a_refusal() {
    let platform = Platform::start();
    fill(&platform, 1);
    let account = account(&platform);
    account
        .command(&["material", "delete", "SYN_image_0"])
        .refused()
        .complains("--yes");
    at_a_terminal(
        account.program(&["material", "delete", "SYN_image_0"]),
        "n\n",
    )
    .failed();
    assert_eq!(platform.count(DELETE), 0);
    platform.fault(
        DELETE,
        Fault::Errcode(
            48005,
            "forbid to delete material used by auto-reply or menu",
        ),
    );
    account
        .command(&["material", "delete", "SYN_image_0", "--yes"])
        .failed()
        .complains("remove it there first");
    account
        .command(&["material", "delete", "SYN_image_0", "--yes"])
        .ok()
        .says("SYN_image_0 is deleted");
    assert_eq!(
        platform.bodies(DELETE),
        [
            json!({"media_id": "SYN_image_0"}),
            json!({"media_id": "SYN_image_0"})
        ]
    );
    account
        .command(&["material", "count"])
        .ok()
        .says("image  0");
}
