//! Stores of earlier versions are migrated without losing anything.

use crate::support::account::{APP_ID, HELP};
use crate::support::*;
use std::path::Path;

/// A message in every old store, whose reply the stores hold.
const OLD_MESSAGE: &str = "7700000000000001";

/// The versions with a store in `tests/samples/store`.
const VERSIONS: [u32; 5] = [1, 5, 6, 7, 10];

/// Creates a store as an earlier version left it.
fn create_earlier(version: u32, path: &Path, platform: &Platform) {
    let sql = sample(&format!("store/version_{version}.sql"))
        .replace("'ACCESS_TOKEN'", &format!("'{}'", platform.token()));
    store::change(path, &sql);
}

/// All tables and views, each with its columns.
fn layout(store: &Store) -> Vec<(String, String)> {
    let tables = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'
                  AND name NOT IN ('daily_counts', 'daily_v') ORDER BY name";
    store
        .rows(tables)
        .into_iter()
        .map(|table| {
            let columns = store.columns(&table).join(", ");
            (table, columns)
        })
        .collect()
}

/// These columns of every row of these tables.
fn contents(store: &Store, layout: &[(String, String)]) -> Vec<String> {
    let mut contents = Vec::new();
    for (table, columns) in layout {
        contents.push(table.clone());
        let rows = store.rows(&format!("SELECT {columns} FROM {table} ORDER BY 1"));
        // Without the owner's AppID, which old stores did not record.
        contents.extend(rows.into_iter().filter(|row| !row.starts_with("app_id|")));
    }
    contents
}

#[test]
fn a_store_of_an_earlier_version_is_migrated_without_loss() {
    for version in VERSIONS {
        migrates(version);
    }
}

fn migrates(version: u32) {
    let platform = Platform::start();
    let mut account = Setup::new()
        .unset("account.token")
        .platform(&platform)
        .stopped();
    create_earlier(version, &account.store_path(), &platform);
    let old_layout = layout(&account.store());
    let before = contents(&account.store(), &old_layout);
    for (table, _) in &old_layout {
        let rows = account.store().count(table);
        assert!(rows > 0, "version {version}: {table} has no row to test");
    }
    assert_eq!(account.store().one::<u32>("PRAGMA user_version"), version);

    // The first command that opens the store for writing migrates it and changes no row. The access token in it is
    // still used.
    let token = account.command(&["token"]);
    assert_eq!(token.ok().stdout.trim(), platform.token());
    assert_eq!(platform.token_calls(), 0);
    assert!(account.store().one::<u32>("PRAGMA user_version") > version);
    let after = contents(&account.store(), &old_layout);
    assert_eq!(after, before, "version {version}");
    account.store().is(
        "SELECT value FROM settings WHERE name = 'app_id'",
        &[APP_ID],
    );
    account.store().is("PRAGMA integrity_check", &["ok"]);
    let found = "messages JOIN daily_counts ON id BETWEEN first_id AND last_id AND received_at / 900 = quarter";
    assert_eq!(account.store().count(found), 3, "messages found by time");

    // The server uses the old Token, repeats the old answer to an old push, and goes on counting.
    account.token = "madeOnFirstStart2026".into();
    account.begin();
    let again = text("@两点 tea").from(FAN).id(OLD_MESSAGE);
    account.post(&again).is_text("as it was then");
    account.post(&text("hello").from(FAN)).is_text(HELP);
    let store = account.store();
    assert_eq!(store.count("messages"), 4);
    let days: i64 = store.one("SELECT sum(messages) FROM daily_v");
    assert_eq!(days, 3, "two old and one new; events do not count");
    eventually("the profile that was still missing", account.log(), || {
        store.count("followers WHERE profile_at IS NULL") == 0
    });
    account
        .command(&["followers", "show", FAN])
        .ok()
        .says("小明 🐟")
        .says("@两点 tea")
        .says("hello");
    // Later features work on the migrated store.
    account.command(&["followers", "sync"]).ok();
    account
        .command(&["template", "send", FAN, "T", "--data", "{}"])
        .ok();
    let sent = "jobs WHERE kind = 'template' AND status IS NULL";
    assert_eq!(account.store().count(sent), 1, "version {version}");
}

#[test]
fn migration_stops_counting_follows_and_leaves_that_changed_nothing() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    create_earlier(5, &account.store_path(), &platform);
    let net = "SELECT sum(subscribed), sum(unsubscribed), sum(net) FROM daily_v";
    account.store().is(net, &["4|2|2"]);
    account.command(&["token"]).ok();
    account.store().is(net, &["3|1|2"]);
    let changed = "SELECT id FROM follow_log WHERE counts ORDER BY id";
    account.store().is(changed, &["3", "4", "5", "9"]);
}

#[test]
fn a_command_that_only_reads_says_how_to_migrate_the_store() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    create_earlier(1, &account.store_path(), &platform);
    account
        .command(&["followers", "list"])
        .failed()
        .complains("start the server once");
    assert_eq!(account.store().one::<i64>("PRAGMA user_version"), 1);
}

#[test]
fn migration_finds_the_media_ids_of_old_messages() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    create_earlier(5, &account.store_path(), &platform);
    let mut add = String::new();
    for (id, msg_type, xml) in [
        (
            20,
            "image",
            "<xml>\n<PicUrl><![CDATA[http://p]]></PicUrl>\n<MediaId><![CDATA[M-1_a]]></MediaId>\n</xml>",
        ),
        (
            21,
            "voice",
            "<xml><MediaId>M2</MediaId><Recognition><![CDATA[<MediaId>no</MediaId>]]></Recognition></xml>",
        ),
        (
            22,
            "VIDEO",
            "<xml><MediaId> \n <![CDATA[ M3 ]]>\t</MediaId><ThumbMediaId><![CDATA[T]]></ThumbMediaId></xml>",
        ),
        (
            23,
            "shortvideo",
            r#"{"MsgType": "shortvideo", "MediaId": "M4"}"#,
        ),
        (24, "image", "<xml><MediaId><![CDATA[]]></MediaId></xml>"),
        (25, "image", "<xml><MediaId/></xml>"),
        (
            26,
            "text",
            "<xml><Content><![CDATA[<MediaId>no</MediaId>]]></Content></xml>",
        ),
        (27, "image", "{\"MediaId\": "),
    ] {
        add += &format!(
            "INSERT INTO messages (id, dedup_key, openid, msg_type, xml, received_at) VALUES ({id}, '{id}|o', 'o', '{msg_type}', '{xml}', {id});"
        );
    }
    store::change(&account.store_path(), &add);
    account.command(&["token"]).ok();
    let found = "SELECT id, media_id FROM messages WHERE media_id IS NOT NULL ORDER BY id";
    account
        .store()
        .is(found, &["20|M-1_a", "21|M2", "22|M3", "23|M4"]);
}
