//! The threads that answer. A panic in one costs the request that caused it, nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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
                .spawn(move || work(&requests, &callback))
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

fn work(requests: &Requests, callback: &Callback) {
    while let Some(request) = requests.recv() {
        // The request is dropped on the way out of a panic; tiny_http then answers it 500 and the guard makes that 503.
        if catch_unwind(AssertUnwindSafe(|| callback.handle(request))).is_err() {
            log::error!(
                "a request was lost to a panic (RUST_BACKTRACE=1 shows where); the platform delivers it again"
            );
        }
    }
}
