//! A report that cannot be finished is written as far as it came, and says what is missing.

use std::time::Duration;

use rotate_pat::app::StageExit;

use crate::harness::local::logs;
use crate::harness::pipeline::says;
use crate::report::{Listed, OF_ALL, handled, local, organization, people, report, report_interrupted};
use agent::{Interruption, TaskResult};
use simulator::{Fault, Op, When};

#[test]
fn max_minutes_end_it_with_what_was_had_by_then_and_what_is_missing_is_counted() {
    let (sim, mut job) = local(80, &[("maxMinutes", "3")]);
    job.limits.minute = Duration::from_millis(500);
    sim.inject(Fault::Delay(Duration::from_millis(200)), When::every(Op::ListPatsOfUser));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["this report is partial: `maxMinutes` ended it after 3 minutes", "not asked for"]);
    let listed = Listed::read(job.variable("reportFile").unwrap());
    let world = sim.world();
    listed.is_a_part(&world, "`maxMinutes`");
    let (had, missing) = (listed.number("owners"), listed.number("ownersNotAsked"));
    assert!(had > 0 && had + missing == people(&world), "{had} and {missing} of {}", people(&world));
}

#[test]
fn a_partial_report_does_not_answer_what_fail_on_asks() {
    for (fail_on, told) in [("nothing", StageExit::Succeeded), ("expired", StageExit::Failed)] {
        let (sim, mut job) = local(80, &[("maxMinutes", "1"), ("failOn", fail_on)]);
        job.limits.minute = Duration::from_millis(100);
        sim.inject(Fault::HangBefore, When::every(Op::ListPatsOfUser));
        assert_eq!(job.main(), told, "{}", job.log());
        Listed::read(job.variable("reportFile").unwrap()).is_a_part(&sim.world(), "`maxMinutes`");
    }
}

#[test]
fn a_cancelled_one_is_written_at_once_and_ends_as_cancelled() {
    let pipeline = organization(80);
    pipeline.sim.inject(Fault::HangBefore, When::from(Op::ListPatsOfUser, 40));
    let when = handled(&pipeline, Op::ListPatsOfUser, 40);
    let mut job = pipeline.job();
    let run = report_interrupted(&pipeline, &mut job, &[OF_ALL], Interruption::Cancel(when));
    assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
    assert_eq!(run.signals, ["INT"]);
    assert!(run.duration < Duration::from_secs(5), "{:?}", run.duration);
    says(&run, &["this report is partial: the run was cancelled", "The report was written as far as it had come."]);
    let listed = Listed::of(&job);
    listed.is_a_part(&pipeline.sim.world(), "the run was cancelled");
    assert!(listed.number("owners") > 0);
    assert!(run.summaries[0].text.contains("This report is partial"), "{}", run.summaries[0].text);
}

#[test]
fn cancelled_before_anything_was_listed_there_is_no_report() {
    for op in [Op::OidcToken, Op::VaultRead, Op::TokenRefresh] {
        let pipeline = organization(3);
        pipeline.sim.inject(Fault::HangBefore, When::nth(op, 1));
        let when = handled(&pipeline, op, 1);
        let mut job = pipeline.job();
        let run = report_interrupted(&pipeline, &mut job, &[OF_ALL], Interruption::Cancel(when));
        assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
        assert!(run.duration < Duration::from_secs(5), "{:?}", run.duration);
        assert!(run.summaries.is_empty() && job.variable_value("rotate.reportFile").is_none(), "{op:?}");
    }
}

#[test]
fn one_list_that_cannot_be_read_is_named_and_the_others_are_there() {
    let pipeline = organization(20);
    pipeline.sim.inject(Fault::WrongShape, When::nth(Op::ListPatsOfUser, 12));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["this report is partial: the tokens of 1 user could not be read"]);
    let listed = Listed::of(&job);
    assert_eq!((listed.number("ownersNotRead"), listed.number("owners")), (1, 21));
    assert_eq!(listed.0["isPartial"], true);
}

#[test]
fn a_service_that_no_longer_answers_ends_it_instead_of_being_asked_for_everybody() {
    let (sim, mut job) = local(80, &[]);
    sim.inject(Fault::Status(500), When::from(Op::ListPatsOfUser, 30));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["this report is partial", "could not be read", "500"]);
    let listed = Listed::read(job.variable("reportFile").unwrap());
    listed.is_a_part(&sim.world(), "could not be read");
    assert!(listed.number("owners") > 0);
}
