//! What several nodes do at the same time, on a real server: two stores in one database.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use super::super::super::error::{ErrorKind, StoreError};
use super::super::super::followers::tests::push;
use super::super::super::hooks::remove_event;
use super::super::super::settings;
use super::super::super::signatures::remove_messages;
use super::super::super::sql::{Sql, Value, values};
use super::super::super::statement::{Statement, statement};
use super::super::super::{
    EventState, FetchedProfile, HookChange, HookOutcome, NewHookEvent, ProfileOutcome, Record,
    Recorded, Signature, Store, SyncStep, UsedSignature,
};
use super::new_database;
use crate::wechat::Effect;

/// How often each race is run.
const ROUNDS: usize = 40;

/// Two nodes; `None` where there is no server.
fn nodes() -> Option<[Store; 2]> {
    let options = new_database()?;
    let node = || Store::open(&options).unwrap();
    Some([node(), node()])
}

/// Has both nodes do this at the same time, with their number.
fn both<T: Send>(nodes: &[Store; 2], work: impl Fn(&Store, usize) -> T + Sync) -> [T; 2] {
    let barrier = Barrier::new(2);
    let run = |number: usize| {
        barrier.wait();
        work(&nodes[number], number)
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        [run(0), other.join().unwrap()]
    })
}

fn record(store: &Store, record: Record) -> Result<Recorded, StoreError> {
    let (done, recorded) = channel();
    store.record(record, move |outcome, _| done.send(outcome).unwrap());
    recorded.recv().unwrap()
}

/// A message with the signature of this number.
fn signed(number: usize, signature: usize) -> Record {
    let mut record = push(number, "oSynOne", 1_000, Effect::None);
    record.signature = by_number(signature);
    record.reply = Some(format!("of {number}"));
    record
}

fn by_number(number: usize) -> Signature {
    let mut signature = [7; 20];
    signature[..8].copy_from_slice(&number.to_be_bytes());
    signature
}

fn is_new(recorded: &Result<Recorded, StoreError>) -> bool {
    matches!(recorded, Ok(Recorded::New { .. }))
}

#[test]
fn a_signature_brings_one_of_two_pushes_that_come_to_two_nodes_at_once() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..ROUNDS {
        let of = |node: usize| signed(2 * round + node, round);
        let came = both(&nodes, |store, node| record(store, of(node)));
        let winner = usize::from(!is_new(&came[0]));
        let used = Recorded::Replayed {
            push: Some(of(winner).digest),
        };
        assert!(is_new(&came[winner]), "{came:?}");
        assert_eq!(came[1 - winner], Ok(used.clone()));
        // The same push again gets its answer at either node, with this signature or another; the other one never comes.
        for store in &nodes {
            assert_eq!(record(store, of(1 - winner)), Ok(used.clone()));
            for signature in [round, 1_000 + round] {
                let again = Record {
                    signature: by_number(signature),
                    ..of(winner)
                };
                let reply = again.reply.clone();
                let forwarded = None;
                assert_eq!(
                    record(store, again),
                    Ok(Recorded::Again { reply, forwarded })
                );
            }
            let other = signed(5_000 + round, 1_000 + round);
            assert_eq!(record(store, other), Ok(used.clone()));
        }
    }
}

#[test]
fn a_signature_that_was_used_up_at_one_node_brings_no_push_at_another() {
    let Some(nodes) = nodes() else {
        return;
    };
    let use_up = |store: &Store, number: usize| {
        let (done, heard) = channel();
        let used = UsedSignature {
            signature: by_number(number),
            received_at: 1_000,
            push: None,
        };
        store.use_up(used, move |push| done.send(push).unwrap());
        heard.recv().unwrap()
    };
    assert_eq!(use_up(&nodes[0], 1), None);
    assert_eq!(
        record(&nodes[1], signed(1, 1)),
        Ok(Recorded::Replayed { push: None })
    );
    // What is no push at one node does not keep out the push that another has recorded.
    let recorded = signed(2, 2);
    assert!(is_new(&record(&nodes[1], recorded.clone())));
    assert_eq!(use_up(&nodes[0], 2), Some(recorded.digest));
    let again = record(&nodes[0], recorded);
    assert!(matches!(again, Ok(Recorded::Again { .. })), "{again:?}");
}

#[test]
fn a_push_that_is_too_long_is_refused_alone() {
    let Some([store, other]) = nodes() else {
        return;
    };
    let (done, recorded) = channel();
    for number in 0..40 {
        let mut push = signed(number, number);
        if number % 10 == 3 {
            push.openid = "o".repeat(129);
        }
        let done = done.clone();
        store.record(push, move |outcome, _| {
            done.send((number, outcome)).unwrap();
        });
    }
    drop(done);
    for (number, outcome) in recorded {
        match number % 10 {
            3 => {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooLong, "{error}");
                assert!(error.to_string().contains("'openid'"), "{error}");
            }
            _ => assert!(is_new(&outcome), "{outcome:?}"),
        }
    }
    for (number, length, fits) in [(60, 7 << 20, true), (61, (7 << 20) + 1, false)] {
        let mut long = signed(number, number);
        let rest = long.dedup_key.len() + long.openid.len() + long.reply.as_ref().unwrap().len();
        long.xml = Some("'".repeat(length - rest));
        match record(&store, long) {
            Err(error) => assert!(!fits && error.kind() == ErrorKind::TooLong, "{error}"),
            recorded => assert!(fits && is_new(&recorded), "{recorded:?}"),
        }
    }
    // Nothing of it is left, and not its signature.
    assert!(is_new(&record(&other, signed(103, 3))));
}

const FOLLOWERS: Statement = statement!("SELECT count(*) FROM followers");
const NET: Statement =
    statement!("SELECT coalesce(sum(subscribed) - sum(unsubscribed), 0) FROM daily_counts");
const HERE: Statement = statement!("SELECT coalesce(sum(here), 0) FROM scene_counts");
const FOLLOWS: Statement = statement!("SELECT count(*) FROM followers WHERE openid = ?1");
const COUNTED: Statement =
    statement!("SELECT count(*) FROM follow_log WHERE openid = ?1 AND counts");
const NAMES: Statement = statement!("SELECT count(*) FROM followers WHERE nickname IS NOT NULL");
const MESSAGES: Statement = statement!("SELECT count(*) FROM messages");
const WAITING: Statement = statement!("SELECT coalesce(sum(waiting), 0) FROM hooks");
const EVENTS: Statement =
    statement!("SELECT coalesce(max(number), 0) FROM hook_events WHERE state = 'waiting'");
const ORPHANS: Statement = statement!(
    "SELECT count(*) FROM media_files WHERE message_id NOT IN (SELECT id FROM messages)"
);

/// What a statement counts.
fn number(store: &Store, statement: &Statement, values: &[Value<'_>]) -> i64 {
    let reader = store.reader().unwrap();
    let found = reader.read(|sql| sql.one(statement, values, |row| Ok(row.some_number(0))));
    found.unwrap()
}

/// Followers, and what is counted of them when they come and go, by day and by scene, are the same.
fn are_counted(store: &Store) -> bool {
    let followers = number(store, &FOLLOWERS, &[]);
    number(store, &NET, &[]) == followers && number(store, &HERE, &[]) == followers
}

fn follows(scene: Option<&str>) -> Effect {
    Effect::Follow {
        scene: scene.map(str::to_owned),
    }
}

#[test]
fn who_follows_at_two_nodes_at_once_is_counted_once() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..ROUNDS {
        let person = format!("oSyn{round}");
        let came = both(&nodes, |store, node| {
            let scene = follows(Some(["shop", "fair"][node]));
            record(store, push(2 * round + node, &person, 1_000, scene))
        });
        assert!(came.iter().all(is_new), "{came:?}");
        assert_eq!(number(&nodes[0], &COUNTED, values![person]), 1);
        assert!(are_counted(&nodes[0]), "{person}");
    }
}

#[test]
fn who_follows_and_leaves_at_once_follows_if_that_was_later() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..3 * ROUNDS {
        let person = format!("oSyn{round}");
        // In a third of the rounds the person follows already.
        if round % 3 == 0 {
            let before = push(10_000 + round, &person, 500, follows(None));
            record(&nodes[0], before).unwrap();
        }
        let stays = round % 2 == 0;
        let came = both(&nodes, |store, node| {
            let (effect, at) = match node {
                0 => (follows(None), if stays { 2_000 } else { 1_000 }),
                _ => (Effect::Leave, 1_500),
            };
            record(store, push(2 * round + node, &person, at, effect))
        });
        assert!(came.iter().all(is_new), "{came:?}");
        let found = number(&nodes[0], &FOLLOWS, values![person]);
        assert_eq!(found, i64::from(stays), "{person}");
        assert!(are_counted(&nodes[0]), "{person}");
    }
}

#[test]
fn a_sync_brings_back_nobody_who_leaves_at_the_same_time() {
    let Some(nodes) = nodes() else {
        return;
    };
    let people: Vec<String> = (0..ROUNDS).map(|round| format!("oSyn{round}")).collect();
    nodes[0].sync_begin(1_000).unwrap();
    nodes[0].sync_list(people.clone()).unwrap();
    nodes[0].sync_go_on(SyncStep::Profiles, None).unwrap();
    for (round, person) in people.iter().enumerate() {
        both(&nodes, |store, node| match node {
            0 => {
                let profile = FetchedProfile {
                    subscribe_time: Some(900),
                    ..FetchedProfile::default()
                };
                let outcome = ProfileOutcome::Fetched(Box::new(profile));
                let outcomes = vec![(person.clone(), outcome)];
                store.sync_profiles(outcomes, 2_000, None).unwrap();
            }
            _ => {
                record(store, push(round, person, 1_500, Effect::Leave)).unwrap();
            }
        });
        assert_eq!(number(&nodes[0], &FOLLOWS, values![person]), 0, "{person}");
        assert!(are_counted(&nodes[0]), "{person}");
    }
}

#[test]
fn a_profile_to_which_access_is_revoked_at_the_same_time_is_not_kept() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..ROUNDS {
        let person = format!("oSyn{round}");
        record(&nodes[0], push(10_000 + round, &person, 500, follows(None))).unwrap();
        both(&nodes, |store, node| match node {
            0 => {
                let profile = FetchedProfile {
                    nickname: Some("Synthetic".to_owned()),
                    subscribe_time: Some(500),
                    ..FetchedProfile::default()
                };
                let outcome = ProfileOutcome::Fetched(Box::new(profile));
                let outcomes = vec![(person.clone(), outcome)];
                store.profiles_done(outcomes, 2_000).unwrap();
            }
            _ => {
                let openid = person.clone();
                let revoked = Effect::ProfileRevoked { openid };
                record(store, push(round, "gh_1", 1_500, revoked)).unwrap();
            }
        });
        assert_eq!(number(&nodes[0], &NAMES, &[]), 0, "{person}");
    }
}

#[test]
fn who_is_forgotten_while_a_push_is_delivered_again_stays_forgotten() {
    let Some(nodes) = nodes() else {
        return;
    };
    for round in 0..ROUNDS {
        let person = format!("oSynthetic{round}");
        let came = push(round, &person, 1_000, follows(None));
        record(&nodes[0], came.clone()).unwrap();
        both(&nodes, |store, node| match node {
            0 => drop(record(store, came.clone()).unwrap()),
            _ => {
                let reader = store.reader().unwrap();
                store.erase(&reader, &person).unwrap();
            }
        });
        assert_eq!(number(&nodes[0], &FOLLOWERS, &[]), 0, "{person}");
        assert_eq!(number(&nodes[0], &MESSAGES, &[]), 0, "{person}");
    }
}

#[test]
fn an_event_that_is_removed_while_it_is_delivered_is_counted_once() {
    let Some(nodes) = nodes() else {
        return;
    };
    let hook: Arc<str> = "crm".into();
    for round in 0..ROUNDS {
        let event = NewHookEvent {
            digest: 7,
            hook: Arc::clone(&hook),
            kind: "follow",
            openid: None,
            body: "{}".into(),
            created_at: 1_000,
        };
        nodes[0].add_hook_events(vec![event]).unwrap();
        assert_eq!(number(&nodes[0], &WAITING, &[]), 1);
        let event = number(&nodes[0], &EVENTS, &[]);
        both(&nodes, |store, node| match node {
            0 => {
                let delivered = HookOutcome {
                    number: event,
                    state: EventState::Delivered(1_500),
                    attempts: 1,
                    status: Some(200),
                    error: None,
                };
                let change = HookChange {
                    failures: 0,
                    reported_dropped: 0,
                    paused: None,
                };
                store.hook_outcomes(&hook, vec![delivered], change).unwrap();
            }
            _ => drop(
                store
                    .writer
                    .write(move |sql| remove_event(sql, event))
                    .unwrap(),
            ),
        });
        assert_eq!(number(&nodes[0], &WAITING, &[]), 0, "{round}");
    }
}

#[test]
fn a_message_that_is_removed_while_its_file_is_queued_leaves_nothing() {
    let Some(nodes) = nodes() else {
        return;
    };
    let fan = "oSynthetic";
    for round in 0..ROUNDS {
        let mut picture = push(round, fan, 1_000, Effect::None);
        picture.media_id = Some("media".to_owned());
        record(&nodes[0], picture).unwrap();
        both(&nodes, |store, node| {
            let reader = store.reader().unwrap();
            match node {
                0 => store.queue_media(&reader, 0).unwrap(),
                _ => drop(store.erase(&reader, fan).unwrap()),
            }
        });
        assert_eq!(number(&nodes[0], &ORPHANS, &[]), 0, "{round}");
    }
}

#[test]
fn nodes_that_start_at_once_have_one_key_of_the_folder_of_media() {
    for _ in 0..ROUNDS / 4 {
        let Some(nodes) = nodes() else {
            return;
        };
        let keys = both(&nodes, |store, node| {
            store.made_media_key(["one", "other"][node]).unwrap()
        });
        assert_eq!(keys[0], keys[1]);
    }
}

#[test]
fn a_commit_without_a_message_that_it_brought_was_none() {
    let Some([store, _]) = nodes() else {
        return;
    };
    let mut attempt = 0;
    let done = store.writer.write(move |sql| {
        attempt += 1;
        settings::put(sql, "attempt", &attempt.to_string())?;
        // As where a server has ended the transaction on its way, and has done what came after that.
        sql.expect(1, attempt == 1);
        Ok(attempt)
    });
    assert_eq!(done, Ok(2));
}

const OF_A_PERSON: Statement = statement!(
    "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE openid = ?1"
);

#[test]
fn a_message_that_is_removed_by_the_commit_that_brought_it_may_be_missing() {
    let Some(mut options) = new_database() else {
        return;
    };
    options.server.as_mut().unwrap().connections = 1;
    let store = Store::open(&options).unwrap();
    let (go, gone) = channel();
    let wait = move |_: &mut dyn Sql| Ok(gone.recv().ok());
    store.writer.write_then(wait, |_, _| {});
    let (done, recorded) = channel();
    let brought = push(1, "oSynOne", 1_000, Effect::None);
    store.record(brought, move |outcome, _| done.send(outcome).unwrap());
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let (done, removed) = channel();
    let remove = move |sql: &mut dyn Sql| {
        counted.fetch_add(1, Ordering::Relaxed);
        remove_messages(sql, &OF_A_PERSON, values!["oSynOne"], 0)
    };
    store
        .writer
        .write_then(remove, move |outcome, _| done.send(outcome).unwrap());
    go.send(()).unwrap();
    assert!(recorded.recv().unwrap().is_ok());
    assert_eq!(removed.recv().unwrap(), Ok(1));
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}
