//! A user token that an earlier step made.

use crate::context::Context;
use crate::model::secret::Secret;
use crate::sign_in::user_token::UserToken;

/// For those who give something that is no access token.
pub(super) const NO_TOKEN_ADVICE: &str = "Give `accessToken` an Entra access token of a user, made right before this step: what it holds cannot be read as one.";

/// Takes the token as it is. When it ends, nothing can make another: it must outlive the job.
pub(super) fn sign_in(context: &Context, token: &Secret) -> UserToken {
    UserToken::new(token.clone(), None, &context.clock)
}
