//! The pages in a real browser: people come through them, they show foreign texts as texts, and they fit.

use super::*;
use crate::support::endpoint::bound_socket;
use crate::support::http::Address;
use crate::support::webdriver::{Chromium, DESK, ENTER, Look, PHONE, TAB};
use serde_json::{Value, json};

const CREATE: &str = "/cgi-bin/qrcode/create";

/// Text of a stranger that tries everything: tags, ends of attributes and of elements, references, templates, marks
/// that turn the direction of writing, and characters beyond the first plane.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)></title></style>&lt;{{7*7}}${8}\u{202e}live\u{2066}😀𠮷";

/// [`HOSTILE`] as people see it: what would turn the direction is written out.
fn seen() -> String {
    let seen = HOSTILE.replace('\u{202e}', "\\u{202e}");
    seen.replace('\u{2066}', "\\u{2066}")
}

/// [`HOSTILE`] in an address; marks that turn the direction are not taken there.
fn hostile_page() -> String {
    format!("/docs?q={}", HOSTILE.replace(['\u{202e}', '\u{2066}'], ""))
}

/// A server that this machine's browser reaches by itself.
struct Site {
    account: Account,
    url: String,
    address: Address,
}

impl Site {
    #[track_caller]
    fn start(setup: Setup) -> Site {
        let (socket, address) = bound_socket();
        let url = format!("http://{address}");
        let setup = setup.set("server.listen", &format!("\"{address}\""));
        let account = setup.set("web.url", &format!("\"{url}\"")).start();
        drop(socket);
        let address = Address::Tcp(address);
        Site {
            account,
            url,
            address,
        }
    }

    fn at(&self, target: &str) -> String {
        format!("{}{target}", self.url)
    }

    /// Where WeChat sends a browser that has lost its cookies.
    fn back(&self, to: &str, code: &str) -> String {
        let begun = Browser::new(&self.account).through(self.address.clone(), &self.url);
        let to = wechatd::percent::encode(to);
        self.at(&begun.begin(&format!("/wx/login/all?to={to}"), code))
    }

    /// Logs this person in by the button of that way.
    fn log_in(&self, browser: &Chromium, openid: &str) {
        browser.open(&self.back("/wx/me", &code(openid)));
        browser.find("button").click();
        browser.comes_to(&self.at("/wx/me"));
    }

    /// Logs the browser out by the page for it, and stays there.
    #[track_caller]
    fn log_out(&self, browser: &Chromium) {
        browser.open(&self.at("/wx/logout?to=/wx/logout"));
        browser.find("button").click();
        browser.comes_to(&self.at("/wx/logout"));
    }

    /// A follower of this name, whose profile is known.
    fn named(&self, platform: &Platform, name: &str) -> String {
        let fan = another_fan();
        let profile = json!({"subscribe": 1, "openid": fan, "nickname": name});
        platform.profile(&fan, &profile.to_string());
        self.account.post(&subscribe().from(&fan)).is_status(200);
        let known = format!(
            "SELECT count(*) FROM followers WHERE openid = '{fan}' AND nickname IS NOT NULL"
        );
        eventually("the name", self.account.log(), || {
            self.account.store().one::<i64>(&known) == 1
        });
        fan
    }
}

/// What the QR code in the window says to a camera.
#[track_caller]
fn scanned(browser: &Chromium) -> String {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(browser.picture()));
    decoder.set_transformations(png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (frame.width as usize, frame.height as usize);
    let samples = pixels.len() / (width * height);
    let grey = |x: usize, y: usize| pixels[(y * width + x) * samples];
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let grids = picture.detect_grids();
    assert_eq!(grids.len(), 1, "one code");
    grids[0].decode().unwrap().1
}

/// The browser has complained of nothing, except that the page itself came with this status.
#[track_caller]
fn is_quiet(browser: &Chromium, status: u16) {
    let mut said = browser.console();
    // Asked for where `/wx/me` is shown as a page; ours have one.
    said.retain(|line| !line.contains("/favicon.ico "));
    if status != 200 {
        let of_the_page = format!("the server responded with a status of {status} ");
        said.retain(|line| !line.contains(&of_the_page));
    }
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(browser.dialog(), None);
}

#[track_caller]
fn me(browser: &Chromium) -> Value {
    serde_json::from_str(&browser.find("body").text()).unwrap()
}

#[test]
fn a_follower_scans_types_and_chooses_and_is_logged_in_there() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let site = Site::start(setup(&platform));
    let (account, fan) = (&site.account, site.account.follower());
    browser.open(&site.at("/wx/login/members?to=/wx/me"));
    browser.find("#code");
    let scene = scanned(&browser);
    let scene = scene.strip_prefix("http://weixin.qq.com/q/SYN_").unwrap();
    let asked = account.post(&scan(scene).from(&fan)).reply();
    let right = browser.find("#number").text();
    let numbers = offered(&asked.content);
    let wrong = numbers.iter().find(|number| **number != right).unwrap();
    account.post(&text(wrong).from(&fan)).is_status(200);
    assert_eq!(
        browser.find("p[data-in=denied]").text(),
        "The log-in was denied on the phone."
    );
    // The next one by the keyboard alone, and by the code that is typed.
    browser.keys(&format!("{TAB}{ENTER}"));
    let typed = browser.find("#code").text();
    account.post(&text(&typed).from(&fan)).is_status(200);
    let right = browser.find("#number").text();
    account.post(&text(&right).from(&fan)).is_status(200);
    browser.comes_to(&site.at("/wx/me"));
    let me = me(&browser);
    assert_eq!(
        (&me["openid"], &me["method"]),
        (&json!(fan), &json!("scan"))
    );
    let cookies = browser.cookies();
    let session = cookies.iter().find(|cookie| cookie["name"] == "wechatd");
    let session = session.unwrap();
    assert_eq!(
        (&session["httpOnly"], &session["sameSite"], &session["path"]),
        (&json!(true), &json!("Lax"), &json!("/"))
    );
    assert_eq!(browser.run("return document.cookie"), "");
    is_quiet(&browser, 200);
    site.log_out(&browser);
    let cookies = browser.cookies();
    assert!(cookies.iter().all(|cookie| cookie["name"] != "wechatd"));
    is_quiet(&browser, 200);
}

#[test]
fn without_scripts_the_page_says_what_to_do_and_every_button_works() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let site = Site::start(setup(&platform));
    let fan = site.account.follower();
    browser.looks(Look {
        runs_scripts: false,
        ..DESK
    });
    let login = site.at("/wx/login/members?to=%2Fwx%2Fme");
    browser.open(&login);
    let page = browser.find("main").text();
    for part in ["allow JavaScript", "Scan the code with WeChat"] {
        assert!(page.contains(part), "{page}");
    }
    browser.screenshot("without-scripts");
    // It leads the phone into WeChat, where the log-in needs no script.
    assert_eq!(scanned(&browser), login);
    site.log_in(&browser, &fan);
    assert_eq!(me(&browser)["openid"], fan);
    site.log_out(&browser);
    is_quiet(&browser, 200);
    browser.open(&site.at("/wx/me"));
    assert_eq!(me(&browser)["error"], "not_logged_in");
    is_quiet(&browser, 401);
}

#[test]
fn threat_19_foreign_texts_are_shown_as_texts_and_run_nothing() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let word = "<b>'登录'&amp;</b>";
    let site = Site::start(setup(&platform).set("login.word", &json!(word).to_string()));
    let fan = site.named(&platform, HOSTILE);
    let to = wechatd::percent::encode(&hostile_page());
    let same_page = |address: &str| {
        let page = address.strip_prefix(&site.url);
        assert_eq!(
            page.and_then(wechatd::percent::decode),
            Some(hostile_page().into()),
            "{address}"
        );
    };
    let again = || {
        let login = browser.find("a.button").attribute("href").unwrap();
        let (begin, to) = login.split_once("?to=").unwrap();
        assert!(begin.starts_with(&site.at("/wx/login/")), "{login}");
        let to = wechatd::percent::decode(to).unwrap();
        same_page(&site.at(&to));
    };
    // The browser's name is foreign, too.
    browser.looks(Look {
        agent: "MicroMessenger\"'><script>alert(3)</script>",
        ..DESK
    });

    // Who is to press the button.
    browser.open(&site.back(&hostile_page(), &code(&fan)));
    assert_eq!(browser.find("strong").text(), seen());
    let fields = "return [...document.forms[0].elements].map(field => field.value)";
    let fields = browser.run(fields);
    same_page(&site.at(fields[2].as_str().unwrap()));
    is_quiet(&browser, 200);
    browser.screenshot("threat-19-button");
    browser.find("button").click();
    browser.waits("the way back", || !browser.url().contains("/wx/"));
    same_page(&browser.url());
    is_quiet(&browser, 404);

    // What scripts learn.
    browser.open(&site.at("/wx/me"));
    assert_eq!(me(&browser)["nickname"], HOSTILE);
    is_quiet(&browser, 200);

    // Led round in a circle; a state that is none; another attempt.
    for _ in 0..4 {
        browser.open(&site.at(&format!("/wx/login/all?to={to}")));
    }
    again();
    browser.console();
    for query in [
        format!("state=x&to={to}"),
        format!("state=%3Cscript%3E&code={to}&to={to}"),
    ] {
        browser.open(&site.at(&format!("/wx/back?{query}")));
        again();
        is_quiet(&browser, 400);
    }

    // The log-in by a code.
    browser.looks(DESK);
    site.log_out(&browser);
    browser.open(&site.at(&format!("/wx/login/members?to={to}")));
    assert!(browser.find("#code").text().starts_with(word));
    let form = browser.find("#scan").attribute("data-form").unwrap();
    let (_, form) = form.split_once("&to=").unwrap();
    same_page(&site.at(&wechatd::percent::decode(form).unwrap()));
    is_quiet(&browser, 404);
    browser.screenshot("threat-19-code");

    // Addresses that nobody has.
    for path in ["/wx/login/", "/wx/scan/", "/wx/p/", "/wx/", "/"] {
        browser.open(&site.at(&format!("{path}{to}")));
        assert_eq!(browser.find("body").text(), "not found");
        is_quiet(&browser, 404);
    }
}

/// One way to look at pages, with its name.
struct Shown {
    look: Look,
    lang: &'static str,
    name: String,
}

/// Phones and desks, in both languages.
fn shown() -> Vec<Shown> {
    let languages = [("zh-CN,zh;q=0.9", "zh-CN"), ("en-GB", "en")];
    let devices = [("phone", PHONE), ("desk", DESK)];
    let all = languages.iter().flat_map(|(language, lang)| {
        devices.iter().map(move |(device, look)| Shown {
            look: Look { language, ..*look },
            lang,
            name: format!("{lang}-{device}"),
        })
    });
    all.collect()
}

impl Shown {
    /// The page is as wide as the window by day and by night, in its language, and nothing is wrong with it.
    #[track_caller]
    fn fits(&self, browser: &Chromium, page: &str, status: u16) {
        browser.find("h1");
        for (light, is_dark) in [("day", false), ("night", true)] {
            let look = Look {
                is_dark,
                ..self.look
            };
            browser.looks(look);
            let name = format!("{page}-{}-{light}", self.name);
            let told = browser.run(
                "const html = document.documentElement;
                 const is_dark = matchMedia('(prefers-color-scheme: dark)').matches;
                 return [html.lang, is_dark, innerWidth, html.scrollWidth]",
            );
            let width = look.size.0;
            assert_eq!(told, json!([self.lang, is_dark, width, width]), "{name}");
            browser.screenshot(&name);
        }
        browser.looks(self.look);
        is_quiet(browser, status);
    }
}

#[test]
fn pages_fit_phones_and_desks_by_day_and_by_night_in_both_languages() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let site = Site::start(setup(&platform));
    let fan = site.named(&platform, &"很长的名字Nickname".repeat(4));
    for shown in shown() {
        browser.looks(shown.look);
        let fits = |page: &str, status: u16| shown.fits(&browser, page, status);
        browser.open(&site.back("/wx/me", &code(&fan)));
        fits("button", 200);
        let snapshot = format!("{}%20snapshot", code(&fan));
        browser.open(&site.back("/wx/me", &snapshot));
        fits("snapshot", 200);
        browser.open(&site.back("/wx/me", "WRONG"));
        fits("again", 200);
        browser.open(&site.at("/wx/back?state=x"));
        fits("not-ours", 400);
        site.log_in(&browser, "oStranger");
        browser.open(&site.at("/wx/login/members"));
        fits("refused", 403);
        for _ in 0..4 {
            browser.open(&site.at("/wx/login/all?to=/wx/me"));
        }
        fits("unseen", 200);
        site.log_out(&browser);
        fits("logout", 200);
    }
}

#[test]
fn the_log_in_by_a_code_fits_as_it_goes_on() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let site = Site::start(setup(&platform));
    let account = &site.account;
    let begin = |shown: &Shown| {
        browser.looks(shown.look);
        browser.open(&site.at("/wx/login/members?to=/wx/me"));
        browser.find("#code").text()
    };
    for shown in shown() {
        let fan = account.follower();
        let typed = begin(&shown);
        browser.find("#qr svg");
        shown.fits(&browser, "waiting", 200);
        account.post(&text(&typed).from(&fan)).is_status(200);
        browser.find("#number");
        shown.fits(&browser, "scanned", 200);
        account.post(&unsubscribe().from(&fan)).is_success();
        browser.find("p[data-in=denied]");
        shown.fits(&browser, "denied", 200);
    }
    // The platform makes no code any more.
    platform.always(CREATE, Fault::Errcode(-1, "system error"));
    for shown in shown() {
        begin(&shown);
        assert!(browser.all("#qr svg").is_empty());
        shown.fits(&browser, "typed", 200);
    }
}

#[test]
fn the_page_says_where_no_log_in_can_be_begun_and_begins_when_asked_again() {
    let Some(browser) = Chromium::free() else {
        return;
    };
    let platform = Platform::start();
    let site = Site::start(setup(&platform));
    // All that this address may have, but no browser's but theirs.
    let typed: Vec<String> = (0..5)
        .map(|_| {
            let other = Browser::new(&site.account).through(site.address.clone(), &site.url);
            let begun: Value = serde_json::from_str(&other.post("/wx/scan", "").body()).unwrap();
            format!("登录 {}", begun["code"].as_str().unwrap())
        })
        .collect();
    for shown in shown() {
        browser.looks(shown.look);
        browser.open(&site.at("/wx/login/members?to=/wx/me"));
        browser.find("p[data-in=failed]");
        shown.fits(&browser, "failed", 429);
    }
    let fan = site.account.follower();
    site.account
        .post(&text(&typed[0]).from(&fan))
        .is_status(200);
    site.account.post(&unsubscribe().from(&fan)).is_success();
    browser.find("button").click();
    browser.find("#code");
    is_quiet(&browser, 200);
}
