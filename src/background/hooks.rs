//! Delivers to the hooks, with a thread for each: nobody waits for somebody else's slow receiver.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::failing::{Backoff, Failing};
use super::supervisor::{AFTER_PANIC, restarting};
use crate::app::{App, Duty};
use crate::hooks::{Courier, Pause, Round};
use crate::notifier::{Notifier, Woken};
use crate::store::ErrorKind;

/// Pause between two looks at the configuration without a notification.
const ROUND: Duration = Duration::from_secs(60);

/// Pause after a notification: under load the threads of the hooks are not woken by every push.
const GATHER: Duration = Duration::from_millis(50);

/// Pauses while the store cannot be read or written.
const BACKOFF: Backoff = Backoff::seconds(1, 60);

/// Runs until the notifier is closed. A notification means new events or another configuration.
pub(super) fn run(app: &App) {
    thread::scope(|scope| {
        let mut notifiers: HashMap<String, Arc<Notifier>> = HashMap::new();
        loop {
            let live = app.live();
            let couriers = &live.hooks.couriers;
            notifiers.retain(|name, notifier| {
                let stays = couriers.iter().any(|courier| courier.hook.name == *name);
                if !stays {
                    notifier.close();
                }
                stays
            });
            for courier in couriers {
                let name = &courier.hook.name;
                if let Some(notifier) = notifiers.get(name) {
                    notifier.notify();
                    continue;
                }
                let notifier = Arc::new(Notifier::default());
                let (own, hook) = (Arc::clone(&notifier), name.clone());
                let started =
                    thread::Builder::new()
                        .name("hook".to_owned())
                        .spawn_scoped(scope, move || {
                            let title = format!("hook {hook}");
                            restarting(&title, &own, AFTER_PANIC, || work(app, &hook, &own));
                        });
                match started {
                    Ok(_) => drop(notifiers.insert(name.clone(), notifier)),
                    Err(error) => log::error!("hook {name}: no thread for it: {error}"),
                }
            }
            drop(live);
            let all = &app.notifiers.hooks;
            if all.pause(GATHER) == Woken::Closing
                || all.wait(app.duties.look_within(ROUND)) == Woken::Closing
            {
                notifiers.values().for_each(|notifier| notifier.close());
                return;
            }
        }
    });
}

/// Delivers to one hook until its notifier is closed.
fn work(app: &App, name: &str, notifier: &Notifier) {
    let mut round = Round::default();
    let mut failing = Failing::default();
    let mut reader = None;
    loop {
        let stops = || {
            let all = [notifier, &app.notifiers.hooks];
            all.iter()
                .any(|one| one.pause(Duration::ZERO) == Woken::Closing)
        };
        let courier = courier(app, name);
        let Some(courier) = courier.filter(|_| !stops()) else {
            return;
        };
        let mut run = || {
            let Some(store) = app.duties.store(Duty::Hooks) else {
                return Ok(Pause::UntilNotified(ROUND));
            };
            let reader = match &mut reader {
                Some(reader) => reader,
                none => none.insert(app.store.reader()?),
            };
            // Asked before each call: a server that was suspended may no longer be the one that delivers.
            let stops = || stops() || app.duties.store(Duty::Hooks).is_none();
            match round.run(&courier, reader, &store, &app.troubles, &stops) {
                Err(error) if error.kind() == ErrorKind::Superseded => {
                    Ok(Pause::UntilNotified(ROUND))
                }
                ended => ended,
            }
        };
        let pause = match run() {
            Ok(pause) => {
                failing.succeeded();
                pause
            }
            // What fails because the program stops is no trouble.
            Err(_) if stops() => return,
            Err(error) => {
                reader = None;
                let text = error.to_string();
                let pause = failing.failed(&text, BACKOFF, |seconds| {
                    log::warn!("hook {name}: {text}; retrying in {seconds} s");
                });
                if notifier.pause(pause) == Woken::Closing {
                    return;
                }
                continue;
            }
        };
        let woken = match pause {
            Pause::None => Woken::TimedOut,
            Pause::UntilNotified(longest) => notifier.wait(longest),
            Pause::Whole(time) => notifier.pause(time),
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

fn courier(app: &App, name: &str) -> Option<Arc<Courier>> {
    let live = app.live();
    let mut couriers = live.hooks.couriers.iter();
    couriers
        .find(|courier| courier.hook.name == name)
        .map(Arc::clone)
}
