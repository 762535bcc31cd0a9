//! The state of a run: reads the build with the job's own token. The plan decides what follows.
//! <https://learn.microsoft.com/rest/api/azure/devops/build/builds/get>

use serde::Deserialize;

use crate::http::{Auth, Call, Http};
use crate::model::api_error::{CallError, Service};
use crate::model::organization::Organization;
use crate::model::run_id::BuildState;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

const API_VERSION: &str = "7.1";

/// Reads a build of the pipeline's own project. `Unknown` if the job's token cannot see it.
///
/// # Errors
/// If the service is unavailable: a guess could mistake a slow run for a dead one.
pub async fn state(
    http: &Http,
    pipelines: &Organization,
    project: &str,
    build: u64,
    job_token: &Secret,
) -> Result<BuildState, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Build {
        status: Option<String>,
        finish_time: Option<String>,
    }
    let mut url = pipelines.core(&format!("{}/_apis/build/builds/{build}", crate::model::address::segment(project)));
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    let reply = match http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Bearer(job_token))).await {
        Ok(reply) => reply,
        Err(error) if error.refusal().is_some() || error.is_about_signing_in() => return Ok(BuildState::Unknown),
        Err(error) => return Err(error),
    };
    let build: Build = reply.json()?;
    Ok(match build.status.as_deref() {
        Some("completed") => BuildState::Completed(build.finish_time.as_deref().and_then(Timestamp::parse)),
        Some(_) => BuildState::NotCompleted,
        None => BuildState::Unknown,
    })
}
