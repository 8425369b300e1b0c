//! What a push says that may belong to a log-in: the scene of a code, a typed code, a number, or that somebody left.

use crate::config::{Folding, fold};
use crate::wechat::{Body, Effect, MessageKind, Push};

/// Before the id of a log-in in the scene of its QR code.
const SCENE: &str = "login-";

/// Characters of an id.
const ID: usize = 22;

/// The longest text that is looked at, in bytes: the word in full width, a code, and blanks.
const MOST: usize = 256;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The QR code of the log-in with this id was scanned, perhaps by following.
    Scene(String),
    /// The word and six digits.
    Code(u32),
    /// Two digits and nothing else.
    Number(u8),
    /// This person follows no more, or has taken a consent back.
    Left(String),
}

impl Said {
    /// `None`: nothing that can belong to a log-in. Texts are folded as rules fold them.
    #[must_use]
    pub fn of(push: &Push, word: &str) -> Option<Said> {
        let text = match &push.body {
            Body::Event(_) => return Said::of_event(push),
            Body::Message(message) if message.kind == MessageKind::Text => message.subject(),
            Body::Message(_) => return None,
        };
        if text.len() > MOST {
            return None;
        }
        let text = fold(text, Folding::Text);
        if let Some(number) = digits(&text, 2).filter(|number| *number >= 10) {
            return u8::try_from(number).ok().map(Said::Number);
        }
        let code = text.strip_prefix(fold(word, Folding::Text).as_str())?;
        digits(code.trim_start(), 6).map(Said::Code)
    }

    fn of_event(push: &Push) -> Option<Said> {
        match push.effect() {
            Effect::Leave => Some(Said::Left(push.from_user.clone())),
            Effect::ProfileRevoked { openid } | Effect::AccountClosed { openid } => {
                Some(Said::Left(openid))
            }
            Effect::None
            | Effect::Follow { .. }
            | Effect::ProfileChanged { .. }
            | Effect::JobFinished(_) => Some(Said::Scene(id_of(push.scene()?)?.to_owned())),
        }
    }
}

/// The scene of the QR code of the log-in with this id.
#[must_use]
pub fn scene(id: &str) -> String {
    format!("{SCENE}{id}")
}

fn id_of(scene: &str) -> Option<&str> {
    let id = scene.strip_prefix(SCENE)?;
    (id.len() == ID).then_some(id)
}

/// The number that is written with exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let are_digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn said(elements: &str, word: &str) -> Option<Said> {
        let xml = format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>{elements}</xml>"
        );
        Said::of(&Push::parse(xml.as_bytes()).unwrap(), word)
    }

    #[test]
    fn a_code_is_the_word_and_six_digits_as_rules_read_texts() {
        let code = Some(Said::Code(483_920));
        for (text, found) in [
            ("登录 483920", code.clone()),
            ("登录483920", code.clone()),
            ("\u{200b}登录　４８３９２０ ", code.clone()),
            ("登录   483920", code.clone()),
            ("登录 000042", Some(Said::Code(42))),
            ("483920", None),
            ("登录", None),
            ("登录 48392", None),
            ("登录 4839201", None),
            ("登录 483 920", None),
            ("登录 +48392", None),
            ("登录 ٤٨٣٩٢٠", None),
            ("请登录 483920", None),
            ("47", Some(Said::Number(47))),
            (" ４７ ", Some(Said::Number(47))),
            ("07", None),
            ("4", None),
            ("470", None),
            ("47!", None),
        ] {
            let text = format!("<MsgType>text</MsgType><Content><![CDATA[{text}]]></Content>");
            assert_eq!(said(&text, "登录"), found, "{text}");
        }
        let text = "<MsgType>text</MsgType><Content>LOG IN 483920</Content>";
        assert_eq!(said(text, "Log in"), code);
        let voice = "<MsgType>voice</MsgType><Recognition>登录 483920</Recognition>";
        assert_eq!(said(voice, "登录"), None);
    }

    #[test]
    fn a_scan_and_a_follow_name_the_log_in() {
        let id = "a".repeat(ID);
        let event = |name: &str, key: &str| {
            let event = format!("<MsgType>event</MsgType><Event>{name}</Event>");
            said(&format!("{event}<EventKey>{key}</EventKey>"), "登录")
        };
        let own = scene(&id);
        assert_eq!(event("SCAN", &own), Some(Said::Scene(id.clone())));
        let follow = event("subscribe", &format!("qrscene_{own}"));
        assert_eq!(follow, Some(Said::Scene(id)));
        for (name, key) in [
            ("SCAN", "login-poster"),
            ("SCAN", "poster-7"),
            ("CLICK", own.as_str()),
            ("subscribe", own.as_str()),
        ] {
            assert_eq!(event(name, key), None, "{name} {key}");
        }
    }
}
