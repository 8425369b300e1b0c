//! The troubles of this process: any part says that one begins or ends, and the log has a line for each. The rows in the
//! store are written later, by somebody else: the store may be what is wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::kind::{Kind, Subject};
use crate::clock;
use crate::notifier::Notifier;

/// Trouble that comes back this soon after it ended is the same one, in the store.
const SAME: Duration = Duration::from_secs(60);

/// A trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What has it.
    pub subject: Subject,
    /// What is wrong, and what to do about it.
    pub text: String,
    /// Unix seconds.
    pub since: i64,
    /// Unix seconds; `None`: it is not over.
    pub until: Option<i64>,
    /// Whether the hooks were told that it began.
    pub told: bool,
}

/// A trouble whose row is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of its row; `None`: there is none yet.
    pub row: Option<i64>,
    /// What the row is to hold.
    pub trouble: Trouble,
}

/// All troubles that go on or were over only lately.
#[derive(Debug, Default)]
pub struct Troubles {
    /// The kinds of those that go on, as bits. So that it costs a push nothing to say that all is well.
    open: AtomicU32,
    entries: Mutex<BTreeMap<Subject, Entry>>,
    /// Notified when something began or ended.
    changed: Arc<Notifier>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) trouble: Trouble,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    row: Option<i64>,
    /// The row is as the trouble is.
    is_written: bool,
}

impl Troubles {
    /// None yet. `changed` is notified whenever one begins or ends.
    #[must_use]
    pub fn new(changed: Arc<Notifier>) -> Troubles {
        Troubles {
            changed,
            ..Troubles::default()
        }
    }

    /// Trouble begins. While it goes on this does nothing, and the first text stays. Returns whether it is new.
    pub fn begin(&self, subject: impl Into<Subject>, text: &str) -> bool {
        let subject = subject.into();
        let is_new = self.enter(&subject, text);
        if is_new {
            log::error!("{subject}: {text}");
        }
        is_new
    }

    /// The same for what the log says already.
    pub fn begin_logged(&self, subject: impl Into<Subject>, text: &str) {
        self.enter(&subject.into(), text);
    }

    fn enter(&self, subject: &Subject, text: &str) -> bool {
        let kind = subject.kind;
        let mut entries = self.lock();
        let before = entries.get(subject);
        if before.is_some_and(|entry| entry.ended.is_none()) {
            return false;
        }
        let mut entry = Entry {
            trouble: Trouble {
                subject: subject.clone(),
                text: text.to_owned(),
                since: clock::unix_seconds(),
                until: None,
                told: false,
            },
            began: Instant::now(),
            ended: None,
            row: None,
            is_written: false,
        };
        if let Some(before) = before
            && (!before.is_written || before.ended.is_some_and(|ended| ended.elapsed() < SAME))
        {
            entry.row = before.row;
            entry.trouble.since = before.trouble.since;
            // Still to be told that the one before is over: it is not.
            entry.trouble.told = before.trouble.told;
        }
        entries.insert(subject.clone(), entry);
        self.open.fetch_or(kind.bit(), Ordering::Relaxed);
        drop(entries);
        self.changed.notify();
        true
    }

    /// Trouble is over, if there was any; the log says `how`. Costs next to nothing while there is none of this kind.
    pub fn end(&self, subject: impl Into<Subject>, how: &str) {
        let subject = subject.into();
        self.end_if(subject.kind, |one| *one == subject, how);
    }

    /// Whether there is trouble of this kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.open.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// Ends the trouble of this kind with all services or hooks for which `is_over`.
    pub fn end_if(&self, kind: Kind, is_over: impl Fn(&Subject) -> bool, how: &str) {
        if !self.has(kind) {
            return;
        }
        let mut entries = self.lock();
        let mut any = false;
        for (subject, entry) in entries.iter_mut() {
            if subject.kind == kind && entry.ended.is_none() && is_over(subject) {
                entry.end();
                log::info!("{subject}: {how}");
                any = true;
            }
        }
        let goes_on =
            |(subject, entry): (&Subject, &Entry)| subject.kind == kind && entry.ended.is_none();
        if !entries.iter().any(goes_on) {
            self.open.fetch_and(!kind.bit(), Ordering::Relaxed);
        }
        drop(entries);
        if any {
            self.changed.notify();
        }
    }

    /// The troubles that go on.
    #[must_use]
    pub fn now(&self) -> Vec<Trouble> {
        let entries = self.lock();
        let open = entries.values().filter(|entry| entry.ended.is_none());
        open.map(|entry| entry.trouble.clone()).collect()
    }

    /// What has trouble, or had until lately.
    #[must_use]
    pub fn known(&self) -> Vec<Subject> {
        self.lock().keys().cloned().collect()
    }

    /// Goes on with what a process that ended left open, or ends it.
    pub fn take_up(&self, rows: Vec<Change>) {
        let mut entries = self.lock();
        for Change { row, trouble } in rows {
            let (subject, kind) = (trouble.subject.clone(), trouble.subject.kind);
            if let Some(entry) = entries.get_mut(&subject) {
                // It has begun again already.
                entry.row = entry.row.or(row);
                entry.trouble.since = trouble.since;
                entry.trouble.told |= trouble.told;
                entry.is_written = false;
                continue;
            }
            let lasts = clock::unix_seconds().saturating_sub(trouble.since);
            let lasts = Duration::from_secs(u64::try_from(lasts).unwrap_or(0));
            let mut entry = Entry {
                trouble,
                began: Instant::now()
                    .checked_sub(lasts)
                    .unwrap_or_else(Instant::now),
                ended: None,
                row,
                is_written: true,
            };
            match kind.outlasts_the_process() {
                true => {
                    log::warn!("{subject}: since before the start: {}", entry.trouble.text);
                    self.open.fetch_or(kind.bit(), Ordering::Relaxed);
                }
                false => entry.end(),
            }
            entries.insert(subject, entry);
        }
    }

    /// The rows to write. Those that are over for a while, and written, are forgotten.
    #[must_use]
    pub fn unwritten(&self) -> Vec<Change> {
        let mut entries = self.lock();
        entries.retain(|_, entry| {
            let is_old = entry.ended.is_some_and(|ended| ended.elapsed() >= SAME);
            !(is_old && entry.is_written && !entry.trouble.told)
        });
        let unwritten = entries.values().filter(|entry| !entry.is_written);
        let change = |entry: &Entry| Change {
            row: entry.row,
            trouble: entry.trouble.clone(),
        };
        unwritten.map(change).collect()
    }

    /// These rows were written, and have these ids.
    pub fn written(&self, changes: &[Change], rows: &[i64]) {
        let mut entries = self.lock();
        for (change, row) in changes.iter().zip(rows) {
            if let Some(entry) = entries.get_mut(&change.trouble.subject) {
                entry.row = Some(*row);
                // It may have changed meanwhile.
                entry.is_written = entry.trouble == change.trouble;
            }
        }
    }

    /// Notes that the hooks were told that this one began, or that it is over.
    pub(super) fn told(&self, subject: &Subject, began: bool) {
        if let Some(entry) = self.lock().get_mut(subject) {
            entry.trouble.told = began;
            entry.is_written = false;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn end(&mut self) {
        self.trouble.until = Some(clock::unix_seconds());
        self.ended = Some(Instant::now());
        self.is_written = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(troubles: &Troubles) -> Vec<String> {
        let now = troubles.now();
        let shown = now
            .iter()
            .map(|one| format!("{}: {}", one.subject, one.text));
        shown.collect()
    }

    #[test]
    fn trouble_goes_on_from_begin_to_end_and_has_one_text() {
        let troubles = Troubles::default();
        troubles.end(Kind::Store, "works");
        assert!(troubles.begin(Kind::Store, "full"));
        assert!(!troubles.begin(Kind::Store, "locked"));
        assert!(troubles.begin(Kind::Service.of("a"), "circuit open"));
        assert!(troubles.begin(Kind::Service.of("b"), "circuit open"));
        let all = [
            "store: full",
            "service a: circuit open",
            "service b: circuit open",
        ];
        assert_eq!(texts(&troubles), all);
        troubles.end(Kind::Service.of("a"), "closed");
        assert!(troubles.has(Kind::Service) && troubles.has(Kind::Store));
        troubles.end_if(Kind::Service, |_| true, "gone");
        assert!(!troubles.has(Kind::Service));
        assert_eq!(texts(&troubles), ["store: full"]);
        troubles.end(Kind::Store, "works");
        assert_eq!(troubles.now(), []);
    }

    #[test]
    fn rows_are_written_until_they_are_as_the_trouble_is() {
        let troubles = Troubles::default();
        troubles.begin(Kind::Disk, "full");
        let begun = troubles.unwritten();
        assert_eq!(begun.len(), 1);
        assert_eq!((begun[0].row, begun[0].trouble.until), (None, None));
        // It ends while the row is written: that has to be written, too.
        troubles.end(Kind::Disk, "room again");
        troubles.written(&begun, &[7]);
        let ended = troubles.unwritten();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].row, Some(7));
        assert!(ended[0].trouble.until.is_some());
        troubles.written(&ended, &[7]);
        assert_eq!(troubles.unwritten(), []);
        // What comes back at once is the same.
        troubles.begin(Kind::Disk, "full again");
        let again = troubles.unwritten();
        assert_eq!((again[0].row, again[0].trouble.until), (Some(7), None));
    }

    #[test]
    fn what_an_earlier_process_left_open_goes_on_or_is_over() {
        let troubles = Troubles::default();
        let left = |row, kind: Kind| Change {
            row: Some(row),
            trouble: Trouble {
                subject: kind.into(),
                text: "left".to_owned(),
                since: 5,
                until: None,
                told: true,
            },
        };
        troubles.take_up(Kind::ALL.map(|kind| left(kind as i64, kind)).into());
        let open: Vec<Kind> = troubles.now().iter().map(|one| one.subject.kind).collect();
        let goes_on = |kind: &Kind| kind.outlasts_the_process();
        let expected: Vec<Kind> = Kind::ALL.into_iter().filter(goes_on).collect();
        assert_eq!(open, expected);
        let over = troubles.unwritten();
        assert_eq!(over.len(), Kind::ALL.len() - expected.len());
        assert!(over.iter().all(|change| change.trouble.until.is_some()));
    }
}
