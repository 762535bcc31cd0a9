//! Tokens that speak for a user: for a password, for an earlier sign-in, and what is granted of what is asked.

use jiff::SignedDuration;

use super::{
    super::{AZURE_DEVOPS, App, User},
    EntraRefusal, Issued, World, known_resource,
};

/// After so many wrong passwords an account is locked.
const LOCKED_AFTER: u32 = 10;

/// What kind of client a token is issued to.
pub(super) struct Client<'a> {
    /// Whether it had to prove itself, and must again with the refresh token.
    pub(super) is_confidential: bool,
    /// What it wants to find in the id token.
    pub(super) nonce: Option<&'a str>,
}

/// What a user's sign-in is to give the client.
pub(super) struct Wanted {
    audience: &'static str,
    scopes: Vec<String>,
    refresh_token: bool,
    id_token: bool,
}

impl World {
    /// The short name of the user with that sign-in name and password.
    pub(super) fn check_password(
        &mut self,
        username: &str,
        password: &str,
        tenant: &str,
    ) -> Result<String, EntraRefusal> {
        let name = self.user_of_name(username, tenant).map(|user| user.name.clone());
        let user = self.user_mut(&name.ok_or_else(|| EntraRefusal::of_user(50034))?);
        // These are told to everybody, the others to those who know the password.
        if let Some(code @ (50053 | 50057)) = user.refused_with {
            return Err(EntraRefusal::of_user(code));
        }
        let Some(known) = &user.password else { return Err(EntraRefusal::of_user(50056)) };
        if user.wrong_passwords >= LOCKED_AFTER {
            return Err(EntraRefusal::of_user(50053));
        }
        if known != password {
            user.wrong_passwords += 1;
            return Err(EntraRefusal::of_user(50126));
        }
        match user.refused_with {
            Some(code) => Err(EntraRefusal::of_user(code)),
            None => Ok(user.name.clone()),
        }
    }

    /// The user with that sign-in name in the tenant.
    pub(super) fn user_of_name(&self, name: &str, tenant: &str) -> Option<&User> {
        self.users.iter().find(|user| {
            let is_guests = user.tenant == tenant && user.upn.eq_ignore_ascii_case(name);
            is_guests || user.in_tenant(tenant).is_some_and(|(upn, ..)| upn.eq_ignore_ascii_case(name))
        })
    }

    pub(super) fn redeem(&mut self, app: &App, token: &str, scope: &str, tenant: &str) -> Result<Issued, EntraRefusal> {
        let now = self.now();
        let life = SignedDuration::from_hours(24 * self.refresh_token_days);
        // Bound to its user and client: with another client it is no grant at all.
        let known = self.refresh_tokens.iter_mut().find(|known| known.value == token && known.app == app.name);
        let Some(known) = known else { return Err(EntraRefusal::of_user(70000)) };
        if let Some(code) = known.refused_with {
            return Err(EntraRefusal::of_user(code));
        }
        if known.issued + life <= now {
            return Err(EntraRefusal::of_user(700_082));
        }
        known.redeemed += 1;
        let (user, is_confidential) = (known.user.clone(), known.is_confidential);
        self.issue(&user, app, scope, tenant, Client { is_confidential, nonce: None })
    }

    /// Tokens for a user who has signed in.
    pub(super) fn issue_to_user(
        &mut self,
        user: &str,
        app: &App,
        scope: &str,
        tenant: &str,
    ) -> Result<Issued, EntraRefusal> {
        self.issue(user, app, scope, tenant, Client { is_confidential: !app.public, nonce: None })
    }

    /// The same, to this kind of client.
    pub(super) fn issue(
        &mut self,
        user: &str,
        app: &App,
        scope: &str,
        tenant: &str,
        client: Client<'_>,
    ) -> Result<Issued, EntraRefusal> {
        if self.user(user).in_tenant(tenant).is_none() {
            return Err(EntraRefusal::of_user(50020));
        }
        let Wanted { audience, scopes, refresh_token, id_token } = self.wanted(app, scope)?;
        let access_token = self.token_of_user_in(tenant, user, &app.name, audience, &scopes.join(" "));
        let refresh_token = refresh_token.then(|| self.mint_refresh_token(user, &app.name, client.is_confidential));
        let id_token =
            (id_token && !self.id_tokens_withheld).then(|| self.mint_id_token(user, &app.name, tenant, client.nonce));
        let granted: Vec<String> = scopes.iter().map(|scope| format!("{audience}/{scope}")).collect();
        let expires_in = self.user_token_minutes * 60 - 1;
        Ok(Issued { access_token, expires_in, scope: Some(granted.join(" ")), refresh_token, id_token })
    }

    /// The audience, and what is granted on it.
    pub(super) fn wanted(&self, app: &App, asked: &str) -> Result<Wanted, EntraRefusal> {
        let (mut refresh_token, mut id_token) = (false, false);
        let mut audience = None;
        let mut scopes: Vec<String> = Vec::new();
        for one in asked.split_whitespace() {
            match one {
                "offline_access" => refresh_token = true,
                "openid" => id_token = true,
                "profile" | "email" => {}
                _ => {
                    let Some((resource, permission)) = one.rsplit_once('/') else { return Err(bad_scope(asked)) };
                    let resource = known_resource(resource)?;
                    if audience.is_some_and(|before| before != resource) {
                        return Err(bad_scope(asked));
                    }
                    audience = Some(resource);
                    match permission {
                        ".default" if resource == AZURE_DEVOPS => scopes.extend(app.delegated.iter().cloned()),
                        ".default" => scopes.push("user_impersonation".to_owned()),
                        _ if resource == AZURE_DEVOPS && !app.delegated.iter().any(|known| known == permission) => {
                            return Err(EntraRefusal::of_user(65001));
                        }
                        _ => scopes.push(permission.to_owned()),
                    }
                }
            }
        }
        let Some(audience) = audience else { return Err(bad_scope(asked)) };
        scopes.retain(|scope| !self.scopes_withheld.contains(scope));
        if scopes.is_empty() {
            return Err(EntraRefusal::of_user(65001));
        }
        Ok(Wanted { audience, scopes, refresh_token, id_token })
    }
}

fn bad_scope(asked: &str) -> EntraRefusal {
    let text = format!(
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope '{asked}' is not valid."
    );
    EntraRefusal::new("invalid_scope", 70011, text)
}
