//! The resources of a process, from `/proc`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Processor time of this thread, in hundredths of a second. Unlike elapsed time it does not depend on how busy the
/// machine is.
pub fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name in parentheses, which may contain anything, is followed by eleven fields and the ticks of both modes.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Threads, file descriptors and memory of a process at one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub fds: usize,
    /// Those of them that are sockets.
    pub sockets: usize,
    /// Resident memory in KiB.
    pub rss: usize,
}

impl Vitals {
    /// Reads those of a running process.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let figure = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let fds: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|fd| std::fs::read_link(fd.unwrap().path()))
            .collect();
        let is_socket = |target: &&std::io::Result<PathBuf>| {
            let target = target.as_ref().ok().and_then(|target| target.to_str());
            target.is_some_and(|target| target.starts_with("socket:"))
        };
        Self {
            threads: figure("Threads:"),
            fds: fds.len(),
            sockets: fds.iter().filter(is_socket).count(),
            rss: figure("VmRSS:"),
        }
    }

    /// The larger of each figure; for benches.
    #[allow(dead_code, reason = "only benches use it")]
    pub fn max(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            fds: self.fds.max(other.fds),
            sockets: self.sockets.max(other.sockets),
            rss: self.rss.max(other.rss),
        }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} threads, {} fds, {} KiB resident",
            self.threads, self.fds, self.rss
        )
    }
}
