//! Growth: does it stay as fast with thousands of rules and millions of followers and messages?

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;
use serde_json::json;

use crate::options::Options;
use crate::process::{Server, Setup, program};
use crate::push::{Kind, Recipe};
use crate::report::{Figures, Row, json_rows, measure, print_table, shown};
use crate::sync::{self, SyncRow, Synced};
use crate::throughput::of;

/// Numbers of rules.
const RULES: [usize; 3] = [1, 100, 10_000];

/// Approximate size of one generated follower and message with their indexes, in bytes.
const ROW_BYTES: u64 = 250 + 900;

/// Rules first, then rows, then syncs with a hundredth and a tenth as many followers.
pub fn run(options: &Options) {
    let connections = *options.connections.last().unwrap_or(&64);
    let rules: Vec<(String, Server)> = RULES
        .iter()
        .map(|&count| {
            let setup = Setup {
                rules: mixed_rules(count),
                ..Setup::default()
            };
            (format!("{count} rules"), setup.start())
        })
        .collect();
    let by_rules = compare(options, &rules, connections);
    drop(rules);

    let mut stores = vec![("0 rows".to_owned(), Setup::default().start())];
    let free = free_bytes(&std::env::temp_dir());
    for rows in [options.rows / 10, options.rows] {
        if free < rows * ROW_BYTES * 2 {
            println!("{rows} rows: skipped, not enough space on the disk");
            continue;
        }
        stores.push((format!("{rows} followers and messages"), grown(rows)));
    }
    let by_rows = compare(options, &stores, connections);
    let queries: Vec<(String, f64)> = stores
        .iter()
        .flat_map(|(name, server)| {
            questions(server)
                .into_iter()
                .map(move |(what, ms)| (format!("{what}, {name}"), ms))
        })
        .collect();
    drop(stores);
    let [few, many] = [options.rows / 100, options.rows / 10]
        .map(|followers| sync::first_and_again(&Synced::new(followers)));
    let ratios = sync::growth(&few, &many);
    let syncs: Vec<SyncRow> = few.into_iter().chain(many).collect();
    if options.json {
        let value = json!({
            "rules": json_rows(&by_rules), "rows": json_rows(&by_rows), "questions_ms": queries,
            "syncs": sync::json_syncs(&syncs), "sync_ratios": ratios,
        });
        println!("{value}");
        return;
    }
    print_table("Growth of the rules", &by_rules);
    print_table("Growth of the store", &by_rows);
    println!("\n| question | ms |\n|---|---:|");
    for (what, ms) in queries {
        println!("| {what} | {} |", shown(ms));
    }
    sync::print_syncs(&syncs);
    println!("\n| ratio | value |\n|---|---:|");
    for (name, value) in ratios {
        println!("| {name} | {} |", shown(value));
    }
}

/// All servers in turn, with texts and with follows over keep-alive connections.
fn compare(options: &Options, servers: &[(String, Server)], connections: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in [Kind::Text, Kind::Follow] {
        let recipe = Recipe::new(kind, false, false);
        let mut runs: Vec<Vec<Figures>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.repeat {
            for ((_, server), figures) in servers.iter().zip(&mut runs) {
                figures.push(measure(
                    options,
                    of(server).as_place(),
                    &recipe,
                    connections,
                ));
            }
        }
        for ((name, _), figures) in servers.iter().zip(&runs) {
            rows.push((format!("{name}, {}", kind.name()), Figures::median(figures)));
        }
    }
    rows
}

/// Rules of all four kinds in turn. Only the last matches a push of the bench.
fn mixed_rules(count: usize) -> String {
    let mut text = String::new();
    for n in 1..count {
        let test = match n % 4 {
            0 => format!("equals = \"keyword {n}\""),
            1 => format!("prefix = \"#{n} \""),
            2 => format!("contains = \"topic-{n}-\""),
            _ => format!("regex = '^order {n}-(\\d+)$'"),
        };
        writeln!(
            text,
            "[[rule]]\nmessage = \"text\"\n{test}\ntext = \"Answer {n}\"\n"
        )
        .unwrap();
    }
    text + "[[rule]]\nmessage = \"text\"\ntext = \"Send @ followed by your suggestion.\"\n"
}

/// A server whose store has `rows` followers and as many messages.
fn grown(rows: u64) -> Server {
    let folder = Setup::default().folder();
    let store = folder.path().join("wechat.db");
    drop(wechatd::store::Store::open(&store.as_path().into()).unwrap());
    let connection = Connection::open(&store).unwrap();
    // For filling only: nothing of value is lost if the bench crashes.
    let fill = format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;
         BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO followers (openid, subscribe_time, subscribe_scene, tagid_list, language, profile_at)
         SELECT printf('oGrown%022d', i), unixepoch() - ({rows} - i) % 15552000, 'ADD_SCENE_SEARCH', '[]', 'zh_CN', unixepoch() FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO follow_log (openid, action, at, source, scene)
         SELECT printf('oGrown%022d', i), 'subscribe', unixepoch() - ({rows} - i) % 15552000, 'push',
                iif(i % 4 = 0, 'poster-' || (i * 7919 % 1000), NULL) FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO messages (dedup_key, openid, msg_type, event, msg_id, content, xml, created_at, received_at, rule, reply)
         SELECT printf('%d|oGrown%022d', 24000000000000000 + i, i), printf('oGrown%022d', i),
                iif(i % 10 = 0, 'event', 'text'), iif(i % 10 = 0, 'SCAN', NULL), 24000000000000000 + i,
                iif(i % 10 = 0, 'poster-' || (i * 7919 % 1000), 'What do you have today?'), printf('<xml>%.300c</xml>', 'x'),
                unixepoch() - ({rows} - i) * 15000000 / {rows}, unixepoch() - ({rows} - i) * 15000000 / {rows}, 'help',
                printf('<xml>%.250c</xml>', 'x')
         FROM n;
         INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
         SELECT received_at / 900, sum(msg_type <> 'event'), count(*), min(id), max(id) FROM messages GROUP BY 1
         ON CONFLICT (quarter) DO UPDATE SET messages = excluded.messages, pushes = excluded.pushes,
             first_id = excluded.first_id, last_id = excluded.last_id;
         COMMIT;"
    );
    connection.execute_batch(&fill).unwrap();
    drop(connection);
    Setup::default().start_in(folder)
}

/// Typical queries of an owner, in milliseconds.
fn questions(server: &Server) -> Vec<(&'static str, f64)> {
    let config = server.config();
    let command = |arguments: &[&str]| {
        let started = Instant::now();
        let ran = Command::new(program())
            .arg("--config")
            .arg(&config)
            .args(arguments)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{arguments:?}");
        started.elapsed().as_secs_f64() * 1e3
    };
    let connection = Connection::open(server.store()).unwrap();
    let query = |sql: &str| {
        let started = Instant::now();
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
        started.elapsed().as_secs_f64() * 1e3
    };
    vec![
        (
            "followers list --limit 20",
            command(&["followers", "list", "--limit", "20"]),
        ),
        (
            "messages list --limit 20",
            command(&["messages", "list", "--limit", "20"]),
        ),
        ("qrcode stats", command(&["qrcode", "stats"])),
        (
            "messages list --from OPENID",
            command(&["messages", "list", "--from", "oGrown0000000000000000000007"]),
        ),
        ("daily_v", query("SELECT * FROM daily_v")),
        ("daily_v limit 30", query("SELECT * FROM daily_v LIMIT 30")),
        (
            "messages_v limit 20",
            query("SELECT * FROM messages_v LIMIT 20"),
        ),
    ]
}

fn free_bytes(folder: &Path) -> u64 {
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(folder)
        .output();
    let text = df.map(|df| String::from_utf8_lossy(&df.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .nth(1)
        .and_then(|bytes| bytes.trim().parse().ok())
        .unwrap_or(0)
}
