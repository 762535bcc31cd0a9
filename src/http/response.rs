//! What came back, and what it means: a success, one of the many ways of saying no, or nothing at all.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::rate_limit::RateLimit;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::redaction::Redactor;
use crate::model::secret::wipe;
use crate::model::text;
use crate::model::timestamp::Timestamp;

/// No service asks for more than this, but a reply could.
const LONGEST_REST: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer that is a success by its status.
pub struct Reply {
    pub(super) service: Service,
    pub(super) hidden: Redactor,
    /// Its status.
    pub status: u16,
    /// The server's time.
    pub date: Option<Timestamp>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        wipe(&mut self.body);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("service", &self.service).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Reply {
    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether there is a body at all.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The body as JSON of the shape expected. Errors name the place and never the text: it may hold a secret.
    ///
    /// # Errors
    /// When it is a sign-in page, or JSON of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if kind.starts_with("text/html") {
            return Err(self.error(Kind::NotSignedIn { status: self.status }));
        }
        serde_json::from_slice(without_bom(&self.body)).map_err(|error| {
            let (what, line, column) = (error.classify(), error.line(), error.column());
            let seen = format!("JSON that is not as documented ({what:?} at line {line}, column {column})");
            self.error(Kind::Unreadable { status: self.status, seen })
        })
    }

    /// Tells a success from the many ways of saying no. A reply that may hold a secret is not quoted.
    ///
    /// # Errors
    /// What the answer means when it is no success.
    pub fn success(self, sensitive_response: bool) -> Result<Self, CallError> {
        let status = self.status;
        let kind = match status {
            203 | 300..=399 => Kind::NotSignedIn { status },
            200..=299 => return Ok(self),
            408 | 429 | 500..=599 => {
                let (code, _) = self.reason();
                Kind::Busy { status, code: word(&code), retry_after: self.retry_after() }
            }
            _ => {
                let (code, mut message) = self.reason();
                if let Some(tenant) = self.tenant_of_vault().filter(|tenant| !message.contains(*tenant)) {
                    message.push_str(&format!(" (the vault's tenant is {tenant})"));
                }
                let message = if sensitive_response {
                    String::new()
                } else {
                    text::one_line(message.trim().replace("\r\n", " ").trim_end_matches('.'))
                };
                Kind::Refused { status, code: word(&code), message }
            }
        };
        Err(self.error(kind))
    }

    fn reason(&self) -> (String, String) {
        reason(without_bom(&self.body), &self.hidden)
    }

    /// The tenant whose tokens a vault takes, as it tells those whom it refuses.
    fn tenant_of_vault(&self) -> Option<&str> {
        if self.service != Service::KeyVault || self.status != 401 {
            return None;
        }
        let (_, rest) = self.header("www-authenticate")?.split_once("authorization=\"")?;
        let tenant = rest.split_once('"')?.0.rsplit('/').next()?;
        let is_id = tenant.len() == 36 && tenant.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_id.then_some(tenant)
    }

    /// When the service asks to come back; also with a success.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        rest_asked_for(self.header("retry-after")?, self.date)
    }

    /// What the service says of how much may still be asked; documented for replies that come near its limit.
    pub fn allowance(&self) -> RateLimit {
        // Whole numbers are enough, and what comes behind a point is none to wait for.
        let number = |name: &str| self.header(name)?.trim().split('.').next()?.parse::<u64>().ok();
        let seconds = |number: u64| Duration::from_secs(number).min(LONGEST_REST);
        let reset = number("x-ratelimit-reset").and_then(|at| at.checked_sub(self.date?.as_unix().try_into().ok()?));
        RateLimit {
            rest: self.retry_after(),
            // Documented: seconds, with up to three decimal places.
            is_delayed: self
                .header("x-ratelimit-delay")
                .is_some_and(|delay| delay.contains(|c| matches!(c, '1'..='9'))),
            remaining: number("x-ratelimit-remaining"),
            limit: number("x-ratelimit-limit"),
            reset: reset.map(seconds),
        }
    }

    pub fn error(&self, kind: Kind) -> CallError {
        CallError { activity: activity(&self.headers), date: self.date, ..CallError::new(self.service, kind) }
    }
}

/// How long a `Retry-After` asks to wait, in seconds or as a date; by the server's own time, where it tells it.
pub fn rest_asked_for(retry_after: &str, date: Option<Timestamp>) -> Option<Duration> {
    let value = retry_after.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_REST));
    }
    Some(Timestamp::parse_http(value)?.since(date?).min(LONGEST_REST))
}

/// The short word and the sentence of an error body, in the shape of any of the services, without hidden values: what is
/// left out or cut later could leave a part of one.
fn reason(body: &[u8], hidden: &Redactor) -> (String, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return <_>::default() };
    let text = |value: &Value| hidden.redacted(value.as_str().unwrap_or_default());
    match &body["error"] {
        // Azure Key Vault: the inner code tells one 403 from another.
        Value::Object(error) => {
            let inner = error.get("innererror").map(|inner| text(&inner["code"])).unwrap_or_default();
            let code = if inner.is_empty() { text(&body["error"]["code"]) } else { inner };
            (code, text(&body["error"]["message"]))
        }
        // Microsoft Entra: the number tells more than the OAuth word; the description goes on with trace ids.
        Value::String(error) => {
            // These two are no refusals but answers, told apart by the word alone.
            let is_answer = matches!(error.as_str(), "authorization_pending" | "slow_down");
            let code = match body["error_codes"][0].as_u64() {
                Some(number) if !is_answer => format!("AADSTS{number}"),
                _ => hidden.redacted(error),
            };
            let description = text(&body["error_description"]);
            let sentence = description.lines().next().unwrap_or_default();
            let sentence = sentence.split(" Trace ID:").next().unwrap_or_default();
            (code.clone(), sentence.trim_start_matches(&format!("{code}:")).trim().to_owned())
        }
        // Azure DevOps: a number in front of the sentence tells more than the exception's name.
        _ => {
            let message = text(&body["message"]);
            match message.split_once(": ").filter(|(number, _)| is_number(number)) {
                Some((number, rest)) => (number.to_owned(), rest.to_owned()),
                None => (text(&body["typeKey"]), message),
            }
        }
    }
}

/// Whether a word is one of the numbers that Azure DevOps puts in front of its sentences, such as `TF400813`.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("TF").or_else(|| word.strip_prefix("VS"));
    digits.is_some_and(|digits| (4..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A code as a single short word, so that it cannot carry anything else.
pub fn word(code: &str) -> String {
    let fits = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits { code.to_owned() } else { "an unreadable reason".to_owned() }
}

fn activity(headers: &HeaderMap) -> Option<String> {
    let id =
        ["activityid", "x-vss-e2eid", "x-ms-request-id", "x-msedge-ref"].iter().find_map(|name| headers.get(*name));
    let id = id?.to_str().ok()?;
    let fits = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| id.to_owned())
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}
