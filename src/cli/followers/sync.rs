//! `wechatd followers sync`: to the end, over the limits of a minute, with a question where many would go.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::input::{Yes, confirm};
use crate::cli::platform::{Patience, connect};
use crate::cli::terminal::{Failure, Json, Output, ProgressLine, complain, interrupt};
use crate::config::Config;
use crate::hooks::Subscribers;
use crate::store::SyncStep;
use crate::sync::{Belief, Doubt, FollowerSync, Progress, SyncError};

/// Syncs, shows how far it is, and asks before it takes out suspiciously many.
pub(super) fn run(config: &Config, yes: Yes, json: Json) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    let line = Arc::new(ProgressLine::on_stderr());
    let at_the_end = Arc::clone(&line);
    interrupt::on_interrupt(move || {
        at_the_end.clear();
        complain(&SyncError::Stopped.to_string());
    })?;
    let announce = Subscribers::of(&config.hooks).announce();
    let sync = FollowerSync {
        store: &store,
        api: &api,
        rate: config.api.rate,
        announce: announce.as_ref(),
    };
    let show = |progress: Progress| {
        let label = match progress.step {
            SyncStep::List => "reading the list",
            SyncStep::Leave | SyncStep::Unfollowed => "removing those who unfollowed",
            SyncStep::Profiles => "fetching profiles",
            SyncStep::Clean => "tidying up",
        };
        line.show(label, progress.done, progress.of);
    };
    let furthest = Mutex::new(None);
    let note = |progress: Progress| {
        *furthest.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        show(progress);
    };
    let refused = Mutex::new(None);
    let believe = |doubt: Doubt| match doubt {
        _ if yes.given => Belief::Yes,
        Doubt::Short { .. } => Belief::No,
        Doubt::Many { .. } => {
            line.clear();
            match confirm::ask(&format!("{doubt}. Remove them?"), yes) {
                Ok(()) => Belief::Yes,
                Err(failure) => {
                    *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                    Belief::Stop
                }
            }
        }
    };
    let summary = run_to_the_end(Patience::new(), &line, || {
        let ended = sync.run(&note, &|| false, &believe);
        let furthest = *furthest.lock().unwrap_or_else(PoisonError::into_inner);
        (ended, furthest)
    });
    line.clear();
    if let Some(failure) = refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let summary = summary?;
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(&summary);
    }
    out.line(&summary.to_string())?;
    out.done()
}

/// Runs a sync, and goes on with it each time that it stops only for the limit per minute. `run` returns how far it got;
/// progress resets the number of waits.
fn run_to_the_end<T>(
    all: Patience,
    line: &ProgressLine,
    run: impl Fn() -> (Result<T, SyncError>, Option<Progress>),
) -> Result<T, SyncError> {
    let mut patience = all;
    let mut before = None;
    loop {
        let (ended, furthest) = run();
        if furthest != before {
            before = furthest;
            patience = all;
        }
        match ended {
            Err(SyncError::Api(error)) if patience.waits(&error, line) => {}
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ApiError;
    use std::cell::Cell;

    /// How often a sync runs that is stopped after each of these followers, and whether it ends.
    fn runs(stops: &[i64]) -> (usize, bool) {
        let run = Cell::new(0);
        let ended = run_to_the_end(
            Patience::without_pauses(),
            &ProgressLine::on_stderr(),
            || {
                let at = stops.get(run.get());
                run.set(run.get() + 1);
                let progress = |done| Progress {
                    step: SyncStep::Profiles,
                    done,
                    of: None,
                };
                let full = ApiError::Platform {
                    call: "user/info/batchget".into(),
                    errcode: 45011,
                    errmsg: String::new(),
                    rid: None,
                };
                match at {
                    Some(done) => (Err(SyncError::Api(full)), Some(progress(*done))),
                    None => (Ok(()), None),
                }
            },
        );
        (run.get(), ended.is_ok())
    }

    #[test]
    fn a_sync_goes_on_after_the_limit_per_minute_as_long_as_it_makes_progress() {
        assert_eq!(runs(&[]), (1, true));
        assert_eq!(runs(&[0, 0, 100]), (4, true));
        assert_eq!(runs(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), (10, true));
        assert_eq!(runs(&[7; 20]), (6, false));
    }
}
