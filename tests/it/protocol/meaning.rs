//! What a parsed push means: its key, scene and subject, and whether it may be answered.

use wechatd::wechat::{Format, ParseError, Push, event_may_be_answered};

use super::*;

#[test]
fn a_message_is_identified_by_its_id_and_sender() {
    let message = |id: &str, content: &str| {
        message_push("text", &format!("<Content>{content}</Content>{id}")).dedup_key()
    };
    let id = "<MsgId>18446744073709551615</MsgId>";
    // The format in stores of every version.
    assert_eq!(message(id, "x"), "18446744073709551615|oA");
    assert_eq!(message(id, "x"), message(id, "y"));
    assert_eq!(message("", "x"), message("<MsgId/>", "x"));
    assert_ne!(message("", "x"), message("", "y"));
    assert_ne!(
        message("", "x"),
        message("<Undocumented>1</Undocumented>", "x")
    );
}

#[test]
fn a_push_without_a_message_id_is_identified_by_all_its_elements() {
    // Each differs from some other in one detail.
    let pushes = [
        event_push("subscribe", ""),
        event_push("unsubscribe", ""),
        event_push("subscribe", "<EventKey>qrscene_1</EventKey>"),
        event_push(
            "subscribe",
            "<EventKey>qrscene_1</EventKey><Ticket>a</Ticket>",
        ),
        event_push(
            "subscribe",
            "<EventKey>qrscene_1</EventKey><Ticket>b</Ticket>",
        ),
        event_push("scancode_waitmsg", &scanned("6901234567892")),
        event_push("scancode_waitmsg", &scanned("6901234567908")),
        event_push(
            "MASSSENDJOBFINISH",
            "<MsgID>1</MsgID><Status>send success</Status>",
        ),
        event_push(
            "MASSSENDJOBFINISH",
            "<MsgID>1</MsgID><Status>err(10001)</Status>",
        ),
        event_push(
            "MASSSENDJOBFINISH",
            "<MsgId>1</MsgId><Status>send success</Status>",
        ),
        event_push(
            "MASSSENDJOBFINISH",
            "<MsgId>2</MsgId><Status>send success</Status>",
        ),
        event_push("news_from_2031", "<EventKey>K</EventKey><Some>1</Some>"),
        event_push("news_from_2031", "<EventKey>K</EventKey><Some>01</Some>"),
        event_push("news_from_2031", "<EventKey>K</EventKey><Other>1</Other>"),
        event_push(
            "news_from_2031",
            "<EventKey>K</EventKey><Some><Other>1</Other></Some>",
        ),
        event_push(
            "news_from_2031",
            "<EventKey>K</EventKey><Some>1</Some><Some>2</Some>",
        ),
        event_push(
            "news_from_2031",
            "<EventKey>K</EventKey><Some>1</Some><Some>3</Some>",
        ),
        event_push(
            "news_from_2031",
            "<EventKey>K</EventKey><A><B>1</B><C>2</C></A><A><B>3</B><C>4</C></A>",
        ),
        event_push(
            "news_from_2031",
            "<EventKey>K</EventKey><A><B>1</B><C>4</C></A><A><B>3</B><C>2</C></A>",
        ),
        message_push("location", "<Location_X>23.1</Location_X>"),
        message_push("location", "<Location_X>23.10</Location_X>"),
        message_push("text", "<Content>x</Content>"),
        message_push("text", "<Content> x</Content>"),
        message_push("hologram", "<Content>x</Content>"),
        parse(&BODY.replace("oA", "oB")),
        parse(&BODY.replace("gh_1", "gh_2")),
        parse(&BODY.replace(">7<", ">8<")),
    ];
    let mut keys: Vec<String> = pushes.iter().map(Push::dedup_key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), pushes.len());
    // The key of an event that asks to forget a person must not contain them.
    for key in keys {
        assert!(!key.contains("oA") && !key.contains("oB"), "{key}");
    }
}

/// A message without an id.
const BODY: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName><CreateTime>7</CreateTime>\
                    <MsgType>text</MsgType><Content>x</Content></xml>";

fn scanned(result: &str) -> String {
    format!(
        "<EventKey>K</EventKey><ScanCodeInfo><ScanType>barcode</ScanType><ScanResult>{result}</ScanResult></ScanCodeInfo>"
    )
}

#[test]
fn a_push_has_the_same_key_however_it_is_written() {
    let one = event_push("scancode_waitmsg", &scanned("6901234567892")).dedup_key();
    for body in [
        "<?xml version='1.0'?>\n<xml>\n <Event> scancode_waitmsg </Event>\n <MsgType><![CDATA[event]]></MsgType>\n <ScanCodeInfo>\n \
         <ScanResult><![CDATA[6901234567892]]></ScanResult>\n <ScanType> <![CDATA[barcode]]>\n </ScanType> </ScanCodeInfo><EventKey>\
         <![CDATA[K]]></EventKey><CreateTime>7</CreateTime><FromUserName>oA</FromUserName>\n<ToUserName>gh_1</ToUserName><None/></xml>",
        r#"{"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 7, "MsgType": "event", "Event": "scancode_waitmsg",
            "EventKey": "K", "ScanCodeInfo": {"ScanType": "barcode", "ScanResult": 6901234567892}, "None": null, "No": {"ne": ""}}"#,
        r#"{"ScanCodeInfo": {"ScanResult": "6901234567892", "ScanType": "barcode"}, "EventKey": "K", "Event": "scancode_waitmsg",
            "MsgType": "event", "CreateTime": "7", "FromUserName": "oA", "ToUserName": "gh_1", "Encrypt": "of another time"}"#,
    ] {
        assert_eq!(parse(body).dedup_key(), one, "{body}");
    }
    let listed = event_push("news_from_2031", "<Some>1</Some><Some>2</Some>").dedup_key();
    let json = r#"{"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 7, "MsgType": "event", "Event": "news_from_2031",
                   "Some": [1, 2]}"#;
    assert_eq!(parse(json).dedup_key(), listed);
}

#[test]
fn numbers_in_json_are_kept_as_written() {
    let message = |id: &str| {
        format!(
            r#"{{"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 7, "MsgType": "location", "MsgId": {id},
                "Location_X": 23.10, "Location_Y": -1.5e2, "Label": "12 \" 3", "Extra": [0, [1, true]], "Scale":16}}"#
        )
    };
    for id in [
        "18446744073709551616",
        "18446744073709551617",
        "340282366920938463463374607431768211456",
    ] {
        assert_eq!(parse(&message(id)).dedup_key(), format!("{id}|oA"));
    }
    let push = parse(&message("1"));
    assert_eq!(push.coordinates(), Some(("23.10", "-1.5e2")));
    assert_eq!(push.subject(), "12 \" 3");
    for wrong in [
        "01", "1.", "-", "+1", "1e", ".5", "1 2", "0x10", "NaN", "1\"", "tru",
    ] {
        let error = error(&message(wrong));
        assert!(
            matches!(error, ParseError::Malformed(Format::Json, _)),
            "{wrong}: {error}"
        );
    }
    // Of a repeated element the first counts, as in XML.
    assert_eq!(parse(&message("1, \"MsgId\": 2")).msg_id(), Some("1"));
}

#[test]
fn the_result_of_a_mass_message_may_spell_its_id_either_way() {
    for name in ["MsgID", "MsgId"] {
        let push = event_push("MASSSENDJOBFINISH", &format!("<{name}>42</{name}>"));
        assert_eq!(push.msg_id(), Some("42"));
    }
}

#[test]
fn different_events_of_one_sender_in_one_second_have_different_keys() {
    let sent = |id: &str| {
        format!("<SubscribeMsgSentEvent><List><MsgID>{id}</MsgID></List></SubscribeMsgSentEvent>")
    };
    for (event, one, other) in [
        // Sent by the platform's own account, for several users in the same second.
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
        assert!(
            !key(&one).contains("oB"),
            "{event}: the key contains the person"
        );
    }
}

#[test]
fn a_time_that_is_not_a_date_is_refused() {
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
fn a_subscribe_or_scan_event_has_its_scene() {
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
fn a_push_whose_reply_nobody_would_see_may_not_be_answered() {
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
fn authorization_events_name_the_user_they_are_about() {
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
