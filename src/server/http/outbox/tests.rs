//! Answers by ticket: once, in any order, later, or never.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// An outbox, and how often it has woken the guard.
fn outbox() -> (Arc<Outbox>, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    (Arc::new(Outbox::new(wake)), woken)
}

/// What was given, by slot.
fn collected(outbox: &Outbox) -> Vec<(usize, Option<u16>)> {
    let mut given = Vec::new();
    outbox.collect(Collect::Released, &mut given);
    given
        .into_iter()
        .map(|(ticket, given)| match given {
            Given::Answer(response) => (ticket.slot, Some(response.status)),
            Given::HangUp | Given::Nothing => (ticket.slot, None),
        })
        .collect()
}

#[test]
fn several_answers_cost_one_wake_up() {
    let (outbox, woken) = outbox();
    let [first, second, third] = [0, 1, 2].map(|slot| Deferred::new(outbox.open(slot), &outbox));
    assert!(second.answer(Response::text(403, "")));
    assert!(first.answer(Response::text(200, "")));
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert!(!outbox.rest(), "there is something to collect");
    assert_eq!(collected(&outbox), [(1, Some(403)), (0, Some(200))]);
    assert!(outbox.rest());
    assert!(third.answer(Response::text(404, "")));
    assert_eq!(woken.load(Ordering::Relaxed), 2);
    assert_eq!(collected(&outbox), [(2, Some(404))]);
}

#[test]
fn what_is_answered_together_leaves_together() {
    let (outbox, woken) = outbox();
    let all = [0, 1].map(|slot| Deferred::new(outbox.open(slot), &outbox));
    for deferred in all {
        assert!(deferred.answer_together(Response::text(200, "")).is_some());
    }
    assert_eq!(collected(&outbox), []);
    outbox.release();
    assert_eq!(collected(&outbox), [(0, Some(200)), (1, Some(200))]);
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    // The guard can collect early what is held back.
    let ticket = outbox.open(2);
    Deferred::new(ticket, &outbox).answer_together(Response::text(200, ""));
    assert!(!outbox.cancel(ticket));
    let mut given = Vec::new();
    outbox.collect(Collect::All, &mut given);
    assert_eq!(given.len(), 1);
}

#[test]
fn a_request_that_is_dropped_is_given_up() {
    let (outbox, _) = outbox();
    drop(Deferred::new(outbox.open(7), &outbox));
    assert_eq!(collected(&outbox), [(7, None)]);
}

#[test]
fn an_answer_that_nobody_awaits_is_thrown_away_and_its_handler_knows() {
    let (outbox, woken) = outbox();
    let ticket = outbox.open(3);
    let deferred = Deferred::new(ticket, &outbox);
    assert!(deferred.is_awaited());
    assert!(outbox.cancel(ticket));
    assert!(!deferred.is_awaited());
    assert!(!deferred.answer(Response::text(200, "late")));
    assert_eq!(
        (collected(&outbox).len(), woken.load(Ordering::Relaxed)),
        (0, 0)
    );
}

#[test]
fn an_answer_does_not_reach_the_next_request_of_its_slot() {
    let (outbox, _) = outbox();
    let old = Deferred::new(outbox.open(0), &outbox);
    let new = Deferred::new(outbox.open(0), &outbox);
    assert!(!old.answer(Response::text(200, "old")));
    assert!(new.answer(Response::text(200, "new")));
    assert_eq!(collected(&outbox), [(0, Some(200))]);
}

#[test]
fn of_an_answer_and_the_end_of_its_time_exactly_one_wins() {
    let (outbox, _) = outbox();
    let tickets: Vec<Ticket> = (0..1_000).map(|slot| outbox.open(slot)).collect();
    let (mut delivered, mut cancelled) = (0, 0);
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| {
            let deferred = tickets.iter().map(|ticket| Deferred::new(*ticket, &outbox));
            deferred
                .filter_map(|deferred| deferred.answer(Response::text(200, "")).then_some(()))
                .count()
        });
        cancelled = tickets
            .iter()
            .filter(|ticket| outbox.cancel(**ticket))
            .count();
        delivered = answers.join().unwrap();
    });
    assert_eq!(delivered + cancelled, 1_000);
    assert_eq!(collected(&outbox).len(), delivered);
}

#[test]
fn only_so_many_requests_may_wait_for_something_other_than_the_store() {
    let (outbox, _) = outbox();
    outbox.set_max_waiting(2);
    let [first, second, third] = [0, 1, 2].map(|slot| Deferred::new(outbox.open(slot), &outbox));
    assert!(first.wait() && second.wait());
    assert!(!third.wait());
    assert!(first.wait(), "it has its place already");
    drop(second);
    assert!(third.wait());
    outbox.cancel(first.ticket);
    assert!(!first.wait(), "its client has gone");
    let fourth = Deferred::new(outbox.open(0), &outbox);
    assert!(fourth.wait());
}

#[test]
fn a_request_that_is_held_has_one_place_among_those_that_wait() {
    let (outbox, _) = outbox();
    outbox.set_max_waiting(2);
    let [waits, held, late] = [0, 1, 2].map(|slot| Deferred::new(outbox.open(slot), &outbox));
    assert!(waits.wait() && held.hold());
    assert!(!late.hold() && !outbox.is_held(late.ticket));
    assert!(waits.hold(), "it has its place already");
    assert!(held.wait() && held.hold());
    for deferred in [&waits, &held] {
        assert!(outbox.is_held(deferred.ticket));
    }
    let ticket = held.ticket;
    held.hang_up();
    assert!(!outbox.is_held(ticket));
    assert!(late.hold());
    outbox.cancel(late.ticket);
    assert!(!late.hold(), "its client has gone");
    assert!(outbox.open(0) != waits.ticket && !waits.hold());
    assert!(
        Deferred::new(outbox.open(4), &outbox).hold(),
        "its place is free"
    );
}

#[test]
fn a_request_that_is_held_until_a_time_is_answered_then() {
    let (outbox, woken) = outbox();
    outbox.set_max_waiting(9);
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let polls = [25, 10, 20].map(|seconds| {
        let deferred = Deferred::new(outbox.open(seconds as usize), &outbox);
        let unchanged = Response::text(200, "unchanged");
        assert!(deferred.hold_until(at(seconds), unchanged));
        assert!(outbox.is_held(deferred.ticket));
        deferred
    });
    assert_eq!(
        woken.load(Ordering::Relaxed),
        1,
        "the guard learns the time"
    );
    assert_eq!(outbox.next_end(), Some(at(10)));
    outbox.end_polls(Some(at(9)));
    assert_eq!(collected(&outbox), []);
    outbox.end_polls(Some(at(20)));
    assert_eq!(collected(&outbox), [(10, Some(200)), (20, Some(200))]);
    let [last, ended, _] = polls;
    assert!(!ended.is_awaited() && !ended.answer(Response::text(200, "changed")));
    assert!(last.answer(Response::text(201, "changed")));
    assert_eq!(collected(&outbox), [(25, Some(201))]);
    assert_eq!(outbox.next_end(), None);
    // One whose client goes is forgotten, and a stop ends all.
    let [gone, stopped] = [1, 2].map(|slot| Deferred::new(outbox.open(slot), &outbox));
    for deferred in [&gone, &stopped] {
        assert!(deferred.hold_until(at(25), Response::text(200, "unchanged")));
    }
    outbox.cancel(gone.ticket);
    outbox.end_polls(None);
    assert_eq!(collected(&outbox), [(2, Some(200))]);
}

#[test]
fn where_no_place_is_left_the_oldest_poll_makes_room_and_nothing_else_does() {
    let (outbox, woken) = outbox();
    outbox.set_max_waiting(3);
    let until = |seconds| Instant::now() + Duration::from_secs(seconds);
    let new = |slot| Deferred::new(outbox.open(slot), &outbox);
    let unchanged = || Response::text(200, "unchanged");
    let (held, old, young) = (new(0), new(1), new(2));
    assert!(held.hold());
    assert!(old.hold_until(until(20), unchanged()) && young.hold_until(until(25), unchanged()));
    assert!(outbox.rest());
    let pushes = [3, 4].map(new);
    assert!(pushes[0].wait());
    assert_eq!(woken.load(Ordering::Relaxed), 2);
    assert_eq!(collected(&outbox), [(1, Some(200))]);
    // A poll makes room for another, too.
    let poll = new(5);
    assert!(poll.hold_until(until(25), unchanged()));
    assert_eq!(collected(&outbox), [(2, Some(200))]);
    assert!(pushes[1].hold());
    assert_eq!(collected(&outbox), [(5, Some(200))]);
    assert!(!new(6).wait() && !new(7).hold_until(until(25), unchanged()));
    assert!(held.is_awaited() && pushes.iter().all(Deferred::is_awaited));
}

#[test]
fn a_ticket_comes_back_from_its_text() {
    let (outbox, _) = outbox();
    let ticket = outbox.open(12);
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
    for text in ["", "1", ".", "1.", "x.1", "1.-1"] {
        assert_eq!(text.parse::<Ticket>(), Err(()), "{text}");
    }
}
