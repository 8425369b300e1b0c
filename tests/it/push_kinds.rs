//! Messages and events of every common kind are recorded in the right columns.

use crate::support::*;

/// Posts `push` to an account without rules and compares its row: type, event, key, MsgId, subject.
#[track_caller]
fn check(account: &Account, push: &Push, expected: &str) {
    account.post(push).is_success();
    let msg_id = push.msg_id().unwrap_or("NULL");
    let expected = expected.replace("ID", msg_id);
    account.store().is(
        "SELECT msg_type, event, event_key, msg_id, content FROM messages ORDER BY id DESC LIMIT 1",
        &[&expected],
    );
}

#[test]
fn every_message_is_recorded_with_its_subject() {
    let account = Account::with_rules("");
    check(
        &account,
        &text("what time do you open?"),
        "text|NULL|NULL|ID|what time do you open?",
    );
    check(
        &account,
        &text("  kept as received \n"),
        "text|NULL|NULL|ID|  kept as received \n",
    );
    check(
        &account,
        &text("emoji 👩‍👩‍👧 & <b> ]]> /::) [微笑]"),
        "text|NULL|NULL|ID|emoji 👩‍👩‍👧 & <b> ]]> /::) [微笑]",
    );
    check(&account, &image(), "image|NULL|NULL|ID|NULL");
    check(
        &account,
        &voice("请帮我查一下订单"),
        "voice|NULL|NULL|ID|请帮我查一下订单",
    );
    check(&account, &voice(""), "voice|NULL|NULL|ID|NULL");
    check(&account, &video(), "video|NULL|NULL|ID|NULL");
    check(&account, &shortvideo(), "shortvideo|NULL|NULL|ID|NULL");
    check(
        &account,
        &location("上海市黄浦区人民大道"),
        "location|NULL|NULL|ID|上海市黄浦区人民大道",
    );
    check(
        &account,
        &link("A shared page"),
        "link|NULL|NULL|ID|A shared page",
    );
}

#[test]
fn a_text_with_cdata_markers_is_recorded_and_answered_in_every_mode() {
    let said = "what is <![CDATA[x]]> for? ]]></Content><MsgType>event</MsgType> a]]>b";
    for mode in [Mode::Plain, Mode::Compatible, Mode::Secure] {
        let console = Console::new(mode);
        let rules = "[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n";
        let account = console.setup().rules(rules).start();
        let body = String::from_utf8(text("SAID").body()).unwrap();
        // The platform does not escape it.
        let push = raw(body.replace("SAID", said));
        console.push(&account, &push).is_text(said);
        console.push(&account, &push).is_text(said);
        let rows = "SELECT openid, msg_type, content FROM messages";
        account.store().is(rows, &[&format!("{FAN}|text|{said}")]);
    }
}

#[test]
fn every_event_is_recorded_with_its_key() {
    let account = Account::with_rules("");
    check_event(&account, &subscribe(), "event|subscribe|NULL|NULL");
    check_event(&account, &unsubscribe(), "event|unsubscribe|NULL|NULL");
    check_event(&account, &scan("10086"), "event|SCAN|10086|NULL");
    check_event(&account, &scan("007"), "event|SCAN|007|NULL");
    check_event(&account, &location_report(), "event|LOCATION|NULL|NULL");
    check_event(
        &account,
        &click("MENU_TODAY"),
        "event|CLICK|MENU_TODAY|NULL",
    );
    let url = "https://www.example.com/shop?x=1&y=2";
    check_event(&account, &view(url), &format!("event|VIEW|{url}|NULL"));
}

#[track_caller]
fn check_event(account: &Account, push: &Push, expected: &str) {
    account.post(push).is_success();
    account.store().is(
        "SELECT msg_type, event, event_key, msg_id FROM messages ORDER BY id DESC LIMIT 1",
        &[expected],
    );
}

#[test]
fn a_follower_who_scanned_a_code_is_recorded_with_its_scene() {
    let account = Account::start();
    for (key, scene) in [
        ("qrscene_10086", "10086"),
        ("qrscene_spring_sale|door", "spring_sale|door"),
        ("qrscene_qrscene_1", "qrscene_1"),
    ] {
        let fan = another_fan();
        let push = event("subscribe")
            .key(key)
            .element("Ticket", "gQ")
            .from(&fan);
        account.post(&push).is_status(200);
        let store = account.store();
        let log = format!("SELECT scene FROM follow_log WHERE openid = '{fan}'");
        store.is(&log, &[scene]);
    }
}

#[test]
fn a_follower_who_scanned_no_code_has_no_scene() {
    let account = Account::start();
    for push in [
        subscribe(),
        event("subscribe"),
        event("subscribe").key("last_trade_no_4007392001201605256"),
        event("subscribe").key("scanbarcode|EAN13|6901234567892"),
    ] {
        let fan = another_fan();
        account.post(&push.from(&fan)).is_status(200);
        let log = format!("SELECT scene FROM follow_log WHERE openid = '{fan}'");
        account.store().is(&log, &["NULL"]);
    }
}

#[test]
fn the_case_of_event_names_does_not_matter() {
    let account = Account::start();
    let fan = another_fan();
    account
        .post(&event("SUBSCRIBE").from(&fan))
        .is_text(account::WELCOME);
    let store = account.store();
    let followers = format!("SELECT count(*) FROM followers WHERE openid = '{fan}'");
    store.is(&followers, &["1"]);
    account.post(&event("UnSubscribe").from(&fan)).is_success();
    store.is(&followers, &["0"]);
}
