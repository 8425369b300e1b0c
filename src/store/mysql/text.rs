//! Statements as the server takes them: parameters have no numbers, and stand in the order of the text.

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
        let mut quote = None;
        let mut rest = text.chars().peekable();
        while let Some(found) = rest.next() {
            sql.push(found);
            match (quote, found) {
                (None, '\'' | '"' | '`') => quote = Some(found),
                (Some(open), _) if found == open => quote = None,
                (None, '?') => {
                    let mut number = 0_usize;
                    while let Some(digit) = rest.peek().and_then(|digit| digit.to_digit(10)) {
                        number = number.saturating_mul(10).saturating_add(digit as usize);
                        rest.next();
                    }
                    order.push(number.saturating_sub(1));
                }
                (None | Some(_), _) => {}
            }
        }
        Text { sql, order }
    }

    /// How many values it takes.
    pub(super) fn values(&self) -> usize {
        self.order.iter().map(|at| at + 1).max().unwrap_or(0)
    }
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
}
