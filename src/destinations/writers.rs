//! Who writes variable groups and service connections: `azureDevOpsServiceConnection`, then the service connection's own
//! app, then the job itself, the first that may. The personal access token's user has no part in it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::{NotWritten, UNCHANGED};

use crate::advice::{self, Named};
use crate::azure::entra::AZURE_DEVOPS;
use crate::azure::http::{CallError, Kind, Service};
use crate::outcome::{Failure, row_for};
use crate::secret::Secret;
use crate::settings::ServiceConnection;
use crate::sign_in::connection;
use crate::work::{Work, on};

/// An identity that may be allowed to write.
#[derive(Debug)]
pub(super) struct Writer {
    /// Who it is, for the person who grants it something.
    pub(super) name: String,
    /// Its token.
    pub(super) token: Secret,
    /// Whether it is the identity that all pipelines of the project share.
    pub(super) is_job: bool,
}

/// The identities, in order, each signed in when it is first needed.
pub(crate) struct Writers<'a> {
    work: &'a Work,
    known: OnceCell<Vec<Writer>>,
    /// By place: which one was let in last, to be tried first there.
    let_in: RefCell<BTreeMap<String, usize>>,
}

impl<'a> Writers<'a> {
    pub(crate) fn new(work: &'a Work) -> Self {
        Self { work, known: OnceCell::new(), let_in: RefCell::default() }
    }

    /// Tries `act` on a place as one identity after the other, until one is not refused.
    ///
    /// # Errors
    /// What the first of them was told, or that there is none.
    pub(super) async fn first<T>(
        &self,
        place: &str,
        act: impl AsyncFn(&Writer) -> Result<T, CallError>,
    ) -> Result<(T, &Writer), Refused<'_>> {
        let mut refused: Option<(usize, Refused<'_>)> = None;
        // One identity's write may have been carried out although it was refused when it was repeated.
        let mut may_be_done = false;
        let writers = self.all().await;
        let begin = self.let_in.borrow().get(place).copied().unwrap_or_default();
        for index in (begin..writers.len()).chain(0..begin) {
            let writer = &writers[index];
            match act(writer).await {
                Ok(done) => {
                    self.let_in.borrow_mut().insert(place.to_owned(), index);
                    return Ok((done, writer));
                }
                Err(error) if is_refusal(&error) => {
                    let name = &writer.name;
                    self.work.console.debug(&format!("{name} was refused: {error}"));
                    may_be_done |= error.may_be_done;
                    if refused.as_ref().is_none_or(|(first, _)| index < *first) {
                        refused = Some((index, Refused { error, writer: Some(writer) }));
                    }
                }
                Err(mut error) => {
                    error.may_be_done |= may_be_done;
                    return Err(Refused { error, writer: Some(writer) });
                }
            }
        }
        let mut refused = refused.map_or_else(nobody, |(_, refused)| refused);
        refused.error.may_be_done |= may_be_done;
        Err(refused)
    }

    async fn all(&self) -> &[Writer] {
        self.known.get_or_init(|| self.sign_in()).await
    }

    async fn sign_in(&self) -> Vec<Writer> {
        let access = &self.work.access;
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
                Err(why) => self.work.console.say(&format!("note: cannot write as the app of `{input}`: {why}")),
            }
        }
        if let Some(token) = &access.pipeline.job_token {
            let name = "the job's own identity (\"Project Build Service\")".to_owned();
            writers.push(Writer { name, token: token.clone(), is_job: true });
        }
        writers
    }

    async fn token(&self, connection: &ServiceConnection, scope: &str) -> Result<Secret, String> {
        connection::token_as(self.work, connection, scope).await.map_err(|failure| failure.to_string())
    }
}

/// What the identity that should have written was told.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) error: CallError,
    pub(super) writer: Option<&'a Writer>,
}

fn nobody<'a>() -> Refused<'a> {
    let kind = Kind::NotSent("no identity could sign in to write with".to_owned());
    Refused { error: CallError::new(Service::AzureDevOps, kind), writer: None }
}

impl Refused<'_> {
    fn who(&self) -> &str {
        self.writer.map_or("the identity that writes", |writer| writer.name.as_str())
    }

    /// Of reading something that should be written later: nothing was changed.
    pub(super) fn failed_read(self, what: &str, role: &str) -> Failure {
        let who = self.who().to_owned();
        if self.error.refusal().is_some_and(|(_, code)| code == UNSEEN) {
            let advice = format!("Check its name and project, and give {who} {role}.");
            return Failure::new(anyhow::anyhow!("{who} sees no {what}"), UNCHANGED).advise(advice);
        }
        let advice = self.advice(role);
        Failure::new(on(self.error, &format!("could not read {what} as {who}")), UNCHANGED).advise_if(advice)
    }

    /// What the identity lacks.
    fn advice(&self, role: &str) -> Option<String> {
        let named = Named { writer: Some(self.who()), role: Some(role), ..Named::default() };
        row_for(&self.error, advice::Service::Places).map(|row| row.remedy(named))
    }
}

const UNSEEN: &str = "Unseen";

/// What an identity sees none of: another one may.
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

/// Whether another identity may have more luck: not allowed, not known, or not let see.
fn is_refusal(error: &CallError) -> bool {
    error.is_about_signing_in() || error.refusal().is_some_and(|(status, _)| matches!(status, 403 | 404))
}

/// The warning for what is written with the job's own token.
pub(super) fn warn_of_job(work: &Work, writer: &Writer, what: &str) {
    if writer.is_job {
        work.console.warn(&format!(
            "{what} was written with the job's own token, whose rights every pipeline of the project shares. Give \
             `azureDevOpsServiceConnection` an identity of its own, or let the service connection's app write it."
        ));
    }
}
