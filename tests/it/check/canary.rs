//! The canary: a row for each thing that no document says, and gone in the end. Faults at each request: `robustness/matrix`.

use std::fs;
use std::time::Duration;

use jiff::SignedDuration;
use rotate_pat::app::StageExit;
use serde_json::Value;
use simulator::{Fault, Op, When, World};

use super::{canaries, local};
use crate::harness::in_process::LocalJob;
use crate::harness::local::{Local, logs};
use crate::harness::pipeline::NAME;

fn row(job: &LocalJob, key: &str) -> Value {
    let file = fs::read_to_string(job.variable("checkFile").expect("the file is an output")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    file["rows"].as_array().unwrap().iter().find(|row| row["row"] == key).expect("a row of that key").clone()
}

#[test]
fn what_no_document_says_is_shown_by_its_row() {
    type Switch = fn(&mut World);
    let switches: [(&str, Switch, &str, bool, &str); 5] = [
        (
            "a rename changes the value",
            |w| w.update_changes_secret = true,
            "renameKeepsValue",
            false,
            "no longer works",
        ),
        ("an update resets", |w| w.update_resets_omitted_fields = true, "renameKeepsRest", false, "its end moved"),
        ("slow", |w| w.new_pats_valid_after = 1000, "works", false, "still refused after"),
        ("revoked lives on", |w| w.revoked_pats_live_on = true, "revoked", true, "still accepted after"),
        ("no shortening", |w| w.shortening_ignored = true, "shortening", true, "still ends at"),
    ];
    for (what, switch, key, is_ok, said) in switches {
        let world = Local::with_pat(5);
        switch(&mut world.sim.world());
        let mut job = local(&world, &[]);
        job.main();
        assert_eq!(row(&job, key)["outcome"], if is_ok { "ok" } else { "not ok" }, "{what}: {}", job.log());
        logs(&job, &[said]);
        assert_eq!(canaries(&world), [""; 0], "{what}");
    }
}

#[test]
fn a_canary_that_a_killed_check_left_is_revoked_by_the_next_once_it_is_an_hour_old() {
    let world = Local::with_pat(5);
    let name = format!("{NAME} [check 7.1-0a1b2c3d]");
    world.sim.world().add_pat(&name).age(SignedDuration::from_mins(30)).days_left(5).add();
    assert_eq!(local(&world, &[]).main(), StageExit::Succeeded);
    assert_eq!(canaries(&world).len(), 1, "it may belong to a check at work");
    world.advance(SignedDuration::from_hours(1));
    let mut job = local(&world, &[]);
    assert_eq!(job.main(), StageExit::Succeeded);
    logs(&job, &["revoked \"nuget-publish [check 7.1-0a1b2c3d]\""]);
    assert_eq!(canaries(&world), [""; 0]);
}

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
