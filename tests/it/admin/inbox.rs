//! What the inbox lists, finds and marks.

use super::with_page;
use crate::support::operator::{Operator, PAGE};
use crate::support::store::change;
use crate::support::*;

const RULES: &str = r#"
[[rule]]
name = "suggestion"
message = "text"
prefix = "@"
text = "Thank you"
todo = true

[[rule]]
name = "last"
message = "text"
text = "Hello"
"#;

/// The texts that a list shows, in its order.
fn said(body: &str) -> Vec<String> {
    let parts = body.split("<p class=\"said\"><bdi>").skip(1);
    let said = parts.map(|part| part.split_once("</bdi>").unwrap().0.to_owned());
    said.collect()
}

/// Where the link to what is before leads, if there is one.
fn older(body: &str) -> Option<String> {
    let link = body.split("rel=\"next\" href=\"").nth(1)?;
    Some(link.split('"').next()?.replace("&amp;", "&"))
}

#[test]
fn an_empty_list_says_what_will_come_there() {
    let account = with_page();
    let operator = Operator::of(&account);
    for (tab, says) in [
        ("todo", "What a rule with todo = true answers"),
        ("messages", "as soon as it comes"),
        (
            "unanswered",
            "A rule answers every text of the last 30 days.",
        ),
        ("events", "Follows, departures, scans"),
    ] {
        let answer = operator.get(&format!("/inbox?tab={tab}"));
        answer.expect(answer.body().contains(says), says);
        if tab == "unanswered" {
            continue;
        }
        let narrow = operator.get(&format!("/inbox?tab={tab}&q=nothing"));
        narrow.expect(narrow.body().contains("Nothing was found."), "nothing");
    }
}

#[test]
fn messages_are_listed_newest_first_in_pages_of_fifty_and_found() {
    let account = Setup::new().set(PAGE.0, PAGE.1).rules(RULES).start();
    let operator = Operator::of(&account);
    for n in 0..120 {
        account.post(&text(&format!("number {n}"))).is_status(200);
    }
    account.post(&image()).is_status(200);
    account.post(&subscribe()).is_status(200);
    let mut all = Vec::new();
    let mut next = Some("/inbox".to_owned());
    while let Some(path) = next {
        let body = operator.get(&path).is_status(200).body();
        let some = said(&body);
        assert!(some.len() <= 50);
        all.extend(some);
        next = older(&body);
    }
    assert_eq!(all.len(), 120);
    assert_eq!(
        (all[0].as_str(), all[119].as_str()),
        ("number 119", "number 0")
    );
    let pictures = operator.get("/inbox").body();
    assert!(
        pictures.contains("<span class=\"soft\">Picture</span>"),
        "{pictures}"
    );
    let other = another_fan();
    account
        .post(&text("100% _sure_").from(&other))
        .is_status(200);
    account
        .post(&text("@ NUMBER 7").from(&other))
        .is_status(200);
    for (query, found) in [
        ("q=number+119", vec!["number 119"]),
        ("q=Number+7&rule=suggestion", vec!["@ NUMBER 7"]),
        ("q=%25", vec!["100% _sure_"]),
        ("q=_", vec!["100% _sure_"]),
        ("rule=suggestion", vec!["@ NUMBER 7"]),
        ("q=sure&rule=suggestion", vec![]),
        (&*format!("from={other}"), vec!["@ NUMBER 7", "100% _sure_"]),
        (
            &*format!("from={other}&since=2020-01-01&q=sure"),
            vec!["100% _sure_"],
        ),
        (&*format!("from={other}&since=2199-01-01"), vec![]),
    ] {
        let answer = operator.get(&format!("/inbox?{query}"));
        assert_eq!(said(&answer.body()), found, "{query}");
    }
    let events = operator.get("/inbox?tab=events").body();
    assert!(
        events.contains("Followed") && !events.contains("number"),
        "{events}"
    );
    let line = operator.get("/inbox?q=%40").body();
    for part in [
        "<bdi>suggestion</bdi></a>",
        &*format!(
            "href=\"/people/{other}#answer\"><bdi>…{}</bdi>",
            &other[other.len() - 6..]
        ),
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn what_a_rule_leaves_to_somebody_waits_until_it_is_done_and_says_by_whom() {
    let account = Setup::new().set(PAGE.0, PAGE.1).rules(RULES).start();
    let operator = Operator::of(&account);
    account.post(&text("hello")).is_status(200);
    account.post(&text("@ more tea")).is_status(200);
    account.post(&text("@ less noise")).is_status(200);
    let todo = |count: i64| {
        let news = operator.get("/news?after=9").body();
        assert!(news.contains(&format!("\"todo\":{count}")), "{news}");
        operator.get("/inbox?tab=todo").body()
    };
    let list = todo(2);
    assert_eq!(said(&list), ["@ less noise", "@ more tea"]);
    assert!(
        list.contains("To do <span class=\"count\">2</span>"),
        "{list}"
    );
    let done = operator.post("/inbox/done", "ids=2&back=%2Finbox%3Ftab%3Dtodo");
    done.is_status(303)
        .has_header("location", "/inbox?tab=todo&done=2");
    let list = operator.get("/inbox?tab=todo&done=2").body();
    assert!(list.contains("1 marked as done."), "{list}");
    assert_eq!(said(&todo(1)), ["@ less noise"]);
    // A second click and a reload change nothing.
    let by = "SELECT todo, done_by, done_at IS NOT NULL FROM messages WHERE id = 2";
    let before = account.store().rows(by);
    operator
        .post("/inbox/done", "ids=2&back=%2Finbox")
        .is_status(303);
    account.store().is(by, &[&before[0]]);
    let name: String = account.store().one("SELECT name FROM admin_sessions");
    assert_eq!(before, [format!("0|{name}|1")]);
    let all = operator.get("/inbox").body();
    assert!(all.contains("Done by"), "{all}");
    operator
        .post("/inbox/done", "ids=2,3,99,x,&back=//evil.test")
        .is_status(303)
        .has_header("location", "/inbox?done=2,3");
    assert_eq!(said(&todo(0)), Vec::<String>::new());
    operator
        .post("/inbox/undone", "ids=2&back=/inbox")
        .is_status(303);
    assert_eq!(said(&todo(1)), ["@ more tea"]);
}

#[test]
fn a_search_ends_after_the_newest_200_000_and_offers_to_go_on() {
    let account = with_page();
    let operator = Operator::of(&account);
    change(
        &account.store_path(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200010)
         INSERT INTO messages (dedup_key, openid, msg_type, content, xml, received_at)
         SELECT 'k' || i, 'oSyn' || i % 1000, 'text', iif(i = 5, 'needle', 'hay'), '<xml/>', 1790000000 FROM n;",
    );
    let answer = operator.get("/inbox?q=needle");
    answer.expect(
        answer
            .body()
            .contains("Nothing was found among the newest 200,000."),
        "so far",
    );
    let body = answer.body();
    let (_, link) = body
        .split_once("<div class=\"row\"><a href=\"/inbox?tab=messages&amp;q=needle&amp;before=")
        .unwrap();
    let before = link.split('"').next().unwrap();
    let further = operator.get(&format!("/inbox?q=needle&before={before}"));
    assert_eq!(said(&further.body()), ["needle"]);
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let account = with_page();
    let operator = Operator::of(&account);
    let hostile =
        "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> https://evil.test\u{202e}\u{7}";
    account.post(&text(hostile)).is_status(200);
    account
        .post(&click("</bdi><script>alert(3)</script>"))
        .is_status(200);
    for path in [
        "/inbox",
        "/inbox?tab=events",
        "/inbox?q=%3Cscript%3E&from=%22%3E%3Cscript%3E&rule=%27%3E%3Cscript%3E",
    ] {
        let answer = operator.get(path);
        let body = answer.is_status(200).body();
        assert_eq!(body.matches("<script").count(), 1, "{body}");
        assert!(
            !body.contains("<img") && !body.contains("href=\"https:"),
            "{body}"
        );
        assert!(!body.contains('\u{202e}'), "{body}");
    }
    let body = operator.get("/inbox").body();
    assert!(body.contains("https://evil.test\\u{202e}"), "{body}");
}
