//! Is the user who signed in the expected one? The id token says who it is, by object id and tenant; without one,
//! the organization says the name. The claims of an access token are not made for its client and are not compared.
//! Where nothing can be compared, the run fails.

use std::collections::BTreeMap;

use crate::azure::connection_data;
use crate::context::Context;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::text::one_line;
use crate::model::user::UserName;
use crate::sign_in::claims::Claims;
use crate::sign_in::refusal::explain_refusal;
use crate::sign_in::user_token::UserToken;

/// The tags beside a stored refresh token that say whose it is.
pub(super) const OBJECT_ID_TAG: &str = "userObjectId";
pub(super) const TENANT_TAG: &str = "tenantId";
pub(super) const NAME_TAG: &str = "userName";
pub(super) const CLIENT_TAG: &str = "clientId";
pub(super) const TAGS: [&str; 4] = [OBJECT_ID_TAG, TENANT_TAG, NAME_TAG, CLIENT_TAG];

/// The expected user, as far as known.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    name: Option<String>,
    object_id: Option<String>,
    tenant: Option<String>,
}

impl Expected {
    pub(super) fn named(user: &UserName) -> Self {
        match user {
            UserName::Name(name) => Self { name: Some(name.clone()), ..Self::default() },
            UserName::ObjectId(id) => Self { object_id: Some(id.clone()), ..Self::default() },
        }
    }

    /// The user whose refresh token was stored with these tags.
    pub(super) fn tagged(tags: &BTreeMap<String, String>) -> Self {
        let tag = |name: &str| tags.get(name).filter(|value| !value.is_empty()).cloned();
        let (object_id, name) = (tag(OBJECT_ID_TAG), tag(NAME_TAG));
        let tenant = object_id.is_some().then(|| tag(TENANT_TAG)).flatten();
        Self { name, object_id, tenant }
    }

    fn is_anybody(&self) -> bool {
        self.name.is_none() && self.object_id.is_none() && self.tenant.is_none()
    }

    /// Whether the user of an id token is this one; `None` where it does not say. Names change, so a user with an id is
    /// known by that.
    pub(super) fn is_met_by(&self, claims: &Claims) -> Option<bool> {
        if let Some(id) = &self.object_id {
            let is_same_tenant = match &self.tenant {
                None => true,
                Some(tenant) => tenant.eq_ignore_ascii_case(claims.tid.as_deref()?),
            };
            return Some(id.eq_ignore_ascii_case(claims.oid.as_deref()?) && is_same_tenant);
        }
        match &self.name {
            None => Some(true),
            Some(name) => Some(is_same_name(name, claims.user()?)),
        }
    }

    fn words(&self) -> String {
        let who = match (&self.name, &self.object_id) {
            (_, Some(id)) => format!("the user with the object id {}", one_line(id)),
            (Some(name), None) => one_line(name),
            (None, None) => "another user".to_owned(),
        };
        match &self.tenant {
            Some(tenant) => format!("{who} of tenant {}", one_line(tenant)),
            None => who,
        }
    }
}

/// Compares the user who signed in with the expected user.
pub(super) async fn check(context: &Context, user: &UserToken, expected: &Expected) -> Result<(), StepError> {
    if expected.is_anybody() {
        return Ok(());
    }
    if let Some(claims) = &user.identity
        && let Some(is_met) = expected.is_met_by(claims)
    {
        return if is_met { Ok(()) } else { Err(wrong_user(&claims.in_words(), expected)) };
    }
    let unknown = || {
        let expected = expected.words();
        let error = anyhow::anyhow!("could not check whether the token acts for {expected}");
        StepError::new(error).advise(
            "Set `userName` to the sign-in name of the rotating user. If it is set, allow the app the scopes `openid` \
             and `profile`.",
        )
    };
    let Some(name) = &expected.name else { return Err(unknown()) };
    let organization = &context.access.organization;
    match connection_data::identity(&context.http, organization, Auth::Bearer(&user.token)).await {
        Ok(Some(identity)) if !identity.account.is_empty() => {
            let is_met = is_same_name(name, &identity.account);
            if is_met { Ok(()) } else { Err(wrong_user(&one_line(&identity.account), expected)) }
        }
        Ok(_) => Err(unknown()),
        Err(error) => {
            let advice = explain_refusal(context, user, &error).await;
            let what = format!("could not look up who the token acts for in {organization}");
            Err(StepError::new(on(error, &what)).advise_if(advice))
        }
    }
}

fn wrong_user(is: &str, expected: &Expected) -> StepError {
    let error = anyhow::anyhow!("the token acts for {is}, but {} is expected", expected.words());
    StepError::new(error).advise(
        "Sign in again as the expected user. If the other user is right, correct `userName` and the tags of the \
         stored refresh token.",
    )
}

/// Fails if the token acts for another user than `userName`. Called before anything is stored.
pub(super) async fn check_expected_user(context: &Context, user: UserToken) -> Result<UserToken, StepError> {
    if let Some(wanted) = &context.access.user {
        check(context, &user, &Expected::named(wanted)).await?;
    }
    Ok(user)
}

fn is_same_name(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// A sign-in name as its owner knows it: a guest's name hides the one at home.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    let home = name.split_once("#ext#@").and_then(|(home, _)| home.rsplit_once('_'));
    match home {
        Some((local, domain)) => format!("{local}@{domain}"),
        // Accounts of other issuers carry them in front, as in `live.com#alice@contoso.com`.
        None => name.rsplit('#').next().unwrap_or(&name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_matches_by_home_tenant_name() {
        for (one, other, same) in [
            ("alice@fabrikam.com", "alice_fabrikam.com#EXT#@contoso.onmicrosoft.com", true),
            ("Alice@Fabrikam.com", "live.com#alice@fabrikam.com", true),
            ("a_b@fabrikam.com", "a_b_fabrikam.com#EXT#@contoso.onmicrosoft.com", true),
            ("alice@contoso.com", "alice_fabrikam.com#EXT#@contoso.onmicrosoft.com", false),
            ("alice@contoso.com", "alice@contoso.com.evil.example", false),
        ] {
            assert_eq!(plain(one) == plain(other), same, "{one} {other}");
        }
    }
}
