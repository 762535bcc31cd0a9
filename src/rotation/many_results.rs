//! What a run with a manifest leaves: a table in the log and on the run's page, the worst first, and the result file.

use crate::agent::run_summary::{self, code, escaped};
use crate::context::{Context, RotationContext};
use crate::failure::Failure;
use crate::model::run_id::RunId;
use crate::model::timestamp::Timestamp;
use crate::rotation::outcome::{Outcome, Step};
use crate::rotation::{result_file, summary};

/// How one entry ended.
pub(super) struct Ended<'a> {
    /// What the log calls it.
    pub(super) shown: &'a str,
    pub(super) work: &'a RotationContext,
    pub(super) outcome: &'a Result<Outcome, Failure>,
}

/// Shows all of them. Nothing depends on it: what cannot be written is a note in the log.
pub(super) fn show(
    context: &Context,
    run: &RunId,
    began: Timestamp,
    ended: &[Ended<'_>],
    result: &Result<Outcome, Failure>,
) {
    let mut sorted: Vec<&Ended<'_>> = ended.iter().collect();
    sorted.sort_by_key(|one| one.rank());
    let lines: Vec<String> =
        sorted.iter().map(|one| format!("{:<9} {}: {}", one.word(), one.shown, one.line())).collect();
    context.console.group("Tokens", &lines.join("\n"));
    let is_worth_it = ended.iter().any(|one| summary::is_worth_it(one.outcome));
    if is_worth_it
        && let Some(folder) = &context.access.pipeline.temporary_folder
        && let Err(error) =
            run_summary::upload(&context.console, folder, Step::Rotate.heading(), &page(&sorted, result))
    {
        context.console.say(&summary::not_written(&error));
    }
    let rotations: Vec<_> = ended.iter().map(|one| result_file::rotation(one.work, one.outcome)).collect();
    result_file::leave(context, Step::Rotate, run, began, &rotations, is_worth_it);
}

impl Ended<'_> {
    /// The worst first.
    fn rank(&self) -> u8 {
        match self.outcome {
            Err(failure) if !failure.is_cancelled() => 0,
            Err(_) => 1,
            Ok(Outcome::Rotated { .. }) => 2,
            Ok(Outcome::WaitingFor(_)) => 3,
            Ok(_) => 4,
        }
    }

    fn word(&self) -> &'static str {
        match self.outcome {
            Ok(Outcome::Rotated { .. }) => "rotated",
            Ok(Outcome::WaitingFor(_)) => "waiting",
            Ok(Outcome::DryRun { is_due: true }) => "due",
            Ok(_) => "not due",
            Err(failure) if failure.is_cancelled() => "canceled",
            Err(_) => "failed",
        }
    }

    fn line(&self) -> String {
        match self.outcome {
            Ok(Outcome::Rotated { id, valid_to, .. }) => format!("the new token {id} works until {valid_to}"),
            Ok(Outcome::NotDue(Some(next))) => format!("next rotation from {next}"),
            Ok(outcome) => outcome.to_string(),
            Err(failure) => failure.what(),
        }
    }
}

fn page(sorted: &[&Ended<'_>], result: &Result<Outcome, Failure>) -> String {
    let result = match result {
        Ok(outcome) => outcome.to_string(),
        Err(failure) => failure.what(),
    };
    let mut page = format!("**Result: {}**\n\n", escaped(&result));
    page.push_str("| | PAT | organization | valid until | places |\n|---|---|---|---|---|\n");
    for one in sorted {
        let progress = one.work.progress.borrow();
        let places: Vec<String> = progress.places.iter().map(|place| code(place)).collect();
        let in_force = progress.new.as_ref().or(progress.old.as_ref());
        page.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            one.word(),
            code(one.work.settings.request.name.as_str()),
            code(&one.work.context.access.organization.name),
            in_force.map(|pat| pat.valid_to.to_string()).unwrap_or_default(),
            places.join("<br>"),
        ));
    }
    for one in sorted {
        if let Err(failure) = one.outcome {
            page.push_str(&format!("\n**{}**\n\n", escaped(one.shown)));
            for line in failure.in_full().lines() {
                page.push_str(&format!("* {}\n", code(line)));
            }
        }
    }
    page
}
