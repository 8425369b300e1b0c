//! The samples of content and web pages: material, articles, pictures of QR codes, log-in.

use std::num::NonZeroU32;

use serde_json::json;

use super::{AMY, BINARY, Case, MEDIA, THUMB, case};
use crate::api::Client;
use crate::api::article::Deleted;
use crate::api::comment::{CommentFilter, CommentName, CommentedArticle};
use crate::api::draft::{DraftArticle, NewsArticle, PictureMessage};
use crate::api::login::{Scope, authorize_url};
use crate::api::material::{MaterialType, VideoDescription};
use crate::api::media::MediaType;
use crate::api::tests::platform::{APP_ID, Platform, ok};
use crate::api::tests::samples::sample;

const TICKET: &str =
    "gQSYN0_8TAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xL1NZTlRIRVRJQwACBEVYQU0DBAAAAAA=";

pub fn cases() -> Vec<Case> {
    [material(), drafts(), articles(), comments(), web_pages()]
        .into_iter()
        .flatten()
        .collect()
}

fn material() -> Vec<Case> {
    vec![
        case(
            "showqrcode",
            |client| {
                let mut file = Vec::new();
                let saved = client.showqrcode(TICKET, &mut file)?;
                assert_eq!(file, BINARY.as_bytes());
                Ok(saved)
            },
            &["length: 7"],
        ),
        case(
            "media_get_jssdk",
            |client| {
                let mut file = Vec::new();
                let media = client.media_get_jssdk(MEDIA, &mut file)?;
                assert_eq!(file, BINARY.as_bytes());
                Ok(media)
            },
            &["length: 7"],
        ),
        case(
            "material_add_material",
            |client| client.add_material(MediaType::Image, "a.png", b"...", None),
            &[MEDIA, r#"url: Some("http://mmbiz.qpic.cn/SYN/0")"#],
        ),
        case(
            "material_add_material/video",
            |client| {
                let description = VideoDescription {
                    title: "Tour".to_owned(),
                    introduction: "90 s".to_owned(),
                };
                client.add_material(MediaType::Video, "v.mp4", b"...", Some(&description))
            },
            &[MEDIA, "url: None"],
        ),
        case(
            "material_get_material",
            |client| client.get_material(MEDIA, &mut Vec::new()),
            &[
                "News",
                r#"content: Some("<p>x</p>")"#,
                r#"author: Some("A")"#,
                "http://mp.weixin.qq.com/s?__biz=SYN",
                THUMB,
            ],
        ),
        case(
            "material_get_material/video",
            |client| client.get_material(MEDIA, &mut Vec::new()),
            &[
                r#"title: Some("Tour")"#,
                r#"description: Some("90 s")"#,
                "http://video.example.com/SYN.mp4",
            ],
        ),
        case(
            "material_get_material/other",
            |client| {
                let mut file = Vec::new();
                let material = client.get_material(MEDIA, &mut file)?;
                assert_eq!(file, BINARY.as_bytes());
                Ok(material)
            },
            &["length: 7", r#"content_type: Some("image/png")"#],
        ),
        case(
            "material_del_material",
            |client| client.del_material(MEDIA),
            &["()"],
        ),
        case(
            "material_get_materialcount",
            Client::get_materialcount,
            &["image_count: Some(12)", "video_count: Some(0)"],
        ),
        case(
            "material_batchget_material",
            |client| client.batchget_material(MaterialType::Image, 0, 20),
            &[
                "total_count: Some(1)",
                r#"name: Some("a.png")"#,
                "update_time: Some(1767235000)",
                MEDIA,
            ],
        ),
    ]
}

/// The article of the samples.
fn news(title: &str) -> NewsArticle {
    NewsArticle {
        title: title.to_owned(),
        author: "A".to_owned(),
        digest: "D".to_owned(),
        content: "<p>x</p>".to_owned(),
        thumb_media_id: THUMB.to_owned(),
        ..NewsArticle::default()
    }
}

/// The picture message of the samples.
fn pictures() -> DraftArticle {
    let crop = json!({"ratio": "1_1", "x1": "0.166454", "y1": "0", "x2": "0.833545", "y2": "1"});
    DraftArticle::Pictures(PictureMessage {
        article_type: "newspic".to_owned(),
        title: "P".to_owned(),
        content: "plain text".to_owned(),
        need_open_comment: 0,
        only_fans_can_comment: 0,
        image_info: json!({"image_list": [{"image_media_id": MEDIA}]}),
        cover_info: Some(json!({ "crop_percent_list": [crop] })),
        product_info: None,
    })
}

fn drafts() -> Vec<Case> {
    let kind = || Some("news".to_owned());
    vec![
        case(
            "draft_add",
            |client| client.draft_add(&[DraftArticle::News(news("T"))]),
            &[MEDIA],
        ),
        case(
            "draft_add_newspic",
            |client| client.draft_add(&[pictures()]),
            &[MEDIA],
        ),
        case(
            "draft_add_newspic/news_with_crop",
            move |client| {
                client.draft_add(&[DraftArticle::News(NewsArticle {
                    article_type: kind(),
                    pic_crop_235_1: Some("0.1945_0_1_0.5236".to_owned()),
                    pic_crop_1_1: Some("0.166454_0_0.833545_1".to_owned()),
                    ..news("T")
                })])
            },
            &[MEDIA],
        ),
        case(
            "draft_add_newspic/with_item",
            |client| client.draft_add(&[pictures()]),
            &[MEDIA],
        ),
        case(
            "draft_get",
            |client| client.draft_get(MEDIA),
            &[
                r#"title: Some("T")"#,
                r#"content: Some("<p>x</p>")"#,
                "tempkey=SYN",
                THUMB,
                "need_open_comment",
            ],
        ),
        case(
            "draft_get/picture_message",
            |client| client.draft_get(MEDIA),
            &[r#"title: Some("P")"#, "author: None", "image_media_id"],
        ),
        case(
            "draft_get/with_times",
            |client| client.draft_get(MEDIA),
            &[r#"title: Some("T")"#],
        ),
        case(
            "draft_update",
            move |client| {
                let article = NewsArticle {
                    article_type: kind(),
                    ..news("T2")
                };
                client.draft_update(MEDIA, NonZeroU32::MIN, &DraftArticle::News(article))
            },
            &["()"],
        ),
        case("draft_delete", |client| client.draft_delete(MEDIA), &["()"]),
        case(
            "draft_batchget",
            |client| client.draft_batchget(0, 20, false),
            &[
                "total_count: Some(21)",
                MEDIA,
                r#"title: Some("T")"#,
                r#"title: Some("P")"#,
                "content: None",
                "update_time: Some(1767232000)",
            ],
        ),
        case(
            "draft_batchget/with_content",
            |client| client.draft_batchget(20, 20, true),
            &[r#"content: Some("<p>x</p>")"#],
        ),
        case(
            "draft_batchget/no_content_key_at_all",
            |client| client.draft_batchget(0, 20, false),
            &[MEDIA, "articles: []"],
        ),
        case(
            "draft_batchget/empty",
            |client| client.draft_batchget(0, 20, false),
            &["total_count: Some(0), items: []"],
        ),
    ]
}

fn articles() -> Vec<Case> {
    let state = |client: &Client| client.freepublish_get("2247500010");
    vec![
        case(
            "freepublish_batchget",
            |client| client.freepublish_batchget(0, 20, false),
            &[
                "total_count: Some(1)",
                r#"article_id: "SYN_ARTICLE_1""#,
                "mid=2247490001",
                "is_deleted: Some(false)",
                "update_time: Some(1767236000)",
            ],
        ),
        case(
            "freepublish_batchget/with_deleted",
            |client| client.freepublish_batchget(0, 20, true),
            &["is_deleted: Some(true)", r#"content: Some("<p>x</p>")"#],
        ),
        case(
            "freepublish_batchget/empty",
            |client| client.freepublish_batchget(0, 20, false),
            &["items: []"],
        ),
        case(
            "freepublish_getarticle",
            |client| client.freepublish_getarticle("SYN_ARTICLE_1"),
            &[r#"content: Some("<p>x</p>")"#, "http://mmbiz.qpic.cn/SYN/0"],
        ),
        case(
            "freepublish_delete",
            |client| client.freepublish_delete("SYN_ARTICLE_1", Deleted::One(NonZeroU32::MIN)),
            &["()"],
        ),
        case(
            "freepublish_submit_now",
            |client| client.freepublish_submit(MEDIA),
            &[r#"msg_data_id: Some("2247490001")"#],
        ),
        case(
            "freepublish_submit_now/numbers",
            |client| client.freepublish_submit(MEDIA),
            &[r#"publish_id: "2247500010", msg_data_id: Some("2247490001")"#],
        ),
        case(
            "freepublish_get_states",
            state,
            &["status: UnderWay", "article_id: None"],
        ),
        case(
            "freepublish_get_states/publishing_with_fail_idx",
            state,
            &["status: UnderWay", "failed: Some([1])"],
        ),
        case(
            "freepublish_get_states/originality",
            state,
            &["status: NotOriginal", "failed: Some([1, 2])"],
        ),
        case(
            "freepublish_get_states/refused",
            state,
            &["status: Refused"],
        ),
        case(
            "freepublish_get_states/deleted_later",
            state,
            &["status: Deleted"],
        ),
        case(
            "freepublish_get_states/banned_later",
            state,
            &["status: Banned"],
        ),
        case(
            "freepublish_submit",
            |client| client.freepublish_submit(MEDIA),
            &[r#"publish_id: "2247500010""#],
        ),
        case(
            "freepublish_get",
            |client| client.freepublish_get("2247500010"),
            &[
                "status: Published",
                r#"article_id: Some("SYN_ARTICLE_1")"#,
                r#"article_urls: ["https://mp.weixin.qq.com/s/SYNTHETIC_3"]"#,
                "failed: Some([])",
            ],
        ),
    ]
}

fn comments() -> Vec<Case> {
    let article = CommentedArticle {
        msg_data_id: 2_247_490_001,
        index: NonZeroU32::MIN,
    };
    let comment = CommentName {
        article,
        user_comment_id: 42,
    };
    let list = move |client: &Client| client.comment_list(article, CommentFilter::All, 0, 49);
    vec![
        case(
            "comment_open",
            move |client| client.comment_open(article),
            &["()"],
        ),
        case(
            "comment_close",
            move |client| client.comment_close(article),
            &["()"],
        ),
        case(
            "comment_list",
            list,
            &[
                "total: Some(2)",
                "user_comment_id: 42",
                AMY,
                r#"content: Some("很有用 👍")"#,
                "comment_type: Some(1)",
                r#"reply: Some(CommentReply { content: Some("谢谢"), create_time: Some(1767232600) })"#,
                "user_comment_id: 43, openid: None",
                "reply: None",
            ],
        ),
        case(
            "comment_list/reply_as_array",
            list,
            &[r#"reply: Some(CommentReply { content: Some("r"), create_time: Some(1767232600) })"#],
        ),
        case("comment_list/none", list, &["total: Some(0), comments: []"]),
        case(
            "comment_list/none_but_counted",
            list,
            &["total: Some(0), comments: []"],
        ),
        case(
            "comment_markelect",
            move |client| client.comment_markelect(comment),
            &["()"],
        ),
        case(
            "comment_unmarkelect",
            move |client| client.comment_unmarkelect(comment),
            &["()"],
        ),
        case(
            "comment_delete",
            move |client| client.comment_delete(comment),
            &["()"],
        ),
        case(
            "comment_reply_add",
            move |client| client.comment_reply_add(comment, "谢谢您的留言"),
            &["()"],
        ),
        case(
            "comment_reply_delete",
            move |client| client.comment_reply_delete(comment),
            &["()"],
        ),
    ]
}

fn web_pages() -> Vec<Case> {
    vec![
        case(
            "sns_access_token",
            |client| {
                let log_in = client.sns_access_token("SYNCODE")?;
                assert_eq!(log_in.access_token.expose(), "SYN_USER_TOKEN");
                let refresh_token = log_in.refresh_token.as_ref().unwrap();
                assert_eq!(refresh_token.expose(), "SYN_REFRESH");
                Ok(log_in)
            },
            &[
                AMY,
                "access_token: ***",
                "refresh_token: Some(***)",
                "expires_in: Some(7200)",
                "oSynUnion_6bmasdsad6_2sgVt7h",
                r#"scope: Some("snsapi_userinfo")"#,
                "is_snapshot: true",
            ],
        ),
        case(
            "sns_refresh_token",
            |client| {
                let log_in = client.sns_refresh_token("SYN_REFRESH")?;
                assert_eq!(log_in.access_token.expose(), "SYN_USER_TOKEN2");
                Ok(log_in)
            },
            &[AMY, "unionid: None", "is_snapshot: false"],
        ),
        case(
            "sns_userinfo",
            |client| client.sns_userinfo("SYN_USER_TOKEN", AMY),
            &[
                "Syn 😀",
                "https://thirdwx.qlogo.cn/mmopen/SYN/132",
                "sex: Some(0)",
            ],
        ),
        case(
            "sns_auth",
            |client| client.sns_auth("SYN_USER_TOKEN", AMY),
            &["()"],
        ),
    ]
}

#[test]
fn the_address_that_asks_who_opens_a_page_is_as_documented() {
    let sample = sample("oauth2_authorize");
    let query = &sample["query"];
    // The order matters, but the parsed sample has lost it.
    let query = ["appid", "redirect_uri", "response_type", "scope", "state"]
        .map(|name| format!("{name}={}", query[name].as_str().unwrap()));
    let expected = format!(
        "{}?{}#wechat_redirect",
        sample["url"].as_str().unwrap(),
        query.join("&")
    );
    let url = authorize_url(APP_ID, "https://www.example.com/cb", Scope::Base, "s1");
    assert_eq!(url.unwrap(), expected);
    assert_eq!(sample["query"].as_object().unwrap().len(), query.len());
}

#[test]
fn calls_for_web_pages_leave_the_account_s_token_alone_and_show_no_token() {
    for (name, refusal) in [
        (
            "sns_userinfo",
            r#"{"errcode":42001,"errmsg":"access_token expired SYN_USER_TOKEN"}"#,
        ),
        (
            "sns_auth",
            r#"{"errcode":40001,"errmsg":"invalid credential SYN_USER_TOKEN"}"#,
        ),
        (
            "sns_refresh_token",
            r#"{"errcode":42002,"errmsg":"refresh_token expired SYN_REFRESH"}"#,
        ),
        (
            "sns_access_token",
            r#"{"errcode":-1,"errmsg":"system error SYNCODE"}"#,
        ),
    ] {
        let platform = Platform::scripted(vec![ok(refusal)]);
        let case = cases().into_iter().find(|case| case.sample == name);
        let error = (case.unwrap().make)(&platform.client()).unwrap_err();
        let error = error.to_string();
        assert!(!error.contains("SYN"), "{error}");
        assert_eq!(platform.calls().len(), 1, "{name}: {:?}", platform.paths());
    }
}
