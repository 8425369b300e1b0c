//! Connections that read. A read within another has one of its own.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::error::{ErrorKind, SqlError, StoreError};
use super::super::found::Found;
use super::super::options::Server;
use super::super::server_facts::ServerFacts;
use super::super::sql::Sql;
use super::facts;
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::schema;
use super::session::Connection;

/// See [`examine`](super::super::examine).
pub(in super::super) fn examine(server: &Server) -> Result<Found, StoreError> {
    let hosts = Arc::new(Hosts::new(server));
    let ids = Ids::new().map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
    let mut connection = Connection::new(&hosts, &Arc::new(ids), Purpose::Reading);
    schema::examine(&mut connection, &hosts)
}

/// The connections of one reader.
#[derive(Debug)]
pub(in super::super) struct Readers {
    hosts: Arc<Hosts>,
    ids: Arc<Ids>,
    idle: RefCell<Vec<Connection>>,
}

impl Readers {
    /// Of an open store; connects when it reads.
    pub(in super::super) fn new(hosts: &Arc<Hosts>, ids: &Arc<Ids>) -> Readers {
        Readers {
            hosts: Arc::clone(hosts),
            ids: Arc::clone(ids),
            idle: RefCell::default(),
        }
    }

    /// Opens an existing store.
    ///
    /// # Errors
    /// When there is none, or it belongs to another program or another version.
    pub(in super::super) fn open(server: &Server) -> Result<Readers, StoreError> {
        let hosts = Arc::new(Hosts::new(server));
        let ids =
            Ids::new().map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?;
        let readers = Readers::new(&hosts, &Arc::new(ids));
        let mut connection = readers.connection();
        match schema::is_there(&mut connection, &hosts)? {
            true => readers.idle.borrow_mut().push(connection),
            false => return Err(schema::none_yet(&hosts)),
        }
        Ok(readers)
    }

    /// The servers, as in the configuration.
    pub(in super::super) fn server(&self) -> &Server {
        self.hosts.server()
    }

    /// Lends a connection.
    pub(in super::super) fn with<T>(&self, read: impl FnOnce(&mut dyn Sql) -> T) -> T {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = idle.unwrap_or_else(|| self.connection());
        let found = read(&mut connection);
        self.idle.borrow_mut().push(connection);
        found
    }

    /// What the server says about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub(in super::super) fn facts(&self) -> Result<ServerFacts, SqlError> {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = idle.unwrap_or_else(|| self.connection());
        let facts = facts::ask(&mut connection, &self.hosts);
        self.idle.borrow_mut().push(connection);
        Ok(facts?)
    }

    fn connection(&self) -> Connection {
        Connection::new(&self.hosts, &self.ids, Purpose::Reading)
    }
}
