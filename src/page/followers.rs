//! `/followers`: who follows, newest first, by tag, scene and search.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{Frame, Place};
use super::person;
use super::texts::Text;
use crate::percent;
use crate::store::{Follower, FollowerMark, FollowerPage};

/// What was asked for, as it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// In remark, nickname or openid.
    pub q: String,
    /// The id of a tag.
    pub tag: String,
    /// A scene.
    pub scene: String,
}

/// The page. `is_first`: it does not begin behind somebody.
#[must_use]
pub fn page(
    frame: &Frame<'_>,
    search: &Search,
    tags: &BTreeMap<i64, String>,
    found: &FollowerPage,
    is_first: bool,
) -> Markup {
    let content = html! {
        form .row method="get" action=(frame.to("/followers")) role="search" {
            input type="search" name="q" value=(search.q) aria-label=(frame.say(Text::SearchPeople)) placeholder=(frame.say(Text::SearchPeople));
            @if !tags.is_empty() {
                select name="tag" aria-label=(frame.say(Text::Tag)) {
                    option value="" { (frame.say(Text::AnyTag)) }
                    @for (id, name) in tags {
                        option value=(id) selected[search.tag == id.to_string()] { (person::plain(name)) }
                    }
                }
            }
            input type="text" name="scene" value=(search.scene) aria-label=(frame.say(Text::Scene)) placeholder=(frame.say(Text::Scene));
            button .quiet { (frame.say(Text::Search)) }
        }
        @if found.rows.is_empty() {
            p .soft { (frame.say(if found.is_cut { Text::NotLookedFurther } else { Text::NobodyFound })) }
        } @else {
            (table(frame, tags, &found.rows))
        }
        p .row {
            @if !is_first { a href=(frame.to(&address(search, None))) { (frame.say(Text::Newest)) } }
            @if let Some(next) = &found.next {
                a href=(frame.to(&address(search, Some(next)))) {
                    (frame.say(if found.is_cut { Text::LookFurther } else { Text::Older }))
                }
            }
        }
    };
    frame.page(Text::Followers, Some(Place::Followers), &content)
}

fn table(frame: &Frame<'_>, tags: &BTreeMap<i64, String>, rows: &[Follower]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(frame.say(Text::Followers)) {
            table {
                thead {
                    tr {
                        th scope="col" { (frame.say(Text::Person)) }
                        th scope="col" { (frame.say(Text::Since)) }
                        th scope="col" { (frame.say(Text::Scene)) }
                        th scope="col" { (frame.say(Text::Tags)) }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td { a href=(frame.to(&format!("/people/{}", percent::encode(&row.openid)))) {
                                (person::text(&person::called(row.remark.as_deref(), row.nickname.as_deref(), &row.openid)))
                            } }
                            td .t { (row.subscribed) }
                            td { @if let Some(scene) = row.scene() { (person::text(&scene)) } }
                            td {
                                @for (n, tag) in names(tags, row).enumerate() {
                                    @if n > 0 { ", " }
                                    (person::text(tag))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The names of a person's tags.
fn names<'a>(
    tags: &'a BTreeMap<i64, String>,
    row: &'a Follower,
) -> impl Iterator<Item = &'a String> {
    let ids = row
        .tagid_list
        .as_ref()
        .and_then(|list| list.as_array())
        .map_or(&[][..], Vec::as_slice);
    ids.iter().filter_map(|id| tags.get(&id.as_i64()?))
}

/// The address of a page of the same search.
fn address(search: &Search, after: Option<&FollowerMark>) -> String {
    let mut pairs = Vec::new();
    for (name, value) in [
        ("q", &search.q),
        ("tag", &search.tag),
        ("scene", &search.scene),
    ] {
        if !value.is_empty() {
            pairs.push(format!("{name}={}", percent::encode(value)));
        }
    }
    if let Some(FollowerMark {
        subscribe_time,
        openid,
    }) = after
    {
        pairs.push(format!(
            "after={subscribe_time}.{}",
            percent::encode(openid)
        ));
    }
    match pairs.is_empty() {
        true => "/followers".to_owned(),
        false => format!("/followers?{}", pairs.join("&")),
    }
}
