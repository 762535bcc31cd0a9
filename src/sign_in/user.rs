//! Is the user who signed in the one who is meant? Compared by object id and tenant where those are known, else by name.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::failure::StepError;
use crate::model::text::one_line;
use crate::model::user::UserName;
use crate::sign_in::claims::Claims;
use crate::sign_in::user_token::UserToken;

/// The tags beside a stored refresh token that say whose it is.
pub(super) const OBJECT_ID_TAG: &str = "userObjectId";
pub(super) const TENANT_TAG: &str = "tenantId";
pub(super) const NAME_TAG: &str = "userName";
pub(super) const CLIENT_TAG: &str = "clientId";

/// Who is meant, as far as that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    name: Option<String>,
    object_id: Option<String>,
    tenant: Option<String>,
}

impl Expected {
    /// The user of an input.
    pub(super) fn named(user: &UserName) -> Self {
        match user {
            UserName::Name(name) => Self { name: Some(name.clone()), ..Self::default() },
            UserName::ObjectId(id) => Self { object_id: Some(id.clone()), ..Self::default() },
        }
    }

    /// The user whose refresh token was stored with these tags.
    pub(super) fn tagged(tags: &BTreeMap<String, String>) -> Self {
        let tag = |name: &str| tags.get(name).filter(|value| !value.is_empty()).cloned();
        let object_id = tag(OBJECT_ID_TAG);
        // Names change; a user with an id is known by that.
        let name = if object_id.is_some() { None } else { tag(NAME_TAG) };
        let tenant = object_id.is_some().then(|| tag(TENANT_TAG)).flatten();
        Self { name, object_id, tenant }
    }

    fn is_anybody(&self) -> bool {
        self.name.is_none() && self.object_id.is_none() && self.tenant.is_none()
    }

    /// Whether a token's user is this one; `None` where it does not say.
    pub(super) fn is_met_by(&self, claims: &Claims) -> Option<bool> {
        let same = |wanted: &Option<String>, is: Option<&str>| match wanted {
            None => Some(true),
            Some(wanted) => Some(wanted.eq_ignore_ascii_case(is?)),
        };
        let is_same_name = match &self.name {
            None => true,
            Some(wanted) => plain(wanted) == plain(claims.user()?),
        };
        Some(
            is_same_name && same(&self.object_id, claims.oid.as_deref())? && same(&self.tenant, claims.tid.as_deref())?,
        )
    }

    fn words(&self) -> String {
        let who = match (&self.name, &self.object_id) {
            (Some(name), _) => one_line(name),
            (None, Some(id)) => format!("the user with the object id {}", one_line(id)),
            (None, None) => "another user".to_owned(),
        };
        match &self.tenant {
            Some(tenant) => format!("{who} of tenant {}", one_line(tenant)),
            None => who,
        }
    }
}

/// Compares who a token says it acts for with who is meant.
pub(super) fn check(context: &Context, claims: Option<&Claims>, expected: &Expected) -> Result<(), StepError> {
    if expected.is_anybody() {
        return Ok(());
    }
    let met = claims.and_then(|claims| Some((claims, expected.is_met_by(claims)?)));
    match met {
        Some((_, true)) => Ok(()),
        Some((claims, false)) => {
            let is = claims.in_words();
            let error = anyhow::anyhow!("the token acts for {is}, and {} is meant", expected.words());
            Err(StepError::new(error).advise(
                "Sign in again as the user who is meant, or, where the other one is right, say so in `userName` and in \
                 the tags of the stored refresh token.",
            ))
        }
        None => {
            context.console.say(&format!(
                "note: whether the token acts for {} could not be compared, as it does not say",
                expected.words()
            ));
            Ok(())
        }
    }
}

/// The token, unless it acts for somebody else than `userName` says. Compared before anything is stored.
pub(super) fn meant(context: &Context, user: UserToken) -> Result<UserToken, StepError> {
    if let Some(wanted) = &context.access.user {
        check(context, user.claims.as_ref(), &Expected::named(wanted))?;
    }
    Ok(user)
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
    fn a_guest_is_known_by_the_name_at_home() {
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
