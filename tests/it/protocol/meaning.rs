//! What a push that was read means: which one it is, where it comes from, whether it may be answered.

use wechatd::wechat::{Push, event_may_be_answered};

use super::*;

#[test]
fn dedup_keys_tell_pushes_apart() {
    let message = |id: &str| message_push("text", &format!("<Content>x</Content>{id}"));
    assert_eq!(
        message("<MsgId>18446744073709551615</MsgId>").dedup_key(),
        "18446744073709551615|oA"
    );
    let without_id = message("").dedup_key();
    assert!(without_id.starts_with("7|oA|text|"), "{without_id}");
    assert_eq!(without_id, message("<MsgId/>").dedup_key());
    assert_ne!(
        without_id,
        message_push("text", "<Content>y</Content>").dedup_key()
    );

    let key = |event: &str, more: &str| event_push(event, more).dedup_key();
    assert_eq!(key("subscribe", ""), "7|oA|subscribe|");
    assert_eq!(key("SCAN", "<EventKey>007</EventKey>"), "7|oA|scan|007");
    assert_eq!(key("scan", "<EventKey>007</EventKey>"), "7|oA|scan|007");
    assert_eq!(
        key("TEMPLATESENDJOBFINISH", "<MsgID>42</MsgID>"),
        "7|oA|templatesendjobfinish||42"
    );
    assert_eq!(
        key("news_from_2031", "<MsgID>42</MsgID>"),
        "7|oA|news_from_2031||42"
    );
    assert_eq!(
        key(
            "PUBLISHJOBFINISH",
            "<PublishEventInfo><publish_id>9</publish_id></PublishEventInfo>"
        ),
        "7|oA|publishjobfinish||9"
    );
}

#[test]
fn different_events_of_one_sender_in_one_second_are_told_apart() {
    let sent = |id: &str| {
        format!("<SubscribeMsgSentEvent><List><MsgID>{id}</MsgID></List></SubscribeMsgSentEvent>")
    };
    for (event, one, other) in [
        // These come from the platform's account: several users share a second.
        (
            "user_authorization_revoke",
            "<OpenID>oB</OpenID>".to_owned(),
            "<OpenID>oC</OpenID>".to_owned(),
        ),
        ("subscribe_msg_sent_event", sent("1"), sent("2")),
        (
            "kf_create_session",
            "<KfAccount>amy@shop</KfAccount>".to_owned(),
            "<KfAccount>bob@shop</KfAccount>".to_owned(),
        ),
        (
            "user_get_card",
            "<CardId>c</CardId><UserCardCode>01</UserCardCode>".to_owned(),
            "<CardId>c</CardId><UserCardCode>1</UserCardCode>".to_owned(),
        ),
    ] {
        let key = |more: &str| event_push(event, more).dedup_key();
        assert_ne!(key(&one), key(&other), "{event}");
        assert_eq!(key(&one), key(&format!(" {one}\n")), "{event}");
        assert!(!key(&one).contains("oB"), "{event}: the key remembers");
    }
}

#[test]
fn a_time_without_a_date_is_no_time() {
    for (time, good) in [
        ("0", true),
        ("253402300799", true),
        ("253402300800", false),
        ("-1", false),
        ("9223372036854775807", false),
        ("9223372036854775808", false),
    ] {
        let push = format!(
            "<xml><ToUserName>gh</ToUserName><FromUserName>oA</FromUserName>\
             <CreateTime>{time}</CreateTime><MsgType>text</MsgType></xml>"
        );
        assert_eq!(Push::parse(push.as_bytes()).is_ok(), good, "{time}");
    }
}

#[test]
fn the_scene_of_a_follow_or_scan_is_found() {
    let scene = |event: &str, key: &str| {
        let push = event_push(event, &format!("<EventKey>{key}</EventKey>"));
        (push.scene().map(str::to_owned), push.subject().to_owned())
    };
    let found = |scene: &str| (Some(scene.to_owned()), scene.to_owned());
    assert_eq!(scene("subscribe", "qrscene_10086"), found("10086"));
    assert_eq!(
        scene("SUBSCRIBE", "qrscene_qrscene_a|b_c"),
        found("qrscene_a|b_c")
    );
    assert_eq!(scene("SCAN", "qrscene_1"), found("qrscene_1"));
    assert_eq!(scene("Scan", " 007 "), found("007"));
    assert_eq!(scene("subscribe", ""), (None, String::new()));
    assert_eq!(scene("subscribe", "qrscene_"), (None, String::new()));
    assert_eq!(
        scene("subscribe", "last_trade_no_42"),
        (None, "last_trade_no_42".to_owned())
    );
    assert_eq!(scene("CLICK", "qrscene_1"), (None, "qrscene_1".to_owned()));
    assert_eq!(
        event_push("subscribe", "<EventKey><![CDATA[]]></EventKey>").event_key(),
        None
    );
    assert_eq!(event_push("subscribe", "<EventKey/>").event_key(), None);
}

#[test]
fn the_subject_is_what_the_user_wrote() {
    let subject = |msg_type: &str, more: &str| message_push(msg_type, more).subject().to_owned();
    assert_eq!(subject("text", "<Content> a \n b </Content>"), " a \n b ");
    assert_eq!(subject("TEXT", "<Content><![CDATA[ x ]]></Content>"), " x ");
    assert_eq!(subject("voice", "<Recognition>喂</Recognition>"), "喂");
    assert_eq!(subject("voice", "<Recognition/>"), "");
    assert_eq!(subject("link", "<Title>T</Title><Url>u</Url>"), "T");
    assert_eq!(subject("file", "<Title>f.pdf</Title>"), "f.pdf");
    assert_eq!(
        subject("location", "<Label>L</Label><Scale>far away</Scale>"),
        "L"
    );
    assert_eq!(subject("image", "<PicUrl>p</PicUrl>"), "");
    assert_eq!(subject("hologram", "<Content>c</Content>"), "");
}

#[test]
fn what_the_user_would_not_see_is_not_answered() {
    let answered = |xml: &Push| (xml.may_be_answered(), xml.may_be_transferred());
    assert_eq!(answered(&message_push("text", "")), (true, true));
    assert_eq!(answered(&message_push("hologram", "")), (true, true));
    assert_eq!(
        answered(&message_push("device_event", "<Event>bind</Event>")),
        (false, false)
    );
    for event in [
        "subscribe",
        "scan",
        "Click",
        "scancode_waitmsg",
        "pic_weixin",
        "location_select",
        "brand_new",
    ] {
        assert_eq!(answered(&event_push(event, "")), (true, false), "{event}");
    }
    let silent = [
        "unsubscribe",
        "LOCATION",
        "VIEW",
        "view_miniprogram",
        "scancode_push",
        "ENTER",
        "masssendjobfinish",
        "kf_create_session",
        "annual_renew",
        "subscribe_msg_popup_event",
        "user_info_modified",
        "user_get_card",
        "wificonnected",
        "debug_demo",
    ];
    for event in silent {
        assert_eq!(answered(&event_push(event, "")), (false, false), "{event}");
        assert_eq!(event_may_be_answered(event), Some(false), "{event}");
    }
    assert_eq!(event_may_be_answered("brand_new"), None);
    assert_eq!(event_may_be_answered("SUBSCRIBE"), Some(true));
}

#[test]
fn authorisation_events_name_the_user_to_act_on() {
    for event in [
        "user_info_modified",
        "user_authorization_revoke",
        "USER_AUTHORIZATION_CANCELLATION",
    ] {
        let user = |more: &str| {
            event_push(event, more)
                .authorization_openid()
                .map(str::to_owned)
        };
        assert_eq!(user("<OpenID>oB</OpenID>"), Some("oB".to_owned()));
        assert_eq!(
            user("<openid>oC</openid><appid>wx1</appid>"),
            Some("oC".to_owned())
        );
        assert_eq!(
            user("<openid>oC</openid><OpenID>oB</OpenID>"),
            Some("oB".to_owned())
        );
        assert_eq!(user(""), None);
    }
    assert_eq!(
        event_push("subscribe", "<OpenID>oB</OpenID>").authorization_openid(),
        None
    );
}
