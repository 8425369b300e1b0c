//! The fake platform's diagnostics of the account: quotas, single requests, the callback, the clock.

use super::platform::{Call, errcode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The state behind these calls.
pub struct Desk {
    /// Seconds by which the platform's clock is ahead of ours; `None`: no `Date` header.
    pub clock: Option<i64>,
    /// Number of calls today by path; other paths are unknown.
    pub used: HashMap<&'static str, i64>,
    /// How many more times the counters may be cleared this month.
    pub clearings: u32,
    /// Addresses that the callback's host name resolves to; empty: the console has no URL.
    pub callback: Option<Vec<&'static str>>,
    /// Packet loss on the way there.
    pub loss: &'static str,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            clock: Some(0),
            used: [
                ("/cgi-bin/message/custom/send", 12),
                ("/cgi-bin/user/get", 3),
            ]
            .into(),
            clearings: 10,
            callback: Some(vec!["203.0.113.10"]),
            loss: "0%",
        }
    }
}

impl Desk {
    /// The `Date` header as a line, or nothing.
    pub fn date(&self) -> String {
        let Some(ahead) = self.clock else {
            return String::new();
        };
        let ahead = Duration::from_secs(ahead.unsigned_abs());
        let time = match self.clock < Some(0) {
            true => SystemTime::now() - ahead,
            false => SystemTime::now() + ahead,
        };
        format!("Date: {}\r\n", httpdate::fmt_http_date(time))
    }

    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call, authorised: bool) -> Option<String> {
        let asked: Value = serde_json::from_str(&call.body).unwrap_or(Value::Null);
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let path = call.path.strip_prefix("/cgi-bin/")?;
        if path == "clear_quota/v2" {
            let right = text("appsecret") == super::account::APP_SECRET;
            return Some(match right {
                true => self.clear(),
                false => errcode(40125, "invalid appsecret"),
            });
        }
        if !authorised {
            return None;
        }
        Some(match path {
            "openapi/quota/get" => match self.used.get(text("cgi_path").as_str()) {
                None => errcode(76021, "cgi_path not found, please check"),
                Some(used) => json!({
                    "errcode": 0, "errmsg": "ok",
                    "quota": {"daily_limit": 500_000, "used": used, "remain": 500_000 - used},
                    "rate_limit": {"call_count": 5000, "refresh_second": 60},
                })
                .to_string(),
            },
            "openapi/rid/get" if text("rid") == "66f0a1b2-1c2d3e4f-5a6b7c8d" => json!({
                "errcode": 0, "errmsg": "ok",
                "request": {
                    "invoke_time": 1_767_000_000, "cost_in_ms": 30, "request_url": "access_token=88_***",
                    "request_body": "{\"secret\":\"0123456789abcdef0123456789abcdef\"}",
                    "response_body": "{\"errcode\":40003}", "client_ip": "203.0.113.77",
                },
            })
            .to_string(),
            "openapi/rid/get" => errcode(76001, "rid not found"),
            "clear_quota" => self.clear(),
            "openapi/quota/clear" => match self.used.get_mut(text("cgi_path").as_str()) {
                None => errcode(76021, "cgi_path not found, please check"),
                Some(used) => {
                    *used = 0;
                    json!({"errcode": 0, "errmsg": "ok"}).to_string()
                }
            },
            "callback/check" => match &self.callback {
                None => errcode(40201, "invalid check url"),
                Some(addresses) => {
                    let dns: Vec<Value> = addresses
                        .iter()
                        .map(|ip| json!({"ip": ip, "real_operator": "UNICOM"}))
                        .collect();
                    let ping: Vec<Value> = addresses
                        .iter()
                        .map(|ip| json!({"ip": ip, "from_operator": "UNICOM", "package_loss": self.loss, "time": "23.079ms"}))
                        .collect();
                    json!({"dns": dns, "ping": ping}).to_string()
                }
            },
            _ => return None,
        })
    }

    fn clear(&mut self) -> String {
        if self.clearings == 0 {
            return errcode(48006, "forbid to clear quota because of reaching the limit");
        }
        self.clearings -= 1;
        self.used.values_mut().for_each(|used| *used = 0);
        json!({"errcode": 0, "errmsg": "ok"}).to_string()
    }
}
