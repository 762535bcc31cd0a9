//! Every kind of service connection signs in for a whole rotation: for the vault, and to prove whose refresh token it is.

use rotate_pat::app::StageExit;

use crate::harness::local::{Local, logs};
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, lines_with, says};
use crate::sign_in::refresh_token::{failed_without_a_trace, settled};
use agent::{Endpoint, Job, StepRun, TaskResult};
use simulator::certificates::{PemForm, TestCertificate};
use simulator::world::Managed;
use simulator::{Fault, Op, Simulator, When};

/// The connection of the scheme under test, beside the pipeline's usual one.
pub(crate) const BY_SCHEME: (&str, &str) = ("azureSubscription", "by-scheme");
const PLACE: &str = "nuget-pat";

/// How a connection signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Workload identity federation, with the issuer of today.
    Federated,
    /// With that of older connections.
    OldIssuer,
    Secret,
    Certificate(PemForm),
    /// A virtual machine's own identity.
    Machine,
    /// One of several lent to a virtual machine.
    MachineLent,
    /// That of an App Service.
    AppService,
    /// One of several lent to an App Service.
    AppServiceLent,
}

impl Scheme {
    /// Those whose app a user can sign in to.
    pub(crate) const APPS: [Self; 4] =
        [Self::Federated, Self::OldIssuer, Self::Secret, Self::Certificate(PemForm::Pkcs8)];
    /// Those without such an app.
    pub(crate) const MACHINES: [Self; 4] = [Self::Machine, Self::MachineLent, Self::AppService, Self::AppServiceLent];

    fn is_lent(self) -> bool {
        matches!(self, Self::MachineLent | Self::AppServiceLent)
    }

    fn is_in_app_service(self) -> bool {
        matches!(self, Self::AppService | Self::AppServiceLent)
    }
}

/// The job with a connection of that scheme.
pub(crate) fn job(pipeline: &Pipeline, scheme: Scheme) -> Job {
    let (endpoint, environment) = connection(&pipeline.sim, scheme);
    let job = environment.into_iter().fold(pipeline.job(), |job, (name, value)| job.raw_env(name, value));
    job.endpoint(endpoint)
}

/// A connection of that scheme, over the app `pat-rotator` or over the managed identity `machine`, and what the machine
/// adds to the environment.
pub(crate) fn connection(sim: &Simulator, scheme: Scheme) -> (Endpoint, Vec<(&'static str, String)>) {
    let by_id =
        |scheme: &str, id: &str| Endpoint::new(id, BY_SCHEME.1, "AzureRM", scheme, "https://management.azure.com/");
    let other_id = "5c4e3e00-0000-4000-8000-000000000001";
    let mut world = sim.world();
    if scheme == Scheme::OldIssuer {
        world.use_old_issuer("pat-rotator");
    }
    let pem = match scheme {
        Scheme::Certificate(form) => world.add_certificate("pat-rotator").pem(form),
        _ => String::new(),
    };
    let app = world.app("pat-rotator").clone();
    let service_principal = |kind: &str| {
        by_id("ServicePrincipal", other_id)
            .parameter("authenticationType", kind)
            .parameter("tenantid", &app.tenant)
            .parameter("serviceprincipalid", &app.client_id)
    };
    let endpoint = match scheme {
        Scheme::Federated | Scheme::OldIssuer => {
            by_id("WorkloadIdentityFederation", &world.service_connection("pat-rotator").id)
                .parameter("tenantid", &app.tenant)
                .parameter("serviceprincipalid", &app.client_id)
        }
        Scheme::Secret => service_principal("spnKey").parameter("serviceprincipalkey", &app.secrets[0].value),
        Scheme::Certificate(_) => service_principal("spnCertificate").parameter("servicePrincipalCertificate", &pem),
        _ => by_id("ManagedServiceIdentity", other_id).parameter("tenantid", &app.tenant),
    };
    let mut endpoint = endpoint.data("environment", "AzureCloud");
    let mut environment = Vec::new();
    if Scheme::MACHINES.contains(&scheme) {
        let managed = if scheme.is_lent() { Managed::User } else { Managed::System };
        let id = world.add_managed_identity("machine", managed).client_id.clone();
        // Without a client id it would be one of two.
        world.add_managed_identity("another", Managed::User);
        if scheme.is_lent() {
            endpoint = endpoint.data("msiclientId", &id);
        }
        world.vault.readers.push("machine".to_owned());
        world.vault.writers.push("machine".to_owned());
        if scheme.is_in_app_service() {
            environment.push(("IDENTITY_HEADER", world.run_in_app_service()));
            environment.push(("IDENTITY_ENDPOINT", format!("{}/msi/token", sim.origin())));
        }
    }
    (endpoint, environment)
}

/// The line that publishes into the vault.
fn into_vault(pipeline: &Pipeline) -> String {
    format!("{}/secrets/{PLACE}", pipeline.sim.origin())
}

/// The vault holds the new PAT, written by this identity.
#[track_caller]
fn published(pipeline: &Pipeline, by: &str) {
    let world = pipeline.sim.world();
    assert_eq!(world.pat_of_secret(world.vault.value(PLACE)).map(|pat| pat.number), Some(2));
    drop(world);
    let written: Vec<String> =
        pipeline.sim.transcript().iter().filter(|e| e.op == Op::VaultWrite).map(|e| e.caller.to_string()).collect();
    assert_eq!(written, [format!("{by} (app token)")]);
}

/// The client of each redemption, and how it proved itself.
fn redemptions(pipeline: &Pipeline) -> Vec<(String, bool)> {
    let transcript = pipeline.sim.transcript();
    let redeemed = transcript.iter().filter(|exchange| exchange.op == Op::TokenRefresh);
    redeemed.map(|exchange| (exchange.caller.to_string(), exchange.summary.contains(" with a"))).collect()
}

#[test]
fn every_connection_with_an_app_rotates_into_a_vault_with_a_refresh_token_of_that_app() {
    for scheme in Scheme::APPS {
        let pipeline = Pipeline::with_pat(5);
        let mut job = job(&pipeline, scheme);
        pipeline.rotate(&mut job, &[BY_SCHEME, ("publishTo", &into_vault(&pipeline))]);
        settled(&pipeline);
        published(&pipeline, "pat-rotator");
        assert_eq!(redemptions(&pipeline), [("client pat-rotator".to_owned(), true)], "{scheme:?}");
        let is_federated = matches!(scheme, Scheme::Federated | Scheme::OldIssuer);
        assert_eq!(pipeline.sim.count(Op::OidcToken) > 0, is_federated, "{scheme:?}");
        if is_federated {
            let asked: Vec<Op> = pipeline.sim.transcript().iter().map(|exchange| exchange.op).collect();
            let asked: Vec<Op> = asked.into_iter().filter(|op| *op == Op::OidcToken || op.is_token()).collect();
            let in_turn =
                asked.chunks(2).all(|two| two[0] == Op::OidcToken && two.get(1).is_some_and(|op| op.is_token()));
            assert!(in_turn, "each is asked for right before its use: {asked:?}");
        }
        let issuers: Vec<String> = pipeline.sim.world().oidc_tokens.iter().map(|token| token.issuer.clone()).collect();
        assert_eq!(issuers.iter().any(|issuer| issuer.contains("vstoken")), scheme == Scheme::OldIssuer, "{scheme:?}");
    }
}

#[test]
fn a_managed_identity_rotates_into_a_vault_with_a_public_clients_refresh_token() {
    for (scheme, is_tagged) in [
        (Scheme::Machine, true),
        (Scheme::MachineLent, false),
        (Scheme::AppService, false),
        (Scheme::AppServiceLent, true),
    ] {
        let pipeline = Pipeline::with_pat(5);
        let client = {
            let mut world = pipeline.sim.world();
            let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
            let client = world.app("pat-rotator-public").client_id.clone();
            let tags = [("clientId", client.as_str())];
            world.set_secret(REFRESH, &refresh, if is_tagged { &tags } else { &[] });
            client
        };
        let mut job = job(&pipeline, scheme);
        let client = if is_tagged { "" } else { &client };
        pipeline.rotate(&mut job, &[BY_SCHEME, ("publishTo", &into_vault(&pipeline)), ("clientId", client)]);
        settled(&pipeline);
        published(&pipeline, "machine");
        assert_eq!(redemptions(&pipeline), [("client pat-rotator-public".to_owned(), false)], "{scheme:?}");
        let asked = [Op::ManagedIdentity, Op::AppServiceIdentity].map(|op| pipeline.sim.count(op) > 0);
        assert_eq!(asked, [!scheme.is_in_app_service(), scheme.is_in_app_service()], "{scheme:?}");
        assert_eq!(pipeline.sim.count(Op::OidcToken), 0, "{scheme:?}");
    }
}

#[test]
fn a_managed_identity_redeems_the_refresh_token_of_an_app_that_trusts_it() {
    for scheme in Scheme::MACHINES {
        let pipeline = Pipeline::with_pat(5);
        let mut job = job(&pipeline, scheme);
        let client = {
            let mut world = pipeline.sim.world();
            world.trust_managed_identity("pat-rotator", "machine");
            world.app("pat-rotator").client_id.clone()
        };
        let (main, _) = pipeline.rotate(&mut job, &[BY_SCHEME, ("clientId", &client)]);
        settled(&pipeline);
        says(&main, &["the app of `clientId` requires a credential; trying the service connection's"]);
        let client = "client pat-rotator".to_owned();
        assert_eq!(redemptions(&pipeline), [(client.clone(), false), (client, true)], "{scheme:?}");
    }
}

#[test]
fn a_managed_identity_is_no_app_of_a_refresh_token_and_the_message_says_so() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = job(&pipeline, Scheme::Machine);
    let run = pipeline.main(&mut job, &[BY_SCHEME]);
    let told = ["users cannot sign in to a managed identity", "Set `clientId` to the app's id."];
    failed_without_a_trace(&pipeline, &run, &told);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 0);
}

#[test]
fn no_connections_own_token_manages_tokens_and_each_refusal_names_the_way_out() {
    for scheme in Scheme::APPS.into_iter().chain(Scheme::MACHINES) {
        // What a user could be asked for does not matter here.
        for scopes in ["", "vso.pats vso.pats_manage"] {
            let pipeline = Pipeline::with_pat(5);
            let mut job = job(&pipeline, scheme);
            let inputs = [BY_SCHEME, ("refreshTokenSecret", ""), ("requestedScopes", scopes)];
            let run = pipeline.main(&mut job, &inputs);
            let told = ["acts for the app", "accepts only tokens that act for a user: give `refreshTokenSecret`"];
            failed_without_a_trace(&pipeline, &run, &told);
        }
    }
}

const BY_CERTIFICATE: (&str, &str) = ("azureSubscription", "by-certificate");

/// A connection over the app `pat-rotator` with this text for its certificate.
fn by_certificate(pipeline: &Pipeline, text: &str) -> Endpoint {
    let world = pipeline.sim.world();
    let app = world.app("pat-rotator");
    let id = "5c4e3e00-0000-4000-8000-000000000002";
    Endpoint::new(id, BY_CERTIFICATE.1, "AzureRM", "ServicePrincipal", "https://management.azure.com/")
        .parameter("authenticationType", "spnCertificate")
        .parameter("tenantid", &app.tenant)
        .parameter("serviceprincipalid", &app.client_id)
        .parameter("servicePrincipalCertificate", text)
}

/// Line ends as an editor, a form or a variable may have left them.
fn with_line_ends(pem: &str, ends: &str) -> String {
    pem.trim_end().replace('\n', ends)
}

#[test]
fn a_certificate_signs_in_from_every_form_of_its_text() {
    for form in PemForm::ALL {
        for ends in ["\n", "\r\n", " ", "\\n", "\\r\\n"] {
            let pipeline = Pipeline::with_pat(20);
            let mut world = pipeline.sim.world();
            let pem = with_line_ends(&world.add_certificate("pat-rotator").pem(form), ends);
            drop(world);
            let mut job = pipeline.job().endpoint(by_certificate(&pipeline, &pem));
            let run = pipeline.main(&mut job, &[BY_CERTIFICATE, ("rotateWhenDaysLeft", "9")]);
            assert_eq!(run.result, TaskResult::Succeeded, "{form:?} {ends:?}\n{}", run.log);
            assert_eq!(redemptions(&pipeline), [("client pat-rotator".to_owned(), true)], "{form:?} {ends:?}");
        }
    }
}

#[test]
fn a_certificate_signs_anew_for_each_try() {
    for op in [Op::TokenClientCredentials, Op::TokenRefresh] {
        // The service takes no assertion twice, and saw the first.
        let pipeline = Pipeline::with_pat(20);
        let mut job = job(&pipeline, Scheme::Certificate(PemForm::Pkcs8));
        pipeline.sim.inject(Fault::ResetAfter, When::nth(op, 1));
        let run = pipeline.main(&mut job, &[BY_SCHEME, ("rotateWhenDaysLeft", "9")]);
        assert_eq!(run.result, TaskResult::Succeeded, "{op:?}\n{}", run.log);
        assert_eq!(pipeline.sim.count(op), 2, "{op:?}");
    }
}

#[test]
fn a_certificate_that_the_app_does_not_know_is_refused_and_named() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = job(&pipeline, Scheme::Certificate(PemForm::Chain));
    pipeline.sim.world().app_mut("pat-rotator").certificates.clear();
    let run = pipeline.main(&mut job, &[BY_SCHEME]);
    failed_without_a_trace(
        &pipeline,
        &run,
        &["AADSTS700027", "could not sign in as the app of the service connection"],
    );
    assert_eq!(pipeline.sim.count(Op::VaultRead), 0);
}

#[test]
fn a_certificate_that_cannot_sign_is_named_before_anything_is_sent() {
    let pipeline = Pipeline::with_pat(5);
    let (own, other) = (TestCertificate::self_signed("own", 21), TestCertificate::self_signed("other", 22));
    let relabelled = |label: &str| own.key_pkcs8().replace("PRIVATE KEY", label);
    let cut = &own.certificate_pem()[..200];
    for (text, named) in [
        (own.key_pkcs8(), "a certificate beside the private key"),
        (own.key_pkcs8() + cut, "a certificate beside the private key"),
        (own.certificate_pem(), "a private key beside the certificate"),
        (own.certificate_pem() + &other.key_pkcs8(), "a certificate that belongs to its private key"),
        (own.certificate_pem() + &relabelled("EC PRIVATE KEY"), "an RSA key of 2048 to 4096 bits"),
        (own.certificate_pem() + &relabelled("ENCRYPTED PRIVATE KEY"), "without a passphrase"),
        (own.certificate_pem() + &own.key_pkcs8().replace("MII", "MIX"), "an RSA key of 2048 to 4096 bits"),
        ("-----BEGIN PRIVATE KEY-----".to_owned(), "a private key beside the certificate"),
    ] {
        let mut job = pipeline.job().endpoint(by_certificate(&pipeline, &text));
        for line in own.secret_lines() {
            job.watch_secret("the key", &line);
        }
        let run = pipeline.main(&mut job, &[BY_CERTIFICATE]);
        failed_without_a_trace_of_requests(
            &pipeline,
            &run,
            &["`serviceConnection` must be a service connection with", named],
        );
    }
}

#[track_caller]
fn failed_without_a_trace_of_requests(pipeline: &Pipeline, run: &StepRun, texts: &[&str]) {
    assert_eq!((run.result, run.error_count), (TaskResult::Failed, 1), "{}", run.log);
    says(run, texts);
    says(run, &["Nothing was sent and nothing was changed"]);
    assert_eq!(pipeline.sim.transcript_text(), "");
}

#[test]
fn an_agent_whose_clock_is_wrong_signs_once_more_by_the_servers_time() {
    for hours in [-3, 2] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = job(&pipeline, Scheme::Certificate(PemForm::Pkcs8));
        {
            let mut world = pipeline.sim.world();
            world.assertions_by_own_clock = true;
            world.advance(jiff::SignedDuration::from_hours(hours));
        }
        let (main, _) = pipeline.rotate(&mut job, &[BY_SCHEME]);
        settled(&pipeline);
        assert_eq!(lines_with(&main, "the agent's clock is").len(), 1, "{}", main.log);
        let refused = pipeline.sim.transcript().into_iter().filter(|e| e.op.is_token() && e.status == Some(401));
        assert_eq!(refused.count(), 1, "once, for the first signature: {hours}");
    }
}

#[test]
fn the_settle_stage_signs_by_the_time_that_the_main_stage_learned() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = job(&pipeline, Scheme::Certificate(PemForm::Pkcs8));
    {
        let mut world = pipeline.sim.world();
        world.assertions_by_own_clock = true;
        world.user_token_minutes = 4;
        world.advance(jiff::SignedDuration::from_hours(2));
    }
    let main = pipeline.main(&mut job, &[BY_SCHEME]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    pipeline.sim.world().expire_all_tokens();
    pipeline.sim.clear_transcript();
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    says(&post, &["signing in again"]);
    assert!(pipeline.sim.transcript().iter().all(|exchange| !exchange.op.is_token() || exchange.status == Some(200)));
    settled(&pipeline);
}

#[test]
fn an_untimely_assertion_is_not_signed_again_and_again() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = job(&pipeline, Scheme::Certificate(PemForm::Pkcs8));
    {
        let mut world = pipeline.sim.world();
        world.assertions_by_own_clock = true;
        world.advance(jiff::SignedDuration::from_hours(2));
    }
    // A `Date` of its own, which leads nowhere.
    let wrong = jiff::SignedDuration::from_hours(5);
    pipeline.sim.inject(Fault::ClockSkew(wrong), When::every(Op::TokenClientCredentials));
    let run = pipeline.main(&mut job, &[BY_SCHEME]);
    failed_without_a_trace(&pipeline, &run, &["AADSTS700024", "Correct the clock of the agent's machine"]);
    assert_eq!(pipeline.sim.count(Op::TokenClientCredentials), 2);
}

#[test]
fn a_connection_that_the_pipeline_may_not_use_is_named_with_what_to_do() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = job(&pipeline, Scheme::Federated);
    pipeline.sim.world().connections[0].unauthorized = true;
    let run = pipeline.main(&mut job, &[BY_SCHEME]);
    let told = ["could not get an OIDC token for the service connection", "authorized to use the service connection"];
    failed_without_a_trace(&pipeline, &run, &told);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}

#[test]
fn a_machine_without_that_identity_is_told_apart_from_other_failures() {
    for (scheme, arrange, words) in
        [(Scheme::MachineLent, "gone", "Identity not found"), (Scheme::AppService, "header", "401")]
    {
        let pipeline = Pipeline::with_pat(5);
        let mut job = job(&pipeline, scheme);
        if arrange == "gone" {
            pipeline.sim.world().apps.retain(|app| app.name != "machine");
        } else {
            job = job.raw_env("IDENTITY_HEADER", "not-this-service");
        }
        let run = pipeline.main(&mut job, &[BY_SCHEME]);
        let what = "could not sign in as the managed identity of the service connection";
        failed_without_a_trace(&pipeline, &run, &[what, words]);
    }
}

#[test]
fn an_agent_without_any_managed_identity_is_told_where_there_is_one() {
    let local = Local::with_pat(5);
    let id = "5c4e3e00-0000-4000-8000-000000000003";
    let mut job = local.job(&[("serviceConnection", id), ("accessToken", "")]);
    job.set(&format!("ENDPOINT_AUTH_SCHEME_{id}"), "ManagedServiceIdentity");
    local.sim.inject(Fault::Refused, When::every(Op::ManagedIdentity));
    assert_eq!(job.main(), StageExit::Failed);
    let told =
        ["could not sign in as the managed identity", "Microsoft-hosted agents have none.", "Nothing was changed."];
    logs(&job, &told);
    assert_eq!(local.active(), [format!("#1 {NAME}")]);
}
