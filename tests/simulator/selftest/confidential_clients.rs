//! Which exchanges need the app's own credential, and which may not have it: the type of the redirect address decides,
//! after <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>,
//! <https://learn.microsoft.com/entra/identity-platform/reply-url> and
//! <https://learn.microsoft.com/entra/identity-platform/refresh-tokens>. The numbers are those of public reports
//! (AzureAD/microsoft-authentication-library-for-dotnet#1391, Softeria/ms-365-mcp-server#664).

use super::{
    super::World,
    authorization_codes::Setting,
    bare::{DEFAULT, JWT_BEARER, code, token},
};

const LOCALHOST: &str = "http://localhost";

/// The connection's own app, with an address of the type *Web*, and its secret.
fn web() -> (Setting, String) {
    let mut world = World::new();
    world.make_web("pat-rotator", LOCALHOST);
    let secret = world.app("pat-rotator").secrets[0].value.clone();
    (Setting::of(world, "pat-rotator"), secret)
}

fn refresh(setting: &Setting, refresh_token: &str, more: &[(&str, &str)]) -> (u16, i64) {
    let scope = format!("{DEFAULT} offline_access");
    let mut fields =
        vec![("grant_type", "refresh_token"), ("client_id", &setting.client), ("refresh_token", refresh_token)];
    fields.push(("scope", &scope));
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let answer = token(&setting.sim, &fields);
    if answer.status == 200 { (200, 0) } else { code(&answer) }
}

#[test]
fn code_of_a_web_address_is_redeemed_with_a_credential_alone() {
    let (setting, secret) = web();
    let given = setting.code();
    assert_eq!(code(&setting.redeem(&given, &[])), (401, 7_000_218));
    assert_eq!(code(&setting.redeem(&given, &[("client_secret", "wrong")])), (401, 7_000_215));
    assert_eq!(setting.redeem(&given, &[("client_secret", &secret)]).status, 200);
}

#[test]
fn refresh_token_of_a_confidential_client_needs_any_credential_of_that_client() {
    let (setting, secret) = web();
    let given =
        setting.redeem(&setting.code(), &[("client_secret", &secret), ("scope", &format!("{DEFAULT} offline_access"))]);
    let stolen = given.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh(&setting, &stolen, &[]), (401, 7_000_218));
    assert_eq!(refresh(&setting, &stolen, &[("client_secret", "wrong")]), (401, 7_000_215));
    assert_eq!(refresh(&setting, &stolen, &[("client_secret", &secret)]).0, 200);
    // The client is proved, not the credential of the day.
    let assertion = setting.sim.world().id_token_of("pat-rotator");
    let federated = [("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)];
    assert_eq!(refresh(&setting, &stolen, &federated).0, 200);
    let (other, others_secret) = {
        let mut world = setting.sim.world();
        let others_secret = world.add_client_secret("pat-publisher");
        (world.app("pat-publisher").client_id.clone(), others_secret)
    };
    let as_other = [("client_id", other.as_str()), ("client_secret", &others_secret)];
    assert_eq!(refresh(&setting, &stolen, &as_other), (400, 70000));
    let public = setting.sim.world().app("pat-rotator-public").client_id.clone();
    assert_eq!(refresh(&setting, &stolen, &[("client_id", &public)]), (400, 70000));
}

#[test]
fn code_and_refresh_token_of_a_public_address_are_refused_with_a_credential() {
    let world = World::new();
    let secret = world.app("pat-rotator").secrets[0].value.clone();
    let setting = Setting::of(world, "pat-rotator");
    let given = setting.code();
    assert_eq!(code(&setting.redeem(&given, &[("client_secret", &secret)])), (401, 700_025));
    let offline = format!("{DEFAULT} offline_access");
    let answer = setting.redeem(&given, &[("scope", &offline)]).json();
    let public = answer["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh(&setting, &public, &[("client_secret", &secret)]), (401, 700_025));
    assert_eq!(refresh(&setting, &public, &[]).0, 200);
}

#[test]
fn of_two_addresses_that_differ_in_type_alone_the_public_one_is_picked() {
    let (setting, secret) = web();
    setting.sim.world().app_mut("pat-rotator").redirect_uris.push("http://localhost:4000".to_owned());
    assert_eq!(code(&setting.redeem(&setting.code(), &[("client_secret", &secret)])), (401, 700_025));
}
