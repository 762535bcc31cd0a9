//! The main stage: sign in, look, plan, and where the plan says so create, prove and publish a new token. The order of
//! effects stands here; design section 4 says why it is this one.

use std::collections::BTreeMap;

use crate::agent::handoff::State;
use crate::azure::builds;
use crate::azure::pats::Pats;
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, UNCHANGED, on};
use crate::model::effect::Act;
use crate::model::marker::PatName;
use crate::model::pat::Pat;
use crate::model::run_id::{BuildState, Liveness};
use crate::model::text::quoted;
use crate::model::timestamp::Timestamp;
use crate::model::user::Identity;
use crate::plan::{
    self, Decision, Known, NamedPat, Plan, Record, Refusal, Rotation, UpToDate, of_organization, runs_to_ask,
};
use crate::rotation::abandon::{revoke_unheld, undo};
use crate::rotation::create::{Creations, NewPat, create};
use crate::rotation::outcome::{Current, Outcome, Outputs};
use crate::rotation::survey::{AsUser, Survey, survey};
use crate::rotation::verify::{NotProved, prove};
use crate::rotation::{publish, settle};
use crate::settings::Retirement;
use crate::sign_in::UserToken;

/// What is known before anything is changed.
pub(super) struct Prepared {
    /// The user that the token acts for.
    owner: Option<Identity>,
    pub(super) plan: Plan,
}

/// Runs the main stage.
///
/// # Errors
/// What failed, with what is true now.
pub async fn run(work: &RotationContext) -> Result<Outputs, Failure> {
    let destinations = Destinations::new(work);
    let cancel = work.context.http.cancel();
    let prepared = tokio::select! {
        prepared = prepare(work, &destinations) => prepared.map_err(|error| {
            work.context.console.say("note: one fault may hide others; `command: check` shows all of them in one run");
            error.now(UNCHANGED)
        })?,
        () = cancel.requested() => return Err(StepError::cancelled().now(UNCHANGED)),
    };
    let (user, prepared) = prepared;
    work.context.console.group("Plan", &prepared.plan.to_string());
    carry_out(work, &destinations, &user, prepared).await
}

/// Does what the plan says.
pub(super) async fn carry_out(
    work: &RotationContext,
    destinations: &Destinations<'_>,
    user: &UserToken,
    prepared: Prepared,
) -> Result<Outputs, Failure> {
    let Prepared { owner, plan } = prepared;
    match plan.decision {
        Decision::Refuse(refusal) => Err(refuse(work, &refusal)),
        Decision::Rotate(rotation) if work.settings.dry_run => Ok(dry(work, &rotation)),
        Decision::UpToDate(rest) => {
            let outputs = stay(work, user, &rest).await;
            revoke_canaries(work, user, &plan.canaries).await;
            Ok(outputs)
        }
        Decision::Rotate(rotation) => {
            let outputs = rotate(work, destinations, user, owner, rotation).await?;
            revoke_canaries(work, user, &plan.canaries).await;
            Ok(outputs)
        }
    }
}

/// Everything that only reads, and the refresh token that is kept fresh.
async fn prepare(work: &RotationContext, destinations: &Destinations<'_>) -> Result<(UserToken, Prepared), StepError> {
    let Survey { user, seen, records } = survey(work, destinations).await?;
    Ok((user, decide(work, &seen, &records).await?))
}

/// What follows from what was seen.
pub(super) async fn decide(work: &RotationContext, seen: &AsUser, records: &[Record]) -> Result<Prepared, StepError> {
    let AsUser { organization, listed, owner } = seen;
    let liveness = liveness(work, &of_organization(listed, organization.as_ref())).await?;
    let known = Known {
        now: work.context.clock.now(),
        listed,
        organization: organization.as_ref(),
        liveness: &liveness,
        records,
    };
    let plan = plan::plan(&work.settings.request, &known);
    if work.settings.retirement == Retirement::Later && matches!(plan.decision, Decision::Rotate(_)) {
        can_be_asked_for(work).await?;
    }
    Ok(Prepared { owner: owner.clone(), plan })
}

/// An approval may take days. Other runs wait as long as they can see that this build is at work: where this one cannot
/// see that of itself, others cannot either, and would take over after six hours.
async fn can_be_asked_for(work: &RotationContext) -> Result<(), StepError> {
    let pipeline = &work.context.access.pipeline;
    let what = "could not learn from the service that this build is at work, which other runs have to learn while a later \
                job of it is waited for";
    let advice = "Let the job's token read builds (the role `View builds` of the project's build service), or use \
                  `retireOldPat: afterJob`.";
    let (Some(build), Some(token)) = (work.settings.request.run.build(), &pipeline.job_token) else {
        return Err(StepError::new(anyhow::anyhow!(what)).advise(advice));
    };
    match builds::state(&work.context.http, &pipeline.organization, &pipeline.project, build, token).await {
        Ok(BuildState::NotCompleted) => Ok(()),
        Ok(BuildState::Completed(_) | BuildState::Unknown) => Err(StepError::new(anyhow::anyhow!(what)).advise(advice)),
        Err(error) => Err(StepError::new(on(error, what))),
    }
}

/// Asks for the builds of other runs that have a pending one.
async fn liveness(work: &RotationContext, listed: &[Pat]) -> Result<BTreeMap<String, Liveness>, StepError> {
    let pipeline = &work.context.access.pipeline;
    let mut liveness = BTreeMap::new();
    for run in runs_to_ask(&work.settings.request, listed) {
        if let (Some(build), Some(token)) = (run.build(), &pipeline.job_token) {
            let asked =
                builds::state(&work.context.http, &pipeline.organization, &pipeline.project, build, token).await;
            let state = asked.map_err(|error| {
                let what = format!("could not learn whether run {run}, which has a pending token, is still at work");
                StepError::new(on(error, &what))
            })?;
            let is = plan::liveness(&work.settings.request, listed, &run, state, work.context.clock.now());
            liveness.insert(run.run, is);
        }
    }
    Ok(liveness)
}

fn refuse(work: &RotationContext, refusal: &Refusal) -> Failure {
    if let Refusal::RivalAlive(run, _) = refusal {
        work.progress.borrow_mut().other_run = Some(run.clone());
    }
    let name = &work.settings.request.name;
    StepError::new(anyhow::anyhow!("could not rotate {name}: {refusal}")).advise(refusal.advice()).now(UNCHANGED)
}

/// A run that is not due cleans up what earlier ones left to die.
async fn stay(work: &RotationContext, user: &UserToken, rest: &UpToDate) -> Outputs {
    work.progress.borrow_mut().old = Some(rest.current.pat.clone());
    let current = Current {
        id: rest.current.pat.id.to_string(),
        valid_to: rest.current.pat.valid_to,
        days_left: rest.current.pat.valid_to.days_left(work.context.clock.now()),
    };
    if work.settings.dry_run {
        work.context.console.say("dry run: no token and no destination was changed");
        return Outputs { outcome: Outcome::DryRun { is_due: false }, current: Some(current) };
    }
    clean(work, &work.pats(&user.token), &rest.clean).await;
    let next = work.settings.request.rotate_when.next(&rest.current.pat);
    let outcome = rest.waiting_for.clone().map_or(Outcome::NotDue(next), Outcome::WaitingFor);
    Outputs { outcome, current: Some(current) }
}

/// Revokes what earlier runs superseded and whose overlap is over. A failure is a warning.
pub(super) async fn clean(work: &RotationContext, pats: &Pats<'_>, over: &[NamedPat]) {
    for member in over {
        if work.context.check_wanted().is_err() {
            break;
        }
        match work.noted(Act::Revoked, &member.pat, pats.revoke(&member.pat.id).await) {
            Ok(()) => work.context.console.say(&format!("revoked {member}, whose overlap has ended")),
            Err(error) => {
                work.context.console.warn(&format!("could not revoke {member}: {error}. The next run tries again."))
            }
        }
    }
}

/// Nobody holds them, so a failure is a warning.
async fn revoke_canaries(work: &RotationContext, user: &UserToken, canaries: &[Pat]) {
    for canary in canaries {
        if work.settings.dry_run || work.context.check_wanted().is_err() {
            break;
        }
        let named = format!("{} ({})", quoted(&canary.display_name), canary.id);
        match work.noted(Act::Revoked, canary, work.pats(&user.token).revoke(&canary.id).await) {
            Ok(()) => work.context.console.say(&format!("revoked {named}, which a check left")),
            Err(error) => {
                work.context.console.warn(&format!("could not revoke {named}: {error}. The next run tries again."));
            }
        }
    }
}

fn dry(work: &RotationContext, rotation: &Rotation) -> Outputs {
    work.context.console.say("dry run: no token and no destination was changed");
    let current = rotation.current.as_ref().map(|member| Current {
        id: member.pat.id.to_string(),
        valid_to: member.pat.valid_to,
        days_left: member.pat.valid_to.days_left(work.context.clock.now()),
    });
    Outputs { outcome: Outcome::DryRun { is_due: true }, current }
}

/// Create, prove, publish, hand over.
async fn rotate(
    work: &RotationContext,
    destinations: &Destinations<'_>,
    user: &UserToken,
    owner: Option<Identity>,
    rotation: Rotation,
) -> Result<Outputs, Failure> {
    let pats = work.pats(&user.token);
    work.progress.borrow_mut().old = rotation.current.as_ref().map(|current| current.pat.clone());
    let new = make(work, user, &pats, &rotation, owner.as_ref()).await?;
    work.progress.borrow_mut().new = Some(new.created.pat.clone());

    let request = &work.settings.request;
    let state = State {
        name: request.name.clone(),
        run: request.run.clone(),
        own: new.created.pat.clone(),
        predecessors: rotation.predecessors,
        listed: rotation.listed,
        owner,
        overlap: request.overlap,
        token_expires: user.expires(&work.context.clock),
        skew: work.context.clock.skew(),
    };
    let encoded = match state.encode() {
        Ok(encoded) => encoded,
        Err(error) => {
            let advice =
                "Lower `overlapHours`, or rotate less often, so that fewer superseded tokens live side by side.";
            return Err(undo(work, &pats, &new, StepError::new(error).advise(advice)).await);
        }
    };
    let delivered = publish::to_destinations(work, destinations, &pats, &new).await?;
    let outputs = outputs(&request.name, &new.created.pat, work.context.clock.now());
    let handed_over = match work.settings.retirement {
        Retirement::AfterJob | Retirement::Later => Some((encoded.as_str(), &user.token)),
        Retirement::Immediately => {
            settle::carry_out(work, destinations, &pats, &state, Some(&new.created.secret)).await?;
            None
        }
    };
    if !work.is_one_of_many {
        publish::to_the_job(work, &pats, &new, &state, handed_over, delivered, &outputs).await?;
    }
    Ok(outputs)
}

/// Creates the new token and proves it. One whose rehearsal got no answer is revoked, and another is made.
async fn make(
    work: &RotationContext,
    user: &UserToken,
    pats: &Pats<'_>,
    rotation: &Rotation,
    owner: Option<&Identity>,
) -> Result<NewPat, Failure> {
    let cancel = work.context.http.cancel();
    let mut creations = Creations::new(work.context.http.limits());
    loop {
        let new = create(work, user, pats, rotation, &mut creations).await?;
        let proved = tokio::select! {
            proved = prove(work, pats, rotation, &new, owner) => proved,
            () = cancel.requested() => Err(StepError::cancelled().into()),
        };
        match proved {
            Ok(()) => return Ok(new),
            Err(NotProved::Failed(step)) => return Err(undo(work, pats, &new, step).await),
            Err(NotProved::Unanswered(step)) => {
                work.context.console.say(&format!("{step}; making another token"));
                if let Err(now) = revoke_unheld(work, pats, &new).await {
                    return Err(step.now(now));
                }
                if !creations.replace_revoked() {
                    return Err(step.now(creations.now()));
                }
            }
        }
    }
}

fn outputs(name: &PatName, pat: &Pat, now: Timestamp) -> Outputs {
    let current = Current { id: pat.id.to_string(), valid_to: pat.valid_to, days_left: pat.valid_to.days_left(now) };
    let outcome = Outcome::Rotated { name: name.clone(), id: pat.id.to_string(), valid_to: pat.valid_to };
    Outputs { outcome, current: Some(current) }
}
