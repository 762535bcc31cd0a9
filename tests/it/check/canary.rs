//! The canary is gone in the end, or the check says that it may not be. Faults at each request: `robustness/matrix`.

use std::time::Duration;

use jiff::SignedDuration;
use rotate_pat::app::StageExit;
use simulator::{Fault, Op, When};

use super::{canaries, local};
use crate::harness::local::{Local, logs};
use crate::harness::pipeline::NAME;

#[test]
fn a_canary_that_may_be_there_fails_the_check_although_no_row_is_at_fault() {
    let world = Local::with_pat(5);
    world.sim.inject(Fault::ResetAfter, When::from(Op::CreatePat, 1));
    world.sim.inject(Fault::Status(500), When::from(Op::ListPats, 2));
    let mut job = local(&world, &[]);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(
        &job,
        &["Whether \"nuget-publish [check 101.1-", "a run after an hour revokes it", "Result: failed: could not see"],
    );
    assert_eq!(canaries(&world).len(), 1);
}

#[test]
fn a_creation_whose_reply_is_lost_is_found_revoked_and_sent_again() {
    let world = Local::with_pat(5);
    world.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let mut job = local(&world, &[]);
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    assert_eq!((world.sim.count(Op::CreatePat), canaries(&world).len()), (2, 0));
}

#[test]
fn what_is_true_now_names_the_tokens_of_earlier_checks() {
    let world = Local::with_pat(5);
    world
        .sim
        .world()
        .add_pat(&format!("{NAME} [check 7.1-0a1b2c3d]"))
        .age(SignedDuration::from_hours(2))
        .days_left(5)
        .add();
    world.sim.inject(Fault::Status(403), When::every(Op::CreatePat));
    let mut job = local(&world, &[]);
    assert_eq!(job.main(), StageExit::Failed);
    logs(&job, &["Now: Only tokens that earlier checks left were revoked."]);
}

#[test]
fn a_cancelled_check_leaves_no_canary() {
    for (op, nth) in
        [(Op::CreatePat, 1), (Op::ListPats, 2), (Op::ConnectionDataAsPat, 1), (Op::UpdatePat, 1), (Op::UpdatePat, 2)]
    {
        let world = Local::with_pat(5);
        let mut job = local(&world, &[]);
        let canceller = job.canceller();
        let cancel = Fault::before(move |_| canceller.stop_within(Duration::from_secs(5)));
        world.sim.inject(cancel, When::nth(op, nth));
        assert_eq!(job.main(), StageExit::Failed, "{op:?} {nth}: {}", job.log());
        assert_eq!(canaries(&world), [""; 0], "{op:?} {nth}: {}", job.log());
        logs(&job, &["Result: canceled"]);
    }
}
