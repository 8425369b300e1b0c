//! URL verification, as the console does it when an owner saves URL and Token, and other requests that are not a push.

use crate::support::{Account, Request, Setup, TOKEN, nonce, now, sample, signed_query, text};

#[test]
fn every_published_signature_vector_is_echoed() {
    let vectors: serde_json::Value = serde_json::from_str(&sample("crypto/vectors.json")).unwrap();
    let mut tried = 0;
    for vector in vectors["signature"].as_array().unwrap() {
        let field = |name: &str| vector[name].as_str().unwrap_or_default();
        if field("echostr").is_empty() {
            continue;
        }
        let account = Setup::new()
            .set("account.token", &format!("\"{}\"", field("token")))
            .set("server.max_clock_skew", "\"0s\"")
            .start();
        let target = format!(
            "/wechat?signature={}&timestamp={}&nonce={}&echostr={}",
            field("signature"),
            field("timestamp"),
            field("nonce"),
            field("echostr")
        );
        let answer = account.get(&target);
        answer.is(200, field("expected_body"));
        answer.has_header("content-type", "text/plain");
        tried += 1;
    }
    assert!(tried >= 6, "only {tried} vectors have an echostr");
}

#[test]
fn every_published_three_part_signature_is_accepted() {
    let vectors: serde_json::Value = serde_json::from_str(&sample("crypto/vectors.json")).unwrap();
    for vector in vectors["signature"].as_array().unwrap() {
        let field = |name: &str| vector[name].as_str().unwrap_or_default();
        if field("signature").is_empty() || !(3..=32).contains(&field("token").len()) {
            continue;
        }
        let account = Setup::new()
            .set("account.token", &format!("\"{}\"", field("token")))
            .set("server.max_clock_skew", "\"0s\"")
            .start();
        let query = format!(
            "signature={}&timestamp={}&nonce={}",
            field("signature"),
            field("timestamp"),
            field("nonce")
        );
        account
            .get(&format!("/wechat?{query}&echostr=42"))
            .is(200, "42");
    }
}

#[test]
fn the_echostr_is_returned_exactly_and_never_as_html() {
    let account = Account::start();
    let long = "9".repeat(500);
    for (sent, expected) in [
        ("4375120948345356249", "4375120948345356249"),
        (
            "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "<script>alert(1)</script>",
        ),
        ("%E4%BD%A0%E5%A5%BD", "你好"),
        ("a%26b%3Dc", "a&b=c"),
        ("with-dash_and.dot~", "with-dash_and.dot~"),
        (&long, &long),
    ] {
        let answer = account.get(&format!("/wechat?{}&echostr={sent}", account.signed()));
        answer.is(200, expected);
        answer.has_header("content-type", "text/plain");
    }
}

#[test]
fn the_order_of_the_parameters_does_not_matter_and_others_are_ignored() {
    let account = Account::start();
    let signed = account.signed();
    let mut parts: Vec<&str> = signed.split('&').collect();
    parts.reverse();
    let query = parts.join("&");
    account
        .get(&format!(
            "/wechat?echostr=7&{query}&from=console&empty=&flag"
        ))
        .is(200, "7");
}

#[test]
fn a_handshake_without_a_valid_signature_is_refused() {
    let account = Account::start();
    let (stamp, nonce) = (now().to_string(), nonce());
    let good = signed_query(TOKEN, &stamp, &nonce);
    let signature = &good["signature=".len()..][..40];
    let rest = format!("timestamp={stamp}&nonce={nonce}");
    let flipped = flip_last_digit(signature);
    let stale = (now() - 660).to_string();
    let future = (now() + 660).to_string();
    for query in [
        String::new(),
        "?".into(),
        "?echostr=1".into(),
        format!("?{good}"),
        format!("?{rest}&echostr=1"),
        format!("?signature=&{rest}&echostr=1"),
        format!("?signature={flipped}&{rest}&echostr=1"),
        format!("?signature={}&{rest}&echostr=1", &signature[..39]),
        format!("?signature={signature}0&{rest}&echostr=1"),
        format!("?signature={}&{rest}&echostr=1", signature.to_uppercase()),
        format!("?signature={signature}&nonce={nonce}&echostr=1"),
        format!("?signature={signature}&timestamp={stamp}&echostr=1"),
        format!("?signature={signature}&timestamp={stamp}1&nonce={nonce}&echostr=1"),
        format!("?signature={signature}&timestamp={stamp}&nonce={nonce}1&echostr=1"),
        // Another Token, or none.
        format!(
            "?{}&echostr=1",
            signed_query("anotherToken", &stamp, &nonce)
        ),
        format!("?{}&echostr=1", signed_query("", &stamp, &nonce)),
        format!("?{}&echostr=1", signed_query(TOKEN, &stale, &nonce)),
        format!("?{}&echostr=1", signed_query(TOKEN, &future, &nonce)),
        format!("?{}&echostr=1", signed_query(TOKEN, "now", &nonce)),
        format!("?{}&echostr=1", signed_query(TOKEN, "-1", &nonce)),
        format!(
            "?{}&echostr=1",
            signed_query(TOKEN, "99999999999999999999", &nonce)
        ),
        // A repeated parameter is ambiguous.
        format!("?{good}&signature={flipped}&echostr=1"),
        format!("?signature={flipped}&{good}&echostr=1"),
        format!("?{good}&signature={signature}&echostr=1"),
        format!("?{good}&timestamp={stamp}&echostr=1"),
        format!("?{good}&nonce=1&echostr=1"),
        format!("?{good}&echostr=1&echostr=2"),
        // Parameter names are case-sensitive.
        format!("?Signature={signature}&{rest}&echostr=1"),
        format!("?msg_signature={signature}&{rest}&echostr=1"),
        // Bytes that are not UTF-8.
        format!("?{good}&echostr=%ff%fe"),
    ] {
        account.get(&format!("/wechat{query}")).is_refused();
    }
    account
        .get(&format!("/wechat?{good}&echostr=still-there"))
        .is(200, "still-there");
}

#[test]
fn the_previous_token_is_still_accepted() {
    let account = Setup::new()
        .set("account.previous_token", "\"formerToken2025\"")
        .start();
    let query = signed_query("formerToken2025", &now().to_string(), &nonce());
    account
        .get(&format!("/wechat?{query}&echostr=12"))
        .is(200, "12");
    let query = signed_query(TOKEN, &now().to_string(), &nonce());
    account
        .get(&format!("/wechat?{query}&echostr=34"))
        .is(200, "34");
    account
        .post(&text("hello").signed_with("formerToken2025"))
        .is_status(200);
    account
        .post(&text("hello").signed_with("oldestToken2024"))
        .is_refused();
}

#[test]
fn a_clock_that_is_nine_minutes_off_is_tolerated() {
    let account = Account::start();
    for stamp in [now() - 540, now() + 540] {
        let query = signed_query(TOKEN, &stamp.to_string(), &nonce());
        account
            .get(&format!("/wechat?{query}&echostr=5"))
            .is(200, "5");
    }
}

#[test]
fn other_paths_are_not_found() {
    let account = Account::start();
    let signed = account.signed();
    for path in [
        "/",
        "/wechat/",
        "/wechat/x",
        "/wechatx",
        "/WECHAT",
        "/Wechat",
        "//wechat",
        "/./wechat",
        "/x/../wechat",
        "/%77echat",
        "/healthz/",
        "/healthzx",
        "/favicon.ico",
    ] {
        account
            .get(&format!("{path}?{signed}&echostr=1"))
            .is_status(404);
        let post = Request::new("POST", &format!("{path}?{signed}")).body("<xml/>");
        account.send(&post).is_status(404);
    }
}

#[test]
fn the_callback_path_is_the_configured_one() {
    let account = Setup::new().set("server.path", "\"/mp/callback\"").start();
    let query = account.signed();
    account
        .get(&format!("/mp/callback?{query}&echostr=8"))
        .is(200, "8");
    account
        .get(&format!("/wechat?{query}&echostr=8"))
        .is_status(404);
    account.log().says("/mp/callback");
}

#[test]
fn other_methods_get_405_and_the_allowed_ones() {
    let account = Account::start();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let target = format!("/wechat?{}&echostr=1", account.signed());
        let answer = account.send(&Request::new(method, &target));
        answer.is_status(405);
        answer
            .has_header("allow", "GET")
            .has_header("allow", "POST");
    }
}

#[test]
fn healthz_answers_ok_without_a_signature() {
    let account = Account::start();
    let answer = account.get("/healthz");
    answer.is_status(200);
    answer.expect(answer.body().trim_end() == "ok", "body ok");
    answer.has_header("content-type", "text/plain");
}

/// The same text with its last hexadecimal digit changed.
fn flip_last_digit(signature: &str) -> String {
    let (head, last) = signature.split_at(signature.len() - 1);
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}
