//! A secret in Azure Key Vault. Its tags are the record of which personal access token it holds.

use std::collections::BTreeMap;

use super::NotWritten;
use crate::azure::connection_data;
use crate::azure::http::{Auth, CallError, Kind, Service};
use crate::azure::key_vault::{self, NewVersion};
use crate::outcome::Failure;
use crate::pat::{AuthorizationId, Pat};
use crate::plan::{Holds, Record};
use crate::secret::Secret;
use crate::settings::address::VaultSecret;
use crate::sign_in::connection;
use crate::work::{Work, on};

const CONTENT_TYPE: &str = "Azure DevOps personal access token";

/// What the secret holds by its tags, and whether that still works.
pub(super) async fn record(work: &Work, secret: &VaultSecret) -> Result<Record, Failure> {
    const UNCHANGED: &str = "Nothing was changed.";
    let failed = |error: CallError, what: String| Failure::new(on(error, &what), UNCHANGED);
    let token = connection::token_for(work, &secret.scope()).await?;
    let stored = key_vault::read(&work.http, secret, &token)
        .await
        .map_err(|error| failed(error, format!("could not read the {secret}")))?;
    let holds = match stored {
        None => Holds::Nothing,
        Some(stored) => {
            work.console.hide(&stored.value);
            match stored.tags.get("authorizationId").and_then(|id| AuthorizationId::parse(id)) {
                None => Holds::Nothing,
                Some(id) => {
                    let works = works(work, &stored.value)
                        .await
                        .map_err(|error| failed(error, format!("could not try the token in the {secret}")))?;
                    if works { Holds::Pat(id) } else { Holds::NoLongerValid(id) }
                }
            }
        }
    };
    Ok(Record { destination: secret.to_string(), holds })
}

async fn works(work: &Work, value: &Secret) -> Result<bool, CallError> {
    match connection_data::identity(&work.http, &work.settings.organization, Auth::Pat(value)).await {
        Ok(identity) => Ok(identity.is_some()),
        Err(error) if error.is_about_signing_in() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a new version and reads it back.
pub(super) async fn publish(work: &Work, secret: &VaultSecret, pat: &Pat, value: &Secret) -> Result<(), NotWritten> {
    let token = connection::token_for(work, &secret.scope()).await.map_err(|failure| NotWritten {
        error: CallError { service: Service::KeyVault, kind: Kind::NotSent(failure.to_string()), activity: None },
        may_hold_it: false,
    })?;
    let settings = &work.settings;
    let tags = BTreeMap::from([
        ("authorizationId".to_owned(), pat.id.to_string()),
        ("validTo".to_owned(), pat.valid_to.to_string()),
        ("organization".to_owned(), settings.organization.name.clone()),
        ("patName".to_owned(), settings.wish.name.as_str().to_owned()),
        ("run".to_owned(), settings.wish.run.to_string()),
    ]);
    let new = NewVersion { value, content_type: CONTENT_TYPE, tags: &tags, expires: Some(pat.valid_to) };
    key_vault::write(&work.http, secret, &token, &new).await?;
    let stored =
        key_vault::read(&work.http, secret, &token).await.map_err(|error| NotWritten { error, may_hold_it: true })?;
    let is_there = stored.is_some_and(|stored| stored.value == *value && stored.tags == tags);
    if is_there {
        return Ok(());
    }
    let kind = Kind::Unreadable { status: 200, seen: "another value than the one just written".to_owned() };
    Err(NotWritten { error: CallError { service: Service::KeyVault, kind, activity: None }, may_hold_it: true })
}
