//! Time and allocations of each stage of a push, from the bytes of its body to those of its answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use wechatd::config::Config;
use wechatd::dispatch::{Outcome, Rules, decide};
use wechatd::wechat::{AesKey, Envelope, Format, Push, open, seal, sealed_reply, sign, verify};

use crate::options::Options;
use crate::process::Setup;
use crate::push::{AES_KEY, APP_ID, Kind, Recipe, TOKEN};
use crate::report::shown;

/// The system's allocator, counting while a stage is measured.
#[derive(Debug)]
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count(size: usize) {
    if COUNTS.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged.
#[expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Pushes per stage.
const PUSHES: usize = 20_000;

/// One stage: its name, and microseconds, allocations and bytes per push.
type Stage = (&'static str, f64, f64, f64);

/// Measures every stage and prints them.
pub fn run(options: &Options) {
    let folder = Setup::default().folder();
    let config = Config::load(&folder.path().join("wechat.conf")).unwrap();
    let rules = Rules::new(config.rules.clone());
    let key = AesKey::parse(AES_KEY).unwrap();
    let bodies = |secure| -> Vec<Vec<u8>> {
        let requests = Recipe::new(Kind::Text, secure, false).requests(PUSHES);
        requests.iter().map(|request| body_of(request)).collect()
    };
    let (plain, sealed) = (bodies(false), bodies(true));
    let pushes: Vec<Push> = plain
        .iter()
        .map(|body| Push::parse(body).unwrap())
        .collect();
    let envelopes: Vec<Envelope> = sealed.iter().map(|body| envelope(body)).collect();
    let reply = answer(&rules, &pushes[0]);
    let parts = [TOKEN, "1790000000", "1234567890"];
    let signature = sign(&parts);
    let mut stages: Vec<Stage> = Vec::new();
    let mut stage = |name, work: &mut dyn FnMut(usize)| stages.push(measure(name, work));
    stage("verify the signature", &mut |_| {
        black_box(verify(&parts, &signature));
    });
    stage("read the push (xmltree)", &mut |n| {
        black_box(Push::parse(&plain[n]).unwrap());
    });
    stage("decide and write the reply", &mut |n| {
        black_box(answer(&rules, &pushes[n]));
    });
    stage("secure: read the envelope", &mut |n| {
        black_box(envelope(&sealed[n]));
    });
    stage("secure: verify msg_signature", &mut |n| {
        let parts = [TOKEN, "1790000000", "1234567890", &envelopes[n].encrypt];
        black_box(verify(&parts, &signature));
    });
    stage("secure: decrypt", &mut |n| {
        black_box(open(&key, APP_ID, &envelopes[n].encrypt).unwrap());
    });
    stage("secure: seal the reply", &mut |_| {
        let encrypt = seal(&key, APP_ID, reply.as_bytes(), [7; 16]);
        black_box(sealed_reply(
            Format::Xml,
            TOKEN,
            1_790_000_000,
            "1234567890",
            &encrypt,
        ));
    });
    if options.json {
        let value = |(name, micros, allocations, bytes): &Stage| json!({ "stage": name, "µs": micros, "allocations": allocations, "bytes": bytes });
        println!("{}", json!(stages.iter().map(value).collect::<Vec<_>>()));
        return;
    }
    println!("\n| stage of a push | µs | allocations | bytes |\n|---|---:|---:|---:|");
    for (name, micros, allocations, bytes) in stages {
        let [micros, allocations, bytes] = [micros, allocations, bytes].map(shown);
        println!("| {name} | {micros} | {allocations} | {bytes} |");
    }
}

fn measure(name: &'static str, work: &mut dyn FnMut(usize)) -> Stage {
    // Warm up, measure the time, then count the allocations.
    (0..PUSHES).for_each(&mut *work);
    let started = Instant::now();
    (0..PUSHES).for_each(&mut *work);
    let micros = started.elapsed().as_secs_f64() * 1e6;
    let before = (
        ALLOCATIONS.load(Ordering::Relaxed),
        BYTES.load(Ordering::Relaxed),
    );
    COUNTS.store(true, Ordering::Relaxed);
    (0..PUSHES).for_each(&mut *work);
    COUNTS.store(false, Ordering::Relaxed);
    let each = |sum: u64| sum as f64 / PUSHES as f64;
    (
        name,
        micros / PUSHES as f64,
        each(ALLOCATIONS.load(Ordering::Relaxed) - before.0),
        each(BYTES.load(Ordering::Relaxed) - before.1),
    )
}

/// The body of a request.
pub fn body_of(request: &[u8]) -> Vec<u8> {
    let end = request
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    request[end + 4..].to_vec()
}

fn envelope(body: &[u8]) -> Envelope {
    Envelope::parse(body).unwrap().unwrap()
}

fn answer(rules: &Rules, push: &Push) -> String {
    match decide(rules, push).outcome {
        Outcome::Reply(reply) => reply
            .to_xml(&push.from_user, &push.to_user, push.create_time)
            .unwrap_or_default(),
        Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } | Outcome::Withheld(_) => {
            String::new()
        }
    }
}
