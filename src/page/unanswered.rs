//! `/unanswered`: what people write and today's rules leave to nobody, with the lines that would answer it.

use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::person;
use super::texts::Text;
use crate::inbox::unanswered::{Group, Unanswered};

/// The page; `done` is how many messages were just marked.
#[must_use]
pub fn page(frame: &Frame<'_>, found: &Unanswered, done: Option<usize>) -> Markup {
    let Unanswered {
        groups,
        count,
        texts,
        is_cut,
    } = found;
    let content = html! {
        @if let Some(done) = done {
            p .notice role="status" { (frame.with(Text::MarkedDone, &[("n", &done)])) }
        }
        @if groups.is_empty() {
            p .soft { (frame.say(Text::NothingUnanswered)) }
        } @else {
            p .soft { (frame.with(Text::UnansweredMeans, &[("texts", texts), ("groups", count)])) }
            ol .lines { @for group in groups { (line(frame, group)) } }
            @if *count > groups.len() { p .soft { (frame.with(Text::LargestShown, &[("n", &groups.len())])) } }
        }
        @if *is_cut { p .soft { (frame.say(Text::OlderNotLookedAt)) } }
        p { a href=(frame.to("/inbox?tab=unanswered")) { (frame.say(Text::OneByOne)) } }
    };
    frame.page(Text::TextsUnanswered, Some(Place::Unanswered), &content)
}

fn line(frame: &Frame<'_>, group: &Group) -> Markup {
    let text = group.latest.content.as_deref().unwrap_or_default();
    html! {
        li .line {
            div .head {
                b { (person::text(text)) }
                time .soft { (group.latest.received) }
            }
            div .under {
                span .soft { (frame.with(Text::TimesAndPeople, &[("times", &group.times), ("people", &group.people)])) }
                (frame.form("/unanswered/done", "inline", &html! {
                    input type="hidden" name="id" value=(group.latest.id);
                    button .quiet { (frame.say(Text::Done)) }
                }))
            }
            details {
                summary { (frame.say(Text::LinesToPaste)) }
                pre { (group.rule(frame.say(Text::YourAnswer)).trim_end()) }
            }
        }
    }
}
