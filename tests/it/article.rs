//! Articles: drafts from a file, and publishing them.

use crate::support::*;
use serde_json::json;

const DRAFT: &str = "/cgi-bin/draft/add";
const SUBMIT: &str = "/cgi-bin/freepublish/submit";
const STATUS: &str = "/cgi-bin/freepublish/get";

const OPEN_DAY: &str = r#"{"title": "Open day 开放日", "content": "<p>On Saturday</p>", "thumb_media_id": "SYN_cover"}"#;

fn account(platform: &Platform) -> Account {
    let account = Setup::new().platform(platform).stopped();
    std::fs::write(account.folder().join("day.json"), OPEN_DAY).unwrap();
    account
}

#[test]
fn a_draft_is_made_from_a_file_and_mass_send_explains_how() {
    let platform = Platform::start();
    let account = account(&platform);
    let ran = account.command(&["article", "draft", "day.json"]);
    assert_eq!(ran.ok().stdout, "SYN_draft_1\n");
    assert_eq!(
        platform.bodies(DRAFT),
        [
            json!({"articles": [{"title": "Open day 开放日", "author": "", "digest": "", "content": "<p>On Saturday</p>",
            "content_source_url": "", "thumb_media_id": "SYN_cover", "need_open_comment": 0,
            "only_fans_can_comment": 0}]})
        ]
    );
    let call = platform.calls().pop().unwrap();
    assert!(
        call.body.contains("开放日"),
        "raw UTF-8, no escapes: {}",
        call.body
    );
    let json = account
        .command(&["article", "draft", "day.json", "--json"])
        .json();
    assert_eq!(json, json!({"media_id": "SYN_draft_2", "articles": 1}));
    account
        .command(&["mass", "send", "--article", "day.json", "--all", "--yes"])
        .refused()
        .complains("wechatd article draft day.json");
}

#[test]
fn an_invalid_draft_file_is_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    for (text, why) in [
        ("", "the JSON ends too early"),
        ("[]", "no article"),
        (r#"{"titel": "T"}"#, "titel"),
        (
            &OPEN_DAY.replace("SYN_cover", ""),
            "article 1: it has no thumb_media_id",
        ),
    ] {
        std::fs::write(account.folder().join("wrong.json"), text).unwrap();
        account
            .command(&["article", "draft", "wrong.json"])
            .refused()
            .complains("wrong.json")
            .complains(why);
    }
    account
        .command(&["article", "draft", "none.json"])
        .refused();
    assert_eq!(platform.count(DRAFT), 0);
}

#[test]
fn a_draft_is_not_retried_when_the_answer_is_lost() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.fault(DRAFT, Fault::Truncated);
    account
        .command(&["article", "draft", "day.json"])
        .may_be_done()
        .complains("the draft may have been kept");
    assert_eq!(platform.count(DRAFT), 1);
    platform.fault(DRAFT, Fault::Errcode(53404, "account banned"));
    account
        .command(&["article", "draft", "day.json"])
        .failed()
        .complains("53404")
        .complains("mp.weixin.qq.com");
}

#[test]
fn a_draft_is_published_only_after_confirmation() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["article", "publish", "SYN_draft_1"])
        .refused()
        .complains("--yes");
    assert_eq!(platform.count(SUBMIT), 0);
    let ran = account.command(&["article", "publish", "SYN_draft_1", "--yes"]);
    assert_eq!(ran.ok().stdout, "2247500010\n");
    assert_eq!(
        platform.bodies(SUBMIT),
        [json!({"media_id": "SYN_draft_1"})]
    );
    platform.fault(
        SUBMIT,
        Fault::Errcode(53503, "draft did not pass publish check"),
    );
    account
        .command(&["article", "publish", "SYN_draft_1", "--yes"])
        .failed()
        .complains("publish it in the console");
    platform.fault(SUBMIT, Fault::Closed);
    account
        .command(&["article", "publish", "SYN_draft_1", "--yes"])
        .may_be_done()
        .complains("may be published all the same");
    assert_eq!(platform.count(SUBMIT), 3);
}

#[test]
fn status_shows_the_progress_of_a_publication_and_its_links() {
    let platform = Platform::start();
    let account = account(&platform);
    account
        .command(&["article", "status", "2247500010"])
        .ok()
        .says("status      published")
        .says("article_id  SYN_ARTICLE_1")
        .says("https://mp.weixin.qq.com/s/SYNTHETIC_3");
    let refused = json!({"publish_id": 2_247_500_010_u64, "publish_status": 4, "fail_idx": [2, 3]});
    platform.always(STATUS, Fault::Body(refused.to_string()));
    account
        .command(&["article", "status", "2247500010"])
        .ok()
        .says("WeChat refused it")
        .says("article 2, 3");
    let json = account
        .command(&["article", "status", "2247500010", "--json"])
        .json();
    assert_eq!(json["publish_status"], 4);
    assert_eq!(json["fail_idx"], json!([2, 3]));
    assert_eq!(
        platform.bodies(STATUS)[0],
        json!({"publish_id": "2247500010"})
    );
}

/// The push of a finished publication.
fn published(status: &str, more: &str) -> Push {
    let body = String::from_utf8(
        event("PUBLISHJOBFINISH")
            .from("oSyn1cPlatformHelper00000001")
            .body(),
    )
    .unwrap();
    let info = format!(
        "<PublishEventInfo><publish_id>2247500010</publish_id><publish_status>{status}</publish_status>{more}</PublishEventInfo></xml>"
    );
    raw(body.replace("</xml>", &info))
}

#[test]
fn a_publication_is_recorded_with_its_result_and_msg_data_id() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    let list = || account.command(&["article", "status"]);
    list().ok().says("nothing was published");
    let answer = json!({"errcode": 0, "errmsg": "ok", "publish_id": 2_247_500_010_u64, "msg_data_id": 2_247_500_011_u64});
    platform.fault(SUBMIT, Fault::Body(answer.to_string()));
    let publish = ["article", "publish", "SYN_draft_1", "--yes", "--json"];
    let json = account.command(&publish).json();
    assert_eq!(
        json,
        json!({"publish_id": "2247500010", "msg_data_id": "2247500011"})
    );
    list()
        .ok()
        .says("2247500010")
        .says("2247500011")
        .says("no result yet");
    let detail = "<article_id><![CDATA[SYN_ARTICLE_1]]></article_id><article_detail><count>2</count>\
                  <item><idx>1</idx><article_url><![CDATA[https://a/1]]></article_url></item>\
                  <item><idx>2</idx><article_url><![CDATA[https://a/2]]></article_url></item></article_detail>";
    account.post(&published("0", detail)).is_success();
    let row =
        "SELECT kind, msg_id, msg_data_id, status, article_id, article_urls, content FROM jobs";
    account.store().is(
        row,
        &["publish|2247500010|2247500011|0|SYN_ARTICLE_1|https://a/1\nhttps://a/2|SYN_draft_1"],
    );
    list().ok().says("SYN_ARTICLE_1").says("published");
    account
        .command(&["article", "status", "2247500010"])
        .ok()
        .says("msg_data_id  2247500011")
        .says("reported");
    let json = account
        .command(&["article", "status", "2247500010", "--json"])
        .json();
    assert_eq!(json["msg_data_id"], "2247500011");
    assert_eq!(json["job"]["article_id"], "SYN_ARTICLE_1");
    // Deleted later: its article id is still known.
    account.post(&published("5", "")).is_success();
    let row = "SELECT status, article_id FROM jobs";
    account.store().is(row, &["5|SYN_ARTICLE_1"]);
    list().ok().says("its articles were del");
    let json = account.command(&["article", "status", "--json"]).json();
    assert_eq!(json[0]["status"], "5");
}

#[test]
fn publications_by_another_program_and_those_without_an_answer_are_recorded() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account
        .post(&published(
            "2",
            "<fail_idx>1</fail_idx><fail_idx>3</fail_idx>",
        ))
        .is_success();
    account.store().is(
        "SELECT kind, msg_id, status, fail_idx, openid FROM jobs",
        &["publish|2247500010|2|1,3|NULL"],
    );
    let publish = ["article", "publish", "SYN_draft_1", "--yes"];
    platform.fault(SUBMIT, Fault::Closed);
    account.command(&publish).may_be_done();
    account
        .command(&["article", "status"])
        .ok()
        .says("WeChat did not say");
    platform.fault(
        SUBMIT,
        Fault::Errcode(53503, "draft did not pass publish check"),
    );
    account.command(&publish).failed();
    assert_eq!(account.store().count("jobs"), 2);
    // A result that came before its publication is matched with it.
    account.command(&publish).ok();
    account.store().is(
        "SELECT msg_id, status, content FROM jobs WHERE msg_id IS NOT NULL",
        &["2247500010|2|SYN_draft_1"],
    );
}
