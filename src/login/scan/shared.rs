//! Log-ins that are rows of the store, because other nodes hear of them, too. A request that waits is answered by the
//! node that has it, which looks at the rows while anybody waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::log_in::{Answers, LogIn, NewLogIn, Stand, Waiting, numbers};
use super::qr_codes::MOST_QR_CODES;
use super::said::Said;
use super::texts::Page;
use super::{Begun, LIVES, LogIns, MOST, MOST_OF_ONE, MOST_WAITING, NotBegun, Taken, a_code, give};
use crate::login::cookie::FlowDigest;
use crate::login::return_to::ReturnTo;
use crate::notifier::{Notifier, Woken};
use crate::store::{LogInBegun, LogInKey, LogInPhase, LogInRow, NewLogInRow, Store, StoreError};

/// Between two looks at the rows while anybody waits: one query, however many wait. What happens at this node is seen at
/// once.
const LOOKS: Duration = Duration::from_millis(500);

/// The least time between two looks.
const GATHER: Duration = Duration::from_millis(20);

/// How long the thread sleeps while nobody waits; a request that comes wakes it.
const LONG: Duration = Duration::from_secs(3_600);

/// How often another code is tried where the first is another log-in's.
const TRIES: usize = 10;

/// The log-ins of a store that other nodes use, too.
#[derive(Debug)]
pub struct Shared {
    store: Arc<Store>,
    polls: Mutex<Polls>,
    /// Wakes the thread that looks at the rows, and ends it.
    looks: Arc<Notifier>,
}

/// Requests that wait at this node, by the id of their log-in.
#[derive(Default)]
struct Polls(HashMap<String, Vec<Poll>>);

/// A request that waits, and how its log-in stood.
type Poll = (Box<dyn Waiting>, Stand);

impl std::fmt::Debug for Polls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Polls").field(&self.0.len()).finish()
    }
}

impl Shared {
    pub fn new(store: &Arc<Store>, looks: &Arc<Notifier>) -> Shared {
        Shared {
            store: Arc::clone(store),
            polls: Mutex::default(),
            looks: Arc::clone(looks),
        }
    }

    pub fn begin(&self, id: &str, new: &NewLogIn) -> Result<Begun, NotBegun> {
        let (numbers, number) = numbers()?;
        for _ in 0..TRIES {
            let code = a_code()?;
            let row = NewLogInRow {
                id: id.to_owned(),
                code,
                flow: new.flow.0,
                network: new.network.map(|network| network.to_string()),
                page: new.page.to_string(),
                way_back: new.to.path().to_owned(),
                numbers,
                number,
                lives: LIVES,
            };
            match self.store.begin_log_in(row, MOST, MOST_OF_ONE)? {
                LogInBegun::Begun { of_minute } => {
                    return Ok(Begun {
                        id: id.to_owned(),
                        code: format!("{code:06}"),
                        may_have_qr_code: of_minute < MOST_QR_CODES,
                    });
                }
                LogInBegun::CodeTaken => {}
                LogInBegun::TooManyHere => return Err(NotBegun::TooManyHere),
                LogInBegun::Full => return Err(NotBegun::Full),
            }
        }
        Err(NotBegun::Full)
    }

    pub fn of_browser(
        &self,
        id: &str,
        flow: FlowDigest,
        now: Instant,
    ) -> Result<Option<LogIn>, StoreError> {
        // An id that cannot be one needs no query.
        if URL_SAFE_NO_PAD.decode(id).map_or(0, |bytes| bytes.len()) != 16 {
            return Ok(None);
        }
        let found = self.find(&LogInKey::Id(id), now)?;
        let log_in = found.into_values().next();
        Ok(log_in.filter(|log_in| log_in.new.flow == flow))
    }

    /// The log-in is completed with its session.
    pub fn take(&self, id: &str, flow: FlowDigest, now: Instant) -> Result<Taken, StoreError> {
        let Some(log_in) = self.of_browser(id, flow, now)? else {
            return Ok(Taken::Unknown);
        };
        Ok(match (log_in.by, log_in.phase, log_in.ends > now) {
            (Some(openid), LogInPhase::Approved, true) => Taken::Person {
                openid,
                to: log_in.new.to,
                row: Some(id.to_owned()),
            },
            _ => Taken::NotApproved,
        })
    }

    /// The log-ins that this may be about.
    pub fn about(&self, openid: &str, said: &Said, now: Instant) -> Result<LogIns, StoreError> {
        match said {
            Said::Scene(id) => self.find(&LogInKey::Id(id), now),
            Said::Code(code) => self.find(&LogInKey::Code(*code), now),
            Said::Number(_) => self.find(&LogInKey::Person(openid), now),
            // All that are theirs are denied in the commit in which their sessions end.
            Said::Left(_) => Ok(LogIns::new()),
        }
    }

    fn find(&self, key: &LogInKey<'_>, now: Instant) -> Result<LogIns, StoreError> {
        let rows = self.store.read(|reader| reader.log_ins(key))?;
        let named = |row: LogInRow| (row.new.id.clone(), LogIn::of_row(row, now));
        Ok(rows.into_iter().map(named).collect())
    }

    /// Has a request wait.
    pub fn wait(&self, id: &str, known: Stand, waiting: Box<dyn Waiting>) {
        let mut polls = self.lock();
        let is_first = polls.0.is_empty();
        let of_one = polls.0.entry(id.to_owned()).or_default();
        of_one.retain(|(waiting, _)| waiting.is_awaited());
        let most = of_one.len() >= MOST_WAITING;
        let oldest = most.then(|| of_one.remove(0));
        of_one.push((waiting, known));
        drop(polls);
        give(oldest.into_iter().collect());
        if is_first {
            self.looks.notify();
        }
    }

    /// Something has changed at this node.
    pub fn changed(&self) {
        self.looks.notify();
    }

    /// Answers requests when their log-in changes, until the notifier is closed.
    pub fn run(&self) {
        loop {
            let pause = match self.lock().0.is_empty() {
                true => LONG,
                false => LOOKS,
            };
            if self.looks.wait(pause) == Woken::Closing {
                return;
            }
            self.look();
            if self.looks.pause(GATHER) == Woken::Closing {
                return;
            }
        }
    }

    fn look(&self) {
        // Those that are gone make no query.
        let mut polls = self.lock();
        polls.0.retain(|_, polls| {
            polls.retain(|(waiting, _)| waiting.is_awaited());
            !polls.is_empty()
        });
        let awaited: HashSet<String> = polls.0.keys().cloned().collect();
        drop(polls);
        if awaited.is_empty() {
            return;
        }
        let rows = match self.store.read(|reader| reader.log_ins_stand()) {
            Ok(rows) => rows,
            // The page asks again.
            Err(error) => return log::debug!("web: log-ins under way cannot be read: {error}"),
        };
        let stands: HashMap<_, _> = rows
            .into_iter()
            .map(|(id, phase, number, left)| (id, Stand::of(phase, number, !left.is_zero())))
            .collect();
        let mut answers = Answers::new();
        self.lock().0.retain(|id, polls| {
            // One that came since may have begun since.
            if !awaited.contains(id) {
                return true;
            }
            let stand = stands.get(id).copied().unwrap_or(Stand::Expired);
            let changed = polls.extract_if(.., |(_, known)| *known != stand);
            answers.extend(changed.map(|(waiting, _)| (waiting, stand)));
            !polls.is_empty()
        });
        give(answers);
    }

    fn lock(&self) -> MutexGuard<'_, Polls> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogIn {
    /// One that is a row.
    fn of_row(row: LogInRow, now: Instant) -> LogIn {
        let new = row.new;
        LogIn {
            code: new.code,
            numbers: new.numbers,
            right: new.number,
            phase: row.phase,
            by: row.openid,
            begun: now.checked_sub(row.age).unwrap_or(now),
            ends: now + row.left,
            waiting: Vec::new(),
            new: NewLogIn {
                flow: FlowDigest(new.flow),
                network: new.network.and_then(|network| network.parse().ok()),
                page: Page::from(new.page.as_str()),
                to: ReturnTo::kept(&new.way_back),
            },
        }
    }
}
