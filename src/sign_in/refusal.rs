//! Explains why the service rejected a user's token.

use crate::advice::{self, Named, Service};
use crate::azure::connection_data::{self, Tenant};
use crate::context::Context;
use crate::failure::{advice_for, row_for};
use crate::model::api_error::CallError;
use crate::model::secret::is_like_a_pat;
use crate::settings::{Purpose, Source};
use crate::sign_in::access_token;
use crate::sign_in::tenant::NEEDS_ENTRA;
use crate::sign_in::user_token::UserToken;

/// The remedy for a rejected token. The claims only explain a refusal that gives no reason.
pub async fn explain_refusal(context: &Context, user: &UserToken, error: &CallError) -> Option<String> {
    let by_claims = if is_vague(error) { explain_by_claims(context, user).await } else { None };
    let named = user.user().map(crate::model::text::one_line);
    let named = Named { user: named.as_deref(), ..Named::default() };
    by_claims.or_else(|| match context.access.purpose {
        Purpose::OrganizationReport => row_for(error, Service::Administration).map(|row| row.remedy(named)),
        Purpose::Rotation | Purpose::OwnReport => advice_for(error, named),
    })
}

/// Whether the service refuses the caller without saying why.
fn is_vague(error: &CallError) -> bool {
    let says_why = error.codes().any(|code| ["TF401444", "VS403463", "insufficient_claims"].contains(&code));
    let is_about_the_caller = error.is_about_signing_in() || error.refusal().is_some_and(|(status, _)| status == 403);
    is_about_the_caller && !says_why
}

async fn explain_by_claims(context: &Context, user: &UserToken) -> Option<String> {
    if user.claims.is_none() && is_like_a_pat(user.token.reveal()) {
        return Some(advice::NO_PAT.to_owned());
    }
    let tenant = match connection_data::tenant(&context.http, &context.access.organization).await {
        Ok(Tenant::Entra(tenant)) => Some(tenant),
        Ok(Tenant::Missing) => {
            return Some(format!(
                "The organization is backed by Microsoft accounts, or no organization of that name exists. \
                 {NEEDS_ENTRA}"
            ));
        }
        _ => None,
    };
    match (&user.claims, &context.access.source) {
        (Some(claims), _) => claims.explain(context.clock.now(), tenant.as_deref(), context.access.purpose),
        (None, Source::AccessToken(_)) => Some(access_token::NO_TOKEN_ADVICE.to_owned()),
        (None, _) => None,
    }
}
