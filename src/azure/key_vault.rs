//! Secrets in Azure Key Vault: read the current version, write a new one, disable an old one.
//! <https://learn.microsoft.com/rest/api/keyvault/secrets>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::model::vault_secret::VaultSecret;

const API_VERSION: &str = "7.4";
/// A secret has some dozens of versions; a faulty server may never end the list.
const MOST_PAGES: usize = 200;

/// Tags that a secret can have. Documented.
/// <https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#secret-tags>
const MOST_TAGS: usize = 15;
pub const FEWER_TAGS: &str = "Remove some of the secret's tags, or name another secret.";

/// Whether a secret with these tags has room for those of ours.
pub fn check_tags(tags: &BTreeMap<String, String>, ours: &[&str]) -> Result<(), String> {
    let foreign = tags.keys().filter(|name| !ours.contains(&name.as_str())).count();
    if foreign + ours.len() <= MOST_TAGS {
        return Ok(());
    }
    let ours = ours.len();
    Err(format!("has {foreign} other tags and needs {ours} more, but a secret can have at most {MOST_TAGS}"))
}

#[derive(Debug)]
pub struct Version {
    /// The version's own id, the end of its address.
    pub id: String,
    pub value: Secret,
    pub created: Option<Timestamp>,
    /// Custom tags.
    pub tags: BTreeMap<String, String>,
    pub content_type: Option<String>,
    /// The vault's time when it was read.
    pub read_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct NewVersion<'a> {
    pub value: &'a Secret,
    pub content_type: &'a str,
    pub tags: &'a BTreeMap<String, String>,
    /// When the value expires.
    pub expires: Option<Timestamp>,
}

/// Reads the current version; `None` when there is no such secret.
pub async fn read(http: &Http, secret: &VaultSecret, token: &Secret) -> Result<Option<Version>, CallError> {
    let call = Call::get(Service::KeyVault, address(secret, None), Auth::Bearer(token));
    match http.send_with_retry(&call).await {
        Ok(reply) => Ok(Some(Version { read_at: reply.date, ..reply.json::<WireSecret>()?.read() })),
        Err(error) if error.refusal().is_some_and(|(status, _)| status == 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the current version for its metadata. A disabled version is returned with an empty value: it is about to be
/// replaced, and its tags are kept.
pub async fn look(http: &Http, secret: &VaultSecret, token: &Secret) -> Result<Option<Version>, CallError> {
    match read(http, secret, token).await {
        Err(error) if error.refusal() == Some((403, "SecretDisabled")) => {
            let newest = versions(http, secret, token).await?.into_iter().max_by_key(|version| version.created);
            Ok(newest.map(|Listed { id, created, tags, content_type, .. }| {
                let value = Secret::new(String::new());
                Version { id, value, created, tags, content_type, read_at: None }
            }))
        }
        read => read,
    }
}

/// Writes a new version. Writing twice creates two equal versions, so the request may be repeated after a lost
/// response.
pub async fn write(
    http: &Http,
    secret: &VaultSecret,
    token: &Secret,
    new: &NewVersion<'_>,
) -> Result<Version, CallError> {
    let mut attributes = json!({ "enabled": true });
    if let Some(expires) = new.expires {
        attributes["exp"] = json!(expires.as_unix());
    }
    let body = Body::json(&json!({
        "value": new.value.reveal(),
        "contentType": new.content_type,
        "tags": new.tags,
        "attributes": attributes,
    }));
    let call = Call::new(Service::KeyVault, Method::PUT, address(secret, None), Auth::Bearer(token), body);
    let written = http.send_with_retry(&call).await?.json::<WireSecret>()?.read();
    if written.value != *new.value {
        let seen = "a different value than was written".to_owned();
        let kind = Kind::Unreadable { status: 200, seen };
        return Err(CallError::new(Service::KeyVault, kind));
    }
    Ok(written)
}

/// A version as the list of versions shows it: without its value.
#[derive(Debug)]
pub struct Listed {
    pub id: String,
    /// Whether it can be read.
    is_enabled: bool,
    created: Option<Timestamp>,
    content_type: Option<String>,
    /// Custom tags.
    pub tags: BTreeMap<String, String>,
}

async fn versions(http: &Http, secret: &VaultSecret, token: &Secret) -> Result<Vec<Listed>, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        value: Vec<WireItem>,
        next_link: Option<String>,
    }
    let mut listed = Vec::new();
    let mut url = address(secret, Some("versions"));
    for _ in 0..MOST_PAGES {
        let page: Page = http.send_with_retry(&Call::get(Service::KeyVault, url, Auth::Bearer(token))).await?.json()?;
        listed.extend(page.value.into_iter().map(WireItem::read));
        // Followed only within the vault: the token is not sent to other hosts.
        let next = page.next_link.as_deref().and_then(|link| Url::parse(link).ok());
        match next.filter(|next| next.origin() == secret.url().origin()) {
            Some(next) => url = next,
            None => break,
        }
    }
    Ok(listed)
}

/// Disables a version, so that its value cannot be read any more.
pub async fn disable(http: &Http, secret: &VaultSecret, version: &str, token: &Secret) -> Result<(), CallError> {
    let body = Body::json(&json!({ "attributes": { "enabled": false } }));
    let url = address(secret, Some(version));
    http.send_with_retry(&Call::new(Service::KeyVault, Method::PATCH, url, Auth::Bearer(token), body)).await.map(|_| ())
}

/// Every enabled version but the current one.
pub async fn older(http: &Http, secret: &VaultSecret, token: &Secret) -> Result<Vec<Listed>, CallError> {
    // Listed before reading: a version that another run writes in between is either not listed or is the current one.
    let listed = versions(http, secret, token).await?;
    let Some(current) = read(http, secret, token).await? else { return Ok(Vec::new()) };
    Ok(listed.into_iter().filter(|version| version.is_enabled && version.id != current.id).collect())
}

/// Disables every enabled version but the current one.
pub async fn disable_older(http: &Http, secret: &VaultSecret, token: &Secret) -> Result<(), CallError> {
    for version in older(http, secret, token).await? {
        disable(http, secret, &version.id, token).await?;
    }
    Ok(())
}

fn address(secret: &VaultSecret, version: Option<&str>) -> Url {
    let mut url = secret.url().clone();
    if let (Some(version), Ok(mut segments)) = (version, url.path_segments_mut()) {
        segments.push(version);
    }
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    url
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSecret {
    value: Secret,
    id: String,
    content_type: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
struct Attributes {
    created: Option<i64>,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireItem {
    id: String,
    content_type: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

impl WireItem {
    fn read(self) -> Listed {
        Listed {
            id: last_segment(&self.id),
            is_enabled: self.attributes.enabled.unwrap_or(true),
            created: self.attributes.created.and_then(Timestamp::from_unix),
            content_type: self.content_type,
            tags: self.tags.unwrap_or_default(),
        }
    }
}

fn last_segment(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_owned()
}

impl WireSecret {
    fn read(self) -> Version {
        Version {
            id: last_segment(&self.id),
            value: self.value,
            created: self.attributes.created.and_then(Timestamp::from_unix),
            tags: self.tags.unwrap_or_default(),
            content_type: self.content_type,
            read_at: None,
        }
    }
}
