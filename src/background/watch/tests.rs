//! Trouble of each kind begins and ends when it should, and hooks hear of it once.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::config::Config;

/// A hook's receiver. What it hears comes out of the channel, until `count` calls were made.
fn receiver(count: usize) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hear", listener.local_addr().unwrap());
    let (hears, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().take(count) {
            let mut stream = stream.unwrap();
            let (mut call, mut part) = (String::new(), [0; 4_096]);
            while !call.ends_with("}}") {
                let read = stream.read(&mut part).unwrap();
                call += &String::from_utf8_lossy(&part[..read]);
            }
            let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            let (_, body) = call.split_once("\r\n\r\n").unwrap();
            hears.send(body.to_owned()).unwrap();
        }
    });
    (url, heard)
}

#[test]
fn a_store_that_takes_no_writes_for_a_minute_is_told_once_without_it_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (url, heard) = receiver(2);
    let text = format!(
        "account.token = \"aTokenOfThisTest\"\n[[hook]]\nname = \"crm\"\nurl = \"{url}\"\nevents = [\"trouble\", \"recovered\"]\n"
    );
    let config = Config::read(&folder.path().join("wechat.conf"), &text, None).unwrap();
    let app = App::new(config).unwrap();
    let start = Moment::now();
    let at = |seconds: u64| Moment {
        instant: start.instant + Duration::from_secs(seconds),
        unix: start.unix + i64::try_from(seconds).unwrap(),
    };
    let mut watch = Watch::new(&app, start);
    watch.look(&app, start);
    let lock = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    app.store.keep_setting("any", "thing").unwrap_err();
    assert!(app.troubles.has(Kind::Store));
    watch.tell(&app, at(50));
    heard.try_recv().unwrap_err();
    for seconds in [70, 80, 200] {
        watch.tell(&app, at(seconds));
    }
    let told: serde_json::Value = serde_json::from_str(&heard.recv().unwrap()).unwrap();
    assert_eq!(told["type"], "trouble");
    assert_eq!(told["data"]["kind"], "store");
    heard.try_recv().unwrap_err();
    let rows = |sql: &str| -> i64 { lock.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(rows("SELECT count(*) FROM troubles"), 0);
    lock.execute_batch("ROLLBACK").unwrap();
    app.store.keep_setting("any", "thing").unwrap();
    assert!(!app.troubles.has(Kind::Store));
    for seconds in [210, 220] {
        watch.keep_rows(&app);
        watch.tell(&app, at(seconds));
    }
    assert_eq!(
        rows("SELECT count(*) FROM troubles WHERE until IS NOT NULL AND told = 0"),
        1
    );
    assert_eq!(
        rows("SELECT count(*) FROM hook_events WHERE type = 'recovered'"),
        1
    );
    assert_eq!(rows("SELECT count(*) FROM hook_events"), 1);
}

#[test]
fn silence_is_trouble_after_far_longer_than_usual_and_until_a_push() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wechat.conf");
    let config = Config::read(&file, "account.token = \"aTokenOfThisTest\"\n", None).unwrap();
    let app = App::new(config).unwrap();
    let start = Moment::now();
    let at = |hours: u64| Moment {
        instant: start.instant + Duration::from_secs(hours * 3_600),
        unix: start.unix + i64::try_from(hours * 3_600).unwrap(),
    };
    let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
    let push = |at: i64| {
        let sql = "INSERT INTO messages (dedup_key, openid, msg_type, received_at) VALUES (?1, 'o', 'text', ?1)";
        store.execute(sql, [at]).unwrap();
        let sql = "INSERT INTO daily_counts (quarter, pushes, first_id, last_id)
            VALUES (?1 / 900, 1, last_insert_rowid(), last_insert_rowid())
            ON CONFLICT DO UPDATE SET pushes = pushes + 1, last_id = excluded.last_id";
        store.execute(sql, [at]).unwrap();
    };
    // One an hour, and once two hours apart: ten hours are usual.
    for hour in [12, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1] {
        push(start.unix - hour * 3_600);
    }
    let mut watch = Watch::new(&app, start);
    let mut is_trouble = |hours| {
        let reader = app.store.reader().unwrap();
        watch.look_at_silence(&app, &reader, at(hours)).unwrap();
        app.troubles.has(Kind::Silent)
    };
    assert!(!is_trouble(9));
    assert!(is_trouble(11));
    assert!(is_trouble(12));
    push(at(12).unix);
    assert!(!is_trouble(12));
}

#[test]
fn a_profile_that_waits_for_over_an_hour_is_trouble_until_it_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wechat.conf");
    let text = "[account]\ntoken = \"aTokenOfThisTest\"\napp_id = \"wx0000000000000001\"\napp_secret = \"00000000000000000000000000000001\"\n";
    let app = App::new(Config::read(&file, text, None).unwrap()).unwrap();
    let start = Moment::now();
    let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
    let run = |sql: &str| store.execute_batch(sql).unwrap();
    let mut watch = Watch::new(&app, start);
    let mut is_trouble = |minutes: u64| {
        let reader = app.store.reader().unwrap();
        let now = Moment {
            instant: start.instant + Duration::from_secs(minutes * 60),
            unix: start.unix,
        };
        watch.look_at_profiles(&app, &reader, now).unwrap();
        app.troubles.has(Kind::Profiles)
    };
    assert!(!is_trouble(0));
    run("INSERT INTO followers (openid, subscribe_time) VALUES ('one', 1), ('two', 2)");
    assert!(!is_trouble(1));
    assert!(!is_trouble(60));
    assert!(is_trouble(61));
    let told = app.troubles.now().remove(0).text;
    assert!(told.starts_with("2 profiles to be fetched"), "{told}");
    // Another one has not waited for long, as far as anybody saw.
    let first = app.store.reader().unwrap().profile_queue(1).unwrap();
    let fetched = "UPDATE followers SET profile_at = 5 WHERE openid";
    run(&format!("{fetched} = '{}'", first[0]));
    assert!(!is_trouble(62));
    assert!(!is_trouble(121));
    assert!(is_trouble(122));
    run(&format!("{fetched} IS NOT NULL"));
    assert!(!is_trouble(123));
}

#[test]
fn a_message_to_do_that_came_before_the_first_look_is_told_and_one_from_before_the_start_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wechat.conf");
    let text = "account.token = \"aTokenOfThisTest\"\n[[hook]]\nname = \"crm\"\nurl = \"http://127.0.0.1:9/\"\nevents = [\"todo\"]\n";
    let config = || Config::read(&file, text, None).unwrap();
    let push = |app: &App, id: i64| {
        let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
        let sql = "INSERT INTO messages (dedup_key, openid, msg_type, received_at, todo) VALUES (?1, 'o', 'text', 5, 1)";
        store.execute(sql, [id]).unwrap();
    };
    let told_at_first_look = |app: &App| {
        Watch::new(app, Moment::now()).tell_of_todo(app, Moment::now());
        let store = rusqlite::Connection::open(app.store.file().unwrap()).unwrap();
        let events = "SELECT count(*) FROM hook_events";
        store
            .query_row(events, [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let app = App::new(config()).unwrap();
    push(&app, 1);
    assert_eq!(told_at_first_look(&app), 1);
    drop(app);
    let app = App::new(config()).unwrap();
    assert_eq!(told_at_first_look(&app), 1, "no more");
}
