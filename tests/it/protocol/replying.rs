//! Every reply has the structure of its sample and can carry any text.

use proptest::prelude::*;
use serde_json::json;
use wechatd::wechat::{Article, MAX_TEXT_BYTES, Reply, cut_text, text};

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
