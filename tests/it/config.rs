//! `wechat.conf`: all mistakes are reported at once with their line, and a Token is generated if none is set.

mod admin;
mod database;
mod files;
mod services;
mod web;

use crate::support::account::{APP_ID, HELP};
use crate::support::command::program;
use crate::support::*;
use proptest::prelude::*;
use std::path::Path;
use wechatd::config::Config;

/// Runs `wechatd check` on this configuration text.
#[track_caller]
fn check(config: impl AsRef<[u8]>) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wechat.conf");
    std::fs::write(&path, config).unwrap();
    run(&path, &["check"])
}

#[track_caller]
fn run(config: &Path, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.arg("--config").arg(config).args(arguments);
    Ran::of(command, "")
}

/// stderr has a line with the file, this line number and all of `parts`.
#[track_caller]
fn reports(ran: &Ran, line: usize, parts: &[&str]) {
    let found = ran.stderr.lines().any(|text| {
        let place = text.contains(&format!("wechat.conf:{line}:"))
            || text.contains(&format!("wechat.conf:{line} "))
            || text.contains("wechat.conf") && text.contains(&format!("line {line}"));
        place && parts.iter().all(|part| text.contains(part))
    });
    ran.expect(
        found,
        &format!("a report of line {line} with {parts:?} on stderr"),
    );
}

#[test]
fn all_mistakes_are_reported_at_once_with_line_key_and_nearest_key() {
    let ran = check(
        r#"account.tokn = "abc"
server.listen = 8080
server.max_body = "lots"
account.token = "no spaces allowed"
server.workers = -1
server.request_timeout = 10
serv.path = "/wechat"
server.path = "wechat"

[[rule]]
mesage = "text"
text = "misspelt"

[[rule]]
message = "text"
regex = "("
text = "bad pattern"

[[rule]]
message = "text"

[[rule]]
message = "text"
event = "subscribe"
text = "about two things"

[[rule]]
message = "text"
text = "two answers"
silent = true

[[rule]]
text = "about nothing"
"#,
    );
    ran.refused();
    reports(&ran, 1, &["account.tokn", "account.token"]);
    reports(&ran, 2, &["server.listen"]);
    reports(&ran, 3, &["server.max_body", "lots"]);
    reports(&ran, 4, &["account.token"]);
    reports(&ran, 5, &["server.workers"]);
    reports(&ran, 6, &["server.request_timeout"]);
    reports(&ran, 7, &["serv"]);
    reports(&ran, 8, &["server.path"]);
    reports(&ran, 11, &["mesage", "message"]);
    reports(&ran, 16, &["regex"]);
    reports(&ran, 19, &[]);
    reports(&ran, 24, &["event"]);
    reports(&ran, 30, &["silent"]);
    reports(&ran, 32, &["message", "event"]);
    ran.says_nothing_of("panicked");
}

/// The lines on stderr that begin with the file's name, one for each mistake.
#[track_caller]
fn mistakes(config: impl AsRef<[u8]>) -> Vec<String> {
    let ran = check(config);
    ran.refused();
    let lines = ran.stderr.lines().filter_map(|line| {
        let (_, place) = line.split_once("wechat.conf:")?;
        Some(place.to_owned())
    });
    lines.collect()
}

/// `config` has exactly these mistakes: of each the line number and parts of the text.
#[track_caller]
fn has_mistakes(config: &str, expected: &[(usize, &[&str])]) {
    let found = mistakes(config);
    assert_eq!(found.len(), expected.len(), "{config}\n{found:#?}");
    for (mistake, (line, parts)) in found.iter().zip(expected) {
        assert!(
            mistake.starts_with(&format!("{line}: ")),
            "line {line}: {mistake}"
        );
        for part in *parts {
            assert!(mistake.contains(part), "{part}: {mistake}");
        }
    }
}

#[test]
fn one_slip_is_reported_as_one_mistake() {
    let rule = |keys: &str| format!("[[rule]]\n{keys}\n");
    for (keys, line, parts) in [
        (
            "mesage = \"text\"\ntext = \"x\"",
            2,
            &["mesage", "did you mean message?"][..],
        ),
        (
            "evnt = \"CLICK\"\ntext = \"x\"",
            2,
            &["evnt", "did you mean event?"],
        ),
        ("type = \"text\"\ntext = \"x\"", 2, &["type", "unknown key"]),
        (
            "message = \"text\"\ntxt = \"x\"",
            3,
            &["txt", "did you mean text?"],
        ),
        (
            "message = \"text\"\nreply = \"x\"",
            3,
            &["reply", "unknown key"],
        ),
        (
            "message = \"text\"\nregx = '(a)'\ntext = \"{1}\"",
            3,
            &["regx", "did you mean regex?"],
        ),
        (
            "message = \"text\"\nregex = '(a'\ntext = \"{1}\"",
            3,
            &["regex", "unclosed group"],
        ),
        (
            "message = \"text\"\nregex = '(a)'\ntext = \"{2}\"",
            4,
            &["{2}", "the regex has only 1 group"],
        ),
        (
            "message = \"text\"\nvideo = { media = \"M\" }",
            3,
            &["video.media", "did you mean media_id?"],
        ),
        (
            "message = \"text\"\nnews = [{ titel = \"a\", url = \"https://a/\" }]",
            3,
            &["news.titel", "did you mean title?"],
        ),
        (
            "message = \"txt\"\ntext = \"x\"",
            2,
            &["txt", "did you mean \"text\"?"],
        ),
    ] {
        has_mistakes(&rule(keys), &[(line, parts)]);
    }
    // Two slips are two mistakes.
    has_mistakes(
        &rule("mesage = \"text\""),
        &[(1, &["has no answer"]), (2, &["mesage"])],
    );
    has_mistakes(
        &rule("message = \"text\"\nmesage = \"text\""),
        &[(1, &["has no answer"]), (3, &["mesage"])],
    );
    has_mistakes(
        "[rule]\nmessage = \"text\"\ntext = \"x\"",
        &[(1, &["[[rule]]"])],
    );
    has_mistakes(
        "[rule]\nmesage = \"text\"\ntext = \"x\"",
        &[(1, &["[[rule]]"]), (2, &["mesage"])],
    );
    let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    has_mistakes(
        &format!(
            "[account]\nmode = \"secure\"\napp_id = \"wx0123456789abcdef\"\naes_ky = \"{key}\""
        ),
        &[(4, &["account.aes_ky", "account.aes_key"])],
    );
    has_mistakes(
        &format!(
            "[acount]\nmode = \"secure\"\napp_id = \"wx0123456789abcdef\"\naes_key = \"{key}\""
        ),
        &[(1, &["acount", "did you mean account?"])],
    );
    has_mistakes(
        "account.appid = \"wx0123456789abcdef\"\naccount.app_secret = \"0123456789abcdef0123456789abcdef\"",
        &[(1, &["account.appid", "account.app_id"])],
    );
    let button = |keys: &str| format!("[[menu.button]]\n{keys}\n");
    has_mistakes(
        &button("nmae = \"A\"\ntype = \"click\"\nkey = \"K\""),
        &[(2, &["nmae", "did you mean name?"])],
    );
    has_mistakes(
        &button("name = \"A\"\ntpye = \"click\"\nkey = \"K\""),
        &[(3, &["tpye", "did you mean type?"])],
    );
    has_mistakes(
        &button("name = \"A\"\ntype = \"click\"\nkye = \"K\""),
        &[(4, &["kye", "unknown key"])],
    );
}

/// Puts this line, which is not valid TOML, between two other mistakes: all three are reported, and the line with
/// `parts`.
#[track_caller]
fn explains(line: &str, parts: &[&str]) {
    let config = format!(
        "[server]\nworkers = 0\n\n[[rule]]\nmessage = \"text\"\n{line}\n\n[[rule]]\nmesage = \"text\"\ntext = \"x\"\n"
    );
    let mut all = vec![line.trim()];
    all.extend(parts);
    has_mistakes(
        &config,
        &[
            (2, &["server.workers"]),
            (6, &all),
            (9, &["did you mean message?"]),
        ],
    );
}

#[test]
fn invalid_toml_is_explained_in_plain_words_with_all_other_mistakes() {
    // A regular expression or a path in double quotes.
    let single = "put the text between single quotes";
    let text = "\ntext = \"{1}\"";
    for (line, parts) in [
        (
            r#"regex = "order (\d+)""#,
            [r"\d", r"regex = 'order (\d+)'"],
        ),
        (
            r#"regex = ["(a)", "\s+(\w)"]"#,
            [r"\s", r#"regex = ["(a)", '\s+(\w)']"#],
        ),
    ] {
        let config = format!(
            "[[rule]]\nmessage = \"text\"\n{line}{text}\n[[rule]]\nmesage = \"text\"\ntext = \"x\"\n"
        );
        has_mistakes(
            &config,
            &[(3, &[line, single, parts[0], parts[1]]), (6, &["mesage"])],
        );
    }
    has_mistakes(
        "[store]\npath = \"C:\\users\\a\"\nkeep = 1\n",
        &[
            (2, &["path = \"C:\\users\\a\"", single, "'C:\\users\\a'"]),
            (3, &["store.keep"]),
        ],
    );
    // Quotes, commas and other characters of a Chinese keyboard.
    let quotes = "put plain quotes (\") in place of the Chinese ones (“ ”)";
    explains("text = “hello”", &[quotes, "text = \"hello\""]);
    explains("text = “say \"hi\"”", &["plain quotes"]);
    explains("text = \"hello”", &["plain quotes", "(”)"]);
    explains("text = “hello\"", &["plain quotes", "(“)"]);
    explains("text = ‘hello’", &["plain quotes", "(‘ ’)"]);
    explains("text = 「hello」", &["plain quotes"]);
    explains("text = ＂hello＂", &["plain quotes"]);
    explains(
        "text ＝ \"hello\"",
        &["put = in place of ＝", "text = \"hello\""],
    );
    explains("text：\"hello\"", &["put = in place of ："]);
    explains("text: \"hello\"", &["put = in place of :"]);
    explains(
        "　text = \"hello\"",
        &["a plain space in place of the wide one"],
    );
    explains(
        "\u{200b}text = \"hello\"",
        &["the invisible character U+200B"],
    );
    explains("text = \"hello\"；", &["put ; in place of ；"]);
    explains("text = \"hello\";", &["remove the ; at the end"]);
    explains("ｔｅｘｔ = \"hello\"", &["put t in place of ｔ"]);
    explains(
        "news = [{ title = “a”， url = “https://a/” }]",
        &[
            "plain quotes",
            "put a plain comma (,) in place of the Chinese one (，)",
            "{ title = \"a\", url = \"https://a/\" }",
        ],
    );
    let comma = "put a plain comma (,) in place of the Chinese one (，)";
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nequals = [\"a，b\"， \"c\"]\ntext = \"x\"\nnonsense = 1\n",
        &[
            (3, &[comma, "equals = [\"a，b\", \"c\"]"]),
            (5, &["nonsense"]),
        ],
    );
    // Missing quotes.
    explains(
        "text = \"hello",
        &[
            "the quote (\") at the end of the text is missing",
            "text = \"hello\"",
        ],
    );
    explains("text = hello\"", &["a quote (\") is missing"]);
    explains(
        "text = hello you",
        &["a text needs quotes around it", "text = \"hello you\""],
    );
    explains("text = \"say \"hi\" now\"", &["quote"]);
    explains("text = 'it's'", &["a quote (') is missing or one too many"]);
    explains("silent = True", &["true and false", "silent = true"]);
    explains("silent = yes", &["true and false"]);
    explains("text =", &["no value after the ="]);
    explains("text \"hello\"", &["an = is missing", "text = \"hello\""]);
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nequals = [\"a, \"b\"]\ntext = \"x\"\nnonsense = 1\n",
        &[(3, &["a quote (\") is missing"]), (5, &["nonsense"])],
    );
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nequals = [\"a\" \"b\"]\ntext = \"x\"\nnonsense = 1\n",
        &[(3, &["comma is missing"]), (5, &["nonsense"])],
    );
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nequals = [\"a\", \"b\"\ntext = \"x\"\nnonsense = 1\n",
        &[(3, &["not closed: ] is missing"]), (5, &["nonsense"])],
    );
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nnews = [{ title = \"a\", url = \"https://a/\" ]\nnonsense = 1\n",
        &[(3, &["missing"]), (4, &["nonsense"])],
    );
    // Multi-line strings.
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\ntext = \"\"\"\nHello\nyou\n\n[[rule]]\nmesage = \"text\"\ntext = \"x\"\n",
        &[
            (3, &["text = \"\"\"", "has no \"\"\" at its end"]),
            (8, &["mesage"]),
        ],
    );
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\ntext = \"\"\"\nC:\\dir\n\"\"\"\nnonsense = 1\n",
        &[
            (4, &["C:\\dir", "\\d", "three single quotes"]),
            (6, &["nonsense"]),
        ],
    );
    // Sections.
    has_mistakes(
        "［［rule］］\nmessage = \"text\"\ntext = \"x\"\nnonsense = 1\n",
        &[
            (1, &["［［rule］］", "put [ in place of ［"]),
            (4, &["nonsense"]),
        ],
    );
    has_mistakes(
        "【【rule】】\nmessage = \"text\"\ntext = \"x\"\nnonsense = 1\n",
        &[
            (1, &["put [ in place of 【", "[[rule]]"]),
            (4, &["nonsense"]),
        ],
    );
    for header in ["[[rule]", "[rule]]", "[[rule"] {
        has_mistakes(
            &format!("{header}\nmessage = \"text\"\ntext = \"x\"\nnonsense = 1\n"),
            &[(1, &[header, "[[rule]]"]), (4, &["nonsense"])],
        );
    }
    for second in ["[rule]", "[[rule]]"] {
        let config = format!(
            "[rule]\nmessage = \"text\"\ntext = \"x\"\n{second}\nmesage = \"text\"\ntext = \"y\"\n"
        );
        let found = mistakes(&config);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(
            first.starts_with("1: [rule]: ") && first.contains("[[rule]]"),
            "{found:?}"
        );
        assert!(
            last.starts_with("5: ") && last.contains("mesage"),
            "{found:?}"
        );
        assert_eq!(
            found.len(),
            if second == "[rule]" { 3 } else { 2 },
            "{found:?}"
        );
    }
    has_mistakes(
        "[store]\npath = \"a.db\"\n[server]\nworkers = 0\n[store]\nkeep = \"1d\"\n[api]\nrat = 1\n",
        &[
            (4, &["server.workers"]),
            (5, &["[store]", "has begun above already"]),
            (8, &["api.rat"]),
        ],
    );
    has_mistakes(
        "[server]\npath = \"/a\"\npath = \"/b\"\nworkers = 0\n",
        &[
            (3, &["path = \"/b\"", "path is here a second time"]),
            (4, &["server.workers"]),
        ],
    );
    // Valid: a tab counts as a space, and a string may contain all of this.
    let account = Setup::new()
        .rules(
            "[[rule]]\n\tmessage\t=\t\"text\"\n\ttext = \"“hello”， it's ［fine］\"\t# “remark”\n",
        )
        .stopped();
    account.command(&["check"]).ok();
}

#[test]
fn a_line_that_may_contain_a_secret_is_not_shown() {
    let secret = "5ecre75ecre75ecre75ecre75ecre7ff";
    for (config, line, shown) in [
        (
            format!("[account]\napp_secret = “{secret}”\n"),
            2,
            "app_secret = …",
        ),
        (format!("[account]\ntoken = {secret}\n"), 2, "token = …"),
        (
            format!("[account]\ntoken ＝ \"{secret}\"\n"),
            2,
            "token = …",
        ),
        (format!("[account]\n{secret}\n"), 2, "…"),
        (
            format!("account.aes_key = \"{secret}\n"),
            1,
            "account.aes_key = …",
        ),
        (
            format!("[acount]\napp_secrt = '{secret}\n"),
            2,
            "app_secrt = …",
        ),
        (
            format!("[store]\napp_secret = “{secret}”\n"),
            2,
            "app_secret = …",
        ),
        (
            format!("[[service]]\nurl = “https://a.example/{secret}”\n"),
            2,
            "url = …",
        ),
        (format!("app_secret = “{secret}”\n"), 1, "app_secret = …"),
        (
            format!("[account]\ntoken = \"\"\"{secret}\n{secret}\\d\n"),
            2,
            "token = …",
        ),
    ] {
        let ran = check(&config);
        ran.refused().says_nothing_of(secret);
        reports(&ran, line, &[shown]);
        ran.expect(!ran.stderr.contains(secret), "no secret");
    }
}

#[test]
fn an_escape_in_a_regex_or_path_is_refused_as_unintended() {
    has_mistakes(
        "[[rule]]\nmessage = \"text\"\nregex = \"\\bcat\\b\"\ntext = \"x\"\n",
        &[(3, &["regex", "single quotes"])],
    );
    has_mistakes(
        "store.path = \"C:\\temp\"\n",
        &[(1, &["store.path", "single quotes"])],
    );
}

#[test]
fn every_command_refuses_a_wrong_configuration_as_check_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wechat.conf");
    std::fs::write(&path, "server.listn = \"127.0.0.1:0\"\n").unwrap();
    for arguments in [
        &["serve"][..],
        &[],
        &["followers", "list"],
        &["explain", "hello"],
    ] {
        let ran = run(&path, arguments);
        ran.refused();
        reports(&ran, 1, &["server.listn", "server.listen"]);
    }
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "no file was created: {files:?}");
}

#[test]
fn impossible_values_are_refused() {
    for (config, key) in [
        ("account.token = \"ab\"", "account.token"),
        (
            "account.token = \"abcdefghijklmnopqrstuvwxyz0123456\"",
            "account.token",
        ),
        ("account.token = \"with-dash\"", "account.token"),
        ("account.token = \"\"", "account.token"),
        ("account.token = 12345", "account.token"),
        (
            "account.previous_token = \"a b c\"",
            "account.previous_token",
        ),
        (
            "account.app_secret = \"0123456789abcdef0123456789abcdef\"",
            "account.app_id",
        ),
        (
            "account.app_id = \"gh_5a0c3d91e7b2\"\naccount.app_secret = \"0123456789abcdef0123456789abcdef\"",
            "account.app_id",
        ),
        ("server.listen = \"localhost\"", "server.listen"),
        ("server.listen = \"127.0.0.1:99999\"", "server.listen"),
        ("server.listen = \"unix:\"", "server.listen"),
        ("server.path = \"\"", "server.path"),
        ("server.path = \"/a?b\"", "server.path"),
        ("server.path = \"/healthz\"", "server.path"),
        ("server.workers = 0", "server.workers"),
        ("server.workers = \"four\"", "server.workers"),
        ("server.max_connections = 0", "server.max_connections"),
        ("server.max_waiting = 0", "server.max_waiting"),
        ("server.max_waiting = \"half\"", "server.max_waiting"),
        ("server.max_head = \"1KiB\"", "server.max_head"),
        ("server.max_head = \"1GiB\"", "server.max_head"),
        ("server.request_timeout = \"0s\"", "server.request_timeout"),
        ("server.request_timeout = \"ten\"", "server.request_timeout"),
        ("server.max_body = \"0\"", "server.max_body"),
        ("server.max_body = \"1 parsec\"", "server.max_body"),
        ("server.max_clock_skew = \"-1m\"", "server.max_clock_skew"),
        (
            "server.trusted_proxies = [\"nonsense\"]",
            "server.trusted_proxies",
        ),
        ("store.path = \"\"", "store.path"),
        ("api.base_url = \"ftp://example.com\"", "api.base_url"),
        ("api.base_url = 1", "api.base_url"),
        ("api.timeout = \"soon\"", "api.timeout"),
        ("account = 1", "account"),
        ("rule = 1", "rule"),
        ("gate = 1", "gate"),
        ("[[rule]]\nmessage = \"txt\"\ntext = \"x\"", "txt"),
        ("[[rule]]\nmessage = []\ntext = \"x\"", "message"),
        ("[[rule]]\nmessage = 1\ntext = \"x\"", "message"),
        ("[[rule]]\nmessage = \"text\"\ntext = \"\"", "text"),
        ("[[rule]]\nmessage = \"text\"\ntext = 1", "text"),
        (
            "[[rule]]\nmessage = \"text\"\nequals = [1]\ntext = \"x\"",
            "equals",
        ),
        (
            "[[rule]]\nmessage = \"text\"\nequals = []\ntext = \"x\"",
            "equals",
        ),
        (
            "[[rule]]\nmessage = \"text\"\ncase = \"yes\"\ntext = \"x\"",
            "case",
        ),
        ("[[rule]]\nmessage = \"text\"\nsilent = false", "silent"),
        (
            "[[rule]]\nmessage = \"text\"\nsubject = \"scan\"\ntext = \"x\"",
            "subject",
        ),
        (
            "[[rule]]\nevent = \"scancode_waitmsg\"\nsubject = \"scanned\"\ntext = \"x\"",
            "subject",
        ),
        (
            "[[rule]]\nmessage = \"text\"\nregex = \"a{99999}{99999}\"\ntext = \"x\"",
            "regex",
        ),
    ] {
        let ran = check(config);
        ran.refused();
        ran.complains(key);
        ran.complains("wechat.conf:");
    }
}

#[test]
fn a_duration_that_is_too_short_is_refused_with_the_minimum() {
    for (key, wrong, minimum, why) in [
        ("store.keep_messages", "1s", "1h", "delivered again"),
        ("store.keep_messages", "59m", "1h", "delivered again"),
        ("store.keep_messages", "1ms", "1h", "delivered again"),
        (
            "server.max_clock_skew",
            "1s",
            "10s",
            "delivers a push again",
        ),
        (
            "server.max_clock_skew",
            "9999ms",
            "10s",
            "delivers a push again",
        ),
        ("server.request_timeout", "999ms", "1s", ""),
        ("api.timeout", "200ms", "1s", ""),
    ] {
        let ran = check(format!("# A line above.\n{key} = \"{wrong}\""));
        ran.refused();
        reports(&ran, 2, &[key, minimum, why]);
    }
    for right in [
        "store.keep_messages = \"1h\"",
        "store.keep_messages = \"0d\"",
        "store.keep_messages = \"0s\"",
        "server.max_clock_skew = \"10s\"",
        "server.max_clock_skew = \"0s\"",
        "server.max_clock_skew = \"0ms\"",
        "server.request_timeout = \"1s\"",
        "api.timeout = \"1s\"",
    ] {
        check(right).ok();
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    for (config, line) in [
        // Cut off, as by an editor or a disk that failed.
        ("account.token = \"abcdef\"\n\n[[rule]]\nmessage = \"te", 4),
        ("account.token = \"abcdef\"\nserver.path", 2),
        ("account.token = \"abcdef\"\n[[rule", 2),
        ("account.token = \"a\u{1}b\"\n", 1),
        ("account.token = abcdef\n", 1),
        ("account.token = \"abc\"\naccount.token = \"def\"\n", 2),
    ] {
        let ran = check(config);
        ran.refused();
        reports(&ran, line, &[]);
    }
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let ran = check(b"account.token = \"abcdef\"\n# \xff\xfe\n");
    ran.refused();
    ran.complains("wechat.conf");
    ran.complains("UTF-8");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.conf");
    let ran = run(&missing, &["check"]);
    ran.refused();
    ran.complains("missing.conf");

    let ran = run(folder.path(), &["check"]);
    ran.refused();
    ran.complains(&folder.path().display().to_string());

    let closed = folder.path().join("closed.conf");
    std::fs::write(&closed, "").unwrap();
    let mut permissions = std::fs::metadata(&closed).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o000);
    std::fs::set_permissions(&closed, permissions).unwrap();
    if permissions_do_not_bind(folder.path()) {
        return;
    }
    let ran = run(&closed, &["check"]);
    ran.refused();
    ran.complains("closed.conf");
}

#[test]
fn the_configuration_is_found_in_the_current_folder() {
    let account = Setup::new().stopped();
    let mut command = program();
    command.arg("check").current_dir(account.folder());
    Ran::of(command, "").ok();
    account.rewrite_config(|config| format!("nonsense = 1\n{config}"));
    let mut command = program();
    command.arg("check").current_dir(account.folder());
    Ran::of(command, "").refused().complains("nonsense");
}

#[test]
fn an_empty_configuration_is_valid() {
    check("").ok();
    check("# only a remark\n").ok();
}

#[test]
fn tables_and_dotted_keys_are_equivalent() {
    let account = Setup::new()
        .unset("account.token")
        .unset("server.listen")
        .rules(&format!(
            "[account]\ntoken = \"{TOKEN}\"\n\n[server]\nlisten = \"127.0.0.1:0\"\npath = \"/wechat\"\n{}",
            account::RULES
        ));
    let mut account = account.stopped();
    account.token = TOKEN.into();
    account.begin();
    account.post(&text("hello")).is_text(HELP);
}

#[test]
fn a_token_is_generated_at_the_first_start_and_kept() {
    let mut account = Setup::new().unset("account.token").start();
    let token = shown_token(&account);
    account.token = token.clone();
    account
        .get(&format!("/wechat?{}&echostr=1", account.signed()))
        .is(200, "1");
    account.post(&text("hello")).is_text(HELP);
    assert!(
        !account.log().has(&token),
        "the Token is in the log\n{}",
        account.log()
    );
    account.restart();
    assert_eq!(
        shown_token(&account),
        token,
        "another Token after a restart"
    );
    account.post(&text("hello")).is_text(HELP);

    let other = Setup::new().unset("account.token").start();
    assert_ne!(
        shown_token(&other),
        token,
        "two accounts have the same Token"
    );
}

#[test]
fn an_app_id_without_a_secret_only_turns_off_the_api() {
    let account = Setup::new()
        .set("account.app_id", &format!("\"{APP_ID}\""))
        .start();
    account.post(&text("hello")).is_text(HELP);
    let ran = account.command(&["check"]);
    ran.ok();
    ran.expect(
        ran.stdout.contains("off: account.app_secret is not set"),
        "what is missing",
    );
}

#[test]
fn an_invalid_token_in_the_store_is_replaced() {
    for invalid in ["NULL", "''", "'ab'", "'not a token'"] {
        let mut account = Setup::new().unset("account.token").start();
        let first = shown_token(&account);
        account.stop();
        let sql = format!("UPDATE settings SET value = {invalid} WHERE name = 'token'");
        store::change(&account.store_path(), &sql);
        account.begin();
        account.post(&text("hello").signed_with("")).is_refused();
        let token = shown_token(&account);
        assert_ne!(token, first, "{invalid}");
        account
            .post(&text("hello").signed_with(&token))
            .is_text(HELP);
    }
}

#[test]
fn a_configured_token_replaces_the_generated_one() {
    let mut account = Setup::new().unset("account.token").start();
    let generated = shown_token(&account);
    account.stop();
    account.rewrite_config(|config| format!("account.token = \"{TOKEN}\"\n{config}"));
    account.begin();
    account.token = TOKEN.into();
    account.post(&text("hello")).is_text(HELP);
    account
        .post(&text("hello").signed_with(&generated))
        .is_refused();
}

/// The Token that `wechatd check` shows.
#[track_caller]
fn shown_token(account: &Account) -> String {
    let ran = account.command(&["check"]);
    ran.ok();
    let token = ran.stdout.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let token = (words.next() == Some("token")).then(|| words.next())??;
        let whole = token.len() == 32 && token.bytes().all(|b| b.is_ascii_alphanumeric());
        whole.then(|| token.to_owned())
    });
    ran.expect(token.is_some(), "a line `token` with 32 letters and digits");
    token.unwrap()
}

#[test]
fn error_messages_never_contain_secrets() {
    let secret = "5ecre75ecre75ecre75ecre75ecre7ff";
    for config in [
        format!(
            "account.app_id = \"{APP_ID}\"\naccount.app_secret = \"{secret}\"\nserver.pth = 1\n"
        ),
        format!("account.app_id = \"{APP_ID}\"\naccount.app_secret = [\"{secret}\"]\n"),
        format!(
            "account.app_id = \"{APP_ID}\"\naccount.app_secret = \"{secret}\nserver.path = 1\n"
        ),
        format!("account.app_secrt = \"{secret}\"\n"),
        format!("account.token = \"{secret}-{secret}\"\n"),
        format!("[[service]]\nname = \"bot\"\nurl = \"bot.example/{secret}\"\n"),
        format!("[[service]]\nname = \"bot\"\ntoken = \"{secret}-{secret}\"\n"),
        format!("[[service]]\nname = \"bot\"\nformat = \"json\"\nsecret = \"whsec_{secret}\"\n"),
        format!("[[service]]\nname = \"bot\"\nformat = \"json\"\ntoken = \"{secret}\"\n"),
    ] {
        let ran = check(&config);
        ran.refused();
        ran.expect(!ran.stderr.contains(secret), "no secret on stderr");
        ran.says_nothing_of(secret);
    }
}

/// Reads a text as the configuration and formats the result, be it a value or mistakes.
fn read(text: &str) {
    match Config::read(Path::new("wechat.conf"), text, None) {
        Ok(config) => drop(format!("{config:?}")),
        Err(problems) => assert!(problems.to_string().contains("wechat.conf")),
    }
}

/// The shipped configuration with every commented-out setting enabled, and some more rules.
fn full_configuration() -> String {
    let shipped = format!("{}/wechat.conf", env!("CARGO_MANIFEST_DIR"));
    let shipped = std::fs::read_to_string(shipped).unwrap();
    let enabled = shipped.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.contains(" = ") && !setting.contains(',') => setting,
        _ => line,
    });
    let more = r#"
[[rule]]
message = ["text", "voice"]
regex = ["^(\\d+)[,，](.*)$", "x{2,9}"]
case = true
news = [{ title = "{0}", description = "{content}", pic_url = "https://example.com/a", url = "https://example.com/{1}" }]

[[rule]]
event = "any"
music = { title = "{key}", url = "https://example.com/{openid}" }

[[gate]]
name = "members"
who = "tag:VIP"
methods = ["oauth"]
max_age = "12h"

[[service]]
name = "bot"
url = "https://user:word@example.com/?key=synthetic"
token = "weixin"
slow = ["wait", "next"]

[[rule]]
message = "any"
forward = "bot"
otherwise = "{openid}"
"#;
    enabled.collect::<Vec<_>>().join("\n") + more
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for text in [
        format!("server.allow_ips = {}", "[".repeat(200_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        "[[rule]]\n".repeat(20_000),
        format!(
            "[[rule]]\nmessage = \"text\"\nregex = \"{}\"\ntext = \"x\"",
            "(".repeat(50_000)
        ),
        format!(
            "[[rule]]\nmessage = \"text\"\ntext = \"{}\"",
            "{0".repeat(50_000)
        ),
    ] {
        read(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}|[\\[\\]{}=\"'.\\n a-z#0-9]{0,200}") {
        read(&text);
    }

    #[test]
    fn no_broken_configuration_makes_the_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "\\PC|[\"'\\[\\]{}=.\\n]|"), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut text: Vec<char> = full_configuration().chars().collect();
        for (place, change) in changes {
            let at = place.index(text.len());
            text.splice(at..=at, change.chars());
        }
        if cuts {
            text.truncate(cut.index(text.len()));
        }
        read(&text.into_iter().collect::<String>());
    }
}

#[test]
fn an_endless_secret_file_is_read_only_up_to_the_length_of_a_secret() {
    Setup::new()
        .set("account.app_id", "\"wx0123456789abcdef\"")
        .unset("account.app_secret")
        .set("account.app_secret_file", "\"/dev/zero\"")
        .stopped()
        .command(&["check"])
        .refused()
        .complains("does not hold an AppSecret");
}
