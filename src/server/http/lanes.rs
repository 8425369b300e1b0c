//! The way from the guard to `tiny_http`: private connections that nobody else can have, one for each worker, and the requests that come out at their ends.

use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tiny_http::Server;

use super::exchange::{Exchange, Outbox, Reply, TIME_LIMIT};
use crate::random;

/// How long `tiny_http` may take to answer the probe at the start.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The guard's ends of the private connections to `tiny_http`.
#[derive(Debug)]
pub struct Lanes {
    pub streams: Vec<UnixStream>,
}

/// The other end of one lane: whole, small, well-formed requests in the order in which the guard sent them, for one worker.
///
/// Each lane has a `tiny_http` of its own: requests come one after another over one connection
/// without waiting for answers (HTTP/1.1 pipelining), and only where one thread takes them all is their
/// order known, in which the answers must leave. Many requests then cost one write and one read on
/// the lane; a connection for each of them took a third more processor time.
///
/// Dropping this does not end `tiny_http`'s thread that waits for more connections, which cannot come
/// (the socket file it would need for that is gone); it ends with the process and holds nothing but
/// its listening socket.
pub struct Requests {
    server: Server,
    stopping: AtomicBool,
    outbox: Arc<Outbox>,
}

impl Lanes {
    /// Starts `count` lanes (at least one), each with a `tiny_http` on a private Unix socket.
    ///
    /// The sockets live in directories of their own, mode 0700, under `$RUNTIME_DIRECTORY`, the
    /// directory for temporary files, or `last_resort`, whichever can be written first. They are
    /// removed before this returns: nobody else can reach `tiny_http`, and a killed server leaves
    /// nothing behind.
    ///
    /// # Errors
    /// When no place can be written, or when there are too few file descriptors.
    pub fn start(count: usize, last_resort: &Path) -> io::Result<(Lanes, Vec<Arc<Requests>>)> {
        let runtime = std::env::var_os("RUNTIME_DIRECTORY").and_then(|value| {
            // systemd gives a list when a unit has several; any of them will do.
            std::env::split_paths(&value).next()
        });
        let mut tried = Err(io::Error::from(io::ErrorKind::NotFound));
        for place in runtime
            .into_iter()
            .chain([std::env::temp_dir(), last_resort.to_owned()])
        {
            tried = Lanes::start_in(&place, count);
            if tried.is_ok() {
                break;
            }
        }
        tried
    }

    fn start_in(base: &Path, count: usize) -> io::Result<(Lanes, Vec<Arc<Requests>>)> {
        let lanes = (0..count.max(1)).map(|_| start_one(base));
        let (streams, requests) = lanes.collect::<io::Result<(Vec<_>, Vec<_>)>>()?;
        Ok((Lanes { streams }, requests))
    }
}

fn start_one(base: &Path) -> io::Result<(UnixStream, Arc<Requests>)> {
    let directory = PrivateDirectory::create(base)?;
    let listener = UnixListener::bind(directory.socket())
        .map_err(|error| explain("binding the private socket", error))?;
    let server = Server::from_listener(listener, None)
        .map_err(|error| io::Error::other(format!("lanes: starting tiny_http: {error}")))?;
    let mut stream = UnixStream::connect(directory.socket())
        .map_err(|error| explain("connecting a lane", error))?;
    let requests = Arc::new(Requests {
        server,
        stopping: AtomicBool::new(false),
        outbox: Arc::default(),
    });
    probe(&requests, &mut stream).map_err(|error| explain("probing tiny_http", error))?;
    stream.set_nonblocking(true)?;
    Ok((stream, requests))
}

fn explain(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("lanes: {what}: {error}"))
}

/// Sends one request through a new lane and waits for its answer: a start with too few file descriptors
/// or threads shows here, not with the first client.
fn probe(requests: &Requests, lane: &mut UnixStream) -> io::Result<()> {
    lane.set_read_timeout(Some(PROBE_TIMEOUT))?;
    lane.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let request = requests
        .server
        .recv_timeout(PROBE_TIMEOUT)?
        .ok_or(io::ErrorKind::TimedOut)?;
    let reply = Reply::text(200, "");
    Exchange::new(request, &requests.outbox).answer(&reply);
    lane.read_exact(&mut vec![0; reply.render(true).len()])?;
    lane.set_read_timeout(None)
}

impl Requests {
    /// Waits for the next request; `None` once [`Requests::stop`] was called and all before it are taken.
    ///
    /// Meanwhile `late` is the answer to those whose [`TIME_LIMIT`] is over, and `expired` hears how many.
    ///
    /// For one thread only: the order in which requests are taken is the order in which their answers leave.
    pub fn next(&self, late: &Reply<'_>, expired: impl Fn(usize)) -> Option<Exchange> {
        loop {
            let now = Instant::now();
            let (given_up, next) = self.outbox.expire(now, TIME_LIMIT, late);
            if given_up > 0 {
                expired(given_up);
            }
            let received = match next {
                None => self.server.recv().map(Some),
                Some(next) => self
                    .server
                    .recv_timeout(next.saturating_duration_since(now)),
            };
            match received {
                Ok(Some(request)) => return Some(Exchange::new(request, &self.outbox)),
                Ok(None) | Err(_) if self.stopping.load(Ordering::Acquire) => return None,
                Ok(None) => {}
                // It accepts no more connections, which are all there already.
                Err(error) => log::warn!("lanes: tiny_http: {error}"),
            }
        }
    }

    /// The same for tests, which give it the time it needs.
    #[cfg(test)]
    pub fn recv(&self) -> Option<Exchange> {
        self.next(&Reply::text(503, ""), |_| {})
    }

    /// Lets [`Requests::next`] return `None` after the requests that wait already.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.server.unblock();
    }

    /// Where the answers to these requests gather.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// The directory of the private socket; gone with this value.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create(base: &Path) -> io::Result<PrivateDirectory> {
        let chance = random::number().map_err(io::Error::other)?;
        let path = base.join(format!("wechatd-{chance:016x}"));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| explain(&format!("creating {}", path.display()), error))?;
        Ok(PrivateDirectory(path))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let removed =
            std::fs::remove_file(self.socket()).and_then(|()| std::fs::remove_dir(&self.0));
        match removed {
            Ok(()) => {}
            // Binding failed, so there is only the directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = std::fs::remove_dir(&self.0);
            }
            Err(error) => log::warn!("lanes: removing {}: {error}", self.0.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_on_disk_and_every_lane_works() {
        let base = tempfile::tempdir().unwrap();
        let (lanes, requests) = Lanes::start_in(base.path(), 3).unwrap();
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
        for (mut lane, requests) in lanes.streams.into_iter().zip(requests) {
            lane.set_nonblocking(false).unwrap();
            lane.write_all(b"GET /x HTTP/1.1\r\n\r\n").unwrap();
            let exchange = requests.recv().unwrap();
            assert_eq!(exchange.request().url(), "/x");
            exchange.answer(&Reply::text(200, "fine"));
            let mut answer = vec![0; 256];
            let len = lane.read(&mut answer).unwrap();
            assert!(answer[..len].ends_with(b"\r\n\r\nfine"));
        }
    }

    #[test]
    fn stopping_ends_the_worker_after_what_was_waiting() {
        let (mut lanes, requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        let requests = &requests[0];
        lanes.streams[0]
            .write_all(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
            .unwrap();
        let first = requests.recv().unwrap();
        let second = requests.recv().unwrap();
        assert_eq!(
            [first.request().url(), second.request().url()],
            ["/1", "/2"]
        );
        requests.stop();
        assert!(requests.recv().is_none());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Lanes::start_in(Path::new("/nonexistent/place"), 1).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/place"), "{error}");
    }
}
