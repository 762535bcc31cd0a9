//! The recommended source: the refresh token of a user who signed in once, kept in a vault, redeemed with the
//! connection's own credential so that it is useless to a thief.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::{credential, needed, qualified, token_for};
use super::{UserToken, claims, users_tenant};
use crate::azure::entra::{self, AZURE_DEVOPS, Credential, Grant, Issuer};
use crate::azure::key_vault::{self, NewVersion, Version};
use crate::outcome::Failure;
use crate::secret::Secret;
use crate::settings::address::VaultSecret;
use crate::timestamp::counted;
use crate::work::{Work, on};

const UNCHANGED: &str = "Nothing was changed.";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A refresh token that nobody uses ends after this. Documented; not configurable any more.
const IDLE_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A stored one older than this is replaced by the newer one that each use brings.
const STORED_AT_LEAST_EVERY: Duration = DAY;
/// With less than this left, somebody must look.
const WARN_BELOW: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// Redeems the stored refresh token, and stores the newer one before anything else is done.
pub(super) async fn sign_in(work: &Work, secret: &VaultSecret) -> Result<UserToken, Failure> {
    let connection = needed(work)?;
    let from_vault = async {
        let vault = token_for(work, &secret.scope()).await?;
        let stored = key_vault::read(&work.http, secret, &vault).await.map_err(|error| {
            Failure::new(on(error, &format!("could not read the refresh token from {secret}")), UNCHANGED)
        })?;
        Ok((vault, stored))
    };
    let (from_vault, tenant) = tokio::join!(from_vault, users_tenant(work));
    let (vault, stored) = from_vault?;
    let tenant = tenant?.unwrap_or_else(|| connection.tenant.clone());
    let Some(stored) = stored else {
        let error = anyhow::anyhow!("there is no {secret}, which should hold the refresh token");
        return Err(Failure::new(error, UNCHANGED).advise(
            "Sign in once as the rotating user and store the refresh token there; check `refreshTokenSecret`.",
        ));
    };
    work.console.hide(&stored.value);
    // Before anything is judged by its age: the agent's clock may be wrong.
    if let Some(date) = stored.read_at {
        work.clock.correct(date);
    }

    let tagged = stored.tags.get("clientId").cloned();
    let client = work.settings.client.clone().or(tagged).unwrap_or_else(|| connection.client.clone());
    let default = format!("{AZURE_DEVOPS}/.default");
    let scope = work.settings.requested_scopes.as_deref().map_or(default, qualified);
    let scope = if scope.contains("offline_access") { scope } else { format!("{scope} offline_access") };
    let issuer = Issuer { authority: &connection.authority, tenant: &tenant };
    let redeem = async |credential: &Credential| {
        entra::token(&work.http, issuer, &client, credential, Grant::RefreshToken(&stored.value), &scope).await
    };
    let is_own_client = client.eq_ignore_ascii_case(&connection.client);
    let credential = if is_own_client { credential(work, connection).await? } else { Credential::Public };
    let mut answer = redeem(&credential).await;
    if is_own_client
        && answer.as_ref().is_err_and(|error| error.refusal().is_some_and(|(_, code)| code == "AADSTS700025"))
    {
        work.console.say(&format!(
            "note: the app {client} is a public client, so the refresh token works without a credential"
        ));
        answer = redeem(&Credential::Public).await;
    }
    let tokens = answer.map_err(|error| {
        Failure::new(on(error, &format!("could not redeem the refresh token in {secret}")), UNCHANGED)
    })?;

    let user = UserToken::new(tokens.access_token, tokens.expires_in, &work.clock);
    work.console.hide(&user.token);
    let who = user.claims.as_ref().and_then(|claims| claims.user()).unwrap_or("the user who signed in");
    let who = crate::text::one_line(who);
    work.console.say(&format!("signed in as {who} with the refresh token in {secret}"));
    if let Some(granted) = tokens.scope.as_deref().filter(|granted| !claims::suffice(granted)) {
        work.console
            .say(&format!("note: the scopes granted are {}, which may not suffice", crate::text::quoted(granted)));
    }
    keep_fresh(work, secret, &vault, &stored, tokens.refresh_token.as_ref()).await;
    Ok(user)
}

/// Stores the newer refresh token. Failing to is no failure of the run: the one stored stays valid.
async fn keep_fresh(work: &Work, secret: &VaultSecret, vault: &Secret, stored: &Version, newer: Option<&Secret>) {
    // Without a date of its own, the stored one counts as old.
    let age = stored.created.map_or(IDLE_LIFE, |created| work.clock.now().since(created));
    let warn_of_age = || {
        let left = IDLE_LIFE.saturating_sub(age);
        if left < WARN_BELOW {
            let days = counted(i64::try_from(left.as_secs() / DAY.as_secs()).unwrap_or_default(), "day");
            work.console.warn(&format!(
                "the refresh token in {secret} has about {days} left of its 90. Sign in again as the rotating user and \
                 store the new one."
            ));
        }
    };
    let Some(newer) = newer.filter(|newer| **newer != stored.value) else { return warn_of_age() };
    work.console.hide(newer);
    if age < STORED_AT_LEAST_EVERY {
        return;
    }
    let tags: BTreeMap<String, String> = stored.tags.clone();
    let content_type = stored.content_type.as_deref().unwrap_or("Microsoft Entra refresh token");
    let new = NewVersion { value: newer, content_type, tags: &tags, expires: Some(work.clock.now().plus(IDLE_LIFE)) };
    if let Err(error) = key_vault::write(&work.http, secret, vault, &new).await {
        let advice = crate::outcome::advice_for(&error).unwrap_or("Look into it before the 90 days are over.");
        work.console.warn(&format!(
            "could not store the newer refresh token in {secret}: {error}. The one stored still works. {advice}"
        ));
        return warn_of_age();
    }
    work.console.say(&format!("stored the newer refresh token in {secret}"));
    if let Err(error) = key_vault::disable_older(&work.http, secret, vault, |_| true).await {
        work.console.warn(&format!(
            "could not disable the older versions of {secret}: {error}. The new one is in place; disable the older ones \
             by hand."
        ));
    }
}
