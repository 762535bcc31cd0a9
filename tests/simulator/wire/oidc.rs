//! The job's OIDC endpoint: a token that says which service connection the job may act for.

use serde_json::json;

use super::super::world::World;
use super::{
    request::{Reply, Request},
    vss,
};

/// Answers with a token, to the job token only.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    let segments = request.segments();
    if let Err(reply) = vss::organization(world, &segments[0]) {
        return *reply;
    }
    let Some(job) = request.bearer().and_then(|token| world.job_of_token(token)).cloned() else {
        return vss::not_signed_in(world, request);
    };
    if let Err(reply) = vss::version(request, false) {
        return *reply;
    }
    if let Some(name) = request.unexpected_field(&["api-version", "serviceConnectionId"]) {
        return vss::bad_request("ArgumentException", "Invalid query.", &format!("unknown query field {name:?}"));
    }
    let declared = request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if !declared {
        return vss::bad_body("Content-Type is not application/json");
    }
    if !request.body.is_empty()
        && let Err(why) = request.json(&[])
    {
        return vss::bad_body(&why);
    }
    let (plan, id) = (&segments[7], &segments[9]);
    if *plan != job.plan_id || *id != job.job_id || segments[1] != job.project_id {
        let message = format!("No orchestration plan found for identifier {plan}.");
        return vss::error(404, "TaskOrchestrationPlanNotFoundException", &message);
    }
    let (issuer, subject) = match request.field("serviceConnectionId") {
        Some(wanted) => match world.connections.iter().find(|known| known.id == wanted) {
            Some(known) if known.unauthorized => {
                // The words are from memory; that it is a 403 is what others report.
                let message = format!("The pipeline is not authorized to use the service connection {wanted}.");
                return vss::error(403, "AccessDeniedException", &message);
            }
            Some(known) if known.disabled => {
                let message = format!("The service connection {wanted} does not exist or has been disabled.");
                return vss::error(404, "ServiceEndpointNotFoundException", &message);
            }
            Some(known) => (known.issuer.clone(), known.subject.clone()),
            None => {
                let message = format!("The service connection {wanted} does not exist or has been disabled.");
                return vss::error(404, "ServiceEndpointNotFoundException", &message);
            }
        },
        None => {
            let organization = &world.organizations[0];
            let issuer = format!("https://vstoken.dev.azure.com/{}", organization.id);
            (issuer, format!("p://{}/{}/rotate", organization.name, job.project))
        }
    };
    if let Some(body) = world.oidc_answers.pop_front() {
        let reply = Reply { body: body.as_bytes().to_vec(), ..Reply::empty(200) };
        return reply.with("Content-Type", "application/json; charset=utf-8");
    }
    let token = world.oidc_token(&issuer, &subject);
    Reply::json(200, &json!({"oidcToken": token}))
}
