//! Gives up a new token: revokes it where nobody can hold it, else marks it as held.

use crate::azure::pats::{Change, Pats};
use crate::context::RotationContext;
use crate::failure::{Failure, StepError};
use crate::model::api_error::CallError;
use crate::model::marker::{Generation, PatName};
use crate::model::pat::Pat;
use crate::model::run_id::RunId;
use crate::model::text::quoted;

/// Revokes the new one, which nobody holds, and says what is true then.
pub(super) async fn undo(work: &RotationContext, pats: &Pats<'_>, own: &Pat, step: StepError) -> Failure {
    let named = quoted(&own.display_name);
    match pats.revoke(&own.id).await {
        Ok(()) => {
            let now = format!("The new token {} was revoked; nothing else was changed.", own.id);
            work.context.console.say(&format!("revoked {named} ({}), which nobody holds", own.id));
            step.now(&now)
        }
        Err(error) => {
            let state = if error.maybe_applied { "may not be revoked" } else { "could not be revoked" };
            step.now(format!(
                "The new token, {named} ({}), {state} ({error}); nobody holds it, and the next run retires it. Nothing \
                 else was changed.",
                own.id
            ))
        }
    }
}

/// Renames the new one to say that somebody may hold it although its job did not succeed. Returns that name.
///
/// # Errors
/// What became of the request.
pub(super) async fn mark_held(pats: &Pats<'_>, name: &PatName, run: &RunId, own: &Pat) -> Result<String, CallError> {
    let held = name.of(&Generation::Held(run.clone()));
    let change = Change { id: &own.id, display_name: &held, scopes: &own.scopes, valid_to: None };
    pats.update(&change).await.map(|_| held)
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
