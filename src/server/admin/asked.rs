//! A request to the operator's page with what every handler wants to know of it.

use maud::Markup;

use super::{Admin, language};
use crate::app::Live;
use crate::language::Language;
use crate::page::Frame;
use crate::page::failure::{self, Failure};
use crate::percent;
use crate::server::form;
use crate::server::http::client::ClientAddress;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub admin: &'a Admin,
    pub live: &'a Live,
    pub from: ClientAddress,
    pub request: &'a Request,
    pub language: Language,
}

impl<'a> Asked<'a> {
    pub fn new(
        admin: &'a Admin,
        live: &'a Live,
        from: ClientAddress,
        request: &'a Request,
    ) -> Asked<'a> {
        Asked {
            admin,
            live,
            from,
            request,
            language: language::of(request),
        }
    }

    /// The last part of the path, percent-decoded: a key, or the like. Empty for what is not UTF-8.
    pub fn last_part(&self) -> String {
        let (path, _) = self.request.path_and_query();
        let part = path.rsplit('/').next().unwrap_or_default();
        // In a path a plus sign is itself.
        let decoded = percent::decode(&part.replace('+', "%2B")).map(String::from);
        decoded.unwrap_or_default()
    }

    /// A value of the query, decoded; empty where there is none.
    pub fn query(&self, name: &str) -> String {
        decoded(self.request.path_and_query().1, name)
    }

    /// A field of the form, decoded; empty where there is none.
    pub fn field(&self, name: &str) -> String {
        decoded(str::from_utf8(&self.request.body).unwrap_or_default(), name)
    }

    /// Path and query below the prefix.
    pub fn here(&self) -> &'a str {
        let target = self.request.target.as_str();
        match target.strip_prefix(self.admin.base()) {
            Some(here) if here.starts_with('/') => here,
            Some(_) | None => "/",
        }
    }

    /// The frame of a page for whom nobody knows.
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            language: self.language,
            base: self.admin.base(),
            here: self.here(),
            signed_in: None,
        }
    }

    /// A page.
    pub fn html(&self, status: u16, page: Markup) -> Response {
        Response::of_type("text/html; charset=utf-8", status, page.into_string())
    }

    /// One JSON value.
    pub fn json(&self, status: u16, value: &serde_json::Value) -> Response {
        Response::of_type("application/json; charset=utf-8", status, value.to_string())
    }

    /// A page that says what does not work.
    pub fn failed(&self, status: u16, failure: Failure<'_>) -> Response {
        self.html(status, failure::page(&self.frame(), failure))
    }

    /// Sends the browser to another page with GET.
    pub fn go_to(&self, path: &str) -> Response {
        let base = self.admin.base();
        Response::text(303, "see the other page").with("Location", format!("{base}{path}"))
    }
}

fn decoded(pairs: &str, name: &str) -> String {
    let value = percent::decode(form::value(pairs, name));
    value.map(String::from).unwrap_or_default()
}
