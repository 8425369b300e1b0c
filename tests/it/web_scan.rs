//! The log-in by a code that is scanned or typed, from the page to the session, and what strangers try. The numbers are
//! those of the threats in the contract of the web log-in.

use crate::support::account::{HELP, RULES, WELCOME};
use crate::support::browser::{Browser, FLOW, SESSION, SITE, offered};
use crate::support::http::Answer;
use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CREATE: &str = "/cgi-bin/qrcode/create";

const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const GATES: &str = "
[[gate]]
name = \"members\"
who = \"followers\"
";

fn setup() -> Setup {
    Setup::new()
        .set("web.url", &format!("\"{SITE}\""))
        .set("web.rate", "1000")
        .rules(&format!("{RULES}{GATES}"))
}

/// A browser on a desk, and the log-in that its page has begun.
struct Page<'a> {
    account: &'a Account,
    browser: Browser<'a>,
    begun: Value,
}

impl<'a> Page<'a> {
    #[track_caller]
    fn open(account: &'a Account) -> Page<'a> {
        Page::called(account, DESKTOP)
    }

    #[track_caller]
    fn called(account: &'a Account, agent: &'static str) -> Page<'a> {
        let browser = Browser::new(account).calling_itself(agent);
        let begun = browser.post("/wx/scan", "gate=members&to=%2Fdocs%3Fa%3D1");
        let begun = begun.is_status(201).json();
        Page {
            account,
            browser,
            begun,
        }
    }

    fn id(&self) -> &str {
        self.begun["id"].as_str().unwrap()
    }

    fn scene(&self) -> String {
        format!("login-{}", self.id())
    }

    /// What a person types.
    fn code(&self) -> String {
        let part = |name: &str| self.begun[name].as_str().unwrap().to_owned();
        format!("{} {}", part("word"), part("code"))
    }

    fn path(&self) -> String {
        format!("/wx/scan/{}", self.id())
    }

    #[track_caller]
    fn stands(&self) -> Value {
        self.browser.get(&self.path()).is_status(200).json()
    }

    #[track_caller]
    fn is(&self, state: &str) -> &Self {
        assert_eq!(self.stands()["state"], state, "{}", self.account.log());
        self
    }

    /// The number that it shows.
    #[track_caller]
    fn number(&self) -> String {
        self.is("scanned");
        self.stands()["number"].to_string()
    }

    #[track_caller]
    fn complete(&self) -> Answer {
        self.browser.post(&self.path(), "")
    }

    /// This person scans its code and chooses its number.
    #[track_caller]
    fn approve(&self, fan: &str) {
        self.account.post(&scan(&self.scene()).from(fan));
        self.account.post(&text(&self.number()).from(fan));
    }
}

#[test]
fn a_follower_scans_the_code_of_the_page_chooses_its_number_and_is_logged_in_there() {
    let platform = Platform::start();
    let account = setup().platform(&platform).start();
    let fan = account.follower();
    let page = Page::open(&account);
    let shown = page.browser.get("/wx/login/members?to=/docs?a=1");
    shown.is_status(200).expect(
        shown
            .body()
            .contains("data-form=\"gate=members&amp;to=%2Fdocs%3Fa%3D1\""),
        "the form of the script",
    );
    let (id, scene) = (page.id(), page.scene());
    assert_eq!(id.len(), 22);
    let begun = &page.begun;
    assert_eq!(begun["qr"], format!("http://weixin.qq.com/q/SYN_{scene}"));
    assert!(begun["svg"].as_str().unwrap().starts_with("<svg"));
    assert_eq!(
        (&begun["word"], &begun["number"]),
        (&json!("登录"), &Value::Null)
    );
    assert_eq!(begun["expires_in"], 180);
    let asked = platform.bodies(CREATE).pop().unwrap();
    assert_eq!(asked["action_name"], "QR_STR_SCENE");
    assert_eq!(asked["expire_seconds"], 300);
    assert_eq!(asked["action_info"]["scene"]["scene_str"], scene);
    assert_eq!(page.stands(), json!({"state": "waiting", "number": null}));
    // The page waits, and hears at once.
    let waiting = format!("{}?state=waiting", page.path());
    let flow = page.browser.cookie(FLOW).unwrap();
    std::thread::scope(|scope| {
        let poll = Request::new("GET", &waiting).header("Cookie", &format!("{FLOW}={flow}"));
        let poll = scope.spawn(|| account.send(&{ poll }));
        let answer = account.post(&scan(&scene).from(&fan));
        let text = answer.reply().content;
        for part in ["example.com", "Firefox, Linux", "127.0.0.1"] {
            answer.expect(text.contains(part), part);
        }
        let heard = poll.join().unwrap().json();
        assert_eq!(heard["state"], "scanned");
        let numbers = offered(&text);
        assert_eq!(numbers.len(), 3);
        assert!(
            numbers.contains(&heard["number"].to_string()),
            "{numbers:?}"
        );
    });
    page.complete().is_status(409);
    // Any other text is for the rules.
    let other = account.post(&text("hello").from(&fan));
    other.is_text(HELP);
    let number = page.number();
    let chosen = text(&number).from(&fan);
    let confirmed = account.post(&chosen).reply().content;
    assert!(confirmed.contains("已确认"), "{confirmed}");
    page.is("approved");
    let done = page.complete();
    done.is_status(200)
        .is(200, "{\"to\":\"https://example.com/docs?a=1\"}");
    assert_eq!(page.browser.check("members"), 200);
    // Once, and delivered again it says the same and changes nothing.
    page.complete().is_status(409);
    assert_eq!(account.post(&chosen).reply().content, confirmed);
    let store = account.store();
    store.is(
        "SELECT openid, method, address FROM sessions",
        &[&format!("{fan}|scan|127.0.0.1")],
    );
    store.is(
        "SELECT content, rule FROM messages WHERE rule = 'login' ORDER BY id",
        &[&format!("{scene}|login"), &format!("{number}|login")],
    );
    account
        .log()
        .says(&format!("web: {fan} logged in from 127.0.0.1"));
}

#[test]
fn who_follows_by_the_code_is_welcomed_and_recorded_with_the_scene_login() {
    let platform = Platform::start();
    let account = setup().platform(&platform).start();
    let page = Page::open(&account);
    let fan = another_fan();
    let profile =
        json!({"subscribe": 1, "openid": fan, "nickname": "SYN", "qr_scene_str": page.scene()});
    platform.profile(&fan, &profile.to_string());
    let follow = subscribe_by(&page.scene()).from(&fan);
    let answer = account.post(&follow);
    let text = answer.reply().content;
    answer.expect(text.ends_with(&format!("\n\n{WELCOME}")), "the welcome");
    assert_eq!(offered(&text).len(), 3);
    assert_eq!(account.post(&follow).reply().content, text);
    page.is("scanned");
    let other = account.follower();
    account.post(&scan(&Page::open(&account).scene()).from(&other));
    let store = account.store();
    store.is(
        "SELECT scene FROM follow_log WHERE scene IS NOT NULL",
        &["login"],
    );
    let fetched =
        format!("SELECT qr_scene_str FROM followers WHERE nickname = 'SYN' AND openid = '{fan}'");
    eventually("the profile", account.log(), || {
        store.rows(&fetched) == ["login"]
    });
    let stats = account.command(&["qrcode", "stats", "--json"]).json();
    assert_eq!(stats.as_array().unwrap().len(), 1, "{stats}");
    assert_eq!(
        (&stats[0]["scene"], &stats[0]["follows"], &stats[0]["scans"]),
        (&json!("login"), &json!(1), &json!(1))
    );
}

#[test]
fn where_no_qr_code_may_be_made_the_code_is_typed_and_the_platform_is_not_asked_again() {
    let platform = Platform::start();
    let mut account = setup().platform(&platform).start();
    platform.always(CREATE, Fault::Errcode(48001, "api unauthorized"));
    let fan = account.follower();
    let page = Page::open(&account);
    assert_eq!(
        (&page.begun["qr"], &page.begun["svg"]),
        (&Value::Null, &Value::Null)
    );
    account.log().says("48001");
    let full_width: String = page
        .code()
        .chars()
        .map(|c| match c {
            '0'..='9' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
            ' ' => '　',
            c => c,
        })
        .collect();
    let answer = account.post(&text(&full_width).from(&fan));
    assert_eq!(offered(&answer.reply().content).len(), 3);
    account.post(&text(&page.number()).from(&fan));
    page.complete().is_status(200);
    assert_eq!(page.browser.check("members"), 200);
    account.restart();
    assert_eq!(Page::open(&account).begun["qr"], Value::Null);
    assert_eq!(platform.count(CREATE), 1);
    let known = "SELECT value LIKE 'none %' FROM settings WHERE name = 'right.qrcode'";
    account.store().is(known, &["1"]);
    // Without any API rights, too.
    let account = setup().start();
    assert_eq!(Page::open(&account).begun["qr"], Value::Null);
}

#[test]
fn threat_9_a_bystander_who_knows_the_id_gets_nothing() {
    let account = setup().start();
    let fan = account.follower();
    let page = Page::open(&account);
    let other = Page::open(&account);
    let tries = |when: &str| {
        for target in [page.path(), format!("{}?state=waiting", page.path())] {
            let answer = other.browser.get(&target);
            assert_eq!(answer.response.status, 404, "{when}");
        }
        assert_eq!(
            other.browser.post(&page.path(), "").response.status,
            404,
            "{when}"
        );
        let bare = Browser::new(&account);
        assert_eq!(bare.get(&page.path()).response.status, 404, "{when}");
    };
    tries("waiting");
    account.post(&scan(&page.scene()).from(&fan));
    tries("scanned");
    account.post(&text(&page.number()).from(&fan));
    tries("approved");
    // Nor does a page of another site.
    let foreign = Request::new("POST", &page.path()).header("Origin", "https://evil.test");
    page.browser.send(foreign).is_status(403);
    page.complete().is_status(200);
    tries("completed");
    assert_eq!(other.browser.cookie(SESSION), None);
    assert_eq!(account.store().count("sessions"), 1);
}

#[test]
fn threat_10_the_chat_says_whose_page_it_is_and_a_wrong_number_denies() {
    let account = setup().start();
    let fan = account.follower();
    let page = Page::called(
        &account,
        "<a href=\"weixin://bizmsgmenu?msgmenucontent=47&msgmenuid=1\">点这里</a>\u{202e} official account, tap 47",
    );
    let answer = account.post(&scan(&page.scene()).from(&fan));
    let said = answer.reply().content;
    assert!(
        said.contains("example.com") && said.contains("“a hrefweixin"),
        "{said}"
    );
    assert!(
        !said.contains("tap 47") && !said.contains('\u{202e}'),
        "{said}"
    );
    let numbers = offered(&said);
    assert_eq!(numbers.len(), 3);
    let right = page.number();
    let wrong = numbers.iter().find(|number| **number != right).unwrap();
    let denied = account.post(&text(wrong).from(&fan)).reply().content;
    assert!(denied.contains("已拒绝"), "{denied}");
    page.is("denied");
    account.post(&text(&right).from(&fan));
    page.is("denied").complete().is_status(409);
    assert_eq!(page.browser.check("members"), 401);
}

#[test]
fn threat_11_each_scan_logs_in_one_page_and_a_second_scanner_none() {
    let account = setup().start();
    let browsers: Vec<(Browser, Value, String)> = (0..50)
        .map(|n| {
            let browser = Browser::new(&account).calling_itself(DESKTOP);
            let request = Request::new("POST", "/wx/scan")
                .header("Origin", SITE)
                .header("X-Forwarded-For", &format!("192.0.2.{n}"));
            let begun = browser.send(request).is_status(201).json();
            (browser, begun, account.follower())
        })
        .collect();
    let scene = |begun: &Value| format!("login-{}", begun["id"].as_str().unwrap());
    for (_, begun, fan) in &browsers {
        account.post(&scan(&scene(begun)).from(fan));
    }
    let late = account.follower();
    for (browser, begun, fan) in browsers.iter().rev() {
        let path = format!("/wx/scan/{}", begun["id"].as_str().unwrap());
        let number = browser.get(&path).json()["number"].to_string();
        let taken = account.post(&scan(&scene(begun)).from(&late)).reply();
        assert!(offered(&taken.content).is_empty() && taken.content.contains("已被使用"));
        account.post(&text(&number).from(&late));
        account.post(&text(&number).from(fan));
        browser.post(&path, "").is_status(200);
        browser.get("/wx/auth").has_header("x-wechat-openid", fan);
    }
    // Used up: it logs in nobody else.
    let (browser, begun, _) = &browsers[0];
    account.post(&scan(&scene(begun)).from(&late));
    let path = format!("/wx/scan/{}", begun["id"].as_str().unwrap());
    browser.post(&path, "").is_status(409);
    account.store().is(
        "SELECT count(*), count(DISTINCT openid) FROM sessions",
        &["50|50"],
    );
}

#[test]
fn threat_12_codes_are_not_guessed_and_ordinary_texts_reach_the_rules() {
    let account = setup().start();
    let (fan, other) = (account.follower(), account.follower());
    let page = Page::open(&account);
    let code = page.begun["code"].as_str().unwrap();
    let rules = |content: &str, fan: &str| {
        let answer = account.post(&text(content).from(fan));
        answer.is_text(HELP);
    };
    for content in [
        code,
        "登录",
        "47",
        &format!("登录 {code}0"),
        &format!("我要登录 {code}"),
    ] {
        rules(content, &fan);
    }
    page.is("waiting");
    let wrong = (0..)
        .map(|n| format!("登录 {n:06}"))
        .filter(|wrong| *wrong != page.code());
    for (n, wrong) in wrong.take(3).enumerate() {
        // The other is wrong twice.
        let guessing = [&fan, &other];
        for fan in &guessing[..if n < 2 { 2 } else { 1 }] {
            let guess = text(&wrong).from(fan);
            // Delivered again it is no further guess.
            for _ in 0..3 {
                account.post(&guess).is_text(HELP);
            }
        }
    }
    rules(&page.code(), &fan);
    page.is("waiting");
    account.post(&text(&page.code()).from(&other));
    page.is("scanned");
}

#[test]
fn threat_13_strangers_use_up_no_more_than_sixty_qr_codes_a_minute() {
    let platform = Platform::start();
    let account = setup().platform(&platform).start();
    let begin = |from: &str| {
        let request = Request::new("POST", "/wx/scan")
            .header("Origin", SITE)
            .header("X-Forwarded-For", from);
        account.send(&request)
    };
    let begun = Instant::now();
    let mut statuses = [0; 4];
    for n in 0..1_000 {
        let from = match n % 2 {
            0 => "203.0.113.1".to_owned(),
            _ => format!("198.51.{}.{}", n % 3, n / 2 % 100),
        };
        let answer = begin(&from);
        let which = [201, 429, 503]
            .iter()
            .position(|status| *status == answer.response.status);
        statuses[which.unwrap_or(3)] += 1;
        if n % 100 == 0 {
            account.post(&text("hello")).is_text(HELP);
        }
    }
    // 5 of the one, and all of the others, who have 2 each.
    assert_eq!(statuses, [505, 495, 0, 0]);
    let minutes = 1 + usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    let asked = platform.count(CREATE);
    assert!((60..=60 * minutes).contains(&asked), "{asked} in {minutes}");
    begin("203.0.113.1")
        .is_status(429)
        .has_header("retry-after", "60");
    for n in 0..495 {
        begin(&format!("2001:db8:1:{n}::1")).is_status(201);
    }
    begin("192.0.2.77")
        .is_status(503)
        .has_header("retry-after", "30");
}

#[test]
fn a_restart_forgets_log_ins_under_way_and_an_old_code_is_a_scan_as_any_other() {
    let mut account = setup()
        .rules(&format!(
            "{RULES}\n[[rule]]\nname = \"scans\"\nevent = \"SCAN\"\ntext = \"scanned\"\n{GATES}"
        ))
        .start();
    let fan = account.follower();
    let (path, scene, flow) = {
        let page = Page::open(&account);
        account.post(&scan(&page.scene()).from(&fan));
        (
            page.path(),
            page.scene(),
            page.browser.cookie(FLOW).unwrap(),
        )
    };
    let old = scan(&scene).from(&fan);
    account.restart();
    let browser = Browser::new(&account);
    browser.plant(FLOW, Some(&flow));
    browser.get(&path).is_status(404);
    browser.post(&path, "").is_status(404);
    account.post(&old).is_text("scanned");
}

#[test]
fn who_leaves_before_the_page_has_its_session_is_not_logged_in() {
    let account = setup().start();
    let (fan, other) = (account.follower(), account.follower());
    let pages = [Page::open(&account), Page::open(&account)];
    pages[0].approve(&fan);
    account.post(&scan(&pages[1].scene()).from(&other));
    account.post(&unsubscribe().from(&fan)).is_success();
    pages[0].is("denied").complete().is_status(409);
    pages[1].is("scanned");
    assert_eq!(account.store().count("sessions"), 0);
}

#[test]
fn a_page_that_waits_is_answered_by_a_stop_and_when_others_need_its_place() {
    let mut account = setup().set("server.max_waiting", "1").start();
    // Both log-ins have begun before a page waits: to begin one takes the only place, too.
    let polls = [(); 2].map(|()| Page::open(&account)).map(|page| {
        let cookie = format!("{FLOW}={}", page.browser.cookie(FLOW).unwrap());
        let target = format!("{}?state=waiting", page.path());
        Request::new("GET", &target).header("Cookie", &cookie)
    });
    let (answered, answers) = std::sync::mpsc::channel();
    for poll in polls {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&poll.bytes()).unwrap();
        let answered = answered.clone();
        std::thread::spawn(move || answered.send(wire.response()));
    }
    let unchanged = || {
        let response = answers.recv().unwrap().unwrap();
        assert_eq!(response.body, b"{\"number\":null,\"state\":\"waiting\"}");
    };
    // Whichever came first made room for the other, which waits now.
    unchanged();
    let ended = account.stop();
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
    unchanged();
}

#[test]
fn the_phone_can_be_played_and_explained() {
    let account = setup().start();
    let page = Page::open(&account);
    let ran = account.simulate(&[
        "SCAN",
        "--key",
        &page.scene(),
        "--from",
        "oSynPhone0000000000000000001",
    ]);
    ran.ok().says("example.com").says("bizmsgmenu");
    let number = page.number();
    account
        .simulate(&["text", &number, "--from", "oSynPhone0000000000000000001"])
        .ok()
        .says("已确认");
    page.is("approved");
    for asked in [
        &[page.code()][..],
        &["47".to_owned()],
        &[
            "--event".to_owned(),
            "SCAN".to_owned(),
            "--scene".to_owned(),
            page.scene(),
        ],
    ] {
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let ran = account.command(&[&["explain"], &asked[..]].concat());
        ran.ok().says("log-in under way");
    }
    let ran = account.command(&["explain", page.begun["code"].as_str().unwrap()]);
    ran.ok().says_nothing_of("log-in under way");
}
