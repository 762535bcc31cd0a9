//! The settle stage, after the job's other steps: commits the new token and retires the old ones where the job has
//! succeeded, holds it where not. The order of effects is supersede, look, commit, verify, retire; each leaves a
//! state that the next run can tell from every other.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::anyhow;

use crate::agent::handoff::{Handoff, State};
use crate::agent::job_status::{JobEnd, JobStatus};
use crate::azure::pats::{Change, Pats};
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, on};
use crate::model::api_error::{CallError, Service};
use crate::model::marker::Generation;
use crate::model::pat::AuthorizationId;
use crate::model::run_id::RunId;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::model::timestamp::Timestamp;
use crate::plan::conflicts::{BeforeCommit, before_commit};
use crate::plan::{NamedPat, shortened};
use crate::rotation::abandon::{mark_held, not_held};
use crate::rotation::verify::verify;
use crate::runtime::limits::Backoff;
use crate::settings::Source;
use crate::sign_in;

/// Runs the settle stage.
///
/// # Errors
/// What failed, with what is true now.
pub async fn run(work: &RotationContext, handed: Handoff, job: &JobEnd) -> Result<(), Failure> {
    let Handoff { state, new_pat, user_token } = handed;
    work.context.clock.set_skew(state.skew);
    let is_over = sign_in::is_nearly_over(state.token_expires, work.context.clock.now());
    let user_token = if is_over { sign_in_again(work, &state).await? } else { user_token };
    let pats = work.pats(&user_token);
    match objection(work, job, &new_pat) {
        None => carry_out(work, &Destinations::new(work), &pats, &state, &new_pat).await,
        Some(objection) => hold(work, &pats, &state, &objection).await,
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
    let own = listing.pats.into_iter().find(|pat| pat.id == state.own.id);
    if own.as_ref().is_none_or(|own| own.display_name != state.own.display_name) {
        let now = own.map_or("gone".to_owned(), |own| quoted(&own.display_name));
        work.context.console.warn(&format!(
            "{objection}. The new token {} is {now} meanwhile, so nothing is left to settle.",
            state.own.id
        ));
        return Ok(());
    }
    wanted(work, &stays)?;
    let held = mark_held(pats, &state.name, &state.run, &state.own).await.map_err(|error| {
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

fn still_pending(state: &State) -> String {
    format!("Nothing was retired; the new token stays {}.", quoted(&state.own.display_name))
}

/// Supersede, look, commit, verify, retire.
///
/// # Errors
/// What failed, with what is true now.
pub async fn carry_out(
    work: &RotationContext,
    destinations: &Destinations<'_>,
    pats: &Pats<'_>,
    state: &State,
    new_pat: &Secret,
) -> Result<(), Failure> {
    let ends = work.context.clock.now().plus(state.overlap).rounded_up_to_minute();
    let settling = Settling { work, pats, state, ends, done_with: RefCell::default() };
    let settled = async {
        settling.supersede().await?;
        settling.commit().await?;
        settling.verify(new_pat).await?;
        settling.retire().await;
        Ok(())
    };
    let ready = async { Ok(destinations.ready_to_tidy().await) };
    let ((), ready) = tokio::try_join!(settled, ready)?;
    destinations.tidy(ready, pats).await;
    Ok(())
}

/// The steps that settle one rotation.
struct Settling<'a> {
    work: &'a RotationContext,
    pats: &'a Pats<'a>,
    state: &'a State,
    /// When the overlap ends, as every marker of this run says it.
    ends: Timestamp,
    /// Predecessors that need nothing more, and whether this run revoked them.
    done_with: RefCell<Vec<(AuthorizationId, bool)>>,
}

impl Settling<'_> {
    /// Marks what the new one replaces.
    async fn supersede(&self) -> Result<(), Failure> {
        for member in self.state.predecessors.iter().filter(|m| !is_superseded(m)) {
            let stays = self.standing();
            wanted(self.work, &stays)?;
            let name = self.superseded_name();
            let change = Change { id: &member.pat.id, display_name: &name, scopes: &member.pat.scopes, valid_to: None };
            let Err(error) = self.pats.update(&change).await else {
                self.say(&format!("superseded {member}, to end at {}", self.ends));
                continue;
            };
            let what = format!("could not mark {member} as superseded");
            if !is_about_that_pat(&error) {
                return Err(StepError::new(on(error, &what)).now(&stays));
            }
            if self.is_gone(member, &stays).await? {
                self.say(&format!("{member} is gone already"));
                self.done_with.borrow_mut().push((member.pat.id.clone(), false));
            } else if self.state.overlap.is_zero() || self.met_a_refusal_before() {
                self.say(&format!("{what} ({error}), so it is revoked without an overlap"));
                self.pats.revoke(&member.pat.id).await.map_err(|error| StepError::new(on(error, &what)).now(&stays))?;
                self.done_with.borrow_mut().push((member.pat.id.clone(), true));
            } else {
                let step = StepError::new(on(error, &what)).advise(
                    "Run again: a second refusal lets the next run revoke it without an overlap. Or revoke it by hand.",
                );
                return Err(self.hold_after(step, &stays).await);
            }
        }
        Ok(())
    }

    /// Commits, at most a moment after a look that shows nobody else at it.
    async fn commit(&self) -> Result<(), Failure> {
        let limits = self.work.context.http.limits();
        let mut backoff = Backoff::new(limits);
        let own = &self.state.own;
        let committed = self.state.name.of(&Generation::Committed);
        let what = format!("could not commit the new token as {}", quoted(&committed));
        let mut now = self.standing();
        let mut last = anyhow!("every look was too old when the commit was due");
        for _ in 0..limits.looks {
            self.rest(&now).await?;
            wanted(self.work, &now)?;
            let looked = self.work.context.clock.steady();
            let listing =
                self.pats.list().await.map_err(|error| {
                    StepError::new(on(error, "could not list the tokens before the commit")).now(&now)
                })?;
            match before_commit(&self.state.name, &self.state.run, &own.id, &self.state.listed, &listing.pats) {
                BeforeCommit::Done => {
                    self.say(&format!("committed it as {} at the earlier try", quoted(&committed)));
                    return Ok(());
                }
                BeforeCommit::TakenOver { seen, by } => return Err(self.taken_over(&seen, by.as_ref())),
                BeforeCommit::Clear => {}
            }
            self.rest(&now).await?;
            wanted(self.work, &now)?;
            if self.work.context.clock.steady().saturating_sub(looked) <= limits.commit_within {
                let change = Change { id: &own.id, display_name: &committed, scopes: &own.scopes, valid_to: None };
                match self.pats.update_once(&change).await {
                    Ok(_) => {
                        self.say(&format!("committed the new token as {} ({})", quoted(&committed), own.id));
                        return Ok(());
                    }
                    Err(error) if !error.maybe_applied && !error.is_transient() => {
                        return Err(StepError::new(on(error, &what)).now(&now));
                    }
                    Err(error) => {
                        if error.maybe_applied {
                            let unsure = "Whether the new token is committed is not known; the next run finds out.";
                            now = format!("{unsure}{}", self.revoked_words());
                        }
                        last = anyhow::Error::new(error);
                    }
                }
            }
            let pause = self.work.context.http.pause(Service::AzureDevOps, backoff.pause()).await;
            pause.map_err(|error| StepError::new(error).now(&now))?;
        }
        Err(StepError::new(last.context(what)).advise("Run again.").now(&now))
    }

    async fn verify(&self, new_pat: &Secret) -> Result<(), Failure> {
        let verified = verify(self.work, new_pat, self.state.owner.as_ref()).await.map_err(|error| {
            let error = error.context(format!("could not verify the new token {} after the commit", self.state.own.id));
            let now = match self.revoked_words() {
                nothing if nothing.is_empty() => "The new token is committed, and nothing was retired.".to_owned(),
                revoked => format!("The new token is committed, and nothing more was retired.{revoked}"),
            };
            StepError::new(error)
                .advise("Find out who revoked it or which policy forbids it, then run again.")
                .now(&now)
        });
        if verified.is_ok() {
            self.say("verified it once more");
        }
        verified
    }

    /// Ends what nobody needs any more. A failure is a warning: the name says superseded, so the next run does it.
    async fn retire(&self) {
        let is_done = |member: &&NamedPat| self.done_with.borrow().iter().any(|(id, _)| *id == member.pat.id);
        let rest: Vec<&NamedPat> = self.state.predecessors.iter().filter(|member| !is_done(member)).collect();
        for member in rest {
            let is_over = match member.generation {
                Generation::Superseded { ends, .. } if ends > self.work.context.clock.now() => continue,
                Generation::Superseded { .. } => true,
                _ => self.state.overlap.is_zero(),
            };
            if wanted(self.work, "").is_err() {
                return;
            }
            let done = match shortened(&member.pat, self.state.granted(), self.ends) {
                _ if is_over => self.pats.revoke(&member.pat.id).await.map(|()| format!("revoked {member}")),
                Some(ends) => self.shorten(member, ends).await,
                None if member.pat.valid_to <= self.ends => {
                    Ok(format!("{member} expires by itself at {}, before the overlap ends", member.pat.valid_to))
                }
                None => Ok(format!("{member} works until a run after {} revokes it", self.ends)),
            };
            match done {
                Ok(done) => self.say(&done),
                Err(error) => match self.pats.is_gone(&member.pat.id, &error).await {
                    Ok(true) => self.say(&format!("{member} is gone already")),
                    _ => {
                        let warning = format!("could not retire {member}: {error}. The next run tries again.");
                        self.work.context.console.warn(&warning);
                    }
                },
            }
        }
    }

    async fn shorten(&self, member: &NamedPat, ends: Timestamp) -> Result<String, CallError> {
        let name = self.superseded_name();
        let change =
            Change { id: &member.pat.id, display_name: &name, scopes: &member.pat.scopes, valid_to: Some(ends) };
        let updated = self.pats.update(&change).await?;
        let granted = updated.valid_to;
        if ends.since(granted) > Duration::from_secs(60) {
            self.work
                .context
                .console
                .warn(&format!("{member} now ends at {granted}, before the overlap does: a cap on lifetimes"));
        }
        Ok(format!("shortened {member} to end {}", granted.with_distance(self.work.context.clock.now())))
    }

    /// Whether a token that the server refuses to rename is simply no longer there.
    async fn is_gone(&self, member: &NamedPat, stays: &str) -> Result<bool, Failure> {
        let listing = self.pats.list().await.map_err(|error| {
            StepError::new(on(error, "could not list the tokens to see what became of a refused rename")).now(stays)
        })?;
        Ok(!listing.pats.iter().any(|pat| pat.id == member.pat.id))
    }

    /// A held one among the predecessors is the only trace that an earlier run leaves when it meets such a refusal. A
    /// failed job leaves the same.
    fn met_a_refusal_before(&self) -> bool {
        self.state.predecessors.iter().any(|m| matches!(m.generation, Generation::Held(_)))
    }

    async fn hold_after(&self, step: StepError, stays: &str) -> Failure {
        match mark_held(self.pats, &self.state.name, &self.state.run, &self.state.own).await {
            Ok(held) => step.now(format!("The new token is now {}.{}", quoted(&held), self.revoked_words())),
            Err(error) if error.maybe_applied => {
                step.now(format!("{}.{}", not_held(&error, &self.state.own), self.revoked_words()))
            }
            Err(_) => step.now(stays),
        }
    }

    fn taken_over(&self, seen: &str, by: Option<&RunId>) -> Failure {
        let name = &self.state.name;
        let error = match by {
            Some(run) if *run == self.state.run => anyhow!("the tokens named {name} changed during the job: {seen}"),
            Some(run) => anyhow!("run {run} has taken over {name}: {seen}"),
            None => anyhow!("somebody has taken over {name}: {seen}"),
        };
        let now = match self.revoked_words() {
            nothing if nothing.is_empty() => "Nothing was committed or revoked by this run.".to_owned(),
            revoked => format!("This run committed nothing.{revoked}"),
        };
        StepError::new(error).advise("Run again.").now(&now)
    }

    /// What is true until the commit.
    fn standing(&self) -> String {
        match self.revoked_words() {
            nothing if nothing.is_empty() => still_pending(self.state),
            revoked => format!("The new token stays {}.{revoked}", quoted(&self.state.own.display_name)),
        }
    }

    /// What this run had to revoke before the commit, as a sentence to append.
    fn revoked_words(&self) -> String {
        let done_with = self.done_with.borrow();
        let revoked: Vec<&str> = done_with.iter().filter(|(_, revoked)| *revoked).map(|(id, _)| id.as_str()).collect();
        if revoked.is_empty() {
            String::new()
        } else {
            format!(" This run revoked {}, which it could not mark.", revoked.join(", "))
        }
    }

    /// Gives the service the rest it asked for, before time is measured and not in between.
    async fn rest(&self, now: &str) -> Result<(), Failure> {
        self.pats.rest().await.map_err(|error| StepError::new(error).now(now))
    }

    fn superseded_name(&self) -> String {
        self.state.name.of(&Generation::Superseded { by: self.state.run.clone(), ends: self.ends })
    }

    fn say(&self, text: &str) {
        self.work.context.console.say(text);
    }
}

fn wanted(work: &RotationContext, now: &str) -> Result<(), Failure> {
    work.context.check_wanted().map_err(|error| StepError::new(error).now(now))
}

fn is_superseded(member: &NamedPat) -> bool {
    matches!(member.generation, Generation::Superseded { .. })
}

/// Whether a refusal is about the token asked about, and not about the caller or the moment. Which code means what is
/// inferred from the names; the specification describes none of them.
fn is_about_that_pat(error: &CallError) -> bool {
    let of_the_moment = ["failedToUpdateAccessToken", "failedToReadTenantPolicy", "failedToReadOrgPolicy"];
    let of_the_caller = ["InvalidAccessException", "UnauthorizedRequestException", "TF400813", "VS403463"];
    match error.refusal() {
        Some((status, code)) => status != 401 && !of_the_moment.contains(&code) && !of_the_caller.contains(&code),
        None => false,
    }
}
