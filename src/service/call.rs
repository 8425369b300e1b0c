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
