//! Signatures and encryption against the published and generated vectors.

use serde_json::{Value, json};
use wechatd::wechat::{
    AesKey, CryptoError, Envelope, Format, ParseError, Push, open, seal, sealed_reply, sign,
    sign_page, verify,
};
use xmltree::Element;

use super::*;

#[test]
fn every_published_signature_verifies() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["signature"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str();
        let mut parts = vec![
            text("token").unwrap(),
            text("timestamp").unwrap(),
            text("nonce").unwrap(),
        ];
        parts.extend(text("encrypt"));
        let signature = text("signature").or(text("msg_signature")).unwrap();
        assert_eq!(sign(&parts), signature, "{vector}");
        assert!(verify(&parts, signature), "{vector}");
        let sorted: Vec<&str> = vector["sorted"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(sign(&sorted), signature, "{vector}");
    }
}

#[test]
fn every_published_signature_of_a_web_page_is_made() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["jssdk"].as_array().unwrap() {
        let value = |name: &str| vector[name].as_str().unwrap();
        let signature = sign_page(
            value("jsapi_ticket"),
            value("noncestr"),
            value("timestamp").parse().unwrap(),
            value("signed_url"),
        );
        assert_eq!(signature, value("signature"), "{}", vector["name"]);
    }
}

#[test]
fn every_encryption_vector_is_decrypted_and_reproduced_byte_for_byte() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["encryption"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let key = AesKey::parse(text("encoding_aes_key")).unwrap();
        let plain = text("plaintext").as_bytes();
        assert_eq!(
            open(&key, text("appid"), text("encrypt")).as_deref(),
            Ok(plain),
            "{}",
            text("name")
        );
        let random = text("random16").as_bytes().try_into().unwrap();
        assert_eq!(
            seal(&key, text("appid"), plain, random),
            text("encrypt"),
            "{}",
            text("name")
        );
        let parts = [text("token"), text("timestamp"), text("nonce")];
        assert!(verify(&parts, text("signature")), "{}", text("name"));
        let [token, timestamp, nonce] = parts;
        assert!(
            verify(
                &[token, timestamp, nonce, text("encrypt")],
                text("msg_signature")
            ),
            "{}",
            text("name")
        );
        // Some of the plaintexts are not pushes; reading them must not panic.
        let _ = Push::parse(plain);
    }
}

#[test]
fn every_forged_or_broken_encryption_vector_is_refused() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["negative"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let parts = [
            text("token"),
            text("timestamp"),
            text("nonce"),
            text("encrypt"),
        ];
        let signed = verify(&parts, text("msg_signature"));
        assert_eq!(
            signed,
            text("expect") != "signature_mismatch",
            "{}",
            text("name")
        );
        if signed {
            let key = AesKey::parse(text("encoding_aes_key")).unwrap();
            let opened = open(&key, text("appid"), text("encrypt"));
            assert!(opened.is_err(), "{}: {opened:?}", text("name"));
            let wrong_app_id = opened == Err(CryptoError::AppId);
            assert_eq!(
                wrong_app_id,
                text("expect") == "appid_mismatch",
                "{}",
                text("name")
            );
        }
    }
}

#[test]
fn a_push_is_the_same_in_all_three_modes() {
    let requests = read_json("crypto/inbound_requests.json");
    let credentials = &requests["credentials"];
    let token = credentials["token"].as_str().unwrap();
    let query = |name: &str| requests["query"][name].as_str().unwrap();
    let plain = read("crypto/inbound_plain.xml");
    assert!(verify(
        &[token, query("timestamp"), query("nonce")],
        query("signature")
    ));
    assert_eq!(Envelope::parse(plain.as_bytes()), Ok(None));
    let push = parse(&plain);
    assert_eq!(push.subject(), "ping 1");
    for mode in ["secure", "compatible"] {
        let body = read(&format!(
            "crypto/{}",
            requests["body_files"][mode].as_str().unwrap()
        ));
        let envelope = Envelope::parse(body.as_bytes()).unwrap().unwrap();
        assert_eq!(envelope.to_user.as_deref(), Some("gh_5a0c3d91e7b2"));
        assert_eq!(envelope.format, Format::Xml);
        let parts = [token, query("timestamp"), query("nonce"), &envelope.encrypt];
        assert!(verify(&parts, query("msg_signature")));
        let key = AesKey::parse(credentials["encoding_aes_key"].as_str().unwrap()).unwrap();
        let opened = open(
            &key,
            credentials["appid"].as_str().unwrap(),
            &envelope.encrypt,
        )
        .unwrap();
        assert_eq!(opened, requests["decrypted"].as_str().unwrap().as_bytes());
        assert_eq!(Push::parse(&opened), Ok(push.clone()), "{mode}");
        assert_eq!(
            Envelope::parse(envelope.to_body().as_bytes()),
            Ok(Some(envelope))
        );
    }
    assert_eq!(
        error(&read("crypto/inbound_secure.xml")),
        ParseError::Missing("FromUserName")
    );
    assert_eq!(parse(&read("crypto/inbound_compatible.xml")), push);
}

#[test]
fn a_json_envelope_is_read_and_written_as_json() {
    let body = "{\"ToUserName\":\"gh_1\",\"Encrypt\":\"+q/=\"}";
    let envelope = Envelope::parse(body.as_bytes()).unwrap().unwrap();
    let expected = Envelope {
        to_user: Some("gh_1".to_owned()),
        encrypt: "+q/=".to_owned(),
        format: Format::Json,
    };
    assert_eq!(envelope, expected);
    assert_eq!(
        Envelope::parse(envelope.to_body().as_bytes()),
        Ok(Some(envelope))
    );
    assert_eq!(Envelope::parse(b"{\"ToUserName\":\"gh_1\"}"), Ok(None));
    assert!(Envelope::parse(b"hello").is_err());
}

#[test]
fn every_encrypted_reply_has_the_structure_of_its_sample() {
    let vectors = read_json("crypto/vectors.json");
    for vector in vectors["reply_envelope"].as_array().unwrap() {
        let name = vector["encryption_vector"].as_str().unwrap();
        let encryption = vectors["encryption"]
            .as_array()
            .unwrap()
            .iter()
            .find(|candidate| candidate["name"] == name)
            .unwrap();
        let text = |name: &str| encryption[name].as_str().unwrap();
        let timestamp = text("timestamp").parse().unwrap();
        let reply = |format| {
            sealed_reply(
                format,
                text("token"),
                timestamp,
                text("nonce"),
                text("encrypt"),
            )
        };

        let json: Value = serde_json::from_str(&reply(Format::Json)).unwrap();
        assert!(json["TimeStamp"].is_i64());
        assert_eq!(
            comparable(&json),
            comparable(&vector["expected_fields"]),
            "{name}"
        );

        let xml = Element::parse(reply(Format::Xml).as_bytes()).unwrap();
        for (name, value) in vector["expected_fields"].as_object().unwrap() {
            assert_eq!(
                json!(xml.get_child(name.as_str()).unwrap().get_text().unwrap()),
                comparable(value),
                "{name}"
            );
        }
        if let Some(sample) = vector["sample_xml"].as_str() {
            assert_eq!(shape(&xml), shape_of(sample), "{name}");
        }
        if vector["name"] == "own_reply" {
            assert_eq!(shape(&xml), shape_of(&read("crypto/reply_encrypted.xml")));
        }
    }
}
