//! Pushes that rules forward to the owner's own program: what the follower is shown, in time or late, once at most.

mod changes;
mod failures;
mod late;
mod order;
mod restarts;
mod waiting;

use crate::support::service::{Act, Asked, FORWARD_ALL};
use crate::support::*;
use std::time::Duration;

/// What is shown by [`FORWARD_ALL`] when the service fails.
const OUT: &str = "The bot is out.";

const SEND: &str = "/cgi-bin/message/custom/send";

/// An account that forwards everything to this service, with these keys of `[[service]]`.
fn forwarding(service: &Service, keys: &str) -> Setup {
    Setup::new().rules(FORWARD_ALL).service(service, keys)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// State, deliveries and error of every forwarded push, in order.
fn states(account: &Account) -> Vec<String> {
    account
        .store()
        .rows("SELECT state, deliveries, error FROM forwards ORDER BY id")
}

/// Waits until the forwarded pushes are in these states.
#[track_caller]
fn become_(account: &Account, expected: &[&str]) {
    let now = || {
        account
            .store()
            .rows("SELECT state FROM forwards ORDER BY id")
    };
    eventually(&format!("{expected:?}"), account.log(), || {
        now() == expected
    });
}

/// The texts of the customer-service messages that the platform got, in order.
fn messages(platform: &Platform) -> Vec<String> {
    let bodies = platform.bodies(SEND);
    let texts = bodies.iter().map(|body| body["text"]["content"].as_str());
    texts.map(|text| text.unwrap_or("?").to_owned()).collect()
}

/// Waits until the service was called this often.
#[track_caller]
fn asked(service: &Service, account: &Account, count: usize) -> Vec<Asked> {
    eventually(&format!("{count} calls"), account.log(), || {
        service.asked().len() >= count
    });
    service.asked()
}

/// Sends a push, whose answer is not read yet.
fn sent(account: &Account, push: &Push) -> Wire {
    let mut wire = Wire::connect(account.address()).unwrap();
    let request = push.request("/wechat", &account.token);
    wire.send(&request.bytes()).unwrap();
    wire
}

/// Cases that do little but wait, all at the same time.
#[test]
fn cases_that_take_seconds_in_real_time() {
    type Case = (&'static str, fn());
    macro_rules! cases {
        ($($module:ident::$case:ident),* $(,)?) => { [$((stringify!($case), $module::$case as fn())),*] };
    }
    let cases: [Case; 14] = cases![
        waiting::the_second_delivery_gets_what_came_after_the_first,
        waiting::the_second_delivery_gets_otherwise_when_the_service_fails_after_the_first,
        waiting::without_any_rung_there_is_success_before_the_platform_hangs_up,
        waiting::without_wait_a_message_brings_what_comes_late,
        waiting::without_wait_the_next_message_shows_what_comes_late,
        waiting::what_the_platform_does_not_fetch_any_more_goes_on,
        waiting::the_next_delivery_gets_what_came_when_the_client_had_hung_up,
        failures::whatever_a_service_says_wrong_the_follower_soon_sees_otherwise,
        failures::after_five_failures_nothing_is_called_for_ten_seconds,
        failures::where_no_more_requests_may_wait_a_push_gets_otherwise_at_once,
        failures::no_secret_of_a_service_and_no_text_is_in_the_log,
        changes::a_store_that_cannot_write_while_a_push_waits_costs_no_answer,
        changes::a_reload_takes_no_answer_from_a_push_that_waits,
        restarts::a_stop_does_not_wait_for_a_service_and_the_next_delivery_gets_the_answer,
    ];
    std::thread::scope(|scope| {
        for (name, case) in cases {
            // A failure says the name of its thread.
            let thread = std::thread::Builder::new().name(name.into());
            thread.spawn_scoped(scope, case).unwrap();
        }
    });
}

#[test]
fn a_program_answers_messages_and_events_by_the_formats_of_both() {
    for (service, format) in [(Service::wechat(), "wechat"), (Service::json(), "json")] {
        let account = forwarding(&service, "").start();
        let news = |title: &str, json: &str| match format {
            "wechat" => Act::http(
                "200 OK",
                "text/xml",
                &format!(
                    "<xml><ToUserName>x</ToUserName><FromUserName>y</FromUserName><CreateTime>1</CreateTime>\
                     <MsgType>news</MsgType><ArticleCount>1</ArticleCount><Articles><item><Title>{title}</Title>\
                     <Url>https://www.example.com/</Url></item></Articles></xml>"
                ),
            ),
            _ => Act::http("200 OK", "application/json", json),
        };
        service.script([
            Act::text("Hello, too."),
            Act::text("Open <all> day ]]> & night"),
            news(
                "News",
                r#"{"news": [{"title": "News", "url": "https://www.example.com/"}]}"#,
            ),
            Act::nothing(),
        ]);
        let fan = another_fan();
        let (hello, tap) = (text("hello").from(&fan), click("HOURS").from(&fan));
        let reply = account.post(&hello).reply();
        assert_eq!((&*reply.to, &*reply.from), (&*fan, ACCOUNT));
        assert_eq!(reply.content, "Hello, too.");
        account.post(&tap).is_text("Open <all> day ]]> & night");
        let answer = account.post(&image().from(&fan));
        assert_eq!(answer.reply().msg_type, "news");
        assert!(answer.body().contains("<Title><![CDATA[News]]></Title>"));
        account.post(&text("silent").from(&fan)).is_success();
        assert_eq!(states(&account), ["answered|1|NULL"; 4]);
        account.store().is(
            "SELECT rule, reply IS NOT NULL, pending FROM messages ORDER BY id",
            &[
                "rule #1|1|NULL",
                "rule #2|1|NULL",
                "rule #1|1|NULL",
                "rule #1|0|NULL",
            ],
        );
        account.store().is(
            "SELECT count(*) FROM forwards WHERE service = 'bot' AND openid <> '' AND done_at >= answered_at
             AND answered_at >= asked_at AND answer IS (SELECT reply FROM messages WHERE id = message_id)",
            &["4"],
        );
        account
            .log()
            .says(&format!("text from {fan}: rule #1: bot: 200 in "));
        account
            .log()
            .says(&format!("CLICK from {fan}: rule #2: bot: 200 in "));
        assert!(!account.log().has("Hello"), "{}", account.log());
        // Delivered again, it was asked once.
        account.post(&hello).is(
            200,
            &account
                .store()
                .one::<String>("SELECT reply FROM messages WHERE id = 1"),
        );
        assert_eq!(service.times(&hello), 1);
        assert_eq!(service.asked().len(), 4);
    }
}

#[test]
fn deliveries_of_one_push_that_wait_at_the_same_time_get_the_same_bytes() {
    let service = Service::wechat();
    service.always(Act::text("once").after(millis(700)));
    let account = forwarding(&service, "").start();
    let push = text("hello");
    let mut wires: Vec<Wire> = (0..4).map(|_| sent(&account, &push)).collect();
    let answers = wires.iter_mut().map(|wire| wire.response().unwrap());
    let mut bodies: Vec<Vec<u8>> = answers.map(|answer| answer.body).collect();
    bodies.push(account.post(&push).is_text("once").response.body.clone());
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(service.asked().len(), 1);
    assert_eq!(states(&account), ["answered|5|NULL"]);
}

#[test]
fn in_secure_mode_every_delivery_that_waits_is_sealed_anew() {
    let service = Service::wechat();
    let console = Console::new(Mode::Secure);
    let account = console
        .setup()
        .rules(FORWARD_ALL)
        .service(&service, "")
        .start();
    service.always(Act::text("sealed").after(millis(700)));
    let push = text("hello");
    let deliveries = [console.deliver(&push), console.deliver(&push)];
    let mut wires = deliveries.each_ref().map(|delivery| {
        let mut wire = Wire::connect(account.address()).unwrap();
        wire.send(&delivery.request().bytes()).unwrap();
        wire
    });
    let mut bodies = Vec::new();
    for (delivery, wire) in deliveries.iter().zip(&mut wires) {
        let response = wire.response().unwrap();
        bodies.push(response.body.clone());
        let answer = http::Answer::new(response, &delivery.request(), account.log());
        console.read(delivery, &answer).is_text("sealed");
    }
    assert_ne!(bodies[0], bodies[1]);
    let call = &service.asked()[0].call;
    assert_eq!(call.body.as_bytes(), push.body());
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn a_service_gets_xml_in_every_mode_also_of_json_pushes() {
    for mode in Mode::ALL {
        let service = Service::wechat();
        service.always(Act::text("yes"));
        let console = Console::new(mode);
        let setup = console.setup().rules(FORWARD_ALL);
        let account = setup.service(&service, "").start();
        let push = text("as XML");
        console.push(&account, &push).is_text("yes");
        let json = format!(
            "{{\"ToUserName\":\"{ACCOUNT}\",\"FromUserName\":\"{FAN}\",\"CreateTime\":{},\"MsgType\":\"text\",\
             \"Content\":\"as \\\"JSON\\\"\",\"MsgId\":24900000000777001}}",
            now()
        );
        console.push(&account, &raw(json)).is_text("yes");
        let asked = service.asked();
        assert_eq!(asked[0].call.body.as_bytes(), push.body());
        let xml = xmltree::Element::parse(asked[1].call.body.as_bytes()).unwrap();
        let content = xml.get_child("Content").unwrap().get_text();
        assert_eq!(content.unwrap(), "as \"JSON\"", "{mode:?}");
    }
}

#[test]
fn an_event_that_takes_no_answer_is_forwarded_and_answered_at_once() {
    let service = Service::wechat();
    let account = forwarding(&service, "").start();
    service.always(Act::text("nobody sees this").after(millis(1_500)));
    let fan = another_fan();
    let answer = account.post(&unsubscribe().from(&fan));
    answer.is_success();
    answer.expect(
        answer.took < millis(1_500),
        "an answer before that of the service",
    );
    become_(&account, &["answered"]);
    assert_eq!(service.asked().len(), 1);
    account.store().is(
        "SELECT reply, pending, answer, forwards.done_at IS NULL FROM messages JOIN forwards ON message_id = messages.id",
        &["NULL|NULL|NULL|0"],
    );
    // Nor with the next message.
    service.always(Act::nothing());
    account.post(&text("hello").from(&fan)).is_success();
}
