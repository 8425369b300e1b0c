//! What `wechatd check` says of files: those that rules name, pictures of articles and files that are uploaded, and those
//! that followers send.

use serde::Serialize;

use crate::app::{MediaFolder, kept_as};
use crate::cli::terminal::{Failure, Output};
use crate::clock;
use crate::config::{Config, MediaFile, Picture};
use crate::store::{MediaCounts, Reader};
use crate::wechat::file::shown_size;

/// A picture of an article.
#[derive(Debug, Serialize)]
pub(super) struct ShownPicture {
    file: String,
    bytes: usize,
    url: String,
    /// Whether the store has it.
    stored: bool,
}

/// A file that rules answer with.
#[derive(Debug, Serialize)]
pub(super) struct ShownFile {
    file: String,
    #[serde(rename = "type")]
    media_type: &'static str,
    rules: Vec<String>,
    media_id: Option<String>,
    /// Why the last upload failed.
    failed: Option<String>,
}

/// The folder for files that followers send.
#[derive(Debug, Serialize)]
pub(super) struct ShownMedia {
    folder: String,
    #[serde(flatten)]
    counts: MediaCounts,
    /// Why nothing is fetched.
    problem: Option<String>,
}

impl ShownMedia {
    /// `None` without `store.media`.
    pub(super) fn of(
        config: &Config,
        reader: Option<&Reader>,
    ) -> Result<Option<ShownMedia>, Failure> {
        let Some(folder) = &config.store.media else {
            return Ok(None);
        };
        let counts = reader.map(Reader::media_counts).transpose()?;
        Ok(Some(ShownMedia {
            folder: folder.display().to_string(),
            counts: counts.unwrap_or_default(),
            problem: match config.api_rights() {
                Some(_) => MediaFolder::problem(folder, reader)?,
                None => Some(
                    "files are fetched with account.app_id and account.app_secret only".to_owned(),
                ),
            },
        }))
    }

    /// What keeps files from being fetched, as a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(format!("store.media: {problem}"))
    }

    pub(super) fn line(&self) -> String {
        let MediaCounts {
            fetched,
            waiting,
            failed,
        } = self.counts;
        format!(
            "{}: {fetched} fetched, {waiting} to be fetched, {failed} given up",
            self.folder
        )
    }
}

impl ShownPicture {
    /// All of them. Without a store none is in it.
    pub(super) fn all(
        config: &Config,
        reader: Option<&Reader>,
    ) -> Result<Vec<ShownPicture>, Failure> {
        let shown = |picture: &Picture| {
            let Picture {
                file,
                kind,
                address,
            } = picture;
            let has = |reader: &Reader| reader.has_picture(&file.hash, kind.media_type());
            Ok(ShownPicture {
                file: file.name.clone(),
                bytes: file.length,
                url: address.clone(),
                stored: reader.map(has).transpose()?.unwrap_or(false),
            })
        };
        config.pictures.iter().map(shown).collect()
    }

    pub(super) fn line(&self) -> String {
        let state = match self.stored {
            true => "",
            false => ", once the server has read the configuration",
        };
        let (file, url) = (&self.file, &self.url);
        format!("{file} ({}): {url}{state}", shown_size(self.bytes))
    }
}

impl ShownFile {
    /// All of them, each once.
    pub(super) fn all(config: &Config, reader: Option<&Reader>) -> Result<Vec<ShownFile>, Failure> {
        let mut all: Vec<(&MediaFile, ShownFile)> = Vec::new();
        for rule in &config.rules {
            let Some(file) = rule.action.media_file() else {
                continue;
            };
            if let Some((_, shown)) = all.iter_mut().find(|(known, _)| *known == file) {
                shown.rules.push(rule.name.clone());
                continue;
            }
            let app_id = config.account.app_id.as_deref().unwrap_or_default();
            let (kept_type, digest) = kept_as(file, app_id);
            let now = clock::unix_seconds();
            let (media_id, failed) = match reader {
                Some(reader) => (
                    reader.kept_media(&kept_type, &digest, now)?,
                    reader.failed_upload(&digest)?,
                ),
                None => (None, None),
            };
            let shown = ShownFile {
                file: file.file.name.clone(),
                media_type: file.media_type.name(),
                rules: vec![rule.name.clone()],
                failed: failed.filter(|_| media_id.is_none()),
                media_id,
            };
            all.push((file, shown));
        }
        Ok(all.into_iter().map(|(_, shown)| shown).collect())
    }

    pub(super) fn line(&self) -> String {
        let state = match (&self.media_id, &self.failed) {
            (Some(media_id), _) => format!("uploaded as {media_id}"),
            (None, Some(failed)) => format!("answers nothing, the upload failed: {failed}"),
            (None, None) => "answers nothing until the server has uploaded it".to_owned(),
        };
        let (file, media_type) = (&self.file, self.media_type);
        format!("{file} ({media_type}, {}): {state}", self.rules.join(", "))
    }
}

/// The lines below those of the rules.
pub(super) fn print(
    pictures: &[ShownPicture],
    files: &[ShownFile],
    out: &mut Output,
) -> Result<(), Failure> {
    let lists = [
        (
            "pictures",
            pictures.iter().map(ShownPicture::line).collect(),
        ),
        (
            "files",
            files.iter().map(ShownFile::line).collect::<Vec<_>>(),
        ),
    ];
    for (name, lines) in lists {
        if lines.is_empty() {
            continue;
        }
        out.line(&format!("{name:14} {}", lines.len()))?;
        for line in lines {
            out.line(&format!("  {line}"))?;
        }
    }
    Ok(())
}
