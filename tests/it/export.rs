//! Exports: every column of every row, in formats that other programs read.

use crate::support::account::{HELP, WELCOME};
use crate::support::store::change;
use crate::support::*;

#[test]
fn an_export_for_excel_contains_no_formulas() {
    let account = Account::start();
    let texts = [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@cmd", "'@cmd"),
        ("\t=1", "' =1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("1 = 1", "1 = 1"),
        ("小明\u{1b}[31m", "小明 [31m"),
    ];
    for (n, (nickname, _)) in texts.iter().enumerate() {
        let nickname = nickname.replace('\'', "''");
        change(
            &account.store_path(),
            &format!(
                "INSERT INTO followers (openid, nickname, subscribe_time) VALUES ('oF{n}', '{nickname}', 1790000000 - {n})"
            ),
        );
    }
    let ran = account.command(&["followers", "export", "--excel"]);
    let lines: Vec<&str> = ran.ok().stdout.split("\r\n").collect();
    assert!(
        lines[0].starts_with("\u{feff}openid,unionid,nickname,"),
        "{}",
        lines[0]
    );
    for (n, (_, shown)) in texts.iter().enumerate() {
        let line = lines[n + 1];
        assert!(
            line.starts_with(&format!("oF{n},,{shown},")),
            "{shown:?}: {line}"
        );
    }
    // Without --excel the texts stay as they are.
    account
        .command(&["followers", "export"])
        .ok()
        .says("oF0,,=HYPERLINK(1),");
    account
        .command(&["messages", "export", "--excel"])
        .ok()
        .says("\u{feff}id,dedup_key,");
    account
        .command(&["followers", "export", "--excel", "--format", "jsonl"])
        .refused();
}
use serde_json::Value;
use std::io::{BufRead, Read};

/// Reads CSV as in RFC 4180.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                record.last_mut().unwrap().push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => records.push(vec![String::new()]),
            c => record.last_mut().unwrap().push(c),
        }
    }
    records.pop();
    records
}

#[test]
fn followers_are_exported_with_every_column() {
    let platform = Platform::start();
    let people = crowd(0..3);
    platform.people(|all| all.followers = people.clone());
    platform.profile(
        &people[1],
        &format!(r#"{{"subscribe":1,"openid":"{}","nickname":"=小,\"明\"\n2","remark":"","subscribe_time":1700000000,"tagid_list":[128]}}"#, people[1]),
    );
    let account = Setup::new().platform(&platform).stopped();
    account.command(&["followers", "sync"]).ok();
    let csv = account.command(&["followers", "export"]);
    csv.ok();
    let records = records(&csv.stdout);
    assert_eq!(records[0], account.store().columns("followers"));
    assert_eq!(records.len(), 4, "{records:?}");
    // Newest first: this one subscribed before the others.
    let last = &records[3];
    let column = |name: &str| &last[records[0].iter().position(|one| one == name).unwrap()];
    assert_eq!(column("openid"), &people[1]);
    assert_eq!(column("nickname"), "=小,\"明\"\n2");
    assert_eq!(column("tagid_list"), "[128]");
    assert_eq!(column("subscribe_time"), "1700000000");
    assert_eq!(column("unionid"), "");

    let lines = account.command(&["followers", "export", "--format", "jsonl"]);
    let rows: Vec<Value> = lines
        .ok()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["tagid_list"], serde_json::json!([128]));
    assert_eq!(rows[2]["unionid"], Value::Null);
    assert_eq!(rows[0].as_object().unwrap().len(), records[0].len());

    let tagged = account.command(&[
        "followers",
        "export",
        "--tag",
        "starred",
        "--since",
        "2025-12-01",
    ]);
    assert_eq!(self::records(&tagged.ok().stdout).len(), 3);
}

#[test]
fn messages_are_exported_with_every_column() {
    let account = Account::start();
    let fan = another_fan();
    account.post(&subscribe().from(&fan)).is_text(WELCOME);
    account
        .post(&text("two\nlines, \"quoted\"").from(&fan))
        .is_text(HELP);
    account.post(&text("from somebody else")).is_text(HELP);
    let csv = account.command(&["messages", "export", "--from", &fan]);
    let records = records(&csv.ok().stdout);
    assert_eq!(records[0], account.store().columns("messages"));
    assert_eq!(records.len(), 3, "{records:?}");
    let at = |name: &str| records[0].iter().position(|one| one == name).unwrap();
    assert_eq!(records[1][at("content")], "two\nlines, \"quoted\"");
    assert!(records[1][at("xml")].starts_with("<xml>"), "{records:?}");
    assert_eq!(records[2][at("event")], "subscribe");
    let signatures = account
        .store()
        .rows("SELECT lower(hex(signature)) FROM messages ORDER BY id DESC LIMIT 2 OFFSET 1");
    assert_eq!(signatures[0].len(), 40);
    assert_eq!(records[1][at("signature")], signatures[0]);
    let lines = account.command(&["messages", "export", "--format", "jsonl", "--since", "1d"]);
    assert_eq!(lines.ok().stdout.lines().count(), 3);
}

#[test]
fn an_invalid_date_is_refused() {
    let account = Account::start();
    for command in [
        &["followers", "list"][..],
        &["followers", "export"],
        &["messages", "list"],
        &["messages", "export"],
        &["qrcode", "stats"],
    ] {
        for date in ["soon", "2026-13-01", "7 days", ""] {
            let ran = account.command(&[command, &["--since", date]].concat());
            ran.refused().complains("--since").complains("2026-11-21");
        }
    }
}

#[test]
fn an_empty_store_exports_only_a_heading() {
    let account = Account::start();
    for family in ["followers", "messages"] {
        let csv = account.command(&[family, "export"]);
        assert_eq!(csv.ok().stdout.lines().count(), 1);
        let jsonl = account.command(&[family, "export", "--format", "jsonl"]);
        assert_eq!(jsonl.ok().stdout, "");
        account
            .command(&[family, "export", "--format", "xml"])
            .refused();
    }
}

/// A command whose reader pauses after two lines.
struct Paused {
    child: std::process::Child,
    out: std::io::BufReader<std::process::ChildStdout>,
}

impl Paused {
    /// Starts the command and reads two lines, as `less` does in a small window.
    fn after_two_lines(account: &Account, arguments: &[&str]) -> (Paused, String) {
        let mut program = account.program(arguments);
        let mut child = program
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut read = String::new();
        out.read_line(&mut read).unwrap();
        out.read_line(&mut read).unwrap();
        (Paused { child, out }, read)
    }

    fn read_rest(mut self, mut read: String) -> String {
        self.out.read_to_string(&mut read).unwrap();
        assert!(self.child.wait().unwrap().success());
        read
    }
}

#[test]
fn a_paused_export_holds_no_lock_and_misses_no_row() {
    let account = Account::start();
    let filling =
        "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 5000)
        INSERT INTO messages (dedup_key, openid, msg_type, xml, received_at)
        SELECT 'old ' || id, 'oOld', 'text', hex(zeroblob(500)), 1790000000 FROM n;
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 5000)
        INSERT INTO followers (openid, subscribe_time, nickname)
        SELECT 'oOld' || id, 1790000000 + id / 1500, hex(zeroblob(500)) FROM n";
    change(&account.store_path(), filling);
    for kind in ["messages", "followers"] {
        for filter in [&[][..], &["--since", "2001-01-01"]] {
            let arguments = [&[kind, "export", "--format", "jsonl"], filter].concat();
            let (paused, read) = Paused::after_two_lines(&account, &arguments);
            // The write-ahead log can be emptied, so the export holds no snapshot.
            let other = rusqlite::Connection::open(account.store_path()).unwrap();
            eventually("an empty write-ahead log", account.log(), || {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                other.query_row(sql, [], |row| row.get::<_, i64>(0)) == Ok(0)
            });
            // Rows added and deleted meanwhile do not shift the others.
            account
                .post(&subscribe().from(&another_fan()))
                .is_text(WELCOME);
            let deletion = "DELETE FROM messages WHERE id IN (10, 4000);
                DELETE FROM followers WHERE openid IN ('oOld10', 'oOld4000')";
            change(&account.store_path(), deletion);
            let all = paused.read_rest(read);
            let of_old = |row: &Value| row["openid"].as_str().unwrap().starts_with("oOld");
            let id = |row: Value| row[if kind == "messages" { "id" } else { "openid" }].to_string();
            let rows = all.lines().map(|line| serde_json::from_str(line).unwrap());
            let ids: Vec<String> = rows.filter(of_old).map(id).collect();
            let different: std::collections::BTreeSet<&String> = ids.iter().collect();
            assert_eq!(different.len(), ids.len(), "some {kind} came twice");
            assert!((4_998..=5_000).contains(&ids.len()), "{}", ids.len());
            let restored = "INSERT OR IGNORE INTO messages (id, dedup_key, openid, msg_type, received_at)
                VALUES (10, 'old 10', 'oOld', 'text', 1790000000), (4000, 'old 4000', 'oOld', 'text', 1790000000);
                INSERT OR IGNORE INTO followers (openid, subscribe_time) VALUES ('oOld10', 1790000000), ('oOld4000', 1790000002)";
            change(&account.store_path(), restored);
        }
    }
}

#[test]
fn a_list_longer_than_a_page_ends_at_its_limit() {
    let account = Account::start();
    let filling = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 3000)
        INSERT INTO messages (dedup_key, openid, msg_type, xml, received_at)
        SELECT 'old ' || id, 'oOld' || (id % 2), 'text', '', 1790000000 FROM n;
        INSERT INTO followers (openid, subscribe_time) SELECT 'oOld' || id, 1790000000 + id % 7 FROM messages";
    change(&account.store_path(), filling);
    for (arguments, rows) in [
        (&["messages", "list", "--limit", "2500"][..], 2_500),
        (&["messages", "list", "--limit", "5000"], 3_000),
        (
            &["messages", "list", "--limit", "1400", "--from", "oOld1"],
            1_400,
        ),
        (&["followers", "list", "--limit", "2500"], 2_500),
        (&["followers", "list", "--limit", "5000"], 3_000),
    ] {
        let ran = account.command(&[arguments, &["--json"]].concat());
        let list: Vec<Value> = serde_json::from_str(&ran.ok().stdout).unwrap();
        let key = |row: &Value| {
            (
                row["subscribe_time"].as_i64(),
                row["id"].as_i64(),
                row["openid"].to_string(),
            )
        };
        let keys: Vec<_> = list.iter().map(key).collect();
        assert!(
            keys.windows(2).all(|pair| pair[0] > pair[1]),
            "{arguments:?}"
        );
        assert_eq!(keys.len(), rows, "{arguments:?}");
    }
}
