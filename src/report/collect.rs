//! The tokens of every user of an organization: pages of users, and a list of tokens for each user. Requests run
//! concurrently as far as the service allows. Each owner's tokens are passed on at once; only the users seen are kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::azure::graph::{self, Page};
use crate::azure::token_admin::{self, Listing};
use crate::context::Context;
use crate::failure::{Failure, StepError, UNCHANGED, on};
use crate::model::api_error::{CallError, Kind};
use crate::model::inventory::Owner;
use crate::model::timestamp::pluralize;
use crate::report::coverage::Coverage;
use crate::report::people::{Caller, FRUITLESS, Named, count};
use crate::report::progress::Progress;
use crate::report::throttle::Throttle;
use crate::report::writer::ReportWriter;
use crate::settings::{ReportSettings, Source};
use crate::sign_in::{self, UserToken};

/// The next page of users is requested when fewer users than this wait for their list of tokens.
const AHEAD: usize = 64;
/// After this many refused lists and none that succeeded, the cause is not a single user.
const REFUSED: usize = 8;
/// Consecutive failures after which the report stops.
const FAILURES: usize = 5;
/// Consecutive access tokens without a successful list, after which the report does not sign in again. One of them may
/// have expired before it was used.
const IN_VAIN: u8 = 2;
/// A rate limit without a time counts as this many of the longest pauses: half a minute.
const UNTIMED_REST: u32 = 3;

enum Answer {
    Page(Result<Page, CallError>),
    Counted(Option<usize>),
    Tokens(Waiting, Result<Option<Listing>, CallError>),
}

/// A user whose list of tokens was not received yet.
struct Waiting {
    owner: Owner,
    /// Access tokens that were refused for this user; after the third, the cause is the user.
    refusals: u8,
}

type Asked<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = (usize, Answer)> + 'a>>>;

/// The progress in the list of users.
enum Users {
    At(Option<String>),
    Asked(Option<String>),
    Read,
}

/// The number of all users.
enum Total {
    Unknown,
    /// Will be counted from this page on.
    Wanted(Option<String>),
    Known(usize),
}

struct Gathering<'a> {
    context: &'a Context,
    user: Rc<UserToken>,
    /// The number of sign-ins. Responses to an earlier access token say nothing about the current one.
    sign_ins: usize,
    /// The number of sign-ins since the last successful list; `None` before the first list.
    in_vain: Option<u8>,
    pace: Throttle,
    started: Instant,
    until: Instant,
    users: Users,
    /// Access tokens that were refused for the next page of users; after the third, the cause is the page.
    refusals: u8,
    fruitless: usize,
    /// Why the list of users could not be read to its end.
    cut: Option<String>,
    waiting: VecDeque<Waiting>,
    caller: Caller,
    named: Named,
    total: Total,
    under_way: usize,
    failures: usize,
    first_refusal: Option<CallError>,
    reach: Coverage,
}

pub(super) async fn collect(
    context: &Context,
    settings: &ReportSettings,
    sheets: &mut ReportWriter<'_>,
) -> Result<Coverage, Failure> {
    let limits = context.http.limits();
    let until = Instant::now() + limits.minute * u32::from(settings.max_minutes);
    let cancel = context.http.cancel();
    let minutes = pluralize(settings.max_minutes.into(), "minute");
    let user = tokio::select! {
        user = sign_in::sign_in(context) => user.map_err(|error| error.now(UNCHANGED))?,
        () = cancel.requested() => return Err(StepError::cancelled().now(UNCHANGED)),
        () = sleep_until(until) => return Err(out_of_time(settings, "signing in had not ended by then")),
    };
    let mut gathering = Gathering {
        context,
        caller: Caller::of(&user),
        user: Rc::new(user),
        sign_ins: 1,
        in_vain: None,
        pace: Throttle::default(),
        started: Instant::now(),
        until,
        users: Users::At(None),
        refusals: 0,
        fruitless: 0,
        cut: None,
        waiting: VecDeque::new(),
        named: Named::default(),
        total: Total::Unknown,
        under_way: 0,
        failures: 0,
        first_refusal: None,
        reach: Coverage::default(),
    };
    let mut progress = interval(limits.progress);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    progress.reset();
    let mut asked = Asked::new();
    while gathering.reach.stopped.is_none() {
        let rest = gathering.pace.rest(gathering.started.elapsed());
        if rest.is_zero() {
            gathering.ask(&mut asked);
        }
        if gathering.is_done() {
            break;
        }
        if !rest.is_zero() && Instant::now() + rest >= until && !gathering.waits_for_lists() {
            let wait = pluralize(i64::try_from(rest.as_secs().div_ceil(60)).unwrap_or(i64::MAX), "minute");
            gathering.stop(format!("Azure DevOps asks to wait {wait}, longer than `maxMinutes` ({minutes}) leaves"));
            break;
        }
        tokio::select! {
            biased;
            () = cancel.requested() => {
                gathering.reach.is_cancelled = true;
                gathering.stop("the run was cancelled".to_owned());
            }
            () = sleep_until(until) => {
                gathering.stop(format!("`maxMinutes` ended it after {minutes}"));
            }
            Some((sign_in, answer)) = asked.next(), if !asked.is_empty() => gathering.take(sign_in, answer, sheets).await?,
            _ = progress.tick() => gathering.say(sheets),
            () = sleep(rest), if !rest.is_zero() => {}
        }
    }
    drop(asked);
    gathering.end().await
}

impl<'a> Gathering<'a> {
    fn is_done(&self) -> bool {
        matches!(self.users, Users::Read) && self.waiting.is_empty() && self.under_way == 0
    }

    fn waits_for_lists(&self) -> bool {
        self.under_way > 0 || matches!(self.users, Users::Asked(_))
    }

    /// Starts as many requests as allowed: a page of users if few users wait, and the lists of the waiting users.
    fn ask(&mut self, asked: &mut Asked<'a>) {
        let (context, sign_in) = (self.context, self.sign_ins);
        if let Users::At(at) = &mut self.users
            && self.waiting.len() < AHEAD
        {
            let (at, user) = (at.take(), Rc::clone(&self.user));
            self.users = Users::Asked(at.clone());
            asked.push(Box::pin(async move {
                let page = graph::users(&context.http, &context.access.organization, &user.token, at.as_deref()).await;
                (sign_in, Answer::Page(page))
            }));
        }
        while self.under_way < self.pace.width() {
            let Some(next) = self.waiting.pop_front() else { break };
            self.under_way += 1;
            let user = Rc::clone(&self.user);
            asked.push(Box::pin(async move {
                let organization = &context.access.organization;
                let tokens = token_admin::list(&context.http, organization, &user.token, &next.owner.id).await;
                (sign_in, Answer::Tokens(next, tokens))
            }));
        }
        if let Total::Wanted(second) = &mut self.total {
            let (second, user) = (second.take(), Rc::clone(&self.user));
            let named = self.named.clone();
            self.total = Total::Unknown;
            asked.push(Box::pin(async move { (sign_in, Answer::Counted(count(context, &user, second, named).await)) }));
        }
    }

    async fn take(&mut self, sign_in: usize, answer: Answer, sheets: &mut ReportWriter<'_>) -> Result<(), Failure> {
        match answer {
            Answer::Page(Ok(page)) => return self.take_users(page),
            Answer::Page(Err(error)) => return self.without_users(sign_in, error).await,
            // Without the count there is only no estimate.
            Answer::Counted(count) => {
                if let Some(count) = count {
                    self.total = Total::Known(count);
                }
            }
            Answer::Tokens(of, tokens) => {
                self.under_way -= 1;
                match tokens {
                    Ok(Some(listing)) => {
                        (self.in_vain, self.failures) = (Some(0), 0);
                        self.pace.take(&listing.allowance, self.started.elapsed());
                        self.reach.owners += 1;
                        self.reach.unread_tokens += listing.unreadable;
                        sheets.add(&of.owner, &listing.pats)?;
                    }
                    Ok(None) => self.reach.gone += 1,
                    Err(error) => return self.without_tokens(sign_in, of, error).await,
                }
            }
        }
        Ok(())
    }

    fn take_users(&mut self, page: Page) -> Result<(), Failure> {
        let is_first = matches!(self.users, Users::Asked(None));
        let known = self.named.len();
        self.pace.take(&page.allowance, self.started.elapsed());
        for owner in page.unreadable {
            self.reach.add_unread(owner, "the list of users has no descriptor for this user".to_owned());
        }
        for owner in page.users {
            self.caller.meet(&owner);
            if self.named.insert(&owner) {
                self.waiting.push_back(Waiting { owner, refusals: 0 });
            }
        }
        if is_first {
            self.context.take_date(page.date);
            self.total = match &page.next {
                _ if page.is_cut => Total::Unknown,
                Some(second) => Total::Wanted(Some(second.clone())),
                None => Total::Known(self.named.len()),
            };
        }
        self.fruitless = if self.named.len() > known { 0 } else { self.fruitless + 1 };
        self.users = page.next.map_or(Users::Read, |next| Users::At(Some(next)));
        self.refusals = 0;
        if page.is_cut {
            return self.end_users("the header that leads to the next page cannot be read");
        }
        if self.fruitless >= FRUITLESS && matches!(self.users, Users::At(_)) {
            return self.end_users(&format!("{FRUITLESS} pages in a row have nobody new"));
        }
        Ok(())
    }

    /// Stops reading the list of users; the users read so far are still reported.
    fn end_users(&mut self, why: &str) -> Result<(), Failure> {
        self.users = Users::Read;
        if self.named.len() == 0 {
            let error = anyhow::anyhow!("could not list the users of {}: {why}", self.context.access.organization);
            return Err(StepError::new(error).now(UNCHANGED));
        }
        self.cut = Some(format!("the list of users could not be read to its end: {why}"));
        Ok(())
    }

    async fn without_users(&mut self, sign_in: usize, error: CallError) -> Result<(), Failure> {
        let Users::Asked(at) = std::mem::replace(&mut self.users, Users::Read) else { return Ok(()) };
        if self.is_to_come_back(&error) || sign_in < self.sign_ins {
            self.users = Users::At(at);
        } else if error.is_about_signing_in() && self.may_renew() && self.refusals < 2 {
            self.users = Users::At(at);
            self.refusals += 1;
            self.renew().await;
        } else if at.is_none() {
            let organization = &self.context.access.organization;
            return Err(self.explained(error, &format!("could not list the users of {organization}")).await);
        } else {
            return self.end_users(&error.to_string());
        }
        Ok(())
    }

    async fn without_tokens(&mut self, sign_in: usize, of: Waiting, error: CallError) -> Result<(), Failure> {
        if self.is_to_come_back(&error) || sign_in < self.sign_ins {
            self.waiting.push_front(of);
            return Ok(());
        }
        if matches!(error.kind, Kind::Cancelled | Kind::Abandoned) {
            self.waiting.push_front(of);
            return Err(StepError::new(on(error, "the report was not finished")).now(UNCHANGED));
        }
        if error.is_about_signing_in() && self.may_renew() && of.refusals < 2 {
            self.waiting.push_back(Waiting { refusals: of.refusals + 1, ..of });
            self.renew().await;
            return Ok(());
        }
        self.failures += 1;
        self.reach.add_unread(of.owner, error.to_string());
        let is_refused = error.refusal().is_some() || error.is_about_signing_in();
        if is_refused && self.reach.owners == 0 {
            let refusal = self.first_refusal.get_or_insert(error);
            if self.reach.unread_count >= REFUSED {
                let refusal = std::mem::replace(refusal, CallError::new(refusal.service, Kind::Cancelled));
                return Err(self.refused(refusal).await);
            }
        } else if self.failures >= FAILURES {
            self.stop(format!("the last {FAILURES} lists could not be read: {error}"));
        }
        Ok(())
    }

    /// Whether the service asks to retry later; then all requests wait until that time.
    fn is_to_come_back(&mut self, error: &CallError) -> bool {
        let rest = match error.kind {
            Kind::Busy { retry_after: Some(rest), .. } => rest,
            // If nothing was read yet, the run may as well fail.
            Kind::Busy { status: 429, .. } if self.named.len() > 0 => {
                self.context.http.limits().longest_pause * UNTIMED_REST
            }
            _ => return false,
        };
        self.pace.refused(rest.max(Duration::from_millis(100)), self.started.elapsed());
        true
    }

    /// Whether a list succeeded before, so that a new access token may work.
    fn may_renew(&self) -> bool {
        self.in_vain.is_some_and(|in_vain| in_vain < IN_VAIN)
    }

    /// Signs in again, because the access token worked and no longer does. A cancelled run, or one whose time is over, does
    /// not wait for the sign-in.
    async fn renew(&mut self) {
        if matches!(self.context.access.source, Source::AccessToken(_)) {
            return self.stop("the token in `accessToken` has expired, and the task cannot renew it".to_owned());
        }
        self.context.console.say("the token has expired; signing in again");
        // The access tokens for the vault are as old.
        self.context.shared.tokens.borrow_mut().clear();
        let user = tokio::select! {
            user = sign_in::sign_in(self.context) => user,
            () = self.context.http.cancel().requested() => return,
            () = sleep_until(self.until) => return,
        };
        match user {
            Ok(user) => {
                self.user = Rc::new(user);
                self.sign_ins += 1;
                self.in_vain = self.in_vain.map(|in_vain| in_vain + 1);
            }
            Err(failure) => self.stop(format!("the token has expired, and signing in again failed: {failure}")),
        }
    }

    fn asked_for(&self) -> usize {
        self.reach.owners + self.reach.gone + self.reach.unread_count
    }

    fn stop(&mut self, why: String) {
        let known = self.waiting.len() + self.under_way;
        self.reach.not_asked = match self.total {
            Total::Known(total) => known.max(total.saturating_sub(self.asked_for())),
            _ => known,
        };
        self.reach.stopped = Some(why);
    }

    /// Logs the progress.
    fn say(&self, sheets: &ReportWriter<'_>) {
        let (tokens, urgent) = sheets.so_far();
        // The HTTP client may already wait between two pages of one user's list.
        let asked_for = self.context.http.rest(&self.context.access.organization.identity(""));
        let progress = Progress {
            total: if let Total::Known(total) = self.total { Some(total) } else { None },
            asked: self.asked_for(),
            tokens,
            urgent,
            elapsed: self.started.elapsed(),
            rest: self.pace.rest(self.started.elapsed()).max(asked_for),
        };
        let line = progress.line();
        if let Some(percent) = progress.percent() {
            self.context.console.set_progress(percent, &line);
        }
        self.context.console.say(&line);
    }

    async fn end(mut self) -> Result<Coverage, Failure> {
        if self.reach.owners == 0
            && let Some(refusal) = self.first_refusal.take()
        {
            return Err(self.refused(refusal).await);
        }
        if self.asked_for() == 0 && self.reach.stopped.is_none() {
            let error = anyhow::anyhow!("the list of users names nobody in {}", self.context.access.organization);
            let advice = "Check `organization`, and that the account may see the organization's users.";
            return Err(StepError::new(error).advise(advice).now(UNCHANGED));
        }
        if self.reach.owners == 0 && self.reach.gone > 0 && self.reach.stopped.is_none() {
            let users = pluralize(i64::try_from(self.reach.gone).unwrap_or(i64::MAX), "user");
            let error = anyhow::anyhow!(
                "token administration of {} knows none of the organization's {users}",
                self.context.access.organization
            );
            return Err(StepError::new(error)
                .advise("Check `organization`, and report it if that is right.")
                .now(UNCHANGED));
        }
        if self.reach.stopped.is_none()
            && let Some(cut) = self.cut.take()
        {
            self.stop(cut);
        }
        if self.reach.stopped.is_none() && self.caller.is_missing() {
            self.stop("the account that signed in is not on the list of users, so the list is not whole".to_owned());
        }
        Ok(self.reach)
    }

    async fn refused(&self, error: CallError) -> Failure {
        let organization = &self.context.access.organization;
        self.explained(error, &format!("could not list the tokens of the users of {organization}")).await
    }

    async fn explained(&self, error: CallError, what: &str) -> Failure {
        let advice = sign_in::explain_refusal(self.context, &self.user, &error).await;
        StepError::new(on(error, what)).advise_if(advice).now(UNCHANGED)
    }
}

/// The failure if `maxMinutes` is over before anything was listed.
pub(super) fn out_of_time(settings: &ReportSettings, why: &str) -> Failure {
    let minutes = pluralize(settings.max_minutes.into(), "minute");
    let error = anyhow::anyhow!("`maxMinutes` ended the report after {minutes}: {why}");
    StepError::new(error).advise("Run again, with a higher `maxMinutes` if that was too short.").now(UNCHANGED)
}
