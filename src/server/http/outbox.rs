//! Answers on their way from the handlers to the guard, and which requests still wait for one.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::response::Response;

/// Names one request of one connection of the guard. `tiny_http` carries it to the handler in a header, as `SLOT.SERIAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where the guard keeps the connection.
    pub slot: usize,
    /// Different for every request, never 0.
    serial: u64,
}

/// What the guard and the handlers share: open requests, and answers that the guard has not collected yet.
///
/// It holds at most one answer for each connection, so it needs no limit of its own.
pub struct Outbox {
    state: Mutex<State>,
    /// Makes the guard collect.
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Which answers the guard collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collect {
    /// Those that are not held back.
    Released,
    /// Also those held back to leave together.
    All,
}

#[derive(Default)]
struct State {
    serial: u64,
    /// By slot: the request that waits for its answer.
    open: Vec<Option<Open>>,
    /// Requests that wait for something other than the store, and how many may.
    waiting: usize,
    max_waiting: usize,
    /// Requests that are held until a time, with what answers them then, by that time and their serial.
    polls: BTreeMap<(Instant, u64), (Ticket, Response)>,
    answers: Vec<(Ticket, Given)>,
    /// Held back until the other answers of their commit have come, see [`Deferred::answer_together`].
    held_back: Vec<(Ticket, Given)>,
    /// The guard is awake, or has been woken, and will collect.
    awake: bool,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    serial: u64,
    /// For something other than the store; it has a place among those that may.
    waits: Option<Wait>,
}

/// How long a request waits for something other than the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    /// The usual time, see [`Deferred::wait`].
    Usual,
    /// Longer, see [`Deferred::hold`].
    Held,
    /// Until then, see [`Deferred::hold_until`].
    HeldUntil(Instant),
}

/// What a handler gave.
#[derive(Debug)]
pub enum Given {
    /// The answer.
    Answer(Response),
    /// The end of the connection, without an answer.
    HangUp,
    /// Nothing: the request was dropped, for example by a panic.
    Nothing,
}

impl Outbox {
    /// `wake` is called, from any thread, when there is something to collect.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Outbox {
        Outbox {
            state: Mutex::default(),
            wake: Box::new(wake),
        }
    }

    /// Issues a ticket for a request of the connection in this slot. An open one of the same slot is cancelled.
    pub fn open(&self, slot: usize) -> Ticket {
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        if state.open.len() <= slot {
            state.open.resize(slot + 1, None);
        }
        let waits = None;
        if let Some(before) = state.open[slot].replace(Open { serial, waits }) {
            state.leave(before);
        }
        Ticket { slot, serial }
    }

    /// How many requests may wait for something other than the store at a time. Those that wait already go on.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.lock().max_waiting = max_waiting;
    }

    /// Stops waiting for this answer. `false`: it has been given already, and [`Collect::All`] brings it.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        self.lock().close(ticket)
    }

    /// Whether this request is held, see [`Deferred::hold`].
    pub fn is_held(&self, ticket: Ticket) -> bool {
        let open = self.lock().find(ticket).and_then(|open| *open);
        open.is_some_and(|open| match open.waits {
            Some(Wait::Held | Wait::HeldUntil(_)) => true,
            Some(Wait::Usual) | None => false,
        })
    }

    /// Answers the requests that are held until now or earlier; with `None` all that are held until a time.
    pub fn end_polls(&self, now: Option<Instant>) {
        let mut state = self.lock();
        while let Some(next) = state.polls.first_entry()
            && now.is_none_or(|now| next.key().0 <= now)
        {
            state.end_first_poll();
        }
    }

    /// When the next of them is to be answered.
    pub fn next_end(&self) -> Option<Instant> {
        let state = self.lock();
        state.polls.first_key_value().map(|((until, _), _)| *until)
    }

    /// Takes what was given since the last call, in its order; `into` must be empty.
    pub fn collect(&self, what: Collect, into: &mut Vec<(Ticket, Given)>) {
        let mut state = self.lock();
        mem::swap(&mut state.answers, into);
        match what {
            Collect::Released => {}
            Collect::All => into.append(&mut state.held_back),
        }
    }

    /// Lets the guard collect what is held back.
    pub fn release(&self) {
        let mut state = self.lock();
        let State {
            answers, held_back, ..
        } = &mut *state;
        if !held_back.is_empty() {
            answers.append(held_back);
            self.wake(state);
        }
    }

    /// From now on the next answer wakes the guard. `false`: there is one already.
    pub fn rest(&self) -> bool {
        let mut state = self.lock();
        state.awake = !state.answers.is_empty();
        !state.awake
    }

    /// `false`: nobody waits for it any more. Decided under the lock: either the answer or the end of its time wins.
    fn give(&self, ticket: Ticket, given: Given) -> bool {
        let mut state = self.lock();
        let is_awaited = state.close(ticket);
        if is_awaited {
            state.answers.push((ticket, given));
            self.wake(state);
        }
        is_awaited
    }

    /// The same, but held back until the next [`release`](Outbox::release).
    fn give_and_hold_back(&self, ticket: Ticket, response: Response) -> bool {
        let mut state = self.lock();
        let is_awaited = state.close(ticket);
        if is_awaited {
            state.held_back.push((ticket, Given::Answer(response)));
        }
        is_awaited
    }

    /// See [`Deferred::wait`] and those that follow it.
    fn wait(&self, ticket: Ticket, wait: Wait, answer: Option<Response>) -> bool {
        let mut state = self.lock();
        let has_place = state.wait(ticket, wait);
        if let (true, Some(answer), Wait::HeldUntil(until)) = (has_place, answer, wait) {
            state.polls.insert((until, ticket.serial), (ticket, answer));
            // It has one more time to mind.
            self.wake(state);
        } else if !state.answers.is_empty() {
            self.wake(state);
        }
        has_place
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wake = !mem::replace(&mut state.awake, true);
        drop(state);
        if wake {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, ticket: Ticket) -> Option<&mut Option<Open>> {
        let open = self.open.get_mut(ticket.slot)?;
        let is_open = open.is_some_and(|open| open.serial == ticket.serial);
        is_open.then_some(open)
    }

    fn close(&mut self, ticket: Ticket) -> bool {
        let closed = self.find(ticket).and_then(Option::take);
        if let Some(closed) = closed {
            self.leave(closed);
        }
        closed.is_some()
    }

    /// Frees the place of a request that is not open any more.
    fn leave(&mut self, closed: Open) {
        self.waiting -= usize::from(closed.waits.is_some());
        if let Some(Wait::HeldUntil(until)) = closed.waits {
            self.polls.remove(&(until, closed.serial));
        }
    }

    /// Answers the request that is held until the earliest time. `false`: there is none.
    fn end_first_poll(&mut self) -> bool {
        while let Some((_, (ticket, answer))) = self.polls.pop_first() {
            if self.close(ticket) {
                self.answers.push((ticket, Given::Answer(answer)));
                return true;
            }
        }
        false
    }

    /// It takes one place, however often it is called. Where there is none, a request that is held until a time is
    /// answered before it; no other makes room.
    fn wait(&mut self, ticket: Ticket, wait: Wait) -> bool {
        let Some(Some(open)) = self.find(ticket) else {
            return false;
        };
        let takes_place = open.waits.is_none();
        if takes_place && self.waiting >= self.max_waiting && !self.end_first_poll() {
            return false;
        }
        self.waiting += usize::from(takes_place);
        if let Some(Some(open)) = self.find(ticket) {
            open.waits = open.waits.max(Some(wait));
        }
        true
    }
}

/// Gives an answer the headers that all of a kind have.
pub type Dress = fn(Response) -> Response;

/// The duty to answer one request, now or later, from any thread. Dropped without an answer it becomes a 503.
pub struct Deferred {
    ticket: Ticket,
    outbox: Arc<Outbox>,
    dress: Option<Dress>,
}

impl Deferred {
    /// Takes on the duty for a request that the guard has let through.
    pub fn new(ticket: Ticket, outbox: &Arc<Outbox>) -> Deferred {
        Deferred {
            ticket,
            outbox: Arc::clone(outbox),
            dress: None,
        }
    }

    /// Every answer goes through this, also the 503 of a duty that is dropped.
    pub fn dressed(mut self, dress: Option<Dress>) -> Deferred {
        self.dress = dress;
        self
    }

    /// Hands the answer to the guard. `false`: it was too late, because the client had gone, or its time was over.
    pub fn answer(self, response: Response) -> bool {
        let response = self.finished(response);
        self.outbox.give(self.ticket, Given::Answer(response))
    }

    /// The same for one of several answers: it leaves when [`Outbox::release`] is called on the returned outbox. `None`:
    /// it was too late.
    pub fn answer_together(self, response: Response) -> Option<Arc<Outbox>> {
        let response = self.finished(response);
        let is_awaited = self.outbox.give_and_hold_back(self.ticket, response);
        is_awaited.then(|| Arc::clone(&self.outbox))
    }

    /// Whether the client still waits. A handler that works for long asks before it goes on.
    pub fn is_awaited(&self) -> bool {
        self.outbox.lock().find(self.ticket).is_some()
    }

    /// To be called before waiting for anything other than the store. `false`: too many wait already
    /// (`server.max_waiting`), or the client has gone; to drop this answers 503.
    pub fn wait(&self) -> bool {
        self.outbox.wait(self.ticket, Wait::Usual, None)
    }

    /// The same for a request that is to wait longer than the usual time, at whose end it is not answered 503. Whoever
    /// holds it ends it, with an answer or with [`hang_up`](Deferred::hang_up), within
    /// [`Limits::held_timeout`](crate::server::guard::Limits::held_timeout).
    pub fn hold(&self) -> bool {
        self.outbox.wait(self.ticket, Wait::Held, None)
    }

    /// The same for a request that may be answered at any time, as a long poll: at the latest `until` it gets this
    /// answer, and earlier where another request needs its place. To be called once, and not after the other two.
    pub fn hold_until(&self, until: Instant, answer: Response) -> bool {
        let answer = self.finished(answer);
        self.outbox
            .wait(self.ticket, Wait::HeldUntil(until), Some(answer))
    }

    /// Closes the connection without any answer; what the client has sent ahead is lost with it.
    pub fn hang_up(self) {
        self.outbox.give(self.ticket, Given::HangUp);
    }

    fn finished(&self, response: Response) -> Response {
        match self.dress {
            Some(dress) => dress(response),
            None => response,
        }
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        // Does nothing after an answer, which has closed the ticket.
        let given = match self.dress {
            Some(dress) => Given::Answer(dress(unavailable())),
            None => Given::Nothing,
        };
        self.outbox.give(self.ticket, given);
    }
}

/// There is no room for the request, or its handler panicked: the browser may ask again at once.
fn unavailable() -> Response {
    Response::text(503, "unavailable").with("Retry-After", "1")
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.serial)
    }
}

impl FromStr for Ticket {
    type Err = ();

    fn from_str(text: &str) -> Result<Ticket, ()> {
        let (slot, serial) = text.split_once('.').ok_or(())?;
        Ok(Ticket {
            slot: slot.parse().map_err(drop)?,
            serial: serial.parse().map_err(drop)?,
        })
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deferred").field(&self.ticket).finish()
    }
}

#[cfg(test)]
mod tests;
