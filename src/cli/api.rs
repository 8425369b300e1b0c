//! `wechatd api …`: any call of WeChat, for those that have no command of their own.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::input::json::in_plain_words;
use super::platform::connect;
use super::terminal::{Failure, Json, Output, complain, download};
use crate::api::raw::{MAX_FILE, RawAnswer, RawBody, RawPath};
use crate::byte_order_mark;
use crate::config::Config;
use crate::counted::counted;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd api /cgi-bin/get_current_selfmenu_info
  wechatd api cgi-bin/user/info --query openid=oSyn1aAQe7rT0uXk3mPzLc9WvBh4
  wechatd api /cgi-bin/tags/create '{\"tag\": {\"name\": \"regulars\"}}'
  wechatd api /cgi-bin/draft/add - < draft.json
  wechatd api '/cgi-bin/media/upload?type=image' --file photo.jpg
  wechatd api /cgi-bin/material/get_material '{\"media_id\": \"M\"}' --out a.jpg

With JSON or a file it sends a POST, else a GET. The access_token is added; one that WeChat refuses is replaced once. A GET is repeated while WeChat is busy, a POST never is: without an answer the exit code is 3, as it may have been done. JSON together with a file goes into the part `description`.

Cards, stores, Wi-Fi, devices, invoices, OCR and the like have no command: this one reaches them.";

/// The most of standard input that is read, in bytes.
const MAX_JSON: u64 = 8 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The path, or the whole URL in WeChat's documentation; an access_token in it is dropped
    path: String,
    /// The body; - reads it from standard input
    #[arg(value_name = "JSON|-")]
    body: Option<String>,
    /// Send a GET, with the fields of the JSON as query parameters
    #[arg(long, conflicts_with = "file")]
    get: bool,
    /// A file to upload, in the part `media`
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Where to write a file that WeChat answers with [default: standard output, unless that is a terminal]
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// A query parameter; can be repeated
    #[arg(long, value_name = "K=V")]
    query: Vec<Parameter>,
    #[command(flatten)]
    json: Json,
}

/// A name and a value of a query.
#[derive(Debug, Clone)]
struct Parameter(String, String);

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Parameter, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Parameter(name.to_owned(), value.to_owned()))
            }
            Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
        }
    }
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let mut path = RawPath::read(&arguments.path, &config.api.base_url).map_err(Failure::Wrong)?;
    let json = arguments.body.as_deref().map(json_text).transpose()?;
    if arguments.get
        && let Some(json) = &json
    {
        for Parameter(name, value) in fields(json)? {
            path = path.with(&name, &value).map_err(Failure::Wrong)?;
        }
    }
    for Parameter(name, value) in &arguments.query {
        path = path.with(name, value).map_err(Failure::Wrong)?;
    }
    let file = arguments.file.as_deref().map(file_bytes).transpose()?;
    let body = match (&file, &json) {
        (Some((name, bytes)), description) => RawBody::File {
            name,
            bytes,
            description: description.as_deref(),
        },
        (None, Some(json)) if !arguments.get => RawBody::Json(json),
        (None, Some(_) | None) => RawBody::None,
    };
    let out = arguments.out.as_deref();
    let (_store, api) = connect(config)?;
    let answer = download::fetch(
        out,
        |to| api.raw(&path, body, out.is_some(), to),
        |answer| matches!(answer, RawAnswer::File(_)),
    )?;
    match (answer, out) {
        (RawAnswer::File(saved), Some(path)) => {
            let length = counted(saved.length, "byte");
            complain(&format!("{}: {length}", path.display()));
            Ok(())
        }
        (RawAnswer::File(_), None) => Ok(()),
        (RawAnswer::Json { value, refused }, out) => {
            match body {
                RawBody::None => Output::for_reading().json(&value)?,
                RawBody::Json(_) | RawBody::File { .. } => Output::for_change().json(&value)?,
            }
            match (refused, out) {
                (Some(error), _) => Err(error.into()),
                (None, Some(path)) => Err(Failure::Failed(format!(
                    "{}: not written: WeChat answered with JSON and not with a file",
                    path.display()
                ))),
                (None, None) => Ok(()),
            }
        }
    }
}

/// The JSON of the command line or of standard input, as it stands there.
fn json_text(given: &str) -> Result<String, Failure> {
    let text = match given {
        "-" => {
            let failed = |what: String| Failure::Wrong(format!("standard input: {what}"));
            let mut text = String::new();
            let mut input = io::stdin().lock().take(MAX_JSON + 1);
            let read = input.read_to_string(&mut text);
            read.map_err(|error| failed(error.to_string()))?;
            if text.len() as u64 > MAX_JSON {
                return Err(failed(format!("it is longer than {} MiB", MAX_JSON >> 20)));
            }
            text
        }
        given => given.to_owned(),
    };
    let text = byte_order_mark::skip(&text).trim().to_owned();
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::wrong(
            format!("the body: {}", in_plain_words(&error)),
            "put JSON in single quotes, such as '{\"media_id\": \"M\"}', or give - and the file on standard input",
        )),
    }
}

/// The fields of a JSON object as query parameters.
fn fields(json: &str) -> Result<Vec<Parameter>, Failure> {
    let wrong = || Failure::Wrong("--get: it takes a JSON object of texts and numbers".to_owned());
    let fields: Map<String, Value> = serde_json::from_str(json).map_err(|_| wrong())?;
    let parameter = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok(Parameter(name, text)),
        Value::Number(_) | Value::Bool(_) => Ok(Parameter(name, value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(wrong()),
    };
    fields.into_iter().map(parameter).collect()
}

/// A file to upload: its name and its bytes.
fn file_bytes(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let wrong = |what: String| Failure::Wrong(format!("{}: {what}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > MAX_FILE {
        return Err(wrong(format!("is larger than {} MiB", MAX_FILE >> 20)));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((name.into_owned(), bytes))
}
