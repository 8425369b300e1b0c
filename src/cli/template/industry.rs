//! `wechatd template industry`: the account's industries, which decide what templates the platform offers.

use crate::api::template::Industry;
use crate::cli::input::{Yes, confirm, limit};
use crate::cli::platform::connect;
use crate::cli::terminal::{Failure, Json, Output, cell};
use crate::config::Config;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set the account's industry; WeChat allows it once a month
    #[command(after_help = "Example:
  wechatd template industry set 1 4

The numbers are in WeChat's documentation of template messages: 1 is Internet and electronic commerce.")]
    Set {
        /// The number of the main industry
        #[arg(value_parser = limit, allow_negative_numbers = true)]
        main: u32,
        /// The number of the second industry
        #[arg(value_parser = limit, allow_negative_numbers = true)]
        second: u32,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        json: Json,
    },
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let (_store, api) = connect(config)?;
    if let Some(Command::Set {
        main,
        second,
        yes,
        json,
    }) = arguments.command
    {
        let question = format!(
            "Set the industries {main} and {second}? The next change is possible in a month."
        );
        confirm::ask(&question, yes)?;
        api.api_set_industry(main, second)?;
        let value = serde_json::json!({ "main": main, "second": second });
        let line = "set; `wechatd template industry` shows it";
        return Output::for_change().answer(json, &value, line);
    }
    let industries = api.get_industry()?;
    let mut out = Output::for_reading();
    if arguments.json.wanted {
        return out.json(&industries);
    }
    out.pairs(&[
        ("main", shown(industries.primary_industry.as_ref())),
        ("second", shown(industries.secondary_industry.as_ref())),
    ])?;
    out.done()
}

fn shown(industry: Option<&Industry>) -> String {
    let parts: Vec<String> = industry
        .into_iter()
        .flat_map(|industry| [&industry.first_class, &industry.second_class])
        .flatten()
        .filter(|part| !part.is_empty())
        .map(|part| cell(part, 60))
        .collect();
    match parts.is_empty() {
        true => "not set".to_owned(),
        false => parts.join(", "),
    }
}
