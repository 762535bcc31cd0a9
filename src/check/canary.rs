//! The canary: a token of the smallest scope that is made, measured and revoked, to see what no document says. Nobody ever
//! gets its value, and it is revoked on every path. What it settles are the rows of [`SETTLES`].

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::azure::connection_data;
use crate::azure::pats::{Change, Created, New, NotCreated, Pats};
use crate::check::look::AsUser;
use crate::check::row::Row;
use crate::context::{Context, RotationContext};
use crate::failure::{StepError, UNCHANGED, on};
use crate::http::Auth;
use crate::model::api_error::{CallError, Service};
use crate::model::pat::Pat;
use crate::model::scopes::Scopes;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::model::timestamp::pluralize;
use crate::plan::{left_canaries, of_organization};
use crate::runtime::limits::Backoff;
use crate::sign_in;

/// The rows that a canary settles, by key and name, in the order in which it does.
const SETTLES: [(&str, &str); 10] = [
    ("create", "creation of a canary"),
    ("lifetime", "lifetime granted"),
    ("scope", "scope granted"),
    ("listed", "canary in the list"),
    ("works", "canary in use"),
    ("renameKeepsValue", "value after a rename"),
    ("renameKeepsRest", "end after a rename"),
    ("shortening", "shortened lifetime"),
    ("revoked", "revocation"),
    ("changeOfRevoked", "change of a revoked one"),
];
/// What Azure DevOps gives for the least: to read one's own profile.
const SMALLEST_SCOPE: &str = "vso.profile";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The service rounds what it stores.
const ROUNDING: Duration = Duration::from_secs(60);
const SHORTENED_TO: Duration = Duration::from_secs(12 * 60 * 60);

/// What a canary settled, and what became of it.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// Whether one may have been made.
    has_made: bool,
    /// How many the check revoked that earlier ones had left.
    cleaned: usize,
    /// A sentence on each that could not be revoked.
    pub(super) remaining: Vec<String>,
}

impl Measured {
    /// What is true now.
    pub(super) fn now(&self) -> String {
        let (own, earlier) = ("The check's own token was revoked", "tokens that earlier checks left");
        match (&self.remaining[..], self.has_made, self.cleaned > 0) {
            ([], false, false) => UNCHANGED.to_owned(),
            ([], false, true) => format!("Only {earlier} were revoked."),
            ([], true, false) => format!("{own}; nothing else was changed."),
            ([], true, true) => format!("{own}, and {earlier}; nothing else was changed."),
            (remaining, _, false) => format!("{} Nothing else was changed.", remaining.join(" ")),
            (remaining, _, true) => {
                format!(
                    "{} Others, which earlier checks left, were revoked; nothing else was changed.",
                    remaining.join(" ")
                )
            }
        }
    }
}

/// Every row that a canary would have settled, with why it did not.
pub(super) fn not_made(why: &str) -> Measured {
    let rows = SETTLES.iter().map(|(key, name)| Row::unknown(key, *name, why)).collect();
    Measured { rows, ..Measured::default() }
}

/// Cleans up canaries that were left behind; then makes one, measures and revokes it.
pub(super) async fn measure(work: &RotationContext, as_user: &AsUser) -> Measured {
    let context = &work.context;
    let pats = context.pats(&as_user.user.token);
    let (cleaned, left) = clean(work, &pats, as_user).await;
    let mut measured = if let Err(error) = context.check_wanted() {
        not_made(&format!("not tried: {error:#}"))
    } else {
        make_and_measure(work, &pats, as_user).await
    };
    for (key, name) in SETTLES {
        if !measured.rows.iter().any(|row| row.key == key) {
            measured.rows.push(Row::unknown(key, name, "not tried: the canary came to an end before"));
        }
    }
    measured.cleaned = cleaned;
    measured.remaining.extend(left);
    measured
}

async fn make_and_measure(work: &RotationContext, pats: &Pats<'_>, as_user: &AsUser) -> Measured {
    let context = &work.context;
    let request = &work.settings.request;
    let display_name = request.name.canary(&request.run);
    let Ok(scopes) = Scopes::parse(SMALLEST_SCOPE) else { return not_made("not tried") };
    let could_not = format!("could not create {}", quoted(&display_name));
    let (key, name) = SETTLES[0];
    let limits = context.http.limits();
    let (mut tries, mut backoff, mut has_made) = (limits.creations, Backoff::new(limits), false);
    let (created, asked, sent) = loop {
        let asked = context.clock.now().plus(DAY * u32::from(request.valid_for_days));
        let (new, sent) = (New { display_name: &display_name, scopes: &scopes, valid_to: asked }, Instant::now());
        let error = match pats.create_unless_cancelled(&new).await {
            Ok(created) => break (created, asked, sent),
            Err(NotCreated::Refused(error)) => {
                let advice = sign_in::explain_refusal(context, &as_user.user, &error).await;
                let error = StepError::new(on(error, &could_not)).advise_if(advice);
                let seen = format!("{error}; a rotation would be refused too");
                let rows = vec![Row::not_ok(key, name, seen, error.advice())];
                return Measured { rows, has_made, ..Measured::default() };
            }
            Err(NotCreated::Ambiguous(error)) => error,
        };
        let mut remaining = Vec::new();
        if !error.is_certainly_undone() {
            has_made = true;
            remaining = find_and_revoke(work, pats, as_user).await;
        }
        tries = tries.saturating_sub(1);
        let is_last = tries == 0 || !remaining.is_empty() || context.check_wanted().is_err();
        if is_last || context.http.pause(Service::AzureDevOps, backoff.pause()).await.is_err() {
            let row = Row::unknown(key, name, format!("{could_not}: {error}")).with("unanswered");
            return Measured { rows: vec![row], has_made, remaining, ..Measured::default() };
        }
    };
    context.console.redact(&created.secret);
    let (mut rows, cancel) = (Vec::new(), context.http.cancel());
    if context.console.mask(&created.secret).is_ok() {
        let measuring = Measuring { context, pats, as_user, created: &created, sent };
        tokio::select! {
            () = measuring.until_revoked(asked, &scopes, &mut rows) => {}
            () = cancel.requested() => {}
        }
    }
    let (pat, mut remaining) = (&created.pat, Vec::new());
    match revoke(context, pats, pat).await {
        Ok(()) if cancel.is_requested() => {}
        Ok(()) => after_revocation(context, pats, &created, &mut rows).await,
        Err(error) => {
            let (key, name) = SETTLES[8];
            rows.push(Row::not_ok(key, name, error.to_string(), by_hand(pat)));
            remaining.push(remains(pat, &error));
        }
    }
    Measured { rows, has_made: true, remaining, ..Measured::default() }
}

/// A canary that exists.
struct Measuring<'a> {
    context: &'a Context,
    pats: &'a Pats<'a>,
    as_user: &'a AsUser,
    created: &'a Created,
    sent: Instant,
}

impl Measuring<'_> {
    /// Everything but the revocation.
    async fn until_revoked(&self, asked: crate::model::timestamp::Timestamp, scopes: &Scopes, rows: &mut Vec<Row>) {
        let pat = &self.created.pat;
        let row = |at: usize| SETTLES[at];
        let (key, name) = row(0);
        rows.push(Row::ok(key, name, format!("{} ({})", quoted(&pat.display_name), pat.id)));
        let (key, name) = row(1);
        let (granted, wanted) = (pat.valid_to.days_left(pat.valid_from), asked.days_left(self.context.clock.now()));
        let days = pluralize(granted, "day");
        let facts = serde_json::json!({"asked": wanted, "granted": granted});
        rows.push(if asked.since(pat.valid_to) > ROUNDING {
            let remedy = format!("Set `validForDays` to at most {granted}, or ask for a longer maximum lifespan.");
            let seen = format!("{days} granted: a policy caps lifetimes, and a rotation would get no more");
            Row::not_ok(key, name, seen, remedy).with(facts)
        } else {
            Row::ok(key, name, format!("{days} granted")).with(facts)
        });
        let (key, name) = row(2);
        let scope = Row::ok(key, name, quoted(pat.scopes.as_str())).with(pat.scopes.as_str());
        rows.push(if pat.scopes.is_same(scopes) { scope } else { scope.expecting(SMALLEST_SCOPE) });

        rows.push(self.wait_until_listed().await);
        rows.push(self.wait_until_it_works().await);

        let change = Change { id: &pat.id, display_name: &pat.display_name, scopes: &pat.scopes, valid_to: None };
        let renamed = self.pats.update(&change).await;
        let (key, name) = row(6);
        match renamed {
            Err(error) => {
                let error = StepError::new(on(error, "could not rename it"));
                rows.push(Row::not_ok(key, name, error.to_string(), error.advice()));
                return;
            }
            Ok(renamed) => {
                let (key, name) = row(5);
                rows.push(match self.accepted().await {
                    Ok(true) => Row::ok(key, name, "works as before").expecting("works").with(true),
                    Ok(false) => Row::not_ok(
                        key,
                        name,
                        "no longer works: the rename changed it, and a rotation refuses to go on",
                        "Do not rotate in this organization, and report this to us.".to_owned(),
                    )
                    .expecting("works")
                    .with(false),
                    Err(error) => Row::unknown(key, name, error.to_string()),
                });
                let (key, name) = row(6);
                let moved = renamed.valid_to.since(pat.valid_to).max(pat.valid_to.since(renamed.valid_to));
                rows.push(if moved > ROUNDING {
                    let seen = format!("its end moved from {} to {}", pat.valid_to, renamed.valid_to);
                    let remedy = "Do not rotate in this organization, and report this to us.".to_owned();
                    Row::not_ok(key, name, seen, remedy).expecting("nothing changes").with(false)
                } else {
                    Row::ok(key, name, "stays as it was").expecting("nothing changes").with(true)
                });
            }
        }
        let (key, name) = row(7);
        let end = self.context.clock.now().plus(SHORTENED_TO);
        let change = Change { valid_to: Some(end), ..change };
        rows.push(match self.pats.update(&change).await {
            Ok(now) if now.valid_to.since(end) <= ROUNDING => {
                Row::ok(key, name, "ends in 12 hours").expecting("12 hours").with(true)
            }
            Ok(now) => {
                let seen =
                    format!("still ends at {}: an old token ends only when a later run revokes it", now.valid_to);
                Row::ok(key, name, seen).expecting("12 hours").with(false)
            }
            Err(error) => Row::unknown(key, name, format!("could not be shortened: {error}")),
        });
    }

    async fn wait_until_listed(&self) -> Row {
        let (key, name) = SETTLES[3];
        let limits = self.context.http.limits();
        let mut backoff = Backoff::of_new_token(limits);
        loop {
            match self.pats.list().await {
                Err(error) => return Row::unknown(key, name, error.to_string()),
                Ok(listing) if listing.pats.iter().any(|pat| pat.id == self.created.pat.id) => {
                    return self.after(key, name, "listed");
                }
                Ok(_) => {}
            }
            let pause = backoff.pause();
            if self.sent.elapsed() + pause > limits.propagation {
                let remedy = "Run again; if it stays so, report this to us.".to_owned();
                return Row::not_ok(key, name, "does not show in the list", remedy);
            }
            if let Err(error) = self.context.http.pause(Service::AzureDevOps, pause).await {
                return Row::unknown(key, name, error.to_string());
            }
        }
    }

    async fn wait_until_it_works(&self) -> Row {
        let (key, name) = SETTLES[4];
        let limits = self.context.http.limits();
        let mut backoff = Backoff::of_new_token(limits);
        let mut pause = limits.first_use.saturating_sub(self.sent.elapsed());
        loop {
            if let Err(error) = self.context.http.pause(Service::AzureDevOps, pause).await {
                return Row::unknown(key, name, error.to_string());
            }
            match self.accepted().await {
                Ok(true) => return self.after(key, name, "accepted"),
                Ok(false) => {}
                Err(error) => return Row::unknown(key, name, error.to_string()),
            }
            pause = backoff.pause();
            if self.sent.elapsed() + pause > limits.propagation {
                let seen = format!("still refused after {} s", limits.propagation.as_secs());
                let remedy = "Find out whether a policy of the organization blocks new tokens of this user.".to_owned();
                return Row::not_ok(key, name, seen, remedy);
            }
        }
    }

    fn after(&self, key: &'static str, name: &str, what: &str) -> Row {
        let seconds = self.sent.elapsed().as_secs();
        Row::ok(key, name, format!("{what} after {seconds} s")).expecting("within seconds").with(seconds)
    }

    /// Whether the value is let in, for the user who made it.
    async fn accepted(&self) -> Result<bool, CallError> {
        let owner = self.as_user.owner.as_ref().map(|owner| owner.id.as_str());
        accepted(self.context, &self.created.secret, owner).await
    }
}

async fn accepted(context: &Context, value: &Secret, owner: Option<&str>) -> Result<bool, CallError> {
    match connection_data::identity(&context.http, &context.access.organization, Auth::Pat(value)).await {
        Ok(who) => Ok(who.is_some_and(|who| owner.is_none_or(|owner| who.id == owner))),
        Err(error) if error.is_about_signing_in() => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long the service still lets it in, and how it answers about one that is gone.
async fn after_revocation(context: &Context, pats: &Pats<'_>, created: &Created, rows: &mut Vec<Row>) {
    let (key, name) = SETTLES[8];
    let limits = context.http.limits();
    let (revoked, mut backoff) = (Instant::now(), Backoff::of_new_token(limits));
    let row = loop {
        match accepted(context, &created.secret, None).await {
            Ok(true) => {}
            Ok(false) => {
                let seconds = revoked.elapsed().as_secs();
                break Row::ok(key, name, format!("refused after {seconds} s")).with(seconds);
            }
            Err(error) => break Row::ok(key, name, format!("whether it is refused was not told: {error}")),
        }
        let pause = backoff.pause();
        if revoked.elapsed() + pause > limits.repeat_within {
            let seconds = limits.repeat_within.as_secs();
            break Row::ok(key, name, format!("still accepted after {seconds} s, which is no fault")).with("accepted");
        }
        if let Err(error) = context.http.pause(Service::AzureDevOps, pause).await {
            break Row::ok(key, name, format!("whether it is refused was not told: {error}"));
        }
    };
    rows.push(row.expecting("refused within an hour"));
    let (key, name) = SETTLES[9];
    let pat = &created.pat;
    let change = Change { id: &pat.id, display_name: &pat.display_name, scopes: &pat.scopes, valid_to: None };
    rows.push(match pats.update_once(&change).await {
        Ok(_) => Row::ok(key, name, "accepted").expecting("refused").with("accepted"),
        Err(error) => {
            let fact = error.refusal().map(|(status, code)| format!("{status} {code}"));
            Row::ok(key, name, error.to_string()).expecting("refused").with(fact)
        }
    });
}

/// Revokes canaries of this run, and those that are old enough to have been left behind.
async fn clean(work: &RotationContext, pats: &Pats<'_>, as_user: &AsUser) -> (usize, Vec<String>) {
    let (name, run, now) = (&work.settings.request.name, &work.settings.request.run, work.context.clock.now());
    let organization = as_user.organization.as_ref();
    let mut left = left_canaries(name, &as_user.listed, organization, now);
    let is_own = |pat: &Pat| name.canary_of(&pat.display_name).is_some_and(|of| run.is_own(&of));
    let own = of_organization(&as_user.listed, organization).into_iter().filter(is_own);
    let own: Vec<Pat> = own.filter(|pat| !left.iter().any(|known| known.id == pat.id)).collect();
    left.extend(own);
    revoke_all(&work.context, pats, left.into_iter()).await
}

/// Finds a canary whose creation was not answered, by its name, and revokes it. It may show late.
async fn find_and_revoke(work: &RotationContext, pats: &Pats<'_>, as_user: &AsUser) -> Vec<String> {
    let context = &work.context;
    let display_name = work.settings.request.name.canary(&work.settings.request.run);
    let limits = context.http.limits();
    let mut backoff = Backoff::of_new_token(limits);
    let mut seen = None;
    for _ in 0..limits.looks {
        match pats.list().await {
            Ok(listing) => {
                let is_new = |pat: &Pat| !as_user.listed.iter().any(|known| known.id == pat.id);
                let ours: Vec<Pat> =
                    listing.pats.into_iter().filter(|pat| pat.display_name == display_name && is_new(pat)).collect();
                if !ours.is_empty() {
                    return revoke_all(context, pats, ours.into_iter()).await.1;
                }
                seen = None;
            }
            Err(error) => seen = Some(error),
        }
        // A cancelled run has a few seconds left.
        if context.http.cancel().is_requested() {
            break;
        }
        sleep(backoff.pause()).await;
    }
    let why = seen.map_or("it does not show in the list".to_owned(), |error| error.to_string());
    vec![format!(
        "Whether {} exists is not known ({why}); nobody knows its value, and a run after an hour revokes it.",
        quoted(&display_name)
    )]
}

/// How many could be revoked, and a sentence on each that could not.
async fn revoke_all(context: &Context, pats: &Pats<'_>, left: impl Iterator<Item = Pat>) -> (usize, Vec<String>) {
    let (mut revoked, mut remaining) = (0, Vec::new());
    for pat in left {
        match revoke(context, pats, &pat).await {
            Ok(()) => {
                revoked += 1;
                context.console.say(&format!("revoked {} ({})", quoted(&pat.display_name), pat.id));
            }
            Err(error) => remaining.push(remains(&pat, &error)),
        }
    }
    (revoked, remaining)
}

/// Revokes a canary; once more where that was refused, as nobody else would.
async fn revoke(context: &Context, pats: &Pats<'_>, pat: &Pat) -> Result<(), CallError> {
    if pats.revoke(&pat.id).await.is_ok() {
        return Ok(());
    }
    sleep(context.http.limits().first_propagation_pause).await;
    pats.revoke(&pat.id).await
}

fn remains(pat: &Pat, error: &CallError) -> String {
    let state = if error.maybe_applied { "may not be revoked" } else { "could not be revoked" };
    format!(
        "The check's own token, {} ({}), {state} ({error}); nobody holds it, and a run after an hour revokes it.",
        quoted(&pat.display_name),
        pat.id
    )
}

fn by_hand(pat: &Pat) -> String {
    format!("Revoke {} by hand, or check again.", quoted(&pat.display_name))
}
