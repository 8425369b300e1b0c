//! Arguments that several commands share, and how their values are parsed.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use serde::Serialize;

use crate::byte_order_mark;
use crate::cli::terminal::{Failure, complain};
use crate::secret::Secret;

// No doc comment: clap would show it as the description of every command that flattens this.

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Yes {
    /// Do not ask
    #[arg(id = "yes", long = "yes")]
    pub given: bool,
}

/// The id of a user. Its exact format is not checked, as the platform may change it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Openid(String);

/// The longest openid that is accepted, in bytes; real ones have 28.
const MAX_OPENID: usize = 128;

impl FromStr for Openid {
    type Err = String;

    fn from_str(text: &str) -> Result<Openid, String> {
        if text.trim().is_empty() {
            return Err("no openid was given".to_owned());
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        match plain && text.len() <= MAX_OPENID {
            true => Ok(Openid(text.to_owned())),
            false => Err(format!(
                "an openid is 1 to {MAX_OPENID} letters, digits and signs without a space, such as oSyn1aAQe7rT0uXk3mPzLc9WvBh4"
            )),
        }
    }
}

/// A name, an id or a text that is sent to the platform unchanged and must not be blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotBlank(String);

impl FromStr for NotBlank {
    type Err = String;

    fn from_str(text: &str) -> Result<NotBlank, String> {
        match text.trim().is_empty() {
            true => Err("it must not be empty".to_owned()),
            false => Ok(NotBlank(text.to_owned())),
        }
    }
}

/// A token or a code, or `-` for the first line of standard input: every user of the machine can see a command line.
#[derive(Clone)]
pub enum Hidden {
    Given(Secret),
    StandardInput,
}

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Hidden, String> {
        match text.trim() {
            "" => Err("it must not be empty".to_owned()),
            "-" => Ok(Hidden::StandardInput),
            text => Ok(Hidden::Given(Secret::new(text))),
        }
    }
}

impl Hidden {
    /// The longest line that is read, in bytes; the platform's tokens are up to 512 bytes long.
    const MOST: u64 = 4_096;

    /// The secret itself.
    pub fn read(&self) -> Result<Secret, Failure> {
        match self {
            Hidden::Given(secret) => Ok(secret.clone()),
            Hidden::StandardInput => {
                let mut line = String::new();
                io::stdin()
                    .lock()
                    .take(Hidden::MOST)
                    .read_line(&mut line)
                    .map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
                match byte_order_mark::skip(&line).trim() {
                    "" => Err(Failure::Wrong("standard input: it is empty".to_owned())),
                    secret => Ok(Secret::new(secret)),
                }
            }
        }
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hidden::Given(secret) => secret.fmt(f),
            Hidden::StandardInput => f.write_str("-"),
        }
    }
}

/// Lets both kinds of text be read, printed and passed on.
macro_rules! text {
    ($name:ident) => {
        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }
    };
}

text!(Openid);
text!(NotBlank);

/// A parser for one of these names, which completions and the help list.
pub fn one_of<T, const N: usize>(names: [(&'static str, T); N]) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name).collect::<Vec<_>>()).map(
        move |given| {
            let known = names.iter().find(|(name, _)| *name == given);
            known.expect("the parser takes no other").1.clone()
        },
    )
}

/// A parser that takes any text; completions offer these.
#[derive(Debug, Clone)]
pub struct Suggested(pub Vec<&'static str>);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// A parser for a whole number in this range.
pub fn whole_number<T: TryFrom<u32>>(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| match (range.start(), range.end()) {
                (from, &u32::MAX) => format!("write a whole number, {from} or more"),
                (from, to) => format!("write a whole number from {from} to {to}"),
            })
    }
}

/// The most rows of a list that are shown.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub u32);

impl Limit {
    /// How many rows to ask for so that we learn whether there are more.
    pub fn and_one(self) -> u32 {
        self.0.saturating_add(1)
    }

    /// Removes the rows beyond the limit, and returns whether there were any.
    pub fn cut<T>(self, rows: &mut Vec<T>) -> bool {
        let most = usize::try_from(self.0).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        more
    }

    /// Says on stderr that only some rows are shown, and where all are: `all`.
    pub fn say_there_are_more(self, all: &str) {
        let newest = match self.0 {
            1 => "only the newest is".to_owned(),
            n => format!("the newest {n} are"),
        };
        complain(&format!("{newest} shown; --limit N shows more, {all}",));
    }
}

/// Parses how many rows are wanted, such as 50.
pub fn limit(text: &str) -> Result<u32, String> {
    whole_number(1..=u32::MAX)(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openid_is_one_word_of_plain_characters() {
        let read = |text: &str| text.parse::<Openid>().map(String::from);
        for text in ["o", "oSyn1aAQe7rT0uXk3mPzLc9WvBh4", "a-b_c.d@e"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        for text in ["", " ", "\n"] {
            assert_eq!(read(text), Err("no openid was given".to_owned()));
        }
        for text in ["o X", "o\u{1b}[31m", "开", &"o".repeat(129)] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_answered_with_the_range() {
        assert_eq!(whole_number::<u8>(0..=4)("4"), Ok(4));
        let wrong = whole_number::<u8>(0..=4)("9");
        assert_eq!(wrong, Err("write a whole number from 0 to 4".to_owned()));
        for text in ["0", "-1", "many", "", "1.5", "99999999999"] {
            let wrong = limit(text);
            assert_eq!(wrong, Err("write a whole number, 1 or more".to_owned()));
        }
    }
}
