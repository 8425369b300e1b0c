//! Files beside `wechat.conf` that rules name: pictures for the web part to serve, and files that answers consist of.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::Web;
use super::value::{self, Parsed};
use crate::wechat::file::{Kind, Lifetime, MediaType, shown_size};

/// The most pictures, and the most other files.
const MOST: usize = 200;

/// The largest picture, in bytes.
const MAX_PICTURE: usize = 2 << 20;

/// The largest file of all, in bytes.
const LARGEST: usize = 10 << 20;

/// A file that was read with the configuration. Its bytes are read again when they are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// As the configuration names it.
    pub name: String,
    /// Where it is, without links.
    path: PathBuf,
    /// In bytes.
    pub length: usize,
    /// The SHA-256 of its content, in lower-case hexadecimal digits.
    pub hash: String,
    /// What it is by its content.
    pub kind: Kind,
}

/// A picture of an article, which the web part serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub file: LocalFile,
    /// What it is by its content.
    pub kind: PictureKind,
    /// The whole address that it is served under. It changes with the content.
    pub address: String,
}

/// What a picture of an article may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

/// A file that an answer consists of, to be uploaded as permanent material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Of a kind that fits the type.
    pub file: LocalFile,
    /// What it is sent as.
    pub media_type: MediaType,
}

/// What a rule names for a picture, a recording, a video or a thumb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// What the platform calls an uploaded file.
    Id(String),
    /// A file beside the configuration.
    File(MediaFile),
}

impl LocalFile {
    /// The content, as it was when the configuration was read.
    ///
    /// # Errors
    /// When the file cannot be read or has changed; what it is, for behind its name.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = content(&self.path, LARGEST)?;
        match sha256(&bytes) == self.hash {
            true => Ok(bytes),
            false => Err("has changed since the configuration was read; reload it".to_owned()),
        }
    }

    /// The name of the file, with an extension that fits its content.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = Path::new(&self.name).file_name().unwrap_or_default();
        self.kind.named(&name.to_string_lossy())
    }

    /// Reads the file of this name in `folder`.
    fn read(
        folder: &Path,
        name: &str,
        most: usize,
        kind: impl Fn(Kind) -> Result<(), String>,
    ) -> Parsed<LocalFile> {
        value::no_control(name, &[])?;
        let named = folder.join(name);
        let is = |what: &str| format!("{} {what}", named.display());
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {}", named.display()),
            _ => is(&format!("cannot be read: {error}")),
        };
        // Alone, the name of the configuration stands for one in the folder of the process.
        let folder = Path::new(".").join(folder);
        let path = folder.join(name).canonicalize().map_err(failed)?;
        if !path.starts_with(folder.canonicalize().map_err(failed)?) {
            return Err(is(
                "is outside the folder of the configuration; copy it there",
            ));
        }
        let bytes = content(&path, most).map_err(|what| is(&what))?;
        let found = match Kind::of(&bytes) {
            Ok(found) => kind(found).map(|()| found),
            Err(why) => Err(why.to_string()),
        };
        Ok(LocalFile {
            name: name.to_owned(),
            length: bytes.len(),
            hash: sha256(&bytes),
            kind: found.map_err(|what| is(&what))?,
            path,
        })
    }
}

impl MediaFile {
    /// The same for the same content as the same type.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.media_type.name(), self.file.hash)
    }
}

impl PictureKind {
    /// All of them.
    pub const ALL: [PictureKind; 2] = [PictureKind::Jpeg, PictureKind::Png];

    fn of(kind: Kind) -> Parsed<PictureKind> {
        match kind {
            Kind::Jpeg => Ok(PictureKind::Jpeg),
            Kind::Png => Ok(PictureKind::Png),
            Kind::Gif | Kind::Bmp | Kind::Amr | Kind::Mp3 | Kind::Wma | Kind::Wav | Kind::Mp4 => {
                Err(format!(
                    "is {kind}, and a picture of an article is JPEG or PNG"
                ))
            }
        }
    }

    /// The end of its name on the web.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            PictureKind::Jpeg => "jpg",
            PictureKind::Png => "png",
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            PictureKind::Jpeg => "image/jpeg",
            PictureKind::Png => "image/png",
        }
    }
}

/// The files of the rules that are being parsed.
pub(super) struct LocalFiles {
    folder: PathBuf,
    /// The address before the hash of a picture.
    base: Result<String, &'static str>,
    pictures: RefCell<Vec<Picture>>,
    media: RefCell<Vec<MediaFile>>,
    /// Where the first file stands that is to be uploaded.
    first_media: Cell<Option<usize>>,
}

impl LocalFiles {
    /// `is_web`: there is a `web.url`, maybe with a mistake.
    pub(super) fn beside(file: &Path, web: &Web, is_web: bool) -> LocalFiles {
        let base = match (&web.url, is_web) {
            (Some(url), _) => Ok(format!("{url}{}/p/", web.path)),
            // Its mistake is reported.
            (None, true) => Ok(String::new()),
            (None, false) => Err(
                "is a file, and only the web part serves files: set web.url, or write an address that begins with https://",
            ),
        };
        LocalFiles {
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
            base,
            pictures: RefCell::default(),
            media: RefCell::default(),
            first_media: Cell::default(),
        }
    }

    /// All pictures, each once.
    pub(super) fn pictures(self) -> Vec<Picture> {
        self.pictures.into_inner()
    }

    /// The byte at which the first file stands that is to be uploaded.
    pub(super) fn first_media(&self) -> Option<usize> {
        self.first_media.get()
    }

    /// The address of a picture.
    pub(super) fn picture(&self, name: &str) -> Parsed<String> {
        let base = self
            .base
            .as_ref()
            .map_err(|why| format!("{name:?} {why}"))?;
        let mut pictures = self.pictures.borrow_mut();
        let known = pictures.iter().find(|picture| picture.file.name == name);
        if let Some(known) = known {
            return Ok(known.address.clone());
        }
        if pictures.len() >= MOST {
            return Err(format!(
                "there can be {MOST} pictures; this one is one more"
            ));
        }
        let file = LocalFile::read(&self.folder, name, MAX_PICTURE, |kind| {
            PictureKind::of(kind).map(drop)
        })?;
        let kind = PictureKind::of(file.kind)?;
        let address = format!("{base}{}.{}", file.hash, kind.extension());
        pictures.push(Picture {
            file,
            kind,
            address: address.clone(),
        });
        Ok(address)
    }

    /// A media_id, or a file: only files have dots or slashes in their names.
    pub(super) fn media(&self, value: &value::Value, media_type: MediaType) -> Parsed<Media> {
        let text = value::string(value)?.trim().to_owned();
        if text.is_empty() {
            return Err("cannot be empty".to_owned());
        }
        if !text.contains(['.', '/']) {
            return Ok(Media::Id(text));
        }
        let mut media = self.media.borrow_mut();
        let is_same = |one: &&MediaFile| one.file.name == text && one.media_type == media_type;
        let file = match media.iter().find(is_same) {
            Some(known) => known.clone(),
            None if media.len() >= MOST => {
                return Err(format!("there can be {MOST} files; this one is one more"));
            }
            None => {
                let fits = |kind: Kind| {
                    let fits = kind.check(media_type, Lifetime::Permanent);
                    fits.map_err(|why| why.to_string())
                };
                let file = LocalFile::read(&self.folder, &text, media_type.max_bytes(), fits)?;
                let file = MediaFile { file, media_type };
                media.push(file.clone());
                file
            }
        };
        let at = value.span().start;
        self.first_media
            .set(Some(self.first_media.get().unwrap_or(at)));
        Ok(Media::File(file))
    }
}

/// Reads a regular file of at most `most` bytes.
fn content(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("cannot be read: {error}");
    let about = fs::metadata(path).map_err(failed)?;
    // Opening a FIFO would wait for a writer.
    if !about.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).map_or(u64::MAX, |most| most.saturating_add(1));
    let opened = File::open(path).map_err(failed)?;
    opened.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() {
        0 => Err("is empty".to_owned()),
        length if length > most => Err(too_large(most)),
        _ => Ok(bytes),
    }
}

fn too_large(most: usize) -> String {
    format!("is larger than {}", shown_size(most))
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
