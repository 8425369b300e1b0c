//! `GET /news?after=ID`: what the script of every page asks for.

use serde_json::json;

use super::Answer;
use super::trouble;
use super::visit::Visit;
use crate::store::InboxMark;

/// What came after the newest message that the page knows.
pub fn news(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let after = asked.query("after").parse().unwrap_or(InboxMark::END);
    let news = asked.admin.app.store.read(|reader| {
        Ok(json!({
            "new": reader.count_newer(after)?,
            "todo": reader.todo_count()?,
            "trouble": trouble::count(&asked.admin.app, reader)?,
        }))
    })?;
    Ok(asked.json(200, &news))
}
