//! The parameter of a service connection that holds a personal access token. The whole connection is sent back as it
//! was read. It has no place for a record, and the value cannot be read back.

use crate::azure::service_endpoints::{Endpoint, Endpoints};
use crate::destinations::writers::{Writer, refused_write, unseen, warn_of_job};
use crate::destinations::{Destinations, NotWritten, UNCHANGED};
use crate::failure::Failure;
use crate::model::destination::Named;
use crate::model::secret::Secret;
use crate::plan::{Record, RecordedPat};

impl Destinations<'_> {
    fn endpoints<'b>(&'b self, writer: &'b Writer) -> Endpoints<'b> {
        let organization = &self.work.access.pipeline.organization;
        Endpoints { http: &self.work.http, organization, token: &writer.token }
    }
}

/// Whether the connection can be written. It keeps no record, and the log says so.
pub(super) async fn record(all: &Destinations<'_>, named: &Named) -> Result<Record, Failure> {
    let endpoint = read(all, named).await?;
    if let Err(why) = endpoint.parameter() {
        let error = anyhow::anyhow!("cannot publish to service connection {named}: it {why}");
        return Err(Failure::new(error, UNCHANGED).advise("Name a connection that holds a personal access token."));
    }
    let projects: Vec<String> = endpoint.projects().into_iter().map(crate::model::text::quoted).collect();
    if projects.len() > 1 {
        let shared = projects.join(", ");
        all.work.console.say(&format!("note: service connection {named} is shared by the projects {shared}"));
    }
    all.work.console.say(&format!(
        "note: service connection {named} keeps no record of which token it holds, so it is not judged by it"
    ));
    Ok(Record { destination: place(named), holds: RecordedPat::Unrecorded })
}

/// The connection as it is now: found by its name, and from then on by its id.
async fn read(all: &Destinations<'_>, named: &Named) -> Result<Endpoint, Failure> {
    let project = all.project(named.project.as_ref());
    let known = all.connections.borrow().iter().find(|(known, _)| known == named).map(|(_, id)| id.clone());
    let read = async |writer: &Writer| {
        let endpoints = all.endpoints(writer);
        let seen = match &known {
            Some(id) => endpoints.read(project, id).await?,
            None => endpoints.find(project, &named.name).await?,
        };
        seen.ok_or_else(unseen)
    };
    let (endpoint, _) = (all.writers.first(&place(named), read).await)
        .map_err(|refused| refused.failed_read(&place(named), &role(named)))?;
    if let (None, Some(id)) = (&known, endpoint.id()) {
        all.connections.borrow_mut().push((named.clone(), id.to_owned()));
    }
    Ok(endpoint)
}

fn place(named: &Named) -> String {
    format!("service connection {named}")
}

fn role(named: &Named) -> String {
    format!("the organization-level role Administrator on service connection {named}")
}

/// Writes the connection with the new value, and compares all else.
pub(super) async fn publish(all: &Destinations<'_>, named: &Named, value: &Secret) -> Result<(), NotWritten> {
    let before = read(all, named).await?;
    let unreadable = || NotWritten::not_begun(anyhow::anyhow!("the service connection has changed since the plan"));
    let (Some(id), Ok(parameter)) = (before.id(), before.parameter()) else { return Err(unreadable()) };
    let write = async |writer: &Writer| all.endpoints(writer).write(&before, id, parameter, value).await;
    let written = all.writers.first(&place(named), write).await;
    let ((), writer) = written.map_err(|refused| refused_write(refused, &role(named)))?;
    let after = read(all, named).await.map_err(|failure| NotWritten::unconfirmed(failure.to_string()))?;
    if let Some(what) = before.strayed(&after, parameter) {
        return Err(NotWritten::unconfirmed(format!("the service connection is not as it was before: {what}")));
    }
    warn_of_job(all.work, writer, &format!("service connection {named}"));
    Ok(())
}
