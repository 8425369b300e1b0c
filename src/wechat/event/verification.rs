//! The verification of the account (the platform's page "WeChat verification event pushes").

use serde::{Deserialize, Serialize};

use crate::wechat::fields;

/// `qualification_verify_success`, `naming_verify_success`, `annual_renew` and `verify_expired`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VerifySuccess {
    /// Until when the verification holds, or held; Unix seconds.
    #[serde(deserialize_with = "fields::integer")]
    pub expired_time: Option<i64>,
}

/// `qualification_verify_fail` and `naming_verify_fail`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VerifyFail {
    /// When it failed; Unix seconds.
    #[serde(deserialize_with = "fields::integer")]
    pub fail_time: Option<i64>,
    /// Why.
    pub fail_reason: Option<String>,
}
