//! The options of the store: section `[store]` of the configuration.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::secret::Secret;

/// How long a commit waits for another program's lock. The platform waits 5 s for an answer, so a push that cannot
/// be written is refused before that, and the platform delivers it again.
pub(super) const PATIENCE: Duration = Duration::from_millis(3_500);

/// Where the store is, and what it keeps for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file, unless there is a server.
    pub path: PathBuf,
    /// The server that has the store instead of the file.
    pub server: Option<Server>,
    /// Age at which messages are removed; zero: never.
    pub keep_messages: Duration,
    /// The folder for media that followers send; `None`: they are not fetched.
    pub media: Option<PathBuf>,
}

impl Options {
    /// The SQLite file; `None`: the store is on a server.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.server {
            None => Some(&self.path),
            Some(_) => None,
        }
    }
}

/// Where the store is: the file, or the server.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            None => self.path.display().fmt(f),
            Some(server) => server.fmt(f),
        }
    }
}

/// A store in this file that keeps all messages.
impl From<&Path> for Options {
    fn from(path: &Path) -> Options {
        Options {
            path: path.to_owned(),
            server: None,
            keep_messages: Duration::ZERO,
            media: None,
        }
    }
}

/// A database on servers that speak the MySQL protocol. Parsed from `mysql://USER@HOST[:PORT][,HOST[:PORT]…]/DATABASE`; a
/// port at the end is also that of the hosts that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// They are tried in this order, and a writable one is kept.
    pub hosts: Vec<Host>,
    /// Who logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The file that it was read from. Where it was not read there is no password.
    pub password_file: Option<PathBuf>,
    /// How connections are encrypted.
    pub tls: Tls,
    /// How many connections commit.
    pub connections: u8,
}

/// One of the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// A name or an address; one of IPv6 without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// How connections to a server are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tls {
    /// Not at all.
    Off,
    /// With a certificate that a public authority has signed.
    #[default]
    Required,
    /// With a certificate that an authority of this file has signed, or a public one.
    Signed(PathBuf),
}

impl Tls {
    /// The file of certificates, if one is named.
    #[must_use]
    pub fn certificates(&self) -> Option<&Path> {
        match self {
            Tls::Off | Tls::Required => None,
            Tls::Signed(file) => Some(file),
        }
    }
}

/// The port of a server without one in the URL.
const PORT: u16 = 3306;

/// Connections that commit, unless the configuration says otherwise.
const CONNECTIONS: u8 = 4;

impl Server {
    /// Whether the password is in a file that was not read, as by a program that need not connect.
    #[must_use]
    pub fn lacks_its_password(&self) -> bool {
        self.password.is_none() && self.password_file.is_some()
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(url: &str) -> Result<Server, String> {
        let form = "must be like mysql://wechatd@db1,db2:3306/wechatd";
        let rest = url.strip_prefix("mysql://").ok_or(form)?;
        let (place, database) = rest.rsplit_once('/').ok_or(form)?;
        let (user, hosts) = place.rsplit_once('@').ok_or(form)?;
        if user.contains(':') {
            let what = "must not hold the password: put it into a file, and name that in store.password_file (--password-file)";
            return Err(what.to_owned());
        }
        if user.is_empty() || database.is_empty() || database.contains(['?', '#']) {
            return Err(form.to_owned());
        }
        let hosts: Vec<(&str, Option<u16>)> = hosts
            .split(',')
            .map(|host| host_and_port(host).ok_or_else(|| format!("{form}, and {host} is no host")))
            .collect::<Result<_, _>>()?;
        let of_all = hosts.last().and_then(|(_, port)| *port).unwrap_or(PORT);
        let hosts = hosts.into_iter().map(|(name, port)| Host {
            name: name.to_owned(),
            port: port.unwrap_or(of_all),
        });
        Ok(Server {
            hosts: hosts.collect(),
            user: user.to_owned(),
            database: database.to_owned(),
            password: None,
            password_file: None,
            tls: Tls::default(),
            connections: CONNECTIONS,
        })
    }
}

fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']')?;
            (
                name,
                after
                    .strip_prefix(':')
                    .or_else(|| after.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port != 0)?),
    };
    (!name.is_empty()).then_some((name, port))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        let hosts = hosts.join(",");
        write!(f, "mysql://{}@{hosts}/{}", self.user, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Result<String, String> {
        url.parse::<Server>().map(|server| server.to_string())
    }

    #[test]
    fn a_port_at_the_end_is_that_of_all_hosts_without_one() {
        for (url, server) in [
            ("mysql://w@db/store", "mysql://w@db:3306/store"),
            (
                "mysql://w@db1,db2:3307/store",
                "mysql://w@db1:3307,db2:3307/store",
            ),
            (
                "mysql://w@db1:1,db2,[::1]:3/store",
                "mysql://w@db1:1,db2:3,[::1]:3/store",
            ),
            (
                "mysql://w@[2001:db8::1]/store",
                "mysql://w@[2001:db8::1]:3306/store",
            ),
        ] {
            assert_eq!(shown(url), Ok(server.to_owned()));
        }
    }

    #[test]
    fn a_url_without_a_part_or_with_the_password_is_refused() {
        for url in [
            "postgres://w@db/store",
            "mysql://db/store",
            "mysql://w@db",
            "mysql://w@db/",
            "mysql://@db/store",
            "mysql://w@/store",
            "mysql://w@db,/store",
            "mysql://w@db:0/store",
            "mysql://w@db:port/store",
            "mysql://w@[::1/store",
            "mysql://w@db/store?ssl=true",
        ] {
            let refused = shown(url);
            assert!(
                refused.is_err_and(|why| why.contains("must be like")),
                "{url}"
            );
        }
        let refused = shown("mysql://w:secret@db/store");
        assert!(refused.is_err_and(|why| !why.contains("secret")));
    }
}
