//! What a rotation leaves for machines: a JSON file with ids, names, dates, places and every change in its order, and
//! nothing secret. Its schema is `docs/result.schema.json`.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::agent::run_summary::create_folder;
use crate::context::{Context, Progress, RotationContext};
use crate::failure::Failure;
use crate::model::effect::Effect;
use crate::model::pat::Pat;
use crate::model::run_id::RunId;
use crate::model::timestamp::Timestamp;
use crate::rotation::outcome::{Outcome, Step};

const SCHEMA_VERSION: u32 = 1;

/// Writes the file and names it in an output variable. Attaches it to the run where something was changed or refused.
/// Nothing depends on it: a file that cannot be written is a note in the log.
pub fn leave(context: &Context, step: Step, run: &RunId, began: Timestamp, rotations: &[Value], is_worth_it: bool) {
    let Some(folder) = &context.access.pipeline.temporary_folder else { return };
    let whole = json!({
        "schemaVersion": SCHEMA_VERSION,
        "program": env!("CARGO_PKG_VERSION"),
        "step": step.word(),
        "run": run.to_string(),
        "beganAt": context.clock.corrected(began).to_string(),
        "endedAt": context.clock.now().to_string(),
        "rotations": rotations,
    });
    if let Err(error) = write(context, folder, &whole, is_worth_it, step) {
        context.console.say(&format!("note: could not leave the result file: {error}"));
    }
}

fn write(context: &Context, folder: &Path, whole: &Value, is_worth_it: bool, step: Step) -> io::Result<()> {
    let folder = folder.join(format!("run-result-{:08x}", fastrand::u32(..)));
    create_folder(&folder)?;
    let file = folder.join("result.json");
    let path = file.to_string_lossy();
    if !context.console.shows_exactly(&path) {
        return Err(io::Error::other("the log cannot show the path of the agent's temporary folder as it is"));
    }
    fs::write(&file, context.console.hidden().redacted(&format!("{whole:#}\n")))?;
    // No step comes after the post-job stage.
    if step != Step::PostJob {
        context.console.set_output("resultFile", &path)?;
    }
    if is_worth_it { context.console.upload_file(&path) } else { Ok(()) }
}

/// One rotation in the file.
pub fn rotation(work: &RotationContext, ended: &Result<Outcome, Failure>) -> Value {
    let Progress { new, old, places, overlap_ends, other_run, effects } = &*work.progress.borrow();
    let (result, line, failure) = match ended {
        Ok(outcome) => (outcome.word(), outcome.to_string(), Value::Null),
        Err(failure) => {
            let what = failure.what();
            let said = json!({"what": what, "now": failure.now(), "do": failure.advice()});
            (if failure.is_cancelled() { "canceled" } else { "failed" }, what, said)
        }
    };
    let rotates_on = match ended {
        Ok(Outcome::NotDue(next)) => *next,
        Ok(Outcome::Rotated { .. } | Outcome::Committed { .. }) => {
            new.as_ref().and_then(|new| work.settings.request.rotate_when.next(new))
        }
        _ => None,
    };
    json!({
        "patName": work.settings.request.name.as_str(),
        "organization": work.context.access.organization.name,
        "result": result,
        "line": line,
        "failure": failure,
        "new": new.as_ref().map(token),
        "old": old.as_ref().map(token),
        "places": places,
        "overlapEnds": overlap_ends.map(|ends| ends.to_string()),
        "nextRotationFrom": rotates_on.map(|next| next.to_string()),
        "otherRun": other_run.as_ref().map(RunId::to_string),
        "effects": effects.iter().map(effect).collect::<Vec<_>>(),
    })
}

fn token(pat: &Pat) -> Value {
    json!({
        "authorizationId": pat.id.as_str(),
        "displayName": pat.display_name,
        "scope": pat.scopes.as_str(),
        "validFrom": pat.valid_from.to_string(),
        "validTo": pat.valid_to.to_string(),
    })
}

fn effect(effect: &Effect) -> Value {
    json!({
        "at": effect.at.to_string(),
        "effect": effect.act.word(),
        "isCertain": effect.is_certain,
        "authorizationId": effect.id.as_ref().map(|id| id.as_str()),
        "displayName": effect.display_name,
        "place": effect.place,
    })
}
