//! `wechatd explain` predicts what the server does: the same rule, and the same reply byte for byte.

use crate::support::*;

/// A push, and the arguments with which `explain` is asked about it.
struct Case {
    push: Push,
    arguments: Vec<String>,
}

fn case(push: Push, arguments: &[&str]) -> Case {
    let arguments = arguments
        .iter()
        .map(|argument| (*argument).to_owned())
        .collect();
    Case { push, arguments }
}

fn cases() -> Vec<Case> {
    vec![
        case(text("hours"), &["hours"]),
        case(text("  HOURS  "), &["  HOURS  "]),
        case(text("order 77"), &["order 77"]),
        case(text("what is {openid}?"), &["what is {openid}?"]),
        case(
            text("长城 https://example.com/?a=1&b=<2>"),
            &["长城 https://example.com/?a=1&b=<2>"],
        ),
        case(text("-5 degrees"), &["--", "-5 degrees"]),
        case(image(), &["--message", "image"]),
        case(voice("hours"), &["--message", "voice", "hours"]),
        case(voice(""), &["--message", "voice"]),
        case(
            location("hours street 5"),
            &["--message", "location", "hours street 5"],
        ),
        case(link("order 78"), &["--message", "link", "order 78"]),
        case(file("order 79"), &["--message", "file", "order 79"]),
        case(subscribe(), &["--event", "subscribe"]),
        case(
            subscribe_by("poster-7"),
            &["--event", "subscribe", "--scene", "poster-7"],
        ),
        case(
            scan("poster-7"),
            &["--event", "SCAN", "--scene", "poster-7"],
        ),
        case(unsubscribe(), &["--event", "unsubscribe"]),
        case(
            click("MENU_HOURS"),
            &["--event", "CLICK", "--key", "MENU_HOURS"],
        ),
        case(
            view("https://example.com/"),
            &["--event", "VIEW", "--key", "https://example.com/"],
        ),
        case(location_report(), &["--event", "LOCATION"]),
        case(
            event("an_event_of_the_future").key("7"),
            &["--event", "an_event_of_the_future", "--key", "7"],
        ),
    ]
}

const RULE_SETS: [&str; 5] = [
    "",
    account::RULES,
    r#"
    [[rule]]
    message = "any"
    text = "{content}|{openid}|{key}"
    [[rule]]
    event = "any"
    text = "{content}|{openid}|{key}"
    "#,
    r#"
    [[rule]]
    name = "numbers"
    message = ["text", "link", "file", "voice"]
    regex = '^order (\d+)$'
    text = "[{0}] {1}"
    [[rule]]
    name = "hours"
    message = ["text", "voice", "location"]
    prefix = "hours"
    news = [{ title = "Hours: {content}", description = "", pic_url = "", url = "https://example.com/{openid}" }]
    [[rule]]
    message = ["image", "voice"]
    transfer = "amy@shop"
    [[rule]]
    name = "poster"
    event = ["subscribe", "SCAN"]
    equals = "poster-7"
    image = "MEDIA_7"
    [[rule]]
    event = "subscribe"
    video = { media_id = "MEDIA_8", title = "hello {openid}" }
    [[rule]]
    name = "no one reads this"
    event = ["VIEW", "LOCATION", "unsubscribe"]
    text = "bye"
    "#,
    r#"
    [[rule]]
    name = "exact"
    message = "text"
    equals = "hours"
    case = true
    text = "exact"
    [[rule]]
    name = "quiet"
    message = "text"
    contains = "order"
    silent = true
    [[rule]]
    name = "nothing to say"
    message = "text"
    regex = '(never)?'
    text = "{1}"
    [[rule]]
    name = "clicks"
    event = "click"
    contains = ["hours", "menu"]
    music = { thumb_media_id = "THUMB", title = "{key}" }
    [[rule]]
    name = "rest"
    event = "any"
    prefix = ["7", "poster"]
    voice = "MEDIA_9"
    "#,
];

/// Without the time, and with the account name that `explain` makes up.
fn comparable(xml: &str) -> String {
    let created = xml.split("<CreateTime>").nth(1).unwrap_or_default();
    let created = created.split('<').next().unwrap_or_default();
    xml.replace(&format!("<CreateTime>{created}<"), "<CreateTime>…<")
        .replace(ACCOUNT, "gh_000000000000")
}

#[test]
fn explain_and_the_server_agree_on_every_push_under_every_rule_set() {
    let mut compared = 0;
    for rules in RULE_SETS {
        let account = Account::with_rules(rules);
        for Case { push, arguments } in cases() {
            let answer = account.post(&push);
            let mut all = vec!["explain", "--json", "--from", FAN];
            all.extend(arguments.iter().map(String::as_str));
            let ran = account.command(&all);
            let explained = ran.json();
            let recorded: Option<String> = account
                .store()
                .one("SELECT rule FROM messages ORDER BY id DESC LIMIT 1");
            ran.expect(
                explained["rule"].as_str() == recorded.as_deref(),
                &format!("the server's rule: {recorded:?}"),
            );
            match explained["reply"].as_str() {
                Some(xml) => {
                    assert_eq!(explained["answer"], "reply");
                    answer.expect(
                        comparable(&answer.body()) == comparable(xml),
                        &format!("what explain said:\n{xml}"),
                    );
                }
                None => {
                    assert_eq!(explained["answer"], "success");
                    ran.expect(explained["why"].is_string(), "a reason for the silence");
                    answer.is_success();
                }
            }
            // The steps end with the rule that answers, and each has a reason.
            let steps = explained["steps"].as_array().unwrap();
            let last = steps.last().filter(|step| step["verdict"] == "answers");
            ran.expect(
                last.map(|step| &step["rule"])
                    == Some(&explained["rule"]).filter(|rule| rule.is_string()),
                "the steps end with the rule that answers",
            );
            assert!(
                steps
                    .iter()
                    .all(|step| !step["why"].as_str().unwrap().is_empty())
            );
            // The text for people says the same.
            let mut all = vec!["explain", "--from", FAN];
            all.extend(arguments.iter().map(String::as_str));
            let text = account.command(&all);
            match recorded {
                Some(rule) => text.ok().says(&format!("yes  {rule}")),
                None => text.ok().says("no rule matches"),
            };
            compared += 1;
        }
    }
    assert!(compared >= 60, "{compared}");
}

#[test]
fn explain_says_why_earlier_rules_do_not_match() {
    let account = Setup::new().rules(RULE_SETS[3]).stopped();
    let ran = account.command(&["explain", "hours!"]);
    ran.ok()
        .says("no   numbers")
        .says(r#""hours!" does not match "^order (\d+)$""#)
        .says("yes  hours")
        .says("news:");
    let ran = account.command(&["explain", "--event", "unsubscribe"]);
    ran.ok()
        .says("is about messages of kind text, link, file, voice")
        .says("yes  no one reads this")
        .says("takes no reply");
    let ran = account.command(&["explain"]);
    ran.refused();
}

#[test]
fn explain_suggests_corrections_and_refuses_arguments_that_do_not_fit() {
    let account = Account::with_rules("");
    for (arguments, advice) in [
        (&["--event", "subscribed"][..], "did you mean subscribe?"),
        (&["hello", "--key", "X"], "--key"),
        (&["hello", "--message", "image"], "TEXT"),
        (&["--event", "CLICK", "--scene", "X"], "--key KEY"),
    ] {
        account
            .command(&[&["explain"], arguments].concat())
            .refused()
            .complains(advice);
    }
    account
        .command(&["explain", "--event", "foo"])
        .ok()
        .complains("\"foo\" is neither");
}
