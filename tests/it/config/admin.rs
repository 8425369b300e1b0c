//! Sections `[admin]` and `[watch]`, `store.media`, and `todo` of a rule.

use super::{has_mistakes, mistakes};
use std::path::Path;
use std::time::Duration;
use wechatd::config::{Config, Listen};

fn valid(text: &str) -> Config {
    Config::read(Path::new("/etc/wechatd/wechat.conf"), text, None).unwrap()
}

#[test]
fn without_any_key_the_page_is_off() {
    let config = valid("");
    assert_eq!(config.admin.listen, None);
    assert_eq!(config.admin.url, None);
    assert_eq!(config.admin.session, Duration::from_secs(30 * 86_400));
    assert!(config.admin.owners.is_empty() && !config.admin.metrics);
    assert!(config.watch.heartbeat.is_none());
    assert_eq!(config.watch.disk, 500 << 20);
    assert_eq!(config.store.media, None);
}

#[test]
fn every_key_of_the_page_is_read() {
    let config = valid(
        r#"
store.media = "media"
admin.listen = "0.0.0.0:8081"
admin.url = "https://Example.com:443/admin/"
admin.session = "12h"
admin.owners = ["oA-_1"]
admin.metrics = true
watch.heartbeat = "https://hc-ping.com/0123"
watch.disk = "2GiB"
[[rule]]
message = "text"
text = "noted"
todo = true
[[rule]]
message = "voice"
transfer = true
[[rule]]
message = "image"
text = "seen"
"#,
    );
    assert_eq!(
        config.admin.listen,
        Some(Listen::Tcp(([0, 0, 0, 0], 8081).into()))
    );
    let url = config.admin.url.unwrap();
    assert_eq!(
        (url.origin.origin.as_str(), url.path.as_str()),
        ("https://example.com", "/admin")
    );
    assert_eq!(config.admin.session, Duration::from_secs(12 * 3_600));
    assert_eq!(config.admin.owners, ["oA-_1"]);
    assert!(config.admin.metrics);
    assert_eq!(config.watch.disk, 2 << 30);
    let heartbeat = config.watch.heartbeat.unwrap();
    assert_eq!(heartbeat.expose(), "https://hc-ping.com/0123");
    assert_eq!(
        config.store.media.as_deref(),
        Some(Path::new("/etc/wechatd/media"))
    );
    let todo: Vec<bool> = config.rules.iter().map(|rule| rule.todo).collect();
    assert_eq!(todo, [true, true, false]);
}

#[test]
fn impossible_values_of_the_page_are_refused() {
    for (text, part) in [
        ("admin.listen = \"8081\"", "or \"off\""),
        ("admin.listen = \"0.0.0.0:8081\"", "admin.url"),
        (
            "admin.listen = \"10.0.0.1:8081\"\nadmin.url = \"http://localhost\"",
            "https://",
        ),
        ("admin.listen = \"127.0.0.1:8080\"", "server.listen"),
        (
            "server.listen = \"unix:/run/w.sock\"\nadmin.listen = \"unix:/run/w.sock\"",
            "server.listen",
        ),
        ("admin.url = \"https://example.com/a?b\"", "prefix"),
        ("admin.url = \"https://user@example.com/\"", "user part"),
        ("admin.url = \"http://example.com/\"", "http"),
        ("admin.session = \"10m\"", "1h"),
        ("admin.session = \"91d\"", "90d"),
        ("admin.owners = \"oA\"", "a list of openids"),
        ("admin.owners = [\"o A\"]", "not an openid"),
        ("admin.metrics = 1", "true or false"),
        ("watch.heartbeat = \"hc-ping.com\"", "is no URL"),
        ("watch.disk = \"0B\"", "1MiB"),
        ("watch.disk = 500", "a size"),
        ("store.media = \"\"", "cannot be empty"),
    ] {
        let found = mistakes(text);
        assert!(
            found.len() == 1 && found[0].contains(part),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn all_mistakes_of_the_page_are_reported_at_once() {
    has_mistakes(
        "admin.listen = 1\nadmin.urls = \"https://example.com\"\nwatch.disk = \"x\"\n\n[[rule]]\nmessage = \"text\"\ntext = \"a\"\ntodo = 1\n",
        &[
            (1, &["admin.listen"]),
            (2, &["admin.urls", "admin.url?"]),
            (3, &["watch.disk"]),
            (8, &["rule #1", "todo"]),
        ],
    );
}
