//! The operator's page as HTML, one file for each page. Knows no HTTP and no SQL: a page is a function from a [`Frame`]
//! and plain values to markup.
//!
//! - [`frame`]: what all pages have around them, and the form of an action
//! - [`texts`]: every text, in both languages
//! - [`person`]: what people are called, and their texts as text
//! - [`message`]: what came from a person, in a few words
//! - [`bubble`]: what a person sees on the phone
//! - [`plot`]: bars, and the same numbers as a table
//! - [`refusals`]: why requests were refused, in words
//! - [`files`]: style, script and icon
//! - one module for each page: [`login`], [`overview`], [`inbox`], [`talk`], [`followers`], [`rules`], [`unanswered`], [`health`], [`failure`]

pub mod bubble;
pub mod failure;
pub mod files;
pub mod followers;
pub mod frame;
pub mod health;
pub mod inbox;
pub mod login;
pub mod message;
pub mod overview;
pub mod person;
pub mod plot;
pub mod refusals;
pub mod rules;
pub mod talk;
pub mod texts;
pub mod unanswered;

pub use frame::{Frame, Place, SignedIn};
pub use texts::Text;
