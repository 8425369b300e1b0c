//! Requests that are held longer than the usual time, and those that end without an answer.

use super::*;

const LATER: &str = "GET /later HTTP/1.1\r\n\r\n";

/// The usual time is short, but long enough to hold a request before it is over.
fn short() -> Limits {
    Limits {
        answer_timeout: 2 * SHORT,
        ..unhurried()
    }
}

impl Site {
    /// A client whose request is held.
    #[track_caller]
    fn held(&self) -> (Client, Deferred) {
        let mut client = self.client();
        client.send(LATER);
        let request = self.next_request();
        assert!(request.hold());
        (client, request)
    }

    /// Waits until the usual time of all requests inside is over: that of one more is, which is not held.
    #[track_caller]
    fn usual_time_passes(&self) {
        let mut client = self.client();
        client.send(LATER);
        let _late = self.next_request();
        client.is_refused(503);
        assert_eq!(self.reported.recv(), Ok(Reported::Late));
    }

    /// Nothing more was reported, and this many were answered 503 because no handler answered.
    #[track_caller]
    fn has_unanswered(&self, unanswered: u64) {
        assert!(self.reported.try_recv().is_err());
        assert_eq!(self.count(|counters| &counters.unanswered), unanswered);
    }
}

#[test]
fn a_request_that_is_held_is_answered_after_the_usual_time() {
    let site = Site::new(short());
    let (mut client, request) = site.held();
    site.usual_time_passes();
    assert!(request.is_awaited());
    assert!(request.answer(Response::text(200, "at last")));
    let answer = client.answer();
    assert_eq!((answer.body.as_str(), answer.closes()), ("at last", false));
    // Only the one that was not held.
    site.has_unanswered(1);
    // The usual time counts for the next request of the connection.
    client.send(LATER);
    let _late = site.next_request();
    client.is_refused(503);
}

#[test]
fn a_request_that_is_held_for_too_long_ends_without_an_answer() {
    let site = Site::new(Limits {
        held_timeout: 3 * SHORT,
        ..short()
    });
    let begun = Instant::now();
    let (mut client, request) = site.held();
    client.is_closed();
    assert!(begun.elapsed() >= 3 * SHORT, "{:?}", begun.elapsed());
    assert!(!request.is_awaited());
    assert!(!request.answer(Response::text(200, "to nobody")));
    site.await_count(|counters| &counters.open, 0);
    site.has_unanswered(0);
}

#[test]
fn whoever_hangs_up_ends_the_connection_without_an_answer() {
    let site = Site::with(short(), 1, &"127.0.0.1:0".parse().unwrap(), &[]);
    let at_once = |_: &Site| {};
    let watched = |site: &Site| site.await_count(|counters| &counters.waiting, 1);
    let held = |site: &Site| site.usual_time_passes();
    for (ended, when) in [&at_once as &dyn Fn(&Site), &watched, &held]
        .into_iter()
        .enumerate()
    {
        let mut client = site.client();
        client.send(push("/later", &"x".repeat(100_000)) + "GET /lost HTTP/1.1\r\n\r\n");
        let request = site.next_request();
        assert!(request.hold());
        when(&site);
        request.hang_up();
        client.is_closed();
        site.await_count(|counters| &counters.open, 0);
        // The lane is as it was.
        site.serves();
        // Only the one that was not held.
        site.has_unanswered(u64::from(ended == 2));
    }
    assert_eq!(site.count(|counters| &counters.hung_up), 0);
}

#[test]
fn to_hang_up_needs_no_holding() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send(LATER);
    site.next_request().hang_up();
    client.is_closed();
    site.has_unanswered(0);
}

#[test]
fn a_client_that_hangs_up_while_it_is_held_frees_its_place_within_a_second() {
    let site = Site::new(Limits {
        max_waiting: 1,
        ..short()
    });
    let close = |client: Client| drop(client);
    let reset = |client: Client| client.reset();
    for (gone_before, leave) in (0..).zip([&close as &dyn Fn(Client), &reset]) {
        let (client, request) = site.held();
        site.usual_time_passes();
        leave(client);
        let begun = Instant::now();
        site.await_count(|counters| &counters.open, 0);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(site.count(|counters| &counters.hung_up), gone_before + 1);
        assert!(!request.is_awaited() && !request.hold());
        assert!(!request.answer(Response::text(200, "to nobody")));
    }
    let (_client, request) = site.held();
    assert!(request.is_awaited());
}

#[test]
fn requests_that_are_held_count_among_those_that_wait() {
    let site = Site::new(Limits {
        max_waiting: 2,
        ..short()
    });
    let [(mut first, one), (mut second, other)] = [site.held(), site.held()];
    site.usual_time_passes();
    site.await_count(|counters| &counters.waiting, 2);
    let mut third = site.client();
    third.send(LATER);
    let refused = site.next_request();
    assert!(!refused.hold() && !refused.wait());
    drop(refused);
    third.is_refused(503);
    one.hang_up();
    first.is_closed();
    let (_client, _request) = site.held();
    assert!(other.answer(Response::text(200, "kept")));
    assert_eq!(second.answer().body, "kept");
}

#[test]
fn a_held_request_that_is_dropped_gets_503() {
    let site = Site::new(short());
    let (mut client, request) = site.held();
    drop(request);
    client.is_refused(503);
    site.has_unanswered(1);
    let (mut client, request) = site.held();
    site.usual_time_passes();
    drop(request);
    client.is_refused(503);
    site.has_unanswered(3);
}

#[test]
fn a_request_that_is_held_never_makes_room() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..short()
    });
    let (mut client, request) = site.held();
    site.usual_time_passes();
    let mut idle = site.client();
    site.await_count(|counters| &counters.open, 2);
    site.serves();
    idle.is_closed();
    assert!(request.answer(Response::text(200, "kept")));
    assert_eq!(client.answer().body, "kept");
}

#[test]
fn a_poll_is_answered_at_its_time_or_when_another_request_needs_its_place_or_by_a_stop() {
    let site = Site::new(Limits {
        max_waiting: 1,
        ..short()
    });
    let poll = |until: Duration| {
        let mut client = site.client();
        client.send(LATER);
        let request = site.next_request();
        let answer = Response::text(200, "unchanged");
        assert!(request.hold_until(Instant::now() + until, answer));
        (client, request)
    };
    let begun = Instant::now();
    let (mut client, request) = poll(3 * SHORT);
    let answer = client.answer();
    assert_eq!(
        (answer.body.as_str(), answer.closes()),
        ("unchanged", false)
    );
    let took = begun.elapsed();
    assert!((3 * SHORT..PATIENCE / 2).contains(&took), "{took:?}");
    assert!(!request.is_awaited());
    let (mut client, _request) = poll(PATIENCE);
    let (mut held, request) = site.held();
    assert_eq!(client.answer().body, "unchanged");
    assert!(request.answer(Response::text(200, "kept")));
    assert_eq!(held.answer().body, "kept");
    let (mut client, _request) = poll(PATIENCE);
    let begun = Instant::now();
    assert_eq!(site.guard.stop(PATIENCE), 0);
    assert_eq!(client.answer().body, "unchanged");
    assert!(begun.elapsed() < PATIENCE / 2);
    site.has_unanswered(0);
}

#[test]
fn a_stop_still_answers_what_is_held_or_lets_it_be_delivered_again() {
    let site = Site::new(short());
    let [(mut late, _late), (mut answered, request)] = [site.held(), site.held()];
    site.usual_time_passes();
    let (mut young, _young) = site.held();
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| site.guard.stop(2 * SHORT));
        assert!(request.answer(Response::text(200, "last")));
        assert_eq!(answered.answer().body, "last");
        // A 503 would be shown to a follower.
        late.is_closed();
        young.is_closed();
        assert_eq!(stopping.join().unwrap(), 0);
    });
    site.has_unanswered(1);
}
