//! Whether `server.trusted_proxies` trusts more than proxies.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A list with this many public IPv4 addresses, one /10, is not a list of proxies. All of Cloudflare has a third of
/// that.
const MANY: u64 = 1 << 22;

/// The same for IPv6, in /32 networks, of which a provider has one or a few.
const MANY_BLOCKS: u64 = 1 << 12;

/// Networks that cannot be reached from outside: private, loopback, link-local, and carriers' own.
const INTERNAL: [&str; 9] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// A warning if strangers are trusted, even if the list is split into small networks.
pub(super) fn overtrust(trusted: &[IpNet]) -> Option<String> {
    let internal: Vec<IpNet> = INTERNAL
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect();
    let is_public = |network: &IpNet| !internal.iter().any(|inside| inside.contains(network));
    let mut public: Vec<IpNet> = IpNet::aggregate(&trusted.to_vec())
        .into_iter()
        .filter(is_public)
        .collect();
    let (mut addresses, mut blocks) = (0, 0);
    for network in &public {
        match network {
            IpNet::V4(network) => addresses += size(*network),
            IpNet::V6(network) => blocks += size_in_blocks(*network),
        }
    }
    if addresses < MANY && blocks < MANY_BLOCKS {
        return None;
    }
    public.sort_by_key(IpNet::prefix_len);
    let who = match public.first().map(IpNet::prefix_len) {
        Some(0) => "everybody",
        Some(_) | None => "large public networks",
    };
    let mut shown: Vec<String> = public.iter().take(3).map(ToString::to_string).collect();
    if public.len() > shown.len() {
        shown.push("…".to_owned());
    }
    Some(format!(
        "server.trusted_proxies trusts {who} ({}): anyone there can claim any address in X-Forwarded-For, \
         and so pass server.allow_ips; list your own proxies only",
        shown.join(", ")
    ))
}

fn size(network: Ipv4Net) -> u64 {
    1 << (32 - network.prefix_len())
}

fn size_in_blocks(network: Ipv6Net) -> u64 {
    1 << 32_u8.saturating_sub(network.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_network;

    fn warning(networks: &[&str]) -> Option<String> {
        let networks: Vec<IpNet> = networks
            .iter()
            .map(|network| read_network(network).expect("a network"))
            .collect();
        overtrust(&networks)
    }

    #[test]
    fn everybody_is_recognised_in_pieces_and_in_disguise() {
        for everybody in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["::ffff:0.0.0.0/96"],
            &["127.0.0.1", "128.0.0.0/1", "0.0.0.0/1"],
            &["::/1", "8000::/1"],
            &["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"],
        ] {
            let warning = warning(everybody).expect("a warning");
            assert!(warning.contains("trusts everybody"), "{warning}");
        }
    }

    #[test]
    fn large_public_networks_are_named() {
        for (large, named) in [
            (&["8.0.0.0/8"][..], "8.0.0.0/8"),
            (&["0.0.0.0/1"], "0.0.0.0/1"),
            (&["2000::/3"], "2000::/3"),
            (&["2600::/12", "10.0.0.0/8"], "(2600::/12)"),
            (&["8.0.0.0/11", "16.0.0.0/11"], "8.0.0.0/11, 16.0.0.0/11"),
            (&["0.0.0.0/1", "128.0.0.0/2"], "0.0.0.0/1, 128.0.0.0/2"),
        ] {
            let warning = warning(large).expect("a warning");
            let named = warning.contains(named) && warning.contains("large public networks");
            assert!(named, "{large:?}: {warning}");
        }
    }

    #[test]
    fn own_proxies_and_a_providers_cause_no_warning() {
        for fine in [
            &[][..],
            &["127.0.0.1", "::1"],
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
            &["203.0.113.7", "2001:db8::/32"],
            &[
                "104.16.0.0/13",
                "172.64.0.0/13",
                "162.158.0.0/15",
                "2606:4700::/32",
                "2a06:98c0::/29",
            ],
        ] {
            assert_eq!(warning(fine), None, "{fine:?}");
        }
    }
}
