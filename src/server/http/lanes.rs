//! The way from the guard to `tiny_http`: private connections that nobody else can have, and the requests that come out at their ends.

use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiny_http::Server;

use super::outbox::Ticket;
use super::request::Request;
use crate::random;

/// How long `tiny_http` may take to read the probe at the start.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The guard's ends of the private connections to `tiny_http`.
///
/// Requests go in one after another without waiting for answers (HTTP/1.1 pipelining), many with one write. No answer
/// comes back on them: `tiny_http` could only send answers in the order of the requests, and a push that waits for the
/// disk would hold up all behind it. Answers go through the [`Outbox`](super::outbox::Outbox).
#[derive(Debug)]
pub struct Lanes {
    pub streams: Vec<UnixStream>,
}

/// Whole, small, well-formed requests, for the threads that take turns with them.
///
/// Dropping this does not end `tiny_http`'s thread that waits for more connections, which cannot come
/// (the socket file it would need for that is gone); it ends with the process and holds nothing but
/// its listening socket.
pub struct Requests {
    server: Server,
    stopping: AtomicBool,
}

impl Lanes {
    /// Starts one `tiny_http` on a private Unix socket, and `count` lanes to it (at least one). Each lane has a thread
    /// of `tiny_http` that parses its requests.
    ///
    /// The socket lives in a directory of its own, mode 0700, under `$RUNTIME_DIRECTORY`, the
    /// directory for temporary files, or `last_resort`, whichever can be written first. It is
    /// removed before this returns: nobody else can reach `tiny_http`, and a killed server leaves
    /// nothing behind.
    ///
    /// # Errors
    /// When no place can be written, or when there are too few file descriptors.
    pub fn start(count: usize, last_resort: &Path) -> io::Result<(Lanes, Requests)> {
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

    fn start_in(base: &Path, count: usize) -> io::Result<(Lanes, Requests)> {
        let directory = PrivateDirectory::create(base)?;
        let listener = UnixListener::bind(directory.socket())
            .map_err(|error| explain("binding the private socket", error))?;
        let server = Server::from_listener(listener, None)
            .map_err(|error| io::Error::other(format!("lanes: starting tiny_http: {error}")))?;
        let connect = |_| {
            let mut stream = UnixStream::connect(directory.socket())
                .map_err(|error| explain("connecting a lane", error))?;
            probe(&server, &mut stream).map_err(|error| explain("probing tiny_http", error))?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let streams = (0..count.max(1)).map(connect).collect::<io::Result<_>>()?;
        let requests = Requests {
            server,
            stopping: AtomicBool::new(false),
        };
        Ok((Lanes { streams }, requests))
    }
}

fn explain(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("lanes: {what}: {error}"))
}

/// Sends one request through a new lane and waits until it has come out: a start with too few file descriptors
/// or threads shows here, not with the first client.
fn probe(server: &Server, lane: &mut UnixStream) -> io::Result<()> {
    lane.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let request = server
        .recv_timeout(PROBE_TIMEOUT)?
        .ok_or(io::ErrorKind::TimedOut)?;
    drop(request.into_writer());
    Ok(())
}

impl Requests {
    /// Waits for the next request; `None` after [`Requests::stop`].
    pub fn next(&self) -> Option<(Ticket, Request)> {
        loop {
            match self.server.recv().map(Request::receive) {
                Ok(Ok(received)) => return Some(received),
                Ok(Err(error)) => log::error!("lanes: a request could not be read: {error}"),
                Err(_) if self.stopping.load(Ordering::Acquire) => return None,
                // It accepts no more connections, which are all there already.
                Err(error) => log::warn!("lanes: tiny_http: {error}"),
            }
        }
    }

    /// Lets this many threads return from [`Requests::next`] after the requests that wait already.
    pub fn stop(&self, threads: usize) {
        self.stopping.store(true, Ordering::Release);
        (0..threads).for_each(|_| self.server.unblock());
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
    use std::io::Read;

    use super::*;
    use crate::server::http::headers::PEER_HEADER;
    use crate::server::http::peer::Peer;

    fn ask(lane: &mut UnixStream, target: &str) {
        lane.set_nonblocking(false).unwrap();
        write!(
            lane,
            "GET {target} HTTP/1.1\r\n{PEER_HEADER}: 0.1 unix\r\n\r\n"
        )
        .unwrap();
    }

    #[test]
    fn nothing_is_left_on_disk_and_every_lane_works() {
        let base = tempfile::tempdir().unwrap();
        let (lanes, requests) = Lanes::start_in(base.path(), 3).unwrap();
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
        for mut lane in lanes.streams {
            ask(&mut lane, "/x");
            let (ticket, request) = requests.next().unwrap();
            assert_eq!(ticket.to_string(), "0.1");
            assert_eq!((request.target.as_str(), request.peer), ("/x", Peer::Unix));
            drop(request);
            // Not a byte comes back.
            lane.set_nonblocking(true).unwrap();
            let nothing = lane.read(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn stopping_ends_the_threads_after_what_was_waiting() {
        let (mut lanes, requests) = Lanes::start(1, &std::env::temp_dir()).unwrap();
        ask(&mut lanes.streams[0], "/1");
        ask(&mut lanes.streams[0], "/2");
        let next = || requests.next().map(|(_, request)| request.target);
        assert_eq!(
            [next(), next()],
            ["/1", "/2"].map(|target| Some(target.to_owned()))
        );
        requests.stop(1);
        assert_eq!(next(), None);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Lanes::start_in(Path::new("/nonexistent/place"), 1).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/place"), "{error}");
    }
}
