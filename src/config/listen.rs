//! The address that the server listens on, as written in the configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address and port, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP. With port 0 the system chooses one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    /// Parses `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
    ///
    /// # Errors
    /// Says what was expected.
    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            // The kernel's limit on the length of a socket's path is 108 bytes with its terminator.
            return match path.starts_with('/') && path.len() < 108 && !path.contains('\0') {
                true => Ok(Listen::Unix(PathBuf::from(path))),
                false => Err(format!(
                    "{text:?}: a Unix socket is named by an absolute path of at most 107 bytes"
                )),
            };
        }
        text.parse().map(Listen::Tcp).map_err(|_| {
            format!("{text:?} is not an address to listen on; write an address with a port such as \"127.0.0.1:8080\", or \"unix:/run/wechatd/wechatd.sock\"")
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in [
            "127.0.0.1:8080",
            "[::1]:80",
            "unix:/run/wechatd/wechatd.sock",
        ] {
            assert_eq!(
                text.parse::<Listen>().map(|listen| listen.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        let long = format!("unix:/{}", "x".repeat(200));
        for text in ["", "8080", "localhost", "unix:", "unix:relative", &long] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
