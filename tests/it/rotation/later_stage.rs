//! A later stage settles: `retireOldPat: later` leaves the new token pending, and `command: settle` in a later job of the
//! same build commits it, after an approval that may take days.

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended, says};
use agent::{Interruption, Job, JobStatus, Step, StepRun, TaskResult};
use simulator::{Fault, Op, When};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const PLACE: &str = "nuget-pat";

/// The vault's secret to publish to.
pub(super) fn place(pipeline: &Pipeline) -> String {
    format!("{}/secrets/{PLACE}", pipeline.sim.origin())
}

/// The rotating stage, which succeeds, and a later stage that deploys with the new value.
fn rotated(pipeline: &Pipeline, job: &mut Job, more: &[(&str, &str)]) -> (StepRun, StepRun) {
    let place = place(pipeline);
    let inputs = [&[("retireOldPat", "later"), ("publishTo", place.as_str())], more].concat();
    let main = pipeline.main(job, &inputs);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    pipeline.consume_variable("the new consumer", job);
    let post = pipeline.post(job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    (main, post)
}

/// A job of the same build, in a stage of its own.
fn settle_job(pipeline: &Pipeline) -> Job {
    pipeline
        .job()
        .variable("system.stageName", "settle")
        .variable("system.phaseName", "settle")
        .variable("system.jobName", "settle")
}

fn settle_in(pipeline: &Pipeline, job: &mut Job, more: &[(&str, &str)]) -> StepRun {
    let place = place(pipeline);
    let settles = [("command", "settle"), ("publishTo", place.as_str()), ("variable", ""), ("rotateWhenDaysLeft", "")];
    let inputs = pipeline.inputs(&[&settles, more].concat());
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pipeline.step(job, &Step::new("settle").inputs(&inputs), Interruption::None)
}

pub(super) fn settle(pipeline: &Pipeline, more: &[(&str, &str)]) -> StepRun {
    settle_in(pipeline, &mut settle_job(pipeline), more)
}

pub(super) fn with_pat() -> Pipeline {
    let pipeline = Pipeline::with_pat(10);
    pipeline.sim.world().new_pats_valid_after = 0;
    pipeline
}

fn pending() -> [String; 2] {
    [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]
}

fn settled() -> [String; 2] {
    [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]
}

#[track_caller]
fn is_refused(pipeline: &Pipeline, run: &StepRun, words: &[&str]) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(run, words);
    says(run, &["Now: Nothing was changed.", "Do: "]);
    assert_eq!(pipeline.sim.count(Op::RevokePat), 0);
}

#[test]
fn a_settle_step_commits_after_a_day_of_approval_what_the_first_stage_rotated() {
    let pipeline = with_pat();
    let (main, post) = rotated(&pipeline, &mut pipeline.job(), &[]);
    says(&main, &["if the job succeeds, `command: settle` in a later job of this build makes this the current token"]);
    says(&post, &["Result: pending \"nuget-publish\"", "when a later job of this build settles"]);
    assert_eq!(pipeline.active(), pending());
    pipeline.sim.world().advance(DAY);
    let run = settle(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(
        &run,
        &["settle \"nuget-publish\"", "commit: ", "verified it once more", "Result: committed \"nuget-publish\""],
    );
    assert_eq!(pipeline.active(), settled());
    pipeline.forget("the old consumer");
    pipeline.rotate(&mut pipeline.next_job(), &[("publishTo", &place(&pipeline))]);
}

#[test]
fn a_job_that_does_not_succeed_holds_what_it_made_for_a_later_stage() {
    let pipeline = with_pat();
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("retireOldPat", "later")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    ended(&mut job, JobStatus::Failed);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::SucceededWithIssues);
    assert_eq!(pipeline.active()[1], format!("#2 {NAME} [held 101.1]"));
    is_refused(&pipeline, &settle(&pipeline, &[("publishTo", "")]), &["the rotating job did not succeed and left"]);
}

#[test]
fn a_build_that_ends_before_its_settle_step_is_healed_by_the_next_run() {
    let pipeline = with_pat();
    rotated(&pipeline, &mut pipeline.job(), &[]);
    pipeline.rotate(&mut pipeline.next_job(), &[("publishTo", &place(&pipeline)), ("rotateWhenDaysLeft", "3")]);
    let healed = [
        format!("#1 {NAME} [superseded 102.1 +24h]"),
        format!("#2 {NAME} [superseded 102.1 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

#[test]
fn a_schedule_that_starts_while_an_approval_is_waited_for_leaves_the_pending_one_alone() {
    let pipeline = with_pat();
    rotated(&pipeline, &mut pipeline.job(), &[]);
    pipeline.sim.world().advance(DAY);
    let before = pipeline.sim.world().job.build_id;
    pipeline.sim.world().start_run(before + 1);
    let place = place(&pipeline);
    let waits = [("retireOldPat", "later"), ("publishTo", place.as_str()), ("rotateWhenDaysLeft", "3")];
    let run = pipeline.main(&mut pipeline.job(), &waits);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["Result: not due, and run 101.1-", "is rotating at this moment"]);
    assert_eq!(pipeline.active(), pending());
    pipeline.sim.world().start_run(before);
    let run = settle(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.active(), settled());
}

#[test]
fn a_settle_step_that_is_run_again_finds_nothing_left_to_do() {
    for overlap in ["24", "0"] {
        let pipeline = with_pat();
        rotated(&pipeline, &mut pipeline.job(), &[]);
        pipeline.forget("the old consumer");
        let mut first = settle_job(&pipeline);
        assert_eq!(settle_in(&pipeline, &mut first, &[("overlapHours", overlap)]).result, TaskResult::Succeeded);
        let before = pipeline.active();
        let mut again = settle_job(&pipeline).attempt(2);
        let run = settle_in(&pipeline, &mut again, &[("overlapHours", overlap)]);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        says(&run, &["Result: nothing to settle: "]);
        assert_eq!(pipeline.active(), before, "{overlap}");
    }
}

#[test]
fn a_settle_step_whose_commit_got_no_answer_waits_for_what_may_still_arrive_and_then_finishes() {
    let pipeline = with_pat();
    rotated(&pipeline, &mut pipeline.job(), &[]);
    // The rehearsal was the first, and the marking of the old one the second.
    pipeline.sim.inject(Fault::ResetBefore, When::every(Op::UpdatePat).after(1));
    let run = settle(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    pipeline.sim.clear_faults();
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), pending()[1].clone()]);
    let early = settle_in(&pipeline, &mut settle_job(&pipeline).attempt(2), &[]);
    is_refused(&pipeline, &early, &["a request of it may still arrive until", "Run the job again after"]);
    pipeline.sim.world().advance(SignedDuration::from_mins(16));
    let run = settle_in(&pipeline, &mut settle_job(&pipeline).attempt(3), &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn a_rerun_of_the_rotating_stage_is_settled_with_all_that_it_replaces() {
    let pipeline = with_pat();
    rotated(&pipeline, &mut pipeline.job(), &[]);
    pipeline.sim.world().advance(SignedDuration::from_mins(11));
    rotated(&pipeline, &mut pipeline.job().attempt(2), &[]);
    let run = settle(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let healed = [
        format!("#1 {NAME} [superseded 101.2 +24h]"),
        format!("#2 {NAME} [superseded 101.2 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

#[test]
fn what_a_settle_step_cannot_be_sure_of_it_refuses() {
    let nothing = with_pat();
    is_refused(
        &nothing,
        &settle(&nothing, &[("publishTo", "")]),
        &["build 101 left no pending token; there is \"nuget-publish\" (", "output `rotated` is `true`"],
    );

    let newer = with_pat();
    rotated(&newer, &mut newer.job(), &[]);
    newer.add(&format!("{NAME} [pending 102.1-0a1b2c3d]"), 30);
    is_refused(&newer, &settle(&newer, &[]), &["is newer than what this build made"]);

    let overwritten = with_pat();
    rotated(&overwritten, &mut overwritten.job(), &[]);
    overwritten.sim.world().set_secret(PLACE, "something else", &[]);
    is_refused(&overwritten, &settle(&overwritten, &[]), &["holds no token of this task, not what this build made"]);

    let failed = with_pat();
    rotated(&failed, &mut failed.job(), &[]);
    let mut job = settle_job(&failed);
    ended(&mut job, JobStatus::SucceededWithIssues);
    failed.sim.clear_transcript();
    is_refused(&failed, &settle_in(&failed, &mut job, &[]), &["the job's status is SucceededWithIssues"]);
    assert_eq!(failed.sim.transcript().len(), 0, "nothing is sent");
    assert_eq!(failed.active(), pending());
}

#[test]
fn of_two_committed_by_hand_the_one_that_is_not_chosen_is_left_alone_by_a_settle_step_too() {
    let pipeline = with_pat();
    let second = pipeline.add(NAME, 20);
    pipeline.consume("somebody who was given it by hand", &second);
    let chosen = pipeline.id(1);
    rotated(&pipeline, &mut pipeline.job(), &[("replaceAuthorizationId", &chosen)]);
    is_refused(&pipeline, &settle(&pipeline, &[]), &["2 tokens are committed under the name"]);
    let run = settle(&pipeline, &[("replaceAuthorizationId", &chosen)]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["leave alone: "]);
    let left = [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}"), format!("#3 {NAME}")];
    assert_eq!(pipeline.active(), left);
}

#[test]
fn a_dry_run_of_a_settle_step_changes_nothing() {
    let pipeline = with_pat();
    rotated(&pipeline, &mut pipeline.job(), &[]);
    let run = settle(&pipeline, &[("dryRun", "true")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["commit: ", "Result: dry run: nothing was settled"]);
    assert_eq!(pipeline.active(), pending());
}

#[test]
fn a_build_that_nobody_can_ask_for_does_not_rotate_for_a_later_stage() {
    let pipeline = with_pat();
    pipeline.sim.inject(Fault::Status(403), When::every(Op::GetBuild));
    let run = pipeline.main(&mut pipeline.job(), &[("retireOldPat", "later")]);
    is_refused(&pipeline, &run, &["could not learn from the service that this build is at work"]);
    assert_eq!(pipeline.sim.count(Op::CreatePat), 0);
}

#[test]
fn a_release_has_no_later_stage_that_settles() {
    let pipeline = with_pat();
    let run = pipeline.main(&mut pipeline.job().release(9), &[("retireOldPat", "later")]);
    is_refused_input(&run, "`retireOldPat`");
    let mut job = settle_job(&pipeline).release(9);
    is_refused_input(&settle_in(&pipeline, &mut job, &[]), "`command`");
    assert_eq!(pipeline.sim.transcript().len(), 0);
}

#[track_caller]
fn is_refused_input(run: &StepRun, input: &str) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(run, &[input, "in a release"]);
}

#[test]
fn a_settle_step_without_a_place_that_can_be_read_says_that_it_tried_nothing() {
    let pipeline = with_pat();
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("retireOldPat", "later"), ("variable", VARIABLE)]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    let run = settle(&pipeline, &[("publishTo", "")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["note: it was not tried once more, as no place of `publishTo` can be read back"]);
    assert_eq!(pipeline.active(), settled());
}
