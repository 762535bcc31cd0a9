//! What a connection signs in with, the vault, and what any service may answer.

use rotate_pat::advice::Service;

use super::Table;
use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::REFRESH;
use crate::sign_in::refusals::ELSEWHERE;
use agent::Endpoint;
use simulator::world::{AccessDenial, ErrorShape, Managed, VaultDenial};
use simulator::{Fault, Op, Simulator, When};

#[test]
fn each_refusal_of_what_a_connection_signs_in_with_prints_its_remedy() {
    let mut oidc = Table::of(Service::Oidc);
    oidc.refuse("OIDC: 401", &["the pipeline's OIDC endpoint answered 401", "Run the pipeline again"], |scene| {
        scene.inject(Fault::Status(401), Op::OidcToken);
    });
    oidc.refuse("OIDC: 302", &["answered 302 with its sign-in page", "Run the pipeline again"], |scene| {
        scene.inject(Fault::SignInRedirect, Op::OidcToken);
    });
    oidc.refuse("OIDC: 403, not authorized", &["answered 403", "Authorize this pipeline"], |scene| {
        scene.world(|world| world.connections[0].unauthorized = true);
    });
    oidc.refuse("OIDC: 404, deleted", &["answered 404", "Enable the service connection"], |scene| {
        scene.world(|world| drop(world.connections.remove(0)));
    });
    for shape in [ErrorShape::Exception, ErrorShape::CountedMessage] {
        oidc.refuse("OIDC: 404, disabled", &["or has been disabled", "Enable the service connection"], |scene| {
            scene.world(|world| {
                world.error_shape = shape;
                world.connections[0].disabled = true;
            });
        });
    }
    oidc.refuse("OIDC: the stage does not refer to it", &["no explicit reference to", "literal name"], |scene| {
        // As dotnet/docker-tools#2012 shows it.
        let body =
            r#"{"count":151,"value":"There is no explicit reference to service connection 1 from current stage A.B."}"#;
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        scene.inject(Fault::Recorded(404, headers, body.into()), Op::OidcToken);
    });
    oidc.is_complete_but_for(&[]);

    let mut machine = Table::of(Service::ManagedIdentity);
    let client = |endpoint: Endpoint| endpoint.data("msiclientId", ELSEWHERE);
    machine.refuse(
        "managed identity: the machine has no such one",
        &["answered 400 invalid_request: Identity not found", "Assign the managed identity"],
        |scene| scene.connect("ManagedServiceIdentity", |endpoint, _| client(endpoint)),
    );
    machine.refuse(
        "managed identity: several, and none named",
        &["Multiple user assigned identities", "Name the identity's client id"],
        |scene| {
            scene.world(|world| {
                world.add_managed_identity("one", Managed::User);
                world.add_managed_identity("two", Managed::User);
            });
            scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
        },
    );
    machine.refuse("managed identity: wrong `IDENTITY_HEADER`", &["answered 401", "Restart the agent"], |scene| {
        scene.world(|world| drop(world.run_in_app_service()));
        let origin = scene.pipeline.sim.origin();
        scene.env.push(("IDENTITY_ENDPOINT", format!("{origin}/msi/token")));
        scene.env.push(("IDENTITY_HEADER", "not-the-one-of-this-app".to_owned()));
        scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
    });
    for (status, remedy) in [(404, "Run the job on an agent of your own in Azure"), (410, "Run again in a minute.")] {
        let answered = format!("answered {status}");
        let what = format!("managed identity: {status} (in process)");
        machine.refuse_in_process(&what, &[&answered, remedy], |sim, job| {
            sim.inject(Fault::Status(status), When::every(Op::ManagedIdentity));
            by_connection(sim, job, "ManagedServiceIdentity");
        });
    }
    machine.refuse("managed identity: 400", &["answered 400", "Check which managed identity"], |scene| {
        scene.inject(Fault::Status(400), Op::ManagedIdentity);
        scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
    });
    machine.refuse_in_process(
        "managed identity: unreachable (in process)",
        &[
            "could not connect to the machine's managed identity endpoint",
            "Run the job on an agent of your own in Azure",
        ],
        |sim, job| {
            by_connection(sim, job, "ManagedServiceIdentity");
            job.set("IDENTITY_ENDPOINT", &format!("{}/msi/token", nowhere()));
            job.set("IDENTITY_HEADER", "any");
        },
    );
    machine.is_complete_but_for(&[]);
}

#[test]
fn each_refusal_of_the_vault_prints_its_remedy() {
    let mut table = Table::of(Service::KeyVault);
    for (what, denial, said) in [
        ("vault: no role", VaultDenial::Role, ["403 ForbiddenByRbac", "the role Key Vault Secrets Officer"]),
        (
            "vault: no access policy",
            VaultDenial::AccessPolicy,
            ["403 ForbiddenByPolicy", "an access policy for secrets"],
        ),
        ("vault: firewall", VaultDenial::Firewall, ["403 ForbiddenByFirewall", "Allow the agent's address"]),
        ("vault: private", VaultDenial::PrivateConnection, ["403 ForbiddenByConnection", "Use a self-hosted agent"]),
    ] {
        table.refuse(what, &said, |scene| {
            scene.world(|world| {
                world.vault.readers.clear();
                world.vault.denial = denial;
            });
        });
    }
    table.refuse(
        "vault: another tenant",
        &[
            "answered 401 Unauthorized: AKV10032",
            ELSEWHERE,
            "Use a service connection whose app is in the vault's tenant.",
        ],
        |scene| scene.world(|world| ELSEWHERE.clone_into(&mut world.vault.tenant)),
    );
    table.refuse(
        "vault: 401, its tenant told by the challenge alone",
        &["answered 401", "(the vault's tenant is "],
        |scene| scene.inject(Fault::Status(401), Op::VaultRead),
    );
    table.refuse("vault: a disabled secret", &["403 SecretDisabled", "Enable the secret's current version"], |scene| {
        scene.world(|world| world.vault.current_mut(REFRESH).unwrap().enabled = false);
    });
    table.refuse("vault: 429", &["Azure Key Vault answered 429", "Run again later: the vault is receiving"], |scene| {
        scene.inject(Fault::Throttled(300), Op::VaultRead);
    });
    table.refuse_in_process(
        "vault: unreachable (in process)",
        &["could not connect to Azure Key Vault", "Check the vault's name"],
        |sim, job| {
            by_connection(sim, job, "ServicePrincipal");
            job.set("INPUT_REFRESHTOKENSECRET", &format!("{}/secrets/{REFRESH}", nowhere()));
        },
    );
    table.refuse("vault: 403", &["Azure Key Vault answered 403", "unless the message names another cause"], |scene| {
        scene.inject(Fault::Status(403), Op::VaultRead);
    });
    table.refuse("vault: 400", &["Azure Key Vault answered 400", "Correct the value named in the message"], |scene| {
        scene.inject(Fault::Status(400), Op::VaultRead);
    });
    table.is_complete_but_for(&[
        // Only a write: see `destinations`.
        "Ask the owner of the Azure Policy",
        // A write that meets a deleted secret comes after the creation: see `destinations`.
        "Recover or purge the deleted secret of that name.",
        // A secret that is not there is no refusal where it is read; and only what was listed is disabled.
        "Check the secret's name",
    ]);
}

#[test]
fn an_answer_that_is_in_no_services_rows_prints_a_remedy_all_the_same() {
    let mut table = Table::of(None);
    table.refuse("an unknown refusal", &["Azure DevOps answered 418", "in the message above."], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Status(418), Op::ListPats);
    });
    table.refuse("an unknown refusal without a sentence", &["DevOps answered 418", "Report it with"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Recorded(418, Vec::new(), Vec::new()), Op::ListPats);
    });
    table.refuse("a stopped organization", &["503 TF24668: The following team", "to reactivate it."], |scene| {
        scene.input("organization", "fabrikam");
        scene.world(|world| {
            world.add_organization("fabrikam");
            world.stopped_organizations.push("fabrikam".to_owned());
        });
    });
    table.refuse("a challenge for claims", &["answered 401 insufficient_claims", "sign in again"], |scene| {
        scene.with_access_token();
        scene.world(|world| world.access_denied = Some(AccessDenial::ClaimsChallenge));
    });
    table.refuse("a busy service", &["answered 503 Simulated and asks to wait 300 s", "Run again later."], |scene| {
        scene.inject(Fault::Unavailable(300), Op::VaultRead);
    });
    table.refuse(
        "a page in between",
        &["Entra answered 203 with its sign-in page", "without a sign-in page of a proxy"],
        |scene| {
            scene.inject(Fault::SignInPage, Op::TokenRefresh);
        },
    );
    table.refuse("JSON that is not as documented", &["Report it with the activity id"], |scene| {
        scene.inject(Fault::WrongShape, Op::TokenRefresh);
    });
    table.refuse_in_process("no connection (in process)", &["could not connect to the pipeline's OIDC"], |sim, job| {
        by_connection(sim, job, "WorkloadIdentityFederation");
        // The pipeline is of another organization than the token.
        job.set("INPUT_ORGANIZATION", &format!("{}/contoso/", sim.origin()));
        job.set("ENDPOINT_URL_SYSTEMVSSCONNECTION", &format!("{}/fabrikam/", nowhere()));
        job.set("SYSTEM_OIDCREQUESTURI", &format!("{}/fabrikam/oidctoken", nowhere()));
    });
    table.refuse_in_process("no answer (in process)", &["gave no whole answer", "Run again."], |sim, _| {
        sim.inject(Fault::HangBefore, When::every(Op::ListPats));
    });
    table.is_complete_but_for(&[]);
}

/// An address where nobody listens.
fn nowhere() -> String {
    "http://127.0.0.1:1".to_owned()
}

/// The service connection itself signs in, in this process.
pub(crate) fn by_connection(sim: &Simulator, job: &mut LocalJob, scheme: &str) {
    let world = sim.world();
    let (app, id) = (world.app("pat-rotator").clone(), world.service_connection("pat-rotator").id.clone());
    drop(world);
    for (name, value) in [
        ("INPUT_ACCESSTOKEN", ""),
        ("INPUT_SERVICECONNECTION", &id),
        (&format!("ENDPOINT_AUTH_SCHEME_{id}"), scheme),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_TENANTID"), &app.tenant),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALID"), &app.client_id),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALKEY"), &app.secrets[0].value),
    ] {
        job.set(name, value);
    }
}
