//! The outer body of an encrypted push, and of an encrypted reply.

use serde_json::json;

use super::error::{Format, ParseError};
use super::{fields, sign, text};

/// An encrypted push as it arrives: `ToUserName` and `Encrypt`. In compatible mode the readable
/// push stands beside them; it is not covered by `msg_signature` and must not be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The account's original ID, `gh_…`.
    pub to_user: Option<String>,
    /// The ciphertext in base64, without surrounding white space: what `msg_signature` covers.
    pub encrypt: String,
    /// How the push was written, and so how the reply must be.
    pub format: Format,
}

impl Envelope {
    /// Reads the body of a callback. `None` if it is readable but has no `Encrypt`.
    pub fn parse(body: &[u8]) -> Result<Option<Envelope>, ParseError> {
        let (format, mut fields) = fields::read(body)?;
        let to_user = fields::take(&mut fields, "ToUserName");
        let encrypt = fields::take(&mut fields, "Encrypt");
        Ok(encrypt.map(|encrypt| Envelope {
            to_user,
            encrypt,
            format,
        }))
    }

    /// The envelope as the platform would send it in secure mode; for playing the platform.
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

    /// The same in compatible mode: `Encrypt` beside the elements of the `readable` push, which must
    /// be an XML document or JSON object of this envelope's format; otherwise it stands alone.
    pub fn to_body_beside(&self, readable: &str) -> String {
        let beside = match self.format {
            Format::Xml => readable.trim_end().strip_suffix("</xml>").map(|open| {
                let mut xml = String::with_capacity(open.len() + self.encrypt.len() + 60);
                xml.push_str(open);
                text::push_element(&mut xml, "Encrypt", &self.encrypt);
                xml.push_str("</xml>");
                xml
            }),
            Format::Json => {
                serde_json::from_str(readable)
                    .ok()
                    .map(|mut object: fields::Fields| {
                        object.insert("Encrypt".to_owned(), json!(self.encrypt));
                        serde_json::Value::Object(object).to_string()
                    })
            }
        };
        beside.unwrap_or_else(|| self.to_body())
    }
}

/// The body of an encrypted reply, in the `format` of the push. `encrypt` is what [`super::seal`]
/// made of the reply, `timestamp` now in Unix seconds, `nonce` any text, by custom the request's;
/// the signature is made here.
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
