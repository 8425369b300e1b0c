//! Wrong arguments are refused in one line, before anything is asked or changed.

use crate::support::*;

/// Refused with exactly one line on stderr that holds `part`.
#[track_caller]
fn refused_in_one_line(ran: &Ran, part: &str) {
    ran.refused().complains(part);
    ran.expect(ran.stdout.is_empty(), "nothing on stdout");
    ran.expect(ran.stderr.trim_end().lines().count() == 1, "one line");
    ran.expect(ran.stderr.starts_with("wechatd: "), "the program's name");
}

#[test]
fn a_wrong_command_line_is_refused_in_one_line() {
    for (arguments, part) in [
        (&["bogus"][..], "see `wechatd --help`"),
        (&["folowers"], "'followers'"),
        (
            &["menu"],
            "show, pull, diff, apply, rollback, delete, trymatch",
        ),
        (
            &["followers", "list", "--limit", "-1"],
            "write a whole number, 1 or more; see `wechatd followers list --help`",
        ),
        (&["messages", "list", "--limit", "0"], "1 or more"),
        (&["template", "status", "--limit", "many"], "1 or more"),
        (&["mass", "speed", "9"], "write a whole number from 0 to 4"),
        (
            &["send", "oX", "hi", "--image", "a.png"],
            "cannot be used with",
        ),
        (&["send", "oX", "--typo\nhi"], "unexpected argument"),
    ] {
        refused_in_one_line(&wechatd(arguments), part);
    }
}

#[test]
fn help_is_a_command_and_an_option() {
    let asked = wechatd(&["help", "menu", "diff"]);
    assert_eq!(
        asked.ok().stdout,
        wechatd(&["menu", "diff", "--help"]).stdout
    );
    asked.says("wechatd menu diff && echo the same");
}

#[test]
fn an_empty_openid_name_or_id_is_refused_without_a_call() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    for arguments in [
        &["send", "", "x"][..],
        &["remark", " ", "x"],
        &["template", "send", "", "ID", "--data", "{}"],
        &["notify", "send", "", "ID", "--data", "{}"],
        &["followers", "show", ""],
        &["followers", "forget", ""],
        &["messages", "list", "--from", ""],
        &["blacklist", "add", ""],
        &["tags", "add", "128", " "],
        &["kf", "session", "show", ""],
        &["menu", "trymatch", ""],
        &["mass", "preview", "x", "--to", ""],
        &["login", "check", "", "TOKEN"],
    ] {
        refused_in_one_line(&account.command(arguments), "no openid was given");
    }
    for arguments in [
        &["tags", "create", ""][..],
        &["tags", "rename", "128", " "],
        &["template", "send", "oX", "", "--data", "{}"],
        &["material", "delete", "", "--yes"],
        &["article", "publish", "", "--yes"],
        &["send", "oX", "--article", ""],
        &["mass", "send", "x", "--tag", ""],
        &["quota", "clear", ""],
    ] {
        refused_in_one_line(&account.command(arguments), "must not be empty");
    }
    for openid in ["two words", "o\u{1b}[31m", "某人"] {
        let ran = account.command(&["followers", "show", openid]);
        refused_in_one_line(&ran, "an openid is 1 to 128 letters");
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn wrong_json_is_explained_in_plain_words_with_an_example() {
    let account = Setup::new().stopped();
    let send = ["template", "send", "oX", "ID", "--data"];
    for (json, explained) in [
        ("[]", "found a list where an object in braces belongs"),
        ("", "the JSON ends too early"),
        (
            "thing1: Blue mug",
            "it is no JSON from line 1, column 2 on; write it as '{\"thing1\": \"Blue mug\"}'",
        ),
    ] {
        let ran = account.command(&[&send[..], &[json]].concat());
        refused_in_one_line(&ran, &format!("--data: {explained}"));
    }
    let ran = account.command(&["send", "oX", "--news", "{"]);
    refused_in_one_line(&ran, "write it as '{\"title\": \"Hours\"");
    let ran = account.command(&["send", "oX", "--news", "{\"url\": \"x\"}"]);
    refused_in_one_line(&ran, "the field `title` is missing");
}

#[test]
fn only_a_terminal_is_asked_before_what_cannot_be_undone() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    account.post(&subscribe());
    for arguments in [
        &["followers", "forget", FAN][..],
        &["tags", "delete", "128"],
        &["quota", "clear"],
    ] {
        let asked = at_a_terminal(account.program(arguments), "n\n");
        asked
            .failed()
            .complains("[y/N]")
            .complains("nothing was done");
    }
    account.store().is("SELECT count(*) FROM followers", &["1"]);
    assert_eq!(platform.count("/cgi-bin/tags/delete"), 0);
    assert_eq!(platform.count("/cgi-bin/clear_quota"), 0);
    let agreed = at_a_terminal(account.program(&["tags", "delete", "128"]), "y\n");
    agreed.ok().says("deleted");
    at_a_terminal(account.program(&["quota", "clear", "--yes"]), "").ok();
    account.command(&["followers", "forget", FAN, "--yes"]).ok();
    account.store().is("SELECT count(*) FROM followers", &["0"]);
}
