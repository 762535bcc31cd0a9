//! How clients find their way: which routes an organization has, where each area is, and what Entra's endpoints are called.
//! The program asks for none of this. Microsoft's own clients begin with it, so that they can judge the simulator.
//!
//! Ids of areas and of routes are those in the clients' source (azure-devops-python-api, `azure/devops/v7_1`); the templates
//! are those that a service answers.

use serde_json::{Value, json};

use super::super::world::World;
use super::{
    request::{Reply, Request},
    vss,
};

/// Id, area, resource, template, the resource's version, and the last version that is no preview.
type Route = (&'static str, &'static str, &'static str, &'static str, u32, &'static str);

const ROUTES: [Route; 9] = [
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1, "0.0"),
    ("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1, "0.0"),
    (
        "f5b09dd5-9d54-45a1-8b5a-1c8287d634cc",
        "distributedtask",
        "variablegroups",
        "{project}/_apis/{area}/{resource}/{groupId}",
        2,
        "7.1",
    ),
    (
        "ef5b7057-ffc3-4c77-bbad-c10b4a4abcc7",
        "distributedtask",
        "variablegroups",
        "_apis/{area}/{resource}/{groupId}",
        2,
        "7.1",
    ),
    (
        "e85f1c62-adfc-4b74-b618-11a150fb195e",
        "serviceendpoint",
        "endpoints",
        "{project}/_apis/{area}/{resource}/{endpointId}",
        4,
        "7.1",
    ),
    (
        "14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0",
        "serviceendpoint",
        "endpoints",
        "_apis/{area}/{resource}/{endpointId}",
        4,
        "7.1",
    ),
    (
        "0cd358e1-9217-4d94-8269-1c1ee6f93dcf",
        "build",
        "Builds",
        "{project}/_apis/{area}/{resource}/{buildId}",
        7,
        "7.1",
    ),
    (
        "af68438b-ed04-4407-9eb6-f1dbae3f922e",
        "TokenAdmin",
        "PersonalAccessTokens",
        "_apis/{area}/{resource}/{subjectDescriptor}",
        1,
        "0.0",
    ),
    ("005e26ec-6b77-4e4f-a986-b3827bf241f5", "Graph", "Users", "_apis/{area}/{resource}/{userDescriptor}", 1, "0.0"),
];

/// Id and name of each area, and whether its address is that of the identity service.
const AREAS: [(&str, &str, bool); 5] = [
    ("a85b8835-c1a1-4aac-ae97-1c3d0ba72dbd", "distributedtask", false),
    ("1814ab31-2f4f-4a9f-8761-f4d77dc5a5d7", "serviceendpoint", false),
    ("965220d5-5bb9-42cf-8d67-9b146df2a5a4", "build", false),
    ("af68438b-ed04-4407-9eb6-f1dbae3f922e", "TokenAdmin", true),
    ("bb1e7ec9-e901-4b68-999a-de7012b920f8", "Graph", true),
];

/// `OPTIONS /{organization}/_apis`, or of one area: nobody needs to sign in for it.
pub fn routes(world: &World, request: &Request) -> Reply {
    let segments = request.segments();
    if let Err(reply) = vss::organization(world, &segments[0]) {
        return *reply;
    }
    let wanted = |area: &str| segments.get(2).is_none_or(|asked| asked.eq_ignore_ascii_case(area));
    let shown: Vec<Value> = ROUTES
        .iter()
        .filter(|(_, area, ..)| wanted(area))
        .map(|(id, area, resource, template, version, released)| {
            json!({
                "id": id,
                "area": area,
                "resourceName": resource,
                "routeTemplate": template,
                "resourceVersion": version,
                "minVersion": "1.0",
                "maxVersion": "7.2",
                "releasedVersion": released,
            })
        })
        .collect();
    Reply::json(200, &json!({"count": shown.len(), "value": shown}))
}

/// `GET /{organization}/_apis/resourceAreas`, or one of them.
/// <https://learn.microsoft.com/azure/devops/extend/develop/work-with-urls>
pub fn areas(world: &World, request: &Request) -> Reply {
    let segments = request.segments();
    let organization = match vss::organization(world, &segments[0]).and_then(|organization| {
        vss::version(request, true)?;
        Ok(organization)
    }) {
        Ok(name) => name,
        Err(reply) => return *reply,
    };
    let origin = request.origin();
    let of_identity = origin.replace("//dev.azure.com", "//vssps.dev.azure.com");
    let shape = |(id, name, is_identity): &(&str, &str, bool)| {
        let origin = if *is_identity { &of_identity } else { &origin };
        json!({"id": id, "name": name, "locationUrl": format!("{origin}/{organization}/")})
    };
    match segments.get(3) {
        None => {
            let shown: Vec<Value> = AREAS.iter().map(shape).collect();
            Reply::json(200, &json!({"count": shown.len(), "value": shown}))
        }
        Some(asked) => {
            let found = AREAS.iter().find(|(id, ..)| id.eq_ignore_ascii_case(asked));
            Reply::json(200, &found.map_or(Value::Null, shape))
        }
    }
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
/// <https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>
pub fn of_tenant(world: &World, request: &Request) -> Reply {
    let asked = request.segments().swap_remove(0);
    let known =
        |tenant: &&super::super::world::Tenant| tenant.id == asked || tenant.domain.eq_ignore_ascii_case(&asked);
    let Some(tenant) = world.tenants.iter().find(known) else {
        let text = format!("AADSTS90002: Tenant '{asked}' not found.");
        return Reply::json(
            400,
            &json!({"error": "invalid_tenant", "error_description": text, "error_codes": [90002]}),
        );
    };
    let origin = request.origin();
    let under = format!("{origin}/{}/oauth2/v2.0", tenant.id);
    Reply::json(
        200,
        &json!({
            "token_endpoint": format!("{under}/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{origin}/{}/discovery/v2.0/keys", tenant.id),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{origin}/{}/v2.0", tenant.id),
            "request_uri_parameter_supported": false,
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint": format!("{under}/authorize"),
            "device_authorization_endpoint": format!("{under}/devicecode"),
            "http_logout_supported": true,
            "end_session_endpoint": format!("{under}/logout"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        }),
    )
}

/// `GET /common/discovery/instance`: which names one cloud has.
pub fn of_cloud(request: &Request) -> Reply {
    let origin = request.origin();
    Reply::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{origin}/common/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{
                "preferred_network": "login.microsoftonline.com",
                "preferred_cache": "login.windows.net",
                "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
            }],
        }),
    )
}
