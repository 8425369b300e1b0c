//! The pages of the way back from WeChat's own log-in.

use maud::html;

use super::{Language, Page, render};
use crate::visible::Visible;

/// Who would be logged in.
#[derive(Debug)]
pub struct Person<'a> {
    /// The nickname, if the platform tells it.
    pub name: Option<&'a str>,
    /// The day since when the person follows; `None`: does not.
    pub since: Option<&'a str>,
}

/// Asks whether this browser is to be logged in as this person; the button sends these hidden fields.
pub fn confirm(
    language: Language,
    person: &Person<'_>,
    action: &str,
    fields: &[(&str, &str)],
) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let name = person.name.map(|name| Visible(name).to_string());
    let name = name
        .as_deref()
        .unwrap_or_else(|| say("微信用户", "a WeChat user"));
    let body = html! {
        p {
            (say("即将登录为：", "You are about to log in as:")) " " strong { bdi { (name) } }
            br;
            small {
                @match person.since {
                    Some(since) => { (say("关注时间：", "follower since ")) (since) }
                    None => { (say("未关注公众号", "does not follow the account")) }
                }
            }
        }
        p { (say(
            "如果这不是您本人，或者您没有要求登录，请关闭本页。",
            "If this is not you, or you did not ask to log in, close this page.",
        )) }
        form method="post" action=(action) {
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
            button .button type="submit" { (say("登录", "Log in")) }
        }
    };
    render(
        200,
        language,
        say("确认登录", "Log in as this user?"),
        &body,
    )
}

/// Tells a person who sees a snapshot how to open the page itself.
pub fn snapshot(language: Language) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let body = html! {
        p { (say(
            "您看到的是页面的快照，在快照中无法登录。",
            "WeChat shows a snapshot of this page, in which nobody can log in.",
        )) }
        p { (say(
            "请点击屏幕下方的“使用完整服务”，然后继续。",
            "Tap “使用完整服务” (use the full service) in the bar below to go on.",
        )) }
    };
    render(
        200,
        language,
        say("请使用完整服务", "Use the full service"),
        &body,
    )
}

/// Why a log-in was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It took too long, was done already, or did not begin here.
    NotInTime,
    /// The platform or the store did not do its part.
    NoAnswer,
}

/// Offers to begin the log-in again, which leads to this address.
pub fn start_again(language: Language, status: u16, trouble: Trouble, again: &str) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let why = match trouble {
        Trouble::NotInTime => say(
            "登录没有完成，可能是页面停留过久，或者被打开了两次。",
            "The log-in was not completed. Perhaps the page was open for too long, or was opened twice.",
        ),
        Trouble::NoAnswer => say(
            "登录服务暂时没有响应，请稍后再试。",
            "The log-in service does not answer at the moment. Please try again in a while.",
        ),
    };
    let body = html! {
        p { (why) }
        a .button href=(again) { (say("重新登录", "Log in again")) }
    };
    let title = say("登录没有完成", "Not logged in");
    render(status, language, title, &body)
}
