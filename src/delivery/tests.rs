//! The ladder as a grid, in a time of its own: when the answer comes, how often the platform delivers, what is allowed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::case::{Answer, Asked, Case, Step, Times, Waiting};
use super::{About, Deliveries};
use crate::clock;
use crate::config::{Config, Slow};
use crate::notifier::Notifier;
use crate::secret::Secret;
use crate::service::{Backend, Services};
use crate::store::{
    Begins, ForwardFilter, ForwardRow, Forwarded, NewForward, Reader, Record, Recorded, Sent,
    Settled, ShowsKept, Store, StoreError,
};
use crate::wechat::{Effect, Reply, short_digest};

const ANSWER: &str = "the answer";
const WAIT_TEXT: &str = "wait";
const OTHERWISE: &str = "it failed";

/// Whether the account may send customer-service messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Yes,
    No,
    /// The platform refuses it, which nobody knows yet.
    NotYetRefused,
}

/// One cell of the grid.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// When the service answers, in milliseconds from the beginning of the first delivery.
    answers_at: u64,
    /// Whether it says something, has nothing to say, or fails.
    says: Says,
    right: Right,
    wait: bool,
    message: bool,
    next: bool,
    /// The platform delivers this often at most.
    deliveries: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Something,
    Nothing,
    Fails,
}

/// How something reached the follower.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    /// As the reply to this delivery, counted from 1.
    Reply(u64, String),
    /// As a customer-service message.
    Message(String),
    /// With the next message.
    Next(String),
}

/// The platform hangs up this long after the beginning of a delivery.
const PATIENCE: u64 = 5_000;

/// An account without rungs but `next`.
const CELL: Cell = Cell {
    answers_at: 0,
    says: Says::Something,
    right: Right::No,
    wait: false,
    message: false,
    next: true,
    deliveries: 1,
};

/// When the follower writes again, in milliseconds.
const WRITES_AGAIN: u64 = 200_000;

impl Cell {
    /// What the follower should be shown, thought out without the states of the implementation.
    fn expected(self) -> Vec<Shown> {
        let begins = |n: u64| (n - 1) * PATIENCE;
        let last = self.deliveries;
        // Until when the push has no answer if the service gives none.
        let given_up_at = match self.wait {
            false => Some(4_500),
            true if last >= 3 => Some(begins(3) + 4_500),
            true => None,
        };
        let closed_at = given_up_at.unwrap_or(begins(last) + 7_000);
        let may_send = self.message && self.right != Right::No;
        let mut shown = Vec::new();
        if let Some(at) = given_up_at.filter(|at| *at < self.answers_at)
            && self.next
            && !may_send
        {
            shown.push(Shown::Reply(1 + at / PATIENCE, WAIT_TEXT.to_owned()));
        }
        let in_time = self.answers_at <= closed_at;
        // The delivery that gets what is recorded at that time.
        let at = self.answers_at;
        let under_way = (1..=last).find(|n| begins(*n) <= at && at <= begins(*n) + 4_500);
        let later = (1..=last).find(|n| begins(*n) > at);
        let delivery = under_way.or(later).filter(|_| in_time);
        match (self.says, delivery) {
            (Says::Nothing, _) => {}
            (Says::Fails, Some(n)) => shown.push(Shown::Reply(n, OTHERWISE.to_owned())),
            (Says::Fails, None) => {}
            (Says::Something, Some(n)) => shown.push(Shown::Reply(n, ANSWER.to_owned())),
            (Says::Something, None) if self.message && self.right == Right::Yes => {
                shown.push(Shown::Message(ANSWER.to_owned()));
            }
            (Says::Something, None) if self.next => shown.push(Shown::Next(ANSWER.to_owned())),
            (Says::Something, None) => {}
        }
        shown
    }
}

/// What a phone is shown.
type Phone = Arc<Mutex<Vec<Shown>>>;

/// One delivery as the platform sees it.
#[derive(Debug, Default)]
struct Line {
    /// The platform has hung up.
    is_cut: bool,
    /// There was an answer, be it `success`.
    is_answered: bool,
    /// It was 503.
    is_refused: bool,
    is_closed: bool,
}

struct Delivery {
    number: u64,
    line: Arc<Mutex<Line>>,
    phone: Phone,
}

impl Waiting for Delivery {
    fn answer(self: Box<Self>, answer: Answer) -> bool {
        let mut line = self.line.lock().unwrap();
        assert!(!line.is_answered && !line.is_closed);
        if line.is_cut {
            return false;
        }
        line.is_answered = true;
        match answer {
            Answer::Reply(Some(xml)) => {
                let shown = Shown::Reply(self.number, text(xml));
                self.phone.lock().unwrap().push(shown);
            }
            Answer::Reply(None) => {}
            Answer::Unavailable => line.is_refused = true,
        }
        true
    }

    fn hang_up(self: Box<Self>) {
        let mut line = self.line.lock().unwrap();
        assert!(line.is_cut, "it is held until the platform has hung up");
        line.is_closed = true;
    }
}

/// The text of a reply.
fn text(xml: &str) -> String {
    match Reply::parse(xml).unwrap() {
        Reply::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

struct World {
    _folder: tempfile::TempDir,
    store: Arc<Store>,
    reader: Reader,
    begun: Instant,
    /// Milliseconds since `begun`.
    time: Arc<Mutex<u64>>,
    /// What the platform says to a customer-service message.
    right: Arc<Mutex<Right>>,
    messages: Arc<Mutex<Vec<(String, Shown)>>>,
    /// The store breaks when a message is sent.
    breaks_by_sending: Arc<AtomicBool>,
    /// Whoever gets a message is erased when two wait to be sent.
    erases_by_sending: Arc<AtomicBool>,
    deliveries: Arc<Deliveries>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        let store = Arc::new(Store::open(&path.as_path().into()).unwrap());
        let begun = Instant::now();
        let time = Arc::new(Mutex::new(0));
        let right = Arc::new(Mutex::new(Right::Yes));
        let messages: Arc<Mutex<Vec<(String, Shown)>>> = Arc::default();
        let (clock, says, sent) = (Arc::clone(&time), Arc::clone(&right), Arc::clone(&messages));
        let breaks_by_sending: Arc<AtomicBool> = Arc::default();
        let (breaking, breaks) = (Arc::clone(&store), Arc::clone(&breaks_by_sending));
        let erases_by_sending: Arc<AtomicBool> = Arc::default();
        let erases = Arc::clone(&erases_by_sending);
        let send = move |openid: &str, message: &crate::api::custom::CustomMessage| {
            let crate::api::custom::CustomMessage::Text { content } = message else {
                panic!("{message:?}");
            };
            if breaks.load(Ordering::Relaxed) {
                breaking.break_forwards(true).unwrap();
            }
            if erases.load(Ordering::Relaxed) {
                let reader = breaking.reader().unwrap();
                while sending(&reader).len() < 2 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                breaking.erase(&reader, openid).unwrap();
            }
            match *says.lock().unwrap() {
                Right::Yes => {
                    let shown = Shown::Message(content.clone());
                    sent.lock().unwrap().push((openid.to_owned(), shown));
                    Sent::Yes
                }
                Right::No => panic!("it is known that there is no right"),
                Right::NotYetRefused => Sent::No {
                    why: "48001".to_owned(),
                    errcode: Some(48_001),
                    no_right_until: Some(clock::unix_seconds() + 1_000),
                },
            }
        };
        let deliveries = Deliveries::with(
            Arc::clone(&store),
            Some(Box::new(send)),
            Box::new(move || begun + Duration::from_millis(*clock.lock().unwrap())),
            Arc::new(Notifier::default()),
            Arc::default(),
        );
        World {
            _folder: folder,
            reader: store.reader().unwrap(),
            store,
            begun,
            time,
            right,
            messages,
            breaks_by_sending,
            erases_by_sending,
            deliveries,
        }
    }

    fn millis(&self) -> u64 {
        *self.time.lock().unwrap()
    }

    fn at(&self, millis: u64) -> Instant {
        self.begun + Duration::from_millis(millis)
    }

    /// Records a delivery of a push of this person.
    fn record(&self, openid: &str, number: u64, forwards: bool, shows_kept: ShowsKept) -> Recorded {
        let recorded = self.try_record(openid, number, forwards, shows_kept);
        recorded.unwrap()
    }

    fn try_record(
        &self,
        openid: &str,
        number: u64,
        forwards: bool,
        shows_kept: ShowsKept,
    ) -> Result<Recorded, StoreError> {
        let dedup_key = format!("{openid} {number}");
        let record = Record {
            digest: short_digest(dedup_key.as_bytes()),
            dedup_key,
            signature: [0; 20],
            openid: openid.to_owned(),
            account: "gh_1".to_owned(),
            msg_type: "text".to_owned(),
            event: None,
            event_key: None,
            msg_id: None,
            content: None,
            xml: None,
            created_at: 1_790_000_000,
            received_at: 1_790_000_000,
            rule: None,
            reply: None,
            todo: false,
            media_id: None,
            fetches_media: false,
            effect: Effect::None,
            log_in: None,
            forward: forwards.then(|| NewForward {
                service: "bot".to_owned(),
                begins: Begins::Pending,
            }),
            shows_kept,
            hook_events: Vec::new(),
        };
        let (done, recorded) = channel();
        self.store
            .record(record, move |outcome, _| done.send(outcome).unwrap());
        recorded.recv().unwrap()
    }

    /// Waits for what is being committed or sent.
    fn settle(&self) {
        // What was submitted before has ended when this has, which changes nothing; it may have submitted one thing more.
        for _ in 0..3 {
            self.store.expire_kept("nobody", 0, 0).unwrap();
        }
        while self.is_sending() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether a message is on its way: what was told of one waits for its commit.
    fn is_sending(&self) -> bool {
        let ids = sending(&self.reader);
        let state = self.deliveries.lock();
        ids.iter().any(|id| {
            let entry = state.entries.get(id);
            entry.is_some_and(|entry| entry.case.due(&Times::REAL).is_none())
        })
    }

    /// The states of the last forwarded pushes.
    fn states(&self, limit: Option<u32>) -> impl Iterator<Item = String> {
        let filter = ForwardFilter {
            limit,
            ..ForwardFilter::default()
        };
        let mut states = Vec::new();
        let each = |row: ForwardRow| -> Result<(), StoreError> {
            states.push(row.state);
            Ok(())
        };
        self.reader.forwards(&filter, each).unwrap();
        states.into_iter()
    }

    /// Plays one cell, from `base` on, and returns what the follower was shown. At each of the times `turns`, in
    /// milliseconds, the store breaks, or works again.
    fn play(&self, cell: Cell, base: u64, openid: &str, turns: &[u64]) -> Vec<Shown> {
        *self.right.lock().unwrap() = cell.right;
        match cell.right {
            Right::No => {
                let until = format!("none {}", clock::unix_seconds() + 1_000);
                self.store
                    .keep_setting("right.custom_send", &until)
                    .unwrap();
            }
            Right::Yes | Right::NotYetRefused => {
                self.store.forget_missing_rights().unwrap();
            }
        }
        let phone = Phone::default();
        let about = Arc::new(about(self, cell, openid));
        let mut number = 0;
        let mut line: Arc<Mutex<Line>> = Arc::default();
        let mut id = None;
        let mut begins = Some(0);
        let mut cuts = None;
        let mut answers = Some(cell.answers_at);
        let mut turns = turns.iter().copied().peekable();
        let mut breaks = false;
        loop {
            let mut ended = line.lock().unwrap();
            if std::mem::take(&mut ended.is_refused) && number < cell.deliveries {
                begins = Some(self.millis() - base);
                cuts = None;
            }
            drop(ended);
            self.deliveries.tick();
            self.settle();
            let due = self.deliveries.tick().map(|due| {
                let since = due.saturating_duration_since(self.begun);
                u64::try_from(since.as_millis())
                    .unwrap()
                    .saturating_sub(base)
            });
            let turn = turns.peek().copied();
            let next = [begins, cuts, answers, due, turn].into_iter();
            let Some(at) = next.flatten().min() else {
                break;
            };
            *self.time.lock().unwrap() = base + at;
            if turn == Some(at) {
                turns.next();
                breaks = !breaks;
                self.store.break_forwards(breaks).unwrap();
            } else if answers == Some(at) {
                answers = None;
                let outcome = match cell.says {
                    Says::Something => Asked::Reply(Some(Reply::Text(ANSWER.to_owned()))),
                    Says::Nothing => Asked::Reply(None),
                    Says::Fails => Asked::Failed("down".to_owned()),
                };
                self.deliveries.asked(id.unwrap(), outcome);
            } else if cuts == Some(at) {
                cuts = None;
                let mut line = line.lock().unwrap();
                if !line.is_answered {
                    line.is_cut = true;
                    begins = (number < cell.deliveries).then_some(at);
                }
            } else if begins == Some(at) {
                begins = None;
                number += 1;
                cuts = Some(at + PATIENCE);
                line = Arc::default();
                let began = self.at(base + at);
                let waiting = Box::new(Delivery {
                    number,
                    line: Arc::clone(&line),
                    phone: Arc::clone(&phone),
                });
                let recorded = self.try_record(openid, 1, true, ShowsKept::No);
                let Ok(recorded) = recorded else {
                    waiting.answer(Answer::Unavailable);
                    continue;
                };
                match recorded {
                    Recorded::Pending(forwarded) => {
                        id = Some(forwarded.id);
                        let about = Arc::clone(&about);
                        self.deliveries
                            .enter(forwarded, about, began, Some(waiting));
                    }
                    Recorded::PendingAgain(forwarded) => {
                        self.deliveries.deliver(forwarded, None, began, waiting);
                    }
                    Recorded::Again {
                        reply,
                        forwarded: Some(forwarded),
                    } => {
                        let is_taken = waiting.answer(Answer::Reply(reply.as_deref()));
                        self.deliveries.delivered(forwarded, began, is_taken);
                    }
                    other => panic!("{other:?}"),
                }
            }
            self.settle();
        }
        *self.time.lock().unwrap() = base + WRITES_AGAIN;
        let shows = match self.deliveries.keeps_for(openid, &Services::default()) {
            true => ShowsKept::Alone,
            false => ShowsKept::No,
        };
        let mut shown = phone.lock().unwrap().clone();
        let mut messages = self.messages.lock().unwrap();
        shown.extend(messages.drain(..).map(|(_, shown)| shown));
        if let Recorded::New {
            shown: Some(xml), ..
        } = self.record(openid, 2, false, shows)
        {
            shown.push(Shown::Next(text(&xml)));
        }
        shown
    }
}

/// The forwarded pushes whose answer is on its way as a message.
fn sending(reader: &Reader) -> Vec<i64> {
    let filter = ForwardFilter {
        state: Some("sending".to_owned()),
        ..ForwardFilter::default()
    };
    let mut ids = Vec::new();
    let each = |row: ForwardRow| -> Result<(), StoreError> {
        ids.push(row.id);
        Ok(())
    };
    reader.forwards(&filter, each).unwrap();
    ids
}

/// What is known of a push of this person.
fn about(world: &World, cell: Cell, openid: &str) -> About {
    About {
        backend: backend(&world.store, cell),
        openid: openid.to_owned(),
        account: "gh_1".to_owned(),
        shows: true,
        otherwise: Some(Reply::Text(OTHERWISE.to_owned())),
    }
}

/// A service with the rungs of this cell.
fn backend(store: &Store, cell: Cell) -> Arc<Backend> {
    let rungs = [
        (cell.wait, "wait"),
        (cell.message, "message"),
        (cell.next, "next"),
    ];
    let slow: Vec<&str> = rungs
        .iter()
        .filter_map(|(is_in, rung)| is_in.then_some(*rung))
        .collect();
    let text = format!(
        "account.token = \"secretToken\"\n[[service]]\nname = \"bot\"\nurl = \"http://127.0.0.1:9/\"\n\
         slow = {slow:?}\nwait_text = \"{WAIT_TEXT}\"\n"
    );
    let config = Config::read(std::path::Path::new("wechat.conf"), &text, None).unwrap();
    let services = Services::new(&config.services, &Secret::new("secretToken"), store).unwrap();
    Arc::clone(services.get("bot").unwrap())
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for answers_at in [
        100, 3_000, 4_400, 4_600, 6_000, 9_800, 12_500, 16_000, 60_000,
    ] {
        for (says, right) in [
            (Says::Something, Right::Yes),
            (Says::Something, Right::No),
            (Says::Something, Right::NotYetRefused),
            (Says::Nothing, Right::Yes),
            (Says::Fails, Right::No),
        ] {
            for deliveries in 2..=4 {
                for rungs in 0..8 {
                    cells.push(Cell {
                        answers_at,
                        says,
                        right,
                        wait: rungs & 1 > 0,
                        message: rungs & 2 > 0,
                        next: rungs & 4 > 0,
                        deliveries,
                    });
                }
            }
        }
    }
    cells
}

#[test]
fn in_every_cell_of_the_grid_an_answer_is_shown_once_or_what_is_said_instead() {
    let world = World::new();
    let mut wrong = Vec::new();
    for (n, cell) in (0..).zip(cells()) {
        let openid = format!("person {n}");
        let shown = world.play(cell, n * 1_000_000, &openid, &[]);
        if shown != cell.expected() {
            wrong.push(format!("{cell:?}: {shown:?}, not {:?}", cell.expected()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(8)]
    );
    let is_open = |state: &String| ["asked", "sending", "kept"].contains(&state.as_str());
    assert_eq!(world.states(None).find(is_open), None);
}

#[test]
fn in_every_cell_an_answer_is_shown_once_at_most_while_the_store_breaks_and_recovers() {
    let world = World::new();
    // Always the same numbers, which look like any.
    let mut random = 1_u64;
    let mut any = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let cells = cells()
        .into_iter()
        .filter(|cell| cell.says == Says::Something);
    for (n, cell) in (0..).zip(cells) {
        let mut turns = [0; 4].map(|_| 1 + any(25_000));
        turns.sort_unstable();
        let shown = world.play(cell, n * 1_000_000, &format!("person {n}"), &turns);
        let is_answer = |shown: &&Shown| match shown {
            Shown::Reply(_, text) | Shown::Message(text) | Shown::Next(text) => text == ANSWER,
        };
        let count = shown.iter().filter(is_answer).count();
        assert!(count <= 1, "{cell:?} {turns:?}: {shown:?}");
        assert!(count == 1 || !cell.next, "{cell:?} {turns:?}: {shown:?}");
        assert!(
            world.deliveries.lock().entries.is_empty(),
            "{cell:?} {turns:?}"
        );
    }
    let is_open = |state: &String| ["asked", "sending", "kept"].contains(&state.as_str());
    assert_eq!(world.states(None).find(is_open), None);
}

/// A push of this person that was recorded and waits for its service.
fn pending(world: &World, cell: Cell, openid: &str) -> (Forwarded, Phone) {
    pending_as(world, cell, openid, 1)
}

/// The same for one of several pushes of this person.
fn pending_as(world: &World, cell: Cell, openid: &str, push: u64) -> (Forwarded, Phone) {
    let Recorded::Pending(forwarded) = world.record(openid, push, true, ShowsKept::No) else {
        panic!("it is new");
    };
    let (waiting, phone) = delivery(false);
    let about = Arc::new(about(world, cell, openid));
    world
        .deliveries
        .enter(forwarded, about, world.begun, Some(waiting));
    (forwarded, phone)
}

fn says(text: &str) -> Asked {
    Asked::Reply(Some(Reply::Text(text.to_owned())))
}

#[test]
fn the_answer_for_somebody_who_was_erased_meanwhile_reaches_nobody_else() {
    let world = World::new();
    let (gone, first) = pending(&world, CELL, "oGone");
    world.store.erase(&world.reader, "oGone").unwrap();
    let (stays, second) = pending(&world, CELL, "oStays");
    world.deliveries.asked(gone.id, says("for the first"));
    world.settle();
    assert_eq!(*second.lock().unwrap(), []);
    world.deliveries.asked(stays.id, says("for the second"));
    world.settle();
    let shown = Shown::Reply(1, "for the second".to_owned());
    assert_eq!(*second.lock().unwrap(), [shown]);
    assert_eq!(*first.lock().unwrap(), []);
}

#[test]
fn somebody_who_was_erased_meanwhile_is_sent_no_message() {
    let world = World::new();
    world.erases_by_sending.store(true, Ordering::Relaxed);
    let cell = Cell {
        message: true,
        right: Right::Yes,
        ..CELL
    };
    let pushes = [1, 2].map(|push| pending_as(&world, cell, "oGone", push).0);
    *world.time.lock().unwrap() = 4_500;
    world.deliveries.tick();
    world.settle();
    for push in pushes {
        world.deliveries.asked(push.id, says(ANSWER));
    }
    let until = Instant::now() + Duration::from_secs(30);
    while !world.deliveries.lock().entries.is_empty() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(1));
    }
    // The first was on its way already.
    assert_eq!(world.messages.lock().unwrap().len(), 1);
    assert_eq!(world.states(None).count(), 0);
}

#[test]
fn a_late_hand_over_to_customer_service_is_not_kept_for_another_message() {
    let world = World::new();
    world
        .store
        .keep_setting("right.custom_send", "none 9999999999")
        .unwrap();
    let (forwarded, _) = pending(&world, CELL, "oFan");
    *world.time.lock().unwrap() = 4_500;
    world.deliveries.tick();
    world.settle();
    let transfer = Reply::Transfer { kf_account: None };
    world
        .deliveries
        .asked(forwarded.id, Asked::Reply(Some(transfer)));
    world.settle();
    assert_eq!(world.states(None).collect::<Vec<_>>(), ["expired"]);
}

#[test]
fn what_came_of_a_message_is_recorded_when_the_store_works_again() {
    for (right, becomes) in [(Right::Yes, "sent"), (Right::NotYetRefused, "kept")] {
        let world = World::new();
        *world.right.lock().unwrap() = right;
        world.breaks_by_sending.store(true, Ordering::Relaxed);
        let cell = Cell {
            message: true,
            ..CELL
        };
        let (forwarded, _) = pending(&world, cell, "oFan");
        *world.time.lock().unwrap() = 4_500;
        world.deliveries.tick();
        world.settle();
        world.deliveries.asked(forwarded.id, says(ANSWER));
        world.settle();
        assert_eq!(world.states(None).collect::<Vec<_>>(), ["sending"]);
        world.store.break_forwards(false).unwrap();
        *world.time.lock().unwrap() = 5_500;
        world.deliveries.tick();
        world.settle();
        assert_eq!(world.states(None).collect::<Vec<_>>(), [becomes]);
        assert!(world.deliveries.lock().entries.is_empty());
        let sent = usize::from(right == Right::Yes);
        assert_eq!(world.messages.lock().unwrap().len(), sent);
    }
}

#[test]
fn a_delivery_that_another_server_got_is_waited_for_before_the_next_rung() {
    let world = World::new();
    let cell = Cell { wait: true, ..CELL };
    world
        .store
        .keep_setting("right.custom_send", "none 9999999999")
        .unwrap();
    let Recorded::Pending(forwarded) = world.record("oFan", 1, true, ShowsKept::No) else {
        panic!("it is new");
    };
    let (delivery, _) = delivery(true);
    let about = Arc::new(about(&world, cell, "oFan"));
    world
        .deliveries
        .enter(forwarded, about, world.begun, Some(delivery));
    let at = |millis: u64| {
        *world.time.lock().unwrap() = millis;
        world.deliveries.tick();
        world.settle();
    };
    // Nobody here is told of it.
    let again = world.record("oFan", 1, true, ShowsKept::No);
    assert!(matches!(again, Recorded::PendingAgain(_)), "{again:?}");
    at(6_900);
    world.deliveries.asked(forwarded.id, says(ANSWER));
    world.settle();
    assert_eq!(world.states(None).collect::<Vec<_>>(), ["answered"]);
    for millis in [7_000, 13_900] {
        at(millis);
        assert_eq!(world.states(None).collect::<Vec<_>>(), ["answered"]);
    }
    at(14_000);
    assert_eq!(world.states(None).collect::<Vec<_>>(), ["kept"]);
    assert!(world.deliveries.lock().entries.is_empty());
}

/// A delivery, and what it shows. `is_cut`: the platform has hung up.
fn delivery(is_cut: bool) -> (Box<Delivery>, Phone) {
    let phone = Phone::default();
    let line = Line {
        is_cut,
        ..Line::default()
    };
    let delivery = Delivery {
        number: 1,
        line: Arc::new(Mutex::new(line)),
        phone: Arc::clone(&phone),
    };
    (Box::new(delivery), phone)
}

#[test]
fn a_delivery_gets_what_another_server_records_while_it_waits() {
    let (begun, times) = (Instant::now(), Times::REAL);
    let at = |millis| begun + Duration::from_millis(millis);
    let nth = |deliveries| Forwarded { id: 1, deliveries };
    let slow = Slow {
        wait: true,
        message: true,
        next: true,
    };
    let reply = Reply::Text(ANSWER.to_owned()).to_xml("oFan", "gh_1", 1);
    for is_cut in [false, true] {
        let mut case = Case::elsewhere(nth(2), slow, begun);
        let (second, phone) = delivery(is_cut);
        case.deliver(nth(2), begun, second);
        assert_eq!(case.due(&times), Some(at(100)));
        assert!(case.looks(at(100)) && !case.looks(at(99)));
        case.looked(false, at(100));
        assert_eq!(case.due(&times), Some(at(200)));
        case.looked(true, at(200));
        assert_eq!(case.tick(&times, at(200)), Some(Step::TakeAnswer));
        let answer = Settled::Answer(reply.clone());
        let is_taken = case.stepped(&Step::TakeAnswer, &answer, &times, at(210));
        assert_eq!(is_taken, !is_cut);
        assert_eq!(phone.lock().unwrap().len(), usize::from(is_taken));
        assert!(case.is_over());
    }
    // Where several connections commit, a delivery may be told after the answer to it.
    let mut late = Case::new(nth(1), slow, false, begun);
    let (second, phone) = delivery(false);
    late.deliver(nth(2), begun, second);
    assert_eq!(late.tick(&times, begun), Some(Step::TakeAnswer));
    let answer = Settled::Answer(reply.clone());
    assert!(late.stepped(&Step::TakeAnswer, &answer, &times, begun));
    assert_eq!((phone.lock().unwrap().len(), late.due(&times)), (1, None));
    // After 4.5 s the second one is held, and nobody looks any more. The third is answered here if nobody was faster.
    for settled in [Settled::Answer(None), Settled::Moot] {
        let mut case = Case::elsewhere(nth(2), slow, begun);
        case.deliver(nth(2), begun, delivery(true).0);
        assert_eq!(case.tick(&times, at(4_500)), None);
        assert_eq!(case.due(&times), Some(at(6_000)));
        assert!(!case.looks(at(5_000)));
        case.deliver(nth(3), at(5_000), delivery(false).0);
        assert_eq!(case.tick(&times, at(9_500)), Some(Step::GiveUpWaiting));
        assert_eq!(case.due(&times), Some(at(11_000)));
        let is_taken = case.stepped(&Step::GiveUpWaiting, &settled, &times, at(9_600));
        let next = case.tick(&times, at(9_600));
        match settled {
            Settled::Answer(_) => assert!(is_taken && next.is_none() && case.is_over()),
            _ => assert_eq!((is_taken, next), (false, Some(Step::TakeAnswer))),
        }
    }
}

#[test]
fn nothing_is_due_while_a_step_that_failed_is_committed_again() {
    let (begun, times) = (Instant::now(), Times::REAL);
    let forwarded = Forwarded {
        id: 1,
        deliveries: 1,
    };
    let slow = Slow {
        wait: true,
        message: true,
        next: true,
    };
    let mut case = Case::new(forwarded, slow, true, begun);
    case.asked(Asked::Reply(None));
    assert!(case.tick(&times, begun).is_some());
    assert_eq!(case.due(&times), None);
    case.failed(&times, begun);
    let again = case.due(&times).unwrap();
    assert!(again > begun && case.tick(&times, begun).is_none());
    assert!(case.tick(&times, again).is_some());
    assert_eq!(case.due(&times), None);
}
