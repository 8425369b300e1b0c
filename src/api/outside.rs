//! One request to another server than the platform's, with the same trusted roots: how `simulate` reaches the public
//! address of this server.

use std::ffi::OsStr;
use std::io::Read;
use std::time::Duration;

use super::error::ApiError;
use super::http::{agent, failed};

/// What the calls of this file are named in errors.
const CALL: &str = "https";

/// An answer, whatever its status. Redirects are not followed.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Its usual words.
    pub reason: &'static str,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// At most as long as was asked for.
    pub body: Vec<u8>,
}

/// Sends a POST with this XML body, or a GET without one. `most` limits the answer, in bytes, and `timeout` the whole
/// exchange; for `cert_file` see `SSL_CERT_FILE` in the README.
///
/// # Errors
/// When the roots cannot be read, or no whole answer came; the text holds no URL.
pub fn request(
    url: &str,
    body: Option<&[u8]>,
    timeout: Duration,
    most: u64,
    cert_file: Option<&OsStr>,
) -> Result<Response, ApiError> {
    let agent = agent(timeout, cert_file)?;
    let fail = |error: ureq::Error| failed(CALL.into(), timeout, error);
    let mut response = match body {
        None => agent.get(url).call(),
        Some(body) => agent.post(url).content_type("text/xml").send(body),
    }
    .map_err(fail)?;
    let location = response.headers().get("location");
    let location = location.and_then(|place| place.to_str().ok().map(str::to_owned));
    let status = response.status();
    let mut body = Vec::new();
    response
        .body_mut()
        .as_reader()
        .take(most)
        .read_to_end(&mut body)
        .map_err(|error| fail(error.into()))?;
    Ok(Response {
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default(),
        location,
        body,
    })
}
