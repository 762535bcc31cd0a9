//! An HTTP client of forty lines, for tests that must see every byte.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::super::Simulator;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, behind a byte order mark or not.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body)).unwrap()
    }

    /// A header's value, by lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// One request on one connection.
pub(super) fn call(sim: &Simulator, method: &str, target: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let origin = sim.origin();
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        origin.trim_start_matches("http://"),
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let answer = Answer { status, body: bytes[end + 4..].to_vec(), head };
    let promised = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    match promised {
        Some(length) if length > answer.body.len() && method != "HEAD" => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer),
    }
}

/// A JSON body's or object's field names, sorted.
pub(super) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Headers of a request with a bearer token and, perhaps, JSON.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\nX-TFS-FedAuthRedirect: Suppress\r\nContent-Type: application/json\r\n")
}

/// Headers of a request with a PAT.
pub(super) fn basic(pat: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!(":{pat}")))
}

/// Headers of a form.
pub(super) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
/// The PATs of the default organization.
pub(super) const PATS: &str = "/contoso/_apis/tokens/pats";
/// The version that the tests ask for.
pub(super) const VERSION: &str = "api-version=7.1-preview.1";
