//! `rules pull`: the console's automatic replies, written as rules.

use std::collections::HashSet;

use super::super::platform::connect;
use super::super::terminal::{Failure, Json, Output, complain};
use crate::api::Client;
use crate::api::autoreply::{AutoReplies, ConsoleArticle, ConsoleReply, KeywordRule};
use crate::api::material::VideoDescription;
use crate::config::Config;
use crate::wechat::file::{Kind, MediaType};

pub(super) fn pull(config: &Config, text_only: bool, json: Json) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let replies = api.get_current_autoreply_info()?;
    if json.wanted {
        return Output::for_reading().json(&replies);
    }
    let mut out = Output::for_change();
    let present = config.rules.iter().map(|rule| rule.name.clone()).collect();
    let text = written(
        &replies,
        present,
        |media_type, content, title| match text_only {
            true => Err("--text-only leaves it out".to_owned()),
            false => keep(&api, media_type, content, title).map_err(|failure| {
                complain(&format!("warning: {title}: {failure}"));
                failure.to_string()
            }),
        },
    );
    out.line(&text)?;
    out.done()
}

/// Uploads what the console replies with as permanent material, and returns its media_id.
fn keep(
    api: &Client,
    media_type: MediaType,
    content: &str,
    title: &str,
) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    match content.starts_with("http") {
        true => drop(api.video_file(content, &mut bytes)?),
        false => drop(api.media_file(content, &mut bytes)?),
    }
    let kind = Kind::of(&bytes).map_err(|unfit| Failure::Failed(unfit.to_string()))?;
    let video = (media_type == MediaType::Video).then(|| VideoDescription {
        title: title.to_owned(),
        introduction: String::new(),
    });
    let added = api.add_material(media_type, &kind.named("console"), &bytes, video.as_ref())?;
    Ok(added.media_id)
}

/// The text for a configuration that has rules with the names in `present`. `keep` makes a media_id that stays of one that does not, for a reply of a type and
/// with a title; else it says why there is none.
fn written(
    replies: &AutoReplies,
    present: HashSet<String>,
    keep: impl FnMut(MediaType, &str, &str) -> Result<String, String>,
) -> String {
    let others = present.len();
    let mut writer = Writer {
        text:
            "# The automatic replies of the console, as rules. Printed by `wechatd rules pull`.\n"
                .to_owned(),
        names: present,
        keep,
    };
    if others > 0 {
        writer.comment(
            "The first rule that matches answers: remove the earlier ones that these replace.",
        );
    }
    if let Some(welcome) = &replies.add_friend_autoreply_info {
        let is_on = replies.is_add_friend_reply_open == Some(1);
        writer.single("welcome", "event = \"subscribe\"\n", welcome, is_on);
    }
    for rule in &replies.keyword_autoreply_info.list {
        writer.keywords(rule);
    }
    if let Some(default) = &replies.message_default_autoreply_info {
        let is_on = replies.is_autoreply_open == Some(1);
        if is_on {
            writer.comment("The default reply takes every message: put your rules above it. The console sent it to the same follower once in 60 minutes; a rule answers each time.");
        }
        writer.single("default reply", "message = \"any\"\n", default, is_on);
    }
    if writer.names.len() == others {
        writer.comment(
            "There are none, or WeChat no longer shows them because the callback is switched on.",
        );
    }
    writer.text
}

struct Writer<K> {
    text: String,
    /// The names of the configuration's rules, of the rules so far, and of those that are comments.
    names: HashSet<String>,
    keep: K,
}

impl<K: FnMut(MediaType, &str, &str) -> Result<String, String>> Writer<K> {
    /// A rule with one reply. One that is switched off becomes a comment.
    fn single(&mut self, name: &str, conditions: &str, reply: &ConsoleReply, is_on: bool) {
        let name = self.free_name(name);
        if !is_on {
            self.text.push('\n');
            self.comment(&format!(
                "Switched off in the console, {name}: {}",
                shown(reply)
            ));
            return;
        }
        self.rule(&name, conditions, std::slice::from_ref(reply), false);
    }

    /// The rules for keywords: one for each way in which they are compared.
    fn keywords(&mut self, rule: &KeywordRule) {
        let own = rule.rule_name.as_deref().map(str::trim).unwrap_or_default();
        let own = if own.is_empty() { "keywords" } else { own };
        let is_random = rule.reply_mode.as_deref() == Some("random_one");
        let of_mode = |mode: &str| -> Vec<&str> {
            let of_mode = rule
                .keyword_list_info
                .iter()
                .filter(|keyword| keyword.match_mode.as_deref() == Some(mode));
            let words = of_mode.filter_map(|keyword| keyword.content.as_deref());
            words
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect()
        };
        let mut is_any = false;
        for (mode, key) in [("contain", "contains"), ("equal", "equals")] {
            let words = of_mode(mode);
            if words.is_empty() {
                continue;
            }
            is_any = true;
            let name = self.free_name(own);
            let words: Vec<String> = words.into_iter().map(quoted).collect();
            let conditions = format!("message = \"text\"\n{key} = [{}]\n", words.join(", "));
            self.rule(&name, &conditions, &rule.reply_list_info, is_random);
        }
        for keyword in &rule.keyword_list_info {
            let mode = keyword.match_mode.as_deref().unwrap_or("no mode");
            if !["contain", "equal"].contains(&mode) {
                let content = keyword.content.as_deref().unwrap_or_default();
                self.comment(&format!(
                    "Not taken over from {own}: the keyword {content:?}, which is compared by {mode:?}"
                ));
            }
        }
        if !is_any {
            let name = self.free_name(own);
            self.comment(&format!(
                "Not taken over: {name} has no keyword that is known"
            ));
        }
    }

    /// A rule that answers with the first reply that can be one; the others become comments.
    fn rule(&mut self, name: &str, conditions: &str, replies: &[ConsoleReply], is_random: bool) {
        let mut action = None;
        let mut rest = Vec::new();
        for reply in replies {
            let made = match &action {
                Some(_) if is_random => Err("the console chose one of several".to_owned()),
                Some(_) => Err("a rule answers with one".to_owned()),
                None => self.action(name, reply),
            };
            match made {
                Ok(made) => action = Some(made),
                Err(why) => rest.push(format!("Not taken over ({why}): {}", shown(reply))),
            }
            if let (Some(_), Some(more)) = (&action, articles_beyond_the_first(reply)) {
                rest.push(format!("Not taken over (one article is shown): {more}"));
            }
        }
        self.text.push('\n');
        match action {
            Some(action) => {
                let name = quoted(name);
                self.text
                    .push_str(&format!("[[rule]]\nname = {name}\n{conditions}{action}\n"));
            }
            None => self.comment(&format!("{name}: no reply that can be taken over")),
        }
        rest.iter().for_each(|line| self.comment(line));
    }

    /// The line that answers; else why there is none.
    fn action(&mut self, name: &str, reply: &ConsoleReply) -> Result<String, String> {
        let content = reply.content.as_deref().map(str::trim).unwrap_or_default();
        let mut media = |media_type| match content {
            "" => Err("it is empty".to_owned()),
            content => (self.keep)(media_type, content, name).map(|media_id| quoted(&media_id)),
        };
        match reply.kind.as_deref().unwrap_or_default() {
            "text" if content.is_empty() => Err("it is empty".to_owned()),
            "text" => Ok(format!("text = {}", quoted(&literal(content)))),
            "img" => Ok(format!("image = {}", media(MediaType::Image)?)),
            "voice" => Ok(format!("voice = {}", media(MediaType::Voice)?)),
            "video" => Ok(format!(
                "video = {{ media_id = {} }}",
                media(MediaType::Video)?
            )),
            "news" => {
                let first = reply.news_info.list.first();
                let first = first.ok_or("WeChat does not say which articles they are")?;
                Ok(news(first))
            }
            other => Err(format!("not known: {other}")),
        }
    }

    fn comment(&mut self, text: &str) {
        // A line break would end the comment.
        let text = text.replace(['\n', '\r'], " ");
        self.text.push_str(&format!("# {text}\n"));
    }

    /// `name`, or with a number where that is the name of an earlier rule.
    fn free_name(&mut self, name: &str) -> String {
        let numbered = (2..).map(|n| format!("{name} {n}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        let free = free.unwrap_or_else(|| name.to_owned());
        self.names.insert(free.clone());
        free
    }
}

fn news(article: &ConsoleArticle) -> String {
    let field = |value: &Option<String>| quoted(&literal(value.as_deref().unwrap_or_default()));
    format!(
        "news = [{{ title = {}, description = {}, pic_url = {}, url = {} }}]",
        field(&article.title),
        field(&article.digest),
        field(&article.cover_url),
        field(&article.content_url)
    )
}

fn articles_beyond_the_first(reply: &ConsoleReply) -> Option<String> {
    let titles = reply.news_info.list.iter().skip(1);
    let titles: Vec<&str> = titles
        .filter_map(|article| article.title.as_deref())
        .collect();
    (!titles.is_empty()).then(|| titles.join(", "))
}

/// A reply in one line.
fn shown(reply: &ConsoleReply) -> String {
    let kind = reply.kind.as_deref().unwrap_or("a reply without a type");
    let title = reply.news_info.list.first();
    let title = title.and_then(|article| article.title.as_deref());
    match title.or(reply.content.as_deref()) {
        Some(content) => format!("{kind} {content:?}"),
        None => kind.to_owned(),
    }
}

/// In a rule `{` begins a placeholder, and `{{` is a brace.
fn literal(text: &str) -> String {
    text.replace('{', "{{")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
