//! The token endpoint, the job's OIDC endpoint and the vault.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    super::{Simulator, World, world::VaultDenial},
    bare::{Answer, FORM, bearer, call, code},
};

fn redeem(sim: &Simulator, client: &str, token: &str, more: &str) -> Answer {
    let (id, tenant) = {
        let world = sim.world();
        (world.app(client).client_id.clone(), world.tenants[0].id.clone())
    };
    let scope = "499b84ac-1321-427f-aa17-267ca6975798%2F.default+offline_access";
    let body = format!("grant_type=refresh_token&client_id={id}&scope={scope}&refresh_token={token}{more}");
    call(sim, "POST", &format!("/{tenant}/oauth2/v2.0/token"), FORM, &body).unwrap()
}

#[test]
fn a_refresh_token_rolls_and_the_old_one_stays_good_for_its_client_and_time() {
    let sim = Simulator::start(World::new());
    let old = sim.world().refresh_token_for("rotator", "pat-rotator-public");
    let first = redeem(&sim, "pat-rotator-public", &old, "").json();
    assert_ne!(first["refresh_token"], old.as_str());
    assert_eq!(redeem(&sim, "pat-rotator-public", &old, "").status, 200);
    assert_eq!(code(&redeem(&sim, "pat-rotator-public", &old, "&client_secret=x")), (401, 700_025));
    assert_eq!(code(&redeem(&sim, "pat-rotator", &old, "")), (401, 7_000_218));
    assert_eq!(code(&redeem(&sim, "pat-rotator", &old, "&client_secret=x")), (401, 7_000_215));
    let secret = sim.world().app("pat-rotator").secrets[0].value.clone();
    assert_eq!(code(&redeem(&sim, "pat-rotator", &old, &format!("&client_secret={secret}"))), (400, 70000));
    sim.world().advance(SignedDuration::from_hours(24 * 91));
    assert_eq!(code(&redeem(&sim, "pat-rotator-public", &old, "")), (400, 700_082));
    let body = format!("grant_type=implicit&client_id=x&scope=x&username=x&password={secret}");
    let unsupported = call(&sim, "POST", "/contoso.onmicrosoft.com/oauth2/v2.0/token", FORM, &body).unwrap();
    assert_eq!(unsupported.json()["error"], "unsupported_grant_type");
}

/// From the job token to a vault secret, as a federated service connection goes.
#[test]
fn a_job_reaches_the_vault_through_its_service_connection() {
    let sim = Simulator::start(World::new());
    let (job, connection) = {
        let world = sim.world();
        (world.job.clone(), world.service_connection("pat-rotator").id.clone())
    };
    let target = format!(
        "/contoso/{}/_apis/distributedtask/hubs/build/plans/{}/jobs/{}/oidctoken?api-version=7.1&serviceConnectionId={connection}",
        job.project_id, job.plan_id, job.job_id
    );
    let assertion = call(&sim, "POST", &target, &bearer(&job.token), "").unwrap().json()["oidcToken"].clone();
    let ask = || {
        let id = sim.world().app("pat-rotator").client_id.clone();
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let body = format!(
            "grant_type=client_credentials&client_id={id}&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_assertion_type={kind}&client_assertion={}",
            assertion.as_str().unwrap()
        );
        call(&sim, "POST", "/contoso.onmicrosoft.com/oauth2/v2.0/token", FORM, &body).unwrap()
    };
    let token = ask().json()["access_token"].as_str().unwrap().to_owned();
    let vault = |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        call(&sim, method, &format!("/secrets/{path}?api-version=7.4"), &bearer(&token), &body).unwrap()
    };
    assert_eq!(vault("GET", "nuget-pat", &Value::Null).json()["error"]["code"], "SecretNotFound");
    let written = vault("PUT", "nuget-pat", &json!({"value": "one", "tags": {"run": "1"}, "attributes": {"exp": 7}}));
    let id = written.json()["id"].as_str().unwrap().to_owned();
    vault("PUT", "nuget-pat", &json!({"value": "two"}));
    let version = id.rsplit('/').next().unwrap();
    assert_eq!(vault("GET", &format!("nuget-pat/{version}"), &Value::Null).json(), written.json());
    vault("PATCH", &format!("nuget-pat/{version}"), &json!({"attributes": {"enabled": false}}));
    assert_eq!(vault("GET", &format!("nuget-pat/{version}"), &Value::Null).status, 403);
    assert_eq!(vault("GET", "nuget-pat", &Value::Null).json()["value"], "two");
    assert_eq!(vault("GET", "nuget-pat/versions", &Value::Null).json()["value"].as_array().unwrap().len(), 2);
    assert_eq!(call(&sim, "GET", "/secrets/x?api-version=7.4", "", "").unwrap().status, 401);
    sim.world().app_mut("pat-rotator").federated[0].subject.push('x');
    assert_eq!(code(&ask()), (401, 700_213));
    sim.world().advance(SignedDuration::from_mins(11));
    assert_eq!(code(&ask()), (401, 700_024));
}

#[test]
fn a_vault_keeps_the_names_of_deleted_secrets_and_says_why_it_lets_nobody_in() {
    let sim = Simulator::start(World::new());
    let token = sim.world().app_token("pat-rotator", super::super::world::KEY_VAULT);
    let strange = sim.world().app_token("pat-publisher", super::super::world::KEY_VAULT);
    let vault = |token: &str, method: &str, path: &str, body: &str| {
        let answer = call(&sim, method, &format!("/secrets/{path}?api-version=7.4"), &bearer(token), body).unwrap();
        let inner = answer.json()["error"]["innererror"]["code"].as_str().unwrap_or_default().to_owned();
        (answer.status, inner)
    };
    sim.world().set_secret("nuget-pat", "one", &[]);
    sim.world().vault.delete("nuget-pat");
    let refused = vault(&token, "PUT", "nuget-pat", r#"{"value":"two"}"#);
    assert_eq!(refused, (409, "ObjectIsDeletedButRecoverable".to_owned()));
    assert_eq!(vault(&token, "GET", "nuget-pat", "").0, 404);
    assert_eq!(vault(&token, "GET", "nuget-pat/versions", "").0, 404);
    sim.world().set_secret("feed-pat", "one", &[]);
    for (denial, code, lets_the_reader_in) in [
        (VaultDenial::Role, "ForbiddenByRbac", true),
        (VaultDenial::AccessPolicy, "ForbiddenByPolicy", true),
        (VaultDenial::Firewall, "ForbiddenByFirewall", false),
        (VaultDenial::PrivateConnection, "ForbiddenByConnection", false),
    ] {
        sim.world().vault.denial = denial;
        assert_eq!(vault(&strange, "GET", "feed-pat", ""), (403, code.to_owned()));
        assert_eq!(vault(&strange, "PUT", "feed-pat", r#"{"value":"two"}"#), (403, code.to_owned()));
        assert_eq!(vault(&token, "GET", "feed-pat", "").0 == 200, lets_the_reader_in);
    }
}

/// A change keeps what it does not name, and its tags replace all tags; a new version starts without any.
/// <https://learn.microsoft.com/rest/api/keyvault/secrets/update-secret/update-secret>
#[test]
fn tags_are_kept_replaced_and_checked() {
    let sim = Simulator::start(World::new());
    let token = sim.world().app_token("pat-rotator", super::super::world::KEY_VAULT);
    let send = |method: &str, body: &Value| {
        let target = "/secrets/nuget-pat?api-version=7.4";
        call(&sim, method, target, &bearer(&token), &body.to_string()).unwrap()
    };
    let tags = |answer: &Answer| answer.json()["tags"].clone();
    let written = send("PUT", &json!({"value": "one", "contentType": "PAT", "tags": {"user": "rotator", "oid": "7"}}));
    assert_eq!(tags(&written), json!({"user": "rotator", "oid": "7"}));
    let kept = send("PATCH", &json!({"attributes": {"enabled": true}}));
    assert_eq!((tags(&kept), &kept.json()["contentType"]), (json!({"user": "rotator", "oid": "7"}), &"PAT".into()));
    assert_eq!(tags(&send("PATCH", &json!({"tags": {"user": "alice"}}))), json!({"user": "alice"}));
    assert_eq!(tags(&send("PUT", &json!({"value": "two"}))), Value::Null);
    for wrong in [json!({"user": 7}), json!({"user": "x".repeat(257)}), json!(["user"])] {
        assert_eq!(send("PATCH", &json!({"tags": wrong})).status, 400);
    }
    let many: serde_json::Map<String, Value> = (0..16).map(|n| (n.to_string(), "x".into())).collect();
    assert_eq!(send("PUT", &json!({"value": "three", "tags": many})).status, 400);
    assert_eq!(sim.take_problems().len(), 4);
}

/// Whatever was said and done, the transcript names no secret, no port and no id.
#[test]
fn the_transcript_is_stable_and_keeps_secrets() {
    let sim = Simulator::start(World::new());
    let refresh = sim.world().refresh_token_for("rotator", "pat-rotator-public");
    let token = redeem(&sim, "pat-rotator-public", &refresh, "").json()["access_token"].as_str().unwrap().to_owned();
    let old = sim.world().add_pat("nuget").add();
    let body = json!({"authorizationId": old, "displayName": "nuget [held]", "validTo": "2026-11-25T03:00:00Z"});
    call(&sim, "PUT", "/contoso/_apis/tokens/pats?api-version=7.1-preview.1", &bearer(&token), &body.to_string())
        .unwrap();
    assert_eq!(
        sim.transcript_text(),
        "POST /{tenant}/oauth2/v2.0/token as client pat-rotator-public [grant_type refresh_token, scope {azure-devops}/.default offline_access, refresh token 1] -> 200\n\
         PUT /contoso/_apis/tokens/pats?api-version=7.1-preview.1 as rotator (user token) [#1, displayName \"nuget [held]\", validTo in 24 hours] -> 200\n"
    );
    let text = sim.transcript_text();
    assert!(sim.world().all_secrets().iter().all(|(_, secret)| !text.contains(secret)));
    assert_eq!(
        sim.world().listing(),
        "#1  nuget [held]  vso.packaging_write  active   2026-11-01T03:00Z to 2026-11-25T03:00Z  rotator\n"
    );
}
