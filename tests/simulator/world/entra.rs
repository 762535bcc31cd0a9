//! Entra's token endpoint: who gets which token for which credential, and the numbered reasons why not.

use jiff::SignedDuration;

use super::super::jwt;
use super::{AZURE_DEVOPS, App, KEY_VAULT, TOKEN_EXCHANGE, World};

/// How the client proves which app it is.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// Not at all, as a public client.
    None,
    /// With a secret.
    Secret(String),
    /// With a token of somebody whom the app trusts.
    Assertion(String),
}

/// What the client offers. Password, device code and agent user (`user_fic`) would be further variants here, with an arm
/// each in `World::grant_token` and in the wire's `grant`.
#[derive(Clone, Debug)]
pub(crate) enum Grant {
    /// The app itself.
    ClientCredentials,
    /// A user's earlier sign-in.
    RefreshToken(String),
}

/// A request to the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct TokenRequest {
    /// The tenant's id or domain.
    pub(crate) tenant: String,
    /// The application id.
    pub(crate) client_id: String,
    /// Scopes, separated by spaces.
    pub(crate) scope: String,
    /// How the client proves which app it is.
    pub(crate) credential: Credential,
    /// What it offers.
    pub(crate) grant: Grant,
}

/// What the endpoint hands out.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    /// The access token.
    pub(crate) access_token: String,
    /// Its life in seconds, one less than it lives.
    pub(crate) expires_in: i64,
    /// What a user's token allows; none for an app.
    pub(crate) scope: Option<String>,
    /// The newer refresh token.
    pub(crate) refresh_token: Option<String>,
}

/// A refusal: the `error`, the `AADSTS` number and the sentence.
#[derive(Clone, Debug)]
pub(crate) struct EntraRefusal {
    /// The word that clients should branch on.
    pub(crate) error: &'static str,
    /// The `AADSTS` number.
    pub(crate) code: u32,
    /// The sentence after the number.
    pub(crate) text: String,
    /// A finer reason, where the service gives one.
    pub(crate) suberror: Option<&'static str>,
}

impl EntraRefusal {
    pub(crate) fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { error, code, text: text.into(), suberror: None }
    }

    /// A refusal of a refresh token, by number, as the service words it.
    fn of_refresh_token(code: u32) -> Self {
        let (error, text, suberror) = match code {
            50076 => (
                "invalid_grant",
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
                Some("basic_action"),
            ),
            50173 => (
                "invalid_grant",
                "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
                Some("bad_token"),
            ),
            53003 => (
                "invalid_grant",
                "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
                Some("message_only"),
            ),
            70008 => (
                "invalid_grant",
                "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
                Some("token_expired"),
            ),
            70043 => (
                "invalid_grant",
                "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
                Some("bad_token"),
            ),
            700_082 => (
                "invalid_grant",
                "The refresh token has expired due to inactivity. The token was issued on an earlier date and was inactive for 90.00:00:00.",
                Some("token_expired"),
            ),
            700_084 => (
                "invalid_grant",
                "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of 1.00:00:00, which can't be extended.",
                Some("token_expired"),
            ),
            50057 => ("invalid_grant", "The user account is disabled.", None),
            65001 => (
                "invalid_grant",
                "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.",
                Some("consent_required"),
            ),
            _ => ("invalid_grant", "Provided grant is invalid or malformed.", None),
        };
        Self { error, code, text: text.to_owned(), suberror }
    }
}

impl World {
    /// Answers a request to the token endpoint.
    pub(crate) fn grant_token(&mut self, request: &TokenRequest) -> Result<Issued, EntraRefusal> {
        let tenant = self.known_tenant(&request.tenant)?;
        let app = self.known_app(&request.client_id, &tenant)?;
        match &request.grant {
            Grant::ClientCredentials => {
                self.check_credential(&app, &request.credential, true)?;
                self.grant_to_app(&app, &request.scope)
            }
            Grant::RefreshToken(token) => {
                self.check_credential(&app, &request.credential, false)?;
                self.redeem(&app, token, &request.scope)
            }
        }
    }

    fn known_tenant(&self, wanted: &str) -> Result<String, EntraRefusal> {
        let found = self
            .tenants
            .iter()
            .find(|tenant| tenant.id.eq_ignore_ascii_case(wanted) || tenant.domain.eq_ignore_ascii_case(wanted));
        found.map(|tenant| tenant.id.clone()).ok_or_else(|| {
            let text = format!("Tenant '{wanted}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.");
            EntraRefusal::new("invalid_request", 90002, text)
        })
    }

    fn known_app(&self, client_id: &str, tenant: &str) -> Result<App, EntraRefusal> {
        let found = self.apps.iter().find(|app| app.client_id.eq_ignore_ascii_case(client_id) && app.tenant == tenant);
        found.cloned().ok_or_else(|| {
            let text = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
            EntraRefusal::new("unauthorized_client", 700_016, text)
        })
    }

    fn check_credential(&self, app: &App, credential: &Credential, needed: bool) -> Result<(), EntraRefusal> {
        let refuse = |code, text: &str| Err(EntraRefusal::new("invalid_client", code, text));
        match credential {
            Credential::None if app.public && !needed => Ok(()),
            Credential::None => refuse(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            ),
            _ if app.public => refuse(
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            ),
            Credential::Secret(secret) => {
                let now = self.now();
                match app.secrets.iter().find(|known| known.value == *secret) {
                    Some(known) if known.expires.is_some_and(|end| end <= now) => {
                        refuse(7_000_222, "The provided client secret keys for app are expired.")
                    }
                    Some(_) => Ok(()),
                    None => refuse(
                        7_000_215,
                        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.",
                    ),
                }
            }
            Credential::Assertion(token) => self.check_assertion(app, token),
        }
    }

    /// A certificate's self-signed assertion would be recognised here, before the federated ones.
    fn check_assertion(&self, app: &App, token: &str) -> Result<(), EntraRefusal> {
        let refuse = |code, text: String| Err(EntraRefusal::new("invalid_client", code, text));
        if !jwt::looks_like_one(token) {
            return Err(EntraRefusal::new("invalid_request", 50027, "JWT token is invalid or malformed."));
        }
        let Some(token) = self.oidc_tokens.iter().find(|known| known.value == token) else {
            return refuse(
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application."
                    .to_owned(),
            );
        };
        let now = self.now();
        if token.expires <= now {
            let text = format!(
                "Client assertion is not within its valid time range. Current time: {now}, expiry time of assertion {}.",
                token.expires
            );
            return refuse(700_024, text);
        }
        if app.federated.is_empty() {
            return refuse(70025, "The client has no configured federated identity credentials.".to_owned());
        }
        if token.audience != TOKEN_EXCHANGE {
            let text = format!(
                "No matching federated identity record found for presented assertion audience '{}'.",
                token.audience
            );
            return refuse(700_212, text);
        }
        let same_issuer: Vec<_> = app.federated.iter().filter(|known| known.issuer == token.issuer).collect();
        if same_issuer.is_empty() {
            let text = format!(
                "No matching federated identity record found for presented assertion issuer '{}'.",
                token.issuer
            );
            return refuse(700_211, text);
        }
        if same_issuer.iter().all(|known| known.subject != token.subject) {
            let text = format!(
                "No matching federated identity record found for presented assertion subject '{}'.",
                token.subject
            );
            return refuse(700_213, text);
        }
        Ok(())
    }

    fn grant_to_app(&mut self, app: &App, scope: &str) -> Result<Issued, EntraRefusal> {
        let Some(resource) = scope.strip_suffix("/.default").filter(|resource| !resource.contains(' ')) else {
            let text = format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            );
            return Err(EntraRefusal::new("invalid_scope", 1_002_012, text));
        };
        let audience = known_resource(resource)?;
        let access_token = self.app_token(&app.name, audience);
        Ok(Issued { access_token, expires_in: self.app_token_minutes * 60 - 1, scope: None, refresh_token: None })
    }

    fn redeem(&mut self, app: &App, token: &str, scope: &str) -> Result<Issued, EntraRefusal> {
        let now = self.now();
        let life = SignedDuration::from_hours(24 * self.refresh_token_days);
        // Bound to its user and client: with another client it is no grant at all.
        let known = self.refresh_tokens.iter_mut().find(|known| known.value == token && known.app == app.name);
        let Some(known) = known else { return Err(EntraRefusal::of_refresh_token(70000)) };
        if let Some(code) = known.refused_with {
            return Err(EntraRefusal::of_refresh_token(code));
        }
        if known.issued + life <= now {
            return Err(EntraRefusal::of_refresh_token(700_082));
        }
        known.redeemed += 1;
        let user = known.user.clone();
        let (audience, scopes, offline) = user_scopes(app, scope)?;
        let access_token = self.token_of_user(&user, &app.name, audience, &scopes.join(" "));
        let refresh_token = offline.then(|| self.refresh_token_for(&user, &app.name));
        let granted: Vec<String> = scopes.iter().map(|scope| format!("{audience}/{scope}")).collect();
        let expires_in = self.user_token_minutes * 60 - 1;
        Ok(Issued { access_token, expires_in, scope: Some(granted.join(" ")), refresh_token })
    }
}

/// The audience, what is granted on it, and whether a newer refresh token was asked for.
fn user_scopes(app: &App, asked: &str) -> Result<(&'static str, Vec<String>, bool), EntraRefusal> {
    let mut offline = false;
    let mut audience = None;
    let mut granted: Vec<String> = Vec::new();
    for one in asked.split_whitespace() {
        if one == "offline_access" {
            offline = true;
            continue;
        }
        if matches!(one, "openid" | "profile" | "email") {
            continue;
        }
        let Some((resource, permission)) = one.rsplit_once('/') else { return Err(bad_scope(asked)) };
        let resource = known_resource(resource)?;
        if audience.is_some_and(|before| before != resource) {
            return Err(bad_scope(asked));
        }
        audience = Some(resource);
        match permission {
            ".default" if resource == AZURE_DEVOPS => granted.extend(app.delegated.iter().cloned()),
            ".default" => granted.push("user_impersonation".to_owned()),
            _ if resource == AZURE_DEVOPS && !app.delegated.iter().any(|known| known == permission) => {
                return Err(EntraRefusal::of_refresh_token(65001));
            }
            _ => granted.push(permission.to_owned()),
        }
    }
    let Some(audience) = audience else { return Err(bad_scope(asked)) };
    if granted.is_empty() {
        return Err(EntraRefusal::of_refresh_token(65001));
    }
    Ok((audience, granted, offline))
}

fn bad_scope(asked: &str) -> EntraRefusal {
    let text = format!(
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope '{asked}' is not valid."
    );
    EntraRefusal::new("invalid_scope", 70011, text)
}

fn known_resource(resource: &str) -> Result<&'static str, EntraRefusal> {
    match resource.trim_end_matches('/') {
        AZURE_DEVOPS | "https://app.vssps.visualstudio.com" => Ok(AZURE_DEVOPS),
        KEY_VAULT => Ok(KEY_VAULT),
        TOKEN_EXCHANGE => Ok(TOKEN_EXCHANGE),
        other => {
            let text = format!("The resource principal named {other} was not found in the tenant named Contoso.");
            Err(EntraRefusal::new("invalid_resource", 500_011, text))
        }
    }
}
