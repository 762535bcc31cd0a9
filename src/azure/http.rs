//! Sends one request and says what became of it. Everything that is true of every service is here: limits, what may
//! be repeated, what an answer that is none means, and that nothing is sent once nobody wants it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::cancel::Cancel;
use crate::patience::{Backoff, Patience};
use crate::secret::{Hidden, Secret};
use crate::settings::network::Network;
use crate::timestamp::Timestamp;

pub use reqwest::Method;

pub use super::answer::{CallError, Kind, Reply};
use super::tls::Files;
use super::transport::Transport;

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
    /// The machine's own endpoint for tokens of its managed identity.
    ManagedIdentity,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AzureDevOps => "Azure DevOps",
            Self::Entra => "Microsoft Entra",
            Self::KeyVault => "Azure Key Vault",
            Self::Oidc => "the pipeline's OIDC endpoint",
            Self::ManagedIdentity => "the machine's managed identity endpoint",
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
    /// A program on this virtual machine.
    Metadata,
    /// A program in this App Service, which alone knows this value.
    AppService(&'a Secret),
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

/// Sends requests. Clones share connections.
#[derive(Clone)]
pub struct Http {
    transport: Transport,
    patience: Rc<Patience>,
    cancel: Cancel,
    has_launcher: Rc<dyn Fn() -> bool>,
    /// What no answer may be quoted with.
    hidden: Hidden,
    /// Hosts that asked for a rest, and until when.
    resting: Rc<RefCell<HashMap<String, Instant>>>,
}

impl Http {
    /// A client that goes this way, with the limits of `patience`.
    ///
    /// # Errors
    /// When the TLS configuration is refused, which no input can cause.
    pub fn new(
        network: Network,
        files: Files,
        patience: Rc<Patience>,
        cancel: Cancel,
        has_launcher: Rc<dyn Fn() -> bool>,
        hidden: Hidden,
    ) -> anyhow::Result<Self> {
        let transport = Transport::new(network, files, &patience)?;
        Ok(Self { transport, patience, cancel, has_launcher, hidden, resting: Rc::default() })
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
        Err(CallError::new(service, kind))
    }

    /// Sends a request that may be repeated, until an answer or the limit.
    ///
    /// # Errors
    /// What became of the last try.
    pub async fn repeat(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let sent: Result<_, Infallible> =
            self.repeat_anew(call.service, async || Ok(self.once(call, self.patience.reply).await)).await;
        let Ok(answer) = sent;
        answer
    }

    /// The same for what must be made anew for each try, such as an assertion that is good for one use. What fails in
    /// the making is the outer error.
    ///
    /// # Errors
    /// What became of the last try, or why there was none.
    pub async fn repeat_anew<T, E>(
        &self,
        service: Service,
        send: impl AsyncFn() -> Result<Result<T, CallError>, E>,
    ) -> Result<Result<T, CallError>, E> {
        let started = Instant::now();
        let mut backoff = Backoff::new(&self.patience);
        let mut may_be_done = false;
        loop {
            let mut error = match send().await? {
                Ok(done) => return Ok(Ok(done)),
                Err(error) => error,
            };
            may_be_done |= error.may_be_done;
            error.may_be_done = may_be_done;
            if !error.is_passing() {
                return Ok(Err(error));
            }
            let wanted = match error.kind {
                Kind::Busy { retry_after: Some(time), .. } => time,
                _ => Duration::ZERO,
            };
            let pause = backoff.pause().max(wanted);
            if started.elapsed() + pause > self.patience.repeat_within {
                return Ok(Err(error));
            }
            if let Err(cancelled) = self.pause(service, pause).await {
                return Ok(Err(cancelled));
            }
        }
    }

    /// Waits, unless the time to stop in runs out.
    ///
    /// # Errors
    /// When it does.
    pub async fn pause(&self, service: Service, time: Duration) -> Result<(), CallError> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.cancel.out_of_time() => Err(CallError::new(service, Kind::Cancelled)),
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// What became of it.
    pub async fn once(&self, call: &Call<'_>, limit: Duration) -> Result<Reply, CallError> {
        self.let_rest(call.service, &call.url).await?;
        let failed = |kind| CallError::new(call.service, kind);
        if !(self.has_launcher)() {
            return Err(failed(Kind::Abandoned));
        }
        tokio::select! {
            answer = self.exchange(call) => answer,
            () = sleep(limit) => Err(failed(Kind::NoAnswer(format!("none within {} s", limit.as_secs())))),
            () = self.cancel.out_of_time() => Err(failed(Kind::Cancelled)),
        }
    }

    /// Waits where an earlier answer of the host asked for it, but not for longer than a repetition would, and not once
    /// the run is cancelled: what is sent then cleans up.
    ///
    /// # Errors
    /// When the time to stop in runs out.
    pub async fn let_rest(&self, service: Service, url: &Url) -> Result<(), CallError> {
        let time = self.rest(url);
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            rested = self.pause(service, time.min(self.patience.repeat_within)) => rested,
            () = self.cancel.requested() => Ok(()),
        }
    }

    /// How long this host has asked not to be asked.
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
            let mut value = HeaderValue::from_str(credential.reveal())
                .map_err(|_| failed(Kind::NotSent("the credential holds characters that no header can".to_owned())))?;
            value.set_sensitive(true);
            request = request.header(header, value);
        }
        request = match &call.body {
            Body::Empty => request,
            Body::ExplicitlyEmpty => request.header(CONTENT_TYPE, "application/json").body(""),
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.reveal().to_owned()),
            Body::Form(form) => {
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.reveal().to_owned())
            }
        };
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
            // A shorter rest does not end a longer one.
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
            408 | 429 | 500.. => reply.success(call.secret_reply),
            _ if call.any_answer => Ok(reply),
            _ => reply.success(call.secret_reply),
        }
    }
}
