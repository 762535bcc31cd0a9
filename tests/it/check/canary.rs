//! The canary: gone after whatever happens at whichever request, and a row for each thing that no document says.

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
fn the_canary_is_gone_or_named_after_every_fault_at_every_request() {
    type Make = fn() -> Fault;
    let faults: [(&str, Make); 8] = [
        ("500", || Fault::Status(500)),
        ("500 after it was handled", || Fault::StatusAfter(500)),
        ("403", || Fault::Status(403)),
        ("401", || Fault::Status(401)),
        ("404", || Fault::Status(404)),
        ("reset before", || Fault::ResetBefore),
        ("reset after it was handled", || Fault::ResetAfter),
        ("a sign-in page", || Fault::SignInPage),
    ];
    let ops =
        [Op::ListPats, Op::ConnectionDataAsUser, Op::CreatePat, Op::UpdatePat, Op::ConnectionDataAsPat, Op::RevokePat];
    let clean = Local::with_pat(5);
    assert_eq!(local(&clean, &[]).main(), StageExit::Succeeded);
    let mut played = 0;
    for op in ops {
        for nth in 1..=clean.sim.count(op) {
            for (called, fault) in faults {
                for lasts in [false, true] {
                    let world = Local::with_pat(5);
                    let when = if lasts { When::from(op, nth) } else { When::nth(op, nth) };
                    world.sim.inject(fault(), when);
                    let mut job = local(&world, &[]);
                    job.main();
                    let left = canaries(&world);
                    let (log, what) = (job.log(), format!("{called} at {op:?} {nth}, lasting: {lasts}"));
                    if !left.is_empty() {
                        assert!(lasts, "a fault that passes left a canary: {what}\n{log}");
                        assert!(log.contains("a run after an hour revokes it"), "not named: {what}\n{log}");
                        world.sim.clear_faults();
                        assert_eq!(local(&world, &[]).main(), StageExit::Succeeded, "{what}");
                    }
                    assert_eq!(canaries(&world), [""; 0], "{what}\n{log}");
                    assert!(world.active().contains(&format!("#1 {NAME}")), "{what}");
                    played += 1;
                }
            }
        }
    }
    assert!(played > 150, "{played}");
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
