//! Those who may not make a report are told what is missing, and whom to ask for it.

use crate::harness::pipeline::Pipeline;
use crate::report::{ADMINISTRATION, AZURE_DEVOPS, OF_ALL, fails_without_a_report, organization, report};
use agent::TaskResult;
use simulator::{Fault, Op, When};

/// Signed in with an access token of a user that has these scopes.
fn with_token_of(pipeline: &Pipeline, user: &str, scopes: &str, words: &[&str]) {
    let token = {
        let mut world = pipeline.sim.world();
        world.token_of_user(user, "pat-rotator", AZURE_DEVOPS, scopes)
    };
    with_token(pipeline, &token, words);
}

fn with_token(pipeline: &Pipeline, token: &str, words: &[&str]) {
    let mut job = pipeline.job().secret_variable("userToken", token);
    let run = report(
        pipeline,
        &mut job,
        &[OF_ALL, ("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", "$(userToken)")],
    );
    fails_without_a_report(&job, &run, words);
}

#[test]
fn who_is_no_administrator_is_told_so_after_a_few_tries_with_either_status() {
    for (is_403, words) in [
        (false, ["answered 401", "Project Collection Administrator"]),
        (true, ["answered 403", "Make the account a member of Project Collection Administrators"]),
    ] {
        let pipeline = organization(60);
        pipeline.sim.world().directory.not_administrator_is_403 = is_403;
        with_token_of(&pipeline, "alice", ADMINISTRATION, &words);
        let asked = pipeline.sim.count(Op::ListPatsOfUser);
        assert!((1..=24).contains(&asked), "asked {asked} times");
    }
}

#[test]
fn a_token_without_one_of_the_scopes_is_refused_and_both_are_named() {
    for scopes in ["vso.graph", "vso.tokenadministration", "vso.pats vso.pats_manage"] {
        let pipeline = organization(3);
        with_token_of(&pipeline, "rotator", scopes, &["answered 401", "`vso.graph` and `vso.tokenadministration`"]);
    }
}

#[test]
fn who_has_never_been_there_is_sent_there_first() {
    let pipeline = organization(3);
    pipeline.sim.world().user_mut("alice").member_of.clear();
    let words = ["could not list the users of", "TF401444", "sign in to the organization once"];
    with_token_of(&pipeline, "alice", ADMINISTRATION, &words);
}

#[test]
fn a_token_that_has_ended_or_is_for_something_else_says_so_itself() {
    let pipeline = organization(3);
    let token = {
        let mut world = pipeline.sim.world();
        world.user_token_minutes = -10;
        world.user_token(ADMINISTRATION)
    };
    with_token(&pipeline, &token, &["answered 401", "expired at"]);

    let pipeline = organization(3);
    let vault = pipeline.sim.world().token_of_user("rotator", "pat-rotator", "https://vault.azure.net", "x");
    with_token(&pipeline, &vault, &["answered 401", "The token is for \"https://vault.azure.net\""]);
}

#[test]
fn an_organization_that_nobody_knows_is_named() {
    let pipeline = organization(3);
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("organization", "fabrikam")]);
    fails_without_a_report(&job, &run, &["fabrikam", "404", "Check `organization`"]);
}

#[test]
fn a_list_of_users_that_cannot_be_had_fails_the_step() {
    for (fault, words) in [
        (Fault::WrongShape, "not as documented"),
        (Fault::SignInPage, "answered 203"),
        (Fault::HostileMessage("##vso[task.complete result=Succeeded;]".to_owned()), "answered 400"),
    ] {
        let pipeline = organization(3);
        pipeline.sim.inject(fault, When::every(Op::ListUsers));
        let mut job = pipeline.job();
        let run = report(&pipeline, &mut job, &[OF_ALL]);
        fails_without_a_report(&job, &run, &["could not list the users of", words, "Nothing was changed."]);
    }
}

#[test]
fn the_scopes_of_a_report_are_not_said_to_be_too_few() {
    for (scope, scopes) in [("organization", ADMINISTRATION), ("own", "vso.pats")] {
        let pipeline = organization(3);
        pipeline.sim.world().app_mut("pat-rotator").delegated = scopes.split(' ').map(str::to_owned).collect();
        let run = report(&pipeline, &mut pipeline.job(), &[("reportScope", scope)]);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        assert!(!run.log.contains("may not suffice"), "{}", run.log);
    }
}
