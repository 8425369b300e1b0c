//! Text for the platform: removes characters that XML does not allow, cuts what is too long, and writes CDATA.

use std::borrow::Cow;
use std::fmt::Write;

/// The longest `Content` of a text reply, in bytes of UTF-8. For a longer one the platform shows the user a failure
/// notice.
pub const MAX_TEXT_BYTES: usize = 2048;

/// The longest prefix of `text` with at most `max_bytes` bytes that ends on a character boundary, not inside an emoji
/// made of several characters, and not inside a link (`<a …>…</a>`), which is kept or dropped as a whole.
///
/// The result is empty if `text` starts with a link that does not fit.
pub fn cut_text(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = before_sequence(text, end);
    &text[..before_link(text, end)]
}

/// `end`, or the start of the emoji sequence that a cut at `end` would split.
fn before_sequence(text: &str, end: usize) -> usize {
    // No emoji is longer; a longer run of joiners may be split.
    const LONGEST: usize = 64;
    let mut at = end;
    while is_inside_sequence(text, at) {
        let Some(last) = text[..at].chars().next_back() else {
            break;
        };
        at -= last.len_utf8();
        if end - at > LONGEST {
            return end;
        }
    }
    at
}

fn is_inside_sequence(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text[..at].chars().next_back(), text[at..].chars().next())
    else {
        return false;
    };
    const JOINER: char = '\u{200d}';
    let extends = matches!(after,
        JOINER
        | '\u{0300}'..='\u{036f}' // combining marks
        | '\u{20e3}' // the frame of a keycap
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{1f3fb}'..='\u{1f3ff}' // skin tones
        | '\u{e0020}'..='\u{e007f}'); // tags, as in the flag of Scotland
    let is_flag_letter = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let splits_flag = is_flag_letter(after)
        && text[..at]
            .chars()
            .rev()
            .take_while(|&c| is_flag_letter(c))
            .count()
            % 2
            == 1;
    before == JOINER || extends || splits_flag
}

/// `end`, or the start of the link around it. Of a link that is never closed, only the tag is protected.
fn before_link(text: &str, end: usize) -> usize {
    let mut from = 0;
    // After one failed search there is nothing to find; searching again for every link of a flood would take quadratic
    // time.
    let (mut may_close, mut may_be_tag) = (true, true);
    while let Some(start) = find_link(text, from, end) {
        let close = may_close
            .then(|| find_ignore_case(text, start, "</a>"))
            .flatten();
        may_close = close.is_some();
        let stop = close.or_else(|| {
            let tag = may_be_tag
                .then(|| find_ignore_case(text, start, ">"))
                .flatten();
            may_be_tag = tag.is_some();
            tag
        });
        match stop {
            Some(stop) if stop > end => return start,
            Some(stop) => from = stop,
            None => return end,
        }
    }
    end
}

/// The first `<a` before `end` that starts a link.
fn find_link(text: &str, from: usize, end: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    (from..end).find(|&at| {
        bytes[at] == b'<'
            && matches!(bytes.get(at + 1), Some(b'a' | b'A'))
            && bytes
                .get(at + 2)
                .is_some_and(|&byte| byte == b'>' || byte.is_ascii_whitespace())
    })
}

/// The end of the first `what` at or after `from`.
fn find_ignore_case(text: &str, from: usize, what: &str) -> Option<usize> {
    text.as_bytes()[from..]
        .windows(what.len())
        .position(|window| window.eq_ignore_ascii_case(what.as_bytes()))
        .map(|at| from + at + what.len())
}

/// `text` without the characters that XML 1.0 does not allow in any form.
pub fn without_illegal_characters(text: &str) -> Cow<'_, str> {
    if may_be_illegal(text) && text.contains(is_illegal) {
        Cow::Owned(text.replace(is_illegal, ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// A quick check of the bytes, eight at a time, because every push goes through here: the illegal characters outside
/// ASCII start with the byte EF.
fn may_be_illegal(text: &str) -> bool {
    let suspicious =
        |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0xef;
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    let mut suspects = eights
        .iter()
        .filter(|eight| has_control_or_ef(u64::from_le_bytes(**eight)));
    suspects.any(|eight| eight.iter().copied().any(suspicious))
        || rest.iter().copied().any(suspicious)
}

/// The lowest bit of each of eight bytes.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each of eight bytes.
const HIGHEST: u64 = ONES * 0x80;

/// Whether one of eight bytes may be below 0x20 or be 0xEF: then a subtraction borrows into its highest bit.
fn has_control_or_ef(eight: u64) -> bool {
    let below_20 = eight.wrapping_sub(ONES * 0x20) & !eight;
    let without_ef = eight ^ (ONES * 0xef);
    let zero = without_ef.wrapping_sub(ONES) & !without_ef;
    (below_20 | zero) & HIGHEST != 0
}

/// Whether `text` is ASCII without white space and control characters other than DEL: parsing CDATA does not change it,
/// whatever follows. Checks eight bytes at a time, for the long texts of encrypted pushes.
pub fn is_plain(text: &str) -> bool {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    let mut eights = eights.iter().map(|eight| u64::from_le_bytes(*eight));
    // A byte up to the space borrows into its highest bit, which is 0 in ASCII.
    eights.all(|eight| (eight.wrapping_sub(ONES * 0x21) | eight) & HIGHEST == 0)
        && rest.iter().all(|byte| (0x21..0x80).contains(byte))
}

fn is_illegal(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Appends `<name><![CDATA[text]]></name>` and a line break. Any text is safe: illegal characters
/// are removed and a `]]>` is split over two sections.
pub fn push_element(xml: &mut String, name: &str, text: &str) {
    let text = without_illegal_characters(text);
    for part in ["<", name, "><![CDATA["] {
        xml.push_str(part);
    }
    push_cdata(xml, &text);
    for part in ["]]></", name, ">\n"] {
        xml.push_str(part);
    }
}

/// Appends the text between `<![CDATA[` and `]]>`, with each `]]>` split over two sections.
pub(super) fn push_cdata(xml: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find("]]>") {
        let (before, after) = rest.split_at(at + "]]".len());
        xml.push_str(before);
        xml.push_str("]]><![CDATA[");
        rest = after;
    }
    xml.push_str(rest);
}

/// Appends `<name>number</name>` and a line break.
pub fn push_number(xml: &mut String, name: &str, number: impl std::fmt::Display) {
    let written = writeln!(xml, "<{name}>{number}</{name}>");
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_fits_is_kept() {
        assert_eq!(cut_text("", 0), "");
        assert_eq!(cut_text("<a href", 7), "<a href");
        let exact = "好".repeat(682) + "ab";
        assert_eq!(cut_text(&exact, MAX_TEXT_BYTES), exact);
    }

    #[test]
    fn a_cut_falls_on_a_character_boundary() {
        assert_eq!(cut_text("好好", 5), "好");
        assert_eq!(cut_text("好好", 2), "");
        assert_eq!(cut_text("a😀", 4), "a");
    }

    #[test]
    fn a_cut_never_falls_inside_a_link() {
        let text = "see <a href=\"https://example.com/\">here</a> now";
        let link = text.find("</a>").unwrap() + 4;
        for max in 4..link {
            assert_eq!(cut_text(text, max), "see ", "{max}");
        }
        assert_eq!(cut_text(text, link), &text[..link]);
        assert_eq!(cut_text(text, link + 1), &text[..link + 1]);
        assert_eq!(cut_text("<A HREF=x>y</A>!", 15), "<A HREF=x>y</A>");
        assert_eq!(cut_text("<A HREF=x>y</A>!", 14), "");
    }

    #[test]
    fn a_link_that_is_never_closed_protects_only_its_tag() {
        assert_eq!(cut_text("x <a href=1>long text", 8), "x ");
        assert_eq!(cut_text("x <a href=1>long text", 14), "x <a href=1>lo");
        assert_eq!(cut_text("1 <a 2 and so on", 7), "1 <a 2 ");
        assert_eq!(cut_text("<abbr>x</abbr>", 3), "<ab");
    }

    #[test]
    fn a_cut_never_splits_an_emoji() {
        for whole in [
            "👩‍👩‍👧",
            "👍🏽",
            "❤️",
            "🇨🇳",
            "1️⃣",
            "e\u{301}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            let text = format!("ab{whole}");
            for max in 2..text.len() {
                assert_eq!(cut_text(&text, max), "ab", "{whole} at {max}");
            }
        }
        assert_eq!(cut_text("🇨🇳🇫🇷🇩🇪", 20), "🇨🇳🇫🇷");
    }

    #[test]
    fn a_flood_of_joiners_or_link_starts_is_cut_quickly() {
        let started = std::time::Instant::now();
        assert_eq!(cut_text(&"\u{200d}".repeat(100_000), 2048).len(), 2046);
        let floods = ["<a ", "<a>", "<a </a>", "<a >", "<A\n<", "🇨"];
        for flood in floods {
            assert!(
                cut_text(&flood.repeat(300_000), 2048).len() > 2000,
                "{flood}"
            );
        }
        // A fifth of a second on an idle machine; many minutes if the time is quadratic.
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn the_end_of_a_cdata_section_is_split() {
        let mut xml = String::new();
        push_element(&mut xml, "Content", "a]]>b\u{8}]]\u{1}>\u{ffff}");
        assert_eq!(
            xml,
            "<Content><![CDATA[a]]]]><![CDATA[>b]]]]><![CDATA[>]]></Content>\n"
        );
    }

    #[test]
    fn an_illegal_character_is_found_at_every_position() {
        for illegal in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            for before in 0..20 {
                let text = format!("{}{illegal}好 of it\r\n\t", "a".repeat(before));
                let without = text.replace(illegal, "");
                assert_eq!(without_illegal_characters(&text), without);
                assert!(matches!(
                    without_illegal_characters(&without),
                    Cow::Borrowed(_)
                ));
            }
        }
    }

    #[test]
    fn a_plain_text_is_ascii_from_the_exclamation_mark_on() {
        for at in [0, 5, 7, 8, 15, 17] {
            for byte in 0..=0x7f {
                let mut text = b"0123456789abcdefgh".to_vec();
                text[at] = byte;
                let text = String::from_utf8(text).unwrap();
                assert_eq!(is_plain(&text), byte > b' ', "{text:?}");
            }
            let mut text = "0123456789abcdefgh".to_owned();
            text.insert(at, '\u{a1}');
            assert!(!is_plain(&text), "{text:?}");
        }
        assert!(is_plain(""));
    }

    proptest! {
        #[test]
        fn a_cut_is_a_prefix_within_the_limit(
            parts in proptest::collection::vec(
                prop_oneof![".{0,3}", Just("<a h=1>好</a>".to_owned()), Just("👩‍👩‍👧🇨🇳".to_owned())], 0..12),
            max in 0..80_usize,
        ) {
            let text = parts.concat();
            let cut = cut_text(&text, max);
            prop_assert!(text.starts_with(cut));
            prop_assert!(cut.len() <= max);
            prop_assert!(cut == text || text.len() > max);
            prop_assert_eq!(cut_text(cut, max), cut);
            prop_assert_eq!(cut.matches("<a h=1>").count(), cut.matches("</a>").count());
        }
    }
}
