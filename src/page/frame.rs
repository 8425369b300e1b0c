//! What all pages have around them: head, menu, footer with the language, and the form of an action.

use std::fmt::Display;

use maud::{DOCTYPE, Markup, html};

use super::files::{File, ICON, SCRIPT, STYLE};
use super::texts::Text;
use crate::language::Language;
use crate::store::InboxMark;

/// What a page needs besides its own values.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The language of its texts.
    pub language: Language,
    /// The prefix of all paths: empty, or the path of `admin.url`.
    pub base: &'a str,
    /// Path and query of this page below the prefix: where the language switch leads back to.
    pub here: &'a str,
    /// Who is signed in; `None`: nobody yet.
    pub signed_in: Option<SignedIn<'a>>,
}

/// Who reads the page.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn<'a> {
    /// What this person is called.
    pub name: &'a str,
    /// What every form carries, so that no other site can send it.
    pub token: &'a str,
    /// The messages that there are, after which others are new.
    pub newest: InboxMark,
}

/// A place in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/`
    Overview,
    /// `/inbox`
    Inbox,
    /// `/followers`
    Followers,
    /// `/rules`
    Rules,
    /// `/unanswered`
    Unanswered,
    /// `/health`
    Health,
}

/// The menu, in its order.
const MENU: &[(Place, &str, Text)] = &[
    (Place::Overview, "/", Text::Overview),
    (Place::Inbox, "/inbox", Text::Inbox),
    (Place::Followers, "/followers", Text::Followers),
    (Place::Rules, "/rules", Text::Rules),
    (Place::Unanswered, "/unanswered", Text::Unanswered),
    (Place::Health, "/health", Text::Health),
];

impl Frame<'_> {
    /// A text.
    #[must_use]
    pub fn say(&self, text: Text) -> &'static str {
        text.say(self.language)
    }

    /// A text with values for its names in braces.
    #[must_use]
    pub fn with(&self, text: Text, values: &[(&str, &dyn Display)]) -> String {
        text.with(self.language, values)
    }

    /// The address of a path of this page.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A form that does something: it goes to this path with POST, and carries the token of who is signed in.
    #[must_use]
    pub fn form(&self, action: &str, class: &str, content: &Markup) -> Markup {
        html! {
            form method="post" action=(self.to(action)) class=[(!class.is_empty()).then_some(class)] {
                @if let Some(SignedIn { token, .. }) = self.signed_in {
                    input type="hidden" name="token" value=(token);
                }
                (content)
            }
        }
    }

    /// A whole page with this heading; `place` is where it is in the menu.
    #[must_use]
    pub fn page(&self, heading: Text, place: Option<Place>, content: &Markup) -> Markup {
        self.page_of(self.say(heading), place, content)
    }

    /// The same with any heading.
    #[must_use]
    pub fn page_of(&self, heading: &str, place: Option<Place>, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (heading) " – " (self.say(Text::Brand)) }
                    link rel="icon" type="image/svg+xml" href=(self.file(ICON));
                    link rel="stylesheet" href=(self.file(STYLE));
                    @if self.signed_in.is_some() { script src=(self.file(SCRIPT)) defer {} }
                }
                body {
                    a .skip href="#content" { (self.say(Text::SkipToContent)) }
                    (self.top(place))
                    main #content tabindex="-1" {
                        h1 { bdi { (heading) } }
                        (content)
                    }
                    (self.foot())
                }
            }
        }
    }

    fn top(&self, place: Option<Place>) -> Markup {
        html! {
            header .top {
                span .brand { (self.say(Text::Brand)) }
                @if let Some(SignedIn { newest, .. }) = self.signed_in {
                    nav aria-label=(self.say(Text::MainMenu)) {
                        ul {
                            @for (own, path, text) in MENU {
                                li { a href=(self.to(path)) aria-current=[(place == Some(*own)).then_some("page")] { (self.say(*text)) } }
                            }
                        }
                    }
                    a #news .news hidden href=(self.to("/inbox")) data-text=(self.say(Text::New))
                        data-news=(self.to(&format!("/news?after={newest}"))) { (self.with(Text::New, &[("n", &0)])) }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        let other = match self.language {
            Language::Chinese => Language::English,
            Language::English => Language::Chinese,
        };
        html! {
            footer .foot {
                (self.form("/language", "", &html! {
                    input type="hidden" name="back" value=(self.here);
                    button .link name="language" value=(other.tag()) lang=(other.tag()) { (Text::OwnName.say(other)) }
                }))
                @if let Some(SignedIn { name, .. }) = self.signed_in {
                    span { (self.say(Text::SignedInAs)) (super::person::text(name)) }
                    (self.form("/logout", "", &html! { button .link { (self.say(Text::SignOut)) } }))
                }
            }
        }
    }

    fn file(&self, file: File) -> String {
        format!("{}{}?{:x}", self.base, file.path, file.version())
    }
}
