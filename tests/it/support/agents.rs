//! The fake platform's customer-service agents: their accounts, sessions and records.

use super::platform::{Call, errcode};
use serde_json::{Value, json};

/// The state of the agents.
pub struct Agents {
    /// As in `getkflist`.
    pub list: Vec<Value>,
    /// Account names of agents who are online.
    pub online: Vec<&'static str>,
    /// Sessions: openid and account name.
    pub sessions: Vec<(String, String)>,
    /// Openids of people who wait.
    pub waiting: Vec<String>,
    /// Messages, oldest first; the msgid is the position, from 1.
    pub records: Vec<Value>,
    /// Whether a time span includes its last second, which the platform does not document.
    pub ends_are_within: bool,
}

impl Default for Agents {
    fn default() -> Self {
        let amy = json!({
            "kf_account": "amy@shop", "kf_headimgurl": "http://mmbiz.qpic.cn/x", "kf_id": "1001",
            "kf_nick": "Amy", "kf_wx": "amy_wx",
        });
        let bob = json!({
            "kf_account": "bob@shop", "kf_id": 1002, "kf_nick": "Bob", "invite_wx": "bob_wx",
            "invite_expire_time": 1_767_000_000, "invite_status": "waiting",
        });
        Self {
            list: vec![amy, bob],
            online: vec!["amy@shop"],
            sessions: Vec::new(),
            waiting: Vec::new(),
            records: Vec::new(),
            ends_are_within: true,
        }
    }
}

/// Start of every session.
const BEGAN: i64 = 1_767_234_100;

impl Agents {
    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let asked = call.json();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let parameter = |name: &str| call.query.get(name).cloned().unwrap_or_default();
        let (account, openid) = (text("kf_account"), text("openid"));
        Some(match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/cgi-bin/customservice/getkflist") => {
                json!({ "kf_list": self.list }).to_string()
            }
            ("GET", "/cgi-bin/customservice/getonlinekflist") => {
                let online = self.online.iter().map(
                    |account| json!({"kf_account": account, "status": 1, "kf_id": 1001, "accepted_case": 2}),
                );
                json!({"kf_online_list": online.collect::<Vec<_>>()}).to_string()
            }
            ("POST", "/customservice/kfaccount/add") if self.find(&account).is_some() => {
                errcode(65406, "custom service account exists")
            }
            ("POST", "/customservice/kfaccount/add") => {
                let id = 1001 + self.list.len();
                let agent =
                    json!({"kf_account": account, "kf_id": id, "kf_nick": text("nickname")});
                self.list.push(agent);
                ok()
            }
            (
                "POST",
                "/customservice/kfaccount/update" | "/customservice/kfaccount/inviteworker",
            ) => {
                let Some(agent) = self.find(&account) else {
                    return Some(errcode(65401, "invalid custom service account"));
                };
                if call.path.ends_with("update") {
                    agent["kf_nick"] = text("nickname").into();
                } else if agent["kf_wx"].is_string() {
                    let told = "the custom service account have been bound by a wechat user";
                    return Some(errcode(65412, told));
                } else {
                    agent["invite_wx"] = text("invite_wx").into();
                    agent["invite_status"] = "waiting".into();
                }
                ok()
            }
            ("GET", "/customservice/kfaccount/del") => {
                let before = self.list.len();
                self.list
                    .retain(|agent| agent["kf_account"] != parameter("kf_account").as_str());
                match self.list.len() == before {
                    true => errcode(65401, "invalid custom service account"),
                    false => ok(),
                }
            }
            ("POST", "/customservice/kfsession/create") => {
                if !self.online.contains(&account.as_str()) {
                    return Some(errcode(65415, "the worker is not online"));
                }
                if self
                    .sessions
                    .iter()
                    .any(|(with, by)| *with == openid && *by != account)
                {
                    return Some(errcode(65414, "another worker is serving the customer"));
                }
                self.waiting.retain(|waiting| *waiting != openid);
                self.sessions.push((openid, account));
                ok()
            }
            ("POST", "/customservice/kfsession/close") => {
                let before = self.sessions.len();
                self.sessions
                    .retain(|session| *session != (openid.clone(), account.clone()));
                match self.sessions.len() == before {
                    true => errcode(65413, "the session is not exist"),
                    false => ok(),
                }
            }
            ("GET", "/customservice/kfsession/getsession") => {
                let openid = parameter("openid");
                let found = self.sessions.iter().find(|(with, _)| *with == openid);
                match found {
                    Some((_, account)) => json!({"createtime": BEGAN, "kf_account": account}),
                    None => json!({"createtime": 0, "kf_account": ""}),
                }
                .to_string()
            }
            ("GET", "/customservice/kfsession/getsessionlist") => {
                let account = parameter("kf_account");
                let of_agent = self.sessions.iter().filter(|(_, by)| *by == account);
                let list =
                    of_agent.map(|(openid, _)| json!({"createtime": BEGAN, "openid": openid}));
                json!({"sessionlist": list.collect::<Vec<_>>()}).to_string()
            }
            ("GET", "/customservice/kfsession/getwaitcase") => {
                let told = self.waiting.iter().take(100);
                let told = told.map(|openid| json!({"latest_time": BEGAN, "openid": openid}));
                json!({"count": self.waiting.len(), "waitcaselist": told.collect::<Vec<_>>()})
                    .to_string()
            }
            ("POST", "/customservice/msgrecord/getmsglist") => self.records(&asked),
            _ => return None,
        })
    }

    fn find(&mut self, account: &str) -> Option<&mut Value> {
        let mut agents = self.list.iter_mut();
        agents.find(|agent| agent["kf_account"] == account)
    }

    fn records(&self, asked: &Value) -> String {
        let number = |name: &str| asked[name].as_i64().unwrap_or_default();
        let (from, to) = (number("starttime"), number("endtime"));
        if to <= from || to - from > 24 * 3600 {
            return errcode(65417, "time scope error");
        }
        let within = |at: i64| from <= at && (at < to || self.ends_are_within && at == to);
        let first = usize::try_from(number("msgid")).unwrap_or(1).max(1);
        let lines = self.records.iter().enumerate().skip(first - 1);
        let lines = lines.filter(|(_, line)| within(line["time"].as_i64().unwrap_or_default()));
        let page: Vec<(usize, &Value)> = lines
            .take(usize::try_from(number("number")).unwrap_or_default())
            .collect();
        let next = page.last().map_or(first, |(place, _)| place + 2);
        let list: Vec<&Value> = page.iter().map(|(_, line)| *line).collect();
        json!({"recordlist": list, "number": list.len(), "msgid": next}).to_string()
    }
}

fn ok() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}
