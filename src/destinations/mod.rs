//! The places, besides the job's variable, that hold the new value; one file a kind. Variable groups and service
//! connections belong beside `key_vault`.

pub mod key_vault;

use crate::azure::http::{CallError, Kind};
use crate::outcome::Failure;
use crate::pat::Pat;
use crate::plan::Record;
use crate::secret::Secret;
use crate::settings::Destination;
use crate::work::Work;

/// How a write ended that did not succeed.
#[derive(Debug)]
pub struct NotWritten {
    /// Why.
    pub error: CallError,
    /// Whether the destination may hold the new value all the same: no answer is not a no.
    pub may_hold_it: bool,
}

impl From<CallError> for NotWritten {
    fn from(error: CallError) -> Self {
        let is_definite = matches!(error.kind, Kind::Refused { .. } | Kind::NotSignedIn { .. } | Kind::Abandoned);
        Self { may_hold_it: !is_definite, error }
    }
}

/// Reads what every destination holds; finds early what would fail late.
///
/// # Errors
/// The first that cannot be read; nothing was changed.
pub async fn records(work: &Work) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    for destination in &work.settings.publish_to {
        records.push(match destination {
            Destination::KeyVault(secret) => key_vault::record(work, secret).await?,
        });
    }
    Ok(records)
}

/// Writes the new value to one destination, with a record of which one it is, and reads it back.
///
/// # Errors
/// Why it is not certain that the destination holds it.
pub async fn publish(work: &Work, destination: &Destination, pat: &Pat, value: &Secret) -> Result<(), NotWritten> {
    match destination {
        Destination::KeyVault(secret) => key_vault::publish(work, secret, pat, value).await,
    }
}
