//! The back end of one WeChat Official Account.
pub mod cli;
pub mod resolver;
