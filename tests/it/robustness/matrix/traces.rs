//! What the real process leaves on the machine, in every kind of run: no secret in a file, nor while it runs in an argument.

use super::kind::{self, Kind};
use super::scenario::{Outside, Scenario};
use super::tally;
use agent::{Interruption, TaskResult};

fn leaves_no_secret(kind: &Kind) -> Result<(), String> {
    let mut scene = Scenario::outside(kind, Outside::Program);
    let main = scene.main_interrupted(Interruption::None);
    let settle = scene.settle_interrupted(kind.status, Interruption::None);
    let ended =
        [&main, &settle].map(|run| matches!(run.result, TaskResult::Succeeded | TaskResult::SucceededWithIssues));
    // The hours of a long job pass in the simulated world alone.
    if !kind.is_long && ended != [kind.ends_well.0, kind.ends_well.1] {
        return Err(format!("{}{}", main.log, settle.log));
    }
    for (label, value) in scene.sim.world().all_secrets() {
        scene.job.watch_secret(&label, &value);
    }
    let found = scene.job.secrets_on_disk();
    if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) }
}

#[test]
fn no_kind_of_run_leaves_a_secret_in_a_file_or_shows_one_in_an_argument() {
    tally::play("traces of every kind of run", &kind::all(), |kind| kind.name.to_owned(), leaves_no_secret);
}
