//! One forwarded push while it is not settled: who waits for its answer, and what comes when.

use std::time::{Duration, Instant};

use crate::config::Slow;
use crate::store::{Forwarded, Sent, Settled};
use crate::wechat::Reply;

/// One delivery of a push that waits for the answer.
pub trait Waiting: Send {
    /// Answers it. `false`: nobody waited any more.
    fn answer(self: Box<Self>, answer: Answer) -> bool;
    /// Ends it without an answer, so that the platform delivers the push again.
    fn hang_up(self: Box<Self>);
}

/// The answer to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// This plain XML; `None`: `success`.
    Reply(Option<&'a str>),
    /// The store cannot write: the platform delivers the push again.
    Unavailable,
}

/// The times of the ladder. The platform hangs up 5 s after the beginning of a delivery, delivers at most 4 times, and
/// begins the next delivery at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the beginning of a delivery: an answer that the service gives by then is its answer.
    pub answer: Duration,
    /// From the beginning of a delivery: no answer is sent later than that.
    pub send: Duration,
    /// From the beginning of a delivery: it is closed without an answer.
    pub hold: Duration,
    /// From the beginning of a delivery: without another one by then, the platform delivers no more.
    pub last: Duration,
}

impl Times {
    /// Those for the platform.
    pub const REAL: Times = Times {
        answer: Duration::from_millis(4_500),
        send: Duration::from_millis(4_800),
        hold: Duration::from_millis(6_000),
        last: Duration::from_millis(7_000),
    };
}

/// Of the deliveries of one push, this many are held without an answer. At the end of the next one the push is answered.
const MOST_HELD: i64 = 2;

/// Pause before a step is tried again that could not be committed.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks whether another server has recorded an answer for which deliveries wait here.
const LOOK: Duration = Duration::from_millis(100);

/// What came of asking a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Its answer; `None`: there is nothing to show.
    Reply(Option<Reply>),
    /// It failed, for this reason.
    Failed(String),
}

/// What is to be committed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What came of asking the service.
    Record(Asked),
    /// The push is answered without its service.
    GiveUpWaiting,
    /// The platform does not deliver the push any more: not after the deliveries that are known here.
    StopWaiting(Forwarded),
    /// How the customer-service message with the answer ended.
    EndSending(Sent),
    /// The answer that another server has recorded goes to a delivery that waits here.
    TakeAnswer,
}

/// How far a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has no answer, and the service is asked.
    Pending,
    /// It was answered without the service, which is still asked.
    Late,
    /// It was answered by the service, and no delivery has got the answer.
    Untaken,
    /// The answer is on its way as a customer-service message.
    Sending,
    /// It is answered, and the service, too, is done.
    Settled,
    /// Another server asks the service. Only deliveries wait here.
    Elsewhere,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The service has time to answer it.
    Open,
    /// It is about to be answered without the service.
    Ending,
    /// It is held until the platform has hung up.
    Held,
}

struct Delivery {
    /// Counted from 1.
    number: i64,
    began: Instant,
    progress: Progress,
    waiting: Box<dyn Waiting>,
}

/// One forwarded push.
pub struct Case {
    forwarded: Forwarded,
    slow: Slow,
    stage: Stage,
    /// When the last delivery began.
    last_began: Instant,
    deliveries: Vec<Delivery>,
    outcome: Option<Asked>,
    sent: Option<Sent>,
    /// A step is being committed.
    is_stepping: bool,
    /// No step is tried before this.
    not_before: Option<Instant>,
    /// When it is looked again whether another server has recorded the answer.
    looks_at: Instant,
    /// Deliveries wait that were told too late of the answer: it is taken from the store.
    takes: bool,
}

impl Case {
    /// A push that was just recorded. `is_pending`: it has no answer yet.
    pub fn new(forwarded: Forwarded, slow: Slow, is_pending: bool, began: Instant) -> Case {
        Case {
            forwarded,
            slow,
            stage: match is_pending {
                true => Stage::Pending,
                false => Stage::Late,
            },
            last_began: began,
            deliveries: Vec::new(),
            outcome: None,
            sent: None,
            is_stepping: false,
            not_before: None,
            looks_at: began,
            takes: false,
        }
    }

    /// A push whose service another server asks.
    pub fn elsewhere(forwarded: Forwarded, slow: Slow, began: Instant) -> Case {
        Case {
            stage: Stage::Elsewhere,
            looks_at: began + LOOK,
            ..Case::new(forwarded, slow, true, began)
        }
    }

    /// Whether another server asks the service.
    pub fn is_elsewhere(&self) -> bool {
        self.stage == Stage::Elsewhere
    }

    /// Takes over the deliveries that waited while another server asked the service, or seemed to.
    pub fn join(&mut self, elsewhere: Case) {
        self.delivered(elsewhere.forwarded, elsewhere.last_began, false);
        self.deliveries.extend(elsewhere.deliveries);
        self.is_stepping |= elsewhere.is_stepping;
        self.takes |= self.stage != Stage::Pending;
    }

    /// Whether it is to be looked whether another server has recorded the answer.
    pub fn looks(&self, now: Instant) -> bool {
        self.next_look().is_some_and(|at| at <= now)
    }

    fn next_look(&self) -> Option<Instant> {
        let waits = self.is_elsewhere() && !self.takes && self.awaits();
        waits.then_some(self.looks_at)
    }

    /// It was looked. `is_answered`: another server has recorded the answer.
    pub fn looked(&mut self, is_answered: bool, now: Instant) {
        self.looks_at = now + LOOK;
        self.takes |= is_answered;
    }

    fn takes(&self) -> bool {
        self.takes && self.awaits()
    }

    /// Whether an answer would be that of a delivery.
    fn awaits(&self) -> bool {
        let mut deliveries = self.deliveries.iter();
        deliveries.any(|delivery| delivery.progress != Progress::Held)
    }

    /// The answer of the service, once there is one to show.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            Some(Asked::Reply(reply)) => reply.as_ref(),
            Some(Asked::Failed(_)) | None => None,
        }
    }

    /// Whether it is too late for the answer to be that of a delivery that waits.
    pub fn is_late(&self) -> bool {
        self.stage != Stage::Pending
    }

    /// Another delivery of it waits.
    pub fn deliver(&mut self, forwarded: Forwarded, began: Instant, waiting: Box<dyn Waiting>) {
        self.delivered(forwarded, began, false);
        // Where several connections commit, the answer to what had none a moment ago may be told first.
        self.takes |= !matches!(self.stage, Stage::Pending | Stage::Elsewhere);
        self.deliveries.push(Delivery {
            number: forwarded.deliveries,
            began,
            progress: Progress::Open,
            waiting,
        });
    }

    /// Another delivery of it was answered from the store. `is_taken`: somebody still waited for the answer.
    pub fn delivered(&mut self, forwarded: Forwarded, began: Instant, is_taken: bool) {
        // Of two that are recorded at the same time, the later one may be told first.
        if forwarded.deliveries > self.forwarded.deliveries {
            self.forwarded = forwarded;
        }
        self.last_began = self.last_began.max(began);
        if is_taken && self.stage == Stage::Untaken {
            self.stage = Stage::Settled;
        }
    }

    /// The service has answered, or failed.
    pub fn asked(&mut self, outcome: Asked) {
        self.outcome = Some(outcome);
    }

    /// The customer-service message has ended.
    pub fn sent(&mut self, sent: Sent) {
        self.sent = Some(sent);
    }

    /// Whether nothing is left to remember.
    pub fn is_over(&self) -> bool {
        let is_done = self.stage == Stage::Settled || self.is_elsewhere();
        is_done && self.deliveries.is_empty() && !self.is_stepping
    }

    /// When [`Case::tick`] has something to do.
    pub fn due(&self, times: &Times) -> Option<Instant> {
        let ends = self
            .deliveries
            .iter()
            .map(|delivery| match delivery.progress {
                Progress::Open => delivery.began + times.answer,
                Progress::Ending | Progress::Held => delivery.began + times.hold,
            });
        let at_once = self.last_began;
        let step = match self.stage {
            _ if self.takes() => Some(at_once),
            Stage::Pending | Stage::Late if self.outcome.is_some() => Some(at_once),
            Stage::Pending if self.gives_up() => Some(at_once),
            Stage::Pending | Stage::Untaken => Some(self.last_began + times.last),
            Stage::Sending if self.sent.is_some() => Some(at_once),
            Stage::Elsewhere if self.gives_up() => Some(at_once),
            Stage::Elsewhere => self.next_look(),
            Stage::Late | Stage::Sending | Stage::Settled => None,
        };
        let step = step.filter(|_| !self.is_stepping);
        let step = step.map(|step| {
            self.not_before
                .map_or(step, |not_before| step.max(not_before))
        });
        ends.chain(step).min()
    }

    fn gives_up(&self) -> bool {
        let mut deliveries = self.deliveries.iter();
        deliveries.any(|delivery| delivery.progress == Progress::Ending)
    }

    /// Ends the deliveries whose time is over, and returns the next step, whose end must be told.
    pub fn tick(&mut self, times: &Times, now: Instant) -> Option<Step> {
        let is_over = |delivery: &mut Delivery| delivery.began + times.hold <= now;
        for delivery in self.deliveries.extract_if(.., is_over) {
            delivery.waiting.hang_up();
        }
        for delivery in &mut self.deliveries {
            if delivery.progress == Progress::Open && delivery.began + times.answer <= now {
                delivery.progress = match self.slow.wait && delivery.number <= MOST_HELD {
                    true => Progress::Held,
                    false => Progress::Ending,
                };
            }
        }
        if self.is_stepping || self.not_before.is_some_and(|not_before| now < not_before) {
            return None;
        }
        let is_last = self.last_began + times.last <= now;
        let step = match (self.stage, &self.outcome) {
            _ if self.takes() => Step::TakeAnswer,
            (Stage::Pending | Stage::Late, Some(outcome)) => Step::Record(outcome.clone()),
            (Stage::Pending, None) | (Stage::Elsewhere, _) if self.gives_up() => {
                Step::GiveUpWaiting
            }
            (Stage::Pending, None) | (Stage::Untaken, _) if is_last => {
                Step::StopWaiting(self.forwarded)
            }
            (Stage::Sending, _) => Step::EndSending(self.sent.clone()?),
            (
                Stage::Pending | Stage::Late | Stage::Untaken | Stage::Settled | Stage::Elsewhere,
                _,
            ) => return None,
        };
        self.is_stepping = true;
        Some(step)
    }

    /// A step was committed, with this result. `false`: nobody got an answer by it.
    pub fn stepped(&mut self, step: &Step, settled: &Settled, times: &Times, now: Instant) -> bool {
        self.is_stepping = false;
        self.not_before = None;
        let is_taken = match settled {
            Settled::Answer(reply) => self.answer(Answer::Reply(reply.as_deref()), times, now),
            Settled::Sending
            | Settled::Kept
            | Settled::Expired
            | Settled::Nothing
            | Settled::Redelivered(_)
            | Settled::Moot => false,
        };
        if let Settled::Redelivered(forwarded) = settled
            && forwarded.deliveries > self.forwarded.deliveries
        {
            // To another server. That was before, but nobody knows when.
            self.delivered(*forwarded, now, false);
        }
        match (step, settled) {
            // Another step was faster, so there is an answer.
            (Step::GiveUpWaiting, Settled::Moot) => self.takes = true,
            (Step::TakeAnswer, Settled::Answer(_)) => {
                self.takes = false;
                // It is too late for those that are left.
                for delivery in &mut self.deliveries {
                    delivery.progress = Progress::Held;
                }
            }
            (Step::TakeAnswer, _) => self.takes = false,
            (_, _) => {}
        }
        self.stage = match (step, settled) {
            (Step::Record(Asked::Reply(Some(_))), Settled::Answer(_)) if !is_taken => {
                Stage::Untaken
            }
            (Step::Record(_) | Step::StopWaiting(_), Settled::Sending) => Stage::Sending,
            (Step::Record(_) | Step::EndSending(_), _) => Stage::Settled,
            (Step::GiveUpWaiting | Step::TakeAnswer, _) if self.is_elsewhere() => self.stage,
            (Step::GiveUpWaiting, _) => Stage::Late,
            (Step::StopWaiting(_), Settled::Redelivered(_)) => self.stage,
            (Step::StopWaiting(_), Settled::Nothing) if self.stage == Stage::Pending => Stage::Late,
            (Step::StopWaiting(_), _) => Stage::Settled,
            (Step::TakeAnswer, _) if is_taken && self.stage == Stage::Untaken => Stage::Settled,
            (Step::TakeAnswer, _) => self.stage,
        };
        is_taken
    }

    /// A step could not be committed: it is tried again, and so does the platform.
    pub fn failed(&mut self, times: &Times, now: Instant) {
        self.is_stepping = false;
        self.not_before = Some(now + RETRY);
        self.answer(Answer::Unavailable, times, now);
    }

    /// Answers all deliveries whose time is not over. `false`: none of them got it.
    fn answer(&mut self, answer: Answer, times: &Times, now: Instant) -> bool {
        let in_time = |delivery: &mut Delivery| {
            delivery.progress != Progress::Held && now < delivery.began + times.send
        };
        let answered = self.deliveries.extract_if(.., in_time);
        // Every one of them is to be answered.
        answered.fold(false, |taken, delivery| {
            delivery.waiting.answer(answer) | taken
        })
    }
}
