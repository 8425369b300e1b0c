//! No other site can make a browser do something, for any route of the table.

use super::with_page;
use crate::support::operator::{Operator, PAGE, link, page};
use crate::support::*;
use wechatd::server::{AdminRoute, admin_routes};

/// The routes that do something, each with a path.
fn actions() -> Vec<(AdminRoute, String)> {
    let routes = admin_routes().into_iter();
    let actions = routes.filter(|route| route.methods == ["POST"]);
    let actions: Vec<_> = actions
        .map(|route| {
            let path = route.path.replace('*', "oSyn1aAQe7rT0uXk3mPzLc9WvBh4");
            (route, path)
        })
        .collect();
    assert!(actions.len() >= 4, "{actions:?}");
    actions
}

#[test]
fn a_form_without_the_token_of_its_own_session_or_from_another_site_does_nothing() {
    let account = with_page();
    account.post(&subscribe().from("oSyn1aAQe7rT0uXk3mPzLc9WvBh4"));
    let (own, other) = (Operator::of(&account), Operator::of(&account));
    assert_ne!(own.token, other.token);
    account.await_rest_of("chores");
    let before = account.store().dump();
    for (route, path) in actions() {
        let with = |token: &str| Request::new("POST", &path).body(format!("token={token}&ids=1"));
        let sent = |request: Request| {
            own.send(request).is_status(403);
            let now = account.store().dump();
            assert_eq!(now, before, "{} did something", route.path);
        };
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "null"),
            ("Origin", "https://evil.test"),
            ("Origin", "http://127.0.0.1:1"),
        ] {
            sent(with(&own.token).header(name, value));
        }
        if route.needs_sign_in {
            sent(Request::new("POST", &path));
            sent(with(""));
            sent(with(&other.token));
            sent(with(&own.token[1..]));
            sent(with(&format!("{0}&token={0}", own.token)));
            let nobody = with(&own.token).header("Cookie", "wechatd-admin=x");
            sent(nobody);
        }
    }
    account.log().says("was sent from another site");
    own.get("/").is_status(200);
}

#[test]
fn nothing_is_changed_by_looking() {
    let setup = Setup::new().set(PAGE.0, PAGE.1);
    let account = setup.set("admin.metrics", "true").start();
    account.post(&text("hello"));
    let key = link(&account);
    let operator = Operator::of(&account);
    account.await_rest_of("chores");
    let before = account.store().dump();
    for route in admin_routes() {
        let path = route.path.replace('*', "oSyn1aAQe7rT0uXk3mPzLc9WvBh4");
        for method in ["GET", "HEAD"] {
            let answer = operator.send(Request::new(method, &path));
            let is_action = route.methods == ["POST"];
            let both = admin_routes()
                .iter()
                .any(|other| other.path == route.path && other.methods.contains(&"GET"));
            match is_action && !both {
                true => answer.is_status(405).has_header("allow", "POST"),
                // There is no file.
                false if route.path == "/media/*" => answer.is_status(404),
                false => answer.expect(answer.response.status < 400, "no error"),
            };
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    assert_eq!(account.store().dump(), before);
    assert_eq!(account.store().count("admin_keys"), 1, "{key}");
}

#[test]
fn signing_out_ends_the_session_and_its_cookie() {
    let account = with_page();
    let (leaves, stays) = (Operator::of(&account), Operator::of(&account));
    let answer = leaves.post("/logout", "");
    answer
        .is_status(303)
        .has_header("location", "/login")
        .has_header("set-cookie", "wechatd-admin=; Path=/; Max-Age=0");
    leaves.get("/").is_status(303);
    leaves.post("/logout", "").is_status(403);
    stays.get("/").is_status(200);
}

#[test]
fn the_language_is_switched_by_a_form_and_stays() {
    let account = with_page();
    let operator = Operator::of(&account);
    let chinese = |request: Request| {
        operator
            .send(request)
            .body()
            .contains("lang=\"zh-CN\"><head>")
    };
    let get = |accept: &str| Request::new("GET", "/").header("Accept-Language", accept);
    for (accept, is_chinese) in [
        ("zh-TW,zh;q=0.9", true),
        ("en", false),
        ("de,fr;q=0.5", false),
    ] {
        assert_eq!(chinese(get(accept)), is_chinese, "{accept}");
    }
    let answer = operator.post("/language", "language=zh-CN&back=%2F%3Fdays%3D90");
    answer.is_status(303).has_header("location", "/?days=90");
    let cookie = operator::cookie(&answer);
    let both = format!("{cookie}; {}", operator.cookie);
    assert!(chinese(get("en").header("Cookie", &both)));
    for elsewhere in [
        "%2F%2Fevil.test",
        "https%3A%2F%2Fevil.test",
        "%2F%5Cevil.test",
    ] {
        let answer = operator.post("/language", &format!("language=en&back={elsewhere}"));
        assert_eq!(answer.header("location"), Some("/"));
    }
    let odd = operator.post("/language", "language=xx&back=/");
    assert_eq!(odd.header("set-cookie"), None);
    // Before anybody is signed in.
    let at = page(&account);
    let answer = operator::ask(
        &account,
        &at,
        Request::new("POST", "/language").body("language=zh-CN&back=/login"),
    );
    answer.is_status(303).has_header("location", "/login");
}
