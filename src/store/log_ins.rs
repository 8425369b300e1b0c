//! Log-ins by a scanned or typed code that are under way, where several nodes share the store: the page asks one node how
//! its log-in stands, and the push of who scans comes to another. In SQLite, which one server has, there is no such table.

use std::time::Duration;

use super::error::StoreError;
use super::open::{Reader, Store};
use super::sql::{self, Row, Sql, values};
use super::statement::statements;

/// How far a log-in has come. Its number is what the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogInPhase {
    /// Nobody has scanned or typed its code.
    Waiting,
    /// Somebody has.
    Scanned,
    /// The right number was chosen.
    Approved,
    /// The browser has its session.
    Completed,
    /// A wrong number was chosen, or the person has left.
    Denied,
}

/// A log-in that is to be begun.
#[derive(Debug, Clone)]
pub struct NewLogInRow {
    /// What the scene of its QR code names.
    pub id: String,
    /// What a person may type instead, below a million.
    pub code: u32,
    /// The browser.
    pub flow: [u8; 16],
    /// What counts as one address.
    pub network: Option<String>,
    /// What the person who scans is told of the page.
    pub page: String,
    /// Where the browser goes after it.
    pub way_back: String,
    /// What the person is to choose from.
    pub numbers: [u8; 3],
    /// The one that the page shows.
    pub number: u8,
    /// How long it lives.
    pub lives: Duration,
}

/// A log-in.
#[derive(Debug, Clone)]
pub struct LogInRow {
    /// As it began.
    pub new: NewLogInRow,
    /// How far it has come.
    pub phase: LogInPhase,
    /// Who scanned or typed its code first.
    pub openid: Option<String>,
    /// Since when there is it.
    pub age: Duration,
    /// How long it lives from now on; zero: it has expired.
    pub left: Duration,
}

/// What became of a log-in that is to be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogInBegun {
    /// It has begun.
    Begun {
        /// How many others were begun in the last minute, on all nodes together.
        of_minute: usize,
    },
    /// Another one has its code.
    CodeTaken,
    /// Its network has as many as it may.
    TooManyHere,
    /// There are as many as there may be.
    Full,
}

/// What a push does to a log-in. It counts only if nothing has come between.
#[derive(Debug, Clone)]
pub struct LogInStep {
    /// Which log-in.
    pub id: String,
    /// Whose push it is.
    pub openid: String,
    /// Where it leads.
    pub to: LogInPhase,
    /// How long the log-in lives at least from now on.
    pub lives: Duration,
}

/// Which log-ins to find.
#[derive(Debug, Clone)]
pub enum LogInKey<'a> {
    /// The one with this id.
    Id(&'a str),
    /// The one with this code.
    Code(u32),
    /// Those that this person has scanned.
    Person(&'a str),
}

/// Now, in Unix milliseconds by the clock of the server: those of the nodes may differ.
#[cfg(any(test, feature = "mysql"))]
macro_rules! now {
    () => {
        "CAST(unix_timestamp(now(3)) * 1000 AS SIGNED)"
    };
}

/// How long a log-in is known that is over, in milliseconds.
#[cfg(any(test, feature = "mysql"))]
macro_rules! remembered {
    () => {
        "60000"
    };
}

#[cfg(any(test, feature = "mysql"))]
macro_rules! find {
    ($which:literal) => {
        concat!(
            "SELECT id, code, flow, network, page, way_back, numbers, number, phase, openid, ",
            now!(),
            " - begun_ms, ends_ms - ",
            now!(),
            " FROM log_ins WHERE ",
            $which
        )
    };
}

statements! {
    pub(super) REMOVE_OVER = {
        sqlite: "",
        mysql: concat!("DELETE FROM log_ins WHERE ends_ms < ", now!(), " - ", remembered!()),
    };
    COUNT = {
        sqlite: "",
        mysql: concat!("SELECT CAST(coalesce(sum(phase <= 2 AND ends_ms > ", now!(), "), 0) AS SIGNED),
                            CAST(coalesce(sum(phase <= 2 AND ends_ms > ", now!(), " AND network <=> ?1), 0) AS SIGNED),
                            CAST(coalesce(sum(begun_ms > ", now!(), " - 60000), 0) AS SIGNED)
                        FROM log_ins"),
    };
    // It goes on to count among those of the last minute.
    EXPIRE_OLDEST = {
        sqlite: "",
        mysql: concat!("UPDATE log_ins SET ends_ms = ", now!(), " WHERE network <=> ?1 AND flow = ?2 AND phase = 0 AND ends_ms > ", now!(),
                       " ORDER BY begun_ms LIMIT 1"),
    };
    BEGIN = {
        sqlite: "",
        mysql: concat!("INSERT INTO log_ins (id, code, flow, network, page, way_back, numbers, number, phase, begun_ms, ends_ms)
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ", now!(), ", ", now!(), " + ?9)"),
    };
    FIND = { sqlite: "", mysql: find!("id = ?1") };
    FIND_BY_CODE = { sqlite: "", mysql: find!("code = ?1") };
    FIND_OF_PERSON = { sqlite: "", mysql: find!("openid = ?1") };
    STANDS = {
        sqlite: "",
        mysql: concat!("SELECT id, phase, number, ends_ms - ", now!(), " FROM log_ins"),
    };
    STEP = {
        sqlite: "",
        mysql: concat!("UPDATE log_ins SET phase = ?3, openid = ?2, ends_ms = greatest(ends_ms, ", now!(), " + ?6)
                        WHERE id = ?1 AND phase BETWEEN ?4 AND ?5 AND (openid = ?2 OR openid IS NULL) AND ends_ms > ", now!()),
    };
    COMPLETE = {
        sqlite: "",
        mysql: concat!("UPDATE log_ins SET phase = 3 WHERE id = ?1 AND phase = 2 AND openid = ?2 AND ends_ms > ", now!()),
    };
    // Also one that is completed: its session ends next.
    DENY_OF_PERSON = { sqlite: "", mysql: "UPDATE log_ins SET phase = 4 WHERE openid = ?1" };
    FORGET_PERSON = { sqlite: "", mysql: "DELETE FROM log_ins WHERE openid = ?1" };
}

impl Store {
    /// Begins a log-in, if there are fewer than `most` under way, and fewer than `most_of_network` from its network. Where
    /// those are too many, the oldest one of the same browser that nobody has scanned makes room.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn begin_log_in(
        &self,
        new: NewLogInRow,
        most: usize,
        most_of_network: usize,
    ) -> Result<LogInBegun, StoreError> {
        self.writer.write(move |sql| {
            sql.run(&REMOVE_OVER, &[])?;
            let [mut under_way, of_network, of_minute] =
                sql.one(&COUNT, values![new.network], |row| {
                    let count = |column| usize::try_from(row.some_number(column)).unwrap_or(0);
                    Ok([0, 1, 2].map(count))
                })?;
            if of_network >= most_of_network {
                match sql.run(&EXPIRE_OLDEST, values![new.network, new.flow])? {
                    0 => return Ok(LogInBegun::TooManyHere),
                    expired => under_way -= expired.min(under_way),
                }
            }
            if under_way >= most {
                return Ok(LogInBegun::Full);
            }
            let lives = millis(new.lives);
            let values = values![
                new.id,
                new.code,
                new.flow,
                new.network,
                new.page,
                new.way_back,
                new.numbers,
                new.number,
                lives,
            ];
            Ok(match sql.run(&BEGIN, values)? {
                0 => LogInBegun::CodeTaken,
                _ => LogInBegun::Begun { of_minute },
            })
        })
    }
}

impl Reader {
    /// The log-ins that there are with such a key, also those that were over for less than a minute.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn log_ins(&self, key: &LogInKey<'_>) -> Result<Vec<LogInRow>, StoreError> {
        self.read(|sql| match key {
            LogInKey::Id(id) => sql.all(&FIND, values![id], log_in),
            LogInKey::Code(code) => sql.all(&FIND_BY_CODE, values![code], log_in),
            LogInKey::Person(openid) => sql.all(&FIND_OF_PERSON, values![openid], log_in),
        })
    }

    /// How all log-ins stand: id, phase, the number that the page shows, and how long each lives; zero: it has expired.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn log_ins_stand(&self) -> Result<Vec<(String, LogInPhase, u8, Duration)>, StoreError> {
        self.read(|sql| {
            sql.all(&STANDS, &[], |row| {
                let phase = LogInPhase::of(row.some_number(1));
                Ok((row.get(0)?, phase, byte(row, 2), span(row, 3)))
            })
        })
    }
}

impl LogInPhase {
    const ALL: [LogInPhase; 5] = [
        LogInPhase::Waiting,
        LogInPhase::Scanned,
        LogInPhase::Approved,
        LogInPhase::Completed,
        LogInPhase::Denied,
    ];

    /// The phase with this number; of another version's nothing good can be said.
    fn of(number: i64) -> LogInPhase {
        let known = LogInPhase::ALL.into_iter();
        let mut known = known.filter(|phase| phase.number() == number);
        known.next().unwrap_or(LogInPhase::Denied)
    }

    fn number(self) -> i64 {
        self as i64
    }
}

/// Takes a step, unless something came between.
pub(super) fn take(sql: &mut dyn Sql, step: &LogInStep) -> sql::Result<()> {
    use LogInPhase::{Approved, Completed, Denied, Scanned, Waiting};
    let (first, last) = match step.to {
        Waiting | Completed => return Ok(()),
        // The same person may scan again.
        Scanned => (Waiting, Scanned),
        Approved => (Scanned, Scanned),
        // Of two numbers at the same time the wrong one counts.
        Denied => (Scanned, Approved),
    };
    let [to, first, last] = [step.to, first, last].map(LogInPhase::number);
    let lives = millis(step.lives);
    let values = values![step.id, step.openid, to, first, last, lives];
    sql.run(&STEP, values).map(drop)
}

/// Completes a log-in that this person has approved; false if it is not approved any more.
pub(super) fn complete(sql: &mut dyn Sql, id: &str, openid: &str) -> sql::Result<bool> {
    Ok(sql.run(&COMPLETE, values![id, openid])? > 0)
}

/// Denies all log-ins of a person, before their sessions end: one that is being completed has its session then, or will
/// have none.
pub(super) fn deny_of(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    sql.run(&DENY_OF_PERSON, values![openid]).map(drop)
}

/// Removes all log-ins of a person.
pub(super) fn forget(sql: &mut dyn Sql, openid: &str) -> sql::Result<()> {
    sql.run(&FORGET_PERSON, values![openid]).map(drop)
}

fn log_in(row: &dyn Row) -> sql::Result<LogInRow> {
    Ok(LogInRow {
        new: NewLogInRow {
            id: row.get(0)?,
            code: row.get(1)?,
            flow: row.get(2)?,
            network: row.text(3),
            page: row.some_text(4),
            way_back: row.some_text(5),
            numbers: row.get(6)?,
            number: byte(row, 7),
            lives: span(row, 10) + span(row, 11),
        },
        phase: LogInPhase::of(row.some_number(8)),
        openid: row.text(9),
        age: span(row, 10),
        left: span(row, 11),
    })
}

fn byte(row: &dyn Row, column: usize) -> u8 {
    u8::try_from(row.some_number(column)).unwrap_or(0)
}

fn span(row: &dyn Row, column: usize) -> Duration {
    Duration::from_millis(u64::try_from(row.some_number(column)).unwrap_or(0))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(all(test, feature = "mysql"))]
mod tests;
