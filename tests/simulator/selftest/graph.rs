//! The directory against the published example, and its pages.

use serde_json::Value;

use super::{
    super::{
        Fault, Op, Simulator, When, World,
        world::{AZURE_DEVOPS, Person, Who},
    },
    bare::{Answer, VERSION, basic, bearer, call, keys},
};

const USERS: &str = "/contoso/_apis/graph/users";

fn simulator(crowd: u64) -> (Simulator, String) {
    let mut world = World::new();
    world.add_crowd(crowd);
    let token = world.user_token("vso.graph");
    (Simulator::start(world), token)
}

fn get(sim: &Simulator, token: &str, query: &str) -> Answer {
    call(sim, "GET", &format!("{USERS}?{VERSION}{query}"), &bearer(token), "").unwrap()
}

/// Whom each page shows, by descriptor.
fn pages(sim: &Simulator, token: &str, kinds: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let answer = get(sim, token, &format!("&subjectTypes={kinds}&continuationToken={next}"));
        let body = answer.json();
        let users = body["value"].as_array().unwrap();
        assert_eq!(body["count"], users.len());
        pages.push(users.iter().map(|user| user["descriptor"].as_str().unwrap().to_owned()).collect());
        let Some(token) = answer.header("x-ms-continuationtoken") else { return pages };
        next = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    }
}

fn everybody(sim: &Simulator) -> Vec<String> {
    sim.world().everybody("contoso").map(|one| one.descriptor).collect()
}

/// Everybody whom these pages show, each once.
fn distinct(pages: Vec<Vec<String>>) -> Vec<String> {
    let mut all = Vec::new();
    for descriptor in pages.into_iter().flatten() {
        if !all.contains(&descriptor) {
            all.push(descriptor);
        }
    }
    all
}

/// The key sets of GetAllUsers.json as published by Microsoft.
#[test]
fn the_shapes_are_the_published_ones() {
    let (sim, token) = simulator(0);
    let body = get(&sim, &token, "&subjectTypes=aad,msa").json();
    assert_eq!(keys(&body), ["count", "value"]);
    let user = [
        "_links",
        "descriptor",
        "displayName",
        "domain",
        "mailAddress",
        "metaType",
        "origin",
        "originId",
        "principalName",
        "subjectKind",
        "url",
    ];
    assert_eq!(keys(&body["value"][0]), user);
    let links = ["avatar", "memberships", "membershipState", "self", "storageKey"];
    assert_eq!(keys(&body["value"][0]["_links"]).len(), links.len());
    assert_eq!((&body["value"][0]["subjectKind"], &body["value"][0]["origin"]), (&"user".into(), &"aad".into()));
}

#[test]
fn pages_repeat_people_and_may_be_empty_before_the_end_and_at_it() {
    let (sim, token) = simulator(8);
    let first = pages(&sim, &token, "aad,msa");
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 0, 4, 4, 0]);
    assert_eq!(first[1][0], first[0][2]);
    assert_eq!(first[4].last(), first[0].first());
    assert_eq!(distinct(first), everybody(&sim));
    // Every other list ends without an empty page.
    let second = pages(&sim, &token, "aad,msa");
    assert_eq!(second.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 0, 4, 4]);
    sim.world().directory.repeats = false;
    assert_eq!(pages(&sim, &token, "aad,msa").concat(), everybody(&sim));
}

#[test]
fn only_the_kinds_that_were_asked_for_are_shown() {
    let (sim, token) = simulator(8);
    let msa = distinct(pages(&sim, &token, "msa"));
    assert_eq!((msa.len(), msa.iter().all(|one| one.starts_with("msa."))), (1, true));
    let all = distinct(pages(&sim, &token, ""));
    assert_eq!(all.len(), everybody(&sim).len() + 1);
    assert!(all.iter().any(|one| one.starts_with("svc.")));
}

#[test]
fn nobody_is_skipped_when_somebody_leaves_between_two_pages() {
    let (sim, token) = simulator(20);
    sim.world().directory.repeats = false;
    sim.inject(Fault::after(|world| world.leave(&Who::Number(1))), When::nth(Op::ListUsers, 1));
    sim.inject(Fault::after(|world| world.leave(&Who::Number(9))), When::nth(Op::ListUsers, 2));
    let shown = pages(&sim, &token, "aad,msa").concat();
    assert_eq!(shown.len(), everybody(&sim).len() + 1);
    assert!(everybody(&sim).iter().all(|one| shown.contains(one)));
    sim.world().leave(&Who::Account("alice".to_owned()));
    assert_eq!(everybody(&sim).len(), 19);
}

/// Shared names, none, hostile ones; mail addresses that are empty or absent.
#[test]
fn people_are_called_as_people_are() {
    let (sim, _) = simulator(100);
    let world = sim.world();
    let crowd: Vec<Person> = world.everybody("contoso").take(100).collect();
    let count = |is: &dyn Fn(&Person) -> bool| crowd.iter().filter(|one| is(one)).count();
    assert_eq!(count(&|one| one.display_name.is_none()), 10);
    assert_eq!(count(&|one| one.display_name.as_deref() == Some("Alex Example")), 10);
    assert_eq!(count(&|one| one.display_name.as_deref().is_some_and(|name| name.contains("##vso["))), 2);
    assert_eq!(count(&|one| one.mail.is_none()), 9);
    assert_eq!(count(&|one| one.mail.as_deref() == Some("")), 9);
    assert_eq!(crowd, world.everybody("contoso").take(100).collect::<Vec<_>>());
}

#[test]
fn the_scope_lets_in_members_whoever_they_are() {
    let (sim, token) = simulator(0);
    let (narrow, app, alice, pat, narrow_pat) = {
        let mut world = sim.world();
        let pat = world.add_pat("x").scope("vso.graph").add();
        let narrow_pat = world.add_pat("y").scope("vso.code").add();
        (
            world.user_token("vso.tokenadministration"),
            world.app_token("pat-publisher", AZURE_DEVOPS),
            world.token_of_user("alice", "pat-rotator-public", AZURE_DEVOPS, "user_impersonation"),
            world.pat(&pat).secret.clone(),
            world.pat(&narrow_pat).secret.clone(),
        )
    };
    assert_eq!([&token, &app, &alice].map(|token| get(&sim, token, "").status), [200; 3]);
    let refused = get(&sim, &narrow, "");
    assert_eq!((refused.status, &refused.json()["typeKey"]), (401, &Value::from("UnauthorizedRequestException")));
    let with = |secret: &str| call(&sim, "GET", &format!("{USERS}?{VERSION}"), &basic(secret), "").unwrap().status;
    assert_eq!((with(&pat), with(&narrow_pat)), (200, 401));
    sim.world().expire_token(&token);
    assert_eq!(get(&sim, &token, "").status, 401);
}

#[test]
fn a_query_that_no_client_may_send_is_noticed() {
    let (sim, token) = simulator(0);
    for query in
        ["&subjectTypes=aad,pat", "&continuationToken=made-up", "&$top=5", "&subjectTypes=aad&subjectTypes=msa"]
    {
        assert_eq!((get(&sim, &token, query).status, sim.take_problems().len()), (400, 1), "{query}");
    }
    let stable = call(&sim, "GET", &format!("{USERS}?api-version=7.1"), &bearer(&token), "").unwrap();
    assert_eq!((stable.status, sim.take_problems().len()), (400, 1));
}

/// After each page another one, or itself for ever.
#[test]
fn a_list_without_an_end_can_be_had() {
    let (sim, token) = simulator(0);
    sim.inject(Fault::EndlessList(2, true), When::first(Op::ListUsers, 2));
    sim.inject(Fault::EndlessList(2, false), When::from(Op::ListUsers, 3));
    let next = || get(&sim, &token, "").header("x-ms-continuationtoken").unwrap().to_owned();
    let shown = [next(), next(), next(), next()];
    assert!(shown[0] != shown[1] && shown[2] == shown[3]);
}
