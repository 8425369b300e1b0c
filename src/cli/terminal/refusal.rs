//! The error for a command line that cannot be parsed, in one line.

use clap::Command;
use clap::error::ErrorKind;

use super::failure::Failure;

/// What is wrong with the command line `words` (without the program's name), and which help to read.
pub fn refusal(error: &clap::Error, root: &Command, words: &[String]) -> Failure {
    let (name, command) = meant(root, words);
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => format!(
            "`{name}` needs one of its commands: {}",
            command
                .get_subcommands()
                .map(Command::get_name)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        _ => in_one_line(&error.render().to_string()),
    };
    Failure::wrong(what, format!("see `{name} --help`"))
}

/// Whether the command line asks for JSON, even if it cannot be parsed.
pub fn wants_json(words: &[String]) -> bool {
    let mut options = words.iter().take_while(|word| *word != "--");
    options.any(|word| word == "--json")
}

/// clap's message on one line, without `error:`, usage and the pointer to the help.
fn in_one_line(message: &str) -> String {
    let message = message.trim_start_matches("error: ");
    let lines = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty());
    let mut all = String::new();
    for line in lines {
        all += match all.chars().next_back() {
            None => "",
            Some(':') => " ",
            Some(_) if line.starts_with('<') || line.starts_with("--") => ", ",
            Some(_) if line.starts_with('[') => " ",
            Some(_) => "; ",
        };
        all += line.trim_start_matches("tip: ");
    }
    all
}

/// The command that `words` name, with its full name.
fn meant<'a>(root: &'a Command, words: &[String]) -> (String, &'a Command) {
    let (mut name, mut command) = (root.get_name().to_owned(), root);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match command.find_subcommand(word) {
            Some(found) => {
                command = found;
                name = format!("{name} {}", found.get_name());
            }
            // The only option with a value that may come before a command.
            None if word == "--config" => {
                words.next();
            }
            None if word.starts_with('-') => {}
            None => break,
        }
    }
    (name, command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    fn said(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let all = std::iter::once("wechatd").chain(words.iter().map(String::as_str));
        let root = Arguments::command();
        let error = root.clone().try_get_matches_from(all).expect_err(line);
        refusal(&error, &root, &words).to_string()
    }

    #[test]
    fn an_invalid_command_line_is_reported_in_one_line() {
        for (line, told) in [
            (
                "bogus",
                "unrecognized subcommand 'bogus'; see `wechatd --help`",
            ),
            (
                "simulat",
                "unrecognized subcommand 'simulat'; a similar subcommand exists: 'simulate'; see `wechatd --help`",
            ),
            (
                "--config my.conf followers list --limt 7",
                "unexpected argument '--limt' found; a similar argument exists: '--limit'; see `wechatd followers list --help`",
            ),
            (
                "send oX hi --image a.png",
                "the argument '[TEXT]' cannot be used with '--image <F>'; see `wechatd send --help`",
            ),
            (
                "template send oX",
                "the following required arguments were not provided: --data <JSON>, <TEMPLATE_ID>; see `wechatd template send --help`",
            ),
            (
                "followers export --format xml",
                "invalid value 'xml' for '--format <FORMAT>' [possible values: csv, jsonl]; see `wechatd followers export --help`",
            ),
            (
                "blacklist",
                "`wechatd blacklist` needs one of its commands: list, add, remove; see `wechatd blacklist --help`",
            ),
        ] {
            assert_eq!(said(line), told);
        }
    }
}
