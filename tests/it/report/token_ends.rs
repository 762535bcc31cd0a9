//! The token ends while the lists are being read.

use std::time::Duration;

use crate::harness::pipeline::{lines_with, says};
use crate::report::{ADMINISTRATION, Listed, OF_ALL, handled, organization, report, report_interrupted, whole};
use agent::{Interruption, TaskResult};
use simulator::{Fault, Op, When, World};

#[test]
fn it_is_replaced_by_one_sign_in_for_all_that_is_under_way_and_nobody_is_missing() {
    let pipeline = organization(100);
    // Far apart, as the next token is not replaced before it was good for something.
    for n in [10, 80] {
        pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListPatsOfUser, n));
    }
    let (run, _) = whole(&pipeline);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
    assert_eq!(lines_with(&run, "signing in again").len(), 2, "{}", run.log);
}

#[test]
fn it_may_end_again_just_before_the_user_with_whom_it_ended_is_asked_for_once_more() {
    let pipeline = organization(60);
    let victim = pipeline.sim.world().everybody("contoso").nth(8).unwrap();
    let mut ends = 2;
    let end = move |world: &mut World| {
        if ends > 0 {
            ends -= 1;
            world.expire_all_tokens();
        }
    };
    pipeline.sim.inject(Fault::before(end), When::about(Op::ListPatsOfUser, &victim.descriptor));
    let (run, _) = whole(&pipeline);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
}

#[test]
fn one_that_ends_before_it_was_good_for_anything_is_replaced_as_well() {
    let pipeline = organization(40);
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListPatsOfUser, 20));
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::TokenRefresh, 2));
    let (run, _) = whole(&pipeline);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
}

#[test]
fn where_all_that_come_after_it_are_good_for_nothing_two_are_tried_and_the_report_is_partial() {
    let pipeline = organization(40);
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListPatsOfUser, 20));
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::from(Op::TokenRefresh, 2));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
    says(&run, &["this report is partial"]);
    Listed::of(&job).is_a_part(&pipeline.sim.world(), "answered 401");
}

#[test]
fn a_page_of_users_that_is_always_refused_ends_the_list_after_two_more_sign_ins() {
    let pipeline = organization(60);
    pipeline.sim.inject(Fault::Status(401), When::from(Op::ListUsers, 9));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
    Listed::of(&job).is_a_part(&pipeline.sim.world(), "the list of users could not be read to its end");
}

#[test]
fn it_may_end_between_two_pages_of_users() {
    let pipeline = organization(40);
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListUsers, 9));
    let (run, _) = whole(&pipeline);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 2, "{}", run.log);
}

#[test]
fn one_from_an_earlier_step_cannot_be_replaced_and_the_report_is_what_was_had_by_then() {
    let pipeline = organization(40);
    let token = pipeline.sim.world().user_token(ADMINISTRATION);
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListPatsOfUser, 20));
    let mut job = pipeline.job().secret_variable("userToken", &token);
    let run = report(
        &pipeline,
        &mut job,
        &[OF_ALL, ("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", "$(userToken)")],
    );
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["this report is partial", "the token in `accessToken` has expired"]);
    let listed = Listed::of(&job);
    listed.is_a_part(&pipeline.sim.world(), "`accessToken`");
    assert!(listed.number("owners") > 0);
}

#[test]
fn a_refused_second_sign_in_leaves_a_partial_report_that_says_why() {
    let pipeline = organization(40);
    let ends = |world: &mut World| {
        world.expire_all_tokens();
        world.break_refresh_tokens("rotator", 50173);
    };
    pipeline.sim.inject(Fault::after(ends), When::nth(Op::ListPatsOfUser, 20));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["this report is partial", "AADSTS50173"]);
    Listed::of(&job).is_a_part(&pipeline.sim.world(), "signing in again failed");
}

#[test]
fn cancelled_while_the_second_sign_in_is_waited_for_the_report_is_written_at_once() {
    let pipeline = organization(40);
    pipeline.sim.inject(Fault::after(World::expire_all_tokens), When::nth(Op::ListPatsOfUser, 20));
    pipeline.sim.inject(Fault::HangBefore, When::nth(Op::TokenRefresh, 2));
    let mut job = pipeline.job();
    let when = handled(&pipeline, Op::TokenRefresh, 2);
    let run = report_interrupted(&pipeline, &mut job, &[OF_ALL], Interruption::Cancel(when));
    assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
    assert!(run.duration < Duration::from_secs(5), "{:?}", run.duration);
    Listed::of(&job).is_a_part(&pipeline.sim.world(), "the run was cancelled");
}

#[test]
fn one_user_whose_list_is_always_refused_does_not_end_the_report() {
    let pipeline = organization(20);
    let victim = pipeline.sim.world().everybody("contoso").nth(8).unwrap();
    pipeline.sim.inject(Fault::Status(401), When::about(Op::ListPatsOfUser, &victim.descriptor));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let listed = Listed::of(&job);
    assert_eq!((listed.number("ownersNotRead"), listed.number("owners")), (1, 21));
    assert_eq!(listed.0["notRead"][0]["owner"]["id"], victim.descriptor.as_str());
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 3, "{}", run.log);
}
