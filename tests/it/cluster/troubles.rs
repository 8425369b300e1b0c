//! Trouble of several servers: each has its own, and that of one that is gone does not stay open.

use crate::support::cluster::Cluster;
use crate::support::*;

const OPEN: &str = "SELECT count(*) FROM troubles WHERE kind = 'config' AND until IS NULL";

/// Refuses a reload: that is trouble of this server until one succeeds.
#[track_caller]
fn in_trouble(cluster: &Cluster, account: &Account, open: &str) {
    account.rewrite_config(|config| config.replace("[[rule]]", "[[rulle]]"));
    account.reload();
    eventually("the row", account.log(), || cluster.sql(OPEN) == open);
}

#[test]
fn trouble_of_a_server_goes_on_while_others_start_and_is_over_when_it_is_gone() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut one = cluster.node();
    in_trouble(&cluster, &one, "1");
    let other = cluster.node();
    // Its rows are written after it has looked at what is left.
    in_trouble(&cluster, &other, "2");
    one.kill();
    // As after a minute without a sign of life.
    let gone = "DELETE FROM nodes WHERE id = (SELECT node FROM troubles ORDER BY id LIMIT 1)";
    cluster.sql(gone);
    let third = cluster.node();
    eventually("its end", third.log(), || cluster.sql(OPEN) == "1");
    // That of the other goes on, and says whose it is.
    let name = cluster.sql("SELECT DISTINCT name FROM nodes");
    let status = third.command(&["status"]);
    status.says(&format!("{name} ("));
    assert_eq!(
        cluster.sql(
            "SELECT count(*) FROM troubles WHERE until IS NULL AND node IN (SELECT id FROM nodes)"
        ),
        "1"
    );
}
