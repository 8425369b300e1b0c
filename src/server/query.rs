//! The query of a callback request, decoded.

use std::borrow::Cow;

/// The parameters that the platform sends. One that comes twice is no value: nobody honest sends it.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub(super) signature: Option<Cow<'a, str>>,
    pub(super) timestamp: Option<Cow<'a, str>>,
    pub(super) nonce: Option<Cow<'a, str>>,
    pub(super) echostr: Option<Cow<'a, str>>,
    pub(super) encrypt_type: Option<Cow<'a, str>>,
    pub(super) msg_signature: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads the part after `?`. `None` if a parameter is doubled or its text is not UTF-8.
    pub(super) fn parse(text: &'a str) -> Option<Query<'a>> {
        let mut query = Query::default();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "signature" => &mut query.signature,
                "timestamp" => &mut query.timestamp,
                "nonce" => &mut query.nonce,
                "echostr" => &mut query.echostr,
                "encrypt_type" => &mut query.encrypt_type,
                "msg_signature" => &mut query.msg_signature,
                // `openid` and whatever else: the body is what is believed.
                _ => continue,
            };
            if slot.replace(decode(value)?).is_some() {
                return None;
            }
        }
        Some(query)
    }
}

/// Undoes percent-encoding and `+`. A stray `%` stands for itself.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| match digits {
            [high, low] => hex(*high).zip(hex(*low)),
            _ => None,
        });
        match (bytes[at], digits) {
            (b'%', Some((high, low))) => {
                decoded.push(high << 4 | low);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("signature=ab&nonce=%E4%BD%A0+x&echostr=100%&openid=o&timestamp=")
            .expect("a query");
        assert_eq!(query.signature.as_deref(), Some("ab"));
        assert_eq!(query.nonce.as_deref(), Some("你 x"));
        assert_eq!(query.echostr.as_deref(), Some("100%"));
        assert_eq!(query.timestamp.as_deref(), Some(""));
        assert_eq!(query.msg_signature, None);
    }

    #[test]
    fn doubled_parameters_and_broken_text_are_refused() {
        assert!(Query::parse("signature=a&signature=a").is_none());
        assert!(Query::parse("nonce=%ff%fe").is_none());
        assert!(Query::parse("openid=%ff&openid=%ff").is_some());
    }
}
