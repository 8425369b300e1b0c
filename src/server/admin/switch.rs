//! The switch of the language, in the footer of every page.

use super::Answer;
use super::asked::Asked;
use super::language;

/// `POST /language`: goes back to the page that it was on.
pub fn choose(asked: &Asked<'_>) -> Answer {
    let back = asked.field("back");
    let response = asked.go_to(match is_path(&back) {
        true => &back,
        false => "/",
    });
    Ok(match language::chosen(&asked.field("language")) {
        Some(cookie) => response.with("Set-Cookie", cookie),
        None => response,
    })
}

/// A path of ours, which browsers do not take for the name of another host.
pub fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text[1..].starts_with(['/', '\\'])
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_no_other_host() {
        for (back, is_ours) in [
            ("/", true),
            ("/followers?q=%E5%A5%BD", true),
            ("//evil.test", false),
            ("/\\evil.test", false),
            ("https://evil.test", false),
            ("", false),
            ("/a\r\nSet-Cookie: x", false),
        ] {
            assert_eq!(is_path(back), is_ours, "{back}");
        }
    }
}
