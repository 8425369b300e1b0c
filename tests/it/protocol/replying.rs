//! Every reply has the structure of its sample and can carry any text.

use proptest::prelude::*;
use serde_json::json;
use wechatd::wechat::{Article, MAX_TEXT_BYTES, Reply, ReplyError, cut_text, text};

use super::*;

#[test]
fn every_reply_has_the_structure_of_its_sample() {
    let media_id = || "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df".to_owned();
    let thumb_media_id =
        || "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh".to_owned();
    let some = |text: &str| Some(text.to_owned());
    let article = |title: &str, description: &str, pic_url: &str, url: &str| Article {
        title: title.to_owned(),
        description: description.to_owned(),
        pic_url: format!("https://media.example.com/{pic_url}"),
        url: format!("https://www.example.com/{url}"),
    };
    let links = "您好 😀\n1. <a href=\"https://www.example.com/faq?a=1&b=2\">常见问题</a>\n\
                 2. <a href=\"weixin://bizmsgmenu?msgmenucontent=help&msgmenuid=7\">帮助</a>";
    let replies = [
        (
            "text",
            1767231000,
            Reply::Text("We open at 09:00.".to_owned()),
        ),
        (
            "text_multiline_link",
            1767231001,
            Reply::Text(links.to_owned()),
        ),
        (
            "image",
            1767231002,
            Reply::Image {
                media_id: media_id(),
            },
        ),
        (
            "voice",
            1767231003,
            Reply::Voice {
                media_id: media_id(),
            },
        ),
        (
            "video",
            1767231004,
            Reply::Video {
                media_id: media_id(),
                title: some("Product tour"),
                description: some("90 seconds"),
            },
        ),
        (
            "music",
            1767231005,
            Reply::Music {
                title: some("Demo song"),
                description: some("sample"),
                url: some("https://media.example.com/a.mp3"),
                hq_url: some("https://media.example.com/a-hq.mp3"),
                thumb_media_id: thumb_media_id(),
            },
        ),
        (
            "music_minimal",
            1767231006,
            Reply::Music {
                title: None,
                description: some(""),
                url: None,
                hq_url: None,
                thumb_media_id: thumb_media_id(),
            },
        ),
        (
            "news",
            1767231007,
            Reply::News(vec![article(
                "Opening hours",
                "Spring timetable",
                "cover.jpg",
                "hours",
            )]),
        ),
        (
            "news_multi_event_only",
            1767231008,
            Reply::News(
                (1..=3)
                    .map(|n| {
                        article(
                            &format!("Item {n}"),
                            &format!("Summary {n}"),
                            &format!("c{n}.png"),
                            &format!("p/{n}"),
                        )
                    })
                    .collect(),
            ),
        ),
        (
            "transfer_customer_service",
            1767231009,
            Reply::Transfer { kf_account: None },
        ),
        (
            "transfer_customer_service_to_agent",
            1767231010,
            Reply::Transfer {
                kf_account: some("amy@shop_demo"),
            },
        ),
        ("transfer_biz_ai_ivr", 1767231011, Reply::TransferAi),
    ];
    let mut rebuilt: Vec<&str> = Vec::new();
    for (name, create_time, reply) in &replies {
        let sample = read(&format!("reply/{name}.xml"));
        assert_eq!(
            Reply::parse(&sample),
            Ok(as_parsed(reply.clone())),
            "{name}"
        );
        let xml = reply
            .to_xml(
                "oSyn1aAQe7rT0uXk3mPzLc9WvBh4",
                "gh_5a0c3d91e7b2",
                *create_time,
            )
            .unwrap();
        assert_eq!(
            shape_of(&xml),
            shape_of(&read(&format!("reply/{name}.xml"))),
            "{name}:\n{xml}"
        );
        rebuilt.push(name);
    }
    for entry in std::fs::read_dir(samples().join("reply")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            path.extension().unwrap() == "txt" || rebuilt.contains(&name.as_str()),
            "{name} is not rebuilt"
        );
    }
}

/// Empty elements are the same as none.
fn as_parsed(mut reply: Reply) -> Reply {
    if let Reply::Music { description, .. } = &mut reply {
        description.take_if(|text| text.is_empty());
    }
    reply
}

#[test]
fn a_reply_of_another_program_is_read_in_any_layout() {
    let amy = Reply::Transfer {
        kf_account: Some("amy@shop".to_owned()),
    };
    for (xml, reply) in [
        (
            "\u{feff}\n<?xml version=\"1.0\" encoding=\"utf-8\"?><xml><MsgType>TEXT</MsgType><Content>a &lt; b</Content><FuncFlag>0</FuncFlag></xml>\n",
            Reply::Text("a < b".to_owned()),
        ),
        (
            "<xml><ToUserName>oOther</ToUserName><FromUserName>gh_other</FromUserName><CreateTime>soon</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[x]]]]><![CDATA[>y]]></Content></xml>",
            Reply::Text("x]]>y".to_owned()),
        ),
        (
            "<xml><MsgType>text</MsgType><Content></Content></xml>",
            Reply::Text(String::new()),
        ),
        (
            "<xml><MsgType>transfer_customer_service</MsgType><TransInfo><KfAccount> amy@shop </KfAccount></TransInfo></xml>",
            amy,
        ),
        (
            "<xml><MsgType>news</MsgType><ArticleCount>7</ArticleCount><Articles><item><Title>t</Title></item></Articles></xml>",
            Reply::News(vec![Article {
                title: "t".to_owned(),
                ..Article::default()
            }]),
        ),
    ] {
        assert_eq!(Reply::parse(xml), Ok(reply), "{xml}");
    }
}

/// wechatpy and WeRoBot put texts into CDATA as they are.
#[test]
fn a_text_that_a_library_did_not_escape_is_read_whole() {
    for text in [
        "You said a]]>b",
        "You said ]]> and ]]>",
        "You said x]]></Content></xml><xml>",
        "You said ]]></Content><Image>&<MsgType>image",
        "You said ]]><!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
    ] {
        let xml = format!(
            "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<CreateTime>1</CreateTime>\n<Content><![CDATA[{text}]]></Content>\n</xml>"
        );
        assert_eq!(Reply::parse(&xml), Ok(Reply::Text(text.to_owned())));
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    for (xml, why) in [
        ("", "xml: refused: the root element is not xml"),
        ("hello", "xml: refused: the root element is not xml"),
        (
            "<html><body>502</body></html>",
            "xml: refused: the root element is not xml",
        ),
        (
            "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><xml><MsgType>text</MsgType><Content>&a;</Content></xml>",
            "xml: refused: a document type declaration",
        ),
        (
            "<xml><MsgType>text</MsgType><Content><![CDATA[a]]>b]]>",
            "xml: not well-formed at 1:52",
        ),
        (
            "<xml><Content>x</Content></xml>",
            "the reply has no MsgType",
        ),
        ("<xml><Encrypt>x</Encrypt></xml>", "the reply is encrypted"),
        (
            "<xml><MsgType>file</MsgType></xml>",
            "the MsgType is not that of a reply",
        ),
        (
            "<xml><MsgType>image</MsgType><MediaId>1</MediaId></xml>",
            "the reply has no MediaId",
        ),
        (
            "<xml><MsgType>music</MsgType><Music><Title>t</Title></Music></xml>",
            "the reply has no ThumbMediaId",
        ),
        (
            "<xml><MsgType>news</MsgType><Articles>x</Articles></xml>",
            "the reply has no item",
        ),
    ] {
        let error = Reply::parse(xml).expect_err(xml).to_string();
        assert!(error.starts_with(why), "{xml}: {error}");
    }
    let deep = format!("<xml>{}{}</xml>", "<a>".repeat(20), "</a>".repeat(20));
    let many = format!("<xml>{}</xml>", "<a/>".repeat(5_000));
    for flood in [deep, many] {
        assert!(matches!(Reply::parse(&flood), Err(ReplyError::Xml(_))));
    }
}

/// A text that people or programs write; where `Title` and others are optional, empty is the same as none.
fn written() -> impl Strategy<Value = String> {
    "[a-z<>&\\]\\[\"' \n好😀]{1,20}"
}

fn optional() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(written())
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_<>\\]@-]{1,30}"
}

fn reply() -> impl Strategy<Value = Reply> {
    let video =
        (id(), optional(), optional()).prop_map(|(media_id, title, description)| Reply::Video {
            media_id,
            title,
            description,
        });
    let link = || proptest::option::of(id());
    let music = (optional(), optional(), link(), link(), id()).prop_map(
        |(title, description, url, hq_url, thumb_media_id)| Reply::Music {
            title,
            description,
            url,
            hq_url,
            thumb_media_id,
        },
    );
    let article =
        (written(), optional(), link(), link()).prop_map(|(title, description, pic_url, url)| {
            Article {
                title,
                description: description.unwrap_or_default(),
                pic_url: pic_url.unwrap_or_default(),
                url: url.unwrap_or_default(),
            }
        });
    prop_oneof![
        written()
            .prop_filter("shows something", |text| !text.trim().is_empty())
            .prop_map(Reply::Text),
        id().prop_map(|media_id| Reply::Image { media_id }),
        id().prop_map(|media_id| Reply::Voice { media_id }),
        video,
        music,
        proptest::collection::vec(article, 1..=8).prop_map(Reply::News),
        link().prop_map(|kf_account| Reply::Transfer { kf_account }),
        Just(Reply::TransferAi),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_reply_can_be_read_back(reply in reply()) {
        let xml = reply.to_xml("oUser", "gh_1", 7).unwrap();
        prop_assert_eq!(Reply::parse(&xml), Ok(reply), "{}", xml);
    }
}

#[test]
fn a_reply_that_would_show_nothing_has_no_xml() {
    let nothing = [
        Reply::Text(String::new()),
        Reply::Text(" \n\u{1}".to_owned()),
        Reply::Text(format!("<a href=\"{}\">x</a>", "y".repeat(MAX_TEXT_BYTES))),
        Reply::Image {
            media_id: String::new(),
        },
        Reply::Voice {
            media_id: " ".to_owned(),
        },
        Reply::Video {
            media_id: String::new(),
            title: Some("t".to_owned()),
            description: None,
        },
        Reply::News(Vec::new()),
    ];
    for reply in nothing {
        assert_eq!(reply.to_xml("o", "gh", 1), None, "{reply:?}");
    }
}

#[test]
fn a_news_reply_sends_and_counts_at_most_eight_articles() {
    let articles = vec![
        Article {
            title: "t".to_owned(),
            ..Article::default()
        };
        11
    ];
    let xml = Reply::News(articles).to_xml("o", "gh", 1).unwrap();
    assert_eq!(xml.matches("<item>").count(), 8);
    assert!(xml.contains("<ArticleCount>8</ArticleCount>"), "{xml}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_text_reply_can_be_read_back_for_any_text(content in ".{0,40}|[\\]>\\r\\n]{0,10}|(好|<a href='x'>y</a>|👩‍👩‍👧){0,200}") {
        let clean = text::without_illegal_characters(&content).into_owned();
        let sent = read_back(cut_text(&clean, MAX_TEXT_BYTES));
        match Reply::Text(content).to_xml("oUser", "gh_1", 7) {
            None => prop_assert!(sent.trim().is_empty()),
            Some(xml) => {
                let expected = json!(["xml", [
                    ["ToUserName", "oUser"], ["FromUserName", "gh_1"], ["CreateTime", "7"], ["MsgType", "text"],
                    ["Content", sent],
                ]]);
                prop_assert_eq!(shape_of(&xml), expected);
            }
        }
    }

    #[test]
    fn every_part_of_an_article_can_be_read_back_for_any_text(parts in prop::collection::vec(".{0,20}", 4)) {
        let [title, description, pic_url, url] = <[String; 4]>::try_from(parts).unwrap();
        let expected = json!([["item", [
            ["Title", read_back(&title)], ["Description", read_back(&description)], ["PicUrl", read_back(&pic_url)],
            ["Url", read_back(&url)],
        ]]]);
        let xml = Reply::News(vec![Article { title, description, pic_url, url }]).to_xml("o", "g", 7).unwrap();
        prop_assert_eq!(&shape_of(&xml)[1][5], &json!(["Articles", expected]));
    }
}
