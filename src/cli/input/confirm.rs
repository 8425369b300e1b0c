//! Asks before something that cannot be undone: on a terminal, or answered by `--yes` everywhere else.

use std::io::{self, BufRead, IsTerminal, Write};

use super::arguments::Yes;
use crate::cli::terminal::Failure;

/// Makes sure that the owner agrees, by `yes` or on the terminal.
///
/// # Errors
/// [`Failure::Wrong`] if there is no terminal to ask on, [`Failure::Failed`] for any answer other than yes.
pub fn ask(question: &str, yes: Yes) -> Result<(), Failure> {
    if yes.given {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::wrong(
            format!("{question} There is no terminal to ask on"),
            "repeat it with --yes",
        ));
    }
    write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Failed("nothing was done".to_owned())),
    }
}
