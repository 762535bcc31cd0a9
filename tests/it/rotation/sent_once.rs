//! A rename whose copy lands late would undo what came after it, so the rehearsal and the commit are sent once each.

use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::{NAME, VARIABLE};
use simulator::{Fault, Op, When};

/// Faults after which nobody knows whether the request was, or will be, carried out.
fn unanswered() -> Vec<Fault> {
    vec![
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutReply,
        Fault::HangBefore,
        Fault::HangAfter,
        Fault::Status(500),
        Fault::StatusAfter(502),
        Fault::Unavailable(0),
        Fault::WrongShape,
    ]
}

#[test]
fn rehearsal_without_an_answer_is_not_sent_again() {
    for fault in unanswered() {
        let name = fault.name();
        let local = Local::with_pat(5);
        local.sim.inject(fault, When::nth(Op::UpdatePat, 1));
        let mut job = local.job(&[]);
        assert_eq!(job.main(), StageExit::Succeeded, "{name}: {}", job.log());
        let story = story(&local.sim);
        assert_eq!(story[4..6], ["revoke #2", "create nuget-publish [pending 101.1], ends in 30 days"], "{name}");
        assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#3 {NAME} [pending 101.1]")], "{name}");
    }
}

#[test]
fn rehearsals_that_are_never_answered_leave_nothing_new() {
    let local = Local::with_pat(5);
    local.sim.inject(Fault::ResetAfter, When::every(Op::UpdatePat));
    let mut job = local.job(&[]);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(&job, &["could not prove", "the old token is untouched"]);
    assert_eq!(local.sim.count(Op::CreatePat), 3);
    assert_eq!(local.active(), [format!("#1 {NAME}")]);
    assert_eq!(job.variable(VARIABLE), None);
}

#[test]
fn unrevoked_token_after_a_lost_rehearsal_ends_the_run() {
    let local = Local::with_pat(5);
    local.sim.inject(Fault::ResetAfter, When::every(Op::UpdatePat));
    local.sim.inject(Fault::Status(403), When::every(Op::RevokePat));
    let mut job = local.job(&[]);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(&job, &["could not be revoked", "nobody holds it"]);
    assert_eq!(local.sim.count(Op::CreatePat), 1);
}

#[test]
fn commit_without_an_answer_is_found_in_the_list() {
    for fault in [Fault::ResetAfter, Fault::CutReply, Fault::StatusAfter(502), Fault::HangAfter, Fault::WrongShape] {
        let name = fault.name();
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::nth(Op::UpdatePat, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{name}: {}", job.log());
        logs(&job, &["the list shows it, although the request got no answer"]);
        assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")], "{name}");
    }
}

#[test]
fn commit_without_an_answer_is_not_sent_again() {
    for fault in [Fault::ResetBefore, Fault::Status(500), Fault::HangBefore, Fault::Unavailable(0)] {
        let name = fault.name();
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::nth(Op::UpdatePat, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
        logs(&job, &["It is not known whether the new token is committed"]);
        assert_eq!(local.sim.count(Op::UpdatePat), 2, "{name}");
        let left = [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME} [pending 101.1]")];
        assert_eq!(local.active(), left, "{name}");
    }
}

#[test]
fn throttled_rename_is_sent_again() {
    let local = Local::with_pat(5);
    local.sim.inject(Fault::Throttled(0), When::nth(Op::UpdatePat, 1));
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    assert_eq!(local.sim.count(Op::CreatePat), 1);
    local.sim.clear_faults();
    local.sim.clear_transcript();
    local.sim.inject(Fault::Throttled(0), When::nth(Op::UpdatePat, 2));
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}
