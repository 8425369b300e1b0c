//! A platform that answers what it is told to, over real HTTP, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::api::{Client, KeptToken, Settings, TokenShelf};
use crate::clock;
use crate::secret::Secret;

/// The AppID of the samples.
pub const APP_ID: &str = "wx7a9c0e1f2b3d4c5e";
/// The AppSecret of the samples.
pub const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: HashMap<String, String>,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status 200 with this JSON, as the platform sends it: `text/plain`.
    Json(String),
    /// These bytes, head and all; then the connection ends.
    Raw(Vec<u8>),
    /// Nothing for this long, then the connection ends.
    Hang(Duration),
    /// A head, then JSON without end.
    Endless,
    /// A head, then a picture without end.
    EndlessFile,
    /// The connection ends at once.
    Close,
}

pub fn ok(json: &str) -> Reply {
    Reply::Json(json.to_owned())
}

pub fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes(),
    )
}

type Answering = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The platform. It lives as long as the test process; its threads wait in `accept` and `read`.
pub struct Platform {
    pub base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Platform {
    /// A platform that answers by this function.
    pub fn new(answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Platform {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, answering): (_, Arc<Answering>) = (Arc::clone(&asked), Arc::new(answering));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, answering) = (Arc::clone(&heard), Arc::clone(&answering));
                thread::spawn(move || converse(stream, &heard, &*answering));
            }
        });
        Platform {
            base_url: format!("http://{address}"),
            asked,
        }
    }

    /// A platform that gives out `TOKEN` and answers other calls from this list, the last for ever.
    pub fn scripted(replies: Vec<Reply>) -> Platform {
        let left = Mutex::new(replies.into_iter().rev().collect::<Vec<_>>());
        Platform::new(move |asked| {
            if asked.path == "/cgi-bin/stable_token" {
                return ok(r#"{"access_token":"TOKEN","expires_in":7200}"#);
            }
            let mut left = left.lock().unwrap();
            if left.len() > 1 {
                left.pop().unwrap()
            } else {
                left[0].clone()
            }
        })
    }

    /// Everything asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths asked so far, in order, without `/cgi-bin/`.
    pub fn paths(&self) -> Vec<String> {
        self.asked()
            .iter()
            .map(|asked| asked.path.replace("/cgi-bin/", ""))
            .collect()
    }

    /// The same, once there is one: a client whose call timed out may be back before it was heard.
    pub fn heard(&self) -> Vec<String> {
        while self.asked().is_empty() {
            thread::sleep(Duration::from_millis(2));
        }
        self.paths()
    }

    /// A client of it with an empty shelf and pauses that do not slow tests down.
    pub fn client(&self) -> Client {
        self.client_with(Arc::new(Shelf::default()))
    }

    pub fn client_with(&self, shelf: Arc<Shelf>) -> Client {
        self.client_in(shelf, Duration::from_secs(60))
    }

    pub fn client_in(&self, shelf: Arc<Shelf>, timeout: Duration) -> Client {
        client_of(&self.base_url, shelf, timeout)
    }
}

pub fn client_of(base_url: &str, shelf: Arc<Shelf>, timeout: Duration) -> Client {
    let settings = Settings {
        base_url: base_url.to_owned(),
        timeout,
        app_id: APP_ID.to_owned(),
        app_secret: Secret::new(APP_SECRET),
    };
    let client = Client::new(settings, shelf).expect("usable settings");
    client.with_pauses([Duration::ZERO; 3])
}

fn converse(stream: TcpStream, heard: &Mutex<Vec<Asked>>, answering: &Answering) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    while let Some(asked) = read_request(&mut reader) {
        heard.lock().unwrap().push(asked.clone());
        let goes_on = match answering(&asked) {
            Reply::Json(body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
                );
                stream
                    .write_all(&[head.as_bytes(), body.as_bytes()].concat())
                    .is_ok()
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                false
            }
            Reply::Hang(duration) => {
                thread::sleep(duration);
                false
            }
            Reply::Endless => pour(&mut stream, "application/json", "{\"a\":\""),
            Reply::EndlessFile => pour(&mut stream, "image/png", "x"),
            Reply::Close => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// Sends until nobody reads any more.
fn pour(stream: &mut TcpStream, content_type: &str, start: &str) -> bool {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n{start}"
    );
    let _ = stream.write_all(head.as_bytes());
    while stream.write_all(&[b'x'; 65536]).is_ok() {}
    false
}

fn read_request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            None => break,
        }
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    Some(Asked {
        method,
        path: path.to_owned(),
        query,
        headers,
        body,
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex =
            (first == b'%' && after.len() >= 2).then(|| std::str::from_utf8(&after[..2]).unwrap());
        if let Some(hex) = hex {
            bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// A shelf in memory, to be shared by clients that play processes.
#[derive(Default)]
pub struct Shelf {
    tokens: Mutex<HashMap<String, KeptToken>>,
    leases: Mutex<HashMap<String, Instant>>,
    pub broken: Mutex<Option<&'static str>>,
}

impl Shelf {
    /// A shelf with this access_token on it, which ends in so many seconds.
    pub fn with(value: &str, ends_in: i64) -> Arc<Shelf> {
        let shelf = Shelf::default();
        let token = KeptToken {
            value: Secret::new(value),
            expires_at: clock::unix_seconds() + ends_in,
        };
        shelf.save("access_token", &token).unwrap();
        Arc::new(shelf)
    }

    pub fn value(&self, name: &str) -> Option<String> {
        self.tokens
            .lock()
            .unwrap()
            .get(name)
            .map(|token| token.value.expose().to_owned())
    }

    fn fails(&self, what: &str) -> Result<(), String> {
        match *self.broken.lock().unwrap() {
            Some(broken) if broken == what => Err("disk full".to_owned()),
            _ => Ok(()),
        }
    }
}

impl TokenShelf for Shelf {
    fn load(&self, name: &str) -> Result<Option<KeptToken>, String> {
        self.fails("load")?;
        Ok(self.tokens.lock().unwrap().get(name).cloned())
    }

    fn save(&self, name: &str, token: &KeptToken) -> Result<(), String> {
        self.fails("save")?;
        self.tokens
            .lock()
            .unwrap()
            .insert(name.to_owned(), token.clone());
        Ok(())
    }

    fn lease(&self, name: &str, for_: Duration) -> Result<bool, String> {
        let mut leases = self.leases.lock().unwrap();
        let now = Instant::now();
        if leases.get(name).is_some_and(|until| now < *until) {
            return Ok(false);
        }
        leases.insert(name.to_owned(), now + for_);
        Ok(true)
    }

    fn release(&self, name: &str) -> Result<(), String> {
        self.leases.lock().unwrap().remove(name);
        Ok(())
    }
}
