//! The samples of content and web pages: material, articles, pictures of QR codes, log-in.

use std::num::NonZeroU32;

use super::{AMY, BINARY, Case, MEDIA, THUMB, case};
use crate::api::Client;
use crate::api::article::DraftArticle;
use crate::api::comment::{CommentFilter, CommentName, CommentedArticle};
use crate::api::login::{Scope, authorize_url};
use crate::api::material::{MaterialType, VideoDescription};
use crate::api::media::MediaType;
use crate::api::tests::platform::{APP_ID, Platform, ok};
use crate::api::tests::samples::sample;

const TICKET: &str =
    "gQSYN0_8TAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xL1NZTlRIRVRJQwACBEVYQU0DBAAAAAA=";

pub fn cases() -> Vec<Case> {
    [material(), articles(), comments(), web_pages()]
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

fn articles() -> Vec<Case> {
    vec![
        case(
            "draft_add",
            |client| {
                client.draft_add(&[DraftArticle {
                    title: "T".to_owned(),
                    author: "A".to_owned(),
                    digest: "D".to_owned(),
                    content: "<p>x</p>".to_owned(),
                    content_source_url: String::new(),
                    thumb_media_id: THUMB.to_owned(),
                    need_open_comment: 0,
                    only_fans_can_comment: 0,
                }])
            },
            &[MEDIA],
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
