//! Telling whether two machines have the same configuration.

use ring::digest::{SHA256, digest};
use toml::Table;

/// Keys that belong to one machine.
const OF_ONE_MACHINE: [(&str, &[&str]); 5] = [
    ("server", &["listen", "workers", "max_connections"]),
    ("store", &["url", "password_file", "connections", "tls"]),
    ("admin", &["listen"]),
    ("api", &["token_file"]),
    ("watch", &["heartbeat"]),
];

/// The SHA-256 of what this text says. Comments, the order of keys and those of one machine make no difference.
pub(super) fn of(text: &str) -> [u8; 32] {
    let mut table: Table = text.parse().unwrap_or_default();
    for (section, keys) in OF_ONE_MACHINE {
        if let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut) {
            section.retain(|key, _| !keys.contains(&key));
        }
    }
    table.retain(|_, value| value.as_table().is_none_or(|section| !section.is_empty()));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, table.to_string().as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_follower_may_notice_makes_a_difference() {
        let one = "[server]\nlisten = \"127.0.0.1:1\"\n[account]\ntoken = \"abc\"\n[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n";
        for same in [
            "# By hand.\n[account]\ntoken = 'abc'\n[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n",
            "[account]\ntoken = \"abc\"\n[server]\nlisten = \"0.0.0.0:2\"\nworkers = 3\n[watch]\nheartbeat = \"https://example.com/1\"\n[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n",
        ] {
            assert_eq!(of(one), of(same), "{same}");
        }
        for other in [
            "",
            "[account]\ntoken = \"abd\"\n[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n",
            "[account]\ntoken = \"abc\"\n[[rule]]\nname = \"b\"\n[[rule]]\nname = \"a\"\n",
            "[account]\ntoken = \"abc\"\n[server]\npath = \"/x\"\n[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n",
        ] {
            assert_ne!(of(one), of(other), "{other}");
        }
    }
}
