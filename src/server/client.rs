//! Who sent a request: the peer of the connection, or whom a trusted proxy names.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use tiny_http::Request;

use super::framing::{FORWARDED_HEADER, PEER_HEADER};

/// The client's address as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAddress {
    /// This one.
    Ip(IpAddr),
    /// A process on this machine, through the Unix socket, that named nobody.
    Local,
}

impl ClientAddress {
    pub(super) fn of(request: &Request, trusted: &[IpNet]) -> ClientAddress {
        let header = |name: &str| {
            request
                .headers()
                .iter()
                .find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name))
                .map(|header| header.value.as_str())
        };
        ClientAddress::believed(header(PEER_HEADER), header(FORWARDED_HEADER), trusted)
    }

    /// Walks back from the peer: each trusted proxy is believed about the one before it.
    fn believed(peer: Option<&str>, forwarded: Option<&str>, trusted: &[IpNet]) -> ClientAddress {
        let mut client = match peer.map(str::parse::<IpAddr>) {
            Some(Ok(address)) => ClientAddress::Ip(address.to_canonical()),
            // The guard writes "unix"; whoever may open the socket is trusted like a proxy.
            Some(Err(_)) | None => ClientAddress::Local,
        };
        let named = forwarded.unwrap_or_default().rsplit(',').map(str::trim);
        for name in named.filter(|name| !name.is_empty()) {
            let is_trusted = match client {
                ClientAddress::Local => true,
                ClientAddress::Ip(address) => trusted.iter().any(|net| net.contains(&address)),
            };
            match name.parse::<IpAddr>() {
                Ok(address) if is_trusted => client = ClientAddress::Ip(address.to_canonical()),
                Ok(_) | Err(_) => break,
            }
        }
        client
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Ip(address) => address.fmt(f),
            ClientAddress::Local => f.write_str("the Unix socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = [
            "127.0.0.1"
                .parse::<IpAddr>()
                .map(IpNet::from)
                .expect("an address"),
            "10.0.0.0/8".parse().expect("a network"),
        ];
        for (peer, forwarded, client) in [
            ("203.0.113.9", None, "203.0.113.9"),
            ("203.0.113.9", Some("198.51.100.1"), "203.0.113.9"),
            ("127.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("::ffff:127.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("127.0.0.1", Some("6.6.6.6, 198.51.100.1"), "198.51.100.1"),
            ("127.0.0.1", Some("198.51.100.1, 10.1.2.3"), "198.51.100.1"),
            ("127.0.0.1", Some("nonsense"), "127.0.0.1"),
            ("127.0.0.1", Some(", ,"), "127.0.0.1"),
            ("unix", Some("198.51.100.1"), "198.51.100.1"),
            ("unix", None, "the Unix socket"),
        ] {
            let believed = ClientAddress::believed(Some(peer), forwarded, &trusted);
            assert_eq!(believed.to_string(), client, "{peer} {forwarded:?}");
        }
    }
}
