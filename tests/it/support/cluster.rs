//! Several servers on one database of a private server, each with a folder and a configuration of its own.

use super::engine::{Engine, PASSWORD};
use super::{Account, Setup};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A database, and who may have it open.
pub struct Cluster<'a> {
    /// The server of the database.
    pub engine: &'a Engine,
    /// The name of the database.
    pub database: String,
}

impl Cluster<'static> {
    /// A new database of the server that all tests share; `None` where there is none.
    pub fn new() -> Option<Cluster<'static>> {
        Engine::shared().map(Cluster::on)
    }
}

impl<'a> Cluster<'a> {
    /// A new database of this server.
    pub fn on(engine: &'a Engine) -> Cluster<'a> {
        let database = engine.database();
        Cluster { engine, database }
    }

    /// A server before it starts.
    pub fn setup(&self) -> Setup {
        let setup = Setup::new()
            .set(
                "store.url",
                &format!("\"{}\"", self.engine.url(&self.database)),
            )
            .set("store.password_file", "\"store_password\"")
            .set("store.tls", "\"off\"");
        keep_secret(&setup.folder().join("store_password"), PASSWORD);
        setup
    }

    /// A running server that has the database at this address.
    #[track_caller]
    pub fn node_of(&self, url: &str) -> Account {
        let setup = self.setup().set("store.url", &format!("\"{url}\""));
        setup.start()
    }

    /// A running server.
    #[track_caller]
    pub fn node(&self) -> Account {
        self.setup().start()
    }

    /// Runs statements in the database as root, and returns what they print: a line for each row.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let printed = self.engine.run(&format!("USE {}; {sql}", self.database));
        printed.trim_end().to_owned()
    }
}

/// Writes a file that only its owner reads.
pub fn keep_secret(path: &Path, secret: &str) {
    std::fs::write(path, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
