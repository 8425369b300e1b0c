//! Addresses: where pushes come from, where calls go, and whether the platform can reach us.

use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use crate::wechat::lenient;

/// What [`Client::callback_check`] checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckAction {
    /// Looking up the name.
    Dns,
    /// A ping.
    Ping,
    /// Both.
    All,
}

/// What the platform found when it tried to reach the callback URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CallbackCheck {
    /// Addresses of the URL's name.
    pub dns: Vec<DnsResult>,
    /// Pings to them.
    pub ping: Vec<PingResult>,
}

/// One address of the callback URL's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DnsResult {
    /// The address.
    pub ip: String,
    /// The network it belongs to.
    #[serde(default, deserialize_with = "lenient::text")]
    pub real_operator: Option<String>,
}

/// One ping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PingResult {
    /// The address.
    pub ip: String,
    /// The network it was sent from.
    #[serde(default, deserialize_with = "lenient::text")]
    pub from_operator: Option<String>,
    /// The loss, like `0%`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub package_loss: Option<String>,
    /// How long it took, like `23.079ms`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub time: Option<String>,
}

#[derive(Deserialize)]
struct IpList {
    ip_list: Vec<String>,
}

impl Client {
    /// Addresses and CIDR blocks that pushes come from (`getcallbackip`). Call it at most daily.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn getcallbackip(&self) -> Result<Vec<String>, ApiError> {
        Ok(self
            .call::<IpList>(&Call::read("/cgi-bin/getcallbackip"))?
            .ip_list)
    }

    /// Addresses and CIDR blocks of the API (`get_api_domain_ip`).
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_api_domain_ip(&self) -> Result<Vec<String>, ApiError> {
        Ok(self
            .call::<IpList>(&Call::read("/cgi-bin/get_api_domain_ip"))?
            .ip_list)
    }

    /// Lets the platform try to reach the console's callback URL (`callback/check`), from the network that it
    /// prefers.
    ///
    /// # Errors
    /// 40201 when the console has no URL; any [`ApiError`].
    pub fn callback_check(&self, action: CheckAction) -> Result<CallbackCheck, ApiError> {
        let action = match action {
            CheckAction::Dns => "dns",
            CheckAction::Ping => "ping",
            CheckAction::All => "all",
        };
        let call = Call::read("/cgi-bin/callback/check");
        self.call(&call.json(&json!({"action": action, "check_operator": "DEFAULT"}))?)
    }
}
