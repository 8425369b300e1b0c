//! `wechatd template once`: sends the one message that a user agreed to on the platform's page.

use crate::api::template::{
    MAX_ONCE_SCENE, MAX_ONCE_TEXT, MAX_ONCE_TITLE, Miniprogram, OnceContent, OnceData, OnceMessage,
};
use crate::cli::input::{NotBlank, Openid, json, whole_number};
use crate::cli::platform::connect;
use crate::cli::terminal::{Failure, Json, Output};
use crate::config::Config;

pub(super) const EXAMPLES: &str = "Example:
  wechatd template once oSyn1aAQe7rT0uXk3mPzLc9WvBh4 TEMPLATE_ID \\
      'class starts at 9' --scene 1000 --title Reminder

The user agrees on WeChat's page subscribemsg (action=get_confirm) to one message for a template and a scene; TEMPLATE_ID and the scene are those of that page. The console names the template, under interface permissions, one-time subscription messages.";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The follower's openid
    openid: Openid,
    /// The template that the user agreed to
    template_id: NotBlank,
    /// What it says, at most 200 characters
    text: NotBlank,
    /// The scene that the user agreed to, 0 to 10000
    #[arg(long, value_name = "N", value_parser = whole_number::<u16>(0..=u32::from(MAX_ONCE_SCENE)), allow_negative_numbers = true)]
    scene: u16,
    /// At most 15 characters
    #[arg(long)]
    title: NotBlank,
    /// The colour of the text, as #173177
    #[arg(long, value_name = "RGB")]
    color: Option<String>,
    /// Where a tap leads
    #[arg(long, value_name = "U")]
    url: Option<String>,
    /// Where a tap leads on phones that open mini programs: {"appid": …, "pagepath": …}
    #[arg(long, value_name = "JSON")]
    miniprogram: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let lengths = [
        ("--title", &arguments.title, MAX_ONCE_TITLE),
        ("the text", &arguments.text, MAX_ONCE_TEXT),
    ];
    for (what, text, most) in lengths {
        let length = text.chars().count();
        if !(1..=most).contains(&length) {
            return Err(Failure::Wrong(format!(
                "{what} has 1 to {most} characters, this one {length}"
            )));
        }
    }
    let miniprogram: Option<Miniprogram> = arguments
        .miniprogram
        .as_deref()
        .map(json::miniprogram)
        .transpose()?;
    let message = OnceMessage {
        touser: arguments.openid.into(),
        template_id: arguments.template_id.into(),
        url: arguments.url,
        miniprogram,
        scene: arguments.scene.to_string(),
        title: arguments.title.into(),
        data: OnceData {
            content: OnceContent {
                value: arguments.text.into(),
                color: arguments.color,
            },
        },
    };
    let (_store, api) = connect(config)?;
    api.template_subscribe(&message)?;
    let value = serde_json::json!({"openid": message.touser, "scene": arguments.scene});
    Output::for_change().answer(arguments.json, &value, "sent")
}
