//! The Azure Resource Manager service connection, as the agent hands it over in `ENDPOINT_*` (seen in code:
//! `Handler.cs`; parameter names: `azure-arm-endpoint.ts`).

use crate::model::cloud;
use crate::model::service_connection::{IdentityEndpoint, Proof, Scheme, ServiceConnection};
use url::Url;

use crate::agent::environment::Environment;
use crate::model::address;
use crate::model::certificate::Certificate;
use crate::model::secret::Secret;

/// Documented: how to use managed identities on a virtual machine.
const METADATA: &str = "http://169.254.169.254/";

/// Reads the connection with this id. An error completes the sentence "`serviceConnection` must be …".
pub(super) fn read(environment: &Environment, id: &str, loopback: Option<Url>) -> Result<ServiceConnection, String> {
    let part = |kind: &str, name: &str| {
        let wanted = format!("ENDPOINT_{kind}_{id}{name}");
        environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)).map(|(_, value)| value.trim())
    };
    let parameter = |name: &str| part("AUTH_PARAMETER", &format!("_{name}")).filter(|value| !value.is_empty());
    let data = |name: &str| part("DATA", &format!("_{name}")).filter(|value| !value.is_empty());
    let scheme = part("AUTH_SCHEME", "").ok_or_else(|| {
        format!("a service connection that this pipeline may use; the job has no connection with the id {}", shown(id))
    })?;
    let required =
        |name: &str, words: &str| parameter(name).ok_or_else(|| format!("a service connection with {words}"));
    let is_certificate = || parameter("AUTHENTICATIONTYPE").is_some_and(|t| t.eq_ignore_ascii_case("spnCertificate"));
    let app = |proof: Proof| -> Result<Scheme, String> {
        let tenant = required("TENANTID", "a tenant id")?.to_owned();
        Ok(Scheme::App { tenant, client: required("SERVICEPRINCIPALID", "an app's client id")?.to_owned(), proof })
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "workloadidentityfederation" => app(Proof::WorkloadIdentityFederation)?,
        "serviceprincipal" if is_certificate() => {
            let pem = required("SERVICEPRINCIPALCERTIFICATE", "a certificate")?;
            let certificate = Certificate::parse(pem).map_err(|what| format!("a service connection with {what}"))?;
            app(Proof::Certificate(certificate))?
        }
        "serviceprincipal" => {
            let secret = required("SERVICEPRINCIPALKEY", "a client secret")?;
            app(Proof::Secret(Secret::new(secret.to_owned())))?
        }
        "managedserviceidentity" => Scheme::ManagedIdentity {
            endpoint: identity_endpoint(environment, loopback.as_ref())?,
            client: data("MSICLIENTID").map(str::to_owned),
        },
        other => {
            return Err(format!(
                "an Azure Resource Manager service connection with workload identity federation, a secret, a certificate \
                 or a managed identity; got the kind {}",
                shown(other)
            ));
        }
    };
    let authority = data("ENVIRONMENTAUTHORITYURL").or_else(|| data("ACTIVEDIRECTORYAUTHORITY"));
    let authority = cloud::authority(authority, data("ENVIRONMENT"), loopback).map_err(|host| {
        format!("a service connection of the public, the US Government or the China cloud; got \"{host}\"")
    })?;
    Ok(ServiceConnection { id: id.to_owned(), authority, scheme })
}

/// App Service sets two variables; without them it is a virtual machine (seen in code: the Azure SDK for Rust).
fn identity_endpoint(environment: &Environment, loopback: Option<&Url>) -> Result<IdentityEndpoint, String> {
    let metadata = || Url::parse(METADATA).map_err(|error| error.to_string());
    match (environment.get("IDENTITY_ENDPOINT"), environment.get("IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => {
            let endpoint = address::local(endpoint).ok_or("a managed identity whose `IDENTITY_ENDPOINT` is local")?;
            Ok(IdentityEndpoint::AppService(endpoint, Secret::new(header.to_owned())))
        }
        (Some(_), None) => {
            Err("another service connection: `IDENTITY_ENDPOINT` without `IDENTITY_HEADER` means Azure Arc or Service \
                 Fabric, whose managed identities are not supported"
                .to_owned())
        }
        (None, _) => Ok(IdentityEndpoint::Metadata(loopback.cloned().map_or_else(metadata, Ok)?)),
    }
}

fn shown(text: &str) -> String {
    crate::model::text::quoted(text)
}
