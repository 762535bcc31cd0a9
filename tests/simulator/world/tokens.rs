//! Tokens that were issued: who holds them, for what, until when. Each is known by its value.

use jiff::{SignedDuration, Timestamp};

use super::super::jwt::{self, Claim};
use super::{AZURE_DEVOPS, TOKEN_EXCHANGE, World, ids};

/// Whom an access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user, by short name.
    User(String),
    /// An app itself, by short name.
    App(String),
}

/// An access token of Entra.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// Its number, from 1.
    pub number: u64,
    /// The token.
    pub value: String,
    /// Whom it speaks for.
    pub holder: Holder,
    /// For which service.
    pub audience: String,
    /// Of which tenant.
    pub tenant: String,
    /// What it allows; empty for an app.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires: Timestamp,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Its number, from 1.
    pub number: u64,
    /// The token.
    pub value: String,
    /// The user who signed in.
    pub user: String,
    /// The app that it was issued to.
    pub app: String,
    /// Whether it was issued to a confidential client, and so is redeemed with a credential alone.
    pub is_confidential: bool,
    /// When it was issued.
    pub issued: Timestamp,
    /// The `AADSTS` number that it is refused with, if it is.
    pub refused_with: Option<u32>,
    /// How often it was redeemed.
    pub redeemed: u32,
}

/// A token of the second exchange or the third that an agent needs to act as its user.
#[derive(Clone, Debug)]
pub struct ExchangeToken {
    /// The token.
    pub value: String,
    /// The app that asked for it: the blueprint, then the agent identity.
    pub app: String,
    /// The agent identity that a blueprint asked for; none for an agent identity's own.
    pub fmi_path: Option<String>,
    /// `sub`.
    pub subject: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// A token of the job's OIDC endpoint.
#[derive(Clone, Debug)]
pub struct OidcToken {
    /// Its number, from 1.
    pub number: u64,
    /// The token.
    pub value: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audience: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl World {
    /// An access token for Azure DevOps that speaks for `rotator`, as an earlier step would hand it over.
    pub fn user_token(&mut self, scopes: &str) -> String {
        self.token_of_user("rotator", "pat-rotator-public", AZURE_DEVOPS, scopes)
    }

    /// An access token that speaks for a user.
    pub fn token_of_user(&mut self, user: &str, app: &str, audience: &str, scopes: &str) -> String {
        let tenant = self.user(user).tenant.clone();
        self.token_of_user_in(&tenant, user, app, audience, scopes)
    }

    /// The same, from this tenant.
    pub fn token_of_user_in(&mut self, tenant: &str, user: &str, app: &str, audience: &str, scopes: &str) -> String {
        let (user, app) = (self.user(user).clone(), self.app(app).clone());
        let (name, oid, at_home) = user.in_tenant(tenant).unwrap_or((&user.upn, &user.oid, true));
        let mut subject = vec![
            ("appid", text(&app.client_id)),
            ("appidacr", text(if app.public { "0" } else { "1" })),
            ("idtyp", text("user")),
            ("name", text(&user.name)),
            ("oid", text(oid)),
            ("scp", text(scopes)),
            ("sub", text(&ids::hex32(&user.name, 7))),
            ("unique_name", text(name)),
        ];
        match &user.home {
            // A guest has no sign-in name here, but an identity provider.
            Some(home) if !at_home => {
                subject.push(("email", text(name)));
                subject.push(("idp", text(&format!("https://sts.windows.net/{}/", home.tenant))));
            }
            _ => subject.push(("upn", text(name))),
        }
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        let minutes = self.user_token_minutes;
        self.mint_access_token(Holder::User(user.name), tenant, audience, scopes, subject, minutes)
    }

    /// An app's own access token.
    pub fn app_token(&mut self, app: &str, audience: &str) -> String {
        self.app_token_for(app, audience, self.app_token_minutes)
    }

    pub(super) fn app_token_for(&mut self, app: &str, audience: &str, minutes: i64) -> String {
        let app = self.app(app).clone();
        let subject = vec![
            ("appid", text(&app.client_id)),
            ("appidacr", text("2")),
            ("idtyp", text("app")),
            ("oid", text(&app.object_id)),
            ("sub", text(&app.object_id)),
        ];
        self.mint_access_token(Holder::App(app.name), &app.tenant, audience, Vec::new(), subject, minutes)
    }

    fn mint_access_token(
        &mut self,
        holder: Holder,
        tenant: &str,
        audience: &str,
        scopes: Vec<String>,
        mut claims: Vec<(&'static str, Claim)>,
        minutes: i64,
    ) -> String {
        let number = self.count("access token");
        let now = self.now();
        let expires = now + SignedDuration::from_mins(minutes);
        claims.extend([
            ("aud", text(audience)),
            ("iss", text(&format!("https://sts.windows.net/{tenant}/"))),
            ("iat", Claim::Number(now.as_second())),
            ("nbf", Claim::Number(now.as_second())),
            ("exp", Claim::Number(expires.as_second())),
            ("tid", text(tenant)),
            ("uti", text(&ids::hex32("uti", number))),
            ("ver", text("1.0")),
        ]);
        let label = ids::secret("simulated-access-", number, 43);
        let is_opaque = self.opaque_tokens && matches!(holder, Holder::User(_));
        let value = if is_opaque { label } else { jwt::encode(claims, &label) };
        let kind = match &holder {
            Holder::User(name) => format!("access token {number} of user {name}"),
            Holder::App(name) => format!("access token {number} of app {name}"),
        };
        self.remember(kind, &value);
        self.access_tokens.push(AccessToken {
            number,
            value: value.clone(),
            holder,
            audience: audience.to_owned(),
            tenant: tenant.to_owned(),
            scopes,
            expires,
        });
        value
    }

    /// A token that is only good for being exchanged.
    pub(super) fn mint_exchange_token(&mut self, app: &str, fmi_path: Option<&str>) -> String {
        let number = self.count("exchange token");
        let app = self.app(app).clone();
        let now = self.now();
        let expires = now + SignedDuration::from_mins(self.app_token_minutes);
        // The form of the subject is inferred from the federated credentials that Azure DevOps makes.
        let subject = format!("/eid1/c/pub/t/simulated/a/{}/{}", app.client_id, fmi_path.unwrap_or_default());
        let claims = vec![
            ("aud", text(fmi_path.map_or(app.client_id.as_str(), |_| TOKEN_EXCHANGE))),
            ("exp", Claim::Number(expires.as_second())),
            ("iat", Claim::Number(now.as_second())),
            ("idtyp", text("app")),
            ("iss", text(&format!("https://login.microsoftonline.com/{}/v2.0", app.tenant))),
            ("nbf", Claim::Number(now.as_second())),
            ("oid", text(&app.object_id)),
            ("sub", text(&subject)),
            ("tid", text(&app.tenant)),
            ("uti", text(&ids::hex32("exchange", number))),
        ];
        let value = jwt::encode(claims, &ids::secret("simulated-exchange-", number, 43));
        self.remember(format!("exchange token {number} of app {}", app.name), &value);
        let fmi_path = fmi_path.map(str::to_owned);
        self.exchange_tokens.push(ExchangeToken { value: value.clone(), app: app.name, fmi_path, subject, expires });
        value
    }

    /// Tells a client who signed in.
    pub(super) fn mint_id_token(&mut self, user: &str, app: &str, tenant: &str, nonce: Option<&str>) -> String {
        let number = self.count("id token");
        let (user, app, now) = (self.user(user).clone(), self.app(app).clone(), self.now().as_second());
        let (known_as, oid, _) = user.in_tenant(tenant).unwrap_or((&user.upn, &user.oid, true));
        let mut claims = vec![
            ("aud", text(&app.client_id)),
            ("exp", Claim::Number(now + 3600)),
            ("iat", Claim::Number(now)),
            ("iss", text(&format!("https://login.microsoftonline.com/{tenant}/v2.0"))),
            ("name", text(&user.name)),
            ("nbf", Claim::Number(now)),
            ("oid", text(oid)),
            ("preferred_username", text(known_as)),
            ("sub", text(&ids::hex32(&user.name, 7))),
            ("tid", text(tenant)),
            ("ver", text("2.0")),
        ];
        claims.extend(nonce.map(|nonce| ("nonce", text(nonce))));
        let value = jwt::encode(claims, &ids::secret("simulated-id-", number, 43));
        self.remember(format!("id token {number} of user {}", user.name), &value);
        value
    }

    /// Ends an access token at once.
    pub fn expire_token(&mut self, value: &str) {
        let now = self.now();
        for token in self.access_tokens.iter_mut().filter(|token| token.value == value) {
            token.expires = now;
        }
    }

    /// Ends every access token issued so far.
    pub fn expire_all_tokens(&mut self) {
        let now = self.now();
        for token in &mut self.access_tokens {
            token.expires = token.expires.min(now);
        }
    }

    /// A refresh token as a sign-in of this user with this app would give.
    pub fn refresh_token_for(&mut self, user: &str, app: &str) -> String {
        let is_confidential = !self.app(app).public;
        self.mint_refresh_token(user, app, is_confidential)
    }

    pub(super) fn mint_refresh_token(&mut self, user: &str, app: &str, is_confidential: bool) -> String {
        let (user, app) = (self.user(user).name.clone(), self.app(app).name.clone());
        let number = self.count("refresh token");
        let value = format!("1.{}", ids::secret("simulated-refresh-", number, 180));
        self.remember(format!("refresh token {number} of {user}"), &value);
        let issued = self.now();
        self.refresh_tokens.push(RefreshToken {
            number,
            value: value.clone(),
            user,
            app,
            is_confidential,
            issued,
            refused_with: None,
            redeemed: 0,
        });
        value
    }

    /// Makes every refresh token of this user fail with this `AADSTS` number: 50173, 70008, 70043, 53003 …
    pub fn break_refresh_tokens(&mut self, user: &str, code: u32) {
        for token in self.refresh_tokens.iter_mut().filter(|token| token.user == user) {
            token.refused_with = Some(code);
        }
    }

    /// Backdates a refresh token.
    pub fn age_refresh_token(&mut self, value: &str, age: SignedDuration) {
        let issued = self.now() - age;
        for token in self.refresh_tokens.iter_mut().filter(|token| token.value == value) {
            token.issued = issued;
        }
    }

    /// A token of the job's OIDC endpoint for a service connection.
    pub fn oidc_token(&mut self, issuer: &str, subject: &str) -> String {
        let number = self.count("OIDC token");
        let now = self.now();
        let expires = now + SignedDuration::from_mins(10);
        let claims = vec![
            ("aud", text(TOKEN_EXCHANGE)),
            ("exp", Claim::Number(expires.as_second())),
            ("iat", Claim::Number(now.as_second())),
            ("iss", text(issuer)),
            ("jti", text(&ids::guid("jti", number))),
            ("nbf", Claim::Number(now.as_second())),
            ("sub", text(subject)),
        ];
        let value = jwt::encode(claims, &ids::secret("simulated-oidc-", number, 43));
        self.remember(format!("OIDC token {number}"), &value);
        self.oidc_tokens.push(OidcToken {
            number,
            value: value.clone(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: TOKEN_EXCHANGE.to_owned(),
            expires,
        });
        value
    }

    pub(super) fn mint_job_token(&mut self) -> String {
        let number = self.count("job token");
        let expires = self.now() + SignedDuration::from_hours(48);
        let claims = vec![
            ("aud", text("simulated-token-service")),
            ("exp", Claim::Number(expires.as_second())),
            ("iss", text("app.vstoken.visualstudio.com")),
            ("nameid", text(&ids::guid("buildservice", 1))),
            ("scp", text("app_token")),
        ];
        let value = jwt::encode(claims, &ids::secret("simulated-job-", number, 43));
        self.remember(format!("job token {number}"), &value);
        value
    }
}

fn text(value: &str) -> Claim {
    Claim::Text(value.to_owned())
}
