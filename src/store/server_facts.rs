//! What a server says about itself: what it is, and what it takes for committed.

use serde::Serialize;

/// A server that has the store, as it is set up now. `None`: it does not say.
#[derive(Debug, Clone, Serialize)]
pub struct ServerFacts {
    /// Name and port of the one of the hosts that is written to.
    pub host: String,
    /// Product and version.
    pub version: String,
    /// The cipher of the connection, if it is encrypted.
    pub cipher: Option<String>,
    /// What holds for this program's sessions.
    pub sql_mode: String,
    /// When a commit goes to the disk; 1: before it is acknowledged.
    pub innodb_flush_log_at_trx_commit: Option<String>,
    /// Whether there is a binary log.
    pub log_bin: bool,
    /// After how many commits the binary log goes to the disk.
    pub sync_binlog: Option<String>,
    /// Whether commits wait for a replica; `None`: that is not set up.
    pub semi_sync: Option<SemiSync>,
    /// Whether it is a node of a Galera cluster.
    pub wsrep_on: bool,
    /// How many hosts `store.url` names.
    #[serde(skip)]
    pub hosts: usize,
    /// Those of several hosts that take writes, of each server one.
    #[serde(skip)]
    pub writable: Vec<String>,
}

/// A server whose commits wait for replicas.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SemiSync {
    /// Whether they wait now: without any replica it goes on alone after a while.
    pub waits: bool,
    /// Replicas that confirm.
    pub replicas: u64,
}

impl ServerFacts {
    /// Where acknowledged does not mean that it stays, whatever happens; a sentence each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let host = &self.host;
        let mut doubts = Vec::new();
        let is_not_one = |value: &&String| value.as_str() != "1";
        if let Some(value) = self
            .innodb_flush_log_at_trx_commit
            .as_ref()
            .filter(is_not_one)
        {
            doubts.push(format!(
                "{host}: innodb_flush_log_at_trx_commit is {value}: pushes that were answered in its last second are lost when it loses power; set it to 1"
            ));
        }
        if let Some(value) = self.sync_binlog.as_ref().filter(is_not_one)
            && self.log_bin
        {
            doubts.push(format!(
                "{host}: sync_binlog is {value}: its binary log may lack the last answered pushes after it lost power, and so may its replicas; set it to 1"
            ));
        }
        match self.semi_sync {
            Some(SemiSync { waits: false, .. }) => doubts.push(format!(
                "{host}: semi-synchronous replication is set up, but no replica confirms: it goes on alone, and pushes that were answered since are lost with it"
            )),
            None if self.hosts > 1 && !self.wsrep_on => doubts.push(format!(
                "{host}: commits do not wait for a replica: the pushes that it answered last are lost when another host takes over, unless they share a disk; set up semi-synchronous replication"
            )),
            Some(SemiSync { waits: true, .. }) | None => {}
        }
        if self.writable.len() > 1 {
            doubts.push(format!(
                "{} take writes: pushes go to whichever answers, and what is written to one is missing in the other; set read_only = 1 on all but the primary",
                self.writable.join(" and ")
            ));
        }
        doubts
    }

    /// What a commit has reached when it is acknowledged, for people.
    #[must_use]
    pub fn durability(&self) -> String {
        let flush = self.innodb_flush_log_at_trx_commit.as_deref();
        let mut parts = vec![format!(
            "innodb_flush_log_at_trx_commit {}",
            flush.unwrap_or("unknown")
        )];
        parts.push(match (self.log_bin, &self.sync_binlog) {
            (false, _) => "no binary log".to_owned(),
            (true, value) => format!("sync_binlog {}", value.as_deref().unwrap_or("unknown")),
        });
        parts.push(match self.semi_sync {
            None => "no semi-synchronous replica".to_owned(),
            Some(SemiSync { waits: false, .. }) => "semi-synchronous, but alone".to_owned(),
            Some(SemiSync {
                waits: true,
                replicas: 1,
            }) => "1 semi-synchronous replica".to_owned(),
            Some(SemiSync { replicas, .. }) => format!("{replicas} semi-synchronous replicas"),
        });
        if self.wsrep_on {
            parts.push("Galera".to_owned());
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe() -> ServerFacts {
        ServerFacts {
            host: "db1:3306".to_owned(),
            version: "8.4.2".to_owned(),
            cipher: None,
            sql_mode: "STRICT_ALL_TABLES".to_owned(),
            innodb_flush_log_at_trx_commit: Some("1".to_owned()),
            log_bin: true,
            sync_binlog: Some("1".to_owned()),
            semi_sync: Some(SemiSync {
                waits: true,
                replicas: 1,
            }),
            wsrep_on: false,
            hosts: 2,
            writable: vec!["db1:3306".to_owned()],
        }
    }

    #[test]
    fn each_setting_under_which_an_answered_push_can_be_lost_is_a_doubt() {
        assert_eq!(safe().doubts(), Vec::<String>::new());
        let alone = Some(SemiSync {
            waits: false,
            replicas: 0,
        });
        let two = || Some("2".to_owned());
        for (facts, word) in [
            (
                ServerFacts {
                    innodb_flush_log_at_trx_commit: two(),
                    ..safe()
                },
                "innodb_flush_log_at_trx_commit is 2",
            ),
            (
                ServerFacts {
                    sync_binlog: two(),
                    ..safe()
                },
                "sync_binlog is 2",
            ),
            (
                ServerFacts {
                    semi_sync: alone,
                    ..safe()
                },
                "no replica confirms",
            ),
            (
                ServerFacts {
                    semi_sync: None,
                    ..safe()
                },
                "do not wait for a replica",
            ),
            (
                ServerFacts {
                    writable: ["db1:3306", "db2:3306"].map(str::to_owned).to_vec(),
                    ..safe()
                },
                "db1:3306 and db2:3306 take writes",
            ),
        ] {
            let doubts = facts.doubts();
            assert!(doubts.len() == 1 && doubts[0].contains(word), "{doubts:?}");
        }
        let no_log = ServerFacts {
            log_bin: false,
            sync_binlog: two(),
            semi_sync: None,
            hosts: 1,
            ..safe()
        };
        assert_eq!(no_log.doubts(), Vec::<String>::new());
    }
}
