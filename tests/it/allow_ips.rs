//! `server.allow_ips`: who may speak to the callback path, by a list or by the platform's own.

use crate::support::account::HELP;
use crate::support::http::Answer;
use crate::support::*;

const IPS: &str = "/cgi-bin/getcallbackip";
const INSIDE: &str = "203.0.113.7";
const OUTSIDE: &str = "198.51.100.1";

/// A push that a reverse proxy on this machine passes on for this address.
#[track_caller]
fn from(account: &Account, address: &str) -> Answer {
    let request = text("hello").request("/wechat", TOKEN);
    account.send(&request.header("X-Forwarded-For", address))
}

fn listed() -> Setup {
    Setup::new().set(
        "server.allow_ips",
        "[\"203.0.113.0/24\", \"2001:db8::/32\"]",
    )
}

fn by_the_platform(platform: &Platform) -> Setup {
    Setup::new()
        .platform(platform)
        .set("server.allow_ips", "\"wechat\"")
}

#[test]
fn only_listed_addresses_are_heard_and_the_log_says_why_the_others_are_not() {
    let account = listed().start();
    from(&account, OUTSIDE).is_refused();
    let line = format!("refused a request from {OUTSIDE}: its address is not in server.allow_ips");
    eventually("a line about it", account.log(), || {
        account.log().has(&line)
    });
    for inside in [INSIDE, "2001:db8::9", "6.6.6.6, 203.0.113.255"] {
        from(&account, inside).is_text(HELP);
    }
    for outside in ["203.0.114.1", "2001:db9::1", "203.0.113.1, 6.6.6.6"] {
        from(&account, outside).is_refused();
    }
    account.store().is("SELECT count(*) FROM messages", &["3"]);
}

#[test]
fn a_proxy_may_write_an_address_in_any_of_its_forms() {
    let account = Setup::new()
        .set(
            "server.allow_ips",
            "[\"203.0.113.0/24\", \"2001:db8::/32\", \"127.0.0.1\"]",
        )
        .start();
    let insiders = [
        "203.0.113.7:47011",
        "\"203.0.113.7:47011\"",
        "203.0.113.7:_hidden",
        "::ffff:203.0.113.7",
        "[::ffff:203.0.113.7]:80",
        "[2001:db8::1]",
        "[2001:db8::1]:4711",
        "\"[2001:db8::1]:4711\"",
        "2001:db8::1%eth0",
        "[2001:db8::1%25eth0]:4711",
        // What the nearest proxy names counts, and not what stood there before.
        "unknown, 203.0.113.7:1, [::1]:2, \"127.0.0.1:3\"",
    ];
    for inside in insiders {
        from(&account, inside).is_text(HELP);
    }
    // Nobody knows who this is, so it is not the proxy itself, which is listed.
    let outsiders = [
        "198.51.100.1:47011",
        "[2001:db9::1]:4711",
        "unknown",
        "_hidden",
        "\"_hidden:80\"",
        "203.0.113.7, unknown",
        "203.0.113.7, unknown, 127.0.0.1",
        "nonsense",
    ];
    for outside in outsiders {
        from(&account, outside).is_refused();
    }
    let accepted = insiders.len().to_string();
    account
        .store()
        .is("SELECT count(*) FROM messages", &[&accepted]);
}

#[test]
fn the_proxy_itself_may_be_trusted_and_seen_in_either_family() {
    // A connection over IPv6 that brings IPv4: the peer is ::ffff:127.0.0.1.
    let account = Setup::new()
        .set("server.listen", "\"[::]:0\"")
        .set("server.trusted_proxies", "[\"::ffff:127.0.0.1\"]")
        .set("server.allow_ips", "[\"::ffff:203.0.113.7\"]")
        .start();
    let http::Address::Tcp(address) = account.address() else {
        panic!("not a TCP address");
    };
    let address = http::Address::Tcp(([127, 0, 0, 1], address.port()).into());
    for (named, accepted) in [("203.0.113.7", true), ("198.51.100.1", false)] {
        let request = text("hello").request("/wechat", TOKEN);
        let request = request.header("X-Forwarded-For", named);
        let answer = http::exchange(&address, &request, account.log());
        match accepted {
            true => answer.is_text(HELP),
            false => answer.is_refused(),
        };
    }
}

#[test]
fn a_network_of_ipv4_may_be_written_as_ipv6() {
    let account = Setup::new()
        .set("server.allow_ips", "[\"::ffff:203.0.113.0/120\"]")
        .start();
    from(&account, INSIDE).is_text(HELP);
    from(&account, OUTSIDE).is_refused();
}

#[test]
fn the_list_holds_for_the_callback_path_only_and_for_the_handshake_too() {
    let account = listed().start();
    account.get("/healthz").is(200, "ok");
    account.get("/elsewhere").is_status(404);
    let handshake = format!("/wechat?{}&echostr=1", account.signed());
    account.get(&handshake).is_refused();
    let request = Request::new("GET", &handshake).header("X-Forwarded-For", INSIDE);
    account.send(&request).is(200, "1");
}

#[test]
fn a_proxy_that_names_nobody_is_hinted_at() {
    let account = listed().start();
    account.post(&text("hello")).is_refused();
    eventually("the hint", account.log(), || {
        account.log().has("refused a request from 127.0.0.1")
            && account.log().has("X-Forwarded-For")
    });

    let setup = listed();
    let listen = format!("\"unix:{}\"", setup.folder().join("s").display());
    let account = setup.set("server.listen", &listen).start();
    account.post(&text("hello")).is_refused();
    from(&account, INSIDE).is_text(HELP);
}

#[test]
fn refusals_are_logged_at_a_pace_and_counted() {
    let account = listed().start();
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        from(&account, OUTSIDE).is_refused();
    }
    let lines = account.log().count("refused a request");
    let seconds = begun.elapsed().as_secs();
    assert!(lines as u64 <= seconds + 1, "{lines} lines in {seconds} s");
}

#[test]
fn simulate_speaks_as_one_of_those_who_may() {
    let account = listed().start();
    account.simulate(&["text", "hello"]).ok().says(HELP);
}

#[test]
fn a_reload_changes_the_list() {
    let account = listed().start();
    from(&account, OUTSIDE).is_refused();
    account.rewrite_config(|config| config.replace("203.0.113.0/24", "198.51.100.0/24"));
    account.reload();
    from(&account, OUTSIDE).is_text(HELP);
    from(&account, INSIDE).is_refused();
}

#[test]
fn the_platforms_list_is_fetched_kept_and_outlives_the_platform() {
    let platform = Platform::start();
    platform.callback_ips(&["203.0.113.0/25", INSIDE, "192.0.2.1"]);
    let mut account = by_the_platform(&platform).start();
    account.log().says("is in force");
    from(&account, INSIDE).is_text(HELP);
    from(&account, "192.0.2.1").is_text(HELP);
    from(&account, OUTSIDE).is_refused();
    account.store().is(
        "SELECT value FROM settings WHERE name = 'callback_ips'",
        &["203.0.113.0/25 203.0.113.7 192.0.2.1"],
    );
    let checked = account.command(&["check", "--json"]).json();
    assert_eq!(checked["allow_ips"]["from"], "the platform's list");
    assert_eq!(
        checked["allow_ips"]["networks"].as_array().unwrap().len(),
        3
    );
    account.command(&["check"]).ok().says("3 networks");

    account.stop();
    platform.down();
    account.begin();
    from(&account, INSIDE).is_text(HELP);
    from(&account, OUTSIDE).is_refused();
    assert_eq!(platform.count(IPS), 1, "asked at most daily");
}

#[test]
fn until_there_is_a_list_nobody_is_locked_out_and_the_log_says_so() {
    let platform = Platform::start();
    platform.down();
    let account = by_the_platform(&platform).start();
    eventually("a word about it", account.log(), || {
        account
            .log()
            .has("from any address are accepted until it is here")
    });
    from(&account, OUTSIDE).is_text(HELP);
    account.command(&["check"]).ok().says("not fetched yet");
    platform.callback_ips(&[INSIDE]);
    platform.up();
    account.log().says("is in force");
    from(&account, OUTSIDE).is_refused();
    from(&account, INSIDE).is_text(HELP);
}

#[test]
fn a_list_that_is_none_does_not_replace_a_good_one() {
    let platform = Platform::start();
    platform.callback_ips(&[INSIDE]);
    let mut account = by_the_platform(&platform).start();
    account.log().says("is in force");
    for (list, fault) in [
        (&[][..], None),
        (&["everywhere", "10.0.0.*"], None),
        (&[OUTSIDE], Some(Fault::Errcode(48001, "api unauthorized"))),
        (&[OUTSIDE], Some(Fault::Truncated)),
    ] {
        account.stop();
        let store = rusqlite::Connection::open(account.store_path()).unwrap();
        // A day has passed.
        let aged = "UPDATE settings SET value = value - 86400 WHERE name = 'callback_ips_at'";
        assert_eq!(store.execute(aged, []).unwrap(), 1);
        drop(store);
        platform.heal();
        platform.callback_ips(list);
        if let Some(fault) = fault {
            platform.always(IPS, fault);
        }
        let said = account.log().count("stays in force");
        account.begin();
        eventually("a word about it", account.log(), || {
            account.log().count("stays in force") > said
        });
        from(&account, INSIDE).is_text(HELP);
        from(&account, OUTSIDE).is_refused();
    }
    account.stop();
    platform.heal();
    platform.callback_ips(&[OUTSIDE]);
    let before = account.log().count("is in force");
    account.begin();
    eventually("the new list", account.log(), || {
        account.log().count("is in force") > before
    });
    from(&account, OUTSIDE).is_text(HELP);
}

#[test]
fn the_platforms_list_without_api_rights_is_a_mistake_of_the_configuration() {
    let account = Setup::new().set("server.allow_ips", "\"wechat\"").stopped();
    let ran = account.command(&["check"]);
    ran.refused()
        .complains("server.allow_ips")
        .complains("app_id");
    for wrong in ["\"all\"", "[\"nonsense\"]", "7", "[\"10.0.0.0/33\"]"] {
        let account = Setup::new().set("server.allow_ips", wrong).stopped();
        account
            .command(&["check"])
            .refused()
            .complains("server.allow_ips");
    }
}

#[test]
fn trusting_everybody_as_a_proxy_is_warned_of_by_check_at_the_start_and_by_a_reload() {
    let warning = "server.trusted_proxies trusts everybody";
    let account = Setup::new()
        .set("server.trusted_proxies", "[\"0.0.0.0/0\"]")
        .start();
    account.log().says(warning);
    account.command(&["check"]).ok().says(warning);
    let checked = account.command(&["check", "--json"]).json();
    let warnings = checked["warnings"].to_string();
    assert!(warnings.contains(warning), "{warnings}");

    for (proxies, warned) in [
        ("\"10.0.0.0/8\", \"203.0.113.7\"", false),
        ("\"::/0\"", true),
        ("\"0.0.0.0/1\", \"128.0.0.0/1\"", true),
    ] {
        let before = account.log().count(warning);
        account.rewrite_config(|config| {
            let line = config.lines().find(|line| line.contains("trusted_proxies"));
            let line = line.unwrap().to_owned();
            config.replace(&line, &format!("server.trusted_proxies = [{proxies}]"))
        });
        let ran = account.command(&["check"]);
        ran.ok();
        ran.expect(ran.stdout.contains(warning) == warned, proxies);
        account.reload();
        if warned {
            eventually("a warning", account.log(), || {
                account.log().count(warning) > before
            });
        }
    }
}
