//! The keys of `[store]` about a database on a server, and its password.

use std::path::{Path, PathBuf};

use super::secret_file::{credential, start_of};
use super::value::{self, Parsed, Value};
use super::{PASSWORD_CREDENTIAL, PASSWORD_VARIABLE};
use crate::byte_order_mark;
use crate::secret::Secret;
use crate::store::{Server, Tls};

/// What stands in [`PASSWORD_VARIABLE`] where the configuration is only read.
pub const NO_PASSWORD: &str = "NotNeededHere";

/// The most connections that commit. Each has a thread.
const MOST_CONNECTIONS: usize = 64;

/// These keys before they are put together.
#[derive(Debug, Default)]
pub(super) struct DatabaseKeys {
    pub(super) url: Option<Server>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) connections: u8,
    pub(super) tls: Tls,
}

pub(super) fn url(value: &Value) -> Parsed<Server> {
    let server = value::string(value)?.parse()?;
    match cfg!(feature = "mysql") {
        true => Ok(server),
        false => Err("this wechatd was built without it; build one that has it with `cargo build --release --features mysql`".to_owned()),
    }
}

pub(super) fn connections(value: &Value) -> Parsed<u8> {
    let connections = value::integer(value, 1, MOST_CONNECTIONS)?;
    u8::try_from(connections).map_err(|error| error.to_string())
}

pub(super) fn tls(value: &Value) -> Parsed<Tls> {
    let text = value::string(value)?;
    Ok(match text.as_str() {
        "required" => Tls::Required,
        "off" => Tls::Off,
        "" => {
            return Err(
                "is empty; it is \"required\", \"off\" or a file of certificates".to_owned(),
            );
        }
        file => Tls::Signed(file.into()),
    })
}

/// The database that a command names, with its password: that of the environment variable, or of the file. `encryption` is
/// like `store.tls`.
///
/// # Errors
/// What is wrong with one of them.
pub fn named_database(
    url: &str,
    password_file: Option<&Path>,
    encryption: &str,
) -> Result<Server, String> {
    // The URL itself is not shown: it may hold a password.
    let mut server: Server = url
        .parse()
        .map_err(|what| format!("the URL of the database {what}"))?;
    server.tls = match encryption {
        "required" => Tls::Required,
        "off" => Tls::Off,
        file => {
            certificates(Path::new(file)).map_err(|what| format!("--tls {what}"))?;
            Tls::Signed(file.into())
        }
    };
    server.password = password(password_file).map_err(|(_, what)| what)?;
    server.password_file = password_file.map(Path::to_owned);
    Ok(server)
}

/// Finds the password: first in the environment, then in the file, which systemd may have replaced. `None`: there is none,
/// or it is not needed.
///
/// # Errors
/// The key or the variable, and what is wrong with it.
pub(super) fn password(file: Option<&Path>) -> Result<Option<Secret>, (&'static str, String)> {
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(text) if text == NO_PASSWORD => return Ok(None),
        Ok(text) if !text.is_empty() => return Ok(Some(Secret::new(text))),
        Ok(_) | Err(std::env::VarError::NotPresent) => {}
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err((
                PASSWORD_VARIABLE,
                "this environment variable is not UTF-8".to_owned(),
            ));
        }
    }
    let Some(file) = file else { return Ok(None) };
    let file = credential(PASSWORD_CREDENTIAL).unwrap_or_else(|| file.to_owned());
    let wrong = |what: String| Err(("store.password_file", format!("{} {what}", file.display())));
    let text = match start_of(&file) {
        Ok(text) => text,
        Err(error) => return wrong(format!("cannot be read: {error}")),
    };
    match byte_order_mark::skip(&text).trim_end_matches(['\r', '\n']) {
        "" => wrong("is empty".to_owned()),
        text if text.contains(['\r', '\n', '\0']) => {
            wrong("does not hold a password: one line".to_owned())
        }
        text => Ok(Some(Secret::new(text))),
    }
}

/// Refuses what is no file of certificates.
pub(super) fn certificates(file: &Path) -> Parsed<()> {
    let form = "is \"required\", \"off\" or a file of certificates";
    let text =
        std::fs::read(file).map_err(|error| format!("{form}; {}: {error}", file.display()))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    match text.windows(begin.len()).any(|part| part == begin) {
        true => Ok(()),
        false => Err(format!("{form}; {} holds none (PEM)", file.display())),
    }
}
