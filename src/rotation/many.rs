//! Rotates all tokens of a manifest: one sign-in, all plans before the first change, then side by side. Each has the whole
//! protocol for itself; one that fails stops no other.

use std::cell::Cell;

use anyhow::anyhow;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Mutex;

use crate::context::{Context, RotationContext};
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, UNCHANGED};
use crate::model::timestamp::pluralize;
use crate::plan::{Decision, Plan};
use crate::rotation::main_stage::{self, Prepared};
use crate::rotation::many_results::{Ended, show};
use crate::rotation::outcome::Outcome;
use crate::rotation::survey::{self, AsUser};
use crate::settings::{Entry, ManySettings};
use crate::sign_in::{self, UserToken, is_nearly_over};

/// A service lets a user do so many things at once without a delay.
const AT_ONCE: usize = 8;

/// Runs the main stage for every entry.
///
/// # Errors
/// That nobody could sign in, or which entries failed.
pub async fn run(context: &Context, settings: ManySettings) -> Result<Outcome, Failure> {
    let ManySettings { entries, run, .. } = settings;
    let is_dry = entries.iter().any(|entry| entry.rotation.dry_run);
    let began = context.clock.uncorrected();
    let cancel = context.http.cancel();
    let cancelled = || StepError::cancelled().now(UNCHANGED);
    let user = tokio::select! {
        user = sign_in::sign_in(context) => user.map_err(|error| {
            context.console.say("note: one fault may hide others; `command: check` shows all of them in one run");
            error.now(UNCHANGED)
        })?,
        () = cancel.requested() => return Err(cancelled()),
    };
    let users = Users { context, current: Mutex::new(user) };
    let works: Vec<Work> = entries.into_iter().map(|entry| Work::new(context, entry)).collect();
    let planned = tokio::select! {
        planned = plans(&works, &users) => planned,
        () = cancel.requested() => return Err(cancelled()),
    };
    for (work, planned) in works.iter().zip(&planned) {
        if let Ok((_, prepared)) = planned
            && changes_something(&prepared.plan)
        {
            work.rotation.context.console.group("Plan", &prepared.plan.to_string());
        }
    }
    let (total, ended) = (works.len(), Cell::new(0));
    let mut carried_out = works.iter().zip(planned).map(async |(work, planned)| {
        let outcome = work.carry_out(planned, &users).await;
        ended.set(ended.get() + 1);
        let percent = u8::try_from(ended.get() * 100 / total).unwrap_or(100);
        context.console.set_progress(percent, &format!("{} of {total}", ended.get()));
        outcome
    });
    // In waves: those of one wave come to their lists at about the same time, and share them.
    let mut outcomes = Vec::new();
    while outcomes.len() < total {
        outcomes.extend(join_all(carried_out.by_ref().take(AT_ONCE)).await);
    }
    let ended: Vec<Ended<'_>> = works
        .iter()
        .zip(&outcomes)
        .map(|(work, outcome)| Ended { shown: &work.shown, work: &work.rotation, outcome })
        .collect();
    let result = sum_up(context, &ended, is_dry);
    show(context, &run, began, &ended, &result);
    result
}

/// An entry at work.
struct Work {
    shown: String,
    rotation: RotationContext,
}

impl Work {
    fn new(context: &Context, entry: Entry) -> Self {
        let Entry { shown, organization, rotation } = entry;
        let rotation = RotationContext::new(context.beside(&organization, &shown), rotation);
        Self { shown, rotation: RotationContext { is_one_of_many: true, ..rotation } }
    }

    /// Does what the plan says, and tells how it ended.
    async fn carry_out<'a>(&'a self, planned: Planned<'a>, users: &Users<'_>) -> Result<Outcome, Failure> {
        let work = &self.rotation;
        let console = &work.context.console;
        if work.context.http.cancel().is_requested() {
            return Err(StepError::cancelled().now(UNCHANGED));
        }
        let outcome = match planned {
            Err(error) => Err(error.now(UNCHANGED)),
            Ok((destinations, prepared)) => match users.fresh().await {
                Err(error) => Err(error.now(UNCHANGED)),
                Ok(user) => {
                    let outputs = main_stage::carry_out(work, &destinations, &user, prepared).await;
                    outputs.map(|outputs| outputs.outcome)
                }
            },
        };
        match &outcome {
            Ok(outcome) => console.say(&outcome.to_string()),
            Err(failure) if failure.is_cancelled() => console.warn(&failure.in_full()),
            Err(failure) => console.error(&failure.in_full()),
        }
        outcome
    }
}

/// The user's token, which a long run has to get anew.
struct Users<'a> {
    context: &'a Context,
    current: Mutex<UserToken>,
}

impl Users<'_> {
    async fn fresh(&self) -> Result<UserToken, StepError> {
        let mut current = self.current.lock().await;
        let clock = &self.context.clock;
        if is_nearly_over(current.expires(clock), clock.now()) {
            self.context.console.say("the user's token has come to its end; signing in again");
            self.context.shared.tokens.borrow_mut().clear();
            *current = sign_in::sign_in(self.context).await?;
        }
        Ok(current.clone())
    }
}

type Planned<'a> = Result<(Destinations<'a>, Prepared), StepError>;

/// Looks at each organization once, at every place, and plans. Changes nothing.
async fn plans<'a>(works: &'a [Work], users: &Users<'_>) -> Vec<Planned<'a>> {
    let user = users.fresh().await;
    let mut organizations = Vec::<&Context>::new();
    for work in works {
        let context = &work.rotation.context;
        if !organizations.iter().any(|known| known.access.organization == context.access.organization) {
            organizations.push(context);
        }
    }
    let asked = organizations.iter().map(async |context| match &user {
        Ok(user) => {
            let seen = survey::ask(context, user).await?;
            survey::tell(&users.context.console, context, &seen, None);
            Ok(seen)
        }
        Err(error) => Err(StepError::new(anyhow!("{error}")).advise(error.advice())),
    });
    let seen: Vec<Result<AsUser, StepError>> = join_all(asked).await;
    let planned = works.iter().map(async |work| {
        let rotation = &work.rotation;
        let organization = &rotation.context.access.organization;
        let seen = organizations.iter().zip(&seen).find(|(known, _)| known.access.organization == *organization);
        let seen = match seen {
            Some((_, Ok(seen))) => seen,
            Some((_, Err(error))) => return Err(StepError::new(anyhow!("{error}")).advise(error.advice())),
            None => return Err(StepError::new(anyhow!("{organization} was not asked"))),
        };
        let destinations = Destinations::new(rotation);
        let records = destinations.records().await?;
        let prepared = main_stage::decide(rotation, seen, &records).await?;
        Ok((destinations, prepared))
    });
    stream::iter(planned).buffered(AT_ONCE).collect().await
}

fn changes_something(plan: &Plan) -> bool {
    match &plan.decision {
        Decision::Rotate(_) => true,
        Decision::UpToDate(rest) => !rest.clean.is_empty() || !plan.canaries.is_empty(),
        Decision::Refuse(_) => false,
    }
}

/// The outputs and the result of the whole step.
fn sum_up(context: &Context, ended: &[Ended<'_>], is_dry: bool) -> Result<Outcome, Failure> {
    let rotated = ended.iter().filter(|one| matches!(one.outcome, Ok(Outcome::Rotated { .. }))).count();
    let failed: Vec<&str> = ended
        .iter()
        .filter(|one| one.outcome.as_ref().is_err_and(|f| !f.is_cancelled()))
        .map(|one| one.shown)
        .collect();
    let set = context.console.set_output("rotatedCount", &rotated.to_string());
    let set = set.and_then(|()| context.console.set_output("failedCount", &failed.len().to_string()));
    let total = ended.len();
    let now =
        format!("{rotated} of {} rotated; the table says what is true of each.", pluralize(total as i64, "token"));
    set.map_err(|error| StepError::new(error).now(&now))?;
    if !failed.is_empty() {
        let error = anyhow!("{} of {} failed: {}", failed.len(), pluralize(total as i64, "token"), failed.join(", "));
        return Err(StepError::new(error).advise("Do what the error of each says, then run again.").now(now));
    }
    if ended.iter().any(|one| one.outcome.is_err()) {
        return Err(StepError::cancelled().now(now));
    }
    Ok(Outcome::Many { rotated, total, is_dry })
}
