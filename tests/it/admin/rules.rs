//! The rules in force, what they answer to a text, and what none of them answers.

use crate::support::operator::{Operator, PAGE};
use crate::support::*;

const RULES: &str = r#"
[[rule]]
name = "hours"
message = "text"
contains = ["opening hours", "open"]
text = "See <a href=\"https://example.com/hours\">our hours</a>, {openid}"

[[rule]]
name = "news"
event = "CLICK"
equals = "NEWS"
news = [{ title = "Fair <b>", description = "On Sunday", pic_url = "https://example.com/a.jpg", url = "https://example.com/fair" }]

[[rule]]
name = "last"
message = "text"
text = "Hello"

[[rule]]
name = "never"
message = "text"
equals = "x"
text = "y"
"#;

#[test]
fn rules_are_listed_with_hits_and_warnings_and_a_text_can_be_tried() {
    let account = Setup::new().set(PAGE.0, PAGE.1).rules(RULES).start();
    let operator = Operator::of(&account);
    for said in ["opening hours?", "hello", "hello again"] {
        account.post(&text(said)).is_status(200);
    }
    let before = account.store().count("messages");
    let answer = operator.get("/rules");
    let body = answer.is_status(200).body();
    for part in [
        "<b><bdi>hours</bdi></b>",
        "contains <code><bdi>opening hours</bdi></code>, <code><bdi>open</bdi></code>",
        "1 in 7 days, 1 in 30",
        "2 in 7 days, 2 in 30",
        "never answered",
        "never answers: last above it takes everything that it is about",
        "href=\"/inbox?tab=events&amp;rule=news\"",
    ] {
        answer.expect(body.contains(part), part);
    }
    for (query, says) in [
        (
            "text=when+do+you+open",
            "See </bdi><span class=\"tap\" title=\"https://example.com/hours\"><bdi>our hours</bdi></span>",
        ),
        ("text=when+do+you+open", "Rule <b><bdi>hours</bdi></b>"),
        (
            "event=CLICK&key=NEWS",
            "<div class=\"card\"><b><bdi>Fair &lt;b&gt;</bdi></b><p><bdi>On Sunday</bdi></p>",
        ),
        ("event=CLICK&key=OTHER", "No rule answered"),
        ("text=x", "Why not the rules above (2)"),
        (
            "text=%3Cscript%3E&event=&key=%22%3E%3Cscript%3E",
            "<bdi>&lt;script&gt;</bdi>",
        ),
        (
            "event=subscribe&key=poster",
            "<bdi>subscribe</bdi> <bdi>poster</bdi>",
        ),
    ] {
        let answer = operator.get(&format!("/rules?{query}"));
        let body = answer.is_status(200).body();
        answer.expect(body.contains(says), says);
        answer.expect(body.matches("<script").count() == 1, "one script");
    }
    assert_eq!(account.store().count("messages"), before);
}

#[test]
fn thousands_of_rules_are_shown_in_pages() {
    let rules: String = (0..450)
        .map(|n| {
            format!(
                "[[rule]]\nname = \"r{n}.\"\nmessage = \"text\"\nequals = \"k{n}\"\ntext = \"a\"\n"
            )
        })
        .collect();
    let account = Setup::new().set(PAGE.0, PAGE.1).rules(&rules).start();
    let operator = Operator::of(&account);
    for (path, first, last, next) in [
        ("/rules", "r0.", "r199.", "from=200"),
        ("/rules?from=200", "r200.", "r399.", "from=400"),
        ("/rules?from=400", "r400.", "r449.", "from=200"),
        (
            "/rules?from=18446744073709551615",
            "Rules",
            "Rules",
            "from=",
        ),
    ] {
        let answer = operator.get(path);
        let body = answer.is_status(200).body();
        for part in [first, last, next] {
            answer.expect(body.contains(part), part);
        }
        assert!(body.matches("<li class=\"line\">").count() <= 200);
    }
}

#[test]
fn what_no_rule_answers_is_listed_in_groups_until_a_rule_does_or_it_is_done() {
    let account = Setup::new().set(PAGE.0, PAGE.1).rules(RULES).start();
    let operator = Operator::of(&account);
    let nothing = operator.get("/unanswered").body();
    assert!(
        nothing.contains("A rule answers every text of the last 30 days."),
        "{nothing}"
    );
    for (said, from) in [
        ("Do you have tea?", FAN),
        ("do you have TEA", FAN),
        ("parking <b>", FAN),
        ("delivery", FAN),
        ("open today?", FAN),
    ] {
        account.post(&text(said).from(from)).is_status(200);
    }
    account
        .post(&text("delivery").from(&another_fan()))
        .is_status(200);
    let list = |path: &str| {
        let body = operator.get(path).is_status(200).body();
        let heads = body.split("<div class=\"head\"><b><bdi>").skip(1);
        let texts: Vec<String> = heads
            .map(|head| head.split_once("</bdi>").unwrap().0.to_owned())
            .collect();
        (texts, body)
    };
    let (texts, body) = list("/unanswered");
    assert_eq!(texts.len(), body.matches("Lines to paste").count());
    assert_eq!(texts[0], "delivery");
    assert!(body.contains("times: 2, people: 2"), "{body}");
    assert!(
        body.contains("contains = [&quot;parking &lt;b&gt;&quot;]"),
        "{body}"
    );
    let one_by_one = operator.get("/inbox?tab=unanswered").body();
    assert!(
        one_by_one.contains("parking &lt;b&gt;") && !one_by_one.contains("open today"),
        "{one_by_one}"
    );
    let before = texts.len();
    // Done, until somebody writes it again.
    let id: i64 = account
        .store()
        .one("SELECT max(id) FROM messages WHERE content = 'delivery'");
    operator
        .post("/unanswered/done", &format!("id={id}"))
        .is_status(303)
        .has_header("location", "/unanswered?done=2");
    assert_eq!(list("/unanswered").0.len(), before - 1);
    operator
        .post("/unanswered/done", &format!("id={id}"))
        .has_header("location", "/unanswered?done=0");
    account.post(&text("delivery")).is_status(200);
    assert_eq!(list("/unanswered").0.len(), before);
    // The lines to paste answer it, without any new message.
    let (_, body) = list("/unanswered");
    let (_, pasted) = body.split_once("<pre>").unwrap();
    let pasted = pasted
        .split_once("</pre>")
        .unwrap()
        .0
        .replace("&quot;", "\"");
    account.rewrite_config(|config| config.replacen("[[rule]]", &format!("{pasted}\n[[rule]]"), 1));
    account.command(&["check"]).ok();
    account.reload();
    assert_eq!(list("/unanswered").0.len(), before - 1);
}
