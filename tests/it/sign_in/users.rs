//! The user who signed in must be the expected one: by name or object id, as an input or as the tags beside the stored
//! refresh token say. Another one is refused before anything is stored or listed.

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use crate::sign_in::refresh_token::{ELSEWHERE, age, failed_without_a_trace, settled, versions};
use agent::{StepRun, TaskResult};
use simulator::Op;

const UPN: &str = "rotator@contoso.onmicrosoft.com";
/// A source that needs no connection.
const BY_ACCESS_TOKEN: [(&str, &str); 3] =
    [("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", "$(userToken)")];

fn object_id(pipeline: &Pipeline, user: &str) -> String {
    pipeline.sim.world().user(user).oid.clone()
}

/// Main stage, with a stored refresh token that is due to be replaced, or with an access token.
fn main(pipeline: &Pipeline, by_access_token: bool, user: &str) -> StepRun {
    age(pipeline, 8 * 24);
    let token = pipeline.sim.world().user_token("vso.pats vso.pats_manage");
    let mut job = pipeline.job().secret_variable("userToken", &token);
    let source = if by_access_token { &BY_ACCESS_TOKEN[..] } else { &[] };
    pipeline.main(&mut job, &[source, &[("userName", user), ("rotateWhenDaysLeft", "3")]].concat())
}

/// Both users are named, and nothing was stored or listed.
#[track_caller]
fn refused(pipeline: &Pipeline, run: &StepRun, is: &str, meant: &str) {
    failed_without_a_trace(pipeline, run, &[&format!("the token acts for {is}"), &format!("{meant} is expected")]);
    assert_eq!(pipeline.sim.count(Op::VaultWrite) + pipeline.sim.count(Op::ListPats), 0);
}

#[test]
fn the_expected_user_is_accepted_by_name_in_any_case_and_by_object_id() {
    for by_access_token in [false, true] {
        let by_id = object_id(&Pipeline::with_pat(5), "rotator");
        // Of an access token made elsewhere, only the name is known: Azure DevOps says no object id.
        let ids = [by_id.as_str(), &by_id.to_uppercase()];
        for user in
            [UPN, "Rotator@CONTOSO.onmicrosoft.com"].into_iter().chain(ids.into_iter().filter(|_| !by_access_token))
        {
            let pipeline = Pipeline::with_pat(5);
            let run = main(&pipeline, by_access_token, user);
            assert_eq!(run.result, TaskResult::Succeeded, "{user}\n{}", run.log);
            assert_eq!(versions(&pipeline).len(), if by_access_token { 1 } else { 2 }, "{user}");
        }
    }
}

#[test]
fn another_user_than_the_input_names_is_refused_and_no_newer_refresh_token_is_stored() {
    for by_access_token in [false, true] {
        let pipeline = Pipeline::with_pat(5);
        let run = main(&pipeline, by_access_token, "alice@contoso.onmicrosoft.com");
        refused(&pipeline, &run, UPN, "alice@contoso.onmicrosoft.com");

        if !by_access_token {
            let pipeline = Pipeline::with_pat(5);
            let alice = object_id(&pipeline, "alice");
            let run = main(&pipeline, false, &alice);
            refused(&pipeline, &run, UPN, &format!("the user with the object id {alice}"));
        }
    }
}

#[test]
fn another_user_than_the_tags_name_is_refused_and_no_newer_refresh_token_is_stored() {
    let probe = Pipeline::with_pat(5);
    let ids = ["rotator", "alice"].map(|user| object_id(&probe, user));
    let [rotator, alice] = [&*ids[0], &*ids[1]];
    let home = probe.sim.world().tenants[0].id.clone();
    let home = home.as_str();
    drop(probe);
    for (tags, refused_as) in [
        (&[("userObjectId", rotator), ("tenantId", home), ("userName", "renamed@contoso.com")][..], None),
        (&[("userObjectId", rotator)], None),
        (&[("userName", UPN)], None),
        (&[("userObjectId", ""), ("userName", "")], None),
        (&[("userObjectId", alice), ("tenantId", home), ("userName", UPN)], Some("with the object id")),
        (&[("userObjectId", rotator), ("tenantId", ELSEWHERE)], Some(ELSEWHERE)),
        (&[("userName", "alice@contoso.onmicrosoft.com")], Some("alice@contoso.onmicrosoft.com")),
    ] {
        let pipeline = Pipeline::with_pat(5);
        let value = pipeline.sim.world().vault.value(REFRESH).to_owned();
        pipeline.sim.world().vault.secrets.clear();
        pipeline.sim.world().set_secret(REFRESH, &value, tags);
        let run = main(&pipeline, false, "");
        match refused_as {
            Some(meant) => {
                refused(&pipeline, &run, UPN, "");
                says(&run, &[meant, "Sign in again as the expected user"]);
            }
            None => {
                assert_eq!(run.result, TaskResult::Succeeded, "{tags:?}\n{}", run.log);
                let stored = versions(&pipeline).pop().unwrap();
                let kept: Vec<(&str, &str)> =
                    tags.iter().copied().filter(|(name, _)| stored.tags.contains_key(*name)).collect();
                assert_eq!(kept, tags, "the tags are kept");
            }
        }
    }
}

#[test]
fn a_store_that_is_tagged_with_another_user_does_not_get_this_ones_refresh_token() {
    let pipeline = Pipeline::with_pat(5);
    let alice = object_id(&pipeline, "alice");
    let (refresh, store) = {
        let mut world = pipeline.sim.world();
        world.vault.secrets.clear();
        world.set_secret(REFRESH, "somebody-elses-refresh-token", &[("userObjectId", &alice)]);
        (world.refresh_token_for("rotator", "pat-rotator"), format!("{}/secrets/{REFRESH}", pipeline.sim.origin()))
    };
    age(&pipeline, 8 * 24);
    let mut job = pipeline.job().secret_variable("refresh", &refresh);
    let inputs = [("refreshTokenSecret", ""), ("refreshToken", "$(refresh)"), ("refreshTokenStore", store.as_str())];
    let run = pipeline.main(&mut job, &inputs);
    refused(&pipeline, &run, UPN, &alice);
}

#[test]
fn a_guest_is_known_by_the_name_at_home_by_the_name_here_and_by_the_object_id_here() {
    let guest = |pipeline: &Pipeline| {
        let mut world = pipeline.sim.world();
        let visitor = world.add_guest("rotator-at-home", "fabrikam.com").clone();
        world.users.retain(|user| user.name != "rotator-at-home");
        let user = world.user_mut("rotator");
        (user.upn, user.home) = (visitor.upn.clone(), visitor.home.clone());
        let refresh = world.refresh_token_for("rotator", "pat-rotator");
        let oid = world.user("rotator").oid.clone();
        let home = world.tenants[0].id.clone();
        world.set_secret(REFRESH, &refresh, &[("userObjectId", &oid), ("tenantId", &home)]);
        (visitor.upn.clone(), visitor.home.unwrap().upn, oid)
    };
    let (here, at_home, id) = guest(&Pipeline::with_pat(5));
    assert!(here.contains("#EXT#") && at_home.ends_with("@fabrikam.com"));
    for user in [&here, &at_home, &id] {
        let pipeline = Pipeline::with_pat(5);
        guest(&pipeline);
        let mut job = pipeline.job();
        pipeline.rotate(&mut job, &[("userName", user)]);
        settled(&pipeline);
    }
}

#[test]
fn opaque_access_token_is_compared_by_the_id_token() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().opaque_tokens = true;
    let run = main(&pipeline, false, "alice@contoso.onmicrosoft.com");
    refused(&pipeline, &run, UPN, "alice@contoso.onmicrosoft.com");

    for user in ["", UPN] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().opaque_tokens = true;
        age(&pipeline, 8 * 24);
        let (main, _) = pipeline.rotate(&mut pipeline.job(), &[("userName", user)]);
        says(&main, &[&format!("signed in as {UPN} with the refresh token")]);
        settled(&pipeline);
        assert_eq!(versions(&pipeline).len(), 2);
    }
}

#[test]
fn without_an_id_token_the_organization_names_the_user() {
    for by_access_token in [false, true] {
        for opaque_tokens in [false, true] {
            let pipeline = Pipeline::with_pat(5);
            pipeline.sim.world().id_tokens_withheld = true;
            pipeline.sim.world().opaque_tokens = opaque_tokens;
            let run = main(&pipeline, by_access_token, UPN);
            assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);

            let pipeline = Pipeline::with_pat(5);
            pipeline.sim.world().id_tokens_withheld = true;
            pipeline.sim.world().opaque_tokens = opaque_tokens;
            let run = main(&pipeline, by_access_token, "alice@contoso.onmicrosoft.com");
            refused(&pipeline, &run, UPN, "alice@contoso.onmicrosoft.com");
        }
    }
}

/// Not by the claims of an access token either: they are not made for the client.
#[test]
fn expected_user_that_nothing_is_compared_with_fails_the_run() {
    for by_access_token in [false, true] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().id_tokens_withheld = true;
        let id = object_id(&pipeline, "rotator");
        let run = main(&pipeline, by_access_token, &id);
        let unknown = format!("could not check whether the token acts for the user with the object id {id}");
        failed_without_a_trace(&pipeline, &run, &[&unknown]);
        says(&run, &["Set `userName` to the sign-in name"]);
        assert_eq!(pipeline.sim.count(Op::VaultWrite) + pipeline.sim.count(Op::ListPats), 0);
    }
    let tagged = Pipeline::with_pat(5);
    let id = object_id(&tagged, "rotator");
    let value = tagged.sim.world().vault.value(REFRESH).to_owned();
    tagged.sim.world().vault.secrets.clear();
    tagged.sim.world().set_secret(REFRESH, &value, &[("userObjectId", &id)]);
    tagged.sim.world().id_tokens_withheld = true;
    let run = main(&tagged, false, "");
    failed_without_a_trace(&tagged, &run, &["could not check whether the token acts for"]);
    assert_eq!(tagged.sim.count(Op::VaultWrite), 0);
}

#[test]
fn opaque_access_token_without_an_expected_user_is_used() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().opaque_tokens = true;
    let token = pipeline.sim.world().user_token("vso.pats vso.pats_manage");
    let mut job = pipeline.job().secret_variable("userToken", &token);
    pipeline.rotate(&mut job, &BY_ACCESS_TOKEN);
    assert_eq!(pipeline.active().last(), Some(&format!("#2 {NAME}")));
}
