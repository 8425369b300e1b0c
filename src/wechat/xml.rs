//! Parses an XML push into [`Elements`]: a linear safety scan, then `xmltree`; what they refuse is repaired and parsed
//! again.
//!
//! `xmltree` alone would overflow the stack on deep nesting and take seconds or gigabytes for floods of entities and
//! namespaces, and in plain mode the body is not signed. The scan refuses all of that beforehand.

use xmltree::{Element, ParserConfig, XMLNode};

use super::error::{Format, ParseError};
use super::fields::Elements;
use super::{repair, text};

/// The most levels of nesting, including the root. Real pushes have at most 5.
const MAX_LEVELS: usize = 16;
/// The most elements. The largest real push, the result of a mass message with 8 articles, has about 110.
const MAX_ELEMENTS: usize = 4096;
/// The most nodes of the parser: elements, texts between markup, CDATA sections and comments. Enough for the most
/// elements, each with a text and white space around it; they take the parser 10 MB.
const MAX_NODES: usize = 4 * MAX_ELEMENTS;
/// The most attributes, including namespace declarations. Real pushes have none.
const MAX_ATTRIBUTES: usize = 256;

/// Parses a document that starts with `<` and returns the elements under its root `<xml>`.
pub(super) fn read(document: &str) -> Result<Elements, ParseError> {
    // Messages with stray control characters do arrive. XML forbids them, but the push matters more.
    let document = text::without_illegal_characters(without_declaration(document)?);
    parse(&document, Roots::One).or_else(|refused| {
        // Several documents in a row are not a text that needs repair.
        if parse(&document, Roots::Several).is_ok() {
            return Err(refused);
        }
        let mut readings = repair::readings(&document);
        let repaired = readings.find_map(|repaired| parse(&repaired, Roots::One).ok());
        repaired.ok_or(refused)
    })
}

/// How many root elements a document may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Roots {
    One,
    Several,
}

/// The elements under the first root element.
fn parse(document: &str, roots: Roots) -> Result<Elements, ParseError> {
    scan(document)?;
    let config = ParserConfig::new()
        .whitespace_to_characters(true)
        .allow_multiple_root_elements(roots == Roots::Several);
    let root = Element::parse_with_config(document.as_bytes(), config).map_err(malformed)?;
    Ok(children(root))
}

/// The document without its XML declaration. The body is known to be UTF-8, whatever encoding the
/// declaration names.
fn without_declaration(document: &str) -> Result<&str, ParseError> {
    let Some(rest) = document.strip_prefix("<?xml") else {
        return Ok(document);
    };
    if !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
        return Err(PROCESSING_INSTRUCTION);
    }
    let (_, rest) = rest.split_once("?>").ok_or(UNCLOSED)?;
    Ok(rest.trim_start())
}

const PROCESSING_INSTRUCTION: ParseError =
    ParseError::Refused(Format::Xml, "a processing instruction");
const UNCLOSED: ParseError = ParseError::Refused(Format::Xml, "the document is cut off");

fn refused<T>(what: &'static str) -> Result<T, ParseError> {
    Err(ParseError::Refused(Format::Xml, what))
}

/// Refuses, in one pass and without allocating, what could harm the parser. It need not notice every mistake: where it
/// is more lenient than the parser, the parser stops at that place.
fn scan(document: &str) -> Result<(), ParseError> {
    let (mut level, mut elements, mut attributes, mut nodes) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut rest = document;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        nodes += usize::from(at > 0) + usize::from(!rest.starts_with('/'));
        if nodes > MAX_NODES {
            return refused("more than 16384 nodes");
        }
        if let Some(cdata) = rest.strip_prefix("![CDATA[") {
            rest = cdata.split_once("]]>").ok_or(UNCLOSED)?.1;
        } else if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or(UNCLOSED)?.1;
        } else if rest.starts_with('!') {
            return refused("a document type declaration");
        } else if rest.starts_with('?') {
            return Err(PROCESSING_INSTRUCTION);
        } else if rest.starts_with('/') {
            rest = rest.split_once('>').ok_or(UNCLOSED)?.1;
            level = level.saturating_sub(1);
        } else {
            let tag = Tag::read(rest)?;
            if elements == 0 && tag.name != "xml" {
                return refused("the root element is not xml");
            }
            elements += 1;
            attributes += tag.attributes;
            level += 1;
            if level > MAX_LEVELS {
                return refused("more than 16 levels");
            }
            if elements > MAX_ELEMENTS {
                return refused("more than 4096 elements");
            }
            if attributes > MAX_ATTRIBUTES {
                return refused("more than 256 attributes");
            }
            if tag.empty {
                level -= 1;
            }
            rest = tag.rest;
        }
    }
    if elements == 0 {
        return refused("the root element is not xml");
    }
    Ok(())
}

/// A start tag, parsed from after its `<`.
struct Tag<'a> {
    name: &'a str,
    attributes: usize,
    empty: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Result<Tag<'a>, ParseError> {
        let bytes = text.as_bytes();
        let mut quote = None;
        let mut attributes = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'<' => return refused("a `<` inside a tag"),
                b'"' | b'\'' if quote.is_none() => quote = Some(byte),
                _ if quote == Some(byte) => quote = None,
                b'=' if quote.is_none() => attributes += 1,
                b'>' if quote.is_none() => {
                    let name = text[..at]
                        .find(|c: char| c.is_ascii_whitespace() || c == '/')
                        .map_or(&text[..at], |end| &text[..end]);
                    return Ok(Tag {
                        name,
                        attributes,
                        empty: at > 0 && bytes[at - 1] == b'/',
                        rest: &text[at + 1..],
                    });
                }
                _ => {}
            }
        }
        Err(UNCLOSED)
    }
}

/// Keeps the position and drops the parser's message, which quotes the document.
fn malformed(error: xmltree::ParseError) -> ParseError {
    let at = match error {
        xmltree::ParseError::MalformedXml(error) => error
            .to_string()
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
        xmltree::ParseError::CannotParse => "an unknown place".to_owned(),
    };
    ParseError::Malformed(Format::Xml, at)
}

fn children(element: Element) -> Elements {
    let mut elements = Elements::default();
    for node in element.children {
        if let XMLNode::Element(mut child) = node {
            let name = std::mem::take(&mut child.name);
            match child
                .children
                .iter()
                .any(|node| node.as_element().is_some())
            {
                true => elements.push_elements(name, children(child)),
                false => elements.push_text(name, content(child.children)),
            }
        }
    }
    elements
}

/// The text of a leaf. Next to a CDATA section, white space is only layout; without one it is part of the value.
fn content(nodes: Vec<XMLNode>) -> String {
    let has_cdata = nodes.iter().any(|node| node.as_cdata().is_some());
    let mut parts = nodes.into_iter().filter_map(|node| match node {
        XMLNode::CData(text) => Some(text),
        XMLNode::Text(text) if has_cdata && text.trim().is_empty() => None,
        XMLNode::Text(text) => Some(text),
        XMLNode::Element(_) | XMLNode::Comment(_) | XMLNode::ProcessingInstruction(..) => None,
    });
    let mut content = parts.next().unwrap_or_default();
    parts.for_each(|part| content.push_str(&part));
    content
}
