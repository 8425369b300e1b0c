//! A fake platform that computes its followers instead of storing them: it answers the calls of a follower sync as
//! cheaply as possible and records when they came.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

/// Openids on one page of the list, as on the real platform.
const PAGE: u64 = 10_000;

/// Digits at the end of an openid: the number of the follower.
const DIGITS: usize = 11;

/// One in this many has left after [`Platform::some_leave`].
const LEAVES: u64 = 100;

/// Follow times are spread over the five years before this, Unix seconds.
const LAST_FOLLOWED: u64 = 1_795_000_000;
const FIVE_YEARS: u64 = 157_000_000;

/// The calls since the last [`Platform::take_calls`].
#[derive(Debug, Default, Clone, Copy)]
pub struct Calls {
    pub count: u64,
    /// Time of the first call for a page of the list.
    pub listing: Option<Instant>,
    /// Times of the first and last call for profiles.
    pub profiles: Option<(Instant, Instant)>,
}

#[derive(Debug)]
struct State {
    followers: u64,
    some_left: bool,
    calls: Calls,
}

/// The fake platform; it runs until the bench ends.
#[derive(Debug)]
pub struct Platform {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Platform {
    /// Starts it with this number of followers.
    pub fn start(followers: u64) -> Platform {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            followers,
            some_left: false,
            calls: Calls::default(),
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Platform { address, state }
    }

    /// From now on one in a hundred has unfollowed; returns how many.
    pub fn some_leave(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.some_left = true;
        state.followers / LEAVES
    }

    /// The calls since this was last called.
    pub fn take_calls(&self) -> Calls {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    /// The same without resetting.
    pub fn calls(&self) -> Calls {
        self.state.lock().unwrap().calls
    }
}

/// Spread, so that neighbours in the list are not neighbours in an index, as on the real platform.
fn openid(number: u64) -> String {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("o{spread:016x}{number:011}")
}

fn number(openid: &str) -> Option<u64> {
    openid
        .get(openid.len().checked_sub(DIGITS)?..)?
        .parse()
        .ok()
}

/// Answers calls on one connection until it ends.
fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut scratch = vec![0; 16 * 1024];
    loop {
        buffer.clear();
        let end = loop {
            if let Some(end) = end_of_request(&buffer) {
                break end;
            }
            match stream.read(&mut scratch) {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&scratch[..count]),
            }
        };
        let request = String::from_utf8_lossy(&buffer[..end]);
        let body = answer(&request, state);
        let date = httpdate::fmt_http_date(SystemTime::now());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// The length of the request once it is complete. The program under test always sends `Content-Length`.
fn end_of_request(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length = text
        .split_once("\r\ncontent-length:")
        .and_then(|(_, rest)| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    (buffer.len() >= end).then_some(end)
}

fn answer(request: &str, state: &Mutex<State>) -> String {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (followers, some_left) = {
        let mut state = state.lock().unwrap();
        let (now, calls) = (Instant::now(), &mut state.calls);
        calls.count += 1;
        match path {
            "/cgi-bin/user/get" => drop(calls.listing.get_or_insert(now)),
            "/cgi-bin/user/info/batchget" => calls.profiles.get_or_insert((now, now)).1 = now,
            _ => {}
        }
        (state.followers, state.some_left)
    };
    match path {
        "/cgi-bin/stable_token" | "/cgi-bin/token" => {
            r#"{"access_token":"BENCH_ACCESS_TOKEN","expires_in":7200}"#.to_owned()
        }
        "/cgi-bin/user/get" => {
            let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
            let next = parameters.find(|(name, _)| *name == "next_openid");
            page(followers, some_left, next.map_or("", |(_, value)| value))
        }
        "/cgi-bin/user/info/batchget" => profiles(followers, request),
        _ => r#"{"errcode":40066,"errmsg":"invalid url"}"#.to_owned(),
    }
}

/// The page of the list after this openid; the first page for `""`.
fn page(followers: u64, some_left: bool, after: &str) -> String {
    let first = number(after).map_or(0, |number| number + 1);
    let stays = |number: &u64| !some_left || number % LEAVES != LEAVES - 1;
    let openids: Vec<String> = (first..followers)
        .filter(stays)
        .take(PAGE as usize)
        .map(openid)
        .collect();
    let total = followers - if some_left { followers / LEAVES } else { 0 };
    match openids.last() {
        None => format!(r#"{{"total":{total},"count":0,"next_openid":""}}"#),
        Some(last) => format!(
            r#"{{"total":{total},"count":{},"data":{{"openid":["{}"]}},"next_openid":"{last}"}}"#,
            openids.len(),
            openids.join(r#"",""#)
        ),
    }
}

/// The requested profiles, in the order of the request.
fn profiles(followers: u64, request: &str) -> String {
    let mut list = String::with_capacity(40 * 1024);
    list.push_str(r#"{"user_info_list":["#);
    for asked in request.split(r#""openid":""#).skip(1) {
        let openid = asked.split('"').next().unwrap_or_default();
        let number = number(openid).unwrap_or_default();
        let followed = LAST_FOLLOWED - FIVE_YEARS + number * FIVE_YEARS / followers.max(1);
        let tags = if number.is_multiple_of(10) {
            "[128,2]"
        } else {
            "[]"
        };
        let (came_by, scene) = match number % 7 {
            0 => ("ADD_SCENE_QR_CODE", number % 1_000),
            _ => ("ADD_SCENE_SEARCH", 0),
        };
        write!(
            list,
            r#"{{"subscribe":1,"openid":"{openid}","nickname":"","sex":0,"language":"zh_CN","city":"","province":"","country":"","headimgurl":"","subscribe_time":{followed},"unionid":"oUnion{number:022}","remark":"","groupid":0,"tagid_list":{tags},"subscribe_scene":"{came_by}","qr_scene":{scene},"qr_scene_str":""}},"#
        )
        .unwrap();
    }
    if list.ends_with(',') {
        list.pop();
    }
    list + "]}"
}
