//! One user, one name, several organizations: whether a user's list shows the PATs of the other organizations is not
//! documented, so each test plays both services.

use crate::harness::pipeline::{NAME, Pipeline, says};
use agent::TaskResult;
use simulator::Op;

const PENDING: &str = "nuget-publish [pending 90.1-0a1b2c3d]";

fn is_shown(pipeline: &Pipeline, shown: bool) {
    let mut world = pipeline.sim.world();
    world.add_organization("fabrikam");
    world.lists_show_other_organizations = shown;
}

/// A PAT of the rotator that reaches the organization `fabrikam` alone.
fn add_elsewhere(pipeline: &Pipeline, name: &str) -> String {
    pipeline.sim.world().add_pat(name).organization("fabrikam").days_left(5).add()
}

/// What stays the same of a PAT that nobody touches.
fn untouched(pipeline: &Pipeline, id: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    let world = pipeline.sim.world();
    let pat = world.pat(id);
    (pat.name.clone(), pat.organization.clone(), pat.valid_to, pat.scope.clone(), pat.revoked)
}

#[test]
fn another_organizations_pats_of_the_name_are_left_alone() {
    for shown in [true, false] {
        let pipeline = Pipeline::with_pat(5);
        is_shown(&pipeline, shown);
        let others = [NAME, PENDING, "nuget-publish [held 91.1-0a1b2c3d]"].map(|name| add_elsewhere(&pipeline, name));
        let before = others.each_ref().map(|id| untouched(&pipeline, id));
        pipeline.forget("the old consumer");
        let (main, post) = pipeline.rotate(&mut pipeline.job(), &[("overlapHours", "0")]);
        assert_eq!(others.each_ref().map(|id| untouched(&pipeline, id)), before, "{}{}", main.log, post.log);
        let ours: Vec<String> =
            pipeline.active().into_iter().filter(|pat| pat.starts_with("#1 ") || pat.starts_with("#5 ")).collect();
        assert_eq!(ours, [format!("#5 {NAME}")], "the old one of this organization is revoked");
        let note = "left alone, as another organization's: ";
        assert_eq!(main.log.contains(note), shown, "{}", main.log);
        says(&main, &["found 1 active token in "]);
    }
}

#[test]
fn a_pat_of_another_organization_is_not_the_one_to_replace() {
    for shown in [true, false] {
        let pipeline = Pipeline::new();
        is_shown(&pipeline, shown);
        let other = add_elsewhere(&pipeline, NAME);
        let before = untouched(&pipeline, &other);
        let main = pipeline.main(&mut pipeline.job(), &[]);
        assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
        says(&main, &["no active token has the name"]);

        let first = [("createIfMissing", "true"), ("scopes", "vso.code")];
        pipeline.rotate(&mut pipeline.next_job(), &first);
        assert_eq!(untouched(&pipeline, &other), before);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME}")]);
    }
}

#[test]
fn where_no_id_is_given_the_new_pat_shows_what_is_ours() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().instance_id_withheld = true;
    let (main, _) = pipeline.rotate(&mut pipeline.job(), &[]);
    says(&main, &["the organization does not say its id"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn where_no_id_is_given_a_foreign_pat_is_not_replaced() {
    let pipeline = Pipeline::new();
    is_shown(&pipeline, true);
    pipeline.sim.world().instance_id_withheld = true;
    let other = add_elsewhere(&pipeline, NAME);
    let before = untouched(&pipeline, &other);
    let main = pipeline.main(&mut pipeline.job(), &[]);
    assert_eq!(main.result, TaskResult::Failed, "{}", main.log);
    says(&main, &["could not tell which tokens are this organization's", "nothing else was changed"]);
    assert_eq!(untouched(&pipeline, &other), before);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")], "the new one is revoked, as nobody holds it");
}

#[test]
fn where_no_id_is_given_a_run_that_is_not_due_revokes_nothing() {
    let pipeline = Pipeline::with_pat(20);
    is_shown(&pipeline, true);
    pipeline.sim.world().instance_id_withheld = true;
    let ended = "nuget-publish [superseded 90.1-0a1b2c3d ends 2026-01-01T00:00Z]";
    let other = add_elsewhere(&pipeline, ended);
    let before = untouched(&pipeline, &other);
    let main = pipeline.main(&mut pipeline.job(), &[("rotateWhenDaysLeft", "9")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["nothing is due", "the organization does not say its id: nothing is revoked before"]);
    assert_eq!(untouched(&pipeline, &other), before);
}

#[test]
fn a_rename_never_says_which_organizations_a_pat_reaches() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.rotate(&mut pipeline.job(), &[]);
    let transcript = pipeline.sim.transcript();
    let updates: Vec<&str> =
        transcript.iter().filter(|it| it.op == Op::UpdatePat).map(|it| it.summary.as_str()).collect();
    assert!(!updates.is_empty());
    assert!(updates.iter().all(|summary| !summary.contains("allOrgs")), "{updates:#?}");
}
