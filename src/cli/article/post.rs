//! An article in a Markdown file: read and checked with its pictures before anything is uploaded.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::front_matter::{self, FrontMatter};
use super::markdown::{self, Rendered};
use crate::api::draft::{CONTENT_BYTES, DraftArticle, NewsArticle};
use crate::api::errcode::INVALID_MEDIA_ID;
use crate::api::media::MediaType;
use crate::api::{ApiError, Client};
use crate::byte_order_mark;
use crate::cli::input::attachment::{Lifetime, LocalFile, add_once};
use crate::cli::terminal::{Failure, Output};
use crate::counted::counted;
use crate::percent;
use crate::store::Store;

/// The length assumed of the address of a picture that is not uploaded yet; real ones have about 130 characters.
const ASSUMED_URL: usize = 160;

/// An article with its pictures.
#[derive(Debug)]
pub(super) struct Post {
    front: FrontMatter,
    text: Rendered,
    /// The files of [`Rendered::pictures`].
    pictures: Vec<LocalFile>,
    cover: Cover,
}

#[derive(Debug)]
enum Cover {
    MediaId(String),
    File(Box<LocalFile>),
}

impl Post {
    /// Whether a file is read as Markdown, by its name.
    pub fn is_at(path: &Path) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| {
            ["md", "markdown"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        })
    }

    /// Reads the file and all its pictures. Makes no call.
    ///
    /// # Errors
    /// [`Failure::Wrong`] for whatever WeChat would refuse or drop.
    pub fn read(path: &Path) -> Result<Post, Failure> {
        let wrong = |what: String| Failure::Wrong(format!("{}: {what}", path.display()));
        let long = fs::metadata(path)
            .map_err(|error| wrong(error.to_string()))?
            .len();
        if usize::try_from(long).map_or(true, |long| long >= CONTENT_BYTES) {
            return Err(wrong(
                "it has 1 MiB or more, and WeChat takes less".to_owned(),
            ));
        }
        let file = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let parts = front_matter::split(byte_order_mark::skip(&file)).map_err(wrong)?;
        let text = markdown::render(parts.body, parts.body_line).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let picture = |picture: &markdown::Picture| {
            let file = beside(folder, &picture.path);
            if !file.exists() {
                let (line, named) = (picture.line, &picture.path);
                return Err(wrong(format!("line {line}: there is no picture {named}")));
            }
            LocalFile::read_for_article(&file)
        };
        let pictures = text
            .pictures
            .iter()
            .map(picture)
            .collect::<Result<_, _>>()?;
        let cover = Cover::find(folder, &parts.front.cover).map_err(|failure| match failure {
            None => wrong(format!(
                "cover: there is no file {}, and a media_id has letters, digits, - and _ only",
                parts.front.cover
            )),
            Some(failure) => failure,
        })?;
        let post = Post {
            front: parts.front,
            text,
            pictures,
            cover,
        };
        let assumed = "u".repeat(ASSUMED_URL);
        let article = post.article(post.text.html(|_| &assumed), "MEDIA_ID".to_owned());
        DraftArticle::News(article).check().map_err(wrong)?;
        Ok(post)
    }

    /// What a reader of the article will miss, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.text.outside {
            0 => {}
            1 => warnings.push(
                "1 link leads outside WeChat, which drops it: its address is shown as text".to_owned(),
            ),
            many => warnings.push(format!(
                "{many} links lead outside WeChat, which drops them: their addresses are shown as text"
            )),
        }
        if !self.text.dead.is_empty() {
            let many = counted(self.text.dead.len(), "link");
            let list = self.text.dead.join(", ");
            warnings.push(format!(
                "{many} without an address of the web stay plain text: {list}"
            ));
        }
        warnings
    }

    /// The HTML with the names of the files in the place of their addresses.
    pub fn preview(&self) -> String {
        self.text.html(|number| &self.text.pictures[number].path)
    }

    /// The same and all else, for programs.
    pub fn preview_as_json(&self) -> Value {
        let pictures: Vec<&str> = self
            .text
            .pictures
            .iter()
            .map(|one| one.path.as_str())
            .collect();
        json!({
            "dry_run": true,
            "title": self.front.title,
            "author": self.front.author,
            "digest": self.front.digest,
            "cover": self.front.cover,
            "pictures": pictures,
            "content": self.preview(),
        })
    }

    /// Uploads the pictures, each once, then the cover, unless the store knows that it was uploaded, and calls `send`
    /// with the article. If the cover was deleted since, it is uploaded again and `send` is called once more.
    pub fn send<T>(
        &self,
        api: &Client,
        store: &Store,
        out: &mut Output,
        send: impl Fn(NewsArticle) -> Result<T, ApiError>,
    ) -> Result<T, Failure> {
        let upload = |file: &LocalFile| api.media_uploadimg(&file.name, &file.bytes);
        let urls: Vec<String> = self.pictures.iter().map(upload).collect::<Result<_, _>>()?;
        let content = self.text.html(|number| &urls[number]);
        let file = match &self.cover {
            Cover::MediaId(media_id) => return Ok(send(self.article(content, media_id.clone()))?),
            Cover::File(file) => file,
        };
        let cover = add_once(file, api, store, out)?;
        match send(self.article(content.clone(), cover.clone())) {
            Err(error) if error.errcode() == Some(INVALID_MEDIA_ID) => {
                store.forget_media(&cover)?;
                let cover = add_once(file, api, store, out)?;
                Ok(send(self.article(content, cover))?)
            }
            sent => Ok(sent?),
        }
    }

    fn article(&self, content: String, thumb_media_id: String) -> NewsArticle {
        NewsArticle {
            title: self.front.title.clone(),
            author: self.front.author.clone().unwrap_or_default(),
            digest: self.front.digest.clone().unwrap_or_default(),
            content,
            thumb_media_id,
            ..NewsArticle::default()
        }
    }
}

impl Cover {
    /// Reads the file that `named` is, or takes it as a media_id; `None` for the error that it is neither.
    fn find(folder: &Path, named: &str) -> Result<Cover, Option<Failure>> {
        let path = beside(folder, named);
        if path.exists() {
            let read = LocalFile::read_as(&path, Some(MediaType::Image), Lifetime::Permanent);
            return read
                .map(|(file, _)| Cover::File(Box::new(file)))
                .map_err(Some);
        }
        let media_id = named
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match media_id {
            true => Ok(Cover::MediaId(named.to_owned())),
            false => Err(None),
        }
    }
}

/// The file of this name beside the article. Editors write a space in it as `%20`.
fn beside(folder: &Path, named: &str) -> PathBuf {
    let as_written = folder.join(named);
    match percent::decode(named) {
        Some(decoded) if !as_written.exists() => folder.join(&*decoded),
        Some(_) | None => as_written,
    }
}
