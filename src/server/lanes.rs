//! The way from the guard to `tiny_http`: a few private connections that nobody else can have, and the requests that come out at their end.

use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiny_http::{Method, Request, Server, StatusCode};

use crate::random;

/// Lanes for an ordinary server; so many requests can be under way inside at a time.
///
/// Each costs one thread of `tiny_http` and three file descriptors.
pub const DEFAULT_LANES: usize = 64;

/// How long `tiny_http` may take to answer the probe at the start.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The guard's ends of the private connections to `tiny_http`.
#[derive(Debug)]
pub struct Lanes {
    pub(super) streams: Vec<UnixStream>,
}

/// The other end: whole, small, well-formed requests, for any number of worker threads.
///
/// `tiny_http` keeps a thread for each lane and one that waits for more connections, which cannot
/// come. Dropping the last `Arc` of this does not end that one thread (the socket file it would
/// need for that is gone); it ends with the process and holds nothing but its listening socket.
pub struct Requests {
    server: Server,
    stopping: AtomicBool,
}

impl Lanes {
    /// Starts `tiny_http` on a private Unix socket and connects `count` lanes to it (at least one).
    ///
    /// The socket lives in a directory of its own, mode 0700, under `$RUNTIME_DIRECTORY`, the
    /// directory for temporary files, or `last_resort`, whichever can be written first. It is
    /// removed before this returns: nobody else can reach `tiny_http`, and a killed server leaves
    /// nothing behind.
    ///
    /// # Errors
    /// When no place can be written, or when there are too few file descriptors.
    pub fn start(count: usize, last_resort: &Path) -> io::Result<(Lanes, Arc<Requests>)> {
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

    fn start_in(base: &Path, count: usize) -> io::Result<(Lanes, Arc<Requests>)> {
        let directory = PrivateDirectory::create(base)?;
        let listener = UnixListener::bind(directory.socket())
            .map_err(|error| explain("binding the private socket", error))?;
        let server = Server::from_listener(listener, None)
            .map_err(|error| io::Error::other(format!("lanes: starting tiny_http: {error}")))?;
        let mut streams = Vec::with_capacity(count.max(1));
        for _ in 0..count.max(1) {
            let mut stream = UnixStream::connect(directory.socket())
                .map_err(|error| explain("connecting a lane", error))?;
            probe(&server, &mut stream).map_err(|error| explain("probing tiny_http", error))?;
            stream.set_nonblocking(true)?;
            streams.push(stream);
        }
        let requests = Requests {
            server,
            stopping: AtomicBool::new(false),
        };
        Ok((Lanes { streams }, Arc::new(requests)))
    }
}

fn explain(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("lanes: {what}: {error}"))
}

/// Sends one request through a new lane and waits for its answer, so that a thread of `tiny_http` is
/// known to serve it before the next lane is connected.
///
/// Connections that come at once can be queued behind threads which are idle no longer (its pool
/// counts a thread as idle until it has woken up); on connections that never end they would wait for
/// ever. It also shows a start with too few file descriptors before the first client does.
fn probe(server: &Server, lane: &mut UnixStream) -> io::Result<()> {
    lane.set_read_timeout(Some(PROBE_TIMEOUT))?;
    lane.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let request = server
        .recv_timeout(PROBE_TIMEOUT)?
        .ok_or(io::ErrorKind::TimedOut)?;
    let reply = Reply::text(200, "");
    reply.send(request)?;
    lane.read_exact(&mut vec![0; reply.render(true).len()])?;
    lane.set_read_timeout(None)
}

impl Requests {
    /// Waits for the next request; `None` once [`Requests::stop`] was called and all before it are taken.
    pub fn recv(&self) -> Option<Request> {
        loop {
            match self.server.recv() {
                Ok(request) => return Some(request),
                Err(_) if self.stopping.load(Ordering::Acquire) => {
                    // tiny_http wakes one waiting thread only; each wakes the next.
                    self.server.unblock();
                    return None;
                }
                // It accepts no more connections, which are all there already.
                Err(error) => log::warn!("lanes: tiny_http: {error}"),
            }
        }
    }

    /// Lets every [`Requests::recv`], now and later, return `None` after the requests that wait already.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.server.unblock();
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// One answer, ready to be sent in one write.
///
/// The guard adds what concerns the client's connection. Status 500 is reserved: `tiny_http` sends
/// it for a [`Request`] that is dropped unanswered, and the guard turns it into 503.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status code, 200 to 599 but not 500.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: &'a str,
    /// Other headers, name and value; not Content-Length, Connection or Transfer-Encoding.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; left out of the answer to HEAD.
    pub body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A `text/plain` answer without further headers.
    pub fn text(status: u16, body: &'a str) -> Reply<'a> {
        Reply {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: &[],
            body: body.as_bytes(),
        }
    }

    /// Sends the answer: one buffer, one write. Fails only when the guard has given this lane up.
    pub fn send(&self, request: Request) -> io::Result<()> {
        let bytes = self.render(*request.method() != Method::Head);
        let mut writer = request.into_writer();
        writer.write_all(&bytes)?;
        writer.flush()
    }

    fn render(&self, with_body: bool) -> Vec<u8> {
        let reason = StatusCode(self.status).default_reason_phrase();
        let mut bytes = Vec::with_capacity(self.body.len() + 256);
        let mut line = |parts: &[&str]| {
            for part in parts {
                bytes.extend_from_slice(part.as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        };
        line(&["HTTP/1.1 ", &self.status.to_string(), " ", reason]);
        line(&["Content-Type: ", self.content_type]);
        for (name, value) in self.headers {
            line(&[name, ": ", value]);
        }
        line(&["Content-Length: ", &self.body.len().to_string()]);
        line(&[]);
        if with_body {
            bytes.extend_from_slice(self.body);
        }
        bytes
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
        let (lanes, requests) = Lanes::start_in(base.path(), 9).unwrap();
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
        for mut lane in lanes.streams {
            lane.set_nonblocking(false).unwrap();
            lane.write_all(b"GET /x HTTP/1.1\r\n\r\n").unwrap();
            let request = requests.recv().unwrap();
            assert_eq!(request.url(), "/x");
            Reply::text(200, "fine").send(request).unwrap();
            let mut answer = vec![0; 256];
            let len = lane.read(&mut answer).unwrap();
            assert!(answer[..len].ends_with(b"\r\n\r\nfine"));
        }
    }

    #[test]
    fn stopping_ends_every_worker_after_what_was_waiting() {
        let (mut lanes, requests) = Lanes::start(2, &std::env::temp_dir()).unwrap();
        for lane in &mut lanes.streams {
            lane.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        }
        // The second request is known to wait once the first two have been received by one thread.
        let first = requests.recv().unwrap();
        let second = requests.recv().unwrap();
        requests.stop();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let requests = Arc::clone(&requests);
                std::thread::spawn(move || requests.recv().is_none())
            })
            .collect();
        for worker in workers {
            assert!(worker.join().unwrap());
        }
        drop((first, second));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Lanes::start_in(Path::new("/nonexistent/place"), 1).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/place"), "{error}");
    }

    #[test]
    fn a_reply_is_written_with_its_headers() {
        let reply = Reply {
            status: 405,
            content_type: "text/plain",
            headers: &[("Allow", "GET, POST")],
            body: b"no",
        };
        let head = "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\n\
                    Allow: GET, POST\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(reply.render(true), format!("{head}no").into_bytes());
        assert_eq!(reply.render(false), head.as_bytes());
    }
}
