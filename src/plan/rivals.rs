//! Other runs with a pending token, and earlier tries of this one: which of them may still act.

use std::time::Duration;

use crate::model::marker::Generation;
use crate::model::pat::Pat;
use crate::model::run_id::{BuildState, Liveness, RunId};
use crate::model::timestamp::Timestamp;
use crate::plan::{Known, LATE_REQUESTS, NamedPat, RIVAL_LIVES_AT_MOST, RotationRequest, SETTLE_WITHIN, family};

/// The runs, other than this one, whose pending ones are listed: whether they still work must be asked.
pub fn runs_to_ask(request: &RotationRequest, listed: &[Pat]) -> Vec<RunId> {
    let mut runs: Vec<RunId> = Vec::new();
    for member in family(&request.name, listed) {
        if let Generation::Pending(run) = member.generation
            && !request.run.is_own(&run)
            && !runs.iter().any(|known| known.run == run.run)
        {
            runs.push(run);
        }
    }
    runs
}

/// Whether a run with pending tokens is still at work, by what the service says of its build. Of a token that is younger
/// than the build's end, the build says nothing: it is another organization's build of the same number.
pub fn liveness(request: &RotationRequest, listed: &[Pat], run: &RunId, build: BuildState, now: Timestamp) -> Liveness {
    let finished = match build {
        BuildState::NotCompleted => return Liveness::Alive,
        BuildState::Completed(Some(finished)) => finished,
        BuildState::Completed(None) | BuildState::Unknown => return Liveness::Unknown,
    };
    let is_of_the_run = |m: &NamedPat| matches!(&m.generation, Generation::Pending(by) if by.run == run.run);
    let members = family(&request.name, listed);
    let newest = members.iter().filter(|m| is_of_the_run(m)).map(|m| m.pat.valid_from).max();
    match newest {
        Some(made) if finished > made && now.since(finished) >= LATE_REQUESTS => Liveness::Dead,
        Some(made) if finished > made => Liveness::Alive,
        _ => Liveness::Unknown,
    }
}

/// The run of another's pending one, if it is still at work.
pub(super) fn alive_rival(request: &RotationRequest, known: &Known<'_>, member: &NamedPat) -> Option<RunId> {
    let Generation::Pending(run) = &member.generation else { return None };
    if request.run.is_own(run) {
        return None;
    }
    let alive = match known.liveness.get(&run.run).copied().unwrap_or(Liveness::Unknown) {
        Liveness::Alive => true,
        Liveness::Dead => false,
        Liveness::Unknown => known.now.since(member.pat.valid_from) < RIVAL_LIVES_AT_MOST,
    };
    alive.then(|| run.clone())
}

/// A pending one of this job's own earlier attempt, or of an earlier try of its step, and until when what that sent may
/// still arrive. Its last sign of life is that it was made, or that it superseded others.
pub(super) fn earlier_attempt(
    request: &RotationRequest,
    known: &Known<'_>,
    members: &[NamedPat],
    member: &NamedPat,
) -> Option<(RunId, Timestamp)> {
    let Generation::Pending(run) = &member.generation else { return None };
    let made = member.pat.valid_from.plus(LATE_REQUESTS);
    let until = settles_until(members, run, request.overlap, known.now).map_or(made, |settled| settled.max(made));
    (request.run.is_own(run) && known.now < until).then(|| (run.clone(), until))
}

/// Until when what a run sent to settle may still arrive, if it superseded others lately.
pub(super) fn settles_until(members: &[NamedPat], run: &RunId, overlap: Duration, now: Timestamp) -> Option<Timestamp> {
    let superseded = members.iter().filter_map(|m| match &m.generation {
        Generation::Superseded { by, ends } if by == run => Some(ends.minus(overlap)),
        _ => None,
    });
    // Rounded up to the minute; of another overlap than today's it may be any time.
    let latest = now.plus(Duration::from_secs(60));
    superseded.filter(|at| *at <= latest).map(|at| at.plus(SETTLE_WITHIN).plus(LATE_REQUESTS)).max()
}
