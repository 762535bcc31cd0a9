//! The service connection signs in as its own app: for the vault, and to prove that the app that a user signed in to is
//! itself. Its token for Azure DevOps is tried too where no other source is given; the server is expected to refuse it.

use std::rc::Rc;

use crate::azure::entra::{self, AZURE_DEVOPS, Credential, Grant, Issuer, TOKEN_EXCHANGE, Tokens};
use crate::azure::{managed_identity, oidc};
use crate::context::{Work, on};
use crate::failure::Failure;
use crate::model::api_error::{CallError, Service};
use crate::model::secret::Secret;
use crate::model::service_connection::{IdentityEndpoint, Proof, Scheme, ServiceConnection};
use crate::sign_in::{UNCHANGED, UserToken, client, users_tenant};

const COULD_NOT: &str = "could not sign in as the app of the service connection";
/// The assertion was not valid when it arrived.
const UNTIMELY: &str = "AADSTS700024";

/// The connection's own token, as if it were a user's.
pub(super) async fn sign_in(work: &Work) -> Result<UserToken, Failure> {
    let connection = needed(work)?;
    // Single scopes can be asked for in a user's name only.
    let scope = format!("{AZURE_DEVOPS}/.default");
    work.console.say("signing in as the app of the service connection");
    let tokens = match connection.app() {
        Some((home, _)) => {
            let users = Issuer { authority: work.access.organization.login(), tenant: home };
            client::check_cloud(connection, users, COULD_NOT)?;
            let tenant = users_tenant(work).await?.unwrap_or_else(|| home.to_owned());
            app_tokens(work, connection, &tenant, &scope).await?
        }
        None => app_tokens(work, connection, "", &scope).await?,
    };
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &work.clock))
}

/// A token of the connection's app for another service, such as a vault.
///
/// # Errors
/// What failed; nothing was changed by it.
pub async fn token_for(work: &Work, scope: &str) -> Result<Secret, Failure> {
    token_as(work, needed(work)?, scope).await
}

/// A token of this connection's app, in the app's own tenant.
///
/// # Errors
/// What failed; nothing was changed by it.
pub async fn token_as(work: &Work, connection: &ServiceConnection, scope: &str) -> Result<Secret, Failure> {
    let key = format!("{} {scope}", connection.id);
    // Whoever needs the same one meanwhile waits for it; another one is asked for at the same time.
    let known = Rc::clone(work.tokens.borrow_mut().entry(key).or_default());
    let ask = async || {
        let tenant = connection.app().map_or("", |(tenant, _)| tenant);
        let tokens = app_tokens(work, connection, tenant, scope).await?;
        work.console.redact(&tokens.access_token);
        Ok(tokens.access_token)
    };
    known.get_or_try_init(ask).await.cloned()
}

async fn app_tokens(work: &Work, connection: &ServiceConnection, tenant: &str, scope: &str) -> Result<Tokens, Failure> {
    match &connection.scheme {
        Scheme::ManagedIdentity { endpoint, client } => machine_tokens(work, endpoint, client.as_deref(), scope).await,
        Scheme::App { client, .. } => {
            let issuer = Issuer { authority: &connection.authority, tenant };
            prove(work, connection, issuer, client, Grant::ClientCredentials, scope)
                .await?
                .map_err(|error| Failure::new(on(error, COULD_NOT), UNCHANGED))
        }
    }
}

async fn machine_tokens(
    work: &Work,
    endpoint: &IdentityEndpoint,
    client: Option<&str>,
    scope: &str,
) -> Result<Tokens, Failure> {
    // This endpoint wants the resource that the scope names.
    let resource = scope.trim_end_matches("/.default");
    managed_identity::token(&work.http, endpoint, client, resource).await.map_err(|error| {
        Failure::new(on(error, "could not sign in as the managed identity of the service connection"), UNCHANGED)
    })
}

/// Asks for a token, with the connection's credential as the proof that `client` is itself. What a certificate signs is
/// good for one use, so each try has its own; what it signs by an agent's clock that is wrong is refused, and signed once
/// more by the time of the refusal.
pub(super) async fn prove(
    work: &Work,
    connection: &ServiceConnection,
    issuer: Issuer<'_>,
    client: &str,
    grant: Grant<'_>,
    scope: &str,
) -> Result<Result<Tokens, CallError>, Failure> {
    if !matches!(connection.scheme, Scheme::App { proof: Proof::Certificate(_), .. }) {
        let credential = credential(work, connection, client, issuer).await?;
        return Ok(entra::token(&work.http, issuer, client, &credential, grant, scope).await);
    }
    let sign_and_send = async || {
        let credential = credential(work, connection, client, issuer).await?;
        Ok::<_, Failure>(entra::token_once(&work.http, issuer, client, &credential, grant, scope).await)
    };
    let answer = work.http.retry_with(Service::Entra, sign_and_send).await?;
    if let Err(error) = &answer
        && let (Some((_, UNTIMELY)), Some(date)) = (error.refusal(), error.date)
    {
        work.clock.correct(date);
        return work.http.retry_with(Service::Entra, sign_and_send).await;
    }
    Ok(answer)
}

/// What the connection proves with that `client` is itself, made right before it is used.
async fn credential(
    work: &Work,
    connection: &ServiceConnection,
    client: &str,
    issuer: Issuer<'_>,
) -> Result<Credential, Failure> {
    let assertion = match &connection.scheme {
        Scheme::App { proof: Proof::Secret(secret), .. } => return Ok(Credential::ClientSecret(secret.clone())),
        Scheme::App { proof: Proof::Certificate(certificate), .. } => {
            let endpoint = issuer.endpoint("token");
            certificate.assertion(client, endpoint.as_str(), work.clock.now()).map_err(|why| {
                let error = anyhow::anyhow!("could not sign with the service connection's certificate: {why}");
                Failure::new(error, UNCHANGED)
                    .advise("Put a certificate with its key into the service connection anew.")
            })?
        }
        Scheme::App { proof: Proof::WorkloadIdentityFederation, .. } => federated(work, connection).await?,
        Scheme::ManagedIdentity { endpoint, client } => {
            machine_tokens(work, endpoint, client.as_deref(), TOKEN_EXCHANGE).await?.access_token
        }
    };
    work.console.redact(&assertion);
    Ok(Credential::Assertion(assertion))
}

/// The job's own token for the connection, which the connection's app trusts.
async fn federated(work: &Work, connection: &ServiceConnection) -> Result<Secret, Failure> {
    let pipeline = &work.access.pipeline;
    let (Some(uri), Some(job_token)) = (&pipeline.oidc, &pipeline.job_token) else {
        let error =
            anyhow::anyhow!("could not ask for the job's OIDC token: the agent gave no address or no job token");
        return Err(Failure::new(error, UNCHANGED)
            .advise("Run this task in a pipeline job of Azure DevOps Services, on a current agent."));
    };
    oidc::assertion(&work.http, uri, &connection.id, job_token).await.map_err(|error| {
        let what = format!("could not get an OIDC token for the service connection {}", connection.id);
        Failure::new(on(error, &what), UNCHANGED)
    })
}

pub(super) fn needed(work: &Work) -> Result<&ServiceConnection, Failure> {
    work.access.connection.as_ref().ok_or_else(|| {
        Failure::new(anyhow::anyhow!("no service connection is given"), UNCHANGED).advise("Set `serviceConnection`.")
    })
}
