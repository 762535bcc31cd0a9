//! Settling: commits the new token and retires the old ones, once whoever needs the new one has it. The order of effects is
//! list, supersede, look, commit, verify, retire; each leaves a state that the next run can tell from every other.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{anyhow, bail};

use crate::agent::handoff::State;
use crate::azure::pats::{Change, Pats, is_about_the_token, may_be_about_the_token};
use crate::context::RotationContext;
use crate::destinations::Destinations;
use crate::failure::{Failure, StepError, on};
use crate::model::api_error::{CallError, Service};
use crate::model::effect::{Act, Effect};
use crate::model::marker::{Generation, PatName};
use crate::model::pat::{AuthorizationId, Pat};
use crate::model::run_id::RunId;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::model::timestamp::Timestamp;
use crate::plan::conflicts::{BeforeCommit, before_commit, before_superseding};
use crate::plan::{NamedPat, family, shortened};
use crate::rotation::abandon::{mark_held, not_held};
use crate::rotation::verify::verify;
use crate::runtime::limits::Backoff;

/// The service rounds the times that it stores.
const ROUNDING: Duration = Duration::from_secs(60);

/// List, supersede, look, commit, verify, retire.
///
/// # Errors
/// What failed, with what is true now.
pub async fn carry_out(
    work: &RotationContext,
    destinations: &Destinations<'_>,
    pats: &Pats<'_>,
    state: &State,
    new_pat: Option<&Secret>,
) -> Result<(), Failure> {
    let ends = work.context.clock.now().plus(state.overlap).rounded_up_to_minute();
    let started = work.context.clock.steady();
    let settling =
        Settling { work, pats, state, ends, started, listed: RefCell::default(), revoked: RefCell::default() };
    {
        let mut progress = work.progress.borrow_mut();
        let is_current = |member: &&NamedPat| member.generation == Generation::Committed;
        progress.old = state.predecessors.iter().find(is_current).map(|member| member.pat.clone());
        progress.new = Some(state.own.clone());
    }
    let settled = async {
        let is_committed = settling.begin().await?;
        settling.supersede().await?;
        if !is_committed {
            settling.commit().await?;
        }
        match new_pat {
            Some(value) => settling.verify(value).await?,
            None => settling.say("note: it was not tried once more, as no place of `publishTo` can be read back"),
        }
        settling.retire().await;
        if !state.overlap.is_zero() && !state.predecessors.is_empty() {
            work.progress.borrow_mut().overlap_ends = Some(ends);
        }
        Ok(())
    };
    let ready = async { Ok(destinations.ready_to_tidy().await) };
    let ((), ready) = tokio::try_join!(settled, ready)?;
    for place in destinations.tidy(ready, pats).await {
        let disabled = Effect::on(&state.own, Act::Disabled, work.context.clock.now());
        work.note(Effect { place: Some(place), ..disabled });
    }
    Ok(())
}

/// What a list says of the commit.
#[derive(PartialEq, Eq)]
enum Looked {
    /// Nobody has taken over.
    IsClear,
    /// The new token is the current one already.
    IsCommitted,
}

/// One of the comparisons of a fresh list with the plan's.
type Comparison = fn(&PatName, &RunId, &AuthorizationId, &[NamedPat], &[Pat]) -> BeforeCommit;

/// The steps that settle one rotation.
struct Settling<'a> {
    work: &'a RotationContext,
    pats: &'a Pats<'a>,
    state: &'a State,
    /// When the overlap ends, as every marker of this run says it.
    ends: Timestamp,
    /// When that was decided, by the steady clock. What a retry or another run takes for over must not go on.
    started: Duration,
    /// The latest list. During the job a person may have renamed, shortened or narrowed a token, so what is done to it
    /// is done to what stands here and never to the plan's copy.
    listed: RefCell<Vec<Pat>>,
    /// What this run had to revoke before the commit.
    revoked: RefCell<Vec<AuthorizationId>>,
}

impl Settling<'_> {
    /// Lists what is there now. Returns whether the new token is committed already: by an earlier try of this stage.
    async fn begin(&self) -> Result<bool, Failure> {
        let now = self.standing();
        let could_not = "could not list the tokens before marking the old ones";
        let looked = self.look(before_superseding, could_not, &now).await?;
        for member in &self.state.predecessors {
            if self.current(&member.pat.id).is_none() {
                self.note_left(member);
            }
        }
        Ok(looked == Looked::IsCommitted)
    }

    /// A predecessor of the plan that is gone, or that somebody renamed out of the family, needs nothing more.
    fn note_left(&self, member: &NamedPat) {
        match self.listed.borrow().iter().find(|pat| pat.id == member.pat.id) {
            None => self.say(&format!("{member} is gone already")),
            Some(pat) => self.say(&format!(
                "note: {member} was renamed to {} during the job, so it is left alone",
                quoted(&pat.display_name)
            )),
        }
    }

    /// A token of the family as the latest list has it.
    fn current(&self, id: &AuthorizationId) -> Option<NamedPat> {
        family(&self.state.name, &self.listed.borrow()).into_iter().find(|member| member.pat.id == *id)
    }

    /// The predecessors of the plan that are still of the family, as the latest list has them.
    fn predecessors(&self) -> Vec<NamedPat> {
        self.state.predecessors.iter().filter_map(|member| self.current(&member.pat.id)).collect()
    }

    /// Lists the tokens and compares them with the plan's.
    async fn look(&self, compare: Comparison, could_not: &str, now: &str) -> Result<Looked, Failure> {
        wanted(self.work, now)?;
        self.list(could_not, now).await?;
        let State { name, run, own, listed, .. } = self.state;
        match compare(name, run, &own.id, listed, &self.listed.borrow()) {
            BeforeCommit::Clear => Ok(Looked::IsClear),
            BeforeCommit::Done => Ok(Looked::IsCommitted),
            BeforeCommit::TakenOver { seen, by } => Err(self.taken_over(&seen, by.as_ref())),
        }
    }

    async fn list(&self, could_not: &str, now: &str) -> Result<(), Failure> {
        let listing = self.pats.list().await.map_err(|error| StepError::new(on(error, could_not)).now(now))?;
        let own = listing.pats.iter().find(|pat| pat.id == self.state.own.id);
        self.work.progress.borrow_mut().new = own.cloned();
        *self.listed.borrow_mut() = listing.pats;
        Ok(())
    }

    /// Marks what the new one replaces.
    async fn supersede(&self) -> Result<(), Failure> {
        for member in self.predecessors().iter().filter(|m| !is_superseded(m)) {
            wanted(self.work, &self.standing())?;
            self.in_time().map_err(|late| {
                StepError::new(late.context(format!("could not mark {member} as replaced"))).now(self.standing())
            })?;
            let name = self.superseded_name();
            let change = Change { id: &member.pat.id, display_name: &name, scopes: &member.pat.scopes, valid_to: None };
            match self.work.noted(Act::Superseded, &member.pat, self.pats.update(&change).await) {
                Ok(_) => self.say(&format!("marked the old token {member} as replaced; it works until {}", self.ends)),
                Err(error) => self.not_marked(member, error).await?,
            }
        }
        Ok(())
    }

    /// What follows from a rename that did not succeed: only the list says that the token is gone, and only a refusal
    /// that is known to be about the token lets it be revoked instead, where no overlap is wanted.
    async fn not_marked(&self, member: &NamedPat, error: CallError) -> Result<(), Failure> {
        let what = format!("could not mark {member} as replaced");
        let is_about_it = is_about_the_token(&error);
        if may_be_about_the_token(&error) {
            let could_not = "could not list the tokens to see what became of a refused rename";
            self.list(could_not, &self.standing()).await?;
            if self.current(&member.pat.id).is_none() {
                self.note_left(member);
                return Ok(());
            }
        }
        if !is_about_it {
            return Err(StepError::new(on(error, &what)).now(self.standing()));
        }
        if !self.state.overlap.is_zero() {
            let step = StepError::new(on(error, &what)).advise(
                "Revoke the old token by hand once nobody uses it, or run once with `overlapHours: 0`, which revokes it \
                 after the job.",
            );
            return Err(self.hold_after(step).await);
        }
        self.say(&format!("{what} ({error}), so it is revoked now"));
        self.work
            .noted(Act::Revoked, &member.pat, self.pats.revoke(&member.pat.id).await)
            .map_err(|error| StepError::new(on(error, &what)).now(self.standing()))?;
        self.revoked.borrow_mut().push(member.pat.id.clone());
        Ok(())
    }

    /// Commits, at most a moment after a look that shows nobody else at it. Sent again only where the service has
    /// certainly not carried it out: a copy that lands late would bring back what another run has superseded.
    async fn commit(&self) -> Result<(), Failure> {
        let limits = self.work.context.http.limits();
        let mut backoff = Backoff::new(limits);
        let committed = self.state.name.of(&Generation::Committed);
        let what = format!("could not commit the new token as {}", quoted(&committed));
        let now = self.standing();
        let mut last = anyhow!("every list was too old when the commit was due");
        for _ in 0..limits.looks {
            self.rest(&now).await?;
            let looked = self.work.context.clock.steady();
            match self.look(before_commit, "could not list the tokens before the commit", &now).await? {
                Looked::IsCommitted => return Ok(()),
                Looked::IsClear => {}
            }
            self.rest(&now).await?;
            wanted(self.work, &now)?;
            if let Err(late) = self.in_time() {
                last = late;
                break;
            }
            if self.work.context.clock.steady().saturating_sub(looked) <= limits.commit_within {
                let own = self.current(&self.state.own.id).map_or_else(|| self.state.own.clone(), |own| own.pat);
                let change = Change { id: &own.id, display_name: &committed, scopes: &own.scopes, valid_to: None };
                match self.work.noted(Act::Committed, &own, self.pats.update_once(&change).await) {
                    Ok(_) => {
                        self.say(&format!("committed the new token as {} ({})", quoted(&committed), own.id));
                        return Ok(());
                    }
                    Err(error) if !error.is_certainly_undone() => {
                        return self.find_commit(error, &what).await;
                    }
                    Err(error) if !error.is_transient() => {
                        return Err(StepError::new(on(error, &what)).now(&now));
                    }
                    Err(error) => last = anyhow::Error::new(error),
                }
            }
            let pause = self.work.context.http.pause(Service::AzureDevOps, backoff.pause()).await;
            pause.map_err(|error| StepError::new(error).now(&now))?;
        }
        Err(StepError::new(last.context(what)).advise("Run again.").now(&now))
    }

    /// Whether what this run does now is still no other run's business.
    fn in_time(&self) -> anyhow::Result<()> {
        let limit = self.work.context.http.limits().settle_within;
        if self.work.context.clock.steady().saturating_sub(self.started) > limit {
            let minutes = limit.as_secs() / 60;
            bail!("it was not possible within {minutes} minutes, and another run may take over later");
        }
        Ok(())
    }

    /// Looks whether a commit without an answer has landed.
    async fn find_commit(&self, error: CallError, what: &str) -> Result<(), Failure> {
        let unsure = "It is not known whether the new token is committed; the next run finds out.";
        let now = format!("{unsure}{}", self.revoked_words());
        let limits = self.work.context.http.limits();
        let mut backoff = Backoff::new(limits);
        for _ in 0..limits.landings {
            let pause = self.work.context.http.pause(Service::AzureDevOps, backoff.pause()).await;
            pause.map_err(|error| StepError::new(error).now(&now))?;
            let could_not = format!("{what} ({error}), and could not list the tokens to see whether it is done");
            if self.look(before_commit, &could_not, &now).await? == Looked::IsCommitted {
                self.say("committed the new token: the list shows it, although the request got no answer");
                self.work.note(Effect::on(&self.state.own, Act::Committed, self.work.context.clock.now()));
                return Ok(());
            }
        }
        Err(StepError::new(on(error, what)).advise("Run again in ten minutes.").now(&now))
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
        let by_plan = |member: &NamedPat| self.state.predecessors.iter().find(|m| m.pat.id == member.pat.id).cloned();
        for member in self.predecessors() {
            if self.revoked.borrow().contains(&member.pat.id) {
                continue;
            }
            let is_over = match &member.generation {
                // This run's own marks say when the overlap that begins now ends.
                _ if by_plan(&member).is_some_and(|m| !is_superseded(&m)) => self.state.overlap.is_zero(),
                Generation::Superseded { ends, .. } if *ends > self.work.context.clock.now() => continue,
                _ => true,
            };
            if wanted(self.work, "").is_err() {
                return;
            }
            let done = match shortened(&member.pat, self.state.granted(), self.ends) {
                _ if is_over => self
                    .work
                    .noted(Act::Revoked, &member.pat, self.pats.revoke(&member.pat.id).await)
                    .map(|()| format!("revoked {member}")),
                Some(ends) => self.shorten(&member, ends).await,
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
        let updated = self.work.noted(Act::Shortened, &member.pat, self.pats.update(&change).await)?;
        let granted = updated.valid_to;
        // docs/assumptions.md: A token's life can be shortened.
        if granted.since(ends) > ROUNDING {
            let left = "the service left it as it was";
            return Ok(format!(
                "did not shorten {member}: {left}, so it works until a run after {} revokes it",
                self.ends
            ));
        }
        if ends.since(granted) > ROUNDING {
            self.work
                .context
                .console
                .warn(&format!("{member} now ends at {granted}, before the overlap does: a cap on lifetimes"));
        }
        Ok(format!("shortened {member} to end {}", granted.with_distance(self.work.context.clock.now())))
    }

    async fn hold_after(&self, step: StepError) -> Failure {
        let own = self.current(&self.state.own.id).map_or_else(|| self.state.own.clone(), |own| own.pat);
        match mark_held(self.work, self.pats, &self.state.run, &own).await {
            Ok(held) => step.now(format!("The new token is now {}.{}", quoted(&held), self.revoked_words())),
            Err(error) if error.maybe_applied => {
                step.now(format!("{}.{}", not_held(&error, &self.state.own), self.revoked_words()))
            }
            Err(_) => step.now(self.standing()),
        }
    }

    fn taken_over(&self, seen: &str, by: Option<&RunId>) -> Failure {
        let name = &self.state.name;
        self.work.progress.borrow_mut().other_run = by.filter(|run| **run != self.state.run).cloned();
        let error = match by {
            Some(run) if *run == self.state.run => anyhow!("the tokens named {name} changed during the job: {seen}"),
            Some(run) => anyhow!("run {run} has taken over {name}: {seen}"),
            None => anyhow!("somebody has taken over {name}: {seen}"),
        };
        let now = match self.revoked_words() {
            nothing if nothing.is_empty() => "Nothing was committed or revoked by this run.".to_owned(),
            revoked => format!("This run committed nothing.{revoked}"),
        };
        let advice = match self.current(&self.state.own.id) {
            Some(_) => "Run again.",
            None => "If somebody holds that token, run once with `rotateWhenDaysLeft: always`.",
        };
        StepError::new(error).advise(advice).now(&now)
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
        let revoked = self.revoked.borrow();
        let revoked: Vec<&str> = revoked.iter().map(AuthorizationId::as_str).collect();
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

pub(super) fn wanted(work: &RotationContext, now: &str) -> Result<(), Failure> {
    work.context.check_wanted().map_err(|error| StepError::new(error).now(now))
}

fn is_superseded(member: &NamedPat) -> bool {
    matches!(member.generation, Generation::Superseded { .. })
}

pub(super) fn still_pending(state: &State) -> String {
    format!("Nothing was retired; the new token stays {}.", quoted(&state.own.display_name))
}
