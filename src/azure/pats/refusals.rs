//! What a refusal is about: the token that a request names, or the caller and the moment.

use crate::model::api_error::{CallError, Kind};

/// Whether a request about a token got so far that the token itself may be why it failed.
///
/// docs/assumptions.md: A refusal of a change does not say that the token is gone.
pub fn may_be_about_the_token(error: &CallError) -> bool {
    match error.kind {
        Kind::Refused { .. } => !error.is_about_signing_in(),
        Kind::NoAnswer(_) | Kind::Busy { .. } | Kind::Unreadable { .. } => true,
        _ => false,
    }
}

/// Refusals that are known to be about the token named in a request, or about a policy on that token: the only ones that
/// may lead to a revocation. What each means is inferred from its name, as the specification describes none of them.
/// Every other refusal, known or new, may be about the caller or the moment.
pub fn is_about_the_token(error: &CallError) -> bool {
    const ABOUT_THE_PAT: [&str; 9] = [
        "expiredPatCannotBeExtended",
        "fullScopePatPolicyViolation",
        "globalPatPolicyViolation",
        "globalPATCreationBlocked",
        "invalidDisplayName",
        "invalidScope",
        "invalidTargetAccounts",
        "invalidTokenType",
        "patLifespanPolicyViolation",
    ];
    error.refusal().is_some_and(|(_, code)| ABOUT_THE_PAT.contains(&code))
}
