//! The threads that take requests off the lanes. A panic in one costs the request that caused it, nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::lanes::Requests;
use super::outbox::{Deferred, Outbox};
use super::request::Request;

/// The running threads.
#[derive(Debug)]
pub struct Workers {
    requests: Arc<Requests>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads. Whichever is free takes the next request; `handle` must not wait for anything.
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
        let spawn = |n| {
            let (requests, handle) = (Arc::clone(&requests), Arc::clone(&handle));
            let outbox = Arc::clone(outbox);
            thread::Builder::new()
                .name(format!("worker {}", n + 1))
                .spawn(move || {
                    while let Some((ticket, request)) = requests.next() {
                        let deferred = Deferred::new(ticket, &outbox);
                        run(|| handle(request, deferred));
                    }
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

/// Runs a handler. A panic drops its duty to answer, which makes 503.
pub fn run(handle: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(handle)).is_err() {
        log::error!(
            "a request was lost to a panic (RUST_BACKTRACE=1 shows where); WeChat delivers it again"
        );
    }
}
