//! The samples of agents, sessions, templates, notifications, the speed of mass messages and short keys.

use std::collections::BTreeMap;

use super::{AMY, BOB, Case, TEMPLATE, case};
use crate::api::Client;
use crate::api::custom::Typing;
use crate::api::record::{FIRST_MSGID, MAX_RECORDS};
use crate::api::subscription::Notification;
use crate::api::template::{Miniprogram, OnceContent, OnceData, OnceMessage, TemplateValue};

const AGENT: &str = "amy@shop_demo";

pub fn cases() -> Vec<Case> {
    [agents(), templates(), others()]
        .into_iter()
        .flatten()
        .collect()
}

fn agents() -> Vec<Case> {
    vec![
        case(
            "kfaccount_add",
            |client| client.kfaccount_add(AGENT, "Amy"),
            &["()"],
        ),
        case(
            "kfaccount_update",
            |client| client.kfaccount_update(AGENT, "Amy L."),
            &["()"],
        ),
        case(
            "kfaccount_inviteworker",
            |client| client.kfaccount_inviteworker(AGENT, "syn_wechat_id"),
            &["()"],
        ),
        case(
            "kfaccount_del",
            |client| client.kfaccount_del(AGENT),
            &["()"],
        ),
        case(
            "kfsession_create",
            |client| client.kfsession_create(AGENT, AMY),
            &["()"],
        ),
        case(
            "kfsession_close",
            |client| client.kfsession_close(AGENT, AMY),
            &["()"],
        ),
        case(
            "kfsession_getsession",
            |client| client.kfsession_getsession(AMY),
            &[AGENT, "createtime: Some(1767234100)"],
        ),
        case(
            "kfsession_getsessionlist",
            |client| client.kfsession_getsessionlist(AGENT),
            &[AMY, "createtime: Some(1767234100)"],
        ),
        case(
            "kfsession_getwaitcase",
            Client::kfsession_getwaitcase,
            &["count: Some(1)", BOB, "latest_time: Some(1767234200)"],
        ),
        case(
            "msgrecord_getmsglist",
            |client| {
                let span = 1_767_225_600..1_767_229_200;
                client.msgrecord_getmsglist(&span, FIRST_MSGID, MAX_RECORDS)
            },
            &[
                AMY,
                "opercode: Some(2003)",
                r#"text: Some("hello")"#,
                AGENT,
                "next_msgid: None",
            ],
        ),
        case(
            "custom_typing",
            |client| client.custom_typing(AMY, Typing::Shown),
            &["()"],
        ),
    ]
}

fn templates() -> Vec<Case> {
    vec![
        case(
            "template_api_set_industry",
            |client| client.api_set_industry(1, 4),
            &["()"],
        ),
        case(
            "template_get_industry",
            Client::get_industry,
            &["互联网|电子商务", "电子技术"],
        ),
        case(
            "template_api_add_template",
            |client| client.api_add_template("TM00015", &["商品名称", "金额"]),
            &[TEMPLATE],
        ),
        case(
            "template_del_private_template",
            |client| client.del_private_template(TEMPLATE),
            &["()"],
        ),
        case(
            "template_subscribe_once",
            |client| {
                client.template_subscribe(&OnceMessage {
                    touser: AMY.to_owned(),
                    template_id: TEMPLATE.to_owned(),
                    url: Some("https://www.example.com".to_owned()),
                    miniprogram: None,
                    scene: "1000".to_owned(),
                    title: "Reminder".to_owned(),
                    data: OnceData {
                        content: OnceContent {
                            value: "class starts at 9".to_owned(),
                            color: Some("#173177".to_owned()),
                        },
                    },
                })
            },
            &["()"],
        ),
        case(
            "subscribe_bizsend",
            |client| {
                let value = |key: &str, value: &str| {
                    let value = value.to_owned();
                    (key.to_owned(), TemplateValue { value })
                };
                client.subscribe_bizsend(&Notification {
                    touser: AMY.to_owned(),
                    template_id: TEMPLATE.to_owned(),
                    page: Some("https://www.example.com/o/1".to_owned()),
                    miniprogram: Some(Miniprogram {
                        appid: "wx00aa11bb22cc33dd".to_owned(),
                        pagepath: "pages/o/1".to_owned(),
                    }),
                    data: BTreeMap::from([
                        value("thing1", "Blue mug"),
                        value("time3", "2026-01-01 12:00"),
                    ]),
                })
            },
            &["()"],
        ),
        case(
            "newtmpl_gettemplate",
            Client::newtmpl_gettemplate,
            &[TEMPLATE, "Order paid", "kind: Some(2)"],
        ),
        case(
            "newtmpl_getcategory",
            Client::newtmpl_getcategory,
            &[r#"Category { id: 616, name: Some("公交") }"#, "id: 612"],
        ),
        case(
            "newtmpl_getpubtemplatetitles",
            |client| client.newtmpl_getpubtemplatetitles(&[616, 612], 0, 30),
            &[
                "count: Some(55)",
                r#"tid: 99, title: Some("付款成功通知"), kind: Some(2), category_id: Some(616)"#,
                "tid: 401",
            ],
        ),
        case(
            "newtmpl_getpubtemplatekeywords",
            |client| client.newtmpl_getpubtemplatekeywords(99),
            &[
                r#"kid: 1, name: Some("物品名称"), example: Some("名称"), rule: Some("thing")"#,
                r#"rule: Some("amount")"#,
            ],
        ),
        case(
            "newtmpl_getpubtemplatekeywords/without_count",
            |client| client.newtmpl_getpubtemplatekeywords(99),
            &["[]"],
        ),
        case(
            "newtmpl_addtemplate",
            |client| client.newtmpl_addtemplate("401", &[1, 2], "order"),
            &[TEMPLATE],
        ),
    ]
}

fn others() -> Vec<Case> {
    let replies = Client::get_current_autoreply_info;
    vec![
        case(
            "get_current_autoreply_info",
            replies,
            &[
                "is_autoreply_open: Some(1)",
                r#"match_mode: Some("equal")"#,
                r#"reply_mode: Some("random_one")"#,
                r#"title: Some("How to find us")"#,
            ],
        ),
        case(
            "get_current_autoreply_info/nothing_set",
            replies,
            &["add_friend_autoreply_info: None", "list: []"],
        ),
        case(
            "get_current_autoreply_info/welcome_only_open_without_text",
            replies,
            &[r#"kind: Some("img")"#],
        ),
        case(
            "get_current_autoreply_info/news_without_content_key",
            replies,
            &["content: None", r#"digest: Some("When we are open")"#],
        ),
        case(
            "get_current_autoreply_info/switched_off_but_kept",
            replies,
            &["is_autoreply_open: Some(0)", "old default"],
        ),
        case(
            "get_current_autoreply_info/unknown_kind",
            replies,
            &["finder_card"],
        ),
        case(
            "mass_speed_get",
            Client::mass_speed_get,
            &["speed: Some(3)", "realspeed: Some(15)"],
        ),
        case("mass_speed_set", |client| client.mass_speed_set(1), &["()"]),
        case(
            "shorten_gen",
            |client| client.shorten_gen("any text up to 4 KB", 86_400),
            &["aB3dE5fG7hJ9kL1"],
        ),
        case(
            "shorten_fetch",
            |client| client.shorten_fetch("aB3dE5fG7hJ9kL1"),
            &[
                "any text up to 4 KB",
                "create_time: Some(1767234000)",
                "expire_seconds: Some(86300)",
            ],
        ),
    ]
}
