//! The main table: every mode over few and many connections, next to the same server without its store and to the
//! store without a server.

use std::net::{SocketAddr, ToSocketAddrs};

use serde_json::json;

use crate::options::{Options, Target};
use crate::process::{Server, Setup};
use crate::push::{Kind, Recipe};
use crate::report::{Figures, Place, Row, json_rows, measure, print_table, shown};
use crate::store_alone::StoreAlone;

/// A server and what it is sent.
struct Case {
    name: &'static str,
    server: usize,
    kind: Kind,
    secure: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "text",
        server: 0,
        kind: Kind::Text,
        secure: false,
    },
    Case {
        name: "text without store",
        server: 1,
        kind: Kind::Text,
        secure: false,
    },
    Case {
        name: "text secure",
        server: 2,
        kind: Kind::Text,
        secure: true,
    },
    Case {
        name: "follow",
        server: 0,
        kind: Kind::Follow,
        secure: false,
    },
    Case {
        name: "follow secure",
        server: 2,
        kind: Kind::Follow,
        secure: true,
    },
];

/// Runs all cases in turn, `options.repeat` times.
pub fn run(options: &Options) {
    let plain = Setup {
        database: options.database.clone(),
        ..Setup::default()
    };
    let without_store = Setup {
        without_store: true,
        ..Setup::default()
    };
    let secure = Setup {
        secure: true,
        ..plain.clone()
    };
    let store = StoreAlone::open(&plain);
    let servers = [plain.start(), without_store.start(), secure.start()];
    let mut runs = Vec::new();
    let mut alone: Vec<(usize, Vec<Figures>)> = Vec::new();
    alone.extend(options.connections.iter().map(|&count| (count, Vec::new())));
    for close in [false, true] {
        for &connections in &options.connections {
            for case in &CASES {
                runs.push((close, connections, case, Vec::new()));
            }
        }
    }
    for case in &CASES {
        warm_up(options, &servers[case.server], case);
    }
    for _ in 0..options.repeat {
        for (close, connections, case, figures) in &mut runs {
            let recipe = Recipe::new(case.kind, case.secure, *close);
            let place = of(&servers[case.server]);
            figures.push(measure(options, place.as_place(), &recipe, *connections));
        }
        for (in_flight, figures) in &mut alone {
            figures.push(store.measure(options, *in_flight));
        }
    }
    let alone = alone.iter().map(|(in_flight, figures)| {
        let name = format!("text, store alone, {in_flight}");
        (name, Figures::median(figures))
    });
    let rows: Vec<Row> = runs
        .iter()
        .map(|(close, connections, case, figures)| {
            let name = format!("{}, {}, {connections}", case.name, manner(*close));
            (name, Figures::median(figures))
        })
        .chain(alone)
        .collect();
    let ratios = ratios(&rows, &options.connections);
    if options.json {
        println!("{}", json!({ "runs": json_rows(&rows), "ratios": ratios }));
        return;
    }
    print_table(
        "Medians; run = what, connection, number of connections (store alone: of rows in flight)",
        &rows,
    );
    println!("\n| ratio | value |\n|---|---:|");
    for (name, value) in ratios {
        println!("| {name} | {} |", shown(value));
    }
}

fn warm_up(options: &Options, server: &Server, case: &Case) {
    let short = Options {
        seconds: 0.2,
        ..options.clone()
    };
    let recipe = Recipe::new(case.kind, case.secure, false);
    measure(&short, of(server).as_place(), &recipe, 8);
}

/// The ratios that the targets are stated in.
fn ratios(rows: &[Row], connections: &[usize]) -> Vec<(String, f64)> {
    let find = |name: String| {
        let row = rows.iter().find(|(row, _)| *row == name);
        row.map_or_else(Figures::default, |(_, figures)| *figures)
    };
    let mut ratios = Vec::new();
    for close in [false, true] {
        for &connections in connections {
            let end = format!("{}, {connections}", manner(close));
            let text = find(format!("text, {end}"));
            let without = find(format!("text without store, {end}"));
            let secure = find(format!("text secure, {end}"));
            let alone = find(format!("text, store alone, {connections}"));
            let mut add = |what: &str, value: f64| ratios.push((format!("{what} ({end})"), value));
            add(
                "CPU per push: durable / without store",
                text.cpu_us() / without.cpu_us(),
            );
            add(
                "pushes/s: durable / without store",
                text.per_second / without.per_second,
            );
            add(
                "pushes/s: durable / rows/s: store alone",
                text.per_second / alone.per_second,
            );
            add(
                "pushes/s: secure / plain",
                secure.per_second / text.per_second,
            );
        }
    }
    ratios
}

fn manner(close: bool) -> &'static str {
    if close { "close" } else { "keep-alive" }
}

/// A server with its process list, which [`Place`] borrows.
pub struct Of<'a>(&'a Server, [u32; 1]);

/// The place of a server started by the bench.
pub fn of(server: &Server) -> Of<'_> {
    Of(server, [server.pid()])
}

impl Of<'_> {
    pub fn as_place(&self) -> Place<'_> {
        Place {
            address: self.0.address,
            pids: &self.1,
            server: Some(self.0),
        }
    }
}

/// Measures another server, with each number of connections.
pub fn run_target(options: &Options, target: &Target) {
    let address: SocketAddr = target
        .address
        .to_socket_addrs()
        .unwrap()
        .next()
        .expect("an address");
    let recipe = Recipe {
        path: target.path.clone(),
        token: target.token.clone(),
        ..Recipe::new(target.kind, target.secure, target.close)
    };
    let mut rows = Vec::new();
    for &connections in &options.connections {
        let place = Place {
            address,
            pids: &target.pids,
            server: None,
        };
        let runs: Vec<Figures> = (0..options.repeat)
            .map(|_| measure(options, place, &recipe, connections))
            .collect();
        let name = format!(
            "{}, {}, {connections}",
            target.kind.name(),
            manner(target.close)
        );
        rows.push((name, Figures::median(&runs)));
    }
    if options.json {
        println!("{}", json_rows(&rows));
    } else {
        print_table(&target.address, &rows);
    }
}
