//! An agent acting as its user in three exchanges: the blueprint's token for one agent identity, that identity's own
//! token, and a user's token for both.
//! <https://learn.microsoft.com/entra/agent-id/agent-user-oauth-flow>
//!
//! The requests and what is checked are documented; which number comes with which refusal is inferred from the other kinds
//! of federated sign-in.

use super::{App, EntraRefusal, Issued, TOKEN_EXCHANGE, World};

impl World {
    /// The first exchange, for an app that has proved itself.
    pub(super) fn grant_to_blueprint(
        &mut self,
        app: &App,
        fmi_path: &str,
        scope: &str,
    ) -> Result<Issued, EntraRefusal> {
        if scope.strip_suffix("/.default") != Some(TOKEN_EXCHANGE) {
            let text = format!("A request with an 'fmi_path' must ask for {TOKEN_EXCHANGE}/.default.");
            return Err(EntraRefusal::new("invalid_scope", 70011, text));
        }
        let identity = self.apps.iter().find(|known| known.client_id.eq_ignore_ascii_case(fmi_path));
        if identity.is_none_or(|identity| identity.blueprint.as_ref() != Some(&app.name)) {
            let text = format!("The agent identity '{fmi_path}' was not found among those of the blueprint.");
            return Err(EntraRefusal::new("unauthorized_client", 700_016, text));
        }
        let token = self.mint_exchange_token(&app.name, Some(fmi_path));
        Ok(self.exchangeable(token))
    }

    /// The second exchange, for an agent identity that has proved itself with the first one's token.
    pub(super) fn grant_to_agent_identity(&mut self, app: &App) -> Issued {
        let token = self.mint_exchange_token(&app.name, None);
        self.exchangeable(token)
    }

    fn exchangeable(&self, access_token: String) -> Issued {
        let expires_in = self.app_token_minutes * 60 - 1;
        Issued { access_token, expires_in, scope: None, refresh_token: None, id_token: None }
    }

    /// An agent identity proves itself with a token that its own blueprint got for it.
    pub(super) fn check_blueprint_token(&self, app: &App, blueprint: &str, token: &str) -> Result<(), EntraRefusal> {
        let refuse = |code, text: String| Err(EntraRefusal::new("invalid_client", code, text));
        let Some(known) = self.exchange_tokens.iter().find(|known| known.value == token) else {
            let text = "No matching federated identity record found for presented assertion.";
            return refuse(70021, text.to_owned());
        };
        let is_for_it = known.fmi_path.as_ref().is_some_and(|path| path.eq_ignore_ascii_case(&app.client_id));
        if known.app != blueprint || !is_for_it {
            let text = format!(
                "No matching federated identity record found for presented assertion subject '{}'.",
                known.subject
            );
            return refuse(700_213, text);
        }
        if known.expires <= self.now() {
            let text = format!(
                "Client assertion is not within its valid time range. Current time: {}, expiry time of assertion {}.",
                self.now(),
                known.expires
            );
            return refuse(700_024, text);
        }
        Ok(())
    }

    /// The short name of the user whom the third exchange is for.
    pub(super) fn check_agent_user(
        &self,
        app: &App,
        identity_token: &str,
        user: &str,
        tenant: &str,
    ) -> Result<String, EntraRefusal> {
        if app.blueprint.is_none() {
            let text = "The application is no agent identity and may not use this grant.";
            return Err(EntraRefusal::new("unauthorized_client", 700_229, text));
        }
        let known = self.exchange_tokens.iter().find(|known| known.value == identity_token);
        let Some(known) = known.filter(|known| known.fmi_path.is_none() && known.app == app.name) else {
            let text =
                "No matching federated identity record found for the presented user federated identity credential.";
            return Err(EntraRefusal::new("invalid_grant", 70021, text));
        };
        if known.expires <= self.now() {
            let text = "The user federated identity credential is not within its valid time range.";
            return Err(EntraRefusal::new("invalid_grant", 700_024, text));
        }
        let found = self.users.iter().filter(|known| known.tenant == tenant);
        let mut found = found.filter(|known| [&known.upn, &known.oid].iter().any(|id| id.eq_ignore_ascii_case(user)));
        let found = found.next().ok_or_else(|| EntraRefusal::of_user(50034))?;
        if let Some(code) = found.refused_with {
            return Err(EntraRefusal::of_user(code));
        }
        if found.agent_identity.as_ref() != Some(&app.name) {
            let text = "No matching federated identity record found: the user is not one of the agent identity.";
            return Err(EntraRefusal::new("invalid_grant", 70021, text));
        }
        Ok(found.name.clone())
    }
}
