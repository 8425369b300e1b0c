//! Texts of users that contain CDATA markers. The platform does not escape them, so the XML is not well-formed.

use std::fmt::Write;
use std::time::Duration;

use proptest::prelude::*;
use wechatd::wechat::{Body, Envelope, Format, ParseError, Push, text};

use super::*;
use crate::support::process::worked;

/// Texts that are read unchanged in any element.
const TEXTS: [&str; 15] = [
    "a]]>b",
    "]]>",
    "a]]>",
    "]]>]]>",
    "look: <![CDATA[x]]> here",
    "<![CDATA[a]]>",
    "a]]></xml>",
    "a]]><xml>b",
    "a]]> & < > \" ' &amp; b",
    "a]]><!DOCTYPE x [<!ENTITY y 'z'>]>b",
    "a]]><?php ?>b",
    "a]]><!-- b",
    "a]]>\n  <b c='\n]]>d",
    " a ]]> b ",
    "a]]></ToUserName></MsgType>]]></FromUserName>b",
];

/// A text message as the platform writes it.
fn text_message(content: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<FromUserName><![CDATA[oA]]></FromUserName>\n\
         <CreateTime>7</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[{content}]]></Content>\n\
         <MsgId>42</MsgId>\n</xml>"
    )
}

#[test]
fn a_text_with_cdata_markers_is_read_unchanged() {
    let more = [
        "a]]></Content>b",
        "a]]></Content>b]]></Content><Content><![CDATA[c",
        "]]></Content><MsgType><![CDATA[event]]></MsgType>]]>",
    ];
    for content in TEXTS.into_iter().chain(more) {
        let push = parse(&text_message(content));
        assert_eq!(push.subject(), content);
        assert_eq!(
            (&*push.to_user, &*push.from_user),
            ("gh_1", "oA"),
            "{content}"
        );
        assert_eq!(
            (push.msg_type(), push.msg_id()),
            ("text", Some("42")),
            "{content}"
        );
    }
    // White space around the section is layout, as in any other element.
    let padded = "<Content>\n  <![CDATA[a]]>b]]>\n  </Content>";
    assert_eq!(message_push("text", padded).subject(), "a]]>b");
    // Characters that XML cannot carry are removed, as everywhere.
    assert_eq!(
        parse(&text_message("a]\u{1}]>\u{fffe}b")).subject(),
        "a]]>b"
    );
}

#[test]
fn every_element_with_a_users_text_may_contain_cdata_markers() {
    for said in TEXTS {
        let field = |name: &str| format!("<{name}><![CDATA[{said}]]></{name}>");
        let message = |msg_type: &str, more: &str| {
            let push = message_push(msg_type, &format!("{more}<MsgId>42</MsgId>"));
            assert_eq!(push.msg_id(), Some("42"), "{said}");
            match push.body {
                Body::Message(message) => message,
                Body::Event(event) => panic!("{event:?}"),
            }
        };
        let voice = message("voice", &(field("Recognition") + "<Format>amr</Format>"));
        assert_eq!((voice.subject(), voice.text("Format")), (said, Some("amr")));
        let link = field("Title") + &field("Description") + "<Url><![CDATA[http://a/?b&c]]></Url>";
        let link = message("link", &link);
        assert_eq!(
            (link.subject(), link.text("Description")),
            (said, Some(said))
        );
        assert_eq!(link.text("Url"), Some("http://a/?b&c"));
        let file = message("file", &(field("Title") + "<FileKey>k</FileKey>"));
        assert_eq!((file.subject(), file.text("FileKey")), (said, Some("k")));
        let place = "<Scale>16</Scale>".to_owned() + &field("Label");
        let place = message("location", &place);
        assert_eq!((place.subject(), place.text("Scale")), (said, Some("16")));
        let unknown = message("hologram", &field("FileName"));
        assert_eq!(unknown.text("FileName"), Some(said.trim()));
        let event = |name: &str, more: &str| {
            let push = event_push(name, &format!("<EventKey><![CDATA[K]]></EventKey>{more}"));
            assert_eq!(push.event_key(), Some("K"), "{said}");
            match push.body {
                Body::Event(event) => event,
                Body::Message(message) => panic!("{message:?}"),
            }
        };
        let code = format!(
            "<ScanCodeInfo><ScanType><![CDATA[qrcode]]></ScanType>{}</ScanCodeInfo>",
            field("ScanResult")
        );
        let scan = event("scancode_waitmsg", &code);
        assert_eq!(scan.scan(), Some(("qrcode", said.trim())));
        let place = format!(
            "<SendLocationInfo><Location_X><![CDATA[23]]></Location_X>{}{}</SendLocationInfo>",
            field("Label"),
            field("Poiname")
        );
        let place = event("location_select", &place);
        assert_eq!(place.coordinates(), Some(("23", "")));
        let chosen = place.inside("SendLocationInfo");
        assert_eq!(
            (&chosen["Label"], &chosen["Poiname"]),
            (&json!(said), &json!(said))
        );
    }
}

#[test]
fn a_text_may_contain_the_end_tag_of_another_element() {
    let link = |title: &str, description: &str| {
        let push = message_push(
            "link",
            &format!(
                "<Title><![CDATA[{title}]]></Title><Description><![CDATA[{description}]]></Description>\
                 <Url><![CDATA[u]]></Url>"
            ),
        );
        match push.body {
            Body::Message(link) => {
                ["Title", "Description", "Url"].map(|name| link.text(name).unwrap().to_owned())
            }
            Body::Event(event) => panic!("{event:?}"),
        }
    };
    for (title, description) in [
        ("t]]></Description>u", "d"),
        ("t", "d]]></Title>e"),
        ("t]]>u", "d]]>e"),
    ] {
        assert_eq!(link(title, description), [title, description, "u"]);
    }
}

#[test]
fn well_formed_cdata_is_read_as_xml_defines() {
    let content = |inside: &str| message_push("text", &format!("<Content>{inside}</Content>"));
    assert_eq!(content("<![CDATA[a]]]]><![CDATA[>b]]>").subject(), "a]]>b");
    assert_eq!(
        content("<![CDATA[a]]> <!-- x --> <![CDATA[b]]>").subject(),
        "ab"
    );
    assert_eq!(content("<![CDATA[<![CDATA[a]]>").subject(), "<![CDATA[a");
    let twice = "<Content><![CDATA[a]]></Content><Content><![CDATA[b]]></Content>";
    assert_eq!(message_push("text", twice).subject(), "a");
    // Each of several elements of the same name has its own end.
    let pictures = |first: &str| {
        let more = format!(
            "<SendPicsInfo><Count>2</Count><PicList><item><PicMd5Sum><![CDATA[{first}]]></PicMd5Sum></item>\
             <item><PicMd5Sum><![CDATA[b]]></PicMd5Sum></item></PicList></SendPicsInfo>"
        );
        let Body::Event(event) = event_push("pic_weixin", &more).body else {
            panic!()
        };
        event.inside("SendPicsInfo")["PicList"]["item"].clone()
    };
    assert_eq!(
        pictures("a"),
        json!([{ "PicMd5Sum": "a" }, { "PicMd5Sum": "b" }])
    );
    assert_eq!(
        pictures("a]]>x"),
        json!([{ "PicMd5Sum": "a]]>x" }, { "PicMd5Sum": "b" }])
    );
}

#[test]
fn a_text_cannot_replace_the_ciphertext_next_to_it() {
    for content in [
        "a",
        "a]]>b",
        "]]></Encrypt>",
        "]]></Content><Encrypt><![CDATA[b]]></Encrypt><Content><![CDATA[",
        "]]></Content><Encrypt>b</Encrypt>]]>",
    ] {
        let readable = text_message(content);
        let open = readable.strip_suffix("</xml>").unwrap();
        let body = format!("{open}<Encrypt><![CDATA[YWJj]]></Encrypt>\n</xml>");
        let envelope = Envelope::parse(body.as_bytes()).unwrap().unwrap();
        assert_eq!(envelope.encrypt, "YWJj", "{content}");
    }
}

#[test]
fn invalid_xml_next_to_such_a_text_is_still_refused() {
    let with = |more: &str| error(&text_message("a]]>b").replace("<MsgId>42</MsgId>", more));
    for more in [
        "<!DOCTYPE x>",
        "<?x?>",
        "<a>",
        "</a>",
        "<a>b]]>c</a>",
        "<a><![CDATA[b",
        "&a;",
        "<a b='",
        &"<a/>".repeat(4096),
        &"<a>".repeat(16),
        &"<a><![CDATA[]]></a>".repeat(9000),
        &format!("<a {}/>", "b='c' ".repeat(257)),
    ] {
        assert!(
            matches!(
                with(more),
                ParseError::Refused(Format::Xml, _) | ParseError::Malformed(Format::Xml, _)
            ),
            "{more}: {}",
            with(more)
        );
    }
    assert!(!with("</secret>").to_string().contains("secret"));
}

#[test]
fn reading_such_a_text_takes_linear_time() {
    let mega = 1 << 20;
    for content in [
        "]]>".repeat(mega / 3),
        "]]></Content>".repeat(mega / 13),
        "]]></Content><Content><![CDATA[".repeat(mega / 31) + "]]>",
        "]]></a><a><![CDATA[".repeat(mega / 19),
        "<![CDATA[".repeat(mega / 9) + "]]>]]>",
        (0..80_000).fold("]]>".to_owned(), |mut all, n| {
            write!(all, "]]></a{n}>").unwrap();
            all
        }),
        (0..50_000).fold("]]>".to_owned(), |mut all, n| {
            write!(all, "<a{n}><![CDATA[").unwrap();
            all
        }),
    ] {
        let body = text_message(&content);
        let before = worked();
        let result = Push::parse(body.as_bytes());
        let took = worked() - before;
        // Generous for a debug build; quadratic would take minutes.
        assert!(took < Duration::from_secs(10), "{took:?}: {:.40}", content);
        if let Ok(push) = result {
            assert_eq!(push.msg_id(), Some("42"), "{content:.40}");
        }
    }
}

/// A text made of pieces that could confuse the parser.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("]]>"),
        Just("]]"),
        Just("]"),
        Just(">"),
        Just("<![CDATA["),
        Just("</Content>"),
        Just("<Content>"),
        Just("]]></Content>"),
        Just("<Content><![CDATA["),
        Just("<FromUserName>oB</FromUserName>"),
        Just("]]></FromUserName>"),
        Just("<FromUserName><![CDATA["),
        Just("]]></ToUserName>"),
        Just("<MsgType>event</MsgType>"),
        Just("<Event>user_authorization_cancellation</Event>"),
        Just("<OpenID>oB</OpenID>"),
        Just("<CreateTime>9</CreateTime>"),
        Just("]]></MsgType>"),
        Just("<xml>"),
        Just("</xml>"),
        Just("<!--"),
        Just("-->"),
        Just("<a>"),
        Just("</a>"),
        Just("&"),
        Just("x"),
        Just(" "),
        Just("\n"),
        Just("😀"),
        Just("<!DOCTYPE x>"),
        Just("<?x?>"),
        Just("<item>"),
        Just("'"),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Whether an XML parser accepts it as it is.
fn is_well_formed(xml: &str) -> bool {
    Element::parse(xml.as_bytes()).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_text_cannot_change_other_elements(content in hostile_text()) {
        let xml = text_message(&content);
        let push = Push::parse(xml.as_bytes());
        // Well-formed XML with forbidden markup is refused, as always.
        prop_assume!(push.is_ok() || !is_well_formed(&xml));
        let push = push.map_err(|error| TestCaseError::fail(format!("{error}: {xml}")))?;
        prop_assert_eq!((&*push.to_user, &*push.from_user, push.create_time), ("gh_1", "oA", 7));
        prop_assert_eq!((push.msg_type(), push.event()), ("text", None));
        if !is_well_formed(&xml) {
            prop_assert_eq!((push.subject(), push.msg_id()), (&*content, Some("42")));
        }
    }

    #[test]
    fn well_formed_text_is_read_unchanged(content in hostile_text()) {
        let mut escaped = String::new();
        text::push_element(&mut escaped, "Content", &content);
        let push = message_push("text", &escaped);
        prop_assert_eq!(push.subject(), content);
    }
}
