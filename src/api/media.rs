//! Temporary media: files that messages name by media_id, for three days. (Permanent ones are in `material`.)

use std::io::Write;

use serde::Deserialize;

use super::call::Call;
use super::called::Called;
use super::client::{Client, checked};
use super::error::ApiError;
use super::http::{Download, Incoming};
use super::multipart;
pub use crate::wechat::file::MediaType;
use crate::wechat::lenient;

/// How long a temporary media_id works, in seconds: 3 days.
pub const MEDIA_LIFE: i64 = 3 * 24 * 3600;

/// The largest picture that `media/uploadimg` takes, in bytes.
pub const MAX_UPLOADIMG: usize = 1024 * 1024;

impl MediaType {
    /// Refuses a file that is too large.
    pub(super) fn check_size(self, call: &Call, bytes: &[u8]) -> Result<(), ApiError> {
        let most = self.max_bytes();
        if bytes.len() <= most {
            return Ok(());
        }
        let cause = format!("{} files are at most {} KiB", self.name(), most >> 10);
        Err(call.refused(cause))
    }
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Its name in messages.
    pub media_id: String,
    /// When, in Unix seconds; it works for [`MEDIA_LIFE`] from then on.
    pub created_at: Option<i64>,
}

/// A file that was fetched and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its media type, if the platform gave one.
    pub content_type: Option<String>,
    /// The platform's name for it, without folders.
    pub filename: Option<String>,
}

/// What [`Client::media_get`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// A file, now written.
    File(SavedFile),
    /// A video, to be fetched from a URL.
    Video {
        /// The URL.
        video_url: String,
    },
}

impl Client {
    /// Uploads a file (`media/upload`). The name's extension matters.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a file that is empty or over [`MediaType::max_bytes`]; 40005 for
    /// a wrong kind; any [`ApiError`].
    pub fn media_upload(
        &self,
        media_type: MediaType,
        filename: &str,
        bytes: &[u8],
    ) -> Result<Uploaded, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            // Its name in the answer for a thumb.
            #[serde(alias = "thumb_media_id", deserialize_with = "lenient::id")]
            media_id: String,
            #[serde(default, deserialize_with = "lenient::int")]
            created_at: Option<i64>,
        }
        let call = Call::change(
            "/cgi-bin/media/upload",
            "the file expires by itself after three days; repeating it does no harm",
        )
        .query("type", media_type.name());
        media_type.check_size(&call, bytes)?;
        let answer: Answer = self.call(&multipart::with_file(call, filename, bytes)?)?;
        Ok(Uploaded {
            media_id: answer.media_id,
            created_at: answer.created_at,
        })
    }

    /// Uploads a picture for use inside an article (`media/uploadimg`) and returns its URL.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a picture of [`MAX_UPLOADIMG`] or more; 40005 for one that is
    /// neither JPEG nor PNG; any [`ApiError`].
    pub fn media_uploadimg(&self, filename: &str, bytes: &[u8]) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            url: String,
        }
        let call = Call::change(
            "/cgi-bin/media/uploadimg",
            "no command lists such pictures; repeating it does no harm",
        );
        if bytes.len() >= MAX_UPLOADIMG {
            return Err(call.refused("the picture must be smaller than 1 MiB"));
        }
        Ok(self
            .call::<Answer>(&multipart::with_file(call, filename, bytes)?)?
            .url)
    }

    /// Fetches a file (`media/get`) and writes it to `to`; a video comes as a URL only. After an error `to` may hold
    /// part of the file.
    ///
    /// # Errors
    /// 40007 for a media_id that has expired; [`ApiError::Unexpected`] over 64 MiB; any [`ApiError`].
    pub fn media_get(&self, media_id: &str, to: &mut dyn Write) -> Result<Media, ApiError> {
        let call = Call::read("/cgi-bin/media/get").query("media_id", media_id);
        self.media(call, to)
    }

    /// Fetches a file of any type (`media/get`) and writes it to `to`: a video from the URL that the platform gives.
    ///
    /// # Errors
    /// As [`Client::media_get`].
    pub fn media_file(&self, media_id: &str, to: &mut dyn Write) -> Result<SavedFile, ApiError> {
        match self.media_get(media_id, to)? {
            Media::File(saved) => Ok(saved),
            Media::Video { video_url } => self.video_file(&video_url, to),
        }
    }

    /// Fetches a video from a URL that the platform gave, and writes it to `to`.
    ///
    /// # Errors
    /// [`ApiError::Unexpected`] over 64 MiB, and where it is no file; any [`ApiError`].
    pub fn video_file(&self, video_url: &str, to: &mut dyn Write) -> Result<SavedFile, ApiError> {
        saved(*self.video(video_url)?, to)
    }

    /// Fetches a recording made on a web page with the JS-SDK (`media/get/jssdk`) and writes it to `to`, as
    /// Speex at 16 kHz. [`Client::media_get`] gives it as AMR.
    ///
    /// # Errors
    /// As [`Client::media_get`].
    pub fn media_get_jssdk(&self, media_id: &str, to: &mut dyn Write) -> Result<Media, ApiError> {
        let call = Call::read("/cgi-bin/media/get/jssdk").query("media_id", media_id);
        self.media(call, to)
    }

    fn media(&self, call: Call, to: &mut dyn Write) -> Result<Media, ApiError> {
        let name = call.called.clone();
        match self.download(call)? {
            Download::Json(value) => match value.get("video_url").and_then(lenient::as_text) {
                Some(video_url) => Ok(Media::Video { video_url }),
                None => Err(ApiError::Unexpected {
                    call: name,
                    cause: "it is neither a file nor a video_url".to_owned(),
                }),
            },
            Download::File(incoming) => saved(*incoming, to).map(Media::File),
        }
    }

    fn video(&self, video_url: &str) -> Result<Box<Incoming>, ApiError> {
        let called = Called::from("the URL of a video");
        match self
            .shared
            .http
            .fetch(called.clone(), video_url)?
            .download()?
        {
            Download::File(incoming) => Ok(incoming),
            Download::Json(_) => Err(ApiError::Unexpected {
                call: called,
                cause: "it is no video".to_owned(),
            }),
        }
    }

    /// Makes a call that answers with a file, or with JSON instead.
    pub(super) fn download(&self, call: Call) -> Result<Download, ApiError> {
        let call = call.bulky();
        self.run(&call, |answer| match answer.download()? {
            Download::Json(value) => checked(&call, value).map(Download::Json),
            file @ Download::File(_) => Ok(file),
        })
    }
}

/// Writes the whole file.
pub(super) fn saved(incoming: Incoming, to: &mut dyn Write) -> Result<SavedFile, ApiError> {
    let content_type = incoming.content_type.clone();
    let filename = incoming.disposition.as_deref().and_then(filename);
    let length = incoming.save(to)?;
    Ok(SavedFile {
        length,
        content_type,
        filename,
    })
}

/// The file name in a `Content-Disposition` header, without folders.
fn filename(disposition: &str) -> Option<String> {
    let (_, value) = disposition.split_once("filename=")?;
    let value = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches('"');
    let name = value.rsplit(['/', '\\']).next().unwrap_or_default();
    let usable = !name.is_empty() && !name.starts_with('.') && !name.contains(char::is_control);
    usable.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_no_folders() {
        let cases = [
            ("attachment; filename=\"SYN.jpg\"", Some("SYN.jpg")),
            ("attachment; filename=SYN.amr; size=1", Some("SYN.amr")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"..\"", None),
            ("attachment", None),
        ];
        for (header, name) in cases {
            assert_eq!(filename(header).as_deref(), name, "{header}");
        }
    }
}
