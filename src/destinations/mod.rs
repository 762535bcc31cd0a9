//! The places, besides the job's variable, that hold the new value; one file a kind.

mod key_vault;
mod service_connection;
pub(crate) mod variable_group;
pub(crate) mod writers;

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::join_all;

pub use self::key_vault::Cleanup;
use self::variable_group::Groups;
use self::writers::Writers;
use crate::advice;
use crate::context::RotationContext;
use crate::failure::{Failure, advice_for};
use crate::model::api_error::CallError;
use crate::model::destination::{Destination, Named};
use crate::model::pat::Pat;
use crate::model::secret::Secret;
use crate::plan::Record;

const UNCHANGED: &str = "Nothing was changed.";

/// How a write ended that did not succeed.
#[derive(Debug)]
pub struct NotWritten {
    /// Why.
    pub error: anyhow::Error,
    /// Whether the destination may hold the new value all the same: no answer is not a no.
    pub may_hold_it: bool,
    /// What to do about it, where that is known.
    pub advice: Option<String>,
}

impl From<CallError> for NotWritten {
    fn from(error: CallError) -> Self {
        let advice = advice_for(&error, advice::Named::default());
        Self { may_hold_it: error.maybe_applied, advice, error: error.into() }
    }
}

/// Whether a publication may still start: it is wanted, and in time.
pub type MayStart<'a> = dyn Fn() -> anyhow::Result<()> + 'a;

impl NotWritten {
    /// Stopped before anything was sent.
    fn not_begun(error: anyhow::Error) -> Self {
        Self { error, may_hold_it: false, advice: None }
    }

    /// An answer that was a success and is none.
    fn unconfirmed(seen: String) -> Self {
        Self { error: anyhow::anyhow!(seen), may_hold_it: true, advice: None }
    }
}

/// Every destination of a run, and the tokens to reach them, each asked for once.
pub struct Destinations<'a> {
    work: &'a RotationContext,
    writers: Rc<Writers<'a>>,
    groups: Groups<'a>,
    /// The ids of the service connections that were found.
    connections: RefCell<Vec<(Named, String)>>,
}

impl<'a> Destinations<'a> {
    /// Those of the settings.
    pub fn new(work: &'a RotationContext) -> Self {
        let writers = Rc::new(Writers::new(work));
        Self { work, groups: Groups::new(work, Rc::clone(&writers)), writers, connections: RefCell::default() }
    }

    /// Reads what every destination holds; finds early what would fail late.
    ///
    /// # Errors
    /// The first, in the order of the settings, that is not fit; nothing was changed.
    pub async fn records(&self) -> Result<Vec<Record>, Failure> {
        let reads = self.work.settings.publish_to.iter().map(async |destination| match destination {
            Destination::KeyVault(secret) => key_vault::record(self, secret).await,
            Destination::VariableGroup(variable) => variable_group::record(self, variable).await,
            Destination::ServiceConnection(named) => service_connection::record(self, named).await,
        });
        join_all(reads).await.into_iter().collect()
    }

    /// Writes the new value to every destination, with a record of which one it is, and reads it back. Independent
    /// ones at once; variables of groups one after the other, as two of them may share a group. The answers come in
    /// the order of the settings.
    pub async fn publish(&self, pat: &Pat, value: &Secret, may_start: &MayStart<'_>) -> Vec<Result<(), NotWritten>> {
        let groups = tokio::sync::Mutex::new(());
        let writes = self.work.settings.publish_to.iter().map(async |destination| {
            may_start().map_err(NotWritten::not_begun)?;
            match destination {
                Destination::KeyVault(secret) => key_vault::publish(self, secret, pat, value).await,
                Destination::ServiceConnection(named) => service_connection::publish(self, named, value).await,
                Destination::VariableGroup(variable) => {
                    let _one_at_a_time = groups.lock().await;
                    may_start().map_err(NotWritten::not_begun)?;
                    variable_group::publish(self, variable, pat, value, may_start).await
                }
            }
        });
        join_all(writes).await
    }

    /// Signs in for what [`Self::tidy`] does, which changes nothing yet and need not wait for anything.
    pub async fn ready_to_tidy(&self) -> Vec<Cleanup<'_>> {
        let secrets = self.work.settings.publish_to.iter().filter_map(|destination| match destination {
            Destination::KeyVault(secret) => Some(secret),
            _ => None,
        });
        join_all(secrets.map(|secret| key_vault::ready_to_tidy(self.work, secret))).await
    }

    /// Takes the older values out of reach, once nobody needs them. A failure is a warning.
    pub async fn tidy(&self, ready: Vec<Cleanup<'_>>) {
        for tidying in ready {
            if self.work.check_wanted().is_ok() {
                tidying.disable_older(self.work).await;
            }
        }
    }

    /// The pipeline's project, or the one that is named.
    fn project<'b>(&'b self, named: Option<&'b String>) -> &'b str {
        named.map_or(self.work.access.pipeline.project.as_str(), String::as_str)
    }
}

/// A sign-in or a read that failed before anything was written.
impl From<Failure> for NotWritten {
    fn from(failure: Failure) -> Self {
        let (error, advice) = failure.into_parts();
        Self { error, may_hold_it: false, advice: Some(advice) }
    }
}
