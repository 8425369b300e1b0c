//! One log-in by a scanned or typed code: how it stands, and who waits to hear it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::texts::Page;
use crate::login::cookie::FlowDigest;
use crate::login::return_to::ReturnTo;
use crate::random::{self, NoRandomNumbers};
pub use crate::store::LogInPhase as Phase;

/// How long an approved log-in can be completed at least: the page has to fetch its session.
pub const APPROVED_LIVES: Duration = Duration::from_secs(30);

/// How a log-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has scanned or typed its code.
    Waiting,
    /// Somebody has, and is to choose this number.
    Scanned(u8),
    /// The right number was chosen.
    Approved,
    /// Another was, or the person has left.
    Denied,
    /// Its time is over.
    Expired,
}

/// A request that waits for a log-in to change.
pub trait Waiting: Send {
    /// Whether its client still waits.
    fn is_awaited(&self) -> bool;
    /// Answers it.
    fn answer(self: Box<Self>, stand: Stand);
}

/// A log-in to be begun.
#[derive(Debug, Clone)]
pub struct NewLogIn {
    /// The browser.
    pub flow: FlowDigest,
    /// What counts as one address: an IPv4 address, or the first half of an IPv6 address; `None` for all others.
    pub network: Option<IpAddr>,
    /// What the person who scans is told of the page.
    pub page: Page,
    /// Where the browser goes after it.
    pub to: ReturnTo,
}

/// One log-in by a scanned or typed code.
pub struct LogIn {
    pub code: u32,
    pub new: NewLogIn,
    pub numbers: [u8; 3],
    /// One of them.
    pub right: u8,
    pub phase: Phase,
    /// Who scanned or typed its code first.
    pub by: Option<String>,
    pub begun: Instant,
    pub ends: Instant,
    pub waiting: Vec<Box<dyn Waiting>>,
}

/// Answers to be given when the lock is free.
pub type Answers = Vec<(Box<dyn Waiting>, Stand)>;

impl Stand {
    /// Of a log-in in this phase whose page shows this number.
    pub fn of(phase: Phase, number: u8, is_alive: bool) -> Stand {
        if !is_alive {
            return Stand::Expired;
        }
        match phase {
            Phase::Waiting => Stand::Waiting,
            Phase::Scanned => Stand::Scanned(number),
            Phase::Approved | Phase::Completed => Stand::Approved,
            Phase::Denied => Stand::Denied,
        }
    }

    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stand::Waiting => "waiting",
            Stand::Scanned(_) => "scanned",
            Stand::Approved => "approved",
            Stand::Denied => "denied",
            Stand::Expired => "expired",
        }
    }

    /// The number that the page shows.
    #[must_use]
    pub fn number(self) -> Option<u8> {
        match self {
            Stand::Scanned(number) => Some(number),
            Stand::Waiting | Stand::Approved | Stand::Denied | Stand::Expired => None,
        }
    }
}

impl LogIn {
    /// One that lasts from now until `ends`.
    pub fn new(
        code: u32,
        new: NewLogIn,
        now: Instant,
        ends: Instant,
    ) -> Result<LogIn, NoRandomNumbers> {
        let (numbers, right) = numbers()?;
        Ok(LogIn {
            code,
            new,
            numbers,
            right,
            phase: Phase::Waiting,
            by: None,
            begun: now,
            ends,
            waiting: Vec::new(),
        })
    }

    pub fn is_under_way(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Scanned | Phase::Approved => self.ends > now,
            Phase::Completed | Phase::Denied => false,
        }
    }

    /// Whether this person has scanned it, and it is not over. One that is completed may not have its session yet.
    pub fn is_of(&self, openid: &str, now: Instant) -> bool {
        let is_open = match self.phase {
            Phase::Waiting | Phase::Scanned | Phase::Approved | Phase::Completed => true,
            Phase::Denied => false,
        };
        self.by.as_deref() == Some(openid) && is_open && self.ends > now
    }

    pub fn stand(&self, now: Instant) -> Stand {
        Stand::of(self.phase, self.right, self.ends > now)
    }

    pub fn enter(&mut self, phase: Phase, now: Instant, answers: &mut Answers) {
        if self.phase == phase {
            return;
        }
        self.phase = phase;
        if phase == Phase::Approved {
            self.ends = self.ends.max(now + APPROVED_LIVES);
        }
        self.tell(self.stand(now), answers);
    }

    pub fn tell(&mut self, stand: Stand, answers: &mut Answers) {
        answers.extend(self.waiting.drain(..).map(|waiting| (waiting, stand)));
    }
}

/// Three different numbers of two digits in any order, and one of them.
pub fn numbers() -> Result<([u8; 3], u8), NoRandomNumbers> {
    let mut numbers = [0; 3];
    let mut found = 0;
    while found < 3 {
        let [byte]: [u8; 1] = random::bytes()?;
        let number = 10 + byte % 90;
        // Bytes from 180 on would make some numbers more likely than others.
        if byte < 180 && !numbers.contains(&number) {
            numbers[found] = number;
            found += 1;
        }
    }
    let [byte]: [u8; 1] = random::bytes()?;
    Ok((numbers, numbers[usize::from(byte % 3)]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_differ_and_each_has_two_digits() {
        for _ in 0..1_000 {
            let ([a, b, c], right) = numbers().unwrap();
            assert!(a != b && b != c && a != c);
            assert!([a, b, c].contains(&right));
            assert!([a, b, c].iter().all(|number| (10..=99).contains(number)));
        }
    }
}
