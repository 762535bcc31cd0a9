//! A person signs in once, and the refresh token goes to its store.

use crate::outcome::Failure;
use crate::settings::SignInSettings;
use crate::work::Work;

/// Lets a person sign in.
///
/// # Errors
/// What failed, with what is true now.
pub async fn run(_work: &Work, _settings: &SignInSettings) -> Result<(), Failure> {
    Err(Failure::new(anyhow::anyhow!("`command: signIn` is not in this version"), "Nothing was changed."))
}
