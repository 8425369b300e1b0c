//! Permanent material: files and articles that the platform keeps until somebody deletes them. An account has 100 000
//! pictures and articles, and 1000 of each other kind.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::http::Download;
use super::media::{MediaType, SavedFile, saved};
use super::multipart;
use crate::wechat::lenient;

/// The most items that one call lists.
pub const MATERIAL_PAGE: u32 = 20;

/// The type of material in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialType {
    /// Pictures, thumbs among them.
    Image,
    /// Recordings.
    Voice,
    /// Videos.
    Video,
    /// Articles.
    News,
}

impl MaterialType {
    /// Every type.
    pub const ALL: [MaterialType; 4] = [
        MaterialType::Image,
        MaterialType::Voice,
        MaterialType::Video,
        MaterialType::News,
    ];

    /// The platform's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MaterialType::Image => "image",
            MaterialType::Voice => "voice",
            MaterialType::Video => "video",
            MaterialType::News => "news",
        }
    }
}

/// What the platform requires for a video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VideoDescription {
    /// Its title.
    pub title: String,
    /// A few words about it.
    pub introduction: String,
}

/// Material that was added.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AddedMaterial {
    /// Its name in messages and menus.
    #[serde(deserialize_with = "lenient::id")]
    pub media_id: String,
    /// Its URL; only pictures have one.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub url: Option<String>,
}

/// What [`Client::get_material`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A file, now written.
    File(SavedFile),
    /// A video, to be fetched from a URL.
    Video {
        /// Its title.
        title: Option<String>,
        /// A few words about it.
        description: Option<String>,
        /// The URL.
        down_url: String,
    },
    /// Articles.
    News(Vec<NewsItem>),
}

/// An article of the material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are WeChat's, see its page on material"
)]
pub struct NewsItem {
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub author: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub digest: Option<String>,
    /// HTML.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub content_source_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub thumb_media_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::int")]
    pub show_cover_pic: Option<i64>,
    /// Where it can be read.
    #[serde(default, deserialize_with = "lenient::text")]
    pub url: Option<String>,
}

/// The amount of material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MaterialCount {
    #[serde(default, deserialize_with = "lenient::int")]
    pub image_count: Option<i64>,
    #[serde(default, deserialize_with = "lenient::int")]
    pub voice_count: Option<i64>,
    #[serde(default, deserialize_with = "lenient::int")]
    pub video_count: Option<i64>,
    #[serde(default, deserialize_with = "lenient::int")]
    pub news_count: Option<i64>,
}

/// A page of a list of material.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MaterialPage {
    /// The total.
    #[serde(default, deserialize_with = "lenient::int")]
    pub total_count: Option<i64>,
    /// The items of this page, the newest first.
    #[serde(default, rename = "item")]
    pub items: Vec<MaterialItem>,
}

/// A line of a list of material.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MaterialItem {
    /// Its name in messages and menus.
    #[serde(deserialize_with = "lenient::id")]
    pub media_id: String,
    /// The file's name; articles have none.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub name: Option<String>,
    /// Unix seconds.
    #[serde(default, deserialize_with = "lenient::int")]
    pub update_time: Option<i64>,
    /// Its URL; only pictures have one.
    #[serde(default, deserialize_with = "lenient::filled")]
    pub url: Option<String>,
    /// The articles, if it holds any.
    #[serde(default)]
    pub content: Option<NewsContent>,
}

/// The articles under one media_id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewsContent {
    /// The articles in their order.
    #[serde(default)]
    pub news_item: Vec<NewsItem>,
}

impl Client {
    /// Adds a file to the permanent material (`material/add_material`), once. The name's extension matters. A video needs
    /// a description, and nothing else takes one.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a file that is empty or over [`MediaType::max_bytes`], and for a description that is missing
    /// or not wanted; 40005 for a wrong kind; any [`ApiError`]. After a [timeout](crate::outbound::NetworkCause::Timeout) it may
    /// have been added.
    pub fn add_material(
        &self,
        media_type: MediaType,
        filename: &str,
        bytes: &[u8],
        video: Option<&VideoDescription>,
    ) -> Result<AddedMaterial, ApiError> {
        let call = Call::change(
            "/cgi-bin/material/add_material",
            "`wechatd material list` shows it; look there before you repeat it",
        )
        .query("type", media_type.name());
        media_type.check_size(&call, bytes)?;
        if video.is_some() != (media_type == MediaType::Video) {
            return Err(
                call.refused("a video has a title and an introduction, and nothing else has")
            );
        }
        let description = match video.map(serde_json::to_string) {
            None => None,
            Some(Ok(description)) => Some(description),
            Some(Err(_)) => return Err(call.refused("the description cannot be written as JSON")),
        };
        let text = description.as_deref().map(|text| ("description", text));
        self.call(&multipart::with_file_and_text(call, filename, bytes, text)?)
    }

    /// Fetches permanent material (`material/get_material`): a file is written to `to`, a video comes as a URL, articles
    /// come complete. After an error `to` may hold part of the file.
    ///
    /// # Errors
    /// 40007 for an unknown media_id; [`ApiError::Unexpected`] over 64 MiB; any [`ApiError`].
    pub fn get_material(&self, media_id: &str, to: &mut dyn Write) -> Result<Material, ApiError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
            News {
                news_item: Vec<NewsItem>,
            },
            Video {
                #[serde(default, deserialize_with = "lenient::filled")]
                title: Option<String>,
                #[serde(default, deserialize_with = "lenient::filled")]
                description: Option<String>,
                down_url: String,
            },
        }
        let call =
            Call::read("/cgi-bin/material/get_material").json(&json!({ "media_id": media_id }))?;
        let name = call.called.clone();
        match self.download(call)? {
            Download::File(incoming) => saved(*incoming, to).map(Material::File),
            Download::Json(value) => match lenient::read(value) {
                Ok(Answer::News { news_item }) => Ok(Material::News(news_item)),
                Ok(Answer::Video {
                    title,
                    description,
                    down_url,
                }) => Ok(Material::Video {
                    title,
                    description,
                    down_url,
                }),
                Err(_) => Err(ApiError::Unexpected {
                    call: name,
                    cause: "it is none of a file, a video and articles".to_owned(),
                }),
            },
        }
    }

    /// Deletes permanent material (`material/del_material`).
    ///
    /// # Errors
    /// 48005 while an auto-reply or a menu uses it; any [`ApiError`].
    pub fn del_material(&self, media_id: &str) -> Result<(), ApiError> {
        let call = Call::change(
            "/cgi-bin/material/del_material",
            "`wechatd material list` shows it",
        );
        self.done(&call.json(&json!({ "media_id": media_id }))?)
    }

    /// The amount of permanent material (`material/get_materialcount`), including what the console added.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub fn get_materialcount(&self) -> Result<MaterialCount, ApiError> {
        self.call(&Call::read("/cgi-bin/material/get_materialcount"))
    }

    /// Lists permanent material of one type (`material/batchget_material`), from `offset` on.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a count that is not 1 to [`MATERIAL_PAGE`]; any [`ApiError`].
    pub fn batchget_material(
        &self,
        material_type: MaterialType,
        offset: u32,
        count: u32,
    ) -> Result<MaterialPage, ApiError> {
        let call = Call::read("/cgi-bin/material/batchget_material");
        if !(1..=MATERIAL_PAGE).contains(&count) {
            return Err(call.refused(format!("it lists 1 to {MATERIAL_PAGE} at once")));
        }
        let body = json!({"type": material_type.name(), "offset": offset, "count": count});
        self.call(&call.json(&body)?)
    }
}
