//! What Azure DevOps answers to those whom it does not let in, and what the job's OIDC endpoint gives and refuses.

use super::{
    super::{Simulator, World, world::AccessDenial},
    bare::{DEFAULT, JWT_BEARER, PATS, VERSION, basic, bearer, call, claims, code, token},
};

#[test]
fn each_denial_meets_the_list_and_the_connection_data_alike() {
    let sim = Simulator::start(World::new());
    let token = sim.world().user_token("vso.pats vso.pats_manage");
    let list = format!("{PATS}?displayFilterOption=active&{VERSION}");
    for (denial, status, words) in [
        (AccessDenial::NotAuthorized, 401, "TF400813: The user '"),
        (AccessDenial::NeverSignedIn, 401, "TF401444: Please sign-in at least once as "),
        (AccessDenial::Throttled, 429, "TF400733: "),
        (AccessDenial::ServicePrincipal, 403, "Service principals are not allowed to perform this action."),
        (AccessDenial::PersonalAccessToken, 403, "The requested operation is not allowed."),
        (AccessDenial::ConditionalAccess, 403, "VS403463: "),
        (AccessDenial::SignInPage, 203, "Azure DevOps Services | Sign In"),
        (AccessDenial::SignInRedirect, 302, "Object moved"),
    ] {
        sim.world().access_denied = Some(denial);
        for target in [list.as_str(), "/contoso/_apis/connectionData"] {
            let answer = call(&sim, "GET", target, &bearer(&token), "").unwrap();
            assert_eq!(answer.status, status, "{denial:?} {target}");
            assert!(String::from_utf8_lossy(&answer.body).contains(words), "{denial:?} {target}");
        }
    }
    // Nobody is told more than that they are nobody.
    let nobody = call(&sim, "GET", &list, &bearer("x"), "").unwrap();
    assert!(String::from_utf8_lossy(&nobody.body).contains("TF400813: The user ''"));
}

#[test]
fn a_pat_may_not_manage_pats_in_either_of_the_ways_that_were_seen() {
    let mut world = World::new();
    let id = world.add_pat("nuget").add();
    let secret = world.pat(&id).secret.clone();
    let sim = Simulator::start(world);
    let target = format!("{PATS}?displayFilterOption=active&{VERSION}");
    let status = || call(&sim, "GET", &target, &basic(&secret), "").unwrap().status;
    assert_eq!(status(), 403);
    sim.world().pat_as_caller_is_401 = true;
    assert_eq!(status(), 401);
}

/// Issuer and subject as in
/// <https://learn.microsoft.com/azure/devops/pipelines/release/troubleshoot-workload-identity>.
#[test]
fn a_connection_has_the_old_issuer_or_the_new_one_and_both_sides_agree() {
    let sim = Simulator::start(World::new());
    let connection = sim.world().service_connection("pat-rotator").id.clone();
    let job = sim.world().job.clone();
    let target = format!(
        "/contoso/{}/_apis/distributedtask/hubs/build/plans/{}/jobs/{}/oidctoken?api-version=7.1&serviceConnectionId={connection}",
        job.project_id, job.plan_id, job.job_id
    );
    let asked = || call(&sim, "POST", &target, &bearer(&job.token), "").unwrap();
    let client = sim.world().app("pat-rotator").client_id.clone();
    let exchanged = |assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("scope", DEFAULT),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
        ];
        code(&token(&sim, &fields))
    };
    let new = asked().json()["oidcToken"].as_str().unwrap().to_owned();
    assert!(claims(&new)["iss"].as_str().unwrap().starts_with("https://login.microsoftonline.com/"));
    assert_eq!(exchanged(&new), (200, 0));
    sim.world().use_old_issuer("pat-rotator");
    assert_eq!(exchanged(&new), (401, 700_211));
    let old = asked().json()["oidcToken"].as_str().unwrap().to_owned();
    assert!(claims(&old)["iss"].as_str().unwrap().starts_with("https://vstoken.dev.azure.com/"));
    assert_eq!(claims(&old)["sub"], "sc://contoso/Widgets/pat-rotator");
    assert_eq!(exchanged(&old), (200, 0));
    let beside = sim.world().id_token_of("pat-rotator");
    assert_eq!(exchanged(&beside), (200, 0));
    sim.world().connections[0].unauthorized = true;
    assert_eq!(asked().status, 403);
}
