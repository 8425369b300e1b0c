//! A number with its noun, in the singular or plural.

use std::fmt::Display;

/// `1 follower`, `2 followers`, `0 entries`: `noun` is given in the singular.
#[must_use]
pub fn counted(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    match number.as_str() {
        "1" => format!("1 {noun}"),
        _ => format!("{number} {}", plural(noun)),
    }
}

/// The plural of an English noun; covers the nouns of this program.
fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => {
            format!("{noun}es")
        }
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        for (number, noun, expected) in [
            (0, "follower", "0 followers"),
            (1, "follower", "1 follower"),
            (2, "conditional menu", "2 conditional menus"),
            (12, "entry", "12 entries"),
            (2, "day", "2 days"),
            (2, "address", "2 addresses"),
            (-1, "push", "-1 pushes"),
        ] {
            assert_eq!(counted(number, noun), expected);
        }
    }
}
