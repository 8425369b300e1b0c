//! The help of the whole program: its commands by what they are for, and its colours.

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};

/// Every command once, by what it is for.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Try", &["check", "simulate", "explain", "rules"]),
    (
        "Run",
        &[
            "init",
            "install",
            "uninstall",
            "serve",
            "status",
            "admin",
            "unit",
            "completions",
        ],
    ),
    (
        "Followers",
        &[
            "followers",
            "tags",
            "remark",
            "blacklist",
            "qrcode",
            "stats",
        ],
    ),
    (
        "Messages",
        &["messages", "kf", "service", "forwards", "hooks"],
    ),
    (
        "Account",
        &[
            "menu",
            "statistics",
            "quota",
            "rid",
            "callback-ips",
            "api",
            "token",
        ],
    ),
    (
        "Sending",
        &[
            "send", "mass", "template", "notify", "media", "material", "article", "comments",
        ],
    ),
    ("Web", &["proxy", "gate", "sessions", "login", "shorten"]),
    ("Data", &["backup", "restore", "store"]),
];

/// Colours for a terminal; none where `NO_COLOR` is set.
pub(super) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The help of the program, as a template of clap, which knows no groups of subcommands itself.
pub(super) fn template() -> StyledStr {
    let (header, literal) = (STYLES.get_header(), STYLES.get_literal());
    let mut commands = String::new();
    for (group, names) in GROUPS {
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("{literal}{name}{literal:#}"))
            .collect();
        commands += &format!("  {header}{group:<9}{header:#}  {}\n", names.join(", "));
    }
    StyledStr::from(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{commands}\n{header}Options:{header:#}\n{{options}}{{after-help}}"
    ))
}
