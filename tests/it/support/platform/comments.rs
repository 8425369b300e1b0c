//! The fake platform's comments below articles.

use super::super::now;
use super::{Call, errcode};
use serde_json::{Value, json};

/// The state behind these calls.
#[derive(Default)]
pub struct Comments {
    /// Articles that have comments: their msg_data_id, and their index from 0.
    pub articles: Vec<(u64, u64)>,
    /// Those of each such article, newest first.
    pub list: Vec<Value>,
    /// Articles on which nobody may comment any more.
    pub closed: Vec<(u64, u64)>,
}

impl Comments {
    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let what = call.path.strip_prefix("/cgi-bin/comment/")?;
        if call.method != "POST" {
            return Some(errcode(43002, "require POST method"));
        }
        let asked = call.json();
        let number = |name: &str| asked[name].as_u64();
        let article = (number("msg_data_id")?, number("index").unwrap_or(0));
        if !self.articles.contains(&article) {
            return Some(json!({"errcode": 88001, "errmsg": "msg_data is not exists", "total": 0, "comment": []}).to_string());
        }
        match what {
            "open" => self.closed.retain(|closed| *closed != article),
            "close" => self.closed.push(article),
            "list" => return Some(self.page(&asked)),
            _ => return Some(self.change(what, &asked)),
        }
        Some(ok())
    }

    fn page(&self, asked: &Value) -> String {
        let number = |name: &str| usize::try_from(asked[name].as_u64().unwrap()).unwrap();
        if !(1..50).contains(&number("count")) {
            return errcode(88010, "count range error. cout <= 0 or count > 50");
        }
        let wanted = |comment: &&Value| match number("type") {
            0 => true,
            1 => comment["comment_type"] == 0,
            _ => comment["comment_type"] == 1,
        };
        let all: Vec<&Value> = self.list.iter().filter(wanted).collect();
        let page: Vec<&&Value> = all
            .iter()
            .skip(number("begin"))
            .take(number("count"))
            .collect();
        json!({"errcode": 0, "errmsg": "ok", "total": all.len(), "comment": page}).to_string()
    }

    fn change(&mut self, what: &str, asked: &Value) -> String {
        let id = &asked["user_comment_id"];
        let at = self
            .list
            .iter()
            .position(|one| one["user_comment_id"] == *id);
        let Some(at) = at else {
            return errcode(88008, "comment is not exists");
        };
        let comment = &mut self.list[at];
        match what {
            "markelect" => comment["comment_type"] = json!(1),
            "unmarkelect" => comment["comment_type"] = json!(0),
            "delete" => drop(self.list.remove(at)),
            "reply/add" if !comment["reply"].is_null() => return errcode(88005, "already reply"),
            "reply/add" => {
                comment["reply"] = json!({"content": asked["content"], "create_time": now()});
            }
            "reply/delete" if comment["reply"].is_null() => {
                return errcode(88009, "reply is not exists");
            }
            "reply/delete" => comment["reply"] = Value::Null,
            _ => return errcode(40066, "invalid url"),
        }
        ok()
    }
}

fn ok() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}
