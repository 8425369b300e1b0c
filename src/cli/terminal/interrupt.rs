//! Ctrl-C in the middle of a command: it cleans up, says so, and ends the process.

use std::io;
use std::process;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Added to a signal's number, this is the exit code that shells report: 130 after Ctrl-C.
const BY_SIGNAL: i32 = 128;

/// From now on, SIGINT and SIGTERM run `clean_up` and then end the process.
///
/// # Errors
/// When the signals cannot be caught or the thread cannot be started.
pub fn on_interrupt(clean_up: impl FnOnce() + Send + 'static) -> io::Result<()> {
    on_signal(move |signal| {
        clean_up();
        BY_SIGNAL + signal
    })
}

/// From now on, SIGINT and SIGTERM end the process with exit code 0: it would go on for ever otherwise.
///
/// # Errors
/// As [`on_interrupt`].
pub fn ends_well() -> io::Result<()> {
    on_signal(|_| 0)
}

/// Runs `code` at the first signal, and ends the process with what it returns.
fn on_signal(code: impl FnOnce(i32) -> i32 + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                process::exit(code(signal));
            }
        })?;
    Ok(())
}
