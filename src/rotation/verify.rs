//! Proves that the new token is worth handing out: nobody else made one since the plan, this server keeps a secret through
//! a rename, and the token works and speaks for the right user. All while nobody holds it.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::time::Instant;

use crate::azure::connection_data;
use crate::azure::pats::{Change, Pats, Updated};
use crate::context::RotationContext;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::pat::Pat;
use crate::model::secret::Secret;
use crate::model::text::{one_line, quoted};
use crate::model::user::Identity;
use crate::plan::Rotation;
use crate::plan::conflicts::{AfterCreate, after_create, one_organization};
use crate::rotation::create::NewPat;
use crate::runtime::limits::Backoff;

/// The service rounds what it stores, and reads it back in another rounding.
///
/// docs/assumptions.md: An update keeps the end of a token that it does not name.
const ROUNDING: Duration = Duration::from_secs(60);

/// No document says which scope the call needs: one PAT that lacks it was seen to get the 401 of an expired one.
const NOT_ACCEPTED: &str = "Find out whether a policy of the organization blocks new tokens of this user; if none does, \
                            add a scope such as `vso.profile` to `scopes`.";

/// Why the new token is not handed out. Nobody holds it yet.
pub(super) enum NotProved {
    /// The rehearsal got no answer. A copy of it that lands after the commit would make the new token pending again, so it
    /// is not sent again: the token is revoked, and another may be made.
    Unanswered(StepError),
    Failed(StepError),
}

impl From<StepError> for NotProved {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// Everything between the creation and the first hand that holds the new value. Failing, it leaves the new one unheld.
pub(super) async fn prove(
    work: &RotationContext,
    pats: &Pats<'_>,
    rotation: &Rotation,
    new: &NewPat,
    owner: Option<&Identity>,
) -> Result<(), NotProved> {
    let own = &new.created.pat;
    list_once_more(work, pats, rotation, new).await?;

    work.context.console.mask(&new.created.secret).map_err(|error| StepError::new(unwritten(error)))?;
    let could_not = format!("could not prove {}", quoted(&own.display_name));
    let after = rehearse(work, pats, own, &could_not).await?.valid_to;
    if after.since(own.valid_to) > ROUNDING || own.valid_to.since(after) > ROUNDING {
        let changed = anyhow!("a rename changed its expiry from {} to {after}", own.valid_to).context(could_not);
        return Err(StepError::new(changed).advise("Report this to us with the organization's token policies.").into());
    }
    let age = work.context.clock.steady().saturating_sub(new.sent);
    let wait = work.context.http.limits().first_use.saturating_sub(age);
    work.context.http.pause(Service::AzureDevOps, wait).await.map_err(StepError::new)?;
    verify(work, &new.created.secret, owner).await.map_err(|error| {
        let is_refused = error.downcast_ref::<CallError>().is_some_and(|error| error.refusal().is_some());
        let step = StepError::new(error.context(could_not));
        if is_refused { step } else { step.advise(NOT_ACCEPTED) }
    })?;
    let speaks = owner.map_or("whom it speaks for could not be compared".to_owned(), |owner| {
        format!("speaks for {}", one_line(if owner.account.is_empty() { &owner.id } else { &owner.account }))
    });
    work.context.console.say(&format!("verified it: it works, keeps its value through a rename, and {speaks}"));
    Ok(())
}

/// Renames the new token to its own name, to see that this server keeps the value and the expiry through a rename. Sent
/// again only where the service has certainly not carried it out.
async fn rehearse(work: &RotationContext, pats: &Pats<'_>, own: &Pat, could_not: &str) -> Result<Updated, NotProved> {
    let change = Change { id: &own.id, display_name: &own.display_name, scopes: &own.scopes, valid_to: None };
    let limits = work.context.http.limits();
    let (started, mut backoff) = (Instant::now(), Backoff::new(limits));
    loop {
        let error = match pats.update_once(&change).await {
            Ok(rehearsed) => return Ok(rehearsed),
            Err(error) if !error.is_certainly_undone() => {
                return Err(NotProved::Unanswered(StepError::new(on(error, could_not))));
            }
            Err(error) => error,
        };
        let pause = match error.kind {
            Kind::Busy { retry_after: Some(time), .. } => backoff.pause().max(time),
            _ => backoff.pause(),
        };
        if !error.is_transient() || started.elapsed() + pause > limits.repeat_within {
            return Err(StepError::new(on(error, could_not)).into());
        }
        work.context.http.pause(Service::AzureDevOps, pause).await.map_err(StepError::new)?;
    }
}

/// Looks whether anything but the creation has happened since the plan.
async fn list_once_more(
    work: &RotationContext,
    pats: &Pats<'_>,
    rotation: &Rotation,
    new: &NewPat,
) -> Result<(), StepError> {
    let request = &work.settings.request;
    let own = &new.created.pat;
    let mut backoff = Backoff::of_new_token(work.context.http.limits());
    let started = Instant::now();
    loop {
        let listing = pats
            .list()
            .await
            .map_err(|error| StepError::new(on(error, "could not list the tokens once more after the creation")))?;
        if let Some(listed) = listing.pats.iter().find(|pat| pat.id == own.id) {
            one_organization(listed, rotation.organization.as_ref(), &rotation.listed).map_err(|why| {
                let error = anyhow!("could not tell which tokens are this organization's: {why}");
                StepError::new(error).advise("Rename the token of the other organization, or report this to us.")
            })?;
        }
        match after_create(&request.name, &request.run, &own.id, &rotation.listed, &listing.pats) {
            AfterCreate::Clear => return Ok(()),
            AfterCreate::NotListedYet => {}
            AfterCreate::Yield(rival) => {
                let error =
                    anyhow!("run {rival} began to rotate {} a moment earlier, so this run yields", request.name);
                return Err(StepError::new(error).advise("Let that run end; use an exclusive lock against overlaps."));
            }
            AfterCreate::Changed(seen) => {
                let error = anyhow!("the tokens named {} changed while this run was at work: {seen}", request.name);
                return Err(StepError::new(error).advise("Run again."));
            }
        }
        let pause = backoff.pause();
        if started.elapsed() + pause > work.context.http.limits().propagation {
            let error = anyhow!("the new token {} does not show in the list, so other runs cannot see it", own.id);
            return Err(StepError::new(error).advise("Run again."));
        }
        work.context.http.pause(Service::AzureDevOps, pause).await.map_err(StepError::new)?;
    }
}

/// Calls the organization with a token until it is valid, for a bounded time.
///
/// # Errors
/// That it does not become valid, or speaks for somebody else.
pub(super) async fn verify(work: &RotationContext, value: &Secret, owner: Option<&Identity>) -> anyhow::Result<()> {
    let organization = &work.context.access.organization;
    let limits = work.context.http.limits();
    let mut backoff = Backoff::of_new_token(limits);
    let started = Instant::now();
    loop {
        match connection_data::identity(&work.context.http, organization, Auth::Pat(value)).await {
            Ok(Some(identity)) if owner.is_none_or(|owner| owner.id == identity.id) => return Ok(()),
            Ok(Some(identity)) => bail!("it speaks for {} and not for the signed-in user", one_line(&identity.id)),
            Ok(None) => {}
            Err(error) if error.is_about_signing_in() => {}
            Err(error) => return Err(error).with_context(|| format!("could not call {organization} with it")),
        }
        let pause = backoff.pause();
        if started.elapsed() + pause > limits.propagation {
            bail!(
                "{organization} still rejects it after {} s: it does not work, or its scopes do not reach \
                 `connectionData`, the page that was called",
                limits.propagation.as_secs()
            );
        }
        work.context.http.pause(Service::AzureDevOps, pause).await?;
    }
}

pub(super) fn unwritten(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("could not write the log")
}
