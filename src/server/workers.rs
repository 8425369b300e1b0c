//! The threads that answer. A panic in one costs the request that caused it, nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tiny_http::Request;

use super::callback::Callback;
use super::lanes::Requests;

/// The running threads.
#[derive(Debug)]
pub(super) struct Workers {
    requests: Arc<Requests>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(
        count: usize,
        requests: Arc<Requests>,
        callback: Callback,
    ) -> io::Result<Workers> {
        let callback = Arc::new(callback);
        let spawn = |n: usize| {
            let (requests, callback) = (Arc::clone(&requests), Arc::clone(&callback));
            thread::Builder::new()
                .name(format!("worker {n}"))
                .spawn(move || work(&requests, |request| callback.handle(request)))
        };
        let threads = (1..=count).map(spawn).collect::<io::Result<_>>()?;
        Ok(Workers { requests, threads })
    }

    /// Ends the threads after the requests that wait.
    pub(super) fn stop(self) {
        self.requests.stop();
        for thread in self.threads {
            thread.join().ok();
        }
    }
}

fn work(requests: &Requests, handle: impl Fn(Request)) {
    while let Some(request) = requests.recv() {
        // The request is dropped on the way out of a panic; tiny_http then answers it 500 and the guard makes that 503.
        if catch_unwind(AssertUnwindSafe(|| handle(request))).is_err() {
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
    use crate::server::lanes::{Lanes, Reply};

    #[test]
    fn a_panic_costs_its_request_and_the_thread_goes_on() {
        let (lanes, requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        let worker = {
            let requests = Arc::clone(&requests);
            thread::spawn(move || {
                work(&requests, |request| {
                    assert!(request.url() == "/fine", "what this test is about");
                    Reply::text(200, "answered").send(request).unwrap();
                });
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
