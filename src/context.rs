//! What every command needs: the settings, the HTTP client, the log and the clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use tokio::sync::{Mutex, OnceCell};

use crate::agent::cancellation::Cancel;
use crate::agent::environment::Environment;
use crate::agent::logging_commands::Console;
use crate::azure::pats::{Passes, Pats};
use crate::http::Http;
use crate::model::api_error::{CallError, Service};
use crate::model::effect::{Act, Effect};
use crate::model::organization::Organization;
use crate::model::pat::Pat;
use crate::model::run_id::RunId;
use crate::model::secret::Secret;
use crate::model::timestamp::{Timestamp, pluralize};
use crate::runtime::clock::Clock;
use crate::runtime::limits::Limits;
use crate::settings::{Access, RotateSettings};

/// The process's surroundings: collected by `main`, or replaced by a test.
pub struct Runtime {
    pub environment: Environment,
    pub clock: Clock,
    pub out: Box<dyn io::Write>,
    /// The cancellation of the run.
    pub cancel: Cancel,
    /// Whether the process that started this one is still there.
    pub has_launcher: Rc<dyn Fn() -> bool>,
    /// How long to wait for what.
    pub limits: Limits,
}

/// A command at work.
pub struct Context {
    pub access: Access,
    pub http: Http,
    pub console: Console,
    pub clock: Clock,
    pub shared: Rc<Shared>,
}

/// What rotations side by side have in common.
#[derive(Default)]
pub struct Shared {
    /// Tokens of service connections, by app and scope, each asked for once.
    pub tokens: RefCell<BTreeMap<String, Rc<OnceCell<Secret>>>>,
    /// Whether the warning about the retiring issuer was printed: several tokens are asked for in a run.
    pub warned_of_issuer: Cell<bool>,
    /// The difference between the clocks that the log has told, in seconds.
    told_skew: Cell<i64>,
    /// The lists of each organization's tokens.
    passes: RefCell<BTreeMap<String, Rc<Passes>>>,
    /// Held by whoever writes a variable group: a write replaces the whole group.
    pub writing_group: Mutex<()>,
}

impl Context {
    /// The organization's personal access tokens, as this user.
    pub fn pats<'a>(&'a self, user: &'a Secret) -> Pats<'a> {
        let organization = &self.access.organization;
        let passes = Rc::clone(self.shared.passes.borrow_mut().entry(organization.to_string()).or_default());
        Pats { http: &self.http, organization, user, name: None, passes }
    }

    /// The same for another organization, whose lines in the log begin with what they are about.
    pub fn beside(&self, organization: &Organization, about: &str) -> Self {
        Self {
            access: Access { organization: organization.clone(), ..self.access.clone() },
            http: self.http.clone(),
            console: self.console.about(about),
            clock: self.clock.clone(),
            shared: Rc::clone(&self.shared),
        }
    }

    /// Fails if nothing may be changed any more: the run was cancelled, the launcher has ended or the log cannot be
    /// written.
    pub fn check_wanted(&self) -> anyhow::Result<()> {
        self.http.check_wanted(Service::AzureDevOps)?;
        self.console.check().map_err(|error| anyhow::Error::new(error).context("could not write the log"))
    }

    /// Corrects the clock by the server's time.
    pub fn take_date(&self, date: Option<Timestamp>) {
        let Some(date) = date else { return };
        self.clock.correct(date);
        let told = self.shared.told_skew.replace(self.clock.skew());
        if self.clock.skew().abs() > 60 && self.clock.skew().abs_diff(told) > 60 {
            let (seconds, side) = (self.clock.skew().abs(), if self.clock.skew() > 0 { "behind" } else { "ahead" });
            let by = match seconds {
                ..7200 => pluralize(seconds / 60, "minute"),
                7200..172_800 => pluralize(seconds / 3600, "hour"),
                _ => pluralize(seconds / 86400, "day"),
            };
            self.console.say(&format!("note: the agent's clock is {by} {side}; the server's time is used"));
        }
    }
}

/// A rotation at work, in any of its stages.
pub struct RotationContext {
    pub context: Context,
    pub settings: RotateSettings,
    pub progress: RefCell<Progress>,
    /// When this stage began, by the agent's clock.
    pub began: Timestamp,
    /// Whether the step rotates others too: then the outputs are the whole step's, and the job gets no value.
    pub is_one_of_many: bool,
}

/// What a run's page and its result file show of a rotation, as it becomes known.
#[derive(Default)]
pub struct Progress {
    /// The new token.
    pub new: Option<Pat>,
    /// What it replaces, or what is in force where none is due.
    pub old: Option<Pat>,
    /// Who has the new value.
    pub places: Vec<String>,
    /// Until when the old one keeps working.
    pub overlap_ends: Option<Timestamp>,
    /// A run that this one waits for, or that has taken over.
    pub other_run: Option<RunId>,
    /// What was changed, in this order.
    pub effects: Vec<Effect>,
}

impl RotationContext {
    pub fn new(context: Context, settings: RotateSettings) -> Self {
        let began = context.clock.uncorrected();
        Self { context, settings, progress: RefCell::default(), began, is_one_of_many: false }
    }

    /// The organization's personal access tokens, as this user; a list shows those of the rotated name for certain.
    pub fn pats<'a>(&'a self, user: &'a Secret) -> Pats<'a> {
        Pats { name: Some(&self.settings.request.name), ..self.context.pats(user) }
    }

    /// Notes what a request has changed, or may have changed where it got no answer.
    pub fn noted<T>(&self, act: Act, pat: &Pat, answer: Result<T, CallError>) -> Result<T, CallError> {
        let is_certain = answer.is_ok();
        if is_certain || answer.as_ref().is_err_and(|error| !error.is_certainly_undone()) {
            self.note(Effect { is_certain, ..Effect::on(pat, act, self.context.clock.now()) });
        }
        answer
    }

    pub fn note(&self, effect: Effect) {
        self.progress.borrow_mut().effects.push(effect);
    }
}
