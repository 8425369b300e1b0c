//! Restarts a background thread's work after a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::notifier::{Notifier, Woken};

/// Between a panic and the restart: a panic that repeats must not fill the log.
pub const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Runs `work` until it returns, or `notifier` is closed. Restarts it `pause` after a panic.
pub fn restarting(name: &str, notifier: &Notifier, pause: Duration, mut work: impl FnMut()) {
    while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
        log::error!(
            "{name}: ended by a panic (RUST_BACKTRACE=1 shows where); starts again in {} s",
            pause.as_secs()
        );
        if notifier.pause(pause) == Woken::Closing {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_is_restarted_until_it_is_done() {
        let mut begun = 0;
        restarting("test", &Notifier::default(), Duration::ZERO, || {
            begun += 1;
            assert!(begun == 3, "panics twice, which is what this test is about");
        });
        assert_eq!(begun, 3);
    }

    #[test]
    fn nothing_is_restarted_while_the_program_stops() {
        let notifier = Notifier::default();
        notifier.close();
        let mut begun = 0;
        restarting("test", &notifier, Duration::from_secs(3_600), || {
            begun += 1;
            panic!("which is what this test is about");
        });
        assert_eq!(begun, 1);
    }
}
