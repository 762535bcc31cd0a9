//! What a living canary, and a revoked one, show of the service: one row for each thing that no document says.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::azure::connection_data;
use crate::azure::pats::{Change, Created, Pats};
use crate::azure::projects;
use crate::check::look::AsUser;
use crate::check::row::{Outcome, Row};
use crate::context::RotationContext;
use crate::failure::{StepError, on};
use crate::http::Auth;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::pat::{AuthorizationId, Pat, Reach};
use crate::model::scopes::Scopes;
use crate::model::text::quoted;
use crate::model::timestamp::{Timestamp, pluralize};
use crate::runtime::limits::Backoff;

/// A row that a canary settles.
pub(super) struct Settled {
    pub(super) key: &'static str,
    name: &'static str,
}

pub(super) const CREATE: Settled = Settled { key: "create", name: "creation of a canary" };
const LIFETIME: Settled = Settled { key: "lifetime", name: "lifetime granted" };
const SCOPE: Settled = Settled { key: "scope", name: "scope granted" };
const REACH: Settled = Settled { key: "reach", name: "organizations reached" };
const LISTED: Settled = Settled { key: "listed", name: "canary in the list" };
const FOUND: Settled = Settled { key: "foundById", name: "canary by its id" };
const WORKS: Settled = Settled { key: "works", name: "canary in use" };
const WITHOUT_SCOPE: Settled = Settled { key: "withoutScope", name: "call without its scope" };
const KEEPS_VALUE: Settled = Settled { key: "renameKeepsValue", name: "value after a rename" };
const KEEPS_END: Settled = Settled { key: "renameKeepsRest", name: "end after a rename" };
const NAME: Settled = Settled { key: "oddName", name: "name with & ' and a letter beyond Latin" };
const NAME_ALONE: Settled = Settled { key: "renameAlone", name: "update of id and name only" };
const SHORTENING: Settled = Settled { key: "shortening", name: "shortened lifetime" };
pub(super) const REVOKED: Settled = Settled { key: "revoked", name: "revocation" };
const CHANGE_OF_REVOKED: Settled = Settled { key: "changeOfRevoked", name: "update of a revoked token" };
const REVOCATION_OF_REVOKED: Settled = Settled { key: "revocationOfRevoked", name: "revocation of a revoked token" };
const CHANGE_OF_UNKNOWN: Settled = Settled { key: "changeOfUnknown", name: "update of an unknown id" };
const REVOCATION_OF_UNKNOWN: Settled = Settled { key: "revocationOfUnknown", name: "revocation of an unknown id" };

/// All of them, in the order in which they are settled.
pub(super) const SETTLES: [&Settled; 18] = [
    &CREATE,
    &LIFETIME,
    &SCOPE,
    &REACH,
    &LISTED,
    &FOUND,
    &WORKS,
    &WITHOUT_SCOPE,
    &KEEPS_VALUE,
    &KEEPS_END,
    &NAME,
    &NAME_ALONE,
    &SHORTENING,
    &REVOKED,
    &CHANGE_OF_REVOKED,
    &REVOCATION_OF_REVOKED,
    &CHANGE_OF_UNKNOWN,
    &REVOCATION_OF_UNKNOWN,
];

/// The service rounds what it stores.
const ROUNDING: Duration = Duration::from_secs(60);
const SHORTENED_TO: Duration = Duration::from_secs(12 * 60 * 60);
const DO_NOT_ROTATE: &str = "Do not rotate in this organization, and report this to us.";

impl Settled {
    pub(super) fn ok(&self, seen: impl Into<String>) -> Row {
        Row::ok(self.key, self.name, seen)
    }

    pub(super) fn not_ok(&self, seen: impl Into<String>, remedy: impl Into<String>) -> Row {
        Row::not_ok(self.key, self.name, seen, remedy.into())
    }

    pub(super) fn unknown(&self, seen: impl Into<String>) -> Row {
        Row::unknown(self.key, self.name, seen)
    }

    /// How the service answers what it should refuse.
    fn answered(&self, answer: Result<(), CallError>) -> Row {
        match answer {
            Ok(()) => self.ok("accepted").with("accepted"),
            Err(error) => match answer_of(&error) {
                Some(fact) => self.ok(error.to_string()).with(fact),
                None => return self.unknown(error.to_string()),
            },
        }
        .expecting("refused")
    }
}

/// Status and type of a refusal.
fn answer_of(error: &CallError) -> Option<String> {
    let (status, code) = match &error.kind {
        Kind::Refused { status, code, .. } => (status, code.as_str()),
        Kind::Busy { status, code, .. } => (status, &**code),
        _ => return None,
    };
    Some(format!("{status} {code}").trim_end().to_owned())
}

/// A canary that was made.
pub(super) struct Measuring<'a> {
    pub(super) work: &'a RotationContext,
    pub(super) pats: &'a Pats<'a>,
    pub(super) as_user: &'a AsUser,
    pub(super) created: &'a Created,
    /// The end that was asked for.
    pub(super) asked: Timestamp,
    /// When the creation was sent.
    pub(super) sent: Instant,
}

impl Measuring<'_> {
    /// Everything but the revocation.
    pub(super) async fn until_revoked(&self, scopes: &Scopes, rows: &mut Vec<Row>) {
        let pat = &self.created.pat;
        rows.push(CREATE.ok(format!("{} ({})", quoted(&pat.display_name), pat.id)));
        rows.push(self.lifetime());
        let scope = SCOPE.ok(quoted(pat.scopes.as_str())).with(pat.scopes.as_str());
        rows.push(if pat.scopes.is_same(scopes) { scope } else { scope.expecting(scopes.as_str()) });
        rows.push(self.reach());
        let (listed, found, works) =
            tokio::join!(self.wait_until_listed(), self.wait_until_found(), self.wait_until_it_works());
        let without_scope = match works.outcome {
            Outcome::Ok => self.without_scope().await,
            _ => WITHOUT_SCOPE.unknown(format!("not tried: it depends on {}", WORKS.name)),
        };
        rows.extend([listed, found, works, without_scope]);
        match self.pats.update(&self.change(None)).await {
            Err(error) => {
                let error = StepError::new(on(error, "could not rename it"));
                rows.push(KEEPS_END.not_ok(error.to_string(), error.advice()));
            }
            Ok(renamed) => {
                rows.push(self.value_after_a_rename().await);
                rows.push(self.end_after_a_rename(renamed.valid_to));
                self.rename_alone(rows).await;
            }
        }
        rows.push(self.shorten().await);
    }

    /// A rename to its own name, and with it the scopes as before. It also takes back the odd name.
    fn change(&self, valid_to: Option<Timestamp>) -> Change<'_> {
        let pat = &self.created.pat;
        Change { id: &pat.id, display_name: &pat.display_name, scopes: &pat.scopes, valid_to }
    }

    fn lifetime(&self) -> Row {
        let pat = &self.created.pat;
        let (granted, wanted) =
            (pat.valid_to.days_left(pat.valid_from), self.asked.days_left(self.work.context.clock.now()));
        let days = pluralize(granted, "day");
        let row = if self.asked.since(pat.valid_to) > ROUNDING {
            let remedy = format!("Set `validForDays` to at most {granted}, or ask for a longer maximum lifespan.");
            let seen = format!("{days} granted: a policy caps lifetimes, and a rotation would get no more");
            LIFETIME.not_ok(seen, remedy)
        } else {
            LIFETIME.ok(format!("{days} granted"))
        };
        row.with(json!({"asked": wanted, "granted": granted}))
    }

    fn reach(&self) -> Row {
        let own = self.as_user.organization.as_ref();
        let row = match &self.created.pat.reach {
            Reach::Organizations(ids) if ids.iter().all(|id| own.is_none_or(|own| own == id)) => {
                REACH.ok("this one alone").with("own")
            }
            Reach::Organizations(_) => REACH
                .not_ok("another one: a rotation takes its own new token for a stranger's", DO_NOT_ROTATE)
                .with("other"),
            Reach::All => {
                REACH.not_ok("all of the user's: a rotation never counts such a token", DO_NOT_ROTATE).with("all")
            }
        };
        row.expecting("this one alone")
    }

    async fn wait_until_listed(&self) -> Row {
        let id = &self.created.pat.id;
        let is_listed = async || Ok(self.pats.list().await?.pats.iter().any(|pat| pat.id == *id));
        match self.wait(Duration::ZERO, is_listed).await {
            Ok(true) => self.after(&LISTED, "listed"),
            Ok(false) => LISTED.not_ok("does not show in the list", "Run again; if it stays so, report this to us."),
            Err(error) => LISTED.unknown(error.to_string()),
        }
    }

    async fn wait_until_found(&self) -> Row {
        let is_found = async || match self.pats.get(&self.created.pat.id).await {
            Ok(shown) => Ok(shown.pat.id == self.created.pat.id),
            Err(error) if answer_of(&error).is_some() && !error.is_about_signing_in() => Ok(false),
            Err(error) => Err(error),
        };
        match self.wait(Duration::ZERO, is_found).await {
            Ok(true) => self.after(&FOUND, "found"),
            // A rotation never asks for a token by its id.
            Ok(false) => FOUND.ok("not found").expecting("within seconds").with("not found"),
            Err(error) => FOUND.unknown(error.to_string()),
        }
    }

    async fn wait_until_it_works(&self) -> Row {
        let limits = self.work.context.http.limits();
        let first = limits.first_use.saturating_sub(self.sent.elapsed());
        match self.wait(first, async || self.accepted(true).await).await {
            Ok(true) => self.after(&WORKS, "accepted"),
            Ok(false) => WORKS.not_ok(
                format!("still refused after {} s", limits.propagation.as_secs()),
                "Find out whether a policy of the organization blocks new tokens of this user.",
            ),
            Err(error) => WORKS.unknown(error.to_string()),
        }
    }

    /// How a call is refused whose scope it lacks: like one with a token that does not work, or otherwise.
    async fn without_scope(&self) -> Row {
        let context = &self.work.context;
        WITHOUT_SCOPE.answered(projects::ask(&context.http, &context.access.organization, &self.created.secret).await)
    }

    /// Whether it became so in the time that a new token is given.
    async fn wait(
        &self,
        first_pause: Duration,
        is_so: impl AsyncFn() -> Result<bool, CallError>,
    ) -> Result<bool, CallError> {
        let http = &self.work.context.http;
        let (limits, mut pause) = (http.limits(), first_pause);
        let mut backoff = Backoff::of_new_token(limits);
        loop {
            http.pause(Service::AzureDevOps, pause).await?;
            if is_so().await? {
                return Ok(true);
            }
            pause = backoff.pause();
            if self.sent.elapsed() + pause > limits.propagation {
                return Ok(false);
            }
        }
    }

    fn after(&self, settled: &Settled, what: &str) -> Row {
        let seconds = self.sent.elapsed().as_secs();
        settled.ok(format!("{what} after {seconds} s")).expecting("within seconds").with(seconds)
    }

    /// Whether the value is let in, and for the user who made it where that is asked.
    async fn accepted(&self, is_owner_asked: bool) -> Result<bool, CallError> {
        let context = &self.work.context;
        let owner = self.as_user.owner.as_ref().filter(|_| is_owner_asked);
        let auth = Auth::Pat(&self.created.secret);
        match connection_data::identity(&context.http, &context.access.organization, auth).await {
            Ok(who) => Ok(who.is_some_and(|who| owner.is_none_or(|owner| who.id == owner.id))),
            Err(error) if error.is_about_signing_in() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn value_after_a_rename(&self) -> Row {
        let row = match self.accepted(true).await {
            Ok(true) => KEEPS_VALUE.ok("works as before").with(true),
            Ok(false) => KEEPS_VALUE
                .not_ok("no longer works: the rename changed it, and a rotation refuses to go on", DO_NOT_ROTATE)
                .with(false),
            Err(error) => KEEPS_VALUE.unknown(error.to_string()),
        };
        row.expecting("works")
    }

    fn end_after_a_rename(&self, now: Timestamp) -> Row {
        let before = self.created.pat.valid_to;
        let row = if has_moved(before, now) {
            KEEPS_END.not_ok(format!("its end moved from {before} to {now}"), DO_NOT_ROTATE).with(false)
        } else {
            KEEPS_END.ok("stays as it was").with(true)
        };
        row.expecting("nothing changes")
    }

    /// Renames it by id and name alone, to a name that a service may store as another one, and looks at what stayed.
    async fn rename_alone(&self, rows: &mut Vec<Row>) {
        let (before, request) = (&self.created.pat, &self.work.settings.request);
        let odd = request.name.odd_canary(&request.run);
        let shown = match self.pats.rename_alone(&before.id, &odd).await {
            // The reply could repeat what was sent.
            Ok(_) => self.pats.get(&before.id).await,
            Err(error) => Err(error),
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                rows.push(NAME.unknown(error.to_string()));
                rows.push(NAME_ALONE.unknown(error.to_string()).with(answer_of(&error)));
                return;
            }
        };
        let row = match shown.pat.display_name == odd {
            true if shown.written_name == odd => NAME.ok("read back as it was sent").with("same"),
            true => NAME.ok("read back HTML-encoded, and decoded by this task").with("encoded"),
            false if request.name.as_str().is_ascii() => {
                NAME.ok(format!("read back as {}", quoted(&shown.written_name))).with("changed")
            }
            false => {
                let seen =
                    format!("read back as {}: a rotation would not know its tokens again", quoted(&shown.written_name));
                NAME.not_ok(seen, "Use only Latin letters, digits and blanks in `patName`.").with("changed")
            }
        };
        rows.push(row.expecting("as it was sent"));
        rows.push(stayed(before, &shown.pat));
    }

    async fn shorten(&self) -> Row {
        let end = self.work.context.clock.now().plus(SHORTENED_TO);
        let row = match self.pats.update(&self.change(Some(end))).await {
            Ok(now) if now.valid_to.since(end) <= ROUNDING => SHORTENING.ok("ends in 12 hours").with(true),
            Ok(now) => {
                let seen =
                    format!("still ends at {}: an old token ends only when a later run revokes it", now.valid_to);
                SHORTENING.ok(seen).with(false)
            }
            Err(error) => SHORTENING.unknown(format!("could not be shortened: {error}")),
        };
        row.expecting("12 hours")
    }

    /// How long the service still lets it in, and how it answers about one that is gone.
    pub(super) async fn after_revocation(&self, rows: &mut Vec<Row>) {
        rows.push(self.wait_until_refused().await.expecting("refused within an hour"));
        let change = self.change(None);
        rows.push(CHANGE_OF_REVOKED.answered(self.pats.update_once(&change).await.map(drop)));
        rows.push(REVOCATION_OF_REVOKED.answered(self.pats.revoke_once(change.id).await));
        let Some(unknown) = AuthorizationId::parse(&random_guid()) else { return };
        let change = Change { id: &unknown, ..change };
        rows.push(CHANGE_OF_UNKNOWN.answered(self.pats.update_once(&change).await.map(drop)));
        rows.push(REVOCATION_OF_UNKNOWN.answered(self.pats.revoke_once(&unknown).await));
    }

    async fn wait_until_refused(&self) -> Row {
        let http = &self.work.context.http;
        let (revoked, mut backoff) = (Instant::now(), Backoff::of_new_token(http.limits()));
        let untold = |error: CallError| REVOKED.ok(format!("whether it is refused was not told: {error}"));
        loop {
            match self.accepted(false).await {
                Ok(true) => {}
                Ok(false) => {
                    let seconds = revoked.elapsed().as_secs();
                    return REVOKED.ok(format!("refused after {seconds} s")).with(seconds);
                }
                Err(error) => return untold(error),
            }
            let pause = backoff.pause();
            let limit = http.limits().repeat_within;
            if revoked.elapsed() + pause > limit {
                let seen = format!("still accepted after {} s, which is no fault", limit.as_secs());
                return REVOKED.ok(seen).with("accepted");
            }
            if let Err(error) = http.pause(Service::AzureDevOps, pause).await {
                return untold(error);
            }
        }
    }
}

/// What an update of id and name alone left of the rest.
fn stayed(before: &Pat, now: &Pat) -> Row {
    let (has_scope, has_end) = (now.scopes.is_same(&before.scopes), !has_moved(before.valid_to, now.valid_to));
    let seen = match (has_scope, has_end) {
        (true, true) => "scope and end stay".to_owned(),
        (false, true) => format!("the scope becomes {}; the end stays", quoted(now.scopes.as_str())),
        (true, false) => format!("the end becomes {}; the scope stays", now.valid_to),
        (false, false) => format!("the scope becomes {}, and the end {}", quoted(now.scopes.as_str()), now.valid_to),
    };
    let fact: Value = json!({"scopeStays": has_scope, "endStays": has_end});
    NAME_ALONE.ok(seen).expecting("scope and end stay").with(fact)
}

fn has_moved(before: Timestamp, now: Timestamp) -> bool {
    now.since(before).max(before.since(now)) > ROUNDING
}

/// An id that no token has.
fn random_guid() -> String {
    let digits = format!("{:032x}", fastrand::u128(..));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
