//! Who is in an organization: Graph users.
//! <https://learn.microsoft.com/rest/api/azure/devops/graph/users/list>

use serde::Deserialize;

use crate::http::rate_limit::RateLimit;
use crate::http::{Auth, Call, Http};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::inventory::Owner;
use crate::model::organization::Organization;
use crate::model::secret::Secret;

/// Every version is a preview.
const API_VERSION: &str = "7.1-preview.1";
/// Documented: a continuation token in the reply is the only sign of more pages. The header's name is not (seen in
/// code: clients of this API).
const NEXT_PAGE: &str = "x-ms-continuationtoken";
/// People; apps and the service's own identities have no personal access tokens.
const KINDS: &str = "aad,msa";

/// Some of the users.
#[derive(Debug)]
pub struct Page {
    /// Those on this page.
    pub users: Vec<Owner>,
    /// What to ask the next page with.
    pub next: Option<String>,
    /// How much may still be asked.
    pub allowance: RateLimit,
    /// The server's time.
    pub date: Option<crate::model::timestamp::Timestamp>,
}

/// Reads one page.
///
/// # Errors
/// When it cannot be had, or leads back to itself.
pub async fn users(
    http: &Http,
    organization: &Organization,
    token: &Secret,
    continuation: Option<&str>,
) -> Result<Page, CallError> {
    let mut url = organization.identity("_apis/graph/users");
    url.query_pairs_mut().append_pair("subjectTypes", KINDS).append_pair("api-version", API_VERSION);
    if let Some(continuation) = continuation {
        url.query_pairs_mut().append_pair("continuationToken", continuation);
    }
    let reply = http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Bearer(token))).await?;
    let body: Body = reply.json()?;
    let next = reply.header(NEXT_PAGE).map(str::to_owned).filter(|next| !next.is_empty());
    if next.is_some() && next.as_deref() == continuation {
        let seen = "a list of users whose next page is the same page".to_owned();
        return Err(reply.error(Kind::Unreadable { status: reply.status, seen }));
    }
    let users = body.value.into_iter().filter_map(WireUser::read).collect();
    Ok(Page { users, next, allowance: reply.allowance(), date: reply.date })
}

#[derive(Deserialize)]
struct Body {
    value: Vec<WireUser>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUser {
    descriptor: Option<String>,
    display_name: Option<String>,
    principal_name: Option<String>,
    mail_address: Option<String>,
}

impl WireUser {
    /// Without a descriptor there is nothing that could be asked.
    fn read(self) -> Option<Owner> {
        let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Some(Owner {
            id: given(self.descriptor)?,
            name: given(self.display_name),
            principal: given(self.principal_name),
            mail: given(self.mail_address),
        })
    }
}
