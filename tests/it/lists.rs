//! Lists for people: empty and truncated ones, their width, filters, and odd values in the store.

use crate::support::account::WELCOME;
use crate::support::*;

#[test]
fn an_empty_list_says_what_was_searched_for() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    for (arguments, text) in [
        (&["followers", "list"][..], "nobody follows"),
        (
            &[
                "followers",
                "list",
                "--tag",
                "128",
                "--scene",
                "door",
                "--since",
                "2027-01-01",
            ],
            "no follower with the tag 128 by the scene door since 2027-01-01",
        ),
        (&["messages", "list"], "no message"),
        (
            &["messages", "list", "--from", "oX", "--since", "2027-01-01"],
            "no message of oX since 2027-01-01",
        ),
        (&["qrcode", "stats"], "nobody came by a code"),
        (
            &["qrcode", "stats", "--since", "2027-01-01"],
            "nobody came by a code since 2027-01-01",
        ),
        (&["mass", "status"], "no mass message was sent"),
        (&["template", "status"], "no template message was sent"),
        (&["kf", "waiting"], "nobody waits"),
    ] {
        let ran = account.command(arguments);
        assert_eq!(ran.ok().stdout, format!("{text}\n"));
    }
    let unknown = account.command(&["template", "status", "17"]);
    unknown
        .failed()
        .complains("the store knows no template message 17");
    assert_eq!(unknown.stdout, "");
    for family in ["followers", "messages"] {
        let ran = account.command(&[family, "list", "--json"]);
        assert_eq!(ran.json(), serde_json::json!([]));
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_truncated_list_says_so_on_stderr() {
    let account = Account::start();
    for _ in 0..3 {
        let fan = another_fan();
        account.post(&subscribe().from(&fan));
    }
    for family in ["followers", "messages"] {
        for json in [&[][..], &["--json"]] {
            let list = |limit| [&[family, "list", "--limit", limit], json].concat();
            let cut = account.command(&list("2"));
            cut.ok().complains(&format!(
                "the newest 2 are shown; --limit N shows more, `wechatd {family} export` gives all"
            ));
            let whole = account.command(&list("3"));
            assert_eq!(whole.ok().stderr, "");
        }
        let json = account
            .command(&[family, "list", "--json", "--limit", "2"])
            .json();
        assert_eq!(json.as_array().map(Vec::len), Some(2), "{json}");
    }
    account
        .command(&["followers", "list"])
        .says("3 of 3 followers");
}

#[test]
fn control_characters_of_an_openid_do_not_reach_the_terminal() {
    let account = Account::start();
    account
        .simulate(&["subscribe", "--from", "oRed\u{9b}31m"])
        .ok();
    for arguments in [&["followers", "list"][..], &["messages", "list"]] {
        let ran = account.command(arguments);
        ran.ok().says("oRed\\u{9b}31m");
        ran.expect(!ran.stdout.contains('\u{9b}'), "no control characters");
    }
}

#[test]
fn content_is_truncated_to_the_width_of_the_terminal() {
    let account = Account::start();
    let content = "word ".repeat(30);
    account.post(&text(&content));
    let piped = account.command(&["messages", "list"]);
    piped.ok().says(&format!("{}…", &content[..40]));
    let wide = on_terminal_of_width(&account, 250, "messages list");
    wide.ok().says(content.trim_end());
}

/// Runs a command on a terminal of this width.
#[track_caller]
fn on_terminal_of_width(account: &Account, columns: usize, command: &str) -> Ran {
    let config = account.config_path().display().to_string();
    let mut script = std::process::Command::new("script");
    let program = env!("CARGO_BIN_EXE_wechatd");
    let line = format!("stty rows 50 cols {columns}; '{program}' --config '{config}' {command}");
    script.args(["-qec", &line, "/dev/null"]);
    Ran::of(script, "")
}

/// No line is wider than `columns`.
#[track_caller]
fn fits(ran: &Ran, columns: usize) {
    use unicode_width::UnicodeWidthStr;
    ran.ok();
    for line in ran.stdout.lines() {
        let width = line.trim_end_matches('\r').width();
        ran.expect(
            width <= columns,
            &format!("at most {columns} columns: {width} in {line:?}"),
        );
    }
}

/// Followers with everything that can make a list wide.
fn wide_account(platform: &Platform) -> Account {
    let account = Setup::new().platform(platform).stopped();
    account.command(&["tags", "list"]).ok();
    store::change(
        &account.store_path(),
        "INSERT INTO followers (openid, nickname, remark, tagid_list, subscribe_time, qr_scene_str, profile_at) VALUES
             ('oSyn1aAQe7rT0uXk3mPzLc9WvBh4', '一个很长很长很长很长很长很长的名字 and more', 'met at the fair in spring',
              '[128,2,999]', unixepoch(), 'poster-in-the-window-of-the-shop', 1),
             ('oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'Ben', NULL, '[]', unixepoch() - 800 * 86400, NULL, 1);
         INSERT INTO messages (dedup_key, openid, msg_type, content, received_at, rule, reply) VALUES
             ('1', 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'text', replace(hex(zeroblob(100)), '00', '好 '), unixepoch(),
              'a rule with a name that is rather long', '<xml/>'),
             ('2', 'oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'text', 'short', unixepoch() - 800 * 86400, NULL, NULL);
         UPDATE messages SET todo = 1 WHERE id = 1;
         INSERT INTO jobs (kind, msg_id, msg_type, target, content, sent_at, status, total, sent, failed) VALUES
             ('mass', '1000002301', 'text', 'all followers (120000 in the store)', 'We are closed on Monday and Tuesday',
              unixepoch(), 'err(20013)', 120000, 119000, 1000);
         INSERT INTO jobs (kind, msg_id, msg_type, openid, content, sent_at, status) VALUES
             ('template', '4250000000000000001', NULL, 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4',
              'a template whose name is longer than others', unixepoch(), 'failed: system failed');",
    );
    account
}

const LISTS: [&str; 6] = [
    "followers list",
    "messages list",
    "mass status",
    "template status",
    "tags list",
    "kf list",
];

#[test]
fn every_row_of_a_list_fits_on_one_line_of_the_terminal() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    for list in LISTS {
        for columns in [80, 60, 132] {
            fits(&on_terminal_of_width(&account, columns, list), columns);
        }
    }
    let inbox = [
        "messages list",
        "messages list --todo",
        "messages list --unanswered",
    ];
    for list in inbox {
        for columns in [80, 40] {
            let shown = on_terminal_of_width(&account, columns, list);
            fits(&shown, columns);
            shown.says("好 ");
        }
    }
    // Lines to be pasted are not cut.
    for columns in [80, 40] {
        let shown = on_terminal_of_width(&account, columns, "messages unanswered");
        let (table, _) = shown.ok().stdout.split_once("[[rule]]").unwrap();
        let table = Ran {
            stdout: table.to_owned(),
            ..shown.clone()
        };
        fits(&table, columns);
    }
    // An ordinary openid is shown in full, so that it can be copied.
    on_terminal_of_width(&account, 80, "followers list").says("oSyn1aAQe7rT0uXk3mPzLc9WvBh4  ");
}

#[test]
fn one_long_openid_does_not_push_other_columns_off_the_terminal() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    let long = format!("o{}", "L".repeat(127));
    store::change(
        &account.store_path(),
        &format!(
            "INSERT INTO followers (openid, nickname, subscribe_time) VALUES ('{long}', 'Zoe', unixepoch())"
        ),
    );
    let list = on_terminal_of_width(&account, 80, "followers list");
    fits(&list, 80);
    list.says("oLLLLLLLL").says("Zoe").says("Ben");
}

#[test]
fn empty_columns_are_left_out_and_times_of_this_year_are_short() {
    let account = Account::start();
    account
        .post(&subscribe().from("oSomebody"))
        .is_text(WELCOME);
    let list = account.command(&["followers", "list"]);
    list.ok();
    let heading = list.stdout.lines().next().unwrap_or_default();
    let headings: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(headings, ["SUBSCRIBED", "OPENID"]);
    let year = account
        .store()
        .one::<String>("SELECT strftime('%Y-', 'now', 'localtime')");
    list.says_nothing_of(&year);
    // JSON has the full time.
    let json = account.command(&["followers", "list", "--json"]).json();
    let subscribed = json[0]["subscribed"].as_str().unwrap();
    assert!(
        subscribed.starts_with(&year) && subscribed.len() == 19,
        "{subscribed}"
    );
    store::change(
        &account.store_path(),
        "UPDATE followers SET subscribe_time = subscribe_time - 800 * 86400",
    );
    let year: i32 = year.trim_end_matches('-').parse().unwrap();
    let list = account.command(&["followers", "list"]);
    let earlier = [year - 2, year - 3].map(|year| list.stdout.contains(&format!("{year}-")));
    assert!(earlier.contains(&true), "{}", list.stdout);
}

#[test]
fn tags_are_shown_and_found_by_name_without_asking_the_platform() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    account
        .command(&["followers", "list"])
        .ok()
        .says("regulars, starred, 999");
    account
        .command(&["followers", "show", "oSyn1aAQe7rT0uXk3mPzLc9WvBh4"])
        .ok()
        .says("regulars, starred, 999");
    let calls = platform.calls().len();
    for tag in ["regulars", "128"] {
        account
            .command(&["followers", "list", "--tag", tag])
            .ok()
            .says("oSyn1aAQe7rT0uXk3mPzLc9WvBh4")
            .says("1 of 2 followers");
    }
    assert_eq!(platform.calls().len(), calls, "the platform was asked");
}

#[test]
fn every_command_finds_a_tag_named_by_digits_and_refuses_an_unknown_one() {
    let platform = Platform::start();
    platform.people(|all| drop(all.tags.insert(131, "2024".into())));
    let account = wide_account(&platform);
    let amy = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
    account.command(&["tags", "add", "2024", amy]).ok();
    account
        .command(&["followers", "list", "--tag", "2024"])
        .ok()
        .says(amy);
    account
        .command(&["followers", "export", "--tag", "2024"])
        .ok()
        .says(amy);
    for command in [
        &["followers", "list", "--tag", "2025"][..],
        &["followers", "export", "--tag", "2025"],
        &["followers", "list", "--tag", "nobody's"],
        &["tags", "add", "2025", amy],
        &["mass", "send", "hello", "--tag", "2025", "--yes"],
    ] {
        account
            .command(command)
            .failed()
            .complains("there is no tag");
    }
    // Also without access to the platform.
    let offline = Account::start();
    offline
        .post(&subscribe().from("oSomebody"))
        .is_text(WELCOME);
    offline
        .command(&["followers", "list", "--tag", "2024"])
        .failed()
        .complains("there is no tag");
    store::change(
        &offline.store_path(),
        "UPDATE followers SET tagid_list = '[2024]'",
    );
    offline
        .command(&["followers", "list", "--tag", "2024"])
        .ok()
        .says("oSomebody");
}

#[test]
fn since_accepts_a_duration() {
    let account = Account::start();
    account.post(&text("now")).is_text(account::HELP);
    for ago in ["30s", "5m", "1h", "7d"] {
        account
            .command(&["messages", "list", "--since", ago])
            .ok()
            .says("now");
    }
    account
        .command(&["messages", "list", "--since", "1w"])
        .refused()
        .complains("such as 7d, 12h or 30m");
}

#[test]
fn a_piped_list_of_openids_contains_nothing_else() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).stopped();
    let piped = account.command(&["blacklist", "list"]);
    assert_eq!(
        (piped.ok().stdout.as_str(), piped.stderr.as_str()),
        ("", "")
    );
    account
        .on_a_terminal(&["blacklist", "list"])
        .ok()
        .says("nobody is blocked");
}

#[test]
fn leading_zeros_of_a_scene_count() {
    let account = Account::start();
    for scene in ["7", "007"] {
        account
            .post(&subscribe_by(scene).from(&format!("oCameBy{scene}")))
            .is_text(WELCOME);
    }
    for scene in ["7", "007"] {
        let list = account.command(&["followers", "list", "--json", "--scene", scene]);
        let openids: Vec<String> = list
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|follower| follower["openid"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(openids, [format!("oCameBy{scene}")]);
    }
}

#[test]
fn search_finds_followers_by_name_remark_openid_and_unionid() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    store::change(
        &account.store_path(),
        "UPDATE followers SET unionid = 'uAmy%_1' WHERE openid LIKE 'oSyn1a%'",
    );
    let amy = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
    for text in ["很长", "AND MORE", "met at", "syn1aaqe", "uamy%_1", "%_"] {
        let list = account.command(&["followers", "list", "--search", text]);
        list.ok().says(amy).says_nothing_of("Ben");
        let export = account.command(&["followers", "export", "--search", text]);
        export.ok().says(amy).says_nothing_of("Ben");
    }
    account
        .command(&["followers", "list", "--search", "Ben", "--since", "30d"])
        .ok()
        .says("no follower with Ben since 30d");
    account
        .command(&["followers", "list", "--search", "nobody"])
        .ok()
        .says("no follower with nobody");
}

#[test]
fn a_value_of_the_wrong_type_breaks_no_list() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    store::change(
        &account.store_path(),
        "INSERT INTO followers (openid, nickname, sex, subscribe_time) VALUES (x'6f426c6f62', 4711, 'x', '1790000000');
         INSERT INTO messages (dedup_key, openid, msg_type, content, received_at) VALUES
             ('blob', x'6f426c6f62', 'text', x'00ff68656c6c6f', 1790000000);",
    );
    for command in [
        &["followers", "list"][..],
        &["followers", "list", "--json"],
        &["messages", "list"],
        &["messages", "list", "--json"],
    ] {
        account.command(command).ok().says("oBlob");
    }
    for command in [&["followers", "export"][..], &["messages", "export"]] {
        account.command(command).ok();
    }
    account.command(&["followers", "list"]).says("4711");
}

#[test]
fn a_value_of_the_wrong_type_in_any_column_hides_no_other_row() {
    let platform = Platform::start();
    let account = wide_account(&platform);
    store::change(
        &account.store_path(),
        "INSERT INTO followers (openid, nickname, tagid_list, subscribe_time) VALUES
             (x'ff00fe', 'odd openid', '[128]', unixepoch()),
             ('oOddColumns', x'ff4f6464', 'no JSON', unixepoch());
         UPDATE followers SET sex = 'x', groupid = x'00', qr_scene = 'y', remark = x'ff' WHERE openid = 'oOddColumns';
         INSERT INTO follow_log (openid, action, at, source, scene) VALUES
             ('oOddColumns', 'subscribe', unixepoch(), 'push', x'ff');
         INSERT INTO messages (dedup_key, openid, msg_type, content, received_at) VALUES
             ('3', x'ff00fe', 'text', x'ff', unixepoch()), ('4', 'oOddColumns', x'ff', 5, 'never');
         INSERT INTO jobs (kind, msg_id, content, total, sent_at) VALUES
             ('mass', x'ff', x'ff', 'many', 'never'), ('template', x'ff', x'ff', x'ff', 1);
         UPDATE tags SET name = x'ff' WHERE id = 128;",
    );
    for (list, row) in [
        (&["followers", "list"][..], "oSyn1bN2_yKd8GfJ6sHqRt5EwVx0"),
        (
            &["followers", "list", "--tag", "128"],
            "oSyn1aAQe7rT0uXk3mPzLc9WvBh4",
        ),
        (&["followers", "show", "oOddColumns"], "oOddColumns"),
        (&["messages", "list"], "short"),
        (&["messages", "show", "3"], "text"),
        (&["mass", "status"], "1000002301"),
        (&["template", "status"], "4250000000000000001"),
    ] {
        account.command(list).ok().says(row);
        let json = account.command(&[list, &["--json"]].concat());
        assert!(json.json().to_string().contains(row), "{list:?}");
    }
    account.command(&["qrcode", "stats"]).ok();
    for family in ["followers", "messages"] {
        account
            .command(&[family, "export"])
            .ok()
            .says("oSyn1bN2_yKd8GfJ6sHqRt5EwVx0");
    }
    account.command(&["followers", "sync"]).ok();
}
