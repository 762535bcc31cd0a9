//! The vault that the refresh token goes to: a token for it, a look before the sign-in, and the write.

use crate::azure::entra::Grant;
use crate::azure::key_vault::{self, NewVersion, Version};
use crate::failure::{Failure, StepError, on};
use crate::model::api_error::CallError;
use crate::model::secret::Secret;
use crate::sign_in::person::{NOTHING_STORED, Person};
use crate::sign_in::store::{IDLE_LIFE, beside, check_tags, replace};

use super::Station;
use super::client::Client;
use super::patience::{Fresh, waiting};

pub(super) const FROM_AZ: &str = "`az account get-access-token --resource https://vault.azure.net --query accessToken \
                                  -o tsv | rotate-pat sign-in … --vault-token-stdin`.";
const MAYBE_STORED: &str = "It is not known whether the refresh token was stored.";
/// The refusal of a caller without a role, or with one that is not in effect yet.
/// <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>
const NO_ROLE: &str = "ForbiddenByRbac";

/// Who enters the vault, and with which token.
pub(super) struct Vault {
    pub(super) token: Secret,
    /// Who needs the role, in words.
    pub(super) writer: &'static str,
}

impl Station {
    /// The same sign-in opens the vault: the person must be allowed to write there.
    pub(super) async fn vault_as_user(&self, client: &Client<'_>, refresh_token: &Secret) -> Result<Vault, StepError> {
        let scope = self.arguments.secret.scope();
        let asked = client.token(Grant::RefreshToken(refresh_token), &scope);
        let tokens = waiting(&self.errors, "getting a token for the vault", asked).await?.map_err(|error| {
            StepError::new(on(error, "could not get a token for the vault with the same sign-in"))
                .advise(format!("Pass one with `--vault-token-stdin`: {FROM_AZ}"))
        })?;
        self.console.redact(&tokens.access_token);
        Ok(Vault { token: tokens.access_token, writer: "the user who signs in" })
    }

    /// What the vault holds so far.
    pub(super) async fn look(&self, vault: &Vault) -> Result<Option<Version>, StepError> {
        let secret = &self.arguments.secret;
        let ask = async || key_vault::look(&self.http, secret, &vault.token).await;
        let looked = self.once_in_effect(vault, "reading the vault", ask).await;
        let stored = looked.map_err(|error| {
            let advice = advice(&error, vault);
            StepError::new(on(error, &format!("could not read {secret}"))).advise_if(advice)
        })?;
        if let Some(stored) = &stored {
            check_tags(secret, &stored.tags)?;
        }
        Ok(stored)
    }

    pub(super) async fn store(&self, vault: &Vault, person: &Person) -> Result<(), Failure> {
        let secret = &self.arguments.secret;
        let stored = self.look(vault).await.map_err(|error| error.now(NOTHING_STORED))?;
        let (tags, content_type) = beside(stored.as_ref(), &person.tags);
        let expires = Some(self.clock.now().plus(IDLE_LIFE));
        let new = NewVersion { value: &person.refresh_token, content_type, tags: &tags, expires };
        let ask = async || {
            self.now.set(MAYBE_STORED);
            let replaced = replace(&self.http, secret, &vault.token, &new).await;
            if replaced.as_ref().is_err_and(|error| !error.maybe_applied) {
                self.now.set(NOTHING_STORED);
            }
            replaced
        };
        let replaced = self.once_in_effect(vault, "storing the refresh token", ask).await.map_err(|error| {
            let now = if error.maybe_applied { MAYBE_STORED } else { NOTHING_STORED };
            let advice = advice(&error, vault);
            StepError::new(on(error, &format!("could not store the refresh token in {secret}")))
                .advise_if(advice)
                .now(now)
        })?;
        if let Some(warning) = replaced {
            self.errors.say(&format!("warning: {warning}"));
        }
        Ok(())
    }

    /// A role that was given just now is waited for.
    async fn once_in_effect<T>(
        &self,
        vault: &Vault,
        what: &str,
        ask: impl AsyncFn() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let writer = vault.writer;
        let fresh = Fresh {
            refused: format!("the vault does not let {writer} in yet ({NO_ROLE})"),
            hint: "A new role takes some minutes; without one, give it now: Key Vault Secrets Officer on the vault.",
            limit: self.arguments.patience,
            is_passing: |error| error.codes().any(|code| code == NO_ROLE),
        };
        let ask = async || Ok::<_, std::convert::Infallible>(waiting(&self.errors, what, ask()).await);
        let Ok(answer) = fresh.wait(&self.errors, ask).await;
        answer
    }
}

/// What a workstation's user can do about a refusal that is about a role.
fn advice(error: &CallError, vault: &Vault) -> Option<String> {
    let is_about_a_role = error.refusal().is_some_and(|(status, code)| {
        status == 401 || (status == 403 && !matches!(code, "ForbiddenByFirewall" | "ForbiddenByConnection"))
    });
    is_about_a_role.then(|| {
        format!(
            "Give {} the role Key Vault Secrets Officer on the vault, which must be of the same tenant as the token; then \
             sign in again.",
            vault.writer
        )
    })
}
