//! A request to a service that did not succeed: what became of it, and whether the service may have acted on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// An organization that was stopped, most often as nobody used it: a 503 without `Retry-After` (recorded).
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

/// What somebody signed in with, where the same answer has another remedy.
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

/// A request that did not succeed.
#[derive(Debug)]
pub struct CallError {
    /// The service asked.
    pub service: Service,
    /// What became of the request.
    pub kind: Kind,
    /// Further codes of the same refusal, the more telling first: Entra gives several numbers and a word.
    pub more_codes: Arc<Vec<String>>,
    /// The service's id of the request, which its support asks for.
    pub activity: Option<Box<str>>,
    /// The server's time, where it answered.
    pub date: Option<Timestamp>,
    /// Whether the service may have carried it out: this try or an earlier one got no answer.
    pub maybe_applied: bool,
    /// What somebody tried to sign in with, where it was that.
    pub by: Option<By>,
}

/// What became of a request that did not succeed.
#[derive(Debug)]
pub enum Kind {
    /// No connection: the service never saw it.
    NotSent(String),
    /// No connection, and the next try will get none either: the service never saw it.
    Barred {
        /// What stands in the way.
        why: String,
        /// The one thing to do.
        remedy: &'static str,
    },
    /// Sent, and no whole answer came: the service may have acted on it.
    NoAnswer(String),
    /// The service cannot at the moment.
    Busy {
        /// The status.
        status: u16,
        /// The service's own short word for the reason.
        code: Box<str>,
        /// Its sentence.
        message: Box<str>,
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
    /// Nothing was sent, for this reason.
    NotBegun(String),
    /// Nothing was sent, or no longer waited for, as the run was cancelled.
    Cancelled,
    /// Nothing was sent, as the agent has ended the launcher.
    Abandoned,
}

impl CallError {
    /// What became of a request to this service.
    pub fn new(service: Service, kind: Kind) -> Self {
        // A service that is busy, or answers what it does not document, may have acted before it failed to say so.
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

    /// A refusal that says in its own way that the service cannot at the moment.
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
            // Nobody starts a stopped organization within a run.
            Kind::Busy { code, retry_after, .. } => **code != *STOPPED || retry_after.is_some(),
            kind => matches!(kind, Kind::NotSent(_) | Kind::NoAnswer(_)),
        }
    }

    /// Whether the service has certainly not carried the request out and never will, so that it may be sent again although
    /// a late copy of it would do harm. A 429 says that the request was not let in.
    pub fn is_certainly_undone(&self) -> bool {
        !self.maybe_applied || matches!(self.kind, Kind::Busy { status: 429, .. })
    }

    /// The status of a definite no.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match &self.kind {
            Kind::Refused { status, code, .. } => Some((*status, code)),
            _ => None,
        }
    }

    /// Every code of a refusal, the one that is shown first.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let first = match &self.kind {
            Kind::Refused { code, .. } => Some(code.as_str()),
            Kind::Busy { code, .. } => Some(&**code),
            _ => None,
        };
        first.into_iter().chain(self.more_codes.iter().map(String::as_str))
    }

    /// Whether the service does not take the caller's credential.
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
