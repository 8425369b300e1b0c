//! What the overview shows.

use super::Answer;
use super::visit::Visit;
use crate::page::overview::{self, Overview, SPANS};

/// `GET /`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked.query("days");
    let shown = SPANS.into_iter().find(|span| span.to_string() == asked);
    let shown = shown.unwrap_or(SPANS[0]);
    let overview = visit.asked.admin.app.store.read(|reader| {
        Ok(Overview {
            followers: reader.count_followers()?,
            days: Vec::new(),
            shown,
        })
    })?;
    visit.html(overview::page(&visit.frame(), &overview))
}
