//! The tokens of anybody against the published example, and who may see them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    super::{
        Fault, Op, Simulator, When, World,
        world::{AZURE_DEVOPS, ListedPat, Person, Who},
    },
    bare::{Answer, VERSION, basic, bearer, call, keys},
};

struct Setting {
    sim: Simulator,
    token: String,
}

impl Setting {
    fn new(crowd: u64) -> Self {
        let mut world = World::new();
        world.add_crowd(crowd);
        let token = world.user_token("vso.tokenadministration");
        Self { sim: Simulator::start(world), token }
    }

    fn get_as(&self, token: &str, descriptor: &str, query: &str) -> Answer {
        let target = format!("/contoso/_apis/tokenadmin/personalaccesstokens/{descriptor}?{VERSION}{query}");
        call(&self.sim, "GET", &target, &bearer(token), "").unwrap()
    }

    fn get(&self, descriptor: &str, query: &str) -> Answer {
        self.get_as(&self.token, descriptor, query)
    }

    fn person(&self, who: &Who) -> Person {
        self.sim.world().everybody("contoso").find(|one| one.who == *who).unwrap()
    }

    fn rotator(&self) -> String {
        self.person(&Who::Account("rotator".to_owned())).descriptor
    }

    /// The ids on each page.
    fn pages(&self, descriptor: &str) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut next = String::new();
        loop {
            let body = self.get(descriptor, &format!("&pageSize=100&isPublic=false&continuationToken={next}")).json();
            let pats = body["value"].as_array().unwrap();
            pages.push(pats.iter().map(|pat| pat["authorizationId"].as_str().unwrap().to_owned()).collect());
            let Some(token) = body["continuationToken"].as_str() else { return pages };
            token.clone_into(&mut next);
        }
    }
}

/// The key sets of GetPersonalAccessTokensForAUserInYourOrganization.json as published by Microsoft, and its dates.
#[test]
fn the_shapes_are_the_published_ones() {
    let setting = Setting::new(0);
    setting.sim.world().add_pat("mine").add();
    let body = setting.get(&setting.rotator(), "").json();
    assert_eq!(keys(&body), ["continuationToken", "value"]);
    let pat = &body["value"][0];
    let published = [
        "accessId",
        "alternateToken",
        "authorizationId",
        "clientId",
        "displayName",
        "hostAuthorizationId",
        "isPublic",
        "isValid",
        "publicData",
        "scope",
        "source",
        "targetAccounts",
        "token",
        "userId",
        "validFrom",
        "validTo",
    ];
    assert_eq!(keys(pat), published);
    assert_eq!((&pat["token"], &pat["validFrom"]), (&Value::Null, &"2026-11-01T03:00:00".into()));
    assert_eq!(body["continuationToken"], Value::Null);
    assert_eq!(setting.get(&setting.rotator(), "&isPublic=true").json()["value"], Value::Array(Vec::new()));
}

/// What the owner's own list has is here as well, what was revoked or has expired marked as not valid.
#[test]
fn the_tokens_of_an_account_are_those_of_the_world() {
    let setting = Setting::new(0);
    let revoked = {
        let mut world = setting.sim.world();
        world.add_pat("expired").days_left(-1).add();
        world.add_pat("everywhere").all_orgs().add();
        world.add_pat("elsewhere").organization("fabrikam").add();
        world.add_pat("strange").owner("alice").add();
        world.add_pat("revoked").add()
    };
    setting.sim.world().revoke(&revoked);
    let listed = |page: Value| -> Vec<(String, bool, bool)> {
        let pats = page["value"].as_array().unwrap().clone();
        pats.iter()
            .map(|pat| {
                let name = pat["displayName"].as_str().unwrap().to_owned();
                (name, pat["isValid"].as_bool().unwrap(), pat["targetAccounts"].is_null())
            })
            .collect()
    };
    let first = setting.get(&setting.rotator(), "").json();
    let next = first["continuationToken"].as_str().unwrap().to_owned();
    assert_eq!(listed(first), [("expired".to_owned(), false, false), ("everywhere".to_owned(), true, true)]);
    let second = setting.get(&setting.rotator(), &format!("&continuationToken={next}")).json();
    assert_eq!(listed(second), [("revoked".to_owned(), false, false)]);
    setting.sim.world().directory.expired_are_valid = true;
    assert!(listed(setting.get(&setting.rotator(), "").json())[0].1);
}

#[test]
fn pages_may_be_empty_at_the_beginning_and_at_the_end() {
    let setting = Setting::new(40);
    let world = setting.sim.world();
    let crowd: Vec<(String, Vec<ListedPat>)> = world
        .everybody("contoso")
        .take(40)
        .map(|one| (one.descriptor.clone(), world.pats_of("contoso", &one)))
        .collect();
    drop(world);
    let mut seen = BTreeSet::new();
    for (descriptor, pats) in &crowd {
        let pages = setting.pages(descriptor);
        assert_eq!(pages.concat(), pats.iter().map(|pat| pat.id.clone()).collect::<Vec<_>>());
        let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
        let expected: &[usize] = match pats.len() {
            0 => &[0],
            1 => &[1],
            2 => &[2, 0],
            3 => &[2, 1],
            4 => &[0, 2, 2, 0],
            _ => &[0, 2, 2, 1],
        };
        assert_eq!(sizes, expected);
        seen.insert(pats.len());
    }
    assert_eq!(seen, (0..=5).collect());
}

/// Ids are never the same twice, names are; every kind of token is among few people.
#[test]
fn the_tokens_of_a_crowd_are_of_every_kind_and_the_same_in_every_run() {
    let setting = Setting::new(10_000);
    let world = setting.sim.world();
    let all =
        || -> Vec<ListedPat> { world.everybody("contoso").flat_map(|one| world.pats_of("contoso", &one)).collect() };
    let pats = all();
    assert_eq!(pats.iter().map(|pat| &pat.id).collect::<BTreeSet<_>>().len(), pats.len());
    assert!((24_000..26_000).contains(&pats.len()), "{}", pats.len());
    let now = world.now();
    let some = &pats[..200];
    let has = |is: &dyn Fn(&ListedPat) -> bool| some.iter().any(is);
    assert!(
        has(&|pat| pat.name.is_none()) && has(&|pat| pat.name.as_deref().is_some_and(|name| name.contains("##vso[")))
    );
    assert!(has(&|pat| pat.accounts.is_none()) && has(&|pat| pat.accounts.as_ref().is_some_and(Vec::is_empty)));
    assert!(has(&|pat| pat.valid_to < now) && has(&|pat| pat.valid_to >= now && !pat.is_valid));
    assert!(has(&|pat| pat.scope == "app_token") && has(&|pat| pat.name.as_deref() == Some("feed")));
    assert!(pats == all());
}

#[test]
fn only_administrators_are_let_in_and_only_with_the_scope() {
    let setting = Setting::new(0);
    let (narrow, alice, app, pat) = {
        let mut world = setting.sim.world();
        let pat = world.add_pat("x").scope("vso.tokenadministration").add();
        (
            world.user_token("vso.graph vso.pats vso.pats_manage"),
            world.token_of_user("alice", "pat-rotator-public", AZURE_DEVOPS, "user_impersonation"),
            world.app_token("pat-publisher", AZURE_DEVOPS),
            world.pat(&pat).secret.clone(),
        )
    };
    let rotator = setting.rotator();
    let statuses = || [&setting.token, &narrow, &alice, &app].map(|token| setting.get_as(token, &rotator, "").status);
    assert_eq!(statuses(), [200, 401, 401, 401]);
    let target = format!("/contoso/_apis/tokenadmin/personalaccesstokens/{rotator}?{VERSION}");
    assert_eq!(call(&setting.sim, "GET", &target, &basic(&pat), "").unwrap().status, 200);
    setting.sim.world().directory.not_administrator_is_403 = true;
    assert_eq!(statuses(), [200, 401, 403, 403]);
    setting.sim.world().directory.administrators.push("pat-publisher".to_owned());
    assert_eq!(statuses(), [200, 401, 403, 200]);
    setting.sim.world().expire_all_tokens();
    assert_eq!(statuses(), [401; 4]);
}

#[test]
fn whoever_has_left_is_not_found() {
    let setting = Setting::new(3);
    let (one, other) = (setting.person(&Who::Number(1)), setting.person(&Who::Account("alice".to_owned())));
    setting
        .sim
        .inject(Fault::after(|world| world.leave(&Who::Account("alice".to_owned()))), When::nth(Op::ListPatsOfUser, 1));
    assert_eq!(setting.get(&one.descriptor, "").status, 200);
    setting.sim.world().leave(&one.who);
    for descriptor in [one.descriptor, other.descriptor, "aad.bm9ib2R5".to_owned()] {
        let gone = setting.get(&descriptor, "");
        assert_eq!((gone.status, &gone.json()["typeKey"]), (404, &"IdentityNotFoundException".into()));
    }
}

#[test]
fn a_query_that_no_client_may_send_is_noticed() {
    let setting = Setting::new(0);
    setting.sim.world().add_pat("mine").add();
    let rotator = setting.rotator();
    for query in ["&pageSize=0", "&isPublic=no", "&continuationToken=made-up", "&$top=5", "&pageSize=5&pagesize=6"] {
        assert_eq!((setting.get(&rotator, query).status, setting.sim.take_problems().len()), (400, 1), "{query}");
    }
    for descriptor in ["rotator", "aad.", "aad.a%2Fb", "vss.bm9ib2R5"] {
        assert_eq!((setting.get(descriptor, "").status, setting.sim.take_problems().len()), (400, 1), "{descriptor}");
    }
}

/// After each page another one, or itself for ever.
#[test]
fn a_list_without_an_end_can_be_had() {
    let setting = Setting::new(0);
    setting.sim.inject(Fault::EndlessList(2, true), When::first(Op::ListPatsOfUser, 2));
    setting.sim.inject(Fault::EndlessList(2, false), When::from(Op::ListPatsOfUser, 3));
    let rotator = setting.rotator();
    let next = || setting.get(&rotator, "").json()["continuationToken"].as_str().unwrap().to_owned();
    let shown = [next(), next(), next(), next()];
    assert!(shown[0] != shown[1] && shown[2] == shown[3]);
}
