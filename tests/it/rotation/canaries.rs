//! Canaries that a check left behind: no run counts them, and every run revokes those that are older than an hour.

use crate::harness::pipeline::{NAME, Pipeline, says};
use agent::TaskResult;
use jiff::SignedDuration;
use simulator::{Fault, Op, When};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn canary(pipeline: &Pipeline, age: SignedDuration) -> String {
    pipeline.sim.world().add_pat(&format!("{NAME} [check 77.1-0a1b2c3d]")).age(age).add()
}

/// One committed with 20 days left, an old canary and a young one.
fn with_two() -> Pipeline {
    let pipeline = Pipeline::with_pat(20);
    canary(&pipeline, HOUR * 2);
    canary(&pipeline, HOUR / 2);
    pipeline
}

#[test]
fn a_run_that_is_not_due_revokes_an_old_canary_and_leaves_a_young_one_alone() {
    let pipeline = with_two();
    let run = pipeline.main(&mut pipeline.job(), &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["which a check left and nobody holds", "revoked \"nuget-publish [check 77.1-0a1b2c3d]\"", "not due"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#3 {NAME} [check 77.1]")]);
}

#[test]
fn a_rotation_counts_no_canary_and_revokes_the_old_one_at_its_end() {
    let pipeline = with_two();
    let (main, _) = pipeline.rotate(&mut pipeline.job(), &[]);
    says(&main, &["revoked \"nuget-publish [check 77.1-0a1b2c3d]\""]);
    let left = [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#3 {NAME} [check 77.1]"), format!("#4 {NAME}")];
    assert_eq!(pipeline.active(), left);
}

#[test]
fn a_dry_run_shows_what_would_become_of_a_canary() {
    let pipeline = with_two();
    let run = pipeline.main(&mut pipeline.job(), &[("rotateWhenDaysLeft", "7"), ("dryRun", "true")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["which a check left and nobody holds"]);
    assert_eq!(pipeline.sim.count(Op::RevokePat), 0);
}

#[test]
fn a_canary_that_cannot_be_revoked_is_a_warning() {
    let pipeline = with_two();
    pipeline.sim.inject(Fault::Status(403), When::every(Op::RevokePat));
    let run = pipeline.main(&mut pipeline.job(), &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(
        run.warnings.iter().any(|warning| warning.contains("could not revoke \"nuget-publish [check")),
        "{}",
        run.log
    );
}

#[test]
fn a_canary_of_another_organization_is_left_alone() {
    let pipeline = Pipeline::with_pat(20);
    let mut world = pipeline.sim.world();
    world.add_organization("fabrikam");
    world.lists_show_other_organizations = true;
    world.add_pat(&format!("{NAME} [check 77.1-0a1b2c3d]")).organization("fabrikam").age(HOUR * 2).add();
    drop(world);
    let run = pipeline.main(&mut pipeline.job(), &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.sim.count(Op::RevokePat), 0);
}
