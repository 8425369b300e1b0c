//! The inbox in the terminal: what waits for somebody, what no rule answers, searching, answering.

use crate::support::account::{HELP, THANKS, send_signal};
use crate::support::service::Act;
use crate::support::store::{change, hold_a_snapshot};
use crate::support::*;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SEND: &str = "/cgi-bin/message/custom/send";

/// Rules of which one leaves what it answers to somebody, another forwards, and the last takes every text.
const LEFT_TO_SOMEBODY: &str = r#"
[[rule]]
name = "suggestion"
message = "text"
prefix = "@"
text = "Thank you"
todo = true

[[rule]]
name = "agent"
message = "text"
equals = "agent"
transfer = true

[[rule]]
name = "bot"
message = "text"
equals = "bot"
forward = "bot"
todo = true

[[rule]]
event = "CLICK"
text = "Tapped"
todo = true

[[rule]]
message = "text"
text = "Write @ and a suggestion"
"#;

/// The ids that a list shows, newest first.
#[track_caller]
fn ids(account: &Account, arguments: &[&str]) -> Vec<i64> {
    let list = account.command(&[&["messages", "list", "--json"], arguments].concat());
    let list = list.json();
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row["id"].as_i64().unwrap()).collect()
}

#[test]
fn what_a_rule_leaves_to_somebody_waits_until_it_is_done() {
    let service = Service::json();
    let mut account = Setup::new()
        .rules(LEFT_TO_SOMEBODY)
        .service(&service, "")
        .start();
    service.always(Act::text("I am a bot"));
    let suggestion = text("@two o'clock tea");
    account.post(&suggestion).is_text("Thank you");
    account
        .post(&text("hello"))
        .is_text("Write @ and a suggestion");
    account.post(&text("agent")).is_status(200);
    account.post(&text("bot")).is_text("I am a bot");
    account.post(&click("HOURS")).is_text("Tapped");
    account.post(&image()).is_success();
    assert_eq!(ids(&account, &["--todo"]), [5, 4, 3, 1]);
    let list = account.command(&["messages", "list"]);
    list.ok().says("suggestion (to do)");
    account
        .command(&["messages", "done", "1", "4"])
        .ok()
        .says("2 messages done");
    assert_eq!(ids(&account, &["--todo"]), [5, 3]);
    let marks = "SELECT todo, done_by, done_at BETWEEN unixepoch() - 60 AND unixepoch() FROM messages ORDER BY id";
    let none = "NULL|NULL|NULL";
    let done = "0|cli|1";
    let open = "1|NULL|NULL";
    account
        .store()
        .is(marks, &[done, none, open, done, open, none]);
    // What is delivered again, or marked again, stays done; also after a restart.
    account.post(&suggestion).is_text("Thank you");
    account.restart();
    account.post(&suggestion).is_text("Thank you");
    account.command(&["messages", "done", "1"]).ok();
    account
        .store()
        .is(marks, &[done, none, open, done, open, none]);
    account
        .command(&["messages", "show", "1"])
        .ok()
        .says("done by cli, ");
    account
        .command(&["messages", "done", "--undo", "1"])
        .ok()
        .says("1 message to do");
    assert_eq!(ids(&account, &["--todo"]), [5, 3, 1]);
    account
        .command(&["messages", "done", "3", "77"])
        .failed()
        .complains("no message 77");
    assert_eq!(ids(&account, &["--todo"]), [5, 3, 1], "all or nothing");
    account.command(&["messages", "done"]).refused();
    let json = account
        .command(&["messages", "done", "3", "5", "1", "--json"])
        .json();
    assert_eq!(json, json!({"ids": [1, 3, 5], "done": true}));
    assert_eq!(
        account.command(&["messages", "list", "--todo"]).ok().stdout,
        "no message to do\n"
    );
}

#[test]
fn the_shipped_rule_for_suggestions_leaves_them_to_somebody() {
    let shipped = std::fs::read_to_string("wechat.conf").unwrap();
    let (_, rules) = shipped.split_once("[[rule]]").unwrap();
    let (rules, _) = rules.split_once("\n[menu").unwrap_or((rules, ""));
    let account = Setup::new().rules(&format!("[[rule]]{rules}")).start();
    account.post(&text("@open on Sunday")).is_status(200);
    account.post(&text("hello")).is_status(200);
    assert_eq!(ids(&account, &["--todo"]), [1]);
}

#[test]
fn an_answer_goes_to_the_sender_and_the_message_is_done() {
    let platform = Platform::start();
    let account = Setup::new()
        .platform(&platform)
        .rules(
            LEFT_TO_SOMEBODY
                .split("[[rule]]\nname = \"bot\"")
                .next()
                .unwrap(),
        )
        .start();
    let fan = another_fan();
    account
        .post(&text("@hello").from(&fan))
        .is_text("Thank you");
    account
        .post(&text("@again").from(&fan))
        .is_text("Thank you");
    let ran = account.command(&["messages", "reply", "1", "We are open until 8"]);
    ran.ok().says("sent").complains("at most 4 of 5 messages");
    assert_eq!(
        platform.bodies(SEND),
        [json!({"touser": fan, "msgtype": "text", "text": {"content": "We are open until 8"}})]
    );
    assert_eq!(ids(&account, &["--todo"]), [2]);
    account.store().is(
        "SELECT openid, content, by, state FROM sent",
        &[&format!("{fan}|We are open until 8|cli|sent")],
    );
    // What was not sent is not done.
    platform.fault(SEND, Fault::Errcode(45047, "out of response count limit"));
    account
        .command(&["messages", "reply", "2", "Yes"])
        .failed()
        .complains("45047");
    platform.fault(SEND, Fault::Closed);
    account
        .command(&["messages", "reply", "2", "Yes"])
        .may_be_done();
    assert_eq!(ids(&account, &["--todo"]), [2]);
    account.command(&["messages", "reply", "2", " "]).refused();
    account
        .command(&["messages", "reply", "7", "Yes"])
        .failed()
        .complains("no message 7");
    assert_eq!(platform.count(SEND), 3);
}

#[test]
fn a_text_is_found_in_what_was_written() {
    let account = Account::with_rules("");
    let other = another_fan();
    for push in [
        text("Opening HOURS?"),
        text("100% sure"),
        text("100 pro cent"),
        text("a_b").from(&other),
        text("axb"),
        text("几点开门"),
        text("back\\slash"),
        click("hours"),
    ] {
        account.post(&push).is_success();
    }
    for (search, found) in [
        ("hours", &[8, 1][..]),
        ("100%", &[2]),
        ("a_b", &[4]),
        ("开门", &[6]),
        ("\\", &[7]),
        ("nothing", &[]),
    ] {
        assert_eq!(ids(&account, &["--search", search]), found, "{search}");
    }
    assert_eq!(ids(&account, &["--search", "a", "--from", &other]), [4]);
    assert_eq!(ids(&account, &["--search", "0", "--limit", "1"]), [3]);
    assert_eq!(ids(&account, &["--search", "0", "--before", "3"]), [2]);
    assert_eq!(ids(&account, &["--before", "3"]), [2, 1]);
    account
        .command(&["messages", "list", "--search", ""])
        .refused();
    let none = account.command(&[
        "messages",
        "list",
        "--search",
        "x y",
        "--since",
        "2027-01-01",
    ]);
    assert_eq!(
        none.ok().stdout,
        "no message with \"x y\" since 2027-01-01\n"
    );
}

/// Adds this many messages, of which all but the first have this content, made of their number `i`.
fn add(account: &Account, count: u32, content: &str) {
    change(
        &account.store_path(),
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO messages (dedup_key, openid, msg_type, content, received_at)
             SELECT i, 'o' || (i % 1000), 'text', iif(i = 1, 'the first', {content}), unixepoch() - 60 FROM n"
        ),
    );
}

#[test]
fn the_newest_200000_are_searched_and_the_list_says_how_to_go_on() {
    let account = Account::start();
    add(&account, 200_002, "'something ' || i");
    let list = |arguments: &[&str]| {
        account.command(&[&["messages", "list", "--search", "first"], arguments].concat())
    };
    let all = list(&[]);
    assert_eq!(all.ok().stdout, "no message with \"first\"\n");
    all.complains("only the newest 200000 messages and events were looked at; --before 3 goes on");
    let further = list(&["--before", "3"]);
    further.ok().says("the first");
    assert_eq!(further.stderr, "");
    let unanswered = account.command(&["messages", "list", "--unanswered", "--from", "oNobody"]);
    unanswered.ok().complains("--before 3 goes on");
    let groups = account.command(&["messages", "unanswered"]);
    groups.ok().complains("older texts were not looked at");
    let json = account
        .command(&["messages", "unanswered", "--json", "--limit", "3"])
        .json();
    assert_eq!(json["is_cut"], true);
    assert_eq!(json["count"], 50_000, "no more are told apart");
    assert_eq!(json["groups"].as_array().unwrap().len(), 3);
}

/// What nobody answers, each as content, times and people.
#[track_caller]
fn unanswered(account: &Account) -> Vec<(String, i64, i64)> {
    let json = account
        .command(&["messages", "unanswered", "--json"])
        .json();
    let groups = json["groups"].as_array().unwrap().iter();
    let number = |value: &serde_json::Value| value.as_i64().unwrap();
    groups
        .map(|group| {
            let content = group["content"].as_str().unwrap().to_owned();
            (content, number(&group["times"]), number(&group["people"]))
        })
        .collect()
}

fn group(content: &str, times: i64, people: i64) -> (String, i64, i64) {
    (content.to_owned(), times, people)
}

#[test]
fn texts_that_only_the_last_rule_takes_are_listed_until_a_rule_answers_them() {
    let account = Account::start();
    let other = another_fan();
    for push in [
        text("Wifi?"),
        text("@tea").from(&other),
        text("ＷＩＦＩ？ ").from(&other),
        text("wifi?"),
        text("say \"hi\" \\ now"),
        text("几点开门"),
        image(),
        click("HOURS"),
    ] {
        account.post(&push).is_status(200);
    }
    let all = [
        group("wifi?", 3, 2),
        group("几点开门", 1, 1),
        group("say \"hi\" \\ now", 1, 1),
    ];
    assert_eq!(unanswered(&account), all);
    assert_eq!(ids(&account, &["--unanswered"]), [6, 5, 4, 3, 1]);
    assert_eq!(ids(&account, &["--unanswered", "--limit", "2"]), [6, 5]);
    assert_eq!(ids(&account, &["--unanswered", "--from", &other]), [3]);
    let list = account.command(&["messages", "unanswered"]);
    list.ok()
        .says("TIMES")
        .says("wifi?")
        .says("contains = [\"几点开门\"]");
    let json = account
        .command(&["messages", "unanswered", "--json", "--limit", "1"])
        .json();
    assert_eq!(
        json["groups"][0]["rule"],
        "[[rule]]\nmessage = \"text\"\ncontains = [\"wifi?\"]\ntext = \"Your answer\"\n"
    );
    assert_eq!((&json["texts"], &json["count"]), (&json!(5), &json!(3)));

    // The printed lines, pasted above the other rules, are a configuration that answers all of them.
    let (_, lines) = list.stdout.split_once("\n\n").unwrap();
    let with = |lines: &str| {
        account.rewrite_config(|config| {
            let (keys, rules) = config.split_once("[[rule]]").unwrap();
            format!("{keys}{lines}\n[[rule]]{rules}")
        });
    };
    let before = std::fs::read_to_string(account.config_path()).unwrap();
    with(lines);
    let check = account.command(&["check", "--json"]).json();
    assert_eq!(check["advice"].as_array().map(Vec::len), Some(0), "{check}");
    assert_eq!(unanswered(&account), []);
    account
        .command(&["explain", "say \"HI\" \\ now"])
        .ok()
        .says("Your answer");
    assert_eq!(
        account.command(&["messages", "unanswered"]).ok().stdout,
        "every text is answered by a rule\n"
    );

    // With one rule, two are left, without new messages.
    std::fs::write(account.config_path(), before).unwrap();
    with("[[rule]]\nmessage = \"text\"\nregex = \"^wi-?fi\"\ntext = \"yes\"\n");
    account.reload();
    assert_eq!(unanswered(&account), all[1..]);

    // Done: gone, until the same is written again.
    account
        .command(&["messages", "done", "--same", "6"])
        .ok()
        .says("1 message done");
    assert_eq!(unanswered(&account), all[2..]);
    account.post(&text("几点开门 ").from(&other)).is_text(HELP);
    assert_eq!(unanswered(&account)[0], group("几点开门 ", 1, 1));
}

#[test]
fn done_for_a_group_marks_what_was_listed_and_nothing_later() {
    let account = Account::start();
    for content in ["wifi", "WIFI", "hours", "@tea", "wifi "] {
        account.post(&text(content)).is_status(200);
    }
    account.post(&text("@thanks")).is_text(THANKS);
    // The latest that the list had shown was the second.
    account
        .command(&["messages", "done", "--same", "2"])
        .ok()
        .says("2 messages done");
    assert_eq!(
        unanswered(&account),
        [group("wifi ", 1, 1), group("hours", 1, 1)]
    );
    account.store().is(
        "SELECT id FROM messages WHERE todo = 0 AND done_by = 'cli' ORDER BY id",
        &["1", "2"],
    );
}

#[test]
fn nobody_is_who_a_text_without_a_rule_is_left_to_and_a_program_or_agent_is_somebody() {
    let service = Service::json();
    for (last, is_unanswered) in [
        ("", true),
        ("[[rule]]\nmessage = \"any\"\nsilent = true", true),
        (
            "[[rule]]\nmessage = \"text\"\nnews = [{title = \"A\", url = \"https://www.example.com/\"}]",
            true,
        ),
        ("[[rule]]\nmessage = \"text\"\nforward = \"bot\"", false),
        ("[[rule]]\nmessage = \"any\"\ntransfer = true", false),
        ("[[rule]]\nmessage = \"image\"\ntext = \"nice\"", true),
        ("[[rule]]\nevent = \"any\"\ntext = \"hello\"", true),
    ] {
        let rules = format!(
            "[[rule]]\nmessage = \"text\"\nequals = \"hours\"\ntext = \"until 8\"\n\n{last}\n"
        );
        let mut account = Setup::new().rules(&rules).service(&service, "").start();
        account.stop();
        add(&account, 1, "NULL");
        change(
            &account.store_path(),
            "INSERT INTO messages (dedup_key, openid, msg_type, content, received_at) VALUES ('h', 'o', 'text', 'hours', unixepoch())",
        );
        assert_eq!(!unanswered(&account).is_empty(), is_unanswered, "{last}");
    }
}

#[test]
fn texts_of_a_log_in_old_ones_and_what_is_no_text_are_not_listed() {
    let mut account = Setup::new().start();
    account.stop();
    change(
        &account.store_path(),
        "INSERT INTO messages (dedup_key, openid, msg_type, content, received_at, rule, todo) VALUES
             ('1', 'o', 'text', 'log in 1', unixepoch(), 'login', NULL),
             ('2', 'o', 'text', 'too old', unixepoch() - 31 * 86400, NULL, NULL),
             ('3', 'o', 'voice', 'spoken', unixepoch(), NULL, NULL),
             ('4', 'o', 'text', char(8203), unixepoch(), NULL, NULL),
             ('5', 'o', 'text', 'was done', unixepoch(), NULL, 0),
             ('6', 'o', 'TEXT', 'to do', unixepoch(), NULL, 1),
             ('7', 'o', 'text', NULL, unixepoch(), NULL, NULL)",
    );
    assert_eq!(unanswered(&account), [group("to do", 1, 1)]);
    let older = account.command(&["messages", "unanswered", "--since", "40d"]);
    older.ok().says("too old");
    assert_eq!(ids(&account, &["--unanswered", "--since", "40d"]), [6, 2]);
}

/// `wechatd messages list --follow`, running.
struct Following {
    child: std::process::Child,
    said: Log,
}

impl Following {
    #[track_caller]
    fn start(account: &Account, arguments: &[&str]) -> Following {
        Following::run(account.program(&[&["messages", "list", "--follow"], arguments].concat()))
    }

    /// On a terminal of this width.
    #[track_caller]
    fn on_terminal(account: &Account, columns: u32) -> Following {
        let mut script = std::process::Command::new("script");
        let program = env!("CARGO_BIN_EXE_wechatd");
        let config = account.config_path().display().to_string();
        let line = format!(
            "stty rows 50 cols {columns}; exec '{program}' --config '{config}' messages list --follow"
        );
        script.args(["-qec", &line, "/dev/null"]);
        Following::run(script)
    }

    #[track_caller]
    fn run(mut program: std::process::Command) -> Following {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Log::default();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for output in outputs {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    said.push(line);
                }
            });
        }
        Following { child, said }
    }

    /// Ends it as Ctrl-C does, and returns its exit code.
    fn interrupt(&mut self) -> Option<i32> {
        send_signal(self.child.id(), "INT");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn following_shows_the_newest_and_then_each_that_comes() {
    let account = Account::start();
    for content in ["one", "two", "three"] {
        account.post(&text(content)).is_text(HELP);
    }
    let mut following = Following::start(&account, &["--limit", "2"]);
    following.said.says("three");
    let lines = following.said.lines();
    assert!(lines[0].starts_with("ID "), "{lines:?}");
    assert!(
        lines[1].ends_with("two") && lines[2].ends_with("three") && lines.len() == 3,
        "{lines:?}"
    );
    // After each one it has just begun to wait. A busy machine may hold up some of them, but not all.
    let took = (0..8).map(|round| {
        let content = format!("round {round}");
        account.post(&text(&content)).is_text(HELP);
        let posted = Instant::now();
        following.said.says(&content);
        posted.elapsed()
    });
    let least = took.min().unwrap();
    assert!(least < Duration::from_secs(1), "{least:?}");
    account.post(&text("\u{202e}red\nline")).is_text(HELP);
    following.said.says("\\u{202e}red line");
    // The place of each column stays.
    let lines = following.said.lines();
    let at = lines[0].find("CONTENT");
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.chars().count() > at.unwrap()),
        "{lines:?}"
    );
    assert_eq!(lines[0].find("OPENID"), lines[5].find(FAN));
    assert_eq!(following.interrupt(), Some(0));
}

#[test]
fn following_sees_what_comes_to_a_store_behind_a_symbolic_link() {
    let setup = Setup::new();
    let real = setup.folder().join("real");
    std::fs::create_dir(&real).unwrap();
    symlink(real.join("fans.db"), setup.folder().join("wechat.db")).unwrap();
    let account = setup.start();
    account.post(&text("one")).is_text(HELP);
    // It keeps what comes now in the log.
    let _reader = hold_a_snapshot(&account.store_path());
    let following = Following::start(&account, &[]);
    following.said.says("one");
    // A file that has just been written to is looked into once more.
    for content in ["two", "three", "four"] {
        account.post(&text(content)).is_text(HELP);
        following.said.says(content);
    }
}

#[test]
fn following_fits_the_terminal_and_ends_with_ctrl_c() {
    use unicode_width::UnicodeWidthStr;
    let account = Account::start();
    account.post(&text(&"好 ".repeat(100))).is_text(HELP);
    for columns in [80, 40] {
        let mut following = Following::on_terminal(&account, columns);
        following.said.says("好");
        account.post(&text(&"new ".repeat(100))).is_text(HELP);
        following.said.says("new");
        for line in following.said.lines() {
            let width = line.trim_end_matches('\r').width();
            assert!(width <= columns as usize, "{width}: {line}");
        }
        following
            .child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"\x03")
            .unwrap();
        assert_eq!(following.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn following_costs_next_to_nothing_while_nothing_comes() {
    let account = Account::start();
    account.post(&text("hello")).is_text(HELP);
    let following = Following::start(&account, &[]);
    following.said.says("hello");
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", following.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<u64> = fields
            .split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        // Without the three fields that are no numbers or stand before.
        fields[10] + fields[11]
    };
    let before = ticks();
    std::thread::sleep(Duration::from_secs(2));
    assert!(ticks() - before <= 2, "1 % of 2 s");
}

#[test]
fn following_one_person_as_json_gives_one_object_on_each_line() {
    let account = Account::start();
    let fan = another_fan();
    let mut following = Following::start(&account, &["--from", &fan, "--json"]);
    for content in ["not this one", "this one"] {
        let from = if content == "this one" { &fan } else { FAN };
        account.post(&text(content).from(from)).is_text(HELP);
    }
    following.said.says("this one");
    account.post(&subscribe().from(&fan)).is_status(200);
    following.said.says("subscribe");
    let rows = following.said.lines();
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let contents: Vec<_> = rows
        .iter()
        .map(|row| (&row["openid"], &row["content"], &row["event"]))
        .collect();
    assert_eq!(
        contents,
        [
            (&json!(fan), &json!("this one"), &json!(null)),
            (&json!(fan), &json!(null), &json!("subscribe"))
        ]
    );
    assert_eq!(following.interrupt(), Some(0));
    account
        .command(&["messages", "list", "--follow", "--unanswered"])
        .refused();
}

#[test]
fn following_goes_on_when_another_store_takes_the_place() {
    let mut account = Account::start();
    account.post(&text("before")).is_text(HELP);
    account.command(&["backup", "copy.db"]).ok();
    account.post(&text("not in the copy")).is_text(HELP);
    let mut following = Following::start(&account, &["--search", "e"]);
    following.said.says("not in the copy");
    account.stop();
    eventually("a store that nobody has open", account.log(), || {
        account.command(&["restore", "copy.db", "--yes"]).code == 0
    });
    following
        .said
        .says("another store is in the place of the old one");
    account.begin();
    account.post(&text("never")).is_text(HELP);
    following.said.says("never");
    assert_eq!(following.said.count("before"), 1, "{}", following.said);
    // Also where there is none for a while.
    account.stop();
    let (path, away) = (account.store_path(), account.folder().join("away.db"));
    std::fs::rename(&path, &away).unwrap();
    following
        .said
        .says("the store is gone; waiting for another");
    std::fs::rename(&away, &path).unwrap();
    account.begin();
    eventually("the store is found again", account.log(), || {
        following.said.count("another store is in the place") == 2
    });
    account.post(&text("here again")).is_text(HELP);
    following.said.says("here again");
    assert_eq!(following.interrupt(), Some(0));
}
