//! The part of the log-in page by which a person logs in with the phone: the code, then the number.

use maud::{Markup, html};

use super::{Language, qr};

/// Polls, and shows the part of the page that fits.
pub const SCRIPT: &str = include_str!("scan.js");

/// The QR code of a log-in as SVG; `None` if it cannot be drawn.
pub fn qr_code(text: &str) -> Option<Markup> {
    qr::picture(text, "QR")
}

/// `action` is where log-ins begin, `form` what is sent there.
pub fn part(language: Language, action: &str, form: &str) -> Markup {
    let say = |chinese, english| language.say(chinese, english);
    html! {
        noscript { p { (say("用手机登录需要启用 JavaScript。", "To log in with your phone, allow JavaScript.")) } }
        div #scan hidden data-url=(action) data-form=(form) {
            p data-in="begin" { (say("请稍候…", "One moment …")) }
            div data-in="waiting" hidden {
                p { (say("请用微信扫描二维码：", "Scan this code with WeChat:")) }
                div #qr {}
            }
            p data-in="waiting typed" hidden {
                span data-in="waiting" { (say("或者在公众号中发送：", "Or send this to the account:")) }
                span data-in="typed" { (say("请在微信中向公众号发送：", "In WeChat, send this to the account:")) }
                " " strong #code {}
            }
            div data-in="scanned" hidden aria-live="polite" {
                p { (say(
                    "请在手机上的聊天中点击或发送这个数字：",
                    "In the chat on your phone, tap or send this number:",
                )) }
                p .number #number {}
            }
            p data-in="approved" hidden { (say("正在登录…", "Logging in …")) }
            p data-in="denied" hidden { (say(
                "登录已在手机上被拒绝。",
                "The log-in was denied on the phone.",
            )) }
            p data-in="expired" hidden { (say("登录码已过期。", "The code has expired.")) }
            p data-in="failed" hidden { (say("暂时无法登录。", "It is not possible to log in at the moment.")) }
            div data-in="denied expired failed" hidden {
                button .button type="button" { (say("重新开始", "Begin again")) }
            }
        }
    }
}
