//! The language that a browser likes best.

use super::http::request::Request;
use crate::language::Language;

/// The language for pages that answer a request.
pub fn of(request: &Request) -> Language {
    Language::of(request.header("Accept-Language"))
}
