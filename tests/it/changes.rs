//! Every command that changes something on the platform, in one table, and what each must do: say when it is unknown
//! whether the change was made, work without a reader, and ask before it destroys anything.

use crate::support::*;
use serde_json::Value;
use std::fs::File;
use std::process::Stdio;

/// A command that changes something on the platform.
struct Change {
    /// As typed, with `--yes` where it asks.
    line: &'static [&'static str],
    /// The call that makes the change.
    path: &'static str,
    /// The advice when no answer comes.
    if_unknown: &'static str,
    /// Prepares the platform and the account.
    prepare: fn(&Platform, &Account),
}

const FAN_2: &str = "oSyn2bBRf8sU1vYl4nQaMd0XwCi5";

const fn change(
    line: &'static [&'static str],
    path: &'static str,
    if_unknown: &'static str,
) -> Change {
    Change {
        line,
        path,
        if_unknown,
        prepare: |_, _| {},
    }
}

const fn prepared(prepare: fn(&Platform, &Account), change: Change) -> Change {
    Change { prepare, ..change }
}

/// Complete: see [`every_call_that_changes_something_is_in_the_table`].
#[rustfmt::skip]
const CHANGES: &[Change] = &[
    change(&["tags", "create", "friends"], "/cgi-bin/tags/create", "`wechatd tags list` shows it"),
    change(&["tags", "rename", "128", "friends"], "/cgi-bin/tags/update", "`wechatd tags list` shows it"),
    change(&["tags", "delete", "128", "--yes"], "/cgi-bin/tags/delete", "`wechatd tags list` shows it"),
    change(&["tags", "add", "128", FAN], "/cgi-bin/tags/members/batchtagging", "`wechatd tags list`"),
    change(&["tags", "remove", "128", FAN], "/cgi-bin/tags/members/batchuntagging", "`wechatd tags list`"),
    change(&["remark", FAN, "met at the fair"], "/cgi-bin/user/info/updateremark", "repeating it does no harm"),
    change(&["blacklist", "add", FAN], "/cgi-bin/tags/members/batchblacklist", "`wechatd blacklist list` shows it"),
    change(&["blacklist", "remove", FAN], "/cgi-bin/tags/members/batchunblacklist", "`wechatd blacklist list` shows it"),
    change(&["kf", "add", "cleo@shop", "Cleo"], "/customservice/kfaccount/add", "`wechatd kf list` shows it"),
    change(&["kf", "rename", "amy@shop", "Amy L."], "/customservice/kfaccount/update", "`wechatd kf list` shows it"),
    change(&["kf", "invite", "bob@shop", "bob_wx"], "/customservice/kfaccount/inviteworker", "`wechatd kf list` shows it"),
    change(&["kf", "remove", "amy@shop", "--yes"], "/customservice/kfaccount/del", "`wechatd kf list` shows it"),
    change(&["kf", "session", "open", FAN, "amy@shop"], "/customservice/kfsession/create", "`wechatd kf session show"),
    prepared(in_session, change(&["kf", "session", "close", FAN, "amy@shop"], "/customservice/kfsession/close", "`wechatd kf session show")),
    change(&["quota", "clear", "--yes"], "/cgi-bin/clear_quota", "`wechatd quota` shows it"),
    prepared(no_more_calls, change(&["quota", "clear", "--yes"], "/cgi-bin/clear_quota/v2", "`wechatd quota` shows it")),
    change(&["quota", "clear", "message/custom/send", "--yes"], "/cgi-bin/openapi/quota/clear", "`wechatd quota PATH` shows it"),
    change(&["menu", "apply", "--yes"], "/cgi-bin/menu/create", "`wechatd menu diff` shows it"),
    change(&["menu", "apply", "--yes"], "/cgi-bin/menu/addconditional", "`wechatd menu diff` shows it"),
    prepared(another_menu, change(&["menu", "apply", "--yes"], "/cgi-bin/menu/delconditional", "`wechatd menu diff` shows it")),
    prepared(with_menu, change(&["menu", "rollback", "--yes"], "/cgi-bin/menu/delete", "`wechatd menu pull` shows it")),
    prepared(with_menu, change(&["menu", "delete", "--yes"], "/cgi-bin/menu/delete", "`wechatd menu pull` shows it")),
    change(&["qrcode", "create", "poster-7", "--permanent"], "/cgi-bin/qrcode/create", "no command lists the codes"),
    change(&["send", FAN, "hello"], "/cgi-bin/message/custom/send", "the message may have arrived"),
    change(&["send", FAN, "--image", "a.png"], "/cgi-bin/message/custom/send", "the message may have arrived"),
    change(&["send", FAN, "--image", "a.png"], "/cgi-bin/media/upload", "repeating it does no harm"),
    change(&["send", FAN, "--typing"], "/cgi-bin/message/custom/typing", "repeating it does no harm"),
    change(&["media", "upload", "a.png"], "/cgi-bin/media/upload", "repeating it does no harm"),
    change(&["media", "image", "a.png"], "/cgi-bin/media/uploadimg", "repeating it does no harm"),
    change(&["material", "upload", "a.png"], "/cgi-bin/material/add_material", "`wechatd material list` shows it"),
    change(&["material", "delete", "SYN_1", "--yes"], "/cgi-bin/material/del_material", "`wechatd material list` shows it"),
    change(&["article", "draft", "article.json"], "/cgi-bin/draft/add", "look there before you repeat it"),
    change(&["article", "draft", "post.md"], "/cgi-bin/draft/add", "look there before you repeat it"),
    change(&["article", "draft", "post.md"], "/cgi-bin/media/uploadimg", "repeating it does no harm"),
    change(&["article", "draft", "post.md"], "/cgi-bin/material/add_material", "`wechatd material list` shows it"),
    prepared(with_articles, change(&["article", "edit", "D1", "article.json"], "/cgi-bin/draft/update", "`wechatd article show` shows it")),
    prepared(with_articles, change(&["article", "delete", "D1", "--yes"], "/cgi-bin/draft/delete", "`wechatd article list` shows it")),
    prepared(with_articles, change(&["article", "published", "delete", "A1", "--all", "--yes"], "/cgi-bin/freepublish/delete", "`wechatd article published show` shows it")),
    change(&["article", "publish", "SYN_1", "--yes"], "/cgi-bin/freepublish/submit", "look in the console before you repeat it"),
    prepared(commented, change(&["comments", "open", "7"], "/cgi-bin/comment/open", "repeating it does no harm")),
    prepared(commented, change(&["comments", "close", "7"], "/cgi-bin/comment/close", "repeating it does no harm")),
    prepared(commented, change(&["comments", "star", "7", "42"], "/cgi-bin/comment/markelect", "`wechatd comments list` shows it")),
    prepared(commented, change(&["comments", "unstar", "7", "42"], "/cgi-bin/comment/unmarkelect", "`wechatd comments list` shows it")),
    prepared(commented, change(&["comments", "delete", "7", "42", "--yes"], "/cgi-bin/comment/delete", "`wechatd comments list` shows it")),
    prepared(commented, change(&["comments", "delete", "7", "43", "--reply", "--yes"], "/cgi-bin/comment/reply/delete", "`wechatd comments list` shows it")),
    prepared(commented, change(&["comments", "reply", "7", "42", "thanks"], "/cgi-bin/comment/reply/add", "`wechatd comments list` shows it")),
    change(&["template", "send", FAN, "T1", "--data", "{}"], "/cgi-bin/message/template/send", "`wechatd template status`"),
    change(&["template", "add", "TM00015"], "/cgi-bin/template/api_add_template", "`wechatd template list` shows it"),
    prepared(with_templates, change(&["template", "delete", "T1", "--yes"], "/cgi-bin/template/del_private_template", "`wechatd template list` shows it")),
    change(&["template", "industry", "set", "1", "4", "--yes"], "/cgi-bin/template/api_set_industry", "`wechatd template industry` shows it"),
    change(&["template", "once", FAN, "T1", "class starts", "--scene", "7", "--title", "Soon"], "/cgi-bin/message/template/subscribe", "the message may have arrived"),
    change(&["notify", "add", "401", "1", "--scene", "an order"], "/wxaapi/newtmpl/addtemplate", "`wechatd notify list` shows it"),
    prepared(with_templates, change(&["notify", "delete", "N1", "--yes"], "/wxaapi/newtmpl/deltemplate", "`wechatd notify list` shows it")),
    prepared(agreed, change(&["notify", "send", FAN, "N1", "--data", "{}"], "/cgi-bin/message/subscribe/bizsend", "`wechatd messages list`")),
    change(&["mass", "send", "closed", "--all", "--yes"], "/cgi-bin/message/mass/sendall", "it cannot send twice"),
    change(&["mass", "send", "closed", "--to", FAN, FAN_2, "--yes"], "/cgi-bin/message/mass/send", "it cannot send twice"),
    change(&["mass", "send", "--video", "tour.mp4", "--all", "--yes"], "/cgi-bin/material/add_material", "`wechatd material list` shows it"),
    change(&["mass", "preview", "closed", "--to", FAN], "/cgi-bin/message/mass/preview", "shows it"),
    change(&["mass", "delete", "1000002301", "--yes"], "/cgi-bin/message/mass/delete", "`wechatd mass status MSG_ID` shows it"),
    change(&["mass", "speed", "4"], "/cgi-bin/message/mass/speed/set", "`wechatd mass speed` shows it"),
    change(&["shorten", "create", "https://www.example.com/"], "/cgi-bin/shorten/gen", "no command lists the keys"),
    change(&["login", "code", "SYNCODE1"], "/sns/oauth2/access_token", "let the user open the page again"),
    change(&["login", "refresh", "SYN_REFRESH_amy"], "/sns/oauth2/refresh_token", "repeat it"),
];

/// Commands that change something on this machine only.
const LOCAL: &[&str] = &[
    "store copy",
    "followers forget",
    "followers sync",
    "hooks resend",
    "hooks test",
    "hooks resume",
    "hooks secret",
    "sessions end",
    "service check",
    "service secret",
    "backup",
    "restore",
    "simulate",
    "serve",
    "init",
    "install",
    "uninstall",
    "rules pull",
    "messages done",
    "admin",
    "admin link",
    "admin logout",
];

/// Commands that make the call of another one, or any call; they have tests of their own.
const ELSEWHERE: &[&str] = &["messages reply", "api"];

/// Commands that change nothing.
const READS: &[&str] = &[
    "store nodes",
    "check",
    "status",
    "stats",
    "statistics users",
    "statistics articles",
    "statistics messages",
    "statistics interface",
    "messages unanswered",
    "tags members",
    "tags of",
    "callback-ips",
    "admin sessions",
    "explain",
    "gate test",
    "rules test",
    "proxy",
    "followers list",
    "followers show",
    "followers export",
    "messages list",
    "messages show",
    "messages save",
    "messages export",
    "sessions list",
    "service list",
    "forwards list",
    "hooks list",
    "hooks failed",
    "tags list",
    "blacklist list",
    "kf list",
    "kf online",
    "kf waiting",
    "kf records",
    "kf session show",
    "kf session list",
    "quota",
    "rid",
    "token",
    "menu show",
    "menu pull",
    "menu diff",
    "menu trymatch",
    "qrcode picture",
    "qrcode stats",
    "media get",
    "material list",
    "material count",
    "material get",
    "article status",
    "article list",
    "article show",
    "article published list",
    "article published show",
    "comments list",
    "template list",
    "template industry",
    "template status",
    "notify list",
    "notify library",
    "mass status",
    "shorten show",
    "login url",
    "login user",
    "login check",
    "unit",
    "completions",
];

const MENU: &str = r#"
[[menu.button]]
name = "Hours"
type = "click"
key = "HOURS"

[[menu.conditional]]
matchrule = { tag_id = "128" }
[[menu.conditional.button]]
name = "VIP"
type = "click"
key = "VIP"
"#;

fn in_session(platform: &Platform, _: &Account) {
    platform.agents(|agents| agents.sessions.push((FAN.into(), "amy@shop".into())));
}

fn no_more_calls(platform: &Platform, _: &Account) {
    platform.always(
        "/cgi-bin/clear_quota",
        Fault::Errcode(45009, "reach max api daily quota limit"),
    );
}

fn with_menu(_: &Platform, account: &Account) {
    account.command(&["menu", "apply", "--yes"]).ok();
}

fn another_menu(platform: &Platform, account: &Account) {
    with_menu(platform, account);
    account.rewrite_config(|config| config.replace("key = \"VIP\"", "key = \"VIP2\""));
}

fn with_templates(platform: &Platform, _: &Account) {
    platform.forms(|forms| {
        forms
            .templates
            .push(serde_json::json!({"template_id": "T1"}));
        forms
            .notifications
            .push(serde_json::json!({"priTmplId": "N1"}));
    });
}

fn with_articles(platform: &Platform, _: &Account) {
    platform.articles(|articles| {
        let together = |id: &str| Together {
            id: id.into(),
            articles: vec![serde_json::json!({"title": "T"})],
        };
        articles.drafts.push(together("D1"));
        articles.published.push(together("A1"));
    });
}

fn commented(platform: &Platform, _: &Account) {
    platform.comments(|comments| {
        comments.articles.push((7, 0));
        comments.list = vec![
            serde_json::json!({"user_comment_id": 42}),
            serde_json::json!({"user_comment_id": 43, "reply": {"content": "thanks"}}),
        ];
    });
}

fn agreed(platform: &Platform, _: &Account) {
    platform.forms(|forms| forms.agreed.push(FAN.into()));
}

/// A platform and an account with which the command succeeds.
fn stage(change: &Change) -> (Platform, Account) {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).rules(MENU).stopped();
    let put =
        |name: &str, bytes: &[u8]| std::fs::write(account.folder().join(name), bytes).unwrap();
    put("a.png", b"\x89PNG\r\n\x1a\n and so on");
    put("tour.mp4", b"\0\0\0\x18ftypmp42 and so on");
    put(
        "article.json",
        br#"{"title": "T", "content": "<p>x</p>", "thumb_media_id": "SYN"}"#,
    );
    put(
        "post.md",
        b"---\ntitle: T\ncover: a.png\n---\nText ![](a.png)\n",
    );
    (change.prepare)(&platform, &account);
    (platform, account)
}

/// Runs `check` for every change with a stage of its own, several at a time because commands mostly wait.
fn for_every_change(check: impl Fn(&Change, &Platform, &Account) + Sync) {
    std::thread::scope(|scope| {
        for part in CHANGES.chunks(CHANGES.len().div_ceil(4)) {
            let check = &check;
            scope.spawn(move || {
                for change in part {
                    let (platform, account) = stage(change);
                    check(change, &platform, &account);
                }
            });
        }
    });
}

/// The one JSON object on stderr.
#[track_caller]
fn error_of(ran: &Ran) -> Value {
    let error: Option<Value> = serde_json::from_str(&ran.stderr).ok();
    ran.expect(error.is_some(), "one JSON object on stderr");
    let error = error.unwrap()["error"].clone();
    for field in [
        "text",
        "call",
        "errcode",
        "rid",
        "may_be_done",
        "what_to_do",
    ] {
        ran.expect(error.get(field).is_some(), &format!("the field {field}"));
    }
    error
}

/// The command line with `--json`.
fn with_json(line: &[&'static str]) -> Vec<&'static str> {
    [line, &["--json"]].concat()
}

#[test]
fn every_call_that_changes_something_is_in_the_table() {
    let api = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut known = 0;
    for entry in std::fs::read_dir(api).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for call in text.split("Call::change(").skip(1) {
            let called = call.split('"').nth(1).unwrap();
            let listed = CHANGES.iter().any(|change| change.path == called);
            assert!(listed, "{called} of {} is missing", path.display());
            known += 1;
        }
    }
    assert!(known > 40, "{known}");
}

#[test]
fn every_command_is_listed_as_changing_something_or_not() {
    let commands = wechatd::cli::commands();
    let commands = commands.iter().map(|(command, _)| command.as_str());
    let is_unlisted = |command: &&str| {
        let typed = |change: &Change| {
            let words = command.split(' ');
            words.clone().count() <= change.line.len()
                && words.zip(change.line).all(|(a, b)| a == *b)
        };
        let lists = [LOCAL, READS, ELSEWHERE];
        !CHANGES.iter().any(typed) && !lists.iter().any(|list| list.contains(command))
    };
    let unlisted: Vec<&str> = commands.filter(is_unlisted).collect();
    assert!(unlisted.is_empty(), "in no list: {unlisted:?}");
}

#[test]
fn a_change_without_an_answer_is_reported_as_possible_and_not_retried() {
    for_every_change(|change, platform, account| {
        platform.always(change.path, Fault::Lost);
        let before = platform.count(change.path);
        let ran = account.command(change.line);
        ran.is_code(3);
        ran.complains("it may have been done: ")
            .complains(change.if_unknown);
        ran.expect(!ran.stderr.contains("try again"), "no advice to try again");
        // `send` says beforehand that nobody has written.
        let about_it = |line: &&str| !line.contains("in the last 48 hours");
        let lines = ran.stderr.trim_end().lines().filter(about_it);
        ran.expect(lines.count() == 1, "one line");
        assert_eq!(platform.count(change.path) - before, 1, "{}", ran.line);
    });
}

#[test]
fn json_errors_say_whether_the_change_may_have_been_made() {
    for_every_change(|change, platform, account| {
        let name = change.path.trim_start_matches("/cgi-bin");
        let name = name.trim_start_matches('/');

        platform.always(change.path, Fault::Errcode(48001, "api unauthorized"));
        let ran = account.command(&with_json(change.line));
        let error = error_of(ran.is_code(1));
        assert_eq!(error["call"], name, "{error}");
        assert_eq!(error["errcode"], 48001);
        assert_eq!(error["may_be_done"], false);

        platform.always(change.path, Fault::Errcode(-1, "system error"));
        let ran = account.command(&with_json(change.line));
        let error = error_of(ran.is_code(3));
        assert_eq!(error["call"], name, "{error}");
        assert_eq!(error["errcode"], -1);
        assert_eq!(error["rid"], "66f0a1b2-1c2d3e4f-5a6b7c8d");
        assert_eq!(error["may_be_done"], true);
        let what_to_do = error["what_to_do"].as_str().unwrap();
        assert!(what_to_do.contains(change.if_unknown), "{error}");
        let text = error["text"].as_str().unwrap();
        assert!(text.contains(what_to_do), "{error}");
    });
}

#[test]
fn a_change_succeeds_when_nobody_reads_its_output() {
    for_every_change(|change, platform, account| {
        let before = platform.count(change.path);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = account.program(change.line);
        let done = program
            .stdin(Stdio::null())
            .stdout(writer)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{:?}: {said}", change.line);
        assert_eq!(platform.count(change.path) - before, 1, "{:?}", change.line);
    });
}

#[test]
fn a_change_succeeds_even_if_its_output_cannot_be_written() {
    for_every_change(|change, platform, account| {
        let before = platform.count(change.path);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut program = account.program(change.line);
        let done = program.stdin(Stdio::null()).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{:?}: {said}", change.line);
        assert_eq!(platform.count(change.path) - before, 1, "{:?}", change.line);
        assert!(
            said.contains("standard output: No space left"),
            "{:?}: {said}",
            change.line
        );
        assert!(
            said.lines().count() > 1,
            "the answer is on stderr instead: {said}"
        );
    });
}

#[test]
fn every_change_prints_one_json_object() {
    for_every_change(|change, _, account| {
        let ran = account.command(&with_json(change.line));
        let answer = ran.json();
        ran.expect(answer.is_object(), "a JSON object");
    });
}

#[test]
fn a_change_that_needs_confirmation_is_refused_without_a_terminal() {
    let mut asking = 0;
    for change in CHANGES {
        let Some((&"--yes", line)) = change.line.split_last() else {
            continue;
        };
        asking += 1;
        let (platform, account) = stage(change);
        let before = platform.count(change.path);
        account
            .command(line)
            .refused()
            .complains("repeat it with --yes");
        let ran = account.command(&with_json(line));
        ran.refused();
        assert_eq!(error_of(&ran)["what_to_do"], "repeat it with --yes");
        assert_eq!(platform.count(change.path), before, "{line:?}");
    }
    assert!(asking > 12, "{asking}");
}

/// Changes that are recorded in the store afterwards: the command, its call, and its output if recording fails.
#[rustfmt::skip]
const RECORDED: &[(&[&str], &str, &str)] = &[
    (&["template", "send", FAN, "T1", "--data", "{}"], "/cgi-bin/message/template/send", "sent as 4250000000000000001"),
    (&["mass", "send", "closed", "--all", "--yes"], "/cgi-bin/message/mass/sendall", "WeChat sends it as 1000002301"),
    (&["media", "upload", "a.png"], "/cgi-bin/media/upload", "SYN_image_1"),
    (&["mass", "preview", "--video", "tour.mp4", "--to", FAN], "/cgi-bin/material/add_material", "shown"),
    (&["material", "delete", "SYN_1", "--yes"], "/cgi-bin/material/del_material", "SYN_1 is deleted"),
    (&["remark", FAN, "met at the fair"], "/cgi-bin/user/info/updateremark", "remark on"),
    (&["tags", "add", "128", FAN], "/cgi-bin/tags/members/batchtagging", "tagged 1 follower"),
    (&["menu", "apply", "--yes"], "/cgi-bin/menu/addconditional", "The menu is active"),
];

#[test]
fn a_change_succeeds_even_if_the_store_cannot_record_it() {
    std::thread::scope(|scope| {
        for (line, path, says) in RECORDED {
            scope.spawn(|| succeeds_while_the_store_is_locked(line, path, says));
        }
    });
}

/// Another program locks the store from before the platform's answer until the command has given up on recording.
fn succeeds_while_the_store_is_locked(
    line: &'static [&'static str],
    path: &'static str,
    says: &str,
) {
    let (platform, account) = stage(&change(line, path, ""));
    platform.fault(path, Fault::Hang);
    let mut program = account.program(line);
    program.stdin(Stdio::null()).stdout(Stdio::piped());
    let command = program.stderr(Stdio::piped()).spawn().unwrap();
    eventually("the call", account.log(), || platform.count(path) == 1);
    let holder = rusqlite::Connection::open(account.store_path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    platform.release();
    let ended = command.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let answered = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(0), "{line:?}: {said}");
    assert!(answered.contains(says), "{line:?}: {answered}");
    assert!(
        said.contains("another program holds the store"),
        "{line:?}: {said}"
    );
    assert!(!said.contains("answered 503"), "{line:?}: {said}");
    assert!(said.lines().count() == 1, "{line:?}: {said}");
}

#[test]
fn nothing_is_sent_that_cannot_be_recorded_first() {
    for line in [
        &["template", "send", FAN, "T1", "--data", "{}"][..],
        &["mass", "send", "closed", "--all", "--yes"],
    ] {
        let (platform, account) = stage(&change(&[], "", ""));
        account.command(&["token"]).ok();
        let holder = rusqlite::Connection::open(account.store_path()).unwrap();
        holder.execute_batch("CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no room'); END").unwrap();
        account.command(line).failed().complains("no room");
        let sent = |call: &Call| call.path.contains("/message/");
        assert!(!platform.calls().iter().any(sent), "{line:?}");
    }
}

#[test]
fn a_failed_bulk_change_lists_who_is_done_unknown_and_left() {
    let (platform, account) = stage(&change(&[], "", ""));
    let path = "/cgi-bin/tags/members/batchtagging";
    platform.fault(path, Fault::None);
    platform.fault(path, Fault::Lost);
    let people = crowd(0..120);
    let program = account.program(&["tags", "add", "128", "-", "--json"]);
    let ran = Ran::of(program, &people.join("\n"));
    let error = error_of(ran.is_code(3));
    assert_eq!(error["may_be_done"], true);
    ran.complains("it was done for 50 of 120, it is unknown for the next 50");
    let outcome: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(outcome["done"], 50);
    assert_eq!(outcome["unknown"], serde_json::json!(people[50..100]));
    assert_eq!(outcome["left"], serde_json::json!(people[100..]));
    assert_eq!(platform.count(path), 2, "given up");

    let path = "/cgi-bin/tags/members/batchblacklist";
    platform.fault(path, Fault::None);
    platform.always(path, Fault::Errcode(48001, "api unauthorized"));
    let program = account.program(&["blacklist", "add", "-"]);
    let ran = Ran::of(program, &people.join("\n"));
    ran.failed().says("blocked 20 followers");
    ran.complains("it was done for 20 of 120; repeating it for all does no harm");
}

#[test]
fn a_menu_whose_later_calls_are_not_answered_is_reported_as_half_applied() {
    let (platform, account) = stage(&change(&[], "", ""));
    platform.fault("/cgi-bin/menu/addconditional", Fault::Lost);
    let ran = account.command(&["menu", "apply", "--yes", "--json"]);
    let error = error_of(ran.is_code(3));
    let text = error["text"].as_str().unwrap();
    assert!(text.contains("the default menu is active"), "{text}");
    let ran = account.command(&["menu", "apply", "--yes", "--json"]);
    assert_eq!(
        ran.json(),
        serde_json::json!({"changed": false, "lines": []})
    );
}

#[test]
fn a_wrong_command_line_or_configuration_is_one_json_object_too() {
    let account = Setup::new().stopped();
    let ran = account.command(&["followers", "list", "--limit", "0", "--json"]);
    let error = error_of(ran.refused());
    assert_eq!(error["what_to_do"], "see `wechatd followers list --help`");
    assert_eq!(
        (&error["call"], &error["may_be_done"]),
        (&Value::Null, &false.into())
    );
    // After `--`, nothing is an option.
    let ran = account.command(&["explain", "--nonsense", "--", "--json"]);
    ran.refused().complains("wechatd: ");

    let ran = account.command(&["tags", "list", "--json"]);
    let error = error_of(ran.refused());
    assert!(
        error["text"].as_str().unwrap().contains("account.app_id"),
        "{error}"
    );

    account.rewrite_config(|config| format!("server.nonsense = 1\nstore.nonsense = 2\n{config}"));
    let ran = account.command(&["followers", "list", "--json"]);
    let error = error_of(ran.refused());
    let text = error["text"].as_str().unwrap();
    assert!(
        text.contains("server.nonsense") && text.contains("store.nonsense"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(
        error["what_to_do"],
        "correct it; `wechatd check` reads it again"
    );
}

#[test]
fn the_exit_code_is_right_when_nobody_reads_the_output() {
    let (_platform, account) = stage(&change(&[], "", ""));
    let code = |line: &[&str], stdout: Stdio| {
        let ran = account.program(line).stdout(stdout).output().unwrap();
        ran.status.code()
    };
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for json in [&[][..], &["--json"]] {
        let diff = [&["menu", "diff"], json].concat();
        assert_eq!(code(&diff, closed()), Some(1), "it differs");
        assert_eq!(code(&diff, full()), Some(2), "it could not be written");
    }
    account.rewrite_config(|config| format!("store.path = \"missing/wechat.db\"\n{config}"));
    assert_eq!(code(&["check"], closed()), Some(1));
}

#[test]
fn an_unknown_person_or_thing_is_a_failure() {
    let (platform, account) = stage(&change(&[], "", ""));
    account.command(&["token"]).ok();
    for (line, why) in [
        (&["mass", "status", "999"][..], "knows no mass message 999"),
        (
            &["template", "status", "999"],
            "knows no template message 999",
        ),
        (&["followers", "show", "oNobody"], "oNobody"),
        (&["followers", "forget", "oNobody", "--yes"], "oNobody"),
        (&["tags", "delete", "no such tag", "--yes"], "no such tag"),
        (&["kf", "remove", "eve@shop", "--yes"], "65401"),
    ] {
        account.command(line).failed().complains(why);
        error_of(account.command(&with_json(line)).is_code(1));
    }
    for (line, what_to_do) in [
        (
            &["followers", "show", "oNobody"][..],
            "`wechatd followers list` shows who follows",
        ),
        (
            &["mass", "delete", "x", "--yes"],
            "`wechatd mass status` shows them",
        ),
        (&["messages", "list", "--since", "soon"], "write 2026-11-21"),
        (
            &["template", "send", "oX", "id", "--data", "x"],
            "write it as",
        ),
        (&["menu", "rollback", "--yes"], "`wechatd menu apply`"),
        (&["simulate", "subscribee"], "did you mean subscribe?"),
    ] {
        let error = error_of(&account.command(&with_json(line)));
        let advice = error["what_to_do"].as_str().unwrap_or_default();
        assert!(advice.contains(what_to_do), "{line:?}: {error}");
        assert!(error["text"].as_str().unwrap().ends_with(advice), "{error}");
    }
    platform.down();
    // Concurrently, because each repeats its call for 7 s.
    let [tags, diff, plain_diff] = std::thread::scope(|scope| {
        let account = &account;
        [
            &["tags", "list", "--json"][..],
            &["menu", "diff", "--json"],
            &["menu", "diff"],
        ]
        .map(|line| scope.spawn(move || account.command(line)))
        .map(|command| command.join().unwrap())
    });
    let error = error_of(tags.is_code(1));
    assert_eq!(
        (&error["call"], &error["errcode"]),
        (&"tags/get".into(), &Value::Null)
    );
    assert_eq!(error["what_to_do"], "nobody listens at api.base_url");
    assert_eq!(error_of(diff.is_code(2))["may_be_done"], false);
    plain_diff.is_code(2).complains("connection refused");
}

#[test]
fn similar_commands_print_json_of_the_same_shape() {
    let (_platform, account) = stage(&change(&[], "", ""));
    let send = ["template", "send", FAN, "T1", "--data", "{}", "--json"];
    let template = account.command(&send).json()["msg_id"].clone();
    let send = ["mass", "send", "closed", "--all", "--yes", "--json"];
    let mass = account.command(&send).json()["msg_id"].clone();
    for (family, msg_id) in [("template", template), ("mass", mass)] {
        let all = account.command(&[family, "status", "--json"]).json();
        assert_eq!(all[0]["msg_id"], msg_id);
        let msg_id = msg_id.as_str().unwrap();
        let one = account.command(&[family, "status", msg_id, "--json"]);
        assert_eq!(one.json()["job"]["msg_id"], msg_id);
    }
    let added = account
        .command(&["template", "add", "TM1", "--json"])
        .json();
    let taken = account
        .command(&["notify", "add", "401", "1", "--scene", "x", "--json"])
        .json();
    for (family, id) in [("template", added), ("notify", taken)] {
        let list = account.command(&[family, "list", "--json"]).json();
        let listed = list.as_array().unwrap().last().unwrap();
        assert_eq!(listed["template_id"], id["template_id"], "{list}");
    }
}

#[test]
fn trymatch_says_when_a_person_sees_no_menu() {
    let (platform, account) = stage(&change(&[], "", ""));
    for no_menu in [
        Fault::None,
        Fault::Errcode(46003, "menu no exist"),
        Fault::Body("{\"button\": []}".into()),
    ] {
        platform.fault("/cgi-bin/menu/trymatch", no_menu);
        account
            .command(&["menu", "trymatch", FAN])
            .ok()
            .says("WeChat shows this follower no menu.");
    }
}
