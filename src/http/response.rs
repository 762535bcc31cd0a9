//! A response and its meaning: a success, or one of the many forms of a refusal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::http::rate_limit::RateLimit;
use crate::http::reason::{Reason, as_id};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::redaction::Redactor;
use crate::model::secret::wipe;
use crate::model::timestamp::Timestamp;

/// The code used for a claims challenge, whatever the body says.
const CLAIMS_CHALLENGE: &str = "insufficient_claims";
/// No service asks for more than this, but a reply could.
const LONGEST_REST: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer that is a success by its status.
pub struct Reply {
    pub(super) service: Service,
    pub(super) hidden: Redactor,
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

    /// Whether there is such a header, text or not.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// Whether there is a body at all.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Parses the body as JSON. Errors name the position and never quote the text: it may contain a secret.
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

    /// Turns a response that is not a success into an error. A sensitive response is not quoted.
    pub fn success(self, sensitive_response: bool) -> Result<Self, CallError> {
        let status = self.status;
        let kind = match status {
            203 | 300..=399 => Kind::NotSignedIn { status },
            200..=299 => return Ok(self),
            _ => return Err(self.refusal(sensitive_response)),
        };
        Err(self.error(kind))
    }

    fn refusal(&self, sensitive_response: bool) -> CallError {
        let status = self.status;
        let Reason { code, more_codes, mut message, trace } = self.reason();
        let code = if self.wants_claims() { CLAIMS_CHALLENGE.to_owned() } else { word(&code) };
        if let Some(tenant) = self.tenant_of_vault().filter(|tenant| !message.contains(*tenant)) {
            message.push_str(&format!(" (the vault's tenant is {tenant})"));
        }
        if sensitive_response {
            message.clear();
        }
        let kind = match status {
            408 | 429 | 500..=599 => {
                Kind::Busy { status, code: code.into(), message: message.into(), retry_after: self.retry_after() }
            }
            _ => Kind::Refused { status, code, message },
        };
        let mut error = self.error(kind);
        error.more_codes = Arc::new(more_codes.iter().map(|code| word(code)).collect());
        error.activity = error.activity.or(trace.map(Into::into));
        error
    }

    fn reason(&self) -> Reason {
        let kind = self.header("content-type").unwrap_or_default();
        // Only Azure DevOps sends it: the one thing that a HEAD tells.
        let header = self.header("x-tfs-serviceerror").unwrap_or_default();
        Reason::of(without_bom(&self.body), kind, header, &self.hidden)
    }

    /// Whether the service requires a token with more claims.
    /// <https://learn.microsoft.com/entra/identity-platform/claims-challenge>
    fn wants_claims(&self) -> bool {
        let mut challenges = self.headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok());
        self.status == 401 && challenges.any(|challenge| challenge.contains("claims="))
    }

    /// The tenant whose tokens a vault accepts, from the header of its refusal.
    fn tenant_of_vault(&self) -> Option<&str> {
        if self.service != Service::KeyVault || self.status != 401 {
            return None;
        }
        let (_, rest) = self.header("www-authenticate")?.split_once("authorization=\"")?;
        let tenant = rest.split_once('"')?.0.rsplit('/').next()?;
        let is_id = tenant.len() == 36 && tenant.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_id.then_some(tenant)
    }

    /// `Retry-After`; also sent with a success.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        rest_asked_for(self.header("retry-after")?, self.date)
    }

    /// The rate limit headers; documented for responses near the limit.
    pub fn allowance(&self) -> RateLimit {
        // Whole numbers are enough; decimals are ignored.
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
        CallError {
            activity: activity(&self.headers).map(Into::into),
            date: self.date,
            ..CallError::new(self.service, kind)
        }
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

/// A code, if it is a single short word: nothing else is printed.
pub fn word(code: &str) -> String {
    let fits = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits { code.to_owned() } else { "an unreadable reason".to_owned() }
}

fn activity(headers: &HeaderMap) -> Option<String> {
    let id =
        ["activityid", "x-vss-e2eid", "x-ms-request-id", "x-msedge-ref"].iter().find_map(|name| headers.get(*name));
    as_id(id?.to_str().ok()?)
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}
