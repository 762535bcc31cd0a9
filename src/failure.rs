//! How a step and a stage fail, in words for the person who reads the log at 3 a.m.
//!
//! A step knows what failed, on which named thing, and the one thing to do: a [`StepError`]. What is true now, only the
//! stage that owns the state knows: it makes a [`Failure`] of the step's error, and cannot without that sentence.

use std::fmt;

use anyhow::Error;

use crate::advice::{self, Named, Row, Seen};
use crate::agent::logging_commands::{Console, StepResult};
use crate::model::api_error::{CallError, Kind, Service};

/// What is true where a run ends before its first change.
pub const UNCHANGED: &str = "Nothing was changed.";

/// A step that did not succeed: what failed, and the one thing to do.
#[derive(Debug)]
pub struct StepError {
    error: Error,
    advice: Option<String>,
    is_cancelled: bool,
}

impl StepError {
    pub fn new(error: impl Into<Error>) -> Self {
        let error = error.into();
        let is_cancelled = error
            .downcast_ref::<CallError>()
            .is_some_and(|error| matches!(error.kind, Kind::Cancelled | Kind::Abandoned));
        Self { error, advice: None, is_cancelled }
    }

    pub fn cancelled() -> Self {
        Self { error: anyhow::anyhow!("the run was cancelled"), advice: None, is_cancelled: true }
    }

    /// Sets the remedy, instead of the one from the table of refusals.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    #[must_use]
    pub fn advise_if(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => self.advise(advice),
            None => self,
        }
    }

    /// Appends to the remedy.
    #[must_use]
    pub fn advise_also(self, more: &str) -> Self {
        let advice = self.advice();
        self.advise(format!("{advice} {more}"))
    }

    /// Adds what is true now, which only the stage that owns the state knows.
    pub fn now(self, now: impl Into<String>) -> Failure {
        Failure { step: self, now: now.into() }
    }

    /// What to do: what was advised, or what the service's refusal calls for.
    pub fn advice(&self) -> String {
        if let Some(advice) = &self.advice {
            return advice.clone();
        }
        let call = self.error.downcast_ref::<CallError>();
        call.and_then(|call| advice_for(call, Named::default())).unwrap_or_else(|| "Run again.".to_owned())
    }

    /// The error and the remedy, for a longer message.
    pub fn into_parts(self) -> (Error, String) {
        let advice = self.advice();
        (self.error, advice)
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// A stage that did not succeed: the step's error, and what is true now.
#[derive(Debug)]
pub struct Failure {
    step: StepError,
    now: String,
}

impl Failure {
    /// Three lines: what failed, what is true now, and the one thing to do. Whoever cancelled a run needs no advice.
    pub fn in_full(&self) -> String {
        let Self { step, now } = self;
        if step.is_cancelled {
            format!("{step}\nNow: {now}")
        } else {
            format!("{step}\nNow: {now}\nDo: {}", step.advice())
        }
    }

    /// What failed.
    pub fn what(&self) -> String {
        self.step.to_string()
    }

    /// What is true now.
    pub fn now(&self) -> &str {
        &self.now
    }

    /// What to do; nothing for a run that somebody cancelled.
    pub fn advice(&self) -> Option<String> {
        (!self.step.is_cancelled).then(|| self.step.advice())
    }

    pub fn is_cancelled(&self) -> bool {
        self.step.is_cancelled
    }

    /// Logs the failure as an issue and sets the result of the step.
    pub fn tell(&self, console: &Console) -> std::io::Result<()> {
        if self.step.is_cancelled {
            console.warn(&self.in_full());
            console.say("Result: canceled");
            return console.complete(StepResult::Canceled, &self.step.to_string());
        }
        console.error(&self.in_full());
        console.say(&format!("Result: failed: {}", self.step));
        console.complete(StepResult::Failed, &self.step.to_string())
    }
}

/// An error of a request, said of a named thing. A refusal that is a word without a sentence gets the table's.
pub fn on(mut error: CallError, what: &str) -> Error {
    let row = row_for(&error, service_of(&error));
    let means = row.filter(|row| error.codes().any(|code| row.names(code))).map(Row::means);
    let means =
        means.or_else(|| row.map(Row::means).filter(|_| error.refusal().is_some_and(|(status, _)| status == 200)));
    if let (Kind::Refused { message, .. }, Some(means)) = (&mut error.kind, means)
        && message.is_empty()
    {
        means.clone_into(message);
    }
    Error::new(error).context(what.to_owned())
}

/// The table's row for an error; `None` if no request was made.
pub fn row_for(error: &CallError, service: advice::Service) -> Option<&'static Row> {
    let seen = match &error.kind {
        Kind::Refused { status, message, .. } => return row_of_codes(error, service, *status, message),
        Kind::Busy { status, message, .. } => return row_of_codes(error, service, *status, message),
        Kind::NotSignedIn { .. } => Seen::SignInPage,
        Kind::NotSent(_) => Seen::NoConnection,
        Kind::NoAnswer(_) => Seen::NoAnswer,
        Kind::Unreadable { .. } => Seen::Unclear,
        Kind::Barred { .. } | Kind::NotBegun(_) | Kind::Cancelled | Kind::Abandoned => return None,
    };
    advice::of(service, error.by, seen)
}

/// The row of the first code that the table knows. A status that says enough needs no word beside the first.
fn row_of_codes(error: &CallError, service: advice::Service, status: u16, message: &str) -> Option<&'static Row> {
    let seen = |code| Seen::Refused { status, code, message };
    let named = |code| advice::of(service, error.by, seen(code)).filter(|row| row.names(code));
    let known = if matches!(status, 408 | 429 | 500..) { 1 } else { usize::MAX };
    let first = error.codes().next().unwrap_or_default();
    error.codes().take(known).find_map(named).or_else(|| advice::of(service, error.by, seen(first)))
}

/// The remedy for what a service answered, with the names that are known, or for what stands before it.
pub fn advice_for(error: &CallError, named: Named<'_>) -> Option<String> {
    if let Kind::Barred { remedy, .. } = error.kind {
        return Some(remedy.to_owned());
    }
    row_for(error, service_of(error)).map(|row| row.remedy(named))
}

fn service_of(error: &CallError) -> advice::Service {
    match error.service {
        Service::AzureDevOps => advice::Service::AzureDevOps,
        Service::Entra => advice::Service::Entra,
        Service::KeyVault => advice::Service::KeyVault,
        Service::Oidc => advice::Service::Oidc,
        Service::ManagedIdentity => advice::Service::ManagedIdentity,
    }
}
