//! A secret variable of a variable group. Two plain variables beside it are the record of which personal access token
//! it holds. A write replaces the whole group, so it is read right before, compared right after, and done again where
//! somebody else has written meanwhile.

use super::writers::{Writer, warn_of_job};
use super::{Destinations, NotWritten, UNCHANGED};
use crate::azure::http::CallError;
use crate::azure::variable_groups::{Group, Library, Variable};
use crate::outcome::Failure;
use crate::pat::{AuthorizationId, Pat};
use crate::patience::Backoff;
use crate::plan::{Holds, Record};
use crate::secret::Secret;
use crate::settings::GroupVariable;
use crate::work::on;

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
    let found = all.writers.first(async |writer| all.library(writer).find(project, name).await).await;
    let (group, writer) = found.map_err(|refused| {
        let advice = missing_project(&refused.error, refused.who());
        let what = format!("could not read variable group {} as {}", variable.group, refused.who());
        Failure::new(on(refused.error, &what), UNCHANGED).advise_if(advice)
    })?;
    group.ok_or_else(|| {
        let what = anyhow::anyhow!("{} sees no variable group {}", writer.name, variable.group);
        Failure::new(what, UNCHANGED).advise(
            "Check its name and project in `publishTo`, and give that identity the role Administrator in the group's \
             Security.",
        )
    })
}

/// A project that cannot be seen.
pub(super) fn missing_project(error: &CallError, who: &str) -> Option<String> {
    let is_missing = error.refusal().is_some_and(|(status, _)| status == 404);
    is_missing.then(|| {
        format!(
            "Check the project's name; if it exists, {who} must be a member of it, and a job's own identity also needs \
             \"Limit job authorization scope to current project\" to be off."
        )
    })
}

/// Sets the variable and its record, and nothing else.
pub(super) async fn publish(
    all: &Destinations<'_>,
    variable: &GroupVariable,
    pat: &Pat,
    value: &Secret,
) -> Result<(), NotWritten> {
    let project = all.project(variable.group.project.as_ref());
    let id = find(all, variable).await?.id();
    let id = id.ok_or_else(|| NotWritten::unconfirmed("the variable group has no id".to_owned()))?;
    let written = all.writers.first(async |writer| write(all, writer, variable, project, id, pat, value).await).await;
    match written {
        Ok((Ok(()), writer)) => {
            warn_of_job(all.work, writer, &variable.to_string());
            Ok(())
        }
        Ok((Err(strayed), _)) => Err(NotWritten::unconfirmed(strayed)),
        Err(refused) => {
            let advice = format!(
                "Give {} the role Administrator in the Security of variable group {}, then run again.",
                refused.who(),
                variable.group
            );
            let is_403 = refused.error.refusal().is_some_and(|(status, _)| status == 403);
            let mut failed = NotWritten::from(refused.error);
            if is_403 {
                failed.advice = Some(advice);
            }
            Err(failed)
        }
    }
}

/// Writes as one identity. The inner error is a success that did not stay one.
async fn write(
    all: &Destinations<'_>,
    writer: &Writer,
    variable: &GroupVariable,
    project: &str,
    id: u64,
    pat: &Pat,
    value: &Secret,
) -> Result<Result<(), String>, CallError> {
    let library = all.library(writer);
    let (id_variable, expiry_variable) = (variable.id_variable(), variable.expiry_variable());
    let expiry = pat.valid_to.to_string();
    let set = [
        Variable { name: &variable.variable, value: value.reveal(), is_secret: true },
        Variable { name: &id_variable, value: pat.id.as_str(), is_secret: false },
        Variable { name: &expiry_variable, value: &expiry, is_secret: false },
    ];
    let names = set.each_ref().map(|variable| variable.name);
    let mut backoff = Backoff::new(all.work.http.patience());
    let mut strayed = String::new();
    let mut unanswered: Option<CallError> = None;
    for _ in 0..TRIES {
        let was_unanswered = unanswered.is_some();
        let noted = |error: CallError| CallError { may_be_done: error.may_be_done || was_unanswered, ..error };
        let before = library.read(project, id).await.map_err(noted)?;
        let answer = match library.write(&before, id, &set).await {
            Ok(answer) => answer,
            // It may have been carried out: what the group is then must be read before it is written again.
            Err(error) if error.is_passing() => {
                unanswered = Some(error);
                all.work.http.pause(crate::azure::http::Service::AzureDevOps, backoff.pause()).await?;
                continue;
            }
            Err(error) => return Err(noted(error)),
        };
        let after = library.read(project, id).await.map_err(|error| CallError { may_be_done: true, ..error })?;
        let is_ours = after.variable(&id_variable).is_some_and(|(held, _)| held.as_str() == Some(pat.id.as_str()))
            && after.variable(&variable.variable).is_some_and(|(_, is_secret)| is_secret);
        if is_ours && after.modified_on() == answer.modified_on() {
            return Ok(match before.strayed(&after, &names) {
                None => Ok(()),
                Some(what) => Err(format!("the group is not as it was before: {what}")),
            });
        }
        if is_ours && before.strayed(&after, &names).is_none() {
            return Ok(Ok(()));
        }
        strayed = "somebody else writes the group at the same time".to_owned();
        all.work.http.pause(crate::azure::http::Service::AzureDevOps, backoff.pause()).await?;
    }
    match unanswered {
        Some(error) if strayed.is_empty() => Err(error),
        _ => Ok(Err(strayed)),
    }
}
