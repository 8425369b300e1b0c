//! Encodes a file as `multipart/form-data`, in the one form that the platform reads.

use super::call::{Body, Call};
use super::error::ApiError;

/// The largest file that is sent, in bytes: twice the platform's highest limit.
pub(super) const MAX_FILE: usize = 20 * 1024 * 1024;

/// Content types by file extension. The platform looks at the extension and the content, not at these.
const CONTENT_TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("amr", "audio/amr"),
    ("mp3", "audio/mpeg"),
    ("wma", "audio/x-ms-wma"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
];

/// Gives a call a body with one file, in the part `media`.
pub(super) fn with_file(call: Call, filename: &str, bytes: &[u8]) -> Result<Call, ApiError> {
    with_file_and_text(call, filename, bytes, None)
}

/// Gives a call a body with one file, in the part `media`, and a text in a part of its own: `(name, text)`.
pub(super) fn with_file_and_text(
    call: Call,
    filename: &str,
    bytes: &[u8],
    text: Option<(&'static str, &str)>,
) -> Result<Call, ApiError> {
    if bytes.is_empty() {
        return Err(call.refused("the file is empty"));
    }
    if bytes.len() > MAX_FILE {
        return Err(call.refused(format!("the file is larger than {} MiB", MAX_FILE >> 20)));
    }
    let text = text.map(|(name, text)| {
        format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    });
    let text = text.unwrap_or_default();
    let boundary = boundary(&[bytes, text.as_bytes()]).map_err(|cause| call.refused(cause))?;
    let filename = ascii(filename);
    let extension = filename
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension);
    let content_type = CONTENT_TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map_or("application/octet-stream", |(_, content_type)| content_type);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{filename}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    let text = match text.as_str() {
        "" => String::new(),
        text => format!("--{boundary}\r\n{text}"),
    };
    let tail = format!("\r\n{text}--{boundary}--\r\n");
    Ok(call.bulky().body(Body {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        bytes: [head.as_bytes(), bytes, tail.as_bytes()].concat(),
    }))
}

/// A random boundary that occurs in none of the parts.
fn boundary(parts: &[&[u8]]) -> Result<String, &'static str> {
    loop {
        let random = crate::random::number().map_err(|_| "the system gives no random numbers")?;
        let boundary = format!("wechatd-{random:016x}");
        let holds = |part: &&[u8]| {
            part.windows(boundary.len())
                .any(|window| window == boundary.as_bytes())
        };
        if !parts.iter().any(holds) {
            return Ok(boundary);
        }
    }
}

/// The file's name without folders, in ASCII and without characters that would end the header: the platform does not
/// read `filename*=`, but needs the extension.
fn ascii(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
            _ => '_',
        })
        .collect();
    if name.is_empty() {
        "file".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ascii_and_keep_their_extension() {
        let cases = [
            ("a.jpg", "a.jpg"),
            ("pictures/amy/封面 1.PNG", "___1.PNG"),
            ("x\"\r\nEvil: 1.gif", "x___Evil__1.gif"),
            ("", "file"),
        ];
        for (name, sent) in cases {
            assert_eq!(ascii(name), sent);
        }
    }

    #[test]
    fn an_empty_or_huge_file_is_not_sent() {
        for bytes in [vec![], vec![0; MAX_FILE + 1]] {
            assert!(
                with_file(
                    Call::change(
                        "/cgi-bin/media/upload",
                        "the file expires by itself after three days; repeating it does no harm"
                    ),
                    "a.jpg",
                    &bytes
                )
                .is_err()
            );
        }
    }
}
