//! A secret in Azure Key Vault. Its tags are the record of which personal access token it holds.

use std::collections::BTreeMap;

use crate::app_tokens;
use crate::azure::connection_data;
use crate::azure::key_vault::{self, NewVersion};
use crate::context::Context;
use crate::destinations::not_written::NotWritten;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::api_error::CallError;
use crate::model::pat::{AuthorizationId, Pat};
use crate::model::secret::Secret;
use crate::model::vault_secret::VaultSecret;
use crate::plan::{Record, RecordedPat};
use crate::settings::RotateSettings;

const CONTENT_TYPE: &str = "Azure DevOps personal access token";
const ID_TAG: &str = "authorizationId";

/// What the secret holds by its tags, and whether that still works.
pub(super) async fn record(context: &Context, secret: &VaultSecret) -> Result<Record, StepError> {
    let failed = |error: CallError, what: String| StepError::new(on(error, &what));
    let token = app_tokens::token_for(context, &secret.scope()).await?;
    let stored = key_vault::read(&context.http, secret, &token)
        .await
        .map_err(|error| failed(error, format!("could not read the {secret}")))?;
    let id = stored.as_ref().and_then(|stored| AuthorizationId::parse(stored.tags.get(ID_TAG)?));
    let holds = match (stored, id) {
        (Some(stored), Some(id)) => {
            context.console.redact(&stored.value);
            let works = works(context, &stored.value)
                .await
                .map_err(|error| failed(error, format!("could not try the token in the {secret}")))?;
            if works { RecordedPat::Pat(id) } else { RecordedPat::NoLongerValid(id) }
        }
        _ => RecordedPat::Nothing,
    };
    Ok(Record { destination: secret.to_string(), holds })
}

async fn works(context: &Context, value: &Secret) -> Result<bool, CallError> {
    match connection_data::identity(&context.http, &context.access.organization, Auth::Pat(value)).await {
        Ok(identity) => Ok(identity.is_some()),
        Err(error) if error.is_about_signing_in() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a new version and reads it back.
pub(super) async fn publish(
    context: &Context,
    settings: &RotateSettings,
    secret: &VaultSecret,
    pat: &Pat,
    value: &Secret,
) -> Result<(), NotWritten> {
    let token = app_tokens::token_for(context, &secret.scope()).await?;
    let tags = BTreeMap::from([
        (ID_TAG.to_owned(), pat.id.to_string()),
        ("validTo".to_owned(), pat.valid_to.to_string()),
        ("organization".to_owned(), context.access.organization.name.clone()),
        ("patName".to_owned(), settings.request.name.as_str().to_owned()),
        ("run".to_owned(), settings.request.run.to_string()),
    ]);
    let new = NewVersion { value, content_type: CONTENT_TYPE, tags: &tags, expires: Some(pat.valid_to) };
    key_vault::write(&context.http, secret, &token, &new).await?;
    let stored = key_vault::read(&context.http, secret, &token).await;
    match stored {
        Ok(Some(stored)) if stored.value == *value && stored.tags == tags => Ok(()),
        Ok(_) => Err(NotWritten::unconfirmed("the vault gives another value than the one just written".to_owned())),
        Err(error) => Err(NotWritten { may_hold_it: true, ..NotWritten::from(error) }),
    }
}

/// A secret whose older versions are to be disabled, and the token for it, or why there is none.
pub struct Cleanup<'a> {
    secret: &'a VaultSecret,
    token: Result<Secret, StepError>,
}

pub(super) async fn ready_to_tidy<'a>(context: &Context, secret: &'a VaultSecret) -> Cleanup<'a> {
    Cleanup { secret, token: app_tokens::token_for(context, &secret.scope()).await }
}

impl Cleanup<'_> {
    /// Disables the older versions that this task wrote.
    pub(super) async fn disable_older(self, context: &Context) {
        let Self { secret, token } = self;
        let warn = |why: String| {
            context
                .console
                .warn(&format!("could not disable older versions of the {secret}: {why}. The next run tries again."));
        };
        let token = match token {
            Ok(token) => token,
            Err(failure) => return warn(failure.to_string()),
        };
        let is_ours = |version: &key_vault::Listed| version.tags.contains_key(ID_TAG);
        match key_vault::disable_older(&context.http, secret, &token, is_ours).await {
            Ok(disabled) if disabled.is_empty() => {}
            Ok(disabled) => {
                let disabled = disabled.join(", ");
                context.console.say(&format!("disabled older versions of the {secret}: {disabled}"));
            }
            Err(error) => warn(error.to_string()),
        }
    }
}
