//! Which permissions has the caller? Asked of the security service, which answers for the caller alone.
//! <https://learn.microsoft.com/rest/api/azure/devops/security/permissions/has-permissions>
//!
//! Which namespaces and tokens stand for variable groups and service connections is seen in code
//! (terraform-provider-azuredevops), and so is the bit.

use serde::Deserialize;

use crate::http::{Auth, Call, Http};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::organization::Organization;
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";
/// docs/assumptions.md: `Administer` is what a write of a variable group or service connection needs.
const ADMINISTER: u32 = 2;

/// A security namespace, by its id.
#[derive(Clone, Copy, Debug)]
pub struct Namespace(&'static str);

/// Variable groups and secure files.
pub const LIBRARY: Namespace = Namespace("b7e84409-6553-448a-bbb2-af228e07cbeb");
/// Service connections.
pub const ENDPOINTS: Namespace = Namespace("49b48001-ca20-4adc-8111-5b60c903a50c");

/// Whether the caller may administer the object.
pub async fn may(
    http: &Http,
    organization: &Organization,
    token: &Secret,
    Namespace(namespace): Namespace,
    object: &str,
) -> Result<bool, CallError> {
    #[derive(Deserialize)]
    struct Answers {
        value: Vec<bool>,
    }
    let mut url = organization.core(&format!("_apis/permissions/{namespace}/{ADMINISTER}"));
    url.query_pairs_mut().append_pair("tokens", object).append_pair("api-version", API_VERSION);
    let reply = http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Bearer(token))).await?;
    match reply.json::<Answers>()?.value[..] {
        [answer] => Ok(answer),
        _ => {
            let seen = "not one answer to one question".to_owned();
            Err(CallError::new(Service::AzureDevOps, Kind::Unreadable { status: reply.status, seen }))
        }
    }
}
