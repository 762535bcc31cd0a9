//! What there is to say about a personal access token, and how bad it is. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::model::inventory::{ListedPat, Owner};
use crate::model::marker::{Generation, marked};
use crate::model::timestamp::{Timestamp, pluralize};

/// Longer than this is longer than anybody needs: the services' own advice is 90 days and less.
const LONG: Duration = Duration::from_secs(91 * 24 * 60 * 60);

/// One thing to say about a token, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// It has expired.
    Expired,
    /// It is about to.
    Expiring,
    /// When it expires could not be read.
    NoReadableEnd,
    /// A rotation made it and did not come back for it, or has replaced it and its time is over.
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
}

impl Finding {
    /// Every kind, the worst first.
    pub const ALL: [Self; 9] = [
        Self::Expired,
        Self::Expiring,
        Self::NoReadableEnd,
        Self::Leftover,
        Self::FullScope,
        Self::AllOrganizations,
        Self::LongLived,
        Self::DuplicateName,
        Self::OwnerWithoutMail,
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
        }
    }

    /// As a table for people has it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::NoReadableEnd => "no readable end",
            Self::Leftover => "left over by a rotation",
            Self::FullScope => "full scope",
            Self::AllOrganizations => "all organizations (end on 2026-12-01)",
            Self::LongLived => "valid for more than 90 days",
            Self::DuplicateName => "duplicate name",
            Self::OwnerWithoutMail => "owner without mail",
        }
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
    /// Days left, not above zero when it has expired; `None` where its end cannot be read.
    pub days_left: Option<i64>,
    /// What there is to say, the worst first.
    pub findings: Vec<Finding>,
}

/// Where a token stands in a table, the worst first: those that expired this week, those that expire soonest, those that
/// expired before (they stay listed for months, and nobody misses them any more), then the rest by what else there is to
/// say.
pub type Rank = (bool, Finding, i64);

/// Days for which a token that has expired stands before those that are about to.
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
            Finding::Expired => (-days > JUST, *worst, -days),
            Finding::Expiring => (false, *worst, days),
            _ => (true, *worst, days),
        })
    }

    /// What there is to say beside when it ends.
    pub fn more(&self) -> impl Iterator<Item = Finding> {
        let is_end =
            |finding: &Finding| matches!(finding, Finding::Expired | Finding::Expiring | Finding::NoReadableEnd);
        self.findings.iter().copied().filter(move |finding| !is_end(finding))
    }

    /// When it ends, in words.
    pub fn end(&self) -> String {
        match self.days_left {
            None => "at a time that cannot be read".to_owned(),
            Some(days) if self.is(Finding::Expired) => match -days {
                0 => "expired today".to_owned(),
                days => format!("expired {} ago", pluralize(days, "day")),
            },
            Some(days) => format!("expires in {}", pluralize(days, "day")),
        }
    }
}

/// Judges all tokens of one owner. Those that were revoked are none any more.
pub fn judge<'a>(owner: &Owner, pats: &'a [ListedPat], rules: &Rules) -> Vec<Judged<'a>> {
    let pats: Vec<&ListedPat> = pats.iter().filter(|pat| !pat.is_revoked).collect();
    let mut names: HashMap<&str, usize> = HashMap::new();
    let is_over = |pat: &ListedPat| pat.valid_to.is_some_and(|end| end <= rules.now);
    for name in pats.iter().filter(|pat| !is_over(pat)).filter_map(|pat| pat.display_name.as_deref()) {
        *names.entry(name).or_default() += 1;
    }
    let judge = |pat: &&'a ListedPat| {
        let days_left = pat.valid_to.map(|end| end.days_left(rules.now));
        let is_over = is_over(pat);
        let name = pat.display_name.as_deref().unwrap_or_default();
        let is = |finding: &Finding| match finding {
            Finding::Expired => is_over,
            Finding::Expiring => !is_over && days_left.is_some_and(|days| days <= rules.warn_when_days_left.into()),
            Finding::NoReadableEnd => pat.valid_to.is_none(),
            // What has ended can do nothing more, whatever else it was.
            _ if is_over => false,
            Finding::Leftover => match marked(name) {
                Some((_, Generation::Pending(_) | Generation::Held(_))) => true,
                Some((_, Generation::Superseded { ends, .. })) => ends <= rules.now,
                _ => false,
            },
            Finding::FullScope => pat.scope.as_deref().is_some_and(is_full),
            Finding::AllOrganizations => pat.is_for_all_organizations == Some(true),
            Finding::LongLived => pat.valid_from.zip(pat.valid_to).is_some_and(|(start, end)| end.since(start) >= LONG),
            Finding::DuplicateName => names.get(name).is_some_and(|count| *count > 1),
            Finding::OwnerWithoutMail => rules.knows_mails && owner.mail.is_none(),
        };
        Judged { pat, days_left, findings: Finding::ALL.into_iter().filter(is).collect() }
    };
    let mut judged: Vec<Judged<'a>> = pats.iter().map(judge).collect();
    judged.sort_by_key(|one| (one.rank().is_none(), one.rank(), Reverse(one.days_left)));
    judged
}

fn is_full(scope: &str) -> bool {
    scope.split([' ', ',']).any(|scope| scope == "app_token")
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
