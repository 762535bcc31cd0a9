//! The recommended source: the refresh token of a user who signed in once, kept in a vault, redeemed with the
//! connection's own credential so that it is useless to a thief. Or the same from a variable of the job.

use crate::sign_in::client;
use crate::sign_in::scope::note_scopes;
use crate::sign_in::scope::{requested_scope, with_identity};
use crate::sign_in::tenant;
use crate::sign_in::user;
use crate::sign_in::user::check_expected_user;
use crate::sign_in::user_token::UserToken;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::azure::entra::{Grant, Issuer};
use crate::context::Context;
use crate::failure::StepError;
use crate::model::destination::Store;
use crate::model::secret::Secret;
use crate::model::timestamp::pluralize;
use crate::model::vault_secret::VaultSecret;
use crate::sign_in::store::{IDLE_LIFE, StoredToken};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A stored one older than this is replaced by the newer one that each use brings. Not each time: every write is a
/// version of the vault's secret, and one with over 500 versions cannot be backed up (azure-sdk-for-net#20934).
const STORED_AT_LEAST_EVERY: Duration = Duration::from_secs(7 * DAY.as_secs());
/// With less than this left, somebody must look.
const WARN_BELOW: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// Redeems the refresh token in a vault, and stores the newer one before anything else is done.
pub(super) async fn from_vault(context: &Context, secret: &VaultSecret) -> Result<UserToken, StepError> {
    let (kept, tenant) = tokio::try_join!(StoredToken::read_vault(context, secret), tenant::tenant(context))?;
    let StoredToken::Vault { stored: Some(stored), .. } = &kept else {
        let error = anyhow::anyhow!("the {secret}, which should hold the refresh token, does not exist");
        return Err(StepError::new(error).advise(
            "Sign in once as the rotating user and store the refresh token there; check `refreshTokenSecret`.",
        ));
    };
    let tagged = stored.tags.get(user::CLIENT_TAG).cloned();
    let from = format!("in {secret}");
    let Some(token) = stored.value.pasted() else {
        let error = anyhow::anyhow!("the {secret} holds JSON, not a refresh token");
        return Err(StepError::new(error).advise("Store the value of `refresh_token` alone, without quotes."));
    };
    let (user, newer) = redeem(context, &tenant, tagged, &token, &from).await?;
    user::check(context, &user, &kept.whose()).await?;
    keep_fresh(context, &kept, &from, newer, "stored").await;
    Ok(user)
}

/// Redeems a refresh token that the job was given. The newer one is lost unless there is a store for it.
pub(super) async fn from_variable(
    context: &Context,
    token: &Secret,
    store: Option<&Store>,
) -> Result<UserToken, StepError> {
    let tenant = tenant::tenant(context).await?;
    let (user, newer) = redeem(context, &tenant, None, token, "of `refreshToken`").await?;
    let Some(store) = store else {
        context.console.warn(
            "the new refresh token is lost, and the one used expires after 90 days at most. Set `refreshTokenStore` \
             to keep new ones.",
        );
        return Ok(user);
    };
    match StoredToken::read(context, store).await {
        Ok(kept) => {
            user::check(context, &user, &kept.whose()).await?;
            keep_fresh(context, &kept, &format!("in {store}"), newer, "used").await;
        }
        Err(failure) => {
            let (error, advice) = failure.into_parts();
            context.console.warn(&format!(
                "could not store the newer refresh token in {store}: {error:#}. The one used still works. {advice}"
            ));
        }
    }
    Ok(user)
}

/// Exchanges the refresh token for a user token, and a newer one where it came with it.
async fn redeem(
    context: &Context,
    tenant: &str,
    tagged: Option<String>,
    token: &Secret,
    from: &str,
) -> Result<(UserToken, Option<Secret>), StepError> {
    context.console.redact(token);
    let app = client::id(context, tagged, "the refresh token")?;
    let scope = with_identity(&requested_scope(context));
    let issuer = Issuer { authority: context.access.organization.login(), tenant };
    let what = format!("could not redeem the refresh token {from}");
    let tokens = client::redeem(context, issuer, &app, Grant::RefreshToken(token), &scope, &what).await?;
    let user = UserToken::new(tokens.access_token, tokens.expires_in, &context.clock);
    let user = user.with_identity(tokens.id_token.as_ref());
    context.console.redact(&user.token);
    if let Some(newer) = &tokens.refresh_token {
        context.console.redact(newer);
    }
    let who = user.user().unwrap_or("the user who signed in");
    context.console.say(&format!("signed in as {} with the refresh token {from}", crate::model::text::one_line(who)));
    note_scopes(context, tokens.scope.as_deref());
    Ok((check_expected_user(context, user).await?, tokens.refresh_token.filter(|newer| newer != token)))
}

/// Stores the newer refresh token. Failing to is no failure of the run: the one stored or used stays valid.
async fn keep_fresh(context: &Context, kept: &StoredToken<'_>, place: &str, newer: Option<Secret>, still_works: &str) {
    let age = kept.age(context.clock.now());
    let warn_of_age = || {
        let left = IDLE_LIFE.saturating_sub(age.unwrap_or_default());
        if left < WARN_BELOW {
            let days = pluralize(i64::try_from(left.as_secs() / DAY.as_secs()).unwrap_or_default(), "day");
            context.console.warn(&format!(
                "the refresh token {place} expires in about {days}. Sign in again as the rotating user and store the \
                 new token."
            ));
        }
    };
    let Some(newer) = newer.filter(|newer| !kept.holds(newer)) else { return warn_of_age() };
    if age.is_some_and(|age| age <= STORED_AT_LEAST_EVERY) {
        return;
    }
    match kept.write(context, &newer, &BTreeMap::new()).await {
        Ok(()) => context.console.say(&format!("stored the newer refresh token {place}")),
        Err(failed) => {
            let advice = failed.advice.as_deref().unwrap_or("Fix this before the refresh token expires.");
            let error = failed.error;
            context.console.warn(&format!(
                "could not store the newer refresh token {place}: {error:#}. The one {still_works} still works. \
                 {advice}"
            ));
            warn_of_age();
        }
    }
}
