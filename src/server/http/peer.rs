//! Who is at the other end of a connection, before anybody is believed.

use std::fmt;
use std::net::{AddrParseError, IpAddr};
use std::str::FromStr;

/// Who is really at the other end of a connection, before any `X-Forwarded-For` is believed.
///
/// The guard hands it on as `Display` writes it: the IP address (an IPv4 address that arrived over IPv6 as plain
/// IPv4), or `unix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Ip(IpAddr),
    /// A process on this machine, through the Unix socket.
    Unix,
}

impl FromStr for Peer {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Peer, AddrParseError> {
        match text {
            "unix" => Ok(Peer::Unix),
            address => Ok(Peer::Ip(address.parse::<IpAddr>()?.to_canonical())),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}
