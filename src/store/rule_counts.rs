//! How often each rule answered: counted by the quarter of an hour once that is over, so that a push pays nothing for it.

use std::collections::HashMap;

use rusqlite::params;
use serde::Serialize;

use super::columns::some_text;
use super::error::StoreError;
use super::finding::messages_by_quarter;
use super::open::{Reader, Store};

const DAY: i64 = 86_400;

/// The most quarters of an hour that are counted in one commit.
const QUARTERS: u32 = 96;

/// A commit counts no further quarter after so many pushes.
const PUSHES: i64 = 20_000;

/// How often a rule answered, by the messages that are in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleHits {
    /// The name of the rule.
    pub rule: String,
    /// In the last 7 times 24 hours, to within a quarter of an hour.
    pub days_7: i64,
    /// In the last 30.
    pub days_30: i64,
    /// The last time, in Unix seconds.
    pub last: i64,
}

/// The rules of one quarter of an hour.
#[derive(Debug)]
struct Counted {
    quarter: i64,
    /// All pushes of it, also those that no rule answered.
    pushes: i64,
    /// Rule, hits, and the last of them.
    rules: Vec<(String, i64, i64)>,
}

impl Reader {
    /// How often each rule answered, the busiest of the last 30 days before `now`, Unix seconds, first. Also rules that
    /// the configuration has no longer; none that never answered.
    ///
    /// What is not counted yet is read from the messages: while the server runs, an hour or two.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rule_hits(&self, now: i64) -> Result<Vec<RuleHits>, StoreError> {
        let (week, month) = ((now - 7 * DAY) / 900, (now - 30 * DAY) / 900);
        let uncounted = messages_by_quarter("first_id");
        let sums = [
            "SELECT rule, sum(iif(quarter >= ?1, hits, 0)), sum(hits), max(last)
             FROM daily_counts CROSS JOIN rule_counts USING (quarter)
             WHERE quarter >= ?2 AND counted IS pushes GROUP BY rule"
                .to_owned(),
            format!(
                "SELECT rule, sum(quarter >= ?1), count(*), max(received_at) FROM {uncounted}
                 WHERE quarter >= ?2 AND counted IS NOT pushes AND rule IS NOT NULL GROUP BY rule"
            ),
            // The last hit of each, from the end of its rows.
            "WITH RECURSIVE name (rule) AS (
                 SELECT min(rule) FROM rule_counts
                 UNION ALL SELECT (SELECT min(rule) FROM rule_counts WHERE rule > name.rule) FROM name WHERE rule IS NOT NULL
             )
             SELECT rule, 0, 0, (SELECT last FROM rule_counts WHERE rule = name.rule ORDER BY quarter DESC LIMIT 1)
             FROM name WHERE rule IS NOT NULL AND ?1 AND ?2"
                .to_owned(),
        ];
        let mut hits: HashMap<String, RuleHits> = HashMap::new();
        let mut read = || {
            for sql in &sums {
                let mut statement = self.sqlite().prepare_cached(sql)?;
                let mut rows = statement.query([week, month])?;
                while let Some(row) = rows.next()? {
                    let rule = some_text(row, 0)?;
                    let hits = hits.entry(rule).or_default();
                    hits.days_7 += row.get::<_, i64>(1)?;
                    hits.days_30 += row.get::<_, i64>(2)?;
                    hits.last = hits.last.max(row.get(3)?);
                }
            }
            Ok(())
        };
        read().map_err(|error| Reader::failed(&error))?;
        let mut hits: Vec<RuleHits> = hits
            .into_iter()
            .map(|(rule, hits)| RuleHits { rule, ..hits })
            .collect();
        hits.sort_by(|a, b| (b.days_30, b.last, &a.rule).cmp(&(a.days_30, a.last, &b.rule)));
        Ok(hits)
    }

    /// Counts the rules of a few quarters of an hour before that of `now` that are not counted yet, or whose number of
    /// pushes changed since.
    fn rules_to_count(&self, now: i64) -> Result<Vec<Counted>, StoreError> {
        let read = || {
            let uncounted = self
                .sqlite()
                .prepare_cached(
                    "SELECT quarter, pushes FROM daily_counts WHERE counted IS NOT pushes AND quarter < ?1 ORDER BY quarter LIMIT ?2",
                )?
                .query_map(params![now / 900, QUARTERS], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
            let by_quarter = messages_by_quarter("first_id");
            let mut statement = self.sqlite().prepare_cached(&format!(
                "SELECT rule, count(*), max(received_at) FROM {by_quarter} WHERE quarter = ?1 AND rule IS NOT NULL GROUP BY rule"
            ))?;
            let (mut counted, mut read) = (Vec::new(), 0);
            for (quarter, pushes) in uncounted {
                let rules = statement
                    .query_map([quarter], |row| {
                        Ok((some_text(row, 0)?, row.get(1)?, row.get(2)?))
                    })?
                    .collect::<rusqlite::Result<_>>()?;
                counted.push(Counted {
                    quarter,
                    pushes,
                    rules,
                });
                read += pushes;
                if read >= PUSHES {
                    break;
                }
            }
            Ok(counted)
        };
        read().map_err(|error| Reader::failed(&error))
    }
}

impl Store {
    /// Counts the rules of up to a day of quarters of an hour before that of `now`, Unix seconds, in one commit; returns
    /// how many quarters it were. `reader` looks at the messages, so that pushes do not wait.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn count_rules(&self, reader: &Reader, now: i64) -> Result<usize, StoreError> {
        let counted = reader.rules_to_count(now)?;
        if counted.is_empty() {
            return Ok(0);
        }
        self.writer.write_sqlite(move |connection| {
            for Counted {
                quarter,
                pushes,
                rules,
            } in &counted
            {
                connection
                    .prepare_cached("DELETE FROM rule_counts WHERE quarter = ?1")?
                    .execute([quarter])?;
                let mut insert = connection.prepare_cached(
                    "INSERT INTO rule_counts (rule, quarter, hits, last) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for (rule, hits, last) in rules {
                    insert.execute(params![rule, quarter, hits, last])?;
                }
                connection
                    .prepare_cached("UPDATE daily_counts SET counted = ?2 WHERE quarter = ?1")?
                    .execute([quarter, pushes])?;
            }
            Ok(counted.len())
        })
    }
}
