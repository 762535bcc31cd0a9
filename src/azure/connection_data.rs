//! Who is the caller? `GET _apis/connectionData`, asked with the user's token and with the new personal access token.
//! Seen in code (the agent, az and others call it this way); no document says which scope it needs.
//!
//! docs/assumptions.md: A token with any scope reaches `connectionData`.

use serde::Deserialize;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method, Reply};
use crate::model::api_error::{CallError, Service};
use crate::model::organization::Organization;
use crate::model::pat::OrganizationId;
use crate::model::user::Identity;

const API_VERSION: &str = "7.1-preview";
/// The types of refusals for want of a right or a scope. Policies have numbers, or other types.
const LACKS_RIGHTS: [&str; 3] = ["InvalidAccessException", "AccessDeniedException", "AccessCheckException"];
/// The id of an anonymous caller (seen in code).
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// What an organization says of the caller and of itself.
#[derive(Debug, Default)]
pub struct ConnectionData {
    /// Who the credential speaks for; `None` is nobody.
    pub user: Option<Identity>,
    /// The organization's own id.
    pub organization: Option<OrganizationId>,
}

/// Asks who `auth` speaks for; `None` is nobody.
pub async fn identity(http: &Http, organization: &Organization, auth: Auth<'_>) -> Result<Option<Identity>, CallError> {
    Ok(ask(http, organization, auth).await?.user)
}

/// Asks who `auth` speaks for, and which organization this is.
pub async fn ask(http: &Http, organization: &Organization, auth: Auth<'_>) -> Result<ConnectionData, CallError> {
    let call = Call::get(Service::AzureDevOps, address(organization, "_apis/connectionData"), auth);
    let reply = http.send_with_retry(&Call { accept_any_status: true, ..call }).await?;
    let named = caller(&reply);
    match reply.success(false) {
        Ok(reply) => read(&reply),
        // Signed in, but its scopes do not reach this page. A policy's refusal can name the caller, too, and proves
        // nothing: only these types are about the caller's rights.
        Err(error) if error.refusal().is_some_and(|(status, code)| status == 403 && LACKS_RIGHTS.contains(&code)) => {
            named.map_or(Err(error), |named| Ok(ConnectionData { user: Some(named), organization: None }))
        }
        Err(error) => Err(error),
    }
}

/// The caller by the header of an answer (seen in code): `id:account`, or the id alone.
fn caller(reply: &Reply) -> Option<Identity> {
    let named = reply.header("x-vss-userdata")?.trim();
    let (id, account) = named.split_once(':').unwrap_or((named, ""));
    let is_id = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (is_id && id != ANONYMOUS).then(|| Identity { id: id.to_ascii_lowercase(), account: account.to_owned() })
}

fn read(reply: &Reply) -> Result<ConnectionData, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        authenticated_user: Option<User>,
        instance_id: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct User {
        id: String,
        provider_display_name: Option<String>,
        #[serde(default)]
        properties: serde_json::Value,
    }
    let data: Wire = reply.json()?;
    let organization = data.instance_id.as_deref().and_then(OrganizationId::parse);
    let Some(user) = data.authenticated_user else { return Ok(ConnectionData { user: None, organization }) };
    let is_nobody = user.id == ANONYMOUS || user.provider_display_name.as_deref() == Some("Anonymous");
    let account = user.properties["Account"]["$value"].as_str().unwrap_or_default().to_owned();
    let user = (!is_nobody).then(|| Identity { id: user.id.to_ascii_lowercase(), account });
    Ok(ConnectionData { user, organization })
}

/// The Entra tenant of an organization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tenant {
    Entra(String),
    /// docs/assumptions.md: A tenant of zeros means Microsoft accounts.
    /// docs/assumptions.md: An organization that does not exist has a tenant of zeros, too.
    ///
    /// None: the organization is backed by Microsoft accounts, or the service cannot tell.
    Missing,
    /// The response does not say.
    Untold,
}

/// Asks anonymously which tenant an organization belongs to (seen in code: the agent, Git Credential Manager). "No
/// tenant" may be a transient error, so it must be answered twice.
pub async fn tenant(http: &Http, organization: &Organization) -> Result<Tenant, CallError> {
    Ok(tenant_and_status(http, organization).await?.0)
}

/// The same, with the status of the answer.
pub async fn tenant_and_status(http: &Http, organization: &Organization) -> Result<(Tenant, u16), CallError> {
    match tenant_once(http, organization).await? {
        (Tenant::Missing, _) => {
            http.pause(Service::AzureDevOps, http.limits().first_pause).await?;
            tenant_once(http, organization).await
        }
        told => Ok(told),
    }
}

async fn tenant_once(http: &Http, organization: &Organization) -> Result<(Tenant, u16), CallError> {
    let (tenant, reply) = ask_tenant(http, organization).await?;
    let status = reply.status;
    if status == 404 && !matches!(tenant, Tenant::Entra(_)) {
        reply.success(false)?;
    }
    Ok((tenant, status))
}

/// What the service says of an organization that may not exist, and with which status.
pub async fn any_tenant(http: &Http, organization: &Organization) -> Result<(Tenant, u16), CallError> {
    let (tenant, reply) = ask_tenant(http, organization).await?;
    Ok((tenant, reply.status))
}

async fn ask_tenant(http: &Http, organization: &Organization) -> Result<(Tenant, Reply), CallError> {
    let url = address(organization, "_apis/connectiondata");
    let call = Call::new(Service::AzureDevOps, Method::HEAD, url, Auth::Nobody, Body::Empty);
    let reply = http.send_with_retry(&Call { accept_any_status: true, ..call }).await?;
    let tenant = match reply.header("x-vss-resourcetenant") {
        None => Tenant::Untold,
        Some(id) if id.bytes().all(|byte| byte == b'0' || byte == b'-') => Tenant::Missing,
        Some(id) if id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') => Tenant::Entra(id.to_owned()),
        Some(_) => Tenant::Untold,
    };
    Ok((tenant, reply))
}

fn address(organization: &Organization, path: &str) -> Url {
    let mut url = organization.core(path);
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    url
}
