//! Pushes as the platform would send them: every kind, signed, each with a unique MsgId or CreateTime.

use super::http::Request;
use super::now;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The account's original id in every push.
pub const ACCOUNT: &str = "gh_5a0c3d91e7b2";
/// The default sender.
pub const FAN: &str = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";

/// One push before it is signed.
#[derive(Clone, Debug)]
pub struct Push {
    from: String,
    created: i64,
    msg_type: String,
    msg_id: Option<String>,
    elements: String,
    raw: Option<Vec<u8>>,
    stamp: Option<String>,
    token: Option<String>,
    extra_query: String,
}

/// An OpenID that is unique in this test run.
pub fn another_fan() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("oFan{:024}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The first push of a run is this old, in seconds.
const BEGIN: i64 = 30 * 86_400;
/// Seconds before they repeat: two and a half million pushes have a unique second. Tests make some thousands, only a
/// bench could make more. The last one is still a day old.
const SECONDS: i64 = 29 * 86_400;

/// Increases by one second with every push, so that two pushes never share a deduplication key by accident, and all are
/// earlier than a time that a test sets close to [`now`].
fn next_second() -> i64 {
    static FIRST: OnceLock<i64> = OnceLock::new();
    static PASSED: AtomicI64 = AtomicI64::new(0);
    let passed = PASSED.fetch_add(1, Ordering::Relaxed);
    FIRST.get_or_init(|| now() - BEGIN) + passed % SECONDS
}

fn next_msg_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(24_900_000_000_100_000);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

fn message(msg_type: &str, elements: String) -> Push {
    Push {
        from: FAN.into(),
        created: next_second(),
        msg_type: msg_type.into(),
        msg_id: Some(next_msg_id()),
        elements,
        raw: None,
        stamp: None,
        token: None,
        extra_query: String::new(),
    }
}

fn cdata(value: &str) -> String {
    format!("<![CDATA[{}]]>", value.replace("]]>", "]]]]><![CDATA[>"))
}

fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>\n", cdata(value))
}

/// A text message.
pub fn text(content: &str) -> Push {
    message("text", element("Content", content))
}

/// An image message.
pub fn image() -> Push {
    let url = element("PicUrl", "http://mmbiz.qpic.cn/SYNTHETIC/0");
    message("image", url + &element("MediaId", "SYN_image"))
}

/// A voice message; `recognition` is what the platform understood.
pub fn voice(recognition: &str) -> Push {
    let mut elements = element("MediaId", "SYN_voice") + &element("Format", "amr");
    if !recognition.is_empty() {
        elements += &element("Recognition", recognition);
    }
    message("voice", elements)
}

/// A video message.
pub fn video() -> Push {
    let media = element("MediaId", "SYN_video");
    message("video", media + &element("ThumbMediaId", "SYN_thumb"))
}

/// A video recorded in the chat.
pub fn shortvideo() -> Push {
    let media = element("MediaId", "SYN_video");
    message("shortvideo", media + &element("ThumbMediaId", "SYN_thumb"))
}

/// A place that the user picked.
pub fn location(label: &str) -> Push {
    let place = "<Location_X>31.230416</Location_X>\n<Location_Y>121.473701</Location_Y>\n<Scale>16</Scale>\n";
    message("location", place.to_owned() + &element("Label", label))
}

/// A shared page.
pub fn link(title: &str) -> Push {
    let summary = element("Description", "summary of the page");
    let url = element("Url", "https://www.example.com/post?id=7&from=chat");
    message("link", element("Title", title) + &summary + &url)
}

/// A file; undocumented, but the platform sends it.
pub fn file(title: &str) -> Push {
    let rest = element("Description", "128.4 KB") + &element("FileKey", "SYN_key");
    message("file", element("Title", title) + &rest)
}

/// A message of an unknown kind.
pub fn unknown_message(msg_type: &str) -> Push {
    message(msg_type, element("Anything", "at all"))
}

/// Any event, without a key.
pub fn event(name: &str) -> Push {
    let mut push = message("event", element("Event", name));
    push.msg_id = None;
    push
}

/// Somebody follows.
pub fn subscribe() -> Push {
    event("subscribe").key("")
}

/// Somebody follows after scanning the code of this scene.
pub fn subscribe_by(scene: &str) -> Push {
    event("subscribe")
        .key(&format!("qrscene_{scene}"))
        .element("Ticket", "gQSYN0_8TAAA")
}

/// Somebody unfollows.
pub fn unsubscribe() -> Push {
    event("unsubscribe").key("")
}

/// A follower scans the code of this scene.
pub fn scan(scene: &str) -> Push {
    event("SCAN").key(scene).element("Ticket", "gQSYN0_8TAAA")
}

/// A follower's phone reports where it is.
pub fn location_report() -> Push {
    let mut push = event("LOCATION");
    push.elements += "<Latitude>31.230416</Latitude>\n<Longitude>121.473701</Longitude>\n<Precision>35.000000</Precision>\n";
    push
}

/// A code scanned from the menu: the button's key and the text of the code.
pub fn scanned(key: &str, text: &str) -> Push {
    let mut push = event("scancode_waitmsg").key(key);
    let info = element("ScanType", "qrcode") + &element("ScanResult", text);
    push.elements += &format!("<ScanCodeInfo>{info}</ScanCodeInfo>\n");
    push
}

/// A place chosen from the menu.
pub fn location_select(key: &str) -> Push {
    let mut push = event("location_select").key(key);
    push.elements += "<SendLocationInfo><Location_X>31.230416</Location_X>\n<Location_Y>121.473701</Location_Y>\n<Scale>16</Scale>\n<Label>here</Label>\n</SendLocationInfo>\n";
    push
}

/// A tap on a menu button with this key.
pub fn click(key: &str) -> Push {
    event("CLICK").key(key)
}

/// A tap on a menu button that opens a page.
pub fn view(url: &str) -> Push {
    event("VIEW").key(url).element("MenuId", "430012345")
}

/// Any bytes as the body, with a valid signature.
pub fn raw(body: impl Into<Vec<u8>>) -> Push {
    let mut push = text("");
    push.raw = Some(body.into());
    push
}

impl Push {
    /// Sets the sender.
    pub fn from(mut self, openid: &str) -> Self {
        self.from = openid.into();
        self
    }

    /// Sets `CreateTime`.
    pub fn at(mut self, created: i64) -> Self {
        self.created = created;
        self
    }

    /// Sets `MsgId`.
    pub fn id(mut self, msg_id: &str) -> Self {
        self.msg_id = Some(msg_id.into());
        self
    }

    /// Sets `EventKey`.
    pub fn key(self, key: &str) -> Self {
        self.element("EventKey", key)
    }

    /// Adds an element.
    pub fn element(mut self, name: &str, value: &str) -> Self {
        self.elements += &element(name, value);
        self
    }

    /// Signs with this token instead of the account's.
    pub fn signed_with(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Signs with this `timestamp` instead of the current time.
    pub fn stamped(mut self, timestamp: impl ToString) -> Self {
        self.stamp = Some(timestamp.to_string());
        self
    }

    /// Adds this to the end of the query, for example `&encrypt_type=raw`.
    pub fn query(mut self, more: &str) -> Self {
        self.extra_query += more;
        self
    }

    /// The sender.
    pub fn sender(&self) -> &str {
        &self.from
    }

    /// `CreateTime`.
    pub fn created(&self) -> i64 {
        self.created
    }

    /// `MsgId`, for messages.
    pub fn msg_id(&self) -> Option<&str> {
        self.msg_id.as_deref()
    }

    /// Identifies its row in the store: the sender and the `MsgId`, or the event's name.
    pub fn key_in_store(&self) -> String {
        let event = || self.value_of("Event").unwrap_or_default();
        let which = self.msg_id.clone().unwrap_or_else(event);
        format!("{} {which}", self.from)
    }

    /// `Content` or `EventKey`, as an argument for `explain` and `simulate`.
    pub fn value_of(&self, name: &str) -> Option<String> {
        let body = format!("<xml>{}</xml>", self.elements);
        let root = xmltree::Element::parse(body.as_bytes()).unwrap();
        let inside = root
            .get_child("ScanCodeInfo")
            .and_then(|info| info.get_child(name));
        let child = root.get_child(name).or(inside)?;
        Some(
            child
                .get_text()
                .map(|text| text.into_owned())
                .unwrap_or_default(),
        )
    }

    /// `MsgType`.
    pub fn msg_type(&self) -> &str {
        &self.msg_type
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let msg_id = match &self.msg_id {
            Some(id) => format!("<MsgId>{id}</MsgId>\n"),
            None => String::new(),
        };
        format!(
            "<xml>\n{}{}<CreateTime>{}</CreateTime>\n{}{}{msg_id}</xml>",
            element("ToUserName", ACCOUNT),
            element("FromUserName", &self.from),
            self.created,
            element("MsgType", &self.msg_type),
            self.elements,
        )
        .into_bytes()
    }

    /// The request to an account with this token and callback path.
    pub fn request(&self, path: &str, token: &str) -> Request {
        let token = self.token.as_deref().unwrap_or(token);
        let stamp = self.stamp.clone().unwrap_or_else(|| now().to_string());
        let query = signed_query(token, &stamp, &nonce());
        let target = format!("{path}?{query}&openid={}{}", self.from, self.extra_query);
        Request::new("POST", &target)
            .header("Content-Type", "text/xml")
            .header("User-Agent", "Mozilla/4.0")
            .body(self.body())
    }
}

/// A nonce that is unique in this run.
pub fn nonce() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(830_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// `signature=…&timestamp=…&nonce=…`.
pub fn signed_query(token: &str, timestamp: &str, nonce: &str) -> String {
    let signature = signature(&[token, timestamp, nonce]);
    format!("signature={signature}&timestamp={timestamp}&nonce={nonce}")
}

/// The platform's signature: SHA-1 in lower-case hex over the parts, sorted by bytes.
pub fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    sha1_smol::Sha1::from(parts.concat()).hexdigest()
}
