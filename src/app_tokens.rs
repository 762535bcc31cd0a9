//! The service connection signs in as its own app: for a vault, for variable groups and service connections, and to
//! prove that the app that a user signed in to is itself.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::azure::entra::{self, Credential, Grant, Issuer, TOKEN_EXCHANGE, Tokens};
use crate::azure::{managed_identity, oidc};
use crate::context::Context;
use crate::failure::{StepError, on};
use crate::http::Http;
use crate::model::api_error::{CallError, Service};
use crate::model::secret::Secret;
use crate::model::service_connection::{IdentityEndpoint, Proof, Scheme, ServiceConnection};
use crate::runtime::clock::Clock;

pub const COULD_NOT_SIGN_IN: &str = "could not sign in as the app of the service connection";
/// The assertion was not valid when it arrived.
const ASSERTION_NOT_VALID_NOW: &str = "AADSTS700024";

/// A token of the connection's app for another service, such as a vault.
pub async fn token_for(context: &Context, scope: &str) -> Result<Secret, StepError> {
    token_as(context, service_connection(context)?, scope).await
}

/// A token of this connection's app, in the app's own tenant.
pub async fn token_as(context: &Context, connection: &ServiceConnection, scope: &str) -> Result<Secret, StepError> {
    let key = format!("{} {scope}", connection.id);
    // Concurrent callers wait for the same token; different tokens are requested concurrently.
    let known = Rc::clone(context.shared.tokens.borrow_mut().entry(key).or_default());
    let ask = async || {
        let tenant = connection.app().map_or("", |(tenant, _)| tenant);
        let tokens = app_tokens(context, connection, tenant, scope).await?;
        context.console.redact(&tokens.access_token);
        Ok(tokens.access_token)
    };
    known.get_or_try_init(ask).await.cloned()
}

pub async fn app_tokens(
    context: &Context,
    connection: &ServiceConnection,
    tenant: &str,
    scope: &str,
) -> Result<Tokens, StepError> {
    match &connection.scheme {
        Scheme::ManagedIdentity { endpoint, client } => {
            machine_tokens(context, endpoint, client.as_deref(), scope).await
        }
        Scheme::App { client, .. } => {
            let issuer = Issuer { authority: &connection.authority, tenant };
            authenticate_client(context, connection, issuer, client, Grant::ClientCredentials, scope)
                .await?
                .map_err(|error| StepError::new(on(error, COULD_NOT_SIGN_IN)))
        }
    }
}

async fn machine_tokens(
    context: &Context,
    endpoint: &IdentityEndpoint,
    client: Option<&str>,
    scope: &str,
) -> Result<Tokens, StepError> {
    // This endpoint wants the resource that the scope names.
    let resource = scope.trim_end_matches("/.default");
    managed_identity::token(&context.http, endpoint, client, resource).await.map_err(|error| {
        StepError::new(on(error, "could not sign in as the managed identity of the service connection"))
    })
}

/// Asks for a token, with the connection's credential as the proof that `client` is itself. What a certificate signs is
/// good for one use, so each try has its own; what it signs by an agent's clock that is wrong is refused, and signed
/// once more by the time of the refusal.
pub async fn authenticate_client(
    context: &Context,
    connection: &ServiceConnection,
    issuer: Issuer<'_>,
    client: &str,
    grant: Grant<'_>,
    scope: &str,
) -> Result<Result<Tokens, CallError>, StepError> {
    if !matches!(connection.scheme, Scheme::App { proof: Proof::Certificate(_), .. }) {
        let credential = credential(context, connection, client, issuer).await?;
        return Ok(entra::token(&context.http, issuer, client, &credential, grant, scope).await);
    }
    let sign_and_send = async || {
        let credential = credential(context, connection, client, issuer).await?;
        Ok::<_, StepError>(entra::token_once(&context.http, issuer, client, &credential, grant, scope).await)
    };
    sign_each_try(&context.http, &context.clock, sign_and_send).await
}

/// Sends what a certificate signs, signed anew for each try. After a refusal for the clock's sake the clock is corrected.
pub async fn sign_each_try<E>(
    http: &Http,
    clock: &Clock,
    sign_and_send: impl AsyncFn() -> Result<Result<Tokens, CallError>, E>,
) -> Result<Result<Tokens, CallError>, E> {
    let answer = http.retry_with(Service::Entra, &sign_and_send).await?;
    if let Err(error) = &answer
        && error.codes().any(|code| code == ASSERTION_NOT_VALID_NOW)
        && let Some(date) = error.date
    {
        clock.correct(date);
        return http.retry_with(Service::Entra, &sign_and_send).await;
    }
    Ok(answer)
}

/// What the connection proves with that `client` is itself, made right before it is used.
async fn credential(
    context: &Context,
    connection: &ServiceConnection,
    client: &str,
    issuer: Issuer<'_>,
) -> Result<Credential, StepError> {
    let assertion = match &connection.scheme {
        Scheme::App { proof: Proof::Secret(secret), .. } => return Ok(Credential::ClientSecret(secret.clone())),
        Scheme::App { proof: Proof::Certificate(certificate), .. } => {
            let endpoint = issuer.endpoint("token");
            certificate.assertion(client, endpoint.as_str(), context.clock.now()).map_err(|why| {
                let error = anyhow::anyhow!("could not sign with the service connection's certificate: {why}");
                StepError::new(error).advise("Put a certificate with its key into the service connection again.")
            })?
        }
        Scheme::App { proof: Proof::WorkloadIdentityFederation, .. } => federated(context, connection).await?,
        Scheme::ManagedIdentity { endpoint, client } => {
            machine_tokens(context, endpoint, client.as_deref(), TOKEN_EXCHANGE).await?.access_token
        }
    };
    context.console.redact(&assertion);
    Ok(Credential::Assertion(assertion))
}

/// The job's own token for the connection, which the connection's app trusts.
async fn federated(context: &Context, connection: &ServiceConnection) -> Result<Secret, StepError> {
    let pipeline = &context.access.pipeline;
    let (Some(uri), Some(job_token)) = (&pipeline.oidc, &pipeline.job_token) else {
        let error = anyhow::anyhow!(
            "could not request the job's OIDC token: the agent provided no request URI or no job token"
        );
        return Err(StepError::new(error)
            .advise("Run this task in a pipeline job of Azure DevOps Services, on a current agent."));
    };
    let assertion = oidc::assertion(&context.http, uri, &connection.id, job_token).await.map_err(|error| {
        let what = format!("could not get an OIDC token for the service connection {}", connection.id);
        StepError::new(on(error, &what))
    })?;
    if is_from_retiring_issuer(&assertion) && !context.shared.warned_of_issuer.replace(true) {
        context.console.warn(&format!(
            "the service connection {} gets its tokens from vstoken.dev.azure.com, which Azure DevOps retires on \
             2027-07-01. Convert it to the Entra issuer before then: edit the service connection, and put the issuer and \
             subject shown there into the app's federated credential.",
            connection.id
        ));
    }
    Ok(assertion)
}

/// Whether an assertion comes from the issuer of older service connections. It only leads to a warning: the token is
/// made for Entra.
fn is_from_retiring_issuer(assertion: &Secret) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let claims = assertion.reveal().split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.map(Zeroizing::new).and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
    claims.is_some_and(|claims| claims.iss.starts_with("https://vstoken.dev.azure.com/"))
}

pub fn service_connection(context: &Context) -> Result<&ServiceConnection, StepError> {
    context.access.connection.as_ref().ok_or_else(|| {
        StepError::new(anyhow::anyhow!("no service connection is given")).advise("Set `serviceConnection`.")
    })
}
