//! A user's password: the last resort, for cloud accounts without a second factor.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc>

use crate::azure::entra::{Grant, Issuer};
use crate::context::Work;
use crate::failure::Failure;
use crate::model::secret::Secret;
use crate::model::user::UserName;
use crate::sign_in::{UserToken, client};

/// Signs in with the password of `userName`.
pub(super) async fn sign_in(work: &Work, password: &Secret) -> Result<UserToken, Failure> {
    work.console.warn(
        "`password` works only for an account without multi-factor authentication, and whoever reads it is that user. \
         Use `refreshTokenSecret` or `entraAgentId` instead.",
    );
    let user = match &work.access.user {
        Some(UserName::Name(name)) => name.as_str(),
        // The settings let no other one through.
        Some(UserName::ObjectId(id)) => id.as_str(),
        None => "",
    };
    let tenant = super::tenant(work).await?;
    let issuer = Issuer { authority: work.access.organization.login(), tenant: &tenant };
    let app = client::id(work, None, "the password")?;
    let grant = Grant::Password { user, password };
    let scope = super::requested_scope(work);
    let what = format!("could not sign in as {} with `password`", crate::model::text::one_line(user));
    let tokens = client::redeem(work, issuer, &app, grant, &scope, &what).await?;
    super::note_scopes(work, tokens.scope.as_deref());
    Ok(UserToken::new(tokens.access_token, tokens.expires_in, &work.clock))
}
