//! Stages that come late: a settle stage hours after its token's end, one that another run has overtaken, and a
//! publication that another run may no longer have waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use rotate_pat::app::StageExit;

use crate::harness::in_process::LocalJob;
use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, ended, says};
use agent::{JobStatus, TaskResult};
use simulator::{Fault, Op, When, World};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn committed() -> [String; 2] {
    [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]
}

fn pending() -> [String; 2] {
    [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]
}

/// A job whose connection proves itself by a client secret.
fn connected(local: &Local, more: &[(&str, &str)]) -> LocalJob {
    let mut job = local.job(more);
    let world = local.sim.world();
    let (id, app) = (&world.service_connection("pat-rotator").id, world.app("pat-rotator"));
    job.set("INPUT_SERVICECONNECTION", id);
    job.set(&format!("ENDPOINT_AUTH_SCHEME_{id}"), "ServicePrincipal");
    for (name, value) in [
        ("TENANTID", &world.tenants[0].id),
        ("SERVICEPRINCIPALID", &app.client_id),
        ("SERVICEPRINCIPALKEY", &app.secrets[0].value),
    ] {
        job.set(&format!("ENDPOINT_AUTH_PARAMETER_{id}_{name}"), value);
    }
    job
}

/// The same, signed in by a refresh token in the vault.
fn refreshed(local: &Local, more: &[(&str, &str)]) -> LocalJob {
    let refresh_token = local.sim.world().refresh_token_for("rotator", "pat-rotator");
    local.sim.world().set_secret(REFRESH, &refresh_token, &[]);
    let mut job = connected(local, more);
    job.set("INPUT_ACCESSTOKEN", "");
    job.set("INPUT_REFRESHTOKENSECRET", &format!("{}/secrets/{REFRESH}", local.sim.origin()));
    job
}

fn signs_in(local: &Local) -> bool {
    local.sim.count(Op::TokenRefresh) > 0
}

#[test]
fn a_job_that_outlives_the_users_token_is_settled_with_a_new_one() {
    // The token lives for 75 minutes, and in its last five it is not used for something new.
    for (minutes, is_over) in [(69, false), (71, true), (5 * 60, true)] {
        let local = Local::with_pat(5);
        let mut job = refreshed(&local, &[]);
        local.hand_out(&mut job);
        local.sim.clear_transcript();
        local.advance(SignedDuration::from_mins(minutes));
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
        assert_eq!((signs_in(&local), job.log().contains("signing in again")), (is_over, is_over), "{minutes}");
        assert_eq!(local.active(), committed());
    }
}

#[test]
fn a_failed_job_that_outlives_the_users_token_is_held_with_a_new_one() {
    let local = Local::with_pat(5);
    let mut job = refreshed(&local, &[]);
    local.hand_out(&mut job);
    local.advance(HOUR * 3);
    assert_eq!(job.settle("Failed"), StageExit::Succeeded, "{}", job.log());
    assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
}

#[test]
fn an_access_token_that_ends_before_the_job_leaves_the_new_pat_pending_and_says_what_to_do() {
    for status in ["Succeeded", "Failed"] {
        let local = Local::with_pat(5);
        let mut job = local.job(&[]);
        local.hand_out(&mut job);
        story(&local.sim);
        local.advance(HOUR * 3);
        assert_eq!(job.settle(status), StageExit::Failed, "{}", job.log());
        assert_eq!(local.sim.transcript_text(), "", "no request is sent");
        logs(&job, &["the `accessToken` ended before the job did", "Nothing was retired", "[pending 101.1-"]);
        logs(&job, &["Use `refreshTokenSecret`, or shorten the job", "`retireOldPat: immediately`"]);
        assert_eq!(local.active(), pending());

        let mut next = local.next_job(&[("rotateWhenDaysLeft", "1")]);
        local.rotate(&mut next);
        let superseded = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
        assert_eq!(local.active(), [superseded(1), superseded(2), format!("#3 {NAME}")]);
    }
}

#[test]
fn a_settle_stage_that_cannot_sign_in_again_changes_nothing() {
    let local = Local::with_pat(5);
    let mut job = refreshed(&local, &[]);
    local.hand_out(&mut job);
    local.advance(HOUR * 3);
    local.sim.world().break_refresh_tokens("rotator", 50173);
    story(&local.sim);
    assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
    logs(&job, &["AADSTS50173", "Nothing was retired; the new token stays \"nuget-publish [pending 101.1-"]);
    assert!(story(&local.sim).is_empty(), "no PAT is asked for");
    assert_eq!(local.active(), pending());
}

#[test]
fn a_stale_settle_stage_commits_and_revokes_nothing_once_another_run_has_committed() {
    for status in [JobStatus::Succeeded, JobStatus::Failed] {
        let pipeline = Pipeline::with_pat(5);
        let mut stale = pipeline.job();
        assert_eq!(pipeline.main(&mut stale, &[]).result, TaskResult::Succeeded);
        pipeline.consume("who got the stale one", &pipeline.id(2));
        pipeline.rotate(&mut pipeline.next_job(), &[]);
        let by_102 = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
        assert_eq!(pipeline.active(), [by_102(1), by_102(2), format!("#3 {NAME}")]);
        story(&pipeline.sim);

        ended(&mut stale, status);
        let post = pipeline.post(&mut stale);
        let story = story(&pipeline.sim);
        assert!(!story.iter().any(|line| line.starts_with("revoke")), "{story:?}");
        assert!(!story.contains(&"#2 becomes nuget-publish".to_owned()), "{story:?}");
        assert!(!story.iter().any(|line| line.starts_with("#3")), "{story:?}");
        let active = pipeline.active();
        assert_eq!((active.len(), active[2].as_str()), (3, "#3 nuget-publish"), "{active:?}");
        if status == JobStatus::Succeeded {
            assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
            says(&post, &["run 102.1-", "has taken over", "Nothing was committed or revoked", "Run again."]);
        }
        pipeline.rotate(&mut pipeline.next_job(), &[]);
        let active = pipeline.active();
        assert_eq!((active.len(), active[3].as_str()), (4, "#4 nuget-publish"), "{active:?}");
        assert!(active[..3].iter().all(|pat| pat.contains("[superseded ")), "{active:?}");
    }
}

#[test]
fn a_stale_settle_stage_finds_what_a_run_without_an_overlap_has_revoked() {
    let pipeline = Pipeline::with_pat(5);
    let mut stale = pipeline.job();
    assert_eq!(pipeline.main(&mut stale, &[]).result, TaskResult::Succeeded);
    let mut job = pipeline.next_job();
    assert_eq!(pipeline.main(&mut job, &[("overlapHours", "0")]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the new consumer", &job);
    pipeline.forget("the old consumer");
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), [format!("#3 {NAME}")]);

    let post = pipeline.post(&mut stale);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["or is gone", "Nothing was committed or revoked"]);
    assert_eq!(pipeline.active(), [format!("#3 {NAME}")]);
}

#[test]
fn a_stale_settle_stage_stands_back_for_a_run_that_is_still_at_work() {
    let pipeline = Pipeline::with_pat(5);
    let mut stale = pipeline.job();
    assert_eq!(pipeline.main(&mut stale, &[]).result, TaskResult::Succeeded);
    pipeline.consume("who got the stale one", &pipeline.id(2));
    let mut job = pipeline.next_job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the new consumer", &job);

    let post = pipeline.post(&mut stale);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["run 102.1-", "has taken over", "appeared since the plan", "Nothing was committed or revoked"]);
    assert_eq!(pipeline.active(), [pending().to_vec(), vec![format!("#3 {NAME} [pending 102.1]")]].concat());

    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    let by_102 = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
    assert_eq!(pipeline.active(), [by_102(1), by_102(2), format!("#3 {NAME}")]);
}

#[test]
fn a_stale_failed_job_that_holds_its_pat_does_not_disturb_the_run_that_has_planned_to_retire_it() {
    let pipeline = Pipeline::with_pat(5);
    let mut stale = pipeline.job();
    assert_eq!(pipeline.main(&mut stale, &[]).result, TaskResult::Succeeded);
    pipeline.consume("who got the stale one", &pipeline.id(2));
    let mut job = pipeline.next_job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the new consumer", &job);
    ended(&mut stale, JobStatus::Failed);
    assert_eq!(pipeline.post(&mut stale).result, TaskResult::SucceededWithIssues);
    assert_eq!(pipeline.active()[1], format!("#2 {NAME} [held 101.1]"));
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    let by_102 = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
    assert_eq!(pipeline.active(), [by_102(1), by_102(2), format!("#3 {NAME}")]);
}

/// The machine sleeps for so many seconds right after the request.
fn sleeps_after(local: &Local, job: &LocalJob, when: When, seconds: u64) {
    let slept = Arc::clone(&job.slept);
    let sleep = move |_: &mut World| {
        slept.fetch_add(seconds * 1000, Ordering::SeqCst);
    };
    local.sim.inject(Fault::after(sleep), when);
}

#[test]
fn a_value_is_not_handed_out_later_than_half_an_hour_after_its_creation_was_sent() {
    for (minutes, is_late) in [(29, false), (31, true)] {
        let local = Local::with_pat(5);
        let mut job = local.job(&[]);
        sleeps_after(&local, &job, When::nth(Op::CreatePat, 1), minutes * 60);
        let told = job.main();
        if !is_late {
            assert_eq!(told, StageExit::Succeeded, "{}", job.log());
            assert_eq!(local.active(), pending());
            continue;
        }
        assert_eq!(told, StageExit::Failed, "{}", job.log());
        logs(&job, &["could not publish within 30 minutes", "was revoked", "which nobody holds"]);
        assert_eq!(job.variable(VARIABLE), None);
        assert_eq!(local.active(), [format!("#1 {NAME}")]);
        story(&local.sim);
        assert_eq!(job.settle("Failed"), StageExit::Succeeded);
        assert!(story(&local.sim).is_empty());
    }
}

#[test]
fn a_value_that_one_place_got_in_time_and_the_job_too_late_is_held() {
    let local = Local::with_pat(5);
    let place = format!("{}/secrets/nuget-pat", local.sim.origin());
    let mut job = connected(&local, &[("publishTo", &place)]);
    sleeps_after(&local, &job, When::nth(Op::VaultWrite, 1), 31 * 60);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(&job, &["could not publish within 30 minutes", "The new token is in secret \"nuget-pat\"", "[held 101.1-"]);
    assert_eq!(job.variable(VARIABLE), None);
    assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
    local.consume("who reads the vault", 2);
    assert_eq!(job.settle("Failed"), StageExit::Succeeded);

    let mut next = connected(&local, &[("publishTo", &place), ("rotateWhenDaysLeft", "1")]);
    local.sim.clear_faults();
    local.sim.world().next_run();
    next.set("BUILD_BUILDID", "102");
    local.rotate(&mut next);
    let superseded = |number: u32| format!("#{number} {NAME} [superseded 102.1 +24h]");
    assert_eq!(local.active(), [superseded(1), superseded(2), format!("#3 {NAME}")]);
    let world = local.sim.world();
    assert_eq!(world.vault.value("nuget-pat"), world.pats[2].secret);
}

#[test]
fn a_look_that_is_half_a_minute_old_is_taken_again_before_the_commit() {
    let local = Local::with_pat(5);
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    story(&local.sim);
    sleeps_after(&local, &job, When::nth(Op::ListPats, 2), 31);
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    let commit = "#2 becomes nuget-publish";
    assert_eq!(local.sim.count(Op::ListPats), 3);
    assert_eq!(story(&local.sim)[..4], ["list", "#1 becomes nuget-publish [superseded 101.1]", "list", commit]);
    assert_eq!(local.active(), committed());
}

#[test]
fn commit_is_not_sent_long_after_the_superseding() {
    for (minutes, told) in [(4, StageExit::Succeeded), (6, StageExit::Failed)] {
        let local = Local::with_pat(5);
        let mut job = local.job(&[]);
        local.hand_out(&mut job);
        sleeps_after(&local, &job, When::nth(Op::UpdatePat, 1), minutes * 60);
        assert_eq!(job.settle("Succeeded"), told, "{}", job.log());
        if told == StageExit::Failed {
            logs(&job, &["it was not possible within 5 minutes", "Nothing was retired"]);
            assert_eq!(local.active(), [committed()[0].clone(), pending()[1].clone()]);
        }
    }
}

#[test]
fn a_commit_that_never_comes_right_after_a_look_is_given_up() {
    let local = Local::with_pat(5);
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    sleeps_after(&local, &job, When::every(Op::ListPats), 31);
    assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
    logs(&job, &["every list was too old when the commit was due", "Run again."]);
    assert_eq!(local.active(), [committed()[0].clone(), pending()[1].clone()]);
}
