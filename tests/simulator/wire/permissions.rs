//! `/{organization}/_apis/permissions/{namespace}/{bits}`: whether the caller has permissions on the named objects.

use serde_json::json;

use super::super::world::World;
use super::{
    members,
    request::{Refusal, Reply, Request},
    vss,
};

/// Variable groups.
const LIBRARY: &str = "b7e84409-6553-448a-bbb2-af228e07cbeb";
/// Service connections.
const ENDPOINTS: &str = "49b48001-ca20-4adc-8111-5b60c903a50c";
const ADMINISTER: u32 = 2;

/// Answers with a boolean for each object. One that does not exist is nobody's.
pub fn answer(world: &World, request: &Request) -> Reply {
    has(world, request).unwrap_or_else(|refusal| *refusal)
}

fn has(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &["vso.security_manage"])?;
    vss::check_query(request, &["api-version", "tokens", "alwaysAllowAdministrators", "delimiter"])?;
    let segments = request.segments();
    let (namespace, bits) = (segments[3].to_ascii_lowercase(), segments[4].parse::<u32>());
    let Ok(bits) = bits else { return Err(members::invalid("the permissions are no number").into()) };
    let Some(tokens) = request.field("tokens") else { return Err(members::invalid("no tokens").into()) };
    let delimiter = request.field("delimiter").unwrap_or_else(|| ",".to_owned());
    let mut answers = Vec::new();
    for token in tokens.split(delimiter.as_str()) {
        let parts: Vec<&str> = token.split('/').collect();
        let may = match (namespace.as_str(), parts.as_slice()) {
            (LIBRARY, ["Library", project, "VariableGroup", id]) => {
                let id = id.parse().unwrap_or_default();
                world.group_in(&who, project, id).is_some_and(|group| group.is_changed_by(&who))
            }
            (ENDPOINTS, ["endpoints", project, id]) => {
                world.endpoint_in(&who, project, id).is_some_and(|endpoint| endpoint.is_changed_by(&who))
            }
            (LIBRARY | ENDPOINTS, _) => return Err(members::invalid(&format!("a strange token {token}")).into()),
            _ => return Err(members::invalid(&format!("no security namespace {namespace}")).into()),
        };
        answers.push(bits == ADMINISTER && may);
    }
    Ok(Reply::json(200, &json!({"count": answers.len(), "value": answers})))
}
