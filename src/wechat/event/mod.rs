//! What happens around a user or the account (the platform's pages "Receiving event pushes" and
//! "Custom menu event pushes"): the table of events. Their structs stand in one file for each
//! family.
//!
//! In all of them a missing, an empty and a self-closed element are the same: `None`, or `""` for
//! an element that every event of the kind has.

mod authorization;
mod customer_service;
mod follow;
mod menu;
mod results;
mod subscription;
mod verification;

use serde::{Deserialize, Serialize};

use super::fields::{self, Elements, Fields};

pub use authorization::Authorization;
pub use customer_service::{KfSession, KfSwitchSession};
pub use follow::{LocationReport, QrScan};
pub use menu::{
    MenuTap, PicItem, PicList, ScanCode, ScanCodeInfo, SelectedLocation, SendLocationInfo,
    SendPics, SendPicsInfo,
};
pub use results::{
    ArticleDetail, ArticleUrl, ArticleUrlList, ArticleUrlResult, CopyrightCheckResult,
    CopyrightItem, CopyrightList, MassSendJobFinish, PublishEventInfo, PublishJobFinish,
    PublishedArticle, TemplateSendJobFinish, mass_error_meaning,
};
pub use subscription::{
    SubscribeMsgAnswer, SubscribeMsgChange, SubscribeMsgChangeList, SubscribeMsgPopup,
    SubscribeMsgPopupList, SubscribeMsgResult, SubscribeMsgSent, SubscribeMsgSentList,
};
pub use verification::{VerifyFail, VerifySuccess};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `Event` as received; upper and lower case mean the same. Empty if the push had none.
    pub name: String,
    /// `EventKey` as received: a scene, a button's key, a URL. Never empty.
    pub key: Option<String>,
    /// `MsgID`, also seen as `MsgId`: the sending whose result this is.
    pub msg_id: Option<String>,
    /// The other elements.
    pub content: EventKind,
}

/// An event that has no elements of its own beyond `EventKey`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyOnly {}

/// One row for each event: its name (or two), variant, struct, and whether the user would see a
/// reply.
macro_rules! event_kinds {
    ($( $(#[$doc:meta])* $($name:literal)|+ => $variant:ident($content:ty), answered: $answered:literal; )*) => {
        /// The content of an event, by its name.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum EventKind {
            $( $(#[$doc])* $variant($content), )*
            /// Any other event: all elements, `EventKey` and `MsgID` included.
            Other(Fields),
        }

        /// The events that have a kind of their own, and whether the user would see a reply.
        pub const TYPED_EVENTS: &[(&str, bool)] = &[$( $(($name, $answered),)+ )*];

        impl EventKind {
            fn read(name: &str, fields: Fields) -> EventKind {
                $(
                    if $( name.eq_ignore_ascii_case($name) )||+ {
                        return EventKind::$variant(fields::typed(&fields));
                    }
                )*
                EventKind::Other(fields)
            }
        }
    };
}

event_kinds! {
    /// Somebody follows the account, perhaps through a QR code.
    "subscribe" => Subscribe(QrScan), answered: true;
    /// Somebody no longer follows it.
    "unsubscribe" => Unsubscribe(KeyOnly), answered: false;
    /// A follower scanned a QR code; the key is its scene.
    "SCAN" => Scan(QrScan), answered: true;
    /// The phone reports where it is.
    "LOCATION" => Location(LocationReport), answered: false;
    /// The conversation was opened; no longer sent.
    "ENTER" => Enter(KeyOnly), answered: false;

    /// A menu button of type `click`; the key is the button's.
    "CLICK" => Click(KeyOnly), answered: true;
    /// A menu button of type `view`; the key is the URL.
    "VIEW" => View(MenuTap), answered: false;
    /// A menu button of type `miniprogram`; the key is the page path.
    "view_miniprogram" => ViewMiniProgram(MenuTap), answered: false;
    /// A code scanned from the menu, opened by the client itself.
    "scancode_push" => ScanCodePush(ScanCode), answered: false;
    /// A code scanned from the menu; the client waits for the reply.
    "scancode_waitmsg" => ScanCodeWaitMsg(ScanCode), answered: true;
    /// Pictures taken from the menu; they follow as messages.
    "pic_sysphoto" => PicSysPhoto(SendPics), answered: true;
    /// Pictures taken or chosen from the menu; they follow as messages.
    "pic_photo_or_album" => PicPhotoOrAlbum(SendPics), answered: true;
    /// Pictures chosen from the menu; they follow as messages.
    "pic_weixin" => PicWeixin(SendPics), answered: true;
    /// A place chosen from the menu; it follows as a message.
    "location_select" => LocationSelect(SelectedLocation), answered: true;

    /// A template message was delivered or not.
    "TEMPLATESENDJOBFINISH" => TemplateSendJobFinish(TemplateSendJobFinish), answered: false;
    /// A mass message was sent or not.
    "MASSSENDJOBFINISH" => MassSendJobFinish(MassSendJobFinish), answered: false;
    /// An article was published or not.
    "PUBLISHJOBFINISH" | "FREEPUBLISHJOBFINISH" => PublishJobFinish(PublishJobFinish), answered: false;

    /// An agent took the conversation.
    "kf_create_session" => KfCreateSession(KfSession), answered: false;
    /// An agent ended the conversation.
    "kf_close_session" => KfCloseSession(KfSession), answered: false;
    /// An agent passed the conversation on.
    "kf_switch_session" => KfSwitchSession(KfSwitchSession), answered: false;

    /// The account's qualification was verified.
    "qualification_verify_success" => QualificationVerifySuccess(VerifySuccess), answered: false;
    /// The account's qualification was refused.
    "qualification_verify_fail" => QualificationVerifyFail(VerifyFail), answered: false;
    /// The account's name was verified: the verification is complete.
    "naming_verify_success" => NamingVerifySuccess(VerifySuccess), answered: false;
    /// The account's name was refused.
    "naming_verify_fail" => NamingVerifyFail(VerifyFail), answered: false;
    /// The yearly verification is due soon.
    "annual_renew" => AnnualRenew(VerifySuccess), answered: false;
    /// The verification has run out.
    "verify_expired" => VerifyExpired(VerifySuccess), answered: false;

    /// A user accepted or refused notifications in a dialogue.
    "subscribe_msg_popup_event" => SubscribeMsgPopup(SubscribeMsgPopup), answered: false;
    /// A user switched notifications off.
    "subscribe_msg_change_event" => SubscribeMsgChange(SubscribeMsgChange), answered: false;
    /// A notification was delivered or not.
    "subscribe_msg_sent_event" => SubscribeMsgSent(SubscribeMsgSent), answered: false;

    /// A user changed the profile. Act on the event's `OpenID`, not on the sender.
    "user_info_modified" => UserInfoModified(Authorization), answered: false;
    /// A user took back an authorisation: the profile must be deleted. Act on the event's `OpenID`.
    "user_authorization_revoke" => UserAuthorizationRevoke(Authorization), answered: false;
    /// A user closed the WeChat account: everything about the user must be deleted. Act on the
    /// event's `OpenID`.
    "user_authorization_cancellation" => UserAuthorizationCancellation(Authorization), answered: false;
}

/// Events of cards, invoices, stores, devices and shops, mostly of discontinued products. They are
/// read as [`EventKind::Other`]; the user would see no reply to any of them.
pub const UNTYPED_EVENTS: &[&str] = &[
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

/// The events that say what was scanned, see [`Event::scan`].
pub const SCANS: [&str; 2] = ["scancode_push", "scancode_waitmsg"];

/// Whether the user would see a reply to the event of this name, in any case; `None` for an unknown
/// event.
pub fn event_may_be_answered(name: &str) -> Option<bool> {
    let untyped = UNTYPED_EVENTS.iter().map(|&name| (name, false));
    TYPED_EVENTS
        .iter()
        .copied()
        .chain(untyped)
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, answered)| answered)
}

/// The names of all events that the platform documents, as it writes them.
pub fn known_events() -> impl Iterator<Item = &'static str> {
    let typed = TYPED_EVENTS.iter().map(|(name, _)| *name);
    typed.chain(UNTYPED_EVENTS.iter().copied())
}

/// Brings the elements of an event into the form that they have in XML.
pub(super) fn as_in_xml(elements: &mut Elements) {
    let name = elements.text("Event").unwrap_or_default().to_owned();
    subscription::wrap_list(&name, elements);
}

impl Event {
    /// Reads what is left of a push after the elements that all pushes have.
    pub(super) fn read(mut fields: Fields) -> Event {
        let name = fields::take(&mut fields, "Event").unwrap_or_default();
        let key = fields::text(&fields, "EventKey").map(str::to_owned);
        let msg_id = fields::text(&fields, "MsgID").or(fields::text(&fields, "MsgId"));
        let msg_id = msg_id.map(str::to_owned);
        let content = EventKind::read(&name, fields);
        Event {
            name,
            key,
            msg_id,
            content,
        }
    }

    /// The scene of a QR code: of a follow the key after `qrscene_`, of a scan the key. A follow
    /// for another reason (after a payment, from a product's page) has none, whatever its key.
    pub fn scene(&self) -> Option<&str> {
        let key = self.key.as_deref()?;
        let scene = match &self.content {
            EventKind::Subscribe(_) => key.strip_prefix(SCENE_PREFIX)?,
            EventKind::Scan(_) => key,
            _ => return None,
        };
        (!scene.is_empty()).then_some(scene)
    }

    /// What rules look at: the key, of a follow after its `qrscene_`, else `""`.
    pub fn subject(&self) -> &str {
        let key = self.key.as_deref().unwrap_or_default();
        match &self.content {
            EventKind::Subscribe(_) => key.strip_prefix(SCENE_PREFIX).unwrap_or(key),
            _ => key,
        }
    }

    /// What was scanned from the menu: `qrcode` or `barcode`, perhaps others, and the text of the code.
    pub fn scan(&self) -> Option<(&str, &str)> {
        match &self.content {
            EventKind::ScanCodePush(scan) | EventKind::ScanCodeWaitMsg(scan) => {
                let info = &scan.scan_code_info;
                Some((&info.scan_type, &info.scan_result))
            }
            _ => None,
        }
    }

    /// Latitude and longitude, as received: where the phone is, or the place that was chosen from the menu.
    pub fn coordinates(&self) -> Option<(&str, &str)> {
        match &self.content {
            EventKind::Location(report) => Some((&report.latitude, &report.longitude)),
            EventKind::LocationSelect(chosen) => {
                let place = &chosen.send_location_info;
                Some((&place.latitude, &place.longitude))
            }
            _ => None,
        }
    }

    /// Whether the user would see a reply. Unknown events may be answered.
    pub fn may_be_answered(&self) -> bool {
        event_may_be_answered(&self.name).unwrap_or(true)
    }

    /// The user that an authorisation event is about: such events come from an account of the
    /// platform's.
    pub fn authorization_openid(&self) -> Option<&str> {
        match &self.content {
            EventKind::UserInfoModified(user)
            | EventKind::UserAuthorizationRevoke(user)
            | EventKind::UserAuthorizationCancellation(user) => user.openid(),
            _ => None,
        }
    }
}

/// Before the scene in the key of a follow through a QR code. Taken off once: the scene may begin
/// with it, too.
const SCENE_PREFIX: &str = "qrscene_";
