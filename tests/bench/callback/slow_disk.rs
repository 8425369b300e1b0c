//! Slow disks: the same server with milliseconds added to every sync by a preloaded library.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::options::Options;
use crate::process::Setup;
use crate::push::{Kind, Recipe};
use crate::report::{Figures, Row, json_rows, measure, print_table};
use crate::throughput::of;

/// Milliseconds added to each `fsync` and `fdatasync`.
const DELAYS: [u32; 3] = [0, 2, 10];

/// Runs all delays in turn.
pub fn run(options: &Options) {
    let folder = tempfile::tempdir().unwrap();
    let library = build(folder.path());
    let mut runs = Vec::new();
    for delay in DELAYS {
        let environment = vec![
            ("LD_PRELOAD".to_owned(), library.display().to_string()),
            ("SLOW_SYNC_US".to_owned(), (delay * 1000).to_string()),
        ];
        let server = Setup {
            environment,
            ..Setup::default()
        }
        .start();
        runs.push((delay, server));
    }
    let mut rows: Vec<(String, Vec<Figures>)> = Vec::new();
    for _ in 0..options.repeat {
        for &connections in &options.connections {
            for (delay, server) in &runs {
                let recipe = Recipe::new(Kind::Text, false, false);
                let figures = measure(options, of(server).as_place(), &recipe, connections);
                let name = format!("+{delay} ms per sync, keep-alive, {connections}");
                match rows.iter_mut().find(|(row, _)| *row == name) {
                    Some((_, all)) => all.push(figures),
                    None => rows.push((name, vec![figures])),
                }
            }
        }
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(name, all)| (name, Figures::median(&all)))
        .collect();
    if options.json {
        println!("{}", json!({ "runs": json_rows(&rows) }));
    } else {
        print_table("Slow disks", &rows);
    }
}

fn build(folder: &Path) -> PathBuf {
    let library = folder.join("slow_sync.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/callback/slow_sync.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(compiler)
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success(), "the C compiler failed");
    library
}
