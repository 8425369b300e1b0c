//! What the page of texts shows that no rule answers, and marks of them.

use super::Answer;
use super::visit::Visit;
use crate::inbox::unanswered::{PERIOD, group, unanswered};
use crate::page::unanswered as view;
use crate::store::Mark;

/// Groups on the page.
const GROUPS: usize = 50;

/// `GET /unanswered`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let since = visit.now.saturating_sub(PERIOD);
    let found = asked
        .admin
        .app
        .store
        .read(|reader| unanswered(reader, &asked.live.rules, since, GROUPS))?;
    let done = asked.query("done").parse().ok();
    visit.html(view::page(&visit.frame(), &found, done))
}

/// `POST /unanswered/done`: the messages of a group that were there when it was shown.
pub fn done(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let store = &asked.admin.app.store;
    let latest = asked.field("id").parse().unwrap_or(0);
    let since = visit.now.saturating_sub(PERIOD);
    let ids = store.read(|reader| group(reader, &asked.live.rules, since, latest))?;
    let mark = Mark::Done {
        by: visit.session.name.clone(),
        at: visit.now,
    };
    let marked = store.mark(&ids, &mark)?.len();
    Ok(asked.go_to(&format!("/unanswered?done={marked}")))
}
