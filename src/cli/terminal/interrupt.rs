//! Ctrl-C in the middle of a command: what is half done goes away, the owner is told, and the process ends.

use std::io;
use std::process;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Shells give a process that a signal ended this exit code, plus the signal's number: 130 after Ctrl-C.
const BY_SIGNAL: i32 = 128;

/// From now on to the end of the process SIGINT and SIGTERM run `first` and then end it.
///
/// # Errors
/// When the system gives no signals or no thread.
pub fn before_the_end(first: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                first();
                process::exit(BY_SIGNAL + signal);
            }
        })?;
    Ok(())
}
