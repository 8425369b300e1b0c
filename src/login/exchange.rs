//! A code is exchanged once. WeChat calls the return address several times, and people go back: what the first call
//! learned answers the others of the same browser. Where other nodes use the store, too, it is kept there for theirs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

use super::cookie::FlowDigest;
use crate::api::login::LogIn;
use crate::api::{Action, ApiError};
use crate::store::{Exchanged, Store};

/// How long the same browser is answered by what was learned.
const SHARED: Duration = Duration::from_secs(60);

/// How long it is known that a code was used; the platform takes one for five minutes.
const KNOWN: Duration = Duration::from_secs(600);

/// Most codes that are known at a time; of more the oldest are forgotten, and the platform refuses them.
const MOST: usize = 10_000;

/// Most callers that wait at a time for what another learns.
const WAITING: usize = 8;

/// How long one of them waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Looks at the store for what another node learns, after the platform has said that a code was used, and between two of
/// them.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Codes that were exchanged, or are right now.
#[derive(Default)]
pub struct Exchange {
    known: Mutex<Known>,
    waiting: AtomicUsize,
    /// The store, if other nodes use it, too.
    shared: Option<Arc<Store>>,
}

/// The browser that brings a code, with a state of ours.
#[derive(Debug, Clone, Copy)]
pub struct Browser {
    /// The flow that the state names.
    pub flow: FlowDigest,
    /// Whether the browser brought the cookie of that flow, too. What was learned for one that did is never told to one
    /// that did not, which may be another.
    pub has_cookie: bool,
    /// Tells browsers without the cookie apart as far as that can be done, see [`looks`].
    pub looks: Digest,
}

/// Who opened the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person; of a snapshot nobody's.
    pub openid: String,
    /// The same person in the other accounts of the same Open Platform account.
    pub unionid: Option<String>,
    /// The page was opened as a snapshot: there must be no session.
    pub is_snapshot: bool,
}

/// What is known of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// Whose it is.
    Person(Person),
    /// It cannot be used, or not any more, or not by this browser: the log-in begins again.
    StartAgain,
    /// The platform could not be asked, or gave no usable answer.
    Failed(ApiError),
    /// Too many wait, or the platform takes too long.
    Busy,
}

#[derive(Default)]
struct Known {
    codes: HashMap<Digest, Entry>,
    /// The codes by age. One that was forgotten and came again stands here twice.
    by_age: VecDeque<(Instant, Digest)>,
}

/// A SHA-256: neither a code nor an address is kept.
pub type Digest = [u8; 32];

struct Entry {
    since: Instant,
    browser: Browser,
    answer: Arc<Answer>,
}

/// What the first call learns.
#[derive(Default)]
struct Answer {
    learned: Mutex<Option<Learned>>,
    done: Condvar,
}

/// What a caller does.
enum Turn {
    Ask(Arc<Answer>),
    Wait(Arc<Answer>),
    StartAgain,
}

impl Browser {
    /// Whether this browser may be told what was learned for that one. Without the cookie the address is all that
    /// somebody needs who was sent it by the person whose code it has.
    fn may_be(self, first: Browser) -> bool {
        let looks_alike = !first.has_cookie && self.looks == first.looks;
        self.flow == first.flow && (self.has_cookie || looks_alike)
    }
}

/// What a browser shows of itself: where it is, and what it calls itself.
#[must_use]
pub fn looks(address: &str, agent: &str) -> Digest {
    sha256(&format!("{address} {agent}"))
}

fn sha256(text: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

impl Exchange {
    /// None yet.
    #[must_use]
    pub fn of(store: &Arc<Store>) -> Exchange {
        Exchange {
            shared: store.is_shared().then(|| Arc::clone(store)),
            ..Exchange::default()
        }
    }

    /// What is known of a code: `ask` exchanges it, unless it was exchanged before or is right now. Blocks for as long as
    /// that takes.
    pub fn learn(
        &self,
        code: &str,
        browser: Browser,
        ask: impl FnOnce() -> Result<LogIn, ApiError>,
    ) -> Learned {
        self.learn_at(Instant::now(), code, browser, ask)
    }

    fn learn_at(
        &self,
        now: Instant,
        code: &str,
        browser: Browser,
        ask: impl FnOnce() -> Result<LogIn, ApiError>,
    ) -> Learned {
        let key = sha256(code);
        let turn = self.lock().turn(now, key, browser);
        match turn {
            Turn::StartAgain => Learned::StartAgain,
            Turn::Wait(answer) => self.wait(&answer),
            Turn::Ask(answer) => {
                let mut flight = Flight {
                    exchange: self,
                    key,
                    answer,
                    learned: Learned::StartAgain,
                    later: Some(Learned::StartAgain),
                };
                (flight.learned, flight.later) = match &self.shared {
                    None => outcome(ask()),
                    Some(store) => with_others(store, key, browser, ask),
                };
                flight.learned.clone()
            }
        }
    }

    fn wait(&self, answer: &Answer) -> Learned {
        if let Some(learned) = &*answer.lock() {
            return learned.clone();
        }
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Learned::Busy;
        }
        let waited = answer
            .done
            .wait_timeout_while(answer.lock(), PATIENCE, |learned| learned.is_none());
        drop(place);
        let (learned, _) = waited.unwrap_or_else(PoisonError::into_inner);
        learned.clone().unwrap_or(Learned::Busy)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same where another node may have exchanged the code, or do so at the same time.
fn with_others(
    store: &Store,
    key: Digest,
    browser: Browser,
    ask: impl FnOnce() -> Result<LogIn, ApiError>,
) -> (Learned, Option<Learned>) {
    // Which browser this node knows must not decide then: the store is asked each time.
    let of_another = || Some((told(kept(store, &key)?, browser), None));
    if let Some(learned) = of_another() {
        return learned;
    }
    let (learned, later) = outcome(ask());
    match &learned {
        Learned::Person(person) => keep(store, key, browser, person),
        Learned::StartAgain => {
            for _ in 0..LOOKS {
                if let Some(learned) = of_another() {
                    return learned;
                }
                thread::sleep(BETWEEN_LOOKS);
            }
        }
        Learned::Failed(_) | Learned::Busy => {}
    }
    (learned, later)
}

fn kept(store: &Store, key: &Digest) -> Option<Exchanged> {
    let found = store.read(|reader| reader.exchanged(key));
    let found = found.inspect_err(|error| log::warn!("web: what a code means: {error}"));
    found.ok().flatten()
}

/// Where that fails, the person logs in all the same; at another node the log-in would begin again.
fn keep(store: &Store, code: Digest, browser: Browser, person: &Person) {
    let exchanged = Exchanged {
        code,
        flow: browser.flow.0,
        has_cookie: browser.has_cookie,
        looks: browser.looks,
        openid: person.openid.clone(),
        unionid: person.unionid.clone(),
        is_snapshot: person.is_snapshot,
    };
    if let Err(error) = store.keep_exchanged(exchanged) {
        log::warn!("web: what a code means is not kept: {error}");
    }
}

/// What this browser is told of what another node learned.
fn told(exchanged: Exchanged, browser: Browser) -> Learned {
    let first = Browser {
        flow: FlowDigest(exchanged.flow),
        has_cookie: exchanged.has_cookie,
        looks: exchanged.looks,
    };
    match browser.may_be(first) {
        true => Learned::Person(Person {
            openid: exchanged.openid,
            unionid: exchanged.unionid,
            is_snapshot: exchanged.is_snapshot,
        }),
        false => Learned::StartAgain,
    }
}

/// What those learn who call now, and those who call later; `None`: the code is still good.
fn outcome(asked: Result<LogIn, ApiError>) -> (Learned, Option<Learned>) {
    match asked {
        Ok(log_in) => {
            let person = Learned::Person(Person {
                openid: log_in.openid,
                unionid: log_in.unionid,
                is_snapshot: log_in.is_snapshot,
            });
            (person.clone(), Some(person))
        }
        Err(error) if error.action() == Action::RestartOauth => {
            (Learned::StartAgain, Some(Learned::StartAgain))
        }
        Err(error) => {
            let later = error.may_be_done().then_some(Learned::StartAgain);
            (Learned::Failed(error), later)
        }
    }
}

impl Known {
    fn turn(&mut self, now: Instant, key: Digest, browser: Browser) -> Turn {
        while let Some((since, oldest)) = self.by_age.front().copied() {
            if self.by_age.len() < MOST && now.saturating_duration_since(since) < KNOWN {
                break;
            }
            self.by_age.pop_front();
            if self
                .codes
                .get(&oldest)
                .is_some_and(|entry| entry.since == since)
            {
                self.codes.remove(&oldest);
            }
        }
        if let Some(entry) = self.codes.get(&key) {
            let is_same = browser.may_be(entry.browser);
            return match is_same && now.saturating_duration_since(entry.since) < SHARED {
                true => Turn::Wait(Arc::clone(&entry.answer)),
                false => Turn::StartAgain,
            };
        }
        let answer = Arc::new(Answer::default());
        let entry = Entry {
            since: now,
            browser,
            answer: Arc::clone(&answer),
        };
        self.codes.insert(key, entry);
        self.by_age.push_back((now, key));
        Turn::Ask(answer)
    }
}

/// An exchange under way. However it ends, also by a panic, those who wait hear of it.
struct Flight<'a> {
    exchange: &'a Exchange,
    key: Digest,
    answer: Arc<Answer>,
    learned: Learned,
    /// See [`outcome`].
    later: Option<Learned>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut known = self.exchange.lock();
        let entry = known.codes.get_mut(&self.key);
        if let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.answer, &self.answer)) {
            match self.later.take() {
                Some(later) => entry.answer = Arc::new(Answer::of(later)),
                None => drop(known.codes.remove(&self.key)),
            }
        }
        drop(known);
        *self.answer.lock() = Some(self.learned.clone());
        self.answer.done.notify_all();
    }
}

impl Answer {
    fn of(learned: Learned) -> Answer {
        Answer {
            learned: Mutex::new(Some(learned)),
            done: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::api::{Called, Effect};
    use crate::outbound::NetworkCause;
    use crate::secret::Secret;

    const OWN: Browser = Browser {
        flow: FlowDigest([1; 16]),
        has_cookie: true,
        looks: [0; 32],
    };
    const WITHOUT_COOKIE: Browser = Browser {
        flow: FlowDigest([1; 16]),
        has_cookie: false,
        looks: [0; 32],
    };
    const OTHER: Browser = Browser {
        flow: FlowDigest([2; 16]),
        has_cookie: true,
        looks: [0; 32],
    };

    fn log_in(openid: &str) -> LogIn {
        LogIn {
            openid: openid.to_owned(),
            unionid: None,
            scope: None,
            access_token: Secret::new("t"),
            expires_in: None,
            refresh_token: None,
            is_snapshot: false,
        }
    }

    fn person(openid: &str) -> Learned {
        Learned::Person(Person {
            openid: openid.to_owned(),
            unionid: None,
            is_snapshot: false,
        })
    }

    fn never() -> Result<LogIn, ApiError> {
        panic!("the platform must not be asked")
    }

    fn refused(errcode: i64) -> ApiError {
        ApiError::Platform {
            call: "sns/oauth2/access_token".into(),
            errcode,
            errmsg: String::new(),
            rid: None,
        }
    }

    /// An exchange in which this browser has learned whose the code is.
    fn learned_by(browser: Browser, now: Instant) -> Exchange {
        let exchange = Exchange::default();
        let learned = exchange.learn_at(now, "code", browser, || Ok(log_in("oOne")));
        assert_eq!(learned, person("oOne"));
        exchange
    }

    #[test]
    fn the_same_browser_learns_the_same_for_a_minute_and_then_begins_again() {
        let now = Instant::now();
        let exchange = learned_by(OWN, now);
        let after = |seconds| {
            let at = now + Duration::from_secs(seconds);
            exchange.learn_at(at, "code", OWN, never)
        };
        assert_eq!(after(0), person("oOne"));
        assert_eq!(after(59), person("oOne"));
        assert_eq!(after(60), Learned::StartAgain);
        assert_eq!(after(599), Learned::StartAgain);
        let asked = Cell::new(false);
        exchange.learn_at(now + KNOWN, "code", OWN, || {
            asked.set(true);
            Err(refused(40163))
        });
        assert!(asked.get(), "it is forgotten");
    }

    #[test]
    fn another_browser_learns_nothing() {
        let now = Instant::now();
        let exchange = learned_by(OWN, now);
        for other in [OTHER, WITHOUT_COOKIE] {
            assert_eq!(
                exchange.learn_at(now, "code", other, never),
                Learned::StartAgain
            );
        }
        let other_code = exchange.learn_at(now, "code2", OTHER, || Ok(log_in("oTwo")));
        assert_eq!(other_code, person("oTwo"));
    }

    #[test]
    fn a_call_without_the_cookie_does_not_spoil_that_of_the_browser_with_it() {
        let now = Instant::now();
        let exchange = learned_by(WITHOUT_COOKIE, now);
        for same in [OWN, WITHOUT_COOKIE] {
            assert_eq!(exchange.learn_at(now, "code", same, never), person("oOne"));
        }
        assert_eq!(
            exchange.learn_at(now, "code", OTHER, never),
            Learned::StartAgain
        );
    }

    #[test]
    fn a_snapshot_is_told_as_one() {
        let snapshot = LogIn {
            is_snapshot: true,
            unionid: Some("u".to_owned()),
            ..log_in("oNobody")
        };
        let learned = Exchange::default().learn("code", OWN, || Ok(snapshot));
        assert!(
            matches!(learned, Learned::Person(person) if person.is_snapshot && person.unionid.is_some())
        );
    }

    #[test]
    fn a_code_that_cannot_be_used_begins_again_and_is_not_asked_about_twice() {
        for errcode in [40029, 40163, 42003] {
            let exchange = Exchange::default();
            let learned = exchange.learn("code", OWN, || Err(refused(errcode)));
            assert_eq!(learned, Learned::StartAgain, "{errcode}");
            assert_eq!(exchange.learn("code", OWN, never), Learned::StartAgain);
        }
    }

    #[test]
    fn after_a_failure_the_code_is_used_again_only_if_it_cannot_have_been_used() {
        let exchange = Exchange::default();
        let failed = refused(40013);
        let learned = exchange.learn("code", OWN, || Err(failed.clone()));
        assert_eq!(learned, Learned::Failed(failed));
        let learned = exchange.learn("code", OWN, || Ok(log_in("oOne")));
        assert_eq!(learned, person("oOne"));

        let unknown = timed_out();
        let learned = exchange.learn("code2", OWN, || Err(unknown.clone()));
        assert_eq!(learned, Learned::Failed(unknown));
        assert_eq!(exchange.learn("code2", OWN, never), Learned::StartAgain);
    }

    /// The error of a call of which it is not known whether it was done.
    fn timed_out() -> ApiError {
        ApiError::Network {
            call: Called {
                name: "sns/oauth2/access_token".into(),
                effect: Effect::Changes { if_unknown: "" },
            },
            cause: NetworkCause::Timeout(5_000),
        }
    }

    #[test]
    fn calls_at_the_same_time_are_one_exchange_and_no_more_wait_than_may() {
        let exchange = Exchange::default();
        let (asked, is_asked) = channel();
        let (go, gate) = channel::<()>();
        let (heard, answers) = channel();
        thread::scope(|scope| {
            let first = heard.clone();
            scope.spawn(|| {
                let learned = exchange.learn("code", OWN, move || {
                    asked.send(()).unwrap();
                    gate.recv().unwrap();
                    Ok(log_in("oOne"))
                });
                first.send(learned).unwrap();
                drop(first);
            });
            is_asked.recv().unwrap();
            for _ in 0..WAITING {
                let (heard, exchange) = (heard.clone(), &exchange);
                scope.spawn(move || heard.send(exchange.learn("code", OWN, never)).unwrap());
            }
            while exchange.waiting.load(Ordering::Relaxed) < WAITING {
                thread::yield_now();
            }
            assert_eq!(exchange.learn("code", OWN, never), Learned::Busy);
            assert_eq!(exchange.learn("code", OTHER, never), Learned::StartAgain);
            go.send(()).unwrap();
        });
        drop(heard);
        let answers: Vec<Learned> = answers.iter().collect();
        assert_eq!(answers, vec![person("oOne"); WAITING + 1]);
        assert_eq!(exchange.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let exchange = Exchange::default();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            exchange.learn("code", OWN, || panic!("what this test is about"))
        }));
        assert!(panicked.is_err());
        assert_eq!(exchange.learn("code", OWN, never), Learned::StartAgain);
    }

    #[test]
    fn any_number_of_codes_takes_little_memory() {
        let (exchange, now) = (Exchange::default(), Instant::now());
        for n in 0..MOST + 50 {
            exchange.learn_at(now, &n.to_string(), OWN, || Err(refused(40029)));
        }
        for _ in 0..MOST + 50 {
            exchange.learn_at(now, "again", OWN, || Err(refused(40013)));
        }
        let known = exchange.lock();
        assert!(known.codes.len() <= MOST && known.by_age.len() <= MOST);
    }
}
