//! The parameter of a service connection that holds a personal access token. The whole connection is sent back as it
//! was read. It has no place for a record, and the value cannot be read back.

use std::cell::RefCell;
use std::rc::Rc;

use crate::azure::service_endpoints::{Endpoint, Endpoints};
use crate::context::Context;
use crate::destinations::not_written::NotWritten;
use crate::destinations::writers::{Writer, Writers, refused_write, unseen, warn_of_job};
use crate::failure::StepError;
use crate::model::destination::Named;
use crate::model::secret::Secret;
use crate::plan::{Record, RecordedPat};

/// The service connections that the pipeline's identities can read and write.
pub(super) struct Connections<'a> {
    context: &'a Context,
    writers: Rc<Writers<'a>>,
    /// The ids of those that were found.
    ids: RefCell<Vec<(Named, String)>>,
}

impl<'a> Connections<'a> {
    pub(super) fn new(context: &'a Context, writers: Rc<Writers<'a>>) -> Self {
        Self { context, writers, ids: RefCell::default() }
    }

    fn endpoints<'b>(&'b self, writer: &'b Writer) -> Endpoints<'b> {
        let organization = &self.context.access.pipeline.organization;
        Endpoints { http: &self.context.http, organization, token: &writer.token }
    }

    fn project<'b>(&'b self, named: &'b Named) -> &'b str {
        named.project.as_deref().unwrap_or(&self.context.access.pipeline.project)
    }

    /// Whether the connection can be written. It keeps no record, and the log says so.
    pub(super) async fn record(&self, named: &Named) -> Result<Record, StepError> {
        let endpoint = self.read(named).await?;
        if let Err(why) = endpoint.parameter() {
            let error = anyhow::anyhow!("cannot publish to service connection {named}: it {why}");
            return Err(StepError::new(error).advise("Name a connection that holds a personal access token."));
        }
        let projects: Vec<String> = endpoint.projects().into_iter().map(crate::model::text::quoted).collect();
        if projects.len() > 1 {
            let shared = projects.join(", ");
            self.context.console.say(&format!("note: service connection {named} is shared by the projects {shared}"));
        }
        self.context.console.say(&format!(
            "note: service connection {named} keeps no record of which token it holds, so it is not judged by it"
        ));
        Ok(Record { destination: place(named), holds: RecordedPat::Unrecorded })
    }

    /// The connection as it is now: found by its name, and from then on by its id.
    async fn read(&self, named: &Named) -> Result<Endpoint, StepError> {
        let project = self.project(named);
        let known = self.ids.borrow().iter().find(|(known, _)| known == named).map(|(_, id)| id.clone());
        let read = async |writer: &Writer| {
            let endpoints = self.endpoints(writer);
            let seen = match &known {
                Some(id) => endpoints.read(project, id).await?,
                None => endpoints.find(project, &named.name).await?,
            };
            seen.ok_or_else(unseen)
        };
        let (endpoint, _) = (self.writers.first(&place(named), read).await)
            .map_err(|refused| refused.failed_read(&place(named), &role(named)))?;
        if let (None, Some(id)) = (&known, endpoint.id()) {
            self.ids.borrow_mut().push((named.clone(), id.to_owned()));
        }
        Ok(endpoint)
    }

    /// Writes the connection with the new value, and compares all else.
    pub(super) async fn publish(&self, named: &Named, value: &Secret) -> Result<(), NotWritten> {
        let before = self.read(named).await?;
        let unreadable = || NotWritten::not_begun(anyhow::anyhow!("the service connection has changed since the plan"));
        let (Some(id), Ok(parameter)) = (before.id(), before.parameter()) else { return Err(unreadable()) };
        let write = async |writer: &Writer| self.endpoints(writer).write(&before, id, parameter, value).await;
        let written = self.writers.first(&place(named), write).await;
        let ((), writer) = written.map_err(|refused| refused_write(refused, &role(named)))?;
        let after = self.read(named).await.map_err(|failure| NotWritten::unconfirmed(failure.to_string()))?;
        if let Some(what) = before.strayed(&after, parameter) {
            return Err(NotWritten::unconfirmed(format!("the service connection is not as it was before: {what}")));
        }
        warn_of_job(self.context, writer, &format!("service connection {named}"));
        Ok(())
    }
}

fn place(named: &Named) -> String {
    format!("service connection {named}")
}

fn role(named: &Named) -> String {
    format!("the organization-level role Administrator on service connection {named}")
}
