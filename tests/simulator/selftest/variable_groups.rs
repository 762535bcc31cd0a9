//! Variable groups against the published examples, and what a careless update does to one.

use serde_json::{Value, json};

use super::{
    super::{Op, Simulator, World, world::AZURE_DEVOPS},
    bare::{Answer, bearer, call, keys},
};

const GROUPS: &str = "_apis/distributedtask/variablegroups";
const VERSION: &str = "api-version=7.1";

/// A group with a plain, a secret and a read-only variable, shared with both projects.
struct Setting {
    sim: Simulator,
    token: String,
    group: u32,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        let group = world
            .add_variable_group("Prod secrets")
            .plain("FEED", "contoso")
            .secret("NUGET_PAT", "simulated-old-value-of-the-pat")
            .secret("OTHER", "simulated-other-value")
            .read_only("REGION", "west")
            .shared_with("Gadgets")
            .add();
        let token = world.app_token("pat-publisher", AZURE_DEVOPS);
        Self { sim: Simulator::start(world), token, group }
    }

    fn get(&self, target: &str) -> Answer {
        call(&self.sim, "GET", &format!("/contoso/{target}"), &bearer(&self.token), "").unwrap()
    }

    fn group(&self) -> Value {
        self.get(&format!("Widgets/{GROUPS}/{}?{VERSION}", self.group)).json()
    }

    fn put(&self, body: &Value) -> Answer {
        let target = format!("/contoso/{GROUPS}/{}?{VERSION}", self.group);
        call(&self.sim, "PUT", &target, &bearer(&self.token), &body.to_string()).unwrap()
    }

    /// What an update must have, as it stands.
    fn body(&self) -> Value {
        let mut body = self.group();
        for field in ["id", "isShared", "createdBy", "createdOn", "modifiedBy", "modifiedOn"] {
            body.as_object_mut().unwrap().remove(field);
        }
        body
    }
}

/// GET_VariableGroup.json, GET_VariableGroupsByGroupName.json and PUT_UpdateVariableGroup.json as published by Microsoft,
/// which were made before groups could be shared: the newer documentation has two more fields.
#[test]
fn the_shapes_are_the_published_ones() {
    let published =
        ["createdBy", "createdOn", "description", "id", "modifiedBy", "modifiedOn", "name", "type", "variables"];
    let newer = ["isShared", "variableGroupProjectReferences"];
    let mut fields = [published.as_slice(), &newer].concat();
    fields.sort_unstable();
    let setting = Setting::new();

    let group = setting.group();
    assert_eq!(keys(&group), fields);
    assert_eq!(keys(&group["createdBy"]), ["displayName", "id", "imageUrl", "uniqueName", "url"]);
    assert_eq!(group["variables"]["FEED"], json!({"value": "contoso"}));
    assert_eq!(group["variables"]["NUGET_PAT"], json!({"value": null, "isSecret": true}));
    assert_eq!(group["variables"]["REGION"], json!({"value": "west", "isReadOnly": true}));
    let reference = &group["variableGroupProjectReferences"][1];
    assert_eq!(keys(reference), ["description", "name", "projectReference"]);
    assert_eq!(reference["projectReference"]["name"], "Gadgets");

    let list = setting.get(&format!("gadgets/{GROUPS}?groupName=prod%20SECRETS&{VERSION}")).json();
    assert_eq!((keys(&list), keys(&list["value"][0])), (vec!["count", "value"], fields.clone()));
    assert_eq!((&list["count"], &list["value"][0]["variableGroupProjectReferences"]), (&json!(1), &Value::Null));

    let updated = setting.put(&setting.body()).json();
    assert_eq!((keys(&updated), keys(&updated["createdBy"])), (fields, vec!["id"]));
    assert_ne!(updated["modifiedBy"], updated["createdBy"]);
}

#[test]
fn a_name_finds_one_group_and_an_asterisk_several() {
    let setting = Setting::new();
    setting.sim.world().add_variable_group("Prod").add();
    setting.sim.world().add_variable_group("Production").project("Gadgets").add();
    let found = |query: &str| -> Vec<String> {
        let list = setting.get(&format!("Widgets/{GROUPS}?{query}{VERSION}")).json();
        list["value"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("groupName=prod&"), ["Prod"]);
    assert_eq!(found("groupName=Prod*&"), ["Prod", "Prod secrets"]);
    assert_eq!(found("groupName=Prod*&queryOrder=IdAscending&"), ["Prod secrets", "Prod"]);
    assert_eq!(found("groupName=Production&"), Vec::<String>::new());
    assert_eq!(setting.get(&format!("Widgets/{GROUPS}/99?{VERSION}")).status, 404);
    assert_eq!(setting.get(&format!("Widgets/{GROUPS}?groupname=Prod&{VERSION}")).status, 200);
    setting.sim.check();
    assert_eq!(setting.get(&format!("Widgets/{GROUPS}?groupName=Prod&api-version=7.2")).status, 400);
    assert_eq!(setting.get(&format!("Widgets/{GROUPS}?name=Prod&{VERSION}")).status, 400);
    assert_eq!(setting.get(&format!("{GROUPS}?groupName=Prod&{VERSION}")).status, 404);
    assert_eq!(setting.sim.take_problems().len(), 3);
}

#[test]
fn null_keeps_a_secret_and_what_is_left_out_is_deleted() {
    let setting = Setting::new();
    let mut body = setting.body();
    body["variables"]["NUGET_PAT"]["value"] = "simulated-new-value-of-the-pat".into();
    body["variables"]["NUGET_PAT_VALID_TO"] = json!({"value": "2026-12-24"});
    body["variables"].as_object_mut().unwrap().remove("FEED");
    assert_eq!(setting.put(&body).status, 200);
    {
        let world = setting.sim.world();
        assert_eq!(world.secret_value(setting.group, "nuget_pat"), "simulated-new-value-of-the-pat");
        assert_eq!(world.secret_value(setting.group, "OTHER"), "simulated-other-value");
        assert!(world.variable_group(setting.group).variable("REGION").unwrap().is_read_only);
        let write = world.group_writes.last().unwrap();
        assert_eq!((write.by.as_str(), write.relabelled, write.unshared.len()), ("pat-publisher", false, 0));
        assert_eq!(
            (&write.added[..], &write.changed[..]),
            (&["NUGET_PAT_VALID_TO".into()][..], &["NUGET_PAT".into()][..])
        );
        assert_eq!(write.removed, ["FEED"]);
        assert!(world.all_secrets().iter().any(|(_, value)| value == "simulated-new-value-of-the-pat"));
    }
    // Without its flag a secret is lost, and so is a flag that is not sent; what one project is not told of is unshared.
    body["variables"]["OTHER"] = json!({"value": null});
    body["variables"]["REGION"] = json!({"value": "west"});
    body["variableGroupProjectReferences"].as_array_mut().unwrap().pop();
    assert_eq!(setting.put(&body).status, 200);
    let world = setting.sim.world();
    assert_eq!(world.secret_value(setting.group, "OTHER"), "");
    let write = world.group_writes.last().unwrap();
    assert_eq!(
        (&write.changed[..], &write.unshared[..]),
        (&["OTHER".into(), "REGION".into()][..], &["Gadgets".into()][..])
    );
}

#[test]
fn what_would_break_a_group_is_refused_and_noticed() {
    let setting = Setting::new();
    let whole = setting.body();
    let without = |field: &str| {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let with = |field: &str, value: Value| {
        let mut body = whole.clone();
        body[field] = value;
        body
    };
    let unknown = json!([{"name": "x", "projectReference": {"id": "00000000-0000-4000-8000-000000000001"}}]);
    let bodies = [
        without("name"),
        without("type"),
        without("variables"),
        without("variableGroupProjectReferences"),
        with("variables", json!({})),
        with("variables", json!({"A": {"value": "x"}, "a": {"value": "y"}})),
        with("variableGroupProjectReferences", json!([])),
        with("variableGroupProjectReferences", unknown),
        with("type", "AzureKeyVault".into()),
        with("surprise", true.into()),
    ];
    for (number, body) in bodies.iter().enumerate() {
        assert_eq!(setting.put(body).status, 400, "{body}");
        assert_eq!(setting.sim.take_problems().len(), 1, "body {number}");
    }
    assert!(setting.sim.world().group_writes.is_empty());
    let target = format!("/contoso/Widgets/{GROUPS}/{}?{VERSION}", setting.group);
    let old_route = call(&setting.sim, "PUT", &target, &bearer(&setting.token), &whole.to_string()).unwrap();
    assert_eq!((old_route.status, setting.sim.take_problems().len()), (404, 1));
}

#[test]
fn a_linked_group_shows_no_values_and_takes_none() {
    let mut setting = Setting::new();
    setting.group =
        setting.sim.world().add_variable_group("Linked").key_vault_linked().secret("PAT", "simulated-vaults").add();
    let group = setting.group();
    assert_eq!((&group["type"], &group["variables"]["PAT"]["value"]), (&json!("AzureKeyVault"), &Value::Null));
    assert_eq!(keys(&group["providerData"]), ["lastRefreshedOn", "serviceEndpointId", "vault"]);
    let mut body = setting.body();
    assert_eq!(setting.put(&body).status, 200);
    body["variables"]["PAT"]["value"] = "simulated-mine".into();
    assert_eq!(setting.put(&body).status, 400);
    assert_eq!(setting.sim.world().secret_value(setting.group, "PAT"), "simulated-vaults");
    assert_eq!(setting.sim.take_problems().len(), 1);
}

/// Somebody's hand between the read and the write: the last write wins, and there is nothing to notice it by before.
#[test]
fn the_last_write_wins_and_the_transcript_tells_it_in_names() {
    let setting = Setting::new();
    let mut body = setting.body();
    body["variables"]["NUGET_PAT"]["value"] = "simulated-new-value-of-the-pat".into();
    setting.sim.world().set_group_variable(setting.group, "FEED", "fabrikam");
    setting.sim.world().set_group_variable(setting.group, "ADDED", "by hand");
    setting.sim.clear_transcript();
    assert_eq!(setting.put(&body).status, 200);
    assert_eq!(
        setting.sim.transcript_text(),
        "PUT /contoso/_apis/distributedtask/variablegroups/7?api-version=7.1 as pat-publisher (app token) [change FEED, change NUGET_PAT, remove ADDED, 2 as before] -> 200\n"
    );
    assert_eq!(setting.sim.count(Op::UpdateGroup), 1);
    assert_eq!(setting.sim.world().secret_value(setting.group, "FEED"), "contoso");
}

/// The shape is that of the published example of "Permissions - Has Permissions".
#[test]
fn the_security_service_tells_the_caller_alone_whether_it_may_administer_a_group() {
    let setting = Setting::new();
    let project = setting.sim.world().project("Widgets").id.clone();
    let object = format!("Library/{project}/VariableGroup/{}", setting.group);
    let ask = |bits: u32, object: &str| {
        let namespace = "b7e84409-6553-448a-bbb2-af228e07cbeb";
        setting.get(&format!("_apis/permissions/{namespace}/{bits}?tokens={object}&{VERSION}")).json()
    };
    assert_eq!(ask(2, &object), json!({"count": 1, "value": [true]}));
    assert_eq!(ask(2, &format!("Library/{project}/VariableGroup/999")), json!({"count": 1, "value": [false]}));
    "somebody else".clone_into(&mut setting.sim.world().groups[0].administrators[0]);
    assert_eq!(ask(2, &object), json!({"count": 1, "value": [false]}));
}
