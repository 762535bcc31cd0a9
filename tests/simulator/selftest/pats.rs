//! The PAT lifecycle API against the published examples.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    super::{Simulator, World},
    bare::{Answer, PATS, VERSION, basic, bearer, call, keys},
};

fn simulator() -> (Simulator, String) {
    let mut world = World::new();
    let token = world.user_token("vso.pats vso.pats_manage");
    (Simulator::start(world), token)
}

fn create(sim: &Simulator, token: &str, name: &str, valid_to: &str) -> Answer {
    let body = json!({"displayName": name, "scope": "vso.code", "validTo": valid_to, "allOrgs": false});
    call(sim, "POST", &format!("{PATS}?{VERSION}"), &bearer(token), &body.to_string()).unwrap()
}

fn update(sim: &Simulator, token: &str, body: &Value) -> Answer {
    call(sim, "PUT", &format!("{PATS}?{VERSION}"), &bearer(token), &body.to_string()).unwrap()
}

fn get(sim: &Simulator, token: &str, query: &str) -> Answer {
    call(sim, "GET", &format!("{PATS}?{VERSION}&{query}"), &bearer(token), "").unwrap()
}

/// The key sets of ListPats.json, GetPat.json, CreatePat.json and UpdatePat.json as published by Microsoft.
#[test]
fn the_shapes_are_the_published_ones() {
    let pat = ["authorizationId", "displayName", "scope", "targetAccounts", "token", "validFrom", "validTo"];
    let (sim, token) = simulator();
    let created = create(&sim, &token, "new_token", "2026-12-01T23:46:23.319Z").json();
    assert_eq!((keys(&created), keys(&created["patToken"])), (vec!["patToken", "patTokenError"], pat.to_vec()));
    assert_eq!(created["patTokenError"], "none");
    assert!(created["patToken"]["token"].as_str().unwrap().starts_with("simulatedpat0001"));

    let id = created["patToken"]["authorizationId"].as_str().unwrap();
    let updated = update(&sim, &token, &json!({"authorizationId": id, "displayName": "updated_token"})).json();
    let got = get(&sim, &token, &format!("authorizationId={id}")).json();
    assert_eq!(updated, got);
    assert_eq!((keys(&got), keys(&got["patToken"])), (vec!["patToken", "patTokenError"], pat.to_vec()));
    assert_eq!(got["patToken"]["token"], Value::Null);

    let listed = get(&sim, &token, "displayFilterOption=active").json();
    assert_eq!((keys(&listed), keys(&listed["patTokens"][0])), (vec!["continuationToken", "patTokens"], pat.to_vec()));
    let revoked = call(&sim, "DELETE", &format!("{PATS}?{VERSION}&authorizationId={id}"), &bearer(&token), "").unwrap();
    assert_eq!((revoked.status, revoked.body.len()), (204, 0));
    let newest = "api-version=7.2-preview.1";
    let newer =
        call(&sim, "GET", &format!("{PATS}?{newest}&authorizationId={id}"), &bearer(&token), "").unwrap().json();
    assert_eq!(keys(&newer), ["patToken", "patTokenError", "patTokenErrorMessage"]);
}

#[test]
fn dates_come_back_rounded_and_with_two_to_seven_digits() {
    let (sim, token) = simulator();
    let pat = create(&sim, &token, "x", "2026-12-01T23:46:23.319Z").json();
    assert_eq!(pat["patToken"]["validTo"], "2026-12-01T23:46:23.32Z");
    assert_eq!(pat["patToken"]["validFrom"], "2026-11-24T03:00:00.1033333Z");
    let whole = create(&sim, &token, "x", "2026-12-01T23:46:23Z").json();
    assert_eq!(whole["patToken"]["validTo"], "2026-12-01T23:46:23.00Z");
}

#[test]
fn pages_hold_two_newest_first_and_end_in_three_ways() {
    let (sim, token) = simulator();
    for name in ["a", "b", "c"] {
        sim.world().add_pat(name).add();
    }
    sim.world().add_pat("gone").days_left(-1).add();
    sim.world().add_pat("strange").owner("alice").add();
    sim.world().add_pat("elsewhere").organization("fabrikam").add();
    assert_eq!(names(&get(&sim, &token, "displayFilterOption=active&$top=100").json()), ["elsewhere", "c"]);
    sim.world().lists_show_other_organizations = false;
    for ending in [Some(Value::from("")), Some(Value::Null), None] {
        let first = get(&sim, &token, "displayFilterOption=active&$top=100").json();
        assert_eq!(names(&first), ["c", "b"]);
        let next: String =
            url::form_urlencoded::byte_serialize(first["continuationToken"].as_str().unwrap().as_bytes()).collect();
        let query = format!("displayFilterOption=active&$top=100&continuationToken={next}");
        let second = get(&sim, &token, &query).json();
        assert_eq!(names(&second), ["a"]);
        assert_eq!(second.get("continuationToken"), ending.as_ref());
        let changed = get(&sim, &token, &query.replace("active", "all"));
        assert_eq!(changed.status, 400);
    }
    assert_eq!(sim.take_problems().len(), 3);
}

fn names(list: &Value) -> Vec<&str> {
    list["patTokens"].as_array().unwrap().iter().map(|pat| pat["displayName"].as_str().unwrap()).collect()
}

/// The cap counts from now at the creation and from the creation in an update, and only if that sends an end.
#[test]
fn a_cap_shortens_what_is_sent_and_may_end_a_pat_at_once() {
    let (sim, token) = simulator();
    let old = sim.world().add_pat("old").valid_days_ago(20).days_left(100).add();
    let before = sim.world().pat(&old).valid_to;
    sim.world().cap_days = Some(7);
    let new = create(&sim, &token, "new", "2027-02-01T00:00:00Z").json();
    assert_eq!(new["patToken"]["validTo"], "2026-12-01T03:00:00.10Z");
    update(&sim, &token, &json!({"authorizationId": old, "displayName": "renamed", "scope": "vso.code"}));
    assert_eq!(sim.world().pat(&old).valid_to, before);
    update(&sim, &token, &json!({"authorizationId": old, "validTo": "2026-11-25T00:00:00Z"}));
    assert!(!sim.world().active_pats("rotator").iter().any(|pat| pat.id == old));
    let late = update(&sim, &token, &json!({"authorizationId": old, "displayName": "again"})).json();
    assert_eq!(late, json!({"patToken": null, "patTokenError": "expiredPatCannotBeExtended"}));
}

#[test]
fn a_new_pat_works_after_a_moment_for_its_owner_until_it_is_revoked() {
    let (sim, token) = simulator();
    let secret =
        create(&sim, &token, "x", "2026-12-01T00:00:00Z").json()["patToken"]["token"].as_str().unwrap().to_owned();
    let who = |headers: &str| call(&sim, "GET", "/contoso/_apis/connectionData", headers, "").unwrap();
    let early = who(&basic(&secret));
    assert_eq!(early.status, 401);
    assert!(early.header("www-authenticate").unwrap().starts_with("Basic"));
    let mine = who(&basic(&secret)).json()["authenticatedUser"]["id"].clone();
    assert_eq!(mine, who(&bearer(&token)).json()["authenticatedUser"]["id"]);
    assert_ne!(mine, sim.world().user("rotator").oid);
    let id = sim.world().pat_of_secret(&secret).unwrap().id.clone();
    sim.world().revoke(&id);
    assert_eq!(who(&basic(&secret)).status, 401);
    sim.world().anonymous_allowed = true;
    assert_eq!(who(&basic(&secret)).json()["authenticatedUser"]["providerDisplayName"], "Anonymous");
}

#[test]
fn only_users_with_both_scopes_are_let_in() {
    let (sim, token) = simulator();
    let secret = {
        let mut world = sim.world();
        let id = world.add_pat("x").add();
        world.pat(&id).secret.clone()
    };
    let app = sim.world().app_token("pat-rotator", super::super::world::AZURE_DEVOPS);
    let reader = sim.world().user_token("vso.pats");
    let vault = sim.world().token_of_user(
        "rotator",
        "pat-rotator-public",
        super::super::world::KEY_VAULT,
        "user_impersonation",
    );
    let list =
        |headers: &str| call(&sim, "GET", &format!("{PATS}?{VERSION}&displayFilterOption=all"), headers, "").unwrap();
    assert_eq!(list(&bearer(&app)).json()["message"], "Service principals are not allowed to perform this action.");
    assert_eq!((list(&basic(&secret)).status, list(&bearer(&vault)).status), (403, 401));
    assert_eq!((list(&bearer(&reader)).status, create(&sim, &reader, "x", "2026-12-01T00:00:00Z").status), (200, 401));
    sim.world().advance(SignedDuration::from_hours(2));
    assert_eq!(list(&bearer(&token)).status, 401);
    assert_eq!(list(&format!("Authorization: Bearer {token}\r\n")).status, 203);
    let nobody = call(&sim, "HEAD", "/contoso/_apis/connectiondata", "", "").unwrap();
    assert_eq!(nobody.header("x-vss-resourcetenant"), Some(sim.world().tenants[0].id.as_str()));
}

#[test]
fn refusals_come_in_a_200_and_broken_rules_are_noticed() {
    let (sim, token) = simulator();
    sim.world().refuse_next_create("fullScopePatPolicyViolation");
    let refused = create(&sim, &token, "x", "2026-12-01T00:00:00Z");
    assert_eq!(refused.status, 200);
    assert_eq!(refused.json(), json!({"patToken": null, "patTokenError": "fullScopePatPolicyViolation"}));
    assert_eq!(create(&sim, &token, "x", "2026-11-01T00:00:00Z").json()["patTokenError"], "invalidValidTo");
    let unknown = json!({"authorizationId": "00000000-0000-0000-0000-000000000009", "displayName": "x"});
    assert_eq!(update(&sim, &token, &unknown).json()["patTokenError"], "invalidAuthorizationId");
    sim.check();
    assert_eq!(update(&sim, &token, &json!({"id": "x"})).status, 400);
    assert_eq!(get(&sim, &token, "").status, 400);
    assert_eq!(call(&sim, "GET", "/contoso/_apis/teams", "", "").unwrap().status, 404);
    assert_eq!(sim.take_problems().len(), 3);
}
