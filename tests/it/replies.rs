//! Replies of rules: every kind has the structure of its sample, texts are cut safely, and pushes that take no reply get
//! none.

use crate::protocol::shape_of;
use crate::support::*;

#[test]
fn a_long_text_is_cut_at_2048_bytes_between_characters() {
    let account = Account::with_rules("[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n");
    for (content, expected_bytes) in [
        ("a".repeat(2048), 2048),
        ("a".repeat(2049), 2048),
        // Three bytes each: 682 of them are 2046 bytes.
        ("啊".repeat(1000), 2046),
        (format!("a{}", "啊".repeat(1000)), 2047),
        (format!("ab{}", "啊".repeat(1000)), 2048),
        // Four bytes each.
        ("😀".repeat(600), 2048),
        (format!("abc{}", "😀".repeat(600)), 2047),
    ] {
        let answer = account.post(&text(&content));
        let said = answer.reply().content;
        answer.expect(content.starts_with(&said), "the beginning of the text");
        answer.expect(
            said.len() == expected_bytes,
            &format!("{expected_bytes} bytes"),
        );
    }
}

#[test]
fn a_text_is_never_cut_inside_a_link() {
    let account = Account::with_rules("[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n");
    let link = "<a href=\"https://www.example.com/a-page?with=a&long=query\">the page</a>";
    for before in [
        1940, 1975, 1976, 1977, 1980, 2000, 2030, 2037, 2039, 2040, 2044, 2045, 2046, 2047, 2048,
    ] {
        let content = format!("{}{link} and more {link}", "x".repeat(before));
        let answer = account.post(&text(&content));
        let said = answer.reply().content;
        answer.expect(said.len() <= 2048, "at most 2048 bytes");
        answer.expect(content.starts_with(&said), "the beginning of the text");
        answer.expect(
            said.matches("<a ").count() == said.matches("</a>").count(),
            "whole links only",
        );
        answer.expect(said.len() >= before, "nothing before the link is lost");
        answer.expect(!said.ends_with('<'), "no stray bracket");
    }
}

#[test]
fn special_characters_cannot_break_a_reply() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        message = "text"
        equals = "controls"
        text = "a\u0001b\u0008c\u000bd\u001fe\tf\ng"
        [[rule]]
        message = "text"
        text = "{content}"
        "#,
    );
    for content in [
        "]]>",
        "a]]>b]]>c",
        "]]]]>>",
        "]]&gt;",
        "<![CDATA[inner]]>",
        "</Content></xml><xml>",
        "&lt;&amp;&#x41;",
        "<b>bold</b> & \"quotes\" 'single'",
        "line one\nline two",
        "emoji 👩‍👩‍👧‍👦🏳️‍🌈 𠮷",
    ] {
        account.post(&text(content)).is_text(content);
    }
    let answer = account.post(&text("controls"));
    let said = answer.reply().content;
    answer.expect(
        !said
            .chars()
            .any(|c| c.is_control() && c != '\t' && c != '\n'),
        "no control characters",
    );
    let kept: String = said.chars().filter(char::is_ascii_alphabetic).collect();
    answer.expect(kept == "abcdefg", "everything else");
}

#[test]
fn an_empty_reply_is_a_plain_acknowledgement() {
    // For an empty Content, WeChat would show an error message.
    let account =
        Account::with_rules("[[rule]]\nmessage = \"text\"\nregex = '^x(y)?$'\ntext = \"{1}\"\n");
    account.post(&text("x")).is_success();
    account.post(&text("xy")).is_text("y");
}

/// A rule for each sample in `tests/samples/reply`, triggered by the name of the sample.
const SAMPLES: &str = r#"
[[rule]]
message = "text"
equals = "text"
text = "We open at 09:00."
[[rule]]
message = "text"
equals = "text_multiline_link"
text = """
您好 😀
1. <a href="https://www.example.com/faq?a=1&b=2">常见问题</a>
2. <a href="weixin://bizmsgmenu?msgmenucontent=help&msgmenuid=7">帮助</a>"""
[[rule]]
message = "text"
equals = "image"
image = "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df"
[[rule]]
message = "text"
equals = "voice"
voice = "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df"
[[rule]]
message = "text"
equals = "video"
video = { media_id = "SYN_media_7Qe2xV0pLk9sDfGhJz4RtYuIo1Bn6Mc8WaXqEr3TyUiOpAs5Df", title = "Product tour", description = "90 seconds" }
[[rule]]
message = "text"
equals = "music"
[rule.music]
title = "Demo song"
description = "sample"
url = "https://media.example.com/a.mp3"
hq_url = "https://media.example.com/a-hq.mp3"
thumb_media_id = "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh"
[[rule]]
message = "text"
equals = "music_minimal"
music = { thumb_media_id = "SYN_thumb_Zx1Cv2Bn3Mq4We5Rt6Yu7Io8Pa9Sd0FgHjKlQwErTyUiOpLkJh" }
[[rule]]
message = "text"
equals = "news"
news = [{ title = "Opening hours", description = "Spring timetable", pic_url = "https://media.example.com/cover.jpg", url = "https://www.example.com/hours" }]
[[rule]]
event = "CLICK"
equals = "news_multi_event_only"
[[rule.news]]
title = "Item 1"
description = "Summary 1"
pic_url = "https://media.example.com/c1.png"
url = "https://www.example.com/p/1"
[[rule.news]]
title = "Item 2"
description = "Summary 2"
pic_url = "https://media.example.com/c2.png"
url = "https://www.example.com/p/2"
[[rule.news]]
title = "Item 3"
description = "Summary 3"
pic_url = "https://media.example.com/c3.png"
url = "https://www.example.com/p/3"
[[rule]]
message = "text"
equals = "transfer_customer_service"
transfer = true
[[rule]]
message = "text"
equals = "transfer_customer_service_to_agent"
transfer = "amy@shop_demo"
"#;

#[test]
fn every_kind_of_reply_has_the_structure_of_its_sample_in_every_mode() {
    for mode in Mode::ALL {
        let console = Console::new(mode);
        let account = console.setup().rules(SAMPLES).start();
        let mut kinds = 0;
        for rule in SAMPLES.split("equals = \"").skip(1) {
            let name = rule.split('"').next().unwrap();
            let push = if name.ends_with("event_only") {
                click(name)
            } else {
                text(name)
            };
            let answer = console.push(&account, &push);
            let reply = answer.reply();
            // Everything but the time equals the sample.
            let sample = sample(&format!("reply/{name}.xml"));
            let created = sample.split("CreateTime>").nth(1).unwrap();
            let created = created.trim_end_matches("</");
            let expected = sample.replace(created, &reply.created);
            answer.expect(
                shape_of(&answer.body()) == shape_of(&expected),
                &format!("the structure of {name}:\n{expected}"),
            );
            let stored: String = account
                .store()
                .one("SELECT reply FROM messages ORDER BY id DESC LIMIT 1");
            assert_eq!(stored, answer.body(), "the stored reply");
            kinds += 1;
        }
        assert_eq!(kinds, 11);
    }
}

#[test]
fn placeholders_work_in_news_video_and_music_too() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        message = "text"
        regex = '^show (\w+)$'
        news = [{ title = "{1}", description = "for {openid}", pic_url = "https://x.example.com/{1}.png", url = "https://x.example.com/?q={1}" }]
        [[rule]]
        message = "text"
        regex = '^tour (\w+)$'
        video = { media_id = "MEDIA", title = "{1}", description = "{content}" }
        [[rule]]
        message = "text"
        regex = '^play (\w+)$'
        music = { title = "{1}", description = "{0}", url = "https://x.example.com/{1}", hq_url = "https://x.example.com/hq/{1}", thumb_media_id = "THUMB" }
        "#,
    );
    for (ask, parts) in [
        ("show <tea>", &["success"][..]),
        (
            "show tea",
            &["<Title><![CDATA[tea]]>", FAN, "?q=tea]]>", "/tea.png"],
        ),
        (
            "tour tea",
            &[
                "<Title><![CDATA[tea]]>",
                "<Description><![CDATA[tour tea]]>",
            ],
        ),
        (
            "play tea",
            &[
                "<MusicUrl><![CDATA[https://x.example.com/tea]]>",
                "hq/tea]]>",
                "<![CDATA[play tea]]>",
            ],
        ),
    ] {
        let answer = account.post(&text(ask));
        for part in parts {
            answer.expect(answer.body().contains(part), part);
        }
    }
}

/// Every event of the platform, and whether the user would see a reply; taken from the platform's documentation, not
/// from the program.
const EVENTS: &[(&str, bool)] = &[
    ("subscribe", true),
    ("unsubscribe", false),
    ("SCAN", true),
    ("LOCATION", false),
    ("ENTER", false),
    ("CLICK", true),
    ("VIEW", false),
    ("view_miniprogram", false),
    ("scancode_push", false),
    ("scancode_waitmsg", true),
    ("pic_sysphoto", true),
    ("pic_photo_or_album", true),
    ("pic_weixin", true),
    ("location_select", true),
    ("TEMPLATESENDJOBFINISH", false),
    ("MASSSENDJOBFINISH", false),
    ("PUBLISHJOBFINISH", false),
    ("FREEPUBLISHJOBFINISH", false),
    ("kf_create_session", false),
    ("kf_close_session", false),
    ("kf_switch_session", false),
    ("qualification_verify_success", false),
    ("qualification_verify_fail", false),
    ("naming_verify_success", false),
    ("naming_verify_fail", false),
    ("annual_renew", false),
    ("verify_expired", false),
    ("subscribe_msg_popup_event", false),
    ("subscribe_msg_change_event", false),
    ("subscribe_msg_sent_event", false),
    ("user_info_modified", false),
    ("user_authorization_revoke", false),
    ("user_authorization_cancellation", false),
    ("card_pass_check", false),
    ("card_not_pass_check", false),
    ("user_get_card", false),
    ("user_gifting_card", false),
    ("user_del_card", false),
    ("user_enter_session_from_card", false),
    ("submit_membercard_user_info", false),
    ("user_consume_card", false),
    ("user_pay_from_pay_cell", false),
    ("user_view_card", false),
    ("update_member_card", false),
    ("card_sku_remind", false),
    ("card_pay_order", false),
    ("card_merchant_check_result", false),
    ("giftcard_pay_done", false),
    ("giftcard_send_to_friend", false),
    ("giftcard_user_accept", false),
    ("user_authorize_invoice", false),
    ("update_invoice_status", false),
    ("cloud_invoice_invoiceresult_event", false),
    ("submit_invoice_title", false),
    ("poi_check_notify", false),
    ("ShakearoundUserShake", false),
    ("WifiConnected", false),
    ("merchant_order", false),
    ("guide_qrcode_scan_event", false),
    ("user_enter_tempsession", false),
    ("debug_demo", false),
    // Only the names of these are documented.
    ("guide_invite_result_event", false),
    ("add_guide_buyer_relation_event", false),
    ("modify_store_audit_info", false),
    ("add_store_audit_info", false),
    ("create_map_poi_audit_info", false),
    ("apply_merchant_audit_info", false),
    ("user_scan_product", false),
    ("user_scan_product_enter_session", false),
    ("user_scan_product_async", false),
    ("user_scan_product_verify_action", false),
    ("weapp_audit_success", false),
    ("weapp_audit_fail", false),
    ("weapp_audit_delay", false),
    ("wxa_media_check", false),
];

#[test]
fn a_push_that_takes_no_reply_gets_none_even_if_a_rule_matches() {
    let account = Account::with_rules(
        "[[rule]]\nname = \"all\"\nevent = \"any\"\ntext = \"hello\"\n[[rule]]\nmessage = \"any\"\ntext = \"hello\"\n",
    );
    // Unknown events may take a reply.
    for (name, answered) in EVENTS.iter().chain(&[("an_event_of_the_future", true)]) {
        for spelling in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase()] {
            let answer = account.post(&event(&spelling).key("K"));
            match answered {
                true => answer.is_text("hello"),
                false => answer.is_success(),
            };
        }
        // The matching rule is recorded anyway.
        account.store().is(
            "SELECT rule FROM messages ORDER BY id DESC LIMIT 1",
            &["all"],
        );
    }
    // Nobody reads replies to messages of discontinued devices.
    for kind in ["device_text", "device_event", "device_status", "hardware"] {
        account.post(&unknown_message(kind)).is_success();
    }
    account.post(&unknown_message("hologram")).is_text("hello");
}

#[test]
fn the_table_of_events_equals_the_documentation() {
    let mut expected: Vec<(&str, Option<bool>)> = EVENTS
        .iter()
        .map(|(name, answered)| (*name, Some(*answered)))
        .collect();
    let mut table: Vec<(&str, Option<bool>)> = wechatd::wechat::known_events()
        .map(|name| (name, wechatd::wechat::event_may_be_answered(name)))
        .collect();
    expected.sort_unstable();
    table.sort_unstable();
    // A new event needs a row in both.
    assert_eq!(table, expected);
}
