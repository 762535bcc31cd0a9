//! Puts the new value where it is used, the job's variable last, and keeps the books on who may hold it: from the
//! first hand on, nothing is revoked any more.

use anyhow::anyhow;

use crate::agent::handoff::State;
use crate::azure::pats::Pats;
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError};
use crate::model::effect::{Act, Effect};
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::model::timestamp::pluralize;
use crate::rotation::abandon::{mark_held, not_held, undo};
use crate::rotation::create::NewPat;
use crate::rotation::outcome::Outputs;
use crate::rotation::verify::unwritten;
use crate::settings::Retirement;

/// Who may hold the new value.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// These do.
    certain: Vec<String>,
    /// A write to these got no answer.
    possible: Vec<String>,
}

/// Writes to every destination. The first that fails, in the order of the settings, is the one that the error names.
pub(super) async fn to_destinations(
    work: &RotationContext,
    destinations: &Destinations<'_>,
    pats: &Pats<'_>,
    new: &NewPat,
) -> Result<Delivered, Failure> {
    let mut delivered = Delivered::default();
    if work.settings.publish_to.is_empty() {
        return Ok(delivered);
    }
    if let Err(error) = may_publish(work, new) {
        return Err(stop(work, pats, new, delivered, StepError::new(error)).await);
    }
    let written = destinations.publish(&new.created.pat, &new.created.secret, &|| may_publish(work, new)).await;
    let mut failure = None;
    for (destination, written) in work.settings.publish_to.iter().zip(written) {
        match written {
            Ok(()) => {
                work.context.console.say(&format!("published to {destination}"));
                delivered.certain.push(destination.to_string());
                note(work, new, &destination.to_string(), true);
            }
            Err(failed) => {
                if failed.may_hold_it {
                    delivered.possible.push(destination.to_string());
                    note(work, new, &destination.to_string(), false);
                }
                let error = failed.error.context(format!("could not publish to {destination}"));
                work.context.console.say(&format!("{error:#}"));
                failure = failure.or(Some(StepError::new(error).advise_if(failed.advice)));
            }
        }
    }
    match failure {
        Some(failure) => Err(stop(work, pats, new, delivered, failure).await),
        None => Ok(delivered),
    }
}

/// Notes that a place has the new value, or may have it.
fn note(work: &RotationContext, new: &NewPat, place: &str, is_certain: bool) {
    let published = Effect::on(&new.created.pat, Act::Published, work.context.clock.now());
    work.note(Effect { place: Some(place.to_owned()), is_certain, ..published });
    if is_certain {
        work.progress.borrow_mut().places.push(place.to_owned());
    }
}

/// Hands over to the settle stage, then sets the variable and the outputs.
pub(super) async fn to_the_job(
    work: &RotationContext,
    pats: &Pats<'_>,
    new: &NewPat,
    state: &State,
    handed_over: Option<(&str, &Secret)>,
    delivered: Delivered,
    outputs: &Outputs,
) -> Result<(), Failure> {
    if let Some((encoded, user_token)) = handed_over {
        let handed_over = may_publish(work, new).and_then(|()| {
            work.context.console.mask(user_token).map_err(unwritten)?;
            State::leave(&work.context.console, encoded, &new.created.secret, user_token).map_err(unwritten)
        });
        if let Err(error) = handed_over {
            return Err(stop(work, pats, new, delivered, StepError::new(error)).await);
        }
    }
    let mut places = delivered.certain;
    if let Some(name) = &work.settings.variable {
        places.push(format!("job variable {}", quoted(name)));
        work.context.console.set_secret_variable(name, &new.created.secret).map_err(|error| {
            let now =
                format!("The job may hold the new token, so both work; it stays {}.", quoted(&state.own.display_name));
            StepError::new(unwritten(error)).advise("Run again.").now(&now)
        })?;
        work.context.console.say(&format!("set the secret job variable {}", quoted(name)));
        note(work, new, &format!("job variable {}", quoted(name)), true);
    }
    if handed_over.is_some() {
        work.context.console.say(&what_comes(work, state));
    }
    outputs.set(&work.context.console).map_err(|error| {
        let now = format!("The new token is in {}, and both work.", places.join(", "));
        StepError::new(unwritten(error)).advise("Run again.").now(&now)
    })
}

/// What the settle stage will do, for a reader who wonders where the rest is.
fn what_comes(work: &RotationContext, state: &State) -> String {
    let when = match &work.settings.confirm_variable {
        Some(name) => format!("if {} is true when the job ends", quoted(name)),
        None => "if the job succeeds".to_owned(),
    };
    let who = match work.settings.retirement {
        Retirement::Later => "`command: settle` in a later job of this build",
        Retirement::AfterJob | Retirement::Immediately => "the post-job step",
    };
    let hours = i64::try_from(state.overlap.as_secs() / 3600).unwrap_or(i64::MAX);
    let old = match (state.predecessors.is_empty(), hours) {
        (true, _) => String::new(),
        (false, 0) => " and revokes the old one".to_owned(),
        (false, hours) => format!(". The old token keeps working for {} more", pluralize(hours, "hour")),
    };
    format!("Next: {when}, {who} makes this the current token{old}.")
}

/// Whether a publication may start: wanted, and in time to be no dead run's.
fn may_publish(work: &RotationContext, new: &NewPat) -> anyhow::Result<()> {
    work.context.check_wanted()?;
    let limit = work.context.http.limits().publish_within;
    if work.context.clock.steady().saturating_sub(new.sent) > limit {
        let minutes = limit.as_secs() / 60;
        return Err(anyhow!("could not publish within {minutes} minutes, after which another run may have taken over"));
    }
    Ok(())
}

/// Ends a publication that failed: revokes what nobody holds, or else marks it held, or leaves it pending where a
/// write got no answer.
async fn stop(work: &RotationContext, pats: &Pats<'_>, new: &NewPat, delivered: Delivered, step: StepError) -> Failure {
    let own = &new.created.pat;
    let Delivered { certain, possible } = delivered;
    let mut holders = certain.clone();
    holders.extend(possible.iter().map(|place| format!("perhaps {place}")));
    let old = "the others hold the old one, which still works";
    if holders.is_empty() {
        return undo(work, pats, new, step).await;
    }
    let mut now = format!("The new token is in {}; {old}.", holders.join(", "));
    if possible.is_empty() {
        match mark_held(work, pats, &work.settings.request.run, own).await {
            Ok(held) => now.push_str(&format!(" It is now {}.", quoted(&held))),
            Err(error) => now.push_str(&format!(" {}: {error}.", not_held(&error, own))),
        }
    } else {
        now.push_str(&format!(" It stays {}.", quoted(&own.display_name)));
    }
    step.advise_also("The next run repairs this.").now(&now)
}
