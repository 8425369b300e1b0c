//! `rules pull`, which takes over the console's automatic replies, and `rules test`, which holds rules against examples.

use crate::support::*;
use serde_json::{Value, json};
use std::path::Path;
use wechatd::config::Config;

const CALL: &str = "/cgi-bin/get_current_autoreply_info";

fn account(platform: &Platform, replies: &Value) -> Account {
    platform.always(CALL, Fault::Body(replies.to_string()));
    Setup::new().rules("").platform(platform).stopped()
}

fn sample() -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/api");
    let file = format!("{folder}/get_current_autoreply_info.json");
    let sample: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    sample["response"].clone()
}

/// What `rules pull` prints is valid, and these are its rules: name, key of the answer.
#[track_caller]
fn rules_of(ran: &Ran) -> Vec<(String, &'static str)> {
    let config = Config::read(Path::new("wechat.conf"), &ran.stdout, None);
    let config = config.unwrap_or_else(|problems| panic!("{problems}\n{}", ran.stdout));
    let rules = config.rules.iter();
    rules
        .map(|rule| (rule.name.clone(), rule.action.key()))
        .collect()
}

fn named<'a>(rules: &'a [(String, &'static str)]) -> Vec<(&'a str, &'a str)> {
    rules
        .iter()
        .map(|(name, key)| (name.as_str(), *key))
        .collect()
}

#[test]
fn the_replies_of_the_console_become_rules_in_their_order() {
    let platform = Platform::start();
    let account = account(&platform, &sample());
    let ran = account.command(&["rules", "pull", "--text-only"]);
    ran.ok()
        .says("contains = [\"营业\"]")
        .says("equals = [\"1\"]")
        .says("# Not taken over (a rule answers with one): news \"Opening hours\"")
        .says("# voice: no reply that can be taken over")
        .says("--text-only leaves it out")
        .says("put your rules above it");
    assert_eq!(
        named(&rules_of(&ran)),
        [
            ("welcome", "text"),
            ("营业时间", "text"),
            ("营业时间 2", "text"),
            ("default reply", "text")
        ]
    );
    let tests = "[[test]]\nevent = \"subscribe\"\nanswer = \"欢迎关注！\\n回复 1 看营业时间\"
[[test]]\ntext = \"几点营业？\"\nrule = \"营业时间\"
[[test]]\ntext = \"1\"\nrule = \"营业时间 2\"
[[test]]\ntext = \"hi\"\nrule = \"default reply\"\n";
    account.rewrite_config(|_| ran.stdout.clone());
    std::fs::write(account.folder().join("tests.toml"), tests).unwrap();
    account
        .command(&["rules", "test", "tests.toml"])
        .ok()
        .says("4 of 4 examples as expected");
}

#[test]
fn pictures_recordings_and_videos_are_uploaded_for_good() {
    let platform = Platform::start();
    let reply = |kind: &str, content: &str| json!({"type": kind, "content": content});
    let replies = json!({
        "is_add_friend_reply_open": 1,
        "is_autoreply_open": 1,
        "add_friend_autoreply_info": reply("img", "SYN_TEMPORARY"),
        "message_default_autoreply_info": reply("img", "SYN_GONE"),
    });
    let account = account(&platform, &replies);
    let ran = account.command(&["rules", "pull"]);
    ran.ok();
    assert_eq!(platform.count("/cgi-bin/material/add_material"), 2);
    assert_eq!(
        named(&rules_of(&ran)),
        [("welcome", "image"), ("default reply", "image")]
    );
    ran.says_nothing_of("SYN_TEMPORARY");
    // Where one cannot be had, the others still come over.
    platform.always(
        "/cgi-bin/media/get",
        Fault::Errcode(40007, "invalid media_id"),
    );
    let ran = account.command(&["rules", "pull"]);
    ran.ok()
        .complains("40007")
        .says("no reply that can be taken over");
    assert!(rules_of(&ran).is_empty());
}

#[test]
fn braces_quotes_and_line_breaks_stay_what_they_are() {
    let platform = Platform::start();
    let text = "Say {content} or \"{0}\"\\n\n'''and\"\"\" {{ }";
    let replies = json!({
        "is_add_friend_reply_open": 1,
        "add_friend_autoreply_info": {"type": "text", "content": text},
        "keyword_autoreply_info": {"list": [
            {"rule_name": "a\n[[rule]]", "keyword_list_info": [{"match_mode": "regex\n[x]", "content": "a\nb"}],
             "reply_list_info": [{"type": "card\n[y]", "content": "c\nd"}]},
            {"rule_name": "welcome", "keyword_list_info": [{"match_mode": "equal", "content": "\"q\""}],
             "reply_list_info": [{"type": "text", "content": "first"}, {"type": "text", "content": "a\nb"}]},
        ]},
    });
    let account = account(&platform, &replies);
    let ran = account.command(&["rules", "pull"]);
    ran.ok()
        .says("# Not taken over from a [[rule]]: the keyword");
    assert_eq!(
        named(&rules_of(&ran)),
        [("welcome", "text"), ("welcome 2", "text")]
    );
    account.rewrite_config(|_| ran.stdout.clone());
    let shown = account
        .command(&["explain", "--event", "subscribe", "--json"])
        .json();
    assert!(shown["reply"].as_str().unwrap().contains(text), "{shown}");
}

#[test]
fn what_is_switched_off_or_unknown_is_named_and_no_rule() {
    let platform = Platform::start();
    let off = json!({
        "is_add_friend_reply_open": 0, "is_autoreply_open": 0,
        "add_friend_autoreply_info": {"type": "text", "content": "old welcome"},
    });
    let ran = account(&platform, &off).command(&["rules", "pull"]);
    ran.ok()
        .says("# Switched off in the console, welcome: text \"old welcome\"");
    assert!(rules_of(&ran).is_empty());
    let nothing = json!({"is_add_friend_reply_open": 0, "is_autoreply_open": 0});
    let ran = account(&platform, &nothing).command(&["rules", "pull"]);
    ran.ok().says("# There are none");
    let unknown = json!({
        "is_add_friend_reply_open": 1,
        "add_friend_autoreply_info": {"type": "finder_card", "content": "SYN"},
    });
    let ran = account(&platform, &unknown).command(&["rules", "pull"]);
    ran.ok().says("not known: finder_card");
    let json = account(&platform, &unknown)
        .command(&["rules", "pull", "--json"])
        .json();
    assert_eq!(json["add_friend_autoreply_info"]["type"], "finder_card");
}

#[test]
fn an_example_that_is_not_met_is_named_with_its_line() {
    let account = Setup::new().stopped();
    let file = account.folder().join("tests.toml");
    std::fs::write(
        &file,
        "[[test]]\ntext = \"@tea\"\nrule = \"suggestion\"\n\n[[test]]\ntext = \"tea\"\nrule = \"suggestion\"\nanswer = \"\"\n",
    )
    .unwrap();
    let ran = account.command(&["rules", "test", "tests.toml"]);
    ran.is_code(1)
        .says("tests.toml:5: text \"tea\": expected rule \"suggestion\", got ")
        .says("expected answer \"\", got ")
        .says("1 of 2 examples as expected");
    let json = account.command(&["rules", "test", "tests.toml", "--json"]);
    json.is_code(1);
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["passed"], 1);
    assert_eq!(value["failed"][0]["line"], 5);
    for (text, part) in [
        (
            "[[test]]\ntext = \"a\"\n",
            "tests.toml:1: name the rule or the answer",
        ),
        (
            "\n[[test]]\nrule = \"a\"\n",
            "tests.toml:2: name one of text, message and event",
        ),
        (
            "[[test]]\ntext = \"a\"\nrules = \"a\"\n",
            "tests.toml:3: unknown field",
        ),
        ("[[test]]\ntext = \"a\n", "tests.toml:2: "),
        ("", "tests.toml:1: missing field"),
        (
            "[[test]]\nevent = \"SUBSCRIBED\"\nrule = \"a\"\n",
            "SUBSCRIBED",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = account.command(&["rules", "test", "tests.toml"]);
        ran.is_code(2).complains(part);
    }
    std::fs::remove_file(&file).unwrap();
    account
        .command(&["rules", "test", "tests.toml"])
        .is_code(2)
        .complains("tests.toml: No such file");
}

#[test]
fn what_is_pulled_behind_the_rules_that_are_there_has_names_of_its_own() {
    let platform = Platform::start();
    platform.always(CALL, Fault::Body(sample().to_string()));
    let account = Setup::new().platform(&platform).stopped();
    let ran = account.command(&["rules", "pull", "--text-only"]);
    ran.ok().says("remove the earlier ones that these replace");
    account.rewrite_config(|config| format!("{config}{}", ran.stdout));
    account
        .command(&["check"])
        .ok()
        .says("welcome 2")
        .says("never answers");
}
