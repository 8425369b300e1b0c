//! Events of users and of the account (the platform's pages "Receiving event pushes" and "Custom menu event pushes"):
//! the table of events, and the elements that code reads.

use serde_json::Value;

use super::fields::{self, Elements, Fields};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `Event` as received; case does not matter. Empty if it is missing.
    pub name: String,
    /// The kind, by the name.
    pub kind: EventKind,
    /// The other elements.
    pub fields: Fields,
}

/// The events that code treats specially; all others are only recorded and matched by rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A user followed the account, perhaps through a QR code.
    Subscribe,
    /// A user unfollowed the account.
    Unsubscribe,
    /// A follower scanned a QR code; the key is its scene.
    Scan,
    /// The phone reports its location when the conversation is opened, or every 5 seconds while it is open. Not the
    /// message `location`.
    Location,
    /// A code scanned from the menu, see [`Event::scan`].
    ScanCode,
    /// A place chosen from the menu; a message with the place follows.
    LocationSelect,
    /// The result of a template message.
    TemplateResult,
    /// The result of a mass message.
    MassResult,
    /// The result of publishing an article.
    PublishResult,
    /// A user changed their profile.
    ProfileChanged,
    /// A user revoked an authorization: the profile must be deleted. `RevokeInfo` says which: 201 address, 202
    /// invoice, 203 card, 204 microphone, 205 nickname and avatar, 206 location, 207 selected media, and others.
    ProfileRevoked,
    /// A user closed their WeChat account: everything about the user must be deleted.
    AccountClosed,
    /// Any other event, including unknown ones.
    Other,
}

const ANSWERED: bool = true;
const SILENT: bool = false;

/// Events of users, results and the account: name, kind, and whether the user would see a reply.
pub const EVENTS: &[(&str, EventKind, bool)] = &[
    ("subscribe", EventKind::Subscribe, ANSWERED),
    ("unsubscribe", EventKind::Unsubscribe, SILENT),
    ("SCAN", EventKind::Scan, ANSWERED),
    ("LOCATION", EventKind::Location, SILENT),
    // The conversation was opened; no longer sent.
    ("ENTER", EventKind::Other, SILENT),
    // A menu button of type `click`; the key is the button's.
    ("CLICK", EventKind::Other, ANSWERED),
    // A menu button of type `view`; the key is the URL.
    ("VIEW", EventKind::Other, SILENT),
    // A menu button of type `miniprogram`; the key is the page path.
    ("view_miniprogram", EventKind::Other, SILENT),
    // A code scanned from the menu, opened by the client itself.
    ("scancode_push", EventKind::ScanCode, SILENT),
    // A code scanned from the menu; the client waits for the reply.
    ("scancode_waitmsg", EventKind::ScanCode, ANSWERED),
    // Pictures taken from the menu; they follow as messages.
    ("pic_sysphoto", EventKind::Other, ANSWERED),
    // Pictures taken or chosen from the menu; they follow as messages.
    ("pic_photo_or_album", EventKind::Other, ANSWERED),
    // Pictures chosen from the menu; they follow as messages.
    ("pic_weixin", EventKind::Other, ANSWERED),
    ("location_select", EventKind::LocationSelect, ANSWERED),
    ("TEMPLATESENDJOBFINISH", EventKind::TemplateResult, SILENT),
    ("MASSSENDJOBFINISH", EventKind::MassResult, SILENT),
    ("PUBLISHJOBFINISH", EventKind::PublishResult, SILENT),
    ("FREEPUBLISHJOBFINISH", EventKind::PublishResult, SILENT),
    // An agent took the conversation.
    ("kf_create_session", EventKind::Other, SILENT),
    // An agent ended the conversation.
    ("kf_close_session", EventKind::Other, SILENT),
    // An agent transferred the conversation.
    ("kf_switch_session", EventKind::Other, SILENT),
    // The account's qualification was verified.
    ("qualification_verify_success", EventKind::Other, SILENT),
    // The account's qualification was refused.
    ("qualification_verify_fail", EventKind::Other, SILENT),
    // The account's name was verified: the verification is complete.
    ("naming_verify_success", EventKind::Other, SILENT),
    // The account's name was refused.
    ("naming_verify_fail", EventKind::Other, SILENT),
    // The yearly verification is due soon.
    ("annual_renew", EventKind::Other, SILENT),
    // The verification has expired.
    ("verify_expired", EventKind::Other, SILENT),
    // A user accepted or refused notifications in a dialogue.
    ("subscribe_msg_popup_event", EventKind::Other, SILENT),
    // A user switched notifications off.
    ("subscribe_msg_change_event", EventKind::Other, SILENT),
    // The result of a notification.
    ("subscribe_msg_sent_event", EventKind::Other, SILENT),
    ("user_info_modified", EventKind::ProfileChanged, SILENT),
    (
        "user_authorization_revoke",
        EventKind::ProfileRevoked,
        SILENT,
    ),
    (
        "user_authorization_cancellation",
        EventKind::AccountClosed,
        SILENT,
    ),
];

/// Events of cards, invoices, stores, devices and shops, mostly discontinued products. All are
/// [`EventKind::Other`], and the user would not see a reply to any of them.
pub const PRODUCT_EVENTS: &[&str] = &[
    "card_pass_check",
    "card_not_pass_check",
    "user_get_card",
    "user_gifting_card",
    "user_del_card",
    "user_enter_session_from_card",
    "submit_membercard_user_info",
    "user_consume_card",
    "user_pay_from_pay_cell",
    "user_view_card",
    "update_member_card",
    "card_sku_remind",
    "card_pay_order",
    "card_merchant_check_result",
    "giftcard_pay_done",
    "giftcard_send_to_friend",
    "giftcard_user_accept",
    "user_authorize_invoice",
    "update_invoice_status",
    "cloud_invoice_invoiceresult_event",
    "submit_invoice_title",
    "poi_check_notify",
    "ShakearoundUserShake",
    "WifiConnected",
    "merchant_order",
    "guide_qrcode_scan_event",
    "user_enter_tempsession",
    "guide_invite_result_event",
    "add_guide_buyer_relation_event",
    "modify_store_audit_info",
    "add_store_audit_info",
    "create_map_poi_audit_info",
    "apply_merchant_audit_info",
    "user_scan_product",
    "user_scan_product_enter_session",
    "user_scan_product_async",
    "user_scan_product_verify_action",
    "weapp_audit_success",
    "weapp_audit_fail",
    "weapp_audit_delay",
    "wxa_media_check",
    "debug_demo",
];

/// Whether the user would see a reply to the event of this name, ignoring case; `None` if it is unknown.
pub fn event_may_be_answered(name: &str) -> Option<bool> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    match EVENTS.iter().find(|(known, ..)| is(known)) {
        Some((_, _, answered)) => Some(*answered),
        None => PRODUCT_EVENTS
            .iter()
            .any(|known| is(known))
            .then_some(SILENT),
    }
}

/// The names of all documented events, in the platform's spelling.
pub fn known_events() -> impl Iterator<Item = &'static str> {
    let events = EVENTS.iter().map(|(name, ..)| *name);
    events.chain(PRODUCT_EVENTS.iter().copied())
}

/// The element around the `List` of an event. JSON pushes have just the `List`.
const LIST_WRAPPERS: [(&str, &str); 3] = [
    ("subscribe_msg_popup_event", "SubscribeMsgPopupEvent"),
    ("subscribe_msg_change_event", "SubscribeMsgChangeEvent"),
    ("subscribe_msg_sent_event", "SubscribeMsgSentEvent"),
];

/// Gives the elements of an event the structure of XML pushes.
pub(super) fn as_in_xml(elements: &mut Elements) {
    let name = elements.text("Event").unwrap_or_default();
    let mut wrappers = LIST_WRAPPERS.iter();
    if let Some((_, wrapper)) = wrappers.find(|(event, _)| event.eq_ignore_ascii_case(name)) {
        let list = elements.take_all("List");
        elements.push_elements((*wrapper).to_owned(), list);
    }
}

impl EventKind {
    /// The kind of the event of this name, ignoring case.
    pub fn of(name: &str) -> EventKind {
        let found = EVENTS
            .iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name));
        found.map_or(EventKind::Other, |(_, kind, _)| *kind)
    }
}

impl Event {
    /// Takes the elements that remain after those that all pushes have.
    pub(super) fn read(mut fields: Fields) -> Event {
        let name = fields::take(&mut fields, "Event").unwrap_or_default();
        let kind = EventKind::of(&name);
        Event { name, kind, fields }
    }

    /// The text of an element; `None` if it is missing, empty, or has child elements.
    pub fn text(&self, element: &str) -> Option<&str> {
        fields::text(&self.fields, element)
    }

    /// An element with child elements; [`Value::Null`] if it is missing.
    pub fn inside(&self, element: &str) -> &Value {
        static MISSING: Value = Value::Null;
        self.fields.get(element).unwrap_or(&MISSING)
    }

    /// `EventKey` as received: a scene, a button's key, a URL. Never empty.
    pub fn key(&self) -> Option<&str> {
        self.text("EventKey")
    }

    /// `MsgID`, also spelled `MsgId`: the job whose result this is.
    pub fn msg_id(&self) -> Option<&str> {
        self.text("MsgID").or(self.text("MsgId"))
    }

    /// The scene of a QR code: the key of a scan, or the key of a follow without `qrscene_`. A follow for another reason
    /// (after a payment, from a product's page) has no scene, whatever its key.
    pub fn scene(&self) -> Option<&str> {
        let key = self.key()?;
        let scene = match self.kind == EventKind::Subscribe {
            true => key.strip_prefix(SCENE_PREFIX),
            false => Some(key).filter(|_| self.kind == EventKind::Scan),
        };
        scene.filter(|scene| !scene.is_empty())
    }

    /// The text that rules match: the key, without the `qrscene_` of a follow; `""` if there is none.
    pub fn subject(&self) -> &str {
        let key = self.key().unwrap_or_default();
        match self.kind == EventKind::Subscribe {
            true => key.strip_prefix(SCENE_PREFIX).unwrap_or(key),
            false => key,
        }
    }

    /// What was scanned from the menu: `qrcode`, `barcode` or perhaps others, and the text of the code. A barcode's text
    /// includes its type, such as `EAN_13,6901234567892`. `""` if missing.
    pub fn scan(&self) -> Option<(&str, &str)> {
        let scanned = self.inside("ScanCodeInfo");
        let text = |element| scanned[element].as_str().unwrap_or_default();
        (self.kind == EventKind::ScanCode).then(|| (text("ScanType"), text("ScanResult")))
    }

    /// Latitude and longitude in degrees, decimal text as received: of the phone, or of the place chosen from the menu.
    /// `""` if missing.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        let [latitude, longitude] = match self.kind {
            EventKind::Location => ["Latitude", "Longitude"].map(|name| self.text(name)),
            EventKind::LocationSelect => {
                let place = self.inside("SendLocationInfo");
                ["Location_X", "Location_Y"].map(|name| place[name].as_str())
            }
            _ => return None,
        };
        Some((latitude.unwrap_or_default(), longitude.unwrap_or_default()))
    }

    /// Whether the user would see a reply. True for unknown events.
    pub fn may_be_answered(&self) -> bool {
        event_may_be_answered(&self.name).unwrap_or(true)
    }

    /// The user that an authorization event is about; its sender is an account of the platform. The lower-case spelling
    /// occurs in `user_info_modified`.
    pub fn authorization_openid(&self) -> Option<&str> {
        match self.kind {
            EventKind::ProfileChanged | EventKind::ProfileRevoked | EventKind::AccountClosed => {
                self.text("OpenID").or(self.text("openid"))
            }
            _ => None,
        }
    }
}

/// Prefix of the scene in the key of a follow through a QR code. Removed once: the scene itself may start with it, too.
const SCENE_PREFIX: &str = "qrscene_";
