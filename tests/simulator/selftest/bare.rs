//! An HTTP client of forty lines, for tests that must see every byte.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
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
    send(sim, method, target, &format!("Content-Length: {}\r\n{headers}", body.len()), body)
}

/// The same, with no header that says how long the body is.
pub(super) fn send(sim: &Simulator, method: &str, target: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let origin = sim.origin();
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        origin.trim_start_matches("http://"),
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

/// Fields as the body of a form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A request to the token endpoint of the first tenant, by its domain.
pub(super) fn token(sim: &Simulator, fields: &[(&str, &str)]) -> Answer {
    call(sim, "POST", "/contoso.onmicrosoft.com/oauth2/v2.0/token", FORM, &form(fields)).unwrap()
}

/// The status, and the `AADSTS` number of a refusal.
pub(super) fn code(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error_codes"][0].as_i64().unwrap_or_default())
}

/// The claims of a token.
pub(super) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// All permissions on Azure DevOps that were consented to.
pub(super) const DEFAULT: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
/// The kind of assertions.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Headers of a form.
pub(super) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
/// The PATs of the default organization.
pub(super) const PATS: &str = "/contoso/_apis/tokens/pats";
/// The version that the tests ask for.
pub(super) const VERSION: &str = "api-version=7.1-preview.1";
