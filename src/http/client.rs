//! Sends one request and returns the response or the error. The rules for all services are here: timeouts, retries, how
//! a missing response is reported, and that nothing is sent after the run was abandoned.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::agent::cancellation::Cancel;
use crate::model::redaction::Redactor;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::runtime::limits::{Backoff, Limits};
use crate::settings::network::Network;

use crate::http::connect::Transport;
use crate::http::request::{Auth, Body, Call};
use crate::http::response::Reply;
use crate::http::tls::Files;
use crate::model::api_error::{CallError, Kind, Service};

/// A page of a hundred tokens has some 50 kB.
const LARGEST_BODY: usize = 4 << 20;

/// How the services are reached, for the reader.
#[derive(Debug)]
pub struct Way {
    /// The proxy, and the variable that names it.
    pub proxy: Option<(String, &'static str)>,
    /// Which certificates are trusted; `None` where every one is.
    pub trusted: Option<String>,
}

/// Sends requests. Clones share connections.
#[derive(Clone)]
pub struct Http {
    transport: Transport,
    limits: Rc<Limits>,
    cancel: Cancel,
    has_launcher: Rc<dyn Fn() -> bool>,
    /// Removes secrets from quoted responses.
    hidden: Redactor,
    way: Rc<Way>,
    /// Hosts that sent `Retry-After`, and until when to wait.
    resting: Rc<RefCell<HashMap<String, Instant>>>,
}

impl Http {
    /// # Errors
    /// Only if the TLS configuration is invalid, which no input can cause.
    pub fn new(
        network: Network,
        files: Files,
        limits: Rc<Limits>,
        cancel: Cancel,
        has_launcher: Rc<dyn Fn() -> bool>,
        hidden: Redactor,
    ) -> anyhow::Result<Self> {
        let way = Rc::new(Way {
            proxy: network.proxy.as_ref().map(|proxy| (proxy.to_string(), proxy.variable)),
            trusted: (!network.skip_validation).then(|| files.trusted().to_owned()),
        });
        let transport = Transport::new(network, files, &limits)?;
        Ok(Self { transport, limits, cancel, has_launcher, hidden, way, resting: Rc::default() })
    }

    pub fn way(&self) -> &Way {
        &self.way
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The run's cancellation.
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
        Err(CallError::new(service, kind))
    }

    /// Sends a request, and repeats it while the error is transient and the time limit allows.
    pub async fn send_with_retry(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let sent: Result<_, Infallible> =
            self.retry_with(call.service, async || Ok(self.send_once(call, self.limits.reply).await)).await;
        let Ok(answer) = sent;
        answer
    }

    /// The same for a request that must be rebuilt for each attempt, such as one with a single-use assertion. The outer
    /// error is a failure to build the request.
    pub async fn retry_with<T, E>(
        &self,
        service: Service,
        send: impl AsyncFn() -> Result<Result<T, CallError>, E>,
    ) -> Result<Result<T, CallError>, E> {
        self.retry_within(self.limits.repeat_within, service, send).await
    }

    /// The same, with this limit instead of the default.
    pub async fn retry_within<T, E>(
        &self,
        limit: Duration,
        service: Service,
        send: impl AsyncFn() -> Result<Result<T, CallError>, E>,
    ) -> Result<Result<T, CallError>, E> {
        let started = Instant::now();
        let mut backoff = Backoff::new(&self.limits);
        let mut maybe_applied = false;
        loop {
            let mut error = match send().await? {
                Ok(done) => return Ok(Ok(done)),
                Err(error) => error,
            };
            maybe_applied |= error.maybe_applied;
            error.maybe_applied = maybe_applied;
            if !error.is_transient() {
                return Ok(Err(error));
            }
            let wanted = match error.kind {
                Kind::Busy { retry_after: Some(time), .. } => time,
                _ => Duration::ZERO,
            };
            let pause = backoff.pause().max(wanted);
            if started.elapsed() + pause > limit {
                return Ok(Err(error));
            }
            if let Err(cancelled) = self.pause(service, pause).await {
                return Ok(Err(cancelled));
            }
        }
    }

    /// Waits. Fails if the grace period of a cancelled run ends first.
    pub async fn pause(&self, service: Service, time: Duration) -> Result<(), CallError> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.cancel.out_of_time() => Err(CallError::new(service, Kind::Cancelled)),
        }
    }

    pub async fn send_once(&self, call: &Call<'_>, limit: Duration) -> Result<Reply, CallError> {
        self.let_rest(call.service, &call.url).await?;
        let failed = |kind| CallError::new(call.service, kind);
        if !(self.has_launcher)() {
            return Err(failed(Kind::Abandoned));
        }
        tokio::select! {
            answer = self.exchange(call) => answer,
            () = sleep(limit) => Err(failed(Kind::NoAnswer(format!("no response within {} s", limit.as_secs())))),
            () = self.cancel.out_of_time() => Err(failed(Kind::Cancelled)),
        }
    }

    /// Waits as long as an earlier `Retry-After` of the host asks for, but not longer than the retry limit, and not
    /// after the run was cancelled: the requests sent then clean up.
    pub async fn let_rest(&self, service: Service, url: &Url) -> Result<(), CallError> {
        let time = self.rest(url);
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            rested = self.pause(service, time.min(self.limits.repeat_within)) => rested,
            () = self.cancel.requested() => Ok(()),
        }
    }

    /// What is left of the host's `Retry-After`.
    pub fn rest(&self, url: &Url) -> Duration {
        let until = self.resting.borrow().get(url.authority()).copied();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let failed = |kind| CallError::new(call.service, kind);
        let mut request =
            self.transport.client.request(call.method.clone(), call.url.clone()).header(ACCEPT, "application/json");
        if matches!(call.service, Service::AzureDevOps | Service::Oidc) {
            // Without it, a refused credential is answered by a redirect (seen in code: the agent, Azure SDKs).
            request = request.header("X-TFS-FedAuthRedirect", "Suppress");
        }
        let (header, credential) = match call.auth {
            Auth::Nobody => (None, None),
            Auth::Bearer(token) => (Some(AUTHORIZATION), Some(format!("Bearer {}", token.reveal()))),
            Auth::Pat(pat) => (Some(AUTHORIZATION), Some(format!("Basic {}", pat.as_basic_password().reveal()))),
            Auth::Metadata => (Some(HeaderName::from_static("metadata")), Some("true".to_owned())),
            Auth::AppService(header) => {
                (Some(HeaderName::from_static("x-identity-header")), Some(header.reveal().to_owned()))
            }
        };
        if let (Some(header), Some(credential)) = (header, credential.map(Secret::new)) {
            let mut value = HeaderValue::from_str(credential.reveal()).map_err(|_| {
                failed(Kind::NotSent(
                    "the credential contains characters that are not allowed in an HTTP header".to_owned(),
                ))
            })?;
            value.set_sensitive(true);
            request = request.header(header, value);
        }
        let (content_type, body) = match &call.body {
            Body::Empty => (None, ""),
            Body::EmptyJson => (Some("application/json"), ""),
            Body::Json(json) => (Some("application/json"), json.reveal()),
            Body::Form(form) => (Some("application/x-www-form-urlencoded"), form.reveal()),
        };
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if !matches!(call.method, Method::GET | Method::HEAD) {
            // hyper leaves the header out where the body is empty, and HTTP.sys then answers 411.
            request = request.header(CONTENT_LENGTH, body.len()).body(body.to_owned());
        }
        let broken = |error: reqwest::Error| failed(self.transport.failure(&error, &call.url));
        let mut response = request.send().await.map_err(broken)?;
        let mut reply = Reply {
            service: call.service,
            hidden: self.hidden.clone(),
            status: response.status().as_u16(),
            date: response.headers().get("date").and_then(|v| Timestamp::parse_http(v.to_str().ok()?)),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
        };
        if let Some(time) = reply.retry_after() {
            // A shorter `Retry-After` does not replace a longer one.
            let until = Instant::now() + time;
            let mut resting = self.resting.borrow_mut();
            let known = resting.entry(call.url.authority().to_owned()).or_insert(until);
            *known = until.max(*known);
        }
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if reply.body.len() + piece.len() > LARGEST_BODY {
                let seen = format!("more than {} MiB", LARGEST_BODY >> 20);
                return Err(reply.error(Kind::Unreadable { status: reply.status, seen }));
            }
            reply.body.extend_from_slice(&piece);
        }
        match reply.status {
            408 | 429 | 500.. => reply.success(call.sensitive_response),
            _ if call.accept_any_status => Ok(reply),
            _ => reply.success(call.sensitive_response),
        }
    }
}
