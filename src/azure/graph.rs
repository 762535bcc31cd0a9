//! Who is in an organization: Graph users.
//! <https://learn.microsoft.com/rest/api/azure/devops/graph/users/list>

use serde::Deserialize;
use serde_json::value::RawValue;

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
    /// Users on this page whose tokens cannot be asked for: without a descriptor, or no user at all.
    pub unreadable: Vec<Owner>,
    /// The continuation token of the next page.
    pub next: Option<String>,
    /// Whether there is a next page, but its continuation token is not text.
    pub is_cut: bool,
    /// The rate limit after the last response.
    pub allowance: RateLimit,
    /// The server's time.
    pub date: Option<crate::model::timestamp::Timestamp>,
}

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
    let mut page = Page {
        users: Vec::new(),
        unreadable: Vec::new(),
        next,
        is_cut: reply.has_header(NEXT_PAGE) && reply.header(NEXT_PAGE).is_none(),
        allowance: reply.allowance(),
        date: reply.date,
    };
    for user in body.value.iter().map(|user| owner(user)) {
        let list = if user.id.is_empty() { &mut page.unreadable } else { &mut page.users };
        list.push(user);
    }
    Ok(page)
}

/// Items and fields are parsed one by one, so that an invalid one does not affect the others.
#[derive(Deserialize)]
struct Body {
    value: Vec<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct WireUser<'a> {
    #[serde(borrow)]
    descriptor: Option<&'a RawValue>,
    #[serde(borrow)]
    display_name: Option<&'a RawValue>,
    #[serde(borrow)]
    principal_name: Option<&'a RawValue>,
    #[serde(borrow)]
    mail_address: Option<&'a RawValue>,
    #[serde(borrow)]
    origin_id: Option<&'a RawValue>,
}

/// The id is empty if there is no descriptor.
fn owner(user: &RawValue) -> Owner {
    let user: WireUser<'_> = serde_json::from_str(user.get()).unwrap_or_default();
    let given = |field: Option<&RawValue>| {
        let text = serde_json::from_str::<String>(field?.get()).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    Owner {
        id: given(user.descriptor).unwrap_or_default(),
        name: given(user.display_name),
        principal: given(user.principal_name),
        mail: given(user.mail_address),
        object_id: given(user.origin_id),
    }
}
