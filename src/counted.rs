//! How many of something, in words.

use std::fmt::Display;

/// `1 follower`, `2 followers`, `0 entries`: a number and what it counts, named in the singular.
#[must_use]
pub fn counted(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    match number.as_str() {
        "1" => format!("1 {noun}"),
        _ => format!("{number} {}", plural(noun)),
    }
}

/// The plural of an English noun, as far as this program has such.
fn plural(noun: &str) -> String {
    if let Some(before) = noun.strip_suffix("person") {
        return format!("{before}people");
    }
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
    fn one_is_singular_and_all_else_is_plural() {
        for (number, noun, told) in [
            (0, "follower", "0 followers"),
            (1, "follower", "1 follower"),
            (2, "conditional menu", "2 conditional menus"),
            (1, "person", "1 person"),
            (0, "person", "0 people"),
            (12, "entry", "12 entries"),
            (2, "day", "2 days"),
            (2, "address", "2 addresses"),
            (-1, "push", "-1 pushes"),
        ] {
            assert_eq!(counted(number, noun), told);
        }
    }
}
