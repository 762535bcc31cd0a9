//! The canary: a token of the smallest scope that is made, measured and revoked, to see what no document says. Nobody ever
//! gets its value, and it is revoked on every path. What it settles are the rows of [`SETTLES`].

use std::time::Duration;

use tokio::time::Instant;

use crate::azure::pats::{New, NotCreated, Pats};
use crate::check::look::AsUser;
use crate::check::measure::{CREATE, Measuring, REVOKED, SETTLES};
use crate::check::row::Row;
use crate::context::{Context, RotationContext};
use crate::failure::{StepError, UNCHANGED, on};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::pat::Pat;
use crate::model::scopes::Scopes;
use crate::model::text::quoted;
use crate::plan::{left_canaries, of_organization};
use crate::runtime::limits::Backoff;
use crate::sign_in;

/// What Azure DevOps gives for the least: to read one's own profile.
const SMALLEST_SCOPE: &str = "vso.profile";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    let rows = SETTLES.iter().map(|settled| settled.unknown(why)).collect();
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
    for settled in SETTLES {
        if !measured.rows.iter().any(|row| row.key == settled.key) {
            measured.rows.push(settled.unknown("not tried: the canary came to an end before"));
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
                let rows = vec![CREATE.not_ok(seen, error.advice())];
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
            let row = CREATE.unknown(format!("{could_not}: {error}")).with("unanswered");
            return Measured { rows: vec![row], has_made, remaining, ..Measured::default() };
        }
    };
    context.console.redact(&created.secret);
    let (mut rows, mut remaining, cancel) = (Vec::new(), Vec::new(), context.http.cancel());
    let measuring = Measuring { work, pats, as_user, created: &created, asked, sent };
    if context.console.mask(&created.secret).is_ok() {
        tokio::select! {
            () = measuring.until_revoked(&scopes, &mut rows) => {}
            () = cancel.requested() => {}
        }
    }
    let pat = &created.pat;
    match revoke(context, pats, pat).await {
        Ok(()) => {
            tokio::select! {
                () = measuring.after_revocation(&mut rows) => {}
                () = cancel.requested() => {}
            }
        }
        Err(error) => {
            rows.push(REVOKED.not_ok(error.to_string(), by_hand(pat)));
            remaining.push(remains(pat, &error));
        }
    }
    Measured { rows, has_made: true, remaining, ..Measured::default() }
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
        if context.http.pause(Service::AzureDevOps, backoff.pause()).await.is_err() {
            break;
        }
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
    match pats.revoke(&pat.id).await {
        Err(error) if !matches!(error.kind, Kind::Cancelled | Kind::Abandoned) => {}
        done => return done,
    }
    context.http.pause(Service::AzureDevOps, context.http.limits().first_propagation_pause).await?;
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
