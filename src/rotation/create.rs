//! Makes the new token, and finds what became of one whose reply was lost: its secret is unknowable, so it is revoked
//! and another is made, a bounded number of times.

use std::time::Duration;

use crate::azure::pats::{Created, New, NotCreated, Pats};
use crate::context::RotationContext;
use crate::failure::{Failure, StepError, UNCHANGED, on};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::effect::{Act, Effect};
use crate::model::marker::Generation;
use crate::model::text::quoted;
use crate::model::timestamp::pluralize;
use crate::plan::{RotateWhen, Rotation, family, of_organization};
use crate::runtime::limits::{Backoff, Limits};
use crate::sign_in::{self, UserToken};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The new one, and when its creation was sent by the steady clock.
#[derive(Debug)]
pub(super) struct NewPat {
    pub(super) created: Created,
    pub(super) sent: Duration,
    /// Whether an earlier creation got no answer and what it made was not found: it may still arrive.
    pub(super) may_have_twin: bool,
}

/// The creations of one run, and what is known of them.
pub(super) struct Creations {
    tries_left: u32,
    backoff: Backoff,
    /// Creations without an answer, and those whose token has lost its value.
    lost: usize,
    /// How many tokens of those were found and revoked.
    revoked: usize,
}

impl Creations {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { tries_left: limits.creations, backoff: Backoff::new(limits), lost: 0, revoked: 0 }
    }

    /// Counts one whose rehearsal got no answer, and which was revoked. Says whether another may be made.
    pub(super) fn replace_revoked(&mut self) -> bool {
        self.lost += 1;
        self.revoked += 1;
        self.tries_left > 0
    }

    /// What is true while no creation has succeeded.
    pub(super) fn now(&self) -> &'static str {
        match self.lost {
            0 => UNCHANGED,
            _ if self.may_have_twin() => UNSURE,
            _ => "Every new token without a known value was revoked; the old token is untouched.",
        }
    }

    fn may_have_twin(&self) -> bool {
        self.revoked < self.lost
    }
}

const UNSURE: &str = "The old token is untouched. A new one that nobody holds may exist; the next run retires it.";

/// Creates the pending one.
pub(super) async fn create(
    work: &RotationContext,
    user: &UserToken,
    pats: &Pats<'_>,
    rotation: &Rotation,
    creations: &mut Creations,
) -> Result<NewPat, Failure> {
    let request = &work.settings.request;
    let display_name = request.name.of(&Generation::Pending(request.run.clone()));
    let could_not = format!("could not create {}", quoted(&display_name));
    let limits = work.context.http.limits();
    loop {
        let now = creations.now();
        pats.rest().await.map_err(|error| StepError::new(on(error, &could_not)).now(now))?;
        work.context.check_wanted().map_err(|error| StepError::new(error).now(now))?;
        creations.tries_left = creations.tries_left.saturating_sub(1);
        let sent = work.context.clock.steady();
        let valid_to = work.context.clock.now().plus(DAY * u32::from(rotation.valid_for_days));
        let new = New { display_name: &display_name, scopes: &rotation.scopes, valid_to };
        let error = match pats.create_unless_cancelled(&new).await {
            Ok(created) => {
                work.context.console.redact(&created.secret);
                work.note(Effect::on(&created.pat, Act::Created, work.context.clock.now()));
                tell(work, rotation, &created);
                return Ok(NewPat { created, sent, may_have_twin: creations.may_have_twin() });
            }
            Err(NotCreated::Refused(error)) => {
                let advice = sign_in::explain_refusal(&work.context, user, &error).await;
                return Err(StepError::new(on(error, &could_not)).advise_if(advice).now(now));
            }
            Err(NotCreated::Ambiguous(error)) => error,
        };
        work.context
            .console
            .say(&format!("could not confirm that {} was created: {error}; checking the list", quoted(&display_name)));
        if !error.is_certainly_undone() {
            creations.lost += 1;
            let (at, display_name) = (work.context.clock.now(), display_name.clone());
            let (id, place) = (None, None);
            work.note(Effect { at, act: Act::Created, id, display_name, place, is_certain: false });
        }
        creations.revoked += revoke_orphans(work, pats, rotation, &could_not).await?;
        let now = creations.now();
        let asked_for = match error.kind {
            Kind::Busy { retry_after: Some(time), .. } => time,
            _ => Duration::ZERO,
        };
        let is_last = creations.tries_left == 0 || work.context.http.cancel().is_requested();
        if is_last || asked_for > limits.repeat_within {
            return Err(StepError::new(on(error, &could_not)).now(now));
        }
        let pause = creations.backoff.pause().max(asked_for);
        let pause = work.context.http.pause(Service::AzureDevOps, pause).await;
        pause.map_err(|error| StepError::new(on(error, &could_not)).now(now))?;
    }
}

/// Revokes every pending one of this run that the plan did not know; none where the organization is not known.
async fn revoke_orphans(
    work: &RotationContext,
    pats: &Pats<'_>,
    rotation: &Rotation,
    could_not: &str,
) -> Result<usize, Failure> {
    let request = &work.settings.request;
    let failed = |error: CallError| StepError::new(on(error, could_not)).advise("Run again.").now(UNSURE);
    let listing = pats.list().await.map_err(failed)?;
    let pending = Generation::Pending(request.run.clone());
    let is_orphan = |id| !rotation.listed.iter().any(|known| known.pat.id == id);
    if rotation.organization.is_none() {
        return Ok(0);
    }
    let listed = of_organization(&listing.pats, rotation.organization.as_ref());
    let members = family(&request.name, &listed).into_iter();
    let mut count = 0;
    for orphan in members.filter(|m| m.generation == pending && is_orphan(m.pat.id.clone())) {
        work.noted(Act::Revoked, &orphan.pat, pats.revoke(&orphan.pat.id).await).map_err(failed)?;
        work.context.console.say(&format!("revoked {orphan}: the reply with its secret was lost"));
        count += 1;
    }
    Ok(count)
}

/// Says what was granted, which may be less than what was asked for.
fn tell(work: &RotationContext, rotation: &Rotation, created: &Created) {
    let pat = &created.pat;
    let until = pat.valid_to.with_distance(work.context.clock.now());
    work.context.console.say(&format!("created {} ({}), valid until {until}", quoted(&pat.display_name), pat.id));
    let granted = pat.valid_to.days_left(pat.valid_from);
    if granted < i64::from(rotation.valid_for_days) {
        let (granted, asked) = (pluralize(granted, "day"), rotation.valid_for_days);
        work.context.console.say(&format!(
            "note: {granted} were granted and not the {asked} of `validForDays`: the tenant caps lifetimes"
        ));
    }
    if let RotateWhen::DaysLeft(limit) = work.settings.request.rotate_when
        && granted <= i64::from(limit)
    {
        let granted = pluralize(granted, "day");
        work.context.console.warn(&format!(
            "only {granted} were granted and `rotateWhenDaysLeft` is {limit}, so every run will rotate. Lower \
             `rotateWhenDaysLeft` or leave it out, or ask for a longer maximum lifespan."
        ));
    }
}
