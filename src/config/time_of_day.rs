//! A time of day at which something happens, such as `"03:30"`.

use std::fmt;
use std::str::FromStr;

/// Hour and minute of this machine's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeOfDay, String> {
        let two_digits = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse::<u8>().ok())
                .flatten()
        };
        text.split_once(':')
            .and_then(|(hour, minute)| two_digits(hour).zip(two_digits(minute)))
            .filter(|(hour, minute)| *hour < 24 && *minute < 60)
            .map(|(hour, minute)| TimeOfDay { hour, minute })
            .ok_or_else(|| format!("{text:?} is not a time of day such as \"03:30\""))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_read_and_shown_in_the_same_form() {
        for text in ["00:00", "03:30", "23:59"] {
            let read = text.parse::<TimeOfDay>();
            assert_eq!(read.map(|time| time.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "3:30", "24:00", "12:60", "12:5", "+1:30", "03:30:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}
