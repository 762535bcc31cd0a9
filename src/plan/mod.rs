//! What a run will do and why, decided once: a value that prints itself. `dryRun` is a plan that nobody carries out.

mod canaries;
pub mod conflicts;
mod display;
mod due;
mod family;
mod rivals;
mod settlement;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::marker::{Generation, PatName};
use crate::model::pat::{AuthorizationId, OrganizationId, Pat};
use crate::model::run_id::{Liveness, RunId};
use crate::model::scopes::Scopes;
use crate::model::text::quoted;
use crate::model::timestamp::Timestamp;

pub use self::canaries::left_canaries;
pub use self::due::RotateWhen;
pub use self::family::{NamedPat, family, of_organization};
pub use self::rivals::{liveness, runs_to_ask};
pub use self::settlement::{SettleDecision, SettleKnown, SettleRefusal, SettleRequest, Settlement, plan_settling};

use self::family::is_of_another;
use self::rivals::{alive_rival, earlier_attempt};

/// A pending one whose run cannot be asked for counts as alive until this age; docs/how-it-works.md says so.
pub const RIVAL_LIVES_AT_MOST: Duration = Duration::from_secs(6 * 60 * 60);

/// What a run sent may still arrive so long after the last sign of life of that run: its pending one is left alone until
/// then, by the job's own rerun too.
///
/// docs/assumptions.md: A request is carried out within ten minutes, or never.
pub const LATE_REQUESTS: Duration = Duration::from_secs(10 * 60);

/// No commit is sent later than this after its run began to supersede: the markers are the run's last sign of life.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// With this many left by runs that did not end well nobody consumes what is made, and each run would leave one more.
pub const MOST_LEFTOVERS: usize = 5;

/// With so many days left or fewer, a run at work elsewhere is a failure of this one: it may never end.
const FEW_DAYS: i64 = 3;

/// All that one run creates, it creates within this time: the limit of a step.
const ONE_RUN: Duration = Duration::from_secs(60 * 60);

/// What the inputs ask for.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    /// The personal access token to rotate.
    pub name: PatName,
    /// This run.
    pub run: RunId,
    /// When the days left make a run due.
    pub rotate_when: RotateWhen,
    /// Which committed one to replace when several bear the name.
    pub replace: Option<AuthorizationId>,
    /// Scopes of the new one; `None` takes those of the one replaced.
    pub scopes: Option<Scopes>,
    /// Lifetime to ask for, in days.
    pub valid_for_days: u16,
    /// Whether a first one may be created.
    pub create_if_missing: bool,
    /// How long the replaced ones live on.
    pub overlap: Duration,
    /// Where the new value goes, as the reader should see it, in order.
    pub places: Vec<String>,
    /// What the replaced ones wait for, as the reader should see it.
    pub retire_when: String,
}

/// What the services say before anything is changed.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The server's time.
    pub now: Timestamp,
    /// Every active personal access token of the user.
    pub listed: &'a [Pat],
    /// The id of the organization, where the organization says it.
    pub organization: Option<&'a OrganizationId>,
    /// Of the runs that have a pending one: whether they are still at work.
    pub liveness: &'a BTreeMap<String, Liveness>,
    /// What each destination says it holds.
    pub records: &'a [Record],
}

/// Which personal access token a destination holds, by its own record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The destination, as the reader should see it.
    pub destination: String,
    /// What its record says.
    pub holds: RecordedPat,
}

/// What a destination's record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordedPat {
    /// Its kind keeps no records.
    Unrecorded,
    /// It has no record yet.
    Nothing,
    /// The one with this id.
    Pat(AuthorizationId),
    /// The one with this id, and the value it holds no longer works.
    NoLongerValid(AuthorizationId),
}

/// What a run will do.
#[derive(Debug)]
pub struct Plan {
    name: PatName,
    run: RunId,
    now: Timestamp,
    /// Facts the reader should know whatever is decided.
    pub notes: Vec<String>,
    /// What follows from them.
    pub decision: Decision,
    /// What checks left behind: revoked now, unless something must be put right first.
    pub canaries: Vec<Pat>,
}

/// The three ways a plan can end.
#[derive(Debug)]
pub enum Decision {
    /// Make a new one and retire the others.
    Rotate(Rotation),
    /// Nothing is due.
    UpToDate(UpToDate),
    /// Something must be put right by a person first.
    Refuse(Refusal),
}

/// A rotation, decided in full.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Why, at least one.
    pub reasons: Vec<String>,
    /// The committed one that is replaced, if there is one.
    pub current: Option<NamedPat>,
    /// Everything that is retired once the job has succeeded; fixed here, by id.
    pub predecessors: Vec<NamedPat>,
    /// Every token of the name, predecessors and those left alone.
    pub listed: Vec<NamedPat>,
    /// The id of the organization, where the organization says it.
    pub organization: Option<OrganizationId>,
    /// What the new one may do.
    pub scopes: Scopes,
    /// Lifetime to ask for, in days.
    pub valid_for_days: u16,
    overlap: Duration,
    places: Vec<String>,
    retire_when: String,
}

/// A run that finds nothing due.
#[derive(Debug)]
pub struct UpToDate {
    /// The committed one.
    pub current: NamedPat,
    /// Superseded ones whose overlap has ended: revoked now.
    pub clean: Vec<NamedPat>,
    /// Another run that is rotating at this moment.
    pub waiting_for: Option<RunId>,
    rotate_when: RotateWhen,
}

/// Why nothing is done although something is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No active token has the name.
    Missing,
    /// A first one may be created, but with which scopes is unknown.
    NoScopes,
    /// A date of a token of the name cannot be read: its name and id, and the date.
    UnreadableDate(String, &'static str),
    /// Several are committed and none is chosen.
    SeveralCommitted(Vec<AuthorizationId>),
    /// Another run is rotating the same one, and it may never end: so many days are left of the committed one.
    RivalAlive(RunId, Option<i64>),
    /// An earlier attempt of this job may not have ended yet.
    EarlierAttempt(RunId, Timestamp),
    /// What runs left that did not end well has piled up.
    ManyLeftovers(Vec<RunId>),
}

/// Decides what to do.
pub fn plan(request: &RotationRequest, known: &Known<'_>) -> Plan {
    let mut notes = Vec::new();
    let listed = of_organization(known.listed, known.organization);
    let members = family(&request.name, &listed);
    let bears_the_name = |pat: &&Pat| request.name.generation(&pat.display_name).is_some();
    let of_others: Vec<String> = known
        .listed
        .iter()
        .filter(|pat| is_of_another(pat, known.organization))
        .filter(bears_the_name)
        .map(|pat| format!("{} ({})", quoted(&pat.display_name), pat.id))
        .collect();
    if !of_others.is_empty() {
        notes.push(format!("left alone, as another organization's: {}", of_others.join(", ")));
    }
    if known.organization.is_none() && !members.is_empty() {
        notes.push(
            "the organization does not say its id: nothing is revoked before a new token shows which tokens are this \
             organization's"
                .to_owned(),
        );
    }
    let decision = decide(request, &Known { listed: &listed, ..*known }, &members, &mut notes);
    let canaries = left_canaries(&request.name, known.listed, known.organization, known.now);
    Plan { name: request.name.clone(), run: request.run.clone(), now: known.now, notes, decision, canaries }
}

fn decide(request: &RotationRequest, known: &Known<'_>, members: &[NamedPat], notes: &mut Vec<String>) -> Decision {
    let spanning: Vec<&Pat> = known
        .listed
        .iter()
        .filter(|pat| pat.spans_all_organizations() && request.name.generation(&pat.display_name).is_some())
        .collect();
    for pat in &spanning {
        notes.push(format!(
            "{} ({}) spans all organizations: such tokens stop working on 2026-12-01; it is left alone",
            quoted(&pat.display_name),
            pat.id
        ));
    }

    let committed: Vec<&NamedPat> = members.iter().filter(|m| m.generation == Generation::Committed).collect();
    let chosen = committed.iter().find(|m| request.replace.as_ref() == Some(&m.pat.id)).copied();
    if let (Some(id), None) = (&request.replace, chosen) {
        notes.push(format!("`replaceAuthorizationId` {id} is not a committed {}: ignored", request.name));
    }

    // Which one is older and when it expires decides what is retired: nothing is guessed.
    if let Some((member, field)) = members.iter().find_map(|m| Some((m, m.pat.unreadable?))) {
        return Decision::Refuse(Refusal::UnreadableDate(member.to_string(), field));
    }
    if members.is_empty() && !request.create_if_missing {
        return Decision::Refuse(Refusal::Missing);
    }
    if committed.len() > 1 && chosen.is_none() {
        return Decision::Refuse(Refusal::SeveralCommitted(committed.iter().map(|m| m.pat.id.clone()).collect()));
    }
    let is_current = |m: &&NamedPat| !is_left_by_one_cut_off(m, members, request.overlap);
    let current = chosen.or(committed.first().copied().filter(is_current));
    for other in committed.iter().filter(|m| current.is_none_or(|current| current.pat.id != m.pat.id)) {
        notes.push(format!("{other} is left alone: rename or revoke it by hand before the next run"));
    }

    let rival = members.iter().find_map(|m| alive_rival(request, known, m));
    // The one that is replaced first: one still committed beside others that were superseded is taken for not chosen.
    let leftovers = members.iter().filter(|m| m.generation != Generation::Committed);
    let predecessors: Vec<NamedPat> = current.into_iter().chain(leftovers).cloned().collect();
    let reasons = reasons(request, known, members, current);

    let days_left = current.map(|m| m.pat.valid_to.days_left(known.now));
    match (rival, current) {
        (Some(run), Some(current)) if reasons.is_empty() && days_left.is_some_and(|days| days > FEW_DAYS) => {
            return Decision::UpToDate(UpToDate {
                current: current.clone(),
                clean: Vec::new(),
                waiting_for: Some(run),
                rotate_when: request.rotate_when,
            });
        }
        (Some(run), _) => return Decision::Refuse(Refusal::RivalAlive(run, days_left)),
        (None, Some(current)) if reasons.is_empty() => {
            let over = |m: &&NamedPat| matches!(m.generation, Generation::Superseded { ends, .. } if ends <= known.now);
            return Decision::UpToDate(UpToDate {
                current: current.clone(),
                clean: members.iter().filter(|_| known.organization.is_some()).filter(over).cloned().collect(),
                waiting_for: None,
                rotate_when: request.rotate_when,
            });
        }
        (None, _) => {}
    }

    if let Some((run, until)) = members.iter().find_map(|m| earlier_attempt(request, known, members, m)) {
        return Decision::Refuse(Refusal::EarlierAttempt(run, until));
    }
    let leftovers: Vec<RunId> = members
        .iter()
        .filter_map(|m| match &m.generation {
            Generation::Pending(run) | Generation::Held(run) => Some(run.clone()),
            _ => None,
        })
        .collect();
    if leftovers.len() >= MOST_LEFTOVERS {
        return Decision::Refuse(Refusal::ManyLeftovers(leftovers));
    }

    let newest_leftover = members.iter().rev().find(|m| m.generation != Generation::Committed);
    let newest_spanning = spanning.iter().max_by_key(|pat| pat.valid_from);
    let scopes = request
        .scopes
        .clone()
        .or_else(|| current.map(|m| m.pat.scopes.clone()))
        .or_else(|| newest_leftover.map(|m| m.pat.scopes.clone()))
        .or_else(|| newest_spanning.map(|pat| pat.scopes.clone()));
    let Some(scopes) = scopes else { return Decision::Refuse(Refusal::NoScopes) };
    Decision::Rotate(Rotation {
        reasons,
        current: current.cloned(),
        predecessors,
        listed: members.to_vec(),
        organization: known.organization.cloned(),
        scopes,
        valid_for_days: request.valid_for_days,
        overlap: request.overlap,
        places: request.places.clone(),
        retire_when: request.retire_when.clone(),
    })
}

/// Whether a run superseded older ones and never committed its own, so that this committed one is another, which it left
/// alone: it superseded the one that it chose. And the other was there before what it made: an older one of the run's own
/// is what a lost reply left, which no list showed to the run.
///
/// What the run made after it superseded tells nothing, as a late creation may arrive after a commit. When it superseded
/// follows from the marker and the overlap, which may have been another one then; so the committed one counts as the
/// run's own only if it is no older than a run may be, too. In doubt it is left alone.
fn is_left_by_one_cut_off(committed: &NamedPat, members: &[NamedPat], overlap: Duration) -> bool {
    let superseded_later = |run: &RunId, own: &Pat| {
        let is_long_before = own.valid_from.since(committed.pat.valid_from) > ONE_RUN;
        members.iter().any(|m| match &m.generation {
            Generation::Superseded { by, ends } => {
                let is_made_before = is_long_before || own.valid_from < ends.minus(overlap);
                by == run && m.pat.valid_from < own.valid_from && is_made_before
            }
            _ => false,
        })
    };
    members.iter().any(|m| match &m.generation {
        Generation::Pending(run) | Generation::Held(run) => {
            committed.pat.valid_from < m.pat.valid_from && superseded_later(run, &m.pat)
        }
        _ => false,
    })
}

/// Every reason to rotate now. The pending token of a run at work is not a reason, nor a place that holds it: that run is
/// rotating already.
fn reasons(
    request: &RotationRequest,
    known: &Known<'_>,
    members: &[NamedPat],
    current: Option<&NamedPat>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(request.rotate_when.reason(current.map(|m| &m.pat), known.now));
    match members.iter().filter(|m| m.generation == Generation::Committed).count() {
        1 => {}
        0 if members.is_empty() => reasons.push("there is no such token yet, and `createIfMissing` is true".to_owned()),
        0 => reasons.push("none is committed: an earlier run did not finish".to_owned()),
        several => reasons.push(format!("{several} are committed, and `replaceAuthorizationId` chooses one")),
    }
    for member in members {
        match &member.generation {
            Generation::Pending(run) if alive_rival(request, known, member).is_none() => {
                reasons.push(format!("run {run} did not finish and left {member}"));
            }
            Generation::Held(run) => reasons.push(format!("the job of run {run} did not succeed and left {member}")),
            _ => {}
        }
    }
    let is_at_work =
        |id: &AuthorizationId| members.iter().any(|m| m.pat.id == *id && alive_rival(request, known, m).is_some());
    for record in known.records {
        let at = &record.destination;
        match &record.holds {
            RecordedPat::Unrecorded => {}
            RecordedPat::Nothing => reasons.push(format!("{at} has no record of which one it holds")),
            RecordedPat::NoLongerValid(id) => reasons.push(format!("{at} holds {id}, which no longer works")),
            RecordedPat::Pat(id) if is_at_work(id) => {}
            RecordedPat::Pat(id) if current.is_none_or(|current| current.pat.id != *id) => {
                reasons.push(format!("{at} holds {id}, which is not the committed one"));
            }
            RecordedPat::Pat(_) => {}
        }
    }
    reasons
}

/// Until when a predecessor's life may be cut to `ends`, or `None` where that is not safe or changes nothing. A cap on
/// lifetimes counts from a token's creation: where the cap seen at the new one's creation could end the predecessor
/// before the overlap does, its `validTo` is never sent.
pub fn shortened(predecessor: &Pat, granted: Duration, ends: Timestamp) -> Option<Timestamp> {
    let shortens = ends < predecessor.valid_to;
    let capped_end = predecessor.valid_from.plus(granted);
    (shortens && ends <= capped_end).then_some(ends)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
