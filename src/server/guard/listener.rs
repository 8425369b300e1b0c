//! Where the server listens: the bound socket, and the errors an owner can act upon.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token, event::Source};
use rustix::fs::{Access, access};
use socket2::{Domain, SockAddr, Socket, Type};

use super::stream::Stream;
use crate::config::Listen;
use crate::server::http::peer::Peer;

/// Connections that the kernel keeps ready for us while we are busy.
pub const BACKLOG: u16 = 1024;

/// Why the server cannot listen.
#[derive(Debug)]
pub enum ListenError {
    /// Another program listens there already.
    InUse(Listen),
    /// The system does not let this user listen there.
    Denied(Listen),
    /// Something that is not a socket is in the place of the Unix socket.
    Occupied(PathBuf),
    /// Anything else.
    Failed(Listen, io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.advising("server.listen"))
    }
}

impl ListenError {
    /// What is wrong, and what to do; `key` is the one that names the address.
    #[must_use]
    pub fn advising(&self, key: &str) -> String {
        match self {
            ListenError::InUse(listen) => {
                format!("listen: {listen}: already in use; stop the other program or change {key}")
            }
            ListenError::Denied(Listen::Tcp(address)) => format!(
                "listen: {address}: permission denied; ports below 1024 need the capability \
                 CAP_NET_BIND_SERVICE, or choose a higher port in {key}"
            ),
            ListenError::Denied(listen @ Listen::Unix(_)) => format!(
                "listen: {listen}: permission denied; the folder must be writable by this user"
            ),
            ListenError::Occupied(path) => format!(
                "listen: unix:{}: there is a file that is not a socket; remove it or change {key}",
                path.display()
            ),
            ListenError::Failed(listen, error) => format!("listen: {listen}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ListenError::Failed(_, error) => Some(error),
            ListenError::InUse(_) | ListenError::Denied(_) | ListenError::Occupied(_) => None,
        }
    }
}

impl ListenError {
    fn new(listen: &Listen, error: io::Error) -> ListenError {
        match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(listen.clone()),
            io::ErrorKind::PermissionDenied => ListenError::Denied(listen.clone()),
            _ => ListenError::Failed(listen.clone(), error),
        }
    }
}

/// The public listening socket, bound and ready. Dropping it stops listening and removes a Unix socket's file.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    local: Listen,
    /// Errors that `accept` returns first, for tests.
    #[cfg(test)]
    pub faults: std::collections::VecDeque<io::Error>,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// The file of our Unix socket; removed with the listener unless another one has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    /// Binds and listens: SO_REUSEADDR, a backlog of 1024, TCP_NODELAY for every connection.
    ///
    /// A Unix socket's file gets the mode 0666 before anybody can connect: a
    /// reverse proxy of another user must reach it, and a request is believed by its signature alone. A file left behind by a
    /// dead server is replaced; one that somebody still answers on is [`ListenError::InUse`].
    pub fn bind(listen: &Listen) -> Result<Listener, ListenError> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address),
            Listen::Unix(path) => {
                clear_stale_socket(path, listen)?;
                bind_unix(path)
            }
        };
        let (socket, local) = bound.map_err(|error| ListenError::new(listen, error))?;
        Ok(Listener {
            socket,
            local,
            #[cfg(test)]
            faults: std::collections::VecDeque::new(),
        })
    }

    /// Whether [`Listener::bind`] would succeed now. Nothing is left behind: a TCP port is bound and given back, a Unix
    /// socket is only looked at.
    pub fn look(listen: &Listen) -> Result<(), ListenError> {
        match listen {
            Listen::Tcp(address) => bind_tcp(*address)
                .map(drop)
                .map_err(|error| ListenError::new(listen, error)),
            Listen::Unix(path) => {
                refuse_occupied(path, listen)?;
                let folder = path.parent().unwrap_or(Path::new("/"));
                access(folder, Access::WRITE_OK | Access::EXEC_OK)
                    .map_err(|error| ListenError::new(listen, error.into()))
            }
        }
    }

    /// The address in force; with port 0 asked for, the port that the system chose.
    pub fn local_addr(&self) -> &Listen {
        &self.local
    }

    /// Takes one waiting connection; `WouldBlock` when there is none.
    pub(super) fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        #[cfg(test)]
        if let Some(error) = self.faults.pop_front() {
            return Err(error);
        }
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                let peer = Peer::Ip(address.ip().to_canonical());
                Ok((Stream::Tcp(stream), peer))
            }
            ListeningSocket::Unix { listener, .. } => {
                let (stream, _) = listener.accept()?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            ListeningSocket::Tcp(listener) => {
                listener.register(registry, token, Interest::READABLE)
            }
            ListeningSocket::Unix { listener, .. } => {
                listener.register(registry, token, Interest::READABLE)
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<(ListeningSocket, Listen)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Linux hands this down to every accepted connection, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    let listener = std::net::TcpListener::from(socket);
    let local = Listen::Tcp(listener.local_addr()?);
    Ok((ListeningSocket::Tcp(TcpListener::from_std(listener)), local))
}

fn bind_unix(path: &Path) -> io::Result<(ListeningSocket, Listen)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before listen(), so the mode is right from the first connection on.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    let metadata = std::fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (metadata.dev(), metadata.ino()),
    };
    socket.listen(BACKLOG.into())?;
    let listener = UnixListener::from_std(std::os::unix::net::UnixListener::from(OwnedFd::from(
        socket,
    )));
    Ok((
        ListeningSocket::Unix {
            listener,
            _file: file,
        },
        Listen::Unix(path.to_owned()),
    ))
}

/// Removes the file of a server that is gone, so that the address can be bound again.
fn clear_stale_socket(path: &Path, listen: &Listen) -> Result<(), ListenError> {
    match refuse_occupied(path, listen)? {
        Place::Free => Ok(()),
        Place::Stale => std::fs::remove_file(path).map_err(|error| ListenError::new(listen, error)),
    }
}

/// What is at the path of a Unix socket that can be bound.
enum Place {
    Free,
    /// The file of a server that is gone.
    Stale,
}

/// Refuses a path where another program listens, or where there is no socket.
fn refuse_occupied(path: &Path, listen: &Listen) -> Result<Place, ListenError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(ListenError::new(listen, error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::Occupied(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(listen.clone())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Place::Stale),
        Err(error) => Err(ListenError::new(listen, error)),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("listen: removing {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Listen {
        text.parse().unwrap()
    }

    #[test]
    fn port_zero_tells_the_port_that_was_chosen() {
        let listener = Listener::bind(&parse("127.0.0.1:0")).unwrap();
        let Listen::Tcp(address) = listener.local_addr() else {
            panic!("not a TCP address");
        };
        assert_ne!(address.port(), 0);
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = Listener::bind(&parse("127.0.0.1:0")).unwrap();
        let error = Listener::bind(first.local_addr()).unwrap_err();
        assert!(matches!(error, ListenError::InUse(_)), "{error}");
        assert!(error.to_string().contains("server.listen"), "{error}");
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let listen = Listen::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file behind");

        let first = Listener::bind(&listen).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        let error = Listener::bind(&listen).unwrap_err();
        assert!(matches!(error, ListenError::InUse(_)), "{error}");
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_place_of_the_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "precious").unwrap();
        let error = Listener::bind(&Listen::Unix(path.clone())).unwrap_err();
        assert!(matches!(error, ListenError::Occupied(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_socket_that_took_our_place_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let listener = Listener::bind(&Listen::Unix(path.clone())).unwrap();
        let successor_path = dir.path().join("new.sock");
        let _successor = std::os::unix::net::UnixListener::bind(&successor_path).unwrap();
        std::fs::rename(&successor_path, &path).unwrap();
        drop(listener);
        assert!(path.exists());
    }
}
