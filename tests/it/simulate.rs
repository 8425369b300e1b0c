//! `wechatd simulate`: trying an account before it is set up in the console.

use crate::support::account::{HELP, THANKS, WELCOME};
use crate::support::platform::connection::{Reply, Then};
use crate::support::service::Act;
use crate::support::*;
use std::collections::HashSet;

#[test]
fn simulate_can_play_a_whole_conversation() {
    let account = Account::start();
    let verify = account.simulate(&["verify"]);
    verify
        .ok()
        .says("200")
        .says("this server answers as the console wants")
        .says("the domain, TLS and the proxy were not tried");
    let json = account.simulate(&["verify", "--json"]).json();
    assert_eq!(json["verified"], true);
    let json = account.simulate(&["text", "hello", "--json"]).json();
    assert!(json.get("verified").is_none(), "{json}");
    account
        .simulate(&["subscribe"])
        .ok()
        .says("200")
        .says(WELCOME)
        .says("ms");
    account.store().is("SELECT count(*) FROM followers", &["1"]);
    account.simulate(&["text", "hello"]).ok().says(HELP);
    account.simulate(&["text", "@more tea"]).ok().says(THANKS);
    account.simulate(&["unsubscribe"]).ok().says("success");
    account.store().is("SELECT count(*) FROM followers", &["0"]);
    account.store().is(
        "SELECT msg_type, event, content FROM messages WHERE msg_type = 'text' ORDER BY id",
        &["text|NULL|hello", "text|NULL|hello", "text|NULL|@more tea"],
    );
}

#[test]
fn simulate_sends_every_kind() {
    let account = Account::with_rules("");
    for (arguments, expected) in [
        (&["text", "hello"][..], "text|NULL|hello"),
        (&["image"], "image|NULL|"),
        (&["voice"], "voice|NULL|"),
        (&["video"], "video|NULL|"),
        (&["shortvideo"], "shortvideo|NULL|"),
        (&["location"], "location|NULL|"),
        (&["link"], "link|NULL|"),
        (&["subscribe"], "event|subscribe|"),
        (&["unsubscribe"], "event|unsubscribe|"),
        (&["SCAN", "--scene", "10086"], "event|SCAN|"),
        (&["LOCATION"], "event|LOCATION|"),
        (&["CLICK", "--key", "MENU_TODAY"], "event|CLICK|"),
        (
            &["VIEW", "--key", "https://www.example.com/"],
            "event|VIEW|",
        ),
    ] {
        account.simulate(arguments).ok().says("success");
        let row: String = account.store().one(
            "SELECT msg_type || '|' || coalesce(event, 'NULL') || '|' || coalesce(content, '') FROM messages ORDER BY id DESC LIMIT 1",
        );
        assert!(
            row.starts_with(expected),
            "{arguments:?}: {row} instead of {expected}"
        );
    }
    account.store().is(
        "SELECT event_key FROM messages WHERE event IN ('SCAN', 'CLICK', 'VIEW') ORDER BY id",
        &["10086", "MENU_TODAY", "https://www.example.com/"],
    );
}

#[test]
fn simulate_takes_the_sender_scene_and_message_id() {
    let account = Account::start();
    account
        .simulate(&["subscribe", "--from", "oTester1", "--scene", "door"])
        .ok();
    let store = account.store();
    store.is("SELECT openid, scene FROM follow_log", &["oTester1|door"]);
    for _ in 0..2 {
        account
            .simulate(&["text", "hi", "--from", "oTester1", "--msg-id", "4711"])
            .ok()
            .says(HELP);
    }
    store.is(
        "SELECT openid, msg_id FROM messages WHERE msg_type = 'text'",
        &["oTester1|4711"],
    );
    for _ in 0..2 {
        account
            .simulate(&["text", "hi", "--from", "oTester2"])
            .ok()
            .says(HELP);
    }
    store.is(
        "SELECT count(*) FROM messages WHERE openid = 'oTester2'",
        &["2"],
    );
}

#[test]
fn simulate_sends_a_file_unchanged() {
    let account = Account::start();
    let file = format!(
        "{}/tests/samples/inbound/text.xml",
        env!("CARGO_MANIFEST_DIR")
    );
    account.simulate(&["text", "--xml", &file]).ok().says(HELP);
    account
        .store()
        .is("SELECT msg_id FROM messages", &["24900000000000237"]);
    account
        .simulate(&["text", "--xml", "/no/such/file.xml"])
        .failed()
        .complains("/no/such/file.xml");
}

#[test]
fn simulate_takes_the_address_from_the_configuration() {
    let setup = Setup::new();
    let socket = setup.folder().join("wechatd.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let account = setup.set("server.listen", &listen).start();
    account
        .command(&["simulate", "text", "hello"])
        .ok()
        .says(HELP);
    account.command(&["simulate", "verify"]).ok().says("200");
}

#[test]
fn simulate_uses_a_generated_token() {
    let account = Setup::new().unset("account.token").start();
    account.simulate(&["verify"]).ok();
    account.simulate(&["text", "hello"]).ok().says(HELP);
}

#[test]
fn simulate_can_use_the_public_https_address() {
    let account = Account::start();
    let front = TlsFront::start(Some(account.address()));
    let certificate = account.folder().join("front.pem");
    std::fs::write(&certificate, &front.certificate).unwrap();
    let run = |arguments: &[&str], path: &str| {
        let url = format!("{}{path}", front.url());
        let mut program = account.program(&[&["simulate"], arguments, &["--url", &url]].concat());
        program.env("SSL_CERT_FILE", &certificate);
        Ran::of(program, "")
    };
    run(&["verify"], "/wechat")
        .ok()
        .says("came back from localhost")
        .says("by TLS");
    run(&["text", "hello"], "/wechat").ok().says(HELP);
    run(&["verify"], "/elsewhere")
        .is_code(1)
        .says("404")
        .says("nothing answers at this path");
    // The platform would refuse an untrusted certificate too.
    let url = format!("{}/wechat", front.url());
    account
        .command(&["simulate", "verify", "--url", &url])
        .failed()
        .complains("its certificate is not good")
        .complains("WeChat");
    let without_tls = account.url().replace("http://", "https://");
    account
        .command(&["simulate", "verify", "--url", &without_tls])
        .failed()
        .complains("is this the port for http://?");
    // The URL may have a query.
    let with_query = format!("{}?shop=1", account.url());
    account
        .command(&["simulate", "verify", "--url", &with_query])
        .ok();
    for url in [
        "https://",
        "ftp://localhost/wechat",
        "localhost/wechat",
        "https://localhost/wechat#here",
    ] {
        account
            .command(&["simulate", "verify", "--url", url])
            .refused()
            .complains("https://HOST/PATH");
    }
}

#[test]
fn simulate_says_what_is_wrong() {
    let mut account = Account::start();
    let url = account.url();
    let wrong = url.replace("/wechat", "/elsewhere");
    account
        .command(&["simulate", "text", "hi", "--url", &wrong])
        .is_code(1);
    let foreign = Setup::new()
        .set("account.token", "\"someOtherToken\"")
        .stopped();
    let ran = foreign.command(&["simulate", "text", "hi", "--url", &url]);
    ran.is_code(1).says("403").says("Bad Token!");
    account.stop();
    let ran = account.command(&["simulate", "text", "hi", "--url", &url]);
    ran.failed();
    ran.expect(ran.stderr.trim_end().lines().count() == 1, "one line");
}

#[test]
fn simulated_authorization_events_have_their_effect() {
    let account = Account::start();
    for fan in ["oSimP", "oSimQ"] {
        account.simulate(&["subscribe", "--from", fan]).ok();
    }
    let simulate = |event: &str| {
        account
            .simulate(&[event, "--from", "oSimP"])
            .ok()
            .says("success");
    };
    simulate("user_info_modified");
    simulate("user_authorization_revoke");
    let store = account.store();
    assert_eq!(store.count("followers"), 2);
    simulate("user_authorization_cancellation");
    eventually("the person is forgotten", account.log(), || {
        store.count("followers") == 1
    });
    store.is("SELECT openid FROM followers", &["oSimQ"]);
}

#[test]
fn simulated_results_of_messages_are_recorded() {
    let account = Account::start();
    for arguments in [
        &["TEMPLATESENDJOBFINISH", "--msg-id", "4250"][..],
        &[
            "templatesendjobfinish",
            "failed:user block",
            "--msg-id",
            "4251",
        ],
        &["MASSSENDJOBFINISH", "--msg-id", "1000"],
        &["MASSSENDJOBFINISH"],
    ] {
        account.simulate(arguments).ok().says("success");
    }
    account.store().is(
        "SELECT kind, msg_id, status FROM jobs WHERE length(msg_id) = 4 ORDER BY msg_id",
        &[
            "mass|1000|send success",
            "template|4250|success",
            "template|4251|failed:user block",
        ],
    );
    assert_eq!(account.store().count("jobs"), 4);
}

#[test]
fn simulate_shows_every_kind_of_reply_in_plain_text() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        message = "text"
        news = [{ title = "Hours", url = "https://example.com/?a={content}" }]
        [[rule]]
        message = "image"
        transfer = "amy@shop"
        [[rule]]
        event = "scancode_waitmsg"
        subject = "scan"
        prefix = "A"
        music = { title = "{scan}", thumb_media_id = "THUMB" }
        [[rule]]
        event = "location_select"
        text = "{latitude}"
        "#,
    );
    for (arguments, lines) in [
        (
            &["text", "1 2"][..],
            &[
                "news:",
                "  1. title: Hours",
                "     url: https://example.com/?a=1%202",
            ][..],
        ),
        (
            &["image"],
            &["transfer_customer_service:", "  agent: amy@shop"],
        ),
        (
            &["scancode_waitmsg", "--key", "K", "--scan", "A7"],
            &["music:", "  title: A7", "  thumb_media_id: THUMB"],
        ),
        (&["location_select"], &["text:", "  31.230416"]),
    ] {
        let ran = account.simulate(arguments);
        let shown: Vec<&str> = ran.ok().stdout.lines().skip(1).collect();
        ran.expect(shown == lines, &format!("{lines:?}"));
    }
    account
        .command(&["explain", "x"])
        .ok()
        .says("  1. title: Hours")
        .says_nothing_of("<");
}

#[test]
fn simulate_help_lists_every_kind() {
    let help = wechatd(&["simulate", "--help"]);
    let events = wechatd::wechat::known_events();
    for kind in wechatd::config::MESSAGE_TYPES.iter().copied().chain(events) {
        help.ok().says(&format!(" {kind}"));
    }
    help.says_nothing_of("…");
}

#[test]
fn simulate_refuses_arguments_that_do_not_fit() {
    let account = Account::with_rules("");
    for (arguments, advice) in [
        (&["verify", "hello"][..], "leave TEXT"),
        (&["verify", "--key", "X"], "--key"),
        (&["verify", "--xml", "push.xml"], "--xml"),
        (&["text", "hi", "--key", "X"], "--key"),
        (&["text", "hi", "--scene", "X"], "--scene"),
        (&["CLICK", "--scan", "X"], "--scan"),
        (&["scancode_waitmsg", "X"], "--scan TEXT"),
        (&["verify", "--scan", "X"], "--scan"),
        (&["verify", "--patient"], "--patient"),
        (&["image", "hi"], "TEXT"),
        (&["subscribe", "hello"], "--scene SCENE"),
        (&["SCAN", "hello"], "--scene SCENE"),
        (&["CLICK", "hello"], "--key KEY"),
        (&["CLICK", "--scene", "X"], "--key KEY"),
        (
            &["subscribe", "--scene", "X", "--key", "Y"],
            "leave --key or --scene out",
        ),
        (&["subscribe", "--msg-id", "1"], "--msg-id"),
        (&["user_info_modified", "--key", "1"], "--key"),
        (&["MASSSENDJOBFINISH", "--from", "oX"], "--from"),
        (&["text", "hi", "--xml", "push.xml"], "--xml"),
        (&["txt", "hi"], "did you mean text?"),
        (&["subscribed"], "did you mean subscribe?"),
    ] {
        account.simulate(arguments).refused().complains(advice);
    }
    let played = account.simulate(&["foo"]);
    played
        .ok()
        .complains("\"foo\" is neither a MsgType nor an Event");
    account.simulate(&["click", "--key", "X"]).ok();
    account
        .store()
        .is("SELECT event FROM messages ORDER BY id", &["foo", "click"]);
}

/// What `simulate --patient` says to this server.
fn patient(server: &Service, account: &Account, arguments: &[&str]) -> Ran {
    let url = server.url();
    let command = ["simulate", "text", "hello", "--patient", "--url", &url];
    account.command(&[&command[..], arguments].concat())
}

#[test]
fn simulate_with_patience_delivers_again_as_the_platform_does() {
    let account = Setup::new().stopped();
    let server = Service::wechat_with(TOKEN);
    server.script([Act::close(""), Act::close(""), Act::text("at last")]);
    let ran = patient(&server, &account, &[]);
    let lines: Vec<&str> = ran.ok().stdout.lines().collect();
    for (n, line) in lines[..2].iter().enumerate() {
        let again = format!("delivered again ({} of 3)", n + 2);
        ran.expect(line.starts_with("closed without an answer after "), line);
        ran.expect(line.ends_with(&again), &again);
    }
    ran.expect(lines[2].starts_with("200 OK in "), "the answer");
    ran.says("text:\n  at last\n");
    // Of one message, and, as the fake service checks, each with a signature of its own.
    let counts: Vec<usize> = server.per_push().into_values().collect();
    assert_eq!(counts, [3]);
}

#[test]
fn simulate_with_patience_seals_each_delivery_anew() {
    let account = Console::new(Mode::Secure).setup().stopped();
    let server = Receiver::start();
    server.answers(|_| Reply::Bytes(Vec::new(), Then::Close));
    let url = server.url("wechat");
    let ran = account.command(&["simulate", "text", "hello", "--patient", "--url", &url]);
    ran.failed();
    let calls = server.calls();
    for name in ["signature", "msg_signature", "nonce"] {
        let values: HashSet<&str> = calls.iter().map(|call| &*call.query[name]).collect();
        assert_eq!(values.len(), 3, "{name}");
    }
    let bodies: HashSet<&str> = calls.iter().map(|call| &*call.body).collect();
    assert_eq!(bodies.len(), 3);
}

#[test]
fn simulate_with_patience_waits_five_seconds_for_each_answer() {
    let account = Setup::new().stopped();
    let server = Service::wechat_with(TOKEN);
    server.script([Act::hang(), Act::text("at last")]);
    let ran = patient(&server, &account, &[]);
    ran.ok()
        .says("no answer within 5 s, delivered again (2 of 3)\n200 OK in ")
        .says("at last");
    let asked = server.asked();
    let waited = asked[1].at - asked[0].at;
    assert!(waited.as_secs_f64() >= 4.9, "{waited:?}");
}

#[test]
fn simulate_with_patience_ends_when_the_platform_would_give_up() {
    let account = Setup::new().stopped();
    let server = Service::wechat_with(TOKEN);
    server.always(Act::close(""));
    patient(&server, &account, &["--json"])
        .failed()
        .complains("nor to the 2 deliveries before: WeChat gives up");
    assert_eq!(server.asked().len(), 3);
    server.script([Act::close(""), Act::nothing()]);
    let json = patient(&server, &account, &["--json"]).json();
    let deliveries = json["deliveries"].as_array().unwrap();
    let answered: Vec<&serde_json::Value> = deliveries.iter().map(|one| &one["answered"]).collect();
    assert_eq!(answered, [false, true], "{json}");
    assert_eq!(json["milliseconds"], deliveries[1]["milliseconds"]);
    assert_eq!(json["body"], "success");
    // Nobody delivers again to a server that does not run, or to one that has answered.
    server.always(Act::http("503 Service Unavailable", "text/plain", "later"));
    patient(&server, &account, &[]).is_code(1).says("503");
    assert_eq!(server.asked().len(), 6);
    server.down();
    patient(&server, &account, &[])
        .failed()
        .complains("is the server running?");
    // Without patience there is one delivery.
    server.up();
    server.always(Act::close(""));
    let url = server.url();
    let once = account.command(&["simulate", "text", "hello", "--url", &url]);
    once.failed()
        .complains("the connection was closed without an answer")
        .complains("as --patient does");
    assert_eq!(server.asked().len(), 7);
}
