//! The pages that people see: each in Chinese and English, with nothing from elsewhere, and without scripts but for the log-in.

mod back;
mod qr;
mod scan;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::headers::{self, Nonce};
pub use crate::language::Language;
use crate::login::gate::Refusal;
use crate::random::NoRandomNumbers;
use crate::server::http::response::Response;
pub use back::{Person, Trouble, confirm, snapshot, start_again};
pub use scan::qr_code;

/// Dark on light and light on dark, readable from 320 pixels on; the fonts are the system's.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;font:16px/1.6 system-ui,-apple-system,\"PingFang SC\",\"Hiragino Sans GB\",\"Microsoft YaHei\",\"Noto Sans CJK SC\",\"Source Han Sans SC\",sans-serif}\
main{max-width:26em;margin:0 auto;padding:2em 1.25em;overflow-wrap:anywhere}\
h1{font-size:1.4em;line-height:1.3;margin:0 0 .8em}\
p{margin:0 0 1em}\
small{opacity:.75}\
[hidden]{display:none!important}\
#code{display:block;font-size:1.5em;line-height:1.5}\
.number{font-size:3em;font-weight:bold;line-height:1.2;margin:0 0 .35em}\
.qr{display:block;box-sizing:border-box;width:100%;max-width:16em;height:auto;margin:0 0 1em;border:1px solid #8886;border-radius:.4em}\
.button{display:block;box-sizing:border-box;width:100%;margin:0 0 1em;padding:.7em 1em;border:0;border-radius:.4em;background:#07803d;color:#fff;font:inherit;text-align:center;text-decoration:none}";

/// What can be done on the log-in page.
#[derive(Debug)]
pub enum Offer<'a> {
    /// To scan or type a code; log-ins begin at `action` with this form. Without scripts there is only WeChat.
    Scan {
        action: &'a str,
        form: &'a str,
        in_wechat: Option<&'a str>,
    },
    /// To open this address in WeChat.
    InWeChat(&'a str),
    /// Nothing: the configuration leaves no way that works here.
    Nothing,
}

/// A page, or an answer without one if the system gives no random numbers.
pub type Page = Result<Response, NoRandomNumbers>;

/// The log-in page of a browser that is not WeChat's, or where WeChat's own way is not offered.
pub fn log_in(language: Language, host: &str, offer: &Offer<'_>) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let (ways, script) = match offer {
        Offer::Scan {
            action,
            form,
            in_wechat: address,
        } => (
            html! {
                (scan::part(language, action, form))
                @if let Some(address) = address { noscript { (in_wechat(language, address)) } }
            },
            Some(scan::SCRIPT),
        ),
        Offer::InWeChat(address) => (in_wechat(language, address), None),
        Offer::Nothing => (
            html! {
                p { (say("目前无法在这里登录。", "It is not possible to log in here at the moment.")) }
            },
            None,
        ),
    };
    let body = html! {
        (ways)
        p { small { (host) } }
    };
    render_with(200, language, say("登录", "Log in"), &body, script)
}

/// Asks to open this address in WeChat.
fn in_wechat(language: Language, address: &str) -> Markup {
    let say = |chinese, english| language.say(chinese, english);
    let label = say("本页地址的二维码", "The address of this page as a QR code");
    html! {
        p { (say("请在微信中打开本页。", "Please open this page in WeChat.")) }
        @if let Some(code) = qr::picture(address, label) {
            (code)
            p { (say(
                "用微信扫描上面的二维码，页面会在手机上的微信中打开。",
                "Scan the code with WeChat: the page opens there, on your phone.",
            )) }
        } @else {
            p { (say(
                "请把地址栏中的地址发送到微信，再在微信中点击它。",
                "Send the address of this page to yourself in WeChat and tap it there.",
            )) }
        }
    }
}

/// Refuses a person whom the gate does not admit, and who cannot change that by another log-in. `follow` is what the
/// account's QR code says, if it is known.
pub fn refused(language: Language, refusal: &Refusal, follow: Option<&str>) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let body = match refusal {
        Refusal::NotFollowing => html! {
            p { (say(
                "本页仅对公众号的关注者开放。请先在微信中关注公众号，再重新打开本页。",
                "This page is for followers of the account. Follow it in WeChat, then open this page again.",
            )) }
            @if let Some(code) = follow.and_then(|text| qr::image(text, say("公众号的二维码", "The account's QR code"))) {
                (code)
                p { (say(
                    "在微信中长按二维码，或用微信扫描，即可关注。",
                    "To follow, press and hold the code in WeChat, or scan it.",
                )) }
            }
        },
        Refusal::WithoutTag(_) | Refusal::NotListed => html! {
            p { (say(
                "您已登录，但没有查看本页的权限。",
                "You are logged in, but this page is not open to you.",
            )) }
        },
    };
    render(403, language, say("无法访问", "No access"), &body)
}

/// Tells that the log-in worked, but that the site sends the person back to it every time.
pub fn unseen(language: Language, cookie: &str, origin: &str, again: &str) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let body = html! {
        p { (say(
            "您已在这里登录，但网站看不到您的登录，一再要求您登录。",
            "You are logged in here, but the site does not see it and asks you to log in every time.",
        )) }
        p { (say(
            "请检查浏览器是否接受 Cookie。网站管理员请检查：",
            "Check that your browser accepts cookies. For the owner of the site:",
        )) }
        p { small {
            (say("名为 ", "the cookie ")) code { (cookie) }
            (say(" 的 Cookie 必须从 ", " must come back from the browser at "))
            code { (origin) }
            (say(
                " 回到本程序：浏览器访问的地址必须与此完全一致，反向代理必须转发 Cookie。",
                ": people must use exactly this address, and the reverse proxy must hand the header Cookie on.",
            ))
        } }
        a .button href=(again) { (say("再试一次", "Try again")) }
    };
    render(
        200,
        language,
        say("网站看不到您的登录", "The site does not see your log-in"),
        &body,
    )
}

/// Asks whether this browser is to be logged out.
pub fn log_out(language: Language, action: &str) -> Page {
    let say = |chinese, english| language.say(chinese, english);
    let body = html! {
        p { (say("您将在此浏览器中退出登录。", "You will be logged out in this browser.")) }
        form method="post" action=(action) {
            button .button type="submit" { (say("退出登录", "Log out")) }
        }
    };
    render(200, language, say("退出登录", "Log out"), &body)
}

fn render(status: u16, language: Language, title: &str, body: &Markup) -> Page {
    render_with(status, language, title, body, None)
}

/// The same with a script that runs when the page is there.
fn render_with(
    status: u16,
    language: Language,
    title: &str,
    body: &Markup,
    script: Option<&str>,
) -> Page {
    let nonce = Nonce::random()?;
    let page = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Without it browsers ask the owner's site for one, as people who are not logged in.
                link rel="icon" href="data:,";
                title { (title) }
                style nonce=(nonce.text()) { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (body)
                }
                @if let Some(script) = script {
                    script nonce=(nonce.text()) { (PreEscaped(script)) }
                }
            }
        }
    };
    Ok(headers::page(status, page.into_string(), &nonce))
}
