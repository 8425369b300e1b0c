//! What is left to do until the account is live, in order, as far as it can be seen from here.

use crate::api::token_cache::ACCESS_TOKEN;
use crate::cli::terminal::{Failure, called};
use crate::config::{Config, Mode, has_backup_timer, is_installed};
use crate::simulated::SIMULATED;
use crate::store::Reader;

/// The steps; none once WeChat's pushes arrive and nothing is missing.
pub(super) fn steps(config: &Config, reader: Option<&Reader>) -> Result<Vec<String>, Failure> {
    let is_live = match reader {
        Some(reader) => reader.has_pushes_but_of(SIMULATED)?,
        None => false,
    };
    let has_backup = match reader {
        // The first one may be to come tonight.
        _ if has_backup_timer() => true,
        Some(reader) => reader.last_backup()?.is_some(),
        None => false,
    };
    let has_api = config.api_rights().is_some();
    // WeChat gives no token to an address that is not on the list.
    let is_listed = match reader {
        Some(reader) => reader.token_expires_at(ACCESS_TOKEN)?.is_some(),
        None => false,
    };
    let mut steps = Vec::new();
    let mut add = |is_open: bool, step: String| {
        if is_open {
            steps.push(step);
        }
    };
    add(
        !has_api,
        "set account.app_id and account.app_secret_file; the console shows both under 设置与开发 → 基本配置. `wechatd init` in an empty folder asks for them, tries them and writes a configuration".to_owned(),
    );
    add(
        !is_installed(),
        format!("run it as a service: `sudo {} install`", called()),
    );
    let url = config.callback_url();
    if !is_live {
        add(
            true,
            format!(
                "put nginx or Caddy in front of it, with HTTPS for your domain; `wechatd simulate verify --url {url}` tries the way"
            ),
        );
        add(
            has_api && !is_listed,
            "enter this server's address in the console as IP白名单; `wechatd check --online` shows it".to_owned(),
        );
        let pull = match config.menu.button.is_empty() {
            true => "`wechatd rules pull` and `wechatd menu pull`",
            false => "`wechatd rules pull`",
        };
        add(
            has_api,
            format!(
                "take over what the console does now, before the callback switches it off: {pull}"
            ),
        );
        let key = match config.account.mode {
            Mode::Plain => "",
            Mode::Compatible(_) | Mode::Secure(_) => ", EncodingAESKey (account.aes_key)",
        };
        add(
            true,
            format!(
                "enter URL, Token{key} and mode in the console under 设置与开发 → 基本配置 → 服务器配置, and press 启用"
            ),
        );
    }
    add(
        has_api && matches!(config.account.mode, Mode::Plain),
        "switch to 安全模式: set account.mode = \"secure\" and account.aes_key, then choose it in the console. In plain mode the signature does not cover the message".to_owned(),
    );
    add(
        is_installed() && !has_backup,
        "back up every night: `sudo wechatd install` sets that up, and so does `wechatd unit --backup | sudo sh`".to_owned(),
    );
    Ok(steps)
}
