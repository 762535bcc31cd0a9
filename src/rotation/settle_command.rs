//! `command: settle`: a later job of the build that rotated makes the new token the current one and retires what it
//! replaces. That the step was started is the confirmation: everything before it has succeeded.

use anyhow::anyhow;

use crate::agent::handoff::State;
use crate::agent::job_status::JobStatus;
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, UNCHANGED};
use crate::plan::{SettleDecision, SettleKnown, SettleRequest, plan_settling};
use crate::rotation::main_stage::clean;
use crate::rotation::outcome::Outcome;
use crate::rotation::settle::carry_out;
use crate::rotation::survey::{AsUser, Survey, survey};

/// Settles what this build left pending.
///
/// # Errors
/// What failed, with what is true now.
pub async fn run(work: &RotationContext, job: &JobStatus) -> Result<Outcome, Failure> {
    if let JobStatus::Other(status) = job {
        let error = anyhow!("an earlier step of this job did not succeed: the job's status is {status}");
        let advice = "Let this step run only where everything before it succeeded, without a condition of its own.";
        return Err(StepError::new(error).advise(advice).now(UNCHANGED));
    }
    let destinations = Destinations::new(work);
    let surveyed = tokio::select! {
        surveyed = survey(work, &destinations) => surveyed.map_err(|error| error.now(UNCHANGED))?,
        () = work.context.http.cancel().requested() => return Err(StepError::cancelled().now(UNCHANGED)),
    };
    let Survey { user, seen: AsUser { owner, organization, listed }, records } = surveyed;
    let asked = &work.settings.request;
    let decision = plan_settling(
        &SettleRequest { name: &asked.name, run: &asked.run, replace: asked.replace.as_ref(), overlap: asked.overlap },
        &SettleKnown {
            now: work.context.clock.now(),
            listed: &listed,
            organization: organization.as_ref(),
            records: &records,
        },
    );
    work.context.console.group("Plan", &decision.to_string());
    let pats = work.pats(&user.token);
    match decision {
        SettleDecision::Refuse(refusal) => {
            let error = anyhow!("could not settle {}: {refusal}", asked.name);
            Err(StepError::new(error).advise(refusal.advice()).now(UNCHANGED))
        }
        _ if work.settings.dry_run => {
            work.context.console.say("dry run: no token and no destination was changed");
            Ok(Outcome::DrySettling)
        }
        SettleDecision::Settled { current, clean: over } => {
            clean(work, &pats, &over).await;
            Ok(Outcome::Settled { name: asked.name.clone(), id: current.pat.id.to_string() })
        }
        SettleDecision::Settle(settlement) => {
            let value = destinations.value_of(&settlement.own.pat.id);
            let state = State {
                name: asked.name.clone(),
                run: settlement.run,
                own: settlement.own.pat,
                predecessors: settlement.predecessors,
                listed: settlement.listed,
                owner,
                overlap: asked.overlap,
                token_expires: user.expires(&work.context.clock),
                skew: work.context.clock.skew(),
            };
            carry_out(work, &destinations, &pats, &state, value.as_ref()).await?;
            Ok(Outcome::Committed { name: state.name, id: state.own.id.to_string() })
        }
    }
}
