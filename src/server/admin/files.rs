//! Style, script and icon.

use crate::page::files::File;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// A file. Under the address that pages use it may be kept for good: another text has another address.
pub fn answer(request: &Request, file: File) -> Response {
    let (_, query) = request.path_and_query();
    let kept = match query == format!("{:x}", file.version()) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    Response::of_type(file.media_type, 200, file.text).with("Cache-Control", kept)
}
