//! The store alone: rows of the bench's pushes handed to `Store::record`, in shared commits as the server's are, but
//! without HTTP.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wechatd::clock;
use wechatd::config::Config;
use wechatd::dispatch::{Outcome, Rules, decide};
use wechatd::store::{Reader, Record, Recorded, ShowsKept, Store};
use wechatd::wechat::{Push, short_digest, signature_bytes};

use crate::load::Answers;
use crate::options::Options;
use crate::process::{Setup, cpu_of_this_process};
use crate::push::{Kind, Recipe};
use crate::report::{Figures, PUSHES_A_SECOND};
use crate::stages::body_of;

/// A store in a folder like a server's.
#[derive(Debug)]
pub struct StoreAlone {
    store: Arc<Store>,
    rules: Rules,
    _folder: TempDir,
}

impl StoreAlone {
    /// Opens that of a server which is to be set up like this. Ends the program if there is something in it.
    pub fn open(setup: &Setup) -> StoreAlone {
        let folder = setup.folder();
        let config = Config::load(&folder.path().join("wechat.conf"));
        let config = config.unwrap_or_else(|problems| end(problems));
        match Reader::open_if_any(&config.store) {
            Ok(None) => {}
            Ok(Some(_)) => {
                end("--store: there is a store in the database; the bench needs an empty one")
            }
            Err(error) => end(error),
        }
        StoreAlone {
            store: Arc::new(Store::open(&config.store).unwrap()),
            rules: Rules::new(config.rules),
            _folder: folder,
        }
    }

    /// One run with `in_flight` rows at a time. The callback of each hands in the next, as a client of the server
    /// sends its next push after the answer to the last.
    pub fn measure(&self, options: &Options, in_flight: usize) -> Figures {
        // All work except the store's own is done before the clock starts.
        let count = (options.seconds * PUSHES_A_SECOND) as usize;
        let requests = Recipe::new(Kind::Text, false, false).requests(count);
        let records: Vec<Record> = requests.iter().map(|request| self.row(request)).collect();
        drop(requests);
        let commits = || u32::try_from(self.store.commits().seconds.times().count()).unwrap();
        let (cpu_before, commits_before) = (cpu_of_this_process(), commits());
        let (ended, all_ended) = channel();
        let started = Instant::now();
        let run = Arc::new(Run {
            store: Arc::clone(&self.store),
            until: started + Duration::from_secs_f64(options.seconds),
            left: Mutex::new(records.into_iter()),
            answers: Mutex::default(),
            ended,
        });
        for _ in 0..in_flight {
            hand_in(&run);
        }
        all_ended.iter().take(in_flight).for_each(drop);
        let seconds = started.elapsed().as_secs_f64();
        let commits = commits() - commits_before;
        let cpu = cpu_of_this_process() - cpu_before;
        let answers = std::mem::take(&mut *run.answers.lock().unwrap());
        Figures::of(Answers { seconds, ..answers }, cpu, commits)
    }

    /// The row that the server makes of a request.
    fn row(&self, request: &[u8]) -> Record {
        let body = body_of(request);
        let push = Push::parse(&body).unwrap();
        let decision = decide(&self.rules, &push);
        let received_at = clock::unix_seconds();
        let reply = match &decision.outcome {
            Outcome::Reply(reply) => reply.to_xml(&push.from_user, &push.to_user, received_at),
            Outcome::NoRule | Outcome::Silent | Outcome::Forward { .. } | Outcome::Withheld(_) => {
                None
            }
        };
        let head = String::from_utf8_lossy(request);
        let signature = head.split_once("signature=").unwrap().1;
        let dedup_key = push.dedup_key();
        Record {
            digest: short_digest(dedup_key.as_bytes()),
            dedup_key,
            signature: signature_bytes(signature.split('&').next().unwrap()).unwrap(),
            msg_type: push.msg_type().to_owned(),
            event: push.event().map(str::to_owned),
            event_key: push.event_key().map(str::to_owned),
            msg_id: push.msg_id().map(str::to_owned),
            media_id: push.media_id().map(str::to_owned),
            fetches_media: false,
            content: Some(push.subject().to_owned()),
            xml: String::from_utf8(body).ok(),
            created_at: push.create_time,
            received_at,
            rule: decision.rule.map(|rule| rule.name.clone()),
            reply,
            todo: false,
            effect: push.effect(),
            log_in: None,
            forward: None,
            shows_kept: ShowsKept::No,
            hook_events: Vec::new(),
            openid: push.from_user,
            account: push.to_user,
        }
    }
}

fn end(why: impl std::fmt::Display) -> ! {
    eprintln!("{why}");
    std::process::exit(1);
}

/// Shared by the rows in flight.
struct Run {
    store: Arc<Store>,
    until: Instant,
    left: Mutex<std::vec::IntoIter<Record>>,
    answers: Mutex<Answers>,
    /// One message for each chain of rows that has ended.
    ended: Sender<()>,
}

/// Hands in a row; its callback hands in the next, until the time is over or no row is left.
fn hand_in(run: &Arc<Run>) {
    let handed_in = Instant::now();
    let record = run.left.lock().unwrap().next();
    let Some(record) = record.filter(|_| handed_in < run.until) else {
        run.ended.send(()).unwrap();
        return;
    };
    let again = Arc::clone(run);
    run.store.record(record, move |outcome, _| {
        let mut answers = again.answers.lock().unwrap();
        match outcome {
            Ok(Recorded::New { .. }) => {
                let micros = handed_in.elapsed().as_micros();
                let micros = u32::try_from(micros).unwrap_or(u32::MAX);
                answers.latencies.push(micros);
            }
            Ok(
                Recorded::Pending(_)
                | Recorded::Again { .. }
                | Recorded::PendingAgain(_)
                | Recorded::Removed
                | Recorded::Replayed { .. },
            )
            | Err(_) => answers.failed += 1,
        }
        drop(answers);
        hand_in(&again);
    });
}
