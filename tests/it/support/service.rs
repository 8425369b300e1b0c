//! A fake of the owner's own program behind `[[service]]`: it checks how every call is signed, records it, and answers by
//! a script.

use super::now;
use super::platform::Call;
use super::platform::connection::{Reply, Then};
use super::push::{Push, signature};
use super::receiver::{Receiver, answer, hang, is_signed, trickle};
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The Token towards a service; the account has another one.
pub const SERVICE_TOKEN: &str = "serviceToken2026";
/// The secret of a service that is called with JSON.
pub const SERVICE_SECRET: &str = "whsec_c2VydmljZSBzZWNyZXQgb2YgdGhlIHRlc3RzIDIwMjY=";
/// Rules that forward everything to the service of [`Service::entry`].
pub const FORWARD_ALL: &str = r#"
[[rule]]
message = "any"
forward = "bot"
otherwise = "The bot is out."

[[rule]]
event = "any"
forward = "bot"
otherwise = "The bot is out."
"#;

/// What the service does with one call.
#[derive(Clone, Debug)]
pub struct Act {
    after: Duration,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    Text(String),
    Nothing,
    Raw(Reply),
}

impl Act {
    /// Answers with this text, in the format of the service.
    pub fn text(content: &str) -> Self {
        Says::Text(content.into()).into()
    }

    /// Has nothing to say: `success` or 204.
    pub fn nothing() -> Self {
        Says::Nothing.into()
    }

    /// Answers with this status (`200 OK`), content type and body.
    pub fn http(status: &str, content_type: &str, body: &str) -> Self {
        Self::raw(answer(
            status,
            &format!("Content-Type: {content_type}\r\n"),
            body,
        ))
    }

    /// Redirects to this address.
    pub fn redirect(to: &str) -> Self {
        Self::raw(answer("302 Found", &format!("Location: {to}\r\n"), ""))
    }

    /// Says nothing and keeps the connection open.
    pub fn hang() -> Self {
        Self::raw(hang())
    }

    /// A head, then a byte every 20 ms without end.
    pub fn trickle() -> Self {
        Self::raw(trickle("HTTP/1.1 200 OK\r\n\r\n", b"x"))
    }

    /// A head that announces 100 MB, then bytes at full speed until the caller closes.
    pub fn huge() -> Self {
        Self::raw(Reply::Forever {
            start: "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".into(),
            piece: vec![b'x'; 1 << 16],
            pause: Duration::ZERO,
        })
    }

    /// Closes the connection after these bytes, with a whole answer or less.
    pub fn close(bytes: &str) -> Self {
        Self::raw(Reply::Bytes(bytes.into(), Then::Close))
    }

    fn raw(reply: Reply) -> Self {
        Says::Raw(reply).into()
    }

    /// The same after this time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

impl From<Says> for Act {
    fn from(says: Says) -> Self {
        Self {
            after: Duration::ZERO,
            says,
        }
    }
}

/// One call as it was received.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub call: Call,
    /// When it was complete.
    pub at: Instant,
}

/// How the calls are written and signed.
#[derive(Clone, Debug)]
enum Format {
    WeChat { token: String },
    Json { secret: String },
}

/// The fake service, named `bot`; it stops when dropped.
pub struct Service {
    receiver: Receiver,
    format: Format,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    script: VecDeque<Act>,
    mistakes: Vec<String>,
    signatures: HashSet<String>,
    under_way: usize,
    most_at_once: usize,
}

impl Service {
    /// One that takes the platform's XML, signed with [`SERVICE_TOKEN`].
    pub fn wechat() -> Self {
        Self::wechat_with(SERVICE_TOKEN)
    }

    /// The same, signed with this Token.
    pub fn wechat_with(token: &str) -> Self {
        let token = token.into();
        Self::start(Format::WeChat { token })
    }

    /// One that takes JSON, signed with [`SERVICE_SECRET`].
    pub fn json() -> Self {
        Self::json_with(SERVICE_SECRET)
    }

    /// The same, signed with this secret.
    pub fn json_with(secret: &str) -> Self {
        let secret = secret.into();
        Self::start(Format::Json { secret })
    }

    fn start(format: Format) -> Self {
        let service = Self {
            receiver: Receiver::start(),
            format: format.clone(),
            state: Arc::default(),
        };
        let state = service.state.clone();
        service
            .receiver
            .answers(move |call| perform(call, &format, &state));
        service
    }

    /// The URL of its callback.
    pub fn url(&self) -> String {
        self.receiver.url("wechat")
    }

    /// `[[service]]` for it, with these further keys.
    pub fn entry(&self, keys: &str) -> String {
        let (format, secret) = match &self.format {
            Format::WeChat { token } => ("wechat", format!("token = \"{token}\"")),
            Format::Json { secret } => ("json", format!("secret = \"{secret}\"")),
        };
        let url = self.url();
        format!(
            "[[service]]\nname = \"bot\"\nurl = \"{url}\"\nformat = \"{format}\"\n{secret}\n{keys}\n"
        )
    }

    /// The next calls are answered like this, one after the other, and all later ones like the last.
    pub fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().script = acts.into_iter().collect();
    }

    /// Every call from now on is answered like this.
    pub fn always(&self, act: Act) {
        self.script([act]);
    }

    /// Refuses connections from now on, and breaks open ones.
    pub fn down(&self) {
        self.receiver.down();
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        self.receiver.up();
    }

    /// All calls so far, those with mistakes included.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How often it was called for this push.
    pub fn times(&self, push: &Push) -> usize {
        let wanted = key_of_push(push);
        self.per_push().remove(&wanted).unwrap_or(0)
    }

    /// How often it was called for each push, by sender and MsgId or CreateTime.
    pub fn per_push(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        let asked = self.asked();
        for Asked { call, .. } in asked.iter().filter(|asked| asked.call.method == "POST") {
            *counts.entry(key_of(call, &self.format)).or_default() += 1;
        }
        counts
    }

    /// The most calls that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state.lock().unwrap().most_at_once
    }

    /// What is wrong with the calls so far; forgets it, so that the test can go on.
    pub fn mistakes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().mistakes)
    }
}

impl Drop for Service {
    /// A call that an SDK would refuse fails the test.
    fn drop(&mut self) {
        let mistakes = self.mistakes();
        assert!(
            mistakes.is_empty() || std::thread::panicking(),
            "an SDK would refuse these calls of the service: {mistakes:#?}"
        );
    }
}

/// Records and checks the call, then does what the script says.
fn perform(call: &Call, format: &Format, state: &Mutex<State>) -> Reply {
    let at = Instant::now();
    let act = {
        let mut state = state.lock().unwrap();
        state.asked.push(Asked {
            call: call.clone(),
            at,
        });
        let checked = match format {
            Format::WeChat { token } => check_wechat(call, token, &mut state.signatures),
            Format::Json { secret } => check_json(call, secret),
        };
        if let Err(mistake) = checked {
            state.mistakes.push(format!("{mistake}: {call:?}"));
            return answer("403 Forbidden", "", mistake);
        }
        if call.method == "GET" {
            return answer("200 OK", "", &call.query["echostr"]);
        }
        state.under_way += 1;
        state.most_at_once = state.most_at_once.max(state.under_way);
        match state.script.len() {
            0 => Act::nothing(),
            1 => state.script[0].clone(),
            _ => state.script.pop_front().unwrap(),
        }
    };
    std::thread::sleep(act.after);
    state.lock().unwrap().under_way -= 1;
    match (act.says, format) {
        (Says::Raw(reply), _) => reply,
        (Says::Text(content), Format::WeChat { .. }) => answer(
            "200 OK",
            "Content-Type: application/xml\r\n",
            &reply_xml(&content),
        ),
        (Says::Text(content), Format::Json { .. }) => {
            answer("200 OK", "Content-Type: text/plain\r\n", &content)
        }
        (Says::Nothing, Format::WeChat { .. }) => answer("200 OK", "", "success"),
        (Says::Nothing, Format::Json { .. }) => answer("204 No Content", "", ""),
    }
}

/// A text reply with names that are not those of the push: they must not come through.
fn reply_xml(content: &str) -> String {
    let content = content.replace("]]>", "]]]]><![CDATA[>");
    format!(
        "<xml><ToUserName><![CDATA[oSomebodyElse]]></ToUserName><FromUserName><![CDATA[gh_another]]></FromUserName>\
         <CreateTime>1</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{content}]]></Content></xml>"
    )
}

/// Checks what every SDK checks, and what some do.
fn check_wechat(call: &Call, token: &str, seen: &mut HashSet<String>) -> Result<(), &'static str> {
    let part = |name: &str| call.query.get(name).map_or("", String::as_str);
    let (given, timestamp) = (part("signature"), part("timestamp"));
    if given != signature(&[token, timestamp, part("nonce")]) {
        return Err("not signed with its Token");
    }
    if !seen.insert(given.into()) {
        return Err("the signature of another call");
    }
    check_time(timestamp)?;
    if call.method == "GET" {
        let has_echostr = call.query.contains_key("echostr");
        return has_echostr.then_some(()).ok_or("a GET without an echostr");
    }
    check_post(call, "text/xml")?;
    match part("openid") == xml_value(call, "FromUserName") {
        true => Ok(()),
        false => Err("the openid of the query is not the sender"),
    }
}

/// Checks what a library of Standard Webhooks checks. (Two calls for one push in one second have the same signature.)
fn check_json(call: &Call, secret: &str) -> Result<(), &'static str> {
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    if headers.iter().any(|name| !call.headers.contains_key(*name)) {
        return Err("a header of Standard Webhooks is missing");
    }
    if !is_signed(call, secret) {
        return Err("not signed with its secret");
    }
    check_time(&call.headers["webhook-timestamp"])?;
    check_post(call, "application/json")
}

fn check_time(timestamp: &str) -> Result<(), &'static str> {
    let age = timestamp.parse().map(|time: i64| now().abs_diff(time));
    match age {
        Ok(0..=60) => Ok(()),
        _ => Err("not signed now"),
    }
}

fn check_post(call: &Call, content_type: &str) -> Result<(), &'static str> {
    let given = call.headers.get("content-type");
    match call.method == "POST" && given.is_some_and(|given| given.starts_with(content_type)) {
        true => Ok(()),
        false => Err("not a POST of the format's type"),
    }
}

fn xml_value(call: &Call, name: &str) -> String {
    let Ok(root) = xmltree::Element::parse(call.body.as_bytes()) else {
        return String::new();
    };
    let child = root.get_child(name).and_then(xmltree::Element::get_text);
    child.map(|text| text.into_owned()).unwrap_or_default()
}

/// Which push a call is about, as [`key_of_push`].
fn key_of(call: &Call, format: &Format) -> String {
    let (openid, msg_id, created) = match format {
        Format::WeChat { .. } => (
            xml_value(call, "FromUserName"),
            xml_value(call, "MsgId"),
            xml_value(call, "CreateTime"),
        ),
        Format::Json { .. } => {
            let data = &call.json()["data"];
            let text = |name: &str| match &data[name] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            (text("openid"), text("msg_id"), text("created_at"))
        }
    };
    let which = if msg_id.is_empty() { created } else { msg_id };
    format!("{openid} {which}")
}

fn key_of_push(push: &Push) -> String {
    let which = match push.msg_id() {
        Some(id) => id.to_owned(),
        None => push.created().to_string(),
    };
    format!("{} {which}", push.sender())
}

/// Tests of the fake itself: if it is wrong, tests of the real program prove nothing.
mod tests {
    use super::super::http::{Address, Answer, exchange};
    use super::super::receiver::hmac;
    use super::super::{Log, Request, TOKEN, Wire, click, text};
    use super::*;
    use serde_json::json;

    fn send(service: &Service, request: &Request) -> Answer {
        exchange(&address(service), request, &Log::default())
    }

    fn address(service: &Service) -> Address {
        let host = service.url().replace("http://", "").replace("/wechat", "");
        Address::Tcp(host.parse().unwrap())
    }

    fn forward(service: &Service, push: &Push) -> Answer {
        send(service, &push.request("/wechat", SERVICE_TOKEN))
    }

    fn call_with_json(secret: &[u8]) -> Request {
        let body = json!({"type": "message.text", "data": {"openid": "oA", "msg_id": "1", "created_at": 2}});
        let (body, time) = (body.to_string(), now().to_string());
        let signature = hmac(secret, format!("msg_1.{time}.{body}").as_bytes());
        Request::new("POST", "/wechat")
            .header("Content-Type", "application/json")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", &time)
            .header("webhook-signature", &format!("v1,{signature}"))
            .body(body)
    }

    #[test]
    fn the_fake_service_answers_by_its_script_and_counts_calls_for_each_push() {
        let service = Service::wechat();
        let slow = Duration::from_millis(200);
        service.script([
            Act::text("one").after(slow),
            Act::http("500 Internal Server Error", "text/html", "<p>oops</p>"),
            Act::redirect("http://169.254.169.254/"),
            Act::nothing(),
        ]);
        let (hello, tap) = (text("hello"), click("HOURS"));
        let first = forward(&service, &hello);
        assert_eq!(first.reply().content, "one");
        assert!(first.took >= slow);
        forward(&service, &hello).is(500, "<p>oops</p>");
        forward(&service, &hello).is_status(302);
        for _ in 0..2 {
            forward(&service, &tap).is(200, "success");
        }
        assert_eq!((service.times(&hello), service.times(&tap)), (3, 2));
        assert_eq!(service.times(&text("another")), 0);
        assert_eq!(service.per_push().len(), 2);
        assert_eq!((service.asked().len(), service.most_at_once()), (5, 1));
        assert!(service.asked()[1].at - service.asked()[0].at >= slow);
        let handshake = super::super::signed_query(SERVICE_TOKEN, &now().to_string(), "1");
        let handshake = format!("/wechat?{handshake}&echostr=echo");
        send(&service, &Request::new("GET", &handshake)).is(200, "echo");
    }

    #[test]
    fn the_fake_service_hangs_trickles_closes_and_refuses() {
        let service = Service::wechat();
        let begin = |act: Act| {
            service.always(act);
            let mut wire = Wire::connect(&address(&service)).unwrap();
            let request = text("hello").request("/wechat", SERVICE_TOKEN);
            wire.send(&request.bytes()).unwrap();
            wire
        };
        let moment = || Instant::now() + Duration::from_millis(300);
        for act in [Act::hang(), Act::trickle()] {
            let mut wire = begin(act);
            wire.give_up_at(moment());
            assert!(wire.response().is_err());
        }
        assert!(!begin(Act::huge()).is_closed_by_server());
        assert!(begin(Act::close("")).is_closed_by_server());
        let mut half = begin(Act::close(
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<xml>",
        ));
        assert_eq!(half.response().unwrap_err(), "closed after 5 bytes");
        service.down();
        assert!(Wire::connect(&address(&service)).is_err());
        service.up();
        service.always(Act::text("back"));
        let back = forward(&service, &text("hello"));
        assert_eq!(back.reply().content, "back");
    }

    #[test]
    fn the_fake_service_refuses_what_an_sdk_would_refuse() {
        let service = Service::wechat();
        let request = text("hello").request("/wechat", SERVICE_TOKEN);
        send(&service, &request).is(200, "success");
        send(&service, &request).is_status(403);
        send(&service, &text("hello").request("/wechat", TOKEN)).is_status(403);
        let old = text("hello").stamped(now() - 3_600);
        forward(&service, &old).is_status(403);
        assert_eq!(service.mistakes().len(), 3);
        let service = Service::json();
        service.always(Act::text("hi"));
        let key = b"service secret of the tests 2026";
        let call = call_with_json(key);
        send(&service, &call).is(200, "hi");
        assert_eq!(service.per_push()["oA 1"], 1);
        service.always(Act::nothing());
        send(&service, &call).is(204, "");
        send(&service, &call_with_json(b"some other secret of 24 b")).is_status(403);
        assert_eq!(service.mistakes().len(), 1);
    }
}
