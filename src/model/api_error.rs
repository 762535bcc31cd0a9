//! A failed request to a service: why it failed, and whether the service may have carried it out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// A stopped organization, most often because nobody used it: a 503 without `Retry-After` (recorded).
const STOPPED: &str = "TF24668";

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

/// The credential of a sign-in: the same error can need a different fix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The app's own credential.
    App,
    /// A refresh token.
    RefreshToken,
    /// A user's password.
    Password,
    /// An agent identity, for its agent user.
    AgentUser,
    /// A code that a person enters on another device.
    DeviceCode,
    /// A browser on a workstation.
    Browser,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "the app's own credential",
            Self::RefreshToken => "a refresh token",
            Self::Password => "`password`",
            Self::AgentUser => "`entraAgentId`",
            Self::DeviceCode => "`command: signIn`",
            Self::Browser => "`rotate-pat sign-in`",
        })
    }
}

/// A failed request.
#[derive(Clone, Debug)]
pub struct CallError {
    pub service: Service,
    pub kind: Kind,
    /// Further codes of the same refusal, the most specific first: Entra sends several numbers and a word.
    pub more_codes: Arc<Vec<String>>,
    /// The service's request id, for its support.
    pub activity: Option<Box<str>>,
    /// The time in the response.
    pub date: Option<Timestamp>,
    /// Whether the service may have carried out the request, because this or an earlier attempt got no response.
    pub maybe_applied: bool,
    /// The credential, if the request was a sign-in.
    pub by: Option<By>,
}

/// Why a request failed.
#[derive(Clone, Debug)]
pub enum Kind {
    /// No connection: the service did not receive the request.
    NotSent(String),
    /// No connection, and retrying does not help: the service did not receive the request.
    Barred { why: String, remedy: &'static str },
    /// The request was sent, but no complete response came: the service may have carried it out.
    NoAnswer(String),
    /// The service is temporarily unavailable or limits the rate.
    Busy {
        status: u16,
        /// The service's error code.
        code: Box<str>,
        /// The service's error message.
        message: Box<str>,
        retry_after: Option<Duration>,
    },
    /// A sign-in page, or a redirect to one.
    NotSignedIn { status: u16 },
    /// The service rejected the request.
    Refused {
        /// 200 if the body says that the request was rejected.
        status: u16,
        /// The service's error code.
        code: String,
        /// The service's error message.
        message: String,
    },
    /// The response is not one that the service documents.
    Unreadable { status: u16, seen: String },
    /// Nothing was sent, for this reason.
    NotBegun(String),
    /// The run was cancelled before the request was sent or answered.
    Cancelled,
    /// Nothing was sent, because the agent ended the launcher.
    Abandoned,
}

impl CallError {
    pub fn new(service: Service, kind: Kind) -> Self {
        // A service that is busy or sends an undocumented response may have carried out the request first.
        let is_definite = matches!(
            kind,
            Kind::NotSent(_)
                | Kind::Barred { .. }
                | Kind::NotBegun(_)
                | Kind::NotSignedIn { .. }
                | Kind::Refused { .. }
                | Kind::Abandoned
        );
        Self {
            service,
            kind,
            more_codes: Arc::default(),
            activity: None,
            date: None,
            maybe_applied: !is_definite,
            by: None,
        }
    }

    /// Whether the error code of a rejection says that the service is temporarily unavailable.
    #[must_use]
    pub fn as_busy(self) -> Self {
        let kind = match self.kind {
            Kind::Refused { status, code, message } => {
                Kind::Busy { status, code: code.into(), message: message.into(), retry_after: None }
            }
            kind => kind,
        };
        Self { kind, ..self }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            // A stopped organization does not start within a run.
            Kind::Busy { code, retry_after, .. } => **code != *STOPPED || retry_after.is_some(),
            kind => matches!(kind, Kind::NotSent(_) | Kind::NoAnswer(_)),
        }
    }

    /// Whether the service certainly did not carry out the request and never will. Then it is safe to send it again, even if
    /// a late duplicate would do harm. A 429 says that the request was not accepted.
    pub fn is_certainly_undone(&self) -> bool {
        !self.maybe_applied || matches!(self.kind, Kind::Busy { status: 429, .. })
    }

    /// The status, if the service rejected the request.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match &self.kind {
            Kind::Refused { status, code, .. } => Some((*status, code)),
            _ => None,
        }
    }

    /// Every code of a rejection; the first is the one that is shown.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let first = match &self.kind {
            Kind::Refused { code, .. } => Some(code.as_str()),
            Kind::Busy { code, .. } => Some(&**code),
            _ => None,
        };
        first.into_iter().chain(self.more_codes.iter().map(String::as_str))
    }

    /// Whether the service rejected the caller's credential.
    pub fn is_about_signing_in(&self) -> bool {
        matches!(self.kind, Kind::NotSignedIn { .. } | Kind::Refused { status: 401, .. })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service;
        match &self.kind {
            Kind::NotSent(why) | Kind::Barred { why, .. } => write!(f, "could not connect to {service}: {why}")?,
            Kind::NoAnswer(why) => write!(f, "{service} gave no whole answer: {why}")?,
            Kind::Busy { status, code, message, retry_after } => {
                write!(f, "{service} answered {status}")?;
                if !code.is_empty() {
                    write!(f, " {code}")?;
                }
                if let Some(time) = retry_after {
                    write!(f, " and asks to wait {} s", time.as_secs())?;
                }
                if !message.is_empty() {
                    write!(f, ": {message}")?;
                }
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
            Kind::NotBegun(why) => f.write_str(why)?,
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
