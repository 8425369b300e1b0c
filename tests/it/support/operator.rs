//! The operator's browser: signs in with a link, and sends what a browser sends.

use super::account::Account;
use super::http::{Address, Answer, Request, exchange};

/// Makes the server show the page on a free port.
pub const PAGE: (&str, &str) = ("admin.listen", "\"127.0.0.1:0\"");

/// Where the account's page is.
#[track_caller]
pub fn page(account: &Account) -> Address {
    account.log().says("\"wechatd admin link\" signs in");
    let lines = account.log().lines();
    let at = lines.iter().rev().find_map(|line| {
        let (_, rest) = line.split_once("operator page: ")?;
        rest.strip_suffix("; \"wechatd admin link\" signs in")
    });
    let at = at.unwrap();
    let at = at.split_once(", on ").map_or(at, |(_, at)| at);
    match at.strip_prefix("unix:") {
        Some(path) => Address::Unix(path.into()),
        None => Address::Tcp(at.parse().unwrap_or_else(|_| panic!("{at}"))),
    }
}

/// A link as `wechatd admin link` prints it: its path.
#[track_caller]
pub fn link(account: &Account) -> String {
    let ran = account.command(&["admin", "link", "--json"]);
    let url = ran.json()["url"].as_str().unwrap().to_owned();
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

/// A browser that shows the page.
pub struct Operator<'a> {
    account: &'a Account,
    at: Address,
    base: String,
    /// `NAME=VALUE`.
    pub cookie: String,
    /// What its forms carry.
    pub token: String,
}

impl<'a> Operator<'a> {
    /// Signed in.
    #[track_caller]
    pub fn of(account: &'a Account) -> Self {
        Operator::by(account, &link(account))
    }

    /// Signed in by this link.
    #[track_caller]
    pub fn by(account: &'a Account, key: &str) -> Self {
        let mut operator = Operator {
            account,
            at: page(account),
            base: key.split("/login/").next().unwrap().to_owned(),
            cookie: String::new(),
            token: String::new(),
        };
        let answer = operator.send(Request::new("POST", key));
        answer.is_status(303);
        operator.cookie = cookie(&answer);
        let body = operator.get("/").is_status(200).body();
        let (_, token) = body.split_once("name=\"token\" value=\"").unwrap();
        operator.token = token.split('"').next().unwrap().to_owned();
        operator
    }

    /// The load balancer takes it to the page of this server from now on.
    #[cfg(feature = "mysql")]
    #[track_caller]
    pub fn taken_to(&mut self, account: &'a Account) -> &Self {
        (self.account, self.at) = (account, page(account));
        self
    }

    /// Opens a path below that of the page.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", &format!("{}{path}", self.base)))
    }

    /// Sends a form with its token, as a browser does.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &str) -> Answer {
        let body = format!("token={}&{fields}", self.token);
        let request = Request::new("POST", &format!("{}{path}", self.base)).body(body);
        let Address::Tcp(address) = &self.at else {
            panic!("not TCP");
        };
        self.send(
            request
                .header("Origin", &format!("http://{address}"))
                .header("Sec-Fetch-Site", "same-origin"),
        )
    }

    /// Sends any request to the page, with the cookie.
    #[track_caller]
    pub fn send(&self, request: Request) -> Answer {
        let request = match self.cookie.is_empty() || request.has("Cookie") {
            true => request,
            false => request.header("Cookie", &self.cookie),
        };
        ask(self.account, &self.at, request)
    }
}

/// Sends a request to the page as it is, but for the name of the page.
#[track_caller]
pub fn ask(account: &Account, at: &Address, request: Request) -> Answer {
    let name = match at {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    let request = match request.has("Host") {
        true => request,
        false => request.header("Host", &name),
    };
    exchange(at, &request, account.log())
}

/// The cookie that an answer sets, as it is sent back.
#[track_caller]
pub fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| {
        panic!("{}", answer.explained("a cookie"));
    });
    set.split(';').next().unwrap().to_owned()
}
