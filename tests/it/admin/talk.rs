//! The conversation with one person: what it shows, the box for an answer and its window, and what else can be done.

use super::with_page;
use crate::support::operator::{Operator, PAGE};
use crate::support::store::pass;
use crate::support::*;
use serde_json::json;
use std::time::Instant;

const SEND: &str = "/cgi-bin/message/custom/send";
const HOUR: i64 = 3_600;

fn with_platform(platform: &Platform) -> Account {
    Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("api.timeout", "\"2s\"")
        .platform(platform)
        .start()
}

/// The page of the person who writes in tests.
fn talk(operator: &Operator) -> String {
    operator
        .get(&format!("/people/{FAN}"))
        .is_status(200)
        .body()
}

/// The number of a form that works once.
fn once(body: &str) -> String {
    let (_, once) = body.split_once("name=\"once\" value=\"").unwrap();
    once.split('"').next().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    wechatd::percent::encode(text)
}

fn form(once: &str, text: &str) -> String {
    format!("once={once}&content={}", encoded(text))
}

/// Answers with a new form, as the box of the page does.
fn answers(operator: &Operator, text: &str) -> http::Answer {
    let once = once(&talk(operator));
    operator.post(&format!("/people/{FAN}/send"), &form(&once, text))
}

/// The box is open, and says this.
#[track_caller]
fn is_open(operator: &Operator, says: &str) {
    let body = talk(operator);
    let is_open = body.contains(says)
        && !body.contains("disabled>Send")
        && !body.contains("<button disabled");
    assert!(is_open, "{says} in {body}");
}

/// The box is shut, and says this.
#[track_caller]
fn is_shut(operator: &Operator, says: &str) {
    let body = talk(operator);
    assert!(
        body.contains(says) && body.contains("<button disabled"),
        "{says} in {body}"
    );
}

#[test]
fn a_conversation_shows_who_said_what_oldest_first() {
    let platform = Platform::start();
    let account = with_platform(&platform);
    let operator = Operator::of(&account);
    operator.get("/people/nobody").is_status(404);
    account.post(&subscribe_by("poster")).is_status(200);
    account.post(&text("two\nlines <b>")).is_status(200);
    account.post(&image()).is_status(200);
    account.post(&click("HOURS")).is_status(200);
    answers(&operator, "We open at <8>\r\nsee you").is_status(303);
    account.command(&["send", FAN, "from the terminal"]).ok();
    let body = talk(&operator);
    let parts = [
        "Scene <bdi>poster</bdi>",
        "Followed",
        "<bdi>two</bdi><br><bdi>lines &lt;b&gt;</bdi>",
        "<bdi>[Picture]</bdi>",
        "Tapped the menu <bdi>HOURS</bdi>",
        "<bdi>We open at &lt;8&gt;</bdi><br><bdi>see you</bdi>",
        "<bdi>from the terminal</bdi>",
        "<bdi>cli</bdi>",
    ];
    let mut from = 0;
    for part in parts {
        let at = body[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part} after {from} in {body}"));
    }
    let name: String = account.store().one("SELECT name FROM admin_sessions");
    assert!(body.contains(&format!("<bdi>{name}</bdi>")), "{body}");
    let what = "welcome";
    let replies: Vec<String> = account
        .store()
        .rows("SELECT rule FROM messages WHERE reply IS NOT NULL");
    assert!(!replies.is_empty(), "{what}");
    for rule in replies {
        assert!(
            body.contains(&format!("Rule <bdi>{rule}</bdi>")),
            "{rule} in {body}"
        );
    }
}

#[test]
fn a_long_conversation_begins_with_its_newest_part() {
    let account = with_page();
    let operator = Operator::of(&account);
    for n in 0..70 {
        account.post(&text(&format!("number {n}."))).is_status(200);
    }
    let newest = talk(&operator);
    assert!(
        newest.contains("number 69.") && !newest.contains("number 19."),
        "{newest}"
    );
    let (_, link) = newest
        .split_once(&format!("href=\"/people/{FAN}?before="))
        .unwrap();
    let before = link.split('"').next().unwrap();
    let older = operator
        .get(&format!("/people/{FAN}?before={before}"))
        .body();
    for n in [0, 19] {
        assert!(older.contains(&format!("number {n}.")), "{older}");
    }
    assert!(
        !older.contains("number 20.") && !older.contains("\">Older</a>"),
        "{older}"
    );
}

#[test]
fn an_answer_arrives_once_whatever_the_browser_does() {
    let platform = Platform::start();
    let account = with_platform(&platform);
    let (one, other) = (Operator::of(&account), Operator::of(&account));
    account.post(&text("hello")).is_status(200);
    let path = format!("/people/{FAN}/send");
    let number = once(&talk(&one));
    // A double click: both requests are under way.
    let both: Vec<u16> = std::thread::scope(|scope| {
        let clicks = [(); 2]
            .map(|()| scope.spawn(|| one.post(&path, &form(&number, "Hi & bye")).response.status));
        clicks.map(|click| click.join().unwrap()).to_vec()
    });
    assert_eq!(both, [303, 303]);
    // Reload, and back to the form with another text.
    one.post(&path, &form(&number, "Hi & bye"))
        .is_status(303)
        .has_header("location", &format!("/people/{FAN}#answer"));
    one.post(&path, &form(&number, "changed")).is_status(303);
    // The same form of another session is another session's.
    other.post(&path, &form(&number, "Hi & bye")).is_status(303);
    assert_eq!(
        platform.bodies(SEND),
        [json!({"touser": FAN, "msgtype": "text", "text": {"content": "Hi & bye"}})]
    );
    is_open(&one, "at most 4 of 5 messages");
    // Two tabs have two forms, and send two.
    let (first, second) = (once(&talk(&one)), once(&talk(&one)));
    assert_ne!(first, second);
    for number in [&first, &second, &first] {
        one.post(&path, &form(number, "tab")).is_status(303);
    }
    assert_eq!(platform.count(SEND), 3);
    // Without a number nothing is sent.
    one.post(&path, "content=bare").is_status(403);
    assert_eq!(platform.count(SEND), 3);
}

#[test]
fn the_box_knows_the_window_and_shares_its_count_with_the_terminal() {
    let platform = Platform::start();
    let account = with_platform(&platform);
    let operator = Operator::of(&account);
    account.post(&text("hello")).is_status(200);
    pass(&account.store_path(), 1);
    is_open(&operator, "47 h 59 min left, at most 5 of 5 messages");
    answers(&operator, "one").is_status(303);
    account.command(&["send", FAN, "two"]).ok();
    is_open(&operator, "at most 3 of 5 messages");
    // Four messages are more than are left.
    let long = "三".repeat(2_500);
    let refused = answers(&operator, &long);
    refused.is_status(422);
    let body = refused.body();
    assert!(
        body.contains("this answer makes 4 messages, and at most 3 can be sent"),
        "{body}"
    );
    assert!(body.contains(&long), "what was written is still there");
    assert_eq!(platform.count(SEND), 2);
    answers(&operator, &"三".repeat(1_500)).is_status(303);
    assert_eq!(platform.count(SEND), 5);
    is_shut(
        &operator,
        "All messages of this window were sent. A message of the follower opens it for 48 hours",
    );
    answers(&operator, "six").is_status(422);
    assert_eq!(platform.count(SEND), 5);
    pass(&account.store_path(), 1);
    account.post(&text("again")).is_status(200);
    is_open(&operator, "at most 5 of 5 messages");
    pass(&account.store_path(), 48 * HOUR);
    is_shut(&operator, "has not written in the last 48 hours");
    account.post(&click("HOURS")).is_status(200);
    is_open(&operator, "at most 3 of 3 messages");
    pass(&account.store_path(), 61);
    account.post(&unsubscribe()).is_status(200);
    is_shut(&operator, "Following again opens it for a minute.");
    for (text, says) in [
        (" \n", "Write an answer first."),
        ("", "Write an answer first."),
    ] {
        let answer = answers(&operator, text);
        answer
            .is_status(422)
            .expect(answer.body().contains(says), says);
    }
}

#[test]
fn a_refusal_is_told_in_the_platforms_meaning_and_shuts_the_box() {
    for (errcode, says) in [
        (45015, "did nothing lately that allows a message"),
        (
            45047,
            "WeChat says that all messages of this window were sent.",
        ),
        (48002, "has switched messages off"),
    ] {
        let platform = Platform::start();
        let account = with_platform(&platform);
        let operator = Operator::of(&account);
        account.post(&text("hello")).is_status(200);
        platform.fault(SEND, Fault::Errcode(errcode, "no"));
        let answer = answers(&operator, "kept text");
        answer.is_status(502);
        let body = answer.body();
        assert!(
            body.contains(says) && body.contains("<button disabled"),
            "{body}"
        );
        assert!(
            body.contains("required disabled>kept text") || body.contains("kept text</textarea>"),
            "{body}"
        );
        is_shut(&operator, says);
        assert!(talk(&operator).contains(&errcode.to_string()));
        pass(&account.store_path(), 1);
        account.post(&text("again")).is_status(200);
        is_open(&operator, "at most 5 of 5 messages");
    }
}

#[test]
fn while_the_platform_hangs_the_page_says_so_in_time_and_all_else_goes_on() {
    let platform = Platform::start();
    let account = with_platform(&platform);
    let operator = Operator::of(&account);
    account.post(&text("hello")).is_status(200);
    answers(&operator, "first").is_status(303);
    platform.fault(SEND, Fault::Hang);
    let number = once(&talk(&operator));
    let sent = form(&number, "lost?");
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let (operator, sent) = (&operator, &sent);
        let hanging = scope.spawn(move || {
            let answer = operator.post(&format!("/people/{FAN}/send"), sent);
            (answer, begun.elapsed())
        });
        eventually("the platform is asked", account.log(), || {
            platform.count(SEND) == 2
        });
        // Others are not held up.
        for path in ["/", "/inbox", "/followers"] {
            operator.get(path).is_status(200);
        }
        account.post(&text("are you there?")).is_status(200);
        assert!(talk(operator).contains("being sent"));
        let (answer, took) = hanging.join().unwrap();
        answer.is_status(504);
        assert!(
            answer
                .body()
                .contains("It may have arrived, and is not repeated by itself.")
        );
        assert!(took < IN_TIME, "{took:?}");
    });
    platform.release();
    let again = operator.post(&format!("/people/{FAN}/send"), &sent);
    again.is_status(303);
    assert!(talk(&operator).contains("may have arrived"));
    assert_eq!(platform.count(SEND), 2);
    account
        .store()
        .is("SELECT state FROM sent ORDER BY id", &["sent", "unknown"]);
}

#[test]
fn what_a_kill_interrupts_may_have_arrived_and_is_never_repeated() {
    let platform = Platform::start();
    let mut account = Setup::new().set(PAGE.0, PAGE.1).platform(&platform).start();
    account.post(&text("hello")).is_status(200);
    platform.fault(SEND, Fault::Hang);
    let (at, request) = {
        let operator = Operator::of(&account);
        let body = format!(
            "token={}&{}",
            operator.token,
            form(&once(&talk(&operator)), "cut")
        );
        let request = Request::new("POST", &format!("/people/{FAN}/send"))
            .body(body)
            .header("Cookie", &operator.cookie)
            .header("Host", "localhost");
        (operator::page(&account), request)
    };
    let mut wire = Wire::connect(&at).unwrap();
    wire.send(&request.bytes()).unwrap();
    eventually("the platform is asked", account.log(), || {
        platform.count(SEND) == 1
    });
    account.store().is("SELECT state FROM sent", &["sending"]);
    account.kill();
    platform.release();
    account.begin();
    let operator = Operator::of(&account);
    account.store().is("SELECT state FROM sent", &["unknown"]);
    assert!(talk(&operator).contains("may have arrived"));
    is_open(&operator, "at most 4 of 5 messages");
    assert_eq!(platform.count(SEND), 1);
}

#[test]
fn an_answer_marks_what_waited_as_done_if_that_is_wanted() {
    let platform = Platform::start();
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .platform(&platform)
        .rules("[[rule]]\nmessage = \"text\"\ntext = \"Thanks\"\ntodo = true\n")
        .start();
    let operator = Operator::of(&account);
    account.post(&text("@ more tea")).is_status(200);
    account
        .post(&text("@ other").from(&another_fan()))
        .is_status(200);
    let body = talk(&operator);
    assert!(body.contains("name=\"done\" value=\"1\" checked"), "{body}");
    let fields = format!("{}&done=1,2", form(&once(&body), "Thanks"));
    operator
        .post(&format!("/people/{FAN}/send"), &fields)
        .is_status(303);
    // Only what is from this person.
    account
        .store()
        .is("SELECT todo FROM messages ORDER BY id", &["0", "1"]);
}

#[test]
fn remark_tags_and_blocking_reach_the_platform() {
    let platform = Platform::start();
    platform.people(|all| {
        all.followers = vec![FAN.into()];
        all.tags.insert(130, "VIP".into());
    });
    let account = with_platform(&platform);
    let operator = Operator::of(&account);
    account.command(&["followers", "sync"]).ok();
    account.command(&["tags", "list"]).ok();
    let id: i64 = account
        .store()
        .one("SELECT id FROM tags WHERE name = 'VIP'");
    let path = |action: &str| format!("/people/{FAN}/{action}");
    operator
        .post(&path("remark"), &format!("remark={}", encoded("Li & Co")))
        .is_status(303);
    let body = talk(&operator);
    assert!(body.contains("<h1><bdi>Li &amp; Co</bdi></h1>"), "{body}");
    operator
        .post(&path("tag"), &format!("tag={id}"))
        .is_status(303);
    assert!(talk(&operator).contains(" · <bdi>VIP</bdi>"));
    operator
        .post(&path("untag"), &format!("tag={id}"))
        .is_status(303);
    assert!(!talk(&operator).contains(" · <bdi>VIP</bdi>"));
    operator
        .post(&path("block"), "")
        .is_status(303)
        .has_header("location", "?told=blocked");
    operator.post(&path("unblock"), "").is_status(303);
    for call in [
        "batchtagging",
        "batchuntagging",
        "batchblacklist",
        "batchunblacklist",
    ] {
        assert_eq!(
            platform.count(&format!("/cgi-bin/tags/members/{call}")),
            1,
            "{call}"
        );
    }
    platform.fault(
        "/cgi-bin/user/info/updateremark",
        Fault::Errcode(40092, "invalid remark"),
    );
    let refused = operator.post(&path("remark"), "remark=x");
    refused
        .is_status(502)
        .expect(refused.body().contains("That was not done."), "said");
    operator.post(&path("tag"), "tag=x").is_status(404);
}

#[test]
fn a_forgotten_person_leaves_no_byte_behind() {
    let platform = Platform::start();
    let account = with_platform(&platform);
    let operator = Operator::of(&account);
    account.post(&subscribe()).is_status(200);
    account.post(&text("@ my secret wish")).is_status(200);
    answers(&operator, "a private answer").is_status(303);
    operator.post("/inbox/done", "ids=2").is_status(303);
    let path = format!("/people/{FAN}/forget");
    for wrong in ["", "last=", "last=wrong1", "last=9WvBh"] {
        let answer = operator.post(&path, wrong);
        answer
            .is_status(422)
            .expect(answer.body().contains("nothing was removed"), "kept");
    }
    assert_eq!(account.store().count("sent"), 1);
    operator
        .post(&path, "last=9WvBh4")
        .is_status(303)
        .has_header("location", "/inbox?forgotten=1");
    operator.get(&format!("/people/{FAN}")).is_status(404);
    let store = account.store_path();
    for file in [store.clone(), format!("{}-wal", store.display()).into()] {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for trace in [FAN, "secret wish", "private answer"] {
            let has = bytes
                .windows(trace.len())
                .any(|part| part == trace.as_bytes());
            assert!(!has, "{trace} in {}", file.display());
        }
    }
}

#[test]
fn a_picture_is_shown_while_it_is_there_and_goes_with_its_person() {
    let platform = Platform::start();
    let account = Setup::new()
        .set(PAGE.0, PAGE.1)
        .set("store.media", "\"media\"")
        .platform(&platform)
        .start();
    let operator = Operator::of(&account);
    account.post(&image()).is_status(200);
    eventually("it is fetched", account.log(), || {
        account
            .store()
            .count("media_files WHERE type IS NOT NULL AND next_at IS NULL")
            == 1
    });
    let body = talk(&operator);
    assert!(
        body.contains("<img src=\"/media/1\" alt=\"Picture\""),
        "{body}"
    );
    operator
        .get("/media/1")
        .is(200, "GIF89a of SYN_image")
        .has_header("content-type", "image/gif");
    let at = operator::page(&account);
    operator::ask(&account, &at, Request::new("GET", "/media/1")).is_status(303);
    // What browsers do not show as a picture is downloaded only.
    store::change(
        &account.store_path(),
        "UPDATE media_files SET type = 'text/html'",
    );
    assert!(talk(&operator).contains("<a href=\"/media/1\" download>"));
    operator
        .get("/media/1")
        .has_header("content-type", "application/octet-stream")
        .has_header("content-disposition", "attachment; filename=\"1.gif\"");
    for path in ["/media/2", "/media/..%2Fwechat.conf", "/media/x"] {
        operator.get(path).is_status(404);
    }
    operator
        .post(&format!("/people/{FAN}/forget"), "last=9WvBh4")
        .is_status(303);
    operator.get("/media/1").is_status(404);
    assert!(!account.folder().join("media/1.gif").exists());
}
