//! The projects of an organization, asked for only to see what a token without their scope (`vso.project`) is told.
//! <https://learn.microsoft.com/rest/api/azure/devops/core/projects/list>

use crate::http::{Auth, Call, Http};
use crate::model::api_error::{CallError, Service};
use crate::model::organization::Organization;
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// Asks with a personal access token. The answer itself does not matter.
pub async fn ask(http: &Http, organization: &Organization, pat: &Secret) -> Result<(), CallError> {
    let mut url = organization.core("_apis/projects");
    url.query_pairs_mut().append_pair("$top", "1").append_pair("api-version", API_VERSION);
    http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Pat(pat))).await.map(drop)
}
