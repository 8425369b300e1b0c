//! How a command reaches the platform: the store, which keeps the tokens, and the API client.

mod pages;
mod patience;

use std::sync::Arc;

use super::terminal::Failure;
use crate::api::Client;
use crate::app;
use crate::config::Config;
use crate::store::Store;
pub use pages::in_pages;
pub use patience::Patience;

/// Opens the store and prepares the API client. Makes no call yet.
pub fn connect(config: &Config) -> Result<(Arc<Store>, Client), Failure> {
    let missing = || {
        Failure::wrong(
            format!(
                "{}: account.app_id and account.app_secret are not set, and this command calls WeChat's API",
                config.file.display()
            ),
            "take both from the console, Basic configuration (基本配置)",
        )
    };
    config.api_rights().ok_or_else(missing)?;
    let store = Arc::new(Store::open(&config.store)?);
    let api = app::client(config, &store)?.ok_or_else(missing)?;
    Ok((store, api))
}
