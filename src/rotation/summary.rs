//! What a rotation puts on the run's page, so that nobody has to open a log to see how it stands.

use std::io;
use std::path::Path;

use crate::agent::logging_commands::Console;
use crate::agent::run_summary::{self, code, escaped};
use crate::context::{Progress, RotationContext};
use crate::failure::Failure;
use crate::model::run_id::RunId;
use crate::rotation::outcome::{Outcome, Step};
use crate::settings::Fault;

/// Shows how a stage ended, if it changed or refused something. Nothing depends on it: a page that cannot be written is a note in the log.
pub fn show(work: &RotationContext, step: Step, ended: &Result<Outcome, Failure>) {
    let Some(folder) = &work.context.access.pipeline.temporary_folder else { return };
    if is_worth_it(ended)
        && let Err(error) = run_summary::upload(&work.context.console, folder, step.heading(), &page(work, ended))
    {
        work.context.console.say(&not_written(&error));
    }
}

/// Shows what is wrong with the inputs of any command.
///
/// # Errors
/// When the page cannot be written.
pub fn show_faults(console: &Console, folder: &Path, result: &str, faults: &[Fault], now: &str) -> io::Result<()> {
    let mut page = format!("**Result: {}**\n\n", escaped(&format!("failed: {result}")));
    for fault in faults {
        page.push_str(&format!("* {}\n", code(&fault.to_string())));
    }
    page.push_str(&format!("\n{}\n", escaped(now)));
    run_summary::upload(console, folder, "RotatePat", &page)
}

/// For the log.
pub fn not_written(error: &io::Error) -> String {
    format!("note: could not write the summary for the run's page: {error}")
}

/// Whether something was changed or refused.
pub fn is_worth_it(ended: &Result<Outcome, Failure>) -> bool {
    match ended {
        Err(_) | Ok(Outcome::Rotated { .. } | Outcome::Committed { .. } | Outcome::Held(_)) => true,
        Ok(_) => false,
    }
}

fn page(work: &RotationContext, ended: &Result<Outcome, Failure>) -> String {
    let Progress { new, old, places, overlap_ends, other_run, effects: _ } = &*work.progress.borrow();
    let request = &work.settings.request;
    let result = match ended {
        Ok(outcome) => outcome.to_string(),
        Err(failure) if failure.is_cancelled() => "canceled".to_owned(),
        Err(_) => "failed".to_owned(),
    };
    let mut page = format!("**Result: {}**\n\n", escaped(&result));
    if let Ok(Outcome::Held(_)) = ended {
        page.push_str("Both tokens work. The next run rotates and then retires both.\n\n");
    }
    if let Err(failure) = ended {
        let lines = failure.in_full();
        for line in lines.lines() {
            page.push_str(&format!("* {}\n", code(line)));
        }
        page.push('\n');
    }
    let mut row = |what: &str, is: &str| page.push_str(&format!("| {what} | {is} |\n"));
    row("PAT", &code(request.name.as_str()));
    row("---", "---");
    row("Organization", &code(&work.context.access.organization.name));
    row("Run", &code(&request.run.to_string()));
    if let Some(new) = new {
        row("New token", &format!("{}, valid until {}", code(new.id.as_str()), new.valid_to));
    }
    if let Some(old) = old {
        let ends = overlap_ends.map_or(old.valid_to, |ends| ends.min(old.valid_to));
        row("Old token", &format!("{}, valid until {ends}", code(old.id.as_str())));
    }
    if !places.is_empty() {
        let places: Vec<String> = places.iter().map(|place| code(place)).collect();
        row("The new value is in", &places.join("<br>"));
    }
    let next = new.as_ref().and_then(|new| request.rotate_when.next(new));
    if let (Some(next), Ok(Outcome::Rotated { .. } | Outcome::Committed { .. })) = (next, ended) {
        row("Next rotation due", &format!("from {next}"));
    }
    if let Some(run) = other_run {
        row("Other run", &link(work, run));
    }
    page
}

/// A build by its address; a release by its name.
fn link(work: &RotationContext, run: &RunId) -> String {
    let pipeline = &work.context.access.pipeline;
    let is_plain = pipeline.project.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match run.build() {
        Some(build) if is_plain => {
            let address = format!("{}/{}/_build/results?buildId={build}", pipeline.organization, pipeline.project);
            format!("[build {build}]({address}), run {}", code(&run.to_string()))
        }
        _ => code(&run.to_string()),
    }
}
