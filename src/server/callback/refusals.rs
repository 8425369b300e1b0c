//! Why requests are refused, and the log of it: one line for each kind and address in a while, however many come.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::{self, Discriminant};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::server::guard::Refusal;
use crate::server::http::client::ClientAddress;
use crate::visible::Visible;

/// Between two lines about one kind from one address.
const WHILE: Duration = Duration::from_secs(60);

/// Between two lines about one kind from anywhere.
const PACE: Duration = Duration::from_secs(1);

/// Kinds with their addresses that are remembered. While there are as many within a [`WHILE`], others are only counted.
const MOST: usize = 1024;

/// The most of a path that is shown, in characters.
const SHOWN: usize = 100;

/// Why a request is refused, for the log only. It never holds a signature or a text of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// 403: the address is not in this list, which is named as the sentence goes on.
    Address {
        /// `in server.allow_ips` or the like.
        list: &'static str,
        /// It is this machine's: perhaps the proxy names nobody.
        is_of_this_machine: bool,
    },
    /// 403: a parameter comes twice, or is not UTF-8.
    Query,
    /// 403: no timestamp or no nonce.
    NoTimestamp,
    /// 403: no signature at all.
    NoSignature,
    /// 403: made with another Token, or made up.
    WrongSignature,
    /// 403: not a number.
    Timestamp,
    /// 403: off by this many seconds.
    TimestampOff(u64),
    /// 403: the platform's check of the URL, without the text that it wants back.
    NoEchostr,
    /// 403: neither `aes` nor `raw`.
    EncryptType,
    /// 403: the mode is plain.
    EncryptedInPlain,
    /// 403: the mode is secure.
    PlainInSecure,
    /// 403: encrypted, and without the signature that covers it.
    NoMsgSignature,
    /// 403: made with another Token, or made up.
    WrongMsgSignature,
    /// 403: announced as encrypted, but readable.
    NotEncrypted,
    /// 403: announced as encrypted, and no envelope; with what is wrong.
    BrokenEnvelope(String),
    /// 403: another key or AppID; with what is wrong.
    Undecryptable(String),
    /// 403: something else has come with the signature.
    Replayed,
    /// 403: as old as signatures that are no longer remembered.
    TooOld,
    /// 400: validly signed, but not a push; with what is wrong.
    NotAPush(String),
    /// 400: a push with a value that is longer than its column; with which.
    TooLong(String),
    /// 404: validly signed, but for another path than the callback's.
    OtherPath {
        /// What was asked for.
        asked: String,
        /// `server.path`.
        callback: String,
    },
    /// 405; with the methods that there are.
    Method(String),
    /// 403: a form that is not from one of our own pages.
    ForeignForm,
    /// 403: the same on the operator's page.
    ForeignAdminForm,
    /// 421: a name that the operator's page does not have.
    OtherHost,
    /// 403: the metrics are for this machine only.
    ForeignScraper,
    /// 429: more than `web.rate` from one address.
    TooMany,
    /// 400: the first bytes are those of TLS.
    Tls,
    /// What the guard refuses before anybody looks at what it is.
    Http(Refusal),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Address {
                list,
                is_of_this_machine,
            } => {
                write!(f, "its address is not {list}")?;
                match is_of_this_machine {
                    true => f.write_str("; does the reverse proxy send X-Forwarded-For?"),
                    false => Ok(()),
                }
            }
            Refused::Query => f.write_str("its query has a parameter twice, or is not UTF-8"),
            Refused::NoTimestamp => f.write_str("it has no timestamp or no nonce"),
            Refused::NoSignature => f.write_str("it has no signature"),
            Refused::WrongSignature => f.write_str("its signature is wrong: is account.token the Token of the console?"),
            Refused::Timestamp => f.write_str("its timestamp is not a number"),
            Refused::TimestampOff(seconds) => write!(
                f,
                "its timestamp is {seconds} s off; is this machine's clock right? (server.max_clock_skew)"
            ),
            Refused::NoEchostr => f.write_str("it has no echostr"),
            Refused::EncryptType => f.write_str("its encrypt_type is unknown"),
            Refused::EncryptedInPlain => f.write_str(
                "it is encrypted, and account.mode is plain: set the mode that the console has",
            ),
            Refused::PlainInSecure => f.write_str(
                "it is not encrypted, and account.mode is secure: set the mode that the console has",
            ),
            Refused::NoMsgSignature => f.write_str("it is encrypted and has no msg_signature"),
            Refused::WrongMsgSignature => f.write_str("its msg_signature is wrong: is account.token the Token of the console?"),
            Refused::NotEncrypted => f.write_str("encrypt_type is aes and the body is readable"),
            Refused::BrokenEnvelope(what) => write!(f, "its body is not an encrypted push: {what}"),
            Refused::Undecryptable(what) => write!(
                f,
                "it cannot be decrypted: {what}; compare account.aes_key and account.app_id with the console"
            ),
            Refused::Replayed => f.write_str("its signature was used for another push before: somebody replays requests"),
            Refused::TooOld => f.write_str("its timestamp is as old as signatures that are no longer remembered: it may be a replay"),
            Refused::NotAPush(what) => write!(f, "a rightly signed request is not a push: {what}"),
            Refused::TooLong(what) => write!(f, "a push is not recorded, because a value is longer than the store takes: {what}"),
            Refused::OtherPath { asked, callback } => {
                let shown: String = asked.chars().take(SHOWN).collect();
                let shown = Visible(&shown);
                write!(
                    f,
                    "it is rightly signed, but the console asks for {shown}, the callback is {callback}: correct the \
                     URL in the console, or server.path"
                )
            }
            Refused::Method(methods) => write!(f, "its method is not one of {methods} (405)"),
            Refused::ForeignForm => f.write_str(
                "a form was sent from another address than web.url: does the browser show web.url, exactly so?",
            ),
            Refused::ForeignAdminForm => f.write_str(
                "a form of the operator's page was sent from another site: does the browser show admin.url, exactly so?",
            ),
            Refused::OtherHost => f.write_str(
                "the operator's page was asked for by another name than localhost, an address of this machine or that of admin.url (421)",
            ),
            Refused::ForeignScraper => f.write_str(
                "the metrics were asked for from another machine, or through a proxy (403); they are for programs on this machine, without X-Forwarded-For",
            ),
            Refused::TooMany => f.write_str(
                "it makes more requests to the web part than web.rate allows (429); does the reverse proxy send X-Forwarded-For?",
            ),
            Refused::Tls => f.write_str(
                "a TLS client is talking to the plain HTTP port; https ends at the reverse proxy, which talks plain \
                 HTTP to server.listen",
            ),
            Refused::Http(refusal) => {
                write!(f, "{} ({})", refusal.why(), refusal.status())
            }
        }
    }
}

/// What the log distinguishes; reasons that differ only in their figures are one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    reason: Discriminant<Refused>,
    /// Tells apart reasons that share a variant.
    which: u64,
}

impl Refused {
    /// Whether the request was signed by the platform as a whole, as far as the mode allows: its signature is used up
    /// then, although it brings no push.
    pub fn is_of_the_platform(&self) -> bool {
        match self {
            Refused::EncryptedInPlain
            | Refused::PlainInSecure
            | Refused::Undecryptable(_)
            | Refused::NotAPush(_) => true,
            Refused::Address { .. }
            | Refused::Query
            | Refused::NoTimestamp
            | Refused::NoSignature
            | Refused::WrongSignature
            | Refused::Timestamp
            | Refused::TimestampOff(_)
            | Refused::NoEchostr
            | Refused::EncryptType
            | Refused::NoMsgSignature
            | Refused::WrongMsgSignature
            | Refused::NotEncrypted
            | Refused::BrokenEnvelope(_)
            | Refused::Replayed
            | Refused::TooOld
            | Refused::TooLong(_)
            | Refused::OtherPath { .. }
            | Refused::Method(_)
            | Refused::ForeignForm
            | Refused::ForeignAdminForm
            | Refused::OtherHost
            | Refused::ForeignScraper
            | Refused::TooMany
            | Refused::Tls
            | Refused::Http(_) => false,
        }
    }

    /// Its name in metrics: a closed list.
    fn reason(&self) -> &'static str {
        match self {
            Refused::Address { .. } => "address",
            Refused::Query => "query",
            Refused::NoTimestamp => "no_timestamp",
            Refused::NoSignature => "no_signature",
            Refused::WrongSignature => "wrong_signature",
            Refused::Timestamp => "timestamp",
            Refused::TimestampOff(_) => "timestamp_off",
            Refused::NoEchostr => "no_echostr",
            Refused::EncryptType => "encrypt_type",
            Refused::EncryptedInPlain => "encrypted_in_plain",
            Refused::PlainInSecure => "plain_in_secure",
            Refused::NoMsgSignature => "no_msg_signature",
            Refused::WrongMsgSignature => "wrong_msg_signature",
            Refused::NotEncrypted => "not_encrypted",
            Refused::BrokenEnvelope(_) => "broken_envelope",
            Refused::Undecryptable(_) => "undecryptable",
            Refused::Replayed => "replayed",
            Refused::TooOld => "too_old",
            Refused::NotAPush(_) => "not_a_push",
            Refused::TooLong(_) => "too_long",
            Refused::OtherPath { .. } => "other_path",
            Refused::Method(_) => "method",
            Refused::ForeignForm | Refused::ForeignAdminForm => "foreign_form",
            Refused::OtherHost => "other_host",
            Refused::ForeignScraper => "foreign_scraper",
            Refused::TooMany => "too_many",
            Refused::Tls => "tls",
            Refused::Http(refusal) => refusal.reason(),
        }
    }

    /// Whether it was signed with another Token, or by somebody who has none.
    pub fn is_wrongly_signed(&self) -> bool {
        matches!(self, Refused::WrongSignature | Refused::WrongMsgSignature)
    }

    fn kind(&self) -> Kind {
        let mut which = DefaultHasher::new();
        if let Refused::OtherPath { asked, .. } = self {
            asked.hash(&mut which);
        }
        if let Refused::Http(refusal) = self {
            refusal.hash(&mut which);
        }
        Kind {
            reason: mem::discriminant(self),
            which: which.finish(),
        }
    }
}

/// The log of refused requests.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// When each had its last line.
    lines: HashMap<(Kind, ClientAddress), Instant>,
    kinds: HashMap<Kind, Pace>,
    /// All so far, by their name in metrics.
    counts: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Pace {
    last: Instant,
    /// Refusals without a line since then.
    unsaid: u64,
}

impl Refusals {
    /// Notes one refusal.
    pub fn note(&self, from: ClientAddress, why: &Refused) {
        match self.unsaid(from, why, Instant::now()) {
            None => log::debug!("refused a request from {from}: {why}"),
            Some(0) => log::warn!("refused a request from {from}: {why}"),
            Some(more) => log::warn!(
                "refused a request from {from}: {why} ({more} more since the last such line)"
            ),
        }
    }

    /// All refusals so far, by their name in metrics.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.counts.clone()
    }

    /// Whether a line is due, and how many refusals of this kind had none since the last one.
    fn unsaid(&self, from: ClientAddress, why: &Refused, now: Instant) -> Option<u64> {
        let kind = why.kind();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *noted.counts.entry(why.reason()).or_default() += 1;
        let Noted { lines, kinds, .. } = &mut *noted;
        let is_recent = |last: &Instant| now.saturating_duration_since(*last) < WHILE;
        if lines.len() >= MOST {
            lines.retain(|_, last| is_recent(last));
            kinds.retain(|_, pace| is_recent(&pace.last));
        }
        let said = lines.get(&(kind, from)).is_some_and(is_recent);
        let has_place = lines.len() < MOST && kinds.len() < MOST;
        match kinds.get_mut(&kind) {
            Some(pace) => {
                if said || !has_place || now.saturating_duration_since(pace.last) < PACE {
                    pace.unsaid += 1;
                    return None;
                }
                pace.last = now;
                lines.insert((kind, from), now);
                Some(mem::take(&mut pace.unsaid))
            }
            None if has_place => {
                kinds.insert(
                    kind,
                    Pace {
                        last: now,
                        unsaid: 0,
                    },
                );
                lines.insert((kind, from), now);
                Some(0)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> ClientAddress {
        ClientAddress::Ip(Ipv4Addr::from(number).into())
    }

    #[test]
    fn each_kind_and_address_has_a_line_in_a_while_and_the_rest_is_counted() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let off = Refused::TimestampOff;
        for (seconds, from, why, unsaid) in [
            (0, 1, off(700), Some(0)),
            (0, 1, off(701), None),
            (0, 1, Refused::WrongSignature, Some(0)),
            // Another address waits for the pace of its kind only.
            (0, 2, off(702), None),
            (1, 2, off(702), Some(2)),
            (59, 1, off(703), None),
            (60, 1, off(704), Some(1)),
            (60, 1, Refused::WrongSignature, Some(0)),
            (60, 1, Refused::Http(Refusal::BodyTooLarge), Some(0)),
            (60, 1, Refused::Http(Refusal::BadRequest), Some(0)),
        ] {
            let noted = refusals.unsaid(address(from), &why, at(seconds));
            assert_eq!(noted, unsaid, "{why} from {from} after {seconds} s");
        }
    }

    #[test]
    fn each_wrong_path_is_a_kind_of_its_own() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for (asked, unsaid) in [("/", Some(0)), ("/wechat/", Some(0)), ("/", None)] {
            let why = Refused::OtherPath {
                asked: asked.to_owned(),
                callback: "/wechat".to_owned(),
            };
            assert_eq!(refusals.unsaid(address(1), &why, now), unsaid, "{why}");
        }
    }

    #[test]
    fn however_many_addresses_and_paths_there_are_the_memory_is_bounded() {
        let refusals = Refusals::default();
        let mut now = Instant::now();
        for number in 0..5_000 {
            now += PACE / 100;
            let asked = format!("/{number}");
            let callback = "/wechat".to_owned();
            for why in [Refused::Query, Refused::OtherPath { asked, callback }] {
                refusals.unsaid(address(number), &why, now);
            }
        }
        {
            let noted = refusals.0.lock().expect("nobody panicked");
            assert!(noted.lines.len() <= MOST && noted.kinds.len() <= MOST);
        }
        // After a while there is room again.
        now += WHILE;
        assert!(refusals.unsaid(address(1), &Refused::Query, now).is_some());
        assert_eq!(
            refusals.unsaid(address(1), &Refused::NoSignature, now),
            Some(0)
        );
    }
}
