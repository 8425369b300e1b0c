//! `[[service]]`, and the rules that forward to one: defaults, and every mistake with its line.

use super::*;
use std::time::Duration;
use wechatd::config::{Action, ServiceFormat, Slow};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A service named `bot` with these further keys, from the fourth line on.
fn bot(keys: &str) -> String {
    format!("[[service]]\nname = \"bot\"\nurl = \"http://127.0.0.1:9000/\"\n{keys}\n")
}

/// A rule for texts with these further keys, from the third line on.
fn rule(keys: &str) -> String {
    format!("[[rule]]\nmessage = \"text\"\n{keys}\n")
}

fn valid(text: &str) -> Config {
    let read = Config::read(Path::new("wechat.conf"), text, None);
    read.unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

#[test]
fn a_service_needs_a_name_and_a_url_and_has_defaults() {
    let config = valid(&bot(""));
    let [service] = config.services.as_slice() else {
        panic!("{:?}", config.services)
    };
    assert_eq!(service.name, "bot");
    assert_eq!(service.line, 1);
    assert_eq!(service.url.expose(), "http://127.0.0.1:9000/");
    assert!(matches!(
        service.format,
        ServiceFormat::WeChat { token: None }
    ));
    assert_eq!(service.timeout, Duration::from_secs(60));
    assert_eq!(service.concurrency, 8);
    assert_eq!(service.slow.to_string(), "wait → message → next");
    assert_eq!(service.wait_text, None);
    assert_eq!(service.keep, Duration::from_secs(48 * 3_600));
    assert!(config.secrets.is_empty());
}

#[test]
fn every_key_of_a_service_is_read() {
    let keys = "format = \"json\"\nsecret = \"SECRET\"\ntimeout = \"5m\"\nconcurrency = 64\n\
        slow = [\"wait\", \"next\"]\nwait_text = \"One moment\"\nkeep = \"30d\"";
    let config = valid(&bot(&keys.replace("SECRET", SECRET)));
    let service = &config.services[0];
    assert!(
        matches!(&service.format, ServiceFormat::Json { secret: Some(secret) }
        if secret.written().expose() == SECRET)
    );
    assert_eq!(service.timeout, Duration::from_secs(300));
    assert_eq!(service.concurrency, 64);
    assert_eq!(service.slow.to_string(), "wait → next");
    assert_eq!(service.wait_text.as_deref(), Some("One moment"));
    assert_eq!(service.keep, Duration::from_secs(30 * 86_400));
    assert_eq!(config.secrets, ["service.secret"]);
    let config = valid(&bot("token = \"weixin\"\nslow = []"));
    assert!(
        matches!(&config.services[0].format, ServiceFormat::WeChat { token: Some(token) }
        if token.expose() == "weixin")
    );
    assert_eq!(config.services[0].slow, Slow::default());
    assert_eq!(config.secrets, ["service.token"]);
    let url = "[[service]]\nname = \"bot\"\nurl = \"https://user:word@bot.example/\"\n";
    assert_eq!(valid(url).secrets, ["service.url"]);
}

#[test]
fn a_rule_forwards_to_a_service_wherever_that_stands() {
    let forwards = rule("forward = \"bot\"\notherwise = \"Later, {openid}\"");
    for text in [bot("") + &forwards, forwards + &bot("")] {
        let config = valid(&text);
        let Action::Forward { service, otherwise } = &config.rules[0].action else {
            panic!("{:?}", config.rules)
        };
        assert_eq!(service, "bot");
        assert!(otherwise.is_some());
    }
}

#[test]
fn mistakes_of_a_service_are_reported_with_their_lines() {
    for (keys, line, part) in [
        ("name = \"bot\"", 4, "is here a second time"),
        (
            "colour = \"red\"",
            4,
            "colour: unknown key; it can be name,",
        ),
        (
            "tokn = \"abc\"",
            4,
            "tokn: unknown key; did you mean token?",
        ),
        (
            "format = \"xml\"",
            4,
            "\"xml\" is not a format; it can be wechat, json",
        ),
        ("format = \"jsn\"", 4, "did you mean \"json\"?"),
        (
            "format = \"json\"\ntoken = \"abc\"",
            5,
            "format \"wechat\" only",
        ),
        ("secret = \"SECRET\"", 4, "format \"json\" only"),
        ("token = \"no spaces\"", 4, "3 to 32 letters or digits"),
        (
            "format = \"json\"\nsecret = \"abc\"",
            5,
            "no secret of Standard Webhooks",
        ),
        ("timeout = \"500ms\"", 4, "it can be 1s to 5m"),
        ("timeout = \"6m\"", 4, "it can be 1s to 5m"),
        ("timeout = 60", 4, "a duration such as"),
        ("concurrency = 0", 4, "a whole number from 1 to 64, found 0"),
        (
            "concurrency = 65",
            4,
            "a whole number from 1 to 64, found 65",
        ),
        (
            "slow = [\"mesage\"]",
            4,
            "not a way to show a late answer; did you mean \"message\"?",
        ),
        (
            "slow = [\"next\", \"wait\"]",
            4,
            "in one order only, each once: [\"wait\", \"next\"]",
        ),
        (
            "slow = [\"wait\", \"wait\"]",
            4,
            "in one order only, each once: [\"wait\"]",
        ),
        ("slow = true", 4, "a text or a list of texts"),
        (
            "wait_text = \" \"",
            4,
            "an empty text cannot be sent; leave it out",
        ),
        ("keep = \"59s\"", 4, "it can be 1m to 30d"),
        ("keep = \"31d\"", 4, "it can be 1m to 30d"),
    ] {
        has_mistakes(&bot(&keys.replace("SECRET", SECRET)), &[(line, &[part])]);
    }
    for (keys, line, part) in [
        (
            "nmae = \"bot\"\nurl = \"http://a.example\"",
            2,
            "did you mean name?",
        ),
        (
            "name = \"a b\"\nurl = \"http://a.example\"",
            2,
            "no name for a service",
        ),
        (
            "name = \"bot\"\nurl = \"127.0.0.1:9000\"",
            3,
            "is no URL; it begins with",
        ),
        (
            "name = \"bot\"\nurl = \"ftp://a.example\"",
            3,
            "is no URL; it begins with",
        ),
        ("name = \"bot\"", 1, "needs a url"),
        ("url = \"http://a.example\"", 1, "needs a name"),
    ] {
        has_mistakes(&format!("[[service]]\n{keys}\n"), &[(line, &[part])]);
    }
    has_mistakes(
        &(bot("") + &bot("")),
        &[(
            6,
            &["service #2: name: \"bot\" is the name of an earlier service"],
        )],
    );
    has_mistakes(
        &bot("").replace("[[service]]", "[service]"),
        &[(1, &["[[service]]"])],
    );
    has_mistakes(
        "[[servce]]\nname = \"bot\"",
        &[(1, &["did you mean service?"])],
    );
    let many = |count| -> String {
        let service = |n| bot("").replace("\"bot\"", &format!("\"bot{n}\""));
        (0..count).map(service).collect()
    };
    assert_eq!(valid(&many(16)).services.len(), 16);
    has_mistakes(
        &many(17),
        &[(65, &["service #17: there can be 16 services"])],
    );
}

#[test]
fn mistakes_of_a_rule_that_forwards_are_reported_with_their_lines() {
    for (keys, line, part) in [
        (
            "forward = \"bott\"",
            3,
            "forward: there is no service \"bott\"; did you mean \"bot\"?",
        ),
        (
            "forward = \"crm\"",
            3,
            "there is no service \"crm\"; it can be bot",
        ),
        ("forward = \"\"", 3, "cannot be empty"),
        (
            "forwrad = \"bot\"\notherwise = \"x\"",
            3,
            "did you mean forward?",
        ),
        (
            "forward = \"bot\"\notherwis = \"x\"",
            4,
            "did you mean otherwise?",
        ),
        (
            "forward = \"bot\"\notherwise = \"\"",
            4,
            "for no answer leave it out",
        ),
        (
            "forward = \"bot\"\notherwise = \"{1}\"",
            4,
            "otherwise: {1} is a group of a regex",
        ),
        ("otherwise = \"x\"", 3, "name that with `forward`"),
        (
            "text = \"a\"\notherwise = \"x\"",
            4,
            "name that with `forward`",
        ),
        (
            "forward = \"bot\"\nsilent = true",
            4,
            "a rule has one answer",
        ),
    ] {
        has_mistakes(&(rule(keys) + &bot("")), &[(line, &[part])]);
    }
    let forwards = rule("forward = \"bot\"");
    has_mistakes(
        &forwards,
        &[(
            3,
            &["there is no service \"bot\"; add a [[service]] of this name"],
        )],
    );
    // The slip is elsewhere.
    for (service, line) in [
        (bot("").replace("name", "nmae"), 2),
        (bot("").replace("service", "servce"), 1),
        (bot("concurrency = 0"), 4),
        ("service = 5\n".to_owned(), 1),
    ] {
        has_mistakes(&(service + &forwards), &[(line, &[])]);
    }
}
