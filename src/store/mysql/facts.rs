//! What a server says about itself.

use std::collections::HashMap;

use super::super::server_facts::{SemiSync, ServerFacts};
use super::error::Failure;
use super::hosts::Hosts;
use super::session::Connection;

/// The variables of a server, and of its session. The names of semi-synchronous replication are MariaDB's and MySQL's.
const VARIABLES: &str =
    "SHOW VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'sql_mode',
    'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'wsrep_on',
    'rpl_semi_sync_master_enabled', 'rpl_semi_sync_source_enabled')";

/// What it counts.
const STATUS: &str = "SHOW STATUS WHERE Variable_name IN ('Ssl_cipher',
    'Rpl_semi_sync_master_status', 'Rpl_semi_sync_master_clients',
    'Rpl_semi_sync_source_status', 'Rpl_semi_sync_source_clients')";

/// What a server that is not MariaDB is, by its comment. MySQL's says in distributions only whose build it is: `(Debian)`.
fn product(comment: String) -> String {
    let builder = comment
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    match builder {
        Some(builder) => format!("MySQL of {builder}"),
        None => comment,
    }
}

/// Asks the server.
///
/// # Errors
/// When it does not answer.
pub(super) fn ask(connection: &mut Connection, hosts: &Hosts) -> Result<ServerFacts, Failure> {
    let mut said = HashMap::new();
    for sql in [VARIABLES, STATUS] {
        let rows: Vec<(String, String)> = connection.simple_rows(sql)?;
        said.extend(
            rows.into_iter()
                .map(|(name, value)| (name.to_lowercase(), value)),
        );
    }
    let value = |name: &str| said.get(name).filter(|value| !value.is_empty()).cloned();
    let is_on = |name: &str| value(name).is_some_and(|value| value == "ON" || value == "1");
    let of_either =
        |what: &str| ["master", "source"].map(|role| format!("rpl_semi_sync_{role}_{what}"));
    let server = hosts.server();
    let host = connection
        .number()
        .and_then(|(host, _)| server.hosts.get(host));
    let version = value("version").unwrap_or_default();
    let product = match version.contains("MariaDB") {
        true => None,
        false => value("version_comment").map(product),
    };
    Ok(ServerFacts {
        host: host.map(ToString::to_string).unwrap_or_default(),
        version: match product {
            Some(product) => format!("{version} ({product})"),
            None => version,
        },
        cipher: value("ssl_cipher"),
        sql_mode: value("sql_mode").unwrap_or_default(),
        innodb_flush_log_at_trx_commit: value("innodb_flush_log_at_trx_commit"),
        log_bin: is_on("log_bin"),
        sync_binlog: value("sync_binlog"),
        semi_sync: of_either("enabled")
            .iter()
            .any(|name| is_on(name))
            .then(|| {
                let clients = of_either("clients");
                let clients = clients
                    .iter()
                    .filter_map(|name| value(name)?.parse::<u64>().ok());
                let replicas = clients.sum();
                SemiSync {
                    waits: replicas > 0 && of_either("status").iter().any(|name| is_on(name)),
                    replicas,
                }
            }),
        wsrep_on: is_on("wsrep_on"),
        hosts: server.hosts.len(),
        writable: match server.hosts.len() {
            0 | 1 => Vec::new(),
            _ => hosts.writable(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn a_mysql_whose_comment_says_only_who_has_built_it_is_called_mysql() {
        for (comment, expected) in [
            ("(Debian)", "MySQL of Debian"),
            (
                "MySQL Community Server - GPL",
                "MySQL Community Server - GPL",
            ),
        ] {
            assert_eq!(product(comment.to_owned()), expected);
        }
    }
}
