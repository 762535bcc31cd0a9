//! Who may read and change variable groups and service connections, and which projects exist for whom.

use super::{
    super::{
        Fault, Op, Simulator, When, World,
        world::{AZURE_DEVOPS, BUILD_SERVICE, COLLECTION_BUILD_SERVICE, EVERYBODY, Sharing},
    },
    bare::{Answer, PATS, basic, bearer, call},
};

const VERSION: &str = "api-version=7.1";

/// A group (7) and a service connection of the same project and administrators.
struct Setting {
    sim: Simulator,
    endpoint: String,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        world
            .add_variable_group("Prod")
            .secret("PAT", "simulated-value-of-the-group")
            .administrator(BUILD_SERVICE)
            .add();
        let endpoint = world.add_endpoint("feed", "externaltfs").administrator(BUILD_SERVICE).add();
        Self { sim: Simulator::start(world), endpoint }
    }

    fn call(&self, method: &str, target: &str, token: &str, body: &str) -> Answer {
        call(&self.sim, method, &format!("/contoso/{target}?{VERSION}"), &bearer(token), body).unwrap()
    }

    /// The statuses of reading and of writing back both, with the job's token as the one who reads.
    fn statuses(&self, token: &str) -> [u16; 4] {
        let job = self.sim.world().job_token();
        let places = [
            ("_apis/distributedtask/variablegroups", "7"),
            ("_apis/serviceendpoint/endpoints", self.endpoint.as_str()),
        ];
        let statuses = places.map(|(place, id)| {
            let body = self.call("GET", &format!("Widgets/{place}/{id}"), &job, "").body;
            let read = self.call("GET", &format!("Widgets/{place}/{id}"), token, "").status;
            (read, self.call("PUT", &format!("{place}/{id}"), token, &String::from_utf8(body).unwrap()).status)
        });
        [statuses[0].0, statuses[0].1, statuses[1].0, statuses[1].1]
    }

    fn both(&self, change: impl Fn(&mut Vec<String>, &mut Vec<String>)) {
        let mut world = self.sim.world();
        let group = world.variable_group_mut(7);
        change(&mut group.readers, &mut group.administrators);
        let endpoint = world.endpoint_mut(&self.endpoint);
        change(&mut endpoint.readers, &mut endpoint.administrators);
    }
}

#[test]
fn readers_read_and_only_administrators_write() {
    let setting = Setting::new();
    let app = setting.sim.world().app_token("pat-publisher", AZURE_DEVOPS);
    let job = setting.sim.world().job_token();
    assert_eq!(setting.statuses(&job), [200; 4]);
    assert_eq!(setting.statuses(&app), [200, 403, 200, 403]);
    let group = setting.call("GET", "Widgets/_apis/distributedtask/variablegroups/7", &app, "").body;
    let refused =
        setting.call("PUT", "_apis/distributedtask/variablegroups/7", &app, &String::from_utf8(group).unwrap());
    assert_eq!(refused.json()["typeKey"], "AccessDeniedException");
    assert!(refused.json()["message"].as_str().unwrap().ends_with("should add you to the Administrator role."));

    setting.both(|_, administrators| administrators.push("pat-publisher".to_owned()));
    assert_eq!(setting.statuses(&app), [200; 4]);
    setting.both(|readers, administrators| {
        readers.retain(|who| who != EVERYBODY);
        administrators.retain(|who| who != "pat-publisher");
    });
    assert_eq!(setting.statuses(&app), [404, 404, 200, 404]);
    assert_eq!(setting.statuses(&job), [200; 4]);
}

/// Members only; a user's token with a scope of the service, or with all of them; never a PAT.
#[test]
fn those_who_are_not_let_in_learn_nothing() {
    let setting = Setting::new();
    let (stranger, user, narrow) = {
        let mut world = setting.sim.world();
        let scopes = "vso.variablegroups_read vso.serviceendpoint";
        (
            world.app_token("pat-rotator", AZURE_DEVOPS),
            world.user_token(scopes),
            world.user_token("vso.pats vso.pats_manage"),
        )
    };
    assert_eq!(setting.statuses(&stranger), [401; 4]);
    assert_eq!(setting.statuses(&user), [200, 401, 200, 401]);
    assert_eq!(setting.statuses(&narrow), [401; 4]);
    setting.sim.world().members.push("pat-rotator".to_owned());
    assert_eq!(setting.statuses(&stranger), [200, 403, 200, 403]);
    let all = setting.sim.world().user_token("user_impersonation");
    setting.both(|_, administrators| administrators.push("rotator".to_owned()));
    assert_eq!(setting.statuses(&all), [200; 4]);
    let secret = {
        let mut world = setting.sim.world();
        let id = world.add_pat("x").scope("app_token").add();
        world.pat(&id).secret.clone()
    };
    let target = format!("/contoso/Widgets/_apis/distributedtask/variablegroups?{VERSION}");
    assert_eq!(call(&setting.sim, "GET", &target, &basic(&secret), "").unwrap().status, 203);
}

/// A member's app token opens these two services and still not the PATs.
#[test]
fn membership_does_not_open_the_pats() {
    let setting = Setting::new();
    let app = setting.sim.world().app_token("pat-publisher", AZURE_DEVOPS);
    let target = format!("{PATS}?api-version=7.1-preview.1&displayFilterOption=all");
    assert_eq!(call(&setting.sim, "GET", &target, &bearer(&app), "").unwrap().status, 403);
}

#[test]
fn a_job_sees_its_own_project_unless_its_scope_is_the_collection() {
    let setting = Setting::new();
    let (job, app, gadgets) = {
        let mut world = setting.sim.world();
        world.add_variable_group("Theirs").project("Gadgets").administrator(COLLECTION_BUILD_SERVICE).add();
        (world.job_token(), world.app_token("pat-publisher", AZURE_DEVOPS), world.project("Gadgets").id.clone())
    };
    let read = |project: &str, token: &str| {
        let answer = setting.call("GET", &format!("{project}/_apis/distributedtask/variablegroups/8"), token, "");
        let body = answer.json();
        (answer.status, body["typeKey"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(read("Gadgets", &app).0, 200);
    assert_eq!(read(&gadgets, &app).0, 200);
    assert_eq!(read("Widgets", &app), (404, "VariableGroupNotFoundException".to_owned()));
    assert_eq!(read("Gadgets", &job), (404, "ProjectDoesNotExistWithNameException".to_owned()));
    assert_eq!(read(&gadgets, &job), (404, "ProjectDoesNotExistException".to_owned()));
    assert_eq!(read("Nowhere", &app).0, 404);
    // What is shared with a project that the job cannot see can be written back all the same.
    let theirs = Sharing { project: gadgets.clone(), name: "Prod".to_owned(), description: None };
    setting.sim.world().variable_group_mut(7).sharing.push(theirs);
    assert_eq!(setting.statuses(&job), [200; 4]);
    setting.sim.world().job_reaches_all_projects = true;
    assert_eq!(read("Gadgets", &job).0, 200);
    assert_eq!(setting.statuses(&job), [200, 403, 200, 403]);
    setting.sim.world().project_mut("Gadgets").hidden_from.push("pat-publisher".to_owned());
    assert_eq!(read("Gadgets", &app).0, 404);
}

/// The group's value as a lost reply leaves it: written, and the client does not know.
#[test]
fn faults_meet_these_requests_as_all_others() {
    let setting = Setting::new();
    let job = setting.sim.world().job_token();
    let mut body = setting.call("GET", "Widgets/_apis/distributedtask/variablegroups/7", &job, "").json();
    body["variables"]["PAT"]["value"] = "simulated-value-that-is-new".into();
    setting.sim.inject(Fault::ResetAfter, When::nth(Op::UpdateGroup, 1));
    setting.sim.inject(Fault::Status(403), When::nth(Op::ListEndpoints, 1));
    let target = format!("/contoso/_apis/distributedtask/variablegroups/7?{VERSION}");
    assert!(call(&setting.sim, "PUT", &target, &bearer(&job), &body.to_string()).is_err());
    assert_eq!(setting.sim.world().secret_value(7, "PAT"), "simulated-value-that-is-new");
    let refused = setting.call("GET", "Widgets/_apis/serviceendpoint/endpoints", &job, "");
    assert_eq!((refused.status, &refused.json()["typeKey"]), (403, &"InvalidAccessException".into()));
}
