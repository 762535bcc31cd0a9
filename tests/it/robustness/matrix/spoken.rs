//! Every logging command of every kind of run, for others to judge: `tests/conformance` reads them with Microsoft's own
//! parser. `ROTATE_PAT_COMMANDS` names the file that they are written to.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use serde_json::json;

use super::kind;
use super::scenario::Scenario;
use crate::harness::in_process::{Conditions, LocalJob};
use crate::harness::pipeline::of_this_machine;
use crate::report::{OF_ALL, local};
use agent::Command;
use simulator::{Simulator, World};

#[test]
fn every_logging_command_of_every_kind_of_run_is_one_to_the_agent() {
    let mut spoken: Vec<String> = Vec::new();
    for kind in kind::all() {
        let mut scene = Scenario::new(&kind);
        let conditions = Conditions::new(&scene.sim);
        let main = scene.main(conditions);
        let conditions = Conditions::new(&scene.sim);
        let settle = scene.settle(kind.status, conditions);
        spoken.extend([main, settle].iter().flat_map(|run| &run.raw).map(|line| line.text.clone()));
    }
    for scope in [OF_ALL, ("reportScope", "own")] {
        let (_sim, mut job) = local(3, &[scope]);
        job.main();
        spoken.append(&mut job.raw);
    }
    // What must be escaped, in the name of a PAT that is there and of one that is not.
    for name in ["100% of; it] [here", "100% of; it] [nowhere"] {
        let mut world = World::new();
        world.add_pat("100% of; it] [here").days_left(5).add();
        let sim = Arc::new(Simulator::start(world));
        let mut job = LocalJob::new(&sim, &[("patName", name), ("variable", "PAT")]);
        job.main();
        spoken.append(&mut job.raw);
    }
    spoken.retain(|line| line.starts_with("##vso["));
    let parsed: Vec<Command> = spoken.iter().filter_map(|line| Command::parse(line, true)).collect();
    assert_eq!(parsed.len(), spoken.len());
    assert!(spoken.iter().any(|line| line.contains("%AZP25")));
    let seen: BTreeSet<&str> = parsed.iter().map(|one| one.event.as_str()).collect();
    let all = ["complete", "logissue", "setsecret", "settaskvariable", "setvariable", "uploadfile", "uploadsummary"];
    assert_eq!(seen, BTreeSet::from(all));
    if let Some(file) = of_this_machine("ROTATE_PAT_COMMANDS") {
        let lines = spoken.iter().zip(&parsed).map(|(line, one)| {
            let name = format!("{}.{}", one.area, one.event);
            json!({"line": line.trim_end_matches(['\r', '\n']), "command": name, "properties": one.properties, "data": one.data})
        });
        fs::write(file, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}
