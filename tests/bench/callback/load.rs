//! The load generator: a few threads, each with an event queue and its share of the connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

/// The result of one run.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// Microseconds of each push answered 200, from before its connect or write to the last byte of its answer.
    pub latencies: Vec<u32>,
    /// Answers other than 200, broken connections, and pushes still unanswered after the end.
    pub failed: usize,
    /// How long it took.
    pub seconds: f64,
}

/// One run: what is sent, over how many connections, and for how long at most.
#[derive(Debug)]
pub struct Load<'a> {
    pub address: SocketAddr,
    pub requests: &'a [Vec<u8>],
    pub connections: usize,
    pub close: bool,
    pub limit: Duration,
    pub threads: usize,
}

/// How long to wait for answers after the last request.
const GRACE: Duration = Duration::from_secs(10);

impl Load<'_> {
    /// Ends with the last answer, after the time is up or all requests are sent.
    pub fn run(&self) -> Answers {
        let next = AtomicUsize::new(0);
        let started = Instant::now();
        let threads = self.threads.min(self.connections);
        let mut all = Answers::default();
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for thread in 0..threads {
                let share = (self.connections + thread) / threads;
                let next = &next;
                running.push(scope.spawn(move || Driver::new(self, next, started).run(share)));
            }
            for thread in running {
                let answers = thread.join().unwrap();
                all.latencies.extend(answers.latencies);
                all.failed += answers.failed;
                all.seconds = answers.seconds.max(all.seconds);
            }
        });
        all
    }
}

struct Driver<'a> {
    load: &'a Load<'a>,
    next: &'a AtomicUsize,
    started: Instant,
    poll: Poll,
    scratch: Vec<u8>,
    answers: Answers,
}

struct Client {
    stream: mio::net::TcpStream,
    sent: Instant,
    answer: Vec<u8>,
}

impl<'a> Driver<'a> {
    fn new(load: &'a Load<'a>, next: &'a AtomicUsize, started: Instant) -> Driver<'a> {
        Driver {
            load,
            next,
            started,
            poll: Poll::new().unwrap(),
            scratch: vec![0; 64 * 1024],
            answers: Answers::default(),
        }
    }

    fn run(mut self, share: usize) -> Answers {
        let mut clients: Vec<Option<Client>> = (0..share).map(|_| None).collect();
        let mut open = 0;
        for (index, client) in clients.iter_mut().enumerate() {
            *client = self.send(index, None);
            open += usize::from(client.is_some());
        }
        let mut events = Events::with_capacity(256);
        while open > 0 {
            self.poll.poll(&mut events, Some(GRACE)).unwrap();
            if events.is_empty() {
                self.answers.failed += open;
                break;
            }
            for event in &events {
                let index = event.token().0;
                let Some(mut client) = clients[index].take() else {
                    continue;
                };
                clients[index] = match self.receive(&mut client) {
                    Received::Part => Some(client),
                    Received::Whole(ok) => {
                        self.record(&client, ok);
                        let stays = !self.load.close && stays_open(&client.answer);
                        let kept = stays.then_some(client);
                        self.send(index, kept)
                    }
                };
                open -= usize::from(clients[index].is_none());
            }
        }
        self.answers.seconds = self.started.elapsed().as_secs_f64();
        self.answers
    }

    /// Sends the next request, over this connection or a new one. `None`: nothing left to send.
    fn send(&mut self, index: usize, kept: Option<Client>) -> Option<Client> {
        if self.started.elapsed() >= self.load.limit {
            return None;
        }
        let request = self
            .load
            .requests
            .get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let sent = Instant::now();
        let mut client = match kept {
            Some(client) => Client { sent, ..client },
            None => {
                let stream = TcpStream::connect(self.load.address).ok()?;
                stream.set_nodelay(true).unwrap();
                stream.set_nonblocking(true).unwrap();
                let mut stream = mio::net::TcpStream::from_std(stream);
                self.poll
                    .registry()
                    .register(&mut stream, Token(index), Interest::READABLE)
                    .unwrap();
                Client {
                    stream,
                    sent,
                    answer: Vec::with_capacity(1024),
                }
            }
        };
        client.answer.clear();
        // A push is far smaller than the buffer of a socket: it goes out whole or not at all.
        match client.stream.write(request) {
            Ok(count) if count == request.len() => Some(client),
            Ok(_) | Err(_) => {
                self.answers.failed += 1;
                None
            }
        }
    }

    fn receive(&mut self, client: &mut Client) -> Received {
        loop {
            match client.stream.read(&mut self.scratch) {
                Ok(0) => return Received::Whole(is_good(&client.answer)),
                Ok(count) => {
                    client.answer.extend_from_slice(&self.scratch[..count]);
                    if is_whole(&client.answer) {
                        return Received::Whole(is_good(&client.answer));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Received::Part,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Received::Whole(false),
            }
        }
    }

    fn record(&mut self, client: &Client, ok: bool) {
        if ok {
            let micros = client.sent.elapsed().as_micros();
            self.answers
                .latencies
                .push(u32::try_from(micros).unwrap_or(u32::MAX));
        } else {
            self.answers.failed += 1;
        }
    }
}

enum Received {
    Part,
    /// The whole answer, and whether it is a 200.
    Whole(bool),
}

/// Whether the server keeps the connection open; some never do.
fn stays_open(answer: &[u8]) -> bool {
    let says_close = |line: &[u8]| line.eq_ignore_ascii_case(b"Connection: close");
    !answer
        .split(|byte| *byte == b'\n')
        .any(|line| says_close(line.trim_ascii()))
}

fn is_good(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200") && answer.windows(4).any(|bytes| bytes == b"\r\n\r\n")
}

/// Whether the answer is complete. Other servers may send chunks.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let (head, body) = answer.split_at(head + 4);
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"Content-Length") {
            let length: usize = String::from_utf8_lossy(value).parse().unwrap_or(0);
            return body.len() >= length;
        }
        if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
            return body.ends_with(b"0\r\n\r\n");
        }
    }
    // It ends with the connection.
    false
}
