//! The call to a service, in its format.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::question::Question;
use crate::local_time;
use crate::secret::Secret;
use crate::webhook::SigningSecret;
use crate::wechat::{self, Body, ParseError, Push};

/// The format of a service with what signs its calls.
#[derive(Debug, Clone)]
pub(super) enum Signer {
    /// The platform's XML, signed by a Token.
    WeChat(Secret),
    /// JSON, signed by Standard Webhooks.
    Json(SigningSecret),
}

/// What is the same in every attempt to ask about a push.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) content_type: &'static str,
    pub(super) body: Cow<'a, str>,
    /// Of the sender.
    openid: String,
    /// `webhook-id`.
    id: String,
}

/// What is new in every attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Signer {
    /// The call about a push, which is that of the question.
    pub(super) fn call<'a>(
        &self,
        push: &Push,
        question: &'a Question,
    ) -> Result<Call<'a>, ParseError> {
        let xml = wechat::push_as_xml(&question.received)?;
        let (content_type, body) = match self {
            Signer::WeChat(_) => ("text/xml", xml),
            Signer::Json(_) => (
                "application/json; charset=utf-8",
                json(push, &xml, question.follower.as_ref())
                    .to_string()
                    .into(),
            ),
        };
        Ok(Call {
            content_type,
            body,
            openid: push.from_user.clone(),
            id: format!("msg_{}", wechat::digest(question.dedup_key.as_bytes())),
        })
    }

    /// Signs a call. `now` in Unix seconds; `nonce` is a random number.
    pub(super) fn sign(&self, call: &Call, now: i64, nonce: u64) -> Signed {
        match self {
            Signer::WeChat(token) => {
                let mut query = signature(token, now, nonce);
                query.push(("openid", call.openid.clone()));
                Signed {
                    query,
                    headers: Vec::new(),
                }
            }
            Signer::Json(secret) => Signed {
                query: Vec::new(),
                headers: vec![
                    ("webhook-id", call.id.clone()),
                    ("webhook-timestamp", now.to_string()),
                    (
                        "webhook-signature",
                        secret.sign(&call.id, now, call.body.as_bytes()),
                    ),
                ],
            },
        }
    }
}

/// The query by which the platform shows that it knows the Token.
pub(super) fn signature(token: &Secret, now: i64, nonce: u64) -> Vec<(&'static str, String)> {
    let (timestamp, nonce) = (now.to_string(), nonce.to_string());
    let signature = wechat::sign(&[token.expose(), &timestamp, &nonce]);
    vec![
        ("signature", signature),
        ("timestamp", timestamp),
        ("nonce", nonce),
    ]
}

fn json(push: &Push, xml: &str, follower: Option<&Value>) -> Value {
    let msg_type = push.msg_type().to_lowercase();
    let event = push.event().unwrap_or_default();
    let (kind, of) = match push.body {
        Body::Message(_) => (msg_type.as_str(), format!("message.{msg_type}")),
        Body::Event(_) => (event, format!("event.{}", event.to_lowercase())),
    };
    let content = push.subject();
    json!({
        "type": of,
        "timestamp": local_time::utc(push.create_time),
        "data": {
            "openid": push.from_user,
            "kind": kind,
            "content": (!content.is_empty()).then_some(content),
            "key": push.event_key(),
            "msg_id": push.msg_id(),
            "created_at": push.create_time,
            "follower": follower,
            "xml": xml,
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn call<'a>(signer: &Signer, question: &'a Question) -> Call<'a> {
        let push = Push::parse(&question.received).unwrap();
        signer.call(&push, question).unwrap()
    }

    fn question() -> Question {
        let xml = "<xml><ToUserName>gh_1</ToUserName><FromUserName>oA</FromUserName><CreateTime>7</CreateTime><MsgType>TEXT</MsgType><MsgId>42</MsgId></xml>";
        Question {
            dedup_key: "42|oA".to_owned(),
            received: xml.as_bytes().to_vec(),
            follower: None,
        }
    }

    #[test]
    fn a_later_attempt_is_signed_anew_and_has_the_same_id_and_body() {
        let signer = Signer::Json(SigningSecret::random().unwrap());
        let question = question();
        let (first, second) = (call(&signer, &question), call(&signer, &question));
        assert_eq!(first.body, second.body);
        let (now, later) = (
            signer.sign(&first, 1_790_000_000, 1),
            signer.sign(&second, 1_790_000_001, 1),
        );
        assert_eq!(now.headers[0], later.headers[0]);
        assert_ne!(now.headers[1], later.headers[1]);
        assert_ne!(now.headers[2], later.headers[2]);
    }

    #[test]
    fn two_calls_in_one_second_have_two_signatures_of_the_platforms_form() {
        let signer = Signer::WeChat(Secret::new("AAAAA"));
        let question = question();
        let call = call(&signer, &question);
        // The example of the platform's page.
        let signed = signer.sign(&call, 1_714_036_504, 1_514_711_492);
        let expected = [
            ("signature", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
            ("timestamp", "1714036504"),
            ("nonce", "1514711492"),
            ("openid", "oA"),
        ];
        assert_eq!(
            signed.query,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        assert_ne!(signer.sign(&call, 1_714_036_504, 1), signed);
    }

    #[test]
    fn the_type_is_in_lower_case() {
        let question = question();
        let push = Push::parse(&question.received).unwrap();
        let body = json(&push, "<xml/>", None);
        assert_eq!(body["type"], "message.text");
        assert_eq!(body["data"]["kind"], "text");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:07Z");
    }
}
