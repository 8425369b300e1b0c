//! What people are called, and texts of theirs as text.

use maud::{Markup, html};

use crate::visible::Visible;

/// How many characters of an openid stand for it.
const LAST: usize = 6;

/// What a person is called: the remark, else the nickname, else the end of the openid.
#[must_use]
pub fn called(remark: Option<&str>, nickname: Option<&str>, openid: &str) -> String {
    let name = [remark, nickname].into_iter().flatten();
    let mut name = name.filter(|name| !name.trim().is_empty());
    match name.next() {
        Some(name) => name.to_owned(),
        None => format!("…{}", end_of(openid)),
    }
}

/// Whether a text is the end of an openid that stands for it.
#[must_use]
pub fn is_end_of(openid: &str, text: &str) -> bool {
    end_of(openid) == text
}

fn end_of(openid: &str) -> String {
    let skipped = openid.chars().count().saturating_sub(LAST);
    openid.chars().skip(skipped).collect()
}

/// A text of a stranger on one line: it cannot change the direction of what stands around it, and what nobody would see
/// is shown.
#[must_use]
pub fn text(text: &str) -> Markup {
    html! { bdi { (maud::display(Visible(text))) } }
}

/// The same where no element can be, as in a list to choose from.
#[must_use]
pub fn plain(text: &str) -> String {
    Visible(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_called_by_the_first_name_there_is() {
        let openid = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
        for (remark, nickname, name) in [
            (Some("Li from the fair"), Some("小李"), "Li from the fair"),
            (Some(""), Some("小李"), "小李"),
            (None, Some(" "), "…9WvBh4"),
            (None, None, "…9WvBh4"),
        ] {
            assert_eq!(called(remark, nickname, openid), name);
        }
        assert_eq!(called(None, None, "oé"), "…oé");
    }

    #[test]
    fn a_text_is_no_markup_and_steers_nothing() {
        let shown = text("<b>\"&'\u{202e}\u{7}\n").into_string();
        assert_eq!(shown, "<bdi>&lt;b&gt;&quot;&amp;'\\u{202e}\\u{7} </bdi>");
    }
}
