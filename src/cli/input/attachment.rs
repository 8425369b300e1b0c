//! A picture, recording or video on a command line: a media_id, or a local file, uploaded again only when it expires.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;

use super::arguments::one_of;
use super::unsupported::Unsupported;
use crate::api::material::{AddedMaterial, VideoDescription};
use crate::api::media::{MEDIA_LIFE, MediaType, Uploaded};
use crate::api::{Action, ApiError, Client};
use crate::cli::terminal::{Failure, Output};
use crate::clock;
use crate::store::{PERMANENT_VIDEO, Store};
use crate::wechat;

/// A stored media_id is used if it is valid for at least this many seconds more, as mass messages are queued.
const MARGIN: i64 = 3600;

/// The type under which the store keeps permanent videos, next to temporary media, and for how many seconds. There is a
/// limit because a video may be deleted in the console, and then has to be uploaded again.
const KEPT_VIDEO: (&str, i64) = (PERMANENT_VIDEO, 10 * 365 * 24 * 3600);

/// A file that was read, and what it is according to its first bytes.
#[derive(Debug)]
pub struct LocalFile {
    pub path: PathBuf,
    /// With the extension that fits its content.
    pub name: String,
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

/// The kinds of files that the platform accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Bmp,
    Amr,
    Mp3,
    Wma,
    Wav,
    Mp4,
}

/// The warning for a media_id that could not be stored.
const UPLOADED_AGAIN: &str =
    "the media_id could not be noted, and the file is uploaded again next time";

/// How long the platform keeps a file. Permanent files may be of more kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Temporary media.
    ThreeDays,
    /// Permanent material.
    Permanent,
}

impl Kind {
    /// The kind of a file that is not [`Unsupported`], by its content: the platform looks at that too, not at the name.
    fn of(bytes: &[u8]) -> Option<Kind> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Some(Kind::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
            [b'G', b'I', b'F', b'8', ..] => Some(Kind::Gif),
            // Its length, then four zero bytes.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Kind::Bmp),
            [b'#', b'!', b'A', b'M', b'R', ..] => Some(Kind::Amr),
            [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => Some(Kind::Wma),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Some(Kind::Wav),
            [b'I', b'D', b'3', ..] => Some(Kind::Mp3),
            // An MPEG layer III frame without a tag before it.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(Kind::Mp3),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Kind::Mp4),
            _ => None,
        }
    }

    /// The extensions of such files; the first is the usual one.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Kind::Png => &["png"],
            Kind::Jpeg => &["jpg", "jpeg"],
            Kind::Gif => &["gif"],
            Kind::Bmp => &["bmp"],
            Kind::Amr => &["amr"],
            Kind::Mp3 => &["mp3"],
            Kind::Wma => &["wma"],
            Kind::Wav => &["wav"],
            Kind::Mp4 => &["mp4"],
        }
    }

    /// The type that such a file is sent as by default.
    pub fn media_type(self) -> MediaType {
        match self {
            Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Bmp => MediaType::Image,
            Kind::Amr | Kind::Mp3 | Kind::Wma | Kind::Wav => MediaType::Voice,
            Kind::Mp4 => MediaType::Video,
        }
    }

    fn fits(self, wanted: MediaType, lifetime: Lifetime) -> bool {
        let of_type = match wanted {
            MediaType::Image | MediaType::Voice | MediaType::Video => self.media_type() == wanted,
            MediaType::Thumb => self == Kind::Jpeg,
        };
        of_type
            && match self {
                Kind::Bmp | Kind::Wma | Kind::Wav => lifetime == Lifetime::Permanent,
                Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Amr | Kind::Mp3 | Kind::Mp4 => true,
            }
    }
}

/// A parser for the platform's name of a type.
pub fn media_types() -> impl TypedValueParser<Value = MediaType> {
    one_of(MediaType::ALL.map(|one| (one.name(), one)))
}

/// Which files can be sent as this type.
fn wanted_kinds(media_type: MediaType, lifetime: Lifetime) -> &'static str {
    match (media_type, lifetime) {
        (MediaType::Image, Lifetime::ThreeDays) => "PNG, JPEG or GIF",
        (MediaType::Image, Lifetime::Permanent) => "PNG, JPEG, GIF or BMP",
        (MediaType::Voice, Lifetime::ThreeDays) => "AMR or MP3",
        (MediaType::Voice, Lifetime::Permanent) => "AMR, MP3, WMA or WAV",
        (MediaType::Video, Lifetime::ThreeDays | Lifetime::Permanent) => "MP4",
        (MediaType::Thumb, Lifetime::ThreeDays | Lifetime::Permanent) => "JPEG",
    }
}

impl LocalFile {
    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// [`Failure::Wrong`] for a file that cannot be read, is empty or too large, or of a kind that is not accepted.
    pub fn read(path: &Path, most: usize) -> Result<LocalFile, Failure> {
        let wrong = |what: String| Failure::Wrong(format!("{}: {what}", path.display()));
        let about = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if !about.is_file() {
            return Err(wrong("is no file".to_owned()));
        }
        if usize::try_from(about.len()).is_ok_and(|length| length > most) {
            let most = match most {
                most if most >= 1 << 20 => format!("{} MiB", most >> 20),
                most => format!("{} KiB", most >> 10),
            };
            return Err(wrong(format!(
                "has {} KiB, and the platform takes {most}",
                about.len() >> 10
            )));
        }
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        if let Some(Unsupported { name, save_as }) = Unsupported::of(&bytes) {
            let why = format!(
                "{}: is {name}, which the platform does not take",
                path.display()
            );
            return Err(Failure::wrong(why, format!("save it as {save_as}")));
        }
        let kind = Kind::of(&bytes).ok_or_else(|| {
            wrong(
                "is none of PNG, JPEG, GIF, BMP, AMR, MP3, WMA, WAV, MP4 by its content".to_owned(),
            )
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        let fits =
            extension.is_some_and(|extension| kind.extensions().contains(&extension.as_str()));
        let name = match fits {
            true => name.into_owned(),
            false => format!("{name}.{}", kind.extensions()[0]),
        };
        Ok(LocalFile {
            path: path.to_owned(),
            name,
            bytes,
            kind,
        })
    }

    /// Reads a file to be sent as `media_type`, or as the type that its content suggests.
    ///
    /// # Errors
    /// [`Failure::Wrong`] for a file that cannot be sent as that type.
    pub fn read_as(
        path: &Path,
        media_type: Option<MediaType>,
        lifetime: Lifetime,
    ) -> Result<(LocalFile, MediaType), Failure> {
        let largest = MediaType::ALL.map(MediaType::max_bytes).into_iter().max();
        let most = media_type.map(MediaType::max_bytes).or(largest);
        let file = LocalFile::read(path, most.unwrap_or(0))?;
        let media_type = media_type.unwrap_or_else(|| file.kind.media_type());
        // The limit of its own type may be lower than the highest of all types.
        if file.bytes.len() > media_type.max_bytes() {
            return LocalFile::read_as(path, Some(media_type), lifetime);
        }
        file.check(media_type, lifetime)?;
        Ok((file, media_type))
    }

    /// Checks that the file can be sent as this type.
    fn check(&self, media_type: MediaType, lifetime: Lifetime) -> Result<(), Failure> {
        if self.kind.fits(media_type, lifetime) {
            return Ok(());
        }
        let (kind, wanted) = (
            self.kind.extensions()[0].to_uppercase(),
            wanted_kinds(media_type, lifetime),
        );
        let is_thumb = media_type == MediaType::Thumb;
        let near = if is_thumb {
            MediaType::Image
        } else {
            media_type
        };
        Err(Failure::Wrong(format!(
            "{}: is {kind}, and a file of type {} is {wanted}{}",
            self.path.display(),
            media_type.name(),
            match self.kind.media_type() == near {
                true => format!(": save it as {wanted}"),
                false => String::new(),
            }
        )))
    }

    /// Uploads the file and stores its media_id for as long as it is valid. If that fails, `out` gets a warning.
    pub fn upload(
        &self,
        api: &Client,
        store: &Store,
        media_type: MediaType,
        out: &mut Output,
    ) -> Result<Uploaded, Failure> {
        let uploaded = api.media_upload(media_type, &self.name, &self.bytes)?;
        let created_at = uploaded.created_at.unwrap_or_else(clock::unix_seconds);
        let kept = store.keep_media(
            media_type.name(),
            &self.digest(api),
            &uploaded.media_id,
            created_at + MEDIA_LIFE,
            api.platform_time(),
        );
        out.warn_on_error(kept, UPLOADED_AGAIN);
        Ok(uploaded)
    }

    /// Adds the file to the permanent material. Videos have a description, other files do not.
    pub fn add(
        &self,
        api: &Client,
        media_type: MediaType,
        video: Option<&VideoDescription>,
    ) -> Result<AddedMaterial, Failure> {
        Ok(api.add_material(media_type, &self.name, &self.bytes, video)?)
    }

    /// Digest of the account and the content, as a media_id is valid for one account only.
    fn digest(&self, api: &Client) -> String {
        let mut all = api.app_id().as_bytes().to_vec();
        all.push(b'\n');
        all.extend_from_slice(&self.bytes);
        wechat::digest(&all)
    }
}

/// The value of an option such as `--image F`.
#[derive(Debug)]
pub enum Attachment {
    /// Uploaded before.
    MediaId(String),
    /// To be uploaded as this type.
    File(LocalFile, MediaType),
    /// A video, with its description, that must be added to the permanent material first.
    Permanent(LocalFile, VideoDescription),
}

impl Attachment {
    /// Reads the file that `text` names, or takes it as a media_id if there is none. Makes no call.
    ///
    /// # Errors
    /// [`Failure::Wrong`] for a file that cannot be sent as this type, and for a text that is neither.
    pub fn find(text: &str, media_type: MediaType) -> Result<Attachment, Failure> {
        let path = Path::new(text);
        if path.exists() {
            let file = LocalFile::read(path, media_type.max_bytes())?;
            file.check(media_type, Lifetime::ThreeDays)?;
            return Ok(Attachment::File(file, media_type));
        }
        let media_id = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match media_id {
            true => Ok(Attachment::MediaId(text.to_owned())),
            false => Err(Failure::Wrong(format!(
                "{text}: there is no such file, and a media_id has letters, digits, - and _ only"
            ))),
        }
    }

    /// The same for a permanent video. The default `title` is the file's name.
    ///
    /// # Errors
    /// As [`Attachment::find`], and for a media_id with a title or an introduction.
    pub fn find_permanent_video(
        text: &str,
        title: Option<&str>,
        introduction: Option<&str>,
    ) -> Result<Attachment, Failure> {
        match Attachment::find(text, MediaType::Video)? {
            Attachment::File(file, _) => {
                let stem = || file.path.file_stem().map(|stem| stem.to_string_lossy());
                let description = VideoDescription {
                    title: match title {
                        Some(title) => title.to_owned(),
                        None => stem().unwrap_or_default().into_owned(),
                    },
                    introduction: introduction.unwrap_or_default().to_owned(),
                };
                Ok(Attachment::Permanent(file, description))
            }
            Attachment::MediaId(_) if title.is_some() || introduction.is_some() => {
                Err(Failure::Wrong(
                    "--title and --introduction go with a file only: the platform has those of a media_id".to_owned(),
                ))
            }
            found => Ok(found),
        }
    }

    /// Its media_id. The file is uploaded unless the store has a valid media_id for it.
    fn media_id(&self, api: &Client, store: &Store, out: &mut Output) -> Result<String, Failure> {
        let (file, media_type) = match self {
            Attachment::MediaId(media_id) => return Ok(media_id.clone()),
            Attachment::File(file, media_type) => (file, *media_type),
            Attachment::Permanent(file, description) => {
                return permanent_video(file, description, api, store, out);
            }
        };
        let until = clock::unix_seconds() + MARGIN;
        match store.kept_media(media_type.name(), &file.digest(api), until)? {
            Some(media_id) => Ok(media_id),
            None => Ok(file.upload(api, store, media_type, out)?.media_id),
        }
    }

    /// Identifies the file or media_id, and stays the same after another upload.
    pub fn fingerprint(&self) -> String {
        match self {
            Attachment::MediaId(media_id) => media_id.clone(),
            Attachment::File(file, _) => wechat::digest(&file.bytes),
            Attachment::Permanent(
                file,
                VideoDescription {
                    title,
                    introduction,
                },
            ) => {
                format!("{}\n{title}\n{introduction}", wechat::digest(&file.bytes))
            }
        }
    }

    /// How it is shown to people.
    pub fn shown(&self) -> String {
        match self {
            Attachment::MediaId(media_id) => media_id.clone(),
            Attachment::File(file, _) => file.path.display().to_string(),
            Attachment::Permanent(file, VideoDescription { title, .. }) => {
                format!(
                    "{} (is added to the permanent material as {title:?})",
                    file.path.display()
                )
            }
        }
    }
}

/// The media_id of a permanent video, which is added unless the store has it already.
fn permanent_video(
    file: &LocalFile,
    description: &VideoDescription,
    api: &Client,
    store: &Store,
    out: &mut Output,
) -> Result<String, Failure> {
    let (kept_as, life) = KEPT_VIDEO;
    let now = clock::unix_seconds();
    let VideoDescription {
        title,
        introduction,
    } = description;
    let digest = format!("{} {title}\n{introduction}", file.digest(api));
    let digest = wechat::digest(digest.as_bytes());
    if let Some(media_id) = store.kept_media(kept_as, &digest, now)? {
        return Ok(media_id);
    }
    let added = file.add(api, MediaType::Video, Some(description))?;
    let confirmed = api.platform_time();
    let kept = store.keep_media(kept_as, &digest, &added.media_id, now + life, confirmed);
    out.warn_on_error(kept, UPLOADED_AGAIN);
    Ok(added.media_id)
}

/// Calls `send` with the media_ids of these attachments. If the platform refuses the message because a stored media_id
/// has expired, the files are uploaded again and `send` is called once more.
pub fn with_media<T>(
    attachments: &[&Attachment],
    api: &Client,
    store: &Store,
    out: &mut Output,
    send: impl Fn(Vec<String>) -> Result<T, ApiError>,
) -> Result<T, SendError> {
    let mut ids = || -> Result<Vec<String>, Failure> {
        let ids = attachments.iter().map(|one| one.media_id(api, store, out));
        ids.collect()
    };
    let first = ids().map_err(SendError::Before)?;
    match send(first.clone()) {
        Err(error) if error.action() == Action::UploadAgain => {
            let mut kept = false;
            for media_id in &first {
                kept |= store
                    .forget_media(media_id)
                    .map_err(|error| SendError::Before(error.into()))?;
            }
            if !kept {
                return Err(SendError::Call(error));
            }
            send(ids().map_err(SendError::Before)?).map_err(SendError::Call)
        }
        result => result.map_err(SendError::Call),
    }
}

/// Why [`with_media`] sent nothing.
#[derive(Debug)]
pub enum SendError {
    /// It failed before the call that sends.
    Before(Failure),
    /// The call that sends failed.
    Call(ApiError),
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        match error {
            SendError::Before(failure) => failure,
            SendError::Call(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some(Kind::Png)),
            (b"\xff\xd8\xff\xe0", Some(Kind::Jpeg)),
            (b"GIF89a", Some(Kind::Gif)),
            (b"#!AMR\n", Some(Kind::Amr)),
            (b"ID3\x04", Some(Kind::Mp3)),
            (b"\xff\xfb\x90", Some(Kind::Mp3)),
            (b"\0\0\0\x18ftypmp42", Some(Kind::Mp4)),
            (b"BM\x46\0\0\0\0\0\0\0\x36", Some(Kind::Bmp)),
            (b"BMW is no picture", None),
            (b"RIFF\x24\0\0\0WAVEfmt ", Some(Kind::Wav)),
            (b"RIFF\x24\0\0\0WEBPVP8 ", None),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6", Some(Kind::Wma)),
            (b"<svg>", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }
}
