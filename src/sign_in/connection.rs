//! The service connection signs in as its own app: for the vault, and to redeem a refresh token. Its token for Azure
//! DevOps is tried too where no other source is given; the server is expected to refuse it.

use super::{UserToken, users_tenant};
use crate::azure::entra::{self, AZURE_DEVOPS, Credential, Grant, Issuer};
use crate::azure::oidc;
use crate::outcome::Failure;
use crate::secret::Secret;
use crate::settings::{Scheme, ServiceConnection};
use crate::work::{Work, on};

const UNCHANGED: &str = "Nothing was changed.";

/// The connection's own token, as if it were a user's.
pub(super) async fn sign_in(work: &Work) -> Result<UserToken, Failure> {
    let connection = needed(work)?;
    let default = format!("{AZURE_DEVOPS}/.default");
    let scope = work.settings.requested_scopes.as_deref().map_or(default, qualified);
    let tenant = match work.settings.tenant.clone() {
        Some(tenant) => tenant,
        None => users_tenant(work).await?.unwrap_or_else(|| connection.tenant.clone()),
    };
    work.console.say("signing in as the app of the service connection");
    let tokens = tokens(work, connection, &tenant, &scope).await?;
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &work.clock))
}

/// A token of the connection's app for another service, such as a vault.
///
/// # Errors
/// What failed; nothing was changed by it.
pub async fn token_for(work: &Work, scope: &str) -> Result<Secret, Failure> {
    token_as(work, needed(work)?, scope).await
}

/// A token of this connection's app.
///
/// # Errors
/// What failed; nothing was changed by it.
pub async fn token_as(work: &Work, connection: &ServiceConnection, scope: &str) -> Result<Secret, Failure> {
    let key = format!("{} {scope}", connection.id);
    let mut known = work.tokens.lock().await;
    if let Some(token) = known.get(&key) {
        return Ok(token.clone());
    }
    let tokens = tokens(work, connection, &connection.tenant, scope).await?;
    work.console.hide(&tokens.access_token);
    known.insert(key, tokens.access_token.clone());
    Ok(tokens.access_token)
}

async fn tokens(
    work: &Work,
    connection: &ServiceConnection,
    tenant: &str,
    scope: &str,
) -> Result<entra::Tokens, Failure> {
    let credential = credential(work, connection).await?;
    let issuer = Issuer { authority: &connection.authority, tenant };
    let asked = entra::token(&work.http, issuer, &connection.client, &credential, Grant::ClientCredentials, scope);
    asked
        .await
        .map_err(|error| Failure::new(on(error, "could not sign in as the app of the service connection"), UNCHANGED))
}

/// What the connection proves itself with, made right before it is used.
pub(super) async fn credential(work: &Work, connection: &ServiceConnection) -> Result<Credential, Failure> {
    match &connection.scheme {
        Scheme::ClientSecret(secret) => Ok(Credential::ClientSecret(secret.clone())),
        Scheme::WorkloadIdentityFederation => {
            let pipeline = &work.settings.pipeline;
            let (Some(uri), Some(job_token)) = (&pipeline.oidc, &pipeline.job_token) else {
                let error = anyhow::anyhow!(
                    "could not ask for the job's OIDC token: the agent gave no address or no job token"
                );
                return Err(Failure::new(error, UNCHANGED)
                    .advise("Run this task in a pipeline job of Azure DevOps Services, on a current agent."));
            };
            let assertion = oidc::assertion(&work.http, uri, &connection.id, job_token).await.map_err(|error| {
                let what = format!("could not get an OIDC token for the service connection {}", connection.id);
                Failure::new(on(error, &what), UNCHANGED)
                    .advise("Check that this pipeline is authorized to use the service connection, then run again.")
            })?;
            work.console.hide(&assertion);
            Ok(Credential::Assertion(assertion))
        }
    }
}

pub(super) fn needed(work: &Work) -> Result<&ServiceConnection, Failure> {
    work.settings.connection.as_ref().ok_or_else(|| {
        Failure::new(anyhow::anyhow!("no service connection is given"), UNCHANGED).advise("Set `serviceConnection`.")
    })
}

/// Short names of scopes are Azure DevOps' own.
pub(super) fn qualified(scopes: &str) -> String {
    let qualify = |scope: &str| match scope {
        "offline_access" | "openid" | "profile" => scope.to_owned(),
        scope if scope.contains('/') => scope.to_owned(),
        ".default" => format!("{AZURE_DEVOPS}/.default"),
        scope => format!("{AZURE_DEVOPS}/{scope}"),
    };
    scopes.split([' ', ',', '\n']).filter(|scope| !scope.is_empty()).map(qualify).collect::<Vec<_>>().join(" ")
}
