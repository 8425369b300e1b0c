//! Owners sign in with their own WeChat, by the log-in of web pages.

use crate::support::operator::{PAGE, ask, cookie, page};
use crate::support::store::change;
use crate::support::*;
use ring::digest::{SHA256, digest};

const OWNER: &str = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";

fn setup() -> Setup {
    Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("admin.url", "\"https://example.com/admin\"")
        .set("admin.owners", &format!("[\"{OWNER}\"]"))
        .set("web.url", "\"https://example.com\"")
}

/// Logs a person in on the web pages and returns the cookie.
fn logged_in(account: &Account, openid: &str, letter: &str) -> String {
    let text = letter.repeat(43);
    let hash = digest(&SHA256, text.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO sessions (token_hash, openid, method, created_at, expires_at) VALUES (x'{hash}', '{openid}', 'oauth', unixepoch(), unixepoch() + 1000)"
        ),
    );
    format!("__Host-wechatd={text}")
}

#[test]
fn an_owner_signs_in_with_wechat_until_taken_off_the_list() {
    let account = setup().start();
    let at = page(&account);
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO followers (openid, subscribe_time, nickname, remark) VALUES ('{OWNER}', 1, 'nick', 'Li <b>')"
        ),
    );
    let send = |method: &str, path: &str, cookie: &str| {
        let request = Request::new(method, path).header("Host", "example.com");
        let request = match method {
            "POST" => request.header("Origin", "https://example.com"),
            _ => request,
        };
        ask(&account, &at, request.header("Cookie", cookie))
    };
    let nobody = send("GET", "/admin/login", "a=b");
    let link = "href=\"https://example.com/wx/login?to=%2Fadmin%2Flogin\"";
    nobody.expect(nobody.body().contains(link), link);
    let owner = logged_in(&account, OWNER, "A");
    let other = logged_in(&account, &another_fan(), "B");
    let offered = send("GET", "/admin/login", &owner);
    let name = "<bdi>Sign in as Li &lt;b&gt;</bdi>";
    offered.expect(offered.body().contains(name), name);
    for (who, status) in [(other.as_str(), 403), ("a=b", 403), (&owner, 303)] {
        send("POST", "/admin/login", who).is_status(status);
    }
    // The log-in alone is no sign-in.
    send("GET", "/admin/", &owner).is_status(303);
    let signed_in = cookie(&send("POST", "/admin/login", &owner));
    send("GET", "/admin/", &signed_in).is_status(200);
    account
        .command(&["admin", "sessions"])
        .ok()
        .says("Li <b>")
        .says(OWNER);
    account.rewrite_config(|config| config.replace(OWNER, "oSynSomebodyElse"));
    account.reload();
    send("GET", "/admin/", &signed_in)
        .is_status(303)
        .has_header("location", "/admin/login");
    send("POST", "/admin/login", &owner).is_status(403);
}

#[test]
fn check_says_where_the_page_is_and_when_owners_cannot_sign_in() {
    let account = setup().stopped();
    let ran = account.command(&["check"]);
    ran.ok().says("https://example.com/admin, on 127.0.0.1:0");
    ran.says_nothing_of("admin.owners");
    for (setup, what) in [
        (setup().unset("admin.url"), "addresses of one origin"),
        (setup().unset("web.url"), "addresses of one origin"),
        (setup().unset(PAGE.0), "admin.listen is off"),
    ] {
        let account = setup.stopped();
        let ran = account.command(&["check"]);
        ran.ok()
            .says("admin.owners: nobody can sign in with WeChat")
            .says(what);
    }
    Setup::new()
        .stopped()
        .command(&["check"])
        .ok()
        .says("off; `wechatd admin` shows it");
}

#[test]
fn check_reports_a_port_of_the_page_in_use_unless_by_its_own_server() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("\"{}\"", other.local_addr().unwrap());
    let mut account = Setup::new().set("admin.listen", &listen).stopped();
    account
        .command(&["check", "--quiet"])
        .failed()
        .complains("change admin.listen");
    drop(other);
    account.command(&["check", "--quiet"]).ok();
    account.begin();
    eventually("the server notes where its page is", account.log(), || {
        account
            .store()
            .count("settings WHERE name = 'admin_listening'")
            == 1
    });
    account.command(&["check", "--quiet"]).ok();
    account.stop();
    assert_eq!(
        account
            .store()
            .count("settings WHERE name = 'admin_listening'"),
        0
    );
}
