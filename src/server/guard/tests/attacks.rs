//! What hostile and broken clients do. Each kind once brought a bare `tiny_http` down or made it hang.

use proptest::prelude::*;

use super::*;
use crate::server::guard::connection::Connection;
use crate::server::guard::stream::Stream;

#[test]
fn a_huge_content_length_gets_413_and_costs_nothing() {
    let site = Site::new(unhurried());
    for digits in ["100000000000000000000", "4000000000000000000", "1048577"] {
        let mut client = site.client();
        client.send(format!(
            "POST /unread HTTP/1.1\r\nContent-Length: {digits}\r\n\r\n"
        ));
        client.is_refused(413);
    }
    site.await_count(|counters| &counters.buffered, 0);
    site.serves();
}

#[test]
fn content_lengths_that_are_no_numbers_get_400() {
    let site = Site::new(unhurried());
    for value in ["-1", "0x10", "+5"] {
        let mut client = site.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n"
        ));
        client.is_refused(400);
    }
    site.serves();
}

#[test]
fn stalled_and_trickling_bodies_get_408_and_block_nobody() {
    let site = Site::new(unhurried());
    let mut stalled = site.clients(50);
    for client in &mut stalled {
        client.send("POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n<xml>");
    }
    for _ in 0..20 {
        site.serves();
    }
    let mut trickling = site.client();
    trickling.send("POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n");
    site.guard.set_limits(hurried());
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && trickling.socket.write(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        if site.count(|counters| &counters.timed_out) == 51 {
            break;
        }
    }
    for mut client in stalled {
        client.is_refused(408);
    }
    trickling.is_refused(408);
    site.guard.set_limits(unhurried());
    site.serves();
}

#[test]
fn idle_connections_are_closed_silently_at_the_deadline() {
    let site = Site::new(hurried());
    let idle = site.clients(400);
    for mut client in idle {
        client.is_closed();
    }
    site.await_count(|counters| &counters.open, 0);
    site.guard.set_limits(unhurried());
    site.serves();
}

#[test]
fn slow_headers_get_408_at_the_deadline() {
    let site = Site::new(unhurried());
    let mut slow = site.clients(100);
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\nX: ");
    }
    site.guard.set_limits(hurried());
    for mut client in slow {
        client.is_refused(408);
    }
    site.guard.set_limits(unhurried());
    site.serves();
}

#[test]
fn a_head_that_comes_byte_by_byte_is_rarely_copied() {
    let (stream, _client) = mio::net::UnixStream::pair().unwrap();
    let mut connection = Connection::new(Stream::Unix(stream), Peer::Unix, Instant::now());
    let mut copies = 0;
    for _ in 0..64 * 1024 {
        let before = connection.held();
        connection.keep(b"x");
        copies += u32::from(connection.held() != before);
    }
    assert!(copies < 30, "{copies}");
    assert!(connection.held() <= 72 * 1024, "{}", connection.held());
}

#[test]
fn a_request_that_waits_holds_nothing_of_its_head() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    // Each byte becomes three in the head for tiny_http.
    let cookie = b"\xff".repeat(30 * 1024);
    client.send([b"GET /later HTTP/1.1\r\nCookie: ", &*cookie, b"\r\n\r\n"].concat());
    let _request = site.next_request();
    eventually("little is held", || {
        site.count(|counters| &counters.waiting) == 1
            && site.count(|counters| &counters.buffered) < 16 * 1024
    });
}

#[test]
fn an_endless_header_gets_431() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nX: ");
    // It goes on sending for a while, and still sees the answer.
    for _ in 0..64 {
        if client.socket.write_all(&[b'x'; 4096]).is_err() {
            break;
        }
    }
    assert_eq!(client.answer().status, 431);
    site.serves();
}

#[test]
fn a_client_that_pipelines_and_never_reads_is_bounded_and_cut_off() {
    let site = Site::new(unhurried());
    let mut greedy = site.client();
    let short = Some(Duration::from_millis(50));
    greedy.socket.set_write_timeout(short).unwrap();
    let wave = push("/wechat", &"x".repeat(900)).repeat(50);
    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < PATIENCE {
        match greedy.socket.write(wave.as_bytes()) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                site.guard.set_limits(unhurried());
                site.serves();
                site.guard.set_limits(hurried());
            }
            Err(_) => break,
        }
        assert!(site.count(|counters| &counters.buffered) < 512 * 1024);
    }
    assert!(sent > 100_000, "{sent}");
    site.await_count(|counters| &counters.open, 0);
    site.guard.set_limits(unhurried());
    site.serves();
}

#[test]
fn a_client_that_never_takes_its_answer_is_cut_off() {
    let site = Site::new(unhurried());
    let mut deaf = site.client();
    deaf.send("GET /large HTTP/1.1\r\n\r\n");
    site.await_count(|counters| &counters.requests, 1);
    site.guard.set_limits(hurried());
    site.await_count(|counters| &counters.timed_out, 1);
    site.await_count(|counters| &counters.open, 0);
    site.await_count(|counters| &counters.buffered, 0);
    site.guard.set_limits(unhurried());
    site.serves();
}

#[test]
fn resets_at_any_moment_are_harmless() {
    let site = Site::new(unhurried());
    let request = push("/wechat", "<xml/>");
    for round in 0..300 {
        let mut client = site.client();
        client.send(&request[..round % (request.len() + 1)]);
        if round % 7 == 0 {
            client.send(&request);
        }
        client.reset();
    }
    site.await_count(|counters| &counters.open, 0);
    site.serves();
}

#[test]
fn a_reset_while_the_answer_is_made_is_harmless() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("GET /later HTTP/1.1\r\n\r\n");
    let request = site.next_request();
    client.reset();
    request.answer(Response::text(200, "too late"));
    site.await_count(|counters| &counters.open, 0);
    site.serves();
}

#[test]
fn a_reset_while_a_large_request_goes_inside_costs_no_lane() {
    let (guard, mut theirs, reported) = bare_guard(1);
    let mut lane = theirs.remove(0);
    let mut client = Client::new(TcpStream::connect(address(&guard)).unwrap());
    client.send(push("/cut", &"x".repeat(1 << 20)));
    // Nobody reads the lane yet, and the request does not fit into its buffer.
    lane.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = vec![0];
    lane.read_exact(&mut received).unwrap();
    client.reset();
    eventually("the reset is known", || {
        guard.shared.counters.hung_up.load(Ordering::Relaxed) == 1
    });
    let mut next = Client::new(TcpStream::connect(address(&guard)).unwrap());
    next.send(push("/next", "y"));
    while !received.ends_with(b"\r\n\r\ny") {
        let mut bytes = [0; 64 * 1024];
        let count = lane.read(&mut bytes).unwrap();
        assert!(count > 0, "{:?}", reported.try_recv());
        received.extend_from_slice(&bytes[..count]);
    }
    let received = String::from_utf8(received).unwrap();
    let (cut, next) = received.split_once("POST /next").unwrap();
    assert!(cut.starts_with("POST /cut") && next.ends_with("\r\n\r\ny"));
    let (_, body) = cut.split_once("\r\n\r\n").unwrap();
    assert!(body == "x".repeat(1 << 20), "{} bytes", body.len());
}

#[test]
fn broken_and_endless_chunks_are_refused() {
    let site = Site::new(unhurried());
    let padded = format!("1;{}\r\nx\r\n", "a".repeat(1000));
    for (chunks, status) in [
        ("ffffffffffffffff\r\n".to_owned(), 400),
        ("ffffffff\r\n".to_owned(), 413),
        ("5\nhello\n0\n\n".to_owned(), 400),
        ("5\r\nhello!\r\n0\r\n\r\n".to_owned(), 400),
        (padded.repeat(1000), 413),
        (format!("0\r\n{}", "A: b\r\n".repeat(5000)), 431),
    ] {
        let mut client = site.client();
        client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        // The guard may refuse it and close before all is sent.
        let _ = client.socket.write_all(chunks.as_bytes());
        client.is_refused(status);
    }
    site.await_count(|counters| &counters.buffered, 0);
    site.serves();
}

#[test]
fn trickling_chunks_get_408_at_the_deadline() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    site.await_count(|counters| &counters.open, 1);
    site.guard.set_limits(hurried());
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && site.count(|counters| &counters.timed_out) == 0 {
        client.send("1\r\nx\r\n");
        std::thread::sleep(Duration::from_millis(20));
    }
    client.is_refused(408);
}

#[test]
fn no_transfer_coding_lets_a_request_be_hidden() {
    let site = Site::new(unhurried());
    for header in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 53\r\nTransfer-Encoding: chunked",
    ] {
        let mut client = site.client();
        let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\n{header}\r\n\r\n{hidden}"));
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 411), "{header}: {answer:?}");
        client.is_closed();
    }
    assert_eq!(site.count(|counters| &counters.requests), 0);
    site.serves();
}

#[test]
fn failing_accepts_do_not_end_accepting() {
    let faults = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ECONNABORTED,
        libc::EINTR,
        libc::ENOBUFS,
        libc::EPERM,
    ];
    let listen = "127.0.0.1:0".parse().unwrap();
    let site = Site::with(unhurried(), 2, &listen, &faults);
    site.serves();
    let met = site.count(|counters| &counters.accept_errors);
    assert_eq!(met, faults.len() as u64);
    site.serves();
}

#[test]
fn when_full_the_oldest_incomplete_request_makes_room() {
    let site = Site::new(Limits {
        max_connections: 4,
        ..unhurried()
    });
    let mut complete = site.client();
    complete.send("GET /later HTTP/1.1\r\n\r\n");
    let request = site.next_request();
    let mut idle = site.client();
    site.await_count(|counters| &counters.open, 2);
    let mut half = site.client();
    half.send("GET / HT");
    site.await_count(|counters| &counters.open, 3);
    let mut young = site.client();
    site.await_count(|counters| &counters.open, 4);

    let mut first = site.client();
    idle.is_closed();
    let mut second = site.client();
    half.is_closed();
    assert_eq!(site.count(|counters| &counters.evicted), 2);

    request.answer(Response::text(200, "kept"));
    assert_eq!(complete.answer().body, "kept");
    for client in [&mut young, &mut first, &mut second] {
        client.send("GET /a HTTP/1.1\r\n\r\n");
        assert_eq!(client.answer().line(0), "GET /a");
    }
}

#[test]
fn a_kept_alive_connection_is_as_old_as_its_last_answer() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..unhurried()
    });
    let mut first = site.client();
    site.await_count(|counters| &counters.open, 1);
    let mut second = site.client();
    site.await_count(|counters| &counters.open, 2);
    first.send("GET /a HTTP/1.1\r\n\r\n");
    assert_eq!(first.answer().status, 200);
    let _third = site.client();
    second.is_closed();
    first.send("GET /b HTTP/1.1\r\n\r\n");
    assert_eq!(first.answer().line(0), "GET /b");
}

#[test]
fn when_all_are_complete_new_connections_wait_instead() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..unhurried()
    });
    let mut complete = site.clients(2);
    for client in &mut complete {
        client.send("GET /later HTTP/1.1\r\nConnection: close\r\n\r\n");
    }
    let (one, other) = (site.next_request(), site.next_request());
    let mut patient = site.client();
    patient.send("GET /patient HTTP/1.1\r\n\r\n");
    assert_eq!(site.count(|counters| &counters.accepted), 2);
    one.answer(Response::text(200, "done"));
    site.await_count(|counters| &counters.accepted, 3);
    other.answer(Response::text(200, "done"));
    assert_eq!(patient.answer().line(0), "GET /patient");
    for client in &mut complete {
        assert_eq!(client.answer().body, "done");
    }
    assert_eq!(site.count(|counters| &counters.evicted), 0);
}

#[test]
fn when_full_those_that_send_ahead_make_room_with_the_answer_under_way() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..unhurried()
    });
    let later = "GET /later HTTP/1.1\r\n\r\n";
    let mut ahead = site.client();
    ahead.send(later.to_owned() + &"GET /a HTTP/1.1\r\n\r\n".repeat(100));
    let one = site.next_request();
    let mut patient = site.client();
    patient.send(later);
    let other = site.next_request();
    let mut next = site.client();
    next.send("GET /next HTTP/1.1\r\n\r\n");
    one.answer(Response::text(200, "last"));
    let last = ahead.answer();
    assert_eq!((last.body.as_str(), last.closes()), ("last", true));
    ahead.is_closed();
    site.await_count(|counters| &counters.accepted, 3);
    other.answer(Response::text(200, "kept"));
    assert!(!patient.answer().closes());
    assert_eq!(next.answer().line(0), "GET /next");
}

#[test]
fn when_full_those_that_send_ahead_and_wait_for_their_turn_make_room_at_once() {
    let site = Site::new(Limits {
        max_connections: 5,
        ..unhurried()
    });
    let twice = "GET /later HTTP/1.1\r\n\r\n".repeat(2);
    let inside: Vec<(Client, Deferred)> = (0..4)
        .map(|_| {
            let mut client = site.client();
            client.send(&twice);
            (client, site.next_request())
        })
        .collect();
    // No more of them are inside at a time.
    let mut queued = site.client();
    queued.send(&twice);
    site.await_count(|counters| &counters.accepted, 5);
    let mut next = site.client();
    next.send("GET /next HTTP/1.1\r\n\r\n");
    assert_eq!(next.answer().line(0), "GET /next");
    queued.is_closed();
    assert_eq!(site.count(|counters| &counters.evicted), 1);
    for (mut client, request) in inside {
        request.answer(Response::text(200, "inside"));
        assert_eq!(client.answer().body, "inside");
    }
}

#[test]
fn those_that_send_ahead_do_not_wait_for_slow_answers_of_each_other() {
    let site = Site::new(unhurried());
    let slow = "GET /later HTTP/1.1\r\n\r\n".repeat(2);
    let mut clients = site.clients(20);
    for client in &mut clients {
        client.send(&slow);
    }
    // Dropped, it would be answered.
    let _inside: Vec<Deferred> = clients.iter().map(|_| site.next_request()).collect();
    assert_eq!(site.count(|counters| &counters.requests), 20);
}

#[test]
fn when_full_those_that_do_not_take_their_answers_make_room() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..unhurried()
    });
    let mut deaf = site.clients(2);
    for client in &mut deaf {
        client.send("GET /large HTTP/1.1\r\n\r\n");
    }
    site.await_count(|counters| &counters.requests, 2);
    site.serves();
    assert_eq!(site.count(|counters| &counters.evicted), 1);
}

#[test]
fn a_connection_ends_after_a_thousand_requests() {
    let site = Site::new(unhurried());
    let mut ahead = site.client();
    ahead.send("GET /a HTTP/1.1\r\n\r\n".repeat(1200));
    let mut in_turn = site.client();
    for number in 1..=1000 {
        in_turn.send("GET /b HTTP/1.1\r\n\r\n");
        for client in [&mut ahead, &mut in_turn] {
            assert_eq!(client.answer().closes(), number == 1000, "{number}");
        }
    }
    ahead.is_closed();
    in_turn.is_closed();
    assert_eq!(site.count(|counters| &counters.requests), 2000);
}

#[test]
fn however_much_is_sent_ahead_honest_clients_are_served_and_memory_is_bounded() {
    let site = Site::new(Limits {
        max_connections: 16,
        ..unhurried()
    });
    let Listen::Tcp(address) = site.guard.local_addr().clone() else {
        panic!("not TCP");
    };
    let over = std::sync::atomic::AtomicBool::new(false);
    let burst = "GET /a HTTP/1.1\r\n\r\n".repeat(4000);
    std::thread::scope(|scope| {
        for number in 0..24 {
            let (over, burst) = (&over, burst.as_bytes());
            scope.spawn(move || {
                // Half of them take their answers. Each connects again when it is closed.
                while !over.load(Ordering::Relaxed) {
                    let mut socket = TcpStream::connect(address).unwrap();
                    let soon = Some(Duration::from_millis(50));
                    socket.set_read_timeout(soon).unwrap();
                    socket.set_write_timeout(soon).unwrap();
                    let _ = socket.write_all(burst);
                    let mut bytes = [0; 4096];
                    while number % 2 == 0 && socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
                }
            });
        }
        let _ends = Ends(&over);
        // A client whose thread sleeps between connecting and sending may lose its place, and tries again.
        let mut again = 0;
        for _ in 0..100 {
            while !site.serves_at_once() {
                again += 1;
                assert!(again < 100, "honest clients lose their places");
            }
            assert!(site.count(|counters| &counters.buffered) < 512 * 1024);
        }
    });
    assert!(site.count(|counters| &counters.open) <= 16);
}

/// Ends the attack even if the test fails.
struct Ends<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn one_endless_body_does_not_keep_the_others_waiting() {
    let site = Site::new(Limits {
        max_body: 64 << 20,
        ..unhurried()
    });
    let mut large = site.client();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let body = vec![b'x'; 34 << 20];
            large.send(format!(
                "POST /unread HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ));
            large.send(&body);
            assert_eq!(large.answer().status, 403);
        });
        for _ in 0..20 {
            site.serves();
        }
    });
}

#[test]
fn answers_that_nobody_takes_are_given_up_when_memory_runs_out() {
    let site = Site::new(unhurried());
    let budget = unhurried().memory_budget() as u64;
    let mut deaf = site.clients(6);
    for client in &mut deaf {
        client.send("GET /large HTTP/1.1\r\n\r\n");
    }
    site.await_count(|counters| &counters.requests, 6);
    eventually("the oldest are gone", || {
        site.count(|counters| &counters.evicted) >= 4
    });
    eventually("little is buffered", || {
        site.count(|counters| &counters.buffered) <= budget
    });
    site.serves();
}

#[test]
fn honest_clients_get_in_while_idle_ones_flood() {
    let site = Site::new(Limits {
        max_connections: 16,
        ..unhurried()
    });
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.extend(site.clients(20));
        site.serves();
    }
    assert!(site.count(|counters| &counters.open) <= 16);
    assert!(site.count(|counters| &counters.evicted) > 500);
}

#[test]
fn large_unfinished_bodies_are_evicted_when_memory_runs_out() {
    let limits = Limits {
        max_body: 4 * 1024 * 1024,
        ..unhurried()
    };
    let budget = limits.memory_budget();
    assert_eq!(budget, 16 * 1024 * 1024);
    let site = Site::new(limits);
    let mut small = site.client();
    small.send("POST /small HTTP/1.1\r\nContent-Length: 2\r\n\r\n.");
    site.await_count(|counters| &counters.open, 1);
    let unfinished = vec![b'x'; 3_900_000];
    let mut greedy: Vec<_> = (0..8)
        .map(|_| {
            let mut client = site.client();
            client.send("POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n");
            client.send(&unfinished);
            assert!(site.count(|counters| &counters.buffered) <= budget as u64);
            client
        })
        .collect();
    // The oldest large ones went, the youngest and the small one are there.
    greedy[0].is_closed();
    let mut youngest = greedy.pop().unwrap();
    youngest.send(vec![b'x'; 100_000]);
    assert_eq!(youngest.answer().line(3).len(), 4_000_000);
    small.send(".");
    assert_eq!(small.answer().line(3), "..");
}

#[test]
fn a_promised_body_reserves_no_memory() {
    let site = Site::new(unhurried());
    let mut clients = site.clients(100);
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nx");
    }
    site.await_count(|counters| &counters.open, 100);
    assert!(site.count(|counters| &counters.buffered) < 100 * 1024);
}

#[test]
fn a_refused_client_that_sends_on_still_sees_why() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n");
    client.send(vec![b'x'; 500_000]);
    client.is_refused(413);
}

#[test]
fn malformed_requests_are_refused_over_the_wire() {
    let site = Site::new(unhurried());
    for (request, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03", 400),
        ("GET /\0 HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n",
            417,
        ),
    ] {
        let mut client = site.client();
        client.send(request);
        client.is_refused(status);
    }
    assert_eq!(site.count(|counters| &counters.requests), 0);
    assert_eq!(site.count(|counters| &counters.refused), 5);
}

#[test]
fn mutated_requests_in_any_pieces_end_their_connection_and_nothing_else() {
    let site = Site::new(unhurried());
    let change = any::<(prop::sample::Index, u8)>();
    let wave = (1..4usize).prop_map(|count| push("/wechat", "<xml/>").repeat(count).into_bytes());
    let cases = (
        wave,
        prop::collection::vec(change, 0..5),
        1..200usize,
        any::<bool>(),
    );
    proptest!(ProptestConfig::with_cases(300), |((mut bytes, changes, piece, reset) in cases)| {
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let mut client = site.client();
        for piece in bytes.chunks(piece) {
            // It may have been refused and closed already.
            if client.socket.write_all(piece).is_err() {
                break;
            }
        }
        if reset {
            client.reset();
        } else {
            let _ = client.socket.shutdown(std::net::Shutdown::Write);
            while client.socket.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        }
    });
    site.await_count(|counters| &counters.open, 0);
    assert_eq!(site.count(|counters| &counters.unanswered), 0);
    assert!(site.reported.try_recv().is_err());
    site.serves();
}
