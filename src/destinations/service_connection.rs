//! The parameter of a service connection that holds a personal access token. The whole connection is sent back as it
//! was read. It has no place for a record, and the value cannot be read back.

use std::cell::RefCell;
use std::rc::Rc;

use url::Url;

use crate::azure::permissions;
use crate::azure::service_endpoints::{Endpoint, Endpoints};
use crate::context::Context;
use crate::destinations::not_written::NotWritten;
use crate::destinations::writers::{MayWrite, Writer, Writers, refused_write, unseen, warn_of_job};
use crate::failure::StepError;
use crate::model::address::is_azure_devops;
use crate::model::destination::{Connection, Named};
use crate::model::secret::Secret;
use crate::model::text::quoted;
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

    /// Whether the connection can be written, and where it leads. It keeps no record, and the log says so.
    pub(super) async fn record(&self, connection: &Connection) -> Result<Record, StepError> {
        let named = &connection.named;
        let endpoint = self.read(named).await?;
        let cannot =
            |why: String| StepError::new(anyhow::anyhow!("cannot publish to service connection {named}: {why}"));
        if let Err(why) = endpoint.parameter() {
            return Err(cannot(format!("it {why}")).advise("Name a connection that holds a personal access token."));
        }
        let leads_to = check_addresses(&endpoint, connection)?;
        let projects: Vec<String> = endpoint.projects().into_iter().map(quoted).collect();
        if projects.len() > 1 {
            let shared = projects.join(", ");
            self.context.console.say(&format!("note: service connection {named} is shared by the projects {shared}"));
        }
        self.context.console.say(&format!(
            "note: service connection {named} leads to {leads_to}; it keeps no record of which token it holds, so no \
             rotation is due because of it"
        ));
        if endpoint.is_disabled() {
            self.context.console.warn(&format!(
                "service connection {named} is disabled: it gets the new token, but no pipeline can use it until somebody \
                 enables it"
            ));
        }
        if leads_to.starts_with("http:") {
            self.context.console.warn(&format!(
                "service connection {named} leads to {leads_to}: its users send the token over the network unencrypted"
            ));
        }
        Ok(Record { destination: format!("{} ({leads_to})", place(named)), holds: RecordedPat::Unrecorded })
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

    /// Who of the identities may write the connection.
    pub(super) async fn may_write(&self, connection: &Connection) -> MayWrite {
        let named = &connection.named;
        let endpoint = match self.read(named).await {
            Ok(endpoint) => endpoint,
            Err(error) => return MayWrite::Unknown(error.to_string()),
        };
        let (Some(id), Some(project)) = (endpoint.id(), endpoint.project_id(self.project(named))) else {
            return MayWrite::Unknown("the connection does not say its id and its project's".to_owned());
        };
        self.writers.may(permissions::ENDPOINTS, &format!("endpoints/{project}/{id}"), &role(named)).await
    }

    /// Writes the connection with the new value, and compares all else.
    pub(super) async fn publish(&self, connection: &Connection, value: &Secret) -> Result<(), NotWritten> {
        let named = &connection.named;
        let before = self.read(named).await?;
        check_addresses(&before, connection)?;
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

/// Where the connection leads. Whoever may edit its address would get the token, so it must be Azure DevOps, or what the
/// line allows.
fn check_addresses(endpoint: &Endpoint, connection: &Connection) -> Result<String, StepError> {
    let mut leads_to = String::new();
    for (field, text) in endpoint.addresses() {
        let of = if field == "url" { "address".to_owned() } else { quoted(field) };
        let refused = |why: &str, advice: String| {
            let named = &connection.named;
            let error = anyhow::anyhow!("cannot publish to service connection {named}: its {of} {why}");
            Err(StepError::new(error).advise(advice))
        };
        let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        let Some((url, host)) = url.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
            let advice = "Correct the address of the service connection.".to_owned();
            return refused("is no address that begins with `https://`", advice);
        };
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let (is_encrypted, is_allowed) = (url.scheme() == "https", connection.host.as_ref() == Some(&host));
        match &connection.host {
            _ if is_allowed => {}
            Some(allowed) if field == "url" => {
                return refused(
                    &format!("leads to {}, and the line of `publishTo` allows {}", quoted(&host), quoted(allowed)),
                    "Correct the address of the service connection, or the host at the end of the line.".to_owned(),
                );
            }
            _ if !is_encrypted => {
                return refused(
                    &format!("begins with `http:`, so its users would send the token to {} unencrypted", quoted(&host)),
                    format!("Change it to `https:`, or allow it: end the line of `publishTo` with ` at {host}`."),
                );
            }
            _ if !is_azure_devops(&host) => {
                return refused(
                    &format!("leads to {}, which is not Azure DevOps", quoted(&host)),
                    format!(
                        "Correct it, or, if the token belongs there, end the line of `publishTo` with ` at {host}`."
                    ),
                );
            }
            _ => {}
        }
        if field == "url" {
            leads_to = format!("{}://{host}", url.scheme());
        }
    }
    Ok(leads_to)
}

fn place(named: &Named) -> String {
    format!("service connection {named}")
}

fn role(named: &Named) -> String {
    format!("the organization-level role Administrator on service connection {named}")
}
