//! Forwarded pushes of several nodes, on a real server: whose they are, and who may show the answer.

use std::sync::mpsc::channel;

use super::super::super::error::StoreError;
use super::super::super::followers::tests::push;
use super::super::super::statement::{Statement, statement};
use super::super::super::writer::AfterCommit;
use super::super::super::{
    Begins, ForwardFilter, ForwardRow, Forwarded, NewForward, Node, Recorded, Rungs, Sent,
    SentMessage, Settled, Store,
};
use super::new_database;
use crate::wechat::Effect;

const NOW: i64 = 1_790_000_000;
const ANSWER: &str = "<xml>the answer</xml>";

/// Two nodes that run; `None` where there is no server.
fn nodes() -> Option<[Store; 2]> {
    let options = new_database()?;
    let node = || {
        let store = Store::open(&options).unwrap();
        tell(&store);
        store
    };
    Some([node(), node()])
}

fn tell(store: &Store) {
    let node = Node {
        name: "a".to_owned(),
        listen: "127.0.0.1:8080".to_owned(),
        version: "0.2.0".to_owned(),
        config: [1; 32],
    };
    store.tell_nodes(&node).unwrap();
}

/// A delivery of the push of this number comes to a node.
fn deliver(store: &Store, number: usize) -> Recorded {
    let mut record = push(number, "oSynOne", NOW, Effect::None);
    let (said, heard) = channel();
    record.forward = Some(NewForward {
        service: "bot".to_owned(),
        begins: Begins::Pending,
    });
    // Each delivery is signed anew.
    record.signature = crate::random::bytes().unwrap();
    store.record(record, move |outcome, _| said.send(outcome).unwrap());
    heard.recv().unwrap().unwrap()
}

fn pending(store: &Store, number: usize) -> Forwarded {
    match deliver(store, number) {
        Recorded::Pending(forwarded) | Recorded::PendingAgain(forwarded) => forwarded,
        other => panic!("{other:?}"),
    }
}

type Done = Box<dyn FnOnce(Result<Settled, StoreError>, &mut AfterCommit) + Send>;

/// What became of a step.
fn step(take: impl FnOnce(Done)) -> Settled {
    let (said, heard) = channel();
    take(Box::new(move |settled, _| said.send(settled).unwrap()));
    heard.recv().unwrap().unwrap()
}

fn answers(store: &Store, id: i64) -> Settled {
    step(|done| store.answer_forward(id, Some(ANSWER.to_owned()), next(), NOW, done))
}

fn stops(store: &Store, id: i64, deliveries: i64) -> Settled {
    let known = Forwarded { id, deliveries };
    step(|done| store.stop_waiting(known, next(), NOW, done))
}

fn takes(store: &Store, id: i64) -> Settled {
    step(|done| store.take_answer(id, done))
}

/// The last rung.
fn next() -> Rungs {
    Rungs {
        message: None,
        next: true,
    }
}

fn states(store: &Store) -> Vec<String> {
    let mut states = Vec::new();
    let each = |row: ForwardRow| -> Result<(), StoreError> {
        states.push(row.state);
        Ok(())
    };
    let reader = store.reader().unwrap();
    reader.forwards(&ForwardFilter::default(), each).unwrap();
    states
}

#[test]
fn an_answer_that_another_node_gives_goes_on_only_if_nobody_got_it() {
    let Some([one, other]) = nodes() else {
        return;
    };
    let given = || Settled::Answer(Some(ANSWER.to_owned()));
    for (number, is_taken) in [(1, true), (2, false)] {
        let id = pending(&one, number).id;
        assert_eq!(pending(&other, number), Forwarded { id, deliveries: 2 });
        assert!(
            other
                .read(super::Reader::pending_forwards)
                .unwrap()
                .contains(&id)
        );
        assert_eq!(takes(&other, id), Settled::Moot, "there is none yet");
        assert_eq!(answers(&other, id), Settled::Moot, "it is not its own");
        assert_eq!(answers(&one, id), given());
        assert!(
            !other
                .read(super::Reader::pending_forwards)
                .unwrap()
                .contains(&id)
        );
        assert_eq!(takes(&other, id), given());
        let again = Forwarded { id, deliveries: 2 };
        assert_eq!(stops(&one, id, 1), Settled::Redelivered(again));
        let settled = match is_taken {
            true => Settled::Moot,
            false => {
                other.put_back_answer(id);
                // The steps of one connection are done one after the other, but there are several.
                super::eventually(|| stops(&one, id, 2) == Settled::Kept);
                continue;
            }
        };
        assert_eq!(stops(&one, id, 2), settled);
    }
    assert_eq!(states(&one), ["kept", "answered"]);
}

#[test]
fn a_delivery_that_is_answered_from_the_row_counts_as_one_that_shows_it() {
    let Some([one, other]) = nodes() else {
        return;
    };
    let id = pending(&one, 1).id;
    answers(&one, id);
    let Recorded::Again { reply, forwarded } = deliver(&other, 1) else {
        panic!("it has an answer");
    };
    assert_eq!(reply.as_deref(), Some(ANSWER));
    assert_eq!(forwarded, Some(Forwarded { id, deliveries: 2 }));
    assert_eq!(stops(&one, id, 2), Settled::Moot);
    // An answer of another kind is shown as often as it is asked for.
    let id = pending(&one, 2).id;
    assert_eq!(stops(&one, id, 1), Settled::Nothing);
    assert_eq!(takes(&other, id), Settled::Answer(None));
    assert_eq!(answers(&one, id), Settled::Kept);
    assert_eq!(states(&one), ["kept", "answered"]);
}

#[test]
fn what_an_ended_node_left_behind_one_node_goes_on_with() {
    let Some([slow, next_one]) = nodes() else {
        return;
    };
    let sends = || Rungs {
        message: Some(SentMessage {
            msg_type: "text",
            content: "the answer".to_owned(),
        }),
        next: true,
    };
    let asked = pending(&slow, 1).id;
    let sending = pending(&slow, 2).id;
    let answered = pending(&slow, 3).id;
    let its_own = pending(&next_one, 4).id;
    answers(&slow, answered);
    assert_eq!(stops(&slow, sending, 1), Settled::Nothing);
    let sent = step(|done| {
        slow.answer_forward(sending, Some(ANSWER.to_owned()), sends(), NOW, done);
    });
    assert_eq!(sent, Settled::Sending);
    // Both run.
    for store in [&slow, &next_one] {
        assert_eq!(store.take_over_forwards(NOW).unwrap(), []);
    }
    assert!(
        slow.read(|reader| reader.goes_on_with(sending, slow.node()))
            .unwrap()
    );
    const AGE: Statement = statement!("UPDATE nodes SET seen_at = seen_at - 61 WHERE id = ?1");
    let whose = slow.node().0;
    let aged = slow
        .writer
        .write(move |sql| sql.run(&AGE, super::values![whose]));
    assert_eq!(aged, Ok(1));
    let open = next_one.take_over_forwards(NOW).unwrap();
    let [open] = &open[..] else {
        panic!("{open:?}");
    };
    assert_eq!((open.forwarded.id, open.is_pending), (asked, true));
    assert_eq!(next_one.take_over_forwards(NOW).unwrap(), []);
    assert_eq!(states(&slow), ["asked", "answered", "unknown", "asked"]);
    // Whatever the slow one does when it wakes up.
    tell(&slow);
    for id in [asked, sending] {
        assert!(
            !slow
                .read(|reader| reader.goes_on_with(id, slow.node()))
                .unwrap()
        );
        assert_eq!(answers(&slow, id), Settled::Moot);
        assert_eq!(stops(&slow, id, 1), Settled::Moot);
    }
    let ended = step(|done| slow.end_sending(sending, Sent::Yes, sends(), NOW, done));
    assert_eq!(ended, Settled::Moot);
    let failed = step(|done| slow.fail_forward(asked, "down".to_owned(), None, NOW, done));
    assert_eq!(failed, Settled::Moot);
    const SENT: Statement = statement!("SELECT state FROM sent");
    let state =
        slow.read(|reader| reader.read(|sql| sql.all(&SENT, &[], |row| row.get::<String>(0))));
    assert_eq!(state.unwrap(), ["unknown"]);
    assert_eq!(slow.take_over_forwards(NOW).unwrap(), []);
    // What a node has recorded without knowing it.
    let own = next_one
        .read(|reader| reader.forwards_of(next_one.node()))
        .unwrap();
    assert_eq!(own, [asked, its_own].into());
    let lost = next_one
        .go_on_with_forwards(vec![its_own, answered], NOW)
        .unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].forwarded.id, its_own);
    assert_eq!(slow.go_on_with_forwards(vec![its_own], NOW).unwrap(), []);
    assert!(matches!(answers(&next_one, asked), Settled::Answer(_)));
    // A clean end leaves it behind at once.
    next_one.leave_nodes().unwrap();
    assert_eq!(slow.take_over_forwards(NOW).unwrap().len(), 1);
}
