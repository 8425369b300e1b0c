//! Fetches the pictures, recordings and videos that followers send to the folder `store.media`, and removes those whose
//! message is gone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::failing::{Backoff, Failing};
use crate::api::media::MEDIA_LIFE;
use crate::api::{ApiError, Client};
use crate::app::{App, Duty, MediaFolder};
use crate::clock;
use crate::notifier::Woken;
use crate::store::{DueMedia, Reader, Store, StoreError};
use crate::wechat::file::Kind;

/// Between two looks for files whose message is gone.
const ROUND: Duration = Duration::from_secs(3_600);

/// Between two looks whether another server still fetches.
const ROUND_ELSEWHERE: Duration = Duration::from_secs(1);

/// Between two files, so that other calls come first.
const BREATH: Duration = Duration::from_millis(20);

/// While the platform or the folder fails.
const BACKOFF: Backoff = Backoff::seconds(5, 900);

/// The pause before the next try of one file, in seconds: doubled with each, up to an hour.
const AGAIN: i64 = 30;
const LONGEST: i64 = 3_600;

/// The errcode of a media_id that has expired.
const EXPIRED: i64 = 40_007;

/// Why a file is not there.
enum Failed {
    /// It never will be.
    Given(String),
    /// This file; another may come.
    One(String, Duration),
    /// None can be fetched now: the folder, or the store.
    All(String),
}

/// The folder in use.
struct InUse {
    folder: MediaFolder,
    path: PathBuf,
    reader: Reader,
    swept: Option<Instant>,
}

/// Runs until the notifier is closed, or `store.media` is taken out of the configuration. A notification means that
/// there may be a file to fetch, or that the configuration has changed.
pub(super) fn run(app: &App) {
    let api = app.api.as_ref().map(|api| api.once());
    let mut failing = Failing::default();
    let mut in_use: Option<InUse> = None;
    while let Some(path) = app.fetching_goes_on() {
        if in_use.as_ref().is_some_and(|in_use| in_use.path != path) {
            in_use = None;
        }
        let Some(store) = app.duties.store(Duty::Media) else {
            in_use = None;
            match app.notifiers.media.pause(ROUND_ELSEWHERE) {
                Woken::Closing => return,
                Woken::Notified | Woken::TimedOut => continue,
            }
        };
        let pause = match round(&store, api.as_ref(), &path, &mut in_use) {
            Ok(pause) => {
                if failing.succeeded() {
                    log::info!("store.media: files are fetched again");
                }
                pause
            }
            Err((text, least)) => {
                // The folder or the store may have been replaced.
                in_use = None;
                failing.failed(&text, BACKOFF.at_least(least), |_| {
                    log::warn!("store.media: nothing is fetched: {text}");
                })
            }
        };
        // While something fails, new pushes do not lead to more tries.
        let woken = match failing.is_over() {
            true => app.notifiers.media.wait(app.duties.look_within(pause)),
            false => app.notifiers.media.pause(pause),
        };
        if woken == Woken::Closing {
            return;
        }
    }
}

/// Sweeps the folder if it is time, and fetches one file if one is due. Returns the pause before the next round.
///
/// # Errors
/// What fails, and the least pause that it asks for.
fn round(
    store: &Store,
    api: Option<&Client>,
    path: &Path,
    in_use: &mut Option<InUse>,
) -> Result<Duration, (String, Duration)> {
    let now = clock::unix_seconds();
    let at_once = |text: String| (text, Duration::ZERO);
    let of_store = |error: StoreError| at_once(error.to_string());
    let InUse {
        folder,
        reader,
        swept,
        ..
    } = match in_use {
        Some(in_use) => in_use,
        None => {
            let folder = MediaFolder::take(path, store).map_err(at_once)?;
            let reader = store.reader().map_err(of_store)?;
            let since = now.saturating_sub(MEDIA_LIFE);
            store.queue_media(&reader, since).map_err(of_store)?;
            in_use.insert(InUse {
                folder,
                path: path.to_owned(),
                reader,
                swept: None,
            })
        }
    };
    if swept.is_none_or(|at| at.elapsed() >= ROUND) {
        folder.sweep(reader).map_err(at_once)?;
        *swept = Some(Instant::now());
    }
    let Some(api) = api else { return Ok(ROUND) };
    let Some(due) = reader.due_media(now).map_err(of_store)? else {
        let next = reader.next_media().map_err(of_store)?;
        let seconds = next.map_or(i64::MAX, |next| next.saturating_sub(now).max(1));
        let pause = u64::try_from(seconds).map_or(ROUND, Duration::from_secs);
        return Ok(pause.min(ROUND));
    };
    match fetch(store, api, folder, &due) {
        Ok(()) => Ok(BREATH),
        Err(Failed::Given(text)) => {
            give_up(store, &due, &text).map_err(of_store)?;
            Ok(BREATH)
        }
        Err(Failed::One(text, least)) => {
            // An hour more, as the clocks may differ.
            if now > due.received_at.saturating_add(MEDIA_LIFE + 3_600) {
                let why = format!("WeChat keeps files for three days, until then: {text}");
                give_up(store, &due, &why).map_err(of_store)?;
                return Ok(BREATH);
            }
            let pause = AGAIN << due.attempts.min(7);
            let next_at = now.saturating_add(pause.min(LONGEST));
            store
                .media_failed(&due, &text, Some(next_at))
                .map_err(of_store)?;
            Err((text, least))
        }
        Err(Failed::All(text)) => Err(at_once(text)),
    }
}

fn give_up(store: &Store, due: &DueMedia, why: &str) -> Result<(), StoreError> {
    store.media_failed(due, why, None)?;
    log::warn!(
        "store.media: the file of message {} is given up: {why}",
        due.message_id
    );
    Ok(())
}

/// Fetches a file. It gets its name after the store knows of it, so that whoever removes the message finds it.
fn fetch(store: &Store, api: &Client, folder: &MediaFolder, due: &DueMedia) -> Result<(), Failed> {
    let id = due.message_id.to_string();
    let of_disk = |error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on the disk",
            _ => "",
        };
        Failed::All(format!("the folder: {error}{advice}"))
    };
    let mut part = folder.start(&id).map_err(of_disk)?;
    let mut writing = Writing {
        to: &mut part,
        refused: None,
    };
    let saved = api.media_file(&due.media_id, &mut writing);
    if let Some(error) = writing.refused {
        return Err(of_disk(error));
    }
    saved?;
    let start = part.start_of_content().map_err(of_disk)?;
    let (extension, media_type) = kind_of(&start)
        .ok_or_else(|| Failed::One("what came is text, and no file".to_owned(), Duration::ZERO))?;
    let name = format!("{id}.{extension}");
    if !store.name_media(due, &name)? {
        return Ok(());
    }
    let finished = part.finish(&name);
    // Who removed the message meanwhile may have removed the file, too.
    let is_kept = finished.is_ok() && store.media_fetched(due, media_type)?;
    if !is_kept {
        folder.remove(&name).map_err(of_disk)?;
    }
    match finished {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of_disk(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The extension and the media type of a file by its content; `None` for text, such as a page that says what is wrong.
fn kind_of(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let media_type = match Kind::of(start).ok() {
        Some(Kind::Png) => "image/png",
        Some(Kind::Jpeg) => "image/jpeg",
        Some(Kind::Gif) => "image/gif",
        Some(Kind::Bmp) => "image/bmp",
        Some(Kind::Amr) => "audio/amr",
        Some(Kind::Mp3) => "audio/mpeg",
        Some(Kind::Wma) => "audio/x-ms-wma",
        Some(Kind::Wav) => "audio/wav",
        Some(Kind::Mp4) => "video/mp4",
        None => {
            let text = |c: char| !c.is_control() || c.is_whitespace();
            let is_text = String::from_utf8_lossy(start)
                .trim_end_matches('\u{fffd}')
                .chars()
                .all(|c| text(c) && c != '\u{fffd}');
            return (!is_text).then_some(("bin", "application/octet-stream"));
        }
    };
    let kind = Kind::of(start).ok()?;
    Some((kind.extensions()[0], media_type))
}

/// Keeps an error of the disk, to tell it from one of the platform.
struct Writing<'a> {
    to: &'a mut dyn Write,
    refused: Option<io::Error>,
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.refused = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Failed {
        match error.errcode() {
            Some(EXPIRED) => Failed::Given(error.to_string()),
            Some(_) | None => Failed::One(error.to_string(), error.action().least_pause()),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::All(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_never_taken_for_a_picture() {
        for (start, extension) in [
            (&b"GIF89a of a picture"[..], Some("gif")),
            (b"#!AMR\n", Some("amr")),
            (b"\x00\x01\x02\xff\xfe", Some("bin")),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Some("bin")),
            (b"<!doctype html><title>502</title>", None),
            (b"{\"errcode\":-1}", None),
            ("系统繁忙".as_bytes(), None),
            (b"", None),
        ] {
            let found = kind_of(start).map(|(extension, _)| extension);
            assert_eq!(found, extension, "{}", String::from_utf8_lossy(start));
        }
    }
}
