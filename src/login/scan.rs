//! Log-ins by a scanned or typed code that are under way: at most 1,000, 5 for one address, 3 minutes, one use. In memory
//! only, but for a store that other nodes use, too.

mod log_in;
mod qr_codes;
mod said;
mod shared;
mod texts;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cookie::FlowDigest;
use super::return_to::ReturnTo;
use crate::notifier::Notifier;
use crate::random::{self, NoRandomNumbers};
use crate::store::{LogInStep, Store, StoreError};
use crate::wechat::Push;
use log_in::{APPROVED_LIVES, Answers, LogIn, Phase};
pub use log_in::{NewLogIn, Stand, Waiting};
pub use qr_codes::QrCodes;
pub use said::{Said, scene};
use shared::Shared;
pub use texts::Page;

/// The rule that is recorded with a push that belongs to a log-in.
pub const RULE: &str = "login";

/// How long a log-in may take.
pub const LIVES: Duration = Duration::from_secs(180);

/// How long it is known of a log-in that it is over.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Log-ins at a time, and of one address.
const MOST: usize = 1_000;
const MOST_OF_ONE: usize = 5;

/// Requests that wait for one log-in: a page has one of them, or two for a moment.
const MOST_WAITING: usize = 4;

/// Wrong codes of one follower within [`PAUSE`]; after that many none is tried for as long.
const MOST_WRONG: usize = 3;
const PAUSE: Duration = Duration::from_secs(600);

/// Followers whose wrong codes are remembered. While there are as many, no codes of others are tried.
const MOST_GUESSERS: usize = 10_000;

/// A log-in that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// 22 characters.
    pub id: String,
    /// Six digits.
    pub code: String,
    /// Whether the platform may be asked for its QR code, as far as other nodes go.
    pub may_have_qr_code: bool,
}

/// Why no log-in is begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBegun {
    /// This address has as many as it may.
    TooManyHere,
    /// There are as many as there may be.
    Full,
    /// The system gave no random numbers.
    NoRandomNumbers,
    /// The store cannot be used.
    Store(StoreError),
}

/// What becomes of a log-in that is to be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// There is none with this id in this browser.
    Unknown,
    /// It is not approved, or was completed before.
    NotApproved,
    /// This person is logged in, and the browser goes there.
    Person {
        /// Who approved it.
        openid: String,
        /// The way back.
        to: ReturnTo,
        /// The row that the commit of the session is to complete, if it is one.
        row: Option<String>,
    },
}

/// What a push means for a log-in. Nothing has changed yet: see [`Scans::commit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    openid: String,
    said: Said,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The person is asked for the number of this log-in.
    Offer(String),
    /// Somebody else has scanned it, or it is over.
    Taken,
    /// The right number of this log-in.
    Approve(String),
    /// A wrong number of this log-in.
    Deny(String),
    /// No log-in has this code.
    WrongCode,
    /// What the person has scanned is denied.
    Leave,
}

/// The log-ins under way.
#[derive(Default)]
pub struct Scans {
    /// The QR codes of log-ins.
    pub qr_codes: QrCodes,
    state: Mutex<State>,
    /// `None`: they are in `state`.
    shared: Option<Shared>,
}

#[derive(Default)]
struct State {
    log_ins: LogIns,
    wrong: Wrong,
}

/// Log-ins by their id.
type LogIns = HashMap<String, LogIn>;

/// When each of these followers was wrong, newest first. Each node counts for itself.
#[derive(Default)]
struct Wrong(HashMap<String, [Option<Instant>; MOST_WRONG]>);

impl Scans {
    /// None yet. Those of a store that other nodes use, too, are in the store, and `looks` wakes [`Scans::run`].
    #[must_use]
    pub fn of(store: &Arc<Store>, looks: &Arc<Notifier>) -> Scans {
        Scans {
            shared: store.is_shared().then(|| Shared::new(store, looks)),
            ..Scans::default()
        }
    }

    /// Whether a thread is to call [`Scans::run`].
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Answers requests whose log-in has changed at another node, until the notifier is closed.
    pub fn run(&self) {
        if let Some(shared) = &self.shared {
            shared.run();
        }
    }

    /// Begins a log-in. Where its address has as many as it may, the oldest one of the same browser makes room: a page
    /// that is loaded again begins another.
    ///
    /// # Errors
    /// When there are too many, no random numbers, or the store cannot be used.
    pub fn begin(&self, new: NewLogIn, now: Instant) -> Result<Begun, NotBegun> {
        let id: [u8; 16] = random::bytes()?;
        let id = URL_SAFE_NO_PAD.encode(id);
        if let Some(shared) = &self.shared {
            return shared.begin(&id, &new);
        }
        let mut answers = Vec::new();
        let begun = self.lock().begin(id, new, now, &mut answers);
        give(answers);
        begun
    }

    /// How a log-in of this browser stands, and how long it lives; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stand(
        &self,
        id: &str,
        flow: FlowDigest,
        now: Instant,
    ) -> Result<Option<(Stand, Duration)>, StoreError> {
        let stand = |log_in: &LogIn| {
            let left = log_in.ends.saturating_duration_since(now);
            (log_in.stand(now), left)
        };
        match &self.shared {
            Some(shared) => Ok(shared.of_browser(id, flow, now)?.as_ref().map(stand)),
            None => Ok(self.lock().of_browser(id, flow).map(stand)),
        }
    }

    /// Answers when a log-in no longer stands like this.
    pub fn wait(&self, id: &str, known: Stand, waiting: Box<dyn Waiting>, now: Instant) {
        if let Some(shared) = &self.shared {
            return shared.wait(id, known, waiting);
        }
        let mut answers = Vec::new();
        let mut state = self.lock();
        match state.log_ins.get_mut(id) {
            Some(log_in) if log_in.stand(now) == known => {
                log_in.waiting.retain(|waiting| waiting.is_awaited());
                if log_in.waiting.len() >= MOST_WAITING {
                    answers.push((log_in.waiting.remove(0), known));
                }
                log_in.waiting.push(waiting);
            }
            Some(log_in) => answers.push((waiting, log_in.stand(now))),
            None => answers.push((waiting, Stand::Expired)),
        }
        drop(state);
        give(answers);
    }

    /// Completes an approved log-in of this browser, once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn take(&self, id: &str, flow: FlowDigest, now: Instant) -> Result<Taken, StoreError> {
        if let Some(shared) = &self.shared {
            return shared.take(id, flow, now);
        }
        let mut state = self.lock();
        if state.of_browser(id, flow).is_none() {
            return Ok(Taken::Unknown);
        }
        let Some(log_in) = state.log_ins.get_mut(id) else {
            return Ok(Taken::Unknown);
        };
        Ok(match (&log_in.by, log_in.phase, log_in.ends > now) {
            (Some(openid), Phase::Approved, true) => {
                log_in.phase = Phase::Completed;
                Taken::Person {
                    openid: openid.clone(),
                    to: log_in.new.to.clone(),
                    row: None,
                }
            }
            _ => Taken::NotApproved,
        })
    }

    /// Whether a log-in that was taken still counts: its person may have left before the session was in the store.
    #[must_use]
    pub fn still_counts(&self, id: &str) -> bool {
        let state = self.lock();
        let log_in = state.log_ins.get(id);
        log_in.is_none_or(|log_in| log_in.phase != Phase::Denied)
    }

    /// A log-in that was taken could not be completed: it may be tried again.
    pub fn give_back(&self, id: &str) {
        if let Some(log_in) = self.lock().log_ins.get_mut(id)
            && log_in.phase == Phase::Completed
        {
            log_in.phase = Phase::Approved;
        }
    }

    /// What a push means for a log-in, and the text that answers it; without a text it goes to the rules all the same.
    /// Changes nothing: the push may be one that was delivered before, or not get into the store.
    #[must_use]
    pub fn consider(
        &self,
        push: &Push,
        word: &str,
        now: Instant,
    ) -> Option<(Step, Option<String>)> {
        let openid = &push.from_user;
        match &self.shared {
            None => {
                let state = self.lock();
                if state.log_ins.is_empty() {
                    return None;
                }
                let said = Said::of(push, word)?;
                let may_try = state.wrong.may_try(openid, now);
                considered(&state.log_ins, may_try, openid, said, now)
            }
            Some(shared) => {
                let said = Said::of(push, word)?;
                let may_try = self.lock().wrong.may_try(openid, now);
                match shared.about(openid, &said, now) {
                    Ok(log_ins) => considered(&log_ins, may_try, openid, said, now),
                    Err(error) => {
                        log::warn!("web: whether a push belongs to a log-in is not known: {error}");
                        None
                    }
                }
            }
        }
    }

    /// Takes the step of a push that was recorded, for the first time, unless something came between.
    pub fn commit(&self, step: Step, now: Instant) {
        if let Some(shared) = &self.shared {
            if step.verdict == Verdict::WrongCode {
                self.lock().wrong.note(step.openid, now);
            }
            return shared.changed();
        }
        let mut answers = Vec::new();
        self.lock().commit(step, now, &mut answers);
        give(answers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Step {
    /// What is to be recorded in the commit of the push, where log-ins are rows.
    #[must_use]
    pub fn of_row(&self) -> Option<LogInStep> {
        let (id, to, lives) = match &self.verdict {
            Verdict::Offer(id) => (id, Phase::Scanned, Duration::ZERO),
            Verdict::Approve(id) => (id, Phase::Approved, APPROVED_LIVES),
            Verdict::Deny(id) => (id, Phase::Denied, Duration::ZERO),
            Verdict::Taken | Verdict::WrongCode | Verdict::Leave => return None,
        };
        Some(LogInStep {
            id: id.clone(),
            openid: self.openid.clone(),
            to,
            lives,
        })
    }
}

/// What somebody says means for these log-ins, and the text that answers it.
fn considered(
    log_ins: &LogIns,
    may_try: bool,
    openid: &str,
    said: Said,
    now: Instant,
) -> Option<(Step, Option<String>)> {
    let verdict = judge(log_ins, may_try, openid, &said, now)?;
    let text = match &verdict {
        Verdict::Offer(id) => {
            let log_in = log_ins.get(id)?;
            Some(texts::offer(&log_in.new.page, log_in.numbers))
        }
        Verdict::Taken => Some(texts::TAKEN.to_owned()),
        Verdict::Approve(_) => Some(texts::APPROVED.to_owned()),
        Verdict::Deny(_) => Some(texts::DENIED.to_owned()),
        Verdict::WrongCode | Verdict::Leave => None,
    };
    let step = Step {
        openid: openid.to_owned(),
        said,
        verdict,
    };
    Some((step, text))
}

/// `None`: it belongs to no log-in.
fn judge(
    log_ins: &LogIns,
    may_try: bool,
    openid: &str,
    said: &Said,
    now: Instant,
) -> Option<Verdict> {
    let mut alive = log_ins.iter().filter(|(_, one)| one.ends > now);
    let scanned = |(id, log_in): (&String, &LogIn)| match (&log_in.by, log_in.phase) {
        (None, Phase::Waiting) => Verdict::Offer(id.clone()),
        (Some(by), Phase::Scanned) if by == openid => Verdict::Offer(id.clone()),
        _ => Verdict::Taken,
    };
    match said {
        Said::Left(openid) => {
            let mut own = alive.filter(|(_, log_in)| log_in.is_of(openid, now));
            own.next().map(|_| Verdict::Leave)
        }
        Said::Scene(id) => alive.find(|(own, _)| *own == id).map(scanned),
        Said::Code(_) if !may_try => None,
        Said::Code(code) => {
            let found = alive.find(|(_, log_in)| log_in.code == *code);
            Some(found.map_or(Verdict::WrongCode, scanned))
        }
        Said::Number(number) => {
            let offered = alive.filter(|(_, log_in)| {
                log_in.phase == Phase::Scanned
                    && log_in.by.as_deref() == Some(openid)
                    && log_in.numbers.contains(number)
            });
            // One person may have several.
            let (id, log_in) =
                offered.max_by_key(|(_, log_in)| (log_in.right == *number, log_in.begun))?;
            Some(match log_in.right == *number {
                true => Verdict::Approve(id.clone()),
                false => Verdict::Deny(id.clone()),
            })
        }
    }
}

/// A code of six digits.
fn a_code() -> Result<u32, NoRandomNumbers> {
    let bytes: [u8; 4] = random::bytes()?;
    Ok(u32::from_ne_bytes(bytes) % 1_000_000)
}

fn give(answers: Answers) {
    for (waiting, stand) in answers {
        waiting.answer(stand);
    }
}

impl State {
    fn begin(
        &mut self,
        id: String,
        new: NewLogIn,
        now: Instant,
        answers: &mut Answers,
    ) -> Result<Begun, NotBegun> {
        self.drop_where(answers, |log_in| now >= log_in.ends + REMEMBERED);
        if self.log_ins.len() >= MOST {
            self.drop_where(answers, |log_in| !log_in.is_under_way(now));
        }
        let of_one =
            |log_in: &&LogIn| log_in.new.network == new.network && log_in.is_under_way(now);
        if self.log_ins.values().filter(of_one).count() >= MOST_OF_ONE {
            let own = self.log_ins.iter().filter(|(_, log_in)| {
                of_one(log_in) && log_in.new.flow == new.flow && log_in.phase == Phase::Waiting
            });
            let oldest = own.min_by_key(|(_, log_in)| log_in.begun);
            let oldest = oldest.map(|(id, _)| id.clone());
            let mut left = self.log_ins.remove(&oldest.ok_or(NotBegun::TooManyHere)?);
            if let Some(left) = &mut left {
                left.tell(Stand::Expired, answers);
            }
        }
        if self.log_ins.len() >= MOST {
            return Err(NotBegun::Full);
        }
        let code = self.unused_code()?;
        let log_in = LogIn::new(code, new, now, now + LIVES)?;
        self.log_ins.insert(id.clone(), log_in);
        Ok(Begun {
            id,
            code: format!("{code:06}"),
            may_have_qr_code: true,
        })
    }

    fn drop_where(&mut self, answers: &mut Answers, is_over: impl Fn(&LogIn) -> bool) {
        self.log_ins.retain(|_, log_in| {
            let stays = !is_over(log_in);
            if !stays {
                log_in.tell(Stand::Expired, answers);
            }
            stays
        });
    }

    fn unused_code(&self) -> Result<u32, NotBegun> {
        // With 1,000 in a million the first one is nearly always good.
        for _ in 0..100 {
            let code = a_code()?;
            if self.log_ins.values().all(|log_in| log_in.code != code) {
                return Ok(code);
            }
        }
        Err(NotBegun::Full)
    }

    fn of_browser(&self, id: &str, flow: FlowDigest) -> Option<&LogIn> {
        let log_in = self.log_ins.get(id)?;
        (log_in.new.flow == flow).then_some(log_in)
    }

    fn commit(&mut self, step: Step, now: Instant, answers: &mut Answers) {
        let Step {
            openid,
            said,
            verdict,
        } = step;
        let may_try = self.wrong.may_try(&openid, now);
        let is_so = judge(&self.log_ins, may_try, &openid, &said, now).as_ref() == Some(&verdict);
        if !is_so && !self.was_approved_meanwhile(&verdict) {
            return;
        }
        match verdict {
            Verdict::Taken => {}
            Verdict::WrongCode => self.wrong.note(openid, now),
            Verdict::Leave => {
                let Said::Left(openid) = &said else { return };
                for log_in in self.log_ins.values_mut() {
                    if log_in.is_of(openid, now) {
                        log_in.enter(Phase::Denied, now, answers);
                    }
                }
            }
            Verdict::Offer(id) => self.enter(&id, Phase::Scanned, Some(openid), now, answers),
            Verdict::Approve(id) => self.enter(&id, Phase::Approved, None, now, answers),
            Verdict::Deny(id) => self.enter(&id, Phase::Denied, None, now, answers),
        }
    }

    /// Whether the right number came at the same time as this wrong one, which is answered with a denial.
    fn was_approved_meanwhile(&self, verdict: &Verdict) -> bool {
        let Verdict::Deny(id) = verdict else {
            return false;
        };
        let log_in = self.log_ins.get(id);
        log_in.is_some_and(|log_in| log_in.phase == Phase::Approved)
    }

    fn enter(
        &mut self,
        id: &str,
        phase: Phase,
        by: Option<String>,
        now: Instant,
        answers: &mut Answers,
    ) {
        if let Some(log_in) = self.log_ins.get_mut(id) {
            log_in.by = by.or(log_in.by.take());
            log_in.enter(phase, now, answers);
        }
    }
}

impl Wrong {
    fn may_try(&self, openid: &str, now: Instant) -> bool {
        match self.0.get(openid) {
            Some([Some(newest), .., Some(oldest)]) => {
                let are_close = newest.saturating_duration_since(*oldest) < PAUSE;
                !are_close || now.saturating_duration_since(*newest) >= PAUSE
            }
            Some(_) => true,
            None => self.0.len() < MOST_GUESSERS,
        }
    }

    fn note(&mut self, openid: String, now: Instant) {
        self.0.retain(|_, times| {
            times[0].is_some_and(|last| now.saturating_duration_since(last) < PAUSE)
        });
        let times = self.0.entry(openid).or_default();
        times.rotate_right(1);
        times[0] = Some(now);
    }
}

impl From<StoreError> for NotBegun {
    fn from(error: StoreError) -> NotBegun {
        NotBegun::Store(error)
    }
}

impl From<NoRandomNumbers> for NotBegun {
    fn from(_: NoRandomNumbers) -> NotBegun {
        NotBegun::NoRandomNumbers
    }
}

impl fmt::Debug for Scans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scans").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
