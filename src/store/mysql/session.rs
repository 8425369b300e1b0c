//! Statements on a connection.

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, Error};

use super::super::error::SqlError;
use super::super::sql::{Many, Result, Row, Sql, Value};
use super::super::statement::Statement;
use super::error::{Again, Failure, IsId, duplicate};
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::link::{Link, Unexecuted, rows_of};
use super::row::Found;
use super::text;

/// How often an id that another process has made, too, is made anew.
const ATTEMPTS: usize = 10;

/// Begins a transaction, and goes on.
const BEGIN: &str = "START TRANSACTION; ";

/// What a machine that died without a word had locked must be free while a push that needs it waits: how long the server
/// waits for the next statement of a transaction, in seconds.
const IDLE_WITHIN: &str = "SET SESSION wait_timeout = 2; ";

/// Ends a transaction. From then on the connection may be idle for as long as the server likes.
pub(super) const COMMIT: &str = "COMMIT; SET SESSION wait_timeout = DEFAULT";
const ROLLBACK: &str = "ROLLBACK; SET SESSION wait_timeout = DEFAULT";

/// What follows then on a node of a Galera. For a conflict with another node it may end a transaction between two statements,
/// and do the rest as if nothing had been before; it says so only if they were not sent at once. This is gone then, too.
const MARK: &str = "SAVEPOINT begun; ";

/// Fails where that has happened.
const IS_MARKED: &str = "RELEASE SAVEPOINT begun; ";

/// What stands between statements that are sent at once.
const END: &str = "; ";

/// A connection, which is made when it is needed.
pub(in super::super) struct Connection {
    hosts: Arc<Hosts>,
    ids: Arc<Ids>,
    purpose: Purpose,
    link: Option<Link>,
    /// Until when hosts are tried.
    until: Option<Instant>,
    /// What is sent before the next statement, or with it: each round trip is time that pushes wait.
    before: String,
    /// Whether a transaction is open. It cannot go on with another connection, nor after a failure that ended it.
    is_within: bool,
    /// The worst that happened since [`Connection::begin`].
    again: Again,
    /// Whether anything was written since then.
    has_written: bool,
    /// The messages that were inserted since then, see [`Sql::expect`].
    expected: Vec<i64>,
}

impl Connection {
    pub(in super::super) fn new(
        hosts: &Arc<Hosts>,
        ids: &Arc<Ids>,
        purpose: Purpose,
    ) -> Connection {
        Connection {
            hosts: Arc::clone(hosts),
            ids: Arc::clone(ids),
            purpose,
            link: None,
            until: None,
            before: String::new(),
            is_within: false,
            again: Again::No,
            has_written: false,
            expected: Vec::new(),
        }
    }

    /// Begins a transaction with the next statement. Until then hosts are tried.
    pub(super) fn begin(&mut self, until: Instant) {
        self.until = Some(until);
        self.is_within = false;
        self.again = Again::No;
        self.has_written = false;
        self.expected.clear();
        self.before.clear();
        if self.purpose == Purpose::Committing {
            self.before.push_str(IDLE_WITHIN);
        }
        self.before.push_str(BEGIN);
    }

    /// Begins to read what is there at this moment, which later commits do not change.
    pub(super) fn begin_snapshot(&mut self) -> std::result::Result<(), Failure> {
        self.is_within = false;
        self.again = Again::No;
        self.before.clear();
        self.on_link(|link| {
            // Of the next transaction.
            let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
            link.connection.query_drop(level)?;
            let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
            link.connection.query_drop(begin)
        })?;
        self.is_within = true;
        Ok(())
    }

    /// Lends the driver's connection, for statements that are put together.
    pub(super) fn driver<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> mysql::Result<T>,
    ) -> std::result::Result<T, Failure> {
        if !self.before.is_empty() {
            let sent = self.at_once("DO 0", &mut |_| Ok(()))?;
            sent.map_err(|error| self.failed(&error))?;
        }
        self.on_link(|link| work(&mut link.connection))
    }

    /// Ends a transaction.
    pub(super) fn commit(&mut self) -> std::result::Result<(), Failure> {
        self.commit_with::<u64>(COMMIT).map(drop)
    }

    /// What a transaction that has written ends with before its COMMIT: it fails if the server has ended it before.
    pub(super) fn is_whole(&self) -> &'static str {
        match &self.link {
            Some(link) if link.is_galera => IS_MARKED,
            Some(_) | None => "",
        }
    }

    /// Whether anything was written since the transaction began.
    pub(super) fn has_written(&self) -> bool {
        self.has_written
    }

    /// How many messages were inserted since the transaction began, and what counts those that are there.
    pub(super) fn expected(&self) -> (u64, String) {
        let ids: Vec<String> = self.expected.iter().map(i64::to_string).collect();
        let count = match ids.is_empty() {
            true => String::from("SELECT 0"),
            false => format!(
                "SELECT count(*) FROM messages WHERE id IN ({})",
                ids.join(",")
            ),
        };
        (ids.len() as u64, count)
    }

    /// Whether the work since the transaction began may be done again after this error of it.
    pub(super) fn again(&self) -> Again {
        self.again
    }

    /// Ends a transaction with several statements, which are sent at once. Returns their rows.
    pub(super) fn commit_with<T: FromRow>(
        &mut self,
        sql: &str,
    ) -> std::result::Result<Vec<T>, Failure> {
        let mut found = Vec::new();
        let done = self.at_once(sql, &mut |row| {
            found.push(mysql::from_row_opt(row)?);
            Ok(())
        });
        done?.map_err(|error| self.failed(&error))?;
        self.is_within = false;
        Ok(found)
    }

    /// Sends these statements in one round trip, after those that wait for it. Calls `each` for all their rows, and returns how
    /// many the last concerned.
    fn at_once(
        &mut self,
        sql: &str,
        each: &mut dyn FnMut(mysql::Row) -> mysql::Result<()>,
    ) -> std::result::Result<mysql::Result<u64>, Failure> {
        let is_galera = self.link()?.is_galera;
        self.is_within |= !self.before.is_empty();
        let mut all = mem::take(&mut self.before);
        if is_galera && let Some(at) = all.find(BEGIN) {
            all.insert_str(at + BEGIN.len(), MARK);
        }
        all.push_str(sql);
        Ok(self.link()?.at_once(&all, each))
    }

    /// Ends a transaction without a trace. Closes the connection if that fails.
    pub(super) fn roll_back(&mut self) {
        self.is_within = false;
        self.before.clear();
        if self.link.is_some() && self.simple(ROLLBACK).is_err() {
            self.close();
        }
    }

    /// Closes the connection; the next statement makes a new one.
    pub(super) fn close(&mut self) {
        self.link = None;
    }

    /// The server's number of the connection, and on which of the hosts; `None` when there is none.
    pub(super) fn number(&self) -> Option<(usize, u32)> {
        let link = self.link.as_ref()?;
        let host = self.hosts.host_of(link.turn);
        Some((host, link.connection.connection_id()))
    }

    /// Runs a statement without parameters that is not prepared.
    pub(super) fn simple(&mut self, sql: &str) -> std::result::Result<(), Failure> {
        self.on_link(|link| link.connection.query_drop(sql))
    }

    /// The rows of such a statement.
    pub(super) fn simple_rows<T: FromRow>(
        &mut self,
        sql: &str,
    ) -> std::result::Result<Vec<T>, Failure> {
        self.on_link(|link| link.connection.query(sql))
    }

    /// Has the server prepare a statement.
    #[cfg(test)]
    pub(super) fn prepare(&mut self, statement: &Statement) -> std::result::Result<(), SqlError> {
        let text = statement.mysql;
        let done = self.on_link(|link| link.prepared(text).map(drop));
        done.map_err(|failure| failure.error)
    }

    fn on_link<T>(
        &mut self,
        work: impl FnOnce(&mut Link) -> mysql::Result<T>,
    ) -> std::result::Result<T, Failure> {
        let done = work(self.link()?);
        done.map_err(|error| self.failed(&error))
    }

    fn link(&mut self) -> std::result::Result<&mut Link, Failure> {
        if self.is_within && (self.link.is_none() || self.again != Again::No) {
            return Err(Failure {
                error: SqlError::of_one("the transaction has ended"),
                again: self.again,
            });
        }
        // What is read must be what the others write.
        if self.purpose == Purpose::Reading {
            self.link.take_if(|link| self.hosts.is_over(link.turn));
        }
        if self.link.is_none() {
            let connected = self.hosts.connect(self.purpose, self.until);
            let connected = connected.inspect_err(|failure| {
                self.again = self.again.max(failure.again);
            })?;
            self.link = Some(Link::new(connected));
        }
        self.link.as_mut().ok_or_else(|| Failure {
            error: SqlError::of_one("there is no connection"),
            again: Again::Elsewhere,
        })
    }

    /// Notes what failed. After a failure of the connection there is no more.
    fn failed(&mut self, error: &Error) -> Failure {
        let failure = Failure::from(error);
        self.again = self.again.max(failure.again);
        if failure.again == Again::Elsewhere
            && let Some(link) = self.link.take()
        {
            self.hosts.leave(link.turn);
        }
        failure
    }

    /// Runs a statement and returns how many rows it concerned; `None`: they are there already.
    fn execute(
        &mut self,
        statement: &Statement,
        id: Option<i64>,
        values: &[Value<'_>],
    ) -> Result<std::result::Result<usize, IsId>> {
        self.has_written = true;
        let done = match self.before.is_empty() {
            true => self.link()?.execute(statement, id, values),
            false => {
                let id = id.map(Value::Integer);
                let values: Vec<Value<'_>> = id.iter().chain(values).copied().collect();
                let mut sql = String::new();
                text::fill(&mut sql, statement.mysql, &values);
                let done = self.at_once(&sql, &mut |_| Ok(()))?;
                done.map(|count| rows_of(statement.mysql, count))
                    .map_err(Unexecuted::Failed)
            }
        };
        match done {
            Ok(count) => Ok(Ok(count)),
            Err(Unexecuted::Wrong(error)) => Err(error),
            Err(Unexecuted::Failed(error)) => match duplicate(&error) {
                Some(is_id) => Ok(Err(is_id)),
                None => Err(self.failed(&error).error),
            },
        }
    }
}

impl Sql for Connection {
    fn run(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<usize> {
        let done = self.execute(statement, None, values)?;
        Ok(done.unwrap_or(0))
    }

    fn insert(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<Option<i64>> {
        for _ in 0..ATTEMPTS {
            let id = self.ids.next();
            match self.execute(statement, Some(id), values)? {
                Ok(count) => return Ok((count > 0).then_some(id)),
                Err(IsId(true)) => {}
                Err(IsId(false)) => return Ok(None),
            }
        }
        Err(SqlError::of_one("every id that was made is used already"))
    }

    fn rows(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if !self.before.is_empty() {
            let mut sql = String::new();
            text::fill(&mut sql, statement.mysql, values);
            return self.each_at_once(&sql, each).map(drop);
        }
        let is_reader = self.purpose == Purpose::Reading;
        let has_begun = Cell::new(false);
        let mut each = |row: &dyn Row| {
            has_begun.set(true);
            each(row)
        };
        let was_connected = self.link.is_some();
        let mut done = self.link()?.rows(statement, values, is_reader, &mut each);
        // The server ends a connection that was idle for hours, and another server may be the writable one now.
        if let Err(Unexecuted::Failed(error)) = &done
            && is_reader
            && was_connected
            && self.failed(error).again == Again::Elsewhere
            && !has_begun.get()
        {
            done = self.link()?.rows(statement, values, is_reader, &mut each);
        }
        match done {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.close();
                Ok(())
            }
            Err(Unexecuted::Wrong(error)) => {
                // There may be rows left to be read.
                if is_reader {
                    self.close();
                }
                Err(error)
            }
            Err(Unexecuted::Failed(error)) => Err(self.failed(&error).error),
        }
    }

    fn run_soon(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<()> {
        if !self.is_within && self.before.is_empty() {
            return self.run(statement, values).map(drop);
        }
        self.has_written = true;
        text::fill(&mut self.before, statement.mysql, values);
        self.before.push_str(END);
        Ok(())
    }

    fn expect(&mut self, message: i64, is_there: bool) {
        match is_there {
            true => self.expected.push(message),
            false => self.expected.retain(|id| *id != message),
        }
    }

    fn many(&mut self) -> Option<&mut dyn Many> {
        Some(self)
    }

    /// There is no file.
    fn clean(&mut self, _: &[i64]) -> Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn sqlite(&self) -> &rusqlite::Connection {
        unreachable!("a statement that is written for SQLite only")
    }
}

impl Many for Connection {
    fn new_id(&mut self) -> i64 {
        self.ids.next()
    }

    fn insert_all(
        &mut self,
        rows: &[(&Statement, &[Vec<Value<'_>>])],
        find: &Statement,
        wanted: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<bool> {
        let mut sql = String::new();
        for (insert, rows) in rows.iter().filter(|(_, rows)| !rows.is_empty()) {
            text::fill_list(&mut sql, insert.mysql, rows.iter().map(Vec::as_slice));
            sql.push_str(END);
        }
        text::fill_list(&mut sql, find.mysql, wanted.iter().map(slice::from_ref));
        self.has_written = true;
        self.each_at_once(&sql, &mut |row| each(row).map(ControlFlow::Continue))
    }

    fn find_all(
        &mut self,
        find: &Statement,
        wanted: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        let mut sql = String::new();
        text::fill_list(&mut sql, find.mysql, wanted.iter().map(slice::from_ref));
        let done = self.each_at_once(&sql, &mut |row| each(row).map(ControlFlow::Continue));
        done.map(drop)
    }
}

impl Connection {
    /// Sends these statements in one round trip, and calls `each` for their rows. False if a row that was to be inserted is
    /// there already.
    fn each_at_once(
        &mut self,
        sql: &str,
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> Result<bool> {
        let mut taken = Ok(ControlFlow::Continue(()));
        let done = self.at_once(sql, &mut |row| {
            if let Ok(ControlFlow::Continue(())) = taken {
                taken = each(&Found(row));
            }
            Ok(())
        })?;
        match done {
            Ok(_) => taken.map(|_| true),
            Err(error) if duplicate(&error).is_some() => Ok(false),
            Err(error) => Err(self.failed(&error).error),
        }
    }
}

impl From<Failure> for SqlError {
    fn from(failure: Failure) -> SqlError {
        failure.error
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.hosts.server().to_string())
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}
