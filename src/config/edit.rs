//! Changes single keys in the text of a configuration file, and leaves everything else as the owner wrote it.

/// The text with `name`, such as `account.app_id`, set to `value`, which is written as TOML.
///
/// A line that sets the key is replaced, else the line in which it is commented out, as in the shipped file; else a new
/// line comes first in its section. Values of several lines are not supported: check the result.
#[must_use]
pub fn with_key(text: &str, name: &str, value: &str) -> String {
    let (section, key) = name.split_once('.').unwrap_or(("", name));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_header = |line: &String| line.trim_start().starts_with('[');
    // Before the first section keys are written with their section.
    let top = lines.iter().position(is_header).unwrap_or(lines.len());
    if let Some(line) = lines[..top].iter_mut().find(|line| sets(line, name)) {
        *line = format!("{name} = {value}");
        return joined(&lines);
    }
    let header = format!("[{section}]");
    let Some(begin) = lines.iter().position(|line| line.trim() == header) else {
        lines.insert(top, format!("{name} = {value}"));
        return joined(&lines);
    };
    let begin = begin + 1;
    let rest = lines[begin..].iter();
    let end = begin + rest.clone().take_while(|line| !is_header(line)).count();
    let own = lines[begin..end].iter().position(|line| sets(line, key));
    let commented = || {
        let example = |line: &String| line.strip_prefix("# ").is_some_and(|line| sets(line, key));
        lines[begin..end].iter().position(example)
    };
    let line = format!("{key} = {value}");
    match own.or_else(commented) {
        Some(at) => lines[begin + at] = line,
        None => lines.insert(begin, line),
    }
    joined(&lines)
}

/// Whether a line gives this key a value.
fn sets(line: &str, key: &str) -> bool {
    let rest = line.trim_start().strip_prefix(key);
    rest.is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_where_it_stands() {
        for (before, after) in [
            ("", "account.app_id = 1\n"),
            ("# hello", "# hello\naccount.app_id = 1\n"),
            ("account.app_id = 0\n", "account.app_id = 1\n"),
            ("[account]\napp_id=0\n", "[account]\napp_id = 1\n"),
            (
                "[account]\n# The AppID.\n# app_id = 0\n\n# app_id is good\n",
                "[account]\n# The AppID.\napp_id = 1\n\n# app_id is good\n",
            ),
            (
                "[account]\n# app_id = 2\napp_id = 3\n",
                "[account]\n# app_id = 2\napp_id = 1\n",
            ),
            (
                "[account]\napp_id_2 = 0\n[server]\napp_id = 2\n",
                "[account]\napp_id = 1\napp_id_2 = 0\n[server]\napp_id = 2\n",
            ),
            (
                "[[rule]]\nmessage = \"text\"\n",
                "account.app_id = 1\n[[rule]]\nmessage = \"text\"\n",
            ),
        ] {
            assert_eq!(with_key(before, "account.app_id", "1"), after, "{before}");
        }
    }
}
