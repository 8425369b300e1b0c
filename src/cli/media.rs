//! `wechatd media …`: uploads files to the platform and fetches them.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::input::NotBlank;
use super::input::attachment::{Lifetime, LocalFile, media_types};
use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain, download};
use crate::api::media::{MEDIA_LIFE, Media, MediaType};
use crate::clock;
use crate::config::Config;
use crate::counted::counted;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Upload a file for messages; it expires after three days
    #[command(after_help = "Examples:
  wechatd media upload photo.jpg
  wechatd media upload cover.jpg --type thumb --json | jq -r .media_id

image: PNG, JPEG or GIF, 10 MiB; voice: AMR or MP3, 2 MiB and 60 s; video: MP4, 10 MiB; thumb: JPEG, 64 KiB.

For rules and the menu use `wechatd material upload`, whose media_id does not expire. `wechatd send` and `mass send` upload files themselves, and reuse them until they expire.")]
    Upload {
        /// The file
        file: PathBuf,
        /// image, voice, video or thumb [default: by the file's content]
        #[arg(long = "type", value_name = "TYPE", value_parser = media_types())]
        media_type: Option<MediaType>,
        #[command(flatten)]
        json: Json,
    },
    /// Download a file by its media_id, such as that of a message
    #[command(after_help = "Examples:
  wechatd media get MEDIA_ID --out photo.jpg
  wechatd media get MEDIA_ID > photo.jpg
  wechatd media get MEDIA_ID --speex --out voice.speex

For a video WeChat gives a URL, which is printed.")]
    Get {
        /// Its media_id
        media_id: NotBlank,
        /// A recording that a web page made with the JS-SDK, as Speex at 16 kHz instead of AMR
        #[arg(long)]
        speex: bool,
        /// Where to write it [default: standard output, if that is no terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Upload a picture for an article's text, and print its URL
    #[command(after_help = "Example:
  wechatd media image cover.png

JPEG or PNG, less than 1 MiB. It never expires and does not count as material.")]
    Image {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Upload {
            file,
            media_type,
            json,
        } => upload(config, &file, media_type, json),
        Commands::Get {
            media_id,
            speex,
            out,
        } => get(config, &media_id, speex, out.as_deref()),
        Commands::Image { file, json } => image(config, &file, json),
    }
}

fn upload(
    config: &Config,
    path: &Path,
    media_type: Option<MediaType>,
    json: Json,
) -> Result<(), Failure> {
    let (file, media_type) = LocalFile::read_as(path, media_type, Lifetime::ThreeDays)?;
    let (store, api) = connect(config)?;
    let mut out = Output::for_change();
    let uploaded = file.upload(&api, &store, media_type, &mut out)?;
    let created_at = uploaded.created_at.unwrap_or_else(clock::unix_seconds);
    let value = json!({
        "type": media_type.name(), "media_id": uploaded.media_id, "expires_at": created_at + MEDIA_LIFE,
    });
    out.answer(json, &value, &uploaded.media_id)
}

fn get(config: &Config, media_id: &str, speex: bool, out: Option<&Path>) -> Result<(), Failure> {
    download::check_destination(out)?;
    let (_store, api) = connect(config)?;
    let fetch = |to: &mut dyn Write| match speex {
        true => api.media_get_jssdk(media_id, to),
        false => api.media_get(media_id, to),
    };
    let found = download::fetch(out, fetch, |found| matches!(found, Media::File(_)))?;
    match (found, out) {
        (Media::File(saved), Some(path)) => {
            complain(&format!(
                "{}: {}",
                path.display(),
                counted(saved.length, "byte")
            ));
            Ok(())
        }
        (Media::File(_), None) => Ok(()),
        (Media::Video { video_url }, out) => download::video(&video_url, out),
    }
}

fn image(config: &Config, path: &Path, json: Json) -> Result<(), Failure> {
    let file = LocalFile::read_for_article(path)?;
    let (_store, api) = connect(config)?;
    let url = api.media_uploadimg(&file.name, &file.bytes)?;
    Output::for_change().answer(json, &json!({ "url": url }), &url)
}
