//! `server.allow_ips`: which addresses may use the callback path, by a list of the owner's or the platform's.

use crate::support::account::HELP;
use crate::support::http::Answer;
use crate::support::*;

const IPS: &str = "/cgi-bin/getcallbackip";
const INSIDE: &str = "203.0.113.7";
const OUTSIDE: &str = "198.51.100.1";

/// Sends a push as a local reverse proxy would for a client with this address.
#[track_caller]
fn push_from(account: &Account, address: &str) -> Answer {
    let request = text("hello").request("/wechat", TOKEN);
    account.send(&request.header("X-Forwarded-For", address))
}

fn with_list() -> Setup {
    Setup::new().set(
        "server.allow_ips",
        "[\"203.0.113.0/24\", \"2001:db8::/32\"]",
    )
}

fn with_platforms_list(platform: &Platform) -> Setup {
    Setup::new()
        .platform(platform)
        .set("server.allow_ips", "\"wechat\"")
}

#[test]
fn only_listed_addresses_are_accepted_and_the_log_says_why_others_are_refused() {
    let account = with_list().start();
    push_from(&account, OUTSIDE).is_refused();
    let line = format!("refused a request from {OUTSIDE}: its address is not in server.allow_ips");
    account.log().says(&line);
    for inside in [INSIDE, "2001:db8::9", "6.6.6.6, 203.0.113.255"] {
        push_from(&account, inside).is_text(HELP);
    }
    for outside in ["203.0.114.1", "2001:db9::1", "203.0.113.1, 6.6.6.6"] {
        push_from(&account, outside).is_refused();
    }
    account.store().is("SELECT count(*) FROM messages", &["3"]);
}

#[test]
fn a_proxy_may_write_an_address_in_any_common_form() {
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
        // Only what the nearest proxy added counts.
        "unknown, 203.0.113.7:1, [::1]:2, \"127.0.0.1:3\"",
    ];
    for inside in insiders {
        push_from(&account, inside).is_text(HELP);
    }
    // An unknown client is not taken for the proxy itself, whose address is listed.
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
        push_from(&account, outside).is_refused();
    }
    let accepted = insiders.len().to_string();
    account
        .store()
        .is("SELECT count(*) FROM messages", &[&accepted]);
}

#[test]
fn a_trusted_proxy_is_recognized_as_ipv4_and_as_mapped_ipv6() {
    // An IPv6 socket that accepts IPv4: the peer is ::ffff:127.0.0.1.
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
fn an_ipv4_network_may_be_written_as_ipv6() {
    let account = Setup::new()
        .set("server.allow_ips", "[\"::ffff:203.0.113.0/120\"]")
        .start();
    push_from(&account, INSIDE).is_text(HELP);
    push_from(&account, OUTSIDE).is_refused();
}

#[test]
fn the_list_covers_pushes_and_the_handshake_and_no_other_path() {
    let account = with_list().start();
    account.get("/healthz").is(200, "ok");
    account.get("/elsewhere").is_status(404);
    let handshake = format!("/wechat?{}&echostr=1", account.signed());
    account.get(&handshake).is_refused();
    let request = Request::new("GET", &handshake).header("X-Forwarded-For", INSIDE);
    account.send(&request).is(200, "1");
}

#[test]
fn the_log_hints_at_a_proxy_that_does_not_name_its_client() {
    let account = with_list().start();
    account.post(&text("hello")).is_refused();
    eventually("the hint", account.log(), || {
        account.log().has("refused a request from 127.0.0.1")
            && account.log().has("X-Forwarded-For")
    });

    let setup = with_list();
    let listen = format!("\"unix:{}\"", setup.folder().join("s").display());
    let account = setup.set("server.listen", &listen).start();
    account.post(&text("hello")).is_refused();
    push_from(&account, INSIDE).is_text(HELP);
}

#[test]
fn refusals_are_logged_at_most_once_a_second() {
    let account = with_list().start();
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        push_from(&account, OUTSIDE).is_refused();
    }
    let lines = account.log().count("refused a request");
    let seconds = begun.elapsed().as_secs();
    assert!(lines as u64 <= seconds + 1, "{lines} lines in {seconds} s");
}

#[test]
fn simulate_uses_an_allowed_address() {
    let account = with_list().start();
    account.simulate(&["text", "hello"]).ok().says(HELP);
}

#[test]
fn a_reload_changes_the_list() {
    let account = with_list().start();
    push_from(&account, OUTSIDE).is_refused();
    account.rewrite_config(|config| config.replace("203.0.113.0/24", "198.51.100.0/24"));
    account.reload();
    push_from(&account, OUTSIDE).is_text(HELP);
    push_from(&account, INSIDE).is_refused();
}

#[test]
fn the_platforms_list_is_fetched_and_kept_for_when_the_platform_is_down() {
    let platform = Platform::start();
    platform.callback_ips(&["203.0.113.0/25", INSIDE, "192.0.2.1"]);
    let mut account = with_platforms_list(&platform).start();
    account.log().says("is active");
    push_from(&account, INSIDE).is_text(HELP);
    push_from(&account, "192.0.2.1").is_text(HELP);
    push_from(&account, OUTSIDE).is_refused();
    account.store().is(
        "SELECT value FROM settings WHERE name = 'callback_ips'",
        &["203.0.113.0/25 203.0.113.7 192.0.2.1"],
    );
    let checked = account.command(&["check", "--json"]).json();
    assert_eq!(checked["allow_ips"]["from"], "WeChat's list");
    assert_eq!(
        checked["allow_ips"]["networks"].as_array().unwrap().len(),
        3
    );
    account.command(&["check"]).ok().says("3 networks");

    account.stop();
    platform.down();
    account.begin();
    push_from(&account, INSIDE).is_text(HELP);
    push_from(&account, OUTSIDE).is_refused();
    assert_eq!(platform.count(IPS), 1, "asked at most daily");
}

#[test]
fn the_platforms_addresses_are_listed_with_those_that_the_server_would_refuse() {
    let platform = Platform::start();
    platform.callback_ips(&["203.0.113.10", "203.0.113.128/25"]);
    let open = Setup::new().platform(&platform).stopped();
    let list = open.command(&["callback-ips"]);
    assert_eq!(list.ok().stdout, "203.0.113.10\n203.0.113.128/25\n");
    assert_eq!(list.stderr, "");

    // Two halves are as good as the whole.
    let halves = r#"["203.0.113.128/26", "203.0.113.192/26"]"#;
    let listed = Setup::new().platform(&platform);
    let listed = listed.set("server.allow_ips", halves).stopped();
    let json = listed.command(&["callback-ips", "--json"]).json();
    assert_eq!(json["refused"], serde_json::json!(["203.0.113.10"]));
    let ran = listed.command(&["callback-ips"]);
    ran.ok()
        .complains("refuses pushes from 203.0.113.10: add them");

    let fetched = with_platforms_list(&platform).start();
    fetched.log().says("list of 2 networks is active");
    let ran = fetched.command(&["callback-ips"]);
    assert_eq!(ran.ok().stderr, "");
    platform.callback_ips(&["203.0.113.10", "198.51.100.7"]);
    let ran = fetched.command(&["callback-ips"]);
    ran.ok()
        .complains("refuses pushes from 198.51.100.7: the server fetches the list again");
}

#[test]
fn until_the_list_arrives_everybody_is_accepted_and_the_log_says_so() {
    let platform = Platform::start();
    platform.down();
    let account = with_platforms_list(&platform).start();
    account
        .log()
        .says("from any address are accepted until it is here");
    push_from(&account, OUTSIDE).is_text(HELP);
    account.command(&["check"]).ok().says("not fetched yet");
    platform.callback_ips(&[INSIDE]);
    platform.up();
    account.log().says("is active");
    push_from(&account, OUTSIDE).is_refused();
    push_from(&account, INSIDE).is_text(HELP);
}

#[test]
fn an_unusable_list_does_not_replace_a_good_one() {
    let platform = Platform::start();
    platform.callback_ips(&[INSIDE]);
    let mut account = with_platforms_list(&platform).start();
    account.log().says("is active");
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
        let before = account.log().count("stays active");
        account.begin();
        eventually("the old list is kept", account.log(), || {
            account.log().count("stays active") > before
        });
        push_from(&account, INSIDE).is_text(HELP);
        push_from(&account, OUTSIDE).is_refused();
    }
    account.stop();
    platform.heal();
    platform.callback_ips(&[OUTSIDE]);
    let before = account.log().count("is active");
    account.begin();
    eventually("the new list", account.log(), || {
        account.log().count("is active") > before
    });
    push_from(&account, OUTSIDE).is_text(HELP);
}

#[test]
fn a_wrong_list_or_the_platforms_without_an_app_id_is_a_configuration_error() {
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
fn check_start_and_reload_warn_about_trusting_everybody_as_a_proxy() {
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
