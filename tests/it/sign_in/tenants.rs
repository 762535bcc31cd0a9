//! Which tenant a token comes from: the organization's for the user, the connection's for the vault; and what is said where
//! there is none or another one.

use crate::harness::pipeline::{NAME, Pipeline, says};
use crate::sign_in::refresh_token::{ELSEWHERE, another_tenant, failed_without_a_trace, tenants};
use crate::sign_in::sources::agent_user;
use agent::{Job, TaskResult};
use simulator::Op;
use simulator::world::NO_TENANT;

const NO_SECRET: (&str, &str) = ("refreshTokenSecret", "");
const UPN: &str = "rotator@contoso.onmicrosoft.com";

/// A job with a variable for each source.
fn job(pipeline: &Pipeline) -> Job {
    let mut world = pipeline.sim.world();
    let secrets = [
        ("refresh", world.refresh_token_for("rotator", "pat-rotator")),
        ("rotatorPassword", world.add_password("rotator")),
        ("userToken", world.user_token("vso.pats vso.pats_manage")),
    ];
    drop(world);
    secrets.iter().fold(pipeline.job(), |job, (name, value)| job.secret_variable(name, value))
}

#[test]
fn an_organization_backed_by_microsoft_accounts_is_refused_by_the_discovery_alone() {
    let no_source: [(&str, &str); 0] = [];
    for source in [
        &[("refreshToken", "$(refresh)")][..],
        &[("password", "$(rotatorPassword)"), ("userName", UPN)],
        &[("entraAgentId", ELSEWHERE), ("userName", UPN)],
        &no_source,
    ] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().organizations[0].tenant = NO_TENANT.to_owned();
        let mut job = job(&pipeline);
        let run = pipeline.main(&mut job, &[&[NO_SECRET], source].concat());
        let told = ["is backed by Microsoft accounts", "Connect the organization to a Microsoft Entra tenant"];
        failed_without_a_trace(&pipeline, &run, &told);
        assert_eq!(pipeline.operations(), ["DiscoverTenant", "DiscoverTenant"], "{source:?}");
    }
}

#[test]
fn an_organization_backed_by_microsoft_accounts_is_refused_however_slow_or_broken_the_vault_is() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().organizations[0].tenant = NO_TENANT.to_owned();
    pipeline.sim.inject(simulator::Fault::HangBefore, simulator::When::every(Op::OidcToken));
    let mut job = job(&pipeline);
    let run = pipeline.main(&mut job, &[]);
    failed_without_a_trace(&pipeline, &run, &["is backed by Microsoft accounts"]);
    assert!(run.duration.as_secs() < 5, "{:?}", run.duration);
}

#[test]
fn an_access_token_for_an_organization_backed_by_microsoft_accounts_is_refused_by_the_service_and_explained() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().organizations[0].tenant = NO_TENANT.to_owned();
    let mut job = job(&pipeline);
    let run = pipeline.main(&mut job, &[NO_SECRET, ("accessToken", "$(userToken)")]);
    failed_without_a_trace(&pipeline, &run, &["backed by Microsoft accounts", "Microsoft Entra tenant"]);
}

#[test]
fn a_token_of_another_tenant_is_refused_and_both_tenants_are_named() {
    let pipeline = Pipeline::with_pat(5);
    let mut world = pipeline.sim.world();
    let other = world.add_tenant("fabrikam.onmicrosoft.com");
    let home = world.tenants[0].id.clone();
    let audience = simulator::world::AZURE_DEVOPS;
    let token = world.token_of_user_in(&other, "rotator", "pat-rotator-public", audience, "vso.pats vso.pats_manage");
    drop(world);
    let mut job = pipeline.job().secret_variable("userToken", &token);
    let run = pipeline.main(&mut job, &[NO_SECRET, ("accessToken", "$(userToken)")]);
    let both = format!("The token is from tenant {other}, and the organization belongs to tenant {home}");
    failed_without_a_trace(&pipeline, &run, &[&both, "sign in there (`tenantId`)"]);
}

#[test]
fn a_tenant_that_is_given_wrongly_is_named_by_the_refusal() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[("tenantId", ELSEWHERE)]);
    failed_without_a_trace(
        &pipeline,
        &run,
        &["AADSTS90002", "Correct `tenantId`, or the tenant of the service connection."],
    );
    assert_eq!(pipeline.sim.count(Op::DiscoverTenant), 0, "it is not asked for");
}

#[test]
fn every_source_signs_in_to_the_organizations_tenant_and_not_to_the_connections() {
    for source in [
        &[("refreshToken", "$(refresh)")][..],
        &[("password", "$(rotatorPassword)"), ("userName", UPN)],
        &[("entraAgentId", "agent"), ("userName", UPN)],
    ] {
        let pipeline = Pipeline::new();
        another_tenant(&pipeline);
        let agent = agent_user(&pipeline, "pat-rotator");
        ELSEWHERE.clone_into(&mut pipeline.sim.world().app_mut("agent").tenant);
        let source: Vec<(&str, &str)> = source
            .iter()
            .map(|(name, value)| (*name, if *value == "agent" { agent.as_str() } else { value }))
            .collect();
        let mut job = job(&pipeline);
        let run = pipeline.main(&mut job, &[&[NO_SECRET, ("organization", "fabrikam")], &source[..]].concat());
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
        assert_eq!(pipeline.active().last(), Some(&format!("#2 {NAME}")));
        let asked = pipeline.sim.transcript();
        let asked = asked.iter().filter(|exchange| exchange.op.is_token());
        assert!(
            asked.clone().count() > 0 && asked.clone().all(|e| e.path.starts_with(&format!("/{ELSEWHERE}/"))),
            "{source:?}"
        );
    }
}

#[test]
fn a_long_job_settles_across_two_tenants() {
    let pipeline = Pipeline::new();
    another_tenant(&pipeline);
    pipeline.sim.world().user_token_minutes = 4;
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[("organization", "fabrikam")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    pipeline.sim.world().expire_all_tokens();
    pipeline.sim.clear_transcript();
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    says(&post, &["signing in again"]);
    let home = pipeline.sim.world().tenants[0].id.clone();
    assert_eq!(tenants(&pipeline), [(Op::TokenClientCredentials, home), (Op::TokenRefresh, ELSEWHERE.to_owned())]);
}
