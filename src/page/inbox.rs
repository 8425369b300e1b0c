//! `/inbox`: messages and events, newest first, and what waits for somebody.

use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::message;
use super::person;
use super::texts::Text;
use crate::percent;
use crate::store::{MessageRow, Older};

/// What a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// What somebody should look at.
    ToDo,
    /// Texts that today's rules leave to nobody.
    Unanswered,
    /// What people wrote or sent.
    Messages,
    /// What else happened.
    Events,
}

impl Tab {
    /// In the order of the page.
    pub const ALL: [Tab; 4] = [Tab::ToDo, Tab::Unanswered, Tab::Messages, Tab::Events];

    /// As it stands in the address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tab::ToDo => "todo",
            Tab::Unanswered => "unanswered",
            Tab::Messages => "messages",
            Tab::Events => "events",
        }
    }

    fn title(self) -> Text {
        match self {
            Tab::ToDo => Text::ToDo,
            Tab::Unanswered => Text::Unanswered,
            Tab::Messages => Text::Messages,
            Tab::Events => Text::Events,
        }
    }

    /// What will come there, and how.
    fn nothing(self) -> Text {
        match self {
            Tab::ToDo => Text::NothingToDo,
            Tab::Unanswered => Text::NothingUnanswered,
            Tab::Messages => Text::NoMessages,
            Tab::Events => Text::NoEvents,
        }
    }
}

/// What was asked for, as it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Which list.
    pub tab: Tab,
    /// In what was written.
    pub q: String,
    /// An openid.
    pub from: String,
    /// A local date.
    pub since: String,
    /// The name of a rule.
    pub rule: String,
    /// Only what is before the row with this id.
    pub before: Option<i64>,
}

impl Search {
    /// The address of this page, below the prefix.
    #[must_use]
    pub fn address(&self) -> String {
        let mut address = format!("/inbox?tab={}", self.tab.name());
        for (name, value) in [
            ("q", &self.q),
            ("from", &self.from),
            ("since", &self.since),
            ("rule", &self.rule),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", percent::encode(value)));
            }
        }
        if let Some(before) = self.before {
            address.push_str(&format!("&before={before}"));
        }
        address
    }

    /// Whether rows are left out that belong to the list.
    fn is_narrow(&self) -> bool {
        self.before.is_some()
            || [&self.q, &self.from, &self.since, &self.rule]
                .iter()
                .any(|value| !value.is_empty())
    }

    fn before(&self, before: Option<i64>) -> Search {
        Search {
            before,
            ..self.clone()
        }
    }
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// What was asked for.
    pub search: Search,
    /// The rows, each with what its person is called.
    pub rows: Vec<(MessageRow, String)>,
    /// What is behind them.
    pub older: Older,
    /// How many rows wait for somebody.
    pub todo: i64,
    /// What was just marked as done.
    pub done: Vec<i64>,
    /// A person was just forgotten.
    pub is_forgotten: bool,
}

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, inbox: &Inbox) -> Markup {
    let Inbox {
        search,
        rows,
        older,
        todo,
        done,
        is_forgotten,
    } = inbox;
    let back = search.address();
    let content = html! {
        (tabs(frame, search.tab, *todo))
        @match search.tab {
            Tab::Unanswered => p { a href=(frame.to("/unanswered")) { (frame.say(Text::InGroups)) } },
            Tab::ToDo | Tab::Messages | Tab::Events => (form(frame, search)),
        }
        @if !done.is_empty() {
            div .notice role="status" {
                span { (frame.with(Text::MarkedDone, &[("n", &done.len())])) }
                (mark(frame, "/inbox/undone", &ids(done), &back, Text::Undo))
            }
        }
        @if *is_forgotten { p .notice role="status" { (frame.say(Text::Forgotten)) } }
        @if rows.is_empty() {
            p .soft { (frame.say(nothing(search, *older))) }
        } @else {
            ol .lines {
                @for (row, name) in rows { (line(frame, row, name, search, &back)) }
            }
        }
        div .row {
            @if search.before.is_some() {
                a href=(frame.to(&search.before(None).address())) { (frame.say(Text::Newest)) }
            }
            @match older {
                Older::Nothing => {}
                Older::Page(id) => a rel="next" href=(frame.to(&search.before(Some(*id)).address())) { (frame.say(Text::Older)) },
                Older::NotLookedAt(id) => a href=(frame.to(&search.before(Some(*id)).address())) { (frame.say(Text::SearchFurther)) },
            }
            @if search.tab == Tab::ToDo && rows.len() > 1 {
                @let all: Vec<i64> = rows.iter().map(|(row, _)| row.id).collect();
                (mark(frame, "/inbox/done", &ids(&all), &back, Text::AllOfThesePageDone))
            }
        }
    };
    frame.page(Text::Inbox, Some(Place::Inbox), &content)
}

fn nothing(search: &Search, older: Older) -> Text {
    match older {
        Older::NotLookedAt(_) => Text::NotFoundSoFar,
        Older::Nothing | Older::Page(_) if search.is_narrow() => Text::NothingFound,
        Older::Nothing | Older::Page(_) => search.tab.nothing(),
    }
}

fn tabs(frame: &Frame<'_>, shown: Tab, todo: i64) -> Markup {
    html! {
        nav aria-label=(frame.say(Text::Lists)) {
            ul .tabs {
                @for tab in Tab::ALL {
                    li { a href=(frame.to(&format!("/inbox?tab={}", tab.name()))) aria-current=[(tab == shown).then_some("true")] {
                        (frame.say(tab.title()))
                        @if tab == Tab::ToDo && todo > 0 { " " span .count { (todo) } }
                    } }
                }
            }
        }
    }
}

fn form(frame: &Frame<'_>, search: &Search) -> Markup {
    let Search {
        tab,
        q,
        from,
        since,
        rule,
        before: _,
    } = search;
    let has_more = !from.is_empty() || !since.is_empty() || !rule.is_empty();
    html! {
        form .search method="get" action=(frame.to("/inbox")) role="search" {
            input type="hidden" name="tab" value=(tab.name());
            div .row {
                input type="search" name="q" value=(q) aria-label=(frame.say(Text::SearchMessages)) placeholder=(frame.say(Text::SearchMessages));
                button .quiet { (frame.say(Text::Search)) }
            }
            details open[has_more] {
                summary { (frame.say(Text::MoreFilters)) }
                div .row {
                    label { (frame.say(Text::FromPerson)) input type="text" name="from" value=(from) placeholder="openid" autocomplete="off"; }
                    label { (frame.say(Text::SinceDay)) input type="date" name="since" value=(since); }
                    label { (frame.say(Text::AnsweredBy)) input type="text" name="rule" value=(rule) autocomplete="off"; }
                }
            }
        }
    }
}

fn line(frame: &Frame<'_>, row: &MessageRow, name: &str, search: &Search, back: &str) -> Markup {
    // The newest part is at the end.
    let person = format!("/people/{}#answer", percent::encode(&row.openid));
    let said = message::said(frame, row);
    // The line names the kind already.
    let said = match (&row.content, said.strip_prefix('[')) {
        (None, Some(named)) => named.split_once("] ").map_or("", |(_, more)| more),
        (_, _) => &said,
    };
    html! {
        li .line {
            div .head {
                a href=(frame.to(&person)) { (person::text(name)) }
                span .soft { (message::kind(frame, row)) }
                time .soft { (row.received) }
            }
            @if !said.is_empty() { p .said { (person::text(said)) } }
            div .under {
                (answered(frame, row))
                (state(frame, row, search.tab == Tab::Unanswered, back))
            }
        }
    }
}

/// What answered, as a link to all that it answered.
fn answered(frame: &Frame<'_>, row: &MessageRow) -> Markup {
    let tab = match row.event {
        Some(_) => Tab::Events,
        None => Tab::Messages,
    };
    html! {
        span .soft {
            @match &row.rule {
                None => (frame.say(Text::NoRuleAnswered)),
                Some(rule) => {
                    (frame.say(Text::Rule)) " "
                    a href=(frame.to(&format!("/inbox?tab={}&rule={}", tab.name(), percent::encode(rule)))) { (person::text(rule)) }
                }
            }
            @if row.pending { " · " (frame.say(Text::AnswerPending)) }
        }
    }
}

/// Whether somebody has to look at it, and the button for that.
#[must_use]
pub fn state(frame: &Frame<'_>, row: &MessageRow, may_be_done: bool, back: &str) -> Markup {
    let id = row.id.to_string();
    html! {
        @match row.todo {
            Some(0) => {
                span .soft {
                    (frame.say(Text::DoneBy)) " "
                    (person::text(row.done_by.as_deref().unwrap_or_default()))
                }
                (mark(frame, "/inbox/undone", &id, back, Text::Undo))
            }
            Some(_) => {
                b { (frame.say(Text::ToDo)) }
                (mark(frame, "/inbox/done", &id, back, Text::Done))
            }
            None if may_be_done => (mark(frame, "/inbox/done", &id, back, Text::Done)),
            None => {}
        }
    }
}

/// A button that marks messages.
#[must_use]
pub fn mark(frame: &Frame<'_>, action: &str, ids: &str, back: &str, text: Text) -> Markup {
    frame.form(
        action,
        "inline",
        &html! {
            input type="hidden" name="ids" value=(ids);
            input type="hidden" name="back" value=(back);
            button .quiet { (frame.say(text)) }
        },
    )
}

fn ids(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join(",")
}
