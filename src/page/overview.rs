//! `/`: how many follow, how that changes, by which scenes people come, and what waits for somebody.

use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::person;
use super::plot::{self, signed};
use super::texts::Text;
use crate::store::{DayCount, SceneGrowth, net_of_last};

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// How many follow now.
    pub followers: i64,
    /// The days of the time that is shown, oldest first, today last; at least 30.
    pub days: Vec<DayCount>,
    /// How people came in that time.
    pub scenes: Vec<SceneGrowth>,
    /// What somebody should do.
    pub todo: i64,
    /// Texts of 30 days that no rule answers.
    pub unanswered: usize,
    /// What is wrong now.
    pub trouble: usize,
}

/// The times that can be shown, in days.
pub const SPANS: [usize; 3] = [30, 90, 365];

/// The page.
#[must_use]
pub fn page(frame: &Frame<'_>, overview: &Overview) -> Markup {
    let Overview {
        followers,
        days,
        scenes,
        todo,
        unanswered,
        trouble,
    } = overview;
    let content = html! {
        ul .figures {
            li .figure { b { (followers) } span { (frame.say(Text::Followers)) } }
            li .figure { b { (signed(net_of_last(days, 1))) } span { (frame.say(Text::Today)) } }
            @for count in [7, 30] {
                li .figure { b { (signed(net_of_last(days, count))) } span { (frame.with(Text::Days, &[("n", &count)])) } }
            }
        }
        ul .figures {
            li .figure { a href=(frame.to("/inbox?tab=todo")) { b { (todo) } span { (frame.say(Text::ToDo)) } } }
            li .figure { a href=(frame.to("/unanswered")) { b { (unanswered) } span { (frame.say(Text::Unanswered)) } } }
            li .figure { a href=(frame.to("/health")) { b .warn[*trouble > 0] { (trouble) } span { (frame.say(Text::Trouble)) } } }
        }
        h2 { (frame.say(Text::Growth)) }
        ul .tabs {
            @for span in SPANS {
                li { a href=(frame.to(&format!("/?days={span}"))) aria-current=[(span == days.len()).then_some("true")] {
                    (frame.with(Text::Days, &[("n", &span)]))
                } }
            }
        }
        (plot::growth(frame, days))
        h2 { (frame.say(Text::ByScene)) }
        @if scenes.is_empty() {
            p .soft { (frame.say(Text::NobodyCame)) }
        } @else {
            (by_scene(frame, scenes))
        }
    };
    frame.page(Text::Overview, Some(Place::Overview), &content)
}

fn by_scene(frame: &Frame<'_>, scenes: &[SceneGrowth]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(frame.say(Text::ByScene)) {
            table {
                thead {
                    tr {
                        th scope="col" { (frame.say(Text::Scene)) }
                        th .n scope="col" { (frame.say(Text::Arrivals)) }
                        th .n scope="col" { (frame.say(Text::StillHere)) }
                        th .n scope="col" { (frame.say(Text::Stayed)) }
                    }
                }
                tbody {
                    @for scene in scenes {
                        tr {
                            td {
                                @if scene.scene.is_empty() {
                                    (frame.say(Text::UnknownScene))
                                } @else {
                                    (person::text(&scene.scene))
                                }
                            }
                            td .n { (scene.came) }
                            td .n { (scene.still_here) }
                            td .n { @if let Some(percent) = scene.stayed_percent() { (percent) "%" } }
                        }
                    }
                }
            }
        }
    }
}
