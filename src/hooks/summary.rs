//! An event in one Chinese sentence, for people in a group: nothing in it steers a robot, and of an openid it has the
//! last six characters.

use serde_json::Value;

use crate::visible::Visible;

/// The most characters of what a follower wrote.
const MOST_WRITTEN: usize = 60;

/// The most characters of what is wrong.
const MOST_TOLD: usize = 300;

/// The sentence for the body of an event in the standard form.
pub(super) fn summary(event: &Value) -> String {
    let data = &event["data"];
    let text = |key: &str| data[key].as_str().filter(|text| !text.is_empty());
    let who = text("openid").map_or_else(
        || "有人".to_owned(),
        |openid| {
            let (at, _) = openid.char_indices().rev().nth(5).unwrap_or((0, ' '));
            format!("粉丝…{}", &openid[at..])
        },
    );
    let who = plain(&who);
    let written = |key: &str| text(key).map(|text| plain(&shortened(text)));
    match event["type"].as_str().unwrap_or_default() {
        "follow" => match written("scene") {
            Some(scene) => format!("{who} 关注了公众号，来自二维码 {scene}"),
            None => format!("{who} 关注了公众号"),
        },
        "leave" => format!("{who} 取消了关注"),
        "message" => {
            let kind = kind_of_message(text("kind").unwrap_or_default());
            match written("content") {
                Some(content) if kind == "消息" => format!("{who} 发来消息：{content}"),
                Some(content) => format!("{who} 发来{kind}：{content}"),
                None => format!("{who} 发来{kind}"),
            }
        }
        "event" => {
            let kind = written("kind").unwrap_or_default();
            let what = match kind.to_ascii_uppercase().as_str() {
                "CLICK" => "点击了菜单".to_owned(),
                "VIEW" => "打开了菜单链接".to_owned(),
                "SCAN" => "扫描了二维码".to_owned(),
                "LOCATION" => "上报了位置".to_owned(),
                _ => format!("触发了事件 {kind}"),
            };
            match written("key") {
                Some(key) => format!("{who} {what}：{key}"),
                None => format!("{who} {what}"),
            }
        }
        "closed" => format!("请删除{who} 的资料（已注销微信，或资料已在后台删除）"),
        "job" => {
            let kind = match text("kind").unwrap_or_default() {
                "mass" => "群发",
                "publish" => "文章发布",
                _ => "模板消息",
            };
            let id = written("msg_id").unwrap_or_default();
            match (data["sent"].as_i64(), data["failed"].as_i64()) {
                (Some(sent), Some(failed)) => {
                    format!("{kind} {id} 已完成：送达 {sent} 人，失败 {failed} 人")
                }
                _ => format!(
                    "{kind} {id} 已完成：{}",
                    written("status").unwrap_or_default()
                ),
            }
        }
        "trouble" => format!("{}：{}", trouble("故障", data), written_whole(data)),
        "recovered" => format!("{}：{}", trouble("已恢复", data), written_whole(data)),
        "todo" => match data["waiting"].as_i64().unwrap_or_default() {
            1 => "有 1 条待办消息".to_owned(),
            waiting => format!("有新的待办消息，共 {waiting} 条"),
        },
        "test" => "这是 wechatd 的测试通知".to_owned(),
        other => plain(other),
    }
}

/// What has trouble, behind this word.
fn trouble(word: &str, data: &Value) -> String {
    let kind = match data["kind"].as_str().unwrap_or_default() {
        "store" => "存储",
        "disk" => "磁盘空间",
        "token" => "access_token",
        "api" => "微信接口",
        "profiles" => "粉丝资料",
        "sync" => "粉丝同步",
        "silent" => "收不到推送",
        "refused" => "签名错误",
        "config" => "配置",
        "service" => "服务",
        "hook" => "通知",
        other => other,
    };
    match data["name"].as_str() {
        Some(name) => plain(&format!("{word}（{kind} {name}）")),
        None => plain(&format!("{word}（{kind}）")),
    }
}

/// The program's own words, longer than what followers write.
fn written_whole(data: &Value) -> String {
    let text = data["text"].as_str().unwrap_or_default();
    plain(&text.chars().take(MOST_TOLD).collect::<String>())
}

/// What a type of event is called where many are counted.
pub(super) fn type_in_chinese(kind: &str) -> &str {
    match kind {
        "follow" => "关注",
        "leave" => "取消关注",
        "message" => "消息",
        "event" => "事件",
        "closed" => "删除资料",
        "job" => "群发结果",
        "trouble" => "故障",
        "recovered" => "恢复",
        "todo" => "待办",
        other => other,
    }
}

fn kind_of_message(kind: &str) -> &'static str {
    match kind {
        "image" => "图片",
        "voice" => "语音",
        "video" | "shortvideo" => "视频",
        "location" => "位置",
        "link" => "链接",
        "file" => "文件",
        "miniprogrampage" => "小程序卡片",
        _ => "消息",
    }
}

/// On one line, and without signs that call people or make links.
fn plain(text: &str) -> String {
    let text = Visible(text).to_string();
    text.replace('<', "\u{ff1c}")
        .replace('>', "\u{ff1e}")
        .replace('@', "\u{ff20}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_WRITTEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_one_sentence_without_the_whole_openid() {
        let openid = "oSyn1aAQe7rT0uXk3mPzLc9WvBh4";
        for (kind, data, sentence) in [
            (
                "follow",
                json!({ "openid": openid, "scene": "poster-7" }),
                "粉丝…9WvBh4 关注了公众号，来自二维码 poster-7",
            ),
            (
                "leave",
                json!({ "openid": openid }),
                "粉丝…9WvBh4 取消了关注",
            ),
            (
                "message",
                json!({ "openid": openid, "kind": "text", "content": "<at user_id=\"all\">\n@all" }),
                "粉丝…9WvBh4 发来消息：＜at user_id=\"all\"＞ ＠all",
            ),
            (
                "message",
                json!({ "openid": openid, "kind": "image", "content": null }),
                "粉丝…9WvBh4 发来图片",
            ),
            (
                "event",
                json!({ "openid": openid, "kind": "CLICK", "key": "HOURS" }),
                "粉丝…9WvBh4 点击了菜单：HOURS",
            ),
            (
                "closed",
                json!({ "openid": openid }),
                "请删除粉丝…9WvBh4 的资料（已注销微信，或资料已在后台删除）",
            ),
            (
                "job",
                json!({ "kind": "mass", "msg_id": "7", "sent": 95, "failed": 5 }),
                "群发 7 已完成：送达 95 人，失败 5 人",
            ),
            (
                "trouble",
                json!({ "kind": "service", "name": "bot", "text": "circuit open: <HTTP 502>" }),
                "故障（服务 bot）：circuit open: ＜HTTP 502＞",
            ),
            (
                "recovered",
                json!({ "kind": "disk", "name": null, "text": "3 MiB left" }),
                "已恢复（磁盘空间）：3 MiB left",
            ),
            ("todo", json!({ "waiting": 3 }), "有新的待办消息，共 3 条"),
        ] {
            assert_eq!(summary(&json!({ "type": kind, "data": data })), sentence);
        }
        let long = "长".repeat(100);
        let event = json!({ "type": "message", "data": { "content": long } });
        assert_eq!(summary(&event).matches('长').count(), MOST_WRITTEN);
    }
}
