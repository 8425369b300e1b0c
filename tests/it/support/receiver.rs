//! A fake receiver of hooks on a free port: a program or a group's robot. It records every call and answers as the test
//! wants.

use super::endpoint::Endpoint;
use super::platform::Call;
use super::platform::connection::{Reply, Then};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::Value;
use std::sync::{Arc, Mutex};

type Behaviour = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// The fake receiver; it stops when dropped.
pub struct Receiver {
    endpoint: Endpoint,
    calls: Arc<Mutex<Vec<Call>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &str) -> Reply {
    Reply::http(status, headers, body, Then::NextCall)
}

/// No answer, ever.
pub fn hang() -> Reply {
    trickle("", b"")
}

/// These bytes, and then more and more.
pub fn trickle(start: &str, piece: &[u8]) -> Reply {
    Reply::Forever {
        start: start.into(),
        piece: piece.into(),
        pause: std::time::Duration::from_millis(20),
    }
}

impl Receiver {
    /// Starts one that answers 204.
    pub fn start() -> Self {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let accepts: Behaviour = Arc::new(|_| answer("204 No Content", "", ""));
        let behaviour = Arc::new(Mutex::new(accepts));
        let (heard, current) = (calls.clone(), behaviour.clone());
        let endpoint = Endpoint::start(move |call| {
            heard.lock().unwrap().push(call.clone());
            let behaviour = current.lock().unwrap().clone();
            behaviour(call)
        });
        Self {
            endpoint,
            calls,
            behaviour,
        }
    }

    /// `http://127.0.0.1:PORT/` and the rest of a URL.
    pub fn url(&self, rest: &str) -> String {
        format!("http://{}/{rest}", self.endpoint.address())
    }

    /// Answers this way from now on.
    pub fn answers(&self, behaviour: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.endpoint.address()
    }

    /// Refuses connections from now on, and breaks open ones.
    pub fn down(&self) {
        self.endpoint.down();
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.endpoint.up();
    }

    /// Answers 204 from now on.
    pub fn accepts(&self) {
        self.answers(|_| answer("204 No Content", "", ""));
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The types of the events so far.
    pub fn types(&self) -> Vec<String> {
        let calls = self.calls();
        let types = calls.iter().map(|call| call.json()["type"].clone());
        types
            .map(|kind| kind.as_str().unwrap().to_owned())
            .collect()
    }
}

/// HMAC-SHA256 in base64.
pub fn hmac(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(sign(&Key::new(HMAC_SHA256, key), message))
}

/// The call is signed with this `whsec_…` by Standard Webhooks.
pub fn is_signed(call: &Call, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
    let (id, timestamp) = (
        &call.headers["webhook-id"],
        &call.headers["webhook-timestamp"],
    );
    let signed = format!("{id}.{timestamp}.{}", call.body);
    let signature = format!("v1,{}", hmac(&key.unwrap(), signed.as_bytes()));
    let signatures = &call.headers["webhook-signature"];
    signatures.split(' ').any(|given| given == signature)
}

/// What a robot of this format with this secret answers, as the real one does: failure comes with HTTP 200.
pub fn robot(format: &str, secret: &str, call: &Call) -> Reply {
    let body: Value = call.json();
    let ok = |body: &str| answer("200 OK", "Content-Type: application/json\r\n", body);
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    match format {
        "wecom" => match (text("/msgtype"), text("/text/content")) {
            (Some("text"), Some(text)) if text.len() <= 2_048 => {
                ok(r#"{"errcode":0,"errmsg":"ok"}"#)
            }
            _ => ok(r#"{"errcode":93000,"errmsg":"invalid message"}"#),
        },
        "dingtalk" => {
            let time = call.query.get("timestamp").cloned().unwrap_or_default();
            let sign = hmac(secret.as_bytes(), format!("{time}\n{secret}").as_bytes());
            match (call.query.get("sign") == Some(&sign), time.len() == 13) {
                (true, true) if text("/text/content").is_some() => {
                    ok(r#"{"errcode":0,"errmsg":"ok"}"#)
                }
                _ => ok(r#"{"errcode":310000,"errmsg":"sign not match"}"#),
            }
        }
        "feishu" => {
            let time = text("/timestamp").unwrap_or_default();
            let sign = hmac(format!("{time}\n{secret}").as_bytes(), b"");
            match text("/sign") == Some(&sign) && text("/msg_type") == Some("text") {
                true if text("/content/text").is_some() => ok(r#"{"code":0,"msg":"success"}"#),
                _ => ok(
                    r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}"#,
                ),
            }
        }
        "ntfy" => match (call.path.as_str(), text("/topic"), text("/message")) {
            ("/", Some("shop"), Some(_)) => ok(r#"{"id":"x"}"#),
            _ => answer("404 Not Found", "", r#"{"code":40401}"#),
        },
        "bark" => match (call.path.as_str(), text("/device_key"), text("/body")) {
            ("/push", Some("KEY"), Some(_)) => ok(r#"{"code":200,"message":"success"}"#),
            _ => ok(r#"{"code":400,"message":"device key is empty"}"#),
        },
        other => panic!("no robot {other}"),
    }
}

/// The text that a robot was sent.
pub fn sent_text(call: &Call) -> String {
    let body = call.json();
    let places = ["/text/content", "/content/text", "/message", "/body"];
    let text = places
        .iter()
        .find_map(|place| body.pointer(place)?.as_str());
    text.unwrap().to_owned()
}
