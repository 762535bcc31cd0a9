//! The plan in words: what the log shows before anything is changed, and what `dryRun` shows instead of a change.

use std::fmt;

use crate::model::marker::Generation;
use crate::model::pat::AuthorizationId;
use crate::model::run_id::RunId;
use crate::model::text::quoted;
use crate::model::timestamp::pluralize;
use crate::plan::{Decision, NamedPat, Plan, Refusal, Rotation, UpToDate};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        match &self.decision {
            Decision::Rotate(rotation) => rotation.describe(self, f)?,
            Decision::UpToDate(rest) => rest.describe(self, f)?,
            Decision::Refuse(refusal) => return write!(f, "refuse: {refusal}"),
        }
        let canaries = self.canaries.iter();
        canaries
            .map(|pat| (quoted(&pat.display_name), &pat.id))
            .try_for_each(|(name, id)| write!(f, "\n  revoke: {name} ({id}), which a check left and nobody holds"))
    }
}

impl Rotation {
    fn describe(&self, plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reasons,
            current,
            predecessors,
            listed,
            scopes,
            valid_for_days,
            overlap,
            places,
            retire_when,
            organization: _,
        } = self;
        writeln!(f, "rotate {} as run {}", plan.name, plan.run)?;
        for reason in reasons {
            writeln!(f, "  because: {reason}")?;
        }
        match current {
            Some(member) => {
                let until = member.pat.valid_to.with_distance(plan.now);
                writeln!(f, "  replace: {member}, valid until {until}")?;
            }
            None => writeln!(f, "  replace: nothing, as none is committed")?,
        }
        let is_current = |m: &&NamedPat| current.as_ref().is_some_and(|current| current.pat.id == m.pat.id);
        for member in predecessors.iter().filter(|m| !is_current(m)) {
            match member.generation {
                Generation::Superseded { .. } => writeln!(f, "  superseded before: {member}")?,
                _ => writeln!(f, "  retire too: {member}")?,
            }
        }
        for member in listed.iter().filter(|m| !predecessors.contains(m)) {
            writeln!(f, "  leave alone: {member}")?;
        }
        writeln!(f, "  create: one with {scopes}, for {}", pluralize(i64::from(*valid_for_days), "day"))?;
        writeln!(f, "  hand it to: {}", places.join(", then "))?;
        let hours = i64::try_from(overlap.as_secs() / 3600).unwrap_or(i64::MAX);
        match hours {
            _ if predecessors.is_empty() => write!(f, "  retire: nothing"),
            0 => write!(f, "  retire: {retire_when}, without an overlap"),
            _ => write!(f, "  retire: {retire_when}, after an overlap of {}", pluralize(hours, "hour")),
        }
    }
}

impl UpToDate {
    fn describe(&self, plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { current, clean, waiting_for, rotate_when } = self;
        let until = current.pat.valid_to.with_distance(plan.now);
        let nothing = if waiting_for.is_some() { "nothing else" } else { "nothing" };
        writeln!(f, "{nothing} is due for {}", plan.name)?;
        write!(f, "  {current} is valid until {until}, and {}", rotate_when.describe(&current.pat))?;
        if let Some(run) = waiting_for {
            write!(f, "\n  run {run} is rotating it at this moment")?;
        }
        for member in clean {
            write!(f, "\n  revoke: {member}, whose overlap has ended")?;
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no active token has the name"),
            Self::NoScopes => f.write_str("nothing says which scopes a first token should have"),
            Self::UnreadableDate(member, field) => write!(f, "{member} is listed without a readable {field}"),
            Self::SeveralCommitted(ids) => {
                let ids: Vec<&str> = ids.iter().map(AuthorizationId::as_str).collect();
                write!(f, "{} tokens are committed under the name: {}", ids.len(), ids.join(", "))
            }
            Self::RivalAlive(run, days_left) => {
                write!(f, "run {run} is rotating the same token at this moment")?;
                match days_left {
                    Some(days) => write!(f, ", and the current token has {} left", pluralize(*days, "day")),
                    None => Ok(()),
                }
            }
            Self::EarlierAttempt(run, until) => {
                write!(f, "run {run} left a pending token, and a request of that run may still arrive until {until}")
            }
            Self::ManyLeftovers(runs) => {
                let runs: Vec<String> = runs.iter().map(RunId::to_string).collect();
                write!(f, "{} tokens are left by runs that did not end well: {}", runs.len(), runs.join(", "))
            }
        }
    }
}

impl Refusal {
    /// The one thing to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Missing => "Check `patName` (case counts) and whose tokens these are. If it has expired, set \
                              `createIfMissing` to `true` with `scopes`."
                .to_owned(),
            Self::NoScopes => "Name `scopes`, such as `vso.packaging_write`.".to_owned(),
            Self::UnreadableDate(..) => {
                "Create a new token by hand under the name, and rename or revoke this one.".to_owned()
            }
            Self::SeveralCommitted(_) => "Give `replaceAuthorizationId` the id of the one in use, once; rename or \
                                          revoke the others by hand."
                .to_owned(),
            Self::RivalAlive(run, _) => match run.build() {
                Some(build) => format!(
                    "Let build {build} end, or cancel it, then run again ten minutes later; if it is this build, rotate in one of its jobs \
                     only. One that cannot be asked for counts as dead after 6 hours."
                ),
                None => "Let that release end, then run again; after 6 hours it counts as dead.".to_owned(),
            },
            Self::EarlierAttempt(_, until) => format!("Run the job again after {until}."),
            Self::ManyLeftovers(_) => "Find out why these runs fail: a step of the job after the rotation, or a place \
                                       that cannot be written. Fix that, revoke the tokens with `[held` or `[pending` \
                                       in their names that nobody uses, then run again."
                .to_owned(),
        }
    }
}
