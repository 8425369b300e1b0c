//! The files by which the console verifies that a domain is the owner's.

use super::Web;
use crate::app::Live;
use crate::server::callback::not_found;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// The content of the file that this path names, for those of `web.verify_files`.
pub fn verify_file<'a>(live: &'a Live, path: &str) -> Option<&'a str> {
    let name = path.strip_prefix('/')?;
    let mut files = live.config.web.verify_files.iter();
    let file = files.find(|file| file.name == name)?;
    Some(&file.content)
}

impl Web {
    /// The text of a file and nothing else, as the console wants it.
    pub fn verify_file(&self, live: &Live, request: &Request) -> Response {
        let (path, _) = request.path_and_query();
        match verify_file(live, path) {
            Some(content) => Response::text(200, content.to_owned()),
            None => not_found(),
        }
    }
}
