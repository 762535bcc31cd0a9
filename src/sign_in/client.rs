//! The app that a user signs in to, and how it proves that it is itself: with the connection's credential where it is
//! the connection's own app, which makes a stolen refresh token useless; as a public client where it is another one.

use crate::app_tokens::authenticate_client;
use crate::azure::entra::{self, Credential, Grant, Issuer, Tokens};
use crate::context::Context;
use crate::failure::{StepError, on};
use crate::model::api_error::CallError;
use crate::model::service_connection::{Proof, Scheme, ServiceConnection};

const PUBLIC: &str = "AADSTS700025";
const CONFIDENTIAL: &str = "AADSTS7000218";
/// The app has no federated credential at all.
const NO_FEDERATED_CREDENTIAL: &str = "AADSTS70025";

/// Exchanges what a user gave for tokens of that user.
pub(super) async fn redeem(
    context: &Context,
    issuer: Issuer<'_>,
    client: &str,
    grant: Grant<'_>,
    scope: &str,
    what: &str,
) -> Result<Tokens, StepError> {
    ask(context, issuer, client, grant, scope, what).await?.map_err(|error| StepError::new(on(error, what)))
}

/// The same, with a refusal as an answer like any other.
pub(super) async fn ask(
    context: &Context,
    issuer: Issuer<'_>,
    client: &str,
    grant: Grant<'_>,
    scope: &str,
    what: &str,
) -> Result<Result<Tokens, CallError>, StepError> {
    let connection = context.access.connection.as_ref();
    let own = connection.filter(|connection| is_app_of(connection, client));
    let unproved = async || entra::token(&context.http, issuer, client, &Credential::Public, grant, scope).await;
    let mut answer = match own {
        // docs/assumptions.md: A refresh token that an app obtained with its secret is redeemed with its federated credential too.
        Some(connection) => {
            check_cloud(connection, issuer, what)?;
            authenticate_client(context, connection, issuer, client, grant, scope).await?
        }
        None => unproved().await,
    };
    if own.is_some() && is_refused(&answer, PUBLIC) {
        context.console.say("note: the service connection's app is a public client, so no credential is sent");
        answer = unproved().await;
    } else if own.is_none()
        && is_refused(&answer, CONFIDENTIAL)
        && let Some(connection) = connection.filter(|connection| is_federated(connection))
    {
        // Another app may trust the same pipeline or machine.
        context.console.say("note: the app of `clientId` requires a credential; trying the service connection's");
        let proved = authenticate_client(context, connection, issuer, client, grant, scope).await?;
        // If the app has no federated credential, the first refusal is more helpful.
        if !is_refused(&proved, NO_FEDERATED_CREDENTIAL) {
            answer = proved;
        }
    }
    Ok(answer)
}

/// Whether a number is among those of a refusal.
fn is_refused(answer: &Result<Tokens, CallError>, code: &str) -> bool {
    answer.as_ref().is_err_and(|error| error.codes().any(|known| known == code))
}

fn is_app_of(connection: &ServiceConnection, client: &str) -> bool {
    connection.app().is_some_and(|(_, app)| app.eq_ignore_ascii_case(client))
}

fn is_federated(connection: &ServiceConnection) -> bool {
    matches!(
        &connection.scheme,
        Scheme::App { proof: Proof::WorkloadIdentityFederation, .. } | Scheme::ManagedIdentity { .. }
    )
}

/// An app of another cloud is unknown where the users of Azure DevOps sign in, and no credential is sent there.
pub(super) fn check_cloud(connection: &ServiceConnection, issuer: Issuer<'_>, what: &str) -> Result<(), StepError> {
    if connection.authority == *issuer.authority {
        return Ok(());
    }
    let (its, users) = [&connection.authority, issuer.authority].map(|url| url.host_str().unwrap_or_default()).into();
    let error = anyhow::anyhow!("the service connection's app is in another cloud ({its}) than the users ({users})");
    Err(StepError::new(error.context(what.to_owned()))
        .advise("Register an app in the organization's tenant, sign in to that app, and set `clientId` to its id."))
}

/// The client id of the app that the user signed in to.
pub(super) fn id(context: &Context, tagged: Option<String>, of_what: &str) -> Result<String, StepError> {
    let own =
        || context.access.connection.as_ref().and_then(ServiceConnection::app).map(|(_, client)| client.to_owned());
    context.access.client.clone().or(tagged).or_else(own).ok_or_else(|| {
        let error = anyhow::anyhow!("the app for {of_what} is unknown: users cannot sign in to a managed identity");
        StepError::new(error).advise("Set `clientId` to the app's id.")
    })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn an_app_of_another_cloud_is_rejected_and_both_clouds_are_named() {
        let [public, government] = ["https://login.microsoftonline.com/", "https://login.microsoftonline.us/"]
            .map(|url| Url::parse(url).unwrap());
        let connection = |authority: &Url| ServiceConnection {
            id: "id".to_owned(),
            authority: authority.clone(),
            scheme: Scheme::App {
                tenant: "home".to_owned(),
                client: "app".to_owned(),
                proof: Proof::Secret(Secret::new("s".to_owned())),
            },
        };
        let users = Issuer { authority: &public, tenant: "users" };
        assert!(check_cloud(&connection(&public), users, "what").is_ok());
        let refused = check_cloud(&connection(&government), users, "could not do it")
            .unwrap_err()
            .now("Nothing was changed.")
            .in_full();
        for words in [
            "could not do it: the service connection's app is in another cloud",
            "(login.microsoftonline.us) than the users (login.microsoftonline.com)",
            "Nothing was changed.",
            "set `clientId` to its id",
        ] {
            assert!(refused.contains(words), "{refused}");
        }
    }
}
