//! What the contract of the web log-in lists as threats, each with its number there.

use super::*;
use crate::support::http::Answer;
use std::collections::BTreeSet;

/// Addresses that would lead a browser away from the site, or might.
fn foreign_addresses() -> Vec<String> {
    let mut forms: Vec<String> = [
        "//evil.test",
        "//evil.test/",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "\\\\evil.test",
        "/\\/evil.test",
        "/\\\\evil.test",
        "https:evil.test",
        "https:/evil.test",
        "https:\\\\evil.test",
        "https:///evil.test",
        "http://evil.test",
        "https://evil.test",
        "HTTPS://EVIL.TEST",
        "https://evil.test/https://example.com/",
        "https://example.com@evil.test",
        "https://example.com:443@evil.test/",
        "https://example.com:@evil.test/",
        "https://example.com%40evil.test/",
        "https://example.com.evil.test",
        "https://example.com.evil.test/",
        "https://example.comevil.test",
        "https://example.com:8443/",
        "https://example.com\\@evil.test/",
        "https://example.com\\.evil.test/",
        "https://example.com#@evil.test/",
        "https://example.com?@evil.test/",
        "https://[::1]/",
        "http://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "data:text/html,hello",
        "vbscript:x",
        "mailto:a@evil.test",
        "evil.test",
        "evil.test/docs",
        "@evil.test",
        ".evil.test",
        ":evil.test",
        "?//evil.test",
        "#//evil.test",
        "/docs&to=//evil.test",
        "/%09/evil.test",
        "/%0a/evil.test",
        "/%0d%0aLocation:%20//evil.test",
        "/%2f/evil.test",
        "/%5cevil.test",
        "/%00/evil.test",
        "/..//evil.test",
        "/.//evil.test",
        "/;//evil.test",
        "",
        "/",
    ]
    .map(str::to_owned)
    .into();
    // The same in code, which is undone once.
    let encoded: Vec<String> = forms
        .iter()
        .map(|form| wechatd::percent::encode(form))
        .collect();
    forms.extend(encoded);
    for control in ["%09", "%0A", "%0D", "%00", "%7F", "%C2%85", "%E2%80%AE"] {
        forms.push(format!("%2F{control}%2Fevil.test"));
        forms.push(format!("{control}%2F%2Fevil.test"));
    }
    assert!(forms.len() >= 60);
    forms
}

/// If the answer leads anywhere, then to the site, whatever a browser makes of the address.
#[track_caller]
fn stays(answer: &Answer, form: &str) {
    if answer.response.status == 302 && answer.header("location").is_none() {
        panic!("{}", answer.explained(form));
    }
    for (name, value) in &answer.response.headers {
        if name == "location" {
            let stays = value.starts_with(&format!("{SITE}/"));
            answer.expect(stays, &format!("{form:?} stays on the site"));
            let is_plain = value
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
            answer.expect(is_plain, &format!("{form:?} becomes plain"));
        }
        answer.expect(name != "refresh", "no other redirect");
    }
}

#[test]
fn threat_1_no_address_leads_away_from_the_site() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let (logged_in, fan) = (Browser::new(&account), another_fan());
    let browser = Browser::new(&account);
    for form in foreign_addresses() {
        // A new session each time, which does not look like a circle.
        let back = browser.begin(&format!("/wx/login/all?to={form}"), &code(&fan));
        let done = browser.get(&back);
        stays(done.is_status(303), &form);
        let altered = back
            .split_once("?to=")
            .unwrap()
            .1
            .split_once('&')
            .unwrap()
            .1;
        let altered = browser.get(&format!("/wx/back?to={form}&{altered}"));
        stays(&altered, &form);
        logged_in.plant(SESSION, browser.cookie(SESSION).as_deref());
        let passed = logged_in.get(&format!("/wx/login/all?to={form}"));
        stays(passed.is_status(303), &form);
        let out = browser.post(&format!("/wx/logout?to={form}"), "");
        stays(out.is_status(303), &form);
        let login = browser.open("all", &form).unwrap();
        let login = login.strip_prefix(&format!("{SITE}/wx/login/all?to=%2F"));
        let login = login.unwrap_or_else(|| panic!("{form}"));
        assert!(
            !login.contains(['/', '\\']) && !login.starts_with("%2F"),
            "{form}: {login}"
        );
    }
}

#[test]
fn threat_2_who_is_sent_a_foreign_log_in_is_asked_and_gets_no_cookie() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let attacker = another_fan();
    let nickname = "Mallory <b>\u{202e}";
    let profile = serde_json::json!({"subscribe": 1, "openid": attacker, "nickname": nickname});
    platform.profile(&attacker, &profile.to_string());
    account.post(&subscribe().from(&attacker)).is_status(200);
    let named = format!(
        "SELECT count(*) FROM followers WHERE openid = '{attacker}' AND nickname IS NOT NULL"
    );
    eventually("the name", account.log(), || {
        account.store().one::<i64>(&named) == 1
    });
    let begin = || Browser::new(&account).begin("/wx/login/all?to=/docs", &code(&attacker));
    let (without, with_own) = (Browser::new(&account), Browser::new(&account));
    with_own.get("/wx/login/all");
    let flow = with_own.cookie(FLOW);
    for victim in [&without, &with_own] {
        let back = begin();
        let asked = victim.get(&back);
        asked
            .is_status(200)
            .expect(asked.header("set-cookie").is_none(), "no cookie");
        let body = asked.body();
        asked.expect(
            body.contains("Mallory &lt;b&gt;\\u{202e}"),
            "the name, as text",
        );
        asked.expect(body.contains("关注时间：20"), "since when");
        // WeChat calls the address several times.
        let again = victim.get(&back);
        again
            .is_status(200)
            .expect(again.body().contains("Mallory"), "the same");
        // From another page it cannot be pressed.
        let (_, form) = back.split_once('?').unwrap();
        let foreign = Request::new("POST", "/wx/back")
            .body(form)
            .header("Origin", "https://evil.test");
        victim.send(foreign).is_status(403);
        assert_eq!(victim.cookie(SESSION), None);
    }
    assert_eq!(with_own.cookie(FLOW), flow);
    assert_eq!(account.store().count("sessions"), 0);
    // Who really lost the cookie presses it.
    let back = begin();
    without.get(&back).is_status(200);
    let pressed = without.post("/wx/back", back.split_once('?').unwrap().1);
    assert_eq!(location(pressed.is_status(303)), format!("{SITE}/docs"));
    assert_eq!(without.check("all"), 200);
}

#[test]
fn threat_3_no_log_in_goes_round_in_circles() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let fan = account.follower();
    let rounds = |browser: &Browser<'_>, gate: &str| {
        let mut redirects = 0;
        let mut next = browser.open(gate, "/docs");
        while let Some(address) = next.take() {
            redirects += 1;
            assert!(redirects < 20, "a circle");
            let mut answer = browser.get(&on_the_site(&address));
            if answer.response.status == 302 {
                redirects += 1;
                answer = browser.get(&sent_back(&answer, &code(&fan)));
            }
            match answer.response.status {
                303 => {
                    redirects += 1;
                    next = browser.open(gate, "/docs");
                }
                _ => return (redirects, Some(answer)),
            }
        }
        (redirects, None)
    };
    let forgetful = Browser::new(&account).losing(SESSION);
    let (redirects, page) = rounds(&forgetful, "all");
    assert!(redirects <= 4, "{redirects}");
    let page = page.unwrap();
    page.is_status(200);
    page.expect(
        page.body().contains("<code>__Host-wechatd</code>"),
        "the cookie",
    );
    page.expect(
        page.body().contains("<code>https://example.com</code>"),
        "the address",
    );

    // Without any cookie a person presses a button in each round.
    let without = Browser::new(&account).losing(SESSION).losing(FLOW);
    let (redirects, page) = rounds(&without, "all");
    page.unwrap().is_status(200);
    assert_eq!(redirects, 2);

    // The cookie does not reach the checks, but the log-in sees it.
    let browser = Browser::new(&account);
    browser.log_in(&fan);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = browser.get("/wx/login/all?to=/docs");
        statuses.push(answer.response.status);
    }
    assert_eq!(statuses, [303, 303, 303, 200]);

    // Too old: one new log-in.
    store::change(
        &account.store_path(),
        "UPDATE sessions SET created_at = created_at - 60",
    );
    assert_eq!(browser.check("fresh"), 401);
    assert_eq!(browser.check("all"), 200);
    let (redirects, page) = rounds(&browser, "fresh");
    assert_eq!(redirects, 3);
    assert!(page.is_none());

    // A way to log in that the gate does not take.
    let (redirects, page) = rounds(&browser, "scanned");
    assert_eq!(redirects, 1);
    page.unwrap().is_status(200);
}

#[test]
fn threat_4_a_state_that_is_not_ours_asks_nothing_of_the_platform() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    let back = browser.begin("/wx/login/all?to=/docs", &code("oFanOne"));
    let (query, state) = back.rsplit_once("state=").unwrap();
    let digit = if state.ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{digit}", &state[..state.len() - 1]);
    for state in [
        "",
        "x",
        &altered,
        &format!("{state}x"),
        &format!("{state}&state={state}"),
        &format!("{state}%00"),
        &format!("{state}&to=/other"),
        &state.to_uppercase(),
        &"0".repeat(107),
    ] {
        let answer = browser.get(&format!("{query}state={state}"));
        answer
            .is_status(400)
            .has_header("content-type", "text/html");
    }
    let elsewhere = back.replace("%2Fdocs", "%2Fother");
    browser.get(&elsewhere).is_status(400);
    assert_eq!(platform.count(EXCHANGE), 0);
    assert_eq!(account.store().count("sessions"), 0);
    // What others add to the address does no harm.
    browser
        .get(&format!("{back}&utm_source=chat&nsukey=x"))
        .is_status(303);
}

#[test]
fn threat_5_a_code_is_exchanged_once_however_often_it_comes() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    let back = browser.begin("/wx/login/all?to=/docs", &code("oFanOne"));
    let flow = browser.cookie(FLOW);
    platform.fault(EXCHANGE, Fault::Hang);
    std::thread::scope(|scope| {
        let both = [(), ()].map(|()| {
            scope.spawn(|| {
                let same = Browser::new(&account);
                same.plant(FLOW, flow.as_deref());
                location(same.get(&back).is_status(303))
            })
        });
        eventually("the call", account.log(), || platform.count(EXCHANGE) == 1);
        platform.release();
        for one in both {
            assert_eq!(one.join().unwrap(), format!("{SITE}/docs"));
        }
    });
    let later = browser.get(&back);
    assert_eq!(location(later.is_status(303)), format!("{SITE}/docs"));
    assert_eq!(browser.check("all"), 200);
    let other = Browser::new(&account);
    other.get(&back).is_status(200);
    other
        .post("/wx/back", back.split_once('?').unwrap().1)
        .is_status(200);
    assert_eq!(other.cookie(SESSION), None);
    assert_eq!(platform.count(EXCHANGE), 1);
}

#[test]
fn threat_5_who_is_sent_the_address_of_a_browser_without_cookies_gets_no_session() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account).losing(FLOW);
    let back = browser.begin("/wx/login/all?to=/docs", &code("oFanOne"));
    let form = back.split_once('?').unwrap().1;
    let asked = browser.get(&back);
    asked
        .is_status(200)
        .expect(asked.body().contains("<form"), "the button");
    let from = |method: &str, target: &str, from: &str| {
        let request = Request::new(method, target)
            .body(form)
            .header("Origin", SITE);
        let request = request.header("X-Forwarded-For", from);
        Browser::new(&account).send(request)
    };
    let shown = from("GET", &back, "192.0.2.9");
    shown
        .is_status(200)
        .expect(!shown.body().contains("<form"), "no button");
    let pressed = from("POST", "/wx/back", "192.0.2.9");
    assert_eq!(pressed.is_status(200).header("set-cookie"), None);
    assert_eq!(browser.post("/wx/back", form).response.status, 303);
    assert_eq!(browser.check("all"), 200);
    assert_eq!(platform.count(EXCHANGE), 1);
}

#[test]
fn who_has_logged_out_is_not_logged_in_by_going_back() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    let back = browser.begin("/wx/login/all?to=/docs", &code("oFanOne"));
    browser.get(&back).is_status(303);
    browser.post("/wx/logout", "").is_status(303);
    browser.get(&back).is_status(200);
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(browser.check("all"), 401);
}

#[test]
fn threat_6_a_planted_session_is_dead_after_the_log_in() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let (attacker, victim) = (Browser::new(&account), Browser::new(&account));
    attacker.log_in("oAttacker");
    let planted = attacker.cookie(SESSION).unwrap();
    victim.plant(SESSION, Some(&planted));
    store::change(
        &account.store_path(),
        "UPDATE sessions SET created_at = created_at - 60",
    );
    let back = victim.begin("/wx/login/fresh?to=/docs", &code("oVictim"));
    let flow = victim.cookie(FLOW);
    victim.get(&back).is_status(303);
    assert_ne!(victim.cookie(SESSION).unwrap(), planted);
    assert_eq!(attacker.check("all"), 401);
    victim
        .get("/wx/auth/all")
        .is_status(200)
        .has_header("x-wechat-openid", "oVictim");
    // A made-up one does not become a session.
    let made_up = "A".repeat(43);
    victim.plant(SESSION, Some(&made_up));
    victim.plant(FLOW, flow.as_deref());
    victim.log_in("oVictim");
    assert_ne!(victim.cookie(SESSION).unwrap(), made_up);
}

#[test]
fn threat_7_no_cookie_is_found_in_the_store_or_the_log() {
    let platform = Platform::start();
    let mut account = setup(&platform).env("RUST_LOG", "trace").start();
    let secrets: BTreeSet<String> = {
        let mut secrets = BTreeSet::new();
        for fan in ["oFanOne", "oFanTwo"] {
            let browser = Browser::new(&account);
            browser.log_in(fan);
            browser.get("/wx/me").is_status(200);
            secrets.extend([SESSION, FLOW].map(|name| browser.cookie(name).unwrap()));
        }
        secrets
    };
    assert_eq!(secrets.len(), 4);
    let backup = account.folder().join("copy.db");
    account.command(&["backup", backup.to_str().unwrap()]).ok();
    account.stop();
    for entry in std::fs::read_dir(account.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    for secret in &secrets {
        assert!(!account.log().has(secret), "{}", account.log());
    }
    assert!(!account.log().has("SYN_USER_TOKEN"), "{}", account.log());
}

#[test]
fn threat_8_no_foreign_page_logs_anybody_out() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    browser.log_in("oFanOne");
    let post = || Request::new("POST", "/wx/logout");
    browser.send(post()).is_status(403);
    for (name, value) in [
        ("Origin", "https://evil.test"),
        ("Origin", "null"),
        ("Origin", "https://example.com.evil.test"),
        ("Referer", "https://evil.test/?https://example.com/"),
    ] {
        browser.send(post().header(name, value)).is_status(403);
    }
    browser.get("/wx/logout").is_status(200);
    assert_eq!(browser.check("all"), 200);
    browser
        .send(post().header("Referer", "https://example.com/wx/logout"))
        .is_status(303);
    assert_eq!(browser.check("all"), 401);
}

/// An answer without what changes by itself.
fn lasting(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.response.headers.clone();
    headers.retain(|(name, _)| name != "date");
    (answer.response.status, headers, answer.body())
}

#[test]
fn threat_15_the_query_of_a_check_decides_nothing() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    browser.log_in("oFanOne");
    for browser in [&browser, &Browser::new(&account)] {
        for path in ["/wx/auth/members", "/wx/auth/all", "/wx/auth"] {
            let plain = lasting(&browser.get(path));
            let asked = lasting(&browser.get(&format!("{path}?gate=x&to=//e")));
            assert_eq!(plain, asked, "{path}");
            let posted = Request::new("POST", &format!("{path}?gate=all")).body("gate=all&to=//e");
            assert_eq!(plain, lasting(&browser.send(posted)), "{path}");
        }
    }
}

#[test]
fn threat_16_strangers_are_not_believed_about_the_way_back() {
    let platform = Platform::start();
    let asked = |account: &Account| {
        let asked = Request::new("GET", "/wx/auth/all")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "example.com")
            .header("X-Forwarded-Uri", "/docs");
        let answer = account.send(&asked);
        answer
            .is_status(401)
            .header("x-wechat-login")
            .unwrap()
            .to_owned()
    };
    let behind_a_proxy = setup(&platform).start();
    let login = |to: &str| format!("{SITE}/wx/login/all?to={to}");
    assert_eq!(asked(&behind_a_proxy), login("%2Fdocs"));
    let direct = setup(&platform).set("server.trusted_proxies", "[]").start();
    assert_eq!(asked(&direct), login("%2F"));
}

#[test]
fn threat_17_who_loses_the_right_loses_it_with_the_push() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let logged_in = || {
        let (browser, fan) = (Browser::new(&account), account.follower());
        browser.log_in(&fan);
        assert_eq!(browser.check("members"), 200);
        (browser, fan)
    };
    let about = |name: &str, fan: &str| {
        let push = event(name)
            .element("OpenID", fan)
            .element("AppID", "wx00aa11bb22cc33dd");
        push.element("RevokeInfo", "301")
    };
    let (browser, fan) = logged_in();
    account.post(&unsubscribe().from(&fan)).is_status(200);
    assert_eq!(browser.check("members"), 401);
    assert_eq!(browser.check("all"), 401);
    for name in [
        "user_authorization_revoke",
        "user_authorization_cancellation",
    ] {
        let (browser, fan) = logged_in();
        account.post(&about(name, &fan)).is_status(200);
        assert_eq!(browser.check("all"), 401, "{name}");
    }
    let (browser, fan) = logged_in();
    account
        .command(&["followers", "forget", &fan, "--yes"])
        .ok();
    assert_eq!(browser.check("all"), 401);
    assert_eq!(account.store().count("sessions"), 0);
    // Who does not follow is known, and does not pass.
    let stranger = Browser::new(&account);
    stranger.log_in("oStranger");
    assert_eq!(
        (stranger.check("members"), stranger.check("all")),
        (403, 200)
    );
}

#[test]
fn threat_18_a_snapshot_logs_nobody_in() {
    let platform = Platform::start();
    let account = setup(&platform).start();
    let browser = Browser::new(&account);
    let snapshot = format!("{}%20snapshot", code("oVirtual"));
    let page = browser.get(&browser.begin("/wx/login/all?to=/docs", &snapshot));
    page.is_status(200)
        .expect(page.body().contains("使用完整服务"), "what to tap");
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(account.store().count("sessions"), 0);
}
