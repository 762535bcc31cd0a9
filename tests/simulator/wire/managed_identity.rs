//! Tokens of managed identities: the machine's metadata service, and the App Service's endpoint.
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity>

use serde_json::json;

use super::super::{
    exchange::Op,
    world::{IdentityRefusal, World},
};
use super::request::{Reply, Request};

/// Answers either.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let refuse = |status, error: &str, why: &str| self::error(op, status, error, why);
    if op == Op::AppServiceIdentity {
        let shown = request.header("x-identity-header").unwrap_or_default();
        if shown.is_empty() || shown != world.identity_header {
            return refuse(401, "unauthorized", "The X-IDENTITY-HEADER is missing or wrong.");
        }
    } else if request.header("metadata") != Some("true") {
        let why = "Required metadata header not specified";
        return refuse(400, "bad_request_102", why).violating(why);
    }
    // The metadata service is reached without any proxy, and refuses what comes through one.
    if ["x-forwarded-for", "via", "proxy-connection", "proxy-authorization"]
        .iter()
        .any(|name| request.header(name).is_some())
    {
        let why = "Requests through a proxy are not answered";
        return refuse(400, "bad_request", why).violating(why);
    }
    let wanted = if op == Op::AppServiceIdentity { "2019-08-01" } else { "2018-02-01" };
    if request.field("api-version").as_deref() != Some(wanted) {
        let why = format!("The api-version must be {wanted}.");
        return refuse(400, "bad_request_104", &why).violating(why.clone());
    }
    if let Some(name) = request.unexpected_field(&["api-version", "resource", "client_id"]) {
        return refuse(400, "invalid_request", "Invalid query.").violating(format!("unexpected query field {name:?}"));
    }
    let Some(resource) = request.field("resource").filter(|resource| !resource.is_empty()) else {
        return refuse(400, "bad_request_101", "Required audience parameter not specified").violating("no resource");
    };
    if resource.ends_with("/.default") {
        let why = format!("AADSTS500011: The resource principal named {resource} was not found in the tenant.");
        return refuse(400, "invalid_resource", &why).violating("a resource has no /.default");
    }
    let client = request.field("client_id");
    match world.managed_token(&resource, client.as_deref()) {
        Ok((token, seconds, client_id)) => {
            let now = world.now().as_second();
            let mut body = json!({
                "access_token": token,
                "expires_on": (now + seconds).to_string(),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": client_id,
            });
            if op == Op::ManagedIdentity {
                body["refresh_token"] = "".into();
                body["expires_in"] = seconds.to_string().into();
                body["not_before"] = (now - 300).to_string().into();
            }
            Reply::json(200, &body)
        }
        Err(IdentityRefusal::NotFound) => refuse(400, "invalid_request", "Identity not found"),
        Err(IdentityRefusal::Several) => refuse(
            400,
            "invalid_request",
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
        ),
        Err(IdentityRefusal::Entra(why)) => refuse(400, why.error, &format!("AADSTS{}: {}", why.code, why.text)),
    }
}

/// An error in the shape of the service.
pub fn error(op: Op, status: u16, error: &str, why: &str) -> Reply {
    let body = match op {
        Op::AppServiceIdentity => json!({"statusCode": status, "message": why, "correlationId": "0f000000"}),
        _ => json!({"error": error, "error_description": why}),
    };
    Reply::json(status, &body)
}
