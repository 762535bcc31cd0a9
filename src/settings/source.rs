//! How to get a token that acts for the user: at most one way, and what each way needs beside it.

use crate::model::destination::{Destination, Store};
use crate::model::pat::AuthorizationId;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;
use crate::settings::access::Source;
use crate::settings::inputs::Inputs;
use crate::settings::publish_to;
use crate::settings::reader::{Reader, Seen};

const SOURCES: [&str; 5] = ["refreshTokenSecret", "refreshToken", "entraAgentId", "password", "accessToken"];

/// The sources that are given.
fn given(inputs: &Inputs) -> Vec<&'static str> {
    let given = [
        inputs.refresh_token_secret.is_some(),
        inputs.refresh_token.is_some(),
        inputs.entra_agent_id.is_some(),
        inputs.password.is_some(),
        inputs.access_token.is_some(),
    ];
    SOURCES.into_iter().zip(given).filter(|(_, given)| *given).map(|(name, _)| name).collect()
}

impl Reader<'_> {
    /// At most one way of signing in; none means the connection's own token.
    pub(super) fn source(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<Source> {
        let given = given(inputs);
        // Its own faults are told whatever else is wrong.
        let secret = self.vault_secret(inputs, seen);
        if let [first, rest @ ..] = &given[..]
            && !rest.is_empty()
        {
            let others: Vec<String> = rest.iter().map(|name| format!("`{name}`")).collect();
            let are = if others.len() == 1 { "is" } else { "are" };
            self.fault(first, &format!("to be the only sign-in input: {} {are} set too", others.join(" and ")));
            return None;
        }
        if inputs.refresh_token_store.is_some() && inputs.refresh_token.is_none() && !self.is_spoiled("refreshToken") {
            self.fault("refreshTokenStore", "to be left out: it belongs to `refreshToken`");
        }
        if SOURCES.iter().any(|input| self.is_spoiled(input)) {
            return None;
        }
        let source = given.first().copied();
        if matches!(source, Some("refreshTokenSecret" | "entraAgentId") | None) && !seen.has_connection {
            let needed = "the Azure Resource Manager service connection to sign in with";
            self.fault("serviceConnection", needed);
        }
        let has_user = inputs.user_name.is_some() || self.is_spoiled("userName");
        match source {
            None if has_user => {
                let needed = "to come with `password` or `entraAgentId`, or with the source of a token of that user";
                self.fault("userName", needed);
                None
            }
            None => Some(Source::Connection),
            Some("accessToken") => self.word("accessToken", inputs.access_token.as_ref()).map(Source::AccessToken),
            Some("refreshTokenSecret") => secret.map(Source::RefreshTokenSecret),
            Some("refreshToken") => {
                self.needs_client(inputs, seen, "that the refresh token was issued to");
                let store = self.store(inputs, seen);
                let token = self.word("refreshToken", inputs.refresh_token.as_ref())?;
                Some(Source::RefreshToken(token, store))
            }
            Some("entraAgentId") => {
                if !has_user {
                    self.fault("userName", "the agent user's sign-in name or object id, for `entraAgentId`");
                }
                let id = inputs.entra_agent_id.as_deref().and_then(AuthorizationId::parse);
                let id =
                    self.take("entraAgentId", id.ok_or_else(|| "the agent identity's client id, a GUID".to_owned()));
                id.map(|id| Source::AgentUser(id.to_string()))
            }
            Some(_) => {
                self.needs_client(inputs, seen, "that the user signs in to");
                match inputs.user_name.as_deref().map(UserName::parse) {
                    None if !has_user => self.fault("userName", "the user's sign-in name, for `password`"),
                    Some(Ok(UserName::ObjectId(_))) => {
                        self.fault("userName", "the user's sign-in name, as a password goes with no object id");
                    }
                    _ => {}
                }
                inputs.password.clone().map(Source::Password)
            }
        }
    }

    /// Who the user is or must be.
    pub(super) fn user(&mut self, text: &str) -> Option<UserName> {
        self.take("userName", UserName::parse(text))
    }

    /// The vault's secret that holds the refresh token.
    pub(super) fn vault_secret(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<VaultSecret> {
        let secret = VaultSecret::parse(inputs.refresh_token_secret.as_deref()?);
        let secret = self.take("refreshTokenSecret", secret)?;
        self.at_home("refreshTokenSecret", &secret, seen);
        Some(secret)
    }

    /// The place where a newer refresh token goes.
    pub(super) fn store(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<Store> {
        let expected = "one line, a vault's secret or a variable of a group";
        let (places, faults) = publish_to::read(inputs.refresh_token_store.as_deref()?, &self.own_project());
        for fault in &faults {
            self.fault("refreshTokenStore", fault);
        }
        let store = match &places[..] {
            [Destination::KeyVault(secret)] => Store::Vault(secret.clone()),
            [Destination::VariableGroup(variable)] => Store::Group(variable.clone()),
            _ if !faults.is_empty() => return None,
            _ => {
                self.fault("refreshTokenStore", expected);
                return None;
            }
        };
        if let Store::Vault(secret) = &store {
            self.at_home("refreshTokenStore", secret, seen);
            if !seen.has_connection {
                self.fault("serviceConnection", "the service connection whose app may write `refreshTokenStore`");
            }
        }
        Some(store)
    }

    /// The names of the pipeline's project.
    pub(super) fn own_project(&self) -> [String; 2] {
        let get = |name: &str| self.environment.get(name).unwrap_or_default().to_lowercase();
        [get("SYSTEM_TEAMPROJECT"), get("SYSTEM_TEAMPROJECTID")]
    }

    /// A vault must be where the organization is, and where the connection's token is good.
    pub(super) fn at_home(&mut self, input: &'static str, secret: &VaultSecret, seen: Seen<'_>) {
        if seen.is_on_loopback == Some(secret.is_in_the_cloud()) {
            self.fault(input, &format!("a vault where the organization is, in the cloud or not: {secret}"));
        } else if seen.authority.is_some_and(|authority| !secret.is_in_cloud_of(authority)) {
            let host = quoted(secret.url().host_str().unwrap_or_default());
            self.fault(
                input,
                &format!("a secret's address in a vault of the service connection's cloud: {host} is not"),
            );
        }
    }

    fn needs_client(&mut self, inputs: &Inputs, seen: Seen<'_>, which: &str) {
        if inputs.client_id.is_none() && !self.is_spoiled("clientId") && !seen.has_connection {
            self.fault("clientId", &format!("the client id of the app {which}, or a `serviceConnection` for its app"));
        }
    }

    fn word(&mut self, input: &'static str, token: Option<&Secret>) -> Option<Secret> {
        let Some(token) = token?.pasted() else {
            let name = if input == "refreshToken" { "refresh_token" } else { "access_token" };
            self.fault(input, &format!("the value of `{name}` alone: what is given is JSON"));
            return None;
        };
        if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            self.fault(input, "a token of one word, without blanks or line ends");
        }
        Some(token)
    }
}
