//! The service connection's own token, as if it were a user's. Tried where no other source is given; the server is
//! expected to refuse it.

use crate::app_tokens::{COULD_NOT_SIGN_IN, app_tokens, service_connection};
use crate::azure::entra::{AZURE_DEVOPS, Issuer};
use crate::context::Context;
use crate::failure::StepError;
use crate::sign_in::client;
use crate::sign_in::tenant::users_tenant;
use crate::sign_in::user_token::UserToken;

/// The connection's own token, as if it were a user's.
pub(super) async fn sign_in(context: &Context) -> Result<UserToken, StepError> {
    let connection = service_connection(context)?;
    // Single scopes can be asked for in a user's name only.
    let scope = format!("{AZURE_DEVOPS}/.default");
    context.console.say("signing in as the app of the service connection");
    let tokens = match connection.app() {
        Some((home, _)) => {
            let users = Issuer { authority: context.access.organization.login(), tenant: home };
            client::check_cloud(connection, users, COULD_NOT_SIGN_IN)?;
            let tenant = users_tenant(context).await?.unwrap_or_else(|| home.to_owned());
            app_tokens(context, connection, &tenant, &scope).await?
        }
        None => app_tokens(context, connection, "", &scope).await?,
    };
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &context.clock))
}
