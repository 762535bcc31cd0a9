//! Tokens of the managed identity of the machine that the agent runs on. They act for an app, never for a user.
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

use std::cell::Cell;
use std::convert::Infallible;

use crate::azure::entra::Tokens;
use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::api_error::{CallError, Service};
use crate::model::service_connection::IdentityEndpoint;

/// Documented, as the header that keeps forwarded requests out.
const METADATA_VERSION: &str = "2018-02-01";
/// How often a 404 is asked again. The metadata service answers so for seconds while it is updated (documented), and
/// for ever on a machine that has none.
const MISSING: u32 = 5;
/// Seen in code: the Azure SDK for Rust.
const APP_SERVICE_VERSION: &str = "2019-08-01";

/// Asks for a token for a resource, as a user-assigned identity where one is named.
pub async fn token(
    http: &Http,
    endpoint: &IdentityEndpoint,
    client: Option<&str>,
    resource: &str,
) -> Result<Tokens, CallError> {
    let (url, version, auth) = match endpoint {
        IdentityEndpoint::Metadata(host) => {
            let mut url = host.clone();
            url.set_path("metadata/identity/oauth2/token");
            (url, METADATA_VERSION, Auth::Metadata)
        }
        IdentityEndpoint::AppService(url, header) => (url.clone(), APP_SERVICE_VERSION, Auth::AppService(header)),
    };
    let mut url = url;
    url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
    if let Some(client) = client {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    let call = Call::new(Service::ManagedIdentity, Method::GET, url, auth, Body::Empty);
    let missing = Cell::new(0);
    let ask = async || {
        let answer = http.send_once(&call, http.limits().reply).await;
        Ok::<_, Infallible>(answer.map_err(|error| match (endpoint, error.refusal()) {
            (IdentityEndpoint::Metadata(_), Some((410, _))) => error.as_busy(),
            (IdentityEndpoint::Metadata(_), Some((404, _))) if missing.replace(missing.get() + 1) < MISSING => {
                error.as_busy()
            }
            _ => error,
        }))
    };
    let Ok(answer) = http.retry_within(http.limits().metadata_update, Service::ManagedIdentity, ask).await;
    answer?.json()
}
