//! Lists that do not end, or not as they should.

use rotate_pat::app::StageExit;

use crate::harness::local::logs;
use crate::harness::pipeline::says;
use crate::report::{Listed, OF_ALL, fails_without_a_report, local, organization, report};
use agent::TaskResult;
use simulator::{Fault, Op, When};

#[test]
fn a_list_of_users_whose_next_page_is_itself_is_given_up() {
    let pipeline = organization(20);
    pipeline.sim.inject(Fault::EndlessList(2, false), When::from(Op::ListUsers, 4));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["this report is partial: the list of users could not be read to its end", "is the same page"]);
    let listed = Listed::of(&job);
    listed.is_a_part(&pipeline.sim.world(), "the list of users");
    assert!(listed.number("owners") > 0 && listed.number("ownersNotAsked") == 0, "those on it are asked for");
}

#[test]
fn a_list_of_users_that_goes_on_without_anybody_new_is_given_up() {
    let (sim, mut job) = local(20, &[]);
    sim.inject(Fault::EndlessList(0, true), When::from(Op::ListUsers, 4));
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["this report is partial: the list of users", "nobody new"]);
    Listed::read(job.variable("reportFile").unwrap()).is_a_part(&sim.world(), "the list of users");
    assert!(sim.count(Op::ListUsers) < 1000, "{} pages", sim.count(Op::ListUsers));
}

#[test]
fn one_that_never_names_anybody_is_a_failure() {
    let pipeline = organization(3);
    pipeline.sim.inject(Fault::EndlessList(0, false), When::every(Op::ListUsers));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL]);
    fails_without_a_report(&job, &run, &["could not list the users of"]);
}

#[test]
fn a_list_of_tokens_that_does_not_end_is_that_users_alone() {
    for goes_on in [false, true] {
        let (sim, mut job) = local(20, &[]);
        let victim = sim.world().everybody("contoso").nth(9).unwrap().descriptor;
        sim.inject(Fault::EndlessList(2, goes_on), When::about(Op::ListPatsOfUser, &victim));
        assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
        let listed = Listed::read(job.variable("reportFile").unwrap());
        assert_eq!((listed.number("ownersNotRead"), listed.number("owners")), (1, 21), "{}", job.log());
        assert_eq!(listed.0["notRead"][0]["owner"]["id"], victim.as_str());
    }
}
