//! Who is told of trouble, and when: after a minute that it lasts, when it is over, and never too often.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::registry::{Trouble, Troubles};

/// Trouble that is over sooner is told to nobody.
const LASTS: Duration = Duration::from_secs(60);

/// The most notices of trouble in [`HOUR`].
const MOST: usize = 10;
const HOUR: Duration = Duration::from_secs(3_600);

/// Between two notices of the to-do list.
const PAUSE_OF_LIST: Duration = Duration::from_secs(600);

/// What is told about a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has begun.
    Began,
    /// It is over.
    Over,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What about it.
    pub told: Told,
    /// The trouble.
    pub trouble: Trouble,
}

/// When notices were sent.
#[derive(Debug, Default)]
pub struct Notices {
    sent: VecDeque<Instant>,
    todo: Option<Instant>,
}

impl Notices {
    /// What is to be told now, within the limit; what is beyond it comes later, if it still matters then.
    #[must_use]
    pub fn due(&mut self, troubles: &Troubles, now: Instant) -> Vec<Notice> {
        let is_old = |sent: &Instant| now.saturating_duration_since(*sent) >= HOUR;
        while self.sent.front().is_some_and(is_old) {
            self.sent.pop_front();
        }
        let entries = troubles.lock();
        let due = entries.values().filter_map(|entry| {
            let told = match (entry.trouble.told, entry.ended) {
                (false, None) if now.saturating_duration_since(entry.began) >= LASTS => Told::Began,
                (true, Some(_)) => Told::Over,
                (false, None | Some(_)) | (true, None) => return None,
            };
            let trouble = entry.trouble.clone();
            Some(Notice { told, trouble })
        });
        due.take(MOST.saturating_sub(self.sent.len())).collect()
    }

    /// A notice was sent.
    pub fn sent(&mut self, troubles: &Troubles, notice: &Notice, now: Instant) {
        self.sent.push_back(now);
        self.settled(troubles, notice);
    }

    /// There is nobody to send a notice to, or it was sent: it is not due again.
    pub fn settled(&self, troubles: &Troubles, notice: &Notice) {
        troubles.told(&notice.trouble.subject, notice.told == Told::Began);
    }

    /// Whether a notice of the to-do list may be sent now.
    #[must_use]
    pub fn may_tell_of_todo(&self, now: Instant) -> bool {
        self.todo
            .is_none_or(|sent| now.saturating_duration_since(sent) >= PAUSE_OF_LIST)
    }

    /// A notice of the to-do list was sent.
    pub fn told_of_todo(&mut self, now: Instant) {
        self.todo = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Kind;

    /// What is due, as `began disk` and the like; all of it is sent.
    fn told(notices: &mut Notices, troubles: &Troubles, now: Instant) -> Vec<String> {
        let due = notices.due(troubles, now);
        let say = |notice: &Notice| {
            notices.sent(troubles, notice, now);
            let word = match notice.told {
                Told::Began => "began",
                Told::Over => "over",
            };
            format!("{word} {}", notice.trouble.subject)
        };
        due.iter().map(say).collect()
    }

    #[test]
    fn trouble_is_told_after_a_minute_and_its_end_only_if_it_was_told() {
        let (mut notices, troubles) = (Notices::default(), Troubles::default());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        troubles.begin(Kind::Disk, "full");
        troubles.begin(Kind::Api, "away");
        assert_eq!(told(&mut notices, &troubles, at(59)), [""; 0]);
        troubles.end(Kind::Api, "answers");
        assert_eq!(told(&mut notices, &troubles, at(61)), ["began disk"]);
        assert_eq!(told(&mut notices, &troubles, at(3_000)), [""; 0]);
        troubles.end(Kind::Disk, "room");
        assert_eq!(told(&mut notices, &troubles, at(3_001)), ["over disk"]);
        assert_eq!(told(&mut notices, &troubles, at(3_002)), [""; 0]);
    }

    #[test]
    fn there_are_ten_notices_an_hour_and_the_others_come_later_if_they_still_matter() {
        let (mut notices, troubles) = (Notices::default(), Troubles::default());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for name in 10..25 {
            troubles.begin(Kind::Hook.of(&name.to_string()), "paused");
        }
        let first = told(&mut notices, &troubles, at(100));
        assert_eq!(first.len(), MOST);
        troubles.end(Kind::Hook.of("24"), "goes on");
        assert_eq!(told(&mut notices, &troubles, at(3_699)), [""; 0]);
        let rest = told(&mut notices, &troubles, at(3_700));
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        assert_eq!(
            rest,
            [
                "began hook 20",
                "began hook 21",
                "began hook 22",
                "began hook 23"
            ]
        );
    }

    #[test]
    fn the_to_do_list_is_told_of_once_in_ten_minutes() {
        let mut notices = Notices::default();
        let begin = Instant::now();
        assert!(notices.may_tell_of_todo(begin));
        notices.told_of_todo(begin);
        assert!(!notices.may_tell_of_todo(begin + PAUSE_OF_LIST - Duration::from_secs(1)));
        assert!(notices.may_tell_of_todo(begin + PAUSE_OF_LIST));
    }
}
