//! The two comparisons of a fresh list with the plan's: once after the new token exists and nobody holds it, once
//! before it is committed. Pure, like the plan they guard.

use crate::model::marker::{Generation, PatName};
use crate::model::pat::{AuthorizationId, OrganizationId, Pat, Reach};
use crate::model::run_id::RunId;
use crate::model::text::quoted;
use crate::plan::{NamedPat, family, of_organization};

/// What the list says right after the creation.
#[derive(Debug, PartialEq, Eq)]
pub enum AfterCreate {
    /// Nobody else is at it.
    Clear,
    /// The new one is not listed yet, so that another run could not see it either.
    NotListedYet,
    /// Another run's pending one is earlier: it goes on, this one yields.
    Yield(RunId),
    /// Something else than the creation happened since the plan.
    Changed(String),
}

/// Whether the new token and everything that the plan counted are of one organization, the one that was asked. Where
/// the organization does not say its id, the new token is the first to show it.
///
/// # Errors
/// What does not fit, for a reader.
pub fn one_organization(new: &Pat, asked: Option<&OrganizationId>, plan: &[NamedPat]) -> Result<(), String> {
    let Some(organization) = organization_of(new) else {
        return Err("the new token does not name one organization".to_owned());
    };
    if let Some(asked) = asked.filter(|asked| *asked != organization) {
        return Err(format!(
            "the new token is of organization {organization}, and the organization's own id is {asked}"
        ));
    }
    match plan.iter().find(|known| !known.pat.is_only_of(organization)) {
        Some(other) => {
            Err(format!("{other} is of another organization than the new token, which is of {organization}"))
        }
        None => Ok(()),
    }
}

/// The one organization that a token reaches, if it is one.
fn organization_of(pat: &Pat) -> Option<&OrganizationId> {
    match &pat.reach {
        Reach::Organizations(ids) => ids.first().filter(|id| pat.is_only_of(id)),
        Reach::All => None,
    }
}

/// What is listed of the organization that the new token is of: the service made it here, so it shows what is ours.
fn ours(own: &AuthorizationId, listed: &[Pat]) -> Vec<Pat> {
    let new = listed.iter().find(|pat| pat.id == *own);
    of_organization(listed, new.and_then(organization_of))
}

/// Compares the list after the creation with the plan's.
pub fn after_create(
    name: &PatName,
    run: &RunId,
    own: &AuthorizationId,
    plan: &[NamedPat],
    listed: &[Pat],
) -> AfterCreate {
    for known in plan {
        if let Some(now) = listed.iter().find(|pat| pat.id == known.pat.id)
            && now.display_name != known.pat.display_name
        {
            let (was, is) = (quoted(&known.pat.display_name), quoted(&now.display_name));
            return AfterCreate::Changed(format!("{was} ({}) was renamed to {is}", now.id));
        }
    }
    let members = family(name, &ours(own, listed));
    let Some(mine) = members.iter().find(|m| m.pat.id == *own) else { return AfterCreate::NotListedYet };
    let is_new = |m: &&NamedPat| m.pat.id != *own && !plan.iter().any(|known| known.pat.id == m.pat.id);
    let mut earlier_rival = None;
    for member in members.iter().filter(is_new) {
        match &member.generation {
            Generation::Pending(other) if !run.is_own(other) => {
                let is_earlier = (member.pat.valid_from, &member.pat.id) < (mine.pat.valid_from, &mine.pat.id);
                if is_earlier && earlier_rival.is_none() {
                    earlier_rival = Some(other.clone());
                }
            }
            Generation::Pending(_) => {
                return AfterCreate::Changed(format!("{member} arrived late from an attempt of this run"));
            }
            _ => return AfterCreate::Changed(format!("{member} appeared")),
        }
    }
    earlier_rival.map_or(AfterCreate::Clear, AfterCreate::Yield)
}

/// What the list says right before the commit.
#[derive(Debug, PartialEq, Eq)]
pub enum BeforeCommit {
    /// Commit.
    Clear,
    /// An earlier try of the commit, whose reply was lost, was carried out.
    Done,
    /// Another run, or a person, has taken over.
    TakenOver {
        /// What was seen.
        seen: String,
        /// The run that did it, if the list tells.
        by: Option<RunId>,
    },
}

/// Compares the list at the beginning of the settling with the plan's. The same as before the commit, but that the stage
/// of a dead run may have come late and marked its own as held: it took over nothing.
pub fn before_superseding(
    name: &PatName,
    run: &RunId,
    own: &AuthorizationId,
    plan: &[NamedPat],
    listed: &[Pat],
) -> BeforeCommit {
    let members = family(name, listed);
    let as_marked = |known: &NamedPat| {
        let now = members.iter().find(|m| m.pat.id == known.pat.id)?;
        match (&known.generation, &now.generation) {
            (Generation::Pending(made), Generation::Held(by)) if made == by => Some(now.clone()),
            _ => None,
        }
    };
    let plan: Vec<NamedPat> = plan.iter().map(|known| as_marked(known).unwrap_or_else(|| known.clone())).collect();
    before_commit(name, run, own, &plan, listed)
}

/// Compares the list before the commit with the plan's: nothing may differ but what this run superseded itself.
pub fn before_commit(
    name: &PatName,
    run: &RunId,
    own: &AuthorizationId,
    plan: &[NamedPat],
    listed: &[Pat],
) -> BeforeCommit {
    let members = family(name, &ours(own, listed));
    let taken_over = |seen: String, by: Option<RunId>| BeforeCommit::TakenOver { seen, by };
    match members.iter().find(|m| m.pat.id == *own) {
        None => return taken_over(format!("the new token {own} no longer has the name, or is gone"), None),
        Some(mine) => match &mine.generation {
            Generation::Committed => return BeforeCommit::Done,
            Generation::Pending(by) if by == run => {}
            other => return taken_over(format!("the new token is now {mine}"), run_of(other)),
        },
    }
    for member in members.iter().filter(|m| m.pat.id != *own) {
        let Some(known) = plan.iter().find(|known| known.pat.id == member.pat.id) else {
            return taken_over(format!("{member} appeared since the plan"), run_of(&member.generation));
        };
        let superseded_here = matches!(&member.generation, Generation::Superseded { by, .. } if by == run);
        if known.pat.display_name != member.pat.display_name && !superseded_here {
            let was = quoted(&known.pat.display_name);
            return taken_over(format!("{was} is now {member}"), run_of(&member.generation));
        }
    }
    BeforeCommit::Clear
}

fn run_of(generation: &Generation) -> Option<RunId> {
    match generation {
        Generation::Committed => None,
        Generation::Pending(run) | Generation::Held(run) | Generation::Superseded { by: run, .. } => Some(run.clone()),
    }
}

#[cfg(test)]
#[path = "conflicts_tests.rs"]
mod tests;
