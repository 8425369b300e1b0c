//! Work that is committed together, fails alone, and always hears of its end.

use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::store::both_engines::options_of_both_engines;
use crate::store::{Options, Store};

/// Work that says when it is finished, and when what it has for after the commit is done.
struct Saying {
    name: &'static str,
    panics: Panics,
    said: Sender<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Panics {
    Never,
    /// In its own part of the commit.
    Within,
    /// In the part that all of the commit share.
    Outside,
}

impl Work for Saying {
    fn run(&mut self, _: &mut dyn Sql, _: &mut Uncounted) -> sql::Result<()> {
        assert!(self.panics != Panics::Within, "what this test is about");
        Ok(())
    }

    fn hook_events(&self) -> &[NewHookEvent] {
        assert!(self.panics != Panics::Outside, "what this test is about");
        &[]
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>, after: &mut AfterCommit) {
        let Saying { name, said, .. } = *self;
        said.send(format!("{name} {}", outcome.is_ok())).unwrap();
        after.then(move || said.send(format!("after {name}")).unwrap());
    }

    fn is_awaited(&self) -> bool {
        false
    }
}

/// Has the writer wait; returns when it does. It goes on when the sender is dropped.
fn block(writer: &Writer) -> Sender<()> {
    let (begin, begun) = channel();
    let (go, gate) = channel();
    let busy = move |_: &mut dyn Sql| {
        begin.send(()).unwrap();
        gate.recv().ok();
        Ok(())
    };
    writer.write_then(busy, |_, _| {});
    begun.recv().unwrap();
    go
}

/// What three pieces of work say that wait for the writer at the same time. The second may panic, and the third.
fn said(options: &Options, second: Panics, third: Panics) -> Vec<String> {
    let store = Store::open(options).unwrap();
    let (said, heard) = channel();
    let go = block(&store.writer);
    for (name, panics) in [("a", Panics::Never), ("b", second), ("c", third)] {
        let said = said.clone();
        store.writer.submit(Box::new(Saying { name, panics, said }));
    }
    drop(go);
    store.probe(|probed| assert!(probed.is_ok()));
    drop((store, said));
    heard.iter().collect()
}

#[test]
fn all_of_one_commit_have_one_thing_done_after_it() {
    options_of_both_engines(|options| {
        let all = said(options, Panics::Never, Panics::Never);
        assert_eq!(all, ["a true", "b true", "c true", "after a"]);
    });
}

#[test]
fn work_that_has_a_commit_of_its_own_waits_for_no_other() {
    options_of_both_engines(|options| {
        let each = [
            "a true", "after a", "b false", "after b", "c true", "after c",
        ];
        assert_eq!(said(options, Panics::Within, Panics::Never), each);
    });
}

#[test]
fn whatever_panics_all_hear_of_the_end_of_their_work() {
    options_of_both_engines(|options| {
        let all = [
            "a false", "after a", "b false", "after b", "c false", "after c",
        ];
        assert_eq!(said(options, Panics::Outside, Panics::Never), all);
        let each = [
            "a true", "after a", "b false", "after b", "c false", "after c",
        ];
        assert_eq!(said(options, Panics::Within, Panics::Outside), each);
    });
}

#[test]
fn work_that_comes_while_the_writer_ends_hears_that_it_was_not_done() {
    options_of_both_engines(|options| {
        let store = Store::open(options).unwrap();
        let (said, heard) = channel();
        let go = block(&store.writer);
        store.writer.threads.queue.send(Message::Stop).ok();
        let (name, panics) = ("late", Panics::Never);
        store.writer.submit(Box::new(Saying { name, panics, said }));
        drop(go);
        let all: Vec<String> = heard.iter().collect();
        assert_eq!(all, ["late false", "after late"]);
    });
}

#[test]
fn the_store_works_again_when_something_was_written_not_when_there_was_nothing_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Options::from(folder.path().join("wechat.db").as_path())).unwrap();
    let limit = |pages: u32| {
        move |sql: &mut dyn Sql| {
            let limit = format!("PRAGMA max_page_count = {pages}");
            sql.sqlite().execute_batch(&limit).unwrap();
            Ok(())
        }
    };
    let large = |sql: &mut dyn Sql| settings::put(sql, PROBE, &"x".repeat(100_000));
    let is_failing = || store.writer.threads.failing.load(Ordering::Relaxed);

    store.writer.write(limit(1)).unwrap();
    let error = store.writer.write(large).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(is_failing());
    store.writer.write(|_| Ok(())).unwrap();
    assert!(is_failing(), "nothing was written");
    store.writer.write(limit(u32::MAX)).unwrap();
    store.writer.write(large).unwrap();
    assert!(!is_failing());
}
