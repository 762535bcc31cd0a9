//! Who is the caller? `GET _apis/connectionData`, asked with the user's token and with the new personal access token.
//! Seen in code (the agent, az and others call it this way); no document says which scope it needs.

use crate::model::user::Identity;
use serde::Deserialize;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method, Reply};
use crate::model::api_error::{CallError, Service};
use crate::model::organization::Organization;

const API_VERSION: &str = "7.1-preview";
/// The identity of a caller who is nobody (seen in code).
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Asks who `auth` speaks for; `None` is nobody.
///
/// # Errors
/// When there is no answer, or the credential is not taken.
pub async fn identity(http: &Http, organization: &Organization, auth: Auth<'_>) -> Result<Option<Identity>, CallError> {
    let call = Call::get(Service::AzureDevOps, address(organization, "_apis/connectionData"), auth);
    let reply = http.send_with_retry(&Call { accept_any_status: true, ..call }).await?;
    if reply.status == 403
        && let Some((id, account)) = reply.header("x-vss-userdata").and_then(|user| user.split_once(':'))
    {
        // Signed in, but its scopes do not reach this page; the header names the caller (seen in code).
        return Ok(Some(Identity { id: id.to_ascii_lowercase(), account: account.to_owned() }));
    }
    read(&reply.success(false)?)
}

fn read(reply: &Reply) -> Result<Option<Identity>, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ConnectionData {
        authenticated_user: Option<User>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct User {
        id: String,
        provider_display_name: Option<String>,
        #[serde(default)]
        properties: serde_json::Value,
    }
    let data: ConnectionData = reply.json()?;
    let Some(user) = data.authenticated_user else { return Ok(None) };
    let is_nobody = user.id == ANONYMOUS || user.provider_display_name.as_deref() == Some("Anonymous");
    let account = user.properties["Account"]["$value"].as_str().unwrap_or_default().to_owned();
    Ok((!is_nobody).then(|| Identity { id: user.id.to_ascii_lowercase(), account }))
}

/// The Entra tenant of an organization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tenant {
    /// This one.
    Entra(String),
    /// None: the organization is backed by Microsoft accounts.
    MicrosoftAccounts,
    /// The organization does not tell.
    Untold,
}

/// Asks, as nobody, which tenant an organization belongs to (seen in code: the agent, Git Credential Manager).
///
/// # Errors
/// When there is no answer at all.
pub async fn tenant(http: &Http, organization: &Organization) -> Result<Tenant, CallError> {
    let url = address(organization, "_apis/connectiondata");
    let call = Call::new(Service::AzureDevOps, Method::HEAD, url, Auth::Nobody, Body::Empty);
    let reply = http.send_with_retry(&Call { accept_any_status: true, ..call }).await?;
    Ok(match reply.header("x-vss-resourcetenant").map(str::to_owned) {
        None => Tenant::Untold,
        Some(id) if id.bytes().all(|byte| byte == b'0' || byte == b'-') => Tenant::MicrosoftAccounts,
        Some(id) if id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') => Tenant::Entra(id),
        Some(_) => Tenant::Untold,
    })
}

fn address(organization: &Organization, path: &str) -> Url {
    let mut url = organization.core(path);
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    url
}
