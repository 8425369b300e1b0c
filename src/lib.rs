//! The back end of one WeChat Official Account.

pub mod clock;
pub mod secret;
