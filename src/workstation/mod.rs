//! `rotate-pat sign-in` on a workstation, done once: a person signs in with the browser, and the refresh token goes
//! straight to the vault. It is shown nowhere, is on no command line and in no file.
//!
//! The result is on standard output; everything else that is said is for the person at the terminal, on standard error.

mod arguments;
mod browser;
mod listener;
mod vault_token;

use std::cell::Cell;
use std::ffi::OsString;
use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, interval_at};

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

pub use self::listener::asked_for;

use self::arguments::{Arguments, Request};

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_ARGUMENTS: u8 = 2;
/// The exit code that shells give a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

const MAYBE_STORED: &str = "It is not known whether the refresh token was stored.";
/// A person is waiting: a misspelled host name or a proxy that is down should not take a minute.
const REPEAT_WITHIN: Duration = Duration::from_secs(15);
/// After this time the terminal shows what is in progress, and then repeats it.
const SILENCE: Duration = Duration::from_secs(2);
const REMINDER: Duration = Duration::from_secs(10);

pub struct Streams {
    pub input: Box<dyn Read + Send>,
    /// Whether the person types there.
    pub is_terminal: bool,
    pub out: Box<dyn Write>,
    pub err: Box<dyn Write>,
}

/// Does what a person asks for on the command line, and returns the exit code.
pub async fn run(
    arguments: Vec<OsString>,
    environment: Environment,
    clock: Clock,
    streams: Streams,
    cancel: Cancel,
) -> u8 {
    let Streams { input, is_terminal, out, err } = streams;
    let console = Console::new(out, false);
    let errors = console.beside(err);
    let arguments = match arguments::read(arguments) {
        Ok(Request::SignIn(arguments)) => *arguments,
        Ok(Request::Help) => {
            console.say(arguments::HELP);
            return DONE;
        }
        Err(faults) => {
            for fault in faults {
                errors.say(&format!("error: {fault}"));
            }
            errors.say("Run `rotate-pat --help` for usage.");
            return WRONG_ARGUMENTS;
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
                errors.say(&format!("error: {fault}"));
            }
            return FAILED;
        }
    };
    for remark in network.remarks().iter().chain(files.warnings()) {
        errors.say(&format!("warning: {remark}"));
    }
    if !network.skip_validation {
        errors.say(files.trusted());
    }
    let limits = Rc::new(Limits { repeat_within: REPEAT_WITHIN, ..Limits::default() });
    let station = match Http::new(network, files, limits, cancel.clone(), Rc::new(|| true), console.hidden()) {
        Ok(http) => Station { http, console, errors, clock, arguments, now: Cell::new(NOTHING_STORED) },
        Err(error) => {
            errors.say(&format!("error: {error:#}"));
            return FAILED;
        }
    };
    let ended = tokio::select! {
        ended = station.sign_in(input, is_terminal) => ended,
        // Whatever is under way is dropped: a person who presses Ctrl-C wants the prompt back.
        () = cancel.requested() => {
            station.errors.say(&format!("interrupted\nNow: {}", station.now.get()));
            return INTERRUPTED;
        }
    };
    match ended {
        Ok(()) => DONE,
        Err(failure) => {
            station.errors.say(&format!("error: {}", failure.in_full()));
            FAILED
        }
    }
}

/// A sign-in at a workstation.
struct Station {
    http: Http,
    console: Console,
    errors: Console,
    clock: Clock,
    arguments: Arguments,
    /// What is true now.
    now: Cell<&'static str>,
}

impl Station {
    async fn sign_in(&self, input: Box<dyn Read + Send>, is_terminal: bool) -> Result<(), Failure> {
        let unstored = |error: StepError| error.now(NOTHING_STORED);
        let Arguments { user, client, secret, scopes, has_vault_token, .. } = &self.arguments;
        // Tried before the person spends time on a sign-in.
        let vault_token = match has_vault_token {
            true => Some(self.given_vault_token(input, is_terminal).await.map_err(unstored)?),
            false => None,
        };
        let tokens = self.browse().await.map_err(unstored)?;
        let person = accept(&tokens, user, client, scopes.is_none()).map_err(unstored)?;
        if let Some(scopes) = scopes {
            check_granted(tokens.scope.as_deref(), scopes).map_err(unstored)?;
        }
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
        self.now.set(MAYBE_STORED);
        let stored = self.waiting("storing the refresh token", replace(&self.http, secret, &vault_token, &new)).await;
        let replaced = stored.map_err(|error| {
            let now = if error.maybe_applied { MAYBE_STORED } else { NOTHING_STORED };
            let advice = advice(&error);
            StepError::new(on(error, &format!("could not store the refresh token in {secret}")))
                .advise_if(advice)
                .now(now)
        })?;
        if let Some(warning) = replaced {
            self.errors.say(&format!("warning: {warning}"));
        }
        self.console.say(&format!("stored the refresh token in {secret}; each run of the pipeline renews it"));
        self.console.say(&format!("next: `refreshTokenSecret: {}` in the pipeline's step", secret.url()));
        Ok(())
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { authority: &self.arguments.authority, tenant: &self.arguments.tenant }
    }

    /// Says now and then what takes so long.
    async fn waiting<T>(&self, what: &str, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        let mut reminders = interval_at(Instant::now() + SILENCE, REMINDER);
        loop {
            tokio::select! {
                done = &mut task => return done,
                _ = reminders.tick() => self.errors.say(&format!("still {what}; Ctrl-C stops it")),
            }
        }
    }

    /// The vault token that the caller hands in.
    async fn given_vault_token(&self, input: Box<dyn Read + Send>, is_terminal: bool) -> Result<Secret, StepError> {
        if is_terminal {
            self.errors.say("Paste an access token for the vault, then press Enter:");
        }
        let read = vault_token::read(input, is_terminal);
        let token = self.waiting("reading the vault's token from standard input", read).await;
        let token = token.map_err(|error| StepError::new(error).advise(format!("Pipe one in: {FROM_AZ}")))?;
        self.console.redact(&token);
        self.look(&token).await?;
        Ok(token)
    }

    /// What the vault holds so far.
    async fn look(&self, token: &Secret) -> Result<Option<Version>, StepError> {
        let secret = &self.arguments.secret;
        let looked = self.waiting("reading the vault", key_vault::look(&self.http, secret, token)).await;
        let stored = looked.map_err(|error| {
            let advice = advice(&error);
            StepError::new(on(error, &format!("could not read {secret}"))).advise_if(advice)
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
        let tokens = self.waiting("getting a token for the vault", answer).await.map_err(|error| {
            StepError::new(on(error, "could not get a token for the vault with the same sign-in"))
                .advise(format!("Pass one with `--vault-token-stdin`: {FROM_AZ}"))
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
        let Arguments { client, user, redirect_host, .. } = &self.arguments;
        let asked =
            listener::BrowserSignIn::new(self.issuer(), client, user, &scope, redirect_host).await.map_err(failed)?;
        self.console.redact(&asked.state);
        self.console.redact(&asked.verifier);
        let start = asked.start();
        self.errors.say(&format!("To sign in as {user}, open {start} in a browser on this machine."));
        let code = tokio::select! {
            code = asked.code() => code,
            never = self.open(&start) => match never {},
        };
        let code = code.map_err(|error| {
            failed(error).advise(format!(
                "Run again. The app {} needs the redirect URI `http://{redirect_host}` of the platform \"Mobile and \
                 desktop applications\".",
                quoted(client)
            ))
        })?;
        self.console.redact(&code);
        let grant = Grant::AuthorizationCode { code: &code, verifier: &asked.verifier, redirect: &asked.redirect };
        let tokens = entra::token(&self.http, self.issuer(), client, &Credential::Public, grant, &scope);
        let tokens = self.waiting("redeeming the sign-in", tokens).await;
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
fn check_granted(granted: Option<&str>, asked: &str) -> Result<(), StepError> {
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

/// Here it is a person who lacks a role, and no service connection's app.
fn advice(error: &CallError) -> Option<String> {
    let is_about_a_role = error.refusal().is_some_and(|(status, code)| {
        status == 401 || (status == 403 && !matches!(code, "ForbiddenByFirewall" | "ForbiddenByConnection"))
    });
    is_about_a_role.then(|| {
        "Give the user who writes the secret the role Key Vault Secrets Officer on the vault, and use a token of the \
         vault's tenant; then sign in again."
            .to_owned()
    })
}

const FROM_AZ: &str = "`az account get-access-token --resource https://vault.azure.net --query accessToken -o tsv | \
                       rotate-pat sign-in … --vault-token-stdin`.";
