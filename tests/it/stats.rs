//! `wechatd stats`: growth by local days, hours and weekdays, rules, scenes with who is still here, and how it is drawn.

use crate::support::*;
use serde_json::json;

/// 8 March 2026, midnight in New York, where that day has 23 hours.
const SHORT_DAY: i64 = 1_772_946_000;

/// The command with a pipe for standard output, and this locale and time zone.
fn stats(account: &Account, locale: &str, zone: &str, arguments: &[&str]) -> Ran {
    let mut program = account.program(&[&["stats"], arguments].concat());
    for name in ["LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR"] {
        program.env_remove(name);
    }
    program.env("LC_ALL", locale).env("TZ", zone);
    Ran::of(program, "")
}

#[test]
fn a_day_is_a_local_one_even_where_it_has_23_hours_and_days_of_nothing_are_there() {
    let account = Account::start();
    let (first, last) = (SHORT_DAY, SHORT_DAY + 23 * 3_600 - 1);
    store::change(
        &account.store_path(),
        &format!(
            "INSERT INTO follow_log (openid, action, at, source) VALUES
                 ('a', 'subscribe', {first} - 1, 'push'), ('b', 'subscribe', {first}, 'push'),
                 ('c', 'subscribe', {last}, 'push'), ('b', 'unsubscribe', {last} + 1, 'push'),
                 ('d', 'subscribe', {last} + 5 * 86400, 'push');
             INSERT INTO messages (dedup_key, openid, msg_type, received_at) VALUES ('1', 'a', 'text', {first} + 3 * 3600);"
        ),
    );
    let value = stats(
        &account,
        "C",
        "America/New_York",
        &["--since", "2026-03-07", "--json"],
    )
    .json();
    let days: Vec<String> = value["days"].as_array().unwrap()[..8]
        .iter()
        .map(|day| {
            format!(
                "{} +{} -{} {}",
                day["day"].as_str().unwrap(),
                day["arrivals"],
                day["departures"],
                day["messages"]
            )
        })
        .collect();
    assert_eq!(
        days,
        [
            "2026-03-07 +1 -0 0",
            "2026-03-08 +2 -0 1",
            "2026-03-09 +0 -1 0",
            "2026-03-10 +0 -0 0",
            "2026-03-11 +0 -0 0",
            "2026-03-12 +0 -0 0",
            "2026-03-13 +1 -0 0",
            "2026-03-14 +0 -0 0",
        ]
    );
    // The clock went from 1:59 to 3:00, so three hours after midnight it was four; a Sunday.
    assert_eq!(value["hours"][4], 1);
    assert_eq!(value["weekdays"], json!([0, 0, 0, 0, 0, 0, 1]));
}

#[test]
fn still_here_is_what_a_count_by_hand_gives() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    let fans: Vec<String> = (0..4).map(|_| another_fan()).collect();
    let at = now() - 1_000;
    let push = |push: Push, fan: usize, after: i64| {
        account
            .post(&push.from(&fans[fan]).at(at + after))
            .is_status(200);
    };
    // The first stays, the second leaves, the third comes twice by the poster, the fourth comes back by the door.
    push(subscribe_by("poster"), 0, 0);
    push(subscribe_by("poster"), 1, 0);
    push(unsubscribe(), 1, 10);
    push(subscribe_by("poster"), 2, 0);
    push(unsubscribe(), 2, 10);
    push(subscribe_by("poster"), 2, 20);
    push(subscribe_by("poster"), 3, 0);
    push(unsubscribe(), 3, 10);
    push(subscribe_by("door"), 3, 20);
    let by_hand = "SELECT qr_scene_str, count(*) FROM followers GROUP BY 1 ORDER BY 1";
    account.store().is(by_hand, &["door|1", "poster|2"]);
    let value = account.command(&["stats", "--json"]).json();
    assert_eq!(
        value["scenes"],
        json!([
            {"scene": "poster", "came": 5, "still_here": 2, "stayed_percent": 40},
            {"scene": "door", "came": 1, "still_here": 1, "stayed_percent": 100},
        ])
    );
    assert_eq!(
        (&value["followers"], &value["net_today"]),
        (&json!(3), &json!(3))
    );
    let ran = account.command(&["qrcode", "stats"]);
    ran.ok().says("STAYED").says("poster  5        0      40%");
    // Nothing is left of a forgotten person.
    account
        .command(&["followers", "forget", &fans[3], "--yes"])
        .ok();
    let value = account.command(&["stats", "--json"]).json();
    assert_eq!(
        value["scenes"],
        json!([{"scene": "poster", "came": 4, "still_here": 2, "stayed_percent": 50}])
    );
}

#[test]
fn who_left_counts_for_the_scene_of_the_profile() {
    let platform = Platform::start();
    let account = Setup::new().platform(&platform).start();
    let fan = another_fan();
    platform.profile(
        &fan,
        &format!(
            r#"{{"subscribe":1,"openid":"{fan}","subscribe_time":{},"subscribe_scene":"ADD_SCENE_SEARCH","qr_scene":0,"qr_scene_str":""}}"#,
            now() - 60
        ),
    );
    account
        .post(&subscribe().from(&fan).at(now() - 60))
        .is_status(200);
    eventually("the profile is stored", account.log(), || {
        account
            .store()
            .count("followers WHERE profile_at IS NOT NULL")
            == 1
    });
    account
        .post(&unsubscribe().from(&fan).at(now()))
        .is_status(200);
    let value = account.command(&["stats", "--json"]).json();
    assert_eq!(
        value["scenes"],
        json!([{"scene": "ADD_SCENE_SEARCH", "came": 1, "still_here": 0, "stayed_percent": 0}])
    );
}

#[test]
fn rules_are_counted_by_their_hits() {
    let account = Account::with_rules(
        "[[rule]]\nname = \"hours\"\nmessage = \"text\"\nequals = \"hours\"\ntext = \"9 to 5\"\n\n[[rule]]\nname = \"rest\"\nmessage = \"text\"\ntext = \"yes?\"\n",
    );
    for said in ["hours", "hours", "hello"] {
        account.post(&text(said)).is_status(200);
    }
    let rules = account.command(&["stats", "--json"]).json()["rules"].clone();
    let rules: Vec<String> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| format!("{} {} {}", rule["rule"], rule["days_7"], rule["days_30"]))
        .collect();
    assert_eq!(rules, [r#""hours" 2 2"#, r#""rest" 1 1"#]);
}

#[test]
fn bars_fit_the_line_in_blocks_or_plain_characters_and_many_days_become_weeks() {
    let account = Account::start();
    let at = now();
    store::change(
        &account.store_path(),
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO follow_log (openid, action, at, source, scene)
             SELECT i, iif(i % 5, 'subscribe', 'unsubscribe'), {at} - i * 7200, 'push', 'a scene with a long name ' || (i % 12) FROM n;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO messages (dedup_key, openid, msg_type, received_at, rule)
             SELECT i, i, 'text', {at} - i * 600, 'a rule with quite a long name ' || (i % 12) FROM n;"
        ),
    );
    let blocks = stats(&account, "zh_CN.UTF-8", "UTC", &[]);
    blocks.ok().says("█").says("░").says_nothing_of("\x1b[");
    let plain = stats(&account, "C", "UTC", &[]);
    plain.ok().says("###").says("---").says_nothing_of("█");
    for ran in [&blocks, &plain] {
        for line in ran.stdout.lines() {
            ran.expect(line.chars().count() <= 80, &format!("80 columns: {line}"));
        }
        ran.says("and 2 more rules").says("and 2 more scenes");
    }
    let lines = |ran: &Ran| {
        ran.stdout
            .lines()
            .filter(|line| line.contains("  +"))
            .count()
    };
    assert_eq!(lines(&plain), 31);
    let weeks = stats(&account, "C", "UTC", &["--since", "200d"]);
    weeks.ok().says("by the week");
    assert!((29..=30).contains(&lines(&weeks)), "{}", weeks.stdout);
}

#[test]
fn a_narrow_terminal_has_narrow_lines_and_colours_unless_they_are_not_wanted() {
    let mut account = Setup::new()
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .start();
    for (number, fan) in (0..).zip([another_fan(), another_fan(), another_fan()]) {
        let at = now() - number * 86_400;
        account
            .post(&subscribe_by("poster-of-the-shop").from(&fan).at(at))
            .is_status(200);
    }
    account.post(&text("hello")).is_status(200);
    account.stop();
    let coloured = account.on_a_terminal_of(40, &["stats"]);
    coloured.ok().says("\x1b[32m█");
    let mut plain = Setup::new().env("NO_COLOR", "1");
    plain = plain.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    let other = plain.stopped();
    // Not the file alone: some of it may be in the log still.
    let copy = other.store_path().display().to_string();
    account.command(&["backup", &copy]).ok();
    let plain = other.on_a_terminal_of(40, &["stats"]);
    plain.ok().says("█").says_nothing_of("\x1b[");
    for line in plain.stdout.lines().filter(|line| line.contains('█')) {
        plain.expect(
            line.trim_end().chars().count() <= 40,
            &format!("40 columns: {line}"),
        );
    }
    let wide = other.on_a_terminal_of(80, &["stats"]);
    let longest = |ran: &Ran| {
        let bars = ran.stdout.lines().filter(|line| line.contains('█'));
        bars.map(|line| line.trim_end().chars().count()).max()
    };
    assert!(longest(&wide) > longest(&plain) && longest(&wide) <= Some(80));
}

#[test]
fn an_empty_store_says_what_will_come() {
    let account = Account::start();
    let ran = account.command(&["stats"]);
    ran.ok()
        .says("Followers 0")
        .says("once somebody follows")
        .says("once people write")
        .says("no rule answered yet")
        .says("wechatd qrcode create");
    account
        .command(&["stats", "--since", "2999-01-01"])
        .refused()
        .complains("is in the future");
}

#[test]
fn texts_that_no_rule_answers_are_counted_as_messages_unanswered_does() {
    let account = Account::start();
    for content in ["are you open", "Are you open", "@a suggestion"] {
        account.post(&text(content)).is_status(200);
    }
    let value = stats(&account, "C", "UTC", &["--json"]).json();
    assert_eq!(value["unanswered"], 2);
    let listed = account
        .command(&["messages", "unanswered", "--json"])
        .json();
    assert_eq!(listed["texts"], 2);
    stats(&account, "C", "UTC", &[])
        .ok()
        .says("2 texts of 30 days without an answer");
}
