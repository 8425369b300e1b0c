//! A server that is stopped or killed while pushes wait: what was asked is asked again, what was shown is not shown
//! again, and nothing is lost that the platform has not already given up.

use super::*;
use crate::support::phone::{Came, Patience, Phone, deliver};
use crate::support::receiver::answer;
use crate::support::store::change;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

/// Lets a push wait, and kills the server.
#[track_caller]
fn killed_while_waiting(account: &mut Account, service: &Service, push: &Push) {
    let before = service.asked().len();
    service.always(Act::hang());
    let _wire = sent(account, push);
    asked(service, account, before + 1);
    account.kill();
}

#[test]
fn after_a_kill_a_service_is_asked_again_about_the_same_push() {
    for service in [Service::wechat(), Service::json()] {
        let mut account = forwarding(&service, "").start();
        let push = text("hello");
        killed_while_waiting(&mut account, &service, &push);
        service.always(Act::text("after the kill"));
        account.begin();
        account.post(&push).is_text("after the kill");
        assert_eq!(service.times(&push), 2);
        let calls = service.asked();
        let id = |at: usize| calls[at].call.headers.get("webhook-id").cloned();
        assert_eq!(id(0), id(1));
        // From now on it is served from the row.
        service.down();
        account.kill();
        account.begin();
        account.post(&push).is_text("after the kill");
        assert_eq!(states(&account), ["answered|3|NULL"]);
    }
}

#[test]
fn what_a_kill_left_behind_ends_as_far_as_it_may() {
    let (service, platform) = (Service::wechat(), Platform::start());
    let setup = forwarding(&service, "timeout = \"60s\"").platform(&platform);
    let mut account = setup.start();
    let fans = [(); 4].map(|()| another_fan());
    let pushes = fans.each_ref().map(|fan| text("hello").from(fan));
    service.always(Act::text("said before"));
    for push in &pushes[1..] {
        account.post(push).is_text("said before");
    }
    killed_while_waiting(&mut account, &service, &pushes[0]);
    let of = |fan: &str, set: &str| format!("UPDATE forwards SET {set} WHERE openid = '{fan}';");
    change(
        &account.store_path(),
        &[
            of(&fans[0], "asked_at = unixepoch() - 61"),
            of(&fans[1], "state = 'sending'"),
            of(&fans[2], "state = 'kept'"),
            format!(
                "UPDATE messages SET reply = NULL WHERE openid IN ('{}', '{}')",
                fans[1], fans[2]
            ),
        ]
        .concat(),
    );
    let calls = service.asked().len();
    account.begin();
    // In the order in which they were forwarded.
    become_(&account, &["unknown", "kept", "answered", "failed"]);
    account.post(&pushes[0]).is_text(OUT);
    account.post(&pushes[1]).is_success();
    account.post(&pushes[2]).is_success();
    account.post(&pushes[3]).is_text("said before");
    assert_eq!(service.asked().len(), calls);
    service.always(Act::nothing());
    account
        .post(&text("and?").from(&fans[2]))
        .is_text("said before");
    for fan in [&fans[0], &fans[1], &fans[3]] {
        account.post(&text("and?").from(fan)).is_success();
    }
    assert_eq!(platform.count(SEND), 0);
}

#[test]
fn a_push_about_which_nothing_can_be_asked_after_a_kill_says_why() {
    let service = Service::wechat();
    let mut account = forwarding(&service, "").start();
    killed_while_waiting(&mut account, &service, &text("hello"));
    let tear = "UPDATE messages SET xml = '<xml><MsgType>te'";
    change(&account.store_path(), tear);
    account.begin();
    let errors = "SELECT error FROM forwards ORDER BY id";
    let torn = "the push in the store cannot be read: xml: not well-formed at 1:17";
    become_(&account, &["failed"]);
    account.store().is(errors, &[torn]);
    account
        .log()
        .says(&format!("service bot: 1 answer not shown ({torn})"));
    killed_while_waiting(&mut account, &service, &text("hello"));
    account.rewrite_config(|config| config.split("\n[[rule]]").next().unwrap().to_owned());
    account.begin();
    become_(&account, &["failed"; 2]);
    let gone = "the service is no longer in the configuration";
    account.store().is(errors, &[torn, gone]);
    account
        .log()
        .says(&format!("service bot: 1 answer not shown ({gone})"));
    assert_eq!(service.asked().len(), 2);
}

pub fn a_stop_does_not_wait_for_a_service_and_the_next_delivery_gets_the_answer() {
    let service = Service::wechat();
    let mut account = forwarding(&service, "").start();
    service.always(Act::hang());
    let pushes: Vec<Push> = (0..20)
        .map(|_| text("hello").from(&another_fan()))
        .collect();
    let wires: Vec<Wire> = pushes.iter().map(|push| sent(&account, push)).collect();
    asked(&service, &account, 8);
    let ended = account.stop();
    assert_eq!(ended.code, Some(0), "{}", account.log());
    assert!(ended.took < IN_TIME, "{ended:?}");
    for mut wire in wires {
        let answer = wire.response();
        // Any other answer than 200 would be shown.
        assert!(answer.is_err(), "{answer:?}\n{}", account.log());
    }
    service.always(Act::text("after the stop"));
    account.begin();
    for push in &pushes {
        account.post(push).is_text("after the stop");
        assert!(service.times(push) <= 2);
    }
}

/// No push waits for its answer any more.
const GIVEN_UP: &str = "UPDATE messages SET pending = NULL WHERE pending";

/// Numbers that are the same in every run with the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// One push with what the phone saw of it.
struct Written {
    fan: String,
    content: String,
    phone: Phone,
}

impl Written {
    /// The answer of the service to it.
    fn answer(&self) -> String {
        format!("re {}.", self.content)
    }

    /// The platform has got no answer to its last delivery.
    fn is_cut(&self) -> bool {
        let last = self.phone.came().last().copied().cloned();
        matches!(last, None | Some(Came::Closed | Came::Dropped))
    }
}

const KILLS: usize = 8;

#[test]
fn kills_at_any_moment_show_nothing_twice_and_lose_nothing() {
    let seed = u64::from(std::process::id()) + 1;
    let (receiver, platform) = (Receiver::start(), Platform::start());
    receiver.answers(move |call| {
        let content = call.json()["data"]["content"].clone();
        let content = content.as_str().unwrap();
        let length = content
            .bytes()
            .fold(seed, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        std::thread::sleep(millis(Numbers(length).below(250)));
        answer(
            "200 OK",
            "Content-Type: text/plain\r\n",
            &format!("re {content}."),
        )
    });
    // Some late answers can be messages, and the others wait for the next one.
    for _ in 0..100 {
        platform.fault(SEND, Fault::None);
        platform.fault(SEND, Fault::Errcode(45015, "response out of time limit"));
    }
    let service = format!(
        "[[service]]\nname = \"bot\"\nurl = \"{}\"\nformat = \"json\"\n",
        receiver.url("")
    );
    let rules = "[[rule]]\nmessage = \"text\"\nequals = \"and?\"\nsilent = true\n";
    let setup = Setup::new().rules(&format!("{rules}{FORWARD_ALL}{service}"));
    // Where it listens is the same after every start.
    let socket = format!("\"unix:{}/socket\"", setup.folder().display());
    let setup = setup.set("server.listen", &socket);
    let mut account = setup.platform(&platform).start();
    let (address, log) = (account.address().clone(), account.log().clone());
    let over = AtomicBool::new(false);
    let write = |mut numbers: Numbers| {
        let fan = another_fan();
        let mut all = Vec::new();
        let patience = Patience {
            deliveries: 3,
            drop_after: millis(600),
        };
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(millis(numbers.below(200)));
            let content = format!("{fan} {}", all.len());
            let push = text(&content).from(&fan);
            let next = || (push.request("/wechat", TOKEN), http::Answer::clone);
            let phone = deliver(&address, patience, &log, next);
            all.push(Written {
                fan: fan.clone(),
                content,
                phone,
            });
        }
        all
    };
    let written: Vec<Written> = std::thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (1..=20)
            .map(|n| scope.spawn(move || write(Numbers(seed * 100 + n))))
            .collect();
        let mut numbers = Numbers(seed);
        for _ in 0..KILLS {
            std::thread::sleep(millis(150 + numbers.below(700)));
            account.kill();
            // As if the platform had stopped delivering them long before.
            if numbers.below(3) > 0 {
                change(&account.store_path(), GIVEN_UP);
            }
            account.begin();
        }
        std::thread::sleep(millis(300));
        over.store(true, Ordering::Relaxed);
        let all = writers.into_iter().map(|writer| writer.join().unwrap());
        all.flatten().collect()
    });
    // What waits for further deliveries goes on at once.
    account.kill();
    change(&account.store_path(), GIVEN_UP);
    account.begin();
    let open = "messages JOIN forwards ON message_id = messages.id WHERE pending OR state IN ('asked', 'sending')";
    eventually("the end of every push", account.log(), || {
        account.store().count(open) == 0
    });
    let mut shown: HashMap<String, usize> = HashMap::new();
    let mut show = |what: &str| *shown.entry(what.to_owned()).or_default() += 1;
    for Written { phone, .. } in &written {
        phone.shown().into_iter().for_each(&mut show);
    }
    // Every second one was refused.
    let taken = messages(&platform);
    taken.iter().step_by(2).for_each(|what| show(what));
    let fans: BTreeSet<&String> = written.iter().map(|one| &one.fan).collect();
    for fan in fans {
        loop {
            let answer = account.post(&text("and?").from(fan));
            match answer.body().as_str() {
                "success" => break,
                _ => show(&answer.reply().content),
            }
        }
    }
    let mut lost = 0;
    for one in &written {
        let count = shown.get(&one.answer()).copied().unwrap_or(0);
        let is_as_it_should = count == 1 || count == 0 && may_be_lost(&account, &written, one);
        let Written { content, phone, .. } = one;
        assert!(
            is_as_it_should,
            "seed {seed}: the answer to {content} was shown {count} times: {phone:?}\n{}\n{}",
            account.store().dump(),
            account.log()
        );
        lost += 1 - count;
    }
    let all = written.len();
    assert!(all > 60 && lost * 5 < all, "seed {seed}: {lost} of {all}");
    let late = account
        .store()
        .count("forwards WHERE state IN ('sent', 'shown')");
    eprintln!(
        "{all} answers over {KILLS} kills, {late} of them late, {lost} left with the last delivery"
    );
    account.store().is("PRAGMA integrity_check", &["ok"]);
}

/// The answer to this push left with the last delivery that the platform made, or nobody knows.
fn may_be_lost(account: &Account, written: &[Written], one: &Written) -> bool {
    let content = &one.content;
    let state =
        "SELECT state FROM forwards JOIN messages ON messages.id = message_id WHERE content =";
    let state = account.store().rows(&format!("{state} '{content}'"));
    match state.first().map(String::as_str) {
        None | Some("answered") => one.is_cut(),
        Some("unknown") => true,
        Some("shown") => {
            let answer = one.answer();
            let with = "SELECT content FROM messages WHERE instr(reply,";
            let with = account.store().rows(&format!("{with} '{answer}')"));
            let carrier = |one: &&Written| with.contains(&one.content);
            written.iter().find(carrier).is_some_and(Written::is_cut)
        }
        Some(_) => false,
    }
}
