//! One service, ready to be called.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{self, Answer, MOST_BYTES};
use super::call::{Call, Signer, signature};
use super::question::Question;
use crate::clock;
use crate::config::Service;
use crate::outbound::{NetworkCause, Outbound, OutboundError, Request, Response};
use crate::random;
use crate::wechat::{Push, Reply};

/// How long, from the beginning, a service that does not take calls is called again.
const AGAIN_FOR: Duration = Duration::from_secs(2);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the calls to one service.
pub struct Backend {
    /// The service.
    pub service: Service,
    signer: Signer,
    outbound: Outbound,
}

/// Why a service gave no answer: on one line, without what may be secret and without anything that people wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub error: String,
}

/// Why one attempt gave no answer.
struct Fault {
    failure: Failure,
    /// The service has not taken the call.
    may_be_repeated: bool,
}

impl Backend {
    pub(super) fn new(service: Service, signer: Signer, outbound: Outbound) -> Backend {
        Backend {
            service,
            signer,
            outbound,
        }
    }

    /// Asks what to reply; `None`: nothing. Blocks up to the service's `timeout`. Where the service does not take the
    /// call (connection refused; with `json` also HTTP 503), it is called again for 2 seconds while it is
    /// `still_wanted`.
    ///
    /// # Errors
    /// When no usable answer comes in time.
    pub fn ask(
        &self,
        question: &Question,
        still_wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Reply>, Failure> {
        let begun = Instant::now();
        let push = Push::parse(&question.received).map_err(failure)?;
        let call = self.signer.call(&push, question).map_err(failure)?;
        let reply = loop {
            let fault = match self.attempt(&call, begun) {
                Ok(reply) => break reply,
                Err(fault) => fault,
            };
            let next = begun.elapsed() + PAUSE;
            let is_in_time = next < AGAIN_FOR.min(self.service.timeout);
            if !(fault.may_be_repeated && is_in_time && still_wanted()) {
                return Err(fault.failure);
            }
            thread::sleep(PAUSE);
        };
        match reply {
            Some(Reply::Transfer { .. } | Reply::TransferAi) if !push.may_be_transferred() => Err(
                failure("the answer hands an event to customer service; only messages can be"),
            ),
            reply => Ok(reply),
        }
    }

    fn attempt(&self, call: &Call, begun: Instant) -> Result<Option<Reply>, Fault> {
        let nonce = random::number().map_err(failure)?;
        let signed = self.signer.sign(call, clock::unix_seconds(), nonce);
        let request = Request {
            url: self.service.url.expose(),
            query: borrowed(&signed.query),
            headers: borrowed(&signed.headers),
            body: Some((call.content_type, call.body.as_bytes())),
            timeout: self.service.timeout.saturating_sub(begun.elapsed()),
            redirects: 0,
        };
        let response = self.outbound.send(&request).map_err(|error| Fault {
            may_be_repeated: error == OutboundError::Network(NetworkCause::Refused),
            failure: self.failed(error),
        })?;
        let status = response.status();
        judge(status).map_err(|failure| Fault {
            failure,
            may_be_repeated: status == 503 && matches!(self.signer, Signer::Json(_)),
        })?;
        let content_type = response.header("content-type").map(str::to_owned);
        let body = self.body(response)?;
        let answer = Answer {
            content_type: content_type.as_deref(),
            body: &body,
        };
        Ok(answer::read(&self.signer, answer).map_err(failure)?)
    }

    /// Checks whether a `wechat` service knows the Token, as the platform does when an address is entered in its
    /// console. A `json` service has no such check.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub fn handshake(&self) -> Result<(), Failure> {
        let Signer::WeChat(token) = &self.signer else {
            return Ok(());
        };
        let echo = random::number().map_err(failure)?.to_string();
        let nonce = random::number().map_err(failure)?;
        let mut query = signature(token, clock::unix_seconds(), nonce);
        query.push(("echostr", echo.clone()));
        let request = Request {
            url: self.service.url.expose(),
            query: borrowed(&query),
            headers: Vec::new(),
            body: None,
            timeout: self.service.timeout,
            redirects: 0,
        };
        let response = self.outbound.send(&request);
        let response = response.map_err(|error| self.failed(error))?;
        judge(response.status())?;
        let body = self.body(response)?;
        match body.trim_ascii() == echo.as_bytes() {
            true => Ok(()),
            false => Err(failure(
                "the answer is not the echostr; the program's Token must be the service's `token`, or without one `account.token`",
            )),
        }
    }

    /// The body of an answer, up to one byte more than it may have.
    fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let read = response
            .into_body()
            .read_rest(MOST_BYTES as u64 + 1, &mut body);
        read.map_err(|error| self.failed(error))?;
        Ok(body)
    }

    /// The error with the whole time limit: an attempt has what is left of it.
    fn failed(&self, error: OutboundError) -> Failure {
        let error = match error {
            OutboundError::Network(NetworkCause::Timeout(_)) => {
                OutboundError::timeout(self.service.timeout)
            }
            error => error,
        };
        failure(error)
    }
}

/// Whether an answer of this status counts.
fn judge(status: u16) -> Result<(), Failure> {
    match status {
        200..300 => Ok(()),
        300..400 => Err(failure(format_args!(
            "HTTP {status}: redirects are not followed; write the final URL"
        ))),
        _ => Err(failure(format_args!("HTTP {status}"))),
    }
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// The failure with the reason of an error that quotes nothing.
fn failure(error: impl fmt::Display) -> Failure {
    Failure {
        error: error.to_string(),
    }
}

/// Without a second attempt.
impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        Fault {
            failure,
            may_be_repeated: false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
