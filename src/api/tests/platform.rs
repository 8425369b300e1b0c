//! The fake platform with scripted answers, and its clients.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../../../tests/it/support/platform/connection.rs"]
mod connection;

use connection::Then;
pub use connection::{APP_ID, APP_SECRET, Call, Reply};

use crate::api::{Client, KeptToken, Settings, TokenStore};
use crate::clock;
use crate::secret::Secret;

/// Status 200 with this JSON, typed `text/plain` as the platform does.
pub fn ok(json: &str) -> Reply {
    let headers = "Content-Type: text/plain\r\n";
    Reply::http("200 OK", headers, json, Then::NextCall)
}

/// An answer after which the connection closes.
pub fn http(status: &str, headers: &str, body: &str) -> Reply {
    Reply::http(status, headers, body, Then::Close)
}

/// These bytes, including the head; then the connection closes.
pub fn raw(bytes: &str) -> Reply {
    Reply::Bytes(bytes.into(), Then::Close)
}

/// A head, then an endless body of this type.
pub fn endless(content_type: &str, start: &str) -> Reply {
    Reply::Forever {
        start: format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n{start}"
        ),
        piece: vec![b'x'; 1 << 16],
        pause: Duration::ZERO,
    }
}

/// No answer; the connection stays open.
pub fn hang() -> Reply {
    Reply::Forever {
        start: String::new(),
        piece: Vec::new(),
        pause: Duration::from_secs(20),
    }
}

/// The platform. It lives as long as the test process; its threads wait in `accept` and `read`.
pub struct Platform {
    pub base_url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Platform {
    /// A platform that answers with this function.
    pub fn new(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Platform {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (recorded, answer) = (Arc::clone(&calls), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
                thread::spawn(move || {
                    connection::serve(stream, |call| {
                        recorded.lock().unwrap().push(call.clone());
                        answer(call)
                    });
                });
            }
        });
        Platform {
            base_url: format!("http://{address}"),
            calls,
        }
    }

    /// A platform that gives out `TOKEN` and answers other calls from this list; the last answer repeats.
    pub fn scripted(replies: Vec<Reply>) -> Platform {
        let left = Mutex::new(replies.into_iter().rev().collect::<Vec<_>>());
        Platform::new(move |call| {
            if call.path == "/cgi-bin/stable_token" {
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

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Their paths, in order, without `/cgi-bin/`.
    pub fn paths(&self) -> Vec<String> {
        let calls = self.calls();
        let paths = calls.iter().map(|call| call.path.replace("/cgi-bin/", ""));
        paths.collect()
    }

    /// Like `paths`, but waits for the first one: a call may time out before it is recorded.
    pub fn heard(&self) -> Vec<String> {
        while self.calls().is_empty() {
            thread::sleep(Duration::from_millis(2));
        }
        self.paths()
    }

    /// A client with an empty store and without pauses.
    pub fn client(&self) -> Client {
        self.client_with(Arc::new(MemoryStore::default()))
    }

    pub fn client_with(&self, store: Arc<MemoryStore>) -> Client {
        self.client_in(store, Duration::from_secs(60))
    }

    pub fn client_in(&self, store: Arc<MemoryStore>, timeout: Duration) -> Client {
        client_of(&self.base_url, store, timeout)
    }
}

pub fn client_of(base_url: &str, store: Arc<MemoryStore>, timeout: Duration) -> Client {
    let settings = Settings {
        base_url: base_url.to_owned(),
        timeout,
        app_id: APP_ID.to_owned(),
        app_secret: Secret::new(APP_SECRET),
    };
    let client = Client::new(settings, store).expect("usable settings");
    client.with_pauses([Duration::ZERO; 3])
}

/// Tokens in memory, shared by clients that stand for processes.
#[derive(Default)]
pub struct MemoryStore {
    tokens: Mutex<HashMap<String, KeptToken>>,
    leases: Mutex<HashMap<String, Instant>>,
    pub broken: Mutex<Option<&'static str>>,
}

impl MemoryStore {
    /// A store with this access_token in it, which expires in `ends_in` seconds.
    pub fn with(value: &str, ends_in: i64) -> Arc<MemoryStore> {
        let store = MemoryStore::default();
        let token = KeptToken {
            value: Secret::new(value),
            expires_at: clock::unix_seconds() + ends_in,
        };
        store.save("access_token", &token).unwrap();
        Arc::new(store)
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

impl TokenStore for MemoryStore {
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
