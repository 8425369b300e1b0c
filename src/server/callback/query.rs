//! The query of a callback request, decoded.

use std::borrow::Cow;

use crate::percent::decode;

/// The parameters that the platform sends. A duplicate makes the query invalid: no honest client sends one.
#[derive(Debug, Default)]
pub struct Query<'a> {
    pub signature: Option<Cow<'a, str>>,
    pub timestamp: Option<Cow<'a, str>>,
    pub nonce: Option<Cow<'a, str>>,
    pub echostr: Option<Cow<'a, str>>,
    pub encrypt_type: Option<Cow<'a, str>>,
    pub msg_signature: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads the part after `?`. `None` if a parameter is doubled or its text is not UTF-8.
    pub fn parse(text: &'a str) -> Option<Query<'a>> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query =
            Query::parse("signature=ab&nonce=%E4%BD%A0+x&echostr=100%25&openid=o&timestamp=")
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
        assert!(Query::parse("echostr=%zz").is_none());
        assert!(Query::parse("echostr=100%").is_none());
        assert!(Query::parse("openid=%ff&openid=%ff").is_some());
    }
    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "([a-z_]{0,14}|signature|nonce|timestamp|echostr)?[=%&+;a-f0-9\\PC]{0,40}") {
            Query::parse(&text);
        }

        #[test]
        fn whatever_is_encoded_is_decoded(value in "\\PC{0,30}") {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let query = format!("signature=ab&nonce={encoded}&openid=o");
            let query = Query::parse(&query).expect("a query");
            prop_assert_eq!(query.nonce.as_deref(), Some(value.as_str()));
        }
    }
}
