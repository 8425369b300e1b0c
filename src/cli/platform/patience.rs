//! Waits out the platform's limit of calls per minute so that long work goes on after it.

use std::thread;
use std::time::Duration;

use crate::api::errcode::MINUTE_LIMIT;
use crate::api::{Action, ApiError};
use crate::cli::terminal::{ProgressLine, complain};

/// How often a piece of work may still wait. Each piece starts with a full count.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pause: Duration,
    left: u32,
    /// Tells the owner why it waits.
    tell: fn(&str),
}

impl Patience {
    /// Five waits of a minute each.
    pub fn new() -> Patience {
        Patience {
            pause: Action::Wait.least_pause(),
            left: 5,
            tell: complain,
        }
    }

    /// As many waits, without a pause or a message.
    #[cfg(test)]
    pub fn without_pauses() -> Patience {
        Patience {
            pause: Duration::ZERO,
            tell: |_| {},
            ..Patience::new()
        }
    }

    /// Waits if `error` is the limit per minute and there are waits left. Returns whether to try again.
    pub fn waits(&mut self, error: &ApiError, line: &ProgressLine) -> bool {
        if error.errcode() != Some(MINUTE_LIMIT) || self.left == 0 {
            return false;
        }
        self.left -= 1;
        line.clear();
        (self.tell)(&format!(
            "WeChat takes no more calls this minute ({MINUTE_LIMIT}); going on in {} s",
            self.pause.as_secs()
        ));
        thread::sleep(self.pause);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errcode: i64) -> ApiError {
        ApiError::Platform {
            call: "user/get".into(),
            errcode,
            errmsg: String::new(),
            rid: None,
        }
    }

    #[test]
    fn it_waits_a_minute_a_few_times_and_for_no_other_error() {
        assert!(Patience::new().pause >= Duration::from_secs(60));
        let line = ProgressLine::on_stderr();
        let mut patience = Patience::without_pauses();
        for errcode in [-1, 40003, 45009, 45066, 65415] {
            assert!(!patience.waits(&refused(errcode), &line), "{errcode}");
        }
        for _ in 0..5 {
            assert!(patience.waits(&refused(MINUTE_LIMIT), &line));
        }
        assert!(!patience.waits(&refused(MINUTE_LIMIT), &line));
    }
}
