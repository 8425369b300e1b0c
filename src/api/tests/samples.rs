//! Every sample of the platform's API: what we send is what it documents, and what it answers,
//! success or error, is understood.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::platform::{APP_ID, APP_SECRET, Asked, Platform, Reply, Shelf, client_of, http};
use crate::api::custom::{
    Article, CustomMessage, MiniprogramPage, MsgMenu, MsgMenuItem, Music, Sender, Video,
};
use crate::api::mass::{MassMessage, MassTarget, PreviewTarget};
use crate::api::media::MediaType;
use crate::api::menu::{Button, MatchRule, Tap};
use crate::api::network::CheckAction;
use crate::api::qrcode::{Life, Scene};
use crate::api::template::{Miniprogram, TemplateMessage, TemplateValue};
use crate::api::{ApiError, Client, errcode};

const AMY: &str = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
const BOB: &str = "oSyn1bN2_yKd8GfJ6sHqRt5EwVx0";
const MEDIA: &str = "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df";
const THUMB: &str = "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh";
const TEMPLATE: &str = "SYNtpl_VRR0UEO9VJOLs0MHlU0OilqX6MVFDwH3";
const TOKEN: &str = "SYN_ACCESS_TOKEN";

/// Samples of calls that no command makes, and why.
const NOT_MADE: &[(&str, &str)] = &[
    (
        "showqrcode",
        "the code is drawn here; the platform's picture is not fetched",
    ),
    ("shorten_gen", "short keys are not part of the product"),
    ("shorten_fetch", "short keys are not part of the product"),
    ("custom_typing", "no command shows typing"),
    ("kfaccount_add", "agents are managed in the console"),
    ("kfaccount_update", "agents are managed in the console"),
    (
        "kfaccount_inviteworker",
        "agents are managed in the console",
    ),
    ("kfaccount_del", "agents are managed in the console"),
    (
        "kfsession_create",
        "sessions belong to the agents' own program",
    ),
    (
        "kfsession_close",
        "sessions belong to the agents' own program",
    ),
    (
        "kfsession_getsession",
        "sessions belong to the agents' own program",
    ),
    (
        "kfsession_getsessionlist",
        "sessions belong to the agents' own program",
    ),
    (
        "kfsession_getwaitcase",
        "sessions belong to the agents' own program",
    ),
    (
        "msgrecord_getmsglist",
        "sessions belong to the agents' own program",
    ),
    (
        "template_api_set_industry",
        "templates are chosen in the console",
    ),
    (
        "template_get_industry",
        "templates are chosen in the console",
    ),
    (
        "template_api_add_template",
        "templates are chosen in the console",
    ),
    (
        "template_del_private_template",
        "templates are chosen in the console",
    ),
    (
        "template_subscribe_once",
        "one-time subscriptions need a web page, which is not part of the product",
    ),
    (
        "subscribe_bizsend",
        "subscription notifications need a web page, which is not part of the product",
    ),
    (
        "newtmpl_gettemplate",
        "subscription notifications need a web page, which is not part of the product",
    ),
    (
        "newtmpl_addtemplate",
        "subscription notifications need a web page, which is not part of the product",
    ),
    ("mass_speed_get", "no command sets the speed"),
    ("mass_speed_set", "no command sets the speed"),
    (
        "media_get_jssdk",
        "recordings of web pages are not part of the product",
    ),
    (
        "material_add_material",
        "permanent material is managed in the console",
    ),
    (
        "material_get_material",
        "permanent material is managed in the console",
    ),
    (
        "material_del_material",
        "permanent material is managed in the console",
    ),
    (
        "material_get_materialcount",
        "permanent material is managed in the console",
    ),
    (
        "material_batchget_material",
        "permanent material is managed in the console",
    ),
    ("draft_add", "articles are written in the console"),
    ("freepublish_submit", "articles are written in the console"),
    ("freepublish_get", "articles are written in the console"),
    (
        "oauth2_authorize",
        "web page authorisation is not part of the product",
    ),
    (
        "sns_access_token",
        "web page authorisation is not part of the product",
    ),
    (
        "sns_refresh_token",
        "web page authorisation is not part of the product",
    ),
    (
        "sns_userinfo",
        "web page authorisation is not part of the product",
    ),
    (
        "sns_auth",
        "web page authorisation is not part of the product",
    ),
];

type Make = Box<dyn Fn(&Client) -> Result<String, ApiError>>;

/// One call of ours for one sample, or for one of its examples.
struct Case {
    sample: &'static str,
    /// The example's name; empty for the sample itself.
    example: &'static str,
    make: Make,
    /// What must stand in the `Debug` text of the answer.
    understood: &'static [&'static str],
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

fn cases() -> Vec<Case> {
    let media_id = || MEDIA.to_owned();
    let text = |content: &str| CustomMessage::Text {
        content: content.to_owned(),
    };
    let mass = |content: &str| MassMessage::Text {
        content: content.to_owned(),
    };
    vec![
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
    ]
}

/// What the platform answers where a sample has headers and no body. The brace is no JSON.
const BINARY: &str = "{\u{1}JFIF\u{2}";

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

fn sample(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples/api");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The sample of a case, with what its example changes.
fn sample_of(case: &Case) -> Value {
    let mut sample = sample(case.sample);
    if !case.example.is_empty() {
        let examples = sample["examples"].as_array().unwrap();
        let example = examples
            .iter()
            .find(|example| example["name"] == case.example);
        let example =
            example.unwrap_or_else(|| panic!("{}: no example {}", case.sample, case.example));
        for (key, value) in example.as_object().unwrap().clone() {
            sample[key] = value;
        }
    }
    if case.sample == "user_info_batchget" {
        // `lang` is optional, and we always send it.
        for user in sample["request"]["user_list"].as_array_mut().unwrap() {
            user["lang"] = "zh_CN".into();
        }
    }
    sample
}

/// A platform that answers the sample's path as told, and gives tokens otherwise.
fn platform(sample: &Value, reply: Reply) -> Platform {
    let path = path_of(sample);
    Platform::new(move |asked| {
        if asked.path == path {
            return reply.clone();
        }
        match asked.path.as_str() {
            // The sample of `token` is only reached where this is refused.
            "/cgi-bin/stable_token" if path == "/cgi-bin/token" => {
                Reply::Json(json!({"errcode": 48001, "errmsg": "api unauthorized"}).to_string())
            }
            "/cgi-bin/stable_token" => {
                Reply::Json(json!({"access_token": TOKEN, "expires_in": 7200}).to_string())
            }
            other => panic!("asked {other}, not {path}"),
        }
    })
}

fn path_of(sample: &Value) -> String {
    let url = sample["url"].as_str().unwrap();
    url.strip_prefix("https://api.weixin.qq.com")
        .unwrap()
        .to_owned()
}

fn run(case: &Case, platform: &Platform) -> Result<String, ApiError> {
    let timeout = std::time::Duration::from_secs(10);
    let client = client_of(&platform.base_url, Arc::<Shelf>::default(), timeout);
    (case.make)(&client)
}

fn reply_of(sample: &Value) -> Reply {
    if let Some(headers) = sample["response_headers"].as_object() {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap()))
            .collect();
        return http("200 OK", &headers, BINARY);
    }
    Reply::Json(sample["response"].to_string())
}

#[test]
fn we_send_what_the_platform_documents_and_understand_its_answer() {
    for case in cases() {
        let (name, sample) = (
            format!("{}/{}", case.sample, case.example),
            sample_of(&case),
        );
        let platform = platform(&sample, reply_of(&sample));
        let answer = run(&case, &platform).unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in case.understood {
            assert!(answer.contains(part), "{name}: {part} is not in {answer}");
        }
        let path = path_of(&sample);
        let asked: Vec<Asked> = platform
            .asked()
            .into_iter()
            .filter(|asked| asked.path == path)
            .collect();
        assert_eq!(asked.len(), 1, "{name}");
        same_request(&name, &asked[0], &sample);
    }
}

fn same_request(name: &str, asked: &Asked, sample: &Value) {
    assert_eq!(asked.method, sample["method"], "{name}");
    let query: Value = asked
        .query
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    assert_eq!(query, sample["query"], "{name}");
    let Some(request) = sample.get("request") else {
        assert!(asked.body.is_empty(), "{name}");
        return;
    };
    let content_type = asked.headers["content-type"].as_str();
    match request.get("form") {
        None => {
            assert_eq!(content_type, sample["content_type"], "{name}");
            assert_eq!(asked.json(), *request, "{name}");
            let text = std::str::from_utf8(&asked.body).unwrap();
            assert!(!text.contains("\\u"), "{name}: {text}");
        }
        Some(form) => {
            let media = &form["media"];
            let boundary = content_type
                .strip_prefix("multipart/form-data; boundary=")
                .unwrap();
            let expected = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{}\"\r\n\
                 Content-Type: {}\r\n\r\n{}\r\n--{boundary}--\r\n",
                media["filename"].as_str().unwrap(),
                media["content_type"].as_str().unwrap(),
                media["bytes"].as_str().unwrap(),
            );
            assert_eq!(String::from_utf8_lossy(&asked.body), expected, "{name}");
        }
    }
}

#[test]
fn documented_errors_are_understood() {
    let mut seen = BTreeSet::new();
    for case in cases().into_iter().filter(|case| seen.insert(case.sample)) {
        let sample = sample_of(&case);
        for error in sample["errors"].as_array().into_iter().flatten() {
            let (name, answer) = (
                format!("{}: {}", case.sample, error["when"]),
                &error["response"],
            );
            let errcode = answer["errcode"].as_i64().unwrap();
            let result = run(&case, &platform(&sample, Reply::Json(answer.to_string())));
            let error = match (case.sample, errcode, result) {
                ("menu_get", 46003, Ok(answer)) => {
                    assert_eq!(answer, "None");
                    continue;
                }
                ("mass_sendall" | "mass_send", 45065, Ok(answer)) => {
                    assert!(answer.contains("repeated: true"), "{answer}");
                    continue;
                }
                (_, _, Ok(answer)) => panic!("{name}: {answer}"),
                (_, _, Err(error)) => error,
            };
            let ApiError::Platform {
                errcode: found,
                errmsg,
                rid,
                ..
            } = &error
            else {
                panic!("{name}: {error}")
            };
            assert_eq!(*found, errcode, "{name}");
            let told = answer["errmsg"].as_str().unwrap();
            let rid = rid.as_deref().unwrap();
            assert_eq!(format!("{errmsg} rid: {rid}"), told, "{name}");
            let text = error.to_string();
            assert!(text.contains(rid) && text.contains(errmsg), "{text}");
        }
    }
}

#[test]
fn every_documented_error_code_is_in_the_table() {
    for name in all_samples() {
        for error in sample(&name)["errors"].as_array().into_iter().flatten() {
            let errcode = error["response"]["errcode"].as_i64().unwrap();
            assert!(errcode::find(errcode).is_some(), "{name}: {errcode}");
        }
    }
}

#[test]
fn every_sample_is_exercised_or_has_its_reason() {
    let made: BTreeSet<String> = cases().iter().map(|case| case.sample.to_owned()).collect();
    let not_made: BTreeSet<String> = NOT_MADE
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(made.intersection(&not_made).count(), 0);
    let listed: BTreeSet<String> = made.union(&not_made).cloned().collect();
    assert_eq!(listed, all_samples());
    for name in made {
        let exercised: BTreeSet<&str> = cases()
            .iter()
            .filter(|case| case.sample == name)
            .map(|case| case.example)
            .collect();
        for example in sample(&name)["examples"].as_array().into_iter().flatten() {
            let example = example["name"].as_str().unwrap();
            assert!(exercised.contains(example), "{name}: example {example}");
        }
    }
}

fn all_samples() -> BTreeSet<String> {
    let index = sample("_index");
    let names = index["apis"].as_array().unwrap().iter();
    names
        .map(|api| api["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn error_shapes_are_told_from_success() {
    let shapes = sample("_error_shapes");
    for (name, shape) in shapes.as_object().unwrap() {
        let platform = Platform::scripted(vec![Reply::Json(shape.to_string())]);
        let result = platform.client().menu_delete();
        assert_eq!(
            result.is_ok(),
            name.starts_with("success"),
            "{name}: {result:?}"
        );
        if let Err(error) = result {
            let text = error.to_string();
            assert!(!text.contains("hint:"), "{text}");
        }
    }
}

#[test]
fn the_samples_use_the_settings_of_these_tests() {
    let request = &sample("stable_token")["request"];
    assert_eq!(
        (request["appid"].as_str(), request["secret"].as_str()),
        (Some(APP_ID), Some(APP_SECRET))
    );
}
