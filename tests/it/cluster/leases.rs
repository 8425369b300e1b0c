//! What one of several servers does for all, and which of them that is.

use crate::support::account::{WELCOME, send_signal};
use crate::support::cluster::Cluster;
use crate::support::*;
use std::time::{Duration, Instant};

const INFO: &str = "/cgi-bin/user/info";

/// Waits until these statements print this.
#[track_caller]
fn comes_to(cluster: &Cluster, account: &Account, sql: &str, expected: &str) {
    let what = format!("{sql}: {expected}");
    eventually(&what, account.log(), || cluster.sql(sql) == expected);
}

/// The leases of all servers end now, by the clock of the database.
fn end_all_leases(cluster: &Cluster) {
    cluster.sql("UPDATE leases SET until_ms = 1");
}

/// Waits until the server that was started last holds this lease, while the other one is stopped or frozen.
#[track_caller]
fn moves_on(cluster: &Cluster, account: &Account, lease: &str, epoch: i64) {
    let sql =
        format!("SELECT epoch >= {epoch} AND until_ms > 1 FROM leases WHERE name = '{lease}'");
    comes_to(cluster, account, &sql, "1");
}

#[test]
fn a_profile_is_fetched_once_whichever_server_the_follower_came_to() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    let nodes = [(); 2].map(|()| cluster.setup().platform(&platform).start());
    let fans = [(); 10].map(|()| another_fan());
    for (number, fan) in fans.iter().enumerate() {
        nodes[number % 2]
            .post(&subscribe().from(fan))
            .is_text(WELCOME);
    }
    comes_to(
        &cluster,
        &nodes[0],
        "SELECT count(*) FROM followers WHERE profile_at IS NOT NULL AND profile_error IS NULL",
        "10",
    );
    for fan in &fans {
        assert_eq!(platform.profile_calls_for(fan), 1, "{fan}");
    }
    assert_eq!(platform.token_calls(), 1);
}

#[test]
fn a_server_that_was_frozen_writes_nothing_over_what_its_successor_wrote() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let platform = Platform::start();
    // It waits longer for the answer than it is frozen.
    let patient = cluster.setup().set("api.timeout", "\"60s\"");
    let frozen = patient.platform(&platform).start();
    moves_on(&cluster, &frozen, "profiles", 1);
    let other = cluster.setup().platform(&platform).start();
    let fan = another_fan();
    let profile = |remark: &str| {
        let json = format!(r#"{{"subscribe":1,"openid":"{fan}","remark":"{remark}"}}"#);
        platform.profile(&fan, &json);
    };
    profile("of the frozen one");
    platform.fault(INFO, Fault::Hang);
    frozen.post(&subscribe().from(&fan)).is_text(WELCOME);
    eventually("the call", frozen.log(), || platform.count(INFO) == 1);
    send_signal(frozen.pid(), "STOP");
    platform.release();
    profile("of its successor");
    end_all_leases(&cluster);
    let remark = format!("SELECT remark FROM followers WHERE openid = '{fan}'");
    comes_to(&cluster, &other, &remark, "of its successor");
    send_signal(frozen.pid(), "CONT");
    frozen
        .log()
        .says("another process has taken over (profiles)");
    frozen.log().says("profiles: another server has taken over");
    assert_eq!(cluster.sql(&remark), "of its successor");
}

#[test]
fn a_server_that_stops_leaves_its_duties_to_the_others_at_once() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut one = cluster.node();
    moves_on(&cluster, &one, "media", 1);
    let other = cluster.node();
    comes_to(&cluster, &other, "SELECT count(*) FROM nodes", "2");
    other
        .command(&["store", "nodes"])
        .ok()
        .says("addresses chores hooks ladder")
        .says("running");
    let stopped = Instant::now();
    one.stop();
    moves_on(&cluster, &other, "media", 2);
    assert!(stopped.elapsed() < Duration::from_secs(15));
    assert_eq!(cluster.sql("SELECT count(*) FROM nodes"), "1");
    let nodes = other.command(&["store", "nodes", "--json"]);
    let nodes = nodes.json();
    let listen = nodes[0]["listen"].as_str();
    assert!(
        listen.is_some_and(|listen| other.url().contains(listen)),
        "{nodes}"
    );
    assert_eq!(nodes[0]["configuration"], "same");
    assert_eq!(
        nodes[0]["leases"].as_array().map(Vec::len),
        Some(8),
        "{nodes}"
    );
}

#[test]
fn a_server_that_was_killed_goes_on_with_its_duties_as_soon_as_it_starts_again() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let mut node = cluster.node();
    let duties = |node: &Account, epoch: i64| {
        let sql = format!("SELECT count(*) FROM leases WHERE epoch = {epoch} AND until_ms > 1");
        comes_to(&cluster, node, &sql, "8");
    };
    duties(&node, 1);
    node.kill();
    cluster.sql("UPDATE commits SET at = 1");
    let started = Instant::now();
    node.begin();
    node.log()
        .says("a server of this machine was killed; what it alone did goes on at once");
    duties(&node, 2);
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(cluster.sql("SELECT count(*) FROM nodes"), "1");
    let old = "SELECT count(*) FROM commits WHERE at = 1";
    comes_to(&cluster, &node, old, "0");
}

#[test]
fn a_server_that_is_frozen_keeps_its_duties_while_another_starts_on_its_machine() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let frozen = cluster.node();
    let duties =
        "SELECT count(*), count(DISTINCT holder), max(epoch), min(until_ms) > 1 FROM leases";
    comes_to(&cluster, &frozen, duties, "8\t1\t1\t1");
    send_signal(frozen.pid(), "STOP");
    // It decides that before it listens.
    let other = cluster.node();
    assert_eq!(cluster.sql(duties), "8\t1\t1\t1", "{}", other.log());
    assert_eq!(cluster.sql("SELECT count(*) FROM nodes"), "2");
    send_signal(frozen.pid(), "CONT");
}

#[test]
fn servers_with_other_configurations_are_told_in_the_log_and_by_check() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let one = cluster.node();
    let same = cluster.node();
    comes_to(&cluster, &one, "SELECT count(*) FROM nodes", "2");
    same.command(&["check"])
        .ok()
        .says_nothing_of("another configuration");
    let other = cluster.setup().set("server.max_body", "\"128KiB\"").start();
    other.log().says("runs with another configuration");
    let warning = "run with another configuration than";
    one.command(&["check"]).ok().says(warning);
    let nodes = other.command(&["store", "nodes", "--json"]);
    let nodes = nodes.json();
    let of = |state: &str| {
        let nodes = nodes.as_array().into_iter().flatten();
        nodes.filter(|node| node["configuration"] == state).count()
    };
    assert_eq!((of("same"), of("other")), (1, 2), "{nodes}");
}
