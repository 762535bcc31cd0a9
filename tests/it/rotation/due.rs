//! One rotation, from the plan to the retirement: when one is due, what it asks for and in which order, and what it
//! leaves alone.

use jiff::SignedDuration;

use crate::harness::local::story;
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, says};
use agent::TaskResult;
use simulator::Op;

/// What stays the same of a PAT that nobody touches.
fn untouched(pipeline: &Pipeline, id: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let world = pipeline.sim.world();
    let pat = world.pat(id);
    (pat.name.clone(), pat.valid_to, pat.scope.clone(), pat.secret.clone(), pat.revoked)
}

/// The name of a PAT that run 90 superseded, whose overlap ends in that many hours.
fn superseded(pipeline: &Pipeline, hours: i64) -> String {
    let ends = pipeline.sim.world().now() + SignedDuration::from_hours(hours);
    format!("{NAME} [superseded 90.1-0a1b2c3d ends {}]", ends.strftime("%Y-%m-%dT%H:%MZ"))
}

#[test]
fn the_first_rotation_hands_the_new_pat_to_the_job_and_retires_the_old_one_after_the_job() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(
        &main,
        &[
            "Next: if the job succeeds, the post-job step makes this the current token. The old token keeps working for 24 hours more.",
        ],
    );
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("true"));
    assert_eq!(job.variable_value("rotate.daysLeft"), Some("30"));
    assert_eq!(job.variable_value("rotate.authorizationId"), Some(pipeline.id(2).as_str()));
    assert!(job.variables().secret(VARIABLE));
    let mut operations: Vec<Op> = pipeline.sim.transcript().iter().map(|exchange| exchange.op).collect();
    for beside in [Op::DiscoverTenant, Op::ConnectionDataAsUser] {
        let at = operations.iter().position(|op| *op == beside).expect("asked at the same time as something else");
        operations.remove(at);
    }
    let of_the_connection = [Op::OidcToken, Op::TokenClientCredentials, Op::VaultRead];
    let of_the_user = [Op::OidcToken, Op::TokenRefresh];
    let of_the_pat = [Op::ListPats, Op::CreatePat, Op::ListPats, Op::UpdatePat];
    let proof = [Op::ConnectionDataAsPat, Op::ConnectionDataAsPat];
    assert_eq!(operations, [&of_the_connection[..], &of_the_user, &of_the_pat, &proof].concat());
    assert_eq!(
        story(&pipeline.sim),
        [
            "list",
            "create nuget-publish [pending 101.1], ends in 30 days",
            "list",
            "#2 becomes nuget-publish [pending 101.1]",
            "try #2: 401",
            "try #2: 200",
        ]
    );
    pipeline.consume_variable("the new consumer", &job);

    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    let settled = ["ListPats", "UpdatePat", "ListPats", "UpdatePat", "ConnectionDataAsPat", "UpdatePat"];
    let operations: Vec<String> = pipeline.sim.transcript().iter().map(|e| format!("{:?}", e.op)).collect();
    assert_eq!(operations, settled, "it does not sign in again");
    assert_eq!(
        story(&pipeline.sim),
        [
            "list",
            "#1 becomes nuget-publish [superseded 101.1]",
            "list",
            "#2 becomes nuget-publish",
            "try #2: 200",
            "#1 becomes nuget-publish [superseded 101.1], ends in 24 hours",
        ]
    );
    pipeline.sim.check();
}

#[test]
fn days_left_decide_whether_a_rotation_is_due_and_the_last_day_counts() {
    for (limit, left, is_due) in [
        ("9", 9, true),
        ("9", 10, false),
        ("1", 1, true),
        ("0", 1, false),
        ("", 11, false),
        ("", 10, true),
        ("always", 29, true),
    ] {
        let pipeline = Pipeline::with_pat(left);
        let mut job = pipeline.job();
        let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", limit)]);
        assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
        assert_eq!(job.variable_value("rotate.rotated"), Some(if is_due { "true" } else { "false" }), "{limit} {left}");
        let pending = format!("#2 {NAME} [pending 101.1]");
        assert_eq!(pipeline.active().contains(&pending), is_due, "{limit} {left}: {:?}", pipeline.active());
    }
}

#[test]
fn a_run_that_is_not_due_changes_nothing_and_tells_the_job_so() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "9")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["nothing is due", "in 20 days", "`rotateWhenDaysLeft` is 9"]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
    assert_eq!(job.variable_value("rotate.daysLeft"), Some("20"));
    assert_eq!(job.variable_value("rotate.authorizationId"), Some(pipeline.id(1).as_str()));
    assert_eq!(job.variable_value(VARIABLE), None);
    assert_eq!(story(&pipeline.sim), ["list"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_run_that_is_not_due_revokes_what_is_superseded_and_past_its_end_and_nothing_else() {
    for (dry_run, expected) in [("false", vec!["list", "revoke #2"]), ("true", vec!["list"])] {
        let pipeline = Pipeline::with_pat(20);
        pipeline.add(&superseded(&pipeline, -1), 9);
        let in_overlap = pipeline.add(&superseded(&pipeline, 2), 9);
        pipeline.consume("a job that was queued before", &in_overlap);
        let mut job = pipeline.job();
        let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "9"), ("dryRun", dry_run)]);
        assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
        says(&main, &["nothing is due", "whose overlap has ended"]);
        assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
        assert_eq!(story(&pipeline.sim), expected);
        let past = format!("#2 {NAME} [superseded 90.1 +-1h]");
        let mut left = vec![format!("#1 {NAME}"), past, format!("#3 {NAME} [superseded 90.1 +2h]")];
        if dry_run == "false" {
            left.remove(1);
        }
        assert_eq!(pipeline.active(), left);
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing_but_the_refresh_token_that_it_keeps_fresh() {
    let pipeline = Pipeline::with_pat(5);
    let last_week = pipeline.sim.world().now() - SignedDuration::from_hours(8 * 24);
    pipeline.sim.world().vault.current_mut(REFRESH).unwrap().created = last_week;
    let stored = pipeline.sim.world().vault.value(REFRESH).to_owned();
    let vault = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("dryRun", "True"), ("publishTo", &vault)]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["rotate \"nuget-publish\" as run 101.1", "replace: ", "no token and no destination was changed"]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
    assert_eq!(job.variable_value("rotate.daysLeft"), Some("5"));
    assert_eq!(job.variable_value(VARIABLE), None);
    assert_eq!(story(&pipeline.sim), ["list"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    let world = pipeline.sim.world();
    assert!(world.vault.current("nuget-pat").is_none());
    assert_ne!(world.vault.value(REFRESH), stored, "the newer refresh token is stored");
    drop(world);
    assert!(pipeline.post(&mut job).result == TaskResult::Succeeded && story(&pipeline.sim).is_empty());
}

#[test]
fn a_dry_run_refuses_what_the_real_one_would() {
    let pipeline = Pipeline::new();
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("dryRun", "true")]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["no active token has the name"]);
}

#[test]
fn a_first_pat_is_created_only_where_that_is_asked_for_with_its_scopes() {
    let scopes = ("scopes", "vso.packaging_write vso.code");
    for (inputs, why_not) in [
        (vec![], "no active token has the name"),
        (vec![("createIfMissing", "false"), scopes], "no active token has the name"),
        (vec![("createIfMissing", "true")], "Name `scopes`"),
    ] {
        let pipeline = Pipeline::new();
        let mut job = pipeline.job();
        let main = pipeline.main(&mut job, &inputs);
        assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
        says(&main, &[why_not, "Nothing was changed."]);
        assert_eq!(story(&pipeline.sim), ["list"]);
        assert_eq!(job.variable_value("rotate.rotated"), None, "absent on failure");
        assert_eq!(pipeline.active(), [""; 0]);
    }

    let pipeline = Pipeline::new();
    let mut job = pipeline.job();
    let (main, post) = pipeline.rotate(&mut job, &[("createIfMissing", "true"), scopes, ("rotateWhenDaysLeft", "9")]);
    says(&main, &["`createIfMissing` is true", "replace: nothing"]);
    says(&post, &["committed the new token"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    let world = pipeline.sim.world();
    assert_eq!(world.pats[0].scope, "vso.packaging_write vso.code");
}

#[test]
fn create_if_missing_is_no_reason_to_create_a_second_one() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    let inputs = [("createIfMissing", "true"), ("scopes", "vso.code"), ("rotateWhenDaysLeft", "9")];
    let main = pipeline.main(&mut job, &inputs);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert_eq!(story(&pipeline.sim), ["list"]);
}

#[test]
fn of_two_pats_with_one_name_none_is_replaced_until_somebody_chooses() {
    let pipeline = Pipeline::with_pat(5);
    let other = pipeline.add(NAME, 20);
    pipeline.consume("the other consumer", &other);
    let before = untouched(&pipeline, &other);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["2 tokens", &pipeline.id(1), &other, "`replaceAuthorizationId`", "Nothing was changed."]);
    assert_eq!(story(&pipeline.sim), ["list"]);

    let mut job = pipeline.next_job();
    let chosen = pipeline.id(1);
    let (main, _) = pipeline.rotate(&mut job, &[("replaceAuthorizationId", &chosen)]);
    says(&main, &["is left alone: rename or revoke it by hand before the next run", "leave alone: "]);
    let superseded = format!("#1 {NAME} [superseded 102.1 +24h]");
    assert_eq!(pipeline.active(), [superseded.clone(), format!("#2 {NAME}"), format!("#3 {NAME}")]);
    assert_eq!(untouched(&pipeline, &other), before);

    let mut job = pipeline.next_job();
    let main = pipeline.main(&mut job, &[("replaceAuthorizationId", &chosen)]);
    assert_eq!(main.result, TaskResult::Failed, "a one-time choice: {}", main.log);
    says(&main, &["2 tokens"]);

    pipeline.sim.world().rename(&other, "nuget-publish of somebody else");
    let mut job = pipeline.next_job();
    let (main, _) = pipeline.rotate(&mut job, &[("replaceAuthorizationId", &chosen)]);
    says(&main, &["note: `replaceAuthorizationId`", "ignored"]);
    assert_eq!(
        pipeline.active(),
        [
            superseded,
            "#2 nuget-publish of somebody else".to_owned(),
            format!("#3 {NAME} [superseded 104.1 +24h]"),
            format!("#4 {NAME}"),
        ]
    );
}

#[test]
fn a_choice_between_two_is_due_although_days_are_left() {
    let pipeline = Pipeline::with_pat(20);
    pipeline.add(NAME, 25);
    let chosen = pipeline.id(1);
    let mut job = pipeline.job();
    pipeline.rotate(&mut job, &[("replaceAuthorizationId", &chosen), ("rotateWhenDaysLeft", "9")]);
    assert_eq!(
        pipeline.active(),
        [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}"), format!("#3 {NAME}")]
    );
}

#[test]
fn a_pat_that_spans_all_organizations_is_reported_and_never_touched() {
    let pipeline = Pipeline::with_pat(5);
    let spanning = pipeline.sim.world().add_pat(NAME).scope("vso.code").days_left(3).all_orgs().add();
    let before = untouched(&pipeline, &spanning);
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &[&format!("({spanning}) spans all organizations"), "it is left alone"]);
    assert_eq!(untouched(&pipeline, &spanning), before);
    assert_eq!(
        pipeline.active(),
        [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}"), format!("#3 {NAME}")]
    );
    assert_eq!(pipeline.sim.world().pats[2].scope, "vso.packaging_write", "the one replaced lends its scopes");
}

#[test]
fn a_pat_that_spans_all_organizations_lends_its_scopes_to_the_first_of_this_one() {
    let pipeline = Pipeline::new();
    let spanning = pipeline.sim.world().add_pat(NAME).scope("vso.code vso.build").days_left(3).all_orgs().add();
    let before = untouched(&pipeline, &spanning);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Failed, "it does not count: {}", main.log);
    says(&main, &["no active token has the name", "spans all organizations"]);

    let mut job = pipeline.next_job();
    pipeline.rotate(&mut job, &[("createIfMissing", "true")]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME}")]);
    assert_eq!(untouched(&pipeline, &spanning), before);
    assert_eq!(pipeline.sim.world().pats[1].scope, "vso.code vso.build");
    assert!(pipeline.sim.world().pats[1].organization.is_some());
}

#[test]
fn without_an_overlap_the_old_pat_is_revoked_only_after_the_new_one_is_committed_and_has_worked_again() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("overlapHours", "0")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["the post-job step makes this the current token and revokes the old one."]);
    pipeline.consume_variable("the new consumer", &job);
    story(&pipeline.sim);
    pipeline.forget("the old consumer");
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(
        story(&pipeline.sim),
        [
            "list",
            "#1 becomes nuget-publish [superseded 101.1]",
            "list",
            "#2 becomes nuget-publish",
            "try #2: 200",
            "revoke #1"
        ]
    );
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

#[test]
fn scopes_and_lifetime_are_those_asked_for_or_else_those_of_the_old_pat() {
    let with = |more: &[(&str, &str)]| {
        let pipeline = Pipeline::new();
        pipeline.sim.world().add_pat(NAME).scope("vso.packaging_write vso.code").days_left(5).add();
        let mut job = pipeline.job();
        pipeline.rotate(&mut job, more);
        let world = pipeline.sim.world();
        let new = &world.pats[1];
        let days = (new.valid_to.duration_since(world.now()).as_hours() + 1) / 24;
        assert_eq!(job.variable_value("rotate.daysLeft"), Some(days.to_string().as_str()));
        (new.scope.clone(), days)
    };
    assert_eq!(with(&[]), ("vso.packaging_write vso.code".to_owned(), 30));
    assert_eq!(
        with(&[("scopes", "vso.code, vso.build"), ("validForDays", "90")]),
        ("vso.code vso.build".to_owned(), 90)
    );
    assert_eq!(with(&[("validForDays", "1")]), ("vso.packaging_write vso.code".to_owned(), 1));
}

#[test]
fn a_second_run_right_after_the_first_leaves_the_overlap_of_the_first_alone() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.rotate(&mut pipeline.job(), &[]);
    let first = pipeline.id(1);
    let before = untouched(&pipeline, &first);
    pipeline.consume("the consumer of the first run", &pipeline.id(2));
    pipeline.rotate(&mut pipeline.next_job(), &[("overlapHours", "12")]);
    assert_eq!(
        pipeline.active(),
        [
            format!("#1 {NAME} [superseded 101.1 +24h]"),
            format!("#2 {NAME} [superseded 102.1 +12h]"),
            format!("#3 {NAME}"),
        ]
    );
    assert_eq!(untouched(&pipeline, &first), before);
}

#[test]
fn what_a_run_superseded_long_ago_is_revoked_by_the_settle_of_one_that_is_due() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.add(&superseded(&pipeline, -1), 9);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert!(pipeline.active()[1].starts_with("#2 "), "the main stage leaves it to the settle stage");
    pipeline.consume_variable("the new consumer", &job);
    story(&pipeline.sim);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(
        story(&pipeline.sim),
        [
            "list",
            "#1 becomes nuget-publish [superseded 101.1]",
            "list",
            "#3 becomes nuget-publish",
            "try #3: 200",
            "#1 becomes nuget-publish [superseded 101.1], ends in 24 hours",
            "revoke #2",
        ]
    );
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#3 {NAME}")]);
}

#[test]
fn names_that_only_look_alike_and_pats_of_others_are_foreign() {
    let pipeline = Pipeline::with_pat(5);
    let mut foreign: Vec<String> = [
        "Nuget-Publish",
        "nuget-publish ",
        "nuget-publish2",
        "nuget-publish [blue]",
        "nuget-publish [pending]",
        "nuget-publish [pending 101.1]",
        "nuget-publish [Held 90.1-0a1b2c3d]",
        "nuget-publish [superseded 90.1-0a1b2c3d]",
    ]
    .map(|name| pipeline.add(name, 9))
    .into();
    foreign.push(pipeline.sim.world().add_pat(NAME).owner("alice").add());
    for id in &foreign {
        pipeline.consume(&format!("the consumer of {id}"), id);
    }
    let before: Vec<_> = foreign.iter().map(|id| untouched(&pipeline, id)).collect();
    let (main, _) = pipeline.rotate(&mut pipeline.job(), &[("overlapHours", "1")]);
    says(&main, &["found 9 active tokens", "1 of them named \"nuget-publish\""]);
    let after: Vec<_> = foreign.iter().map(|id| untouched(&pipeline, id)).collect();
    assert_eq!(after, before);
    let active = pipeline.active();
    assert_eq!(active.len(), 10);
    assert_eq!([&active[0], &active[9]], ["#1 nuget-publish [superseded 101.1 +1h]", "#11 nuget-publish"]);
}
