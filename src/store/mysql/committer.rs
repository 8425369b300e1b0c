//! A connection that commits: what fails for a moment is done again, and a commit whose outcome is not known is looked up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::SqlError;
use super::super::options::PATIENCE;
use super::super::sql::{Result, Sql};
use super::error::{Again, Failure};
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::schema;
use super::session::{COMMIT, Connection};
use crate::random::{self, NoRandomNumbers};

/// The same as [`PATIENCE`] after a failed commit: requests that arrived during the long wait need a timely answer, too.
const PATIENCE_WHILE_FAILING: Duration = Duration::from_millis(100);

/// The pause before the first attempt to do the work again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A connection with its row of `commits`, which every transaction changes: it tells whether the last one was committed.
pub(in super::super) struct Committer {
    connection: Connection,
    /// The key of the row, as a literal of SQL.
    row: String,
    /// The number of the last transaction.
    attempt: u64,
    failing: Arc<AtomicBool>,
}

/// How a transaction ended that was not committed.
struct Ended {
    error: SqlError,
    again: Again,
    /// The connection whose COMMIT was not answered: which of the hosts, and the server's number of it.
    unknown: Option<(usize, u32)>,
}

impl Committer {
    pub(in super::super) fn new(
        hosts: &Arc<Hosts>,
        ids: &Arc<Ids>,
        failing: Arc<AtomicBool>,
    ) -> std::result::Result<Committer, NoRandomNumbers> {
        Ok(Committer {
            connection: Connection::new(hosts, ids, Purpose::Committing),
            row: new_row()?,
            attempt: 0,
            failing,
        })
    }

    /// Runs `work` in one transaction, and commits it. Does it again for up to [`PATIENCE`] where that may help: `work` is
    /// called once for each attempt.
    ///
    /// # Errors
    /// When nothing was committed, or that is not known.
    pub(in super::super) fn commit(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>,
    ) -> Result<bool> {
        let begun = Instant::now();
        let patience = match self.failing.load(Ordering::Relaxed) {
            true => PATIENCE_WHILE_FAILING,
            false => PATIENCE,
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(ended) = self.attempt(work, begun + patience) else {
                return Ok(self.connection.has_written());
            };
            if let Some(lost) = ended.unknown {
                match self.look_up(lost, begun + patience) {
                    Ok(true) => return Ok(true),
                    Ok(false) => {}
                    Err(failure) => {
                        // What that transaction still holds must not hold up the next.
                        self.row = new_row().unwrap_or_else(|_| self.row.clone());
                        return Err(not_known(failure.error));
                    }
                }
            }
            if ended.again == Again::No || begun.elapsed() + pause >= patience {
                return Err(ended.error);
            }
            log::debug!("store: a transaction is done again: {}", ended.error.reason);
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// One transaction.
    fn attempt(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>,
        until: Instant,
    ) -> std::result::Result<(), Ended> {
        let ended = |failure: Failure| Ended {
            error: failure.error,
            again: failure.again,
            unknown: None,
        };
        self.connection.begin(until);
        let done = work(&mut self.connection);
        let again = self.connection.again();
        // Work may not mind that a statement failed; the transaction does.
        let failed = (again != Again::No).then(|| SqlError::of_one("the transaction has ended"));
        if let Some(error) = done.err().or(failed) {
            self.connection.roll_back();
            return Err(Ended {
                // Of a deadlock only one piece of work hears, but all are rolled back.
                error: SqlError {
                    concerns_all: error.concerns_all || again != Again::No,
                    ..error
                },
                again,
                unknown: None,
            });
        }
        if !self.connection.has_written() {
            return self.connection.commit().map_err(ended);
        }
        self.attempt += 1;
        let (row, attempt) = (&self.row, self.attempt);
        // A server may say that it has committed what it has not: the row and the messages are read back. The number cannot be
        // NULL, so that nothing is committed to a store that a newer program has changed, or that was moved, in the meantime.
        let number = schema::unless_closed(attempt);
        let (messages, count) = self.connection.expected();
        let commit = format!(
            "{}INSERT INTO commits (writer, attempt, at) VALUES ({row}, {number}, unix_timestamp()) \
             ON DUPLICATE KEY UPDATE attempt = {attempt}, at = unix_timestamp(); \
             {COMMIT}; {}; {count}",
            self.connection.is_whole(),
            self.last_committed()
        );
        let number = self.connection.number();
        match self.connection.commit_with::<u64>(&commit) {
            Ok(found) if found == [attempt, messages] => Ok(()),
            Ok(_) => Err(Ended {
                error: SqlError {
                    concerns_all: true,
                    ..SqlError::of_one("the server has not kept what it said it had committed")
                },
                again: Again::Elsewhere,
                unknown: None,
            }),
            Err(failure) => {
                self.connection.roll_back();
                if failure.again == Again::No
                    && let Some(closed) = schema::why_closed(&mut self.connection)
                {
                    return Err(ended(closed));
                }
                // A deadlock says that nothing was committed, and so does what is wrong with one piece of work.
                let is_known = failure.again == Again::Here || !failure.error.concerns_all;
                let unknown = number.filter(|_| !is_known);
                Err(Ended {
                    unknown,
                    ..ended(failure)
                })
            }
        }
    }

    /// Reads the number of the last transaction that was committed.
    fn last_committed(&self) -> String {
        format!("SELECT attempt FROM commits WHERE writer = {}", self.row)
    }

    /// Whether the last transaction was committed.
    fn is_committed(&mut self) -> std::result::Result<bool, Failure> {
        let sql = format!("{} FOR UPDATE", self.last_committed());
        let found: Vec<u64> = self.connection.simple_rows(&sql)?;
        // Where nothing is committed by itself, the lock would stay.
        self.connection.roll_back();
        Ok(found == [self.attempt])
    }

    /// Whether the transaction was committed whose COMMIT had no answer. Where its connection is still there, it is ended
    /// first; its row cannot be locked before it is over.
    fn look_up(
        &mut self,
        (host, number): (usize, u32),
        until: Instant,
    ) -> std::result::Result<bool, Failure> {
        self.connection.close();
        let mut pause = FIRST_PAUSE;
        loop {
            let found = self.connection.simple("DO 0").and_then(|()| {
                if self
                    .connection
                    .number()
                    .is_some_and(|(there, _)| there == host)
                {
                    // It is known to the server no more if that fails.
                    self.connection.simple(&format!("KILL {number}")).ok();
                }
                self.is_committed()
            });
            match found {
                Err(failure) if failure.again != Again::No && Instant::now() + pause < until => {
                    thread::sleep(pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                found => return found,
            }
        }
    }

    /// Ends a transaction that was left open, as by a panic.
    pub(in super::super) fn roll_back(&mut self) {
        self.connection.roll_back();
    }

    /// Closes the connection.
    pub(in super::super) fn close(mut self) {
        let sql = format!("DELETE FROM commits WHERE writer = {}; COMMIT", self.row);
        if self.connection.number().is_some() && self.connection.simple(&sql).is_err() {
            log::debug!("store: close: a row of the table commits was left");
        }
        self.connection.close();
    }
}

fn not_known(error: SqlError) -> SqlError {
    let reason = format!("whether it was committed is not known: {}", error.reason);
    SqlError {
        reason,
        concerns_all: true,
        ..error
    }
}

fn new_row() -> std::result::Result<String, NoRandomNumbers> {
    Ok(format!("x'{}'", random::hex()?))
}
