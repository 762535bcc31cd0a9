//! The settle stage, after the job's other steps: settles where the job has succeeded, and holds the new token where not.

use anyhow::anyhow;

use crate::agent::handoff::{Handoff, State};
use crate::agent::job_status::{JobEnd, JobStatus};
use crate::azure::pats::Pats;
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, on};
use crate::model::api_error::CallError;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::rotation::abandon::{mark_held, not_held};
use crate::rotation::outcome::Outcome;
use crate::rotation::settle::{carry_out, still_pending, wanted};
use crate::settings::{Retirement, Source};
use crate::sign_in;

/// Runs the settle stage.
///
/// # Errors
/// What failed, with what is true now.
pub async fn run(work: &RotationContext, handed: Handoff, job: &JobEnd) -> Result<Outcome, Failure> {
    let Handoff { state, new_pat, user_token } = handed;
    work.context.clock.set_skew(state.skew);
    let is_over = sign_in::is_nearly_over(state.token_expires, work.context.clock.now());
    let user_token = if is_over { sign_in_again(work, &state).await? } else { user_token };
    let pats = work.pats(&user_token);
    work.progress.borrow_mut().new = Some(state.own.clone());
    match objection(work, job, &new_pat) {
        None if work.settings.retirement == Retirement::Later => {
            Ok(Outcome::AwaitsSettling { name: state.name, id: state.own.id.to_string() })
        }
        None => {
            carry_out(work, &Destinations::new(work), &pats, &state, Some(&new_pat)).await?;
            Ok(Outcome::Committed { name: state.name.clone(), id: state.own.id.to_string() })
        }
        Some(objection) => {
            hold(work, &pats, &state, &objection).await?;
            Ok(Outcome::Held(objection))
        }
    }
}

/// The main stage's token has ended or is about to: the job was a long one.
async fn sign_in_again(work: &RotationContext, state: &State) -> Result<Secret, Failure> {
    let now = still_pending(state);
    if matches!(work.context.access.source, Source::AccessToken(_)) {
        let error = anyhow!("the `accessToken` ended before the job did, and nothing can make another");
        return Err(StepError::new(error).advise(
            "Use `refreshTokenSecret`, or shorten the job, or publish with `publishTo` and `retireOldPat: immediately`; \
             then run again.",
        ).now(&now));
    }
    work.context.console.say("the main step's token has come to its end; signing in again");
    sign_in::sign_in(&work.context).await.map(|user| user.token).map_err(|failure| failure.now(&now))
}

/// Why the old ones must not be retired, if there is a reason.
fn objection(work: &RotationContext, job: &JobEnd, new_pat: &Secret) -> Option<String> {
    if let Some(name) = &work.settings.variable
        && job.variable.as_ref() != Some(new_pat)
    {
        let name = quoted(name);
        return Some(format!(
            "the job's secret variable {name} does not hold the new token: was it blocked or overwritten?"
        ));
    }
    match (job.confirmed, &job.status, &work.settings.confirm_variable) {
        (Some(true), ..) => None,
        (Some(false), _, Some(name)) => Some(format!("the job did not set {} to true", quoted(name))),
        (None, JobStatus::Succeeded, _) => None,
        (_, JobStatus::Other(status), _) => Some(format!("the job ended as {status}")),
        (Some(false), JobStatus::Succeeded, None) => Some("the job did not confirm".to_owned()),
    }
}

/// Both tokens live on; the next run rotates and then retires both. Looks first: a late stage must not put its mark on
/// what another run has replaced.
async fn hold(work: &RotationContext, pats: &Pats<'_>, state: &State, objection: &str) -> Result<(), Failure> {
    let stays = still_pending(state);
    let failed = |error: CallError| {
        let what = format!("could not mark the new token as held, although {objection}");
        StepError::new(on(error, &what)).advise("Run again: the next run takes it for a dead run's.")
    };
    wanted(work, &stays)?;
    let listing = pats.list().await.map_err(|error| failed(error).now(&stays))?;
    let found = listing.pats.into_iter().find(|pat| pat.id == state.own.id);
    let own = match found {
        Some(own) if own.display_name == state.own.display_name => own,
        other => {
            let now = other.map_or("gone".to_owned(), |own| format!("now {}", quoted(&own.display_name)));
            work.context.console.warn(&format!(
                "{objection}. The new token {} is {now}, so there is nothing left to settle.",
                state.own.id
            ));
            return Ok(());
        }
    };
    wanted(work, &stays)?;
    let held = mark_held(work, pats, &state.run, &own).await.map_err(|error| {
        let now = format!("Nothing was retired. {}.", not_held(&error, &state.own));
        failed(error).now(&now)
    })?;
    work.context.console.warn(&format!(
        "{objection}, so nothing was retired: the old token and the new one, now {}, both work. The next run rotates and \
         then retires both.",
        quoted(&held)
    ));
    Ok(())
}
