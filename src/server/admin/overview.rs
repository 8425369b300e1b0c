//! What the overview shows.

use super::Answer;
use super::trouble;
use super::visit::Visit;
use crate::page::overview::{self, Overview, SPANS};

/// Scenes that are shown.
const SCENES: u32 = 20;

/// `GET /`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked.query("days");
    let span = SPANS.into_iter().find(|span| span.to_string() == asked);
    let span = span.unwrap_or(SPANS[0]);
    let admin = visit.asked.admin;
    let app = &admin.app;
    let overview = app.store.read(|reader| {
        // A day more than is shown: one may have had 25 hours.
        let before = i64::try_from(span)
            .unwrap_or(i64::MAX)
            .saturating_mul(86_400);
        let mut days = reader.growth(visit.now.saturating_sub(before), visit.now)?;
        days.drain(..days.len().saturating_sub(span));
        let since = days.first().map(|day| day.start);
        Ok(Overview {
            followers: reader.count_followers()?,
            scenes: reader.scene_growth(since, SCENES)?,
            todo: reader.todo_count()?,
            unanswered: admin.unanswered.get(reader, &app.live(), visit.now)?,
            trouble: trouble::count(app, reader)?,
            days,
        })
    })?;
    visit.html(overview::page(&visit.frame(), &overview))
}
