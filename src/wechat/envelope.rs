//! The outer body of an encrypted push, and of an encrypted reply.

use serde_json::json;

use super::error::{Format, ParseError};
use super::{body, fields, sign, text};

/// An encrypted push as it arrives: `ToUserName` and `Encrypt`. In compatible mode the plain
/// push is next to them; it is not covered by `msg_signature` and must not be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The account's original ID, `gh_…`.
    pub to_user: Option<String>,
    /// The ciphertext in base64, without surrounding white space: what `msg_signature` covers.
    pub encrypt: String,
    /// The format of the push, which the reply must have, too.
    pub format: Format,
}

impl Envelope {
    /// Parses the body of a callback. `None` if it is a valid body without `Encrypt`.
    pub fn parse(body: &[u8]) -> Result<Option<Envelope>, ParseError> {
        if let Some(envelope) = Envelope::parse_usual(body) {
            return Ok(Some(envelope));
        }
        Envelope::parse_any(body)
    }

    fn parse_any(body: &[u8]) -> Result<Option<Envelope>, ParseError> {
        let (format, elements) = body::read(body)?;
        // In compatible mode a text before it may contain such an element, too. Only the platform can sign one.
        let encrypt = elements.last_text("Encrypt");
        Ok(encrypt.map(|encrypt| Envelope {
            to_user: elements.text("ToUserName").map(str::to_owned),
            encrypt: encrypt.to_owned(),
            format,
        }))
    }

    /// Parses an envelope in exactly the form that the platform writes, without the XML parser: that reads the long
    /// `Encrypt` character by character, which took two thirds of the cost of the secure mode. `None`: in another form,
    /// or not an envelope.
    fn parse_usual(body: &[u8]) -> Option<Envelope> {
        let body = std::str::from_utf8(body).ok()?.trim_ascii();
        let rest = body.strip_prefix("<xml>")?.trim_ascii_start();
        let (to_user, rest) = usual_element(rest, "ToUserName")?;
        let (encrypt, rest) = usual_element(rest, "Encrypt")?;
        (rest == "</xml>").then(|| Envelope {
            to_user: Some(to_user.to_owned()),
            encrypt: encrypt.to_owned(),
            format: Format::Xml,
        })
    }

    /// The envelope as the platform would send it in secure mode, to simulate the platform.
    pub fn to_body(&self) -> String {
        match self.format {
            Format::Xml => {
                let mut xml = String::with_capacity(self.encrypt.len() + 160);
                xml.push_str("<xml>\n");
                if let Some(to_user) = &self.to_user {
                    text::push_element(&mut xml, "ToUserName", to_user);
                }
                text::push_element(&mut xml, "Encrypt", &self.encrypt);
                xml.push_str("</xml>");
                xml
            }
            Format::Json => {
                json!({ "ToUserName": self.to_user, "Encrypt": self.encrypt }).to_string()
            }
        }
    }

    /// The same in compatible mode: `Encrypt` next to the elements of the `plain` push, which must be an XML document or
    /// JSON object of this envelope's format; otherwise the envelope alone.
    pub fn to_body_with(&self, plain: &str) -> String {
        let body = match self.format {
            Format::Xml => plain.trim_end().strip_suffix("</xml>").map(|open| {
                let mut xml = String::with_capacity(open.len() + self.encrypt.len() + 60);
                xml.push_str(open);
                text::push_element(&mut xml, "Encrypt", &self.encrypt);
                xml.push_str("</xml>");
                xml
            }),
            Format::Json => serde_json::from_str(plain)
                .ok()
                .map(|mut object: fields::Fields| {
                    object.insert("Encrypt".to_owned(), json!(self.encrypt));
                    serde_json::Value::Object(object).to_string()
                }),
        };
        body.unwrap_or_else(|| self.to_body())
    }
}

/// The body of an encrypted reply, in the `format` of the push. `encrypt` is the output of
/// [`super::seal`], `timestamp` the current time in Unix seconds, `nonce` any text, usually the request's; the signature
/// is made here.
pub fn sealed_reply(
    format: Format,
    token: &str,
    timestamp: i64,
    nonce: &str,
    encrypt: &str,
) -> String {
    let signature = sign(&[token, &timestamp.to_string(), nonce, encrypt]);
    match format {
        Format::Xml => {
            let mut xml = String::with_capacity(encrypt.len() + nonce.len() + 220);
            xml.push_str("<xml>\n");
            text::push_element(&mut xml, "Encrypt", encrypt);
            text::push_element(&mut xml, "MsgSignature", &signature);
            text::push_number(&mut xml, "TimeStamp", timestamp);
            text::push_element(&mut xml, "Nonce", nonce);
            xml.push_str("</xml>");
            xml
        }
        Format::Json => json!({
            "Encrypt": encrypt, "MsgSignature": signature, "TimeStamp": timestamp, "Nonce": nonce,
        })
        .to_string(),
    }
}

/// The text of `<name><![CDATA[text]]></name>`, which must not be empty or contain white space or `]`, and the rest after
/// it and white space.
fn usual_element<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let xml = xml.strip_prefix('<')?.strip_prefix(name)?;
    let xml = xml.strip_prefix("><![CDATA[")?;
    let (text, rest) = xml.split_at(xml.find(']')?);
    let rest = rest.strip_prefix("]]></")?.strip_prefix(name)?;
    let rest = rest.strip_prefix('>')?.trim_ascii_start();
    (!text.is_empty() && text::is_plain(text)).then_some((text, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: &str = "<xml>\n    <ToUserName><![CDATA[gh_5a0c3d91e7b2]]></ToUserName>\n    \
                         <Encrypt><![CDATA[YWJj+ZGVm/Zw==]]></Encrypt>\n</xml>\n";

    #[test]
    fn the_usual_form_needs_no_parser() {
        let envelope = Envelope::parse_usual(USUAL.as_bytes());
        assert_eq!(envelope.as_ref().unwrap().encrypt, "YWJj+ZGVm/Zw==");
        assert_eq!(Envelope::parse_any(USUAL.as_bytes()).unwrap(), envelope);
        let simulated = envelope.as_ref().unwrap().to_body();
        assert_eq!(Envelope::parse_usual(simulated.as_bytes()), envelope);
    }

    proptest! {
        #[test]
        fn what_is_read_without_the_parser_is_what_the_parser_reads(
            from in 0..USUAL.len(),
            removed in 0..12_usize,
            put in "[ \\r\\n\\x00-\\x7f签\u{fffe}<>\\[\\]!/=a&]{0,4}|<a/>|]]>|<Encrypt>",
        ) {
            let to = (from + removed).min(USUAL.len());
            let body = format!("{}{put}{}", &USUAL[..from], &USUAL[to..]);
            if let Some(envelope) = Envelope::parse_usual(body.as_bytes()) {
                prop_assert_eq!(Envelope::parse_any(body.as_bytes()), Ok(Some(envelope)));
            }
        }
    }
}
