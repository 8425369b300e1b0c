//! Markdown as the HTML of an article: what WeChat keeps of it, with styles inside the tags because it drops all others.

use std::fmt::Write;

use pulldown_cmark::{
    Alignment, CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd,
};
use unicode_width::UnicodeWidthChar;

/// The HTML of an article whose pictures have no addresses yet.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The HTML before the first picture, between two of them, and after the last.
    pieces: Vec<String>,
    /// Which of [`Rendered::pictures`] comes after each piece but the last.
    places: Vec<usize>,
    /// The files that the text shows, each once.
    pub pictures: Vec<Picture>,
    /// How many links lead outside WeChat, which drops them; their addresses stand at the end.
    pub outside: usize,
    /// Where links lead that are no addresses of the web; they stay as text.
    pub dead: Vec<String>,
}

/// A picture of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The file, as the text names it.
    pub path: String,
    /// The first line that shows it.
    pub line: usize,
}

impl Rendered {
    /// The whole HTML, with these addresses of [`Rendered::pictures`].
    pub fn html<'u>(&self, url: impl Fn(usize) -> &'u str) -> String {
        let mut html = String::new();
        let mut places = self.places.iter();
        for piece in &self.pieces {
            html.push_str(piece);
            if let Some(picture) = places.next() {
                escape(url(*picture), &mut html);
            }
        }
        html
    }
}

/// Addresses of pictures that WeChat keeps, because they were uploaded to it.
const UPLOADED: &str = "mmbiz.qpic.cn";

/// The only host whose links stay links.
const INSIDE: &str = "mp.weixin.qq.com";

const RULE: &str = r#"<hr style="border:0;border-top:1px solid #ddd;margin:24px 0;">"#;

const SMALL: &str = "font-size:14px;color:#888;";

/// Turns Markdown (CommonMark with tables and ~~strikethrough~~) into HTML. `first_line` is the line of the file on which
/// it begins.
///
/// # Errors
/// What is not taken, with its line: HTML other than comments and `<br>`, pictures of other servers, an empty text.
pub(super) fn render(markdown: &str, first_line: usize) -> Result<Rendered, String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut renderer = Renderer::default();
    let (mut line, mut counted) = (first_line, 0);
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        // What belongs to a list of references may lie further up.
        if let Some(between) = markdown.get(counted..range.start) {
            line += between.matches('\n').count();
            counted = range.start;
        }
        renderer
            .event(event, line)
            .map_err(|what| format!("line {line}: {what}"))?;
    }
    renderer.finish()
}

#[derive(Debug, Default)]
struct Renderer {
    /// As in [`Rendered`]; the last piece is [`Renderer::html`].
    pieces: Vec<String>,
    places: Vec<usize>,
    pictures: Vec<Picture>,
    /// The HTML since the last picture.
    html: String,
    /// Addresses outside WeChat; their numbers are their places from 1.
    outside: Vec<String>,
    dead: Vec<String>,
    /// How many links lead outside.
    links: usize,
    /// What ends the link that is open.
    link_end: String,
    /// The picture whose description is being read.
    picture: Option<Described>,
    /// The block of HTML that is being read.
    raw: Option<String>,
    in_code: bool,
    /// The columns of the table that is being read, the next column, and whether it is the heading.
    columns: Vec<Alignment>,
    column: usize,
    in_heading: bool,
    /// The character before, and whether a line ended after it.
    last: Option<char>,
    line_ended: bool,
}

#[derive(Debug)]
struct Described {
    address: String,
    line: usize,
    alt: String,
    /// Pictures inside the description, which are left out.
    inner: usize,
}

impl Renderer {
    fn event(&mut self, event: Event, line: usize) -> Result<(), String> {
        if self.picture.is_some() {
            return self.describe(event);
        }
        match event {
            Event::Start(tag) => self.start(tag, line)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) if self.in_code => self.code(&text),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => {
                self.inline(
                    r#"<code style="font-family:monospace;background:#f2f2f2;padding:2px 4px;">"#,
                );
                self.text(&code);
                self.html.push_str("</code>");
            }
            Event::Html(html) => match &mut self.raw {
                Some(raw) => raw.push_str(&html),
                None => self.raw_html(&html)?,
            },
            Event::InlineHtml(html) => self.raw_html(&html)?,
            Event::SoftBreak => self.line_ended = true,
            Event::HardBreak => {
                self.html.push_str("<br>");
                self.last = None;
            }
            Event::Rule => self.html.push_str(RULE),
            // Only with options that are not set.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text)
            }
            Event::TaskListMarker(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag, line: usize) -> Result<(), String> {
        match tag {
            Tag::Paragraph => self.open(r#"<p style="margin:0 0 16px;line-height:1.75;">"#),
            Tag::Heading { level, .. } => {
                let (name, size) = heading(level);
                self.open(&format!(
                    r#"<{name} style="font-size:{size}px;font-weight:bold;line-height:1.4;margin:24px 0 12px;">"#
                ));
            }
            Tag::BlockQuote(_) => self.open(
                r#"<blockquote style="margin:0 0 16px;padding:8px 12px;border-left:3px solid #ccc;color:#666;">"#,
            ),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                self.in_code = true;
                self.open(r#"<pre style="margin:0 0 16px;padding:12px;background:#f6f6f6;overflow-x:auto;white-space:pre;font-size:14px;"><code>"#);
            }
            Tag::HtmlBlock => self.raw = Some(String::new()),
            Tag::List(Some(1)) => self.open(r#"<ol style="margin:0 0 16px;padding-left:24px;">"#),
            Tag::List(Some(from)) => {
                self.open(&format!(r#"<ol start="{from}" style="margin:0 0 16px;padding-left:24px;">"#));
            }
            Tag::List(None) => self.open(r#"<ul style="margin:0 0 16px;padding-left:24px;">"#),
            Tag::Item => self.open(r#"<li style="line-height:1.75;">"#),
            Tag::Table(columns) => {
                self.columns = columns;
                self.open(r#"<table style="border-collapse:collapse;margin:0 0 16px;">"#);
            }
            Tag::TableHead => {
                (self.column, self.in_heading) = (0, true);
                self.open("<tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.open("<tr>");
            }
            Tag::TableCell => {
                let align = match self.columns.get(self.column) {
                    Some(Alignment::Center) => "text-align:center;",
                    Some(Alignment::Right) => "text-align:right;",
                    Some(Alignment::Left | Alignment::None) | None => "",
                };
                self.column += 1;
                let name = self.cell();
                self.open(&format!(r#"<{name} style="border:1px solid #ddd;padding:4px 8px;{align}">"#));
            }
            Tag::Emphasis => self.inline("<em>"),
            Tag::Strong => self.inline("<strong>"),
            Tag::Strikethrough => self.inline("<del>"),
            Tag::Link { link_type, dest_url, .. } => self.link(link_type, &dest_url),
            Tag::Image { dest_url, .. } => {
                self.picture = Some(Described {
                    address: dest_url.into_string(),
                    line,
                    alt: String::new(),
                    inner: 0,
                });
            }
            // Only with options that are not set.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), String> {
        match tag {
            TagEnd::Paragraph => self.open("</p>"),
            TagEnd::Heading(level) => self.open(&format!("</{}>", heading(level).0)),
            TagEnd::BlockQuote(_) => self.open("</blockquote>"),
            TagEnd::CodeBlock => {
                self.in_code = false;
                let end = self.html.strip_suffix("<br>").map(str::len);
                self.html.truncate(end.unwrap_or(self.html.len()));
                self.open("</code></pre>");
            }
            TagEnd::HtmlBlock => {
                if let Some(raw) = self.raw.take() {
                    self.raw_html(&raw)?;
                }
            }
            TagEnd::List(true) => self.open("</ol>"),
            TagEnd::List(false) => self.open("</ul>"),
            TagEnd::Item => self.open("</li>"),
            TagEnd::Table => self.open("</table>"),
            TagEnd::TableHead => {
                self.open("</tr>");
                self.in_heading = false;
            }
            TagEnd::TableRow => self.open("</tr>"),
            TagEnd::TableCell => {
                let name = self.cell();
                self.open(&format!("</{name}>"));
            }
            TagEnd::Emphasis => self.html.push_str("</em>"),
            TagEnd::Strong => self.html.push_str("</strong>"),
            TagEnd::Strikethrough => self.html.push_str("</del>"),
            TagEnd::Link => {
                let end = std::mem::take(&mut self.link_end);
                self.html.push_str(&end);
            }
            TagEnd::Image
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
        Ok(())
    }

    /// Writes the beginning or end of a block, across which lines are not joined.
    fn open(&mut self, html: &str) {
        self.html.push_str(html);
        (self.last, self.line_ended) = (None, false);
    }

    fn cell(&self) -> &'static str {
        match self.in_heading {
            true => "th",
            false => "td",
        }
    }

    fn text(&mut self, text: &str) {
        let Some(first) = text.chars().next() else {
            return;
        };
        self.join(Some(first));
        escape(text, &mut self.html);
        self.last = text.chars().next_back();
    }

    /// Writes the end of a line: a space, but not between two Chinese characters. `next` is unknown before a tag.
    fn join(&mut self, next: Option<char>) {
        if std::mem::take(&mut self.line_ended)
            && let Some(last) = self.last
            && !(is_wide(last) && next.is_none_or(is_wide))
        {
            self.html.push(' ');
        }
    }

    /// Begins what stands within a line.
    fn inline(&mut self, html: &str) {
        self.join(None);
        self.html.push_str(html);
    }

    /// Lines of code. A line break is a tag, as editors drop the other ones.
    fn code(&mut self, code: &str) {
        let mut lines = code.split('\n');
        escape(lines.next().unwrap_or_default(), &mut self.html);
        for line in lines {
            self.html.push_str("<br>");
            escape(line, &mut self.html);
        }
    }

    fn raw_html(&mut self, html: &str) -> Result<(), String> {
        let mut rest = html.trim();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(());
            }
            let comment = rest
                .strip_prefix("<!--")
                .and_then(|rest| rest.split_once("-->"));
            let line_break = ["<br>", "<br/>", "<br />"]
                .iter()
                .find_map(|tag| rest.strip_prefix(tag));
            match (comment, line_break) {
                (Some((_, after)), _) => rest = after,
                (None, Some(after)) => {
                    self.html.push_str("<br>");
                    self.last = None;
                    rest = after;
                }
                (None, None) => {
                    let shown: String = rest.chars().take_while(|c| *c != '\n').take(40).collect();
                    return Err(format!(
                        "HTML such as {shown} is not taken, only comments and <br>: write it as Markdown, with a \\ before a < that is meant as such"
                    ));
                }
            }
        }
    }

    fn link(&mut self, link_type: LinkType, address: &str) {
        if on_host(address, INSIDE) {
            self.inline("<a href=\"");
            escape(address, &mut self.html);
            self.html.push_str("\">");
            "</a>".clone_into(&mut self.link_end);
            return;
        }
        // The text of such a link is its address.
        if matches!(link_type, LinkType::Autolink | LinkType::Email) {
            self.links += 1;
            return;
        }
        if !is_web(address) && !starts_with(address, "mailto:") {
            self.dead.push(address.to_owned());
            return;
        }
        self.links += 1;
        let known = self.outside.iter().position(|one| one == address);
        let number = known.unwrap_or_else(|| {
            self.outside.push(address.to_owned());
            self.outside.len() - 1
        }) + 1;
        self.link_end = format!("<sup>[{number}]</sup>");
    }

    /// Collects the description of a picture.
    fn describe(&mut self, event: Event) -> Result<(), String> {
        let Some(picture) = &mut self.picture else {
            return Ok(());
        };
        match event {
            Event::Text(text) | Event::Code(text) => picture.alt.push_str(&text),
            Event::SoftBreak | Event::HardBreak => picture.alt.push(' '),
            Event::Start(Tag::Image { .. }) => picture.inner += 1,
            Event::End(TagEnd::Image) if picture.inner > 0 => picture.inner -= 1,
            Event::End(TagEnd::Image) => {
                if let Some(picture) = self.picture.take() {
                    return self.show(picture);
                }
            }
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
        Ok(())
    }

    fn show(&mut self, picture: Described) -> Result<(), String> {
        let Described {
            address, line, alt, ..
        } = picture;
        self.inline("<img src=\"");
        if on_host(&address, UPLOADED) {
            escape(&address, &mut self.html);
        } else if is_web(&address) || starts_with(&address, "data:") || address.starts_with("//") {
            let shown: String = address.chars().take(60).collect();
            return Err(format!(
                "the picture {shown} is not a file here, and WeChat shows only pictures that were uploaded to it: download it and name the file"
            ));
        } else if address.is_empty() {
            return Err("a picture names no file".to_owned());
        } else {
            let known = self.pictures.iter().position(|known| known.path == address);
            let number = known.unwrap_or_else(|| {
                self.pictures.push(Picture {
                    path: address,
                    line,
                });
                self.pictures.len() - 1
            });
            self.pieces.push(std::mem::take(&mut self.html));
            self.places.push(number);
        }
        self.html.push_str("\" alt=\"");
        escape(&alt, &mut self.html);
        self.html.push_str("\" style=\"max-width:100%;\">");
        self.last = None;
        Ok(())
    }

    fn finish(mut self) -> Result<Rendered, String> {
        if self.html.is_empty() && self.pieces.is_empty() {
            return Err("it has no text".to_owned());
        }
        for (number, address) in (1..).zip(&self.outside) {
            let start = if number == 1 { RULE } else { "" };
            write!(
                self.html,
                "{start}<p style=\"margin:0;{SMALL}\">[{number}] "
            )
            .unwrap_or_default();
            escape(address, &mut self.html);
            self.html.push_str("</p>");
        }
        self.pieces.push(self.html);
        Ok(Rendered {
            pieces: self.pieces,
            places: self.places,
            pictures: self.pictures,
            outside: self.links,
            dead: self.dead,
        })
    }
}

/// The tag of a heading and its size in pixels. The title of the article is above all of them.
fn heading(level: HeadingLevel) -> (&'static str, u8) {
    match level {
        HeadingLevel::H1 => ("h1", 22),
        HeadingLevel::H2 => ("h2", 20),
        HeadingLevel::H3 => ("h3", 18),
        HeadingLevel::H4 => ("h4", 17),
        HeadingLevel::H5 => ("h5", 16),
        HeadingLevel::H6 => ("h6", 16),
    }
}

fn escape(text: &str, into: &mut String) {
    maud::Escaper::new(into).write_str(text).unwrap_or_default();
}

/// Whether it takes two columns on a terminal, as Chinese characters and their punctuation do.
fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

fn is_web(address: &str) -> bool {
    starts_with(address, "http://") || starts_with(address, "https://")
}

/// Whether it is an address of the web on this host.
fn on_host(address: &str, host: &str) -> bool {
    ["http", "https"].iter().any(|scheme| {
        let start = format!("{scheme}://{host}/");
        starts_with(address, &start)
    })
}

fn starts_with(address: &str, start: &str) -> bool {
    address
        .get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests;
