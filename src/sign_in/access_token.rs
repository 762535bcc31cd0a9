//! A user token that an earlier step made.

use crate::context::Context;
use crate::model::secret::Secret;
use crate::sign_in::user_token::UserToken;

pub(super) const NO_TOKEN_ADVICE: &str = "Set `accessToken` to an Entra access token of a user, requested right \
                                          before this step: the current value is not one.";

/// Uses the token as it is. It cannot be renewed, so it must outlive the job.
pub(super) fn sign_in(context: &Context, token: &Secret) -> UserToken {
    UserToken::new(token.clone(), None, &context.clock)
}
