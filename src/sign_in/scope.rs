//! The scopes that are asked for in a user's name, and whether those that were granted suffice.

use crate::azure::entra::AZURE_DEVOPS;
use crate::context::Context;
use crate::sign_in::claims;

/// What to ask for in Azure DevOps' name.
pub(super) fn requested_scope(context: &Context) -> String {
    let default = || format!("{AZURE_DEVOPS}/.default");
    context.access.requested_scopes.as_deref().map_or_else(default, qualified)
}

/// Who signed in, and a token for later.
const IDENTITY: &str = "openid profile offline_access";

/// These scopes, with those for a refresh token and for an id token, which says who signed in.
pub fn with_identity(scopes: &str) -> String {
    let is_missing = |one: &&str| !scopes.split(' ').any(|known| known == *one);
    [scopes].into_iter().chain(IDENTITY.split(' ').filter(is_missing)).collect::<Vec<_>>().join(" ")
}

/// Short names of scopes are Azure DevOps' own.
pub fn qualified(scopes: &str) -> String {
    let qualify = |scope: &str| match scope {
        "offline_access" | "openid" | "profile" => scope.to_owned(),
        scope if scope.contains('/') => scope.to_owned(),
        scope => format!("{AZURE_DEVOPS}/{scope}"),
    };
    scopes.split([' ', ',', '\n']).filter(|scope| !scope.is_empty()).map(qualify).collect::<Vec<_>>().join(" ")
}

/// Says so where the scopes granted may not suffice; the service decides.
pub(super) fn note_scopes(context: &Context, granted: Option<&str>) {
    if let Some(granted) = granted.filter(|granted| !claims::suffice(granted, context.access.purpose)) {
        let granted = crate::model::text::quoted(granted);
        context.console.say(&format!("note: the scopes granted are {granted}, which may not be enough"));
    }
}
