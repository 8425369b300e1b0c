//! Stores of earlier versions: today's program takes them over and nothing in them is lost.

use crate::support::account::HELP;
use crate::support::*;
use std::path::Path;

/// The person and the message that the old store knows best.
const OLD_MESSAGE: &str = "7700000000000001";

/// The tables of the first version.
const TABLES: [&str; 5] = ["followers", "follow_log", "messages", "tokens", "settings"];

/// Makes the file as the first version left it.
fn first_version(path: &Path, platform: &Platform) {
    let sql =
        sample("store/version_1.sql").replace("'ACCESS_TOKEN'", &format!("'{}'", platform.token()));
    store::change(path, &sql);
}

/// Every row of the first version's tables, and what its owner sees by day.
fn contents(store: &Store) -> Vec<String> {
    let mut contents = Vec::new();
    for table in TABLES
        .iter()
        .chain(&["followers_v", "messages_v", "daily_v"])
    {
        contents.push(format!("{table}: {}", store.columns(table).join(" ")));
        // The order of the columns is the promise; that of the rows is the key's.
        contents.extend(store.rows(&format!("SELECT * FROM {table} ORDER BY 1")));
    }
    contents
}

#[test]
fn a_store_of_the_first_version_is_taken_over_and_loses_nothing() {
    let platform = Platform::start();
    let mut account = Setup::new()
        .unset("account.token")
        .platform(&platform)
        .stopped();
    first_version(&account.store_path(), &platform);
    let before = contents(&account.store());
    assert_eq!(account.store().one::<i64>("PRAGMA user_version"), 1);

    // The first command that opens it for writing brings it to today's version, and changes no row. The token in
    // it still works, so that none is asked for.
    let token = account.command(&["token"]);
    assert_eq!(token.ok().stdout.trim(), platform.token());
    assert_eq!(platform.token_calls(), 0);
    assert!(account.store().one::<i64>("PRAGMA user_version") > 1);
    assert_eq!(contents(&account.store()), before);
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
    assert_eq!(account.store().count("jobs"), 1);
}

#[test]
fn a_store_that_is_only_read_says_who_brings_it_to_todays_version() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    first_version(&account.store_path(), &platform);
    account
        .command(&["followers", "list"])
        .failed()
        .complains("start the server once");
    assert_eq!(account.store().one::<i64>("PRAGMA user_version"), 1);
}
