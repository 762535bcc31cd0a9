//! Two tenants, guests, and what is bound to which.

use super::{
    super::{Simulator, World, world::KEY_VAULT},
    bare::{Answer, DEFAULT, FORM, PATS, VERSION, bearer, call, claims, code, form},
};

fn redeem(sim: &Simulator, tenant: &str, refresh_token: &str) -> Answer {
    let client = sim.world().app("pat-rotator-public").client_id.clone();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("scope", &format!("{DEFAULT} openid")),
        ("refresh_token", refresh_token),
    ];
    call(sim, "POST", &format!("/{tenant}/oauth2/v2.0/token"), FORM, &form(&fields)).unwrap()
}

/// The form of a guest's sign-in name is that of <https://learn.microsoft.com/entra/external-id/user-properties>.
#[test]
fn a_guest_is_another_object_in_each_tenant() {
    let mut world = World::new();
    let guest = world.add_guest("visitor", "fabrikam.onmicrosoft.com").clone();
    let home = guest.home.clone().unwrap();
    assert_eq!(guest.upn, "visitor_fabrikam.onmicrosoft.com#EXT#@contoso.onmicrosoft.com");
    world.app_mut("pat-rotator-public").also_in.push(home.tenant.clone());
    let refresh = world.refresh_token_for("visitor", "pat-rotator-public");
    let sim = Simulator::start(world);
    let here = redeem(&sim, "contoso.onmicrosoft.com", &refresh).json();
    let said = claims(here["access_token"].as_str().unwrap());
    assert_eq!((&said["oid"], &said["tid"]), (&guest.oid.as_str().into(), &guest.tenant.as_str().into()));
    assert_eq!((&said["upn"], &said["unique_name"]), (&serde_json::Value::Null, &home.upn.as_str().into()));
    assert_eq!(claims(here["id_token"].as_str().unwrap())["preferred_username"], home.upn.as_str());
    let there = redeem(&sim, "fabrikam.onmicrosoft.com", &refresh).json();
    let said = claims(there["access_token"].as_str().unwrap());
    assert_eq!((&said["oid"], &said["upn"]), (&home.oid.as_str().into(), &home.upn.as_str().into()));
    // Only the one from the organization's tenant is good there.
    let target = format!("{PATS}?displayFilterOption=active&{VERSION}");
    let list = |given: &serde_json::Value| {
        call(&sim, "GET", &target, &bearer(given["access_token"].as_str().unwrap()), "").unwrap().status
    };
    assert_eq!((list(&here), list(&there)), (200, 401));
}

#[test]
fn a_refresh_token_is_no_good_where_its_user_or_client_is_unknown() {
    let mut world = World::new();
    let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
    let elsewhere = world.add_tenant("fabrikam.onmicrosoft.com");
    let sim = Simulator::start(world);
    assert_eq!(code(&redeem(&sim, "nowhere", &refresh)), (400, 90002));
    assert_eq!(code(&redeem(&sim, &elsewhere, &refresh)), (400, 700_016));
    sim.world().app_mut("pat-rotator-public").also_in.push(elsewhere.clone());
    assert_eq!(code(&redeem(&sim, &elsewhere, &refresh)), (400, 50020));
}

/// Numbers and words of <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
#[test]
fn a_refresh_token_is_refused_by_each_number_with_words_of_its_own() {
    let mut world = World::new();
    let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
    let sim = Simulator::start(world);
    let mut words = Vec::new();
    for number in [
        50053, 50055, 50057, 50072, 50074, 50076, 50078, 50097, 50105, 50132, 50133, 50173, 53000, 53001, 53002, 53003,
        65001, 70000, 70008, 70043, 90094, 530_032, 530_035, 700_082, 700_084,
    ] {
        sim.world().break_refresh_tokens("rotator", number);
        let answer = redeem(&sim, "contoso.onmicrosoft.com", &refresh);
        assert_eq!(code(&answer), (400, i64::from(number)));
        let text = answer.json()["error_description"].as_str().unwrap().split(" Trace ID").next().unwrap().to_owned();
        words.push(text.trim_start_matches(&format!("AADSTS{number}: ")).to_owned());
    }
    words.sort();
    let all = words.len();
    words.dedup();
    assert_eq!(words.len(), all);
}

#[test]
fn a_vault_names_its_own_tenant_to_tokens_of_another() {
    let mut world = World::new();
    let token = world.app_token("pat-rotator", KEY_VAULT);
    let elsewhere = world.add_tenant("fabrikam.onmicrosoft.com");
    world.vault.tenant = elsewhere.clone();
    let sim = Simulator::start(world);
    let refused = call(&sim, "GET", "/secrets/x?api-version=7.4", &bearer(&token), "").unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.json()["error"]["message"].as_str().unwrap().starts_with("AKV10032"));
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!("authorization=\"https://login.microsoftonline.com/{elsewhere}\"")));
}
