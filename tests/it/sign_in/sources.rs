//! Every source of a user's token, beside the refresh token in a vault, for a whole rotation; what each refusal says; and
//! the job that outlives the token it began with.

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use crate::sign_in::refresh_token::{ELSEWHERE, age, failed_without_a_trace, settled, versions};
use crate::sign_in::schemes::{self, BY_SCHEME, Scheme};
use agent::{Job, StepRun, TaskResult};
use simulator::{Fault, Op, When};

/// No refresh token from the vault.
const NO_SECRET: (&str, &str) = ("refreshTokenSecret", "");
const NO_CONNECTION: (&str, &str) = ("azureSubscription", "");
const UPN: &str = "rotator@contoso.onmicrosoft.com";

/// The exchanges with Entra for the user, in order: which, as whom, and whether with a proof.
fn exchanges(pipeline: &Pipeline) -> Vec<(Op, String, bool)> {
    let transcript = pipeline.sim.transcript();
    let tokens = transcript.iter().filter(|exchange| exchange.op.is_token());
    tokens
        .map(|e| {
            (e.op, e.caller.to_string(), e.summary.contains("with a secret") || e.summary.contains("with an assertion"))
        })
        .collect()
}

/// The rotating user becomes the agent user of the identity `agent`, whose blueprint is this app. Returns the identity's
/// client id.
pub(crate) fn agent_user(pipeline: &Pipeline, blueprint: &str) -> String {
    let mut world = pipeline.sim.world();
    let id = world.add_agent_identity("agent", blueprint).client_id.clone();
    world.user_mut("rotator").agent_identity = Some("agent".to_owned());
    id
}

#[test]
fn an_agent_user_rotates_by_three_exchanges_from_every_connection_with_an_app() {
    for (scheme, by_id) in Scheme::APPS.into_iter().zip([false, true, false, true]) {
        let pipeline = Pipeline::with_pat(5);
        let agent = agent_user(&pipeline, "pat-rotator");
        let mut job = schemes::job(&pipeline, scheme);
        let user = if by_id { pipeline.sim.world().user("rotator").oid.clone() } else { UPN.to_owned() };
        let inputs = [BY_SCHEME, NO_SECRET, ("entraAgentId", &agent), ("userName", &user)];
        let (main, _) = pipeline.rotate(&mut job, &inputs);
        says(&main, &["signed in as the agent user"]);
        settled(&pipeline);
        let expected = [
            (Op::TokenBlueprint, "client pat-rotator"),
            (Op::TokenAgentIdentity, "client agent"),
            (Op::TokenAgentUser, "client agent"),
        ];
        assert_eq!(exchanges(&pipeline), expected.map(|(op, who)| (op, who.to_owned(), true)), "{scheme:?}");
        assert_eq!(pipeline.sim.count(Op::VaultRead), 0, "no stored secret at all");
    }
}

#[test]
fn a_managed_identity_is_the_credential_of_the_blueprint_that_trusts_it() {
    for scheme in [Scheme::Machine, Scheme::AppServiceLent] {
        let pipeline = Pipeline::with_pat(5);
        let agent = agent_user(&pipeline, "pat-rotator");
        let mut job = schemes::job(&pipeline, scheme);
        let blueprint = {
            let mut world = pipeline.sim.world();
            world.trust_managed_identity("pat-rotator", "machine");
            world.app("pat-rotator").client_id.clone()
        };
        let inputs =
            [BY_SCHEME, NO_SECRET, ("entraAgentId", &agent), ("userName", UPN), ("clientId", blueprint.as_str())];
        pipeline.rotate(&mut job, &inputs);
        settled(&pipeline);
        assert_eq!(pipeline.sim.count(Op::TokenAgentUser), 1, "{scheme:?}");
    }
}

#[test]
fn each_refused_exchange_of_an_agent_user_names_whose_it_was() {
    type Arrange = fn(&Pipeline);
    let cases: [(Arrange, &[&str]); 4] = [
        (
            |pipeline| pipeline.sim.world().app_mut("pat-rotator").federated.clear(),
            &["as the blueprint", "AADSTS70025"],
        ),
        (
            |pipeline| pipeline.sim.world().app_mut("agent").blueprint = Some("pat-publisher".to_owned()),
            &["as the blueprint", "AADSTS700016"],
        ),
        (
            |pipeline| pipeline.sim.world().user_mut("rotator").agent_identity = None,
            &["as the agent user", "AADSTS70021"],
        ),
        (
            |pipeline| pipeline.sim.world().user_mut("rotator").refused_with = Some(50057),
            &["as the agent user", "AADSTS50057"],
        ),
    ];
    for (arrange, told) in cases {
        let pipeline = Pipeline::with_pat(5);
        let agent = agent_user(&pipeline, "pat-rotator");
        arrange(&pipeline);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &[NO_SECRET, ("entraAgentId", &agent), ("userName", UPN)]);
        failed_without_a_trace(&pipeline, &run, told);
        assert_eq!(pipeline.sim.count(Op::ListPats), 0, "{told:?}");
    }
}

/// A job whose secret variable holds the rotator's password.
fn with_password(pipeline: &Pipeline) -> Job {
    let password = pipeline.sim.world().add_password("rotator");
    pipeline.job().secret_variable("rotatorPassword", &password)
}

#[test]
fn a_password_rotates_with_a_public_app_and_with_the_connections_own_and_is_warned_about() {
    for is_public in [true, false] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = with_password(&pipeline);
        let app = if is_public { "pat-rotator-public" } else { "pat-rotator" };
        let client = pipeline.sim.world().app("pat-rotator-public").client_id.clone();
        let usual = [NO_SECRET, ("userName", UPN), ("password", "$(rotatorPassword)")];
        let own = [NO_CONNECTION, ("clientId", client.as_str())];
        let (main, _) = pipeline.rotate(&mut job, &[&usual[..], if is_public { &own } else { &[] }].concat());
        settled(&pipeline);
        assert_eq!(main.warning_count, 1, "{}", main.log);
        assert!(
            main.warnings[0].contains("Use `refreshTokenSecret` or `entraAgentId` instead."),
            "{:?}",
            main.warnings
        );
        assert_eq!(exchanges(&pipeline), [(Op::TokenPassword, format!("client {app}"), !is_public)]);
    }
}

#[test]
fn a_wrong_password_is_tried_once_as_accounts_get_locked() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = with_password(&pipeline).secret_variable("rotatorPassword", "simulated-password-of-yesterday");
    let run = pipeline.main(&mut job, &[NO_SECRET, ("userName", UPN), ("password", "$(rotatorPassword)")]);
    failed_without_a_trace(&pipeline, &run, &["could not sign in as rotator@", "AADSTS50126"]);
    assert_eq!(pipeline.sim.world().user("rotator").wrong_passwords, 1);
    assert_eq!(pipeline.sim.count(Op::TokenPassword), 1);
}

#[test]
fn a_refresh_token_of_the_job_rotates_without_a_store_and_the_loss_is_warned_about() {
    for is_public in [true, false] {
        let pipeline = Pipeline::with_pat(5);
        let app = if is_public { "pat-rotator-public" } else { "pat-rotator" };
        let (refresh, client) = {
            let mut world = pipeline.sim.world();
            (world.refresh_token_for("rotator", app), world.app(app).client_id.clone())
        };
        let mut job = pipeline.job().secret_variable("refresh", &refresh);
        let usual = [NO_SECRET, ("refreshToken", "$(refresh)")];
        let own = [NO_CONNECTION, ("clientId", client.as_str())];
        let (main, _) = pipeline.rotate(&mut job, &[&usual[..], if is_public { &own } else { &[] }].concat());
        settled(&pipeline);
        assert_eq!(main.warning_count, 1, "{}", main.log);
        says(
            &main,
            &["is lost, and the one used expires after 90 days at most", "Set `refreshTokenStore` to keep new ones."],
        );
        assert_eq!(exchanges(&pipeline), [(Op::TokenRefresh, format!("client {app}"), !is_public)]);
    }
}

#[test]
fn an_app_that_trusts_the_same_pipeline_is_proved_with_the_connections_credential() {
    let pipeline = Pipeline::with_pat(5);
    {
        let mut world = pipeline.sim.world();
        let trusted = world.app("pat-rotator").federated.clone();
        let app = world.add_app("another-app");
        (app.public, app.federated) = (false, trusted);
        let client = app.client_id.clone();
        let refresh = world.refresh_token_for("rotator", "another-app");
        world.set_secret(REFRESH, &refresh, &[("clientId", &client)]);
    }
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    settled(&pipeline);
    says(&main, &["note: the app of `clientId` requires a credential; trying the service connection's"]);
    let redeemed = exchanges(&pipeline).into_iter().filter(|(op, ..)| *op == Op::TokenRefresh);
    assert_eq!(redeemed.map(|(.., proved)| proved).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn an_app_that_trusts_another_pipeline_is_told_apart_from_one_that_trusts_none() {
    for (is_trusting, code) in [(true, "AADSTS700213"), (false, "AADSTS7000218")] {
        let pipeline = Pipeline::with_pat(5);
        {
            let mut world = pipeline.sim.world();
            world.vault.secrets.clear();
            let mut trusted = world.app("pat-rotator").federated.clone();
            trusted[0].subject.push_str("-renamed");
            let app = world.add_app("another-app");
            (app.public, app.federated) = (false, if is_trusting { trusted } else { Vec::new() });
            let client = app.client_id.clone();
            let refresh = world.refresh_token_for("rotator", "another-app");
            world.set_secret(REFRESH, &refresh, &[("clientId", &client)]);
        }
        let run = pipeline.main(&mut pipeline.job(), &[]);
        failed_without_a_trace(&pipeline, &run, &["trying the service connection's", code]);
        assert_eq!(pipeline.sim.count(Op::TokenRefresh), 2);
    }
}

#[test]
fn another_confidential_app_cannot_be_proved_with_a_secret_and_the_message_says_what_can() {
    let pipeline = Pipeline::with_pat(5);
    {
        let mut world = pipeline.sim.world();
        world.vault.secrets.clear();
        world.add_app("another-app");
        world.add_client_secret("another-app");
        let client = world.app("another-app").client_id.clone();
        let refresh = world.refresh_token_for("rotator", "another-app");
        world.set_secret(REFRESH, &refresh, &[("clientId", &client)]);
    }
    let mut job = schemes::job(&pipeline, Scheme::Secret);
    let run = pipeline.main(&mut job, &[BY_SCHEME]);
    let told = [
        "AADSTS7000218",
        "Set `clientId` to a public client, or to the service connection's own app, and sign in to that app.",
    ];
    failed_without_a_trace(&pipeline, &run, &told);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 1, "another app's secret would be no good");
}

#[test]
fn whatever_entra_says_of_the_refresh_token_the_vault_stays_as_it_is() {
    for code in [50057, 50076, 50173, 53003, 65001, 70000, 70008, 70043, 700_082] {
        let pipeline = Pipeline::with_pat(5);
        age(&pipeline, 8 * 24);
        let before = versions(&pipeline)[0].value.clone();
        pipeline.sim.world().break_refresh_tokens("rotator", code);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &[]);
        let told = ["could not redeem the refresh token in secret \"rotator-refresh-token\"", &format!("AADSTS{code}")];
        failed_without_a_trace(&pipeline, &run, &told);
        assert_eq!(pipeline.sim.count(Op::TokenRefresh), 1, "{code}");
        let kept = &versions(&pipeline)[0];
        assert!(kept.enabled && kept.value == before, "{code}");
        assert_eq!(pipeline.sim.count(Op::ListPats) + pipeline.sim.count(Op::VaultUpdate), 0, "{code}");
    }
}

#[test]
fn scopes_that_are_not_granted_are_noted_before_the_service_refuses_them() {
    for source in ["refreshTokenSecret", "password", "entraAgentId"] {
        for scopes in ["", "vso.pats vso.pats_manage"] {
            let pipeline = Pipeline::with_pat(5);
            pipeline.sim.world().scopes_withheld.push("vso.pats_manage".to_owned());
            let agent = agent_user(&pipeline, "pat-rotator");
            let mut job = with_password(&pipeline);
            let given: &[(&str, &str)] = match source {
                "password" => &[NO_SECRET, ("userName", UPN), ("password", "$(rotatorPassword)")],
                "entraAgentId" => &[NO_SECRET, ("userName", UPN), ("entraAgentId", &agent)],
                _ => &[],
            };
            let run = pipeline.main(&mut job, &[given, &[("requestedScopes", scopes)]].concat());
            let advice = "grant the app the delegated permissions `vso.pats` and `vso.pats_manage`, with admin consent";
            let told =
                ["note: the scopes granted are", "which may not be enough", "has the scopes \"vso.pats\"", advice];
            failed_without_a_trace(&pipeline, &run, &told);
        }
    }
}

/// A main stage whose token has five minutes at most, and the settle stage hours later.
fn settles_late(pipeline: &Pipeline, job: &mut Job, inputs: &[(&str, &str)]) -> (StepRun, StepRun) {
    pipeline.sim.world().user_token_minutes = 4;
    let main = pipeline.main(job, inputs);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    pipeline.consume_variable("the new consumer", job);
    pipeline.sim.world().expire_all_tokens();
    pipeline.sim.clear_transcript();
    (main, pipeline.post(job))
}

#[test]
fn a_job_longer_than_its_token_signs_in_again_from_every_source_that_can() {
    for source in ["refreshTokenSecret", "refreshToken", "password", "entraAgentId"] {
        let pipeline = Pipeline::with_pat(5);
        let agent = agent_user(&pipeline, "pat-rotator");
        let refresh = pipeline.sim.world().refresh_token_for("rotator", "pat-rotator");
        let mut job = with_password(&pipeline).secret_variable("refresh", &refresh);
        let given: &[(&str, &str)] = match source {
            "refreshToken" => &[NO_SECRET, ("refreshToken", "$(refresh)")],
            "password" => &[NO_SECRET, ("userName", UPN), ("password", "$(rotatorPassword)")],
            "entraAgentId" => &[NO_SECRET, ("userName", UPN), ("entraAgentId", &agent)],
            _ => &[],
        };
        let (_, post) = settles_late(&pipeline, &mut job, given);
        assert_eq!(post.result, TaskResult::Succeeded, "{source}\n{}", post.log);
        says(&post, &["the main step's token has come to its end; signing in again"]);
        settled(&pipeline);
    }
}

#[test]
fn a_job_longer_than_its_access_token_leaves_the_new_one_pending_and_says_how_to_do_better() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().user_token_minutes = 4;
    let token = pipeline.sim.world().user_token("vso.pats vso.pats_manage");
    let mut job = pipeline.job().secret_variable("userToken", &token);
    let inputs = [NO_CONNECTION, NO_SECRET, ("accessToken", "$(userToken)")];
    let (_, post) = settles_late(&pipeline, &mut job, &inputs);
    assert_eq!(post.result, TaskResult::Failed, "{}", post.log);
    says(&post, &["the `accessToken` ended before the job did", "Nothing was retired", "Use `refreshTokenSecret`"]);
    assert_eq!(pipeline.sim.transcript_text(), "", "nothing is sent");
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]);
}

#[test]
fn the_settle_stage_signs_in_with_the_refresh_token_that_the_job_began_with() {
    let pipeline = Pipeline::with_pat(5);
    let (refresh, group) = {
        let mut world = pipeline.sim.world();
        let refresh = world.refresh_token_for("rotator", "pat-rotator");
        world.members.push("pat-rotator".to_owned());
        let group = world.add_variable_group("Rotation").secret("REFRESH", &refresh).administrator("pat-rotator").add();
        (refresh, group)
    };
    let mut job = pipeline.job().secret_variable("REFRESH", &refresh);
    let inputs = [NO_SECRET, ("refreshToken", "$(REFRESH)"), ("refreshTokenStore", "variableGroup: Rotation/REFRESH")];
    let (main, post) = settles_late(&pipeline, &mut job, &inputs);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    says(&main, &["stored the newer refresh token"]);
    settled(&pipeline);
    let world = pipeline.sim.world();
    let stored = world.secret_value(group, "REFRESH");
    let numbers: Vec<u32> = world.refresh_tokens.iter().map(|token| token.redeemed).collect();
    // The vault's, which nobody asked for; the job's, twice; the newer one of the main stage; that of the settle stage.
    assert_eq!(numbers, [0, 2, 0, 0]);
    assert_eq!(stored, world.refresh_tokens[2].value, "stored once, as the one there is fresh");
    assert_eq!(world.group_writes.len(), 1);
}

#[test]
fn everything_wrong_with_the_sign_in_is_named_together_and_nothing_is_sent() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    let run = pipeline.main(
        &mut job,
        &[
            ("refreshTokenSecret", "https://contoso-kv.vault.example/secrets/a"),
            ("password", "$(nobodySetThis)"),
            ("userName", "rotator"),
            ("tenantId", "contoso"),
            ("clientId", "pat-rotator"),
            ("refreshTokenStore", "serviceConnection: contoso-feed"),
        ],
    );
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    for (input, predicate) in [
        ("refreshTokenSecret", "must be"),
        ("password", "uses ***, but the job has no such variable"),
        ("userName", "must be"),
        ("tenantId", "must be"),
        ("clientId", "must be"),
        ("refreshTokenStore", "is only used with `refreshToken`"),
    ] {
        let named = run.errors.iter().filter(|error| error.contains(&format!("`{input}` {predicate}"))).count();
        assert_eq!(named, 1, "{input}\n{}", run.log);
    }
    assert_eq!(pipeline.sim.transcript_text(), "");

    for (inputs, named) in [
        (
            &[("password", "x"), ("userName", UPN)][..],
            "`refreshTokenSecret` must be the only sign-in input; `password` is also set",
        ),
        (&[NO_SECRET, ("password", "x")], "`userName` is required: the user's sign-in name, for `password`"),
        (&[NO_SECRET, ("userName", UPN)], "`userName` is only used with"),
        (
            &[NO_SECRET, ("entraAgentId", ELSEWHERE)],
            "`userName` is required: the agent user's sign-in name or object id",
        ),
    ] {
        let run = pipeline.main(&mut job, inputs);
        assert_eq!((run.result, run.error_count), (TaskResult::Failed, 1), "{}", run.log);
        says(&run, &[named, "Nothing was sent and nothing was changed"]);
        assert_eq!(pipeline.sim.transcript_text(), "");
    }
}

#[test]
fn a_busy_endpoint_of_the_job_or_the_machine_is_asked_again() {
    for (scheme, op) in [
        (Scheme::Federated, Op::OidcToken),
        (Scheme::Machine, Op::ManagedIdentity),
        (Scheme::AppService, Op::AppServiceIdentity),
    ] {
        let pipeline = Pipeline::with_pat(20);
        {
            let mut world = pipeline.sim.world();
            let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
            let client = world.app("pat-rotator-public").client_id.clone();
            world.set_secret(REFRESH, &refresh, &[("clientId", &client)]);
        }
        let mut job = schemes::job(&pipeline, scheme);
        pipeline.sim.inject(Fault::Status(500), When::first(op, 2));
        let run = pipeline.main(&mut job, &[BY_SCHEME, ("rotateWhenDaysLeft", "9")]);
        assert_eq!(run.result, TaskResult::Succeeded, "{scheme:?}\n{}", run.log);
        assert_eq!(pipeline.sim.count(op), 3, "{scheme:?}");
    }
}
