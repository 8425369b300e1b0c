//! Lists as people read them: empty ones, cut ones, and what must not reach the terminal.

use crate::support::account::WELCOME;
use crate::support::*;

#[test]
fn an_empty_list_says_what_was_looked_for() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    for (arguments, told) in [
        (&["followers", "list"][..], "nobody follows"),
        (
            &[
                "followers",
                "list",
                "--tag",
                "7",
                "--scene",
                "door",
                "--since",
                "2027-01-01",
            ],
            "no follower with the tag 7 by the scene door since 2027-01-01",
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
        assert_eq!(ran.ok().stdout, format!("{told}\n"));
    }
    let unknown = account.command(&["template", "status", "17"]);
    unknown
        .failed()
        .complains("the store knows no template message 17");
    assert_eq!(unknown.stdout, "");
    let nobody = account.command(&["blacklist", "list"]);
    nobody.ok().complains("nobody is blocked");
    assert_eq!(nobody.stdout, "");
    for family in ["followers", "messages"] {
        let ran = account.command(&[family, "list", "--json"]);
        assert_eq!(ran.json(), serde_json::json!([]));
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_list_that_is_cut_says_so_beside_its_answer() {
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
fn a_content_is_as_long_as_the_terminal_is_wide() {
    let account = Account::start();
    let content = "word ".repeat(30);
    account.post(&text(&content));
    let piped = account.command(&["messages", "list"]);
    piped.ok().says(&format!("{}…", &content[..40]));
    let config = account.config_path().display().to_string();
    let mut script = std::process::Command::new("script");
    let program = env!("CARGO_BIN_EXE_wechatd");
    let line = format!("stty rows 50 cols 250; '{program}' --config '{config}' messages list");
    script.args(["-qec", &line, "/dev/null"]);
    let wide = Ran::of(script, "");
    wide.ok().says(content.trim_end());
}

#[test]
fn a_scene_with_leading_zeros_is_another_scene() {
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
