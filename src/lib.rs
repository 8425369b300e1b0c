//! The back end of one WeChat Official Account.

pub mod api;
pub mod cli;
pub mod clock;
pub mod resolver;
pub mod secret;
pub mod server;
pub mod wechat;
