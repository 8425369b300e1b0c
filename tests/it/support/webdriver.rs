//! A real browser: Chromium, told by `chromedriver` what to do. All tests share one, one at a time.
//!
//! Commands are those of WebDriver and, for how the browser looks at pages, of Chromium's own protocol.

use super::http::{Address, Request, exchange};
use super::{Log, eventually};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How the browser looks at pages.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Size of the window in CSS pixels.
    pub size: (u32, u32),
    /// Shows pages as phones do, which may widen them.
    pub is_phone: bool,
    /// Light on dark.
    pub is_dark: bool,
    /// `Accept-Language`.
    pub language: &'static str,
    /// `User-Agent`.
    pub agent: &'static str,
    /// Runs scripts of pages; those of [`Chromium::run`] run anyway.
    pub runs_scripts: bool,
}

/// A window on a desk.
pub const DESK: Look = Look {
    size: (1280, 800),
    is_phone: false,
    is_dark: false,
    language: "en-US",
    agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    runs_scripts: true,
};

/// A phone.
pub const PHONE: Look = Look {
    size: (390, 844),
    is_phone: true,
    ..DESK
};

/// The keys that have no character.
pub const TAB: &str = "\u{e004}";
/// See [`TAB`].
pub const ENTER: &str = "\u{e007}";

/// What the browser must not do. Every flag is one thing less that it looks for in the network.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Runs the driver until the end of standard input, which is that of the tests, however they end; then ends it and all
/// that it has started, and removes its files.
const LEASH: &str = "folder=$(mktemp -d) && cd \"$folder\" || exit
    TMPDIR=$folder HOME=$folder setsid chromedriver --port=0 </dev/null &
    exec >/dev/null; read -r _; kill -s KILL -- -$! || kill -s KILL $!; wait; rm -rf \"$folder\"";

static DRIVER: Mutex<Option<Driver>> = Mutex::new(None);

struct Driver {
    address: SocketAddr,
    log: Log,
    session: String,
    _leash: Child,
}

/// The browser with one empty window, for this test alone until it is dropped.
pub struct Chromium(MutexGuard<'static, Option<Driver>>);

/// An element of the page.
pub struct Part<'a> {
    browser: &'a Chromium,
    path: String,
}

impl Chromium {
    /// Waits until no other test has it. `None` where `chromedriver` is not installed, unless `WECHATD_BROWSER` is
    /// `must`.
    #[track_caller]
    pub fn free() -> Option<Chromium> {
        let must = std::env::var("WECHATD_BROWSER").is_ok_and(|value| value == "must");
        if Command::new("chromedriver").arg("-v").output().is_err() {
            assert!(!must, "WECHATD_BROWSER=must, and there is no chromedriver");
            eprintln!("no chromedriver here, skipped");
            return None;
        }
        let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        driver.get_or_insert_with(Driver::start);
        let browser = Chromium(driver);
        // What a test that failed has left open.
        browser.ask("POST", "/alert/dismiss", &json!({})).ok();
        // How it looks at pages goes with the window, what it has stored does not.
        let window = browser.post("/window/new", json!({"type": "tab"}));
        browser.command("DELETE", "/window", &Value::Null);
        browser.post("/window", json!({"handle": window["handle"]}));
        browser.emulate("Network.clearBrowserCookies", json!({}));
        browser.console();
        browser.looks(DESK);
        Some(browser)
    }

    /// Looks at pages like this from the next one on.
    #[track_caller]
    pub fn looks(&self, look: Look) {
        let (width, height) = look.size;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": look.is_phone});
        self.emulate("Emulation.setDeviceMetricsOverride", size);
        let scheme = if look.is_dark { "dark" } else { "light" };
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.emulate("Emulation.setEmulatedMedia", scheme);
        let agent = json!({"userAgent": look.agent, "acceptLanguage": look.language});
        self.emulate("Emulation.setUserAgentOverride", agent);
        let stays_off = json!({"value": !look.runs_scripts});
        self.emulate("Emulation.setScriptExecutionDisabled", stays_off);
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", json!({"url": url}));
    }

    /// The address of the page.
    #[track_caller]
    pub fn url(&self) -> String {
        string(self.command("GET", "/url", &Value::Null))
    }

    /// Waits until the address is this one.
    #[track_caller]
    pub fn comes_to(&self, url: &str) {
        self.waits(&format!("the browser comes to {url}"), || self.url() == url);
    }

    /// Waits until the first element of this CSS selector can be seen.
    #[track_caller]
    pub fn find(&self, css: &str) -> Part<'_> {
        let mut found = None;
        self.waits(&format!("{css} can be seen"), || {
            found = self.all(css).into_iter().next();
            found.as_ref().is_some_and(Part::is_shown)
        });
        found.unwrap()
    }

    /// All elements of this CSS selector that are there now, hidden ones too.
    #[track_caller]
    pub fn all(&self, css: &str) -> Vec<Part<'_>> {
        let found = self.post("/elements", json!({"using": "css selector", "value": css}));
        let elements = found.as_array().unwrap().iter();
        let ids = elements.map(|element| element.as_object().unwrap().values().next().unwrap());
        ids.map(|id| Part {
            browser: self,
            path: format!("/element/{}", id.as_str().unwrap()),
        })
        .collect()
    }

    /// Presses these keys one by one, wherever that leads.
    #[track_caller]
    pub fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("/actions", json!({"actions": [keyboard]}));
    }

    /// What a script in the page returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []}))
    }

    /// The cookies that the page's address gets, each with `name`, `value`, `httpOnly` and so on.
    #[track_caller]
    pub fn cookies(&self) -> Vec<Value> {
        let cookies = self.command("GET", "/cookie", &Value::Null);
        cookies.as_array().unwrap().clone()
    }

    /// What the console has said since the last call: errors, what a Content-Security-Policy has refused, and texts of
    /// scripts.
    #[track_caller]
    pub fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"}));
        let entries = entries.as_array().unwrap().iter();
        entries
            .map(|entry| string(entry["message"].clone()))
            .collect()
    }

    /// The text of the dialog that is open.
    #[track_caller]
    pub fn dialog(&self) -> Option<String> {
        self.ask("GET", "/alert/text", &Value::Null)
            .ok()
            .map(string)
    }

    /// Writes the whole page to `NAME.png` in the folder `WECHATD_SCREENSHOTS`, where that is set.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("WECHATD_SCREENSHOTS") else {
            return;
        };
        let file = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(file, self.picture()).unwrap();
    }

    /// The whole page as a PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let whole = json!({"captureBeyondViewport": true});
        let taken = self.emulate("Page.captureScreenshot", whole);
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// Waits for something that the browser does by itself.
    #[track_caller]
    pub fn waits(&self, what: &str, condition: impl FnMut() -> bool) {
        eventually(what, &self.0.as_ref().unwrap().log, condition);
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    fn emulate(&self, command: &str, parameters: Value) -> Value {
        let command = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", command)
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        self.command("POST", path, &body)
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let answered = self.ask(method, path, body);
        answered.unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let driver = self.0.as_ref().unwrap();
        driver.ask(method, &format!("/session/{}{path}", driver.session), body)
    }
}

impl Part<'_> {
    /// Clicks on it, and waits until the page to which that leads is loaded.
    #[track_caller]
    pub fn click(&self) {
        self.post("/click", json!({}));
    }

    /// Types this text into it.
    #[track_caller]
    pub fn types(&self, text: &str) {
        self.post("/value", json!({"text": text}));
    }

    /// Its text as people read it.
    #[track_caller]
    pub fn text(&self) -> String {
        string(self.get("/text"))
    }

    /// The value of an attribute, as it stands in the page.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> Option<String> {
        match self.get(&format!("/attribute/{name}")) {
            Value::Null => None,
            value => Some(string(value)),
        }
    }

    /// People see it now; it may have gone with its page.
    fn is_shown(&self) -> bool {
        let path = format!("{}/displayed", self.path);
        let shown = self.browser.ask("GET", &path, &Value::Null);
        shown.is_ok_and(|shown| shown == true)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let path = format!("{}{path}", self.path);
        self.browser.command("GET", &path, &Value::Null)
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) {
        self.browser.post(&format!("{}{path}", self.path), body);
    }
}

impl Driver {
    #[track_caller]
    fn start() -> Driver {
        let log = Log::default();
        let begin = || Driver::begin(&log);
        let begun = begin().or_else(begin).or_else(begin);
        let (leash, port) = begun.unwrap_or_else(|| panic!("chromedriver ended\n{log}"));
        let mut driver = Driver {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            log,
            session: String::new(),
            _leash: leash,
        };
        let options = json!({"alwaysMatch": {
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": FLAGS},
        }});
        let begun = driver.ask("POST", "/session", &json!({"capabilities": options}));
        let begun = begun.unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        driver.session = string(begun["sessionId"].clone());
        driver
    }

    /// The driver and its port. `None` if it ends at once, as it does where the port that it gets for IPv4 is taken for
    /// IPv6, by another test.
    fn begin(log: &Log) -> Option<(Child, u16)> {
        let mut leash = Command::new("sh")
            .args(["-c", LEASH])
            // Ctrl-C and `timeout` end the tests' group of processes at once.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(leash.stdout.take().unwrap()).lines();
        let port = said.map_while(Result::ok).find_map(|line| {
            log.push(line.clone());
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').parse().unwrap())
        });
        Some((leash, port?))
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let mut request = Request::new(method, path).header("Host", &self.address.to_string());
        if method == "POST" {
            request = request.body(body.to_string());
        }
        let answer = exchange(&Address::Tcp(self.address), &request, &self.log);
        let mut told: Value = serde_json::from_str(&answer.body()).unwrap();
        match answer.response.status {
            200 => Ok(told["value"].take()),
            _ => Err(told["value"].take()),
        }
    }
}

fn string(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("{other} is no text"),
    }
}

#[test]
fn the_browser_does_what_a_test_tells_it_and_reports_what_a_page_does() {
    use super::receiver::{Receiver, answer};
    let Some(browser) = Chromium::free() else {
        return;
    };
    let pages = Receiver::start();
    pages.answers(|call| {
        let page = format!(
            "<!doctype html><meta name=viewport content='width=device-width'><title>{}</title>\
             <style>@media (prefers-color-scheme: dark) {{ h1 {{ display: none }} }}</style><h1>Day</h1>\
             <script nonce=good>document.title = 'ran'</script><script>alert('no')</script>\
             <form><input name=said value=first><button>Go</button></form>",
            call.headers["accept-language"]
        );
        let policy = "Content-Security-Policy: script-src 'nonce-good'\r\nSet-Cookie: crumb=1; HttpOnly\r\n";
        answer("200 OK", &format!("Content-Type: text/html\r\n{policy}"), &page)
    });
    browser.open(&pages.url(""));
    assert_eq!(browser.find("h1").text(), "Day");
    assert_eq!(
        browser.run("return [document.title, innerWidth]"),
        json!(["ran", 1280])
    );
    let refused = browser.console();
    assert!(
        refused.len() == 1 && refused[0].contains("Content Security Policy"),
        "{refused:?}"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
    let cookies = browser.cookies();
    assert_eq!(
        (&cookies[0]["name"], &cookies[0]["httpOnly"]),
        (&json!("crumb"), &json!(true))
    );
    let input = browser.find("input");
    assert_eq!(input.attribute("value").as_deref(), Some("first"));
    assert_eq!(input.attribute("class"), None);
    input.types(" and last");
    browser.find("button").click();
    browser.comes_to(&pages.url("?said=first+and+last"));
    browser.keys(&format!("{TAB}{TAB}{ENTER}"));
    browser.comes_to(&pages.url("?said=first"));
    assert_eq!(browser.dialog(), None);
    browser.run("setTimeout(() => alert('yes'))");
    browser.waits("the dialog", || browser.dialog().is_some());
    assert_eq!(browser.dialog().as_deref(), Some("yes"));
    drop(browser);

    // The dialog has gone with its window, and so have the cookies.
    let browser = Chromium::free().unwrap();
    let look = Look {
        is_dark: true,
        language: "zh-CN",
        runs_scripts: false,
        ..PHONE
    };
    browser.looks(look);
    browser.open(&pages.url(""));
    assert_eq!(
        browser.run("return [document.title, innerWidth]"),
        json!(["zh-CN", 390])
    );
    assert!(browser.all("h1").iter().all(|part| !part.is_shown()));
    browser.find("button").click();
    browser.comes_to(&pages.url("?said=first"));
    assert_eq!(browser.console(), Vec::<String>::new());
    browser.screenshot("webdriver");
}
