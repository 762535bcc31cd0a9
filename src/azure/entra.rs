//! Microsoft Entra's token endpoint, version 2.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::convert::Infallible;

use serde::Deserialize;
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method, Reply};
use crate::model::address::segment;
use crate::model::api_error::By;
use crate::model::api_error::{CallError, Service};
use crate::model::secret::Secret;
use crate::model::user::UserName;

/// Azure DevOps, as a resource. Documented.
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// The resource of tokens that stand for an identity elsewhere. Documented.
pub const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";
/// Transient refusals: Entra could not reach the issuer of an assertion (azure-workload-identity#642, #605) or one of
/// its own services (documented as retryable or transient). The OAuth error word covers numbers that are not listed.
const TRANSIENT: &[&str] = &[
    "AADSTS50166",
    "AADSTS501661",
    "AADSTS90061",
    "AADSTS90006",
    "AADSTS90012",
    "AADSTS90024",
    "AADSTS90033",
    "temporarily_unavailable",
];
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How an application proves that it is itself.
#[derive(Clone, Debug)]
pub enum Credential {
    ClientSecret(Secret),
    /// A signed assertion: the pipeline's OIDC token, a managed identity's token, or what a certificate signed.
    Assertion(Secret),
    /// No credential: a public client.
    Public,
}

/// What to exchange for a token.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// The application's own credential: the token acts for the application.
    ClientCredentials,
    /// A blueprint's own credential: the token lets this agent identity act.
    /// <https://learn.microsoft.com/entra/agent-id/agent-user-oauth-flow>
    AgentIdentity(&'a str),
    /// Two tokens of an agent identity, which it takes for its agent user's.
    AgentUser {
        /// Who the agent user is.
        user: &'a UserName,
        /// The second token; the first is the credential.
        token: &'a Secret,
    },
    Password {
        user: &'a str,
        password: &'a Secret,
    },
    /// A refresh token: the token acts for the user who signed in.
    RefreshToken(&'a Secret),
    /// A device code that a person may have confirmed.
    DeviceCode(&'a Secret),
    /// The code that a browser brought back.
    AuthorizationCode {
        code: &'a Secret,
        /// The PKCE code verifier.
        verifier: &'a Secret,
        /// The redirect URI of the request.
        redirect: &'a str,
    },
}

/// A token and what came with it.
#[derive(Deserialize, Debug)]
pub struct Tokens {
    pub access_token: Secret,
    /// A new refresh token; the one used stays valid.
    pub refresh_token: Option<Secret>,
    /// Lifetime in seconds; some issuers send the number as text.
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<u64>,
    /// The scopes granted, which may differ from those asked for.
    pub scope: Option<String>,
    /// Who signed in, where that was asked for.
    pub id_token: Option<Secret>,
}

/// Where tokens are issued.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// The login host of the cloud.
    pub authority: &'a Url,
    pub tenant: &'a str,
}

impl Issuer<'_> {
    /// The address of one of its endpoints.
    pub fn endpoint(&self, name: &str) -> Url {
        let mut url = self.authority.clone();
        url.set_path(&format!("{}/oauth2/v2.0/{name}", segment(self.tenant)));
        url
    }
}

impl<'a> Grant<'a> {
    /// What its refusal is explained by.
    fn by(self) -> By {
        match self {
            Self::ClientCredentials | Self::AgentIdentity(_) => By::App,
            Self::AgentUser { .. } => By::AgentUser,
            Self::Password { .. } => By::Password,
            Self::RefreshToken(_) => By::RefreshToken,
            Self::DeviceCode(_) => By::DeviceCode,
            Self::AuthorizationCode { .. } => By::Browser,
        }
    }

    /// Whether a refused attempt is harmless: a wrong password counts towards a lock-out, and a code can be used once.
    fn is_repeatable(self) -> bool {
        match self {
            Self::ClientCredentials | Self::AgentIdentity(_) | Self::AgentUser { .. } | Self::RefreshToken(_) => true,
            Self::Password { .. } | Self::DeviceCode(_) | Self::AuthorizationCode { .. } => false,
        }
    }

    fn fields(self) -> Vec<(&'static str, &'a str)> {
        let mut fields = Vec::with_capacity(5);
        fields.push((
            "grant_type",
            match self {
                Self::ClientCredentials | Self::AgentIdentity(_) => "client_credentials",
                Self::AgentUser { .. } => "user_fic",
                Self::Password { .. } => "password",
                Self::RefreshToken(_) => "refresh_token",
                Self::DeviceCode(_) => "urn:ietf:params:oauth:grant-type:device_code",
                Self::AuthorizationCode { .. } => "authorization_code",
            },
        ));
        match self {
            Self::ClientCredentials => {}
            Self::AgentIdentity(id) => fields.push(("fmi_path", id)),
            Self::AgentUser { user, token } => {
                fields.push(("requested_token_use", "on_behalf_of"));
                fields.push(("user_federated_identity_credential", token.reveal()));
                fields.push(match user {
                    UserName::Name(name) => ("username", name),
                    UserName::ObjectId(id) => ("user_id", id),
                });
            }
            Self::Password { user, password } => {
                fields.extend([("username", user), ("password", password.reveal())]);
            }
            Self::RefreshToken(token) => fields.push(("refresh_token", token.reveal())),
            Self::DeviceCode(code) => fields.push(("device_code", code.reveal())),
            Self::AuthorizationCode { code, verifier, redirect } => {
                fields.extend([
                    ("code", code.reveal()),
                    ("code_verifier", verifier.reveal()),
                    ("redirect_uri", redirect),
                ]);
            }
        }
        fields
    }
}

/// Requests a token. Retried while the service is unavailable; never after a refusal, which could lock the account.
///
/// # Errors
/// What became of the request; a refusal's code is `AADSTS` and its number.
pub async fn token(
    http: &Http,
    issuer: Issuer<'_>,
    client: &str,
    credential: &Credential,
    grant: Grant<'_>,
    scope: &str,
) -> Result<Tokens, CallError> {
    let call = call(issuer, client, credential, grant, scope);
    let ask = async || Ok::<_, Infallible>(ask_once(http, &call, grant).await);
    let Ok(answer) = http.retry_with(Service::Entra, ask).await;
    answer?.json()
}

/// The same, sent once: with an assertion that may not be sent twice.
///
/// # Errors
/// What became of the request; a refusal's code is `AADSTS` and its number.
pub async fn token_once(
    http: &Http,
    issuer: Issuer<'_>,
    client: &str,
    credential: &Credential,
    grant: Grant<'_>,
    scope: &str,
) -> Result<Tokens, CallError> {
    ask_once(http, &call(issuer, client, credential, grant, scope), grant).await?.json()
}

async fn ask_once(http: &Http, call: &Call<'_>, grant: Grant<'_>) -> Result<Reply, CallError> {
    http.send_once(call, http.limits().reply).await.map_err(|error| {
        let error = CallError { by: Some(grant.by()), ..error };
        if grant.is_repeatable() && error.codes().any(|code| TRANSIENT.contains(&code)) {
            error.as_busy()
        } else {
            error
        }
    })
}

fn call<'a>(issuer: Issuer<'_>, client: &str, credential: &Credential, grant: Grant<'_>, scope: &str) -> Call<'a> {
    let mut fields = grant.fields();
    fields.push(("client_id", client));
    // A device code was given its scope when it was asked for.
    if !matches!(grant, Grant::DeviceCode(_)) {
        fields.push(("scope", scope));
    }
    match credential {
        Credential::ClientSecret(secret) => fields.push(("client_secret", secret.reveal())),
        Credential::Assertion(assertion) => {
            fields.push(("client_assertion_type", JWT_BEARER));
            fields.push(("client_assertion", assertion.reveal()));
        }
        Credential::Public => {}
    }
    Call::new(Service::Entra, Method::POST, issuer.endpoint("token"), Auth::Nobody, Body::form(&fields))
}

/// What a person needs to sign in on another device.
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>
#[derive(Deserialize, Debug)]
pub struct DeviceCode {
    /// What is exchanged for tokens once the person has signed in.
    pub device_code: Secret,
    /// What the person enters.
    pub user_code: String,
    /// Where the person enters it.
    pub verification_uri: String,
    /// Lifetime in seconds.
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<u64>,
    /// Seconds between two tries.
    #[serde(default, deserialize_with = "seconds")]
    pub interval: Option<u64>,
}

/// Asks for a code with which a person can sign in on another device.
pub async fn device_code(http: &Http, issuer: Issuer<'_>, client: &str, scope: &str) -> Result<DeviceCode, CallError> {
    let body = Body::form(&[("client_id", client), ("scope", scope)]);
    let call = Call::new(Service::Entra, Method::POST, issuer.endpoint("devicecode"), Auth::Nobody, body);
    let refused = |error| CallError { by: Some(By::DeviceCode), ..error };
    http.send_with_retry(&call).await.map_err(refused)?.json()
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Seconds::deserialize(deserializer)? {
        Seconds::Number(number) => Some(number),
        Seconds::Text(text) => text.parse().ok(),
        Seconds::Other(_) => None,
    })
}
