//! A request and a reply as the services see them: no sockets, no hyper.

use std::time::Duration;

use serde_json::{Map, Value};
use url::form_urlencoded;

/// A request, read completely.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path's segments, decoded.
    pub fn segments(&self) -> Vec<String> {
        // A path differs from a form only in that `+` means itself.
        let decode = |segment: &str| match form_urlencoded::parse(segment.replace('+', "%2B").as_bytes()).next() {
            Some((text, _)) => text.into_owned(),
            None => String::new(),
        };
        self.path.trim_matches('/').split('/').map(decode).collect()
    }

    /// The query's fields, decoded; `+` is a space there.
    pub fn fields(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The value of a query field. Azure DevOps and the vault read field names in any case.
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first field that is unknown or given twice.
    pub fn unexpected_field(&self, known: &[&str]) -> Option<String> {
        let mut seen: Vec<String> = Vec::new();
        for (name, _) in self.fields() {
            let lower = name.to_ascii_lowercase();
            if !known.iter().any(|known| known.eq_ignore_ascii_case(&name)) || seen.contains(&lower) {
                return Some(name);
            }
            seen.push(lower);
        }
        None
    }

    /// The body as the fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The body as a JSON object with no other fields than these; a sentence if it is none.
    pub fn json(&self, known: &[&str]) -> Result<Map<String, Value>, String> {
        let object = self.object()?;
        match object.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("unknown field {name:?} in the body")),
            None => Ok(object),
        }
    }

    /// The body as a JSON object; a sentence if it is none.
    pub fn object(&self) -> Result<Map<String, Value>, String> {
        if !self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json")) {
            return Err("Content-Type is not application/json".to_owned());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err("the body is no JSON object".to_owned()),
            Err(_) => Err("the body is no JSON".to_owned()),
        }
    }

    /// The bearer token, if one was sent.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The address that the client called, for links in replies. A real host name was called through TLS.
    pub fn origin(&self) -> String {
        let host = self.header("host").unwrap_or("127.0.0.1");
        let is_loopback = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.starts_with(name));
        format!("{}://{host}", if is_loopback { "http" } else { "https" })
    }
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it is held back.
    pub delay: Duration,
    /// What the client did against the rules, when the reply refuses that: no test may leave it unnoticed.
    pub violation: Option<String>,
}

/// A reply that ends the matter; boxed because it is larger than what it stands in for.
pub type Refusal = Box<Reply>;

impl Reply {
    /// An empty one.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, violation: None }
    }

    /// One with JSON.
    pub fn json(status: u16, value: &Value) -> Self {
        let body = value.to_string().into_bytes();
        Self { body, ..Self::empty(status) }.with("Content-Type", "application/json; charset=utf-8")
    }

    /// One with a page for people.
    pub fn html(status: u16, page: &str) -> Self {
        let body = page.as_bytes().to_vec();
        Self { body, ..Self::empty(status) }.with("Content-Type", "text/html; charset=utf-8")
    }

    /// With one more header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Refuses something that no client may do.
    pub fn violating(mut self, what: impl Into<String>) -> Self {
        self.violation = Some(what.into());
        self
    }
}
