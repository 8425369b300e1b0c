//! Reports to systemd: ready, reloading, stopping and, while the store really takes writes, alive.
//!
//! The protocol is that of sd_notify(3): a few lines of text in one message to the socket that `$NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::app::App;
use crate::notifier::Woken;

/// How long a service manager that reads nothing may hold up the thread that reports to it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The states of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Reloading,
    Stopping,
    Alive,
}

impl State {
    /// The message. A reload has the time at which it began: systemd 253 and later believe no other.
    fn message(self) -> String {
        match self {
            State::Ready => "READY=1\n".to_owned(),
            State::Stopping => "STOPPING=1\n".to_owned(),
            State::Alive => "WATCHDOG=1\n".to_owned(),
            State::Reloading => {
                let now = clock_gettime(ClockId::Monotonic);
                let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
                format!("RELOADING=1\nMONOTONIC_USEC={now}\n")
            }
        }
    }
}

/// Reports to systemd, if it asked for reports. Takes at most a second.
pub(super) fn notify(state: State) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    let sent = Address::read(&name).and_then(|address| address.send(state.message().as_bytes()));
    if let Err(error) = sent {
        log::warn!("systemd: NOTIFY_SOCKET={name:?}: {state:?} could not be sent: {error}");
    }
}

/// Where the service manager listens, in one of the forms of sd_notify(3): `/PATH`, `@NAME` (the abstract
/// namespace of Linux), or `vsock:CID:PORT` for a manager outside of this virtual machine, where `vsock-stream:`,
/// `vsock-dgram:` and `vsock-seqpacket:` fix the kind of socket.
#[derive(Debug)]
struct Address {
    domain: Domain,
    /// Tried in this order, because not every hypervisor has every kind.
    kinds: &'static [Type],
    address: SockAddr,
}

impl Address {
    fn read(name: &OsStr) -> io::Result<Address> {
        let bytes = name.as_bytes();
        let unix = |path: &OsStr| {
            Ok(Address {
                domain: Domain::UNIX,
                kinds: &[Type::DGRAM],
                address: SockAddr::unix(Path::new(path))?,
            })
        };
        match bytes.split_first() {
            Some((b'/', _)) => return unix(name),
            Some((b'@', rest)) => return unix(OsStr::from_bytes(&[b"\0", rest].concat())),
            Some(_) | None => {}
        }
        let vsock = name.to_str().and_then(Address::read_vsock);
        vsock.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither an absolute path nor @NAME nor vsock:CID:PORT",
            )
        })
    }

    fn read_vsock(name: &str) -> Option<Address> {
        let (kind, place) = name.split_once(':')?;
        let kinds: &[Type] = match kind {
            "vsock" => &[Type::DGRAM, Type::SEQPACKET, Type::STREAM],
            "vsock-dgram" => &[Type::DGRAM],
            "vsock-seqpacket" => &[Type::SEQPACKET],
            "vsock-stream" => &[Type::STREAM],
            _ => return None,
        };
        let (cid, port) = place.split_once(':')?;
        let cid = match cid {
            "hypervisor" => 0,
            "local" => 1,
            "host" => 2,
            // The highest number stands for "any", which nobody can be reached at.
            number => number.parse().ok().filter(|cid| *cid != u32::MAX)?,
        };
        let port = port.parse().ok().filter(|port| *port != u32::MAX)?;
        Some(Address {
            domain: Domain::VSOCK,
            kinds,
            address: SockAddr::vsock(cid, port),
        })
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        let mut made = Err(io::Error::from(io::ErrorKind::Unsupported));
        for kind in self.kinds {
            made = Socket::new(self.domain, *kind, None);
            if made.is_ok() {
                break;
            }
        }
        let mut socket = made?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(&self.address)?;
        socket.write_all(message)
    }
}

/// Feeds systemd's watchdog while the writer commits, until the program stops. Returns at once without a watchdog.
pub(super) fn feed_watchdog(app: &Arc<App>) {
    let Some(patience) = watchdog() else {
        return;
    };
    let pace = (patience / 3).max(Duration::from_millis(100));
    loop {
        // Reported from here and not by the writer, which must not wait for systemd.
        let (done, probed) = channel();
        app.store.probe(move |probe| {
            done.send(probe).ok();
        });
        match probed.recv_timeout(pace) {
            Ok(Ok(())) => notify(State::Alive),
            // No sign of life: after a while systemd restarts the server.
            Ok(Err(error)) => log::debug!("watchdog: {error}"),
            Err(_) => log::debug!("watchdog: the store did not answer"),
        }
        if app.notifiers.watchdog.pause(pace) == Woken::Closing {
            return;
        }
    }
}

/// How long systemd waits for a sign of life of this process; `None` if it does not.
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let of_another = std::env::var_os("WATCHDOG_PID").is_some()
        && number("WATCHDOG_PID") != Some(std::process::id().into());
    let micros = number("WATCHDOG_USEC").filter(|&micros| micros != 0 && micros != u64::MAX)?;
    (!of_another).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> io::Result<Address> {
        Address::read(OsStr::new(name))
    }

    #[test]
    fn a_manager_outside_of_the_virtual_machine_is_found_by_its_numbers() {
        for (name, cid, port, kinds) in [
            ("vsock:2:1234", 2, 1234, 3),
            ("vsock:host:1234", 2, 1234, 3),
            ("vsock:local:0", 1, 0, 3),
            ("vsock-stream:hypervisor:7", 0, 7, 1),
            ("vsock-dgram:4294967294:9", 4_294_967_294, 9, 1),
            ("vsock-seqpacket:3:9", 3, 9, 1),
        ] {
            let address = read(name).unwrap();
            assert_eq!(address.address.as_vsock_address(), Some((cid, port)));
            assert_eq!(address.kinds.len(), kinds, "{name}");
        }
    }

    #[test]
    fn paths_and_abstract_names_are_recognised() {
        let path = read("/run/systemd/notify").unwrap().address;
        assert_eq!(path.as_pathname(), Some(Path::new("/run/systemd/notify")));
        let name = read("@manager").unwrap().address;
        assert_eq!(name.as_abstract_namespace(), Some(b"manager".as_slice()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("/{}", "x".repeat(200));
        for name in [
            "relative",
            "vsock",
            "vsock:",
            "vsock:2",
            "vsock:2:",
            "vsock::1",
            "vsock:2:x",
            "vsock:-1:2",
            "vsock:4294967295:1",
            "vsock:2:4294967295",
            "vsock-raw:2:1",
            &long,
        ] {
            assert!(read(name).is_err(), "{name}");
        }
    }
}
