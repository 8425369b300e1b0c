//! Pushes as the platform would send them, to be played or explained.

use crate::clock;
use crate::config::{MESSAGE_TYPES, nearest};
use crate::wechat::{EventKind, known_events, push_element};

/// The account that simulated pushes are for.
pub const ACCOUNT: &str = "gh_000000000000";

/// How the openids of simulated people begin.
pub const SIMULATED: &str = "oSimulated";

/// The default sender.
pub const FOLLOWER: &str = "oSimulatedFollower0000000001";

/// The account of the platform that sends events about users and results.
const PLATFORM: &str = "oSimulatedPlatform0000000001";

/// Results of sent messages, each with its `Status` for success.
const RESULTS: [(EventKind, &str); 2] = [
    (EventKind::TemplateResult, "success"),
    (EventKind::MassResult, "send success"),
];

/// MsgTypes without an element for a text.
const TEXTLESS: [&str; 3] = ["image", "video", "shortvideo"];

/// A location, sent as a message or chosen from the menu.
const LOCATION: [(&str, &str); 3] = [
    ("Location_X", "31.230416"),
    ("Location_Y", "121.473701"),
    ("Scale", "16"),
];

/// A push to simulate.
#[derive(Debug, Clone, Default)]
pub struct SimulatedPush<'a> {
    /// A MsgType or an Event name.
    pub kind: &'a str,
    /// What the person says, in the element that rules look at; the `Status` of a result.
    pub text: Option<&'a str>,
    /// Who sends it; `None`: somebody made up.
    pub from: Option<&'a str>,
    /// `EventKey`.
    pub key: Option<&'a str>,
    /// The scene of a QR code, for `subscribe` and `SCAN`.
    pub scene: Option<&'a str>,
    /// The text of the code that was scanned, for `scancode_…`.
    pub scan: Option<&'a str>,
    /// `MsgId`, or `MsgID` of a result; `None`: one made up.
    pub msg_id: Option<&'a str>,
}

/// Why a push is hardly meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Implausible {
    /// For people.
    pub why: String,
    /// What may be meant.
    pub instead: Option<String>,
}

impl SimulatedPush<'_> {
    fn is_message(&self) -> bool {
        MESSAGE_TYPES.contains(&self.kind)
    }

    fn is(&self, event: &str) -> bool {
        self.kind.eq_ignore_ascii_case(event)
    }

    fn event(&self) -> EventKind {
        EventKind::of(self.kind)
    }

    /// Whether it is an event about a user, who is named in the body.
    fn is_about_a_user(&self) -> bool {
        use EventKind::{AccountClosed, ProfileChanged, ProfileRevoked};
        matches!(
            self.event(),
            ProfileChanged | ProfileRevoked | AccountClosed
        )
    }

    /// The `Status` for success, if this is a result.
    fn result(&self) -> Option<&'static str> {
        let found = RESULTS.iter().find(|(event, _)| *event == self.event());
        found.map(|(_, status)| *status)
    }

    /// Whether only the kind is given.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let SimulatedPush {
            kind: _,
            text,
            from,
            key,
            scene,
            scan,
            msg_id,
        } = self;
        [text, from, key, scene, scan, msg_id]
            .iter()
            .all(|given| given.is_none())
    }

    /// Refuses a kind that looks like a misspelt one, and arguments that do not go into such a push. An unknown Event is
    /// allowed with a warning, which is returned, as the platform may have it.
    ///
    /// # Errors
    /// With what to type instead.
    pub fn check(&self) -> Result<Option<String>, Implausible> {
        let kind = self.kind;
        let mut warning = None;
        if !self.is_message() && !known_events().any(|event| self.is(event)) {
            let unknown =
                format!("{kind:?} is neither a MsgType nor an Event that WeChat documents");
            let known = MESSAGE_TYPES.iter().copied().chain(known_events());
            if let Some(near) = nearest(kind, known.chain(["verify"])) {
                return Err(Implausible {
                    why: unknown,
                    instead: Some(format!("did you mean {near}?")),
                });
            }
            warning = Some(format!("{unknown}: it is played as an Event"));
        }
        match self.superfluous() {
            Some(what) => Err(Implausible {
                why: format!("{kind}: {what}"),
                instead: None,
            }),
            None => Ok(warning),
        }
    }

    /// Which argument does not go into such a push.
    fn superfluous(&self) -> Option<&'static str> {
        let (follows, scans) = (self.is("subscribe"), self.is("SCAN"));
        if self.scan.is_some() && self.event() != EventKind::ScanCode {
            return Some(
                "only scancode_waitmsg and scancode_push say what was scanned: leave --scan out",
            );
        }
        if self.is_message() {
            return match self {
                SimulatedPush { key: Some(_), .. } | SimulatedPush { scene: Some(_), .. } => {
                    Some("a message has no EventKey: leave --key and --scene out")
                }
                SimulatedPush {
                    text: Some(_),
                    kind,
                    ..
                } if TEXTLESS.contains(kind) => Some("such a message has no text: leave TEXT out"),
                _ => None,
            };
        }
        if self.key.is_some() && (self.is_about_a_user() || self.result().is_some()) {
            return Some("such an event has no EventKey: leave --key out");
        }
        if self.from.is_some() && self.event() == EventKind::MassResult {
            return Some("such an event comes from WeChat: leave --from out");
        }
        if self.text.is_some() && self.result().is_none() {
            return Some(match follows || scans {
                true => "an event has no text: the scene of a QR code is --scene SCENE",
                false if self.event() == EventKind::ScanCode => {
                    "an event has no text: what was scanned is --scan TEXT"
                }
                false => "an event has no text: its EventKey is --key KEY",
            });
        }
        if self.scene.is_some() && !follows && !scans {
            return Some("only subscribe and SCAN have a scene: the EventKey is --key KEY");
        }
        if self.scene.is_some() && self.key.is_some() {
            return Some("the scene is the EventKey: leave --key or --scene out");
        }
        if self.msg_id.is_some() && self.result().is_none() {
            return Some("such an event has no MsgID: leave --msg-id out");
        }
        None
    }

    /// The body of the push.
    #[must_use]
    pub fn xml(&self) -> String {
        let mut xml = String::from("<xml>");
        let mut element = |name: &str, text: &str| push_element(&mut xml, name, text);
        element("ToUserName", ACCOUNT);
        let sender = match self.is_about_a_user() || self.event() == EventKind::MassResult {
            true => PLATFORM,
            false => self.from.unwrap_or(FOLLOWER),
        };
        element("FromUserName", sender);
        element("CreateTime", &clock::unix_seconds().to_string());
        if self.is_message() {
            element("MsgType", self.kind);
            for (name, text) in self.message_elements() {
                element(name, text);
            }
            element("MsgId", &self.msg_id());
        } else {
            element("MsgType", "event");
            element("Event", self.kind);
            for (name, text) in self.event_elements() {
                element(name, &text);
            }
            if self.event() == EventKind::ScanCode {
                let scan = self.scan.unwrap_or_default();
                group(
                    &mut xml,
                    "ScanCodeInfo",
                    &[("ScanType", "qrcode"), ("ScanResult", scan)],
                );
            }
            if self.is("location_select") {
                group(&mut xml, "SendLocationInfo", &LOCATION);
            }
        }
        xml.push_str("</xml>");
        xml
    }

    fn msg_id(&self) -> String {
        match self.msg_id {
            Some(msg_id) => msg_id.to_owned(),
            None => clock::unix_micros().to_string(),
        }
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
            "location" => [&LOCATION[..], &[("Label", text)]].concat(),
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
        let mut element = |name, text: &str| elements.push((name, text.to_owned()));
        if self.is_about_a_user() {
            element("OpenID", self.from.unwrap_or(FOLLOWER));
            element("RevokeInfo", "205");
            return elements;
        }
        if let Some(went_well) = self.result() {
            element("MsgID", &self.msg_id());
            element("Status", self.text.unwrap_or(went_well));
            return elements;
        }
        match (self.scene, self.key) {
            (Some(scene), _) if self.is("subscribe") => {
                element("EventKey", &format!("qrscene_{scene}"));
            }
            (Some(key), _) | (None, Some(key)) => element("EventKey", key),
            (None, None) => element("EventKey", ""),
        }
        if self.scene.is_some() || self.is("SCAN") {
            element("Ticket", "pretended-ticket");
        }
        if self.is("LOCATION") {
            element("Latitude", "31.230416");
            element("Longitude", "121.473701");
            element("Precision", "65.0");
        }
        elements
    }
}

/// Adds an element with children.
fn group(xml: &mut String, name: &str, elements: &[(&str, &str)]) {
    xml.push_str(&format!("<{name}>"));
    for (name, text) in elements {
        push_element(xml, name, text);
    }
    xml.push_str(&format!("</{name}>"));
}
