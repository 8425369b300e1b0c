//! Delivers the waiting events of one hook and records the outcomes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::event::body;
use super::message::{Call, call, taken};
use super::schedule::{Failure, PROBING, Schedule};
use super::verdict::{Answer, judge};
use crate::clock;
use crate::config::{Hook, HookFormat};
use crate::counted::counted;
use crate::outbound::{Outbound, Request};
use crate::random;
use crate::store::{
    EventState, HookChange, HookEvent, HookOutcome, HookState, NewHookEvent, Reader, Store,
    StoreError,
};
use crate::trouble::{Kind, Troubles};
use crate::webhook::SigningSecret;

/// For one call, from the DNS lookup to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of an answer that are read.
const MOST_READ: u64 = 64 << 10;

/// Pause between two reads of the store without a notification: a command may have changed something.
const LOOK: Duration = Duration::from_secs(1);

/// Events per read.
const BATCH: u32 = 500;

/// How long outcomes may be held back to be written together. After a kill these events are delivered again.
const TOGETHER: Duration = Duration::from_millis(500);

/// Makes the calls to one hook.
pub struct Courier {
    /// The hook.
    pub hook: Hook,
    secrets: Vec<SigningSecret>,
    outbound: Arc<Outbound>,
}

impl Courier {
    /// `secrets` of [`super::secrets`].
    pub(crate) fn new(hook: Hook, secrets: Vec<SigningSecret>, outbound: Arc<Outbound>) -> Courier {
        Courier {
            hook,
            secrets,
            outbound,
        }
    }

    /// Sends a test event and returns the HTTP status of the answer.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub fn test(&self) -> Result<u16, Failure> {
        let now = clock::unix_seconds();
        let event = HookEvent {
            number: 0,
            id: format!("evt_test{now:x}"),
            hook: self.hook.name.clone(),
            kind: "test".to_owned(),
            openid: None,
            body: body("test", now, &json!({ "hook": self.hook.name })),
            created_at: now,
            attempts: 0,
            next_at: now,
            last_status: None,
            last_error: None,
        };
        self.deliver(&[event], 0)
    }

    /// Sends an event now, without the store, which may be what the event is about.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub fn send_now(&self, event: &NewHookEvent) -> Result<u16, Failure> {
        let event = HookEvent {
            number: 0,
            id: format!("evt_{:016x}", event.digest),
            hook: self.hook.name.clone(),
            kind: event.kind.to_owned(),
            openid: event.openid.clone(),
            body: event.body.to_string(),
            created_at: event.created_at,
            attempts: 0,
            next_at: event.created_at,
            last_status: None,
            last_error: None,
        };
        self.deliver(&[event], 0)
    }

    /// Makes one call.
    fn deliver(&self, events: &[HookEvent], dropped: i64) -> Result<u16, Failure> {
        let Call {
            url,
            query,
            headers,
            body,
        } = call(
            &self.hook,
            &self.secrets,
            events,
            dropped,
            clock::unix_seconds(),
        );
        let request = Request {
            url: &url,
            query: query
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect(),
            headers: headers
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect(),
            body: Some(("application/json; charset=utf-8", body.as_bytes())),
            timeout: TIMEOUT,
            redirects: 0,
        };
        let response = self.outbound.send(&request).map_err(|error| Failure {
            status: None,
            error: error.to_string(),
            retry_after: None,
            is_gone: false,
        })?;
        let status = response.status();
        let retry_after = response.header("retry-after").map(str::to_owned);
        let mut read = Vec::new();
        // The head is an answer already; a robot's that was cut has no code.
        response.into_body().read_rest(MOST_READ, &mut read).ok();
        judge(
            &self.hook.format,
            Answer {
                status,
                retry_after: retry_after.as_deref(),
                body: &read,
            },
        )
    }

    /// The least time between two calls, so that a robot's limits are kept.
    fn pause_between_calls(&self) -> Duration {
        match self.hook.format {
            HookFormat::Standard { .. } => Duration::ZERO,
            // 20 a minute.
            HookFormat::WeCom | HookFormat::DingTalk { .. } => Duration::from_millis(3_200),
            // 100 a minute, 5 a second.
            HookFormat::Feishu { .. } => Duration::from_millis(650),
            // One in 5 s, after the first 60.
            HookFormat::Ntfy => Duration::from_secs(5),
            HookFormat::Bark => Duration::from_secs(1),
        }
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

/// What comes before the next round of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Nothing: there may be more to deliver.
    None,
    /// A pause that a new event ends.
    UntilNotified(Duration),
    /// A pause that a new event does not end: nothing may be sent before.
    Whole(Duration),
}

/// State that lasts from one round of deliveries to the next.
#[derive(Debug, Default)]
pub struct Round {
    /// Not before this: a robot's limits.
    next_call: Option<Instant>,
    /// When an event was last tried.
    last_try: Option<Instant>,
    /// The last thing that was logged about the hook.
    logged: Logged,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Logged {
    #[default]
    Nothing,
    Failing,
    Probing,
}

impl Round {
    /// Delivers events that are due and returns the pause before the next round. Stops between two calls when `stops`
    /// returns true.
    ///
    /// # Errors
    /// When the store cannot be read or written; what was delivered meanwhile will be delivered again.
    pub fn run(
        &mut self,
        courier: &Courier,
        reader: &Reader,
        store: &Store,
        troubles: &Troubles,
        stops: &dyn Fn() -> bool,
    ) -> Result<Pause, StoreError> {
        let Hook { name, url, .. } = &courier.hook;
        let state = reader.hook_state(name)?;
        if let Some(why) = state.paused {
            let text =
                format!("{url}: {why}: it is paused; `wechatd hooks resume {name}` lets it go on");
            troubles.begin(Kind::Hook.of(name), &text);
            return Ok(Pause::Whole(LOOK));
        }
        if troubles.has(Kind::Hook) {
            troubles.end(Kind::Hook.of(name), "goes on");
        }
        if state.waiting == 0 {
            return Ok(Pause::UntilNotified(LOOK));
        }
        let now = Instant::now();
        let probe = Duration::from_secs(Schedule::REAL.probe.unsigned_abs());
        let next_probe = self
            .last_try
            .map(|last| last + probe)
            .filter(|_| state.failures >= PROBING);
        let earliest = self.next_call.max(next_probe);
        if let Some(left) = earliest.and_then(|at| at.checked_duration_since(now)) {
            return Ok(Pause::Whole(left.min(LOOK)));
        }
        let events = reader.due_hook_events(name, clock::unix_seconds(), BATCH)?;
        if events.is_empty() {
            return Ok(Pause::UntilNotified(LOOK));
        }
        self.deliver(courier, &events, &state, store, stops)?;
        Ok(Pause::None)
    }

    fn deliver(
        &mut self,
        courier: &Courier,
        events: &[HookEvent],
        state: &HookState,
        store: &Store,
        stops: &dyn Fn() -> bool,
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut change = HookChange {
            failures: state.failures,
            ..HookChange::default()
        };
        let mut outcomes: Vec<HookOutcome> = Vec::new();
        let mut rest = events;
        while !rest.is_empty() && (outcomes.is_empty() || begun.elapsed() < TOGETHER) && !stops() {
            let (batch, later) = rest.split_at(taken(&courier.hook, rest));
            rest = later;
            let dropped = state.dropped - change.reported_dropped;
            let delivered = courier.deliver(batch, dropped);
            let (now, moment) = (clock::unix_seconds(), Instant::now());
            self.last_try = Some(moment);
            let pause = courier.pause_between_calls();
            match delivered {
                Ok(status) => {
                    self.log_success(courier);
                    change.failures = 0;
                    change.reported_dropped = state.dropped;
                    outcomes.extend(batch.iter().map(|event| HookOutcome {
                        number: event.number,
                        state: EventState::Delivered(now),
                        attempts: event.attempts + 1,
                        status: Some(status),
                        error: None,
                    }));
                }
                Err(failure) => {
                    outcomes.extend(batch.iter().map(|event| {
                        let failures = change.failures;
                        Schedule::REAL.after_failure(event, &failure, failures, now, spread())
                    }));
                    change.failures += 1;
                    self.log_failure(courier, &failure, change.failures);
                    if failure.is_gone {
                        change.paused = Some(failure.error);
                    }
                    if change.paused.is_some() || change.failures >= PROBING {
                        break;
                    }
                }
            }
            if !pause.is_zero() {
                self.next_call = Some(moment + pause);
                break;
            }
        }
        let is_dead = |outcome: &&HookOutcome| matches!(outcome.state, EventState::Dead(_));
        let dead = outcomes.iter().filter(is_dead).count();
        let name = &courier.hook.name;
        if dead > 0 {
            log::error!(
                "hook {name}: {} given up after the last attempt; `wechatd hooks failed {name}` lists them, `wechatd hooks resend --failed {name}` tries again",
                counted(dead, "event")
            );
        }
        store.hook_outcomes(name, outcomes, change)
    }

    fn log_success(&mut self, courier: &Courier) {
        if self.logged != Logged::Nothing {
            self.logged = Logged::Nothing;
            log::info!("hook {}: delivers again", courier.hook.name);
        }
    }

    fn log_failure(&mut self, courier: &Courier, failure: &Failure, failures: i64) {
        let Hook { name, url, .. } = &courier.hook;
        let why = &failure.error;
        if failure.is_gone {
            // That it is paused is trouble, which the next round finds in the store.
            self.logged = Logged::Nothing;
        } else if failures >= PROBING && self.logged != Logged::Probing {
            self.logged = Logged::Probing;
            log::warn!(
                "hook {name}: {url}: {why}: {failures} failures in a row; one event a minute is tried until one is delivered, the others wait"
            );
        } else if self.logged == Logged::Nothing {
            self.logged = Logged::Failing;
            log::warn!("hook {name}: {url}: {why}; it is tried again later");
        }
    }
}

/// Between 0 and 1.
fn spread() -> f64 {
    random::number().map_or(0.5, |number| f64::from(number as u32) / f64::from(u32::MAX))
}
