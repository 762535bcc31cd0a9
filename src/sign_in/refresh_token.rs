//! The recommended source: the refresh token of a user who signed in once, kept in a vault, redeemed with the
//! connection's own credential so that it is useless to a thief. Or the same from a variable of the job.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::azure::entra::{Grant, Issuer};
use crate::context::Work;
use crate::failure::Failure;
use crate::model::destination::Store;
use crate::model::secret::Secret;
use crate::model::timestamp::pluralize;
use crate::model::vault_secret::VaultSecret;
use crate::sign_in::store::{IDLE_LIFE, StoredToken};
use crate::sign_in::user;
use crate::sign_in::{UNCHANGED, UserToken, client};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A stored one older than this is replaced by the newer one that each use brings.
const STORED_AT_LEAST_EVERY: Duration = DAY;
/// With less than this left, somebody must look.
const WARN_BELOW: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// Redeems the refresh token in a vault, and stores the newer one before anything else is done.
pub(super) async fn from_vault(work: &Work, secret: &VaultSecret) -> Result<UserToken, Failure> {
    let (kept, tenant) = tokio::try_join!(StoredToken::read_vault(work, secret), super::tenant(work))?;
    let StoredToken::Vault { stored: Some(stored), .. } = &kept else {
        let error = anyhow::anyhow!("there is no {secret}, which should hold the refresh token");
        return Err(Failure::new(error, UNCHANGED).advise(
            "Sign in once as the rotating user and store the refresh token there; check `refreshTokenSecret`.",
        ));
    };
    let tagged = stored.tags.get(user::CLIENT_TAG).cloned();
    let from = format!("in {secret}");
    // Stored by hand, it may have a line end behind it.
    let token = Secret::new(stored.value.reveal().trim().to_owned());
    let (user, newer) = redeem(work, &tenant, tagged, &token, &from).await?;
    user::check(work, user.claims.as_ref(), &kept.whose())?;
    keep_fresh(work, &kept, &from, newer, "stored").await;
    Ok(user)
}

/// Redeems a refresh token that the job was given. The newer one is lost unless there is a store for it.
pub(super) async fn from_variable(work: &Work, token: &Secret, store: Option<&Store>) -> Result<UserToken, Failure> {
    let tenant = super::tenant(work).await?;
    let (user, newer) = redeem(work, &tenant, None, token, "of `refreshToken`").await?;
    let Some(store) = store else {
        work.console.warn(
            "the newer refresh token that came is lost, and the one used ends after 90 days at most. Name a place for it \
             in `refreshTokenStore`.",
        );
        return Ok(user);
    };
    match StoredToken::read(work, store).await {
        Ok(kept) => {
            user::check(work, user.claims.as_ref(), &kept.whose())?;
            keep_fresh(work, &kept, &format!("in {store}"), newer, "used").await;
        }
        Err(failure) => {
            let (error, advice) = failure.into_parts();
            work.console.warn(&format!(
                "could not store the newer refresh token in {store}: {error:#}. The one used still works. {advice}"
            ));
        }
    }
    Ok(user)
}

/// Exchanges the refresh token for a user token, and a newer one where it came with it.
async fn redeem(
    work: &Work,
    tenant: &str,
    tagged: Option<String>,
    token: &Secret,
    from: &str,
) -> Result<(UserToken, Option<Secret>), Failure> {
    work.console.redact(token);
    let app = client::id(work, tagged, "the refresh token")?;
    let scope = super::requested_scope(work);
    let scope = if scope.contains("offline_access") { scope } else { format!("{scope} offline_access") };
    let issuer = Issuer { authority: work.access.organization.login(), tenant };
    let what = format!("could not redeem the refresh token {from}");
    let tokens = client::redeem(work, issuer, &app, Grant::RefreshToken(token), &scope, &what).await?;
    let user = UserToken::new(tokens.access_token, tokens.expires_in, &work.clock);
    work.console.redact(&user.token);
    if let Some(newer) = &tokens.refresh_token {
        work.console.redact(newer);
    }
    let who = user.claims.as_ref().and_then(|claims| claims.user()).unwrap_or("the user who signed in");
    work.console.say(&format!("signed in as {} with the refresh token {from}", crate::model::text::one_line(who)));
    super::note_scopes(work, tokens.scope.as_deref());
    Ok((super::meant(work, user)?, tokens.refresh_token.filter(|newer| newer != token)))
}

/// Stores the newer refresh token. Failing to is no failure of the run: the one stored or used stays valid.
async fn keep_fresh(work: &Work, kept: &StoredToken<'_>, place: &str, newer: Option<Secret>, still_works: &str) {
    let age = kept.age(work.clock.now());
    let warn_of_age = || {
        let left = IDLE_LIFE.saturating_sub(age.unwrap_or_default());
        if left < WARN_BELOW {
            let days = pluralize(i64::try_from(left.as_secs() / DAY.as_secs()).unwrap_or_default(), "day");
            work.console.warn(&format!(
                "the refresh token {place} has about {days} left of its 90. Sign in again as the rotating user and store \
                 the new one."
            ));
        }
    };
    let Some(newer) = newer.filter(|newer| !kept.holds(newer)) else { return warn_of_age() };
    if age.is_some_and(|age| age < STORED_AT_LEAST_EVERY) {
        return;
    }
    match kept.write(work, &newer, &BTreeMap::new()).await {
        Ok(()) => work.console.say(&format!("stored the newer refresh token {place}")),
        Err(failed) => {
            let advice = failed.advice.as_deref().unwrap_or("Look into it before the 90 days are over.");
            let error = failed.error;
            work.console.warn(&format!(
                "could not store the newer refresh token {place}: {error:#}. The one {still_works} still works. {advice}"
            ));
            warn_of_age();
        }
    }
}
