//! Copies between a file and a real server, where there is one.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::error::ErrorKind;
use super::super::followers::tests::push;
use super::super::mysql::engine::Engine;
use super::super::mysql::tests::new_database;
use super::super::options::Options;
use super::super::settings::APP_ID;
use super::super::tables::Kind;
use super::super::{MessageFilter, Reader, Store};
use super::*;
use crate::wechat::Effect;

/// Tables that are not copied: they are of one engine, or of servers that run at the moment.
const NOT_COPIED: &[&str] = &[
    "commits",
    "exchanged",
    "leases",
    "log_ins",
    "nodes",
    "wechatd_schema",
];

/// Columns that only a server has.
const OF_SERVER: &[(&str, &str)] = &[
    ("daily_counts", "shard"),
    ("forwards", "node"),
    ("forwards", "taken"),
    ("messages", "dedup"),
    ("troubles", "node"),
];

#[test]
fn every_table_and_column_of_both_engines_is_copied_or_named_here() {
    let Some(engine) = Engine::shared() else {
        return;
    };
    let of_server = new_database().unwrap();
    Store::open(&of_server).unwrap();
    let database = &of_server.server.as_ref().unwrap().database;
    let columns = engine.run(&format!(
        "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables
             USING (table_schema, table_name)
         WHERE table_schema = '{database}' AND table_type = 'BASE TABLE'"
    ));
    let column = |line: &str| {
        let (table, column) = line.split_once('\t').unwrap();
        (table.to_owned(), column.to_owned())
    };
    let of_server: BTreeSet<(String, String)> = columns
        .lines()
        .map(column)
        .filter(|(table, _)| !NOT_COPIED.contains(&table.as_str()))
        .collect();
    let mut file = rusqlite::Connection::open_in_memory().unwrap();
    sqlite::schema::migrate(&mut file).unwrap();
    let mut columns = file
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        )
        .unwrap();
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let of_file: BTreeSet<(String, String)> = columns.unwrap().map(Result::unwrap).collect();
    let mut listed: BTreeSet<(String, String)> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|column| (table.name, column.name)))
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    assert_eq!(listed, of_file);
    let more = OF_SERVER
        .iter()
        .map(|(table, column)| ((*table).to_owned(), (*column).to_owned()));
    listed.extend(more);
    assert_eq!(listed, of_server);
    // The key of each is that of SQLite.
    for table in TABLES {
        let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
        let mut keys = file.prepare(sql).unwrap();
        let keys = keys.query_map([table.name], |row| row.get(0)).unwrap();
        let keys: Vec<String> = keys.map(Result::unwrap).collect();
        let listed: Vec<&str> = table.keys().iter().map(|column| column.name).collect();
        assert_eq!(keys, listed, "{}", table.name);
    }
}

/// A file that is not there yet.
fn new_file() -> (TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wechat.db");
    (folder, Options::from(path.as_path()))
}

fn target(options: &Options) -> Place {
    Place::open(options, Role::Target, false).unwrap()
}

/// All that is copied.
fn dump(options: &Options) -> Vec<(&'static str, Vec<Values>)> {
    let mut place = Place::open(options, Role::Source, false).unwrap();
    let all = TABLES.iter().map(|table| {
        let (mut rows, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            place.with(|side| cursor.fill(side, table)).unwrap();
            if cursor.has_ended {
                break (table.name, rows);
            }
            rows.extend(cursor.rows.drain(..));
        }
    });
    all.collect()
}

#[track_caller]
fn assert_same(one: &Options, other: &Options) {
    for (one, other) in dump(one).into_iter().zip(dump(other)) {
        assert_eq!(one.0, other.0);
        assert_eq!(one.1.len(), other.1.len(), "{}", one.0);
        for (ours, theirs) in one.1.iter().zip(&other.1) {
            assert_eq!(ours, theirs, "{}", one.0);
        }
    }
}

/// Numbers without order that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What may be in a column with few values.
fn words(table: &str, column: &str) -> Option<&'static [&'static str]> {
    Some(match (table, column) {
        ("follow_log", "action") => &["subscribe", "unsubscribe"],
        ("follow_log", "source") => &["push", "sync"],
        ("jobs", "kind") => &["mass", "template", "publish"],
        ("hook_events", "state") => &["waiting", "delivered", "dead"],
        ("forwards", "state") => &["asked", "answered", "sent", "kept", "expired"],
        ("sent", "state") => &["sending", "sent", "refused", "unknown"],
        _ => return None,
    })
}

/// A row with this number; those of one number have the same key.
fn row(table: &Table, number: i64, numbers: &mut Numbers) -> Values {
    let texts = [
        "",
        "a",
        "A",
        "ä ",
        "微信 😀",
        "O'Brien \\ % _ \"",
        "\0\n\r\t",
        "a\u{301}",
        "NULL",
        " 12 ",
    ];
    let ids = [
        0,
        1,
        -1,
        512,
        1 << 52,
        1_790_000_000_000_007,
        i64::MAX,
        i64::MIN,
    ];
    let values = table.columns.iter().enumerate().map(|(at, column)| {
        let is_key = at < table.key;
        // Some unique keys are over other columns.
        let is_unique = is_key
            || ["dedup_key", "msg_id", "message_id", "once", "token_hash"].contains(&column.name);
        let may_be_null = matches!(
            column.name,
            "unionid"
                | "nickname"
                | "content"
                | "xml"
                | "reply"
                | "signature"
                | "media_id"
                | "last_error"
                | "first_id"
                | "counted"
                | "errcode"
                | "todo"
                | "way"
                | "error"
                | "agent"
        ) && !is_key;
        if may_be_null && numbers.below(3) == 0 {
            return Owned::Null;
        }
        match column.kind {
            Kind::Integer if table.name == "sync_state" && is_key => Owned::Integer(1),
            Kind::Integer if is_unique => Owned::Integer(number - 40),
            Kind::Integer if ["counts", "pending", "todo"].contains(&column.name) => {
                Owned::Integer(numbers.below(2) as i64)
            }
            Kind::Integer if table.name == "daily_counts" => {
                Owned::Integer(numbers.below(1_000_000) as i64)
            }
            Kind::Integer => Owned::Integer(numbers.one_of(&ids)),
            Kind::Text => {
                let text = match words(table.name, column.name) {
                    Some(words) => numbers.one_of(words),
                    None => numbers.one_of(&texts),
                };
                let text = match is_unique {
                    true => format!("{number:03} of {}", column.name),
                    false => text.to_owned(),
                };
                Owned::Text(text.into_bytes())
            }
            Kind::Bytes => Owned::Bytes((0..numbers.below(5_000)).map(|at| at as u8).collect()),
            Kind::Digest(length) => {
                let mut bytes = vec![255 - number as u8; length];
                bytes[0] = number as u8;
                Owned::Bytes(bytes)
            }
        }
    });
    values.collect()
}

/// Fills a store with rows of the numbers up to `most`.
fn fill(options: &Options, most: i64, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut place = target(options);
    for table in TABLES {
        let most = if table.name == "sync_state" { 1 } else { most };
        let rows: Vec<Values> = (0..most)
            .map(|number| row(table, number, &mut numbers))
            .collect();
        let put = place.with(|side| side.write(|side| side.put(table, &rows)));
        put.unwrap();
    }
}

fn copy(from: &Options, to: &Options, finish: bool) -> Result<Copied, StoreError> {
    copy_store(from, to, finish, &mut |_, _| {})
}

fn of_table(copied: &Copied, name: &str) -> (u64, u64, u64, u64) {
    let table = copied
        .tables
        .iter()
        .find(|table| table.name == name)
        .unwrap();
    (table.rows, table.added, table.changed, table.removed)
}

#[test]
fn a_store_goes_to_a_server_and_back_byte_by_byte() {
    let Some(server) = new_database() else {
        return;
    };
    let ((_folder, file), (_other, back)) = (new_file(), new_file());
    fill(&file, 200, 7);
    copy(&file, &server, true).unwrap();
    assert_same(&file, &server);
    copy(&server, &back, true).unwrap();
    assert_same(&file, &back);
    // What a server has besides is made there.
    let mut place = Place::open(&server, Role::Source, false).unwrap();
    const DIGESTS: super::super::statement::Statement = super::super::statement::statement!(
        "SELECT count(*) FROM messages WHERE dedup = unhex(sha2(dedup_key, 256))"
    );
    let digests =
        place.with(|side| side.with(|sql| sql.one(&DIGESTS, &[], |row| row.get::<i64>(0))));
    assert_eq!(digests, Ok(200));
}

#[test]
fn counts_that_are_shared_among_connections_become_one_row() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    let store = Store::open(&server).unwrap();
    for number in 0..60 {
        let (said, heard) = std::sync::mpsc::channel();
        store.record(
            push(number, "oSynOne", 1_000, Effect::None),
            move |outcome, _| {
                said.send(outcome.is_ok()).unwrap();
            },
        );
        assert!(heard.recv().unwrap());
    }
    store.close();
    copy(&server, &file, true).unwrap();
    assert_same(&server, &file);
    let store = Store::open(&file).unwrap();
    let filter = MessageFilter {
        limit: Some(100),
        since: Some(0),
        ..MessageFilter::default()
    };
    let mut found = 0;
    let reader = store.reader().unwrap();
    reader
        .export_messages(&filter, |_, cells| {
            found += usize::from(!cells.is_empty());
            Ok::<(), StoreError>(())
        })
        .unwrap();
    assert_eq!(found, 60);
}

#[test]
fn a_copy_that_was_interrupted_goes_on() {
    let Some(server) = new_database() else {
        return;
    };
    let ((_folder, file), (_other, back)) = (new_file(), new_file());
    fill(&file, 120, 3);
    for (from, to) in [(&file, &server), (&server, &back)] {
        let interrupted = catch_unwind(AssertUnwindSafe(|| {
            copy_store(from, to, false, &mut |done, _| {
                assert!(done < 700, "interrupted")
            })
            .ok()
        }));
        assert!(interrupted.is_err());
        let part = dump(to).iter().filter(|(_, rows)| !rows.is_empty()).count();
        assert!((2..TABLES.len()).contains(&part), "{part}");
        let refused = Store::open(to).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Moved);
        assert!(
            refused.to_string().contains("unfinished copy of"),
            "{refused}"
        );
        let copied = copy(from, to, true).unwrap();
        assert_eq!(of_table(&copied, "daily_counts"), (120, 0, 0, 0));
        assert_same(from, to);
    }
}

#[test]
fn what_came_changed_and_went_since_the_last_copy_is_taken_along() {
    let Some(server) = new_database() else {
        return;
    };
    let ((_folder, file), (_other, back)) = (new_file(), new_file());
    fill(&file, 100, 5);
    for (from, to) in [(&file, &server), (&server, &back)] {
        let before = of_table(&copy(from, to, false).unwrap(), "messages").0;
        let again = copy(from, to, false).unwrap();
        assert_eq!(of_table(&again, "messages"), (before, 0, 0, 0));
        let mut numbers = Numbers(99);
        let mut place = target(from);
        for table in TABLES.iter().filter(|table| table.name != "sync_state") {
            let mut rows: Vec<Values> = (0..100)
                .map(|number| row(table, number, &mut numbers))
                .collect();
            let keys: Vec<Values> = rows.iter().map(|row| table.key_of(row).to_vec()).collect();
            // Two rows change their unique values with one another.
            if table.name == "messages" {
                let (one, other) = (rows[3][1].clone(), rows[8][1].clone());
                (rows[3][1], rows[8][1]) = (other, one);
            }
            let changed = place.with(|side| {
                side.write(|side| {
                    side.remove(table, &keys[..20])?;
                    side.put(table, &rows[3..10])?;
                    side.put(table, &[row(table, 300, &mut numbers)])
                })
            });
            changed.unwrap();
        }
        drop(place);
        let copied = copy(from, to, true).unwrap();
        let (rows, added, _, removed) = of_table(&copied, "messages");
        assert_eq!((rows, added, removed), (88, 88 + 13 - before, 13));
        assert_same(from, to);
        fill(to, 100, 6);
    }
}

#[test]
fn sides_with_different_numbers_of_rows_do_not_agree() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    fill(&file, 20, 1);
    copy(&file, &server, false).unwrap();
    let (mut source, mut other) = (target(&file), target(&server));
    compare(&mut source, &mut other).unwrap();
    for table in TABLES.iter().filter(|table| table.name != "settings") {
        let first = other.with(|side| side.page(table, None)).unwrap().remove(0);
        let key = table.key_of(&first).to_vec();
        let write = |place: &mut Place, change: &dyn Fn(&mut dyn Side) -> sql::Result<()>| {
            place
                .with(|side| {
                    side.begin()?;
                    change(&mut *side)?;
                    side.end()
                })
                .unwrap();
        };
        write(&mut other, &|side| {
            side.remove(table, std::slice::from_ref(&key))
        });
        let refused = compare(&mut source, &mut other).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("table {} has ", table.name)),
            "{refused}"
        );
        write(&mut other, &|side| {
            side.put(table, std::slice::from_ref(&first))
        });
    }
}

fn refusal(from: &Options, to: &Options, finish: bool) -> String {
    copy(from, to, finish).unwrap_err().to_string()
}

#[test]
fn of_two_copies_at_most_one_can_be_written_to() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    let store = Store::open(&file).unwrap();
    store.keep_setting(APP_ID, "wxsynthetic").unwrap();
    let busy = refusal(&file, &server, true);
    assert!(busy.contains("stop the server first"), "{busy}");
    // While the server runs.
    copy(&file, &server, false).unwrap();
    store.keep_setting("name", "value").unwrap();
    drop(store);
    let swapped = refusal(&server, &file, false);
    assert!(swapped.contains("is an unfinished copy of"), "{swapped}");
    copy(&file, &server, true).unwrap();
    let store = Store::open(&server).unwrap();
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("value"));
    store.keep_setting("name", "newer").unwrap();
    let again = refusal(&file, &server, true);
    assert!(again.contains("was moved to"), "{again}");
    let moved = Store::open(&file).unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::Moved);
    let place = server.server.as_ref().unwrap().to_string();
    assert!(moved.to_string().contains(&place), "{moved}");
    assert_eq!(
        Reader::open(&file).unwrap().owner().unwrap().as_deref(),
        Some("wxsynthetic")
    );
    let (_other, third) = new_file();
    let stale = copy(&file, &new_database().unwrap(), false).unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Moved, "{stale}");
    drop(third);
    drop(store);
    // And back.
    copy(&server, &file, false).unwrap();
    assert_eq!(Store::open(&file).unwrap_err().kind(), ErrorKind::Moved);
    copy(&server, &file, true).unwrap();
    let store = Store::open(&file).unwrap();
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("newer"));
    let moved = Store::open(&server).unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::Moved);
    assert!(moved.to_string().contains("wechat.db"), "{moved}");
}

#[test]
fn a_node_that_did_not_notice_writes_nothing_to_a_store_that_was_moved() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    // As one that could not reach the database for a while.
    let store = Store::open(&server).unwrap();
    store.keep_setting("name", "value").unwrap();
    copy(&server, &file, true).unwrap();
    let refused = store.keep_setting("name", "lost").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Moved, "{refused}");
    assert!(refused.to_string().contains("wechat.db"), "{refused}");
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("value"));
}

#[test]
fn a_finish_that_ended_before_its_last_step_is_done_again() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    fill(&file, 10, 1);
    copy(&file, &server, false).unwrap();
    let to = server.server.as_ref().unwrap().to_string();
    target(&file).put(&Mark::Moved { to, at: 1 }).unwrap();
    copy(&file, &server, true).unwrap();
    assert!(Store::open(&server).is_ok());
    assert!(Store::open(&file).is_err());
}

#[test]
fn what_is_another_store_or_in_use_is_not_written_to() {
    let (Some(engine), Some(server)) = (Engine::shared(), new_database()) else {
        return;
    };
    let ((_folder, file), (_other, other)) = (new_file(), new_file());
    for (options, owner) in [(&file, "wxsynthetic"), (&other, "wxanother")] {
        Store::open(options)
            .unwrap()
            .keep_setting(APP_ID, owner)
            .unwrap();
    }
    let two = refusal(&file, &other, false);
    assert!(two.contains("both are files"), "{two}");
    let two = refusal(&server, &server, false);
    assert!(two.contains("both are databases"), "{two}");
    copy(&other, &server, false).unwrap();
    let account = refusal(&file, &server, false);
    assert!(
        account.contains("wxanother") && account.contains("wxsynthetic"),
        "{account}"
    );
    Store::open(&other)
        .unwrap()
        .keep_setting(APP_ID, "wxsynthetic")
        .unwrap();
    copy(&other, &server, false).unwrap();
    let rows = refusal(&file, &server, false);
    assert!(rows.contains("the rows of another store"), "{rows}");
    let database = &server.server.as_ref().unwrap().database;
    engine.run(&format!("UPDATE {database}.nodes SET seen_at = 0"));
    let columns = engine.run(&format!(
        "SELECT group_concat(column_name) FROM information_schema.columns
         WHERE table_schema = '{database}' AND table_name = 'nodes' AND column_name NOT IN ('name', 'seen_at')"
    ));
    let zeros = columns
        .trim()
        .split(',')
        .map(|_| "0")
        .collect::<Vec<_>>()
        .join(", ");
    engine.run(&format!(
        "INSERT INTO {database}.nodes (name, seen_at, {}) VALUES ('web-2', unix_timestamp(), {zeros})", columns.trim()
    ));
    let node = refusal(&other, &server, true);
    assert!(node.contains("a server runs on web-2"), "{node}");
    engine.run(&format!("UPDATE {database}.nodes SET seen_at = 0"));
    copy(&other, &server, true).unwrap();
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_table_and_key() {
    let Some(server) = new_database() else {
        return;
    };
    let (_folder, file) = new_file();
    let store = Store::open(&file).unwrap();
    let long = "o".repeat(400);
    let long = format!(
        "INSERT INTO scene_counts (scene, quarter) VALUES ('poster', 1), ('{long}', 7), ('z', 1)"
    );
    for (sql, named) in [
        (
            "INSERT INTO tags (id, name) VALUES (17, x'00ff')",
            "table tags, id 17: name is not a text",
        ),
        (
            "INSERT INTO tags (id, name) VALUES (17, CAST(x'ff61' AS TEXT))",
            "table tags, id 17: Incorrect string",
        ),
        (
            "INSERT INTO media_files (message_id, attempts) VALUES (3, 'many')",
            "table media_files, message_id 3: attempts is not a number",
        ),
        (&long, "quarter 7: Data too long for column 'scene'"),
        (
            "INSERT INTO used_signatures VALUES (x'0102', 1, 1)",
            "table used_signatures, signature 0102: signature is not 20 bytes",
        ),
    ] {
        let write = |sql: &str| {
            let sql = sql.to_owned();
            let done = store
                .writer
                .write_sqlite(move |connection| connection.execute_batch(&sql));
            done.unwrap();
        };
        write(sql);
        let refused = refusal(&file, &server, false);
        assert!(refused.contains(named), "{refused}");
        write(
            "DELETE FROM tags; DELETE FROM media_files; DELETE FROM scene_counts; DELETE FROM used_signatures",
        );
    }
    copy(&file, &server, false).unwrap();
}

fn statistics(options: &Options) -> String {
    let reader = Reader::open(options).unwrap();
    format!(
        "{:?} {:?}",
        reader.rule_hits(1_790_000_000).unwrap(),
        reader.owner()
    )
}

#[test]
fn a_backup_of_a_server_is_a_file_and_is_restored_into_an_empty_database_only() {
    let (Some(server), Some(empty)) = (new_database(), new_database()) else {
        return;
    };
    let (folder, file) = new_file();
    fill(&file, 150, 9);
    copy(&file, &server, true).unwrap();
    let path: PathBuf = folder.path().join("copy.db");
    let mut progress = Vec::new();
    let reader = Reader::open(&server).unwrap();
    reader
        .backup(&path, |done, of| progress.push((done, of)))
        .unwrap();
    assert!(progress.iter().all(|(done, of)| done <= of), "{progress:?}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let files = std::fs::read_dir(folder.path()).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(
        files,
        BTreeSet::from(["copy.db".into(), "wechat.db".into()])
    );
    let copied = Options::from(path.as_path());
    assert_same(&server, &copied);
    assert_eq!(statistics(&server), statistics(&copied));
    let taken = reader.backup(&path, |_, _| {}).unwrap_err().to_string();
    assert!(taken.contains("exists already"), "{taken}");
    let restore = |options: &Options| {
        restore_to_server(&path, options.server.as_ref().unwrap(), &mut |_, _| {})
    };
    let full = restore(&server).unwrap_err().to_string();
    assert!(
        full.contains("there is something in the database"),
        "{full}"
    );
    restore(&empty).unwrap();
    assert_same(&server, &empty);
    assert!(Store::open(&empty).is_ok());
    // A file that a server has is one, whatever else it was.
    let store = Store::open(&copied).unwrap();
    assert!(store.keep_setting("name", "value").is_ok());
}
