//! Managed identities, after the examples of
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token> and
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity>.

use serde_json::Value;

use super::{
    super::{
        Fault, Op, Simulator, When, World,
        world::{KEY_VAULT, Managed, TOKEN_EXCHANGE},
    },
    bare::{Answer, JWT_BEARER, bearer, call, claims, code, keys, token},
};

const METADATA: &str = "Metadata: true\r\n";

fn metadata(sim: &Simulator, query: &str, headers: &str) -> Answer {
    let target = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
    call(sim, "GET", &target, headers, "").unwrap()
}

#[test]
fn the_machine_gives_a_token_whose_fields_are_strings() {
    let mut world = World::new();
    world.add_managed_identity("machine", Managed::System);
    world.vault.readers.push("machine".to_owned());
    world.set_secret("nuget-pat", "one", &[]);
    let sim = Simulator::start(world);
    let given = metadata(&sim, "resource=https%3A%2F%2Fvault.azure.net", METADATA).json();
    assert_eq!(
        keys(&given),
        [
            "access_token",
            "client_id",
            "expires_in",
            "expires_on",
            "not_before",
            "refresh_token",
            "resource",
            "token_type"
        ]
    );
    assert!(given.as_object().unwrap().values().all(Value::is_string));
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], KEY_VAULT);
    assert_eq!(call(&sim, "GET", "/secrets/nuget-pat?api-version=7.4", &bearer(token), "").unwrap().status, 200);
}

#[test]
fn the_machine_wants_to_know_which_of_several_identities() {
    let sim = Simulator::start(World::new());
    let vault = "resource=https%3A%2F%2Fvault.azure.net";
    let asked = |query: &str| {
        let answer = metadata(&sim, query, METADATA);
        (answer.status, answer.json()["error_description"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(asked(vault), (400, "Identity not found".to_owned()));
    let one = sim.world().add_managed_identity("one", Managed::User).client_id.clone();
    assert_eq!(asked(vault).0, 200);
    sim.world().add_managed_identity("two", Managed::User);
    assert!(asked(vault).1.starts_with("Multiple user assigned identities exist"));
    assert_eq!(asked(&format!("{vault}&client_id={one}")).0, 200);
    assert_eq!(asked(&format!("{vault}&client_id=x")), (400, "Identity not found".to_owned()));
    assert!(asked(&format!("resource=https%3A%2F%2Fx&client_id={one}")).1.starts_with("AADSTS500011"));
    sim.inject(Fault::Status(410), When::nth(Op::ManagedIdentity, 1));
    assert_eq!(asked(vault).0, 410);
    // To the token endpoint it is no app.
    let fields = [("grant_type", "client_credentials"), ("client_id", &one), ("scope", "x"), ("client_secret", "x")];
    assert_eq!(code(&token(&sim, &fields)), (400, 700_016));
}

#[test]
fn the_machine_is_asked_as_documented_and_without_a_proxy() {
    let mut world = World::new();
    world.add_managed_identity("machine", Managed::System);
    let sim = Simulator::start(world);
    let vault = "resource=https%3A%2F%2Fvault.azure.net";
    for (query, headers) in [
        (vault, ""),
        (vault, "Metadata: true\r\nX-Forwarded-For: 10.0.0.1\r\n"),
        (vault, "Metadata: true\r\nVia: 1.1 proxy\r\n"),
        ("resource=https%3A%2F%2Fvault.azure.net%2F.default", METADATA),
        ("resource=", METADATA),
        ("resource=https%3A%2F%2Fvault.azure.net&scope=x", METADATA),
    ] {
        assert_eq!(metadata(&sim, query, headers).status, 400, "{query} {headers}");
        assert_eq!(sim.take_problems().len(), 1, "{query} {headers}");
    }
}

#[test]
fn an_app_service_wants_its_header() {
    let mut world = World::new();
    world.add_managed_identity("service", Managed::System);
    let header = world.run_in_app_service();
    let sim = Simulator::start(world);
    let target = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net";
    let asked = |headers: &str| call(&sim, "GET", target, headers, "").unwrap();
    assert_eq!(asked("").status, 401);
    assert_eq!(asked("X-IDENTITY-HEADER: x\r\n").status, 401);
    let given = asked(&format!("X-IDENTITY-HEADER: {header}\r\n")).json();
    assert_eq!(keys(&given), ["access_token", "client_id", "expires_on", "resource", "token_type"]);
}

#[test]
fn an_app_that_trusts_a_managed_identity_is_entered_with_its_token() {
    let mut world = World::new();
    world.add_managed_identity("machine", Managed::System);
    let client = world.app("pat-rotator").client_id.clone();
    let sim = Simulator::start(world);
    let resource = format!("resource={}", TOKEN_EXCHANGE.replace(':', "%3A").replace('/', "%2F"));
    let given = metadata(&sim, &resource, METADATA).json()["access_token"].as_str().unwrap().to_owned();
    let ask = || {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("scope", "https://vault.azure.net/.default"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", given.as_str()),
        ];
        code(&token(&sim, &fields))
    };
    assert_eq!(ask(), (401, 700_213));
    sim.world().trust_managed_identity("pat-rotator", "machine");
    assert_eq!(ask(), (200, 0));
}
