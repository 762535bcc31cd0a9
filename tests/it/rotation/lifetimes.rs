//! How long PATs live: what a cap on lifetimes does to new and to old ones, how an overlap ends, and whose clock counts.

use jiff::SignedDuration;
use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs, story};
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use agent::TaskResult;
use simulator::{Fault, When};

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[test]
fn a_capped_lifetime_is_said_and_warned_about_where_every_run_would_rotate() {
    for (limit, warns) in [("", false), ("6", false), ("7", true), ("9", true)] {
        let local = Local::with_pat(5);
        local.sim.world().cap_days = Some(7);
        let mut job = local.job(&[("rotateWhenDaysLeft", limit)]);
        local.hand_out(&mut job);
        logs(&job, &["note: 7 days were granted and not the 30 of `validForDays`"]);
        assert_eq!(job.variable("daysLeft"), Some("7"));
        let warnings: Vec<String> =
            job.log().lines().filter(|line| line.contains("warning")).map(str::to_owned).collect();
        assert_eq!(warnings.len(), usize::from(warns), "{limit}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("every run will rotate")), "{limit}: {warnings:?}");
    }
}

#[test]
fn a_lifetime_granted_in_full_needs_no_word() {
    for (days, capped_at) in [("30", None), ("7", Some(7)), ("365", None)] {
        let local = Local::with_pat(5);
        local.sim.world().cap_days = capped_at;
        let mut job = local.job(&[("validForDays", days), ("rotateWhenDaysLeft", "6")]);
        local.hand_out(&mut job);
        assert!(!job.log().contains("granted"), "{days}: {}", job.log());
        assert_eq!(job.variable("daysLeft"), Some(days));
    }
}

#[test]
fn a_cap_introduced_after_the_old_pat_was_created_kills_nobody() {
    let pipeline = Pipeline::with_pat(5);
    let ends = pipeline.sim.world().pats[0].valid_to;
    pipeline.sim.world().cap_days = Some(7);
    let (_, post) = pipeline.rotate(&mut pipeline.job(), &[]);
    let story = story(&pipeline.sim);
    assert!(story.contains(&"#1 becomes nuget-publish [superseded 101.1]".to_owned()), "{story:?}");
    let sent: Vec<&String> = story.iter().filter(|line| line.contains(", ends")).collect();
    assert_eq!(sent, ["create nuget-publish [pending 101.1], ends in 30 days"], "`validTo` is sent in no update");
    says(&post, &["works until a run after"]);
    assert_eq!(pipeline.sim.world().pats[0].valid_to, ends);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);

    pipeline.forget("the old consumer");
    pipeline.sim.world().advance(SignedDuration::from_hours(25));
    let main = pipeline.main(&mut pipeline.next_job(), &[("rotateWhenDaysLeft", "3")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["nothing is due", "whose overlap has ended"]);
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

/// A PAT of that age and that many days left, replaced by one that is granted `days`: is its life cut to the overlap?
fn is_shortened(age: i32, left: i32, days: &str) -> bool {
    let local = Local::new();
    local.sim.world().add_pat(NAME).valid_days_ago(age).days_left(left).add();
    local.consume("the old consumer", 1);
    let before = local.sim.world().pats[0].valid_to;
    let mut job = local.job(&[("validForDays", days)]);
    local.rotate(&mut job);
    let now = local.sim.world().now();
    let after = local.sim.world().pats[0].valid_to;
    assert_eq!(local.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    let at_the_end = after >= now + DAY && after <= now + DAY + SignedDuration::from_mins(1);
    assert!(at_the_end || after == before, "{after} is neither {before} nor the end of the overlap");
    at_the_end
}

#[test]
fn the_old_pat_is_shortened_only_where_a_cap_as_long_as_the_new_ones_life_could_not_kill_it() {
    assert!(is_shortened(25, 5, "30"));
    assert!(is_shortened(28, 5, "30"));
    assert!(!is_shortened(29, 5, "30"), "a cap of 30 days would end it within a day, before the overlap ends");
    assert!(!is_shortened(265, 100, "90"));
    assert!(is_shortened(265, 100, "365"));
}

#[test]
fn the_marker_never_ends_before_the_overlap_does_and_the_expiry_is_the_markers_minute() {
    for (hours, marker) in [("1", "2026-11-24T04:01Z"), ("24", "2026-11-25T03:01Z"), ("0", "2026-11-24T03:01Z")] {
        let local = Local::with_pat(5);
        let mut job = local.job(&[("overlapHours", hours)]);
        local.hand_out(&mut job);
        local.forget("the old consumer");
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
        let world = local.sim.world();
        assert!(world.pats[0].name.ends_with(&format!(" ends {marker}]")), "{}", world.pats[0].name);
        match hours {
            "0" => assert!(world.pats[0].revoked.is_some()),
            _ => assert_eq!(world.pats[0].valid_to, marker.replace('Z', ":00Z").parse().unwrap()),
        }
    }
}

#[test]
fn dates_that_the_service_rounds_are_no_changed_expiry() {
    let local = Local::with_pat(5);
    for nanoseconds in [0, 4_999_999, 5_000_001, 319_999_900, 999_999_999] {
        let at = local.sim.world().now();
        local.sim.world().set_now(jiff::Timestamp::new(at.as_second() + 3600, nanoseconds).unwrap());
        let mut job = local.next_job(&[]);
        local.rotate(&mut job);
        let world = local.sim.world();
        let new = world.pats.last().unwrap();
        let expected = new.valid_to.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        assert_eq!(job.variable("validTo"), Some(expected.as_str()));
        assert_eq!(job.variable("daysLeft"), Some("30"));
        drop(world);
        for consumer in ["the old consumer", "the new consumer"] {
            local.forget(consumer);
        }
    }
}

#[test]
fn a_pat_that_expires_before_the_overlap_ends_is_left_to_expire() {
    let pipeline = Pipeline::new();
    let old = pipeline.sim.world().add_pat(NAME).age(DAY * 29).left(SignedDuration::from_hours(10)).add();
    pipeline.consume("the old consumer", &old);
    let ends = pipeline.sim.world().pat(&old).valid_to;
    let (_, post) = pipeline.rotate(&mut pipeline.job(), &[]);
    says(&post, &["expires by itself at", "before the overlap ends"]);
    assert!(!story(&pipeline.sim).iter().any(|line| line.contains("#1") && line.contains(", ends")));
    assert_eq!(pipeline.sim.world().pat(&old).valid_to, ends);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    pipeline.forget("the old consumer");
    pipeline.sim.world().advance(SignedDuration::from_hours(11));
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

#[test]
fn a_pat_that_expires_during_the_job_is_gone_and_no_obstacle() {
    let local = Local::new();
    local.sim.world().add_pat(NAME).age(DAY * 29).left(SignedDuration::from_mins(20)).add();
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    local.advance(SignedDuration::from_mins(30));
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["is gone already", "committed the new token"]);
    assert_eq!(local.active(), [format!("#2 {NAME}")]);
}

#[test]
fn an_expired_pat_is_no_pat() {
    let pipeline = Pipeline::new();
    pipeline.sim.world().add_pat(NAME).days_left(-1).add();
    let main = pipeline.main(&mut pipeline.job(), &[]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["no active token has the name"]);
    let inputs = [("createIfMissing", "true"), ("scopes", "vso.packaging_write")];
    pipeline.rotate(&mut pipeline.next_job(), &inputs);
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

#[test]
fn an_agent_whose_clock_is_wrong_rotates_by_the_servers_time() {
    let hours = SignedDuration::from_hours;
    // By the agent's clock each would be decided the other way.
    for (ahead, left, is_due) in [(5, DAY * 8 + hours(22), true), (-5, DAY * 9 + hours(2), false)] {
        let pipeline = Pipeline::new();
        pipeline.sim.world().advance(hours(ahead));
        let old = pipeline.sim.world().add_pat(NAME).age(DAY * 21).left(left).add();
        pipeline.consume("the old consumer", &old);
        let mut job = pipeline.job();
        let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "9")]);
        assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
        let side = if ahead > 0 { "behind" } else { "ahead" };
        says(&main, &[&format!("the agent's clock is 5 hours {side}; the server's time is used")]);
        assert_eq!(job.variable_value("rotate.rotated"), Some(if is_due { "true" } else { "false" }));
    }
}

#[test]
fn an_agent_whose_clock_is_wrong_grants_whole_lives_and_whole_overlaps() {
    for hours in [5, -5, 100] {
        let pipeline = Pipeline::new();
        pipeline.sim.world().advance(SignedDuration::from_hours(hours));
        let refresh_token = pipeline.sim.world().refresh_token_for("rotator", "pat-rotator");
        pipeline.sim.world().set_secret(REFRESH, &refresh_token, &[]);
        let old = pipeline.add(NAME, 6);
        pipeline.consume("the old consumer", &old);
        let mut job = pipeline.job();
        pipeline.rotate(&mut job, &[]);
        assert_eq!(job.variable_value("rotate.daysLeft"), Some("30"), "{hours}");
        assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
        let (story, world) = (story(&pipeline.sim), pipeline.sim.world());
        assert!(story.contains(&"create nuget-publish [pending 101.1], ends in 30 days".to_owned()), "{story:?}");
        let overlap = world.pat(&old).valid_to.duration_since(world.now());
        assert!((overlap.as_secs() - DAY.as_secs()).abs() < 90, "{hours}: {overlap}");
    }
}

#[test]
fn a_clock_that_is_hours_off_neither_signs_in_again_too_early_nor_too_late() {
    for hours in [5, -5] {
        let pipeline = Pipeline::new();
        pipeline.sim.world().advance(SignedDuration::from_hours(hours));
        pipeline.add(NAME, 6);
        let mut job = pipeline.job();
        assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
        pipeline.operations();
        let post = pipeline.post(&mut job);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
        assert!(!pipeline.operations().contains(&"TokenRefresh".to_owned()), "{hours}: {}", post.log);
    }
}

#[test]
fn a_cap_introduced_during_the_job_is_warned_about() {
    let local = Local::with_pat(5);
    let mut job = local.job(&[]);
    local.hand_out(&mut job);
    local.forget("the old consumer");
    local.sim.world().cap_days = Some(7);
    assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    logs(&job, &["##[warning]", "before the overlap does: a cap on lifetimes"]);
    assert_eq!(local.active(), [format!("#2 {NAME}")]);
}

#[test]
fn a_service_whose_date_is_wrong_costs_nobody_a_pat() {
    let settled = |overlap: &str| [format!("#1 {NAME} [superseded 101.1 +{overlap}h]"), format!("#2 {NAME}")];
    let pending = [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")];
    for (hours, told, says, left) in [
        (-48, StageExit::Succeeded, "##[warning]could not retire", settled("-24")),
        (1, StageExit::Succeeded, "shortened", settled("25")),
        (48, StageExit::Failed, "the `accessToken` ended before the job did", pending),
    ] {
        let local = Local::with_pat(5);
        local.sim.inject(Fault::ClockSkew(SignedDuration::from_hours(hours)), When::always());
        let mut job = local.job(&[]);
        local.hand_out(&mut job);
        assert_eq!(job.settle("Succeeded"), told, "{}", job.log());
        logs(&job, &[says]);
        assert_eq!(local.active(), left);
    }
}
