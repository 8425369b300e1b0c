//! The language of a page: Chinese or English.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 简体中文.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The better liked one in a header `Accept-Language`. Chinese where it says nothing, English where it names others
    /// only.
    #[must_use]
    pub fn of(accept: Option<&str>) -> Language {
        let accept = accept.unwrap_or_default();
        let mut best: Option<(u16, Language)> = None;
        let mut others = false;
        for item in accept.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let liking = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1_000, thousandths);
            let primary = tag.split('-').next().unwrap_or_default();
            let language = if primary.eq_ignore_ascii_case("zh") {
                Language::Chinese
            } else if primary.eq_ignore_ascii_case("en") {
                Language::English
            } else {
                others |= !matches!(primary, "" | "*");
                continue;
            };
            if liking > 0 && best.is_none_or(|(most, _)| liking > most) {
                best = Some((liking, language));
            }
        }
        match best {
            Some((_, language)) => language,
            None if others => Language::English,
            None => Language::Chinese,
        }
    }

    /// The text in this language.
    #[must_use]
    pub fn say(self, chinese: &'static str, english: &'static str) -> &'static str {
        match self {
            Language::Chinese => chinese,
            Language::English => english,
        }
    }

    /// As it stands in the attribute `lang`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.say("zh-CN", "en")
    }
}

/// A weight from 0 to 1 with up to three decimals (RFC 9110, section 12.4.2), times a thousand; 0 for any other text.
fn thousandths(text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 {
        return 0;
    }
    let number: Result<u16, _> = format!("{whole}{decimals:0<3}").parse();
    number.unwrap_or(0).min(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_liked_language_is_taken() {
        use Language::{Chinese, English};
        for (accept, language) in [
            (None, Chinese),
            (Some(""), Chinese),
            (Some("*"), Chinese),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), Chinese),
            (Some("en-US,en;q=0.9,zh-CN;q=0.8"), English),
            (Some("en;q=0.5, zh-Hant;q=0.75"), Chinese),
            (Some("EN"), English),
            (Some("de, fr;q=0.5"), English),
            (Some("de, zh;q=0.1"), Chinese),
            (Some("zh;q=0, de"), English),
            (Some("zh;q=x, en;q=0.001"), English),
            (Some("zhx"), English),
        ] {
            assert_eq!(Language::of(accept), language, "{accept:?}");
        }
    }
}
