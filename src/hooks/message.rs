//! The call to a hook: one event for a program, for a robot as many as fit into one message.

use serde_json::{Value, json};

use super::summary::{summary, type_in_chinese};
use crate::config::{Hook, HookFormat, Placeholder, last_part};
use crate::local_time;
use crate::store::HookEvent;
use crate::webhook::{SigningSecret, hmac_base64};

/// How every message of a robot begins. DingTalk and Feishu can ask for a keyword in each.
const TITLE: &str = "【公众号】";

/// The most events that become one message of a robot.
const MOST_TOGETHER: usize = 500;

/// One call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) url: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// How many of these events the next call delivers.
pub(super) fn taken(hook: &Hook, events: &[HookEvent]) -> usize {
    match hook.format {
        HookFormat::Standard { .. } => 1,
        HookFormat::WeCom
        | HookFormat::DingTalk { .. }
        | HookFormat::Feishu { .. }
        | HookFormat::Ntfy
        | HookFormat::Bark => events.len().min(MOST_TOGETHER),
    }
}

/// The call that delivers these events, at least one, and reports that `dropped` were dropped. `now` in Unix seconds;
/// `secrets` from [`super::secrets`].
pub(super) fn call(
    hook: &Hook,
    secrets: &[SigningSecret],
    events: &[HookEvent],
    dropped: i64,
    now: i64,
) -> Call {
    let url = hook.url.expose();
    let mut call = Call {
        url: url.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: String::new(),
    };
    let text = |most| text(events, dropped, most);
    let parts = || last_part(url).unwrap_or((url, ""));
    match &hook.format {
        HookFormat::Standard { body, .. } => {
            let Some(event) = events.first() else {
                return call;
            };
            call.body = match body {
                None => standard(event, dropped),
                Some(template) => {
                    let value = read(event);
                    template.fill(|placeholder| filling(placeholder, event, &value, dropped))
                }
            };
            let signatures = secrets
                .iter()
                .map(|secret| secret.sign(&event.id, now, call.body.as_bytes()));
            call.headers = vec![
                ("webhook-id", event.id.clone()),
                ("webhook-timestamp", now.to_string()),
                (
                    "webhook-signature",
                    signatures.collect::<Vec<_>>().join(" "),
                ),
            ];
        }
        HookFormat::WeCom => {
            call.body =
                json!({ "msgtype": "text", "text": { "content": text(2_048) } }).to_string();
        }
        HookFormat::DingTalk { secret } => {
            call.body =
                json!({ "msgtype": "text", "text": { "content": text(16_000) } }).to_string();
            if let Some(secret) = secret {
                let time = (now * 1_000).to_string();
                let signed = format!("{time}\n{}", secret.expose());
                let sign = hmac_base64(secret.expose().as_bytes(), signed.as_bytes());
                call.query = vec![("timestamp", time), ("sign", sign)];
            }
        }
        HookFormat::Feishu { secret } => {
            let mut body = json!({ "msg_type": "text", "content": { "text": text(16_000) } });
            if let Some(secret) = secret {
                let key = format!("{now}\n{}", secret.expose());
                body["timestamp"] = now.to_string().into();
                body["sign"] = hmac_base64(key.as_bytes(), b"").into();
            }
            call.body = body.to_string();
        }
        HookFormat::Ntfy => {
            let (base, topic) = parts();
            call.body = json!({ "topic": topic, "message": text(4_000) }).to_string();
            call.url = format!("{base}/");
        }
        HookFormat::Bark => {
            let (base, key) = parts();
            call.body = json!({ "device_key": key, "body": text(3_000) }).to_string();
            call.url = format!("{base}/push");
        }
    }
    call
}

/// The event as stored, with the number of events dropped before it.
fn standard(event: &HookEvent, dropped: i64) -> String {
    match event.body.strip_suffix('}') {
        Some(body) if dropped > 0 => format!(r#"{body},"dropped":{dropped}}}"#),
        Some(_) | None => event.body.clone(),
    }
}

fn read(event: &HookEvent) -> Value {
    serde_json::from_str(&event.body).unwrap_or_default()
}

fn filling(placeholder: Placeholder, event: &HookEvent, value: &Value, dropped: i64) -> String {
    match placeholder {
        Placeholder::Summary => match dropped_line(dropped) {
            Some(line) => format!("{}({line})", summary(value)),
            None => summary(value),
        },
        Placeholder::Type => event.kind.clone(),
        Placeholder::Openid => event.openid.clone().unwrap_or_default(),
        Placeholder::Content => {
            let content = value["data"]["content"].as_str();
            content.unwrap_or_default().to_owned()
        }
        Placeholder::Time => local_time::format(event.created_at),
    }
}

fn dropped_line(dropped: i64) -> Option<String> {
    (dropped > 0).then(|| format!("另有 {dropped} 条因积压过多未能保留"))
}

/// One line for each event, at most `most` bytes. If not all fit, the last line counts the others by their type.
fn text(events: &[HookEvent], dropped: i64, most: usize) -> String {
    // For the lines at the end.
    const RESERVED: usize = 300;
    let mut text = TITLE.to_owned();
    let mut shown = 0;
    let all: usize = events.len();
    for event in events {
        let line = summary(&read(event));
        let is_last = shown + 1 == all;
        let room = match is_last && dropped == 0 {
            true => most,
            false => most.saturating_sub(RESERVED),
        };
        if text.len() + line.len() + 1 > room {
            break;
        }
        if shown > 0 {
            text.push('\n');
        }
        text.push_str(&line);
        shown += 1;
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for event in &events[shown..] {
        let kind = type_in_chinese(&event.kind);
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{kind} {count} 条"))
        .collect();
    let rest = (!counts.is_empty()).then(|| format!("另有：{}", counts.join("、")));
    for line in rest.into_iter().chain(dropped_line(dropped)) {
        if text.len() > TITLE.len() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::hooks::event::body;
    use std::path::Path;

    const NOW: i64 = 1_767_225_600;

    fn hook(keys: &str) -> Hook {
        let text = format!("[[hook]]\nname = \"h\"\n{keys}\n");
        let config = Config::read(Path::new("wechat.conf"), &text, None).expect(keys);
        config.hooks[0].clone()
    }

    fn event(kind: &str, data: Value) -> HookEvent {
        HookEvent {
            number: 1,
            id: "evt_1".to_owned(),
            hook: "h".to_owned(),
            kind: kind.to_owned(),
            openid: Some("oSyn1aAQe7rT0uXk3mPzLc9WvBh4".to_owned()),
            body: body(kind, NOW, &data),
            created_at: NOW,
            attempts: 0,
            next_at: NOW,
            last_status: None,
            last_error: None,
        }
    }

    fn message(content: &str) -> HookEvent {
        let openid = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
        let data = json!({ "openid": openid, "kind": "text", "content": content });
        event("message", data)
    }

    #[test]
    fn dingtalk_and_feishu_are_signed_as_their_pages_say() {
        let secret = format!("SECsyn{}", "0".repeat(58));
        let dingtalk = hook(&format!(
            "format = \"dingtalk\"\nurl = \"https://oapi.dingtalk.com/robot/send?access_token=A\"\nsecret = \"{secret}\""
        ));
        let sent = call(&dingtalk, &[], &[message("hi")], 0, NOW);
        let sign = "3ezoxy1gzf5AU4BeXFAkB2h8A5ZRIJkZXg9jFeREX0A=";
        assert_eq!(
            sent.query,
            [
                ("timestamp", "1767225600000".to_owned()),
                ("sign", sign.to_owned())
            ]
        );
        let feishu = hook(
            "format = \"feishu\"\nurl = \"https://open.feishu.cn/open-apis/bot/v2/hook/U\"\nsecret = \"synFeishuSecret0000001\"",
        );
        let sent = call(&feishu, &[], &[message("hi")], 0, NOW);
        let body: Value = serde_json::from_str(&sent.body).expect("JSON");
        assert_eq!(body["timestamp"], "1767225600");
        assert_eq!(body["sign"], "11OwXyiS9coGp/bOn3/OGFSwUy66lkmWcEor/fejFXs=");
        assert_eq!(body["msg_type"], "text");
    }

    #[test]
    fn the_last_part_of_a_url_is_the_topic_or_the_key() {
        let ntfy = hook("format = \"ntfy\"\nurl = \"https://ntfy.example.com/shop\"");
        let sent = call(&ntfy, &[], &[message("hi")], 0, NOW);
        assert_eq!(sent.url, "https://ntfy.example.com/");
        assert!(sent.body.contains(r#""topic":"shop""#), "{}", sent.body);
        let bark = hook("format = \"bark\"\nurl = \"https://api.day.app/KEY\"");
        let sent = call(&bark, &[], &[message("hi")], 0, NOW);
        assert_eq!(sent.url, "https://api.day.app/push");
        assert!(sent.body.contains(r#""device_key":"KEY""#), "{}", sent.body);
    }

    #[test]
    fn many_events_become_one_message_that_is_short_enough() {
        let wecom = hook(
            "format = \"wecom\"\nurl = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=U\"",
        );
        let long = "这是一条很长的消息".repeat(10);
        let mut events = vec![message(&long); 40];
        events.push(event("follow", json!({ "openid": "oSyn000001" })));
        assert_eq!(taken(&wecom, &events), 41);
        let sent = call(&wecom, &[], &events, 3, NOW);
        let body: Value = serde_json::from_str(&sent.body).expect("JSON");
        let content = body["text"]["content"].as_str().expect("a text");
        assert!(content.len() <= 2_048, "{}", content.len());
        let lines: Vec<&str> = content.lines().collect();
        let shown = lines.len() - 2;
        assert_eq!(
            lines[shown],
            format!("另有：消息 {} 条、关注 1 条", 40 - shown)
        );
        assert!(lines[shown + 1].contains("3 条"), "{content}");
        // Two short ones stand below each other.
        let sent = call(&wecom, &[], &[message("a"), message("b")], 0, NOW);
        assert!(sent.body.contains(r"\n"), "{}", sent.body);
    }

    #[test]
    fn a_program_gets_one_event_per_call_and_the_number_of_dropped_ones() {
        let standard = hook("url = \"https://crm.example.com/\"");
        let events = [message("a \"b\" 🐟"), message("c")];
        assert_eq!(taken(&standard, &events), 1);
        let secret = SigningSecret::random().expect("random numbers");
        let sent = call(&standard, &[secret.clone(), secret], &events[..1], 7, NOW);
        let body: Value = serde_json::from_str(&sent.body).expect("JSON");
        assert_eq!(body["dropped"], 7);
        assert_eq!(body["timestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(body["data"]["content"], "a \"b\" 🐟");
        assert_eq!(sent.headers[2].1.matches("v1,").count(), 2);
        let own = hook("url = \"https://a.example/\"\nbody = '{\"text\":\"{summary} {content}\"}'");
        let sent = call(&own, &[], &events[..1], 0, NOW);
        let body: Value = serde_json::from_str(&sent.body).expect("JSON");
        let text = body["text"].as_str().expect("a text");
        assert!(text.ends_with("a \"b\" 🐟"), "{text}");
    }
}
