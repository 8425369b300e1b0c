//! The console's message modes, with their keys.

use std::fmt;
use std::sync::Arc;

use crate::wechat::{self, AesKey, CryptoError};

/// The message mode in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// 明文模式: pushes and answers are plain text.
    Plain,
    /// 兼容模式: pushes contain both forms; the encrypted one counts.
    Compatible(Keys),
    /// 安全模式: everything is encrypted.
    Secure(Keys),
}

/// The keys that decrypt pushes and encrypt answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The AppID, which is part of every ciphertext.
    pub app_id: Arc<str>,
    /// The EncodingAESKey.
    pub current: AesKey,
    /// The former key, which is still accepted.
    pub previous: Option<AesKey>,
}

/// The name of a mode in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModeName {
    Plain,
    Compatible,
    Secure,
}

impl Mode {
    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let name = match self {
            Mode::Plain => ModeName::Plain,
            Mode::Compatible(_) => ModeName::Compatible,
            Mode::Secure(_) => ModeName::Secure,
        };
        name.text()
    }

    /// Its name in the console.
    #[must_use]
    pub const fn in_the_console(&self) -> &'static str {
        match self {
            Mode::Plain => "明文模式",
            Mode::Compatible(_) => "兼容模式",
            Mode::Secure(_) => "安全模式",
        }
    }

    /// Its keys; `None` if nothing is encrypted.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        match self {
            Mode::Plain => None,
            Mode::Compatible(keys) | Mode::Secure(keys) => Some(keys),
        }
    }
}

impl Keys {
    /// Decrypts an `Encrypt` with the current or the previous key, and returns the key, too.
    ///
    /// # Errors
    /// When neither does: the error of the current one.
    pub fn open(&self, encrypt: &str) -> Result<(Vec<u8>, &AesKey), CryptoError> {
        let open = |key| wechat::open(key, &self.app_id, encrypt).map(|opened| (opened, key));
        open(&self.current).or_else(|cause| {
            let previous = self.previous.as_ref();
            previous.and_then(|key| open(key).ok()).ok_or(cause)
        })
    }
}

impl ModeName {
    pub(super) const ALL: [ModeName; 3] = [ModeName::Plain, ModeName::Compatible, ModeName::Secure];

    pub(super) fn text(self) -> &'static str {
        match self {
            ModeName::Plain => "plain",
            ModeName::Compatible => "compatible",
            ModeName::Secure => "secure",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
