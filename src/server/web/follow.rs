//! The account's QR code for people who do not follow it, kept in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Web;
use crate::api::qrcode::{Life, MAX_EXPIRE_SECONDS, Scene};

/// The scene with which those are recorded who follow by this code.
const SCENE: &str = "web-follow";

/// How long a code is shown; it works for 30 days.
const SHOWN: Duration = Duration::from_secs(29 * 24 * 3_600);

/// Between two tries to get one.
const PAUSE: Duration = Duration::from_secs(3_600);

/// The code, if there is one.
#[derive(Debug, Default)]
pub struct FollowCode(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What it says, and until when it is shown.
    code: Option<(String, Instant)>,
    /// When it is asked for again at the earliest.
    again: Option<Instant>,
}

impl FollowCode {
    /// What the code says, as far as known.
    pub fn known(&self) -> Option<String> {
        self.known_at(Instant::now())
    }

    fn known_at(&self, now: Instant) -> Option<String> {
        let state = self.lock();
        let code = state.code.as_ref().filter(|(_, until)| now < *until);
        code.map(|(text, _)| text.clone())
    }

    /// Whether the caller is to ask for a code; nobody else is for a while then.
    fn is_due(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_due = state.again.is_none_or(|again| now >= again);
        if is_due {
            state.again = Some(now + PAUSE);
        }
        is_due
    }

    fn set(&self, text: String, now: Instant) {
        self.lock().code = Some((text, now + SHOWN));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Web {
    /// Called when this person has logged in: whoever does not follow may be refused next, and is shown the code then.
    /// Calls the platform, at most once an hour.
    pub fn prepare_follow_code(&self, openid: &str) {
        let now = Instant::now();
        if self.follow_code.known_at(now).is_some() {
            return;
        }
        let follower = self.app.store.read(|reader| reader.follower(openid));
        if matches!(follower, Ok(None)) && self.follow_code.is_due(now) {
            let scene = Scene::Text(SCENE.to_owned());
            if let Some(text) = self.ask_for_qr_code(&scene, Life::Temporary(MAX_EXPIRE_SECONDS)) {
                self.follow_code.set(text, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_asked_for_once_an_hour_and_shown_while_it_works() {
        let (code, now) = (FollowCode::default(), Instant::now());
        assert!(code.is_due(now) && !code.is_due(now));
        assert_eq!(code.known_at(now), None);
        assert!(code.is_due(now + PAUSE));
        code.set("http://weixin.qq.com/q/SYN".to_owned(), now);
        let known = |at| code.known_at(at).is_some();
        assert!(known(now + SHOWN / 2) && !known(now + SHOWN));
    }
}
