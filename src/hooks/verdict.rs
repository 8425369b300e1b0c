//! Whether an answer confirms the delivery. Robots report failure inside HTTP 200, so their JSON decides.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::schedule::Failure;
use crate::config::HookFormat;
use crate::visible::Visible;

/// The most characters of a robot's words that are kept.
const MOST_WORDS: usize = 200;

/// What came back. `retry_after` is the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'a str>,
    /// Its beginning.
    pub(super) body: &'a [u8],
}

/// The HTTP status of an answer that confirms the delivery, or why it does not.
pub(super) fn judge(format: &HookFormat, answer: Answer) -> Result<u16, Failure> {
    let Answer { status, .. } = answer;
    let failed = |error: String| {
        Err(Failure {
            status: Some(status),
            error,
            retry_after: answer.retry_after.and_then(pause),
            is_gone: status == 410,
        })
    };
    if !(200..300).contains(&status) {
        return failed(match status {
            300..400 => format!("HTTP {status}: redirects are not followed; write the final URL"),
            _ => format!("HTTP {status}"),
        });
    }
    let value: Value = serde_json::from_slice(answer.body).unwrap_or_default();
    let code = |key: &str| value[key].as_i64();
    let (code, fine, words) = match format {
        HookFormat::Standard { .. } | HookFormat::Ntfy => return Ok(status),
        HookFormat::WeCom | HookFormat::DingTalk { .. } => (code("errcode"), 0, "errmsg"),
        HookFormat::Feishu { .. } => (code("code").or_else(|| code("StatusCode")), 0, "msg"),
        HookFormat::Bark => (code("code"), 200, "message"),
    };
    match code {
        Some(code) if code == fine => Ok(status),
        Some(code) => {
            let words = value[words].as_str().unwrap_or_default();
            let words: String = words.chars().take(MOST_WORDS).collect();
            failed(format!("the robot answers {code}: {}", Visible(&words)))
        }
        None => failed("the answer is not a robot's: it has no code".to_owned()),
    }
}

/// What `Retry-After` says: seconds, or a date.
fn pause(header: &str) -> Option<Duration> {
    match header.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let until = httpdate::parse_http_date(header.trim()).ok()?;
            until.duration_since(SystemTime::now()).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(format: &HookFormat, status: u16, body: &str) -> Result<u16, String> {
        let answer = Answer {
            status,
            retry_after: None,
            body: body.as_bytes(),
        };
        judge(format, answer).map_err(|failure| failure.error)
    }

    #[test]
    fn a_robots_json_decides_whether_it_was_delivered() {
        let dingtalk = HookFormat::DingTalk { secret: None };
        let feishu = HookFormat::Feishu { secret: None };
        for (format, body, delivered) in [
            (&HookFormat::WeCom, r#"{"errcode":0,"errmsg":"ok"}"#, true),
            (
                &HookFormat::WeCom,
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                false,
            ),
            (&HookFormat::WeCom, "", false),
            (&dingtalk, r#"{"errcode":0,"errmsg":"ok"}"#, true),
            (
                &dingtalk,
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                false,
            ),
            (
                &dingtalk,
                r#"{"status":1111,"wait":5,"punish":"deny"}"#,
                false,
            ),
            (&feishu, r#"{"code":0,"msg":"success"}"#, true),
            (
                &feishu,
                r#"{"StatusCode":0,"StatusMessage":"success"}"#,
                true,
            ),
            (
                &feishu,
                r#"{"code":11232,"msg":"frequency limited"}"#,
                false,
            ),
            (
                &HookFormat::Bark,
                r#"{"code":200,"message":"success"}"#,
                true,
            ),
            (
                &HookFormat::Bark,
                r#"{"code":400,"message":"failed"}"#,
                false,
            ),
            (&HookFormat::Ntfy, "whatever", true),
        ] {
            let judged = judged(format, 200, body);
            assert_eq!(
                judged.is_ok(),
                delivered,
                "{} {body}: {judged:?}",
                format.name()
            );
        }
        let wrong = judged(
            &dingtalk,
            200,
            r#"{"errcode":310000,"errmsg":"sign not match"}"#,
        );
        assert_eq!(
            wrong,
            Err("the robot answers 310000: sign not match".to_owned())
        );
        assert!(judged(&HookFormat::WeCom, 302, r#"{"errcode":0}"#).is_err());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let pause_until = pause(&date).expect("a pause");
        assert!(
            (90..=100).contains(&pause_until.as_secs()),
            "{pause_until:?}"
        );
        assert_eq!(pause("soon"), None);
    }
}
