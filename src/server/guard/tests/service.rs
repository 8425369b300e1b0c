//! What honest clients, and the rest of the program, rely on.

use super::*;

#[test]
fn a_request_arrives_however_its_bytes_are_split() {
    let site = Site::new(unhurried());
    let request = push("/wechat?a=b", "<xml>\u{4f60}\u{597d}</xml>").into_bytes();
    let mut client = site.client();
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        // The pause usually makes it two reads; the answer must be the same anyway.
        std::thread::yield_now();
        client.send(&request[cut..]);
        let answer = client.answer();
        assert_eq!(answer.line(0), "POST /wechat?a=b");
        assert_eq!(answer.line(3), "<xml>\u{4f60}\u{597d}</xml>");
    }
    for byte in request.chunks(1) {
        client.send(byte);
    }
    assert_eq!(client.answer().line(0), "POST /wechat?a=b");
}

#[test]
fn a_body_in_chunks_arrives_however_its_bytes_are_split() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    let head = "POST /wechat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = format!("{head}5\r\n<xml>\r\n6;a=b\r\n</xml>\r\n0\r\nA: b\r\n\r\n").into_bytes();
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        std::thread::yield_now();
        client.send(&request[cut..]);
        let answer = client.answer();
        assert_eq!(
            (answer.line(0), answer.line(3)),
            ("POST /wechat", "<xml></xml>")
        );
    }
    for byte in request.chunks(1) {
        client.send(byte);
    }
    assert_eq!(client.answer().line(3), "<xml></xml>");
    client.send([&request[..], b"GET /next HTTP/1.1\r\n\r\n"].concat());
    assert_eq!(client.answer().line(3), "<xml></xml>");
    assert_eq!(client.answer().line(0), "GET /next");
}

#[test]
fn chunks_up_to_the_limit_arrive_and_cost_no_more_than_a_length() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("POST /wechat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..64 {
        client.send(&chunk);
    }
    assert!(site.count(|counters| &counters.buffered) < 2 << 20);
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().line(3).len(), 1 << 20);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_when_its_body_is_wanted() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    let head = "POST /wechat HTTP/1.1\r\nExpect: 100-continue\r\n";
    for (framing, body) in [
        ("Content-Length: 2", "hi"),
        ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
    ] {
        client.send(format!("{head}{framing}\r\n\r\n"));
        let go_on = client.answer();
        assert_eq!((go_on.status, go_on.closes()), (100, false));
        client.send(body);
        assert_eq!(client.answer().line(3), "hi");
        // A client that does not wait gets no 100 Continue.
        client.send(format!("{head}{framing}\r\n\r\n{body}"));
        assert_eq!(client.answer().line(3), "hi");
    }
    client.send(format!("{head}Content-Length: 0\r\n\r\n"));
    assert_eq!(client.answer().status, 200);
    client.send(format!("{head}Content-Length: 1048577\r\n\r\n"));
    client.is_refused(413);
}

#[test]
fn pipelined_requests_are_answered_one_by_one_in_their_order() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    let all: String = (0..100)
        .map(|number| push(&format!("/{number}"), &"x".repeat(number * 7)))
        .collect();
    client.send(all);
    for number in 0..100 {
        let answer = client.answer();
        assert_eq!(answer.line(0), format!("POST /{number}"));
        assert_eq!(answer.line(3).len(), number * 7);
    }
    site.await_count(|counters| &counters.open, 1);
    assert!(site.count(|counters| &counters.buffered) <= 8 * 1024);
}

#[test]
fn a_malformed_request_after_a_good_one_is_refused_after_its_answer() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send(push("/good", "") + "BAD\r\n\r\n");
    assert_eq!(client.answer().line(0), "POST /good");
    client.is_refused(400);
}

#[test]
fn connections_are_kept_or_closed_as_the_client_wishes() {
    let site = Site::new(unhurried());
    for (version, connection, said, stays) in [
        ("1.1", "", None, true),
        ("1.1", "Connection: close\r\n", Some("close"), false),
        ("1.0", "", Some("close"), false),
        (
            "1.0",
            "Connection: keep-alive\r\n",
            Some("keep-alive"),
            true,
        ),
    ] {
        let mut client = site.client();
        let request = format!("GET / HTTP/{version}\r\n{connection}\r\n");
        client.send(&request);
        let answer = client.answer();
        let header = answer
            .head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!(header, said);
        if stays {
            client.send(&request);
            assert_eq!(client.answer().status, 200);
        } else {
            client.is_closed();
        }
    }
}

#[test]
fn a_client_that_ends_its_half_still_gets_its_answer() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send(push("/half", "x"));
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.answer().line(0), "POST /half");
    client.is_closed();
}

#[test]
fn the_callback_learns_the_peer_and_what_was_forwarded() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send(
        "GET / HTTP/1.1\r\nX-Wechatd-Peer: unix\r\nX-Forwarded-For: 192.0.2.1\r\n\
         X-Forwarded-For: 192.0.2.2\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!(answer.line(1), "127.0.0.1");
    assert_eq!(answer.line(2), "192.0.2.1, 192.0.2.2");
}

#[test]
fn an_answer_to_head_has_no_body() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("HEAD /wechat HTTP/1.1\r\n\r\n");
    let answer = client.answer_to(true);
    assert!(!answer.head.contains("Content-Length: 0"), "{answer:?}");
    client.send("GET /after HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().line(0), "GET /after");
    client.send("HEAD /dropped HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer_to(true).status, 503);
    client.is_closed();
}

#[test]
fn bodies_up_to_the_limit_arrive_and_large_answers_too() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    let body = "x".repeat(1024 * 1024);
    client.send(push("/big", &body));
    assert_eq!(client.answer().line(3), body);
    client.send("GET /large HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().body.len(), 8 * 1024 * 1024);
    site.await_count(|counters| &counters.open, 1);
    eventually("buffers are freed", || {
        site.count(|counters| &counters.buffered) <= 8 * 1024
    });
}

#[test]
fn a_body_that_the_handler_does_not_read_does_not_harm_the_next_request() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let site = Site::with(unhurried(), 1, &listen, &[]);
    let mut client = site.client();
    for _ in 0..3 {
        client.send(push("/unread", &"x".repeat(1024 * 1024)));
        assert_eq!(client.answer().status, 403);
    }
    client.send(push("/wechat", "y"));
    assert_eq!(client.answer().line(3), "y");
}

#[test]
fn a_request_that_the_handler_drops_gets_503() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("GET /dropped HTTP/1.1\r\n\r\n");
    client.is_refused(503);
    assert_eq!(site.count(|counters| &counters.unanswered), 1);
    site.serves();
}

#[test]
fn a_panic_of_the_handler_costs_its_request_and_nothing_else() {
    let site = Site::new(unhurried());
    for _ in 0..6 {
        let mut client = site.client();
        client.send("GET /panic HTTP/1.1\r\n\r\n");
        client.is_refused(503);
    }
    site.serves();
}

#[test]
fn an_answer_that_takes_too_long_becomes_503_and_its_handler_learns_of_it() {
    let limits = Limits {
        answer_timeout: SHORT,
        ..unhurried()
    };
    let site = Site::new(limits);
    let mut client = site.client();
    client.send("GET /later HTTP/1.1\r\n\r\n");
    let request = site.next_request();
    assert!(request.is_awaited());
    client.is_refused(503);
    assert_eq!(site.reported.recv(), Ok(Reported::Late));
    assert!(!request.is_awaited());
    assert!(!request.answer(Response::text(200, "late")));
    site.serves();
}

#[test]
fn who_waits_holds_up_nobody() {
    let site = Site::with(unhurried(), 1, &"127.0.0.1:0".parse().unwrap(), &[]);
    let mut waiting = site.clients(200);
    for client in &mut waiting {
        client.send("GET /later HTTP/1.1\r\n\r\n");
    }
    let mut requests: Vec<Deferred> = (0..200).map(|_| site.next_request()).collect();
    let begun = Instant::now();
    site.serves();
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    site.await_count(|counters| &counters.waiting, 200);
    // The answers may come in any order.
    requests.reverse();
    for request in requests {
        assert!(request.answer(Response::text(200, "at last")));
    }
    for client in &mut waiting {
        assert_eq!(client.answer().body, "at last");
    }
    site.await_count(|counters| &counters.waiting, 0);
}

#[test]
fn beyond_the_most_that_may_wait_a_request_gets_503_and_those_that_wait_are_kept() {
    let limits = Limits {
        max_waiting: 2,
        ..unhurried()
    };
    let site = Site::new(limits);
    let mut waiting = site.clients(2);
    let requests = [0, 1].map(|number: usize| {
        waiting[number].send("GET /waiting HTTP/1.1\r\n\r\n");
        site.next_request()
    });
    let mut third = site.client();
    third.send("GET /waiting HTTP/1.1\r\n\r\n");
    third.is_refused(503);
    // A request that waits for nothing else than the store needs no such place.
    let mut push = site.client();
    push.send("GET /later HTTP/1.1\r\n\r\n");
    assert!(site.next_request().answer(Response::text(200, "committed")));
    assert_eq!(push.answer().body, "committed");
    for request in requests {
        assert!(request.answer(Response::text(200, "kept")));
    }
    for client in &mut waiting {
        assert_eq!(client.answer().body, "kept");
    }
    // Their places are free again.
    third = site.client();
    third.send("GET /waiting HTTP/1.1\r\n\r\n");
    assert!(site.next_request().answer(Response::text(200, "at last")));
    assert_eq!(third.answer().body, "at last");
}

#[test]
fn a_client_that_hangs_up_while_it_waits_frees_its_place_within_a_second() {
    let site = Site::new(unhurried());
    let close = |client: Client| drop(client);
    let reset = |client: Client| client.reset();
    let at_once = Duration::ZERO;
    let later = 2 * SHORT;
    for (hang_up, after) in [
        (&close as &dyn Fn(Client), at_once),
        (&close, later),
        (&reset, at_once),
        (&reset, later),
    ] {
        let mut client = site.client();
        client.send("GET /later HTTP/1.1\r\n\r\n");
        let request = site.next_request();
        site.await_count(|counters| &counters.open, 1);
        let waited = u64::from(after > at_once);
        std::thread::sleep(after);
        site.await_count(|counters| &counters.waiting, waited);
        let gone_before = site.count(|counters| &counters.hung_up);
        hang_up(client);
        let begun = Instant::now();
        site.await_count(|counters| &counters.open, 0);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        assert!(!request.is_awaited());
        assert!(!request.answer(Response::text(200, "to nobody")));
        assert_eq!(site.count(|counters| &counters.hung_up), gone_before + 1);
    }
}

#[test]
fn a_client_that_ends_its_half_while_it_waits_still_gets_an_answer_that_comes_soon() {
    let site = Site::new(unhurried());
    let mut client = site.client();
    client.send("GET /later HTTP/1.1\r\n\r\n");
    let request = site.next_request();
    site.await_count(|counters| &counters.waiting, 1);
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(request.answer(Response::text(200, "just in time")));
    assert_eq!(client.answer().body, "just in time");
    client.is_closed();
}

#[test]
fn more_clients_than_lanes_are_served_in_turn() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let site = Site::with(unhurried(), 2, &listen, &[]);
    let mut clients = site.clients(50);
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(push(&format!("/{number}"), "x"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().line(0), format!("POST /{number}"));
    }
}

#[test]
fn few_clients_keep_to_one_lane_and_many_use_all() {
    let (guard, mut theirs, _reported) = bare_guard(2);
    let clients = |count| {
        let asking = |_| {
            let mut client = Client::new(TcpStream::connect(address(&guard)).unwrap());
            client.send(push("/", "x"));
            client
        };
        (0..count).map(asking).collect::<Vec<_>>()
    };
    theirs[1].set_nonblocking(true).unwrap();
    theirs[0].set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut first, mut second) = (theirs.remove(0), theirs.remove(0));
    let mut second_is_used = || second.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0);
    let few = clients(8);
    let mut received = String::new();
    while received.matches("\r\n\r\nx").count() < few.len() {
        let mut bytes = [0; 1024];
        let count = first.read(&mut bytes).unwrap();
        received.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(!second_is_used());
    eventually("the other lane is used", || {
        let _many = clients(64);
        second_is_used()
    });
}

#[test]
fn a_lane_that_breaks_costs_its_requests_and_the_last_one_is_fatal() {
    let (guard, theirs, reported) = bare_guard(2);
    let address = address(&guard);
    // An error of tiny_http, then a plain close.
    let broken: [&[u8]; 2] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""];
    for (mut lane, answer) in theirs.into_iter().zip(broken) {
        assert!(reported.try_recv().is_err());
        let mut client = Client::new(TcpStream::connect(address).unwrap());
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert!(lane.read(&mut [0; 512]).unwrap() > 0);
        lane.write_all(answer).unwrap();
        drop(lane);
        client.is_refused(503);
    }
    let Reported::Fatal(reason) = reported.recv_timeout(PATIENCE).unwrap() else {
        panic!("not fatal");
    };
    assert!(reason.contains("lane"), "{reason}");
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.is_refused(503);
}

#[test]
fn new_limits_hold_at_once() {
    let site = Site::new(unhurried());
    let mut oldest = site.client();
    site.await_count(|counters| &counters.open, 1);
    let mut young = site.client();
    let mut under_way = site.client();
    under_way.send("POST /late HTTP/1.1\r\nContent-Length: 20\r\n\r\n0123456789");
    site.await_count(|counters| &counters.open, 3);
    let smaller = Limits {
        max_connections: 2,
        max_body: 10,
        ..unhurried()
    };
    site.guard.set_limits(smaller.clone());
    oldest.is_closed();
    young.send(push("/", "01234567890"));
    young.is_refused(413);
    under_way.send("0123456789");
    assert_eq!(under_way.answer().line(0), "POST /late");
    let mut half = site.client();
    half.send("GET / HT");
    site.guard.set_limits(Limits {
        request_timeout: SHORT,
        ..smaller
    });
    half.is_refused(408);
}

#[test]
fn a_client_that_only_sends_line_breaks_behind_its_request_has_begun_no_other() {
    let site = Site::new(Limits {
        idle_timeout: PATIENCE,
        ..hurried()
    });
    let mut client = site.client();
    client.send(push("/a", "<xml/>") + "\r\n\n");
    assert_eq!(client.answer().line(0), "POST /a");
    client.is_closed();
}

#[test]
fn an_answered_connection_stays_for_a_next_request_whatever_the_deadline_of_a_request() {
    let site = Site::new(Limits {
        idle_timeout: PATIENCE,
        ..hurried()
    });
    let mut kept = site.clients(2);
    for client in &mut kept {
        client.send("GET /a HTTP/1.1\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
    let mut silent = site.client();
    silent.is_closed();
    let (first, second) = kept.split_at_mut(1);
    first[0].send("GET /b HTTP/1.1\r\n\r\n");
    assert_eq!(first[0].answer().line(0), "GET /b");
    // The deadline counts from the first byte of the next request.
    second[0].send("GET / HT");
    second[0].is_refused(408);
    site.guard.set_limits(Limits {
        idle_timeout: SHORT,
        ..unhurried()
    });
    first[0].is_closed();
}

#[test]
fn when_full_idle_connections_make_room() {
    let site = Site::new(Limits {
        max_connections: 2,
        ..unhurried()
    });
    let mut kept = site.clients(2);
    for client in &mut kept {
        client.send("GET /a HTTP/1.1\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
    let mut third = site.client();
    third.send("GET /b HTTP/1.1\r\n\r\n");
    assert_eq!(third.answer().status, 200);
    kept[0].is_closed();
    kept[1].send("GET /c HTTP/1.1\r\n\r\n");
    assert_eq!(kept[1].answer().line(0), "GET /c");
}

#[test]
fn a_unix_socket_is_served_alike_and_removed_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    let site = Site::with(unhurried(), 2, &Listen::Unix(path.clone()), &[]);
    let connect = || {
        let socket = UnixStream::connect(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            socket,
            ahead: Vec::new(),
        }
    };
    let mut client = connect();
    client.send(push("/wechat", &"x".repeat(300_000)));
    let answer = client.answer();
    assert_eq!((answer.line(0), answer.line(1)), ("POST /wechat", "unix"));
    assert_eq!(answer.line(3).len(), 300_000);
    client.send("GET / HT");
    site.guard.set_limits(hurried());
    client.is_refused(408);
    connect().is_closed();
    assert_eq!(site.guard.stop(PATIENCE), 0);
    assert!(!path.exists());
}

#[test]
fn stopping_answers_what_is_whole_and_closes_the_rest() {
    let site = Site::new(unhurried());
    let mut idle = site.client();
    let mut half = site.client();
    half.send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nx");
    let mut kept = site.client();
    kept.send("GET /a HTTP/1.1\r\n\r\n");
    assert!(!kept.answer().closes());
    let mut whole = site.client();
    whole.send("GET /later HTTP/1.1\r\n\r\n");
    let request = site.next_request();
    site.await_count(|counters| &counters.open, 4);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| site.guard.stop(PATIENCE));
        idle.is_closed();
        kept.is_closed();
        half.is_refused(503);
        request.answer(Response::text(200, "last"));
        let answer = whole.answer();
        assert!(answer.closes(), "{answer:?}");
        assert_eq!(answer.body, "last");
        whole.is_closed();
        assert_eq!(stopping.join().unwrap(), 0);
    });
    let Listen::Tcp(address) = site.guard.local_addr() else {
        panic!("not TCP");
    };
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(site.guard.stop(PATIENCE), 0);
}

#[test]
fn stopping_ends_in_time_and_tells_what_was_left() {
    let site = Site::new(unhurried());
    let mut whole = site.client();
    whole.send("GET /later HTTP/1.1\r\n\r\n");
    let _unanswered = site.next_request();
    assert_eq!(site.guard.stop(SHORT), 1);
    whole.is_refused(503);
    assert!(site.reported.try_recv().is_err());
}

#[test]
fn stopping_under_load_leaves_no_request_without_its_whole_answer() {
    let site = Site::new(unhurried());
    let Listen::Tcp(address) = site.guard.local_addr().clone() else {
        panic!("not TCP");
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(move || answered_until_closed(address)))
            .collect();
        eventually("load", || site.count(|counters| &counters.requests) > 500);
        assert_eq!(site.guard.stop(PATIENCE), 0);
        let answered: u64 = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();
        assert_eq!(answered, site.count(|counters| &counters.requests));
    });
}

/// Sends requests, each on a new connection, until there is no server; counts the answers.
fn answered_until_closed(address: SocketAddr) -> u64 {
    let mut answered = 0;
    while let Ok(mut socket) = TcpStream::connect(address) {
        let asked = socket.write_all(push("/wechat", "x").as_bytes());
        let mut answer = Vec::new();
        let mut bytes = [0; 4096];
        let end = loop {
            match socket.read(&mut bytes) {
                Ok(0) => break true,
                Ok(count) => answer.extend_from_slice(&bytes[..count]),
                Err(_) => break false,
            }
            if answer.ends_with(b"\nx") {
                answered += 1;
                break false;
            }
        };
        // A connection that was never accepted is reset or closed without an answer; half an answer is a fault.
        assert!(
            answer.is_empty() || answer.ends_with(b"\nx") || answer.starts_with(b"HTTP/1.1 503")
        );
        if asked.is_err() || end {
            break;
        }
    }
    answered
}
