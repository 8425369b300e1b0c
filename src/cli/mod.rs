//! The command line: one file per family of commands.

mod admin;
mod api;
mod article;
mod backup;
mod blacklist;
mod callback_ips;
mod check;
mod comments;
mod explain;
mod followers;
mod forwards;
mod gate;
mod groups;
mod hooks;
mod init;
mod input;
mod install;
mod kf;
mod list;
mod login;
mod mass;
mod material;
mod media;
mod menu;
mod messages;
mod notify;
mod openids;
mod platform;
mod proxy;
mod qrcode;
mod quota;
mod restore;
mod rules;
mod send;
mod serve;
mod service;
mod sessions;
mod shorten;
mod simulate;
mod statistics;
mod stats;
mod status;
mod store;
mod tags;
mod template;
mod terminal;
mod token;
mod unit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{self, Config, Problems};
use terminal::{Failure, Output, complain, logging, refusal};

/// A self-hosted back end for one WeChat Official Account.
#[derive(Debug, Parser)]
#[command(
    name = "wechatd",
    version,
    about = "A self-hosted back end for one WeChat Official Account (公众号)",
    help_template = groups::template(),
    styles = groups::STYLES,
    after_help = "Example:
  wechatd simulate text hello    # what your server answers a follower

`wechatd help COMMAND` explains a command. Exit codes: 0 done, 1 failed,
2 wrong command line or configuration, 3 perhaps done: WeChat did not answer.",
    propagate_version = false
)]
struct Arguments {
    /// The configuration file [default: ./wechat.conf, else /etc/wechatd/wechat.conf]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The commands, in the order of the documentation.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; `wechatd` alone does the same
    #[command(after_help = "Example:
  wechatd serve --config /etc/wechatd/wechat.conf

SIGTERM finishes the requests in progress and exits; a second one exits at once. SIGHUP reloads the configuration.

The log goes to standard error: one line per push with its kind, sender, rule, outcome and milliseconds, in UTC on a terminal. RUST_LOG sets the level: error is what needs you; warn is what was refused, or failed and is retried; info is the default; debug adds the texts of messages. A refused request logs the reason and what to change, once a minute for each kind and address, with a count of the others; a 404 without a valid signature is logged at debug only. No level shows the Token, the AppSecret, keys, access tokens or signatures. If nobody reads the log, lines beyond 1 MiB are dropped and counted.

If the disk is full, the store is locked or damaged, or a commit takes longer than 4.2 s, pushes get 503, WeChat delivers them again, and the server goes on by itself. Exit code 2 means a mistake in the configuration.

For the service: `systemctl edit wechatd`, in [Service] the line Environment=RUST_LOG=debug, then restart.")]
    Serve,
    /// Create the configuration: ask a few questions, try the answers with WeChat, write it
    #[command(after_help = init::EXAMPLES)]
    Init(init::Arguments),
    /// Check the configuration and show what it means
    #[command(after_help = "Example:
  wechatd check
  wechatd check --json | jq -r .token
  wechatd check --online

The exit code is 1 when something keeps the server from starting, such as its port or its store, and with --online when something needs fixing: \"wrong\". There \"no\" marks what the account may not use, such as calls for which it is not verified.")]
    Check(check::Arguments),
    /// Show whether the server runs and what is wrong
    #[command(after_help = status::EXAMPLES)]
    Status(status::Arguments),
    /// Pretend to be WeChat: send one signed push to the running server and print the answer
    #[command(after_help = simulate::help())]
    Simulate(simulate::Arguments),
    /// Show which rule answers, and why each earlier one does not
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Arguments),
    /// Import the console's automatic replies, and test rules
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd rules pull >> wechat.conf"
    )]
    Rules(rules::Commands),
    /// List, show, export, sync and forget followers
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd followers list --since 7d"
    )]
    Followers(followers::Followers),
    /// Messages and events: read, answer, export
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd messages list --limit 50"
    )]
    Messages(messages::Messages),
    /// How the account grows: who came, left and stayed, when followers write, which rules answer
    #[command(after_help = "Examples:
  wechatd stats
  wechatd stats --since 90d
  wechatd stats --since 2026-11-01 --json

A day is a line: +12 followed, -3 left. More than 62 days become weeks. By scene it counts who came, and how many of a hundred are still here: those who follow now and came by that scene the last time, so the scenes of all time add up to the followers. A scene is that of a QR code, else WeChat's word for how someone came, such as ADD_SCENE_SEARCH, which needs the API; it is unknown of those who left before their profile was fetched.")]
    Stats(stats::Arguments),
    /// Tags on followers
    #[command(subcommand, after_help = "Example:\n  wechatd tags list")]
    Tags(tags::Tags),
    /// Set a remark about a follower, which only you see
    #[command(after_help = "Examples:
  wechatd remark oSyn1aAQe7rT0uXk3mPzLc9WvBh4 'met at the fair'
  wechatd remark oSyn1aAQe7rT0uXk3mPzLc9WvBh4 ''")]
    Remark(tags::Remark),
    /// Block and unblock followers
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd blacklist add oSyn1aAQe7rT0uXk3mPzLc9WvBh4"
    )]
    Blacklist(blacklist::Blacklist),
    /// Customer-service agents and their sessions with followers
    #[command(subcommand, after_help = "Example:\n  wechatd kf online")]
    Kf(kf::Kf),
    /// WeChat's own numbers: followers, readers, messages, and how well your server answers
    #[command(subcommand, after_help = statistics::EXAMPLES)]
    Statistics(statistics::Statistics),
    /// Show API quotas and how much of them is used
    #[command(after_help = "Examples:
  wechatd quota
  wechatd quota message/custom/send
  wechatd quota clear message/custom/send
  wechatd quota clear")]
    Quota(quota::Arguments),
    /// Show what WeChat recorded about a call, by the rid of its error; kept for 7 days
    #[command(after_help = "Example:
  wechatd rid 66f0a1b2-1c2d3e4f-5a6b7c8d")]
    Rid(quota::Rid),
    /// List the addresses that WeChat's pushes come from
    #[command(after_help = callback_ips::EXAMPLES)]
    CallbackIps(callback_ips::Arguments),
    /// Call any WeChat API, including those that have no command here
    #[command(after_help = api::EXAMPLES)]
    Api(api::Arguments),
    /// Print a valid access_token for your other programs
    #[command(after_help = token::EXAMPLES)]
    Token(token::Arguments),
    /// The menu below the chat: compare, apply, roll back
    #[command(subcommand, after_help = "Example:\n  wechatd menu diff")]
    Menu(menu::Commands),
    /// QR codes that show where followers come from
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd qrcode create poster-7 --permanent"
    )]
    Qrcode(qrcode::Commands),
    /// Send a customer-service message to one follower
    #[command(override_usage = send::USAGE, after_help = send::EXAMPLES)]
    Send(Box<send::Arguments>),
    /// Temporary files: upload, download
    #[command(subcommand, after_help = "Example:\n  wechatd media upload photo.jpg")]
    Media(media::Commands),
    /// Permanent files and articles, kept by WeChat
    #[command(subcommand, after_help = "Example:\n  wechatd material list")]
    Material(material::Commands),
    /// Articles: drafts, publishing, what is published
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd article draft open-day.json"
    )]
    Article(article::Commands),
    /// Comments on articles: open, read, star, reply, delete
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd comments list 2247490001"
    )]
    Comments(comments::Commands),
    /// Template messages
    #[command(subcommand, after_help = "Example:\n  wechatd template list")]
    Template(template::Commands),
    /// Subscription notifications, for users who agreed to get them
    #[command(subcommand, after_help = "Example:\n  wechatd notify list")]
    Notify(notify::Commands),
    /// Mass messages: one message to many followers
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd mass send 'We are closed on Monday' --all --dry-run"
    )]
    Mass(mass::Commands),
    /// Short keys for long texts, kept by WeChat for up to 30 days
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd shorten create 'https://www.example.com/?from=poster-7' --expires 7d"
    )]
    Shorten(shorten::Commands),
    /// WeChat's log-in (OAuth) for your own web pages, one call at a time
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd login url https://www.example.com/cb"
    )]
    Login(login::Commands),
    /// Who is logged in on your web pages
    #[command(subcommand, after_help = "Example:\n  wechatd sessions list")]
    Sessions(sessions::Commands),
    /// The operator's page: open it, sign in
    #[command(after_help = "Examples:
  wechatd admin
  wechatd admin link --name Li

Alone it prints a link that signs a browser in. Where the server does not show the page (admin.listen is off), it shows the page itself on this machine until Ctrl-C, also without any configuration, and while a server is running.")]
    Admin(admin::Arguments),
    /// Your own programs that answer messages
    #[command(subcommand, after_help = service::HELP)]
    Service(service::Commands),
    /// What was forwarded to services, and what they answered
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd forwards list --since 1d"
    )]
    Forwards(forwards::Commands),
    /// Programs and chat robots that are notified of events
    #[command(subcommand, after_help = hooks::HELP)]
    Hooks(hooks::Commands),
    /// Who may open your web pages
    #[command(subcommand, after_help = gate::HELP)]
    Gate(gate::Commands),
    /// Print the configuration of a reverse proxy for your web pages
    #[command(after_help = proxy::EXAMPLES)]
    Proxy(proxy::Arguments),
    /// Copy the store while the server runs
    #[command(after_help = "Examples:
  wechatd backup /var/backups/before-the-move.db
  wechatd backup --keep 14 /var/backups/wechatd

The copy is consistent: one plain SQLite file with mode 0600, named .part until it is complete, also where the store is on a server (store.url). With --keep the folder is created if needed, and all but the newest N files wechat-DATE-TIME.db in it are removed; other files are not touched. `wechatd restore` restores a copy, `wechatd check` shows when the last one was made, and `wechatd install` and `wechatd unit --backup` set up a nightly one. Without systemd, in root's crontab (cron searches /usr/bin and /bin only):

  15 4 * * * /usr/local/bin/wechatd backup --keep 14 /var/backups/wechatd")]
    Backup(backup::Arguments),
    /// Replace the store with a copy
    #[command(after_help = "Example:
  systemctl stop wechatd
  wechatd restore /var/backups/wechat-2026-11-21.db
  systemctl start wechatd

The server must be stopped. The copy is checked first. The previous store is kept with .before added to its name (or .before-2 and so on: none is overwritten), and the file keeps its owner. Where the store is on a server (store.url), the copy is restored only into an empty database: make a new one, and name it in store.url.")]
    Restore(restore::Arguments),
    /// The store on a server that speaks the MySQL protocol: move there and back, list who shares it
    #[command(
        subcommand,
        after_help = "Examples:\n  wechatd store copy wechat.db mysql://wechatd@db1/wechatd\n  wechatd store nodes"
    )]
    Store(store::Commands),
    /// Install the systemd service, or upgrade it
    #[command(after_help = install::EXAMPLES)]
    Install(install::Arguments),
    /// Remove the service; the configuration and the store stay
    #[command(after_help = "Examples:
  wechatd uninstall --dry-run
  sudo wechatd uninstall")]
    Uninstall(install::Arguments),
    /// Print a hardened systemd unit for this binary and configuration
    #[command(after_help = "Example:
  wechatd unit --config /etc/wechatd/wechat.conf \\
      > /etc/systemd/system/wechatd.service
  systemctl daemon-reload && systemctl enable --now wechatd
  wechatd unit --config /etc/wechatd/wechat.conf --backup | sh

`wechatd install` does all of this. The unit gives the server a user of its own, one folder to write to and no right of root's; `systemd-analyze security` rates it 1.2, where 10 is no protection. The AppSecret stays in a file that only root reads; the service gets a copy. It is restarted when it fails or shows no sign of life for a minute, but not after a mistake in the configuration (exit code 2): `systemctl start wechatd` once the mistake is fixed. Print it again when you move one of the files or change server.listen.

With --backup it prints shell commands for root that write and start a service and a timer for `wechatd backup --keep 14 /var/lib/wechatd-backups` every night.")]
    Unit(unit::Arguments),
    /// Print shell completions
    #[command(after_help = "Example:
  wechatd completions bash > /etc/bash_completion.d/wechatd")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    crate::resolver::use_built_in_lookups();
    let words = std::env::args_os().skip(1);
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let as_json = refusal::wants_json(&words);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            return refusal::refusal(&error, &Arguments::command(), &words).report(as_json);
        }
        // Help and version come this way too, but are not failures.
        Err(help) => {
            help.print().ok();
            return ExitCode::SUCCESS;
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(as_json),
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let command = arguments.command.unwrap_or(Command::Serve);
    if !matches!(command, Command::Serve) {
        logging::start("warn");
    }
    let named = arguments.config;
    let file = || {
        let found = config::find(named.as_deref())?;
        if let (None, Some(other)) = (&named, config::passed_over(&found)) {
            complain(&format!(
                "using ./{}, not {}, which is used in any other folder",
                found.display(),
                other.display()
            ));
        }
        Ok::<_, Problems>(found)
    };
    let config = || -> Result<Config, Failure> { Ok(Config::load(&file()?)?) };
    // What can be tried before there is a configuration.
    let config_or_none = || match (&named, file()) {
        (None, Err(_)) => Ok(Config::without_file()?),
        (None | Some(_), Ok(file)) => Ok(Config::load(&file)?),
        (Some(_), Err(problems)) => Err(Failure::from(problems)),
    };
    match command {
        Command::Serve => serve::run(config),
        Command::Init(arguments) => init::run(named.as_deref(), &arguments),
        Command::Check(arguments) => check::run(&config()?, &arguments),
        Command::Status(arguments) => status::run(&file()?, &arguments),
        Command::Simulate(arguments) => simulate::run(&config()?, &arguments),
        Command::Explain(arguments) => explain::run(config()?, &arguments),
        Command::Rules(command) => rules::run(config()?, command),
        Command::Followers(command) => followers::run(&config()?, command),
        Command::Messages(command) => messages::run(&config()?, command),
        Command::Stats(arguments) => stats::run(&config()?, &arguments),
        Command::Tags(command) => tags::run(&config()?, command),
        Command::Remark(arguments) => tags::remark(&config()?, &arguments),
        Command::Blacklist(command) => blacklist::run(&config()?, command),
        Command::Kf(command) => kf::run(&config()?, command),
        Command::Statistics(command) => statistics::run(&config()?, &command),
        Command::Quota(arguments) => quota::run(&config()?, &arguments),
        Command::Rid(arguments) => quota::rid(&config()?, &arguments),
        Command::CallbackIps(arguments) => callback_ips::run(&config()?, &arguments),
        Command::Api(arguments) => api::run(&config()?, &arguments),
        Command::Token(arguments) => token::run(&file()?, &arguments),
        Command::Menu(command) => menu::run(&config()?, command),
        Command::Qrcode(command) => qrcode::run(&config()?, command),
        Command::Send(arguments) => send::run(&config()?, &arguments),
        Command::Media(command) => media::run(&config()?, command),
        Command::Material(command) => material::run(&config()?, command),
        Command::Article(command) => article::run(&config()?, command),
        Command::Comments(command) => comments::run(&config()?, command),
        Command::Template(command) => template::run(&config()?, command),
        Command::Notify(command) => notify::run(&config()?, command),
        Command::Mass(command) => mass::run(&config()?, command),
        Command::Shorten(command) => shorten::run(&config()?, command),
        Command::Login(command) => login::run(&config()?, command),
        Command::Sessions(command) => sessions::run(&config()?, command),
        Command::Admin(arguments) => admin::run(config_or_none()?, arguments),
        Command::Service(command) => service::run(&config()?, command),
        Command::Forwards(command) => forwards::run(&config()?, command),
        Command::Hooks(command) => hooks::run(&config()?, command),
        Command::Gate(command) => gate::run(&config()?, command),
        Command::Proxy(arguments) => proxy::run(&config()?, &arguments),
        Command::Backup(arguments) => backup::run(&config()?, &arguments),
        Command::Restore(arguments) => restore::run(&config()?, &arguments),
        Command::Store(command) => store::run(config, command),
        Command::Install(arguments) => install::install(named.as_deref(), &arguments, completions),
        Command::Uninstall(arguments) => install::uninstall(&arguments),
        Command::Unit(arguments) => unit::run(&config()?, &arguments),
        Command::Completions { shell } => Output::for_reading().bytes(&completions(shell)),
    }
}

/// The script that completes this command line in a shell.
fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wechatd", &mut script);
    script
}

/// Every command and subcommand, such as `followers list`, with its line of help; for tests of the documentation.
#[must_use]
pub fn commands() -> Vec<(String, String)> {
    fn walk(prefix: &str, command: &clap::Command, list: &mut Vec<(String, String)>) {
        for sub in command.get_subcommands() {
            let name = format!("{prefix}{}", sub.get_name());
            if !sub.has_subcommands() || !sub.is_subcommand_required_set() {
                let about = sub.get_about().map(ToString::to_string);
                list.push((name.clone(), about.unwrap_or_default()));
            }
            walk(&format!("{name} "), sub, list);
        }
    }
    let mut list = Vec::new();
    walk("", &Arguments::command(), &mut list);
    list
}

#[cfg(test)]
mod tests;
