//! A secret variable of a variable group. Plain variables beside it are the record of what it holds. A write replaces
//! the whole group, so the group is read right before and compared right after, and the write is repeated if somebody else
//! wrote the group at the same time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::azure::permissions;
use crate::azure::variable_groups::{Group, Library, Variable};
use crate::context::Context;
use crate::destinations::not_written::{MayStart, NotWritten};
use crate::destinations::writers::{MayWrite, Writer, Writers, refused_write, unseen, warn_of_job};
use crate::failure::StepError;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::destination::{GroupVariable, Named};
use crate::model::pat::{AuthorizationId, Pat};
use crate::model::secret::Secret;
use crate::plan::{Record, RecordedPat};
use crate::runtime::limits::Backoff;

/// Attempts to write while others write the same group.
const TRIES: u32 = 5;

/// Whether the variable can hold a secret, and these plain ones beside it a record.
pub(crate) fn check_fit(variable: &GroupVariable, group: &Group, beside: &[&str]) -> Result<(), StepError> {
    let unfit = |why: String, advice: &str| {
        Err(StepError::new(anyhow::anyhow!("cannot write {variable}: {why}")).advise(advice))
    };
    if group.is_linked() {
        let why = "the group takes its values from a key vault".to_owned();
        return unfit(why, "Name that vault's secret instead: `keyVault: VAULT/SECRET`.");
    }
    if let Some((_, false)) = group.variable(&variable.variable) {
        return unfit("it is there, but not secret".to_owned(), "Make it a secret variable, or name another one.");
    }
    for name in beside {
        if let Some((_, true)) = group.variable(name) {
            let why = format!("{name}, which should hold the record, is a secret variable");
            return unfit(why, "Delete that variable, or make it a plain one.");
        }
    }
    Ok(())
}

/// The variable groups that the pipeline's identities can read and write.
pub(crate) struct Groups<'a> {
    context: &'a Context,
    writers: Rc<Writers<'a>>,
    /// The ids of the groups that were found.
    ids: RefCell<Vec<(Named, Option<u64>)>>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(context: &'a Context, writers: Rc<Writers<'a>>) -> Self {
        Self { context, writers, ids: RefCell::default() }
    }

    /// What the group records, and whether it can be written.
    pub(super) async fn record(&self, variable: &GroupVariable) -> Result<Record, StepError> {
        let group = self.find(variable).await?;
        let id_variable = variable.id_variable();
        check_fit(variable, &group, &[&id_variable, &variable.expiry_variable()])?;
        let held = group.variable(&id_variable).and_then(|(value, _)| AuthorizationId::parse(value.as_str()?));
        let holds = held.map_or(RecordedPat::Nothing, RecordedPat::Pat);
        Ok(Record { destination: variable.to_string(), holds })
    }

    /// Sets the variable and its record, and nothing else.
    pub(super) async fn publish(
        &self,
        variable: &GroupVariable,
        pat: &Pat,
        value: &Secret,
        may_start: &MayStart<'_>,
    ) -> Result<(), NotWritten> {
        let (id_variable, expiry_variable) = (variable.id_variable(), variable.expiry_variable());
        let expiry = pat.valid_to.to_string();
        let set = [
            Variable { name: &variable.variable, value: value.reveal(), is_secret: true },
            Variable { name: &id_variable, value: pat.id.as_str(), is_secret: false },
            Variable { name: &expiry_variable, value: &expiry, is_secret: false },
        ];
        self.write(variable, &set, may_start).await
    }

    fn library<'b>(&'b self, writer: &'b Writer) -> Library<'b> {
        let organization = &self.context.access.pipeline.organization;
        Library { http: &self.context.http, organization, token: &writer.token }
    }

    fn project<'b>(&'b self, variable: &'b GroupVariable) -> &'b str {
        variable.group.project.as_deref().unwrap_or(&self.context.access.pipeline.project)
    }

    pub(crate) async fn find(&self, variable: &GroupVariable) -> Result<Group, StepError> {
        let (project, name) = (self.project(variable), &variable.group.name);
        let find = async |writer: &Writer| self.library(writer).find(project, name).await?.ok_or_else(unseen);
        match self.writers.first(&place(variable), find).await {
            Ok((group, _)) => {
                self.ids.borrow_mut().push((variable.group.clone(), group.id()));
                Ok(group)
            }
            Err(refused) => Err(refused.failed_read(&place(variable), &role(variable))),
        }
    }

    /// Who of the identities may write the group.
    pub(super) async fn may_write(&self, variable: &GroupVariable) -> MayWrite {
        let named = self.project(variable);
        let id = match self.id(variable).await {
            Ok(id) => id.unwrap_or_default(),
            Err(error) => return MayWrite::Unknown(error.to_string()),
        };
        // A list of groups may leave out their projects.
        let read = async |writer: &Writer| self.library(writer).read(named, id).await;
        let group = match self.writers.first(&place(variable), read).await {
            Ok((group, _)) => group,
            Err(refused) => return MayWrite::Unknown(refused.error.to_string()),
        };
        let Some(project) = group.project_id(named) else {
            return MayWrite::Unknown("the group does not say the id of its project".to_owned());
        };
        self.writers.may(permissions::LIBRARY, &format!("Library/{project}/VariableGroup/{id}"), &role(variable)).await
    }

    async fn id(&self, variable: &GroupVariable) -> Result<Option<u64>, StepError> {
        let known = self.ids.borrow().iter().find(|(group, _)| *group == variable.group).map(|(_, id)| *id);
        match known {
            Some(id) => Ok(id),
            None => Ok(self.find(variable).await?.id()),
        }
    }

    /// Sets these variables and no other one.
    pub(crate) async fn write(
        &self,
        variable: &GroupVariable,
        set: &[Variable<'_>],
        may_start: &MayStart<'_>,
    ) -> Result<(), NotWritten> {
        let id = self.id(variable).await?;
        let id = id.ok_or_else(|| NotWritten::not_begun(anyhow::anyhow!("the variable group has no id")))?;
        let writing = Writing { groups: self, variable, id, set, may_start, may_hold_it: Cell::new(false) };
        match self.writers.first(&place(variable), async |writer| writing.write_as(writer).await).await {
            Ok((Ok(()), writer)) => {
                warn_of_job(self.context, writer, &variable.to_string());
                Ok(())
            }
            Ok((Err(strayed), _)) => Err(NotWritten::unconfirmed(strayed)),
            Err(refused) => Err(refused_write(refused, &role(variable))),
        }
    }
}

fn place(variable: &GroupVariable) -> String {
    format!("variable group {}", variable.group)
}

fn role(variable: &GroupVariable) -> String {
    format!("the role Administrator in the Security of {}", place(variable))
}

/// A write of variables into a group.
struct Writing<'a> {
    groups: &'a Groups<'a>,
    variable: &'a GroupVariable,
    id: u64,
    set: &'a [Variable<'a>],
    may_start: &'a MayStart<'a>,
    /// Set once a write was or may have been carried out: after that, a failure does not mean that nothing was stored.
    may_hold_it: Cell<bool>,
}

impl Writing<'_> {
    /// Writes as one identity. The inner error means that a successful write was not confirmed.
    async fn write_as(&self, writer: &Writer) -> Result<Result<(), String>, CallError> {
        let written = self.until_it_stays(writer).await;
        written.map_err(|error| CallError { maybe_applied: error.maybe_applied || self.may_hold_it.get(), ..error })
    }

    async fn until_it_stays(&self, writer: &Writer) -> Result<Result<(), String>, CallError> {
        let Self { groups, variable, id, set, may_start, may_hold_it } = self;
        let library = groups.library(writer);
        let project = groups.project(variable);
        let names: Vec<&str> = set.iter().map(|variable| variable.name).collect();
        let http = &groups.context.http;
        let mut backoff = Backoff::new(http.limits());
        let mut unanswered: Option<CallError> = None;
        for _ in 0..TRIES {
            let before = library.read(project, *id).await?;
            // Retries may have used up the time.
            if let Err(late) = may_start() {
                let kind = Kind::NotBegun(format!("{late:#}"));
                return Err(CallError::new(Service::AzureDevOps, kind));
            }
            match library.write(&before, *id, set).await {
                Ok(answer) => {
                    may_hold_it.set(true);
                    unanswered = None;
                    let after = library.read(project, *id).await?;
                    let is_ours = set.iter().all(|ours| match after.variable(ours.name) {
                        Some((_, true)) => ours.is_secret,
                        Some((value, false)) => !ours.is_secret && value.as_str() == Some(ours.value),
                        None => false,
                    });
                    // Written by somebody else since: the value, which cannot be read, may be theirs.
                    let is_as_written = after.modified_on() == answer.modified_on();
                    if is_as_written && is_ours {
                        let strayed = before.strayed(&after, &names);
                        return Ok(strayed.map_or(Ok(()), |what| Err(format!("the group is not as it was: {what}"))));
                    }
                }
                // The write may have been carried out: the group must be read before it is written again.
                Err(error) if error.is_transient() => {
                    may_hold_it.set(may_hold_it.get() || error.maybe_applied);
                    unanswered = Some(error);
                }
                Err(error) => return Err(error),
            }
            http.pause(Service::AzureDevOps, backoff.pause()).await?;
        }
        match unanswered {
            Some(error) => Err(error),
            None => Ok(Err("somebody else writes the group at the same time".to_owned())),
        }
    }
}
