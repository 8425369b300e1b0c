//! Pushes as the platform sends them, built and signed before the clock starts. Each is unique.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use wechatd::wechat::{AesKey, Envelope, Format, seal, sign};

/// Token of every server in the bench.
pub const TOKEN: &str = "benchToken2026";
/// EncodingAESKey in secure mode.
pub const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// AppID in secure mode.
pub const APP_ID: &str = "wx7a9c0e1f2b3d4c5e";

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Write a text.
    Text,
    /// Follow and unfollow in turn.
    Follow,
}

impl Kind {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Follow => "follow",
        }
    }
}

/// How to build requests.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub kind: Kind,
    /// Encrypted, as in the console's secure mode.
    pub secure: bool,
    /// `Connection: close` on every request.
    pub close: bool,
    pub path: String,
    pub token: String,
}

impl Recipe {
    /// For servers started by the bench.
    pub fn new(kind: Kind, secure: bool, close: bool) -> Recipe {
        Recipe {
            kind,
            secure,
            close,
            path: "/wechat".to_owned(),
            token: TOKEN.to_owned(),
        }
    }

    /// Whole requests as bytes.
    pub fn requests(&self, count: usize) -> Vec<Vec<u8>> {
        // Unique in this process, and across processes started at least a second apart.
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let now = unix_seconds();
        let first = SERIAL.fetch_add(count as u64, Ordering::Relaxed);
        let key = AesKey::parse(AES_KEY).expect("the key of the bench is well-formed");
        (first..)
            .take(count)
            .map(|serial| self.request(now, serial, &key))
            .collect()
    }

    fn request(&self, now: u64, serial: u64, key: &AesKey) -> Vec<u8> {
        let unique = now * 10_000_000 + serial;
        let timestamp = now.to_string();
        let nonce = (1_000_000_000 + serial).to_string();
        // Spread, so that neighbours in time are not neighbours in an index.
        let person = match self.kind {
            Kind::Text => serial,
            Kind::Follow => unique / 2,
        };
        let openid = format!("oBench{:022}", person.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let about = match self.kind {
            Kind::Text => format!(
                "<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[What do you have today? {serial}]]></Content>\n<MsgId>{unique}</MsgId>\n"
            ),
            Kind::Follow => {
                let event = if serial.is_multiple_of(2) {
                    "subscribe"
                } else {
                    "unsubscribe"
                };
                format!(
                    "<MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[{event}]]></Event>\n<EventKey><![CDATA[]]></EventKey>\n"
                )
            }
        };
        let mut body = format!(
            "<xml>\n<ToUserName><![CDATA[gh_5a0c3d91e7b2]]></ToUserName>\n<FromUserName><![CDATA[{openid}]]></FromUserName>\n<CreateTime>{now}</CreateTime>\n{about}</xml>"
        );
        let signature = sign(&[&self.token, &timestamp, &nonce]);
        let mut query =
            format!("signature={signature}&timestamp={timestamp}&nonce={nonce}&openid={openid}");
        if self.secure {
            let random = (u128::from(unique) << 64 | u128::from(serial)).to_le_bytes();
            let encrypt = seal(key, APP_ID, body.as_bytes(), random);
            let signature = sign(&[&self.token, &timestamp, &nonce, &encrypt]);
            write!(query, "&encrypt_type=aes&msg_signature={signature}").unwrap();
            let envelope = Envelope {
                to_user: Some("gh_5a0c3d91e7b2".to_owned()),
                encrypt,
                format: Format::Xml,
            };
            body = envelope.to_body();
        }
        let connection = if self.close {
            "Connection: close\r\n"
        } else {
            ""
        };
        let path = &self.path;
        format!(
            "POST {path}?{query} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/4.0\r\nAccept: */*\r\nContent-Type: text/xml\r\n{connection}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
