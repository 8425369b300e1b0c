//! A picture, recording or video on a command line: a media_id, or a local file, uploaded again only when it expires.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;

use super::arguments::one_of;
use crate::api::material::{AddedMaterial, VideoDescription};
use crate::api::media::{MAX_UPLOADIMG, MEDIA_LIFE, MediaType, Uploaded};
use crate::api::{Action, ApiError, Client};
use crate::cli::terminal::{Failure, Output};
use crate::clock;
use crate::store::{PERMANENT, PERMANENT_VIDEO, Store};
use crate::wechat;
pub use crate::wechat::file::{Kind, Lifetime};
use crate::wechat::file::{Unfit, Unsupported, shown_size};

/// A stored media_id is used if it is valid for at least this many seconds more, as mass messages are queued.
const MARGIN: i64 = 3600;

/// For how many seconds the store keeps what was added to the permanent material. There is a limit because it may be
/// deleted in the console, and then has to be uploaded again.
const KEPT_FOR_GOOD: i64 = 10 * 365 * 24 * 3600;

/// A file that was read, and what it is according to its first bytes.
#[derive(Debug)]
pub struct LocalFile {
    pub path: PathBuf,
    /// With the extension that fits its content.
    pub name: String,
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

/// The warning for a media_id that could not be stored.
const UPLOADED_AGAIN: &str =
    "the media_id could not be noted, and the file is uploaded again next time";

/// A parser for the platform's name of a type.
pub fn media_types() -> impl TypedValueParser<Value = MediaType> {
    one_of(MediaType::ALL.map(|one| (one.name(), one)))
}

/// A file cannot be sent.
fn unfit(path: &Path, why: &Unfit) -> Failure {
    let path = path.display();
    match why {
        Unfit::Unsupported(Unsupported { name, save_as }) => {
            let why = format!("{path}: is {name}, which WeChat does not take");
            Failure::wrong(why, format!("save it as {save_as}"))
        }
        Unfit::Unknown | Unfit::OtherType(..) => Failure::Wrong(format!("{path}: {why}")),
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
            return Err(wrong(format!(
                "has {} KiB, and WeChat takes {}",
                about.len() >> 10,
                shown_size(most)
            )));
        }
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let kind = Kind::of(&bytes).map_err(|why| unfit(path, &why))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = kind.named(&name);
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

    /// Reads a picture for use inside an article.
    ///
    /// # Errors
    /// [`Failure::Wrong`] for a file that cannot be one.
    pub fn read_for_article(path: &Path) -> Result<LocalFile, Failure> {
        let file = LocalFile::read(path, MAX_UPLOADIMG - 1)?;
        match file.kind {
            Kind::Png | Kind::Jpeg => Ok(file),
            Kind::Gif | Kind::Bmp | Kind::Amr | Kind::Mp3 | Kind::Wma | Kind::Wav | Kind::Mp4 => {
                Err(Failure::Wrong(format!(
                    "{}: a picture inside an article is PNG or JPEG: save it as one of them",
                    path.display()
                )))
            }
        }
    }

    /// Checks that the file can be sent as this type.
    fn check(&self, media_type: MediaType, lifetime: Lifetime) -> Result<(), Failure> {
        let checked = self.kind.check(media_type, lifetime);
        checked.map_err(|why| unfit(&self.path, &why))
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
                    "--title and --introduction go with a file only: WeChat has those of a media_id".to_owned(),
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
    let VideoDescription {
        title,
        introduction,
    } = description;
    let digest = format!("{} {title}\n{introduction}", file.digest(api));
    let digest = wechat::digest(digest.as_bytes());
    kept_for_good(PERMANENT_VIDEO, &digest, api, store, out, || {
        file.add(api, MediaType::Video, Some(description))
    })
}

/// The media_id of a picture in the permanent material, to which it is added unless the store has it already.
pub fn add_once(
    file: &LocalFile,
    api: &Client,
    store: &Store,
    out: &mut Output,
) -> Result<String, Failure> {
    let kept_as = format!("{PERMANENT}{}", MediaType::Image.name());
    kept_for_good(&kept_as, &file.digest(api), api, store, out, || {
        file.add(api, MediaType::Image, None)
    })
}

fn kept_for_good(
    kept_as: &str,
    digest: &str,
    api: &Client,
    store: &Store,
    out: &mut Output,
    add: impl FnOnce() -> Result<AddedMaterial, Failure>,
) -> Result<String, Failure> {
    let now = clock::unix_seconds();
    if let Some(media_id) = store.kept_media(kept_as, digest, now)? {
        return Ok(media_id);
    }
    let added = add()?;
    let confirmed = api.platform_time();
    let until = now + KEPT_FOR_GOOD;
    let kept = store.keep_media(kept_as, digest, &added.media_id, until, confirmed);
    out.warn_on_error(kept, UPLOADED_AGAIN);
    Ok(added.media_id)
}

/// Calls `send` with the media_ids of these attachments. If the platform refuses the message because a stored media_id
/// has expired, the files are uploaded again and `send` is called once more.
pub fn with_media<T, E: Into<SendError>>(
    attachments: &[&Attachment],
    api: &Client,
    store: &Store,
    out: &mut Output,
    send: impl Fn(Vec<String>) -> Result<T, E>,
) -> Result<T, SendError> {
    let send = |ids| send(ids).map_err(Into::into);
    let mut ids = || -> Result<Vec<String>, Failure> {
        let ids = attachments.iter().map(|one| one.media_id(api, store, out));
        ids.collect()
    };
    let first = ids().map_err(SendError::Before)?;
    match send(first.clone()) {
        Err(SendError::Call(error)) if error.action() == Action::UploadAgain => {
            let mut kept = false;
            for media_id in &first {
                kept |= store
                    .forget_media(media_id)
                    .map_err(|error| SendError::Before(error.into()))?;
            }
            if !kept {
                return Err(SendError::Call(error));
            }
            send(ids().map_err(SendError::Before)?)
        }
        result => result,
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

impl From<ApiError> for SendError {
    fn from(error: ApiError) -> SendError {
        SendError::Call(error)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        match error {
            SendError::Before(failure) => failure,
            SendError::Call(error) => error.into(),
        }
    }
}
