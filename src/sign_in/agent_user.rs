//! An agent user of Microsoft Entra Agent ID: three exchanges from the connection's credential to a token that acts for
//! a user, with no stored secret at all. Documented; whether the PAT lifecycle API takes such a user's token is not.
//! <https://learn.microsoft.com/entra/agent-id/agent-user-oauth-flow>

use crate::app_tokens::{authenticate_client, service_connection};
use crate::azure::entra::{self, Credential, Grant, Issuer, TOKEN_EXCHANGE, Tokens};
use crate::context::Context;
use crate::failure::{StepError, on};
use crate::model::api_error::CallError;
use crate::sign_in::client;
use crate::sign_in::scope::note_scopes;
use crate::sign_in::scope::requested_scope;
use crate::sign_in::tenant;
use crate::sign_in::user_token::UserToken;

/// Signs in as the agent user `userName` of this agent identity.
pub(super) async fn sign_in(context: &Context, agent: &str) -> Result<UserToken, StepError> {
    let connection = service_connection(context)?;
    let Some(user) = &context.access.user else {
        return Err(StepError::new(anyhow::anyhow!("no agent user is named")).advise("Set `userName`."));
    };
    let tenant = tenant::tenant(context).await?;
    let issuer = Issuer { authority: context.access.organization.login(), tenant: &tenant };
    let blueprint = client::id(context, None, "`entraAgentId`")?;
    let exchange = format!("{TOKEN_EXCHANGE}/.default");
    let scope = requested_scope(context);
    let taken = |answer: Result<Tokens, CallError>, as_whom: String| {
        let what = format!("could not sign in as the {as_whom}");
        let tokens = answer.map_err(|error| StepError::new(on(error, &what)))?;
        context.console.redact(&tokens.access_token);
        Ok::<_, StepError>(tokens)
    };

    client::check_cloud(connection, issuer, "could not sign in as the blueprint")?;
    let first =
        authenticate_client(context, connection, issuer, &blueprint, Grant::AgentIdentity(agent), &exchange).await?;
    let as_agent = Credential::Assertion(taken(first, format!("blueprint {blueprint}"))?.access_token);
    let ask = async |grant, scope| entra::token(&context.http, issuer, agent, &as_agent, grant, scope).await;
    let second = ask(Grant::ClientCredentials, &exchange).await;
    let second = taken(second, format!("agent identity {agent}"))?;
    let third = ask(Grant::AgentUser { user, token: &second.access_token }, &scope).await;
    let tokens = taken(third, format!("agent user {user}"))?;
    context.console.say(&format!("signed in as the agent user {user}"));
    note_scopes(context, tokens.scope.as_deref());
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &context.clock))
}
