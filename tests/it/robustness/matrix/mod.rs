//! No fault loses a PAT: every request of every kind of run meets every fault of the design's list, and after each the
//! promises I1 to I5 hold and one healthy run brings all together. The real process is killed at the same points, and
//! two and three runs are interleaved at every boundary of their requests, in this process and as real processes. The
//! totals are printed.

mod cell;
mod checks;
mod fault;
mod interleaved;
mod kill;
pub(crate) mod kind;
mod many;
mod oracle;
mod processes;
mod requests;
mod sample;
pub(crate) mod scenario;
mod spoken;
pub(crate) mod tally;
mod traces;
mod turns;
mod watched;

use rotate_pat::app::Stage;

use self::cell::{Cell, Clean, Happening, ordinals};
use self::kind::Kind;
use self::scenario::Scenario;
pub(crate) use self::tally::say;
use crate::harness::in_process::Conditions;
use simulator::Op;

#[test]
fn no_fault_at_any_request_of_any_kind_of_run_breaks_a_promise() {
    let kinds = kind::all();
    let cells: Vec<Cell> = kinds.iter().flat_map(cell::cells_of).collect();
    let cells = sample::of(cells, Cell::name, Cell::traits);
    say(&format!("fault matrix: {} kinds of run, {} faults at each request", kinds.len(), fault::ALL.len()));
    tally::play("fault matrix", &cells, Cell::name, Cell::play);
}

fn some_kind() -> Kind {
    kind::all().swap_remove(0)
}

#[test]
fn every_request_of_a_recorded_run_meets_every_fault() {
    let kind = some_kind();
    let clean = Clean::run(&kind);
    let cells = cell::cells_of(&kind);
    for (stage, requests) in [(Stage::Main, &clean.main), (Stage::Settle, &clean.settle)] {
        assert!(requests.len() > 4, "{stage:?}: {} requests", requests.len());
        for (op, n) in ordinals(requests) {
            let is_here = |cell: &&Cell| {
                cell.stage == stage && matches!(cell.happening, Happening::At(o, k, _) if (o, k) == (op, n))
            };
            assert_eq!(cells.iter().filter(is_here).count(), fault::ALL.len(), "{stage:?} {op:?} {n}");
        }
    }
}

#[test]
fn a_fault_that_meets_no_request_fails_its_cell() {
    for wrong in fault::ALL.iter().take(3) {
        let happening = Happening::At(Op::CreatePat, 9, *wrong);
        let told = Cell { kind: some_kind(), stage: Stage::Main, happening }.play().unwrap_err();
        assert!(told.starts_with("the fault met no request"), "{told}");
    }
}

#[test]
fn words_that_are_not_true_of_the_world_fail() {
    let mut scene = Scenario::new(&some_kind());
    let before = scene.seen();
    let main = scene.main(Conditions::new(&scene.sim));
    let after = scene.seen();
    oracle::judge_main(&scene, &before, &after, &main).unwrap();
    let mut gone = after.clone();
    gone.pats.last_mut().unwrap().is_active = false;
    oracle::judge_main(&scene, &before, &gone, &main).unwrap_err();
    let mut elsewhere = after.clone();
    elsewhere.variable = None;
    oracle::judge_main(&scene, &before, &elsewhere, &main).unwrap_err();

    let mut failed = main.clone();
    failed.result = agent::TaskResult::Failed;
    for (words, is_true) in [
        ("Nothing was changed.", false),
        ("The new token 1 was revoked; nothing else was changed.", false),
        ("It may be so, who knows.", false),
        ("The job may hold the new token, so both work; it stays \"another name\".", false),
        ("The new token is in a place, and both work.", true),
    ] {
        failed.errors = vec![format!("could not do it. {words} Run again.")];
        assert_eq!(oracle::judge_main(&scene, &before, &after, &failed).is_ok(), is_true, "{words}");
    }
}
