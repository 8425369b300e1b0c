//! The fake platform's people: followers in pages, tags, remarks, the blacklist.

use super::platform::{Call, errcode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The state behind these calls.
pub struct People {
    /// In the order of `user/get`.
    pub followers: Vec<String>,
    /// A wrong total for `user/get`.
    pub total: Option<i64>,
    /// Followers per page.
    pub page: usize,
    /// Names of tags by id.
    pub tags: BTreeMap<i64, String>,
    /// Tags of people, if they were changed.
    pub tagged: HashMap<String, Vec<i64>>,
    /// Remarks of people, if they were changed.
    pub remarks: HashMap<String, String>,
    /// Blocked people.
    pub blacklist: Vec<String>,
    /// People who cannot be tagged (45171).
    pub untaggable: Vec<String>,
}

impl Default for People {
    fn default() -> Self {
        Self {
            followers: Vec::new(),
            total: None,
            page: 10_000,
            tags: [(2, "starred".to_owned()), (128, "regulars".to_owned())].into(),
            tagged: HashMap::new(),
            remarks: HashMap::new(),
            blacklist: Vec::new(),
            untaggable: Vec::new(),
        }
    }
}

/// Distinct realistic OpenIDs, in ascending order.
pub fn crowd(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| format!("oCrowd{number:08}aQe7rT0uXk3mPz"))
        .collect()
}

impl People {
    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let asked: Value = serde_json::from_str(&call.body).unwrap_or(Value::Null);
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let path = call.path.strip_prefix("/cgi-bin/")?;
        Some(match (call.method.as_str(), path) {
            ("GET", "user/get") => {
                let next = call.query.get("next_openid").cloned().unwrap_or_default();
                page(&self.followers, &next, self.page, self.total)
            }
            ("POST", "user/info/updateremark") => {
                let remark = text("remark");
                if remark.chars().count() >= 30 {
                    return Some(errcode(40092, "invalid remark name"));
                }
                if !text("openid").starts_with('o') {
                    return Some(errcode(40003, "invalid openid"));
                }
                self.remarks.insert(text("openid"), remark);
                done()
            }
            ("GET", "tags/get") => {
                let counted = |id: &i64| {
                    let tagged = self.tagged.values();
                    tagged.filter(|tags| tags.contains(id)).count()
                };
                let tags: Vec<Value> = self
                    .tags
                    .iter()
                    .map(|(id, name)| json!({"id": id, "name": name, "count": counted(id)}))
                    .collect();
                json!({ "tags": tags }).to_string()
            }
            ("POST", "tags/getidlist") => {
                if !text("openid").starts_with('o') {
                    return Some(errcode(40003, "invalid openid"));
                }
                json!({"tagid_list": self.tags_of(&text("openid"))}).to_string()
            }
            ("POST", "user/tag/get") => {
                let id = asked["tagid"].as_i64().unwrap_or(-1);
                if !self.tags.contains_key(&id) {
                    return Some(errcode(45159, "invalid tag id"));
                }
                let has_it = |openid: &&String| self.tags_of(openid).contains(&id);
                let people: Vec<String> = self.followers.iter().filter(has_it).cloned().collect();
                page(&people, &text("next_openid"), self.page, None)
            }
            ("POST", "tags/create") => {
                let name = asked["tag"]["name"].as_str().unwrap_or_default();
                if self.tags.values().any(|known| known == name) {
                    return Some(errcode(45157, "invalid tag name"));
                }
                if name.len() > 30 {
                    return Some(errcode(45158, "tag name too long"));
                }
                let id = self.tags.keys().max().copied().unwrap_or(99).max(99) + 1;
                self.tags.insert(id, name.into());
                json!({"tag": {"id": id, "name": name}}).to_string()
            }
            ("POST", "tags/update") => {
                let id = asked["tag"]["id"].as_i64().unwrap_or(-1);
                if id <= 2 {
                    return Some(errcode(45058, "can't modify system tag"));
                }
                let name = asked["tag"]["name"].as_str().unwrap_or_default();
                self.tags.insert(id, name.into());
                done()
            }
            ("POST", "tags/delete") => {
                let id = asked["tag"]["id"].as_i64().unwrap_or(-1);
                if id <= 2 {
                    return Some(errcode(45058, "can't modify system tag"));
                }
                self.tags.remove(&id);
                done()
            }
            ("POST", "tags/members/batchtagging" | "tags/members/batchuntagging") => {
                self.change_tag(&asked, path.ends_with("batchtagging"))
            }
            ("POST", "tags/members/getblacklist") => {
                page(&self.blacklist, &text("begin_openid"), 1000, None)
            }
            ("POST", "tags/members/batchblacklist") => {
                let openids = openids(&asked);
                if openids.len() > 20 {
                    return Some(errcode(40032, "invalid openid list size"));
                }
                if openids.iter().any(|openid| !openid.starts_with('o')) {
                    return Some(errcode(40003, "invalid openid"));
                }
                self.blacklist.extend(openids);
                done()
            }
            ("POST", "tags/members/batchunblacklist") => {
                let openids = openids(&asked);
                if openids.len() > 20 {
                    return Some(errcode(40032, "invalid openid list size"));
                }
                self.blacklist.retain(|openid| !openids.contains(openid));
                done()
            }
            _ => return None,
        })
    }

    /// The tags of a person; two, unless they were changed.
    pub fn tags_of(&self, openid: &str) -> Vec<i64> {
        let tags = self.tagged.get(openid).cloned();
        tags.unwrap_or_else(|| vec![128, 2])
    }

    fn change_tag(&mut self, asked: &Value, adds: bool) -> String {
        let id = asked["tagid"].as_i64().unwrap_or(-1);
        let openids = openids(asked);
        if openids.len() > 50 {
            return errcode(40032, "invalid openid list size");
        }
        if !self.tags.contains_key(&id) {
            return errcode(45159, "invalid tag id");
        }
        if openids.iter().any(|openid| !openid.starts_with('o')) {
            return errcode(49003, "not match openid with appid");
        }
        let (bad, good): (Vec<String>, Vec<String>) = openids
            .into_iter()
            .partition(|openid| self.untaggable.contains(openid));
        for openid in good {
            let tags = self.tagged.entry(openid).or_insert_with(|| vec![128, 2]);
            tags.retain(|tag| *tag != id);
            if adds {
                tags.push(id);
            }
        }
        match bad.is_empty() {
            true => done(),
            false => json!({"errcode": 45171, "errmsg": "some failed", "fail_openid_list": bad})
                .to_string(),
        }
    }
}

fn done() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}

fn openids(asked: &Value) -> Vec<String> {
    let list = asked["openid_list"].as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// The page of people after `next`; empty if `next` is unknown.
fn page(people: &[String], next: &str, size: usize, total: Option<i64>) -> String {
    let from = match next {
        "" => Some(0),
        next => people.iter().position(|one| one == next).map(|at| at + 1),
    };
    let Some(from) = from else {
        return errcode(40003, "invalid openid");
    };
    let page: Vec<&String> = people.iter().skip(from).take(size).collect();
    let total = total.unwrap_or(i64::try_from(people.len()).unwrap());
    match page.last() {
        None => json!({"total": total, "count": 0, "next_openid": ""}).to_string(),
        Some(last) => json!({
            "total": total, "count": page.len(), "data": {"openid": page}, "next_openid": last,
        })
        .to_string(),
    }
}
