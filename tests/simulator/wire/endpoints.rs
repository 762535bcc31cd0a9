//! `/{organization}/{project}/_apis/serviceendpoint/endpoints`, and without a project to write.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{
    exchange::Op,
    world::{Endpoint, EndpointUpdate, LibraryRefusal, World},
};
use super::{
    members,
    request::{Refusal, Reply, Request},
    vss,
};

const READ: [&str; 3] = ["vso.serviceendpoint", "vso.serviceendpoint_query", "vso.serviceendpoint_manage"];
const WRITE: [&str; 1] = ["vso.serviceendpoint_manage"];
const ROLE: &str =
    "You need to be an organization/collection level Administrator of the service endpoint to perform this operation.";
/// What is not kept as a field that means nothing here.
const OWN: [&str; 9] =
    ["id", "name", "type", "url", "createdBy", "authorization", "data", "isShared", "serviceEndpointProjectReferences"];

/// Answers one of the three operations.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let answered = match op {
        Op::ListEndpoints => list(world, request),
        Op::GetEndpoint => get(world, request),
        _ => update(world, request),
    };
    answered.unwrap_or_else(|refusal| *refusal)
}

fn list(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &READ)?;
    vss::check_query(request, &["api-version", "endpointNames", "type", "includeFailed", "includeDetails"])?;
    let project = members::project(world, &who, &request.segments()[1])?;
    // A list in one field, so that a name with a comma cannot be asked for.
    let names = request.field("endpointNames");
    let names: Option<Vec<String>> = names.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
    let mut found = world.endpoints_named(&who, &project, names.as_deref());
    if let Some(kind) = request.field("type") {
        found.retain(|endpoint| endpoint.kind.eq_ignore_ascii_case(&kind));
    }
    if request.field("includeFailed").as_deref() != Some("true") {
        found.retain(|endpoint| endpoint.is_ready());
    }
    let shown: Vec<Value> =
        found.into_iter().map(|endpoint| shape(world, request, endpoint, Some(&project), false)).collect();
    Ok(Reply::json(200, &json!({"count": shown.len(), "value": shown})))
}

fn get(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &READ)?;
    vss::check_query(request, &["api-version"])?;
    let segments = request.segments();
    let project = members::project(world, &who, &segments[1])?;
    let id = guid(&segments[5])?;
    match world.endpoint_in(&who, &project, id) {
        Some(endpoint) => Ok(Reply::json(200, &shape(world, request, endpoint, Some(&project), true))),
        None if world.unknown_endpoint_is_null => Ok(Reply::json(200, &Value::Null)),
        None => Err(members::refusal(LibraryRefusal::Unknown, "service connection", id, ROLE)),
    }
}

fn update(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &WRITE)?;
    vss::check_query(request, &["api-version"])?;
    let segments = request.segments();
    let id = guid(&segments[4])?;
    let body = request.object().map_err(|why| vss::bad_body(&why))?;
    if !body.get("id").and_then(Value::as_str).is_some_and(|same| same.eq_ignore_ascii_case(id)) {
        return Err(members::invalid("the body is another service connection's, or has no id").into());
    }
    let Some(Value::Object(authorization)) = body.get("authorization") else {
        return Err(members::invalid("authorization is no object").into());
    };
    let fields: BTreeMap<String, String> = body
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect();
    let stored = world.endpoints.iter().find(|endpoint| endpoint.id.eq_ignore_ascii_case(id));
    let invented = |name: &&String| stored.is_some_and(|stored| !stored.fields.contains_key(*name));
    if let Some(name) = fields.keys().find(invented) {
        return Err(members::invalid(&format!("the service never had the field {name:?}")).into());
    }
    let mut data = BTreeMap::new();
    for (name, value) in texts(&body, "data")? {
        data.insert(name, value.ok_or_else(|| members::invalid("a value in data is null"))?);
    }
    let update = EndpointUpdate {
        name: members::needed(&body, "name")?,
        kind: members::needed(&body, "type")?,
        url: members::needed(&body, "url")?,
        scheme: members::needed(authorization, "scheme")?,
        parameters: texts(authorization, "parameters")?,
        data,
        fields,
        sharing: members::read_sharing(world, &body, "serviceEndpointProjectReferences")?,
    };
    world.update_endpoint(&who, id, update).map_err(|why| members::refusal(why, "service connection", id, ROLE))?;
    Ok(Reply::json(200, &shape(world, request, world.endpoint(id), None, true)))
}

fn guid(asked: &str) -> Result<&str, Refusal> {
    if asked.len() == 36 { Ok(asked) } else { Err(members::invalid("the service connection's id is no GUID").into()) }
}

/// An object of strings and nulls.
fn texts(body: &Map<String, Value>, name: &str) -> Result<BTreeMap<String, Option<String>>, Refusal> {
    let Some(Value::Object(values)) = body.get(name) else {
        return Err(members::invalid(&format!("{name} is no object")).into());
    };
    let mut read = BTreeMap::new();
    for key in values.keys() {
        read.insert(key.clone(), members::optional(values, key)?);
    }
    Ok(read)
}

/// A connection as the wire has it. As published, a list leaves its secrets out and the details have them as null.
fn shape(world: &World, request: &Request, endpoint: &Endpoint, project: Option<&str>, in_detail: bool) -> Value {
    let mut shape: Map<String, Value> = endpoint
        .fields
        .iter()
        .map(|(name, text)| (name.clone(), serde_json::from_str(text).expect("a field of a test's own is JSON")))
        .collect();
    let mut parameters: Map<String, Value> =
        endpoint.parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    if in_detail {
        parameters.extend(endpoint.confidential.iter().map(|name| (name.clone(), Value::Null)));
    }
    let own = json!({
        "id": endpoint.id,
        "name": endpoint.shown_name(project, world.endpoint_shows_own_name),
        "type": endpoint.kind,
        "url": endpoint.url,
        "createdBy": identity(world, request, &endpoint.created_by),
        "authorization": {"parameters": parameters, "scheme": endpoint.scheme},
        "data": endpoint.data,
        "isShared": endpoint.sharing.len() > 1,
        "serviceEndpointProjectReferences": members::sharing(world, &endpoint.sharing),
    });
    if let Value::Object(own) = own {
        shape.extend(own);
    }
    Value::Object(shape)
}

fn identity(world: &World, request: &Request, who: &str) -> Value {
    let (id, name, account) = members::identity(world, who);
    let descriptor = format!("aad.{}", id.replace('-', ""));
    let avatar = format!("{}/contoso/_apis/GraphProfile/MemberAvatars/{descriptor}", request.origin());
    json!({
        "displayName": name,
        "url": format!("{}/contoso/_apis/Identities/{id}", request.origin()),
        "_links": {"avatar": {"href": avatar}},
        "id": id,
        "uniqueName": account,
        "imageUrl": avatar,
        "descriptor": descriptor,
    })
}

/// What an update says: the secrets that it sets, by the labels that the world knows, and those that it leaves out.
pub fn summary(world: &World, request: &Request, body: &Map<String, Value>) -> String {
    let segments = request.segments();
    let id = segments.last().map_or("", String::as_str);
    let Some(endpoint) = world.endpoints.iter().find(|known| known.id.eq_ignore_ascii_case(id)) else {
        return "of an unknown service connection".to_owned();
    };
    let parameters = body.get("authorization").and_then(|authorization| authorization.get("parameters"));
    let said = endpoint.confidential.iter().map(|name| {
        match parameters.and_then(|parameters| parameters.get(name)).and_then(Value::as_str) {
            Some(value) => {
                let label = world.all_secrets().into_iter().find(|(_, known)| known == value).map(|(label, _)| label);
                format!("{name}: {}", label.as_deref().unwrap_or("something unknown"))
            }
            None => format!("no {name}"),
        }
    });
    said.collect::<Vec<_>>().join(", ")
}
