//! `wechatd unit`: prints a hardened systemd unit for the server, or commands that set up a nightly backup.

use std::path::{Path, absolute};

use super::terminal::{Failure, Output, complain};
use crate::config::{
    Config, Listen, NO_PASSWORD, PASSWORD_CREDENTIAL, PASSWORD_VARIABLE, SECRET_CREDENTIAL,
    SECRET_VARIABLE, SERVICE_USER as USER, ServiceUser,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print commands that install a service and a timer for a nightly copy of the store instead
    #[arg(long)]
    backup: bool,
}

/// Prints the unit to stdout, and what else the owner has to do to stderr.
pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let binary = std::env::current_exe()
        .map_err(|error| Failure::Failed(format!("unit: where this program is: {error}")))?;
    let text = with_unit(config, &binary, |unit| {
        for advice in unit_advice(unit)
            .into_iter()
            .chain(unreadable(unit, &ServiceUser::find()))
        {
            complain(&advice);
        }
        match arguments.backup {
            true => backup_text(unit),
            false => unit_text(unit),
        }
    })?;
    Output::for_reading().bytes(text.as_bytes())
}

/// What `use_it` makes of the unit of this program and this configuration.
pub(super) fn with_unit<T>(
    config: &Config,
    binary: &Path,
    use_it: impl FnOnce(&Unit) -> Result<T, UnwritablePath>,
) -> Result<T, Failure> {
    let place = |path: &Path| {
        absolute(path)
            .map_err(|error| Failure::Failed(format!("unit: {}: {error}", path.display())))
    };
    let file = place(&config.file)?;
    let store = config.store.file().map(place).transpose()?;
    let server = config.store.server.as_ref();
    let password = server.and_then(|server| server.password_file.as_deref());
    let password = password.map(place).transpose()?;
    let certificates = server.and_then(|server| server.tls.certificates());
    let certificates = certificates.map(place).transpose()?;
    let secret = config
        .account
        .app_secret_file
        .as_deref()
        .map(place)
        .transpose()?;
    let token = config.api.token_file.as_deref().map(place).transpose()?;
    let media = config.store.media.as_deref().map(place).transpose()?;
    let unit = Unit {
        binary,
        config: &file,
        store: match store.as_deref() {
            Some(file) => Place::File(file),
            None => Place::Server {
                password: password.as_deref(),
                certificates: certificates.as_deref(),
            },
        },
        entrance: Entrance::of(&config.server.listen),
        admin: config.admin.listen.as_ref().map(Entrance::of),
        app_secret_file: secret.as_deref(),
        token_file: token.as_deref(),
        media: media.as_deref(),
    };
    use_it(&unit).map_err(|error| Failure::Failed(error.to_string()))
}

/// Everything that a unit depends on. All paths are absolute, as the service sees them.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// The program to start.
    pub binary: &'a Path,
    /// The configuration file, passed with `--config`.
    pub config: &'a Path,
    /// Where the store is.
    pub store: Place<'a>,
    /// Where `server.listen` accepts connections.
    pub entrance: Entrance<'a>,
    /// The same of `admin.listen`, if there is one.
    pub admin: Option<Entrance<'a>>,
    /// `account.app_secret_file`, if it is set.
    pub app_secret_file: Option<&'a Path>,
    /// `api.token_file`, if it is set.
    pub token_file: Option<&'a Path>,
    /// `store.media`, if it is set.
    pub media: Option<&'a Path>,
}

/// Where the store is, as far as a unit needs to know.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// In this SQLite file.
    File(&'a Path),
    /// On a server.
    Server {
        /// `store.password_file`, if it is set.
        password: Option<&'a Path>,
        /// The file that `store.tls` names, if it names one.
        certificates: Option<&'a Path>,
    },
}

/// How the reverse proxy reaches the server, as far as a unit needs to know.
#[derive(Debug, Clone, Copy)]
pub enum Entrance<'a> {
    /// A TCP port.
    Port(u16),
    /// The path of a Unix socket.
    Socket(&'a Path),
}

impl Unit<'_> {
    fn entrances(&self) -> impl Iterator<Item = Entrance<'_>> {
        std::iter::once(self.entrance).chain(self.admin)
    }

    /// The folder of the SQLite file.
    fn store_folder(&self) -> Result<Option<String>, UnwritablePath> {
        match self.store {
            Place::File(file) => folder(file).map(Some),
            Place::Server { .. } => Ok(None),
        }
    }

    /// All files that there are before the service starts.
    fn files(&self) -> impl Iterator<Item = (FileOf, &Path)> {
        let (store, password, certificates) = match self.store {
            Place::File(file) => (Some(file), None, None),
            Place::Server {
                password,
                certificates,
            } => (None, password, certificates),
        };
        let files = [
            (FileOf::Program, Some(self.binary)),
            (FileOf::Configuration, Some(self.config)),
            (FileOf::Store, store),
            (FileOf::Certificates, certificates),
            (FileOf::AppSecret, self.app_secret_file),
            (FileOf::Password, password),
        ];
        files
            .into_iter()
            .filter_map(|(what, file)| Some((what, file?)))
    }

    /// The files with secrets that only root reads, the name of each one's credential and the variable that wins over it.
    fn secrets(&self) -> impl Iterator<Item = (&Path, &'static str, &'static str)> {
        self.files().filter_map(|(what, file)| match what {
            FileOf::AppSecret => Some((file, SECRET_CREDENTIAL, SECRET_VARIABLE)),
            FileOf::Password => Some((file, PASSWORD_CREDENTIAL, PASSWORD_VARIABLE)),
            FileOf::Program | FileOf::Configuration | FileOf::Store | FileOf::Certificates => None,
        })
    }
}

/// What a file has that the service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileOf {
    Program,
    Configuration,
    Store,
    Certificates,
    AppSecret,
    Password,
}

impl FileOf {
    /// Whether only root reads it, and the service gets to see a copy.
    fn is_secret(self) -> bool {
        matches!(self, FileOf::AppSecret | FileOf::Password)
    }
}

impl std::fmt::Display for FileOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FileOf::Program => "program",
            FileOf::Configuration => "configuration",
            FileOf::Store => "store",
            FileOf::Certificates => "file of certificates",
            FileOf::AppSecret => "AppSecret file",
            FileOf::Password => "file with the store's password",
        })
    }
}

impl Entrance<'_> {
    fn of(listen: &Listen) -> Entrance<'_> {
        match listen {
            Listen::Tcp(address) => Entrance::Port(address.port()),
            Listen::Unix(path) => Entrance::Socket(path),
        }
    }
}

/// A path that cannot be written in a unit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnwritablePath {
    path: String,
    why: &'static str,
}

impl std::fmt::Display for UnwritablePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "unit: the path {:?} cannot be written into a unit: {}: move or rename it",
            self.path, self.why
        )
    }
}

impl std::error::Error for UnwritablePath {}

/// The state directory if the store is somewhere else.
const STATE_DIRECTORY: &str = "wechatd";

/// The complete text of a unit, with comments.
///
/// `systemd-analyze verify` accepts it and `systemd-analyze security` rates it at most 2.0. It is written for systemd 248
/// and later; an older one warns of the lines that it does not know and runs the service without them. `serve` must do
/// what the unit says: `READY=1` once it answers, `WATCHDOG=1` at least every half of `$WATCHDOG_USEC`, `STOPPING=1`,
/// SIGHUP, exit code 2 for a wrong configuration, and the AppSecret read from `$CREDENTIALS_DIRECTORY`.
///
/// # Errors
/// [`UnwritablePath`] if a path is not absolute or has a character that systemd does not accept in any form.
pub fn unit_text(unit: &Unit<'_>) -> Result<String, UnwritablePath> {
    let binary = text(unit.binary)?;
    let config = text(unit.config)?;
    let store = unit.store_folder()?;

    let state = store.as_deref().and_then(|store| below("/var/lib", store));
    let mut writable = Vec::new();
    if state.is_none() {
        writable.extend(store.as_deref());
    }
    let mut sockets = Vec::new();
    for entrance in unit.entrances() {
        if let Entrance::Socket(path) = entrance {
            sockets.push(folder(path)?);
        }
    }
    let token = unit.token_file.map(folder).transpose()?;
    let mut runtime = Vec::new();
    for folder in sockets.iter().chain(&token) {
        match below("/run", folder) {
            Some(name) if !runtime.contains(&name) => runtime.push(name),
            None if Some(folder) != store.as_ref() && !writable.contains(&folder.as_str()) => {
                writable.push(folder);
            }
            Some(_) | None => {}
        }
    }

    // Beside the store it is writable anyway.
    let media = unit.media.map(text).transpose()?;
    let own = Path::new("/var/lib").join(state.unwrap_or(STATE_DIRECTORY));
    let own = store.as_deref().map_or(own.as_path(), Path::new);
    if let Some(media) = media
        .as_deref()
        .filter(|media| !Path::new(media).starts_with(own))
    {
        writable.push(media);
    }

    let writable: String = writable
        .iter()
        .map(|folder| format!("ReadWritePaths={}\n", quoted(folder)))
        .collect();
    let runtime = match runtime.join(" ") {
        none if none.is_empty() => none,
        // The reverse proxy must reach the socket, and programs of other users the token.
        names => format!("RuntimeDirectory={names}\nRuntimeDirectoryMode=0755\n"),
    };
    let mut secret = match unit.app_secret_file {
        None => format!(
            "# Keep the AppSecret in a file of root's with mode 0600, name it as\n\
             # account.app_secret_file in the configuration, and print this unit again:\n\
             #LoadCredential={SECRET_CREDENTIAL}:/etc/wechatd/app_secret\n"
        ),
        Some(_) => String::new(),
    };
    for (file, credential, _) in unit.secrets() {
        secret += &handed_over(file, credential)?;
    }
    let privileged_port = unit
        .entrances()
        .any(|entrance| matches!(entrance, Entrance::Port(1..1024)));
    let checked = format!("--config {} check --quiet", argument(&config));
    let unknown: String = unit
        .secrets()
        .map(|(_, _, variable)| format!(" {variable}={NO_PASSWORD}"))
        .collect();
    let check = match unknown.is_empty() {
        true => format!("{} {checked}", quoted(&binary)),
        // systemd gives the credentials only to the server.
        false => format!("env{unknown} {} {checked}", argument(&binary)),
    };
    let capabilities = if privileged_port {
        "# One right of root's is left: to listen on a port below 1024.\n\
         CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n\
         AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    } else {
        "# None of root's rights, and no other users to be seen.\n\
         CapabilityBoundingSet=\n\
         PrivateUsers=yes\n"
    };
    let home = if is_any_at_home(unit) {
        "read-only"
    } else {
        "yes"
    };

    Ok(format!(
        "\
# Printed by `wechatd unit`. To install it:
#   {command} --config {config} unit > /etc/systemd/system/wechatd.service
#   systemctl daemon-reload && systemctl enable --now wechatd
# What it says: journalctl -u wechatd. How it is: systemctl status wechatd.

[Unit]
Description=wechatd, the back end of a WeChat Official Account
Wants=network-online.target
After=network-online.target
{after}# By the clock messages are dated and old ones removed. (For systemd-timesyncd: systemctl enable systemd-time-wait-sync.)
After=time-sync.target
# Restart for as long as it takes: a full disk or a taken port may pass.
StartLimitIntervalSec=0

[Service]
# The program says itself when it is ready, stops and is still alive.
Type=notify
# The name in the journal, whichever command below a line comes from.
SyslogIdentifier=wechatd
ExecStart={command} --config {config} serve
# Reloads the configuration; with a mistake in it the reload fails and the old one stays active.
# (A reload gets no credentials: the check takes any secret. Type=notify-reload would need systemd 253.)
ExecReload={check}
ExecReload=kill -HUP $MAINPID
Restart=on-failure
RestartSec=5s
# 2 says that the configuration is wrong: trying again would not help.
RestartPreventExitStatus=2
WatchdogSec=60s
# Stopping takes at most 5 s: what is being answered is finished first.
TimeoutStopSec=20s
# Each connection takes up to two files.
LimitNOFILE=65536
# What is in memory, secrets among it, never goes to a file.
LimitCORE=0

# A user of its own, made by systemd unless you made one (useradd --system {USER}).
DynamicUser=yes
User={USER}
UMask=0077
StateDirectory={state}
StateDirectoryMode=0700
{runtime}{writable}{secret}
{capabilities}NoNewPrivileges=yes

{sandbox}
[Install]
WantedBy=multi-user.target
",
        command = quoted(&binary),
        config = argument(&config),
        state = state.unwrap_or(STATE_DIRECTORY),
        after = match unit.store {
            Place::File(_) => "",
            Place::Server { .. } => AFTER_DATABASE,
        },
        sandbox = sandbox(
            home,
            "AF_INET AF_INET6 AF_UNIX",
            match unit.store {
                Place::File(_) => NO_SYSTEM,
                Place::Server { .. } => SEES_BOOT,
            },
        ),
    ))
}

/// For a database on the same machine.
const AFTER_DATABASE: &str = "After=mariadb.service mysql.service\n";

/// The lines that hand a copy of a secret to the service.
fn handed_over(file: &Path, credential: &str) -> Result<String, UnwritablePath> {
    let what = match credential {
        SECRET_CREDENTIAL => "AppSecret",
        _ => "store's password",
    };
    Ok(format!(
        "# Root's file with the {what}; the service alone gets to see a copy.\n\
         LoadCredential={credential}:{}\n",
        specifiers_escaped(&text(file)?)
    ))
}

/// Of /proc, processes alone.
const NO_SYSTEM: &str = "ProcSubset=pid\n";

/// For the store's leases, whose holders must be told apart.
const SEES_BOOT: &str = "\
# The kernel's id of the boot is seen, too: with it a server that was killed and
# starts again knows that its leases in the database are those of a dead process.
ProcSubset=all
";

/// The sandbox of a service, the same for the server and the backup but for what it sees of /proc.
fn sandbox(home: &str, families: &str, proc: &str) -> String {
    format!(
        "\
# The file system is read-only but for what is named above; no other user's
# files, devices or processes.
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
{proc}PrivateIPC=yes
KeyringMode=private
RemoveIPC=yes

# The system itself cannot be changed.
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes

# What a program like this never does, an intruder in it cannot do either.
RestrictAddressFamilies={families}
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"
    )
}

/// The folder for nightly copies.
const BACKUPS: &str = "wechatd-backups";

/// The names of the units that make a nightly copy of the store.
pub(super) const BACKUP_UNITS: [&str; 2] = ["wechatd-backup.service", "wechatd-backup.timer"];

/// The texts of these units.
///
/// # Errors
/// As [`unit_text`].
pub(super) fn backup_units(unit: &Unit<'_>) -> Result<[String; 2], UnwritablePath> {
    let binary = quoted(&text(unit.binary)?);
    let config = argument(&text(unit.config)?);
    let store = unit.store_folder()?;
    let state = store.as_deref().and_then(|store| below("/var/lib", store));
    let writable = match (state, &store) {
        (Some(_), _) | (None, None) => String::new(),
        (None, Some(store)) => format!("ReadWritePaths={}\n", quoted(store)),
    };
    let state = state.unwrap_or(STATE_DIRECTORY);
    let home = if is_any_at_home(unit) {
        "read-only"
    } else {
        "yes"
    };
    let mut secret = match unit.app_secret_file {
        None => String::new(),
        Some(_) => format!(
            "# It calls nobody: any AppSecret will do, and the real one is not shown to it.\n\
             Environment={SECRET_VARIABLE}=NotNeededHere\n"
        ),
    };
    for (file, credential, _) in unit.secrets() {
        if credential == PASSWORD_CREDENTIAL {
            secret += &handed_over(file, credential)?;
        }
    }
    let (after, network, families) = match unit.store {
        Place::File(_) => (
            String::new(),
            "# None of root's rights, no other users and no network to be seen.\n\
             CapabilityBoundingSet=\n\
             PrivateUsers=yes\n\
             PrivateNetwork=yes\n",
            "AF_UNIX",
        ),
        Place::Server { .. } => (
            format!("Wants=network-online.target\nAfter=network-online.target\n{AFTER_DATABASE}"),
            "# None of root's rights, and no other users to be seen.\n\
             CapabilityBoundingSet=\n\
             PrivateUsers=yes\n",
            "AF_INET AF_INET6 AF_UNIX",
        ),
    };
    let sandbox = sandbox(home, families, NO_SYSTEM);
    let service = format!(
        "\
[Unit]
Description=a copy of the store of wechatd
{after}
[Service]
Type=oneshot
{secret}ExecStart={binary} --config {config} backup --keep 14 /var/lib/{BACKUPS}
LimitCORE=0

# The same user as the server's.
DynamicUser=yes
User={USER}
UMask=0077
StateDirectory={state} {BACKUPS}
StateDirectoryMode=0700
{writable}
{network}NoNewPrivileges=yes

{sandbox}"
    );
    let timer = "\
[Unit]
Description=a copy of the store of wechatd every night

[Timer]
OnCalendar=*-*-* 04:15:00
RandomizedDelaySec=15min
# After a night that the machine was off, as soon as it is on.
Persistent=yes

[Install]
WantedBy=timers.target
";
    Ok([service, timer.to_owned()])
}

/// Shell commands that install a service and a timer for a nightly copy of the store.
///
/// # Errors
/// As [`unit_text`].
pub fn backup_text(unit: &Unit<'_>) -> Result<String, UnwritablePath> {
    let binary = quoted(&text(unit.binary)?);
    let config = argument(&text(unit.config)?);
    let [service, timer] = backup_units(unit)?;
    let [service_name, timer_name] = BACKUP_UNITS;
    Ok(format!(
        "\
# Printed by `wechatd unit --backup`. To install it, as root:
#   {binary} --config {config} unit --backup | sh
# When the last copy was made: wechatd check. What it said: journalctl -u wechatd-backup.

cat > /etc/systemd/system/{service_name} <<'END'
{service}END

cat > /etc/systemd/system/{timer_name} <<'END'
{timer}END

systemctl daemon-reload && systemctl enable --now {timer_name}
",
    ))
}

/// What an owner has to do before the unit can run, apart from installing it: sentences for a terminal, if any.
pub fn unit_advice(unit: &Unit<'_>) -> Vec<String> {
    let mut advice = Vec::new();
    let file = match unit.store {
        Place::File(file) => Some(file),
        Place::Server { .. } => None,
    };
    if let Some(store) = file.map(|file| file.parent().unwrap_or(file))
        && store
            .to_str()
            .is_none_or(|store| below("/var/lib", store).is_none())
    {
        advice.push(format!(
            "the store lies outside /var/lib: set store.path = \"/var/lib/{STATE_DIRECTORY}/wechat.db\", \
             or create the user and give it the folder: useradd --system {USER} && chown -R {USER}: {store:?}"
        ));
    }
    for (what, path) in unit.files() {
        if path.starts_with("/tmp") || path.starts_with("/var/tmp") {
            advice.push(format!(
                "the {what} {path:?} lies where a service with its own /tmp does not see it: move it"
            ));
        } else if is_at_home(path) && !what.is_secret() {
            advice.push(format!(
                "the {what} {path:?} lies in a home folder, which the user {USER} may not be let into: \
                 the usual places are /usr/local/bin, /etc/wechatd and /var/lib/{STATE_DIRECTORY}"
            ));
        }
    }
    advice
}

/// What to do if the service's user cannot read the configuration: the service would end with exit code 2 and not be
/// restarted.
fn unreadable(unit: &Unit<'_>, user: &ServiceUser) -> Option<String> {
    let config = unit.config;
    let by = user.blocked_by(config)?;
    let way = match by.is_dir() {
        true => format!("the folder keeps it out: `chmod o+x {}`", by.display()),
        false => user.access_command(config),
    };
    Some(format!(
        "the configuration {config:?} cannot be read by the user {USER}, which the service runs as: {way}"
    ))
}

/// Whether `ProtectHome=yes` would hide one of the files.
fn is_any_at_home(unit: &Unit<'_>) -> bool {
    unit.files().any(|(_, path)| is_at_home(path))
}

/// Whether `ProtectHome=yes` would hide the path.
fn is_at_home(path: &Path) -> bool {
    ["/home", "/root", "/run/user"]
        .iter()
        .any(|home| path.starts_with(home))
}

/// The folder as a name below `base`, for `StateDirectory=` and `RuntimeDirectory=`, in which spaces and colons
/// separate. `None` if the folder is somewhere else, or has a name that would need quotes.
fn below<'a>(base: &str, folder: &'a str) -> Option<&'a str> {
    let name = folder.strip_prefix(base)?.strip_prefix('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let good =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    // systemd reserves this name for the folders of dynamic users.
    (name.split('/').all(good) && name.split('/').next() != Some("private")).then_some(name)
}

/// The folder of a file, as text for a unit.
fn folder(file: &Path) -> Result<String, UnwritablePath> {
    text(file.parent().unwrap_or(file))
}

/// The path as text, if systemd accepts it. In the path of a program it refuses quotes, backslashes and control
/// characters in any form, and it undoes escapes in some settings only, so they are refused everywhere.
fn text(path: &Path) -> Result<String, UnwritablePath> {
    let unwritable = |why| UnwritablePath {
        path: path.to_string_lossy().into_owned(),
        why,
    };
    let text = path.to_str().ok_or(unwritable("it is not UTF-8"))?;
    if !text.starts_with('/') {
        return Err(unwritable("it is not absolute"));
    }
    if text.contains(['"', '\'', '\\']) || text.contains(char::is_control) {
        return Err(unwritable(
            "it holds a quote, a backslash or a control character",
        ));
    }
    if text.trim_end() != text {
        return Err(unwritable("it ends with a blank"));
    }
    Ok(text.to_owned())
}

/// The path as one word of a unit: quoted if it would be split, and with `%`, which starts a specifier, doubled.
fn quoted(path: &str) -> String {
    let path = specifiers_escaped(path);
    if path.contains([' ', ';']) {
        format!("\"{path}\"")
    } else {
        path
    }
}

/// The same for an argument of a command, in which `$` starts a variable.
fn argument(path: &str) -> String {
    quoted(path).replace('$', "$$")
}

fn specifiers_escaped(path: &str) -> String {
    path.replace('%', "%%")
}

#[cfg(test)]
mod tests;
