//! What a process holds, as the system tells it in `/proc`.

use std::fmt;
use std::time::Duration;

/// How long a processor has worked for this thread, to the hundredth of a second: what others do on a busy machine
/// does not count.
pub fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name in brackets, which may hold anything, is followed by eleven fields and the ticks of both modes.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Threads, file descriptors and memory of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub fds: usize,
    /// Resident memory in KiB.
    pub rss: usize,
}

impl Vitals {
    /// Of the process with this number, which must live.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let figure = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            threads: figure("Threads:"),
            fds: std::fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .count(),
            rss: figure("VmRSS:"),
        }
    }

    /// Of each figure the larger one; for benches.
    #[allow(dead_code, reason = "tests look at single moments")]
    pub fn max(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            fds: self.fds.max(other.fds),
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
