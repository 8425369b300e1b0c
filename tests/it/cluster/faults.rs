//! A database that fails while servers run: pushes get 503 in time, and nothing that was acknowledged is missing.

use crate::support::cluster::Cluster;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::*;
use std::time::{Duration, Instant};

/// How long a push may take that is answered 503. A busy machine takes longer for anything.
const IN_TIME_FOR_WECHAT: Duration = Duration::from_millis(4_500);

/// A server, and the contents of the pushes that it has acknowledged.
struct Watched<'a> {
    cluster: &'a Cluster<'a>,
    node: Account,
    sent: u32,
    acknowledged: Vec<String>,
}

impl<'a> Watched<'a> {
    fn new(cluster: &'a Cluster<'a>) -> Watched<'a> {
        let node = cluster.node();
        let (sent, acknowledged) = (0, Vec::new());
        let mut watched = Watched {
            cluster,
            node,
            sent,
            acknowledged,
        };
        watched.works();
        watched
    }

    /// Sends a push and returns the status.
    fn push(&mut self) -> u16 {
        self.sent += 1;
        let content = format!("push {}", self.sent);
        let status = self.node.post(&text(&content)).response.status;
        if status == 200 {
            self.acknowledged.push(content);
        }
        status
    }

    /// Pushes are answered, soon.
    #[track_caller]
    fn works(&mut self) {
        let log = self.node.log().clone();
        eventually("a push that is answered", &log, || self.push() == 200);
    }

    /// Pushes are refused in time, and so is the health check.
    #[track_caller]
    fn refuses(&mut self) {
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(self.push(), 503, "{}", self.node.log());
            let took = begun.elapsed();
            assert!(took < IN_TIME_FOR_WECHAT, "{took:?}\n{}", self.node.log());
        }
        let health = self.node.get("/healthz");
        health.is_status(503);
    }

    /// What was acknowledged is there.
    #[track_caller]
    fn has_all(&self) {
        let rows = self.cluster.sql("SELECT content FROM messages");
        let rows: Vec<&str> = rows.lines().collect();
        for content in &self.acknowledged {
            assert!(rows.contains(&content.as_str()), "{content} is missing");
        }
    }
}

#[test]
fn a_server_that_hangs_is_read_only_or_lets_nobody_in_refuses_pushes_until_it_is_right_again() {
    let Some(engine) = Engine::start(&[]) else {
        return;
    };
    let cluster = Cluster::on(&engine);
    let mut watched = Watched::new(&cluster);

    engine.run("SET GLOBAL read_only = 1");
    watched.refuses();
    watched.node.log().says("is read only");
    engine.run("SET GLOBAL read_only = 0");
    watched.works();

    engine.run(&format!(
        "ALTER USER '{USER}'@'%' IDENTIFIED BY 'synthetic other'"
    ));
    engine.hang_up();
    watched.refuses();
    watched
        .node
        .log()
        .says("the password in store.password_file");
    engine.run(&format!(
        "ALTER USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'"
    ));
    watched.works();

    cluster.sql("UPDATE wechatd_schema SET version = 99, readable_by = 99");
    watched.refuses();
    watched.node.log().says("newer version 99");
    cluster.sql("UPDATE wechatd_schema SET version = 1, readable_by = 1");
    watched.works();

    engine.signal("STOP");
    watched.refuses();
    engine.signal("CONT");
    watched.works();

    watched.has_all();
}

#[test]
fn a_full_server_refuses_pushes_and_keeps_what_it_has_acknowledged() {
    let small = [
        "--innodb-file-per-table=0",
        "--innodb-data-file-path=ibdata1:12M;ibdata2:20M",
    ];
    let Some(engine) = Engine::start(&small) else {
        return;
    };
    let cluster = Cluster::on(&engine);
    let watched = Watched::new(&cluster);
    let filler = "x".repeat(500_000);
    let mut kept = 0;
    while watched.node.post(&text(&filler)).response.status == 200 {
        kept += 1;
        assert!(kept < 200, "never full");
    }
    watched.node.log().says("the server's disk is full");
    watched.has_all();
    let large = cluster.sql("SELECT count(*) FROM messages WHERE length(content) = 500000");
    assert_eq!(large, kept.to_string());
    watched.node.command(&["messages", "list"]).ok();
}

#[test]
fn modes_and_a_time_zone_of_the_server_change_nothing() {
    let Some(engine) = Engine::start(&["--default-time-zone=+08:00", "--sql-mode="]) else {
        return;
    };
    let cluster = Cluster::on(&engine);
    let node = cluster.node();
    let before = now();
    node.post(&text("hello")).is_status(200);
    let received: i64 = cluster
        .sql("SELECT received_at FROM messages")
        .parse()
        .unwrap();
    assert!(
        (before..=now()).contains(&received),
        "{received}, not {before}"
    );
    let checked = node.command(&["check", "--json"]);
    let mode = checked.json()["server"]["sql_mode"].to_string();
    assert!(mode.contains("STRICT_ALL_TABLES"), "{mode}");
}
