//! How often each rule answered: counted by the quarter of an hour once that is over, so that a push pays nothing for it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::error::StoreError;
use super::finding::messages_by_quarter;
use super::open::{Reader, Store};
use super::sql::values;
use super::statement::statements;

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

statements! {
    // Since the quarters `?1` and `?2`.
    COUNTED = {
        sqlite: "SELECT rule, sum(iif(quarter >= ?1, hits, 0)), sum(hits), max(last)
                 FROM daily_counts CROSS JOIN rule_counts USING (quarter)
                 WHERE quarter >= ?2 AND counted IS pushes GROUP BY rule",
        mysql: "SELECT rule, CAST(sum(if(quarter >= ?1, hits, 0)) AS SIGNED), CAST(sum(hits) AS SIGNED), max(last)
                FROM rule_counts WHERE quarter >= ?2 AND quarter IN (
                    SELECT quarter FROM daily_counts WHERE quarter >= ?2 GROUP BY quarter HAVING max(counted) <=> sum(pushes))
                GROUP BY rule",
    };
    NOT_COUNTED = {
        sqlite: concat!("SELECT rule, sum(quarter >= ?1), count(*), max(received_at) FROM ", messages_by_quarter!("first_id"), "
                 WHERE quarter >= ?2 AND counted IS NOT pushes AND rule IS NOT NULL GROUP BY rule"),
        mysql: "SELECT rule, CAST(sum(quarter >= ?1) AS SIGNED), count(*), max(received_at)
                FROM (SELECT quarter FROM daily_counts WHERE quarter >= ?2 GROUP BY quarter HAVING NOT max(counted) <=> sum(pushes)) AS uncounted
                JOIN messages ON received_at >= quarter * 900 AND received_at < (quarter + 1) * 900
                WHERE rule IS NOT NULL GROUP BY rule",
    };
    // The last hit of each, from the end of its rows.
    LAST = {
        sqlite: "WITH RECURSIVE name (rule) AS (
                     SELECT min(rule) FROM rule_counts
                     UNION ALL SELECT (SELECT min(rule) FROM rule_counts WHERE rule > name.rule) FROM name WHERE rule IS NOT NULL
                 )
                 SELECT rule, 0, 0, (SELECT last FROM rule_counts WHERE rule = name.rule ORDER BY quarter DESC LIMIT 1)
                 FROM name WHERE rule IS NOT NULL AND ?1 AND ?2",
        mysql: "SELECT rule, 0, 0, max(last) FROM rule_counts WHERE ?1 AND ?2 GROUP BY rule",
    };
    TO_COUNT = {
        sqlite: "SELECT quarter, pushes FROM daily_counts WHERE counted IS NOT pushes AND quarter < ?1 ORDER BY quarter LIMIT ?2",
        mysql: "SELECT quarter, CAST(sum(pushes) AS SIGNED) FROM daily_counts WHERE quarter < ?1
                GROUP BY quarter HAVING NOT max(counted) <=> sum(pushes) ORDER BY quarter LIMIT ?2",
    };
    HITS = {
        sqlite: concat!("SELECT rule, count(*), max(received_at) FROM ", messages_by_quarter!("first_id"), "
                 WHERE quarter = ?1 AND rule IS NOT NULL GROUP BY rule"),
        mysql: "SELECT rule, count(*), max(received_at) FROM messages
                WHERE received_at >= ?1 * 900 AND received_at < (?1 + 1) * 900 AND rule IS NOT NULL GROUP BY rule",
    };
    CLEAR = "DELETE FROM rule_counts WHERE quarter = ?1";
    // Two nodes may count the same.
    PUT = {
        sqlite: "INSERT INTO rule_counts (rule, quarter, hits, last) VALUES (?1, ?2, ?3, ?4)",
        mysql: "INSERT INTO rule_counts (rule, quarter, hits, last) VALUES (?1, ?2, ?3, ?4)
                ON DUPLICATE KEY UPDATE hits = ?3, last = ?4",
    };
    IS_COUNTED = {
        sqlite: "UPDATE daily_counts SET counted = ?2 WHERE quarter = ?1",
        mysql: "INSERT INTO daily_counts (quarter, shard, counted) VALUES (?1, 0, ?2) ON DUPLICATE KEY UPDATE counted = ?2",
    };
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
        let mut hits: HashMap<String, RuleHits> = HashMap::new();
        self.read(|sql| {
            for sums in [&COUNTED, &NOT_COUNTED, &LAST] {
                sql.rows(sums, values![week, month], &mut |row| {
                    let hits = hits.entry(row.some_text(0)).or_default();
                    hits.days_7 += row.get::<i64>(1)?;
                    hits.days_30 += row.get::<i64>(2)?;
                    hits.last = hits.last.max(row.get(3)?);
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            Ok(())
        })?;
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
        self.read(|sql| {
            let uncounted = sql.all(&TO_COUNT, values![now / 900, QUARTERS], |row| {
                Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
            })?;
            let (mut counted, mut read) = (Vec::new(), 0);
            for (quarter, pushes) in uncounted {
                let rules = sql.all(&HITS, values![quarter], |row| {
                    Ok((row.some_text(0), row.get(1)?, row.get(2)?))
                })?;
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
        })
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
        self.writer.write(move |sql| {
            for Counted {
                quarter,
                pushes,
                rules,
            } in &counted
            {
                sql.run(&CLEAR, values![quarter])?;
                for (rule, hits, last) in rules {
                    sql.run(&PUT, values![rule, quarter, hits, last])?;
                }
                sql.run(&IS_COUNTED, values![quarter, pushes])?;
            }
            Ok(counted.len())
        })
    }
}
