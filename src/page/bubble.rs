//! What a person sees on the phone: texts, cards and questions, drawn as bubbles. Nothing in them is a link here.

use maud::{Markup, html};
use serde_json::Value;

use super::frame::Frame;
use super::message;
use super::person;
use super::texts::Text;
use crate::store::SentRow;
use crate::wechat::{Article, Reply};

/// A reply of a rule or a service.
#[must_use]
pub fn reply(frame: &Frame<'_>, reply: &Reply) -> Markup {
    let media = |kind, media_id: &str| {
        html! { div .bubble { (label(frame, kind)) code { (person::text(media_id)) } } }
    };
    match reply {
        Reply::Text(content) => html! { div .bubble { (with_links(content)) } },
        Reply::Image { media_id } => media(Text::KindImage, media_id),
        Reply::Voice { media_id } => media(Text::KindVoice, media_id),
        Reply::Video {
            media_id,
            title,
            description,
        } => html! {
            div .bubble {
                (label(frame, Text::KindVideo))
                (card([title.as_deref(), description.as_deref()]))
                code { (person::text(media_id)) }
            }
        },
        Reply::Music {
            title,
            description,
            url,
            hq_url,
            thumb_media_id: _,
        } => html! {
            div .bubble {
                (label(frame, Text::KindMusic))
                (card([title.as_deref(), description.as_deref()]))
                @for url in [url, hq_url].into_iter().flatten() { p .soft { (person::text(url)) } }
            }
        },
        Reply::News(articles) => news(articles),
        Reply::Transfer { kf_account } => html! {
            div .bubble {
                (frame.say(Text::HandedOver))
                @if let Some(account) = kf_account { " " (person::text(account)) }
            }
        },
        Reply::TransferAi => html! { div .bubble { (frame.say(Text::HandedToAi)) } },
    }
}

/// A reply as the store keeps it; nothing if it cannot be read.
#[must_use]
pub fn kept(frame: &Frame<'_>, xml: &str) -> Markup {
    match Reply::parse(xml) {
        Ok(read) => reply(frame, &read),
        Err(_) => html! {},
    }
}

/// A customer-service message.
#[must_use]
pub fn sent(frame: &Frame<'_>, row: &SentRow) -> Markup {
    let content = row.content.as_deref().unwrap_or_default();
    let json: Option<Value> = serde_json::from_str(content).ok();
    match (row.msg_type.as_str(), json) {
        ("text", _) => html! { div .bubble { (with_links(content)) } },
        ("msgmenu", Some(menu)) => question(&menu),
        ("news", Some(Value::Array(articles))) => {
            let articles: Vec<Article> = articles.iter().map(article).collect();
            news(&articles)
        }
        (_, Some(Value::Object(fields))) => html! {
            div .bubble {
                span .label { (message::of_type(frame, &row.msg_type)) }
                (card(["title", "description"].map(|name| fields.get(name)?.as_str())))
            }
        },
        (kind, _) => html! {
            div .bubble { span .label { (message::of_type(frame, kind)) } code { (person::text(content)) } }
        },
    }
}

/// A text with its line breaks.
#[must_use]
pub fn lines(text: &str) -> Markup {
    html! {
        @for (n, line) in text.lines().enumerate() {
            @if n > 0 { br; }
            (person::text(line))
        }
    }
}

fn label(frame: &Frame<'_>, kind: Text) -> Markup {
    html! { span .label { (frame.say(kind)) } }
}

fn card(parts: [Option<&str>; 2]) -> Markup {
    let [title, description] = parts;
    html! {
        @if let Some(title) = title { b { (person::text(title)) } }
        @if let Some(description) = description { p { (person::text(description)) } }
    }
}

fn news(articles: &[Article]) -> Markup {
    html! {
        div .bubble.news {
            @for article in articles {
                div .card {
                    b { (person::text(&article.title)) }
                    @if !article.description.is_empty() { p { (person::text(&article.description)) } }
                    p .soft { (person::text(&article.url)) }
                }
            }
        }
    }
}

fn article(fields: &Value) -> Article {
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    Article {
        title: text("title"),
        description: text("description"),
        pic_url: text("picurl"),
        url: text("url"),
    }
}

/// A question with answers to tap.
fn question(menu: &Value) -> Markup {
    let text = |value: &Value| value.as_str().map(lines);
    let answers = menu["list"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        div .bubble {
            @if let Some(head) = text(&menu["head_content"]) { (head) }
            ul .taps {
                @for answer in answers {
                    li { span .tap { (person::text(answer["content"].as_str().unwrap_or_default())) } }
                }
            }
            @if let Some(tail) = text(&menu["tail_content"]) { (tail) }
        }
    }
}

/// A text in which the phone makes links of `<a href="…">…</a>`; here they look like links.
fn with_links(text: &str) -> Markup {
    let mut rest = text;
    let mut parts = Vec::new();
    while let Some((before, address, label, after)) = next_link(rest) {
        parts.push((before, Some((address, label))));
        rest = after;
    }
    parts.push((rest, None));
    html! {
        @for (before, link) in parts {
            (lines_of_part(before))
            @if let Some((address, label)) = link {
                span .tap title=(person::plain(address)) { (person::text(label)) }
            }
        }
    }
}

/// As [`lines`], but a line break at the end counts.
fn lines_of_part(part: &str) -> Markup {
    html! {
        @for (n, line) in part.split('\n').enumerate() {
            @if n > 0 { br; }
            @if !line.is_empty() { (person::text(line.trim_end_matches('\r'))) }
        }
    }
}

/// The first link: what stands before it, its address, its text, and what stands behind.
fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let begin = text.find("<a ")?;
    let (tag, rest) = text[begin..].split_once('>')?;
    let (label, after) = rest.split_once("</a>")?;
    let (_, address) = tag.split_once("href=")?;
    let quote = address.chars().next()?;
    let address = match quote {
        '"' | '\'' => address[1..].split(quote).next()?,
        _ => address.split(' ').next()?,
    };
    Some((&text[..begin], address, label, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_link_leads_nowhere() {
        let text = "See <a href=\"https://example.com/?a&b\">our <b>hours</b></a>\nor call";
        assert_eq!(
            with_links(text).into_string(),
            "<bdi>See </bdi><span class=\"tap\" title=\"https://example.com/?a&amp;b\"><bdi>our &lt;b&gt;hours&lt;/b&gt;</bdi></span><br><bdi>or call</bdi>"
        );
        for odd in [
            "<a href=",
            "<a >x</a>",
            "<a href=\"x>y</a",
            "<a href='é",
            "1 < 2 </a>",
        ] {
            let drawn = with_links(odd).into_string();
            assert!(!drawn.contains("<a"), "{drawn}");
        }
    }
}
