//! Sends one request and says what became of it. Everything that is true of every service is here: limits, what may
//! be repeated, what an answer that is none means, and that nothing is sent once nobody wants it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::cancel::Cancel;
use crate::patience::{Backoff, Patience};
use crate::secret::{Secret, wipe};
use crate::text;
use crate::timestamp::Timestamp;

pub use reqwest::Method;

/// Largest reply read. A page of a hundred tokens has some 50 kB.
const LARGEST_BODY: usize = 4 << 20;

/// The service that a request goes to, as messages name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Azure DevOps Services.
    AzureDevOps,
    /// Microsoft Entra ID, the token endpoint.
    Entra,
    /// Azure Key Vault.
    KeyVault,
    /// The pipeline's own endpoint for tokens of workload identity federation.
    Oidc,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AzureDevOps => "Azure DevOps",
            Self::Entra => "Microsoft Entra",
            Self::KeyVault => "Azure Key Vault",
            Self::Oidc => "the pipeline's OIDC endpoint",
        })
    }
}

/// Who a request speaks for.
#[derive(Clone, Copy, Debug)]
pub enum Auth<'a> {
    /// Nobody.
    Nobody,
    /// A bearer token.
    Bearer(&'a Secret),
    /// A personal access token, as the password of an empty user name.
    Pat(&'a Secret),
}

/// What a request carries.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// Nothing, and the service wants that said.
    ExplicitlyEmpty,
    /// A JSON text; secret, as it may hold one.
    Json(Secret),
    /// A form; secret, as it may hold one.
    Form(Secret),
}

impl Body {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self::Json(Secret::new(value.to_string()))
    }

    /// A form body.
    pub fn form(fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self::Form(Secret::new(form.finish()))
    }
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where it goes.
    pub service: Service,
    /// Its verb.
    pub method: Method,
    /// Its address.
    pub url: Url,
    /// Who it speaks for.
    pub auth: Auth<'a>,
    /// What it carries.
    pub body: Body,
    /// Whether the answer may hold a new secret, so that no word of it is ever quoted.
    pub secret_reply: bool,
    /// Whether a definite no is an answer like any other, because its headers tell something.
    pub any_answer: bool,
}

impl<'a> Call<'a> {
    /// A read.
    pub fn get(service: Service, url: Url, auth: Auth<'a>) -> Self {
        Self::new(service, Method::GET, url, auth, Body::Empty)
    }

    /// Something else.
    pub fn new(service: Service, method: Method, url: Url, auth: Auth<'a>, body: Body) -> Self {
        Self { service, method, url, auth, body, secret_reply: false, any_answer: false }
    }
}

/// An answer that is a success by its status.
pub struct Reply {
    service: Service,
    /// Its status.
    pub status: u16,
    /// The server's time.
    pub date: Option<Timestamp>,
    headers: HeaderMap,
    body: Vec<u8>,
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
    pub fn success(self, secret_reply: bool) -> Result<Self, CallError> {
        let status = self.status;
        let kind = match status {
            203 | 300..=399 => Kind::NotSignedIn { status },
            200..=299 => return Ok(self),
            408 | 429 | 500..=599 => Kind::Busy { status, retry_after: retry_after(&self) },
            _ => {
                let (code, message) = reason(without_bom(&self.body));
                let message = if secret_reply { String::new() } else { text::one_line(message.trim()) };
                Kind::Refused { status, code: word(&code), message }
            }
        };
        Err(self.error(kind))
    }

    fn error(&self, kind: Kind) -> CallError {
        CallError { service: self.service, kind, activity: activity(&self.headers) }
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub struct CallError {
    /// The service asked.
    pub service: Service,
    /// What became of the request.
    pub kind: Kind,
    /// The service's id of the request, which its support asks for.
    pub activity: Option<String>,
}

/// What became of a request that did not succeed.
#[derive(Debug)]
pub enum Kind {
    /// No connection: the service never saw it.
    NotSent(String),
    /// Sent, and no whole answer came: the service may have acted on it.
    NoAnswer(String),
    /// The service cannot at the moment.
    Busy {
        /// The status.
        status: u16,
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// A sign-in page, or a redirect to one.
    NotSignedIn {
        /// The status.
        status: u16,
    },
    /// A definite no.
    Refused {
        /// The status; 200 where the body holds the refusal.
        status: u16,
        /// The service's own short word for the reason.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// An answer, but none that the service documents.
    Unreadable {
        /// The status.
        status: u16,
        /// What it was instead.
        seen: String,
    },
    /// Nothing was sent, or no longer waited for, as the run was cancelled.
    Cancelled,
    /// Nothing was sent, as the agent has ended the launcher.
    Abandoned,
}

impl CallError {
    /// Whether the same request may succeed a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::NotSent(_) | Kind::NoAnswer(_) | Kind::Busy { .. })
    }

    /// The status of a definite no.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match &self.kind {
            Kind::Refused { status, code, .. } => Some((*status, code)),
            _ => None,
        }
    }

    /// Whether the service does not take the caller's credential.
    pub fn is_about_signing_in(&self) -> bool {
        matches!(self.kind, Kind::NotSignedIn { .. } | Kind::Refused { status: 401, .. })
    }

    /// A refusal that a service put into the body of a success.
    pub fn refused_in_success(service: Service, code: &str, message: &str) -> Self {
        let kind = Kind::Refused { status: 200, code: word(code), message: text::one_line(message) };
        Self { service, kind, activity: None }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service;
        match &self.kind {
            Kind::NotSent(why) => write!(f, "could not connect to {service}: {why}")?,
            Kind::NoAnswer(why) => write!(f, "{service} gave no whole answer: {why}")?,
            Kind::Busy { status, retry_after: None } => write!(f, "{service} answered {status}")?,
            Kind::Busy { status, retry_after: Some(time) } => {
                write!(f, "{service} answered {status} and asks to wait {} s", time.as_secs())?;
            }
            Kind::NotSignedIn { status } => write!(f, "{service} answered {status} with its sign-in page")?,
            Kind::Refused { status: 200, code, message } => {
                write!(f, "{service} refused: {code}")?;
                if !message.is_empty() {
                    write!(f, ": {message}")?;
                }
            }
            Kind::Refused { status, code, message } => {
                write!(f, "{service} answered {status}")?;
                if !code.is_empty() {
                    write!(f, " {code}")?;
                }
                if !message.is_empty() {
                    write!(f, ": {message}")?;
                }
            }
            Kind::Unreadable { status, seen } => write!(f, "{service} answered {status} with {seen}")?,
            Kind::Cancelled => f.write_str("the run was cancelled")?,
            Kind::Abandoned => f.write_str("the agent has ended the task")?,
        }
        match &self.activity {
            Some(activity) => write!(f, " (activity {activity})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

/// Sends requests. Clones share connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    patience: Rc<Patience>,
    cancel: Cancel,
    has_launcher: Rc<dyn Fn() -> bool>,
    /// Hosts that asked for a rest, and until when.
    resting: Rc<RefCell<HashMap<String, Instant>>>,
}

impl Http {
    /// A client with the limits of `patience`.
    ///
    /// # Errors
    /// When the TLS configuration is refused, which no input can cause.
    pub fn new(patience: Rc<Patience>, cancel: Cancel, has_launcher: Rc<dyn Fn() -> bool>) -> anyhow::Result<Self> {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .user_agent(concat!("rotate-pat/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(patience.connect)
            .read_timeout(patience.read)
            .build()?;
        Ok(Self { client, patience, cancel, has_launcher, resting: Rc::default() })
    }

    /// The limits in force.
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Whether the run was told to stop.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether anything may still be changed.
    ///
    /// # Errors
    /// When the run was cancelled, or the agent has ended the launcher.
    pub fn check_wanted(&self, service: Service) -> Result<(), CallError> {
        let kind = match (self.cancel.is_requested(), (self.has_launcher)()) {
            (_, false) => Kind::Abandoned,
            (true, true) => Kind::Cancelled,
            (false, true) => return Ok(()),
        };
        Err(CallError { service, kind, activity: None })
    }

    /// Sends a request that may be repeated, until an answer or the limit.
    ///
    /// # Errors
    /// What became of the last try.
    pub async fn repeat(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let started = Instant::now();
        let mut backoff = Backoff::new(&self.patience);
        loop {
            let error = match self.once(call, self.patience.reply).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            let wanted = match error.kind {
                Kind::Busy { retry_after: Some(time), .. } => time,
                _ => Duration::ZERO,
            };
            let pause = backoff.pause().max(wanted);
            if started.elapsed() + pause > self.patience.repeat_within {
                return Err(error);
            }
            self.pause(call.service, pause).await?;
        }
    }

    /// Waits, unless the time to stop in runs out.
    ///
    /// # Errors
    /// When it does.
    pub async fn pause(&self, service: Service, time: Duration) -> Result<(), CallError> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.cancel.out_of_time() => Err(CallError { service, kind: Kind::Cancelled, activity: None }),
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// What became of it.
    pub async fn once(&self, call: &Call<'_>, limit: Duration) -> Result<Reply, CallError> {
        self.let_rest(call).await?;
        let failed = |kind| CallError { service: call.service, kind, activity: None };
        if !(self.has_launcher)() {
            return Err(failed(Kind::Abandoned));
        }
        tokio::select! {
            answer = self.exchange(call) => answer,
            () = sleep(limit) => Err(failed(Kind::NoAnswer(format!("none within {} s", limit.as_secs())))),
            () = self.cancel.out_of_time() => Err(failed(Kind::Cancelled)),
        }
    }

    /// Waits where an earlier answer of the host asked for it, but not for longer than a repetition would.
    async fn let_rest(&self, call: &Call<'_>) -> Result<(), CallError> {
        let until = self.resting.borrow().get(call.url.authority()).copied();
        match until {
            Some(until) if until > Instant::now() => {
                let time = (until - Instant::now()).min(self.patience.repeat_within);
                self.pause(call.service, time).await
            }
            _ => Ok(()),
        }
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let failed = |kind| CallError { service: call.service, kind, activity: None };
        let mut request = self.client.request(call.method.clone(), call.url.clone()).header(ACCEPT, "application/json");
        if matches!(call.service, Service::AzureDevOps | Service::Oidc) {
            // Without it, a refused credential is answered by a redirect (seen in code: the agent, Azure SDKs).
            request = request.header("X-TFS-FedAuthRedirect", "Suppress");
        }
        let authorization = match call.auth {
            Auth::Nobody => None,
            Auth::Bearer(token) => Some(format!("Bearer {}", token.reveal())),
            Auth::Pat(pat) => Some(format!("Basic {}", pat.as_basic_password().reveal())),
        };
        if let Some(authorization) = authorization.map(Secret::new) {
            let mut value = HeaderValue::from_str(authorization.reveal())
                .map_err(|_| failed(Kind::NotSent("the credential holds characters that no header can".to_owned())))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request = match &call.body {
            Body::Empty => request,
            Body::ExplicitlyEmpty => request.header(CONTENT_TYPE, "application/json").body(""),
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.reveal().to_owned()),
            Body::Form(form) => {
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.reveal().to_owned())
            }
        };
        let mut response = request.send().await.map_err(|error| {
            let why = causes(&error);
            failed(if error.is_connect() { Kind::NotSent(why) } else { Kind::NoAnswer(why) })
        })?;
        let mut reply = Reply {
            service: call.service,
            status: response.status().as_u16(),
            date: response.headers().get("date").and_then(|v| Timestamp::parse_http(v.to_str().ok()?)),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
        };
        if let Some(time) = retry_after(&reply) {
            self.resting.borrow_mut().insert(call.url.authority().to_owned(), Instant::now() + time);
        }
        while let Some(piece) = response.chunk().await.map_err(|error| failed(Kind::NoAnswer(causes(&error))))? {
            if reply.body.len() + piece.len() > LARGEST_BODY {
                let seen = format!("more than {} MiB", LARGEST_BODY >> 20);
                return Err(reply.error(Kind::Unreadable { status: reply.status, seen }));
            }
            reply.body.extend_from_slice(&piece);
        }
        match reply.status {
            408 | 429 | 500.. => reply.success(call.secret_reply),
            _ if call.any_answer => Ok(reply),
            _ => reply.success(call.secret_reply),
        }
    }
}

/// The short word and the sentence of an error body, in the shape of any of the services.
fn reason(body: &[u8]) -> (String, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return <_>::default() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match &body["error"] {
        // Azure Key Vault: the inner code tells one 403 from another.
        Value::Object(error) => {
            let inner = error.get("innererror").map(|inner| text(&inner["code"])).unwrap_or_default();
            let code = if inner.is_empty() { text(&body["error"]["code"]) } else { inner };
            (code, text(&body["error"]["message"]))
        }
        // Microsoft Entra: the number tells more than the OAuth word; the description goes on with trace ids.
        Value::String(error) => {
            let code = match body["error_codes"][0].as_u64() {
                Some(number) => format!("AADSTS{number}"),
                None => error.clone(),
            };
            let description = text(&body["error_description"]);
            let sentence = description.lines().next().unwrap_or_default();
            let sentence = sentence.split(" Trace ID:").next().unwrap_or_default();
            (code.clone(), sentence.trim_start_matches(&format!("{code}:")).trim().to_owned())
        }
        _ => (text(&body["typeKey"]), text(&body["message"])),
    }
}

/// A code as a single short word, so that it cannot carry anything else.
fn word(code: &str) -> String {
    let fits = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits { code.to_owned() } else { "an unreadable reason".to_owned() }
}

fn retry_after(reply: &Reply) -> Option<Duration> {
    let value = reply.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(24 * 60 * 60)));
    }
    let until = Timestamp::parse_http(value)?;
    Some(until.since(reply.date?).min(Duration::from_secs(24 * 60 * 60)))
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

/// The innermost reason, which is the one that says something; the address is left out, as it is named elsewhere.
fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    text::one_line(&innermost.to_string())
}
