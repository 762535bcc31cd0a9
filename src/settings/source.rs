//! How to get a token that acts for the user: at most one sign-in input, and what each requires.

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
    /// Without a sign-in input, the connection's own token is used.
    pub(super) fn source(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<Source> {
        let given = given(inputs);
        // Before the other checks, so that its faults are always reported.
        let secret = self.vault_secret(inputs, seen);
        if let [first, rest @ ..] = &given[..]
            && !rest.is_empty()
        {
            let others: Vec<String> = rest.iter().map(|name| format!("`{name}`")).collect();
            let are = if others.len() == 1 { "is" } else { "are" };
            self.must_be(first, &format!("the only sign-in input; {} {are} also set", others.join(" and ")));
            return None;
        }
        if inputs.refresh_token_store.is_some() && inputs.refresh_token.is_none() && !self.is_rejected("refreshToken") {
            self.fault("refreshTokenStore", "is only used with `refreshToken`, which is not set");
        }
        if SOURCES.iter().any(|input| self.is_rejected(input)) {
            return None;
        }
        let source = given.first().copied();
        if matches!(source, Some("refreshTokenSecret" | "entraAgentId") | None) && !seen.has_connection {
            self.required("serviceConnection", "the Azure Resource Manager service connection to sign in with");
        }
        let has_user = inputs.user_name.is_some() || self.is_rejected("userName");
        match source {
            None if has_user => {
                let predicate = "is only used with `password`, `entraAgentId` or another source of that user's token";
                self.fault("userName", predicate);
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
                    self.required("userName", "the agent user's sign-in name or object id, for `entraAgentId`");
                }
                let id = inputs.entra_agent_id.as_deref().and_then(AuthorizationId::parse);
                let id =
                    self.take("entraAgentId", id.ok_or_else(|| "the agent identity's client id, a GUID".to_owned()));
                id.map(|id| Source::AgentUser(id.to_string()))
            }
            Some(_) => {
                self.needs_client(inputs, seen, "that the user signs in to");
                match inputs.user_name.as_deref().map(UserName::parse) {
                    None if !has_user => self.required("userName", "the user's sign-in name, for `password`"),
                    Some(Ok(UserName::ObjectId(_))) => {
                        self.must_be("userName", "the user's sign-in name; a password does not work with an object id");
                    }
                    _ => {}
                }
                inputs.password.clone().map(Source::Password)
            }
        }
    }

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

    /// Where a newer refresh token is stored.
    pub(super) fn store(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<Store> {
        let expected = "one line that names a Key Vault secret or a variable of a group";
        let (places, faults) = publish_to::read(inputs.refresh_token_store.as_deref()?, &self.own_project());
        for fault in &faults {
            self.must_be("refreshTokenStore", fault);
        }
        let store = match &places[..] {
            [Destination::KeyVault(secret)] => Store::Vault(secret.clone()),
            [Destination::VariableGroup(variable)] => Store::Group(variable.clone()),
            _ if !faults.is_empty() => return None,
            _ => {
                self.must_be("refreshTokenStore", expected);
                return None;
            }
        };
        if let Store::Vault(secret) = &store {
            self.at_home("refreshTokenStore", secret, seen);
            if !seen.has_connection {
                self.required("serviceConnection", "the service connection whose app may write `refreshTokenStore`");
            }
        }
        Some(store)
    }

    /// The names of the pipeline's project.
    pub(super) fn own_project(&self) -> [String; 2] {
        let get = |name: &str| self.environment.get(name).unwrap_or_default().to_lowercase();
        [get("SYSTEM_TEAMPROJECT"), get("SYSTEM_TEAMPROJECTID")]
    }

    /// Checks that a vault is in the organization's environment and in the service connection's cloud.
    pub(super) fn at_home(&mut self, input: &'static str, secret: &VaultSecret, seen: Seen<'_>) {
        if seen.is_on_loopback == Some(secret.is_in_the_cloud()) {
            self.must_be(
                input,
                &format!("in the same place as the organization, in Azure or on this machine; got {secret}"),
            );
        } else if seen.authority.is_some_and(|authority| !secret.is_in_cloud_of(authority)) {
            let host = quoted(secret.url().host_str().unwrap_or_default());
            self.must_be(input, &format!("in a vault of the service connection's cloud; got {host}"));
        }
    }

    fn needs_client(&mut self, inputs: &Inputs, seen: Seen<'_>, which: &str) {
        if inputs.client_id.is_none() && !self.is_rejected("clientId") && !seen.has_connection {
            self.required(
                "clientId",
                &format!("the client id of the app {which}; or set `serviceConnection` to use its app"),
            );
        }
    }

    fn word(&mut self, input: &'static str, token: Option<&Secret>) -> Option<Secret> {
        let Some(token) = token?.pasted() else {
            let name = if input == "refreshToken" { "refresh_token" } else { "access_token" };
            self.must_be(input, &format!("the value of `{name}` alone; got JSON"));
            return None;
        };
        if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            self.must_be(input, "a token without spaces and line breaks");
        }
        Some(token)
    }
}
