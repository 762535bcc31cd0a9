//! Findings about a personal access token, and their severity. Pure.
//!
//! A finding is something that somebody should act on, and a report is either complete or says what is missing. Therefore:
//!
//! * A token that a rotation has replaced needs no action, neither in its overlap nor after it. A pending token belongs to a
//!   run at work until that run counts as abandoned.
//! * A token that expired recently may have broken its users. A token that expired more than a week ago was in an earlier
//!   report, and stays listed for months.
//! * A revoked token is left out.
//! * With an unreadable expiry date the report is partial: whether the token has expired is not known.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::model::inventory::{End, ListedPat, Owner};
use crate::model::marker::{Generation, marked};
use crate::model::timestamp::{Timestamp, pluralize};
use crate::plan::RIVAL_LIVES_AT_MOST;

/// A longer lifetime is a finding: Microsoft recommends 90 days or less.
const LONG: Duration = Duration::from_secs(91 * 24 * 60 * 60);

/// How long after its overlap a replaced token may wait for the next rotation, which revokes it.
const CLEANED_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One thing to say about a token, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// It expired within the last week.
    Expired,
    /// It expires soon.
    Expiring,
    /// When it expires could not be read.
    NoReadableEnd,
    /// A rotation created it and did not finish.
    Leftover,
    /// It may do everything that its owner may.
    FullScope,
    /// It is valid in all organizations of its owner.
    AllOrganizations,
    /// It is valid for more than 90 days.
    LongLived,
    /// Another valid token of the same owner has the same name.
    DuplicateName,
    /// The directory has no mail address of the owner.
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

    /// The code in the JSON and JUnit files. Never changed.
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

    /// The words in tables.
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

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub now: Timestamp,
    /// A token with at most this many days left is expiring.
    pub warn_when_days_left: u16,
    /// Whether the list contains mail addresses.
    pub knows_mails: bool,
}

/// A token and its findings.
#[derive(Debug)]
pub struct Judged<'a> {
    pub pat: &'a ListedPat,
    /// Zero or less if expired; `None` if the token never expires or its expiry date cannot be read.
    pub days_left: Option<i64>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// The order in tables, the worst first: by the worst finding, then by the expiry date.
pub type Rank = (Finding, i64);

/// A token that expired at most this many days ago counts as expired recently.
const JUST: i64 = 7;

impl Judged<'_> {
    pub fn is(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }

    /// `None` without findings.
    pub fn rank(&self) -> Option<Rank> {
        let days = self.days_left.unwrap_or_default();
        self.findings.first().map(|worst| match worst {
            Finding::Expired | Finding::ExpiredEarlier => (*worst, -days),
            _ => (*worst, days),
        })
    }

    /// The findings that are not about the expiry date.
    pub fn more(&self) -> impl Iterator<Item = Finding> {
        let is_end = |finding: &Finding| {
            use Finding::{Expired, ExpiredEarlier, Expiring, NoReadableEnd};
            matches!(finding, Expired | Expiring | NoReadableEnd | ExpiredEarlier)
        };
        self.findings.iter().copied().filter(move |finding| !is_end(finding))
    }

    /// The expiry date in words.
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
            // An expired token has no other finding.
            _ if is_over => false,
            Finding::Leftover => role == Role::Leftover,
            // The run that created the token will retire or commit it.
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

/// The role of a token in a rotation, according to the marker in its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    /// A run created it and may still be at work.
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
        // An expired token needs no revocation.
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
