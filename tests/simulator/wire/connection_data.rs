//! `/{organization}/_apis/connectionData`: who am I, and the way to learn an organization's tenant.

use serde_json::{Value, json};

use super::super::{
    exchange::Op,
    world::{Holder, NO_TENANT, Pat, ScopeRefusal, World},
};
use super::{
    callers,
    request::{Reply, Request},
    vss,
};

/// The identity that stands for nobody.
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Answers any of the three ways to ask.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let organization = match vss::organization(world, &request.segments()[0]) {
        Ok(name) => name,
        // Whether an organization that is not there has no tenant, too, nobody has documented.
        Err(reply) if reply.status == 404 && !world.oddities.missing_organization_untold => {
            return reply.with("X-VSS-ResourceTenant", NO_TENANT);
        }
        Err(reply) => return *reply,
    };
    let known = ["api-version", "connectOptions", "lastChangeId", "lastChangeId64"];
    if let Some(name) = request.unexpected_field(&known) {
        let violation = format!("unknown or repeated query field {name:?}");
        return vss::bad_request("ArgumentException", "Invalid query.", &violation);
    }
    if request.field("api-version").is_some()
        && let Err(reply) = vss::version(request, true)
    {
        return *reply;
    }
    match op {
        Op::DiscoverTenant if world.anonymous_allowed => anonymous(world, &organization),
        Op::DiscoverTenant => challenge(world, request, &organization),
        Op::ConnectionDataAsPat => as_pat(world, request, &organization),
        _ => as_bearer(world, request, &organization),
    }
}

fn as_pat(world: &mut World, request: &Request, organization: &str) -> Reply {
    let secret = callers::basic_password(request).unwrap_or_default();
    let now = world.now();
    let lives_on = world.revoked_pats_live_on;
    let is_let_in = |pat: &Pat| pat.works_in(organization, now) || (lives_on && pat.revoked.is_some());
    let found = world.pats.iter_mut().find(|pat| pat.secret == secret && is_let_in(pat));
    let ready = match found {
        Some(pat) if pat.unready == 0 => Some(pat.owner.clone()),
        Some(pat) => {
            pat.unready -= 1;
            None
        }
        None => None,
    };
    match ready {
        Some(owner) if world.pats_fenced => {
            // The words are those of others' reports; that the caller is named was seen.
            let message = "VS403463: The conditional access policy defined by your Azure Active Directory administrator has failed.";
            named(world, &owner, vss::error(403, "VssServiceException", message))
        }
        Some(owner) => match world.connection_data_refuses_scope {
            None => user(world, organization, &owner),
            Some(ScopeRefusal::Forbidden) => {
                let reply = vss::error(403, vss::INVALID_ACCESS, "The requested operation is not allowed.");
                named(world, &owner, reply)
            }
            Some(ScopeRefusal::Unauthorized) => expired(request),
        },
        None if world.anonymous_allowed => anonymous(world, organization),
        None if world.bare_401 => vss::not_signed_in(world, request),
        None => expired(request),
    }
}

/// What a PAT that does not work is told.
pub(super) fn expired(request: &Request) -> Reply {
    Reply::html(401, "<html><body>Access Denied: The Personal Access Token used has expired.</body></html>")
        .with("WWW-Authenticate", &format!("Basic realm=\"{}/\"", request.origin()))
}

/// With the caller's name.
fn named(world: &World, name: &str, reply: Reply) -> Reply {
    let user = world.user(name);
    let data =
        if world.user_data_is_id { user.identity.clone() } else { format!("{}:{}", user.identity, user.known_name()) };
    reply.with("X-VSS-UserData", &data)
}

fn as_bearer(world: &World, request: &Request, organization: &str) -> Reply {
    if request.bearer().is_some_and(|token| world.job_of_token(token).is_some()) {
        let name = format!("{} ({organization})", world.job_identity());
        return identity(world, organization, &world.job.project_id, &name, &name);
    }
    let token = callers::good_for(world, request, organization);
    if token.is_some()
        && let Some(reply) = vss::denied(world, request)
    {
        return reply;
    }
    match token.map(|token| &token.holder) {
        Some(Holder::User(name)) => user(world, organization, name),
        Some(Holder::App(name)) => {
            let app = world.app(name);
            identity(world, organization, &app.object_id, &app.name, &app.object_id)
        }
        None => vss::not_signed_in(world, request),
    }
}

fn challenge(world: &mut World, request: &Request, organization: &str) -> Reply {
    let mut tenant = world.organization(organization).map(|found| found.tenant.clone()).unwrap_or_default();
    if world.zero_tenants > 0 {
        world.zero_tenants -= 1;
        NO_TENANT.clone_into(&mut tenant);
    }
    let message = "TF400813: The user '' is not authorized to access this resource.";
    let mut reply = vss::challenged(vss::error(401, vss::UNAUTHORIZED, message), &tenant, &request.origin());
    if request.method == "HEAD" {
        reply.body.clear();
    }
    reply
}

fn user(world: &World, organization: &str, name: &str) -> Reply {
    let user = world.user(name);
    named(world, name, identity(world, organization, &user.identity, &user.name, user.known_name()))
}

fn anonymous(world: &World, organization: &str) -> Reply {
    identity(world, organization, ANONYMOUS, "Anonymous", "Anonymous")
}

fn identity(world: &World, organization: &str, id: &str, name: &str, account: &str) -> Reply {
    let instance =
        world.organization(organization).filter(|_| !world.instance_id_withheld).map(|found| found.id.clone());
    let who: Value = json!({
        "id": id,
        "descriptor": format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;simulated\\{account}"),
        "subjectDescriptor": format!("aad.{}", id.replace('-', "")),
        "providerDisplayName": name,
        "isActive": true,
        "properties": {"Account": {"$type": "System.String", "$value": account}},
        "resourceVersion": 2,
        "metaTypeId": 0,
    });
    let body = json!({
        "authenticatedUser": who,
        "authorizedUser": who,
        "instanceId": instance,
        "deploymentId": "00000000-0000-0000-0000-000000000001",
        "deploymentType": "hosted",
        "locationServiceData": {"clientCacheFresh": false, "clientCacheTimeToLive": 3600, "lastChangeId": 1},
    });
    Reply::json(200, &body)
}
