//! The fake platform's drafts and published articles.

use super::super::now;
use super::{Call, errcode};
use serde_json::{Value, json};

/// Articles that belong together, by the name of their draft or publication.
#[derive(Clone, Debug)]
pub struct Together {
    /// Its media_id or article_id.
    pub id: String,
    /// Its articles.
    pub articles: Vec<Value>,
}

/// The state behind these calls.
#[derive(Default)]
pub struct Articles {
    /// Newest first.
    pub drafts: Vec<Together>,
    /// Newest first.
    pub published: Vec<Together>,
    made: usize,
}

impl Articles {
    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        if call.method != "POST" {
            return None;
        }
        let asked = call.json();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        Some(match call.path.as_str() {
            "/cgi-bin/draft/add" => {
                self.made += 1;
                let id = format!("SYN_draft_{}", self.made);
                let articles = asked["articles"].as_array().unwrap().clone();
                let draft = Together {
                    id: id.clone(),
                    articles,
                };
                self.drafts.insert(0, draft);
                json!({ "media_id": id }).to_string()
            }
            "/cgi-bin/draft/batchget" => page(&self.drafts, "media_id", &asked),
            "/cgi-bin/draft/get" => match find(&self.drafts, &text("media_id")) {
                Some(at) => shown(&self.drafts[at].articles),
                None => errcode(40007, "invalid media_id"),
            },
            "/cgi-bin/draft/update" => {
                let Some(at) = find(&self.drafts, &text("media_id")) else {
                    return Some(errcode(40007, "invalid media_id"));
                };
                let index = usize::try_from(asked["index"].as_u64().unwrap()).unwrap();
                match self.drafts[at].articles.get_mut(index) {
                    Some(article) if asked["articles"].is_object() => {
                        *article = asked["articles"].clone();
                        ok()
                    }
                    Some(_) => errcode(47001, "data format error"),
                    None => errcode(40114, "invalid index value"),
                }
            }
            "/cgi-bin/draft/delete" => match find(&self.drafts, &text("media_id")) {
                Some(at) => {
                    self.drafts.remove(at);
                    ok()
                }
                None => errcode(40007, "invalid media_id"),
            },
            "/cgi-bin/freepublish/submit" => {
                json!({"errcode": 0, "errmsg": "ok", "publish_id": "2247500010"}).to_string()
            }
            "/cgi-bin/freepublish/get" => {
                let sample = super::super::sample("api/freepublish_get.json");
                let sample: Value = serde_json::from_str(&sample).unwrap();
                sample["response"].to_string()
            }
            "/cgi-bin/freepublish/batchget" => page(&self.published, "article_id", &asked),
            "/cgi-bin/freepublish/getarticle" => match find(&self.published, &text("article_id")) {
                Some(at) => shown(&self.published[at].articles),
                None => errcode(53600, "Article ID 无效"),
            },
            "/cgi-bin/freepublish/delete" => {
                let Some(at) = find(&self.published, &text("article_id")) else {
                    return Some(errcode(53600, "Article ID 无效"));
                };
                // From 1; 0 and none mean all.
                match asked["index"].as_u64().unwrap_or(0) {
                    0 => drop(self.published.remove(at)),
                    index => {
                        let index = usize::try_from(index - 1).unwrap();
                        match self.published[at].articles.get_mut(index) {
                            Some(article) => article["is_deleted"] = json!(true),
                            None => return Some(errcode(40114, "invalid index value")),
                        }
                    }
                }
                ok()
            }
            _ => return None,
        })
    }
}

fn find(list: &[Together], id: &str) -> Option<usize> {
    list.iter().position(|one| one.id == id)
}

fn shown(articles: &[Value]) -> String {
    json!({ "news_item": articles }).to_string()
}

fn page(list: &[Together], id: &str, asked: &Value) -> String {
    let number = |name: &str| usize::try_from(asked[name].as_u64().unwrap()).unwrap();
    if !(1..=20).contains(&number("count")) {
        return errcode(40097, "invalid args");
    }
    let item = |one: &Together| {
        let mut articles = one.articles.clone();
        if number("no_content") == 1 {
            for article in &mut articles {
                article.as_object_mut().unwrap().remove("content");
            }
        }
        json!({id: one.id, "content": {"news_item": articles}, "update_time": now()})
    };
    let items: Vec<Value> = list
        .iter()
        .skip(number("offset"))
        .take(number("count"))
        .map(item)
        .collect();
    json!({"total_count": list.len(), "item_count": items.len(), "item": items}).to_string()
}

fn ok() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}
