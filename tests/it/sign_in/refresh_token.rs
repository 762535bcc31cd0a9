//! How a run gets a token that acts for the rotating user, and keeps the refresh token alive that makes the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, lines_with, says};
use agent::{Endpoint, Interruption, Job, StepRun, TaskResult, When as Moment};
use simulator::world::{App, NO_TENANT, Organization, SecretVersion, Tenant};
use simulator::{Exchange, Fault, Op, When};

/// Not the home of anything before a test makes it so.
pub(crate) const ELSEWHERE: &str = "e15e0000-0000-4000-8000-000000000001";

/// The service connection's app by a secret, under another name than the federated one.
fn by_secret(pipeline: &Pipeline, job: Job) -> Job {
    let world = pipeline.sim.world();
    let app = world.app("pat-rotator");
    let connection = Endpoint::new(
        "5ec00000-0000-4000-8000-000000000001",
        "by-secret",
        "AzureRM",
        "ServicePrincipal",
        "https://management.azure.com/",
    );
    let connection = connection
        .parameter("authenticationType", "spnKey")
        .parameter("tenantid", &world.tenants[0].id)
        .parameter("serviceprincipalid", &app.client_id)
        .parameter("serviceprincipalkey", &app.secrets[0].value);
    job.endpoint(connection)
}

/// A public client takes the place of the connection's app: its refresh token is in the vault, with these tags.
fn public_client(pipeline: &Pipeline, tags: &[(&str, &str)]) -> String {
    let mut world = pipeline.sim.world();
    let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
    world.set_secret(REFRESH, &refresh, tags);
    world.app("pat-rotator-public").client_id.clone()
}

/// The stored refresh token is that old.
pub(crate) fn age(pipeline: &Pipeline, hours: i64) {
    let mut world = pipeline.sim.world();
    let (age, value) = (SignedDuration::from_hours(hours), world.vault.value(REFRESH).to_owned());
    world.age_refresh_token(&value, age);
    let stored = world.vault.current_mut(REFRESH).unwrap();
    stored.created -= age;
}

pub(crate) fn versions(pipeline: &Pipeline) -> Vec<SecretVersion> {
    pipeline.sim.world().vault.secret(REFRESH).unwrap().versions.clone()
}

/// The one redemption of the run.
fn redemption(pipeline: &Pipeline) -> Exchange {
    let transcript = pipeline.sim.transcript();
    let mut found = transcript.into_iter().filter(|exchange| exchange.op == Op::TokenRefresh);
    let redemption = found.next().expect("a refresh token is redeemed");
    assert!(found.next().is_none(), "once");
    redemption
}

/// The operations of the run, without those that say which tenant or user it is.
fn operations(pipeline: &Pipeline) -> Vec<Op> {
    let transcript = pipeline.sim.transcript();
    transcript.iter().map(|exchange| exchange.op).filter(|op| *op != Op::DiscoverTenant).collect()
}

#[track_caller]
pub(crate) fn failed_without_a_trace(pipeline: &Pipeline, run: &StepRun, texts: &[&str]) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(run, texts);
    says(run, &["Nothing was changed."]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    assert_eq!(versions(pipeline).len(), 1, "no version was written");
}

#[track_caller]
pub(crate) fn settled(pipeline: &Pipeline) {
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn an_access_token_of_an_earlier_step_is_enough_by_itself() {
    let pipeline = Pipeline::with_pat(5);
    let token = pipeline.sim.world().user_token("vso.pats vso.pats_manage");
    let mut job = pipeline.job().secret_variable("userToken", &token);
    let inputs = [("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", "$(userToken)")];
    pipeline.rotate(&mut job, &inputs);
    settled(&pipeline);
    for op in [Op::DiscoverTenant, Op::OidcToken, Op::TokenClientCredentials, Op::TokenRefresh, Op::VaultRead] {
        assert_eq!(pipeline.sim.count(op), 0, "{op:?}");
    }
}

#[test]
fn a_connection_redeems_the_refresh_token_with_its_own_credential() {
    for (connection, proof) in [("pat-rotator", "with an assertion"), ("by-secret", "with a secret")] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = by_secret(&pipeline, pipeline.job());
        let (main, _) = pipeline.rotate(&mut job, &[("azureSubscription", connection)]);
        says(&main, &["signed in as rotator@contoso.onmicrosoft.com with the refresh token in secret"]);
        let redemption = redemption(&pipeline);
        assert!(redemption.summary.contains(proof), "{connection}: {redemption}");
        assert_eq!(pipeline.sim.count(Op::OidcToken) > 0, connection == "pat-rotator", "{connection}");
        settled(&pipeline);
    }
}

#[test]
fn a_connection_alone_is_tried_and_its_refusal_explained() {
    for connection in ["pat-rotator", "by-secret"] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = by_secret(&pipeline, pipeline.job());
        let run = pipeline.main(&mut job, &[("azureSubscription", connection), ("refreshTokenSecret", "")]);
        let explained = "and the PAT lifecycle API accepts only tokens that act for a user: give `refreshTokenSecret`";
        failed_without_a_trace(&pipeline, &run, &["answered 403", "acts for the app", explained]);
    }
}

#[test]
fn a_public_clients_refresh_token_is_redeemed_without_a_credential() {
    for (is_tagged, is_given) in [(true, false), (false, true), (true, true)] {
        let pipeline = Pipeline::with_pat(5);
        let client = pipeline.sim.world().app("pat-rotator-public").client_id.clone();
        let wrong = if is_given { ELSEWHERE } else { &client };
        let tags: &[(&str, &str)] = if is_tagged { &[("clientId", wrong), ("owner", "platform")] } else { &[] };
        public_client(&pipeline, tags);
        let mut job = pipeline.job();
        pipeline.rotate(&mut job, &[("clientId", if is_given { &client } else { "" })]);
        let redemption = redemption(&pipeline);
        assert_eq!(redemption.caller.to_string(), "client pat-rotator-public");
        assert!(!redemption.summary.contains(" with a"), "{redemption}");
        settled(&pipeline);
    }
}

#[test]
fn the_tags_of_the_stored_refresh_token_are_kept_when_a_newer_one_is_stored() {
    let pipeline = Pipeline::with_pat(5);
    let client = pipeline.sim.world().app("pat-rotator-public").client_id.clone();
    let tags = [("clientId", client.as_str()), ("owner", "platform")];
    public_client(&pipeline, &tags);
    age(&pipeline, 8 * 24);
    let mut job = pipeline.job();
    pipeline.rotate(&mut job, &[]);
    let stored = versions(&pipeline).pop().unwrap();
    assert_eq!(stored.tags, tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(stored.expires.unwrap() > stored.created.as_second() + 89 * 24 * 3600);
    settled(&pipeline);
}

#[test]
fn an_app_that_was_made_public_redeems_without_a_credential_and_says_so() {
    let pipeline = Pipeline::with_pat(5);
    // From the redemption on, as the simulator would refuse the credential for the vault as well.
    let made_public = Fault::before(|world| world.make_public("pat-rotator"));
    pipeline.sim.inject(made_public, When::nth(Op::TokenRefresh, 1));
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &["the service connection's app is a public client, so no credential is sent"]);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 2, "once more, not again and again");
    settled(&pipeline);
}

#[test]
fn newer_refresh_token_is_stored_first_once_the_stored_one_is_a_week_old() {
    let pipeline = Pipeline::with_pat(5);
    age(&pipeline, 7 * 24 + 1);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let operations = operations(&pipeline);
    let redeemed = operations.iter().position(|op| *op == Op::TokenRefresh).unwrap();
    let until = operations.iter().position(|op| matches!(op, Op::ListPats | Op::ConnectionDataAsUser)).unwrap();
    let kept = [Op::VaultWrite, Op::VaultVersions, Op::VaultRead, Op::VaultUpdate];
    assert_eq!(operations[redeemed + 1..until], kept, "{operations:?}");
    let [old, new] = &versions(&pipeline)[..] else { panic!("two versions") };
    assert!(!old.enabled && new.enabled);
    assert_ne!(old.value, new.value);
}

#[test]
fn refresh_token_stored_less_than_a_week_ago_is_left_alone() {
    let pipeline = Pipeline::with_pat(5);
    age(&pipeline, 7 * 24 - 1);
    let mut job = pipeline.job();
    pipeline.rotate(&mut job, &[]);
    assert_eq!(versions(&pipeline).len(), 1);
    settled(&pipeline);
}

#[test]
fn pasted_refresh_token_is_stripped_of_what_editors_add() {
    let whole = |token: &str| -> Vec<String> {
        [("\u{feff}", ""), ("\"", "\"\r\n"), ("'", "'"), (" \u{a0}", "\t\n"), ("\u{feff}\"\u{feff}", "\"\u{200b}")]
            .map(|(before, after)| format!("{before}{token}{after}"))
            .into()
    };
    let count = whole("").len();
    for form in 0..count {
        let pipeline = Pipeline::with_pat(5);
        let refresh = pipeline.sim.world().vault.value(REFRESH).to_owned();
        let pasted = whole(&refresh)[form].clone();
        pipeline.sim.world().set_secret(REFRESH, &pasted, &[]);
        pipeline.rotate(&mut pipeline.job(), &[]);
        settled(&pipeline);
        // The same from a variable of the job.
        let pipeline = Pipeline::with_pat(5);
        let refresh = pipeline.sim.world().vault.value(REFRESH).to_owned();
        let mut job = pipeline.job().secret_variable("refresh", &whole(&refresh)[form]);
        pipeline.rotate(&mut job, &[("refreshTokenSecret", ""), ("refreshToken", "$(refresh)")]);
        settled(&pipeline);
    }
}

#[test]
fn whole_json_answer_in_place_of_the_refresh_token_is_refused_unquoted() {
    let pipeline = Pipeline::with_pat(5);
    let refresh = pipeline.sim.world().vault.value(REFRESH).to_owned();
    let json = format!("\u{feff}{{\"token_type\": \"Bearer\", \"refresh_token\": \"{refresh}\"}}\n");
    pipeline.sim.world().vault.secrets.clear();
    pipeline.sim.world().set_secret(REFRESH, &json, &[]);
    let run = pipeline.main(&mut pipeline.job(), &[]);
    failed_without_a_trace(&pipeline, &run, &["holds JSON, not a refresh token", "the value of `refresh_token` alone"]);
    assert!(!run.log.contains("token_type"), "{}", run.log);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 0);

    let mut job = pipeline.job().secret_variable("refresh", json.trim_end());
    let run = pipeline.main(&mut job, &[("refreshTokenSecret", ""), ("refreshToken", "$(refresh)")]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["`refreshToken` must be the value of `refresh_token` alone", "Nothing was sent"]);
    assert!(!run.log.contains("token_type"), "{}", run.log);
}

#[test]
fn vault_secret_of_the_refresh_token_may_be_named_with_a_version() {
    let pipeline = Pipeline::with_pat(5);
    let version = "0123456789abcdef0123456789abcdef";
    let line = format!("- {}/secrets/{REFRESH}/{version}", pipeline.sim.origin());
    let (run, _) = pipeline.rotate(&mut pipeline.job(), &[("refreshTokenSecret", &line)]);
    says(&run, &["note: the version in the address of secret \"rotator-refresh-token\"", "is ignored"]);
    settled(&pipeline);
}

#[test]
fn the_refresh_token_is_kept_fresh_whatever_the_run_does() {
    for inputs in [[("dryRun", "true")], [("rotateWhenDaysLeft", "9")], [("replaceAuthorizationId", ELSEWHERE)]] {
        let pipeline = Pipeline::with_pat(20);
        if inputs[0].0 == "replaceAuthorizationId" {
            pipeline.add(NAME, 10);
        }
        let before = pipeline.active();
        age(&pipeline, 30 * 24);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &inputs);
        let is_refused = before.len() == 2;
        assert_eq!(run.result == TaskResult::Failed, is_refused, "{inputs:?}\n{}", run.log);
        says(&run, &["stored the newer refresh token in secret \"rotator-refresh-token\""]);
        assert_eq!(versions(&pipeline).len(), 2, "{inputs:?}");
        assert_eq!(pipeline.active(), before, "{inputs:?}");
        assert_eq!(job.variable_value("rotate.rotated"), (!is_refused).then_some("false"), "{inputs:?}");
    }
}

#[test]
fn a_refresh_token_that_cannot_be_stored_is_a_warning_and_a_louder_one_near_its_end() {
    for (days, left) in
        [(8, None), (74, None), (76, Some("expires in about 14 days")), (89, Some("expires in about 1 day"))]
    {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().vault.writers.clear();
        age(&pipeline, days * 24 - 12);
        let mut job = pipeline.job();
        let (main, _) = pipeline.rotate(&mut job, &[]);
        let warnings = main.warnings.join("\n");
        assert!(warnings.contains("could not store the newer refresh token"), "{days} days\n{}", main.log);
        assert!(
            warnings.contains("The one stored still works. Give the service connection's app the role"),
            "{warnings}"
        );
        assert_eq!(lines_with(&main, "Sign in again as the rotating user").len(), usize::from(left.is_some()));
        says(&main, &[left.unwrap_or_default()]);
        assert_eq!(versions(&pipeline).len(), 1);
        settled(&pipeline);
    }
}

#[test]
fn an_older_version_that_cannot_be_disabled_is_a_warning() {
    let pipeline = Pipeline::with_pat(5);
    age(&pipeline, 8 * 24);
    pipeline.sim.inject(Fault::Status(403), When::every(Op::VaultUpdate));
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    assert!(main.warnings[0].contains("could not disable the older version"), "{}", main.log);
    assert_eq!(versions(&pipeline).len(), 2);
    settled(&pipeline);
}

#[test]
fn a_run_killed_right_after_the_newer_refresh_token_was_stored_locks_nobody_out() {
    let pipeline = Pipeline::with_pat(5);
    age(&pipeline, 8 * 24);
    let stored = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stored);
    pipeline.sim.inject(Fault::after(move |_| seen.store(true, Ordering::SeqCst)), When::nth(Op::VaultWrite, 1));
    pipeline.sim.inject(Fault::Delay(Duration::from_millis(500)), When::nth(Op::VaultWrite, 1));
    let mut job = pipeline.job();
    let killed = pipeline.main_interrupted(&mut job, &[], Interruption::AgentGone(Moment::Flag(stored)));
    assert_eq!(killed.result, TaskResult::Abandoned);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    let enabled: Vec<bool> = versions(&pipeline).iter().map(|version| version.enabled).collect();
    assert_eq!(enabled, [true, true]);

    pipeline.sim.clear_faults();
    let mut job = pipeline.next_job();
    pipeline.rotate(&mut job, &[]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 102.1 +24h]"), format!("#2 {NAME}")]);
    let world = pipeline.sim.world();
    assert_eq!(world.refresh_tokens.iter().map(|token| token.redeemed).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn an_organization_backed_by_microsoft_accounts_is_refused_at_once() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().organizations[0].tenant = NO_TENANT.to_owned();
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    failed_without_a_trace(
        &pipeline,
        &run,
        &["is backed by Microsoft accounts", "Connect the organization to a Microsoft Entra tenant"],
    );
    assert_eq!(pipeline.sim.count(Op::TokenRefresh) + pipeline.sim.count(Op::ListPats), 0);
}

/// A second tenant with an organization, the rotating user and the public client in it; the connection stays at home.
pub(crate) fn another_tenant(pipeline: &Pipeline) {
    let mut world = pipeline.sim.world();
    world.tenants.push(Tenant { id: ELSEWHERE.to_owned(), domain: "fabrikam.onmicrosoft.com".to_owned() });
    let id = "0f000000-0000-4000-8000-000000000009".to_owned();
    world.organizations.push(Organization { name: "fabrikam".to_owned(), id, tenant: ELSEWHERE.to_owned() });
    let guest = App { tenant: ELSEWHERE.to_owned(), ..world.app("pat-rotator").clone() };
    world.apps.push(guest);
    let user = world.user_mut("rotator");
    ELSEWHERE.clone_into(&mut user.tenant);
    user.member_of = vec!["fabrikam".to_owned()];
    world.add_pat(NAME).organization("fabrikam").days_left(5).add();
}

/// The tenant that each kind of token came from.
pub(crate) fn tenants(pipeline: &Pipeline) -> Vec<(Op, String)> {
    let transcript = pipeline.sim.transcript();
    let asked =
        transcript.iter().filter(|exchange| matches!(exchange.op, Op::TokenRefresh | Op::TokenClientCredentials));
    asked.map(|exchange| (exchange.op, exchange.path.split('/').nth(1).unwrap().to_owned())).collect()
}

#[test]
fn the_users_token_comes_from_the_organizations_tenant_and_the_vaults_from_the_connections() {
    let pipeline = Pipeline::new();
    another_tenant(&pipeline);
    let mut job = pipeline.job();
    let home = pipeline.sim.world().tenants[0].id.clone();
    let run = pipeline.main(&mut job, &[("organization", "fabrikam")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    settled(&pipeline);
    let expected = [(Op::TokenClientCredentials, home), (Op::TokenRefresh, ELSEWHERE.to_owned())];
    assert_eq!(tenants(&pipeline), expected);
}

#[test]
fn a_tenant_that_is_given_is_not_asked_for() {
    let pipeline = Pipeline::new();
    another_tenant(&pipeline);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[("organization", "fabrikam"), ("tenantId", &ELSEWHERE.to_uppercase())]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.sim.count(Op::DiscoverTenant), 0);
    assert_eq!(tenants(&pipeline)[1].1.to_lowercase(), ELSEWHERE);
}

#[test]
fn an_organization_that_does_not_tell_its_tenant_is_taken_for_the_connections() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().anonymous_allowed = true;
    let mut job = pipeline.job();
    pipeline.rotate(&mut job, &[]);
    settled(&pipeline);
}

#[test]
fn the_scopes_asked_for_are_those_of_the_input_or_what_was_consented_to() {
    for (given, asked) in [
        ("", "scope {azure-devops}/.default openid profile offline_access"),
        (
            "vso.pats vso.pats_manage",
            "scope {azure-devops}/vso.pats {azure-devops}/vso.pats_manage openid profile offline_access",
        ),
        (
            "vso.pats,\n vso.pats_manage offline_access",
            "scope {azure-devops}/vso.pats {azure-devops}/vso.pats_manage offline_access openid profile",
        ),
        (".default", "scope {azure-devops}/.default openid profile offline_access"),
    ] {
        let pipeline = Pipeline::with_pat(20);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &[("requestedScopes", given), ("rotateWhenDaysLeft", "9")]);
        assert_eq!(run.result, TaskResult::Succeeded, "{given}\n{}", run.log);
        let redemption = redemption(&pipeline);
        assert!(redemption.summary.contains(asked), "{given}: {redemption}");
    }
}

#[test]
fn a_refresh_token_that_cannot_be_read_is_explained() {
    type Arrange = fn(&Pipeline);
    let cases: [(Arrange, &[&str]); 4] = [
        (
            |pipeline| pipeline.sim.world().vault.delete(REFRESH),
            &[
                "the secret \"rotator-refresh-token\"",
                "which should hold the refresh token, does not exist",
                "Sign in once as the rotating user",
                "check `refreshTokenSecret`",
            ],
        ),
        (
            |pipeline| pipeline.sim.world().vault.readers.clear(),
            &["answered 403 ForbiddenByRbac", "Give the service connection's app the role Key Vault Secrets Officer"],
        ),
        (
            |pipeline| pipeline.sim.world().vault.current_mut(REFRESH).unwrap().enabled = false,
            &["answered 403 SecretDisabled", "Enable the secret's current version"],
        ),
        (
            |pipeline| pipeline.sim.inject(Fault::Status(401), When::every(Op::VaultRead)),
            &["answered 401", "Use a service connection whose app is in the vault's tenant"],
        ),
    ];
    for (arrange, explained) in cases {
        let pipeline = Pipeline::with_pat(5);
        arrange(&pipeline);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &[]);
        failed_without_a_trace(&pipeline, &run, explained);
        assert_eq!(pipeline.sim.count(Op::TokenRefresh) + pipeline.sim.count(Op::ListPats), 0, "{explained:?}");
        assert_eq!(job.variable_value(VARIABLE), None);
    }
}
