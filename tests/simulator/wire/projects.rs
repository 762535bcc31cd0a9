//! `/{organization}/_apis/projects`, asked with a PAT: only to see how one is refused that lacks the scope.

use serde_json::json;

use super::super::world::{ScopeRefusal, World};
use super::{
    callers, connection_data,
    request::{Reply, Request},
    vss,
};

pub fn answer(world: &World, request: &Request) -> Reply {
    let organization = match vss::organization(world, &request.segments()[0]) {
        Ok(name) => name,
        Err(reply) => return *reply,
    };
    if let Some(name) = request.unexpected_field(&["api-version", "$top"]) {
        let violation = format!("unknown or repeated query field {name:?}");
        return vss::bad_request("ArgumentException", "Invalid query.", &violation);
    }
    if let Err(reply) = vss::version(request, false) {
        return *reply;
    }
    let secret = callers::basic_password(request).unwrap_or_default();
    let Some(pat) = world.pat_of_secret(&secret).filter(|pat| pat.works_in(&organization, world.now())) else {
        return connection_data::expired(request);
    };
    let may = |scope: &str| scope == "app_token" || scope.starts_with("vso.project");
    match world.lacking_scope {
        _ if pat.scope.split(' ').any(may) => Reply::json(200, &json!({"count": 0, "value": []})),
        ScopeRefusal::Forbidden => vss::error(403, vss::INVALID_ACCESS, "The requested operation is not allowed."),
        ScopeRefusal::Unauthorized => connection_data::expired(request),
    }
}
