//! `/{organization}/{project}/_apis/distributedtask/variablegroups`, and without a project to write.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{
    exchange::Op,
    world::{GroupUpdate, GroupVariable, LibraryRefusal, VariableChange, VariableGroup, World},
};
use super::{
    dates, members,
    request::{Refusal, Reply, Request},
    vss,
};

const READ: [&str; 2] = ["vso.variablegroups_read", "vso.variablegroups_manage"];
const WRITE: [&str; 1] = ["vso.variablegroups_manage"];
const ROLE: &str = "You do not have permissions to perform this operation on the variable group. A variable group Administrator should add you to the Administrator role.";

/// Answers one of the three operations.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let answered = match op {
        Op::ListGroups => list(world, request),
        Op::GetGroup => get(world, request),
        _ => update(world, request),
    };
    answered.unwrap_or_else(|refusal| *refusal)
}

fn list(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &READ)?;
    vss::check_query(request, &["api-version", "groupName", "actionFilter", "queryOrder"])?;
    let project = members::project(world, &who, &request.segments()[1])?;
    let manages = match request.field("actionFilter").as_deref() {
        None | Some("none" | "use") => false,
        Some("manage") => true,
        Some(_) => return Err(members::invalid("unknown actionFilter").into()),
    };
    let mut found = world.groups_named(&who, &project, request.field("groupName").as_deref());
    found.retain(|group| !manages || group.is_changed_by(&who));
    match request.field("queryOrder").as_deref() {
        // The newest come first unless asked otherwise.
        None | Some("IdDescending") => found.reverse(),
        Some("IdAscending") => {}
        Some(_) => return Err(members::invalid("unknown queryOrder").into()),
    }
    let mut shown: Vec<Value> = found.into_iter().map(|group| shape(world, request, group)).collect();
    if world.group_lists_omit_projects {
        for group in &mut shown {
            group["variableGroupProjectReferences"] = Value::Null;
        }
    }
    Ok(Reply::json(200, &json!({"count": shown.len(), "value": shown})))
}

fn get(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &READ)?;
    vss::check_query(request, &["api-version"])?;
    let segments = request.segments();
    let project = members::project(world, &who, &segments[1])?;
    let (asked, id) = number(&segments[5])?;
    match world.group_in(&who, &project, id) {
        Some(group) => Ok(Reply::json(200, &shape(world, request, group))),
        None => Err(members::refusal(LibraryRefusal::Unknown, "variable group", &asked, ROLE)),
    }
}

fn update(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let who = members::enter(world, request, &WRITE)?;
    vss::check_query(request, &["api-version"])?;
    let (asked, id) = number(&request.segments()[4])?;
    let body = request.json(&KNOWN).map_err(|why| vss::bad_body(&why))?;
    if body.get("id").is_some_and(|same| same.as_u64() != Some(u64::from(id))) {
        return Err(members::invalid("the body is another group's").into());
    }
    let update = GroupUpdate {
        name: members::needed(&body, "name")?,
        description: members::optional(&body, "description")?,
        is_linked: match members::needed(&body, "type")?.as_str() {
            "Vsts" => false,
            "AzureKeyVault" => true,
            _ => return Err(members::invalid("unknown type of variable group").into()),
        },
        variables: variables(&body)?,
        sharing: members::read_sharing(world, &body, "variableGroupProjectReferences")?,
    };
    world.update_group(&who, id, update).map_err(|why| members::refusal(why, "variable group", &asked, ROLE))?;
    let mut reply = shape(world, request, world.variable_group(id));
    // As published: who did it is only an id here.
    for role in ["createdBy", "modifiedBy"] {
        reply[role] = json!({"id": reply[role]["id"]});
    }
    Ok(Reply::json(200, &reply))
}

/// What a body may have: what can be written, and what is read only and has no effect.
const KNOWN: [&str; 12] = [
    "name",
    "description",
    "type",
    "providerData",
    "variables",
    "variableGroupProjectReferences",
    "id",
    "isShared",
    "createdBy",
    "createdOn",
    "modifiedBy",
    "modifiedOn",
];

fn number(asked: &str) -> Result<(String, u32), Refusal> {
    let id = asked.parse().map_err(|_| members::invalid("the group's id is no number"))?;
    Ok((asked.to_owned(), id))
}

fn variables(body: &Map<String, Value>) -> Result<BTreeMap<String, VariableChange>, Refusal> {
    let Some(Value::Object(variables)) = body.get("variables") else {
        return Err(members::invalid("variables is no object").into());
    };
    if variables.is_empty() {
        return Err(members::invalid("a variable group must have a variable").into());
    }
    let mut read = BTreeMap::new();
    for (name, variable) in variables {
        let Value::Object(variable) = variable else {
            return Err(members::invalid(&format!("variable {name} is no object")).into());
        };
        let known = ["value", "isSecret", "isReadOnly", "contentType", "enabled", "expires"];
        if name.trim().is_empty() || variable.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(members::invalid(&format!("variable {name:?} has an unknown field or no name")).into());
        }
        let change = VariableChange {
            value: members::optional(variable, "value")?,
            is_secret: members::flag(variable, "isSecret")?,
            is_read_only: members::flag(variable, "isReadOnly")?,
        };
        read.insert(name.clone(), change);
    }
    Ok(read)
}

/// A group as the wire has it. Absent things are left out.
fn shape(world: &World, request: &Request, group: &VariableGroup) -> Value {
    let variables: Map<String, Value> =
        group.variables.iter().map(|(name, known)| (name.clone(), variable(known, group.link.is_some()))).collect();
    let mut shape = json!({
        "variables": variables,
        "id": group.id,
        "type": if group.link.is_some() { "AzureKeyVault" } else { "Vsts" },
        "name": group.name,
        "createdBy": identity(world, request, &group.created_by),
        "createdOn": dates::vss(group.created),
        "modifiedBy": identity(world, request, &group.modified_by),
        "modifiedOn": dates::vss(group.modified),
        "isShared": group.sharing.len() > 1,
        "variableGroupProjectReferences": members::sharing(world, &group.sharing),
    });
    if let Some(text) = &group.description {
        shape["description"] = text.as_str().into();
    }
    if let Some(link) = &group.link {
        shape["providerData"] = json!({
            "serviceEndpointId": link.connection,
            "vault": link.vault,
            "lastRefreshedOn": dates::vss(group.modified),
        });
    }
    shape
}

fn variable(known: &GroupVariable, is_linked: bool) -> Value {
    if is_linked {
        return json!({"enabled": true, "contentType": "", "expires": null, "isSecret": true, "value": null});
    }
    let mut shape = json!({"value": known.value});
    if known.is_secret {
        shape = json!({"value": null, "isSecret": true});
    }
    if known.is_read_only {
        shape["isReadOnly"] = true.into();
    }
    shape
}

fn identity(world: &World, request: &Request, who: &str) -> Value {
    let (id, name, account) = members::identity(world, who);
    let origin = request.origin();
    json!({
        "id": id,
        "displayName": name,
        "uniqueName": account,
        "url": format!("{origin}/contoso/_apis/Identities/{id}"),
        "imageUrl": format!("{origin}/contoso/_api/_common/identityImage?id={id}"),
    })
}

/// What an update would do, in names; values only by the labels of secrets that the world knows.
pub fn summary(world: &World, request: &Request, body: &Map<String, Value>) -> String {
    let id = request.segments().last().and_then(|id| id.parse::<u32>().ok());
    let group = world.groups.iter().find(|group| Some(group.id) == id);
    let Some(Value::Object(variables)) = body.get("variables") else { return "without variables".to_owned() };
    let mut said = Vec::new();
    let mut kept = 0;
    for (name, variable) in variables {
        let before = group.and_then(|group| group.variable(name));
        let is_same = |known: &GroupVariable| match &variable["value"] {
            Value::Null => known.is_secret && variable["isSecret"] == true,
            value => {
                value == known.value.as_str() && variable["isSecret"].as_bool().unwrap_or(false) == known.is_secret
            }
        };
        if before.is_some_and(is_same) {
            kept += 1;
            continue;
        }
        let value = variable["value"].as_str().unwrap_or_default();
        let label = world.all_secrets().into_iter().find(|(_, known)| known == value).map(|(label, _)| label);
        let verb = if before.is_some() { "change" } else { "add" };
        said.push(format!("{verb} {name}{}", label.map(|label| format!(": {label}")).unwrap_or_default()));
    }
    let is_sent = |name: &str| variables.keys().any(|sent| sent.eq_ignore_ascii_case(name));
    let known = group.into_iter().flat_map(|group| group.variables.keys());
    said.extend(known.filter(|name| !is_sent(name)).map(|name| format!("remove {name}")));
    said.push(format!("{kept} as before"));
    said.join(", ")
}
