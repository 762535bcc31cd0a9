//! Which personal access tokens are about to expire, and whose they are.

pub mod listed;

use crate::outcome::Failure;
use crate::settings::ReportSettings;
use crate::work::Work;

/// Makes the report.
///
/// # Errors
/// What failed; a report changes nothing.
pub async fn run(_work: &Work, _settings: &ReportSettings) -> Result<(), Failure> {
    Err(Failure::new(anyhow::anyhow!("`command: report` is not in this version"), "Nothing was changed."))
}
