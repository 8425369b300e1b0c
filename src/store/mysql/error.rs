//! Errors of servers in an owner's words, and which of them pass when the work is done again.

use std::error::Error as _;
use std::io;

use mysql::{DriverError, Error, MySqlError};

use super::super::error::{ErrorKind, SqlError};

/// Whether the same work may succeed when it is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Again {
    /// It fails again.
    No,
    /// On the same connection: somebody else held the rows.
    Here,
    /// On another connection, perhaps to another server.
    Elsewhere,
}

/// What failed, and whether it may be done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Failure {
    pub(super) error: SqlError,
    pub(super) again: Again,
}

/// What to do about a certificate that is not accepted.
const CERTIFICATE: &str = "check that the server's certificate names the host of store.url, and name the file of the authority that signed it in store.tls";

/// The row is there already.
pub(super) const DUPLICATE: u16 = 1062;

impl Failure {
    /// Fails for all, and also when it is done again.
    pub(super) fn of_all(reason: impl Into<String>, what_to_do: &'static str) -> Failure {
        let error = SqlError {
            kind: ErrorKind::Other,
            reason: reason.into(),
            what_to_do: Some(what_to_do),
            concerns_all: true,
        };
        let again = Again::No;
        Failure { error, again }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        let all = |kind, what_to_do, again| (kind, Some(what_to_do), true, again);
        let (kind, what_to_do, concerns_all, again) = match error {
            Error::MySqlError(error) => match error.code {
                // 1305: of a transaction that a node of a Galera has ended without a word, the savepoint is gone.
                1205 | 1213 | 1020 | 1305 | 1412 => (ErrorKind::Busy, None, true, Again::Here),
                1047 => all(
                    ErrorKind::Busy,
                    "the node is not part of its cluster",
                    Again::Elsewhere,
                ),
                1290 | 1792 | 1836 => all(
                    ErrorKind::Busy,
                    "the server is read only: if it is not being replaced right now, name the writable one in store.url",
                    Again::Elsewhere,
                ),
                // 8002, 8022, 9007: TiDB.
                8002 | 8022 | 9007 => (ErrorKind::Busy, None, true, Again::Here),
                1053
                | 1077
                | 1079
                | 1152
                | 1153
                | 1158..=1161
                | 1184
                | 1317
                | 1461
                | 1615
                | 1927
                | 2006
                | 2013
                | 3169
                | 4031 => (ErrorKind::Busy, None, true, Again::Elsewhere),
                1040 | 1203 | 1226 => all(
                    ErrorKind::Busy,
                    "the server has too many connections: raise its max_connections, or lower store.connections",
                    Again::Elsewhere,
                ),
                1021 | 1114 | 3 | 28 => all(
                    ErrorKind::Full,
                    "the server's disk is full: make room there, this one goes on by itself",
                    Again::No,
                ),
                1045 | 1698 => all(
                    ErrorKind::Other,
                    "check the user in store.url and the password in store.password_file",
                    Again::No,
                ),
                1044 | 1142 | 1143 | 1227 | 1370 => all(
                    ErrorKind::Other,
                    "give the user of store.url all rights in its database: GRANT ALL ON the database",
                    Again::No,
                ),
                1049 => all(
                    ErrorKind::Gone,
                    "make the database that store.url names, or name another there: CREATE DATABASE",
                    Again::No,
                ),
                1146 | 1054 => all(
                    ErrorKind::Damaged,
                    "the database is not complete: restore it from a copy",
                    Again::No,
                ),
                1406 => (ErrorKind::TooLong, None, false, Again::No),
                // Data exceptions, and what a constraint refuses.
                _ => {
                    let of_one = ["22", "23", "42"]
                        .iter()
                        .any(|class| error.state.starts_with(class))
                        || matches!(error.code, 1364 | 1366 | 3140 | 3819 | 4025);
                    (ErrorKind::Other, None, !of_one, Again::No)
                }
            },
            Error::DriverError(DriverError::TlsNotSupported) => all(
                ErrorKind::Other,
                "have the server take encrypted connections, or set store.tls (--tls) to \"off\" if nobody else is on the way to it",
                Again::No,
            ),
            Error::TlsError(_) => all(ErrorKind::Other, CERTIFICATE, Again::No),
            // What the other end sent in the handshake is not accepted.
            _ if io_error(error)
                .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) =>
            {
                all(ErrorKind::Other, CERTIFICATE, Again::No)
            }
            Error::IoError(_) | Error::CodecError(_) | Error::DriverError(_) => all(
                ErrorKind::Busy,
                "check that the server of store.url runs and can be reached; `wechatd serve` goes on by itself then",
                Again::Elsewhere,
            ),
            Error::UrlError(_) | Error::FromValueError(_) | Error::FromRowError(_) => {
                (ErrorKind::Other, None, false, Again::No)
            }
        };
        let reason = match (error, io_error(error)) {
            (_, Some(error)) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    "no answer in time".to_owned()
                }
                _ => error.to_string(),
            },
            (Error::MySqlError(error), None) => {
                format!("{} (error {})", said(error), error.code)
            }
            (Error::DriverError(error), None) => error.to_string(),
            (Error::TlsError(error), None) => error.to_string(),
            (
                Error::IoError(_)
                | Error::CodecError(_)
                | Error::UrlError(_)
                | Error::FromValueError(_)
                | Error::FromRowError(_),
                None,
            ) => error.to_string(),
        };
        let error = SqlError {
            kind,
            reason,
            what_to_do,
            concerns_all,
        };
        Failure { error, again }
    }
}

/// What the server says, up to where it quotes a value or a statement: a follower may have written that.
fn said(error: &MySqlError) -> &str {
    match error.code {
        1064 | 1292 | 1366 => error
            .message
            .split('\'')
            .next()
            .unwrap_or_default()
            .trim_end(),
        _ => &error.message,
    }
}

/// What the system, or TLS, says about the connection.
fn io_error(error: &Error) -> Option<&io::Error> {
    match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => error.source()?.downcast_ref(),
        Error::MySqlError(_)
        | Error::DriverError(_)
        | Error::TlsError(_)
        | Error::UrlError(_)
        | Error::FromValueError(_)
        | Error::FromRowError(_) => None,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::from(&error)
    }
}

/// Whether the error is that a row is there already, and if so whether its id is.
pub(super) fn duplicate(error: &Error) -> Option<IsId> {
    match error {
        Error::MySqlError(error) if error.code == DUPLICATE => {
            // MySQL: for key 'table.PRIMARY'.
            let key = error.message.rsplit('\'').nth(1).unwrap_or_default();
            Some(IsId(key == "PRIMARY" || key.ends_with(".PRIMARY")))
        }
        _ => None,
    }
}

/// Whether what is there already is the primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IsId(pub(super) bool);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, state: &str, message: &str) -> Error {
        Error::MySqlError(MySqlError {
            state: state.to_owned(),
            message: message.to_owned(),
            code,
        })
    }

    #[test]
    fn an_error_tells_whether_the_work_may_be_done_again_and_whom_it_concerns() {
        for (code, state, kind, concerns_all, again) in [
            (1213, "40001", ErrorKind::Busy, true, Again::Here),
            (1205, "HY000", ErrorKind::Busy, true, Again::Here),
            (1290, "HY000", ErrorKind::Busy, true, Again::Elsewhere),
            (1792, "25006", ErrorKind::Busy, true, Again::Elsewhere),
            (1836, "HY000", ErrorKind::Busy, true, Again::Elsewhere),
            (1047, "08S01", ErrorKind::Busy, true, Again::Elsewhere),
            (1114, "HY000", ErrorKind::Full, true, Again::No),
            (1045, "28000", ErrorKind::Other, true, Again::No),
            (1049, "42000", ErrorKind::Gone, true, Again::No),
            (1406, "22001", ErrorKind::TooLong, false, Again::No),
            (1366, "HY000", ErrorKind::Other, false, Again::No),
            (1048, "23000", ErrorKind::Other, false, Again::No),
            (1105, "HY000", ErrorKind::Other, true, Again::No),
        ] {
            let failure = Failure::from(of(code, state, "why"));
            let found = (
                failure.error.kind,
                failure.error.concerns_all,
                failure.again,
            );
            assert_eq!(found, (kind, concerns_all, again), "{code}");
            assert_eq!(failure.error.reason, format!("why (error {code})"));
        }
        let failure = Failure::from(Error::IoError(io::ErrorKind::ConnectionReset.into()));
        assert_eq!(failure.again, Again::Elsewhere);
    }

    #[test]
    fn what_a_follower_wrote_is_no_part_of_an_error() {
        for (code, state, message, expected) in [
            (
                1064,
                "42000",
                "to use near '微信 secret' at line 1",
                "to use near (error 1064)",
            ),
            (
                1366,
                "22007",
                "Incorrect integer value: 'secret' for column `d`.`t`.`c` at row 1",
                "Incorrect integer value: (error 1366)",
            ),
            (
                1406,
                "22001",
                "Data too long for column 'content' at row 1",
                "Data too long for column 'content' at row 1 (error 1406)",
            ),
        ] {
            let failure = Failure::from(of(code, state, message));
            assert_eq!(failure.error.reason, expected);
        }
    }

    #[test]
    fn a_row_with_the_same_id_is_told_from_one_with_the_same_key() {
        for (message, is_id) in [
            ("Duplicate entry '1' for key 'PRIMARY'", true),
            ("Duplicate entry '1' for key 'messages.PRIMARY'", true),
            ("Duplicate entry 'PRIMARY' for key 'messages.dedup'", false),
            ("Duplicate entry 'x' for key 'dedup'", false),
        ] {
            assert_eq!(
                duplicate(&of(1062, "23000", message)),
                Some(IsId(is_id)),
                "{message}"
            );
        }
        assert_eq!(duplicate(&of(1213, "40001", "Deadlock")), None);
    }
}
