//! Comments below articles: listed, opened and closed, starred, answered and deleted.

use crate::support::*;
use serde_json::{Value, json};

const LIST: &str = "/cgi-bin/comment/list";
const ARTICLE: &str = "2247490001";

fn account(platform: &Platform) -> Account {
    Setup::new().platform(platform).stopped()
}

/// Gives the second article of a publication this many comments; every tenth is starred, one is of a channel.
fn fill(platform: &Platform, many: u64) {
    let comment = |id: u64| {
        let mut comment = json!({"user_comment_id": id, "openid": FAN, "create_time": 1_767_232_000,
            "content": format!("comment {id} 很有用"), "comment_type": u8::from(id.is_multiple_of(10))});
        if id == 2 {
            comment.as_object_mut().unwrap().remove("openid");
            comment["reply"] = json!([{"content": "谢谢", "create_time": 1_767_232_600}]);
        }
        comment
    };
    platform.comments(|comments| {
        comments.articles = vec![(2_247_490_001, 1)];
        comments.list = (1..=many).rev().map(comment).collect();
    });
}

#[test]
fn all_pages_of_comments_are_listed_and_articles_count_from_1() {
    let platform = Platform::start();
    fill(&platform, 100);
    let account = account(&platform);
    let list = ["comments", "list", ARTICLE, "--index", "2"];
    let json = account.command(&[&list[..], &["--json"]].concat()).json();
    let ids: Vec<i64> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|comment| comment["user_comment_id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, (1..=100).rev().collect::<Vec<_>>());
    let page = |begin: u32| json!({"msg_data_id": 2_247_490_001_u64, "index": 1, "begin": begin, "count": 49, "type": 0});
    assert_eq!(platform.bodies(LIST), [page(0), page(49), page(98)]);
    assert_eq!(json[98]["reply"]["content"], "谢谢");
    assert_eq!(json[98]["openid"], Value::Null);

    account
        .command(&[&list[..], &["--starred"]].concat())
        .ok()
        .says("comment 10 很有用")
        .says("STARRED")
        .says(FAN)
        .says_nothing_of("comment 9 ");
    account
        .command(&[&list[..], &["--ordinary", "--limit", "50"]].concat())
        .ok()
        .says("comment 99 ")
        .says_nothing_of("comment 90 ")
        .complains("50 of 90 are shown; --limit N shows more");
    let types: Vec<Value> = platform
        .bodies(LIST)
        .iter()
        .map(|body| body["type"].clone())
        .collect();
    assert_eq!(types[3..], [json!(2), json!(1), json!(1)]);
}

#[test]
fn a_comment_that_moves_to_the_next_page_is_listed_once() {
    let platform = Platform::start();
    fill(&platform, 60);
    let account = account(&platform);
    let one = |id: u32| json!({"user_comment_id": id, "content": format!("comment {id}")});
    let page = |from: u32, to: u32| {
        let comments: Vec<Value> = (from..to).map(one).collect();
        Fault::Body(json!({"errcode": 0, "total": 60, "comment": comments}).to_string())
    };
    platform.fault(LIST, page(0, 49));
    platform.fault(LIST, page(48, 59));
    let list = ["comments", "list", ARTICLE, "--index", "2", "--json"];
    let json = account.command(&list).json();
    assert_eq!(json.as_array().unwrap().len(), 59);
}

#[test]
fn an_article_without_comments_says_so_and_an_unknown_one_is_explained() {
    let platform = Platform::start();
    fill(&platform, 0);
    let account = account(&platform);
    account
        .command(&["comments", "list", ARTICLE, "--index", "2"])
        .ok()
        .says("there are no such comments");
    // Answers with 88001 carry an empty list too.
    account
        .command(&["comments", "list", ARTICLE])
        .failed()
        .complains("no article with comments has this msg_data_id")
        .complains("wechatd article status");
    platform.fault(LIST, Fault::Errcode(88000, "without comment privilege"));
    account
        .command(&["comments", "list", ARTICLE])
        .failed()
        .complains("留言");
    for wrong in [
        &["comments", "list"][..],
        &["comments", "list", "2247490001_1"],
        &["comments", "list", ARTICLE, "--index", "0"],
        &["comments", "list", ARTICLE, "--starred", "--ordinary"],
        &["comments", "star", ARTICLE],
        &["comments", "reply", ARTICLE, "42", " "],
    ] {
        account.command(wrong).refused();
    }
}

#[test]
fn comments_are_closed_and_opened_again() {
    let platform = Platform::start();
    fill(&platform, 1);
    let account = account(&platform);
    account
        .command(&["comments", "close", ARTICLE, "--index", "2"])
        .ok()
        .says("comments on article 2 of 2247490001 are closed");
    let closed = platform.comments(|comments| comments.closed.clone());
    assert_eq!(closed, [(2_247_490_001, 1)]);
    let open = ["comments", "open", ARTICLE, "--index", "2", "--json"];
    assert_eq!(
        account.command(&open).json(),
        json!({"msg_data_id": 2_247_490_001_u64, "index": 2})
    );
    assert!(platform.comments(|comments| comments.closed.is_empty()));
}

#[test]
fn a_comment_is_starred_answered_once_and_deleted_after_confirmation() {
    let platform = Platform::start();
    fill(&platform, 3);
    let account = account(&platform);
    let run = |what: &str, more: &[&str]| {
        let line = ["comments", what, ARTICLE, "3", "--index", "2"];
        account.command(&[&line[..], more].concat())
    };
    let third = || platform.comments(|comments| comments.list[0].clone());
    run("star", &[]).ok().says("comment 3 is starred");
    assert_eq!(third()["comment_type"], 1);
    run("unstar", &[])
        .ok()
        .says("comment 3 is no longer starred");
    assert_eq!(third()["comment_type"], 0);

    run("reply", &["谢谢您的留言"]).ok();
    assert_eq!(third()["reply"]["content"], "谢谢您的留言");
    run("reply", &["again"])
        .failed()
        .complains("takes only one")
        .complains("wechatd comments delete --reply");
    run("delete", &["--reply"]).refused().complains("--yes");
    run("delete", &["--reply", "--yes"]).ok();
    assert_eq!(third()["reply"], Value::Null);
    run("delete", &["--reply", "--yes"])
        .failed()
        .complains("88009");

    run("delete", &[]).refused().complains("Delete comment 3");
    assert_eq!(third()["user_comment_id"], 3);
    let deleted = run("delete", &["--yes", "--json"]).json();
    assert_eq!(
        deleted,
        json!({"msg_data_id": 2_247_490_001_u64, "index": 2, "user_comment_id": 3})
    );
    assert_eq!(third()["user_comment_id"], 2);
    run("star", &[])
        .failed()
        .complains("there is no such comment")
        .complains("wechatd comments list");
}
