//! Who writes variable groups and service connections: `azureDevOpsServiceConnection`, then the service connection's own
//! app, then the job itself, the first that may. The personal access token's user has no part in it.

use std::cell::RefCell;

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::destinations::not_written::NotWritten;

use crate::advice::{self, Named};
use crate::app_tokens;
use crate::azure::entra::AZURE_DEVOPS;
use crate::azure::permissions::{self, Namespace};
use crate::context::Context;
use crate::failure::{StepError, on, row_for};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::secret::Secret;
use crate::model::service_connection::ServiceConnection;

/// An identity that may be allowed to write.
#[derive(Debug)]
pub(super) struct Writer {
    /// Describes the identity in advice about permissions.
    pub(super) name: String,
    pub(super) token: Secret,
    /// Whether it is the identity that all pipelines of the project share.
    pub(super) is_job: bool,
}

/// Whether a destination can be written, as far as somebody says so.
#[derive(Debug)]
pub enum MayWrite {
    /// By this identity.
    Yes(String),
    /// By none of them; with what to do.
    No(String),
    /// Nobody says, and why.
    Unknown(String),
}

/// The identities, in order, each signed in when it is first needed.
pub(crate) struct Writers<'a> {
    context: &'a Context,
    known: OnceCell<Vec<Writer>>,
    /// For each destination, the identity that succeeded last, which is tried first.
    let_in: RefCell<Vec<(String, usize)>>,
}

impl<'a> Writers<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self { context, known: OnceCell::new(), let_in: RefCell::default() }
    }

    /// Tries `act` on a destination with one identity after another until one is not refused. The error is that of the
    /// first identity.
    pub(super) async fn first<T>(
        &self,
        place: &str,
        act: impl AsyncFn(&Writer) -> Result<T, CallError>,
    ) -> Result<(T, &Writer), Refused<'_>> {
        let writers = self.all().await;
        let mut trial = Trial::default();
        for index in self.order(place, writers.len()) {
            match act(&writers[index]).await {
                Ok(done) => {
                    self.let_in.borrow_mut().push((place.to_owned(), index));
                    return Ok((done, &writers[index]));
                }
                Err(error) => self.note_refusal(&mut trial, index, &writers[index], error)?,
            }
        }
        Err(trial.end())
    }

    /// Whether one of the identities has the permission to administer an object. No document says that the permission
    /// is what a write asks for, so an answer is believed where it says no, and where it says yes.
    pub(super) async fn may(&self, namespace: Namespace, object: &str, role: &str) -> MayWrite {
        let writers = self.all().await;
        let organization = &self.context.access.pipeline.organization;
        let asked = writers
            .iter()
            .map(|writer| permissions::may(&self.context.http, organization, &writer.token, namespace, object));
        let answers = join_all(asked).await;
        let mut unknown = None;
        for (writer, answer) in writers.iter().zip(answers) {
            match answer {
                Ok(true) => return MayWrite::Yes(writer.name.clone()),
                Ok(false) => {}
                // Who is not let in writes nothing.
                Err(error) if error.is_about_signing_in() => {}
                Err(error) => unknown = unknown.or(Some(format!("{} was not told: {error}", writer.name))),
            }
        }
        match (unknown, writers.first()) {
            (Some(unknown), _) => MayWrite::Unknown(unknown),
            (None, Some(writer)) => MayWrite::No(format!("Give {} {role}.", writer.name)),
            (None, None) => MayWrite::Unknown("no identity could sign in to write with".to_owned()),
        }
    }

    /// The identity that succeeded before comes first.
    fn order(&self, place: &str, count: usize) -> Vec<usize> {
        let begin = self.let_in.borrow().iter().rfind(|(known, _)| known == place).map_or(0, |(_, index)| *index);
        (begin..count).chain(0..begin).collect()
    }

    /// Records a refusal, after which the next identity may be tried; any other error is returned.
    fn note_refusal<'b>(
        &self,
        trial: &mut Trial<'b>,
        index: usize,
        writer: &'b Writer,
        mut error: CallError,
    ) -> Result<(), Refused<'b>> {
        if !is_refusal(&error) {
            error.maybe_applied |= trial.maybe_applied;
            return Err(Refused { error, writer: Some(writer) });
        }
        self.context.console.debug(&format!("{} was refused: {error}", writer.name));
        trial.maybe_applied |= error.maybe_applied;
        if trial.refused.as_ref().is_none_or(|(first, _)| index < *first) {
            trial.refused = Some((index, Refused { error, writer: Some(writer) }));
        }
        Ok(())
    }

    async fn all(&self) -> &[Writer] {
        self.known.get_or_init(|| self.sign_in()).await
    }

    async fn sign_in(&self) -> Vec<Writer> {
        let access = &self.context.access;
        let scope = format!("{AZURE_DEVOPS}/.default");
        let mut writers = Vec::new();
        let connections = [
            ("azureDevOpsServiceConnection", access.azure_devops_connection.as_ref()),
            ("serviceConnection", access.connection.as_ref()),
        ];
        let named = connections.into_iter().filter_map(|(input, connection)| Some((input, connection?)));
        let tokens = named.map(async |(input, connection)| (input, self.token(connection, &scope).await));
        for (input, token) in join_all(tokens).await {
            match token {
                Ok(token) => {
                    // Without its id: the agent masks that in the log.
                    let name = format!("the app of `{input}`");
                    writers.push(Writer { name, token, is_job: false });
                }
                Err(why) => self.context.console.say(&format!("note: cannot write as the app of `{input}`: {why}")),
            }
        }
        if let Some(token) = &access.pipeline.job_token {
            let name = "the job's own identity (\"Project Build Service\")".to_owned();
            writers.push(Writer { name, token: token.clone(), is_job: true });
        }
        writers
    }

    async fn token(&self, connection: &ServiceConnection, scope: &str) -> Result<Secret, String> {
        app_tokens::token_as(self.context, connection, scope).await.map_err(|failure| failure.to_string())
    }
}

/// The error of the identity that should have written.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) error: CallError,
    pub(super) writer: Option<&'a Writer>,
}

/// The attempts so far.
#[derive(Default)]
struct Trial<'a> {
    /// The first of them that was refused.
    refused: Option<(usize, Refused<'a>)>,
    /// One identity's write may have been carried out although it was refused when it was repeated.
    maybe_applied: bool,
}

impl<'a> Trial<'a> {
    fn end(self) -> Refused<'a> {
        let Some((_, mut refused)) = self.refused else {
            let kind = Kind::NotSent("no identity could sign in to write with".to_owned());
            return Refused { error: CallError::new(Service::AzureDevOps, kind), writer: None };
        };
        refused.error.maybe_applied |= self.maybe_applied;
        refused
    }
}

impl Refused<'_> {
    fn who(&self) -> &str {
        self.writer.map_or("the identity that writes", |writer| writer.name.as_str())
    }

    /// Of reading something that should be written later: nothing was changed.
    pub(super) fn failed_read(self, what: &str, role: &str) -> StepError {
        let who = self.who().to_owned();
        if self.error.refusal().is_some_and(|(_, code)| code == UNSEEN) {
            let advice = format!("Check its name and project, and give {who} {role}.");
            return StepError::new(anyhow::anyhow!("{who} sees no {what}")).advise(advice);
        }
        let advice = self.advice(role);
        StepError::new(on(self.error, &format!("could not read {what} as {who}"))).advise_if(advice)
    }

    /// What the identity lacks.
    fn advice(&self, role: &str) -> Option<String> {
        let named = Named { writer: Some(self.who()), role: Some(role), ..Named::default() };
        row_for(&self.error, advice::Service::Places).map(|row| row.remedy(named))
    }
}

const UNSEEN: &str = "Unseen";

/// The identity does not see the object; another identity may.
pub(super) fn unseen() -> CallError {
    CallError::new(Service::AzureDevOps, Kind::Refused { status: 404, code: UNSEEN.to_owned(), message: String::new() })
}

/// A write that no identity could do.
pub(super) fn refused_write(refused: Refused<'_>, role: &str) -> NotWritten {
    let (advice, who) = (refused.advice(role), refused.who().to_owned());
    let failed = NotWritten::from(refused.error);
    NotWritten {
        error: failed.error.context(format!("{who} did not succeed")),
        advice: advice.or(failed.advice),
        ..failed
    }
}

/// Whether another identity may succeed: this one is not allowed, not known, or does not see the object.
fn is_refusal(error: &CallError) -> bool {
    error.is_about_signing_in() || error.refusal().is_some_and(|(status, _)| matches!(status, 403 | 404))
}

/// The warning for what is written with the job's own token.
pub(super) fn warn_of_job(context: &Context, writer: &Writer, what: &str) {
    if writer.is_job {
        context.console.warn(&format!(
            "{what} was written with the job's own token, whose rights every pipeline of the project shares. Give \
             `azureDevOpsServiceConnection` an identity of its own, or let the service connection's app write it."
        ));
    }
}
