//! QR codes with a scene: a scan tells the account which code was scanned.

use std::io::Write;

use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::http::Download;
use super::media::{SavedFile, saved};
use crate::wechat::lenient;

/// The longest life of a temporary code, in seconds: 30 days.
pub const MAX_EXPIRE_SECONDS: u32 = 2_592_000;

/// The greatest number scene of a permanent code.
pub const MAX_PERMANENT_ID: u32 = 100_000;

/// The longest text scene, in characters.
pub const MAX_SCENE_STR: usize = 64;

/// What a scan of the code reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    /// A number: not 0, and at most [`MAX_PERMANENT_ID`] in a permanent code.
    Id(u32),
    /// A text of 1 to [`MAX_SCENE_STR`] characters.
    Text(String),
}

/// How long a code works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// In seconds, at most [`MAX_EXPIRE_SECONDS`].
    Temporary(u32),
    /// For ever. An account has 100 000 of these, and none can be taken back.
    Permanent,
}

/// A code that was made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QrCode {
    /// Fetches the platform's own picture of the code.
    pub ticket: String,
    /// The text in the code; draw it, or fetch the platform's picture.
    pub url: String,
    /// How long it works, in seconds; `None` for a permanent one.
    #[serde(default, deserialize_with = "lenient::int")]
    pub expire_seconds: Option<i64>,
}

impl Client {
    /// Makes a code (`qrcode/create`).
    ///
    /// # Errors
    /// [`ApiError::Request`] for a scene or a life out of range; 45029 when no permanent code is
    /// left; any [`ApiError`].
    pub fn qrcode_create(&self, scene: &Scene, life: Life) -> Result<QrCode, ApiError> {
        let call = Call::change(
            "/cgi-bin/qrcode/create",
            "no command lists the codes; repeating it makes one with the same scene, and a permanent one counts towards the account's 100000",
        );
        let (action_name, wanted) = match (scene, life) {
            (Scene::Id(0), _) => return Err(call.refused("a number scene is not 0")),
            (Scene::Id(id), Life::Permanent) if *id > MAX_PERMANENT_ID => {
                let cause = format!("a permanent code's number is at most {MAX_PERMANENT_ID}");
                return Err(call.refused(cause));
            }
            (Scene::Text(text), _) if !(1..=MAX_SCENE_STR).contains(&text.chars().count()) => {
                let cause = format!("a text scene has 1 to {MAX_SCENE_STR} characters");
                return Err(call.refused(cause));
            }
            (_, Life::Temporary(seconds)) if !(1..=MAX_EXPIRE_SECONDS).contains(&seconds) => {
                return Err(call.refused("a temporary code lives 1 second to 30 days"));
            }
            (Scene::Id(id), Life::Temporary(_)) => ("QR_SCENE", json!({"scene_id": id})),
            (Scene::Text(text), Life::Temporary(_)) => ("QR_STR_SCENE", json!({"scene_str": text})),
            (Scene::Id(id), Life::Permanent) => ("QR_LIMIT_SCENE", json!({"scene_id": id})),
            (Scene::Text(text), Life::Permanent) => {
                ("QR_LIMIT_STR_SCENE", json!({"scene_str": text}))
            }
        };
        let mut body = json!({"action_name": action_name, "action_info": {"scene": wanted}});
        if let Life::Temporary(seconds) = life {
            // The platform's default is one minute.
            body["expire_seconds"] = seconds.into();
        }
        self.call(&call.json(&body)?)
    }

    /// Fetches the platform's own picture of a code, a JPEG (`showqrcode` at `mp.weixin.qq.com`), and writes it to `to`.
    ///
    /// # Errors
    /// [`ApiError::Unexpected`] for a ticket that the platform does not know; any [`ApiError`].
    pub fn showqrcode(&self, ticket: &str, to: &mut dyn Write) -> Result<SavedFile, ApiError> {
        let call = Call::read("/cgi-bin/showqrcode")
            .without_token()
            .at_pages()
            .query("ticket", ticket);
        let name = call.called.clone();
        let unexpected = |cause: &str| ApiError::Unexpected {
            call: name.clone(),
            cause: cause.to_owned(),
        };
        match self.download(call) {
            Ok(Download::File(incoming)) => saved(*incoming, to),
            Ok(Download::Json(_)) => Err(unexpected("it is no picture")),
            Err(ApiError::NotJson { status: 404, .. }) => Err(unexpected(
                "HTTP 404: WeChat does not know this ticket, or its code has expired: make another code",
            )),
            Err(error) => Err(error),
        }
    }
}
