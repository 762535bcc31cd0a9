//! How fast the organization is asked, and what is said meanwhile.

use std::time::{Duration, Instant};

use rotate_pat::app::StageExit;

use crate::harness::local::logs;
use crate::report::{Listed, local, organization, people, whole};
use simulator::{Fault, Op, When};

#[test]
fn a_success_that_asks_to_come_back_later_is_obeyed() {
    let pipeline = organization(30);
    pipeline.sim.inject(Fault::OkWithRetryAfter(5), When::nth(Op::ListPatsOfUser, 5));
    let (run, _) = whole(&pipeline);
    // Once, and not once more for whatever was under way.
    assert!((5.0..10.0).contains(&run.duration.as_secs_f64()), "{:?}\n{}", run.duration, run.log);
}

#[test]
fn a_refusal_that_says_when_to_come_back_costs_a_wait_and_nobody() {
    for fault in [Fault::Throttled, Fault::Unavailable, Fault::ThrottledUntil] {
        let pipeline = organization(30);
        pipeline.sim.inject(fault(1), When::nth(Op::ListPatsOfUser, 7));
        pipeline.sim.inject(fault(1), When::nth(Op::ListUsers, 5));
        let (run, _) = whole(&pipeline);
        assert!(run.duration >= Duration::from_secs(1), "{:?}", run.duration);
    }
}

#[test]
fn a_lost_or_broken_reply_is_asked_for_again() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::CutReply, Fault::Refused, Fault::Status(500)] {
        let name = fault.name();
        let pipeline = organization(10);
        pipeline.sim.inject(fault, When::nth(Op::ListPatsOfUser, 4));
        let (run, _) = whole(&pipeline);
        assert!(run.warnings.iter().all(|warning| !warning.contains("partial")), "{name}\n{}", run.log);
    }
}

#[test]
fn while_there_is_plenty_nothing_waits_and_several_are_asked_at_once() {
    let (sim, mut job) = local(100, &[]);
    let delay = Duration::from_millis(60);
    sim.inject(Fault::Delay(delay), When::every(Op::ListPatsOfUser));
    sim.inject(Fault::Header("X-RateLimit-Remaining", "150".to_owned()), When::every(Op::ListPatsOfUser));
    let started = Instant::now();
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    let one_by_one = delay * u32::try_from(sim.count(Op::ListPatsOfUser)).unwrap();
    assert!(started.elapsed() < one_by_one / 3, "{:?} of {one_by_one:?}", started.elapsed());
    Listed::read(job.variable("reportFile").unwrap()).is_whole(&sim.world());
}

#[test]
fn replies_that_are_held_back_are_asked_for_one_at_a_time_in_the_end_even_for_less_than_a_second() {
    for held_back in ["2", "0.030"] {
        let (sim, mut job) = local(50, &[]);
        let delay = Duration::from_millis(30);
        sim.inject(Fault::Delay(delay), When::every(Op::ListPatsOfUser));
        sim.inject(Fault::Header("X-RateLimit-Delay", held_back.to_owned()), When::every(Op::ListPatsOfUser));
        let started = Instant::now();
        assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
        let one_by_one = delay * u32::try_from(sim.count(Op::ListPatsOfUser)).unwrap();
        assert!(started.elapsed() > one_by_one * 2 / 3, "{held_back}: {:?} of {one_by_one:?}", started.elapsed());
    }
}

#[test]
fn how_far_it_is_and_how_long_it_will_take_is_said_now_and_then() {
    let (sim, mut job) = local(60, &[]);
    job.limits.progress = Duration::from_millis(60);
    sim.inject(Fault::Delay(Duration::from_millis(30)), When::every(Op::ListPatsOfUser));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    let total = people(&sim.world());
    let lines: Vec<&String> = job.raw.iter().filter(|line| line.starts_with("##vso[task.setprogress ")).collect();
    assert!(lines.len() > 1, "{:?}", job.raw);
    let percents: Vec<u32> = lines
        .iter()
        .map(|line| line.split_once("value=").unwrap().1.split_once(';').unwrap().0.parse().unwrap())
        .collect();
    assert!(percents.is_sorted() && percents.iter().all(|percent| *percent <= 100), "{percents:?}");
    assert!(
        lines.iter().all(|line| line.contains(&format!(" of {total} users: ")) && line.ends_with(" left")),
        "{lines:?}"
    );
}

#[test]
fn a_wait_that_the_service_asks_for_is_said() {
    let (sim, mut job) = local(30, &[]);
    job.limits.progress = Duration::from_millis(100);
    sim.inject(Fault::OkWithRetryAfter(1), When::nth(Op::ListPatsOfUser, 5));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["Azure DevOps asks to wait 1 second"]);
}

#[test]
fn a_shorter_wait_asked_for_meanwhile_does_not_end_a_longer_one() {
    let (sim, mut job) = local(0, &[]);
    for name in ["one", "two"] {
        sim.world().add_pat(name).owner("alice").days_left(40).add();
    }
    let of = |who: &str| sim.world().everybody("contoso").find(|person| person.principal.starts_with(who)).unwrap();
    let (rotator, alice) = (of("rotator").descriptor, of("alice").descriptor);
    sim.inject(Fault::OkWithRetryAfter(3), When::about(Op::ListPatsOfUser, &rotator));
    sim.inject(Fault::Delay(Duration::from_millis(300)), When::about(Op::ListPatsOfUser, &alice));
    sim.inject(Fault::OkWithRetryAfter(1), When::about(Op::ListPatsOfUser, &alice));
    job.limits.repeat_within = Duration::from_secs(10);
    let started = Instant::now();
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_wait_asked_for_between_two_pages_of_one_users_list_is_said_as_well() {
    let (sim, mut job) = local(0, &[]);
    for (who, tokens) in [("rotator", 4), ("alice", 5)] {
        for number in 0..tokens {
            sim.world().add_pat(&format!("{number} of {who}")).owner(who).days_left(40).add();
        }
    }
    job.limits.progress = Duration::from_millis(100);
    sim.inject(Fault::OkWithRetryAfter(1), When::nth(Op::ListPatsOfUser, 1));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["Azure DevOps asks to wait 1 second"]);
}

#[test]
fn rate_limits_without_a_time_slow_the_report_down_and_cost_nobody() {
    let (sim, mut job) = local(20, &[]);
    job.limits.repeat_within = Duration::from_millis(50);
    sim.inject(Fault::Status(429), When::first(Op::ListPatsOfUser, 60));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    Listed::read(job.variable("reportFile").unwrap()).is_whole(&sim.world());
}

#[test]
fn a_wait_beyond_max_minutes_ends_the_report_at_once() {
    for fault in [Fault::Throttled, Fault::OkWithRetryAfter] {
        let (sim, mut job) = local(60, &[("maxMinutes", "10")]);
        job.limits.minute = Duration::from_secs(2);
        sim.inject(fault(3600), When::nth(Op::ListPatsOfUser, 20));
        let started = Instant::now();
        assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        logs(&job, &["this report is partial: Azure DevOps asks to wait 60 minutes"]);
    }
}
