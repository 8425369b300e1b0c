//! The fake platform's menus, QR codes, media and everything that an account sends.

use super::{Call, errcode};
use serde_json::{Value, json};

/// The state behind these calls.
#[derive(Default)]
pub struct Outgoing {
    /// The default menu made through the API.
    menu: Option<Value>,
    /// `menuid`, buttons and match rule of the conditional menus, oldest first.
    conditional: Vec<(u64, Value, Value)>,
    /// The answer of `get_current_selfmenu_info` if no menu was made through the API.
    console: Option<Value>,
    menus_made: u64,
    uploads: usize,
    sent: u64,
    /// `clientmsgid` and msg_id of mass messages.
    mass: Vec<(String, u64)>,
}

impl Outgoing {
    /// Sets a menu made in the console, in the form of `get_current_selfmenu_info`.
    pub fn set_console_menu(&mut self, selfmenu_info: Value) {
        self.console = Some(selfmenu_info);
    }

    /// The current menu made through the API, with its conditional menus.
    pub fn menu(&self) -> Option<(Value, Vec<(Value, Value)>)> {
        let conditional = self.conditional.iter();
        let conditional = conditional.map(|(_, button, rule)| (button.clone(), rule.clone()));
        Some((self.menu.clone()?, conditional.collect()))
    }

    /// The regular answer, if the path is one of these calls.
    pub fn answer(&mut self, call: &Call) -> Option<String> {
        let asked = call.json();
        let path = call.path.strip_prefix("/cgi-bin/")?;
        let answer = match (call.method.as_str(), path) {
            ("GET", "menu/get") => self.menu_get(),
            ("POST", "menu/create") => self.menu_create(asked),
            ("GET", "menu/delete") => {
                self.menu = None;
                self.conditional.clear();
                ok()
            }
            ("POST", "menu/addconditional") => self.menu_addconditional(&asked),
            ("POST", "menu/delconditional") => {
                let before = self.conditional.len();
                self.conditional
                    .retain(|(id, ..)| asked["menuid"] != json!(id.to_string()));
                match self.conditional.len() == before {
                    true => errcode(65301, "menuid not exist"),
                    false => ok(),
                }
            }
            ("POST", "menu/trymatch") => match asked["user_id"].as_str() {
                Some(openid) if openid.starts_with('o') => {
                    let newest = self.conditional.last().map(|(_, button, _)| button);
                    let button = newest.or(self.menu.as_ref()).map(with_empty_sub_buttons);
                    json!({"button": button.unwrap_or_default()}).to_string()
                }
                _ => errcode(65302, "no such user"),
            },
            ("GET", "get_current_selfmenu_info") => {
                let shown = self.menu.clone().map(|button| json!({"button": button}));
                let shown = shown.or(self.console.clone());
                json!({"is_menu_open": u8::from(shown.is_some()), "selfmenu_info": shown})
                    .to_string()
            }
            _ => return self.answer_more(call, path, &asked),
        };
        Some(answer)
    }

    fn answer_more(&mut self, call: &Call, path: &str, asked: &Value) -> Option<String> {
        let answer = match (call.method.as_str(), path) {
            ("POST", "qrcode/create") => {
                let scene = &asked["action_info"]["scene"];
                let scene = scene["scene_str"]
                    .as_str()
                    .map_or_else(|| scene["scene_id"].to_string(), str::to_owned);
                let mut code = json!({"ticket": format!("gQSYN_{}", scene.len()), "url": format!("http://weixin.qq.com/q/SYN_{scene}")});
                if asked["expire_seconds"].is_number() {
                    code["expire_seconds"] = asked["expire_seconds"].clone();
                }
                code.to_string()
            }
            ("POST", "media/upload") => {
                self.uploads += 1;
                let kind = call.query.get("type").cloned().unwrap_or_default();
                let field = if kind == "thumb" {
                    "thumb_media_id"
                } else {
                    "media_id"
                };
                let id = format!("SYN_{kind}_{}", self.uploads);
                json!({"type": kind, field: id, "created_at": super::super::now()}).to_string()
            }
            ("POST", "media/uploadimg") => json!({"url": "http://mmbiz.qpic.cn/SYN/0"}).to_string(),
            ("GET", "media/get") => match call.query.get("media_id").map(String::as_str) {
                Some("SYN_video") => {
                    json!({"video_url": "http://video.example.com/SYN.mp4"}).to_string()
                }
                Some(id) if id.starts_with("SYN") => format!("GIF89a of {id}"),
                _ => errcode(40007, "invalid media_id"),
            },
            ("POST", "message/custom/send") => ok(),
            ("POST", "message/template/send") => {
                self.sent += 1;
                let msgid = 4_250_000_000_000_000_000 + self.sent;
                json!({"errcode": 0, "errmsg": "ok", "msgid": msgid}).to_string()
            }
            ("POST", "message/mass/sendall" | "message/mass/send") => self.mass_send(asked),
            ("POST", "message/mass/preview") => {
                json!({"errcode": 0, "errmsg": "preview success", "msg_id": 34182}).to_string()
            }
            ("POST", "message/mass/get") => {
                json!({"msg_id": 1_000_002_301_u64, "msg_status": "SENDING"}).to_string()
            }
            ("POST", "message/mass/delete") => ok(),
            _ => return None,
        };
        Some(answer)
    }

    fn menu_get(&self) -> String {
        let Some(menu) = &self.menu else {
            return errcode(46003, "menu no exist");
        };
        let mut answer = json!({"menu": {"button": with_empty_sub_buttons(menu)}});
        if !self.conditional.is_empty() {
            answer["menu"]["menuid"] = json!(430_012_345);
            // Newest first, to show that nobody relies on the order.
            let menus = self.conditional.iter().rev().map(|(id, button, rule)| {
                let mut rule = rule.clone();
                if let Some(tag) = rule.as_object_mut().and_then(|rule| rule.remove("tag_id")) {
                    rule["group_id"] = json!(tag.as_str().unwrap().parse::<u64>().unwrap());
                }
                json!({"button": with_empty_sub_buttons(button), "matchrule": rule, "menuid": id})
            });
            answer["conditionalmenu"] = menus.collect();
        }
        answer.to_string()
    }

    fn menu_create(&mut self, asked: Value) -> String {
        match asked["button"].as_array().map(Vec::len) {
            Some(1..=3) => {
                self.menu = Some(asked["button"].clone());
                ok()
            }
            _ => errcode(40016, "invalid button size"),
        }
    }

    fn menu_addconditional(&mut self, asked: &Value) -> String {
        if self.menu.is_none() {
            return errcode(65303, "there is no selfmenu, please create selfmenu first");
        }
        if asked["matchrule"]
            .as_object()
            .is_none_or(|rule| rule.is_empty())
        {
            return errcode(65304, "match rule empty");
        }
        self.menus_made += 1;
        let id = 430_012_345 + self.menus_made;
        let (button, rule) = (asked["button"].clone(), asked["matchrule"].clone());
        self.conditional.push((id, button, rule));
        json!({"menuid": id.to_string()}).to_string()
    }

    fn mass_send(&mut self, asked: &Value) -> String {
        let client_id = asked["clientmsgid"].as_str().unwrap_or_default();
        if let Some((_, old)) = self.mass.iter().find(|(known, _)| known == client_id) {
            return json!({"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": old})
                .to_string();
        }
        self.sent += 1;
        let msg_id = 1_000_002_300 + self.sent;
        self.mass.push((client_id.to_owned(), msg_id));
        json!({"errcode": 0, "errmsg": "send job submission success", "msg_id": msg_id, "msg_data_id": 206_227_730})
            .to_string()
    }
}

/// The platform adds an empty `sub_button` to leaves.
fn with_empty_sub_buttons(buttons: &Value) -> Value {
    let mut buttons = buttons.clone();
    for button in buttons.as_array_mut().into_iter().flatten() {
        match button.get("sub_button") {
            Some(below) => button["sub_button"] = with_empty_sub_buttons(below),
            None => button["sub_button"] = json!([]),
        }
    }
    buttons
}

fn ok() -> String {
    json!({"errcode": 0, "errmsg": "ok"}).to_string()
}
