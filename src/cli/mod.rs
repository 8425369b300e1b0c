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
mod tags;
mod template;
mod terminal;
mod token;
mod unit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{self, Config};
use terminal::{Failure, Output, logging, refusal};

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
    /// Run the server (this is what `wechatd` alone does)
    #[command(after_help = "Example:
  wechatd serve --config /etc/wechatd/wechat.conf

Signals: SIGTERM stops after what is under way is answered, SIGHUP reads the configuration again.

Log levels: RUST_LOG=debug shows more, message texts included.")]
    Serve,
    /// Ask what the configuration needs, try it, and write it
    #[command(after_help = init::EXAMPLES)]
    Init(init::Arguments),
    /// Read the configuration and show what will happen
    #[command(after_help = "Example:
  wechatd check
  wechatd check --json | jq -r .token
  wechatd check --online

The exit code is 1 when something keeps the server from starting, such as its port or its store, and with --online when something is to be mended.")]
    Check(check::Arguments),
    /// Whether the server runs, and what is wrong
    #[command(after_help = status::EXAMPLES)]
    Status(status::Arguments),
    /// Play the platform: send one signed push to the running server and print the answer
    #[command(after_help = simulate::help())]
    Simulate(simulate::Arguments),
    /// Show which rule answers and why each earlier one does not
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Arguments),
    /// Take over the console's automatic replies, and test rules
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd rules pull >> wechat.conf"
    )]
    Rules(rules::Commands),
    /// Who follows
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd followers list --since 7d"
    )]
    Followers(followers::Followers),
    /// What was written and what happened
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd messages list --limit 50"
    )]
    Messages(messages::Messages),
    /// How the account grows: who came and left, when people write, what answers them, who stayed
    #[command(after_help = "Examples:
  wechatd stats
  wechatd stats --since 90d
  wechatd stats --since 2026-11-01 --json

A day is a line: +12 came, -3 left. More than 62 days become weeks. \"Stayed\" says how many of a hundred that came by a scene are still here: a scene is that of a QR code, else the platform's word for how somebody came, such as ADD_SCENE_SEARCH.")]
    Stats(stats::Arguments),
    /// Words that the account puts on followers
    #[command(subcommand, after_help = "Example:\n  wechatd tags list")]
    Tags(tags::Tags),
    /// Note a remark about a follower, that only the account sees
    #[command(after_help = "Examples:
  wechatd remark oSyn1aAQe7rT0uXk3mPzLc9WvBh4 'met at the fair'
  wechatd remark oSyn1aAQe7rT0uXk3mPzLc9WvBh4 ''")]
    Remark(tags::Remark),
    /// People whose messages are not delivered
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd blacklist add oSyn1aAQe7rT0uXk3mPzLc9WvBh4"
    )]
    Blacklist(blacklist::Blacklist),
    /// The customer-service agents, and what they do with users
    #[command(subcommand, after_help = "Example:\n  wechatd kf online")]
    Kf(kf::Kf),
    /// What WeChat counts itself: followers, readers, messages, and whether our answers arrive
    #[command(subcommand, after_help = statistics::EXAMPLES)]
    Statistics(statistics::Statistics),
    /// Show how often the platform's calls may be made, and were
    #[command(after_help = "Examples:
  wechatd quota
  wechatd quota message/custom/send
  wechatd quota clear message/custom/send
  wechatd quota clear")]
    Quota(quota::Arguments),
    /// Show what the platform remembers of a request, by the rid of an error; it forgets after 7 days
    #[command(after_help = "Example:
  wechatd rid 66f0a1b2-1c2d3e4f-5a6b7c8d")]
    Rid(quota::Rid),
    /// List the addresses that WeChat's pushes come from
    #[command(after_help = callback_ips::EXAMPLES)]
    CallbackIps(callback_ips::Arguments),
    /// Make any call of WeChat, also one that has no command here
    #[command(after_help = api::EXAMPLES)]
    Api(api::Arguments),
    /// Print a valid access_token, for the owner's other programs
    #[command(after_help = token::EXAMPLES)]
    Token(token::Arguments),
    /// The menu below the chat
    #[command(subcommand, after_help = "Example:\n  wechatd menu diff")]
    Menu(menu::Commands),
    /// QR codes that tell where a follower comes from
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd qrcode create poster-7 --permanent"
    )]
    Qrcode(qrcode::Commands),
    /// Send a customer-service message to one user
    #[command(override_usage = send::USAGE, after_help = send::EXAMPLES)]
    Send(Box<send::Arguments>),
    /// Upload and fetch files
    #[command(subcommand, after_help = "Example:\n  wechatd media upload photo.jpg")]
    Media(media::Commands),
    /// Files and articles that the platform keeps for good
    #[command(subcommand, after_help = "Example:\n  wechatd material list")]
    Material(material::Commands),
    /// Articles: from a file to a draft, and from a draft to everybody
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd article draft open-day.json"
    )]
    Article(article::Commands),
    /// Comments below articles: open, read, star, answer, delete
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd comments list 2247490001"
    )]
    Comments(comments::Commands),
    /// Template messages: forms filled in for one user
    #[command(subcommand, after_help = "Example:\n  wechatd template list")]
    Template(template::Commands),
    /// Subscription notifications: forms filled in for users who agreed to get them
    #[command(subcommand, after_help = "Example:\n  wechatd notify list")]
    Notify(notify::Commands),
    /// Mass messages: one message to many
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd mass send 'We are closed on Monday' --all --dry-run"
    )]
    Mass(mass::Commands),
    /// Short keys: 15 characters that stand for a longer text, kept by the platform for up to 30 days
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd shorten create 'https://www.example.com/?from=poster-7' --expires 7d"
    )]
    Shorten(shorten::Commands),
    /// Who opens a web page in WeChat, for the owner's own pages
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd login url https://www.example.com/cb"
    )]
    Login(login::Commands),
    /// Who is logged in on the owner's web pages
    #[command(subcommand, after_help = "Example:\n  wechatd sessions list")]
    Sessions(sessions::Commands),
    /// The operator's page: show it, and sign in
    #[command(after_help = "Examples:
  wechatd admin
  wechatd admin link --name Li

Alone it prints a link that signs a browser in. Where the server does not show the page (admin.listen is off), it shows the page itself on this machine until Ctrl-C, also without any configuration, and beside a running server.")]
    Admin(admin::Arguments),
    /// Programs of the owner that answer messages
    #[command(subcommand, after_help = "Example:\n  wechatd service list")]
    Service(service::Commands),
    /// What was forwarded to services, and what became of their answers
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd forwards list --since 1d"
    )]
    Forwards(forwards::Commands),
    /// Programs and group robots that are notified of events
    #[command(subcommand, after_help = "Example:\n  wechatd hooks test crm")]
    Hooks(hooks::Commands),
    /// Who may pass to the owner's web pages
    #[command(
        subcommand,
        after_help = "Example:\n  wechatd gate test members oSyn1aAQe7rT0uXk3mPzLc9WvBh4"
    )]
    Gate(gate::Commands),
    /// Print the configuration of a reverse proxy that asks a gate who may pass to your app
    #[command(after_help = proxy::EXAMPLES)]
    Proxy(proxy::Arguments),
    /// Make a consistent copy of the store while the server runs
    #[command(after_help = "Examples:
  wechatd backup /var/backups/before-the-move.db
  wechatd backup --keep 14 /var/backups/wechatd

The copy is one plain SQLite file with mode 0600, and has .part behind its name until it is whole. With --keep the folder is made if need be, and of the files wechat-DATE-TIME.db in it all but the newest N are removed; others are not touched. `wechatd restore` puts a copy back, `wechatd check` says when the last one was made, and `wechatd unit --backup` makes one every night.")]
    Backup(backup::Arguments),
    /// Put a copy that `backup` made in the place of the store
    #[command(after_help = "Example:
  systemctl stop wechatd
  wechatd restore /var/backups/wechat-2026-11-21.db
  systemctl start wechatd

The server must be stopped. The copy is checked first; the store that was there stays beside it, with .before behind its name (or .before-2 and so on: none is overwritten), and the file keeps its owner.")]
    Restore(restore::Arguments),
    /// Install this program as a service of systemd, or upgrade it
    #[command(after_help = install::EXAMPLES)]
    Install(install::Arguments),
    /// Take the service away again, but for the configuration and the store
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

With --backup it prints shell commands, to be run by root, that write and start a service and a timer for `wechatd backup --keep 14 /var/lib/wechatd-backups` every night.")]
    Unit(unit::Arguments),
    /// Print completions for a shell
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
    let file = || config::find(named.as_deref());
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
