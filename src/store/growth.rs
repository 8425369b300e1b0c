//! How the account grows: who came and who left a day, when messages come, and by which scenes people came and stayed.

use std::ops::ControlFlow;

use serde::Serialize;

use super::error::StoreError;
use super::open::Reader;
use super::sql::values;
use super::statement::statements;
use crate::local_time::{self, Day};

/// A quarter of an hour in seconds: days of every time zone begin with one.
const QUARTER: i64 = 900;

/// The most days that are counted one by one, ten years.
const MOST_DAYS: usize = 3_660;

/// What happened on a local day, or in a week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// The day, or the first of the days, such as `2026-11-21`.
    pub day: String,
    /// Days since Monday, 0 to 6.
    #[serde(skip)]
    pub weekday: usize,
    /// Its first moment, in Unix seconds.
    #[serde(skip)]
    pub start: i64,
    /// How many people came, as `subscribed` in `daily_v`.
    pub arrivals: i64,
    /// How many left, as `unsubscribed` there.
    pub departures: i64,
    /// How many messages came, without events.
    pub messages: i64,
}

impl DayCount {
    fn of(day: Day) -> DayCount {
        DayCount {
            day: day.date,
            weekday: day.weekday,
            start: day.start,
            arrivals: 0,
            departures: 0,
            messages: 0,
        }
    }

    /// By how much the number of followers changed.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.arrivals - self.departures
    }
}

/// By how much the number of followers changed on the last so many of these days: 1 is today, 7 today and the six days
/// before.
#[must_use]
pub fn net_of_last(days: &[DayCount], count: usize) -> i64 {
    days.iter().rev().take(count).map(DayCount::net).sum()
}

/// The same as weeks from Monday on. The first and the last may have fewer than seven days.
#[must_use]
pub fn by_week(days: &[DayCount]) -> Vec<DayCount> {
    let weeks = days.chunk_by(|_, next| next.weekday > 0);
    let sum = |week: &[DayCount]| DayCount {
        arrivals: week.iter().map(|day| day.arrivals).sum(),
        departures: week.iter().map(|day| day.departures).sum(),
        messages: week.iter().map(|day| day.messages).sum(),
        ..week[0].clone()
    };
    weeks.map(sum).collect()
}

/// When messages come, by local clocks. Events are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MessageTimes {
    /// By hour of the day, from midnight on.
    pub hours: [i64; 24],
    /// By day of the week, from Monday on.
    pub weekdays: [i64; 7],
}

/// How people came by one scene, and how many of them stayed.
///
/// A scene is how somebody came: the scene of the QR code that they scanned, else what the platform calls
/// `subscribe_scene` in their profile, such as `ADD_SCENE_SEARCH`; empty while neither is known, as without API rights,
/// or of people who left before their profile was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SceneGrowth {
    /// The scene.
    pub scene: String,
    /// How often somebody came by it. Who came, left, and came again by the same scene came twice.
    pub came: i64,
    /// How many of those are still here: people who follow now, and who came by this scene when they came last. So
    /// nobody counts twice, or for two scenes; over all time the scenes add up to the followers.
    pub still_here: i64,
}

impl SceneGrowth {
    /// How many of a hundred stayed; `None` if nobody came.
    #[must_use]
    pub fn stayed_percent(&self) -> Option<i64> {
        let SceneGrowth {
            came, still_here, ..
        } = self;
        // The platform's time of a follow may differ a little from that of its push.
        (*came > 0).then(|| (still_here * 100 + came / 2).div_euclid(*came).min(100))
    }
}

statements! {
    // `?1` is the length of a quarter.
    DAYS = {
        sqlite: "SELECT quarter * ?1, subscribed, unsubscribed, messages FROM daily_counts WHERE quarter >= ?2 ORDER BY quarter",
        mysql: "SELECT quarter * ?1, CAST(sum(subscribed) AS SIGNED), CAST(sum(unsubscribed) AS SIGNED), CAST(sum(messages) AS SIGNED)
                FROM daily_counts WHERE quarter >= ?2 GROUP BY quarter ORDER BY quarter",
    };
    TIMES = {
        sqlite: "SELECT quarter * ?1, messages FROM daily_counts WHERE quarter >= ?2 AND messages > 0",
        mysql: "SELECT quarter * ?1, CAST(sum(messages) AS SIGNED) FROM daily_counts WHERE quarter >= ?2
                GROUP BY quarter HAVING sum(messages) > 0",
    };
    // Until version 3 each log-in had a scene of its own.
    SCENES = {
        sqlite: "SELECT iif(scene GLOB 'login-*' AND length(scene) = 28, 'login', scene), sum(came), sum(here)
                 FROM (SELECT scene, sum(came) AS came, sum(here) AS here FROM scene_counts WHERE quarter >= ?1 GROUP BY scene)
                 GROUP BY 1 HAVING sum(came) > 0 OR sum(here) > 0 ORDER BY 2 DESC, 3 DESC, 1 LIMIT ?2",
        mysql: "SELECT if(scene LIKE 'login-%' AND length(scene) = 28, 'login', scene) AS name,
                    CAST(sum(came) AS SIGNED) AS arrivals, CAST(sum(here) AS SIGNED) AS stayed
                FROM scene_counts WHERE quarter >= ?1 GROUP BY name HAVING arrivals > 0 OR stayed > 0
                ORDER BY arrivals DESC, stayed DESC, name LIMIT ?2",
    };
}

impl Reader {
    /// Who came and left on each local day from that of `from` to that of `to`, Unix seconds, oldest first, at most ten
    /// years back; days on which nothing happened are there too. The same as `daily_v`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn growth(&self, from: i64, to: i64) -> Result<Vec<DayCount>, StoreError> {
        let most = i64::try_from(MOST_DAYS).unwrap_or(i64::MAX) * 86_400;
        let days = local_time::days(from.max(to.saturating_sub(most)), to);
        let mut days: Vec<DayCount> = days.into_iter().map(DayCount::of).collect();
        let Some(first) = days.first().map(|day| day.start) else {
            return Ok(days);
        };
        let mut at = 0;
        let since = first.div_euclid(QUARTER);
        self.read(|sql| {
            sql.rows(&DAYS, values![QUARTER, since], &mut |row| {
                let start: i64 = row.get(0)?;
                while days.get(at + 1).is_some_and(|next| next.start <= start) {
                    at += 1;
                }
                // What comes after the last day was written by a wrong clock, or since `to`.
                if start > to {
                    return Ok(ControlFlow::Break(()));
                }
                let day = &mut days[at];
                day.arrivals += row.get::<i64>(1)?;
                day.departures += row.get::<i64>(2)?;
                day.messages += row.get::<i64>(3)?;
                Ok(ControlFlow::Continue(()))
            })
        })?;
        Ok(days)
    }

    /// When messages came since `since`, Unix seconds, to within a quarter of an hour.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn message_times(&self, since: i64) -> Result<MessageTimes, StoreError> {
        let since = since.div_euclid(QUARTER);
        let counts = self.read(|sql| {
            sql.all(&TIMES, values![QUARTER, since], |row| {
                Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
            })
        })?;
        let mut times = MessageTimes::default();
        let at = counts.iter().map(|(start, _)| *start);
        for ((hour, weekday), (_, messages)) in local_time::hours_and_weekdays(at).zip(&counts) {
            times.hours[hour] += messages;
            times.weekdays[weekday] += messages;
        }
        Ok(times)
    }

    /// How people came since `since`, Unix seconds, to within a quarter of an hour, and how many of them are still here:
    /// at most `limit` scenes, those by which most people came first. `None`: ever.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scene_growth(
        &self,
        since: Option<i64>,
        limit: u32,
    ) -> Result<Vec<SceneGrowth>, StoreError> {
        let first = since.map_or(i64::MIN, |since| since.div_euclid(QUARTER));
        self.read(|sql| {
            sql.all(&SCENES, values![first, limit], |row| {
                Ok(SceneGrowth {
                    scene: row.some_text(0),
                    came: row.get(1)?,
                    still_here: row.get(2)?,
                })
            })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::both_engines::on_both_engines;
    use crate::store::finding::tests::badly_timed;
    use crate::store::followers::tests::{push, record_all};
    use crate::store::signatures::remove_messages;
    use crate::store::sql::Sql;
    use crate::store::statement::{Statement, statement};
    use crate::store::{FetchedProfile, ProfileOutcome, Record};
    use crate::wechat::Effect;

    /// A Wednesday, 23 September 2026 in UTC.
    const NOW: i64 = 1_790_172_800;

    const VIEW: Statement = statement!({
        sqlite: "SELECT day, subscribed, unsubscribed, net, messages FROM daily_v ORDER BY day",
        mysql: "SELECT CAST(day AS CHAR), CAST(subscribed AS SIGNED), CAST(unsubscribed AS SIGNED), CAST(net AS SIGNED),
                    CAST(messages AS SIGNED) FROM daily_v ORDER BY day",
    });
    const MESSAGES: Statement =
        statement!("SELECT count(*) FROM messages WHERE msg_type <> 'event'");
    const HITS: Statement =
        statement!("SELECT count(*) FROM messages WHERE rule = ?1 AND received_at >= ?2");
    const OF_THE_LAST_DAY: Statement = statement!(
        "SELECT id, dedup_key, received_at, signature, msg_type FROM messages WHERE received_at BETWEEN ?1 - 86400 AND ?1 - 1"
    );

    fn follow(scene: Option<&str>) -> Effect {
        Effect::Follow {
            scene: scene.map(str::to_owned),
        }
    }

    fn text(number: usize, sender: &str, at: i64) -> Record {
        Record {
            msg_type: "text".to_owned(),
            ..push(number, sender, at, Effect::None)
        }
    }

    #[test]
    fn growth_has_the_numbers_of_daily_v_and_the_days_between() {
        on_both_engines(|store| {
            let pushes = [
                push(1, "a", 1_790_000_000, follow(None)),
                push(2, "b", 1_790_000_900, follow(None)),
                push(3, "a", 1_790_172_800, Effect::Leave),
                push(4, "c", 1_790_272_800, follow(None)),
                text(5, "a", 1_790_000_001),
                push(6, "a", 1_790_000_001, Effect::None),
                text(7, "b", 1_789_740_000),
            ];
            record_all(store, pushes);
            let reader = store.reader().unwrap();
            let days = reader.growth(NOW - 9 * 86_400, NOW).unwrap();
            assert_eq!(days.len(), 10);
            assert!(days.windows(2).all(|two| two[0].start < two[1].start));
            let counted = days
                .iter()
                .filter(|day| day.arrivals > 0 || day.departures > 0 || day.messages > 0);
            let counted: Vec<(String, i64, i64, i64, i64)> = counted
                .map(|day| {
                    (
                        day.day.clone(),
                        day.arrivals,
                        day.departures,
                        day.net(),
                        day.messages,
                    )
                })
                .collect();
            let view = reader.read(|sql| {
                sql.all(&VIEW, &[], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                })
            });
            let mut view: Vec<(String, i64, i64, i64, i64)> = view.unwrap();
            // It happens after the last day.
            assert_eq!(view.pop().map(|day| day.1), Some(1));
            assert_eq!(counted, view);
            assert_eq!((net_of_last(&days, 1), net_of_last(&days, 7)), (-1, 1));
        });
    }

    #[test]
    fn weeks_begin_on_monday_and_lose_nothing() {
        on_both_engines(|store| {
            let reader = store.reader().unwrap();
            let mut days = reader.growth(NOW - 20 * 86_400, NOW).unwrap();
            for (number, day) in (0..).zip(&mut days) {
                day.arrivals = number;
            }
            let weeks = by_week(&days);
            assert!(weeks[1..].iter().all(|week| week.weekday == 0), "{weeks:?}");
            let all = weeks.iter().map(|week| week.arrivals).sum::<i64>();
            assert_eq!((weeks.len(), all), (4, 210));
            assert_eq!(by_week(&[]), []);
        });
    }

    #[test]
    fn messages_are_counted_by_hour_and_weekday_whatever_the_clock_did() {
        on_both_engines(|store| {
            badly_timed(store);
            let reader = store.reader().unwrap();
            let times = reader.message_times(0).unwrap();
            let all = reader.read(|sql| sql.one(&MESSAGES, &[], |row| row.get::<i64>(0)));
            let all = all.unwrap();
            assert_eq!(times.hours.iter().sum::<i64>(), all);
            assert_eq!(times.weekdays.iter().sum::<i64>(), all);
        });
    }

    #[test]
    fn hits_of_rules_are_those_of_the_messages_before_they_are_counted_and_after() {
        on_both_engines(|store| {
            let answered = |number: usize, at, rule| Record {
                rule,
                ..text(number, "a", at)
            };
            let pushes = (1..=4_000_u16).map(|i| {
                let rule = (i % 5 > 0).then(|| format!("rule {}", i % 3));
                answered(i.into(), NOW - i64::from(i) * 900, rule)
            });
            record_all(store, pushes);
            let reader = store.reader().unwrap();
            let by_hand = |rule: &str, days: i64| -> i64 {
                let since = (NOW - days * 86_400) / 900 * 900;
                let hits =
                    reader.read(|sql| sql.one(&HITS, values![rule, since], |row| row.get(0)));
                hits.unwrap()
            };
            let check = |when: &str| {
                let hits = reader.rule_hits(NOW).unwrap();
                assert_eq!(hits.len(), 3, "{when}");
                for hit in &hits {
                    assert_eq!(hit.days_7, by_hand(&hit.rule, 7), "{when}: {hit:?}");
                    assert_eq!(hit.days_30, by_hand(&hit.rule, 30), "{when}: {hit:?}");
                }
                hits
            };
            let before = check("before");
            while store.count_rules(&reader, NOW).unwrap() > 0 {}
            assert_eq!(check("after"), before);
            record_all(store, [answered(0, NOW, Some("rule 1".to_owned()))]);
            let remove =
                |sql: &mut dyn Sql| remove_messages(sql, &OF_THE_LAST_DAY, values![NOW], i64::MAX);
            assert_eq!(store.writer.write(remove), Ok(96));
            assert_ne!(check("after a change"), before);
            let mut counted = 0;
            while let more @ 1.. = store.count_rules(&reader, NOW + 900).unwrap() {
                counted += more;
            }
            assert_eq!(counted, 97);
            let again = check("counted again");
            assert_eq!(again.iter().map(|hit| hit.last).max(), Some(NOW));
            // Older hits tell when the last one was.
            let later = reader.rule_hits(NOW + 400 * 86_400).unwrap();
            assert!(
                later.iter().all(|hit| hit.days_30 == 0 && hit.last > 0),
                "{later:?}"
            );
            assert_eq!(store.count_rules(&reader, NOW + 900).unwrap(), 0);
        });
    }

    #[test]
    fn who_came_twice_by_one_scene_is_still_here_once() {
        on_both_engines(|store| {
            let poster = || follow(Some("poster"));
            let pushes = [
                push(1, "twice", 1_790_000_000, poster()),
                push(2, "twice", 1_790_001_000, Effect::Leave),
                push(3, "twice", 1_790_002_000, poster()),
                push(4, "moved", 1_790_000_000, poster()),
                push(5, "moved", 1_790_001_000, Effect::Leave),
                push(6, "moved", 1_790_100_000, follow(None)),
                push(7, "gone", 1_790_000_000, follow(None)),
                push(8, "gone", 1_790_001_000, Effect::Leave),
            ];
            record_all(store, pushes);
            let profile = |scene: &str, code: Option<&str>| {
                ProfileOutcome::Fetched(Box::new(FetchedProfile {
                    subscribe_scene: Some(scene.to_owned()),
                    qr_scene_str: code.map(str::to_owned),
                    ..FetchedProfile::default()
                }))
            };
            let profiles = vec![
                (
                    "twice".to_owned(),
                    profile("ADD_SCENE_QR_CODE", Some("poster")),
                ),
                ("moved".to_owned(), profile("ADD_SCENE_SEARCH", None)),
            ];
            store.profiles_done(profiles, 1_790_100_001).unwrap();
            let reader = store.reader().unwrap();
            let scenes = |since, limit| -> Vec<(String, i64, i64, Option<i64>)> {
                let scenes = reader.scene_growth(since, limit).unwrap();
                let each = scenes.into_iter().map(|scene| {
                    let stayed = scene.stayed_percent();
                    (scene.scene, scene.came, scene.still_here, stayed)
                });
                each.collect()
            };
            let search = ("ADD_SCENE_SEARCH".to_owned(), 1, 1, Some(100));
            assert_eq!(
                scenes(None, 10),
                [
                    ("poster".to_owned(), 3, 1, Some(33)),
                    search.clone(),
                    (String::new(), 1, 0, Some(0)),
                ]
            );
            assert_eq!(scenes(Some(1_790_100_000), 10), [search]);
            assert_eq!(scenes(None, 1).len(), 1);
        });
    }
}
