//! Stores of earlier versions: today's program takes them over and nothing in them is lost.

use crate::support::account::{APP_ID, HELP};
use crate::support::*;
use std::path::Path;

/// The person and the message that the old store knows best.
const OLD_MESSAGE: &str = "7700000000000001";

/// The versions of which there are stores in `tests/samples/store`.
const VERSIONS: [u32; 2] = [1, 5];

/// Makes the file as an earlier version left it.
fn earlier_version(version: u32, path: &Path, platform: &Platform) {
    let sql = sample(&format!("store/version_{version}.sql"))
        .replace("'ACCESS_TOKEN'", &format!("'{}'", platform.token()));
    store::change(path, &sql);
}

/// The tables and what owners read of them, each with its columns.
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

/// Every row of these tables, as far as these columns go.
fn contents(store: &Store, layout: &[(String, String)]) -> Vec<String> {
    let mut contents = Vec::new();
    for (table, columns) in layout {
        contents.push(table.clone());
        let rows = store.rows(&format!("SELECT {columns} FROM {table} ORDER BY 1"));
        // Whose the store is was not known then.
        contents.extend(rows.into_iter().filter(|row| !row.starts_with("app_id|")));
    }
    contents
}

#[test]
fn a_store_of_an_earlier_version_is_taken_over_and_loses_nothing() {
    for version in VERSIONS {
        taken_over(version);
    }
}

fn taken_over(version: u32) {
    let platform = Platform::start();
    let mut account = Setup::new()
        .unset("account.token")
        .platform(&platform)
        .stopped();
    earlier_version(version, &account.store_path(), &platform);
    let then = layout(&account.store());
    let before = contents(&account.store(), &then);
    for (table, _) in &then {
        let rows = account.store().count(table);
        assert!(rows > 0, "version {version}: no row of {table} is tried");
    }
    assert_eq!(account.store().one::<u32>("PRAGMA user_version"), version);

    // The first command that opens it for writing brings it to today's version, and changes no row. The token in
    // it still works, so that none is asked for.
    let token = account.command(&["token"]);
    assert_eq!(token.ok().stdout.trim(), platform.token());
    assert_eq!(platform.token_calls(), 0);
    assert!(account.store().one::<u32>("PRAGMA user_version") > version);
    let after = contents(&account.store(), &then);
    assert_eq!(after, before, "version {version}");
    account.store().is(
        "SELECT value FROM settings WHERE name = 'app_id'",
        &[APP_ID],
    );
    account.store().is("PRAGMA integrity_check", &["ok"]);

    // The server takes the Token of then, gives the answer of then to a push of then, and goes on counting.
    account.token = "madeOnFirstStart2026".into();
    account.begin();
    let again = text("@两点 tea").from(FAN).id(OLD_MESSAGE);
    account.post(&again).is_text("as it was then");
    account.post(&text("hello").from(FAN)).is_text(HELP);
    let store = account.store();
    assert_eq!(store.count("messages"), 4);
    let days: i64 = store.one("SELECT sum(messages) FROM daily_v");
    assert_eq!(days, 3, "two of then and one of now; events do not count");
    eventually(
        "the profile that was still to be fetched",
        account.log(),
        || store.count("followers WHERE profile_at IS NULL") == 0,
    );
    account
        .command(&["followers", "show", FAN])
        .ok()
        .says("小明 🐟")
        .says("@两点 tea")
        .says("hello");
    // What came with later versions works on it.
    account.command(&["followers", "sync"]).ok();
    account
        .command(&["template", "send", FAN, "T", "--data", "{}"])
        .ok();
    let sent = "jobs WHERE kind = 'template' AND status IS NULL";
    assert_eq!(account.store().count(sent), 1, "version {version}");
}

#[test]
fn follows_and_leaves_that_changed_nothing_are_counted_no_more() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    earlier_version(5, &account.store_path(), &platform);
    let net = "SELECT sum(subscribed), sum(unsubscribed), sum(net) FROM daily_v";
    account.store().is(net, &["4|2|2"]);
    account.command(&["token"]).ok();
    account.store().is(net, &["3|1|2"]);
    let changed = "SELECT id FROM follow_log WHERE counts ORDER BY id";
    account.store().is(changed, &["3", "4", "5", "9"]);
}

#[test]
fn a_store_that_is_only_read_says_who_brings_it_to_todays_version() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    earlier_version(1, &account.store_path(), &platform);
    account
        .command(&["followers", "list"])
        .failed()
        .complains("start the server once");
    assert_eq!(account.store().one::<i64>("PRAGMA user_version"), 1);
}

#[test]
fn the_media_ids_of_old_messages_are_found() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    earlier_version(5, &account.store_path(), &platform);
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
