//! The fake platform's permanent material, pictures of QR codes, and people who open web pages.

use super::super::account::{APP_ID, APP_SECRET};
use super::super::now;
use super::{Call, errcode};
use serde_json::{Value, json};

/// One piece of the permanent material.
#[derive(Clone, Debug)]
pub struct Piece {
    /// `image`, `voice`, `video`, `thumb` or `news`.
    pub kind: String,
    /// Its name in messages.
    pub media_id: String,
    /// A file's name, or an article's title.
    pub name: String,
}

/// The state behind these calls.
#[derive(Default)]
pub struct Content {
    /// Oldest first.
    pub material: Vec<Piece>,
    added: usize,
    /// Codes of web pages that were already exchanged.
    used: Vec<String>,
}

impl Content {
    /// The regular answer, if the path is one of these calls. Web pages use their own tokens, or none.
    pub fn answer(&mut self, call: &Call, authorised: bool) -> Option<String> {
        let parameter = |name: &str| call.query.get(name).map_or("", String::as_str);
        let answer = match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/cgi-bin/showqrcode") => format!("GIF89a of {}", parameter("ticket")),
            ("GET", "/sns/oauth2/access_token") => self.exchange(call),
            ("GET", "/sns/oauth2/refresh_token") => match parameter("refresh_token") {
                "SYN_REFRESH_amy" if parameter("appid") == APP_ID => person("SYN_USER_TOKEN_2"),
                _ => errcode(40030, "invalid refresh_token"),
            },
            ("GET", "/sns/userinfo") => match parameter("access_token") {
                "SYN_USER_TOKEN_1" | "SYN_USER_TOKEN_2" => json!({
                    "openid": parameter("openid"), "nickname": "Amy 😀", "sex": 0, "province": "",
                    "city": "", "country": "", "headimgurl": "https://thirdwx.qlogo.cn/SYN/132", "privilege": [],
                })
                .to_string(),
                _ => errcode(42001, "access_token expired"),
            },
            ("GET", "/sns/auth") => match parameter("access_token") {
                "SYN_USER_TOKEN_1" => json!({"errcode": 0, "errmsg": "ok"}).to_string(),
                _ => errcode(40003, "invalid openid"),
            },
            _ if authorised => return self.answer_account(call, &call.json()),
            _ => return None,
        };
        Some(answer)
    }

    fn exchange(&mut self, call: &Call) -> String {
        let parameter = |name: &str| call.query.get(name).map_or("", String::as_str);
        let code = parameter("code").to_owned();
        if (parameter("appid"), parameter("secret")) != (APP_ID, APP_SECRET) {
            return errcode(40125, "invalid appsecret");
        }
        if self.used.contains(&code) {
            return errcode(40163, "code been used");
        }
        let opened = match code.strip_prefix("SYNCODE") {
            // `SYNCODE7 OPENID` is a code of this person, `SYNCODE7 OPENID snapshot` one of a snapshot.
            Some(of) => match of.split(' ').collect::<Vec<_>>()[..] {
                [_, openid] => json!({"access_token": "SYN_USER_TOKEN_1", "openid": openid}).to_string(),
                [_, openid, "snapshot"] => {
                    json!({"access_token": "SYN_USER_TOKEN_1", "openid": openid, "is_snapshotuser": 1}).to_string()
                }
                _ => person("SYN_USER_TOKEN_1"),
            },
            None => return errcode(40029, "invalid code"),
        };
        self.used.push(code);
        opened
    }

    fn answer_account(&mut self, call: &Call, asked: &Value) -> Option<String> {
        let media_id = asked["media_id"].as_str().unwrap_or_default();
        let answer = match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/cgi-bin/media/get/jssdk") => match call.query.get("media_id") {
                Some(id) if id.starts_with("SYN") => format!("speex of {id}"),
                _ => errcode(40007, "invalid media_id"),
            },
            ("POST", "/cgi-bin/material/add_material") => self.add(call),
            ("GET", "/cgi-bin/material/get_materialcount") => {
                let count = |kind: &str| self.of(kind).len();
                json!({"voice_count": count("voice"), "video_count": count("video"),
                    "image_count": count("image"), "news_count": count("news")})
                .to_string()
            }
            ("POST", "/cgi-bin/material/batchget_material") => self.page(asked),
            ("POST", "/cgi-bin/material/get_material") => {
                let piece = self.material.iter().find(|one| one.media_id == media_id);
                match piece.map(|piece| (piece.kind.as_str(), &piece.name)) {
                    None => errcode(40007, "invalid media_id"),
                    Some(("video", name)) => {
                        json!({"title": name, "description": "", "down_url": "http://video.example.com/SYN.mp4"})
                            .to_string()
                    }
                    Some(("news", name)) => json!({"news_item": [article(name)]}).to_string(),
                    Some((_, name)) => format!("GIF89a of {name}"),
                }
            }
            ("POST", "/cgi-bin/material/del_material") => {
                self.material.retain(|one| one.media_id != media_id);
                json!({"errcode": 0, "errmsg": "ok"}).to_string()
            }
            _ => return None,
        };
        Some(answer)
    }

    fn add(&mut self, call: &Call) -> String {
        let kind = call.query.get("type").cloned().unwrap_or_default();
        if kind == "video" && !call.body.contains("name=\"description\"") {
            return errcode(41005, "media data missing");
        }
        let name = call.body.split("filename=\"").nth(1).unwrap_or_default();
        let name = name.split('"').next().unwrap_or_default().to_owned();
        self.added += 1;
        let media_id = format!("SYN_permanent_{kind}_{}", self.added);
        let mut answer = json!({"media_id": media_id});
        if kind == "image" {
            answer["url"] = json!("http://mmbiz.qpic.cn/SYN/0");
        }
        self.material.push(Piece {
            kind,
            media_id,
            name,
        });
        answer.to_string()
    }

    fn of(&self, kind: &str) -> Vec<&Piece> {
        let newest_first = self.material.iter().rev();
        newest_first.filter(|piece| piece.kind == kind).collect()
    }

    fn page(&self, asked: &Value) -> String {
        let number = |name: &str| usize::try_from(asked[name].as_u64().unwrap()).unwrap();
        let pieces = self.of(asked["type"].as_str().unwrap());
        let items: Vec<Value> = pieces
            .iter()
            .skip(number("offset"))
            .take(number("count").min(20))
            .map(|piece| match piece.kind.as_str() {
                "news" => json!({"media_id": piece.media_id, "update_time": now(),
                    "content": {"news_item": [article(&piece.name)]}}),
                _ => json!({"media_id": piece.media_id, "name": piece.name, "update_time": now(),
                    "url": "http://mmbiz.qpic.cn/SYN/0"}),
            })
            .collect();
        json!({"total_count": pieces.len(), "item_count": items.len(), "item": items}).to_string()
    }
}

fn article(title: &str) -> Value {
    json!({"title": title, "thumb_media_id": "SYN_cover", "show_cover_pic": 1, "author": "Amy", "digest": "Come in",
        "content": "<p>On Saturday</p>", "url": "http://mp.weixin.qq.com/s?__biz=SYN", "content_source_url": ""})
}

fn person(access_token: &str) -> String {
    json!({"access_token": access_token, "expires_in": 7200, "refresh_token": "SYN_REFRESH_amy",
        "openid": "oSyn1aAQe7rT0uXk3mPzLc9WvBh4", "scope": "snsapi_userinfo"})
    .to_string()
}
