//! The figures of a run, their medians, and how they are printed.

use serde_json::{Value, json};

use crate::load::{Answers, Load};
use crate::options::Options;
use crate::process::{Cpu, Server, cpu, status};
use crate::push::Recipe;

/// The figures of one run, or the medians of several.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub pushes: f64,
    pub failed: f64,
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// Microseconds of processor time per push.
    pub user_us: f64,
    pub system_us: f64,
    pub rss_mb: f64,
    pub threads: f64,
    pub commits_per_second: f64,
    pub pushes_per_commit: f64,
}

/// Name and value of every figure, in the order of the table.
type Column = (&'static str, fn(&mut Figures) -> &mut f64);
const COLUMNS: [Column; 12] = [
    ("pushes", |f| &mut f.pushes),
    ("failed", |f| &mut f.failed),
    ("pushes/s", |f| &mut f.per_second),
    ("p50 ms", |f| &mut f.p50),
    ("p99 ms", |f| &mut f.p99),
    ("p99.9 ms", |f| &mut f.p999),
    ("user µs", |f| &mut f.user_us),
    ("system µs", |f| &mut f.system_us),
    ("RSS MB", |f| &mut f.rss_mb),
    ("threads", |f| &mut f.threads),
    ("commits/s", |f| &mut f.commits_per_second),
    ("pushes/commit", |f| &mut f.pushes_per_commit),
];

/// Where the pushes of a run go, and the processes whose cost counts.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub address: std::net::SocketAddr,
    pub pids: &'a [u32],
    pub server: Option<&'a Server>,
}

/// Pushes built for each second of a run, which ends when they are used up.
pub const PUSHES_A_SECOND: f64 = 40_000.0;

/// One run.
pub fn measure(options: &Options, place: Place, recipe: &Recipe, connections: usize) -> Figures {
    // Over one connection no server here exceeds a few thousand a second.
    let most = if connections == 1 { 0.3 } else { 1.0 };
    let requests = recipe.requests((options.seconds * PUSHES_A_SECOND * most) as usize);
    let commits = || place.server.map_or(0, Server::commits);
    let (cpu_before, commits_before) = (cpu(place.pids), commits());
    let answers = Load {
        address: place.address,
        requests: &requests,
        connections,
        close: recipe.close,
        limit: std::time::Duration::from_secs_f64(options.seconds),
        threads: options.load_threads,
    }
    .run();
    let (cpu_after, commits) = (cpu(place.pids), commits().wrapping_sub(commits_before));
    Figures {
        rss_mb: status(place.pids, "VmRSS") as f64 / 1024.0,
        threads: status(place.pids, "Threads") as f64,
        ..Figures::of(answers, cpu_after - cpu_before, commits)
    }
}

impl Figures {
    /// The figures of one run; memory and threads stay unknown (`NaN`).
    pub fn of(answers: Answers, cpu: Cpu, commits: u32) -> Figures {
        let mut latencies = answers.latencies;
        latencies.sort_unstable();
        let percentile = |share: f64| {
            let at =
                ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
            latencies
                .get(at)
                .map_or(f64::NAN, |us| f64::from(*us) / 1e3)
        };
        let pushes = latencies.len() as f64;
        // Zero: there is no store, or it is not known.
        let commits = match commits {
            0 => f64::NAN,
            commits => f64::from(commits),
        };
        Figures {
            pushes,
            failed: answers.failed as f64,
            per_second: pushes / answers.seconds,
            p50: percentile(0.5),
            p99: percentile(0.99),
            p999: percentile(0.999),
            user_us: cpu.user * 1e6 / pushes,
            system_us: cpu.system * 1e6 / pushes,
            rss_mb: f64::NAN,
            threads: f64::NAN,
            commits_per_second: commits / answers.seconds,
            pushes_per_commit: pushes / commits,
        }
    }

    /// User and system time together, in microseconds per push.
    pub fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }

    /// The median of each figure.
    pub fn median(runs: &[Figures]) -> Figures {
        let mut median = Figures::default();
        for (_, field) in COLUMNS {
            let mut values: Vec<f64> = runs.iter().map(|run| *field(&mut run.clone())).collect();
            values.sort_by(f64::total_cmp);
            *field(&mut median) = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
        }
        median
    }

    /// As JSON, by the names of the columns.
    pub fn json(&self) -> Value {
        let mut figures = *self;
        let fields = COLUMNS.map(|(name, field)| (name.to_owned(), json!(*field(&mut figures))));
        Value::Object(fields.into_iter().collect())
    }
}

/// A named row of a table.
pub type Row = (String, Figures);

/// Prints rows as one Markdown table.
pub fn print_table(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    println!("| run | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    for (name, figures) in rows {
        let mut figures = *figures;
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|(_, field)| shown(*field(&mut figures)))
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Three significant digits; a dash if unknown.
pub fn shown(value: f64) -> String {
    match value.abs() {
        v if v.is_nan() => "–".to_owned(),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// Rows as JSON.
pub fn json_rows(rows: &[Row]) -> Value {
    Value::Array(
        rows.iter()
            .map(|(name, figures)| json!({ "run": name, "figures": figures.json() }))
            .collect(),
    )
}
