//! One connection to the fake platform: reads calls and writes the replies of a function. The unit tests of `src/api`
//! include this file, too.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// The AppID of the account in the samples.
pub const APP_ID: &str = "wx7a9c0e1f2b3d4c5e";
/// Its AppSecret.
pub const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One call as received.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded names and values.
    pub query: HashMap<String, String>,
    /// By their names in lower case; the values of a repeated one are joined by `, `.
    pub headers: HashMap<String, String>,
    /// Invalid UTF-8 is replaced.
    pub body: String,
}

impl Call {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// What to write back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These bytes: a whole answer including its head, part of one, or nothing.
    Bytes(Vec<u8>, Then),
    /// `start`, then `piece` again and again with a pause in between, until the client closes.
    Forever {
        start: String,
        piece: Vec<u8>,
        pause: Duration,
    },
}

/// What to do after the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Wait for the next call on this connection.
    NextCall,
    /// Close the connection.
    Close,
}

impl Reply {
    /// A whole answer. `status` includes the reason (`200 OK`); each header ends with `\r\n`.
    pub fn http(status: &str, headers: &str, body: &str, then: Then) -> Reply {
        let connection = match then {
            Then::NextCall => "",
            Then::Close => "Connection: close\r\n",
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}{connection}Content-Length: {length}\r\n\r\n{body}"
        );
        Reply::Bytes(answer.into_bytes(), then)
    }
}

/// Answers the calls on a connection until it ends.
pub fn serve(mut stream: TcpStream, answer: impl Fn(&Call) -> Reply) {
    stream.set_nodelay(true).ok();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(call) = read_call(&mut reader) {
        let is_last = call.headers.get("connection").is_some_and(|c| c == "close");
        match answer(&call) {
            Reply::Bytes(bytes, then) => {
                if stream.write_all(&bytes).is_err() || then == Then::Close || is_last {
                    break;
                }
            }
            Reply::Forever {
                start,
                piece,
                pause,
            } => {
                stream.write_all(start.as_bytes()).ok();
                while stream.write_all(&piece).is_ok() {
                    std::thread::sleep(pause);
                }
                break;
            }
        }
    }
    // Dropping it is not enough: others may have a clone.
    stream.shutdown(std::net::Shutdown::Both).ok();
}

fn read_call(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut call = Call {
        method,
        path: path.into(),
        query: query.split('&').filter_map(parameter).collect(),
        headers: HashMap::new(),
        body: String::new(),
    };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        let values = call.headers.entry(name.to_ascii_lowercase());
        values
            .and_modify(|values| *values += &format!(", {}", value.trim()))
            .or_insert_with(|| value.trim().to_owned());
    }
    let body = if call.headers.contains_key("transfer-encoding") {
        read_chunks(reader)?
    } else {
        let length = call.headers.get("content-length");
        let mut body = vec![0; length.map_or(Ok(0), |length| length.parse()).ok()?];
        reader.read_exact(&mut body).ok()?;
        body
    };
    call.body = String::from_utf8_lossy(&body).into_owned();
    Some(call)
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn parameter(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    Some((percent_decoded(name), percent_decoded(value)))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
