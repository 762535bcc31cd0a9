//! `rotate-pat sign-in` on a workstation, done once: a person signs in with the browser, and the refresh token goes
//! straight to the vault. It is shown nowhere, is on no command line and in no file.

mod arguments;
mod browser;
mod listener;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::rc::Rc;

use crate::agent::cancellation::Cancel;
use crate::agent::environment::Environment;
use crate::agent::logging_commands::Console;
use crate::azure::entra::{self, Credential, Grant, Issuer};
use crate::azure::key_vault::{self, NewVersion, Version};
use crate::failure::{Failure, StepError, on};
use crate::http::Files;
use crate::http::Http;
use crate::model::api_error::CallError;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::runtime::clock::Clock;
use crate::runtime::limits::Limits;
use crate::settings;
use crate::sign_in::person::{NOTHING_STORED, accept};
use crate::sign_in::store::{IDLE_LIFE, beside, check_tags, replace};
use crate::sign_in::with_identity;

pub use self::arguments::USAGE;
pub use self::listener::asked_for;

use self::arguments::Arguments;

/// Lets the person sign in, and returns the exit code: 0 when the refresh token is stored, 1 when it is not, 2 for
/// arguments that are wrong.
pub async fn run(
    arguments: Vec<OsString>,
    environment: Environment,
    clock: Clock,
    input: Box<dyn Read>,
    out: Box<dyn Write>,
    cancel: Cancel,
) -> u8 {
    let console = Console::new(out, false);
    let arguments = match arguments::read(arguments) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            console.say(USAGE);
            return 0;
        }
        Err(wrong) => {
            console.say(&format!("error: {wrong}"));
            console.say(USAGE);
            return 2;
        }
    };
    for secret in settings::secrets(&environment) {
        console.redact(&secret);
    }
    let ready = settings::read_network(&environment).and_then(|network| {
        let files = Files::read(&network)?;
        Ok((network, files))
    });
    let (network, files) = match ready {
        Ok(ready) => ready,
        Err(faults) => {
            for fault in faults {
                console.say(&format!("error: {fault}"));
            }
            return 1;
        }
    };
    for remark in network.remarks().iter().chain(files.warnings()) {
        console.say(&format!("warning: {remark}"));
    }
    if !network.skip_validation {
        console.say(files.trusted());
    }
    let http = Http::new(network, files, Rc::new(Limits::default()), cancel, Rc::new(|| true), console.hidden());
    let station = match http {
        Ok(http) => Station { http, console, clock, arguments },
        Err(error) => {
            console.say(&format!("error: {error:#}"));
            return 1;
        }
    };
    match station.sign_in(input).await {
        Ok(()) => 0,
        Err(failure) => {
            station.console.say(&format!("error: {}", failure.in_full()));
            1
        }
    }
}

/// A sign-in at a workstation.
struct Station {
    http: Http,
    console: Console,
    clock: Clock,
    arguments: Arguments,
}

impl Station {
    async fn sign_in(&self, input: Box<dyn Read>) -> Result<(), Failure> {
        let unstored = |error: StepError| error.now(NOTHING_STORED);
        let Arguments { user, client, secret, scopes, has_vault_token, .. } = &self.arguments;
        let vault_token = if *has_vault_token { Some(self.vault_token(input).await.map_err(unstored)?) } else { None };
        let tokens = tokio::select! {
            tokens = self.browse() => tokens.map_err(unstored)?,
            () = self.http.cancel().requested() => return Err(StepError::cancelled().now(NOTHING_STORED)),
        };
        let person = accept(&tokens, user, client, scopes.is_none()).map_err(unstored)?;
        self.console.redact(&person.refresh_token);
        self.console.say(&format!("{} has signed in", person.who));
        let vault_token = match vault_token {
            Some(token) => token,
            None => self.vault_token_of(&person.refresh_token).await.map_err(unstored)?,
        };
        let stored = self.look(&vault_token).await.map_err(unstored)?;
        let (tags, content_type) = beside(stored.as_ref(), &person.tags);
        let expires = Some(self.clock.now().plus(IDLE_LIFE));
        let new = NewVersion { value: &person.refresh_token, content_type, tags: &tags, expires };
        let replaced = replace(&self.http, secret, &vault_token, &new).await.map_err(|error| {
            let now = if error.maybe_applied { "Whether it was stored is not known." } else { NOTHING_STORED };
            let advice = advice(&error);
            StepError::new(on(error, &format!("could not store the refresh token in {secret}")))
                .advise_if(advice)
                .now(now)
        })?;
        if let Some(warning) = replaced {
            self.console.say(&format!("warning: {warning}"));
        }
        self.console.say(&format!("stored the refresh token in {secret}; each run of the pipeline renews it"));
        self.console.say(&format!("next: `refreshTokenSecret: {}` in the pipeline's step", secret.url()));
        Ok(())
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { authority: &self.arguments.authority, tenant: &self.arguments.tenant }
    }

    /// The vault token that the caller hands in, tried before the person spends time on a sign-in.
    async fn vault_token(&self, mut input: Box<dyn Read>) -> Result<Secret, StepError> {
        const MOST: u64 = 64 * 1024;
        let unread = |error: io::Error| {
            let error = anyhow::Error::new(error).context("could not read the vault's token from standard input");
            StepError::new(error)
        };
        let mut text = zeroize::Zeroizing::new(String::new());
        input.by_ref().take(MOST).read_to_string(&mut text).map_err(unread)?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let error = anyhow::anyhow!("standard input brought no token for the vault");
            return Err(StepError::new(error).advise(format!("Pipe one in: {FROM_AZ}")));
        }
        let token = Secret::new(token.to_owned());
        self.console.redact(&token);
        self.look(&token).await?;
        Ok(token)
    }

    /// What the vault holds so far.
    async fn look(&self, token: &Secret) -> Result<Option<Version>, StepError> {
        let secret = &self.arguments.secret;
        let stored = key_vault::look(&self.http, secret, token).await.map_err(|error| {
            let advice = advice(&error);
            StepError::new(on(error, &format!("could not look into {secret}"))).advise_if(advice)
        })?;
        if let Some(stored) = &stored {
            check_tags(secret, &stored.tags)?;
        }
        Ok(stored)
    }

    /// A token for the vault by the same sign-in: the person who signed in must be allowed to write there.
    async fn vault_token_of(&self, refresh_token: &Secret) -> Result<Secret, StepError> {
        let secret = &self.arguments.secret;
        let (grant, scope) = (Grant::RefreshToken(refresh_token), secret.scope());
        let answer =
            entra::token(&self.http, self.issuer(), &self.arguments.client, &Credential::Public, grant, &scope);
        let tokens = answer.await.map_err(|error| {
            StepError::new(on(error, "could not get a token for the vault by the same sign-in"))
                .advise(format!("Hand one in with `--vault-token-stdin`: {FROM_AZ}"))
        })?;
        self.console.redact(&tokens.access_token);
        Ok(tokens.access_token)
    }

    /// From the browser's start to the tokens.
    async fn browse(&self) -> Result<entra::Tokens, StepError> {
        const WHAT: &str = "could not sign in with the browser";
        let failed = |error: anyhow::Error| StepError::new(error.context(WHAT));
        let default = format!("{}/.default", entra::AZURE_DEVOPS);
        let scope = with_identity(self.arguments.scopes.as_deref().unwrap_or(&default));
        let asked = listener::Asked::new(self.issuer(), &self.arguments.client, &self.arguments.user, &scope)
            .await
            .map_err(failed)?;
        let start = asked.start();
        self.console.say(&format!("To sign in as {}, open {start} in a browser on this machine.", self.arguments.user));
        if browser::open(&start) {
            self.console.say("It should open by itself. Waiting for the sign-in there …");
        }
        let code = asked.code().await.map_err(|error| {
            failed(error).advise(format!(
                "Run again. The app {} needs the redirect URI `http://127.0.0.1` of the platform \
                                          \"Mobile and desktop applications\".",
                quoted(&self.arguments.client)
            ))
        })?;
        self.console.redact(&code);
        let grant = Grant::AuthorizationCode { code: &code, verifier: &asked.verifier, redirect: &asked.redirect };
        let tokens =
            entra::token(&self.http, self.issuer(), &self.arguments.client, &Credential::Public, grant, &scope).await;
        let tokens = tokens.map_err(|error| StepError::new(on(error, WHAT)))?;
        self.console.redact(&tokens.access_token);
        Ok(tokens)
    }
}

/// Here it is a person who lacks a role, and no service connection's app.
fn advice(error: &CallError) -> Option<String> {
    let is_about_a_role = error.refusal().is_some_and(|(status, code)| {
        status == 401 || (status == 403 && !matches!(code, "ForbiddenByFirewall" | "ForbiddenByConnection"))
    });
    is_about_a_role.then(|| {
        "Give who writes it the role Key Vault Secrets Officer on that vault, with a token of the vault's tenant; then sign \
         in again."
            .to_owned()
    })
}

const FROM_AZ: &str = "`az account get-access-token --resource https://vault.azure.net --query accessToken -o tsv | \
                       rotate-pat sign-in … --vault-token-stdin`.";
