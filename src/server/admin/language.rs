//! The language of the page: what the switch in the footer chose, else what the browser likes best.

use crate::language::Language;
use crate::server::http::request::Request;
use crate::server::language::of as liked;

/// The cookie of the switch. It says nothing about anybody.
const COOKIE: &str = "wechatd-language";

/// A year, in seconds.
const LIVES: u32 = 365 * 86_400;

/// The language of a request.
pub fn of(request: &Request) -> Language {
    let cookies = request.header("Cookie").unwrap_or_default().split(';');
    let mut chosen = cookies.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.trim() == COOKIE).then(|| named(value.trim()))?
    });
    chosen.next().unwrap_or_else(|| {
        // Programs that say nothing are written in English.
        let accept = request.header("Accept-Language");
        accept.map_or(Language::English, |_| liked(request))
    })
}

/// The value of `Set-Cookie` for the language with this tag; `None`: there is no such language.
pub fn chosen(tag: &str) -> Option<String> {
    let tag = named(tag)?.tag();
    Some(format!(
        "{COOKIE}={tag}; Path=/; Max-Age={LIVES}; HttpOnly; SameSite=Lax"
    ))
}

fn named(tag: &str) -> Option<Language> {
    let mut languages = [Language::Chinese, Language::English].into_iter();
    languages.find(|language| language.tag() == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::request::Method;

    #[test]
    fn the_switch_comes_before_what_the_browser_likes() {
        let (accept, cookie) = ("Accept-Language", "Cookie");
        for (headers, language) in [
            (&[][..], Language::English),
            (&[(accept, "zh-TW,en;q=0.5")], Language::Chinese),
            (&[(accept, "de")], Language::English),
            (
                &[(accept, "zh"), (cookie, "a=b; wechatd-language=en")],
                Language::English,
            ),
            (
                &[(accept, "en"), (cookie, "wechatd-language=zh-CN")],
                Language::Chinese,
            ),
            (
                &[(accept, "en"), (cookie, "wechatd-language=x")],
                Language::English,
            ),
        ] {
            let request = Request::of(Method::Get, "/", headers, "");
            assert_eq!(of(&request), language, "{headers:?}");
        }
    }
}
