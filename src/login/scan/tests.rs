//! The life of a log-in by code, with times as arguments.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::login::cookie::Flow;

const WORD: &str = "登录";
const AMY: &str = "oAmy";
const BEN: &str = "oBen";

/// Log-ins, a browser, and a clock.
struct Pages {
    scans: Scans,
    flow: FlowDigest,
    now: Instant,
}

/// A request that waits; how it was answered comes out at the other end.
struct Waits(Sender<Stand>);

impl Waiting for Waits {
    fn is_awaited(&self) -> bool {
        true
    }

    fn answer(self: Box<Self>, stand: Stand) {
        self.0.send(stand).ok();
    }
}

fn pages() -> Pages {
    Pages {
        scans: Scans::default(),
        flow: a_flow(),
        now: Instant::now(),
    }
}

fn a_flow() -> FlowDigest {
    Flow::random().unwrap().digest()
}

fn push(openid: &str, elements: &str) -> Push {
    let xml = format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>{openid}</FromUserName><CreateTime>1</CreateTime>{elements}</xml>"
    );
    Push::parse(xml.as_bytes()).unwrap()
}

fn text(openid: &str, text: &str) -> Push {
    let content = format!("<MsgType>text</MsgType><Content>{text}</Content><MsgId>1</MsgId>");
    push(openid, &content)
}

fn scan(openid: &str, id: &str) -> Push {
    let key = format!("<EventKey>{}</EventKey>", scene(id));
    push(
        openid,
        &format!("<MsgType>event</MsgType><Event>SCAN</Event>{key}"),
    )
}

impl Pages {
    fn new_log_in(&self, host: u8) -> NewLogIn {
        NewLogIn {
            flow: self.flow,
            network: Some([192, 0, 2, host].into()),
            page: Page::new("example.com", "Firefox/1 Windows", "192.0.2.1"),
            to: ReturnTo::home(),
        }
    }

    fn begin(&self) -> Begun {
        self.scans.begin(self.new_log_in(1), self.now).unwrap()
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// A push that is recorded; its answer, if a log-in takes it.
    fn says(&self, push: &Push) -> Option<String> {
        let (step, text) = self.scans.consider(push, WORD, self.now)?;
        self.scans.commit(step, self.now);
        text
    }

    fn stand(&self, id: &str) -> Option<Stand> {
        let found = self.scans.stand(id, self.flow, self.now).unwrap();
        found.map(|(stand, _)| stand)
    }

    /// The number that the page shows, and another that the chat offers.
    fn numbers(&self, id: &str) -> (u8, u8) {
        let state = self.scans.lock();
        let log_in = &state.log_ins[id];
        let others = log_in.numbers.iter().find(|one| **one != log_in.right);
        (log_in.right, *others.unwrap())
    }

    fn take(&self, id: &str) -> Taken {
        self.scans.take(id, self.flow, self.now).unwrap()
    }

    fn waits(&self, id: &str, known: Stand) -> Receiver<Stand> {
        let (sender, answers) = channel();
        self.scans
            .wait(id, known, Box::new(Waits(sender)), self.now);
        answers
    }
}

#[test]
fn who_scans_and_chooses_the_number_of_the_page_is_logged_in_once() {
    let pages = pages();
    let Begun { id, code, .. } = pages.begin();
    assert_eq!((id.len(), code.len()), (22, 6));
    assert_eq!(pages.stand(&id), Some(Stand::Waiting));
    assert_eq!(pages.take(&id), Taken::NotApproved);
    let offer = pages.says(&scan(AMY, &id)).unwrap();
    let (right, _) = pages.numbers(&id);
    assert!(
        offer.contains(&format!("msgmenucontent={right}&")),
        "{offer}"
    );
    assert!(offer.contains("example.com") && offer.contains("192.0.2.1"));
    assert_eq!(pages.stand(&id), Some(Stand::Scanned(right)));
    assert_eq!(pages.take(&id), Taken::NotApproved);
    assert!(pages.says(&text(AMY, &right.to_string())).is_some());
    assert_eq!(pages.stand(&id), Some(Stand::Approved));
    let person = Taken::Person {
        openid: AMY.to_owned(),
        to: ReturnTo::home(),
        row: None,
    };
    assert_eq!(pages.take(&id), person);
    assert_eq!(pages.take(&id), Taken::NotApproved);
    pages.scans.give_back(&id);
    assert_eq!(pages.take(&id), person);
    // It is over: the number is a text as any other.
    assert_eq!(pages.says(&text(AMY, &right.to_string())), None);
}

#[test]
fn a_typed_code_does_what_a_scan_does() {
    let pages = pages();
    let Begun { id, code, .. } = pages.begin();
    assert_eq!(pages.says(&text(AMY, &code)), None);
    assert!(pages.says(&text(AMY, &format!("登录 {code}"))).is_some());
    assert!(matches!(pages.stand(&id), Some(Stand::Scanned(_))));
}

#[test]
fn another_number_denies_and_any_other_text_changes_nothing() {
    let pages = pages();
    let id = pages.begin().id;
    let (right, wrong) = pages.numbers(&id);
    assert_eq!(pages.says(&text(AMY, &right.to_string())), None);
    pages.says(&scan(AMY, &id)).unwrap();
    for other in ["hello", "9", "100"] {
        assert_eq!(pages.says(&text(AMY, other)), None);
    }
    assert_eq!(pages.says(&text(BEN, &right.to_string())), None);
    assert_eq!(pages.stand(&id), Some(Stand::Scanned(right)));
    assert!(pages.says(&text(AMY, &wrong.to_string())).is_some());
    assert_eq!(pages.stand(&id), Some(Stand::Denied));
    assert_eq!(pages.says(&text(AMY, &right.to_string())), None);
    assert_eq!(pages.take(&id), Taken::NotApproved);
}

#[test]
fn a_code_belongs_to_whoever_scans_it_first() {
    let pages = pages();
    let Begun { id, code, .. } = pages.begin();
    let offer = pages.says(&scan(AMY, &id));
    for second in [scan(BEN, &id), text(BEN, &format!("登录{code}"))] {
        assert_eq!(pages.says(&second).as_deref(), Some(texts::TAKEN));
    }
    // The first may scan it again.
    assert_eq!(pages.says(&scan(AMY, &id)), offer);
    let (right, _) = pages.numbers(&id);
    pages.says(&text(AMY, &right.to_string()));
    for late in [AMY, BEN] {
        assert_eq!(pages.says(&scan(late, &id)).as_deref(), Some(texts::TAKEN));
    }
    assert!(matches!(pages.take(&id), Taken::Person { openid, .. } if openid == AMY));
}

#[test]
fn nothing_changes_before_the_push_is_recorded_and_then_only_if_nothing_came_between() {
    let pages = pages();
    let id = pages.begin().id;
    let consider = |push: &Push| pages.scans.consider(push, WORD, pages.now).unwrap();
    let (amy, _) = consider(&scan(AMY, &id));
    let (ben, _) = consider(&scan(BEN, &id));
    assert_eq!(pages.stand(&id), Some(Stand::Waiting));
    pages.scans.commit(ben, pages.now);
    pages.scans.commit(amy, pages.now);
    let (right, wrong) = pages.numbers(&id);
    assert_eq!(pages.says(&text(AMY, &right.to_string())), None);
    let (approve, _) = consider(&text(BEN, &right.to_string()));
    let (deny, _) = consider(&text(BEN, &wrong.to_string()));
    pages.scans.commit(deny, pages.now);
    pages.scans.commit(approve, pages.now);
    assert_eq!(pages.stand(&id), Some(Stand::Denied));
}

#[test]
fn after_three_wrong_codes_within_ten_minutes_none_is_tried_for_ten() {
    let mut pages = pages();
    pages.begin();
    let codes = |pages: &Pages| -> Vec<String> {
        let state = pages.scans.lock();
        state
            .log_ins
            .values()
            .map(|one| format!("{:06}", one.code))
            .collect()
    };
    let tries = |pages: &Pages, openid: &str, wrong: bool| {
        let known = codes(pages);
        let unknown = (0..)
            .map(|n| format!("{n:06}"))
            .find(|code| !known.contains(code));
        let code = if wrong {
            unknown.unwrap()
        } else {
            known[0].clone()
        };
        pages
            .scans
            .consider(&text(openid, &format!("登录 {code}")), WORD, pages.now)
            .map(|(step, text)| {
                pages.scans.commit(step, pages.now);
                text.is_some()
            })
    };
    // None: not tried. Some(false): wrong, and for the rules.
    assert_eq!(tries(&pages, AMY, true), Some(false));
    pages.later(599);
    pages.begin();
    assert_eq!(tries(&pages, AMY, true), Some(false));
    pages.later(2);
    assert_eq!(tries(&pages, AMY, true), Some(false));
    // The first was more than ten minutes ago.
    assert_eq!(tries(&pages, AMY, true), Some(false));
    assert_eq!(tries(&pages, AMY, false), None);
    assert_eq!(tries(&pages, BEN, false), Some(true));
    pages.later(599);
    pages.begin();
    assert_eq!(tries(&pages, AMY, false), None);
    pages.later(1);
    assert_eq!(tries(&pages, AMY, true), Some(false));
}

#[test]
fn a_log_in_lives_three_minutes_and_one_that_was_approved_long_enough_to_be_completed() {
    let mut pages = pages();
    let (slow, late) = (pages.begin().id, pages.begin().id);
    pages.later(179);
    pages.says(&scan(AMY, &late)).unwrap();
    let (right, _) = pages.numbers(&late);
    pages.says(&text(AMY, &right.to_string())).unwrap();
    pages.later(1);
    assert_eq!(pages.stand(&slow), Some(Stand::Expired));
    assert_eq!(pages.says(&scan(BEN, &slow)), None);
    assert_eq!(pages.stand(&late), Some(Stand::Approved));
    pages.later(29);
    assert_eq!(pages.take(&late), Taken::NotApproved);
    pages.later(60);
    pages.begin();
    assert_eq!(pages.stand(&slow), None);
}

#[test]
fn only_the_browser_that_began_it_learns_of_it() {
    let pages = pages();
    let id = pages.begin().id;
    let other = a_flow();
    assert_eq!(pages.scans.stand(&id, other, pages.now), Ok(None));
    assert_eq!(pages.scans.take(&id, other, pages.now), Ok(Taken::Unknown));
    assert_eq!(pages.stand("unknown"), None);
    assert_eq!(pages.take("unknown"), Taken::Unknown);
}

#[test]
fn who_waits_is_answered_when_it_changes() {
    let pages = pages();
    let id = pages.begin().id;
    let (first, second) = (
        pages.waits(&id, Stand::Waiting),
        pages.waits(&id, Stand::Waiting),
    );
    assert!(first.try_recv().is_err());
    pages.says(&scan(AMY, &id)).unwrap();
    let (right, _) = pages.numbers(&id);
    let scanned = Stand::Scanned(right);
    assert_eq!(
        (first.try_recv(), second.try_recv()),
        (Ok(scanned), Ok(scanned))
    );
    assert_eq!(pages.waits(&id, Stand::Waiting).try_recv(), Ok(scanned));
    let last = pages.waits(&id, scanned);
    // A scan again changes nothing.
    pages.says(&scan(AMY, &id)).unwrap();
    assert!(last.try_recv().is_err());
    let leaves = |openid| push(openid, "<MsgType>event</MsgType><Event>unsubscribe</Event>");
    pages.says(&leaves(BEN));
    assert!(last.try_recv().is_err());
    assert_eq!(pages.says(&leaves(AMY)), None);
    assert_eq!(last.try_recv(), Ok(Stand::Denied));
    assert_eq!(
        pages.waits("unknown", Stand::Waiting).try_recv(),
        Ok(Stand::Expired)
    );
    // However many a browser has.
    let id = pages.begin().id;
    let many: Vec<_> = (0..10).map(|_| pages.waits(&id, Stand::Waiting)).collect();
    let answered = many
        .iter()
        .filter(|one| one.try_recv() == Ok(Stand::Waiting));
    assert_eq!(answered.count(), 10 - MOST_WAITING);
}

#[test]
fn who_leaves_while_the_session_begins_is_not_logged_in() {
    let pages = pages();
    let id = pages.begin().id;
    pages.says(&scan(AMY, &id)).unwrap();
    let (right, _) = pages.numbers(&id);
    pages.says(&text(AMY, &right.to_string())).unwrap();
    assert!(matches!(pages.take(&id), Taken::Person { .. }));
    let leaves = |openid| push(openid, "<MsgType>event</MsgType><Event>unsubscribe</Event>");
    pages.says(&leaves(BEN));
    assert!(pages.scans.still_counts(&id));
    pages.says(&leaves(AMY));
    assert!(!pages.scans.still_counts(&id));
    assert_eq!(pages.take(&id), Taken::NotApproved);
}

#[test]
fn of_two_numbers_at_the_same_time_the_wrong_one_counts() {
    for right_comes_first in [true, false] {
        let pages = pages();
        let id = pages.begin().id;
        pages.says(&scan(AMY, &id)).unwrap();
        let (right, wrong) = pages.numbers(&id);
        let consider = |number: u8| {
            let push = text(AMY, &number.to_string());
            pages.scans.consider(&push, WORD, pages.now).unwrap().0
        };
        let (approve, deny) = (consider(right), consider(wrong));
        let (first, second) = match right_comes_first {
            true => (approve, deny),
            false => (deny, approve),
        };
        pages.scans.commit(first, pages.now);
        pages.scans.commit(second, pages.now);
        assert_eq!(pages.stand(&id), Some(Stand::Denied));
        assert_eq!(pages.take(&id), Taken::NotApproved);
    }
}

#[test]
fn an_address_has_five_at_a_time_and_a_page_that_is_loaded_again_replaces_its_own() {
    let mut pages = pages();
    let first = pages.begin().id;
    let waits = pages.waits(&first, Stand::Waiting);
    for _ in 1..MOST_OF_ONE {
        pages.later(1);
        pages.begin();
    }
    let mut other = pages.new_log_in(1);
    other.flow = a_flow();
    let refused = pages.scans.begin(other, pages.now);
    assert_eq!(refused, Err(NotBegun::TooManyHere));
    assert!(pages.scans.begin(pages.new_log_in(2), pages.now).is_ok());
    pages.begin();
    assert_eq!(waits.try_recv(), Ok(Stand::Expired));
    assert_eq!(pages.stand(&first), None);
}

#[test]
fn a_thousand_are_under_way_at_most_and_those_that_are_over_make_room() {
    let mut pages = pages();
    let begin = |pages: &Pages, host: u16| {
        let [a, b] = host.to_be_bytes();
        let network = Some([10, 0, a, b].into());
        let new = NewLogIn {
            network,
            ..pages.new_log_in(1)
        };
        pages.scans.begin(new, pages.now)
    };
    for host in 0..1_000 {
        begin(&pages, host).unwrap();
    }
    assert_eq!(begin(&pages, 1_000), Err(NotBegun::Full));
    pages.later(180);
    assert!(begin(&pages, 1_000).is_ok());
    let codes: std::collections::HashSet<u32> = pages
        .scans
        .lock()
        .log_ins
        .values()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes.len(), 1);
}

#[test]
fn sixty_qr_codes_a_minute_are_asked_for_and_none_for_a_while_after_a_failure() {
    let mut pages = pages();
    let asked = |pages: &Pages| {
        (0..1_000)
            .filter(|_| pages.scans.qr_codes.may_ask(pages.now))
            .count()
    };
    assert_eq!(asked(&pages), 60);
    pages.later(59);
    assert_eq!(asked(&pages), 0);
    pages.later(1);
    pages.scans.qr_codes.pause(pages.now);
    pages.later(14);
    assert_eq!(asked(&pages), 0);
    pages.later(1);
    assert_eq!(asked(&pages), 60);
}

#[test]
fn one_person_with_two_pages_approves_the_one_whose_number_it_is() {
    let pages = pages();
    let ids = [pages.begin().id, pages.begin().id];
    for id in &ids {
        pages.says(&scan(AMY, id)).unwrap();
    }
    {
        let mut state = pages.scans.lock();
        for (id, right) in ids.iter().zip([20, 30]) {
            let log_in = state.log_ins.get_mut(id).unwrap();
            (log_in.numbers, log_in.right) = ([20, 30, 40], right);
        }
    }
    pages.says(&text(AMY, "20")).unwrap();
    assert_eq!(pages.stand(&ids[0]), Some(Stand::Approved));
    assert_eq!(pages.stand(&ids[1]), Some(Stand::Scanned(30)));
}
