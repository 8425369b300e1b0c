//! What the list of followers shows.

use super::Answer;
use super::visit::Visit;
use crate::page::followers::{self, Search};
use crate::store::{FollowerFilter, FollowerMark};

/// Followers on a page.
const PAGE: usize = 50;

/// `GET /followers`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let search = Search {
        q: asked.query("q").trim().to_owned(),
        tag: asked.query("tag"),
        scene: asked.query("scene").trim().to_owned(),
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let filter = FollowerFilter {
        search: some(&search.q),
        tag: search.tag.parse().ok(),
        scene: some(&search.scene),
        ..FollowerFilter::default()
    };
    let after = mark(&asked.query("after"));
    let (tags, found) = asked.admin.app.store.read(|reader| {
        let found = reader.follower_page(&filter, after.as_ref(), PAGE)?;
        Ok((reader.tags()?, found))
    })?;
    let is_first = after.is_none();
    visit.html(followers::page(
        &visit.frame(),
        &search,
        &tags,
        &found,
        is_first,
    ))
}

/// `TIME.OPENID`, as pages link to the next one.
fn mark(text: &str) -> Option<FollowerMark> {
    let (time, openid) = text.split_once('.')?;
    Some(FollowerMark {
        subscribe_time: time.parse().ok()?,
        openid: openid.to_owned(),
    })
}
