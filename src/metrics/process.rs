//! The process as the system sees it, by `/proc/self`, under the names that all exporters use.

use std::fs;

use super::text::Metric;

/// The metrics of this process. What the system does not say has no value.
#[must_use]
pub fn of_this_process() -> [Metric; 7] {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::read);
    let files = fs::read_dir("/proc/self/fd").ok();
    // One of them is the folder itself.
    let files = files.map(|files| (files.count() as u64).saturating_sub(1));
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let booted = fs::read_to_string("/proc/stat").ok();
    let booted = booted.as_deref().and_then(boot_time);
    let started = |stat: &Stat| Some(booted? + stat.started);
    [
        Metric::counter(
            "process_cpu_seconds_total",
            "Processor time of the process.",
        )
        .is(stat.as_ref().map(|stat| stat.processor)),
        Metric::gauge("process_resident_memory_bytes", "Memory in use.")
            .is(stat.as_ref().map(|stat| stat.resident)),
        Metric::gauge("process_virtual_memory_bytes", "Address space in use.")
            .is(stat.as_ref().map(|stat| stat.addressed)),
        Metric::gauge("process_open_fds", "Open files and sockets.").is(files),
        Metric::gauge("process_max_fds", "How many there may be.").is(limit),
        Metric::gauge("process_threads", "Threads.").is(stat.as_ref().map(|stat| stat.threads)),
        Metric::gauge("process_start_time_seconds", "When the process started.")
            .is(stat.as_ref().and_then(started)),
    ]
}

/// What `/proc/self/stat` says (proc(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    /// Seconds.
    processor: f64,
    threads: u64,
    /// Seconds after the boot.
    started: f64,
    /// Bytes.
    addressed: u64,
    /// Bytes.
    resident: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Stat> {
        // The second field is the name, which may hold anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // As proc(5) numbers them.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        #[allow(clippy::cast_precision_loss, reason = "exact for ages")]
        let seconds =
            |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64;
        Some(Stat {
            processor: seconds(field(14)?.saturating_add(field(15)?)),
            threads: field(20)?,
            started: seconds(field(22)?),
            addressed: field(23)?,
            resident: field(24)?.saturating_mul(rustix::param::page_size() as u64),
        })
    }
}

/// When the machine booted, Unix seconds, by `/proc/stat`.
fn boot_time(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_process_does_not_move_the_fields() {
        let line =
            "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 100 50 0 0 20 0 5 0 4200 1048576 3 184467";
        let stat = Stat::read(line).expect("well-formed");
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert!((stat.processor - 150.0 / ticks).abs() < 1e-9);
        assert_eq!((stat.threads, stat.addressed), (5, 1_048_576));
        assert_eq!(stat.resident, 3 * rustix::param::page_size() as u64);
        assert_eq!(Stat::read("7 (a) S 1"), None);
    }
}
