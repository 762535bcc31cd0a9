//! Service connections against the published examples, and what a careless update does to one.

use serde_json::{Value, json};

use super::{
    super::{Simulator, World, world::AZURE_DEVOPS},
    bare::{Answer, bearer, call, keys},
};

const ENDPOINTS: &str = "_apis/serviceendpoint/endpoints";
const VERSION: &str = "api-version=7.1";

struct Setting {
    sim: Simulator,
    token: String,
    id: String,
}

impl Setting {
    fn new(arrange: impl FnOnce(&mut World) -> String) -> Self {
        let mut world = World::new();
        let id = arrange(&mut world);
        let token = world.app_token("pat-publisher", AZURE_DEVOPS);
        Self { sim: Simulator::start(world), token, id }
    }

    fn get(&self, rest: &str) -> Answer {
        let target = format!("/contoso/Widgets/{ENDPOINTS}{rest}");
        call(&self.sim, "GET", &target, &bearer(&self.token), "").unwrap()
    }

    fn endpoint(&self) -> Value {
        self.get(&format!("/{}?{VERSION}", self.id)).json()
    }

    fn put(&self, body: &Value) -> Answer {
        let target = format!("/contoso/{ENDPOINTS}/{}?{VERSION}", self.id);
        call(&self.sim, "PUT", &target, &bearer(&self.token), &body.to_string()).unwrap()
    }
}

/// GetServiceEndpointDetails.json, GetServiceEndpointsByName.json and PUT__UpdateServiceEndpoint.json as published by
/// Microsoft: the details have a secret as null, the list leaves it out.
#[test]
fn the_shapes_are_the_published_ones() {
    let fields = [
        "authorization",
        "createdBy",
        "data",
        "description",
        "id",
        "isReady",
        "isShared",
        "name",
        "owner",
        "serviceEndpointProjectReferences",
        "type",
        "url",
    ];
    let setting = Setting::new(|world| world.add_endpoint("contoso-feed", "generic").add());
    let mut endpoint = setting.endpoint();
    assert_eq!(keys(&endpoint), fields);
    let who = ["_links", "descriptor", "displayName", "id", "imageUrl", "uniqueName", "url"];
    assert_eq!(keys(&endpoint["createdBy"]), who);
    let parameters = json!({"username": "rotator", "password": null});
    assert_eq!(endpoint["authorization"], json!({"parameters": parameters, "scheme": "UsernamePassword"}));
    assert_eq!(keys(&endpoint["serviceEndpointProjectReferences"][0]), ["name", "projectReference"]);

    let list = setting.get(&format!("?endpointNames=Contoso-Feed&{VERSION}")).json();
    assert_eq!((keys(&list), &list["count"]), (vec!["count", "value"], &json!(1)));
    assert_eq!(keys(&list["value"][0]), fields);
    assert_eq!(keys(&list["value"][0]["authorization"]["parameters"]), ["username"]);

    endpoint["authorization"]["parameters"]["password"] = "simulated-new-secret".into();
    let updated = setting.put(&endpoint).json();
    endpoint["authorization"]["parameters"]["password"] = Value::Null;
    assert_eq!(updated, endpoint);
    assert_eq!(setting.sim.world().endpoint_secret(&setting.id), "simulated-new-secret");
    assert_eq!(setting.get(&format!("?endpointNames=none&{VERSION}")).json(), json!({"count": 0, "value": []}));
}

#[test]
fn each_kind_has_its_own_secret_parameter_or_none() {
    let setting = Setting::new(|world| {
        world.add_endpoint("tfs", "externaltfs").add();
        world.add_endpoint("release", "azdoapi").add();
        world.add_endpoint("git", "git").add();
        world.add_endpoint("feed", "externalnugetfeed").add();
        world.add_endpoint("basic-feed", "externalnugetfeed").user_name("rotator").add();
        world.add_endpoint("two", "externaltfs").second_secret("signingKey").add();
        world.add_endpoint("azure", "azurerm").add()
    });
    let world = setting.sim.world();
    let found: Vec<String> = world
        .endpoints
        .iter()
        .map(|endpoint| format!("{} {} {}", endpoint.name, endpoint.scheme, endpoint.confidential.join("+")))
        .collect();
    assert_eq!(
        found,
        [
            "tfs Token apitoken",
            "release Token apitoken",
            "git UsernamePassword password",
            "feed Token apitoken",
            "basic-feed UsernamePassword password",
            "two Token apitoken+signingKey",
            "azure WorkloadIdentityFederation ",
        ]
    );
    assert_eq!(world.all_secrets().iter().filter(|(label, _)| label.contains("of service connection")).count(), 7);
}

#[test]
fn what_an_update_leaves_out_is_lost_and_written_down() {
    let setting = Setting::new(|world| {
        world
            .add_endpoint("contoso-feed", "externaltfs")
            .holding("simulated-old-pat")
            .second_secret("signingKey")
            .shared_with("Gadgets")
            .data("acceptUntrustedCerts", "false")
            .field("isDisabled", "false")
            .field("operationStatus", r#"{"state":"Ready","statusMessage":""}"#)
            .field("futureField", r#"[1,{"deep":null}]"#)
            .add()
    });
    let mut whole = setting.endpoint();
    assert_eq!(whole["futureField"], json!([1, {"deep": null}]));
    let known = json!("simulated-known-key");
    whole["authorization"]["parameters"] = json!({"apitoken": "simulated-new-pat", "signingKey": known});
    assert_eq!(setting.put(&whole).status, 200);
    {
        let world = setting.sim.world();
        let write = world.endpoint_writes.last().unwrap();
        assert_eq!(write.changed, ["parameters.apitoken", "parameters.signingKey"]);
        assert!(write.lost.is_empty() && write.wiped.is_empty() && write.unshared.is_empty(), "{write:?}");
        assert!(world.all_secrets().iter().any(|(_, value)| value == "simulated-new-pat"));
    }
    whole["authorization"]["parameters"] = json!({"apitoken": "simulated-new-pat", "signingKey": null});
    whole["data"] = json!({});
    whole["url"] = "https://elsewhere".into();
    whole["serviceEndpointProjectReferences"].as_array_mut().unwrap().pop();
    whole.as_object_mut().unwrap().remove("futureField");
    assert_eq!(setting.put(&whole).status, 200);
    let world = setting.sim.world();
    let write = world.endpoint_writes.last().unwrap();
    assert_eq!((&write.changed[..], &write.wiped[..]), (&["url".into()][..], &["signingKey".into()][..]));
    assert_eq!(write.lost, ["data.acceptUntrustedCerts", "futureField"]);
    assert_eq!(write.unshared, ["Gadgets"]);
    assert_eq!(world.endpoint_secret(&setting.id), "simulated-new-pat");
}

#[test]
fn what_would_break_a_connection_is_refused_and_noticed() {
    let setting = Setting::new(|world| world.add_endpoint("contoso-feed", "externaltfs").add());
    let whole = setting.endpoint();
    let with = |field: &str, value: Value| {
        let mut body = whole.clone();
        body[field] = value;
        body
    };
    let bodies = [
        with("id", "00000000-0000-4000-8000-000000000001".into()),
        with("type", "generic".into()),
        with("name", Value::Null),
        with("url", Value::Null),
        with("data", Value::Null),
        with("authorization", Value::Null),
        with("authorization", json!({"scheme": "UsernamePassword", "parameters": {}})),
        with("serviceEndpointProjectReferences", json!([])),
        with("invented", true.into()),
    ];
    for body in &bodies {
        assert_eq!(setting.put(body).status, 400, "{body}");
        assert_eq!(setting.sim.take_problems().len(), 1, "{body}");
    }
    assert!(setting.sim.world().endpoint_writes.is_empty());
}

#[test]
fn an_unknown_connection_is_null_or_not_found_and_a_failed_one_is_not_listed() {
    let mut setting = Setting::new(|world| world.add_endpoint("failed", "generic").field("isReady", "false").add());
    assert_eq!(setting.get(&format!("?endpointNames=failed&{VERSION}")).json()["count"], 0);
    assert_eq!(setting.get(&format!("?endpointNames=failed&includeFailed=true&{VERSION}")).json()["count"], 1);
    setting.id = "00000000-0000-4000-8000-000000000001".to_owned();
    assert_eq!(setting.endpoint(), Value::Null);
    setting.sim.world().unknown_endpoint_is_null = false;
    assert_eq!(setting.endpoint()["typeKey"], "EndpointNotFoundException");
}

#[test]
fn the_transcript_tells_of_the_secrets_in_names() {
    let setting = Setting::new(|world| {
        world.add_pat("nuget").add();
        world.add_endpoint("contoso-feed", "externaltfs").add()
    });
    let mut body = setting.endpoint();
    body["authorization"]["parameters"]["apitoken"] = setting.sim.world().pats[0].secret.clone().into();
    setting.put(&body);
    body["authorization"]["parameters"]["apitoken"] = Value::Null;
    setting.put(&body);
    assert_eq!(
        setting.sim.transcript_text(),
        "GET /contoso/Widgets/_apis/serviceendpoint/endpoints/{contoso-feed}?api-version=7.1 as pat-publisher (app token) -> 200\n\
         PUT /contoso/_apis/serviceendpoint/endpoints/{contoso-feed}?api-version=7.1 as pat-publisher (app token) [apitoken: PAT secret 1] -> 200\n\
         PUT /contoso/_apis/serviceendpoint/endpoints/{contoso-feed}?api-version=7.1 as pat-publisher (app token) [no apitoken] -> 200\n"
    );
    assert_eq!(setting.sim.world().endpoint_secret(&setting.id), "");
}

#[test]
fn references_come_in_every_order() {
    let setting = Setting::new(|world| {
        world.add_project("Gizmos");
        world.add_endpoint("contoso-feed", "externaltfs").shared_with("Gadgets").shared_with("Gizmos").add()
    });
    let order = || -> Vec<String> {
        let endpoint = setting.endpoint();
        let references = endpoint["serviceEndpointProjectReferences"].as_array().unwrap();
        references.iter().map(|one| one["projectReference"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let seen: std::collections::BTreeSet<Vec<String>> = (0..6).map(|_| order()).collect();
    assert_eq!(seen.len(), 6);
}

/// azure-pipelines-tasks#13094, and terraform-provider-azuredevops#1455 for the refusal.
#[test]
fn shared_connection_has_a_name_in_each_project_and_no_update_changes_one() {
    for shows_own_name in [false, true] {
        let setting = Setting::new(|world| {
            world.endpoint_shows_own_name = shows_own_name;
            world.add_endpoint("feed", "externaltfs").project("Gadgets").shared_with("Widgets").add()
        });
        let whole = setting.endpoint();
        assert_eq!(whole["name"], if shows_own_name { "feed-Widgets" } else { "feed" });
        let mut named: Vec<(String, String)> = Vec::new();
        for one in whole["serviceEndpointProjectReferences"].as_array().unwrap() {
            named.push((one["projectReference"]["name"].to_string(), one["name"].to_string()));
        }
        named.sort();
        let expected = [("\"Gadgets\"", "\"feed\""), ("\"Widgets\"", "\"feed-Widgets\"")];
        assert_eq!(named, expected.map(|(project, name)| (project.to_owned(), name.to_owned())));
        assert_eq!(setting.put(&whole).status, 200);

        let mut renamed = whole.clone();
        renamed["serviceEndpointProjectReferences"][0]["name"] = "another".into();
        let mut at_the_top = whole.clone();
        at_the_top["name"] = "another".into();
        for body in [renamed, at_the_top] {
            let answer = setting.put(&body);
            assert_eq!(answer.status, 500);
            assert!(answer.json()["message"].as_str().unwrap().starts_with("TF400898"));
            assert_eq!(setting.sim.take_problems().len(), 1);
        }
    }
}
