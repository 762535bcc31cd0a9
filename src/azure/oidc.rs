//! The pipeline's own token for workload identity federation, asked for right before it is used, as it lives for
//! minutes. Documented in the sprint 240 release note; headers as in Microsoft's own clients.

use serde::Deserialize;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::api_error::{CallError, Service};
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// Asks for an assertion that names the service connection.
///
/// # Errors
/// What became of the request.
pub async fn assertion(
    http: &Http,
    request_uri: &Url,
    connection: &str,
    job_token: &Secret,
) -> Result<Secret, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        oidc_token: Secret,
    }
    let mut url = request_uri.clone();
    url.query_pairs_mut().append_pair("api-version", API_VERSION).append_pair("serviceConnectionId", connection);
    let call = Call::new(Service::Oidc, Method::POST, url, Auth::Bearer(job_token), Body::EmptyJson);
    let answer: Answer = http.send_with_retry(&call).await?.json()?;
    Ok(answer.oidc_token)
}
