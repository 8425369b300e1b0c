//! Trouble: each kind has one line in the log when it begins and one when it is over, a row, and events for the hooks.

use crate::support::account::RULES;
use crate::support::store::change;
use crate::support::*;
use serde_json::Value;

/// The account with a hook that takes these events.
fn hooked(receiver: &Receiver, events: &str) -> Setup {
    let hook = format!(
        "[[hook]]\nname = \"crm\"\nurl = \"{}\"\nevents = {events}\n",
        receiver.url("hear")
    );
    Setup::new().rules(&format!("{RULES}\n{hook}"))
}

/// Waits for these rows.
#[track_caller]
fn awaits(account: &Account, sql: &str, rows: &[&str]) {
    eventually(&format!("{rows:?} of {sql}"), account.log(), || {
        account.store().rows(sql) == rows
    });
}

/// Waits until the row of this kind is open, or over.
#[track_caller]
fn row(account: &Account, kind: &str, is_over: bool) {
    let sql = format!("SELECT count(*), count(until) FROM troubles WHERE kind = '{kind}'");
    awaits(account, &sql, &[&format!("1|{}", i64::from(is_over))]);
}

#[track_caller]
fn told(account: &Account, receiver: &Receiver, count: usize) -> Vec<Value> {
    eventually(&format!("{count} calls"), account.log(), || {
        receiver.calls().len() >= count
    });
    receiver.calls().iter().map(Call::json).collect()
}

#[test]
fn too_little_room_on_the_disk_is_trouble_until_there_is_enough() {
    let account = Setup::new().set("watch.disk", "\"1048576GiB\"").start();
    account.log().says("disk: ");
    row(&account, "disk", false);
    let ran = account.command(&["status"]);
    ran.is_code(1);
    assert!(
        ran.stdout.contains("less than watch.disk"),
        "{}",
        ran.stdout
    );
    account.rewrite_config(|config| config.replace("1048576GiB", "1MiB"));
    account.reload();
    row(&account, "disk", true);
    account.log().says("free on the store's disk");
    assert_eq!(account.log().count("less than watch.disk"), 1);
}

#[test]
fn trouble_that_lasts_is_told_to_hooks_and_so_is_its_end_also_after_a_restart() {
    let receiver = Receiver::start();
    let setup = hooked(&receiver, "[\"trouble\", \"recovered\"]");
    let mut account = setup.set("watch.disk", "\"1048576GiB\"").start();
    row(&account, "disk", false);
    assert_eq!(receiver.calls().len(), 0, "not before a minute");
    account.kill();
    // As if it had begun longer ago; and one that ended with the process that had it.
    change(
        &account.store_path(),
        "UPDATE troubles SET since = since - 100;
         INSERT INTO troubles (kind, name, text, since, told) VALUES ('service', 'bot', 'circuit open', 5, 1)",
    );
    account.begin();
    let events = told(&account, &receiver, 2);
    let of = |kind: &str| events.iter().find(|event| event["data"]["kind"] == kind);
    assert_eq!(of("disk").unwrap()["type"], "trouble");
    assert_eq!(of("service").unwrap()["type"], "recovered");
    assert_eq!(of("service").unwrap()["data"]["name"], "bot");
    row(&account, "service", true);
    awaits(
        &account,
        "SELECT told FROM troubles WHERE kind = 'disk'",
        &["1"],
    );
    account.rewrite_config(|config| config.replace("1048576GiB", "1MiB"));
    account.reload();
    let events = told(&account, &receiver, 3);
    assert_eq!(events[2]["type"], "recovered");
    assert_eq!(events[2]["data"]["kind"], "disk");
    assert!(events[2]["data"]["until"].is_string(), "{events:?}");
    awaits(
        &account,
        "SELECT sum(told), count(until) FROM troubles",
        &["0|2"],
    );
}

#[test]
fn a_locked_store_is_trouble_with_a_row_as_soon_as_it_can_be_written() {
    let account = Account::start();
    let lock = rusqlite::Connection::open(account.store_path()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    account.post(&text("hello")).is_status(503);
    account.log().says("503 until it works again");
    account.post(&text("hello")).is_status(503);
    lock.execute_batch("ROLLBACK").unwrap();
    account.post(&text("hello")).is_status(200);
    account.log().says("store: write: works again");
    row(&account, "store", true);
    assert_eq!(account.log().count("503 until it works again"), 1);
    // Also the start is noted as soon as it can be.
    eventually("all is well", account.log(), || {
        account.command(&["status"]).code == 0
    });
}

#[test]
fn a_refused_reload_is_trouble_until_one_succeeds() {
    let account = Account::start();
    account.rewrite_config(|config| config.replace("name = \"help\"", "nam = \"help\""));
    account.hang_up();
    account.log().says("config: configuration not reloaded");
    row(&account, "config", false);
    account.rewrite_config(|config| config.replace("nam = \"help\"", "name = \"help\""));
    account.reload();
    row(&account, "config", true);
    account.log().says("config: read again");
}

#[test]
fn many_wrong_signatures_and_no_right_one_are_trouble_until_a_right_one() {
    let mut account = Account::start();
    let right = std::mem::replace(&mut account.token, "another".to_owned());
    for _ in 0..21 {
        account.post(&text("hello")).is_status(403);
    }
    row(&account, "refused", false);
    account
        .log()
        .says("refused: 21 requests with a wrong signature");
    account.token = right;
    account.post(&text("hello")).is_status(200);
    row(&account, "refused", true);
}

#[test]
fn a_wrong_secret_is_trouble_until_a_call_is_done() {
    let platform = Platform::start();
    platform.always(
        "/cgi-bin/stable_token",
        Fault::Errcode(40125, "invalid appsecret"),
    );
    let account = Setup::new().platform(&platform).start();
    account.post(&subscribe()).is_status(200);
    row(&account, "token", false);
    account.log().says("token: ");
    platform.heal();
    account.command(&["token"]).is_code(0);
    account
        .post(&subscribe().from(&another_fan()))
        .is_status(200);
    eventually("the token is taken", account.log(), || {
        account.log().has("token: WeChat takes the token again")
    });
    row(&account, "token", true);
}

#[test]
fn a_follower_list_that_would_take_out_too_many_is_trouble() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .set("api.sync", "\"03:30\"")
        .start();
    account.log().says("sync: 0 followers");
    change(
        &account.store_path(),
        "INSERT INTO settings VALUES ('sync_doubt', 'nearly all would go') ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    row(&account, "sync", false);
    let text = "SELECT text FROM troubles WHERE kind = 'sync'";
    account
        .store()
        .is(text, &["the last one removed nobody: nearly all would go"]);
    change(
        &account.store_path(),
        "DELETE FROM settings WHERE name = 'sync_doubt'",
    );
    row(&account, "sync", true);
}

#[test]
fn profiles_that_have_waited_too_long_are_trouble_until_they_are_fetched_also_by_the_next_process()
{
    let (platform, receiver) = (Platform::start(), Receiver::start());
    platform.down();
    let mut account = hooked(&receiver, "[\"recovered\"]")
        .platform(&platform)
        .start();
    account.post(&subscribe()).is_status(200);
    account.log().says("profiles: ");
    account.kill();
    // As if that had gone on for over an hour.
    change(
        &account.store_path(),
        "INSERT INTO troubles (kind, text, since, told) VALUES ('profiles', '1 profile to be fetched', 5, 1)",
    );
    account.begin();
    eventually("a fetch that fails", account.log(), || {
        account.log().count("profiles: ") >= 2
    });
    let ran = account.command(&["status"]);
    ran.is_code(1).says("1 profile to be fetched");
    row(&account, "profiles", false);
    platform.up();
    account
        .log()
        .says("profiles: the profiles that waited are fetched");
    row(&account, "profiles", true);
    let events = told(&account, &receiver, 1);
    assert_eq!(events[0]["data"]["kind"], "profiles");
}

#[test]
fn a_paused_hook_is_trouble_that_it_does_not_hear_of_itself() {
    let (gone, other) = (Receiver::start(), Receiver::start());
    gone.answers(|_| receiver::answer("410 Gone", "", ""));
    let hooks = format!(
        "{RULES}\n[[hook]]\nname = \"gone\"\nurl = \"{}\"\n[[hook]]\nname = \"other\"\nurl = \"{}\"\nevents = [\"trouble\", \"recovered\"]\n",
        gone.url("a"),
        other.url("b"),
    );
    let mut account = Setup::new().rules(&hooks).start();
    account.post(&subscribe()).is_status(200);
    account.log().says("hook gone: ");
    row(&account, "hook", false);
    assert_eq!(account.log().count("it is paused"), 1);
    account.kill();
    change(
        &account.store_path(),
        "UPDATE troubles SET since = since - 100",
    );
    account.begin();
    let events = told(&account, &other, 1);
    assert_eq!(events[0]["data"]["name"], "gone");
    assert_eq!(gone.calls().len(), 1, "only the follower");
    gone.accepts();
    account.command(&["hooks", "resume", "gone"]).is_code(0);
    row(&account, "hook", true);
    let events = told(&account, &other, 2);
    assert_eq!(events[1]["type"], "recovered");
    let heard = gone.types();
    assert!(heard.iter().all(|kind| kind == "follow"), "{heard:?}");
}

#[test]
fn messages_to_do_are_told_once_in_a_while_with_their_number() {
    let receiver = Receiver::start();
    let account = hooked(&receiver, "[\"todo\"]").start();
    for content in ["one", "two"] {
        account.post(&text(content)).is_status(200);
    }
    change(&account.store_path(), "UPDATE messages SET todo = 1");
    let events = told(&account, &receiver, 1);
    assert_eq!(events[0]["type"], "todo");
    assert_eq!(events[0]["data"]["waiting"], 2);
}

#[test]
fn the_heartbeat_comes_at_the_start_and_its_url_is_in_no_log() {
    let receiver = Receiver::start();
    let account = Setup::new()
        .set(
            "watch.heartbeat",
            &format!("\"{}\"", receiver.url("ping/secret-part")),
        )
        .env("RUST_LOG", "debug")
        .start();
    eventually("a heartbeat", account.log(), || receiver.calls().len() == 1);
    assert_eq!(receiver.calls()[0].path, "/ping/secret-part");
    receiver.down();
    account.rewrite_config(|config| config.replace("secret-part", "secret-partner"));
    account.reload();
    account.log().says("watch.heartbeat: ");
    assert!(!account.log().has("secret-part"), "{}", account.log());
}

#[test]
fn troubles_that_are_over_for_long_are_removed() {
    let account = Account::start();
    change(
        &account.store_path(),
        &format!(
            "INSERT INTO troubles (kind, text, since, until) VALUES ('disk', 'long ago', 5, {}), ('disk', 'lately', 5, {})",
            now() - 31 * 86_400,
            now() - 29 * 86_400
        ),
    );
    // A push confirms the time, and wakes the chores.
    account.post(&text("hello")).is_status(200);
    awaits(&account, "SELECT text FROM troubles", &["lately"]);
}
