//! `wechatd messages list --follow`: messages and events as they come.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use super::{answered_by, described, kind};
use crate::cli::terminal::{Column, Failure, Output, complain, interrupt, text, time, whole};
use crate::config::Config;
use crate::store::{InboxFilter, Looked, MessageRow, Reader, StoreError, Watch};

/// Between two looks at the files of the store.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two questions to a server.
const PAUSE_OF_SERVER: Duration = Duration::from_secs(1);

/// The most messages that are read at once.
const STEP: u32 = 500;

const COLUMNS: [Column; 6] = [
    whole("id"),
    time("received"),
    whole("openid"),
    text("kind"),
    text("answered by"),
    text("content"),
];

/// Prints the `first` newest that match, and then each that comes, until it is interrupted.
pub(super) fn run(
    config: &Config,
    filter: &InboxFilter,
    first: usize,
    as_json: bool,
) -> Result<(), Failure> {
    interrupt::ends_well()?;
    let mut watch = Watch::new(config.store.file());
    watch.look();
    let mut printer = Printer {
        out: Output::for_reading(),
        as_json,
        has_heading: false,
    };
    let reader = Reader::open(&config.store)?;
    let mut known = Known::now(&reader, filter)?;
    let mut rows = reader.inbox(filter, None, first)?.rows;
    // A file that is open cannot be restored; to a server it takes a while to connect.
    let is_kept = config.store.file().is_none();
    let mut kept = is_kept.then_some(reader);
    let pause = if is_kept { PAUSE_OF_SERVER } else { PAUSE };
    // What came since then follows.
    rows.retain(|row| known.has(row.id));
    rows.reverse();
    printer.print(&rows)?;
    // Why it cannot be read, if that was said.
    let mut said = None;
    let mut is_new = false;
    loop {
        thread::sleep(pause);
        match watch.look() {
            Looked::Same if said.is_none() => continue,
            Looked::Same | Looked::Changed => {}
            Looked::Gone => {
                is_new = true;
                say(&mut said, "the store is gone; waiting for another");
                continue;
            }
            Looked::Replaced => is_new = true,
        }
        let opened = kept.take().map_or_else(|| Reader::open(&config.store), Ok);
        let read = opened.and_then(|reader| {
            let read = match is_new {
                true => Known::now(&reader, filter).map(|now| (now, Vec::new())),
                false => known.news(&reader, filter),
            }?;
            kept = is_kept.then_some(reader);
            Ok(read)
        });
        match read {
            Ok((now, rows)) => {
                said = None;
                known = now;
                if std::mem::take(&mut is_new) {
                    complain(
                        "another store is in the place of the old one; what comes there follows",
                    );
                }
                printer.print(&rows)?;
            }
            Err(error) => say(&mut said, &format!("{error}; waiting")),
        }
    }
}

/// Says it unless it was said last.
fn say(said: &mut Option<String>, what: &str) {
    if said.as_deref() != Some(what) {
        complain(what);
        *said = Some(what.to_owned());
    }
}

/// The messages that were printed or were there before.
struct Known {
    /// All up to this id.
    id: i64,
    /// Of those after it that match, these.
    later: BTreeSet<i64>,
}

impl Known {
    /// What there is now.
    fn now(reader: &Reader, filter: &InboxFilter) -> Result<Known, StoreError> {
        let id = reader.inbox_mark()?.id;
        let nothing = Known {
            id,
            later: BTreeSet::new(),
        };
        Ok(nothing.news(reader, filter)?.0)
    }

    fn has(&self, id: i64) -> bool {
        id <= self.id || self.later.contains(&id)
    }

    /// What is known then, and what came that was not.
    fn news(
        &self,
        reader: &Reader,
        filter: &InboxFilter,
    ) -> Result<(Known, Vec<MessageRow>), StoreError> {
        // Of messages that were removed the ids are given again: it may be less than before.
        let id = reader.inbox_mark()?.id;
        let (mut later, mut news) = (BTreeSet::new(), Vec::new());
        let mut after = self.id;
        loop {
            let rows = reader.newer(filter, after, STEP)?;
            let is_last = rows.len() < STEP as usize;
            after = rows.last().map_or(after, |row| row.id);
            for row in rows {
                if row.id > id {
                    later.insert(row.id);
                }
                if !self.has(row.id) {
                    news.push(row);
                }
            }
            if is_last {
                return Ok((Known { id, later }, news));
            }
        }
    }
}

struct Printer {
    out: Output,
    as_json: bool,
    has_heading: bool,
}

impl Printer {
    fn print(&mut self, rows: &[MessageRow]) -> Result<(), Failure> {
        if self.as_json {
            for row in rows {
                self.out.json_line(row)?;
            }
            return self.out.flush();
        }
        let line = |row: &MessageRow| {
            [
                row.id.to_string(),
                row.received.clone(),
                row.openid.clone(),
                kind(row),
                answered_by(row),
                described::shown(row, described::english),
            ]
        };
        let lines: Vec<_> = rows.iter().map(line).collect();
        // So that later lines stand below the first ones.
        let usual = [6, 11, 28, 9, 16, 1].map(|width| "x".repeat(width));
        let with_heading = !std::mem::replace(&mut self.has_heading, true);
        self.out.rows(COLUMNS, &lines, Some(usual), with_heading)?;
        self.out.flush()
    }
}
