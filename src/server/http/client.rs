//! Who sent a request: the peer of the connection, or the client that a trusted proxy names.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::headers::FORWARDED_HEADER;
use super::peer::Peer;
use super::request::Request;

/// The client's address as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    /// This one, an IPv4 address always as such.
    Ip(IpAddr),
    /// A process on this machine, through the Unix socket, that named nobody.
    Local,
    /// A proxy is trusted and gives no address: `unknown`, a made-up name, or nonsense. No list holds it.
    Unknown,
}

impl ClientAddress {
    /// The client of a request. Only these proxies are believed.
    pub fn of(request: &Request, trusted: &[IpNet]) -> ClientAddress {
        ClientAddress::believed(request.peer, request.header(FORWARDED_HEADER), trusted)
    }

    /// Walks back from the peer: each trusted proxy is believed about the one before it.
    fn believed(peer: Peer, forwarded: Option<&str>, trusted: &[IpNet]) -> ClientAddress {
        let mut client = ClientAddress::from(peer);
        let nodes = forwarded.unwrap_or_default().rsplit(',').map(str::trim);
        for node in nodes.filter(|node| !node.is_empty()) {
            let is_trusted = match client {
                // A process that may open the socket is trusted like a proxy.
                ClientAddress::Local => true,
                ClientAddress::Ip(address) => trusted.iter().any(|net| net.contains(&address)),
                ClientAddress::Unknown => false,
            };
            if !is_trusted {
                break;
            }
            client = node_address(node).map_or(ClientAddress::Unknown, ClientAddress::Ip);
        }
        client
    }
}

/// The address in a node as proxies write it (RFC 7239, section 6, which X-Forwarded-For follows loosely): bare, or
/// in quotes, with brackets, a zone or a port. `None` for `unknown`, for names that hide an address (`_proxy1`), and
/// for whatever else is no address.
fn node_address(node: &str) -> Option<IpAddr> {
    let unquoted = node
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let node = unquoted.unwrap_or(node).trim();
    let (address, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address, port)
        }
        // One colon parts an IPv4 address from its port; more of them are an IPv6 address.
        None => match node.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, &node[address.len()..]),
            Some(_) | None => (node, ""),
        },
    };
    if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
        return None;
    }
    // A zone says on which link of the proxy, and means nothing here.
    let address = match address.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
        Some(_) => return None,
        None => address,
    };
    address
        .parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// Up to five digits, or a name that hides them.
fn is_port(port: &str) -> bool {
    let hidden = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    };
    match port.strip_prefix('_') {
        Some(name) => hidden(name),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl From<Peer> for ClientAddress {
    fn from(peer: Peer) -> ClientAddress {
        match peer {
            Peer::Ip(address) => ClientAddress::Ip(address),
            Peer::Unix => ClientAddress::Local,
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Ip(address) => address.fmt(f),
            ClientAddress::Local => f.write_str("the Unix socket"),
            ClientAddress::Unknown => f.write_str("an unknown address"),
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
            ("127.0.0.1", Some("nonsense"), "an unknown address"),
            (
                "127.0.0.1",
                Some("198.51.100.1, unknown"),
                "an unknown address",
            ),
            ("127.0.0.1", Some("unknown, 198.51.100.1"), "198.51.100.1"),
            (
                "127.0.0.1",
                Some("_hidden, 10.1.2.3:80"),
                "an unknown address",
            ),
            ("unix", Some("unknown"), "an unknown address"),
            ("203.0.113.9", Some("unknown"), "203.0.113.9"),
            (
                "127.0.0.1",
                Some("198.51.100.1:7, \"[::ffff:10.1.2.3]:443\", 127.0.0.1:1"),
                "198.51.100.1",
            ),
            ("127.0.0.1", Some(", ,"), "127.0.0.1"),
            ("unix", Some("198.51.100.1"), "198.51.100.1"),
            ("unix", None, "the Unix socket"),
        ] {
            let believed = ClientAddress::believed(peer.parse().unwrap(), forwarded, &trusted);
            assert_eq!(believed.to_string(), client, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn the_address_of_a_node_counts_however_it_is_written() {
        for (node, address) in [
            ("192.0.2.43", "192.0.2.43"),
            ("192.0.2.43:47011", "192.0.2.43"),
            ("192.0.2.43:_secret", "192.0.2.43"),
            ("\"192.0.2.43:47011\"", "192.0.2.43"),
            ("[192.0.2.43]:47011", "192.0.2.43"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("\"[2001:db8::1]\"", "2001:db8::1"),
            ("\"[2001:db8::1]:_a.b-c\"", "2001:db8::1"),
            ("::ffff:192.0.2.43", "192.0.2.43"),
            ("[::ffff:192.0.2.43]:80", "192.0.2.43"),
            ("::ffff:c000:22b", "192.0.2.43"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
        ] {
            let read = node_address(node).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Some(address), "{node}");
        }
    }

    #[test]
    fn what_holds_no_address_is_nobody() {
        for node in [
            "unknown",
            "Unknown",
            "\"unknown\"",
            "unknown:80",
            "_hidden",
            "_hidden:80",
            "\"_a\"",
            "",
            "\"",
            "\"\"",
            "[",
            "[]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "192.0.2.43:",
            "192.0.2.43:123456",
            "192.0.2.43:-1",
            "192.0.2.43:_",
            "192.0.2.43%eth0",
            "fe80::1%",
            "192.0.2",
            "example.com",
            "for=192.0.2.43",
            "192.0.2.43 192.0.2.44",
        ] {
            assert_eq!(node_address(node), None, "{node}");
        }
    }
}
