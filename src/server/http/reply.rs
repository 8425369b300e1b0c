//! What a handler decides: the answer, or who gives it later.

use super::outbox::Deferred;
use super::response::Response;

/// What a handler decides.
pub enum Reply {
    /// The answer.
    Now(Response),
    /// Somebody else gets the duty to answer; this hands it over, and must not wait.
    Later(Box<dyn FnOnce(Deferred) + Send>),
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Now(response)
    }
}

impl Reply {
    /// Answers later.
    pub fn later(hand_over: impl FnOnce(Deferred) + Send + 'static) -> Reply {
        Reply::Later(Box::new(hand_over))
    }
}
