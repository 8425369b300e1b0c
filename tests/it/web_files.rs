//! What the web part gives to pages and messages: signatures for the JS-SDK, pictures, and files of answers.

use crate::support::*;

const TICKET: &str = "/cgi-bin/ticket/getticket";

fn web() -> Setup {
    Setup::new().set("web.url", "\"https://example.com\"")
}

#[test]
fn a_page_is_signed_with_a_ticket_that_was_fetched_before_anybody_asked() {
    let platform = Platform::start();
    platform.fault(TICKET, Fault::Errcode(-1, "system error"));
    let mut account = web().platform(&platform).start();
    let page = "/wx/jsapi?url=https%3A%2F%2Fexample.com%2F";
    account.log().says("JS-SDK: there is a jsapi_ticket again");
    for _ in 0..3 {
        let answer = account.get(page);
        answer
            .is_status(200)
            .has_header("cache-control", "no-store");
    }
    account.restart();
    account.get(page).is_status(200);
    let ticket = account.command(&["token", "--jsapi-ticket"]);
    assert_eq!(ticket.ok().stdout, "SYN_JSAPI_TICKET_1\n");
    assert_eq!(platform.count(TICKET), 2);
    for (url, status) in [
        ("https://evil/", 403),
        ("https://example.com.evil/", 403),
        ("https://example.com@evil/", 400),
        ("//example.com/", 400),
        ("file:///etc/passwd", 400),
    ] {
        account
            .get(&format!("/wx/jsapi?url={url}"))
            .is_status(status);
    }
}

#[test]
fn no_page_is_signed_without_a_ticket() {
    let platform = Platform::start();
    platform.always(TICKET, Fault::Errcode(48001, "api unauthorized"));
    let account = web().platform(&platform).start();
    account.log().says("JS-SDK: there is no jsapi_ticket");
    let answer = account.get("/wx/jsapi?url=https://example.com/");
    answer.is_status(503).has_header("retry-after", "5");
}
