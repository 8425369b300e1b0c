//! The start: time from exec to the first answered push, and memory of an idle server.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::options::Options;
use crate::process::{Setup, program, status};
use crate::push::{Kind, Recipe};
use crate::report::shown;

/// Starts the server twice in each new folder: first without a store, then with the one that the first start made.
pub fn run(options: &Options) {
    let runs = options.repeat * 5;
    let (mut fresh, mut again) = (Vec::new(), Vec::new());
    let (mut rss, mut threads) = (0, 0);
    for _ in 0..runs {
        let folder = Setup::default().folder();
        // Choose a free port here, so that it need not be read from the log.
        let port = {
            let probe = TcpListener::bind("127.0.0.1:0").unwrap();
            probe.local_addr().unwrap().port()
        };
        let config = folder.path().join("wechat.conf");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            text.replace("127.0.0.1:0", &format!("127.0.0.1:{port}")),
        )
        .unwrap();
        for times in [&mut fresh, &mut again] {
            let request = Recipe::new(Kind::Text, false, true).requests(1).remove(0);
            let started = Instant::now();
            let mut child = Command::new(program())
                .arg("--config")
                .arg(&config)
                .stdout(Stdio::null())
                .stderr(fs::File::create(folder.path().join("log")).unwrap())
                .spawn()
                .unwrap();
            let answer = first_answer(port, &request);
            times.push(started.elapsed().as_secs_f64() * 1e3);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            std::thread::sleep(Duration::from_millis(200));
            rss = rss.max(status(&[child.id()], "VmRSS"));
            threads = status(&[child.id()], "Threads");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    for times in [&mut fresh, &mut again] {
        times.sort_by(f64::total_cmp);
    }
    let binary = fs::metadata(program()).unwrap().len();
    let figures = [
        ("first answer, no store yet, ms (median)", fresh[runs / 2]),
        ("first answer, existing store, ms (median)", again[runs / 2]),
        ("idle RSS, MB (largest)", rss as f64 / 1024.0),
        ("threads", threads as f64),
        ("binary, MB", binary as f64 / 1e6),
    ];
    if options.json {
        let fields = figures.map(|(name, value)| (name.to_owned(), json!(value)));
        println!(
            "{}",
            serde_json::Value::Object(fields.into_iter().collect())
        );
        return;
    }
    println!("\n| start | value |\n|---|---:|");
    for (name, value) in figures {
        println!("| {name} | {} |", shown(value));
    }
}

fn first_answer(port: u16, request: &[u8]) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut answer = String::new();
            stream.write_all(request).unwrap();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        assert!(Instant::now() < deadline, "the server does not start");
        std::thread::sleep(Duration::from_micros(100));
    }
}
