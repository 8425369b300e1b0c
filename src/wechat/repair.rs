//! Repairs XML whose texts contain `]]>`, which the platform does not escape.
//!
//! A message `a]]>b` arrives as `<Content><![CDATA[a]]>b]]></Content>`. Where such a text ends is ambiguous; it is read
//! so that nobody can gain from it: an element ends where it ends in valid XML, unless that makes no sense. Only a
//! user's text may contain what looks like its own end; it ends at the last one.

use std::collections::HashMap;

use super::{fields, text};

/// Users' texts besides [`fields::VERBATIM`].
const MORE_TEXTS: [&str; 2] = ["ScanResult", "FileName"];

/// The most names whose ends are indexed. Real pushes have about 20.
const MAX_NAMES: usize = 4096;

/// Where a user's text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the last end tag of its element in the document.
    Last,
    /// At the first one that is followed by markup. Two users' texts in one push, such as the title and the description of
    /// a link, may contain each other's ends.
    First,
}

/// The document with its texts escaped, in each possible reading, the likely one first; empty if there is nothing to
/// repair. Takes linear time.
pub(super) fn readings(document: &str) -> impl Iterator<Item = String> {
    let ends: &[End] = match document.contains("]]>") {
        true => &[End::Last, End::First],
        false => &[],
    };
    ends.iter().filter_map(|end| repaired(document, *end))
}

fn repaired(document: &str, end: End) -> Option<String> {
    let ends = Ends::of(document, end);
    let mut repaired = String::with_capacity(document.len() + 64);
    let (mut lists, mut copied, mut from, mut is_repaired) = (0_usize, 0, 0, false);
    while let Some(at) = document[from..].find('<').map(|at| from + at) {
        let markup = &document[at..];
        let after = |mark: &str| markup.find(mark).map(|length| at + length + mark.len());
        let next = if markup.starts_with("<![CDATA[") {
            after("]]>")
        } else if markup.starts_with("<!--") {
            after("-->")
        } else {
            after(">")
        };
        let Some(next) = next else { break };
        from = next;
        if let Some(name) = simple_name(&document[at + 1..next - 1]) {
            let inside = document[next..].trim_ascii_start();
            let start = document.len() - inside.len() + CDATA.len();
            let cdata = inside.starts_with(CDATA);
            if let Some(end) = cdata.then(|| ends.end(name, start, lists > 0)).flatten() {
                repaired.push_str(&document[copied..start]);
                text::push_cdata(&mut repaired, &document[start..end.text]);
                is_repaired |= document[start..end.text].contains("]]>");
                copied = end.text;
                from = end.element;
            } else if fields::is_repeatable(name) {
                lists += 1;
            }
        } else if let Some(name) = markup[1..].strip_prefix('/') {
            let name = &name[..next - at - 3];
            lists = lists.saturating_sub(usize::from(fields::is_repeatable(name.trim_end())));
        }
    }
    repaired.push_str(&document[copied..]);
    is_repaired.then_some(repaired)
}

const CDATA: &str = "<![CDATA[";

/// The name in a tag without attributes, as all tags of a push are.
fn simple_name(tag: &str) -> Option<&str> {
    let name = tag.trim_ascii_end();
    let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_simple)).then_some(name)
}

/// The end of an element that holds CDATA: `]]></Name>`, perhaps with white space.
#[derive(Debug, Clone, Copy)]
struct ElementEnd<'a> {
    name: &'a str,
    /// Where its text ends, before `]]>`.
    text: usize,
    /// Where the element ends.
    element: usize,
}

impl<'a> ElementEnd<'a> {
    /// The end that starts with the `]]>` at `text`.
    fn at(document: &'a str, text: usize) -> Option<ElementEnd<'a>> {
        let tag = document[text + 3..].trim_ascii_start().strip_prefix("</")?;
        let length = tag.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let (name, rest) = tag.split_at(length);
        let rest = rest.trim_ascii_start().strip_prefix('>')?;
        let element = document.len() - rest.len();
        Some(ElementEnd {
            name,
            text,
            element,
        })
    }
}

/// All element ends in a document.
struct Ends<'a> {
    document: &'a str,
    reading: End,
    /// The last end of each name.
    last: HashMap<&'a str, ElementEnd<'a>>,
}

impl<'a> Ends<'a> {
    fn of(document: &'a str, reading: End) -> Ends<'a> {
        let mut ends = Ends {
            document,
            reading,
            last: HashMap::new(),
        };
        let mut last = HashMap::new();
        for (at, _) in document.rmatch_indices("]]>") {
            if let Some(end) = ends.end_at(at)
                && last.len() < MAX_NAMES
            {
                last.entry(end.name).or_insert(end);
            }
        }
        ends.last = last;
        ends
    }

    /// The end that starts at `text`, if it counts.
    fn end_at(&self, text: usize) -> Option<ElementEnd<'a>> {
        ElementEnd::at(self.document, text).filter(|end| match self.reading {
            End::Last => true,
            End::First => self.document[end.element..]
                .trim_ascii_start()
                .starts_with('<'),
        })
    }

    /// The end of the element `name` whose text starts at `start`; `in_list`: it may occur several times.
    fn end(&self, name: &str, start: usize, in_list: bool) -> Option<ElementEnd<'a>> {
        let last = *self.last.get(name)?;
        if last.text < start {
            return None;
        }
        // There is an end, so no search from here scans the same part of the document twice.
        let marks = self.document[start..].match_indices("]]>");
        let mut marks = marks.map(|(at, _)| start + at);
        let is_its_own = |end: &ElementEnd| end.name == name;
        if in_list || self.reading == End::First {
            return marks.filter_map(|at| self.end_at(at)).find(is_its_own);
        }
        let is_text = fields::VERBATIM.contains(&name) || MORE_TEXTS.contains(&name);
        let in_valid_xml = marks
            .next()
            .and_then(|at| self.end_at(at))
            .filter(is_its_own);
        match in_valid_xml {
            Some(end) if !is_text => Some(end),
            Some(_) | None => Some(last),
        }
    }
}
