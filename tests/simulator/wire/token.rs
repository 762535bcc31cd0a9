//! Entra's token endpoint: `/{tenant}/oauth2/v2.0/token`.

use serde_json::json;

use super::super::exchange::Op;
use super::super::world::{Credential, EntraRefusal, Grant, TOKEN_EXCHANGE, TokenRequest, World};
use super::{
    form::Form,
    request::{Reply, Request},
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How msal for JavaScript spells it, which Entra takes.
const DEVICE_CODE_OF_OTHERS: &str = "device_code";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Which grant it is.
pub fn operation(request: &Request) -> Op {
    let form = Form::peek(request);
    match form.get("grant_type") {
        Some("refresh_token") => Op::TokenRefresh,
        Some("password") => Op::TokenPassword,
        Some("user_fic") => Op::TokenAgentUser,
        Some(DEVICE_CODE | DEVICE_CODE_OF_OTHERS) => Op::TokenDeviceCode,
        Some("authorization_code") => Op::TokenAuthorizationCode,
        _ if form.get("fmi_path").is_some() => Op::TokenBlueprint,
        _ if form.get("scope").is_some_and(|scope| scope.starts_with(TOKEN_EXCHANGE)) => Op::TokenAgentIdentity,
        _ => Op::TokenClientCredentials,
    }
}

/// Answers a request for a token.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    let form = match Form::read(request, world.serves_other_clients) {
        Ok(form) => form,
        Err(what) => return refuse(world, &EntraRefusal::new("invalid_request", 900_144, what)).violating(what),
    };
    let asked = match parse(request, &form, world.serves_other_clients) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(world, &refusal),
    };
    let common = ["grant_type", "client_id", "client_secret", "client_assertion_type", "client_assertion"];
    // Entra ignores what it does not know.
    if !world.serves_other_clients
        && let Some(name) = form.unexpected(&[&common, of_grant(&asked.grant)])
    {
        let text = format!("unexpected parameter '{name}'");
        return refuse(world, &EntraRefusal::new("invalid_request", 9_000_144, text.as_str())).violating(text);
    }
    match world.grant_token(&asked) {
        Ok(issued) => {
            let expires_in = issued.expires_in;
            let mut body = json!({
                "token_type": "Bearer",
                "expires_in": expires_in,
                "ext_expires_in": expires_in,
                "access_token": issued.access_token,
            });
            if let Some(scope) = issued.scope {
                body["scope"] = scope.into();
            }
            if let Some(token) = issued.refresh_token {
                body["refresh_token"] = token.into();
            }
            if let Some(token) = issued.id_token {
                body["id_token"] = token.into();
            }
            Reply::json(200, &body).with("Cache-Control", "no-store, no-cache").with("Pragma", "no-cache")
        }
        Err(refusal) => refuse(world, &refusal),
    }
}

/// What a grant needs beside the fields that all have.
fn of_grant(grant: &Grant) -> &'static [&'static str] {
    match grant {
        Grant::ClientCredentials { .. } => &["scope", "fmi_path"],
        Grant::RefreshToken(_) => &["scope", "refresh_token"],
        Grant::Password { .. } => &["scope", "username", "password"],
        Grant::UserFic { .. } => {
            &["scope", "username", "user_id", "user_federated_identity_credential", "requested_token_use"]
        }
        Grant::DeviceCode(_) => &["device_code"],
        Grant::AuthorizationCode { .. } => &["scope", "code", "redirect_uri", "code_verifier"],
    }
}

fn parse(request: &Request, form: &Form, is_others: bool) -> Result<TokenRequest, EntraRefusal> {
    let tenant = request.segments().first().cloned().unwrap_or_default();
    let grant = grant(form, is_others)?;
    let client_id = form.need("client_id")?;
    let scope = match grant {
        Grant::DeviceCode(_) | Grant::AuthorizationCode { .. } => form.get("scope").unwrap_or_default().to_owned(),
        _ => form.need("scope")?,
    };
    let credential = match (form.get("client_secret"), form.get("client_assertion")) {
        (None, None) => Credential::None,
        (Some(secret), None) => Credential::Secret(secret.to_owned()),
        (None, Some(assertion)) if form.get("client_assertion_type") == Some(JWT_BEARER) => {
            Credential::Assertion(assertion.to_owned())
        }
        (None, Some(_)) => {
            let text = format!("The client assertion type must be '{JWT_BEARER}'.");
            return Err(EntraRefusal::new("invalid_request", 70003, text));
        }
        (Some(_), Some(_)) => {
            let text = "The request must contain only one of 'client_secret' and 'client_assertion'.";
            return Err(EntraRefusal::new("invalid_request", 90014, text));
        }
    };
    Ok(TokenRequest { origin: request.origin(), tenant, client_id, scope, credential, grant })
}

fn grant(form: &Form, is_others: bool) -> Result<Grant, EntraRefusal> {
    match form.need("grant_type")?.as_str() {
        "client_credentials" => Ok(Grant::ClientCredentials { fmi_path: form.get("fmi_path").map(str::to_owned) }),
        "refresh_token" => Ok(Grant::RefreshToken(form.need("refresh_token")?)),
        "password" => Ok(Grant::Password { username: form.need("username")?, password: form.need("password")? }),
        DEVICE_CODE => Ok(Grant::DeviceCode(form.need("device_code")?)),
        DEVICE_CODE_OF_OTHERS if is_others => Ok(Grant::DeviceCode(form.need("device_code")?)),
        "authorization_code" => Ok(Grant::AuthorizationCode {
            code: form.need("code")?,
            redirect_uri: form.need("redirect_uri")?,
            verifier: form.need("code_verifier")?,
        }),
        "user_fic" => {
            let identity_token = form.need("user_federated_identity_credential")?;
            if form.need("requested_token_use")? != "on_behalf_of" {
                let text = "The value of 'requested_token_use' must be 'on_behalf_of'.";
                return Err(EntraRefusal::new("invalid_request", 900_144, text).violating());
            }
            let user = match (form.get("username"), form.get("user_id")) {
                (Some(_), Some(_)) => {
                    let text = "The request must contain only one of 'username' and 'user_id'.";
                    return Err(EntraRefusal::new("invalid_request", 90014, text).violating());
                }
                (None, None) => form.need("username")?,
                // A sign-in name is no object id, and the other way round.
                (Some(name), None) if name.contains('@') => name.to_owned(),
                (None, Some(id)) if !id.contains('@') => id.to_owned(),
                _ => return Err(EntraRefusal::of_user(50034)),
            };
            Ok(Grant::UserFic { identity_token, user })
        }
        other => {
            let text = format!("The app requested an unsupported grant type '{other}'.");
            Err(EntraRefusal::new("unsupported_grant_type", 70003, text))
        }
    }
}

/// A refusal as the endpoint words it. What is wrong with the client is 401, too many requests are 429, all else 400.
pub fn refuse(world: &World, refusal: &EntraRefusal) -> Reply {
    let EntraRefusal { error, code, text, suberror, violation } = refusal;
    let (trace, correlation) = ("0f000000-0000-4000-8000-000000000001", "0f000000-0000-4000-8000-000000000002");
    let time = world.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    // Recorded with line ends; others show it with blanks, and in some texts there is nothing at all between.
    let break_ = ["\r\n", " ", ""][*code as usize % 3];
    let numbers: Vec<u32> = world.numbers_in_front.iter().copied().chain([*code]).collect();
    let mut body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {text}{break_}Trace ID: {trace}{break_}Correlation ID: {correlation}{break_}Timestamp: {time}"),
        "error_codes": numbers,
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    if let Some(suberror) = suberror {
        body["suberror"] = (*suberror).into();
    }
    let reply = match (*error, *code) {
        (_, 90055) => Reply::json(429, &body).with("Retry-After", "300"),
        ("invalid_client", _) => Reply::json(401, &body),
        _ => Reply::json(400, &body),
    };
    if *violation { reply.violating(text.as_str()) } else { reply }
}
