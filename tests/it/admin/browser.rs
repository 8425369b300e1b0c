//! The operator's page in a real browser: the way from a message to its answer, with a mouse and with keys alone, with
//! scripts and without; and every page on a phone and on a desk, light and dark, in both languages.

use crate::support::http::{Address, Request};
use crate::support::operator::{PAGE, link, page};
use crate::support::store::{change, pass};
use crate::support::webdriver::{Chromium, DESK, ENTER, Look, PHONE, TAB};
use crate::support::*;
use serde_json::json;

/// A script that returns what some people could not use of a page: the rules of axe-core that matter here.
const FAULTS: &str = include_str!("browser/accessible.js");

const SEND: &str = "/cgi-bin/message/custom/send";

fn start(platform: &Platform) -> Account {
    Setup::new().set(PAGE.0, PAGE.1).platform(platform).start()
}

/// The address of the page, without a path.
fn site(account: &Account) -> String {
    match page(account) {
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(path) => panic!("{}", path.display()),
    }
}

fn sign_in(browser: &Chromium, account: &Account) -> String {
    let site = site(account);
    browser.open(&format!("{site}{}", link(account)));
    browser.find("main button").click();
    browser.comes_to(&format!("{site}/"));
    site
}

/// Moves the focus with the tabulator until it is on what this selector means, as far as `most` steps.
fn tab_to(browser: &Chromium, css: &str, most: usize) {
    let script = format!("return document.activeElement.matches({})", json!(css));
    for _ in 0..most {
        browser.keys(TAB);
        if browser.run(&script) == true {
            return;
        }
    }
    panic!("{css} is not reached by keys");
}

/// Waits until the page says this about the window.
fn window_says(browser: &Chromium, says: &str) {
    let script = "return document.getElementById('answer-window')?.textContent ?? ''";
    browser.waits(says, || {
        let text = browser.run(script);
        text.as_str().is_some_and(|text| text.contains(says))
    });
}

#[test]
fn a_message_is_found_and_answered_with_and_without_scripts() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let account = start(&platform);
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    account.post(&text("when is tea time?")).is_status(200);
    account
        .post(&text(hostile).from(&another_fan()))
        .is_status(200);
    for (runs_scripts, answer, left) in [(true, "At five & six", 4), (false, "Without scripts", 3)]
    {
        browser.looks(Look {
            runs_scripts,
            ..DESK
        });
        let site = sign_in(&browser, &account);
        browser.find("nav a[href='/inbox']").click();
        browser.find("input[name=q]").types("tea time");
        browser.find("form.search .row button").click();
        browser.comes_to(&format!(
            "{site}/inbox?tab=messages&q=tea+time&from=&since=&rule="
        ));
        browser.find(".line .head a").click();
        browser.comes_to(&format!("{site}/people/{FAN}#answer"));
        browser.find("textarea").types(answer);
        browser.find("#answer button").click();
        window_says(&browser, &format!("at most {left} of 5 messages"));
        let shown: Vec<String> = browser
            .all(".went .bubble")
            .iter()
            .map(|part| part.text())
            .collect();
        assert!(shown.iter().any(|text| text == answer), "{shown:?}");
        // What others write does nothing.
        browser.open(&format!("{site}/inbox"));
        let lines: Vec<String> = browser
            .all(".said")
            .iter()
            .map(|part| part.text())
            .collect();
        assert_eq!(lines[0], hostile);
        assert_eq!(browser.dialog(), None);
        assert_eq!(browser.console(), Vec::<String>::new());
    }
    let sent: Vec<_> = platform
        .bodies(SEND)
        .iter()
        .map(|body| body["text"]["content"].clone())
        .collect();
    assert_eq!(sent, [json!("At five & six"), json!("Without scripts")]);
    // With keys alone.
    browser.looks(DESK);
    let site = site(&account);
    browser.open(&format!("{site}/people/{FAN}"));
    tab_to(&browser, "textarea", 30);
    browser.keys("By keys");
    tab_to(&browser, "#answer button", 3);
    browser.keys(ENTER);
    window_says(&browser, "at most 2 of 5 messages");
    // The box is shut two days later, and open again after a tap on the menu.
    pass(&account.store_path(), 48 * 3_600);
    browser.open(&format!("{site}/people/{FAN}"));
    assert_eq!(
        browser.find("textarea").attribute("disabled").as_deref(),
        Some("true")
    );
    account.post(&click("HOURS")).is_status(200);
    browser.open(&format!("{site}/people/{FAN}"));
    window_says(&browser, "at most 3 of 3 messages");
}

/// What many people wrote in the last days. `MOST` is how many messages.
const MANY: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < MOST)
    INSERT INTO messages (dedup_key, openid, msg_type, content, xml, received_at, rule, todo)
    SELECT 'k' || i, 'oSynFollowerNumber' || (100000 + i % 5000), 'text',
        CASE i % 5 WHEN 0 THEN '请问今天几点开门？' WHEN 1 THEN 'Is there parking nearby?' WHEN 2 THEN '谢谢'
            WHEN 3 THEN 'averyveryverylongwordwithoutanyblankaveryveryverylongwordwithoutanyblank' ELSE '@ 希望增加停车位 ' || i END,
        '<xml/>', unixepoch() - (MOST - i), CASE i % 5 WHEN 4 THEN 'suggestion' ELSE 'help' END, iif(i % 5 = 4 AND i > MOST - 100, 1, NULL) FROM n;
    INSERT OR IGNORE INTO followers (openid, subscribe_time, nickname) SELECT DISTINCT openid, 1790000000, 'nickname 昵称 ' || substr(openid, -3) FROM messages WHERE id % 2 = 0;";

#[test]
fn every_page_fits_on_a_phone_and_a_desk_in_light_and_dark_and_both_languages() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let account = start(&platform);
    let site = sign_in(&browser, &account);
    let looks = [
        (
            "phone-zh-dark",
            Look {
                language: "zh-CN",
                is_dark: true,
                ..PHONE
            },
        ),
        ("desk-en-light", DESK),
        (
            "narrow-en-dark",
            Look {
                size: (320, 640),
                is_dark: true,
                ..PHONE
            },
        ),
        (
            "desk-zh-light",
            Look {
                language: "zh-CN",
                ..DESK
            },
        ),
    ];
    for (amount, person) in [("none", None), ("one", Some(FAN)), ("many", Some(FAN))] {
        match amount {
            "one" => {
                account.post(&subscribe_by("poster")).is_status(200);
                account
                    .post(&text("@ 希望周末也营业，谢谢！"))
                    .is_status(200);
                account.post(&image()).is_status(200);
                let query = account.signed().replace("signature=", "signature=0");
                account
                    .send(&Request::new("POST", &format!("/wechat?{query}")))
                    .is_status(403);
                change(
                    &account.store_path(),
                    "INSERT INTO troubles (kind, text, since) VALUES ('disk', 'only 3 MiB free beside the store', 1790000000)",
                );
                account
                    .command(&["send", FAN, "我们周六上午九点到下午五点营业。"])
                    .ok();
            }
            "many" => {
                // To look at; a test build takes a second for each page of so many.
                let is_looked_at = std::env::var_os("WECHATD_SCREENSHOTS").is_some();
                let most = if is_looked_at { "200000" } else { "2000" };
                change(&account.store_path(), &MANY.replace("MOST", most));
            }
            _ => {}
        }
        let mut paths: Vec<(&str, String)> = [
            ("overview", "/"),
            ("inbox", "/inbox"),
            ("todo", "/inbox?tab=todo"),
            ("events", "/inbox?tab=events"),
            ("followers", "/followers"),
            ("rules", "/rules?text=%40tea"),
            ("unanswered", "/unanswered"),
            ("health", "/health"),
            ("login", "/login"),
            ("nowhere", "/nowhere"),
        ]
        .map(|(name, path)| (name, path.to_owned()))
        .into();
        paths.extend(person.map(|person| ("person", format!("/people/{person}"))));
        for (look_name, look) in &looks {
            browser.looks(*look);
            for (name, path) in &paths {
                browser.open(&format!("{site}{path}"));
                let widths =
                    browser.run("return [document.documentElement.scrollWidth, innerWidth]");
                assert!(
                    widths[0].as_i64() <= widths[1].as_i64(),
                    "{path} {look_name} {amount}: {widths}"
                );
                let mut console = browser.console();
                // Chromium notes an answer 404 there.
                console.retain(|said| !said.contains("/nowhere - Failed to load"));
                assert_eq!(console, Vec::<String>::new(), "{path} {look_name}");
                let faults = browser.run(FAULTS);
                assert_eq!(faults, json!([]), "{path} {look_name} {amount}");
                browser.screenshot(&format!("{name}-{amount}-{look_name}"));
            }
        }
    }
}

#[test]
fn a_page_that_some_people_cannot_use_has_faults() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let pages = Receiver::start();
    let good = "<!doctype html><html lang=en><meta charset=utf-8><title>Good</title><style>.head { background: #222; color: #eee }</style>\
        <main><h1>Good</h1><h2 class=head>Bright on dark</h2><label>Name <input name=a></label> <a href=/x>Go</a>\
        <img alt=Cat><button disabled>Not now</button><p style='color: #999; font-size: 24px; background: #222'>Large</p></main>";
    let bad = [
        ("", "", ""),
        ("no language", "lang=en", "lang=xx"),
        ("no title", "<title>Good", "<title> "),
        ("not one main", "main", "div"),
        ("not one h1", "h1>", "h2>"),
        ("a heading skips a level", "h2", "h3"),
        ("no label", "<label>Name ", "<label> "),
        ("no name", ">Go</a>", "> </a>"),
        ("no text for a picture", "alt=Cat", ""),
        ("an id twice", "<a ", "<b id=x>1</b><b id=x>2</b><a "),
        ("for of nothing", "<label>", "<label for=gone aria-label=x>"),
        ("an order of its own", "<a ", "<a tabindex=3 "),
        ("contrast 1.", "color: #eee", "color: #eee; opacity: 0.1"),
        ("contrast", "color: #eee", "color: rgb(255 255 255 / 20%)"),
        ("contrast", "background: #222; color: #eee", "color: #aaa"),
    ];
    let answered = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let page = std::sync::Arc::clone(&answered);
    pages.answers(move |_| {
        let page = page.lock().unwrap().clone();
        receiver::answer("200 OK", "Content-Type: text/html\r\n", &page)
    });
    for (fault, from, to) in bad {
        *answered.lock().unwrap() = match fault {
            "" => good.to_owned(),
            _ => good.replace(from, to),
        };
        browser.open(&pages.url(""));
        let faults = browser.run(FAULTS);
        let found = faults.as_array().unwrap();
        let has = |one: &serde_json::Value| one.as_str().unwrap().starts_with(fault);
        let is_as_expected = match fault {
            "" => found.is_empty(),
            _ => found.iter().any(has),
        };
        assert!(is_as_expected, "{fault}: {faults}");
    }
}
