//! `/login` and `/login/KEY`: how to get a link, and the button that signs in.

use maud::{Markup, html};

use super::frame::Frame;
use super::person;
use super::texts::Text;

/// What somebody who logs in on the owner's web pages can do here.
#[derive(Debug, Clone, Copy)]
pub enum WithWeChat<'a> {
    /// Nothing: it is not set up.
    No,
    /// Log in at this address, which comes back here.
    LogIn(&'a str),
    /// Sign in as the person with this name.
    As(&'a str),
}

/// How to get a link, and the log-in of web pages.
#[must_use]
pub fn page(frame: &Frame<'_>, with_wechat: WithWeChat<'_>) -> Markup {
    let content = html! {
        div .narrow {
            @match with_wechat {
                WithWeChat::No => {}
                WithWeChat::LogIn(address) => p { a .button href=(address) { (frame.say(Text::SignInWithWeChat)) } }
                WithWeChat::As(name) => (frame.form("/login", "", &html! {
                    p { button { (person::text(&frame.with(Text::SignInAs, &[("name", &name)]))) } }
                }))
            }
            (how(frame))
        }
    };
    frame.page(Text::SignIn, None, &content)
}

/// The button of a link. What only looks at the link, as a preview does, uses nothing up.
#[must_use]
pub fn confirm(frame: &Frame<'_>) -> Markup {
    let content = html! {
        div .narrow {
            p { (frame.say(Text::SignInHere)) }
            (frame.form(frame.here, "", &html! { p { button { (frame.say(Text::SignIn)) } } }))
            p .soft { (frame.say(Text::SignInOnce)) }
        }
    };
    frame.page(Text::SignIn, None, &content)
}

/// A link that was used or is too old.
#[must_use]
pub fn gone(frame: &Frame<'_>) -> Markup {
    let content = html! {
        div .narrow {
            p { (frame.say(Text::LinkIsGoneWhy)) }
            (how(frame))
        }
    };
    frame.page(Text::LinkIsGone, None, &content)
}

/// Too many wrong tries.
#[must_use]
pub fn too_many(frame: &Frame<'_>) -> Markup {
    let content = html! { p .narrow { (frame.say(Text::TooManyTriesWhy)) } };
    frame.page(Text::TooManyTries, None, &content)
}

fn how(frame: &Frame<'_>) -> Markup {
    html! {
        p { (frame.say(Text::GetALink)) }
        pre { "wechatd admin link" }
    }
}
