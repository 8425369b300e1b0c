//! The fake platform's templates, notifications, speed of mass messages and short keys.

use super::platform::{Call, errcode};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The state behind these calls.
pub struct Forms {
    /// Templates of template messages.
    pub templates: Vec<Value>,
    /// Templates of notifications.
    pub notifications: Vec<Value>,
    /// Numbers of the account's categories, of which the library has templates.
    pub categories: Vec<u32>,
    /// Templates of the library.
    pub library: Vec<Value>,
    /// Numbers of the primary and secondary industry.
    pub industries: (String, String),
    /// Openids of people who agreed to a notification, one entry per notification.
    pub agreed: Vec<String>,
    /// The speed level of mass messages.
    pub speed: i64,
    /// Texts by their short keys.
    pub keys: HashMap<String, String>,
    made: u32,
}

impl Default for Forms {
    fn default() -> Self {
        let listed = |name: &str, list: &str| {
            let sample: Value = serde_json::from_str(&super::sample(name)).unwrap();
            sample["response"][list].as_array().unwrap().clone()
        };
        Self {
            templates: listed(
                "api/template_get_all_private_template.json",
                "template_list",
            ),
            notifications: listed("api/newtmpl_gettemplate.json", "data"),
            categories: vec![616, 612],
            library: listed("api/newtmpl_getpubtemplatetitles.json", "data"),
            industries: ("1".into(), "4".into()),
            agreed: Vec::new(),
            speed: 3,
            keys: HashMap::new(),
            made: 0,
        }
    }
}

impl Forms {
    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let asked = call.json();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        Some(match (call.method.as_str(), call.path.as_str()) {
            ("POST", "/cgi-bin/message/custom/typing") => match text("command").as_str() {
                "Typing" | "CancelTyping" => ok(),
                _ => errcode(45072, "invalid command"),
            },
            ("GET", "/cgi-bin/template/get_all_private_template") => {
                json!({ "template_list": self.templates }).to_string()
            }
            ("POST", "/cgi-bin/template/api_add_template") => {
                let id = self.made("SYNtpl");
                let title = text("template_id_short");
                self.templates
                    .push(json!({"template_id": id, "title": title, "content": "{{thing1.DATA}}"}));
                json!({"errcode": 0, "errmsg": "ok", "template_id": id}).to_string()
            }
            ("POST", "/cgi-bin/template/del_private_template") => {
                let id = text("template_id");
                removed(&mut self.templates, "template_id", &id)
            }
            ("GET", "/cgi-bin/template/get_industry") => {
                let named = |number: &String| {
                    let class = match number.as_str() {
                        "1" => "互联网|电子商务",
                        "4" => "电子技术",
                        other => other,
                    };
                    json!({"first_class": "IT科技", "second_class": class})
                };
                let (main, second) = &self.industries;
                json!({"primary_industry": named(main), "secondary_industry": named(second)})
                    .to_string()
            }
            ("POST", "/cgi-bin/template/api_set_industry") => {
                self.industries = (text("industry_id1"), text("industry_id2"));
                ok()
            }
            ("POST", "/cgi-bin/message/template/subscribe") => ok(),
            ("GET", "/wxaapi/newtmpl/gettemplate") => {
                json!({"errcode": 0, "errmsg": "ok", "data": self.notifications}).to_string()
            }
            ("GET", "/wxaapi/newtmpl/getcategory") => {
                let category = |id: &u32| json!({"id": id, "name": format!("类目{id}")});
                let data: Vec<Value> = self.categories.iter().map(category).collect();
                json!({"errcode": 0, "errmsg": "ok", "data": data}).to_string()
            }
            ("GET", "/wxaapi/newtmpl/getpubtemplatetitles") => self.titles(call),
            ("GET", "/wxaapi/newtmpl/getpubtemplatekeywords") => {
                let tid = call.query.get("tid").and_then(|tid| tid.parse().ok());
                match self.library.iter().any(|one| one["tid"].as_u64() == tid) {
                    false => errcode(200_014, "模版 tid 参数错误"),
                    true => {
                        let sample = super::sample("api/newtmpl_getpubtemplatekeywords.json");
                        let sample: Value = serde_json::from_str(&sample).unwrap();
                        sample["response"].to_string()
                    }
                }
            }
            ("POST", "/wxaapi/newtmpl/addtemplate") => {
                let id = self.made("SYNpri");
                let added = json!({"priTmplId": id, "title": text("sceneDesc"), "content": "{{thing1.DATA}}", "example": "", "type": 3});
                self.notifications.push(added);
                json!({"errcode": 0, "errmsg": "ok", "priTmplId": id}).to_string()
            }
            ("POST", "/wxaapi/newtmpl/deltemplate") => {
                let id = text("priTmplId");
                removed(&mut self.notifications, "priTmplId", &id)
            }
            ("POST", "/cgi-bin/message/subscribe/bizsend") => {
                let openid = text("touser");
                match self.agreed.iter().position(|agreed| *agreed == openid) {
                    None => errcode(43101, "user refuse to accept the msg"),
                    Some(at) => {
                        self.agreed.remove(at);
                        ok()
                    }
                }
            }
            ("POST", "/cgi-bin/message/mass/speed/get") => {
                json!({"speed": self.speed, "realspeed": 15}).to_string()
            }
            ("POST", "/cgi-bin/message/mass/speed/set") => match asked["speed"].as_i64() {
                Some(level @ 0..=4) => {
                    self.speed = level;
                    ok()
                }
                Some(_) => errcode(45083, "the speed out of range"),
                None => errcode(45084, "No speed message"),
            },
            ("POST", "/cgi-bin/shorten/gen") => {
                let key = self.made("aB3dE5fG7hJ9k");
                self.keys.insert(key.clone(), text("long_data"));
                json!({"errcode": 0, "errmsg": "ok", "short_key": key}).to_string()
            }
            ("POST", "/cgi-bin/shorten/fetch") => match self.keys.get(&text("short_key")) {
                None => errcode(9_410_012, "short_key not exist"),
                Some(long) => json!({
                    "errcode": 0, "errmsg": "ok", "long_data": long, "create_time": 1_767_234_000,
                    "expire_seconds": 86300,
                })
                .to_string(),
            },
            _ => return None,
        })
    }

    fn titles(&self, call: &Call) -> String {
        let parameter = |name: &str| call.query.get(name).map_or("", String::as_str);
        let ids: Vec<&str> = parameter("ids").split(',').collect();
        let known = |id: &&str| self.categories.iter().any(|one| one.to_string() == **id);
        if !ids.iter().all(known) {
            return errcode(200_019, "类目 ids 不合法");
        }
        let limit: usize = parameter("limit").parse().unwrap();
        if limit > 30 {
            return errcode(200_017, "limit 参数错误");
        }
        let of_them = |one: &&Value| ids.contains(&one["categoryId"].as_str().unwrap());
        let all: Vec<&Value> = self.library.iter().filter(of_them).collect();
        let start = parameter("start").parse().unwrap();
        let page: Vec<&&Value> = all.iter().skip(start).take(limit).collect();
        json!({"errcode": 0, "errmsg": "ok", "count": all.len(), "data": page}).to_string()
    }

    /// A new identifier.
    fn made(&mut self, start: &str) -> String {
        self.made += 1;
        format!("{start}{:02}", self.made)
    }
}

fn removed(list: &mut Vec<Value>, field: &str, id: &str) -> String {
    let before = list.len();
    list.retain(|item| item[field] != id);
    match list.len() == before {
        true => errcode(40037, "invalid template_id"),
        false => ok(),
    }
}

fn ok() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}
