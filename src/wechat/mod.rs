//! The platform's callback protocol, pure: bytes in, values out; no input or output, no clock, no
//! configuration.
//!
//! The way of one push: [`verify`] its signature, [`Envelope::parse`] and [`open`] it where the
//! account encrypts, [`Push::parse`] it, then write a [`Reply`] with [`Reply::to_xml`] and, where
//! the push was encrypted, [`seal`] it into a [`sealed_reply`].
//!
//! A new kind of message or event is one struct, one row in the table of [`message`] or [`event`],
//! and one sample.

mod signature;

mod crypto;
mod envelope;

mod push;

pub mod event;
pub mod message;

mod effect;

mod reply;
pub mod text;

mod error;
mod fields;
mod json;
mod mend;
mod xml;

pub use crypto::{AesKey, AesKeyError, CryptoError, open, seal};
pub use effect::{Effect, JobArticles, JobCounts, JobKind, JobResult};
pub use envelope::{Envelope, sealed_reply};
pub use error::{Format, ParseError};
pub use event::{
    Event, EventKind, SCANS, TYPED_EVENTS, UNTYPED_EVENTS, event_may_be_answered, known_events,
};
pub use fields::{Fields, elements};
pub use message::{ArticleRef, Message, MessageKind};
pub use push::{Body, Push};
pub use reply::{Article, MAX_ARTICLES, Reply};
pub use signature::{digest, short_digest, sign, signature_bytes, verify};
pub use text::{MAX_TEXT_BYTES, cut_text, push_element};
