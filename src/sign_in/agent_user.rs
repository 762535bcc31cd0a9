//! An agent user of Microsoft Entra Agent ID: three exchanges from the connection's credential to a token that acts for
//! a user, with no stored secret at all. Documented; whether the PAT lifecycle API takes such a user's token is not.
//! <https://learn.microsoft.com/entra/agent-id/agent-user-oauth-flow>

use crate::azure::entra::{self, Credential, Grant, Issuer, TOKEN_EXCHANGE, Tokens};
use crate::context::{Work, on};
use crate::failure::Failure;
use crate::model::api_error::CallError;
use crate::sign_in::connection::{needed, prove};
use crate::sign_in::{UNCHANGED, UserToken, client};

/// Signs in as the agent user `userName` of this agent identity.
pub(super) async fn sign_in(work: &Work, agent: &str) -> Result<UserToken, Failure> {
    let connection = needed(work)?;
    let Some(user) = &work.access.user else {
        return Err(Failure::new(anyhow::anyhow!("no agent user is named"), UNCHANGED).advise("Set `userName`."));
    };
    let tenant = super::tenant(work).await?;
    let issuer = Issuer { authority: work.access.organization.login(), tenant: &tenant };
    let blueprint = client::id(work, None, "`entraAgentId`")?;
    let exchange = format!("{TOKEN_EXCHANGE}/.default");
    let scope = super::requested_scope(work);
    let taken = |answer: Result<Tokens, CallError>, as_whom: String| {
        let what = format!("could not sign in as the {as_whom}");
        let tokens = answer.map_err(|error| Failure::new(on(error, &what), UNCHANGED))?;
        work.console.redact(&tokens.access_token);
        Ok::<_, Failure>(tokens)
    };

    client::check_cloud(connection, issuer, "could not sign in as the blueprint")?;
    let first = prove(work, connection, issuer, &blueprint, Grant::AgentIdentity(agent), &exchange).await?;
    let as_agent = Credential::Assertion(taken(first, format!("blueprint {blueprint}"))?.access_token);
    let ask = async |grant, scope| entra::token(&work.http, issuer, agent, &as_agent, grant, scope).await;
    let second = ask(Grant::ClientCredentials, &exchange).await;
    let second = taken(second, format!("agent identity {agent}"))?;
    let third = ask(Grant::AgentUser { user, token: &second.access_token }, &scope).await;
    let tokens = taken(third, format!("agent user {user}"))?;
    work.console.say(&format!("signed in as the agent user {user}"));
    super::note_scopes(work, tokens.scope.as_deref());
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &work.clock))
}
