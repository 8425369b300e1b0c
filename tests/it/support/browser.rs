//! A browser with its cookies, as it reaches the server through a reverse proxy on this machine: one that is played
//! here, or a real one.

use super::account::Account;
use super::http::{Address, Answer, Request, exchange};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// `web.url` in these tests.
pub const SITE: &str = "https://example.com";

/// What WeChat's browser calls itself.
const WECHAT: &str = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50 NetType/WIFI Language/zh_CN";

/// The cookie of a session.
pub const SESSION: &str = "__Host-wechatd";

/// The cookie of a log-in under way.
pub const FLOW: &str = "__Host-wechatd-flow";

/// A browser; WeChat's on a phone unless it calls itself otherwise.
pub struct Browser<'a> {
    account: &'a Account,
    site: String,
    through: Option<Address>,
    jar: RefCell<BTreeMap<String, String>>,
    /// Cookies of these names are not kept.
    loses: Vec<&'static str>,
    agent: &'static str,
}

impl<'a> Browser<'a> {
    /// Without any cookie.
    pub fn new(account: &'a Account) -> Self {
        Self {
            account,
            site: SITE.into(),
            through: None,
            jar: RefCell::default(),
            loses: Vec::new(),
            agent: WECHAT,
        }
    }

    /// Goes through the real proxy here, for the site that is this `web.url`.
    pub fn through(mut self, proxy: Address, site: &str) -> Self {
        self.through = Some(proxy);
        self.site = site.into();
        self
    }

    /// Another browser than WeChat's.
    pub fn calling_itself(mut self, agent: &'static str) -> Self {
        self.agent = agent;
        self
    }

    /// Loses the cookie of this name at once, again and again.
    pub fn losing(mut self, cookie: &'static str) -> Self {
        self.loses.push(cookie);
        self
    }

    /// The load balancer takes it to this server from now on.
    #[cfg(feature = "mysql")]
    pub fn taken_to(&mut self, account: &'a Account) -> &Self {
        self.account = account;
        self
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.borrow().get(name).cloned()
    }

    /// Sets or removes a cookie behind the server's back.
    pub fn plant(&self, name: &str, value: Option<&str>) {
        let mut jar = self.jar.borrow_mut();
        match value {
            Some(value) => jar.insert(name.into(), value.into()),
            None => jar.remove(name),
        };
    }

    /// Opens path and query.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.send(Request::new("GET", target))
    }

    /// Sends a form of one of the server's own pages.
    #[track_caller]
    pub fn post(&self, target: &str, form: &str) -> Answer {
        let request = Request::new("POST", target).body(form);
        self.send(request.header("Origin", &self.site))
    }

    /// Sends a request with what a browser adds, and keeps the cookies of the answer.
    #[track_caller]
    pub fn send(&self, request: Request) -> Answer {
        let cookies: Vec<String> = self
            .jar
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = request.header("User-Agent", self.agent);
        if !request.has("Sec-Fetch-Mode") {
            request = request.header("Sec-Fetch-Mode", "navigate");
        }
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies.join("; "));
        }
        let answer = match &self.through {
            None => self.account.send(&request),
            Some(proxy) => {
                let (_, host) = self.site.split_once("://").expect("an address");
                exchange(proxy, &request.header("Host", host), self.account.log())
            }
        };
        for (name, value) in &answer.response.headers {
            if name != "set-cookie" {
                continue;
            }
            let (name, rest) = value.split_once('=').expect("a cookie");
            let (value, flags) = rest.split_once(';').expect("flags");
            for flag in ["Path=/", "HttpOnly", "SameSite=Lax"] {
                answer.expect(flags.contains(flag), flag);
            }
            let is_secure = self.site.starts_with("https:");
            answer.expect(flags.contains("Secure") == is_secure, "Secure over TLS");
            let is_kept = !flags.contains("Max-Age=0;") && !self.loses.contains(&name);
            self.plant(name, is_kept.then_some(value));
        }
        answer
    }

    /// Opens a page behind this gate with the proxy asking the server first, as Caddy does: where that leads, or `None`
    /// if the page is shown.
    #[track_caller]
    pub fn open(&self, gate: &str, page: &str) -> Option<String> {
        let asked = Request::new("GET", &format!("/wx/gate/{gate}"))
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "example.com")
            .header("X-Forwarded-Uri", page);
        let answer = self.send(asked);
        match answer.response.status {
            200 => None,
            _ => Some(location(&answer)),
        }
    }

    /// Begins a log-in; the path and query at which WeChat sends the browser back with this code.
    #[track_caller]
    pub fn begin(&self, target: &str, code: &str) -> String {
        sent_back_to(&self.site, &self.get(target), code)
    }

    /// Logs in as this person, for the page `/docs`.
    #[track_caller]
    pub fn log_in(&self, openid: &str) {
        let back = self.begin("/wx/login/all?to=/docs", &code(openid));
        let answer = self.get(&back);
        answer.is_status(303);
        assert_eq!(location(&answer), format!("{SITE}/docs"));
    }

    /// The status of the check for this gate, as nginx sees it.
    #[track_caller]
    pub fn check(&self, gate: &str) -> u16 {
        self.get(&format!("/wx/auth/{gate}")).response.status
    }
}

/// A new code of this person, as it stands in a query.
pub fn code(openid: &str) -> String {
    format!("SYNCODE{}%20{openid}", super::push::nonce())
}

/// Where an answer leads.
#[track_caller]
pub fn location(answer: &Answer) -> String {
    answer
        .header("location")
        .unwrap_or_else(|| panic!("{}", answer.explained("a Location")))
        .to_owned()
}

/// Path and query of an address of the site.
#[track_caller]
pub fn on_the_site(address: &str) -> String {
    on(SITE, address)
}

/// The same for another site.
#[track_caller]
pub fn on(site: &str, address: &str) -> String {
    let path = address.strip_prefix(site);
    path.filter(|path| path.starts_with('/'))
        .unwrap_or_else(|| panic!("{address} is not on {site}"))
        .to_owned()
}

/// The numbers that an answer to a scan offers.
pub fn offered(reply: &str) -> Vec<String> {
    let links = reply.split("weixin://bizmsgmenu?msgmenucontent=").skip(1);
    links
        .map(|link| link.split('&').next().unwrap().to_owned())
        .collect()
}

/// Follows the way to WeChat's log-in as the platform does: back to the `redirect_uri` with a code and the state.
#[track_caller]
pub fn sent_back(answer: &Answer, code: &str) -> String {
    sent_back_to(SITE, answer, code)
}

#[track_caller]
fn sent_back_to(site: &str, answer: &Answer, code: &str) -> String {
    answer.is_status(302);
    let address = location(answer);
    let query = address
        .strip_prefix("https://open.weixin.qq.com/connect/oauth2/authorize?")
        .and_then(|rest| rest.strip_suffix("#wechat_redirect"));
    let query = query.unwrap_or_else(|| panic!("{}", answer.explained("WeChat's log-in")));
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).unwrap().1
    };
    let redirect_uri = wechatd::percent::decode(value("redirect_uri")).unwrap();
    let target = on(site, &redirect_uri);
    let sign = if target.contains('?') { '&' } else { '?' };
    format!("{target}{sign}code={code}&state={}", value("state"))
}
