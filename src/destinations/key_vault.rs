//! A secret in Azure Key Vault. Its tags are the record of which personal access token it holds.

use std::collections::BTreeMap;

use tokio::sync::OnceCell;

use crate::app_tokens;
use crate::azure::connection_data;
use crate::azure::key_vault::{self, NewVersion};
use crate::azure::pats::Pats;
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
const ORGANIZATION_TAG: &str = "organization";
const TAGS: [&str; 5] = [ID_TAG, "validTo", ORGANIZATION_TAG, "patName", "run"];

/// The tags of a secret that other people or policies put there.
pub(super) type ForeignTags = BTreeMap<String, String>;

/// What a secret holds.
pub(super) struct Found {
    /// The token according to the secret's tags, and whether it still works.
    pub(super) record: Record,
    /// The tags of others, which are kept.
    pub(super) foreign: ForeignTags,
    pub(super) value: Option<Secret>,
}

/// Reads what the secret holds. A disabled current version counts as empty.
pub(super) async fn record(context: &Context, secret: &VaultSecret) -> Result<Found, StepError> {
    let failed = |error: CallError, what: String| StepError::new(on(error, &what));
    if let Some(note) = secret.note() {
        context.console.say(&note);
    }
    let token = app_tokens::token_for(context, &secret.scope()).await?;
    let stored = key_vault::look(&context.http, secret, &token)
        .await
        .map_err(|error| failed(error, format!("could not read the {secret}")))?;
    let mut foreign = stored.as_ref().map(|stored| stored.tags.clone()).unwrap_or_default();
    foreign.retain(|name, _| !TAGS.contains(&name.as_str()));
    key_vault::check_tags(&foreign, &TAGS).map_err(|why| {
        StepError::new(anyhow::anyhow!("cannot publish to the {secret}: it {why}")).advise(key_vault::FEWER_TAGS)
    })?;
    let stored = stored.filter(|stored| !stored.value.reveal().is_empty());
    let id = stored.as_ref().and_then(|stored| AuthorizationId::parse(stored.tags.get(ID_TAG)?));
    let holds = match (&stored, id) {
        (Some(stored), Some(id)) => {
            context.console.redact(&stored.value);
            let works = works(context, &stored.value)
                .await
                .map_err(|error| failed(error, format!("could not try the token in the {secret}")))?;
            if works { RecordedPat::Pat(id) } else { RecordedPat::NoLongerValid(id) }
        }
        _ => RecordedPat::Nothing,
    };
    let value = stored.map(|stored| stored.value);
    Ok(Found { record: Record { destination: secret.to_string(), holds }, foreign, value })
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
    foreign: ForeignTags,
) -> Result<(), NotWritten> {
    let token = app_tokens::token_for(context, &secret.scope()).await?;
    let ours = [
        pat.id.to_string(),
        pat.valid_to.to_string(),
        context.access.organization.name.clone(),
        settings.request.name.as_str().to_owned(),
        settings.request.run.to_string(),
    ];
    let ours: BTreeMap<String, String> = TAGS.map(str::to_owned).into_iter().zip(ours).collect();
    let mut tags = foreign;
    tags.extend(ours.clone());
    let new = NewVersion { value, content_type: CONTENT_TYPE, tags: &tags, expires: Some(pat.valid_to) };
    key_vault::write(&context.http, secret, &token, &new).await?;
    let stored = key_vault::read(&context.http, secret, &token).await;
    match stored {
        // A policy may add tags of its own to what is written.
        Ok(Some(stored)) if stored.value == *value && ours.iter().all(|(k, v)| stored.tags.get(k) == Some(v)) => Ok(()),
        Ok(_) => Err(NotWritten::unconfirmed("the vault gives another value than the one just written".to_owned())),
        Err(error) => Err(NotWritten { may_hold_it: true, ..NotWritten::from(error) }),
    }
}

/// A secret whose older versions will be disabled, and the access token for its vault or the failed sign-in.
pub struct Cleanup<'a> {
    secret: &'a VaultSecret,
    token: Result<Secret, StepError>,
}

pub(super) async fn ready_to_tidy<'a>(context: &Context, secret: &'a VaultSecret) -> Cleanup<'a> {
    Cleanup { secret, token: app_tokens::token_for(context, &secret.scope()).await }
}

/// The ids of the personal access tokens that are active, listed once they are needed.
pub(super) type Active = OnceCell<Vec<AuthorizationId>>;

impl Cleanup<'_> {
    /// Disables the older versions that this task wrote and whose personal access token is no longer active: while an
    /// overlap lasts, a reference with a version must still be readable.
    pub(super) async fn disable_older(self, context: &Context, pats: &Pats<'_>, active: &Active) -> Option<String> {
        let secret = self.secret;
        match self.try_disable_older(context, pats, active).await {
            Ok(disabled) if disabled.is_empty() => None,
            Ok(disabled) => {
                let disabled = disabled.join(", ");
                context.console.say(&format!("disabled older versions of the {secret}: {disabled}"));
                Some(secret.to_string())
            }
            Err(why) => {
                let warning =
                    format!("could not disable older versions of the {secret}: {why}. The next run tries again.");
                context.console.warn(&warning);
                None
            }
        }
    }

    async fn try_disable_older(
        self,
        context: &Context,
        pats: &Pats<'_>,
        active: &Active,
    ) -> Result<Vec<String>, String> {
        let Self { secret, token } = self;
        let token = token.map_err(|failure| failure.to_string())?;
        let organization = &context.access.organization.name;
        let older = key_vault::older(&context.http, secret, &token).await.map_err(|error| error.to_string())?;
        let ours = older.into_iter().filter_map(|version| {
            let id = AuthorizationId::parse(version.tags.get(ID_TAG)?)?;
            // The active tokens of other organizations are not known.
            version.tags.get(ORGANIZATION_TAG)?.eq_ignore_ascii_case(organization).then_some((id, version.id))
        });
        let mut disabled = Vec::new();
        for (id, version) in ours {
            let list = async || Ok(pats.list().await?.pats.into_iter().map(|pat| pat.id).collect());
            let active = active.get_or_try_init(list).await.map_err(|error: CallError| error.to_string())?;
            if !active.contains(&id) {
                let gone = key_vault::disable(&context.http, secret, &version, &token).await;
                gone.map_err(|error| error.to_string())?;
                disabled.push(version);
            }
        }
        Ok(disabled)
    }
}
