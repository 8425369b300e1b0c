//! Pushes as the platform would send them, for `simulate` and `explain`.

use crate::clock;
use crate::config::MESSAGE_TYPES;
use crate::wechat::push_element;

/// The account that pretended pushes are for.
pub(super) const ACCOUNT: &str = "gh_000000000000";

/// The follower who sends them when nobody else is named.
pub(super) const FOLLOWER: &str = "oSimulatedFollower0000000001";

/// A push to be pretended.
#[derive(Debug, Clone, Default)]
pub(super) struct Pretence<'a> {
    /// A MsgType, or an Event name.
    pub(super) kind: &'a str,
    /// What the person says, in the element that rules look at.
    pub(super) text: Option<&'a str>,
    pub(super) from: Option<&'a str>,
    /// `EventKey`.
    pub(super) key: Option<&'a str>,
    /// Scene of a QR code, for `subscribe` and `SCAN`.
    pub(super) scene: Option<&'a str>,
    pub(super) msg_id: Option<&'a str>,
}

impl Pretence<'_> {
    pub(super) fn is_message(&self) -> bool {
        MESSAGE_TYPES.contains(&self.kind)
    }

    /// The body of the push.
    pub(super) fn xml(&self) -> String {
        let mut xml = String::from("<xml>");
        let mut element = |name: &str, text: &str| push_element(&mut xml, name, text);
        element("ToUserName", ACCOUNT);
        element("FromUserName", self.from.unwrap_or(FOLLOWER));
        element("CreateTime", &clock::unix_seconds().to_string());
        if self.is_message() {
            element("MsgType", self.kind);
            for (name, text) in self.message_elements() {
                element(name, text);
            }
            match self.msg_id {
                Some(msg_id) => element("MsgId", msg_id),
                None => element("MsgId", &clock::unix_micros().to_string()),
            }
        } else {
            element("MsgType", "event");
            element("Event", self.kind);
            for (name, text) in self.event_elements() {
                element(name, &text);
            }
        }
        xml.push_str("</xml>");
        xml
    }

    fn message_elements(&self) -> Vec<(&'static str, &str)> {
        let text = self.text.unwrap_or("");
        match self.kind {
            "text" => vec![("Content", text)],
            "image" => vec![
                ("PicUrl", "http://mmbiz.qpic.cn/pretended/0"),
                ("MediaId", "pretended-media-id"),
            ],
            "voice" => vec![
                ("MediaId", "pretended-media-id"),
                ("Format", "amr"),
                ("Recognition", text),
            ],
            "video" | "shortvideo" => vec![
                ("MediaId", "pretended-media-id"),
                ("ThumbMediaId", "pretended-thumb-id"),
            ],
            "location" => vec![
                ("Location_X", "31.230416"),
                ("Location_Y", "121.473701"),
                ("Scale", "16"),
                ("Label", text),
            ],
            "link" => vec![
                ("Title", text),
                ("Description", ""),
                ("Url", "https://example.com/"),
            ],
            "file" => vec![
                ("Title", text),
                ("Description", "1 KB"),
                ("FileTotalLen", "1024"),
            ],
            "miniprogrampage" => vec![
                ("Title", text),
                ("AppId", "wx0000000000000000"),
                ("PagePath", "pages/index"),
            ],
            _ => Vec::new(),
        }
    }

    fn event_elements(&self) -> Vec<(&'static str, String)> {
        let mut elements = Vec::new();
        let is = |name: &str| self.kind.eq_ignore_ascii_case(name);
        let key = match (self.scene, self.key) {
            (Some(scene), _) if is("subscribe") => format!("qrscene_{scene}"),
            (Some(scene), None) => scene.to_owned(),
            (_, Some(key)) => key.to_owned(),
            (None, None) => self.text.unwrap_or_default().to_owned(),
        };
        elements.push(("EventKey", key));
        if self.scene.is_some() || is("SCAN") {
            elements.push(("Ticket", "pretended-ticket".to_owned()));
        }
        if is("LOCATION") {
            elements.push(("Latitude", "31.230416".to_owned()));
            elements.push(("Longitude", "121.473701".to_owned()));
            elements.push(("Precision", "65.0".to_owned()));
        }
        elements
    }
}
