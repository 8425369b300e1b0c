//! `/`: how many follow, how that changes, and what waits for somebody.

use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::plot::{self, Bar, signed};
use super::texts::Text;

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// How many follow now.
    pub followers: i64,
    /// Every day of the time that is shown, and at least of the last 30 days; oldest first, today last.
    pub days: Vec<Bar>,
    /// How many of them the plot shows.
    pub shown: usize,
}

/// The times that the plot can show, in days.
pub const SPANS: [usize; 3] = [30, 90, 365];

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, overview: &Overview) -> Markup {
    let Overview {
        followers,
        days,
        shown,
    } = overview;
    let change = |last: usize| {
        let days = &days[days.len().saturating_sub(last)..];
        signed(days.iter().map(|day| day.up - day.down).sum())
    };
    let content = html! {
        ul .figures {
            li .figure { b { (followers) } span { (frame.say(Text::Followers)) } }
            li .figure { b { (change(1)) } span { (frame.say(Text::Today)) } }
            @for days in [7, 30] {
                li .figure { b { (change(days)) } span { (frame.with(Text::Days, &[("n", &days)])) } }
            }
        }
        h2 { (frame.say(Text::Growth)) }
        ul .tabs {
            @for span in SPANS {
                li { a href=(frame.to(&format!("/?days={span}"))) aria-current=[(span == *shown).then_some("true")] {
                    (frame.with(Text::Days, &[("n", &span)]))
                } }
            }
        }
        (plot::growth(frame, &days[days.len().saturating_sub(*shown)..]))
    };
    frame.page(Text::Overview, Some(Place::Overview), &content)
}
