//! Any call of the platform by its path, for calls that have no method of their own.

use std::io::Write;

use serde_json::Value;

use super::call::Call;
use super::called::Effect;
use super::client::{Client, checked};
use super::errcode::Action;
use super::error::ApiError;
use super::http::Download;
use super::media::{SavedFile, saved};
use super::multipart;
use crate::percent;

/// The largest file that a call takes, in bytes.
pub const MAX_FILE: usize = multipart::MAX_FILE;

/// The host in the platform's documentation, from which people copy addresses.
const DOCUMENTED_HOST: &str = "api.weixin.qq.com";

/// The parameter that is added by itself.
const ACCESS_TOKEN: &str = "access_token";

/// Paths that are refused, with the command to use instead: their answers or their parameters are secrets, and they
/// take no access_token of the account.
const ELSEWHERE: [(&str, &str); 4] = [
    ("/cgi-bin/token", "wechatd token"),
    ("/cgi-bin/stable_token", "wechatd token"),
    ("/cgi-bin/clear_quota/v2", "wechatd quota clear"),
    ("/sns/", "wechatd login"),
];

/// What an owner reads when a POST got no answer.
const IF_UNKNOWN: &str = "look whether it was, before you repeat it";

/// A path such as `/cgi-bin/menu/get`, and its query without the access_token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPath {
    path: String,
    query: Vec<(String, String)>,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawBody<'a> {
    /// Nothing: a GET, which is taken for a read and repeated like one.
    None,
    /// JSON, sent as it is. The call is taken for a change, as all POSTs are.
    Json(&'a str),
    /// A file in the part `media`.
    File {
        /// Its name, of which the platform looks at the extension.
        name: &'a str,
        /// At most [`MAX_FILE`].
        bytes: &'a [u8],
        /// JSON for the part `description`.
        description: Option<&'a str>,
    },
}

/// What came back.
#[derive(Debug)]
pub enum RawAnswer {
    /// A file, now written.
    File(SavedFile),
    /// JSON.
    Json {
        /// The whole answer; the access_token and the AppSecret are blanked in it.
        value: Value,
        /// The error in it, if it says more than that: `tags/members/batchtagging` lists who could not be tagged.
        refused: Option<ApiError>,
    },
}

impl RawPath {
    /// Reads a path as people copy it: with or without its first slash, or as a whole URL of `base_url` or of the
    /// platform's documentation. Its query is kept, but for an access_token.
    ///
    /// # Errors
    /// Says why it is none, or what to use instead.
    pub fn read(text: &str, base_url: &str) -> Result<RawPath, String> {
        let text = text.trim();
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let path = path_in(address, base_url)?;
        let path = format!("/{}", path.trim_start_matches('/').trim_end_matches('/'));
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~".contains(&c);
        let mut segments = path[1..].split('/');
        if segments.any(|part| ["", ".", ".."].contains(&part) || !part.bytes().all(plain)) {
            return Err(format!("{address:?} is no path such as /cgi-bin/menu/get"));
        }
        let within = |start: &str| {
            let found = path.get(..start.len());
            let whole = start.ends_with('/') || path.len() == start.len();
            whole && found.is_some_and(|found| found.eq_ignore_ascii_case(start))
        };
        if let Some((_, command)) = ELSEWHERE.iter().find(|(start, _)| within(start)) {
            return Err(format!("{path} deals with secrets: use `{command}`"));
        }
        let mut read = RawPath {
            path,
            query: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (percent::decode(name), percent::decode(value)) else {
                return Err("its query is not percent-encoded".to_owned());
            };
            if !name.eq_ignore_ascii_case(ACCESS_TOKEN) {
                read.query.push((name.into_owned(), value.into_owned()));
            }
        }
        Ok(read)
    }

    /// Adds a query parameter.
    ///
    /// # Errors
    /// Says why an access_token is none.
    pub fn with(mut self, name: &str, value: &str) -> Result<RawPath, String> {
        if name.eq_ignore_ascii_case(ACCESS_TOKEN) {
            return Err("the access_token is added by itself: leave it out".to_owned());
        }
        self.query.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }
}

/// The path in an address, which must be of `base_url` or of the platform.
fn path_in<'a>(address: &'a str, base_url: &str) -> Result<&'a str, String> {
    let base_url = base_url.trim_end_matches('/');
    let of_base = address
        .get(..base_url.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(base_url));
    if of_base && address[base_url.len()..].starts_with('/') {
        return Ok(&address[base_url.len()..]);
    }
    let (with_host, rest) = match address.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => (true, rest),
        Some(_) | None => (false, address),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.eq_ignore_ascii_case(DOCUMENTED_HOST) {
        true => Ok(path),
        // No part of the platform's paths has a dot in front.
        false if with_host || host.contains('.') => Err(format!(
            "{host:?} is another host than that of api.base_url, and gets no access_token: give a path, such as /cgi-bin/menu/get"
        )),
        false => Ok(address),
    }
}

impl Client {
    /// Makes any call, with the account's access_token. A file in the answer is written to `to`; `expects_file` allows
    /// the longer time that files take. A GET counts as a read and a POST as a change.
    ///
    /// # Errors
    /// [`ApiError::Request`] for a file that is empty or too large; any [`ApiError`]. After an error `to` may hold part
    /// of a file.
    pub fn raw(
        &self,
        path: &RawPath,
        body: RawBody,
        expects_file: bool,
        to: &mut dyn Write,
    ) -> Result<RawAnswer, ApiError> {
        let effect = match body {
            RawBody::None => Effect::Reads,
            RawBody::Json(_) | RawBody::File { .. } => Effect::Changes {
                if_unknown: IF_UNKNOWN,
            },
        };
        let mut call = Call::raw(&path.path, effect);
        for (name, value) in &path.query {
            call = call.query(name.clone(), value.as_str());
        }
        call = match body {
            RawBody::None => call,
            RawBody::Json(text) => call.json_bytes(text.as_bytes().to_vec()),
            RawBody::File {
                name,
                bytes,
                description,
            } => {
                let text = description.map(|text| ("description", text));
                multipart::with_file_and_text(call, name, bytes, text)?
            }
        };
        if expects_file {
            call = call.bulky();
        }
        let found = self.run(&call, |answer| match answer.download()? {
            Download::Json(value) => json_answer(&call, value),
            Download::File(incoming) => Ok(Found::File(incoming)),
        })?;
        match found {
            Found::File(incoming) => saved(*incoming, to).map(RawAnswer::File),
            Found::Json(mut value, refused) => {
                let token = self.shared.access_token.stored().ok().flatten();
                let token = token.as_ref().map(|token| token.value.expose());
                let secret = self.shared.settings.app_secret.expose();
                let secrets = || token.into_iter().chain([secret]);
                secrets().for_each(|secret| blank(&mut value, secret));
                let refused = refused.map(|error| error.without(secrets()));
                Ok(RawAnswer::Json { value, refused })
            }
        }
    }
}

/// An answer before its file is read.
enum Found {
    File(Box<super::http::Incoming>),
    Json(Value, Option<ApiError>),
}

/// An answer in JSON. If it is an error that is final and comes with more than its text, it is an answer as well.
fn json_answer(call: &Call, value: Value) -> Result<Found, ApiError> {
    let error = match checked(call, value.clone()) {
        Ok(_) => return Ok(Found::Json(value, None)),
        Err(error) => error,
    };
    let mut names = value.as_object().into_iter().flatten();
    let says_more = names.any(|(name, _)| !["errcode", "errmsg"].contains(&name.as_str()));
    match error.action() {
        Action::Token | Action::Retry => Err(error),
        _ if says_more => Ok(Found::Json(value, Some(error))),
        _ => Err(error),
    }
}

/// Replaces a secret in all texts of an answer.
fn blank(value: &mut Value, secret: &str) {
    match value {
        Value::String(text) if !secret.is_empty() && text.contains(secret) => {
            *text = text.replace(secret, "***");
        }
        Value::Array(list) => list.iter_mut().for_each(|one| blank(one, secret)),
        Value::Object(fields) => fields.values_mut().for_each(|one| blank(one, secret)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://sh.api.weixin.qq.com/wx/";

    fn read(text: &str) -> Result<(String, Vec<(String, String)>), String> {
        RawPath::read(text, BASE).map(|read| (read.path, read.query))
    }

    #[test]
    fn a_path_is_read_as_people_copy_it_without_its_token() {
        for text in [
            "/cgi-bin/menu/get",
            "cgi-bin/menu/get",
            " /cgi-bin/menu/get/ ",
            "/cgi-bin/menu/get?access_token=ACCESS_TOKEN",
            "https://api.weixin.qq.com/cgi-bin/menu/get?access_token=SYN#top",
            "http://API.weixin.qq.com/cgi-bin/menu/get",
            "api.weixin.qq.com/cgi-bin/menu/get",
            "https://sh.api.weixin.qq.com/wx/cgi-bin/menu/get?Access_Token=SYN&",
        ] {
            let path = "/cgi-bin/menu/get".to_owned();
            assert_eq!(read(text), Ok((path, Vec::new())), "{text}");
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (_, query) =
            read("/cgi-bin/user/info?openid=oA&access_token=S&lang=zh%5FCN&x").expect("a path");
        let expected = [pair("openid", "oA"), pair("lang", "zh_CN"), pair("x", "")];
        assert_eq!(query, expected);
    }

    #[test]
    fn a_path_of_another_host_and_what_is_no_path_are_refused() {
        for text in [
            "https://evil.example/cgi-bin/menu/get",
            "//evil.example/cgi-bin/menu/get",
            "evil.example/cgi-bin/menu/get",
            "https://api.weixin.qq.com.evil.example/cgi-bin/menu/get",
            "https://sh.api.weixin.qq.com/wxx/cgi-bin/menu/get",
            "https://api.weixin.qq.com@evil.example/cgi-bin/menu/get",
            "ftp://evil.example/cgi-bin/menu/get",
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains("another host"), "{text}: {refused}");
        }
        for text in [
            "",
            "/",
            "/cgi-bin/../sns/auth",
            "/cgi-bin//token",
            "/cgi-bin/./token",
            "/cgi-bin/menu get",
            "/cgi-bin%2ftoken",
            "/cgi-bin\\token",
            "/菜单",
            "/a:b",
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains("is no path"), "{text}: {refused}");
        }
    }

    #[test]
    fn calls_that_deal_with_secrets_name_the_command_to_use() {
        for (text, command) in [
            ("/cgi-bin/token", "`wechatd token`"),
            ("/CGI-BIN/Stable_Token", "`wechatd token`"),
            ("/cgi-bin/clear_quota/v2", "`wechatd quota clear`"),
            ("/sns/userinfo", "`wechatd login`"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.ends_with(command), "{refused}");
        }
        assert!(read("/cgi-bin/tokens").is_ok());
        let path = RawPath::read("/cgi-bin/menu/get", BASE).expect("a path");
        assert!(path.with("access_token", "x").is_err());
    }
}
