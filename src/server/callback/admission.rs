//! Who may speak to the callback path: `server.allow_ips` against the client's address.

use super::refusals::Refused;
use crate::app::Networks;
use crate::config::AllowIps;
use crate::server::http::client::ClientAddress;

/// Refuses an address that is not allowed; the error says why, for the log.
///
/// `platform` is the platform's list. While there is none, everybody is admitted; the thread that fetches it warns.
pub fn check(
    allowed: &AllowIps,
    platform: Option<&Networks>,
    from: ClientAddress,
) -> Result<(), Refused> {
    let (networks, list) = match (allowed, platform) {
        (AllowIps::Any, _) | (AllowIps::Platform, None) => return Ok(()),
        (AllowIps::Listed(networks), _) => (networks, "in server.allow_ips"),
        (AllowIps::Platform, Some(platform)) => (
            &platform.networks,
            "in WeChat's list (server.allow_ips = \"wechat\")",
        ),
    };
    let (contained, is_of_this_machine) = match from {
        ClientAddress::Ip(address) => (
            networks.iter().any(|network| network.contains(&address)),
            address.is_loopback(),
        ),
        ClientAddress::Local => (false, true),
        ClientAddress::Unknown => (false, false),
    };
    match contained {
        true => Ok(()),
        false => Err(Refused::Address {
            list,
            is_of_this_machine,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_list_admits_its_own() {
        let networks = vec!["203.0.113.0/24".parse().unwrap()];
        let platform = Networks {
            networks: networks.clone(),
            unreadable: Vec::new(),
            fetched_at: 1,
        };
        let inside = ClientAddress::Ip("203.0.113.9".parse().unwrap());
        let outside = ClientAddress::Ip("198.51.100.1".parse().unwrap());
        let listed = AllowIps::Listed(networks);
        for (allowed, platform, from, admitted) in [
            (&AllowIps::Any, Some(&platform), outside, true),
            (&AllowIps::Platform, None, outside, true),
            (&AllowIps::Platform, Some(&platform), inside, true),
            (&AllowIps::Platform, Some(&platform), outside, false),
            (&listed, None, inside, true),
            (&listed, None, outside, false),
            (&listed, None, ClientAddress::Local, false),
            (&listed, None, ClientAddress::Unknown, false),
            (&AllowIps::Any, None, ClientAddress::Unknown, true),
        ] {
            let checked = check(allowed, platform, from);
            assert_eq!(checked.is_ok(), admitted, "{allowed:?} {from}: {checked:?}");
        }
    }
}
