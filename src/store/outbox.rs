//! Adding events for the hooks of the configuration, in the commit of what they report.

use std::sync::Arc;

use super::sql::{Result, Sql, values};
use super::statement::statements;

/// The most events that wait for one hook; more are dropped, and counted.
const MOST_WAITING: i64 = 100_000;

/// An event for one hook, to be written in the commit of what it reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHookEvent {
    /// The `short_digest` of what identifies what happened.
    pub digest: i64,
    /// The hook's name.
    pub hook: Arc<str>,
    /// The name of its type.
    pub kind: &'static str,
    /// The person that it is about.
    pub openid: Option<String>,
    /// JSON; the same for all hooks.
    pub body: Arc<str>,
    /// Unix seconds.
    pub created_at: i64,
}

statements! {
    ADD = "INSERT INTO hook_events (number, digest, hook, type, openid, body, created_at, next_at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
    WAITING = "SELECT waiting FROM hooks WHERE name = ?1";
    COUNT = {
        sqlite: "INSERT INTO hooks (name, waiting, dropped) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE
                 SET waiting = waiting + excluded.waiting, dropped = dropped + excluded.dropped",
        mysql: "INSERT INTO hooks (name, waiting, dropped) VALUES (?1, ?2, ?3) ON DUPLICATE KEY UPDATE
                waiting = waiting + ?2, dropped = dropped + ?3",
    };
}

/// Adds events. Those beyond the limit of a hook are dropped, and counted.
///
/// Each hook's events are counted together: for a commit of many pushes that is less work.
pub(super) fn add<'a>(
    sql: &mut dyn Sql,
    events: impl Iterator<Item = &'a NewHookEvent> + Clone,
) -> Result<()> {
    let mut hooks: Vec<(&str, i64)> = Vec::new();
    for event in events.clone() {
        match hooks.iter_mut().find(|(hook, _)| *hook == &*event.hook) {
            Some((_, count)) => *count += 1,
            None => hooks.push((&event.hook, 1)),
        }
    }
    for (hook, count) in hooks {
        let taken = usize::try_from(count_waiting(sql, hook, count)?).unwrap_or(0);
        let theirs = events.clone().filter(|event| &*event.hook == hook);
        for event in theirs.take(taken) {
            sql.insert(
                &ADD,
                values![
                    event.digest,
                    hook,
                    event.kind,
                    event.openid,
                    event.body,
                    event.created_at,
                ],
            )?;
        }
    }
    Ok(())
}

/// Counts this many more events of a hook, and returns how many of them may wait.
fn count_waiting(sql: &mut dyn Sql, hook: &str, count: i64) -> Result<i64> {
    let waiting: Option<i64> = sql.optional(&WAITING, values![hook], |row| row.get(0))?;
    let taken = count.min((MOST_WAITING - waiting.unwrap_or(0)).max(0));
    sql.run(&COUNT, values![hook, taken, count - taken])?;
    Ok(taken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::both_engines::on_both_engines;
    use crate::store::statement::{Statement, statement};

    const HOOKS: Statement = statement!("SELECT name, waiting, dropped FROM hooks ORDER BY name");
    const EVENTS: Statement = statement!(
        "SELECT hook, digest, count(*) FROM hook_events GROUP BY hook, digest ORDER BY digest"
    );
    const SET_WAITING: Statement = statement!("UPDATE hooks SET waiting = ?1 WHERE name = 'a'");

    fn add_all(store: &Store, events: &[NewHookEvent]) {
        let events = events.to_vec();
        let done = store.writer.write(move |sql| add(sql, events.iter()));
        done.unwrap();
    }

    fn rows(store: &Store, statement: &Statement) -> Vec<(String, i64, i64)> {
        let reader = store.reader().unwrap();
        let rows = reader.read(|sql| {
            sql.all(statement, &[], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        });
        rows.unwrap()
    }

    #[test]
    fn of_events_in_one_commit_the_first_may_wait_up_to_the_limit_of_each_hook() {
        on_both_engines(|store| {
            let event = |(digest, hook): (i64, &str)| NewHookEvent {
                digest,
                hook: hook.into(),
                kind: "leave",
                openid: None,
                body: "{}".into(),
                created_at: 0,
            };
            let both = [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a")].map(event);
            let hooks = || rows(store, &HOOKS);
            let of = |hook: &str, waiting: i64, dropped: i64| (hook.to_owned(), waiting, dropped);
            add_all(store, &[]);
            assert_eq!(hooks(), []);
            add_all(store, &both);
            assert_eq!(hooks(), [of("a", 3, 0), of("b", 2, 0)]);
            let nearly_full = |sql: &mut dyn Sql| sql.run(&SET_WAITING, values![MOST_WAITING - 1]);
            assert_eq!(store.writer.write(nearly_full), Ok(1));
            for dropped in [2, 5] {
                add_all(store, &both);
                assert_eq!(hooks()[0], of("a", MOST_WAITING, dropped));
            }
            assert_eq!(hooks()[1], of("b", 6, 0));
            let expected = [
                ("a", 1, 2),
                ("b", 2, 3),
                ("a", 3, 1),
                ("b", 4, 3),
                ("a", 5, 1),
            ];
            assert_eq!(
                rows(store, &EVENTS),
                expected.map(|(hook, digest, count)| of(hook, digest, count))
            );
        });
    }
}
