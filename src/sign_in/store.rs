//! Where a refresh token is kept: how old the stored one is, and how a newer one takes its place.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::app_tokens::token_for;
use crate::azure::key_vault::{self, NewVersion, Version};
use crate::azure::variable_groups::Variable;
use crate::context::Context;
use crate::destinations::NotWritten;
use crate::destinations::variable_group::{Groups, check_fit};
use crate::destinations::writers::Writers;
use crate::failure::{StepError, on};
use crate::http::Http;
use crate::model::api_error::CallError;
use crate::model::destination::{GroupVariable, Store};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::model::vault_secret::VaultSecret;
use crate::sign_in::user::{self, Expected};

/// An unused refresh token expires after this time. Documented; no longer configurable.
pub const IDLE_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// What a secret with a refresh token is, for people.
const CONTENT_TYPE: &str = "Microsoft Entra refresh token";

#[derive(Debug)]
pub(super) enum StoredToken<'a> {
    /// A secret in a vault, and its current version if it has one.
    Vault {
        secret: &'a VaultSecret,
        /// A token for the vault.
        token: Secret,
        /// What it holds.
        stored: Option<Version>,
    },
    /// A variable of a group, and until when what it holds is of use.
    Group {
        variable: &'a GroupVariable,
        /// As the plain variable beside it says.
        valid_to: Option<Timestamp>,
    },
}

impl<'a> StoredToken<'a> {
    pub(super) async fn read(context: &Context, store: &'a Store) -> Result<Self, StepError> {
        match store {
            Store::Vault(secret) => {
                let token = token_for(context, &secret.scope()).await?;
                let stored = key_vault::look(&context.http, secret, &token).await;
                Self::in_vault(context, secret, token, stored)
            }
            Store::Group(variable) => {
                let groups = Groups::new(context, Rc::new(Writers::new(context)));
                let group = groups.find(variable).await?;
                let expiry = variable.expiry_variable();
                check_fit(variable, &group, &[&expiry])?;
                let valid_to = group.variable(&expiry).and_then(|(value, _)| Timestamp::parse(value.as_str()?));
                Ok(Self::Group { variable, valid_to })
            }
        }
    }

    /// Reads a vault's secret, whose value is needed.
    pub(super) async fn read_vault(context: &Context, secret: &'a VaultSecret) -> Result<Self, StepError> {
        let token = token_for(context, &secret.scope()).await?;
        let stored = key_vault::read(&context.http, secret, &token).await;
        Self::in_vault(context, secret, token, stored)
    }

    /// The date of what was read is taken as the time, as the agent's clock may be wrong.
    fn in_vault(
        context: &Context,
        secret: &'a VaultSecret,
        token: Secret,
        stored: Result<Option<Version>, CallError>,
    ) -> Result<Self, StepError> {
        let stored = stored.map_err(|error| {
            let what = format!("could not read the refresh token from {secret}");
            StepError::new(on(error, &what))
        })?;
        if let Some(note) = secret.note() {
            context.console.say(&note);
        }
        if let Some(stored) = &stored {
            if !stored.value.reveal().is_empty() {
                context.console.redact(&stored.value);
            }
            if let Some(date) = stored.read_at {
                context.clock.correct(date);
            }
        }
        Ok(Self::Vault { secret, token, stored })
    }

    /// Whether a vault has room for the tags that say whose it is: found before a person signs in.
    pub(super) fn check_tags(&self) -> Result<(), StepError> {
        match self {
            Self::Vault { secret, stored: Some(stored), .. } => check_tags(secret, &stored.tags),
            _ => Ok(()),
        }
    }

    /// How long ago the stored one was written, where there is one that tells.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Vault { stored, .. } => Some(now.since(stored.as_ref()?.created?)),
            Self::Group { valid_to, .. } => Some(IDLE_LIFE.saturating_sub((*valid_to)?.since(now))),
        }
    }

    /// Whose it is, as far as that is kept beside it.
    pub(super) fn whose(&self) -> Expected {
        match self {
            Self::Vault { stored: Some(stored), .. } => Expected::tagged(&stored.tags),
            _ => Expected::default(),
        }
    }

    /// Whether this is what it holds, as far as that can be read.
    pub(super) fn holds(&self, token: &Secret) -> bool {
        matches!(self, Self::Vault { stored: Some(stored), .. } if stored.value == *token)
    }

    /// Puts a refresh token in its place and disables what was there before. Where the store has tags, they stay, but
    /// for these.
    pub(super) async fn write(
        &self,
        context: &Context,
        newer: &Secret,
        whose: &BTreeMap<String, String>,
    ) -> Result<(), NotWritten> {
        let expires = context.clock.now().plus(IDLE_LIFE);
        match self {
            Self::Vault { secret, token, stored } => {
                let (tags, content_type) = beside(stored.as_ref(), whose);
                let new = NewVersion { value: newer, content_type, tags: &tags, expires: Some(expires) };
                if let Some(warning) = replace(&context.http, secret, token, &new).await? {
                    context.console.warn(&warning);
                }
                Ok(())
            }
            Self::Group { variable, .. } => {
                let (expiry, valid_to) = (variable.expiry_variable(), expires.to_string());
                let set = [
                    Variable { name: &variable.variable, value: newer.reveal(), is_secret: true },
                    Variable { name: &expiry, value: &valid_to, is_secret: false },
                ];
                let groups = Groups::new(context, Rc::new(Writers::new(context)));
                groups.write(variable, &set, &|| context.check_wanted()).await
            }
        }
    }
}

/// Whether a vault's secret with these tags has room for those that say whose it is.
pub fn check_tags(secret: &VaultSecret, tags: &BTreeMap<String, String>) -> Result<(), StepError> {
    key_vault::check_tags(tags, &user::TAGS).map_err(|why| {
        StepError::new(anyhow::anyhow!("cannot write the {secret}: it {why}")).advise(key_vault::FEWER_TAGS)
    })
}

/// What stands beside a new version: what stood beside the one before, and whose it is now.
pub fn beside<'a>(
    stored: Option<&'a Version>,
    whose: &BTreeMap<String, String>,
) -> (BTreeMap<String, String>, &'a str) {
    let mut tags = stored.map(|stored| stored.tags.clone()).unwrap_or_default();
    tags.extend(whose.clone());
    (tags, stored.and_then(|stored| stored.content_type.as_deref()).unwrap_or(CONTENT_TYPE))
}

/// Writes a vault's secret, and then disables what was there before: words for a warning where that fails.
pub async fn replace(
    http: &Http,
    secret: &VaultSecret,
    token: &Secret,
    new: &NewVersion<'_>,
) -> Result<Option<String>, CallError> {
    key_vault::write(http, secret, token, new).await?;
    let disabled = key_vault::disable_older(http, secret, token).await;
    Ok(disabled.err().map(|error| {
        format!(
            "could not disable the older versions of {secret}: {error}. The new version is in place; disable the \
             older versions manually."
        )
    }))
}
