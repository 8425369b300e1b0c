//! What the inbox shows, and marks of what is done.

use super::Answer;
use super::asked::Asked;
use super::people;
use super::switch::is_path;
use super::visit::Visit;
use crate::inbox::unanswered::{PERIOD, latest};
use crate::local_time;
use crate::page::inbox::{self, Inbox, Search, Tab};
use crate::store::{InboxFilter, InboxPage, Kinds, Mark, Older, Reader, StoreError};

/// Rows on a page.
const PAGE: usize = 50;

/// Messages that one form marks.
const MOST_MARKED: usize = 1_000;

/// `GET /inbox`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let search = search(&asked);
    let (todo, found) = asked.admin.app.store.read(|reader| {
        let InboxPage { rows, older } = match search.tab {
            Tab::Unanswered => not_answered(reader, visit, &search)?,
            Tab::ToDo | Tab::Messages | Tab::Events => list(reader, &search)?,
        };
        let names = people::names(reader, rows.iter().map(|row| row.openid.as_str()))?;
        let rows = rows.into_iter().map(|row| {
            let name = names.get(&row.openid).cloned().unwrap_or_default();
            (row, name)
        });
        Ok((reader.todo_count()?, (rows.collect(), older)))
    })?;
    let (rows, older) = found;
    let inbox = Inbox {
        search,
        rows,
        older,
        todo,
        done: ids(&asked.query("done")),
        is_forgotten: !asked.query("forgotten").is_empty(),
    };
    visit.html(inbox::page(&visit.frame(), &inbox))
}

fn search(asked: &Asked<'_>) -> Search {
    let tab = asked.query("tab");
    let mut tabs = Tab::ALL.into_iter();
    Search {
        tab: tabs.find(|one| one.name() == tab).unwrap_or(Tab::Messages),
        q: asked.query("q").trim().to_owned(),
        from: asked.query("from").trim().to_owned(),
        since: asked.query("since").trim().to_owned(),
        rule: asked.query("rule"),
        before: asked.query("before").parse().ok(),
    }
}

/// What today's rules leave to nobody.
fn not_answered(
    reader: &Reader,
    visit: &Visit<'_>,
    search: &Search,
) -> Result<InboxPage, StoreError> {
    let since = visit.now.saturating_sub(PERIOD);
    let rules = &visit.asked.live.rules;
    // One more shows whether there are more.
    let mut found = latest(reader, rules, since, search.before, None, PAGE + 1)?;
    let older = match (found.ids.len() > PAGE, found.not_looked_at) {
        (true, _) => Older::Page(found.ids[PAGE - 1]),
        (false, Some(id)) => Older::NotLookedAt(id),
        (false, None) => Older::Nothing,
    };
    found.ids.truncate(PAGE);
    Ok(InboxPage {
        rows: reader.messages_with(&found.ids)?,
        older,
    })
}

fn list(reader: &Reader, search: &Search) -> Result<InboxPage, StoreError> {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let filter = InboxFilter {
        kinds: match search.tab {
            Tab::ToDo => Kinds::All,
            Tab::Unanswered | Tab::Messages => Kinds::Messages,
            Tab::Events => Kinds::Events,
        },
        todo: search.tab == Tab::ToDo,
        openid: some(&search.from),
        since: local_time::parse(&search.since),
        rule: some(&search.rule),
        search: some(&search.q),
    };
    reader.inbox(&filter, search.before, PAGE)
}

/// `POST /inbox/done`
pub fn done(visit: &Visit<'_>) -> Answer {
    let mark = Mark::Done {
        by: visit.session.name.clone(),
        at: visit.now,
    };
    let ids = marked(visit, &mark)?;
    let back = back(&visit.asked);
    let sign = if back.contains('?') { '&' } else { '?' };
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    Ok(visit.asked.go_to(&match ids.is_empty() {
        true => back,
        false => format!("{back}{sign}done={}", ids.join(",")),
    }))
}

/// `POST /inbox/undone`
pub fn undone(visit: &Visit<'_>) -> Answer {
    marked(visit, &Mark::Undone)?;
    Ok(visit.asked.go_to(&back(&visit.asked)))
}

fn marked(visit: &Visit<'_>, mark: &Mark) -> Result<Vec<i64>, StoreError> {
    let ids = ids(&visit.asked.field("ids"));
    visit.asked.admin.app.store.mark(&ids, mark)
}

/// The page on which the form was.
fn back(asked: &Asked<'_>) -> String {
    let back = asked.field("back");
    match is_path(&back) {
        true => back,
        false => "/inbox".to_owned(),
    }
}

/// Numbers with commas between them.
pub fn ids(text: &str) -> Vec<i64> {
    let ids = text.split(',').filter_map(|id| id.parse().ok());
    ids.take(MOST_MARKED).collect()
}
