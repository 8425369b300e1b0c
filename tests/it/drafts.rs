//! Drafts and published articles: listed, shown, edited and deleted.

use crate::support::*;
use serde_json::{Value, json};

const DRAFTS: &str = "/cgi-bin/draft/batchget";
const UPDATE: &str = "/cgi-bin/draft/update";
const DELETE: &str = "/cgi-bin/freepublish/delete";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

fn article(title: &str) -> Value {
    json!({"article_type": "news", "title": title, "author": "Amy", "digest": "Come in", "content": "<p>On Saturday</p>",
        "content_source_url": "", "thumb_media_id": "SYN_cover", "need_open_comment": 1, "only_fans_can_comment": 1,
        "show_cover_pic": 0, "url": "http://mp.weixin.qq.com/s?__biz=SYN==&mid=2247490001&idx=1&sn=SYN#rd"})
}

fn together(id: &str, titles: &[&str]) -> Together {
    Together {
        id: id.to_owned(),
        articles: titles.iter().map(|title| article(title)).collect(),
    }
}

#[test]
fn all_pages_of_drafts_are_listed_up_to_the_limit() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["article", "list"])
        .ok()
        .says("there are no drafts");
    platform.articles(|articles| {
        let draft = |number: u32| together(&format!("SYN_draft_{number}"), &["Open day 开放日"]);
        articles.drafts = (0..45).map(draft).collect();
        articles.drafts[44] = together("SYN_two", &["First", "Second"]);
    });
    let list = account.command(&["article", "list", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 45);
    assert_eq!(list[0]["media_id"], "SYN_draft_0");
    assert_eq!(list[44]["articles"][1]["title"], "Second");
    let page = |offset: u32| json!({"offset": offset, "count": 20, "no_content": 1});
    assert_eq!(platform.bodies(DRAFTS)[1..], [page(0), page(20), page(40)]);
    account
        .command(&["article", "list"])
        .ok()
        .says("MEDIA_ID")
        .says("Open day 开放日")
        .says("First / Second");
    account
        .command(&["article", "list", "--limit", "3"])
        .ok()
        .says("SYN_draft_2")
        .says_nothing_of("SYN_draft_3")
        .complains("3 of 45 drafts are shown; --limit N shows more");
}

#[test]
fn a_draft_is_shown_edited_from_what_was_shown_and_deleted() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.articles(|articles| articles.drafts = vec![together("SYN_1", &["First", "Second"])]);
    account
        .command(&["article", "show", "SYN_1"])
        .ok()
        .says("title     First")
        .says("title     Second")
        .says("author    Amy")
        .says("cover     SYN_cover")
        .says("comments  from followers")
        .says("<p>On Saturday</p>");
    account
        .command(&["article", "show", "SYN_1", "--index", "3"])
        .failed()
        .complains("there is no article 3: it has 2 articles");
    account
        .command(&["article", "show", "SYN_2"])
        .failed()
        .complains("there is no such draft")
        .complains("wechatd article list");

    let file = account.folder().join("article.json");
    let show = |index: &str| {
        let shown = account.command(&["article", "show", "SYN_1", "--index", index, "--json"]);
        shown.ok().stdout.replace("Second", "Second, revised")
    };
    std::fs::write(&file, show("2")).unwrap();
    let edit = ["article", "edit", "SYN_1", "article.json", "--index", "2"];
    account
        .command(&edit)
        .ok()
        .says("article 2 of SYN_1 is replaced");
    let mut sent = article("Second, revised");
    for only_returned in ["show_cover_pic", "url"] {
        sent.as_object_mut().unwrap().remove(only_returned);
    }
    // The call counts from 0, and takes one article instead of a list.
    assert_eq!(
        platform.bodies(UPDATE),
        [json!({"media_id": "SYN_1", "index": 1, "articles": sent})]
    );
    account
        .command(&["article", "edit", "SYN_1", "article.json", "--index", "3"])
        .failed()
        .complains("there is no article with this index");

    account
        .command(&["article", "delete", "SYN_1"])
        .refused()
        .complains("--yes");
    account
        .command(&["article", "delete", "SYN_1", "--yes"])
        .ok();
    assert!(platform.articles(|articles| articles.drafts.is_empty()));
    account
        .command(&["article", "delete", "SYN_1", "--yes"])
        .failed()
        .complains("there is no such draft");
}

#[test]
fn a_picture_message_is_edited_without_losing_its_pictures() {
    let platform = Platform::start();
    let account = account(&platform);
    let pictures = json!({"article_type": "newspic", "title": "P", "content": "words", "need_open_comment": 0,
        "only_fans_can_comment": 0, "image_info": {"image_list": [{"image_media_id": "SYN_p"}]}});
    let mut stored = pictures.clone();
    stored["thumb_media_id"] = json!("SYN_p");
    stored["url"] = json!("http://mp.weixin.qq.com/s?__biz=SYN");
    platform.articles(|articles| {
        articles.drafts = vec![Together {
            id: "SYN_1".to_owned(),
            articles: vec![stored],
        }];
    });
    let shown = account.command(&["article", "show", "SYN_1", "--json"]);
    std::fs::write(account.folder().join("p.json"), &shown.ok().stdout).unwrap();
    account
        .command(&["article", "edit", "SYN_1", "p.json"])
        .ok();
    assert_eq!(platform.bodies(UPDATE)[0]["articles"], pictures);
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    let write = |article: &Value| {
        std::fs::write(account.folder().join("a.json"), article.to_string()).unwrap();
    };
    write(&json!([article("First"), article("Second")]));
    account
        .command(&["article", "edit", "SYN_1", "a.json"])
        .refused()
        .complains("it holds 2 articles, and one is replaced at a time");
    write(&article(&"题".repeat(33)));
    for line in [
        &["article", "edit", "SYN_1", "a.json"][..],
        &["article", "draft", "a.json"],
    ] {
        account
            .command(line)
            .refused()
            .complains("its title has 33 characters, and WeChat takes 32");
    }
    write(&json!({"title": "T", "thumb_media_id": "SYN", "content": "文".repeat(20_000)}));
    account
        .command(&["article", "draft", "a.json"])
        .refused()
        .complains("WeChat takes fewer than 20000");
    assert_eq!(
        platform.count("/cgi-bin/draft/add") + platform.count(UPDATE),
        0
    );
}

#[test]
fn published_articles_are_listed_and_shown_with_the_number_for_comments() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["article", "published", "list"])
        .ok()
        .says("nothing is published");
    platform.articles(|articles| {
        articles.published = vec![together("SYN_A1", &["First", "Second"])];
        articles.published[0].articles[1]["is_deleted"] = json!(true);
    });
    account
        .command(&["article", "published", "list"])
        .ok()
        .says("SYN_A1")
        .says("2247490001")
        .says("First / Second (deleted)");
    let list = account.command(&["article", "published", "list", "--json"]);
    let list = list.json();
    assert_eq!(list[0]["article_id"], "SYN_A1");
    assert_eq!(list[0]["msg_data_id"], "2247490001");
    let show = ["article", "published", "show", "SYN_A1"];
    account
        .command(&[&show[..], &["--index", "2"]].concat())
        .ok()
        .says("title        Second")
        .says("deleted      yes")
        .says("msg_data_id  2247490001")
        .says_nothing_of("First");
    let json = account.command(&[&show[..], &["--json"]].concat()).json();
    assert_eq!(json["articles"][0]["content"], "<p>On Saturday</p>");
    account
        .command(&["article", "published", "show", "SYN_A2"])
        .failed()
        .complains("wechatd article published list");
}

#[test]
fn a_whole_publication_is_deleted_only_with_all() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.articles(|articles| {
        articles.published = vec![together("SYN_A1", &["First", "Second"])];
    });
    let delete = |more: &[&str]| {
        let line = ["article", "published", "delete", "SYN_A1"];
        account.command(&[&line[..], more].concat())
    };
    for wrong in [
        &["--yes"][..],
        &["--index", "0", "--yes"],
        &["--index", "1", "--all", "--yes"],
        &["--index", "1"],
        &["--all"],
    ] {
        delete(wrong).refused();
    }
    assert_eq!(platform.count(DELETE), 0);
    delete(&["--index", "2", "--yes"])
        .ok()
        .says("article 2 of SYN_A1 is deleted");
    let first = platform.articles(|articles| articles.published[0].articles.clone());
    assert_eq!(first[0]["is_deleted"], Value::Null);
    assert_eq!(first[1]["is_deleted"], true);
    let all = delete(&["--all", "--yes", "--json"]).json();
    assert_eq!(
        all,
        json!({"article_id": "SYN_A1", "index": null, "all": true})
    );
    assert_eq!(
        platform.bodies(DELETE),
        [
            json!({"article_id": "SYN_A1", "index": 2}),
            json!({"article_id": "SYN_A1", "index": 0})
        ]
    );
    assert!(platform.articles(|articles| articles.published.is_empty()));
}

#[test]
fn an_account_that_lost_these_calls_is_told_since_when_and_what_to_do() {
    let platform = Platform::start();
    let account = account(&platform);
    for (path, line) in [
        (DRAFTS, &["article", "list"][..]),
        (
            "/cgi-bin/freepublish/batchget",
            &["article", "published", "list"],
        ),
        (
            "/cgi-bin/freepublish/submit",
            &["article", "publish", "SYN_1", "--yes"],
        ),
        (
            DELETE,
            &["article", "published", "delete", "A", "--all", "--yes"],
        ),
    ] {
        platform.fault(path, Fault::Errcode(48001, "api unauthorized"));
        account
            .command(line)
            .failed()
            .complains("personal and unverified accounts have lost")
            .complains("since July 2025");
    }
    wechatd(&["article", "published", "--help"])
        .ok()
        .says("July 2025");
    wechatd(&["article", "publish", "--help"])
        .ok()
        .says("July 2025");
}
