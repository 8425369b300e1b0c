//! The window: until when, and with how many messages, the platform lets a person be answered.
//!
//! | What the person does | Messages | For |
//! |---|---|---|
//! | writes | 5 | 48 hours |
//! | follows, scans a QR code, taps a menu button that sends an event | 3 | 1 minute |
//!
//! (The platform's page "Customer service messages".) Which of two open windows a message is counted in is documented
//! nowhere: here it is in both. In one second, what came stands before what was sent.

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::errcode;
use crate::counted::counted;
use crate::store::{Contact, SentMark, SentState};

/// How long a message opens the window, in seconds.
pub const LONGEST: i64 = 48 * 3_600;

/// What a message opens: for how many seconds, and how many messages.
const AFTER_MESSAGE: (i64, u8) = (LONGEST, 5);

/// What another action opens.
const AFTER_ACTION: (i64, u8) = (60, 3);

/// The events that open a window, in lower case. Of the menu's, these only.
const ACTIONS: [&str; 5] = [
    "subscribe",
    "scan",
    "click",
    "scancode_push",
    "scancode_waitmsg",
];

/// Whether a person can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Yes.
    Open {
        /// Until then, in Unix seconds.
        until: i64,
        /// Messages that are left, at most: other programs may have sent some.
        left: u8,
        /// Messages that there were.
        of: u8,
    },
    /// No.
    Shut(Shut),
}

/// Why a person cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shut {
    /// The person did nothing lately that opens the window, as far as the store knows.
    Over,
    /// The person no longer follows.
    Left,
    /// All messages of the window were sent.
    UsedUp,
    /// The platform said so (45047), whatever the count says here.
    UsedUpThere,
    /// The platform said that the window is not open (45015).
    OverThere,
    /// The platform said that the person takes no messages (48002).
    Declined,
}

/// The window, by what came from the person and went to them since [`LONGEST`] before `now`, in Unix seconds.
#[must_use]
pub fn window(contact: &Contact, now: i64) -> Window {
    let newest = |is_it: &dyn Fn(&str) -> bool| {
        let came = contact.came.iter().filter(|(event, _)| is_it(event));
        came.map(|(_, at)| *at).max()
    };
    let left = newest(&|event| event == "unsubscribe");
    // Leaving ends what was open.
    let opening = |is_it: &dyn Fn(&str) -> bool| newest(is_it).filter(|at| Some(*at) >= left);
    let message = opening(&str::is_empty);
    let action = opening(&|event| ACTIONS.contains(&event));
    let opened = [(message, AFTER_MESSAGE), (action, AFTER_ACTION)];
    let in_time = opened.into_iter().filter_map(|(at, (lasts, of))| {
        let until = at?.saturating_add(lasts);
        (now < until).then_some((until, at?, of))
    });
    // The one that stays open longest.
    if let Some((until, left, of)) = in_time
        .clone()
        .filter_map(|(until, at, of)| Some((until, left_of(of, at, &contact.sent)?, of)))
        .max()
    {
        return Window::Open { until, left, of };
    }
    Window::Shut(match in_time.map(|(_, at, _)| at).max() {
        Some(at) => told_since(at, &contact.sent).unwrap_or(Shut::UsedUp),
        None if message.or(action).is_none() && left.is_some() => Shut::Left,
        None => Shut::Over,
    })
}

/// The messages that are left of a window that was opened then; `None`: none is.
fn left_of(of: u8, opened: i64, sent: &[SentMark]) -> Option<u8> {
    if told_since(opened, sent).is_some() {
        return None;
    }
    let since = sent.iter().filter(|sent| sent.at >= opened);
    let used = since.filter(|sent| match sent.state {
        SentState::Sending | SentState::Sent | SentState::Unknown => true,
        SentState::Refused => false,
    });
    let left = usize::from(of).saturating_sub(used.count());
    u8::try_from(left).ok().filter(|left| *left > 0)
}

/// What the platform has said last about the window since then.
fn told_since(opened: i64, sent: &[SentMark]) -> Option<Shut> {
    let since = sent.iter().filter(|sent| sent.at >= opened);
    let told = since.filter_map(|sent| Some((sent.at, Shut::told(sent.errcode)?)));
    told.max_by_key(|(at, _)| *at).map(|(_, shut)| shut)
}

impl Window {
    /// For programs.
    #[must_use]
    pub fn as_json(self) -> Value {
        match self {
            Window::Open { until, left, of } => {
                json!({"open": true, "until": until, "left": left, "of": of})
            }
            Window::Shut(shut) => json!({
                "open": false, "shut": shut, "why": shut.why(), "reopens": shut.reopens(),
            }),
        }
    }
}

impl Shut {
    /// What a refusal of the platform means for the window; `None`: nothing.
    #[must_use]
    pub fn told(errcode: Option<i64>) -> Option<Shut> {
        match errcode? {
            errcode::NO_WINDOW => Some(Shut::OverThere),
            errcode::WINDOW_USED_UP => Some(Shut::UsedUpThere),
            errcode::MESSAGES_OFF => Some(Shut::Declined),
            _ => None,
        }
    }

    /// Whether the platform has said so.
    #[must_use]
    pub fn is_told(self) -> bool {
        match self {
            Shut::UsedUpThere | Shut::OverThere | Shut::Declined => true,
            Shut::Over | Shut::Left | Shut::UsedUp => false,
        }
    }

    /// Why, as a sentence without its end.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Shut::Over => "the follower has not written in the last 48 hours",
            Shut::Left => "the user no longer follows",
            Shut::UsedUp => "all messages of this window were sent",
            Shut::UsedUpThere => "WeChat says that all messages of this window were sent (45047)",
            Shut::OverThere => {
                "WeChat says that the follower did nothing lately that allows a message (45015)"
            }
            Shut::Declined => "WeChat says that the follower has switched messages off (48002)",
        }
    }

    /// What opens the window, in the same form.
    #[must_use]
    pub fn reopens(self) -> &'static str {
        match self {
            Shut::Left => "following again opens it for a minute",
            Shut::Declined => "it opens when the follower switches them on again and writes",
            Shut::Over | Shut::UsedUp | Shut::UsedUpThere | Shut::OverThere => {
                "a message of the follower opens it for 48 hours; a follow, a scan or a tap on the menu for a minute"
            }
        }
    }
}

/// `41 h 12 min left, at most 4 of 5 messages`, at `now`.
#[must_use]
pub fn left(until: i64, left: u8, of: u8, now: i64) -> String {
    let seconds = until.saturating_sub(now).max(0);
    let time = match (seconds / 3_600, seconds % 3_600 / 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    format!(
        "{time} left, at most {left} of {}",
        counted(usize::from(of), "message")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;
    const HOUR: i64 = 3_600;

    /// What came, each with how long ago in seconds.
    fn came(list: &[(&str, i64)]) -> Contact {
        let came = list
            .iter()
            .map(|(event, ago)| ((*event).to_owned(), NOW - ago));
        Contact {
            came: came.collect(),
            sent: Vec::new(),
        }
    }

    /// The same with messages that the platform took this long ago.
    fn with_sent(mut contact: Contact, ago: &[i64]) -> Contact {
        contact.sent.extend(ago.iter().map(|ago| SentMark {
            at: NOW - ago,
            state: SentState::Sent,
            errcode: None,
        }));
        contact
    }

    fn refused(mut contact: Contact, errcode: i64, ago: i64) -> Contact {
        contact.sent.push(SentMark {
            at: NOW - ago,
            state: SentState::Refused,
            errcode: Some(errcode),
        });
        contact
    }

    fn open(until_in: i64, left: u8, of: u8) -> Window {
        Window::Open {
            until: NOW + until_in,
            left,
            of,
        }
    }

    fn is(contact: &Contact, expected: Window) {
        assert_eq!(window(contact, NOW), expected, "{contact:?}");
    }

    #[test]
    fn a_message_opens_five_messages_in_two_days() {
        is(&Contact::default(), Window::Shut(Shut::Over));
        let message = || came(&[("", HOUR)]);
        is(&message(), open(47 * HOUR, 5, 5));
        is(&with_sent(message(), &[10]), open(47 * HOUR, 4, 5));
        is(&with_sent(message(), &[10, 9, 8, 7]), open(47 * HOUR, 1, 5));
        let used_up = with_sent(message(), &[10, 9, 8, 7, 6]);
        is(&used_up, Window::Shut(Shut::UsedUp));
        // What was sent before it does not count, and what was sent in its second does.
        is(&with_sent(message(), &[HOUR + 1]), open(47 * HOUR, 5, 5));
        is(&with_sent(message(), &[HOUR]), open(47 * HOUR, 4, 5));
        is(&came(&[("", 48 * HOUR - 1)]), open(1, 5, 5));
        is(&came(&[("", 48 * HOUR)]), Window::Shut(Shut::Over));
        // A clock that was set back does no harm.
        is(&came(&[("", -HOUR)]), open(49 * HOUR, 5, 5));
    }

    #[test]
    fn a_message_counts_unless_it_was_refused() {
        let with = |state| {
            let mut contact = with_sent(came(&[("", HOUR)]), &[5]);
            contact.sent[0].state = state;
            contact
        };
        is(&with(SentState::Sending), open(47 * HOUR, 4, 5));
        is(&with(SentState::Unknown), open(47 * HOUR, 4, 5));
        is(&with(SentState::Refused), open(47 * HOUR, 5, 5));
    }

    #[test]
    fn an_action_opens_three_messages_in_a_minute() {
        for action in [
            "subscribe",
            "scan",
            "click",
            "scancode_push",
            "scancode_waitmsg",
        ] {
            is(&came(&[(action, 20)]), open(40, 3, 3));
            is(&with_sent(came(&[(action, 20)]), &[1, 2]), open(40, 1, 3));
            let used_up = with_sent(came(&[(action, 20)]), &[1, 2, 3]);
            is(&used_up, Window::Shut(Shut::UsedUp));
            is(&came(&[(action, 60)]), Window::Shut(Shut::Over));
        }
        for other in [
            "view",
            "location",
            "pic_weixin",
            "location_select",
            "unsubscribe x",
        ] {
            is(&came(&[(other, 20)]), Window::Shut(Shut::Over));
        }
    }

    #[test]
    fn the_window_that_lasts_longer_is_shown_while_it_has_messages() {
        let both = || came(&[("", HOUR), ("click", 20)]);
        is(&with_sent(both(), &[100]), open(47 * HOUR, 4, 5));
        let used_up = with_sent(both(), &[100, 99, 98, 97, 96]);
        is(&used_up, open(40, 3, 3));
        is(&with_sent(used_up, &[5]), open(40, 2, 3));
    }

    #[test]
    fn what_the_platform_says_counts_more_than_the_count() {
        for (errcode, shut) in [
            (45_015, Shut::OverThere),
            (45_047, Shut::UsedUpThere),
            (48_002, Shut::Declined),
        ] {
            let told = refused(came(&[("", HOUR)]), errcode, 30);
            is(&told, Window::Shut(shut));
            assert!(shut.is_told());
            // Until something comes.
            let click = refused(came(&[("", HOUR), ("click", 20)]), errcode, 30);
            is(&click, open(40, 3, 3));
            let message = refused(came(&[("", 20)]), errcode, 30);
            is(&message, open(48 * HOUR - 20, 5, 5));
            let over = refused(came(&[("click", HOUR)]), errcode, 30);
            is(&over, Window::Shut(Shut::Over));
        }
        // Other refusals say nothing about it.
        let long = refused(came(&[("", HOUR)]), 45_002, 30);
        is(&long, open(47 * HOUR, 5, 5));
        let two = refused(refused(came(&[("", HOUR)]), 45_047, 30), 48_002, 20);
        is(&two, Window::Shut(Shut::Declined));
    }

    #[test]
    fn leaving_shuts_it_until_the_person_follows_again() {
        let gone = came(&[("", HOUR), ("unsubscribe", 30)]);
        is(&gone, Window::Shut(Shut::Left));
        let back = came(&[("", HOUR), ("unsubscribe", 30), ("subscribe", 20)]);
        is(&back, open(40, 3, 3));
        let silent = came(&[("", 2 * HOUR), ("unsubscribe", HOUR), ("subscribe", HOUR)]);
        is(&silent, Window::Shut(Shut::Over));
    }

    #[test]
    fn what_is_left_is_said_in_hours_and_minutes() {
        let said = |seconds| left(NOW + seconds, 4, 5, NOW);
        assert_eq!(
            said(41 * HOUR + 12 * 60 + 59),
            "41 h 12 min left, at most 4 of 5 messages"
        );
        assert_eq!(said(119), "1 min left, at most 4 of 5 messages");
        assert_eq!(said(59), "59 s left, at most 4 of 5 messages");
        assert_eq!(said(-5), "0 s left, at most 4 of 5 messages");
    }
}
