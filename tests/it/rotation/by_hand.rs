//! What a person does to the tokens during the job stands: settling acts on what the list shows then, never on the plan's
//! copies.

use jiff::SignedDuration;
use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::NAME;
use simulator::{Fault, Op, RenameRefusal, When};

const KEPT: &str = "nuget-publish (keep)";

#[test]
fn token_renamed_out_of_the_family_is_left_alone() {
    for hours in ["24", "0"] {
        let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
        let old = local.sim.world().pats[0].clone();
        local.sim.world().rename(&old.id, KEPT);
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
        logs(&job, &["was renamed to \"nuget-publish (keep)\" during the job, so it is left alone"]);
        assert_eq!(story(&local.sim), ["list", "#2 becomes nuget-publish", "try #2: 200"]);
        assert_eq!(local.active(), [format!("#1 {KEPT}"), format!("#2 {NAME}")]);
        assert_eq!(local.sim.world().pats[0].valid_to, old.valid_to);
    }
}

#[test]
fn superseded_token_renamed_out_of_the_family_is_not_revoked() {
    let local = Local::with_pat(5);
    let past = format!("{NAME} [superseded 90.1-0a1b2c3d ends 2020-01-01T00:00Z]");
    let id = local.sim.world().add_pat(&past).add();
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    local.sim.world().rename(&id, KEPT);
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    assert!(local.active().contains(&format!("#2 {KEPT}")), "{:?}", local.active());
}

#[test]
fn shortened_token_is_never_lengthened() {
    let (local, mut job) = Local::handed_out(&[]);
    let soon = local.sim.world().now() + SignedDuration::from_hours(1);
    local.sim.world().pats[0].valid_to = soon;
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    assert!(local.sim.world().pats[0].valid_to <= soon);
}

#[test]
fn narrowed_scopes_are_never_widened() {
    for status in ["Succeeded", "Failed"] {
        let (local, mut job) = Local::handed_out(&[("scopes", "vso.packaging_write vso.code_write")]);
        for pat in &mut local.sim.world().pats {
            "vso.packaging".clone_into(&mut pat.scope);
        }
        assert_eq!(job.settle(status), StageExit::Succeeded, "{}", job.log());
        let world = local.sim.world();
        assert!(world.pats.iter().all(|pat| pat.scope == "vso.packaging"), "{status}\n{}", world.listing());
    }
}

#[test]
fn token_committed_by_hand_stops_the_settling_before_any_change() {
    let (local, mut job) = Local::handed_out(&[]);
    local.sim.world().add_pat(NAME).add();
    assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
    logs(&job, &["somebody has taken over", "appeared since the plan"]);
    assert_eq!(story(&local.sim), ["list"]);
}

#[test]
fn unknown_refusal_of_a_rename_revokes_nothing() {
    let refusals = [
        RenameRefusal::Status(403),
        RenameRefusal::Status(409),
        RenameRefusal::Error("accessDenied".to_owned()),
        RenameRefusal::Error("invalidToken".to_owned()),
        RenameRefusal::Error("someCodeOfTheFuture".to_owned()),
    ];
    for refusal in refusals {
        for hours in ["24", "0"] {
            let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
            assert_eq!(job.settle("Failed"), StageExit::Succeeded, "{}", job.log());
            let mut next = local.next_job(&[("overlapHours", hours)]);
            local.hand_out(&mut next);
            for pat in &mut local.sim.world().pats[..2] {
                pat.refuse_rename = Some(refusal.clone());
            }
            assert_eq!(next.settle("Succeeded"), StageExit::Failed, "{refusal:?}: {}", next.log());
            logs(&next, &["could not mark \"nuget-publish\"", "Nothing was retired"]);
            let left = [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]"), format!("#3 {NAME} [pending 102.1]")];
            assert_eq!(local.active(), left, "{refusal:?}");
        }
    }
}

#[test]
fn code_that_may_mean_gone_is_believed_only_with_the_list() {
    for code in ["invalidToken", "tokenNotFound"] {
        let (local, mut job) = Local::handed_out(&[("overlapHours", "0")]);
        local.sim.inject(Fault::RefusedIn200(code.to_owned()), When::every(Op::RevokePat));
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
        logs(&job, &["##[warning]could not retire \"nuget-publish"]);
        assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +0h]"), format!("#2 {NAME}")]);
    }
}
