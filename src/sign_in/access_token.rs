//! A user token that an earlier step made.

use super::UserToken;
use crate::secret::Secret;
use crate::work::Work;

/// For those who give a personal access token in place of an access token.
pub(super) const PAT_ADVICE: &str = "Give `accessToken` an Entra access token of a user: what it holds looks like a \
                                     personal access token, and those cannot manage tokens.";

/// Takes the token as it is. When it ends, nothing can make another: it must outlive the job.
pub(super) fn sign_in(work: &Work, token: &Secret) -> UserToken {
    UserToken::new(token.clone(), None, &work.clock)
}

/// Whether it has the form of a personal access token: 84 characters now, 52 before.
pub(super) fn is_like_a_pat(token: &Secret) -> bool {
    let token = token.reveal();
    matches!(token.len(), 52 | 84) && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
