//! The headers that all answers of the web part have, and those of its pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::random::{self, NoRandomNumbers};
use crate::server::http::response::Response;

/// Names one answer's own style and scripts: whatever else gets into a page is not applied by the browser.
#[derive(Debug)]
pub struct Nonce(String);

impl Nonce {
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Nonce, NoRandomNumbers> {
        let bytes: [u8; 16] = random::bytes()?;
        Ok(Nonce(STANDARD.encode(bytes)))
    }

    /// As it stands in the attribute `nonce`.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A page of HTML, which loads nothing and is shown in no frame.
pub fn page(status: u16, html: String, nonce: &Nonce) -> Response {
    let nonce = nonce.text();
    let policy = format!(
        "default-src 'none'; img-src 'self' data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    Response::of_type("text/html; charset=utf-8", status, html)
        .with("Content-Security-Policy", policy)
}
