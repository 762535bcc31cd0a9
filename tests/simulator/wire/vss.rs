//! What all services of Azure DevOps have in common: error bodies, sign-in pages, api-versions.

use serde_json::json;

use super::super::world::{AccessDenial, Holder, World};
use super::request::{Refusal, Reply, Request};

/// The name of an exception, as `typeKey` has it.
pub const INVALID_ACCESS: &str = "InvalidAccessException";
/// Not allowed to this caller.
pub const UNAUTHORIZED: &str = "UnauthorizedRequestException";

/// An error in the shape of every Azure DevOps service, unless the world dresses it in another one.
pub fn error(status: u16, type_key: &str, message: &str) -> Reply {
    let body = json!({
        "$id": "1",
        "innerException": null,
        "message": message,
        "typeName": format!("Microsoft.TeamFoundation.Framework.Server.{type_key}, Microsoft.TeamFoundation.Framework.Server"),
        "typeKey": type_key,
        "errorCode": 0,
        "eventId": 3000,
    });
    // Percent-encoded as .NET does it: a blank is no plus.
    let header: String = url::form_urlencoded::byte_serialize(message.as_bytes()).collect();
    Reply::json(status, &body).with("X-TFS-ServiceError", &header.replace('+', "%20"))
}

/// A request that no client may send: refused as the service would, and noticed by the tests.
pub fn bad_request(type_key: &str, message: &str, violation: &str) -> Reply {
    error(400, type_key, message).violating(violation)
}

/// A body that is not as it must be.
pub fn bad_body(why: &str) -> Reply {
    if why.starts_with("Content-Type") {
        let message = "The request indicated a Content-Type for which no media type formatter is registered.";
        return error(415, "UnsupportedMediaTypeException", message).violating(why);
    }
    bad_request("JsonReaderException", &format!("TF400898: An Internal Error Occurred. {why}"), why)
}

/// The tenant's challenges, which everybody may see.
pub fn challenged(reply: Reply, tenant: &str, origin: &str) -> Reply {
    reply
        .with("WWW-Authenticate", &format!("Bearer authorization_uri=https://login.microsoftonline.com/{tenant}"))
        .with("WWW-Authenticate", &format!("Basic realm=\"{origin}/\""))
        .with("WWW-Authenticate", "TFS-Federated")
        .with("X-VSS-ResourceTenant", tenant)
}

/// Not signed in. Without the header that asks for honesty the client gets a page for people, or a way to it.
pub fn not_signed_in(world: &World, request: &Request) -> Reply {
    let tenant = &world.organizations[0].tenant;
    let suppressed =
        request.header("x-tfs-fedauthredirect").is_some_and(|value| value.eq_ignore_ascii_case("suppress"));
    if suppressed && world.bare_401 {
        // As recorded: no body, and neither a Bearer challenge nor the tenant.
        return Reply::empty(401).with("WWW-Authenticate", "Basic realm=\"https://tfsprodsin1.app.visualstudio.com/\"");
    }
    if suppressed {
        let message = "TF400813: The user '' is not authorized to access this resource.";
        return challenged(error(401, UNAUTHORIZED, message), tenant, &request.origin());
    }
    if request.method == "GET" { sign_in_page() } else { sign_in_redirect() }
}

/// What somebody with a good token meets all the same.
pub fn denied(world: &World, request: &Request) -> Option<Reply> {
    let user = request.bearer().and_then(|token| world.access_tokens.iter().find(|known| known.value == token));
    let user = user.and_then(|token| match &token.holder {
        Holder::User(name) => Some(world.user(name)),
        Holder::App(_) => None,
    });
    Some(match world.access_denied? {
        AccessDenial::NotAuthorized => {
            let identity = user.map_or("", |user| user.identity.as_str());
            let message = format!("TF400813: The user '{identity}' is not authorized to access this resource.");
            error(401, UNAUTHORIZED, &message)
        }
        AccessDenial::Nobody => {
            let message = "TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource.";
            error(401, UNAUTHORIZED, message)
        }
        AccessDenial::Anonymous => {
            let message = "TF400813: Resource not available for anonymous access. Client authentication required.";
            error(401, UNAUTHORIZED, message)
        }
        // The challenge is documented for all resources that evaluate access continuously, with these parameters.
        AccessDenial::ClaimsChallenge => Reply::empty(401).with(
            "WWW-Authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzk1NDg5MjAwIn19fQ==\"",
        ),
        AccessDenial::NeverSignedIn => {
            let (tenant, oid) = user.map_or(("", ""), |user| (user.tenant.as_str(), user.oid.as_str()));
            error(401, UNAUTHORIZED, &never_signed_in(tenant, oid))
        }
        AccessDenial::Throttled => {
            let message = "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'.";
            error(429, "RequestBlockedException", message).with("Retry-After", "1").with("X-RateLimit-Remaining", "0")
        }
        AccessDenial::ServicePrincipal => {
            error(403, INVALID_ACCESS, "Service principals are not allowed to perform this action.")
        }
        AccessDenial::PersonalAccessToken => error(403, INVALID_ACCESS, "The requested operation is not allowed."),
        // As in others' reports, which show no other exception.
        AccessDenial::ConditionalAccess => {
            let message = "VS403463: The conditional access policy defined by your Azure Active Directory administrator has failed.";
            error(403, "VssServiceException", message)
        }
        AccessDenial::SignInPage => sign_in_page(),
        AccessDenial::SignInRedirect => sign_in_redirect(),
    })
}

/// The user exists in Entra and never came by.
pub fn never_signed_in(tenant: &str, oid: &str) -> String {
    format!(
        "TF401444: Please sign-in at least once as {tenant}\\{tenant}\\{oid} in a web browser to enable access to the service."
    )
}

/// The page for people that comes with 203.
pub fn sign_in_page() -> Reply {
    Reply::html(
        203,
        "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body>Sign in to your account</body></html>",
    )
}

/// The way to the page for people.
pub fn sign_in_redirect() -> Reply {
    Reply::html(302, "<html><head><title>Object moved</title></head><body><h2>Object moved to <a href=\"/_signin\">here</a>.</h2></body></html>")
        .with("Location", "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=vssps.dev.azure.com")
}

/// A parsed api-version: major, minor.
pub type Version = (u32, u32);

/// The api-version, from the query or the `Accept` header. Resources in preview want `-preview`.
pub fn version(request: &Request, in_preview: bool) -> Result<Version, Refusal> {
    let in_accept = || {
        let accept = request.header("accept")?.to_owned();
        let (_, version) = accept.split_once("api-version=")?;
        Some(version.split([';', ',']).next().unwrap_or_default().trim().to_owned())
    };
    let Some(given) = request.field("api-version").or_else(in_accept) else {
        let message = format!(
            "No api-version was supplied for the \"{}\" request. The version must be supplied either as part of the Accept header (e.g. \"application/json; api-version=1.0\") or as a query parameter (e.g. \"?api-version=1.0\").",
            request.method
        );
        return Err(bad_request("VssVersionNotSpecifiedException", &message, "no api-version").into());
    };
    let (number, preview) = match given.split_once("-preview") {
        Some((number, rest)) => (number, Some(rest)),
        None => (given.as_str(), None),
    };
    let numbers = number.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let known = numbers.filter(|version| (6, 1) <= *version && *version <= (7, 2));
    let rest_is_good = preview.is_none_or(|rest| {
        rest.is_empty() || rest.strip_prefix('.').is_some_and(|n| n.parse::<u8>().is_ok_and(|n| (1..10).contains(&n)))
    });
    let Some(known) = known.filter(|_| rest_is_good) else {
        let message = format!(
            "The requested REST API version of {given} is out of range for this server. The latest REST API version this server supports is 7.2."
        );
        return Err(
            bad_request("VssVersionOutOfRangeException", &message, &format!("unknown api-version {given:?}")).into()
        );
    };
    if in_preview && preview.is_none() {
        let message = format!(
            "The requested version \"{given}\" of the resource is under preview. The -preview flag must be supplied in the api-version for such requests. For example: \"{given}-preview\""
        );
        return Err(bad_request("VssInvalidPreviewVersionException", &message, "api-version without -preview").into());
    }
    Ok(known)
}

/// The organization that the address names.
pub fn organization(world: &World, name: &str) -> Result<String, Refusal> {
    let Some(found) = world.organization(name) else {
        let message = format!("TF400814: The organization '{name}' could not be found.");
        return Err(error(404, "HostDoesNotExistException", &message).into());
    };
    if world.stopped_organizations.contains(&found.name) {
        return Err(stopped(&found.name).into());
    }
    Ok(found.name.clone())
}

/// An organization that nobody used for long, as recorded: behind a byte order mark, and without `Retry-After`.
fn stopped(name: &str) -> Reply {
    let message = format!(
        "TF24668: The following team project collection is stopped: {name}. Start the collection and then try again. Administrator Reason: This Azure DevOps organization has been deactivated due to inactivity. For more information please visit aka.ms/adofootprintreduction"
    );
    let mut reply = error(503, "VssServiceException", &message);
    reply.body.splice(0..0, *b"\xef\xbb\xbf");
    reply
}

/// A query field that no client may send so.
pub fn bad_value(field: &str, value: &str) -> Refusal {
    let message = format!("The value '{value}' is not valid for parameter '{field}'.");
    bad_request("VssPropertyValidationException", &message, &message).into()
}

/// Refuses query fields that are unknown or given twice.
pub fn check_query(request: &Request, known: &[&str]) -> Result<(), Refusal> {
    match request.unexpected_field(known) {
        Some(name) => {
            let violation = format!("unknown or repeated query field {name:?}");
            Err(bad_request("ArgumentException", "Invalid query.", &violation).into())
        }
        None => Ok(()),
    }
}
