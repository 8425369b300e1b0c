//! Pictures of articles, by the hash of their bytes: what an address shows never changes.

use super::{Web, unavailable};
use crate::config::PictureKind;
use crate::server::callback::not_found;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Before the hash in the path of a picture.
const ROUTE: &str = "/p/";

impl Web {
    /// The picture that the path names.
    pub fn picture(&self, request: &Request) -> Response {
        let (path, _) = request.path_and_query();
        let name = self.below(path).and_then(|below| below.strip_prefix(ROUTE));
        let Some((hash, kind)) = name.and_then(read_name) else {
            return not_found();
        };
        let media_type = kind.media_type();
        let tag = format!("\"{hash}\"");
        let is_known = request
            .header("If-None-Match")
            .is_some_and(|tags| has(tags, &tag));
        let found = self.app.store.read(|reader| match is_known {
            true => {
                let is_there = reader.has_picture(hash, media_type)?;
                Ok(is_there.then(Response::not_modified))
            }
            false => {
                let bytes = reader.picture(hash, media_type)?;
                Ok(bytes.map(|bytes| Response::bytes(media_type, bytes)))
            }
        });
        match found {
            Ok(Some(response)) => response
                .with("Cache-Control", "public, max-age=31536000, immutable")
                .with("ETag", tag),
            Ok(None) => not_found(),
            Err(_) => unavailable(),
        }
    }
}

/// The hash and the kind in `HASH.jpg` and `HASH.png`.
fn read_name(name: &str) -> Option<(&str, PictureKind)> {
    let (hash, extension) = name.split_once('.')?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut kinds = PictureKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.extension() == extension)?;
    is_hash.then_some((hash, kind))
}

/// Whether a list of entity tags has this one.
fn has(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
