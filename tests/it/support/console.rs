//! The settings of the platform's console (mode, Token, EncodingAESKey, AppID), and a platform that uses them: it
//! encrypts pushes and decrypts answers with its own implementation of the protocol, not with the program's.

use super::http::{Answer, Request};
use super::push::{Push, nonce, signature};
use super::{Account, Setup, TOKEN, account::APP_ID, now};
use aes::Aes256;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use std::sync::atomic::{AtomicU64, Ordering};

/// The EncodingAESKey of every account in an encrypted mode. Its last character has unused bits set.
pub const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// A different one.
pub const OTHER_AES_KEY: &str = "Tm90IHRoZSByaWdodCBrZXksIGp1c3QgYSBkZWNveSE";

/// The message mode of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Compatible,
    Secure,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 3] = [Mode::Plain, Mode::Compatible, Mode::Secure];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Compatible => "compatible",
            Mode::Secure => "secure",
        }
    }
}

/// The settings of the console.
#[derive(Clone, Debug)]
pub struct Console {
    mode: Mode,
    token: String,
    aes_key: String,
    app_id: String,
}

impl Console {
    /// In this mode, with the Token, key and AppID of every account under test.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            token: TOKEN.into(),
            aes_key: AES_KEY.into(),
            app_id: APP_ID.into(),
        }
    }

    /// With this Token.
    pub fn token(mut self, token: &str) -> Self {
        self.token = token.into();
        self
    }

    /// With this EncodingAESKey.
    pub fn key(mut self, aes_key: &str) -> Self {
        self.aes_key = aes_key.into();
        self
    }

    /// With this AppID.
    pub fn app_id(mut self, app_id: &str) -> Self {
        self.app_id = app_id.into();
        self
    }

    /// An account whose configuration matches.
    pub fn setup(&self) -> Setup {
        let mut setup = Setup::new();
        for (key, value) in self.keys() {
            setup = setup.set(key, &format!("\"{value}\""));
        }
        setup
    }

    /// The configuration keys for these settings.
    pub fn keys(&self) -> Vec<(&'static str, &str)> {
        let mut keys = vec![
            ("account.token", self.token.as_str()),
            ("account.mode", self.mode.name()),
        ];
        if self.mode != Mode::Plain {
            keys.push(("account.aes_key", self.aes_key.as_str()));
            keys.push(("account.app_id", self.app_id.as_str()));
        }
        keys
    }

    /// The delivery of a push as the platform makes it, in the format of its body.
    pub fn deliver(&self, push: &Push) -> Delivery {
        let body = String::from_utf8(push.body()).unwrap();
        match self.mode {
            Mode::Plain => Delivery::signed(&self.token, body.into_bytes()),
            Mode::Compatible | Mode::Secure => {
                let encrypt = self.encrypt(body.as_bytes());
                let outer = match self.mode {
                    Mode::Compatible => beside(&body, &encrypt),
                    Mode::Plain | Mode::Secure => alone(&body, &encrypt),
                };
                self.deliver_encrypted(&encrypt, outer)
            }
        }
    }

    /// A delivery that signs this ciphertext and has this body, which need not match.
    pub fn deliver_encrypted(&self, encrypt: &str, body: impl Into<Vec<u8>>) -> Delivery {
        let delivery = Delivery::signed(&self.token, body.into());
        let parts = [
            &self.token,
            delivery.get("timestamp"),
            delivery.get("nonce"),
            encrypt,
        ];
        let msg_signature = signature(&parts);
        delivery
            .with("encrypt_type", "aes")
            .with("msg_signature", &msg_signature)
    }

    /// `Encrypt` of a message.
    pub fn encrypt(&self, message: &[u8]) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let random = format!("{:016}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut plain = random.into_bytes();
        plain.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        plain.extend(message);
        plain.extend(self.app_id.as_bytes());
        let pad = 32 - plain.len() % 32;
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap());
        let key = self.key_bytes();
        let length = plain.len();
        let sealed = cbc::Encryptor::<Aes256>::new_from_slices(&key, &key[..16])
            .unwrap()
            .encrypt_padded::<NoPadding>(&mut plain, length)
            .unwrap();
        STANDARD.encode(sealed)
    }

    /// The message in `Encrypt`, or what is wrong.
    pub fn decrypt(&self, encrypt: &str) -> Result<Vec<u8>, String> {
        let mut sealed = STANDARD
            .decode(encrypt)
            .map_err(|error| error.to_string())?;
        if sealed.is_empty() || !sealed.len().is_multiple_of(32) {
            return Err(format!("{} bytes of ciphertext", sealed.len()));
        }
        let key = self.key_bytes();
        let plain = cbc::Decryptor::<Aes256>::new_from_slices(&key, &key[..16])
            .unwrap()
            .decrypt_padded::<NoPadding>(&mut sealed)
            .map_err(|error| error.to_string())?;
        let pad = usize::from(plain[plain.len() - 1]);
        if !(1..=32).contains(&pad) || !plain.ends_with(&vec![plain[plain.len() - 1]; pad]) {
            return Err("another key's padding".into());
        }
        let content = &plain[16..plain.len() - pad];
        let length = u32::from_be_bytes(content[..4].try_into().unwrap());
        let (message, app_id) = content[4..].split_at(usize::try_from(length).unwrap());
        if app_id != self.app_id.as_bytes() {
            return Err("another AppID".into());
        }
        Ok(message.to_vec())
    }

    fn key_bytes(&self) -> Vec<u8> {
        let lenient = NO_PAD.with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(&ALPHABET, lenient)
            .decode(&self.aes_key)
            .unwrap()
    }

    /// The answer to `delivery` as the user sees it. The envelope of an encrypted reply is checked (elements,
    /// signature, time, nonce) and decrypted.
    #[track_caller]
    pub fn read(&self, delivery: &Delivery, answer: &Answer) -> Answer {
        if delivery.find("encrypt_type") != Some("aes") || answer.body() == "success" {
            return answer.clone();
        }
        answer.is_status(200);
        let json = delivery.body.starts_with(b"{");
        answer.has_header("content-type", if json { "json" } else { "xml" });
        let envelope = match Envelope::parse(&answer.response.body, json) {
            Ok(envelope) => envelope,
            Err(error) => panic!(
                "{}",
                answer.explained(&format!("an encrypted reply: {error}"))
            ),
        };
        let parts = [
            &self.token,
            &envelope.timestamp,
            &envelope.nonce,
            &envelope.encrypt,
        ];
        answer.expect(
            envelope.signature == signature(&parts.map(String::as_str)),
            "MsgSignature over TimeStamp, Nonce, Token and Encrypt",
        );
        let told: i64 = envelope.timestamp.parse().unwrap_or_default();
        answer.expect(now().abs_diff(told) <= 30, "TimeStamp is now");
        answer.expect(
            envelope.nonce == delivery.get("nonce"),
            "the request's nonce",
        );
        match self.decrypt(&envelope.encrypt) {
            Ok(reply) => answer.opened(reply),
            Err(error) => panic!(
                "{}",
                answer.explained(&format!("an Encrypt that opens: {error}"))
            ),
        }
    }

    /// Delivers a push to the running server and reads the answer.
    #[track_caller]
    pub fn push(&self, account: &Account, push: &Push) -> Answer {
        let delivery = self.deliver(push);
        let answer = account.send(&delivery.request());
        self.read(&delivery, &answer)
    }
}

/// The elements of an encrypted reply.
struct Envelope {
    encrypt: String,
    signature: String,
    timestamp: String,
    nonce: String,
}

impl Envelope {
    fn parse(body: &[u8], json: bool) -> Result<Self, String> {
        let elements: Vec<(String, String)> = if json {
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(body).map_err(|error| error.to_string())?;
            if !object
                .get("TimeStamp")
                .is_some_and(serde_json::Value::is_i64)
            {
                return Err("TimeStamp is not a number".into());
            }
            let text = |value: serde_json::Value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            object
                .into_iter()
                .map(|(name, value)| (name, text(value)))
                .collect()
        } else {
            let root = xmltree::Element::parse(body).map_err(|error| error.to_string())?;
            if root.name != "xml" {
                return Err(format!("the root is <{}>", root.name));
            }
            let children = root
                .children
                .iter()
                .filter_map(xmltree::XMLNode::as_element);
            children
                .map(|child| {
                    (
                        child.name.clone(),
                        child.get_text().unwrap_or_default().into_owned(),
                    )
                })
                .collect()
        };
        let mut names: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names != ["Encrypt", "MsgSignature", "Nonce", "TimeStamp"] {
            return Err(format!("the elements are {names:?}"));
        }
        let of = |wanted: &str| {
            elements
                .iter()
                .find(|(name, _)| name == wanted)
                .unwrap()
                .1
                .clone()
        };
        Ok(Self {
            encrypt: of("Encrypt"),
            signature: of("MsgSignature"),
            timestamp: of("TimeStamp"),
            nonce: of("Nonce"),
        })
    }
}

/// One HTTP delivery, which tests may change before it is sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    query: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Delivery {
    /// A body with a three-part signature and the current time.
    pub fn signed(token: &str, body: Vec<u8>) -> Self {
        let (timestamp, nonce) = (now().to_string(), nonce());
        let signature = signature(&[token, &timestamp, &nonce]);
        Self {
            query: Vec::new(),
            body,
        }
        .with("signature", &signature)
        .with("timestamp", &timestamp)
        .with("nonce", &nonce)
        .with("openid", super::FAN)
    }

    /// Replaces this parameter of the query.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(known, _)| known != name);
        self.query.push((name.into(), value.into()));
        self
    }

    /// Removes this parameter of the query.
    pub fn without(mut self, name: &str) -> Self {
        self.query.retain(|(known, _)| known != name);
        self
    }

    /// With another body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// A parameter of the query.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    fn find(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The request on the wire.
    pub fn request(&self) -> Request {
        let pairs = self.query.iter().map(|(name, value)| {
            let value = value
                .replace('%', "%25")
                .replace('+', "%2B")
                .replace('&', "%26");
            format!("{name}={value}")
        });
        let query: Vec<String> = pairs.collect();
        Request::new("POST", &format!("/wechat?{}", query.join("&")))
            .header("Content-Type", "text/xml")
            .header("User-Agent", "Mozilla/4.0")
            .header("Accept", "*/*")
            .header("Pragma", "no-cache")
            .body(self.body.clone())
    }
}

/// The readable push with an additional `Encrypt`: the body in compatible mode.
fn beside(body: &str, encrypt: &str) -> String {
    if body
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
    {
        let mut object: serde_json::Value = serde_json::from_str(body).unwrap();
        object["Encrypt"] = encrypt.into();
        return object.to_string();
    }
    let end = body
        .rfind("</xml>")
        .unwrap_or_else(|| panic!("no end: {body}"));
    format!(
        "{}<Encrypt><![CDATA[{encrypt}]]></Encrypt>\n</xml>",
        &body[..end]
    )
}

/// Only `ToUserName` and `Encrypt`: the body in secure mode.
pub fn alone(body: &str, encrypt: &str) -> String {
    if body
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
    {
        return serde_json::json!({ "ToUserName": super::ACCOUNT, "Encrypt": encrypt }).to_string();
    }
    let to = super::ACCOUNT;
    format!(
        "<xml>\n    <ToUserName><![CDATA[{to}]]></ToUserName>\n    <Encrypt><![CDATA[{encrypt}]]></Encrypt>\n</xml>\n"
    )
}
