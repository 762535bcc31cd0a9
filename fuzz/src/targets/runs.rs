//! The decoders of replies, through whole runs: what a service says may fail a stage, in words, and no more.

use super::settings::{CONNECTION, JOB};
use crate::service::{SECRET, run};

/// A job that rotates with an access token, among services that are all at one address.
fn with<'a>(more: &[(&'a str, &'a str)], data: &[u8]) {
    let own = [
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "http://ORIGIN/contoso/"),
        ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", SECRET),
    ];
    run(&JOB.into_iter().chain(own).chain(more.iter().copied()).collect::<Vec<_>>(), data);
}

/// The personal access tokens: list, create, prove, rename, revoke; and the builds of other runs.
pub(crate) fn pats(data: &[u8]) {
    with(&[("INPUT_ACCESSTOKEN", SECRET), ("INPUT_VARIABLE", "NUGET_PAT"), ("INPUT_OVERLAPHOURS", "0")], data);
}

/// A sign-in with a refresh token in a vault, as a federated app.
pub(crate) fn sign_ins(data: &[u8]) {
    let oidc = "http://ORIGIN/contoso/22222222-2222-2222-2222-222222222222/_apis/distributedtask/oidctoken";
    let connection = [("INPUT_SERVICECONNECTION", CONNECTION), ("SYSTEM_OIDCREQUESTURI", oidc)];
    let source = [("INPUT_REFRESHTOKENSECRET", "http://ORIGIN/secrets/refresh")];
    with(&[&connection[..], &source].concat(), data);
}

/// Publishing into a vault and a variable group.
pub(crate) fn stores(data: &[u8]) {
    publish("http://ORIGIN/secrets/nuget-pat\nvariableGroup: Prod/NUGET_PAT", data);
}

/// Publishing into a service connection.
pub(crate) fn endpoints(data: &[u8]) {
    publish("serviceConnection: feed", data);
}

/// A report on everybody's tokens, with its sheets.
pub(crate) fn reports(data: &[u8]) {
    let folder = std::env::temp_dir().join(format!("rotate-pat-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let folder = folder.to_string_lossy();
    let inputs = [("INPUT_COMMAND", "report"), ("INPUT_REPORTSCOPE", "organization"), ("INPUT_PATNAME", "")];
    with(&[&inputs[..], &[("INPUT_ACCESSTOKEN", SECRET), ("AGENT_TEMPDIRECTORY", &folder)]].concat(), data);
}

fn publish(places: &str, data: &[u8]) {
    const SCHEME: &str = "ENDPOINT_AUTH_SCHEME_11111111-1111-1111-1111-111111111111";
    const KEY: &str = "ENDPOINT_AUTH_PARAMETER_11111111-1111-1111-1111-111111111111_SERVICEPRINCIPALKEY";
    let app = [(SCHEME, "ServicePrincipal"), (KEY, SECRET), ("INPUT_SERVICECONNECTION", CONNECTION)];
    let publisher = [("INPUT_AZUREDEVOPSSERVICECONNECTION", CONNECTION), ("INPUT_ACCESSTOKEN", SECRET)];
    with(&[&app[..], &publisher, &[("INPUT_PUBLISHTO", places)]].concat(), data);
}
