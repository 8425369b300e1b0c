//! A connection that was made: statements sent to it, and those that the server knows already.

use std::collections::HashMap;
use std::mem;
use std::ops::ControlFlow;

use mysql::prelude::Queryable;
use mysql::{Conn, Error, Params};

use super::super::error::SqlError;
use super::super::sql::{Result, Row, Value};
use super::super::statement::Statement;
use super::hosts::Connected;
use super::row::Found;
use super::text::Text;

/// How many rows that nobody wants are read to keep a connection. It is closed if there are more.
const UNWANTED: usize = 1_000;

/// A connection that was made.
pub(super) struct Link {
    pub(super) connection: Conn,
    /// Whose turn it was, see [`super::hosts::Hosts`].
    pub(super) turn: usize,
    pub(super) is_galera: bool,
    prepared: HashMap<&'static str, Prepared>,
}

/// A statement that the server knows.
pub(super) struct Prepared {
    statement: mysql::Statement,
    text: Text,
}

/// Why a statement was not executed.
pub(super) enum Unexecuted {
    /// The statement and its values do not fit, or who takes the rows failed.
    Wrong(SqlError),
    Failed(Error),
}

impl From<Error> for Unexecuted {
    fn from(error: Error) -> Unexecuted {
        Unexecuted::Failed(error)
    }
}

impl Link {
    /// Without any statement that the server knows.
    pub(super) fn new(made: Connected) -> Link {
        Link {
            connection: made.connection,
            turn: made.turn,
            is_galera: made.is_galera,
            prepared: HashMap::new(),
        }
    }

    /// Sends several statements at once. Calls `each` for all their rows, and returns how many the last concerned.
    pub(super) fn at_once(
        &mut self,
        sql: &str,
        each: &mut dyn FnMut(mysql::Row) -> mysql::Result<()>,
    ) -> mysql::Result<u64> {
        let mut results = self.connection.query_iter(sql)?;
        let mut count = 0;
        while let Some(mut rows) = results.iter() {
            count = rows.affected_rows();
            rows.try_for_each(|row| each(row?))?;
        }
        Ok(count)
    }

    /// Has the server prepare a statement, once.
    pub(super) fn prepared(&mut self, text: &'static str) -> mysql::Result<(&mut Conn, &Prepared)> {
        if !self.prepared.contains_key(text) {
            let parsed = Text::of(text);
            let prepared = Prepared {
                statement: self.connection.prep(&parsed.sql)?,
                text: parsed,
            };
            self.prepared.insert(text, prepared);
        }
        Ok((&mut self.connection, &self.prepared[text]))
    }

    /// Runs a statement, and returns how many rows it concerned.
    pub(super) fn execute(
        &mut self,
        statement: &Statement,
        id: Option<i64>,
        values: &[Value<'_>],
    ) -> std::result::Result<usize, Unexecuted> {
        let (connection, prepared) = self.prepared(statement.mysql)?;
        let values = bound(prepared, id, values).map_err(Unexecuted::Wrong)?;
        let done = connection.exec_iter(&prepared.statement, values)?;
        Ok(rows_of(statement.mysql, done.affected_rows()))
    }

    /// Calls `each` for every row until it breaks. Returns whether the connection can be used for something else.
    pub(super) fn rows(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
        may_break: bool,
        each: &mut dyn FnMut(&dyn Row) -> Result<ControlFlow<()>>,
    ) -> std::result::Result<bool, Unexecuted> {
        let (connection, prepared) = self.prepared(statement.mysql)?;
        let values = bound(prepared, None, values).map_err(Unexecuted::Wrong)?;
        let mut found = connection.exec_iter(&prepared.statement, values)?;
        let mut outcome = Ok(());
        while let Some(row) = found.next() {
            match each(&Found(row?)) {
                Ok(ControlFlow::Continue(())) => continue,
                Ok(ControlFlow::Break(())) => {}
                Err(error) => outcome = Err(Unexecuted::Wrong(error)),
            }
            if may_break && found.by_ref().take(UNWANTED).count() == UNWANTED {
                // Dropping it would read the rest, which may be millions of rows.
                mem::forget(found);
                return outcome.map(|()| false);
            }
            break;
        }
        outcome.map(|()| true)
    }
}

/// How many rows a statement concerned of which the server has counted so many: where one is changed instead of inserted,
/// it counts two.
pub(super) fn rows_of(text: &str, counted: u64) -> usize {
    let is_upsert = text.contains("ON DUPLICATE KEY UPDATE") && !text.contains("SELECT");
    let count = usize::try_from(counted).unwrap_or(usize::MAX);
    match is_upsert {
        true => count.min(1),
        false => count,
    }
}

/// The values in the order in which the text has them.
fn bound(prepared: &Prepared, id: Option<i64>, values: &[Value<'_>]) -> Result<Params> {
    let before = usize::from(id.is_some());
    let (takes, given) = (prepared.text.values(), values.len() + before);
    if takes != given {
        let reason = format!("{given} values for the {takes} of {}", prepared.text.sql);
        return Err(SqlError::of_one(reason));
    }
    let value = |at: &usize| match (id, at.checked_sub(before)) {
        (Some(id), None) => mysql::Value::Int(id),
        (_, at) => match at.and_then(|at| values.get(at)) {
            None | Some(Value::Null) => mysql::Value::NULL,
            Some(Value::Integer(number)) => mysql::Value::Int(*number),
            Some(Value::Real(number)) => mysql::Value::Double(*number),
            Some(Value::Text(bytes) | Value::Bytes(bytes)) => mysql::Value::Bytes(bytes.to_vec()),
        },
    };
    match prepared.text.order.is_empty() {
        true => Ok(Params::Empty),
        false => Ok(Params::Positional(
            prepared.text.order.iter().map(value).collect(),
        )),
    }
}
