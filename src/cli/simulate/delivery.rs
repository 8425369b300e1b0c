//! Deliveries of one push, signed and sealed anew each time, until one is answered.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::http::{Answer, Target};
use crate::cli::terminal::Failure;
use crate::clock;
use crate::config::Mode;
use crate::random;
use crate::secret::Secret;
use crate::simulated::ACCOUNT;
use crate::wechat::{Envelope, Format, Push, seal, sign};

/// How long an answer is waited for, and how often a push is delivered without one.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    seconds: u64,
    deliveries: usize,
}

impl Waiting {
    /// One delivery; a person can wait a little longer than the platform to see what happens.
    pub const LIKE_A_PERSON: Waiting = Waiting {
        seconds: 15,
        deliveries: 1,
    };

    /// The platform drops the connection after 5 s; captures show three deliveries in all.
    pub const LIKE_THE_PLATFORM: Waiting = Waiting {
        seconds: 5,
        deliveries: 3,
    };

    const fn limit(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Where requests go and what signs them.
#[derive(Debug)]
pub struct Sender<'a> {
    pub target: Target,
    /// Ends in `?` or `&`: what is signed follows.
    pub path: String,
    pub token: Secret,
    pub mode: &'a Mode,
    /// Named as the client, as by a proxy.
    pub client: Option<IpAddr>,
}

/// One delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    pub milliseconds: f64,
    pub answered: bool,
}

impl Sender<'_> {
    /// Sends the check that the console makes; returns the answer and whether the echostr came back.
    pub fn verify(&self) -> Result<(Answer, Delivery, bool), Failure> {
        let stamp = Stamp::now(&self.token);
        let query = format!("{}&echostr={}", stamp.query(), stamp.nonce);
        let (answer, delivery) = self.send("GET", &query, b"", Waiting::LIKE_A_PERSON);
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        let echoed = answer.status == 200 && answer.body == stamp.nonce.as_bytes();
        Ok((answer, delivery, echoed))
    }

    /// Delivers a push until it is answered. `say` is told of every delivery that was not, before the next one.
    pub fn deliver(
        &self,
        body: &[u8],
        waiting: Waiting,
        mut say: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(Answer, Vec<Delivery>), Failure> {
        let mut deliveries = Vec::new();
        loop {
            let (query, sealed) = self.sealed(body)?;
            let (answer, delivery) = self.send("POST", &query, &sealed, waiting);
            let took = delivery.milliseconds / 1000.0;
            deliveries.push(delivery);
            let what = match answer {
                Ok(answer) => return Ok((answer, deliveries)),
                Err(error) if waiting.deliveries == 1 => return Err(self.no_answer(&error)),
                Err(error) => match error.kind() {
                    ErrorKind::TimedOut => format!("no answer within {} s", waiting.seconds),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                        format!("closed without an answer after {took:.1} s")
                    }
                    _ => return Err(self.no_answer(&error)),
                },
            };
            if deliveries.len() == waiting.deliveries {
                return Err(Failure::Failed(format!(
                    "{what}, nor to the {} deliveries before: WeChat gives up, and the follower reads that the account is out of service",
                    waiting.deliveries - 1
                )));
            }
            let next = deliveries.len() + 1;
            say(&format!(
                "{what}, delivered again ({next} of {})",
                waiting.deliveries
            ))?;
        }
    }

    fn send(
        &self,
        method: &str,
        query: &str,
        body: &[u8],
        waiting: Waiting,
    ) -> (io::Result<Answer>, Delivery) {
        let path = format!("{}{query}", self.path);
        let begun = Instant::now();
        let answer = self
            .target
            .send(method, &path, self.client, body, waiting.limit());
        let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
        let delivery = Delivery {
            milliseconds: (milliseconds * 100.0).round() / 100.0,
            answered: answer.is_ok(),
        };
        (answer, delivery)
    }

    fn no_answer(&self, error: &io::Error) -> Failure {
        let place = match &self.target {
            Target::Tcp { host } | Target::Tls { host } => host.clone(),
            Target::Unix(path) => path.display().to_string(),
        };
        let advice = match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                "; is the server running? Start it with `wechatd serve`"
            }
            ErrorKind::UnexpectedEof => {
                "; WeChat would deliver again, as --patient does: a service may be slow"
            }
            _ => "",
        };
        Failure::Failed(format!("no answer from {place}: {error}{advice}"))
    }

    /// The query and body of one delivery, encrypted if the mode says so.
    fn sealed(&self, body: &[u8]) -> Result<(String, Vec<u8>), Failure> {
        let stamp = Stamp::now(&self.token);
        let mut query = stamp.query();
        if let Ok(push) = Push::parse(body) {
            query.push_str("&openid=");
            query.extend(
                push.from_user
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)),
            );
        }
        let Some(keys) = self.mode.keys() else {
            return Ok((query, body.to_vec()));
        };
        let random = random::bytes().map_err(|error| Failure::Failed(error.to_string()))?;
        let encrypt = seal(&keys.current, &keys.app_id, body, random);
        let msg_signature = sign(&[
            stamp.token.expose(),
            &stamp.timestamp,
            &stamp.nonce,
            &encrypt,
        ]);
        query.push_str(&format!("&encrypt_type=aes&msg_signature={msg_signature}"));
        let envelope = Envelope {
            to_user: Some(ACCOUNT.to_owned()),
            encrypt,
            format: match body.trim_ascii_start().first() {
                Some(b'{') => Format::Json,
                Some(_) | None => Format::Xml,
            },
        };
        let body = match (self.mode, std::str::from_utf8(body)) {
            (Mode::Compatible(_), Ok(readable)) => envelope.to_body_with(readable),
            (Mode::Plain | Mode::Compatible(_) | Mode::Secure(_), _) => envelope.to_body(),
        };
        Ok((query, body.into_bytes()))
    }
}

/// The signed part of a query, which the platform makes again for each delivery.
struct Stamp {
    token: Secret,
    timestamp: String,
    nonce: String,
}

impl Stamp {
    fn now(token: &Secret) -> Stamp {
        Stamp {
            token: token.clone(),
            timestamp: clock::unix_seconds().to_string(),
            nonce: (clock::unix_micros() % 10_000_000_000).to_string(),
        }
    }

    fn query(&self) -> String {
        let signature = sign(&[self.token.expose(), &self.timestamp, &self.nonce]);
        format!(
            "signature={signature}&timestamp={}&nonce={}",
            self.timestamp, self.nonce
        )
    }
}
