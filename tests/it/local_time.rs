//! Local time as the program formats and parses it agrees with SQLite, which the store's views use.

use rusqlite::{Connection, ToSql};
use std::process::Command;
use wechatd::local_time;

/// Zones with and without half hours and daylight saving time, and a POSIX rule, each with its local time at 12:00 UTC
/// on 1 July 2026.
const ZONES: [(&str, &str); 6] = [
    ("Asia/Shanghai", "2026-07-01 20:00:00"),
    ("Asia/Kathmandu", "2026-07-01 17:45:00"),
    ("America/New_York", "2026-07-01 08:00:00"),
    ("Australia/Lord_Howe", "2026-07-01 22:30:00"),
    ("NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-07-02 00:00:00"),
    ("UTC", "2026-07-01 12:00:00"),
];

/// 1 January 2026, 12:00 UTC.
const NOON: i64 = 1_767_268_800;

const DAY: i64 = 86_400;

/// Set when this test runs itself for one zone: the zone's expected time.
const EXPECTED: &str = "WECHATD_TEST_JULY";

#[test]
fn local_time_agrees_with_sqlite_in_every_zone() {
    if let Ok(july) = std::env::var(EXPECTED) {
        assert_eq!(local_time::format(NOON + 181 * DAY), july);
        return agrees_with_sqlite();
    }
    // A process has one time zone, so each runs in a process of its own.
    for (zone, july) in ZONES {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "local_time::local_time_agrees_with_sqlite_in_every_zone",
            ])
            .env("TZ", zone)
            .env(EXPECTED, july)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{zone}: {output}");
        assert!(output.contains("1 passed"), "{zone}: {output}");
    }
}

fn agrees_with_sqlite() {
    let sqlite = Connection::open_in_memory().unwrap();
    let mut shown = sqlite
        .prepare("SELECT datetime(?1, 'unixepoch', 'localtime')")
        .unwrap();
    let mut shown = |at: i64| -> String { shown.query_row([at], |row| row.get(0)).unwrap() };
    // Every half hour of two years, and some days until 2037; SQLite maps later years to an earlier one.
    let year = (0..2 * 366 * 24).map(|n| NOON + n * 1_800);
    let years = (0..635).map(|n| n * 39 * DAY);
    for at in year.chain(years) {
        assert_eq!(local_time::format(at), shown(at), "{at}");
    }
    let mut read = sqlite.prepare("SELECT unixepoch(?1, 'utc')").unwrap();
    let mut read =
        |text: &dyn ToSql| -> Option<i64> { read.query_row([text], |row| row.get(0)).unwrap() };
    // At 12:00 UTC no zone above changes its offset.
    for at in (0..366).map(|n| NOON + n * DAY) {
        let text = shown(at);
        let without_seconds = text.strip_suffix(":00").unwrap();
        for text in [&text, without_seconds, &text.replace(' ', "T"), &text[..10]] {
            assert_eq!(local_time::parse(text), read(&text), "{text}");
        }
    }
    for text in [
        "2026-11-21 08:30Z",
        "2026-11-21T08:30:00+08:00",
        "soon",
        "",
        "2026-13-01",
    ] {
        assert_eq!(local_time::parse(text), read(&text), "{text}");
    }
}
