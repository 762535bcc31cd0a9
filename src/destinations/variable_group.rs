//! A secret variable of a variable group. Two plain variables beside it are the record of which personal access token
//! it holds. A write replaces the whole group, so it is read right before, compared right after, and done again where
//! somebody else has written meanwhile.

use std::cell::Cell;

use super::writers::{Writer, refused_write, unseen, warn_of_job};
use super::{Destinations, MayStart, NotWritten, UNCHANGED};
use crate::azure::http::{CallError, Kind, Service};
use crate::azure::variable_groups::{Group, Library, Variable};
use crate::outcome::Failure;
use crate::pat::{AuthorizationId, Pat};
use crate::patience::Backoff;
use crate::plan::{Holds, Record};
use crate::secret::Secret;
use crate::settings::GroupVariable;

/// Writes tried while others write the same group.
const TRIES: u32 = 5;

impl Destinations<'_> {
    fn library<'b>(&'b self, writer: &'b Writer) -> Library<'b> {
        let organization = &self.work.settings.pipeline.organization;
        Library { http: &self.work.http, organization, token: &writer.token }
    }
}

/// What the group records, and whether it can be written.
pub(super) async fn record(all: &Destinations<'_>, variable: &GroupVariable) -> Result<Record, Failure> {
    let group = find(all, variable).await?;
    let unfit = |why: String, advice: &str| {
        Err(Failure::new(anyhow::anyhow!("cannot publish to {variable}: {why}"), UNCHANGED).advise(advice))
    };
    if group.is_linked() {
        let why = "the group takes its values from a key vault".to_owned();
        return unfit(why, "Publish to that vault's secret instead: `keyVault: VAULT/SECRET`.");
    }
    if let Some((_, false)) = group.variable(&variable.variable) {
        return unfit("it is there, but not secret".to_owned(), "Make it a secret variable, or name another one.");
    }
    let id_variable = variable.id_variable();
    for name in [&id_variable, &variable.expiry_variable()] {
        if let Some((_, true)) = group.variable(name) {
            let why = format!("{name}, which should hold the record, is a secret variable");
            return unfit(why, "Delete that variable, or make it a plain one.");
        }
    }
    let held = group.variable(&id_variable).and_then(|(value, _)| AuthorizationId::parse(value.as_str()?));
    let holds = held.map_or(Holds::Nothing, Holds::Pat);
    Ok(Record { destination: variable.to_string(), holds })
}

async fn find(all: &Destinations<'_>, variable: &GroupVariable) -> Result<Group, Failure> {
    let project = all.project(variable.group.project.as_ref());
    let name = &variable.group.name;
    let found =
        all.writers.first(async |writer| all.library(writer).find(project, name).await?.ok_or_else(unseen)).await;
    found.map(|(group, _)| group).map_err(|refused| {
        let role = format!("the role Administrator in the Security of variable group {}", variable.group);
        refused.failed_read(&format!("variable group {}", variable.group), &role)
    })
}

/// Sets the variable and its record, and nothing else.
pub(super) async fn publish(
    all: &Destinations<'_>,
    variable: &GroupVariable,
    pat: &Pat,
    value: &Secret,
    may_start: &MayStart<'_>,
) -> Result<(), NotWritten> {
    let id = find(all, variable).await?.id();
    let id = id.ok_or_else(|| NotWritten::not_begun(anyhow::anyhow!("the variable group has no id")))?;
    let writing = Writing { all, variable, id, pat, value, may_start, may_hold_it: Cell::new(false) };
    match all.writers.first(async |writer| writing.write_as(writer).await).await {
        Ok((Ok(()), writer)) => {
            warn_of_job(all.work, writer, &variable.to_string());
            Ok(())
        }
        Ok((Err(strayed), _)) => Err(NotWritten::unconfirmed(strayed)),
        Err(refused) => {
            let role = format!("the role Administrator in the Security of variable group {}", variable.group);
            Err(refused_write(refused, &role))
        }
    }
}

/// One variable and its record, on their way into a group.
struct Writing<'a> {
    all: &'a Destinations<'a>,
    variable: &'a GroupVariable,
    id: u64,
    pat: &'a Pat,
    value: &'a Secret,
    may_start: &'a MayStart<'a>,
    /// From the first write on that was carried out, or may have been, no later failure means that nothing was
    /// delivered.
    may_hold_it: Cell<bool>,
}

impl Writing<'_> {
    /// Writes as one identity. The inner error is a success that did not stay one.
    async fn write_as(&self, writer: &Writer) -> Result<Result<(), String>, CallError> {
        let written = self.until_it_stays(writer).await;
        written.map_err(|error| CallError { may_be_done: error.may_be_done || self.may_hold_it.get(), ..error })
    }

    async fn until_it_stays(&self, writer: &Writer) -> Result<Result<(), String>, CallError> {
        let Self { all, variable, id, pat, value, may_start, may_hold_it } = self;
        let library = all.library(writer);
        let project = all.project(variable.group.project.as_ref());
        let (id_variable, expiry_variable) = (variable.id_variable(), variable.expiry_variable());
        let expiry = pat.valid_to.to_string();
        let set = [
            Variable { name: &variable.variable, value: value.reveal(), is_secret: true },
            Variable { name: &id_variable, value: pat.id.as_str(), is_secret: false },
            Variable { name: &expiry_variable, value: &expiry, is_secret: false },
        ];
        let names = set.each_ref().map(|variable| variable.name);
        let mut backoff = Backoff::new(all.work.http.patience());
        let mut unanswered: Option<CallError> = None;
        for _ in 0..TRIES {
            let before = library.read(project, *id).await?;
            // A group that others keep busy may have used up the time.
            if let Err(late) = may_start() {
                let kind = Kind::NotBegun(format!("{late:#}"));
                return Err(CallError::new(Service::AzureDevOps, kind));
            }
            match library.write(&before, *id, &set).await {
                Ok(answer) => {
                    may_hold_it.set(true);
                    unanswered = None;
                    let after = library.read(project, *id).await?;
                    let held = after.variable(&id_variable).and_then(|(held, _)| held.as_str());
                    let is_secret = after.variable(&variable.variable).is_some_and(|(_, is_secret)| is_secret);
                    // Written by somebody else since: the value, which cannot be read, may be theirs.
                    let is_as_written = after.modified_on() == answer.modified_on();
                    if is_as_written && held == Some(pat.id.as_str()) && is_secret {
                        let strayed = before.strayed(&after, &names);
                        return Ok(strayed.map_or(Ok(()), |what| Err(format!("the group is not as it was: {what}"))));
                    }
                }
                // It may have been carried out: what the group is then must be read before it is written again.
                Err(error) if error.is_passing() => {
                    may_hold_it.set(may_hold_it.get() || error.may_be_done);
                    unanswered = Some(error);
                }
                Err(error) => return Err(error),
            }
            all.work.http.pause(Service::AzureDevOps, backoff.pause()).await?;
        }
        match unanswered {
            Some(error) => Err(error),
            None => Ok(Err("somebody else writes the group at the same time".to_owned())),
        }
    }
}
