//! Articles in Markdown: a draft of a file with its pictures, or no call at all.

use crate::support::*;
use serde_json::{Value, json};

const DRAFT: &str = "/cgi-bin/draft/add";
const PICTURE: &str = "/cgi-bin/media/uploadimg";
const COVER: &str = "/cgi-bin/material/add_material";

const OPEN_DAY: &str = "---
title: Open day 开放日
author: Amy
digest: 'Come in: all day'
cover: pictures/cover.jpg
---

## Saturday

See ![the kitchen](pictures/the%20kitchen.png), [our site](https://www.example.com/) and
[last year](https://mp.weixin.qq.com/s/SYN).

![](pictures/the%20kitchen.png)
![](garden.png)
";

fn account(platform: &Platform) -> Account {
    let account = Setup::new().platform(platform).stopped();
    std::fs::create_dir(account.folder().join("pictures")).unwrap();
    put(&account, "pictures/cover.jpg", b"\xff\xd8\xff cover");
    put(
        &account,
        "pictures/the kitchen.png",
        b"\x89PNG\r\n\x1a\n kitchen",
    );
    put(&account, "garden.png", b"\x89PNG\r\n\x1a\n garden");
    put(&account, "day.md", OPEN_DAY.as_bytes());
    account
}

fn put(account: &Account, name: &str, bytes: &[u8]) {
    std::fs::write(account.folder().join(name), bytes).unwrap();
}

fn article(platform: &Platform) -> Value {
    platform.bodies(DRAFT).pop().unwrap()["articles"][0].clone()
}

#[test]
fn a_markdown_file_becomes_a_draft_with_its_pictures_each_uploaded_once() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["article", "draft", "day.md"]);
    ran.ok()
        .complains("1 link leads outside WeChat, which drops it");
    assert_eq!(ran.stdout, "SYN_draft_1\n");
    assert_eq!((platform.count(PICTURE), platform.count(COVER)), (2, 1));
    let article = article(&platform);
    assert_eq!(article["title"], "Open day 开放日");
    assert_eq!(article["author"], "Amy");
    assert_eq!(article["digest"], "Come in: all day");
    assert_eq!(article["thumb_media_id"], "SYN_permanent_image_1");
    let content = article["content"].as_str().unwrap();
    assert_eq!(
        content.matches("<img src=\"http://mmbiz.qpic.cn/").count(),
        3,
        "{content}"
    );
    for part in [
        "<h2 style=",
        "alt=\"the kitchen\"",
        "our site<sup>[1]</sup>",
        "[1] https://www.example.com/",
        "<a href=\"https://mp.weixin.qq.com/s/SYN\">last year</a>",
    ] {
        assert!(content.contains(part), "{part}: {content}");
    }

    // The cover is in the permanent material already.
    let again = account.command(&["article", "draft", "day.md", "--json"]);
    assert_eq!(
        again.json(),
        json!({"media_id": "SYN_draft_2", "articles": 1})
    );
    assert_eq!((platform.count(PICTURE), platform.count(COVER)), (4, 1));
    // Unless somebody has deleted it there.
    platform.fault(DRAFT, Fault::Errcode(40007, "invalid media_id"));
    account.command(&["article", "draft", "day.md"]).ok();
    assert_eq!(platform.count(COVER), 2);
    assert_eq!(
        self::article(&platform)["thumb_media_id"],
        "SYN_permanent_image_2"
    );
}

#[test]
fn a_dry_run_prints_the_html_and_makes_no_call() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["article", "draft", "day.md", "--dry-run"]);
    ran.ok()
        .says("<h2 style=")
        .says("src=\"garden.png\"")
        .complains("1 link leads outside WeChat");
    let json = account
        .command(&["article", "draft", "day.md", "--dry-run", "--json"])
        .json();
    assert_eq!(json["title"], "Open day 开放日");
    assert_eq!(
        json["pictures"],
        json!(["pictures/the%20kitchen.png", "garden.png"])
    );
    assert_eq!(
        format!("{}\n", json["content"].as_str().unwrap()),
        ran.stdout
    );
    assert!(platform.calls().is_empty());
    put(&account, "day.json", b"{}");
    account
        .command(&["article", "draft", "day.json", "--dry-run"])
        .refused()
        .complains("and this is none");
}

#[test]
fn whatever_wechat_would_refuse_or_drop_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    put(
        &account,
        "large.png",
        &[b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 1 << 20]].concat(),
    );
    put(&account, "anim.gif", b"GIF89a");
    let with = |front: &str, body: &str| {
        format!("---\ntitle: T\ncover: pictures/cover.jpg\n{front}---\n{body}\n")
    };
    for (text, why) in [
        ("Hello".to_owned(), "wrong.md: it does not begin with ---"),
        (
            with("tags: a\n", "Text"),
            "wrong.md: line 4: the key \"tags\" is unknown",
        ),
        (
            OPEN_DAY.replace("cover.jpg", "no cover.jpg"),
            "cover: there is no file",
        ),
        (
            OPEN_DAY.replace("garden.png", "tree.png"),
            "line 14: there is no picture tree.png",
        ),
        (
            with("", "\n![](https://example.com/a.png)"),
            "line 6: the picture https://example.com/a.png",
        ),
        (
            with("", "a <script>x</script>"),
            "line 5: HTML such as <script>",
        ),
        (with("", "![](large.png)"), "large.png"),
        (
            with("", "![](anim.gif)"),
            "a picture inside an article is PNG or JPEG",
        ),
        (with("", ""), "it has no text"),
        (
            with(&format!("author: {}\n", "作".repeat(17)), "Text"),
            "its author has 17 characters, and WeChat takes 16",
        ),
        (
            with(&format!("digest: {}\n", "摘".repeat(129)), "Text"),
            "its digest has 129 characters",
        ),
        (
            OPEN_DAY.replace("开放日", &"日".repeat(33)),
            "its title has 42 characters, and WeChat takes 32",
        ),
        (
            with("", &"文".repeat(20_000)),
            "WeChat takes fewer than 20000",
        ),
    ] {
        put(&account, "wrong.md", text.as_bytes());
        for more in [&["--dry-run"][..], &[]] {
            let line = ["article", "draft", "wrong.md"];
            account
                .command(&[&line[..], more].concat())
                .refused()
                .complains(why);
        }
    }
    account.command(&["article", "draft", "none.md"]).refused();
    assert!(platform.calls().is_empty());
}

#[test]
fn a_cover_may_be_a_media_id_and_a_failed_picture_adds_nothing_permanent() {
    let platform = Platform::start();
    let account = account(&platform);
    let by_id = OPEN_DAY.replace("pictures/cover.jpg", "SYN_cover-1");
    put(&account, "id.md", by_id.as_bytes());
    account.command(&["article", "draft", "id.md"]).ok();
    assert_eq!(article(&platform)["thumb_media_id"], "SYN_cover-1");
    assert_eq!(platform.count(COVER), 0);
    platform.fault(PICTURE, Fault::Errcode(40005, "invalid file type"));
    account.command(&["article", "draft", "day.md"]).failed();
    assert_eq!((platform.count(COVER), platform.count(DRAFT)), (0, 1));
}

#[test]
fn an_article_is_edited_by_markdown_and_keeps_what_that_does_not_say() {
    let platform = Platform::start();
    let account = account(&platform);
    let before = json!({"article_type": "news", "title": "Old", "content": "<p>x</p>", "thumb_media_id": "SYN_old",
        "content_source_url": "https://www.example.com/more", "need_open_comment": 1, "only_fans_can_comment": 0});
    platform.articles(|articles| {
        let pictures = json!({"article_type": "newspic", "title": "P"});
        articles.drafts = vec![Together {
            id: "SYN_1".to_owned(),
            articles: vec![before, pictures],
        }];
    });
    account
        .command(&["article", "edit", "SYN_1", "day.md"])
        .ok();
    let sent = platform.bodies("/cgi-bin/draft/update");
    assert_eq!(sent[0]["index"], 0);
    let sent = &sent[0]["articles"];
    assert_eq!(sent["title"], "Open day 开放日");
    assert_eq!(sent["content_source_url"], "https://www.example.com/more");
    assert_eq!(
        (&sent["need_open_comment"], &sent["only_fans_can_comment"]),
        (&json!(1), &json!(0))
    );
    let uploads = platform.count(PICTURE);
    account
        .command(&["article", "edit", "SYN_1", "day.md", "--index", "2"])
        .refused()
        .complains("is a picture message");
    account
        .command(&["article", "edit", "SYN_1", "day.md", "--index", "3"])
        .failed()
        .complains("there is no article 3");
    assert_eq!(platform.count(PICTURE), uploads);
}
