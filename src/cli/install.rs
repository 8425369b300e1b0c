//! `wechatd install` and `wechatd uninstall`: the program as a service of this machine, and away again.

mod settings;
mod step;

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use serde::Serialize;

use super::input::{Yes, confirm};
use super::terminal::{Failure, Json, Output};
use super::unit::{BACKUP_UNITS, backup_units, unit_text, with_unit};
use crate::config::{Config, SERVICE_USER, ServiceUser};
use crate::server::{ListenError, Listener};
use crate::store::{Found, Tls, examine};
use settings::NewConfig;
use step::{Act, Step};

pub(super) const EXAMPLES: &str = "Examples:
  wechatd install --dry-run
  sudo ./wechatd install
  sudo wechatd uninstall

It shows each step and asks before the first. The configuration is ./wechat.conf or what --config names, and goes to /etc/wechatd with the files that it names; one that is there already stays as it is, but for the right of the service to read it. Run the new binary with `install` to upgrade: it takes the place of the old one, and the store is copied first where the new version changes it. What was interrupted can be run again.";

const BINARY: &str = "/usr/local/bin/wechatd";
const FOLDER: &str = "/etc/wechatd";
const CONFIG: &str = "/etc/wechatd/wechat.conf";
const UNITS: &str = "/etc/systemd/system";
const UNIT: &str = "wechatd.service";

/// Where shells look for completions of programs in `/usr/local`.
const COMPLETIONS: [(Shell, &str); 3] = [
    (
        Shell::Bash,
        "/usr/local/share/bash-completion/completions/wechatd",
    ),
    (Shell::Zsh, "/usr/local/share/zsh/site-functions/_wechatd"),
    (
        Shell::Fish,
        "/usr/local/share/fish/vendor_completions.d/wechatd.fish",
    ),
];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show the steps, do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: Yes,
    /// Write files below this folder only, for the image of another system
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    steps: &'a [Step],
    done: bool,
}

/// The system that is changed.
struct System<'a>(Option<&'a Path>);

impl System<'_> {
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let below = path.strip_prefix("/").unwrap_or(path);
        self.0
            .map_or_else(|| path.to_owned(), |root| root.join(below))
    }

    /// Whether users are made and services started.
    const fn is_running(&self) -> bool {
        self.0.is_none()
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        std::fs::symlink_metadata(self.at(path)).is_ok()
    }
}

/// `named` is what `--config` names, `completions` makes the script of a shell.
pub(super) fn install(
    named: Option<&Path>,
    arguments: &Arguments,
    completions: fn(Shell) -> Vec<u8>,
) -> Result<(), Failure> {
    let system = System(arguments.root.as_deref());
    demand(&system, arguments.dry_run, "install")?;
    let is_new = !system.has(format!("{UNITS}/{UNIT}"));
    let (steps, notes) = installing(&system, named, is_new, completions)?;
    let what = match is_new {
        true => "Install this?",
        false => "Upgrade to this?",
    };
    go(arguments, steps, what, |out| {
        notes.iter().try_for_each(|note| out.line(note))
    })
}

pub(super) fn uninstall(arguments: &Arguments) -> Result<(), Failure> {
    let system = System(arguments.root.as_deref());
    demand(&system, arguments.dry_run, "uninstall")?;
    go(
        arguments,
        uninstalling(&system),
        "Uninstall the service?",
        |out| {
            out.line(&format!(
                "Kept: {FOLDER}, the store and its copies in /var/lib, and the user {SERVICE_USER}, who owns them."
            ))
        },
    )
}

/// Refuses where this can only fail half-way.
fn demand(system: &System, dry_run: bool, command: &str) -> Result<(), Failure> {
    if !system.is_running() || dry_run {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::failed(
            format!("{command} needs root"),
            format!("sudo wechatd {command}; with --dry-run it only shows what it would do"),
        ));
    }
    match Path::new("/run/systemd/system").exists() {
        true => Ok(()),
        false => Err(Failure::failed(
            "systemd does not run here, and the service is one of systemd's",
            "start `wechatd serve` by what this machine has, or write the files of another system with --root DIR",
        )),
    }
}

/// Shows the steps, asks, and does them.
fn go(
    arguments: &Arguments,
    steps: Vec<Step>,
    question: &str,
    end: impl FnOnce(&mut Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let steps: Vec<Step> = steps.into_iter().filter(Step::is_needed).collect();
    let is_wanted = !arguments.dry_run && !steps.is_empty();
    if !arguments.json.wanted {
        let mut out = Output::for_reading();
        match steps.is_empty() {
            true => out.line("Everything is up to date; nothing to do.")?,
            false => steps.iter().try_for_each(|step| out.line(&step.text()))?,
        }
        out.done()?;
    }
    if is_wanted {
        confirm::ask(question, arguments.yes)?;
        for step in &steps {
            step.run().map_err(|failure| {
                failure.and(&format!(
                    "the steps before \"{}\" are done, and the command can be run again",
                    step.text()
                ))
            })?;
        }
    }
    let mut out = Output::for_change();
    if arguments.json.wanted {
        let done = is_wanted;
        return out.json(&Answer {
            steps: &steps,
            done,
        });
    }
    if is_wanted {
        end(&mut out)?;
    }
    out.done()
}

/// All steps, also those that are done already, and what to say at the end.
fn installing(
    system: &System,
    named: Option<&Path>,
    is_new: bool,
    completions: fn(Shell) -> Vec<u8>,
) -> Result<(Vec<Step>, Vec<String>), Failure> {
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    if system.is_running() && ServiceUser::find() == ServiceUser::Dynamic {
        steps.push(Step::new(Act::MakeUser));
    }
    steps.push(Step::new(Act::MakeFolder(system.at(FOLDER))));
    let config = match system.has(CONFIG) {
        true => {
            notes.push(format!("Kept: {CONFIG}"));
            let config = installed(system)?;
            if system.is_running() {
                // A copy from another machine, or an editor's, may belong to root alone.
                let others = settings::others(&config).map(|name| Path::new(FOLDER).join(name));
                let files = std::iter::once(PathBuf::from(CONFIG)).chain(others);
                let folder = Path::new(FOLDER);
                steps.extend(files.map(|file| {
                    Step::new(Act::Admit {
                        folder: folder.to_owned(),
                        file,
                    })
                }));
            }
            config
        }
        false => {
            let new = NewConfig::of(named)?;
            steps.extend(new.files(|path| system.at(path)));
            notes.extend(new.note);
            new.config
        }
    };
    if is_new && system.is_running() {
        refuse_taken_port(&config)?;
    }
    if let Some(copy) = copy_of_store(system, &config) {
        steps.push(copy);
    }
    let binary = std::env::current_exe()
        .and_then(std::fs::read)
        .map_err(|error| Failure::Failed(format!("install: this program: {error}")))?;
    steps.push(Step::new(Act::Write {
        path: system.at(BINARY),
        bytes: binary,
        mode: 0o755,
        for_service: false,
    }));
    let plain = |path: String, bytes: Vec<u8>| {
        Step::new(Act::Write {
            path: system.at(path),
            bytes,
            mode: 0o644,
            for_service: false,
        })
    };
    let (unit, [service, timer]) = with_unit(&config, Path::new(BINARY), |unit| {
        Ok((unit_text(unit)?, backup_units(unit)?))
    })?;
    let [service_name, timer_name] = BACKUP_UNITS;
    for (name, text) in [(UNIT, unit), (service_name, service), (timer_name, timer)] {
        steps.push(plain(format!("{UNITS}/{name}"), text.into_bytes()));
    }
    for (shell, path) in COMPLETIONS {
        steps.push(plain(path.to_owned(), completions(shell)));
    }
    if !system.is_running() {
        notes.push(format!(
            "In that system: useradd --system {SERVICE_USER}, chgrp -R {SERVICE_USER} {FOLDER}, and systemctl enable wechatd {timer_name}"
        ));
        return Ok((steps, notes));
    }
    // Nothing is started again where nothing has changed and it runs.
    if is_new || steps.iter().any(Step::is_needed) || !step::runs(UNIT) {
        steps.push(Step::new(Act::Systemctl(vec!["daemon-reload"])));
        steps.push(Step::new(Act::Systemctl(vec!["enable", UNIT, timer_name])));
        steps.push(Step::new(Act::Systemctl(vec!["restart", UNIT, timer_name])));
    }
    notes.push(
        "The service is running: `systemctl status wechatd`. `sudo wechatd check` says what to enter in the console."
            .to_owned(),
    );
    Ok((steps, notes))
}

fn uninstalling(system: &System) -> Vec<Step> {
    let mut steps = Vec::new();
    let [service_name, timer_name] = BACKUP_UNITS;
    if system.is_running() && system.has(format!("{UNITS}/{UNIT}")) {
        let now = vec!["disable", "--now", UNIT, timer_name];
        steps.push(Step::new(Act::Systemctl(now)));
    }
    let units = [UNIT, service_name, timer_name].map(|name| format!("{UNITS}/{name}"));
    let scripts = COMPLETIONS.map(|(_, path)| path.to_owned());
    let files = units.into_iter().chain(scripts);
    steps.extend(files.map(|path| Step::new(Act::Remove(system.at(path)))));
    if system.is_running() && steps.iter().any(Step::is_needed) {
        steps.push(Step::new(Act::Systemctl(vec!["daemon-reload"])));
    }
    steps.push(Step::new(Act::Remove(system.at(BINARY))));
    steps
}

/// The configuration that is there, with paths as the service sees them.
fn installed(system: &System) -> Result<Config, Failure> {
    let mut config = Config::load_without_secrets(&system.at(CONFIG))?;
    let inside = |path: &Path| match system.0.and_then(|root| path.strip_prefix(root).ok()) {
        Some(below) => Path::new("/").join(below),
        None => path.to_owned(),
    };
    config.file = inside(&config.file);
    config.store.path = inside(&config.store.path);
    for path in [
        &mut config.account.app_secret_file,
        &mut config.api.token_file,
        &mut config.store.media,
    ] {
        *path = path.as_deref().map(inside);
    }
    if let Some(server) = &mut config.store.server {
        server.password_file = server.password_file.as_deref().map(inside);
        if let Tls::Signed(file) = &mut server.tls {
            *file = inside(file);
        }
    }
    Ok(config)
}

/// A copy of a store that the new program changes, for the way back.
fn copy_of_store(system: &System, config: &Config) -> Option<Step> {
    // The tables of a server change so that the program before can still use them.
    config.store.file()?;
    let mut options = config.store.clone();
    options.path = system.at(&options.path);
    let Ok(Found::Older) = examine(&options) else {
        return None;
    };
    let mut to = options.path.clone().into_os_string();
    to.push(".before-upgrade");
    Some(Step::new(Act::CopyStore {
        from: options.path,
        to: to.into(),
    }))
}

/// A server of somebody who tries things out would keep the service from starting.
fn refuse_taken_port(config: &Config) -> Result<(), Failure> {
    match Listener::look(&config.server.listen) {
        Err(error @ ListenError::InUse(_)) => Err(Failure::failed(
            error,
            "stop what listens there, or change server.listen",
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}
