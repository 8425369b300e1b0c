//! Nodes: the servers of a store that several machines share. Each tells that it runs, and with which configuration. What
//! those leave that were killed is cleared here.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::error::StoreError;
use super::open::{Reader, Store};
use super::process::{NodeId, Process};
use super::sql::values;
use super::statement::statements;

/// How long after its last sign of life a node counts as ended, in seconds. Also the length of the leases that it holds.
pub const NODE_LIFE: u32 = 60;

/// How long a node that has ended is listed, in seconds: a week.
const LISTED: u32 = 7 * 86_400;

/// How long what a connection last committed is known, in seconds: a day. Who does not know whether it has committed looks
/// for a few seconds.
const COMMITS: u32 = 86_400;

/// What a node tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The name of its machine.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// The version of the program.
    pub version: String,
    /// SHA-256 of what its configuration says that must be the same on all nodes.
    pub config: [u8; 32],
}

/// A node as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its id.
    pub id: NodeId,
    /// What it told of itself.
    pub node: Node,
    /// When it started, in Unix seconds by the server's clock.
    pub started_at: i64,
    /// When it last told, likewise.
    pub seen_at: i64,
    /// Whether that was so recently that it may be running.
    pub is_alive: bool,
    /// What it alone does at the moment.
    pub leases: Vec<String>,
}

impl NodeRow {
    /// Whether it runs, and with another configuration than the one with this digest.
    #[must_use]
    pub fn differs_from(&self, config: &[u8; 32]) -> bool {
        self.is_alive && self.node.config != *config
    }
}

impl fmt::Display for NodeRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.node.name, self.node.listen)
    }
}

// A file has no such table: it has one server.
statements! {
    TELL = {
        sqlite: "",
        mysql: "INSERT INTO nodes (id, name, listen, version, config, process, started_at, seen_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, unix_timestamp(), unix_timestamp())
                ON DUPLICATE KEY UPDATE listen = ?3, config = ?5, seen_at = unix_timestamp()",
    };
    FORGET = { sqlite: "", mysql: "DELETE FROM nodes WHERE id = ?1" };
    FORGET_OLD = { sqlite: "", mysql: "DELETE FROM nodes WHERE seen_at < unix_timestamp() - ?1" };
    PROCESSES = { sqlite: "", mysql: "SELECT id, process FROM nodes" };
    END_LEASES = { sqlite: "", mysql: "UPDATE leases SET until_ms = 0 WHERE holder = ?1" };
    OLD_COMMITS = { sqlite: "", mysql: "SELECT writer FROM commits WHERE at < unix_timestamp() - ?1 LIMIT ?2" };
    REMOVE_COMMITS = { sqlite: "", mysql: "DELETE FROM commits WHERE writer = ?1 AND at < unix_timestamp() - ?2" };
    NODES = {
        sqlite: "",
        mysql: "SELECT id, name, listen, version, config, started_at, seen_at, seen_at >= unix_timestamp() - ?1
                FROM nodes ORDER BY name, listen, started_at",
    };
    LEASES_LEFT = { sqlite: "", mysql: "SELECT name, until_ms - CAST(unix_timestamp(now(3)) * 1000 AS SIGNED) FROM leases" };
    LEASES = {
        sqlite: "",
        mysql: "SELECT name FROM leases WHERE holder = ?1 AND until_ms > unix_timestamp() * 1000 ORDER BY name",
    };
}

impl Store {
    /// The id of this run of the program.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Tells the other nodes that this one runs. A file has no other.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn tell_nodes(&self, node: &Node) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        let (id, node, process) = (self.node, node.clone(), self.process.to_string());
        self.writer.write(move |sql| {
            let Node {
                name,
                listen,
                version,
                config,
            } = &node;
            sql.run(&TELL, values![id.0, name, listen, version, config, process])?;
            sql.run(&FORGET_OLD, values![LISTED]).map(drop)
        })
    }

    /// Tells them that it ends.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn leave_nodes(&self) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        let id = self.node;
        self.writer
            .write(move |sql| sql.run(&FORGET, values![id.0]).map(drop))
    }
}

impl Store {
    /// Ends the leases of nodes whose process is seen from here to have ended, so that others go on at once, and forgets
    /// them. Returns how many there were. A file has none.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_dead_nodes(&self) -> Result<usize, StoreError> {
        if !self.is_shared() {
            return Ok(0);
        }
        let here = self.process.clone();
        if !here.sees_others() {
            log::debug!(
                "nodes: which servers of this machine were killed cannot be seen here: what they alone did waits for {NODE_LIFE} s"
            );
            return Ok(0);
        }
        self.writer.write(move |sql| {
            let nodes = sql.all(&PROCESSES, &[], |row| {
                Ok((row.get(0)?, row.get::<String>(1)?.parse()))
            })?;
            let is_dead = |process: &Process| !here.sees_alive(process);
            let dead: Vec<[u8; 16]> = nodes
                .into_iter()
                .filter_map(|(id, process)| process.is_ok_and(|it| is_dead(&it)).then_some(id))
                .collect();
            for id in &dead {
                sql.run(&END_LEASES, values![id])?;
                sql.run(&FORGET, values![id])?;
            }
            Ok(dead.len())
        })
    }

    /// Removes up to this many rows about the last commits of connections that have committed nothing for a day: a process
    /// that ends in good order leaves none. Returns how many there were.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn remove_commits(&self, most: u32) -> Result<usize, StoreError> {
        if !self.is_shared() {
            return Ok(0);
        }
        self.writer.write(move |sql| {
            // Read without a lock: to look at the rows of others, a DELETE would wait for their transactions.
            let old: Vec<[u8; 16]> =
                sql.all(&OLD_COMMITS, values![COMMITS, most], |row| row.get(0))?;
            for writer in &old {
                sql.run(&REMOVE_COMMITS, values![writer, COMMITS])?;
            }
            Ok(old.len())
        })
    }
}

impl Reader {
    /// The nodes of the last week, without those that ended in good order. A file has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        self.read(|sql| {
            let mut nodes = sql.all(&NODES, values![NODE_LIFE], |row| {
                Ok(NodeRow {
                    id: NodeId(row.get(0)?),
                    node: Node {
                        name: row.get(1)?,
                        listen: row.get(2)?,
                        version: row.get(3)?,
                        config: row.get(4)?,
                    },
                    started_at: row.get(5)?,
                    seen_at: row.get(6)?,
                    is_alive: row.get(7)?,
                    leases: Vec::new(),
                })
            })?;
            for node in &mut nodes {
                node.leases = sql.all(&LEASES, values![node.id.0], |row| row.get(0))?;
            }
            Ok(nodes)
        })
    }

    /// How long the lease of each name lasts; zero: it is over. In a file leases end otherwise, and none is returned.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn leases_left(&self) -> Result<HashMap<String, Duration>, StoreError> {
        if !self.is_shared() {
            return Ok(HashMap::new());
        }
        let left = self.read(|sql| {
            sql.all(&LEASES_LEFT, &[], |row| {
                let left: i64 = row.get(1)?;
                let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
                Ok((row.get(0)?, left))
            })
        })?;
        Ok(left.into_iter().collect())
    }
}
