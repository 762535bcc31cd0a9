//! Who is let into the services that variable groups and service connections belong to: the job's token, apps that are
//! members of the organization, users with the scope. What both services have in common is here too.

use serde_json::{Map, Value, json};

use super::super::world::{Holder, LibraryRefusal, Sharing, World};
use super::{
    callers,
    request::{Refusal, Reply, Request},
    vss,
};

/// The identity that calls: a user's or app's short name, or the build service. `scopes` are those that a user's token
/// must have one of.
pub fn enter(world: &World, request: &Request, scopes: &[&str]) -> Result<String, Refusal> {
    let organization = vss::organization(world, &request.segments()[0])?;
    if request.bearer().is_some_and(|token| world.job_of_token(token).is_some()) {
        check_version(request)?;
        return Ok(world.job_identity().to_owned());
    }
    let Some(token) = callers::good_for(world, request, &organization) else {
        return Err(vss::not_signed_in(world, request).into());
    };
    if !world.is_member(&token.holder, &organization) {
        let object = match &token.holder {
            Holder::User(name) => &world.user(name).oid,
            Holder::App(name) => &world.app(name).object_id,
        };
        let message = vss::never_signed_in(&token.tenant, object);
        return Err(vss::error(401, vss::UNAUTHORIZED, &message).into());
    }
    let has_scope = token.scopes.iter().any(|has| has == "user_impersonation" || scopes.contains(&has.as_str()));
    let who = match &token.holder {
        Holder::User(name) if !has_scope => {
            let message = format!(
                "TF400813: The user '{}' is not authorized to access this resource.",
                world.user(name).identity
            );
            return Err(vss::error(401, vss::UNAUTHORIZED, &message).into());
        }
        Holder::User(name) | Holder::App(name) => name.clone(),
    };
    check_version(request)?;
    Ok(who)
}

/// 7.2 of both services is in preview.
fn check_version(request: &Request) -> Result<(), Refusal> {
    let version = vss::version(request, false)?;
    vss::version(request, version >= (7, 2)).map(|_| ())
}

/// The GUID of the project that the address names, if it exists for this identity.
pub fn project(world: &World, who: &str, name: &str) -> Result<String, Refusal> {
    let is_guid = name.len() == 36 && name.bytes().filter(|byte| *byte == b'-').count() == 4;
    match world.project_seen_by(who, name) {
        Some(project) => Ok(project.id.clone()),
        _ if is_guid => {
            let message = format!(
                "VS800075: The project with id 'vstfs:///Classification/TeamProject/{name}' does not exist, or you do not have permission to access it."
            );
            Err(vss::error(404, "ProjectDoesNotExistException", &message).into())
        }
        _ => {
            let message = format!(
                "TF200016: The following project does not exist: {name}. Verify that the name of the project is correct and that the project exists on the specified Azure DevOps Server."
            );
            Err(vss::error(404, "ProjectDoesNotExistWithNameException", &message).into())
        }
    }
}

/// A refusal in words. `what` and `id` name the thing, `of_role` is what it says to those who are no administrators.
pub fn refusal(why: LibraryRefusal, what: &str, id: &str, of_role: &str) -> Refusal {
    let (unknown, taken) = match what {
        "variable group" => ("VariableGroupNotFoundException", "VariableGroupExistsException"),
        _ => ("EndpointNotFoundException", "DuplicateNameException"),
    };
    let reply = match why {
        LibraryRefusal::Unknown => {
            let message = format!("The {what} with id {id} does not exist, or you are not authorized to use it.");
            vss::error(404, unknown, &message)
        }
        LibraryRefusal::NotAdministrator => vss::error(403, "AccessDeniedException", of_role),
        LibraryRefusal::Orphaned => invalid(&format!("the {what} would belong to no project")),
        LibraryRefusal::UnknownProject(project) => {
            invalid(&format!("a reference of the {what} names the project {project:?}, which the caller cannot see"))
        }
        LibraryRefusal::NameTaken => vss::error(409, taken, &format!("A {what} with that name already exists.")),
        LibraryRefusal::NamedTwice(name) => invalid(&format!("the variable {name} is there twice")),
        LibraryRefusal::OtherKind => invalid(&format!("the {what} would become one of another type or scheme")),
        // The service's whole answer (terraform-provider-azuredevops#1455).
        LibraryRefusal::Renamed => {
            vss::error(500, "TeamFoundationServiceException", "TF400898: An Internal Error Occurred.")
                .violating(format!("the {what} {id} would be renamed in a project"))
        }
        LibraryRefusal::ValuesAreTheVaults => {
            invalid("values of a variable group that is linked to a vault cannot be set")
        }
    };
    reply.into()
}

/// A body that no client may send: refused, and noticed by the tests.
pub fn invalid(why: &str) -> Reply {
    vss::bad_request("ArgumentException", &format!("The request is not valid: {why}."), why)
}

/// A field that must be a string; a sentence if it is anything else.
pub fn needed(body: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    match body.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        _ => Err(invalid(&format!("{name} is no text")).into()),
    }
}

/// A field that may be a string.
pub fn optional(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(&format!("{name} is no string")).into()),
    }
}

/// A field that may be true.
pub fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(&format!("{name} is no boolean")).into()),
    }
}

/// The references to projects in a body.
pub fn read_sharing(world: &World, body: &Map<String, Value>, field: &str) -> Result<Vec<Sharing>, Refusal> {
    let Some(Value::Array(references)) = body.get(field) else {
        return Err(invalid(&format!("{field} is no array, and without it nothing would belong to a project")).into());
    };
    let mut sharing = Vec::new();
    for reference in references {
        let Value::Object(reference) = reference else { return Err(invalid("a reference is no object").into()) };
        let Some(Value::Object(project)) = reference.get("projectReference") else {
            return Err(invalid("a reference has no projectReference").into());
        };
        let asked = needed(project, "id")?;
        let known = world.find_project(&asked).filter(|known| known.id.eq_ignore_ascii_case(&asked));
        sharing.push(Sharing {
            project: known.map_or(asked, |known| known.id.clone()),
            name: needed(reference, "name")?,
            description: optional(reference, "description")?,
        });
    }
    Ok(sharing)
}

/// References to projects as the wire has them, in an order that changes with every answer, as the service's does
/// (terraform-provider-azuredevops#1248). Absent things are left out.
pub fn sharing(world: &World, sharing: &[Sharing]) -> Value {
    let references = world.shuffled(sharing).into_iter().map(|one| {
        let project = world.project(&one.project);
        let mut reference = json!({"projectReference": {"id": project.id, "name": project.name}, "name": one.name});
        if let Some(text) = &one.description {
            reference["description"] = text.as_str().into();
        }
        reference
    });
    references.collect()
}

/// Somebody's id in Azure DevOps, display name and account.
pub fn identity(world: &World, who: &str) -> (String, String, String) {
    if let Some(user) = world.users.iter().find(|user| user.name == who) {
        return (user.identity.clone(), user.name.clone(), user.upn.clone());
    }
    if let Some(app) = world.apps.iter().find(|app| app.name == who) {
        return (app.object_id.clone(), app.name.clone(), app.object_id.clone());
    }
    (world.job.project_id.clone(), who.to_owned(), format!("Build\\{}", world.job.project_id))
}
