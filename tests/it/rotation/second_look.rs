//! What a second pair of eyes found: answers that confirm nothing, rests between a look and what follows from it, and
//! hand-overs too large to be handed over.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rotate_pat::app::StageExit;

use crate::harness::local::{Local, story};
use crate::harness::pipeline::{NAME, Pipeline, says};
use agent::TaskResult;
use simulator::{Fault, Op, When};

fn pending() -> [String; 2] {
    [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]
}

#[test]
fn commit_whose_answer_shows_no_token_is_not_sent_again() {
    let (local, mut job) = Local::handed_out(&[]);
    local.sim.inject(Fault::RefusedIn200("none".to_owned()), When::nth(Op::UpdatePat, 2));
    assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
    assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME} [pending 101.1]")]);
}

#[test]
fn a_mark_that_the_answer_does_not_show_is_not_told_as_made() {
    let (local, mut job) = Local::handed_out(&[]);
    local.sim.inject(Fault::RefusedIn200("none".to_owned()), When::every(Op::UpdatePat));
    assert_eq!(job.settle("Failed"), StageExit::Failed, "{}", job.log());
    assert!(!job.log().contains("[held"), "{}", job.log());
    assert_eq!(local.active(), pending());
}

#[test]
fn a_rest_that_the_look_asks_for_comes_before_the_next_look_and_not_before_the_commit() {
    let (local, mut job) = Local::handed_out(&[]);
    job.limits.repeat_within = Duration::from_secs(10);
    job.limits.commit_within = Duration::from_millis(600);
    let looks: Arc<Mutex<Option<Instant>>> = Arc::default();
    let gap: Arc<Mutex<Option<Duration>>> = Arc::default();
    let (seen, looked, measured) = (Arc::clone(&looks), Arc::clone(&looks), Arc::clone(&gap));
    local.sim.inject(Fault::OkWithRetryAfter(1), When::nth(Op::ListPats, 2));
    let look = Fault::after(move |_| *seen.lock().unwrap() = Some(Instant::now()));
    local.sim.inject(look, When::every(Op::ListPats));
    let commit = Fault::before(move |_| *measured.lock().unwrap() = looked.lock().unwrap().map(|look| look.elapsed()));
    local.sim.inject(commit, When::nth(Op::UpdatePat, 2));
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    let gap = gap.lock().unwrap().unwrap();
    assert!(gap < Duration::from_millis(600), "the commit came {gap:?} after the look");
}

#[test]
fn cancelled_during_a_rest_before_the_creation_nothing_is_made() {
    let local = Local::with_pat(5);
    let mut job = local.job(&[]);
    job.limits.repeat_within = Duration::from_secs(10);
    let canceller = job.canceller();
    // The plan's list is one page.
    local.sim.inject(Fault::OkWithRetryAfter(3), When::nth(Op::ListPats, 1));
    let stop = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        canceller.stop_within(Duration::from_secs(8));
        canceller
    });
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    drop(stop.join());
    assert_eq!(story(&local.sim), ["list"], "{}", job.log());
    assert_eq!(local.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_revocation_answered_by_a_bare_404_is_not_told_as_done_while_the_token_is_listed() {
    let local = Local::with_pat(5);
    let mut job = local.job(&[]);
    local.sim.inject(Fault::Status(404), When::every(Op::RevokePat));
    local.sim.inject(Fault::Status(403), When::nth(Op::UpdatePat, 1));
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    assert!(job.log().contains("could not be revoked"), "{}", job.log());
    assert_eq!(local.active(), pending());
}

#[test]
fn a_hand_over_of_hundreds_of_superseded_ones_reaches_the_post_job_step() {
    let pipeline = Pipeline::with_pat(5);
    superseded(&pipeline, 200);
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &["superseded before: "]);
    assert_eq!(pipeline.active().iter().filter(|name| **name == format!("#202 {NAME}")).count(), 1);
}

#[test]
fn a_hand_over_that_no_environment_could_hold_is_refused_before_anybody_holds_the_new_one() {
    let pipeline = Pipeline::with_pat(5);
    superseded(&pipeline, 900);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["more than can be handed to the post-job step", "was revoked", "Lower `overlapHours`"]);
    assert!(!pipeline.active().iter().any(|name| name.contains("[pending")));
}

fn superseded(pipeline: &Pipeline, count: u32) {
    let mut world = pipeline.sim.world();
    world.page_size = 100;
    for n in 0..count {
        let name = format!("{NAME} [superseded {}.1-0a1b2c3d ends 2099-01-01T00:00Z]", 1000 + n);
        world.add_pat(&name).scope("vso.packaging_write").add();
    }
}

/// A rotation into two groups, the first of which is disturbed once it is written.
fn into_two_groups(disturb: impl FnOnce(&mut crate::harness::in_process::LocalJob) -> Fault) -> (Local, String) {
    let local = Local::with_pat(5);
    {
        let mut world = local.sim.world();
        let (held, id) = (world.pats[0].secret.clone(), world.pats[0].id.clone());
        for group in ["G1", "G2"] {
            let group = world.add_variable_group(group).secret("P", &held).plain("P_AUTHORIZATION_ID", &id);
            group.administrator(simulator::world::BUILD_SERVICE).add();
        }
    }
    let mut job = local.job(&[("publishTo", "variableGroup: G1/P\nvariableGroup: G2/P")]);
    let fault = disturb(&mut job);
    local.sim.inject(fault, When::nth(Op::UpdateGroup, 1));
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    assert_eq!(local.sim.world().group_writes.len(), 1, "{}", job.log());
    (local, job.log())
}

#[test]
fn no_second_place_is_written_after_the_deadline_that_the_first_one_used_up() {
    let (local, log) = into_two_groups(|job| {
        let slept = Arc::clone(&job.slept);
        Fault::after(move |_| {
            slept.fetch_add(40 * 60 * 1000, Ordering::SeqCst);
        })
    });
    assert!(log.contains("could not publish within 30 minutes"), "{log}");
    assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
}

#[test]
fn no_second_place_is_written_once_the_run_is_cancelled() {
    let (local, log) = into_two_groups(|job| {
        let canceller = job.canceller();
        Fault::after(move |_| canceller.stop_within(Duration::from_secs(8)))
    });
    assert!(log.contains("variable \"P\" in variable group \"G1\""), "{log}");
    assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
}
