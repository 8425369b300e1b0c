//! The back end of one WeChat Official Account.
pub mod resolver;
