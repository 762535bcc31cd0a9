//! The counts of a report.

use crate::model::timestamp::pluralize;
use crate::report::finding::{Finding, Judged};
use crate::settings::FailOn;

#[derive(Default, Debug)]
pub(super) struct Tally {
    pub(super) tokens: usize,
    findings: [usize; Finding::ALL.len()],
}

impl Tally {
    pub(super) fn add(&mut self, judged: &Judged<'_>) {
        self.tokens += 1;
        for finding in &judged.findings {
            self.findings[*finding as usize] += 1;
        }
    }

    pub(super) fn of(&self, finding: Finding) -> usize {
        self.findings[finding as usize]
    }

    /// The result in one sentence.
    pub(super) fn sentence(&self, owners: Option<usize>, warn_when_days_left: u16) -> String {
        let count = |count: usize, noun: &str| pluralize(i64::try_from(count).unwrap_or(i64::MAX), noun);
        let of = owners.map_or(String::new(), |owners| format!(" of {}", count(owners, "user")));
        let days = count(warn_when_days_left.into(), "day");
        format!(
            "{}{of}: {} expired within the last week, {} within {days}.",
            count(self.tokens, "token"),
            self.of(Finding::Expired),
            match self.of(Finding::Expiring) {
                1 => "1 expires".to_owned(),
                many => format!("{many} expire"),
            }
        )
    }

    /// What fails the step, in words.
    pub(super) fn findings_that_fail(&self, fail_on: FailOn, warn_when_days_left: u16) -> String {
        let count = |count: usize, noun: &str| pluralize(i64::try_from(count).unwrap_or(i64::MAX), noun);
        let (expired, expiring) = (self.of(Finding::Expired), self.of(Finding::Expiring));
        let expired = format!("{} expired within the last week", count(expired, "token"));
        if fail_on == FailOn::Expired {
            return expired;
        }
        let days = count(warn_when_days_left.into(), "day");
        format!("{expired}, {expiring} {} within {days}", if expiring == 1 { "expires" } else { "expire" })
    }
}
