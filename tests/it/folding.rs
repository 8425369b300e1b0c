//! Differences that rules ignore: full width, invisible characters, the full stop after recognized speech.
//!
//! Every table runs against the server and through `wechatd explain`, which must agree.

use crate::rules::Says::{Success, Text};
use crate::rules::check;
use crate::support::*;

#[test]
fn full_width_characters_match_ascii_in_every_key() {
    check(
        r#"
        [[rule]]
        message = "text"
        equals = ["0627", "ＣＯＤＥ", "a　b"]
        text = "equals"
        [[rule]]
        message = "text"
        prefix = ["@", "＃"]
        text = "prefix: {content}"
        [[rule]]
        message = "text"
        contains = ["50%", "（vip）"]
        text = "contains"
        [[rule]]
        message = "text"
        regex = '^No\. ?([0-9]+)!$'
        text = "regex {1}"
        "#,
        &[
            (text("0627"), Text("equals")),
            (text("０６２７"), Text("equals")),
            (text("　０６２７　"), Text("equals")),
            (text("code"), Text("equals")),
            (text("Ｃode"), Text("equals")),
            (text("A b"), Text("equals")),
            (text("a　B"), Text("equals")),
            (text("＠多放糖"), Text("prefix: ＠多放糖")),
            (text("@多放糖"), Text("prefix: @多放糖")),
            (text("#1"), Text("prefix: #1")),
            (text("　＃1"), Text("prefix: 　＃1")),
            (text("多５０％好"), Text("contains")),
            (text("我是(VIP)"), Text("contains")),
            (text("我是（ＶＩＰ）"), Text("contains")),
            (text("No. 77!"), Text("regex 77")),
            (text("Ｎｏ．　７７！"), Text("regex ７７")),
            (text("no.７7！"), Text("regex ７7")),
            (text("no．x!"), Success),
        ],
    );
}

#[test]
fn invisible_characters_are_ignored() {
    check(
        "
        [[rule]]
        message = \"text\"
        equals = [\"menu\", \"\u{feff}card\"]
        text = \"equals\"
        [[rule]]
        message = \"text\"
        prefix = \"@\"
        text = \"prefix\"
        [[rule]]
        message = \"text\"
        contains = \"pri\u{200b}ce\"
        text = \"contains\"
        [[rule]]
        message = \"text\"
        regex = '^order ([0-9]+) for (\\w+)$'
        text = \"{1}, {2}\"
        [[rule]]
        message = \"text\"
        equals = \"❤\"
        text = \"love\"
        ",
        &[
            (text("\u{200b}menu"), Text("equals")),
            (text("me\u{200d}nu\u{feff}"), Text("equals")),
            (text(" \u{200e} menu \u{2060} "), Text("equals")),
            (text("\u{202a}card\u{202e}"), Text("equals")),
            (text("\u{200b} @tea"), Text("prefix")),
            (text("\u{feff}＠tea"), Text("prefix")),
            (text("the price"), Text("contains")),
            (text("p\u{200f}rice"), Text("contains")),
            (text("\u{200b}order 7 for Li\u{200b}"), Text("7, Li")),
            (
                text("order\u{2060} 1\u{200b}2 for \u{200b}Li\u{200b}"),
                Text("1\u{200b}2, Li"),
            ),
            (text("❤\u{fe0f}"), Text("love")),
            (text("\u{200b}"), Success),
        ],
    );
}

#[test]
fn a_regex_matches_full_width_text_without_changing_its_meaning() {
    check(
        r#"
        [[rule]]
        message = "text"
        regex = '^（(\d+)）$'
        text = "in brackets: {1}"
        [[rule]]
        message = "text"
        regex = '^[？！]+$'
        text = "marks"
        [[rule]]
        message = "text"
        regex = '^好．$'
        text = "one full stop"
        [[rule]]
        message = "text"
        regex = '^[ａ-ｆ]＋$'
        text = "letter and plus"
        [[rule]]
        message = "text"
        regex = '^(?-i)Ok$'
        text = "Ok"
        "#,
        &[
            (text("（12）"), Text("in brackets: 12")),
            (text("(12)"), Text("in brackets: 12")),
            (text("（１２)"), Text("in brackets: １２")),
            (text("12"), Success),
            (text("？！"), Text("marks")),
            (text("?!？"), Text("marks")),
            (text("好."), Text("one full stop")),
            (text("好．"), Text("one full stop")),
            (text("好x"), Success),
            (text("ｃ+"), Text("letter and plus")),
            (text("c＋"), Text("letter and plus")),
            (text("cc"), Success),
            (text("Ｏk"), Text("Ok")),
            (text("ｏk"), Success),
        ],
    );
}

#[test]
fn a_regex_is_tried_on_the_original_text_first() {
    check(
        r#"
        [[rule]]
        message = "text"
        regex = '([^\x00-\x7f]+)'
        text = "wide: {1}"
        [[rule]]
        message = "text"
        regex = '([0-9]+)'
        text = "{1}"
        "#,
        &[
            (text("ab１２c"), Text("wide: １２")),
            (text("ab12c"), Text("12")),
        ],
    );
}

#[test]
fn case_true_ignores_no_difference() {
    check(
        "
        [[rule]]
        message = [\"text\", \"voice\"]
        equals = \"code\"
        case = true
        text = \"equals\"
        [[rule]]
        message = \"text\"
        prefix = \"＠\"
        case = true
        text = \"prefix\"
        [[rule]]
        message = \"text\"
        contains = \"\u{200b}\"
        case = true
        text = \"invisible\"
        [[rule]]
        message = [\"text\", \"voice\"]
        regex = '^[0-9]+$'
        case = true
        text = \"regex\"
        ",
        &[
            (text("code"), Text("equals")),
            (text("ｃode"), Success),
            (text("code\u{200b}"), Text("invisible")),
            (text("code "), Success),
            (voice("code"), Text("equals")),
            (voice("code。"), Success),
            (text("＠tea"), Text("prefix")),
            (text("@tea"), Success),
            (text("12"), Text("regex")),
            (text("１２"), Success),
            (voice("12。"), Success),
        ],
    );
}

#[test]
fn keys_of_events_match_exactly_except_for_case() {
    check(
        "
        [[rule]]
        event = [\"CLICK\", \"SCAN\", \"subscribe\"]
        equals = [\"menu#1\", \"table１\"]
        text = \"equals\"
        [[rule]]
        event = \"CLICK\"
        regex = '^shop！([0-9]+)$'
        text = \"regex {1}\"
        ",
        &[
            (click("menu#1"), Text("equals")),
            (click("MENU#1"), Text("equals")),
            (click("menu＃1"), Success),
            (click("menu\u{200b}#1"), Success),
            (scan("table１"), Text("equals")),
            (scan("table1"), Success),
            (subscribe_by("TABLE１"), Text("equals")),
            (click("shop！1"), Text("regex 1")),
            (click("shop!1"), Success),
            (click("shop！１"), Success),
        ],
    );
}

#[test]
fn punctuation_at_the_end_of_recognized_speech_is_ignored() {
    check(
        r#"
        [[rule]]
        message = ["text", "voice"]
        equals = ["营业时间", "几点开门？", "hours!"]
        text = "9 to 5"
        [[rule]]
        message = "voice"
        regex = '^order (\d+)$'
        text = "order {1} of {content}"
        [[rule]]
        message = "voice"
        prefix = "你好！"
        text = "hello"
        [[rule]]
        message = "any"
        equals = "？"
        text = "what?"
        "#,
        &[
            (voice("营业时间。"), Text("9 to 5")),
            (voice("营业时间"), Text("9 to 5")),
            (voice("营业时间！？"), Text("9 to 5")),
            (voice("营业时间 。"), Text("9 to 5")),
            (voice("营业时间……"), Text("9 to 5")),
            (voice("几点开门"), Text("9 to 5")),
            (voice("几点开门。"), Text("9 to 5")),
            (voice("Hours."), Text("9 to 5")),
            (voice("hours"), Text("9 to 5")),
            (voice("order 77。"), Text("order 77 of order 77。")),
            (voice("order ７７．"), Text("order ７７ of order ７７．")),
            (voice("你好！"), Text("hello")),
            (voice("你好"), Success),
            (voice("。"), Success),
            (voice("?"), Text("what?")),
            // Typed text is not recognized speech.
            (text("营业时间"), Text("9 to 5")),
            (text("营业时间。"), Success),
            (text("几点开门"), Success),
            (text("几点开门?"), Text("9 to 5")),
            (text("hours"), Success),
            (text("hours！"), Text("9 to 5")),
            (text("？"), Text("what?")),
        ],
    );
}

#[test]
fn content_is_recorded_unchanged() {
    let account = Account::with_rules(
        "[[rule]]\nmessage = [\"text\", \"voice\"]\nequals = \"menu\"\ntext = \"{content}\"\n",
    );
    for (push, content) in [(voice("Menu。"), "Menu。"), (text("ｍｅｎｕ"), "ｍｅｎｕ")] {
        account.post(&push).is_text(content);
        let last: String = account
            .store()
            .one("SELECT content FROM messages ORDER BY id DESC LIMIT 1");
        assert_eq!(last, content);
    }
}

#[test]
fn a_pattern_of_only_ignored_characters_is_refused() {
    for key in ["equals", "prefix", "contains"] {
        let rules =
            format!("[[rule]]\nmessage = \"text\"\n{key} = [\"a\", \"\u{200b} \"]\ntext = \"x\"\n");
        let ran = Setup::new().rules(&rules).stopped().command(&["check"]);
        ran.refused().complains(key).complains("nothing is left");
        let exact = rules.replace("text = ", "case = true\ntext = ");
        Setup::new()
            .rules(&exact)
            .stopped()
            .command(&["check"])
            .ok();
    }
}

#[test]
fn the_shipped_rules_match_what_a_chinese_keyboard_writes() {
    let account = Account::start();
    account.post(&text("＠多放糖")).is_text(account::THANKS);
}

#[test]
fn check_warns_about_rules_that_differ_only_in_what_is_ignored() {
    let warnings = |rules: &str| {
        let account = Setup::new().rules(rules).stopped();
        let json = account.command(&["check", "--json"]).json();
        json["advice"].as_array().unwrap().len()
    };
    let pair = |about: &str, above: &str, below: &str| {
        let rule = |keys: &str| format!("[[rule]]\n{about}\n{keys}\ntext = \"x\"\n");
        warnings(&(rule(above) + &rule(below)))
    };
    let (texts, voices, events) = (
        "message = \"text\"",
        "message = \"voice\"",
        "event = \"CLICK\"",
    );
    assert_eq!(pair(texts, "prefix = \"@\"", "prefix = \"＠a\""), 1);
    assert_eq!(
        pair(texts, "prefix = \"＠\"", "equals = \"@a\"\ncase = true"),
        1
    );
    assert_eq!(pair(texts, "regex = '^＠'", "equals = \"@a\""), 1);
    assert_eq!(pair(texts, "equals = \"a\"", "equals = \"a!\""), 0);
    assert_eq!(pair(voices, "equals = \"a\"", "equals = \"a！\""), 1);
    assert_eq!(pair(voices, "prefix = \"a!\"", "equals = \"a!\""), 0);
    assert_eq!(
        pair("message = \"any\"", "prefix = \"a!\"", "equals = \"a!\""),
        0
    );
    assert_eq!(
        pair("message = \"any\"", "prefix = \"a\"", "equals = \"a!\""),
        1
    );
    assert_eq!(pair(events, "equals = \"#1\"", "equals = \"＃1\""), 0);
    assert_eq!(pair(events, "equals = \"a\"", "equals = \"A\""), 1);
}
