//! Several servers on one database. Compiled with `--features mysql`; skipped where `WECHATD_ENGINE` names no server.

mod failover;
mod faults;
mod galera;
mod hooks;
mod ladder;
mod leases;
mod logins;
mod moving;
mod replay;
mod service;
mod start;
mod tls;
mod troubles;

use crate::support::cluster::Cluster;
use crate::support::*;
use std::sync::Barrier;
use std::thread;

#[test]
fn the_same_push_to_two_servers_at_once_is_recorded_once_and_answered_with_the_same_bytes() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let nodes = [cluster.node(), cluster.node()];
    for number in 0..20 {
        let push = text(&format!("hello {number}"));
        let barrier = Barrier::new(nodes.len());
        let answers: Vec<String> = thread::scope(|scope| {
            let threads = nodes.each_ref().map(|node| {
                scope.spawn(|| {
                    barrier.wait();
                    node.post(&push).is_status(200).body()
                })
            });
            threads.map(|thread| thread.join().unwrap()).into()
        });
        assert!(!answers[0].is_empty());
        assert_eq!(answers[0], answers[1]);
    }
    assert_eq!(cluster.sql("SELECT count(*) FROM messages"), "20");
}

#[test]
fn what_one_server_has_recorded_commands_of_the_other_show() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = [cluster.node(), cluster.node()];
    one.post(&subscribe().from("oAnna")).is_status(200);
    one.post(&text("good morning").from("oAnna")).is_status(200);
    other.command(&["followers", "list"]).ok().says("oAnna");
    other
        .command(&["messages", "list"])
        .ok()
        .says("good morning");
    other
        .command(&["check"])
        .ok()
        .says(&cluster.engine.url(&cluster.database))
        .says("1 follower");
    let status = other.command(&["status", "--json"]);
    let status = status.json();
    assert!(
        status["store_bytes"].is_null() && status["disk_free_bytes"].is_null(),
        "{status}"
    );
    assert_eq!(status["followers"], 1);
    assert!(!one.folder().join("wechat.db").exists());
    assert!(!other.folder().join("wechat.db").exists());
}
