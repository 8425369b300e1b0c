//! A bounded queue, with a thread of its own, that takes the server's log to stderr so that nothing waits for the reader.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait, about 10,000 pushes; lines beyond that are dropped and counted.
const MOST: usize = 1024 * 1024;

/// A buffer that has grown beyond this many bytes is freed after use.
const KEPT: usize = 64 * 1024;

/// How long lines are collected before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// The pause between attempts if another program has made stderr nonblocking.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// A handle to the queue, shared by its clones. It takes whole lines and never waits for the reader of stderr.
#[derive(Clone)]
pub struct LogQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: usize,
    /// The thread has taken lines and is writing them.
    writing: bool,
}

impl LogQueue {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the thread cannot be started, or stderr is closed.
    pub fn to_stderr() -> io::Result<LogQueue> {
        // Not through `std::io::stderr`, as a hanging write would hold its lock.
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        LogQueue::start(File::from(stderr))
    }

    fn start(out: impl Write + Send + 'static) -> io::Result<LogQueue> {
        let queue = LogQueue(Arc::default());
        let own = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || own.write_out(out))?;
        Ok(queue)
    }

    /// Waits until everything is written, but no longer than `time`.
    pub fn flush_within(&self, time: Duration) {
        let waiting = self.lock();
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        // Nothing depends on whether all of it was written.
        drop(self.0.changed.wait_timeout_while(waiting, time, busy));
    }

    /// Adds whole lines, or drops and counts them if the queue is full.
    pub fn push(&self, lines: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.is_empty() || waiting.lines.len() + lines.len() <= MOST {
            waiting.lines.extend_from_slice(lines);
            if !waiting.writing {
                self.0.changed.notify_all();
            }
        } else {
            waiting.dropped += lines.iter().filter(|byte| **byte == b'\n').count();
        }
    }

    fn write_out(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut waiting = self.lock();
            waiting.writing = false;
            if waiting.lines.is_empty() {
                self.0.changed.notify_all();
            }
            while waiting.lines.is_empty() {
                waiting = self
                    .0
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            waiting.writing = true;
            drop(waiting);
            // Lines that arrive meanwhile go out in the same write without waking the thread: a wake-up for each line
            // would cost a tenth of a push's processor time.
            thread::sleep(GATHER);
            let mut waiting = self.lock();
            mem::swap(&mut batch, &mut waiting.lines);
            let dropped = mem::take(&mut waiting.dropped);
            drop(waiting);
            write_whole(&mut out, &batch);
            match dropped {
                0 => {}
                1 => log::warn!("1 line was not logged: nobody reads stderr"),
                _ => log::warn!("{dropped} lines were not logged: nobody reads stderr"),
            }
            batch.clear();
            if batch.capacity() > KEPT {
                batch = Vec::new();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes everything, or gives up: there is nowhere to report that stderr is broken.
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TRY_AGAIN),
            Err(_) => return,
        }
    }
}

impl Write for LogQueue {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.push(lines);
        Ok(lines.len())
    }

    /// Does nothing: logging never waits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for LogQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogQueue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::time::Instant;

    use super::*;

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (mut reader, writer) = pipe().expect("a pipe");
        let queue = LogQueue::start(writer).expect("started");
        let reading = thread::spawn(move || {
            let mut read = vec![0; 1000 * 8];
            reader.read_exact(&mut read).map(|()| read)
        });
        let mut expected = Vec::new();
        for n in 0..1000 {
            let line = format!("line{n:03}\n");
            queue.push(line.as_bytes());
            expected.extend_from_slice(line.as_bytes());
        }
        queue.flush_within(Duration::from_secs(60));
        assert!(reading.join().expect("read").expect("whole") == expected);
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_without_blocking() {
        let (reader, writer) = pipe().expect("a pipe");
        let queue = LogQueue::start(writer).expect("started");
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let begun = Instant::now();
        // The pipe and the batch being written hold lines too; lines dropped before that batch are not counted here.
        while queue.lock().dropped < 1024 {
            queue.push(&line);
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
        assert!(queue.lock().lines.len() <= MOST);
        queue.flush_within(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(60));
        drop(reader);
        queue.flush_within(Duration::from_secs(60));
        assert!(queue.lock().lines.is_empty(), "a broken pipe takes all");
    }
}
