//! Pages that say why something does not work.

use maud::{Markup, html};

use super::frame::Frame;
use super::texts::Text;

/// Why there is no other page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure<'a> {
    /// No such path, or nobody and nothing by that name.
    NotFound,
    /// A form without the token of who is signed in.
    OldForm,
    /// The store fails; with what it says.
    Store(&'a str),
    /// Files of somebody who was forgotten may still be there; why.
    Files(&'a str),
}

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, failure: Failure<'_>) -> Markup {
    let (heading, why) = match failure {
        Failure::NotFound => (Text::NotFound, ""),
        Failure::OldForm => (Text::FormRefused, frame.say(Text::FormRefusedWhy)),
        Failure::Store(why) => (Text::StoreFails, why),
        Failure::Files(why) => (Text::FilesLeft, why),
    };
    let content = html! {
        div .narrow {
            @if !why.is_empty() { p { (why) } }
            @match (failure, frame.signed_in) {
                // Who is signed in was not looked up; the overview asks for it.
                (Failure::NotFound, _) | (_, Some(_)) => p { a href=(frame.to("/")) { (frame.say(Text::BackToOverview)) } }
                (_, None) => p { a href=(frame.to("/login")) { (frame.say(Text::SignIn)) } }
            }
        }
    };
    frame.page(heading, None, &content)
}
