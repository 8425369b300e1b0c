//! Sends customer-service messages, each at most once: its row is in the store before the platform is asked.

use crate::api::custom::{CustomMessage, MAX_TEXT, Sender};
use crate::api::{ApiError, Client, errcode};
use crate::clock;
use crate::store::{NewSent, SendBegun, Sent, SentMessage, SentRow, Store, StoreError};
use crate::wechat::cut_text;

/// How long it is remembered that the account has no right to such messages, in seconds.
const REMEMBERED: i64 = 7 * 24 * 3600;

/// Who gets messages, and from whom.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// Keeps the rows.
    pub store: &'a Store,
    /// Sends.
    pub api: &'a Client,
    /// To whom.
    pub openid: &'a str,
    /// Who sends: `cli`, or the name of who is signed in.
    pub by: &'a str,
}

/// Why a message was not sent, or may not have been.
#[derive(Debug)]
pub enum SendFailure {
    /// The store cannot write: the platform was not asked.
    Store(StoreError),
    /// The platform refused it, or may have taken it.
    Call(ApiError),
    /// The number of the form was used before, for this message.
    Again(Box<SentRow>),
}

/// How a text was sent.
#[derive(Debug)]
pub struct SentText {
    /// Messages that the platform took.
    pub sent: usize,
    /// Messages that the text makes.
    pub of: usize,
    /// Why the next one was not sent, if not all were.
    pub failure: Option<SendFailure>,
}

/// Why a text cannot be sent at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMessage {
    /// It is empty.
    Empty,
    /// It has a link of more than [`MAX_TEXT`] bytes, which no message can hold.
    LongLink,
}

impl Sending<'_> {
    /// Sends one message, once. With a number in `once` that was used before, nothing is sent.
    ///
    /// # Errors
    /// See [`SendFailure`].
    pub fn send(
        &self,
        message: &CustomMessage,
        sender: &Sender,
        once: Option<&str>,
    ) -> Result<(), SendFailure> {
        let new = NewSent {
            openid: self.openid.to_owned(),
            at: clock::unix_seconds(),
            message: recorded(message),
            by: self.by.to_owned(),
            once: once.map(str::to_owned),
        };
        let id = match self.store.begin_sending(new) {
            Ok(SendBegun::New(id)) => id,
            Ok(SendBegun::Again(row)) => return Err(SendFailure::Again(Box::new(row))),
            Err(error) => return Err(SendFailure::Store(error)),
        };
        let result = self.api.custom_send(self.openid, message, sender);
        if let Err(error) = self.store.end_of_sending(id, ended(&result)) {
            log::warn!("message {id}: how it ended is not recorded: {error}");
        }
        result.map_err(SendFailure::Call)
    }

    /// Sends a text, as several messages if it is long. The number in `once` counts for all of them.
    ///
    /// # Errors
    /// When the text cannot be sent at all.
    pub fn send_text(&self, text: &str, once: Option<&str>) -> Result<SentText, NoMessage> {
        let parts = parts(text)?;
        let of = parts.len();
        for (sent, part) in parts.into_iter().enumerate() {
            let message = CustomMessage::Text {
                content: part.to_owned(),
            };
            // Where the first was begun before, the others were, too, or never will be.
            let once = once.filter(|_| sent == 0);
            if let Err(failure) = self.send(&message, &Sender::default(), once) {
                let failure = Some(failure);
                return Ok(SentText { sent, of, failure });
            }
        }
        Ok(SentText {
            sent: of,
            of,
            failure: None,
        })
    }
}

/// What the store keeps of a message.
#[must_use]
pub fn recorded(message: &CustomMessage) -> SentMessage {
    SentMessage {
        msg_type: message.msgtype(),
        content: message.content(),
    }
}

/// How a message ended, by the answer to the call.
#[must_use]
pub fn ended(result: &Result<(), ApiError>) -> Sent {
    match result {
        Ok(()) => Sent::Yes,
        Err(error) if error.may_be_done() => Sent::Unknown(error.to_string()),
        Err(error) => {
            let has_no_right = error.errcode() == Some(errcode::UNAUTHORIZED);
            Sent::No {
                why: error.to_string(),
                errcode: error.errcode(),
                no_right_until: has_no_right.then(|| clock::unix_seconds() + REMEMBERED),
            }
        }
    }
}

/// Splits a text into parts of a length that the platform accepts, between characters and outside links.
///
/// # Errors
/// When it cannot be sent.
pub fn parts(text: &str) -> Result<Vec<&str>, NoMessage> {
    if text.trim().is_empty() {
        return Err(NoMessage::Empty);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let part = cut_text(rest, MAX_TEXT);
        if part.is_empty() {
            return Err(NoMessage::LongLink);
        }
        parts.push(part);
        rest = &rest[part.len()..];
    }
    // The platform refuses a message that is only white space.
    parts.retain(|part| !part.trim().is_empty());
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_split_into_parts_that_make_the_whole() {
        let text = "好".repeat(1_500);
        let pieces = parts(&text).expect("pieces");
        assert_eq!(pieces.concat(), text);
        assert_eq!(
            pieces.iter().map(|p| p.len()).collect::<Vec<_>>(),
            [2046, 2046, 408]
        );
        assert_eq!(parts("hello"), Ok(vec!["hello"]));
        assert_eq!(parts(" \n"), Err(NoMessage::Empty));
        let link = format!(
            "<a href=\"https://www.example.com/{}\">x</a>",
            "y".repeat(2_048)
        );
        assert_eq!(parts(&link), Err(NoMessage::LongLink));
    }
}
