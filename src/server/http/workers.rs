//! The threads that take requests off the lanes. A panic in one costs the request that caused it, nothing else.
//!
//! One at a time waits for requests, and handles small ones itself before it waits again: to wake another thread takes
//! as long as to handle one. Before a large one it lets another thread go on, so that nobody waits for that.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::lanes::Requests;
use super::outbox::{Deferred, Outbox, Ticket};
use super::request::Request;

/// A request with a body up to this size, in bytes, is handled in a fraction of a millisecond.
const SMALL: usize = 4 * 1024;

/// Small requests that a thread handles before it is another's turn. The next one has nothing of them in its processor's
/// caches: at 32, a push over 8 kept connections took 4 % more processor time than without turns.
const IN_A_ROW: usize = 256;

/// The running threads.
#[derive(Debug)]
pub struct Workers {
    requests: Arc<Requests>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads. `handle` must not wait for anything.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        count: usize,
        requests: Requests,
        outbox: &Arc<Outbox>,
        handle: impl Fn(Request, Deferred) + Send + Sync + 'static,
    ) -> io::Result<Workers> {
        let (requests, handle) = (Arc::new(requests), Arc::new(handle));
        let turns = Arc::new(Turns::new());
        let spawn = |n| {
            let (requests, handle) = (Arc::clone(&requests), Arc::clone(&handle));
            let (outbox, turns) = (Arc::clone(outbox), Arc::clone(&turns));
            thread::Builder::new()
                .name(format!("worker {}", n + 1))
                .spawn(move || {
                    let handle = |ticket, request| {
                        let deferred = Deferred::new(ticket, &outbox);
                        run(|| handle(request, deferred));
                    };
                    while take_turn(turns.next(), &requests, handle) {}
                })
        };
        let threads = (0..count).map(spawn).collect::<io::Result<_>>()?;
        Ok(Workers { requests, threads })
    }

    /// Ends the threads once the waiting requests are handled.
    pub fn stop(self) {
        self.requests.stop(self.threads.len());
        for thread in self.threads {
            thread.join().ok();
        }
    }
}

/// Which thread waits for requests.
struct Turns {
    pass_on: Sender<()>,
    passed_on: Mutex<Receiver<()>>,
}

/// It is this thread's turn, until this is dropped.
struct Turn<'a>(&'a Sender<()>);

impl Turns {
    fn new() -> Turns {
        let (pass_on, passed_on) = channel();
        drop(Turn(&pass_on));
        Turns {
            pass_on,
            passed_on: Mutex::new(passed_on),
        }
    }

    fn next(&self) -> Turn<'_> {
        let passed_on = self.passed_on.lock();
        passed_on
            .unwrap_or_else(PoisonError::into_inner)
            .recv()
            .ok();
        Turn(&self.pass_on)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The receiver lives as long as the sender.
        self.0.send(()).ok();
    }
}

/// Handles requests until this turn ends. `false`: no more will come.
fn take_turn(turn: Turn, requests: &Requests, handle: impl Fn(Ticket, Request)) -> bool {
    for _ in 0..IN_A_ROW {
        let Some((ticket, request)) = requests.next() else {
            return false;
        };
        if request.body.len() > SMALL {
            drop(turn);
            handle(ticket, request);
            return true;
        }
        handle(ticket, request);
    }
    true
}

/// Runs a handler. A panic drops its duty to answer, which makes 503.
pub fn run(handle: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(handle)).is_err() {
        log::error!(
            "a request was lost to a panic (RUST_BACKTRACE=1 shows where); WeChat delivers it again"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::super::headers::PEER_HEADER;
    use super::super::lanes::Lanes;
    use super::*;

    const IN_TIME: Duration = Duration::from_secs(30);

    /// Three threads, one lane, and what says which thread handled which target; `/wait` is handled once `go` is
    /// dropped.
    fn working() -> (Workers, UnixStream, Receiver<(String, String)>, Sender<()>) {
        let (mut lanes, requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        let (say, said) = channel();
        let (go, gate) = channel();
        let gate = Mutex::new(gate);
        let handle = move |request: Request, _: Deferred| {
            let thread = thread::current().name().unwrap().to_owned();
            say.send((request.target.clone(), thread)).unwrap();
            if request.target == "/wait" {
                gate.lock().unwrap().recv().ok();
            }
        };
        let outbox = Arc::new(Outbox::new(|| {}));
        let workers = Workers::start(3, requests, &outbox, handle).unwrap();
        let lane = lanes.streams.remove(0);
        lane.set_nonblocking(false).unwrap();
        (workers, lane, said, go)
    }

    fn ask(lane: &mut UnixStream, target: &str, body: usize) {
        let body = "x".repeat(body);
        write!(
            lane,
            "POST {target} HTTP/1.1\r\n{PEER_HEADER}: 0.1 unix\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    }

    #[test]
    fn all_threads_take_turns_with_small_requests() {
        let (workers, mut lane, said, _go) = working();
        let all = 10 * IN_A_ROW;
        (0..all).for_each(|_| ask(&mut lane, "/small", 100));
        let handled = (0..all).map(|_| said.recv_timeout(IN_TIME).unwrap());
        let threads: HashSet<String> = handled.map(|(_, thread)| thread).collect();
        assert_eq!(threads.len(), 3, "{threads:?}");
        workers.stop();
    }

    #[test]
    fn nobody_waits_for_large_requests_while_a_thread_is_free() {
        let (workers, mut lane, said, go) = working();
        let next = || said.recv_timeout(IN_TIME).unwrap();
        (0..2).for_each(|_| ask(&mut lane, "/wait", SMALL + 1));
        (0..100).for_each(|_| ask(&mut lane, "/small", 100));
        let (large, small): (Vec<_>, Vec<_>) = (0..102)
            .map(|_| next())
            .partition(|(target, _)| target == "/wait");
        assert_eq!((large.len(), small.len()), (2, 100));
        let busy = |thread: &String| large.iter().any(|(_, large)| large == thread);
        assert!(!small.iter().any(|(_, thread)| busy(thread)), "{large:?}");
        drop(go);
        workers.stop();
    }
}
