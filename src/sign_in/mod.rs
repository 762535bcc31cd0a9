//! A token that acts for a user, from the source that the settings name; one file a source.

mod access_token;
mod agent_user;
pub mod claims;
mod client;
pub mod connection;
mod password;
pub mod person;
mod refresh_token;
pub mod store;
mod user;

use std::time::Duration;

use self::claims::Claims;
use crate::advice::{self, Named, Service};
use crate::azure::connection_data::{self, Tenant};
use crate::azure::entra::AZURE_DEVOPS;
use crate::context::{Work, on};
use crate::failure::{Failure, advice_for, row_for};
use crate::model::api_error::CallError;
use crate::model::secret::{Secret, is_like_a_pat};
use crate::model::service_connection::ServiceConnection;
use crate::model::timestamp::Timestamp;
use crate::runtime::clock::Clock;
use crate::settings::{Purpose, Source};

const UNCHANGED: &str = "Nothing was changed.";
const NEEDS_ENTRA: &str =
    "Connect the organization to a Microsoft Entra tenant: the PAT lifecycle API needs Entra users.";
/// Before its end by less than this, a token is not used for something new.
const NEARLY_OVER: Duration = Duration::from_secs(5 * 60);

/// A token that is believed to act for a user; the server decides.
#[derive(Debug)]
pub struct UserToken {
    /// The token.
    pub token: Secret,
    expires: Option<Expiry>,
    /// What its claims say, where they can be read.
    pub claims: Option<Claims>,
}

/// When a token ends, by whose clock.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    /// Its issuer told how long it lives, counted from when it came.
    Agents(Timestamp),
    /// It says so itself: the one hint there is where no issuer's answer is at hand.
    Servers(Timestamp),
}

impl UserToken {
    /// Takes a token, with its life where the issuer told it.
    pub fn new(token: Secret, lives: Option<u64>, clock: &Clock) -> Self {
        let claims = Claims::read(&token);
        let told = lives.map(|lives| Expiry::Agents(clock.uncorrected().plus(Duration::from_secs(lives))));
        let expires = told.or_else(|| Timestamp::from_unix(claims.as_ref()?.exp?).map(Expiry::Servers));
        Self { token, expires, claims }
    }

    /// When it ends, by the server's clock, where that is known.
    pub fn expires(&self, clock: &Clock) -> Option<Timestamp> {
        self.expires.map(|expires| match expires {
            Expiry::Agents(time) => clock.corrected(time),
            Expiry::Servers(time) => time,
        })
    }
}

/// Whether a token that ends then has ended or is about to.
pub fn is_nearly_over(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_some_and(|expires| expires <= now.plus(NEARLY_OVER))
}

/// Signs in.
///
/// # Errors
/// What failed; nothing that anybody uses was changed.
pub async fn sign_in(work: &Work) -> Result<UserToken, Failure> {
    let user = match &work.access.source {
        Source::AccessToken(token) => meant(work, access_token::sign_in(work, token))?,
        Source::AgentUser(agent) => meant(work, agent_user::sign_in(work, agent).await?)?,
        Source::Connection => connection::sign_in(work).await?,
        Source::Password(password) => meant(work, password::sign_in(work, password).await?)?,
        Source::RefreshTokenSecret(secret) => refresh_token::from_vault(work, secret).await?,
        Source::RefreshToken(token, store) => refresh_token::from_variable(work, token, store.as_ref()).await?,
        Source::Person => {
            let error = anyhow::anyhow!("a person signs in with `command: signIn` alone");
            return Err(Failure::new(error, UNCHANGED).advise("Choose another way of signing in."));
        }
    };
    work.console.redact(&user.token);
    if user.claims.is_none() {
        work.console.debug("the token's claims cannot be read, so a refusal cannot be explained by them");
    }
    Ok(user)
}

/// The token, unless it acts for somebody else than `userName` says. Compared before anything is stored.
fn meant(work: &Work, user: UserToken) -> Result<UserToken, Failure> {
    if let Some(wanted) = &work.access.user {
        user::check(work, user.claims.as_ref(), &user::Expected::named(wanted))?;
    }
    Ok(user)
}

/// The tenant that user tokens come from.
///
/// # Errors
/// When the organization has none, or does not answer.
async fn users_tenant(work: &Work) -> Result<Option<String>, Failure> {
    if let Some(tenant) = &work.access.tenant {
        return Ok(Some(tenant.clone()));
    }
    let organization = &work.access.organization;
    match connection_data::tenant(&work.http, organization).await {
        Ok(Tenant::Entra(tenant)) => Ok(Some(tenant)),
        Ok(Tenant::Untold) => Ok(None),
        Ok(Tenant::MicrosoftAccounts) => {
            let error =
                anyhow::anyhow!("the organization {organization} is backed by Microsoft accounts, not by Entra");
            Err(Failure::new(error, UNCHANGED).advise(NEEDS_ENTRA))
        }
        Err(error) => {
            let what = format!("could not learn the tenant of {organization}");
            Err(Failure::new(on(error, &what), UNCHANGED))
        }
    }
}

/// The tenant that user tokens come from, or else that of the connection's app.
async fn tenant(work: &Work) -> Result<String, Failure> {
    if let Some(tenant) = users_tenant(work).await? {
        return Ok(tenant);
    }
    let app = work.access.connection.as_ref().and_then(ServiceConnection::app);
    app.map(|(tenant, _)| tenant.to_owned()).ok_or_else(|| {
        let error = anyhow::anyhow!("the organization {} does not tell its tenant", work.access.organization);
        Failure::new(error, UNCHANGED).advise("Set `tenantId`, and check `organization`.")
    })
}

/// What to ask for in Azure DevOps' name.
fn requested_scope(work: &Work) -> String {
    let default = || format!("{AZURE_DEVOPS}/.default");
    work.access.requested_scopes.as_deref().map_or_else(default, qualified)
}

/// Short names of scopes are Azure DevOps' own.
pub(crate) fn qualified(scopes: &str) -> String {
    let qualify = |scope: &str| match scope {
        "offline_access" | "openid" | "profile" => scope.to_owned(),
        scope if scope.contains('/') => scope.to_owned(),
        scope => format!("{AZURE_DEVOPS}/{scope}"),
    };
    scopes.split([' ', ',', '\n']).filter(|scope| !scope.is_empty()).map(qualify).collect::<Vec<_>>().join(" ")
}

/// Says so where the scopes granted may not suffice; the service decides.
fn note_scopes(work: &Work, granted: Option<&str>) {
    if let Some(granted) = granted.filter(|granted| !claims::suffice(granted, work.access.purpose)) {
        let granted = crate::model::text::quoted(granted);
        work.console.say(&format!("note: the scopes granted are {granted}, which may not suffice"));
    }
}

/// The remedy where the service did not take the token. The claims explain a refusal that says little; they have
/// decided nothing.
pub async fn explain_refusal(work: &Work, user: &UserToken, error: &CallError) -> Option<String> {
    let by_claims = if is_vague(error) { explain_by_claims(work, user).await } else { None };
    let named = user.claims.as_ref().and_then(Claims::user).map(crate::model::text::one_line);
    let named = Named { user: named.as_deref(), ..Named::default() };
    by_claims.or_else(|| match work.access.purpose {
        Purpose::OrganizationReport => row_for(error, Service::Administration).map(|row| row.remedy(named)),
        Purpose::Rotation | Purpose::OwnReport => advice_for(error, named),
    })
}

/// Whether the service refuses the caller without saying why.
fn is_vague(error: &CallError) -> bool {
    let says_why = error.refusal().is_some_and(|(_, code)| ["TF401444", "VS403463"].contains(&code));
    let is_about_the_caller = error.is_about_signing_in() || error.refusal().is_some_and(|(status, _)| status == 403);
    is_about_the_caller && !says_why
}

async fn explain_by_claims(work: &Work, user: &UserToken) -> Option<String> {
    if user.claims.is_none() && is_like_a_pat(user.token.reveal()) {
        return Some(advice::NO_PAT.to_owned());
    }
    let tenant = match connection_data::tenant(&work.http, &work.access.organization).await {
        Ok(Tenant::Entra(tenant)) => Some(tenant),
        Ok(Tenant::MicrosoftAccounts) => {
            return Some(format!("The organization is backed by Microsoft accounts. {NEEDS_ENTRA}"));
        }
        _ => None,
    };
    match (&user.claims, &work.access.source) {
        (Some(claims), _) => claims.explain(work.clock.now(), tenant.as_deref(), work.access.purpose),
        (None, Source::AccessToken(_)) => Some(access_token::NO_TOKEN_ADVICE.to_owned()),
        (None, _) => None,
    }
}
