//! Answers of services on their way to the followers: in time as the reply, late by the ladder, shown at most once.
//!
//! [`case`] decides for one push what comes next; this file has it committed by the store, and does it after that: by
//! [`asking`] the service, by [`sending`]. The order of the commits decides between steps that meet: each looks at the row
//! first. [`resuming`] begins with what is in the store.

mod asking;
mod case;
mod desk;
mod kept;
mod late;
mod resuming;
mod sending;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
mod tests;
mod warnings;

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::Client;
use crate::api::custom::{CustomMessage, Sender};
use crate::clock;
use crate::config::Service;
use crate::inbox::sending::{ended, recorded};
use crate::notifier::Notifier;
use crate::service::{Backend, Circuit, Place, Question, Queue, Services};
use crate::store::{AfterCommit, Forwarded, Reader, Rungs, Sent, Settled, Store, StoreError};
use crate::trouble::Troubles;
use crate::wechat::Reply;
pub use case::{Answer, Times, Waiting};
use case::{Asked, Case, Step};
use desk::Desk;
pub use desk::ServiceResult;
use kept::Kept;
use late::{as_message, can_wait};
use warnings::Warnings;

/// How long an answer is kept whose service is not in the configuration any more.
const KEEP: Duration = Duration::from_secs(48 * 3600);

/// The most customer-service messages that are sent at a time.
const SENDERS: usize = 2;

/// The pushes that services are asked about, and the answers on their way.
pub struct Deliveries {
    store: Arc<Store>,
    /// Sends a customer-service message; `None`: the account's API cannot be called.
    send: Option<Box<Send>>,
    times: Times,
    now: Box<Now>,
    state: Mutex<State>,
    /// Wakes the thread that calls [`Deliveries::tick`].
    notifier: Arc<Notifier>,
    senders: Queue,
    kept: Kept,
    warnings: Warnings,
    /// Hears of open circuits.
    troubles: Arc<Troubles>,
}

type Send = dyn Fn(&str, &CustomMessage) -> Sent + std::marker::Send + Sync;
type Now = dyn Fn() -> Instant + std::marker::Send + Sync;

#[derive(Default)]
struct State {
    /// By [`Forwarded::id`].
    entries: HashMap<i64, Entry>,
    /// When [`Deliveries::tick`] comes.
    next_tick: Option<Instant>,
    desks: HashMap<String, Arc<Desk>>,
    /// What the store says that this server goes on with, and it does not know of: as of the last look.
    unknown: HashSet<i64>,
}

struct Entry {
    case: Case,
    about: Arc<About>,
}

/// What the steps of one push need to know.
#[derive(Debug)]
pub struct About {
    backend: Arc<Backend>,
    openid: String,
    /// The account's original ID.
    account: String,
    /// Whether an answer can be shown.
    shows: bool,
    otherwise: Option<Reply>,
}

/// A push that may be forwarded.
#[derive(Debug)]
pub struct Admitted {
    about: Arc<About>,
    desk: Arc<Desk>,
    place: Place,
    question: Question,
}

/// A push whose service is not asked.
#[derive(Debug)]
pub struct Refused {
    about: Arc<About>,
    why: &'static str,
}

impl Refused {
    /// Why.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// For [`Deliveries::deliver`].
    #[must_use]
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }
}

impl Admitted {
    /// For [`Deliveries::deliver`].
    #[must_use]
    pub fn about(&self) -> &Arc<About> {
        &self.about
    }
}

/// A push that a rule forwards.
#[derive(Debug)]
pub struct Request {
    /// The service.
    pub backend: Arc<Backend>,
    /// See `Push::dedup_key`.
    pub dedup_key: String,
    /// The push as received, decrypted.
    pub received: Vec<u8>,
    /// The sender.
    pub openid: String,
    /// The account's original ID.
    pub account: String,
    /// Whether the platform shows an answer.
    pub shows: bool,
    /// Shown when the service fails.
    pub otherwise: Option<Reply>,
}

impl Deliveries {
    /// Nothing is under way yet. `notifier` wakes the thread that calls [`Deliveries::tick`].
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        api: Option<Client>,
        notifier: Arc<Notifier>,
        troubles: Arc<Troubles>,
    ) -> Arc<Deliveries> {
        let by = |api: Client| -> Box<Send> {
            Box::new(move |openid, message| {
                ended(&api.custom_send(openid, message, &Sender::default()))
            })
        };
        let now = Box::new(Instant::now);
        Deliveries::with(store, api.map(by), now, notifier, troubles)
    }

    fn with(
        store: Arc<Store>,
        send: Option<Box<Send>>,
        now: Box<Now>,
        notifier: Arc<Notifier>,
        troubles: Arc<Troubles>,
    ) -> Arc<Deliveries> {
        Arc::new(Deliveries {
            store,
            send,
            times: Times::REAL,
            now,
            state: Mutex::default(),
            notifier,
            senders: Queue::new(SENDERS),
            kept: Kept::default(),
            warnings: Warnings::default(),
            troubles,
        })
    }

    /// Whether an answer may be kept for this person. Other servers of a shared store do not tell for whom they keep some.
    pub fn keeps_for(&self, openid: &str, services: &Services) -> bool {
        self.kept.has(openid) || self.store.is_shared() && services.keep_answers()
    }

    /// Takes a place for a push with its service. `may_wait`: its request may wait for the answer.
    ///
    /// # Errors
    /// Why the service is not asked.
    pub fn admit(&self, request: Request, may_wait: bool) -> Result<Admitted, Refused> {
        let Request {
            backend,
            dedup_key,
            received,
            openid,
            account,
            shows,
            otherwise,
        } = request;
        let about = Arc::new(About {
            backend,
            openid,
            account,
            shows,
            otherwise,
        });
        let desk = self.desk(&about.backend.service);
        let place = match may_wait {
            false => Err(NO_PLACE),
            true if !desk.circuit.admits((self.now)()) => Err(OPEN),
            true => desk.queue.reserve().ok_or(FULL),
        };
        match place {
            Ok(place) => Ok(Admitted {
                about,
                desk,
                place,
                question: Question {
                    dedup_key,
                    received,
                    follower: None,
                },
            }),
            Err(why) => Err(Refused { about, why }),
        }
    }

    /// A push was recorded whose service is not asked.
    pub fn refused(&self, refused: &Refused) {
        self.not_asked(&refused.about.backend.service.name, refused.why);
    }

    fn not_asked(&self, service: &str, why: &str) {
        if let Some(desk) = self.lock().desks.get(service) {
            desk.count(ServiceResult::NotMade);
        }
        self.warnings.lost(service, 1, why);
    }

    /// The queue of a service, with as many calls at a time as the configuration says now.
    fn desk(&self, service: &Service) -> Arc<Desk> {
        let mut state = self.lock();
        if let Some(desk) = state.desks.get(&service.name) {
            let before = desk
                .concurrency
                .swap(service.concurrency, Ordering::Relaxed);
            if before != service.concurrency {
                desk.queue.set_concurrency(service.concurrency);
            }
            return Arc::clone(desk);
        }
        let desk = Arc::new(Desk {
            concurrency: AtomicUsize::new(service.concurrency),
            queue: Queue::new(service.concurrency),
            circuit: Circuit::new(),
            ended: Default::default(),
        });
        state.desks.insert(service.name.clone(), Arc::clone(&desk));
        desk
    }

    /// How the calls to a service have ended since the program started.
    #[must_use]
    pub fn calls(&self, service: &str) -> [(ServiceResult, u64); ServiceResult::ALL.len()] {
        let state = self.lock();
        let desk = state.desks.get(service);
        ServiceResult::ALL.map(|result| {
            let count = desk.map(|desk| desk.ended[result as usize].load(Ordering::Relaxed));
            (result, count.unwrap_or(0))
        })
    }

    /// Asks the service about a push that was recorded as forwarded. `waiting`: the delivery that waits for the answer,
    /// with its beginning; `None` if the push has an answer already.
    pub fn begin(
        self: &Arc<Self>,
        forwarded: Forwarded,
        admitted: Admitted,
        began: Instant,
        waiting: Option<Box<dyn Waiting>>,
    ) {
        self.enter(forwarded, Arc::clone(&admitted.about), began, waiting);
        self.ask(forwarded.id, admitted);
    }

    fn enter(
        &self,
        forwarded: Forwarded,
        about: Arc<About>,
        began: Instant,
        waiting: Option<Box<dyn Waiting>>,
    ) {
        let slow = about.backend.service.slow;
        let mut case = Case::new(forwarded, slow, waiting.is_some(), began);
        if let Some(waiting) = waiting {
            case.deliver(forwarded, began, waiting);
        }
        self.enter_case(forwarded.id, case, about);
    }

    /// From now on this server goes on with a push.
    fn enter_case(&self, id: i64, mut case: Case, about: Arc<About>) {
        let mut state = self.lock();
        if let Some(before) = state.entries.remove(&id) {
            case.join(before.case);
        }
        self.wake_for(&mut state, case.due(&self.times));
        state.entries.insert(id, Entry { case, about });
    }

    /// Another delivery of a push that waits for its service. `about`: for one whose service another server may be asking.
    pub fn deliver(
        &self,
        forwarded: Forwarded,
        about: Option<&Arc<About>>,
        began: Instant,
        waiting: Box<dyn Waiting>,
    ) {
        let mut state = self.lock();
        let about = about.filter(|_| self.store.is_shared());
        let elsewhere = about.map(|about| Entry {
            case: Case::elsewhere(forwarded, about.backend.service.slow, began),
            about: Arc::clone(about),
        });
        let entry = match (state.entries.entry(forwarded.id), elsewhere) {
            (Occupied(entry), _) => entry.into_mut(),
            (Vacant(place), Some(elsewhere)) => place.insert(elsewhere),
            (Vacant(_), None) => {
                drop(state);
                return waiting.hang_up();
            }
        };
        entry.case.deliver(forwarded, began, waiting);
        let due = entry.case.due(&self.times);
        self.wake_for(&mut state, due);
    }

    /// Another delivery of a push was answered from the store. `is_taken`: somebody still waited for the answer.
    pub fn delivered(&self, forwarded: Forwarded, began: Instant, is_taken: bool) {
        if !is_taken {
            self.store.put_back_answer(forwarded.id);
        }
        let mut state = self.lock();
        if let Some(entry) = state.entries.get_mut(&forwarded.id) {
            entry.case.delivered(forwarded, began, is_taken);
            if entry.case.is_over() {
                state.entries.remove(&forwarded.id);
            }
        }
    }

    /// Does what is due, and returns when the next is.
    pub fn tick(self: &Arc<Self>) -> Option<Instant> {
        let now = (self.now)();
        self.look_elsewhere(now);
        let mut state = self.lock();
        let is_due = |entry: &Entry| entry.case.due(&self.times).is_some_and(|due| due <= now);
        let due = state.entries.iter().filter(|(_, entry)| is_due(entry));
        let due: Vec<i64> = due.map(|(id, _)| *id).collect();
        drop(state);
        for id in due {
            self.advance(id);
        }
        state = self.lock();
        let entries = state.entries.values();
        state.next_tick = entries
            .filter_map(|entry| entry.case.due(&self.times))
            .min();
        state.next_tick
    }

    /// Looks whether other servers have recorded the answers for which deliveries wait here.
    fn look_elsewhere(&self, now: Instant) {
        let mut state = self.lock();
        let waiting = state.entries.iter();
        let waiting = waiting.filter(|(_, entry)| entry.case.looks(now));
        let waiting: Vec<i64> = waiting.map(|(id, _)| *id).collect();
        if waiting.is_empty() {
            return;
        }
        drop(state);
        let pending = self.store.read(Reader::pending_forwards);
        state = self.lock();
        for id in waiting {
            if let Some(entry) = state.entries.get_mut(&id) {
                let is_answered = pending.as_ref().is_ok_and(|all| !all.contains(&id));
                entry.case.looked(is_answered, now);
            }
        }
    }

    /// Gives up answers that were kept too long. To be called about once a minute, by one of the servers that share a store:
    /// `store` is the one for that.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn expire_kept(&self, store: &Store, services: &[Service]) -> Result<(), StoreError> {
        let reader = self.store.reader()?;
        let now = clock::unix_seconds();
        for name in reader.services_with_kept_answers()? {
            let service = services.iter().find(|service| service.name == name);
            let keep = service.map_or(KEEP, |service| service.keep);
            let before = now.saturating_sub_unsigned(keep.as_secs());
            let count = store.expire_kept(&name, before, now)?;
            self.warnings
                .lost(&name, count, "the follower did not write in time");
        }
        Ok(())
    }

    /// Reads anew for whom answers are kept. To be called about once a minute.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn refresh_kept(&self) -> Result<(), StoreError> {
        let reader = self.store.reader()?;
        self.kept.refresh(|| reader.people_with_kept_answers())
    }

    /// Takes the next step of a push, if there is one.
    fn advance(self: &Arc<Self>, id: i64) {
        let mut state = self.lock();
        let Some(entry) = state.entries.get_mut(&id) else {
            return;
        };
        let step = entry.case.tick(&self.times, (self.now)());
        let next = step.map(|step| {
            let (about, reply) = (Arc::clone(&entry.about), entry.case.reply().cloned());
            // Before the commit, so that a message that comes right after it finds the answer.
            if entry.case.is_late() && self.rungs(&about.backend.service, reply.as_ref()).next {
                self.kept.add(about.openid.clone());
            }
            (step, about, reply)
        });
        if entry.case.is_over() {
            state.entries.remove(&id);
        } else {
            let due = entry.case.due(&self.times);
            self.wake_for(&mut state, due);
        }
        // Where the store refuses work at once, the end of the step is told at once.
        drop(state);
        if let Some((step, about, reply)) = next {
            self.commit(id, step, &about, reply);
        }
    }

    /// Makes sure that [`Deliveries::tick`] comes in time.
    fn wake_for(&self, state: &mut State, due: Option<Instant>) {
        if let Some(due) = due
            && state.next_tick.is_none_or(|next| due < next)
        {
            state.next_tick = Some(due);
            self.notifier.notify();
        }
    }

    fn commit(self: &Arc<Self>, id: i64, step: Step, about: &Arc<About>, reply: Option<Reply>) {
        let now = clock::unix_seconds();
        let xml = |reply: &Reply| reply.to_xml(&about.openid, &about.account, now);
        let service = &about.backend.service;
        let rungs = self.rungs(service, reply.as_ref());
        let me = Arc::clone(self);
        let taken = step.clone();
        let done = move |settled: Result<Settled, StoreError>, _: &mut AfterCommit| {
            me.stepped(id, &taken, settled);
        };
        match step {
            Step::Record(Asked::Reply(reply)) => {
                let answer = reply.as_ref().and_then(xml);
                self.store.answer_forward(id, answer, rungs, now, done);
            }
            Step::Record(Asked::Failed(why)) => {
                let otherwise = about.otherwise.as_ref().and_then(xml);
                self.store.fail_forward(id, why, otherwise, now, done);
            }
            Step::GiveUpWaiting => {
                let wait_text = service.wait_text.clone().filter(|_| service.slow.next);
                let wait_text = wait_text.and_then(|text| xml(&Reply::Text(text)));
                let may_send = service.slow.message && self.send.is_some();
                self.store
                    .give_up_waiting(id, wait_text, may_send, now, done);
            }
            Step::StopWaiting(forwarded) => self.store.stop_waiting(forwarded, rungs, now, done),
            Step::EndSending(sent) => self.store.end_sending(id, sent, rungs, now, done),
            Step::TakeAnswer => self.store.take_answer(id, done),
        }
    }

    fn rungs(&self, service: &Service, reply: Option<&Reply>) -> Rungs {
        let sends = service.slow.message && self.send.is_some();
        let message = reply.filter(|_| sends).and_then(as_message);
        Rungs {
            message: message.as_ref().map(recorded),
            next: service.slow.next && reply.is_some_and(can_wait),
        }
    }

    /// A step was committed, or could not be.
    fn stepped(self: &Arc<Self>, id: i64, step: &Step, settled: Result<Settled, StoreError>) {
        let now = (self.now)();
        let mut state = self.lock();
        let Some(entry) = state.entries.get_mut(&id) else {
            return;
        };
        let is_taken = match &settled {
            Ok(settled) => entry.case.stepped(step, settled, &self.times, now),
            Err(_) => {
                entry.case.failed(&self.times, now);
                false
            }
        };
        if let (Step::TakeAnswer, Ok(Settled::Answer(_)), false) = (step, &settled, is_taken) {
            self.store.put_back_answer(id);
        }
        let (about, reply) = (Arc::clone(&entry.about), entry.case.reply().cloned());
        drop(state);
        // What a follower is shown instead is not lost, but the owner wants to know.
        if let (Step::Record(Asked::Failed(why)), Ok(_)) = (step, &settled) {
            self.warnings.lost(&about.backend.service.name, 1, why);
        }
        match (settled, reply) {
            (Ok(Settled::Sending), Some(reply)) => self.send(id, &about, &reply),
            (Ok(Settled::Kept), _) => self.kept.add(about.openid.clone()),
            (Ok(Settled::Expired), _) => {
                let why = match step {
                    Step::EndSending(_) => "WeChat took no message",
                    Step::Record(_)
                    | Step::GiveUpWaiting
                    | Step::StopWaiting(_)
                    | Step::TakeAnswer => "it came too late",
                };
                self.warnings.lost(&about.backend.service.name, 1, why);
            }
            (
                Ok(
                    Settled::Answer(_)
                    | Settled::Nothing
                    | Settled::Redelivered(_)
                    | Settled::Moot
                    | Settled::Sending,
                ),
                _,
            )
            | (Err(_), _) => {}
        }
        self.advance(id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a service is not asked.
const OPEN: &str = "its circuit is open";
const PANIC: &str = "a panic in the call (RUST_BACKTRACE=1 shows where)";
const FULL: &str = "too many pushes wait for it";
const NO_PLACE: &str = "too many requests wait already (server.max_waiting)";

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}
