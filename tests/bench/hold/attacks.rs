//! The attacks: idle, slow, stalled and pipelining connections, reopened whenever they are closed, and a flood of
//! connects.

use crate::support::http::Address;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A kind of attack.
#[derive(Clone, Copy)]
pub enum Attack {
    /// No attack, for comparison.
    Nothing,
    /// 2,000 connections that say nothing.
    Idle,
    /// 500 connections that send a head byte by byte.
    SlowHeads,
    /// 50 connections that announce a body and stop halfway through.
    StalledBodies,
    /// 1,000 connections a second, closed at once.
    Connects,
    /// 600 connections that send 4,000 requests at once, again and again, and read the answers.
    PipelinesRead,
    /// The same without reading.
    PipelinesUnread,
}

impl Attack {
    /// In the order of the report, beginning with no attack.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Idle,
        Self::SlowHeads,
        Self::StalledBodies,
        Self::Connects,
        Self::PipelinesRead,
        Self::PipelinesUnread,
    ];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Idle => "2,000 idle",
            Self::SlowHeads => "500 slow heads",
            Self::StalledBodies => "50 stalled bodies",
            Self::Connects => "1,000 connects/s",
            Self::PipelinesRead => "600 pipelines, read",
            Self::PipelinesUnread => "the same, unread",
        }
    }

    /// Attacks until `over` is set.
    pub fn run(self, address: &Address, over: &AtomicBool) {
        let Address::Tcp(address) = address else {
            return;
        };
        let head = b"POST /wechat?signature=0 HTTP/1.1\r\nContent-Length: 5000\r\n";
        let whole = [head, b"\r\n<xml>".as_slice()].concat();
        match self {
            Self::Nothing => {}
            Self::Idle => hold(address, over, 2_000, b"", b""),
            Self::SlowHeads => hold(address, over, 500, head, b"x"),
            Self::StalledBodies => hold(address, over, 50, &whole, b""),
            Self::Connects => connect(address, over, 1_000),
            Self::PipelinesRead => pipeline(address, over, 600, true),
            Self::PipelinesUnread => pipeline(address, over, 600, false),
        }
    }
}

/// Keeps `count` connections open; each sends `begin` first and `drop` every second.
fn hold(address: &SocketAddr, over: &AtomicBool, count: usize, begin: &[u8], drop: &[u8]) {
    let mut held: Vec<TcpStream> = Vec::new();
    let mut fed = Instant::now();
    while !over.load(Ordering::Relaxed) {
        held.retain_mut(is_open);
        // Reopen at most a hundred at a time: attackers have limits, too.
        for _ in 0..(count - held.len()).min(100) {
            if let Ok(mut stream) = TcpStream::connect(address)
                && stream.write_all(begin).is_ok()
                && stream.set_nonblocking(true).is_ok()
            {
                held.push(stream);
            }
        }
        if fed.elapsed() > Duration::from_secs(1) && !drop.is_empty() {
            fed = Instant::now();
            held.retain_mut(|stream| stream.write_all(drop).is_ok());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_open(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 512]) {
        Ok(length) => length > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Connects `a_second` times a second and closes at once.
fn connect(address: &SocketAddr, over: &AtomicBool, a_second: u32) {
    let begun = Instant::now();
    let mut connected = 0;
    while !over.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(a_second)) as u32;
        while connected < due {
            TcpStream::connect(address).ok();
            connected += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Keeps `count` connections sending thousands of requests at a time without waiting for the answers.
fn pipeline(address: &SocketAddr, over: &AtomicBool, count: usize, read: bool) {
    let burst = b"GET / HTTP/1.1\r\n\r\n".repeat(4_000);
    let mut answers = vec![0; 64 * 1024];
    let mut held: Vec<(TcpStream, usize)> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        held.retain_mut(|(stream, sent)| {
            let written = match stream.write(&burst[*sent..]) {
                Ok(length) => {
                    *sent = (*sent + length) % burst.len();
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            let mut open = || match stream.read(&mut answers) {
                Ok(length) => length > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            written && (!read || open())
        });
        for _ in 0..(count - held.len()).min(100) {
            if let Ok(stream) = TcpStream::connect(address)
                && stream.set_nonblocking(true).is_ok()
            {
                held.push((stream, 0));
            }
        }
    }
}
