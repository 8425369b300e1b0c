//! Every sample push is sent to a running server, in all three modes and in XML and JSON; its row in `messages` must
//! match the description of the sample.

use crate::protocol::{inbound, json_push};
use crate::support::*;
use serde_json::Value;

/// The format of the body.
#[derive(Clone, Copy)]
enum Written {
    AsXml,
    AsJson,
}

/// Posts every sample to an account in this mode.
fn check_all(mode: Mode, written: Written) {
    let console = Console::new(mode);
    let account = console.setup().rules("").start();
    let mut samples = inbound();
    // Last, because it removes the rows that name the person, including those added shortly after.
    samples.sort_by_key(|(name, ..)| name == "event_user_authorization_cancellation");
    assert!(samples.len() >= 75, "{} samples", samples.len());
    for (name, xml, described) in &samples {
        let body = match written {
            Written::AsXml => xml.clone(),
            Written::AsJson => json_push(described, true),
        };
        let answer = console.push(&account, &raw(body.clone()));
        answer.expect(answer.body() == "success", &format!("success for {name}"));
        let row = "SELECT openid, msg_type, event, event_key, msg_id, created_at, content, xml, rule, reply
                   FROM messages ORDER BY id DESC LIMIT 1";
        let mut expected = columns(described);
        expected.push(match name.as_str() {
            // Not kept, because it names the person to forget.
            "event_user_authorization_cancellation" => "NULL".into(),
            _ => body,
        });
        expected.extend(["NULL".into(), "NULL".into()]);
        account.store().is(row, &[&expected.join("|")]);
    }
    // No sample was taken for a repetition. (Rows cannot be counted, because some are removed in the background.)
    assert_eq!(account.log().count(" again: "), 0, "{}", account.log());
}

/// The expected columns `openid` to `content`, from the description of the sample.
fn columns(described: &Value) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let own = |name: &str| text(&described[name]);
    let field = |name: &str| text(&described["fields"][name]);
    let is_event = described["kind"] == "event";
    let event = own("event").filter(|_| is_event);
    let key = field("EventKey").filter(|_| is_event);
    let subject = match described["msg_type"].as_str().unwrap() {
        "text" => field("Content"),
        "voice" => field("Recognition"),
        "link" | "file" => field("Title"),
        "location" => field("Label"),
        "event" => key.as_deref().map(|key| match event.as_deref() {
            Some("subscribe") => key.strip_prefix("qrscene_").unwrap_or(key).to_owned(),
            _ => key.to_owned(),
        }),
        _ => None,
    };
    let created = described["create_time"].to_string();
    [
        own("from_user"),
        own("msg_type"),
        event,
        key,
        own("msg_id").or(field("MsgID")),
        Some(created),
        subject,
    ]
    .map(|cell| cell.unwrap_or_else(|| "NULL".into()))
    .into()
}

#[test]
fn every_sample_is_recorded_in_plain_mode() {
    check_all(Mode::Plain, Written::AsXml);
}

#[test]
fn every_sample_is_recorded_in_compatible_mode() {
    check_all(Mode::Compatible, Written::AsXml);
}

#[test]
fn every_sample_is_recorded_in_secure_mode() {
    check_all(Mode::Secure, Written::AsXml);
}

#[test]
fn every_sample_is_recorded_from_plain_json() {
    check_all(Mode::Plain, Written::AsJson);
}

#[test]
fn every_sample_is_recorded_from_compatible_json() {
    check_all(Mode::Compatible, Written::AsJson);
}

#[test]
fn every_sample_is_recorded_from_secure_json() {
    check_all(Mode::Secure, Written::AsJson);
}
