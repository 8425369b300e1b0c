//! Answers that come when the platform does not wait any more: as a message, with the next message, or not at all.

use super::*;
use crate::support::store::change;

const RIGHT: &str = "SELECT value FROM settings WHERE name = 'right.custom_send'";

/// A service whose answers come too late.
struct Late {
    service: Service,
    account: Account,
}

impl Late {
    /// One call at a time, so that the answers come in order.
    fn new(setup: impl FnOnce(Setup) -> Setup) -> Self {
        let service = Service::wechat();
        let account = setup(forwarding(&service, "concurrency = 1")).start();
        Self { service, account }
    }

    /// The service answers each of these people when the platform has given up: as if that had happened during a
    /// restart.
    #[track_caller]
    fn comes(&mut self, answers: &[(&str, Act)]) {
        let Self { service, account } = self;
        service.always(Act::hang());
        let before = service.asked().len();
        let under_way = |account: &Account| {
            let rows = "forwards WHERE state IN ('asked', 'sending')";
            account.store().count(rows)
        };
        for (n, (fan, _)) in (1..).zip(answers) {
            drop(sent(account, &text("hello").from(fan)));
            eventually("the push", account.log(), || under_way(account) == n);
        }
        asked(service, account, before + 1);
        account.kill();
        change(
            &account.store_path(),
            "UPDATE messages SET pending = NULL WHERE pending",
        );
        service.script(answers.iter().map(|(_, act)| act.clone()));
        account.begin();
        eventually("the answers", account.log(), || under_way(account) == 0);
    }
}

#[test]
fn the_right_to_messages_is_learned_and_forgotten() {
    let platform = Platform::start();
    let mut late = Late::new(|setup| setup.platform(&platform));
    let [one, two, three, four] = [(); 4].map(|()| another_fan());
    late.comes(&[(&one, Act::text("for one"))]);
    become_(&late.account, &["sent"]);
    assert_eq!(messages(&platform), ["for one"]);
    let recorded = |late: &Late, rows: &[&str]| {
        let sql = "SELECT content, by, state, errcode FROM sent ORDER BY id";
        late.account.store().is(sql, rows);
    };
    recorded(&late, &["for one|service|sent|NULL"]);
    late.account.store().is(RIGHT, &[]);

    // A refusal of the moment, and one for good.
    platform.fault(SEND, Fault::Errcode(45047, "out of response count limit"));
    late.comes(&[(&one, Act::text("one again"))]);
    become_(&late.account, &["sent", "kept"]);
    late.account.store().is(RIGHT, &[]);
    let refused = "one again|service|refused|45047";
    recorded(&late, &["for one|service|sent|NULL", refused]);
    platform.fault(SEND, Fault::Errcode(48001, "api unauthorized"));
    late.comes(&[(&two, Act::text("for two"))]);
    become_(&late.account, &["sent", "kept", "kept"]);
    let until = now() + 7 * 86_400;
    let known = late.account.store().one::<String>(RIGHT);
    let known: i64 = known.strip_prefix("none ").unwrap().parse().unwrap();
    assert!((until - 600..=until).contains(&known), "{known}");
    let errors = "SELECT error FROM forwards WHERE state = 'kept' ORDER BY id";
    let errors = late.account.store().rows(errors);
    assert!(
        errors[0].contains("45047") && errors[1].contains("48001"),
        "{errors:?}"
    );

    // Not tried again, until the owner has looked.
    late.comes(&[(&three, Act::text("for three"))]);
    become_(&late.account, &["sent", "kept", "kept", "kept"]);
    assert_eq!(platform.count(SEND), 3);
    let forgets = "message/custom/send  unknown  was refused; the next late answer";
    let look = || late.account.command(&["check", "--online"]);
    let shown = look()
        .ok()
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(shown.contains(&forgets.replace("  ", " ")), "{shown}");
    look().ok().says_nothing_of("custom/send");
    late.account.store().is(RIGHT, &[]);
    late.comes(&[(&four, Act::text("for four"))]);
    become_(&late.account, &["sent", "kept", "kept", "kept", "sent"]);
    assert_eq!(messages(&platform).last().unwrap(), "for four");
    // The kept ones were not sent meanwhile.
    assert_eq!(platform.count(SEND), 4);
}

#[test]
fn a_message_of_which_nobody_knows_is_never_sent_again() {
    let platform = Platform::start();
    let mut late = Late::new(|setup| {
        let setup = setup.platform(&platform);
        setup.set("api.timeout", "\"1s\"")
    });
    platform.fault(SEND, Fault::Hang);
    platform.fault(SEND, Fault::Lost);
    let fans = [another_fan(), another_fan()];
    let answers = fans.each_ref().map(|fan| (&**fan, Act::text("once")));
    late.comes(&answers);
    become_(&late.account, &["unknown"; 2]);
    late.account.restart();
    late.service.always(Act::nothing());
    for fan in &fans {
        late.account.post(&text("hello").from(fan)).is_success();
    }
    assert_eq!(platform.count(SEND), 2);
    let unknown = late
        .account
        .command(&["forwards", "list", "--state", "unknown", "--json"]);
    assert_eq!(unknown.json().as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_a_message_is_kept_and_what_says_nothing_is_not() {
    let platform = Platform::start();
    let mut late = Late::new(|setup| setup.platform(&platform));
    let video = "<xml><MsgType>video</MsgType><Video><MediaId>SYN</MediaId></Video></xml>";
    let fans = [another_fan(), another_fan(), another_fan()];
    late.comes(&[
        (&fans[0], Act::http("200 OK", "text/xml", video)),
        (&fans[1], Act::nothing()),
        (&fans[2], Act::http("500 Oops", "text/plain", "")),
    ]);
    become_(&late.account, &["kept", "answered", "failed"]);
    assert_eq!(platform.count(SEND), 0);
    late.service.always(Act::nothing());
    let answer = late.account.post(&text("hello").from(&fans[0]));
    assert_eq!(answer.reply().msg_type, "video");
    for fan in &fans {
        late.account.post(&text("hello").from(fan)).is_success();
    }
}

/// The texts of a follower's messages, as rules answer them.
const RULES: &str = r#"
[[rule]]
message = "text"
equals = "text"
text = "By rule."

[[rule]]
message = "text"
equals = "long"
text = "LONG"

[[rule]]
message = "text"
equals = "news"
news = [{ title = "News", url = "https://www.example.com/" }]

[[rule]]
message = "text"
equals = "silent"
silent = true

[[rule]]
message = "text"
equals = "forward"
forward = "bot"
otherwise = "The bot is out."
"#;

/// Puts these answers into the store, as kept for this person since so many seconds.
fn keep(account: &mut Account, fan: &str, answers: &[(&str, i64)]) {
    account.stop();
    let rows = answers.iter().map(|(answer, ago)| {
        let xml = format!(
            "<xml><ToUserName>{fan}</ToUserName><FromUserName>{ACCOUNT}</FromUserName><CreateTime>1</CreateTime>\
             <MsgType>text</MsgType><Content>{answer}</Content></xml>"
        );
        format!(
            "INSERT INTO messages (dedup_key, openid, msg_type, received_at)
             VALUES ('kept ' || hex(randomblob(9)), '{fan}', 'text', unixepoch());
             INSERT INTO forwards (message_id, service, openid, state, answer, asked_at, answered_at)
             VALUES (last_insert_rowid(), 'bot', '{fan}', 'kept', '{xml}', unixepoch() - {ago}, unixepoch() - {ago});\n"
        )
    });
    change(&account.store_path(), &rows.collect::<String>());
    account.begin();
}

#[test]
fn kept_answers_are_shown_with_the_next_messages_the_oldest_first() {
    let service = Service::wechat();
    let long = "x".repeat(2_044);
    let rules = RULES.replace("LONG", &long);
    let setup = Setup::new()
        .rules(&rules)
        .service(&service, "slow = [\"next\"]");
    let mut account = setup.start();
    let fan = another_fan();
    let says = |content: &str| text(content).from(&fan);
    let answers = ["one", "two", "three", "four", "five", "six", "seven"];
    keep(&mut account, &fan, &answers.map(|answer| (answer, 9)));
    // Not with those of others, nor with a reply that has no room for it or cannot be joined to it.
    account.post(&text("silent")).is_success();
    let news = account.post(&says("news"));
    assert_eq!(news.reply().msg_type, "news");
    account.post(&says("long")).is_text(&long);
    // Joined to a text, or alone where nothing else would be shown.
    let joined = says("text");
    account.post(&joined).is_text("one\n\nBy rule.");
    account.post(&says("silent")).is_text("two");
    account.post(&says("no rule")).is_text("three");
    account.post(&click("MENU").from(&fan)).is_text("four");
    account.post(&unsubscribe().from(&fan)).is_success();
    // Once each, also when it is delivered again.
    account.post(&joined).is_text("one\n\nBy rule.");
    // With one that is forwarded, which is called all the same.
    service.always(Act::text("eight"));
    account.post(&says("forward")).is_text("five");
    become_(
        &account,
        &[
            "shown", "shown", "shown", "shown", "shown", "kept", "kept", "kept",
        ],
    );
    assert_eq!(service.asked().len(), 1);
    // Also where it cannot be called.
    service.always(Act::http("500 Oops", "text/plain", ""));
    for _ in 0..5 {
        account.post(&text("forward")).is_text(OUT);
    }
    account.log().says("circuit open");
    account
        .post(&says("forward"))
        .is_text(&format!("six\n\n{OUT}"));
    account.post(&says("text")).is_text("seven\n\nBy rule.");
    account.post(&says("text")).is_text("eight\n\nBy rule.");
    account.post(&says("text")).is_text("By rule.");
    assert_eq!(account.store().count("forwards WHERE state = 'shown'"), 8);
}

#[test]
fn an_answer_is_kept_as_long_as_the_configuration_says() {
    let service = Service::wechat();
    let mut account = forwarding(&service, "keep = \"60s\"").start();
    let fan = another_fan();
    keep(&mut account, &fan, &[("old", 70), ("young", 5)]);
    become_(&account, &["expired", "kept"]);
    account
        .log()
        .says("service bot: 1 answer not shown (the follower did not write in time)");
    account.post(&text("hello").from(&fan)).is_text("young");
    account
        .command(&["forwards", "list", "--state", "expired", "--json"])
        .ok()
        .says("old");
    // Of a service that is not configured any more, two days.
    account.rewrite_config(|config| {
        let entry = service.entry("keep = \"60s\"");
        config
            .replace(&entry, "")
            .replace("forward = \"bot\"\notherwise", "text")
    });
    let days = 2 * 86_400;
    keep(
        &mut account,
        &fan,
        &[("older", days + 60), ("younger", days - 600)],
    );
    become_(
        &account,
        &["expired", "shown", "answered", "expired", "kept"],
    );
    account
        .post(&text("hello").from(&fan))
        .is_text(&format!("younger\n\n{OUT}"));
}

#[test]
fn nobody_is_sent_a_message_whose_window_the_platform_has_called_shut_until_they_write() {
    let platform = Platform::start();
    let mut late = Late::new(|setup| setup.platform(&platform));
    let fan = another_fan();
    // The platform has refused a message between this push and its answer.
    let refused = format!(
        "INSERT INTO sent (openid, at, msg_type, content, by, state, errcode)
         VALUES ('{fan}', unixepoch() + 100, 'text', 'earlier', 'cli', 'refused', 45015)"
    );
    change(&late.account.store_path(), &refused);
    late.comes(&[(&fan, Act::text("late"))]);
    become_(&late.account, &["kept"]);
    assert_eq!(platform.count(SEND), 0);
    late.account.store().is(
        "SELECT content, state, errcode FROM sent ORDER BY id",
        &["earlier|refused|45015", "late|refused|NULL"],
    );
    let why: String = late.account.store().one("SELECT error FROM forwards");
    assert!(why.contains("45015"), "{why}");
    // Another one may be sent.
    change(&late.account.store_path(), "UPDATE sent SET at = at - 1000");
    late.comes(&[(&fan, Act::text("later"))]);
    eventually("the message", late.account.log(), || {
        messages(&platform) == ["later"]
    });
}
