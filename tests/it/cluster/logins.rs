//! The web part and the operator's page of two servers behind a load balancer that sends each request to either.

use crate::support::account::RULES;
use crate::support::browser::{Browser, FLOW, SESSION, SITE, code, location, offered};
use crate::support::cluster::Cluster;
use crate::support::operator::{Operator, PAGE, ask, link, page};
use crate::support::*;
use std::sync::Barrier;
use std::thread;

const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const GATES: &str = "
[[gate]]
name = \"all\"
who = \"anyone\"

[[gate]]
name = \"members\"
who = \"followers\"
";

/// Two servers of one account, with the web part.
#[track_caller]
fn nodes(cluster: &Cluster, platform: &Platform) -> [Account; 2] {
    [(); 2].map(|()| {
        let setup = cluster
            .setup()
            .platform(platform)
            .set("web.url", &format!("\"{SITE}\""))
            .set("web.rate", "1000")
            .rules(&format!("{RULES}{GATES}"));
        setup.start()
    })
}

#[test]
fn a_page_that_asks_one_server_hears_of_the_scan_at_the_other_and_is_logged_in_at_both() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let [one, other] = nodes(&cluster, &platform);
    let fan = one.follower();
    let mut browser = Browser::new(&one).calling_itself(DESKTOP);
    let begun = browser
        .post("/wx/scan", "gate=members&to=%2Fdocs%3Fa%3D1")
        .is_status(201)
        .json();
    let id = begun["id"].as_str().unwrap();
    let (path, scene) = (format!("/wx/scan/{id}"), format!("login-{id}"));
    assert_eq!(begun["qr"], format!("http://weixin.qq.com/q/SYN_{scene}"));
    let flow = browser.cookie(FLOW).unwrap();
    let hears = |account: &Account, known: &str| {
        let poll = format!("{path}?state={known}");
        let poll = Request::new("GET", &poll).header("Cookie", &format!("{FLOW}={flow}"));
        account.send(&poll).is_status(200).json()
    };
    // A page waits at each; the push comes to one of them.
    let numbers = thread::scope(|scope| {
        let polls = [&one, &other].map(|account| scope.spawn(|| hears(account, "waiting")));
        let said = other.post(&scan(&scene).from(&fan)).reply().content;
        assert!(
            said.contains("example.com") && said.contains("Firefox, Linux"),
            "{said}"
        );
        polls.map(|poll| {
            let heard = poll.join().unwrap();
            assert_eq!(heard["state"], "scanned");
            let number = heard["number"].to_string();
            assert!(offered(&said).contains(&number), "{said}");
            number
        })
    });
    assert_eq!(numbers[0], numbers[1]);
    // Somebody else who scans it at the other is told that it is taken.
    let second = other.follower();
    let taken = one.post(&scan(&scene).from(&second)).reply().content;
    assert!(
        offered(&taken).is_empty() && taken.contains("已被使用"),
        "{taken}"
    );
    browser.post(&path, "").is_status(409);
    thread::scope(|scope| {
        let poll = scope.spawn(|| hears(&other, "scanned"));
        let said = one.post(&text(&numbers[0]).from(&fan)).reply().content;
        assert!(said.contains("已确认"), "{said}");
        assert_eq!(poll.join().unwrap()["state"], "approved");
    });
    // A browser that knows the id and not the cookie gets nothing.
    Browser::new(&other).post(&path, "").is_status(404);
    let done = browser.taken_to(&other).post(&path, "");
    done.is(200, "{\"to\":\"https://example.com/docs?a=1\"}");
    browser.taken_to(&one).post(&path, "").is_status(409);
    for account in [&one, &other] {
        browser.taken_to(account);
        assert_eq!(browser.check("members"), 200);
    }
    assert_eq!(
        cluster.sql("SELECT openid, method FROM sessions"),
        format!("{fan}\tscan")
    );
}

#[test]
fn a_session_that_ends_at_one_server_ends_at_the_other() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let [one, other] = nodes(&cluster, &platform);
    let fan = one.follower();
    let mut browser = Browser::new(&one);
    for way in ["log out", "command", "unsubscribe"] {
        browser.taken_to(&one).log_in(&fan);
        let cookie = browser.cookie(SESSION);
        for account in [&other, &one] {
            assert_eq!(browser.taken_to(account).check("members"), 200);
        }
        match way {
            "log out" => {
                browser
                    .taken_to(&other)
                    .post("/wx/logout", "")
                    .is_status(303);
            }
            "command" => {
                let end = ["sessions", "end", "--openid", &fan, "--yes"];
                other.command(&end).ok();
            }
            _ => {
                other.post(&unsubscribe().from(&fan)).is_status(200);
            }
        }
        // The cookie itself is dead, and not only gone.
        browser.plant(SESSION, cookie.as_deref());
        assert_eq!(browser.taken_to(&one).check("all"), 401, "{way}");
    }
}

#[test]
fn a_log_in_inside_wechat_may_come_back_to_the_other_server() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let [one, other] = nodes(&cluster, &platform);
    let fan = one.follower();
    let mut browser = Browser::new(&one);
    let back = browser.begin("/wx/login/all?to=/docs", &code(&fan));
    let done = browser.taken_to(&other).get(&back);
    done.is_status(303);
    assert_eq!(location(&done), format!("{SITE}/docs"));
    assert_eq!(browser.taken_to(&one).check("all"), 200);
    // WeChat calls the return address several times, and people go back.
    let again = browser.get(&back);
    again.is_status(303);
    assert_eq!(location(&again), format!("{SITE}/docs"));
    assert_eq!(platform.count("/sns/oauth2/access_token"), 1);
}

#[test]
fn a_browser_that_loses_the_cookie_is_asked_by_one_server_and_answers_the_other() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let [one, other] = nodes(&cluster, &platform);
    let fan = one.follower();
    let mut browser = Browser::new(&one).losing(FLOW);
    let back = browser.begin("/wx/login/all?to=/docs", &code(&fan));
    let asked = browser.get(&back);
    asked
        .is_status(200)
        .expect(asked.body().contains("method=\"post\""), "the button");
    let (_, form) = back.split_once('?').unwrap();
    let done = browser.taken_to(&other).post("/wx/back", form);
    done.is_status(303);
    assert_eq!(location(&done), format!("{SITE}/docs"));
    assert_eq!(browser.taken_to(&one).check("all"), 200);
    // Nobody else learns whose code it is.
    let stranger = Browser::new(&other).calling_itself(DESKTOP);
    let refused = stranger.post("/wx/back", form);
    assert_ne!(refused.response.status, 303);
    refused.expect(!refused.body().contains("method=\"post\""), "no button");
}

/// Two servers with the operator's page.
#[track_caller]
fn with_page(cluster: &Cluster) -> [Account; 2] {
    [(); 2].map(|()| cluster.setup().set(PAGE.0, PAGE.1).start())
}

#[test]
fn who_signs_in_on_the_page_of_one_server_is_signed_in_on_that_of_the_other() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = with_page(&cluster);
    // A link that one server has made works at the other, and once at both.
    let key = link(&one);
    let mut operator = Operator::by(&other, &key);
    let again = ask(&one, &page(&one), Request::new("POST", &key));
    again.is_status(410);
    one.post(&text("hello")).is_status(200);
    let id = cluster.sql("SELECT id FROM messages");
    // A form of a page of the one is taken by the other.
    operator.get("/inbox").is_status(200);
    let form = format!("ids={id}");
    operator
        .taken_to(&one)
        .post("/inbox/done", &form)
        .is_status(303);
    assert_eq!(cluster.sql("SELECT todo FROM messages"), "0");
    operator.post("/logout", "").is_status(303);
    let signed_out = operator.taken_to(&other).get("/inbox");
    signed_out.is_status(303).has_header("location", "/login");
}

#[test]
fn an_open_page_of_one_server_hears_of_a_message_that_the_other_received() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = with_page(&cluster);
    one.post(&text("first")).is_status(200);
    let operator = Operator::of(&one);
    let body = operator.get("/inbox").is_status(200).body();
    let (_, rest) = body.split_once("data-news=\"").unwrap();
    let news = rest.split('"').next().unwrap();
    let new = || operator.get(news).is_status(200).json()["new"].clone();
    assert_eq!(new(), 0);
    other.post(&text("second")).is_status(200);
    assert_eq!(new(), 1);
    // The clock of the other is behind.
    cluster.sql("UPDATE messages SET id = id - 30000000 WHERE content = 'second'");
    assert_eq!(new(), 1);
    let shown = operator.get("/inbox");
    shown.expect(shown.body().contains("second"), "both messages");
}

#[test]
fn two_servers_that_start_for_the_first_time_at_once_have_one_token() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let barrier = Barrier::new(2);
    let nodes = thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                let setup = cluster.setup().unset("account.token");
                barrier.wait();
                setup.start()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let token = cluster.sql("SELECT value FROM settings WHERE name = 'token'");
    assert_eq!(token.len(), 32, "{token}");
    for node in &nodes {
        let push = text("hello").from(&another_fan());
        node.post(&push.signed_with(&token)).is_status(200);
    }
}

#[test]
fn the_figures_of_one_server_count_who_followed_at_the_other() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let setup = cluster.setup().set(PAGE.0, PAGE.1);
    let [one, other] = [setup.set("admin.metrics", "true").start(), cluster.node()];
    other.post(&subscribe().from(&another_fan())).is_status(200);
    let counted = || {
        let figures = ask(&one, &page(&one), Request::new("GET", "/metrics"));
        let body = figures.is_status(200).body();
        let name = "wechatd_follow_events_total{action=\"subscribe\",source=\"push\"} ";
        let (_, rest) = body.split_once(name).unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    // Counted after a minute: a node whose clock is behind writes lower ids until then.
    cluster.sql("UPDATE follow_log SET id = id - 60000000");
    assert_eq!(counted(), "1");
    assert_eq!(counted(), "1");
}
