//! A user token that an earlier step made.

use super::UserToken;
use crate::secret::Secret;
use crate::work::Work;

/// For those who give a personal access token in place of an access token.
pub(super) const PAT_ADVICE: &str = "Give `accessToken` an Entra access token of a user: what it holds looks like a \
                                     personal access token, and those cannot manage tokens.";

/// For those who give something else.
pub(super) const NO_TOKEN_ADVICE: &str = "Give `accessToken` an Entra access token of a user, made right before this step: what it holds cannot be read as one.";

/// Takes the token as it is. When it ends, nothing can make another: it must outlive the job.
pub(super) fn sign_in(work: &Work, token: &Secret) -> UserToken {
    UserToken::new(token.clone(), None, &work.clock)
}
