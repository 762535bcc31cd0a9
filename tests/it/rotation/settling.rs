//! What becomes of a new PAT at the end of the job: committed where the job has succeeded with it, held where anything
//! leaves a doubt, and left to the next run where even that fails.

use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended, says};
use agent::{Job, JobStatus, StepRun, TaskResult};
use simulator::{Fault, Op, UnknownIdReply, When};

/// After a main stage that handed a new PAT to the job.
pub(crate) fn handed_out(more: &[(&str, &str)]) -> (Pipeline, Job) {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, more);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    pipeline.consume_variable("the new consumer", &job);
    story(&pipeline.sim);
    (pipeline, job)
}

fn committed() -> [String; 2] {
    [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]
}

fn held() -> [String; 2] {
    [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]
}

fn pending() -> [String; 2] {
    [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]
}

fn healed() -> [String; 3] {
    let superseded = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
    [superseded(1), superseded(2), format!("#3 {NAME}")]
}

/// The new PAT is held after one look, nothing else was asked, and one warning says why.
fn is_held(pipeline: &Pipeline, post: &StepRun, because: &str) {
    assert_eq!(post.result, TaskResult::SucceededWithIssues, "{}", post.log);
    assert_eq!(story(&pipeline.sim), ["list", "#2 becomes nuget-publish [held 101.1]"]);
    assert_eq!(pipeline.active(), held());
    assert_eq!(post.warning_count, 1, "{:?}", post.warnings);
    says(post, &[because, "nothing was retired", "both work", "The next run rotates and then retires both."]);
}

/// The next run rotates, and retires what is left of run 101.
fn the_next_run_heals(pipeline: &Pipeline, because: &str) {
    let (main, _) = pipeline.rotate(&mut pipeline.next_job(), &[("rotateWhenDaysLeft", "1")]);
    says(&main, &[because, "retire too: "]);
    assert_eq!(pipeline.active(), healed());
}

#[test]
fn a_step_that_deletes_the_sources_does_not_stop_the_settling() {
    let (pipeline, mut job) = handed_out(&[]);
    std::fs::remove_dir_all(job.sources_directory()).unwrap();
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), committed());
}

#[test]
fn only_a_job_that_succeeded_without_issues_retires_the_old_pat() {
    for status in [JobStatus::SucceededWithIssues, JobStatus::Failed, JobStatus::Canceled] {
        let (pipeline, mut job) = handed_out(&[]);
        ended(&mut job, status);
        let post = pipeline.post(&mut job);
        is_held(&pipeline, &post, &format!("the job ended as {status:?}"));
        assert_eq!(job.status(), status, "a job that did not succeed keeps its status");
        the_next_run_heals(&pipeline, "the job of run 101.1");
    }
    let (pipeline, mut job) = handed_out(&[]);
    ended(&mut job, JobStatus::Succeeded);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), committed());
}

#[test]
fn held_rotation_of_a_job_that_succeeded_is_not_green() {
    let (pipeline, mut job) = handed_out(&[("confirmVariable", "Stored")]);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::SucceededWithIssues);
    assert_eq!(job.status(), JobStatus::SucceededWithIssues);
}

#[test]
fn a_job_that_rotated_well_is_not_marked_as_one_with_issues() {
    let (pipeline, mut job) = handed_out(&[]);
    assert_eq!(job.status(), JobStatus::Succeeded);
    pipeline.post(&mut job);
    assert_eq!(job.status(), JobStatus::Succeeded);
}

#[test]
fn without_a_rotation_the_settle_stage_sends_nothing_and_succeeds() {
    let quiet = |pipeline: &Pipeline, job: &mut Job| {
        pipeline.sim.clear_transcript();
        let active = pipeline.active();
        let post = pipeline.post(job);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
        assert_eq!(post.warning_count + post.error_count, 0, "{}", post.log);
        assert_eq!(pipeline.operations(), [""; 0]);
        assert_eq!(pipeline.active(), active);
    };

    let pipeline = Pipeline::with_pat(5);
    let mut skipped = pipeline.job();
    let inputs = pipeline.inputs(&[]);
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    skipped.skip_task("rotate", &inputs);
    quiet(&pipeline, &mut skipped);

    let mut failed = pipeline.next_job();
    pipeline.sim.world().refuse_next_create("disablePatCreationPolicyViolation");
    assert_eq!(pipeline.main(&mut failed, &[]).result, TaskResult::Failed);
    assert_eq!(failed.status(), JobStatus::Failed);
    quiet(&pipeline, &mut failed);

    let mut refused = pipeline.next_job();
    assert_eq!(pipeline.main(&mut refused, &[("validForDays", "none")]).result, TaskResult::Failed);
    quiet(&pipeline, &mut refused);

    let mut not_due = pipeline.next_job();
    assert_eq!(pipeline.main(&mut not_due, &[("rotateWhenDaysLeft", "1")]).result, TaskResult::Succeeded);
    quiet(&pipeline, &mut not_due);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_value_that_nobody_stored_is_committed_with_the_job_as_the_outputs_told_it_to_store_it() {
    let (pipeline, mut job) = handed_out(&[]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("true"), "the consumer's condition");
    assert_eq!(job.variable_value("rotate.authorizationId"), Some(pipeline.id(2).as_str()));
    pipeline.forget("the new consumer");
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), committed());
}

#[test]
fn the_confirming_variable_takes_the_place_of_the_jobs_status() {
    let given = ("confirmVariable", "Stored.It");
    for (value, status, is_committed) in [
        (Some("true"), "Succeeded", true),
        (Some("True"), "Failed", true),
        (Some("true"), "Canceled", true),
        (Some("true"), "SucceededWithIssues", true),
        (None, "Succeeded", false),
        (Some("false"), "Succeeded", false),
        (Some("yes"), "Succeeded", false),
        (None, "Failed", false),
    ] {
        let (local, mut job) = Local::handed_out(&[given]);
        if let Some(value) = value {
            job.set("STORED_IT", value);
        }
        assert_eq!(job.settle(status), StageExit::Succeeded, "{}", job.log());
        assert_eq!(local.active(), if is_committed { committed() } else { held() }, "{value:?} {status}");
    }

    let (pipeline, mut job) = handed_out(&[given]);
    job.set_variable("stored.it", "true");
    ended(&mut job, JobStatus::Failed);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), committed());

    let (pipeline, mut job) = handed_out(&[given]);
    is_held(&pipeline, &pipeline.post(&mut job), "the job did not set \"Stored.It\" to true");
}

#[test]
fn a_variable_that_the_pipeline_does_not_let_the_step_set_holds_the_new_pat() {
    for allowed in [vec![], vec!["rotate*".to_owned()]] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = pipeline.job();
        let step = pipeline.step_of(&[]).settable_variables(Some(allowed));
        let main = pipeline.step(&mut job, &step, agent::Interruption::None);
        assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
        says(&main, &["Setting variable 'NUGET_PAT' has been disabled"]);
        assert_eq!(job.variable_value(VARIABLE), None);
        story(&pipeline.sim);
        let post = pipeline.post(&mut job);
        is_held(&pipeline, &post, "secret variable \"NUGET_PAT\" does not hold the new token");
    }
}

#[test]
fn a_variable_that_a_later_step_overwrote_holds_the_new_pat_even_if_the_job_confirms() {
    let old = "simulatedpat0001-of-an-earlier-run";
    for (given, value) in [("", old), ("Stored", old), ("", "")] {
        let (pipeline, mut job) = handed_out(&[("confirmVariable", given)]);
        job.set_variable("Stored", "true");
        job.set_secret_variable(VARIABLE, value);
        let post = pipeline.post(&mut job);
        is_held(&pipeline, &post, "does not hold the new token");
    }
}

#[test]
fn five_leftovers_stop_the_rotation_and_name_the_runs_that_keep_failing() {
    let pipeline = Pipeline::with_pat(5);
    for run in 91..=94 {
        pipeline.add(&format!("{NAME} [held {run}.1-0a1b2c3d]"), 20);
    }
    let (main, _) = pipeline.rotate(&mut pipeline.job(), &[]);
    says(&main, &["the job of run 94.1-0a1b2c3d did not succeed"]);
    assert_eq!(pipeline.active()[5], format!("#6 {NAME}"), "four are not too many");

    for run in 91..=95 {
        let state = if run % 2 == 0 { "pending" } else { "held" };
        pipeline.sim.world().add_build(run, "completed");
        pipeline.add(&format!("{NAME} [{state} {run}.1-0a1b2c3d]"), 20);
    }
    let before = pipeline.active();
    story(&pipeline.sim);
    let mut job = pipeline.next_job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["5 tokens are left by runs that did not end well", "91.1-0a1b2c3d", "95.1-0a1b2c3d"]);
    says(&main, &["Nothing was changed.", "Find out why"]);
    assert_eq!(story(&pipeline.sim), ["list"]);
    assert_eq!(pipeline.active(), before);
}

#[test]
fn jobs_that_fail_one_after_the_other_leave_one_held_pat_each_and_one_success_retires_them_all() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    for _ in 0..2 {
        assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
        ended(&mut job, JobStatus::Failed);
        assert_eq!(pipeline.post(&mut job).result, TaskResult::SucceededWithIssues);
        job = pipeline.next_job();
    }
    let two_held = [format!("#2 {NAME} [held 101.1]"), format!("#3 {NAME} [held 102.1]")];
    assert_eq!(pipeline.active()[1..], two_held);
    pipeline.rotate(&mut job, &[]);
    let superseded = |number: u32| format!("#{number} {NAME} [superseded 103.1 +24h]");
    assert_eq!(pipeline.active(), [superseded(1), superseded(2), superseded(3), format!("#4 {NAME}")]);
}

#[test]
fn a_pat_that_cannot_be_marked_as_held_stays_pending_and_the_next_run_retires_it() {
    let refused = Fault::RefusedIn200("accessDenied".to_owned());
    for fault in [Fault::Status(400), Fault::Status(401), Fault::Status(403), Fault::Status(500), refused] {
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::every(Op::UpdatePat));
        assert_eq!(job.settle("Failed"), StageExit::Failed, "{}", job.log());
        logs(&job, &["could not mark the new token as held, although the job ended as Failed", "Nothing was retired"]);
        logs(&job, &["stays \"nuget-publish [pending 101.1-", "Run again: the next run takes it for a dead run's."]);
        assert_eq!(local.active(), pending());

        local.sim.clear_faults();
        let mut next = local.next_job(&[("rotateWhenDaysLeft", "1")]);
        local.hand_out(&mut next);
        logs(&next, &["did not finish and left", "retire too: "]);
        assert_eq!(next.settle("Succeeded"), StageExit::Succeeded, "{}", next.log());
        assert_eq!(local.active(), healed());
    }
}

#[test]
fn a_passing_fault_does_not_keep_the_new_pat_from_being_held() {
    for fault in [Fault::Status(500), Fault::Status(429), Fault::ResetBefore, Fault::ResetAfter, Fault::CutReply] {
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::first(Op::UpdatePat, 2));
        assert_eq!(job.settle("Failed"), StageExit::Succeeded, "{}", job.log());
        assert_eq!(local.active(), held());
    }
}

#[test]
fn a_new_pat_that_somebody_revoked_before_the_job_ended_is_not_said_to_work() {
    for (status, told, left) in [("Failed", StageExit::Succeeded, held()), ("Succeeded", StageExit::Failed, held())] {
        for reply in [UnknownIdReply::Mixed, UnknownIdReply::NotFound, UnknownIdReply::In200] {
            let (local, mut job) = Local::handed_out(&[]);
            local.forget("the new consumer");
            let new = local.sim.world().pats[1].id.clone();
            local.sim.world().unknown_id_reply = reply;
            local.sim.world().revoke(&new);
            assert_eq!(job.settle(status), told, "{}", job.log());
            logs(&job, &[&new, "is gone"]);
            assert!(!story(&local.sim).iter().any(|line| line.starts_with("revoke")));
            assert_eq!(local.active(), left[..1], "the old one works");
            for wrong in ["both work", "the new token stays"] {
                assert!(!job.log().contains(wrong), "{status}: not true: {wrong}\n{}", job.log());
            }
        }
    }
}

#[test]
fn a_new_pat_that_is_gone_before_the_job_ended_is_replaced_by_the_next_run() {
    let (pipeline, mut job) = handed_out(&[]);
    pipeline.forget("the new consumer");
    let new = pipeline.id(2);
    pipeline.sim.world().revoke(&new);
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["no longer has the name, or is gone", "Nothing was committed or revoked"]);
    says(&post, &["If somebody holds that token, run once with `rotateWhenDaysLeft: always`."]);
    let (main, _) = pipeline.rotate(&mut pipeline.next_job(), &[("rotateWhenDaysLeft", "always")]);
    says(&main, &["every run rotates"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 102.1 +24h]"), format!("#3 {NAME}")]);
}

#[test]
fn a_new_pat_that_somebody_renamed_before_the_job_ended_is_left_as_it_is() {
    let (pipeline, mut job) = handed_out(&[]);
    let new = pipeline.id(2);
    pipeline.sim.world().rename(&new, "mine");
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["has taken over", "Nothing was committed or revoked"]);
    assert_eq!(pipeline.active(), [pending()[0].clone(), "#2 mine".to_owned()]);
}

#[test]
fn a_committed_pat_that_somebody_made_during_the_job_is_a_reason_not_to_commit() {
    let (pipeline, mut job) = handed_out(&[]);
    let by_hand = pipeline.add(NAME, 30);
    pipeline.consume("who made one by hand", &by_hand);
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["somebody has taken over", &by_hand, "appeared since the plan"]);
    assert_eq!(
        pipeline.active(),
        [pending()[0].clone(), pending()[1].clone(), format!("#3 {NAME}")],
        "nothing is committed or revoked"
    );
}
