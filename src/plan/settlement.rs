//! What `command: settle` does in a later job of the build that rotated: which pending token becomes the current one, and
//! what it replaces. Nothing was handed over to that job, so everything is read from the list: what is there now.

use std::fmt;
use std::time::Duration;

use crate::model::marker::{Generation, PatName};
use crate::model::pat::{AuthorizationId, OrganizationId, Pat};
use crate::model::run_id::RunId;
use crate::model::timestamp::{Timestamp, pluralize};
use crate::plan::conflicts::one_organization;
use crate::plan::rivals::settles_until;
use crate::plan::{NamedPat, Record, RecordedPat, Refusal, family, is_left_by_one_cut_off, of_organization};

/// What the inputs ask for.
#[derive(Clone, Copy, Debug)]
pub struct SettleRequest<'a> {
    pub name: &'a PatName,
    /// The settle step itself. The rotating one is of the same build, and differs in job and attempt.
    pub run: &'a RunId,
    /// Which committed one is replaced when several bear the name.
    pub replace: Option<&'a AuthorizationId>,
    /// How long the replaced ones live on.
    pub overlap: Duration,
}

/// What the services say before anything is changed.
#[derive(Clone, Copy, Debug)]
pub struct SettleKnown<'a> {
    /// The server's time.
    pub now: Timestamp,
    /// Every active token of the user.
    pub listed: &'a [Pat],
    /// The id of the organization, where the organization says it.
    pub organization: Option<&'a OrganizationId>,
    /// What each place of `publishTo` says it holds.
    pub records: &'a [Record],
}

/// The three ways it can end.
#[derive(Debug)]
pub enum SettleDecision {
    Settle(Settlement),
    /// An earlier try of this step, or of another one, has done it.
    Settled {
        current: NamedPat,
        /// Superseded ones whose overlap has ended: revoked now.
        clean: Vec<NamedPat>,
    },
    Refuse(SettleRefusal),
}

/// A settling, decided in full.
#[derive(Debug)]
pub struct Settlement {
    /// The new token.
    pub own: NamedPat,
    /// The run that made it, whose name the markers bear.
    pub run: RunId,
    /// Everything that is retired.
    pub predecessors: Vec<NamedPat>,
    /// Every token of the name.
    pub listed: Vec<NamedPat>,
    overlap: Duration,
    now: Timestamp,
}

/// Why nothing is settled.
#[derive(Debug, PartialEq, Eq)]
pub enum SettleRefusal {
    /// This build has nothing pending: what bears the name instead.
    NothingPending(RunId, Vec<String>),
    /// The rotating job did not succeed.
    Held(String),
    /// Several jobs of this build rotated, or a request arrived late.
    SeveralPending(Vec<String>),
    /// A newer token of the name than the build's.
    TakenOver(String),
    /// A place does not hold the build's token, or holds a value that does not work.
    NotInPlace(String, Option<String>),
    /// An earlier try may not have ended yet.
    EarlierTry(RunId, Timestamp),
    /// Which tokens are this organization's cannot be told.
    Organization(String),
    /// What stops a rotation too.
    Rotation(Refusal),
}

/// Decides what to do.
pub fn plan_settling(request: &SettleRequest<'_>, known: &SettleKnown<'_>) -> SettleDecision {
    use SettleDecision::Refuse;
    let members = family(request.name, &of_organization(known.listed, known.organization));
    if let Some((member, field)) = members.iter().find_map(|m| Some((m, m.pat.unreadable?))) {
        return Refuse(SettleRefusal::Rotation(Refusal::UnreadableDate(member.to_string(), field)));
    }
    let of_this_build: Vec<(&NamedPat, &RunId)> = members
        .iter()
        .filter_map(|m| match &m.generation {
            Generation::Pending(run) if run.run == request.run.run => Some((m, run)),
            _ => None,
        })
        .collect();
    // What an earlier attempt of the rotating job left, its later attempt replaces.
    let Some(&(own, run)) = of_this_build.iter().max_by_key(|(_, run)| run.attempt) else {
        return nothing_pending(request, known, &members);
    };
    let is_of_one_job = of_this_build
        .iter()
        .all(|(m, other)| m.pat.id == own.pat.id || (other.hash == run.hash && other.attempt < run.attempt));
    if !is_of_one_job {
        return Refuse(SettleRefusal::SeveralPending(of_this_build.iter().map(|(m, _)| m.to_string()).collect()));
    }
    if let Err(why) = one_organization(&own.pat, known.organization, &members) {
        return Refuse(SettleRefusal::Organization(why));
    }
    let age = |m: &NamedPat| (m.pat.valid_from, m.pat.id.clone());
    if let Some(newer) = members.iter().find(|m| age(m) > age(own)) {
        return Refuse(SettleRefusal::TakenOver(newer.to_string()));
    }
    if let Some(until) = settles_until(&members, run, request.overlap, known.now).filter(|until| known.now < *until) {
        return Refuse(SettleRefusal::EarlierTry(run.clone(), until));
    }
    if let Some(refusal) = known.records.iter().find_map(|record| not_in_place(record, &own.pat.id)) {
        return Refuse(refusal);
    }

    let committed: Vec<&NamedPat> = members.iter().filter(|m| m.generation == Generation::Committed).collect();
    let chosen = committed.iter().find(|m| request.replace == Some(&m.pat.id)).copied();
    if committed.len() > 1 && chosen.is_none() {
        let ids = committed.iter().map(|m| m.pat.id.clone()).collect();
        return Refuse(SettleRefusal::Rotation(Refusal::SeveralCommitted(ids)));
    }
    let is_current = |m: &&NamedPat| !is_left_by_one_cut_off(m, &members, request.overlap);
    let current = chosen.or(committed.first().copied().filter(is_current));
    let others = members.iter().filter(|m| m.generation != Generation::Committed && m.pat.id != own.pat.id);
    SettleDecision::Settle(Settlement {
        own: own.clone(),
        run: run.clone(),
        predecessors: current.into_iter().chain(others).cloned().collect(),
        listed: members.clone(),
        overlap: request.overlap,
        now: known.now,
    })
}

/// Nothing is left to do where this build's own mark, or every place that keeps a record, shows that the current token is
/// what the build made. With neither, the token may as well have been revoked while an approval was waited for.
fn nothing_pending(request: &SettleRequest<'_>, known: &SettleKnown<'_>, members: &[NamedPat]) -> SettleDecision {
    let is_own = |run: &RunId| run.run == request.run.run;
    let held = members.iter().find(|m| matches!(&m.generation, Generation::Held(run) if is_own(run)));
    if let Some(held) = held {
        return SettleDecision::Refuse(SettleRefusal::Held(held.to_string()));
    }
    let committed: Vec<&NamedPat> = members.iter().filter(|m| m.generation == Generation::Committed).collect();
    if let [current] = committed[..] {
        let superseded_here = |m: &&NamedPat| matches!(&m.generation, Generation::Superseded { by, .. } if is_own(by));
        let last_superseded = members.iter().filter(superseded_here).map(|m| m.pat.valid_from).max();
        let is_marked = last_superseded.is_some_and(|last| last < current.pat.valid_from);
        let mut recorded = known.records.iter().filter(|record| record.holds != RecordedPat::Unrecorded).peekable();
        let is_recorded = recorded.peek().is_some()
            && recorded.all(|record| record.holds == RecordedPat::Pat(current.pat.id.clone()));
        if is_marked || is_recorded {
            let over = |m: &&NamedPat| matches!(m.generation, Generation::Superseded { ends, .. } if ends <= known.now);
            return SettleDecision::Settled {
                current: current.clone(),
                clean: members.iter().filter(|_| known.organization.is_some()).filter(over).cloned().collect(),
            };
        }
    }
    let there = members.iter().map(NamedPat::to_string).collect();
    SettleDecision::Refuse(SettleRefusal::NothingPending(request.run.clone(), there))
}

fn not_in_place(record: &Record, own: &AuthorizationId) -> Option<SettleRefusal> {
    let holds = match &record.holds {
        RecordedPat::Unrecorded => return None,
        RecordedPat::Pat(id) if id == own => return None,
        RecordedPat::NoLongerValid(id) if id == own => None,
        RecordedPat::Nothing => Some("no token of this task".to_owned()),
        RecordedPat::Pat(id) | RecordedPat::NoLongerValid(id) => Some(id.to_string()),
    };
    Some(SettleRefusal::NotInPlace(record.destination.clone(), holds))
}

impl fmt::Display for SettleDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settle(settlement) => settlement.fmt(f),
            Self::Settled { current, clean } => {
                write!(f, "nothing is left to settle: {current} is the current token")?;
                clean.iter().try_for_each(|member| write!(f, "\n  revoke: {member}, whose overlap has ended"))
            }
            Self::Refuse(refusal) => write!(f, "refuse: {refusal}"),
        }
    }
}

impl fmt::Display for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { own, run, predecessors, listed, overlap, now } = self;
        writeln!(f, "settle what run {run} rotated")?;
        write!(f, "  commit: {own}, valid until {}", own.pat.valid_to.with_distance(*now))?;
        let hours = i64::try_from(overlap.as_secs() / 3600).unwrap_or(i64::MAX);
        for member in predecessors {
            match (&member.generation, hours) {
                (Generation::Superseded { ends, .. }, _) => {
                    write!(f, "\n  superseded before: {member}, until {ends}")?;
                }
                (_, 0) => write!(f, "\n  retire: {member}, without an overlap")?,
                _ => write!(f, "\n  retire: {member}, after an overlap of {}", pluralize(hours, "hour"))?,
            }
        }
        let is_other = |m: &&NamedPat| m.pat.id != own.pat.id && !predecessors.contains(m);
        listed.iter().filter(is_other).try_for_each(|member| write!(f, "\n  leave alone: {member}"))
    }
}

impl fmt::Display for SettleRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingPending(run, there) => {
                write!(f, "build {} left no pending token", run.run)?;
                match there[..] {
                    [] => f.write_str(", and no active token has the name"),
                    _ => write!(f, "; there is {}", there.join(", ")),
                }
            }
            Self::Held(member) => write!(f, "the rotating job did not succeed and left {member}"),
            Self::SeveralPending(members) => {
                write!(f, "this build left {} pending tokens: {}", members.len(), members.join(", "))
            }
            Self::TakenOver(member) => write!(f, "{member} is newer than what this build made"),
            Self::NotInPlace(place, Some(holds)) => write!(f, "{place} holds {holds}, not what this build made"),
            Self::NotInPlace(place, None) => write!(f, "{place} holds what this build made, and it does not work"),
            Self::EarlierTry(run, until) => write!(
                f,
                "an earlier try to settle run {run} did not end well, and a request of it may still arrive until {until}"
            ),
            Self::Organization(why) => write!(f, "which tokens are this organization's cannot be told: {why}"),
            Self::Rotation(refusal) => refusal.fmt(f),
        }
    }
}

impl SettleRefusal {
    /// The one thing to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::NothingPending(..) => {
                "Let this step run only where the rotating step's output `rotated` is `true`; if it is, find out who \
                 revoked or renamed the new token, and run the whole pipeline again."
            }
            Self::Held(_) => "Run the whole pipeline again: the next rotation replaces both.",
            Self::SeveralPending(_) => "Rotate in one job of the build only, and run the whole pipeline again.",
            Self::TakenOver(_) => "Run the whole pipeline again.",
            Self::NotInPlace(_, Some(_)) => {
                "Find out who wrote it, and run the whole pipeline again; or correct `publishTo` of this step."
            }
            Self::NotInPlace(_, None) => {
                "Find out who revoked it or which policy forbids it, then run the whole pipeline again."
            }
            Self::EarlierTry(_, until) => return format!("Run the job again after {until}."),
            Self::Organization(_) => "Rename the token of the other organization, then run this job again.",
            Self::Rotation(refusal) => return refusal.advice(),
        }
        .to_owned()
    }
}

#[cfg(test)]
#[path = "settlement_tests.rs"]
mod tests;
