//! `rotate-pat sign-in` on a workstation, done once: a person signs in with the browser, and the refresh token goes
//! straight to the vault. It is shown nowhere, is on no command line and in no file.
//!
//! The result is on standard output; everything else that is said is for the person at the terminal, on standard error.

mod arguments;
mod browse;
mod browser;
mod client;
mod command_line;
mod help;
mod input;
mod listener;
mod patience;
mod pipeline;
mod vault;

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use crate::agent::cancellation::Cancel;
use crate::agent::environment::Environment;
use crate::agent::logging_commands::Console;
use crate::azure::entra::{AZURE_DEVOPS, Grant, Issuer};
use crate::failure::{Failure, StepError, on};
use crate::http::Files;
use crate::http::Http;
use crate::model::api_error::CallError;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::runtime::clock::Clock;
use crate::runtime::limits::Limits;
use crate::settings;
use crate::sign_in::of_organization;
use crate::sign_in::person::{NOTHING_STORED, accept};

pub use self::listener::asked_for;

use self::arguments::{Arguments, Input, Request, TenantOf};
use self::client::{Client, Proof};
use self::patience::{Fresh, waiting};
use self::vault::Vault;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const WRONG_ARGUMENTS: u8 = 2;
/// The exit code that shells give a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// A person is waiting: a misspelled host name or a proxy that is down should not take a minute.
const REPEAT_WITHIN: Duration = Duration::from_secs(15);
/// Reported: a new secret of an app works after 4 to 18 seconds (microsoftgraph/microsoft-graph-docs#17966).
const NEW_SECRET: Duration = Duration::from_secs(60);
/// The app needs a credential.
/// docs/assumptions.md: Entra refuses a bound refresh token without a credential by `AADSTS7000218`.
const CONFIDENTIAL: &str = "AADSTS7000218";
/// Refusals of a credential that the app does not have, or that not every server of Entra knows yet.
const UNKNOWN_CREDENTIAL: [&str; 2] = ["AADSTS7000215", "AADSTS700027"];

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
            console.say(help::HELP);
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
        let Arguments { user, scopes, secret, .. } = &self.arguments;
        // What standard input brought is tried before the person spends time on a sign-in.
        let brought = self.brought(input, is_terminal).await.map_err(unstored)?;
        let tenant = self.tenant().await.map_err(unstored)?;
        let (proof, mut vault) = match brought {
            Brought::Nothing => (Proof::Public, None),
            Brought::VaultToken(token) => (Proof::Public, Some(Vault { token, writer: "the user of that token" })),
            Brought::Proof(proof) => (proof, None),
        };
        let issuer = Issuer { authority: &self.arguments.authority, tenant: &tenant };
        let client = Client { http: &self.http, clock: &self.clock, issuer, id: &self.arguments.client, proof };
        if self.is_bound() {
            vault = Some(self.vault_as_app(&client).await.map_err(unstored)?);
        }
        if let Some(vault) = &vault {
            self.look(vault).await.map_err(unstored)?;
        }
        let tokens = self.browse(&client).await.map_err(unstored)?;
        let person = accept(&tokens, user, client.id, scopes.is_none()).map_err(unstored)?;
        if let Some(scopes) = scopes {
            browse::check_granted(tokens.scope.as_deref(), scopes).map_err(unstored)?;
        }
        self.console.redact(&person.refresh_token);
        self.console.say(&format!("{} has signed in", person.who));
        if self.is_bound() {
            self.check_bound(&client, &person.refresh_token).await.map_err(unstored)?;
            let app = quoted(client.id);
            self.console
                .say(&format!("verified: the refresh token is refused without the credential of the app {app}"));
        }
        let vault = match vault {
            Some(vault) => vault,
            None => self.vault_as_user(&client, &person.refresh_token).await.map_err(unstored)?,
        };
        self.store(&vault, &person).await?;
        self.console.say(&format!("stored the refresh token in {secret}; each run of the pipeline renews it"));
        self.errors.say("Next: this pipeline. Its first run shows the plan; `command: check` checks the whole setup.");
        self.console.say(&pipeline::yaml(&self.arguments));
        if self.is_bound() {
            self.errors
                .say("Now delete the app's secret or certificate that was used here: nothing needs it any more.");
        }
        Ok(())
    }

    fn is_bound(&self) -> bool {
        self.arguments.input == Input::AppCredential
    }

    /// Reads what standard input brings, if anything.
    async fn brought(&self, input: Box<dyn Read + Send>, is_terminal: bool) -> Result<Brought, StepError> {
        let (what, advice) = match self.arguments.input {
            Input::Unused => return Ok(Brought::Nothing),
            Input::VaultToken => ("an access token for the vault", vault::FROM_AZ),
            Input::AppCredential => ("a client secret of the app", CREDENTIAL_FROM_AZ),
        };
        if is_terminal {
            self.errors.say(&format!("Paste {what}, then press Enter:"));
        }
        let reading = format!("reading {what} from standard input");
        let read = async {
            let bytes = waiting(&self.errors, &reading, input::read(input, is_terminal)).await?;
            match self.arguments.input {
                Input::AppCredential => input::credential(&bytes).map(Brought::Proof),
                _ => input::vault_token(&bytes).map(Brought::VaultToken),
            }
        };
        let brought = read.await.map_err(|error| StepError::new(error).advise(format!("Pipe one in: {advice}")))?;
        if let Brought::VaultToken(secret) | Brought::Proof(Proof::Secret(secret)) = &brought {
            self.console.redact(secret);
        }
        Ok(brought)
    }

    async fn tenant(&self) -> Result<String, StepError> {
        let organization = match &self.arguments.tenant {
            TenantOf::Id(id) => return Ok(id.clone()),
            TenantOf::Organization(organization) => organization,
        };
        let asked =
            waiting(&self.errors, "asking the organization for its tenant", of_organization(&self.http, organization));
        let tenant = asked.await?.ok_or_else(|| {
            let error = anyhow::anyhow!("the organization {organization} does not say which tenant it belongs to");
            StepError::new(error).advise("Give the tenant with `--tenant`.")
        })?;
        self.errors.say(&format!("the tenant of {organization} is {tenant}"));
        Ok(tenant)
    }

    /// The app writes the vault itself, as it will in the pipeline: nobody else needs a role there, and that its credential
    /// is right is known before the person signs in.
    async fn vault_as_app(&self, client: &Client<'_>) -> Result<Vault, StepError> {
        let scope = self.arguments.secret.scope();
        let fresh = Fresh {
            refused: format!("Entra does not know this credential of the app {} yet", quoted(client.id)),
            hint: "A new one takes up to a minute.",
            limit: self.arguments.patience.min(NEW_SECRET),
            is_passing: |error| error.codes().any(|code| UNKNOWN_CREDENTIAL.contains(&code)),
        };
        let ask = async || {
            let asked = client.token(Grant::ClientCredentials, &scope);
            waiting(&self.errors, "signing in as the app", asked).await
        };
        let tokens = fresh.wait(&self.errors, ask).await?.map_err(|error: CallError| {
            let what = "could not sign in as the app with the credential on standard input";
            StepError::new(on(error, what)).advise(format!(
                "Check `--client-id`, and pass a current secret or certificate of that app: {CREDENTIAL_FROM_AZ}"
            ))
        })?;
        self.console.redact(&tokens.access_token);
        Ok(Vault { token: tokens.access_token, writer: "the service connection's app" })
    }

    /// A thief has the refresh token and the app's id. Whether that is enough, Entra alone knows, so it is asked.
    async fn check_bound(&self, client: &Client<'_>, refresh_token: &Secret) -> Result<(), StepError> {
        let scope = format!("{AZURE_DEVOPS}/.default");
        let asked = client.token_without_proof(Grant::RefreshToken(refresh_token), &scope);
        match waiting(&self.errors, "checking that the token is bound", asked).await {
            Err(error) if error.codes().any(|code| code == CONFIDENTIAL) => Ok(()),
            Err(error) => {
                let what = "could not check that the refresh token is useless without the app's credential";
                Err(StepError::new(on(error, what)))
            }
            Ok(_) => {
                let error =
                    anyhow::anyhow!("the refresh token is not bound: Entra redeems it without the app's credential");
                Err(StepError::new(error).advise(format!(
                    "Turn off \"Allow public client flows\" of the app {}, and leave it no redirect URI but those of the \
                     platform \"Web\". Then run again.",
                    quoted(client.id)
                )))
            }
        }
    }
}

/// What standard input brought.
enum Brought {
    Nothing,
    VaultToken(Secret),
    Proof(Proof),
}

const CREDENTIAL_FROM_AZ: &str = "`az ad app credential reset --id APP --append --query password -o tsv | \
                                  rotate-pat sign-in … --bound`.";
