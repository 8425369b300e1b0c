//! All statements of the store: each engine understands its own texts.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;

use super::sqlite::schema::migrate;
use super::statement::Statement;
use super::{
    admin, contact, daily_counts, erase, exchanged, fence, follow_counts, followers, forwards,
    forwards_open, forwards_read, growth, hooks, inbox, jobs, kept, lease, log_ins, media,
    media_files, messages, node, outbox, pictures, profiles, record, rows, rule_counts, scenes,
    sent, sessions, settings, signatures, sync, tags, troubles, used,
};

/// The statements of every file that has some.
const ALL: &[(&str, &[(&str, &Statement)])] = &[
    ("admin", admin::STATEMENTS),
    ("contact", contact::STATEMENTS),
    ("daily_counts", daily_counts::STATEMENTS),
    ("erase", erase::STATEMENTS),
    ("fence", fence::STATEMENTS),
    ("exchanged", exchanged::STATEMENTS),
    ("follow_counts", follow_counts::STATEMENTS),
    ("followers", followers::STATEMENTS),
    ("forwards", forwards::STATEMENTS),
    ("forwards_open", forwards_open::STATEMENTS),
    ("forwards_read", forwards_read::STATEMENTS),
    ("growth", growth::STATEMENTS),
    ("hooks", hooks::STATEMENTS),
    ("inbox", inbox::STATEMENTS),
    ("jobs", jobs::STATEMENTS),
    ("kept", kept::STATEMENTS),
    ("lease", lease::STATEMENTS),
    ("log_ins", log_ins::STATEMENTS),
    ("media", media::STATEMENTS),
    ("media_files", media_files::STATEMENTS),
    ("messages", messages::STATEMENTS),
    ("node", node::STATEMENTS),
    ("outbox", outbox::STATEMENTS),
    ("pictures", pictures::STATEMENTS),
    ("profiles", profiles::STATEMENTS),
    ("record", record::STATEMENTS),
    ("rows", rows::STATEMENTS),
    ("rule_counts", rule_counts::STATEMENTS),
    ("scenes", scenes::STATEMENTS),
    ("sent", sent::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("settings", settings::STATEMENTS),
    ("signatures", signatures::STATEMENTS),
    ("sync", sync::STATEMENTS),
    ("tags", tags::STATEMENTS),
    ("troubles", troubles::STATEMENTS),
    ("used", used::STATEMENTS),
];

/// Words that another engine does not know, or understands in its own way.
const NOT_IN_MYSQL: &[&str] = &[
    "CONFLICT",
    "EXCLUDED",
    "FOREIGN KEY",
    "GENERATED",
    "GET_LOCK",
    "GLOB",
    "IGNORE",
    "IIF",
    "INDEXED BY",
    "JSON_EACH",
    "JSON_GROUP_ARRAY",
    "LAST_INSERT_ID",
    "LOCALTIME",
    "PRAGMA",
    "PRINTF",
    "REPLACE INTO",
    "RETURNING",
    "SKIP LOCKED",
    "TRIGGER",
    "UNIXEPOCH",
    "VALUES(",
];

/// Tables that grow as long as the account does.
const LARGE: &[&str] = &[
    "follow_log",
    "followers",
    "forwards",
    "hook_events",
    "messages",
    "sent",
];

/// What looks at all rows of a large table, because a name may stand in each, or because somebody asks for a sum.
const LOOK_AT_ALL: &[&str] = &[
    "erase: NAMING_EVENTS",
    "erase: NAMING_FOLLOWERS",
    "erase: NAMING_FORWARDS",
    "erase: NAMING_LOG",
    "erase: NAMING_MESSAGES",
    "erase: NAMING_SENT",
    "forwards_read: COUNTS",
    "forwards_read: LAST_ERROR",
    "hooks: OF_PERSON",
    // From the end, up to the first.
    "messages: LAST_PUSH",
];

/// All of them, each with its file and name.
pub(super) fn all() -> impl Iterator<Item = (String, &'static Statement)> {
    ALL.iter().flat_map(|(file, statements)| {
        let named = move |(name, statement): &(&str, _)| (format!("{file}: {name}"), *statement);
        statements.iter().map(named)
    })
}

#[test]
fn every_file_with_statements_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let mut with = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let has = |text: &str| text.contains("\nstatements! {");
        if path.is_file() && has(&fs::read_to_string(&path).unwrap()) {
            with.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let listed: BTreeSet<String> = ALL.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(listed, with);
}

#[test]
fn sqlite_understands_every_statement() {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    for (name, statement) in all() {
        let prepared = connection.prepare(statement.sqlite);
        assert!(
            statement.sqlite.is_empty() || prepared.is_ok(),
            "{name}: {:?}",
            prepared.err()
        );
    }
}

#[test]
fn only_what_must_looks_at_all_rows_of_a_large_table_in_sqlite() {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    let mut look_at_all = BTreeSet::new();
    for (name, statement) in all().filter(|(_, statement)| !statement.sqlite.is_empty()) {
        let explain = format!("EXPLAIN QUERY PLAN {}", statement.sqlite);
        let mut explain = connection.prepare(&explain).unwrap();
        let plan = explain.raw_query().mapped(|row| row.get::<_, String>(3));
        let scans = |step: &String| LARGE.iter().any(|table| *step == format!("SCAN {table}"));
        if plan.map(Result::unwrap).any(|step| scans(&step)) {
            look_at_all.insert(name);
        }
    }
    let known = LOOK_AT_ALL.iter().map(|name| (*name).to_owned());
    assert_eq!(look_at_all, known.collect());
}

#[test]
fn what_only_one_engine_knows_stands_in_its_own_text() {
    for (name, statement) in all() {
        let words = statement.mysql.to_uppercase();
        assert!(!words.is_empty(), "{name}");
        for word in NOT_IN_MYSQL {
            assert!(!words.contains(word), "{name}: {word}");
        }
        // `IS` compares in SQLite; MySQL has `<=>` for that.
        for (at, _) in words.match_indices(" IS ") {
            let rest = &words[at + 4..];
            let known = ["NULL", "NOT NULL", "TRUE", "FALSE", "NOT TRUE", "NOT FALSE"];
            assert!(known.iter().any(|known| rest.starts_with(known)), "{name}");
        }
    }
}
