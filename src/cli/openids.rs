//! Lists of openids that come from WeChat page by page: one a line, for people and for pipes.

use std::io::{self, IsTerminal};

use super::terminal::{Failure, Json, Output};
use crate::api::ApiError;
use crate::api::user::OpenidPage;

/// Prints all pages; `page` fetches the one that begins after an openid. On a terminal an empty list is the sentence
/// `nothing`; other programs get openids only.
pub fn list(
    json: Json,
    page: impl Fn(&str) -> Result<OpenidPage, ApiError>,
    nothing: &str,
) -> Result<(), Failure> {
    let mut out = Output::for_reading();
    let mut all = Vec::new();
    let mut count = 0;
    let mut begin = String::new();
    loop {
        let page = page(&begin)?;
        count += page.openids.len();
        match json.wanted {
            true => all.extend(page.openids),
            false => page
                .openids
                .iter()
                .try_for_each(|openid| out.line(openid))?,
        }
        match page.next_openid {
            Some(next) if next != begin => begin = next,
            Some(_) | None => break,
        }
    }
    if json.wanted {
        return out.json(&all);
    }
    if count == 0 && io::stdout().is_terminal() {
        out.line(nothing)?;
    }
    out.done()
}
