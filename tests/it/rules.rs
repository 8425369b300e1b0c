//! The rules of `wechat.conf`: which one answers, and its reply.
//!
//! Every table runs twice, against the server and through `wechatd explain`, which must agree.

use crate::support::http::Reply;
use crate::support::*;

/// The expected answer to a push.
pub(crate) enum Says {
    Text(&'static str),
    Success,
}
use Says::{Success, Text};

/// Starts an account with these rules, and compares the answer to every push, and that of `explain`, with the table.
#[track_caller]
pub(crate) fn check(rules: &str, table: &[(Push, Says)]) {
    let account = Account::with_rules(rules);
    for (push, says) in table {
        let answer = account.post(push);
        match says {
            Text(expected) => answer.is_text(expected),
            Success => answer.is_success(),
        };
        explain_agrees(&account, push, says);
    }
}

#[track_caller]
fn explain_agrees(account: &Account, push: &Push, says: &Says) {
    let mut arguments: Vec<String> = ["explain", "--json", "--from", FAN]
        .map(String::from)
        .into();
    if push.msg_type() == "event" {
        arguments.extend(["--event".into(), push.value_of("Event").unwrap()]);
        if let Some(key) = push.value_of("EventKey").filter(|key| !key.is_empty()) {
            arguments.extend(["--key".into(), key]);
        }
        if let Some(scan) = push.value_of("ScanResult") {
            arguments.extend(["--scan".into(), scan]);
        }
    } else if ["Content", "Recognition", "Title", "Label"]
        .iter()
        .all(|name| push.value_of(name).is_none())
    {
        // `explain` does not take unknown kinds.
        if push.value_of("Anything").is_some() {
            return;
        }
        arguments.extend(["--message".into(), push.msg_type().into()]);
    } else {
        if push.msg_type() != "text" {
            arguments.extend(["--message".into(), push.msg_type().into()]);
        }
        let subject = ["Content", "Recognition", "Title", "Label"];
        let subject = subject.iter().find_map(|name| push.value_of(name));
        arguments.extend(["--".into(), subject.unwrap()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = account.command(&arguments);
    let explained = ran.json();
    let last = "SELECT rule FROM messages ORDER BY id DESC LIMIT 1";
    let rule: Option<String> = account.store().one(last);
    ran.expect(
        explained["rule"].as_str() == rule.as_deref(),
        &format!("the rule of the server, {rule:?}"),
    );
    let reply = explained["reply"]
        .as_str()
        .map(|xml| Reply::parse(xml.as_bytes()));
    let said = reply.map(|reply| reply.map(|reply| reply.content));
    match says {
        Text(expected) => ran.expect(said == Some(Ok((*expected).to_owned())), expected),
        Success => ran.expect(said.is_none(), "no reply"),
    };
}

#[test]
fn the_first_rule_that_matches_answers() {
    check(
        r#"
        [[rule]]
        message = "text"
        equals = "one"
        text = "first"
        [[rule]]
        message = "text"
        contains = "one"
        text = "second"
        [[rule]]
        message = "text"
        text = "last"
        "#,
        &[
            (text("one"), Text("first")),
            (text("one more"), Text("second")),
            (text("none"), Text("second")),
            (text("two"), Text("last")),
            (image(), Success),
            (subscribe(), Success),
        ],
    );
}

#[test]
fn equals_compares_the_whole_text() {
    check(
        r#"
        [[rule]]
        message = "text"
        equals = "hours"
        text = "9 to 5"
        [[rule]]
        message = "text"
        equals = ["address", "where", "地址"]
        text = "here"
        "#,
        &[
            (text("hours"), Text("9 to 5")),
            (text("HOURS"), Text("9 to 5")),
            (text("  Hours \n"), Text("9 to 5")),
            (text("hours?"), Success),
            (text("opening hours"), Success),
            (text("where"), Text("here")),
            (text("Address"), Text("here")),
            (text("地址"), Text("here")),
            (text(""), Success),
        ],
    );
}

#[test]
fn prefix_compares_the_beginning() {
    check(
        r#"
        [[rule]]
        message = "text"
        prefix = ["@", "Suggest:"]
        text = "thanks"
        "#,
        &[
            (text("@more tea"), Text("thanks")),
            (text("@"), Text("thanks")),
            (text("   @ tea"), Text("thanks")),
            (text("suggest: tea"), Text("thanks")),
            (text("SUGGEST:"), Text("thanks")),
            (text("tea @"), Success),
            (text("＠tea"), Text("thanks")),
        ],
    );
}

#[test]
fn contains_searches_anywhere() {
    check(
        r#"
        [[rule]]
        message = "text"
        contains = ["price", "多少钱"]
        text = "free"
        "#,
        &[
            (text("what is the PRICE?"), Text("free")),
            (text("price"), Text("free")),
            (text("这个多少钱啊"), Text("free")),
            (text("pri ce"), Success),
        ],
    );
}

#[test]
fn regex_searches_and_its_groups_can_be_used_in_the_reply() {
    check(
        r#"
        [[rule]]
        message = "text"
        regex = '^order\s+(\d+)(?: for (\w+))?$'
        text = "[{0}] order {1} for {2}."
        [[rule]]
        message = "text"
        regex = ['\bcat\b', '猫']
        text = "meow: {0}"
        "#,
        &[
            (
                text("order 77 for Li"),
                Text("[order 77 for Li] order 77 for Li."),
            ),
            (text("ORDER   8"), Text("[ORDER   8] order 8 for .")),
            (text("  order 9  "), Text("[order 9] order 9 for .")),
            (text("an order 9"), Success),
            (text("my Cat sleeps"), Text("meow: Cat")),
            (text("concatenate"), Success),
            (text("我的猫"), Text("meow: 猫")),
        ],
    );
}

#[test]
fn several_conditions_must_all_hold() {
    check(
        r#"
        [[rule]]
        message = "text"
        prefix = ["book", "reserve"]
        contains = ["table", "room"]
        regex = '\d'
        text = "booked"
        "#,
        &[
            (text("book a table for 2"), Text("booked")),
            (text("Reserve room 5"), Text("booked")),
            (text("book a table"), Success),
            (text("book 2"), Success),
            (text("a table for 2"), Success),
        ],
    );
}

#[test]
fn case_true_makes_a_rule_case_sensitive() {
    check(
        r#"
        [[rule]]
        message = "text"
        equals = "Code"
        case = true
        text = "equals"
        [[rule]]
        message = "text"
        prefix = "Pre"
        case = true
        text = "prefix"
        [[rule]]
        message = "text"
        contains = "Mid"
        case = true
        text = "contains"
        [[rule]]
        message = "text"
        regex = 'R[a-z]x'
        case = true
        text = "regex"
        [[rule]]
        message = "text"
        contains = "ÉTÉ"
        text = "summer"
        "#,
        &[
            (text("Code"), Text("equals")),
            (text("code"), Success),
            (text("CODE"), Success),
            (text("Prefix"), Text("prefix")),
            (text("prefix"), Success),
            (text("a Mid b"), Text("contains")),
            (text("a mid b"), Success),
            (text("a Rex b"), Text("regex")),
            (text("a rex b"), Success),
            (text("un été à Paris"), Text("summer")),
        ],
    );
}

#[test]
fn the_subject_depends_on_the_kind() {
    check(
        r#"
        [[rule]]
        message = ["text", "voice", "location", "link", "file", "image", "video", "shortvideo"]
        contains = "needle"
        text = "found in message"
        [[rule]]
        event = ["SCAN", "CLICK", "VIEW", "subscribe"]
        equals = "needle"
        text = "found in event"
        "#,
        &[
            (text("a needle"), Text("found in message")),
            (voice("a needle"), Text("found in message")),
            (voice(""), Success),
            (location("needle street"), Text("found in message")),
            (link("a needle"), Text("found in message")),
            (file("needle.pdf"), Text("found in message")),
            (image(), Success),
            (video(), Success),
            (shortvideo(), Success),
            (scan("needle"), Text("found in event")),
            (scan("another"), Success),
            (click("needle"), Text("found in event")),
            (click("NEEDLE"), Text("found in event")),
            (subscribe_by("needle"), Text("found in event")),
            (subscribe_by("another"), Success),
            (subscribe(), Success),
        ],
    );
}

#[test]
fn a_message_rule_names_one_kind_several_or_any() {
    check(
        r#"
        [[rule]]
        message = "voice"
        text = "heard"
        [[rule]]
        message = ["image", "video", "shortvideo"]
        text = "seen"
        [[rule]]
        message = "any"
        text = "got it"
        "#,
        &[
            (voice("hello"), Text("heard")),
            (voice(""), Text("heard")),
            (image(), Text("seen")),
            (video(), Text("seen")),
            (shortvideo(), Text("seen")),
            (text("hello"), Text("got it")),
            (location("here"), Text("got it")),
            (link("page"), Text("got it")),
            (file("a.pdf"), Text("got it")),
            (unknown_message("hologram"), Text("got it")),
            (subscribe(), Success),
            (click("K"), Success),
        ],
    );
}

#[test]
fn an_event_rule_names_one_event_several_or_any() {
    check(
        r#"
        [[rule]]
        event = "click"
        equals = "MENU_TODAY"
        text = "today"
        [[rule]]
        event = "CLICK"
        text = "some button"
        [[rule]]
        event = ["Scan", "SUBSCRIBE"]
        text = "code or follow"
        [[rule]]
        event = "any"
        prefix = "x"
        text = "x-event"
        "#,
        &[
            (click("MENU_TODAY"), Text("today")),
            (click("menu_today"), Text("today")),
            (click("MENU_TOMORROW"), Text("some button")),
            (event("click").key("other"), Text("some button")),
            (scan("1"), Text("code or follow")),
            (subscribe(), Text("code or follow")),
            (event("Teleported").key("x1"), Text("x-event")),
            (event("Teleported").key("y1"), Success),
            (text("x"), Success),
        ],
    );
}

#[test]
fn only_placeholders_are_replaced() {
    check(
        r#"
        [[rule]]
        message = "text"
        prefix = "echo"
        text = "You said: {content}"
        [[rule]]
        message = "text"
        prefix = "who"
        text = "{openid}"
        [[rule]]
        message = "text"
        prefix = "brace"
        text = "{{content}} is {{ and {content}"
        [[rule]]
        message = "text"
        regex = '^swap (\w+) (\w+)$'
        text = "{2} {1}"
        [[rule]]
        event = "CLICK"
        text = "button {key}"
        [[rule]]
        event = "subscribe"
        text = "from {key}!"
        "#,
        &[
            (
                text("echo {openid} {0} {{"),
                Text("You said: echo {openid} {0} {{"),
            ),
            (
                text("echo <b>&amp; ]]> \"'"),
                Text("You said: echo <b>&amp; ]]> \"'"),
            ),
            (text("who am I"), Text(FAN)),
            (text("brace"), Text("{content}} is { and brace")),
            (text("swap {content} b"), Success),
            (text("swap a b"), Text("b a")),
            (click("MENU_TODAY"), Text("button MENU_TODAY")),
            (subscribe_by("10086"), Text("from 10086!")),
            (subscribe(), Text("from !")),
        ],
    );
}

#[test]
fn scans_and_locations_can_be_used_in_the_reply() {
    check(
        r#"
        [[rule]]
        event = "scancode_waitmsg"
        text = "{key}: {scan} ({scan_type}) {content}"
        [[rule]]
        event = "location_select"
        text = "{key}: {latitude}/{longitude}"
        [[rule]]
        message = "location"
        text = "{content}: {latitude}/{longitude}{scan}{scan_type}"
        [[rule]]
        message = "text"
        text = "[{latitude}{longitude}{scan}]"
        "#,
        &[
            (
                scanned("CHECK", "A7 &<b>"),
                Text("CHECK: A7 &<b> (qrcode) CHECK"),
            ),
            (
                location_select("WHERE"),
                Text("WHERE: 31.230416/121.473701"),
            ),
            (location("here"), Text("here: 31.230416/121.473701")),
            (text("hi"), Text("[]")),
        ],
    );
    // A location report takes no reply, but explain accepts it.
    let account = Setup::new().rules("").stopped();
    account.command(&["explain", "--event", "LOCATION"]).ok();
}

#[test]
fn rules_can_match_what_was_scanned() {
    check(
        r#"
        [[rule]]
        event = "scancode_waitmsg"
        subject = "scan"
        equals = "Ticket7"
        text = "equals {content} by {key}"
        [[rule]]
        event = "scancode_waitmsg"
        subject = "scan"
        prefix = "EAN_13,"
        regex = ',(\d+)$'
        text = "number {1}"
        [[rule]]
        event = "any"
        subject = "scan"
        contains = "shop"
        text = "contains"
        [[rule]]
        event = "scancode_waitmsg"
        subject = "scan"
        regex = 'X[a-z]'
        case = true
        text = "exact"
        [[rule]]
        event = "scancode_waitmsg"
        subject = "key"
        equals = "CHECK"
        text = "key"
        [[rule]]
        event = "CLICK"
        equals = "shop"
        text = "clicked"
        "#,
        &[
            (scanned("K", "TICKET7"), Text("equals TICKET7 by K")),
            (
                scanned("K", "\u{feff}ticket７"),
                Text("equals \u{feff}ticket７ by K"),
            ),
            (
                scanned("K", "EAN_13,6901234567892"),
                Text("number 6901234567892"),
            ),
            (scanned("K", "https://shop.example.com/"), Text("contains")),
            (scanned("K", "Xa"), Text("exact")),
            (scanned("K", "xa"), Success),
            (scanned("check", "xa"), Text("key")),
            (scanned("ticket7", "x"), Success),
            (click("shop"), Text("clicked")),
            (click("ticket7"), Success),
        ],
    );
}

#[test]
fn explain_takes_a_scan_without_the_event() {
    let rules = "[[rule]]\nevent = \"scancode_waitmsg\"\nsubject = \"scan\"\nprefix = \"A\"\ntext = \"{scan}!\"\n";
    let account = Setup::new().rules(rules).stopped();
    account
        .command(&["explain", "--scan", "a7"])
        .ok()
        .says("yes  rule #1")
        .says("a7!");
    account
        .command(&["explain", "--scan", "b7"])
        .ok()
        .says("\"b7\" does not begin with \"a\"");
    for (arguments, advice) in [
        (&["--event", "CLICK", "--scan", "x"][..], "--scan"),
        (&["hello", "--scan", "x"], "--scan"),
        (&["--message", "image", "--scan", "x"], "--scan"),
        (
            &["--event", "scancode_waitmsg", "--scene", "x"],
            "--key KEY",
        ),
    ] {
        account
            .command(&[&["explain"], arguments].concat())
            .refused()
            .complains(advice);
    }
}

#[test]
fn text_of_users_is_encoded_in_urls() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        message = "text"
        regex = '^find (.*)$'
        news = [
            { title = "{1}", pic_url = "https://img.example.com/{1}.png", url = "https://example.com/?q={1}&u={openid}" },
            { title = "{1}", pic_url = "{1}", url = "{1}" },
        ]
        [[rule]]
        message = "text"
        regex = '^play (.*)$'
        music = { url = "https://example.com/{1}", hq_url = "{1}", thumb_media_id = "T" }
        [[rule]]
        event = "scancode_waitmsg"
        news = [{ title = "{scan}", url = "https://example.com/{scan}?type={scan_type}" }]
        [[rule]]
        message = "location"
        news = [{ title = "map", url = "https://map.example.com/?at={latitude},{longitude}" }]
        "#,
    );
    let xml = |push: &Push| account.post(push).body();
    let has = |xml: &str, element: &str, value: &str| {
        let whole = format!("<{element}><![CDATA[{value}]]></{element}>");
        assert!(xml.contains(&whole), "{whole} in {xml}");
    };
    let found = xml(&text("find a b&admin=1"));
    has(&found, "Title", "a b&admin=1");
    has(
        &found,
        "PicUrl",
        "https://img.example.com/a%20b%26admin%3D1.png",
    );
    let url = format!("https://example.com/?q=a%20b%26admin%3D1&u={FAN}");
    has(&found, "Url", &url);
    has(&found, "Url", "a b&admin=1");
    let found = xml(&text("find https://example.org/?a=1&b=茶"));
    has(&found, "Url", "https://example.org/?a=1&b=茶");
    has(&found, "PicUrl", "https://example.org/?a=1&b=茶");
    let found = xml(&text("find javascript:alert(1)"));
    has(&found, "Title", "javascript:alert(1)");
    has(&found, "Url", "");
    let played = xml(&text("play ../茶"));
    has(&played, "MusicUrl", "https://example.com/..%2F%E8%8C%B6");
    has(&played, "HQMusicUrl", "../茶");
    let scanned = xml(&scanned("K", "A&7"));
    has(&scanned, "Url", "https://example.com/A%267?type=qrcode");
    let place = xml(&location("here"));
    has(
        &place,
        "Url",
        "https://map.example.com/?at=31.230416,121.473701",
    );
}

#[test]
fn a_silent_rule_sends_no_reply_and_ends_the_search() {
    check(
        r#"
        [[rule]]
        name = "quiet"
        message = "text"
        equals = "shh"
        silent = true
        [[rule]]
        message = "text"
        text = "loud"
        "#,
        &[(text("shh"), Success), (text("hey"), Text("loud"))],
    );
}

#[test]
fn the_rule_that_answered_is_recorded_by_name_or_number() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        name = "greeting"
        message = "text"
        equals = "hi"
        text = "hello"
        [[rule]]
        message = "text"
        equals = "bye"
        text = "see you"
        [[rule]]
        name = "hush"
        message = "text"
        equals = "shh"
        silent = true
        "#,
    );
    for content in ["hi", "bye", "shh", "else"] {
        account.post(&text(content));
    }
    account.store().is(
        "SELECT content, rule, reply IS NULL FROM messages ORDER BY id",
        &[
            "hi|greeting|0",
            "bye|rule #2|0",
            "shh|hush|1",
            "else|NULL|1",
        ],
    );
}

#[test]
fn three_thousand_rules_work() {
    let mut rules = String::new();
    for number in 0..3000 {
        rules += &format!(
            "[[rule]]\nmessage = \"text\"\nequals = \"word{number}\"\ntext = \"answer {number}\"\n"
        );
    }
    let account = Account::with_rules(&rules);
    account.post(&text("word0")).is_text("answer 0");
    account.post(&text("word2999")).is_text("answer 2999");
    account.post(&text("word3000")).is_success();
}

#[test]
fn the_rules_in_the_readme_work_as_described() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split("\n## Rules\n").nth(1).unwrap();
    let shown = section
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let account = Account::with_rules(shown);
    account
        .post(&click("MENU_HOURS"))
        .is_text("We open at 09:00.");
    account
        .post(&text("order 77"))
        .is_text("Order 77 is on its way.");
    account
        .post(&subscribe_by("poster-7"))
        .is_text("Welcome! Show this at the counter: POSTER7");
    account
        .post(&text("请问营业时间？"))
        .is_text("我们每天 9:00 开门。");
    account.post(&text("hello")).is_success();
    let advice = account.command(&["check", "--json"]).json();
    assert_eq!(advice["advice"], serde_json::json!([]), "{advice}");
}
