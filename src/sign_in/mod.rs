//! A token that acts for a user, from the source that the settings name; one file a source.

mod access_token;
mod agent_user;
pub mod claims;
mod client;
pub mod connection;
mod password;
pub mod person;
mod refresh_token;
mod refusal;
mod scope;
pub mod store;
mod tenant;
mod user;
mod user_token;

pub use self::refusal::explain_refusal;
pub use self::scope::{qualified, with_identity};
pub use self::tenant::{NEEDS_ENTRA, of_organization};
pub use self::user_token::{UserToken, is_nearly_over};

use self::user::check_expected_user;
use crate::context::Context;
use crate::failure::StepError;
use crate::settings::Source;

pub async fn sign_in(context: &Context) -> Result<UserToken, StepError> {
    let user = match &context.access.source {
        Source::AccessToken(token) => check_expected_user(context, access_token::sign_in(context, token)).await?,
        // The requests of these two name the user, so Entra gives a token for nobody else.
        Source::AgentUser(agent) => agent_user::sign_in(context, agent).await?,
        Source::Password(password) => password::sign_in(context, password).await?,
        Source::Connection => connection::sign_in(context).await?,
        Source::RefreshTokenSecret(secret) => refresh_token::from_vault(context, secret).await?,
        Source::RefreshToken(token, store) => refresh_token::from_variable(context, token, store.as_ref()).await?,
        Source::Person => {
            let error = anyhow::anyhow!("interactive sign-in requires `command: signIn`");
            return Err(StepError::new(error).advise("Choose another way of signing in."));
        }
    };
    context.console.redact(&user.token);
    if user.claims.is_none() {
        context.console.debug("could not read the token's claims, so they cannot explain a refusal");
    }
    Ok(user)
}
