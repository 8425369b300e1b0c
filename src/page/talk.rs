//! `/people/OPENID`: the conversation with one person, and the box for an answer.

use maud::{Markup, html};

use super::bubble;
use super::frame::Frame;
use super::inbox::state;
use super::message;
use super::person;
use super::texts::Text;
use crate::api::custom::MAX_TEXT;
use crate::inbox::window::{Shut, Window};
use crate::percent;
use crate::store::{Conversation, Follower, MessageRow, Said, SentRow, SentState};

/// The longest answer that the box takes, in characters: a form has room for so many of them.
const LONGEST: usize = 6_000;

/// What the page shows.
#[derive(Debug)]
pub struct Talk {
    /// Of the person.
    pub openid: String,
    /// What the person is called.
    pub name: String,
    /// If the person follows.
    pub follower: Option<Follower>,
    /// The tags that the person has: id and name.
    pub tags: Vec<(i64, String)>,
    /// The tags that there are besides.
    pub other_tags: Vec<(i64, String)>,
    /// A part of what was said.
    pub conversation: Conversation,
    /// Whether it is the newest part.
    pub is_newest: bool,
    /// The messages in it whose pictures there are.
    pub pictures: Vec<i64>,
    /// The messages in it whose other files there are.
    pub files: Vec<i64>,
    /// Whether the person can be answered.
    pub window: Window,
    /// The account can send messages.
    pub can_send: bool,
    /// The number that lets the form work once.
    pub once: String,
    /// Unix seconds.
    pub now: i64,
    /// What to say first.
    pub told: Option<Told>,
    /// What stands in the box: an answer that was not sent.
    pub draft: String,
}

/// What has become of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The box was empty.
    Empty,
    /// A link is too long for a message.
    LongLink,
    /// The box is shut.
    Shut,
    /// The answer makes this many messages, and only so many are left.
    TooMany(usize, u8),
    /// So many of so many messages were sent; then this went wrong.
    Failed(usize, usize, String),
    /// The platform may have taken it or not.
    Unknown(String),
    /// It was not done, for this reason.
    NotDone(String),
    /// The platform has done it, and the store could not note it, for this reason.
    NotNoted(String),
    /// The last characters of the openid were not right.
    WrongEnd,
    /// The person is blocked now.
    Blocked,
    /// The person is not blocked any more.
    Unblocked,
}

impl Talk {
    /// The path of the page, and of what it can do.
    fn path(&self) -> String {
        format!("/people/{}", percent::encode(&self.openid))
    }
}

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, talk: &Talk) -> Markup {
    let content = html! {
        (facts(frame, talk))
        @if let Some(told) = &talk.told { (told_markup(frame, told)) }
        (conversation(frame, talk))
        (answer(frame, talk))
        (more(frame, talk))
    };
    frame.page_of(&person::plain(&talk.name), None, &content)
}

fn facts(frame: &Frame<'_>, talk: &Talk) -> Markup {
    html! {
        p .soft {
            @match &talk.follower {
                Some(follower) => {
                    (frame.with(Text::FollowsSince, &[("time", &follower.subscribed)]))
                    @if let Some(scene) = follower.scene() { " · " (frame.say(Text::Scene)) " " (person::text(&scene)) }
                }
                None => (frame.say(Text::DoesNotFollow)),
            }
            @for (_, tag) in &talk.tags { " · " (person::text(tag)) }
            " · " code { (person::text(&talk.openid)) }
        }
    }
}

fn told_markup(frame: &Frame<'_>, told: &Told) -> Markup {
    let (text, why) = match told {
        Told::Empty => (frame.say(Text::AnswerIsEmpty).to_owned(), ""),
        Told::LongLink => (frame.say(Text::AnswerHasLongLink).to_owned(), ""),
        Told::Shut => (frame.say(Text::NotSentShut).to_owned(), ""),
        Told::TooMany(messages, left) => (
            frame.with(Text::TooManyMessages, &[("n", messages), ("left", left)]),
            "",
        ),
        Told::Failed(0, _, why) => (frame.say(Text::NotSent).to_owned(), why.as_str()),
        Told::Failed(sent, of, why) => (
            frame.with(Text::SentInPart, &[("n", sent), ("of", of)]),
            why.as_str(),
        ),
        Told::Unknown(why) => (frame.say(Text::MayHaveArrivedWhy).to_owned(), why.as_str()),
        Told::NotDone(why) => (frame.say(Text::NotDone).to_owned(), why.as_str()),
        Told::NotNoted(why) => (frame.say(Text::NotNoted).to_owned(), why.as_str()),
        Told::WrongEnd => (frame.say(Text::WrongEnd).to_owned(), ""),
        Told::Blocked => (frame.say(Text::NowBlocked).to_owned(), ""),
        Told::Unblocked => (frame.say(Text::NowUnblocked).to_owned(), ""),
    };
    let is_good = matches!(told, Told::Blocked | Told::Unblocked);
    html! {
        div .notice.bad[!is_good] role=(if is_good { "status" } else { "alert" }) {
            span { (text) }
            @if !why.is_empty() { span .soft { (person::text(why)) } }
        }
    }
}

fn conversation(frame: &Frame<'_>, talk: &Talk) -> Markup {
    let path = talk.path();
    html! {
        @if let Some(older) = talk.conversation.older {
            p { a href=(frame.to(&format!("{path}?before={}.{}", older.message, older.sent))) { (frame.say(Text::Older)) } }
        }
        @if talk.conversation.said.is_empty() {
            p .soft { (frame.say(Text::NothingSaid)) }
        } @else {
            ol .talk {
                @for said in &talk.conversation.said {
                    @match said {
                        Said::Came(row) if row.event.is_some() => (event(frame, row)),
                        Said::Came(row) => (came(frame, talk, row, &path)),
                        Said::Sent(row) => (sent(frame, row)),
                    }
                }
            }
        }
        @if !talk.is_newest {
            p { a href=(frame.to(&path)) { (frame.say(Text::Newest)) } }
        }
    }
}

/// An event is a thin line; what answered it is a bubble.
fn event(frame: &Frame<'_>, row: &MessageRow) -> Markup {
    let said = message::said(frame, row);
    html! {
        li .thin {
            (message::kind(frame, row))
            @if !said.is_empty() { " " (person::text(&said)) }
            " · " (row.received)
        }
        (reply(frame, row))
    }
}

fn came(frame: &Frame<'_>, talk: &Talk, row: &MessageRow, path: &str) -> Markup {
    let media = format!("/media/{}", row.id);
    let said = match &row.content {
        Some(content) => bubble::lines(content),
        None => person::text(&message::said(frame, row)),
    };
    html! {
        li .came id=(format!("m{}", row.id)) {
            div .bubble {
                @if talk.pictures.contains(&row.id) {
                    a href=(frame.to(&media)) { img src=(frame.to(&media)) alt=(frame.say(Text::KindImage)) loading="lazy"; }
                } @else {
                    (said)
                }
                @if talk.files.contains(&row.id) { p { a href=(frame.to(&media)) download { (frame.say(Text::Download)) } } }
            }
            div .meta { time { (row.received) } (state(frame, row, false, path)) }
        }
        (reply(frame, row))
    }
}

/// What a rule or a service answered.
fn reply(frame: &Frame<'_>, row: &MessageRow) -> Markup {
    html! {
        @match (&row.reply, &row.rule) {
            (Some(xml), rule) => li .went {
                (bubble::kept(frame, xml))
                div .meta {
                    @if let Some(rule) = rule { (frame.say(Text::Rule)) " " (person::text(rule)) }
                }
            },
            (None, _) if row.pending => li .thin { (frame.say(Text::AnswerPending)) },
            (None, Some(rule)) if row.event.is_none() => li .thin { (frame.say(Text::NothingShown)) " " (person::text(rule)) },
            (None, None) if row.event.is_none() => li .thin { (frame.say(Text::NoRuleAnswered)) },
            (None, _) => {}
        }
    }
}

fn sent(frame: &Frame<'_>, row: &SentRow) -> Markup {
    let (state, is_bad) = match row.state {
        SentState::Sending => (frame.say(Text::StateSending), false),
        SentState::Sent => (frame.say(Text::StateSent), false),
        SentState::Refused => (refusal(frame, row.errcode), true),
        SentState::Unknown => (frame.say(Text::MayHaveArrived), true),
    };
    html! {
        li .went {
            (bubble::sent(frame, row))
            div .meta {
                time { (row.sent) }
                span { (person::text(&row.by)) }
                span .warn[is_bad] { (state) }
                @if let Some(errcode) = row.errcode { span { (errcode) } }
            }
        }
    }
}

fn refusal(frame: &Frame<'_>, errcode: Option<i64>) -> &'static str {
    frame.say(match Shut::told(errcode) {
        Some(shut) => why(shut),
        None => Text::StateRefused,
    })
}

fn why(shut: Shut) -> Text {
    match shut {
        Shut::Over => Text::ShutOver,
        Shut::Left => Text::ShutLeft,
        Shut::UsedUp => Text::ShutUsedUp,
        Shut::UsedUpThere => Text::ShutUsedUpThere,
        Shut::OverThere => Text::ShutOverThere,
        Shut::Declined => Text::ShutDeclined,
    }
}

fn reopens(shut: Shut) -> Text {
    match shut {
        Shut::Left => Text::ReopensWithFollow,
        Shut::Declined => Text::ReopensWhenSwitchedOn,
        Shut::Over | Shut::UsedUp | Shut::UsedUpThere | Shut::OverThere => Text::ReopensWithMessage,
    }
}

/// `41 h 12 min left, at most 4 of 5 messages`.
fn left(frame: &Frame<'_>, until: i64, left: u8, of: u8, now: i64) -> String {
    let seconds = until.saturating_sub(now).max(0);
    let (hours, minutes) = (seconds / 3_600, seconds % 3_600 / 60);
    let time = match (hours, minutes) {
        (0, 0) => frame.with(Text::Seconds, &[("s", &seconds)]),
        (0, minutes) => frame.with(Text::Minutes, &[("m", &minutes)]),
        (hours, minutes) => frame.with(Text::HoursAndMinutes, &[("h", &hours), ("m", &minutes)]),
    };
    frame.with(
        Text::WindowLeft,
        &[("time", &time), ("left", &left), ("of", &of)],
    )
}

fn answer(frame: &Frame<'_>, talk: &Talk) -> Markup {
    let is_open = talk.can_send && matches!(talk.window, Window::Open { .. });
    let waiting = waiting(&talk.conversation);
    html! {
        section #answer .answer aria-labelledby="answer-heading" {
            h2 #answer-heading { (frame.say(Text::Answer)) }
            p #answer-window .warn[!is_open] {
                @if !talk.can_send {
                    (frame.say(Text::CannotSend))
                } @else {
                    @match talk.window {
                        Window::Open { until, left: messages, of } => (left(frame, until, messages, of, talk.now)),
                        Window::Shut(shut) => { (frame.say(why(shut))) " " (frame.say(reopens(shut))) }
                    }
                }
            }
            (frame.form(&format!("{}/send", talk.path()), "", &html! {
                input type="hidden" name="once" value=(talk.once);
                textarea name="content" rows="4" maxlength=(LONGEST) aria-label=(frame.say(Text::Answer)) aria-describedby="answer-window answer-long" disabled[!is_open] required { (talk.draft) }
                p #answer-long .soft { (frame.with(Text::LongAnswer, &[("bytes", &MAX_TEXT)])) }
                @if !waiting.is_empty() {
                    p { label .check {
                        input type="checkbox" name="done" value=(waiting) checked disabled[!is_open];
                        span { (frame.say(Text::AndMarkDone)) }
                    } }
                }
                button disabled[!is_open] { (frame.say(Text::Send)) }
            }))
        }
    }
}

/// What waits for somebody in a conversation.
fn waiting(conversation: &Conversation) -> String {
    let ids = conversation.said.iter().filter_map(|said| match said {
        Said::Came(row) if row.todo == Some(1) => Some(row.id.to_string()),
        Said::Came(_) | Said::Sent(_) => None,
    });
    ids.collect::<Vec<_>>().join(",")
}

/// Remark, tags, blocking and forgetting.
fn more(frame: &Frame<'_>, talk: &Talk) -> Markup {
    let path = talk.path();
    let remark = talk.follower.as_ref().and_then(|row| row.remark.as_deref());
    let is_open = matches!(
        talk.told,
        Some(
            Told::NotDone(_) | Told::NotNoted(_) | Told::WrongEnd | Told::Blocked | Told::Unblocked
        )
    );
    html! {
        details open[is_open] {
            summary { (frame.say(Text::MoreAboutPerson)) }
            @if talk.follower.is_some() && talk.can_send {
                (frame.form(&format!("{path}/remark"), "row", &html! {
                    label { (frame.say(Text::Remark)) " " input type="text" name="remark" value=(remark.map(person::plain).unwrap_or_default()) maxlength="29"; }
                    button .quiet { (frame.say(Text::Save)) }
                }))
                @for (id, tag) in &talk.tags {
                    (frame.form(&format!("{path}/untag"), "row", &html! {
                        span { (frame.say(Text::Tag)) " " (person::text(tag)) }
                        input type="hidden" name="tag" value=(id);
                        button .quiet { (frame.say(Text::TakeOff)) }
                    }))
                }
                @if !talk.other_tags.is_empty() {
                    (frame.form(&format!("{path}/tag"), "row", &html! {
                        label { (frame.say(Text::Tag)) " "
                            select name="tag" {
                                @for (id, tag) in &talk.other_tags { option value=(id) { (person::plain(tag)) } }
                            }
                        }
                        button .quiet { (frame.say(Text::PutOn)) }
                    }))
                }
            }
            @if talk.can_send {
                p .soft { (frame.say(Text::BlockedMeans)) }
                div .row {
                    (frame.form(&format!("{path}/block"), "", &html! { button .quiet { (frame.say(Text::Block)) } }))
                    (frame.form(&format!("{path}/unblock"), "", &html! { button .quiet { (frame.say(Text::Unblock)) } }))
                }
            }
            h2 { (frame.say(Text::Forget)) }
            p { (frame.say(Text::ForgetMeans)) }
            (frame.form(&format!("{path}/forget"), "row", &html! {
                label { (frame.say(Text::LastSix)) " " input type="text" name="last" size="8" autocomplete="off" required; }
                button .quiet { (frame.say(Text::Forget)) }
            }))
        }
    }
}
