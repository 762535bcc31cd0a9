//! The pipeline's own token for workload identity federation, asked for right before it is used, as it lives for
//! minutes. Documented in the sprint 240 release note; headers as in Microsoft's own clients.

use std::convert::Infallible;

use serde::Deserialize;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method, Reply};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// Asks for an assertion that names the service connection.
pub async fn assertion(
    http: &Http,
    request_uri: &Url,
    connection: &str,
    job_token: &Secret,
) -> Result<Secret, CallError> {
    let mut url = request_uri.clone();
    url.query_pairs_mut().append_pair("api-version", API_VERSION).append_pair("serviceConnectionId", connection);
    let call = Call::new(Service::Oidc, Method::POST, url, Auth::Bearer(job_token), Body::EmptyJson);
    let ask =
        async || Ok::<_, Infallible>(http.send_once(&call, http.limits().reply).await.and_then(|reply| read(&reply)));
    let Ok(answer) = http.retry_with(Service::Oidc, ask).await;
    answer
}

/// Sometimes a 200 contains no token, and the next one does (azure-pipelines-tasks-common-packages#255).
fn read(reply: &Reply) -> Result<Secret, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        oidc_token: Option<Secret>,
    }
    let answer: Option<Answer> = if reply.is_empty() { None } else { reply.json()? };
    let token = answer.and_then(|answer| answer.oidc_token).filter(|token| !token.reveal().is_empty());
    token.ok_or_else(|| reply.error(Kind::NoAnswer(format!("{} without a token", reply.status))))
}
