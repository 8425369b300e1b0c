//! The threads that answer. A panic in one costs the request that caused it, nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::exchange::{Exchange, Reply};
use super::lanes::Requests;
use crate::server::callback::Callback;
use crate::server::callback::answer::UNAVAILABLE;

/// The running threads.
#[derive(Debug)]
pub struct Workers {
    lanes: Vec<Arc<Requests>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each lane.
    pub fn start(lanes: Vec<Arc<Requests>>, callback: Callback) -> io::Result<Workers> {
        let callback = Arc::new(callback);
        let spawn = |(n, requests): (usize, &Arc<Requests>)| {
            let (requests, callback) = (Arc::clone(requests), Arc::clone(&callback));
            thread::Builder::new()
                .name(format!("worker {}", n + 1))
                .spawn(move || {
                    let expired = |count| callback.expired(count);
                    work(&requests, |exchange| callback.handle(exchange), expired);
                })
        };
        let threads = lanes
            .iter()
            .enumerate()
            .map(spawn)
            .collect::<io::Result<_>>()?;
        Ok(Workers { lanes, threads })
    }

    /// Ends the threads after the requests that wait.
    pub fn stop(self) {
        self.lanes.iter().for_each(|requests| requests.stop());
        for thread in self.threads {
            thread.join().ok();
        }
    }
}

fn work(requests: &Requests, handle: impl Fn(Exchange), expired: impl Fn(usize)) {
    let late = Reply::text(503, UNAVAILABLE);
    while let Some(exchange) = requests.next(&late, &expired) {
        // The exchange is dropped on the way out of a panic, which the guard turns into 503.
        if catch_unwind(AssertUnwindSafe(|| handle(exchange))).is_err() {
            log::error!(
                "a request was lost to a panic (RUST_BACKTRACE=1 shows where); the platform delivers it again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::server::http::lanes::Lanes;

    #[test]
    fn a_panic_costs_its_request_and_the_thread_goes_on() {
        let (lanes, mut requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        let requests = requests.remove(0);
        let worker = {
            let requests = Arc::clone(&requests);
            thread::spawn(move || {
                work(
                    &requests,
                    |exchange| {
                        assert!(
                            exchange.request().url() == "/fine",
                            "what this test is about"
                        );
                        exchange.answer(&Reply::text(200, "answered"));
                    },
                    |_| {},
                );
            })
        };
        let mut lane = lanes.streams.into_iter().next().unwrap();
        lane.set_nonblocking(false).unwrap();
        let mut ask = |path: &str| {
            write!(lane, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
            let mut answer = vec![0; 1024];
            let length = lane.read(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[..length]).into_owned()
        };
        for _ in 0..3 {
            // The guard makes 503 of it.
            assert!(ask("/panic").starts_with("HTTP/1.1 500 "));
            assert!(ask("/fine").ends_with("answered"));
        }
        requests.stop();
        worker.join().unwrap();
    }
}
