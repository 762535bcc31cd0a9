//! The Azure Resource Manager service connection, as the agent hands it over in `ENDPOINT_*` (seen in code:
//! `Handler.cs`; parameter names: `azure-arm-endpoint.ts`).

use url::Url;

use super::address;
use super::environment::Environment;
use crate::secret::Secret;

/// A service connection that this program can sign in with.
#[derive(Debug)]
pub struct ServiceConnection {
    /// Its id.
    pub id: String,
    /// The tenant of its app.
    pub tenant: String,
    /// Its app.
    pub client: String,
    /// The login host of its cloud.
    pub authority: Url,
    /// How it proves what it is.
    pub scheme: Scheme,
}

/// How a service connection proves what it is.
#[derive(Debug)]
pub enum Scheme {
    /// Workload identity federation: the pipeline asks for an assertion each time.
    WorkloadIdentityFederation,
    /// A client secret, stored in the connection.
    ClientSecret(Secret),
}

/// Reads the connection with this id.
///
/// # Errors
/// Sentences on what is expected instead, for the input that names it.
pub(super) fn read(environment: &Environment, id: &str, loopback: Option<Url>) -> Result<ServiceConnection, String> {
    let part = |kind: &str, name: &str| {
        let wanted = format!("ENDPOINT_{kind}_{id}{name}");
        environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)).map(|(_, value)| value.trim())
    };
    let parameter = |name: &str| part("AUTH_PARAMETER", &format!("_{name}")).filter(|value| !value.is_empty());
    let data = |name: &str| part("DATA", &format!("_{name}")).filter(|value| !value.is_empty());
    let scheme = part("AUTH_SCHEME", "").ok_or_else(|| {
        format!("a service connection that this pipeline may use: the job has none with the id {}", shown(id))
    })?;
    let needed = |name: &str, words: &str| parameter(name).ok_or_else(|| format!("a service connection with {words}"));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "workloadidentityfederation" => Scheme::WorkloadIdentityFederation,
        "serviceprincipal"
            if parameter("AUTHENTICATIONTYPE").is_some_and(|t| t.eq_ignore_ascii_case("spnCertificate")) =>
        {
            return Err("a service connection with workload identity federation or a secret: this one has a \
                        certificate, which this version cannot use"
                .to_owned());
        }
        "serviceprincipal" => {
            Scheme::ClientSecret(Secret::new(needed("SERVICEPRINCIPALKEY", "a client secret")?.to_owned()))
        }
        other => {
            return Err(format!(
                "a service connection with workload identity federation or a secret: this version cannot use one of \
                 the kind {}",
                shown(other)
            ));
        }
    };
    let authority = data("ENVIRONMENTAUTHORITYURL").or_else(|| data("ACTIVEDIRECTORYAUTHORITY"));
    Ok(ServiceConnection {
        id: id.to_owned(),
        tenant: needed("TENANTID", "a tenant id")?.to_owned(),
        client: needed("SERVICEPRINCIPALID", "an app's client id")?.to_owned(),
        authority: address::authority(authority, loopback)
            .map_err(|host| format!("a service connection of a known cloud: its authority is \"{host}\""))?,
        scheme,
    })
}

fn shown(text: &str) -> String {
    crate::text::quoted(text)
}
