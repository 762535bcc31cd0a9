//! The settle stage when the service does not do as it is told: renames that it refuses, replies that are lost, an
//! update that does more than it should, and a new PAT that stops working right after the commit.

use std::time::Duration;

use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, says};
use crate::rotation::settling::handed_out;
use agent::TaskResult;
use simulator::{Fault, Op, RenameRefusal, UnknownIdReply, When, World};

/// Refusals that are known to be about the token.
fn refusals() -> [RenameRefusal; 3] {
    ["fullScopePatPolicyViolation", "patLifespanPolicyViolation", "invalidTargetAccounts"].map(about_the_token)
}

fn about_the_token(code: &str) -> RenameRefusal {
    RenameRefusal::Error(code.to_owned())
}

const POLICY: &str = "globalPatPolicyViolation";

/// A PAT by number, superseded by a run.
fn superseded(number: u32, run: u32) -> String {
    format!("#{number} {NAME} [superseded {run}.1 +24h]")
}

#[test]
fn without_an_overlap_a_pat_that_cannot_be_renamed_is_revoked_before_the_look() {
    for refusal in refusals() {
        let (local, mut job) = Local::handed_out(&[("overlapHours", "0")]);
        local.sim.world().pats[0].refuse_rename = Some(refusal.clone());
        local.forget("the old consumer");
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{refusal:?}: {}", job.log());
        logs(&job, &["could not mark \"nuget-publish\"", "so it is revoked now"]);
        let marking = "#1 becomes nuget-publish [superseded 101.1]";
        // A refusal of the scope is followed by another try without it.
        let tries = if refusal == about_the_token("fullScopePatPolicyViolation") { 2 } else { 1 };
        let settled =
            [&["list"][..], &[marking].repeat(tries), &["list", "revoke #1", "list", "#2 becomes nuget-publish"]];
        assert_eq!(story(&local.sim), [&settled.concat()[..], &["try #2: 200"]].concat(), "{refusal:?}");
        assert_eq!(local.active(), [format!("#2 {NAME}")]);
    }
}

#[test]
fn what_had_to_be_revoked_before_the_look_is_not_said_to_work_when_the_settling_fails_later() {
    type Trouble = fn(&Local);
    let troubles: [(&str, Trouble); 4] = [
        ("commit refused", |local| local.sim.inject(Fault::Status(403), When::nth(Op::UpdatePat, 2))),
        ("commit lost", |local| local.sim.inject(Fault::Status(500), When::from(Op::UpdatePat, 2))),
        ("taken over", |local| {
            local.sim.inject(Fault::before(|world| drop(world.add_pat(NAME).add())), When::nth(Op::ListPats, 3));
        }),
        ("not verified", |local| local.sim.inject(Fault::Status(401), When::every(Op::ConnectionDataAsPat))),
    ];
    let mut untrue = Vec::new();
    for (name, trouble) in troubles {
        let (local, mut job) = Local::handed_out(&[("overlapHours", "0")]);
        local.sim.world().pats[0].refuse_rename = Some(about_the_token(POLICY));
        local.forget("the old consumer");
        trouble(&local);
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
        assert!(local.active()[0].starts_with("#2 "), "{name}: {:?}", local.active());
        let log = job.log().to_lowercase();
        let claims =
            ["both the old token", "all tokens work", "nothing was committed or revoked", "nothing was retired"];
        untrue.extend(claims.iter().filter(|claim| log.contains(**claim)).map(|claim| format!("{name}: {claim}")));
    }
    assert_eq!(untrue, [""; 0]);
}

#[test]
fn with_an_overlap_a_token_that_cannot_be_renamed_is_never_revoked() {
    for refusal in refusals() {
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.world().pats[0].refuse_rename = Some(refusal.clone());
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{refusal:?}: {}", job.log());
        logs(&job, &["could not mark \"nuget-publish\"", "The new token is now \"nuget-publish [held 101"]);
        logs(&job, &["Revoke the old token by hand once nobody uses it, or run once with `overlapHours: 0`"]);
        assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);

        let mut next = local.next_job(&[("rotateWhenDaysLeft", "1")]);
        local.hand_out(&mut next);
        assert_eq!(next.settle("Succeeded"), StageExit::Failed, "{refusal:?}: {}", next.log());
        let held = [format!("#2 {NAME} [held 101.1]"), format!("#3 {NAME} [held 102.1]")];
        assert_eq!(local.active(), [vec![format!("#1 {NAME}")], held.to_vec()].concat());

        let mut last = local.next_job(&[("overlapHours", "0")]);
        local.hand_out(&mut last);
        for consumer in ["the old consumer", "the new consumer"] {
            local.forget(consumer);
        }
        assert_eq!(last.settle("Succeeded"), StageExit::Succeeded, "{refusal:?}: {}", last.log());
        assert_eq!(local.active(), [format!("#4 {NAME}")]);
    }
}

#[test]
fn what_became_of_a_holding_after_such_a_refusal_is_said_where_it_is_known_and_that_it_is_not_where_it_is_not() {
    const UNKNOWN: &str = "Whether it stays \"nuget-publish [pending 101";
    const KNOWN: &str = "Nothing was retired; the new token stays \"nuget-publish [pending 101";
    for (fault, left, said) in [
        (Fault::ResetBefore, "pending 101.1", UNKNOWN),
        (Fault::ResetAfter, "held 101.1", UNKNOWN),
        (Fault::Status(400), "pending 101.1", KNOWN),
    ] {
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.world().pats[0].refuse_rename = Some(about_the_token(POLICY));
        local.sim.inject(fault, When::from(Op::UpdatePat, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
        logs(&job, &["could not mark \"nuget-publish\"", said]);
        assert!(!job.log().contains("is now"), "{}", job.log());
        assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [{left}]")]);
    }
}

#[test]
fn a_predecessor_that_is_gone_meanwhile_is_done_in_whatever_words_the_service_says_so() {
    for reply in [UnknownIdReply::Mixed, UnknownIdReply::NotFound, UnknownIdReply::In200] {
        for hours in ["24", "0"] {
            let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
            local.forget("the old consumer");
            let old = local.sim.world().pats[0].id.clone();
            local.sim.world().unknown_id_reply = reply;
            local.sim.world().revoke(&old);
            assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{reply:?}: {}", job.log());
            logs(&job, &["is gone already", "committed the new token"]);
            assert!(!job.log().contains("##[warning]"), "not found is done, {reply:?}, {hours} hours: {}", job.log());
            assert_eq!(local.active(), [format!("#2 {NAME}")]);
        }
    }
}

#[test]
fn a_predecessor_that_goes_between_its_marking_and_its_end_is_done() {
    for reply in [UnknownIdReply::Mixed, UnknownIdReply::NotFound, UnknownIdReply::In200] {
        for hours in ["24", "0"] {
            let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
            local.forget("the old consumer");
            let old = local.sim.world().pats[0].id.clone();
            local.sim.world().unknown_id_reply = reply;
            let gone = Fault::after(move |world| world.revoke(&old));
            local.sim.inject(gone, When::nth(Op::ConnectionDataAsPat, 1));
            assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{reply:?}: {}", job.log());
            assert!(!job.log().contains("##[warning]"), "not found is done, {reply:?}, {hours} hours: {}", job.log());
            assert_eq!(local.active(), [format!("#2 {NAME}")]);
        }
    }
}

/// Passing faults of an update, each as often as it is tried.
fn passing_faults() -> Vec<(&'static str, Fault)> {
    let refused = |code: &str| Fault::RefusedIn200(code.to_owned());
    vec![
        ("401", Fault::Status(401)),
        ("429", Fault::Status(429)),
        ("429 for long", Fault::Throttled(600)),
        ("500", Fault::Status(500)),
        ("503 for long", Fault::Unavailable(600)),
        ("sign-in page", Fault::SignInPage),
        ("redirect", Fault::SignInRedirect),
        ("refused connection", Fault::Refused),
        ("reset", Fault::ResetBefore),
        ("hang", Fault::HangBefore),
        ("the service's own trouble", refused("failedToUpdateAccessToken")),
        ("an unreadable policy", refused("failedToReadTenantPolicy")),
    ]
}

#[test]
fn what_passes_when_a_pat_is_marked_fails_the_stage_and_leaves_everything_working() {
    for hours in ["24", "0"] {
        for (name, fault) in passing_faults() {
            let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
            job.limits.repeat_within = Duration::from_millis(50);
            job.limits.reply = Duration::from_millis(100);
            local.sim.inject(fault, When::every(Op::UpdatePat));
            assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
            logs(&job, &["could not mark \"nuget-publish\"", "Nothing was retired"]);
            let story = story(&local.sim);
            let only_looks = |line: &String| line.starts_with("#1 becomes") || line == "list";
            assert!(story[1..].iter().all(only_looks), "{name}: {story:?}");
            assert_eq!(local.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")], "{name}");
        }
    }
}

#[test]
fn a_marking_whose_reply_is_always_lost_is_taken_for_a_failure_and_healed_by_the_next_run() {
    for fault in [Fault::ResetAfter, Fault::CutReply, Fault::StatusAfter(502), Fault::HangAfter, Fault::WrongShape] {
        let name = fault.name();
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::every(Op::UpdatePat));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
        assert_eq!(local.active(), [superseded(1, 101), format!("#2 {NAME} [pending 101.1]")], "{name}");
        local.sim.clear_faults();
        local.rotate(&mut local.next_job(&[("rotateWhenDaysLeft", "1")]));
        assert_eq!(local.active(), [superseded(1, 101), superseded(2, 102), format!("#3 {NAME}")], "{name}");
    }
}

#[test]
fn a_server_that_changes_the_secret_on_an_update_is_found_out_while_nobody_holds_the_new_pat() {
    let local = Local::with_pat(5);
    local.sim.world().update_changes_secret = true;
    let mut job = local.job(&[]);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(&job, &["could not prove \"nuget-publish [pending 101.1-", "still rejects it", "which nobody holds"]);
    let story = story(&local.sim);
    assert_eq!(story[3], "#2 becomes nuget-publish [pending 101.1]");
    assert!(!story.iter().any(|line| line.starts_with("#1 ")), "nothing of value is renamed: {story:?}");
    assert_eq!(story.last().unwrap(), "revoke #2");
    assert_eq!(job.variable(VARIABLE), None);
    assert_eq!(local.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_new_pat_that_speaks_for_somebody_else_is_found_out_while_nobody_holds_it() {
    let local = Local::with_pat(5);
    let speaks_for = |who: &'static str| move |world: &mut World| who.clone_into(&mut world.pats[1].owner);
    local.sim.inject(Fault::before(speaks_for("alice")), When::every(Op::ConnectionDataAsPat));
    local.sim.inject(Fault::after(speaks_for("rotator")), When::every(Op::ConnectionDataAsPat));
    let mut job = local.job(&[]);
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    let alice = local.sim.world().user("alice").identity.clone();
    logs(&job, &[&format!("it speaks for {alice} and not for the signed-in user"), "which nobody holds"]);
    assert!(job.variable(VARIABLE).is_none());
    assert_eq!(local.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_server_that_resets_what_an_update_leaves_out_is_found_out_while_nobody_holds_the_new_pat() {
    // Its default of seven days is earlier than the one, and later than the other.
    for (days, ends) in [("30", "2026-12-24"), ("3", "2026-11-27")] {
        let local = Local::with_pat(5);
        local.sim.world().update_resets_omitted_fields = true;
        let mut job = local.job(&[("validForDays", days), ("rotateWhenDaysLeft", "")]);
        assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
        let changed = format!("a rename changed its expiry from {ends}");
        logs(&job, &[&changed, "to 2026-12-01", "which nobody holds", "Report this"]);
        let create = format!("create nuget-publish [pending 101.1], ends in {days} days");
        let proof = ["#2 becomes nuget-publish [pending 101.1]", "revoke #2"];
        assert_eq!(story(&local.sim), [&["list", &create, "list"][..], &proof].concat());
        assert_eq!(local.active(), [format!("#1 {NAME}")]);
    }
}

#[test]
fn a_commit_that_is_refused_or_never_gets_through_leaves_everything_working_for_the_next_run() {
    let refused = Fault::RefusedIn200("accessDenied".to_owned());
    for fault in [refused, Fault::Status(400), Fault::Status(401), Fault::Status(500), Fault::ResetBefore] {
        let name = fault.name();
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::from(Op::UpdatePat, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
        logs(&job, &["could not commit the new token as \"nuget-publish\""]);
        let story = story(&local.sim);
        assert!(!story.iter().any(|line| line.starts_with("revoke") || line.contains(", ends")), "{name}: {story:?}");
        assert_eq!(local.active(), [superseded(1, 101), format!("#2 {NAME} [pending 101.1]")], "{name}");
        local.sim.clear_faults();
        local.rotate(&mut local.next_job(&[("rotateWhenDaysLeft", "1")]));
        assert_eq!(local.active(), [superseded(1, 101), superseded(2, 102), format!("#3 {NAME}")], "{name}");
    }
}

#[test]
fn a_look_that_fails_commits_nothing() {
    for fault in [Fault::Status(500), Fault::Status(401), Fault::WrongShape, Fault::HugeBody(5 << 20)] {
        let name = fault.name();
        let (local, mut job) = Local::handed_out(&[]);
        local.sim.inject(fault, When::from(Op::ListPats, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{name}: {}", job.log());
        logs(&job, &["could not list the tokens before the commit", "Nothing was retired"]);
        local.sim.clear_faults();
        assert_eq!(local.active(), [superseded(1, 101), format!("#2 {NAME} [pending 101.1]")], "{name}");
    }
}

#[test]
fn a_pat_that_stops_working_right_after_its_commit_retires_nothing() {
    for hours in ["24", "0"] {
        let (local, mut job) = Local::handed_out(&[("overlapHours", hours)]);
        local.forget("the new consumer");
        let ends = local.sim.world().pats[0].valid_to;
        let new = local.sim.world().pats[1].id.clone();
        let by_hand = Fault::after(move |world| world.revoke(&new));
        local.sim.inject(by_hand, When::nth(Op::UpdatePat, 2));
        assert_eq!(job.settle("Succeeded"), StageExit::Failed, "{}", job.log());
        logs(&job, &["could not verify the new token", "after the commit", "nothing was retired"]);
        assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +{hours}h]")]);
        assert_eq!(local.sim.world().pats[0].valid_to, ends);

        local.sim.clear_faults();
        let mut next = local.next_job(&[("rotateWhenDaysLeft", "1")]);
        local.hand_out(&mut next);
        local.forget("the old consumer");
        assert_eq!(next.settle("Succeeded"), StageExit::Succeeded, "{}", next.log());
        assert_eq!(local.active().last().unwrap(), &format!("#3 {NAME}"));
        assert_eq!(local.sim.world().pats[2].scope, "vso.packaging_write");
    }
}

#[test]
fn what_cannot_be_revoked_now_is_a_warning_and_revoked_by_the_next_run_even_if_that_is_not_due() {
    let (pipeline, mut job) = handed_out(&[("overlapHours", "0")]);
    pipeline.forget("the old consumer");
    pipeline.sim.inject(Fault::Status(403), When::every(Op::RevokePat));
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(post.warning_count, 1);
    says(&post, &["could not retire \"nuget-publish [superseded 101.1-", "The next run tries again."]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +0h]"), format!("#2 {NAME}")]);

    pipeline.sim.clear_faults();
    pipeline.sim.world().advance(jiff::SignedDuration::from_mins(2));
    let main = pipeline.main(&mut pipeline.next_job(), &[("rotateWhenDaysLeft", "1")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["nothing is due", "whose overlap has ended"]);
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

#[test]
fn what_cannot_be_shortened_now_is_a_warning_and_revoked_by_a_run_after_the_overlap() {
    let (pipeline, mut job) = handed_out(&[]);
    pipeline.sim.inject(Fault::Status(403), When::nth(Op::UpdatePat, 3));
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    says(&post, &["could not retire \"nuget-publish [superseded 101.1-", "The next run tries again."]);
    assert_eq!(pipeline.active(), [superseded(1, 101), format!("#2 {NAME}")]);

    pipeline.sim.clear_faults();
    pipeline.forget("the old consumer");
    pipeline.sim.world().advance(jiff::SignedDuration::from_hours(25));
    let main = pipeline.main(&mut pipeline.next_job(), &[("rotateWhenDaysLeft", "1")]);
    says(&main, &["nothing is due", "whose overlap has ended"]);
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

#[test]
fn a_run_that_is_not_due_warns_of_what_it_cannot_revoke_and_succeeds() {
    let pipeline = Pipeline::with_pat(20);
    pipeline.add(&format!("{NAME} [superseded 90.1-0a1b2c3d ends 2020-01-01T00:00Z]"), 9);
    pipeline.sim.inject(Fault::Status(403), When::every(Op::RevokePat));
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "9")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["##[warning]could not revoke \"nuget-publish [superseded 90.1-", "The next run tries again."]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
}
