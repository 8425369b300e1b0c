//! The platform's callback protocol, pure: bytes in, values out; no I/O, no clock, no configuration.
//!
//! The path of one push: [`verify`] its signature; if the account encrypts, [`Envelope::parse`] and [`open`] it;
//! [`Push::parse`] it; write a [`Reply`] with [`Reply::to_xml`]; if the push was encrypted, [`seal`] the reply into a
//! [`sealed_reply`].
//!
//! A new kind of message or event is one row in the table of [`message`] or [`event`] and one sample. It gets a variant
//! in the `enum` only if code distinguishes it.

mod signature;

mod crypto;
mod envelope;

mod push;

pub mod event;
pub mod message;

pub mod menu;

pub mod file;

mod effect;
mod job;

mod reply;
pub mod text;

mod body;
mod error;
mod fields;
mod json;
pub(crate) mod lenient;
mod repair;
mod xml;

pub use body::elements;
pub use crypto::{AesKey, AesKeyError, CryptoError, open, seal};
pub use effect::Effect;
pub use envelope::{Envelope, sealed_reply};
pub use error::{Format, ParseError};
pub use event::{EVENTS, Event, EventKind, PRODUCT_EVENTS, event_may_be_answered, known_events};
pub use fields::Fields;
pub use job::{JobArticles, JobCounts, JobKind, JobResult, mass_error_meaning};
pub use message::{Message, MessageKind};
pub use push::{Body, Push, push_as_xml, push_kinds};
pub use reply::{Article, MAX_ARTICLES, Reply, ReplyError};
pub use signature::{digest, short_digest, sign, sign_page, signature_bytes, verify};
pub use text::{MAX_TEXT_BYTES, cut_text, push_element};
