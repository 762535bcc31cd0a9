//! Everything of a check that only reads. What needs nothing of another answer is asked side by side.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::app_tokens;
use crate::azure::connection_data::{self, ConnectionData, Tenant};
use crate::azure::entra::AZURE_DEVOPS;
use crate::azure::key_vault::{self, Version};
use crate::check::machine;
use crate::check::row::{Outcome, Row};
use crate::context::{Context, RotationContext};
use crate::destinations::{Destinations, MayWrite};
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::destination::Destination;
use crate::model::pat::{OrganizationId, Pat};
use crate::model::service_connection::{Proof, Scheme, ServiceConnection};
use crate::model::text::{one_line, quoted};
use crate::model::timestamp::{Timestamp, pluralize};
use crate::model::user::Identity;
use crate::model::vault_secret::VaultSecret;
use crate::plan::{self, Decision, Known, Record, family, of_organization, runs_to_ask};
use crate::settings::Source;
use crate::sign_in::store::{self, IDLE_LIFE};
use crate::sign_in::{self, NEEDS_ENTRA, UserToken};

/// With fewer days left, somebody must look.
const FEW_DAYS: i64 = 15;

/// Without these there is nobody to sign in, or nowhere.
const SIGN_IN_NEEDS: [&str; 3] = ["connection", "refreshToken", "organization"];

/// What was seen.
pub(super) struct Looked {
    pub(super) rows: Vec<Row>,
    /// The user, where the tokens could be listed.
    pub(super) as_user: Option<AsUser>,
    /// The first row that is not ok and that the others depend on.
    pub(super) blocked_by: String,
}

/// The signed-in user and what the organization shows of them.
pub(super) struct AsUser {
    pub(super) user: UserToken,
    pub(super) owner: Option<Identity>,
    pub(super) organization: Option<OrganizationId>,
    pub(super) listed: Vec<Pat>,
}

pub(super) async fn look(work: &RotationContext) -> Looked {
    let context = &work.context;
    let destinations = Destinations::new(work);
    let (mut rows, organization, no_organization, (places, records)) = tokio::join!(
        connection_and_token(context),
        organization(context),
        no_organization(context),
        places(work, &destinations)
    );
    rows.splice(0..0, machine::rows(context));
    rows.extend([organization, no_organization]);
    let blocker = rows.iter().find(|row| row.outcome == Outcome::NotOk && SIGN_IN_NEEDS.contains(&row.key));
    let blocked_by = blocker.map(|row| quoted(&row.name));
    let as_user = match &blocked_by {
        None => user(context, &mut rows).await,
        Some(on) => {
            rows.push(Row::depends("signIn", "sign-in", on));
            None
        }
    };
    if let Some(as_user) = &as_user {
        rows.push(planned(work, as_user, records.as_deref()));
    } else {
        let on = blocked_by.clone().unwrap_or_else(|| last_fault(&rows));
        rows.push(Row::depends("plan", "plan", &on));
    }
    let blocked_by = blocked_by.unwrap_or_else(|| last_fault(&rows));
    rows.extend(places);
    Looked { rows, as_user, blocked_by }
}

fn last_fault(rows: &[Row]) -> String {
    let fault = rows.iter().rfind(|row| row.outcome == Outcome::NotOk);
    fault.map_or_else(|| "an earlier row".to_owned(), |row| quoted(&row.name))
}

/// A row of a step that failed.
fn failed(key: &'static str, name: impl Into<String>, error: &StepError) -> Row {
    Row::not_ok(key, name, error.to_string(), error.advice())
}

/// The rows of the service connection, and of the refresh token that it reads.
async fn connection_and_token(context: &Context) -> Vec<Row> {
    let Some(connection) = &context.access.connection else { return Vec::new() };
    let secret = match &context.access.source {
        Source::RefreshTokenSecret(secret) => Some(secret),
        _ => None,
    };
    let scope = secret.map_or_else(|| format!("{AZURE_DEVOPS}/.default"), VaultSecret::scope);
    let name = "service connection";
    let mut rows = vec![match app_tokens::token_for(context, &scope).await {
        Ok(_) => Row::ok("connection", name, "signs in as its own app").with(way(connection)),
        Err(error) => failed("connection", name, &error).with(way(connection)),
    }];
    let signed_in = rows[0].outcome == Outcome::Ok;
    if matches!(connection.scheme, Scheme::App { proof: Proof::WorkloadIdentityFederation, .. }) {
        rows.push(issuer(context, signed_in));
    }
    if let Some(secret) = secret {
        if signed_in {
            rows.extend(refresh_token(context, secret).await);
        } else {
            rows.push(Row::depends("refreshToken", "refresh token", &quoted(name)));
        }
    }
    rows
}

fn way(connection: &ServiceConnection) -> &'static str {
    match connection.scheme {
        Scheme::App { proof: Proof::WorkloadIdentityFederation, .. } => "federation",
        Scheme::App { proof: Proof::Secret(_), .. } => "secret",
        Scheme::App { proof: Proof::Certificate(_), .. } => "certificate",
        Scheme::ManagedIdentity { .. } => "managedIdentity",
    }
}

fn issuer(context: &Context, signed_in: bool) -> Row {
    let name = "issuer of the connection's tokens";
    if context.shared.warned_of_issuer.get() {
        let seen = "vstoken.dev.azure.com, which Azure DevOps retires on 2027-07-01";
        let remedy = "Convert the service connection to the Entra issuer: edit it, and put the issuer and subject shown \
                      there into the app's federated credential.";
        return Row::not_ok("issuer", name, seen, remedy.to_owned()).with("retiring");
    }
    if signed_in {
        Row::ok("issuer", name, "one that Azure DevOps does not retire").with("current")
    } else {
        Row::depends("issuer", name, "\"service connection\"")
    }
}

/// Whether the stored refresh token can be read, how many of its versions can be, and whether its tags have room.
async fn refresh_token(context: &Context, secret: &VaultSecret) -> Vec<Row> {
    let name = "refresh token";
    let read = async {
        let token = app_tokens::token_for(context, &secret.scope()).await?;
        let what = format!("could not read the refresh token from {secret}");
        let failed = |error| StepError::new(on(error, &what));
        let (stored, older) = tokio::join!(
            key_vault::look(&context.http, secret, &token),
            key_vault::older(&context.http, secret, &token)
        );
        Ok::<_, StepError>((stored.map_err(failed)?, older))
    };
    let (stored, older) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![failed("refreshToken", name, &error)],
    };
    let Some(stored) = stored.filter(|stored| !stored.value.reveal().is_empty()) else {
        let remedy = "Sign in once as the rotating user and store the refresh token there; check `refreshTokenSecret`.";
        let seen = format!("the {secret} does not exist, or its current version is disabled");
        return vec![Row::not_ok("refreshToken", name, seen, remedy.to_owned())];
    };
    context.console.redact(&stored.value);
    let mut rows = vec![Row::ok("refreshToken", name, format!("read from the {secret}"))];
    rows.push(match store::check_tags(secret, &stored.tags) {
        Ok(()) => Row::ok("tags", "room for tags", format!("{} of 15 used", stored.tags.len())).with(stored.tags.len()),
        Err(error) => failed("tags", "room for tags", &error).with(stored.tags.len()),
    });
    let name = "older refresh tokens";
    rows.push(match older {
        Ok(older) if older.is_empty() => Row::ok("olderVersions", name, "all disabled").with(0),
        Ok(older) => Row::ok("olderVersions", name, format!("{} can still be read", older.len())).with(older.len()),
        Err(error) => Row::unknown("olderVersions", name, format!("could not list the versions: {error}")),
    });
    rows.push(age(&stored, context.clock.now()));
    rows
}

fn age(stored: &Version, now: Timestamp) -> Row {
    let (key, name) = ("refreshTokenAge", "age of the refresh token");
    let Some(created) = stored.created else { return Row::unknown(key, name, "the vault does not say it") };
    let days = i64::try_from(now.since(created).as_secs() / 86400).unwrap_or(i64::MAX);
    let left = i64::try_from(IDLE_LIFE.as_secs() / 86400).unwrap_or_default().saturating_sub(days);
    let seen = format!("stored {} ago; it expires after 90 days without use", pluralize(days, "day"));
    if left < FEW_DAYS {
        let remedy = "Let the pipeline run at least once a week, so that each run stores a newer one. If the log says \
                      that it could not be stored, give the service connection's app the role Key Vault Secrets \
                      Officer.";
        return Row::not_ok(key, name, seen, remedy.to_owned()).with(days);
    }
    Row::ok(key, name, seen).with(days)
}

async fn organization(context: &Context) -> Row {
    let (key, name) = ("organization", "organization");
    let organization = &context.access.organization;
    match connection_data::tenant_and_status(&context.http, organization).await {
        Ok((tenant, status)) => {
            let row = match &tenant {
                Tenant::Entra(tenant) => Row::ok(key, name, format!("backed by Entra tenant {tenant}")),
                Tenant::Missing => {
                    let seen = "backed by Microsoft accounts, or there is none of that name";
                    Row::not_ok(key, name, seen, NEEDS_ENTRA.to_owned())
                }
                Tenant::Untold => Row::unknown(key, name, "does not say its tenant"),
            };
            row.with(tenant_fact(&tenant, status))
        }
        Err(error) => {
            failed(key, name, &StepError::new(on(error, &format!("could not look up the tenant of {organization}"))))
        }
    }
}

/// What the service answers about an organization that does not exist, so that a name with a typing error can be told from
/// one that is backed by Microsoft accounts.
async fn no_organization(context: &Context) -> Row {
    let (key, name) = ("noOrganization", "an organization that does not exist");
    let nobodys = format!("rotate-pat-{:032x}", fastrand::u128(..));
    let Ok(nobodys) = context.access.organization.beside(&nobodys) else { return Row::unknown(key, name, "not tried") };
    match connection_data::any_tenant(&context.http, &nobodys).await {
        Ok((tenant, status)) => {
            let told = match &tenant {
                Tenant::Entra(_) => "a tenant",
                Tenant::Missing => "a tenant of zeros",
                Tenant::Untold => "no tenant",
            };
            let row = Row::ok(key, name, format!("status {status} and {told}"));
            row.expecting("404 and a tenant of zeros").with(tenant_fact(&tenant, status))
        }
        Err(error) => Row::unknown(key, name, error.to_string()),
    }
}

fn tenant_fact(tenant: &Tenant, status: u16) -> serde_json::Value {
    let tenant = match tenant {
        Tenant::Entra(_) => "entra",
        Tenant::Missing => "none",
        Tenant::Untold => "untold",
    };
    serde_json::json!({"tenant": tenant, "status": status})
}

/// The rows of the sign-in and of what the organization lets the user do.
async fn user(context: &Context, rows: &mut Vec<Row>) -> Option<AsUser> {
    let user = match sign_in::sign_in(context).await {
        Ok(user) => user,
        Err(error) => {
            rows.push(failed("signIn", "sign-in", &error));
            rows.push(Row::depends("list", "list of tokens", "\"sign-in\""));
            return None;
        }
    };
    rows.push(Row::ok("signIn", "sign-in", "got a token that acts for the user"));
    let granted = user.claims.as_ref().and_then(|claims| claims.granted());
    rows.push(match granted {
        Some(granted) => Row::ok("scopes", "scopes of the sign-in", quoted(granted)).with(granted),
        None => Row::unknown("scopes", "scopes of the sign-in", "the token does not say them"),
    });
    let organization = &context.access.organization;
    let pats = context.pats(&user.token);
    let who = connection_data::ask(&context.http, organization, Auth::Bearer(&user.token));
    let (listing, who) = tokio::join!(pats.list(), who);
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => {
            let advice = sign_in::explain_refusal(context, &user, &error).await;
            let error = StepError::new(on(error, &format!("could not list the tokens in {organization}")));
            rows.push(failed("list", "list of tokens", &error.advise_if(advice)));
            return None;
        }
    };
    context.take_date(listing.date);
    let ConnectionData { user: owner, organization: id } = match who {
        Ok(who) => who,
        Err(error) => {
            rows.push(Row::unknown("owner", "owner of the tokens", format!("could not be asked: {error}")));
            ConnectionData::default()
        }
    };
    if let Some(owner) = &owner {
        let account = if owner.account.is_empty() { &owner.id } else { &owner.account };
        rows.push(Row::ok("owner", "owner of the tokens", one_line(account)));
    }
    let ours = of_organization(&listing.pats, id.as_ref()).len();
    let others = listing.pats.len() - ours;
    let count = |count| pluralize(i64::try_from(count).unwrap_or(i64::MAX), "active token");
    let seen = format!("{}, and {others} of other organizations", count(ours));
    rows.push(Row::ok("list", "list of tokens", seen).with(serde_json::json!({"own": ours, "others": others})));
    Some(AsUser { user, owner, organization: id, listed: listing.pats })
}

/// What a rotation would do now.
fn planned(work: &RotationContext, as_user: &AsUser, records: Option<&[Record]>) -> Row {
    let (key, name) = ("plan", "plan");
    let request = &work.settings.request;
    let ours = of_organization(&as_user.listed, as_user.organization.as_ref());
    let Some(records) = records else { return Row::depends(key, name, "a destination that is not ok") };
    if let Some(run) = runs_to_ask(request, &ours).first() {
        return Row::unknown(
            key,
            name,
            format!("run {run} has a pending token; a rotation asks whether it is at work"),
        );
    }
    let known = Known {
        now: work.context.clock.now(),
        listed: &as_user.listed,
        organization: as_user.organization.as_ref(),
        liveness: &BTreeMap::new(),
        records,
    };
    let named = pluralize(i64::try_from(family(&request.name, &ours).len()).unwrap_or(i64::MAX), "token");
    match plan::plan(request, &known).decision {
        Decision::Refuse(refusal) => Row::not_ok(key, name, refusal.to_string(), refusal.advice()).with("refuse"),
        Decision::Rotate(_) => Row::ok(key, name, format!("a rotation is due; {named} of that name")).with("due"),
        Decision::UpToDate(_) => Row::ok(key, name, format!("no rotation is due; {named} of that name")).with("notDue"),
    }
}

/// A row or two for each destination, and what they hold where all can be read.
async fn places(work: &RotationContext, destinations: &Destinations<'_>) -> (Vec<Row>, Option<Vec<Record>>) {
    let places = &work.settings.publish_to;
    let read = destinations.each_record().await;
    let asked = places.iter().zip(&read).map(async |(place, read)| match read {
        Ok(_) => Some(destinations.may_write(place).await),
        Err(_) => None,
    });
    let may = join_all(asked).await;
    let mut rows = Vec::new();
    for (number, ((place, read), may)) in (1..).zip(places.iter().zip(&read).zip(may)) {
        let name = format!("destination {number}");
        let writing = format!("writing {name}");
        match read {
            Ok(_) => rows.push(Row::ok("destination", &name, format!("{place} can be read")).with(kind(place))),
            Err(error) => rows.push(failed("destination", &name, error).with(kind(place))),
        }
        rows.push(match may {
            Some(MayWrite::Yes(who)) => Row::ok("destinationWrite", writing, format!("{who} may write it")),
            Some(MayWrite::No(remedy)) => {
                Row::not_ok("destinationWrite", writing, format!("no identity may write the {place}"), remedy)
            }
            Some(MayWrite::Unknown(why)) => Row::unknown("destinationWrite", writing, why),
            None => Row::depends("destinationWrite", writing, &quoted(&name)),
        });
    }
    (rows, read.into_iter().collect::<Result<Vec<_>, _>>().ok())
}

fn kind(place: &Destination) -> &'static str {
    match place {
        Destination::KeyVault(_) => "keyVault",
        Destination::VariableGroup(_) => "variableGroup",
        Destination::ServiceConnection(_) => "serviceConnection",
    }
}
