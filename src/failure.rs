//! How a stage ends, in words for the person who reads the log at 3 a.m.: what failed and on which named thing, what
//! is true now, and the one thing to do.

use std::fmt;

use anyhow::Error;

use crate::advice::{self, Named, Row, Seen};
use crate::agent::logging_commands::{Console, StepResult};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::timestamp::Timestamp;

/// What the main stage tells the job, besides the new value.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Whether there is a new one.
    pub rotated: bool,
    /// The new one, or else the committed one.
    pub current: Option<Current>,
}

/// The personal access token that is in force.
#[derive(Debug)]
pub struct Current {
    /// Its id.
    pub id: String,
    /// When it expires.
    pub valid_to: Timestamp,
    /// In how many days that is.
    pub days_left: i64,
}

impl Outputs {
    /// Sets the output variables.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn set(&self, console: &Console) -> std::io::Result<()> {
        console.set_output("rotated", if self.rotated { "true" } else { "false" })?;
        if let Some(current) = &self.current {
            console.set_output("authorizationId", &current.id)?;
            console.set_output("validTo", &current.valid_to.to_string())?;
            console.set_output("daysLeft", &current.days_left.to_string())?;
        }
        Ok(())
    }
}

/// A stage that did not succeed.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    now: String,
    advice: Option<String>,
    is_cancelled: bool,
}

impl Failure {
    /// What failed, and what is true now.
    pub fn new(error: impl Into<Error>, now: &str) -> Self {
        let error = error.into();
        let is_cancelled = error
            .downcast_ref::<CallError>()
            .is_some_and(|error| matches!(error.kind, Kind::Cancelled | Kind::Abandoned));
        Self { error, now: now.to_owned(), advice: None, is_cancelled }
    }

    /// The run was told to stop.
    pub fn cancelled(now: &str) -> Self {
        let error = anyhow::anyhow!("the run was cancelled");
        Self { error, now: now.to_owned(), advice: None, is_cancelled: true }
    }

    /// With the one thing to do, where the error itself does not tell.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With the one thing to do, where somebody knows it.
    #[must_use]
    pub fn advise_if(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => self.advise(advice),
            None => self,
        }
    }

    /// With more to say behind what there is to do.
    #[must_use]
    pub fn advise_also(self, more: &str) -> Self {
        let advice = self.advice();
        self.advise(format!("{advice} {more}"))
    }

    /// With what is true now, where that is only known after cleaning up.
    #[must_use]
    pub fn now(mut self, now: &str) -> Self {
        now.clone_into(&mut self.now);
        self
    }

    /// What to do: what was advised, or what the service's refusal calls for.
    fn advice(&self) -> String {
        if let Some(advice) = &self.advice {
            return advice.clone();
        }
        let call = self.error.downcast_ref::<CallError>();
        call.and_then(|call| advice_for(call, Named::default())).unwrap_or_else(|| "Run again.".to_owned())
    }

    /// What failed and what to do, to be told as part of something larger.
    pub fn into_parts(self) -> (Error, String) {
        let advice = self.advice();
        (self.error, advice)
    }

    /// All of it, for a person who reads no log.
    pub fn in_full(&self) -> String {
        if self.is_cancelled {
            return format!("{self}. {}", self.now);
        }
        format!("{self}. {} {}", self.now, self.advice())
    }

    /// Tells it, as an issue and as the result of the step.
    ///
    /// # Errors
    /// When standard output is closed: the agent was not told.
    pub fn tell(&self, console: &Console) -> std::io::Result<()> {
        if self.is_cancelled {
            console.warn(&self.in_full());
            return console.complete(StepResult::Canceled, &self.to_string());
        }
        console.error(&self.in_full());
        console.complete(StepResult::Failed, &self.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// What the table says about an answer; nothing where there was none to ask for.
pub fn row_for(error: &CallError, service: advice::Service) -> Option<&'static Row> {
    let seen = match &error.kind {
        Kind::Refused { status, code, message } => Seen::Refused { status: *status, code, message },
        Kind::Busy { status, code, .. } => Seen::Refused { status: *status, code, message: "" },
        Kind::NotSignedIn { .. } => Seen::SignInPage,
        Kind::NotSent(_) => Seen::NoConnection,
        Kind::NoAnswer(_) => Seen::NoAnswer,
        Kind::Unreadable { .. } => Seen::Unclear,
        Kind::Barred { .. } | Kind::NotBegun(_) | Kind::Cancelled | Kind::Abandoned => return None,
    };
    advice::of(service, error.by, seen)
}

/// The remedy for what a service answered, with the names that are known, or for what stands before it.
pub fn advice_for(error: &CallError, named: Named<'_>) -> Option<String> {
    if let Kind::Barred { remedy, .. } = error.kind {
        return Some(remedy.to_owned());
    }
    let service = match error.service {
        Service::AzureDevOps => advice::Service::AzureDevOps,
        Service::Entra => advice::Service::Entra,
        Service::KeyVault => advice::Service::KeyVault,
        Service::Oidc => advice::Service::Oidc,
        Service::ManagedIdentity => advice::Service::ManagedIdentity,
    };
    row_for(error, service).map(|row| row.remedy(named))
}
