//! Shows a reply to people: its kind, then its text or its fields, named as in the rules.

use crate::visible::Visible;
use crate::wechat::{Fields, elements};

/// The elements of replies in order, each with the rule key that fills it.
const KEYS: [(&str, &str); 10] = [
    ("MediaId", "media_id"),
    ("Title", "title"),
    ("Description", "description"),
    ("PicUrl", "pic_url"),
    ("Url", "url"),
    ("MusicUrl", "url"),
    ("HQMusicUrl", "hq_url"),
    ("ThumbMediaId", "thumb_media_id"),
    ("KfAccount", "agent"),
    ("Content", "text"),
];

/// The lines that show a reply. Anything else is shown unchanged.
pub fn readable(body: &str) -> Vec<String> {
    let fields = elements(body.as_bytes()).unwrap_or_default();
    let Some(kind) = fields.get("MsgType").and_then(|kind| kind.as_str()) else {
        return body.lines().map(str::to_owned).collect();
    };
    let mut lines = vec![format!("{}:", Visible(kind))];
    match fields.get("Content").and_then(|text| text.as_str()) {
        Some(text) => lines.extend(text.lines().map(|line| format!("  {}", Visible(line)))),
        None => lines.extend(pairs(&fields).into_iter().map(|pair| format!("  {pair}"))),
    }
    let articles = fields.get("Articles").and_then(|list| list.get("item"));
    let articles = articles.and_then(|items| items.as_array());
    for (n, article) in articles.into_iter().flatten().enumerate() {
        let pairs = article.as_object().map(pairs).unwrap_or_default();
        for (at, pair) in pairs.into_iter().enumerate() {
            let number = if at == 0 {
                format!("{}.", n + 1)
            } else {
                String::new()
            };
            lines.push(format!("  {number:<3}{pair}"));
        }
    }
    if kind == "transfer_customer_service" && lines.len() == 1 {
        lines.push("  agent: any".to_owned());
    }
    lines
}

/// `key: value` for every known element, including nested ones.
fn pairs(fields: &Fields) -> Vec<String> {
    let inside = fields.values().filter_map(|value| value.as_object());
    let mut pairs = Vec::new();
    for level in std::iter::once(fields).chain(inside) {
        for (element, key) in KEYS {
            if let Some(text) = level.get(element).and_then(|text| text.as_str()) {
                pairs.push(format!("{key}: {}", Visible(text)));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wechat::{Article, Reply};

    #[track_caller]
    fn shows(reply: &Reply, lines: &[&str]) {
        let xml = reply.to_xml("oA", "gh_1", 1).expect("a reply");
        assert_eq!(readable(&xml), lines);
    }

    #[test]
    fn every_kind_of_reply_is_shown_by_the_keys_of_its_rule() {
        let some = |text: &str| Some(text.to_owned());
        let media_id = "M_7".to_owned();
        shows(
            &Reply::Text("a <b>\n\nc".to_owned()),
            &["text:", "  a <b>", "  ", "  c"],
        );
        shows(
            &Reply::Image {
                media_id: media_id.clone(),
            },
            &["image:", "  media_id: M_7"],
        );
        shows(
            &Reply::Voice {
                media_id: media_id.clone(),
            },
            &["voice:", "  media_id: M_7"],
        );
        shows(
            &Reply::Video {
                media_id,
                title: some("T"),
                description: None,
            },
            &["video:", "  media_id: M_7", "  title: T"],
        );
        shows(
            &Reply::Music {
                title: some("T"),
                description: some("two\nlines"),
                url: some("https://a/1"),
                hq_url: some("https://a/2"),
                thumb_media_id: "P".to_owned(),
            },
            &[
                "music:",
                "  title: T",
                "  description: two lines",
                "  url: https://a/1",
                "  hq_url: https://a/2",
                "  thumb_media_id: P",
            ],
        );
        let article = |title: &str, pic_url: &str| Article {
            title: title.to_owned(),
            description: String::new(),
            pic_url: pic_url.to_owned(),
            url: "https://a/?x=1&y=2".to_owned(),
        };
        shows(
            &Reply::News(vec![article("A", ""), article("B", "https://p")]),
            &[
                "news:",
                "  1. title: A",
                "     url: https://a/?x=1&y=2",
                "  2. title: B",
                "     pic_url: https://p",
                "     url: https://a/?x=1&y=2",
            ],
        );
        let transfer = |kf_account| Reply::Transfer { kf_account };
        shows(
            &transfer(None),
            &["transfer_customer_service:", "  agent: any"],
        );
        shows(
            &transfer(some("amy@shop")),
            &["transfer_customer_service:", "  agent: amy@shop"],
        );
    }

    #[test]
    fn what_is_no_reply_is_shown_as_it_is() {
        for body in ["<html>502\nBad Gateway</html>", "Bad Token!", "<xml></xml>"] {
            assert_eq!(readable(body), body.lines().collect::<Vec<_>>());
        }
    }
}
