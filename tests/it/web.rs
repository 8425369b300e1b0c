//! Followers on the owner's web pages: the log-in inside WeChat from the first page to the last, and what strangers try.

mod chromium;
mod flood;
mod threats;

use crate::support::account::RULES;
use crate::support::browser::{
    Browser, FLOW, SESSION, SITE, code, location, offered, on_the_site, sent_back,
};
use crate::support::service::{Act, FORWARD_ALL};
use crate::support::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const EXCHANGE: &str = "/sns/oauth2/access_token";

/// Gates of these tests; the first is the one that is not named.
const GATES: &str = "
[[gate]]
name = \"members\"
who = \"followers\"

[[gate]]
name = \"all\"
who = \"anyone\"

[[gate]]
name = \"fresh\"
who = \"anyone\"
max_age = \"30s\"

[[gate]]
name = \"scanned\"
who = \"anyone\"
methods = [\"scan\"]
";

fn setup(platform: &Platform) -> Setup {
    Setup::new()
        .platform(platform)
        .set("web.url", &format!("\"{SITE}\""))
        .set("web.rate", "1000")
        .rules(&format!("{RULES}{GATES}"))
}

#[test]
fn a_follower_opens_a_page_is_logged_in_silently_and_comes_back_to_it() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let fan = account.follower();
    let browser = Browser::new(&account);
    let login = browser.open("members", "/docs?a=1&b=2").unwrap();
    assert_eq!(
        login,
        format!("{SITE}/wx/login/members?to=%2Fdocs%3Fa%3D1%26b%3D2")
    );
    let back = browser.begin(&on_the_site(&login), &code(&fan));
    let done = browser.get(&back);
    done.is_status(303);
    assert_eq!(location(&done), format!("{SITE}/docs?a=1&b=2"));
    assert_eq!(browser.open("members", "/docs?a=1&b=2"), None);
    // nginx asks in another way, and hears the same.
    let checked = browser.get("/wx/auth/members");
    checked
        .is_status(200)
        .has_header("x-wechat-openid", &fan)
        .has_header("x-wechat-subscribed", "1");
    let me = browser.get("/wx/me");
    me.is_status(200).expect(
        me.body().contains(&format!("\"openid\":\"{fan}\"")),
        "the openid",
    );
    let sessions = "SELECT openid, method, address, agent LIKE '%MicroMessenger%', expires_at - created_at FROM sessions";
    account
        .store()
        .is(sessions, &[&format!("{fan}|oauth|127.0.0.1|1|604800")]);
    // Who comes to the log-in again is let through.
    let again = browser.get("/wx/login/members?to=/docs");
    assert_eq!(location(again.is_status(303)), format!("{SITE}/docs"));
    let out = browser.post("/wx/logout", "");
    assert_eq!(location(out.is_status(303)), format!("{SITE}/"));
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(browser.check("members"), 401);
    assert_eq!(account.store().count("sessions"), 0);
    // A log-in after a log-out is no circle.
    browser.log_in(&fan);
    assert_eq!(browser.check("members"), 200);
    assert_eq!(platform.count(EXCHANGE), 2);
}

#[test]
fn a_code_that_cannot_be_used_begins_the_log_in_again_twice_and_then_asks() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    let mut answer = browser.get("/wx/login/all?to=/docs");
    for _ in 0..2 {
        answer = browser.get(&sent_back(&answer, "WRONG"));
    }
    let asked = browser.get(&sent_back(&answer, "WRONG"));
    asked.is_status(200).has_header("content-type", "text/html");
    asked.expect(
        asked
            .body()
            .contains("href=\"https://example.com/wx/login/members?to=%2Fdocs\""),
        "a button",
    );
    // The platform refuses the same code once only.
    assert_eq!(platform.count(EXCHANGE), 1);
    let back = browser.begin("/wx/login/all", "");
    browser.get(&back).is_status(200);
    assert_eq!(browser.cookie(SESSION), None);
}

#[test]
fn while_the_platform_fails_people_see_a_page_and_pushes_are_answered() {
    let platform = Platform::start();
    let account = setup(&platform).set("server.max_waiting", "1").start();
    let browser = Browser::new(&account);
    platform.fault(EXCHANGE, Fault::Errcode(-1, "system error"));
    let failed = browser.get(&browser.begin("/wx/login/all", &code("oFanOne")));
    failed
        .is_status(503)
        .has_header("content-type", "text/html");
    failed.expect(
        !failed.body().contains("system error"),
        "no error of the platform",
    );
    account.log().says("nobody can be logged in");
    platform.always(EXCHANGE, Fault::Hang);
    let back = browser.begin("/wx/login/all", &code("oFanTwo"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Browser::new(&account).get(&back));
        eventually("the call", account.log(), || platform.count(EXCHANGE) == 2);
        account.post(&text("hello")).is_status(200);
        // There is no place for another log-in under way; a check needs none.
        let other = browser.begin("/wx/login/all", &code("oFanThree"));
        let busy = browser.get(&other);
        busy.is_status(503)
            .has_header("retry-after", "1")
            .has_header("cache-control", "no-store");
        assert_eq!(browser.check("all"), 401);
        platform.release();
        waiting.join().unwrap().is_status(200);
    });
}

#[test]
fn log_ins_under_way_leave_room_for_pushes_that_a_rule_forwards() {
    let (platform, service) = (Platform::start(), Service::wechat());
    service.always(Act::text("from the bot"));
    let account = setup(&platform)
        .rules(&format!("{FORWARD_ALL}{GATES}"))
        .service(&service, "")
        .set("server.max_waiting", "8")
        .start();
    platform.always(EXCHANGE, Fault::Hang);
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let back = Browser::new(&account).begin("/wx/login/all", &code(&format!("oFan{n}")));
            let (account, refused) = (&account, &refused);
            scope.spawn(move || {
                let answer = Browser::new(account).get(&back);
                refused.fetch_add(
                    usize::from(answer.response.status == 503),
                    Ordering::Relaxed,
                );
            });
        }
        // Four are asked for and one waits for its turn.
        eventually("the calls", account.log(), || {
            platform.count(EXCHANGE) == 4 && refused.load(Ordering::Relaxed) == 3
        });
        account.post(&text("hello")).is_text("from the bot");
        platform.always(EXCHANGE, Fault::Errcode(-1, "system error"));
        platform.release();
    });
}

#[test]
fn what_is_no_request_is_kept_by_nobody_either() {
    let account = setup(&Platform::start()).start();
    let large = "x".repeat(40_000);
    for (request, status) in [
        (Request::new("GET", "/wx/me").header("Cookie", &large), 431),
        (Request::new("POST", "/wx/back").header("Expect", "x"), 417),
        (Request::new("GET", "/wx /me"), 505),
    ] {
        account
            .send(&request)
            .is_status(status)
            .has_header("cache-control", "no-store")
            .has_header("referrer-policy", "same-origin");
    }
}

#[test]
fn the_files_of_the_console_are_served_and_no_others() {
    let platform = Platform::start();
    let name = "MP_verify_aBcD1234eFgH5678.txt";
    let setup = setup(&platform).set("web.verify_files", &format!("[\"{name}\"]"));
    std::fs::write(setup.folder().join(name), "aBcD1234eFgH5678").unwrap();
    let account = setup.start();
    let file = format!("/{name}");
    let served = account.get(&file);
    served
        .is(200, "aBcD1234eFgH5678")
        .has_header("content-type", "text/plain");
    let posted = account.send(&Request::new("POST", &file));
    posted.is_status(405).has_header("allow", "GET, HEAD");
    for answer in [&served, &posted] {
        answer.has_header("cache-control", "no-store");
    }
    for other in [
        "/MP_verify_other.txt",
        "/wechat.conf",
        "/wx/MP_verify_aBcD1234eFgH5678.txt",
    ] {
        account.get(other).is(404, "not found");
    }
}

#[test]
fn a_gate_that_was_changed_counts_from_the_next_request_on() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    browser.log_in("oStranger");
    assert_eq!(
        (browser.check("members"), browser.check("guests")),
        (403, 404)
    );
    account.rewrite_config(|config| {
        let config = config.replace("who = \"followers\"", "who = [\"oStranger\"]");
        config + "\n[[gate]]\nname = \"guests\"\nwho = [\"oOther\"]\n"
    });
    account.reload();
    assert_eq!(
        (browser.check("members"), browser.check("guests")),
        (200, 403)
    );
}

#[test]
fn who_does_not_follow_is_shown_the_accounts_code_to_follow() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let create = "/cgi-bin/qrcode/create";
    let refused = |browser: &Browser<'_>| browser.get("/wx/gate/members").is_status(403).body();
    let fan = Browser::new(&account);
    fan.log_in(&account.follower());
    assert_eq!(platform.count(create), 0);
    for stranger in ["oStrangerOne", "oStrangerTwo"] {
        let browser = Browser::new(&account);
        browser.log_in(stranger);
        assert!(refused(&browser).contains("<img class=\"qr\""));
    }
    // One code is enough, and the checks ask for none.
    assert_eq!(platform.count(create), 1);
    let asked = &platform.bodies(create)[0];
    assert_eq!(asked["action_info"]["scene"]["scene_str"], "web-follow");
    assert_eq!(asked["expire_seconds"], 2_592_000);
}
