//! Which server is connected to: the hosts are tried in order, and one that can be written to is kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, SslOpts};

use super::super::error::SqlError;
use super::super::options::{Host, Server, Tls};
use super::error::{Again, Failure};

/// How long a host may take to accept a connection: the next one must be asked while a push waits.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long a server may take for a statement within a transaction, and to let a connection in. A push waits for both.
const COMMITTING: Duration = Duration::from_secs(2);

/// The same for a statement that reads.
const READING: Duration = Duration::from_secs(60);

/// The largest packet that is sent or taken.
const PACKET: usize = 64 << 20;

/// What every session sets. The time zone is not the owner's: times are Unix seconds in tables, and are made readable by
/// the program or a view. A lock is not waited for longer than a push can wait.
const SETTINGS: [&str; 3] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
];

/// What it reads back: a name, and what the value must be. A name that the server does not have is not read.
const READ_BACK: [(&str, &str); 9] = [
    ("sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
    ("time_zone", "+00:00"),
    ("autocommit", "ON"),
    ("transaction_isolation", "READ-COMMITTED"),
    ("tx_isolation", "READ-COMMITTED"),
    ("character_set_client", "utf8mb4"),
    ("read_only", "OFF"),
    ("super_read_only", "OFF"),
    ("innodb_read_only", "OFF"),
];

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Purpose {
    /// Reading: it may take a while.
    Reading,
    /// Transactions.
    Committing,
    /// Changing tables, which takes as long as it takes.
    Migrating,
}

/// The servers that may have the store.
#[derive(Debug)]
pub(in super::super) struct Hosts {
    server: Server,
    /// Whose turn it is: turns go through the hosts again and again. It is that of the host which was connected to last,
    /// until that fails.
    turn: AtomicUsize,
}

/// A connection, and in whose turn it was made.
pub(super) struct Connected {
    pub(super) connection: Conn,
    pub(super) turn: usize,
    /// Whether it is a node of a Galera.
    pub(super) is_galera: bool,
}

impl Hosts {
    pub(in super::super) fn new(server: &Server) -> Hosts {
        Hosts {
            server: server.clone(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The servers, as in the configuration.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A connection of this turn failed: it is the next host's, unless another connection has found one already.
    pub(super) fn leave(&self, turn: usize) {
        let order = Ordering::Relaxed;
        self.turn
            .compare_exchange(turn, turn + 1, order, order)
            .ok();
    }

    /// Whether this turn is over: its host may still answer, as a replica of the one that is written to now.
    pub(super) fn is_over(&self, turn: usize) -> bool {
        self.turn.load(Ordering::Relaxed) != turn
    }

    /// Which of the hosts has this turn.
    pub(super) fn host_of(&self, turn: usize) -> usize {
        turn % self.server.hosts.len().max(1)
    }

    /// Connects to the host whose turn it is, or to the next one that can be written to. After `until` no other is tried.
    ///
    /// # Errors
    /// When there is none: says why of each.
    pub(super) fn connect(
        &self,
        purpose: Purpose,
        until: Option<Instant>,
    ) -> Result<Connected, Failure> {
        let hosts = &self.server.hosts;
        let now = self.turn.load(Ordering::Relaxed);
        let mut failed: Option<Failure> = None;
        for turn in now..now + hosts.len() {
            let host = &hosts[self.host_of(turn)];
            if failed.is_some() && until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            match self.connect_to(host, purpose) {
                Ok((connection, is_galera)) => {
                    self.turn.fetch_max(turn, Ordering::Relaxed);
                    return Ok(Connected {
                        connection,
                        turn,
                        is_galera,
                    });
                }
                Err(failure) => {
                    let failure = at(host, failure);
                    failed = Some(match failed {
                        Some(before) => both(before, &failure),
                        None => failure,
                    });
                }
            }
        }
        Err(failed.unwrap_or_else(|| Failure::of_all("no host", "name one in store.url")))
    }

    /// The hosts that take writes, of each server one: names of one server may differ. There should be one.
    pub(super) fn writable(&self) -> Vec<String> {
        let mut servers = HashSet::new();
        let is_another = |host: &&Host| {
            let name = self.connect_to(host, Purpose::Committing);
            let name = name.and_then(|(mut connection, _)| {
                Ok(connection.query_first::<(String, u16), _>("SELECT @@hostname, @@port")?)
            });
            name.is_ok_and(|name| servers.insert(name))
        };
        let found = self.server.hosts.iter().filter(is_another);
        found.map(ToString::to_string).collect()
    }

    /// A connection, and whether it is to a node of a Galera.
    fn connect_to(&self, host: &Host, purpose: Purpose) -> Result<(Conn, bool), Failure> {
        let Server {
            user,
            database,
            password,
            tls,
            ..
        } = &self.server;
        let patience = match purpose {
            Purpose::Reading => Some(READING),
            Purpose::Committing => Some(COMMITTING),
            Purpose::Migrating => None,
        };
        let options = OptsBuilder::new()
            .ip_or_hostname(Some(&host.name))
            .tcp_port(host.port)
            .prefer_socket(false)
            .user(Some(user))
            .pass(password.as_ref().map(|password| password.expose()))
            .db_name(Some(database))
            .ssl_opts(match tls {
                Tls::Off => None,
                Tls::Required => Some(SslOpts::default()),
                Tls::Signed(file) => {
                    Some(SslOpts::default().with_root_cert_path(Some(file.clone())))
                }
            })
            .tcp_connect_timeout(Some(CONNECTING))
            .read_timeout(patience)
            .write_timeout(patience)
            .max_allowed_packet(Some(PACKET))
            // Statements are kept with the order of their values.
            .stmt_cache_size(0)
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
        let mut connection = Conn::new(options)?;
        for setting in SETTINGS {
            connection.query_drop(setting)?;
        }
        let is_galera = self.read_back(&mut connection)?;
        if is_galera && purpose == Purpose::Committing {
            // What follows after it has ended a transaction without a word is not to stay.
            connection.query_drop("SET SESSION autocommit = 0")?;
        }
        Ok((connection, is_galera))
    }

    /// Refuses a server that does not do what was set, or cannot be written to. Returns whether it is a node of a Galera.
    fn read_back(&self, connection: &mut Conn) -> Result<bool, Failure> {
        let names = READ_BACK.map(|(name, _)| name).join("', '");
        let rows: Vec<(String, String)> = connection.query(format!(
            "SHOW SESSION VARIABLES WHERE Variable_name IN ('{names}', 'version', 'wsrep_on')"
        ))?;
        let version = rows.iter().find(|(found, _)| found == "version");
        if let Some((_, version)) = version.filter(|(_, version)| is_too_old(version)) {
            return Err(Failure::of_all(
                format!("its version {version} is too old"),
                "upgrade it to MySQL 8 or MariaDB 10.11",
            ));
        }
        let is_on = |name: &str| {
            rows.iter()
                .any(|(found, value)| found == name && value == "ON")
        };
        let is_galera = is_on("wsrep_on");
        if is_galera && self.server.hosts.len() > 1 {
            return Err(Failure::of_all(
                "Galera with several hosts loses what it has acknowledged when two of its nodes are written to",
                "name one host in store.url",
            ));
        }
        for (name, wanted) in READ_BACK {
            let found = rows.iter().find(|(found, _)| found == name);
            let Some((_, found)) = found.filter(|(_, found)| !same(found, wanted)) else {
                continue;
            };
            if name.ends_with("read_only") {
                let mut failure = Failure::of_all(
                    format!("is read only ({name})"),
                    "name the writable server in store.url, too",
                );
                failure.again = Again::Elsewhere;
                return Err(failure);
            }
            return Err(Failure::of_all(
                format!("{name} is {found} where {wanted} was set"),
                "connect to the server itself, not to a proxy that changes its sessions",
            ));
        }
        Ok(is_galera)
    }
}

/// Whether this is a MySQL or a MariaDB that the statements are not written for. Products that only speak their protocol
/// call themselves what they like.
fn is_too_old(version: &str) -> bool {
    let other = ["TiDB", "OceanBase", "TDSQL"].iter();
    if other.into_iter().any(|name| version.contains(name)) {
        return false;
    }
    let mut numbers = version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    let least: (u32, u32) = match version.contains("MariaDB") {
        true => (10, 11),
        false => (8, 0),
    };
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < least,
        (None, _) | (_, None) => false,
    }
}

/// Whether two values of a variable mean the same: the words of a list may be in another order.
fn same(found: &str, wanted: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split(',').map(str::to_uppercase).collect();
        words.sort_unstable();
        words
    };
    words(found) == words(wanted)
}

fn at(host: &Host, failure: Failure) -> Failure {
    let Failure { error, again } = failure;
    let reason = format!("{host}: {}", error.reason);
    let error = SqlError { reason, ..error };
    Failure { error, again }
}

/// Two hosts failed. What can be done is said of the first.
fn both(first: Failure, second: &Failure) -> Failure {
    let reason = format!("{}; {}", first.error.reason, second.error.reason);
    Failure {
        error: SqlError {
            reason,
            ..first.error
        },
        again: first.again.max(second.again),
    }
}

#[cfg(test)]
mod tests {
    use super::is_too_old;

    #[test]
    fn servers_before_mysql_8_and_mariadb_10_11_are_too_old() {
        for (version, is_old) in [
            ("10.11.19-MariaDB-0+deb12u1", false),
            ("11.4.2-MariaDB-log", false),
            ("10.6.18-MariaDB", true),
            ("8.0.39", false),
            ("8.4.2-cluster", false),
            ("5.7.44-log", true),
            ("5.7.25-OceanBase-v4.2.1.0", false),
            ("8.0.11-TiDB-v7.5.1", false),
            ("some other", false),
        ] {
            assert_eq!(is_too_old(version), is_old, "{version}");
        }
    }
}
