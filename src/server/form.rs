//! Values of queries and forms.

/// The value of this name, as it stands there; empty if there is none, or several.
pub fn value<'a>(form: &'a str, name: &str) -> &'a str {
    let mut found = form.split('&').filter_map(|pair| {
        let (own, value) = pair.split_once('=')?;
        (own == name).then_some(value)
    });
    match (found.next(), found.next()) {
        (Some(value), None) => value,
        (None | Some(_), _) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_where_it_is_the_only_one() {
        let form = "to=%2Fa&code=1&state=&code2=3&x";
        for (name, found) in [
            ("to", "%2Fa"),
            ("code", "1"),
            ("state", ""),
            ("x", ""),
            ("y", ""),
        ] {
            assert_eq!(value(form, name), found, "{name}");
        }
        assert_eq!(value("to=/a&to=/b", "to"), "");
    }
}
