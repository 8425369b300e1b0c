//! The store on a real server, where there is one: see the module `engine`.

mod forwards;
mod leases;
mod races;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::ErrorKind;
use super::super::followers::tests::push;
use super::super::options::{Options, Server, Tls};
use super::super::settings;
use super::super::sql::{Owned, Sql, values};
use super::super::sqlite;
use super::super::statement::{Statement, statement};
use super::super::statements::all;
use super::super::{Reader, Recorded, Store};
use super::engine::{Cut, Engine, PASSWORD};
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::session::Connection;
use crate::secret::Secret;
use crate::wechat::Effect;

const MAKE: Statement = statement!(
    "CREATE TABLE things (id BIGINT PRIMARY KEY, name VARBINARY(128) UNIQUE, words MEDIUMTEXT, hash BINARY(4)) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"
);
const ADD: Statement =
    statement!("INSERT INTO things (id, name, words, hash) VALUES (?1, ?2, ?3, ?4)");
const ADD_WITH_ID: Statement = statement!("INSERT INTO things (id, name) VALUES (?2, ?1)");
const PUT: Statement = statement!(
    "INSERT INTO things (id, name, words) VALUES (?1, ?2, ?3) ON DUPLICATE KEY UPDATE words = ?3"
);
const RENAME: Statement = statement!("UPDATE things SET words = ?2 WHERE name = ?1");
const ALL: Statement =
    statement!("SELECT id, name, words, hash, NULL, 1.5E0, name = ?1 FROM things ORDER BY id");
const SUM: Statement = statement!("SELECT count(*), sum(id), max(id), sum(id) / 4 FROM things");
const ROWS: Statement = statement!(
    "SELECT a.column_name FROM information_schema.columns AS a, information_schema.columns AS b"
);

/// The options of a store in this database of this server.
fn options(engine: &Engine, database: &str) -> Options {
    let mut server: Server = engine.url(database).parse().unwrap();
    server.password = Some(Secret::new(PASSWORD));
    server.tls = Tls::Off;
    Options {
        server: Some(server),
        ..Options::from(Path::new("/nonexistent/wechat.db"))
    }
}

/// The options of a store in a new database of the shared server; `None` where there is no server.
pub(in super::super) fn new_database() -> Option<Options> {
    let engine = Engine::shared()?;
    Some(options(engine, &engine.database()))
}

fn connection(options: &Options, purpose: Purpose) -> Connection {
    let hosts = Arc::new(Hosts::new(options.server.as_ref().unwrap()));
    Connection::new(&hosts, &Arc::new(Ids::new().unwrap()), purpose)
}

#[test]
fn statements_return_what_was_written_and_count_rows_as_sqlite_does() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let options = options(engine, &engine.database());
    let mut connection = connection(&options, Purpose::Committing);
    let sql: &mut dyn Sql = &mut connection;
    sql.run(&MAKE, &[]).unwrap();
    let bytes = [0_u8, 255, 39, 128];
    let first = sql.insert(&ADD, values!["oA", "words 'of' 微信 😀", bytes]);
    let first = first.unwrap().unwrap();
    assert_eq!(sql.insert(&ADD, values!["oA", "again", bytes]), Ok(None));
    // Openids that differ in case are two people.
    let second = sql.insert(&ADD, values!["oa", None::<&str>, bytes]);
    let second = second.unwrap().unwrap();
    assert!(second > first);
    assert_eq!(sql.run(&ADD_WITH_ID, values!["other", first]), Ok(0));
    assert_eq!(sql.run(&PUT, values![7, "oP", "one"]), Ok(1));
    assert_eq!(sql.run(&PUT, values![7, "oP", "two"]), Ok(1));
    // Found, and not changed.
    assert_eq!(sql.run(&RENAME, values!["oP", "two"]), Ok(1));
    assert_eq!(sql.run(&RENAME, values!["nobody", "two"]), Ok(0));
    let rows: Vec<Vec<Owned>> = sql
        .all(&ALL, values!["oA"], |row| {
            Ok((0..7).map(|at| row.value(at).to_owned()).collect())
        })
        .unwrap();
    let text = |text: &str| Owned::Text(text.into());
    let rest = |is_a| [Owned::Null, Owned::Real(1.5), Owned::Integer(is_a)];
    let hash = Owned::Bytes(bytes.to_vec());
    let row = |id, name, words, hash, is_a| {
        [
            vec![Owned::Integer(id), text(name), words, hash],
            rest(is_a).to_vec(),
        ]
        .concat()
    };
    assert_eq!(
        rows,
        [
            row(7, "oP", text("two"), Owned::Null, 0),
            row(first, "oA", text("words 'of' 微信 😀"), hash.clone(), 1),
            row(second, "oa", Owned::Null, hash, 0),
        ]
    );
    let sums: (i64, i64, i64, Owned) = sql
        .one(&SUM, &[], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.value(3).to_owned(),
            ))
        })
        .unwrap();
    assert_eq!((sums.0, sums.1, sums.2), (3, 7 + first + second, second));
    assert!(matches!(sums.3, Owned::Real(_) | Owned::Integer(_)));
    let long = "o".repeat(129);
    let refused = sql
        .insert(&ADD, values![long, "too long", bytes])
        .unwrap_err();
    assert!(
        !refused.concerns_all && refused.reason.contains("too long"),
        "{refused:?}"
    );
    let wrong = sql.run(&RENAME, values!["one value"]).unwrap_err();
    assert!(
        wrong.reason.starts_with("1 values for the 2 of "),
        "{wrong:?}"
    );
}

#[test]
fn a_statement_returns_the_same_when_it_is_sent_with_others() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let options = options(engine, &engine.database());
    let mut connection = connection(&options, Purpose::Committing);
    connection.run(&MAKE, &[]).unwrap();
    let bytes = [0_u8, 255, 39, 128];
    let row = values!["oA", "words 'of' 微信 \\ 😀", bytes];
    connection.insert(&ADD, row).unwrap().unwrap();
    connection
        .insert(&ADD, values!["oB", None::<&str>, bytes])
        .unwrap();
    let found = |sql: &mut dyn Sql| {
        let mut rows: Vec<Vec<Owned>> = Vec::new();
        for (statement, values) in [(&ALL, &values!["oA"][..]), (&SUM, &[])] {
            // Where a transaction is open, each is sent with one before it.
            sql.run_soon(&RENAME, values!["nobody", "words"]).unwrap();
            let all = sql.all(statement, values, |row| {
                Ok((0..row.columns())
                    .map(|at| row.value(at).to_owned())
                    .collect())
            });
            rows.extend(all.unwrap());
        }
        let mut counts = Vec::new();
        for (statement, values) in [
            (&RENAME, &values!["oB", "same"][..]),
            (&RENAME, values!["oB", "same"]),
            (&RENAME, values!["nobody", "same"]),
            (&PUT, values![7, "oP", "one"]),
            (&PUT, values![7, "oP", "two"]),
            (&ADD_WITH_ID, values!["oP", 8]),
        ] {
            sql.run_soon(&RENAME, values!["nobody", "words"]).unwrap();
            counts.push(sql.run(statement, values).unwrap());
        }
        sql.run_soon(&RENAME, values!["nobody", "words"]).unwrap();
        (rows, counts, sql.insert(&ADD, row).unwrap())
    };
    connection.begin(Instant::now() + Duration::from_secs(60));
    let together = found(&mut connection);
    connection.roll_back();
    assert_eq!(together.0.len(), 3);
    assert_eq!(
        (&together.1[..], together.2),
        (&[1, 1, 0, 1, 1, 0][..], None)
    );
    assert_eq!(found(&mut connection), together);
}

#[test]
fn a_reader_stops_in_the_middle_of_millions_of_rows_and_reads_on() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let options = options(engine, &engine.database());
    let mut connection = connection(&options, Purpose::Reading);
    for _ in 0..3 {
        let mut count = 0;
        let done = connection.rows(&ROWS, &[], &mut |_| {
            count += 1;
            Ok(match count {
                5 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
        });
        assert_eq!((done, count), (Ok(()), 5));
    }
}

#[test]
fn a_reader_whose_connection_was_ended_connects_again() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let options = options(engine, &engine.database());
    let mut connection = connection(&options, Purpose::Reading);
    connection.run(&MAKE, &[]).unwrap();
    let (_, number) = connection.number().unwrap();
    engine.run(&format!("KILL {number}"));
    let sql: &mut dyn Sql = &mut connection;
    assert_eq!(sql.one(&SUM, &[], |row| row.get::<i64>(0)), Ok(0));
    assert!(connection.number().is_some_and(|(_, now)| now != number));
}

#[test]
fn the_server_understands_every_statement() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let options = options(engine, &engine.database());
    Store::open(&options).unwrap();
    let mut connection = connection(&options, Purpose::Reading);
    let refused: Vec<String> = all()
        .filter(|(_, statement)| !statement.mysql.is_empty())
        .filter_map(|(name, statement)| {
            let prepared = connection.prepare(statement);
            prepared.err().map(|error| format!("{name}: {error}"))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn tables_and_views_have_the_columns_that_they_have_in_sqlite() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let database = engine.database();
    let options = options(engine, &database);
    // Opened twice, it is not made twice.
    Store::open(&options).unwrap();
    Store::open(&options).unwrap();
    let mut file = rusqlite::Connection::open_in_memory().unwrap();
    sqlite::schema::migrate(&mut file).unwrap();
    let mut columns = file
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
             WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite_%'",
        )
        .unwrap();
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let there = engine.run(&format!(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{database}'"
    ));
    for column in columns.unwrap() {
        let (table, name): (String, String) = column.unwrap();
        assert!(
            there.contains(&format!("{table}\t{name}\n")),
            "{table}.{name}"
        );
    }
    for view in there.lines().filter_map(|line| line.split('\t').next()) {
        engine.run(&format!("SELECT * FROM {database}.{view}"));
    }
}

fn refusal(options: &Options) -> (ErrorKind, String) {
    let error = Store::open(options).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn a_database_of_another_program_or_a_newer_version_is_refused() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let foreign = engine.database();
    engine.run(&format!("CREATE TABLE {foreign}.posts (id INT)"));
    let (_, text) = refusal(&options(engine, &foreign));
    assert!(text.contains("belongs to another program"), "{text}");

    let newer = engine.database();
    let open = options(engine, &newer);
    let none = Reader::open(&open).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Gone);
    assert!(Reader::open_if_any(&open).unwrap().is_none());
    Store::open(&open).unwrap();
    // A newer version that this one can still read, and one that it cannot.
    let put = |version, readable_by| {
        let set = format!("version = {version}, readable_by = {readable_by}");
        engine.run(&format!("UPDATE {newer}.wechatd_schema SET {set}"));
    };
    put(1_000, 1);
    Store::open(&open).unwrap();
    Reader::open(&open).unwrap();
    put(1_000, 1_000);
    let (_, text) = refusal(&open);
    assert!(text.contains("newer version 1000"), "{text}");
    assert!(Reader::open(&open).is_err());
}

#[test]
fn a_server_that_cannot_be_used_is_refused_with_what_to_do() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let there = options(engine, &engine.database());
    let with = |change: &dyn Fn(&mut Server)| {
        let mut options = there.clone();
        change(options.server.as_mut().unwrap());
        refusal(&options).1
    };
    let wrong = with(&|server| server.password = Some(Secret::new("wrong")));
    assert!(
        wrong.contains("error 1045") && wrong.contains("store.password_file"),
        "{wrong}"
    );
    let none = with(&|server| server.database = "wechatd_none".to_owned());
    assert!(none.contains("CREATE DATABASE"), "{none}");
    let rights = with(&|server| server.database = "mysql".to_owned());
    assert!(rights.contains("GRANT ALL"), "{rights}");
    let plain = with(&|server| server.tls = Tls::Required);
    assert!(plain.contains("store.tls"), "{plain}");
    let away = with(&|server| server.hosts[0].port = 1);
    assert!(
        away.contains("127.0.0.1:1: ") && away.contains("can be reached"),
        "{away}"
    );
}

#[test]
fn the_writable_host_is_kept() {
    let (Some(engine), Some(replica)) = (Engine::shared(), Engine::start(&["--read-only"])) else {
        return;
    };
    let database = engine.database();
    replica.run(&format!("CREATE DATABASE {database}"));
    let mut options = options(engine, &database);
    let server = options.server.as_mut().unwrap();
    let mut first = server.hosts[0].clone();
    first.port = replica.address().port();
    server.hosts.insert(0, first);
    let store = Store::open(&options).unwrap();
    store.keep_setting("name", "value").unwrap();
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("value"));
    server_only_read(&options);
}

#[test]
fn what_is_read_comes_from_the_host_that_is_written_to_also_after_another_has_taken_over() {
    let (Some(engine), Some(old)) = (Engine::shared(), Engine::start(&[])) else {
        return;
    };
    let database = engine.database();
    old.run(&format!("CREATE DATABASE {database}"));
    let next = options(engine, &database);
    let mut both = next.clone();
    let server = both.server.as_mut().unwrap();
    server.hosts.insert(0, server.hosts[0].clone());
    server.hosts[0].port = old.address().port();
    for (options, owner) in [(&next, "new"), (&both, "old")] {
        Store::open(options).unwrap().claim(owner).unwrap();
    }
    let store = Store::open(&both).unwrap();
    let owner = || store.read(Reader::owner).unwrap().unwrap();
    assert_eq!(owner(), "old");
    let writable = || store.read(Reader::server).unwrap().unwrap().writable.len();
    assert_eq!(writable(), 2);
    // It goes on, as a replica would.
    old.run("SET GLOBAL read_only = 1");
    store.keep_setting("name", "value").unwrap();
    assert_eq!(owner(), "new");
    assert_eq!(writable(), 1);
}

/// Where only the host that is read only is named, nothing is written.
fn server_only_read(options: &Options) {
    let mut options = options.clone();
    options.server.as_mut().unwrap().hosts.truncate(1);
    let (_, text) = refusal(&options);
    assert!(text.contains("is read only"), "{text}");
}

const COUNTER: Statement = statement!("INSERT INTO things (id, name) VALUES (1, '0')");
const COUNT: Statement =
    statement!("UPDATE things SET name = CAST(name AS UNSIGNED) + 1 WHERE id = ?1");
const COUNTED: Statement = statement!("SELECT CAST(name AS SIGNED) FROM things WHERE id = ?1");

#[test]
fn a_commit_that_was_cut_takes_effect_once() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    for cuts in [
        vec![],
        vec![Cut::Answer],
        vec![Cut::Request],
        vec![Cut::Answer, Cut::Request, Cut::Request],
    ] {
        let mut options = options(engine, &engine.database());
        let server = options.server.as_mut().unwrap();
        server.connections = 1;
        let store = Store::open(&options).unwrap();
        let made = store.writer.write(|sql| {
            sql.run(&MAKE, &[])?;
            sql.run(&COUNTER, &[])
        });
        made.unwrap();
        drop(store);
        let server = options.server.as_mut().unwrap();
        let left = Arc::new(Mutex::new(cuts.clone()));
        server.hosts[0].port = engine.cutting(&left).port();
        let store = Store::open(&options).unwrap();
        assert_eq!(
            store.writer.write(|sql| sql.run(&COUNT, values![1])),
            Ok(1),
            "{cuts:?}"
        );
        assert_eq!(counted(&store), 1, "{cuts:?}");
        assert_eq!(*left.lock().unwrap(), []);
    }
}

fn counted(store: &Store) -> i64 {
    let reader = store.reader().unwrap();
    let found = reader.read(|sql| sql.one(&COUNTED, values![1], |row| row.get(0)));
    found.unwrap()
}

#[test]
fn what_many_connections_count_at_once_is_counted_whole() {
    let Some(options) = new_database() else {
        return;
    };
    let stores = [
        Store::open(&options).unwrap(),
        Store::open(&options).unwrap(),
    ];
    let made = stores[0].writer.write(|sql| {
        sql.run(&MAKE, &[])?;
        sql.run(&COUNTER, &[])?;
        sql.run(&ADD_WITH_ID, values!["other", 2])
    });
    made.unwrap();
    thread::scope(|scope| {
        for (number, store) in stores.iter().cycle().take(8).enumerate() {
            scope.spawn(move || {
                for _ in 0..25 {
                    // Half of them lock the two rows in the other order, which deadlocks.
                    let order = if number % 4 < 2 { [1, 2] } else { [2, 1] };
                    let done = store.writer.write(move |sql| {
                        let touch = |sql: &mut dyn Sql, id| match id {
                            1 => sql.run(&COUNT, values![1]),
                            _ => sql.run(&RENAME, values!["other", number as i64]),
                        };
                        touch(sql, order[0])?;
                        touch(sql, order[1])
                    });
                    assert!(done.is_ok(), "{done:?}");
                }
            });
        }
    });
    assert_eq!(counted(&stores[0]), 200);
}

#[test]
fn one_push_at_two_nodes_is_recorded_once() {
    let Some(options) = new_database() else {
        return;
    };
    let stores = [
        Store::open(&options).unwrap(),
        Store::open(&options).unwrap(),
    ];
    let (said, heard) = channel();
    for number in 0..40 {
        for (node, store) in stores.iter().enumerate() {
            for _ in 0..2 {
                let mut push = push(number, "oSynOne", 1_000, Effect::None);
                push.reply = Some(format!("of node {node}"));
                let said = said.clone();
                store.record(push, move |outcome, _| {
                    said.send((number, node, outcome)).unwrap()
                });
            }
        }
    }
    drop(said);
    let mut new = BTreeMap::new();
    let mut again = Vec::new();
    for (number, node, outcome) in heard {
        match outcome.unwrap() {
            Recorded::New { .. } => assert_eq!(new.insert(number, node), None),
            Recorded::Again { reply, .. } => again.push((number, reply)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new.len(), again.len()), (40, 120));
    for (number, reply) in again {
        assert_eq!(reply, Some(format!("of node {}", new[&number])));
    }
}

#[test]
fn what_a_frozen_server_does_not_take_fails_in_time_and_works_again_after() {
    let Some(engine) = Engine::start(&[]) else {
        return;
    };
    let store = Store::open(&options(&engine, &engine.database())).unwrap();
    store.keep_setting("name", "before").unwrap();
    engine.signal("STOP");
    let begun = Instant::now();
    let failed = store.keep_setting("name", "meanwhile").unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_millis(4_500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(failed.kind(), ErrorKind::Busy, "{failed}");
    engine.signal("CONT");
    store.keep_setting("name", "after").unwrap();
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("after"));
}

#[track_caller]
fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not become true");
        thread::sleep(Duration::from_millis(10));
    }
}

const HAS: Statement = statement!("SELECT 1 FROM messages WHERE dedup_key = ?1 AND openid = ?2");

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_dies_and_its_replica_is_promoted() {
    let Some((primary, replica)) = Engine::pair() else {
        return;
    };
    let mut options = options(&primary, &primary.database());
    let server = options.server.as_mut().unwrap();
    let mut second = server.hosts[0].clone();
    second.port = replica.address().port();
    server.hosts.push(second);
    let store = Store::open(&options).unwrap();
    let acked = Mutex::new(Vec::new());
    let goes_on = AtomicBool::new(true);
    let count = || acked.lock().unwrap().len();
    let mut promoted = Instant::now();
    thread::scope(|scope| {
        for number in 0..8 {
            let (store, acked, goes_on) = (&store, &acked, &goes_on);
            scope.spawn(move || {
                let (said, heard) = channel();
                for number in (number * 1_000_000).. {
                    let push = push(number, "oSynOne", 1_000, Effect::None);
                    let key = push.dedup_key.clone();
                    // WeChat delivers it again where it was not acknowledged; here it is given up.
                    let said = said.clone();
                    store.record(push, move |outcome, _| said.send(outcome.is_ok()).unwrap());
                    if heard.recv().unwrap() {
                        acked.lock().unwrap().push((Instant::now(), key));
                    }
                    if !goes_on.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        eventually(|| count() > 500);
        primary.signal("KILL");
        replica.promote();
        promoted = Instant::now();
        let before = count();
        eventually(|| count() > before + 500);
        goes_on.store(false, Ordering::Relaxed);
    });
    let acked = acked.into_inner().unwrap();
    let first = acked.iter().find(|(at, _)| *at > promoted).unwrap().0;
    let pause = first.duration_since(promoted);
    eprintln!(
        "{} acknowledged, works again {pause:?} after the promotion",
        acked.len()
    );
    let reader = store.reader().unwrap();
    let lost = acked.iter().filter(|(_, key)| {
        let found = reader.read(|sql| sql.exists(&HAS, values![key, "oSynOne"]));
        !found.unwrap()
    });
    assert_eq!(lost.count(), 0);
    assert!(pause < Duration::from_secs(15), "{pause:?}");
}

#[test]
fn what_a_machine_that_died_in_a_transaction_had_locked_is_free_while_a_push_waits() {
    let Some(options) = new_database() else {
        return;
    };
    let [dead, next] = [(); 2].map(|()| Store::open(&options).unwrap());
    let (locked, is_locked) = channel();
    let (wakes, waits) = channel::<()>();
    thread::scope(|scope| {
        // The server does not hear that its machine has gone.
        let work = move |sql: &mut dyn Sql| {
            settings::put(sql, "name", "dead")?;
            locked.send(()).ok();
            waits.recv().ok();
            Ok(())
        };
        let dead = scope.spawn(|| dead.writer.write(work));
        is_locked.recv().unwrap();
        let written = next.keep_setting("name", "next");
        drop(wakes);
        assert_eq!(written, Ok(()));
        // It was not dead: what it has begun is done again.
        assert_eq!(dead.join().unwrap(), Ok(()));
    });
    assert_eq!(next.setting("name").unwrap().as_deref(), Some("dead"));
}
