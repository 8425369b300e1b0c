//! `wechatd qrcode …`: makes QR codes with a scene, draws them, and counts the follows and scans they brought.

mod picture;

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input::{NotBlank, since};
use super::platform::connect;
use super::stats::percent;
use super::terminal::{
    Failure, Json, Output, WholeFile, cell, complain, download, text, time, whole,
};
use crate::api::qrcode::{Life, MAX_EXPIRE_SECONDS, MAX_PERMANENT_ID, MAX_SCENE_STR, Scene};
use crate::clock;
use crate::config::{Config, read_duration, show_duration};
use crate::counted::counted;
use crate::store::{Reader, SceneCount};
use picture::{Colours, Format, Picture};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// Create a code: prints its ticket, its URL and the code itself
    #[command(after_help = "Examples:
  wechatd qrcode create poster-7 --permanent --out poster-7.svg
  wechatd qrcode create 10086 --expires 30d
  wechatd qrcode create table-4 --json

A scene of digits in WeChat's range (1 to 4294967295, permanent 1 to 100000) is created as a number, any other as a text of 1 to 64 characters. Those who follow by the code are recorded with its scene.

A permanent code cannot be revoked, and an account can have 100000 of them.")]
    Create(Create),
    /// Download WeChat's own picture of a code, a JPEG
    #[command(after_help = "Example:
  ticket=$(wechatd qrcode create poster-7 --permanent --json | jq -r .ticket)
  wechatd qrcode picture \"$ticket\" --out poster-7.jpg

It works as long as the code. `wechatd qrcode create --out` draws the same code without it.")]
    Picture {
        /// The ticket that `wechatd qrcode create` printed
        ticket: NotBlank,
        /// Where to write it [default: standard output, if that is no terminal]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Follows and scans per scene, and how many stayed
    #[command(after_help = "Examples:
  wechatd qrcode stats
  wechatd qrcode stats --since 30d --json

STAYED: how many of a hundred that came by the code are still here; those who left and came back another way are not counted. Scans by followers are counted as far back as messages are kept (store.keep_messages).")]
    Stats(Stats),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The scene that a scan reports: a number or a text
    scene: NotBlank,
    /// How long it works, at most 30d
    #[arg(
        long,
        value_name = "TIME",
        default_value = "7d",
        conflicts_with = "permanent"
    )]
    expires: String,
    /// It never expires
    #[arg(long)]
    permanent: bool,
    /// Write the code to this file, which ends in .png or .svg
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Stats {
    /// Only since this local time: 2026-11-21, "2026-11-21 08:30", or how long ago, such as 7d or 12h
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::Create(arguments) => create(config, &arguments),
        Commands::Picture { ticket, out } => fetch(config, &ticket, out.as_deref()),
        Commands::Stats(arguments) => stats(config, &arguments),
    }
}

#[derive(Debug, Serialize)]
struct Made<'a> {
    scene: &'a str,
    /// `scene_id` or `scene_str`: how the platform stores it.
    kind: &'static str,
    ticket: String,
    url: String,
    /// Seconds; `None` for a permanent code.
    expire_seconds: Option<i64>,
    /// Unix seconds; `None` for a permanent code.
    expires_at: Option<i64>,
    file: Option<String>,
}

fn create(config: &Config, arguments: &Create) -> Result<(), Failure> {
    let life = life(arguments)?;
    let (scene, why) = scene(&arguments.scene, life)?;
    // Before the code is made, as a permanent one cannot be undone.
    let file = match &arguments.out {
        Some(path) => Some((Format::of(path)?, WholeFile::create(path)?)),
        None => None,
    };
    let (_store, api) = connect(config)?;
    let code = api.qrcode_create(&scene, life)?;
    // The code exists: ticket and URL are shown even if it cannot be drawn or its file cannot be written.
    let picture = Picture::of(&code.url);
    let written = match (&picture, file) {
        (Ok(picture), Some((format, file))) => picture.write(format, file),
        (Ok(_), None) => Ok(()),
        (Err(error), _) => Err(Failure::Failed(error.to_string())),
    };
    let written = written.map_err(|failure| {
        failure.and(&format!(
            "the code is made, `wechatd qrcode picture {} --out FILE.jpg` fetches its picture",
            code.ticket
        ))
    });
    let expires_at = code.expire_seconds.map(|life| clock::unix_seconds() + life);
    let mut out = Output::for_change();
    if arguments.json.wanted {
        out.json(&Made {
            scene: &arguments.scene,
            kind: match scene {
                Scene::Id(_) => "scene_id",
                Scene::Text(_) => "scene_str",
            },
            ticket: code.ticket,
            url: code.url,
            expire_seconds: code.expire_seconds,
            expires_at,
            file: match &written {
                Ok(()) => arguments.out.as_ref(),
                Err(_) => None,
            }
            .map(|path| path.display().to_string()),
        })?;
        return written;
    }
    let works = match code
        .expire_seconds
        .and_then(|life| u64::try_from(life).ok())
    {
        Some(life) => show_duration(std::time::Duration::from_secs(life)),
        None => "for ever".to_owned(),
    };
    let mut facts = vec![
        ("scene", format!("{} ({why})", arguments.scene)),
        ("works", works),
        ("ticket", code.ticket),
        ("url", code.url),
    ];
    if let (Ok(()), Some(path)) = (&written, &arguments.out) {
        facts.push(("file", path.display().to_string()));
    }
    out.pairs(&facts)?;
    out.line("")?;
    let colours = match stdout().is_terminal() {
        true => Colours::BlackOnWhite,
        false => Colours::Plain,
    };
    for line in picture.iter().flat_map(|picture| picture.lines(colours)) {
        out.raw_line(&line)?;
    }
    out.done()?;
    written
}

fn fetch(config: &Config, ticket: &str, out: Option<&Path>) -> Result<(), Failure> {
    download::check_destination(out)?;
    let (_store, api) = connect(config)?;
    let saved = download::fetch(out, |to| api.showqrcode(ticket, to), |_| true)?;
    if let Some(path) = out {
        complain(&format!(
            "{}: {}",
            path.display(),
            counted(saved.length, "byte")
        ));
    }
    Ok(())
}

fn life(arguments: &Create) -> Result<Life, Failure> {
    if arguments.permanent {
        return Ok(Life::Permanent);
    }
    let wrong = |what: String| Failure::Wrong(format!("--expires: {what}"));
    let life = read_duration(&arguments.expires).map_err(wrong)?;
    u32::try_from(life.as_secs())
        .ok()
        .filter(|seconds| (1..=MAX_EXPIRE_SECONDS).contains(seconds))
        .map(Life::Temporary)
        .ok_or_else(|| {
            wrong(format!(
                "{:?} is out of range; a code works 1s to 30d, or --permanent",
                arguments.expires
            ))
        })
}

/// The scene in the platform's form, and why it has that form.
fn scene(text: &str, life: Life) -> Result<(Scene, String), Failure> {
    let most = match life {
        Life::Temporary(_) => u32::MAX,
        Life::Permanent => MAX_PERMANENT_ID,
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits
        && !text.starts_with('0')
        && let Some(id) = text.parse().ok().filter(|id| (1..=most).contains(id))
    {
        return Ok((Scene::Id(id), "a number".to_owned()));
    }
    if !(1..=MAX_SCENE_STR).contains(&text.chars().count()) {
        return Err(Failure::Wrong(format!(
            "SCENE: it has {} characters; a text has 1 to {MAX_SCENE_STR}",
            text.chars().count()
        )));
    }
    let why = match digits {
        true => {
            format!("a text: as a number it would have to be 1 to {most}, without zeros before it")
        }
        false => "a text".to_owned(),
    };
    Ok((Scene::Text(text.to_owned()), why))
}

fn stats(config: &Config, arguments: &Stats) -> Result<(), Failure> {
    let reader = Reader::open(&config.store)?;
    let since = since(arguments.since.as_deref())?;
    let scenes = reader.scenes(since)?;
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&scenes);
    }
    let row = |scene: &SceneCount| {
        [
            cell(&scene.scene, 64),
            scene.follows.to_string(),
            scene.scans.to_string(),
            percent(scene.stayed_percent),
            scene.last.clone(),
        ]
    };
    let nothing = match &arguments.since {
        Some(since) => format!("nobody came by a code since {since}"),
        None => "nobody came by a code".to_owned(),
    };
    let rows: Vec<[String; 5]> = scenes.iter().map(row).collect();
    out.table(
        [
            text("scene"),
            whole("follows"),
            whole("scans"),
            whole("stayed"),
            time("last"),
        ],
        &rows,
        &nothing,
    )?;
    out.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_range_are_a_number_and_anything_else_is_a_text() {
        let week = Life::Temporary(604_800);
        let id = |text, life| match scene(text, life).expect("a scene").0 {
            Scene::Id(id) => Some(id),
            Scene::Text(kept) => {
                assert_eq!(kept, text);
                None
            }
        };
        assert_eq!(id("10086", week), Some(10_086));
        assert_eq!(id("4294967295", week), Some(u32::MAX));
        assert_eq!(id("4294967296", week), None);
        assert_eq!(id("100000", Life::Permanent), Some(100_000));
        assert_eq!(id("100001", Life::Permanent), None);
        for text in ["0", "007", "-1", "+1", "1a", "海报", " 1", "1.0"] {
            assert_eq!(id(text, week), None, "{text}");
        }
        assert!(scene("", week).is_err());
        assert!(scene(&"好".repeat(64), week).is_ok());
        assert!(scene(&"好".repeat(65), week).is_err());
    }
}
