//! `rotate-pat sign-in --bound`: a refresh token of the connection's own app, which is useless to whoever steals it.

use std::time::Duration;

use simulator::certificates::PemForm;
use simulator::{Exchange, Fault, Op, When};

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use crate::sign_in::station::{OPENS, Station, browser, chromium, fetch, heard, real_browser, secret_url, station};

const APP: &str = "pat-rotator";
const USER: &str = "rotator@contoso.onmicrosoft.com";

/// The connection's own app with an address of the type *Web*, and a client secret that was made for the sign-in.
fn setting() -> (Pipeline, String) {
    let pipeline = station();
    let mut world = pipeline.sim.world();
    world.make_web(APP, "http://localhost");
    // In the pipeline it is the federated credential that proves the app.
    world.app_mut(APP).secrets.clear();
    let secret = world.add_client_secret(APP);
    drop(world);
    (pipeline, secret)
}

fn arguments(pipeline: &Pipeline, more: &[&str]) -> Vec<String> {
    let organization = format!("{}/contoso", pipeline.sim.origin());
    let client = pipeline.sim.world().app(APP).client_id.clone();
    let url = secret_url(pipeline);
    let own = [
        "sign-in",
        "--bound",
        "--organization",
        &organization,
        "--client-id",
        &client,
        "--user",
        USER,
        "--vault-secret",
        &url,
    ];
    own.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
}

fn start(pipeline: &Pipeline, more: &[&str], input: &str) -> Station {
    let arguments = arguments(pipeline, more);
    Station::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), Some(input))
}

/// What a thief of the refresh token is told.
fn redeem_stolen(pipeline: &Pipeline, app: &str, more: &str) -> String {
    let (tenant, client, stolen) = {
        let world = pipeline.sim.world();
        (world.tenants[0].id.clone(), world.app(app).client_id.clone(), world.vault.value(REFRESH).to_owned())
    };
    let url = format!("{}/{tenant}/oauth2/v2.0/token", pipeline.sim.origin()).parse().unwrap();
    let scope = "499b84ac-1321-427f-aa17-267ca6975798%2F.default";
    let body = format!("grant_type=refresh_token&client_id={client}&scope={scope}&refresh_token={stolen}{more}");
    fetch(&url, "POST", &body, None).body
}

#[test]
fn the_stored_token_works_in_the_pipeline_and_is_useless_to_a_thief() {
    let (pipeline, secret) = setting();
    let mut station = start(&pipeline, &["--connection", APP, "--pat", NAME], &format!("{secret}\n"));
    let address = station.address();
    let shown = station.command_line();
    browser(&address, USER);
    let ended = station.end();
    {
        let world = pipeline.sim.world();
        let said = [
            &format!("the tenant of {}/contoso is {}", pipeline.sim.origin(), world.tenants[0].id),
            "verified: the refresh token is refused without the credential of the app",
            "stored the refresh token in secret \"rotator-refresh-token\"",
            "azureSubscription: pat-rotator\n",
            &format!("refreshTokenSecret: {}\n", secret_url(&pipeline)),
            &format!("patName: {NAME}\n"),
            "Now delete the app's secret or certificate that was used here",
        ];
        ended.is(&world, 0, &said);
        assert!(world.all_secrets().iter().all(|(_, secret)| !shown.contains(secret)), "{shown}");
        let stored = world.vault.current(REFRESH).unwrap();
        assert_eq!(stored.tags["clientId"], world.app(APP).client_id);
        assert!(world.refresh_tokens.iter().any(|token| token.value == stored.value && token.is_confidential));
    }
    // The user of the pipeline's vault is the app, which wrote it, and nobody else.
    let writers: Vec<String> = pipeline
        .sim
        .transcript()
        .iter()
        .filter(|one| one.op == Op::VaultWrite)
        .map(|one| one.caller.to_string())
        .collect();
    assert_eq!(writers, ["pat-rotator (app token)"]);

    // The secret has done its work.
    pipeline.sim.world().app_mut(APP).secrets.clear();
    for (app, more, words) in [
        (APP, "", "AADSTS7000218"),
        (APP, "&client_secret=guessed", "AADSTS7000215"),
        (APP, &format!("&client_secret={}", secret.replace('~', "%7E")), "AADSTS7000215"),
        ("pat-rotator-public", "", "AADSTS70000:"),
    ] {
        let told = redeem_stolen(&pipeline, app, more);
        assert!(told.contains(words), "{app}{more}: {told}");
    }
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &["signed in as rotator@contoso.onmicrosoft.com"]);
    assert!(!main.log.contains("is a public client"), "{}", main.log);
    assert_eq!(pipeline.active().len(), 2);
}

#[test]
fn certificate_with_its_key_is_as_good_as_a_secret() {
    for form in [PemForm::Pkcs8, PemForm::Pkcs1Last] {
        let (pipeline, _) = setting();
        let certificate = pipeline.sim.world().add_certificate(APP);
        let mut station = start(&pipeline, &[], &certificate.pem(form));
        browser(&station.address(), USER);
        let ended = station.end();
        let world = pipeline.sim.world();
        ended.is(&world, 0, &["verified: the refresh token is refused", "NAME  # the service connection of the app"]);
        assert!(!ended.said.contains("PRIVATE KEY"), "{}", ended.said);
    }
}

#[test]
fn public_redirect_address_is_refused_and_nothing_is_stored() {
    // Beside the address of the type Web: which type counts is not known.
    for beside in [false, true] {
        let (pipeline, secret) = setting();
        {
            let mut world = pipeline.sim.world();
            let app = world.app_mut(APP);
            app.redirect_uris = vec!["http://localhost".to_owned()];
            if !beside {
                app.web_redirect_uris.clear();
            }
        }
        let mut station = start(&pipeline, &[], &secret);
        browser(&station.address(), USER);
        let ended = station.end();
        let world = pipeline.sim.world();
        ended.is(&world, 1, &["AADSTS700025", "redirect URI to the platform \"Web\"", "Nothing was stored."]);
        assert!(world.vault.secret(REFRESH).is_none());
    }
}

#[test]
fn refresh_token_that_needs_no_credential_is_not_stored() {
    let (pipeline, secret) = setting();
    pipeline.sim.inject(Fault::before(|world| world.make_public(APP)), When::nth(Op::TokenRefresh, 1));
    let mut station = start(&pipeline, &[], &secret);
    browser(&station.address(), USER);
    let ended = station.end();
    let world = pipeline.sim.world();
    ended.is(&world, 1, &["the refresh token is not bound", "Allow public client flows", "Nothing was stored."]);
    assert!(world.vault.secret(REFRESH).is_none());
}

#[test]
fn unusable_credential_is_reported_before_the_browser_opens() {
    let (pipeline, secret) = setting();
    let id = "22222222-2222-2222-2222-222222222222";
    let wrong = format!("{secret}x");
    let json = format!("{{\"appId\": \"{id}\", \"password\": \"{secret}\"}}");
    for (input, words) in [
        ("", "has no client secret"),
        (id, "the id of a client secret, not its value"),
        (&json, "take the value of `password` alone"),
        (&wrong, "could not sign in as the app with the credential on standard input: Microsoft Entra answered 401"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "a private key beside the certificate"),
    ] {
        let ended = start(&pipeline, &["--wait", "0"], input).end();
        let world = pipeline.sim.world();
        ended.is(&world, 1, &[words, "Nothing was stored.", "az ad app credential reset"]);
        assert!(!ended.said.contains(&wrong), "{}", ended.said);
        assert_eq!(ended.opened, "");
    }
    assert_eq!(pipeline.sim.count(Op::Authorize), 0);
}

#[test]
fn secret_on_the_command_line_is_refused_and_not_repeated() {
    let (pipeline, secret) = setting();
    for more in [&["--client-secret", &secret][..], &[&format!("--client-secret={secret}")], &["--user", &secret]] {
        let ended = start(&pipeline, more, "").end();
        ended.is(&pipeline.sim.world(), 2, &["error: "]);
    }
    // Of no form that can be known.
    for (more, words) in [
        (["--client-secret", "hunter2"], "unknown option \"--client-secret\""),
        (["--bound", "hunter2"], "`--bound` takes no value on the command line"),
    ] {
        let ended = start(&pipeline, &more, "").end();
        ended.is(&pipeline.sim.world(), 2, &[words]);
        assert!(!ended.said.contains("hunter2"), "{}", ended.said);
    }
}

#[test]
fn new_secret_and_new_role_are_waited_for() {
    let (pipeline, secret) = setting();
    let secrets = std::mem::take(&mut pipeline.sim.world().app_mut(APP).secrets);
    let writers = std::mem::take(&mut pipeline.sim.world().vault.writers);
    let readers = std::mem::take(&mut pipeline.sim.world().vault.readers);
    let mut station = start(&pipeline, &["--wait", "1"], &secret);
    station.line("Entra does not know this credential of the app");
    pipeline.sim.world().app_mut(APP).secrets = secrets;
    station.line("in effect after ");
    let line = station.line("the vault does not let the service connection's app in yet (ForbiddenByRbac)");
    assert!(line.contains("Key Vault Secrets Officer") && line.contains("up to 1 minute; Ctrl-C stops it"), "{line}");
    pipeline.sim.world().vault.readers = readers;
    station.line("in effect after ");
    browser(&station.address(), USER);
    // The servers of a vault do not learn of a role at the same moment.
    station.line("the vault does not let the service connection's app in yet");
    pipeline.sim.world().vault.writers = writers;
    station.line("in effect after ");
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}

#[test]
fn role_that_never_comes_ends_the_wait() {
    let (pipeline, secret) = setting();
    pipeline.sim.world().vault.readers.clear();
    let ended = start(&pipeline, &["--wait", "0"], &secret).end();
    let words = ["could not read secret", "Give the service connection's app the role Key Vault Secrets Officer"];
    ended.is(&pipeline.sim.world(), 1, &words);
    assert_eq!(ended.opened, "");
}

#[test]
#[expect(clippy::print_stdout, reason = "how long each took is there to be read")]
fn ctrl_c_ends_every_wait_at_once() {
    let at_once = |what: &str, now: &str, pipeline: &Pipeline, station: Station| {
        let (took, ended) = station.interrupt();
        println!("Ctrl-C while it waits for {what}: {} ms", took.as_millis());
        assert!(took < Duration::from_secs(2), "{what}: {took:?}");
        ended.is(&pipeline.sim.world(), 130, &[&format!("interrupted\nNow: {now}")]);
    };
    const NOTHING: &str = "Nothing was stored.";
    let (pipeline, _) = setting();
    let arguments = arguments(&pipeline, &[]);
    let mut station = Station::waiting_for_input(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), OPENS);
    station.line("still reading a client secret of the app from standard input");
    at_once("standard input", NOTHING, &pipeline, station);

    for (op, what) in [(Op::DiscoverTenant, "the tenant"), (Op::TokenClientCredentials, "the app's sign-in")] {
        let (pipeline, secret) = setting();
        pipeline.sim.inject(Fault::HangBefore, When::every(op));
        let station = start(&pipeline, &[], &secret);
        heard(&pipeline, op);
        at_once(what, NOTHING, &pipeline, station);
    }

    let (pipeline, secret) = setting();
    pipeline.sim.world().app_mut(APP).secrets.clear();
    let mut station = start(&pipeline, &[], &secret);
    station.line("Entra does not know this credential");
    at_once("the new secret", NOTHING, &pipeline, station);

    let (pipeline, secret) = setting();
    pipeline.sim.world().vault.readers.clear();
    let mut station = start(&pipeline, &[], &secret);
    station.line("the vault does not let");
    at_once("the new role", NOTHING, &pipeline, station);

    for (op, what, now) in [
        (Op::TokenAuthorizationCode, "the tokens", NOTHING),
        (Op::TokenRefresh, "the proof that the token is bound", NOTHING),
        (Op::VaultWrite, "the vault's write", "It is not known whether the refresh token was stored."),
    ] {
        let (pipeline, secret) = setting();
        pipeline.sim.inject(Fault::HangBefore, When::every(op));
        let mut station = start(&pipeline, &[], &secret);
        browser(&station.address(), USER);
        heard(&pipeline, op);
        at_once(what, now, &pipeline, station);
    }

    let (pipeline, secret) = setting();
    pipeline.sim.world().vault.writers.clear();
    let mut station = start(&pipeline, &[], &secret);
    browser(&station.address(), USER);
    station.line("the vault does not let");
    at_once("the new role, at the write", NOTHING, &pipeline, station);
}

#[test]
fn organization_without_a_tenant_is_explained_before_the_browser_opens() {
    let (pipeline, secret) = setting();
    "00000000-0000-0000-0000-000000000000".clone_into(&mut pipeline.sim.world().organizations[0].tenant);
    let ended = start(&pipeline, &[], &secret).end();
    ended.is(&pipeline.sim.world(), 1, &["is backed by Microsoft accounts", "Nothing was stored."]);
    assert_eq!(ended.opened, "");
}

#[test]
fn sign_in_without_the_option_to_an_app_of_the_type_web_names_it() {
    let (pipeline, _) = setting();
    pipeline.sim.world().vault.readers.push("rotator".to_owned());
    let arguments = arguments(&pipeline, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bound").collect();
    let mut station = Station::with(&arguments, None);
    browser(&station.address(), USER);
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["AADSTS7000218", "Sign in with `--bound`", "Nothing was stored."]);
}

#[test]
fn printed_pipeline_is_yaml_with_the_names_that_were_given() {
    let (pipeline, secret) = setting();
    let mut station = start(&pipeline, &["--connection", "Prod: it's", "--pat", "nuget publish"], &secret);
    browser(&station.address(), USER);
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 0, &[]);
    // Only what is to be copied stands on standard output after the two lines of the result.
    let yaml: Vec<&str> = ended.out.lines().skip_while(|line| !line.starts_with("trigger:")).collect();
    assert!(yaml.contains(&"    azureSubscription: 'Prod: it''s'"), "{}", ended.out);
    assert!(yaml.contains(&"    patName: nuget publish"), "{}", ended.out);
    assert!(
        yaml.contains(&format!("      keyVault: {}/secrets/nuget-publish", pipeline.sim.origin()).as_str()),
        "{}",
        ended.out
    );
    assert!(yaml.last().unwrap().contains("dryRun: true"), "{}", ended.out);
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/task.json")).unwrap();
    let inputs = yaml.iter().skip_while(|line| **line != "  inputs:").skip(1).filter(|line| !line.starts_with("     "));
    for input in inputs.map(|line| line.trim().split(':').next().unwrap()) {
        assert!(manifest.contains(&format!("\"{input}\"")), "{input} is no input of the task");
    }
}

#[test]
fn a_real_browser_signs_in() {
    let Some(chromium) = chromium() else { return };
    let (pipeline, secret) = setting();
    pipeline.sim.world().page_signs_in_as = Some(USER.to_owned());
    let mut station = start(&pipeline, &[], &secret);
    let dom = real_browser(chromium, &mut station);
    assert!(dom.contains("This window can be closed"), "{dom}");
    station.end().is(&pipeline.sim.world(), 0, &["verified: the refresh token is refused", "stored the refresh token"]);
}

/// What the program sends for it.
pub(crate) fn requests() -> Vec<Exchange> {
    let (pipeline, secret) = setting();
    let mut station = start(&pipeline, &[], &secret);
    browser(&station.address(), USER);
    assert_eq!(station.end().code, Some(0));
    pipeline.sim.transcript()
}
