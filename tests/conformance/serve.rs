//! The simulator as a service for clients in other languages: `cargo run --example serve -- FOLDER`.
//!
//! The services are reached by their real names, through a proxy on loopback with a TLS front behind it, whose CA is written
//! into FOLDER. The first line printed says where the proxy is and what the world begins with. After that each line read is
//! an order about the world, and the answer is one line of JSON. It ends with its standard input.

#![allow(clippy::unwrap_used, reason = "whoever started it sees it stop")]
#![allow(clippy::print_stdout, reason = "standard output is how it is spoken with")]

#[allow(dead_code, reason = "the tests look at more of it")]
#[path = "../it/harness/gateway.rs"]
mod gateway;

use std::path::PathBuf;
use std::{env, fs, io};

use gateway::{Gateway, Setup};
use serde_json::{Map, Value, json};
use simulator::certificates::PemForm;
use simulator::{PatState, Simulator, World};

fn main() {
    let folder = PathBuf::from(env::args().nth(1).expect("a folder for the certificates"));
    let mut world = World::new();
    world.follow_real_clock();
    world.serves_other_clients = true;
    world.new_pats_valid_after = 0;
    let beginning = arrange(&mut world, &folder);
    let simulator = Simulator::start(world);
    let gateway = Gateway::start(simulator.origin().trim_start_matches("http://").parse().unwrap(), Setup::default());
    let ca = folder.join("ca.pem");
    fs::write(&ca, gateway.authority.certificate_pem()).unwrap();
    let mut said = beginning;
    said["proxy"] = format!("http://{}", gateway.address).into();
    said["ca"] = ca.display().to_string().into();
    println!("{said}");
    for line in io::stdin().lines() {
        println!("{}", obey(&simulator, &line.unwrap()));
    }
}

/// A vault, a variable group, a service connection and two PATs, and an app for each way of signing in.
fn arrange(world: &mut World, folder: &std::path::Path) -> Value {
    let id = world.add_pat("nuget-publish").add();
    let pat = world.pat(&id).secret.clone();
    let secret = world.add_client_secret("pat-rotator");
    world.add_app("certified");
    let certificate = world.add_certificate("certified");
    let pem = folder.join("certified.pem");
    fs::write(&pem, certificate.pem(PemForm::Pkcs8)).unwrap();
    world.vault.readers.push("certified".to_owned());
    let group = world
        .add_variable_group("Prod secrets")
        .secret("NUGET_PAT", &pat)
        .plain("REGION", "westeurope")
        .read_only("TIER", "gold")
        .administrator("pat-publisher")
        .administrator("rotator")
        .add();
    let endpoint = world.add_endpoint("contoso-feed", "externaltfs").holding(&pat).administrator("rotator").add();
    world.directory.administrators.push("rotator".to_owned());
    let publisher_secret = world.add_client_secret("pat-publisher");
    let refresh = world.refresh_token_for("rotator", "pat-rotator");
    let public_refresh = world.refresh_token_for("rotator", "pat-rotator-public");
    let user_token = world.user_token("user_impersonation");
    let (run, connection) = (&world.job, world.service_connection("pat-rotator"));
    let hub = format!(
        "https://dev.azure.com/contoso/{}/_apis/distributedtask/hubs/build/plans/{}/jobs/{}/oidctoken",
        run.project_id, run.plan_id, run.job_id
    );
    let client = |name: &str| world.app(name).client_id.clone();
    json!({
        "tenant": world.tenants[0].id,
        "secretClient": {"id": client("pat-rotator"), "secret": secret},
        "certificateClient": {"id": client("certified"), "pem": pem},
        "publisher": {"id": client("pat-publisher"), "secret": publisher_secret},
        "publicClient": client("pat-rotator-public"),
        "refreshToken": refresh,
        "publicRefreshToken": public_refresh,
        "userToken": user_token,
        "jobToken": run.token,
        "oidcRequestUri": hub,
        "serviceConnection": connection.id,
        "organizationId": world.organizations[0].id,
        "project": run.project,
        "projectId": run.project_id,
        "build": run.build_id,
        "pat": pat,
        "patId": id,
        "group": group,
        "endpoint": endpoint,
        "user": world.user("rotator").upn,
    })
}

fn obey(simulator: &Simulator, order: &str) -> Value {
    match order {
        "sign in on the device" => {
            simulator.world().sign_in_on_device("rotator").unwrap();
            Value::Null
        }
        "world" => shown(&simulator.world()),
        "problems" => json!(simulator.take_problems()),
        "transcript" => json!(simulator.transcript_text()),
        other => panic!("unknown order {other:?}"),
    }
}

fn shown(world: &World) -> Value {
    let secrets: Map<String, Value> = world
        .vault
        .secrets
        .iter()
        .map(|secret| {
            let versions: Vec<Value> = secret
                .versions
                .iter()
                .map(|version| {
                    json!({"version": version.version, "value": version.value, "enabled": version.enabled,
                        "contentType": version.content_type, "tags": version.tags, "expires": version.expires})
                })
                .collect();
            (secret.name.clone(), json!({"versions": versions, "deleted": secret.deleted}))
        })
        .collect();
    let groups: Map<String, Value> = world
        .groups
        .iter()
        .map(|group| {
            let variables: Map<String, Value> = group
                .variables
                .iter()
                .map(|(name, known)| (name.clone(), json!([known.value, known.is_secret, known.is_read_only])))
                .collect();
            (group.name.clone(), variables.into())
        })
        .collect();
    let endpoints: Map<String, Value> =
        world.endpoints.iter().map(|e| (e.name.clone(), world.endpoint_secret(&e.id).into())).collect();
    let pats: Vec<Value> = world
        .pats
        .iter()
        .map(|pat| {
            let is_active = pat.state(world.now()) == PatState::Active;
            json!({"id": pat.id, "name": pat.name, "secret": pat.secret, "active": is_active})
        })
        .collect();
    let redeemed: usize = world.refresh_tokens.iter().map(|token| token.redeemed as usize).sum();
    let holders: Vec<Value> = world
        .access_tokens
        .iter()
        .map(|token| json!({"value": token.value, "holder": format!("{:?}", token.holder), "audience": token.audience}))
        .collect();
    json!({"vault": secrets, "groups": groups, "endpoints": endpoints, "pats": pats,
        "accessTokens": holders, "refreshTokensRedeemed": redeemed})
}
