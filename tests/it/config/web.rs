//! `[web]`, `[login]` and `[[gate]]`: defaults, and every mistake with its line.

use super::*;
use std::time::Duration;
use wechatd::config::{Gate, Methods, Who};

const DAY: u64 = 86_400;

/// A gate named `members` with these further keys, from the third line on.
fn members(keys: &str) -> String {
    format!("[[gate]]\nname = \"members\"\n{keys}\n")
}

fn read_in(folder: &Path, text: &str) -> Result<Config, String> {
    let read = Config::read(&folder.join("wechat.conf"), text, None);
    read.map_err(|problems| problems.to_string())
}

fn valid(text: &str) -> Config {
    let read = read_in(Path::new(""), text);
    read.unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

#[test]
fn without_any_key_there_are_no_pages_and_one_gate_for_followers() {
    let config = valid("");
    assert_eq!(config.web.url, None);
    assert_eq!(config.web.path, "/wx");
    assert!(config.web.verify_files.is_empty());
    assert_eq!(config.web.rate, 10);
    assert_eq!(config.login.methods, Methods::ALL);
    assert_eq!(config.login.session, Duration::from_secs(7 * DAY));
    assert_eq!(config.login.word, "登录");
    assert_eq!(config.gates, [Gate::default_gate()]);
    // Who has no pages may have a callback where they would be.
    valid("server.path = \"/wx/callback\"");
}

#[test]
fn every_key_of_the_web_part_is_read() {
    let text = "[web]\nurl = \"https://example.com\"\npath = \"/a/we.chat/\"\nrate = 1000\n\
        [login]\nmethods = [\"scan\"]\nsession = \"90d\"\nword = \" 进门 \"\n\
        [[gate]]\nname = \"a-B_1\"\nwho = \"anyone\"\n\
        [[gate]]\nname = \"f\"\nwho = \"followers\"\nmethods = \"scan\"\n\
        [[gate]]\nname = \"t\"\nwho = \"tag: VIP 客户\"\nmax_age = \"1s\"\n\
        [[gate]]\nname = \"l\"\nwho = [\"oSyn1aAQe7rT0uXk3mPzLc9WvBh4\", \"o_-2\"]\n";
    let config = valid(text);
    assert_eq!(config.web.path, "/a/we.chat");
    assert_eq!(config.web.rate, 1_000);
    assert!(!config.login.methods.oauth && config.login.methods.scan);
    assert_eq!(config.login.session, Duration::from_secs(90 * DAY));
    assert_eq!(config.login.word, "进门");
    let gate = |name: &str, line, who| Gate {
        name: name.to_owned(),
        line,
        who,
        ..Gate::default_gate()
    };
    let listed = ["oSyn1aAQe7rT0uXk3mPzLc9WvBh4", "o_-2"].map(str::to_owned);
    let gates = [
        gate("a-B_1", 9, Who::Anyone),
        Gate {
            methods: Some(config.login.methods),
            ..gate("f", 12, Who::Followers)
        },
        Gate {
            max_age: Some(Duration::from_secs(1)),
            ..gate("t", 16, Who::Tag("VIP 客户".to_owned()))
        },
        gate("l", 20, Who::Listed(listed.to_vec())),
    ];
    assert_eq!(config.gates, gates);
}

#[test]
fn an_address_is_read_into_the_form_that_browsers_send() {
    for (written, origin, host) in [
        ("https://example.com", "https://example.com", "example.com"),
        ("https://example.com/", "https://example.com", "example.com"),
        (
            "HTTPS://WWW.Example.COM:443/",
            "https://www.example.com",
            "www.example.com",
        ),
        (
            "https://example.com:08443",
            "https://example.com:8443",
            "example.com",
        ),
        (
            "https://xn--fiq228c.example:80",
            "https://xn--fiq228c.example:80",
            "xn--fiq228c.example",
        ),
        ("https://203.0.113.7", "https://203.0.113.7", "203.0.113.7"),
        (
            "https://[2001:DB8:0::1]:8443",
            "https://[2001:db8::1]:8443",
            "[2001:db8::1]",
        ),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("http://LocalHost:443", "http://localhost:443", "localhost"),
        (
            "http://127.0.0.2:8080",
            "http://127.0.0.2:8080",
            "127.0.0.2",
        ),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]"),
        (
            "http://shop.localhost:8080",
            "http://shop.localhost:8080",
            "shop.localhost",
        ),
    ] {
        let url = valid(&format!("web.url = {written:?}")).web.url.unwrap();
        assert_eq!(url.origin, origin, "{written}");
        assert_eq!(url.host, host, "{written}");
        assert_eq!(url.is_https, origin.starts_with("https"), "{written}");
    }
}

#[test]
fn an_address_that_is_no_origin_is_refused() {
    for (written, part) in [
        ("example.com", "has no scheme; it begins with https://"),
        ("example.com:8443", "has no scheme"),
        ("//example.com", "has no scheme"),
        ("https:example.com", "has no scheme"),
        ("", "has no scheme"),
        ("ftp://example.com", "is no web address"),
        ("://example.com", "is no web address"),
        ("http://example.com", "write \\\"https://example.com\\\""),
        ("http://127.0.0.1.example.com", "is for this machine only"),
        ("http://localhost.example", "is for this machine only"),
        ("http://10.0.0.1", "is for this machine only"),
        ("https://example.com/wx", "has \"/wx\" after the host"),
        ("https://example.com//", "after the host"),
        ("https://example.com?a=b", "has \"?a=b\" after the host"),
        ("https://example.com/?", "after the host"),
        ("https://example.com#top", "after the host"),
        ("https://example.com\\\\x", "after the host"),
        ("https://", "has no host"),
        ("https:///", "has no host"),
        ("https://:8443", "has no host"),
        ("https://exa mple.com", "is no host"),
        ("https://example..com", "is no host"),
        ("https://example.com.", "is no host"),
        ("https://-a.example", "is no host"),
        ("https://*.example.com", "is no host"),
        ("https://127.1", "is no host"),
        ("https://0x7f.0.0.1", "is no host"),
        ("https://1.2.3.256", "is no host"),
        ("https://公众号.example", "write it in ASCII, as xn--"),
        ("https://[::1", "is no IPv6 address"),
        ("https://[example.com]", "is no IPv6 address"),
        ("https://2001:db8::1", "goes between [ and ]"),
        ("https://example.com:", "is no port"),
        ("https://example.com:0", "is no port"),
        ("https://example.com:65536", "is no port"),
        ("https://example.com:+443", "is no port"),
        ("https://example.com:443:443", "is no port"),
    ] {
        let text = format!("# A line above.\nweb.url = \"{written}\"");
        let part = part.replace("\\\"", "\"");
        has_mistakes(&text, &[(2, &["web.url", &part])]);
    }
    let found = mistakes("web.url = \"https://user:Pa55word@example.com\"");
    assert!(
        found.len() == 1 && found[0].contains("has a user part") && !found[0].contains("Pa55"),
        "{found:?}"
    );
}

#[test]
fn impossible_values_of_the_web_part_are_refused() {
    for (text, part) in [
        ("web.url = 1", "a text in quotes"),
        ("web.uri = \"https://example.com\"", "did you mean web.url?"),
        ("web.path = \"wx\"", "is no prefix for routes"),
        ("web.path = \"\"", "is no prefix for routes"),
        ("web.path = \"/\"", "is no prefix for routes"),
        ("web.path = \"//\"", "is no prefix for routes"),
        ("web.path = \"/a//b\"", "is no prefix for routes"),
        ("web.path = \"/a/../b\"", "is no prefix for routes"),
        ("web.path = \"/./b\"", "is no prefix for routes"),
        ("web.path = \"/a b\"", "is no prefix for routes"),
        ("web.path = \"/a?b\"", "is no prefix for routes"),
        ("web.path = \"/%77x\"", "is no prefix for routes"),
        ("web.path = \"/微信\"", "is no prefix for routes"),
        ("web.path = \"/healthz\"", "taken by the health check"),
        ("web.path = \"/healthz/\"", "taken by the health check"),
        ("web.rate = 0", "from 1 to 1000, found 0"),
        ("web.rate = 1001", "from 1 to 1000"),
        ("web.verify_files = \"a.txt\"", "a list of names of files"),
        ("web.verify_files = [1]", "a text in quotes"),
        ("login.methods = []", "an empty list"),
        ("login.methods = [\"qr\"]", "\"qr\" is not a way to log in"),
        ("login.methods = [\"oath\"]", "did you mean \"oauth\"?"),
        ("login.method = [\"oauth\"]", "did you mean login.methods?"),
        ("login.session = \"599s\"", "it can be 10m to 90d"),
        ("login.session = \"91d\"", "it can be 10m to 90d"),
        ("login.session = \"0d\"", "it can be 10m to 90d"),
        ("login.word = \"\"", "cannot be empty"),
        ("login.word = \" \u{3000}\u{200b}\"", "cannot be empty"),
        ("login.word = \"a\\tb\"", "control character"),
        (
            "login.word = \"abcdefghijklmnopqrstu\"",
            "more than 20 characters",
        ),
        ("logn.word = \"a\"", "did you mean login?"),
    ] {
        let key = if text.starts_with("web") {
            "web."
        } else {
            "log"
        };
        has_mistakes(&format!("\n{text}"), &[(2, &[key, part])]);
    }
}

#[test]
fn the_routes_do_not_take_the_path_of_the_callback() {
    let url = "web.url = \"https://example.com\"\n";
    let what = ["web.path: ", "takes the callback's path", "server.path = "];
    for (paths, line) in [
        ("web.path = \"/wechat\"", 2),
        ("web.path = \"/wechat/\"", 2),
        ("server.path = \"/wx\"", 2),
        ("server.path = \"/wx/\"", 2),
        ("server.path = \"/wx/callback\"", 2),
        ("server.path = \"/a/b\"\nweb.path = \"/a\"", 3),
    ] {
        has_mistakes(&format!("{url}{paths}"), &[(line, &what)]);
    }
    for paths in [
        "web.path = \"/wechat/web\"",
        "web.path = \"/wech\"",
        "server.path = \"/wxcallback\"",
        "server.path = \"/\"",
    ] {
        valid(&format!("{url}{paths}"));
    }
}

#[test]
fn mistakes_of_a_gate_are_reported_with_their_lines() {
    for (keys, line, part) in [
        ("who = \"everyone\"", 3, "is nobody; it can be \"anyone\","),
        ("who = \"anybody\"", 3, "did you mean \"anyone\"?"),
        ("who = \"follower\"", 3, "did you mean \"followers\"?"),
        ("who = \"Followers\"", 3, "did you mean \"followers\"?"),
        ("who = \"Tag:VIP\"", 3, "did you mean \"tag:VIP\"?"),
        ("who = \"tags: VIP\"", 3, "did you mean \"tag:VIP\"?"),
        ("who = \"tag:\"", 3, "names no tag"),
        ("who = \"tag: \"", 3, "names no tag"),
        ("who = \"tag\"", 3, "a tag such as \"tag:VIP\""),
        ("who = \"\"", 3, "is nobody; it can be"),
        (
            "who = \"oSyn1aAQe7rT0uXk3mPzLc9WvBh4\"",
            3,
            "for one user write a list: [\"oSyn1aAQe7rT0uXk3mPzLc9WvBh4\"]",
        ),
        ("who = []", 3, "a list of openids, at least one"),
        ("who = [1]", 3, "a list of openids, at least one"),
        ("who = true", 3, "a text or a list of openids"),
        ("who = [\"o1\", \"followers\"]", 3, "are not part of one"),
        ("who = [\"tag:VIP\"]", 3, "\"tag:VIP\" is no openid"),
        ("who = [\"\"]", 3, "is no openid"),
        ("whom = \"anyone\"", 3, "unknown key; did you mean who?"),
        ("", 1, "needs who: "),
        (
            "who = \"anyone\"\nmethods = [\"scn\"]",
            4,
            "did you mean \"scan\"?",
        ),
        ("who = \"anyone\"\nmethods = []", 4, "an empty list"),
        (
            "who = \"anyone\"\nmethods = [\"scan\", \"oauth\"]\n[login]\nmethods = [\"scan\"]",
            4,
            "login.methods does not have \"oauth\"; add it there",
        ),
        (
            "who = \"anyone\"\nmax_age = \"999ms\"",
            4,
            "it can be 1s to 90d",
        ),
        (
            "who = \"anyone\"\nmax_age = \"91d\"",
            4,
            "it can be 1s to 90d",
        ),
        ("who = \"anyone\"\nmax_age = 3600", 4, "a duration such as"),
        (
            "who = \"anyone\"\nsession = \"1h\"",
            4,
            "session: unknown key; it can be name, who, methods, max_age",
        ),
    ] {
        has_mistakes(&members(keys), &[(line, &["gate #1", part])]);
    }
    for name in ["", "a b", "a/b", "..", "a.b", "a?b", "会员", "%41"] {
        let gate = members("who = \"anyone\"").replace("members", name);
        has_mistakes(&gate, &[(2, &["gate #1: name", "is no name for a gate"])]);
    }
    let gate = members("who = \"anyone\"");
    has_mistakes(
        &(gate.clone() + &gate),
        &[(
            5,
            &["gate #2: name: \"members\" is the name of an earlier gate"],
        )],
    );
    has_mistakes(&gate.replace("[[gate]]", "[gate]"), &[(1, &["[[gate]]"])]);
    has_mistakes(
        &gate.replace("[[gate]]", "[[gates]]"),
        &[(1, &["did you mean gate?"])],
    );
    has_mistakes("[[gate]]\nwho = \"anyone\"", &[(1, &["needs a name"])]);
    // What login.methods has is not known.
    has_mistakes(
        "[login]\nmethods = [\"scann\"]\n[[gate]]\nname = \"a\"\nwho = \"anyone\"\nmethods = [\"oauth\"]",
        &[(2, &["login.methods"])],
    );
    let many = |count| -> String {
        let gate = |n| gate.replace("members", &format!("gate{n}"));
        (0..count).map(gate).collect()
    };
    assert_eq!(valid(&many(64)).gates.len(), 64);
    has_mistakes(&many(65), &[(193, &["gate #65: there can be 64 gates"])]);
}

#[test]
fn verify_files_are_read_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).unwrap();
    };
    write("MP_verify_aBcD1234.txt", b"aBcD1234\r\n");
    write("large.txt", &[b'a'; (64 << 10) + 1]);
    write("most.txt", &[b'a'; 64 << 10]);
    write("binary.txt", b"a\0b");
    write("latin1.txt", b"\xe9");
    std::fs::create_dir(folder.path().join("folder.txt")).unwrap();
    let read = |name: &str| {
        let text = format!("web.verify_files = [\n\"MP_verify_aBcD1234.txt\",\n{name:?}]");
        read_in(folder.path(), &text)
    };
    let files = read("most.txt").unwrap().web.verify_files;
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].name, "MP_verify_aBcD1234.txt");
    assert_eq!(files[0].content, "aBcD1234\r\n");
    for (name, part) in [
        (
            "MP_verify_0.txt",
            "download it in the console and put it there",
        ),
        ("folder.txt", "is no file"),
        ("large.txt", "at most 64 KiB"),
        ("binary.txt", "is not the console's"),
        ("latin1.txt", "is not the console's"),
        ("../wechat.txt", "and no folder"),
        ("/etc/hosts.txt", "and no folder"),
        ("a/b.txt", "and no folder"),
        ("wechat.conf", "is no name as the console gives it"),
        (".txt", "is no name as the console gives it"),
        ("a.b.txt", "is no name as the console gives it"),
        ("a-b.txt", "is no name as the console gives it"),
        ("验证.txt", "is no name as the console gives it"),
        ("", "is no name as the console gives it"),
    ] {
        let problems = read(name).unwrap_err();
        assert_eq!(problems.lines().count(), 1, "{name}: {problems}");
        let begin = format!(
            "{}/wechat.conf:3: web.verify_files: ",
            folder.path().display()
        );
        assert!(
            problems.starts_with(&begin) && problems.contains(part),
            "{name}: {problems}"
        );
    }
}

#[test]
fn all_mistakes_of_the_web_part_are_reported_at_once() {
    has_mistakes(
        "[web]\nurl = \"example.com\"\npath = \"/wechat\"\nverify_files = [\"a.txt\", \"b c\"]\nrate = 0\n\
         [login]\nmethods = [\"oaut\"]\nsession = \"1m\"\nword = \"\"\n\
         [[gate]]\nname = \"a\"\nwho = \"tag:\"\n[[gate]]\nname = \"b/c\"\nwho = \"anyone\"\nmax_age = \"1\"\n",
        &[
            (2, &["web.url"]),
            (3, &["web.path"]),
            (4, &["web.verify_files", "a.txt"]),
            (4, &["web.verify_files", "\"b c\""]),
            (5, &["web.rate"]),
            (7, &["login.methods"]),
            (8, &["login.session"]),
            (9, &["login.word"]),
            (12, &["gate #1: who"]),
            (14, &["gate #2: name"]),
            (16, &["gate #2: max_age"]),
        ],
    );
}
