//! A user's password: the last resort, for cloud accounts without a second factor.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc>

use crate::azure::entra::{Grant, Issuer};
use crate::context::Context;
use crate::failure::StepError;
use crate::model::secret::Secret;
use crate::model::user::UserName;
use crate::sign_in::client;
use crate::sign_in::scope::note_scopes;
use crate::sign_in::scope::requested_scope;
use crate::sign_in::tenant;
use crate::sign_in::user_token::UserToken;

/// Signs in with the password of `userName`.
pub(super) async fn sign_in(context: &Context, password: &Secret) -> Result<UserToken, StepError> {
    context.console.warn(
        "`password` works only for an account without multi-factor authentication, and anyone who reads the password \
         can act as that user. Use `refreshTokenSecret` or `entraAgentId` instead.",
    );
    let user = match &context.access.user {
        Some(UserName::Name(name)) => name.as_str(),
        // The settings let no other one through.
        Some(UserName::ObjectId(id)) => id.as_str(),
        None => "",
    };
    let tenant = tenant::tenant(context).await?;
    let issuer = Issuer { authority: context.access.organization.login(), tenant: &tenant };
    let app = client::id(context, None, "the password")?;
    let grant = Grant::Password { user, password };
    let scope = requested_scope(context);
    let what = format!("could not sign in as {} with `password`", crate::model::text::one_line(user));
    let tokens = client::redeem(context, issuer, &app, grant, &scope, &what).await?;
    note_scopes(context, tokens.scope.as_deref());
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &context.clock))
}
