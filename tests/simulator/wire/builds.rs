//! `/{organization}/{project}/_apis/build/builds/{id}`: is that run still alive?

use serde_json::json;

use super::super::world::World;
use super::{
    callers, dates,
    request::{Reply, Request},
    vss,
};

/// Answers with the run, to the job token or any token that is good for the organization.
pub fn answer(world: &World, request: &Request) -> Reply {
    let segments = request.segments();
    let organization = match vss::organization(world, &segments[0]) {
        Ok(name) => name,
        Err(reply) => return *reply,
    };
    let job = &world.job;
    let entered = request.bearer().is_some_and(|token| world.job_of_token(token).is_some())
        || callers::good_for(world, request, &organization).is_some();
    if !entered {
        return vss::not_signed_in(world, request);
    }
    if let Err(reply) = vss::version(request, false) {
        return *reply;
    }
    if let Some(name) = request.unexpected_field(&["api-version", "propertyFilters"]) {
        return vss::bad_request("ArgumentException", "Invalid query.", &format!("unknown query field {name:?}"));
    }
    let (project, id) = (&segments[1], &segments[5]);
    if !project.eq_ignore_ascii_case(&job.project_id) && !project.eq_ignore_ascii_case(&job.project) {
        let message = format!("TF200016: The following project does not exist: {project}.");
        return vss::error(404, "ProjectDoesNotExistWithNameException", &message);
    }
    let Some(build) = world.builds.iter().find(|build| build.id.to_string() == *id) else {
        return vss::error(404, "BuildNotFoundException", &format!("The requested build {id} could not be found."));
    };
    let mut body = json!({
        "id": build.id,
        "buildNumber": format!("20261124.{}", build.id),
        "status": build.status,
        "definition": {"id": job.definition_id, "name": "rotate"},
        "project": {"id": job.project_id, "name": job.project},
    });
    if build.status == "completed" {
        body["result"] = "failed".into();
        if let Some(finished) = build.finished {
            body["finishTime"] = dates::vss(finished).into();
        }
    }
    Reply::json(200, &body)
}
