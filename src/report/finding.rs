//! What there is to say about a personal access token, and how bad it is. Pure.
//!
//! A finding is something that somebody should act on, and a report is either whole or says what it lacks. From this
//! follows:
//!
//! * A token that a rotation has replaced needs nobody, neither in its overlap nor after it. A pending one belongs to a run
//!   at work until that run counts as dead.
//! * A token that has just expired broke whoever used it. One that expired more than a week ago did so in an earlier
//!   report, and stays listed for months.
//! * A token that was revoked is no token.
//! * An end that cannot be read is something that the report lacks: whether the token has expired is not known.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::model::inventory::{End, ListedPat, Owner};
use crate::model::marker::{Generation, marked};
use crate::model::timestamp::{Timestamp, pluralize};
use crate::plan::RIVAL_LIVES_AT_MOST;

/// Longer than this is longer than anybody needs: the services' own advice is 90 days and less.
const LONG: Duration = Duration::from_secs(91 * 24 * 60 * 60);

/// For so long after its overlap a replaced token may wait for the next rotation, which revokes it.
const CLEANED_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One thing to say about a token, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// It expired within the last week.
    Expired,
    /// It is about to.
    Expiring,
    /// When it expires could not be read.
    NoReadableEnd,
    /// A rotation made it and did not come back for it.
    Leftover,
    /// It may do everything that its owner may.
    FullScope,
    /// It is valid in all organizations of its owner.
    AllOrganizations,
    /// It is valid for more than 90 days.
    LongLived,
    /// Another valid one of the same owner has the same name.
    DuplicateName,
    /// Nobody can be written to about it.
    OwnerWithoutMail,
    /// A rotation has replaced it. Nobody needs to act.
    Replaced,
    /// It expired more than a week ago. Nobody needs to act.
    ExpiredEarlier,
}

impl Finding {
    /// Every kind, the worst first.
    pub const ALL: [Self; 11] = [
        Self::Expired,
        Self::Expiring,
        Self::NoReadableEnd,
        Self::Leftover,
        Self::FullScope,
        Self::AllOrganizations,
        Self::LongLived,
        Self::DuplicateName,
        Self::OwnerWithoutMail,
        Self::Replaced,
        Self::ExpiredEarlier,
    ];

    /// As files for programs have it. Never changed.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::NoReadableEnd => "noReadableEnd",
            Self::Leftover => "leftover",
            Self::FullScope => "fullScope",
            Self::AllOrganizations => "allOrganizations",
            Self::LongLived => "longLived",
            Self::DuplicateName => "duplicateName",
            Self::OwnerWithoutMail => "ownerWithoutMail",
            Self::Replaced => "replaced",
            Self::ExpiredEarlier => "expiredEarlier",
        }
    }

    /// As a table for people has it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::NoReadableEnd => "unreadable expiry date",
            Self::Leftover => "left over by a rotation",
            Self::FullScope => "full scope",
            Self::AllOrganizations => "all organizations",
            Self::LongLived => "valid for more than 90 days",
            Self::DuplicateName => "duplicate name",
            Self::OwnerWithoutMail => "owner without mail",
            Self::Replaced => "replaced by a rotation",
            Self::ExpiredEarlier => "expired more than a week ago",
        }
    }

    /// Whether somebody should act on it.
    pub fn needs_action(self) -> bool {
        !matches!(self, Self::Replaced | Self::ExpiredEarlier)
    }
}

/// What a token is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time.
    pub now: Timestamp,
    /// One with at most this many days left is expiring.
    pub warn_when_days_left: u16,
    /// Whether the list tells mails at all.
    pub knows_mails: bool,
}

/// A token with what there is to say about it.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The token.
    pub pat: &'a ListedPat,
    /// Days left, not above zero when it has expired; `None` where it never expires or its end cannot be read.
    pub days_left: Option<i64>,
    /// What there is to say, the worst first.
    pub findings: Vec<Finding>,
}

/// Where a token stands in a table, the worst first: by the worst there is to say, then by when it expires.
pub type Rank = (Finding, i64);

/// Days for which somebody may not yet know that a token has expired.
const JUST: i64 = 7;

impl Judged<'_> {
    /// Whether it is of this kind.
    pub fn is(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }

    /// Where it stands; `None` where there is nothing to say about it.
    pub fn rank(&self) -> Option<Rank> {
        let days = self.days_left.unwrap_or_default();
        self.findings.first().map(|worst| match worst {
            Finding::Expired | Finding::ExpiredEarlier => (*worst, -days),
            _ => (*worst, days),
        })
    }

    /// What there is to say beside when it ends.
    pub fn more(&self) -> impl Iterator<Item = Finding> {
        let is_end = |finding: &Finding| {
            use Finding::{Expired, ExpiredEarlier, Expiring, NoReadableEnd};
            matches!(finding, Expired | Expiring | NoReadableEnd | ExpiredEarlier)
        };
        self.findings.iter().copied().filter(move |finding| !is_end(finding))
    }

    /// When it ends, in words.
    pub fn end(&self) -> String {
        match (self.pat.valid_to, self.days_left) {
            (End::Never, _) => "never expires".to_owned(),
            (_, None) => "expires at a time that cannot be read".to_owned(),
            (_, Some(0)) => "expired today".to_owned(),
            (_, Some(days @ ..0)) => format!("expired {} ago", pluralize(-days, "day")),
            (_, Some(days)) => format!("expires in {}", pluralize(days, "day")),
        }
    }
}

/// Whether a token was revoked. The lists say "not valid" of it; whether they say so of one that has expired too is not
/// documented, and the report looks for a sign of it.
fn is_revoked(pat: &ListedPat, now: Timestamp) -> bool {
    pat.is_valid == Some(false) && !pat.valid_to.is_past(now)
}

/// Judges all tokens of one owner. Those that were revoked are left out.
pub fn judge<'a>(owner: &Owner, pats: &'a [ListedPat], rules: &Rules) -> Vec<Judged<'a>> {
    let pats: Vec<&ListedPat> = pats.iter().filter(|pat| !is_revoked(pat, rules.now)).collect();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for name in pats.iter().filter(|pat| !pat.valid_to.is_past(rules.now)).filter_map(|pat| pat.display_name.as_deref())
    {
        *names.entry(name).or_default() += 1;
    }
    let judge = |pat: &&'a ListedPat| {
        let days_left = pat.valid_to.time().map(|end| end.days_left(rules.now));
        let is_over = pat.valid_to.is_past(rules.now);
        let name = pat.display_name.as_deref().unwrap_or_default();
        let role = role(pat, name, rules.now);
        let is = |finding: &Finding| match finding {
            Finding::Replaced => role == Role::Replaced,
            _ if role == Role::Replaced => false,
            Finding::Expired => is_over && days_left.is_some_and(|days| days >= -JUST),
            Finding::ExpiredEarlier => is_over && days_left.is_some_and(|days| days < -JUST),
            Finding::NoReadableEnd => pat.valid_to == End::Unreadable,
            // What has expired can do nothing more, whatever else it was.
            _ if is_over => false,
            Finding::Leftover => role == Role::Leftover,
            // The run that made it retires it or gives it its name.
            _ if role == Role::AtWork => false,
            Finding::Expiring => days_left.is_some_and(|days| days <= rules.warn_when_days_left.into()),
            Finding::FullScope => pat.scope.as_deref().is_some_and(is_full),
            Finding::AllOrganizations => pat.is_for_all_organizations == Some(true),
            Finding::LongLived => match pat.valid_to {
                End::Never => true,
                end => pat.valid_from.zip(end.time()).is_some_and(|(start, end)| end.since(start) >= LONG),
            },
            Finding::DuplicateName => names.get(name).is_some_and(|count| *count > 1),
            Finding::OwnerWithoutMail => rules.knows_mails && owner.mail.is_none(),
        };
        Judged { pat, days_left, findings: Finding::ALL.into_iter().filter(is).collect() }
    };
    let mut judged: Vec<Judged<'a>> = pats.iter().map(judge).collect();
    judged.sort_by_key(|one| (one.rank().is_none(), one.rank(), Reverse(one.days_left)));
    judged
}

/// What a token is in a rotation, by the marker in its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    /// A run made it, and may still be at work.
    AtWork,
    Leftover,
    Replaced,
}

fn role(pat: &ListedPat, name: &str, now: Timestamp) -> Role {
    match marked(name) {
        Some((_, Generation::Pending(_)))
            if pat.valid_from.is_some_and(|made| now.since(made) < RIVAL_LIVES_AT_MOST) =>
        {
            Role::AtWork
        }
        Some((_, Generation::Pending(_) | Generation::Held(_))) => Role::Leftover,
        // One that has expired by itself waits for nobody.
        Some((_, Generation::Superseded { ends, .. }))
            if pat.valid_to.is_past(now) || now < ends.plus(CLEANED_WITHIN) =>
        {
            Role::Replaced
        }
        Some((_, Generation::Superseded { .. })) => Role::Leftover,
        Some((_, Generation::Committed)) | None => Role::None,
    }
}

fn is_full(scope: &str) -> bool {
    scope.split([' ', ',']).any(|scope| scope == "app_token")
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
