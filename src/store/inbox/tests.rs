//! Tests of the inbox.

use super::*;
use crate::store::Record;
use crate::store::both_engines::on_both_engines;
use crate::store::followers::tests::{push, record_all};
use crate::store::statement::statement;
use crate::wechat::Effect;

const IDS: Statement = statement!("SELECT id FROM messages ORDER BY id");

/// Every third is an event, every fourth was answered by a rule, and every fifth is to be looked at.
fn message(i: i64) -> Record {
    let kind = if i % 3 == 0 { "event" } else { "text" };
    let sender = format!("o{}", i % 2);
    Record {
        msg_type: kind.to_owned(),
        content: Some(format!("number {i}")),
        rule: (i % 4 == 0).then(|| "help".to_owned()),
        todo: i % 5 == 0,
        ..push(
            usize::try_from(i).unwrap(),
            &sender,
            1_790_000_000 + i,
            Effect::None,
        )
    }
}

#[test]
fn a_list_is_read_page_by_page_by_every_filter() {
    on_both_engines(|store| {
        record_all(store, (1..=60).map(message));
        let reader = store.reader().unwrap();
        let ids = reader.read(|sql| sql.all(&IDS, &[], |row| row.get::<i64>(0)));
        let ids = ids.unwrap();
        let id = |i: usize| ids[i - 1];
        let number = |id: i64| 1 + ids.binary_search(&id).unwrap();
        let done = Mark::Done {
            by: "cli".to_owned(),
            at: 1_790_000_100,
        };
        let some = [5, 15, 25, 35, 45, 55].map(id);
        assert_eq!(store.mark(&some, &done).unwrap(), some);
        let all = |filter: &InboxFilter, is_it: &dyn Fn(usize) -> bool| {
            let expected: Vec<usize> = (1..=60).rev().filter(|i| is_it(*i)).collect();
            for most in [1, 7, 60, 100] {
                let (mut found, mut before) = (Vec::new(), None);
                loop {
                    let page = reader.inbox(filter, before, most).unwrap();
                    assert!(page.rows.len() <= most);
                    found.extend(page.rows.iter().map(|row| number(row.id)));
                    match page.older {
                        Older::Page(older) => before = Some(older),
                        Older::Nothing => break,
                        Older::NotLookedAt(id) => panic!("{id}"),
                    }
                }
                assert_eq!(found, expected, "{filter:?}, {most} at a time");
            }
            let newer = reader.newer(filter, id(30), 100).unwrap();
            let newer: Vec<usize> = newer.iter().rev().map(|row| number(row.id)).collect();
            let later: Vec<usize> = expected.into_iter().filter(|i| *i > 30).collect();
            assert_eq!(newer, later, "{filter:?}");
        };
        let with = InboxFilter::default;
        all(&with(), &|_| true);
        let (messages, events) = (Kinds::Messages, Kinds::Events);
        all(
            &InboxFilter {
                kinds: messages,
                ..with()
            },
            &|i| i % 3 != 0,
        );
        all(
            &InboxFilter {
                kinds: events,
                ..with()
            },
            &|i| i % 3 == 0,
        );
        all(
            &InboxFilter {
                todo: true,
                ..with()
            },
            &|i| i % 10 == 0,
        );
        let openid = Some("o1".to_owned());
        all(&InboxFilter { openid, ..with() }, &|i| i % 2 == 1);
        let since = Some(1_790_000_040);
        all(&InboxFilter { since, ..with() }, &|i| i >= 40);
        let rule = Some("help".to_owned());
        all(&InboxFilter { rule, ..with() }, &|i| i % 4 == 0);
        let search = Some("NUMBER 5".to_owned());
        all(&InboxFilter { search, ..with() }, &|i| {
            i == 5 || (50..60).contains(&i)
        });
        assert_eq!(reader.todo_count().unwrap(), 6);
        let newer = |mark: &str| reader.count_newer(mark.parse().unwrap()).unwrap();
        let [middle, last] = [30, 60].map(id);
        assert_eq!(
            [
                newer("0"),
                newer(&middle.to_string()),
                newer(&last.to_string())
            ],
            [60, 30, 0]
        );
        let later = [7, 31].map(|later| newer(&format!("{middle}.{later}")));
        assert_eq!(later, [23, 0]);
        let mark = reader.inbox_mark().unwrap().to_string();
        assert_eq!(newer(&mark), 0, "{mark}");
        record_all(store, [message(61)]);
        assert_eq!(newer(&mark), 1, "{mark}");
        let marks = ["", "x", "1.", "1.x", "1.-1", ".1"].map(str::parse::<InboxMark>);
        assert!(marks.iter().all(Result::is_err));
        assert_eq!("7.12".parse::<InboxMark>().unwrap().to_string(), "7.12");
    });
}
