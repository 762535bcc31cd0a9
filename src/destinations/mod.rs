//! The destinations of the new value besides the job's variable, with one file for each kind.

mod key_vault;
mod not_written;
mod service_connection;
pub(crate) mod variable_group;
pub(crate) mod writers;

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::join_all;

pub use self::key_vault::Cleanup;
use self::key_vault::{Active, ForeignTags};
pub use self::not_written::{MayStart, NotWritten};
use self::service_connection::Connections;
use self::variable_group::Groups;
pub use self::writers::MayWrite;
use self::writers::Writers;
use crate::azure::pats::Pats;
use crate::context::{Context, RotationContext};
use crate::failure::StepError;
use crate::model::destination::Destination;
use crate::model::pat::{AuthorizationId, Pat};
use crate::model::secret::Secret;
use crate::model::vault_secret::VaultSecret;
use crate::plan::{Record, RecordedPat};
use crate::settings::RotateSettings;

/// All destinations of a run. Each access token for them is requested once.
pub struct Destinations<'a> {
    context: &'a Context,
    settings: &'a RotateSettings,
    groups: Groups<'a>,
    connections: Connections<'a>,
    /// For each secret, the tags of others.
    foreign_tags: RefCell<Vec<(VaultSecret, ForeignTags)>>,
    /// Working values that could be read back.
    values: RefCell<Vec<(AuthorizationId, Secret)>>,
}

impl<'a> Destinations<'a> {
    pub fn new(rotation: &'a RotationContext) -> Self {
        let RotationContext { context, settings, .. } = rotation;
        let writers = Rc::new(Writers::new(context));
        let groups = Groups::new(context, Rc::clone(&writers));
        let connections = Connections::new(context, writers);
        Self { context, settings, groups, connections, foreign_tags: RefCell::default(), values: RefCell::default() }
    }

    /// Reads what every destination holds, and finds problems before anything is changed. The error is that of the first
    /// failed destination in the order of the settings.
    pub async fn records(&self) -> Result<Vec<Record>, StepError> {
        self.each_record().await.into_iter().collect()
    }

    /// The same, with the problem of each destination.
    pub async fn each_record(&self) -> Vec<Result<Record, StepError>> {
        let reads = self.settings.publish_to.iter().map(async |destination| match destination {
            Destination::KeyVault(secret) => {
                let found = key_vault::record(self.context, secret).await?;
                self.foreign_tags.borrow_mut().push((secret.clone(), found.foreign));
                if let (RecordedPat::Pat(id), Some(value)) = (&found.record.holds, found.value) {
                    self.values.borrow_mut().push((id.clone(), value));
                }
                Ok(found.record)
            }
            Destination::VariableGroup(variable) => self.groups.record(variable).await,
            Destination::ServiceConnection(connection) => self.connections.record(connection).await,
        });
        join_all(reads).await
    }

    /// Whether one of the identities may write a destination that can be read.
    pub async fn may_write(&self, destination: &Destination) -> MayWrite {
        match destination {
            Destination::KeyVault(_) => MayWrite::Unknown("a key vault does not say who may write it".to_owned()),
            Destination::VariableGroup(variable) => self.groups.may_write(variable).await,
            Destination::ServiceConnection(connection) => self.connections.may_write(connection).await,
        }
    }

    /// The value of this token, if [`Self::records`] has read it in a place.
    pub fn value_of(&self, id: &AuthorizationId) -> Option<Secret> {
        self.values.borrow().iter().find(|(known, _)| known == id).map(|(_, value)| value.clone())
    }

    /// Writes the new value to every destination, with a record of which one it is, and reads it back. Independent
    /// ones at once; variables of groups one after the other, as two of them may share a group. The answers come in
    /// the order of the settings.
    pub async fn publish(&self, pat: &Pat, value: &Secret, may_start: &MayStart<'_>) -> Vec<Result<(), NotWritten>> {
        let writes = self.settings.publish_to.iter().map(async |destination| {
            may_start().map_err(NotWritten::not_begun)?;
            match destination {
                Destination::KeyVault(secret) => {
                    let known = self.foreign_tags.borrow().iter().find(|(known, _)| known == secret).cloned();
                    let foreign = known.map(|(_, foreign)| foreign).unwrap_or_default();
                    key_vault::publish(self.context, self.settings, secret, pat, value, foreign).await
                }
                Destination::ServiceConnection(connection) => self.connections.publish(connection, value).await,
                Destination::VariableGroup(variable) => {
                    let _one_at_a_time = self.context.shared.writing_group.lock().await;
                    may_start().map_err(NotWritten::not_begun)?;
                    self.groups.publish(variable, pat, value, may_start).await
                }
            }
        });
        join_all(writes).await
    }

    /// Signs in for what [`Self::tidy`] does, which changes nothing and can run early.
    pub async fn ready_to_tidy(&self) -> Vec<Cleanup<'_>> {
        let secrets = self.settings.publish_to.iter().filter_map(|destination| match destination {
            Destination::KeyVault(secret) => Some(secret),
            _ => None,
        });
        join_all(secrets.map(|secret| key_vault::ready_to_tidy(self.context, secret))).await
    }

    /// Disables older values that are no longer needed, and returns where it did. A failure is a warning.
    pub async fn tidy(&self, ready: Vec<Cleanup<'_>>, pats: &Pats<'_>) -> Vec<String> {
        let (active, mut places) = (Active::new(), Vec::new());
        for tidying in ready {
            if self.context.check_wanted().is_ok() {
                places.extend(tidying.disable_older(self.context, pats, &active).await);
            }
        }
        places
    }
}
