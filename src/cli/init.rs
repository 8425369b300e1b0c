//! `wechatd init`: asks what the configuration needs, tries it, and only then writes it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;

use super::check::{online, starting};
use super::terminal::{Failure, Json, Output, called, complain};
use crate::byte_order_mark;
use crate::config::{Config, SHIPPED, with_key};
use crate::random::{self, NoRandomNumbers};
use crate::secret::Secret;

pub(super) const EXAMPLES: &str = "Examples:
  wechatd init
  wechatd init --app-id wx0123456789abcdef --app-secret-file secret.txt --yes

It asks on the terminal for what is not given, tries the answers with WeChat, and writes nothing if they do not work. Existing files are never overwritten. The AppSecret goes into a file of its own, app_secret, next to the configuration.";

/// The name of the file with the AppSecret, beside the configuration.
const SECRET_FILE: &str = "app_secret";

const MODES: [&str; 3] = ["plain", "compatible", "secure"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration to write [default: ./wechat.conf]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The AppID of the console; empty to try things out without an account
    #[arg(long, value_name = "ID")]
    app_id: Option<String>,
    /// A file that holds the AppSecret, or - for standard input
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// The console's message mode; "secure" is proposed
    #[arg(long, value_parser = MODES)]
    mode: Option<String>,
    /// A file that holds the EncodingAESKey, or - for standard input; without it one is made
    #[arg(long, value_name = "FILE")]
    aes_key_file: Option<PathBuf>,
    /// The path of the callback URL; /wechat is proposed
    #[arg(long)]
    path: Option<String>,
    /// Where the server listens; 127.0.0.1:8080 is proposed
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Another address of WeChat's API, for a try
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Use the proposed values where none is given; do not ask
    #[arg(long)]
    yes: bool,
    /// Write the files even if WeChat refuses the account, or the server could not start
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Written {
    configuration: String,
    app_secret_file: Option<String>,
    mode: String,
    /// What was tried with WeChat; nothing without an AppID.
    tried: Vec<online::Line>,
}

/// `config` is what `--config` names, if anything.
pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let file = arguments.file.as_deref().or(config);
    let file = file.unwrap_or(Path::new("wechat.conf"));
    refuse_present(file)?;
    let answers = Interview::new(arguments.yes).hold(arguments)?;
    let text = answers.text()?;
    let secret_file = file.with_file_name(SECRET_FILE);
    // A secret that lies there already stays as it is.
    let is_there = arguments.app_secret_file.as_deref() == Some(secret_file.as_path());
    if answers.account.is_some() && !is_there {
        refuse_present(&secret_file)?;
    }
    let tried = answers.try_out(file, &text, arguments.force)?;
    let secret = answers.account.as_ref().map(|(_, secret)| secret);
    if let Some(secret) = secret.filter(|_| !is_there) {
        write_new(&secret_file, &format!("{}\n", secret.expose()))?;
    }
    write_new(file, &text).inspect_err(|_| {
        if !is_there && secret.is_some() {
            fs::remove_file(&secret_file).ok();
        }
    })?;
    let written = Written {
        configuration: file.display().to_string(),
        app_secret_file: secret.map(|_| secret_file.display().to_string()),
        mode: answers.mode,
        tried,
    };
    show(&written, arguments.json)
}

fn show(written: &Written, json: Json) -> Result<(), Failure> {
    let mut out = Output::for_change();
    if json.wanted {
        return out.json(written);
    }
    if !written.tried.is_empty() {
        online::print(&mut out, &written.tried)?;
        out.line("")?;
    }
    let file = &written.configuration;
    out.line(&match &written.app_secret_file {
        Some(secret) => format!("Wrote {file} and {secret}; only you can read them."),
        None => format!("Wrote {file}; only you can read it."),
    })?;
    if written.mode != "plain" {
        out.line(&format!(
            "The console needs the EncodingAESKey too: it is account.aes_key in {file}."
        ))?;
    }
    let config = match file.as_str() {
        "wechat.conf" => String::new(),
        file => format!(" --config {file}"),
    };
    let program = called();
    out.line("")?;
    out.line("Next:")?;
    out.pairs(&[
        (
            &format!("  {program}{config}"),
            "start the server".to_owned(),
        ),
        (
            &format!("  {program}{config} simulate subscribe"),
            "in a second terminal: pretend to be WeChat".to_owned(),
        ),
        (
            &format!("  {program}{config} check"),
            "what to enter in the console".to_owned(),
        ),
        (
            &format!("  sudo {program}{config} install"),
            "run it as a service".to_owned(),
        ),
    ])?;
    out.done()
}

/// The answers that a configuration is made from.
struct Answers {
    /// AppID and AppSecret.
    account: Option<(String, Secret)>,
    mode: String,
    aes_key: Option<Secret>,
    path: Option<String>,
    listen: Option<String>,
    base_url: Option<String>,
}

impl Answers {
    fn text(&self) -> Result<String, Failure> {
        let app_id = self.account.as_ref().map(|(app_id, _)| app_id.as_str());
        let secret_file = app_id.map(|_| SECRET_FILE);
        let mode = Some(self.mode.as_str()).filter(|mode| *mode != "plain");
        let keys = [
            ("account.app_id", app_id),
            ("account.app_secret_file", secret_file),
            ("account.mode", mode),
            ("account.aes_key", self.aes_key.as_ref().map(Secret::expose)),
            ("server.path", self.path.as_deref()),
            ("server.listen", self.listen.as_deref()),
            ("api.base_url", self.base_url.as_deref()),
        ];
        let given = keys
            .iter()
            .filter_map(|(key, value)| Some((key, (*value)?)));
        Ok(given.fold(SHIPPED.to_owned(), |text, (key, value)| {
            with_key(&text, key, &quoted(value))
        }))
    }

    /// Tries the answers with a store that is thrown away, and refuses those that do not work unless it is `forced`.
    fn try_out(&self, file: &Path, text: &str, forced: bool) -> Result<Vec<online::Line>, Failure> {
        let secret = self.account.as_ref().map(|(_, secret)| secret.expose());
        let mut config = Config::read(file, text, Some(secret.unwrap_or_default()))?;
        let folder = Scratch::make()?;
        config.store.path = folder.0.join("wechat.db");
        let (obstacles, _) = starting::obstacles(&config)?;
        let mut lines = Vec::new();
        if self.account.is_some() {
            lines = online::look_at_account(&config)?;
        }
        if forced || (obstacles.is_empty() && !online::is_wrong(&lines)) {
            obstacles.iter().for_each(|obstacle| complain(obstacle));
            return Ok(lines);
        }
        let wrong = lines.iter().filter_map(online::Line::wrong);
        let reasons: Vec<String> = obstacles.into_iter().chain(wrong).collect();
        Err(Failure::failed(
            format!("{}; nothing was written", reasons.join("; ")),
            "correct it and repeat the command, or write the files anyway with --force",
        ))
    }
}

/// Gets the answers: from the command line, from the terminal, or as they are proposed.
struct Interview {
    yes: bool,
    terminal: bool,
    /// The options that have to be given because nobody can be asked.
    missing: Vec<&'static str>,
}

impl Interview {
    fn new(yes: bool) -> Interview {
        Interview {
            yes,
            terminal: io::stdin().is_terminal(),
            missing: Vec::new(),
        }
    }

    fn hold(mut self, arguments: &Arguments) -> Result<Answers, Failure> {
        let from_input = [&arguments.app_secret_file, &arguments.aes_key_file];
        if from_input
            .iter()
            .all(|file| file.as_deref() == Some(Path::new("-")))
        {
            return Err(Failure::Wrong(
                "standard input can hold the AppSecret or the EncodingAESKey, not both".to_owned(),
            ));
        }
        if self.terminal && !self.yes && arguments.app_id.is_none() {
            complain(
                "AppID and AppSecret are in the console, under 设置与开发 → 基本配置. Enter takes what is in brackets.",
            );
        }
        let app_id = self.answer(
            arguments.app_id.as_deref(),
            "--app-id",
            "AppID (empty: try it without an account)",
            "",
            |text| match text {
                "" => None,
                text => mistake("account.app_id", text),
            },
        )?;
        let mut account = None;
        if !app_id.is_empty() {
            let secret = self.secret(arguments.app_secret_file.as_deref())?;
            account = Some((app_id, secret));
        }
        let proposed = if account.is_some() { "secure" } else { "plain" };
        let mode = self.answer(
            arguments.mode.as_deref(),
            "--mode",
            "Message mode, as in the console: plain, compatible or secure",
            proposed,
            |text| (!MODES.contains(&text)).then(|| format!("{text:?} is not a mode")),
        )?;
        if mode != "plain" && account.is_none() {
            return Err(Failure::wrong(
                format!("the mode {mode:?} needs an AppID, which every encrypted push carries"),
                "give --app-id, or choose the mode plain",
            ));
        }
        let aes_key = match mode.as_str() {
            "plain" => None,
            _ => Some(self.aes_key(arguments.aes_key_file.as_deref())?),
        };
        let path = self.answer(
            arguments.path.as_deref(),
            "--path",
            "Path of the callback URL",
            "/wechat",
            |text| mistake("server.path", text),
        )?;
        let listen = self.answer(
            arguments.listen.as_deref(),
            "--listen",
            "Where the server listens, for the reverse proxy",
            "127.0.0.1:8080",
            |text| mistake("server.listen", text),
        )?;
        if let Some(what) = arguments
            .base_url
            .as_deref()
            .and_then(|url| mistake("api.base_url", url))
        {
            return Err(Failure::Wrong(format!("--base-url: {what}")));
        }
        match self.missing.as_slice() {
            [] => Ok(Answers {
                account,
                mode,
                aes_key,
                path: Some(path).filter(|path| path != "/wechat"),
                listen: Some(listen).filter(|listen| listen != "127.0.0.1:8080"),
                base_url: arguments.base_url.clone(),
            }),
            missing => Err(Failure::wrong(
                "there is no terminal to ask on",
                format!(
                    "give {}, or --yes to take what is proposed",
                    missing.join(", ")
                ),
            )),
        }
    }

    /// One answer. `wrong` says what is wrong with it.
    fn answer(
        &mut self,
        given: Option<&str>,
        option: &'static str,
        question: &str,
        proposed: &str,
        wrong: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Failure> {
        if let Some(given) = given.map(str::trim) {
            return match wrong(given) {
                None => Ok(given.to_owned()),
                Some(what) => Err(Failure::Wrong(format!("{option}: {what}"))),
            };
        }
        if self.yes || !self.terminal {
            if !self.yes {
                self.missing.push(option);
            }
            return Ok(proposed.to_owned());
        }
        loop {
            let text = match proposed {
                "" => prompt(&format!("{question}: "))?,
                proposed => prompt(&format!("{question} [{proposed}]: "))?,
            };
            let text = match text.as_str() {
                "" => proposed,
                text => text,
            };
            match wrong(text) {
                None => return Ok(text.to_owned()),
                Some(what) => complain(&what),
            }
        }
    }

    fn secret(&mut self, file: Option<&Path>) -> Result<Secret, Failure> {
        let wrong = |secret: &str| {
            let config = Config::read(Path::new(""), "", Some(secret));
            let is_empty = secret.is_empty();
            (is_empty || config.is_err())
                .then(|| "an AppSecret is one line of letters and digits".to_owned())
        };
        if let Some(file) = file {
            let secret = first_line(file)?;
            return match wrong(&secret) {
                None => Ok(Secret::new(secret)),
                Some(what) => Err(Failure::Wrong(format!("--app-secret-file: {what}"))),
            };
        }
        if !self.terminal {
            // No secret can be proposed.
            return Err(Failure::wrong(
                "there is no terminal to ask for the AppSecret on",
                "give --app-secret-file FILE, or - for standard input",
            ));
        }
        loop {
            let secret = prompt_hidden("AppSecret (not shown): ")?;
            match wrong(&secret) {
                None => return Ok(Secret::new(secret)),
                Some(what) => complain(&what),
            }
        }
    }

    fn aes_key(&mut self, file: Option<&Path>) -> Result<Secret, Failure> {
        let wrong = |key: &str| mistake("account.aes_key", key);
        if let Some(file) = file {
            let key = first_line(file)?;
            return match wrong(&key) {
                None => Ok(Secret::new(key)),
                Some(what) => Err(Failure::Wrong(format!("--aes-key-file: {what}"))),
            };
        }
        if self.terminal && !self.yes {
            let key = loop {
                let key = prompt_hidden("EncodingAESKey (not shown) [make one]: ")?;
                match wrong(&key) {
                    Some(what) if !key.is_empty() => complain(&what),
                    Some(_) | None => break key,
                }
            };
            if !key.is_empty() {
                return Ok(Secret::new(key));
            }
        }
        made_aes_key().map_err(|error| Failure::Failed(error.to_string()))
    }
}

/// A random EncodingAESKey: 32 bytes in base64, written with letters and digits only.
fn made_aes_key() -> Result<Secret, NoRandomNumbers> {
    loop {
        let bytes: [u8; 32] = random::bytes()?;
        let key = STANDARD_NO_PAD.encode(bytes);
        if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Secret::new(key));
        }
    }
}

/// What is wrong with the value of a key alone.
fn mistake(key: &str, value: &str) -> Option<String> {
    let text = with_key("", key, &quoted(value));
    let problems = Config::read(Path::new(""), &text, None).err()?;
    let mut of_key = problems
        .list
        .into_iter()
        .filter(|problem| problem.key == key);
    of_key.next().map(|problem| problem.what)
}

/// As a string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What somebody types.
fn prompt(question: &str) -> Result<String, Failure> {
    write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush())?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(Failure::Failed("nothing was written".to_owned()));
    }
    Ok(answer.trim().to_owned())
}

/// The same without showing it.
fn prompt_hidden(question: &str) -> Result<String, Failure> {
    let _hidden = Hidden::begin();
    let answer = prompt(question);
    writeln!(io::stderr()).ok();
    answer
}

/// While this lives, the terminal does not show what is typed.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    fn begin() -> Hidden {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes &= !LocalModes::ECHO;
            tcsetattr(io::stdin(), OptionalActions::Now, &silent).ok();
        }
        Hidden(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            tcsetattr(io::stdin(), OptionalActions::Now, before).ok();
        }
    }
}

/// The text of a file with a secret, or of standard input for `-`. Never an endless one.
fn first_line(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => io::stdin().lock().take(4_096).read_to_string(&mut text),
        false => File::open(file).and_then(|file| file.take(4_096).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::Wrong(format!("{}: {error}", file.display())))?;
    Ok(byte_order_mark::skip(&text).trim().to_owned())
}

fn refuse_present(file: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(file) {
        Ok(_) => Err(Failure::wrong(
            format!("{} exists already and is not overwritten", file.display()),
            "run it in another folder, or name another file: `wechatd init FILE`",
        )),
        Err(_) => Ok(()),
    }
}

/// Writes a new file that only its owner can read.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let failed = |error: io::Error| Failure::Failed(format!("{}: {error}", file.display()));
    let mut to = opened.map_err(failed)?;
    let written = to.write_all(text.as_bytes()).and_then(|()| to.sync_all());
    written.map_err(|error| {
        fs::remove_file(file).ok();
        failed(error)
    })
}

/// A folder that is there while the answers are tried.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Scratch, Failure> {
        let name = random::hex().map_err(|error| Failure::Failed(error.to_string()))?;
        let folder = std::env::temp_dir().join(format!("wechatd-init-{name}"));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
