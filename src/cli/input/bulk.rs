//! One operation for many people: reads their openids, splits them into batches, and reports.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead};

use serde::Serialize;

use super::arguments::Openid;
use crate::api::ApiError;
use crate::api::rate::Rate;
use crate::byte_order_mark;
use crate::cli::platform::Patience;
use crate::cli::terminal::{Failure, Json, Output, ProgressLine};
use crate::counted::counted;
use crate::store::StoreError;

/// The people that a command line names, in order and without duplicates; `-` stands for the lines of standard input.
pub fn openids(arguments: &[String]) -> Result<Vec<String>, Failure> {
    let mut known = HashSet::new();
    let mut openids = Vec::new();
    let mut take = |text: &str| {
        let openid: Openid = text.parse().map_err(|error| match text.is_empty() {
            true => Failure::Wrong(error),
            false => Failure::Wrong(format!("{text:?} is no openid: {error}")),
        })?;
        if known.insert(openid.clone()) {
            openids.push(openid.into());
        }
        Ok::<(), Failure>(())
    };
    for argument in arguments {
        if argument != "-" {
            take(argument)?;
            continue;
        }
        for (n, line) in io::stdin().lock().lines().enumerate() {
            let line = line.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
            let line = match n {
                0 => byte_order_mark::skip(&line).trim(),
                _ => line.trim(),
            };
            if !line.is_empty() {
                take(line)?;
            }
        }
    }
    match openids.is_empty() {
        true => Err(Failure::Wrong("no openid was given".to_owned())),
        false => Ok(openids),
    }
}

/// The result of a [`BulkOperation`].
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// How many it was done for.
    done: usize,
    /// The people it was refused for.
    failed: Vec<Refused>,
    /// The people it may have been done for, as the answer to their batch did not come.
    unknown: Vec<String>,
    /// The people it was not tried for.
    left: Vec<String>,
    /// Why it stopped early.
    #[serde(skip)]
    given_up: Option<ApiError>,
    /// The first change that could not be stored.
    #[serde(skip)]
    not_noted: Option<StoreError>,
}

#[derive(Debug, Serialize)]
struct Refused {
    openid: String,
    why: String,
}

/// One operation for many people.
#[derive(Debug, Clone, Copy)]
pub struct BulkOperation {
    /// Its name on the progress line.
    pub label: &'static str,
    /// The most people in one call.
    pub batch_size: usize,
    /// Calls per second.
    pub rate: u32,
    /// How often a call waits for the next minute.
    pub patience: Patience,
}

impl BulkOperation {
    /// Runs it for everybody. `call` handles a batch and returns the people the platform could not do it for; `note`
    /// stores the others. If the refusal of a batch concerns one person, the others are tried again one by one; any
    /// other failure stops the operation.
    pub fn run(
        self,
        openids: &[String],
        call: impl Fn(&[String]) -> Result<Vec<String>, ApiError>,
        note: impl Fn(Vec<String>) -> Result<(), StoreError>,
    ) -> Outcome {
        let line = ProgressLine::on_stderr();
        let rate = Rate::per_second(self.rate);
        let mut outcome = Outcome::default();
        let all = openids.len();
        let attempt = |batch: &[String], outcome: &mut Outcome| {
            let mut patience = self.patience;
            let failed = loop {
                rate.wait();
                match call(batch) {
                    Ok(failed) => break failed,
                    Err(error) if patience.waits(&error, &line) => {}
                    Err(error) => return Err(error),
                }
            };
            let (bad, good): (Vec<String>, Vec<String>) = batch
                .iter()
                .cloned()
                .partition(|openid| failed.contains(openid));
            outcome.done += good.len();
            outcome.failed.extend(bad.into_iter().map(|openid| Refused {
                openid,
                why: "WeChat could not".to_owned(),
            }));
            if let Err(error) = note(good) {
                outcome.not_noted.get_or_insert(error);
            }
            Ok(())
        };
        let mut waiting: VecDeque<&[String]> = openids.chunks(self.batch_size).collect();
        while let Some(batch) = waiting.pop_front() {
            match attempt(batch, &mut outcome) {
                Ok(()) => {}
                // One by one, to find out which person it concerns.
                Err(error) if error.concerns_one_person() && batch.len() > 1 => {
                    batch
                        .chunks(1)
                        .rev()
                        .for_each(|one| waiting.push_front(one));
                }
                Err(error) if error.concerns_one_person() => {
                    outcome.failed.extend(batch.iter().map(|openid| Refused {
                        openid: openid.clone(),
                        why: error.to_string(),
                    }));
                }
                Err(error) => {
                    match error.may_be_done() {
                        true => outcome.unknown = batch.to_vec(),
                        false => waiting.push_front(batch),
                    }
                    outcome.left = waiting.into_iter().flatten().cloned().collect();
                    outcome.given_up = Some(error);
                    break;
                }
            }
            let done = outcome.done + outcome.failed.len();
            line.show(self.label, to_i64(done), Some(to_i64(all)));
        }
        outcome
    }
}

impl Outcome {
    /// Prints the result: `what` makes a sentence of "N followers". Fails unless it was done for everybody.
    pub fn report(self, what: impl Fn(&str) -> String, json: Json) -> Result<(), Failure> {
        let mut out = Output::for_change();
        if let Some(error) = &self.not_noted {
            out.warn_on_error(Err(error), NOT_NOTED);
        }
        if json.wanted {
            out.json(&self)?;
        } else {
            if self.given_up.is_none() || self.done > 0 {
                out.line(&what(&counted(self.done, "follower")))?;
            }
            for one in &self.failed {
                out.line(&format!("not {}: {}", one.openid, one.why))?;
            }
            out.done()?;
        }
        let failed = self.failed.len();
        let all = self.done + failed + self.unknown.len() + self.left.len();
        match self.given_up {
            Some(error) => {
                let unknown = match self.unknown.len() {
                    0 => String::new(),
                    unknown => format!(", it is unknown for the next {unknown}"),
                };
                Err(Failure::from(error).and(&format!(
                    "it was done for {} of {all}{unknown}; repeating it for all does no harm",
                    self.done
                )))
            }
            None if failed > 0 => Err(Failure::Failed(format!(
                "WeChat refused {failed} of {}",
                counted(all, "follower")
            ))),
            None => Ok(()),
        }
    }
}

/// The warning for a change that the platform made and the store could not record.
pub const NOT_NOTED: &str = "the store could not note it, `wechatd followers sync` brings it";

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn refused(errcode: i64) -> ApiError {
        ApiError::Platform {
            call: "tags/members/batchtagging".into(),
            errcode,
            errmsg: String::new(),
            rid: None,
        }
    }

    /// Runs for o1, o2 and o3 in batches of two while the platform answers with these error codes and then always with
    /// 0. Returns the outcome and the batches that the platform received.
    fn run(answers: &[i64]) -> (Outcome, Vec<String>) {
        let operation = BulkOperation {
            label: "testing",
            batch_size: 2,
            rate: 10_000,
            patience: Patience::without_pauses(),
        };
        let asked = RefCell::new(Vec::new());
        let call = |batch: &[String]| {
            let mut asked = asked.borrow_mut();
            asked.push(batch.join(" "));
            match answers.get(asked.len() - 1) {
                None | Some(0) => Ok(Vec::new()),
                Some(errcode) => Err(refused(*errcode)),
            }
        };
        let openids = ["o1", "o2", "o3"].map(str::to_owned);
        let outcome = operation.run(&openids, call, |_| Ok(()));
        (outcome, asked.into_inner())
    }

    #[test]
    fn the_limit_per_minute_is_waited_out_and_the_work_goes_on() {
        let (outcome, asked) = run(&[45011, 45011, 0, 45011]);
        assert_eq!(outcome.done, 3);
        assert_eq!(asked, ["o1 o2", "o1 o2", "o1 o2", "o3", "o3"]);
    }

    #[test]
    fn the_limit_is_not_waited_out_for_ever() {
        let (outcome, asked) = run(&[0, 45011, 45011, 45011, 45011, 45011, 45011]);
        assert_eq!(
            (outcome.done, &outcome.left[..]),
            (2, &["o3".to_owned()][..])
        );
        assert_eq!(
            outcome.given_up.and_then(|error| error.errcode()),
            Some(45011)
        );
        assert_eq!(asked.len(), 1 + 6);
        let (outcome, asked) = run(&[45009]);
        assert!(
            outcome.given_up.is_some(),
            "a used up day is not waited for"
        );
        assert_eq!(asked.len(), 1);
    }

    #[test]
    fn an_unknown_person_does_not_stop_it_for_the_others() {
        let (outcome, asked) = run(&[40003, 0, 40003]);
        assert_eq!(asked, ["o1 o2", "o1", "o2", "o3"]);
        assert_eq!((outcome.done, outcome.failed.len()), (2, 1));
        assert_eq!(outcome.failed[0].openid, "o2");
    }
}
