//! Gives up a new token: revokes it where nobody can hold it, else marks it as held.

use crate::azure::pats::{Change, Pats};
use crate::context::RotationContext;
use crate::failure::{Failure, StepError};
use crate::model::api_error::CallError;
use crate::model::effect::Act;
use crate::model::marker::Generation;
use crate::model::pat::Pat;
use crate::model::run_id::RunId;
use crate::model::text::quoted;
use crate::rotation::create::NewPat;

/// Revokes the new one, which nobody holds, and says what is true then.
pub(super) async fn undo(work: &RotationContext, pats: &Pats<'_>, new: &NewPat, step: StepError) -> Failure {
    match revoke_unheld(work, pats, new).await {
        Ok(()) if new.may_have_twin => step.now(format!(
            "The new token {} was revoked. Another new one that nobody holds may exist; the next run retires it.",
            new.created.pat.id
        )),
        Ok(()) => step.now(format!("The new token {} was revoked; nothing else was changed.", new.created.pat.id)),
        Err(now) => step.now(now),
    }
}

/// Revokes the new one, which nobody holds.
///
/// # Errors
/// What is true when it may not be revoked.
pub(super) async fn revoke_unheld(work: &RotationContext, pats: &Pats<'_>, new: &NewPat) -> Result<(), String> {
    let own = &new.created.pat;
    let named = quoted(&own.display_name);
    match work.noted(Act::Revoked, own, pats.revoke(&own.id).await) {
        Ok(()) => {
            work.progress.borrow_mut().new = None;
            work.context.console.say(&format!("revoked {named} ({}), which nobody holds", own.id));
            Ok(())
        }
        Err(error) => {
            let state = if error.maybe_applied { "may not be revoked" } else { "could not be revoked" };
            let rest = if new.may_have_twin { "Another new one may exist too." } else { "Nothing else was changed." };
            Err(format!(
                "The new token, {named} ({}), {state} ({error}); nobody holds it, and the next run retires it. {rest}",
                own.id
            ))
        }
    }
}

/// Renames the new one to say that somebody may hold it although its job did not succeed. Returns that name.
///
/// # Errors
/// What became of the request.
pub(super) async fn mark_held(
    work: &RotationContext,
    pats: &Pats<'_>,
    run: &RunId,
    own: &Pat,
) -> Result<String, CallError> {
    let held = work.settings.request.name.of(&Generation::Held(run.clone()));
    let change = Change { id: &own.id, display_name: &held, scopes: &own.scopes, valid_to: None };
    work.noted(Act::Held, own, pats.update(&change).await).map(|_| held)
}

/// What is true of the new one when it was not certainly marked as held.
pub(super) fn not_held(error: &CallError, own: &Pat) -> String {
    let named = quoted(&own.display_name);
    if error.maybe_applied {
        format!("Whether it stays {named} or is held now is not known")
    } else {
        format!("It stays {named}")
    }
}
