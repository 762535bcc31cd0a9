//! Entra's token endpoint: who gets which token for which credential, and the numbered reasons why not.

mod agent_users;
mod assertions;
mod authorization_codes;
mod device_codes;
mod refusal;
mod users;

use super::{AZURE_DEVOPS, App, KEY_VAULT, TOKEN_EXCHANGE, World};

#[allow(unused_imports, reason = "each test target that includes this uses another part of it")]
pub use self::{
    authorization_codes::{AuthorizationCode, SignInPage},
    device_codes::{DeviceCode, DeviceFlowBlock, DeviceState},
    refusal::EntraRefusal,
};

/// How the client proves which app it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Not at all, as a public client.
    None,
    /// With a secret.
    Secret(String),
    /// With a token of somebody whom the app trusts, or one that it signed itself.
    Assertion(String),
}

/// What the client offers.
#[derive(Clone, Debug)]
pub enum Grant {
    /// The app itself.
    ClientCredentials {
        /// The agent identity that a blueprint asks for.
        fmi_path: Option<String>,
    },
    /// A user's earlier sign-in.
    RefreshToken(String),
    /// A user's name and password.
    Password {
        /// The sign-in name.
        username: String,
        /// The password.
        password: String,
    },
    /// A sign-in on another device.
    DeviceCode(String),
    /// A sign-in with a browser.
    AuthorizationCode {
        /// The code that the browser brought.
        code: String,
        /// Where it brought it.
        redirect_uri: String,
        /// What the challenge was made of.
        verifier: String,
    },
    /// An agent identity acts as its user.
    UserFic {
        /// The agent identity's own token.
        identity_token: String,
        /// The user, by sign-in name or object id.
        user: String,
    },
}

/// A request to the token endpoint.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Where the client found the endpoint: `http://127.0.0.1:PORT` or `https://HOST`.
    pub origin: String,
    /// The tenant's id or domain.
    pub tenant: String,
    /// The application id.
    pub client_id: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// How the client proves which app it is.
    pub credential: Credential,
    /// What it offers.
    pub grant: Grant,
}

/// What the endpoint hands out.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// Its life in seconds, one less than it lives.
    pub expires_in: i64,
    /// What a user's token allows; none for an app.
    pub scope: Option<String>,
    /// The newer refresh token, if the client asked for one.
    pub refresh_token: Option<String>,
    /// Who signed in, for the client itself, if it asked for that.
    pub id_token: Option<String>,
}

impl World {
    /// Answers a request to the token endpoint.
    pub fn grant_token(&mut self, request: &TokenRequest) -> Result<Issued, EntraRefusal> {
        let tenant = self.known_tenant(&request.tenant)?;
        let app = self.known_app(&request.client_id, &tenant)?;
        self.check_credential(&app, request, matches!(request.grant, Grant::ClientCredentials { .. }))?;
        match &request.grant {
            Grant::ClientCredentials { fmi_path: Some(path) } => self.grant_to_blueprint(&app, path, &request.scope),
            Grant::ClientCredentials { fmi_path: None } => self.grant_to_app(&app, &request.scope),
            Grant::RefreshToken(token) => self.redeem(&app, token, &request.scope, &tenant),
            Grant::Password { username, password } => {
                let user = self.check_password(username, password, &tenant)?;
                self.issue_to_user(&user, &app, &request.scope, &tenant)
            }
            Grant::DeviceCode(code) => self.poll_device_code(&app, code, &tenant),
            Grant::AuthorizationCode { code, redirect_uri, verifier } => {
                self.redeem_code(&app, code, (redirect_uri, verifier), &request.scope, &tenant)
            }
            Grant::UserFic { identity_token, user } => {
                let user = self.check_agent_user(&app, identity_token, user, &tenant)?;
                self.issue_to_user(&user, &app, &request.scope, &tenant)
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
        let is_here = |app: &&App| app.tenant == tenant || app.also_in.iter().any(|other| other == tenant);
        let mut known = self.apps.iter().filter(is_here).filter(|app| app.managed.is_none());
        let app = known.find(|app| app.client_id.eq_ignore_ascii_case(client_id)).cloned().ok_or_else(|| {
            let text = format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
            EntraRefusal::new("unauthorized_client", 700_016, text)
        })?;
        app.refused_with.map_or(Ok(app), |code| Err(EntraRefusal::of_app(code)))
    }

    /// Whether the client is a public one in this exchange. An app can be both: what counts is the type of the address
    /// that brought the code (AzureAD/microsoft-authentication-library-for-dotnet#1391, Azure/azure-sdk-for-go#22386,
    /// Softeria/ms-365-mcp-server#664). A refresh token is of the class of the client that it was issued to, and bound to
    /// that client: <https://learn.microsoft.com/entra/identity-platform/refresh-tokens>.
    fn is_public(&self, app: &App, grant: &Grant) -> bool {
        let known = match grant {
            Grant::AuthorizationCode { code, .. } => {
                let known = self.authorization_codes.iter().find(|known| known.value == *code && known.app == app.name);
                known.map(|known| !known.page.is_web)
            }
            Grant::RefreshToken(token) => {
                let known = self.refresh_tokens.iter().find(|known| known.value == *token && known.app == app.name);
                known.map(|known| !known.is_confidential)
            }
            _ => None,
        };
        known.unwrap_or(app.public)
    }

    fn check_credential(&mut self, app: &App, request: &TokenRequest, needed: bool) -> Result<(), EntraRefusal> {
        let refuse = |code, text: &str| Err(EntraRefusal::new("invalid_client", code, text));
        let is_public = self.is_public(app, &request.grant);
        match &request.credential {
            Credential::None if is_public && !needed => Ok(()),
            Credential::None => refuse(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            ),
            _ if is_public => refuse(
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
            Credential::Assertion(token) => self.check_assertion(app, token, request),
        }
    }

    fn grant_to_app(&mut self, app: &App, scope: &str) -> Result<Issued, EntraRefusal> {
        let Some(resource) = scope.strip_suffix("/.default").filter(|resource| !resource.contains(' ')) else {
            let text = format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            );
            return Err(EntraRefusal::new("invalid_scope", 1_002_012, text));
        };
        let audience = known_resource(resource)?;
        if audience == TOKEN_EXCHANGE && app.blueprint.is_some() {
            return Ok(self.grant_to_agent_identity(app));
        }
        let access_token = self.app_token(&app.name, audience);
        let expires_in = self.app_token_minutes * 60 - 1;
        Ok(Issued { access_token, expires_in, scope: None, refresh_token: None, id_token: None })
    }
}

pub(super) fn known_resource(resource: &str) -> Result<&'static str, EntraRefusal> {
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
