//! The part that needs a browser: from its start to the tokens.

use crate::azure::entra::{self, Grant};
use crate::failure::{StepError, on};
use crate::model::text::quoted;
use crate::sign_in::with_identity;

use super::arguments::Arguments;
use super::client::Client;
use super::patience::waiting;
use super::{Station, browser, listener};

impl Station {
    /// From the browser's start to the tokens.
    pub(super) async fn browse(&self, client: &Client<'_>) -> Result<entra::Tokens, StepError> {
        const WHAT: &str = "could not sign in with the browser";
        let failed = |error: anyhow::Error| StepError::new(error.context(WHAT));
        let default = format!("{}/.default", entra::AZURE_DEVOPS);
        let scope = with_identity(self.arguments.scopes.as_deref().unwrap_or(&default));
        let Arguments { user, redirect_host, .. } = &self.arguments;
        let asked = listener::BrowserSignIn::new(client.issuer, client.id, user, &scope, redirect_host);
        let asked = asked.await.map_err(failed)?;
        self.console.redact(&asked.state);
        self.console.redact(&asked.verifier);
        let start = asked.start();
        self.errors.say(&format!("To sign in as {user}, open {start} in a browser on this machine."));
        let code = tokio::select! {
            code = asked.code() => code,
            never = self.open(&start) => match never {},
        };
        let code = code.map_err(|error| {
            let platform = if self.is_bound() { "Web" } else { "Mobile and desktop applications" };
            failed(error).advise(format!(
                "Run again. The app {} needs the redirect URI `http://{redirect_host}` of the platform \"{platform}\".",
                quoted(client.id)
            ))
        })?;
        self.console.redact(&code);
        let grant = Grant::AuthorizationCode { code: &code, verifier: &asked.verifier, redirect: &asked.redirect };
        let tokens = waiting(&self.errors, "redeeming the sign-in", client.token(grant, &scope)).await?;
        let tokens = tokens.map_err(|error| StepError::new(on(error, WHAT)))?;
        self.console.redact(&tokens.access_token);
        Ok(tokens)
    }

    /// Opens the browser, and says what became of that and how long there is. Never ends.
    async fn open(&self, start: &str) -> std::convert::Infallible {
        const BY_HAND: &str = "open the address above yourself";
        let minutes = listener::SIGN_IN_TIMEOUT.as_secs() / 60;
        match browser::open(start) {
            Ok(opener) => {
                self.errors
                    .say(&format!("Asked the system to open it. Waiting {minutes} minutes for the sign-in there."));
                let failure = browser::failure(opener).await;
                self.errors.say(&format!("The browser could not be opened ({failure}): {BY_HAND}."));
            }
            Err(error) => {
                let opener = browser::OPENER;
                self.errors.say(&format!("The browser could not be opened (`{opener}`: {error}): {BY_HAND}."));
                self.errors.say(&format!("Waiting {minutes} minutes for the sign-in there."));
            }
        }
        std::future::pending().await
    }
}

/// The scopes that were asked for by name must be among those that were granted.
pub(super) fn check_granted(granted: Option<&str>, asked: &str) -> Result<(), StepError> {
    let Some(granted) = granted else { return Ok(()) };
    let short = |scope: &str| scope.rsplit('/').next().unwrap_or_default().to_lowercase();
    let has: Vec<String> = granted.split(' ').map(short).collect();
    let lacks = |scope: &&str| {
        let scope = short(scope);
        !has.contains(&scope) && ![".default", "openid", "profile", "offline_access"].contains(&scope.as_str())
    };
    let missing: Vec<String> = asked.split(' ').filter(lacks).map(|scope| quoted(&short(scope))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let error = anyhow::anyhow!("the scopes granted are {}; {} is missing", quoted(granted), missing.join(" and "));
    Err(StepError::new(error).advise("Grant the app these delegated permissions, with admin consent. Then run again."))
}
