//! `wechatd material …`: permanent files and articles, which the platform keeps until they are deleted.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::input::attachment::{Lifetime, LocalFile, media_types};
use super::input::{NotBlank, Yes, confirm, limit, one_of};
use super::platform::{connect, in_pages};
use super::terminal::{
    Failure, Json, Output, WholeFile, cell, complain, download, text, time, whole,
};
use crate::api::ApiError;
use crate::api::material::{MATERIAL_PAGE, Material, MaterialItem, MaterialType, VideoDescription};
use crate::api::media::MediaType;
use crate::config::Config;
use crate::counted::counted;
use crate::local_time;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the permanent material, newest of each type first
    #[command(after_help = "Examples:
  wechatd material list
  wechatd material list --type news --limit 500 --json

Material made in the console is listed, too.")]
    List {
        /// image, voice, video or news [default: all of them]
        #[arg(long = "type", value_name = "TYPE", value_parser = one_of(MaterialType::ALL.map(|one| (one.name(), one))))]
        material_type: Option<MaterialType>,
        /// At most this many of each type
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit, allow_negative_numbers = true)]
        limit: u32,
        #[command(flatten)]
        json: Json,
    },
    /// Count the permanent material of each type
    #[command(after_help = "Example:
  wechatd material count")]
    Count {
        #[command(flatten)]
        json: Json,
    },
    /// Upload a permanent file, and print its media_id
    #[command(after_help = "Examples:
  wechatd material upload cover.jpg
  wechatd material upload tour.mp4 --title 'The house' \\
      --introduction 'In 90 seconds'
  wechatd material upload cover.jpg --json | jq -r .url

image: PNG, JPEG, GIF or BMP, 10 MiB; voice: AMR, MP3, WMA or WAV, 2 MiB and 60 s; video: MP4, 10 MiB; thumb: JPEG, 64 KiB.

An account has 100000 pictures, and 1000 of each other kind. For a few days' use there is `wechatd media upload`.")]
    Upload {
        /// The file
        file: PathBuf,
        /// image, voice, video or thumb [default: by the file's content]
        #[arg(long = "type", value_name = "TYPE", value_parser = media_types())]
        media_type: Option<MediaType>,
        /// The title of a video, which needs one
        #[arg(long)]
        title: Option<String>,
        /// A few words about a video
        #[arg(long)]
        introduction: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Download a file or articles
    #[command(after_help = "Examples:
  wechatd material get MEDIA_ID --out cover.jpg
  wechatd material get MEDIA_ID > article.json

Articles come as JSON, in the form that `wechatd article draft` takes. For a video WeChat gives a URL, which is printed.")]
    Get {
        /// Its media_id; `wechatd material list` shows them
        media_id: NotBlank,
        /// Where to write it [default: standard output, if that is no terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete a file or articles
    #[command(after_help = "Example:
  wechatd material delete MEDIA_ID

Messages sent with it keep it. WeChat refuses while an auto-reply or a menu uses it.")]
    Delete {
        /// Its media_id; `wechatd material list` shows them
        media_id: NotBlank,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List {
            material_type,
            limit,
            json,
        } => list(config, material_type, limit, json),
        Commands::Count { json } => count(config, json),
        Commands::Upload {
            file,
            media_type,
            title,
            introduction,
            json,
        } => upload(config, &file, media_type, title, introduction, json),
        Commands::Get { media_id, out } => get(config, &media_id, out.as_deref()),
        Commands::Delete {
            media_id,
            yes,
            json,
        } => delete(config, &media_id, yes, json),
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(rename = "type")]
    material_type: &'static str,
    media_id: String,
    /// The name of a file.
    name: Option<String>,
    /// The titles of articles.
    titles: Vec<String>,
    /// Unix seconds.
    update_time: Option<i64>,
    url: Option<String>,
}

fn list(
    config: &Config,
    material_type: Option<MaterialType>,
    limit: u32,
    json: Json,
) -> Result<(), Failure> {
    let (_, api) = connect(config)?;
    let types = material_type.map_or(MaterialType::ALL.to_vec(), |one| vec![one]);
    let mut shown = Vec::new();
    let mut left_out = Vec::new();
    for material_type in types {
        let listed = in_pages(limit, MATERIAL_PAGE, |offset, count| {
            let page = api.batchget_material(material_type, offset, count)?;
            Ok::<_, ApiError>((page.items, page.total_count))
        })?;
        if let Some(part) = listed.left_out() {
            left_out.push(format!("{part} {}", material_type.name()));
        }
        let items = listed.items.into_iter();
        shown.extend(items.map(|item| as_shown(material_type, item)));
    }
    if !left_out.is_empty() {
        complain(&format!(
            "{} are shown; --limit shows more",
            left_out.join(", ")
        ));
    }
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&shown);
    }
    let row = |item: &Shown| {
        let name = match item.titles.is_empty() {
            true => item.name.clone().unwrap_or_default(),
            false => item.titles.join(" / "),
        };
        [
            item.material_type.to_owned(),
            cell(&item.media_id, 80),
            item.update_time.map(local_time::format).unwrap_or_default(),
            cell(&name, 60),
        ]
    };
    let nothing = match material_type {
        Some(one) => format!("WeChat keeps nothing of the type {}", one.name()),
        None => "WeChat keeps nothing".to_owned(),
    };
    let rows: Vec<[String; 4]> = shown.iter().map(row).collect();
    out.table(
        [
            whole("type"),
            whole("media_id"),
            time("updated"),
            text("name"),
        ],
        &rows,
        &nothing,
    )?;
    out.done()
}

fn as_shown(material_type: MaterialType, item: MaterialItem) -> Shown {
    let articles = item.content.map(|content| content.news_item);
    let titles = articles.unwrap_or_default().into_iter();
    Shown {
        material_type: material_type.name(),
        media_id: item.media_id,
        name: item.name,
        titles: titles
            .map(|article| article.title.unwrap_or_default())
            .collect(),
        update_time: item.update_time,
        url: item.url,
    }
}

fn count(config: &Config, json: Json) -> Result<(), Failure> {
    let count = connect(config)?.1.get_materialcount()?;
    let mut out = Output::for_reading();
    if json.wanted {
        return out.json(&count);
    }
    let number = |number: Option<i64>| number.map_or("?".to_owned(), |number| number.to_string());
    out.pairs(&[
        ("image", number(count.image_count)),
        ("voice", number(count.voice_count)),
        ("video", number(count.video_count)),
        ("news", number(count.news_count)),
    ])?;
    out.done()
}

fn upload(
    config: &Config,
    path: &Path,
    media_type: Option<MediaType>,
    title: Option<String>,
    introduction: Option<String>,
    json: Json,
) -> Result<(), Failure> {
    let (file, media_type) = LocalFile::read_as(path, media_type, Lifetime::Permanent)?;
    let description = match (media_type, title) {
        (MediaType::Video, Some(title)) if !title.trim().is_empty() => Some(VideoDescription {
            title,
            introduction: introduction.unwrap_or_default(),
        }),
        (MediaType::Video, _) => {
            return Err(Failure::Wrong(
                "WeChat wants a title for a video: give it one with --title TEXT".to_owned(),
            ));
        }
        (MediaType::Image | MediaType::Voice | MediaType::Thumb, None)
            if introduction.is_none() =>
        {
            None
        }
        (MediaType::Image | MediaType::Voice | MediaType::Thumb, _) => {
            return Err(Failure::Wrong(
                "--title and --introduction go with a video only".to_owned(),
            ));
        }
    };
    let (_store, api) = connect(config)?;
    let added = file.add(&api, media_type, description.as_ref())?;
    let value = json!({
        "type": media_type.name(), "media_id": added.media_id, "url": added.url,
    });
    Output::for_change().answer(json, &value, &added.media_id)
}

fn get(config: &Config, media_id: &str, out: Option<&Path>) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    let found = download::fetch(
        out,
        |to| api.get_material(media_id, to),
        |found| matches!(found, Material::File(_)),
    )?;
    match (found, out) {
        (Material::File(saved), Some(path)) => {
            complain(&format!(
                "{}: {}",
                path.display(),
                counted(saved.length, "byte")
            ));
            Ok(())
        }
        (Material::File(_), None) => Ok(()),
        (Material::Video { down_url, .. }, out) => download::video(&down_url, out),
        (Material::News(articles), None) => {
            Output::for_reading().json(&json!({ "articles": articles }))
        }
        (Material::News(articles), Some(path)) => {
            let failed = |error: String| Failure::Failed(format!("{}: {error}", path.display()));
            let mut text = serde_json::to_vec_pretty(&json!({ "articles": articles }))
                .map_err(|error| failed(error.to_string()))?;
            text.push(b'\n');
            WholeFile::create(path)?.write_and_finish(&text)
        }
    }
}

fn delete(config: &Config, media_id: &str, yes: Yes, json: Json) -> Result<(), Failure> {
    let (store, api) = connect(config)?;
    confirm::ask(&format!("Delete {media_id} from WeChat for good?"), yes)?;
    api.del_material(media_id)?;
    let mut out = Output::for_change();
    out.warn_on_error(
        store.forget_media(media_id).map(drop),
        "the store still takes it for usable",
    );
    let value = json!({ "media_id": media_id });
    out.answer(json, &value, &format!("{media_id} is deleted"))
}
