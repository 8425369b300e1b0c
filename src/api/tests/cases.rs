//! The calls of the client for each sample.

mod content;
mod service;
mod statistics;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::Value;

use super::samples::sample;
use crate::api::custom::{
    Article, CustomMessage, MiniprogramPage, MsgMenu, MsgMenuItem, Music, Sender, Video,
};
use crate::api::mass::{MassMessage, MassTarget, PreviewTarget};
use crate::api::media::MediaType;
use crate::api::network::CheckAction;
use crate::api::qrcode::{Life, Scene};
use crate::api::template::{Miniprogram, TemplateMessage, TemplateValue};
use crate::api::{ApiError, Client};
use crate::wechat::menu::{Button, MatchRule, Tap};

const AMY: &str = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
const BOB: &str = "oSyn1bN2_yKd8GfJ6sHqRt5EwVx0";
const MEDIA: &str = "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df";
const THUMB: &str = "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh";
const TEMPLATE: &str = "SYNtpl_VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3";

/// Samples without a call: URLs that a browser is sent to, which are only built.
pub const ADDRESSES: &[&str] = &["oauth2_authorize"];

pub type Make = Box<dyn Fn(&Client) -> Result<String, ApiError>>;

/// One call for one sample, or for one of its examples.
pub struct Case {
    pub sample: &'static str,
    /// The example's name; empty for the sample itself.
    pub example: &'static str,
    pub make: Make,
    /// What the `Debug` text of the answer must contain.
    pub understood: &'static [&'static str],
}

fn case<T: Debug>(
    name: &'static str,
    make: impl Fn(&Client) -> Result<T, ApiError> + 'static,
    understood: &'static [&'static str],
) -> Case {
    let (sample, example) = name.split_once('/').unwrap_or((name, ""));
    let make = Box::new(move |client: &Client| make(client).map(|answer| format!("{answer:?}")));
    Case {
        sample,
        example,
        make,
        understood,
    }
}

fn send(name: &'static str, message: CustomMessage) -> Case {
    send_as(name, message, Sender::default())
}

fn send_as(name: &'static str, message: CustomMessage, sender: Sender) -> Case {
    case(
        name,
        move |client| client.custom_send(AMY, &message, &sender),
        &["()"],
    )
}

fn menu() -> Vec<Button> {
    let button = |name: &str, tap| Button {
        name: name.to_owned(),
        tap,
    };
    let key = |kind, key: &str| Tap::Key {
        kind,
        key: key.to_owned(),
    };
    let url = "https://www.example.com/shop".to_owned();
    vec![
        button("Today", key("click", "MENU_TODAY")),
        button(
            "Tools",
            Tap::SubButton(vec![
                button("Shop", Tap::View { url }),
                button(
                    "App",
                    Tap::Miniprogram {
                        url: "https://www.example.com/fallback".to_owned(),
                        appid: "wx00aa11bb22cc33dd".to_owned(),
                        pagepath: "pages/index/index".to_owned(),
                    },
                ),
                button("Scan", key("scancode_waitmsg", "SCAN_B")),
                button("Photo", key("pic_photo_or_album", "PIC_ANY")),
                button("Place", key("location_select", "LOC_PICK")),
            ]),
        ),
        button(
            "More",
            Tap::SubButton(vec![
                button(
                    "Article",
                    Tap::Article {
                        kind: "article_id",
                        article_id: "SYN_ARTICLE_1".to_owned(),
                    },
                ),
                button(
                    "Picture",
                    Tap::Media {
                        kind: "media_id",
                        media_id: MEDIA.to_owned(),
                    },
                ),
            ]),
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    let media_id = || MEDIA.to_owned();
    let text = |content: &str| CustomMessage::Text {
        content: content.to_owned(),
    };
    let mass = |content: &str| MassMessage::Text {
        content: content.to_owned(),
    };
    let mut cases = vec![
        case("token", Client::token, &["SYN_ACCESS_TOKEN"]),
        case("stable_token", Client::token, &["SYN_STABLE_TOKEN"]),
        case(
            "ticket_getticket",
            Client::ticket,
            &["SYNticket_kgt8ON7yVITDhtdwci0qeS"],
        ),
        case(
            "getcallbackip",
            Client::getcallbackip,
            &["203.0.113.10", "203.0.113.128/25"],
        ),
        case(
            "get_api_domain_ip",
            Client::get_api_domain_ip,
            &["198.51.100.64/26"],
        ),
        case(
            "callback_check",
            |client| client.callback_check(CheckAction::All),
            &[
                r#"real_operator: Some("UNICOM")"#,
                r#"package_loss: Some("0%")"#,
            ],
        ),
        case("clear_quota", Client::clear_quota, &["()"]),
        case("clear_quota_v2", Client::clear_quota_v2, &["()"]),
        case(
            "openapi_quota_get",
            |client| client.openapi_quota_get("/cgi-bin/message/custom/send"),
            &["remain: Some(499988)", "call_count: Some(5000)"],
        ),
        case(
            "openapi_rid_get",
            |client| client.openapi_rid_get("66f0a1b2-1c2d3e4f-5a6b7c8d"),
            &["cost_in_ms: Some(30)", "203.0.113.9"],
        ),
        case(
            "user_info",
            |client| client.user_info(AMY),
            &[
                "subscribe: Some(1)",
                "tagid_list: Some([128, 2])",
                "qr_scene: Some(98765)",
                "VIP",
            ],
        ),
        case(
            "user_info/current_minimal_shape",
            |client| client.user_info(AMY),
            &["nickname: None"],
        ),
        case(
            "user_info/not_following",
            |client| client.user_info(AMY),
            &["subscribe: Some(0)", BOB, "subscribe_time: None"],
        ),
        case(
            "user_info_batchget",
            |client| client.user_info_batch(&[AMY, BOB]),
            &["ADD_SCENE_SEARCH", "subscribe: Some(0)"],
        ),
        case(
            "user_get",
            |client| client.user_get(""),
            &["total: Some(2)", AMY, BOB],
        ),
        case(
            "user_get/after_last_page",
            |client| client.user_get(BOB),
            &["openids: []", "next_openid: None"],
        ),
        case(
            "user_updateremark",
            |client| client.updateremark(AMY, "VIP 上海"),
            &["()"],
        ),
        case(
            "tags_create",
            |client| client.tags_create("wholesale"),
            &["id: 134"],
        ),
        case("tags_get", Client::tags_get, &["星标组", "count: Some(5)"]),
        case(
            "tags_update",
            |client| client.tags_update(134, "retail"),
            &["()"],
        ),
        case("tags_delete", |client| client.tags_delete(134), &["()"]),
        case(
            "user_tag_get",
            |client| client.user_tag_get(134, ""),
            &["total: None", AMY, BOB],
        ),
        case(
            "tags_members_batchtagging",
            |client| client.batchtagging(134, &[AMY, BOB]),
            &["[]"],
        ),
        case(
            "tags_members_batchuntagging",
            |client| client.batchuntagging(134, &[AMY]),
            &["[]"],
        ),
        case(
            "tags_getidlist",
            |client| client.tags_getidlist(AMY),
            &["[134, 2]"],
        ),
        case(
            "tags_getblacklist",
            |client| client.getblacklist(""),
            &["total: Some(1)", BOB],
        ),
        case(
            "tags_batchblacklist",
            |client| client.batchblacklist(&[BOB]),
            &["()"],
        ),
        case(
            "tags_batchunblacklist",
            |client| client.batchunblacklist(&[BOB]),
            &["()"],
        ),
        case("menu_create", |client| client.menu_create(&menu()), &["()"]),
        case(
            "menu_get",
            Client::menu_get,
            &[
                r#"tap: Key { kind: "click", key: "MENU_TODAY" }"#,
                r#"tag_id: Some("134"), client_platform_type: Some("2")"#,
                r#"menuid: "430012346""#,
            ],
        ),
        case("menu_delete", Client::menu_delete, &["()"]),
        case(
            "menu_addconditional",
            |client| {
                let rule = MatchRule {
                    tag_id: Some("134".to_owned()),
                    client_platform_type: Some("2".to_owned()),
                    ..MatchRule::default()
                };
                client.menu_addconditional(&menu()[..1], &rule)
            },
            &["430012346"],
        ),
        case(
            "menu_delconditional",
            |client| client.menu_delconditional("430012346"),
            &["()"],
        ),
        case(
            "menu_trymatch",
            |client| client.menu_trymatch(AMY),
            &[r#"View { url: "https://www.example.com/vip" }"#],
        ),
        case(
            "get_current_selfmenu_info",
            Client::get_current_selfmenu_info,
            &[
                "is_menu_open: true",
                r#"Other { kind: "text", fields: {"value": String("hello")} }"#,
                "SubButton",
                "news_info",
            ],
        ),
        case(
            "qrcode_create_temp_int",
            |client| client.qrcode_create(&Scene::Id(10086), Life::Temporary(604_800)),
            &[
                "expire_seconds: Some(604800)",
                "http://weixin.qq.com/q/SYNTHETIC",
            ],
        ),
        case(
            "qrcode_create_permanent_str",
            |client| {
                client.qrcode_create(&Scene::Text("shop_12|desk_3".to_owned()), Life::Permanent)
            },
            &["gQSYNperm", "expire_seconds: None"],
        ),
        send("custom_send", text("hello 您好")),
        send(
            "custom_send/image",
            CustomMessage::Image {
                media_id: media_id(),
            },
        ),
        send(
            "custom_send/voice",
            CustomMessage::Voice {
                media_id: media_id(),
            },
        ),
        send(
            "custom_send/video",
            CustomMessage::Video(Video {
                media_id: media_id(),
                thumb_media_id: THUMB.to_owned(),
                title: "Tour".to_owned(),
                description: "90 s".to_owned(),
            }),
        ),
        send(
            "custom_send/music",
            CustomMessage::Music(Music {
                title: "Song".to_owned(),
                description: "demo".to_owned(),
                musicurl: "https://media.example.com/a.mp3".to_owned(),
                hqmusicurl: "https://media.example.com/a-hq.mp3".to_owned(),
                thumb_media_id: THUMB.to_owned(),
            }),
        ),
        send(
            "custom_send/news",
            CustomMessage::News {
                articles: [Article {
                    title: "Hours".to_owned(),
                    description: "Spring".to_owned(),
                    url: "https://www.example.com/hours".to_owned(),
                    picurl: "https://media.example.com/cover.jpg".to_owned(),
                }],
            },
        ),
        send(
            "custom_send/mpnews",
            CustomMessage::Mpnews {
                media_id: media_id(),
            },
        ),
        send(
            "custom_send/mpnewsarticle",
            CustomMessage::Mpnewsarticle {
                article_id: "SYN_ARTICLE_1".to_owned(),
            },
        ),
        send(
            "custom_send/msgmenu",
            CustomMessage::Msgmenu(MsgMenu {
                head_content: "How was the service?".to_owned(),
                list: [("101", "Good"), ("102", "Bad")]
                    .map(|(id, content)| MsgMenuItem {
                        id: id.to_owned(),
                        content: content.to_owned(),
                    })
                    .into(),
                tail_content: "Thank you".to_owned(),
            }),
        ),
        send(
            "custom_send/wxcard",
            CustomMessage::Wxcard {
                card_id: "pSynCard0Fjwsy5fVPRBeD78J4Rm".to_owned(),
            },
        ),
        send(
            "custom_send/miniprogrampage",
            CustomMessage::Miniprogrampage(MiniprogramPage {
                title: "Book".to_owned(),
                appid: "wx00aa11bb22cc33dd".to_owned(),
                pagepath: "pages/book/index?d=3".to_owned(),
                thumb_media_id: THUMB.to_owned(),
            }),
        ),
        send_as(
            "custom_send/as_agent",
            text("Amy here"),
            Sender {
                kf_account: Some("amy@shop_demo".to_owned()),
                is_ai: false,
            },
        ),
        send_as(
            "custom_send/ai_marker",
            text("automatic answer"),
            Sender {
                kf_account: None,
                is_ai: true,
            },
        ),
        case(
            "getkflist",
            Client::getkflist,
            &[
                r#"kf_id: Some("1001")"#,
                r#"kf_id: Some("1002")"#,
                "waiting",
            ],
        ),
        case(
            "getonlinekflist",
            Client::getonlinekflist,
            &["accepted_case: Some(2)"],
        ),
        case(
            "template_send",
            |client| {
                let value = |key: &str, value: &str| {
                    (
                        key.to_owned(),
                        TemplateValue {
                            value: value.to_owned(),
                        },
                    )
                };
                client.template_send(&TemplateMessage {
                    touser: AMY.to_owned(),
                    template_id: TEMPLATE.to_owned(),
                    url: Some("https://www.example.com/o/1".to_owned()),
                    miniprogram: Some(Miniprogram {
                        appid: "wx00aa11bb22cc33dd".to_owned(),
                        pagepath: "pages/o/1".to_owned(),
                    }),
                    client_msg_id: Some("order-1-paid".to_owned()),
                    data: BTreeMap::from([
                        value("thing1", "Blue mug"),
                        value("amount2", "39.80"),
                        value("time3", "2026-01-01 12:00"),
                    ]),
                })
            },
            &["4250000000000000001"],
        ),
        case(
            "template_get_all_private_template",
            Client::get_all_private_template,
            &["Order paid", "互联网"],
        ),
        case(
            "mass_sendall",
            |client| {
                let message = MassMessage::Mpnews {
                    media_id: MEDIA.to_owned(),
                };
                client.mass_send(&MassTarget::Tag(134), &message, Some("send_tag_134"))
            },
            &[
                r#"msg_id: Some("1000002301")"#,
                r#"msg_data_id: Some("206227730")"#,
                "repeated: false",
            ],
        ),
        case(
            "mass_sendall/text",
            move |client| client.mass_send(&MassTarget::All, &mass("hello all"), None),
            &["1000002301"],
        ),
        case(
            "mass_sendall/images",
            |client| {
                let message = MassMessage::Images {
                    media_ids: vec![MEDIA.to_owned()],
                    recommend: "nice".to_owned(),
                    need_open_comment: 1,
                    only_fans_can_comment: 0,
                };
                client.mass_send(&MassTarget::Tag(134), &message, None)
            },
            &["1000002301"],
        ),
        case(
            "mass_sendall/mpvideo",
            |client| {
                let message = MassMessage::Mpvideo {
                    media_id: MEDIA.to_owned(),
                };
                client.mass_send(&MassTarget::All, &message, None)
            },
            &["1000002301"],
        ),
        case(
            "mass_send",
            |client| {
                let sample = sample("mass_send");
                let request = &sample["request"];
                let openids = serde_json::from_value(request["touser"].clone()).unwrap();
                let message = mass_of(request);
                client.mass_send(
                    &MassTarget::Openids(openids),
                    &message,
                    request["clientmsgid"].as_str(),
                )
            },
            &[
                r#"msg_id: Some("1000002302")"#,
                r#"msg_data_id: Some("206227731")"#,
            ],
        ),
        case(
            "mass_preview",
            move |client| {
                client.mass_preview(&PreviewTarget::Openid(AMY.to_owned()), &mass("preview"))
            },
            &["34182"],
        ),
        case(
            "mass_preview/by_wechat_id",
            move |client| {
                client.mass_preview(
                    &PreviewTarget::WeChatId("syn_wechat_id".to_owned()),
                    &mass("preview"),
                )
            },
            &["34182"],
        ),
        case(
            "mass_get",
            |client| client.mass_get("1000002301"),
            &["SEND_SUCCESS"],
        ),
        case(
            "mass_delete",
            |client| client.mass_delete("1000002301", 0),
            &["()"],
        ),
        case(
            "media_upload",
            |client| client.media_upload(MediaType::Image, "a.jpg", b"..."),
            &[MEDIA, "created_at: Some(1767235000)"],
        ),
        case(
            "media_upload/thumb",
            |client| client.media_upload(MediaType::Thumb, "a.jpg", b"..."),
            &[THUMB],
        ),
        case(
            "media_uploadimg",
            |client| client.media_uploadimg("a.png", b"..."),
            &["http://mmbiz.qpic.cn/SYN/0"],
        ),
        case(
            "media_get/binary",
            |client| {
                let mut file = Vec::new();
                let media = client.media_get(MEDIA, &mut file)?;
                assert_eq!(file, BINARY.as_bytes());
                Ok(media)
            },
            &[
                "length: 7",
                r#"content_type: Some("image/jpeg")"#,
                r#"filename: Some("SYN.jpg")"#,
            ],
        ),
        case(
            "media_get/video",
            |client| client.media_get(MEDIA, &mut Vec::new()),
            &["http://video.example.com/SYN.mp4"],
        ),
    ];
    cases.extend(content::cases());
    cases.extend(service::cases());
    cases.extend(statistics::cases());
    cases
}

/// The platform's answer if a sample has headers but no body. The brace is not JSON.
pub const BINARY: &str = "{\u{1}JFIF\u{2}";

fn mass_of(request: &Value) -> MassMessage {
    match request["msgtype"].as_str() {
        Some("text") => MassMessage::Text {
            content: request["text"]["content"].as_str().unwrap().to_owned(),
        },
        Some("mpnews") => MassMessage::Mpnews {
            media_id: request["mpnews"]["media_id"].as_str().unwrap().to_owned(),
        },
        other => panic!("msgtype {other:?}"),
    }
}
