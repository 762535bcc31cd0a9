//! The command `signIn`: a person signs in once, with a code that the log shows, and the refresh token goes to its
//! store. What a person's sign-in must have brought is checked here for the workstation's sign-in too.

use crate::sign_in::client;
use crate::sign_in::refusal::explain_refusal;
use crate::sign_in::scope::{requested_scope, with_identity};
use crate::sign_in::tenant;
use crate::sign_in::user;
use crate::sign_in::user::Expected;
use crate::sign_in::user_token::UserToken;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::azure::entra::{self, DeviceCode, Grant, Issuer, Tokens};
use crate::context::Context;
use crate::failure::{Failure, StepError, on};
use crate::model::api_error::{CallError, Service};
use crate::model::secret::Secret;
use crate::model::text::{one_line, quoted};
use crate::model::timestamp::pluralize;
use crate::model::user::UserName;
use crate::settings::{Purpose, SignInSettings};
use crate::sign_in::claims::{self, Claims};
use crate::sign_in::store::StoredToken;

/// What is true until something is stored.
pub const NOTHING_STORED: &str = "Nothing was stored.";
/// Documented defaults, where the answer does not say.
const EXPIRES_IN: u64 = 900;
const INTERVAL: u64 = 5;
/// What `slow_down` adds to the interval (RFC 8628).
const SLOWER: Duration = Duration::from_secs(5);

/// Lets a person sign in.
pub async fn run(context: &Context, settings: &SignInSettings) -> Result<(), Failure> {
    let Some(user) = &context.access.user else {
        let error = anyhow::anyhow!("no user is given for the sign-in");
        return Err(StepError::new(error).advise("Set `userName`.").now(NOTHING_STORED));
    };
    let waiting = wait_for(context, settings, user);
    let cancel = context.http.cancel();
    let (kept, app, tokens) = tokio::select! {
        tokens = waiting => tokens.map_err(|failure| failure.now(NOTHING_STORED))?,
        () = cancel.requested() => return Err(StepError::cancelled().now(NOTHING_STORED)),
    };
    let is_usual = context.access.requested_scopes.is_none();
    let person = accept(&tokens, user, &app, is_usual).map_err(|error| error.now(NOTHING_STORED))?;
    for secret in [&person.refresh_token, &tokens.access_token] {
        context.console.redact(secret);
    }
    context.console.say(&format!("{} has signed in", person.who));
    kept.write(context, &person.refresh_token, &person.tags).await.map_err(|failed| {
        let advice =
            failed.advice.unwrap_or_else(|| "Give the service connection's app write access to it.".to_owned());
        let now = match failed.may_hold_it {
            true => "It is not known whether the refresh token was stored; it is kept nowhere else.",
            false => "The refresh token was not stored and is kept nowhere else.",
        };
        let error = failed.error.context(format!("could not store the refresh token in {}", settings.store));
        StepError::new(error).advise(format!("{advice} Then sign in again.")).now(now)
    })?;
    let (place, app) = (&settings.store, quoted(&app));
    context.console.say(&format!(
        "stored the refresh token in {place}, issued to app {app}; it expires after 90 days without use, and each run \
         renews it"
    ));
    if is_usual {
        let user = UserToken::new(tokens.access_token, tokens.expires_in, &context.clock);
        verify(context, &user).await.map_err(|error| error.now("The refresh token is stored."))?;
    }
    Ok(())
}

/// Everything up to the moment in which the person has signed in. The store is read first: a sign-in takes a person's
/// time.
async fn wait_for<'a>(
    context: &Context,
    settings: &'a SignInSettings,
    user: &UserName,
) -> Result<(StoredToken<'a>, String, Tokens), StepError> {
    let kept = StoredToken::read(context, &settings.store).await?;
    kept.check_tags()?;
    let tenant = tenant::tenant(context).await?;
    let issuer = Issuer { authority: context.access.organization.login(), tenant: &tenant };
    let app = client::id(context, None, "the sign-in")?;
    let scope = with_identity(&requested_scope(context));
    let code = entra::device_code(&context.http, issuer, &app, &scope)
        .await
        .map_err(|error| StepError::new(on(error, "could not get a code for the sign-in")))?;
    context.console.redact(&code.device_code);
    let minutes = code.expires_in.unwrap_or(EXPIRES_IN) / 60;
    context.console.say(&format!(
        "To sign in, open {} in a browser within {}, enter the code {} and sign in as {user}.",
        one_line(&code.verification_uri),
        pluralize(i64::try_from(minutes).unwrap_or(i64::MAX), "minute"),
        one_line(&code.user_code)
    ));
    let tokens = poll(context, issuer, &app, &code).await?;
    Ok((kept, app, tokens))
}

/// Asks in the server's rhythm until the person has signed in.
async fn poll(context: &Context, issuer: Issuer<'_>, app: &str, code: &DeviceCode) -> Result<Tokens, StepError> {
    const WHAT: &str = "could not sign in with the code";
    let mut interval = Duration::from_secs(code.interval.unwrap_or(INTERVAL).clamp(1, 60));
    let until = Instant::now() + Duration::from_secs(code.expires_in.unwrap_or(EXPIRES_IN).min(3600));
    loop {
        if Instant::now() + interval > until {
            let error = anyhow::anyhow!("nobody signed in with the code in time");
            return Err(StepError::new(error.context(WHAT)).advise("Run again, and sign in at once."));
        }
        let paused = context.http.pause(Service::Entra, interval).await;
        paused.map_err(StepError::new)?;
        let error = match client::ask(context, issuer, app, Grant::DeviceCode(&code.device_code), "", WHAT).await? {
            Ok(tokens) => return Ok(tokens),
            Err(error) => error,
        };
        match error.refusal() {
            Some((_, "authorization_pending")) => {}
            Some((_, "slow_down")) => interval += SLOWER,
            _ => return Err(StepError::new(on(error, WHAT))),
        }
    }
}

/// What a person's sign-in brought, found to be what it should be.
#[derive(Debug)]
pub struct Person {
    /// What later runs sign in with.
    pub refresh_token: Secret,
    /// Whose it is, to be kept beside it.
    pub tags: BTreeMap<String, String>,
    /// Who signed in, in words.
    pub who: String,
}

/// Checks that the right user signed in, with the scopes that are needed, and that a refresh token came.
pub fn accept(tokens: &Tokens, user: &UserName, app: &str, is_usual: bool) -> Result<Person, StepError> {
    let failed = |error, advice: &str| Err(StepError::new(error).advise(advice));
    let Some(claims) = tokens.id_token.as_ref().and_then(Claims::read) else {
        let error = anyhow::anyhow!("Entra sent no readable id token, so it is unknown who signed in");
        return failed(error, "Allow the app the scopes `openid` and `profile`, then run again.");
    };
    let (Some(object_id), Some(tenant)) = (&claims.oid, &claims.tid) else {
        let error = anyhow::anyhow!("the id token of {} lacks the object id or the tenant", claims.in_words());
        return failed(error, "Allow the app the scopes `openid` and `profile`, then run again.");
    };
    match Expected::named(user).is_met_by(&claims) {
        Some(true) => {}
        Some(false) => {
            let error = anyhow::anyhow!("{} signed in, but {user} is expected", claims.in_words());
            return failed(error, "Run again and sign in as the expected user, in a private browser window.");
        }
        None => {
            let error = anyhow::anyhow!(
                "{} signed in, but {user} is expected and the id token contains no name",
                claims.in_words()
            );
            return failed(error, "Use the user's object id instead of the name, then run again.");
        }
    }
    if let Some(granted) =
        tokens.scope.as_deref().filter(|granted| is_usual && !claims::suffice(granted, Purpose::Rotation))
    {
        let error = anyhow::anyhow!("the scopes granted are {}, which are not enough", quoted(granted));
        return failed(
            error,
            "Grant the app the delegated permissions `vso.pats` and `vso.pats_manage`, with admin consent.",
        );
    }
    let Some(refresh_token) = tokens.refresh_token.clone() else {
        return failed(anyhow::anyhow!("Entra sent no refresh token"), "Allow the app the scope `offline_access`.");
    };
    let tags = [
        (user::CLIENT_TAG, app),
        (user::TENANT_TAG, tenant),
        (user::OBJECT_ID_TAG, object_id),
        (user::NAME_TAG, claims.user().unwrap_or_default()),
    ];
    let tags = tags.into_iter().filter(|(_, value)| !value.is_empty());
    let tags = tags.map(|(name, value)| (name.to_owned(), one_line(value))).collect();
    Ok(Person { refresh_token, tags, who: claims.in_words() })
}

/// Uses the sign-in once, so that a missing permission is found now and not by the first rotation.
async fn verify(context: &Context, user: &UserToken) -> Result<(), StepError> {
    let organization = &context.access.organization;
    let error: CallError = match context.pats(&user.token).list().await {
        Ok(listing) => {
            let count = pluralize(i64::try_from(listing.pats.len()).unwrap_or(i64::MAX), "active token");
            context.console.say(&format!("verified the sign-in: the user sees {count} in {organization}"));
            return Ok(());
        }
        Err(error) => error,
    };
    let advice = explain_refusal(context, user, &error).await;
    let what = format!("the user who signed in cannot list the tokens in {organization}");
    Err(StepError::new(on(error, &what)).advise_if(advice))
}
