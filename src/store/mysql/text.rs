//! Statements as the server takes them: parameters have no numbers, and stand in the order of the text. Or values stand in
//! their places, where a statement has a list of any length, or is sent with others.

use std::iter;

use super::super::sql::Value;

/// A statement with `?` for each parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) sql: String,
    /// Which value stands at each `?`, counted from 0.
    pub(super) order: Vec<usize>,
}

impl Text {
    /// Of a text with parameters `?1`, `?2` and so on.
    pub(super) fn of(text: &str) -> Text {
        let (mut sql, mut order) = (String::with_capacity(text.len()), Vec::new());
        for (words, parameter) in parts(text) {
            sql.push_str(words);
            if let Some(at) = parameter {
                sql.push('?');
                order.push(at);
            }
        }
        Text { sql, order }
    }

    /// How many values it takes.
    pub(super) fn values(&self) -> usize {
        self.order.iter().map(|at| at + 1).max().unwrap_or(0)
    }
}

/// The words of a text up to each parameter, which is counted from 0, and those after the last.
fn parts(text: &str) -> impl Iterator<Item = (&str, Option<usize>)> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let mut quote = None;
        let is_parameter = |found: char| match quote {
            Some(open) => {
                quote = quote.filter(|_| found != open);
                false
            }
            None => {
                quote = matches!(found, '\'' | '"' | '`').then_some(found);
                found == '?'
            }
        };
        let Some(at) = text.find(is_parameter) else {
            rest = None;
            return Some((text, None));
        };
        let (words, number) = (&text[..at], &text[at + 1..]);
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        rest = Some(&number[digits..]);
        let number: usize = number[..digits].parse().unwrap_or(0);
        Some((words, Some(number.saturating_sub(1))))
    })
}

/// Adds a text to `sql` with its values in place of the parameters; of a value that is missing, nothing is there but NULL.
pub(super) fn fill(sql: &mut String, text: &str, values: &[Value<'_>]) {
    for (words, parameter) in parts(text) {
        sql.push_str(words);
        if let Some(at) = parameter {
            literal(sql, values.get(at).copied().unwrap_or(Value::Null));
        }
    }
}

/// Adds a text to `sql` with its last list, `VALUES (…)` or `IN (…)`, once for each of these.
pub(super) fn fill_list<'a>(
    sql: &mut String,
    text: &str,
    each: impl Iterator<Item = &'a [Value<'a>]>,
) {
    let (before, item, after) = list(text);
    sql.push_str(before);
    for (number, values) in each.enumerate() {
        if number > 0 {
            sql.push(',');
        }
        fill(sql, item, values);
    }
    sql.push_str(after);
}

/// The last list of a text: what is before it, one of it, and what is after it. The values of a row have parentheses, those
/// of `IN` share them.
fn list(text: &str) -> (&str, &str, &str) {
    let end = text.rfind(')').unwrap_or(text.len());
    let rows = text.rfind("VALUES (").map(|at| (at + 7, end + 1));
    let any = text.rfind("IN (").map(|at| (at + 4, end));
    match rows.or(any) {
        Some((begin, end)) => (&text[..begin], &text[begin..end], &text[end..]),
        None => (text, "", ""),
    }
}

/// Adds a value as the server reads it in a text. Its sessions have no mode that changes the meaning of a backslash.
fn literal(sql: &mut String, value: Value<'_>) {
    match value {
        Value::Integer(number) => sql.push_str(&number.to_string()),
        Value::Real(number) if number.is_finite() => sql.push_str(&format!("{number:e}")),
        Value::Null | Value::Real(_) => sql.push_str("NULL"),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => quoted(sql, text),
            Err(_) => hexadecimal(sql, bytes),
        },
        Value::Bytes(bytes) => hexadecimal(sql, bytes),
    }
}

fn quoted(sql: &mut String, text: &str) {
    sql.push('\'');
    for part in text.split_inclusive(['\'', '\\']) {
        sql.push_str(part);
        // What ends a part is there twice.
        match part.as_bytes().last() {
            Some(b'\'') => sql.push('\''),
            Some(b'\\') => sql.push('\\'),
            Some(_) | None => {}
        }
    }
    sql.push('\'');
}

fn hexadecimal(sql: &mut String, bytes: &[u8]) {
    sql.push_str("x'");
    for byte in bytes {
        let digits = [byte >> 4, byte & 15];
        sql.extend(digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    sql.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lose_their_numbers_but_not_in_a_text() {
        let text = Text::of(
            "SELECT '?1', `a?2` FROM t WHERE a = ?2 AND b > ?10 AND c = 'it''s ?' AND d = ?2",
        );
        assert_eq!(text.order, [1, 9, 1]);
        assert_eq!(text.values(), 10);
        assert_eq!(
            text.sql,
            "SELECT '?1', `a?2` FROM t WHERE a = ? AND b > ? AND c = 'it''s ?' AND d = ?"
        );
        assert_eq!(Text::of("SELECT 1").values(), 0);
    }

    #[test]
    fn values_stand_in_a_text_as_the_server_reads_them() {
        let mut sql = String::new();
        let values = [
            Value::Text(br"it's a \ and 'it'"),
            Value::Bytes(&[0, 255]),
            Value::Text(&[255]),
            Value::Integer(-7),
            Value::Null,
            Value::Real(1.5),
            Value::Text(b""),
        ];
        fill(&mut sql, "'?1', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?4", &values);
        let expected = r"'?1', 'it''s a \\ and ''it''', x'00ff', x'ff', -7, NULL, 1.5e0, '', -7";
        assert_eq!(sql, expected);
    }

    #[test]
    fn a_list_has_one_for_each() {
        let list = |text, values: &[i64]| {
            let mut sql = String::new();
            let values: Vec<Value<'_>> = values.iter().copied().map(Value::Integer).collect();
            fill_list(&mut sql, text, values.iter().map(std::slice::from_ref));
            sql
        };
        let insert = "INSERT INTO t (a, b) VALUES (?1, f(?1, 2))";
        assert_eq!(
            list(insert, &[1]),
            "INSERT INTO t (a, b) VALUES (1, f(1, 2))"
        );
        let rows = "INSERT INTO t (a, b) VALUES (1, f(1, 2)),(3, f(3, 2))";
        assert_eq!(list(insert, &[1, 3]), rows);
        let find = "SELECT a FROM t WHERE b IN (unhex(?1))";
        let found = "SELECT a FROM t WHERE b IN (unhex(1),unhex(3))";
        assert_eq!(list(find, &[1, 3]), found);
    }
}
