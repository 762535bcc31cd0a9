//! What an access token says of itself. Read to explain refusals, never to decide: the format is the issuer's business.
//! <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::azure::entra::AZURE_DEVOPS;
use crate::model::secret::Secret;
use crate::model::text::{one_line, quoted};
use crate::model::timestamp::Timestamp;
use crate::settings::Purpose;

/// The claims that explain something.
#[derive(Deserialize, Clone, Debug, Default)]
pub struct Claims {
    aud: Option<String>,
    pub(super) tid: Option<String>,
    pub(super) oid: Option<String>,
    scp: Option<String>,
    idtyp: Option<String>,
    upn: Option<String>,
    unique_name: Option<String>,
    preferred_username: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    pub(super) exp: Option<i64>,
}

impl Claims {
    /// Reads the middle part of a JSON Web Token; the signature is the server's to check.
    pub fn read(token: &Secret) -> Option<Self> {
        let mut parts = token.reveal().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
        serde_json::from_slice(&payload).ok()
    }

    /// The user it acts for, if it does act for one.
    pub fn user(&self) -> Option<&str> {
        self.upn.as_deref().or(self.unique_name.as_deref()).or(self.preferred_username.as_deref())
    }

    /// The scopes that it was granted.
    pub fn granted(&self) -> Option<&str> {
        self.scp.as_deref()
    }

    pub fn object_id(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// The user with every identifier in the claims.
    pub(super) fn in_words(&self) -> String {
        let plain = |text: &Option<String>| text.as_deref().map(one_line);
        let id = plain(&self.oid).map_or("no object id".to_owned(), |id| format!("object id {id}"));
        let tenant = plain(&self.tid).map_or("an unknown tenant".to_owned(), |tenant| format!("tenant {tenant}"));
        format!("{} ({id}) of {tenant}", self.user().map_or("an unnamed user".to_owned(), one_line))
    }

    /// Whether it acts for an application and not for a user.
    pub fn is_app_only(&self) -> bool {
        self.idtyp.as_deref() == Some("app") || (self.scp.is_none() && self.idtyp.as_deref() != Some("user"))
    }

    /// What is wrong with the token by its own words, and what to do about it.
    pub fn explain(&self, now: Timestamp, tenant: Option<&str>, purpose: Purpose) -> Option<String> {
        let known =
            |audience: &str| audience == AZURE_DEVOPS || audience.starts_with("https://app.vssps.visualstudio.com");
        if let Some(audience) = self.aud.as_deref().filter(|audience| !known(audience)) {
            return Some(format!(
                "The token is for {}, not for Azure DevOps: request the scope `{AZURE_DEVOPS}/.default`.",
                quoted(audience)
            ));
        }
        if let Some(expired) = self.exp.and_then(Timestamp::from_unix).filter(|expires| *expires <= now) {
            return Some(format!("The token expired at {expired}: request it right before this step."));
        }
        if let (Some(own), Some(tenant)) = (&self.tid, tenant)
            && !own.eq_ignore_ascii_case(tenant)
        {
            return Some(format!(
                "The token is from tenant {}, and the organization belongs to tenant {tenant}: sign in there \
                 (`tenantId`).",
                one_line(own)
            ));
        }
        if self.is_app_only() {
            // Whether an app may administer tokens is not documented.
            if purpose == Purpose::OrganizationReport {
                return None;
            }
            let app = self.appid.as_deref().or(self.azp.as_deref()).unwrap_or("unknown");
            return Some(format!(
                "The token acts for the app {}, and the PAT lifecycle API accepts only tokens that act for a user: \
                 give `refreshTokenSecret`, the refresh token of a user who signed in once.",
                one_line(app)
            ));
        }
        let user = one_line(self.user().unwrap_or("the user"));
        let scopes = self.scp.as_deref().unwrap_or_default();
        if !suffice(scopes, purpose) {
            let needed: Vec<String> = purpose.scopes().iter().map(|scope| format!("`{scope}`")).collect();
            return Some(format!(
                "The token of {user} has the scopes {}: grant the app the delegated permissions {}, with admin \
                 consent.",
                quoted(scopes),
                needed.join(" and ")
            ));
        }
        None
    }
}

/// Whether scopes, with or without their resource in front, are those that are needed.
pub(super) fn suffice(scopes: &str, purpose: Purpose) -> bool {
    let has = |scope: &str| scopes.split(' ').any(|granted| granted.rsplit('/').next() == Some(scope));
    has("user_impersonation") || purpose.scopes().iter().all(|scope| has(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn each_reason_has_its_remedy() {
        let now = Timestamp::from_unix(1_000).unwrap();
        for (claims, remedy) in [
            (r#"{"aud":"https://vault.azure.net","scp":"x"}"#, "for \"https://vault.azure.net\", not for Azure DevOps"),
            (r#"{"exp":999,"scp":"user_impersonation"}"#, "expired at 1970-01-01T00:16:39Z"),
            (
                r#"{"exp":9999,"tid":"a","scp":"user_impersonation"}"#,
                "from tenant a, and the organization belongs to tenant b",
            ),
            (r#"{"tid":"B","idtyp":"app","appid":"x"}"#, "acts for the app x"),
            (r#"{"tid":"b"}"#, "only tokens that act for a user"),
            (
                r#"{"tid":"b","scp":"vso.pats","upn":"r@contoso.com"}"#,
                "token of r@contoso.com has the scopes \"vso.pats\"",
            ),
        ] {
            let explained = Claims::read(&token(claims)).unwrap().explain(now, Some("b"), Purpose::Rotation).unwrap();
            assert!(explained.contains(remedy), "{claims}: {explained}");
        }
        let good = token(r#"{"tid":"b","scp":"vso.pats vso.pats_manage","upn":"r"}"#);
        let good = Claims::read(&good).unwrap();
        assert_eq!(good.explain(now, Some("b"), Purpose::Rotation), None);
        assert_eq!(good.explain(now, Some("b"), Purpose::OwnReport), None);
        let explained = good.explain(now, Some("b"), Purpose::OrganizationReport).unwrap();
        assert!(explained.contains("`vso.graph` and `vso.tokenadministration`"), "{explained}");
    }

    #[test]
    fn text_that_is_not_a_token_has_no_claims() {
        for text in ["", "abc", "a.b.c", "a.e30", "eyJ.###.x"] {
            assert!(Claims::read(&Secret::new(text.to_owned())).is_none(), "{text}");
        }
    }
}
