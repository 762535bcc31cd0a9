//! The command `check`: goes through everything that a rotation needs, in the tenant where it will run. What reads, reads
//! side by side; a row that depends on one that is not ok is not tried. A canary settles what no document says.

mod canary;
mod files;
mod look;
mod machine;
mod measure;
mod request;
pub mod row;

use self::look::Looked;
pub use self::request::Check;
use self::row::{faults, sentence, table};
use crate::context::RotationContext;
use crate::failure::{Failure, StepError, UNCHANGED};

/// Runs the check.
///
/// # Errors
/// The rows that are not ok, or that the run was cancelled; with what is true of the canary.
pub async fn run(check: &Check<'_>) -> Result<(), Failure> {
    let context = &check.rotation.context;
    let cancel = context.http.cancel();
    let looked = tokio::select! {
        looked = look::look(check.rotation) => looked,
        () = cancel.requested() => return Err(StepError::cancelled().now(UNCHANGED)),
    };
    let Looked { mut rows, as_user, blocked_by } = looked;
    let canary = match (&as_user, check.has_canary) {
        (Some(as_user), true) => canary::measure(check.rotation, as_user).await,
        (None, true) => canary::not_made(&format!("not tried: it depends on {blocked_by}")),
        (_, false) => canary::not_made("left out: `canary` is `false`"),
    };
    let now = canary.now();
    rows.extend(canary.rows);
    context.console.group("Check", &table(&rows));
    context.console.say(&sentence(&rows));
    if let Err(error) = files::show(check, &rows) {
        context.console.warn(&format!("could not write the check's summary and file: {error}"));
    }
    if cancel.is_requested() {
        return Err(StepError::cancelled().now(now));
    }
    let faults = faults(&rows);
    if !faults.is_empty() {
        let error = anyhow::anyhow!("{} of {} rows not ok: {}", faults.len(), rows.len(), faults.join("; "));
        let advice = "Do what the table says below each of these rows; then check again.";
        return Err(StepError::new(error).advise(advice).now(now));
    }
    if !canary.remaining.is_empty() {
        let error = anyhow::anyhow!("could not see to it that every token of a check is revoked");
        return Err(StepError::new(error).advise("Check again after an hour.").now(now));
    }
    context.console.say(&format!("Result: checked: {}", sentence(&rows)));
    Ok(())
}

/// Ends a dry run with the rows that need no canary, in the log and on the run's page. They decide nothing.
///
/// # Errors
/// That the run was cancelled.
pub async fn after_dry_run(work: &RotationContext) -> Result<(), Failure> {
    let context = &work.context;
    let looked = tokio::select! {
        looked = look::look(work) => looked,
        () = context.http.cancel().requested() => return Err(StepError::cancelled().now(UNCHANGED)),
    };
    context.console.group("Check", &table(&looked.rows));
    let more = "`command: check` also makes a token of its own, measures and revokes it";
    context.console.say(&format!("{}; {more}", sentence(&looked.rows)));
    if let Some(folder) = &context.access.pipeline.temporary_folder
        && let Err(error) = files::show_page(context, folder, "PAT rotation, dry run", &looked.rows)
    {
        context.console.warn(&format!("could not write the summary for the run's page: {error}"));
    }
    Ok(())
}
